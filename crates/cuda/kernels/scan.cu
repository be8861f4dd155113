// Running reductions along a dimension. A line is walked by a thread, or, where it is long, by a block: each thread reduces
// a piece, the pieces are joined in order, and each thread walks its piece again from there. Any strides.
#include "common.cuh"

struct Scan {
    void* out;
    void* second;
    const void* in[2];
    i64 lines, n;
    // Elements between neighbours along the dimension: of the output, the inputs, the second output.
    i64 step[4];
    int dtype[3];
    int reverse;
    // Where each line begins.
    Places places;
};

template <class T> struct Sums {
    T sum;
    __device__ static Sums start() { return {T(0)}; }
    __device__ static Sums of(const T* x, i64 i) { return {x[0]}; }
    __device__ Sums then(const Sums& o) const { return {T(sum + o.sum)}; }
    __device__ T value() const { return sum; }
    __device__ i64 at() const { return 0; }
};
template <class T> struct Products {
    T product;
    __device__ static Products start() { return {T(1)}; }
    __device__ static Products of(const T* x, i64 i) { return {x[0]}; }
    __device__ Products then(const Products& o) const { return {T(product * o.product)}; }
    __device__ T value() const { return product; }
    __device__ i64 at() const { return 0; }
};
// log of a sum of exponentials.
template <class T> struct Exponentials {
    T log;
    __device__ static Exponentials start() { return {-__int_as_float(0x7f800000)}; }
    __device__ static Exponentials of(const T* x, i64 i) { return {x[0]}; }
    __device__ Exponentials then(const Exponentials& o) const {
        T high = log != log || log > o.log ? log : o.log, low = log != log || log > o.log ? o.log : log;
        if (high - high != high - high) return {high + (low != low ? low : T(0))};
        return {high + log1p(exp(low - high))};
    }
    __device__ T value() const { return log; }
    __device__ i64 at() const { return 0; }
};
// y = a y + b, as a function of the y before.
template <class T> struct Affine {
    T a, b;
    __device__ static Affine start() { return {T(1), T(0)}; }
    __device__ static Affine of(const T* x, i64 i) { return {x[0], x[1]}; }
    __device__ Affine then(const Affine& o) const { return {a * o.a, o.a * b + o.b}; }
    __device__ T value() const { return b; }
    __device__ i64 at() const { return 0; }
};
// The best so far and its place: of equal ones the last, NaN before all.
template <class T, bool MAX> struct Best {
    T best;
    i64 place;
    __device__ static Best start() { return {T(0), -1}; }
    __device__ static Best of(const T* x, i64 i) { return {x[0], i}; }
    __device__ Best then(const Best& o) const {
        if (place < 0 || o.place < 0) return place < 0 ? o : *this;
        bool stays = (best != best && o.best == o.best) || (MAX ? best > o.best : best < o.best);
        return stays ? *this : o;
    }
    __device__ T value() const { return best; }
    __device__ i64 at() const { return place; }
};

template <class T, int INPUTS> struct Line {
    const Scan& s;
    i64 at[4];
    // Element `k` in the order of the walk.
    __device__ void read(i64 k, T* x) const {
        i64 i = s.reverse ? s.n - 1 - k : k;
#pragma unroll
        for (int j = 0; j < INPUTS; j++) x[j] = load<T>(s.in[j], at[j + 1] + i * s.step[j + 1], s.dtype[j + 1]);
    }
    template <class S> __device__ S walk(S state, i64 first, i64 last, bool writes) const {
        for (i64 k = first; k < last; k++) {
            T x[2];
            read(k, x);
            i64 i = s.reverse ? s.n - 1 - k : k;
            state = state.then(S::of(x, i));
            if (!writes) continue;
            store<T>(s.out, at[0] + i * s.step[0], s.dtype[0], state.value());
            if (s.second) ((i64*)s.second)[at[3] + i * s.step[3]] = state.at();
        }
        return state;
    }
};

template <class T, class S, int INPUTS> __device__ inline void by_thread(const Scan& s) {
    i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= s.lines) return;
    Line<T, INPUTS> line = {s};
    place<4>(s.places, number, line.at);
    line.walk(S::start(), 0, s.n, true);
}

template <class T, class S, int INPUTS> __device__ inline void by_block(const Scan& s) {
    __shared__ S pieces[256];
    Line<T, INPUTS> line = {s};
    place<4>(s.places, blockIdx.x, line.at);
    i64 piece = (s.n + 255) / 256, first = min(threadIdx.x * piece, s.n), last = min(first + piece, s.n);
    pieces[threadIdx.x] = line.walk(S::start(), first, last, false);
    __syncthreads();
    if (threadIdx.x == 0) {
        S state = S::start();
        for (int i = 0; i < 256; i++) {
            S own = pieces[i];
            pieces[i] = state;
            state = state.then(own);
        }
    }
    __syncthreads();
    line.walk(pieces[threadIdx.x], first, last, true);
}

#define KERNEL(NAME, S, INPUTS, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_thread(const __grid_constant__ Scan s) { by_thread<T, S, INPUTS>(s); } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_block(const __grid_constant__ Scan s) { by_block<T, S, INPUTS>(s); }
#define BOTH(NAME, S, INPUTS) KERNEL(NAME, S<double>, INPUTS, f64, double) KERNEL(NAME, S<i64>, INPUTS, i64, i64)
template <class T> using Highest = Best<T, true>;
template <class T> using Lowest = Best<T, false>;

BOTH(cumsum, Sums, 1)
BOTH(cumprod, Products, 1)
KERNEL(logcumsumexp, Exponentials<double>, 1, f64, double)
BOTH(recurrence, Affine, 2)
BOTH(cummax, Highest, 1)
BOTH(cummin, Lowest, 1)
