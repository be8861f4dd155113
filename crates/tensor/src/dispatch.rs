//! The one seam that every op passes: device, shapes, allocation, locks, kernel, and, where a gradient
//! may be asked for, the call to autograd.
//!
//! This floor knows of autograd only the trait [`AutogradHook`], set once by the floor above.

use crate::backend::{Backend, backend_of};
use crate::op::{Meta, Op, Outputs};
use crate::ops::Cast;
use crate::storage::{Guard, lock};
use crate::tensor::{Node, View};
use crate::{Device, Error, ErrorKind, Result, Tensor, bail, ensure};
use smallvec::SmallVec;
use std::cell::Cell;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

/// What autograd must do for this floor.
pub trait AutogradHook: Send + Sync {
    /// `op` made `outputs`, one of which may have a gradient, of `inputs`, one of which requires grad. Returns
    /// their node; none where no gradient can flow.
    fn record(
        &self,
        op: Op,
        inputs: &[&Tensor],
        outputs: &[Tensor],
        at: &'static Location<'static>,
    ) -> Result<Option<Node>>;

    /// May `target` be written in place by a recorded op?
    fn check_in_place(&self, op: &'static str, target: &Tensor) -> Result<()>;

    /// The value and history of `target` before an in-place op: a copy where the rule of `op` will need
    /// the old value (`inputs` says which of its inputs are the target), else a handle.
    fn before_in_place(&self, op: &Op, inputs: &[&Tensor], target: &Tensor) -> Result<Tensor>;

    /// `op` wrote its output into `target`; among `inputs` its old value stands for itself.
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

const GRAD: u8 = 1;
const INFERENCE: u8 = 2;

thread_local! {
    static MODES: Cell<u8> = const { Cell::new(GRAD) };
}

/// True where ops are recorded on this thread: PyTorch's `is_grad_enabled`.
#[inline]
pub fn grad_enabled() -> bool {
    MODES.get() & GRAD != 0
}

/// True under [`inference_mode`].
#[inline]
pub fn inference_mode_enabled() -> bool {
    MODES.get() & INFERENCE != 0
}

/// Modes of the thread, put back when this is dropped.
#[must_use = "the mode ends when the guard is dropped"]
pub struct ModeGuard {
    before: u8,
    /// The modes are the thread's own.
    not_send: std::marker::PhantomData<*const ()>,
}

impl ModeGuard {
    fn set(modes: u8) -> ModeGuard {
        ModeGuard { before: MODES.replace(modes), not_send: std::marker::PhantomData }
    }

    /// Turns recording on or off.
    pub fn grad(on: bool) -> ModeGuard {
        let now = MODES.get();
        ModeGuard::set(if on && now & INFERENCE == 0 { now | GRAD } else { now & !GRAD })
    }
}

impl Drop for ModeGuard {
    fn drop(&mut self) {
        MODES.set(self.before);
    }
}

/// Runs `f` without recording, as `torch.no_grad`.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::grad(false);
    f()
}

/// Runs `f` with recording on, as `torch.enable_grad`; without effect under [`inference_mode`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::grad(true);
    f()
}

/// Runs `f` without recording, as `torch.inference_mode`: tensors made inside can never take part in a
/// recorded op.
pub fn inference_mode<R>(f: impl FnOnce() -> R) -> R {
    let _mode = ModeGuard::set(INFERENCE);
    f()
}

/// Runs an op of one output.
#[inline]
#[track_caller]
pub fn dispatch(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    dispatch_one(op.into(), inputs)
}

#[track_caller]
fn dispatch_one(op: Op, inputs: &[&Tensor]) -> Result<Tensor> {
    let at = Location::caller();
    let mut out = run_one(&op, inputs).map_err(|e| e.located(at))?;
    if is_recorded(inputs) {
        record(op, inputs, std::slice::from_mut(&mut out), at).map_err(|e| e.located(at))?;
    }
    Ok(out)
}

/// Runs an op of any number of outputs.
#[track_caller]
pub fn dispatch_all(op: Op, inputs: &[&Tensor]) -> Result<Outputs> {
    let at = Location::caller();
    let mut outputs = run(&op, inputs).map_err(|e| e.located(at))?;
    if is_recorded(inputs) {
        record(op, inputs, &mut outputs, at).map_err(|e| e.located(at))?;
    }
    Ok(outputs)
}

#[inline]
fn is_recorded(inputs: &[&Tensor]) -> bool {
    grad_enabled() && inputs.iter().any(|t| t.requires_grad())
}

/// A view made under `no_grad` of a tensor with a history, which would never learn of a write through it.
#[inline]
pub(crate) fn is_unseen_by_its_base(x: &Tensor) -> bool {
    grad_enabled() && x.as_view().is_some_and(|v| v.no_grad && v.base.requires_grad() && v.base.history().is_some())
}

