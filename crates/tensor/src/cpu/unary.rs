//! Kernels of the ops on one tensor that go element by element: each a closure on the lanes it is defined for.

use super::iter::{map_slices, map1};
use super::lanes::{LaneKind, Truth, by_dtype};
use super::math::{Float, circular, complex};
use super::{CpuKernel, Dst, Src};
use crate::ops::*;
use crate::{Result, bail};
use num_complex::Complex;

type C = Complex<f64>;

macro_rules! float {
    // The input is read as the output's lane.
    ($($Op:ident $method:ident $(, $complex:expr)?;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (x, out) = (&inputs[0], &mut outputs[0]);
                match LaneKind::of(out.dtype()) {
                    LaneKind::F32 => map1::<f32, f32>(x, out, #[inline(always)] |x| Float::$method(x)),
                    LaneKind::F64 => map1::<f64, f64>(x, out, #[inline(always)] |x| Float::$method(x)),
                    $(LaneKind::C128 => map1::<C, C>(x, out, $complex),)?
                    _ => bail!(Unsupported, stringify!($Op), "no kernel for {}", x.dtype()),
                }
                Ok(())
            }
        }
    )*};
}

float! {
    Exp exp, complex::exp;
    Exp2 exp2, complex::exp2;
    Expm1 expm1, complex::expm1;
    Log ln, complex::ln;
    Log2 log2, complex::log2;
    Log10 log10, complex::log10;
    Log1p log1p, complex::log1p;
    Sqrt sqrt, complex::sqrt;
    Rsqrt rsqrt, complex::rsqrt;
    Reciprocal recip, complex::recip;
    Asin asin, complex::asin;
    Acos acos, complex::acos;
    Atan atan, complex::atan;
    Sinh sinh, complex::sinh;
    Cosh cosh, complex::cosh;
    Tanh tanh, complex::tanh;
    Asinh asinh, complex::asinh;
    Acosh acosh, complex::acosh;
    Atanh atanh, complex::atanh;
    Sigmoid sigmoid, complex::sigmoid;
    Erf erf;
    Erfc erfc;
    Erfinv erfinv;
}

/// Functions of an angle: a fast loop, and again where an argument is beyond what it is exact for.
macro_rules! circular {
    ($($Op:ident $fast:ident $any:ident;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (x, out) = (&inputs[0], &mut outputs[0]);
                match LaneKind::of(out.dtype()) {
                    LaneKind::F32 => map_slices::<f32, f32>(x, out, #[inline(always)] |x, y| circular(x, y, Float::$fast, Float::$any)),
                    LaneKind::F64 => map_slices::<f64, f64>(x, out, #[inline(always)] |x, y| circular(x, y, Float::$fast, Float::$any)),
                    LaneKind::C128 => map1::<C, C>(x, out, complex::$fast),
                    _ => bail!(Unsupported, stringify!($Op), "no kernel for {}", x.dtype()),
                }
                Ok(())
            }
        }
    )*};
}

circular! { Sin sin sin_any; Cos cos cos_any; Tan tan tan_any; }

macro_rules! unary {
    // `Op { kind of number: what becomes of x }`; the kinds are those of `by_dtype!`.
    ($($Op:ident |$x:ident| { $($kind:ident $T:ident: $f:expr),+ $(,)? })*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (from, out) = (&inputs[0], &mut outputs[0]);
                #[allow(unused_comparisons, clippy::absurd_extreme_comparisons)] // Of what has no sign with zero.
                {
                    by_dtype!(stringify!($Op), from.dtype(), { $($kind $T => map1::<$T, $T>(from, out, |$x| $f),)+ })
                }
                Ok(())
            }
        }
    )*};
}
pub(super) use unary;

unary! {
    Neg |x| { real T: -x, modular T: x.wrapping_neg(), complex T: -x }
    Sign |x| { real T: (x > 0.0) as i32 as T - (x < 0.0) as i32 as T, int T: (x > 0) as T - (x < 0) as T, truth T: x }
    Square |x| { real T: x * x, modular T: x.wrapping_mul(x), complex T: x * x, truth T: x }
    // Comparisons that NaN fails let it pass.
    Relu |x| { real T: if x <= 0.0 { 0.0 } else { x }, int T: x.max(0), truth T: x }
}

/// What leaves integers as they are.
macro_rules! rounding {
    ($($Op:ident $method:ident;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (x, dtype) = (&inputs[0], inputs[0].dtype());
                if dtype.is_int() {
                    return Cast { dtype, rows: false }.run(inputs, outputs);
                }
                by_dtype!(stringify!($Op), dtype, { real T => map1::<T, T>(x, &mut outputs[0], |x| Float::$method(x)), });
                Ok(())
            }
        }
    )*};
}

rounding! { Floor floor; Ceil ceil; Round round; Trunc trunc; }

impl CpuKernel for Conj {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, dtype) = (&inputs[0], inputs[0].dtype());
        if !dtype.is_complex() {
            return Cast { dtype, rows: false }.run(inputs, outputs);
        }
        by_dtype!("conj", dtype, { complex T => map1::<T, T>(x, &mut outputs[0], |z| z.conj()), });
        Ok(())
    }
}

impl CpuKernel for Abs {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out) = (&inputs[0], &mut outputs[0]);
        if x.dtype() == crate::DType::Complex64 {
            // Squares of `f32` do not overflow an `f64`.
            let size = |z: Complex<f32>| {
                let (re, im) = (z.re as f64, z.im as f64);
                let infinite = re.abs() == f64::INFINITY || im.abs() == f64::INFINITY;
                if infinite { f32::INFINITY } else { (re * re + im * im).sqrt() as f32 }
            };
            map1::<Complex<f32>, f32>(x, out, size);
            return Ok(());
        }
        #[allow(unused_comparisons, clippy::absurd_extreme_comparisons)]
        {
            by_dtype!("abs", x.dtype(), {
                real T => map1::<T, T>(x, out, |x| Float::abs(x)),
                int T => map1::<T, T>(x, out, |x| if x < 0 { T::wrapping_sub(0, x) } else { x }),
                wide_complex T => map1::<T, f64>(x, out, |z| z.re.hypot(z.im)),
                truth T => map1::<T, T>(x, out, |x| x),
            })
        }
        Ok(())
    }
}

macro_rules! to_truth {
    // Questions on a number; integers answer as the constant says.
    ($($Op:ident, |$x:ident| $f:expr, |$z:ident| $complex:expr, $int:literal;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (x, out) = (&inputs[0], &mut outputs[0]);
                by_dtype!(stringify!($Op), x.dtype(), {
                    real T => map1::<T, Truth>(x, out, |$x| Truth::from($f)),
                    complex T => map1::<T, Truth>(x, out, |$z| Truth::from($complex)),
                    whole T => map1::<T, Truth>(x, out, |_| Truth::from($int)),
                    truth T => map1::<T, Truth>(x, out, |_| Truth::from($int)),
                });
                Ok(())
            }
        }
    )*};
}

to_truth! {
    IsNan, |x| x.is_nan(), |z| z.is_nan(), false;
    IsInf, |x| x.is_infinite(), |z| z.re.is_infinite() || z.im.is_infinite(), false;
    IsFinite, |x| x.is_finite(), |z| z.is_finite(), true;
}

impl CpuKernel for LogicalNot {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        map1::<Truth, Truth>(&inputs[0], &mut outputs[0], |x| Truth::from(!x.get()));
        Ok(())
    }
}
