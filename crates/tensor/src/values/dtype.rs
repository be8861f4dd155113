//! Element types: the runtime [`DType`], the Rust types behind it ([`Element`]), and PyTorch's
//! promotion rules.

use half::{bf16, f16};
use num_complex::Complex;
use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum DType {
    /// `torch.bool`, one byte.
    Bool,
    /// `torch.uint8`
    U8,
    /// `torch.int8`
    I8,
    /// `torch.int16`
    I16,
    /// `torch.int32`
    I32,
    /// `torch.int64`
    I64,
    /// `torch.float16`, IEEE half precision.
    F16,
    /// `torch.bfloat16`
    BF16,
    /// `torch.float32`, the default dtype.
    F32,
    /// `torch.float64`
    F64,
    /// `torch.complex64`: two `f32`.
    Complex64,
    /// `torch.complex128`: two `f64`.
    Complex128,
    /// `torch.uint16`. As in PyTorch the three wide unsigned types are there to be kept, moved, compared and cast, and
    /// most arithmetic is for others.
    U16,
    /// `torch.uint32`, see [`U16`](DType::U16).
    U32,
    /// `torch.uint64`, see [`U16`](DType::U16).
    U64,
}

/// The four steps of promotion: `bool < integral < floating < complex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// `bool`
    Bool,
    /// signed and unsigned integers
    Int,
    /// real floating point
    Float,
    /// complex floating point
    Complex,
}

impl DType {
    /// All dtypes, in the order of promotion within a category.
    pub const ALL: [DType; 15] = {
        use DType::*;
        [Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, Complex64, Complex128]
    };

    /// The default dtype of literals and factories.
    pub const DEFAULT: DType = DType::F32;

    /// Bytes of one element.
    #[inline]
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 | DType::Complex64 => 8,
            DType::Complex128 => 16,
        }
    }

    /// PyTorch's name: `float32`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::Complex64 => "complex64",
            DType::Complex128 => "complex128",
        }
    }

    /// The dtype that PyTorch calls `name`.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Its step of promotion.
    #[inline]
    pub const fn category(self) -> Category {
        match self {
            DType::Bool => Category::Bool,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Category::Int,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Category::Int,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Category::Float,
            DType::Complex64 | DType::Complex128 => Category::Complex,
        }
    }

    /// True for `f16`, `bf16`, `f32`, `f64`.
    #[inline]
    pub const fn is_float(self) -> bool {
        matches!(self.category(), Category::Float)
    }

    /// True for `f16`, `bf16`.
    #[inline]
    pub const fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    /// True for `complex64`, `complex128`.
    #[inline]
    pub const fn is_complex(self) -> bool {
        matches!(self.category(), Category::Complex)
    }

    /// True for integers, `bool` not among them.
    #[inline]
    pub const fn is_int(self) -> bool {
        matches!(self.category(), Category::Int)
    }

    /// True for `uint16`, `uint32`, `uint64`, which are kept and not computed in.
    #[inline]
    pub const fn is_wide_unsigned(self) -> bool {
        matches!(self, DType::U16 | DType::U32 | DType::U64)
    }

    /// True for the dtypes that can have a gradient: floating point and complex.
    #[inline]
    pub const fn is_differentiable(self) -> bool {
        self.is_float() || self.is_complex()
    }

    /// The dtype of the real and imaginary parts; a real dtype is its own.
    pub const fn to_real(self) -> DType {
        match self {
            DType::Complex64 => DType::F32,
            DType::Complex128 => DType::F64,
            real => real,
        }
    }

    /// The complex dtype whose parts have this dtype (half precision has none here and goes to `complex64`).
    pub const fn to_complex(self) -> DType {
        match self {
            DType::F64 | DType::Complex128 => DType::Complex128,
            _ => DType::Complex64,
        }
    }

    /// The least and the largest finite number, of either part of complex ones.
    pub(crate) fn range(self) -> (f64, f64) {
        match self {
            DType::Bool => (0.0, 1.0),
            DType::U8 => (0.0, u8::MAX as f64),
            DType::U16 => (0.0, u16::MAX as f64),
            DType::U32 => (0.0, u32::MAX as f64),
            DType::U64 => (0.0, u64::MAX as f64),
            DType::I8 => (i8::MIN as f64, i8::MAX as f64),
            DType::I16 => (i16::MIN as f64, i16::MAX as f64),
            DType::I32 => (i32::MIN as f64, i32::MAX as f64),
            DType::I64 => (i64::MIN as f64, i64::MAX as f64),
            DType::F16 => (f16::MIN.to_f64(), f16::MAX.to_f64()),
            DType::BF16 => (bf16::MIN.to_f64(), bf16::MAX.to_f64()),
            DType::F32 | DType::Complex64 => (f32::MIN as f64, f32::MAX as f64),
            DType::F64 | DType::Complex128 => (f64::MIN, f64::MAX),
        }
    }

    /// Itself where it is floating point or complex, else the default dtype: what `sin`, `mean` and
    /// true division make of integers.
    pub const fn to_float(self) -> DType {
        if self.is_differentiable() { self } else { DType::DEFAULT }
    }

    /// The dtype that holds both, as `torch.promote_types`. That has no answer for a wide unsigned type beside another
    /// integer, and ops refuse such a pair; here it is the narrowest that holds both, for 64 bits `int64`.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        if self == other {
            return self;
        }
        // The numbers of the enum, which kernels of devices know, with the wide unsigned ones behind the narrow one.
        let order = |d: DType| match d {
            U16 | U32 | U64 => 8 * U8 as u16 + d as u16 - Complex128 as u16,
            d => 8 * d as u16,
        };
        let (low, high) = if order(self) < order(other) { (self, other) } else { (other, self) };
        match (low, high) {
            (U8, I8) => I16,
            (U16, I8 | I16) => I32,
            (U32 | U64, I8 | I16 | I32 | I64) => I64,
            (F16, BF16) => F32,
            (F64, Complex64) => Complex128,
            _ => high,
        }
    }

    /// True where a result of dtype `self` may be stored into a tensor of dtype `to`, as
    /// `torch.can_cast`: no step down a category.
    pub fn can_cast(self, to: DType) -> bool {
        self.category() <= to.category()
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that can be a tensor's element.
pub trait Element: sealed::Sealed + Copy + Send + Sync + PartialEq + fmt::Debug + Default + 'static {
    /// Its dtype.
    const DTYPE: DType;
    /// The type it is stored as: itself, but a byte for `bool`, whose stored bytes are not trusted.
    type Stored: Stored;
    /// To the stored form.
    fn store(self) -> Self::Stored;
    /// From the stored form.
    fn load(stored: Self::Stored) -> Self;
}

