//! The two floating-point types that boxes and grids are computed in, as PyTorch computes them in the dtype of the
//! tensor.

use flambeau_tensor::{Element, Stored};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `f32` or `f64`.
pub(crate) trait Real:
    Element<Stored = Self>
    + Stored
    + Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn atan2(self, x: Self) -> Self;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round_ties_even(self) -> Self;
    fn is_nan(self) -> bool;
    /// Rounded toward zero.
    fn whole(self) -> i32;

    /// The smaller; NaN where one is.
    fn least(self, other: Self) -> Self {
        if self.is_nan() || other.is_nan() {
            Self::of(f64::NAN)
        } else if other < self {
            other
        } else {
            self
        }
    }

    /// The greater; NaN where one is.
    fn most(self, other: Self) -> Self {
        if self.is_nan() || other.is_nan() {
            Self::of(f64::NAN)
        } else if other > self {
            other
        } else {
            self
        }
    }

    /// Between the two, the upper one having the last word; NaN where one of the three is.
    fn within(self, low: Self, high: Self) -> Self {
        self.most(low).least(high)
    }
}

macro_rules! reals {
    ($($t:ident),*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn of(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn wide(self) -> f64 { f64::from(self) }
            #[inline(always)]
            fn sqrt(self) -> Self { <$t>::sqrt(self) }
            fn sin(self) -> Self { <$t>::sin(self) }
            fn cos(self) -> Self { <$t>::cos(self) }
            fn atan2(self, x: Self) -> Self { <$t>::atan2(self, x) }
            #[inline(always)]
            fn abs(self) -> Self { <$t>::abs(self) }
            #[inline(always)]
            fn floor(self) -> Self { <$t>::floor(self) }
            #[inline(always)]
            fn ceil(self) -> Self { <$t>::ceil(self) }
            #[inline(always)]
            fn round_ties_even(self) -> Self { <$t>::round_ties_even(self) }
            #[inline(always)]
            fn is_nan(self) -> bool { <$t>::is_nan(self) }
            #[inline(always)]
            fn whole(self) -> i32 { self as i32 }
        }
    )*};
}
reals!(f32, f64);
