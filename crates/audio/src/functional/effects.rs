//! Effects on waveforms, after SoX: distortions, echoes, dither.

use super::lfilter::{LfilterOptions, lfilter};
use super::taps::{Taps, Way};
use flambeau_tensor::{Result, Tensor, ensure, options};
use std::f64::consts::{LN_10, PI};
use std::sync::Arc;

/// `waveform` as `[n, channels, frames]`; one of `[frames]` has one channel.
#[track_caller]
fn channels(name: &'static str, waveform: &Tensor) -> Result<Tensor> {
    let shape = waveform.shape();
    ensure!(waveform.dtype().is_float(), DType, name, "a waveform is floating point here, not {}", waveform.dtype());
    ensure!(!shape.is_empty(), Shape, name, "a waveform is [..., frames], this is a number");
    let (frames, channels) = (shape[shape.len() - 1], if shape.len() > 1 { shape[shape.len() - 2] } else { 1 });
    let rest = shape[..shape.len().saturating_sub(2)].iter().product::<usize>();
    waveform.reshape([rest, channels, frames])
}

/// Makes loud and soft more different, as a compressor does: `enhancement_amount` 0 to 100, 75 is usual. Follows
/// `torchaudio.functional.contrast`.
///
/// # Errors
/// Where the amount is out of range.
#[track_caller]
pub fn contrast(waveform: &Tensor, enhancement_amount: f64) -> Result<Tensor> {
    ensure!(
        (0.0..=100.0).contains(&enhancement_amount),
        Argument,
        "contrast",
        "enhancement_amount {enhancement_amount} must be from 0 to 100"
    );
    let quarter = waveform.mul(PI / 2.0)?;
    quarter.add(&quarter.mul(4.0)?.sin()?.mul(enhancement_amount / 750.0)?)?.sin()
}

/// Shifts a waveform by `shift` (−2 to 2 makes sense), clamped to −1..1; with `limiter_gain`, which is far below 1 (as
/// 0.05), the peaks that would be cut are pressed together instead. Follows `torchaudio.functional.dcshift`.
///
/// # Errors
/// Where the waveform is not of real numbers.
#[track_caller]
pub fn dcshift(waveform: &Tensor, shift: f64, limiter_gain: Option<f64>) -> Result<Tensor> {
    let shifted = waveform.add(shift)?.clamp(-1.0, 1.0)?;
    let Some(gain) = limiter_gain.filter(|_| shift != 0.0) else { return Ok(shifted) };
    let threshold = 1.0 - (shift.abs() - gain);
    let side = shift.signum();
    let peaks = if shift > 0.0 { waveform.gt(threshold)? } else { waveform.lt(-threshold)? };
    let pressed = waveform.sub(side * threshold)?.mul(gain)?.div(1.0 - threshold)?.add(side * threshold + shift)?;
    let pressed = if shift > 0.0 { pressed.clamp_max(threshold)? } else { pressed.clamp_min(-threshold)? };
    pressed.where_cond(&peaks, &shifted)
}

/// Makes a waveform louder by `gain_db` decibels. Follows `torchaudio.functional.gain`.
///
/// # Errors
/// Where the waveform is not of real numbers.
#[track_caller]
pub fn gain(waveform: &Tensor, gain_db: f64) -> Result<Tensor> {
    if gain_db == 0.0 { Ok(waveform.clone()) } else { waveform.mul(10f64.powf(gain_db / 20.0)) }
}

/// Distorts as an amplifier that is driven too far, and clamps to −1..1: `gain` in decibels, `colour` the even
/// harmonics, both 0 to 100, 20 is usual. Follows `torchaudio.functional.overdrive`.
///
/// # Errors
/// Where the waveform is not floating point.
#[track_caller]
pub fn overdrive(waveform: &Tensor, gain: f64, colour: f64) -> Result<Tensor> {
    let there = channels("overdrive", waveform)?;
    let driven = there.mul((gain * LN_10 / 20.0).exp())?.add(colour / 200.0)?;
    let bent = driven.clamp(-1.0, 1.0)?;
    let bent = bent.sub(&bent.pow(3.0)?.mul(1.0 / 3.0)?)?;
    // A highpass of first order takes the shift by `colour` out again.
    let coefficients =
        |c: [f64; 2]| Tensor::from_vec(c.to_vec(), 2)?.to_dtype(there.dtype())?.to_device(there.device());
    let (a, b) = (coefficients([1.0, -0.995])?, coefficients([1.0, -1.0])?);
    let passed = lfilter(&bent, &a, &b, LfilterOptions::new().clamp(false))?;
    there.mul(0.5)?.add(&passed.mul(0.75)?)?.clamp(-1.0, 1.0)?.reshape(waveform.shape())
}

