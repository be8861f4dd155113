//! Ops on two tensors, or a tensor and a number, element by element: broadcast and promoted as in
//! PyTorch before they reach the kernel.

use crate::dtype::Category;
use crate::op::{Infer, Meta, Metas};
use crate::shape::broadcast_shapes;
use crate::{AddScalar, DType, MulScalar, Result, Scalar, Tensor, bail, dispatch, dispatch_into};
use std::borrow::Cow;

/// The other operand of a binary op: a tensor, or a number, which does not take part in promotion
/// beyond its category.
#[derive(Clone, Debug)]
pub enum Operand<'a> {
    /// a tensor
    Tensor(Cow<'a, Tensor>),
    /// a number
    Scalar(Scalar),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(t: &'a Tensor) -> Self {
        Operand::Tensor(Cow::Borrowed(t))
    }
}

impl From<Tensor> for Operand<'_> {
    fn from(t: Tensor) -> Self {
        Operand::Tensor(Cow::Owned(t))
    }
}

macro_rules! operand_from {
    ($($t:ty),*) => { $(impl From<$t> for Operand<'_> { fn from(x: $t) -> Self { Operand::Scalar(x.into()) } })* };
}
operand_from!(
    bool,
    u8,
    i8,
    i16,
    i32,
    i64,
    usize,
    f32,
    f64,
    Scalar,
    num_complex::Complex<f32>,
    num_complex::Complex<f64>
);

impl Operand<'_> {
    /// As a tensor of shape `[]` beside `like`: of the dtype that promotes as the number does.
    #[track_caller]
    pub fn to_tensor(&self, like: &Tensor) -> Result<Tensor> {
        match self {
            Operand::Tensor(t) => Ok(t.as_ref().clone()),
            Operand::Scalar(s) => Tensor::scalar_on(*s, s.promote(like.dtype()), like.device()),
        }
    }
}

/// The dtype of an op on both, as `torch.result_type`: a tensor without dimensions promotes only by its
/// category where the other has some.
pub fn result_type(a: &Tensor, b: &Tensor) -> DType {
    let (x, y) = (a.dtype(), b.dtype());
    if x == y {
        return x;
    }
    match (a.rank(), b.rank()) {
        (0, 0) => x.promote(y),
        (_, 0) if a.rank() > 0 => weak(x, y),
        (0, _) => weak(y, x),
        _ => x.promote(y),
    }
}

/// The dtype of `strong` beside a value of dtype `weak` that promotes only by its category.
fn weak(strong: DType, weak: DType) -> DType {
    match (strong.category(), weak.category()) {
        (s, w) if w <= s => strong,
        (Category::Float, Category::Complex) => {
            if strong == DType::F64 {
                DType::Complex128
            } else {
                weak
            }
        }
        _ => weak,
    }
}

#[inline]
fn alike(x: &Tensor, y: &Tensor) -> bool {
    // Number by number: a call to compare a few costs more.
    let (a, b) = (x.shape(), y.shape());
    x.dtype() == y.dtype() && a.len() == b.len() && (0..a.len()).all(|d| a[d] == b[d])
}

/// Two operands, borrowed where nothing had to be done.
type Pair<'a> = (Cow<'a, Tensor>, Cow<'a, Tensor>);

/// Both operands in one dtype and one shape.
#[inline]
#[track_caller]
fn prepare<'a>(op: &'static str, x: &'a Tensor, other: &'a Operand<'_>, dtype: fn(DType) -> DType) -> Result<Pair<'a>> {
    match other {
        // The common case first: nothing to be done.
        Operand::Tensor(y) if alike(x, y) && dtype(x.dtype()) == x.dtype() => {
            Ok((Cow::Borrowed(x), Cow::Borrowed(y.as_ref())))
        }
        _ => convert(op, x, other, dtype),
    }
}

#[track_caller]
fn convert<'a>(op: &'static str, x: &'a Tensor, other: &'a Operand<'_>, dtype: fn(DType) -> DType) -> Result<Pair<'a>> {
    let (y, common) = match other {
        Operand::Tensor(y) => (Cow::Borrowed(y.as_ref()), result_type(x, y)),
        Operand::Scalar(s) => {
            let common = s.promote(x.dtype());
            (Cow::Owned(Tensor::scalar_on(*s, common, x.device())?), common)
        }
    };
    let dtype = dtype(common);
    let x = if x.dtype() == dtype { Cow::Borrowed(x) } else { Cow::Owned(x.to_dtype(dtype)?) };
    let y = if y.dtype() == dtype { y } else { Cow::Owned(y.to_dtype(dtype)?) };
    broadcast_pair(op, x, y)
}

#[track_caller]
fn broadcast_pair<'a>(op: &'static str, x: Cow<'a, Tensor>, y: Cow<'a, Tensor>) -> Result<Pair<'a>> {
    if x.shape() == y.shape() {
        return Ok((x, y));
    }
    let shape = broadcast_shapes(op, x.shape(), y.shape())?;
    let grow = |t: Cow<'a, Tensor>| -> Result<Cow<'a, Tensor>> {
        if *t.shape() == shape[..] { Ok(t) } else { Ok(Cow::Owned(t.expand(&shape)?)) }
    };
    Ok((grow(x)?, grow(y)?))
}

