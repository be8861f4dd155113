//! Streams and events.

use super::{Handle, Status, answer, queue, with};
use crate::driver::state::{Event, State, Stream, Task, code};
use std::collections::VecDeque;
use std::ffi::c_uint;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, _flags: c_uint) -> Status {
    with(|state, device| {
        let handle = state.handle();
        state.streams.insert(handle, Stream { device, queue: VecDeque::new() });
        // SAFETY: as the interface says.
        unsafe { answer(stream, handle as usize as Handle) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(stream: Handle) -> Status {
    with(|state, _| {
        if !state.streams.contains_key(&(stream as u64)) {
            return code::INVALID_HANDLE;
        }
        let status = state.run_stream(stream as u64);
        state.streams.remove(&(stream as u64));
        status
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(stream: Handle) -> Status {
    with(|state, device| {
        let handle = if stream.is_null() { u64::MAX - u64::from(device) } else { stream as u64 };
        if stream.is_null() || state.streams.contains_key(&handle) {
            state.run_stream(handle)
        } else {
            code::INVALID_HANDLE
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamQuery(stream: Handle) -> Status {
    with(|state, device| match state.stream(stream as u64, device) {
        Some(stream) if !stream.queue.is_empty() => code::NOT_READY,
        Some(_) => code::SUCCESS,
        None => code::INVALID_HANDLE,
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) -> Status {
    with(|state, device| {
        let event = event as u64;
        let Some(number) = state.events.get(&event).map(|e| e.recorded) else { return code::INVALID_HANDLE };
        queue(state, device, stream, Task::Wait { event, number })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, _flags: c_uint) -> Status {
    with(|state, device| {
        let handle = state.handle();
        state.events.insert(handle, Event { device, ..Event::default() });
        // SAFETY: as the interface says.
        unsafe { answer(event, handle as usize as Handle) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventDestroy_v2(event: Handle) -> Status {
    // Waits that were queued for it still mean what they meant: what lies before its last record.
    with(|state, _| {
        let done = |s: &State| s.events.get(&(event as u64)).is_none_or(|e| e.over >= e.recorded);
        let status = state.run_until(done);
        state.events.remove(&(event as u64));
        status
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> Status {
    with(|state, device| {
        let event = event as u64;
        let place = state.stream(stream as u64, device).map(|s| s.device);
        let known = state.events.get_mut(&event).filter(|e| Some(e.device) == place);
        let Some(known) = known else { return code::INVALID_HANDLE };
        known.recorded += 1;
        let number = known.recorded;
        queue(state, device, stream, Task::Record { event, number })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventQuery(event: Handle) -> Status {
    with(|state, _| match state.events.get(&(event as u64)) {
        Some(event) if event.over < event.recorded => code::NOT_READY,
        Some(_) => code::SUCCESS,
        None => code::INVALID_HANDLE,
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(event: Handle) -> Status {
    with(|state, _| {
        let Some(number) = state.events.get(&(event as u64)).map(|e| e.recorded) else { return code::INVALID_HANDLE };
        state.run_until(|s| s.is_over(event as u64, number))
    })
}

/// A millisecond is a million instructions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, from: Handle, to: Handle) -> Status {
    with(|state, _| {
        let (Some(a), Some(b)) = (state.events.get(&(from as u64)), state.events.get(&(to as u64))) else {
            return code::INVALID_HANDLE;
        };
        if a.recorded == 0 || b.recorded == 0 {
            return code::INVALID_HANDLE;
        }
        if a.over < a.recorded || b.over < b.recorded {
            return code::NOT_READY;
        }
        let time = b.time.saturating_sub(a.time) as f32 / 1e6;
        // SAFETY: as the interface says.
        unsafe { answer(milliseconds, time) }
    })
}
