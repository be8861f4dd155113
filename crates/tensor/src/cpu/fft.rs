//! Kernels of the Fourier transforms, on `realfft`: one row each, rows shared among threads.

use super::{CpuKernel, Dst, Src, par};
use crate::dtype::Stored;
use crate::ops::{Irfft, Rfft};
use crate::{DType, Error, ErrorKind, Result, bail};
use num_complex::Complex;
use parking_lot::Mutex;
use realfft::{FftNum, RealFftPlanner};
use std::sync::LazyLock;

/// Plans are kept: they hold tables that cost more than a transform.
static PLANS32: LazyLock<Mutex<RealFftPlanner<f32>>> = LazyLock::new(|| Mutex::new(RealFftPlanner::new()));
static PLANS64: LazyLock<Mutex<RealFftPlanner<f64>>> = LazyLock::new(|| Mutex::new(RealFftPlanner::new()));

/// The first failure of any row; lengths are checked before, so there is none in practice.
type Failure = Mutex<Option<String>>;

fn finish(op: &'static str, failure: Failure) -> Result<()> {
    match failure.into_inner() {
        None => Ok(()),
        Some(message) => Err(Error::new(ErrorKind::Argument, op, message)),
    }
}

fn forward<T: FftNum + Stored>(plans: &Mutex<RealFftPlanner<T>>, x: &Src<'_>, out: &mut Dst<'_>) -> Result<()>
where
    Complex<T>: Stored,
{
    let n = x.shape().last().copied().unwrap_or(0);
    let plan = plans.lock().plan_fft_forward(n);
    let (x, failure) = (x.contiguous::<T>(), Failure::default());
    par::chunks(out.slice::<Complex<T>>(), n / 2 + 1, 16 * n, |row, to| {
        let mut signal = x[row * n..(row + 1) * n].to_vec();
        let mut scratch = plan.make_scratch_vec();
        if let Err(e) = plan.process_with_scratch(&mut signal, to, &mut scratch) {
            *failure.lock() = Some(e.to_string());
        }
    });
    finish("rfft", failure)
}

fn backward<T: FftNum + Stored>(
    n: usize,
    plans: &Mutex<RealFftPlanner<T>>,
    x: &Src<'_>,
    out: &mut Dst<'_>,
) -> Result<()>
where
    Complex<T>: Stored,
{
    let half = n / 2 + 1;
    let plan = plans.lock().plan_fft_inverse(n);
    let (x, failure) = (x.contiguous::<Complex<T>>(), Failure::default());
    par::chunks(out.slice::<T>(), n, 16 * n, |row, to| {
        let mut coefficients = x[row * half..(row + 1) * half].to_vec();
        // A real signal has real coefficients at both ends; what else stands there has no part in it.
        coefficients[0].im = T::zero();
        if n % 2 == 0 {
            coefficients[half - 1].im = T::zero();
        }
        let mut scratch = plan.make_scratch_vec();
        if let Err(e) = plan.process_with_scratch(&mut coefficients, to, &mut scratch) {
            *failure.lock() = Some(e.to_string());
        }
    });
    finish("irfft", failure)
}

impl CpuKernel for Rfft {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::F32 => forward::<f32>(&PLANS32, &inputs[0], &mut outputs[0]),
            DType::F64 => forward::<f64>(&PLANS64, &inputs[0], &mut outputs[0]),
            other => bail!(DType, "rfft", "not defined for {other}"),
        }
    }
}

impl CpuKernel for Irfft {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        match inputs[0].dtype() {
            DType::Complex64 => backward::<f32>(self.n, &PLANS32, &inputs[0], &mut outputs[0]),
            DType::Complex128 => backward::<f64>(self.n, &PLANS64, &inputs[0], &mut outputs[0]),
            other => bail!(DType, "irfft", "not defined for {other}"),
        }
    }
}
