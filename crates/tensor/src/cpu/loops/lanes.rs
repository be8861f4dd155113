//! Lanes: the types that elementwise kernels compute in, and the conversions between them and the dtypes that
//! tensors store.
//!
//! Most dtypes are computed in as they are stored. Half precision is computed in `f32`, and a kernel may ask for
//! more: integers as `i64`, complex numbers in `f64` parts ([`LaneKind::of`]). The iterator converts a chunk at a
//! time on the way in and out ([`convert`](super::convert)). [`by_dtype!`] picks the lane of a kernel by dtype.

use crate::dtype::Stored;
use crate::{DType, Scalar};
use num_complex::Complex;

/// A truth value as stored: any byte, true where it is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub(crate) struct Truth(u8);

// SAFETY: a byte.
unsafe impl Stored for Truth {}

impl Truth {
    pub(crate) const FALSE: Truth = Truth(0);
    pub(crate) const TRUE: Truth = Truth(1);

    #[inline(always)]
    pub(crate) fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Truth {
    #[inline(always)]
    fn from(b: bool) -> Truth {
        Truth(b as u8)
    }
}

/// An element that is only moved: its bits, whatever they mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub(crate) struct Bits<T>(pub(crate) T);

// SAFETY: as transparent as what it wraps.
unsafe impl<T: Stored> Stored for Bits<T> {}

/// What one lane is, in memory: the type of the lane, or of an element that is converted to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    Truth,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
    C64,
    C128,
    /// So many bytes.
    Bits(u8),
}

/// A type that kernels compute in.
pub(crate) trait Lane: Stored {
    const KIND: LaneKind;
    /// True where a loop gains from wider registers than every machine has. The others are bound by memory or do
    /// not vectorise, and compiling them twice is time lost.
    const WIDE: bool = !matches!(Self::KIND, LaneKind::Truth | LaneKind::C128);

    /// The number, converted as a tensor of one element is.
    fn from_scalar(value: Scalar) -> Self;
}

macro_rules! lanes {
    ($($t:ty => $kind:expr, |$v:ident| $from:expr;)*) => {$(
        impl Lane for $t {
            const KIND: LaneKind = $kind;
            #[inline]
            fn from_scalar($v: Scalar) -> $t { $from }
        }
    )*};
}
lanes! {
    Truth => LaneKind::Truth, |v| Truth::from(v.to_bool());
    u8 => LaneKind::U8, |v| v.to_i64() as u8;
    i8 => LaneKind::I8, |v| v.to_i64() as i8;
    u16 => LaneKind::U16, |v| v.to_i64() as u16;
    i16 => LaneKind::I16, |v| v.to_i64() as i16;
    u32 => LaneKind::U32, |v| v.to_i64() as u32;
    i32 => LaneKind::I32, |v| v.to_i64() as i32;
    u64 => LaneKind::U64, |v| v.to_u64();
    i64 => LaneKind::I64, |v| v.to_i64();
    f32 => LaneKind::F32, |v| v.to_f64() as f32;
    f64 => LaneKind::F64, |v| v.to_f64();
    Complex<f32> => LaneKind::C64, |v| Complex::new(v.to_c128().re as f32, v.to_c128().im as f32);
    Complex<f64> => LaneKind::C128, |v| v.to_c128();
    // The numbers whose bits they are come ready made: see `Input::Element`.
    Bits<u8> => LaneKind::Bits(1), |v| Bits(v.to_i64() as u8);
    Bits<u16> => LaneKind::Bits(2), |v| Bits(v.to_i64() as u16);
    Bits<u32> => LaneKind::Bits(4), |v| Bits(v.to_i64() as u32);
    Bits<u64> => LaneKind::Bits(8), |v| Bits(v.to_i64() as u64);
    Bits<Complex<f64>> => LaneKind::Bits(16), |v| Bits(v.to_c128());
}

