//! Ops on two operands, element by element: tensors, or a tensor and a number on either side.
//!
//! The methods bring the tensors to one dtype, as PyTorch promotes; the op itself broadcasts. A number is a
//! field of the op ([`ScalarOperand`]), so it costs neither memory nor a pass of its own.

use crate::dtype::Category;
use crate::op::{Infer, Meta, Metas, Op};
use crate::shape::{broadcast_shapes, same_shape};
use crate::{DType, Device, Result, Scalar, Tensor, bail, dispatch, dispatch_into, ensure};
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

/// A tensor, or what is one: a module's parameter.
impl<'a, T: AsRef<Tensor>> From<&'a T> for Operand<'a> {
    #[inline]
    fn from(t: &'a T) -> Self {
        Operand::Tensor(Cow::Borrowed(t.as_ref()))
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
    u16,
    u32,
    u64,
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

impl<'a> Operand<'a> {
    /// The complex conjugate; what is real is its own.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn conj(self) -> Result<Operand<'a>> {
        match self {
            Operand::Tensor(t) if t.dtype().is_complex() => Ok(t.conj()?.into()),
            Operand::Scalar(Scalar::Complex(z)) => Ok(z.conj().into()),
            real => Ok(real),
        }
    }

    /// As a tensor of shape `[]` beside `like`: of the dtype that promotes as the number does.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn to_tensor(&self, like: &Tensor) -> Result<Tensor> {
        match self {
            Operand::Tensor(t) => Ok(t.as_ref().clone()),
            Operand::Scalar(s) => Tensor::scalar_on(*s, s.promote(like.dtype()), like.device()),
        }
    }

    /// As [`to_tensor`](Operand::to_tensor), for an op that computes in floating point: a number beside integers is
    /// not brought into their dtype, which may not hold it.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub(crate) fn to_float_tensor(&self, like: &Tensor) -> Result<Tensor> {
        match self {
            Operand::Tensor(t) => Ok(t.as_ref().clone()),
            Operand::Scalar(s) => Tensor::scalar_on(*s, s.promote(like.dtype()).to_float(), like.device()),
        }
    }

    /// What `op` stores into elements of `target`: in its dtype and on its device.
    ///
    /// # Errors
    /// Where a number does not fit the dtype.
    #[track_caller]
    pub(crate) fn stored_in(&self, op: &'static str, target: &Tensor) -> Result<Tensor> {
        match self {
            Operand::Tensor(t) => t.to_dtype(target.dtype()),
            Operand::Scalar(s) => Tensor::scalar_on(s.stored_as(op, target.dtype())?, target.dtype(), target.device()),
        }
    }
}

/// Which operand of an op on two is a number. The others are tensors: the op's inputs, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ScalarOperand {
    /// neither
    #[default]
    None,
    /// the first: `2.0 / x`
    Left(Scalar),
    /// the second: `x / 2.0`
    Right(Scalar),
}

