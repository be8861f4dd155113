//! `torchaudio.functional`: how each function is spelled here.

use flambeau_audio::functional as f;
use flambeau_tensor::{Operand, Tensor, manual_seed};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::Words;
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, ok, unsupported},
    case::{Arguments, Expected},
    run::{Made, live, same_output},
    value::Value,
};

/// Runs one case: seeds the generator, calls the function.
///
/// # Errors
///
/// The function is not in the table, or failed where torchaudio's did not.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    called(name, json, data, apply)
}

/// Runs a case of a function that is called by name.
pub(crate) fn called(
    name: &str,
    json: &Json,
    data: &SafeTensors<'_>,
    apply: fn(&str, &Words<'_>) -> Outcome,
) -> Result<Made, Trouble> {
    let arguments = Arguments::setting(json, "kwargs", data)?;
    let mut leaves = Vec::new();
    let call = live(&arguments, &mut leaves)?;
    manual_seed(json.get("seed").and_then(Json::as_u64).unwrap_or(0));
    let output = apply(name, &Words(&call))?;
    call.all_read()?;
    let expected = Expected::parse(json, data)?;
    let same = same_output(name, &output, &expected)?;
    Ok(Made { output, leaves, expected, same })
}

/// What `mask_value` is.
fn mask_value<'a>(c: &'a Call) -> Result<Operand<'a>, Trouble> {
    c.operand(KEYWORD, "mask_value")
}

fn spectrogram_options(w: &Words<'_>) -> Result<f::SpectrogramOptions, Trouble> {
    let (_, n_fft) = w.window("n_fft")?;
    Ok(f::SpectrogramOptions {
        n_fft,
        hop_length: w.count("hop_length", 0)?,
        pad: w.count("pad", 0)?,
        power: w.float_opt("power")?,
        normalized: w.normalized()?,
        center: w.flag("center", true)?,
        pad_mode: w.pad_mode("pad_mode", "reflect")?,
        onesided: w.flag("onesided", true)?,
    })
}

fn sequence(value: Option<&Value<Tensor>>) -> Vec<String> {
    match value {
        Some(Value::Str(s)) => s.chars().map(|c| c.to_string()).collect(),
        Some(other) => other.items().unwrap_or_default().iter().map(|i| format!("{i:?}")).collect(),
        None => Vec::new(),
    }
}

