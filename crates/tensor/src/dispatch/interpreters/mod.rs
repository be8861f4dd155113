//! The modes that come with this crate, each an [`Interpreter`](crate::dispatch::Interpreter) in a file of its own.

pub mod autocast;
pub mod profiler;
pub mod trace;
