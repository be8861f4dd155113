//! The caching allocator behind CPU storage.
//!
//! A fresh 40 MB output from the system costs more than the addition that fills it, and a small one's three
//! pieces more than the addition, too. So tensors that nobody holds any more are kept whole, with their
//! storage, by size class: first in a small cache of the thread, then in one that all threads share, both
//! under a limit. Memory of other devices is kept in the same way, in one cache for each device.
//!
//! Every block is zeroed when it comes from the system and so holds initialised bytes for ever
//! after; that is what lets kernels view an output as `&mut [f32]` before they fill it.

pub use super::lists::check_bytes;

use crate::backend::backend_for;
use crate::storage::{Memory, Storage};
use crate::tensor::Inner;
use crate::{Device, Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::any::Any;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use triomphe::UniqueArc;

/// Alignment of every block: a cache line, and the widest SIMD register.
pub const ALIGN: usize = 64;
/// Blocks of so many bytes and more ask for pages of [`PAGE`] bytes, where the system leaves that to programs: 512 times
/// fewer of them are to be found and to be touched for the first time.
const HUGE: usize = 2 * PAGE;
const PAGE: usize = 2 << 20;
/// Four classes for each doubling, from 64 bytes up.
const CLASSES: usize = 4 * 40;
const LOCAL_TENSORS: usize = 16;
const LOCAL_BYTES: usize = 16 << 20;
const LOCAL_LARGEST: usize = 4 << 20;

static LIMIT: AtomicUsize = AtomicUsize::new(2 << 30);
static SHARED: Mutex<Cache> = Mutex::new(Cache::new());
/// What is kept of devices other than the CPU.
static DEVICES: Mutex<Vec<(Device, Box<Cache>)>> = Mutex::new(Vec::new());

thread_local! {
    static LOCAL: RefCell<LocalCache> = const { RefCell::new(LocalCache(Cache::new())) };
}

/// The class that holds `bytes`, and its size.
#[inline]
fn class_of(bytes: usize) -> Option<(usize, usize)> {
    let bytes = bytes.max(64);
    if bytes > 1 << 44 {
        return None;
    }
    let log = usize::BITS - 1 - (bytes - 1).leading_zeros(); // the power of two below `bytes`
    let quarter = (1usize << log) / 4;
    let steps = (bytes - (1 << log)).div_ceil(quarter);
    let size = (1usize << log) + steps * quarter;
    let class = (log as usize - 5) * 4 + steps - 1;
    (class < CLASSES).then_some((class, size))
}

/// How a block of `size` bytes is asked for.
fn layout_of(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, if size < HUGE { ALIGN } else { PAGE }).ok()
}

/// Says that `size` bytes had better be large pages. A system that cannot goes on with small ones.
fn ask_for_large_pages(ptr: NonNull<u8>, size: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: advice about whole pages inside memory that is ours; it changes nothing that can be read.
    unsafe {
        libc::madvise(ptr.as_ptr().cast(), size / PAGE * PAGE, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (ptr, size);
}

/// Initialised bytes from the system, which get them back on drop.
#[derive(Debug)]
pub struct Block {
    ptr: NonNull<u8>,
    size: usize,
    class: usize,
    /// Where it is not the system's: what gives it back when it is dropped.
    keeper: Option<Box<dyn Any + Send + Sync>>,
    pinned: bool,
}

// SAFETY: a block is the sole owner of its memory; access goes through the storage's guards.
unsafe impl Send for Block {}
// SAFETY: as above; a shared block hands out its address only.
unsafe impl Sync for Block {}

impl Block {
    /// At least `bytes` bytes, or `None` where the system has no more.
    pub fn new(bytes: usize) -> Option<Block> {
        let (class, size) = class_of(bytes)?;
        let layout = layout_of(size)?;
        // SAFETY: the size is at least 64.
        let ptr = NonNull::new(unsafe { if size < HUGE { alloc_zeroed(layout) } else { alloc(layout) } })?;
        if size >= HUGE {
            ask_for_large_pages(ptr, size);
            // SAFETY: as many bytes, just allocated.
            unsafe { ptr.write_bytes(0, size) };
        }
        Some(Block { ptr, size, class, keeper: None, pinned: false })
    }

    /// Page-locked bytes of a backend, which `keeper` gives back when it is dropped.
    ///
    /// # Safety
    /// `ptr` leads to `size` initialised bytes, aligned to [`ALIGN`], that nobody else touches while `keeper` lives
    /// but the backend's own queued copies; a device that still copies when `keeper` is dropped is its business.
    pub unsafe fn pinned(ptr: NonNull<u8>, size: usize, keeper: Box<dyn Any + Send + Sync>) -> Block {
        Block { ptr, size, class: 0, keeper: Some(keeper), pinned: true }
    }

    /// Bytes that `keeper` owns and gives back when it is dropped.
    ///
    /// # Safety
    /// `ptr` leads to `size` initialised bytes, aligned to what will be kept there, that nobody else touches while
    /// `keeper` lives.
    pub(crate) unsafe fn foreign(ptr: NonNull<u8>, size: usize, keeper: Box<dyn Any + Send + Sync>) -> Block {
        Block { ptr, size, class: 0, keeper: Some(keeper), pinned: false }
    }

    /// True for page-locked bytes of a backend.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// What gives bytes back that are not the system's.
    pub fn keeper(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.keeper.as_deref()
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The first byte.
    #[inline]
    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            return;
        }
        if let Some(layout) = layout_of(self.size) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.ptr.as_ptr(), layout) }
        }
    }
}

