//! `torchaudio.transforms`: how each module is made and called here.

use flambeau_audio::{
    functional::{RnntLossOptions, SlidingWindowCmnOptions},
    transforms as t,
};
use flambeau_nn::{Call as _, Layer, Module};
use flambeau_tensor::{Build, StateDict, Tensor, manual_seed};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::Words;
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, as_scalar, ok, revive, unsupported},
    case::{Arguments, Expected, field},
    run::{Made, live, same_output},
    value::Value,
};

/// The last call of a case.
pub(crate) fn last(json: &Json) -> &Json {
    json.get("calls").and_then(Json::as_array).and_then(|calls| calls.last()).unwrap_or(json)
}

/// Runs one case: makes the module, loads its buffers, seeds the generator and calls it, several times where the
/// recording does.
///
/// # Errors
///
/// The module is not in the table, or failed where torchaudio's did not.
pub(crate) fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<Made, Trouble> {
    let mut state = StateDict::new();
    let recorded =
        if json.get("state").is_some() { Arguments::setting(json, "state", data)? } else { Arguments::default() };
    for (key, value) in recorded.kwargs {
        let Value::Tensor(tensor) = value else { return unsupported(format!("`{key}` in the state")) };
        state.insert(key, revive(&tensor)?);
    }
    let constructor = Call::of(&Arguments::setting(json, "ctor", data)?)?;
    let module = made(name, &Words(&constructor), &state)?;
    constructor.all_read()?;
    manual_seed(json.get("seed").and_then(Json::as_u64).unwrap_or(0) + 1);
    let calls = field(json, "calls")?.as_array().map_or(&[][..], Vec::as_slice);
    let mut same = Ok(());
    for (i, call) in calls.iter().enumerate() {
        let args = positional(call, data)?;
        let mut leaves = Vec::new();
        let live = live(&args, &mut leaves)?;
        let output = module(&live)?;
        live.all_read()?;
        let expected = Expected::parse(call, data)?;
        let found = same_output(name, &output, &expected)?.map_err(|why| format!("call {i}: {why}"));
        same = same.and(found);
        if i + 1 == calls.len() {
            return Ok(Made { output, leaves, expected, same });
        }
    }
    unsupported("a case without a call")
}

/// Arguments without names.
pub(super) fn positional(call: &Json, data: &SafeTensors<'_>) -> Result<Arguments, Trouble> {
    let Some(args) = field(call, "args")?.as_array() else { return unsupported("arguments that are no list") };
    let args = args.iter().map(|a| Value::parse(a, data)).collect::<Result<_, _>>()?;
    Ok(Arguments { args, kwargs: Vec::new() })
}

type Calls = Box<dyn Fn(&Call) -> Outcome>;

/// Loads the recorded buffers. A recording leaves out those that are large and computed, which are kept as made.
fn loaded<M: Module>(module: M, state: &StateDict) -> Result<M, Trouble> {
    let mut state = state.clone();
    for (key, tensor) in module.state_dict().iter() {
        if state.get(key).is_none() {
            state.insert(key.to_string(), tensor.clone());
        }
    }
    module.load_state_dict(&state)?;
    Ok(module)
}

/// A module of one tensor with the recorded buffers.
fn layer<M: Layer>(builder: impl Build<Output = M>, state: &StateDict) -> Result<Calls, Trouble> {
    let module = loaded(builder.build()?, state)?;
    Ok(Box::new(move |c| ok(module.call(c.x()?)?)))
}

fn plain<M: Layer>(module: M) -> Result<Calls, Trouble> {
    Ok(Box::new(move |c| ok(module.call(c.x()?)?)))
}

/// A waveform with its length, which may be unknown.
fn timed((waveform, lengths): (Tensor, Option<Tensor>)) -> Outcome {
    Ok(Value::Seq(vec![waveform.into(), lengths.map_or(Value::None, Value::Tensor)]))
}

/// A nested dict of options.
fn nested(w: &Words<'_>, name: &str) -> Result<Call, Trouble> {
    let kwargs = match w.0.keyword(name) {
        None | Some(Value::None) => Vec::new(),
        Some(Value::Dict(items)) => items.clone(),
        Some(other) => return unsupported(format!("`{name}` is {}", other.kind())),
    };
    Ok(Call::with(Vec::new(), kwargs))
}

fn spectrogram(w: &Words<'_>) -> Result<t::SpectrogramBuilder, Trouble> {
    let power = if w.0.keyword("power").is_some() { w.float_opt("power")? } else { Some(2.0) };
    Ok(t::Spectrogram::new()
        .n_fft(w.count("n_fft", 400)?)
        .win_length(w.count_opt("win_length")?)
        .hop_length(w.count_opt("hop_length")?)
        .pad(w.count("pad", 0)?)
        .window_fn(w.window_fn()?)
        .power(power)
        .normalized(w.normalized()?)
        .center(w.flag("center", true)?)
        .pad_mode(w.pad_mode("pad_mode", "reflect")?)
        .onesided(w.flag("onesided", true)?))
}

