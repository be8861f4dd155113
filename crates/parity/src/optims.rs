//! Optimizers: recorded parameters and the gradients of ten steps, the parameters compared after
//! those steps at which they were recorded.

use std::collections::BTreeSet;

use flambeau_autograd::{Autograd, SparseTensor};
use flambeau_optim::{
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, LBFGS, Muon, NAdam, Optimizer, ParamGroup, RAdam, RMSprop,
    Rprop, SGD, SparseAdam, rule,
};
use flambeau_tensor::{Result, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Trouble, revive, unsupported},
    case::{Arguments, field, tensors},
    compare::What,
    run::same_tensors,
    tape,
    value::{Malformed, Value},
};

/// How an optimizer of a group is made; the setting is the group's options.
pub type Make = fn(ParamGroup) -> Result<Box<dyn Optimizer>>;

macro_rules! table {
    ($($Optimizer:ident),* $(,)?) => {
        &[$((stringify!($Optimizer), |group| {
            Ok(Box::new($Optimizer::new(Vec::<Tensor>::new()).groups([group]).build()?))
        })),*]
    };
}

const TABLE: &[(&str, Make)] = table![
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, LBFGS, Muon, NAdam, RAdam, RMSprop, Rprop, SGD, SparseAdam
];

/// A recorded option as groups take it.
fn option<T>(value: &Value<T>) -> std::result::Result<rule::Value, Trouble> {
    let all = |items: &[Value<T>]| items.iter().map(option).collect::<std::result::Result<Vec<_>, _>>();
    Ok(match value {
        Value::None => rule::Value::None,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(x) => (*x).into(),
        Value::Str(s) => s.as_str().into(),
        Value::Seq(items) => rule::Value::Tuple(all(items)?),
        Value::List(items) => rule::Value::List(all(items)?),
        _ => return unsupported("an option that is no number, text or tuple"),
    })
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
pub fn run(name: &str, make: Make, json: &Json, data: &SafeTensors<'_>) -> std::result::Result<(), Trouble> {
    let params = revived(field(json, "params")?, data)?;
    params.iter().try_for_each(tape::require_grad)?;
    let mut group = ParamGroup::new(&params);
    for (option_name, value) in Arguments::setting(json, "setting", data)?.kwargs {
        group = group.set(option_name, option(&value)?);
    }
    let mut optimizer = make(group)?;
    let after = field(json, "after")?.as_object().ok_or_else(|| Malformed("after is not a dict".into()))?;
    let mut missed: BTreeSet<&str> = after.keys().map(String::as_str).collect();
    let steps = match json.get("grads") {
        Some(Json::Array(steps)) => Some(steps),
        None => None,
        Some(_) => return Err(Malformed("grads is not a list of steps".into()).into()),
    };
    // Where gradients are sparse, the rows that they are of.
    let rows = json.get("rows").map(|rows| rows.as_array().ok_or_else(|| Malformed("rows is not a list".into())));
    let rows = rows.transpose()?;
    let last = after.keys().filter_map(|step| step.parse::<usize>().ok()).max().unwrap_or(0);
    for step in 1..=steps.map_or(last, Vec::len) {
        match steps {
            Some(steps) => {
                let grads = revived(&steps[step - 1], data)?;
                match rows {
                    Some(rows) => give_rows(&params, rows.get(step - 1), grads, data)?,
                    None => params.iter().zip(grads).try_for_each(|(param, grad)| param.set_grad(Some(grad)))?,
                }
                optimizer.step()?;
            }
            None => drop(optimizer.step_with(&mut || quartic(&params))?),
        }
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

/// Gives each parameter the gradients of some of its rows.
fn give_rows(
    params: &[Tensor],
    rows: Option<&Json>,
    grads: Vec<Tensor>,
    data: &SafeTensors<'_>,
) -> std::result::Result<(), Trouble> {
    let rows = revived(rows.ok_or_else(|| Malformed("there are no rows for a step".into()))?, data)?;
    for ((param, rows), grad) in params.iter().zip(rows).zip(grads) {
        param.set_sparse_grad(SparseTensor::new(rows.unsqueeze(0)?, grad, param.shape())?)?;
    }
    Ok(())
}

/// What is minimized where no gradients are recorded: the sum of (p − 1)⁴ and of p² / 2, with its gradients.
fn quartic(params: &[Tensor]) -> Result<Tensor> {
    params.iter().for_each(|p| p.clear_grad());
    let mut loss = Tensor::zeros([]).build()?;
    for p in params {
        loss = loss.add(&p.sub(1.0)?.pow(4.0)?.sum(..)?.add(&p.square()?.sum(..)?.div(2.0)?)?)?;
    }
    loss.backward()?;
    Ok(loss)
}

fn revived(json: &Json, data: &SafeTensors<'_>) -> std::result::Result<Vec<Tensor>, Trouble> {
    tensors(json, data)?.iter().map(revive).collect()
}