impl LaneKind {
    /// The widest lane of the kind of number that `dtype` holds: what is exact for all of its values, but not the
    /// fastest.
    pub(crate) fn of(dtype: DType) -> LaneKind {
        match dtype {
            DType::Bool => LaneKind::Truth,
            DType::U8 | DType::U16 | DType::U32 => LaneKind::I64,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => LaneKind::I64,
            DType::U64 => LaneKind::U64,
            DType::F16 | DType::BF16 | DType::F32 => LaneKind::F32,
            DType::F64 => LaneKind::F64,
            DType::Complex64 | DType::Complex128 => LaneKind::C128,
        }
    }

    /// How an element of `dtype` is stored.
    #[inline]
    pub(crate) fn stored(dtype: DType) -> LaneKind {
        match dtype {
            DType::Bool => LaneKind::Truth,
            DType::U8 => LaneKind::U8,
            DType::U16 => LaneKind::U16,
            DType::U32 => LaneKind::U32,
            DType::U64 => LaneKind::U64,
            DType::I8 => LaneKind::I8,
            DType::I16 => LaneKind::I16,
            DType::I32 => LaneKind::I32,
            DType::I64 => LaneKind::I64,
            DType::F16 => LaneKind::F16,
            DType::BF16 => LaneKind::BF16,
            DType::F32 => LaneKind::F32,
            DType::F64 => LaneKind::F64,
            DType::Complex64 => LaneKind::C64,
            DType::Complex128 => LaneKind::C128,
        }
    }

    /// Bytes of one.
    #[inline]
    pub(crate) const fn size(self) -> usize {
        match self {
            LaneKind::Truth | LaneKind::U8 | LaneKind::I8 => 1,
            LaneKind::U16 | LaneKind::I16 | LaneKind::F16 | LaneKind::BF16 => 2,
            LaneKind::U32 | LaneKind::I32 | LaneKind::F32 => 4,
            LaneKind::U64 | LaneKind::I64 | LaneKind::F64 | LaneKind::C64 => 8,
            LaneKind::C128 => 16,
            LaneKind::Bits(bytes) => bytes as usize,
        }
    }

