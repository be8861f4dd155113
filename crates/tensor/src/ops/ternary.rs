//! Ops on three operands, element by element.

use super::binary::check_promotes;
use crate::op::{Infer, Meta, Metas};
use crate::ops::cast::{common_dtype, rounded_once};
use crate::ops::number_beside;
use crate::shape::broadcast_shapes;
use crate::{DType, Operand, Result, Scalar, Tensor, bail, dispatch, dispatch_into, ensure, result_type};

/// The second operand where the first, the condition, is true, else the third. The condition is the first input;
/// of the others those are inputs that are no numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Where {
    /// The second operand, where it is a number.
    pub input: Option<Scalar>,
    /// The third operand, where it is a number.
    pub other: Option<Scalar>,
}

impl Infer for Where {
    const NAME: &'static str = "where";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (condition, a, b) = match (self.input.or(self.other), inputs) {
            (None, [condition, a, b]) => (condition, a, b),
            (Some(value), [condition, x]) if self.input.is_none() || self.other.is_none() => {
                let fits = value.category() <= x.dtype().category();
                ensure!(fits, DType, "where", "the number {value} is of a higher kind than the {} tensor", x.dtype());
                (condition, x, x)
            }
            _ => bail!(Argument, "where", "takes a condition and two operands, at least one of them a tensor"),
        };
        ensure!(
            condition.dtype() == DType::Bool,
            DType,
            "where",
            "the condition must be bool, it is {}",
            condition.dtype()
        );
        ensure!(a.dtype() == b.dtype(), DType, "where", "the operands are {} and {}", a.dtype(), b.dtype());
        let shape = broadcast_shapes("where", a.shape(), b.shape())?;
        Meta { shape: broadcast_shapes("where", condition.shape(), &shape)?, dtype: a.dtype() }.one()
    }
}

impl Tensor {
    /// `self` where `condition` is true, else `other`: `torch.where(condition, self, other)`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([-1.0, 2.0]);
    /// assert_eq!(x.where_cond(x.gt(0.0)?, 0.0)?.to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the three do not broadcast, `condition` is not bool, or the dtype has no such number.
    #[track_caller]
    pub fn where_cond<'a>(&self, condition: impl AsRef<Tensor>, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let condition = condition.as_ref();
        let (y, dtype) = match other.into() {
            Operand::Scalar(value) => return self.or_number(condition, value, value.promote(self.dtype())),
            Operand::Tensor(y) => {
                check_promotes("where", self, &y)?;
                let dtype = result_type(self, &y);
                (y, dtype)
            }
        };
        if let Some(value) = number_beside(&y, self)? {
            return self.or_number(condition, value, dtype);
        }
        if let Some(value) = number_beside(self, &y)? {
            return dispatch(Where { input: Some(value), other: None }, &[condition, &y.to_dtype(dtype)?]);
        }
        dispatch(Where::default(), &[condition, &self.to_dtype(dtype)?, &y.to_dtype(dtype)?])
    }

    /// `self` where `condition` is true, else `value`, both in `dtype`.
    #[track_caller]
    fn or_number(&self, condition: &Tensor, value: Scalar, dtype: DType) -> Result<Tensor> {
        // As in PyTorch: half precision takes a number that is too large for it.
        let half = dtype.is_half();
        let value = if half { value } else { value.stored_as("where", dtype)? };
        dispatch(Where { input: None, other: Some(value) }, &[condition, &self.to_dtype(dtype)?])
    }

    /// `value` where `mask` is true, else `self`: `torch.masked_fill`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, -2.0]);
    /// assert_eq!(x.masked_fill(x.lt(0.0)?, 0.0)?.to_vec::<f32>()?, [1.0, 0.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the mask is not bool or does not broadcast with the tensor, or the dtype has no such number.
    #[track_caller]
    pub fn masked_fill<'a>(&self, mask: impl AsRef<Tensor>, value: impl Into<Operand<'a>>) -> Result<Tensor> {
        let mask = mask.as_ref();
        check_mask("masked_fill", self, mask)?;
        match self.fill_value("masked_fill", value.into())? {
            Operand::Scalar(value) => dispatch(Where { input: Some(value), other: None }, &[mask, self]),
            Operand::Tensor(value) => dispatch(Where::default(), &[mask, &value, self]),
        }
    }

    /// [`masked_fill`](Tensor::masked_fill) in place.
    ///
    /// # Errors
    /// As for [`masked_fill`](Tensor::masked_fill), and where the mask or the value has more elements than the
    /// tensor.
    #[track_caller]
    pub fn masked_fill_<'a>(&self, mask: impl AsRef<Tensor>, value: impl Into<Operand<'a>>) -> Result<&Tensor> {
        let mask = mask.as_ref();
        check_mask("masked_fill_", self, mask)?;
        match self.fill_value("masked_fill_", value.into())? {
            Operand::Scalar(value) => {
                dispatch_into("masked_fill_", Where { input: Some(value), other: None }, &[mask, self], self)?
            }
            Operand::Tensor(value) => dispatch_into("masked_fill_", Where::default(), &[mask, &value, self], self)?,
        }
        Ok(self)
    }

    /// A value that is to fill elements of this tensor: a number, or a tensor in this dtype.
    #[track_caller]
    fn fill_value<'a>(&self, op: &'static str, value: Operand<'a>) -> Result<Operand<'a>> {
        let value = match value {
            Operand::Tensor(t) => match number_beside(&t, self)? {
                None => return Ok(t.to_dtype(self.dtype())?.into()),
                Some(value) => value,
            },
            Operand::Scalar(value) => value,
        };
        Ok(value.stored_as(op, self.dtype())?.into())
    }
}

