//! What is done to waveforms, as modules: volume, fades, emphasis, speed, noise, where speech begins.

use super::calls::calls;
use super::resample::Resample;
use crate::functional::{self, ConvolveMode, VadOptions};
use flambeau_nn::{Call, Forward, Module};
use flambeau_tensor::{Result, Tensor, builder, cat, ensure};
use std::f64::consts::PI;

calls! {
    /// The loudness in LKFS of waveforms `[..., channels, frames]`: [`functional::loudness`].
    Loudness { sample_rate: u32 }, |this, x| functional::loudness(x, this.sample_rate);
    /// Signals of −1..1 as whole numbers: [`functional::mu_law_encoding`]; 256 channels are usual.
    MuLawEncoding { quantization_channels: usize }, |this, x| functional::mu_law_encoding(x, this.quantization_channels);
    /// The inverse of [`MuLawEncoding`]: [`functional::mu_law_decoding`].
    MuLawDecoding { quantization_channels: usize }, |this, x| functional::mu_law_decoding(x, this.quantization_channels);
    /// Raises high frequencies of signals `[..., frames]`: [`functional::preemphasis`]; 0.97 is usual.
    Preemphasis { coeff: f64 }, |this, x| functional::preemphasis(x, this.coeff);
    /// The inverse of [`Preemphasis`]: [`functional::deemphasis`].
    Deemphasis { coeff: f64 }, |this, x| functional::deemphasis(x, this.coeff);
    /// Waveforms from where speech begins: [`functional::vad`].
    Vad { sample_rate: u32, options: VadOptions }, |this, x| functional::vad(x, this.sample_rate, this.options);
}

/// What the gain of [`Vol`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GainType {
    /// a factor of the amplitude
    #[default]
    Amplitude,
    /// a factor of the power
    Power,
    /// decibels
    Db,
}

/// Makes waveforms louder or softer, clamped to −1..1; as `torchaudio.transforms.Vol`.
#[derive(Module)]
pub struct Vol {
    factor: f64,
}

builder! {
    /// Options of [`Vol`].
    pub struct VolBuilder => Vol;
    new {
        /// By how much, as `gain_type` says.
        gain: f64,
    }
    options {
        /// What the gain is, a factor of the amplitude unless set.
        gain_type: GainType = GainType::Amplitude,
    }
}

impl Vol {
    #[track_caller]
    fn from_builder(b: VolBuilder) -> Result<Self> {
        ensure!(
            b.gain_type == GainType::Db || b.gain >= 0.0,
            Argument,
            "Vol",
            "a gain of amplitude or power must not be negative, it is {}",
            b.gain
        );
        Ok(Vol {
            factor: match b.gain_type {
                GainType::Amplitude => b.gain,
                GainType::Power => b.gain.sqrt(),
                GainType::Db => 10f64.powf(b.gain / 20.0),
            },
        })
    }
}

impl Forward<&Tensor> for Vol {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mul(self.factor)?.clamp(-1.0, 1.0)
    }
}

/// The curve of a fade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FadeShape {
    #[default]
    Linear,
    Exponential,
    Logarithmic,
    QuarterSine,
    HalfSine,
}

/// Fades waveforms `[..., frames]` in and out; as `torchaudio.transforms.Fade`.
#[derive(Module)]
pub struct Fade {
    fade_in_len: usize,
    fade_out_len: usize,
    fade_shape: FadeShape,
}

builder! {
    /// Options of [`Fade`].
    pub struct FadeBuilder => Fade;
    new {}
    options {
        /// Frames of the fade at the start, 0 unless set.
        fade_in_len: usize = 0,
        /// Frames of the fade at the end, 0 unless set.
        fade_out_len: usize = 0,
        /// The curve, a line unless set.
        fade_shape: FadeShape = FadeShape::Linear,
    }
}

impl Fade {
    fn from_builder(b: FadeBuilder) -> Result<Self> {
        Ok(Fade { fade_in_len: b.fade_in_len, fade_out_len: b.fade_out_len, fade_shape: b.fade_shape })
    }

    #[track_caller]
    fn rise(&self, t: &Tensor) -> Result<Tensor> {
        match self.fade_shape {
            FadeShape::Linear => Ok(t.clone()),
            FadeShape::Exponential => t.sub(1.0)?.exp2()?.mul(t),
            FadeShape::Logarithmic => t.add(0.1)?.log10()?.add(1.0),
            FadeShape::QuarterSine => t.mul(PI / 2.0)?.sin(),
            FadeShape::HalfSine => t.mul(PI)?.sub(PI / 2.0)?.sin()?.div(2.0)?.add(0.5),
        }
    }

