//! Kernels of one's own: PTX or machine code, loaded by the driver and launched on tensors.

use crate::backend::address_of;
use crate::context::Gpu;
use crate::driver::check;
use crate::of;
use crate::stream::{Task, queue};
use cudarc::driver::sys;
use flambeau_tensor::{Device, Result, Tensor, bail};
use std::ffi::{CString, c_void};
use std::panic::Location;
use std::sync::Arc;

/// Kernels of one's own on a device: what NVRTC, `nvcc` or `ptxas` made.
///
/// ```no_run
/// use flambeau_cuda::{KernelArg, LaunchConfig, Module};
/// use flambeau_tensor::storage::lock;
/// use flambeau_tensor::{Device, Tensor};
///
/// let device = Device::cuda(0)?;
/// // extern "C" __global__ void scale(float* out, const float* x, float by, unsigned n)
/// let module = Module::load(device, &std::fs::read("scale.ptx")?)?;
/// let scale = module.function("scale")?;
/// let x = Tensor::rand([1000]).device(device).build()?;
/// let y = Tensor::empty([1000]).device(device).build()?;
/// let guard = lock("scale", &[&x], &[&y])?;
/// let args = [KernelArg::Write(&y), KernelArg::Read(&x), KernelArg::F32(3.0), KernelArg::U32(1000)];
/// // SAFETY: these are the kernel's parameters, it stays within 1000 elements, and both tensors are locked.
/// unsafe { scale.launch(LaunchConfig::new([4, 1, 1], [256, 1, 1]), &args)? };
/// drop(guard);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Module(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    gpu: &'static Gpu,
    handle: usize,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // What is queued must not lose its code.
        if self.gpu.synchronize().is_ok() {
            // SAFETY: nobody has the module or a function of it any more.
            unsafe { sys::cuModuleUnload(self.handle as sys::CUmodule) };
        }
    }
}

/// A kernel of a [`Module`].
#[derive(Clone, Debug)]
pub struct Function {
    module: Module,
    name: &'static str,
    handle: usize,
}

/// How many threads a kernel has.
#[derive(Clone, Copy, Debug)]
pub struct LaunchConfig {
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
}

impl LaunchConfig {
    /// Blocks along x, y and z, and threads of each along x, y and z.
    pub fn new(grid: [u32; 3], block: [u32; 3]) -> LaunchConfig {
        LaunchConfig { grid, block, shared_bytes: 0 }
    }

    /// Bytes of shared memory beside what the kernel itself declares.
    #[must_use]
    pub fn shared_bytes(self, shared_bytes: u32) -> LaunchConfig {
        LaunchConfig { shared_bytes, ..self }
    }
}

/// A parameter of a kernel of one's own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KernelArg<'a> {
    /// The address of a tensor's first element, which the kernel reads.
    Read(&'a Tensor),
    /// The address of a tensor's first element, which the kernel writes, or reads and writes.
    Write(&'a Tensor),
    /// A number.
    I32(i32),
    /// A number.
    U32(u32),
    /// A number.
    I64(i64),
    /// A number.
    U64(u64),
    /// A number.
    F32(f32),
    /// A number.
    F64(f64),
}

impl Module {
    /// Loads `image`: PTX, which the driver compiles for the device, or machine code (a `cubin` or `fatbin`).
    ///
    /// # Errors
    /// Where it is neither, or does not fit the device.
    pub fn load(device: Device, image: &[u8]) -> Result<Module> {
        let (gpu, mut module) = (of(device)?, std::ptr::null_mut());
        gpu.enter()?;
        // Text must end with a zero, and nothing minds one behind it.
        let image = [image, &[0]].concat();
        // SAFETY: the image is there, and ends with a zero; `module` may be written.
        unsafe { check("Module::load", sys::cuModuleLoadData(&mut module, image.as_ptr().cast()))? };
        Ok(Module(Arc::new(Loaded { gpu, handle: module as usize })))
    }

    /// The kernel called `name`, as the image has it (`extern "C"` keeps C++ from mangling it).
    ///
    /// # Errors
    /// Where there is none.
    pub fn function(&self, name: &str) -> Result<Function> {
        let Ok(c_name) = CString::new(name) else { bail!(Argument, "Module::function", "{name:?} holds a zero") };
        self.0.gpu.enter()?;
        let (mut function, module) = (std::ptr::null_mut(), self.0.handle as sys::CUmodule);
        // SAFETY: the module is there, the name ends with a zero, `function` may be written.
        let found = unsafe { check("cuda", sys::cuModuleGetFunction(&mut function, module, c_name.as_ptr())) };
        if let Err(error) = found {
            bail!(Argument, "Module::function", "no kernel is called {name:?}: {}", error.message())
        }
        // A program has few, and errors that come late name them.
        let name = Box::leak(name.to_owned().into_boxed_str());
        Ok(Function { module: self.clone(), name, handle: function as usize })
    }
}

impl Function {
    /// Queues the kernel on the thread's stream, behind what the tensors wait for; whoever uses them next waits for it. A
    /// tensor that is written counts as changed in place, so that a backward pass that needs what it held says so.
    ///
    /// # Safety
    /// `args` are the kernel's parameters in number, order and size. It reads and writes no memory but that of these
    /// tensors, within their elements, and writes to those alone that are [`KernelArg::Write`]. Their storages are locked
    /// ([`storage::lock`](flambeau_tensor::storage::lock)), or this is called by [`CustomOp::device`], which has them
    /// locked.
    ///
    /// [`CustomOp::device`]: flambeau_tensor::custom::CustomOp::device
    ///
    /// # Errors
    /// Where a tensor is on another device, the launch is refused, or a fault of something queued before shows.
    #[track_caller]
    pub unsafe fn launch(&self, config: LaunchConfig, args: &[KernelArg<'_>]) -> Result<()> {
        let (gpu, at) = (self.module.0.gpu, Location::caller());
        let (mut reads, mut writes, mut values) = (Vec::new(), Vec::new(), Vec::with_capacity(args.len()));
        for arg in args {
            values.push(match *arg {
                KernelArg::Read(t) | KernelArg::Write(t) => {
                    if t.device() != gpu.device() {
                        bail!(Device, self.name, "a tensor is on {}, the kernel on {}", t.device(), gpu.device())
                    }
                    let written = matches!(arg, KernelArg::Write(_));
                    if written { &mut writes } else { &mut reads }.push(t);
                    address_of(t)?
                }
                KernelArg::I32(x) => u64::from(x as u32),
                KernelArg::U32(x) => x.into(),
                KernelArg::I64(x) => x as u64,
                KernelArg::U64(x) => x,
                KernelArg::F32(x) => x.to_bits().into(),
                KernelArg::F64(x) => x.to_bits(),
            });
        }
        // The lower bytes come first on every machine that has CUDA.
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|v| std::ptr::from_mut(v).cast()).collect();
        let task = Task { name: self.name, at: Some(at), reads: &reads, writes: &writes };
        let LaunchConfig { grid: [gx, gy, gz], block: [bx, by, bz], shared_bytes } = config;
        queue(gpu, &task, |queue| {
            let (function, none) = (self.handle as sys::CUfunction, std::ptr::null_mut());
            let (stream, list) = (queue.handle(), pointers.as_mut_ptr());
            // SAFETY: a pointer for each parameter, which the driver copies; the rest is the caller's word.
            let status =
                unsafe { sys::cuLaunchKernel(function, gx, gy, gz, bx, by, bz, shared_bytes, stream, list, none) };
            check(self.name, status)
        })?;
        writes.iter().for_each(|t| t.storage().bump(self.name, at));
        Ok(())
    }
}
