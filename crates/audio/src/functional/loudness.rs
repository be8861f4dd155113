//! Loudness as it is heard: ITU-R BS.1770-4.

use super::biquad::{highpass_biquad, treble_biquad};
use flambeau_tensor::{Result, Tensor, ensure};

/// The loudness in LKFS of waveforms `[..., channels, frames]` with at most five channels (left, right, centre, left and
/// right surround): blocks of 0.4 seconds, weighted by frequency, those that are silent left out. Follows
/// `torchaudio.functional.loudness`; NaN where all is silent.
///
/// # Errors
/// Where there are more channels, less than 0.4 seconds, or a sample rate of less than 3000 Hz.
#[track_caller]
pub fn loudness(waveform: &Tensor, sample_rate: u32) -> Result<Tensor> {
    let name = "loudness";
    ensure!(
        waveform.rank() >= 2 && waveform.size(-2)? <= 5,
        Shape,
        name,
        "a waveform is [..., channels, frames] with at most 5 channels, this is {:?}",
        waveform.shape()
    );
    let block = (0.4 * f64::from(sample_rate)).round_ties_even() as usize;
    let step = (block as f64 * 0.25).round_ties_even() as usize;
    let frames = waveform.size(-1)?;
    ensure!(
        frames >= block && step > 0,
        Shape,
        name,
        "loudness is that of 0.4 seconds at least, {block} frames at {sample_rate} Hz; there are {frames}"
    );
    let shelf = treble_biquad(waveform, sample_rate, 4.0, 1500.0, std::f64::consts::FRAC_1_SQRT_2)?;
    let energy = highpass_biquad(&shelf, sample_rate, 38.0, 0.5)?.square()?.unfold(-1, block, step)?.mean(-1)?;
    let weights = Tensor::from_slice(&[1.0, 1.0, 1.0, 1.41, 1.41][..energy.size(-2)?], energy.size(-2)?)?;
    let weights = weights.to_dtype(energy.dtype())?.to_device(energy.device())?;
    let lkfs = |weighted: &Tensor| weighted.log10()?.mul(10.0)?.sub(0.691);
    let of_blocks = lkfs(&energy.mul(&weights.unsqueeze(-1)?)?.sum(-2)?)?;
    let of_those = |kept: &Tensor| {
        let kept = kept.unsqueeze(-2)?;
        let mean = energy.mul(&kept)?.sum(-1)?.div(&kept.count_nonzero(-1)?)?;
        lkfs(&mean.mul(&weights)?.sum(-1)?)
    };
    let audible = of_blocks.gt(-70.0)?;
    let threshold = of_those(&audible)?.sub(10.0)?;
    of_those(&audible.logical_and(&of_blocks.gt(&threshold.unsqueeze(-1)?)?)?)
}
