//! Kernels of the Fourier transforms, on `realfft` and `rustfft`: one row each, rows shared among threads.
//!
//! All of them compute in `f64`: it keeps long `f32` signals exact, and `rustfft`'s many butterflies are compiled once.

use super::{CpuKernel, Dst, Src, check_bytes, par};
use crate::dtype::Stored;
use crate::ops::{Fft, Irfft, Rfft};
use crate::{DType, Error, ErrorKind, Result, bail};
use num_complex::Complex;
use parking_lot::Mutex;
use realfft::RealFftPlanner;
use rustfft::FftPlanner;
use std::sync::LazyLock;

/// Plans are kept: they hold tables that cost more than a transform.
static PLANS: LazyLock<Mutex<RealFftPlanner<f64>>> = LazyLock::new(|| Mutex::new(RealFftPlanner::new()));

static COMPLEX_PLANS: LazyLock<Mutex<FftPlanner<f64>>> = LazyLock::new(|| Mutex::new(FftPlanner::new()));

/// A number that a transform reads and writes.
trait ComplexPart: Stored {
    fn widen(self) -> f64;
    fn narrow(x: f64) -> Self;
}

impl ComplexPart for f32 {
    fn widen(self) -> f64 {
        self.into()
    }
    fn narrow(x: f64) -> f32 {
        x as f32
    }
}

impl ComplexPart for f64 {
    fn widen(self) -> f64 {
        self
    }
    fn narrow(x: f64) -> f64 {
        x
    }
}

/// What a plan keeps and a row is computed in: complex numbers of double precision, for some lengths of twice the next
/// power of two.
fn check_plan(op: &'static str, n: usize) -> Result<()> {
    check_bytes(op, n.saturating_mul(8 * size_of::<Complex<f64>>()))
}

/// The first failure of any row; lengths are checked before, so there is none in practice.
type Failure = Mutex<Option<String>>;

fn finish(op: &'static str, failure: Failure) -> Result<()> {
    match failure.into_inner() {
        None => Ok(()),
        Some(message) => Err(Error::new(ErrorKind::Argument, op, message)),
    }
}

/// Calls `f` with some rows of `out`, `width` numbers each, and the number of the first: as many as are worth a task
/// where each is a transform of length `n`.
fn rows<T: Send>(out: &mut [T], width: usize, n: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let together = (par::GRAIN / (16 * n)).max(1);
    par::chunks(out, together * width, par::GRAIN, |task, rows| f(task * together, rows));
}

fn forward<T: ComplexPart>(x: &Src<'_>, out: &mut Dst<'_>) -> Result<()>
where
    Complex<T>: Stored,
{
    let n = x.shape().last().copied().unwrap_or(0);
    check_plan("rfft", n)?;
    let plan = PLANS.lock().plan_fft_forward(n);
    let (x, failure) = (x.contiguous::<T>(), Failure::default());
    rows(out.slice::<Complex<T>>(), n / 2 + 1, n, |first, rows| {
        let (mut signal, mut coefficients) = (plan.make_input_vec(), plan.make_output_vec());
        let mut scratch = plan.make_scratch_vec();
        for (row, to) in rows.chunks_exact_mut(n / 2 + 1).enumerate() {
            let from = &x[(first + row) * n..][..n];
            signal.iter_mut().zip(from).for_each(|(to, x)| *to = x.widen());
            if let Err(e) = plan.process_with_scratch(&mut signal, &mut coefficients, &mut scratch) {
                *failure.lock() = Some(e.to_string());
            }
            to.iter_mut().zip(&coefficients).for_each(|(to, z)| *to = Complex::new(T::narrow(z.re), T::narrow(z.im)));
        }
    });
    finish("rfft", failure)
}

