//! What is made of spectrograms' phases: signals for magnitudes, time stretched, pitch shifted.

use super::resample::{ResampleOptions, resample};
use flambeau_tensor::{DType, IstftOptions, Result, StftOptions, Tensor, bail, cat, ensure, options};
use std::f64::consts::PI;

options! {
    /// Options of [`griffinlim`]; torchaudio's names and the defaults of its transform.
    #[derive(Clone, Copy, Debug)]
    pub struct GriffinLimOptions {
        /// Samples of a frame, 400.
        n_fft: usize = 400,
        /// Samples from one frame to the next, 200.
        hop_length: usize = 200,
        /// The exponent of the spectrogram: 2 for power (the default), 1 for magnitude.
        power: f64 = 2.0,
        /// Iterations, 32.
        n_iter: usize = 32,
        /// How much of the last step is gone on with, from 0 (Griffin and Lim's method) to below 1; 0.99.
        momentum: f64 = 0.99,
        /// Frames of the signal; what the windows give unless set.
        length: ~into Option<usize> = None,
        /// Do phases begin by chance (the default) or at 0?
        rand_init: bool = true,
    }
}

/// Signals `[..., frames]` whose spectrograms without phases are `[..., freq, windows]`: the phases are found by going to
/// the signal and back again and again. Follows `torchaudio.functional.griffinlim`, which begins, with `rand_init`, at
/// complex numbers whose parts are drawn from 0 to 1. See D. W. Griffin and J. S. Lim, *Signal estimation from modified
/// short-time Fourier transform*, 1984, and N. Perraudin et al., *A fast Griffin-Lim algorithm*, 2013.
///
/// # Errors
/// Where the momentum is not in 0..1 or the power not above 0; where the spectrogram is not real, has other frequencies
/// than `n_fft` says, or is too short to be reflected at its ends.
#[track_caller]
pub fn griffinlim(specgram: &Tensor, window: &Tensor, options: GriffinLimOptions) -> Result<Tensor> {
    let (name, shape) = ("griffinlim", specgram.shape());
    let GriffinLimOptions { n_fft, hop_length, power, n_iter, momentum, length, rand_init } = options;
    ensure!((0.0..1.0).contains(&momentum), Argument, name, "momentum {momentum} must be from 0 to below 1");
    ensure!(power > 0.0, Argument, name, "power {power} must be above 0");
    ensure!(shape.len() >= 2, Shape, name, "a spectrogram is [..., freq, time], this is {shape:?}");
    let dtype = specgram.dtype();
    ensure!(
        matches!(dtype, DType::F32 | DType::F64),
        DType,
        name,
        "a spectrogram is float32 or float64 here, not {dtype}"
    );
    let momentum = momentum / (1.0 + momentum);
    let (lead, image) = shape.split_at(shape.len() - 2);
    let packed = [lead.iter().product::<usize>(), image[0], image[1]];
    let magnitude = specgram.reshape(packed)?.pow(1.0 / power)?;
    let there = StftOptions::new().hop_length(hop_length).win_length(window.numel()).window(window.clone());
    let back = IstftOptions::new().hop_length(hop_length).win_length(window.numel());
    let back = back.window(window.clone()).length(length);
    let mut angles = if rand_init {
        let parts = Tensor::rand([packed[0], packed[1], packed[2], 2]).dtype(dtype).device(specgram.device());
        parts.build()?.view_as_complex()?
    } else {
        Tensor::ones(packed).dtype(dtype.to_complex()).device(specgram.device()).build()?
    };
    let mut before: Option<Tensor> = None;
    for _ in 0..n_iter {
        let rebuilt = magnitude.mul(&angles)?.istft(n_fft, &back)?.stft(n_fft, &there)?;
        ensure!(
            rebuilt.shape() == packed,
            Argument,
            name,
            "a signal of {length:?} frames does not go with {} windows, which are {hop_length} apart",
            packed[2]
        );
        angles = match &before {
            Some(before) if momentum > 0.0 => rebuilt.sub(&before.mul(momentum)?)?,
            _ => rebuilt.clone(),
        };
        angles = angles.div(&angles.abs()?.add(1e-16)?)?;
        before = Some(rebuilt);
    }
    let waveform = magnitude.mul(&angles)?.istft(n_fft, &back)?;
    let shape: Vec<usize> = lead.iter().copied().chain([waveform.size(-1)?]).collect();
    waveform.reshape(shape)
}

