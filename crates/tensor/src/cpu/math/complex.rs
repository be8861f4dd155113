//! The functions of a complex number: those of C99's Annex G, with its branch cuts, signed zeros and
//! infinities, as PyTorch has them.
//!
//! Inverse functions follow W. Kahan, "Branch cuts for complex elementary functions" (1987): no sum is formed in
//! which a zero would lose its sign or large parts cancel. What would overflow on the way is scaled before.

use num_complex::Complex;
use std::f64::consts::{FRAC_PI_2, LN_2, LN_10};

type C = Complex<f64>;

/// Numbers above it have squares that overflow, or sums that do.
const LARGE: f64 = f64::MAX / 4.0;
/// Above it `exp` overflows.
const EXP_LARGE: f64 = 708.0;

/// `f(i z) / i`: an odd function's other name.
#[inline]
fn turned(z: C, f: fn(C) -> C) -> C {
    let w = f(C::new(-z.im, z.re));
    C::new(w.im, -w.re)
}

/// log |z|, without overflow, and exact where |z| is near 1. A part that is NaN makes it NaN unless the other is infinite.
fn log_abs(z: C) -> f64 {
    if z.is_nan() {
        return z.re.hypot(z.im).ln();
    }
    let (a, b) = (z.re.abs().max(z.im.abs()), z.re.abs().min(z.im.abs()));
    if a > LARGE && a.is_finite() {
        return (a / 4.0).hypot(b / 4.0).ln() + 2.0 * LN_2;
    }
    if a < 1e-300 && a > 0.0 {
        return (a * 2f64.powi(100)).hypot(b * 2f64.powi(100)).ln() - 100.0 * LN_2;
    }
    let h = a.hypot(b);
    if (0.71..=1.73).contains(&h) { ((a - 1.0) * (a + 1.0) + b * b).ln_1p() / 2.0 } else { h.ln() }
}

pub(crate) fn ln(z: C) -> C {
    C::new(log_abs(z), z.im.atan2(z.re))
}

pub(crate) fn log2(z: C) -> C {
    ln(z) / LN_2
}

pub(crate) fn log10(z: C) -> C {
    ln(z) / LN_10
}

pub(crate) fn log1p(z: C) -> C {
    if z.is_nan() {
        return C::new(f64::NAN, f64::NAN);
    }
    let angle = z.im.atan2(z.re + 1.0);
    if z.re.hypot(z.im) < 0.5 {
        // |1 + z|² − 1
        let r = z.re * (2.0 + z.re) + z.im * z.im;
        return C::new(if r == 0.0 { z.re } else { 0.5 * r.ln_1p() }, angle);
    }
    C::new(log_abs(C::new(z.re + 1.0, z.im)), angle)
}

pub(crate) fn exp(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.exp(), y);
    }
    if !y.is_finite() && x.is_infinite() {
        return if x < 0.0 { C::new(0.0, 0.0) } else { C::new(x, f64::NAN) };
    }
    let (sin, cos) = y.sin_cos();
    if x > EXP_LARGE && x.is_finite() {
        let half = (x / 2.0).exp();
        return C::new(half * cos * half, half * sin * half);
    }
    let size = x.exp();
    C::new(size * cos, size * sin)
}

pub(crate) fn exp2(z: C) -> C {
    exp(z * LN_2)
}

pub(crate) fn expm1(z: C) -> C {
    let half = (z.im / 2.0).sin();
    C::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, exp(z).im)
}

pub(crate) fn sqrt(z: C) -> C {
    let (mut x, mut y) = (z.re, z.im);
    if x == 0.0 && y == 0.0 {
        return C::new(0.0, y);
    }
    if y.is_infinite() {
        return C::new(f64::INFINITY, y);
    }
    if x.is_nan() {
        return C::new(x, f64::NAN);
    }
    if x.is_infinite() {
        // Zero, or NaN where y is one.
        let rest = y * 0.0;
        return if x < 0.0 { C::new(rest.abs(), x.copysign(y)) } else { C::new(x, rest.copysign(y)) };
    }
    let size = x.abs().max(y.abs());
    let (scale, back) = if size >= LARGE {
        (0.25, 2.0)
    } else if size < 1e-300 {
        (2f64.powi(108), 2f64.powi(-54))
    } else {
        (1.0, 1.0)
    };
    (x, y) = (x * scale, y * scale);
    let t = ((x.abs() + x.hypot(y)) * 0.5).sqrt();
    let root = if x >= 0.0 { C::new(t, y / (2.0 * t)) } else { C::new(y.abs() / (2.0 * t), t.copysign(y)) };
    root * back
}

