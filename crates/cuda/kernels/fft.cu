// Fourier transforms along rows. A pass takes transforms of `done` samples together, `radix` by `radix` (Stockham's order, as in
// Govindaraju et al. 2008: the result of the last pass lies in order, and no pass needs a permutation). Lengths with large
// prime factors are made convolutions of a power of two (Bluestein 1970).
#include "common.cuh"

template <class T> struct Complex {
    T re, im;
};
template <class T> __device__ inline Complex<T> operator*(Complex<T> a, Complex<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// What lies in rows: complex numbers, real ones, or the half of a spectrum whose rest is its conjugate.
enum Kind { Whole, Real, Half };

struct Fft {
    void* out;
    const void* in;
    // Bluestein's filter.
    const void* other;
    // Samples of a row, and of what a convolution is computed in.
    i64 rows, n, padded;
    i64 radix, done;
    int from, to, inverse;
};

// e to the 2 pi i x / n, of x in 0..n.
template <class T> __device__ inline Complex<T> turn(i64 x, i64 n, int inverse) {
    Complex<T> w;
    x = 2 * x > n ? x - n : x;
    sincospi(T(2 * x) / T(n), &w.im, &w.re);
    if (!inverse) w.im = -w.im;
    return w;
}

template <class T> __device__ inline Complex<T> fetch(const Fft& f, i64 row, i64 i) {
    if (f.from == Real) return {((const T*)f.in)[row * f.n + i], T(0)};
    const Complex<T>* in = (const Complex<T>*)f.in;
    if (f.from == Whole) return in[row * f.n + i];
    Complex<T> x = in[row * (f.n / 2 + 1) + (2 * i > f.n ? f.n - i : i)];
    if (2 * i > f.n) x.im = -x.im;
    if (i == 0 || 2 * i == f.n) x.im = 0;
    return x;
}

template <class T> __device__ inline void put(const Fft& f, i64 row, i64 i, Complex<T> x) {
    if (f.to == Real) ((T*)f.out)[row * f.n + i] = x.re;
    else if (f.to == Whole) ((Complex<T>*)f.out)[row * f.n + i] = x;
    else if (2 * i <= f.n) ((Complex<T>*)f.out)[row * (f.n / 2 + 1) + i] = x;
}

// Turns are multiplied up, and computed anew after so many.
#define EXACT 8

// A thread has one result.
template <class T> __device__ inline void pass(const Fft& f, i64 row, i64 at) {
    i64 span = f.done * f.radix, phase = at % span, first = at / span * f.done + phase % f.done, step = f.n / f.radix;
    Complex<T> sum = {0, 0}, w = {1, 0}, turned = turn<T>(phase, span, f.inverse);
    for (i64 k = 0; k < f.radix; k++) {
        if (k % EXACT == 0) w = turn<T>((i64)((u64)k * (u64)phase % (u64)span), span, f.inverse);
        Complex<T> x = w * fetch<T>(f, row, first + k * step);
        sum.re += x.re;
        sum.im += x.im;
        w = w * turned;
    }
    put<T>(f, row, at, sum);
}

// e to the pi i j * j / n: what a row is multiplied with before and after its convolution with the conjugates.
template <class T> __device__ inline Complex<T> chirp(const Fft& f, i64 j) {
    return turn<T>((i64)((u64)j * (u64)j % (u64)(2 * f.n)), 2 * f.n, f.inverse);
}

template <class T> __device__ inline void spread(const Fft& f, i64 row, i64 at) {
    Complex<T> x = {0, 0};
    if (at < f.n) x = fetch<T>(f, row, at) * chirp<T>(f, at);
    ((Complex<T>*)f.out)[row * f.padded + at] = x;
}

template <class T> __device__ inline void filter(const Fft& f, i64, i64 at) {
    i64 j = at < f.n ? at : f.padded - at;
    Complex<T> w = {0, 0};
    if (j < f.n) w = chirp<T>(f, j);
    ((Complex<T>*)f.out)[at] = {w.re, -w.im};
}

template <class T> __device__ inline void multiply(const Fft& f, i64 row, i64 at) {
    Complex<T>* out = (Complex<T>*)f.out;
    Complex<T> x = out[row * f.padded + at] * ((const Complex<T>*)f.other)[at];
    out[row * f.padded + at] = {x.re / T(f.padded), x.im / T(f.padded)};
}

template <class T> __device__ inline void gather(const Fft& f, i64 row, i64 at) {
    put<T>(f, row, at, ((const Complex<T>*)f.other)[row * f.padded + at] * chirp<T>(f, at));
}

#define KERNEL(NAME, LANE, T, WIDTH) \
    extern "C" __global__ void __launch_bounds__(256) fft_##NAME##_##LANE(const __grid_constant__ Fft f) { \
        i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; \
        if (i < f.rows * WIDTH) NAME<T>(f, i / WIDTH, i % WIDTH); \
    }
#define BOTH(NAME, WIDTH) KERNEL(NAME, f32, float, WIDTH) KERNEL(NAME, f64, double, WIDTH)
BOTH(pass, f.n)
BOTH(spread, f.padded)
BOTH(filter, f.padded)
BOTH(multiply, f.padded)
BOTH(gather, f.n)
