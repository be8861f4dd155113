//! How a call is carried out: device, shapes, allocation, locks, kernel, and, where a gradient may be asked for,
//! the record that autograd makes of it. Interpreters have had their say by now.

use super::hook::hook;
use super::modes::{grad_enabled, inference_mode_enabled, no_grad};
use super::{Call, Output, dispatch};
use crate::backend::{Backend, Ran, Work, backend_for};
use crate::layout::{MemoryFormat, memory_order};
use crate::op::{Meta, Op, Outputs};
use crate::ops::{Cast, ConvGeometry, Detach, Transfer};
use crate::shape::{DimList, Strides, same_shape};
use crate::storage::{Guard, lock_for_op};
use crate::tensor::View;
use crate::{Device, Error, ErrorKind, Layout, Result, Tensor, bail, ensure};
use smallvec::SmallVec;
use std::panic::Location;

type At = &'static Location<'static>;

/// Carries out any call.
pub(super) fn run(call: Call<'_>) -> Result<Outputs> {
    let Call { mut op, inputs, output, at } = call;
    match output {
        Output::Fresh => fresh(op, inputs, at),
        Output::View => match inputs {
            [x] => Ok(Outputs::from_iter([view(&mut op, x, at)?])),
            _ => bail!(Argument, op.name(), "a view has one input, not {}", inputs.len()),
        },
        Output::Into { name, target } => into(name, &mut op, inputs, target, at).map(|()| Outputs::new()),
        Output::Update { name, targets } => update(name, op, inputs, targets, at).map(|()| Outputs::new()),
    }
}

/// [`fresh`] for an op of one output: no lists to be made.
#[inline(always)]
pub(super) fn fresh_one(op: &mut Op, inputs: &[&Tensor], at: At) -> Result<Tensor> {
    let mut out = run_one(op, inputs, at).map_err(|e| e.located(at))?;
    if is_recorded(inputs) {
        record(taken(op), inputs, std::slice::from_mut(&mut out), at).map_err(|e| e.located(at))?;
    }
    Ok(out)
}

/// The op out of the place where it was made. It stays there until somebody keeps it: a move of what was just
/// written costs as much as the dispatch of an op.
#[inline]
fn taken(op: &mut Op) -> Op {
    std::mem::replace(op, Op::Detach(Detach))
}

