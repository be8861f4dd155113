//! Copies: to another dtype, into another tensor, into rows, to another device.

use crate::op::{Infer, Meta, Metas};
use crate::{DType, Device, Result, Scalar, Tensor, dispatch, dispatch_into, ensure};

/// A copy in dtype `dtype`.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The dtype of the copy.
    pub dtype: DType,
}

impl Infer for Cast {
    const NAME: &'static str = "to";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).with_dtype(self.dtype).one()
    }
}

/// A copy on another device.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Where the input is.
    pub from: Device,
    /// Where the copy is to be.
    pub to: Device,
}

impl Infer for Transfer {
    const NAME: &'static str = "to";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).one()
    }
    fn device(&self) -> Option<Device> {
        Some(self.to)
    }
}

impl Tensor {
    /// In dtype `dtype`, as `Tensor.to(dtype)`: itself where it is so already.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype { Ok(self.clone()) } else { dispatch(Cast { dtype }, &[self]) }
    }

    /// Its own copy, contiguous: `torch.clone`. Gradients pass through.
    #[track_caller]
    pub fn copy(&self) -> Result<Tensor> {
        dispatch(Cast { dtype: self.dtype() }, &[self])
    }

    /// With its elements in rows: itself where they are so already.
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { self.copy() }
    }

    /// Copies the elements of `source`, broadcast and cast, into this tensor: `Tensor.copy_`.
    ///
    /// # Errors
    /// Where `source` does not broadcast to this shape.
    #[track_caller]
    pub fn copy_(&self, source: &Tensor) -> Result<&Tensor> {
        let here;
        let source = if source.device() == self.device() {
            source
        } else {
            here = source.to_device(self.device())?;
            &here
        };
        let source = source.expand(self.shape())?;
        dispatch_into("copy_", Cast { dtype: self.dtype() }, &[&source], self)?;
        Ok(self)
    }

    /// On `device`: itself where it is there already. Gradients come back the same way.
    ///
    /// # Errors
    /// From the meta device, which has no data; to a device without a backend.
    #[track_caller]
    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        if self.device() == device {
            return Ok(self.clone());
        }
        dispatch(Transfer { from: self.device(), to: device }, &[self])
    }

    /// Every element becomes `value`: `Tensor.fill_`.
    #[track_caller]
    pub fn fill_(&self, value: impl Into<Scalar>) -> Result<&Tensor> {
        let value = value.into();
        ensure!(
            value.category() <= self.dtype().category()
                || self.dtype() != DType::Bool && !matches!(value, Scalar::Complex(_)),
            DType,
            "fill_",
            "{value} does not go into a {} tensor",
            self.dtype()
        );
        let full =
            crate::Full { value, shape: self.layout().shape.clone(), dtype: self.dtype(), device: self.device() };
        dispatch_into("fill_", full, &[], self)?;
        Ok(self)
    }

    /// Every element becomes zero: `Tensor.zero_`.
    #[track_caller]
    pub fn zero_(&self) -> Result<&Tensor> {
        self.fill_(false)
    }
}
