// Special functions: one kernel for all of one number and one for all of two, in double precision, any layouts. They follow
// `cpu/special` of the tensor crate.
#include "elementwise.cuh"
#include "series.cuh"
#include "bessel.cuh"

// r (r + z) − ln r for z = Φ⁻¹(p), r = √(−2 ln p), 1.5 ≤ r ≤ 6, in 4/r − 5/3.
__device__ const double NDTRI_TAIL[27] = {
    1.0710513932212629, 0.09344530493063082, -0.0020687294812177077, -1.0835801999380564e-05, 3.724892062421796e-05,
    -1.5305081928047175e-05, 4.911462633202807e-06, -1.3851673710460595e-06, 3.6303991771800057e-07,
    -9.184501960440039e-08, 2.30605796778294e-08, -5.857053483311931e-09, 1.5204024683600692e-09,
    -4.043890018299921e-10, 1.099140157146307e-10, -3.038809074275219e-11, 8.50866134500059e-12,
    -2.405425598387616e-12, 6.853763018544498e-13, -1.9665531686911151e-13, 5.6801839490303456e-14,
    -1.6512210428435148e-14, 4.829785054549837e-15, -1.420973326822522e-15, 4.203423315476695e-16,
    -1.2496514379552876e-16, 3.732130109919469e-17,
};
// The same, 6 ≤ r ≤ 40, in (1/r − 23/240) / (17/240).
__device__ const double NDTRI_FAR[32] = {
    0.9484482756237337, 0.02643942574296847, 0.0009521998727298032, -0.00028380071780855447, 6.293784796142991e-05,
    -1.4310674406795209e-05, 3.5506167139698988e-06, -9.612062166987472e-07, 2.7879169560587005e-07,
    -8.524167645794539e-08, 2.71630811602913e-08, -8.948202331552482e-09, 3.02906892936933e-09,
    -1.0488545884712792e-09, 3.701878934360784e-10, -1.3280872214249166e-10, 4.8324497520721426e-11,
    -1.780185149430495e-11, 6.629484284852145e-12, -2.4927497052694047e-12, 9.45397930702049e-13,
    -3.613335474846687e-13, 1.3907052029027566e-13, -5.386607456873646e-14, 2.0984868994476585e-14,
    -8.218561921233635e-15, 3.2344298583747363e-15, -1.2786374837933994e-15, 5.075734084671406e-16,
    -2.0226549419157808e-16, 8.089089519917693e-17, -3.2458434437973114e-17,
};

__device__ __noinline__ double log_ndtr(double x) {
    if (x < -1) return log(0.5 * erfcx(-x * 0.70710678118654752440)) - 0.5 * x * x;
    return log1p(-0.5 * erfc(x * 0.70710678118654752440));
}

// The quantile of p up to a half.
__device__ __noinline__ double quantile(double p) {
    double r = sqrt(-2 * log(p));
    if (r < 1.5) return 1.4142135623730951 * erfinv(2 * p - 1);
    double inner = r <= 6 ? SERIES(NDTRI_TAIL, 4 / r - 5.0 / 3.0) : SERIES(NDTRI_FAR, (1 / r - 23.0 / 240.0) * (240.0 / 17.0));
    return (inner + log(r)) / r - r;
}
__device__ __noinline__ double ndtri(double p) {
    if (p == 0) return -INF;
    if (p == 1) return INF;
    if (!(p > 0 && p < 1)) return NOTHING;
    return p > 0.5 ? -quantile(1 - p) : quantile(p);
}

// B_2k / (2k)!, k from 1.
__device__ const double BERNOULLI[12] = {
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-5, -8.267195767195768e-7, 2.08767569878681e-8,
    -5.284190138687493e-10, 1.338253653068468e-11, -3.389680296322583e-13, 8.586062056277845e-15,
    -2.174868698558062e-16, 5.5090028283602295e-18, -1.3954464685812524e-19,
};
#define EPSILON 2.220446049250313e-16

