//! Features as Kaldi computes them, as `torchaudio.compliance.kaldi`. Each function takes signals `[..., frames]`, one or
//! a batch of them; of torchaudio's `[channels, frames]` and `channel` give it the row. Samples are not scaled: Kaldi's
//! are whole numbers of 16 bits, so multiply by 2¹⁵ for its values.

use crate::functional::create_dct;
use flambeau_tensor::{DType, Result, Tensor, cat, ensure, options};
use std::f64::consts::PI;

/// The window over a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum WindowType {
    /// a raised cosine with ends at 0.08
    Hamming,
    /// a raised cosine
    Hanning,
    /// a raised cosine to the power of 0.85
    #[default]
    Povey,
    /// none
    Rectangular,
    /// Blackman's, of this coefficient; 0.42 is usual
    Blackman(f64),
}

options! {
    /// How a signal is cut into frames; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct FrameOptions {
        /// How much noise is added, 0. It is drawn from the default generator.
        dither: f64 = 0.0,
        /// The least energy where it is a feature, 1; 0 for none.
        energy_floor: f64 = 1.0,
        /// Milliseconds of a frame, 25.
        frame_length: f64 = 25.0,
        /// Milliseconds from one frame to the next, 10.
        frame_shift: f64 = 10.0,
        /// Signals of fewer seconds than this have no features, 0.
        min_duration: f64 = 0.0,
        /// How much of the sample before is taken off each, 0.97.
        preemphasis_coefficient: f64 = 0.97,
        /// Take the energy before preemphasis and window? Yes.
        raw_energy: bool = true,
        /// Take the mean off each frame? Yes.
        remove_dc_offset: bool = true,
        /// Fill frames with zeros to a power of two? Yes.
        round_to_power_of_two: bool = true,
        /// The sample rate in Hertz, 16000.
        sample_frequency: f64 = 16000.0,
        /// Only frames that lie in the signal (or one for each shift, the ends mirrored)? Yes.
        snip_edges: bool = true,
        /// Take each feature's mean over time off? No.
        subtract_mean: bool = false,
        /// The window, Povey's.
        window_type: WindowType = WindowType::Povey,
    }

    /// Options of [`fbank`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct FbankOptions {
        /// How the signal is cut into frames.
        frame: FrameOptions = FrameOptions::new(),
        /// The highest frequency in Hertz, counted from half the sample rate where not above 0: 0.
        high_freq: f64 = 0.0,
        /// The energy last (or first)? No.
        htk_compat: bool = false,
        /// The lowest frequency in Hertz, 20.
        low_freq: f64 = 20.0,
        /// Bands, 23.
        num_mel_bins: usize = 23,
        /// The energy of the frame as a feature, too? No.
        use_energy: bool = false,
        /// The logarithm of each band? Yes.
        use_log_fbank: bool = true,
        /// Power (or magnitude)? Yes.
        use_power: bool = true,
        /// Where the warping of frequencies bends again, counted from half the sample rate where negative: −500.
        vtln_high: f64 = -500.0,
        /// Where it bends first, 100.
        vtln_low: f64 = 100.0,
        /// The factor that frequencies are warped by for the speaker's vocal tract, 1.
        vtln_warp: f64 = 1.0,
    }

    /// Options of [`mfcc`]; torchaudio's names and defaults. Of the bands' options, power, logarithm and mean are not its
    /// own.
    #[derive(Clone, Copy, Debug)]
    pub struct MfccOptions {
        /// The bands that the coefficients are made of.
        fbank: FbankOptions = FbankOptions::new(),
        /// How much the later coefficients are raised, 22; 0 for not.
        cepstral_lifter: f64 = 22.0,
        /// Coefficients, 13.
        num_ceps: usize = 13,
    }
}

/// A frequency in Hertz as mels.
pub fn mel_scale_scalar(freq: f64) -> f64 {
    1127.0 * (1.0 + freq / 700.0).ln()
}

/// Mels as a frequency in Hertz.
pub fn inverse_mel_scale_scalar(mel_freq: f64) -> f64 {
    700.0 * ((mel_freq / 1127.0).exp() - 1.0)
}

