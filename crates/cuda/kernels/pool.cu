// Pooling of planes in up to three dimensions, and the gradients through it. Operands in rows.
#include "common.cuh"

struct Pool {
    void* out;
    const void* in;
    i64* places;
    i64 planes;
    // Of a plane: the input's sizes and the output's.
    i64 size[3], pooled[3];
    i64 kernel[3], stride[3], padding[3], dilation[3];
    i64 divisor;
    int dtype, adaptive, count_padding;
};

struct Window {
    i64 start, end, step, count;
};

// Window `o` along dimension `d`.
__device__ inline Window window(const Pool& p, int d, i64 o) {
    i64 n = p.size[d];
    if (p.adaptive) {
        i64 m = p.pooled[d], start = o * n / m, end = ((o + 1) * n + m - 1) / m;
        return {start, end, 1, end - start};
    }
    i64 reach = (p.kernel[d] - 1) * p.dilation[d] + 1, start = o * p.stride[d] - p.padding[d];
    i64 end = min(start + reach, n), padded = min(start + reach, n + p.padding[d]) - start;
    if (start < 0) start += (-start + p.dilation[d] - 1) / p.dilation[d] * p.dilation[d];
    return {start, end, p.dilation[d], p.count_padding ? padded : max(end - start, 0ll)};
}

struct Place {
    i64 plane, at[3];
};

__device__ inline Place place_of(i64 i, const i64* size) {
    i64 w = i % size[2], rest = i / size[2];
    return {rest / size[1] / size[0], {rest / size[1] % size[0], rest % size[1], w}};
}

template <class T> __device__ inline void max_pool(const Pool& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.planes * p.pooled[0] * p.pooled[1] * p.pooled[2]) return;
    Place o = place_of(i, p.pooled);
    Window d = window(p, 0, o.at[0]), h = window(p, 1, o.at[1]), w = window(p, 2, o.at[2]);
    i64 base = o.plane * p.size[0] * p.size[1] * p.size[2];
    // A window beside the input has no place: -1, which no gradient goes to.
    bool beside = d.start >= d.end || h.start >= h.end || w.start >= w.end;
    i64 at = beside ? -1 : (d.start * p.size[1] + h.start) * p.size[2] + w.start;
    T best = -__int_as_float(0x7f800000);
    for (i64 z = d.start; z < d.end; z += d.step)
        for (i64 y = h.start; y < h.end; y += h.step)
            for (i64 x = w.start; x < w.end; x += w.step) {
                i64 k = (z * p.size[1] + y) * p.size[2] + x;
                T value = load<T>(p.in, base + k, p.dtype);
                if (value > best || value != value) best = value, at = k;
            }
    store<T>(p.out, i, p.dtype, best);
    p.places[i] = at;
}

// A warp for each plane takes 32 outputs at a time; those that go to one place are added in order.
template <class T> __device__ inline void max_pool_backward(const Pool& p) {
    i64 plane = team<32>();
    if (plane >= p.planes) return;
    int lane = threadIdx.x % 32;
    i64 outputs = p.pooled[0] * p.pooled[1] * p.pooled[2], inputs = p.size[0] * p.size[1] * p.size[2];
    for (i64 first = 0; first < outputs; first += 32) {
        i64 o = plane * outputs + first + lane;
        bool there = first + lane < outputs;
        i64 to = there ? p.places[o] : -1;
        T g = there ? load<T>(p.in, o, p.dtype) : T(0);
        u32 same = __match_any_sync(0xffffffffu, (u64)to);
        int leader = __ffs(same) - 1;
        bool leads = leader == lane && to >= 0 && to < inputs;
        T sum = leads ? load<T>(p.out, plane * inputs + to, p.dtype) : T(0);
        for (int l = 0; l < 32; l++) {
            T other = __shfl_sync(0xffffffffu, g, l);
            if (same >> l & 1) sum += other;
        }
        if (leads) store<T>(p.out, plane * inputs + to, p.dtype, sum);
        __syncwarp();
    }
}

template <class T> __device__ inline T divisor(const Pool& p, const Window& d, const Window& h, const Window& w) {
    return T(p.divisor ? p.divisor : d.count * h.count * w.count);
}

template <class T> __device__ inline void avg_pool(const Pool& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.planes * p.pooled[0] * p.pooled[1] * p.pooled[2]) return;
    Place o = place_of(i, p.pooled);
    Window d = window(p, 0, o.at[0]), h = window(p, 1, o.at[1]), w = window(p, 2, o.at[2]);
    i64 base = o.plane * p.size[0] * p.size[1] * p.size[2];
    T sum = 0;
    for (i64 z = d.start; z < d.end; z++)
        for (i64 y = h.start; y < h.end; y++)
            for (i64 x = w.start; x < w.end; x++)
                sum += load<T>(p.in, base + (z * p.size[1] + y) * p.size[2] + x, p.dtype);
    store<T>(p.out, i, p.dtype, sum / divisor<T>(p, d, h, w));
}

// The first window that may hold place `i`.
__device__ inline i64 first_over(const Pool& p, int d, i64 i) {
    if (p.adaptive) return i * p.pooled[d] / p.size[d];
    i64 at = i + p.padding[d] - p.kernel[d] + 1;
    return at <= 0 ? 0 : (at + p.stride[d] - 1) / p.stride[d];
}

template <class T> __device__ inline void avg_pool_backward(const Pool& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.planes * p.size[0] * p.size[1] * p.size[2]) return;
    Place in = place_of(i, p.size);
    T sum = 0;
    for (i64 z = first_over(p, 0, in.at[0]); z < p.pooled[0]; z++) {
        Window d = window(p, 0, z);
        if (d.start > in.at[0]) break;
        if (in.at[0] >= d.end) continue;
        for (i64 y = first_over(p, 1, in.at[1]); y < p.pooled[1]; y++) {
            Window h = window(p, 1, y);
            if (h.start > in.at[1]) break;
            if (in.at[1] >= h.end) continue;
            for (i64 x = first_over(p, 2, in.at[2]); x < p.pooled[2]; x++) {
                Window w = window(p, 2, x);
                if (w.start > in.at[2]) break;
                if (in.at[2] >= w.end) continue;
                i64 o = ((in.plane * p.pooled[0] + z) * p.pooled[1] + y) * p.pooled[2] + x;
                sum += load<T>(p.in, o, p.dtype) / divisor<T>(p, d, h, w);
            }
        }
    }
    store<T>(p.out, i, p.dtype, sum);
}

#define KERNEL(NAME, CALL) extern "C" __global__ void __launch_bounds__(256) NAME(const __grid_constant__ Pool p) { CALL(p); }
#define KERNELS(NAME) KERNEL(NAME##_f32, NAME<float>) KERNEL(NAME##_f64, NAME<double>)
KERNELS(max_pool)
KERNELS(max_pool_backward)
KERNELS(avg_pool)
KERNELS(avg_pool_backward)
