//! What a network is filled with, what it makes of an input, and one step of training.

use flambeau_autograd::Autograd;
use flambeau_nn::{BatchNorm1d, BatchNorm2d, BatchNorm3d, DynModule, Module, functional};
use flambeau_tensor::{Tensor, manual_seed, no_grad};
use flambeau_vision::models::{Network, RAFT, create_feature_extractor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{failed, numbers, real, recorded, same_rows, texts};
use crate::{
    call::{Trouble, plain, revive, unsupported},
    case::{field, tensors},
    compare::{Numbers, Plain},
    value::Value,
};

/// The names of the state, and what it is filled with.
pub(super) fn filled(model: &dyn Module, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let state = model.state_dict();
    let names = texts(json, "names")?;
    if !state.names().eq(names.iter().copied()) {
        return failed("the names of our state are others");
    }
    same_rows(state.iter().map(|(name, t)| (format!("{name} at first"), t)), &numbers(json, "init", data)?, 1e-5)
}

pub fn run(model: &dyn Network, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    filled(model.as_module(), json, data)?;
    if json.get("print").is_some_and(|print| !print.is_null()) {
        let mut text = Vec::new();
        let printed = format!("{:?}", Printed(model.as_module()));
        text.extend(printed.lines());
        if let Some((ours, theirs)) = text.iter().zip(&texts(json, "print")?).find(|(ours, theirs)| ours != theirs) {
            return failed(format!("it prints `{ours}` for `{theirs}`"));
        }
    }
    let noise = json.get("noise").and_then(real).unwrap_or(0.0);
    let allowed = (20.0 * noise).max(1e-4);
    let theirs = Value::parse(field(json, "output")?, data)?;
    let theirs: Vec<Plain> = theirs.tensors().into_iter().map(Plain::from).collect();
    if let Some(raft) = model.as_module().downcast_ref::<RAFT>() {
        return same_outputs(&flows(model, raft, json, data)?, &theirs, allowed);
    }
    let inputs = tensors(field(json, "args")?, data)?;
    let [input] = &inputs[..] else { return unsupported("several inputs") };
    let x = revive(input)?;
    calibrate(model, &x)?;
    same_outputs(&no_grad(|| model.outputs(&x))?, &theirs, allowed)?;
    features(model, &x, json, data, allowed)
}

/// What a network of flow gives for two images, and as many corrections as the case says.
fn flows(model: &dyn Network, raft: &RAFT, json: &Json, data: &SafeTensors<'_>) -> Result<Vec<Tensor>, Trouble> {
    let Json::Array(args) = field(json, "args")? else { return failed("damaged recording: args") };
    let updates = args.get(2).and_then(Json::as_u64).unwrap_or(12) as usize;
    let images = tensors(&Json::Array(args.iter().take(2).cloned().collect()), data)?;
    let [first, second] = &images[..] else { return failed("damaged recording: two images are needed") };
    let (first, second) = (revive(first)?, revive(second)?);
    fill_zeros(model)?;
    let run = || no_grad(|| raft.flows(&first, &second, updates));
    statistics_of(model.as_module(), || run().map(drop).map_err(Trouble::from))?;
    Ok(run()?)
}

struct Printed<'a>(&'a DynModule);

impl std::fmt::Debug for Printed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        flambeau_nn::print_module(self.0, f)
    }
}

/// Whether each output is the recorded one, up to `allowed` of the largest number in it.
pub(super) fn same_outputs(ours: &[Tensor], theirs: &[Plain], allowed: f64) -> Result<(), Trouble> {
    if ours.len() != theirs.len() {
        return failed(format!("it gives {} tensors for {}", ours.len(), theirs.len()));
    }
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let ours = plain(ours)?;
        let (Numbers::Reals(a), Numbers::Reals(b)) = (&ours.numbers, &theirs.numbers) else {
            return failed("an output is not of real numbers");
        };
        if ours.shape != theirs.shape {
            return failed(format!("output {i} has shape {:?}, torchvision's {:?}", ours.shape, theirs.shape));
        }
        let largest = b.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let off = a.iter().zip(b).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
        if off.is_nan() || off > allowed * largest {
            return failed(format!("output {i} is off by {off}, {} is allowed", allowed * largest));
        }
    }
    Ok(())
}

/// What the modules inside give.
fn features(model: &dyn Network, x: &Tensor, json: &Json, data: &SafeTensors<'_>, allowed: f64) -> Result<(), Trouble> {
    let Some(shapes) = json.get("feature_shapes").and_then(Json::as_object) else { return Ok(()) };
    let rows = numbers(json, "features", data)?;
    // torchvision numbers the runs of a module by `_1`, and takes the layer `ln_1` for the second run of one called
    // `ln`: what it gives there is another layer's.
    let mixed_up = |path: &str| path.ends_with(".ln_1") || path.ends_with(".ln_2");
    let kept: Vec<_> = shapes.iter().zip(rows.as_chunks::<4>().0).filter(|((path, _), _)| !mixed_up(path)).collect();
    let rows: Vec<f64> = kept.iter().flat_map(|(_, row)| **row).collect();
    let shapes: Vec<_> = kept.iter().map(|(shape, _)| *shape).collect();
    let nodes: Vec<(&str, &str)> = shapes.iter().map(|(path, _)| (path.as_str(), path.as_str())).collect();
    let extractor = create_feature_extractor(model.as_module(), &nodes)?;
    let features = no_grad(|| extractor.features(|| model.outputs(x)))?;
    for ((name, feature), shape) in features.iter().zip(shapes.iter().map(|(_, shape)| *shape)) {
        if serde_json::json!(feature.shape()) != *shape {
            return failed(format!("{name} gives {:?} for {shape}", feature.shape()));
        }
    }
    same_rows(features.iter().map(|(name, feature)| (name.clone(), feature)), &rows, allowed)
}