/// Frequencies in Hertz as mels.
///
/// # Errors
/// Where it is not of real numbers.
#[track_caller]
pub fn mel_scale(freq: &Tensor) -> Result<Tensor> {
    freq.div(700.0)?.add(1.0)?.log()?.mul(1127.0)
}

/// Mels as frequencies in Hertz.
///
/// # Errors
/// Where it is not of real numbers.
#[track_caller]
pub fn inverse_mel_scale(mel_freq: &Tensor) -> Result<Tensor> {
    mel_freq.div(1127.0)?.exp()?.sub(1.0)?.mul(700.0)
}

/// Frequencies between `band.0` and `band.1` warped for a vocal tract of another length: divided by
/// `vtln_warp_factor` between the `cutoffs`, and bent to stay in the band beyond.
///
/// # Errors
/// Where the cutoffs do not lie in the band, the lower one first.
#[track_caller]
pub fn vtln_warp_freq(cutoffs: (f64, f64), band: (f64, f64), vtln_warp_factor: f64, freq: &Tensor) -> Result<Tensor> {
    let ((low_cut, high_cut), (low, high)) = (cutoffs, band);
    let (l, h) = (low_cut * vtln_warp_factor.max(1.0), high_cut * vtln_warp_factor.min(1.0));
    ensure!(
        vtln_warp_factor > 0.0 && low_cut > low && high_cut < high && l > low && h < high,
        Argument,
        "vtln_warp_freq",
        "cutoffs {low_cut} and {high_cut} must lie between {low} and {high}, with a warp above 0; it is {vtln_warp_factor}"
    );
    let scale = 1.0 / vtln_warp_factor;
    let (left, right) = ((scale * l - low) / (l - low), (high - scale * h) / (high - h));
    let above = freq.sub(high)?.mul(right)?.add(high)?;
    let below = freq.sub(low)?.mul(left)?.add(low)?;
    let warped = freq.mul(scale)?.where_cond(&freq.lt(h)?, &above)?;
    let warped = below.where_cond(&freq.lt(l)?, &warped)?;
    freq.where_cond(&freq.lt(low)?.logical_or(&freq.gt(high)?)?, &warped)
}

/// As [`vtln_warp_freq`], of and to mels.
///
/// # Errors
/// As there.
#[track_caller]
pub fn vtln_warp_mel_freq(
    cutoffs: (f64, f64),
    band: (f64, f64),
    vtln_warp_factor: f64,
    mel_freq: &Tensor,
) -> Result<Tensor> {
    mel_scale(&vtln_warp_freq(cutoffs, band, vtln_warp_factor, &inverse_mel_scale(mel_freq)?)?)
}

