//! `torchaudio.pipelines`: what a bundle says without its weights.

use flambeau_audio::{models, pipelines};
use flambeau_tensor::Device;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, model};
use crate::{
    call::{Call, Trouble, unsupported},
    case::{Arguments, field},
};

/// Runs one case.
///
/// # Errors
///
/// The bundle is not there, or says something else.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let name = field(json, "bundle")?.as_str().unwrap_or_default();
    let Some(bundle) = pipelines::ALL.iter().find(|bundle| bundle.name() == name) else {
        return unsupported(format!("the bundle `{name}` is not here"));
    };
    let wrong = |what: String| Err(Trouble::Failed(format!("{name}: {what}")));
    if field(json, "sample_rate")?.as_u64() != Some(u64::from(bundle.sample_rate())) {
        return wrong(format!("our rate is {}", bundle.sample_rate()));
    }
    if field(json, "_normalize_waveform")?.as_bool() != Some(bundle.normalizes_waveform()) {
        return wrong(format!("normalised: {}", bundle.normalizes_waveform()));
    }
    let labels = json.get("get_labels").and_then(|l| l.get("tuple")).and_then(Json::as_array);
    let labels: String = labels.into_iter().flatten().filter_map(Json::as_str).collect();
    if !bundle.labels().into_iter().eq(labels.chars()) {
        return wrong(format!("our labels are {:?}", bundle.labels()));
    }
    let params = Call::of(&Arguments::setting(field(json, "_params")?, "dict", data)?)?;
    let inner = model::wav2vec2(base(json), &Words(&params), Device::Cpu)?;
    params.all_read()?;
    let (ours, theirs) = (format!("{:?}", bundle.options()), format!("{inner:?}"));
    if ours == theirs { Ok(()) } else { wrong(format!("we have {ours}, torchaudio {theirs}")) }
}

fn base(json: &Json) -> models::Wav2Vec2ModelBuilder {
    match json.get("_model_type").and_then(Json::as_str) {
        Some("WavLM") => models::wavlm_base(),
        _ => models::wav2vec2_base(),
    }
}