fn mel_spectrogram(w: &Words<'_>, sample_rate: u32) -> Result<t::MelSpectrogramBuilder, Trouble> {
    Ok(t::MelSpectrogram::new(sample_rate)
        .n_fft(w.count("n_fft", 400)?)
        .win_length(w.count_opt("win_length")?)
        .hop_length(w.count_opt("hop_length")?)
        .f_min(w.float("f_min", 0.0)?)
        .f_max(w.float_opt("f_max")?)
        .pad(w.count("pad", 0)?)
        .n_mels(w.count("n_mels", 128)?)
        .window_fn(w.window_fn()?)
        .power(w.float("power", 2.0)?)
        .normalized(w.normalized()?)
        .center(w.flag("center", true)?)
        .pad_mode(w.pad_mode("pad_mode", "reflect")?)
        .norm(w.norm()?)
        .mel_scale(w.mel_scale()?))
}

fn made(name: &str, w: &Words<'_>, state: &StateDict) -> Result<Calls, Trouble> {
    let rate = || w.rate("sample_rate");
    match name {
        "AddNoise" => {
            Ok(Box::new(|c| ok(t::AddNoise::new().call((c.x()?, c.tensor(1, "noise")?, c.tensor(2, "snr")?))?)))
        }
        "AmplitudeToDB" => {
            let stype = match w.text("stype", "power")? {
                "power" => t::AmplitudeKind::Power,
                _ => t::AmplitudeKind::Magnitude,
            };
            layer(t::AmplitudeToDB::new().stype(stype).top_db(w.float_opt("top_db")?), state)
        }
        "Convolve" => {
            let module = t::Convolve::new(w.convolve_mode()?);
            Ok(Box::new(move |c| ok(module.call((c.x()?, c.tensor(1, "y")?))?)))
        }
        "FFTConvolve" => {
            let module = t::FFTConvolve::new(w.convolve_mode()?);
            Ok(Box::new(move |c| ok(module.call((c.x()?, c.tensor(1, "y")?))?)))
        }
        "Deemphasis" => plain(t::Deemphasis::new(w.float("coeff", 0.97)?)),
        "Preemphasis" => plain(t::Preemphasis::new(w.float("coeff", 0.97)?)),
        "Fade" => {
            let shape = match w.text("fade_shape", "linear")? {
                "linear" => t::FadeShape::Linear,
                "exponential" => t::FadeShape::Exponential,
                "logarithmic" => t::FadeShape::Logarithmic,
                "quarter_sine" => t::FadeShape::QuarterSine,
                "half_sine" => t::FadeShape::HalfSine,
                other => return unsupported(format!("fade {other}")),
            };
            let (rise, fall) = (w.count("fade_in_len", 0)?, w.count("fade_out_len", 0)?);
            layer(t::Fade::new().fade_in_len(rise).fade_out_len(fall).fade_shape(shape), state)
        }
        "FrequencyMasking" | "TimeMasking" => {
            let (each, p) = (w.flag("iid_masks", false)?, w.float("p", 1.0)?);
            let (time, param) =
                (name == "TimeMasking", if name == "TimeMasking" { "time_mask_param" } else { "freq_mask_param" });
            let param = w.count(param, 0)?;
            // The value is an argument of each call there.
            Ok(Box::new(move |c| {
                let value = c.float_or(1, "mask_value", 0.0)?;
                let x = c.x()?;
                ok(match time {
                    true => t::TimeMasking::new(param).iid_masks(each).p(p).value(value).build()?.call(x)?,
                    false => t::FrequencyMasking::new(param).iid_masks(each).p(p).value(value).build()?.call(x)?,
                })
            }))
        }
        "ComputeDeltas" => plain(t::ComputeDeltas::new(w.count("win_length", 5)?, w.pad_mode("mode", "replicate")?)),
        "GriffinLim" => layer(
            t::GriffinLim::new()
                .n_fft(w.count("n_fft", 400)?)
                .n_iter(w.count("n_iter", 32)?)
                .win_length(w.count_opt("win_length")?)
                .hop_length(w.count_opt("hop_length")?)
                .window_fn(w.window_fn()?)
                .power(w.float("power", 2.0)?)
                .momentum(w.float("momentum", 0.99)?)
                .length(w.count_opt("length")?)
                .rand_init(w.flag("rand_init", true)?),
            state,
        ),
        "InverseSpectrogram" => {
            let module = t::InverseSpectrogram::new()
                .n_fft(w.count("n_fft", 400)?)
                .win_length(w.count_opt("win_length")?)
                .hop_length(w.count_opt("hop_length")?)
                .pad(w.count("pad", 0)?)
                .window_fn(w.window_fn()?)
                .normalized(w.normalized()?)
                .center(w.flag("center", true)?)
                .onesided(w.flag("onesided", true)?)
                .build()?;
            let module = loaded(module, state)?;
            Ok(Box::new(move |c| match c.given(1, "length") {
                Some(_) => ok(module.call((c.x()?, c.size(1, "length")?))?),
                None => ok(module.call(c.x()?)?),
            }))
        }
        "LFCC" => {
            let inner = nested(w, "speckwargs")?;
            let spectrogram = spectrogram(&Words(&inner))?;
            inner.all_read()?;
            let lfcc = t::LFCC::new(rate()?)
                .n_filter(w.count("n_filter", 128)?)
                .f_min(w.float("f_min", 0.0)?)
                .f_max(w.float_opt("f_max")?)
                .n_lfcc(w.count("n_lfcc", 40)?)
                .ortho(w.ortho()?)
                .log_lf(w.flag("log_lf", false)?);
            layer(lfcc.spectrogram(spectrogram), state)
        }
        "Loudness" => plain(t::Loudness::new(rate()?)),
        "MFCC" => {
            let inner = nested(w, "melkwargs")?;
            let mel = mel_spectrogram(&Words(&inner), rate()?)?;
            inner.all_read()?;
            let mfcc = t::MFCC::new(rate()?).n_mfcc(w.count("n_mfcc", 40)?).ortho(w.ortho()?);
            layer(mfcc.log_mels(w.flag("log_mels", false)?).mel_spectrogram(mel), state)
        }
        "MelScale" => layer(
            t::MelScale::new(rate()?)
                .n_mels(w.count("n_mels", 128)?)
                .f_min(w.float("f_min", 0.0)?)
                .f_max(w.float_opt("f_max")?)
                .n_stft(w.count("n_stft", 201)?)
                .norm(w.norm()?)
                .mel_scale(w.mel_scale()?),
            state,
        ),
        "MelSpectrogram" => layer(mel_spectrogram(w, rate()?)?, state),
        "InverseMelScale" => {
            w.text("driver", "gels")?;
            layer(
                t::InverseMelScale::new(w.rate("sample_rate")?, w.count("n_stft", 0)?)
                    .n_mels(w.count("n_mels", 128)?)
                    .f_min(w.float("f_min", 0.0)?)
                    .f_max(w.float_opt("f_max")?)
                    .norm(w.norm()?)
                    .mel_scale(w.mel_scale()?),
                state,
            )
        }
        "MVDR" => {
            let solution = match w.text("solution", "ref_channel")? {
                "ref_channel" => t::MVDRSolution::RefChannel,
                "stv_evd" => t::MVDRSolution::StvEvd,
                "stv_power" => t::MVDRSolution::StvPower,
                other => return unsupported(format!("solution {other}")),
            };
            let module = t::MVDR::new()
                .ref_channel(w.count("ref_channel", 0)?)
                .solution(solution)
                .multi_mask(w.flag("multi_mask", false)?)
                .diag_loading(w.flag("diag_loading", true)?)
                .diag_eps(w.float("diag_eps", 1e-7)?)
                .online(w.flag("online", false)?)
                .build()?;
            let module = loaded(module, state)?;
            Ok(Box::new(move |c| ok(module.call((c.x()?, c.tensor(1, "mask_s")?, c.tensor_opt(2, "mask_n")?))?)))
        }
        "RTFMVDR" => Ok(Box::new(|c| {
            let reference = c.size(3, "reference_channel")?.into();
            let (rtf, noise) = (c.tensor(1, "rtf")?, c.tensor(2, "psd_n")?);
            ok(t::RTFMVDR::default().call((c.x()?, rtf, noise, reference))?)
        })),
        "SoudenMVDR" => Ok(Box::new(|c| {
            let reference = c.size(3, "reference_channel")?.into();
            let (speech, noise) = (c.tensor(1, "psd_s")?, c.tensor(2, "psd_n")?);
            ok(t::SoudenMVDR::default().call((c.x()?, speech, noise, reference))?)
        })),
        "MuLawDecoding" => plain(t::MuLawDecoding::new(w.count("quantization_channels", 256)?)),
        "MuLawEncoding" => plain(t::MuLawEncoding::new(w.count("quantization_channels", 256)?)),
        "PSD" => {
            let module = t::PSD::new()
                .multi_mask(w.flag("multi_mask", false)?)
                .normalize(w.flag("normalize", true)?)
                .eps(w.float("eps", 1e-15)?)
                .build()?;
            Ok(Box::new(move |c| match c.tensor_opt(1, "mask")? {
                Some(mask) => ok(module.call((c.x()?, mask))?),
                None => ok(module.call(c.x()?)?),
            }))
        }
        "PitchShift" => layer(
            t::PitchShift::new(rate()?, w.0.int(KEYWORD, "n_steps")? as i32)
                .bins_per_octave(w.count("bins_per_octave", 12)? as u32)
                .n_fft(w.count("n_fft", 512)?)
                .win_length(w.count_opt("win_length")?)
                .hop_length(w.count_opt("hop_length")?)
                .window_fn(w.window_fn()?),
            state,
        ),
        "RNNTLoss" => {
            let options = RnntLossOptions::new()
                .blank(w.0.int_or(KEYWORD, "blank", -1)? as isize)
                .clamp(w.float("clamp", -1.0)?)
                .reduction(w.reduction()?)
                .fused_log_softmax(w.flag("fused_log_softmax", true)?);
            let module = t::RNNTLoss::new(options);
            Ok(Box::new(move |c| {
                let (targets, counts) = (c.tensor(1, "targets")?, c.tensor(3, "target_lengths")?);
                ok(module.call((c.x()?, targets, c.tensor(2, "logit_lengths")?, counts))?)
            }))
        }
        "Resample" => {
            let resample = t::Resample::new(w.rate("orig_freq")?, w.rate("new_freq")?)
                .lowpass_filter_width(w.count("lowpass_filter_width", 6)?)
                .rolloff(w.float("rolloff", 0.99)?)
                .resampling_method(w.resampling()?)
                .dtype(w.0.dtype_opt(KEYWORD, "dtype")?);
            layer(resample, state)
        }
        "Speed" => {
            let module = t::Speed::new(w.rate("orig_freq")?, w.float("factor", 1.0)?)?;
            Ok(Box::new(move |c| timed(module.call((c.x()?, c.tensor_opt(1, "lengths")?))?)))
        }
        "SpeedPerturbation" => {
            let factors = match w.0.keyword("factors").and_then(Value::items) {
                Some(items) => items.iter().filter_map(as_scalar).map(|s| s.to_f64()).collect::<Vec<f64>>(),
                None => return unsupported("no factors"),
            };
            let module = t::SpeedPerturbation::new(w.rate("orig_freq")?, &factors)?;
            Ok(Box::new(move |c| timed(module.call((c.x()?, c.tensor_opt(1, "lengths")?))?)))
        }
        "SpecAugment" => {
            let count = |name: &str| w.count(name, 0);
            let augment = t::SpecAugment::new(
                count("n_time_masks")?,
                count("time_mask_param")?,
                count("n_freq_masks")?,
                count("freq_mask_param")?,
            );
            let augment = augment.iid_masks(w.flag("iid_masks", true)?).p(w.float("p", 1.0)?);
            layer(augment.zero_masking(w.flag("zero_masking", false)?), state)
        }
        "SlidingWindowCmn" => plain(t::SlidingWindowCmn::new(
            SlidingWindowCmnOptions::new()
                .cmn_window(w.count("cmn_window", 600)?)
                .min_cmn_window(w.count("min_cmn_window", 100)?)
                .center(w.flag("center", false)?)
                .norm_vars(w.flag("norm_vars", false)?),
        )),
        "SpectralCentroid" => layer(
            t::SpectralCentroid::new(rate()?)
                .n_fft(w.count("n_fft", 400)?)
                .win_length(w.count_opt("win_length")?)
                .hop_length(w.count_opt("hop_length")?)
                .pad(w.count("pad", 0)?)
                .window_fn(w.window_fn()?),
            state,
        ),
        "Spectrogram" => layer(spectrogram(w)?, state),
        "TimeStretch" => {
            let module = t::TimeStretch::new()
                .hop_length(w.count_opt("hop_length")?)
                .n_freq(w.count("n_freq", 201)?)
                .fixed_rate(w.float_opt("fixed_rate")?)
                .build()?;
            let module = loaded(module, state)?;
            Ok(Box::new(move |c| match c.float_opt(1, "overriding_rate")? {
                Some(rate) => ok(module.call((c.x()?, rate))?),
                None => ok(module.call(c.x()?)?),
            }))
        }
        "Vad" => plain(t::Vad::new(rate()?, w.vad_options()?)),
        "Vol" => {
            let gain_type = match w.text("gain_type", "amplitude")? {
                "amplitude" => t::GainType::Amplitude,
                "power" => t::GainType::Power,
                "db" => t::GainType::Db,
                other => return unsupported(format!("gain {other}")),
            };
            layer(t::Vol::new(w.float("gain", 1.0)?).gain_type(gain_type), state)
        }
        other => unsupported(format!("the transform `{other}` is not in the runner's table")),
    }
}
