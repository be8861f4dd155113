//! The mathematical functions of elementwise kernels, for `f32` and `f64` behind one trait.
//!
//! All that the crate can do about their speed is let the compiler turn a loop over them into vector
//! code. So they have no branches, tables, loops or calls: a choice is made by computing both sides, an
//! exponent is taken by moving bits, and rounding adds a large constant. Call them in a loop inside
//! [`par::simd`](super::par::simd), which compiles it once for each width of vectors; a fused
//! multiply-add would be a call where the machine lacks it, so none is used.
//!
//! In `f32` they are within 1.6 units in the last place (`sigmoid`: 2.2) over the whole range, subnormal and special
//! values included. In `f64` what the standard library has best (circular functions, `pow`, `log2`,
//! `log10`) is taken from there, call by call; the rest is as above.
//!
//! Two habits keep all this true. Write `Float::exp(x)`: on a plain `f32`, `x.exp()` is the standard
//! library's method, a call for each element. And in an `if` expression let both arms be names or
//! constants, computed before it: an arm with a division or a root in it becomes a branch.

/// A polynomial by Estrin's scheme: coefficients from the constant on, paired so that the products do not
/// wait for each other.
macro_rules! poly {
    ($x:expr; $a:expr) => { $a };
    ($x:expr; $a:expr, $b:expr) => { $a + $b * $x };
    ($x:expr; $($c:expr),+) => {{ let x = $x; let x2 = x * x; poly!(@ x, x2, [] $($c),+) }};
    (@ $x:ident, $x2:ident, [$($p:expr),*]) => { poly!($x2; $($p),*) };
    (@ $x:ident, $x2:ident, [$($p:expr),*] $a:expr) => { poly!($x2; $($p,)* $a) };
    (@ $x:ident, $x2:ident, [$($p:expr),*] $a:expr, $b:expr $(, $r:expr)*) => {
        poly!(@ $x, $x2, [$($p,)* ($a + $b * $x)] $($r),*)
    };
}

pub(crate) mod complex;
mod double;
mod erf;
mod gamma;
mod single;
mod trig;

#[cfg(test)]
mod tests;

pub(crate) use erf::erfcx_large;

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, Sub, SubAssign};

/// A real number that kernels compute with: `f32` or `f64`.
///
/// Functions carry the names and the special values of PyTorch's where it has them. All are meant for the
/// inside of a loop and called as `Float::exp(x)`; see the module.
#[allow(dead_code)] // A vocabulary: ops come to use its words one by one.
pub(crate) trait Float:
    Copy
    + PartialOrd
    + Default
    + std::fmt::Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const HALF: Self;
    const TWO: Self;
    const NAN: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const EPSILON: Self;
    const MIN_POSITIVE: Self;
    const PI: Self;
    const LN_2: Self;
    /// The largest size of argument at which [`sin`](Float::sin), [`cos`](Float::cos) and
    /// [`tan`](Float::tan) are right; see [`circular`].
    const CIRCULAR_BOUND: Self;

    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;

    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
    /// To the nearest integer, halves to the even one, as `torch.round`.
    fn round(self) -> Self;
    fn sqrt(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    fn is_nan(self) -> bool;
    fn is_infinite(self) -> bool;
    fn is_sign_negative(self) -> bool;

    fn exp(self) -> Self;
    fn exp2(self) -> Self;
    fn expm1(self) -> Self;
    fn ln(self) -> Self;
    fn log2(self) -> Self;
    fn log10(self) -> Self;
    fn log1p(self) -> Self;
    /// `selfʸ`, with the special cases of C's `pow`.
    fn pow(self, y: Self) -> Self;

    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    /// As [`sin`](Float::sin), right at any size, slow.
    fn sin_any(self) -> Self;
    /// As [`cos`](Float::cos), right at any size, slow.
    fn cos_any(self) -> Self;
    /// As [`tan`](Float::tan), right at any size, slow.
    fn tan_any(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    /// The angle of the point `(x, self)`.
    fn atan2(self, x: Self) -> Self;

    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;

    /// `1 / (1 + e⁻ˣ)`.
    fn sigmoid(self) -> Self;
    fn erf(self) -> Self;
    /// `1 - erf(x)`, right in the tail.
    fn erfc(self) -> Self;
    fn erfinv(self) -> Self;
    /// `ln |Γ(x)|`.
    fn lgamma(self) -> Self;
    /// The derivative of `ln Γ(x)`.
    fn digamma(self) -> Self;

    #[inline(always)]
    fn recip(self) -> Self {
        Self::ONE / self
    }

    #[inline(always)]
    fn rsqrt(self) -> Self {
        Self::ONE / self.sqrt()
    }

    /// The greater one; NaN if either is, as `torch.maximum`.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        let m = if self > other { self } else { other };
        if self.is_nan() { self } else { m }
    }

    /// The lesser one; NaN if either is, as `torch.minimum`.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        let m = if self < other { self } else { other };
        if self.is_nan() { self } else { m }
    }

    /// `x σ(x)`.
    #[inline(always)]
    fn silu(self) -> Self {
        self * self.sigmoid()
    }

    /// `x Φ(x)` with the normal distribution function by [`erf`](Float::erf), as
    /// `torch.nn.functional.gelu(approximate="none")`.
    #[inline(always)]
    fn gelu(self) -> Self {
        let half = Self::HALF * self;
        half + half * (self * Self::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf()
    }

    /// As `torch.nn.functional.gelu(approximate="tanh")`.
    #[inline(always)]
    fn gelu_tanh(self) -> Self {
        let inner = self + Self::from_f64(0.044715) * self * self * self;
        let half = Self::HALF * self;
        half + half * (Self::from_f64(0.797_884_560_802_865_4) * inner).tanh()
    }

    /// `ln(1 + exp(beta x)) / beta`, and `x` where `beta x > threshold`, as `torch.nn.functional.softplus`.
    #[inline(always)]
    fn softplus(self, beta: Self, threshold: Self) -> Self {
        let z = self * beta;
        let y = z.exp().log1p() / beta;
        if z > threshold { self } else { y }
    }

    /// `ln σ(x)`.
    #[inline(always)]
    fn log_sigmoid(self) -> Self {
        let low = if self < Self::ZERO { self } else { Self::ZERO };
        low - (-self.abs()).exp().log1p()
    }
}

