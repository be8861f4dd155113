//! What SoX did for torchaudio until its version 2.9: a chain of effects on waveforms, written in SoX's words.
//!
//! ```
//! use flambeau_audio::effects::EffectsChain;
//! use flambeau_tensor::Tensor;
//!
//! let chain = EffectsChain::of(["highpass 80", "trim 0.1 1", "fade t 0.05", "rate 8k", "norm -3"])?;
//! let (waveform, rate) = chain.apply(&Tensor::randn([2, 32_000]).build()?, 16_000)?;
//! assert_eq!((waveform.shape(), rate), (&[2, 8000][..], 8000));
//! assert!((waveform.abs()?.amax(..)?.item::<f32>()? - 0.708).abs() < 1e-3);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! | effect | what follows the name |
//! | --- | --- |
//! | `gain`, `norm`, `vol` | `[-n] dB`; `[dB]`, the level of the peak; `factor`, or `3dB` |
//! | `rate`, `speed` | the new rate; a factor, by which only the rate is multiplied: `rate` behind it makes samples of that |
//! | `tempo`, `pitch` | a factor of speed at the same pitch; hundredths of half a tone at the same speed |
//! | `trim`, `pad`, `repeat`, `reverse` | `start [length]`, `start [=end]`; `before [behind]`; `[times]`; nothing |
//! | `fade` | `[q, h, t, l or p] in [stop [out]]` |
//! | `silence` | `1 duration level% [1 or -1, duration, level%]` |
//! | `remix`, `channels` | for each output `-`, `0`, or inputs `1,2v0.5,3-4`; a number |
//! | `reverb` | `[-w] [reverberance [damping [room [stereo [delay ms [wet dB]]]]]]`, in percent |
//! | `echo` | `gain-in gain-out delay-ms decay …` |
//! | `chorus` | `gain-in gain-out delay-ms decay speed-Hz depth-ms -s or -t …` |
//! | `compand` | `attack,decay in-dB,out-dB,… [gain dB [first level dB]]` |
//! | `phaser`, `flanger`, `tremolo` | as in SoX |
//! | `contrast`, `dcshift`, `overdrive` | as in SoX |
//! | `highpass`, `lowpass`, `bandpass`, `bandreject`, `band`, `allpass` | `frequency [width]`, a width in Hz, or `2q`, `1o`, `1k` |
//! | `bass`, `treble`, `equalizer` | `dB [frequency [width]]`; `frequency width dB` |
//! | `biquad`, `deemph`, `riaa` | `b0 b1 b2 a0 a1 a2`; nothing |
//!
//! Times are seconds, `1:30`, or samples, `8000s`; frequencies Hertz, or `8k`. What is built of functions of torchaudio has
//! their gradients and clamps where they do. `reverb` and `compand` have no gradients: a waveform that needs one is an error.

mod dynamics;
mod parse;
mod space;
mod time;

use crate::functional as f;
use crate::io::{Source, load};
use flambeau_tensor::{Result, Tensor, ensure, grad_enabled};
use parse::{Effect, parsed};

/// Effects one after another. See the [module](self) for their names.
#[derive(Clone, Debug, Default)]
pub struct EffectsChain {
    effects: Vec<Effect>,
}

impl EffectsChain {
    /// Effects in SoX's words, one a string: `EffectsChain::of(["gain -n", "tempo 1.1"])`.
    ///
    /// # Errors
    /// Where there is no such effect, or what follows its name is not what it takes.
    #[track_caller]
    pub fn of(effects: impl IntoIterator<Item = impl AsRef<str>>) -> Result<EffectsChain> {
        let effects = effects.into_iter().map(|words| parsed(words.as_ref())).collect::<Result<_>>()?;
        Ok(EffectsChain { effects })
    }

    /// One more at the end.
    ///
    /// # Errors
    /// As [`of`](EffectsChain::of).
    #[track_caller]
    pub fn then(mut self, effect: impl AsRef<str>) -> Result<EffectsChain> {
        self.effects.push(parsed(effect.as_ref())?);
        Ok(self)
    }

    /// The waveform `[channels, frames]` and the rate behind all effects. Follows `torchaudio.sox_effects.apply_effects_tensor`.
    ///
    /// # Errors
    /// Where the waveform has another shape or is not floating point, or an effect does not fit it or its rate.
    #[track_caller]
    pub fn apply(&self, waveform: &Tensor, sample_rate: u32) -> Result<(Tensor, u32)> {
        ensure!(
            waveform.rank() == 2 && waveform.size(0)? > 0 && waveform.dtype().is_float() && sample_rate > 0,
            Shape,
            "EffectsChain",
            "a waveform is floating point of [channels, frames], at least one channel, at a rate above 0, this is {} of {:?} at {sample_rate} Hz",
            waveform.dtype(),
            waveform.shape()
        );
        let (mut x, mut rate) = (waveform.clone(), sample_rate);
        for effect in &self.effects {
            (x, rate) = applied(effect, &x, rate)?;
        }
        Ok((x, rate))
    }
}

