//! Ops on three tensors, element by element.

use crate::op::{Infer, Meta, Metas};
use crate::{DType, Operand, Result, Scalar, Tensor, broadcast_tensors, dispatch, ensure, result_type};

/// The second input where the first is true, else the third.
#[derive(Clone, Copy, Debug)]
pub struct Where;

impl Infer for Where {
    const NAME: &'static str = "where";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (condition, a) = (inputs[0], inputs[1]);
        ensure!(
            condition.dtype() == DType::Bool,
            DType,
            "where",
            "the condition must be bool, it is {}",
            condition.dtype()
        );
        Meta::like(a).one()
    }
}

impl Tensor {
    /// `self` where `condition` is true, else `other`: `torch.where(condition, self, other)`.
    ///
    /// # Errors
    /// Where the three do not broadcast, or `condition` is not bool.
    #[track_caller]
    pub fn where_<'a>(&self, condition: &Tensor, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let other = other.into();
        let y = other.to_tensor(self)?;
        let dtype = match &other {
            Operand::Scalar(s) => s.promote(self.dtype()),
            Operand::Tensor(_) => result_type(self, &y),
        };
        let (a, b) = (self.to_dtype(dtype)?, y.to_dtype(dtype)?);
        let all = broadcast_tensors(&[condition, &a, &b])?;
        dispatch(Where, &[&all[0], &all[1], &all[2]])
    }

    /// `value` where `mask` is true, else `self`: `torch.masked_fill`.
    ///
    /// # Errors
    /// Where the mask is not bool or does not broadcast with the tensor.
    #[track_caller]
    pub fn masked_fill<'a>(&self, mask: &Tensor, value: impl Into<Operand<'a>>) -> Result<Tensor> {
        let value = value.into().to_tensor(self)?.to_dtype(self.dtype())?;
        value.where_(mask, self)
    }

    /// [`masked_fill`](Tensor::masked_fill) in place.
    #[track_caller]
    pub fn masked_fill_<'a>(&self, mask: &Tensor, value: impl Into<Operand<'a>>) -> Result<&Tensor> {
        let value = value.into().to_tensor(self)?.to_dtype(self.dtype())?;
        let (mask, value) = (mask.expand(self.shape())?, value.expand(self.shape())?);
        crate::dispatch_into("masked_fill_", Where, &[&mask, &value, self], self)?;
        Ok(self)
    }
}

impl Tensor {
    /// x + weight · (end − x): `torch.lerp`, from whichever end is nearer, so that both are met exactly.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or the dtypes differ.
    #[track_caller]
    pub fn lerp<'a>(&self, end: &Tensor, weight: impl Into<Operand<'a>>) -> Result<Tensor> {
        ensure!(
            self.dtype() == end.dtype(),
            DType,
            "lerp",
            "the ends are {} and {}, they must be of one dtype",
            self.dtype(),
            end.dtype()
        );
        let way = end.sub(self)?;
        match weight.into() {
            Operand::Scalar(w) if w.to_c128().norm() < 0.5 => self.add(&way.mul(w)?),
            Operand::Scalar(w) => end.sub(&way.mul(Operand::Scalar(one_less(w)))?),
            Operand::Tensor(w) => {
                let near = self.add(&way.mul(w.as_ref())?)?;
                let far = end.sub(&way.mul(&w.rsub(1)?)?)?;
                near.where_(&w.abs()?.lt(0.5)?, &far)
            }
        }
    }

    /// x + value · a · b: `torch.addcmul`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn addcmul(&self, a: &Tensor, b: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into();
        let product = if value.is_one() { a.mul(b)? } else { a.mul(value)?.mul(b)? };
        self.add(&product)
    }

    /// x + value · a / b: `torch.addcdiv`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or all three are integers.
    #[track_caller]
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        let whole = !a.dtype().is_differentiable() && !b.dtype().is_differentiable();
        ensure!(
            !whole,
            DType,
            "addcdiv",
            "{} by {} is no integer division; cast to floating point",
            a.dtype(),
            b.dtype()
        );
        let value = value.into();
        let quotient = if value.is_one() { a.div(b)? } else { a.mul(value)?.div(b)? };
        self.add(&quotient)
    }
}

/// 1 − w.
fn one_less(w: Scalar) -> Scalar {
    match w {
        Scalar::Complex(z) => Scalar::Complex(1.0 - z),
        real => Scalar::Float(1.0 - real.to_f64()),
    }
}
