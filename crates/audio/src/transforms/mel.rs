//! The mel scale: frequencies gathered as an ear does.

use super::spectrogram::{Spectrogram, WindowFn, hann_window};
use crate::functional::{self, MelNorm, MelScaleKind, Normalized};
use flambeau_nn::{Buffer, Call, Forward, Module};
use flambeau_tensor::{PadMode, Result, Tensor, builder, ensure, linalg};

/// Spectrograms `[..., n_stft, time]` gathered into `[..., n_mels, time]`, as
/// `torchaudio.transforms.MelScale`.
#[derive(Module)]
pub struct MelScale {
    /// The weights, `[n_stft, n_mels]`.
    pub fb: Buffer,
}

builder! {
    /// Options of [`MelScale`].
    pub struct MelScaleBuilder => MelScale;
    new {
        /// Of the signals whose spectrograms come in.
        sample_rate: u32,
    }
    options {
        /// Bands, 128 unless set.
        n_mels: usize = 128,
        /// The lowest frequency in Hertz, 0 unless set.
        f_min: f64 = 0.0,
        /// The highest frequency in Hertz, half the sample rate unless set.
        f_max: ~into Option<f64> = None,
        /// Frequencies that come in, `n_fft / 2 + 1`; 201 unless set.
        n_stft: usize = 201,
        /// Scale the bands to one area: not unless set.
        norm: ~into Option<MelNorm> = None,
        /// The formula of the scale, HTK's unless set.
        mel_scale: MelScaleKind = MelScaleKind::Htk,
    }
}

impl MelScale {
    #[track_caller]
    fn from_builder(b: MelScaleBuilder) -> Result<Self> {
        let f_max = b.f_max.unwrap_or(f64::from(b.sample_rate / 2));
        let fb = functional::melscale_fbanks(b.n_stft, (b.f_min, f_max), b.n_mels, b.sample_rate, b.norm, b.mel_scale)?;
        Ok(MelScale { fb: Buffer::new(fb) })
    }
}

impl Forward<&Tensor> for MelScale {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let n_stft = self.fb.shape()[0];
        ensure!(
            x.rank() >= 2 && x.shape()[x.rank() - 2] == n_stft,
            Shape,
            "MelScale",
            "a spectrogram is [..., {n_stft}, time] by n_stft, this is {:?}",
            x.shape()
        );
        x.transpose(-1, -2)?.matmul(&self.fb)?.transpose(-1, -2)
    }
}

/// Spectrograms `[..., n_stft, time]` that [`MelScale`] would take to `[..., n_mels, time]`: of the least squares the
/// solution of least norm, with zeros where that is negative; as `torchaudio.transforms.InverseMelScale` (whose default
/// driver fails where a band is empty: this gives the solution there, too).
#[derive(Module)]
pub struct InverseMelScale {
    /// The weights, `[n_stft, n_mels]`.
    pub fb: Buffer,
}

builder! {
    /// Options of [`InverseMelScale`].
    pub struct InverseMelScaleBuilder => InverseMelScale;
    new {
        /// Of the signals whose spectrograms are wanted.
        sample_rate: u32,
        /// Frequencies that are wanted, `n_fft / 2 + 1`.
        n_stft: usize,
    }
    options {
        /// Bands, 128 unless set.
        n_mels: usize = 128,
        /// The lowest frequency in Hertz, 0 unless set.
        f_min: f64 = 0.0,
        /// The highest frequency in Hertz, half the sample rate unless set.
        f_max: ~into Option<f64> = None,
        /// Were the bands scaled to one area? Not unless set.
        norm: ~into Option<MelNorm> = None,
        /// The formula of the scale, HTK's unless set.
        mel_scale: MelScaleKind = MelScaleKind::Htk,
    }
}

impl InverseMelScale {
    #[track_caller]
    fn from_builder(b: InverseMelScaleBuilder) -> Result<Self> {
        let scale = MelScale::new(b.sample_rate)
            .n_mels(b.n_mels)
            .f_min(b.f_min)
            .f_max(b.f_max)
            .n_stft(b.n_stft)
            .norm(b.norm)
            .mel_scale(b.mel_scale)
            .build()?;
        Ok(InverseMelScale { fb: scale.fb })
    }
}

impl Forward<&Tensor> for InverseMelScale {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let n_mels = self.fb.shape()[1];
        ensure!(
            x.rank() >= 2 && x.shape()[x.rank() - 2] == n_mels,
            Shape,
            "InverseMelScale",
            "a spectrogram is [..., {n_mels}, time] by n_mels, this is {:?}",
            x.shape()
        );
        linalg::pinv(&self.fb.transpose(0, 1)?, linalg::Cutoff::default(), false)?.matmul(x)?.relu()
    }
}

/// The spectrogram on the mel scale, `[..., n_mels, windows]`, of signals `[..., frames]`: [`Spectrogram`]
/// and [`MelScale`], as `torchaudio.transforms.MelSpectrogram`.
#[derive(Module)]
pub struct MelSpectrogram {
    /// The first of the two.
    pub spectrogram: Spectrogram,
    /// The second.
    pub mel_scale: MelScale,
}

builder! {
    /// Options of [`MelSpectrogram`].
    pub struct MelSpectrogramBuilder => MelSpectrogram;
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
        /// The lowest frequency in Hertz, 0 unless set.
        f_min: f64 = 0.0,
        /// The highest frequency in Hertz, half the sample rate unless set.
        f_max: ~into Option<f64> = None,
        /// Zeros put before and behind the signal, 0 unless set.
        pad: usize = 0,
        /// Bands, 128 unless set.
        n_mels: usize = 128,
        /// What makes the window, [`hann_window`] unless set.
        window_fn: WindowFn = hann_window,
        /// The exponent of the magnitude, 2 (power) unless set.
        power: f64 = 2.0,
        /// Divide by the window's length (`true`), or by what [`Normalized`] says. Not unless set.
        normalized: ~into Normalized = Normalized::No,
        /// Pad by half a frame on either side, so that frame t is centred at `t * hop_length`. True unless set.
        center: bool = true,
        /// What is put there: the reflection unless set, `None` for zeros.
        pad_mode: ~into Option<PadMode> = Some(PadMode::Reflect),
        /// Scale the bands to one area: not unless set.
        norm: ~into Option<MelNorm> = None,
        /// The formula of the scale, HTK's unless set.
        mel_scale: MelScaleKind = MelScaleKind::Htk,
    }
}

impl MelSpectrogramBuilder {
    /// The number of bands that is set.
    pub(super) fn bands(&self) -> usize {
        self.n_mels
    }
}

impl MelSpectrogram {
    #[track_caller]
    fn from_builder(b: MelSpectrogramBuilder) -> Result<Self> {
        let spectrogram = Spectrogram::new()
            .n_fft(b.n_fft)
            .win_length(b.win_length)
            .hop_length(b.hop_length)
            .pad(b.pad)
            .window_fn(b.window_fn)
            .power(b.power)
            .normalized(b.normalized)
            .center(b.center)
            .pad_mode(b.pad_mode)
            .build()?;
        let mel_scale = MelScale::new(b.sample_rate)
            .n_mels(b.n_mels)
            .f_min(b.f_min)
            .f_max(b.f_max)
            .n_stft(b.n_fft / 2 + 1)
            .norm(b.norm)
            .mel_scale(b.mel_scale)
            .build()?;
        Ok(MelSpectrogram { spectrogram, mel_scale })
    }
}

impl Forward<&Tensor> for MelSpectrogram {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.mel_scale.call(&self.spectrogram.call(x)?)
    }
}