/// Writes `fast` of each element of `x` to `y`, then `exact` again where the argument is larger than
/// [`Float::CIRCULAR_BOUND`], which a loop over `fast` can find out without being slowed.
///
/// `circular(x, y, Float::sin, Float::sin_any)` is `sin` at any size.
#[allow(dead_code)]
#[inline(always)]
pub(crate) fn circular<T: Float>(x: &[T], y: &mut [T], fast: impl Fn(T) -> T, exact: impl Fn(T) -> T) {
    let mut beyond = false;
    for (x, y) in x.iter().zip(&mut *y) {
        beyond |= x.abs() > T::CIRCULAR_BOUND;
        *y = fast(*x);
    }
    if beyond {
        for (x, y) in x.iter().zip(y) {
            if x.abs() > T::CIRCULAR_BOUND {
                *y = exact(*x);
            }
        }
    }
}

/// Methods of `Float` as the inherent ones of the type, or as the functions named.
macro_rules! forward {
    ($t:ident: $($name:ident = $f:path),* $(,)?) => {
        $(#[inline(always)] fn $name(self) -> $t { $f(self) })*
    };
}

macro_rules! basics {
    ($t:ident, $bound:expr) => {
        const ZERO: $t = 0.0;
        const ONE: $t = 1.0;
        const HALF: $t = 0.5;
        const TWO: $t = 2.0;
        const NAN: $t = $t::NAN;
        const INFINITY: $t = $t::INFINITY;
        const NEG_INFINITY: $t = $t::NEG_INFINITY;
        const EPSILON: $t = $t::EPSILON;
        const MIN_POSITIVE: $t = $t::MIN_POSITIVE;
        const PI: $t = std::$t::consts::PI;
        const LN_2: $t = std::$t::consts::LN_2;
        const CIRCULAR_BOUND: $t = $bound;

        #[inline(always)]
        fn from_f64(x: f64) -> $t {
            x as $t
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
        #[inline(always)]
        fn copysign(self, sign: $t) -> $t {
            $t::copysign(self, sign)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            $t::is_nan(self)
        }
        #[inline(always)]
        fn is_infinite(self) -> bool {
            $t::is_infinite(self)
        }
        #[inline(always)]
        fn is_sign_negative(self) -> bool {
            $t::is_sign_negative(self)
        }
        forward!($t: abs = $t::abs, floor = $t::floor, ceil = $t::ceil, trunc = $t::trunc,
            round = $t::round_ties_even, sqrt = $t::sqrt,
            sin_any = $t::sin, cos_any = $t::cos, tan_any = $t::tan);
    };
}

impl Float for f32 {
    basics!(f32, trig::BOUND);
    forward!(f32: exp = single::exp, exp2 = single::exp2, expm1 = single::expm1,
        ln = single::ln, log2 = single::log2, log10 = single::log10, log1p = single::log1p,
        sin = trig::sin, cos = trig::cos, tan = trig::tan,
        asin = trig::asin, acos = trig::acos, atan = trig::atan,
        sinh = double::of_f32::sinh, cosh = double::of_f32::cosh, tanh = single::tanh,
        asinh = double::of_f32::asinh, acosh = double::of_f32::acosh, atanh = double::of_f32::atanh,
        sigmoid = single::sigmoid, erf = single::erf, erfc = erf::erfc_f32, erfinv = erf::erfinv_f32);

    #[inline(always)]
    fn pow(self, y: f32) -> f32 {
        double::of_f32::pow(self, y)
    }
    #[inline(always)]
    fn atan2(self, x: f32) -> f32 {
        trig::atan2(self, x)
    }
    #[inline(always)]
    fn lgamma(self) -> f32 {
        gamma::lgamma_f32(self)
    }
    #[inline(always)]
    fn digamma(self) -> f32 {
        gamma::digamma_f32(self)
    }
}

impl Float for f64 {
    basics!(f64, f64::INFINITY);
    forward!(f64: exp = double::exp, exp2 = double::exp2, expm1 = double::expm1,
        ln = double::ln, log2 = f64::log2, log10 = f64::log10, log1p = double::log1p,
        sin = f64::sin, cos = f64::cos, tan = f64::tan, asin = f64::asin, acos = f64::acos, atan = f64::atan,
        sinh = double::sinh, cosh = double::cosh, tanh = double::tanh,
        asinh = double::asinh, acosh = double::acosh, atanh = double::atanh,
        sigmoid = double::sigmoid, erf = erf::erf, erfc = erf::erfc, erfinv = erf::erfinv,
        lgamma = gamma::lgamma, digamma = gamma::digamma);

    #[inline(always)]
    fn pow(self, y: f64) -> f64 {
        self.powf(y)
    }
    #[inline(always)]
    fn atan2(self, x: f64) -> f64 {
        f64::atan2(self, x)
    }
}
