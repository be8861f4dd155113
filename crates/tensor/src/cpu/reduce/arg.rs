//! Where the largest or smallest element of a line stands. The first one wins, and NaN beats all.

use super::drive::{COLUMNS, Reduction, Tile};
use super::fold::Ordered;
use crate::cpu::par;
use std::marker::PhantomData;

/// Elements of a row that are compared before it is asked where the best of them stands.
const BLOCK: usize = 1024;
const LANES: usize = 32;

/// The best value so far, and its place; no place, no value.
#[derive(Clone, Copy)]
pub(super) struct Best<T> {
    value: T,
    place: Option<usize>,
}

/// The results: value, and place.
#[derive(Clone, Copy)]
pub(super) struct Arg<T, const MAX: bool>(PhantomData<fn(T)>);

impl<T, const MAX: bool> Arg<T, MAX> {
    pub(super) const NEW: Self = Arg(PhantomData);
}

impl<T: Ordered, const MAX: bool> Arg<T, MAX> {
    #[inline(always)]
    fn row(best: Best<T>, row: &[T], first: usize) -> Best<T> {
        let mut best = best;
        for (b, block) in row.chunks(BLOCK).enumerate() {
            let mut lanes = [block[0]; LANES];
            let (whole, rest) = block.as_chunks::<LANES>();
            for chunk in whole {
                for i in 0..LANES {
                    lanes[i] = if chunk[i].beats::<MAX>(lanes[i]) { chunk[i] } else { lanes[i] };
                }
            }
            let lanes = std::hint::black_box(lanes);
            let rest = rest.iter().fold(block[0], |v, x| if x.beats::<MAX>(v) { *x } else { v });
            let value = lanes.iter().fold(rest, |v, x| if x.beats::<MAX>(v) { *x } else { v });
            if best.place.is_none() || value.beats::<MAX>(best.value) {
                // The first that is not beaten by the best is as good as it.
                let at = block.iter().position(|x| !value.beats::<MAX>(*x)).unwrap_or(0);
                best = Best { value: block[at], place: Some(first + b * BLOCK + at) };
            }
        }
        best
    }

    #[inline(always)]
    fn columns_of<const N: usize>(tile: Tile<'_, T>, totals: &mut [Best<T>]) {
        let (mut values, mut places) = ([T::LOWEST; N], [0u32; N]);
        let n = tile.columns.min(N);
        let (values, places) = (&mut values[..n], &mut places[..n]);
        values.copy_from_slice(&tile.row(0)[..n]);
        for r in 1..tile.rows {
            let row = &tile.row(r)[..n];
            for i in 0..n {
                let better = row[i].beats::<MAX>(values[i]);
                values[i] = if better { row[i] } else { values[i] };
                places[i] = if better { r as u32 } else { places[i] };
            }
        }
        for ((total, value), place) in totals.iter_mut().zip(values).zip(places) {
            if total.place.is_none() || value.beats::<MAX>(total.value) {
                *total = Best { value: *value, place: Some(tile.first + *place as usize) };
            }
        }
    }
}

impl<T: Ordered, const MAX: bool> Reduction for Arg<T, MAX> {
    type In = T;
    type Total = Best<T>;
    type Out = T;
    type Second = i64;
    const SHORT: usize = LANES;
    const ANY_ORDER: bool = false;

    fn empty(&self) -> Best<T> {
        Best { value: T::LOWEST, place: None }
    }

    fn join(&self, total: Best<T>, other: Best<T>) -> Best<T> {
        let better = other.place.is_some() && (total.place.is_none() || other.value.beats::<MAX>(total.value));
        if better { other } else { total }
    }

    fn rows(&self, tile: Tile<'_, T>, totals: &mut [Best<T>]) {
        par::simd_over::<T, _>(
            #[inline(always)]
            || {
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = Self::row(*total, tile.row(r), tile.first);
                }
            },
        );
    }

    fn columns(&self, tile: Tile<'_, T>, totals: &mut [Best<T>]) {
        par::simd_over::<T, _>(
            #[inline(always)]
            || {
                if tile.columns <= LANES {
                    Self::columns_of::<LANES>(tile, totals)
                } else {
                    Self::columns_of::<COLUMNS>(tile, totals)
                }
            },
        );
    }

    fn finish(&self, total: Best<T>) -> (T, i64) {
        (total.value, total.place.map_or(0, |p| p as i64))
    }
}
