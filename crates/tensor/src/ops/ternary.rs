//! Ops on three tensors, element by element.

use crate::op::{Infer, Meta, Metas};
use crate::{DType, Operand, Result, Tensor, broadcast_tensors, dispatch, ensure, result_type};

/// The second input where the first is true, else the third.
#[derive(Clone, Copy, Debug)]
pub struct Where;

impl Infer for Where {
    const NAME: &'static str = "where";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (condition, a) = (inputs[0], inputs[1]);
        ensure!(condition.dtype() == DType::Bool, DType, "where", "the condition must be bool, it is {}", condition.dtype());
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