/// Tensors broadcast to one shape, as `torch.broadcast_tensors`.
///
/// # Errors
/// Where their shapes do not go together.
#[track_caller]
pub fn broadcast_tensors(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    let mut shape = crate::shape::Shape::new();
    for t in tensors {
        shape = broadcast_shapes("broadcast_tensors", &shape, t.shape())?;
    }
    tensors.iter().map(|t| t.expand(&shape)).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Any,
    Real,
    NoBool,
    Integral,
}

fn infer(name: &'static str, takes: Takes, truth: bool, inputs: &[&Tensor]) -> Result<Metas> {
    let (a, b) = (inputs[0], inputs[1]);
    debug_assert!(a.shape() == b.shape() && a.dtype() == b.dtype(), "{name}: the method prepares its operands");
    let dtype = a.dtype();
    let refused = match takes {
        Takes::Any => false,
        Takes::Real => dtype.is_complex(),
        Takes::NoBool => dtype == DType::Bool,
        Takes::Integral => dtype.is_differentiable(),
    };
    if refused {
        bail!(DType, name, "not defined for {dtype}")
    }
    Meta::like(a).with_dtype(if truth { DType::Bool } else { dtype }).one()
}

macro_rules! binary {
    ($($(#[$doc:meta])* $Op:ident, $name:literal, $takes:ident, $truth:literal $(, $dtype:expr, $method:ident $(, $in_place:ident)?)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $Op;

            impl Infer for $Op {
                const NAME: &'static str = $name;
                const ELEMENTWISE: bool = true;
                fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                    infer($name, Takes::$takes, $truth, inputs)
                }
            }
        )*
        impl Tensor {
            $($(
                #[doc = concat!("`torch.", $name, "`: operands are promoted and broadcast. See [`", stringify!($Op), "`](struct@", stringify!($Op), ").\n\n# Errors\nWhere the shapes do not broadcast.")]
                #[track_caller]
                pub fn $method<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                    let other = other.into();
                    let (a, b) = prepare($name, self, &other, $dtype)?;
                    dispatch($Op, &[&*a, &*b])
                }

                $(
                    #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place; `other` is broadcast to this shape.")]
                    #[track_caller]
                    pub fn $in_place<'a>(&self, other: impl Into<Operand<'a>>) -> Result<&Tensor> {
                        let other = other.into();
                        let (a, b) = prepare($name, self, &other, $dtype)?;
                        dispatch_into(concat!($name, "_"), $Op, &[&*a, &*b], self)?;
                        Ok(self)
                    }
                )?
            )?)*
        }
    };
}

