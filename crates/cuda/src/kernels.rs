//! The kernels: archives that `cargo xtask kernels` made from `kernels/*.cu`, loaded a family at a time.

use crate::context::{Gpu, MOST};
use crate::driver::check;
use crate::stream::Queue;
use cudarc::driver::sys;
use flambeau_tensor::{Error, ErrorKind, Result};
use flate2::read::ZlibDecoder;
use std::ffi::CString;
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A source file of kernels, with what it was compiled to.
pub(crate) struct Family {
    pub name: &'static str,
    pub ptx: &'static [u8],
    modules: [OnceLock<Result<usize, String>>; MOST],
}

macro_rules! families {
    ($($Family:ident $name:literal)*) => {
        $(pub(crate) static $Family: Family = Family {
            name: $name,
            ptx: include_bytes!(concat!("../kernels/archives/", $name, ".ptx.z")),
            modules: [const { OnceLock::new() }; MOST],
        };)*
        /// All families.
        #[cfg(test)]
        pub(crate) static FAMILIES: &[&Family] = &[$(&$Family),*];
    };
}

families! {
    ELEMENTWISE "elementwise" REDUCE "reduce" MATMUL "matmul" SOFTMAX "softmax" NORM "norm" INDEX "index"
    OPTIM "optim" POOL "pool" CONV "conv"
}

impl Family {
    /// The text of its PTX.
    pub fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        ZlibDecoder::new(self.ptx).read_to_string(&mut text).map_err(|e| format!("kernels of {}: {e}", self.name))?;
        Ok(text)
    }

    fn module(&self, gpu: &Gpu) -> Result<sys::CUmodule> {
        let load = || {
            let text = CString::new(self.text()?).map_err(|e| e.to_string())?;
            let mut module = std::ptr::null_mut();
            // SAFETY: text that ends with a zero; `module` may be written.
            let loaded = unsafe { check("cuda", sys::cuModuleLoadData(&mut module, text.as_ptr().cast())) };
            loaded.map(|()| module as usize).map_err(|e| {
                let (major, minor) = gpu.properties.capability;
                let name = &gpu.properties.name;
                format!("the kernels of {} do not fit {name} ({major}.{minor}): {}", self.name, e.message())
            })
        };
        let loaded = self.modules[gpu.index as usize].get_or_init(load);
        loaded.as_ref().map(|m| *m as sys::CUmodule).map_err(|e| Error::new(ErrorKind::Device, "cuda", e.clone()))
    }
}

/// A kernel, by its family and name; found once on each device.
pub(crate) struct Kernel {
    family: &'static Family,
    pub name: &'static str,
    functions: [AtomicUsize; MOST],
}

impl Kernel {
    pub const fn new(family: &'static Family, name: &'static str) -> Kernel {
        Kernel { family, name, functions: [const { AtomicUsize::new(0) }; MOST] }
    }

    #[inline]
    fn function(&self, gpu: &Gpu) -> Result<sys::CUfunction> {
        match self.functions[gpu.index as usize].load(Ordering::Acquire) {
            0 => self.find(gpu),
            function => Ok(function as sys::CUfunction),
        }
    }

    #[cold]
    fn find(&self, gpu: &Gpu) -> Result<sys::CUfunction> {
        let module = self.family.module(gpu)?;
        let name = CString::new(self.name).map_err(|_| Error::new(ErrorKind::Device, "cuda", "a kernel's name"))?;
        let mut function = std::ptr::null_mut();
        // SAFETY: the module stays; `function` may be written.
        let found = unsafe { check("cuda", sys::cuModuleGetFunction(&mut function, module, name.as_ptr())) };
        found.map_err(|e| Error::new(e.kind(), "cuda", format!("kernel {}: {}", self.name, e.message())))?;
        self.functions[gpu.index as usize].store(function as usize, Ordering::Release);
        Ok(function)
    }

    /// Launches it with one parameter.
    ///
    /// # Safety
    /// `params` is laid out as the kernel's parameter, and what it leads to is there as long as what is queued.
    pub unsafe fn launch<P>(&self, gpu: &Gpu, queue: &Queue, grid: [u32; 3], block: u32, params: &P) -> Result<()> {
        let function = self.function(gpu)?;
        let mut list = [std::ptr::from_ref(params).cast_mut().cast()];
        // SAFETY: the driver copies the parameter, which the caller vouches for.
        unsafe {
            let [x, y, z] = grid;
            let (stream, none) = (queue.handle(), std::ptr::null_mut());
            check("cuda", sys::cuLaunchKernel(function, x, y, z, block, 1, 1, 0, stream, list.as_mut_ptr(), none))
        }
    }
}
