//! Softmax and its logarithm: `kernels/softmax.cu`.

use super::host::on_host;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, SOFTMAX};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::storage::Storage;
use flambeau_tensor::*;
use smallvec::SmallVec;

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

/// The kernels of one function: by lane, for a row a thread, a warp, and a block.
pub(super) struct Kernels([(Lane, [Kernel; 3]); 2]);

macro_rules! kernels {
    ($($NAME:ident $name:literal;)*) => {
        $(static $NAME: Kernels = Kernels([
            (Lane::F32, kernels!(@ $name "_f32")),
            (Lane::F64, kernels!(@ $name "_f64")),
        ]);)*
        #[cfg(test)]
        static ALL: &[&Kernels] = &[$(&$NAME),*];
    };
    (@ $name:literal $lane:literal) => {
        [
            Kernel::new(&SOFTMAX, concat!($name, $lane, "_thread")),
            Kernel::new(&SOFTMAX, concat!($name, $lane, "_warp")),
            Kernel::new(&SOFTMAX, concat!($name, $lane, "_block")),
        ]
    };
}

kernels! {
    PLAIN "softmax"; LOG "log_softmax"; PLAIN_BACKWARD "softmax_backward"; LOG_BACKWARD "log_softmax_backward";
}

/// Rows longer than this have a block each.
const LONG: usize = 2048;

fn run(work: &Work<'_>, kernels: &'static Kernels, dim: usize) -> Result<Ran> {
    let out = work.outputs[0];
    let found = kernels.0.iter().find(|(lane, _)| Some(*lane) == Lane::of(out.dtype()));
    let all = || std::iter::once(out).chain(work.inputs.iter().copied());
    let dims = (0..out.rank()).filter(|d| *d != dim).map(|d| {
        let mut strides = [0; OPERANDS];
        strides.iter_mut().zip(all()).for_each(|(stride, t)| *stride = t.strides()[d] as i64);
        Dim { size: out.shape()[d], strides }
    });
    let dims = collapse(dims);
    let Some((_, [thread, warp, block])) = found.filter(|_| dims.len() <= MOST) else { return on_host(work) };
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
    let reads: SmallVec<[&Storage; 2]> = work.inputs.iter().map(|t| t.storage()).collect();
    let task = Task { name: work.op.name(), at: Some(work.at), reads: &reads, writes: &[out.storage()] };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = SOFTMAX.text().unwrap();
        let all = ALL.iter().flat_map(|k| &k.0).flat_map(|(_, kernels)| kernels);
        all.for_each(|k| assert!(text.contains(&format!(".entry {}(", k.name)), "{}", k.name));
    }
}
