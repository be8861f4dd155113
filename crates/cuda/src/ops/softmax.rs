//! Softmax and its logarithm: `kernels/softmax.cu`.

use super::by_lane::{ByLane, by_lane};
use super::host::on_host;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, SOFTMAX};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Rows {
    out: u64,
    inputs: [u64; 2],
    rows: i64,
    n: i64,
    step: [i64; 3],
    dtype: [i32; 3],
    places: Places,
}

by_lane! {
    SOFTMAX ["_thread" "_warp" "_block"]
    PLAIN "softmax" [F32 F64];
    LOG "log_softmax" [F32 F64];
    PLAIN_BACKWARD "softmax_backward" [F32 F64];
    LOG_BACKWARD "log_softmax_backward" [F32 F64];
}

/// Rows longer than this have a block each.
const LONG: usize = 2048;

/// `kernels` are for a row a thread, a warp, and a block.
fn run(work: &Work<'_>, kernels: &'static ByLane<3>, dim: usize) -> Result<Ran> {
    let out = work.outputs[0];
    let all = || std::iter::once(out).chain(work.inputs.iter().copied());
    let dims = (0..out.rank()).filter(|d| *d != dim).map(|d| {
        let mut strides = [0; OPERANDS];
        strides.iter_mut().zip(all()).for_each(|(stride, t)| *stride = t.strides()[d] as i64);
        Dim { size: out.shape()[d], strides }
    });
    let dims = collapse(dims);
    let found = kernels.of(out.dtype()).filter(|_| dims.len() <= MOST);
    let Some([thread, warp, block]) = found else { return on_host(work) };
    let n = out.shape().get(dim).copied().unwrap_or(1);
    let rows: usize = dims.iter().map(|d| d.size).product();
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let mut params = Rows {
        out: address_of(out)?,
        inputs: [0; 2],
        rows: rows as i64,
        n: n as i64,
        step: [0; 3],
        dtype: [0; 3],
        places: Places::new(&dims)?,
    };
    for (address, t) in params.inputs.iter_mut().zip(work.inputs) {
        *address = address_of(t)?;
    }
    for (i, t) in all().enumerate() {
        params.step[i] = t.strides().get(dim).map_or(0, |s| *s as i64);
        params.dtype[i] = number(t.dtype());
    }
    // Where neighbours in memory are of different rows, so are neighbours among threads.
    let side_by_side = dims.first().is_some_and(|d| d.strides[1] < params.step[1] && rows >= 32);
    let (kernel, teams) = match n {
        _ if side_by_side || n <= 8 => (thread, 256),
        ..=LONG => (warp, 8),
        _ => (block, 1),
    };
    let blocks = u32::try_from(rows.div_ceil(teams)).ok().filter(|b| *b <= i32::MAX as u32);
    let Some(blocks) = blocks else { return on_host(work) };
    let task = Task::of(work);
    let gpu = gpu_of(out)?;
    // SAFETY: `Rows` is the kernel's parameter; operands are as large as their shapes say (the contract of
    // `Backend::run`).
    queue(gpu, &task, |queue| unsafe { kernel.launch(gpu, queue, [blocks, 1, 1], 256, &params) })?;
    Ok(Ran::Queued)
}

macro_rules! softmax {
    ($($Op:ident $KERNELS:ident,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                run(work, &$KERNELS, self.dim)
            }
        }
    )*};
}

softmax! { Softmax PLAIN, LogSoftmax LOG, SoftmaxBackward PLAIN_BACKWARD, LogSoftmaxBackward LOG_BACKWARD, }
