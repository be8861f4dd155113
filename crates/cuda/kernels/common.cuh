// What all families share: dtypes, lanes, and where the elements of strided operands lie.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

// The numbers of the dtypes, as in Rust's `DType`.
enum DType { Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, Complex64, Complex128 };

// Lanes: what kernels compute in. Halves in float, integers in 64 bits, truth values in bool.

__device__ inline float narrow(__half x) { return __half2float(x); }
__device__ inline float narrow(__nv_bfloat16 x) { return __bfloat162float(x); }
template <class T> __device__ inline T narrow(T x) { return x; }

// From one lane to another. A number that does not fit an integer gives what the machine gives.
template <class To, class From> struct Convert {
    __device__ static To run(From x) { return To(x); }
};
template <class From> struct Convert<bool, From> {
    __device__ static bool run(From x) { return x != From(0); }
};

// Element `i` of memory of a dtype, as a lane.
template <class T> __device__ inline T load(const void* at, i64 i, int dtype) {
    switch (dtype) {
    case Bool: return Convert<T, bool>::run(((const unsigned char*)at)[i] != 0);
    case U8: return Convert<T, i64>::run(((const unsigned char*)at)[i]);
    case I8: return Convert<T, i64>::run(((const signed char*)at)[i]);
    case I16: return Convert<T, i64>::run(((const short*)at)[i]);
    case I32: return Convert<T, i64>::run(((const int*)at)[i]);
    case I64: return Convert<T, i64>::run(((const i64*)at)[i]);
    case F16: return Convert<T, float>::run(__half2float(((const __half*)at)[i]));
    case BF16: return Convert<T, float>::run(__bfloat162float(((const __nv_bfloat16*)at)[i]));
    case F32: return Convert<T, float>::run(((const float*)at)[i]);
    default: return Convert<T, double>::run(((const double*)at)[i]);
    }
}

template <class T> __device__ inline void store(void* at, i64 i, int dtype, T x) {
    switch (dtype) {
    case Bool: ((unsigned char*)at)[i] = Convert<bool, T>::run(x); break;
    case U8: ((unsigned char*)at)[i] = (unsigned char)Convert<i64, T>::run(x); break;
    case I8: ((signed char*)at)[i] = (signed char)Convert<i64, T>::run(x); break;
    case I16: ((short*)at)[i] = (short)Convert<i64, T>::run(x); break;
    case I32: ((int*)at)[i] = (int)Convert<i64, T>::run(x); break;
    case I64: ((i64*)at)[i] = Convert<i64, T>::run(x); break;
    case F16: ((__half*)at)[i] = __float2half_rn(Convert<float, T>::run(x)); break;
    case BF16: ((__nv_bfloat16*)at)[i] = __float2bfloat16_rn(Convert<float, T>::run(x)); break;
    case F32: ((float*)at)[i] = Convert<float, T>::run(x); break;
    default: ((double*)at)[i] = Convert<double, T>::run(x);
    }
}

// From doubles to halves in one rounding.
template <> __device__ inline void store<double>(void* at, i64 i, int dtype, double x) {
    switch (dtype) {
    case Bool: ((unsigned char*)at)[i] = x != 0; break;
    case U8: ((unsigned char*)at)[i] = (unsigned char)(i64)x; break;
    case I8: ((signed char*)at)[i] = (signed char)(i64)x; break;
    case I16: ((short*)at)[i] = (short)(i64)x; break;
    case I32: ((int*)at)[i] = (int)(i64)x; break;
    case I64: ((i64*)at)[i] = (i64)x; break;
    case F16: ((__half*)at)[i] = __float2half_rn((float)x); break;
    case BF16: ((__nv_bfloat16*)at)[i] = __float2bfloat16_rn((float)x); break;
    case F32: ((float*)at)[i] = (float)x; break;
    default: ((double*)at)[i] = x;
    }
}

// Sizes with their magic divisors (32-bit indices), and the strides of up to four operands, the innermost dimension
// first.
struct Places {
    int rank;
    int wide;
    u32 size[8];
    u32 magic[8];
    u32 shift[8];
    i64 stride[4][8];
};

// Where element `i` of each of `N` operands lies.
template <int N> __device__ inline void place(const Places& p, i64 i, i64 (&at)[N]) {
#pragma unroll
    for (int k = 0; k < N; k++) at[k] = 0;
    if (p.wide) {
        for (int d = 0; d < p.rank; d++) {
            i64 q = i / p.size[d], r = i - q * p.size[d];
#pragma unroll
            for (int k = 0; k < N; k++) at[k] += r * p.stride[k][d];
            i = q;
        }
        return;
    }
    u32 n = (u32)i;
    for (int d = 0; d < p.rank; d++) {
        u32 q = (__umulhi(n, p.magic[d]) + n) >> p.shift[d], r = n - q * p.size[d];
#pragma unroll
        for (int k = 0; k < N; k++) at[k] += (i64)r * p.stride[k][d];
        n = q;
    }
}

template <class T> struct Sum {
    __device__ static T start() { return T(0); }
    __device__ static T join(T a, T b) { return T(a + b); }
};

template <class T> __device__ inline T down(T x, int by) { return __shfl_down_sync(0xffffffffu, x, by); }
template <> __device__ inline bool down<bool>(bool x, int by) { return __shfl_down_sync(0xffffffffu, (int)x, by) != 0; }

// What the lanes of a block have, in thread 0.
template <class T, class O> __device__ inline T whole_block(T x) {
    __shared__ T of_warp[32];
    for (int by = 16; by > 0; by /= 2) x = O::join(x, down(x, by));
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        x = threadIdx.x < blockDim.x / 32 ? of_warp[threadIdx.x] : O::start();
        for (int by = 16; by > 0; by /= 2) x = O::join(x, down(x, by));
    }
    return x;
}

// What the threads of a team have, in all of them. A team is a thread, a warp, or a block of 256.
template <class T, class O, int TEAM> __device__ inline T whole(T x) {
    if constexpr (TEAM > 1) {
#pragma unroll
        for (int by = 16; by > 0; by /= 2) x = O::join(x, (T)__shfl_xor_sync(0xffffffffu, x, by));
    }
    if constexpr (TEAM > 32) {
        __shared__ T of_warp[8];
        __syncthreads();
        if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
        __syncthreads();
        x = of_warp[0];
#pragma unroll
        for (int i = 1; i < 8; i++) x = O::join(x, of_warp[i]);
    }
    return x;
}

// The number of the thread's team, and the thread's place in it.
template <int TEAM> __device__ inline i64 team() {
    return TEAM == 256 ? (i64)blockIdx.x : ((i64)blockIdx.x * blockDim.x + threadIdx.x) / TEAM;
}
template <int TEAM> __device__ inline int place_in_team() { return threadIdx.x % TEAM; }
