//! The kernels: archives that `cargo xtask kernels` made from `kernels/*.cu`, loaded a family at a time.
//!
//! An archive holds PTX, which any device from capability 8.0 on takes, and may hold machine code, which loads faster: what
//! fits the device best is tried first. Its form stands in `xtask/src/kernels.rs`.

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
    archive: &'static [u8],
    modules: [OnceLock<Result<usize, String>>; MOST],
}

macro_rules! families {
    ($($Family:ident $name:literal)*) => {
        $(pub(crate) static $Family: Family = Family {
            name: $name,
            archive: include_bytes!(concat!("../kernels/archives/", $name, ".z")),
            modules: [const { OnceLock::new() }; MOST],
        };)*
        /// All families.
        #[cfg(test)]
        pub(crate) static FAMILIES: &[&Family] = &[$(&$Family),*];
    };
}

families! {
    ELEMENTWISE "elementwise" REDUCE "reduce" MATMUL "matmul" SOFTMAX "softmax" NORM "norm" INDEX "index"
    OPTIM "optim" POOL "pool" CONV "conv" SCAN "scan" SORT "sort" SPECIAL "special" RANDOM "random"
    COMPLEX "complex" FFT "fft" CTC "ctc"
}

/// What a family was compiled to for one kind of device.
struct Image {
    /// The capability times ten of machine code; 0 for PTX.
    capability: u32,
    size: usize,
    packed: &'static [u8],
}

impl Image {
    /// PTX with a zero behind it, or machine code.
    fn unpack(&self) -> Result<Vec<u8>, String> {
        let mut image = Vec::with_capacity(self.size + 1);
        ZlibDecoder::new(self.packed).read_to_end(&mut image).map_err(|e| e.to_string())?;
        image.push(0);
        Ok(image)
    }
}

impl Family {
    fn images(&self) -> Option<Vec<Image>> {
        let number = |at: usize| Some(u32::from_le_bytes(self.archive.get(at..at + 4)?.try_into().ok()?) as usize);
        if self.archive.get(..8)? != b"FLKERN01" {
            return None;
        }
        let count = number(8)?;
        let mut at = 12 + 12 * count;
        (0..count)
            .map(|i| {
                let (capability, size, packed) = (number(12 + 12 * i)?, number(16 + 12 * i)?, number(20 + 12 * i)?);
                let start = at;
                at += packed;
                Some(Image { capability: capability as u32, size, packed: self.archive.get(start..at)? })
            })
            .collect()
    }

    /// The text of its PTX.
    #[cfg(test)]
    pub fn text(&self) -> Result<String, String> {
        let images = self.images().ok_or("a damaged archive")?;
        let ptx = images.iter().find(|image| image.capability == 0).ok_or("no PTX")?;
        String::from_utf8(ptx.unpack()?).map_err(|e| e.to_string())
    }

    /// Loads what fits the device best.
    fn load(&self, gpu: &Gpu) -> Result<usize, String> {
        let (major, minor) = gpu.properties.capability;
        let own = major * 100 + minor * 10;
        let mut images = self.images().ok_or_else(|| format!("the archive of {} is damaged", self.name))?;
        // Machine code runs on devices of its own generation from its capability on.
        images.retain(|image| image.capability == 0 || image.capability / 100 == major && image.capability <= own);
        images.sort_by_key(|image| std::cmp::Reverse(image.capability));
        let mut why = "no image".to_string();
        for image in &images {
            let bytes = image.unpack().map_err(|e| format!("kernels of {}: {e}", self.name))?;
            let mut module = std::ptr::null_mut();
            // SAFETY: machine code, or text that ends with a zero; `module` may be written.
            match unsafe { check("cuda", sys::cuModuleLoadData(&mut module, bytes.as_ptr().cast())) } {
                Ok(()) => return Ok(module as usize),
                Err(e) => why = e.message().to_string(),
            }
        }
        let name = &gpu.properties.name;
        Err(format!("the kernels of {} do not fit {name} ({major}.{minor}): {why}", self.name))
    }

    fn module(&self, gpu: &Gpu) -> Result<sys::CUmodule> {
        let loaded = self.modules[gpu.index as usize].get_or_init(|| self.load(gpu));
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