impl Tensor {
    /// x + weight · (end − x): `torch.lerp`, from whichever end is nearer, so that both are met exactly.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or the dtypes differ or are not of floating point.
    #[track_caller]
    pub fn lerp<'a>(&self, end: impl AsRef<Tensor>, weight: impl Into<Operand<'a>>) -> Result<Tensor> {
        let end = end.as_ref();
        ensure!(
            self.dtype() == end.dtype(),
            DType,
            "lerp",
            "the ends are {} and {}, they must be of one dtype",
            self.dtype(),
            end.dtype()
        );
        ensure!(self.dtype().is_differentiable(), DType, "lerp", "not defined for {}", self.dtype());
        let weight = weight.into();
        let lerp = |x: &Tensor, end: &Tensor, weight: &Operand<'_>| {
            let way = end.sub(x)?;
            match weight {
                Operand::Scalar(w) if w.to_c128().norm() < 0.5 => x.add(&way.mul(*w)?),
                Operand::Scalar(w) => end.sub(&way.mul(Operand::Scalar(one_less(*w)))?),
                Operand::Tensor(w) => {
                    let near = x.add(&way.mul(w.as_ref())?)?;
                    let far = end.sub(&way.mul(&w.rsub(1)?)?)?;
                    near.where_cond(&w.abs()?.lt(0.5)?, &far)
                }
            }
        };
        match &weight {
            Operand::Tensor(w) => rounded_once([self, end, w.as_ref()], |[x, end, w]| lerp(x, end, &w.into())),
            number => rounded_once([self, end], |[x, end]| lerp(x, end, number)),
        }
    }

    /// x + value · a · b: `torch.addcmul`. Of integers `value` is truncated.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or the dtype has no such number.
    #[track_caller]
    pub fn addcmul(&self, a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, value: impl Into<Scalar>) -> Result<Tensor> {
        let (a, b) = (a.as_ref(), b.as_ref());
        let value = factor("addcmul", [self, a, b], value.into())?;
        // A number beside truth values would make integers of them, of its own width.
        let dtype = common_dtype([self, a, b]);
        ensure!(dtype != DType::Bool, DType, "addcmul", "not defined for bool");
        rounded_once([self, a, b], |[x, a, b]| {
            // In the dtype of all three: the product of two may be of less.
            let dtype = common_dtype([x, a, b]);
            let (a, b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
            let product = if value.is_one() { a.mul(&b)? } else { a.mul(value)?.mul(&b)? };
            x.add(&product)
        })
    }

    /// x + value · a / b: `torch.addcdiv`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, a and b are integers, or the dtype has no such number.
    #[track_caller]
    pub fn addcdiv(&self, a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, value: impl Into<Scalar>) -> Result<Tensor> {
        let (a, b) = (a.as_ref(), b.as_ref());
        let whole = !a.dtype().is_differentiable() && !b.dtype().is_differentiable();
        ensure!(
            !whole,
            DType,
            "addcdiv",
            "{} by {} is no integer division; cast to floating point",
            a.dtype(),
            b.dtype()
        );
        let value = factor("addcdiv", [self, a, b], value.into())?;
        rounded_once([self, a, b], |[x, a, b]| {
            let dtype = common_dtype([x, a, b]);
            let (a, b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
            let quotient = if value.is_one() { a.div(&b)? } else { a.mul(value)?.div(&b)? };
            x.add(&quotient)
        })
    }
}

/// `value` as the kernel of an op on `inputs` takes it: in their dtype, half precision in `f32`.
#[track_caller]
pub(super) fn factor<const N: usize>(op: &'static str, inputs: [&Tensor; N], value: Scalar) -> Result<Scalar> {
    match common_dtype(inputs) {
        DType::F16 | DType::BF16 => value.stored_as(op, DType::F32),
        dtype => value.stored_as(op, dtype),
    }
}

/// A mask is bool and broadcasts with the tensor.
#[track_caller]
fn check_mask(op: &'static str, x: &Tensor, mask: &Tensor) -> Result<()> {
    ensure!(mask.dtype() == DType::Bool, DType, op, "the mask must be bool, it is {}", mask.dtype());
    broadcast_shapes(op, x.shape(), mask.shape()).map(drop)
}

/// 1 − w.
fn one_less(w: Scalar) -> Scalar {
    match w {
        Scalar::Complex(z) => Scalar::Complex(1.0 - z),
        real => Scalar::Float(1.0 - real.to_f64()),
    }
}
