//! Convolution and its gradients: `kernels/conv.cu`.

use super::by_lane::{ByLane, by_lane};
use super::host::on_host;
use super::packed::Temporary;
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{CONV, Kernel};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Product {
    out: u64,
    a: u64,
    b: u64,
    bias: u64,
    batch: i64,
    groups: i64,
    channels: i64,
    features: i64,
    input: [i64; 3],
    output: [i64; 3],
    kernel: [i64; 3],
    stride: [i64; 3],
    padding: [i64; 3],
    dilation: [i64; 3],
    rows: i64,
    columns: i64,
    depth: i64,
    dtype: i32,
}

by_lane! {
    CONV [""]
    FORWARD "conv" [F32 F64];
    INPUT_GRAD "conv_input_grad" [F32 F64];
    WEIGHT_GRAD "conv_weight_grad" [F32 F64];
}

/// Rows and columns of a tile.
const TILE: i64 = 64;

/// The sizes of a convolution of `x` by `w` to `y`.
fn sizes(conv: &Conv, x: &[usize], w: &[usize], y: &[usize]) -> Result<Product> {
    let rank = w.len() - 2;
    let three = |of: &dyn Fn(usize) -> usize, otherwise: i64| {
        let mut all = [otherwise; 3];
        (0..rank).for_each(|d| all[3 - rank + d] = of(d) as i64);
        all
    };
    let (stride, dilation) =
        (conv.stride.at_least(1, "conv", "stride", rank)?, conv.dilation.at_least(1, "conv", "dilation", rank)?);
    let padding = conv.padding.at_least(0, "conv", "padding", rank)?;
    Ok(Product {
        out: 0,
        a: 0,
        b: 0,
        bias: 0,
        batch: x[0] as i64,
        groups: conv.groups as i64,
        channels: w[1] as i64,
        features: (w[0] / conv.groups.max(1)) as i64,
        input: three(&|d| x[d + 2], 1),
        output: three(&|d| y[d + 2], 1),
        kernel: three(&|d| w[d + 2], 1),
        stride: three(&|d| stride[d], 1),
        padding: three(&|d| padding[d], 0),
        dilation: three(&|d| dilation[d], 1),
        rows: 0,
        columns: 0,
        depth: 0,
        dtype: 0,
    })
}

/// Queues a product of `a` and `b`, whose rows, columns and depth are set.
fn run(work: &Work<'_>, kernels: &'static ByLane<1>, mut params: Product) -> Result<Ran> {
    let ([a, b, ..], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
    let Some([kernel]) = kernels.of(out.dtype()) else { return on_host(work) };
    let tiles = [params.rows, params.columns].map(|n| (n as u64).div_ceil(TILE as u64));
    if tiles[0] > i32::MAX as u64 || tiles[1] > 65_535 || params.groups > 65_535 {
        return on_host(work);
    }
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let grid = [tiles[0] as u32, tiles[1] as u32, params.groups as u32];
    let task = Task::of(work);
    let (gpu, mut temporary) = (gpu_of(out)?, Temporary::default());
    queue(gpu, &task, |queue| {
        (params.out, params.dtype) = (address_of(out)?, number(out.dtype()));
        (params.a, params.b) = (temporary.rows(gpu, queue, a)?, temporary.rows(gpu, queue, b)?);
        params.bias = work.inputs.get(2).map_or(Ok(0), |bias| temporary.rows(gpu, queue, bias))?;
        // SAFETY: `Product` is the kernel's parameter; operands are in rows and as large as their shapes say (the contract
        // of `Backend::run`).
        unsafe { kernel.launch(gpu, queue, grid, 256, &params) }
    })?;
    Ok(Ran::Queued)
}

fn volume(size: [i64; 3]) -> i64 {
    size.iter().product()
}

impl CudaKernel for Conv {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([x, w, ..], [y]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let p = sizes(self, x.shape(), w.shape(), y.shape())?;
        let rows = p.batch * volume(p.output);
        run(work, &FORWARD, Product { rows, columns: p.features, depth: p.channels * volume(p.kernel), ..p })
    }
}

impl CudaKernel for ConvInputGrad {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([g, w, ..], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        // Called for itself in `f16`, it rounds products before it adds them; a bias is added before the sum is rounded.
        // The host does both.
        if self.transposed && g.dtype() == DType::F16 || work.inputs.len() > 2 {
            return on_host(work);
        }
        let p = sizes(&self.conv, out.shape(), w.shape(), g.shape())?;
        let rows = p.batch * volume(p.input);
        run(work, &INPUT_GRAD, Product { rows, columns: p.channels, depth: p.features * volume(p.kernel), ..p })
    }
}

impl CudaKernel for ConvWeightGrad {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([x, g, ..], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let p = sizes(&self.conv, x.shape(), out.shape(), g.shape())?;
        let columns = p.channels * volume(p.kernel);
        run(work, &WEIGHT_GRAD, Product { rows: p.features, columns, depth: p.batch * volume(p.output), ..p })
    }
}
