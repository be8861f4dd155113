//! A device: its context, what it can do, its streams and its memory.

use crate::driver::{Driver, check, driver};
use crate::mailbox::Mailbox;
use crate::pool::Pool;
use crate::stream::Queue;
use cudarc::driver::sys;
use flambeau_tensor::{Device, Error, ErrorKind, Result};
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::fmt;
use std::sync::OnceLock;

/// No program has more devices.
pub(crate) const MOST: usize = 16;

/// What a device is: `torch.cuda.get_device_properties`.
#[derive(Clone, Debug)]
pub struct Properties {
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: (u32, u32),
    /// Bytes of memory.
    pub memory: usize,
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Threads that one of them holds.
    pub threads_per_multiprocessor: u32,
}

/// A device of this process.
pub(crate) struct Gpu {
    pub index: u32,
    context: usize,
    pub properties: Properties,
    pub pool: Mutex<Pool>,
    pub mailbox: Mailbox,
    /// Its own stream, number 0.
    own: &'static Queue,
    /// All streams, by their numbers; they stay for good.
    queues: RwLock<Vec<&'static Queue>>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device())
    }
}

static GPUS: [OnceLock<Result<Gpu, (ErrorKind, String)>>; MOST] = [const { OnceLock::new() }; MOST];

thread_local! {
    /// The device whose context is the thread's.
    static CURRENT: Cell<Option<u32>> = const { Cell::new(None) };
    /// The number of the thread's stream on each device.
    static STREAMS: Cell<[u32; MOST]> = const { Cell::new([0; MOST]) };
}

/// The device `index`, started by the first call.
///
/// # Errors
/// Where there is no driver or no such device.
pub(crate) fn gpu(index: u32) -> Result<&'static Gpu> {
    let count = match driver() {
        Driver::Ready(count) => (*count).min(MOST as u32),
        Driver::Absent(why) => return Err(Error::new(ErrorKind::Device, "cuda", why.clone())),
    };
    if index >= count {
        let message = format!("there are {count} CUDA devices, cuda:{index} is not among them");
        return Err(Error::new(ErrorKind::Device, "cuda", message));
    }
    let start = || Gpu::start(index).map_err(|e| (e.kind(), e.message().to_string()));
    let started = GPUS[index as usize].get_or_init(start);
    started.as_ref().map_err(|(kind, message)| Error::new(*kind, "cuda", message.clone()))
}

/// Those devices that were started.
pub(crate) fn started() -> impl Iterator<Item = &'static Gpu> {
    GPUS.iter().filter_map(|gpu| gpu.get()?.as_ref().ok())
}

impl Gpu {
    fn start(index: u32) -> Result<Gpu> {
        let (op, mut device, mut context) = ("cuda", 0, std::ptr::null_mut());
        let mut name = [0; 256];
        let mut memory = 0;
        // SAFETY: every place that is given may be written, and is as large as is said.
        unsafe {
            check(op, sys::cuDeviceGet(&mut device, index as c_int))?;
            check(op, sys::cuDevicePrimaryCtxRetain(&mut context, device))?;
            check(op, sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int, device))?;
            check(op, sys::cuDeviceTotalMem_v2(&mut memory, device))?;
            check(op, sys::cuCtxSetCurrent(context))?;
        }
        CURRENT.set(Some(index));
        let attribute = |which| -> Result<u32> {
            let mut value = 0;
            // SAFETY: `value` may be written.
            unsafe { check(op, sys::cuDeviceGetAttribute(&mut value, which, device))? };
            Ok(value as u32)
        };
        use sys::CUdevice_attribute as Of;
        let properties = Properties {
            // SAFETY: the driver ends the name with a zero.
            name: unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned(),
            capability: (
                attribute(Of::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                attribute(Of::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
            ),
            memory,
            multiprocessors: attribute(Of::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            threads_per_multiprocessor: attribute(Of::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?,
        };
        let own: &Queue = Box::leak(Box::new(Queue::new(index, 0)?));
        Ok(Gpu {
            index,
            context: context as usize,
            properties,
            pool: Mutex::default(),
            mailbox: Mailbox::default(),
            own,
            queues: RwLock::new(vec![own]),
        })
    }

    /// The name by which the tensor crate knows it.
    pub fn device(&self) -> Device {
        Device::Cuda(self.index)
    }

    /// Makes the device's context the thread's.
    #[inline]
    pub fn enter(&self) -> Result<()> {
        if CURRENT.get() == Some(self.index) {
            return Ok(());
        }
        // SAFETY: a context that is never given back.
        unsafe { check("cuda", sys::cuCtxSetCurrent(self.context()))? };
        CURRENT.set(Some(self.index));
        Ok(())
    }

    pub fn context(&self) -> sys::CUcontext {
        self.context as sys::CUcontext
    }

    /// The thread's stream on the device.
    #[inline]
    pub fn queue(&self) -> &'static Queue {
        match STREAMS.get()[self.index as usize] {
            0 => self.own,
            number => self.queue_of(number).unwrap_or(self.own),
        }
    }

    /// The stream of this number.
    pub fn queue_of(&self, number: u32) -> Option<&'static Queue> {
        self.queues.read().get(number as usize).copied()
    }

    /// Something of each stream that has had work: a number and a ticket.
    pub fn each_queue(&self, f: impl Fn(&Queue) -> (u64, u64)) -> SmallVec<[(u64, u64); 1]> {
        self.queues.read().iter().map(|queue| f(queue)).filter(|(_, ticket)| *ticket > 0).collect()
    }

    pub fn queues(&self) -> Vec<&'static Queue> {
        self.queues.read().clone()
    }

    /// One more stream; it stays for good.
    pub fn add_queue(&self) -> Result<u32> {
        self.enter()?;
        let mut queues = self.queues.write();
        let number = queues.len() as u32;
        queues.push(Box::leak(Box::new(Queue::new(self.index, number)?)));
        Ok(number)
    }

    /// Runs `f` with the stream of this number as the thread's own.
    pub fn with_queue<R>(&self, number: u32, f: impl FnOnce() -> R) -> R {
        struct Back([u32; MOST]);
        impl Drop for Back {
            fn drop(&mut self) {
                STREAMS.set(self.0);
            }
        }
        let before = STREAMS.get();
        let _back = Back(before);
        let mut streams = before;
        streams[self.index as usize] = number;
        STREAMS.set(streams);
        f()
    }

    /// Waits until all that is queued on the device is over.
    pub fn synchronize(&self) -> Result<()> {
        self.enter()?;
        self.queues().iter().map(|queue| queue.settle()).fold(Ok(()), Result::and)
    }
}