fn backward<T: ComplexPart>(n: usize, x: &Src<'_>, out: &mut Dst<'_>) -> Result<()>
where
    Complex<T>: Stored,
{
    let half = n / 2 + 1;
    check_plan("irfft", n)?;
    let plan = PLANS.lock().plan_fft_inverse(n);
    let (x, failure) = (x.contiguous::<Complex<T>>(), Failure::default());
    rows(out.slice::<T>(), n, n, |first, rows| {
        let (mut coefficients, mut signal) = (plan.make_input_vec(), plan.make_output_vec());
        let mut scratch = plan.make_scratch_vec();
        for (row, to) in rows.chunks_exact_mut(n).enumerate() {
            let from = &x[(first + row) * half..][..half];
            coefficients.iter_mut().zip(from).for_each(|(to, z)| *to = Complex::new(z.re.widen(), z.im.widen()));
            // A real signal has real coefficients at both ends; what else stands there has no part in it.
            coefficients[0].im = 0.0;
            if n % 2 == 0 {
                coefficients[half - 1].im = 0.0;
            }
            if let Err(e) = plan.process_with_scratch(&mut coefficients, &mut signal, &mut scratch) {
                *failure.lock() = Some(e.to_string());
            }
            to.iter_mut().zip(&signal).for_each(|(to, x)| *to = T::narrow(*x));
        }
    });
    finish("irfft", failure)
}

fn complex<T: ComplexPart>(inverse: bool, x: &Src<'_>, out: &mut Dst<'_>) -> Result<()>
where
    Complex<T>: Stored,
{
    let n = x.shape().last().copied().unwrap_or(0);
    check_plan("fft", n)?;
    let plan =
        if inverse { COMPLEX_PLANS.lock().plan_fft_inverse(n) } else { COMPLEX_PLANS.lock().plan_fft_forward(n) };
    let x = x.contiguous::<Complex<T>>();
    rows(out.slice::<Complex<T>>(), n, n, |first, rows| {
        let zero = Complex::new(0.0, 0.0);
        let (mut z, mut scratch) = (vec![zero; n], vec![zero; plan.get_inplace_scratch_len()]);
        for (row, to) in rows.chunks_exact_mut(n).enumerate() {
            let from = &x[(first + row) * n..][..n];
            z.iter_mut().zip(from).for_each(|(to, z)| *to = Complex::new(z.re.widen(), z.im.widen()));
            plan.process_with_scratch(&mut z, &mut scratch);
            to.iter_mut().zip(&z).for_each(|(to, z)| *to = Complex::new(T::narrow(z.re), T::narrow(z.im)));
        }
    });
    Ok(())
}

impl CpuKernel for Fft {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        if outputs[0].numel() == 0 {
            return Ok(()); // A plan would have tables as long as the lines that are not there.
        }
        match inputs[0].dtype() {
            DType::Complex64 => complex::<f32>(self.inverse, &inputs[0], &mut outputs[0]),
            DType::Complex128 => complex::<f64>(self.inverse, &inputs[0], &mut outputs[0]),
            other => bail!(DType, "fft", "not defined for {other}"),
        }
    }
}

impl CpuKernel for Rfft {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        if outputs[0].numel() == 0 {
            return Ok(()); // A plan would have tables as long as the lines that are not there.
        }
        match inputs[0].dtype() {
            DType::F32 => forward::<f32>(&inputs[0], &mut outputs[0]),
            DType::F64 => forward::<f64>(&inputs[0], &mut outputs[0]),
            other => bail!(DType, "rfft", "not defined for {other}"),
        }
    }
}

impl CpuKernel for Irfft {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        if outputs[0].numel() == 0 {
            return Ok(()); // A plan would have tables as long as the lines that are not there.
        }
        match inputs[0].dtype() {
            DType::Complex64 => backward::<f32>(self.n, &inputs[0], &mut outputs[0]),
            DType::Complex128 => backward::<f64>(self.n, &inputs[0], &mut outputs[0]),
            other => bail!(DType, "irfft", "not defined for {other}"),
        }
    }
}
