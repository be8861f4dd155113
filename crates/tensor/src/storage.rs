//! Storage: the memory that a tensor and its views share, its version counter, and the guards that
//! keep safe code free of data races.
//!
//! Every access to the bytes holds the storage's lock, shared to read and exclusive to write. An op
//! takes all its locks at once in address order ([`lock`]), so two threads cannot lock each other
//! out. A fresh output, which nobody else has seen, needs none.

use crate::alloc::Block;
use crate::backend::backend_of;
use crate::{Device, Error, ErrorKind, Result, Tensor};
use parking_lot::Mutex;
use parking_lot::RawRwLock;
use parking_lot::lock_api::{RawRwLock as _, RawRwLockRecursive as _};
use std::any::Any;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU32};

/// Memory as a backend gives it.
pub enum Buffer {
    /// Bytes of this process.
    Host(Block),
    /// None at all: the meta device's.
    Meta,
    /// What another backend keeps; only that backend looks inside.
    Device(Box<dyn Any + Send + Sync>),
}

/// Shared ownership of a block of memory.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    lock: RawRwLock,
    version: AtomicU32,
    device: Device,
    bytes: usize,
    buffer: Buffer,
    writer: Mutex<Option<Writer>>,
}

/// The in-place op that wrote last, for the error message of a backward that needed the old value.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Its name, with PyTorch's underscore.
    pub op: &'static str,
    /// Where it was called.
    pub at: &'static Location<'static>,
}

impl Storage {
    /// `bytes` bytes on `device`, of any content.
    #[track_caller]
    pub fn new(op: &'static str, device: Device, bytes: usize) -> Result<Storage> {
        let no_memory = |why: String| Error::new(ErrorKind::Memory, op, why);
        let buffer = match device {
            Device::Cpu => Buffer::Host(
                Block::new(bytes)
                    .ok_or_else(|| no_memory(format!("the system has no {bytes} bytes for the result")))?,
            ),
            Device::Meta => Buffer::Meta,
            other => match backend_of(other) {
                Some(backend) => backend.allocate(other, bytes)?,
                None => return Err(Error::new(ErrorKind::Device, op, format!("no backend for {other} is registered"))),
            },
        };
        Ok(Storage::from_buffer(device, bytes, buffer))
    }

    /// A storage of `bytes` bytes that `buffer` holds.
    pub fn from_buffer(device: Device, bytes: usize, buffer: Buffer) -> Storage {
        let (lock, version, writer) = (RawRwLock::INIT, AtomicU32::new(0), Mutex::new(None));
        Storage(Arc::new(Inner { lock, version, device, bytes, buffer, writer }))
    }

    /// Where it is.
    #[inline]
    pub fn device(&self) -> Device {
        self.0.device
    }

    /// Its size in bytes.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// What the backend gave.
    pub fn buffer(&self) -> &Buffer {
        &self.0.buffer
    }

    /// How often an in-place op wrote to it.
    #[inline]
    pub fn version(&self) -> u32 {
        self.0.version.load(atomic::Ordering::Acquire)
    }

    /// Who wrote last.
    pub fn writer(&self) -> Option<Writer> {
        *self.0.writer.lock()
    }

    /// Notes that `op` wrote in place.
    pub fn bump(&self, op: &'static str, at: &'static Location<'static>) {
        *self.0.writer.lock() = Some(Writer { op, at });
        self.0.version.fetch_add(1, atomic::Ordering::AcqRel);
    }

