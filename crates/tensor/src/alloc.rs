//! The caching allocator behind CPU storage.
//!
//! A fresh 40 MB output from the system costs more than the addition that fills it, so freed blocks
//! are kept by size class: first in a small cache of the thread, then in one that all threads share,
//! both under a limit. Every block is zeroed when it first comes from the system and so holds
//! initialised bytes for ever after; that is what lets kernels view an output as `&mut [f32]` before
//! they fill it.

use parking_lot::Mutex;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Alignment of every block: a cache line, and the widest SIMD register.
pub const ALIGN: usize = 64;
/// Four classes for each doubling, from 64 bytes up.
const CLASSES: usize = 4 * 40;
const LOCAL_BLOCKS: usize = 16;
const LOCAL_BYTES: usize = 16 << 20;
const LOCAL_LARGEST: usize = 4 << 20;

static LIMIT: AtomicUsize = AtomicUsize::new(2 << 30);
static SHARED: Mutex<Cache> = Mutex::new(Cache::new());

thread_local! {
    static LOCAL: RefCell<LocalCache> = const { RefCell::new(LocalCache(Cache::new())) };
}

/// A block of initialised bytes; its content is what the last owner left.
#[derive(Debug)]
pub struct Block {
    ptr: NonNull<u8>,
    class: u32,
}

// SAFETY: a block is the sole owner of its memory; access goes through the storage's guards.
unsafe impl Send for Block {}
// SAFETY: as above; a shared block hands out its address only.
unsafe impl Sync for Block {}

/// The class that holds `bytes`, and its size.
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

fn class_size(class: usize) -> usize {
    let (log, steps) = (class / 4 + 5, class % 4 + 1);
    (1 << log) + steps * ((1 << log) / 4)
}

impl Block {
    /// At least `bytes` bytes, or `None` where the system has no more.
    #[inline]
    pub fn new(bytes: usize) -> Option<Block> {
        let (class, size) = class_of(bytes)?;
        let cached = LOCAL.try_with(|local| local.try_borrow_mut().ok()?.0.pop(class, size)).ok().flatten();
        match cached {
            Some(ptr) => Some(Block { ptr, class: class as u32 }),
            None => Block::from_shared(class, size),
        }
    }

    #[cold]
    fn from_shared(class: usize, size: usize) -> Option<Block> {
        if let Some(ptr) = SHARED.lock().pop(class, size) {
            return Some(Block { ptr, class: class as u32 });
        }
        let layout = Layout::from_size_align(size, ALIGN).ok()?;
        // SAFETY: the size is at least 64.
        let ptr = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Block { ptr, class: class as u32 })
    }

    /// The first byte.
    #[inline]
    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        let (class, size) = (self.class as usize, class_size(self.class as usize));
        let kept = size <= LOCAL_LARGEST
            && LOCAL
                .try_with(|local| {
                    let Ok(mut local) = local.try_borrow_mut() else { return false };
                    let room = local.0.bytes + size <= LOCAL_BYTES && local.0.lists[class].len() < LOCAL_BLOCKS;
                    if room {
                        local.0.push(class, size, self.ptr);
                    }
                    room
                })
                .unwrap_or(false);
        if !kept {
            share(class, size, self.ptr);
        }
    }
}

/// Gives a block to the shared cache, or back to the system where that is full.
#[cold]
fn share(class: usize, size: usize, ptr: NonNull<u8>) {
    let mut shared = SHARED.lock();
    if shared.bytes + size <= LIMIT.load(Ordering::Relaxed) {
        shared.push(class, size, ptr);
    } else {
        drop(shared);
        free(size, ptr);
    }
}

fn free(size: usize, ptr: NonNull<u8>) {
    // SAFETY: every block was allocated with its class's size and this alignment, and is freed once,
    // by the last cache or block that owns it.
    unsafe { dealloc(ptr.as_ptr(), Layout::from_size_align_unchecked(size, ALIGN)) }
}

struct Cache {
    lists: [Vec<SendPtr>; CLASSES],
    bytes: usize,
}

struct SendPtr(NonNull<u8>);
// SAFETY: a pointer in a cache is owned by the cache alone.
unsafe impl Send for SendPtr {}

impl Cache {
    const fn new() -> Cache {
        Cache { lists: [const { Vec::new() }; CLASSES], bytes: 0 }
    }

    #[inline]
    fn pop(&mut self, class: usize, size: usize) -> Option<NonNull<u8>> {
        let ptr = self.lists[class].pop()?;
        self.bytes -= size;
        Some(ptr.0)
    }

    #[inline]
    fn push(&mut self, class: usize, size: usize, ptr: NonNull<u8>) {
        self.lists[class].push(SendPtr(ptr));
        self.bytes += size;
    }

    fn drain(&mut self) -> impl Iterator<Item = (usize, NonNull<u8>)> + '_ {
        self.bytes = 0;
        self.lists.iter_mut().enumerate().flat_map(|(class, list)| list.drain(..).map(move |p| (class, p.0)))
    }
}

/// A thread's cache; what is left when the thread ends goes to the shared one.
struct LocalCache(Cache);

impl Drop for LocalCache {
    fn drop(&mut self) {
        for (class, ptr) in self.0.drain() {
            share(class, class_size(class), ptr);
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
    let _ = LOCAL.try_with(|local| {
        if let Ok(mut local) = local.try_borrow_mut() {
            local.0.drain().for_each(|(class, ptr)| free(class_size(class), ptr));
        }
    });
    SHARED.lock().drain().for_each(|(class, ptr)| free(class_size(class), ptr));
}

/// Bytes that the shared cache holds for reuse.
pub fn cached_bytes() -> usize {
    SHARED.lock().bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, 40_000_000]) {
            let (class, size) = class_of(bytes).unwrap();
            assert!(size >= bytes && size <= (bytes * 5 / 4 + 16).max(64), "{bytes} → {size}");
            assert_eq!(class_size(class), size);
        }
        assert!(class_of(usize::MAX).is_none() && class_of(1 << 60).is_none());
    }

    #[test]
    fn a_freed_block_comes_back() {
        let first = Block::new(1000).unwrap();
        let at = first.as_ptr();
        drop(first);
        assert_eq!(Block::new(1010).unwrap().as_ptr(), at);
    }
}
