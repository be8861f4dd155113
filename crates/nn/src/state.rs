//! The state dict of a module, and loading one with every fault told at once.

use crate::parameter::EmptyPlace;
use crate::parametrize::ParametrizationList;
use crate::part::Item;
use crate::{DynModule, ExtraState, hooks};
use flambeau_tensor::{DType, NamedTensors, Result, StateDict, Tensor, bail, no_grad};
use std::collections::{HashMap, HashSet};

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
    if !hooks::none() {
        hooks::before_state_dict(module);
    }
    module.walk("", &mut |name, item| match item {
        Item::Parameter(parameter) => drop(state.insert(name, parameter.detach())),
        Item::Buffer(buffer) if buffer.is_persistent() => drop(state.insert(name, buffer.detach())),
        Item::Extra(extra) => drop(state.insert(name, extra.get_extra_state())),
        _ => {}
    });
    if !hooks::none() {
        hooks::state_dict(module, &mut state);
    }
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

/// A tensor of the module, all of its names, and what a checkpoint may do about it.
struct Place {
    tensor: Tensor,
    names: Vec<String>,
    may_be_missing: bool,
    /// Where its elements go, if it has none yet.
    empty: Option<EmptyPlace>,
}

/// The places of a module's state, those of tied names once.
fn places(module: &DynModule) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut known: HashMap<usize, usize> = HashMap::new();
    let mut meet = |name: &str, tensor: &Tensor, may_be_missing: bool, empty: Option<EmptyPlace>| {
        let at = *known.entry(tensor.id()).or_insert_with(|| {
            places.push(Place { tensor: tensor.clone(), names: Vec::new(), may_be_missing, empty });
            places.len() - 1
        });
        places[at].names.push(name.to_string());
    };
    module.walk("", &mut |name, item| match item {
        Item::Parameter(parameter) => meet(name, parameter, false, parameter.empty_place()),
        Item::Buffer(buffer) if buffer.is_persistent() => {
            meet(name, buffer, buffer.may_be_missing(), buffer.empty_place())
        }
        _ => {}
    });
    places
}

/// Copies `state` into `module`: all of it, or, where something does not fit, nothing. Of names that are one tensor in
/// the module one is enough; where there are several, they have to agree.
#[track_caller]
pub(crate) fn load(module: &DynModule, state: &dyn NamedTensors, strict: bool) -> Result<LoadReport> {
    let mut given = StateDict::new();
    state.each_named(&mut |name, tensor| drop(given.insert(name, tensor.clone())));
    if !hooks::none() {
        hooks::load(module, &mut given)?;
    }
    rename_old(module, &mut given);
    let mut unmet: HashSet<&str> = given.keys().collect();

    let mut faults = Faults::default();
    let mut copies: Vec<(Tensor, Tensor)> = Vec::new();
    let mut first_elements: Vec<(EmptyPlace, Tensor)> = Vec::new();
    for Place { tensor, names, may_be_missing, empty } in places(module) {
        let sources: Vec<(&String, &Tensor)> =
            names.iter().filter_map(|name| given.get(name).map(|source| (name, source))).collect();
        for name in &names {
            unmet.remove(name.as_str());
        }
        let mut first: Option<(&String, Tensor)> = None;
        for (name, source) in sources {
            // What has no elements in the checkpoint either is left as it is.
            if empty.is_some() && source.shape() == [0] {
                continue;
            }
            let Some(ready) = fit(name, &tensor, empty.is_some(), source, &mut faults) else { continue };
            match &first {
                None => first = Some((name, ready)),
                Some((other, one)) if one.shape() != ready.shape() || !agree(one, &ready)? => faults
                    .others
                    .push(format!("{other:?} and {name:?} are one tensor here and differ in the checkpoint")),
                Some(_) => {}
            }
        }
        match (first, empty) {
            (Some((_, source)), Some(place)) => first_elements.push((place, source)),
            (Some((_, source)), None) => copies.push((tensor, source)),
            (None, _) if may_be_missing || names.iter().any(|name| given.contains(name)) => {}
            (None, _) => faults.missing.extend(names),
        }
    }
    let mut extras: Vec<(&dyn ExtraState, &Tensor)> = Vec::new();
    module.walk("", &mut |name, item| {
        if let Item::Extra(extra) = item {
            unmet.remove(name);
            match given.get(name) {
                Some(state) => extras.push((extra, state)),
                None => faults.missing.push(name.to_string()),
            }
        }
    });
    faults.unexpected = given.keys().filter(|name| unmet.contains(name)).map(str::to_string).collect();

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
    extras.iter().try_for_each(|(extra, state)| extra.set_extra_state(state))?;
    first_elements.iter().try_for_each(|(place, source)| place.fill(source))?;
    no_grad(|| copies.iter().try_for_each(|(to, from)| to.copy_(from).map(drop)))?;
    if !hooks::none() {
        hooks::loaded(module, &report)?;
    }
    Ok(report)
}

/// Gives tensors of states from before parametrizations the names that they have now: `weight_g` becomes
/// `parametrizations.weight.original0`.
fn rename_old(module: &DynModule, given: &mut StateDict) {
    let mut renamed: Vec<(String, String)> = Vec::new();
    module.walk("", &mut |path, item| {
        let Item::Module(list) = item else { return };
        let Some(list) = list.downcast_ref::<ParametrizationList>() else { return };
        let Some((owner, name)) = path.rsplit_once("parametrizations.") else { return };
        for (old, new) in list.old_names() {
            renamed.push((format!("{owner}{name}{old}"), format!("{path}.{new}")));
        }
    });
    for (old, new) in renamed {
        if !given.contains(&new)
            && let Some(tensor) = given.remove(&old)
        {
            given.insert(new, tensor);
        }
    }
}

/// True where both have the same elements; NaN is as NaN.
fn agree(one: &Tensor, other: &Tensor) -> Result<bool> {
    if one.storage().is(other.storage()) && one.layout() == other.layout() {
        return Ok(true);
    }
    no_grad(|| {
        let same = one.eq(other)?.logical_or(&one.ne(one)?.logical_and(&other.ne(other)?)?)?;
        same.all(..)?.item::<bool>()
    })
}

/// `source` as it can be copied into `to`, on its device; or a fault.
fn fit(name: &str, to: &Tensor, any_shape: bool, source: &Tensor, faults: &mut Faults) -> Option<Tensor> {
    // Old checkpoints keep a scalar as one element, as PyTorch allows.
    let old_scalar = to.rank() == 0 && source.shape() == [1];
    if to.shape() != source.shape() && !old_scalar && !any_shape {
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
