//! Reductions: `kernels/reduce.cu`.

use super::by_lane::{ByLane, by_lane};
use super::host::on_host;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, REDUCE};
use crate::pool::allocate;
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Reduce {
    out: u64,
    input: u64,
    scale: f64,
    outputs: i64,
    length: i64,
    chunk: i64,
    out_dtype: i32,
    in_dtype: i32,
    kept: Places,
    reduced: Places,
    second: u64,
    number: f64,
    flag: i32,
}

/// The kernels of one reduction: a block for each output, and a thread.
type Kernels = ByLane<2>;

by_lane! {
    REDUCE ["_rows" "_columns"]
    SUM "sum" [F32 F64 I64];
    PROD "prod" [F32 F64 I64];
    AMAX "amax" [F32 F64 I64 Truth];
    AMIN "amin" [F32 F64 I64 Truth];
    ARGMAX "argmax" [F32 F64 I64];
    ARGMIN "argmin" [F32 F64 I64];
    VAR_MEAN "var_mean" [F32 F64];
    NORM "norm" [F32 F64];
    LOG_SUM_EXP "logsumexp" [F32 F64];
}

/// A block reads so many elements before the work is worth a second one.
const CHUNK: usize = 16 * 1024;
/// Chunks of one output.
const MOST_CHUNKS: usize = 256;
/// Fewer threads than this leave a device idle.
const FEW: usize = 64 * 1024;

/// How a reduction is shared out: by blocks or by threads, and in how many chunks. It follows from the shape alone, so
/// the order of a sum is the same on every device.
fn plan(outputs: usize, length: usize, side_by_side: bool) -> (bool, usize) {
    let rows = !(side_by_side && outputs >= 32 || length <= 32);
    let workers = if rows { outputs.saturating_mul(256) } else { outputs };
    let least = if rows { CHUNK } else { 256 };
    let wanted = FEW.div_ceil(workers.max(1));
    (rows, wanted.min(length.div_ceil(least)).clamp(1, MOST_CHUNKS))
}

fn reduce(work: &Work<'_>, kernels: &'static Kernels, lane: Option<Lane>, dims: &[usize], scale: f64) -> Result<Ran> {
    let ([x], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
    let found = kernels.get(lane).filter(|_| Lane::of(x.dtype()).is_some());
    let (Some(lane), Some([by_block, by_thread])) = (lane, found) else { return on_host(work) };
    let dim = |d: usize| {
        let mut strides = [0; OPERANDS];
        strides[0] = x.strides()[d] as i64;
        Dim { size: x.shape()[d], strides }
    };
    let kept = collapse((0..x.rank()).filter(|d| !dims.contains(d)).map(dim));
    let reduced = collapse((0..x.rank()).filter(|d| dims.contains(d)).map(dim));
    let size = |dims: &[Dim]| dims.iter().map(|d| d.size).product::<usize>();
    let (outputs, length) = (size(&kept), size(&reduced));
    if kept.len() > MOST || reduced.len() > MOST || outputs > u32::MAX as usize / 2 {
        return on_host(work);
    }
    if outputs == 0 {
        return Ok(Ran::Queued);
    }
    let innermost = |dims: &[Dim]| dims.first().map_or(i64::MAX, |d| d.strides[0]);
    let side_by_side = innermost(&kept) < innermost(&reduced);
    let (rows, chunks) = plan(outputs, length, side_by_side);
    let chunk = length.div_ceil(chunks);
    let chunks = length.div_ceil(chunk.max(1)).max(1);
    let gpu = gpu_of(out)?;
    let parts = if chunks > 1 { Some(allocate(gpu, chunks * outputs * lane.dtype().size())?) } else { None };
    let target = address_of(out)?;
    let mut first = Reduce {
        out: target,
        input: address_of(x)?,
        scale,
        outputs: outputs as i64,
        length: length as i64,
        chunk: chunk as i64,
        out_dtype: number(out.dtype()),
        in_dtype: number(x.dtype()),
        kept: Places::new(&kept)?,
        reduced: Places::new(&reduced)?,
        second: 0,
        number: 0.0,
        flag: 0,
    };
    let task = Task::of(work);
    queue(gpu, &task, |queue| {
        let (kernel, blocks) = if rows { (by_block, outputs) } else { (by_thread, outputs.div_ceil(256)) };
        if let Some(parts) = &parts {
            (first.out, first.out_dtype, first.scale) = (parts.address(), number(lane.dtype()), 1.0);
        }
        // SAFETY: `Reduce` is the kernel's parameter; operands are as large as their shapes say, outputs are contiguous
        // (the contract of `Backend::run`), and the parts have room for every chunk.
        unsafe { kernel.launch(gpu, queue, [blocks as u32, chunks as u32, 1], 256, &first)? };
        let Some(parts) = &parts else { return Ok(()) };
        let one = |size, stride| Dim { size, strides: [stride, 0, 0, 0] };
        let second = Reduce {
            out: target,
            input: parts.address(),
            scale,
            length: chunks as i64,
            chunk: chunks as i64,
            out_dtype: number(out.dtype()),
            in_dtype: number(lane.dtype()),
            kept: Places::new(&[one(outputs, 1)])?,
            reduced: Places::new(&[one(chunks, outputs as i64)])?,
            ..first
        };
        // SAFETY: as above; the parts stay this stream's until who gets them next has waited.
        unsafe { by_thread.launch(gpu, queue, [outputs.div_ceil(256) as u32, 1, 1], 256, &second) }
    })?;
    Ok(Ran::Queued)
}

/// Reductions that keep more than a number, in one launch: a block for each output, or a thread.
fn reduce_state(work: &Work<'_>, kernels: &'static Kernels, dims: &[usize], number_of: f64, flag: bool) -> Result<Ran> {
    let (x, out) = (work.inputs[0], work.outputs[0]);
    let Some([by_block, by_thread]) = kernels.of(x.dtype()) else { return on_host(work) };
    let dim = |d: usize| Dim { size: x.shape()[d], strides: [x.strides()[d] as i64, 0, 0, 0] };
    let kept = collapse((0..x.rank()).filter(|d| !dims.contains(d)).map(dim));
    let reduced = collapse((0..x.rank()).filter(|d| dims.contains(d)).map(dim));
    let size = |dims: &[Dim]| dims.iter().map(|d| d.size).product::<usize>();
    let (outputs, length) = (size(&kept), size(&reduced));
    if kept.len() > MOST || reduced.len() > MOST || outputs > i32::MAX as usize {
        return on_host(work);
    }
    if outputs == 0 {
        return Ok(Ran::Queued);
    }
    let params = Reduce {
        out: address_of(out)?,
        input: address_of(x)?,
        scale: 1.0,
        outputs: outputs as i64,
        length: length as i64,
        chunk: length as i64,
        out_dtype: number(out.dtype()),
        in_dtype: number(x.dtype()),
        kept: Places::new(&kept)?,
        reduced: Places::new(&reduced)?,
        second: work.outputs.get(1).map_or(Ok(0), |t| address_of(t))?,
        number: number_of,
        flag: flag.into(),
    };
    let innermost = |dims: &[Dim]| dims.first().map_or(i64::MAX, |d| d.strides[0]);
    let (rows, _) = plan(outputs, length, innermost(&kept) < innermost(&reduced));
    let (kernel, blocks) = if rows { (by_block, outputs) } else { (by_thread, outputs.div_ceil(256)) };
    let task = Task::of(work);
    let gpu = gpu_of(out)?;
    // SAFETY: `Reduce` is the kernel's parameter; operands are as large as their shapes say, outputs are contiguous (the
    // contract of `Backend::run`).
    queue(gpu, &task, |queue| unsafe { kernel.launch(gpu, queue, [blocks as u32, 1, 1], 256, &params) })?;
    Ok(Ran::Queued)
}

macro_rules! places {
    ($($Op:ident $KERNELS:ident $flag:literal;)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                reduce_state(work, &$KERNELS, &[self.dim], 0.0, $flag)
            }
        }
    )*};
}