/// The weights `[num_mel_bins, window_length_padded / 2]` that gather frequencies into triangles on the mel scale, and
/// the triangles' centres in Hertz, `[num_mel_bins, 1]`. Of `options` those of bands and warping count.
///
/// # Errors
/// Where there are fewer than four bins, the window's length is odd, or frequencies are out of order.
#[track_caller]
pub fn get_mel_banks(
    window_length_padded: usize,
    sample_frequency: f64,
    options: &FbankOptions,
) -> Result<(Tensor, Tensor)> {
    let name = "get_mel_banks";
    let FbankOptions { num_mel_bins, low_freq, vtln_low, vtln_warp, .. } = *options;
    let nyquist = 0.5 * sample_frequency;
    let from_above = |f: f64, least: f64| if f <= least { f + nyquist } else { f };
    let high_freq = from_above(options.high_freq, 0.0);
    let vtln_high = if options.vtln_high < 0.0 { options.vtln_high + nyquist } else { options.vtln_high };
    ensure!(
        num_mel_bins > 3 && window_length_padded > 0 && window_length_padded.is_multiple_of(2),
        Argument,
        name,
        "{num_mel_bins} bins of a window of {window_length_padded}: there must be 4 at least, and it be even"
    );
    ensure!(
        low_freq >= 0.0 && low_freq < high_freq && high_freq <= nyquist,
        Argument,
        name,
        "low_freq {low_freq} and high_freq {high_freq} must be in this order from 0 to {nyquist}, half the sample rate"
    );
    ensure!(
        vtln_warp == 1.0 || (low_freq < vtln_low && vtln_low < vtln_high && vtln_high < high_freq),
        Argument,
        name,
        "vtln_low {vtln_low} and vtln_high {vtln_high} must be in this order between {low_freq} and {high_freq}"
    );
    let (low, high) = (mel_scale_scalar(low_freq), mel_scale_scalar(high_freq));
    let delta = (high - low) / (num_mel_bins as f64 + 1.0);
    let corner = |nth: f64| {
        let bin = Tensor::arange(0.0, num_mel_bins as f64).dtype(DType::F32).build()?.unsqueeze(1)?;
        let mel = bin.add(nth)?.mul(delta)?.add(low)?;
        if vtln_warp == 1.0 {
            return Ok(mel);
        }
        vtln_warp_mel_freq((vtln_low, vtln_high), (low_freq, high_freq), vtln_warp, &mel)
    };
    let (left, center, right) = (corner(0.0)?, corner(1.0)?, corner(2.0)?);
    let bins = Tensor::arange(0.0, (window_length_padded / 2) as f64).dtype(DType::F32).build()?;
    // Triangles are narrow beside their place on the scale, so the last bit of the logarithm shows.
    let hertz = bins.mul(sample_frequency / window_length_padded as f64)?.div(700.0)?.add(1.0)?;
    let mel = hertz.to_dtype(DType::F64)?.log()?.to_dtype(DType::F32)?.mul(1127.0)?.unsqueeze(0)?;
    let up = mel.sub(&left)?.div(&center.sub(&left)?)?;
    let down = right.sub(&mel)?.div(&right.sub(&center)?)?;
    let banks = if vtln_warp == 1.0 {
        up.minimum(&down)?.clamp_min(0.0)?
    } else {
        let rising = mel.gt(&left)?.logical_and(&mel.le(&center)?)?;
        let falling = mel.gt(&center)?.logical_and(&mel.lt(&right)?)?;
        up.where_cond(&rising, &down.where_cond(&falling, 0.0)?)?
    };
    Ok((banks, inverse_mel_scale(&center)?))
}

/// What a signal is cut into.
struct Frames {
    /// Windowed and filled up, `[..., count, padded]`.
    windowed: Tensor,
    /// The logarithm of each one's energy, `[..., count]`.
    log_energy: Tensor,
}

/// No features, of a signal that is too short.
#[track_caller]
fn nothing(x: &Tensor) -> Result<Tensor> {
    Tensor::zeros([0]).dtype(x.dtype()).device(x.device()).build()
}

impl FrameOptions {
    #[track_caller]
    fn sizes(&self, name: &'static str, x: &Tensor) -> Result<(usize, usize, usize)> {
        ensure!(
            x.rank() > 0 && x.dtype().is_float(),
            Shape,
            name,
            "a signal is floating point [..., frames], this is {} of {:?}",
            x.dtype(),
            x.shape()
        );
        let samples = |milliseconds: f64| (self.sample_frequency * milliseconds * 0.001) as usize;
        let (shift, window, length) = (samples(self.frame_shift), samples(self.frame_length), x.size(-1)?);
        ensure!(
            (2..=length).contains(&window) && shift > 0,
            Argument,
            name,
            "a frame of {window} samples, one each {shift}, in a signal of {length}: frames are 2 samples to the whole, a shift 1 at least"
        );
        let padded = if self.round_to_power_of_two { window.next_power_of_two() } else { window };
        ensure!(
            padded.is_multiple_of(2),
            Argument,
            name,
            "a frame of {window} samples is odd; use round_to_power_of_two or another frame_length"
        );
        ensure!(
            (0.0..=1.0).contains(&self.preemphasis_coefficient),
            Argument,
            name,
            "preemphasis_coefficient {} must be from 0 to 1",
            self.preemphasis_coefficient
        );
        Ok((shift, window, padded))
    }

    fn too_short(&self, x: &Tensor) -> bool {
        x.shape().last().is_none_or(|n| (*n as f64) < self.min_duration * self.sample_frequency)
    }

