//! Filters of second order by what they do: R. Bristow-Johnson's *Cookbook formulae for audio EQ biquad filter
//! coefficients* as SoX has them. Coefficients are computed in the waveform's dtype, as torchaudio does.

use super::lfilter::biquad;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};
use std::f64::consts::PI;

/// torchaudio's quality factor where none is given, near that of Butterworth's filter.
pub const DEFAULT_Q: f64 = 0.707;

/// A number that is rounded to the waveform's dtype after each step.
#[derive(Clone, Copy)]
struct Real {
    value: f64,
    single: bool,
}

impl Real {
    fn new(value: f64, single: bool) -> Self {
        Real { value: if single { f64::from(value as f32) } else { value }, single }
    }
    fn map(self, f: impl Fn(f64) -> f64, g: impl Fn(f32) -> f32) -> Self {
        let value = if self.single { f64::from(g(self.value as f32)) } else { f(self.value) };
        Real { value, ..self }
    }
    fn sin(self) -> Self {
        self.map(f64::sin, f32::sin)
    }
    fn cos(self) -> Self {
        self.map(f64::cos, f32::cos)
    }
    fn exp(self) -> Self {
        self.map(f64::exp, f32::exp)
    }
    fn sqrt(self) -> Self {
        self.map(f64::sqrt, f32::sqrt)
    }
}

macro_rules! arithmetic {
    ($($Op:ident $method:ident $symbol:tt;)*) => {$(
        impl std::ops::$Op for Real {
            type Output = Real;
            fn $method(self, other: Real) -> Real {
                Real::new(self.value $symbol other.value, self.single)
            }
        }
        impl std::ops::$Op<f64> for Real {
            type Output = Real;
            fn $method(self, other: f64) -> Real {
                self $symbol Real::new(other, self.single)
            }
        }
        impl std::ops::$Op<Real> for f64 {
            type Output = Real;
            fn $method(self, other: Real) -> Real {
                Real::new(self, other.single) $symbol other
            }
        }
    )*};
}
arithmetic! { Add add +; Sub sub -; Mul mul *; Div div /; }

/// What all designs start from: the angle of a frequency, and the bandwidth that Q gives there.
struct Design<'a> {
    waveform: &'a Tensor,
    sample_rate: f64,
    single: bool,
    frequency: Real,
    q: Real,
    w0: Real,
    alpha: Real,
}

impl<'a> Design<'a> {
    #[track_caller]
    fn new(name: &'static str, waveform: &'a Tensor, sample_rate: u32, frequency: f64, q: f64) -> Result<Self> {
        let half = f64::from(sample_rate) / 2.0;
        ensure!(
            frequency > 0.0 && frequency <= half,
            Argument,
            name,
            "a frequency of {frequency} Hz must be above 0 and at most {half}, half the sample rate"
        );
        ensure!(q > 0.0 && q.is_finite(), Argument, name, "Q {q} must be above 0");
        let single = waveform.dtype() != DType::F64;
        let (frequency, q, sample_rate) = (Real::new(frequency, single), Real::new(q, single), f64::from(sample_rate));
        let w0 = 2.0 * PI * frequency / sample_rate;
        Ok(Design { waveform, sample_rate, single, frequency, q, w0, alpha: w0.sin() / 2.0 / q })
    }

    fn number(&self, value: f64) -> Real {
        Real::new(value, self.single)
    }

    #[track_caller]
    fn apply(&self, b: [Real; 3], a: [Real; 3]) -> Result<Tensor> {
        biquad(self.waveform, b.map(|r| r.value), a.map(|r| r.value))
    }
}

/// Turns the phase of frequencies around `central_freq`, and lets all through: signals `[..., frames]`, clamped to
/// −1..1 as by all of these filters. Follows `torchaudio.functional.allpass_biquad`.
///
/// # Errors
/// Where the frequency is not in the band up to half the sample rate, or Q not above 0.
#[track_caller]
pub fn allpass_biquad(waveform: &Tensor, sample_rate: u32, central_freq: f64, q: f64) -> Result<Tensor> {
    let d = Design::new("allpass_biquad", waveform, sample_rate, central_freq, q)?;
    let b1 = -2.0 * d.w0.cos();
    d.apply([1.0 - d.alpha, b1, 1.0 + d.alpha], [1.0 + d.alpha, b1, 1.0 - d.alpha])
}

