// Matrix products: tiles of 64 x 64 for blocks of 256 threads, four rows and columns a thread, 16 deep. Any strides.
#include "common.cuh"

struct Product {
    void* out;
    const void* a;
    const void* b;
    const void* bias;
    i64 rows, columns, depth;
    // Elements between neighbours: in the batch, from row to row, from column to column.
    i64 a_stride[2], b_stride[2];
    int a_dtype, b_dtype, bias_dtype, out_dtype;
    // Of the batch: where each operand's matrix begins.
    Places batch;
};

template <class T> __device__ inline void product(const Product& p) {
    const int Tile = 64, Deep = 16;
    __shared__ T left[Deep][Tile + 4], right[Deep][Tile + 4];
    i64 at[2];
    place<2>(p.batch, blockIdx.z, at);
    i64 row0 = (i64)blockIdx.y * Tile, column0 = (i64)blockIdx.x * Tile;
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    T sum[4][4] = {};
    // Threads follow whichever dimension of an operand lies side by side.
    bool a_deep = p.a_stride[1] == 1, b_deep = p.b_stride[0] == 1;
    for (i64 k0 = 0; k0 < p.depth; k0 += Deep) {
        for (int i = threadIdx.x; i < Tile * Deep; i += 256) {
            int r = a_deep ? i / Deep : i % Tile, k = a_deep ? i % Deep : i / Tile;
            bool in = row0 + r < p.rows && k0 + k < p.depth;
            left[k][r] = in ? load<T>(p.a, at[0] + (row0 + r) * p.a_stride[0] + (k0 + k) * p.a_stride[1], p.a_dtype) : T(0);
            int c = b_deep ? i / Deep : i % Tile;
            k = b_deep ? i % Deep : i / Tile;
            in = column0 + c < p.columns && k0 + k < p.depth;
            right[k][c] = in ? load<T>(p.b, at[1] + (k0 + k) * p.b_stride[0] + (column0 + c) * p.b_stride[1], p.b_dtype) : T(0);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < Deep; k++) {
            T a[4], b[4];
#pragma unroll
            for (int i = 0; i < 4; i++) a[i] = left[k][ty * 4 + i], b[i] = right[k][tx + 16 * i];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            i64 r = row0 + ty * 4 + i, c = column0 + tx + 16 * j;
            if (r >= p.rows || c >= p.columns) continue;
            T x = sum[i][j];
            if (p.bias) x += load<T>(p.bias, c, p.bias_dtype);
            store(p.out, (blockIdx.z * p.rows + r) * p.columns + c, p.out_dtype, x);
        }
}

extern "C" __global__ void __launch_bounds__(256) product_f32(const __grid_constant__ Product p) { product<float>(p); }
extern "C" __global__ void __launch_bounds__(256) product_f64(const __grid_constant__ Product p) { product<double>(p); }
extern "C" __global__ void __launch_bounds__(256) product_i64(const __grid_constant__ Product p) { product<i64>(p); }
