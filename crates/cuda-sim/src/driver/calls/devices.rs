//! Devices and their contexts.

use super::modules::{MOST_SHARED, SHARED};
use super::{CURRENT, Handle, Status, answer, with};
use crate::driver::state::{code, state};
use std::ffi::{c_char, c_int, c_uint};

#[unsafe(no_mangle)]
pub extern "C" fn cuInit(flags: c_uint) -> Status {
    state().ready = true;
    if flags == 0 { code::SUCCESS } else { code::INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Status {
    // SAFETY: as the interface says.
    unsafe { answer(version, 12080) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Status {
    let devices = state().devices as c_int;
    // SAFETY: as the interface says.
    unsafe { answer(count, devices) }
}

fn is_device(device: c_int) -> bool {
    u32::try_from(device).is_ok_and(|d| d < state().devices)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Status {
    if !is_device(ordinal) {
        return code::INVALID_DEVICE;
    }
    // SAFETY: as the interface says.
    unsafe { answer(device, ordinal) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, device: c_int) -> Status {
    let text = c"Simulated GPU".to_bytes_with_nul();
    if !is_device(device) || name.is_null() || (len as usize) < text.len() {
        return code::INVALID_VALUE;
    }
    // SAFETY: `name` has `len` bytes, which suffice.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), name, text.len()) };
    code::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> Status {
    if !is_device(device) {
        return code::INVALID_DEVICE;
    }
    let size = state().size;
    // SAFETY: as the interface says.
    unsafe { answer(bytes, size) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_uint, device: c_int) -> Status {
    if !is_device(device) {
        return code::INVALID_DEVICE;
    }
    let number = match attribute {
        1 => 1024,     // threads of a block
        2 | 3 => 1024, // in each direction
        4 => 64,
        5 => i32::MAX, // blocks in each direction
        6 | 7 => 65535,
        8 => SHARED as c_int, // shared memory of a block
        10 => 32,             // lanes
        16 => 4,              // multiprocessors
        39 => 2048,           // threads of a multiprocessor
        75 => 8,              // compute capability
        76 => 0,
        81 => 164 << 10,            // shared memory of a multiprocessor
        97 => MOST_SHARED as c_int, // shared memory of a block that asks for it
        _ => 0,
    };
    // SAFETY: as the interface says.
    unsafe { answer(value, number) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int) -> Status {
    if !state().ready {
        return code::NOT_INITIALIZED;
    }
    if !is_device(device) {
        return code::INVALID_DEVICE;
    }
    // SAFETY: as the interface says.
    unsafe { answer(context, (device as usize + 1) as Handle) }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Status {
    code::SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent(context: Handle) -> Status {
    if context as u64 > u64::from(state().devices) {
        return code::INVALID_CONTEXT;
    }
    CURRENT.set(context as u64);
    code::SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> Status {
    // SAFETY: as the interface says.
    unsafe { answer(context, CURRENT.get() as usize as Handle) }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> Status {
    with(|state, device| state.run_device(device))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceCanAccessPeer(can: *mut c_int, device: c_int, peer: c_int) -> Status {
    let yes = is_device(device) && is_device(peer) && device != peer;
    // SAFETY: as the interface says.
    unsafe { answer(can, c_int::from(yes)) }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxEnablePeerAccess(peer: Handle, _flags: c_uint) -> Status {
    with(|state, device| {
        let whose = u32::try_from(peer as u64).ok().and_then(|n| n.checked_sub(1)).filter(|d| *d < state.devices);
        let Some(whose) = whose.filter(|d| *d != device) else { return code::INVALID_CONTEXT };
        let pair = (device, whose);
        if state.peers.contains(&pair) {
            return code::PEER_ACCESS_ALREADY_ENABLED;
        }
        state.peers.push(pair);
        state.memory.allow_peer(pair.0, pair.1);
        code::SUCCESS
    })
}
