//! PTX's fundamental types, and how a value of one lies in a 64-bit register.

use half::{bf16, f16};

/// The lanes of a warp.
pub const WARP: usize = 32;

/// One register of a warp: a value for each lane, in the low bits, the rest zero.
pub type Lanes = [u64; WARP];

/// A type that an instruction names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Ty {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    B8,
    B16,
    B32,
    B64,
    F16,
    BF16,
    F16x2,
    BF16x2,
    TF32,
    F32,
    F64,
    Pred,
}

impl Ty {
    /// The type of this name, without the dot.
    pub fn named(name: &str) -> Option<Ty> {
        Some(match name {
            "u8" => Ty::U8,
            "u16" => Ty::U16,
            "u32" => Ty::U32,
            "u64" => Ty::U64,
            "s8" => Ty::S8,
            "s16" => Ty::S16,
            "s32" => Ty::S32,
            "s64" => Ty::S64,
            "b8" => Ty::B8,
            "b16" => Ty::B16,
            "b32" => Ty::B32,
            "b64" => Ty::B64,
            "f16" => Ty::F16,
            "bf16" => Ty::BF16,
            "f16x2" => Ty::F16x2,
            "bf16x2" => Ty::BF16x2,
            "tf32" => Ty::TF32,
            "f32" => Ty::F32,
            "f64" => Ty::F64,
            "pred" => Ty::Pred,
            _ => return None,
        })
    }

    /// Its size in bytes.
    pub fn size(self) -> usize {
        match self {
            Ty::U8 | Ty::S8 | Ty::B8 | Ty::Pred => 1,
            Ty::U16 | Ty::S16 | Ty::B16 | Ty::F16 | Ty::BF16 => 2,
            Ty::U64 | Ty::S64 | Ty::B64 | Ty::F64 => 8,
            _ => 4,
        }
    }

    /// Its size in bits.
    pub fn bits(self) -> u32 {
        if self == Ty::Pred { 1 } else { 8 * self.size() as u32 }
    }

    /// True for signed integers.
    pub fn is_signed(self) -> bool {
        matches!(self, Ty::S8 | Ty::S16 | Ty::S32 | Ty::S64)
    }

    /// True for one floating-point number.
    pub fn is_float(self) -> bool {
        matches!(self, Ty::F16 | Ty::BF16 | Ty::TF32 | Ty::F32 | Ty::F64)
    }

    /// `bits` cut to the type's width.
    #[inline]
    pub fn cut(self, bits: u64) -> u64 {
        match self.bits() {
            64 => bits,
            n => bits & ((1 << n) - 1),
        }
    }

    /// The integer that `bits` are, as this type sees them.
    #[inline]
    pub fn integer(self, bits: u64) -> i128 {
        let bits = self.cut(bits);
        let unused = 64 - self.bits();
        if self.is_signed() { i128::from(((bits << unused) as i64) >> unused) } else { i128::from(bits) }
    }

    /// The number that `bits` are, for floating-point types; exact.
    #[inline]
    pub fn float(self, bits: u64) -> f64 {
        match self {
            Ty::F16 => f16::from_bits(bits as u16).to_f64(),
            Ty::BF16 => bf16::from_bits(bits as u16).to_f64(),
            Ty::F64 => f64::from_bits(bits),
            _ => f64::from(f32::from_bits(bits as u32)),
        }
    }
}

/// A Rust type as a lane of a register holds it.
pub(crate) trait Lane: Copy {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

macro_rules! integers {
    ($($t:ty, $unsigned:ty;)*) => {$(
        impl Lane for $t {
            #[inline(always)]
            fn of(bits: u64) -> Self {
                bits as Self
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                self as $unsigned as u64
            }
        }
    )*};
}

integers! { u8, u8; u16, u16; u32, u32; u64, u64; i8, u8; i16, u16; i32, u32; i64, u64; }

macro_rules! floats {
    ($($t:ty, $bits:ty;)*) => {$(
        impl Lane for $t {
            #[inline(always)]
            fn of(bits: u64) -> Self {
                <$t>::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                self.to_bits() as u64
            }
        }
    )*};
}

floats! { f16, u16; bf16, u16; f32, u32; f64, u64; }

impl Lane for bool {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits & 1 == 1
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self)
    }
}

/// A function of each lane.
#[inline(always)]
pub(crate) fn each(f: impl Fn(usize) -> u64) -> Lanes {
    let mut lanes = [0; WARP];
    for (l, lane) in lanes.iter_mut().enumerate() {
        *lane = f(l);
    }
    lanes
}
