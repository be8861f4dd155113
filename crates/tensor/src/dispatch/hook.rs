//! What the dispatcher asks of autograd. This crate knows of it only this trait, which the autograd crate
//! implements and sets once.

use crate::op::Op;
use crate::tensor::Node;
use crate::{Error, ErrorKind, Result, Tensor};
use std::panic::Location;
use std::sync::OnceLock;

/// What autograd must do for the dispatcher.
pub trait AutogradHook: Send + Sync {
    /// `op` made `outputs`, one of which may have a gradient, of `inputs`, one of which requires grad. Returns
    /// their node; none where no gradient can flow.
    ///
    /// # Errors
    /// What refuses to be recorded; the op has run, its outputs are dropped.
    fn record(
        &self,
        op: Op,
        inputs: &[&Tensor],
        outputs: &[Tensor],
        at: &'static Location<'static>,
    ) -> Result<Option<Node>>;

    /// May `target` be written in place by a recorded op?
    ///
    /// # Errors
    /// Where it may not. Nothing was written yet.
    fn check_in_place(&self, op: &'static str, target: &Tensor) -> Result<()>;

    /// The value and history of `target` before an in-place op: a copy where the rule of `op` will need
    /// the old value (`inputs` says which of its inputs are the target), else a handle.
    ///
    /// # Errors
    /// Where there is no memory for a copy. Nothing was written yet.
    fn before_in_place(&self, op: &Op, inputs: &[&Tensor], target: &Tensor) -> Result<Tensor>;

    /// `op` wrote its output into `target`; among `inputs` its old value stands for itself.
    ///
    /// # Errors
    /// What refuses to be recorded.
    fn record_in_place(
        &self,
        op: Op,
        inputs: &[&Tensor],
        target: &Tensor,
        at: &'static Location<'static>,
    ) -> Result<()>;
}

static HOOK: OnceLock<&'static dyn AutogradHook> = OnceLock::new();

/// Sets the autograd hook; the first one stays.
pub fn set_autograd_hook(hook: &'static dyn AutogradHook) {
    let _ = HOOK.set(hook);
}

pub(super) fn hook() -> Result<&'static dyn AutogradHook> {
    HOOK.get().copied().ok_or_else(|| {
        Error::new(ErrorKind::Autograd, "dispatch", "a tensor requires grad, but no autograd is installed")
    })
}
