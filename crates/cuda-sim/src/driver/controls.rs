//! What tests ask of the stand-in, beside the driver's interface.

use super::state::{Task, state};
use crate::counts::Counts;

/// What all launches since the last call did.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_counts() -> Counts {
    std::mem::take(&mut state().counts)
}

/// Draws the order of streams and warps anew.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_set_seed(seed: u64) {
    state().seed = seed;
}

/// Has `successes` more allocations succeed, and the ones after fail; a negative number lets all succeed.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_fail_allocations(successes: i64) {
    state().allocations_left = u64::try_from(successes).ok();
}

/// Has `successes` more launches and copies succeed, and the one after be an illegal access; a negative number lets all
/// succeed.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_fail_work(successes: i64) {
    state().work_left = u64::try_from(successes).ok();
}

/// Launches do nothing from now on, or work again.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_set_null(null: bool) {
    state().null = null;
}

/// Gives each device so much memory.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_set_memory(bytes: u64) {
    state().size = bytes as usize;
}

/// Forgets a fault, as no chip does: the device works again, what was queued is gone.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_clear_fault() {
    let mut state = state();
    state.fault = None;
    let mut lost = Vec::new();
    for stream in state.streams.values_mut() {
        lost.extend(stream.queue.drain(..));
    }
    for task in lost {
        if let Task::Record { event, number } = task
            && let Some(event) = state.events.get_mut(&event)
        {
            event.over = event.over.max(number);
        }
    }
}

/// How many pieces of work are queued.
#[unsafe(no_mangle)]
pub extern "C" fn flambeau_sim_queued() -> u64 {
    state().streams.values().map(|s| s.queue.len() as u64).sum()
}
