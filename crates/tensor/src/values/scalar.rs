//! A number that is not a tensor: it takes part in promotion only by its category.

use crate::dtype::{Category, DType};
use crate::{Result, bail};
use half::{bf16, f16};
use num_complex::Complex;
use std::fmt;

/// As an `i64`. `as` takes what is too small to the least one; NaN fails the comparison and goes there, too.
macro_rules! truncated {
    ($x:expr) => {
        if $x < 9_223_372_036_854_775_808.0 { $x as i64 } else { i64::MIN }
    };
}

/// As an integer of 64 bits without a sign, as PyTorch casts: what is too large becomes 0, what is negative wraps, and
/// what is no `i64` becomes 2⁶³.
macro_rules! unsigned {
    ($x:expr) => {{
        let half = 9_223_372_036_854_775_808.0;
        if $x >= half { truncated!($x - half) as u64 ^ (1 << 63) } else { truncated!($x) as u64 }
    }};
}
pub(crate) use {truncated, unsigned};

/// A single number of any category, as PyTorch's `Scalar`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`
    Bool(bool),
    /// an integer
    Int(i64),
    /// an integer above the largest `i64`
    UInt(u64),
    /// a real number
    Float(f64),
    /// a complex number
    Complex(Complex<f64>),
}

impl Scalar {
    /// Its step of promotion.
    pub fn category(self) -> Category {
        match self {
            Scalar::Bool(_) => Category::Bool,
            Scalar::Int(_) | Scalar::UInt(_) => Category::Int,
            Scalar::Float(_) => Category::Float,
            Scalar::Complex(_) => Category::Complex,
        }
    }

