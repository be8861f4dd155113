//! Reductions over dimensions.

use crate::op::{Infer, Meta, Metas};
use crate::shape::{DimList, Dims, Shape};
use crate::{DType, Result, Tensor, dispatch};

/// The sum over some dimensions, which stay with size 1.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The dimensions, in rising order.
    pub dims: DimList,
    /// The dtype of the result, and of the sum.
    pub dtype: DType,
}

/// `shape` with the dimensions `dims` at size 1.
pub(crate) fn kept(shape: &[usize], dims: &[usize]) -> Shape {
    (0..shape.len()).map(|d| if dims.contains(&d) { 1 } else { shape[d] }).collect()
}

/// `shape` without the dimensions `dims`.
pub(crate) fn dropped(shape: &[usize], dims: &[usize]) -> Shape {
    (0..shape.len()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect()
}

impl Infer for Sum {
    const NAME: &'static str = "sum";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::new(kept(inputs[0].shape(), &self.dims), self.dtype).one()
    }
}

/// The dtype of a sum or product: integers and bool add up in `i64`.
fn sum_dtype(dtype: DType) -> DType {
    if dtype.is_differentiable() { dtype } else { DType::I64 }
}

impl Tensor {
    /// The dimensions to reduce, in rising order; a scalar has none.
    #[track_caller]
    pub(crate) fn reduced_dims(&self, op: &'static str, dims: impl Into<Dims>) -> Result<DimList> {
        let dims = dims.into();
        if self.rank() == 0 {
            dims.resolve(op, 1)?;
            return Ok(DimList::new());
        }
        let mut dims = match dims {
            Dims::Some(d) if d.is_empty() => Dims::All.resolve(op, self.rank())?,
            dims => dims.resolve(op, self.rank())?,
        };
        dims.sort_unstable();
        Ok(dims)
    }

    /// Without the dimensions of size 1 at `dims`.
    #[track_caller]
    pub(crate) fn drop_dims(&self, dims: &[usize]) -> Result<Tensor> {
        if dims.is_empty() {
            return Ok(self.clone());
        }
        crate::dispatch_view(crate::Reshape { shape: dropped(self.shape(), dims) }, self)
    }

    /// The sum over `dims` (`..` for all), as `torch.sum`; integers and bool add up in `int64`.
    #[track_caller]
    pub fn sum(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = self.reduced_dims("sum", dims)?;
        dispatch(Sum { dims: dims.clone(), dtype: sum_dtype(self.dtype()) }, &[self])?.drop_dims(&dims)
    }

    /// [`sum`](Tensor::sum), the dimensions kept with size 1.
    #[track_caller]
    pub fn sum_keepdim(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = self.reduced_dims("sum", dims)?;
        dispatch(Sum { dims, dtype: sum_dtype(self.dtype()) }, &[self])
    }

    /// Summed over what was broadcast, back to `shape`: the gradient of a broadcast. `Tensor.sum_to_size`.
    ///
    /// # Errors
    /// Where this shape is not `shape` broadcast.
    #[track_caller]
    pub fn sum_to_size(&self, shape: &[usize]) -> Result<Tensor> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let reached = crate::shape::broadcast_shapes("sum_to_size", self.shape(), shape)?;
        crate::ensure!(reached[..] == *self.shape(), Shape, "sum_to_size", "shape {shape:?} does not broadcast to {:?}", self.shape());
        let lead = self.rank() - shape.len();
        let dims: DimList = (0..self.rank()).filter(|d| *d < lead || shape[*d - lead] != self.shape()[*d]).collect();
        let summed = if dims.is_empty() { self.clone() } else { dispatch(Sum { dims, dtype: self.dtype() }, &[self])? };
        summed.reshape(shape)
    }
}
