//! Networks: what they are made of, what they are filled with, and what they make of an input.

mod build;
mod detect;
mod forward;
mod outline;

use flambeau_tensor::{DType, Tensor, manual_seed};
use flambeau_vision::models::Network;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Call, Trouble},
    case::{Arguments, field, tensors},
    compare::{Numbers, Plain},
    value::Recorded,
};

/// Runs one case.
///
/// # Errors
///
/// The network is not in the table, failed, or is not torchvision's.
pub fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    if json.get("case").and_then(Json::as_str) == Some("outline") {
        return outline::run(name, json);
    }
    let options = Call::of(&Arguments::setting(json, "ctor_kwargs", data)?)?;
    let seed = field(json, "seed")?.as_u64().unwrap_or_default();
    let make = || -> Result<Box<dyn Network>, Trouble> {
        manual_seed(seed);
        let model = build::build(name, &options)?;
        options.all_read()?;
        Ok(model)
    };
    let model = make()?;
    if let Some(detector) = model.as_detector() {
        return detect::run(detector, seed, json, data);
    }
    forward::run(&*model, json, data)?;
    if json.get("step").is_some_and(|step| !step.is_null()) {
        forward::step(&*make()?, json, data)?;
    }
    match json.get("graph_nodes").is_some_and(|nodes| !nodes.is_null()) {
        true => Err(Trouble::Unsupported("all else is right; `graph_nodes` that are no modules are not told".into())),
        false => Ok(()),
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Failed(why.into()))
}

/// The tensor in `json[key]`.
fn recorded(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Recorded, Trouble> {
    let mut list = tensors(&Json::Array(vec![field(json, key)?.clone()]), data)?;
    list.pop().ok_or_else(|| Trouble::Failed(format!("damaged recording: {key} is null")))
}

/// The numbers of the tensor in `json[key]`.
fn numbers(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Vec<f64>, Trouble> {
    match Plain::from(&recorded(json, key, data)?).numbers {
        Numbers::Reals(numbers) => Ok(numbers),
        _ => failed(format!("damaged recording: {key} is not of real numbers")),
    }
}

/// The list of texts in `json[key]`.
fn texts<'a>(json: &'a Json, key: &str) -> Result<Vec<&'a str>, Trouble> {
    let Json::Array(list) = field(json, key)? else { return failed(format!("damaged recording: no {key}")) };
    Ok(list.iter().filter_map(Json::as_str).collect())
}

/// A float as the recordings write it.
fn real(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.get("f").and_then(Json::as_str).and_then(|text| text.parse().ok()))
}

/// Σ x, Σ |x|, the first and the last number.
fn row(tensor: &Tensor) -> Result<[f64; 4], Trouble> {
    let numbers = tensor.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    let (first, last) = (numbers.first().copied().unwrap_or(0.0), numbers.last().copied().unwrap_or(0.0));
    Ok([numbers.iter().sum(), numbers.iter().map(|v| v.abs()).sum(), first, last])
}

/// Whether all rows are the recorded ones, within `share` of the sum of what they add up; what is zero but for rounding
/// has no digits to compare, so 1e-7 for each number is allowed in any case.
fn same_rows<'a>(ours: impl Iterator<Item = (String, &'a Tensor)>, theirs: &[f64], share: f64) -> Result<(), Trouble> {
    for ((name, tensor), theirs) in ours.zip(theirs.as_chunks::<4>().0) {
        let ours = row(tensor)?;
        let allowed = share * theirs[1] + 1e-7 * tensor.numel() as f64;
        if let Some(i) = (0..4).find(|i| (ours[*i] - theirs[*i]).abs() > allowed) {
            return failed(format!("{name} is {ours:?} for {theirs:?}, first at {i}"));
        }
    }
    Ok(())
}
