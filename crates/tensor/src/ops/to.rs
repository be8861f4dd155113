//! What a tensor or a module is to be after a move: on which device, in which dtype, in which order of memory.

use crate::layout::MemoryFormat;
use crate::{DType, Device, Result, Tensor};

/// Where a tensor is to go: a device, a dtype, an order of memory, or several of them. What is not said stays.
///
/// Each of them alone and tuples of them are such: `x.to(DType::F64)`, `x.to((device, DType::BF16))`,
/// `x.to(MemoryFormat::ChannelsLast)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct To {
    /// The device, or the one each tensor is on.
    pub device: Option<Device>,
    /// The dtype, or the one each tensor has. Of a module's tensors it is for floating and complex ones.
    pub dtype: Option<DType>,
    /// The order of memory, or the one each tensor has. Of a module's tensors it is for those of four or five dimensions.
    pub memory_format: Option<MemoryFormat>,
    /// A copy to another device need not wait, see [`to_device_non_blocking`](Tensor::to_device_non_blocking).
    pub non_blocking: bool,
}

impl To {
    /// As it is.
    pub fn new() -> To {
        To::default()
    }

    /// On `device`.
    #[must_use]
    pub fn device(mut self, device: Device) -> To {
        self.device = Some(device);
        self
    }

    /// In `dtype`.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> To {
        self.dtype = Some(dtype);
        self
    }

    /// In the order of `format`.
    #[must_use]
    pub fn memory_format(mut self, format: MemoryFormat) -> To {
        self.memory_format = Some(format);
        self
    }

    /// Whether a copy to another device need not wait.
    #[must_use]
    pub fn non_blocking(mut self, yes: bool) -> To {
        self.non_blocking = yes;
        self
    }
}

macro_rules! into_to {
    ($(($($x:ident: $T:ty),+);)*) => {$(
        #[allow(unused_parens)]
        impl From<($($T),+)> for To {
            fn from(($($x),+): ($($T),+)) -> To {
                To::new()$(.$x($x))+
            }
        }
    )*};
}
into_to! {
    (device: Device);
    (dtype: DType);
    (memory_format: MemoryFormat);
    (device: Device, dtype: DType);
    (device: Device, memory_format: MemoryFormat);
    (dtype: DType, memory_format: MemoryFormat);
    (device: Device, dtype: DType, memory_format: MemoryFormat);
}

impl Tensor {
    /// On another device, in another dtype, in another order of memory, or several of these: `Tensor.to`. Itself where
    /// nothing changes. Gradients come back the same way.
    ///
    /// ```
    /// use flambeau_tensor::{DType, MemoryFormat, Tensor};
    ///
    /// let x = Tensor::rand([2, 3, 4, 5]).build()?.to((DType::F64, MemoryFormat::ChannelsLast))?;
    /// assert_eq!((x.dtype(), x.strides()), (DType::F64, &[60, 1, 15, 3][..]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`to_device`](Tensor::to_device) and [`contiguous_in`](Tensor::contiguous_in).
    #[track_caller]
    pub fn to(&self, to: impl Into<To>) -> Result<Tensor> {
        let To { device, dtype, memory_format, non_blocking } = to.into();
        let mut x = match device {
            Some(device) if non_blocking => self.to_device_non_blocking(device)?,
            Some(device) => self.to_device(device)?,
            None => self.clone(),
        };
        if let Some(dtype) = dtype {
            x = x.to_dtype(dtype)?;
        }
        match memory_format {
            Some(format) => x.contiguous_in(format),
            None => Ok(x),
        }
    }
}
