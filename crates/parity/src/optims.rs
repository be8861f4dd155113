//! Optimizers: recorded parameters and the gradients of ten steps, the parameters compared after
//! those steps at which they were recorded.

use std::collections::BTreeSet;

use flambeau_autograd::Autograd;
use flambeau_optim::{Adam, AdamW, Optimizer, SGD};
use flambeau_tensor::{Build, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Call, KEYWORD, Trouble, revive},
    case::{Arguments, field, tensors},
    compare::What,
    run::same_tensors,
    tape,
    value::Malformed,
};

type Made = Result<Box<dyn Optimizer>, Trouble>;

/// How an optimizer of some parameters is made from its setting.
pub type Make = fn(Vec<Tensor>, &Call) -> Made;

/// Adam and its kin, which take the same options.
macro_rules! adam {
    ($Adam:ident, $weight_decay:literal) => {
        (stringify!($Adam), |params, c| {
            made(
                $Adam::new(params)
                    .lr(c.float_or(KEYWORD, "lr", 1e-3)?)
                    .betas(c.pair_or(KEYWORD, "betas", (0.9, 0.999))?)
                    .eps(c.float_or(KEYWORD, "eps", 1e-8)?)
                    .weight_decay(c.float_or(KEYWORD, "weight_decay", $weight_decay)?)
                    .amsgrad(c.flag(KEYWORD, "amsgrad", false)?)
                    .maximize(c.flag(KEYWORD, "maximize", false)?),
            )
        })
    };
}

const TABLE: &[(&str, Make)] = &[
    adam!(Adam, 0.0),
    adam!(AdamW, 0.01),
    ("SGD", |params, c| {
        let number = |name, default| c.float_or(KEYWORD, name, default);
        made(
            SGD::new(params)
                .lr(number("lr", 1e-3)?)
                .momentum(number("momentum", 0.0)?)
                .dampening(number("dampening", 0.0)?)
                .weight_decay(number("weight_decay", 0.0)?)
                .nesterov(c.flag(KEYWORD, "nesterov", false)?)
                .maximize(c.flag(KEYWORD, "maximize", false)?),
        )
    }),
];

fn made<O: Optimizer + 'static>(builder: impl Build<Output = O>) -> Made {
    Ok(Box::new(builder.build()?))
}

/// The entry for a recorded name.
pub fn find(name: &str) -> Option<Make> {
    TABLE.iter().find(|e| e.0 == name).map(|e| e.1)
}

/// All names in the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|e| e.0)
}

/// Runs one case.
///
/// # Errors
///
/// The setting cannot be expressed, a step failed, or a parameter is not where PyTorch has it.
pub fn run(name: &str, make: Make, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let setting = Call::of(&Arguments::setting(json, "setting", data)?)?;
    let params = revived(field(json, "params")?, data)?;
    params.iter().try_for_each(tape::require_grad)?;
    let mut optimizer = make(params.clone(), &setting)?;
    setting.all_read()?;
    let Json::Array(steps) = field(json, "grads")? else {
        return Err(Malformed("grads is not a list of steps".into()).into());
    };
    let after = field(json, "after")?.as_object().ok_or_else(|| Malformed("after is not a dict".into()))?;
    let mut missed: BTreeSet<&str> = after.keys().map(String::as_str).collect();
    for (step, grads) in (1..).zip(steps) {
        let grads = revived(grads, data)?;
        params.iter().zip(grads).try_for_each(|(param, grad)| param.set_grad(Some(grad)))?;
        optimizer.step()?;
        let step = step.to_string();
        if let Some(expected) = after.get(&step) {
            missed.remove(step.as_str());
            let place = format!("step {step}, parameter");
            same_tensors(name, What::Forward, &place, &params, &tensors(expected, data)?)?;
        }
    }
    match missed.first() {
        None => Ok(()),
        Some(step) => Err(Malformed(format!("there are no gradients for step {step}")).into()),
    }
}

fn revived(json: &Json, data: &SafeTensors<'_>) -> Result<Vec<Tensor>, Trouble> {
    tensors(json, data)?.iter().map(revive).collect()
}