// Hurwitz's zeta function for s > 1 and q > 0 (Euler, Maclaurin).
__device__ __noinline__ double zeta_positive(double s, double q) {
    double sum = pow(q, -s), at = q;
    for (int i = 0; i < 9 || at <= 9; i++) {
        at += 1;
        double term = pow(at, -s);
        sum += term;
        if (term <= EPSILON / 2 * sum) return sum;
    }
    double last = pow(at, -s);
    sum += last * at / (s - 1) - 0.5 * last;
    double rising = s, power = last / at;
    for (int i = 0; i < 12; i++) {
        double term = BERNOULLI[i] * rising * power;
        sum += term;
        if (fabs(term) < EPSILON / 2 * fabs(sum)) break;
        double k = 2 * i;
        rising *= (s + k + 1) * (s + k + 2);
        power /= at * at;
    }
    return sum;
}
__device__ __noinline__ double zeta(double s, double q) {
    if (s == 1) return INF;
    if (!(s > 1) || q != q) return NOTHING;
    if (q > 0) return zeta_positive(s, q);
    if (q == floor(q)) return INF;
    if (s != floor(s)) return NOTHING;
    // The terms of negative numbers are the difference of two sums over positive ones.
    double low = -q - floor(-q), high = -q + 1;
    double below = zeta_positive(s, low) - zeta_positive(s, high);
    return (fmod(s, 2.0) == 0 ? below : -below) + zeta_positive(s, 1 - low);
}

// The derivative of ln Gamma: PyTorch's values at 0 and below.
__device__ __noinline__ double digamma(double x) {
    if (x == 0) return copysign(INF, -x);
    double sum = 0;
    if (x < 0) {
        if (x == floor(x)) return NOTHING;
        double turn = x - rint(x);
        sum = -PI / tan(PI * turn);
        x = 1 - x;
    }
    while (x < 10) {
        sum -= 1 / x;
        x += 1;
    }
    double z = 1 / (x * x);
    // B_2k / 2k.
    double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
    return sum + log(x) - 0.5 / x - tail;
}
__device__ __noinline__ double polygamma(int n, double x) {
    if (n == 0) return digamma(x);
    if (n == 1) {
        if (x >= 0.5) return zeta(2, x);
        double turn = x - rint(x), sine = sin(PI * turn);
        return PI * PI / (sine * sine) - zeta(2, 1 - x);
    }
    double size = exp(lgamma(n + 1.0)) * zeta(n + 1.0, x);
    return n % 2 == 1 ? size : -size;
}

__device__ __noinline__ double log_gamma(double x) { return x - x != x - x ? (x != x ? x : INF) : lgamma(x); }

