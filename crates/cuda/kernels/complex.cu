// Ops on complex numbers that go element by element, in any layouts, in double precision. The functions follow `cpu/math` of the
// tensor crate: the branch cuts, signed zeros and infinities of C99's Annex G.
#include "elementwise.cuh"
#include "series.cuh"

struct C {
    double re, im;
};

__device__ inline C operator+(C a, C b) { return {a.re + b.re, a.im + b.im}; }
__device__ inline C operator-(C a, C b) { return {a.re - b.re, a.im - b.im}; }
__device__ inline C operator-(C a) { return {-a.re, -a.im}; }
__device__ inline C operator*(C a, C b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
__device__ inline C operator*(C a, double b) { return {a.re * b, a.im * b}; }
__device__ inline bool operator==(C a, C b) { return a.re == b.re && a.im == b.im; }
__device__ inline bool finite(double x) { return x - x == x - x; }
__device__ inline bool infinite(double x) { return x == x && !finite(x); }

#define LARGE 4.4942328371557897e307
#define LN_2 0.69314718055994530942
#define LN_10 2.30258509299404568402

// f(i z) / i: an odd function's other name.
template <C (*F)(C)> __device__ inline C turned(C z) {
    C w = F({-z.im, z.re});
    return {w.im, -w.re};
}

__device__ __noinline__ double log_abs(C z) {
    if (z.re != z.re || z.im != z.im) return log(hypot(z.re, z.im));
    double a = fmax(fabs(z.re), fabs(z.im)), b = fmin(fabs(z.re), fabs(z.im));
    if (a > LARGE && finite(a)) return log(hypot(a / 4, b / 4)) + 2 * LN_2;
    if (a < 1e-300 && a > 0) return log(hypot(a * 0x1p100, b * 0x1p100)) - 100 * LN_2;
    double h = hypot(a, b);
    return h >= 0.71 && h <= 1.73 ? log1p((a - 1) * (a + 1) + b * b) / 2 : log(h);
}
__device__ __noinline__ C ln(C z) { return {log_abs(z), atan2(z.im, z.re)}; }
__device__ __noinline__ C ln1p(C z) {
    if (z.re != z.re || z.im != z.im) return {NOTHING, NOTHING};
    double angle = atan2(z.im, z.re + 1);
    if (hypot(z.re, z.im) < 0.5) {
        double r = z.re * (2 + z.re) + z.im * z.im;
        return {r == 0 ? z.re : 0.5 * log1p(r), angle};
    }
    return {log_abs({z.re + 1, z.im}), angle};
}
__device__ __noinline__ C cexp(C z) {
    double x = z.re, y = z.im, s, c;
    if (y == 0) return {exp(x), y};
    if (!finite(y) && infinite(x)) return x < 0 ? C{0, 0} : C{x, NOTHING};
    sincos(y, &s, &c);
    if (x > 708 && finite(x)) {
        double half = exp(x / 2);
        return {half * c * half, half * s * half};
    }
    double size = exp(x);
    return {size * c, size * s};
}
__device__ __noinline__ C cexpm1(C z) {
    double half = sin(z.im / 2);
    return {expm1(z.re) * cos(z.im) - 2 * half * half, cexp(z).im};
}
__device__ __noinline__ C root(C z) {
    double x = z.re, y = z.im;
    if (x == 0 && y == 0) return {0, y};
    if (infinite(y)) return {INF, y};
    if (x != x) return {x, NOTHING};
    if (infinite(x)) {
        double rest = y * 0;
        return x < 0 ? C{fabs(rest), copysign(x, y)} : C{x, copysign(rest, y)};
    }
    double size = fmax(fabs(x), fabs(y)), scale = 1, back = 1;
    if (size >= LARGE) {
        scale = 0.25;
        back = 2;
    } else if (size < 1e-300) {
        scale = 0x1p108;
        back = 0x1p-54;
    }
    x *= scale;
    y *= scale;
    double t = sqrt((fabs(x) + hypot(x, y)) * 0.5);
    return (x >= 0 ? C{t, y / (2 * t)} : C{fabs(y) / (2 * t), copysign(t, y)}) * back;
}
// By the larger part of b (R. L. Smith, 1962): no square is taken.
__device__ __noinline__ C divided(C a, C b) {
    if (fabs(b.re) >= fabs(b.im)) {
        if (b.re == 0 && b.im == 0) return {a.re / fabs(b.re), a.im / fabs(b.im)};
        double ratio = b.im / b.re, below = b.re + b.im * ratio;
        return {(a.re + a.im * ratio) / below, (a.im - a.re * ratio) / below};
    }
    double ratio = b.re / b.im, below = b.re * ratio + b.im;
    return {(a.re * ratio + a.im) / below, (a.im * ratio - a.re) / below};
}
__device__ __noinline__ C recip(C z) {
    if (z.re == 0 && z.im == 0) return {INF, NOTHING};
    if (fabs(z.re) >= fabs(z.im)) {
        double ratio = z.im / z.re, below = z.re + z.im * ratio;
        return {1 / below, -ratio / below};
    }
    double ratio = z.re / z.im, below = z.re * ratio + z.im;
    return {ratio / below, -1 / below};
}
// As the logarithm has it, which 0 has none of: a positive power of 0 is 0, a negative one infinite, any other NaN.
__device__ __noinline__ C power(C a, C b) {
    if (a == C{0, 0}) return b.re > 0 ? C{0, 0} : C{b.re < 0 ? INF : NOTHING, NOTHING};
    if (b == C{0, 0} && finite(a.re) && finite(a.im)) return {1, 0};
    return cexp(b * ln(a));
}
__device__ __noinline__ C csigmoid(C z) {
    C small = cexp(z.re < 0 ? z : -z), value = divided(z.re >= 0 ? C{1, 0} : small, small + C{1, 0});
    return z.im == 0 ? C{value.re, z.im} : value;
}
__device__ __noinline__ C csinh(C z) {
    double x = z.re, y = z.im, s, c;
    if (y == 0) return {sinh(x), y};
    if ((infinite(x) || x == 0) && !finite(y)) return {x, NOTHING};
    sincos(y, &s, &c);
    if (fabs(x) > 708) {
        double half = exp(fabs(x) / 2);
        return {copysign(c * half / 2 * half, c * x), s * half / 2 * half};
    }
    return {c * sinh(x), s * cosh(x)};
}
__device__ __noinline__ C ccosh(C z) {
    double x = z.re, y = z.im, s, c;
    if (y == 0) return {cosh(x), signbit(x) ? -y : y};
    if (!finite(y) && infinite(x)) return {INF, NOTHING};
    if (!finite(y) && x == 0) return {NOTHING, 0};
    sincos(y, &s, &c);
    if (fabs(x) > 708) {
        double half = exp(fabs(x) / 2);
        return {c * half / 2 * half, copysign(s * half / 2 * half, s * x)};
    }
    return {c * cosh(x), s * sinh(x)};
}
__device__ __noinline__ C ctanh(C z) {
    double x = z.re, y = z.im;
    if (infinite(x) && !finite(y)) return {copysign(1.0, x), copysign(0.0, y)};
    if (x == 0 && !finite(y)) return {x, NOTHING};
    if (x != x && y == 0) return z;
    if (fabs(x) > 22 && finite(y)) return {copysign(1.0, x), 4 * sin(y) * cos(y) * exp(-2 * fabs(x))};
    double t = tanh(x), slope = tan(y), sech = 1 / cosh(x), below = 1 + (t * slope) * (t * slope);
    return {t * (1 + slope * slope) / below, slope / below * sech * sech};
}
__device__ inline bool large(C z) { return fabs(z.re) > LARGE || fabs(z.im) > LARGE; }
// log |2 z| of a large number.
__device__ inline double log_twice(C z) { return log(hypot(z.re / 2, z.im / 2)) + 2 * LN_2; }
__device__ __noinline__ C casinh(C z) {
    double x = z.re, y = z.im;
    if (large(z)) return {copysign(log_twice(z), x), atan2(y, fabs(x))};
    if (x != x && y == 0) return z;
    C p = root({1 + y, -x}), q = root({1 - y, x});
    return {asinh(p.re * q.im - q.re * p.im), atan2(y, p.re * q.re - p.im * q.im)};
}
__device__ __noinline__ C cacosh(C z) {
    double x = z.re, y = z.im;
    if (large(z)) return {log_twice(z), atan2(y, x)};
    if (x == 0 && y != y) return {y, PI / 2};
    C p = root({x - 1, y}), q = root({x + 1, y});
    return {asinh(p.re * q.re + p.im * q.im), 2 * atan2(p.im, q.re)};
}
__device__ __noinline__ C cacos(C z) {
    double x = z.re, y = z.im;
    if (large(z)) return {atan2(fabs(y), x), -copysign(log_twice(z), y)};
    if (x == 0 && y != y) return {PI / 2, y};
    C p = root({1 - x, -y}), q = root({1 + x, y});
    return {2 * atan2(p.re, q.re), asinh(q.re * p.im - q.im * p.re)};
}
__device__ __noinline__ C catanh_right(C z) {
    double x = z.re, y = z.im, above = fabs(y);
    if (x == 0 && y != y) return z;
    if (fmax(x, above) > 1e150) {
        double half = hypot(x / 2, above / 2);
        return {infinite(half) ? 0 : x / 4 / half / half, y != y || half != half ? NOTHING : copysign(PI / 2, y)};
    }
    if (x == 1 && above < 1.4916681462400413e-154) {
        if (above == 0) return {INF, y};
        return {-log(sqrt(above) / sqrt(hypot(above, 2.0))), copysign(atan2(2.0, -above) / 2, y)};
    }
    double apart = 1 - x;
    return {log1p(4 * x / (apart * apart + above * above)) / 4, -atan2(-2 * y, apart * (1 + x) - above * above) / 2};
}
__device__ inline C catanh(C z) { return signbit(z.re) ? -catanh_right(-z) : catanh_right(z); }

__device__ inline C get(const void* at, i64 i, int dtype) {
    if (dtype == Complex64) {
        float2 z = ((const float2*)at)[i];
        return {z.x, z.y};
    }
    if (dtype == Complex128) {
        double2 z = ((const double2*)at)[i];
        return {z.x, z.y};
    }
    return {load<double>(at, i, dtype), 0};
}
__device__ inline void set(void* at, i64 i, int dtype, C z) {
    if (dtype == Complex64) ((float2*)at)[i] = make_float2((float)z.re, (float)z.im);
    else if (dtype == Complex128) ((double2*)at)[i] = make_double2(z.re, z.im);
    else if (dtype == Bool) ((unsigned char*)at)[i] = z.re != 0 || z.im != 0;
    else store<double>(at, i, dtype, z.re);
}
__device__ inline void set(void* at, i64 i, int dtype, double x) { store<double>(at, i, dtype, x); }
__device__ inline void set(void* at, i64 i, int dtype, bool x) { ((unsigned char*)at)[i] = x; }

// What stands for an operand is in `number` and, its imaginary part, in `extra`.
#define KERNEL(NAME, N, EXPR) \
    extern "C" __global__ void __launch_bounds__(256) complex_##NAME(const __grid_constant__ Strided s) { \
        i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; \
        if (i >= s.flat.n) return; \
        i64 at[N + 1]; \
        place<N + 1>(s.places, i, at); \
        C x[2]; \
        _Pragma("unroll") for (int k = 0; k < N; k++) x[k] = s.flat.in[k] \
            ? get(s.flat.in[k], at[k + 1], s.in_dtype[k]) \
            : C{lane<double>(s.flat.number[k]), lane<double>(s.flat.extra[k])}; \
        [[maybe_unused]] C z = x[0], w = x[N - 1]; \
        set(s.flat.out, at[0], s.out_dtype, EXPR); \
    }

