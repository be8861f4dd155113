//! Reductions that take their elements one after another in any order: sums, products, extremes, norms.
//!
//! A [`Fold`] says what one element does to an accumulator. [`Folded`] makes of it loops over many
//! accumulators side by side, which the compiler turns into vector code. An accumulator takes in a
//! thousand elements at most, then its content goes to a total of higher precision; so sums of `f32`
//! stay right to the last places however long they are, at the price of one conversion a thousand.

use super::drive::{COLUMNS, Reduction, Tile};
use crate::cpu::lanes::{Lane, LaneKind, Truth};
use crate::cpu::par;
use num_complex::Complex;
use std::marker::PhantomData;
use std::ops::{Add, Mul};

/// Elements of a row that go into accumulators at once.
const BLOCK: usize = 1024;

/// A reduction by one step an element. Methods are called in vector loops: always inline.
pub(super) trait Fold: Copy + Send + Sync {
    type In: Lane;
    type Acc: Copy;
    type Total: Copy + Send + Sync;
    type Out: Lane;

    fn start(self) -> Self::Acc;
    fn step(self, acc: Self::Acc, x: Self::In) -> Self::Acc;
    fn merge(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn empty(self) -> Self::Total;
    fn absorb(self, total: Self::Total, acc: Self::Acc) -> Self::Total;
    fn join(self, total: Self::Total, other: Self::Total) -> Self::Total;
    fn finish(self, total: Self::Total) -> Self::Out;

    /// True where no further element can change the total.
    #[inline(always)]
    fn done(self, _: Self::Total) -> bool {
        false
    }
}

/// A [`Fold`] as the driver takes it.
#[derive(Clone, Copy)]
pub(super) struct Folded<F>(pub F);

#[inline(always)]
pub(super) fn fold_row<F: Fold, const N: usize>(f: F, row: &[F::In]) -> F::Acc {
    let mut accs = [f.start(); N];
    let (whole, rest) = row.as_chunks::<N>();
    for chunk in whole {
        for i in 0..N {
            accs[i] = f.step(accs[i], chunk[i]);
        }
    }
    // Without this the compiler takes the accumulators apart already in the loop above.
    let mut accs = std::hint::black_box(accs);
    for (acc, x) in accs.iter_mut().zip(rest) {
        *acc = f.step(*acc, *x);
    }
    let mut n = N / 2;
    while n > 0 {
        for i in 0..n {
            accs[i] = f.merge(accs[i], accs[i + n]);
        }
        n /= 2;
    }
    accs[0]
}

#[inline(always)]
fn fold_columns<F: Fold, const N: usize>(f: F, tile: Tile<'_, F::In>, totals: &mut [F::Total]) {
    let mut accs = [f.start(); N];
    let accs = &mut accs[..tile.columns];
    let n = accs.len();
    let fours = tile.rows / 4 * 4;
    for r in (0..fours).step_by(4) {
        let (a, b, c, d) = (&tile.row(r)[..n], &tile.row(r + 1)[..n], &tile.row(r + 2)[..n], &tile.row(r + 3)[..n]);
        for i in 0..n {
            accs[i] = f.step(f.step(f.step(f.step(accs[i], a[i]), b[i]), c[i]), d[i]);
        }
    }
    for r in fours..tile.rows {
        accs.iter_mut().zip(tile.row(r)).for_each(|(acc, x)| *acc = f.step(*acc, *x));
    }
    totals.iter_mut().zip(accs).for_each(|(t, acc)| *t = f.absorb(*t, *acc));
}

impl<F: Fold> Reduction for Folded<F> {
    type In = F::In;
    type Total = F::Total;
    type Out = F::Out;
    type Second = Truth;

    fn empty(&self) -> F::Total {
        self.0.empty()
    }

    fn join(&self, total: F::Total, other: F::Total) -> F::Total {
        self.0.join(total, other)
    }

    fn rows(&self, tile: Tile<'_, F::In>, totals: &mut [F::Total]) {
        let f = self.0;
        par::simd_over::<F::In, _>(
            #[inline(always)]
            || {
                if tile.columns < 8 {
                    for (r, total) in totals.iter_mut().enumerate() {
                        let acc = tile.row(r).iter().fold(f.start(), |acc, x| f.step(acc, *x));
                        *total = f.absorb(*total, acc);
                    }
                } else if tile.columns < 64 {
                    for (r, total) in totals.iter_mut().enumerate() {
                        *total = f.absorb(*total, fold_row::<F, 8>(f, tile.row(r)));
                    }
                } else {
                    for (r, total) in totals.iter_mut().enumerate() {
                        for block in tile.row(r).chunks(BLOCK) {
                            *total = f.absorb(*total, fold_row::<F, 32>(f, block));
                            if f.done(*total) {
                                break;
                            }
                        }
                    }
                }
            },
        );
    }

