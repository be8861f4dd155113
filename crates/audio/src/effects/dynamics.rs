//! Loudness: gain and the compander.

use super::parse::Compand;
use super::refuse_gradient;
use flambeau_tensor::{DType, Result, Tensor};

fn factor(decibel: f64) -> f64 {
    10f64.powf(decibel / 20.0)
}

/// So many decibels louder, or until the peak of all channels is so many below 1.
#[track_caller]
pub(super) fn gain(x: &Tensor, decibel: f64, normalise: bool) -> Result<Tensor> {
    if !normalise || x.numel() == 0 {
        return x.mul(factor(decibel));
    }
    let peak = x.abs()?.amax(..)?;
    // Silence has no peak.
    let silent = peak.to_dtype(DType::F64)?.item::<f64>()? <= 0.0;
    if silent { Ok(x.clone()) } else { x.mul(factor(decibel))?.div(&peak) }
}

/// Follows the level of the loudest channel, and plays each level as loud as the curve says.
#[track_caller]
pub(super) fn compand(x: &Tensor, rate: u32, options: &Compand) -> Result<Tensor> {
    refuse_gradient("compand", x)?;
    let [channels, frames] = x.dims()?;
    let signal = x.to_dtype(DType::F64)?.to_vec::<f64>()?;
    // How much of the way to the new level a sample goes.
    let step = |seconds: f64| {
        let samples = seconds * f64::from(rate);
        if samples > 1.0 { 1.0 - (-1.0 / samples).exp() } else { 1.0 }
    };
    let (attack, decay) = (step(options.attack), step(options.decay));
    let mut level = factor(options.first);
    let gains: Vec<f64> = (0..frames)
        .map(|i| {
            let loudest = (0..channels).map(|c| signal[c * frames + i].abs()).fold(0.0, f64::max);
            level += (loudest - level) * if loudest > level { attack } else { decay };
            let decibel = 20.0 * level.max(1e-10).log10();
            factor(played(&options.curve, decibel) - decibel + options.gain)
        })
        .collect();
    let gains = Tensor::from_vec(gains, [1, frames])?.to_dtype(x.dtype())?.to_device(x.device())?;
    x.mul(&gains)
}

/// The level that comes out of one that comes in: a line from point to point, and below the first in parallel to the
/// diagonal.
fn played(curve: &[(f64, f64)], level: f64) -> f64 {
    let after = curve.iter().position(|point| level < point.0);
    match after {
        Some(0) => level + curve[0].1 - curve[0].0,
        Some(i) => {
            let ((x0, y0), (x1, y1)) = (curve[i - 1], curve[i]);
            y0 + (level - x0) * (y1 - y0) / (x1 - x0)
        }
        None => curve.last().map_or(level, |last| last.1),
    }
}
