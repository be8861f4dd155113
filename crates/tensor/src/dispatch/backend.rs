//! What a device must be able to do ([`Backend`]), and the table of the kinds of device there are.
//!
//! # The contract
//!
//! A device may work behind the program's back. [`run`](Backend::run) *queues* an op on the stream that is the
//! thread's own and returns; the dispatcher holds the operands' locks for just as long, so the order of locks is
//! the order of work. What is queued on a storage is written down with it ([`Use`]), and whoever needs the storage
//! next looks there:
//!
//! - the same stream: nothing to do, a stream runs in order;
//! - another stream: the backend makes it wait for the uses that stand in the way (a reader for the writer, a
//!   writer for everybody);
//! - the host, which reads or writes memory of its own that the device copies from or to: the lock on that memory
//!   waits first ([`Backend::wait`]), so safe code never sees a copy half done;
//! - the next owner of a block: storages are kept whole for reuse, their uses with them.
//!
//! A fault that shows late is the `Err` of the next call that waits; it names the op and the user's line.
//!
//! An op that a backend has no kernel for is answered with [`Ran::Lacking`]: the dispatcher runs the op's
//! decomposition instead, or says which op lacks on which device.

use crate::op::Op;
use crate::random::DeviceGenerator;
use crate::storage::{Memory, Use};
use crate::{Device, Error, ErrorKind, Result, Tensor, ensure};
use parking_lot::Mutex;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

/// An op with its operands, ready to run.
///
/// Shapes, dtypes and devices are checked and outputs allocated. An output is contiguous unless the op is
/// elementwise (see [`Op::is_elementwise`]), where it may be any layout without overlap, and may be one of the inputs
/// itself.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// The op.
    pub op: &'a Op,
    /// What it reads.
    pub inputs: &'a [&'a Tensor],
    /// What it fills.
    pub outputs: &'a [&'a Tensor],
    /// The user's line, for a fault that shows late.
    pub at: &'static Location<'static>,
}

/// What became of an op given to a [`Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It ran, or will, in the order of its stream.
    Queued,
    /// The backend has no kernel for it; nothing was done.
    Lacking,
}

/// One kind of device: memory and kernels. See the [module](self) for the contract.
pub trait Backend: Send + Sync {
    /// How many devices of the kind there are: their indices lie below.
    fn device_count(&self) -> u32 {
        1
    }

    /// `bytes` bytes on `device`, of any content.
    ///
    /// # Errors
    /// Where the device has no room; the dispatcher then empties its cache and asks again.
    fn allocate(&self, device: Device, bytes: usize) -> Result<Memory>;

