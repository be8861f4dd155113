//! Where something is heard: channels, rooms, echoes.

use super::parse::{Chorus, Echo, Mix, Reverb, Voice};
use super::refuse_gradient;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Tensor, ensure};
use std::f64::consts::PI;

#[track_caller]
pub(super) fn remix(x: &Tensor, outputs: &[Mix]) -> Result<Tensor> {
    let channels = x.shape()[0];
    check_bytes("remix", outputs.len().saturating_mul(channels).saturating_mul(size_of::<f64>()))?;
    let mut weights = vec![0.0f64; outputs.len() * channels];
    for (row, mix) in weights.chunks_mut(channels.max(1)).zip(outputs) {
        let Mix::Of(inputs) = mix else {
            row.fill(1.0 / channels as f64);
            continue;
        };
        let count: usize = inputs.iter().map(|(first, last, _)| (last + 1).saturating_sub(*first)).sum();
        // As in SoX: the mean, unless a factor is given.
        let mean = if inputs.iter().any(|(.., factor)| factor.is_some()) { 1.0 } else { 1.0 / count.max(1) as f64 };
        for (first, last, factor) in inputs {
            ensure!(
                first <= last && *last < channels,
                Argument,
                "remix",
                "channels {} to {} of {channels}",
                first + 1,
                last + 1
            );
            row[*first..=*last].iter_mut().for_each(|weight| *weight += factor.unwrap_or(mean));
        }
    }
    let weights = Tensor::from_vec(weights, [outputs.len(), channels])?.to_dtype(x.dtype())?.to_device(x.device())?;
    weights.matmul(x)
}

/// So many channels: the mean of several, or one several times.
#[track_caller]
pub(super) fn channels(x: &Tensor, count: usize) -> Result<Tensor> {
    let [there, frames] = x.dims()?;
    match (there, count) {
        (there, count) if there == count => Ok(x.clone()),
        (_, 1) => x.mean_keepdim(0),
        (1, count) => x.expand([count, frames]),
        _ => flambeau_tensor::bail!(
            Argument,
            "channels",
            "{there} channels to {count}: say by remix what becomes of which"
        ),
    }
}

/// Frames of milliseconds.
fn frames_of(milliseconds: f64, rate: u32) -> usize {
    (milliseconds / 1000.0 * f64::from(rate)).round() as usize
}

#[track_caller]
pub(super) fn echo(x: &Tensor, rate: u32, echo: &Echo) -> Result<Tensor> {
    let taps: Vec<(usize, f64)> = echo.taps.iter().map(|(delay, decay)| (frames_of(*delay, rate), *decay)).collect();
    let longest = taps.iter().map(|tap| tap.0).max().unwrap_or(0);
    let mut y = x.mul(echo.gain_in)?.pad(&[0, longest as isize], 0.0)?;
    for (delay, decay) in taps {
        y = y.add(&x.mul(decay)?.pad(&[delay as isize, (longest - delay) as isize], 0.0)?)?;
    }
    y.mul(echo.gain_out)
}

/// From 0 to 1 and back, beginning at 0.
fn swing(sine: bool, turns: f64) -> f64 {
    let part = turns.fract();
    if sine { (1.0 - (2.0 * PI * part).cos()) / 2.0 } else { 1.0 - (1.0 - 2.0 * part).abs() }
}

#[track_caller]
pub(super) fn chorus(x: &Tensor, rate: u32, chorus: &Chorus) -> Result<Tensor> {
    let frames = x.shape()[1];
    let longest = |voice: &Voice| frames_of(voice.delay + voice.depth, rate);
    let behind = chorus.voices.iter().map(longest).max().unwrap_or(0);
    let total = frames + behind;
    let mut y = x.mul(chorus.gain_in)?.pad(&[0, behind as isize], 0.0)?;
    for voice in &chorus.voices {
        let most = longest(voice);
        // Place `most` is the first sample; what comes before it and behind the end is silence.
        let silent = x.pad(&[most as isize, behind as isize], 0.0)?;
        let at = |i: usize| {
            let depth = voice.depth * swing(voice.sine, i as f64 * voice.speed / f64::from(rate));
            (i + most - frames_of(voice.delay + depth, rate)) as i64
        };
        let places = Tensor::from_vec((0..total).map(at).collect::<Vec<i64>>(), [total])?.to_device(x.device())?;
        y = y.add(&silent.index_select(1, &places)?.mul(voice.decay)?)?;
    }
    y.mul(chorus.gain_out)
}