/// An oscillator of `size` steps a period from `min` to `max`, starting at `phase` (in radians): its value at a step,
/// which needs no table of minutes for a signal of seconds.
fn wave(sine: bool, size: usize, min: f64, max: f64, phase: f64) -> impl Fn(usize) -> f64 {
    let offset = (phase / PI / 2.0 * size as f64 + 0.5) as usize;
    let value = move |point: usize| match sine {
        true => ((point as f64 / size as f64 * 2.0 * PI).sin() + 1.0) / 2.0,
        false => {
            let d = point as f64 * 2.0 / size as f64;
            match 4 * point / size {
                0 => d + 0.5,
                1 | 2 => 1.5 - d,
                _ => d - 1.5,
            }
        }
    };
    move |i| value((i % size + offset) % size) * (max - min) + min
}

/// The most steps of an oscillator, and samples of a delay: some minutes of sound.
const LONGEST: f64 = (1 << 28) as f64;

/// How a delay swings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modulation {
    /// as a sine
    #[default]
    Sinusoidal,
    /// as a triangle
    Triangular,
}

options! {
    /// Options of [`phaser`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct PhaserOptions {
        /// The gain of what comes in, 0.4.
        gain_in: f64 = 0.4,
        /// The gain of what goes out, 0.74.
        gain_out: f64 = 0.74,
        /// The longest delay in milliseconds, 3.
        delay_ms: f64 = 3.0,
        /// What comes back of each round, 0.4.
        decay: f64 = 0.4,
        /// Swings a second, 0.5.
        mod_speed: f64 = 0.5,
        /// A sine (the default) or a triangle.
        sinusoidal: bool = true,
    }

    /// Options of [`flanger`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct FlangerOptions {
        /// The shortest delay in milliseconds, 0 to 30: 0.
        delay: f64 = 0.0,
        /// How far the delay swings in milliseconds, 0 to 10: 2.
        depth: f64 = 2.0,
        /// What comes back of each round in percent, −95 to 95: 0.
        regen: f64 = 0.0,
        /// What of the delayed signal is mixed in, in percent, 0 to 100: 71.
        width: f64 = 71.0,
        /// Swings a second, 0.1 to 10: 0.5.
        speed: f64 = 0.5,
        /// How far apart the channels swing, in percent of a period: 25.
        phase: f64 = 25.0,
        /// The form of the swing, a sine.
        modulation: Modulation = Modulation::Sinusoidal,
        /// Take delays between samples from a parabola instead of a line? No.
        quadratic: bool = false,
    }
}

/// Adds a copy of the signal that comes back later and earlier in turns: signals `[..., frames]`, clamped to −1..1.
/// Follows `torchaudio.functional.phaser`.
///
/// # Errors
/// Where the delay is shorter than a sample, or an option is out of range.
#[track_caller]
pub fn phaser(waveform: &Tensor, sample_rate: u32, options: PhaserOptions) -> Result<Tensor> {
    let x = channels("phaser", waveform)?;
    let rate = f64::from(sample_rate);
    let (buffer, period) = ((options.delay_ms * 0.001 * rate + 0.5).floor(), (rate / options.mod_speed + 0.5).floor());
    ensure!(
        (1.0..=LONGEST).contains(&buffer) && (1.0..=LONGEST).contains(&period),
        Argument,
        "phaser",
        "delay_ms {} and mod_speed {} must be above 0: at {sample_rate} Hz they are {buffer} and {period} samples",
        options.delay_ms,
        options.mod_speed
    );
    if x.numel() == 0 {
        return waveform.copy();
    }
    let (length, period) = (buffer as usize, period as usize);
    let swing = wave(options.sinusoidal, period, 1.0, buffer, PI / 2.0);
    // Sample i finds what was written to its place of the ring; the newest stands one place further on.
    let lag = |i: usize| 1 + (length - (swing(i) + 0.5) as usize % length) % length;
    let (n, channels, frames) = (x.shape()[0], x.shape()[1], x.shape()[2]);
    let taps = Taps { each: 1, lags: vec![(0..frames).map(lag).collect()], weights: vec![vec![options.decay; frames]] };
    let fed = Arc::new(taps).apply(&x.reshape([n * channels, 1, frames])?.mul(options.gain_in)?, Way::Feedback)?;
    fed.mul(options.gain_out)?.clamp(-1.0, 1.0)?.reshape(waveform.shape())
}

