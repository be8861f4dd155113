//! Storage: the memory that a tensor and its views share, its version counter, and the guards that
//! keep safe code free of data races.
//!
//! Every access to the bytes holds the storage's lock, shared to read and exclusive to write. An op
//! takes all its locks at once in address order ([`lock`]), so two ops cannot lock each other
//! out. A fresh output, which nobody else has seen, needs none. Slices that users hold can: who waits for
//! one looks whether the wait can end (`waits`).

use crate::alloc::Block;
use crate::backend::backend_of;
use crate::waits::{self, Claim, Holder};
use crate::{Device, Result, Tensor};
use parking_lot::Mutex;
use parking_lot::RawRwLock;
use parking_lot::lock_api::{
    RawRwLock as _, RawRwLockRecursive as _, RawRwLockRecursiveTimed as _, RawRwLockTimed as _,
};
use smallvec::SmallVec;
use std::any::Any;
use std::panic::Location;
use std::sync::atomic::{self, AtomicBool, AtomicU32};
use triomphe::Arc;

/// Memory as a backend gives it.
pub enum Memory {
    /// Bytes of this process.
    Host(Block),
    /// None at all: the meta device's.
    None,
    /// What a backend keeps; only that backend looks inside.
    Device(Box<dyn Any + Send + Sync>),
}

/// Something queued on a device that uses a storage. See [`backend`](crate::backend) for who waits for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The device.
    pub device: Device,
    /// The stream it is queued on, by the backend's own number.
    pub stream: u64,
    /// Which of the things queued there, by the backend's own number; later ones have higher numbers.
    pub ticket: u64,
    /// It writes to the storage.
    pub writes: bool,
}

/// What is queued on a storage: a use by each stream to read, and one to write, as far as anybody must still know.
type Uses = SmallVec<[Use; 2]>;

/// Shared ownership of a block of memory.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    lock: RawRwLock,
    version: AtomicU32,
    device: Device,
    bytes: usize,
    capacity: usize,
    memory: Memory,
    writer: Mutex<Option<Writer>>,
    /// Are there uses?
    pending: AtomicBool,
    uses: Mutex<Uses>,
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
    /// A storage of `bytes` bytes in `memory`, which holds `capacity`.
    pub(crate) fn new(device: Device, bytes: usize, capacity: usize, memory: Memory) -> Storage {
        let (lock, version, writer) = (RawRwLock::INIT, AtomicU32::new(0), Mutex::new(None));
        let (pending, uses) = (AtomicBool::new(false), Mutex::new(Uses::new()));
        Storage(Arc::new(Inner { lock, version, device, bytes, capacity, memory, writer, pending, uses }))
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
    #[inline]
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// For a backend: calls `f` with what is queued on the storage by other streams than `stream` and stands in the way
    /// of a use that writes or reads it.
    ///
    /// # Errors
    /// The first of `f`'s.
    #[inline]
    pub fn each_use_before(&self, stream: u64, writes: bool, mut f: impl FnMut(Use) -> Result<()>) -> Result<()> {
        if !self.0.pending.load(atomic::Ordering::Acquire) {
            return Ok(());
        }
        for before in self.0.uses.lock().iter() {
            if before.stream != stream && (writes || before.writes) {
                f(*before)?;
            }
        }
        Ok(())
    }

    /// For a backend: writes down that `new` is queued. It stands for all earlier uses of its stream, and, where it
    /// writes, for all that it had to wait for.
    pub fn add_use(&self, new: Use) {
        let mut uses = self.0.uses.lock();
        if let [only] = &mut uses[..] {
            if only.stream == new.stream && only.device == new.device && (new.writes || !only.writes) {
                *only = new;
                return;
            }
        }
        uses.retain(|u| !(new.writes || u.stream == new.stream && u.device == new.device && !u.writes));
        uses.push(new);
        self.0.pending.store(true, atomic::Ordering::Release);
    }

    /// Waits until the host may look at its own memory again.
    #[cold]
    fn settle(inner: &Inner) -> Result<()> {
        // Held to the end: another thread that reads, too, must not go on before.
        let mut uses = inner.uses.lock();
        // All are waited for, whatever fails: the memory must be at rest.
        let wait = |u: Use| backend_of(u.device).map_or(Ok(()), |b| b.wait(&u));
        let result = uses.drain(..).map(wait).fold(Ok(()), Result::and);
        inner.pending.store(false, atomic::Ordering::Release);
        result
    }

    /// True for host memory that a backend page-locked.
    pub fn is_pinned(&self) -> bool {
        self.block().is_some_and(Block::is_pinned)
    }

    /// For the allocator: the size of its memory, of which it needs [`bytes`](Storage::bytes).
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity
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
        self.0.is_unique()
    }

    /// Makes it as new, of `bytes` bytes, which its block has; false where others hold it.
    #[inline]
    pub(crate) fn renew(&mut self, bytes: usize) -> bool {
        let Some(inner) = Arc::get_mut(&mut self.0) else { return false };
        // Nobody waits for the lock, but a guard that was forgotten has not given it back.
        (inner.lock, inner.version, inner.bytes) = (RawRwLock::INIT, AtomicU32::new(0), bytes);
        *inner.writer.get_mut() = None;
        true
    }

    /// The memory, where it is this process's.
    #[inline]
    pub(crate) fn block(&self) -> Option<&Block> {
        match &self.0.memory {
            Memory::Host(block) => Some(block),
            _ => None,
        }
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
        self.block().map_or(std::ptr::null_mut(), Block::as_ptr)
    }
}