/// An op whose outputs are new tensors.
fn fresh(op: Op, inputs: &[&Tensor], at: At) -> Result<Outputs> {
    let mut outputs = run_all(&op, inputs, at).map_err(|e| e.located(at))?;
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
fn record(op: Op, inputs: &[&Tensor], outputs: &mut [Tensor], at: At) -> Result<()> {
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

/// A view of `x`.
pub(super) fn view(op: &mut Op, x: &Tensor, at: At) -> Result<Tensor> {
    let recorded = is_recorded(&[x]).then(|| op.clone());
    let mut out = view_of(op, x).map_err(|e| e.located(at))?;
    if let Some(op) = recorded {
        record(op, &[x], std::slice::from_mut(&mut out), at).map_err(|e| e.located(at))?;
    }
    Ok(out)
}

#[inline]
fn view_of(op: &mut Op, x: &Tensor) -> Result<Tensor> {
    let Some(made) = op.view_layout(x) else { bail!(Unsupported, op.name(), "not a view op") };
    // Checked to lie inside the storage (`ViewOp::view`), though the op may be put together by hand.
    let (layout, dtype) = made?;
    let keeps = !matches!(op, Op::Detach(_));
    let view = keeps.then(|| View::of(x, taken(op), &layout, dtype, !grad_enabled()));
    Ok(Tensor::over(x.storage().clone(), layout, dtype, view))
}

/// A fused update of several targets.
fn update(name: &'static str, op: Op, inputs: &[&Tensor], targets: &[&Tensor], at: At) -> Result<()> {
    update_all(name, &op, inputs, targets, at).map_err(|e| e.located(at))
}

fn update_all(name: &'static str, op: &Op, inputs: &[&Tensor], targets: &[&Tensor], at: At) -> Result<()> {
    let all = || inputs.iter().chain(targets);
    ensure!(
        !(grad_enabled() && all().any(|t| t.requires_grad())),
        Autograd,
        name,
        "an update is not recorded; run it under `no_grad`"
    );
    let everything: SmallVec<[&Tensor; 8]> = all().copied().collect();
    let (device, backend) = common_device(op, &everything)?;
    ensure!(op.updates_lists(), Unsupported, name, "{} is no update of several tensors", op.name());
    let metas = op.infer(&everything)?;
    ensure!(metas.len() == targets.len(), Argument, name, "{} targets where {} are right", targets.len(), metas.len());
    for (i, (meta, target)) in metas.iter().zip(targets).enumerate() {
        check_target(name, meta, target)?;
        ensure!(
            target.is_contiguous(),
            Argument,
            name,
            "target {i} with strides {:?} is not contiguous",
            target.strides()
        );
    }
    check_apart(name, inputs, targets)?;
    let _guard = lock_for_op(name, inputs, targets)?;
    // SAFETY: shapes and dtypes are as inferred, all storages are locked, targets are contiguous and apart.
    let ran = unsafe { backend.run(Work { op, inputs, outputs: targets, at })? };
    ensure!(ran == Ran::Queued, Unsupported, name, "{device} has no kernel for this update");
    targets.iter().for_each(|t| t.storage().bump(name, at));
    Ok(())
}

/// No target of an update shares places with another operand; lists are long, so they are put in order once.
fn check_apart(name: &'static str, inputs: &[&Tensor], targets: &[&Tensor]) -> Result<()> {
    // Of each operand with elements its storage, its first byte and the one after its last, and whether it is written.
    let span = |t: &Tensor, target: Option<usize>| {
        let (layout, size) = (t.layout(), t.dtype().size());
        layout.end().map(|end| (t.storage().id(), layout.offset * size, end * size, target))
    };
    let read = inputs.iter().filter_map(|t| span(t, None));
    let written = targets.iter().enumerate().filter_map(|(i, t)| span(t, Some(i)));
    let mut spans: Vec<_> = read.chain(written).collect();
    spans.sort_unstable();
    let (mut storage, mut any, mut last) = (0, 0, (0, None));
    for (place, start, end, target) in spans {
        if place != storage {
            (storage, any, last) = (place, 0, (0, None));
        }
        let clash = if target.is_some() && any > start { target } else { last.1.filter(|_| last.0 > start) };
        if let Some(i) = clash {
            bail!(Argument, name, "target {i} shares memory with another operand")
        }
        any = any.max(end);
        if target.is_some() && end > last.0 {
            last = (end, target);
        }
    }
    Ok(())
}

/// An in-place op.
#[inline(always)]
pub(super) fn into(name: &'static str, op: &mut Op, inputs: &[&Tensor], target: &Tensor, at: At) -> Result<()> {
    write_and_record(name, op, inputs, target, at).map_err(|e| e.located(at))
}

fn write_and_record(name: &'static str, op: &mut Op, inputs: &[&Tensor], target: &Tensor, at: At) -> Result<()> {
    let metas = op.infer(inputs)?;
    let Some(meta) = metas.first() else { bail!(Unsupported, name, "{} has no output", op.name()) };
    check_target(name, meta, target)?;
    let tracking = is_recorded(inputs) || is_recorded(&[target]);
    if tracking || is_unseen_by_its_base(target) {
        hook()?.check_in_place(name, target)?;
    }
    let old = if tracking { Some(hook()?.before_in_place(op, inputs, target)?) } else { None };
    write(name, op, inputs, target, meta, at)?;
    if !inference_mode_enabled() || !target.is_inference() {
        target.storage().bump(name, at);
    }
    if let Some(old) = old {
        let inputs: SmallVec<[&Tensor; 4]> = inputs.iter().map(|t| if t.is(target) { &old } else { *t }).collect();
        hook()?.record_in_place(taken(op), &inputs, target, at)?;
    }
    Ok(())
}

fn check_target(name: &'static str, meta: &Meta, target: &Tensor) -> Result<()> {
    if !same_shape(&meta.shape, target.shape()) {
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

/// The kernel's part of [`into`].
fn write(name: &'static str, op: &Op, inputs: &[&Tensor], target: &Tensor, meta: &Meta, at: At) -> Result<()> {
    let clashes = |t: &Tensor| {
        !t.is(target)
            && t.storage().is(target.storage())
            && (t.layout() != target.layout() || t.dtype() != target.dtype())
    };
    if inputs.iter().any(|t| clashes(t)) {
        // What shares memory with the target but not its places must be read before it is written.
        let apart = |t: &Tensor| {
            if clashes(t) { dispatch(Cast { dtype: t.dtype(), rows: false }, &[t]) } else { Ok(t.clone()) }
        };
        let apart = no_grad(|| inputs.iter().map(|t| apart(t)).collect::<Result<Outputs>>())?;
        return write(name, op, &apart.iter().collect::<SmallVec<[&Tensor; 4]>>(), target, meta, at);
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
        // SAFETY: shapes are as inferred, all storages are locked, the target has no overlap, and inputs are the
        // target itself or apart from it.
        if unsafe { backend.run(Work { op, inputs, outputs: &[target], at })? } == Ran::Queued {
            return Ok(());
        }
    }
    let made = run_one(op, inputs, at)?;
    let (here, there) = (made.device(), target.device());
    ensure!(here == there, Device, name, "the result is on {here}, the tensor that is to take it on {there}");
    let _guard = lock_for_op(name, &[&made], &[target])?;
    let cast = Op::Cast(Cast { dtype: target.dtype(), rows: false });
    // SAFETY: the target has the shape of what was made, no overlap, and both are locked.
    let ran = unsafe { backend.run(Work { op: &cast, inputs: &[&made], outputs: &[target], at })? };
    ensure!(ran == Ran::Queued, Unsupported, name, "{device} has no kernel to copy with");
    Ok(())
}

fn run_all(op: &Op, inputs: &[&Tensor], at: At) -> Result<Outputs> {
    if let (Op::Transfer(op), [x]) = (op, inputs) {
        return Ok(Outputs::from_iter([transfer(*op, x)?]));
    }
    let (device, backend) = common_device(op, inputs)?;
    let writes = writes_channels_last(op, inputs);
    let made = |meta: &Meta| {
        let order = if writes { kept_order(op, inputs, &meta.shape) } else { None };
        uninit_in_order(op, meta, device, order.as_deref())
    };
    let mut outputs = op.infer(inputs)?.iter().map(made).collect::<Result<Outputs>>()?;
    let guard = lock_for_op(op.name(), inputs, &[])?;
    let ran = {
        let outputs: SmallVec<[&Tensor; 4]> = outputs.iter().collect();
        // SAFETY: outputs are as inferred and fresh, inputs locked to read.
        unsafe { queue(backend, Work { op, inputs, outputs: &outputs, at })? }
    };
    drop(guard);
    if ran != Ran::Queued {
        return decomposed(op, inputs, device);
    }
    if !writes {
        for out in &mut outputs {
            if let Some(order) = kept_order(op, inputs, out.shape()) {
                *out = in_order(op, out, &order, backend, at)?;
            }
        }
    }
    Ok(outputs)
}

/// [`run_all`] for an op of one output: no lists to be made.
#[inline]
fn run_one(op: &Op, inputs: &[&Tensor], at: At) -> Result<Tensor> {
    if let (Op::Transfer(op), [x]) = (op, inputs) {
        return transfer(*op, x);
    }
    let (device, backend) = common_device(op, inputs)?;
    // Looked at where it stands: to move it would cost as much as to make it.
    let metas = op.infer(inputs);
    let [meta] = metas.as_ref().map_or(&[][..], |metas| &metas[..]) else {
        bail!(Unsupported, op.name(), "an op of {} outputs, not one", metas?.len())
    };
    let order = kept_order(op, inputs, &meta.shape);
    let writes = order.is_some() && (op.is_elementwise() || writes_channels_last(op, inputs));
    let out = match &order {
        Some(order) if writes => uninit_in_order(op, meta, device, Some(order))?,
        _ => Tensor::uninit(op.name(), &meta.shape, meta.dtype, device)?,
    };
    let mut guard = Guard::default();
    guard.lock_all(op.name(), inputs, &[])?;
    // SAFETY: the output is as inferred and fresh, inputs are locked to read; an elementwise op writes any layout, and
    // kernels that `writes_channels_last` names write that.
    if unsafe { queue(backend, Work { op, inputs, outputs: &[&out], at })? } == Ran::Queued {
        drop(guard);
        return match order {
            Some(order) if !writes => in_order(op, &out, &order, backend, at),
            _ => Ok(out),
        };
    }
    drop(guard);
    decomposed(op, inputs, device)?.pop().ok_or_else(|| Error::new(ErrorKind::Unsupported, op.name(), "no output"))
}

/// The order of its dimensions in memory that an output of `shape` takes from what it comes from; none for rows.
#[inline]
fn kept_order(op: &Op, inputs: &[&Tensor], shape: &[usize]) -> Option<DimList> {
    if shape.len() < 2 || inputs.iter().all(|x| x.is_contiguous()) {
        None
    } else {
        order_of_operands(op, inputs, shape)
    }
}

/// As in PyTorch an elementwise op keeps its operands' order, of which the first that tells leads; images in channels-last
/// order stay so in norms, pools and convolutions, which are led by their input, and so does what goes back through them.
/// On a device it is elementwise ops that do.
#[cold]
fn order_of_operands(op: &Op, inputs: &[&Tensor], shape: &[usize]) -> Option<DimList> {
    let here = |x: &&Tensor| matches!(x.device(), Device::Cpu | Device::Meta);
    let images = |x: Option<&&Tensor>| -> Option<DimList> {
        let x = x.copied().filter(here)?;
        let led = x.rank() == shape.len() && x.layout().is_channels_last();
        MemoryFormat::channels_last(shape.len()).filter(|_| led)?.order(shape.len())
    };
    match op {
        Op::Cast(Cast { rows: true, .. }) => None,
        _ if op.is_elementwise() || matches!(op, Op::Dropout(_)) => {
            let told = |x: &&Tensor| broadcasts_to(x.shape(), shape) && (op.is_elementwise() || here(x));
            let strides = inputs.iter().copied().filter(told);
            let mut strides: SmallVec<[Strides; 3]> = strides.map(|x| x.layout().expand(shape).strides).collect();
            if matches!(op, Op::Where(op) if op.input.is_some()) {
                // `masked_fill`, which is led by what is filled, not by the mask.
                strides.reverse();
            }
            let order = memory_order(shape, &strides.iter().map(|s| &s[..]).collect::<SmallVec<[&[usize]; 3]>>());
            (!Layout::in_order(shape, &order).is_contiguous()).then_some(order)
        }
        // Led by the weight, too.
        Op::Conv(_) | Op::ConvInputGrad(_) => images(inputs.first()).or_else(|| images(inputs.get(1))),
        Op::MaxPool(_) | Op::MaxPoolBackward(_) | Op::AvgPool(_) => images(inputs.first()),
        Op::AvgPoolBackward(_) | Op::BatchNorm(_) | Op::GroupNorm(_) => images(inputs.first()),
        Op::Interpolate(_) | Op::InterpolateBackward(_) => images(inputs.first()),
        Op::BatchNormBackward(_) | Op::GroupNormBackward(_) => images(inputs.get(1)),
        Op::Pad(_) | Op::Cat(_) => images(inputs.first()),
        _ => None,
    }
}

/// Whether a tensor of shape `from` may stand where one of `shape` is.
fn broadcasts_to(from: &[usize], shape: &[usize]) -> bool {
    from.len() <= shape.len() && from.iter().rev().zip(shape.iter().rev()).all(|(a, b)| a == b || *a == 1)
}

/// True where the CPU's kernel computes in channels-last order, so that nothing is to be put into another: batch and group
/// norm, pools and some convolutions of batches of images, of which all lie so.
fn writes_channels_last(op: &Op, inputs: &[&Tensor]) -> bool {
    let images = |count: usize| inputs.len() >= count && inputs[..count].iter().all(|x| x.layout().is_channels_last());
    let pools = |rank: usize| inputs.first().is_some_and(|x| x.rank() == rank + 2);
    let in_pixels = |g: Result<ConvGeometry>| g.is_ok_and(|g| g.in_pixels(inputs[0].dtype()).is_some());
    match op {
        Op::Conv(op) => images(1) && in_pixels(op.geometry("conv", inputs[0].shape(), inputs[1].shape())),
        Op::ConvInputGrad(op) => {
            images(1) && !inputs[0].dtype().is_half() && in_pixels(op.geometry(inputs[0].shape(), inputs[1].shape()))
        }
        Op::BatchNorm(_) | Op::GroupNorm(_) => images(1),
        Op::BatchNormBackward(_) | Op::GroupNormBackward(_) => images(2),
        Op::MaxPool(op) => pools(op.windows.rank()) && images(1) && inputs[0].numel() <= i32::MAX as usize,
        Op::MaxPoolBackward(op) => pools(op.size.given().len()) && images(2),
        Op::AvgPool(op) => pools(op.windows.rank()) && images(1),
        Op::AvgPoolBackward(op) => pools(op.size.given().len()) && images(1),
        Op::Interpolate(op) => pools(op.size.len()) && images(1),
        Op::InterpolateBackward(op) => pools(op.size.len()) && images(1),
        _ => false,
    }
}

/// Of any content, with its dimensions in `order`, or in rows.
#[inline]
fn uninit_in_order(op: &Op, meta: &Meta, device: Device, order: Option<&[usize]>) -> Result<Tensor> {
    let rows = Tensor::uninit(op.name(), &meta.shape, meta.dtype, device)?;
    Ok(match order {
        Some(order) => {
            let layout = Layout::in_order(&meta.shape, order);
            Tensor::over(rows.storage().clone(), layout, meta.dtype, None)
        }
        None => rows,
    })
}

/// What a kernel that writes rows made, with its dimensions in `order`.
fn in_order(op: &Op, rows: &Tensor, order: &[usize], backend: &dyn Backend, at: At) -> Result<Tensor> {
    let meta = Meta { shape: rows.layout().shape.clone(), dtype: rows.dtype() };
    let out = uninit_in_order(op, &meta, rows.device(), Some(order))?;
    let guard = lock_for_op(op.name(), &[rows], &[&out])?;
    let cast = Op::Cast(Cast { dtype: rows.dtype(), rows: false });
    // SAFETY: the output has the shape and dtype of the rows, no overlap, and both are locked.
    let ran = unsafe { backend.run(Work { op: &cast, inputs: &[rows], outputs: &[&out], at })? };
    drop(guard);
    ensure!(ran == Ran::Queued, Unsupported, op.name(), "{} has no kernel to copy with", rows.device());
    Ok(out)
}

/// Has the backend run the op. One of somebody's own is asked first, whether it has a kernel for the device.
///
/// # Safety
/// As for [`Backend::run`].
#[inline(always)]
unsafe fn queue(backend: &dyn Backend, work: Work<'_>) -> Result<Ran> {
    if let Op::Custom(op) = work.op {
        let here = work.outputs.iter().all(|t| t.device() == Device::Cpu);
        // SAFETY: the caller's promise.
        if !here && unsafe { op.op().device(work)? } == Ran::Queued {
            return Ok(Ran::Queued);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { backend.run(work) }
}

/// An op that the backend lacks, by its mathematics in other ops.
#[cold]
fn decomposed(op: &Op, inputs: &[&Tensor], device: Device) -> Result<Outputs> {
    match no_grad(|| op.decompose(inputs)) {
        Some(outputs) => outputs,
        None => bail!(Unsupported, op.name(), "{device} has no kernel for it, and it has no decomposition"),
    }
}

/// A copy of `x` on another device.
#[cold]
fn transfer(Transfer { to, non_blocking, .. }: Transfer, x: &Tensor) -> Result<Tensor> {
    let (source, target) = (backend_for("to", x.device())?, backend_for("to", to)?);
    if !to.has_data() {
        return Tensor::uninit("to", x.shape(), x.dtype(), to);
    }
    let rows = no_grad(|| x.contiguous())?;
    let out = match (x.device(), to) {
        // Only into page-locked memory can a device copy behind the program's back.
        (_, Device::Cpu) if non_blocking => Tensor::pinned("to", x.shape(), x.dtype(), source),
        _ => Tensor::uninit("to", x.shape(), x.dtype(), to),
    }?;
    let _guard = lock_for_op("to", &[&rows], &[])?;
    // SAFETY: contiguous and locked to read; what takes it is fresh, contiguous, of the same shape and dtype.
    unsafe {
        match (x.device(), to) {
            (Device::Cpu, _) => target.upload(&rows, &out, non_blocking)?,
            (_, Device::Cpu) => source.download(&rows, &out, non_blocking)?,
            (a, b) if a.is_same_kind(b) && source.copy(&rows, &out)? == Ran::Queued => {}
            _ => {
                let host = Tensor::uninit("to", x.shape(), x.dtype(), Device::Cpu)?;
                source.download(&rows, &host, false)?;
                target.upload(&host, &out, false)?;
            }
        }
    }
    Ok(out)
}

#[inline]
fn common_device(op: &Op, inputs: &[&Tensor]) -> Result<(Device, &'static dyn Backend)> {
    if !inputs.is_empty() && inputs.iter().all(|t| matches!(t.device(), Device::Cpu)) {
        return Ok((Device::Cpu, backend_for(op.name(), Device::Cpu)?));
    }
    device_of_any(op, inputs)
}

/// [`common_device`] of any inputs.
fn device_of_any(op: &Op, inputs: &[&Tensor]) -> Result<(Device, &'static dyn Backend)> {
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
    Ok((device, backend_for(op.name(), device)?))
}