/// Adds a copy of the signal whose delay swings: waveforms `[..., channels, frames]` of at most four channels, clamped
/// to −1..1. Follows `torchaudio.functional.flanger`.
///
/// # Errors
/// Where there are more channels, or an option is out of range.
#[track_caller]
pub fn flanger(waveform: &Tensor, sample_rate: u32, options: FlangerOptions) -> Result<Tensor> {
    let x = channels("flanger", waveform)?;
    let (channels, frames) = (x.shape()[1], x.shape()[2]);
    ensure!(
        waveform.rank() > 1 && channels <= 4,
        Shape,
        "flanger",
        "a waveform is [..., channels, frames] with at most 4 channels, this is {:?}",
        waveform.shape()
    );
    let rate = f64::from(sample_rate);
    let (delay, depth) = (options.delay / 1000.0, options.depth / 1000.0);
    let (longest, period) = ((delay + depth) * rate + 0.5, (rate / options.speed).floor());
    ensure!(
        delay >= 0.0 && depth >= 0.0 && longest <= LONGEST && (1.0..=LONGEST).contains(&period),
        Argument,
        "flanger",
        "delay {} and depth {} must not be negative and speed {} be above 0",
        options.delay,
        options.depth,
        options.speed
    );
    if x.numel() == 0 {
        return waveform.copy();
    }
    let (length, period) = (longest as usize + 2, period as usize);
    let (regen, width, phase) = (options.regen / 100.0, options.width / 100.0, options.phase / 100.0);
    let sine = options.modulation == Modulation::Sinusoidal;
    let swing = wave(sine, period, (delay * rate + 0.5).floor(), (length - 2) as f64, 3.0 * PI / 2.0);
    let each = if options.quadratic { 3 } else { 2 };
    let (mut lags, mut weights) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let ahead = (channel as f64 * period as f64 * phase + 0.5) as usize % period;
        let (mut back, mut weigh) = (Vec::with_capacity(frames * each), Vec::with_capacity(frames * each));
        for i in 0..frames {
            let at = f64::from(swing(i + ahead) as f32);
            let (whole, t) = (at.floor() as usize, at.fract());
            back.extend((0..each).map(|k| (whole + k) % length));
            match options.quadratic {
                false => weigh.extend([1.0 - t, t]),
                true => weigh.extend([1.0 - 1.5 * t + 0.5 * t * t, 2.0 * t - t * t, 0.5 * t * t - 0.5 * t]),
            }
        }
        lags.push(back);
        weights.push(weigh);
    }
    let delayed = Arc::new(Taps { each, lags, weights });
    let fed = if regen == 0.0 { x.clone() } else { Arc::new(returned(&delayed, regen)).apply(&x, Way::Feedback)? };
    let (dry, wet) = (1.0 / (1.0 + width), width / (1.0 + width) * (1.0 - regen.abs()));
    let mixed = x.mul(dry)?.add(&delayed.apply(&fed, Way::Forward)?.mul(wet)?)?;
    mixed.clamp(-1.0, 1.0)?.reshape(waveform.shape())
}