/// A plain type that every bit pattern is a value of: what storage may be viewed as.
///
/// # Safety
/// Implementors have no padding, no invalid bit patterns, and an alignment of at most 64.
pub unsafe trait Stored: Copy + Send + Sync + Default + PartialEq + fmt::Debug + 'static {}

macro_rules! elements {
    ($($t:ty => $dtype:ident),* $(,)?) => {$(
        // SAFETY: numbers made of plain bits; complex numbers are two of them without padding.
        unsafe impl Stored for $t {}
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            type Stored = $t;
            #[inline(always)]
            fn store(self) -> $t { self }
            #[inline(always)]
            fn load(stored: $t) -> $t { stored }
        }
    )*};
}

elements! {
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64, f16 => F16, bf16 => BF16, f32 => F32, f64 => F64,
    Complex<f32> => Complex64, Complex<f64> => Complex128,
}

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Stored = u8;
    #[inline(always)]
    fn store(self) -> u8 {
        self as u8
    }
    #[inline(always)]
    fn load(stored: u8) -> bool {
        stored != 0
    }
}

#[cfg(test)]
mod tests {
    use super::DType::{self, *};

    #[test]
    fn promotion_follows_torch() {
        for (a, b, both) in [
            (U8, I8, I16),
            (F16, BF16, F32),
            (I64, F16, F16),
            (F64, Complex64, Complex128),
            (Bool, U8, U8),
            (U8, U16, U16),
            (U16, I8, I32),
            (U64, I32, I64),
            (U32, F16, F16),
            (I64, I32, I64),
        ] {
            assert_eq!(a.promote(b), both);
            assert_eq!(b.promote(a), both);
        }
    }

    #[test]
    fn names_round_trip() {
        for d in DType::ALL {
            assert_eq!(DType::from_name(d.name()), Some(d));
        }
        assert_eq!(DType::from_name("float8"), None);
    }
}
