//! `torchaudio.pipelines`: what a bundle says without its weights.

use flambeau_audio::{models, pipelines};
use flambeau_tensor::Device;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, model};
use crate::{
    call::{Call, Trouble, plain, unsupported},
    case::{Arguments, field},
    compare::{Plain, Tolerance, same_tensor},
    value::{Element, Value},
};

/// Runs one case.
///
/// # Errors
///
/// The bundle is not there, or says something else.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let name = field(json, "bundle")?.as_str().unwrap_or_default();
    if let Some(bundle) = pipelines::ALL.iter().find(|bundle| bundle.name() == name) {
        let said = Heard {
            rate: bundle.sample_rate(),
            normalised: bundle.normalizes_waveform(),
            labels: bundle.labels(),
            options: bundle.options(),
        };
        return said.compared(json, data);
    }
    if let Some(bundle) = pipelines::SEPARATION.iter().find(|bundle| bundle.name() == name) {
        return numbers(json, &[("sample_rate", bundle.sample_rate() as usize)]);
    }
    if let Some(bundle) = pipelines::SPEAKING.iter().find(|bundle| bundle.name() == name) {
        return speaking(bundle, json, data);
    }
    let rnnt = pipelines::EMFORMER_RNNT_BASE_LIBRISPEECH;
    match name {
        "MMS_FA" => aligning(json, data),
        "SQUIM_OBJECTIVE" => numbers(json, &[("sample_rate", pipelines::SQUIM_OBJECTIVE.sample_rate() as usize)]),
        "SQUIM_SUBJECTIVE" => numbers(json, &[("sample_rate", pipelines::SQUIM_SUBJECTIVE.sample_rate() as usize)]),
        "EMFORMER_RNNT_BASE_LIBRISPEECH" => numbers(
            json,
            &[
                ("sample_rate", rnnt.sample_rate() as usize),
                ("n_fft", rnnt.n_fft()),
                ("n_mels", rnnt.n_mels()),
                ("hop_length", rnnt.hop_length()),
                ("segment_length", rnnt.segment_length()),
                ("right_context_length", rnnt.right_context_length()),
                ("_blank", rnnt.blank()),
                ("_right_padding", rnnt.right_padding()),
            ],
        ),
        _ => unsupported(format!("the bundle `{name}` is not here")),
    }
}

fn wrong<T>(what: String) -> Result<T, Trouble> {
    Err(Trouble::Failed(what))
}

fn numbers(json: &Json, ours: &[(&str, usize)]) -> Result<(), Trouble> {
    for (name, ours) in ours {
        if field(json, name)?.as_u64() != Some(*ours as u64) {
            return wrong(format!("our {name} is {ours}"));
        }
    }
    Ok(())
}

/// Texts of a case, or labels.
fn texts<'a>(json: &'a Json, name: &str) -> Vec<&'a str> {
    let list = json.get(name).map(|list| list.get("tuple").unwrap_or(list));
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// What a bundle that hears says of itself.
struct Heard {
    rate: u32,
    normalised: bool,
    labels: Vec<char>,
    options: models::Wav2Vec2ModelBuilder,
}

impl Heard {
    fn compared(self, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
        numbers(json, &[("sample_rate", self.rate as usize)])?;
        if field(json, "_normalize_waveform")?.as_bool() != Some(self.normalised) {
            return wrong(format!("normalised: {}", self.normalised));
        }
        if !self.labels.iter().copied().eq(texts(json, "get_labels").concat().chars()) {
            return wrong(format!("our labels are {:?}", self.labels));
        }
        let params = Call::of(&Arguments::setting(field(json, "_params")?, "dict", data)?)?;
        let inner = model::wav2vec2(base(json), &Words(&params), Device::Cpu)?;
        params.all_read()?;
        same_options(&self.options, &inner)
    }
}

fn same_options(ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) -> Result<(), Trouble> {
    let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
    if ours == theirs { Ok(()) } else { wrong(format!("we have {ours}, torchaudio {theirs}")) }
}

fn base(json: &Json) -> models::Wav2Vec2ModelBuilder {
    match json.get("_model_type").and_then(Json::as_str) {
        Some("WavLM") => models::wavlm_base(),
        _ => models::wav2vec2_base(),
    }
}

fn aligning(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let bundle = pipelines::MMS_FA;
    let theirs = field(json, "get_dict")?.get("dict").and_then(Json::as_object);
    let ours = bundle.dict(true);
    let same = |(label, number): (&String, &Json)| {
        label.chars().next().and_then(|label| ours.get(&label)).copied() == number.as_i64()
    };
    if !theirs.is_some_and(|theirs| theirs.len() == ours.len() && theirs.iter().all(same)) {
        return wrong(format!("our numbers are {ours:?}"));
    }
    let (rate, normalised) = (bundle.sample_rate(), bundle.normalizes_waveform());
    Heard { rate, normalised, labels: bundle.labels(true), options: bundle.options() }.compared(json, data)
}

fn speaking(bundle: &pipelines::Tacotron2TTSBundle, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let params = Call::of(&Arguments::setting(field(json, "_tacotron2_params")?, "dict", data)?)?;
    let theirs = model::speaking(&Words(&params))?;
    params.all_read()?;
    same_options(&bundle.tacotron2_options(), &theirs)?;
    match (json.get("_wavernn_params"), bundle.wavernn_options()) {
        (Some(params), Some(ours)) => {
            let params = Call::of(&Arguments::setting(params, "dict", data)?)?;
            let theirs = model::sampling(&Words(&params))?;
            params.all_read()?;
            same_options(&ours, &theirs)?;
        }
        (None, None) => {}
        (theirs, _) => return wrong(format!("a WaveRNN: {}", theirs.is_some())),
    }
    let Some(encoded) = json.get("encoded") else { return Ok(()) };
    let processor = bundle.text_processor();
    if processor.tokens() != texts(json, "tokens") {
        return wrong(format!("our symbols are {:?}", processor.tokens()));
    }
    let (tokens, lengths) = processor.encode(&texts(json, "texts"))?;
    let theirs = Value::parse(encoded, data)?;
    for (ours, theirs) in [tokens, lengths].iter().zip(theirs.tensors()) {
        same_tensor(&plain(ours)?, &Plain::from(theirs), Tolerance::forward(Element::I32)).map_err(Trouble::Failed)?;
    }
    Ok(())
}
