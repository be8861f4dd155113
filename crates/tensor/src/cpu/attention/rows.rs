//! What attention computes along a row of scores, in registers: the largest, the exponentials and their sum, and on the
//! way back the gradient by the scores.
//!
//! A row has a whole number of registers; what fills it up is −∞, whose exponential is zero.
#![expect(clippy::needless_range_loop, reason = "what holds registers runs over indices, see `micro`")]

use crate::cpu::floats::Compute;
use crate::cpu::math::Float;
use crate::cpu::micro::{Real, load, store};
use pulp::Simd;

/// A number that attention computes in.
pub(super) trait Scalar: Real + Compute {
    /// The larger of each pair; which one where one is NaN is not said.
    fn larger<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;

    /// `eˣ` of numbers up to about zero: 0 where it is smaller than a normal number; NaN of NaN.
    fn exp_below<S: Simd>(simd: S, x: Self::V<S>) -> Self::V<S>;
}

impl Scalar for f32 {
    #[inline(always)]
    fn larger<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.max_f32s(a, b)
    }

    /// As [`Float::exp`] with fused products, and one factor for the power of two instead of two.
    #[inline(always)]
    fn exp_below<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        /// Adding this rounds to an integer, which then stands in the low bits.
        const ROUND: f32 = 12_582_912.0;
        /// The bits whose power of two is zero.
        const ZERO: u32 = 0x4b40_0000 - 127;
        /// ln 2 in two parts, and the least number whose integer is −127.
        const LN2: [f32; 2] = [-0.693_359_4, 0.000_212_194_44];
        const LEAST: f32 = -88.3;
        const SERIES: [f32; 6] = [0.008_367_609, 0.041_667_24, 0.166_665_33, 0.5, 1.0, 1.0];
        let least = simd.splat_f32s(LEAST);
        // Not the larger of both, for NaN is to stay.
        let x = simd.select_f32s(simd.less_than_f32s(x, least), least, x);
        let round = simd.splat_f32s(ROUND);
        let t = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), round);
        let n = simd.sub_f32s(t, round);
        let r = simd.mul_add_e_f32s(n, simd.splat_f32s(LN2[0]), x);
        let r = simd.mul_add_e_f32s(n, simd.splat_f32s(LN2[1]), r);
        let mut sum = simd.splat_f32s(0.001_386_366_9);
        for i in 0..SERIES.len() {
            sum = simd.mul_add_e_f32s(sum, r, simd.splat_f32s(SERIES[i]));
        }
        let power = simd.sub_u32s(simd.transmute_u32s_f32s(t), simd.splat_u32s(ZERO));
        let power = simd.wrapping_dyn_shl_u32s(power, simd.splat_u32s(23));
        simd.mul_f32s(sum, simd.transmute_f32s_u32s(power))
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn larger<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.max_f64s(a, b)
    }

    #[inline(always)]
    fn exp_below<S: Simd>(_: S, x: S::f64s) -> S::f64s {
        const WIDEST: usize = 8;
        assert!(f64::lanes::<S>() <= WIDEST);
        let mut all = [0.0; WIDEST];
        // SAFETY: the widest register is as long.
        unsafe {
            store::<S, f64>(all.as_mut_ptr(), x);
            for i in 0..f64::lanes::<S>() {
                all[i] = Float::exp(all[i]);
            }
            load::<S, f64>(all.as_ptr())
        }
    }
}

/// Registers that are worked on side by side, so that none waits for the one before it.
const SIDE: usize = 4;

/// Calls `f` with the first number of each register of `row`, and which of [`SIDE`] sums it goes to.
macro_rules! by_register {
    ($lanes:expr, $len:expr, |$at:ident, $side:ident| $body:block) => {{
        let (lanes, len) = ($lanes, $len);
        debug_assert!(len % lanes == 0);
        let count = len / lanes;
        let whole = count - count % SIDE;
        let mut first = 0;
        while first < whole {
            for $side in 0..SIDE {
                let $at = (first + $side) * lanes;
                $body
            }
            first += SIDE;
        }
        while first < count {
            let ($at, $side) = (first * lanes, 0);
            $body
            first += 1;
        }
    }};
}

/// The largest number of a row.
#[inline(always)]
pub(super) fn largest<S: Simd, T: Scalar>(simd: S, row: &[T]) -> T {
    let mut tops = [T::splat(simd, T::NEG_INFINITY); SIDE];
    by_register!(T::lanes::<S>(), row.len(), |at, side| {
        // SAFETY: a whole register of the row.
        tops[side] = T::larger(simd, tops[side], unsafe { load::<S, T>(row.as_ptr().add(at)) });
    });
    let top = T::larger(simd, T::larger(simd, tops[0], tops[1]), T::larger(simd, tops[2], tops[3]));
    let mut all = [T::NEG_INFINITY; 16];
    // SAFETY: the widest register has 16 numbers.
    unsafe { store::<S, T>(all.as_mut_ptr(), top) };
    let mut largest = all[0];
    for i in 1..T::lanes::<S>() {
        largest = Float::maximum(largest, all[i]);
    }
    largest
}