impl ScalarOperand {
    /// The number, whichever operand it is.
    #[inline]
    pub fn value(self) -> Option<Scalar> {
        match self {
            ScalarOperand::None => None,
            ScalarOperand::Left(value) | ScalarOperand::Right(value) => Some(value),
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

/// Refuses what PyTorch has no common dtype for: a wide unsigned integer beside another one or bool.
#[track_caller]
pub(crate) fn check_promotes(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    let (x, y) = (a.dtype(), b.dtype());
    let (wide, whole) = (x.is_wide_unsigned() || y.is_wide_unsigned(), x.category().max(y.category()) <= Category::Int);
    ensure!(x == y || !(wide && whole), DType, op, "{x} and {y} have no dtype in common; cast one to the other's");
    Ok(())
}

/// The dtype of `strong` beside a value of dtype `weak` that promotes only by its category.
pub(crate) fn weak(strong: DType, weak: DType) -> DType {
    match (strong.category(), weak.category()) {
        (s, w) if w <= s => strong,
        (Category::Float, Category::Complex) => strong.to_complex(),
        _ => weak,
    }
}

/// The number that a CPU tensor without dimensions is beside a tensor on another device. One whose gradient may
/// be asked for is no number: it has to move there.
#[track_caller]
pub(crate) fn number_beside(t: &Tensor, other: &Tensor) -> Result<Option<Scalar>> {
    let joins = t.rank() == 0 && t.device() == Device::Cpu && other.device() != Device::Cpu;
    if joins && !(t.requires_grad() && crate::dispatch::grad_enabled()) { t.scalar().map(Some) } else { Ok(None) }
}

/// `t` where `other` is, if it is a CPU tensor without dimensions; else as it is, and the op says what is wrong.
#[track_caller]
fn beside(t: Tensor, other: &Tensor) -> Result<Tensor> {
    if t.rank() == 0 && t.device() == Device::Cpu { t.to_device(other.device()) } else { Ok(t) }
}

/// True where `from` broadcasts to just `to`.
#[inline]
fn broadcasts_to(from: &[usize], to: &[usize]) -> bool {
    let Some(lead) = to.len().checked_sub(from.len()) else { return false };
    // Number by number: a call to compare a few costs more.
    (0..from.len()).all(|d| from[d] == to[lead + d] || from[d] == 1)
}

/// What the methods of the ops on two operands differ in.
struct Method {
    in_place: &'static str,
    /// What the op computes in, of the operands' common dtype.
    dtype: fn(DType) -> DType,
    op: fn(ScalarOperand) -> Op,
    /// Neither operand may be bool, whatever they promote to.
    refuses_bool: bool,
}

/// Operands ready for their op.
struct Ready<'a> {
    op: Op,
    a: Cow<'a, Tensor>,
    b: Option<Cow<'a, Tensor>>,
}

impl Method {
    #[inline]
    fn computes_in(&self, dtype: DType) -> bool {
        (self.dtype)(dtype) == dtype
    }

    /// True where nothing has to be done to compute with both.
    #[inline]
    fn takes(&self, a: &Tensor, b: &Tensor) -> bool {
        a.dtype() == b.dtype() && a.device() == b.device() && self.computes_in(a.dtype())
    }

    /// An error where an operand is of truth values and the op has none of them, as `torch.sub` says it.
    #[track_caller]
    fn check_bool(&self, x: &Tensor, other: &Operand<'_>) -> Result<()> {
        let other = match other {
            Operand::Tensor(t) => t.dtype(),
            Operand::Scalar(s) => s.dtype(),
        };
        if self.refuses_bool && (x.dtype() == DType::Bool || other == DType::Bool) {
            let name = self.in_place.trim_end_matches('_');
            bail!(
                DType,
                name,
                "not defined for bool; `logical_not` turns a mask round, `logical_xor` tells where two differ"
            )
        }
        Ok(())
    }

    /// True where nothing has to be done to compute with the tensor and the number.
    #[inline]
    fn takes_scalar(&self, x: &Tensor, value: Scalar) -> bool {
        value.category() <= x.dtype().category() && self.computes_in(x.dtype())
    }

    #[track_caller]
    fn call(&self, x: &Tensor, other: Operand<'_>) -> Result<Tensor> {
        let Ready { op, a, b } = self.prepare(x, &other)?;
        match &b {
            Some(b) => dispatch(op, &[&a, b]),
            None => dispatch(op, &[&a]),
        }
    }

    #[track_caller]
    fn call_in_place(&self, x: &Tensor, other: Operand<'_>) -> Result<()> {
        let Ready { op, a, b } = self.prepare(x, &other)?;
        match &b {
            Some(b) => dispatch_into(self.in_place, op, &[&a, b], x),
            None => dispatch_into(self.in_place, op, &[&a], x),
        }
    }

    /// The op with `other` on the left.
    #[track_caller]
    fn call_reversed(&self, x: &Tensor, other: Operand<'_>) -> Result<Tensor> {
        match other {
            Operand::Tensor(y) => self.call(&y, x.into()),
            Operand::Scalar(value) => {
                self.check_bool(x, &other)?;
                let x = x.to_dtype((self.dtype)(value.promote(x.dtype())))?;
                dispatch((self.op)(ScalarOperand::Left(value)), &[&x])
            }
        }
    }

    /// The operands in the dtype that the op computes in, on one device.
    #[track_caller]
    fn prepare<'a>(&self, x: &'a Tensor, other: &'a Operand<'_>) -> Result<Ready<'a>> {
        let in_dtype = |t: &'a Tensor, dtype| -> Result<Cow<'a, Tensor>> {
            Ok(if t.dtype() == dtype { Cow::Borrowed(t) } else { Cow::Owned(t.to_dtype(dtype)?) })
        };
        self.check_bool(x, other)?;
        let y = match other {
            Operand::Tensor(y) => y.as_ref(),
            Operand::Scalar(v) => {
                let a = in_dtype(x, (self.dtype)(v.promote(x.dtype())))?;
                return Ok(Ready { op: (self.op)(ScalarOperand::Right(*v)), a, b: None });
            }
        };
        check_promotes(self.in_place.trim_end_matches('_'), x, y)?;
        let dtype = (self.dtype)(result_type(x, y));
        if x.device() != y.device() {
            if let Some(v) = number_beside(y, x)? {
                return Ok(Ready { op: (self.op)(ScalarOperand::Right(v)), a: in_dtype(x, dtype)?, b: None });
            }
            if let Some(v) = number_beside(x, y)? {
                return Ok(Ready { op: (self.op)(ScalarOperand::Left(v)), a: in_dtype(y, dtype)?, b: None });
            }
            let (a, b) = (beside(x.to_dtype(dtype)?, y)?, beside(y.to_dtype(dtype)?, x)?);
            return Ok(Ready { op: (self.op)(ScalarOperand::None), a: Cow::Owned(a), b: Some(Cow::Owned(b)) });
        }
        Ok(Ready { op: (self.op)(ScalarOperand::None), a: in_dtype(x, dtype)?, b: Some(in_dtype(y, dtype)?) })
    }
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
    RealNumber,
    NoBool,
    NeitherBool,
    Integral,
}

