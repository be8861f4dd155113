//! Copies: to another dtype, into another tensor, into rows, to another device.

use crate::backend::backend_for;
use crate::op::{Infer, Meta, Metas};
use crate::{DType, Device, Result, Scalar, Tensor, dispatch, dispatch_into, ensure, no_grad};
use smallvec::SmallVec;

/// A copy in dtype `dtype`, whose dimensions lie in memory as the input's do.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The dtype of the copy.
    pub dtype: DType,
    /// It lies in rows, whatever the input's order.
    pub rows: bool,
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
    /// The call may return before the copy is done, where page-locked host memory makes that possible.
    pub non_blocking: bool,
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

/// `f` of `inputs`; where their common dtype is of half precision, in `f32`, the result then rounded once: so
/// PyTorch's kernels compute what is made of several ops here.
#[track_caller]
pub(crate) fn rounded_once<const N: usize>(
    inputs: [&Tensor; N],
    f: impl FnOnce([&Tensor; N]) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = common_dtype(inputs);
    if !dtype.is_half() {
        return f(inputs);
    }
    let mut wide: SmallVec<[Tensor; 4]> = SmallVec::new();
    for x in inputs {
        wide.push(x.to_dtype(DType::F32)?);
    }
    f(std::array::from_fn(|i| &wide[i]))?.to_dtype(dtype)
}

/// The dtype of an op on all of `inputs`.
pub(crate) fn common_dtype<const N: usize>(inputs: [&Tensor; N]) -> DType {
    // One that has dimensions speaks for its category before those that have none.
    let of =
        |scalars: bool| inputs.iter().filter(|x| (x.rank() == 0) == scalars).map(|x| x.dtype()).reduce(DType::promote);
    match (of(false), of(true)) {
        (Some(strong), Some(weak)) => crate::ops::weak(strong, weak),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => DType::DEFAULT,
    }
}

impl Tensor {
    /// In dtype `dtype`, as `Tensor.to(dtype)`: itself where it is so already.
    ///
    /// ```
    /// # use flambeau_tensor::{DType, tensor};
    /// assert_eq!(tensor!([1.9, -1.9]).to_dtype(DType::I64)?.to_vec::<i64>()?, [1, -1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype { Ok(self.clone()) } else { dispatch(Cast { dtype, rows: false }, &[self]) }
    }

    /// Its own copy, without gaps, whose dimensions lie in memory in the order that they have here: `torch.clone`. Gradients
    /// pass through.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, 2.0]);
    /// x.copy()?.fill_(0.0)?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn copy(&self) -> Result<Tensor> {
        dispatch(Cast { dtype: self.dtype(), rows: false }, &[self])
    }

    /// Its own copy, in rows.
    #[track_caller]
    pub(crate) fn rows(&self) -> Result<Tensor> {
        dispatch(Cast { dtype: self.dtype(), rows: true }, &[self])
    }

    /// With its elements in rows: itself where they are so already.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::zeros([2, 3]).build()?.t()?;
    /// assert!(!x.is_contiguous() && x.contiguous()?.is_contiguous());
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { self.rows() }
    }

    /// Copies the elements of `source`, broadcast and cast, into this tensor: `Tensor.copy_`.
    ///
    /// # Errors
    /// Where `source` does not broadcast to this shape.
    #[track_caller]
    pub fn copy_(&self, source: impl AsRef<Tensor>) -> Result<&Tensor> {
        let source = source.as_ref();
        let here;
        let source = if source.device() == self.device() {
            source
        } else {
            here = source.to_device(self.device())?;
            &here
        };
        let source = source.expand(self.shape())?;
        dispatch_into("copy_", Cast { dtype: self.dtype(), rows: false }, &[&source], self)?;
        Ok(self)
    }

    /// On `device`: itself where it is there already. Gradients come back the same way.
    ///
    /// ```
    /// # use flambeau_tensor::{Device, tensor};
    /// let x = tensor!([1.0]).to_device(Device::Meta)?; // a shape and a dtype, no memory
    /// assert_eq!(x.shape(), [1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// From the meta device, which has no data; to a device without a backend.
    #[track_caller]
    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        self.transfer(device, false)
    }

    /// [`to_device`](Tensor::to_device) that need not wait: `Tensor.to(device, non_blocking=True)`. From the host it
    /// returns early where the tensor is [pinned](Tensor::pin_memory); to the host the copy is pinned. Whoever looks at
    /// the values waits for them.
    ///
    /// # Errors
    /// As [`to_device`](Tensor::to_device); to the host, where the backend has no page-locked memory.
    #[track_caller]
    pub fn to_device_non_blocking(&self, device: Device) -> Result<Tensor> {
        self.transfer(device, true)
    }

    #[track_caller]
    fn transfer(&self, device: Device, non_blocking: bool) -> Result<Tensor> {
        if self.device() == device {
            return Ok(self.clone());
        }
        dispatch(Transfer { from: self.device(), to: device, non_blocking }, &[self])
    }

    /// A copy in page-locked host memory, from which `device` copies without the processor:
    /// `Tensor.pin_memory()`. Itself where it is so already. Without history.
    ///
    /// # Errors
    /// Where the tensor is not on the CPU, or the device's backend has no page-locked memory.
    #[track_caller]
    pub fn pin_memory(&self, device: Device) -> Result<Tensor> {
        ensure!(self.device() == Device::Cpu, Device, "pin_memory", "a tensor on {} cannot be pinned", self.device());
        if self.is_pinned() {
            return Ok(self.clone());
        }
        let out = Tensor::pinned("pin_memory", self.shape(), self.dtype(), backend_for("pin_memory", device)?)?;
        no_grad(|| out.copy_(self).map(drop))?;
        Ok(out)
    }

    /// Does it lie in page-locked host memory?
    pub fn is_pinned(&self) -> bool {
        self.storage().is_pinned()
    }

    /// Every element becomes `value`: `Tensor.fill_`; of an expanded tensor, too.
    ///
    /// # Errors
    /// Where the dtype has no such number.
    #[track_caller]
    pub fn fill_(&self, value: impl Into<Scalar>) -> Result<&Tensor> {
        let value = value.into().stored_as("fill_", self.dtype())?;
        // Of elements that share memory, one is enough.
        let mut target = self.clone();
        for d in (0..self.rank()).filter(|d| self.strides()[*d] == 0 && self.shape()[*d] > 1) {
            target = target.narrow(d as isize, 0, 1)?;
        }
        let shape = target.layout().shape.clone();
        dispatch_into("fill_", crate::Full { value, shape, dtype: self.dtype(), device: self.device() }, &[], &target)?;
        Ok(self)
    }

    /// Every element becomes zero: `Tensor.zero_`.
    ///
    /// # Errors
    /// Where autograd forbids to write.
    #[track_caller]
    pub fn zero_(&self) -> Result<&Tensor> {
        self.fill_(false)
    }
}
