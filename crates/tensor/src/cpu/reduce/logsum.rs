//! log Σ exp(x) in one pass over memory: the largest element of a tile first, then, while it is in the
//! cache, the sum of the exponentials below it, so that nothing overflows.

use super::drive::{COLUMNS, Reduction, Tile};
use super::fold::{Foldable, Ordered, adding, extreme, fold_row};
use crate::cpu::math::Float;
use crate::cpu::par;
use std::marker::PhantomData;

const BLOCK: usize = 1024;

/// The sum of the exponentials is `sum` · exp(`shift`).
#[derive(Clone, Copy)]
pub(super) struct Exponentials {
    shift: f64,
    sum: f64,
}

impl Exponentials {
    #[inline(always)]
    fn join(self, other: Exponentials) -> Exponentials {
        let (high, low) = if self.shift >= other.shift { (self, other) } else { (other, self) };
        if low.sum == 0.0 {
            return high;
        }
        if high.sum == 0.0 {
            return low;
        }
        // An infinite sum stays so: its shift is none, and it is not scaled, which might be by 0.
        if low.sum.is_infinite() {
            return Exponentials { shift: 0.0, sum: low.sum + high.sum };
        }
        Exponentials { shift: high.shift, sum: high.sum + low.sum * (low.shift - high.shift).exp() }
    }
}

#[derive(Clone, Copy)]
pub(super) struct LogOfSum<T>(pub PhantomData<fn(T)>);

/// What to take off before the exponential; infinities stay in.
#[inline(always)]
fn shift<T: Float>(largest: T) -> T {
    if largest.is_infinite() { T::ZERO } else { largest }
}

impl<T: Foldable<Wide = f64> + Float + Ordered> LogOfSum<T> {
    #[inline(always)]
    fn row(row: &[T]) -> Exponentials {
        let by = shift(fold_row::<_, 32>(extreme::<T, true>(false).0, row));
        let sum = fold_row::<_, 32>(adding(|x: T| (x - by).exp(), |w| w).0, row);
        Exponentials { shift: by.widen(), sum: sum.widen() }
    }

    #[inline(always)]
    fn columns_of<const N: usize>(tile: Tile<'_, T>, totals: &mut [Exponentials]) {
        let n = tile.columns;
        let (mut by, mut sums) = ([T::LOWEST; N], [T::ZERO; N]);
        let (by, sums) = (&mut by[..n], &mut sums[..n]);
        for r in 0..tile.rows {
            by.iter_mut().zip(tile.row(r)).for_each(|(m, x)| *m = if m.less(*x) | x.nan() { *x } else { *m });
        }
        by.iter_mut().for_each(|m| *m = shift(*m));
        for r in 0..tile.rows {
            let row = &tile.row(r)[..n];
            for i in 0..n {
                sums[i] = sums[i].plus((row[i] - by[i]).exp());
            }
        }
        for (i, total) in totals.iter_mut().enumerate() {
            *total = total.join(Exponentials { shift: by[i].widen(), sum: sums[i].widen() });
        }
    }
}

impl<T: Foldable<Wide = f64> + Float + Ordered> Reduction for LogOfSum<T> {
    type In = T;
    type Total = Exponentials;
    type Out = T;
    type Second = T;
    const SHORT: usize = 32;

    fn empty(&self) -> Exponentials {
        Exponentials { shift: f64::NEG_INFINITY, sum: 0.0 }
    }

    fn join(&self, total: Exponentials, other: Exponentials) -> Exponentials {
        total.join(other)
    }

    fn rows(&self, tile: Tile<'_, T>, totals: &mut [Exponentials]) {
        par::simd(
            #[inline(always)]
            || {
                for (r, total) in totals.iter_mut().enumerate() {
                    for block in tile.row(r).chunks(BLOCK) {
                        *total = total.join(Self::row(block));
                    }
                }
            },
        );
    }

    fn columns(&self, tile: Tile<'_, T>, totals: &mut [Exponentials]) {
        par::simd(
            #[inline(always)]
            || {
                if tile.columns <= 32 {
                    Self::columns_of::<32>(tile, totals)
                } else {
                    Self::columns_of::<COLUMNS>(tile, totals)
                }
            },
        );
    }

    fn finish(&self, total: Exponentials) -> (T, T) {
        let log = if total.sum == 0.0 { f64::NEG_INFINITY } else { total.sum.ln() + total.shift };
        (T::from_f64(log), T::ZERO)
    }
}
