//! When something is heard: speed, cuts, fades, silence.

use super::parse::{End, Fade, Silence, Time};
use crate::functional::{PitchShiftOptions, phase_vocoder, pitch_shift};
use flambeau_tensor::{DType, IstftOptions, Result, StftOptions, Tensor, cat, ensure};
use std::f64::consts::PI;

/// The rate of a sound that is played so many times as fast.
#[track_caller]
pub(super) fn faster(rate: u32, factor: f64) -> Result<u32> {
    let new = (f64::from(rate) * factor).round();
    ensure!((1.0..=f64::from(u32::MAX)).contains(&new), Argument, "speed", "{rate} Hz times {factor} is no rate");
    Ok(new as u32)
}

/// Samples of a frame of about 46 ms.
fn frame(rate: u32) -> usize {
    (rate as usize / 22).next_power_of_two().max(64)
}

/// So many times as fast, at the same pitch.
#[track_caller]
pub(super) fn tempo(x: &Tensor, rate: u32, factor: f64) -> Result<Tensor> {
    let (n_fft, [_, frames]) = (frame(rate), x.dims()?);
    ensure!(frames > n_fft / 2, Shape, "tempo", "{frames} frames at {rate} Hz are shorter than {}", n_fft / 2 + 1);
    let (hop, window) = (n_fft / 4, Tensor::hann_window(n_fft, true, x.dtype())?.to_device(x.device())?);
    let spectrum = x.stft(n_fft, &StftOptions::new().hop_length(hop).window(window.clone()))?;
    let advance = Tensor::linspace(0.0, PI * hop as f64, n_fft / 2 + 1).dtype(x.dtype()).device(x.device()).build()?;
    let stretched = phase_vocoder(&spectrum, factor, &advance.unsqueeze(-1)?)?;
    let length = (frames as f64 / factor).round() as usize;
    stretched.istft(n_fft, &IstftOptions::new().hop_length(hop).window(window).length(length))
}

/// So many hundredths of half a tone higher, at the same speed.
#[track_caller]
pub(super) fn pitch(x: &Tensor, rate: u32, cents: f64) -> Result<Tensor> {
    let window = Tensor::hann_window(frame(rate), true, x.dtype())?.to_device(x.device())?;
    let options = PitchShiftOptions::new().bins_per_octave(1200).n_fft(frame(rate)).window(window);
    pitch_shift(x, rate, cents.round() as i32, &options)
}

#[track_caller]
pub(super) fn trim(x: &Tensor, rate: u32, start: &Time, end: Option<&End>) -> Result<Tensor> {
    let frames = x.shape()[1];
    let start = start.at(rate)?;
    ensure!(start <= frames, Argument, "trim", "the start {start} is behind the end: there are {frames} frames");
    let end = match end {
        None => frames,
        Some(End::Length(length)) => start.saturating_add(length.at(rate)?),
        Some(End::Place(place)) => place.at(rate)?,
        Some(End::BeforeEnd(time)) => frames.saturating_sub(time.at(rate)?),
    };
    ensure!(end >= start, Argument, "trim", "the end {end} is before the start {start}");
    x.narrow(1, start as isize, end.min(frames) - start)
}

#[track_caller]
pub(super) fn pad(x: &Tensor, before: usize, behind: usize) -> Result<Tensor> {
    let side = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    x.pad(&[side(before), side(behind)], 0.0)
}

#[track_caller]
pub(super) fn repeat(x: &Tensor, times: usize) -> Result<Tensor> {
    x.repeat([1, times.saturating_add(1)])
}

/// The gain at a part of the way up.
fn shape(kind: char, x: f64) -> f64 {
    match kind {
        'q' => (x * PI / 2.0).sin(),
        'h' => (1.0 - (x * PI).cos()) / 2.0,
        't' => x,
        'p' => 1.0 - (1.0 - x).powi(2),
        _ => 0.1f64.powf((1.0 - x) * 5.0),
    }
}

#[track_caller]
pub(super) fn fade(x: &Tensor, rate: u32, fade: &Fade) -> Result<Tensor> {
    let frames = x.shape()[1];
    let stop = fade.stop.map(|stop| stop.at(rate)).transpose()?.unwrap_or(frames);
    ensure!(stop <= frames, Argument, "fade", "it stops at {stop}, there are {frames} frames");
    let (up, down) = (fade.fade_in.at(rate)?, fade.fade_out.map(|out| out.at(rate)).transpose()?.unwrap_or(0));
    ensure!(
        up <= stop && down <= stop - up,
        Argument,
        "fade",
        "fading in over {up} and out over {down} frames takes more than the {stop} there are"
    );
    let gain = |i: usize| {
        if i < up {
            shape(fade.shape, i as f64 / up as f64)
        } else if i >= stop - down {
            shape(fade.shape, (stop - 1 - i) as f64 / down as f64)
        } else {
            1.0
        }
    };
    let gains = Tensor::from_vec((0..stop).map(gain).collect::<Vec<f64>>(), [1, stop])?;
    x.narrow(1, 0, stop)?.mul(&gains.to_dtype(x.dtype())?.to_device(x.device())?)
}

/// Cuts silence off the start, and off the end or everywhere.
#[track_caller]
pub(super) fn silence(x: &Tensor, rate: u32, options: &Silence) -> Result<Tensor> {
    if x.numel() == 0 {
        return Ok(x.clone());
    }
    let loud = x.detach().abs()?.amax(0)?.to_dtype(DType::F64)?.to_vec::<f64>()?;
    let mut from = 0;
    if let Some((duration, level)) = options.above {
        // Sound begins where it stays above the level for so long.
        let wanted = duration.at(rate)?.max(1);
        from = lasting(&loud, wanted, |v| v > level).unwrap_or(loud.len());
    }
    let Some((duration, level)) = options.below else { return kept(x, &[(from, loud.len())]) };
    let wanted = duration.at(rate)?.max(1);
    let mut parts = Vec::new();
    while from < loud.len() {
        let quiet = lasting(&loud[from..], wanted, |v| v <= level).map(|at| from + at);
        parts.push((from, quiet.unwrap_or(loud.len())));
        let Some(quiet) = quiet.filter(|_| options.everywhere) else { break };
        from = loud[quiet..].iter().position(|v| *v > level).map_or(loud.len(), |at| quiet + at);
    }
    kept(x, &parts)
}

/// Where the first run of so many such values begins.
fn lasting(values: &[f64], wanted: usize, such: impl Fn(f64) -> bool) -> Option<usize> {
    let mut run = 0;
    for (i, value) in values.iter().enumerate() {
        run = if such(*value) { run + 1 } else { 0 };
        if run == wanted {
            return Some(i + 1 - wanted);
        }
    }
    None
}

#[track_caller]
fn kept(x: &Tensor, parts: &[(usize, usize)]) -> Result<Tensor> {
    let parts = parts.iter().filter(|(start, end)| end > start);
    let parts = parts.map(|(start, end)| x.narrow(1, *start as isize, end - start)).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() { x.narrow(1, 0, 0) } else { cat(&parts, 1) }
}
