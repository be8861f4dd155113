// Ops that go element by element. Each op is a functor on lanes; the kernels around it load, compute, and store.
//
// `NAME_LANE`: any layouts and dtypes, one element a thread. `NAME_DTYPE_flat`: all operands of one dtype and in rows,
// 16 bytes of each a thread.
#include "elementwise.cuh"
#include "mail.cuh"

template <class E> struct alignas(16) Pack {
    E x[16 / sizeof(E)];
};

__device__ inline void put(float* to, float x) { *to = x; }
__device__ inline void put(double* to, double x) { *to = x; }
__device__ inline void put(i64* to, i64 x) { *to = x; }
__device__ inline void put(__half* to, float x) { *to = __float2half_rn(x); }
__device__ inline void put(__nv_bfloat16* to, float x) { *to = __float2bfloat16_rn(x); }

template <class E, class T, class O, int N> __device__ inline void flat(const Flat& f) {
    const int W = 16 / sizeof(E);
    i64 first = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * W;
    if (first >= f.n) return;
    T x[3];
    if (first + W > f.n) {
        for (i64 i = first; i < f.n; i++) {
#pragma unroll
            for (int k = 0; k < N; k++) x[k] = f.in[k] ? T(narrow(((const E*)f.in[k])[i])) : lane<T>(f.number[k]);
            put((E*)f.out + i, O::run(x, f));
        }
        return;
    }
    // All indices are known, so that everything stays in registers.
    Pack<E> in[N], out;
#pragma unroll
    for (int k = 0; k < N; k++)
        if (f.in[k]) in[k] = *(const Pack<E>*)((const E*)f.in[k] + first);
#pragma unroll
    for (int i = 0; i < W; i++) {
#pragma unroll
        for (int k = 0; k < N; k++) x[k] = f.in[k] ? T(narrow(in[k].x[i])) : lane<T>(f.number[k]);
        put(&out.x[i], O::run(x, f));
    }
    *(Pack<E>*)((E*)f.out + first) = out;
}

#define FLAT(NAME, OP, N, DTYPE, E, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##DTYPE##_flat(const __grid_constant__ Flat f) { flat<E, T, OP, N>(f); }

// Floating point alone; with integers; with truth values; truth values as the answer (no flat form).
#define REAL(NAME, OP, N) \
    STRIDED(NAME, OP<float>, N, f32, float) \
    STRIDED(NAME, OP<double>, N, f64, double) \
    FLAT(NAME, OP<float>, N, f32, float, float) \
    FLAT(NAME, OP<double>, N, f64, double, double) \
    FLAT(NAME, OP<float>, N, f16, __half, float) \
    FLAT(NAME, OP<float>, N, bf16, __nv_bfloat16, float)
// Functions that cost more than the memory: one form.
#define HEAVY(NAME, OP, N) \
    STRIDED(NAME, OP<float>, N, f32, float) \
    STRIDED(NAME, OP<double>, N, f64, double)
#define INTEGER(NAME, OP, N) \
    STRIDED(NAME, OP<i64>, N, i64, i64) \
    FLAT(NAME, OP<i64>, N, i64, i64, i64)
#define TRUTH(NAME, OP, N) STRIDED(NAME, OP<bool>, N, bool, bool)
#define ANSWER(NAME, OP, N) \
    STRIDED(NAME, OP<float>, N, f32, float) \
    STRIDED(NAME, OP<double>, N, f64, double) \
    STRIDED(NAME, OP<i64>, N, i64, i64)

// Copies: the elements as bits, or from lane to lane.
ONE(Copy, x)
STRIDED(cast, Copy<float>, 1, f32, float)
STRIDED(cast, Copy<double>, 1, f64, double)
STRIDED(cast, Copy<i64>, 1, i64, i64)
STRIDED(cast, Copy<bool>, 1, bool, bool)
template <class E> __device__ inline void copy(const Strided& s) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.flat.n) return;
    i64 at[2];
    place<2>(s.places, i, at);
    ((E*)s.flat.out)[at[0]] = ((const E*)s.flat.in[0])[at[1]];
}
#define COPY(SIZE, E) \
    extern "C" __global__ void __launch_bounds__(256) copy_##SIZE(const __grid_constant__ Strided s) { copy<E>(s); }
COPY(1, unsigned char) COPY(2, unsigned short) COPY(4, u32) COPY(8, u64) COPY(16, uint4)