/// A tensor that nobody holds, over a storage of its own with a block.
type Kept = UniqueArc<Inner>;

/// A kept tensor with at least `bytes` bytes on `device`, as its last owner left it.
#[inline]
pub(crate) fn take(device: Device, bytes: usize) -> Option<Kept> {
    let (class, size) = class_of(bytes)?;
    if device != Device::Cpu {
        return cache_of(&mut DEVICES.lock(), device)?.pop(class, size);
    }
    let own = LOCAL.try_with(|local| local.try_borrow_mut().ok()?.0.pop(class, size)).ok().flatten();
    own.or_else(|| take_shared(class, size))
}

#[cold]
fn take_shared(class: usize, size: usize) -> Option<Kept> {
    SHARED.lock().pop(class, size)
}

fn cache_of(caches: &mut [(Device, Box<Cache>)], device: Device) -> Option<&mut Cache> {
    caches.iter_mut().find(|c| c.0 == device).map(|c| &mut *c.1)
}

/// Memory for a new storage of `bytes` bytes on `device`, and how much it is. Where the device has no room, what is
/// kept of it for reuse is given back first.
#[cold]
pub(crate) fn allocate(op: &'static str, device: Device, bytes: usize) -> Result<Storage> {
    let backend = backend_for(op, device)?;
    // In sizes that another tensor can take over, but where a backend keeps nothing.
    let capacity = if device.has_data() { class_of(bytes).map_or(bytes, |c| c.1) } else { 0 };
    let memory = match backend.allocate(device, capacity) {
        Err(e) if e.kind() == ErrorKind::Memory => {
            empty_cache();
            backend.allocate(device, capacity)
        }
        first => first,
    };
    match memory {
        // Host memory on a device that is not the host would come back as the CPU's.
        Ok(Memory::Host(_)) if device != Device::Cpu => {
            Err(Error::new(ErrorKind::Memory, op, format!("the backend of {device} gave host memory")))
        }
        Ok(memory) => Ok(Storage::new(device, bytes, capacity, memory)),
        Err(e) => {
            Err(Error::new(e.kind(), op, format!("no {bytes} bytes on {device} for the result: {}", e.message())))
        }
    }
}

/// The class and size of its block, where it has one.
#[inline]
fn class_and_size(tensor: &Kept) -> Option<(usize, usize)> {
    tensor.block().filter(|block| block.keeper.is_none()).map(|block| (block.class, block.size))
}

/// Keeps `tensor` for another owner, if it has a block.
#[inline]
pub(crate) fn keep(tensor: Kept) {
    let Some((class, size)) = class_and_size(&tensor) else { return keep_of_device(tensor) };
    if size > LOCAL_LARGEST {
        return share(class, size, tensor);
    }
    let mut tensor = Some(tensor);
    let _ = LOCAL.try_with(|local| {
        let Ok(mut local) = local.try_borrow_mut() else { return };
        if local.0.bytes + size <= LOCAL_BYTES && local.0.lists[class].len() < LOCAL_TENSORS {
            local.0.lists[class].extend(tensor.take());
            local.0.bytes += size;
        }
    });
    if let Some(tensor) = tensor {
        share(class, size, tensor);
    }
}

/// Keeps a tensor of another device than the CPU, if it has memory there.
#[cold]
fn keep_of_device(tensor: Kept) {
    let (device, capacity) = (tensor.storage().device(), tensor.storage().capacity());
    let Some((class, size)) = class_of(capacity).filter(|_| matches!(tensor.storage().memory(), Memory::Device(_)))
    else {
        return;
    };
    let mut caches = DEVICES.lock();
    if cache_of(&mut caches, device).is_none() {
        caches.push((device, Box::new(Cache::new())));
    }
    let Some(cache) = cache_of(&mut caches, device) else { return };
    if size == capacity && cache.bytes + size <= LIMIT.load(Ordering::Relaxed) {
        cache.lists[class].push(tensor);
        cache.bytes += size;
        return;
    }
    // Given back without the lock: a backend may wait there.
    drop(caches);
    drop(tensor);
}