fn infer(name: &'static str, takes: Takes, truth: bool, scalar: ScalarOperand, inputs: &[&Tensor]) -> Result<Metas> {
    let mut meta = match (scalar, inputs) {
        (ScalarOperand::None, [a, b]) => {
            ensure!(a.dtype() == b.dtype(), DType, name, "the operands are {} and {}", a.dtype(), b.dtype());
            if same_shape(a.shape(), b.shape()) || broadcasts_to(b.shape(), a.shape()) {
                Meta::like(a)
            } else {
                Meta { shape: broadcast_shapes(name, a.shape(), b.shape())?, dtype: a.dtype() }
            }
        }
        (ScalarOperand::Left(value) | ScalarOperand::Right(value), [x]) => {
            let fits = value.category() <= x.dtype().category();
            ensure!(fits, DType, name, "the number {value} is of a higher kind than the {} tensor", x.dtype());
            Meta::like(x)
        }
        (number, _) => {
            let wanted = 2 - usize::from(number != ScalarOperand::None);
            bail!(Argument, name, "takes {wanted} tensors, not {}", inputs.len())
        }
    };
    let dtype = meta.dtype;
    let refused = match takes {
        Takes::Any => false,
        Takes::Real => dtype.is_complex(),
        Takes::RealNumber => dtype == DType::Bool || dtype.is_complex(),
        Takes::NoBool | Takes::NeitherBool => dtype == DType::Bool,
        Takes::Integral => dtype.is_differentiable(),
    };
    if refused {
        bail!(DType, name, "not defined for {dtype}")
    }
    if truth {
        meta.dtype = DType::Bool;
    }
    meta.one()
}

macro_rules! binary {
    ($($(#[$doc:meta])* $Op:ident, $name:literal, $takes:ident, $truth:literal, $dtype:expr, $method:ident $(, in place $in_place:ident)? $(, reversed $reversed:ident)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default)]
            pub struct $Op {
                /// The operand that is a number.
                pub scalar: ScalarOperand,
            }

            impl Infer for $Op {
                const NAME: &'static str = $name;
                const ELEMENTWISE: bool = true;
                fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                    infer($name, Takes::$takes, $truth, self.scalar, inputs)
                }
            }

            impl $Op {
                const METHOD: &'static Method = &Method {
                    in_place: concat!($name, "_"),
                    dtype: $dtype,
                    op: |scalar| Op::$Op($Op { scalar }),
                    refuses_bool: matches!(Takes::$takes, Takes::NeitherBool),
                };
            }
        )*
        impl Tensor {
            $(
                #[doc = concat!("`torch.", $name, "` with a tensor or a number: operands are promoted and broadcast. See [`", stringify!($Op), "`](struct@", stringify!($Op), ").\n\n# Errors\nWhere the shapes do not broadcast, or the op is not defined for the dtype.")]
                #[track_caller]
                pub fn $method<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                    let (method, other) = ($Op::METHOD, other.into());
                    // The common cases first: nothing has to be done.
                    match &other {
                        Operand::Tensor(y) if method.takes(self, y) => dispatch($Op::default(), &[self, y]),
                        Operand::Scalar(v) if method.takes_scalar(self, *v) => {
                            dispatch($Op { scalar: ScalarOperand::Right(*v) }, &[self])
                        }
                        _ => method.call(self, other),
                    }
                }

                $(
                    #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place; `other` is broadcast to this shape.\n\n# Errors\nAs for [`", stringify!($method), "`](Tensor::", stringify!($method), "), and where the result does not fit the tensor's shape or dtype.")]
                    #[track_caller]
                    pub fn $in_place<'a>(&self, other: impl Into<Operand<'a>>) -> Result<&Tensor> {
                        let (method, other) = ($Op::METHOD, other.into());
                        match &other {
                            Operand::Tensor(y) if method.takes(self, y) => {
                                dispatch_into(method.in_place, $Op::default(), &[self, y], self)?
                            }
                            Operand::Scalar(v) if method.takes_scalar(self, *v) => {
                                dispatch_into(method.in_place, $Op { scalar: ScalarOperand::Right(*v) }, &[self], self)?
                            }
                            _ => method.call_in_place(self, other)?,
                        }
                        Ok(self)
                    }
                )?

                $(
                    #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") with the operands the other way round: `other` is the left one.\n\n# Errors\nAs for [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
                    #[track_caller]
                    pub fn $reversed<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                        let (method, other) = ($Op::METHOD, other.into());
                        match &other {
                            Operand::Scalar(v) if method.takes_scalar(self, *v) => {
                                dispatch($Op { scalar: ScalarOperand::Left(*v) }, &[self])
                            }
                            _ => method.call_reversed(self, other),
                        }
                    }
                )?
            )*
        }
    };
}

