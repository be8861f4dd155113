//! Tensors written out by hand: [`tensor!`](crate::tensor!), [`Tensor::new`], and `From` for arrays.
//!
//! A literal takes the default dtype as in Python (`1.5` is `f32`, `1` is `i64`), where
//! [`Tensor::new`] and [`Tensor::from_slice`] keep the Rust type that the caller chose.

use crate::shape::Shape;
use crate::{DType, Element, Result, Tensor, bail, no_grad};
use half::{bf16, f16};
use num_complex::Complex;

/// A number that may stand in [`tensor!`](crate::tensor!).
pub trait Literal: Copy {
    /// What it becomes: `f64` and `f32` become `f32`, `i32`, `i64` and `usize` become `i64`; a type that no
    /// literal has by itself (`u8`, `f16`, …) stays.
    type Default: Element;
    /// What holds it exactly.
    type Wide: Element;
    /// In the default type.
    fn to_default(self) -> Self::Default;
    /// In the type that holds it exactly.
    fn to_wide(self) -> Self::Wide;
}

/// A number, or arrays, slices and `Vec`s of numbers, nested to any depth.
pub trait Nested {
    /// The number inside.
    type Item: Literal;
    /// Adds the sizes, outermost first, going by the first element of each level.
    fn sizes(&self, shape: &mut Shape);
    /// Adds the numbers in order. The error is the first size that differs from `shape`: level, size.
    ///
    /// # Errors
    /// Level and size of the first one that differs.
    fn numbers(&self, shape: &[usize], level: usize, into: &mut Vec<Self::Item>) -> Result<(), (usize, usize)>;
}

/// What cannot be ragged: arrays of arrays, and a flat `Vec` or slice.
pub trait Regular: Nested {}

macro_rules! literals {
    ($($t:ty => $default:ty, $wide:ty;)*) => {$(
        impl Literal for $t {
            type Default = $default;
            type Wide = $wide;
            fn to_default(self) -> $default { self as $default }
            fn to_wide(self) -> $wide { self as $wide }
        }
        literals!(@nested $t);
    )*};
    (@with $($t:ty => $default:ty, $wide:ty, |$x:ident| $to_default:expr, $to_wide:expr;)*) => {$(
        impl Literal for $t {
            type Default = $default;
            type Wide = $wide;
            fn to_default(self) -> $default { let $x = self; $to_default }
            fn to_wide(self) -> $wide { let $x = self; $to_wide }
        }
        literals!(@nested $t);
    )*};
    (@nested $t:ty) => {
        impl Nested for $t {
            type Item = $t;
            fn sizes(&self, _: &mut Shape) {}
            fn numbers(&self, _: &[usize], _: usize, into: &mut Vec<$t>) -> Result<(), (usize, usize)> {
                into.push(*self);
                Ok(())
            }
        }
        impl Regular for $t {}
        impl Regular for Vec<$t> {}
        impl Regular for &[$t] {}
    };
}

literals! {
    f64 => f32, f64; f32 => f32, f64; i32 => i64, i64; i64 => i64, i64; isize => i64, i64; usize => i64, i64; u32 => i64, i64;
    u16 => i64, i64; u8 => u8, i64; i8 => i8, i64; i16 => i16, i64; bool => bool, bool;
}
literals! { @with
    f16 => f16, f64, |x| x, x.to_f64();
    bf16 => bf16, f64, |x| x, x.to_f64();
    Complex<f32> => Complex<f32>, Complex<f64>, |z| z, Complex::new(z.re as f64, z.im as f64);
    Complex<f64> => Complex<f32>, Complex<f64>, |z| Complex::new(z.re as f32, z.im as f32), z;
}

impl<T: Nested> Nested for [T] {
    type Item = T::Item;
    fn sizes(&self, shape: &mut Shape) {
        shape.push(self.len());
        if let Some(first) = self.first() {
            first.sizes(shape);
        }
    }
    fn numbers(&self, shape: &[usize], level: usize, into: &mut Vec<T::Item>) -> Result<(), (usize, usize)> {
        if shape.get(level) != Some(&self.len()) {
            return Err((level, self.len()));
        }
        self.iter().try_for_each(|item| item.numbers(shape, level + 1, into))
    }
}

macro_rules! nested_lists {
    ($([$($generics:tt)*] $list:ty;)*) => {$(
        impl<T: Nested, $($generics)*> Nested for $list {
            type Item = T::Item;
            fn sizes(&self, shape: &mut Shape) { self[..].sizes(shape) }
            fn numbers(&self, shape: &[usize], level: usize, into: &mut Vec<T::Item>) -> Result<(), (usize, usize)> {
                self[..].numbers(shape, level, into)
            }
        }
    )*};
}
nested_lists! { [] Vec<T>; [] &Vec<T>; [] &[T]; [const N: usize] [T; N]; [const N: usize] &[T; N]; }

impl<T: Regular, const N: usize> Regular for [T; N] {}
impl<T: Regular, const N: usize> Regular for &[T; N] {}

#[track_caller]
fn flatten<N: Nested>(nested: &N) -> Result<(Vec<N::Item>, Shape)> {
    let (mut shape, mut numbers) = (Shape::new(), Vec::new());
    nested.sizes(&mut shape);
    match nested.numbers(&shape, 0, &mut numbers) {
        Ok(()) => Ok((numbers, shape)),
        Err((level, len)) => match shape.get(level) {
            Some(first) => bail!(
                Shape,
                "tensor",
                "ragged: the first list at level {level} has {first} elements, another one {len}"
            ),
            None => {
                bail!(Shape, "tensor", "ragged: the first list at level {} is empty, another one is not", level - 1)
            }
        },
    }
}

