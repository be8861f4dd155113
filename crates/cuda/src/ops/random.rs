//! Random numbers: `kernels/random.cu`, Philox 4×32-10 in PyTorch's order.
//!
//! What a thread draws depends on its number, so the grid is part of the order: 256 threads a block, and no more blocks than
//! the device holds at once. A launch moves the stream on by four for each round that its threads draw.

use super::elementwise::{Operand, grid};
use super::host::on_host;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, number};
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::generator::{Philox, ROUND};
use crate::kernels::{Kernel, RANDOM};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::random::default_generator_of;
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Draws {
    out: u64,
    seed: u64,
    offset: u64,
    n: i64,
    a: f64,
    b: f64,
    low: i64,
    range: u64,
    dtype: i32,
    places: Places,
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Drops {
    out: u64,
    kept: u64,
    input: u64,
    seed: u64,
    offset: u64,
    n: i64,
    keep: f64,
    together: i32,
    dtype: i32,
    places: Places,
}

macro_rules! kernels {
    ($($NAME:ident $name:literal)*) => {
        $(static $NAME: [Kernel; 2] =
            [Kernel::new(&RANDOM, concat!($name, "_f32")), Kernel::new(&RANDOM, concat!($name, "_f64"))];)*
        static SHUFFLE: Kernel = Kernel::new(&RANDOM, "shuffle_islands");
        static INTEGERS: [Kernel; 2] = [Kernel::new(&RANDOM, "integers_32"), Kernel::new(&RANDOM, "integers_64")];
        #[cfg(test)]
        static ALL: &[&[Kernel; 2]] = &[$(&$NAME,)* &INTEGERS];
    };
}

kernels! {
    UNIFORM "uniform" NORMAL "normal" LOG_NORMAL "log_normal" BERNOULLI "bernoulli" EXPONENTIAL "exponential"
    GEOMETRIC "geometric" CAUCHY "cauchy" DROPOUT "dropout"
}

/// Takes so many numbers of each thread from a generator, the device's default one unless `given`: its seed, and the
/// offset at which they begin.
pub(super) fn reserve(given: Option<&Generator>, gpu: &Gpu, numbers: u64) -> Result<(u64, u64)> {
    let generator = given.cloned().map_or_else(|| default_generator_of(gpu.device()), Ok)?;
    let Some(engine) = generator.engine::<Philox>() else {
        let message = format!("the generator is one of {}, not of {}", generator.device(), gpu.device());
        return Err(Error::new(ErrorKind::Device, "random", message));
    };
    Ok(engine.reserve(numbers))
}

/// What a draw of `n` elements takes, of which a round gives a thread `parts`.
fn reserve_rounds(given: &Option<Generator>, gpu: &Gpu, n: usize, parts: u64) -> Result<(u64, u64)> {
    let in_a_round = 256 * u64::from(blocks(gpu, n)) * parts;
    reserve(given.as_ref(), gpu, (n as u64).div_ceil(in_a_round.max(1)) * ROUND)
}

/// Blocks for so many elements.
fn blocks(gpu: &Gpu, n: usize) -> u32 {
    let held = gpu.properties.multiprocessors * (gpu.properties.threads_per_multiprocessor / 256);
    n.div_ceil(256).min(held.max(1) as usize) as u32
}

/// The largest finite number of a dtype of floating point.
fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => f16::MAX.to_f64(),
        DType::BF16 => bf16::MAX.to_f64(),
        DType::F32 => f32::MAX.into(),
        _ => f64::MAX,
    }
}

/// The numbers that a dtype holds exactly; `None` of one that cannot be drawn.
fn whole(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::Bool => (0, 1),
        DType::U8 => (0, 255),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::I64 => (i64::MIN, i64::MAX),
        DType::F16 => (-(1 << 11), 1 << 11),
        DType::BF16 => (-(1 << 8), 1 << 8),
        DType::F32 => (-(1 << 24), 1 << 24),
        DType::F64 => (-(1 << 53), 1 << 53),
        _ => return None,
    })
}