    #[track_caller]
    fn fall(&self, t: &Tensor) -> Result<Tensor> {
        match self.fade_shape {
            FadeShape::Linear => t.rsub(1.0),
            FadeShape::Exponential => t.neg()?.exp2()?.mul(&t.rsub(1.0)?),
            FadeShape::Logarithmic => t.rsub(1.1)?.log10()?.add(1.0),
            FadeShape::QuarterSine => t.mul(PI / 2.0)?.add(PI / 2.0)?.sin(),
            FadeShape::HalfSine => t.mul(PI)?.add(PI / 2.0)?.sin()?.div(2.0)?.add(0.5),
        }
    }
}

impl Forward<&Tensor> for Fade {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let frames = x.size(-1)?;
        let longest = self.fade_in_len.max(self.fade_out_len);
        ensure!(longest <= frames, Shape, "Fade", "a fade of {longest} frames in a waveform of {frames}");
        let time = |n: usize| Tensor::linspace(0.0, 1.0, n).device(x.device()).build();
        let flat = |n: usize| Tensor::ones([frames - n]).device(x.device()).build();
        let up = cat(&[self.rise(&time(self.fade_in_len)?)?, flat(self.fade_in_len)?], 0)?.clamp(0.0, 1.0)?;
        let down = cat(&[flat(self.fade_out_len)?, self.fall(&time(self.fade_out_len)?)?], 0)?.clamp(0.0, 1.0)?;
        up.mul(&down)?.mul(x)
    }
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $Name:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            mode: ConvolveMode,
        }

        impl $Name {
            /// Keeping this part.
            pub fn new(mode: ConvolveMode) -> Self {
                $Name { mode }
            }

        }

        impl Forward<(&Tensor, &Tensor)> for $Name {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, (x, y): (&Tensor, &Tensor)) -> Result<Tensor> {
                functional::$function(x, y, self.mode)
            }
        }
    )*};
}

convolutions! {
    /// The convolution of two signals: [`functional::convolve`]; as `torchaudio.transforms.Convolve`.
    Convolve, convolve;
    /// The convolution of two signals by the Fourier transform: [`functional::fftconvolve`]; as
    /// `torchaudio.transforms.FFTConvolve`.
    FFTConvolve, fftconvolve;
}

/// Adds noise at a given ratio: [`functional::add_noise`]; as `torchaudio.transforms.AddNoise`.
#[derive(Module)]
pub struct AddNoise {}

impl AddNoise {
    /// As `torchaudio.transforms.AddNoise`.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        AddNoise {}
    }
}

/// Waveforms and noise `[..., frames]`, and a ratio `[...]`.
impl Forward<(&Tensor, &Tensor, &Tensor)> for AddNoise {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (waveform, noise, snr): (&Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        functional::add_noise(waveform, noise, snr, None)
    }
}

/// As with three, and how many frames of each count, `[...]`.
impl Forward<(&Tensor, &Tensor, &Tensor, &Tensor)> for AddNoise {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (waveform, noise, snr, lengths): (&Tensor, &Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        functional::add_noise(waveform, noise, snr, Some(lengths))
    }
}

/// Plays waveforms faster or slower; as `torchaudio.transforms.Speed`.
#[derive(Module)]
pub struct Speed {
    resampler: Resample,
    source: u32,
    target: u32,
}

impl Speed {
    /// By this factor, of signals of this rate.
    ///
    /// # Errors
    /// Where the factor leaves no rate.
    #[track_caller]
    pub fn new(orig_freq: u32, factor: f64) -> Result<Self> {
        let (source, target) = functional::speed_rates(orig_freq, factor)?;
        Ok(Speed { resampler: Resample::new(source, target).build()?, source, target })
    }
}

/// Signals `[..., frames]` and their lengths `[...]`, and both as they then are.
impl Forward<(&Tensor, Option<&Tensor>)> for Speed {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (waveform, lengths): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let lengths = lengths.map(|l| functional::scaled_lengths(l, self.source, self.target)).transpose()?;
        Ok((self.resampler.call(waveform)?, lengths))
    }
}

/// Plays waveforms at one of several speeds, drawn at each call; as `torchaudio.transforms.SpeedPerturbation`.
#[derive(Module)]
pub struct SpeedPerturbation {
    speeders: Vec<Speed>,
}

impl SpeedPerturbation {
    /// By one of these factors, of signals of this rate.
    ///
    /// # Errors
    /// Where there are none, or one leaves no rate.
    #[track_caller]
    pub fn new(orig_freq: u32, factors: &[f64]) -> Result<Self> {
        ensure!(!factors.is_empty(), Argument, "SpeedPerturbation", "there is no factor to choose from");
        let speeders = factors.iter().map(|factor| Speed::new(orig_freq, *factor)).collect::<Result<_>>()?;
        Ok(SpeedPerturbation { speeders })
    }
}

/// Signals `[..., frames]` and their lengths `[...]`, and both as they then are.
impl Forward<(&Tensor, Option<&Tensor>)> for SpeedPerturbation {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (waveform, lengths): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let drawn = Tensor::randint(0, self.speeders.len() as i64, []).build()?.item::<i64>()?;
        self.speeders[drawn as usize].call((waveform, lengths))
    }
}
