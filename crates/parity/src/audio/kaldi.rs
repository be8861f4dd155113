//! `torchaudio.compliance.kaldi`: how each function is spelled here.

use flambeau_audio::compliance::kaldi::{self, FbankOptions, FrameOptions, MfccOptions, WindowType};
use flambeau_tensor::Tensor;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, functional::called};
use crate::{
    call::{KEYWORD, Outcome, Trouble, ok, unsupported},
    run::Made,
};

/// Runs one case.
///
/// # Errors
///
/// The function is not in the table, or failed where torchaudio's did not.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    called(name, json, data, apply)
}

fn frame(w: &Words<'_>) -> Result<FrameOptions, Trouble> {
    let d = FrameOptions::new();
    let blackman = w.float("blackman_coeff", 0.42)?;
    let window_type = match w.text("window_type", "povey")? {
        "hamming" => WindowType::Hamming,
        "hanning" => WindowType::Hanning,
        "povey" => WindowType::Povey,
        "rectangular" => WindowType::Rectangular,
        "blackman" => WindowType::Blackman(blackman),
        other => return unsupported(format!("window {other}")),
    };
    Ok(FrameOptions {
        dither: w.float("dither", d.dither)?,
        energy_floor: w.float("energy_floor", d.energy_floor)?,
        frame_length: w.float("frame_length", d.frame_length)?,
        frame_shift: w.float("frame_shift", d.frame_shift)?,
        min_duration: w.float("min_duration", d.min_duration)?,
        preemphasis_coefficient: w.float("preemphasis_coefficient", d.preemphasis_coefficient)?,
        raw_energy: w.flag("raw_energy", d.raw_energy)?,
        remove_dc_offset: w.flag("remove_dc_offset", d.remove_dc_offset)?,
        round_to_power_of_two: w.flag("round_to_power_of_two", d.round_to_power_of_two)?,
        sample_frequency: w.float("sample_frequency", d.sample_frequency)?,
        snip_edges: w.flag("snip_edges", d.snip_edges)?,
        subtract_mean: w.flag("subtract_mean", d.subtract_mean)?,
        window_type,
    })
}

fn fbank(w: &Words<'_>) -> Result<FbankOptions, Trouble> {
    let d = FbankOptions::new();
    Ok(FbankOptions {
        frame: frame(w)?,
        high_freq: w.float("high_freq", d.high_freq)?,
        htk_compat: w.flag("htk_compat", d.htk_compat)?,
        low_freq: w.float("low_freq", d.low_freq)?,
        num_mel_bins: w.count("num_mel_bins", d.num_mel_bins)?,
        use_energy: w.flag("use_energy", d.use_energy)?,
        use_log_fbank: w.flag("use_log_fbank", d.use_log_fbank)?,
        use_power: w.flag("use_power", d.use_power)?,
        vtln_high: w.float("vtln_high", d.vtln_high)?,
        vtln_low: w.float("vtln_low", d.vtln_low)?,
        vtln_warp: w.float("vtln_warp", d.vtln_warp)?,
    })
}

fn apply(name: &str, w: &Words<'_>) -> Outcome {
    let channel = || -> Result<Tensor, Trouble> {
        Ok(w.tensor("waveform")?.select(0, w.0.int_or(KEYWORD, "channel", -1)?.max(0) as isize)?)
    };
    let warped = |name: &str| -> Result<_, Trouble> {
        let cutoffs = (w.float("vtln_low_cutoff", 0.0)?, w.float("vtln_high_cutoff", 0.0)?);
        let band = (w.float("low_freq", 0.0)?, w.float("high_freq", 0.0)?);
        Ok((cutoffs, band, w.float("vtln_warp_factor", 1.0)?, w.tensor(name)?))
    };
    match name {
        "spectrogram" => ok(kaldi::spectrogram(&channel()?, frame(w)?)?),
        "fbank" => ok(kaldi::fbank(&channel()?, fbank(w)?)?),
        "mfcc" => {
            let options = MfccOptions::new()
                .fbank(fbank(w)?)
                .cepstral_lifter(w.float("cepstral_lifter", 22.0)?)
                .num_ceps(w.count("num_ceps", 13)?);
            ok(kaldi::mfcc(&channel()?, options)?)
        }
        "get_mel_banks" => {
            let options = FbankOptions::new()
                .num_mel_bins(w.count("num_bins", 0)?)
                .low_freq(w.float("low_freq", 0.0)?)
                .high_freq(w.float("high_freq", 0.0)?)
                .vtln_low(w.float("vtln_low", 0.0)?)
                .vtln_high(w.float("vtln_high", 0.0)?)
                .vtln_warp(w.float("vtln_warp_factor", 1.0)?);
            ok(kaldi::get_mel_banks(w.count("window_length_padded", 0)?, w.float("sample_freq", 0.0)?, &options)?)
        }
        "mel_scale" => ok(kaldi::mel_scale(w.tensor("freq")?)?),
        "inverse_mel_scale" => ok(kaldi::inverse_mel_scale(w.tensor("mel_freq")?)?),
        "mel_scale_scalar" => ok(kaldi::mel_scale_scalar(w.float("freq", 0.0)?)),
        "inverse_mel_scale_scalar" => ok(kaldi::inverse_mel_scale_scalar(w.float("mel_freq", 0.0)?)),
        "vtln_warp_freq" => {
            let (cutoffs, band, factor, freq) = warped("freq")?;
            ok(kaldi::vtln_warp_freq(cutoffs, band, factor, freq)?)
        }
        "vtln_warp_mel_freq" => {
            let (cutoffs, band, factor, freq) = warped("mel_freq")?;
            ok(kaldi::vtln_warp_mel_freq(cutoffs, band, factor, freq)?)
        }
        other => unsupported(format!("the function `{other}` is not in the runner's table")),
    }
}