// One operand.
ONE(Neg, T(-x)) REAL(neg, Neg, 1) INTEGER(neg, Neg, 1)
ONE(Abs, x < T(0) ? T(-x) : x) INTEGER(abs, Abs, 1)
ONE(Fabs, T(fabs(x))) REAL(abs, Fabs, 1)
ONE(Sign, T((x > T(0)) - (x < T(0)))) HEAVY(sign, Sign, 1) INTEGER(sign, Sign, 1)
ONE(Square, T(x * x)) REAL(square, Square, 1) INTEGER(square, Square, 1)
ONE(Cube, T(x * x * x)) HEAVY(cube, Cube, 1) INTEGER(cube, Cube, 1)
ONE(Relu, x <= T(0) ? T(0) : x) REAL(relu, Relu, 1) INTEGER(relu, Relu, 1)
ONE(Exp, T(exp(x))) REAL(exp, Exp, 1)
ONE(Exp2, T(exp2(x))) HEAVY(exp2, Exp2, 1)
ONE(Expm1, T(expm1(x))) HEAVY(expm1, Expm1, 1)
ONE(Log, T(log(x))) REAL(log, Log, 1)
ONE(Log2, T(log2(x))) HEAVY(log2, Log2, 1)
ONE(Log10, T(log10(x))) HEAVY(log10, Log10, 1)
ONE(Log1p, T(log1p(x))) HEAVY(log1p, Log1p, 1)
ONE(Sqrt, T(sqrt(x))) REAL(sqrt, Sqrt, 1)
ONE(Rsqrt, T(1 / sqrt(x))) HEAVY(rsqrt, Rsqrt, 1)
ONE(Reciprocal, T(1 / x)) REAL(reciprocal, Reciprocal, 1)
ONE(Sin, T(sin(x))) HEAVY(sin, Sin, 1)
ONE(Cos, T(cos(x))) HEAVY(cos, Cos, 1)
ONE(Tan, T(tan(x))) HEAVY(tan, Tan, 1)
ONE(Asin, T(asin(x))) HEAVY(asin, Asin, 1)
ONE(Acos, T(acos(x))) HEAVY(acos, Acos, 1)
ONE(Atan, T(atan(x))) HEAVY(atan, Atan, 1)
ONE(Sinh, T(sinh(x))) HEAVY(sinh, Sinh, 1)
ONE(Cosh, T(cosh(x))) HEAVY(cosh, Cosh, 1)
ONE(Tanh, T(tanh(x))) REAL(tanh, Tanh, 1)
ONE(Asinh, T(asinh(x))) HEAVY(asinh, Asinh, 1)
ONE(Acosh, T(acosh(x))) HEAVY(acosh, Acosh, 1)
ONE(Atanh, T(atanh(x))) HEAVY(atanh, Atanh, 1)
ONE(Sigmoid, T(1 / (1 + exp(-x)))) REAL(sigmoid, Sigmoid, 1)
ONE(Erf, T(erf(x))) HEAVY(erf, Erf, 1)
ONE(Erfc, T(erfc(x))) HEAVY(erfc, Erfc, 1)
ONE(Erfinv, T(erfinv(x))) HEAVY(erfinv, Erfinv, 1)
ONE(Floor, T(floor(x))) HEAVY(floor, Floor, 1)
ONE(Ceil, T(ceil(x))) HEAVY(ceil, Ceil, 1)
ONE(Round, T(rint(x))) HEAVY(round, Round, 1)
ONE(Trunc, T(trunc(x))) HEAVY(trunc, Trunc, 1)
ONE(IsNan, x != x) ANSWER(isnan, IsNan, 1)
ONE(IsInf, x == x && x - x != x - x) STRIDED(isinf, IsInf<float>, 1, f32, float) STRIDED(isinf, IsInf<double>, 1, f64, double)
ONE(IsFinite, x - x == x - x) STRIDED(isfinite, IsFinite<float>, 1, f32, float) STRIDED(isfinite, IsFinite<double>, 1, f64, double)
ONE(Not, !x) TRUTH(logical_not, Not, 1)