// ln(1 + m) - m, |m| < 0.3.
__device__ __noinline__ double log1p_less(double m) {
    double r = m / (2 + m), square = r * r, power = r * square, sum = 0;
    for (int k = 1; k < 16; k++) {
        sum += power / (2 * k + 1);
        power *= square;
    }
    return 2 * sum - r * m;
}
// x^a e^-x / Gamma(a).
__device__ __noinline__ double factor(double a, double x) {
    if (a < 10) return exp(a * log(x) - x - lgamma(a));
    double m = (x - a) / a, exponent = fabs(m) < 0.3 ? log1p_less(m) : log(x / a) - m, v = 1 / (a * a);
    double stirling = (1.0 / 12 - v * (1.0 / 360 - v * (1.0 / 1260 - v * (1.0 / 1680 - v / 1188)))) / a;
    return exp(a * exponent - stirling) * sqrt(a / (2 * PI));
}
#define MOST 20000
// P by its power series (DLMF 8.11.4).
__device__ __noinline__ double lower_series(double a, double x) {
    double term = 1, sum = 1;
    for (int n = 1; n < MOST; n++) {
        term *= x / (a + n);
        sum += term;
        if (term < sum * EPSILON / 4) break;
    }
    return sum * factor(a, x) / a;
}
// Q by its continued fraction (DLMF 8.9.2), from the front on (Lentz).
__device__ __noinline__ double upper_fraction(double a, double x) {
    const double tiny = 2.2250738585072014e-308;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < MOST; i++) {
        double n = i, an = n * (a - n);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        double step = c * d;
        h *= step;
        if (fabs(step - 1) < EPSILON) break;
    }
    return h * factor(a, x);
}
// ln Gamma(1 + a), 0 < a < 1, exact for a small a.
__device__ __noinline__ double lgamma_after_one(double a) {
    if (a > 0.01) return lgamma(1 + a);
    double terms[8] = {-0.5772156649015329, 0.8224670334241132, -0.40068563438653143, 0.27058080842778455,
                       -0.20738555102867398, 0.1695571769974082, -0.1440498967688461, 0.12550966952474304};
    double sum = 0;
    for (int i = 7; i >= 0; i--) sum = sum * a + terms[i];
    return a * sum;
}
// Q for a < 1 and x <= 1.
__device__ __noinline__ double upper_of_small(double a, double x) {
    double power = 1, sum = 0;
    for (int i = 1; i < 40; i++) {
        power *= -x / i;
        sum += power / (a + i);
    }
    double size = a * log(x) - lgamma_after_one(a);
    return -expm1(size) - a * exp(size) * sum;
}
// P, or Q where `upper`, of a large a near x (Temme; DLMF 8.12), x = a (1 + m).
__device__ __noinline__ double uniform(double a, double m, bool upper) {
    double half_square = -log1p_less(m), eta = copysign(sqrt(2 * half_square), m), c0, c1;
    if (fabs(eta) < 0.1) {
        double terms[8] = {-1.0 / 3, 1.0 / 12, -2.0 / 135, 1.0 / 864, 1.0 / 2835, -139.0 / 777600, 1.0 / 25515, -571.0 / 261273600};
        c0 = 0;
        for (int i = 7; i >= 0; i--) c0 = c0 * eta + terms[i];
        c1 = -1.0 / 540 + eta * (-1.0 / 288 + eta * (25.0 / 12096 - eta * 223.0 / 414720));
    } else {
        c0 = 1 / m - 1 / eta;
        c1 = 1 / (eta * eta * eta) - 1 / (m * m * m) - 1 / (m * m) - 1 / (12 * m);
    }
    double rest = exp(-a * half_square) / sqrt(2 * PI * a) * (c0 + c1 / a), at = eta * sqrt(0.5 * a);
    return upper ? 0.5 * erfc(at) + rest : 0.5 * erfc(-at) - rest;
}
// P(a, x), the regularized lower incomplete gamma function, or Q, the upper one.
__device__ __noinline__ double incomplete_gamma(double a, double x, bool upper) {
    if (!(a >= 0 && x >= 0) || (a == 0 && x == 0) || (a == INF && x == INF)) return NOTHING;
    if (a == 0 || x == INF) return upper ? 0 : 1;
    if (x == 0 || a == INF) return upper ? 1 : 0;
    double m = (x - a) / a;
    if (a > 1e4 && fabs(m) < 0.3) return uniform(a, m, upper);
    if (x <= 1 && a < 1) {
        double q = upper_of_small(a, x);
        // Of the two the one below a half is exact.
        return upper ? q : q < 0.5 ? 1 - q : lower_series(a, x);
    }
    if (x < a + 1) {
        double p = lower_series(a, x);
        return upper ? 1 - p : p;
    }
    double q = upper_fraction(a, x);
    return upper ? q : 1 - q;
}

// The exponent e of x = m 2^e with half <= |m| < 1; 0 of what has none.
__device__ __noinline__ double exponent(double x) {
    if (x == 0 || x - x != x - x) return 0;
    return ilogb(x) + 1;
}

