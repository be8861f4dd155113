//! What the tensor crate asks of a device, answered for CUDA.

use crate::context::{Gpu, gpu};
use crate::driver::{Driver, check, driver};
use crate::generator::Philox;
use crate::pool::{Block, allocate};
use crate::stream::{Task, block_of, queue};
use crate::{ops, pinned};
use cudarc::driver::sys;
use flambeau_tensor::backend::{Backend, Ran, Work};
use flambeau_tensor::random::DeviceGenerator;
use flambeau_tensor::storage::{Memory, Use};
use flambeau_tensor::{Device, Error, ErrorKind, Result, Tensor};
use std::sync::Arc;

pub(crate) struct Cuda;

/// The device that a tensor is on.
pub(crate) fn gpu_of(t: &Tensor) -> Result<&'static Gpu> {
    match t.device() {
        Device::Cuda(index) => gpu(index),
        other => Err(Error::new(ErrorKind::Device, "cuda", format!("a tensor on {other} reached the CUDA backend"))),
    }
}

/// The address of a tensor's first element.
pub(crate) fn address_of(t: &Tensor) -> Result<u64> {
    let foreign = || Error::new(ErrorKind::Device, "cuda", "a tensor of another backend reached this one");
    let block: &Block = block_of(t.storage()).ok_or_else(foreign)?;
    Ok(block.address() + (t.storage_offset() * t.dtype().size()) as u64)
}

fn bytes_of(t: &Tensor) -> usize {
    t.numel() * t.dtype().size()
}

impl Backend for Cuda {
    fn device_count(&self) -> u32 {
        match driver() {
            Driver::Ready(count) => *count,
            Driver::Absent(_) => 0,
        }
    }

    fn allocate(&self, device: Device, bytes: usize) -> Result<Memory> {
        let Device::Cuda(index) = device else {
            return Err(Error::new(ErrorKind::Device, "cuda", format!("{device} is no CUDA device")));
        };
        Ok(Memory::Device(Box::new(allocate(gpu(index)?, bytes)?)))
    }

    unsafe fn run(&self, work: Work<'_>) -> Result<Ran> {
        ops::run(&work)
    }

    unsafe fn upload(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()> {
        let (source, target, bytes) = (pinned::host_address(from)?, address_of(to)?, bytes_of(from));
        if bytes == 0 {
            return Ok(());
        }
        let pinned = from.storage().is_pinned();
        let reads: &[&Tensor] = if pinned { &[from] } else { &[] };
        let task = Task { name: "to", at: None, reads, writes: &[to] };
        let gpu = gpu_of(to)?;
        let queued = queue(gpu, &task, |queue| {
            // SAFETY: both have so many bytes. What is not page-locked is copied away before the call returns; what is
            // has the copy written down as a reader, for which whoever wants to write there waits.
            unsafe { check("to", sys::cuMemcpyHtoDAsync_v2(target, source.cast(), bytes, queue.handle())) }
        })?;
        if pinned && !non_blocking { self.wait(&queued) } else { Ok(()) }
    }

    unsafe fn download(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()> {
        let (source, target, bytes) = (address_of(from)?, pinned::host_address(to)?, bytes_of(from));
        if bytes == 0 {
            return Ok(());
        }
        let late = non_blocking && to.storage().is_pinned();
        let writes: &[&Tensor] = if late { &[to] } else { &[] };
        let task = Task { name: "to", at: None, reads: &[from], writes };
        let queued = queue(gpu_of(from)?, &task, |queue| {
            // SAFETY: both have so many bytes; `to` is fresh, and either waited for below or has the copy written down.
            unsafe { check("to", sys::cuMemcpyDtoHAsync_v2(target.cast(), source, bytes, queue.handle())) }
        })?;
        if late { Ok(()) } else { self.wait(&queued) }
    }

    unsafe fn copy(&self, from: &Tensor, to: &Tensor) -> Result<Ran> {
        let (source, target, bytes) = (address_of(from)?, address_of(to)?, bytes_of(from));
        if bytes == 0 {
            return Ok(Ran::Queued);
        }
        let (theirs, ours) = (gpu_of(from)?.context(), gpu_of(to)?);
        let task = Task { name: "to", at: None, reads: &[from], writes: &[to] };
        queue(ours, &task, |queue| {
            // SAFETY: both have so many bytes, on the devices of these contexts.
            unsafe {
                check("to", sys::cuMemcpyPeerAsync(target, ours.context(), source, theirs, bytes, queue.handle()))
            }
        })?;
        Ok(Ran::Queued)
    }

    fn allocate_pinned(&self, bytes: usize) -> Result<Memory> {
        pinned::allocate(bytes)
    }

    fn generator(&self, _: Device, seed: u64) -> Option<Arc<dyn DeviceGenerator>> {
        Some(Arc::new(Philox::seeded(seed)))
    }

    fn wait(&self, pending: &Use) -> Result<()> {
        let gpu = gpu((pending.stream >> 32) as u32)?;
        gpu.enter()?;
        gpu.queue_of(pending.stream as u32).map_or(Ok(()), |queue| queue.wait(pending.ticket))
    }

    fn synchronize(&self, device: Device) -> Result<()> {
        match device {
            Device::Cuda(index) => gpu(index)?.synchronize(),
            _ => Ok(()),
        }
    }
}
