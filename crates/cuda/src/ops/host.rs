//! Ops without a kernel: by their decomposition, on the device, or on the host, by the CPU's kernel.
//!
//! An op on the host costs a copy down and up and waits for the device: right, and slow.

use super::CudaKernel;
use super::elementwise::{Operand, copy_raw};
use super::random::reserve;
use crate::backend::gpu_of;
use crate::context::Gpu;
use crate::driver::check;
use crate::generator::ROUND;
use crate::pool::allocate;
use crate::stream::{Task, queue};
use cudarc::driver::sys;
use flambeau_tensor::backend::{Ran, Work, backend_of};
use flambeau_tensor::custom::Custom;
use flambeau_tensor::layout::contiguous_strides;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::*;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::Location;

type At = &'static Location<'static>;

/// How often each op ran here.
static TIMES: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// What ran on the host, and how often.
pub(crate) fn times() -> Vec<(&'static str, u64)> {
    TIMES.lock().iter().map(|(name, times)| (*name, *times)).collect()
}

/// Runs an op by the CPU's kernel.
pub(super) fn on_host(work: &Work<'_>) -> Result<Ran> {
    let Work { op, inputs, outputs, at } = *work;
    let Some(cpu) = backend_of(Device::Cpu) else { return Ok(Ran::Lacking) };
    *TIMES.lock().entry(op.name()).or_default() += 1;
    let device = match outputs.first() {
        Some(out) => gpu_of(out)?,
        None => return Ok(Ran::Lacking),
    };
    let down = |all: &[&Tensor]| all.iter().map(|t| fetch(device, op.name(), at, t)).collect::<Result<Vec<_>>>();
    let sources = down(inputs)?;
    // An update reads what it writes.
    let targets = if op.updates_lists() {
        down(outputs)?
    } else {
        let fresh = |t: &&Tensor| no_grad(|| Tensor::zeros(t.shape()).dtype(t.dtype()).build());
        outputs.iter().map(fresh).collect::<Result<Vec<_>>>()?
    };
    let (from, to): (Vec<&Tensor>, Vec<&Tensor>) = (sources.iter().collect(), targets.iter().collect());
    // SAFETY: shapes and dtypes are those of the operands that the dispatcher checked; all tensors are contiguous copies
    // that nobody else knows, and no output is an input.
    let run = || unsafe { cpu.run(Work { op, inputs: &from, outputs: &to, at }) };
    let ran = match generator_of(op) {
        Some(given) => with_generator(&stand_in(given, device)?, run),
        None => run(),
    }?;
    if ran == Ran::Queued {
        for (out, made) in outputs.iter().zip(&targets) {
            send(device, op.name(), at, out, &made.to_bytes()?)?;
        }
    }
    Ok(ran)
}

/// Of an op that draws the generator it was given, if it was.
fn generator_of(op: &Op) -> Option<Option<&Generator>> {
    match op {
        Op::Random(op) => Some(op.generator.as_ref()),
        Op::Dropout(op) => Some(op.generator.as_ref()),
        Op::Multinomial(op) => Some(op.generator.as_ref()),
        Op::Custom(op) if op.op().is_random() => Some(op.op().generator()),
        _ => None,
    }
}

/// A generator of the host that stands in for a device's: it follows from where that one stands, which moves on.
fn stand_in(given: Option<&Generator>, gpu: &Gpu) -> Result<Generator> {
    let (seed, offset) = reserve(given, gpu, ROUND)?;
    let mixed = (seed ^ offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Ok(Generator::with_seed(mixed ^ mixed >> 32))
}

/// The elements of a tensor, as one of the host.
fn fetch(gpu: &'static Gpu, name: &'static str, at: At, t: &Tensor) -> Result<Tensor> {
    let mut bytes = vec![0u8; t.numel() * t.dtype().size()];
    if !bytes.is_empty() {
        let from = Operand::of(t)?;
        let rows = if t.is_contiguous() { None } else { Some(allocate(gpu, bytes.len())?) };
        let reads = &[t];
        let (target, len) = (bytes.as_mut_ptr(), bytes.len());
        queue(gpu, &Task { name, at: Some(at), reads, writes: &[] }, |queue| {
            let mut source = from.address;
            if let Some(rows) = &rows {
                let strides = contiguous_strides(from.shape);
                let to = Operand { address: rows.address(), strides: &strides, ..from };
                // SAFETY: the block is as large as all elements, and kept until the stream is at rest below.
                unsafe { copy_raw(gpu, queue, to, from)? };
                source = rows.address();
            }
            // SAFETY: both have so many bytes; the stream is at rest before anybody looks.
            unsafe { check(name, sys::cuMemcpyDtoHAsync_v2(target.cast(), source, len, queue.handle()))? };
            queue.settle()
        })?;
    }
    Tensor::from_bytes(t.dtype(), t.shape(), &bytes)
}

/// Fills a tensor with elements of the host.
fn send(gpu: &'static Gpu, name: &'static str, at: At, t: &Tensor, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let to = Operand::of(t)?;
    let rows = if t.is_contiguous() { None } else { Some(allocate(gpu, bytes.len())?) };
    queue(gpu, &Task { name, at: Some(at), reads: &[], writes: &[t] }, |queue| {
        let target = rows.as_ref().map_or(to.address, |rows| rows.address());
        // SAFETY: both have so many bytes; what is not page-locked is copied away before the call returns.
        unsafe { check(name, sys::cuMemcpyHtoDAsync_v2(target, bytes.as_ptr().cast(), bytes.len(), queue.handle()))? };
        if let Some(rows) = &rows {
            let strides = contiguous_strides(to.shape);
            let from = Operand { address: rows.address(), strides: &strides, ..to };
            // SAFETY: the block is as large as all elements; who gets it next on another stream waits for this.
            unsafe { copy_raw(gpu, queue, to, from)? };
        }
        Ok(())
    })?;
    Ok(())
}

/// Runs on the host, for the reason that is given.
macro_rules! on_host {
    ($($reason:literal: $($Op:ident),* $(,)?;)*) => {
        $($(
            impl CudaKernel for $Op {
                fn run(&self, work: &Work<'_>) -> Result<Ran> {
                    on_host(work)
                }
            }
        )*)*

        /// The ops that have no kernel, and why.
        pub(crate) static WITHOUT_KERNEL: &[(&str, &str)] = &[$($((stringify!($Op), $reason)),*),*];
    };
}

/// By their decomposition, whose ops run on the device.
macro_rules! decomposed {
    ($($Op:ident),* $(,)?) => {$(
        impl CudaKernel for $Op {
            fn run(&self, _: &Work<'_>) -> Result<Ran> {
                Ok(Ran::Lacking)
            }
        }
    )*};
}

decomposed! {
    Multinomial, ScaledDotProductAttention, ScaledDotProductAttentionBackward, RnnLayer, RnnLayerBackward, GridSample,
    GridSampleBackward, Interpolate, InterpolateBackward,
}

on_host! {
    "one's own": Custom;
    "linear algebra": LuFactor, Solve, SolveTriangular, Det, Slogdet, Cholesky, Geqrf, HouseholderProduct, Qr, Eigh, Eig, Svd, Pinv,
        MatrixExp, LdlFactor, LdlSolve;
    "a copy": Transfer;
    "pending": PointwiseStep;
}