// Two.
TWO(Add, T(a + b)) REAL(add, Add, 2) INTEGER(add, Add, 2) TRUTH(add, Add, 2)
TWO(Sub, T(a - b)) REAL(sub, Sub, 2) INTEGER(sub, Sub, 2)
TWO(Mul, T(a * b)) REAL(mul, Mul, 2) INTEGER(mul, Mul, 2) TRUTH(mul, Mul, 2)
TWO(Div, T(a / b)) REAL(div, Div, 2)
TWO(Pow, T(pow(a, b))) HEAVY(pow, Pow, 2)
TWO(Atan2, T(atan2(a, b))) HEAVY(atan2, Atan2, 2)
TWO(Maximum, a != a ? a : b != b ? b : a > b ? a : b) REAL(maximum, Maximum, 2) INTEGER(maximum, Maximum, 2) TRUTH(maximum, Maximum, 2)
TWO(Minimum, a != a ? a : b != b ? b : a < b ? a : b) REAL(minimum, Minimum, 2) INTEGER(minimum, Minimum, 2) TRUTH(minimum, Minimum, 2)
TWO(Eq, a == b) ANSWER(eq, Eq, 2) TRUTH(eq, Eq, 2)
TWO(Ne, a != b) ANSWER(ne, Ne, 2) TRUTH(ne, Ne, 2)
TWO(Lt, a < b) ANSWER(lt, Lt, 2) TRUTH(lt, Lt, 2)
TWO(Le, a <= b) ANSWER(le, Le, 2) TRUTH(le, Le, 2)
TWO(Gt, a > b) ANSWER(gt, Gt, 2) TRUTH(gt, Gt, 2)
TWO(Ge, a >= b) ANSWER(ge, Ge, 2) TRUTH(ge, Ge, 2)
TWO(And, bool(a && b)) TRUTH(logical_and, And, 2)
TWO(Or, bool(a || b)) TRUTH(logical_or, Or, 2)
TWO(Xor, bool(a != b)) TRUTH(logical_xor, Xor, 2)
TWO(BitAnd, T(a & b)) INTEGER(bitwise_and, BitAnd, 2) TRUTH(bitwise_and, BitAnd, 2)
TWO(BitOr, T(a | b)) INTEGER(bitwise_or, BitOr, 2) TRUTH(bitwise_or, BitOr, 2)
TWO(BitXor, T(a ^ b)) INTEGER(bitwise_xor, BitXor, 2) TRUTH(bitwise_xor, BitXor, 2)

// Backward of activations: the gradient and what the forward kept. Where a relu gave NaN its gradient passes, as in PyTorch.
TWO(ReluBackward, b <= T(0) ? T(0) : a) REAL(relu_backward, ReluBackward, 2)
TWO(TanhBackward, T(a * (1 - b * b))) REAL(tanh_backward, TanhBackward, 2)
TWO(SigmoidBackward, T(a * (1 - b) * b)) REAL(sigmoid_backward, SigmoidBackward, 2)

