//! The dispatcher, which every op passes: what is called ([`Call`]), who may have a say in it
//! ([`Interpreter`]), and how it is carried out (`execute`: device, shapes, memory, locks, kernel, and the record
//! that autograd makes).
//!
//! The functions here are for whoever writes an op's method; each is a [`Call`] of one kind of [`Output`].

mod attributes;
pub mod backend;
pub mod custom;
mod execute;
mod hook;
mod interpreter;
pub mod interpreters;
mod meta;
mod modes;
pub mod op;

use crate::op::{Op, Outputs};
use crate::{Result, Tensor};
use std::panic::Location;

pub(crate) use execute::is_unseen_by_its_base;
pub use hook::{AutogradHook, set_autograd_hook};
pub(crate) use interpreter::reading;
pub use interpreter::{Interpreter, Read, interpret, is_interpreted, uninterpreted};
pub use modes::{ModeGuard, enable_grad, grad_enabled, in_backward, inference_mode, inference_mode_enabled, no_grad};

/// An op on its way to whoever carries it out.
pub struct Call<'a> {
    /// What is to be done.
    pub op: Op,
    /// What it reads.
    pub inputs: &'a [&'a Tensor],
    /// What becomes of the result.
    pub output: Output<'a>,
    /// The user's line.
    pub at: &'static Location<'static>,
}

/// What becomes of the result of a [`Call`].
#[derive(Clone, Copy)]
pub enum Output<'a> {
    /// New tensors.
    Fresh,
    /// One tensor that shares the memory of the only input.
    View,
    /// Written into a tensor that is there.
    Into {
        /// The in-place op's name, with PyTorch's underscore.
        name: &'static str,
        /// Where to. It stands among the inputs where the op reads it, too.
        target: &'a Tensor,
    },
    /// Written into several tensors, all of which the op reads, too. Never recorded.
    Update {
        /// The update's name.
        name: &'static str,
        /// Where to.
        targets: &'a [&'a Tensor],
    },
}

/// The only output.
fn single(op: &'static str, outputs: Outputs) -> Result<Tensor> {
    let count = outputs.len();
    match outputs.into_iter().next() {
        Some(out) if count == 1 => Ok(out),
        _ => crate::bail!(Argument, op, "an interpreter answered with {count} tensors instead of one"),
    }
}

/// Runs an op of one output.
///
/// # Errors
/// Where the inputs do not fit the op or each other, memory runs out, or the device fails.
#[inline]
#[track_caller]
pub fn dispatch(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    dispatch_one(op.into(), inputs)
}

#[track_caller]
fn dispatch_one(mut op: Op, inputs: &[&Tensor]) -> Result<Tensor> {
    let at = Location::caller();
    if is_interpreted() {
        let name = op.name();
        return single(name, Call { op, inputs, output: Output::Fresh, at }.interpreted()?).map_err(|e| e.located(at));
    }
    execute::fresh_one(&mut op, inputs, at)
}

/// Runs an op of any number of outputs.
///
/// # Errors
/// As [`dispatch`].
#[track_caller]
pub fn dispatch_all(op: Op, inputs: &[&Tensor]) -> Result<Outputs> {
    Call { op, inputs, output: Output::Fresh, at: Location::caller() }.run()
}

/// Runs a view op.
///
/// # Errors
/// Where the view does not exist or would leave the storage.
#[track_caller]
pub fn dispatch_view(op: impl Into<Op>, x: &Tensor) -> Result<Tensor> {
    let (mut op, at) = (op.into(), Location::caller());
    if is_interpreted() {
        let name = op.name();
        return single(name, Call { op, inputs: &[x], output: Output::View, at }.interpreted()?);
    }
    execute::view(&mut op, x, at)
}

/// `detach`, of a stack that is not empty. It has no `Result`: what an interpreter refuses, or answers wrongly, is the error
/// of the thread's next call, as a fault of a device is.
#[cold]
#[track_caller]
pub(crate) fn detached(x: &Tensor) -> Option<Tensor> {
    let at = Location::caller();
    dispatch_view(crate::Detach, x).map_err(|e| interpreter::tell_later(e.queued_at(at))).ok()
}

/// Runs `op` into `target`, as the in-place op `name`. `target` stands among `inputs` where the op reads it.
///
/// # Errors
/// As [`dispatch`]; where the result does not fit `target`, or autograd forbids to write there. Nothing is
/// written then.
#[track_caller]
pub fn dispatch_into(name: &'static str, op: impl Into<Op>, inputs: &[&Tensor], target: &Tensor) -> Result<()> {
    let (mut op, at) = (op.into(), Location::caller());
    if is_interpreted() {
        return Call { op, inputs, output: Output::Into { name, target }, at }.interpreted().map(drop);
    }
    execute::into(name, &mut op, inputs, target, at)
}

/// Runs a fused update into several targets at once: an optimizer's step. `op`'s outputs are the targets,
/// each of which may be read by it, too. Nothing is recorded.
///
/// # Errors
/// Where grad mode is on and a target or input requires grad; where targets share memory, or one is not
/// contiguous.
#[track_caller]
pub fn dispatch_update(name: &'static str, op: impl Into<Op>, inputs: &[&Tensor], targets: &[&Tensor]) -> Result<()> {
    Call { op: op.into(), inputs, output: Output::Update { name, targets }, at: Location::caller() }.run().map(drop)
}
