//! The transforms as functions, as `torchaudio.functional`. What torchaudio
//! differentiates has a gradient here, too.

mod alignment;
mod beamforming;
mod biquad;
mod distance;
mod effects;
mod features;
mod filters;
mod lfilter;
mod loudness;
mod mask;
mod mixing;
mod mu_law;
mod resample;
mod rnnt;
mod spectrogram;
mod taps;
mod vad;
mod vocoder;

pub use alignment::{TokenSpan, edit_distance, forced_align, merge_tokens};
pub use beamforming::{
    DiagonalLoading, ReferenceChannel, apply_beamforming, mvdr_weights_rtf, mvdr_weights_souden, psd, rtf_evd,
    rtf_power,
};
pub use biquad::{
    DEFAULT_Q, allpass_biquad, band_biquad, bandpass_biquad, bandreject_biquad, bass_biquad, deemph_biquad,
    equalizer_biquad, highpass_biquad, lowpass_biquad, riaa_biquad, treble_biquad,
};
pub use distance::frechet_distance;
pub use effects::{
    DensityFunction, FlangerOptions, Modulation, PhaserOptions, contrast, dcshift, dither, flanger, gain, overdrive,
    phaser,
};
pub use features::{PitchOptions, SlidingWindowCmnOptions, compute_deltas, detect_pitch_frequency, sliding_window_cmn};
pub use filters::{MelNorm, MelScaleKind, create_dct, linear_fbanks, melscale_fbanks};
pub use lfilter::{LfilterOptions, biquad, filtfilt, lfilter, sosfilt};
pub use loudness::loudness;
pub use mask::{MaskAxis, mask_along_axis, mask_along_axis_iid};
pub use mixing::{ConvolveMode, add_noise, convolve, deemphasis, fftconvolve, preemphasis};
pub use mu_law::{mu_law_decoding, mu_law_encoding};
pub(crate) use resample::{Polyphase, Sinc, scaled_lengths, speed_rates};
pub use resample::{ResampleOptions, ResamplingMethod, resample, speed};
pub use rnnt::{Reduction, RnntLossOptions, rnnt_loss};
pub use spectrogram::{Normalized, SpectrogramOptions, inverse_spectrogram, spectral_centroid, spectrogram};
pub use vad::{VadOptions, vad};
pub use vocoder::{GriffinLimOptions, PitchShiftOptions, griffinlim, phase_vocoder, pitch_shift};

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
///
/// # Errors
/// Where it is not of real numbers.
#[track_caller]
pub fn db_to_amplitude(x: &Tensor, reference: f64, power: f64) -> Result<Tensor> {
    x.mul(power * 0.1 * std::f64::consts::LN_10)?.exp()?.mul(reference)
}

#[cfg(test)]
mod tests;
