//! The spectrogram as a module.

use crate::functional::{self, Normalized, SpectrogramOptions};
use flambeau_nn::{Buffer, Forward, Module};
use flambeau_tensor::{DType, PadMode, Result, Tensor, builder, ensure};

/// What makes a window of so many values.
pub type WindowFn = fn(usize) -> Result<Tensor>;

/// A periodic window of raised cosine: `torch.hann_window`.
#[track_caller]
pub fn hann_window(n: usize) -> Result<Tensor> {
    Tensor::hann_window(n, true, DType::F32)
}

/// A periodic window of raised cosine with ends at 0.08: `torch.hamming_window`.
#[track_caller]
pub fn hamming_window(n: usize) -> Result<Tensor> {
    Tensor::hamming_window(n, true, DType::F32)
}

/// The spectrogram `[..., n_fft / 2 + 1, windows]` of signals `[..., frames]`, as
/// `torchaudio.transforms.Spectrogram`.
#[derive(Module)]
pub struct Spectrogram {
    /// What each frame is multiplied by, `[win_length]`.
    pub window: Buffer,
    options: SpectrogramOptions,
}

builder! {
    /// Options of [`Spectrogram`].
    pub struct SpectrogramBuilder => Spectrogram;
    new {}
    options {
        /// Samples of a frame, 400 unless set.
        n_fft: usize = 400,
        /// Samples of the window, `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// Samples from one frame to the next, half of `win_length` unless set.
        hop_length: ~into Option<usize> = None,
        /// Zeros put before and behind the signal, 0 unless set.
        pad: usize = 0,
        /// What makes the window, [`hann_window`] unless set.
        window_fn: WindowFn = hann_window,
        /// The exponent of the magnitude, 2 (power) unless set; `None` for complex coefficients.
        power: ~into Option<f64> = Some(2.0),
        /// Divide by the window's length (`true`), or by what [`Normalized`] says. Not unless set.
        normalized: ~into Normalized = Normalized::No,
        /// Pad by half a frame on either side, so that frame t is centred at `t * hop_length`. True unless set.
        center: bool = true,
        /// What is put there: the reflection unless set, `None` for zeros.
        pad_mode: ~into Option<PadMode> = Some(PadMode::Reflect),
        /// The frequencies from 0 to half the sample rate alone (unless set), or all `n_fft`.
        onesided: bool = true,
    }
}

impl Spectrogram {
    #[track_caller]
    fn from_builder(b: SpectrogramBuilder) -> Result<Self> {
        let win_length = b.win_length.unwrap_or(b.n_fft);
        let hop_length = b.hop_length.unwrap_or(win_length / 2);
        ensure!(
            (1..=b.n_fft).contains(&win_length),
            Argument,
            "Spectrogram",
            "win_length {win_length} must be from 1 to n_fft, which is {}",
            b.n_fft
        );
        ensure!(hop_length > 0, Argument, "Spectrogram", "hop_length must not be zero");
        if let Some(power) = b.power {
            ensure!(power > 0.0, Argument, "Spectrogram", "power {power} must be above 0");
        }
        let window = (b.window_fn)(win_length)?;
        ensure!(
            window.shape() == [win_length],
            Shape,
            "Spectrogram",
            "window_fn made a window {:?}, win_length is {win_length}",
            window.shape()
        );
        let SpectrogramBuilder { n_fft, pad, power, normalized, center, pad_mode, onesided, .. } = b;
        let options = SpectrogramOptions { n_fft, hop_length, pad, power, normalized, center, pad_mode, onesided };
        Ok(Spectrogram { window: Buffer::new(window), options })
    }
}

impl Forward<&Tensor> for Spectrogram {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::spectrogram(x, &self.window, &self.options)
    }
}
