//! State dicts in PyTorch's form: `{"state": {0: {"step": …}}, "param_groups": [{"lr": …, "params": [0]}]}`.

use super::options::{GroupOptions, Shown, is_of_kind};
use super::state::{Held, Slot, State};
use super::{Param, Rule};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, bail};
use std::collections::HashMap;
use std::sync::Arc;

/// What schedules of PyTorch's note in a group beside its options.
const NOTED: &[&str] =
    &["max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr", "param_names", "name", "use_muon"];

/// At most so many differences are told.
const TOLD: usize = 20;

pub(super) fn state_dict<R: Rule>(params: &[Param], groups: &[Arc<GroupOptions>]) -> Result<Value> {
    let mut state = Vec::new();
    for (i, param) in params.iter().enumerate().filter(|(_, p)| !p.state.is_empty()) {
        let mut slots = Vec::new();
        for (slot, held) in R::SLOTS.iter().zip(&param.state.0) {
            if let Some(held) = held {
                slots.push((slot.name, held.to_value(slot.kind)?));
            }
        }
        state.push((Value::from(i), Value::dict(slots)));
    }
    let group = |(number, options): (usize, &Arc<GroupOptions>)| {
        let mine = params.iter().enumerate().filter(|(_, p)| p.group == number);
        let params = mine.map(|(i, _)| Value::from(i)).collect();
        let options = options.iter().map(|(name, value)| (name, detached(value)));
        Value::dict(options.chain([("params", Value::List(params))]))
    };
    let groups = groups.iter().enumerate().map(group).collect();
    Ok(Value::dict([("state", Value::Dict(state)), ("param_groups", Value::List(groups))]))
}

fn detached(value: &Value) -> Value {
    match value {
        Value::Tensor(t) => Value::Tensor(t.detach()),
        other => other.clone(),
    }
}

/// What a state dict holds for an optimizer.
pub(super) struct Loaded {
    pub groups: Vec<GroupOptions>,
    pub states: Vec<State>,
}