/// The waveform and the rate of a file behind the effects. Follows `torchaudio.sox_effects.apply_effects_file`.
///
/// # Errors
/// As [`load`] and [`EffectsChain::apply`].
#[track_caller]
pub fn apply_effects_file(source: impl Into<Source>, chain: &EffectsChain) -> Result<(Tensor, u32)> {
    let (waveform, rate) = load(source)?;
    chain.apply(&waveform, rate)
}

/// What `effect` computes sample by sample is not recorded.
#[track_caller]
fn refuse_gradient(effect: &'static str, x: &Tensor) -> Result<()> {
    ensure!(
        !(x.requires_grad() && grad_enabled()),
        NotDifferentiable,
        effect,
        "this records no gradient; `detach` the waveform, or use `no_grad`"
    );
    Ok(())
}

/// The quality factor of a width at a frequency.
fn quality(width: parse::Width, frequency: f64, rate: u32) -> f64 {
    match width {
        parse::Width::Q(q) => q,
        parse::Width::Hertz(width) => frequency / width,
        parse::Width::Octaves(octaves) => {
            let w0 = 2.0 * std::f64::consts::PI * frequency / f64::from(rate);
            0.5 / (std::f64::consts::LN_2 / 2.0 * octaves * w0 / w0.sin()).sinh()
        }
    }
}

#[track_caller]
fn filtered(filter: &parse::Filter, x: &Tensor, rate: u32) -> Result<Tensor> {
    let frequency = filter.frequency;
    ensure!(
        frequency > 0.0 && frequency < f64::from(rate) / 2.0,
        Argument,
        filter.name,
        "{frequency} Hz must be between 0 and half of the rate {rate}"
    );
    let q = quality(filter.width, frequency, rate);
    match filter.name {
        "highpass" => f::highpass_biquad(x, rate, frequency, q),
        "lowpass" => f::lowpass_biquad(x, rate, frequency, q),
        "bandpass" => f::bandpass_biquad(x, rate, frequency, q, false),
        "bandreject" => f::bandreject_biquad(x, rate, frequency, q),
        "band" => f::band_biquad(x, rate, frequency, q, false),
        "allpass" => f::allpass_biquad(x, rate, frequency, q),
        "bass" => f::bass_biquad(x, rate, filter.gain, frequency, q),
        "treble" => f::treble_biquad(x, rate, filter.gain, frequency, q),
        _ => f::equalizer_biquad(x, rate, frequency, filter.gain, q),
    }
}

/// One effect.
#[track_caller]
fn applied(effect: &Effect, x: &Tensor, rate: u32) -> Result<(Tensor, u32)> {
    let same = |x: Tensor| Ok((x, rate));
    match effect {
        Effect::Gain { decibel, normalise } => same(dynamics::gain(x, *decibel, *normalise)?),
        Effect::Volume(factor) => same(x.mul(*factor)?),
        Effect::Rate(new) => Ok((f::resample(x, rate, *new, &f::ResampleOptions::default())?, *new)),
        Effect::Speed(factor) => Ok((x.clone(), time::faster(rate, *factor)?)),
        Effect::Tempo(factor) => same(time::tempo(x, rate, *factor)?),
        Effect::Pitch(cents) => same(time::pitch(x, rate, *cents)?),
        Effect::Trim { start, end } => same(time::trim(x, rate, start, end.as_ref())?),
        Effect::Pad { before, behind } => same(time::pad(x, before.at(rate)?, behind.at(rate)?)?),
        Effect::Repeat(times) => same(time::repeat(x, *times)?),
        Effect::Reverse => same(x.flip(-1)?),
        Effect::Fade(fade) => same(time::fade(x, rate, fade)?),
        Effect::Silence(silence) => same(time::silence(x, rate, silence)?),
        Effect::Remix(outputs) => same(space::remix(x, outputs)?),
        Effect::Channels(count) => same(space::channels(x, *count)?),
        Effect::Reverb(reverb) => same(space::reverb(x, rate, reverb)?),
        Effect::Echo(echo) => same(space::echo(x, rate, echo)?),
        Effect::Chorus(chorus) => same(space::chorus(x, rate, chorus)?),
        Effect::Tremolo { speed, depth } => same(space::tremolo(x, rate, *speed, *depth)?),
        Effect::Compand(compand) => same(dynamics::compand(x, rate, compand)?),
        Effect::Phaser(options) => same(f::phaser(x, rate, *options)?),
        Effect::Flanger(options) => same(f::flanger(x, rate, *options)?),
        Effect::Contrast(amount) => same(f::contrast(x, *amount)?),
        Effect::DcShift(shift, limiter) => same(f::dcshift(x, *shift, *limiter)?),
        Effect::Overdrive(gain, colour) => same(f::overdrive(x, *gain, *colour)?),
        Effect::Filter(filter) => same(filtered(filter, x, rate)?),
        Effect::Biquad { b, a } => same(f::biquad(x, *b, *a)?),
        Effect::Deemph => same(f::deemph_biquad(x, rate)?),
        Effect::Riaa => same(f::riaa_biquad(x, rate)?),
    }
}

#[cfg(test)]
mod tests;
