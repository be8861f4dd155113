//! NVIDIA GPUs: `torch.cuda`, on the driver alone.
//!
//! Building needs nothing but Rust, running nothing but the driver. The crate registers itself: where a program holds
//! it (feature `cuda` of `flambeau`), [`Device::cuda`] gives devices, and tensors move there with `to_device`.
//!
//! ```no_run
//! use flambeau_tensor::{Device, Tensor};
//!
//! let device = if flambeau_cuda::is_available() { Device::cuda(0)? } else { Device::Cpu };
//! let x = Tensor::ones([2, 3]).device(device).build()?;
//! assert_eq!(x.add(1.0)?.to_device(Device::Cpu)?.to_vec::<f32>()?, [2.0; 6]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! Ops run in order on a stream of the device, behind the program's back; what looks at values waits. What is not yet a
//! kernel runs by its decomposition, or on the host.

mod backend;
mod context;
mod driver;
mod event;
mod generator;
mod kernels;
mod mailbox;
mod module;
mod ops;
mod pinned;
mod pool;
mod stream;

pub use context::Properties;
pub use event::Event;
pub use module::{Function, KernelArg, LaunchConfig, Module};
pub use pool::MemoryStats;

use context::gpu;
use cudarc::driver::sys;
use driver::{Driver, driver};
use flambeau_tensor::random::{GeneratorState, default_generator_of};
use flambeau_tensor::{Device, Error, ErrorKind, Result, Tensor, ensure};

/// Registers the backend when the program starts. It only puts its name into a table: the driver is loaded by the first
/// call that needs it.
extern "C" fn register() {
    // Where somebody else has taken the name, theirs serves.
    let _ = flambeau_tensor::backend::register_backend("cuda", Box::new(backend::Cuda));
}

// SAFETY: an initialiser takes no arguments that it must have, and this one neither panics nor relies on others.
#[used]
#[cfg_attr(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    unsafe(link_section = ".init_array")
)]
#[cfg_attr(target_os = "windows", unsafe(link_section = ".CRT$XCU"))]
static REGISTER: extern "C" fn() = register;

/// True where there is a driver and a device: `torch.cuda.is_available`.
pub fn is_available() -> bool {
    device_count() > 0
}

/// How many devices there are, 0 without a driver: `torch.cuda.device_count`.
pub fn device_count() -> u32 {
    match driver() {
        Driver::Ready(count) => *count,
        Driver::Absent(_) => 0,
    }
}

/// The device `index`.
///
/// # Errors
/// Where there is no driver (the message says what was looked for), or no such device.
pub fn device(index: u32) -> Result<Device> {
    gpu(index).map(|gpu| Device::Cuda(gpu.index))
}

/// The ops that have run on the host because there is no kernel for them, or not for their dtype, and how often: each of
/// these waited for the device, and copied down and up.
pub fn host_ops() -> Vec<(&'static str, u64)> {
    ops::times()
}

/// The ops that have no kernel, by the names of their structs, with the reason: `pending` where there is to be one.
pub fn ops_without_kernel() -> &'static [(&'static str, &'static str)] {
    ops::WITHOUT_KERNEL
}

fn of(device: Device) -> Result<&'static context::Gpu> {
    match device {
        Device::Cuda(index) => gpu(index),
        other => Err(Error::new(ErrorKind::Device, "cuda", format!("{other} is no CUDA device"))),
    }
}

/// What a device is: `torch.cuda.get_device_properties`.
///
/// # Errors
/// Where there is no such device.
pub fn properties(device: Device) -> Result<Properties> {
    of(device).map(|gpu| gpu.properties.clone())
}

/// Waits until all that is queued on a device is over: `torch.cuda.synchronize`.
///
/// # Errors
/// A fault of something queued before, with the ops that were queued last.
pub fn synchronize(device: Device) -> Result<()> {
    of(device)?.synchronize()
}

/// How much memory of a device is in use: `torch.cuda.memory_stats`.
///
/// # Errors
/// Where there is no such device.
pub fn memory_stats(device: Device) -> Result<MemoryStats> {
    of(device).map(|gpu| gpu.pool.lock().stats())
}

/// Has the peaks start from what is in use now: `torch.cuda.reset_peak_memory_stats`.
///
/// # Errors
/// Where there is no such device.
pub fn reset_peak_memory_stats(device: Device) -> Result<()> {
    of(device).map(|gpu| gpu.pool.lock().reset_peaks())
}

/// Bytes of a device that are free and that there are, those of other programs among them: `torch.cuda.mem_get_info`.
///
/// # Errors
/// Where there is no such device.
pub fn mem_get_info(device: Device) -> Result<(usize, usize)> {
    let gpu = of(device)?;
    gpu.enter()?;
    Ok((pool::free_memory(), gpu.properties.memory))
}

