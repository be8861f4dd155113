//! The ops of the Fourier transforms, that [`fft`] is made of, and the short-time transform over them.

use crate::autocast::Policy;
use crate::interpreters::autocast::in_full_precision;
use crate::op::{Infer, Meta, Metas};
use crate::signal::windows;
use crate::{DType, Result, Tensor, bail, ensure, fft};

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

/// The transform of complex numbers in the last dimension, unscaled, with e to the −i or, `inverse`, to the +i.
#[derive(Clone, Copy, Debug)]
pub struct Fft {
    /// The sign of the exponent: plus?
    pub inverse: bool,
}

impl Infer for Fft {
    const NAME: &'static str = "fft";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        ensure!(
            x.shape().last().is_some_and(|&n| n > 0),
            Shape,
            "fft",
            "shape {:?} has no samples to transform",
            x.shape()
        );
        ensure!(x.dtype().is_complex(), DType, "fft", "the samples must be complex, they are {}", x.dtype());
        Meta::like(x).one()
    }
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
        /// Only the frequencies from 0 to `n_fft / 2`, of which the others are the conjugates? Yes, where signal and
        /// window are real.
        onesided: ~into Option<bool> = None,
    }
}

impl Tensor {
    /// The one-sided Fourier transform along `dim`, of `n` samples: [`fft::rfft`] with its usual scale.
    ///
    /// # Errors
    /// As [`fft::rfft`].
    #[track_caller]
    pub fn rfft(&self, n: Option<usize>, dim: isize) -> Result<Tensor> {
        fft::rfft(self, n, dim, fft::Norm::Backward)
    }

    /// The inverse of [`rfft`](Tensor::rfft): [`fft::irfft`] with its usual scale.
    ///
    /// # Errors
    /// As [`fft::irfft`].
    #[track_caller]
    pub fn irfft(&self, n: Option<usize>, dim: isize) -> Result<Tensor> {
        fft::irfft(self, n, dim, fft::Norm::Backward)
    }

    /// The short-time Fourier transform of signals `[frames]` or `[batch, frames]`: one-sided complex coefficients
    /// `[…, n_fft / 2 + 1, windows]`, or all `n_fft` where signal or window is complex or the options say so.
    /// `torch.stft` with `return_complex`.
    ///
    /// # Errors
    /// Where the signal is shorter than a frame, window, hop and frame do not go together, or one side is asked for of
    /// what is complex.
    #[track_caller]
    pub fn stft(&self, n_fft: usize, options: &StftOptions) -> Result<Tensor> {
        in_full_precision!(x = self => x.stft(n_fft, options));
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
        let is_complex = self.dtype().is_complex() || options.window.as_ref().is_some_and(|w| w.dtype().is_complex());
        let onesided = options.onesided.unwrap_or(!is_complex);
        ensure!(!(onesided && is_complex), Argument, "stft", "a complex signal or window has two sides of frequencies");
        if self.numel() == 0 && self.size(-1)? > 0 {
            let coefficients = [0, if onesided { n_fft / 2 + 1 } else { n_fft }, (frames - n_fft) / hop + 1];
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
            if onesided { windowed.rfft(None, -1)? } else { fft::fft(&windowed, None, -1, fft::Norm::Backward)? };
        let coefficients = coefficients.transpose(1, 2)?;
        let scaled = if options.normalized { coefficients.mul(1.0 / (n_fft as f64).sqrt())? } else { coefficients };
        if self.rank() == 1 { scaled.squeeze(0) } else { Ok(scaled) }
    }

    /// A raised-cosine window of `n` values, one period without its last value if `periodic`:
    /// `torch.hann_window`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for it.
    #[track_caller]
    pub fn hann_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        windows::hann(n, !periodic, dtype)
    }

    /// As [`hann_window`](Tensor::hann_window), with ends at 0.08: `torch.hamming_window`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for it.
    #[track_caller]
    pub fn hamming_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        windows::hamming(n, !periodic, dtype)
    }
}
