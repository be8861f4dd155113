//! The element types that random numbers are written as, and how each is made from
//! the engine's words.
//!
//! Every conversion here is PyTorch's: which types take 32 bits and which 64 decides
//! what comes next out of the generator, so it is part of the contract.

use super::mt19937::{Mt19937, join};
use super::normal;
use super::simd::vectorized;
use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// An element that random numbers can be written as: all real dtypes.
///
/// A bool tensor stored as bytes is filled as `u8`: `bernoulli` writes 0 and 1, and
/// `randint(0, 2)` draws what PyTorch's `random_()` of a bool tensor draws.
pub trait RandomElement: sealed::Sealed + Copy + Send + Sync + PartialEq + 'static {
    /// PyTorch's name of the type, for messages.
    const NAME: &'static str;
    /// `random_()` without bounds draws from `0..RANDOM_SPAN`: all non-negative
    /// integers of the type, for floats those that it holds exactly.
    const RANDOM_SPAN: u64;
    /// Whether `random_()` without bounds takes 64 bits an element.
    const RANDOM_WIDE: bool;
    /// Bits of the significand with the hidden one; `None` for integers.
    const DIGITS: Option<u32>;
    /// Smallest and largest value, as far as an `i64` reaches.
    const BOUNDS: (i64, i64);
    /// As C converts an `i64`: integers keep the low bits, floats round to nearest.
    fn from_i64(value: i64) -> Self;
    /// As C converts a `double`; half types by way of `f32`, as PyTorch's do.
    fn from_f64(value: f64) -> Self;
    /// The value towards zero, saturating. Used to see how a bound was rounded.
    fn to_i64(self) -> i64;
}

/// A floating-point element.
pub trait RandomFloat: RandomElement {
    /// What it is computed in: `f32`, for `f64` itself.
    type DrawnIn: DrawnIn;
    /// Whether `DrawnIn` is the type itself, so that PyTorch works in place.
    const IN_PLACE: bool;
    /// Largest finite value.
    const MAX: f64;
    /// Rounds to nearest.
    fn narrow(value: Self::DrawnIn) -> Self;
    /// Exact.
    fn widen(self) -> Self::DrawnIn;
}

/// The two types that floating-point samples are computed in.
pub trait DrawnIn:
    RandomFloat<DrawnIn = Self>
    + Default
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Div<Output = Self>
{
    /// 32-bit words that one sample takes.
    const WORDS: usize;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Fills with uniform samples from `[0, 1)`; `words` has `WORDS` for each.
    fn unit(words: &[u32], out: &mut [Self]);
    /// `x * scale + shift` on each, rounded once.
    fn affine(values: &mut [Self], scale: Self, shift: Self);
    /// The Box-Muller transform of [`normal::box_muller_f32`] on each 16 elements.
    fn box_muller(values: &mut [Self], mean: Self, std: Self);
}

/// Samples made at a time, between engine and output.
pub(super) const CHUNK: usize = 256;

/// Fills `out` (at most [`CHUNK`] elements) with uniform samples from `[0, 1)`.
pub(super) fn unit<C: DrawnIn>(engine: &mut Mt19937, out: &mut [C]) {
    let mut words = [0; 2 * CHUNK];
    let words = &mut words[..C::WORDS * out.len()];
    engine.fill(words);
    C::unit(words, out);
}

vectorized! {
    /// 24 bits of each word, so that every value is exact.
    fn unit_f32(words: &[u32], out: &mut [f32]) {
        const STEP: f32 = 1.0 / (1u32 << 24) as f32;
        for (x, &word) in out.iter_mut().zip(words) {
            // Through i32: that conversion is one instruction.
            *x = (word & 0xff_ffff) as i32 as f32 * STEP;
        }
    }
}

vectorized! {
    /// 53 bits of each pair of words.
    fn unit_f64(words: &[u32], out: &mut [f64]) {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        for (x, pair) in out.iter_mut().zip(words.as_chunks::<2>().0) {
            *x = (join(*pair) & ((1 << 53) - 1)) as i64 as f64 * STEP;
        }
    }
}

