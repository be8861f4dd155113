//! Signals put together: noise at a given loudness, convolution, emphasis.

use super::lfilter::{LfilterOptions, lfilter};
use flambeau_tensor::{ConvOptions, Result, Tensor, ensure};

/// Which part of a convolution is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConvolveMode {
    /// all of it: n + m − 1 samples
    #[default]
    Full,
    /// where the two overlap completely: max − min + 1 samples
    Valid,
    /// the middle, as long as the first
    Same,
}

impl ConvolveMode {
    #[track_caller]
    fn part(self, full: &Tensor, x: usize, y: usize) -> Result<Tensor> {
        let length = match self {
            ConvolveMode::Full => return Ok(full.clone()),
            ConvolveMode::Valid => x.max(y) - x.min(y) + 1,
            ConvolveMode::Same => x,
        };
        full.narrow(-1, ((full.size(-1)? - length) / 2) as isize, length)
    }
}

/// The sizes of the last dimensions, of operands that go together.
#[track_caller]
fn lengths(name: &'static str, x: &Tensor, y: &Tensor) -> Result<(usize, usize)> {
    let fits = |(a, b): (&usize, &usize)| a == b || *a == 1 || *b == 1;
    let lead = |t: &Tensor| t.shape()[..t.rank().saturating_sub(1)].to_vec();
    ensure!(
        x.rank() > 0 && x.rank() == y.rank() && lead(x).iter().zip(&lead(y)).all(fits),
        Shape,
        name,
        "signals are [..., frames] whose other dimensions broadcast, these are {:?} and {:?}",
        x.shape(),
        y.shape()
    );
    let (n, m) = (x.size(-1)?, y.size(-1)?);
    ensure!(n > 0 && m > 0, Shape, name, "a signal of no frames: {:?} and {:?}", x.shape(), y.shape());
    Ok((n, m))
}

/// The convolution of signals `[..., frames]` along their last dimension, by the Fourier transform: fast where both are
/// long. Follows `torchaudio.functional.fftconvolve`.
///
/// # Errors
/// Where ranks differ, other dimensions do not broadcast, or a signal is empty.
#[track_caller]
pub fn fftconvolve(x: &Tensor, y: &Tensor, mode: ConvolveMode) -> Result<Tensor> {
    let (a, b) = lengths("fftconvolve", x, y)?;
    let n = a + b - 1;
    // A length of small factors transforms far faster, and gives the same.
    let quick = good_length(n);
    let full = x.rfft(Some(quick), -1)?.mul(&y.rfft(Some(quick), -1)?)?.irfft(Some(quick), -1)?;
    mode.part(&full.narrow(-1, 0, n)?, a, b)
}

/// The next length from `n` on that has no other factors than 2, 3 and 5.
fn good_length(n: usize) -> usize {
    let powers = |factor: usize, from: usize| std::iter::successors(Some(from), move |p| p.checked_mul(factor));
    powers(5, 1)
        .flat_map(|of_5| powers(3, of_5))
        .filter_map(|of_3| n.div_ceil(of_3).checked_next_power_of_two()?.checked_mul(of_3))
        .min()
        .unwrap_or(n)
}

/// The convolution of signals `[..., frames]` along their last dimension, sample by sample. Follows
/// `torchaudio.functional.convolve`.
///
/// # Errors
/// As for [`fftconvolve`].
#[track_caller]
pub fn convolve(x: &Tensor, y: &Tensor, mode: ConvolveMode) -> Result<Tensor> {
    let (a, b) = lengths("convolve", x, y)?;
    let (long, short) = if a < b { (y, x) } else { (x, y) };
    let lead: Vec<usize> =
        x.shape().iter().zip(y.shape()).take(x.rank() - 1).map(|(a, b)| if *a == 1 { *b } else { *a }).collect();
    let signals: usize = lead.iter().product();
    let spread = |t: &Tensor| {
        let frames = t.size(-1)?;
        let shape: Vec<usize> = lead.iter().copied().chain([frames]).collect();
        t.expand(shape)?.reshape([signals, frames])
    };
    let (long, short) = (spread(long)?, spread(short)?);
    let options = ConvOptions::new().groups(signals.max(1)).padding(a.min(b) - 1);
    let full = long.unsqueeze(0)?.conv1d(&short.flip(-1)?.unsqueeze(1)?, None, options)?;
    let shape: Vec<usize> = lead.iter().copied().chain([a + b - 1]).collect();
    mode.part(&full.reshape(shape)?, a, b)
}

/// `waveform` `[..., frames]` with `noise` of the same shape scaled so that the ratio of their energies is `snr` `[...]`
/// in decibels; `lengths` `[...]` says how many frames of each count. Follows `torchaudio.functional.add_noise`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn add_noise(waveform: &Tensor, noise: &Tensor, snr: &Tensor, lengths: Option<&Tensor>) -> Result<Tensor> {
    let rank = waveform.rank();
    ensure!(
        rank > 0 && noise.rank() == rank && snr.rank() + 1 == rank && lengths.is_none_or(|l| l.rank() + 1 == rank),
        Shape,
        "add_noise",
        "waveform and noise are [..., frames], snr and lengths [...]; these are {:?}, {:?}, {:?}",
        waveform.shape(),
        noise.shape(),
        snr.shape()
    );
    let frames = waveform.size(-1)?;
    ensure!(
        noise.size(-1)? == frames,
        Shape,
        "add_noise",
        "a waveform of {frames} frames and noise of {}",
        noise.size(-1)?
    );
    let mask = match lengths {
        None => None,
        Some(lengths) => {
            Some(Tensor::arange(0, frames as i64).device(lengths.device()).build()?.lt(&lengths.unsqueeze(-1)?)?)
        }
    };
    let energy = |x: &Tensor| {
        let counted = match &mask {
            Some(mask) => x.mul(mask)?,
            None => x.clone(),
        };
        counted.square()?.sum(-1)
    };
    let now = energy(waveform)?.log10()?.sub(&energy(noise)?.log10()?)?.mul(10.0)?;
    let scale = now.sub(snr)?.div(20.0)?.rpow(10.0)?;
    waveform.add(&scale.unsqueeze(-1)?.mul(noise)?)
}

/// `y[n] = x[n] − coeff · x[n − 1]` of signals `[..., frames]`, which raises high frequencies; 0.97 is usual. Follows
/// `torchaudio.functional.preemphasis`.
///
/// # Errors
/// Where the signal is a number.
#[track_caller]
pub fn preemphasis(waveform: &Tensor, coeff: f64) -> Result<Tensor> {
    ensure!(waveform.rank() > 0, Shape, "preemphasis", "a waveform is [..., frames], this is a number");
    if waveform.size(-1)? == 0 {
        return Ok(waveform.clone());
    }
    waveform.sub(&waveform.pad(&[1, -1], 0.0)?.mul(coeff)?)
}

/// The inverse of [`preemphasis`], clamped to −1..1. Follows `torchaudio.functional.deemphasis`.
///
/// # Errors
/// Where the signal is not floating point.
#[track_caller]
pub fn deemphasis(waveform: &Tensor, coeff: f64) -> Result<Tensor> {
    let there = |c: [f64; 2]| Tensor::from_vec(c.to_vec(), 2)?.to_dtype(waveform.dtype())?.to_device(waveform.device());
    lfilter(waveform, &there([1.0, -coeff])?, &there([1.0, 0.0])?, LfilterOptions::new())
}
