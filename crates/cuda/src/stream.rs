//! Streams: what is queued in which order, and who waits for whom.

use crate::context::{Gpu, gpu};
use crate::driver::{check, text};
use crate::pool::Block;
use cudarc::driver::sys;
use flambeau_tensor::backend::Work;
use flambeau_tensor::storage::{Memory, Storage, Use};
use flambeau_tensor::{Device, Error, ErrorKind, Result, Tensor};
use parking_lot::Mutex;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many of the last ops are named where a fault shows late.
const RECENT: usize = 4;

/// An op that was queued.
#[derive(Clone, Copy)]
struct Queued {
    name: &'static str,
    at: &'static Location<'static>,
}

/// The last ops, the oldest of which the next one replaces.
#[derive(Default)]
struct Recent {
    ops: [Option<Queued>; RECENT],
    next: usize,
}

impl Recent {
    #[inline]
    fn push(&mut self, op: Queued) {
        self.ops[self.next] = Some(op);
        self.next = (self.next + 1) % RECENT;
    }

    /// The last one first.
    fn iter(&self) -> impl Iterator<Item = &Queued> {
        let (new, old) = self.ops.split_at(self.next);
        new.iter().rev().chain(old.iter().rev()).flatten()
    }
}

/// A stream of a device.
pub(crate) struct Queue {
    device: u32,
    number: u32,
    handle: usize,
    /// Recorded behind what others are to wait for.
    event: Mutex<usize>,
    /// Tickets that were given, and that are known to be over.
    given: AtomicU64,
    over: AtomicU64,
    recent: Mutex<Recent>,
}

/// Does every op wait for its own end (`FLAMBEAU_CUDA_BLOCKING=1`)?
fn is_blocking() -> bool {
    static BLOCKING: OnceLock<bool> = OnceLock::new();
    *BLOCKING.get_or_init(|| std::env::var("FLAMBEAU_CUDA_BLOCKING").is_ok_and(|v| v != "0" && !v.is_empty()))
}

impl Queue {
    /// A stream of the device whose context is the thread's.
    pub fn new(device: u32, number: u32) -> Result<Queue> {
        let (mut stream, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // It does not wait for the default stream, which other libraries use; its event tells no time.
        let (plain, timeless) =
            (sys::CUstream_flags::CU_STREAM_NON_BLOCKING, sys::CUevent_flags::CU_EVENT_DISABLE_TIMING);
        // SAFETY: both places may be written.
        unsafe {
            check("cuda", sys::cuStreamCreate(&mut stream, plain as u32))?;
            check("cuda", sys::cuEventCreate(&mut event, timeless as u32))?;
        }
        Ok(Queue {
            device,
            number,
            handle: stream as usize,
            event: Mutex::new(event as usize),
            given: AtomicU64::new(0),
            over: AtomicU64::new(0),
            recent: Mutex::default(),
        })
    }

    pub fn handle(&self) -> sys::CUstream {
        self.handle as sys::CUstream
    }

    /// Its number among the device's.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Is all that was queued over?
    pub fn query(&self) -> Result<bool> {
        // SAFETY: the stream is never given back.
        match unsafe { sys::cuStreamQuery(self.handle()) } {
            sys::CUresult::CUDA_SUCCESS => Ok(true),
            sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            status => Err(self.fault(status)),
        }
    }

    /// The number by which the tensor crate knows it.
    pub fn id(&self) -> u64 {
        u64::from(self.device) << 32 | u64::from(self.number)
    }

    /// The ticket of what was queued last.
    pub fn last(&self) -> u64 {
        self.given.load(Ordering::Acquire)
    }

    pub fn is_over(&self, ticket: u64) -> bool {
        self.over.load(Ordering::Acquire) >= ticket
    }

    /// Has the host wait until `ticket` is over.
    pub fn wait(&self, ticket: u64) -> Result<()> {
        if self.is_over(ticket) { Ok(()) } else { self.settle() }
    }

    /// Has the host wait until all is over.
    pub fn settle(&self) -> Result<()> {
        let last = self.last();
        // SAFETY: the stream is never given back.
        let status = unsafe { sys::cuStreamSynchronize(self.handle()) };
        if status != sys::CUresult::CUDA_SUCCESS {
            return Err(self.fault(status));
        }
        self.over.fetch_max(last, Ordering::AcqRel);
        gpu(self.device)?.mailbox.look()
    }

    /// Has this stream wait for what is queued on `other` now.
    fn wait_for(&self, other: &Queue) -> Result<()> {
        let event = other.event.lock();
        // SAFETY: neither is ever given back; the lock keeps the record and the wait together.
        unsafe {
            check("cuda", sys::cuEventRecord(*event as sys::CUevent, other.handle()))?;
            check("cuda", sys::cuStreamWaitEvent(self.handle(), *event as sys::CUevent, 0))
        }
    }

    /// [`wait_for`](Queue::wait_for) the stream of this number, unless `ticket` on it is over.
    fn wait_for_ticket(&self, stream: u64, ticket: u64) -> Result<()> {
        let Some(other) = gpu((stream >> 32) as u32)?.queue_of(stream as u32) else { return Ok(()) };
        if other.is_over(ticket) { Ok(()) } else { self.wait_for(other) }
    }

    /// A fault that shows late, with the ops that were queued last.
    #[cold]
    fn fault(&self, status: sys::CUresult) -> Error {
        let recent = self.recent.lock();
        let list: Vec<String> =
            recent.iter().map(|q| format!("{} at {}:{}", q.name, q.at.file(), q.at.line())).collect();
        let message = format!("{}; queued last on cuda:{}: {}", text(status), self.device, list.join(", "));
        let hint = if is_blocking() { "" } else { "; FLAMBEAU_CUDA_BLOCKING=1 finds the one" };
        match recent.iter().next() {
            Some(last) => Error::new(ErrorKind::Device, last.name, message + hint).queued_at(last.at),
            None => Error::new(ErrorKind::Device, "cuda", text(status)),
        }
    }

    /// An error of something that was to be queued: a fault of what was queued before, if there is one.
    #[cold]
    fn blamed(&self, error: Error) -> Error {
        // SAFETY: the stream is never given back.
        match unsafe { sys::cuStreamQuery(self.handle()) } {
            sys::CUresult::CUDA_SUCCESS | sys::CUresult::CUDA_ERROR_NOT_READY => error,
            status => self.fault(status),
        }
    }

    fn remember(&self, name: &'static str, at: &'static Location<'static>) {
        self.recent.lock().push(Queued { name, at });
    }
}

/// Something that is to be queued.
pub(crate) struct Task<'a> {
    pub name: &'static str,
    /// The user's line; `None` for a copy that nobody has a line for, which is not told of either.
    pub at: Option<&'static Location<'static>>,
    pub reads: &'a [&'a Tensor],
    pub writes: &'a [&'a Tensor],
}