/// Gives a tensor to the shared cache, or its memory back to the system where that is full.
#[cold]
fn share(class: usize, size: usize, tensor: Kept) {
    let mut shared = SHARED.lock();
    if shared.bytes + size <= LIMIT.load(Ordering::Relaxed) {
        shared.lists[class].push(tensor);
        shared.bytes += size;
    } else {
        drop(shared);
        drop(tensor);
    }
}

struct Cache {
    lists: [Vec<Kept>; CLASSES],
    bytes: usize,
}

impl Cache {
    const fn new() -> Cache {
        Cache { lists: [const { Vec::new() }; CLASSES], bytes: 0 }
    }

    #[inline]
    fn pop(&mut self, class: usize, size: usize) -> Option<Kept> {
        let kept = self.lists[class].pop()?;
        self.bytes -= size;
        Some(kept)
    }

    /// All that was kept.
    fn empty(&mut self) -> Vec<Kept> {
        self.bytes = 0;
        self.lists.iter_mut().flat_map(std::mem::take).collect()
    }
}

/// A thread's cache; what is left when the thread ends goes to the shared one.
struct LocalCache(Cache);

impl Drop for LocalCache {
    fn drop(&mut self) {
        for tensor in self.0.empty() {
            if let Some((class, size)) = class_and_size(&tensor) {
                share(class, size, tensor);
            }
        }
    }
}

/// Limits the memory that is kept for reuse by all threads together (2 GiB unless set), and trims
/// what is over it. The thread's own small cache (16 MiB) is apart from this.
pub fn set_cache_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
    if SHARED.lock().bytes > bytes {
        empty_cache();
    }
}

/// Gives all cached memory that this thread can reach back to the system, as `torch.cuda.empty_cache`.
pub fn empty_cache() {
    let own = LOCAL.try_with(|local| local.try_borrow_mut().map(|mut local| local.0.empty()));
    let shared = SHARED.lock().empty();
    let devices: Vec<Kept> = DEVICES.lock().iter_mut().flat_map(|c| c.1.empty()).collect();
    drop((own, shared, devices));
}

/// Bytes that the shared cache holds for reuse.
pub fn cached_bytes() -> usize {
    SHARED.lock().bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Tensor};

    #[test]
    fn classes_hold_what_is_asked() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, 40_000_000]) {
            let (class, size) = class_of(bytes).unwrap();
            assert!(size >= bytes && size <= (bytes * 5 / 4 + 16).max(64), "{bytes} → {size}");
            assert_eq!(class_of(size), Some((class, size)));
        }
        assert!(class_of(usize::MAX).is_none() && class_of(1 << 60).is_none());
    }

    #[test]
    fn foreign_memory_goes_back_to_its_owner() {
        let owner = std::sync::Arc::new([7u32; 16]);
        let data = NonNull::from(&owner[0]).cast();
        // SAFETY: the array is 64 bytes, which lives with its owner and which nobody else looks at meanwhile.
        let tensor = unsafe { Tensor::from_blob(DType::I32, [4, 4], data, owner.clone()) }.unwrap();
        let view = tensor.t().unwrap();
        assert!(!view.is_pinned());
        drop(tensor);
        assert_eq!(std::sync::Arc::strong_count(&owner), 2, "a view keeps it");
        assert_eq!(view.to_vec::<i32>().unwrap(), [7; 16]);
        drop(view);
        assert_eq!(std::sync::Arc::strong_count(&owner), 1, "no cache keeps it");
        // SAFETY: never read, for it is refused.
        let odd = unsafe { Tensor::from_blob(DType::I32, [1], data.add(1), ()) };
        assert!(odd.unwrap_err().message().contains("aligned to 4 bytes"));
    }

    #[test]
    fn a_tensor_that_nobody_holds_comes_back() {
        let tensor = |bytes| Tensor::uninit("test", &[bytes], DType::U8, Device::Cpu).unwrap();
        let first = tensor(1000);
        let (at, view) = (first.storage().host_ptr(), first.detach());
        let id = view.id();
        first.storage().bump("test", std::panic::Location::caller());
        drop(first);
        assert_ne!(tensor(1000).storage().host_ptr(), at, "another tensor has the storage");
        drop(view);
        let again = tensor(1010);
        assert_eq!((again.id(), again.storage().host_ptr(), again.storage().bytes()), (id, at, 1010));
        assert!(again.version() == 0 && again.storage().writer().is_none());
    }

    #[test]
    fn a_forgotten_guard_locks_nobody_else_out() {
        let tensor = || Tensor::uninit("test", &[3000], DType::U8, Device::Cpu).unwrap();
        let first = tensor();
        let id = first.id();
        std::mem::forget(first.data::<u8>().unwrap());
        drop(first);
        let again = tensor();
        assert_eq!(again.id(), id);
        // On another thread: this one still counts as a reader of that address.
        std::thread::scope(|s| s.spawn(|| again.data_mut::<u8>().map(|mut d| d.fill(1)).unwrap()).join()).unwrap();
    }
}
