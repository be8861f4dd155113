//! Against what PyTorch 2.15 recorded: ten steps of each optimizer in each setting, thirty of each
//! schedule. `cases` holds the recordings, in the form that the parity crate's README describes.

use flambeau_autograd::Autograd;
use flambeau_optim::*;
use flambeau_serialize::load;
use flambeau_tensor::{StateDict, Tensor};
use serde_json::Value;
use std::path::PathBuf;

fn cases(name: &str) -> (Vec<Value>, PathBuf) {
    let base = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).join(name);
    let text = std::fs::read_to_string(base.with_extension("json")).expect("the recording");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    (json["cases"].as_array().expect("cases").clone(), base.with_extension("safetensors"))
}

/// A number as recorded: `{"f": "0.5"}`, `"0.5"` or `0.5`.
fn number(v: &Value) -> Option<f64> {
    v.as_f64().or_else(|| v.as_str()?.parse().ok()).or_else(|| v["f"].as_str()?.parse().ok())
}

fn setting(case: &Value, name: &str) -> Option<f64> {
    number(&case["setting"][name])
}

fn flag(case: &Value, name: &str) -> bool {
    case["setting"][name].as_bool().unwrap_or(false)
}

fn betas(case: &Value) -> (f64, f64) {
    match case["setting"]["betas"]["tuple"].as_array() {
        Some(b) => (number(&b[0]).expect("a number"), number(&b[1]).expect("a number")),
        None => (0.9, 0.999),
    }
}

fn known_settings(case: &Value, known: &[&str]) {
    for name in case["setting"].as_object().expect("settings").keys() {
        assert!(known.contains(&name.as_str()), "the test does not know the setting {name}");
    }
}

fn tensors(list: &Value, data: &StateDict) -> Vec<Tensor> {
    let one = |v: &Value| data.get(v["t"].as_str().expect("a key")).expect("in the file").copy().expect("a copy");
    list.as_array().expect("a list").iter().map(one).collect()
}

/// Runs the steps of `case`, comparing where the recording does.
fn run(
    name: &str,
    number: usize,
    case: &Value,
    data: &StateDict,
    make: impl FnOnce(Vec<Tensor>) -> Box<dyn Optimizer>,
) {
    let params = tensors(&case["params"], data);
    params.iter().for_each(|p| p.set_requires_grad(true).expect("floats"));
    let mut optimizer = make(params.clone());
    let mut compared = 0;
    for (step, grads) in case["grads"].as_array().expect("steps").iter().enumerate() {
        params
            .iter()
            .zip(tensors(grads, data))
            .for_each(|(p, g)| p.set_grad(Some(g)).expect("a gradient of its parameter"));
        optimizer.step().expect("a step");
        let after = &case["after"][(step + 1).to_string()];
        if after.is_null() {
            continue;
        }
        for (i, (p, expected)) in params.iter().zip(tensors(after, data)).enumerate() {
            compared += 1;
            let (found, expected) = (p.to_vec::<f32>().expect("f32"), expected.to_vec::<f32>().expect("f32"));
            for (x, e) in found.iter().zip(&expected) {
                let near = (x - e).abs() <= 1e-6 * e.abs().max(1.0);
                assert!(near, "{name} case {number}, step {}, parameter {i}: {x} instead of {e}", step + 1);
            }
        }
    }
    assert!(compared >= 12, "{compared} comparisons");
}

#[test]
fn sgd() {
    let (cases, file) = cases("SGD");
    let data = load(file).expect("tensors");
    for (i, case) in cases.iter().enumerate() {
        known_settings(case, &["lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"]);
        run("SGD", i, case, &data, |params| {
            let get = |name, default| setting(case, name).unwrap_or(default);
            let b = SGD::new(params).lr(get("lr", 1e-3)).momentum(get("momentum", 0.0));
            let b = b.dampening(get("dampening", 0.0)).weight_decay(get("weight_decay", 0.0));
            Box::new(b.nesterov(flag(case, "nesterov")).maximize(flag(case, "maximize")).build().expect("built"))
        });
    }
    assert!(cases.len() >= 4);
}

macro_rules! adam {
    ($Adam:ident, $decay:literal) => {{
        let (cases, file) = cases(stringify!($Adam));
        let data = load(file).expect("tensors");
        for (i, case) in cases.iter().enumerate() {
            known_settings(case, &["lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"]);
            run(stringify!($Adam), i, case, &data, |params| {
                let get = |name, default| setting(case, name).unwrap_or(default);
                let b = $Adam::new(params).lr(get("lr", 1e-3)).betas(betas(case)).eps(get("eps", 1e-8));
                let b = b.weight_decay(get("weight_decay", $decay)).amsgrad(flag(case, "amsgrad"));
                Box::new(b.maximize(flag(case, "maximize")).build().expect("built"))
            });
        }
        assert!(!cases.is_empty());
    }};
}