    /// True where this is the only handle.
    pub fn is_sole_owner(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// True where both are the same memory.
    #[inline]
    pub fn is(&self, other: &Storage) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// An address that is the storage's own as long as it lives.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// The first byte of a CPU storage. Reading and writing there needs a guard.
    #[inline]
    pub(crate) fn host_ptr(&self) -> *mut u8 {
        match &self.0.buffer {
            Buffer::Host(block) => block.as_ptr(),
            _ => std::ptr::null_mut(),
        }
    }
}

thread_local! {
    /// Storages that this thread's user holds a slice of: an op that wants to write there must not wait
    /// for its own thread.
    static HELD: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Held<'a> {
    inner: &'a Inner,
    write: bool,
}

/// Locks on some storages, given back on drop.
pub struct Guard<'a> {
    /// In address order; `many` where these are not enough.
    few: [Option<Held<'a>>; 3],
    many: Vec<Held<'a>>,
    /// How many of them are locked so far.
    locked: usize,
}

/// Locks the storages of `reads` to read and those of `writes` to write, in address order.
///
/// # Errors
/// Where this thread itself holds a slice of one of them that stands in the way.
#[track_caller]
pub fn lock<'a>(op: &'static str, reads: &[&'a Tensor], writes: &[&'a Tensor]) -> Result<Guard<'a>> {
    let mut guard = Guard { few: [None; 3], many: Vec::new(), locked: 0 };
    match (reads, writes) {
        // Most ops read one or two tensors and write what nobody else has seen.
        ([], []) => return Ok(guard),
        ([a], []) => guard.few[0] = Some(Held::new(a, false)),
        ([a, b], []) => {
            let (a, b) = (Held::new(a, false), Held::new(b, false));
            guard.few = match address(&a).cmp(&address(&b)) {
                Ordering::Less => [Some(a), Some(b), None],
                Ordering::Equal => [Some(a), None, None],
                Ordering::Greater => [Some(b), Some(a), None],
            };
        }
        _ if reads.len() + writes.len() <= guard.few.len() => {
            writes.iter().for_each(|t| guard.insert(Held::new(t, true)));
            reads.iter().for_each(|t| guard.insert(Held::new(t, false)));
        }
        _ => {
            guard.many.extend(writes.iter().map(|t| Held::new(t, true)));
            guard.many.extend(reads.iter().map(|t| Held::new(t, false)));
            // A storage's first entry is the one that writes, if any does.
            guard.many.sort_unstable_by_key(|h| (address(h), !h.write));
            guard.many.dedup_by_key(|h| address(h));
        }
    }
    while let Some(held) = guard.held(guard.locked) {
        acquire(op, held.inner, held.write)?;
        guard.locked += 1;
    }
    Ok(guard)
}

impl<'a> Held<'a> {
    #[inline]
    fn new(t: &'a Tensor, write: bool) -> Held<'a> {
        Held { inner: &t.storage().0, write }
    }
}

#[inline]
fn address(held: &Held<'_>) -> usize {
    held.inner as *const Inner as usize
}

#[inline]
#[track_caller]
fn acquire(op: &'static str, inner: &Inner, write: bool) -> Result<()> {
    let got = if write { inner.lock.try_lock_exclusive() } else { inner.lock.try_lock_shared_recursive() };
    if got { Ok(()) } else { acquire_slowly(op, inner, write) }
}

#[cold]
#[track_caller]
fn acquire_slowly(op: &'static str, inner: &Inner, write: bool) -> Result<()> {
    let own = HELD.with(|held| held.borrow().iter().any(|h| h.0 == inner as *const Inner as usize && (write || h.1)));
    if own {
        let message =
            "this thread holds a slice of the tensor's data (`data()` or `data_mut()`); drop it before the op";
        return Err(Error::new(ErrorKind::Argument, op, message));
    }
    if write {
        inner.lock.lock_exclusive()
    } else {
        inner.lock.lock_shared_recursive()
    }
    Ok(())
}

impl<'a> Guard<'a> {
    /// Puts a storage in its place among the few, which have room.
    #[inline]
    fn insert(&mut self, mut next: Held<'a>) {
        for place in &mut self.few {
            match place {
                None => return *place = Some(next),
                Some(there) if address(there) == address(&next) => return there.write |= next.write,
                Some(there) if address(there) > address(&next) => std::mem::swap(there, &mut next),
                Some(_) => {}
            }
        }
    }

    #[inline(always)]
    fn held(&self, i: usize) -> Option<Held<'a>> {
        if self.many.is_empty() { self.few.get(i).copied().flatten() } else { self.many.get(i).copied() }
    }

    fn all(&self) -> impl Iterator<Item = Held<'a>> {
        (0..self.locked).filter_map(|i| self.held(i))
    }

    /// Notes that the thread's user holds these, until [`UserGuard`] is dropped.
    pub(crate) fn for_user(self) -> Self {
        HELD.with(|held| held.borrow_mut().extend(self.all().map(|h| (address(&h), h.write))));
        self
    }

    pub(crate) fn from_user(&self) {
        let _ = HELD.try_with(|held| {
            for h in self.all() {
                let key = (address(&h), h.write);
                let mut held = held.borrow_mut();
                if let Some(at) = held.iter().position(|k| *k == key) {
                    held.swap_remove(at);
                }
            }
        });
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut next = 0;
        while next < self.locked {
            let Some(h) = self.held(next) else { return };
            next += 1;
            // SAFETY: `acquire` took this lock in this mode, and the guard gives it back once.
            unsafe { if h.write { h.inner.lock.unlock_exclusive() } else { h.inner.lock.unlock_shared() } }
        }
    }
}