/// Has autograd record `op`, and notes with each output that may have a gradient where it came from.
fn record(op: Op, inputs: &[&Tensor], outputs: &mut [Tensor], at: &'static Location<'static>) -> Result<()> {
    if !outputs.iter().any(|out| out.dtype().is_differentiable()) {
        return Ok(());
    }
    let Some(node) = hook()?.record(op, inputs, outputs, at)? else { return Ok(()) };
    if let [out] = outputs {
        out.made_by(node, 0);
        return Ok(());
    }
    for (out, nr) in outputs.iter_mut().zip(0..).filter(|(out, _)| out.dtype().is_differentiable()) {
        out.made_by(node.clone(), nr);
    }
    Ok(())
}

/// Runs a view op.
#[track_caller]
pub fn dispatch_view(op: impl Into<Op>, x: &Tensor) -> Result<Tensor> {
    let at = Location::caller();
    let op = op.into();
    let mut out = match op.view_layout(x) {
        Some(made) => {
            let (layout, dtype) = made.map_err(|e| e.located(at))?;
            view_of(x, layout, dtype)
        }
        None => bail!(Unsupported, op.name(), "not a view op"),
    };
    if is_recorded(&[x]) {
        record(op, &[x], std::slice::from_mut(&mut out), at).map_err(|e| e.located(at))?;
    }
    Ok(out)
}

fn view_of(x: &Tensor, layout: crate::layout::Layout, dtype: crate::DType) -> Tensor {
    let (base, hidden) = match x.as_view() {
        Some(v) => (v.base.clone(), v.no_grad),
        None => (x.clone(), false),
    };
    let view = View { base, no_grad: hidden || !grad_enabled(), version: AtomicU32::new(x.version()) };
    Tensor::over(x.storage().clone(), layout, dtype, Some(view))
}

/// Runs `op` into `target`, as the in-place op `name`. `target` stands among `inputs` where the op reads it.
#[track_caller]
pub fn dispatch_into(name: &'static str, op: impl Into<Op>, inputs: &[&Tensor], target: &Tensor) -> Result<()> {
    let at = Location::caller();
    into(name, op.into(), inputs, target, at).map_err(|e| e.located(at))
}

/// Runs a fused update into several targets at once: an optimizer's step. `op`'s outputs are the targets,
/// each of which may be read by it, too. Nothing is recorded.
///
/// # Errors
/// Where grad mode is on and a target or input requires grad; where targets share memory, or one is not
/// contiguous.
#[track_caller]
pub fn dispatch_update(name: &'static str, op: impl Into<Op>, inputs: &[&Tensor], targets: &[&Tensor]) -> Result<()> {
    let at = Location::caller();
    update(name, &op.into(), inputs, targets, at).map_err(|e| e.located(at))
}

fn update(
    name: &'static str,
    op: &Op,
    inputs: &[&Tensor],
    targets: &[&Tensor],
    at: &'static Location<'static>,
) -> Result<()> {
    let all = || inputs.iter().chain(targets);
    ensure!(
        !(grad_enabled() && all().any(|t| t.requires_grad())),
        Autograd,
        name,
        "an update is not recorded; run it under `no_grad`"
    );
    let everything: SmallVec<[&Tensor; 8]> = all().copied().collect();
    let (_, backend) = common_device(op, &everything)?;
    let metas = op.infer(&everything)?;
    for (i, (meta, target)) in metas.iter().zip(targets).enumerate() {
        check_target(name, meta, target)?;
        ensure!(
            target.is_contiguous(),
            Argument,
            name,
            "target {i} with strides {:?} is not contiguous",
            target.strides()
        );
        let shared = inputs.iter().chain(&targets[..i]).any(|t| t.storage().is(target.storage()));
        ensure!(!shared, Argument, name, "target {i} shares memory with another operand");
    }
    let _guard = lock(name, inputs, targets)?;
    backend.run(op, inputs, targets)?;
    targets.iter().for_each(|t| t.storage().bump(name, at));
    Ok(())
}

fn into(name: &'static str, op: Op, inputs: &[&Tensor], target: &Tensor, at: &'static Location<'static>) -> Result<()> {
    let metas = op.infer(inputs)?;
    check_target(name, &metas[0], target)?;
    let tracking = is_recorded(inputs) || is_recorded(&[target]);
    if tracking || is_unseen_by_its_base(target) {
        hook()?.check_in_place(name, target)?;
    }
    let old = if tracking { Some(hook()?.before_in_place(&op, inputs, target)?) } else { None };
    write(name, &op, inputs, target, &metas[0])?;
    if !inference_mode_enabled() || !target.is_inference() {
        target.storage().bump(name, at);
    }
    if let Some(old) = old {
        let inputs: SmallVec<[&Tensor; 4]> = inputs.iter().map(|t| if t.is(target) { &old } else { *t }).collect();
        hook()?.record_in_place(op, &inputs, target, at)?;
    }
    Ok(())
}

