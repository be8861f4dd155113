//! A number that is not a tensor: it takes part in promotion only by its category.

use crate::dtype::{Category, DType};
use half::{bf16, f16};
use num_complex::Complex;
use std::fmt;

/// A single number of any category, as PyTorch's `Scalar`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`
    Bool(bool),
    /// an integer
    Int(i64),
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
            Scalar::Int(_) => Category::Int,
            Scalar::Float(_) => Category::Float,
            Scalar::Complex(_) => Category::Complex,
        }
    }

    /// The dtype a tensor gets that is made of this scalar alone.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
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
            Scalar::Float(x) => x,
            Scalar::Complex(z) => z.re,
        }
    }

    /// As an integer, truncated.
    pub fn to_i64(self) -> i64 {
        match self {
            Scalar::Bool(b) => b as i64,
            Scalar::Int(i) => i,
            other => other.to_f64() as i64,
        }
    }

    /// As a truth value: not zero.
    pub fn to_bool(self) -> bool {
        self.to_c128() != Complex::new(0.0, 0.0)
    }

    /// As a number of `category`, converted as a tensor of one element is.
    pub fn cast(self, category: Category) -> Scalar {
        match category {
            Category::Bool => Scalar::Bool(self.to_bool()),
            Category::Int => Scalar::Int(self.to_i64()),
            Category::Float => Scalar::Float(self.to_f64()),
            Category::Complex => Scalar::Complex(self.to_c128()),
        }
    }

    /// As a complex number.
    pub fn to_c128(self) -> Complex<f64> {
        match self {
            Scalar::Complex(z) => z,
            other => Complex::new(other.to_f64(), 0.0),
        }
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

impl From<usize> for Scalar {
    fn from(x: usize) -> Scalar {
        Scalar::Int(x as i64)
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