/// Complex spectrograms `[..., freq, windows]` played `rate` times as fast at the same pitch: `[..., freq,
/// ⌈windows / rate⌉]`. `phase_advance` `[freq, 1]` is by how much the phase of each frequency grows from one window to the
/// next. Follows `torchaudio.functional.phase_vocoder`.
///
/// # Errors
/// Where the spectrogram is not complex, `phase_advance` does not go with it, or the rate is not above 0.
#[track_caller]
pub fn phase_vocoder(complex_specgrams: &Tensor, rate: f64, phase_advance: &Tensor) -> Result<Tensor> {
    let (name, x) = ("phase_vocoder", complex_specgrams);
    ensure!(
        x.rank() >= 2 && x.dtype().is_complex(),
        Shape,
        name,
        "a spectrogram is complex [..., freq, time], this is {} of {:?}",
        x.dtype(),
        x.shape()
    );
    let (windows, freq) = (x.size(-1)?, x.size(-2)?);
    ensure!(
        phase_advance.shape() == [freq, 1],
        Shape,
        name,
        "phase_advance is [{freq}, 1] for {freq} frequencies, this is {:?}",
        phase_advance.shape()
    );
    ensure!(rate > 0.0 && rate.is_finite(), Argument, name, "a rate of {rate} must be above 0");
    if rate == 1.0 {
        return Ok(x.clone());
    }
    ensure!(windows > 0, Shape, name, "a spectrogram {:?} has no windows", x.shape());
    let real = x.dtype().to_real();
    let steps = Tensor::arange_step(0.0, windows as f64, rate).dtype(real).device(x.device()).build()?;
    let whole = steps.to_dtype(DType::I64)?;
    let part = steps.sub(&whole.to_dtype(real)?)?;
    let next = steps.add(1.0)?.to_dtype(DType::I64)?;
    let first = x.narrow(-1, 0, 1)?.angle()?;
    let padded = x.pad(&[0, 2], 0.0)?;
    let (here, there) = (padded.index_select(-1, &whole)?, padded.index_select(-1, &next)?);
    let turn = there.angle()?.sub(&here.angle()?)?.sub(phase_advance)?;
    let turn = turn.sub(&turn.div(2.0 * PI)?.round()?.mul(2.0 * PI)?)?.add(phase_advance)?;
    let phase = cat(&[&first, &turn.narrow(-1, 0, turn.size(-1)? - 1)?], -1)?.cumsum(-1)?;
    let magnitude = part.mul(&there.abs()?)?.add(&part.rsub(1.0)?.mul(&here.abs()?)?)?;
    magnitude.polar(&phase)
}

options! {
    /// Options of [`pitch_shift`]; torchaudio's names and defaults.
    #[derive(Clone, Debug)]
    pub struct PitchShiftOptions {
        /// Steps of an octave, 12.
        bins_per_octave: u32 = 12,
        /// Samples of a frame, 512.
        n_fft: usize = 512,
        /// Samples of the window, `n_fft` unless set.
        win_length: ~into Option<usize> = None,
        /// Samples from one frame to the next, a quarter of `n_fft` unless set.
        hop_length: ~into Option<usize> = None,
        /// The window, of `win_length` values; a raised cosine unless set.
        window: ~into Option<Tensor> = None,
    }
}

/// Signals `[..., frames]` `n_steps` higher at the same speed: stretched by [`phase_vocoder`], and resampled. Follows
/// `torchaudio.functional.pitch_shift`. What resampling takes grows with the samples alone, whatever the rates have in
/// common.
///
/// # Errors
/// Where the shift leaves no rate, or the signal is shorter than half a frame.
#[track_caller]
pub fn pitch_shift(waveform: &Tensor, sample_rate: u32, n_steps: i32, options: &PitchShiftOptions) -> Result<Tensor> {
    let name = "pitch_shift";
    let PitchShiftOptions { bins_per_octave, n_fft, .. } = *options;
    ensure!(bins_per_octave > 0 && n_fft > 0, Argument, name, "bins_per_octave and n_fft must not be zero");
    ensure!(waveform.rank() > 0, Shape, name, "a waveform is [..., frames], this is a number");
    let win_length = options.win_length.unwrap_or(n_fft);
    let hop_length = options.hop_length.unwrap_or(n_fft / 4);
    let window = match &options.window {
        Some(window) => window.clone(),
        None => Tensor::hann_window(win_length, true, DType::F32)?.to_device(waveform.device())?,
    };
    let rate = 2f64.powf(-f64::from(n_steps) / f64::from(bins_per_octave));
    let source = f64::from(sample_rate) / rate;
    ensure!(
        (1.0..=f64::from(u32::MAX)).contains(&source),
        Argument,
        name,
        "{n_steps} steps of {bins_per_octave} in an octave from {sample_rate} Hz leave no rate"
    );
    let (lead, frames) = (&waveform.shape()[..waveform.rank() - 1], waveform.size(-1)?);
    let there = StftOptions::new().hop_length(hop_length).win_length(win_length).window(window.clone());
    let spectrum = waveform.reshape([lead.iter().product::<usize>(), frames])?.stft(n_fft, &there)?;
    let advance =
        Tensor::linspace(0.0, PI * hop_length as f64, spectrum.size(-2)?).device(waveform.device()).build()?;
    let stretched = phase_vocoder(&spectrum, rate, &advance.unsqueeze(-1)?)?;
    // Python rounds halves to even.
    let length = (frames as f64 / rate).round_ties_even();
    if length > frames as f64 * 1e6 {
        bail!(Argument, name, "{n_steps} steps of {bins_per_octave} in an octave are too many");
    }
    let back = IstftOptions::new().hop_length(hop_length).win_length(win_length).window(window);
    let longer = stretched.istft(n_fft, &back.length(length as usize))?;
    let shifted = resample(&longer, source as u32, sample_rate, &ResampleOptions::default())?;
    shifted.fit(-1, frames, 0.0)?.reshape(waveform.shape())
}
