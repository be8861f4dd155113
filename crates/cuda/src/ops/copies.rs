//! Ops that only move elements: fills, joins, reversals, padding, and views written back.

use super::elementwise::{Operand, bits, copy_raw, element, fill_raw};
use super::host::on_host;
use super::packed::Temporary;
use super::{CudaKernel, Lane};
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::driver::check;
use crate::stream::{Queue, Task, queue};
use cudarc::driver::sys;
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::layout::{Layout, contiguous_strides};
use flambeau_tensor::*;
use smallvec::SmallVec;

/// Queues a fill of `to` with one value; false where there is no kernel.
///
/// # Safety
/// `to` is there until what is queued is over.
pub(super) unsafe fn fill(gpu: &Gpu, queue: &Queue, to: Operand<'_>, value: Scalar) -> Result<bool> {
    let (size, count): (usize, usize) = (to.dtype.size(), to.shape.iter().product());
    if count == 0 {
        return Ok(true);
    }
    let Some(pattern) = element(value, to.dtype) else { return Ok(false) };
    let in_rows = *to.strides == contiguous_strides(to.shape)[..];
    let (stream, at) = (queue.handle(), to.address);
    // The driver fills with patterns of up to four bytes. What is longer than eight is zero.
    let alike = pattern[..size.min(8)].chunks(4).all(|part| *part == pattern[..part.len()]);
    if in_rows && alike {
        let word = u32::from_le_bytes([pattern[0], pattern[1], pattern[2], pattern[3]]);
        // SAFETY: so many bytes, the caller vouches for them.
        let status = unsafe {
            match size {
                1 => sys::cuMemsetD8Async(at, word as u8, count, stream),
                2 => sys::cuMemsetD16Async(at, word as u16, count, stream),
                _ => sys::cuMemsetD32Async(at, word, count * (size / 4), stream),
            }
        };
        return check("cuda", status).map(|()| true);
    }
    match Lane::of(to.dtype) {
        // SAFETY: the caller's word.
        Some(lane) => unsafe { fill_raw(gpu, queue, to, lane, bits(value, to.dtype, false)) },
        None => Ok(false),
    }
}

/// Queues `work`, which says whether it has a kernel for everything.
fn run(work: &Work<'_>, f: impl FnOnce(&'static Gpu, &Queue, &mut Temporary) -> Result<bool>) -> Result<Ran> {
    let out = work.outputs[0];
    let task = Task::of(work);
    let (gpu, mut temporary, mut all) = (gpu_of(out)?, Temporary::default(), true);
    queue(gpu, &task, |queue| f(gpu, queue, &mut temporary).map(|done| all = done))?;
    if all { Ok(Ran::Queued) } else { on_host(work) }
}

/// Fills the output with one value.
pub(super) fn filled(work: &Work<'_>, value: Scalar) -> Result<Ran> {
    // SAFETY: the output is as large as its shape says, and stays while what is queued uses it.
    run(work, |gpu, queue, _| unsafe { fill(gpu, queue, Operand::of(work.outputs[0])?, value) })
}

impl CudaKernel for Full {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        filled(work, self.value)
    }
}

/// A part of `t`, which has elements: `start` elements behind its first, with its strides.
fn part<'a>(t: Operand<'a>, start: usize, shape: &'a [usize]) -> Operand<'a> {
    Operand { address: t.address + (start * t.dtype.size()) as u64, shape, ..t }
}

impl CudaKernel for Cat {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        run(work, |gpu, queue, _| {
            let (to, mut at) = (Operand::of(work.outputs[0])?, 0);
            for (x, size) in work.inputs.iter().zip(&self.sizes) {
                let target = part(to, at * to.strides[self.dim], x.shape());
                // SAFETY: the parts lie one behind the other in the output, whose shape was inferred from them.
                if x.numel() > 0 && !unsafe { copy_raw(gpu, queue, target, Operand::of(x)?)? } {
                    return Ok(false);
                }
                at += size;
            }
            Ok(true)
        })
    }
}