impl Tensor {
    /// The numbers of nested arrays, slices or `Vec`s, or of a single one, in their own type. `f64` stays
    /// `f64`: for the default dtype see [`tensor!`](crate::tensor!).
    ///
    /// ```
    /// # use flambeau_tensor::{DType, Tensor};
    /// let x = Tensor::new(vec![vec![1u8, 2], vec![3, 4], vec![5, 6]])?;
    /// assert_eq!((x.shape(), x.dtype()), (&[3, 2][..], DType::U8));
    /// assert!(Tensor::new(vec![vec![1u8, 2], vec![3]]).is_err());
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where lists of one level have different lengths.
    #[track_caller]
    pub fn new<N: Nested<Item: Element>>(numbers: N) -> Result<Tensor> {
        let (numbers, shape) = flatten(&numbers)?;
        Tensor::from_slice(&numbers, shape)
    }

    /// What [`tensor!`](crate::tensor!) makes: the numbers in the default dtype of their kind.
    ///
    /// # Errors
    /// Where lists of one level have different lengths.
    #[track_caller]
    pub fn from_literal<N: Nested>(numbers: N) -> Result<Tensor> {
        let (numbers, shape) = flatten(&numbers)?;
        let numbers: Vec<_> = numbers.into_iter().map(Literal::to_default).collect();
        Tensor::from_slice(&numbers, shape)
    }

    /// What [`tensor!`](crate::tensor!) makes with a dtype: the numbers, rounded once.
    ///
    /// # Errors
    /// Where lists of one level have different lengths.
    #[track_caller]
    pub fn from_literal_as<N: Nested>(numbers: N, dtype: DType) -> Result<Tensor> {
        let (numbers, shape) = flatten(&numbers)?;
        let numbers: Vec<_> = numbers.into_iter().map(Literal::to_wide).collect();
        no_grad(|| Tensor::from_slice(&numbers, shape)?.to_dtype(dtype))
    }
}

/// The numbers in their own type, as [`Tensor::new`]. Panics only where memory is out.
impl<N: Regular + Nested<Item: Element>> From<N> for Tensor {
    #[track_caller]
    fn from(numbers: N) -> Tensor {
        match Tensor::new(numbers) {
            Ok(x) => x,
            Err(e) => panic!("{e}"),
        }
    }
}

/// A tensor written out: `tensor!([[1.0, 2.0], [3.0, 4.0]])`, `tensor!(3)`, `tensor!([1, 2]; DType::U8)`.
///
/// As in PyTorch, floating-point literals become the default dtype `f32`, integers `i64`, truth values
/// `bool`. Panics, as indexing does, for a ragged `Vec`; [`Tensor::new`](crate::Tensor::new) returns an
/// error instead.
///
/// ```
/// use flambeau_tensor::{DType, tensor};
/// let a = tensor!([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!((a.shape(), a.dtype()), (&[2, 2][..], DType::F32));
/// assert_eq!(tensor!([1, 2]).dtype(), DType::I64);
/// assert_eq!(tensor!([1.0, 2.0]; DType::F64).dtype(), DType::F64);
/// ```
#[macro_export]
macro_rules! tensor {
    ($numbers:expr) => {
        $crate::literal_or_panic($crate::Tensor::from_literal($numbers))
    };
    ($numbers:expr; $dtype:expr) => {
        $crate::literal_or_panic($crate::Tensor::from_literal_as($numbers, $dtype))
    };
}

/// For [`tensor!`](crate::tensor!).
#[doc(hidden)]
#[track_caller]
pub fn literal_or_panic(made: Result<Tensor>) -> Tensor {
    match made {
        Ok(x) => x,
        Err(e) => panic!("{e}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn literals_take_the_default_dtypes() {
        let x = tensor!([[1.5, 2.0], [3.0, -4.0]]);
        assert_eq!((x.shape(), x.to_vec::<f32>().unwrap()), (&[2, 2][..], vec![1.5, 2.0, 3.0, -4.0]));
        assert_eq!(tensor!([[1], [2], [3]]).to_vec::<i64>().unwrap(), [1, 2, 3]);
        assert_eq!(tensor!(true).dtype(), DType::Bool);
        assert_eq!((tensor!(2.5).rank(), tensor!(2.5).item::<f32>().unwrap()), (0, 2.5));
        assert_eq!(tensor!([1u8, 2]).dtype(), DType::U8);
        assert_eq!(tensor!([0.1]; DType::F64).to_vec::<f64>().unwrap(), [0.1]);
    }

    #[test]
    fn new_keeps_the_type_and_refuses_ragged_lists() {
        assert_eq!(Tensor::new([1.0, 2.0]).unwrap().dtype(), DType::F64);
        assert_eq!(Tensor::new(vec![[1i32, 2], [3, 4]]).unwrap().shape(), [2, 2]);
        let empty: Vec<Vec<f32>> = vec![vec![], vec![]];
        assert_eq!(Tensor::new(empty).unwrap().shape(), [2, 0]);
        let ragged = Tensor::new(vec![vec![1.0f32, 2.0], vec![3.0]]).unwrap_err();
        assert_eq!(ragged.message(), "ragged: the first list at level 1 has 2 elements, another one 1");
        assert!(Tensor::new(vec![vec![], vec![vec![1.0f32]]]).is_err());
        assert_eq!(Tensor::from([[1.0f32], [2.0]]).shape(), [2, 1]);
    }
}