    /// The dtype a tensor gets that is made of this scalar alone.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
            Scalar::UInt(_) => DType::U64,
            Scalar::Float(_) => DType::DEFAULT,
            Scalar::Complex(_) => DType::Complex64,
        }
    }

    /// The dtype of an op between a tensor of dtype `tensor` and this scalar, as `torch.result_type`:
    /// the tensor's, unless the scalar is of a higher category.
    pub fn promote(self, tensor: DType) -> DType {
        if self.category() <= tensor.category() {
            return tensor;
        }
        match self {
            Scalar::Complex(_) => tensor.to_complex(),
            other => other.dtype(),
        }
    }

    /// As a real number (the real part of a complex one).
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => b as u8 as f64,
            Scalar::Int(i) => i as f64,
            Scalar::UInt(i) => i as f64,
            Scalar::Float(x) => x,
            Scalar::Complex(z) => z.re,
        }
    }

    /// As an integer, truncated; what does not fit becomes the least one, as a tensor's elements do.
    pub fn to_i64(self) -> i64 {
        match self {
            Scalar::Bool(b) => b as i64,
            Scalar::Int(i) => i,
            other => {
                let x = other.to_f64();
                truncated!(x)
            }
        }
    }

    /// As an integer without a sign: a negative one wraps, what does not fit becomes 0, as a tensor's elements do.
    pub fn to_u64(self) -> u64 {
        match self {
            Scalar::UInt(i) => i,
            Scalar::Int(_) | Scalar::Bool(_) => self.to_i64() as u64,
            other => {
                let x = other.to_f64();
                unsigned!(x)
            }
        }
    }

    /// As a truth value: not zero.
    pub fn to_bool(self) -> bool {
        self.to_c128() != Complex::new(0.0, 0.0)
    }

    /// As a complex number.
    pub fn to_c128(self) -> Complex<f64> {
        match self {
            Scalar::Complex(z) => z,
            other => Complex::new(other.to_f64(), 0.0),
        }
    }

    /// What is left of it in `dtype`, where that is of half precision.
    pub(crate) fn rounded(self, dtype: DType) -> Scalar {
        match (dtype, self) {
            (DType::F16, Scalar::Float(x)) => Scalar::Float(f16::from_f32(x as f32).to_f64()),
            (DType::BF16, Scalar::Float(x)) => Scalar::Float(bf16::from_f32(x as f32).to_f64()),
            (_, other) => other,
        }
    }

    /// The number as an element of `dtype`: truncated for integers, "not zero" for `bool`, real where the imaginary
    /// part is zero. A negative integer wraps into an unsigned one (−1 is 255 in `uint8`), as PyTorch's do. An arithmetic op wraps
    /// its number instead; this is for numbers that are stored.
    ///
    /// # Errors
    /// Where the dtype has no such number: beyond its range (an infinite or NaN one goes into floating point), or
    /// imaginary in a real one.
    #[track_caller]
    pub(crate) fn stored_as(self, op: &'static str, dtype: DType) -> Result<Scalar> {
        let (z, (low, high)) = (self.to_c128(), dtype.range());
        let inside = |x: f64| if x.is_finite() { (low..=high).contains(&x) } else { dtype.is_differentiable() };
        let (fits, stored) = match (dtype.category(), self) {
            (Category::Bool, _) => (true, Scalar::Bool(self.to_bool())),
            // The bounds of 64 bits are no `f64`, but `as` ends at them.
            (Category::Int, Scalar::UInt(i)) => (dtype == DType::U64, Scalar::UInt(i)),
            (Category::Int, Scalar::Int(i)) => {
                let (low, high) = if dtype == DType::I64 { (i64::MIN, i64::MAX) } else { (low as i64, high as i64) };
                let wraps = low == 0 && (-high..0).contains(&i);
                let stored = if !wraps {
                    Scalar::Int(i)
                } else if dtype == DType::U64 {
                    (i as u64).into()
                } else {
                    Scalar::Int(i + high + 1)
                };
                (wraps || (low..=high).contains(&i), stored)
            }
            // 2⁶⁴ is the `f64` next to the largest.
            (Category::Int, _) if dtype == DType::U64 => {
                (z.im == 0.0 && inside(z.re) && z.re != 2f64.powi(64), self.to_u64().into())
            }
            // 2⁶³ is the `f64` next to the largest integer.
            (Category::Int, _) => (z.im == 0.0 && inside(z.re) && z.re != 2f64.powi(63), Scalar::Int(self.to_i64())),
            (Category::Float, _) => (z.im == 0.0 && inside(z.re), Scalar::Float(z.re)),
            (Category::Complex, _) => (inside(z.re) && inside(z.im), Scalar::Complex(z)),
        };
        if !fits {
            bail!(Argument, op, "{self} does not fit {dtype}, whose numbers are from {low:?} to {high:?}")
        }
        Ok(stored)
    }

    /// True where it is exactly zero.
    pub fn is_zero(self) -> bool {
        !self.to_bool()
    }

    /// True where it is exactly one.
    pub fn is_one(self) -> bool {
        self.to_c128() == Complex::new(1.0, 0.0)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::UInt(i) => write!(f, "{i}"),
            Scalar::Float(x) => write!(f, "{x:?}"),
            Scalar::Complex(z) => write!(f, "{z}"),
        }
    }
}

macro_rules! from {
    ($($t:ty => $variant:ident as $to:ty),* $(,)?) => {$(
        impl From<$t> for Scalar {
            fn from(x: $t) -> Scalar { Scalar::$variant(<$to>::from(x)) }
        }
    )*};
}

from! {
    bool => Bool as bool, u8 => Int as i64, i8 => Int as i64, i16 => Int as i64, u16 => Int as i64, i32 => Int as i64,
    u32 => Int as i64, i64 => Int as i64, f16 => Float as f64, bf16 => Float as f64, f32 => Float as f64, f64 => Float as f64,
    Complex<f64> => Complex as Complex<f64>,
}

impl From<u64> for Scalar {
    fn from(x: u64) -> Scalar {
        i64::try_from(x).map_or(Scalar::UInt(x), Scalar::Int)
    }
}

impl From<usize> for Scalar {
    fn from(x: usize) -> Scalar {
        (x as u64).into()
    }
}

impl From<isize> for Scalar {
    fn from(x: isize) -> Scalar {
        Scalar::Int(x as i64)
    }
}

impl From<Complex<f32>> for Scalar {
    fn from(x: Complex<f32>) -> Scalar {
        Scalar::Complex(Complex::new(x.re as f64, x.im as f64))
    }
}
