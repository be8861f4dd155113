//! Kernels of the special functions: one loop for all of one argument and one for all of two. They are computed in
//! `f64`, whatever the tensor's dtype: what they cost is not the conversion. Some are short enough for vector code.

mod bessel;
mod gamma;
mod normal;
mod polynomials;

use super::iter::{Input, map1, map2};
use super::lanes::{LaneKind, by_dtype};
use super::math::Float;
use super::{CpuKernel, Dst, Src};
use crate::Result;
use crate::ops::{Special, SpecialFunction, SpecialPair, SpecialPairFunction};
use polynomials::Kind;

/// Σ cₖ Tₖ(t), for |t| ≤ 1 (Clenshaw).
fn chebyshev(c: &[f64], t: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in c[1..].iter().rev() {
        (b1, b2) = (2.0 * t * b1 - b2 + c, b1);
    }
    t * b1 - b2 + c[0]
}

/// The exponent e of x = m · 2ᵉ with ½ ≤ |m| < 1; 0 of what has none.
fn exponent(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return 0.0;
    }
    let biased = |x: f64| (x.to_bits() >> 52 & 0x7ff) as f64;
    // Subnormal numbers are made normal first.
    let shift = 2f64.powi(54);
    if biased(x) == 0.0 { biased(x * shift) - 1022.0 - 54.0 } else { biased(x) - 1022.0 }
}

/// The larger of two numbers, and by how much it is the larger; 0 of two equal ones, infinite ones as well.
macro_rules! apart {
    ($t:ty, $a:expr, $b:expr) => {{
        let (a, b): ($t, $t) = ($a, $b);
        (if a < b { b } else { a }, if a == b { 0.0 } else { (a - b).abs() })
    }};
}

macro_rules! log_add_exp {
    ($t:ty, $a:expr, $b:expr) => {{
        let (most, apart) = apart!($t, $a, $b);
        most + Float::log1p(Float::exp(-apart))
    }};
}

macro_rules! log_add_exp2 {
    ($t:ty, $a:expr, $b:expr) => {{
        let (most, apart) = apart!($t, $a, $b);
        most + Float::log1p(Float::exp2(-apart)) * (std::f64::consts::LOG2_E as $t)
    }};
}

/// √(a² + b²) without overflow on the way.
macro_rules! hypot {
    ($t:ty, $a:expr, $b:expr) => {{
        let (a, b): ($t, $t) = ($a.abs(), $b.abs());
        let (most, least) = if a < b { (b, a) } else { (a, b) };
        let part = least / most;
        let size = most * (1.0 + part * part).sqrt();
        // 0 divided by 0 is none; an infinite side is longer than any number, NaN included.
        let size = if most == 0.0 && least == 0.0 { 0.0 } else { size };
        if a == <$t>::INFINITY || b == <$t>::INFINITY { <$t>::INFINITY } else { size }
    }};
}

#[inline(never)]
fn at(function: SpecialFunction, x: f64) -> f64 {
    use SpecialFunction::*;
    match function {
        Lgamma => Float::lgamma(x),
        Polygamma(n) => gamma::polygamma(n, x),
        Erfcx => normal::erfcx(x),
        LogNdtr => normal::log_ndtr(x),
        Ndtri => normal::ndtri(x),
        I0 => bessel::i0(x),
        I0e => bessel::i0e(x),
        I1 => bessel::i1(x),
        I1e => bessel::i1e(x),
        BesselJ0 => bessel::j0(x),
        BesselJ1 => bessel::j1(x),
        BesselY0 => bessel::y0(x),
        BesselY1 => bessel::y1(x),
        ModifiedBesselK0 => bessel::k0(x),
        ModifiedBesselK1 => bessel::k1(x),
        ScaledModifiedBesselK0 => bessel::k0e(x),
        ScaledModifiedBesselK1 => bessel::k1e(x),
        SphericalBesselJ0 => bessel::spherical_j0(x),
        AiryAi => bessel::airy_ai(x),
        Exponent => exponent(x),
    }
}

#[inline(never)]
fn at_pair(function: SpecialPairFunction, x: f64, y: f64) -> f64 {
    use SpecialPairFunction::*;
    let kind = |kind, x| polynomials::chebyshev(kind, x, degree(y));
    match function {
        _ if function.is_polynomial() && !y.is_finite() => 0.0,
        Igamma => gamma::igamma(x, y),
        Igammac => gamma::igammac(x, y),
        Zeta => gamma::zeta(x, y),
        ChebyshevT => kind(Kind::T, x),
        ChebyshevU => kind(Kind::U, x),
        ChebyshevV => kind(Kind::V, x),
        ChebyshevW => kind(Kind::W, x),
        ShiftedChebyshevT => kind(Kind::T, x + x - 1.0),
        ShiftedChebyshevU => kind(Kind::U, x + x - 1.0),
        ShiftedChebyshevV => kind(Kind::V, x + x - 1.0),
        ShiftedChebyshevW => kind(Kind::W, x + x - 1.0),
        HermiteH => polynomials::hermite_h(x, degree(y)),
        HermiteHe => polynomials::hermite_he(x, degree(y)),
        Laguerre => polynomials::laguerre(x, degree(y)),
        Legendre => polynomials::legendre(x, degree(y)),
        Hypot => x.hypot(y),
        LogAddExp => log_add_exp!(f64, x, y),
        LogAddExp2 => log_add_exp2!(f64, x, y),
        Copysign => x.copysign(y),
    }
}

/// A degree, which comes as a number.
fn degree(n: f64) -> i64 {
    n as i64
}

impl CpuKernel for Special {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out, function) = (&inputs[0], &mut outputs[0], self.function);
        match (function, LaneKind::of(out.dtype())) {
            (SpecialFunction::Lgamma, LaneKind::F32) => map1::<f32, f32>(
                x,
                out,
                #[inline(always)]
                |x| x.lgamma(),
            ),
            (SpecialFunction::Polygamma(0), LaneKind::F32) => {
                map1::<f32, f32>(
                    x,
                    out,
                    #[inline(always)]
                    |x| x.digamma(),
                );
            }
            _ => map1::<f64, f64>(x, out, move |x| at(function, x)),
        }
        Ok(())
    }
}

impl CpuKernel for SpecialPair {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (function, dtype, out) = (self.function, inputs[0].dtype(), &mut outputs[0]);
        let [x, y] = [Input::Tensor(inputs[0]), Input::Tensor(inputs[1])];
        // What is short enough for vector code goes in the dtype's own precision.
        macro_rules! vector {
            (|$a:ident, $b:ident, $t:ident| $f:expr) => {
                by_dtype!(function.name(), dtype, {
                    real $t => map2::<$t, $t, $t>(x, y, out, #[inline(always)] |$a, $b| $f),
                })
            };
        }
        match function {
            SpecialPairFunction::Hypot => vector!(|a, b, T| hypot!(T, a, b)),
            SpecialPairFunction::LogAddExp => vector!(|a, b, T| log_add_exp!(T, a, b)),
            SpecialPairFunction::LogAddExp2 => vector!(|a, b, T| log_add_exp2!(T, a, b)),
            SpecialPairFunction::Copysign => vector!(|a, b, T| Float::copysign(a, b)),
            _ => map2::<f64, f64, f64>(x, y, out, move |x, y| at_pair(function, x, y)),
        }
        Ok(())
    }
}