/// Lets frequencies around `central_freq` through, falling off to both sides; `noise` says that the signal is more
/// noise than tones. Follows `torchaudio.functional.band_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn band_biquad(waveform: &Tensor, sample_rate: u32, central_freq: f64, q: f64, noise: bool) -> Result<Tensor> {
    let d = Design::new("band_biquad", waveform, sample_rate, central_freq, q)?;
    let bandwidth = d.frequency / d.q;
    let a2 = (-2.0 * PI * bandwidth / d.sample_rate).exp();
    let a1 = -4.0 * a2 / (1.0 + a2) * d.w0.cos();
    let mut b0 = (1.0 - a1 * a1 / (4.0 * a2)).sqrt() * (1.0 - a2);
    if noise {
        b0 = (((1.0 + a2) * (1.0 + a2) - a1 * a1) * (1.0 - a2) / (1.0 + a2)).sqrt() / b0 * b0;
    }
    d.apply([b0, d.number(0.0), d.number(0.0)], [d.number(1.0), a1, a2])
}

/// Lets a band around `central_freq` through; with a gain of Q at its top if `const_skirt_gain`, else of 1. Follows
/// `torchaudio.functional.bandpass_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn bandpass_biquad(
    waveform: &Tensor,
    sample_rate: u32,
    central_freq: f64,
    q: f64,
    const_skirt_gain: bool,
) -> Result<Tensor> {
    let d = Design::new("bandpass_biquad", waveform, sample_rate, central_freq, q)?;
    let top = if const_skirt_gain { d.w0.sin() / 2.0 } else { d.alpha };
    d.apply([top, d.number(0.0), -1.0 * top], [1.0 + d.alpha, -2.0 * d.w0.cos(), 1.0 - d.alpha])
}

/// Takes a band around `central_freq` out. Follows `torchaudio.functional.bandreject_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn bandreject_biquad(waveform: &Tensor, sample_rate: u32, central_freq: f64, q: f64) -> Result<Tensor> {
    let d = Design::new("bandreject_biquad", waveform, sample_rate, central_freq, q)?;
    let (one, b1) = (d.number(1.0), -2.0 * d.w0.cos());
    d.apply([one, b1, one], [1.0 + d.alpha, b1, 1.0 - d.alpha])
}

/// The shelf of bass (`side` −1) and treble (1): `gain` decibels on that side of the frequency.
#[track_caller]
fn shelf(d: &Design<'_>, gain: f64, side: f64) -> Result<Tensor> {
    let a = (d.number(gain) / 40.0 * 10f64.ln()).exp();
    let width = 2.0 * a.sqrt() * d.alpha;
    let (less, more) = (side * ((a - 1.0) * d.w0.cos()), side * ((a + 1.0) * d.w0.cos()));
    let b = [a * (a + 1.0 + less + width), -2.0 * side * a * (a - 1.0 + more), a * (a + 1.0 + less - width)];
    let den = [a + 1.0 - less + width, 2.0 * side * (a - 1.0 - more), a + 1.0 - less - width];
    match side < 0.0 {
        // torchaudio divides those of bass in their own dtype first.
        true => d.apply(b.map(|r| r / den[0]), den.map(|r| r / den[0])),
        false => d.apply(b, den),
    }
}

/// Raises the frequencies below `central_freq` (100 is usual) by `gain` decibels. Follows
/// `torchaudio.functional.bass_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn bass_biquad(waveform: &Tensor, sample_rate: u32, gain: f64, central_freq: f64, q: f64) -> Result<Tensor> {
    shelf(&Design::new("bass_biquad", waveform, sample_rate, central_freq, q)?, gain, -1.0)
}

/// Raises the frequencies above `central_freq` (3000 is usual) by `gain` decibels. Follows
/// `torchaudio.functional.treble_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn treble_biquad(waveform: &Tensor, sample_rate: u32, gain: f64, central_freq: f64, q: f64) -> Result<Tensor> {
    shelf(&Design::new("treble_biquad", waveform, sample_rate, central_freq, q)?, gain, 1.0)
}

/// Raises a band around `center_freq` by `gain` decibels. Follows `torchaudio.functional.equalizer_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn equalizer_biquad(waveform: &Tensor, sample_rate: u32, center_freq: f64, gain: f64, q: f64) -> Result<Tensor> {
    let d = Design::new("equalizer_biquad", waveform, sample_rate, center_freq, q)?;
    let a = (d.number(gain) / 40.0 * 10f64.ln()).exp();
    let b1 = -2.0 * d.w0.cos();
    d.apply([1.0 + d.alpha * a, b1, 1.0 - d.alpha * a], [1.0 + d.alpha / a, b1, 1.0 - d.alpha / a])
}