// Division that rounds, and what it leaves. As Python's: towards the smaller, the remainder with the divisor's sign.
template <class T> __device__ inline T remainder_of(T a, T b) {
    T r = fmod(a, b);
    return r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r;
}
template <class T> __device__ inline T floor_divided(T a, T b) {
    if (b == T(0)) return a / b;
    T r = fmod(a, b), q = (a - r) / b;
    if (r != T(0) && (r < T(0)) != (b < T(0))) q -= T(1);
    if (q == T(0)) return copysign(T(0), a / b);
    T whole = floor(q);
    return q - whole > T(0.5) ? whole + T(1) : whole;
}
template <class T> __device__ inline T halved(T x, int dtype) { return x; }
template <> __device__ inline float halved<float>(float x, int dtype) {
    if (dtype == F16) return __half2float(__float2half_rn(x));
    return dtype == BF16 ? __bfloat162float(__float2bfloat16_rn(x)) : x;
}
TWO(Remainder, remainder_of(a, b)) HEAVY(remainder, Remainder, 2)
TWO(Fmod, T(fmod(a, b))) HEAVY(fmod, Fmod, 2)
TWO(DivFloor, floor_divided(a, b)) HEAVY(div_floor, DivFloor, 2)
TWO(DivTrunc, T(trunc(halved(T(a / b), (int)number(f, 0))))) HEAVY(div_trunc, DivTrunc, 2)
// Of whole numbers: a divisor of zero is told of, and 1 stands for it. The smallest number by -1 stays what it is.
__device__ inline i64 by(i64 b, const Flat& f) { return divisor((Mail*)f.extra[0], (u32)f.extra[1], b); }
__device__ inline i64 quotient(i64 a, i64 b) { return b == -1 ? (i64)(0 - (u64)a) : a / b; }
__device__ inline i64 rest(i64 a, i64 b) { return b == -1 ? 0 : a % b; }
__device__ inline i64 floored(i64 a, i64 b) {
    i64 r = rest(a, b);
    return quotient(a, b) - (r != 0 && (r < 0) != (b < 0));
}
__device__ inline i64 modulus(i64 a, i64 b) {
    i64 r = rest(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
__device__ inline i64 divisor_of_both(i64 a, i64 b) {
    u64 x = a < 0 ? 0 - (u64)a : (u64)a, y = b < 0 ? 0 - (u64)b : (u64)b;
    while (y != 0) {
        u64 r = x % y;
        x = y;
        y = r;
    }
    return (i64)x;
}
TWO(WholeFloor, floored(a, by(b, f))) STRIDED(div_floor, WholeFloor<i64>, 2, i64, i64)
TWO(WholeTrunc, quotient(a, by(b, f))) STRIDED(div_trunc, WholeTrunc<i64>, 2, i64, i64)
TWO(WholeModulus, modulus(a, by(b, f))) STRIDED(remainder, WholeModulus<i64>, 2, i64, i64)
TWO(WholeRest, rest(a, by(b, f))) STRIDED(fmod, WholeRest<i64>, 2, i64, i64)
TWO(Gcd, divisor_of_both(a, b)) STRIDED(gcd, Gcd<i64>, 2, i64, i64)

// The next number towards another; of bfloat16, whose numbers are every 65,536th float.
__device__ inline float next(float x, float y, int dtype) {
    if (dtype != BF16) return nextafterf(x, y);
    if (x != x || y != y) return __int_as_float(0x7fc00000);
    if (x == y) return y;
    if (x == 0) return __int_as_float(y > x ? 0x10000 : 0x80010000);
    u32 bits = __float_as_uint(x);
    return __uint_as_float((y > x) == (x > 0) ? bits + 0x10000 : bits - 0x10000);
}
__device__ inline double next(double x, double y, int dtype) { return nextafter(x, y); }
TWO(NextAfter, next(a, b, (int)number(f, 0))) HEAVY(nextafter, NextAfter, 2)

// Bounds: NaN stays.
template <class T> __device__ inline T between(T x, T low, T high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}
template <class T> struct Clamp {
    __device__ static T run(const T* in, const Flat& f) {
        T low = T(number(f, 0)), high = T(number(f, 1));
        return low != low || high != high ? low + high : between(in[0], low, high);
    }
};
template <> struct Clamp<i64> {
    __device__ static i64 run(const i64* in, const Flat& f) { return between(in[0], (i64)f.extra[0], (i64)f.extra[1]); }
};
REAL(clamp, Clamp, 1) INTEGER(clamp, Clamp, 1)

// Activations, and the gradients through them: of the gradient a and what was given to the function, b.
#define P(I) T(number(f, I))
template <class T> __device__ inline T sigmoid_of(T x) { return T(1) / (T(1) + exp(-x)); }
template <class T> __device__ inline T softplus_of(T x) { return x > T(20) ? x : log1p(exp(x)); }
template <class T> __device__ inline T cdf(T x) { return T(0.5) * (T(1) + erf(x * T(0.70710678118654752440))); }
template <class T> __device__ inline T gelu_tanh_of(T x) {
    return tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x));
}
template <class T> __device__ inline T gelu_tanh_slope(T x) {
    T t = gelu_tanh_of(x), inner = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * inner;
}
template <class T> __device__ inline T hard(T x) { return between(x + T(3), T(0), T(6)) * T(1.0 / 6.0); }
template <class T> __device__ inline T mish_slope(T x) {
    T t = tanh(softplus_of(x));
    return t + x * sigmoid_of(x) * (T(1) - t * t);
}
ONE(Gelu, T(x * cdf(x))) REAL(gelu, Gelu, 1)
TWO(GeluBackward, T(a * (cdf(b) + b * exp(T(-0.5) * b * b) * T(0.39894228040143267794)))) REAL(gelu_backward, GeluBackward, 2)
ONE(GeluTanh, T(T(0.5) * x * (T(1) + gelu_tanh_of(x)))) REAL(gelu_tanh, GeluTanh, 1)
TWO(GeluTanhBackward, T(a * gelu_tanh_slope(b))) REAL(gelu_tanh_backward, GeluTanhBackward, 2)
ONE(Silu, T(x * sigmoid_of(x))) REAL(silu, Silu, 1)
TWO(SiluBackward, T(a * sigmoid_of(b) * (T(1) + b * (T(1) - sigmoid_of(b))))) REAL(silu_backward, SiluBackward, 2)
ONE(Mish, T(x * tanh(softplus_of(x)))) HEAVY(mish, Mish, 1)
TWO(MishBackward, T(a * mish_slope(b))) HEAVY(mish_backward, MishBackward, 2)
ONE(Softplus, x * P(0) > P(1) ? x : T(log1p(exp(x * P(0))) / P(0))) HEAVY(softplus, Softplus, 1)
TWO(SoftplusBackward, b * P(0) > P(1) ? a : T(a * sigmoid_of(b * P(0)))) HEAVY(softplus_backward, SoftplusBackward, 2)
ONE(Elu, x > T(0) ? T(x * P(1)) : T(expm1(x * P(2)) * P(0))) HEAVY(elu, Elu, 1)
TWO(EluBackward, b > T(0) ? T(a * P(1)) : T(a * exp(b * P(2)) * P(0) * P(2))) HEAVY(elu_backward, EluBackward, 2)
ONE(LeakyRelu, x > T(0) ? x : T(x * P(0))) HEAVY(leaky_relu, LeakyRelu, 1)
TWO(LeakyReluBackward, b > T(0) ? a : T(a * P(0))) HEAVY(leaky_relu_backward, LeakyReluBackward, 2)
ONE(Hardtanh, x < P(0) ? P(0) : x > P(1) ? P(1) : x) HEAVY(hardtanh, Hardtanh, 1)
TWO(HardtanhBackward, b <= P(0) || b >= P(1) ? T(0) : a) HEAVY(hardtanh_backward, HardtanhBackward, 2)
ONE(Hardswish, T(x * hard(x))) HEAVY(hardswish, Hardswish, 1)
TWO(HardswishBackward, b >= T(3) ? a : b <= T(-3) ? T(0) : T(a * (b * T(1.0 / 3.0) + T(0.5)))) HEAVY(hardswish_backward, HardswishBackward, 2)
ONE(Hardsigmoid, hard(x)) HEAVY(hardsigmoid, Hardsigmoid, 1)
TWO(HardsigmoidBackward, b > T(-3) && b < T(3) ? T(a * T(1.0 / 6.0)) : T(0)) HEAVY(hardsigmoid_backward, HardsigmoidBackward, 2)
ONE(LogSigmoid, T((x < T(0) ? x : T(0)) - log1p(exp(-fabs(x))))) HEAVY(log_sigmoid, LogSigmoid, 1)
TWO(LogSigmoidBackward, T(a * sigmoid_of(-b))) HEAVY(log_sigmoid_backward, LogSigmoidBackward, 2)