    #[track_caller]
    fn window(&self, n: usize, like: &Tensor) -> Result<Tensor> {
        let dtype = like.dtype();
        let window = match self.window_type {
            WindowType::Hanning => Tensor::hann_window(n, false, dtype)?,
            WindowType::Hamming => Tensor::hamming_window(n, false, dtype)?,
            WindowType::Povey => Tensor::hann_window(n, false, dtype)?.pow(0.85)?,
            WindowType::Rectangular => Tensor::ones([n]).dtype(dtype).build()?,
            WindowType::Blackman(coefficient) => {
                let (turn, at) = (2.0 * PI / (n - 1) as f64, Tensor::arange(0.0, n as f64).dtype(dtype).build()?);
                let twice = at.mul(2.0 * turn)?.cos()?.mul(0.5 - coefficient)?;
                at.mul(turn)?.cos()?.mul(-0.5)?.add(coefficient)?.add(&twice)?
            }
        };
        window.to_device(like.device())
    }

    #[track_caller]
    fn log_energy(&self, frames: &Tensor) -> Result<Tensor> {
        let energy = log(&frames.square()?.sum(-1)?)?;
        if self.energy_floor == 0.0 { Ok(energy) } else { energy.clamp_min(self.energy_floor.ln()) }
    }

    #[track_caller]
    fn frames(&self, name: &'static str, x: &Tensor) -> Result<Frames> {
        let (shift, window, padded) = self.sizes(name, x)?;
        let length = x.size(-1)?;
        let mut frames = if self.snip_edges {
            x.unfold(-1, window, shift)?
        } else {
            // What is beyond the ends is the mirror image.
            let (mirrored, count) = (x.flip(-1)?, (length + shift / 2) / shift);
            let (half, half_shift) = (window / 2, shift / 2);
            let whole = if half > half_shift {
                let pad = half - half_shift;
                cat(&[&mirrored.narrow(-1, (length - pad) as isize, pad)?, x, &mirrored], -1)?
            } else {
                let skip = half_shift - half;
                ensure!(skip <= length, Argument, name, "a shift of {shift} samples in a signal of {length}");
                cat(&[&x.narrow(-1, skip as isize, length - skip)?, &mirrored], -1)?
            };
            whole.unfold(-1, window, shift)?.narrow(-2, 0, count)?
        };
        if self.dither != 0.0 {
            let noise = Tensor::randn(frames.shape()).dtype(x.dtype()).device(x.device()).build()?;
            frames = frames.add(&noise.mul(self.dither)?)?;
        }
        if self.remove_dc_offset {
            frames = frames.sub(&frames.mean_keepdim(-1)?)?;
        }
        let raw = if self.raw_energy { Some(self.log_energy(&frames)?) } else { None };
        if self.preemphasis_coefficient != 0.0 {
            let before = cat(&[&frames.narrow(-1, 0, 1)?, &frames.narrow(-1, 0, window - 1)?], -1)?;
            frames = frames.sub(&before.mul(self.preemphasis_coefficient)?)?;
        }
        let windowed = frames.mul(&self.window(window, x)?)?.pad(&[0, (padded - window) as isize], 0.0)?;
        let log_energy = match raw {
            Some(energy) => energy,
            None => self.log_energy(&windowed)?,
        };
        Ok(Frames { windowed, log_energy })
    }

    /// Features `[..., count, features]` less their mean over time, where asked for.
    #[track_caller]
    fn centred(&self, features: Tensor) -> Result<Tensor> {
        if self.subtract_mean { features.sub(&features.mean_keepdim(-2)?) } else { Ok(features) }
    }
}

/// The logarithm of what is not below the smallest step of `f32` at 1.
#[track_caller]
fn log(x: &Tensor) -> Result<Tensor> {
    x.clamp_min(f64::from(f32::EPSILON))?.log()
}

/// The logarithm of power at each frequency, `[..., count, padded / 2 + 1]`, the first of which is the frame's energy.
/// Follows `torchaudio.compliance.kaldi.spectrogram`.
///
/// # Errors
/// Where a frame is longer than the signal, or an option is out of range.
#[track_caller]
pub fn spectrogram(waveform: &Tensor, options: FrameOptions) -> Result<Tensor> {
    let frames = options.frames("spectrogram", waveform)?;
    if options.too_short(waveform) {
        return nothing(waveform);
    }
    let power = log(&frames.windowed.rfft(None, -1)?.abs()?.square()?)?;
    let rest = power.narrow(-1, 1, power.size(-1)? - 1)?;
    options.centred(cat(&[&frames.log_energy.unsqueeze(-1)?, &rest], -1)?)
}

