//! Memory of devices, page-locked memory, and copies.

use super::{Handle, Status, answer, queue, with};
use crate::driver::state::{Task, code, state};
use crate::memory::Owner;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{c_uint, c_void};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    with(|state, device| {
        let used = state.used[device as usize];
        // SAFETY: as the interface says.
        unsafe { answer(free, state.size.saturating_sub(used)).max(answer(total, state.size)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Status {
    with(|state, device| {
        if bytes == 0 {
            return code::INVALID_VALUE;
        }
        let fails = match &mut state.allocations_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let used = &mut state.used[device as usize];
        if fails || used.checked_add(bytes).is_none_or(|sum| sum > state.size) {
            return code::OUT_OF_MEMORY;
        }
        *used += bytes;
        let at = state.memory.allocate(device, bytes);
        // SAFETY: as the interface says.
        unsafe { answer(address, at) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(address: u64) -> Status {
    with(|state, device| {
        let status = state.run_device(device);
        if status != code::SUCCESS {
            return status;
        }
        match state.memory.free(address) {
            Some((bytes, Owner::Device(owner))) => {
                state.used[owner as usize] -= bytes;
                code::SUCCESS
            }
            _ => code::INVALID_VALUE,
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(pointer: *mut Handle, bytes: usize, _flags: c_uint) -> Status {
    with(|state, _| {
        let Ok(layout) = Layout::from_size_align(bytes.max(1), 4096) else { return code::OUT_OF_MEMORY };
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        if memory.is_null() {
            return code::OUT_OF_MEMORY;
        }
        state.pinned.insert(memory as u64, layout);
        // SAFETY: of this size, initialised, and there until it is freed; the caller keeps its hands off while copies
        // are queued, as the interface says.
        unsafe {
            state.memory.register(memory, layout.size());
            answer(pointer, memory.cast())
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeHost(pointer: Handle) -> Status {
    let mut state = state();
    let Some(layout) = state.pinned.remove(&(pointer as u64)) else { return code::INVALID_VALUE };
    let status = state.run_until(|s| s.streams.values().all(|stream| stream.queue.is_empty()));
    state.memory.free(pointer as u64);
    // SAFETY: allocated in `cuMemHostAlloc` with this layout.
    unsafe { dealloc(pointer.cast(), layout) };
    status
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, len: usize, stream: Handle) -> Status {
    with(|state, device| {
        let task = if state.memory.owner(from as u64) == Some(Owner::Host) {
            Task::Copy { to, from: from as u64, len }
        } else {
            // SAFETY: `from` has `len` bytes. What is not page-locked is taken at once, as the driver does.
            Task::Write { to, from: unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len) }.to_vec() }
        };
        queue(state, device, stream, task)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, len: usize, stream: Handle) -> Status {
    with(|state, device| {
        if state.memory.owner(to as u64) == Some(Owner::Host) {
            return queue(state, device, stream, Task::Copy { to: to as u64, from, len });
        }
        let handle = if stream.is_null() { u64::MAX - u64::from(device) } else { stream as u64 };
        let status = state.run_stream(handle);
        if status != code::SUCCESS {
            return status;
        }
        match state.memory.read(from, len) {
            Ok(bytes) => {
                // SAFETY: `to` has `len` bytes.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.cast(), len) };
                code::SUCCESS
            }
            Err(fault) => {
                state.fault = Some((code::ILLEGAL_ADDRESS, fault));
                code::ILLEGAL_ADDRESS
            }
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, len: usize, stream: Handle) -> Status {
    with(|state, device| queue(state, device, stream, Task::Copy { to, from, len }))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyPeerAsync(
    to: u64,
    _to_context: Handle,
    from: u64,
    _from_context: Handle,
    len: usize,
    stream: Handle,
) -> Status {
    cuMemcpyDtoDAsync_v2(to, from, len, stream)
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: Handle) -> Status {
    with(|state, device| queue(state, device, stream, Task::Fill { to, pattern: vec![value], count }))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD16Async(to: u64, value: u16, count: usize, stream: Handle) -> Status {
    with(|state, device| queue(state, device, stream, Task::Fill { to, pattern: value.to_le_bytes().to_vec(), count }))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Handle) -> Status {
    with(|state, device| queue(state, device, stream, Task::Fill { to, pattern: value.to_le_bytes().to_vec(), count }))
}
