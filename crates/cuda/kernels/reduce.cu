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
    // Of those that keep more than a number: a second output, a parameter, and which of several outputs is asked for.
    void* second;
    double number;
    int flag;
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

// Reductions that keep more than a number: each thread its own state, which are joined in order.

template <class T, class S> __device__ inline void state_rows(const Reduce& r) {
    __shared__ S all[256];
    i64 output = blockIdx.x, base[1];
    place<1>(r.kept, output, base);
    S s = S::start(r);
    for (i64 i = threadIdx.x; i < r.length; i += 256) {
        i64 at[1];
        place<1>(r.reduced, i, at);
        s.add(load<T>(r.in, base[0] + at[0], r.in_dtype), i, r);
    }
    all[threadIdx.x] = s;
    for (int by = 128; by > 0; by /= 2) {
        __syncthreads();
        if (threadIdx.x < by) all[threadIdx.x].join(all[threadIdx.x + by], r);
    }
    if (threadIdx.x == 0) all[0].put(r, output);
}

template <class T, class S> __device__ inline void state_columns(const Reduce& r) {
    i64 output = (i64)blockIdx.x * blockDim.x + threadIdx.x, base[1];
    if (output >= r.outputs) return;
    place<1>(r.kept, output, base);
    S s = S::start(r);
    for (i64 i = 0; i < r.length; i++) {
        i64 at[1];
        place<1>(r.reduced, i, at);
        s.add(load<T>(r.in, base[0] + at[0], r.in_dtype), i, r);
    }
    s.put(r, output);
}

// The best and its place: of equal ones the first, NaN before all.
template <class T, bool MAX> struct Best {
    i64 at;
    T value;
    // No byte of it stays unwritten where it is copied whole.
    T filler;
    __device__ static Best start(const Reduce& r) { return {-1, T(0), T(0)}; }
    __device__ static bool beats(T a, T b) { return (a != a && b == b) || (MAX ? a > b : a < b); }
    __device__ void add(T x, i64 i, const Reduce& r) {
        if (at < 0 || beats(x, value)) value = x, at = i;
    }
    __device__ void join(const Best& other, const Reduce& r) {
        if (other.at < 0) return;
        bool equal = !beats(value, other.value) && other.at < at;
        if (at < 0 || beats(other.value, value) || equal) *this = other;
    }
    __device__ void put(const Reduce& r, i64 output) const {
        if (r.flag) {
            ((i64*)r.out)[output] = at;
        } else {
            store<T>(r.out, output, r.out_dtype, value);
            ((i64*)r.second)[output] = at;
        }
    }
};

// Variance and mean: Chan, Golub, LeVeque 1979.
template <class T> struct Moments {
    T mean, squares;
    i64 n;
    __device__ static Moments start(const Reduce& r) { return {T(0), T(0), 0}; }
    __device__ void add(T x, i64 i, const Reduce& r) {
        n++;
        T d = x - mean;
        mean += d / T(n);
        squares += d * (x - mean);
    }
    __device__ void join(const Moments& o, const Reduce& r) {
        if (o.n == 0) return;
        T d = o.mean - mean, all = T(n + o.n);
        mean += d * (T(o.n) / all);
        squares += o.squares + d * d * (T(n) * T(o.n) / all);
        n += o.n;
    }
    __device__ void put(const Reduce& r, i64 output) const {
        double left = (double)n - r.number;
        T variance = squares / T(left > 0 ? left : 0.0);
        store<T>(r.out, output, r.out_dtype, r.flag ? sqrt(variance) : variance);
        store<T>(r.second, output, r.out_dtype, n == 0 ? T(0) / T(0) : mean);
    }
};

// Norms of any order.
template <class T> struct Powers {
    T sum;
    __device__ static Powers start(const Reduce& r) { return {r.number == -Limits<double>::high() ? Limits<T>::high() : T(0)}; }
    __device__ void take(T x, const Reduce& r) {
        if (r.number == Limits<double>::high()) sum = Amax<T>::join(sum, x);
        else if (r.number == -Limits<double>::high()) sum = Amin<T>::join(sum, x);
        else sum += x;
    }
    __device__ void add(T x, i64 i, const Reduce& r) {
        x = fabs(x);
        double p = r.number;
        take(p == 2 ? x * x : p == 1 || p - p != p - p ? x : p == 0 ? T(x != T(0)) : pow(x, T(p)), r);
    }
    __device__ void join(const Powers& o, const Reduce& r) { take(o.sum, r); }
    __device__ void put(const Reduce& r, i64 output) const {
        double p = r.number;
        T x = p == 2 ? sqrt(sum) : p == 1 || p == 0 || p - p != p - p ? sum : pow(sum, T(1.0 / p));
        store<T>(r.out, output, r.out_dtype, x);
    }
};

// log of a sum of exponentials, with the largest exponent apart.
template <class T> struct Exponentials {
    T top, sum;
    __device__ static Exponentials start(const Reduce& r) { return {Limits<T>::low(), T(0)}; }
    __device__ void add(T x, i64 i, const Reduce& r) { join({x, T(x == Limits<T>::low() ? 0 : 1)}, r); }
    __device__ void join(const Exponentials& o, const Reduce& r) {
        if (o.sum == T(0)) return;
        if (sum == T(0)) { *this = o; return; }
        if (top == o.top) { sum += o.sum; return; }
        bool mine = top > o.top || top != top;
        T high = mine ? top : o.top, low = mine ? o.top : top;
        T factor = high == Limits<T>::high() ? (low != low ? low : T(0)) : exp(low - high);
        sum = mine ? sum + o.sum * factor : sum * factor + o.sum;
        top = high;
    }
    __device__ void put(const Reduce& r, i64 output) const { store<T>(r.out, output, r.out_dtype, log(sum) + top); }
};

#define STATE(NAME, S, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_rows(const __grid_constant__ Reduce r) { state_rows<T, S>(r); } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_columns(const __grid_constant__ Reduce r) { state_columns<T, S>(r); }
#define FLOATS(NAME, S) STATE(NAME, S<float>, f32, float) STATE(NAME, S<double>, f64, double)

#define BEST(NAME, MAX) \
    template <class T> using NAME##_state = Best<T, MAX>; \
    FLOATS(NAME, NAME##_state) STATE(NAME, NAME##_state<i64>, i64, i64)
BEST(argmax, true)
BEST(argmin, false)
FLOATS(var_mean, Moments)
FLOATS(norm, Powers)
FLOATS(logsumexp, Exponentials)
