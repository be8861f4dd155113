//! The stand-in `libcuda`: the part of the driver's interface that `flambeau-cuda` uses.
//!
//! A program loads the shared object in the driver's place. There are two devices of compute capability 8.0, which take
//! PTX and no machine code. Work is queued and runs when somebody waits for it, the streams in an order that is drawn to
//! be adverse, so that a wait that was forgotten shows. A fault of a kernel is the error of the call that waits and of
//! all that follow, as on a chip; its text (`cuGetErrorString`) says what a check found.
//!
//! | setting | means |
//! | --- | --- |
//! | `FLAMBEAU_SIM_DEVICES` | how many devices there are (2) |
//! | `FLAMBEAU_SIM_MEMORY` | bytes of memory each has (1 GiB) |
//! | `FLAMBEAU_SIM_SEED` | draws the order of streams and warps |
//! | `FLAMBEAU_SIM_NULL` | launches do nothing, to measure the host's time |
//!
//! The functions that start with `flambeau_sim_` are for tests.

mod calls;
mod controls;
mod state;

pub use calls::*;
pub use controls::*;