vectorized! {
    fn affine_f32(values: &mut [f32], scale: f32, shift: f32) {
        for x in values {
            *x = x.mul_add(scale, shift);
        }
    }
}

vectorized! {
    fn affine_f64(values: &mut [f64], scale: f64, shift: f64) {
        for x in values {
            *x = x.mul_add(scale, shift);
        }
    }
}

macro_rules! compute {
    ($t:ty, $words:literal, $unit:ident, $affine:ident, $box_muller:path) => {
        impl DrawnIn for $t {
            const WORDS: usize = $words;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn unit(words: &[u32], out: &mut [Self]) {
                $unit(words, out);
            }
            fn affine(values: &mut [Self], scale: Self, shift: Self) {
                $affine(values, scale, shift);
            }
            fn box_muller(values: &mut [Self], mean: Self, std: Self) {
                $box_muller(values, mean, std);
            }
        }
    };
}

compute!(f32, 1, unit_f32, affine_f32, normal::box_muller_f32);
compute!(f64, 2, unit_f64, affine_f64, normal::box_muller_f64);

macro_rules! integers {
    ($($t:ty => $name:literal, $wide:literal);* $(;)?) => {$(
        impl sealed::Sealed for $t {}
        impl RandomElement for $t {
            const NAME: &'static str = $name;
            const RANDOM_SPAN: u64 = <$t>::MAX as u64 + 1;
            const RANDOM_WIDE: bool = $wide;
            const DIGITS: Option<u32> = None;
            const BOUNDS: (i64, i64) = (<$t>::MIN as i64, <$t>::MAX as i64);
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as i64 as $t
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
        }
    )*};
}

integers! {
    u8 => "uint8", false;
    i8 => "int8", false;
    i16 => "int16", false;
    i32 => "int32", false;
    i64 => "int64", true;
}

impl sealed::Sealed for bool {}
impl RandomElement for bool {
    const NAME: &'static str = "bool";
    const RANDOM_SPAN: u64 = 2;
    const RANDOM_WIDE: bool = false;
    const DIGITS: Option<u32> = None;
    const BOUNDS: (i64, i64) = (0, 1);
    #[inline(always)]
    fn from_i64(value: i64) -> Self {
        value != 0
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value != 0.0
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self.into()
    }
}

macro_rules! floats {
    ($($t:ident, $compute:ident => $name:literal, $in_place:literal, $wide:literal,
       $max:expr, |$x:ident| $narrow:expr, $widen:expr);* $(;)?) => {$(
        impl sealed::Sealed for $t {}
        impl RandomElement for $t {
            const NAME: &'static str = $name;
            const RANDOM_SPAN: u64 = (1 << $t::MANTISSA_DIGITS) + 1;
            const RANDOM_WIDE: bool = $wide;
            const DIGITS: Option<u32> = Some($t::MANTISSA_DIGITS);
            const BOUNDS: (i64, i64) = (-($max as i64), $max as i64);
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                Self::narrow(value as $compute)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                Self::narrow(value as $compute)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self.widen() as i64
            }
        }
        impl RandomFloat for $t {
            type DrawnIn = $compute;
            const IN_PLACE: bool = $in_place;
            const MAX: f64 = $max;
            #[inline(always)]
            fn narrow($x: $compute) -> Self {
                $narrow
            }
            #[inline(always)]
            fn widen(self) -> $compute {
                let $x = self;
                $widen
            }
        }
    )*};
}

floats! {
    f16, f32 => "float16", false, false, 65504.0, |x| f16::from_f32(x), x.to_f32();
    bf16, f32 => "bfloat16", false, false, 3.3895313892515355e38, |x| bf16::from_f32(x), x.to_f32();
    f32, f32 => "float32", true, false, f32::MAX as f64, |x| x, x;
    f64, f64 => "float64", true, true, f64::MAX, |x| x, x;
}