impl CudaKernel for Random {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let out = work.outputs[0];
        let (dtype, n) = (out.dtype(), out.numel());
        let mut draws = Draws {
            out: 0,
            seed: 0,
            offset: 0,
            n: n as i64,
            a: 0.0,
            b: 0.0,
            low: 0,
            range: 0,
            dtype: number(dtype),
            places: Places::new(&[])?,
        };
        let mut wide = dtype == DType::F64;
        // What cannot be drawn in the dtype is an error, which the host has.
        let (kernels, real, fits) = match self.distribution {
            Distribution::Uniform { from, to } => {
                (draws.a, draws.b) = (from, to);
                let most = largest(dtype);
                (&UNIFORM, true, from.abs() <= most && to.abs() <= most && to - from <= most)
            }
            Distribution::Normal { mean, std } => {
                (draws.a, draws.b) = (mean, std);
                (&NORMAL, true, std >= 0.0)
            }
            Distribution::LogNormal { mean, std } => {
                (draws.a, draws.b) = (mean, std);
                (&LOG_NORMAL, true, std > 0.0)
            }
            Distribution::Exponential { lambda } => {
                draws.a = lambda;
                (&EXPONENTIAL, true, lambda > 0.0)
            }
            Distribution::Cauchy { median, sigma } => {
                (draws.a, draws.b) = (median, sigma);
                (&CAUCHY, true, sigma > 0.0)
            }
            Distribution::Geometric { p } => {
                draws.a = p;
                (&GEOMETRIC, false, p > 0.0 && p < 1.0)
            }
            Distribution::Bernoulli { p } => {
                draws.a = p;
                (&BERNOULLI, false, (0.0..=1.0).contains(&p))
            }
            Distribution::Integers { low, high } => {
                (draws.low, draws.range) = (low, high.wrapping_sub(low) as u64);
                wide = draws.range >= 1 << 28;
                let fits = whole(dtype).is_some_and(|(least, most)| least <= low && low < high && high - 1 <= most);
                (&INTEGERS, false, fits)
            }
            Distribution::Permutation => return permutation(self, work),
        };
        if !fits || real && !dtype.is_float() || whole(dtype).is_none() {
            return on_host(work);
        }
        let to = Operand::of(out)?;
        let dims = collapse(
            out.shape()
                .iter()
                .zip(to.strides)
                .map(|(size, stride)| Dim { size: *size, strides: [*stride as i64, 0, 0, 0] }),
        );
        if dims.len() > MOST {
            return on_host(work);
        }
        if n == 0 {
            return Ok(Ran::Queued);
        }
        (draws.out, draws.places) = (to.address, Places::new(&dims)?);
        let (gpu, kernel) = (gpu_of(out)?, &kernels[usize::from(wide)]);
        (draws.seed, draws.offset) = reserve_rounds(&self.generator, gpu, n, if wide { 2 } else { 4 })?;
        let task = Task::of(work);
        // SAFETY: `Draws` is the kernels' parameter, and the output as large as its shape says (the contract of
        // `Backend::run`).
        queue(gpu, &task, |queue| unsafe { kernel.launch(gpu, queue, [blocks(gpu, n), 1, 1], 256, &draws) })?;
        Ok(Ran::Queued)
    }
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Islands {
    out: u64,
    keys: u64,
    order: u64,
    seed: u64,
    offset: u64,
    n: i64,
    dtype: i32,
}

/// So many bits of random keys leave most permutations of `n` without two that are alike: PyTorch's bound.
fn bits_of_keys(n: usize) -> u32 {
    let n = n as f64;
    ((n - (6.0 * n * n + 1.0) / (-0.10536051565782628 * 12.0)).log2().ceil() as u32).min(64)
}