/// Each weight that is all zero gets numbers; then one pass in evaluation, but batch norms in training, sets their
/// statistics to those of the inputs. A momentum of 1 cannot be set afterwards, so the statistics start at 0 and are
/// divided by the momentum that they have.
pub(super) fn calibrate(model: &dyn Network, x: &Tensor) -> Result<(), Trouble> {
    fill_zeros(model)?;
    statistics_of(model.as_module(), || no_grad(|| model.outputs(x)).map(drop).map_err(Trouble::from))
}

fn fill_zeros(model: &dyn Network) -> Result<(), Trouble> {
    for (_, parameter) in model.named_parameters() {
        if parameter.rank() < 2 || parameter.detach().to_vec::<f32>()?.iter().any(|v| *v != 0.0) {
            continue;
        }
        let numbers = (0..parameter.numel()).map(|i| ((i % 17) as f32 - 8.0) / 64.0).collect();
        let numbers = Tensor::from_vec(numbers, parameter.shape())?;
        no_grad(|| parameter.copy_(&numbers).map(drop))?;
    }
    Ok(())
}

/// What a batch norm knows of the data, and how far one batch moves it.
fn batch_norm(module: &DynModule) -> Option<(Vec<Tensor>, f64)> {
    macro_rules! of {
        ($($Name:ident)*) => {$(
            if let Some(norm) = module.downcast_ref::<$Name>() {
                let buffers = [&norm.running_mean, &norm.running_var];
                let buffers = buffers.into_iter().flatten().map(|buffer| buffer.tensor().clone()).collect();
                return Some((buffers, norm.momentum().unwrap_or(1.0)));
            }
        )*};
    }
    of!(BatchNorm1d BatchNorm2d BatchNorm3d);
    None
}

pub(super) fn statistics_of(model: &dyn Module, pass: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let modules = model.modules();
    let norms: Vec<(&DynModule, Vec<Tensor>, f64)> = modules
        .into_iter()
        .filter_map(|module| batch_norm(module).map(|(buffers, momentum)| (module, buffers, momentum)))
        .collect();
    model.eval();
    for (module, buffers, _) in &norms {
        module.train();
        no_grad(|| buffers.iter().try_for_each(|buffer| buffer.zero_().map(drop)))?;
    }
    pass()?;
    for (_, buffers, momentum) in &norms {
        no_grad(|| buffers.iter().try_for_each(|buffer| buffer.div_(*momentum).map(drop)))?;
    }
    model.eval();
    Ok(())
}

/// One pass in training: the loss, the gradients, and the state afterwards.
pub fn step(model: &dyn Network, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let step = field(json, "step")?;
    let inputs = tensors(field(json, "args")?, data)?;
    let [input] = &inputs[..] else { return unsupported("several inputs") };
    let (x, target) = (revive(input)?, revive(&recorded(step, "target", data)?)?);
    model.train();
    manual_seed(field(step, "seed")?.as_u64().unwrap_or_default());
    let mut loss: Option<Tensor> = None;
    for output in model.outputs(&x)? {
        let one = functional::cross_entropy(&output, &target)?;
        loss = Some(match loss {
            Some(sum) => sum.add(&one)?,
            None => one,
        });
    }
    let Some(loss) = loss else { return failed("it gives nothing") };
    let noise = |i: usize| {
        let noise = step.get("noise");
        noise.and_then(|noise| noise.get("list").unwrap_or(noise).get(i)).and_then(real).unwrap_or(0.0)
    };
    let (ours, theirs) = (f64::from(loss.item::<f32>()?), numbers(step, "loss", data)?);
    let theirs = theirs.first().copied().unwrap_or(f64::NAN);
    let share = (50.0 * noise(0)).max(1e-4);
    let off = (ours - theirs).abs();
    if off.is_nan() || off > share * theirs.abs() {
        return failed(format!("the loss of a step is {ours} for {theirs}"));
    }
    loss.backward()?;
    let rows = numbers(step, "grad_sum_norm", data)?;
    let share = (10.0 * noise(1)).max(1e-2);
    let largest = rows.as_chunks::<2>().0.iter().fold(0.0f64, |most, row| most.max(row[1]));
    for ((name, parameter), [_, norm]) in model.named_parameters().iter().zip(rows.as_chunks::<2>().0) {
        let Some(grad) = parameter.grad() else { return failed(format!("{name} has no gradient")) };
        let ours = f64::from(grad.square()?.sum(..)?.sqrt()?.item::<f32>()?);
        // What is zero but for rounding has no digits to compare.
        if (ours - norm).abs() > share * norm && (ours - norm).abs() > 1e-5 * largest {
            return failed(format!("the gradient of {name} has norm {ours} for {norm}"));
        }
    }
    let state = model.state_dict();
    let rows = numbers(step, "state_after", data)?;
    same_rows(state.iter().map(|(name, t)| (format!("{name} after a step"), t)), &rows, 1e-4)
}
