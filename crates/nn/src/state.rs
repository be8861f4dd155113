//! The state dict of a module, and loading one with every fault told at once.

use crate::part::Item;
use crate::{Buffer, DynModule, Parameter};
use flambeau_tensor::{DType, NamedTensors, Result, StateDict, Tensor, bail, no_grad};
use std::collections::HashMap;

/// What a load that was not strict met and let pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names the module has and the checkpoint lacks; they keep their values.
    pub missing: Vec<String>,
    /// Names the checkpoint has and the module lacks; they are not loaded.
    pub unexpected: Vec<String>,
}

/// The persistent tensors of `module`, detached, sharing their storage with it.
pub(crate) fn state_dict(module: &DynModule) -> StateDict {
    let mut state = StateDict::new();
    module.walk("", &mut |name, item| match item {
        Item::Parameter(parameter) => drop(state.insert(name, parameter.detach())),
        Item::Buffer(buffer) if buffer.is_persistent() => drop(state.insert(name, buffer.detach())),
        _ => {}
    });
    state
}

/// The faults of a load, to be told together.
#[derive(Default)]
struct Faults {
    missing: Vec<String>,
    unexpected: Vec<String>,
    sizes: Vec<String>,
    others: Vec<String>,
}

impl Faults {
    fn message(&self) -> String {
        let quoted = |names: &[String]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
        let mut parts = Vec::new();
        for (list, one, many) in [
            (quoted(&self.missing), "missing key", "missing keys"),
            (quoted(&self.unexpected), "unexpected key", "unexpected keys"),
            (self.sizes.clone(), "size mismatch", "size mismatches"),
            (self.others.clone(), "tensor cannot be copied", "tensors cannot be copied"),
        ] {
            if !list.is_empty() {
                let what = if list.len() == 1 { one } else { many };
                parts.push(format!("{} {what}: {}", list.len(), list.join(", ")));
            }
        }
        parts.join("; ")
    }
}

/// A tensor of the module and what a checkpoint may do about it.
struct Place {
    tensor: Tensor,
    may_be_missing: bool,
}

/// Copies `state` into `module`: all of it, or, where something does not fit, nothing.
#[track_caller]
pub(crate) fn load(module: &DynModule, state: &dyn NamedTensors, strict: bool) -> Result<LoadReport> {
    let mut given: Vec<(String, Tensor)> = Vec::new();
    state.each_named(&mut |name, tensor| given.push((name.to_string(), tensor.clone())));
    let mut by_name: HashMap<&str, &Tensor> = given.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();

    let mut faults = Faults::default();
    let mut copies: Vec<(Tensor, Tensor)> = Vec::new();
    let mut meet = |name: &str, place: Place| match by_name.remove(name) {
        Some(source) => {
            let ready = fit(name, &place.tensor, source, &mut faults);
            copies.extend(ready.map(|source| (place.tensor, source)));
        }
        None if place.may_be_missing => {}
        None => faults.missing.push(name.to_string()),
    };
    module.walk("", &mut |name, item| match item {
        Item::Parameter(p) => meet(name, place_of_parameter(p)),
        Item::Buffer(b) if b.is_persistent() => meet(name, place_of_buffer(b)),
        _ => {}
    });
    faults.unexpected =
        given.iter().filter(|(name, _)| by_name.contains_key(name.as_str())).map(|(name, _)| name.clone()).collect();

    let mut report = LoadReport::default();
    if !strict {
        report = LoadReport {
            missing: std::mem::take(&mut faults.missing),
            unexpected: std::mem::take(&mut faults.unexpected),
        };
    }
    let message = faults.message();
    if !message.is_empty() {
        bail!(State, "load_state_dict", "{message}")
    }
    no_grad(|| copies.iter().try_for_each(|(to, from)| to.copy_(from).map(drop)))?;
    Ok(report)
}

fn place_of_parameter(parameter: &Parameter) -> Place {
    Place { tensor: parameter.tensor().clone(), may_be_missing: false }
}

fn place_of_buffer(buffer: &Buffer) -> Place {
    Place { tensor: buffer.tensor().clone(), may_be_missing: buffer.may_be_missing() }
}

/// `source` as it can be copied into `to`, on its device; or a fault.
fn fit(name: &str, to: &Tensor, source: &Tensor, faults: &mut Faults) -> Option<Tensor> {
    // Old checkpoints keep a scalar as one element, as PyTorch allows.
    let old_scalar = to.rank() == 0 && source.shape() == [1];
    if to.shape() != source.shape() && !old_scalar {
        faults.sizes.push(format!("{name:?} is {:?} here and {:?} in the checkpoint", to.shape(), source.shape()));
        return None;
    }
    if !source.dtype().can_cast(to.dtype()) {
        faults.others.push(format!("{name:?} is {} here and {} in the checkpoint", to.dtype(), source.dtype()));
        return None;
    }
    if !to.device().has_data() {
        let message = format!("{name:?} is on the meta device, which keeps no data (`to_empty` gives it memory)");
        faults.others.push(message);
        return None;
    }
    let source = source.detach();
    let ready = no_grad(|| {
        let source = if old_scalar { source.reshape(())? } else { source };
        source.to_device(to.device())
    });
    match ready {
        Ok(source) => Some(source),
        Err(e) => {
            faults.others.push(format!("{name:?} ({})", e.message()));
            None
        }
    }
}

/// True for the dtypes that `to(dtype)` changes.
pub(crate) fn moves_with_dtype(dtype: DType) -> bool {
    dtype.is_differentiable()
}
