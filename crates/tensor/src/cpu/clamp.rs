//! The kernel of `clamp`.

use super::iter::map1;
use super::lanes::{Truth, by_dtype};
use super::math::Float;
use super::{CpuKernel, Dst, Src};
use crate::Result;
use crate::ops::Clamp;

/// Between `lo` and `hi`; NaN stays, and so do both zeros.
macro_rules! between {
    ($x:expr, $lo:expr, $hi:expr) => {{
        let x = if $x < $lo { $lo } else { $x };
        if x > $hi { $hi } else { x }
    }};
}

impl CpuKernel for Clamp {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out, Clamp { min, max }) = (&inputs[0], &mut outputs[0], *self);
        by_dtype!("clamp", x.dtype(), {
            real T => {
                let (lo, hi) = (min.map_or(T::NEG_INFINITY, |s| s.to_f64() as T), max.map_or(T::INFINITY, |s| s.to_f64() as T));
                let unordered = lo.is_nan() | hi.is_nan();
                map1::<T, T>(x, out, move |x| {
                    let x = between!(x, lo, hi);
                    if unordered { <T as Float>::NAN } else { x }
                });
            },
            int T => {
                // A bound beyond what the dtype holds binds nothing, or everything.
                let bound = |v: i64| v.clamp(T::MIN as i64, T::MAX as i64) as T;
                let (lo, hi) = (min.map_or(T::MIN, |s| bound(s.to_i64())), max.map_or(T::MAX, |s| bound(s.to_i64())));
                map1::<T, T>(x, out, move |x| between!(x, lo, hi));
            },
            truth T => {
                let (lo, hi) = (min.is_some_and(|s| s.to_bool()), max.is_none_or(|s| s.to_bool()));
                map1::<T, T>(x, out, move |x| Truth::from((x.get() | lo) & hi));
            },
        });
        Ok(())
    }
}
