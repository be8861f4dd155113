//! Fourier transforms along the last dimension: `kernels/fft.cu`.
//!
//! A length of small prime factors takes a pass for each; others are made convolutions of a power of two.

use super::CudaKernel;
use super::elementwise::grid;
use super::packed::Temporary;
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::kernels::{FFT, Kernel};
use crate::stream::{Queue, Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;
use smallvec::SmallVec;

/// A pass of a larger prime costs more than the passes of a convolution.
const LARGEST_PRIME: usize = 64;

/// What lies in rows, as kernels have it.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
enum Kind {
    Whole,
    Real,
    Half,
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Params {
    out: u64,
    input: u64,
    other: u64,
    rows: i64,
    n: i64,
    padded: i64,
    radix: i64,
    done: i64,
    from: i32,
    to: i32,
    inverse: i32,
}

macro_rules! kernels {
    ($($NAME:ident $name:literal)*) => {
        $(static $NAME: [Kernel; 2] = [Kernel::new(&FFT, concat!($name, "_f32")), Kernel::new(&FFT, concat!($name, "_f64"))];)*
        #[cfg(test)]
        static ALL: &[&[Kernel; 2]] = &[$(&$NAME),*];
    };
}

kernels! { PASS "fft_pass" SPREAD "fft_spread" FILTER "fft_filter" MULTIPLY "fft_multiply" GATHER "fft_gather" }

/// The passes of a transform of `n` samples: eights, fours and primes; `None` where a prime is too large.
fn radices(mut n: usize) -> Option<SmallVec<[usize; 16]>> {
    let mut all = SmallVec::new();
    for radix in [8, 4, 2].into_iter().chain((3..=LARGEST_PRIME).step_by(2)) {
        while n % radix == 0 {
            all.push(radix);
            n /= radix;
        }
    }
    if all.is_empty() {
        all.push(1);
    }
    (n == 1).then_some(all)
}

/// What a transform is queued with.
struct Transform<'a> {
    gpu: &'static Gpu,
    queue: &'a Queue,
    temporary: Temporary,
    lane: usize,
    rows: usize,
    inverse: bool,
}

impl Transform<'_> {
    fn complex(&mut self, n: usize) -> Result<u64> {
        let numbers = self.rows.checked_mul(n).and_then(|all| all.checked_mul([8, 16][self.lane]));
        let large = || Error::new(ErrorKind::Memory, "fft", format!("{} rows of {n} samples", self.rows));
        let bytes = numbers.ok_or_else(large)?;
        self.temporary.bytes(self.gpu, bytes)
    }

    fn launch(&self, kernel: &[Kernel; 2], threads: usize, params: &Params) -> Result<()> {
        // SAFETY: `Params` is the parameter of all kernels here, and rows are there as long as it says: those of operands by
        // their shapes (the contract of `Backend::run`), others were made so.
        unsafe { kernel[self.lane].launch(self.gpu, self.queue, grid(threads)?, 256, params) }
    }

    /// The passes from rows at `input` to rows at `out`.
    fn passes(&mut self, radices: &[usize], n: usize, (input, from): At, (out, to): At, inverse: bool) -> Result<()> {
        let mut params = Params {
            out,
            input,
            other: 0,
            rows: self.rows as i64,
            n: n as i64,
            padded: 0,
            radix: 0,
            done: 1,
            from: from as i32,
            to: Kind::Whole as i32,
            inverse: inverse.into(),
        };
        let mut spare = SmallVec::<[u64; 2]>::new();
        for _ in 0..(radices.len() - 1).min(2) {
            spare.push(self.complex(n)?);
        }
        for (i, radix) in radices.iter().enumerate() {
            let last = i + 1 == radices.len();
            (params.out, params.to) = if last { (out, to as i32) } else { (spare[i % 2], Kind::Whole as i32) };
            params.radix = *radix as i64;
            self.launch(&PASS, self.rows * n, &params)?;
            (params.input, params.from) = (params.out, Kind::Whole as i32);
            params.done *= params.radix;
        }
        Ok(())
    }

    /// By a convolution of a power of two samples (Bluestein 1970).
    fn convolved(&mut self, n: usize, (input, from): At, (out, to): At) -> Result<()> {
        let large = || Error::new(ErrorKind::Memory, "fft", format!("{n} samples"));
        let padded = n.checked_mul(2).and_then(usize::checked_next_power_of_two).ok_or_else(large)?;
        let passes = radices(padded).ok_or_else(large)?;
        let (samples, spectrum) = (self.complex(padded)?, self.complex(padded)?);
        let rows = std::mem::replace(&mut self.rows, 1);
        let (filter, other) = (self.complex(padded)?, self.complex(padded)?);
        let mut params = Params {
            out: filter,
            input,
            other,
            rows: 1,
            n: n as i64,
            padded: padded as i64,
            radix: 0,
            done: 0,
            from: from as i32,
            to: to as i32,
            inverse: self.inverse.into(),
        };
        self.launch(&FILTER, padded, &params)?;
        self.passes(&passes, padded, (filter, Kind::Whole), (other, Kind::Whole), false)?;
        self.rows = rows;
        (params.out, params.rows) = (samples, rows as i64);
        self.launch(&SPREAD, rows * padded, &params)?;
        self.passes(&passes, padded, (samples, Kind::Whole), (spectrum, Kind::Whole), false)?;
        params.out = spectrum;
        self.launch(&MULTIPLY, rows * padded, &params)?;
        self.passes(&passes, padded, (spectrum, Kind::Whole), (samples, Kind::Whole), true)?;
        (params.out, params.other) = (out, samples);
        self.launch(&GATHER, rows * n, &params)
    }
}

