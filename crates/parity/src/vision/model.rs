//! Networks: what they are made of, what they are filled with, and what they make of an input.

use flambeau_nn::{Call as _, Module};
use flambeau_tensor::{DType, Tensor, manual_seed, no_grad};
use flambeau_vision::models::{
    self, ResNeXt50_32X4DWeights, ResNeXt101_32X8DWeights, ResNeXt101_64X4DWeights, ResNet, ResNet18Weights,
    ResNet34Weights, ResNet50Weights, ResNet101Weights, ResNet152Weights, ResNetBuilder, WeightsEntry,
    WideResNet50_2Weights, WideResNet101_2Weights,
};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Trouble, plain, revive, unsupported},
    case::{field, tensors},
    compare::{Numbers, Plain},
};

type Entry = (&'static str, fn() -> ResNetBuilder, &'static [&'static WeightsEntry]);

/// The networks that there are, with their weights.
const TABLE: &[Entry] = &[
    ("resnet18", models::resnet18, &[ResNet18Weights::IMAGENET1K_V1]),
    ("resnet34", models::resnet34, &[ResNet34Weights::IMAGENET1K_V1]),
    ("resnet50", models::resnet50, &[ResNet50Weights::IMAGENET1K_V1, ResNet50Weights::IMAGENET1K_V2]),
    ("resnet101", models::resnet101, &[ResNet101Weights::IMAGENET1K_V1, ResNet101Weights::IMAGENET1K_V2]),
    ("resnet152", models::resnet152, &[ResNet152Weights::IMAGENET1K_V1, ResNet152Weights::IMAGENET1K_V2]),
    (
        "resnext50_32x4d",
        models::resnext50_32x4d,
        &[ResNeXt50_32X4DWeights::IMAGENET1K_V1, ResNeXt50_32X4DWeights::IMAGENET1K_V2],
    ),
    (
        "resnext101_32x8d",
        models::resnext101_32x8d,
        &[ResNeXt101_32X8DWeights::IMAGENET1K_V1, ResNeXt101_32X8DWeights::IMAGENET1K_V2],
    ),
    ("resnext101_64x4d", models::resnext101_64x4d, &[ResNeXt101_64X4DWeights::IMAGENET1K_V1]),
    (
        "wide_resnet50_2",
        models::wide_resnet50_2,
        &[WideResNet50_2Weights::IMAGENET1K_V1, WideResNet50_2Weights::IMAGENET1K_V2],
    ),
    (
        "wide_resnet101_2",
        models::wide_resnet101_2,
        &[WideResNet101_2Weights::IMAGENET1K_V1, WideResNet101_2Weights::IMAGENET1K_V2],
    ),
];

/// Runs one case.
///
/// # Errors
///
/// The network is not in the table, failed, or is not torchvision's.
pub fn run(name: &str, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let Some((_, builder, weights)) = TABLE.iter().find(|entry| entry.0 == name) else {
        return unsupported(format!("the network `{name}` is not in the runner's table"));
    };
    if json.get("case").and_then(Json::as_str) == Some("outline") {
        return outline(&builder().build()?, weights, json);
    }
    if field(json, "ctor_kwargs")?.as_object().is_none_or(|kwargs| !kwargs.is_empty()) {
        return unsupported("a network with options");
    }
    manual_seed(field(json, "seed")?.as_u64().unwrap_or_default());
    forward(&builder().build()?, json, data)?;
    match ["step", "features"].iter().find(|key| json.get(key).is_some_and(|v| !v.is_null())) {
        Some(key) => unsupported(format!("names, values, text and output are right; `{key}` is not compared")),
        None => Ok(()),
    }
}

fn failed<T>(why: String) -> Result<T, Trouble> {
    Err(Trouble::Failed(why))
}

fn outline(model: &ResNet, weights: &[&WeightsEntry], json: &Json) -> Result<(), Trouble> {
    let Json::Array(recorded) = field(json, "state")? else { return failed("damaged recording: no state".into()) };
    let state = model.state_dict();
    if state.len() != recorded.len() {
        return failed(format!("our state has {} tensors, torchvision's {}", state.len(), recorded.len()));
    }
    for ((name, tensor), theirs) in state.iter().zip(recorded) {
        let ours = serde_json::json!([name, tensor.dtype().name(), tensor.shape()]);
        if ours != *theirs {
            return failed(format!("our state has {ours}, torchvision's {theirs}"));
        }
    }
    if field(json, "parameters")?.as_u64() != Some(model.num_parameters() as u64) {
        return failed(format!("we have {} parameters", model.num_parameters()));
    }
    let Json::Array(entries) = field(json, "weights")? else { return failed("damaged recording: no weights".into()) };
    let known = |entry: &Json| {
        let text = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default();
        weights.iter().any(|ours| ours.name == text("name") && ours.file == text("file"))
    };
    match entries.iter().find(|entry| !known(entry)) {
        Some(missing) => failed(format!("we have no weights {missing}")),
        None => Ok(()),
    }
}

/// Σ x, Σ |x|, the first and the last number.
fn row(tensor: &Tensor) -> Result<[f64; 4], Trouble> {
    let numbers = tensor.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    let (first, last) = (numbers.first().copied().unwrap_or(0.0), numbers.last().copied().unwrap_or(0.0));
    Ok([numbers.iter().sum(), numbers.iter().map(|v| v.abs()).sum(), first, last])
}

fn forward(model: &ResNet, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let Json::Array(names) = field(json, "names")? else { return failed("damaged recording: no names".into()) };
    let state = model.state_dict();
    if !state.names().eq(names.iter().filter_map(Json::as_str)) {
        return failed("the names of our state are others".into());
    }
    let one = |key: &str| -> Result<_, Trouble> {
        let mut list = tensors(&Json::Array(vec![field(json, key)?.clone()]), data)?;
        list.pop().ok_or_else(|| Trouble::Failed(format!("damaged recording: {key} is null")))
    };
    let Numbers::Reals(init) = Plain::from(&one("init")?).numbers else {
        return failed("damaged recording: init".into());
    };
    for ((name, tensor), theirs) in state.iter().zip(init.as_chunks::<4>().0) {
        let ours = row(tensor)?;
        if let Some(i) = (0..4).find(|i| (ours[*i] - theirs[*i]).abs() > 1e-5 * theirs[1].max(1e-30)) {
            return failed(format!("{name} is filled otherwise: {ours:?} for {theirs:?}, first at {i}"));
        }
    }
    if let Some(Json::Array(lines)) = json.get("print") {
        let text: Vec<&str> = lines.iter().filter_map(Json::as_str).collect();
        let ours = format!("{model:?}");
        if let Some((ours, theirs)) = ours.lines().zip(&text).find(|(ours, theirs)| ours != *theirs) {
            return failed(format!("it prints `{ours}` for `{theirs}`"));
        }
    }
    let inputs = tensors(field(json, "args")?, data)?;
    let [input] = &inputs[..] else { return unsupported("several inputs") };
    let x = revive(input)?;
    calibrate(model, &x)?;
    let ours = plain(&no_grad(|| model.call(&x))?)?;
    let theirs = Plain::from(&one("output")?);
    let (Numbers::Reals(a), Numbers::Reals(b)) = (&ours.numbers, &theirs.numbers) else {
        return failed("the output is not of real numbers".into());
    };
    let noise = json.get("noise").and_then(|n| n.get("f")).and_then(Json::as_str).and_then(|n| n.parse::<f64>().ok());
    let largest = b.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let allowed = (20.0 * noise.unwrap_or(0.0)).max(1e-4) * largest;
    if ours.shape != theirs.shape {
        return failed(format!("our output has shape {:?}, torchvision's {:?}", ours.shape, theirs.shape));
    }
    let off = a.iter().zip(b).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    if off <= allowed { Ok(()) } else { failed(format!("the output is off by {off}, {allowed} is allowed")) }
}

/// One pass in training that sets all running statistics to those of the batch; then evaluation. A momentum of 1 cannot
/// be set afterwards, so the statistics start at 0 and are what a momentum of 0.1 leaves, times 10.
fn calibrate(model: &ResNet, x: &Tensor) -> Result<(), Trouble> {
    let statistics: Vec<Tensor> =
        model.named_buffers().into_iter().filter(|(name, _)| name.contains("running_")).map(|(_, b)| b).collect();
    no_grad(|| statistics.iter().try_for_each(|buffer| buffer.zero_().map(drop)))?;
    model.train();
    no_grad(|| model.call(x))?;
    no_grad(|| statistics.iter().try_for_each(|buffer| buffer.div_(0.1).map(drop)))?;
    model.eval();
    Ok(())
}