    fn columns(&self, tile: Tile<'_, F::In>, totals: &mut [F::Total]) {
        let f = self.0;
        par::simd_over::<F::In, _>(
            #[inline(always)]
            || {
                if tile.columns <= 32 {
                    fold_columns::<F, 32>(f, tile, totals)
                } else {
                    fold_columns::<F, COLUMNS>(f, tile, totals)
                }
            },
        );
    }

    fn finish(&self, total: F::Total) -> (F::Out, Truth) {
        (self.0.finish(total), Truth::default())
    }
}

/// A lane that can be added up and multiplied, and the type that long sums are kept in.
pub(super) trait Foldable: Lane {
    type Wide: Copy + Send + Sync + 'static;
    const NIL: Self;
    const UNIT: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn widen(self) -> Self::Wide;
    fn wide_plus(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn wide_times(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// `total / n` in this lane.
    fn narrow(total: Self::Wide, n: f64) -> Self;
}

macro_rules! number {
    ($($t:ty, $wide:ty, $zero:expr, $one:expr, $plus:path, $times:path, $wide_plus:path, $wide_times:path, |$w:ident, $n:ident| $narrow:expr;)*) => {$(
        impl Foldable for $t {
            type Wide = $wide;
            const NIL: $t = $zero;
            const UNIT: $t = $one;
            #[inline(always)]
            fn plus(self, other: $t) -> $t { $plus(self, other) }
            #[inline(always)]
            fn times(self, other: $t) -> $t { $times(self, other) }
            #[inline(always)]
            fn widen(self) -> $wide { <$wide>::from(self) }
            #[inline(always)]
            fn wide_plus(a: $wide, b: $wide) -> $wide { $wide_plus(a, b) }
            #[inline(always)]
            fn wide_times(a: $wide, b: $wide) -> $wide { $wide_times(a, b) }
            #[inline(always)]
            fn narrow($w: $wide, $n: f64) -> $t { $narrow }
        }
    )*};
}

type C = Complex<f64>;
number! {
    f32, f64, 0.0, 1.0, f32::add, f32::mul, f64::add, f64::mul, |w, n| (w / n) as f32;
    f64, f64, 0.0, 1.0, f64::add, f64::mul, f64::add, f64::mul, |w, n| w / n;
    i64, i64, 0, 1, i64::wrapping_add, i64::wrapping_mul, i64::wrapping_add, i64::wrapping_mul, |w, _n| w;
    C, C, C::new(0.0, 0.0), C::new(1.0, 0.0), C::add, C::mul, C::add, C::mul, |w, n| w / n;
}

/// The sum of `of(x)`; `then` makes the result of it.
#[derive(Clone, Copy)]
pub(super) struct Adding<T, U, O, G, H> {
    of: G,
    then: H,
    types: PhantomData<fn(T, U) -> O>,
}

pub(super) fn adding<T, U: Foldable, O, G, H>(of: G, then: H) -> Folded<Adding<T, U, O, G, H>>
where
    G: Fn(T) -> U,
    H: Fn(U::Wide) -> O,
{
    Folded(Adding { of, then, types: PhantomData })
}

impl<T: Lane, U: Foldable, O: Lane, G, H> Fold for Adding<T, U, O, G, H>
where
    G: Fn(T) -> U + Copy + Send + Sync,
    H: Fn(U::Wide) -> O + Copy + Send + Sync,
{
    type In = T;
    type Acc = U;
    type Total = U::Wide;
    type Out = O;

    #[inline(always)]
    fn start(self) -> U {
        U::NIL
    }
    #[inline(always)]
    fn step(self, acc: U, x: T) -> U {
        acc.plus((self.of)(x))
    }
    #[inline(always)]
    fn merge(self, a: U, b: U) -> U {
        a.plus(b)
    }
    #[inline(always)]
    fn empty(self) -> U::Wide {
        U::NIL.widen()
    }
    #[inline(always)]
    fn absorb(self, total: U::Wide, acc: U) -> U::Wide {
        U::wide_plus(total, acc.widen())
    }
    #[inline(always)]
    fn join(self, total: U::Wide, other: U::Wide) -> U::Wide {
        U::wide_plus(total, other)
    }
    #[inline(always)]
    fn finish(self, total: U::Wide) -> O {
        (self.then)(total)
    }
}

/// The product.
#[derive(Clone, Copy)]
pub(super) struct Multiplying<T>(pub PhantomData<fn(T)>);

impl<T: Foldable> Fold for Multiplying<T> {
    type In = T;
    type Acc = T::Wide;
    type Total = T::Wide;
    type Out = T;

    #[inline(always)]
    fn start(self) -> T::Wide {
        T::UNIT.widen()
    }
    #[inline(always)]
    fn step(self, acc: T::Wide, x: T) -> T::Wide {
        T::wide_times(acc, x.widen())
    }
    #[inline(always)]
    fn merge(self, a: T::Wide, b: T::Wide) -> T::Wide {
        T::wide_times(a, b)
    }
    #[inline(always)]
    fn empty(self) -> T::Wide {
        self.start()
    }
    #[inline(always)]
    fn absorb(self, total: T::Wide, acc: T::Wide) -> T::Wide {
        T::wide_times(total, acc)
    }
    #[inline(always)]
    fn join(self, total: T::Wide, other: T::Wide) -> T::Wide {
        T::wide_times(total, other)
    }
    #[inline(always)]
    fn finish(self, total: T::Wide) -> T {
        T::narrow(total, 1.0)
    }
}

/// A lane with an order, in which NaN is an extreme of either kind.
pub(crate) trait Ordered: Lane {
    const LOWEST: Self;
    const HIGHEST: Self;
    fn less(self, other: Self) -> bool;
    fn nan(self) -> bool;
    /// |x|.
    fn magnitude(self) -> Self;

    /// `self` is to be taken instead of `other` as the largest (`MAX`) or smallest.
    #[inline(always)]
    fn beats<const MAX: bool>(self, other: Self) -> bool {
        let further = if MAX { other.less(self) } else { self.less(other) };
        further | (self.nan() & !other.nan())
    }
}

macro_rules! ordered {
    ($($t:ty, $low:expr, $high:expr, |$a:ident, $b:ident| $less:expr, $nan:expr, $abs:expr;)*) => {$(
        impl Ordered for $t {
            const LOWEST: $t = $low;
            const HIGHEST: $t = $high;
            #[inline(always)]
            fn less(self, $b: $t) -> bool { let $a = self; $less }
            #[inline(always)]
            fn nan(self) -> bool { let $a = self; $nan }
            #[inline(always)]
            fn magnitude(self) -> $t { let $a = self; $abs }
        }
    )*};
}
ordered! {
    f32, f32::NEG_INFINITY, f32::INFINITY, |a, b| a < b, a.is_nan(), a.abs();
    f64, f64::NEG_INFINITY, f64::INFINITY, |a, b| a < b, a.is_nan(), a.abs();
    i64, i64::MIN, i64::MAX, |a, b| a < b, { let _ = a; false }, a.wrapping_abs();
    Truth, Truth::FALSE, Truth::TRUE, |a, b| !a.get() & b.get(), { let _ = a; false }, a;
}

/// The largest (`MAX`) or smallest, of absolute values where `abs`; of truth values, whether any or all are
/// true.
#[derive(Clone, Copy)]
pub(super) struct Extreme<T, const MAX: bool> {
    abs: bool,
    lane: PhantomData<fn(T)>,
}

pub(super) fn extreme<T, const MAX: bool>(abs: bool) -> Folded<Extreme<T, MAX>> {
    Folded(Extreme { abs, lane: PhantomData })
}

impl<T: Ordered, const MAX: bool> Fold for Extreme<T, MAX> {
    type In = T;
    type Acc = T;
    type Total = T;
    type Out = T;

    #[inline(always)]
    fn start(self) -> T {
        if MAX { T::LOWEST } else { T::HIGHEST }
    }
    #[inline(always)]
    fn step(self, acc: T, x: T) -> T {
        let x = if self.abs { x.magnitude() } else { x };
        // Once NaN, `acc` stays so: nothing beats it but NaN.
        let further = if MAX { acc.less(x) } else { x.less(acc) };
        if further | x.nan() { x } else { acc }
    }
    #[inline(always)]
    fn merge(self, a: T, b: T) -> T {
        if b.beats::<MAX>(a) { b } else { a }
    }
    #[inline(always)]
    fn empty(self) -> T {
        self.start()
    }
    #[inline(always)]
    fn absorb(self, total: T, acc: T) -> T {
        self.merge(total, acc)
    }
    #[inline(always)]
    fn join(self, total: T, other: T) -> T {
        self.merge(total, other)
    }
    #[inline(always)]
    fn finish(self, total: T) -> T {
        total
    }
    #[inline(always)]
    fn done(self, total: T) -> bool {
        T::KIND == LaneKind::Truth && (if MAX { T::HIGHEST } else { T::LOWEST }) == total
    }
}
