//! What a device must be able to do ([`Backend`]), and the table of the ones there are.

use crate::op::Op;
use crate::storage::Buffer;
use crate::{Device, Result, Tensor};
use std::sync::OnceLock;

/// One kind of device: memory and kernels.
pub trait Backend: Send + Sync {
    /// `bytes` bytes on `device`, of any content.
    fn allocate(&self, device: Device, bytes: usize) -> Result<Buffer>;

    /// Runs `op`. Shapes, dtypes and devices are checked, outputs allocated; input storages are locked
    /// to read, and an output's to write unless it is fresh. An output is contiguous unless the op is
    /// elementwise (see [`Op::is_elementwise`]), where it may be any layout without overlap, and may be
    /// one of the inputs itself.
    ///
    /// # Safety
    /// All of that is the caller's promise; the dispatcher keeps it. A backend may rely on it.
    unsafe fn run(&self, op: &Op, inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<()>;

    /// Fills `to` from host bytes in row-major order.
    ///
    /// # Safety
    /// `to` is contiguous, on this backend's device, of as many bytes, and fresh or locked to write.
    unsafe fn upload(&self, from: &[u8], to: &Tensor) -> Result<()>;

    /// The elements of a contiguous tensor as host bytes.
    ///
    /// # Safety
    /// `from` is contiguous, on this backend's device, and locked to read.
    unsafe fn download(&self, from: &Tensor) -> Result<Vec<u8>>;
}

static CUDA: OnceLock<Box<dyn Backend>> = OnceLock::new();

/// The backend that serves `device`, if there is one.
pub fn backend_of(device: Device) -> Option<&'static dyn Backend> {
    match device {
        Device::Cpu => Some(&crate::cpu::CpuBackend),
        Device::Meta => Some(&crate::meta::MetaBackend),
        Device::Cuda(_) => CUDA.get().map(|b| b.as_ref()),
    }
}

/// Makes `backend` serve all CUDA devices; the first one registered stays. Says whether it was that one.
pub fn register_backend(backend: Box<dyn Backend>) -> bool {
    CUDA.set(backend).is_ok()
}
