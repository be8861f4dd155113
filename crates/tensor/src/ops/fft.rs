//! Fourier transforms of real signals, and the short-time transform over them.

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas};
use crate::shape::dim_index;
use crate::{DType, Result, Scalar, Tensor, bail, dispatch, ensure};
use num_complex::Complex;

/// The one-sided transform of the last dimension: n real numbers to n/2 + 1 complex ones.
#[derive(Clone, Copy, Debug)]
pub struct Rfft;

/// The real signal of `n` samples that one-sided coefficients in the last dimension stand for, unscaled:
/// coefficient k enters with weight 1 at both ends of the spectrum and 2 between.
#[derive(Clone, Copy, Debug)]
pub struct Irfft {
    /// Samples of the signal.
    pub n: usize,
}

impl Infer for Rfft {
    const NAME: &'static str = "rfft";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let mut shape = x.layout().shape.clone();
        match shape.last_mut() {
            Some(n) if *n > 0 => *n = *n / 2 + 1,
            _ => bail!(Shape, "rfft", "shape {:?} has no samples to transform", x.shape()),
        }
        ensure!(matches!(x.dtype(), DType::F32 | DType::F64), DType, "rfft", "not defined for {}", x.dtype());
        Meta::new(shape, x.dtype().to_complex()).one()
    }
}

impl Infer for Irfft {
    const NAME: &'static str = "irfft";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let mut shape = x.layout().shape.clone();
        let half = self.n / 2 + 1;
        match shape.last_mut() {
            Some(size) if *size == half && self.n > 0 => *size = self.n,
            _ => bail!(
                Shape,
                "irfft",
                "{} samples come from {half} coefficients, shape {:?} has others",
                self.n,
                x.shape()
            ),
        }
        ensure!(x.dtype().is_complex(), DType, "irfft", "the coefficients must be complex, they are {}", x.dtype());
        Meta::new(shape, x.dtype().to_real()).one()
    }
}

crate::options! {
    /// Options of [`Tensor::stft`]; PyTorch's names and defaults.
    #[derive(Clone, Debug)]
    pub struct StftOptions {
        /// Samples from one frame to the next; a quarter of `n_fft` unless set.
        hop_length: ~into Option<usize> = None,
        /// Samples of a window that is centred in the frame; `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// The window, of `win_length` values; ones unless set.
        window: ~into Option<Tensor> = None,
        /// Pad by half a frame on either side, so that frame t is centred at `t * hop_length`? Yes.
        center: bool = true,
        /// What the signal is padded with: its reflection, or zeros; its reflection.
        reflect: bool = true,
        /// Scale by 1 / √n_fft? No.
        normalized: bool = false,
    }
}

impl Tensor {
    /// `self` with dimension `dim` cut or filled with zeros to `n`.
    #[track_caller]
    fn resized(&self, dim: isize, n: usize) -> Result<Tensor> {
        let size = self.size(dim)?;
        if size == n {
            return Ok(self.clone());
        }
        if size > n {
            return self.narrow(dim, 0, n);
        }
        let Ok(missing) = isize::try_from(n - size) else {
            bail!(Memory, "fft", "{n} samples are more than can be counted")
        };
        self.movedim(dim, -1)?.pad(&[0, missing], 0.0)?.movedim(-1, dim)
    }

    /// The one-sided Fourier transform along `dim`, of `n` samples (cut or filled with zeros; all unless
    /// given): `torch.fft.rfft`. Integers become the default dtype.
    ///
    /// # Errors
    /// Where there are no samples, or the tensor is complex.
    #[track_caller]
    pub fn rfft(&self, n: Option<usize>, dim: isize) -> Result<Tensor> {
        ensure!(!self.dtype().is_complex(), DType, "rfft", "not defined for {}", self.dtype());
        dim_index("rfft", dim, self.rank())?;
        let n = n.unwrap_or(self.size(dim)?);
        let x = self.to_dtype(self.dtype().to_float())?.resized(dim, n)?;
        dispatch(Rfft, &[&x.movedim(dim, -1)?])?.movedim(-1, dim)
    }

    /// The inverse of [`rfft`](Tensor::rfft): `n` real samples (twice the coefficients less two unless
    /// given): `torch.fft.irfft`.
    ///
    /// # Errors
    /// Where there are no samples.
    #[track_caller]
    pub fn irfft(&self, n: Option<usize>, dim: isize) -> Result<Tensor> {
        dim_index("irfft", dim, self.rank())?;
        let n = n.unwrap_or((self.size(dim)?.max(1) - 1) * 2);
        ensure!(n > 0, Shape, "irfft", "no samples are asked for");
        let x = self.to_dtype(self.dtype().to_complex())?.resized(dim, n / 2 + 1)?;
        dispatch(Irfft { n }, &[&x.movedim(dim, -1)?])?.mul(1.0 / n as f64)?.movedim(-1, dim)
    }