/// The energies of bands on the mel scale, `[..., count, bands]`, with the frame's energy where asked for. Follows
/// `torchaudio.compliance.kaldi.fbank`.
///
/// ```
/// use flambeau_audio::compliance::kaldi::{FbankOptions, fbank};
/// use flambeau_tensor::Tensor;
///
/// let batch = Tensor::randn([4, 16_000]).build()?; // four signals of a second
/// assert_eq!(fbank(&batch, FbankOptions::new().num_mel_bins(80))?.shape(), [4, 98, 80]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where a frame is longer than the signal, or an option is out of range.
#[track_caller]
pub fn fbank(waveform: &Tensor, options: FbankOptions) -> Result<Tensor> {
    let frame = options.frame;
    let (_, _, padded) = frame.sizes("fbank", waveform)?;
    if frame.too_short(waveform) {
        return nothing(waveform);
    }
    let frames = frame.frames("fbank", waveform)?;
    let spectrum = frames.windowed.rfft(None, -1)?.abs()?;
    let spectrum = if options.use_power { spectrum.square()? } else { spectrum };
    let (banks, _) = get_mel_banks(padded, frame.sample_frequency, &options)?;
    let banks = banks.to_dtype(waveform.dtype())?.to_device(waveform.device())?.t()?;
    // The highest frequency is in no band.
    let mut features = spectrum.narrow(-1, 0, padded / 2)?.matmul(&banks)?;
    if options.use_log_fbank {
        features = log(&features)?;
    }
    if options.use_energy {
        let energy = frames.log_energy.unsqueeze(-1)?;
        features = if options.htk_compat { cat(&[&features, &energy], -1)? } else { cat(&[&energy, &features], -1)? };
    }
    frame.centred(features)
}

/// Mel-frequency cepstral coefficients, `[..., count, num_ceps]`. Follows `torchaudio.compliance.kaldi.mfcc`.
///
/// # Errors
/// Where there are more coefficients than bands, and as for [`fbank`].
#[track_caller]
pub fn mfcc(waveform: &Tensor, options: MfccOptions) -> Result<Tensor> {
    let MfccOptions { fbank: bands, cepstral_lifter, num_ceps } = options;
    let n = bands.num_mel_bins;
    ensure!(
        (1..=n).contains(&num_ceps),
        Argument,
        "mfcc",
        "{num_ceps} coefficients of {n} bands: there must be 1 to {n}"
    );
    if bands.frame.too_short(waveform) {
        return nothing(waveform);
    }
    let frame = bands.frame.subtract_mean(false);
    let features = fbank(waveform, bands.frame(frame).use_log_fbank(true).use_power(true))?;
    let (energy, features) = match (bands.use_energy, bands.htk_compat) {
        (false, _) => (None, features),
        (true, true) => (Some(features.narrow(-1, n as isize, 1)?), features.narrow(-1, 0, n)?),
        (true, false) => (Some(features.narrow(-1, 0, 1)?), features.narrow(-1, 1, n)?),
    };
    let there = |t: Tensor| t.to_dtype(waveform.dtype())?.to_device(waveform.device());
    let cosines = create_dct(n, n, true)?;
    let flat = Tensor::full([n, 1], (1.0 / n as f64).sqrt()).dtype(cosines.dtype()).build()?;
    let cosines = cat(&[&flat, &cosines.narrow(1, 1, n - 1)?], 1)?.narrow(1, 0, num_ceps)?;
    let mut features = features.matmul(&there(cosines)?)?;
    if cepstral_lifter != 0.0 {
        let raise = |i: usize| 1.0 + 0.5 * cepstral_lifter * (PI * i as f64 / cepstral_lifter).sin();
        features =
            features.mul(&there(Tensor::from_vec((0..num_ceps).map(raise).collect::<Vec<f64>>(), num_ceps)?)?)?;
    }
    let first = match energy {
        Some(energy) => energy,
        None if bands.htk_compat => features.narrow(-1, 0, 1)?.mul(2f64.sqrt())?,
        None => return bands.frame.centred(features),
    };
    let rest = features.narrow(-1, 1, num_ceps - 1)?;
    bands.frame.centred(if bands.htk_compat { cat(&[&rest, &first], -1)? } else { cat(&[&first, &rest], -1)? })
}