/// What `delayed` gives at a sample, times `gain`, as it enters at the next.
fn returned(delayed: &Taps, gain: f64) -> Taps {
    let each = delayed.each;
    let later = |lags: &Vec<usize>| -> Vec<usize> {
        // The first sample has nothing before it: a lag that no signal reaches.
        let kept = lags.len().saturating_sub(each);
        std::iter::repeat_n(1, each.min(lags.len())).chain(lags[..kept].iter().map(|lag| lag + 1)).collect()
    };
    let scaled = |weights: &Vec<f64>| -> Vec<f64> {
        let kept = weights.len().saturating_sub(each);
        std::iter::repeat_n(0.0, each.min(weights.len())).chain(weights[..kept].iter().map(|w| w * gain)).collect()
    };
    Taps { each, lags: delayed.lags.iter().map(later).collect(), weights: delayed.weights.iter().map(scaled).collect() }
}

/// What is added before numbers are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DensityFunction {
    /// a ramp up and down along the signal: torchaudio's `"TPDF"`, which is no noise
    #[default]
    Triangular,
    /// one sample of the signal, drawn by chance, less a half: `"RPDF"`
    Rectangular,
    /// the sum of seven samples of the signal, drawn by chance: `"GPDF"`
    Gaussian,
}

/// A waveform `[channels, frames]` rounded to 16 bits with something added first. Follows
/// `torchaudio.functional.dither` to the number, which is not what the name promises: the triangular density is a
/// Bartlett window over the signal, and the others add the same amount, taken from the signal, to all samples. As
/// there, indices never reach the last channel or frame, the Gaussian one needs two channels and frames, and shaped
/// noise sees the sample that the sum was made in changed. Draws from the default generator.
///
/// # Errors
/// Where the waveform is not floating point, or has too few samples to draw from.
#[track_caller]
pub fn dither(waveform: &Tensor, density: DensityFunction, noise_shaping: bool) -> Result<Tensor> {
    ensure!(
        waveform.dtype().is_float() && waveform.rank() > 0,
        DType,
        "dither",
        "a waveform is floating point [..., frames]"
    );
    let frames = waveform.size(-1)?;
    ensure!(waveform.numel() > 0, Shape, "dither", "there is nothing in a waveform {:?}", waveform.shape());
    let mut signal = waveform.reshape([waveform.numel() / frames, frames])?;
    let draw = |n: usize| -> Result<isize> {
        if n == 0 { Ok(0) } else { Tensor::randint(0, n as i64, [1]).build()?.item::<i64>().map(|i| i as isize) }
    };
    let (channels, last) = (signal.shape()[0] - 1, frames - 1);
    let at = (draw(channels)?, draw(last)?);
    let sample = |(channel, frame)| signal.select(0, channel)?.select(0, frame);
    let scaled = signal.mul(32766.0)?;
    let dithered = match density {
        DensityFunction::Rectangular => scaled.add(&sample(at)?.sub(0.5)?)?,
        DensityFunction::Triangular => {
            let ramp = |i: usize| 1.0 - (2.0 * i as f64 / frames as f64 - 1.0).abs();
            let window = Tensor::from_vec((0..frames).map(ramp).collect::<Vec<f64>>(), frames)?;
            scaled.add(&window.to_dtype(scaled.dtype())?.to_device(scaled.device())?)?
        }
        DensityFunction::Gaussian => {
            ensure!(
                channels > 0 && last > 0,
                Shape,
                "dither",
                "the Gaussian density is drawn from two channels and frames at least, the waveform is {:?}",
                waveform.shape()
            );
            let mut sum = sample(at)?;
            for _ in 0..6 {
                let other = (draw(channels)?, draw(last)?);
                // torchaudio adds up in the waveform itself.
                sum = sum.add(if other == at { sum.clone() } else { sample(other)? })?;
            }
            let place = Tensor::arange(0, signal.numel() as i64).device(signal.device()).build()?;
            let here = place.eq(at.0 as i64 * frames as i64 + at.1 as i64)?.reshape(signal.shape())?;
            let dithered = scaled.add(&sum)?;
            signal = sum.where_cond(&here, &signal)?;
            dithered
        }
    };
    let rounded = dithered.round()?.div(32768.0)?;
    let shaped = match noise_shaping {
        true => rounded.add(&rounded.sub(&signal)?.pad(&[1, -1], 0.0)?)?,
        false => rounded,
    };
    shaped.reshape(waveform.shape())
}
