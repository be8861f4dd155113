//! The transforms as functions, as `torchaudio.functional`. All of them are made of tensor operations and
//! have gradients.

mod filters;
mod resample;
mod spectrogram;

pub use filters::{MelNorm, MelScaleKind, create_dct, melscale_fbanks};
pub use resample::{ResampleOptions, ResamplingMethod, resample};
pub(crate) use resample::{apply_kernel, sinc_kernel};
pub use spectrogram::{Normalized, SpectrogramOptions, spectrogram};

use flambeau_tensor::{Result, Tensor, ensure};

/// A spectrogram in decibels: `multiplier` · log10 of x, not below `amin`, less `multiplier` ·
/// `db_multiplier`. Where `top_db` is given, what is further than it below the loudest value is raised to
/// that distance; the loudest is that of `[freq, time]` and `[channel, freq, time]` as a whole, and of each
/// `[channel, freq, time]` in a batch of them. Follows `torchaudio.functional.amplitude_to_DB`.
///
/// # Errors
/// Where `top_db` is given and there are fewer than two dimensions.
#[track_caller]
pub fn amplitude_to_db(
    x: &Tensor,
    multiplier: f64,
    amin: f64,
    db_multiplier: f64,
    top_db: Option<f64>,
) -> Result<Tensor> {
    let mut db = x.clamp_min(amin)?.log10()?.mul(multiplier)?;
    if db_multiplier != 0.0 {
        db = db.sub(multiplier * db_multiplier)?;
    }
    let Some(top_db) = top_db else { return Ok(db) };
    ensure!(x.rank() >= 2, Shape, "amplitude_to_db", "a spectrogram is [..., freq, time], this is {:?}", x.shape());
    if x.numel() == 0 {
        return Ok(db);
    }
    let whole: &[isize] = if x.rank() == 2 { &[-2, -1] } else { &[-3, -2, -1] };
    db.maximum(&db.amax_keepdim(whole)?.sub(top_db)?)
}

/// What [`amplitude_to_db`] came from: `reference` · (10^(x / 10))^`power`; 1 gives power, 0.5 amplitude.
/// Follows `torchaudio.functional.DB_to_amplitude`.
#[track_caller]
pub fn db_to_amplitude(x: &Tensor, reference: f64, power: f64) -> Result<Tensor> {
    x.mul(power * 0.1 * std::f64::consts::LN_10)?.exp()?.mul(reference)
}

#[cfg(test)]
mod tests;
