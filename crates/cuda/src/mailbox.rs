//! What kernels report beside their results: numbers of an index that are out of range, and divisions by zero.
//!
//! The mailbox is page-locked memory of the host, one for each device. A kernel that meets a wrong number leaves it there
//! and goes on with 0; the next call that waits for the device tells it. The device stays usable.

use crate::context::Gpu;
use crate::driver::check;
use cudarc::driver::sys;
use flambeau_tensor::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// As kernels have it.
#[repr(C)]
struct Mail {
    /// 0 where there is nothing, 1 while a kernel writes, 2 when it is done.
    taken: AtomicU32,
    call: AtomicU32,
    number: AtomicI64,
    dim: AtomicI64,
    size: AtomicI64,
}

/// A place in the program from which a kernel with an index was called.
type Call = (&'static str, &'static Location<'static>);

#[derive(Default)]
pub(crate) struct Mailbox {
    /// The address, on the host and on the device.
    memory: OnceLock<usize>,
    /// Places by their numbers.
    calls: Mutex<Vec<Call>>,
}

impl Mailbox {
    /// Where kernels write, and the number of a call.
    pub fn of(&self, gpu: &Gpu, op: &'static str, at: &'static Location<'static>) -> Result<(u64, u32)> {
        let memory = match self.memory.get() {
            Some(memory) => *memory,
            None => self.open(gpu)?,
        };
        let mut calls = self.calls.lock();
        let known = calls.iter().position(|call| call.0 == op && call.1 == at);
        let call = known.unwrap_or_else(|| {
            calls.push((op, at));
            calls.len() - 1
        });
        Ok((memory as u64, call as u32))
    }

    #[cold]
    fn open(&self, gpu: &Gpu) -> Result<usize> {
        gpu.enter()?;
        // Held while it is made: there is one.
        let _calls = self.calls.lock();
        if let Some(memory) = self.memory.get() {
            return Ok(*memory);
        }
        let mut pointer = std::ptr::null_mut();
        // SAFETY: `pointer` may be written.
        unsafe { check("cuda", sys::cuMemHostAlloc(&mut pointer, size_of::<Mail>(), sys::CU_MEMHOSTALLOC_PORTABLE))? };
        // SAFETY: so many bytes of a fresh allocation, aligned to a page.
        unsafe { std::ptr::write_bytes(pointer.cast::<u8>(), 0, size_of::<Mail>()) };
        Ok(*self.memory.get_or_init(|| pointer as usize))
    }

    /// What was found since the last look.
    pub fn look(&self) -> Result<()> {
        let Some(memory) = self.memory.get() else { return Ok(()) };
        // SAFETY: never given back; atomics of a `repr(C)` struct that began as zeros, which kernels write as words.
        let mail = unsafe { &*(*memory as *const Mail) };
        if mail.taken.load(Ordering::Acquire) != 2 {
            return Ok(());
        }
        let read = |field: &AtomicI64| field.load(Ordering::Relaxed);
        let (number, dim, size) = (read(&mail.number), read(&mail.dim), read(&mail.size));
        let call = self.calls.lock().get(mail.call.load(Ordering::Relaxed) as usize).copied();
        mail.taken.store(0, Ordering::Release);
        // A division has no dimension.
        let (kind, message) = match dim {
            -1 => (ErrorKind::Argument, "integer division by zero".to_string()),
            _ => (ErrorKind::Index, format!("index {number} is out of range for dimension {dim} of size {size}")),
        };
        Err(match call {
            Some((op, at)) => Error::new(kind, op, message).queued_at(at),
            None => Error::new(kind, "cuda", message),
        })
    }
}