impl<'a> Task<'a> {
    /// An op, which reads its inputs and writes its outputs.
    pub fn of(work: &Work<'a>) -> Self {
        Task { name: work.op.name(), at: Some(work.at), reads: work.inputs, writes: work.outputs }
    }

    /// Calls `f` with each storage, and whether it is written.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(&Storage, bool) -> Result<()>) -> Result<()> {
        for t in self.reads {
            f(t.storage(), false)?;
        }
        for t in self.writes {
            f(t.storage(), true)?;
        }
        Ok(())
    }
}

/// The device's block behind a storage.
pub(crate) fn block_of(storage: &Storage) -> Option<&Block> {
    match storage.memory() {
        Memory::Device(memory) => memory.downcast_ref::<Block>(),
        _ => None,
    }
}

/// Queues `work` on the thread's stream, behind what stands in the way, and writes the uses down.
pub(crate) fn queue(gpu: &'static Gpu, task: &Task<'_>, work: impl FnOnce(&Queue) -> Result<()>) -> Result<Use> {
    gpu.enter()?;
    let queue = gpu.queue();
    let id = queue.id();
    task.each(|storage, writes| {
        storage.each_use_before(id, writes, |before| queue.wait_for_ticket(before.stream, before.ticket))?;
        // What the memory's last owner had queued.
        for (stream, ticket) in block_of(storage).map_or(&[][..], Block::after) {
            if *stream != id {
                queue.wait_for_ticket(*stream, *ticket)?;
            }
        }
        Ok(())
    })?;
    if let Some(at) = task.at {
        queue.remember(task.name, at);
    }
    work(queue).map_err(|error| queue.blamed(error))?;
    let ticket = queue.given.fetch_add(1, Ordering::AcqRel) + 1;
    let used = |writes| Use { device: Device::Cuda(gpu.index), stream: id, ticket, writes };
    task.each(|storage, writes| {
        storage.add_use(used(writes));
        Ok(())
    })?;
    if is_blocking() {
        queue.settle()?;
    }
    Ok(used(true))
}
