//! Running reductions: `kernels/scan.cu`.

use super::by_lane::{ByLane, by_lane};
use super::host::on_host;
use super::places::{Dim, MOST, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, SCAN};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Scan {
    out: u64,
    second: u64,
    inputs: [u64; 2],
    lines: i64,
    n: i64,
    step: [i64; 4],
    dtype: [i32; 3],
    reverse: i32,
    places: Places,
}

by_lane! {
    SCAN ["_thread" "_block"]
    SUM "cumsum" [F64 I64];
    PROD "cumprod" [F64 I64];
    LOG_SUM_EXP "logcumsumexp" [F64];
    RECURRENCE "recurrence" [F64 I64];
    MAX "cummax" [F64 I64];
    MIN "cummin" [F64 I64];
}

/// Lines longer than this have a block each, where there are not many.
const LONG: usize = 512;
const MANY: usize = 8192;

/// `kernels` are one for a line a thread, and one for a line a block.
fn run(work: &Work<'_>, kernels: &'static ByLane<2>, dim: usize, reverse: bool) -> Result<Ran> {
    let out = work.outputs[0];
    // All floating point is summed in double precision, all else in 64-bit integers.
    let lane = match Lane::of(out.dtype()) {
        Some(Lane::F32 | Lane::F64) => Some(Lane::F64),
        Some(Lane::I64) => Some(Lane::I64),
        _ => None,
    };
    let real = work.inputs.iter().all(|t| Lane::of(t.dtype()).is_some());
    let Some([by_thread, by_block]) = kernels.get(lane).filter(|_| real) else { return on_host(work) };
    let (inputs, second) = (work.inputs, work.outputs.get(1));
    let stride = |k: usize, d: usize| {
        let t = match k {
            0 => Some(out),
            3 => second.copied(),
            _ => inputs.get(k - 1).copied(),
        };
        t.and_then(|t| t.strides().get(d)).map_or(0, |s| *s as i64)
    };
    let dims = (0..out.rank()).filter(|d| *d != dim);
    let dims = collapse(dims.map(|d| Dim { size: out.shape()[d], strides: std::array::from_fn(|k| stride(k, d)) }));
    if dims.len() > MOST {
        return on_host(work);
    }
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let (lines, n): (usize, usize) =
        (dims.iter().map(|d| d.size).product(), out.shape().get(dim).copied().unwrap_or(1));
    let mut params = Scan {
        out: address_of(out)?,
        second: second.map_or(Ok(0), |t| address_of(t))?,
        inputs: [0; 2],
        lines: lines as i64,
        n: n as i64,
        step: std::array::from_fn(|k| stride(k, dim)),
        dtype: [number(out.dtype()), 0, 0],
        reverse: reverse.into(),
        places: Places::new(&dims)?,
    };
    for (i, t) in inputs.iter().enumerate() {
        (params.inputs[i], params.dtype[i + 1]) = (address_of(t)?, number(t.dtype()));
    }
    let long = n > LONG && lines < MANY;
    let (kernel, blocks) = if long { (by_block, lines) } else { (by_thread, lines.div_ceil(256)) };
    let Some(blocks) = u32::try_from(blocks).ok().filter(|b| *b <= i32::MAX as u32) else { return on_host(work) };
    let task = Task::of(work);
    let gpu = gpu_of(out)?;
    // SAFETY: `Scan` is the kernel's parameter; operands are as large as their shapes say (the contract of
    // `Backend::run`).
    queue(gpu, &task, |queue| unsafe { kernel.launch(gpu, queue, [blocks, 1, 1], 256, &params) })?;
    Ok(Ran::Queued)
}

macro_rules! scans {
    ($($Op:ident $KERNELS:ident |$op:ident| $reverse:expr;)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let $op = self;
                run(work, &$KERNELS, self.dim, $reverse)
            }
        }
    )*};
}

scans! {
    Cumsum SUM |op| op.reverse; Cumprod PROD |op| op.reverse; Recurrence RECURRENCE |op| op.reverse;
    Logcumsumexp LOG_SUM_EXP |_op| false; Cummax MAX |_op| false; Cummin MIN |_op| false;
}