binary! {
    /// x + y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, 2.0]);
    /// assert_eq!(x.add(&tensor!([[10.0], [20.0]]))?.to_vec::<f32>()?, [11.0, 12.0, 21.0, 22.0]);
    /// assert_eq!(x.add(1)?.to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Add, "add", Any, false, |d| d, add, in place add_;
    /// x − y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, 2.0]);
    /// assert_eq!(x.sub(&tensor!([3.0, 5.0]))?.to_vec::<f32>()?, [-2.0, -3.0]);
    /// assert_eq!(x.rsub(1)?.to_vec::<f32>()?, [0.0, -1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Sub, "sub", NeitherBool, false, |d| d, sub, in place sub_, reversed rsub;
    /// x · y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, 2.0]);
    /// assert_eq!(x.mul(&x)?.to_vec::<f32>()?, [1.0, 4.0]);
    /// assert_eq!(x.mul(0.5)?.to_vec::<f32>()?, [0.5, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Mul, "mul", Any, false, |d| d, mul, in place mul_;
    /// x / y, true division: integers become the default dtype.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 3]).div(2)?.to_vec::<f32>()?, [0.5, 1.5]);
    /// assert_eq!(tensor!([1.0, 4.0]).rdiv(2)?.to_vec::<f32>()?, [2.0, 0.5]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Div, "div", Any, false, DType::to_float, div, in place div_, reversed rdiv;
    /// ⌊x / y⌋.
    DivFloor, "floor_divide", RealNumber, false, |d| d, floor_divide, in place floor_divide_, reversed rfloor_divide;
    /// x / y rounded towards zero: `torch.div(rounding_mode="trunc")`.
    DivTrunc, "div_trunc", RealNumber, false, |d| d, div_trunc, in place div_trunc_;
    /// The remainder with the sign of the divisor, as Python's `%`.
    Remainder, "remainder", RealNumber, false, |d| d, remainder, in place remainder_, reversed rremainder;
    /// The remainder with the sign of the dividend, as C's `fmod`.
    Fmod, "fmod", RealNumber, false, |d| d, fmod, in place fmod_;
    /// x to the power of y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([2.0, 3.0]).pow(2)?.to_vec::<f32>()?, [4.0, 9.0]);
    /// assert_eq!(tensor!([2.0, 3.0]).rpow(2)?.to_vec::<f32>()?, [4.0, 8.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Pow, "pow", NoBool, false, |d| d, pow, in place pow_, reversed rpow;
    /// The angle of the point (y, x) in radians: `self` is y.
    Atan2, "atan2", Real, false, DType::to_float, atan2, in place atan2_;
    /// The larger of the two; NaN if either is.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([-1.0, 2.0]).maximum(0)?.to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Maximum, "maximum", Real, false, |d| d, maximum;
    /// The smaller of the two; NaN if either is.
    Minimum, "minimum", Real, false, |d| d, minimum;
    /// x = y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 2, 3]).eq(2)?.to_vec::<bool>()?, [false, true, false]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Eq, "eq", Any, true, |d| d, eq;
    /// x ≠ y.
    Ne, "ne", Any, true, |d| d, ne;
    /// x < y.
    Lt, "lt", Real, true, |d| d, lt;
    /// x ≤ y.
    Le, "le", Real, true, |d| d, le;
    /// x > y.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 2, 3]).gt(1)?.to_vec::<bool>()?, [false, true, true]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
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
    BitwiseAnd, "bitwise_and", Integral, false, |d| d, bitwise_and, in place bitwise_and_;
    /// Bits set in one or both.
    BitwiseOr, "bitwise_or", Integral, false, |d| d, bitwise_or, in place bitwise_or_;
    /// Bits set in just one.
    BitwiseXor, "bitwise_xor", Integral, false, |d| d, bitwise_xor, in place bitwise_xor_;
    /// The greatest common divisor of integers, not negative.
    Gcd, "gcd", Integral, false, |d| d, gcd, in place gcd_;
    /// The next number of the dtype after x in the direction of y.
    NextAfter, "nextafter", Real, false, |d| d, nextafter, in place nextafter_;
}