/// Takes what is below `cutoff_freq` out. Follows `torchaudio.functional.highpass_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn highpass_biquad(waveform: &Tensor, sample_rate: u32, cutoff_freq: f64, q: f64) -> Result<Tensor> {
    let d = Design::new("highpass_biquad", waveform, sample_rate, cutoff_freq, q)?;
    let b0 = (1.0 + d.w0.cos()) / 2.0;
    d.apply([b0, -1.0 - d.w0.cos(), b0], [1.0 + d.alpha, -2.0 * d.w0.cos(), 1.0 - d.alpha])
}

/// Takes what is above `cutoff_freq` out. Follows `torchaudio.functional.lowpass_biquad`.
///
/// # Errors
/// As for [`allpass_biquad`].
#[track_caller]
pub fn lowpass_biquad(waveform: &Tensor, sample_rate: u32, cutoff_freq: f64, q: f64) -> Result<Tensor> {
    let d = Design::new("lowpass_biquad", waveform, sample_rate, cutoff_freq, q)?;
    let b0 = (1.0 - d.w0.cos()) / 2.0;
    d.apply([b0, 1.0 - d.w0.cos(), b0], [1.0 + d.alpha, -2.0 * d.w0.cos(), 1.0 - d.alpha])
}

/// The playback curve of compact discs with pre-emphasis (IEC 908). Follows `torchaudio.functional.deemph_biquad`.
///
/// # Errors
/// Where the rate is neither 44100 nor 48000.
#[track_caller]
pub fn deemph_biquad(waveform: &Tensor, sample_rate: u32) -> Result<Tensor> {
    let (central_freq, slope, gain): (f64, f64, f64) = match sample_rate {
        44_100 => (5283.0, 0.4845, -9.477),
        48_000 => (5356.0, 0.479, -9.62),
        other => bail!(Argument, "deemph_biquad", "the sample rate must be 44100 or 48000, it is {other}"),
    };
    let w0 = 2.0 * PI * central_freq / f64::from(sample_rate);
    let a = (gain / 40.0 * 10f64.ln()).exp();
    let alpha = w0.sin() / 2.0 * ((a + 1.0 / a) * (1.0 / slope - 1.0) + 2.0).sqrt();
    let (width, less, more) = (2.0 * a.sqrt() * alpha, (a - 1.0) * w0.cos(), (a + 1.0) * w0.cos());
    biquad(
        waveform,
        [a * (a + 1.0 + less + width), -2.0 * a * (a - 1.0 + more), a * (a + 1.0 + less - width)],
        [a + 1.0 - less + width, 2.0 * (a - 1.0 - more), a + 1.0 - less - width],
    )
}

/// The playback curve of vinyl records, with a gain of 1 at 1 kHz. Follows `torchaudio.functional.riaa_biquad`.
///
/// # Errors
/// Where the rate is not 44100, 48000, 88200 or 96000.
#[track_caller]
pub fn riaa_biquad(waveform: &Tensor, sample_rate: u32) -> Result<Tensor> {
    let (zeros, poles): ([f64; 2], [f64; 2]) = match sample_rate {
        44_100 => ([-0.2014898, 0.923382], [0.7083149, 0.9924091]),
        48_000 => ([-0.1766069, 0.932159], [0.7396325, 0.993133]),
        88_200 => ([-0.1168735, 0.9648312], [0.8590646, 0.9964002]),
        96_000 => ([-0.1141486, 0.9676817], [0.8699137, 0.9966946]),
        other => bail!(Argument, "riaa_biquad", "the sample rate must be 44100, 48000, 88200 or 96000, it is {other}"),
    };
    let polynomial = |roots: [f64; 2]| [1.0, -(roots[0] + roots[1]), roots[0] * roots[1]];
    let (b, a) = (polynomial(zeros), polynomial(poles));
    let y = 2.0 * PI * 1000.0 / f64::from(sample_rate);
    let power = |c: [f64; 3]| {
        let re = c[0] + c[1] * y.cos() + c[2] * (2.0 * y).cos();
        let im = c[1] * y.sin() + c[2] * (2.0 * y).sin();
        re * re + im * im
    };
    let gain = (power(a) / power(b)).sqrt();
    biquad(waveform, b.map(|b| b * gain), a)
}
