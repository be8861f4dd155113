// Convolution in up to three dimensions with any groups, strides and dilations, and its two gradients: matrix products
// whose operands are found where they lie. Tiles of 64 x 64 for blocks of 256 threads, 16 deep. Operands in rows.
#include "common.cuh"

struct Conv {
    void* out;
    const void* a;
    const void* b;
    const void* bias;
    i64 batch, groups;
    // Of one group.
    i64 channels, features;
    i64 input[3], output[3], kernel[3], stride[3], padding[3], dilation[3];
    // Of the product, for one group.
    i64 rows, columns, depth;
    int dtype;
};

__device__ inline i64 volume(const i64* size) { return size[0] * size[1] * size[2]; }

struct Spot {
    i64 x[3];
};
__device__ inline Spot spot(i64 i, const i64* size) {
    i64 w = i % size[2], rest = i / size[2];
    return {{rest / size[1], rest % size[1], w}};
}

// The element of the input that output place `o` and kernel place `k` meet at, in its plane; -1 in the padding.
__device__ inline i64 input_at(const Conv& c, const Spot& o, const Spot& k) {
    i64 at = 0;
#pragma unroll
    for (int d = 0; d < 3; d++) {
        i64 x = o.x[d] * c.stride[d] + k.x[d] * c.dilation[d] - c.padding[d];
        if (x < 0 || x >= c.input[d]) return -1;
        at = at * c.input[d] + x;
    }
    return at;
}
// The output place that input place `i` and kernel place `k` meet at; -1 where there is none.
__device__ inline i64 output_at(const Conv& c, const Spot& i, const Spot& k) {
    i64 at = 0;
#pragma unroll
    for (int d = 0; d < 3; d++) {
        i64 x = i.x[d] + c.padding[d] - k.x[d] * c.dilation[d];
        if (x < 0 || x % c.stride[d] != 0) return -1;
        x /= c.stride[d];
        if (x >= c.output[d]) return -1;
        at = at * c.output[d] + x;
    }
    return at;
}

// rows: samples and output places; columns: features; depth: channels and kernel places.
template <class T> struct Forward {
    __device__ static T left(const Conv& c, i64 g, i64 row, i64 k) {
        i64 places = volume(c.output), taps = volume(c.kernel), n = row / places, channel = k / taps;
        i64 at = input_at(c, spot(row - n * places, c.output), spot(k - channel * taps, c.kernel));
        if (at < 0) return T(0);
        return load<T>(c.a, ((n * c.groups + g) * c.channels + channel) * volume(c.input) + at, c.dtype);
    }
    __device__ static T right(const Conv& c, i64 g, i64 k, i64 column) {
        return load<T>(c.b, (g * c.features + column) * c.depth + k, c.dtype);
    }
    __device__ static void put(const Conv& c, i64 g, i64 row, i64 column, T x) {
        i64 places = volume(c.output), n = row / places, f = g * c.features + column;
        if (c.bias) x += load<T>(c.bias, f, c.dtype);
        store<T>(c.out, (n * c.groups * c.features + f) * places + (row - n * places), c.dtype, x);
    }
};

// rows: samples and input places; columns: channels; depth: features and kernel places.
template <class T> struct InputGrad {
    __device__ static T left(const Conv& c, i64 g, i64 row, i64 k) {
        i64 places = volume(c.input), taps = volume(c.kernel), n = row / places, feature = k / taps;
        i64 at = output_at(c, spot(row - n * places, c.input), spot(k - feature * taps, c.kernel));
        if (at < 0) return T(0);
        return load<T>(c.a, ((n * c.groups + g) * c.features + feature) * volume(c.output) + at, c.dtype);
    }
    __device__ static T right(const Conv& c, i64 g, i64 k, i64 column) {
        i64 taps = volume(c.kernel), feature = k / taps;
        return load<T>(c.b, ((g * c.features + feature) * c.channels + column) * taps + (k - feature * taps), c.dtype);
    }
    __device__ static void put(const Conv& c, i64 g, i64 row, i64 column, T x) {
        i64 places = volume(c.input), n = row / places;
        store<T>(c.out, ((n * c.groups + g) * c.channels + column) * places + (row - n * places), c.dtype, x);
    }
};

// rows: features; columns: channels and kernel places; depth: samples and output places.
template <class T> struct WeightGrad {
    __device__ static T left(const Conv& c, i64 g, i64 row, i64 k) {
        i64 places = volume(c.output), n = k / places;
        return load<T>(c.b, ((n * c.groups + g) * c.features + row) * places + (k - n * places), c.dtype);
    }
    __device__ static T right(const Conv& c, i64 g, i64 k, i64 column) {
        i64 places = volume(c.output), taps = volume(c.kernel), n = k / places, channel = column / taps;
        i64 at = input_at(c, spot(k - n * places, c.output), spot(column - channel * taps, c.kernel));
        if (at < 0) return T(0);
        return load<T>(c.a, ((n * c.groups + g) * c.channels + channel) * volume(c.input) + at, c.dtype);
    }
    __device__ static void put(const Conv& c, i64 g, i64 row, i64 column, T x) {
        store<T>(c.out, (g * c.features + row) * c.columns + column, c.dtype, x);
    }
};

template <class T, class F> __device__ inline void product(const Conv& c) {
    const int Tile = 64, Deep = 16;
    __shared__ T left[Deep][Tile + 4], right[Deep][Tile + 4];
    i64 g = blockIdx.z, row0 = (i64)blockIdx.x * Tile, column0 = (i64)blockIdx.y * Tile;
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    T sum[4][4] = {};
    for (i64 k0 = 0; k0 < c.depth; k0 += Deep) {
        for (int i = threadIdx.x; i < Tile * Deep; i += 256) {
            int r = i % Tile, k = i / Tile;
            left[k][r] = row0 + r < c.rows && k0 + k < c.depth ? F::left(c, g, row0 + r, k0 + k) : T(0);
            right[k][r] = column0 + r < c.columns && k0 + k < c.depth ? F::right(c, g, k0 + k, column0 + r) : T(0);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < Deep; k++) {
            T a[4], b[4];
#pragma unroll
            for (int i = 0; i < 4; i++) a[i] = left[k][tx + 16 * i], b[i] = right[k][ty * 4 + i];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            i64 r = row0 + tx + 16 * i, k = column0 + ty * 4 + j;
            if (r < c.rows && k < c.columns) F::put(c, g, r, k, sum[i][j]);
        }
}

#define KERNEL(NAME, F, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE(const __grid_constant__ Conv c) { product<T, F<T>>(c); }
#define KERNELS(NAME, F) KERNEL(NAME, F, f32, float) KERNEL(NAME, F, f64, double)
KERNELS(conv, Forward)
KERNELS(conv_input_grad, InputGrad)
KERNELS(conv_weight_grad, WeightGrad)