    #[inline]
    pub(crate) const fn is_int(self) -> bool {
        use LaneKind::*;
        matches!(self, U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
    }

    /// The same number of bits, without a sign.
    pub(crate) const fn unsigned(self) -> LaneKind {
        match self {
            LaneKind::I8 => LaneKind::U8,
            LaneKind::I16 => LaneKind::U16,
            LaneKind::I32 => LaneKind::U32,
            LaneKind::I64 => LaneKind::U64,
            other => other,
        }
    }

    /// True where both are the same bits: a conversion is a copy.
    #[inline(always)]
    pub(crate) fn is_stored_as(self, other: LaneKind) -> bool {
        self == other || self.is_as_wide_as(other)
    }

    /// [`is_stored_as`](LaneKind::is_stored_as) for two that are not one.
    fn is_as_wide_as(self, other: LaneKind) -> bool {
        let bits = |k: LaneKind| matches!(k, LaneKind::Bits(_));
        (self.is_int() && other.is_int() || bits(self) || bits(other)) && self.size() == other.size()
    }

    /// True where an element of `dtype` is such a lane, bit by bit.
    #[inline(always)]
    pub(crate) fn stores(self, dtype: DType) -> bool {
        self.is_stored_as(LaneKind::stored(dtype))
    }

    /// This lane, with the sign that `dtype` has: kernels for which signs make no difference leave them out.
    #[inline]
    pub(crate) fn with_sign_of(self, dtype: DType) -> LaneKind {
        if !self.is_int() {
            return self;
        }
        let stored = LaneKind::stored(dtype);
        if stored.is_int() && self.size() == stored.size() { stored } else { self }
    }
}

/// Picks the lane of a kernel by dtype: the arms name kinds of numbers, each with the type that stands for the
/// lane in its expression. A dtype of none of the kinds is an error.
///
/// | arm | dtypes | lanes |
/// | --- | --- | --- |
/// | `real T` | floating point | `f32`, which half precision computes in too, `f64` |
/// | `half T` | half precision, where it is not one with `f32` | `f32` |
/// | `full T` | the other floating point | themselves |
/// | `float T` | floating point | as they are stored |
/// | `long T` | `int64` alone | itself |
/// | `int T` | integers to compute in | themselves |
/// | `unsigned T` | `uint16`, `uint32`, `uint64`, which are compared and little else | themselves |
/// | `modular T` | integers, the wide unsigned ones too, where signs make no difference | unsigned, of their size |
/// | `whole T` | integers | `i64` |
/// | `complex T` | complex | themselves |
/// | `wide_complex T` | complex | `Complex<f64>` |
/// | `truth T` | bool | `Truth` |
/// | `kept T` | bool, integers to compute in, floating point | as they are stored, bool as `u8` |
macro_rules! by_dtype {
    ($op:expr, $dtype:expr, { $($arms:tt)* }) => { $crate::cpu::lanes::by_dtype!(@ [$op, $dtype] [] $($arms)*) };
    (@ $head:tt [$($done:tt)*] real $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::F16 | $crate::DType::BF16 | $crate::DType::F32 => f32, $T, $body]
            [$crate::DType::F64 => f64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] half $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::F16 | $crate::DType::BF16 => f32, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] full $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::F32 => f32, $T, $body] [$crate::DType::F64 => f64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] float $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::F16 => half::f16, $T, $body] [$crate::DType::BF16 => half::bf16, $T, $body]
            [$crate::DType::F32 => f32, $T, $body] [$crate::DType::F64 => f64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] long $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)* [$crate::DType::I64 => i64, $T, $body]] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] int $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::U8 => u8, $T, $body] [$crate::DType::I8 => i8, $T, $body]
            [$crate::DType::I16 => i16, $T, $body] [$crate::DType::I32 => i32, $T, $body]
            [$crate::DType::I64 => i64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] unsigned $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::U16 => u16, $T, $body] [$crate::DType::U32 => u32, $T, $body]
            [$crate::DType::U64 => u64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] modular $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::U8 | $crate::DType::I8 => u8, $T, $body]
            [$crate::DType::U16 | $crate::DType::I16 => u16, $T, $body]
            [$crate::DType::U32 | $crate::DType::I32 => u32, $T, $body]
            [$crate::DType::U64 | $crate::DType::I64 => u64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] whole $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::U8 | $crate::DType::I8 | $crate::DType::I16 | $crate::DType::I32 | $crate::DType::I64
                => i64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] complex $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::Complex64 => num_complex::Complex<f32>, $T, $body]
            [$crate::DType::Complex128 => num_complex::Complex<f64>, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] wide_complex $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::Complex64 | $crate::DType::Complex128 => num_complex::Complex<f64>, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] kept $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)*
            [$crate::DType::Bool | $crate::DType::U8 => u8, $T, $body] [$crate::DType::I8 => i8, $T, $body]
            [$crate::DType::I16 => i16, $T, $body] [$crate::DType::I32 => i32, $T, $body]
            [$crate::DType::I64 => i64, $T, $body] [$crate::DType::F16 => half::f16, $T, $body]
            [$crate::DType::BF16 => half::bf16, $T, $body] [$crate::DType::F32 => f32, $T, $body]
            [$crate::DType::F64 => f64, $T, $body]
        ] $($rest)*)
    };
    (@ $head:tt [$($done:tt)*] truth $T:ident => $body:expr, $($rest:tt)*) => {
        $crate::cpu::lanes::by_dtype!(@ $head [$($done)* [$crate::DType::Bool => $crate::cpu::lanes::Truth, $T, $body]] $($rest)*)
    };
    (@ [$op:expr, $dtype:expr] [$([$dtypes:pat => $lane:ty, $T:ident, $body:expr])*]) => {
        match $dtype {
            $($dtypes => {
                #[allow(dead_code)]
                type $T = $lane;
                $body
            })*
            #[allow(unreachable_patterns)]
            other => $crate::bail!(Unsupported, $op, "not defined for {}", other),
        }
    };
}
pub(crate) use by_dtype;