/// `row = exp(scale · row − top)`, and the sum.
#[inline(always)]
pub(super) fn exponentials<S: Simd, T: Scalar>(simd: S, row: &mut [T], scale: T, top: T) -> T {
    let (scale, top) = (T::splat(simd, scale), T::splat(simd, T::ZERO - top));
    let mut sums = [T::splat(simd, T::ZERO); SIDE];
    by_register!(T::lanes::<S>(), row.len(), |at, side| {
        // SAFETY: a whole register of the row.
        unsafe {
            let x = load::<S, T>(row.as_ptr().add(at));
            let y = T::exp_below(simd, T::mul_add(simd, x, scale, top));
            sums[side] = T::plus(simd, sums[side], y);
            store::<S, T>(row.as_mut_ptr().add(at), y);
        }
    });
    T::sum(simd, T::plus(simd, T::plus(simd, sums[0], sums[1]), T::plus(simd, sums[2], sums[3])))
}

/// What the rows of scores of a query have in common.
#[derive(Clone, Copy)]
pub(super) struct Query<T> {
    /// What the scores are still to be multiplied by.
    pub(super) scale: T,
    /// The logarithm of the sum of all exponentials.
    pub(super) lse: T,
    /// Σ gradient · output.
    pub(super) mean: T,
    /// What the gradient by the scores is multiplied by.
    pub(super) factor: T,
}

/// `scores = exp(scale · scores − lse)`, the weights, and `by = (by − mean) · weights · factor`.
#[inline(always)]
pub(super) fn by_scores<S: Simd, T: Scalar>(simd: S, scores: &mut [T], by: &mut [T], query: Query<T>) {
    assert!(by.len() >= scores.len());
    let (scale, lse) = (T::splat(simd, query.scale), T::splat(simd, T::ZERO - query.lse));
    let (mean, factor) = (T::splat(simd, query.mean), T::splat(simd, query.factor));
    by_register!(T::lanes::<S>(), scores.len(), |at, _side| {
        // SAFETY: a whole register of both.
        unsafe {
            let x = load::<S, T>(scores.as_ptr().add(at));
            let weight = T::exp_below(simd, T::mul_add(simd, x, scale, lse));
            store::<S, T>(scores.as_mut_ptr().add(at), weight);
            let g = T::minus(simd, load::<S, T>(by.as_ptr().add(at)), mean);
            store::<S, T>(by.as_mut_ptr().add(at), T::times(simd, T::times(simd, g, weight), factor));
        }
    });
}

/// `row = factor · row`.
#[inline(always)]
pub(super) fn scale<T: Float>(row: &mut [T], factor: T) {
    for i in 0..row.len() {
        row[i] *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::par;
    use pulp::WithSimd;

    struct Row<'a, T>(&'a mut [T], T, T);
    impl<T: Scalar> WithSimd for Row<'_, T> {
        type Output = (T, T);
        fn with_simd<S: Simd>(self, simd: S) -> (T, T) {
            (largest(simd, self.0), exponentials(simd, self.0, self.1, self.2))
        }
    }

    fn check() {
        let x: Vec<f32> = (0..4096).map(|i| -(i as f32) * 0.0213).collect();
        let mut row = x.clone();
        let (top, sum) = par::dispatch(Row(&mut row, 1.0, 0.0));
        let right: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
        for (y, right) in row.iter().zip(&right) {
            assert!((f64::from(*y) - right).abs() <= 2e-7 * right.max(f64::from(f32::MIN_POSITIVE)), "{y} {right}");
        }
        assert_eq!(top, 0.0);
        assert!((f64::from(sum) / right.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        // Specials, in a row that is not a multiple of all registers side by side.
        let mut row = [f32::NEG_INFINITY; 48];
        (row[1], row[40]) = (3.0, 2.0);
        let (top, sum) = par::dispatch(Row(&mut row, 2.0, 6.0));
        assert_eq!((top, row[0], row[1], row[47]), (3.0, 0.0, 1.0, 0.0));
        assert!((sum - (1.0 + (-2f32).exp())).abs() < 1e-6);
        row[5] = f32::NAN;
        assert!(par::dispatch(Row(&mut row, 1.0, 0.0)).1.is_nan() && row[5].is_nan() && !row[6].is_nan());
        let mut row = [0.5f64; 16];
        row[3] = f64::NEG_INFINITY;
        let (top, sum) = par::dispatch(Row(&mut row, 1.0, 0.5));
        assert_eq!((top, sum, row[3], row[4]), (0.5, 15.0, 0.0, 1.0));
    }

    #[test]
    fn exponentials_are_right_and_nothing_is_lost() {
        check();
        par::with_wide_registers(check);
    }
}