fn check_target(name: &'static str, meta: &Meta, target: &Tensor) -> Result<()> {
    if meta.shape[..] != *target.shape() {
        bail!(
            Shape,
            name,
            "the result has shape {:?}, the tensor that is to take it {:?}",
            &meta.shape[..],
            target.shape()
        )
    }
    ensure!(
        meta.dtype.can_cast(target.dtype()),
        DType,
        name,
        "a {} result does not go into a {} tensor",
        meta.dtype,
        target.dtype()
    );
    let message =
        "several indices of the tensor lead to one element (it is expanded); `contiguous()` gives each its own";
    ensure!(target.is_contiguous() || !target.layout().may_overlap(), Argument, name, "{message}");
    Ok(())
}

/// The kernel's part of [`dispatch_into`].
fn write(name: &'static str, op: &Op, inputs: &[&Tensor], target: &Tensor, meta: &Meta) -> Result<()> {
    let clashes = |t: &Tensor| {
        !t.is(target)
            && t.storage().is(target.storage())
            && (t.layout() != target.layout() || t.dtype() != target.dtype())
    };
    if inputs.iter().any(|t| clashes(t)) {
        // What shares memory with the target but not its places must be read before it is written.
        let apart = |t: &Tensor| if clashes(t) { dispatch(Cast { dtype: t.dtype() }, &[t]) } else { Ok(t.clone()) };
        let apart = no_grad(|| inputs.iter().map(|t| apart(t)).collect::<Result<Outputs>>())?;
        return write(name, op, &apart.iter().collect::<SmallVec<[&Tensor; 4]>>(), target, meta);
    }
    let (device, backend) = common_device(op, inputs)?;
    ensure!(
        device == target.device(),
        Device,
        name,
        "inputs are on {device}, the tensor to write is on {}",
        target.device()
    );
    if op.is_elementwise() {
        let mut guard = Guard::default();
        guard.lock_all(name, inputs, &[target])?;
        return backend.run(op, inputs, &[target]);
    }
    let made = Tensor::uninit(name, &meta.shape, meta.dtype, device)?;
    {
        let _guard = lock(name, inputs, &[])?;
        backend.run(op, inputs, &[&made])?;
    }
    let _guard = lock(name, &[], &[target])?;
    backend.run(&Op::Cast(Cast { dtype: target.dtype() }), &[&made], &[target])
}

fn hook() -> Result<&'static dyn AutogradHook> {
    HOOK.get().copied().ok_or_else(|| {
        Error::new(ErrorKind::Autograd, "dispatch", "a tensor requires grad, but no autograd is installed")
    })
}

fn run(op: &Op, inputs: &[&Tensor]) -> Result<Outputs> {
    let (device, backend) = common_device(op, inputs)?;
    let made = |meta: &Meta| Tensor::uninit(op.name(), &meta.shape, meta.dtype, device);
    let outputs = op.infer(inputs)?.iter().map(made).collect::<Result<Outputs>>()?;
    let _guard = lock(op.name(), inputs, &[])?;
    backend.run(op, inputs, &outputs.iter().collect::<SmallVec<[&Tensor; 4]>>())?;
    Ok(outputs)
}

/// [`run`] for an op of one output: no lists to be made.
fn run_one(op: &Op, inputs: &[&Tensor]) -> Result<Tensor> {
    let (device, backend) = common_device(op, inputs)?;
    // Looked at where it stands: to move it would cost as much as to make it.
    let metas = op.infer(inputs);
    let [meta] = metas.as_ref().map_or(&[][..], |metas| &metas[..]) else {
        bail!(Unsupported, op.name(), "an op of {} outputs, not one", metas?.len())
    };
    let out = Tensor::uninit(op.name(), &meta.shape, meta.dtype, device)?;
    let mut guard = Guard::default();
    guard.lock_all(op.name(), inputs, &[])?;
    backend.run(op, inputs, &[&out])?;
    Ok(out)
}

fn common_device(op: &Op, inputs: &[&Tensor]) -> Result<(Device, &'static dyn Backend)> {
    let device = match inputs {
        [] => op.device().unwrap_or_default(),
        [first, rest @ ..] => {
            let device = first.device();
            if let Some(other) = rest.iter().find(|t| t.device() != device) {
                let devices: Vec<String> = inputs.iter().map(|t| t.device().to_string()).collect();
                let message = format!(
                    "the inputs must be on one device, they are on {} ({device} and {})",
                    devices.join(", "),
                    other.device()
                );
                return Err(Error::new(ErrorKind::Device, op.name(), message));
            }
            device
        }
    };
    match backend_of(device) {
        Some(backend) => Ok((device, backend)),
        None => bail!(Device, op.name(), "this program has no backend for {device}"),
    }
}
