// Ops that go element by element, in any layouts and dtypes, one element a thread: what a kernel is told, and the kernel around
// a functor on lanes.
#pragma once
#include "common.cuh"

struct Flat {
    void* out;
    const void* in[3];
    // What stands for an operand that is a number, in the lane's bits.
    u64 number[3];
    u64 extra[3];
    i64 n;
};

struct Strided {
    Flat flat;
    int out_dtype;
    int in_dtype[3];
    Places places;
};

template <class T> __device__ inline T lane(u64 bits);
template <> __device__ inline float lane<float>(u64 bits) { return __uint_as_float((u32)bits); }
template <> __device__ inline double lane<double>(u64 bits) { return __longlong_as_double((i64)bits); }
template <> __device__ inline i64 lane<i64>(u64 bits) { return (i64)bits; }
template <> __device__ inline bool lane<bool>(u64 bits) { return bits != 0; }

__device__ inline double number(const Flat& f, int i) { return __longlong_as_double((i64)f.extra[i]); }

template <class T, class O, int N> __device__ inline void strided(const Strided& s) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.flat.n) return;
    i64 at[N + 1];
    place<N + 1>(s.places, i, at);
    T x[3];
#pragma unroll
    for (int k = 0; k < N; k++)
        x[k] = s.flat.in[k] ? load<T>(s.flat.in[k], at[k + 1], s.in_dtype[k]) : lane<T>(s.flat.number[k]);
    store(s.flat.out, at[0], s.out_dtype, O::run(x, s.flat));
}

#define STRIDED(NAME, OP, N, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE(const __grid_constant__ Strided s) { strided<T, OP, N>(s); }

#define ONE(NAME, EXPR) \
    template <class T> struct NAME { \
        __device__ static auto run(const T* in, const Flat& f) { T x = in[0]; return EXPR; } \
    };
#define TWO(NAME, EXPR) \
    template <class T> struct NAME { \
        __device__ static auto run(const T* in, const Flat& f) { T a = in[0], b = in[1]; return EXPR; } \
    };
