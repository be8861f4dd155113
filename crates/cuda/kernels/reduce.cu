// Reductions over any dimensions, in a fixed order.
//
// `NAME_LANE_rows`: a block for each output and chunk of what it is made of. `NAME_LANE_columns`: a thread for each
// output and chunk, for outputs that lie side by side. Chunks leave lanes, which a second launch puts together.
#include "common.cuh"

struct Reduce {
    void* out;
    const void* in;
    double scale;
    i64 outputs;
    i64 length;
    i64 chunk;
    int out_dtype;
    int in_dtype;
    // Of the outputs: where what they are made of begins.
    Places kept;
    Places reduced;
};

template <class T> struct Prod {
    __device__ static T start() { return T(1); }
    __device__ static T join(T a, T b) { return T(a * b); }
};
template <class T> struct Limits;
template <> struct Limits<float> {
    __device__ static float high() { return __int_as_float(0x7f800000); }
    __device__ static float low() { return -high(); }
};
template <> struct Limits<double> {
    __device__ static double high() { return __longlong_as_double(0x7ff0000000000000LL); }
    __device__ static double low() { return -high(); }
};
template <> struct Limits<i64> {
    __device__ static i64 high() { return 0x7fffffffffffffffLL; }
    __device__ static i64 low() { return -high() - 1; }
};
template <> struct Limits<bool> {
    __device__ static bool high() { return true; }
    __device__ static bool low() { return false; }
};
// NaN if any is.
template <class T> struct Amax {
    __device__ static T start() { return Limits<T>::low(); }
    __device__ static T join(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }
};
template <class T> struct Amin {
    __device__ static T start() { return Limits<T>::high(); }
    __device__ static T join(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; }
};

template <class T> __device__ inline T scaled(T x, double scale) { return x; }
template <> __device__ inline float scaled<float>(float x, double scale) { return scale == 1.0 ? x : (float)(x * scale); }
template <> __device__ inline double scaled<double>(double x, double scale) { return scale == 1.0 ? x : x * scale; }

template <class T, class O> __device__ inline T part(const Reduce& r, i64 base, i64 first, i64 last, i64 step) {
    T x = O::start();
    for (i64 i = first; i < last; i += step) {
        i64 at[1];
        place<1>(r.reduced, i, at);
        x = O::join(x, load<T>(r.in, base + at[0], r.in_dtype));
    }
    return x;
}

template <class T, class O> __device__ inline void rows(const Reduce& r) {
    i64 output = blockIdx.x, base[1];
    place<1>(r.kept, output, base);
    i64 first = (i64)blockIdx.y * r.chunk, last = min(first + r.chunk, r.length);
    T x = whole_block<T, O>(part<T, O>(r, base[0], first + threadIdx.x, last, blockDim.x));
    if (threadIdx.x == 0) store(r.out, blockIdx.y * r.outputs + output, r.out_dtype, scaled(x, r.scale));
}

template <class T, class O> __device__ inline void columns(const Reduce& r) {
    i64 output = (i64)blockIdx.x * blockDim.x + threadIdx.x, base[1];
    if (output >= r.outputs) return;
    place<1>(r.kept, output, base);
    i64 first = (i64)blockIdx.y * r.chunk, last = min(first + r.chunk, r.length);
    T x = part<T, O>(r, base[0], first, last, 1);
    store(r.out, blockIdx.y * r.outputs + output, r.out_dtype, scaled(x, r.scale));
}

#define KERNEL(NAME, O, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_rows(const __grid_constant__ Reduce r) { rows<T, O<T>>(r); } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_columns(const __grid_constant__ Reduce r) { columns<T, O<T>>(r); }
#define NUMBERS(NAME, O) KERNEL(NAME, O, f32, float) KERNEL(NAME, O, f64, double) KERNEL(NAME, O, i64, i64)

NUMBERS(sum, Sum)
NUMBERS(prod, Prod)
NUMBERS(amax, Amax) KERNEL(amax, Amax, bool, bool)
NUMBERS(amin, Amin) KERNEL(amin, Amin, bool, bool)
