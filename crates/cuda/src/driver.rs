//! The driver: whether it is there, and its errors.

use cudarc::driver::sys;
use flambeau_tensor::{Error, ErrorKind, Result};
use std::ffi::CStr;
use std::sync::OnceLock;

/// What the driver said when it was first asked.
#[derive(Clone, Debug)]
pub(crate) enum Driver {
    /// It is there, with so many devices.
    Ready(u32),
    /// Why it is not.
    Absent(String),
}

/// The driver, loaded by the first call.
pub(crate) fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        // SAFETY: only looks whether a library of this name can be loaded.
        if !unsafe { sys::is_culib_present() } {
            let names = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so, libcuda.so.1" };
            return Driver::Absent(format!("no NVIDIA driver: none of {names} is in the system's library folders"));
        }
        let mut count = 0;
        // SAFETY: the library is there, and `count` may be written.
        let asked =
            unsafe { check("cuda", sys::cuInit(0)).and_then(|()| check("cuda", sys::cuDeviceGetCount(&mut count))) };
        match asked {
            Ok(()) => Driver::Ready(u32::try_from(count).unwrap_or(0)),
            Err(e) => Driver::Absent(format!("the NVIDIA driver is there and does not start: {}", e.message())),
        }
    })
}

/// A call's answer.
pub(crate) fn check(op: &'static str, status: sys::CUresult) -> Result<()> {
    if status == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(error(op, status)) }
}

#[cold]
fn error(op: &'static str, status: sys::CUresult) -> Error {
    let kind = match status {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => ErrorKind::Memory,
        _ => ErrorKind::Device,
    };
    Error::new(kind, op, text(status))
}

/// The name of an error, and what it means.
pub(crate) fn text(status: sys::CUresult) -> String {
    let read = |f: unsafe fn(sys::CUresult, *mut *const std::ffi::c_char) -> sys::CUresult| {
        let mut text = std::ptr::null();
        // SAFETY: `text` may be written; what the driver gives is a constant that ends with a zero.
        unsafe {
            f(status, &mut text);
            if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
        }
    };
    let name = read(sys::cuGetErrorName).unwrap_or_else(|| format!("CUDA error {}", status as u32));
    match read(sys::cuGetErrorString) {
        Some(meaning) => format!("{name}: {meaning}"),
        None => name,
    }
}
