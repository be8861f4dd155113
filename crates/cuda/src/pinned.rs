//! Page-locked memory of the host.

use crate::context::{gpu, started};
use crate::driver::check;
use cudarc::driver::sys;
use flambeau_tensor::alloc::{ALIGN, Block};
use flambeau_tensor::storage::Memory;
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use std::ptr::NonNull;

/// Gives the memory back when nobody needs it.
struct Keeper(usize);

impl Drop for Keeper {
    fn drop(&mut self) {
        // Copies that are queued come first; a fault is told to whoever waits next.
        started().for_each(|gpu| drop(gpu.synchronize()));
        // SAFETY: came from `cuMemHostAlloc`, and nothing that is queued uses it any more.
        unsafe { sys::cuMemFreeHost(self.0 as *mut _) };
    }
}

pub(crate) fn allocate(bytes: usize) -> Result<Memory> {
    gpu(0)?.enter()?;
    let mut pointer = std::ptr::null_mut();
    let size = bytes.max(ALIGN);
    // All devices may copy from and to it.
    // SAFETY: `pointer` may be written.
    unsafe { check("pin_memory", sys::cuMemHostAlloc(&mut pointer, size, sys::CU_MEMHOSTALLOC_PORTABLE))? };
    let no_room = || Error::new(ErrorKind::Memory, "pin_memory", format!("no room for {bytes} page-locked bytes"));
    let start = NonNull::new(pointer.cast::<u8>()).ok_or_else(no_room)?;
    // SAFETY: of this size; the bytes become initialised.
    unsafe { std::ptr::write_bytes(start.as_ptr(), 0, size) };
    // SAFETY: initialised, in whole pages, and there as long as the keeper.
    Ok(Memory::Host(unsafe { Block::pinned(start, size, Box::new(Keeper(start.as_ptr() as usize))) }))
}

/// Where the elements of a contiguous tensor of the host begin.
pub(crate) fn host_address(t: &Tensor) -> Result<*mut u8> {
    match t.storage().memory() {
        Memory::Host(block) => Ok(block.as_ptr().wrapping_add(t.storage_offset() * t.dtype().size())),
        _ => Err(Error::new(ErrorKind::Device, "to", "the tensor is not in host memory")),
    }
}