#[derive(Clone, Copy)]
struct Held<'a> {
    inner: &'a Inner,
    write: bool,
}

/// Most ops lock so many storages at most.
const FEW: usize = 3;

/// Locks on some storages, given back on drop.
#[derive(Default)]
pub struct Guard<'a> {
    few: [Option<&'a Inner>; FEW],
    /// Bit `i`: the lock on `few[i]` is exclusive.
    writes: u8,
    /// How many of the few there are.
    count: usize,
    /// Those beyond the few.
    many: Vec<Held<'a>>,
    /// The thread that the user holds them on, where it is no op that does.
    user: Option<std::sync::Arc<Holder>>,
}

/// Locks the storages of `reads` to read and those of `writes` to write, in address order, until the guard is
/// dropped. An op on this thread that would need one of them otherwise is an error meanwhile, and other threads'
/// ops wait: drop the guard before this thread waits for another one in its turn.
///
/// # Errors
/// Where this thread itself holds a slice of one of them that stands in the way; where another thread does that
/// waits for what this one holds, or does not give it back within ten seconds.
#[track_caller]
pub fn lock<'a>(op: &'static str, reads: &[&'a Tensor], writes: &[&'a Tensor]) -> Result<Guard<'a>> {
    let mut guard = lock_for_op(op, reads, writes)?;
    guard.user = waits::own();
    if let Some(user) = &guard.user {
        user.take(guard.claims(op, Location::caller()));
    }
    Ok(guard)
}

/// [`lock`] for an op, which gives the locks back before it returns to the user.
#[track_caller]
pub(crate) fn lock_for_op<'a>(op: &'static str, reads: &[&'a Tensor], writes: &[&'a Tensor]) -> Result<Guard<'a>> {
    let mut guard = Guard::default();
    guard.lock_all(op, reads, writes)?;
    Ok(guard)
}

/// Puts a storage in its place, by address, among the few, which have room.
#[inline]
fn insert<'a>(few: &mut [Option<Held<'a>>; FEW], mut next: Held<'a>) {
    for place in few {
        match place {
            None => return *place = Some(next),
            Some(there) if std::ptr::eq(there.inner, next.inner) => return there.write |= next.write,
            Some(there) if address(there.inner) > address(next.inner) => std::mem::swap(there, &mut next),
            Some(_) => {}
        }
    }
}

#[inline]
fn address(inner: &Inner) -> usize {
    inner as *const Inner as usize
}

