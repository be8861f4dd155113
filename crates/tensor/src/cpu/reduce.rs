//! Kernels of reductions: what each does with one element. How elements and outputs meet is the
//! business of `drive`.

mod arg;
mod drive;
pub(super) mod fold;
mod logsum;
mod moments;

use super::lanes::{LaneKind, Truth};
use super::math::Float;
use super::{CpuKernel, Dst, Src};
use crate::op::Infer;
use crate::ops::*;
use crate::{Result, bail};
use arg::Arg;
use drive::{reduce, reduce_to_second};
use fold::{Foldable, Folded, Multiplying, adding, extreme};
use moments::VarianceMean;
use num_complex::Complex;
use std::marker::PhantomData;

type C = Complex<f64>;

/// Runs `$body` with `$t` the first of the lanes listed that is `$kind`'s.
macro_rules! match_lane {
    ($op:expr, $kind:expr, [$($k:ident => $lane:ty),+], $t:ident => $body:expr) => {
        match $kind {
            $(LaneKind::$k => { type $t = $lane; $body })+
            #[allow(unreachable_patterns)]
            _ => bail!(Unsupported, $op, "no kernel for {:?}", $kind),
        }
    };
}

/// The sum, divided by `n`.
fn sum(op: &'static str, x: &Src<'_>, dims: &[usize], outputs: &mut [Dst<'_>], n: f64) -> Result<()> {
    match_lane!(op, LaneKind::of(outputs[0].dtype()), [F32 => f32, F64 => f64, I64 => i64, C128 => C], T => {
        reduce(&adding(|x: T| x, move |w| T::narrow(w, n)), x, dims, outputs)
    });
    Ok(())
}

impl CpuKernel for Sum {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        sum("sum", &inputs[0], &self.dims, outputs, 1.0)
    }
}

impl CpuKernel for Mean {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        let n: usize = self.dims.iter().filter_map(|d| x.shape().get(*d)).product();
        sum("mean", x, &self.dims, outputs, n as f64)
    }
}

impl CpuKernel for Prod {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        match_lane!("prod", LaneKind::of(outputs[0].dtype()), [F32 => f32, F64 => f64, I64 => i64, C128 => C], T => {
            reduce(&Folded(Multiplying::<T>(PhantomData)), &inputs[0], &[self.dim], outputs)
        });
        Ok(())
    }
}

fn extremum<const MAX: bool>(op: &'static str, x: &Src<'_>, dims: &[usize], outputs: &mut [Dst<'_>]) -> Result<()> {
    match_lane!(op, LaneKind::of(x.dtype()), [F32 => f32, F64 => f64, I64 => i64, Truth => Truth], T => {
        reduce(&extreme::<T, MAX>(false), x, dims, outputs)
    });
    Ok(())
}

impl CpuKernel for Amax {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        extremum::<true>("amax", &inputs[0], &self.dims, outputs)
    }
}

impl CpuKernel for Amin {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        extremum::<false>("amin", &inputs[0], &self.dims, outputs)
    }
}

impl CpuKernel for Any {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        reduce(&extreme::<Truth, true>(false), &inputs[0], &self.dims, outputs);
        Ok(())
    }
}

impl CpuKernel for All {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        reduce(&extreme::<Truth, false>(false), &inputs[0], &self.dims, outputs);
        Ok(())
    }
}

impl CpuKernel for CountNonzero {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        reduce(&adding(|x: Truth| x.get() as i64, |w: i64| w), &inputs[0], &self.dims, outputs);
        Ok(())
    }
}

macro_rules! with_place {
    ($($Op:ident, $max:literal, $reduce:ident;)*) => {$(
        impl CpuKernel for $Op {
            const IN_PLACE: bool = true;
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let x = &inputs[0];
                match_lane!($Op::NAME, LaneKind::of(x.dtype()), [F32 => f32, F64 => f64, I64 => i64, Truth => Truth], T => {
                    $reduce(&Arg::<T, $max>::NEW, x, &[self.dim], outputs)
                });
                Ok(())
            }
        }
    )*};
}
with_place! {
    Argmax, true, reduce_to_second;
    Argmin, false, reduce_to_second;
    MaxDim, true, reduce;
    MinDim, false, reduce;
}

impl CpuKernel for VarMean {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        match_lane!("var_mean", LaneKind::of(x.dtype()), [F32 => f32, F64 => f64], T => {
            let op = VarianceMean::<T> { correction: self.correction, root: self.root, lane: PhantomData };
            reduce(&op, x, &self.dims, outputs)
        });
        Ok(())
    }
}

impl CpuKernel for LogSumExp {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        match_lane!("logsumexp", LaneKind::of(x.dtype()), [F32 => f32, F64 => f64], T => {
            reduce(&logsum::LogOfSum::<T>(PhantomData), x, &self.dims, outputs)
        });
        Ok(())
    }
}

impl CpuKernel for Norm {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        match_lane!("norm", LaneKind::of(x.dtype()), [F32 => f32, F64 => f64], T => norm::<T>(self, x, outputs));
        Ok(())
    }
}

fn norm<T: Foldable<Wide = f64> + Float + fold::Ordered>(op: &Norm, x: &Src<'_>, outputs: &mut [Dst<'_>]) {
    let (dims, p) = (&op.dims, op.ord);
    match p {
        f64::INFINITY => reduce(&extreme::<T, true>(true), x, dims, outputs),
        f64::NEG_INFINITY => reduce(&extreme::<T, false>(true), x, dims, outputs),
        1.0 => reduce(&adding(|x: T| Float::abs(x), |w| T::from_f64(w)), x, dims, outputs),
        2.0 => reduce(&adding(|x: T| x * x, |w| T::from_f64(w.sqrt())), x, dims, outputs),
        _ => {
            // The zeroth power counts what is not 0.
            let (power, of_zero, root) = match p {
                0.0 => (T::ZERO, T::ZERO, 1.0),
                _ => (T::from_f64(p), T::ZERO.pow(T::from_f64(p)), 1.0 / p),
            };
            let each = move |x: T| if x == T::ZERO { of_zero } else { Float::abs(x).pow(power) };
            reduce(&adding(each, move |w| T::from_f64(w.powf(root))), x, dims, outputs)
        }
    }
}
