//! The names of errors, and what they mean.

use super::{Status, answer};
use crate::driver::state::{code, state};
use std::ffi::c_char;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: Status, text: *mut *const c_char) -> Status {
    let name = match error {
        code::SUCCESS => c"CUDA_SUCCESS",
        code::INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        code::OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
        code::NOT_INITIALIZED => c"CUDA_ERROR_NOT_INITIALIZED",
        code::INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        code::INVALID_IMAGE => c"CUDA_ERROR_INVALID_IMAGE",
        code::INVALID_CONTEXT => c"CUDA_ERROR_INVALID_CONTEXT",
        code::NO_BINARY_FOR_GPU => c"CUDA_ERROR_NO_BINARY_FOR_GPU",
        code::INVALID_HANDLE => c"CUDA_ERROR_INVALID_HANDLE",
        code::NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
        code::NOT_READY => c"CUDA_ERROR_NOT_READY",
        code::ILLEGAL_ADDRESS => c"CUDA_ERROR_ILLEGAL_ADDRESS",
        code::MISALIGNED_ADDRESS => c"CUDA_ERROR_MISALIGNED_ADDRESS",
        code::ILLEGAL_INSTRUCTION => c"CUDA_ERROR_ILLEGAL_INSTRUCTION",
        code::ASSERT => c"CUDA_ERROR_ASSERT",
        code::LAUNCH_TIMEOUT => c"CUDA_ERROR_LAUNCH_TIMEOUT",
        code::LAUNCH_FAILED => c"CUDA_ERROR_LAUNCH_FAILED",
        code::PEER_ACCESS_ALREADY_ENABLED => c"CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED",
        _ => return code::INVALID_VALUE,
    };
    // SAFETY: as the interface says.
    unsafe { answer(text, name.as_ptr()) }
}

/// What a check found, where that is what the error comes from. The text stays for good.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: Status, text: *mut *const c_char) -> Status {
    let state = state();
    let found = match (&state.fault, &state.text) {
        (Some((code, fault)), _) if *code == error => fault.message.clone(),
        (_, Some((code, message))) if *code == error => message.clone(),
        _ => format!("simulated error {error}"),
    };
    let found = std::ffi::CString::new(found.replace('\0', " ")).unwrap_or_default();
    // SAFETY: as the interface says.
    unsafe { answer(text, found.into_raw().cast_const()) }
}