impl<'a> Guard<'a> {
    /// [`lock`], where the guard stands.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn lock_all(&mut self, op: &'static str, reads: &[&'a Tensor], writes: &[&'a Tensor]) -> Result<()> {
        let of = |t: &&'a Tensor| -> &'a Inner { &t.storage().0 };
        match (reads, writes) {
            // Most ops read one or two tensors and write what nobody else has seen.
            ([a], []) => self.lock(op, Held { inner: of(a), write: false })?,
            ([a, b], []) => {
                let (a, b) = (of(a), of(b));
                let (first, second) = if address(a) < address(b) { (a, b) } else { (b, a) };
                self.lock(op, Held { inner: first, write: false })?;
                if !std::ptr::eq(first, second) {
                    self.lock(op, Held { inner: second, write: false })?;
                }
            }
            // In place, and beside another tensor.
            ([.., a], [target]) if reads.len() <= 2 => {
                let (a, b, target) = (of(&reads[0]), of(a), of(target));
                match (std::ptr::eq(a, target), std::ptr::eq(b, target)) {
                    (true, true) => self.lock(op, Held { inner: target, write: true })?,
                    (true, false) => self.lock_both(op, b, target)?,
                    (false, true) => self.lock_both(op, a, target)?,
                    _ if std::ptr::eq(a, b) => self.lock_both(op, a, target)?,
                    _ => self.lock_any(op, reads, writes)?,
                }
            }
            _ => self.lock_any(op, reads, writes)?,
        }
        Ok(())
    }

    /// Locks `read` to read and `target`, which is another one, to write.
    #[inline]
    #[track_caller]
    fn lock_both(&mut self, op: &'static str, read: &'a Inner, target: &'a Inner) -> Result<()> {
        let (read, target) = (Held { inner: read, write: false }, Held { inner: target, write: true });
        let (first, second) = if address(read.inner) < address(target.inner) { (read, target) } else { (target, read) };
        self.lock(op, first)?;
        self.lock(op, second)
    }

    #[inline(never)]
    #[track_caller]
    fn lock_any(&mut self, op: &'static str, reads: &[&'a Tensor], writes: &[&'a Tensor]) -> Result<()> {
        let held = |t: &&'a Tensor, write| Held { inner: &t.storage().0, write };
        if reads.len() + writes.len() <= FEW {
            let mut few = [None; FEW];
            writes.iter().for_each(|t| insert(&mut few, held(t, true)));
            reads.iter().for_each(|t| insert(&mut few, held(t, false)));
            return few.into_iter().flatten().try_for_each(|held| self.lock(op, held));
        }
        let mut all: Vec<Held<'a>> = writes.iter().map(|t| held(t, true)).collect();
        all.extend(reads.iter().map(|t| held(t, false)));
        // A storage's first entry is the one that writes, if any does.
        all.sort_unstable_by_key(|h| (address(h.inner), !h.write));
        all.dedup_by_key(|h| address(h.inner));
        all.into_iter().try_for_each(|held| self.lock(op, held))
    }

    /// Locks one more storage.
    #[inline(always)]
    #[track_caller]
    fn lock(&mut self, op: &'static str, held: Held<'a>) -> Result<()> {
        let Held { inner, write } = held;
        let got = if write { inner.lock.try_lock_exclusive() } else { inner.lock.try_lock_shared_recursive() };
        if !got {
            self.lock_slowly(op, held)?;
        }
        // The host's own memory: what a device still copies from or to it comes first.
        if inner.pending.load(atomic::Ordering::Acquire) && inner.device == Device::Cpu {
            self.push(held);
            return Storage::settle(inner);
        }
        self.push(held);
        Ok(())
    }

    #[inline(always)]
    fn push(&mut self, held: Held<'a>) {
        let Held { inner, write } = held;
        if self.count < FEW {
            self.few[self.count] = Some(inner);
            self.writes |= u8::from(write) << self.count;
            self.count += 1;
        } else {
            self.many.push(held);
        }
    }

    #[cold]
    #[track_caller]
    fn lock_slowly(&self, op: &'static str, Held { inner, write }: Held<'a>) -> Result<()> {
        let at = Location::caller();
        let wanted = Claim { storage: address(inner), write, op, at };
        waits::wait(
            wanted,
            || self.claims(op, at).collect(),
            |time| {
                if write {
                    inner.lock.try_lock_exclusive_for(time)
                } else {
                    inner.lock.try_lock_shared_recursive_for(time)
                }
            },
        )
    }

    /// What it holds, for `op` at `at`.
    fn claims(&self, op: &'static str, at: &'static Location<'static>) -> impl Iterator<Item = Claim> {
        self.all().map(move |h| Claim { storage: address(h.inner), write: h.write, op, at })
    }

    #[inline(always)]
    fn few(&self, i: usize) -> Option<Held<'a>> {
        Some(Held { inner: (*self.few.get(i)?)?, write: self.writes >> i & 1 == 1 })
    }

    fn all(&self) -> impl Iterator<Item = Held<'a>> + '_ {
        (0..self.count).filter_map(|i| self.few(i)).chain(self.many.iter().copied())
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(user) = self.user.take() {
            self.all().for_each(|h| user.give_back(address(h.inner), h.write));
        }
        let unlock = |h: Held<'_>| {
            // SAFETY: `lock` took this lock in this mode, and the guard gives it back once.
            unsafe { if h.write { h.inner.lock.unlock_exclusive() } else { h.inner.lock.unlock_shared() } }
        };
        for i in 0..self.count {
            if let Some(held) = self.few(i) {
                unlock(held);
            }
        }
        for held in &self.many {
            unlock(*held);
        }
    }
}
