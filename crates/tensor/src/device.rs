//! Where a tensor's data lives.

use crate::{Result, bail};
use std::fmt;

/// Where a tensor's data lives and its ops run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor and its memory.
    #[default]
    Cpu,
    /// Shapes and dtypes only, no data: a model of any size can be built and measured without memory.
    Meta,
    /// The CUDA device with this index; its backend is a plug-in (see [`register_backend`](crate::backend::register_backend)).
    Cuda(u32),
}

impl Device {
    /// The CUDA device `index`.
    ///
    /// # Errors
    /// Where no CUDA backend is registered.
    #[track_caller]
    pub fn cuda(index: u32) -> Result<Device> {
        let device = Device::Cuda(index);
        if crate::backend::backend_of(device).is_none() {
            bail!(Device, "Device::cuda", "this program has no CUDA backend (cuda:{index} was asked for)")
        }
        Ok(device)
    }

    /// True for a device that keeps data.
    pub fn has_data(self) -> bool {
        self != Device::Meta
    }
}

/// As PyTorch writes it: `cpu`, `meta`, `cuda:0`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Meta => f.write_str("meta"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}
