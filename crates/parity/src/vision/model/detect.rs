//! Networks that find things: their losses in training, and what they find.

use flambeau_tensor::{Tensor, manual_seed, no_grad};
use flambeau_vision::models::{Detection, Detector, Target};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{failed, forward, real};
use crate::{
    call::{Trouble, plain, revive},
    case::field,
    compare::{Numbers, Plain},
    value::{Recorded, Value},
};

pub fn run(model: &dyn Detector, seed: u64, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    forward::filled(model.as_module(), json, data)?;
    let Json::Array(args) = field(json, "args")? else { return failed("damaged recording: args") };
    let Some(images) = args.first() else { return failed("damaged recording: no images") };
    let images = Value::parse(images, data)?.tensors().into_iter().map(revive).collect::<Result<Vec<_>, _>>()?;
    let Json::Array(targets) = field(json, "targets")? else { return failed("damaged recording: targets") };
    let targets = targets.iter().map(|target| as_target(target, data)).collect::<Result<Vec<_>, _>>()?;
    let noise = json.get("noise").and_then(real).unwrap_or(0.0);
    let allowed = (20.0 * noise).max(1e-4);
    // One pass in training, after which all statistics are those of the batch.
    let mut losses = Vec::new();
    let pass = || {
        model.train();
        manual_seed(seed + 2);
        losses = no_grad(|| model.losses(&images, &targets))?;
        Ok(())
    };
    forward::statistics_of(model.as_module(), pass)?;
    let Value::Dict(recorded) = Value::parse(field(json, "losses")?, data)? else { return failed("no losses") };
    for (name, theirs) in &recorded {
        let Some((_, ours)) = losses.iter().find(|(n, _)| n == name) else { return failed(format!("no {name}")) };
        let Value::Tensor(theirs) = theirs else { return failed("a loss is no tensor") };
        same(name, ours, theirs, allowed)?;
    }
    model.eval();
    let found = model.detect(&images)?;
    let theirs = Value::parse(field(json, "output")?, data)?;
    let theirs = theirs.items().unwrap_or_default();
    if theirs.len() != found.len() {
        return failed("as many results as images");
    }
    for (i, (ours, theirs)) in found.iter().zip(theirs).enumerate() {
        let Value::Dict(theirs) = theirs else { return failed("a result is no dict") };
        for (name, theirs) in theirs {
            let (Some(ours), Value::Tensor(theirs)) = (part(ours, name), theirs) else {
                return failed(format!("image {i} has no {name}"));
            };
            same(&format!("{name} of image {i}"), ours, theirs, allowed)?;
        }
    }
    Ok(())
}

fn as_target(json: &Json, data: &SafeTensors<'_>) -> Result<Target, Trouble> {
    let Value::Dict(parts) = Value::parse(json, data)? else { return failed("a target is no dict") };
    let part = |name: &str| match parts.iter().find(|(n, _)| n == name) {
        Some((_, Value::Tensor(tensor))) => revive(tensor).map(Some),
        _ => Ok(None),
    };
    let (Some(boxes), Some(labels)) = (part("boxes")?, part("labels")?) else { return failed("a target lacks boxes") };
    Ok(Target { boxes, labels, masks: part("masks")?, keypoints: part("keypoints")? })
}

fn part<'a>(found: &'a Detection, name: &str) -> Option<&'a Tensor> {
    match name {
        "boxes" => Some(&found.boxes),
        "labels" => Some(&found.labels),
        "scores" => Some(&found.scores),
        "masks" => found.masks.as_ref(),
        "keypoints" => found.keypoints.as_ref(),
        "keypoints_scores" => found.keypoints_scores.as_ref(),
        _ => None,
    }
}

/// Whether a tensor is the recorded one: integers exactly, others up to `allowed` of the largest number.
fn same(what: &str, ours: &Tensor, theirs: &Recorded, allowed: f64) -> Result<(), Trouble> {
    let (ours, theirs) = (plain(ours)?, Plain::from(theirs));
    if ours.shape != theirs.shape {
        return failed(format!("{what} has shape {:?} for {:?}", ours.shape, theirs.shape));
    }
    match (&ours.numbers, &theirs.numbers) {
        (Numbers::Integers(a), Numbers::Integers(b)) if a == b => Ok(()),
        (Numbers::Reals(a), Numbers::Reals(b)) => {
            let largest = b.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            let off = a.iter().zip(b).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
            match off <= allowed * largest {
                true => Ok(()),
                false => failed(format!("{what} is off by {off}, {} is allowed", allowed * largest)),
            }
        }
        _ => failed(format!("{what} differs")),
    }
}