/// a / b by the larger part of b (R. L. Smith, 1962): no square is taken.
#[inline]
pub(crate) fn div(a: C, b: C) -> C {
    if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 && b.im == 0.0 {
            return C::new(a.re / b.re.abs(), a.im / b.im.abs());
        }
        let ratio = b.im / b.re;
        let below = b.re + b.im * ratio;
        C::new((a.re + a.im * ratio) / below, (a.im - a.re * ratio) / below)
    } else {
        let ratio = b.re / b.im;
        let below = b.re * ratio + b.im;
        C::new((a.re * ratio + a.im) / below, (a.im * ratio - a.re) / below)
    }
}

/// 1 / z as [`div`], with the signs of zeros; of 0 the imaginary part is none.
pub(crate) fn recip(z: C) -> C {
    if z.re == 0.0 && z.im == 0.0 {
        return C::new(f64::INFINITY, f64::NAN);
    }
    if z.re.abs() >= z.im.abs() {
        let ratio = z.im / z.re;
        let below = z.re + z.im * ratio;
        C::new(1.0 / below, -ratio / below)
    } else {
        let ratio = z.re / z.im;
        let below = z.re * ratio + z.im;
        C::new(ratio / below, -1.0 / below)
    }
}

pub(crate) fn rsqrt(z: C) -> C {
    recip(sqrt(z))
}

/// The power as the logarithm has it, which 0 has none of: 0⁰ and what turns without end are NaN, a negative power of 0 is
/// infinite, as in PyTorch.
pub(crate) fn pow(a: C, b: C) -> C {
    if a != C::new(0.0, 0.0) {
        return if b == C::new(0.0, 0.0) && a.is_finite() { C::new(1.0, 0.0) } else { exp(b * ln(a)) };
    }
    match b.re {
        re if re > 0.0 => C::new(0.0, 0.0),
        re if re < 0.0 => C::new(f64::INFINITY, f64::NAN),
        _ => C::new(f64::NAN, f64::NAN),
    }
}

/// `1 / (1 + e⁻ᶻ)`, by the exponential that does not overflow.
pub(crate) fn sigmoid(z: C) -> C {
    let (small, above) = (exp(if z.re < 0.0 { z } else { -z }), z.re >= 0.0);
    let value = div(if above { C::new(1.0, 0.0) } else { small }, small + 1.0);
    if z.im == 0.0 { C::new(value.re, z.im) } else { value }
}

pub(crate) fn sinh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.sinh(), y);
    }
    if (x.is_infinite() || x == 0.0) && !y.is_finite() {
        return C::new(x, f64::NAN);
    }
    let (sin, cos) = y.sin_cos();
    if x.abs() > EXP_LARGE {
        let half = (x.abs() / 2.0).exp();
        return C::new((cos * half / 2.0 * half).copysign(cos * x), sin * half / 2.0 * half);
    }
    C::new(cos * x.sinh(), sin * x.cosh())
}

pub(crate) fn cosh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return C::new(x.cosh(), if x.is_sign_negative() { -y } else { y });
    }
    if !y.is_finite() && x.is_infinite() {
        return C::new(f64::INFINITY, f64::NAN);
    }
    if !y.is_finite() && x == 0.0 {
        return C::new(f64::NAN, 0.0);
    }
    let (sin, cos) = y.sin_cos();
    if x.abs() > EXP_LARGE {
        let half = (x.abs() / 2.0).exp();
        return C::new(cos * half / 2.0 * half, (sin * half / 2.0 * half).copysign(sin * x));
    }
    C::new(cos * x.cosh(), sin * x.sinh())
}