// From nothing: by the place of the element.
#define COUNTED(NAME, LANE, T, EXPR) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE(const __grid_constant__ Strided s) { \
        i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; \
        const Flat& f = s.flat; \
        if (i < f.n) store<T>(f.out, i, s.out_dtype, EXPR); \
    }
COUNTED(arange, i64, i64, (i64)(f.extra[0] + f.extra[1] * (u64)i))
COUNTED(arange, f64, double, number(f, 0) + number(f, 1) * (double)i)
// From both ends, so that the last one is exact.
COUNTED(linspace, f32, float, i < f.n / 2 || f.n == 1 ? (float)number(f, 0) + (float)number(f, 2) * (float)i : (float)number(f, 1) - (float)number(f, 2) * (float)(f.n - 1 - i))
COUNTED(linspace, f64, double, i < f.n / 2 || f.n == 1 ? number(f, 0) + number(f, 2) * (double)i : number(f, 1) - number(f, 2) * (double)(f.n - 1 - i))

// Three: a choice, the elements as bits.
template <class E> __device__ inline void choose(const Strided& s) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.flat.n) return;
    i64 at[4];
    place<4>(s.places, i, at);
    bool first = ((const unsigned char*)s.flat.in[0])[at[1]] != 0;
    int k = first ? 1 : 2;
    ((E*)s.flat.out)[at[0]] = s.flat.in[k] ? ((const E*)s.flat.in[k])[at[k + 1]] : (E)s.flat.number[k];
}
#define CHOOSE(SIZE, E) \
    extern "C" __global__ void __launch_bounds__(256) where_##SIZE(const __grid_constant__ Strided s) { choose<E>(s); }
CHOOSE(1, unsigned char) CHOOSE(2, unsigned short) CHOOSE(4, u32) CHOOSE(8, u64)
