//! Matrix products: `kernels/matmul.cu`.

use super::by_lane::{ByLane, by_lane};
use super::host::on_host;
use super::packed::Temporary;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, MATMUL};
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
    rows: i64,
    columns: i64,
    depth: i64,
    a_stride: [i64; 2],
    b_stride: [i64; 2],
    a_dtype: i32,
    b_dtype: i32,
    bias_dtype: i32,
    out_dtype: i32,
    batch: Places,
}

by_lane! {
    MATMUL [""]
    PRODUCT "product" [F32 F64 I64];
}

/// Rows and columns of a tile.
const TILE: usize = 64;
/// Blocks in the second and third direction of a grid.
const MOST_BLOCKS: usize = 65_535;

/// A matrix of each operand: rows, columns, depth, and strides from row to row and from column to column.
struct Shape {
    rows: usize,
    columns: usize,
    depth: usize,
    a_stride: [usize; 2],
    b_stride: [usize; 2],
    batch: Vec<Dim>,
}

fn product(work: &Work<'_>, shape: Shape) -> Result<Ran> {
    let ([a, b, ..], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
    let bias = work.inputs.get(2);
    let real = work.inputs.iter().all(|t| Lane::of(t.dtype()).is_some());
    let matrices: usize = shape.batch.iter().map(|d| d.size).product();
    let large = shape.rows.div_ceil(TILE) > MOST_BLOCKS || matrices > MOST_BLOCKS || shape.batch.len() > MOST;
    let Some([kernel]) = PRODUCT.of(out.dtype()).filter(|_| real && !large) else { return on_host(work) };
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let pair = |[x, y]: [usize; 2]| [x as i64, y as i64];
    let mut params = Product {
        out: address_of(out)?,
        a: address_of(a)?,
        b: address_of(b)?,
        bias: 0,
        rows: shape.rows as i64,
        columns: shape.columns as i64,
        depth: shape.depth as i64,
        a_stride: pair(shape.a_stride),
        b_stride: pair(shape.b_stride),
        a_dtype: number(a.dtype()),
        b_dtype: number(b.dtype()),
        bias_dtype: bias.map_or(0, |t| number(t.dtype())),
        out_dtype: number(out.dtype()),
        batch: Places::new(&shape.batch)?,
    };
    let grid = [shape.columns.div_ceil(TILE) as u32, shape.rows.div_ceil(TILE) as u32, matrices as u32];
    let task = Task::of(work);
    let gpu = gpu_of(out)?;
    let mut temporary = Temporary::default();
    queue(gpu, &task, |queue| {
        params.bias = bias.map_or(Ok(0), |bias| temporary.rows(gpu, queue, bias))?;
        // SAFETY: `Product` is the kernel's parameter; operands are as large as their shapes say, the output is contiguous
        // (the contract of `Backend::run`).
        unsafe { kernel.launch(gpu, queue, grid, 256, &params) }
    })?;
    Ok(Ran::Queued)
}

impl CudaKernel for Matmul {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [a, b] = work.inputs else { return Ok(Ran::Lacking) };
        let batch = a.rank() - 2;
        let dims = (0..batch).map(|d| {
            let mut strides = [0; OPERANDS];
            (strides[0], strides[1]) = (a.strides()[d] as i64, b.strides()[d] as i64);
            Dim { size: a.shape()[d], strides }
        });
        let shape = Shape {
            rows: a.shape()[batch],
            depth: a.shape()[batch + 1],
            columns: b.shape()[batch + 1],
            a_stride: [a.strides()[batch], a.strides()[batch + 1]],
            b_stride: [b.strides()[batch], b.strides()[batch + 1]],
            batch: collapse(dims),
        };
        product(work, shape)
    }
}

impl CudaKernel for Linear {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [x, w, ..] = work.inputs else { return Ok(Ran::Lacking) };
        // All but the last dimension as one, where they lie so; where not, they are a batch with one weight.
        let last = x.rank() - 1;
        let dim = |d: usize| Dim { size: x.shape()[d], strides: [x.strides()[d] as i64, 0, 0, 0] };
        let rows = collapse((0..last).map(dim));
        let (rows, batch) = match rows.split_first() {
            Some((rows, batch)) => (*rows, batch.to_vec()),
            None => (Dim { size: 1, strides: [0; OPERANDS] }, Vec::new()),
        };
        let shape = Shape {
            rows: rows.size,
            depth: x.shape()[last],
            columns: w.shape()[0],
            a_stride: [rows.strides[0] as usize, x.strides()[last]],
            b_stride: [w.strides()[1], w.strides()[0]],
            batch,
        };
        product(work, shape)
    }
}