/// Reads `from` for the optimizer of these parameters and groups; the error lists all differences.
pub(super) fn read<R: Rule>(
    from: &Value,
    params: &[Param],
    groups: &[Arc<GroupOptions>],
    defaults: &GroupOptions,
) -> Result<Loaded> {
    let mut faults = Vec::new();
    let loaded = read_groups::<R>(from, params, groups, defaults, &mut faults);
    let states = read_states::<R>(from, params, &loaded, &mut faults);
    if faults.is_empty() {
        let groups = loaded.into_iter().map(|g| g.options).collect();
        return Ok(Loaded { groups, states });
    }
    let (count, more) = (faults.len(), faults.len().saturating_sub(TOLD));
    faults.truncate(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let differences = if count == 1 { "difference" } else { "differences" };
    bail!(State, format!("{}::load_state_dict", R::NAME), "{count} {differences}: {}{more}", faults.join("; "))
}

struct Group {
    options: GroupOptions,
    /// The names of its parameters among the states.
    ids: Vec<i64>,
}

fn read_groups<R: Rule>(
    from: &Value,
    params: &[Param],
    groups: &[Arc<GroupOptions>],
    defaults: &GroupOptions,
    faults: &mut Vec<String>,
) -> Vec<Group> {
    let Some(Value::List(saved)) = from.get("param_groups") else {
        faults.push("there is no list \"param_groups\"".to_string());
        return Vec::new();
    };
    if saved.len() != groups.len() {
        faults.push(format!("{} parameter groups here and {} in the state", groups.len(), saved.len()));
    }
    let mut loaded = Vec::new();
    for (i, (saved, here)) in saved.iter().zip(groups).enumerate() {
        let ids = saved.get("params").map(Value::items).unwrap_or_default();
        let ids: Vec<i64> = ids.iter().filter_map(Value::as_i64).collect();
        let count = params.iter().filter(|p| p.group == i).count();
        if ids.len() != count {
            faults.push(format!("group {i} has {count} parameters here and {} in the state", ids.len()));
        }
        let before = faults.len();
        let options = read_options(saved, here, defaults, &mut |fault| faults.push(format!("group {i}: {fault}")));
        if faults.len() == before {
            if let Err(e) = R::check(&options) {
                faults.push(format!("group {i}: {}", e.message()));
            }
        }
        loaded.push(Group { options, ids });
    }
    loaded
}

fn read_options(
    saved: &Value,
    here: &GroupOptions,
    defaults: &GroupOptions,
    fault: &mut dyn FnMut(String),
) -> GroupOptions {
    let mut options = here.clone();
    // What schedules noted here belongs to the state that is left.
    let noted: Vec<String> =
        here.iter().map(|(n, _)| n).filter(|n| defaults.get(n).is_none()).map(str::to_string).collect();
    noted.iter().for_each(|name| options.remove(name));
    for (name, default) in defaults.iter() {
        match saved.get(name) {
            Some(value) if is_of_kind(default, value) => options.set(name.to_string(), own(value)),
            Some(value) => {
                fault(format!("\"{name}\" is {} in the state, one like {} is right", Shown(value), Shown(default)));
            }
            // Options that came to PyTorch later are on or off, or None, and off in older files.
            None if matches!(default, Value::Bool(_) | Value::None) => options.set(name.to_string(), default.clone()),
            None => fault(format!("\"{name}\" is missing")),
        }
    }
    for (key, value) in saved.entries() {
        let Some(name) = key.as_str() else { continue };
        if name == "params" || defaults.get(name).is_some() {
            continue;
        }
        if name.starts_with("initial_") || NOTED.contains(&name) {
            options.set(name.to_string(), own(value));
        } else {
            fault(format!("there is no option \"{name}\" here"));
        }
    }
    options
}

/// A value that nobody else writes to.
fn own(value: &Value) -> Value {
    match value {
        Value::Tensor(t) => Value::Tensor(t.detach().copy().unwrap_or_else(|_| t.detach())),
        other => other.clone(),
    }
}

fn read_states<R: Rule>(from: &Value, params: &[Param], groups: &[Group], faults: &mut Vec<String>) -> Vec<State> {
    let mut states: Vec<State> = params.iter().map(|_| State::default()).collect();
    let Some(saved @ Value::Dict(_)) = from.get("state") else {
        faults.push("there is no dict \"state\"".to_string());
        return states;
    };
    // Names in the state, and the parameter of that place in the groups.
    let mut places: HashMap<i64, (usize, bool)> = HashMap::new();
    for (g, group) in groups.iter().enumerate() {
        let mine = params.iter().enumerate().filter(|(_, p)| p.group == g).map(|(i, _)| i);
        let on_device = group.options.flag("capturable");
        places.extend(group.ids.iter().copied().zip(mine.map(|i| (i, on_device))));
    }
    for (id, saved) in saved.entries() {
        let Some(id) = id.as_i64() else { continue };
        let Some(&(i, on_device)) = places.get(&id) else {
            faults.push(format!("there is a state of parameter {id}, which no group here has"));
            continue;
        };
        for (name, value) in saved.entries() {
            let name = name.as_str().unwrap_or("?");
            let Some(slot) = R::SLOTS.iter().position(|slot| slot.name == name) else {
                let known: Vec<&str> = R::SLOTS.iter().map(|slot: &Slot| slot.name).collect();
                faults.push(format!("state {id} has \"{name}\", {} keeps {}", R::NAME, known.join(", ")));
                continue;
            };
            match Held::of(value, R::SLOTS[slot].kind, &params[i].tensor, on_device) {
                Ok(Some(held)) => states[i].put(slot, held),
                Ok(None) => {}
                Err(fault) => faults.push(format!("state {id}: \"{name}\" {fault}")),
            }
        }
    }
    states
}