pub(crate) fn tanh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if x.is_infinite() && !y.is_finite() {
        return C::new(1f64.copysign(x), 0f64.copysign(y));
    }
    if x == 0.0 && !y.is_finite() {
        return C::new(x, f64::NAN);
    }
    if x.is_nan() && y == 0.0 {
        return z;
    }
    if x.abs() > 22.0 && y.is_finite() {
        // 1 is what is left of the real part, and of the imaginary one sin 2y / cosh² x.
        return C::new(1f64.copysign(x), 4.0 * y.sin() * y.cos() * (-2.0 * x.abs()).exp());
    }
    let (t, tan, sech) = (x.tanh(), y.tan(), 1.0 / x.cosh());
    let below = 1.0 + (t * tan) * (t * tan);
    C::new(t * (1.0 + tan * tan) / below, tan / below * sech * sech)
}

pub(crate) fn sin(z: C) -> C {
    turned(z, sinh)
}

pub(crate) fn cos(z: C) -> C {
    cosh(C::new(-z.im, z.re))
}

pub(crate) fn tan(z: C) -> C {
    turned(z, tanh)
}

/// True where a square would overflow.
fn large(z: C) -> bool {
    z.re.abs() > LARGE || z.im.abs() > LARGE
}

/// log |2 z| of a large number.
fn log_twice(z: C) -> f64 {
    (z.re / 2.0).hypot(z.im / 2.0).ln() + 2.0 * LN_2
}

pub(crate) fn asinh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if large(z) {
        return C::new(log_twice(z).copysign(x), y.atan2(x.abs()));
    }
    if x.is_nan() && y == 0.0 {
        return z;
    }
    let (p, q) = (sqrt(C::new(1.0 + y, -x)), sqrt(C::new(1.0 - y, x)));
    C::new((p.re * q.im - q.re * p.im).asinh(), y.atan2(p.re * q.re - p.im * q.im))
}

pub(crate) fn acosh(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if large(z) {
        return C::new(log_twice(z), y.atan2(x));
    }
    if x == 0.0 && y.is_nan() {
        return C::new(y, FRAC_PI_2);
    }
    let (p, q) = (sqrt(C::new(x - 1.0, y)), sqrt(C::new(x + 1.0, y)));
    C::new((p.re * q.re + p.im * q.im).asinh(), 2.0 * p.im.atan2(q.re))
}

pub(crate) fn acos(z: C) -> C {
    let (x, y) = (z.re, z.im);
    if large(z) {
        return C::new(y.abs().atan2(x), -log_twice(z).copysign(y));
    }
    if x == 0.0 && y.is_nan() {
        return C::new(FRAC_PI_2, y);
    }
    let (p, q) = (sqrt(C::new(1.0 - x, -y)), sqrt(C::new(1.0 + x, y)));
    C::new(2.0 * p.re.atan2(q.re), (q.re * p.im - q.im * p.re).asinh())
}

pub(crate) fn asin(z: C) -> C {
    turned(z, asinh)
}

pub(crate) fn atanh(z: C) -> C {
    if z.re.is_sign_negative() {
        return -atanh(-z);
    }
    let (x, y, above) = (z.re, z.im, z.im.abs());
    if x == 0.0 && y.is_nan() {
        return z;
    }
    if x.max(above) > 1e150 {
        // What is left of the real part is x / |z|².
        let half = (x / 2.0).hypot(above / 2.0);
        let re = if half.is_infinite() { 0.0 } else { x / 4.0 / half / half };
        let none = y.is_nan() || half.is_nan();
        return C::new(re, if none { f64::NAN } else { FRAC_PI_2.copysign(y) });
    }
    if x == 1.0 && above < f64::MIN_POSITIVE.sqrt() {
        if above == 0.0 {
            return C::new(f64::INFINITY, y);
        }
        let re = -(above.sqrt() / above.hypot(2.0).sqrt()).ln();
        return C::new(re, (2f64.atan2(-above) / 2.0).copysign(y));
    }
    let apart = 1.0 - x;
    let re = (4.0 * x / (apart * apart + above * above)).ln_1p() / 4.0;
    C::new(re, -(-2.0 * y).atan2(apart * (1.0 + x) - above * above) / 2.0)
}

pub(crate) fn atan(z: C) -> C {
    turned(z, atanh)
}

#[cfg(test)]
#[path = "complex_tests.rs"]
mod tests;