    /// All coefficients of frames of real or complex samples in the last dimension, from the one-sided ones of real
    /// signals: those of the negative frequencies are the conjugates.
    #[track_caller]
    fn two_sided(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            let part = |i| self.view_as_real()?.select(-1, i)?.two_sided();
            return part(0)?.add(&part(1)?.mul(Scalar::Complex(Complex::i()))?);
        }
        let (n, half) = (self.size(-1)?, self.rfft(None, -1)?);
        let mirrored = half.narrow(-1, 1, (n - 1) / 2)?.flip(-1)?.conj()?;
        crate::cat(&[&half, &mirrored], -1)
    }

    /// The short-time Fourier transform of signals `[frames]` or `[batch, frames]`: one-sided complex coefficients
    /// `[…, n_fft / 2 + 1, windows]`, or all `n_fft` where signal or window is complex. `torch.stft` with
    /// `return_complex`.
    ///
    /// # Errors
    /// Where the signal is shorter than a frame, or window, hop and frame do not go together.
    #[track_caller]
    pub fn stft(&self, n_fft: usize, options: &StftOptions) -> Result<Tensor> {
        ensure!(
            matches!(self.rank(), 1 | 2),
            Shape,
            "stft",
            "the signal must be [frames] or [batch, frames], it is {:?}",
            self.shape()
        );
        let hop = options.hop_length.unwrap_or(n_fft / 4);
        let win = options.win_length.unwrap_or(n_fft);
        ensure!(n_fft > 0 && hop > 0, Argument, "stft", "n_fft {n_fft} and hop_length {hop} must not be zero");
        ensure!(win > 0 && win <= n_fft, Argument, "stft", "win_length {win} must be in 1..={n_fft}, n_fft");
        // Before anything of the frame's size is made.
        let around = if options.center { n_fft / 2 } else { 0 };
        let frames = self.size(-1)?.saturating_add(around.saturating_mul(2));
        ensure!(frames >= n_fft, Shape, "stft", "a signal of {frames} samples is shorter than a frame of {n_fft}");
        if self.numel() == 0 && self.size(-1)? > 0 {
            let coefficients = [0, n_fft / 2 + 1, (frames - n_fft) / hop + 1];
            return self.to_dtype(self.dtype().to_float().to_complex())?.reshape(coefficients);
        }
        let window = match &options.window {
            Some(w) => {
                ensure!(
                    *w.shape() == [win],
                    Shape,
                    "stft",
                    "the window has shape {:?}, win_length is {win}",
                    w.shape()
                );
                let left = (n_fft - win) / 2;
                w.pad(&[left as isize, (n_fft - win - left) as isize], 0.0)?
            }
            None => {
                let left = (n_fft - win) / 2;
                let ones = Tensor::ones([win]).dtype(self.dtype().to_float()).device(self.device()).build()?;
                ones.pad(&[left as isize, (n_fft - win - left) as isize], 0.0)?
            }
        };
        let signal = if self.rank() == 1 { self.unsqueeze(0)? } else { self.clone() };
        let signal = if options.center {
            let half = around as isize;
            if options.reflect {
                signal.pad_with(&[half, half], crate::PadMode::Reflect)?
            } else {
                signal.pad(&[half, half], 0.0)?
            }
        } else {
            signal
        };
        let windowed = signal.unfold(-1, n_fft, hop)?.mul(&window)?;
        let coefficients =
            if windowed.dtype().is_complex() { windowed.two_sided()? } else { windowed.rfft(None, -1)? };
        let coefficients = coefficients.transpose(1, 2)?;
        let scaled = if options.normalized { coefficients.mul(1.0 / (n_fft as f64).sqrt())? } else { coefficients };
        if self.rank() == 1 { scaled.squeeze(0) } else { Ok(scaled) }
    }

    /// A raised-cosine window of `n` values, one period without its last value if `periodic`:
    /// `torch.hann_window`.
    #[track_caller]
    pub fn hann_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        Tensor::raised_cosine(n, periodic, dtype, 0.5)
    }

    /// As [`hann_window`](Tensor::hann_window), with ends at 0.08: `torch.hamming_window`.
    #[track_caller]
    pub fn hamming_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        Tensor::raised_cosine(n, periodic, dtype, 0.54)
    }

    #[track_caller]
    fn raised_cosine(n: usize, periodic: bool, dtype: DType, alpha: f64) -> Result<Tensor> {
        ensure!(dtype.is_float(), DType, "window", "a window is of floating point numbers, not {dtype}");
        let period = if periodic { n } else { n.max(2) - 1 } as f64;
        let value = |i: usize| alpha - (1.0 - alpha) * (2.0 * std::f64::consts::PI * i as f64 / period).cos();
        let window = Tensor::ones(n).dtype(DType::F64).build()?;
        if n > 1 {
            window.data_mut::<f64>()?.iter_mut().enumerate().for_each(|(i, x)| *x = value(i));
        }
        window.to_dtype(dtype)
    }
}