/// Rows, and what lies in them.
type At = (u64, Kind);

fn run(work: &Work<'_>, n: usize, from: Kind, to: Kind, inverse: bool) -> Result<Ran> {
    let (x, out) = (work.inputs[0], work.outputs[0]);
    if out.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let gpu = gpu_of(x)?;
    let lane = usize::from(matches!(x.dtype(), DType::F64 | DType::Complex128));
    let rows = x.numel() / x.shape().last().copied().unwrap_or(1);
    let task = Task::of(work);
    // Kept until the use is written down.
    let mut kept = None;
    queue(gpu, &task, |queue| {
        let temporary = Temporary::default();
        let mut transform = Transform { gpu, queue, temporary, lane, rows, inverse };
        let input = (transform.temporary.rows(gpu, queue, x)?, from);
        let output = (address_of(out)?, to);
        let done = match radices(n) {
            Some(radices) => transform.passes(&radices, n, input, output, inverse),
            None => transform.convolved(n, input, output),
        };
        kept = Some(transform.temporary);
        done
    })?;
    drop(kept);
    Ok(Ran::Queued)
}

impl CudaKernel for Fft {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let n = work.inputs[0].shape().last().copied().unwrap_or(1);
        run(work, n, Kind::Whole, Kind::Whole, self.inverse)
    }
}

impl CudaKernel for Rfft {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let n = work.inputs[0].shape().last().copied().unwrap_or(1);
        run(work, n, Kind::Real, Kind::Half, false)
    }
}

impl CudaKernel for Irfft {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        run(work, self.n, Kind::Half, Kind::Real, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = FFT.text().unwrap();
        for kernel in ALL.iter().copied().flatten() {
            assert!(text.contains(&format!(".entry {}(", kernel.name)), "{}", kernel.name);
        }
    }

    #[test]
    fn a_length_is_the_product_of_its_passes() {
        assert_eq!(radices(1).as_deref(), Some(&[1][..]));
        assert_eq!(radices(480).as_deref(), Some(&[8, 4, 3, 5][..]));
        assert_eq!((radices(67), radices(2 * 127)), (None, None));
        for n in (2..3000).filter_map(|n| Some((n, radices(n)?))) {
            assert_eq!(n.1.iter().product::<usize>(), n.0);
        }
    }
}
