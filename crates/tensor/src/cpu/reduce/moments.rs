//! Mean and variance in one pass over memory: a tile's sum first, then, while it is in the cache, the
//! squares of the distances from its mean; tiles are put together by the formula of Chan, Golub and
//! LeVeque (1979). So no square is ever taken of a number that is large beside the spread. Where the squares leave
//! the range of `f32`, they are taken again in `f64`.

use super::drive::{COLUMNS, Reduction, Tile};
use super::fold::{Foldable, adding, fold_row};
use crate::cpu::lanes::Lane;
use crate::cpu::math::Float;
use crate::cpu::par;
use std::marker::PhantomData;

const BLOCK: usize = 1024;

/// Count, mean, and the sum of the squared distances from the mean.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of `n` numbers around `shift`: the sums of their distances from it, and of the squares.
    #[inline(always)]
    fn around(shift: f64, n: f64, distances: f64, squares: f64) -> Moments {
        let off = distances / n;
        Moments { n, mean: shift + off, squares: squares - distances * off }
    }

    #[inline(always)]
    fn join(self, other: Moments) -> Moments {
        if self.n == 0.0 {
            return other;
        }
        if other.n == 0.0 {
            return self;
        }
        let (n, apart) = (self.n + other.n, other.mean - self.mean);
        let mean = self.mean + apart * (other.n / n);
        Moments { n, mean, squares: self.squares + other.squares + apart * apart * (self.n * other.n / n) }
    }
}

/// Variance, or standard deviation, and mean.
#[derive(Clone, Copy)]
pub(super) struct VarianceMean<T> {
    /// What is taken from the count before dividing by it.
    pub correction: f64,
    /// The standard deviation rather than the variance.
    pub root: bool,
    pub lane: PhantomData<fn(T)>,
}

/// True where a sum of squares in `T` is not to be trusted: beyond its range, or so small that some of them were.
#[inline(always)]
fn out_of_range<T: Float>(squares: T) -> bool {
    let enough = squares >= T::MIN_POSITIVE / (T::EPSILON * T::EPSILON);
    !(enough & (squares < T::INFINITY))
}

impl<T: Foldable<Wide = f64> + Float> VarianceMean<T> {
    #[inline(always)]
    fn row(row: &[T]) -> Moments {
        let n = row.len() as f64;
        let sum = fold_row::<_, 32>(adding(|x: T| x, |w| w).0, row).widen();
        let shift = T::from_f64(sum / n);
        let distances = fold_row::<_, 32>(adding(|x: T| x - shift, |w| w).0, row).widen();
        let squares = fold_row::<_, 32>(adding(|x: T| (x - shift) * (x - shift), |w| w).0, row);
        if out_of_range(squares) {
            return Self::one_by_one(row.iter());
        }
        Moments::around(shift.widen(), n, distances, squares.widen())
    }

    /// One step an element, in `f64`: for few elements, and for those whose squares are not in range.
    #[inline(always)]
    fn one_by_one<'a>(x: impl ExactSizeIterator<Item = &'a T> + Clone) -> Moments {
        let n = x.len() as f64;
        let mean = x.clone().fold(0.0, |s, x| s + x.widen()) / n;
        let squares = x.fold(0.0, |s, x| s + (x.widen() - mean) * (x.widen() - mean));
        Moments { n, mean, squares }
    }

    #[inline(always)]
    fn columns_of<const N: usize>(tile: Tile<'_, T>, totals: &mut [Moments]) {
        let n = tile.columns;
        let (mut shift, mut distances, mut squares) = ([T::ZERO; N], [T::ZERO; N], [T::ZERO; N]);
        let (shift, distances, squares) = (&mut shift[..n], &mut distances[..n], &mut squares[..n]);
        for r in 0..tile.rows {
            shift.iter_mut().zip(tile.row(r)).for_each(|(s, x)| *s = s.plus(*x));
        }
        let rows = tile.rows as f64;
        let each = T::from_f64(1.0 / rows);
        shift.iter_mut().for_each(|s| *s = s.times(each));
        for r in 0..tile.rows {
            let row = &tile.row(r)[..n];
            for i in 0..n {
                let d = row[i] - shift[i];
                distances[i] = distances[i].plus(d);
                squares[i] = squares[i].plus(d * d);
            }
        }
        for (i, total) in totals.iter_mut().enumerate() {
            let moments = if out_of_range(squares[i]) {
                Self::one_by_one((0..tile.rows).map(|r| &tile.row(r)[i]))
            } else {
                Moments::around(shift[i].widen(), rows, distances[i].widen(), squares[i].widen())
            };
            *total = total.join(moments);
        }
    }
}

impl<T: Foldable<Wide = f64> + Float + Lane> Reduction for VarianceMean<T> {
    type In = T;
    type Total = Moments;
    type Out = T;
    type Second = T;
    const ROWS: usize = 16;
    const SHORT: usize = 32;

    fn empty(&self) -> Moments {
        Moments { n: 0.0, mean: 0.0, squares: 0.0 }
    }

    fn join(&self, total: Moments, other: Moments) -> Moments {
        total.join(other)
    }

    fn rows(&self, tile: Tile<'_, T>, totals: &mut [Moments]) {
        par::simd(
            #[inline(always)]
            || {
                for (r, total) in totals.iter_mut().enumerate() {
                    if tile.columns < 16 {
                        *total = total.join(Self::one_by_one(tile.row(r).iter()));
                    } else {
                        for block in tile.row(r).chunks(BLOCK) {
                            *total = total.join(Self::row(block));
                        }
                    }
                }
            },
        );
    }

    fn columns(&self, tile: Tile<'_, T>, totals: &mut [Moments]) {
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

    fn finish(&self, total: Moments) -> (T, T) {
        let variance = total.squares / (total.n - self.correction).max(0.0);
        let mean = if total.n == 0.0 { f64::NAN } else { total.mean };
        (T::from_f64(if self.root { variance.sqrt() } else { variance }), T::from_f64(mean))
    }
}
