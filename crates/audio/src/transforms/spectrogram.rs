//! The spectrogram as a module.

use crate::functional::{self, Normalized, SpectrogramOptions};
use flambeau_nn::{Buffer, Forward, Module};
use flambeau_tensor::{DType, PadMode, Result, Tensor, builder, ensure};

/// What makes a window of so many values: one of those here, or a closure, as `|n| kaiser(n, 12.0, false, DType::F32)`.
pub type WindowFn = fn(usize) -> Result<Tensor>;

/// A periodic window of raised cosine: `torch.hann_window`.
///
/// # Errors
/// Where the system has no memory for it.
#[track_caller]
pub fn hann_window(n: usize) -> Result<Tensor> {
    Tensor::hann_window(n, true, DType::F32)
}

/// A periodic window of raised cosine with ends at 0.08: `torch.hamming_window`.
///
/// # Errors
/// Where the system has no memory for it.
#[track_caller]
pub fn hamming_window(n: usize) -> Result<Tensor> {
    Tensor::hamming_window(n, true, DType::F32)
}

/// The window that a transform keeps, and samples from one frame to the next: half the window unless given.
#[track_caller]
pub(super) fn window_of(
    name: &'static str,
    n_fft: usize,
    win_length: Option<usize>,
    hop_length: Option<usize>,
    window_fn: WindowFn,
) -> Result<(Buffer, usize)> {
    let win_length = win_length.unwrap_or(n_fft);
    let hop_length = hop_length.unwrap_or(win_length / 2);
    ensure!(
        (1..=n_fft).contains(&win_length),
        Argument,
        name,
        "win_length {win_length} must be from 1 to n_fft, which is {n_fft}"
    );
    ensure!(hop_length > 0, Argument, name, "hop_length must not be zero");
    let window = window_fn(win_length)?;
    ensure!(
        window.shape() == [win_length],
        Shape,
        name,
        "window_fn made a window {:?}, win_length is {win_length}",
        window.shape()
    );
    Ok((Buffer::new(window), hop_length))
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

impl SpectrogramBuilder {
    /// Samples of a frame that are set.
    pub(super) fn frame(&self) -> usize {
        self.n_fft
    }
}

impl Spectrogram {
    #[track_caller]
    fn from_builder(b: SpectrogramBuilder) -> Result<Self> {
        let (window, hop_length) = window_of("Spectrogram", b.n_fft, b.win_length, b.hop_length, b.window_fn)?;
        if let Some(power) = b.power {
            ensure!(power > 0.0, Argument, "Spectrogram", "power {power} must be above 0");
        }
        let SpectrogramBuilder { n_fft, pad, power, normalized, center, pad_mode, onesided, .. } = b;
        let options = SpectrogramOptions { n_fft, hop_length, pad, power, normalized, center, pad_mode, onesided };
        Ok(Spectrogram { window, options })
    }
}

impl Forward<&Tensor> for Spectrogram {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::spectrogram(x, &self.window, &self.options)
    }
}

/// The signals `[..., frames]` that complex spectrograms `[..., n_fft / 2 + 1, windows]` are nearest to:
/// [`functional::inverse_spectrogram`]; as `torchaudio.transforms.InverseSpectrogram`.
#[derive(Module)]
pub struct InverseSpectrogram {
    /// What each frame was multiplied by, `[win_length]`.
    pub window: Buffer,
    options: SpectrogramOptions,
}

builder! {
    /// Options of [`InverseSpectrogram`].
    pub struct InverseSpectrogramBuilder => InverseSpectrogram;
    new {}
    options {
        /// Samples of a frame, 400 unless set.
        n_fft: usize = 400,
        /// Samples of the window, `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// Samples from one frame to the next, half of `win_length` unless set.
        hop_length: ~into Option<usize> = None,
        /// Zeros that were put before and behind the signal, 0 unless set; they are taken off where a length is given.
        pad: usize = 0,
        /// What makes the window, [`hann_window`] unless set.
        window_fn: WindowFn = hann_window,
        /// What the spectrogram was divided by; nothing unless set.
        normalized: ~into Normalized = Normalized::No,
        /// Was the signal padded by half a frame on either side? Yes unless set.
        center: bool = true,
        /// Are the frequencies those from 0 to half the sample rate alone (unless set), or all `n_fft`?
        onesided: bool = true,
    }
}

impl InverseSpectrogram {
    #[track_caller]
    fn from_builder(b: InverseSpectrogramBuilder) -> Result<Self> {
        let (window, hop_length) = window_of("InverseSpectrogram", b.n_fft, b.win_length, b.hop_length, b.window_fn)?;
        let InverseSpectrogramBuilder { n_fft, pad, normalized, center, onesided, .. } = b;
        let options = SpectrogramOptions {
            n_fft,
            hop_length,
            pad,
            normalized,
            center,
            onesided,
            ..SpectrogramOptions::default()
        };
        Ok(InverseSpectrogram { window, options })
    }
}

/// As many frames as the windows give.
impl Forward<&Tensor> for InverseSpectrogram {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::inverse_spectrogram(x, None, &self.window, &self.options)
    }
}

/// A number of frames.
impl Forward<(&Tensor, usize)> for InverseSpectrogram {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x, length): (&Tensor, usize)) -> Result<Tensor> {
        functional::inverse_spectrogram(x, length, &self.window, &self.options)
    }
}

/// The mean frequency in Hertz of each frame of signals `[..., frames]`, `[..., windows]`:
/// [`functional::spectral_centroid`]; as `torchaudio.transforms.SpectralCentroid`.
#[derive(Module)]
pub struct SpectralCentroid {
    /// What each frame is multiplied by, `[win_length]`.
    pub window: Buffer,
    sample_rate: u32,
    options: SpectrogramOptions,
}

builder! {
    /// Options of [`SpectralCentroid`].
    pub struct SpectralCentroidBuilder => SpectralCentroid;
    new {
        /// Of the signals that come in.
        sample_rate: u32,
    }
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
    }
}

impl SpectralCentroid {
    #[track_caller]
    fn from_builder(b: SpectralCentroidBuilder) -> Result<Self> {
        let (window, hop_length) = window_of("SpectralCentroid", b.n_fft, b.win_length, b.hop_length, b.window_fn)?;
        let options = SpectrogramOptions { n_fft: b.n_fft, hop_length, pad: b.pad, ..SpectrogramOptions::default() };
        Ok(SpectralCentroid { window, sample_rate: b.sample_rate, options })
    }
}

impl Forward<&Tensor> for SpectralCentroid {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::spectral_centroid(x, self.sample_rate, &self.window, &self.options)
    }
}