    /// Queues an op.
    ///
    /// # Safety
    /// `work` is as [`Work`] says; input storages are locked to read, and an output's to write unless it is fresh. A
    /// backend may rely on it.
    ///
    /// # Errors
    /// Where it cannot be queued, or an earlier fault has shown. Nothing is written then.
    unsafe fn run(&self, work: Work<'_>) -> Result<Ran>;

    /// Fills `to` from `from`, a tensor in host memory of the same shape and dtype. With `non_blocking` it may return
    /// before that is done where `from` is page-locked, with the use written down at both storages.
    ///
    /// # Safety
    /// Both are contiguous; `from` is locked to read, `to` is on this backend's device and fresh or locked to write.
    ///
    /// # Errors
    /// As [`run`](Backend::run).
    unsafe fn upload(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()>;

    /// Fills `to`, a tensor in host memory, from `from`, of the same shape and dtype. With `non_blocking` it may
    /// return before that is done, with the use written down at both storages.
    ///
    /// # Safety
    /// Both are contiguous; `from` is on this backend's device and locked to read, `to` is fresh.
    ///
    /// # Errors
    /// As [`run`](Backend::run), and where `from` has no data.
    unsafe fn download(&self, from: &Tensor, to: &Tensor, non_blocking: bool) -> Result<()>;

    /// Queues a copy between two devices of this kind; [`Ran::Lacking`] has it go by way of the host.
    ///
    /// # Safety
    /// Both are contiguous, of one shape and dtype; `from` is locked to read, `to` is fresh.
    ///
    /// # Errors
    /// As [`run`](Backend::run).
    unsafe fn copy(&self, _from: &Tensor, _to: &Tensor) -> Result<Ran> {
        Ok(Ran::Lacking)
    }

    /// Host memory that the device copies from and to without the processor: page-locked.
    ///
    /// # Errors
    /// Where there is no such thing, or no room.
    fn allocate_pinned(&self, _bytes: usize) -> Result<Memory> {
        Err(Error::new(ErrorKind::Unsupported, "pin_memory", "this backend has no page-locked host memory"))
    }

    /// The engine that `device` draws random numbers from, seeded with `seed`; kernels find it in the op's generator, or
    /// in [`default_generator_of`](crate::random::default_generator_of) the device. `None` where the device draws from
    /// the host's Mersenne Twister.
    fn generator(&self, _device: Device, _seed: u64) -> Option<Arc<dyn DeviceGenerator>> {
        None
    }

    /// Waits until one use of a storage is over.
    ///
    /// # Errors
    /// The first fault of anything up to it.
    fn wait(&self, _pending: &Use) -> Result<()> {
        Ok(())
    }

    /// Waits until all that is queued on `device` is over.
    ///
    /// # Errors
    /// The first fault that has not been told yet.
    fn synchronize(&self, _device: Device) -> Result<()> {
        Ok(())
    }
}

/// A kind of device that a backend was registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceKind(u8);

/// CUDA's place in the table: its devices have a name of their own.
const CUDA: DeviceKind = DeviceKind(0);
const KINDS: usize = 16;

struct Registered {
    name: &'static str,
    backend: Box<dyn Backend>,
}

static TABLE: [OnceLock<Registered>; KINDS] = [const { OnceLock::new() }; KINDS];
/// How many places beyond CUDA's are taken; held while one is being taken.
static TAKEN: Mutex<u8> = Mutex::new(0);

impl DeviceKind {
    /// The name it was registered under.
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].get().map_or("cuda", |r| r.name)
    }

    /// The device of this kind with this index.
    pub fn device(self, index: u32) -> Device {
        if self == CUDA { Device::Cuda(index) } else { Device::Other(self, index) }
    }
}

/// The backend that serves `device`, if there is one.
#[inline]
pub fn backend_of(device: Device) -> Option<&'static dyn Backend> {
    let kind = match device {
        Device::Cpu => return Some(&crate::cpu::CpuBackend),
        Device::Meta => return Some(&crate::dispatch::meta::MetaBackend),
        Device::Cuda(_) => CUDA,
        Device::Other(kind, _) => kind,
    };
    TABLE[usize::from(kind.0)].get().map(|r| &*r.backend)
}

/// The backend that serves `device`.
///
/// # Errors
/// Where this program has none.
#[inline]
#[track_caller]
pub(crate) fn backend_for(op: &'static str, device: Device) -> Result<&'static dyn Backend> {
    match backend_of(device) {
        Some(backend) => Ok(backend),
        None => Err(none_for(op, device)),
    }
}

#[cold]
#[track_caller]
fn none_for(op: &'static str, device: Device) -> Error {
    Error::new(ErrorKind::Device, op, format!("this program has no backend for {device}"))
}

/// Makes `backend` serve the devices called `name`: `cuda`, or a kind of one's own.
///
/// # Errors
/// Where the name is taken, or sixteen kinds are registered.
#[track_caller]
pub fn register_backend(name: &'static str, backend: Box<dyn Backend>) -> Result<DeviceKind> {
    let op = "register_backend";
    let mut taken = TAKEN.lock();
    let known = TABLE.iter().filter_map(OnceLock::get).any(|r| r.name == name);
    ensure!(!known && !["cpu", "meta", ""].contains(&name), Argument, op, "there is a backend called `{name}` already");
    let kind = if name == "cuda" {
        CUDA
    } else {
        ensure!(usize::from(*taken) + 1 < KINDS, Argument, op, "no more than {} kinds of device fit", KINDS - 1);
        *taken += 1;
        DeviceKind(*taken)
    };
    let free = TABLE[usize::from(kind.0)].set(Registered { name, backend }).is_ok();
    ensure!(free, Argument, op, "there is a backend called `{name}` already");
    Ok(kind)
}

/// Waits until all that is queued on `device` is over: `torch.cuda.synchronize`.
///
/// # Errors
/// A fault of something queued before, with its op and the line it was called on; where the program has no such device.
#[track_caller]
pub fn synchronize(device: Device) -> Result<()> {
    backend_for("synchronize", device)?.synchronize(device)
}