fn apply(name: &str, w: &Words<'_>) -> Outcome {
    let c = w.0;
    let x = || w.tensor("waveform");
    let rate = || w.rate("sample_rate");
    let q = || w.float("Q", f::DEFAULT_Q);
    match name {
        "DB_to_amplitude" => ok(f::db_to_amplitude(w.tensor("x")?, w.float("ref", 0.0)?, w.float("power", 0.0)?)?),
        "add_noise" => {
            let (noise, snr) = (w.tensor("noise")?, w.tensor("snr")?);
            ok(f::add_noise(x()?, noise, snr, w.tensor_opt("lengths")?)?)
        }
        "allpass_biquad" => ok(f::allpass_biquad(x()?, rate()?, w.float("central_freq", 0.0)?, q()?)?),
        "amplitude_to_DB" => {
            let (multiplier, amin) = (w.float("multiplier", 0.0)?, w.float("amin", 0.0)?);
            let (db, top) = (w.float("db_multiplier", 0.0)?, w.float_opt("top_db")?);
            ok(f::amplitude_to_db(w.tensor("x")?, multiplier, amin, db, top)?)
        }
        "apply_beamforming" => ok(f::apply_beamforming(w.tensor("beamform_weights")?, w.tensor("specgram")?)?),
        "band_biquad" => {
            ok(f::band_biquad(x()?, rate()?, w.float("central_freq", 0.0)?, q()?, w.flag("noise", false)?)?)
        }
        "bandpass_biquad" => {
            let skirt = w.flag("const_skirt_gain", false)?;
            ok(f::bandpass_biquad(x()?, rate()?, w.float("central_freq", 0.0)?, q()?, skirt)?)
        }
        "bandreject_biquad" => ok(f::bandreject_biquad(x()?, rate()?, w.float("central_freq", 0.0)?, q()?)?),
        "bass_biquad" => {
            let (gain, central) = (w.float("gain", 0.0)?, w.float("central_freq", 100.0)?);
            ok(f::bass_biquad(x()?, rate()?, gain, central, q()?)?)
        }
        "biquad" => {
            let of = |names: [&str; 3]| -> Result<[f64; 3], Trouble> {
                Ok([w.float(names[0], 0.0)?, w.float(names[1], 0.0)?, w.float(names[2], 0.0)?])
            };
            ok(f::biquad(x()?, of(["b0", "b1", "b2"])?, of(["a0", "a1", "a2"])?)?)
        }
        "compute_deltas" => {
            let mode = w.pad_mode("mode", "replicate")?;
            ok(f::compute_deltas(w.tensor("specgram")?, w.count("win_length", 5)?, mode)?)
        }
        "contrast" => ok(f::contrast(x()?, w.float("enhancement_amount", 75.0)?)?),
        "convolve" => ok(f::convolve(w.tensor("x")?, w.tensor("y")?, w.convolve_mode()?)?),
        "create_dct" => ok(f::create_dct(w.count("n_mfcc", 0)?, w.count("n_mels", 0)?, w.ortho()?)?),
        "dcshift" => ok(f::dcshift(x()?, w.float("shift", 0.0)?, w.float_opt("limiter_gain")?)?),
        "deemph_biquad" => ok(f::deemph_biquad(x()?, rate()?)?),
        "deemphasis" => ok(f::deemphasis(x()?, w.float("coeff", 0.97)?)?),
        "detect_pitch_frequency" => {
            let options = f::PitchOptions::new()
                .frame_time(w.float("frame_time", 0.01)?)
                .win_length(w.count("win_length", 30)?)
                .freq_low(w.count("freq_low", 85)? as u32)
                .freq_high(w.count("freq_high", 3400)? as u32);
            ok(f::detect_pitch_frequency(x()?, rate()?, options)?)
        }
        "dither" => {
            let density = match w.text("density_function", "TPDF")? {
                "RPDF" => f::DensityFunction::Rectangular,
                "GPDF" => f::DensityFunction::Gaussian,
                _ => f::DensityFunction::Triangular,
            };
            ok(f::dither(x()?, density, w.flag("noise_shaping", false)?)?)
        }
        "edit_distance" => {
            let distance = f::edit_distance(&sequence(c.keyword("seq1")), &sequence(c.keyword("seq2")));
            ok(distance as i64)
        }
        "equalizer_biquad" => {
            let (center, gain) = (w.float("center_freq", 0.0)?, w.float("gain", 0.0)?);
            ok(f::equalizer_biquad(x()?, rate()?, center, gain, q()?)?)
        }
        "fftconvolve" => ok(f::fftconvolve(w.tensor("x")?, w.tensor("y")?, w.convolve_mode()?)?),
        "filtfilt" => ok(f::filtfilt(x()?, w.tensor("a_coeffs")?, w.tensor("b_coeffs")?, w.flag("clamp", true)?)?),
        "flanger" => {
            let modulation = match w.text("modulation", "sinusoidal")? {
                "triangular" => f::Modulation::Triangular,
                _ => f::Modulation::Sinusoidal,
            };
            let options = f::FlangerOptions::new()
                .delay(w.float("delay", 0.0)?)
                .depth(w.float("depth", 2.0)?)
                .regen(w.float("regen", 0.0)?)
                .width(w.float("width", 71.0)?)
                .speed(w.float("speed", 0.5)?)
                .phase(w.float("phase", 25.0)?)
                .modulation(modulation)
                .quadratic(w.text("interpolation", "linear")? == "quadratic");
            ok(f::flanger(x()?, rate()?, options)?)
        }
        "forced_align" => {
            let (mut log_probs, mut targets) = (w.tensor("log_probs")?.clone(), w.tensor("targets")?.clone());
            // A batch is of one, so a length is a cut.
            if let Some(n) = w.tensor_opt("input_lengths")? {
                log_probs = log_probs.narrow(1, 0, n.reshape([])?.item::<i64>()? as usize)?;
            }
            if let Some(n) = w.tensor_opt("target_lengths")? {
                targets = targets.narrow(1, 0, n.reshape([])?.item::<i64>()? as usize)?;
            }
            ok(f::forced_align(&log_probs, &targets, w.count("blank", 0)?)?)
        }
        "gain" => ok(f::gain(x()?, w.float("gain_db", 1.0)?)?),
        "griffinlim" => {
            let (window, n_fft) = w.window("n_fft")?;
            let options = f::GriffinLimOptions::new()
                .n_fft(n_fft)
                .hop_length(w.count("hop_length", 0)?)
                .power(w.float("power", 0.0)?)
                .n_iter(w.count("n_iter", 0)?)
                .momentum(w.float("momentum", 0.0)?)
                .length(w.count_opt("length")?)
                .rand_init(w.flag("rand_init", true)?);
            ok(f::griffinlim(w.tensor("specgram")?, window, options)?)
        }
        "highpass_biquad" => ok(f::highpass_biquad(x()?, rate()?, w.float("cutoff_freq", 0.0)?, q()?)?),
        "inverse_spectrogram" => {
            let options = spectrogram_options(w)?;
            let (x, length) = (w.tensor("spectrogram")?, w.count_opt("length")?);
            ok(f::inverse_spectrogram(x, length, w.tensor("window")?, &options)?)
        }
        "lfilter" => {
            let options = f::LfilterOptions::new().clamp(w.flag("clamp", true)?).batching(w.flag("batching", true)?);
            ok(f::lfilter(x()?, w.tensor("a_coeffs")?, w.tensor("b_coeffs")?, options)?)
        }
        "linear_fbanks" => {
            let band = (w.float("f_min", 0.0)?, w.float("f_max", 0.0)?);
            ok(f::linear_fbanks(w.count("n_freqs", 0)?, band, w.count("n_filter", 0)?, rate()?)?)
        }
        "loudness" => ok(f::loudness(x()?, rate()?)?),
        "lowpass_biquad" => ok(f::lowpass_biquad(x()?, rate()?, w.float("cutoff_freq", 0.0)?, q()?)?),
        "mask_along_axis" => {
            let x = w.tensor("specgram")?;
            let (param, axis) = (w.count("mask_param", 0)?, w.axis(x.rank())?);
            ok(f::mask_along_axis(x, param, mask_value(c)?, axis, w.float("p", 1.0)?)?)
        }
        "mask_along_axis_iid" => {
            let x = w.tensor("specgrams")?;
            let (param, axis) = (w.count("mask_param", 0)?, w.axis(x.rank())?);
            ok(f::mask_along_axis_iid(x, param, mask_value(c)?, axis, w.float("p", 1.0)?)?)
        }
        "melscale_fbanks" => {
            let band = (w.float("f_min", 0.0)?, w.float("f_max", 0.0)?);
            let (freqs, mels) = (w.count("n_freqs", 0)?, w.count("n_mels", 0)?);
            ok(f::melscale_fbanks(freqs, band, mels, rate()?, w.norm()?, w.mel_scale()?)?)
        }
        "merge_tokens" => {
            let blank = c.int_or(KEYWORD, "blank", 0)?;
            let spans = f::merge_tokens(w.tensor("tokens")?, w.tensor("scores")?, blank)?;
            let span = |s: &f::TokenSpan| {
                let fields = [
                    ("token", Value::Int(s.token)),
                    ("start", Value::Int(s.start as i64)),
                    ("end", Value::Int(s.end as i64)),
                    ("score", Value::Float(s.score)),
                ];
                Value::Dict(fields.map(|(name, value)| (name.to_owned(), value)).into())
            };
            Ok(Value::List(spans.iter().map(span).collect()))
        }
        "mu_law_decoding" => ok(f::mu_law_decoding(w.tensor("x_mu")?, w.count("quantization_channels", 0)?)?),
        "mu_law_encoding" => ok(f::mu_law_encoding(w.tensor("x")?, w.count("quantization_channels", 0)?)?),
        "frechet_distance" => {
            ok(f::frechet_distance(w.tensor("mu_x")?, w.tensor("sigma_x")?, w.tensor("mu_y")?, w.tensor("sigma_y")?)?)
        }
        "mvdr_weights_rtf" => {
            ok(f::mvdr_weights_rtf(w.tensor("rtf")?, w.tensor("psd_n")?, w.reference()?, w.loading()?)?)
        }
        "mvdr_weights_souden" => {
            let reference = w.reference()?.unwrap_or(0.into());
            ok(f::mvdr_weights_souden(w.tensor("psd_s")?, w.tensor("psd_n")?, reference, w.loading()?)?)
        }
        "rtf_evd" => ok(f::rtf_evd(w.tensor("psd_s")?)?),
        "rtf_power" => {
            let (reference, steps) = (w.reference()?.unwrap_or(0.into()), w.count("n_iter", 3)?);
            ok(f::rtf_power(w.tensor("psd_s")?, w.tensor("psd_n")?, reference, steps, w.loading()?)?)
        }
        "overdrive" => ok(f::overdrive(x()?, w.float("gain", 20.0)?, w.float("colour", 20.0)?)?),
        "phaser" => {
            let options = f::PhaserOptions::new()
                .gain_in(w.float("gain_in", 0.4)?)
                .gain_out(w.float("gain_out", 0.74)?)
                .delay_ms(w.float("delay_ms", 3.0)?)
                .decay(w.float("decay", 0.4)?)
                .mod_speed(w.float("mod_speed", 0.5)?)
                .sinusoidal(w.flag("sinusoidal", true)?);
            ok(f::phaser(x()?, rate()?, options)?)
        }
        "phase_vocoder" => {
            let (x, advance) = (w.tensor("complex_specgrams")?, w.tensor("phase_advance")?);
            ok(f::phase_vocoder(x, w.float("rate", 0.0)?, advance)?)
        }
        "pitch_shift" => {
            let options = f::PitchShiftOptions::new()
                .bins_per_octave(w.count("bins_per_octave", 12)? as u32)
                .n_fft(w.count("n_fft", 512)?)
                .win_length(w.count_opt("win_length")?)
                .hop_length(w.count_opt("hop_length")?)
                .window(w.tensor_opt("window")?.cloned());
            ok(f::pitch_shift(x()?, rate()?, c.int(KEYWORD, "n_steps")? as i32, &options)?)
        }
        "preemphasis" => ok(f::preemphasis(x()?, w.float("coeff", 0.97)?)?),
        "psd" => {
            let (normalize, eps) = (w.flag("normalize", true)?, w.float("eps", 1e-10)?);
            ok(f::psd(w.tensor("specgram")?, w.tensor_opt("mask")?, normalize, eps)?)
        }
        "resample" => {
            let options = f::ResampleOptions {
                lowpass_filter_width: w.count("lowpass_filter_width", 6)?,
                rolloff: w.float("rolloff", 0.99)?,
                resampling_method: w.resampling()?,
            };
            ok(f::resample(x()?, w.rate("orig_freq")?, w.rate("new_freq")?, &options)?)
        }
        "riaa_biquad" => ok(f::riaa_biquad(x()?, rate()?)?),
        "rnnt_loss" => {
            let options = f::RnntLossOptions::new()
                .blank(c.int_or(KEYWORD, "blank", -1)? as isize)
                .clamp(w.float("clamp", -1.0)?)
                .reduction(w.reduction()?)
                .fused_log_softmax(w.flag("fused_log_softmax", true)?);
            let (logits, targets) = (w.tensor("logits")?, w.tensor("targets")?);
            ok(f::rnnt_loss(logits, targets, w.tensor("logit_lengths")?, w.tensor("target_lengths")?, options)?)
        }
        "sliding_window_cmn" => {
            let options = f::SlidingWindowCmnOptions::new()
                .cmn_window(w.count("cmn_window", 600)?)
                .min_cmn_window(w.count("min_cmn_window", 100)?)
                .center(w.flag("center", false)?)
                .norm_vars(w.flag("norm_vars", false)?);
            ok(f::sliding_window_cmn(w.tensor("specgram")?, options)?)
        }
        "spectral_centroid" => {
            let options = spectrogram_options(w)?;
            ok(f::spectral_centroid(x()?, rate()?, w.tensor("window")?, &options)?)
        }
        "spectrogram" => ok(f::spectrogram(x()?, w.tensor("window")?, &spectrogram_options(w)?)?),
        "speed" => {
            let (waveform, lengths) =
                f::speed(x()?, w.rate("orig_freq")?, w.float("factor", 1.0)?, w.tensor_opt("lengths")?)?;
            Ok(Value::Seq(vec![waveform.into(), lengths.map_or(Value::None, Value::Tensor)]))
        }
        "treble_biquad" => {
            let (gain, central) = (w.float("gain", 0.0)?, w.float("central_freq", 3000.0)?);
            ok(f::treble_biquad(x()?, rate()?, gain, central, q()?)?)
        }
        "vad" => ok(f::vad(x()?, rate()?, w.vad_options()?)?),
        other => unsupported(format!("the function `{other}` is not in the runner's table")),
    }
}