binary! {
    /// x + y.
    Add, "add", Any, false;
    /// x − y.
    Sub, "sub", NoBool, false, |d| d, sub, sub_;
    /// x · y.
    Mul, "mul", Any, false;
    /// x / y, true division: integers become the default dtype.
    Div, "div", Any, false, DType::to_float, div, div_;
    /// ⌊x / y⌋.
    DivFloor, "floor_divide", Real, false, |d| d, floor_divide, floor_divide_;
    /// x / y rounded towards zero: `torch.div(rounding_mode="trunc")`.
    DivTrunc, "div_trunc", Real, false, |d| d, div_trunc, div_trunc_;
    /// The remainder with the sign of the divisor, as Python's `%`.
    Remainder, "remainder", Real, false, |d| d, remainder, remainder_;
    /// The remainder with the sign of the dividend, as C's `fmod`.
    Fmod, "fmod", Real, false, |d| d, fmod, fmod_;
    /// x to the power of y.
    Pow, "pow", NoBool, false, |d| d, pow, pow_;
    /// The angle of the point (y, x) in radians: `self` is y.
    Atan2, "atan2", Real, false, DType::to_float, atan2, atan2_;
    /// The larger of the two; NaN if either is.
    Maximum, "maximum", Real, false, |d| d, maximum;
    /// The smaller of the two; NaN if either is.
    Minimum, "minimum", Real, false, |d| d, minimum;
    /// x = y.
    Eq, "eq", Any, true, |d| d, eq;
    /// x ≠ y.
    Ne, "ne", Any, true, |d| d, ne;
    /// x < y.
    Lt, "lt", Real, true, |d| d, lt;
    /// x ≤ y.
    Le, "le", Real, true, |d| d, le;
    /// x > y.
    Gt, "gt", Real, true, |d| d, gt;
    /// x ≥ y.
    Ge, "ge", Real, true, |d| d, ge;
    /// Both not zero.
    LogicalAnd, "logical_and", Any, true, |d| d, logical_and;
    /// One or both not zero.
    LogicalOr, "logical_or", Any, true, |d| d, logical_or;
    /// Just one not zero.
    LogicalXor, "logical_xor", Any, true, |d| d, logical_xor;
    /// Bits set in both.
    BitwiseAnd, "bitwise_and", Integral, false, |d| d, bitwise_and, bitwise_and_;
    /// Bits set in one or both.
    BitwiseOr, "bitwise_or", Integral, false, |d| d, bitwise_or, bitwise_or_;
    /// Bits set in just one.
    BitwiseXor, "bitwise_xor", Integral, false, |d| d, bitwise_xor, bitwise_xor_;
}

/// True where a number may be an op's field, in the tensor's own dtype.
fn fits(x: &Tensor, other: &Operand<'_>) -> Option<Scalar> {
    match other {
        Operand::Scalar(s) if s.promote(x.dtype()) == x.dtype() => Some(*s),
        _ => None,
    }
}

macro_rules! with_scalar {
    ($($(#[$doc:meta])* $method:ident, $in_place:ident, $name:literal, $Op:ident, $Scalar:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nFollows `torch.", $name, "`: operands are promoted and broadcast.\n\n# Errors\nWhere the shapes do not broadcast.")]
                #[track_caller]
                pub fn $method<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                    let other = other.into();
                    match fits(self, &other) {
                        Some(value) => dispatch($Scalar { value }, &[self]),
                        None => {
                            let (a, b) = prepare($name, self, &other, |d| d)?;
                            dispatch($Op, &[&*a, &*b])
                        }
                    }
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place; `other` is broadcast to this shape.")]
                #[track_caller]
                pub fn $in_place<'a>(&self, other: impl Into<Operand<'a>>) -> Result<&Tensor> {
                    let other = other.into();
                    match fits(self, &other) {
                        Some(value) => dispatch_into(concat!($name, "_"), $Scalar { value }, &[self], self)?,
                        None => {
                            let (a, b) = prepare($name, self, &other, |d| d)?;
                            dispatch_into(concat!($name, "_"), $Op, &[&*a, &*b], self)?;
                        }
                    }
                    Ok(self)
                }
            )*
        }
    };
}

with_scalar! {
    /// x + y.
    add, add_, "add", Add, AddScalar;
    /// x · y.
    mul, mul_, "mul", Mul, MulScalar;
}

impl Tensor {
    /// other − x, as `torch.rsub`.
    #[track_caller]
    pub fn rsub<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        match other.into() {
            Operand::Tensor(y) => y.sub(self),
            scalar => scalar.to_tensor(self)?.sub(self),
        }
    }

    /// other / x.
    #[track_caller]
    pub fn rdiv<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        other.into().to_tensor(self)?.div(self)
    }
}