#[test]
fn adam() {
    adam!(Adam, 0.0);
}

#[test]
fn adamw() {
    adam!(AdamW, 0.01);
}

/// Compares rates and momenta at every point of the recording.
fn follow(name: &str, make: impl Fn(&SGD, &Value) -> Box<dyn Scheduler>) {
    let (cases, _) = cases(name);
    assert!(!cases.is_empty());
    for (i, case) in cases.iter().enumerate() {
        let w = Tensor::zeros(1).build().expect("zeros").requires_grad_().expect("a float");
        let (lr, momentum) = (number(&case["lr"]).expect("lr"), number(&case["momentum"]).expect("momentum"));
        let mut optimizer = SGD::new([w]).lr(lr).momentum(momentum).build().expect("built");
        let mut scheduler = make(&optimizer, case);
        let (lrs, momenta) = (case["lrs"].as_array().expect("lrs"), case["momenta"].as_array().expect("momenta"));
        for (t, (lr, momentum)) in lrs.iter().zip(momenta).enumerate() {
            let rate = optimizer.rates().get()[0];
            for (x, e) in [(rate.lr, number(lr)), (rate.momentum, number(momentum))] {
                let e = e.expect("a number");
                assert!((x - e).abs() <= 1e-9 * e.abs().max(1e-6), "{name} case {i} at {t}: {x} instead of {e}");
            }
            assert_eq!(scheduler.last_lr(), [rate.lr]);
            optimizer.step().expect("a step");
            scheduler.step().expect("a step");
        }
        assert_eq!(lrs.len(), 31);
    }
}

fn whole(case: &Value, name: &str) -> u64 {
    case["setting"][name].as_u64().unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn schedules() {
    let get = |case: &Value, name: &str, default: f64| setting(case, name).unwrap_or(default);
    follow("StepLR", |o, c| {
        known_settings(c, &["step_size", "gamma"]);
        Box::new(StepLR::new(o, whole(c, "step_size")).gamma(get(c, "gamma", 0.1)).build().expect("built"))
    });
    follow("MultiStepLR", |o, c| {
        known_settings(c, &["milestones", "gamma"]);
        let list = c["setting"]["milestones"].as_array().or_else(|| c["setting"]["milestones"]["list"].as_array());
        let milestones: Vec<u64> = list.expect("milestones").iter().filter_map(Value::as_u64).collect();
        Box::new(MultiStepLR::new(o, milestones).gamma(get(c, "gamma", 0.1)).build().expect("built"))
    });
    follow("ConstantLR", |o, c| {
        known_settings(c, &["factor", "total_iters"]);
        let b = ConstantLR::new(o).factor(get(c, "factor", 1.0 / 3.0)).total_iters(whole(c, "total_iters"));
        Box::new(b.build().expect("built"))
    });
    follow("LinearLR", |o, c| {
        known_settings(c, &["start_factor", "end_factor", "total_iters"]);
        let b = LinearLR::new(o).start_factor(get(c, "start_factor", 1.0 / 3.0)).end_factor(get(c, "end_factor", 1.0));
        Box::new(b.total_iters(whole(c, "total_iters")).build().expect("built"))
    });
    follow("ExponentialLR", |o, c| {
        known_settings(c, &["gamma"]);
        Box::new(ExponentialLR::new(o, get(c, "gamma", f64::NAN)).build().expect("built"))
    });
    follow("CosineAnnealingLR", |o, c| {
        known_settings(c, &["T_max", "eta_min"]);
        Box::new(CosineAnnealingLR::new(o, whole(c, "T_max")).eta_min(get(c, "eta_min", 0.0)).build().expect("built"))
    });
    follow("OneCycleLR", |o, c| {
        known_settings(c, &["max_lr", "total_steps", "anneal_strategy", "three_phase", "pct_start"]);
        let anneal = match c["setting"]["anneal_strategy"].as_str() {
            Some("linear") => AnnealStrategy::Linear,
            _ => AnnealStrategy::Cos,
        };
        let b = OneCycleLR::new(o, get(c, "max_lr", f64::NAN), whole(c, "total_steps")).anneal_strategy(anneal);
        Box::new(b.three_phase(flag(c, "three_phase")).pct_start(get(c, "pct_start", 0.3)).build().expect("built"))
    });
}