__device__ __noinline__ double at(int function, int order, double x) {
    switch (function) {
    case 0: return log_gamma(x);
    case 1: return polygamma(order, x);
    case 2: return erfcx(x);
    case 3: return log_ndtr(x);
    case 4: return ndtri(x);
    case 5: return i0(x);
    case 6: return i0e(x);
    case 7: return i1(x);
    case 8: return i1e(x);
    case 9: return bessel_j0(x);
    case 10: return bessel_j1(x);
    case 11: return bessel_y0(x);
    case 12: return bessel_y1(x);
    case 13: return k0(x, false);
    case 14: return k1(x, false);
    case 15: return k0(x, true);
    case 16: return k1(x, true);
    case 17: return spherical_j0(x);
    case 18: return airy_ai(x);
    default: return exponent(x);
    }
}

// Polynomials of degree n by the recurrence of their kind: Chebyshev's four (0 to 3), Hermite's two, Laguerre's, Legendre's.
__device__ __noinline__ double polynomial(int kind, double x, double degree) {
    if (!(degree - degree == degree - degree)) return 0;
    i64 n = (i64)degree;
    bool even = n % 2 == 0;
    if (n < 0) return 0;
    if (kind < 4 && fabs(x) == 1) {
        double d = (double)n, sign = even ? 1 : -1;
        switch (kind) {
        case 0: return x > 0 ? 1 : sign;
        case 1: return x > 0 ? d + 1 : sign * (d + 1);
        case 2: return x > 0 ? 1 : sign * (2 * d + 1);
        default: return x > 0 ? 2 * d + 1 : sign;
        }
    }
    if (kind < 4 && n > 8 && fabs(x) < 1) {
        double d = (double)n, angle = acos(x), middle = (d + 0.5) * angle;
        switch (kind) {
        case 0: return cos(d * angle);
        case 1: return sin((d + 1) * angle) / sin(angle);
        case 2: return cos(middle) / cos(0.5 * angle);
        default: return sin(middle) / sin(0.5 * angle);
        }
    }
    if ((kind == 4 || kind == 5) && n > 512) return NOTHING;
    if (kind == 6 && x == 0) return 1;
    if (kind == 7 && fabs(x) == 1) return x > 0 || even ? 1 : -1;
    if (n == 0) return 1;
    if (n >= 1000000) return NOTHING;
    const double first[8] = {x, x + x, x + x - 1, x + x + 1, x + x, x, 1 - x, x};
    double before = 1, p = first[kind];
    for (i64 i = 1; i < n && p == p; i++) {
        double k = (double)i, next;
        switch (kind) {
        case 4: next = (x + x) * p - 2 * k * before; break;
        case 5: next = x * p - k * before; break;
        case 6: next = ((2 * k + 1 - x) * p - k * before) / (k + 1); break;
        case 7: next = ((2 * k + 1) * x * p - k * before) / (k + 1); break;
        default: next = (x + x) * p - before;
        }
        before = p;
        p = next;
    }
    return p;
}

// log(e^a + e^b) by the larger of the two; the base of the power is 2 where `binary`.
__device__ __noinline__ double log_add_exp(double a, double b, bool binary) {
    if (a != a || b != b) return a + b;
    double most = a < b ? b : a, apart = a == b ? 0 : fabs(a - b);
    return most + (binary ? log1p(exp2(-apart)) * 1.4426950408889634 : log1p(exp(-apart)));
}

__device__ __noinline__ double at_pair(int function, double x, double y) {
    switch (function) {
    case 0: return incomplete_gamma(x, y, false);
    case 1: return incomplete_gamma(x, y, true);
    case 2: return zeta(x, y);
    case 3: case 4: case 5: case 6: return polynomial(function - 3, x, y);
    case 7: case 8: case 9: case 10: return polynomial(function - 7, x + x - 1, y);
    case 15: return hypot(x, y);
    case 16: return log_add_exp(x, y, false);
    case 17: return log_add_exp(x, y, true);
    case 18: return copysign(x, y);
    default: return polynomial(function - 7, x, y);
    }
}

ONE(Special, at((int)f.extra[0], (int)f.extra[1], x))
TWO(SpecialPair, at_pair((int)f.extra[0], a, b))
STRIDED(special, Special<double>, 1, f64, double)
STRIDED(special_pair, SpecialPair<double>, 2, f64, double)