#[track_caller]
pub(super) fn tremolo(x: &Tensor, rate: u32, speed: f64, depth: f64) -> Result<Tensor> {
    let frames = x.shape()[1];
    let gain = |i: usize| 1.0 - depth * swing(true, i as f64 * speed / f64::from(rate));
    let gains = Tensor::from_vec((0..frames).map(gain).collect::<Vec<f64>>(), [1, frames])?;
    x.mul(&gains.to_dtype(x.dtype())?.to_device(x.device())?)
}

/// Lengths at 44.1 kHz of the delays that come back, and of those that spread a sound without changing its spectrum, of
/// Freeverb (J. Wakefield); the second channel has longer ones.
const COMBS: [usize; 8] = [1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617];
const ALLPASSES: [usize; 4] = [556, 441, 341, 225];
const SPREAD: f64 = 23.0;

/// A delay that comes back, with its treble damped.
struct Comb {
    ring: Vec<f64>,
    at: usize,
    damped: f64,
}

impl Comb {
    fn next(&mut self, x: f64, feedback: f64, damping: f64) -> f64 {
        let out = self.ring[self.at];
        self.damped = out * (1.0 - damping) + self.damped * damping;
        self.ring[self.at] = x + self.damped * feedback;
        self.at = (self.at + 1) % self.ring.len();
        out
    }
}

struct Allpass {
    ring: Vec<f64>,
    at: usize,
}

impl Allpass {
    fn next(&mut self, x: f64) -> f64 {
        let out = self.ring[self.at];
        self.ring[self.at] = x + out * 0.5;
        self.at = (self.at + 1) % self.ring.len();
        out - x
    }
}

/// What a room makes of a signal.
fn room(x: &[f64], rate: u32, reverb: &Reverb, side: f64) -> Vec<f64> {
    let [reverberance, damping, scale, depth, delay, _] = reverb.numbers;
    let scale = scale / 100.0 * 0.9 + 0.1;
    // What is lost in a round falls evenly in decibels, from 0.7 to 0.02.
    let feedback = 1.0 - 0.7 * (0.02f64 / 0.7).powf(reverberance / 100.0);
    let damping = damping / 100.0 * 0.3 + 0.2;
    let length = |n: usize| {
        let samples = (n as f64 + side * SPREAD * depth / 100.0) * scale * f64::from(rate) / 44_100.0;
        // A ring that is longer than the signal never comes round.
        vec![0.0; (samples.round() as usize).clamp(1, x.len().max(1))]
    };
    let mut combs = COMBS.map(|n| Comb { ring: length(n), at: 0, damped: 0.0 });
    let mut allpasses = ALLPASSES.map(|n| Allpass { ring: length(n), at: 0 });
    let delay = frames_of(delay, rate);
    let heard = |i: usize| if i < delay { 0.0 } else { x[i - delay] };
    let one = |i: usize| {
        let sum: f64 = combs.iter_mut().map(|comb| comb.next(heard(i) * 0.015, feedback, damping)).sum();
        allpasses.iter_mut().fold(sum, |y, allpass| allpass.next(y))
    };
    (0..x.len()).map(one).collect()
}

/// The sound in a room, in stereo where it is.
#[track_caller]
pub(super) fn reverb(x: &Tensor, rate: u32, reverb: &Reverb) -> Result<Tensor> {
    refuse_gradient("reverb", x)?;
    let [channels, frames] = x.dims()?;
    let signal = x.to_dtype(DType::F64)?.to_vec::<f64>()?;
    let wet = 10f64.powf(reverb.numbers[5] / 20.0);
    let all = (0..channels).flat_map(|c| {
        let dry = &signal[c * frames..(c + 1) * frames];
        let heard = room(dry, rate, reverb, (c % 2) as f64);
        let dry = dry.iter().map(|x| if reverb.wet_only { 0.0 } else { *x }).collect::<Vec<f64>>();
        heard.into_iter().zip(dry).map(|(wet_sample, dry)| dry + wet * wet_sample).collect::<Vec<f64>>()
    });
    let all: Vec<f64> = all.collect();
    Tensor::from_vec(all, [channels, frames])?.to_dtype(x.dtype())?.to_device(x.device())
}
