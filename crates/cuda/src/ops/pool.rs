//! Pooling: `kernels/pool.cu`.

use super::by_lane::{ByLane, by_lane};
use super::elementwise::{Operand, grid};
use super::host::on_host;
use super::packed::Temporary;
use super::{CudaKernel, Lane, copies, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, POOL};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Pool {
    out: u64,
    input: u64,
    places: u64,
    planes: i64,
    size: [i64; 3],
    pooled: [i64; 3],
    kernel: [i64; 3],
    stride: [i64; 3],
    padding: [i64; 3],
    dilation: [i64; 3],
    divisor: i64,
    dtype: i32,
    adaptive: i32,
    count_padding: i32,
}

by_lane! {
    POOL [""]
    MAX "max_pool" [F32 F64];
    MAX_BACKWARD "max_pool_backward" [F32 F64];
    AVG "avg_pool" [F32 F64];
    AVG_BACKWARD "avg_pool_backward" [F32 F64];
}

/// The last `rank` sizes as three.
fn three(shape: &[usize], rank: usize) -> [i64; 3] {
    let mut size = [1; 3];
    size[3 - rank..].iter_mut().zip(&shape[shape.len() - rank..]).for_each(|(to, s)| *to = *s as i64);
    size
}

impl Pool {
    /// Planes of `size` that are pooled to planes of `pooled`, both in the last `rank` dimensions.
    fn new(size: &[usize], pooled: &[usize], rank: usize, dtype: DType) -> Pool {
        Pool {
            out: 0,
            input: 0,
            places: 0,
            planes: size[..size.len() - rank].iter().product::<usize>() as i64,
            size: three(size, rank),
            pooled: three(pooled, rank),
            kernel: [1; 3],
            stride: [1; 3],
            padding: [0; 3],
            dilation: [1; 3],
            divisor: 0,
            dtype: number(dtype),
            adaptive: 0,
            count_padding: 0,
        }
    }

    fn windows(mut self, op: &'static str, windows: &Windows) -> Result<Pool> {
        let rank = windows.rank();
        let Windows::Sliding { kernel, stride, padding, dilation, .. } = windows else {
            self.adaptive = 1;
            return Ok(self);
        };
        let fill = |to: &mut [i64; 3], from: &Spatial| -> Result<()> {
            let values = from.spread(op, "windows", rank)?;
            to[3 - rank..].iter_mut().zip(values).for_each(|(to, value)| *to = value as i64);
            Ok(())
        };
        fill(&mut self.kernel, kernel)?;
        fill(&mut self.stride, stride)?;
        fill(&mut self.padding, padding)?;
        fill(&mut self.dilation, dilation)?;
        Ok(self)
    }
}

/// Queues a kernel on so many threads; where `backward`, it adds to zeros.
fn run(work: &Work<'_>, kernel: &'static Kernel, mut params: Pool, threads: usize, backward: bool) -> Result<Ran> {
    let (x, out) = (work.inputs[0], work.outputs[0]);
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let task = Task::of(work);
    let (gpu, mut temporary) = (gpu_of(out)?, Temporary::default());
    queue(gpu, &task, |queue| {
        (params.out, params.input) = (address_of(out)?, temporary.rows(gpu, queue, x)?);
        match (work.inputs.get(1), work.outputs.get(1)) {
            (Some(places), _) => params.places = temporary.rows(gpu, queue, places)?,
            (_, Some(places)) => params.places = address_of(places)?,
            _ => {}
        }
        // SAFETY: `Pool` is the kernel's parameter; operands are in rows and as large as their shapes say (the contract of
        // `Backend::run`), and places outside of a plane are left out.
        unsafe {
            if backward && !copies::fill(gpu, queue, Operand::of(out)?, Scalar::Int(0))? {
                return Err(Error::new(ErrorKind::Unsupported, work.op.name(), "no kernel fills with zeros"));
            }
            if threads == 0 { Ok(()) } else { kernel.launch(gpu, queue, grid(threads)?, 256, &params) }
        }
    })?;
    Ok(Ran::Queued)
}

impl CudaKernel for MaxPool {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, out) = (work.inputs[0], work.outputs[0]);
        let Some([kernel]) = MAX.of(x.dtype()) else { return on_host(work) };
        let params =
            Pool::new(x.shape(), out.shape(), self.windows.rank(), x.dtype()).windows("max_pool", &self.windows)?;
        run(work, kernel, params, out.numel(), false)
    }
}

impl CudaKernel for MaxPoolBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (g, out) = (work.inputs[0], work.outputs[0]);
        let Some([kernel]) = MAX_BACKWARD.of(g.dtype()) else { return on_host(work) };
        let params = Pool::new(out.shape(), g.shape(), self.size.given().len(), g.dtype());
        let threads = if g.numel() == 0 { 0 } else { params.planes as usize * 32 };
        run(work, kernel, params, threads, true)
    }
}

/// What both directions of a mean have in common.
fn mean(pool: &AvgPool, size: &[usize], pooled: &[usize], dtype: DType) -> Result<Pool> {
    let params = Pool::new(size, pooled, pool.windows.rank(), dtype).windows("avg_pool", &pool.windows)?;
    let divisor = pool.divisor_override.unwrap_or(0) as i64;
    Ok(Pool { divisor, count_padding: pool.count_include_pad.into(), ..params })
}

impl CudaKernel for AvgPool {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, out) = (work.inputs[0], work.outputs[0]);
        let Some([kernel]) = AVG.of(x.dtype()) else { return on_host(work) };
        run(work, kernel, mean(self, x.shape(), out.shape(), x.dtype())?, out.numel(), false)
    }
}

impl CudaKernel for AvgPoolBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (g, out) = (work.inputs[0], work.outputs[0]);
        let Some([kernel]) = AVG_BACKWARD.of(g.dtype()) else { return on_host(work) };
        run(work, kernel, mean(&self.pool, out.shape(), g.shape(), g.dtype())?, out.numel(), false)
    }
}
