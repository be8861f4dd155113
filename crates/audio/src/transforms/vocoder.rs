//! What is made of spectrograms' phases, as modules.

use super::spectrogram::{WindowFn, hann_window, window_of};
use crate::functional::{self, GriffinLimOptions, PitchShiftOptions};
use flambeau_nn::{Buffer, Forward, Module};
use flambeau_tensor::{Result, Tensor, builder, ensure};
use std::f64::consts::PI;

/// Signals `[..., frames]` for spectrograms without phases `[..., n_fft / 2 + 1, windows]`:
/// [`functional::griffinlim`]; as `torchaudio.transforms.GriffinLim`.
#[derive(Module)]
pub struct GriffinLim {
    /// What each frame is multiplied by, `[win_length]`.
    pub window: Buffer,
    options: GriffinLimOptions,
}

builder! {
    /// Options of [`GriffinLim`].
    pub struct GriffinLimBuilder => GriffinLim;
    new {}
    options {
        /// Samples of a frame, 400 unless set.
        n_fft: usize = 400,
        /// Iterations, 32 unless set.
        n_iter: usize = 32,
        /// Samples of the window, `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// Samples from one frame to the next, half of `win_length` unless set.
        hop_length: ~into Option<usize> = None,
        /// What makes the window, [`hann_window`] unless set.
        window_fn: WindowFn = hann_window,
        /// The exponent of the spectrograms, 2 (power) unless set.
        power: f64 = 2.0,
        /// How much of the last step is gone on with, 0.99 unless set.
        momentum: f64 = 0.99,
        /// Frames of the signals; what the windows give unless set.
        length: ~into Option<usize> = None,
        /// Do phases begin by chance (unless set) or at 0?
        rand_init: bool = true,
    }
}

impl GriffinLim {
    #[track_caller]
    fn from_builder(b: GriffinLimBuilder) -> Result<Self> {
        let (window, hop_length) = window_of("GriffinLim", b.n_fft, b.win_length, b.hop_length, b.window_fn)?;
        let GriffinLimBuilder { n_fft, n_iter, power, momentum, length, rand_init, .. } = b;
        ensure!(
            (0.0..1.0).contains(&momentum),
            Argument,
            "GriffinLim",
            "momentum {momentum} must be from 0 to below 1"
        );
        let options = GriffinLimOptions { n_fft, hop_length, power, n_iter, momentum, length, rand_init };
        Ok(GriffinLim { window, options })
    }
}

impl Forward<&Tensor> for GriffinLim {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, specgram: &Tensor) -> Result<Tensor> {
        functional::griffinlim(specgram, &self.window, self.options)
    }
}

/// Plays complex spectrograms `[..., n_freq, windows]` faster or slower at the same pitch:
/// [`functional::phase_vocoder`]; as `torchaudio.transforms.TimeStretch`.
#[derive(Module)]
pub struct TimeStretch {
    /// By how much the phase of each frequency grows from one window to the next, `[n_freq, 1]`.
    pub phase_advance: Buffer,
    fixed_rate: Option<f64>,
}

builder! {
    /// Options of [`TimeStretch`].
    pub struct TimeStretchBuilder => TimeStretch;
    new {}
    options {
        /// Samples from one frame of the spectrogram to the next, `n_freq - 1` unless set.
        hop_length: ~into Option<usize> = None,
        /// Frequencies, 201 unless set.
        n_freq: usize = 201,
        /// How much faster; given with each call unless set.
        fixed_rate: ~into Option<f64> = None,
    }
}

impl TimeStretch {
    #[track_caller]
    fn from_builder(b: TimeStretchBuilder) -> Result<Self> {
        ensure!(b.n_freq > 0, Argument, "TimeStretch", "n_freq must not be zero");
        let hop_length = b.hop_length.unwrap_or(b.n_freq - 1);
        let advance = Tensor::linspace(0.0, PI * hop_length as f64, b.n_freq).build()?.unsqueeze(-1)?;
        Ok(TimeStretch { phase_advance: Buffer::new(advance), fixed_rate: b.fixed_rate })
    }
}

/// At the fixed rate.
impl Forward<&Tensor> for TimeStretch {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, complex_specgrams: &Tensor) -> Result<Tensor> {
        let Some(rate) = self.fixed_rate else {
            flambeau_tensor::bail!(Argument, "TimeStretch", "no fixed_rate is set: call it with a rate")
        };
        functional::phase_vocoder(complex_specgrams, rate, &self.phase_advance)
    }
}

/// At a rate of this call's own.
impl Forward<(&Tensor, f64)> for TimeStretch {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (complex_specgrams, rate): (&Tensor, f64)) -> Result<Tensor> {
        functional::phase_vocoder(complex_specgrams, rate, &self.phase_advance)
    }
}

/// Signals `[..., frames]` some steps higher at the same speed: [`functional::pitch_shift`]; as
/// `torchaudio.transforms.PitchShift`, but without the resampling kernel of its first call in its state.
#[derive(Module)]
pub struct PitchShift {
    sample_rate: u32,
    n_steps: i32,
    bins_per_octave: u32,
    n_fft: usize,
    hop_length: usize,
    /// What each frame is multiplied by, `[win_length]`.
    pub window: Buffer,
}

builder! {
    /// Options of [`PitchShift`].
    pub struct PitchShiftBuilder => PitchShift;
    new {
        /// Of the signals that come in.
        sample_rate: u32,
        /// How much higher, or lower where it is negative.
        n_steps: i32,
    }
    options {
        /// Steps of an octave, 12 unless set.
        bins_per_octave: u32 = 12,
        /// Samples of a frame, 512 unless set.
        n_fft: usize = 512,
        /// Samples of the window, `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// Samples from one frame to the next, a quarter of `win_length` unless set.
        hop_length: ~into Option<usize> = None,
        /// What makes the window, [`hann_window`] unless set.
        window_fn: WindowFn = hann_window,
    }
}

impl PitchShift {
    #[track_caller]
    fn from_builder(b: PitchShiftBuilder) -> Result<Self> {
        let hop_length = b.hop_length.unwrap_or(b.win_length.unwrap_or(b.n_fft) / 4);
        let (window, hop_length) = window_of("PitchShift", b.n_fft, b.win_length, Some(hop_length), b.window_fn)?;
        let PitchShiftBuilder { sample_rate, n_steps, bins_per_octave, n_fft, .. } = b;
        Ok(PitchShift { sample_rate, n_steps, bins_per_octave, n_fft, hop_length, window })
    }
}

impl Forward<&Tensor> for PitchShift {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, waveform: &Tensor) -> Result<Tensor> {
        let options = PitchShiftOptions::new()
            .bins_per_octave(self.bins_per_octave)
            .n_fft(self.n_fft)
            .win_length(self.window.numel())
            .hop_length(self.hop_length)
            .window(self.window.tensor().clone());
        functional::pitch_shift(waveform, self.sample_rate, self.n_steps, &options)
    }
}