places! { MaxDim ARGMAX false; MinDim ARGMIN false; Argmax ARGMAX true; Argmin ARGMIN true; }

impl CudaKernel for VarMean {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        reduce_state(work, &VAR_MEAN, &self.dims, self.correction, self.root)
    }
}

impl CudaKernel for Norm {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        reduce_state(work, &NORM, &self.dims, self.ord, false)
    }
}

impl CudaKernel for LogSumExp {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        reduce_state(work, &LOG_SUM_EXP, &self.dims, 0.0, false)
    }
}

impl CudaKernel for Sum {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        reduce(work, &SUM, Lane::of(work.outputs[0].dtype()), &self.dims, 1.0)
    }
}

impl CudaKernel for Mean {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let count: usize = self.dims.iter().filter_map(|d| work.inputs[0].shape().get(*d)).product();
        reduce(work, &SUM, Lane::of(work.outputs[0].dtype()), &self.dims, 1.0 / count as f64)
    }
}

impl CudaKernel for Prod {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        reduce(work, &PROD, Lane::of(work.outputs[0].dtype()), &[self.dim], 1.0)
    }
}

macro_rules! extremes {
    ($($Op:ident $KERNELS:ident)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                reduce(work, &$KERNELS, Lane::of(work.inputs[0].dtype()), &self.dims, 1.0)
            }
        }
    )*};
}

extremes! { Amax AMAX Amin AMIN }

macro_rules! truths {
    ($($Op:ident $KERNELS:ident $($lane:ident)?;)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                reduce(work, &$KERNELS, Some(Lane::Truth), &self.dims, 1.0)
            }
        }
    )*};
}

truths! { Any AMAX; All AMIN; }

impl CudaKernel for CountNonzero {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        // Truth values are 0 and 1 as integers; others are asked first.
        match work.inputs[0].dtype() {
            DType::Bool => reduce(work, &SUM, Some(Lane::I64), &self.dims, 1.0),
            _ => on_host(work),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shared_out_by_shape() {
        assert_eq!(plan(1, 10_000_000, false), (true, 256));
        assert_eq!(plan(1000, 1000, false), (true, 1));
        assert_eq!(plan(1000, 100_000, true), (false, 66));
        assert_eq!(plan(1_000_000, 10, false), (false, 1));
        assert_eq!(plan(1, 0, false).1, 1);
    }
}
