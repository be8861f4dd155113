//! Waveforms to spectrograms.

use flambeau_tensor::{IstftOptions, PadMode, Result, StftOptions, Tensor, cat, ensure};

/// What a spectrogram is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalized {
    /// nothing
    #[default]
    No,
    /// the window's Euclidean length: torchaudio's `True` and `"window"`
    Window,
    /// the root of the frame's length
    FrameLength,
}

impl From<bool> for Normalized {
    fn from(on: bool) -> Self {
        if on { Normalized::Window } else { Normalized::No }
    }
}

/// Options of [`spectrogram`]; torchaudio's names.
#[derive(Clone, Copy, Debug)]
pub struct SpectrogramOptions {
    /// Samples of a frame.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Zeros put before and behind the signal.
    pub pad: usize,
    /// The exponent of the magnitude: 2 for power, 1 for amplitude; none for complex coefficients.
    pub power: Option<f64>,
    /// What the result is divided by.
    pub normalized: Normalized,
    /// Pad by half a frame on either side, so that frame t is centred at `t * hop_length`.
    pub center: bool,
    /// What is put there; `None` for zeros.
    pub pad_mode: Option<PadMode>,
    /// The frequencies from 0 to half the sample rate alone, or the negative ones, too.
    pub onesided: bool,
}

impl Default for SpectrogramOptions {
    fn default() -> Self {
        SpectrogramOptions {
            n_fft: 400,
            hop_length: 200,
            pad: 0,
            power: Some(2.0),
            normalized: Normalized::No,
            center: true,
            pad_mode: Some(PadMode::Reflect),
            onesided: true,
        }
    }
}

/// The spectrogram `[..., n_fft / 2 + 1, windows]` of signals `[..., frames]`, each frame multiplied by
/// `window`. All `n_fft` frequencies where not
/// `onesided`. Follows `torchaudio.functional.spectrogram`.
///
/// # Errors
/// Where the signal is shorter than a frame, or window, hop and frame do not go together.
#[track_caller]
pub fn spectrogram(waveform: &Tensor, window: &Tensor, options: &SpectrogramOptions) -> Result<Tensor> {
    ensure!(waveform.rank() > 0, Shape, "spectrogram", "a waveform is [..., frames], this is a number");
    ensure!(window.rank() == 1, Shape, "spectrogram", "a window has one dimension, this is {:?}", window.shape());
    let lead = &waveform.shape()[..waveform.rank() - 1];
    let mut signal = waveform.reshape([lead.iter().product::<usize>(), waveform.size(-1)?])?;
    if options.pad > 0 {
        signal = signal.pad(&[options.pad as isize; 2], 0.0)?;
    }
    let half = [(options.n_fft / 2) as isize; 2];
    signal = match options.pad_mode {
        _ if !options.center => signal,
        Some(mode) => signal.pad_with(&half, mode)?,
        None => signal.pad(&half, 0.0)?,
    };
    let stft = StftOptions {
        hop_length: Some(options.hop_length),
        win_length: Some(window.numel()),
        window: Some(window.clone()),
        center: false,
        reflect: false,
        normalized: options.normalized == Normalized::FrameLength,
        onesided: None,
    };
    // Frequencies last, as the transform made them: what follows runs along memory.
    let mut coefficients = signal.stft(options.n_fft, &stft)?.transpose(-1, -2)?;
    if !options.onesided {
        // Those of the negative frequencies are the conjugates.
        let mirrored = coefficients.narrow(-1, 1, (options.n_fft - 1) / 2)?.flip(-1)?.conj()?;
        coefficients = cat(&[&coefficients, &mirrored], -1)?;
    }
    if options.normalized == Normalized::Window {
        coefficients = coefficients.div(&window.square()?.sum(..)?.sqrt()?)?;
    }
    let spectrum = match options.power {
        None => coefficients,
        Some(2.0) => power(&coefficients)?,
        Some(1.0) => coefficients.abs()?,
        Some(p) => coefficients.abs()?.pow(p)?,
    };
    let shape: Vec<usize> = lead.iter().chain(&spectrum.shape()[1..]).copied().collect();
    spectrum.reshape(shape)?.transpose(-1, -2)
}

/// The signals `[..., frames]` that complex spectrograms `[..., freq, windows]` are nearest to: the inverse of
/// [`spectrogram`] without an exponent, by the same options (the exponent does not matter). They have as many frames as
/// the windows give, or `length`. Follows `torchaudio.functional.inverse_spectrogram`: `pad` counts only where a length
/// is given.
///
/// # Errors
/// Where the spectrogram is not complex, or has other frequencies than `n_fft` says; where some sample is reached by no
/// window.
#[track_caller]
pub fn inverse_spectrogram(
    spectrogram: &Tensor,
    length: impl Into<Option<usize>>,
    window: &Tensor,
    options: &SpectrogramOptions,
) -> Result<Tensor> {
    let (name, shape) = ("inverse_spectrogram", spectrogram.shape());
    ensure!(shape.len() >= 2, Shape, name, "a spectrogram is [..., freq, time], this is {shape:?}");
    ensure!(window.rank() == 1, Shape, name, "a window has one dimension, this is {:?}", window.shape());
    let (lead, image) = shape.split_at(shape.len() - 2);
    let scaled = match options.normalized {
        Normalized::Window => spectrogram.mul(&window.square()?.sum(..)?.sqrt()?)?,
        _ => spectrogram.clone(),
    };
    let (length, pad) = (length.into(), options.pad);
    let istft = IstftOptions::new()
        .hop_length(options.hop_length)
        .win_length(window.numel())
        .window(window.clone())
        .center(options.center)
        .normalized(options.normalized == Normalized::FrameLength)
        .onesided(options.onesided)
        .length(length.map(|l: usize| l.saturating_add(pad.saturating_mul(2))));
    let waveform =
        scaled.reshape([lead.iter().product::<usize>(), image[0], image[1]])?.istft(options.n_fft, &istft)?;
    let waveform = match length {
        Some(length) => waveform.narrow(-1, pad as isize, length)?,
        None => waveform,
    };
    let shape: Vec<usize> = lead.iter().copied().chain([waveform.size(-1)?]).collect();
    waveform.reshape(shape)
}

/// |z|² without the root that |z| takes, which has no gradient at 0.
#[track_caller]
fn power(z: &Tensor) -> Result<Tensor> {
    let parts = z.view_as_real()?;
    let (re, im) = (parts.select(-1, 0)?, parts.select(-1, 1)?);
    re.mul(&re)?.addcmul(&im, &im, 1.0)
}

/// The mean frequency in Hertz of each frame of signals `[..., frames]`, weighted by amplitude: `[..., windows]`. Of
/// `options` the exponent and the normalisation do not matter. Follows `torchaudio.functional.spectral_centroid`; NaN of
/// silence.
///
/// # Errors
/// As for [`spectrogram`].
#[track_caller]
pub fn spectral_centroid(
    waveform: &Tensor,
    sample_rate: u32,
    window: &Tensor,
    options: &SpectrogramOptions,
) -> Result<Tensor> {
    let options = SpectrogramOptions { power: Some(1.0), normalized: Normalized::No, onesided: true, ..*options };
    let amplitudes = spectrogram(waveform, window, &options)?;
    let bins = 1 + options.n_fft / 2;
    let hertz = Tensor::linspace(0.0, f64::from(sample_rate / 2), bins).device(amplitudes.device()).build()?;
    amplitudes.mul(&hertz.unsqueeze(-1)?)?.sum(-2)?.div(&amplitudes.sum(-2)?)
}