impl CudaKernel for Flip {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        if x.numel() == 0 {
            return Ok(Ran::Queued);
        }
        // From the last elements back: kernels read strides as signed numbers.
        let mut strides: SmallVec<[usize; 6]> = x.strides().into();
        let mut start = 0;
        for d in &self.dims {
            start += (x.shape()[*d] - 1) * strides[*d];
            strides[*d] = strides[*d].wrapping_neg();
        }
        run(work, |gpu, queue, _| {
            let from = Operand { strides: &strides, ..part(Operand::of(x)?, start, x.shape()) };
            // SAFETY: every element of `x` is read once.
            unsafe { copy_raw(gpu, queue, Operand::of(work.outputs[0])?, from) }
        })
    }
}

impl CudaKernel for Pad {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, out) = (work.inputs[0], work.outputs[0]);
        // The part that is kept: where it begins in both, and how large it is.
        let (mut from, mut to, mut shape) = (0, 0, SmallVec::<[usize; 6]>::new());
        for (d, (before, behind)) in self.pads.iter().enumerate() {
            let crop = |pad: isize| pad.min(0).unsigned_abs();
            shape.push(x.shape()[d] - crop(*before) - crop(*behind));
            from += crop(*before) * x.strides()[d];
            to += (*before).max(0).unsigned_abs() * out.strides()[d];
        }
        let grows = self.pads.iter().any(|(before, behind)| *before > 0 || *behind > 0);
        run(work, |gpu, queue, _| {
            let target = Operand::of(out)?;
            // SAFETY: the output is as large as its shape says; the part lies inside of both.
            unsafe {
                if grows && !fill(gpu, queue, target, self.value)? {
                    return Ok(false);
                }
                if shape.contains(&0) {
                    return Ok(true);
                }
                copy_raw(gpu, queue, part(target, to, &shape), part(Operand::of(x)?, from, &shape))
            }
        })
    }
}

/// Memory in which the places of both layouts are, and where each tensor's elements lie in it.
fn places<'a>(memory: u64, dtype: DType, layout: &'a Layout) -> Operand<'a> {
    let whole = Operand { address: memory, dtype, shape: &layout.shape, strides: &layout.strides };
    part(whole, layout.offset, &layout.shape)
}

fn room(base: &Layout, view: &Layout) -> usize {
    base.end().unwrap_or(0).max(view.end().unwrap_or(0))
}

impl CudaKernel for AsStridedScatter {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([base, source], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        if self.base.may_overlap() || self.view.may_overlap() {
            return on_host(work);
        }
        let dtype = out.dtype();
        run(work, |gpu, queue, temporary| {
            let inside = self.base.offset <= self.view.offset
                && self.view.end().unwrap_or(0) <= self.base.end().unwrap_or(0)
                && self.base.is_contiguous();
            // SAFETY: layouts lie inside the memory that is made for them, or inside the output where that has the
            // base's own; all operands are as large as their shapes say.
            unsafe {
                if inside {
                    let memory = address_of(out)?.wrapping_sub((self.base.offset * dtype.size()) as u64);
                    return Ok(copy_raw(gpu, queue, Operand::of(out)?, Operand::of(base)?)?
                        && copy_raw(gpu, queue, places(memory, dtype, &self.view), Operand::of(source)?)?);
                }
                let memory = temporary.bytes(gpu, room(&self.base, &self.view) * dtype.size())?;
                Ok(copy_raw(gpu, queue, places(memory, dtype, &self.base), Operand::of(base)?)?
                    && copy_raw(gpu, queue, places(memory, dtype, &self.view), Operand::of(source)?)?
                    && copy_raw(gpu, queue, Operand::of(out)?, places(memory, dtype, &self.base))?)
            }
        })
    }
}

impl CudaKernel for AsStridedBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([grad], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        if self.base.may_overlap() || self.view.may_overlap() {
            return on_host(work);
        }
        let (dtype, room) = (out.dtype(), room(&self.base, &self.view));
        run(work, |gpu, queue, temporary| {
            let memory = temporary.bytes(gpu, room * dtype.size())?;
            // SAFETY: as above.
            unsafe {
                let all = Operand { address: memory, dtype, shape: &[room], strides: &[1] };
                Ok(fill(gpu, queue, all, Scalar::Int(0))?
                    && copy_raw(gpu, queue, places(memory, dtype, &self.view), Operand::of(grad)?)?
                    && copy_raw(gpu, queue, Operand::of(out)?, places(memory, dtype, &self.base))?)
            }
        })
    }
}
