//! Where a tensor's data lives.

use crate::backend::{DeviceKind, backend_for};
use crate::{Result, ensure};
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
    /// A device of a kind that another crate registered, with its index.
    Other(DeviceKind, u32),
}

impl Device {
    /// The CUDA device `index`.
    ///
    /// # Errors
    /// Where no CUDA backend is registered, or it has no such device.
    #[track_caller]
    pub fn cuda(index: u32) -> Result<Device> {
        let device = Device::Cuda(index);
        let count = backend_for("Device::cuda", device)?.device_count();
        ensure!(index < count, Device, "Device::cuda", "there are {count} CUDA devices, {device} is not among them");
        Ok(device)
    }

    /// True where one backend serves both.
    pub fn is_same_kind(self, other: Device) -> bool {
        match (self, other) {
            (Device::Cuda(_), Device::Cuda(_)) => true,
            (Device::Other(a, _), Device::Other(b, _)) => a == b,
            (a, b) => a == b,
        }
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
            Device::Other(kind, index) => write!(f, "{}:{index}", kind.name()),
        }
    }
}
