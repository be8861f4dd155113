//! The host's side of copies: page-locked memory, and writing into a tensor of the host.

use flambeau_tensor::alloc::{ALIGN, Block};
use flambeau_tensor::storage::Memory;
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;

/// Host memory that the queue's thread copies from and to. It lives as long as a tensor or a queued copy needs it.
pub(crate) struct Allocation {
    ptr: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the sole owner of its memory; who may touch it when is the dispatcher's contract (see `Pinned`).
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated in `Pinned::allocate` with this layout.
        unsafe { dealloc(self.ptr.as_ptr(), self.layout) }
    }
}

/// The elements of a contiguous tensor in page-locked memory.
pub(crate) struct Pinned {
    memory: Arc<Allocation>,
    start: usize,
    len: usize,
}

impl Pinned {
    pub fn allocate(bytes: usize) -> Result<Memory> {
        let no_room = || Error::new(ErrorKind::Memory, "mirror", format!("no room for {bytes} page-locked bytes"));
        let layout = Layout::from_size_align(bytes.max(ALIGN), ALIGN).map_err(|_| no_room())?;
        // SAFETY: the size is at least `ALIGN`.
        let ptr = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(no_room)?;
        let memory = Arc::new(Allocation { ptr, layout });
        // SAFETY: initialised, aligned, and alive as long as the keeper; queued copies hold it, too.
        Ok(Memory::Host(unsafe { Block::pinned(ptr, layout.size(), Box::new(memory)) }))
    }

    /// The elements of `t`, where it lies in such memory.
    pub fn of(t: &Tensor) -> Option<Pinned> {
        let Memory::Host(block) = t.storage().memory() else { return None };
        let memory = block.keeper()?.downcast_ref::<Arc<Allocation>>()?.clone();
        let size = t.dtype().size();
        Some(Pinned { memory, start: t.storage_offset() * size, len: t.numel() * size })
    }

    /// The bytes, for a queued copy from them.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: inside the allocation, by the tensor's layout. The copy is written down as a reader of the storage, and
        // whoever wants to write there waits for it.
        unsafe { std::slice::from_raw_parts(self.memory.ptr.as_ptr().add(self.start), self.len) }
    }

    /// Fills the bytes, in a queued copy to them.
    pub fn fill(&self, from: &[u8]) {
        assert_eq!(from.len(), self.len);
        // SAFETY: inside the allocation. The copy is written down as a writer of the storage, and whoever wants to look
        // there waits for it.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.memory.ptr.as_ptr().add(self.start), self.len) }
    }
}

/// Fills `to`, a fresh contiguous tensor of the host.
pub(crate) fn write(to: &Tensor, rows: &[u8]) -> Result<()> {
    let Memory::Host(block) = to.storage().memory() else {
        return Err(Error::new(ErrorKind::Device, "to", "the target is not in host memory"));
    };
    let at = to.storage_offset() * to.dtype().size();
    assert!(at + rows.len() <= block.size());
    // SAFETY: inside the block; the tensor is fresh, so nobody else looks there.
    unsafe { std::ptr::copy_nonoverlapping(rows.as_ptr(), block.as_ptr().add(at), rows.len()) };
    Ok(())
}
