//! Files by PyTorch 2.15 (`fixtures/record.py`): each optimizer after three steps, in two groups of different options,
//! goes on here for five steps and is where PyTorch was.

use crate::{ALL, give, make, quartic};
use flambeau_autograd::Autograd;
use flambeau_optim::*;
use flambeau_serialize::torch::{self, Value};
use flambeau_tensor::{Result, Tensor};
use std::io::Write;

fn fixture(name: &str) -> Result<Value> {
    torch::load(format!("{}/tests/fixtures/{name}.pt", env!("CARGO_MANIFEST_DIR")))
}

fn tensors(value: Option<&Value>) -> Vec<Tensor> {
    let items = value.map(Value::items).unwrap_or_default();
    items.iter().map(|v| v.as_tensor().expect("a tensor").copy().expect("memory")).collect()
}

/// The parameters of a fixture, and an optimizer of them with PyTorch's defaults in as many groups.
fn fresh(name: &str, file: &Value) -> Result<(Vec<Tensor>, Box<dyn Optimizer>)> {
    let params = tensors(file.get("params"));
    params.iter().try_for_each(|p| p.set_requires_grad(true))?;
    let state = file.get("optimizer").expect("a state");
    let mut rest = &params[..];
    let mut groups = Vec::new();
    for group in state.get("param_groups").expect("groups").items() {
        let (mine, others) = rest.split_at(group.get("params").expect("parameters").items().len());
        groups.push(ParamGroup::new(mine));
        rest = others;
    }
    let optimizer = make(name, &groups)?;
    Ok((params, optimizer))
}

/// Goes on as the fixture did, and compares.
fn go_on(name: &str, file: &Value, params: &[Tensor], optimizer: &mut dyn Optimizer) -> Result<()> {
    let mut scheduler = StepLR::new(&*optimizer, 2).gamma(0.5).build()?;
    scheduler.load_state_dict(file.get("scheduler").expect("a schedule"))?;
    for step in 0..5 {
        match file.get("grads") {
            Some(grads @ Value::List(_)) => {
                let grads = tensors(grads.at(step));
                params.iter().zip(grads).try_for_each(|(p, g)| give(name, p, g))?;
                optimizer.step()?;
            }
            _ => drop(optimizer.step_with(&mut || quartic(params))?),
        }
        scheduler.step()?;
    }
    let lr: Vec<f64> = file.get("lr").expect("rates").items().iter().filter_map(Value::as_f64).collect();
    assert_eq!(optimizer.lr(), lr, "{name}");
    for (i, (p, right)) in params.iter().zip(tensors(file.get("after"))).enumerate() {
        for (x, e) in p.to_vec::<f32>()?.iter().zip(right.to_vec::<f32>()?) {
            assert!((x - e).abs() <= 1e-5 + 1.3e-5 * e.abs(), "{name}, parameter {i}: {x} where {e} is right");
        }
    }
    Ok(())
}

#[test]
fn every_optimizer_goes_on_from_pytorchs_file() -> Result<()> {
    for (name, _) in ALL {
        let file = fixture(name)?;
        let (params, mut optimizer) = fresh(name, &file)?;
        optimizer.load_state_dict(file.get("optimizer").expect("a state"))?;
        go_on(name, &file, &params, &mut *optimizer)?;
    }
    Ok(())
}

#[test]
fn every_optimizer_goes_on_from_its_own_file() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, _) in ALL {
        let file = fixture(name)?;
        let (_, mut first) = fresh(name, &file)?;
        first.load_state_dict(file.get("optimizer").expect("a state"))?;
        let path = folder.path().join(format!("{name}.pt"));
        torch::save(&path, &first.state_dict()?)?;
        let (params, mut second) = fresh(name, &file)?;
        second.load_state_dict(&torch::load(&path)?)?;
        go_on(name, &file, &params, &mut *second)?;
    }
    Ok(())
}

/// PyTorch loads what is written here and goes on: where `FLAMBEAU_PYTHON` names a Python that has it.
#[test]
fn pytorch_goes_on_from_every_file_of_ours() -> Result<()> {
    let Some(python) = std::env::var_os("FLAMBEAU_PYTHON") else {
        // Past the test harness, which would hide it.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED pytorch_goes_on_from_every_file_of_ours: FLAMBEAU_PYTHON is not set");
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a folder");
    for (name, _) in ALL {
        let file = fixture(name)?;
        let (_, mut optimizer) = fresh(name, &file)?;
        optimizer.load_state_dict(file.get("optimizer").expect("a state"))?;
        torch::save(folder.path().join(format!("{name}.pt")), &optimizer.state_dict()?)?;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/check.py");
    let ran = std::process::Command::new(python).arg(script).arg(folder.path()).output().expect("a Python");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).lines().count(), ALL.len());
    Ok(())
}

/// All of PyTorch's keys are there, and no others: in groups, and in the state of the first parameter.
#[test]
fn a_state_has_pytorchs_form() -> Result<()> {
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.entries().iter().map(|(k, _)| format!("{k:?}")).collect();
        keys.sort();
        keys
    };
    for (name, _) in ALL {
        let file = fixture(name)?;
        let theirs = file.get("optimizer").expect("a state");
        let (_, mut optimizer) = fresh(name, &file)?;
        optimizer.load_state_dict(theirs)?;
        let ours = optimizer.state_dict()?;
        let group = |state: &Value, i| keys(state.get("param_groups").and_then(|g| g.at(i)).expect("a group"));
        for i in 0..optimizer.groups().len() {
            assert_eq!(group(&ours, i), group(theirs, i), "{name}");
        }
        let state = |state: &Value| keys(state.get("state").and_then(|s| s.at(0)).expect("a state"));
        assert_eq!(state(&ours), state(theirs), "{name}");
    }
    Ok(())
}

/// In half precision each instruction of a formula rounds as PyTorch's op does, so that all bits are PyTorch's.
#[test]
fn halves_are_rounded_where_pytorch_rounds() -> Result<()> {
    let file = fixture("halves")?;
    assert_eq!(file.entries().len(), 16);
    for (case, recorded) in file.entries() {
        let case = case.as_str().expect("a name");
        let name = case.split(' ').next().expect("an optimizer");
        let params = tensors(recorded.get("params"));
        params.iter().try_for_each(|p| p.set_requires_grad(true))?;
        let groups = recorded.get("groups").expect("groups").items();
        let groups: Vec<ParamGroup> = params
            .iter()
            .zip(groups)
            .map(|(p, options)| {
                let group = ParamGroup::new([p]);
                options.entries().iter().fold(group, |group, (name, value)| {
                    group.set(name.as_str().expect("a name").to_string(), value.clone())
                })
            })
            .collect();
        let mut optimizer = make(name, &groups)?;
        let grads = tensors(recorded.get("grads"));
        for step in 0..6 {
            params.iter().zip(&grads).try_for_each(|(p, g)| p.set_grad(Some(g.select(0, step)?.copy()?)))?;
            optimizer.step()?;
        }
        for (p, right) in params.iter().zip(tensors(recorded.get("after"))) {
            let (p, right) = (p.to_dtype(flambeau_tensor::DType::F32)?, right.to_dtype(flambeau_tensor::DType::F32)?);
            assert_eq!(p.to_vec::<f32>()?, right.to_vec::<f32>()?, "{case}");
        }
    }
    Ok(())
}
