//! The functions of `libcuda`, under its names.
#![allow(non_snake_case, clippy::missing_safety_doc, missing_docs)]

mod devices;
mod errors;
mod memory;
mod modules;
mod streams;

pub use devices::*;
pub use errors::*;
pub use memory::*;
pub use modules::*;
pub use streams::*;

use super::state::{State, Task, code, state};
use std::cell::Cell;
use std::ffi::c_void;

type Status = u32;
type Handle = *mut c_void;

thread_local! {
    /// The device whose context is the thread's, plus one.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Runs `f` on the state for a thread with a context, unless a fault has made everything void.
pub(super) fn with(f: impl FnOnce(&mut State, u32) -> Status) -> Status {
    let mut state = state();
    let current = CURRENT.get();
    match &state.fault {
        _ if !state.ready => code::NOT_INITIALIZED,
        _ if current == 0 => code::INVALID_CONTEXT,
        Some((code, _)) => *code,
        None => f(&mut state, current as u32 - 1),
    }
}

/// Writes an answer.
///
/// # Safety
/// `to` is null or may be written.
pub(super) unsafe fn answer<T>(to: *mut T, value: T) -> Status {
    if to.is_null() {
        return code::INVALID_VALUE;
    }
    // SAFETY: not null, and the caller's word for the rest.
    unsafe { to.write(value) };
    code::SUCCESS
}

/// Puts a task on a stream.
pub(super) fn queue(state: &mut State, device: u32, stream: Handle, task: Task) -> Status {
    match state.stream(stream as u64, device) {
        Some(stream) => {
            stream.queue.push_back(task);
            code::SUCCESS
        }
        None => code::INVALID_HANDLE,
    }
}