KERNEL(cast, 1, z)
KERNEL(conj, 1, (C{z.re, -z.im}))
KERNEL(neg, 1, -z)
KERNEL(abs, 1, hypot(z.re, z.im))
KERNEL(square, 1, z* z)
KERNEL(cube, 1, z* z* z)
KERNEL(reciprocal, 1, recip(z))
KERNEL(sqrt, 1, root(z))
KERNEL(rsqrt, 1, recip(root(z)))
KERNEL(exp, 1, cexp(z))
KERNEL(exp2, 1, cexp(z* LN_2))
KERNEL(expm1, 1, cexpm1(z))
KERNEL(log, 1, ln(z))
KERNEL(log2, 1, ln(z) * (1 / LN_2))
KERNEL(log10, 1, ln(z) * (1 / LN_10))
KERNEL(log1p, 1, ln1p(z))
KERNEL(sin, 1, turned<csinh>(z))
KERNEL(cos, 1, ccosh({-z.im, z.re}))
KERNEL(tan, 1, turned<ctanh>(z))
KERNEL(asin, 1, turned<casinh>(z))
KERNEL(acos, 1, cacos(z))
KERNEL(atan, 1, turned<catanh>(z))
KERNEL(sinh, 1, csinh(z))
KERNEL(cosh, 1, ccosh(z))
KERNEL(tanh, 1, ctanh(z))
KERNEL(asinh, 1, casinh(z))
KERNEL(acosh, 1, cacosh(z))
KERNEL(atanh, 1, catanh(z))
KERNEL(sigmoid, 1, csigmoid(z))
KERNEL(isnan, 1, (z.re != z.re || z.im != z.im))
KERNEL(isinf, 1, (infinite(z.re) || infinite(z.im)))
KERNEL(isfinite, 1, (finite(z.re) && finite(z.im)))
KERNEL(logical_not, 1, (z.re == 0 && z.im == 0))
KERNEL(add, 2, z + w)
KERNEL(sub, 2, z - w)
KERNEL(mul, 2, z* w)
KERNEL(div, 2, divided(z, w))
KERNEL(pow, 2, power(z, w))
KERNEL(eq, 2, z == w)
KERNEL(ne, 2, !(z == w))
