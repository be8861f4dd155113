//! Modules, their kernels, and launches.

use super::{Handle, Status, answer, queue, with};
use crate::driver::state::{Function, Loaded, Task, code};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

/// Bytes of shared memory of a block, and of one whose kernel asks for more.
pub(super) const SHARED: u64 = 48 << 10;
pub(super) const MOST_SHARED: u64 = 163 << 10;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> Status {
    with(|state, device| {
        if image.is_null() {
            return code::INVALID_VALUE;
        }
        // Machine code begins with this byte, and no text does.
        // SAFETY: an image has a first byte.
        if unsafe { *image.cast::<u8>() } == 0x7f {
            return code::NO_BINARY_FOR_GPU;
        }
        // SAFETY: what is no machine code is text that ends with a zero.
        let text = unsafe { CStr::from_ptr(image.cast()) };
        let parsed = text.to_str().map_err(|e| e.to_string()).and_then(crate::parse);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(message) => {
                state.text = Some((code::INVALID_IMAGE, message));
                return code::INVALID_IMAGE;
            }
        };
        let mut variables = Vec::new();
        for variable in &parsed.variables {
            let at = state.memory.allocate(device, variable.bytes.len().max(1));
            let _ = state.memory.write(at, &variable.bytes);
            variables.push(at);
        }
        let handle = state.handle();
        state.modules.insert(handle, Arc::new(Loaded { module: parsed, variables, device }));
        // SAFETY: as the interface says.
        unsafe { answer(module, handle as usize as Handle) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload(module: Handle) -> Status {
    with(|state, device| {
        let status = state.run_device(device);
        let Some(gone) = state.modules.remove(&(module as u64)) else { return code::INVALID_HANDLE };
        for at in &gone.variables {
            state.memory.free(*at);
        }
        for function in &mut state.functions {
            function.take_if(|f| Arc::ptr_eq(&f.module, &gone));
        }
        status
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char) -> Status {
    with(|state, _| {
        let Some(module) = state.modules.get(&(module as u64)).cloned() else { return code::INVALID_HANDLE };
        // SAFETY: a name that ends with a zero.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        match module.module.kernel(&name) {
            None => code::NOT_FOUND,
            Some(Err(message)) => {
                state.text = Some((code::INVALID_IMAGE, format!("{name}: {message}")));
                code::INVALID_IMAGE
            }
            Some(Ok(_)) => {
                state.functions.push(Some(Function { module, kernel: name, dynamic: 0 }));
                // SAFETY: as the interface says.
                unsafe { answer(function, state.functions.len() as Handle) }
            }
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuFuncSetAttribute(function: Handle, attribute: c_uint, value: c_int) -> Status {
    with(|state, _| {
        let Some(function) = state.function(function as usize) else { return code::INVALID_HANDLE };
        let Some(Ok(kernel)) = function.module.module.kernel(&function.kernel) else { return code::NOT_FOUND };
        match (attribute, u32::try_from(value)) {
            // Shared memory that a launch may add.
            (8, Ok(bytes)) if kernel.shared + u64::from(bytes) <= MOST_SHARED => function.dynamic = bytes,
            (8, _) => return code::INVALID_VALUE,
            _ => {}
        }
        code::SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    stream: Handle,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Status {
    with(|state, device| {
        if state.null {
            return code::SUCCESS;
        }
        let place = state.stream(stream as u64, device).map(|s| s.device);
        let Some(Function { module, kernel: name, dynamic }) = state.function(function as usize) else {
            return code::INVALID_HANDLE;
        };
        let Some(Ok(kernel)) = module.module.kernel(name) else { return code::NOT_FOUND };
        if place != Some(module.device) {
            return code::INVALID_HANDLE;
        }
        let fits = kernel.shared + u64::from(shared) <= SHARED || shared <= *dynamic;
        if !extra.is_null() || params.is_null() && !kernel.params.is_empty() || !fits {
            return code::INVALID_VALUE;
        }
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        let threads = block.iter().try_fold(1u32, |n, d| n.checked_mul(*d)).unwrap_or(u32::MAX);
        let most = kernel.max_threads.unwrap_or(1024);
        if threads == 0 || threads > most || grid.contains(&0) || grid_y > 65535 || grid_z > 65535 || grid_x > 1 << 31 {
            return code::INVALID_VALUE;
        }
        let mut bytes = vec![0; kernel.param_bytes as usize];
        for (i, (at, len)) in kernel.params.iter().enumerate() {
            // SAFETY: one pointer for each parameter, to as many bytes as the kernel says.
            unsafe {
                let from = *params.add(i);
                std::ptr::copy_nonoverlapping(from.cast::<u8>(), bytes[*at as usize..].as_mut_ptr(), *len);
            }
        }
        let task = Task::Launch { module: module.clone(), kernel: name.clone(), params: bytes, grid, block, shared };
        queue(state, device, stream, task)
    })
}