/// Has this program take no more than `fraction` of a device's memory from the driver; beyond it is what a full device is:
/// `torch.cuda.set_per_process_memory_fraction`.
///
/// # Errors
/// Where there is no such device, or `fraction` is not in 0 to 1.
pub fn set_per_process_memory_fraction(fraction: f64, device: Device) -> Result<()> {
    let op = "set_per_process_memory_fraction";
    ensure!((0.0..=1.0).contains(&fraction), Argument, op, "fraction = {fraction} is not in 0 to 1");
    of(device).map(|gpu| gpu.pool.lock().limit = Some((gpu.properties.memory as f64 * fraction) as usize))
}

/// Can `device` read and write memory of `peer` itself? `torch.cuda.can_device_access_peer`.
///
/// # Errors
/// Where there is no such device.
pub fn can_device_access_peer(device: Device, peer: Device) -> Result<bool> {
    let (here, there, mut can) = (of(device)?.index as i32, of(peer)?.index as i32, 0);
    // SAFETY: `can` may be written; the numbers are those of devices.
    unsafe { driver::check("cuda", sys::cuDeviceCanAccessPeer(&mut can, here, there))? };
    Ok(can != 0)
}

/// Does a device's allocator keep memory for others? Else a block is taken from the driver, and given back to it: slow, and
/// what a checker of memory wants to see. `torch.cuda.caching_allocator_enable`, for one device. What tensors keep for each
/// other is apart from this: [`set_cache_limit`] of 0 has them keep nothing.
///
/// [`set_cache_limit`]: flambeau_tensor::alloc::set_cache_limit
///
/// # Errors
/// Where there is no such device.
pub fn caching_allocator_enable(device: Device, value: bool) -> Result<()> {
    of(device).map(|gpu| gpu.pool.lock().uncached = !value)
}

/// Gives memory back to the driver that no tensor uses: `torch.cuda.empty_cache`.
///
/// # Errors
/// Where there is no such device, or a fault shows.
pub fn empty_cache(device: Device) -> Result<()> {
    let gpu = of(device)?;
    // What tensors keep for each other is memory of the pool's.
    flambeau_tensor::alloc::empty_cache();
    gpu.enter()?;
    gpu.pool.lock().empty()
}

/// Has a device's default generator start anew from `seed`: `torch.cuda.manual_seed`. [`manual_seed`] of the tensor crate
/// does so with those of all devices.
///
/// [`manual_seed`]: flambeau_tensor::manual_seed
///
/// # Errors
/// Where there is no such device.
pub fn manual_seed(device: Device, seed: u64) -> Result<()> {
    default_generator_of(of(device)?.device()).map(|generator| generator.manual_seed(seed))
}

/// The seed that a device's default generator was last given: `torch.cuda.initial_seed`.
///
/// # Errors
/// Where there is no such device.
pub fn initial_seed(device: Device) -> Result<u64> {
    default_generator_of(of(device)?.device()).map(|generator| generator.initial_seed())
}

/// The state of a device's default generator, `u8 [16]` on the host, of the form of PyTorch's: `torch.cuda.get_rng_state`.
///
/// # Errors
/// Where there is no such device.
pub fn get_rng_state(device: Device) -> Result<Tensor> {
    let bytes = default_generator_of(of(device)?.device())?.get_state().to_bytes();
    let len = bytes.len();
    Tensor::from_vec(bytes, len)
}

/// Puts a device's default generator into `state`, which [`get_rng_state`] or PyTorch's function of that name gave:
/// `torch.cuda.set_rng_state`.
///
/// # Errors
/// Where there is no such device, or `state` is not `u8 [16]`, or its offset no multiple of 4.
pub fn set_rng_state(state: &Tensor, device: Device) -> Result<()> {
    let generator = default_generator_of(of(device)?.device())?;
    generator.set_state(&GeneratorState::of_device(state.to_vec::<u8>()?))
}

/// A stream of a device: what is queued there runs in order, and beside other streams. It lives as long as the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    device: Device,
    number: u32,
}

impl Stream {
    /// A new stream: `torch.cuda.Stream`.
    ///
    /// # Errors
    /// Where there is no such device.
    pub fn new(device: Device) -> Result<Stream> {
        Ok(Stream { device, number: of(device)?.add_queue()? })
    }

    /// The thread's stream of a device: `torch.cuda.current_stream`.
    ///
    /// # Errors
    /// Where there is no such device.
    pub fn current(device: Device) -> Result<Stream> {
        Ok(Stream { device, number: of(device)?.queue().number() })
    }

    /// Is all that is queued there over? `Stream.query`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn query(self) -> Result<bool> {
        let gpu = of(self.device)?;
        gpu.enter()?;
        gpu.queue_of(self.number).map_or(Ok(true), |queue| queue.query())
    }

    /// Waits until all that is queued there is over.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn synchronize(self) -> Result<()> {
        let gpu = of(self.device)?;
        gpu.enter()?;
        gpu.queue_of(self.number).map_or(Ok(()), |queue| queue.settle())
    }
}

/// Runs `f` with its ops for the stream's device on that stream: `torch.cuda.stream`. Between streams, ops wait for
/// what their operands need.
///
/// # Errors
/// Where the device is gone.
pub fn with_stream<R>(stream: Stream, f: impl FnOnce() -> R) -> Result<R> {
    Ok(of(stream.device)?.with_queue(stream.number, f))
}
