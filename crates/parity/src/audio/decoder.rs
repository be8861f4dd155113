//! `torchaudio.models.decoder`: what goes into a search, and the hypotheses that come out.

use flambeau_audio::models::decoder as d;
use flambeau_nn::Module as _;
use flambeau_tensor::{StateDict, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Words, model};
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, plain, unsupported},
    case::{Arguments, field},
    compare::{Tolerance, same},
    value::Value,
};

/// Runs one case.
///
/// # Errors
///
/// The decoder is not in the table, or finds other hypotheses.
pub fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let call = Call::of(&Arguments::setting(json, "kwargs", data)?)?;
    let w = Words(&call);
    let found = match name {
        "ctc_decoder" => ctc(&w)?,
        "RNNTBeamSearch" | "RNNTBeamSearch.infer" => transducer(name, &w)?,
        other => return unsupported(format!("the decoder `{other}` is not in the runner's table")),
    };
    call.all_read()?;
    let theirs = Value::parse(field(json, "output")?, data)?;
    // Tokens are exact, scores as sums in single precision.
    let close = |_| Tolerance { relative: 1.3e-5, absolute: 1e-5 };
    same(&found.map(&mut plain)?, &theirs, &close).map_err(Trouble::Failed)
}

fn dict<'a>(w: &Words<'a>, name: &str) -> Result<&'a [(String, Value<Tensor>)], Trouble> {
    match w.0.given(KEYWORD, name) {
        None => Ok(&[]),
        Some(Value::Dict(items)) => Ok(items),
        Some(other) => unsupported(format!("`{name}` is {}", other.kind())),
    }
}

fn transducer(name: &str, w: &Words<'_>) -> Outcome {
    let setting = Call::with(Vec::new(), dict(w, "model")?.to_vec());
    let network = model::transducer(&Words(&setting))?.build()?;
    setting.all_read()?;
    let mut state = StateDict::new();
    for (key, value) in dict(w, "state")? {
        let Value::Tensor(tensor) = value else { return unsupported(format!("`{key}` in the state")) };
        state.insert(key.clone(), tensor.clone());
    }
    network.load_state_dict(&state)?;
    network.eval();
    let search = d::RNNTBeamSearch::new(network, w.count("blank", 0)?)
        .temperature(w.float("temperature", 1.0)?)
        .step_max_tokens(w.count("step_max_tokens", 100)?)
        .build()?;
    let (length, width) = (w.tensor("length")?, w.count("beam_width", 1)?);
    if name == "RNNTBeamSearch" {
        return Ok(hypotheses(&search.search(w.tensor("input")?, length, width)?));
    }
    let (mut state, mut found, mut outputs) = (None, None, Vec::new());
    let chunks = w.tensor("chunks")?;
    for i in 0..chunks.shape()[0] {
        let (now, after) = search.infer(&chunks.select(0, i as isize)?, length, width, state.as_ref(), found.take())?;
        outputs.push(hypotheses(&now));
        (found, state) = (Some(now), Some(after));
    }
    Ok(Value::Seq(outputs))
}

fn hypotheses(found: &[d::Hypothesis]) -> Value<Tensor> {
    let tokens = |h: &d::Hypothesis| Value::Seq(h.tokens.iter().map(|t| Value::Int(*t)).collect());
    Value::Seq(found.iter().map(|h| Value::Seq(vec![tokens(h), Value::Float(h.score)])).collect())
}

fn ctc(w: &Words<'_>) -> Outcome {
    let texts = |value: Option<&Value<Tensor>>| -> Vec<String> {
        let items = value.and_then(Value::items).unwrap_or_default();
        items.iter().filter_map(|v| if let Value::Str(s) = v { Some(s.clone()) } else { None }).collect()
    };
    let tokens = texts(w.0.given(KEYWORD, "tokens"));
    let spelled = |(word, spelling): &(String, Value<Tensor>)| match spelling {
        Value::Str(spelling) => Some((word.clone(), spelling.clone())),
        _ => None,
    };
    let lexicon: Vec<(String, String)> = dict(w, "lexicon")?.iter().filter_map(spelled).collect();
    let decoder = d::CTCDecoder::new(tokens)
        .lexicon(lexicon)
        .nbest(w.count("nbest", 1)?)
        .beam_size(w.count("beam_size", 50)?)
        .beam_size_token(w.count_opt("beam_size_token")?)
        .beam_threshold(w.float("beam_threshold", 50.0)?)
        .lm_weight(w.float("lm_weight", 2.0)?)
        .word_score(w.float("word_score", 0.0)?)
        .unk_score(w.float("unk_score", f64::NEG_INFINITY)?)
        .sil_score(w.float("sil_score", 0.0)?)
        .log_add(w.flag("log_add", false)?)
        .build()?;
    let found = decoder.decode(w.tensor("emissions")?, w.tensor_opt("lengths")?)?;
    let one = |h: d::CTCHypothesis| -> Outcome {
        let n = h.tokens.len();
        let tokens = Tensor::from_vec(h.tokens.iter().map(|t| *t as i64).collect::<Vec<_>>(), n)?;
        let steps = Tensor::from_vec(h.timesteps.iter().map(|t| *t as i32).collect::<Vec<_>>(), n)?;
        Ok(Value::Dict(vec![
            ("tokens".into(), tokens.into()),
            ("words".into(), Value::Seq(h.words.into_iter().map(Value::Str).collect())),
            ("score".into(), Value::Float(h.score)),
            ("timesteps".into(), steps.into()),
        ]))
    };
    let batch = |all: Vec<d::CTCHypothesis>| Ok(Value::Seq(all.into_iter().map(one).collect::<Result<_, Trouble>>()?));
    Ok(Value::Seq(found.into_iter().map(batch).collect::<Result<_, Trouble>>()?))
}