/// The numbers below the length in random order: that of random keys, where those among equal keys are shuffled once more.
fn permutation(op: &Random, work: &Work<'_>) -> Result<Ran> {
    let (out, gpu) = (work.outputs[0], gpu_of(work.outputs[0])?);
    let n = out.numel();
    // What the dtype cannot hold is an error, which the host has; kernels count threads in 32 bits.
    let fits = whole(out.dtype()).is_some_and(|(_, most)| n as i128 - 1 <= i128::from(most));
    if !fits || !out.is_contiguous() || n > i32::MAX as usize {
        return on_host(work);
    }
    if n == 0 {
        return Ok(Ran::Queued);
    }
    let bits = bits_of_keys(n);
    let (dtype, low, high) = match bits {
        ..=32 => (DType::I32, i32::MIN.into(), i32::MAX.into()),
        _ => (DType::I64, i64::MIN, i64::MAX),
    };
    // These tensors are nobody else's.
    let sorted = no_grad(|| {
        let integers = Distribution::Integers { low, high };
        let keys = dispatch(Random { distribution: integers, dtype, strided: false, ..op.clone() }, &[])?;
        let keys = keys.to_dtype(DType::I64)?;
        let keys = if bits % 32 == 0 { keys } else { keys.bitwise_and((1i64 << bits) - 1)? };
        keys.sort_stable(0, false)
    })?;
    let (keys, order) = (&sorted.values, &sorted.indices);
    let (seed, offset) = reserve(op.generator.as_ref(), gpu, n as u64)?;
    let islands = Islands {
        out: address_of(out)?,
        keys: address_of(keys)?,
        order: address_of(order)?,
        seed,
        offset,
        n: n as i64,
        dtype: number(out.dtype()),
    };
    let task = Task { reads: &[keys, order], ..Task::of(work) };
    // SAFETY: `Islands` is the kernel's parameter; keys, order and output have `n` elements in rows, and what the
    // dropped ones leave is waited for by who gets it next.
    queue(gpu, &task, |queue| unsafe { SHUFFLE.launch(gpu, queue, grid(n)?, 256, &islands) })?;
    Ok(Ran::Queued)
}

impl CudaKernel for Dropout {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([x], [y, kept]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let n = x.numel();
        // In the order of the input's memory.
        let order = x.layout().memory_order();
        let dims = collapse(order.iter().map(|d| {
            let mut strides = [0; OPERANDS];
            for (stride, t) in strides.iter_mut().zip([y, kept, x]) {
                *stride = t.strides()[*d] as i64;
            }
            Dim { size: x.shape()[*d], strides }
        }));
        if dims.len() > MOST {
            return on_host(work);
        }
        if n == 0 {
            return Ok(Ran::Queued);
        }
        // Dense memory is read in pieces, as wide as the number of elements and the address allow.
        let dense = order.iter().rev().try_fold(1, |n, d| {
            let fits = x.shape()[*d] == 1 || x.strides()[*d] == n;
            fits.then_some(n * x.shape()[*d])
        });
        let (gpu, address) = (gpu_of(x)?, address_of(x)?);
        let (seed, offset) = reserve_rounds(&self.generator, gpu, n, 4)?;
        let fits = |wide: &usize| n % wide == 0 && address % (wide * x.dtype().size()) as u64 == 0;
        let together = if dense.is_some() { [4, 2].into_iter().find(fits).unwrap_or(1) } else { 1 };
        let drops = Drops {
            out: address_of(y)?,
            kept: address_of(kept)?,
            input: address,
            seed,
            offset,
            n: n as i64,
            keep: 1.0 - self.p,
            together: together as i32,
            dtype: number(x.dtype()),
            places: Places::new(&dims)?,
        };
        let kernel = &DROPOUT[usize::from(x.dtype() == DType::F64)];
        let task = Task::of(work);
        // SAFETY: `Drops` is the kernels' parameter, and operands are as large as their shapes say (the contract of
        // `Backend::run`).
        queue(gpu, &task, |queue| unsafe { kernel.launch(gpu, queue, [blocks(gpu, n), 1, 1], 256, &drops) })?;
        Ok(Ran::Queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = RANDOM.text().unwrap();
        for kernel in ALL.iter().copied().flatten().chain([&SHUFFLE]) {
            assert!(text.contains(&format!(".entry {}(", kernel.name)), "{}", kernel.name);
        }
    }
}
