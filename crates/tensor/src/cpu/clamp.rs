//! The kernel of `clamp`.

use super::iter::map1;
use super::lanes::{LaneKind, Truth};
use super::{CpuKernel, Dst, Src};
use crate::ops::Clamp;
use crate::{Result, bail};

/// Between `lo` and `hi`; NaN stays, and so do both zeros.
macro_rules! between {
    ($x:expr, $lo:expr, $hi:expr) => {{
        let x = if $x < $lo { $lo } else { $x };
        if x > $hi { $hi } else { x }
    }};
}

impl CpuKernel for Clamp {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out) = (&inputs[0], &mut outputs[0]);
        let (lo, hi) =
            (self.min.map_or(f64::NEG_INFINITY, |s| s.to_f64()), self.max.map_or(f64::INFINITY, |s| s.to_f64()));
        let unordered = lo.is_nan() || hi.is_nan();
        match LaneKind::of(x.dtype()) {
            LaneKind::F32 if unordered => map1::<f32, f32>(x, out, |_| f32::NAN),
            LaneKind::F64 if unordered => map1::<f64, f64>(x, out, |_| f64::NAN),
            LaneKind::F32 => {
                let (lo, hi) = (lo as f32, hi as f32);
                map1::<f32, f32>(x, out, move |x| between!(x, lo, hi));
            }
            LaneKind::F64 => map1::<f64, f64>(x, out, move |x| between!(x, lo, hi)),
            LaneKind::I64 => {
                let (lo, hi) = (self.min.map_or(i64::MIN, |s| s.to_i64()), self.max.map_or(i64::MAX, |s| s.to_i64()));
                map1::<i64, i64>(x, out, move |x| between!(x, lo, hi));
            }
            LaneKind::Truth => {
                let (lo, hi) = (self.min.is_some_and(|s| s.to_bool()), self.max.is_none_or(|s| s.to_bool()));
                map1::<Truth, Truth>(x, out, move |x| Truth::from((x.get() | lo) & hi));
            }
            LaneKind::C128 => bail!(Unsupported, "clamp", "complex numbers have no order"),
        }
        Ok(())
    }
}
