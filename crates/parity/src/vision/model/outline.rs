//! What a network is made of, and which weights there are for it.

use flambeau_nn::Module;
use flambeau_vision::models::{self, WeightsEntry, get_model_weights};
use serde_json::Value as Json;

use super::{build, failed, real};
use crate::{
    call::{Call, Trouble},
    case::{Arguments, field},
};

pub fn run(name: &str, json: &Json) -> Result<(), Trouble> {
    let call = Call::of(&Arguments::default())?;
    made_of(build::build(name, &call)?.as_module(), json)?;
    weights(get_model_weights(name), json)
}

fn made_of(model: &dyn Module, json: &Json) -> Result<(), Trouble> {
    let Json::Array(recorded) = field(json, "state")? else { return failed("damaged recording: no state") };
    let state = model.state_dict();
    for ((name, tensor), theirs) in state.iter().zip(recorded) {
        let ours = serde_json::json!([name, tensor.dtype().name(), tensor.shape()]);
        if ours != *theirs {
            return failed(format!("our state has {ours}, torchvision's {theirs}"));
        }
    }
    if state.len() != recorded.len() {
        return failed(format!("our state has {} tensors, torchvision's {}", state.len(), recorded.len()));
    }
    match field(json, "parameters")?.as_u64() == Some(model.num_parameters() as u64) {
        true => Ok(()),
        false => failed(format!("we have {} parameters", model.num_parameters())),
    }
}

fn weights(ours: &[&WeightsEntry], json: &Json) -> Result<(), Trouble> {
    let Json::Array(entries) = field(json, "weights")? else { return failed("damaged recording: no weights") };
    if ours.len() != entries.len() {
        return failed(format!("we have {} sets of weights, torchvision {}", ours.len(), entries.len()));
    }
    for (ours, theirs) in ours.iter().zip(entries) {
        let text = |key: &str| theirs.get(key).and_then(Json::as_str).unwrap_or_default();
        if (ours.name, ours.file) != (text("name"), text("file")) {
            return failed(format!("we have the weights {} in {} for {theirs}", ours.name, ours.file));
        }
        let default = models::get_weight(&format!("{}.DEFAULT", ours.model)).is_ok_and(|best| best == *ours);
        if theirs.get("default").and_then(Json::as_bool) != Some(default) {
            return failed(format!("{} is the default: {default}", ours.name));
        }
        if theirs.get("categories").and_then(Json::as_u64) != Some(ours.categories().len() as u64) {
            return failed(format!("{} tells {} classes apart", ours.name, ours.categories().len()));
        }
        if let Some(Json::Array(lines)) = theirs.get("transforms") {
            let lines: Vec<&str> = lines.iter().filter_map(Json::as_str).collect();
            let printed = ours.transforms().to_string();
            if printed != lines.join("\n") {
                return failed(format!("{} prints {printed} for {lines:?}", ours.name));
            }
        }
        meta(ours, theirs)?;
    }
    Ok(())
}

fn meta(ours: &WeightsEntry, theirs: &Json) -> Result<(), Trouble> {
    let inside = |json: Option<&Json>, key: &str| json.and_then(|json| json.get("dict")?.get(key)).cloned();
    let meta = theirs.get("meta");
    let params = inside(meta, "num_params").and_then(|n| n.as_u64());
    if params.is_some_and(|params| params != ours.num_params as u64) {
        return failed(format!("{} has {} parameters for {params:?}", ours.name, ours.num_params));
    }
    let Some(Json::Object(sets)) = inside(meta, "_metrics").and_then(|sets| sets.get("dict").cloned()) else {
        return Ok(());
    };
    for (set, measures) in &sets {
        for (measure, value) in measures.get("dict").and_then(Json::as_object).into_iter().flatten() {
            let known = ours.metrics.iter().any(|(s, m, v)| s == set && m == measure && Some(*v) == real(value));
            if !known && real(value).is_some_and(|value| !value.is_nan()) {
                return failed(format!("{} has no {measure} {value} on {set}", ours.name));
            }
        }
    }
    Ok(())
}
