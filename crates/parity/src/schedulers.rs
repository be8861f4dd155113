//! Learning-rate schedulers: each recorded setting on an SGD with one parameter, thirty steps, all
//! learning rates and momenta.

use flambeau_autograd::Autograd;
use flambeau_optim::{
    AnnealStrategy, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicMode, ExponentialLR,
    LinearLR, MultiStepLR, OneCycleLR, Optimizer, PlateauMode, PolynomialLR, ReduceLROnPlateau, SGD, Scheduler, StepLR,
};
use flambeau_tensor::{Build, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value as Json, json};

use crate::{
    call::{Call, KEYWORD, Trouble, unsupported},
    case::{Arguments, field},
    compare::{Numbers, Plain, What, same_tensor, tolerance},
    value::{Element, Malformed},
};

type Made = Result<Box<dyn Scheduler>, Trouble>;

/// How a scheduler is made for an optimizer from its setting.
pub type Make = fn(&SGD, &Call) -> Made;

const TABLE: &[(&str, Make)] = &[
    ("ConstantLR", |o, c| {
        let (factor, iters) = (c.float_or(KEYWORD, "factor", 1.0 / 3.0)?, count_or(c, "total_iters", 5)?);
        made(ConstantLR::new(o).factor(factor).total_iters(iters))
    }),
    ("CosineAnnealingLR", |o, c| {
        made(CosineAnnealingLR::new(o, count(c, "T_max")?).eta_min(c.float_or(KEYWORD, "eta_min", 0.0)?))
    }),
    ("CosineAnnealingWarmRestarts", |o, c| {
        let schedule = CosineAnnealingWarmRestarts::new(o, count(c, "T_0")?).t_mult(count_or(c, "T_mult", 1)?);
        made(schedule.eta_min(c.float_or(KEYWORD, "eta_min", 0.0)?))
    }),
    ("CyclicLR", cyclic),
    ("ExponentialLR", |o, c| made(ExponentialLR::new(o, c.float(KEYWORD, "gamma")?))),
    ("LinearLR", |o, c| {
        let start = c.float_or(KEYWORD, "start_factor", 1.0 / 3.0)?;
        let (end, iters) = (c.float_or(KEYWORD, "end_factor", 1.0)?, count_or(c, "total_iters", 5)?);
        made(LinearLR::new(o).start_factor(start).end_factor(end).total_iters(iters))
    }),
    ("MultiStepLR", |o, c| {
        let milestones: Vec<u64> = c.ints(KEYWORD, "milestones")?.into_iter().map(|m| m as u64).collect();
        made(MultiStepLR::new(o, milestones).gamma(c.float_or(KEYWORD, "gamma", 0.1)?))
    }),
    ("OneCycleLR", one_cycle),
    ("PolynomialLR", |o, c| {
        made(PolynomialLR::new(o).total_iters(count_or(c, "total_iters", 5)?).power(c.float_or(KEYWORD, "power", 1.0)?))
    }),
    ("ReduceLROnPlateau", plateau),
    ("StepLR", |o, c| made(StepLR::new(o, count(c, "step_size")?).gamma(c.float_or(KEYWORD, "gamma", 0.1)?))),
];

fn one_cycle(o: &SGD, c: &Call) -> Made {
    let strategy = match c.text_or(KEYWORD, "anneal_strategy", "cos")? {
        "cos" => AnnealStrategy::Cos,
        "linear" => AnnealStrategy::Linear,
        other => return unsupported(format!("anneal_strategy {other}")),
    };
    let number = |name, default| c.float_or(KEYWORD, name, default);
    made(
        OneCycleLR::new(o, c.float(KEYWORD, "max_lr")?, count(c, "total_steps")?)
            .pct_start(number("pct_start", 0.3)?)
            .anneal_strategy(strategy)
            .cycle_momentum(c.flag(KEYWORD, "cycle_momentum", true)?)
            .base_momentum(number("base_momentum", 0.85)?)
            .max_momentum(number("max_momentum", 0.95)?)
            .div_factor(number("div_factor", 25.0)?)
            .final_div_factor(number("final_div_factor", 1e4)?)
            .three_phase(c.flag(KEYWORD, "three_phase", false)?),
    )
}

fn cyclic(o: &SGD, c: &Call) -> Made {
    let mode = match c.text_or(KEYWORD, "mode", "triangular")? {
        "triangular" => CyclicMode::Triangular,
        "triangular2" => CyclicMode::Triangular2,
        "exp_range" => CyclicMode::ExpRange,
        other => return unsupported(format!("mode {other}")),
    };
    made(
        CyclicLR::new(o, c.float(KEYWORD, "base_lr")?, c.float(KEYWORD, "max_lr")?)
            .step_size_up(count_or(c, "step_size_up", 2000)?)
            .mode(mode)
            .gamma(c.float_or(KEYWORD, "gamma", 1.0)?),
    )
}

fn plateau(o: &SGD, c: &Call) -> Made {
    let mode = match c.text_or(KEYWORD, "mode", "min")? {
        "min" => PlateauMode::Min,
        "max" => PlateauMode::Max,
        other => return unsupported(format!("mode {other}")),
    };
    made(
        ReduceLROnPlateau::new(o)
            .mode(mode)
            .factor(c.float_or(KEYWORD, "factor", 0.1)?)
            .patience(count_or(c, "patience", 10)?)
            .cooldown(count_or(c, "cooldown", 0)?)
            .min_lr(c.float_or(KEYWORD, "min_lr", 0.0)?),
    )
}

fn made<S: Scheduler + 'static>(builder: impl Build<Output = S>) -> Made {
    Ok(Box::new(builder.build()?))
}

fn count(c: &Call, name: &str) -> Result<u64, Trouble> {
    Ok(c.size(KEYWORD, name)? as u64)
}

fn count_or(c: &Call, name: &str, default: usize) -> Result<u64, Trouble> {
    Ok(c.size_or(KEYWORD, name, default)? as u64)
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
/// The setting cannot be expressed, a step failed, or a rate is not PyTorch's.
pub fn run(name: &str, make: Make, json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    // A setting has its floats as JSON's own numbers.
    let setting = json!({ "setting": tagged(field(json, "setting")?) });
    let setting = Call::of(&Arguments::setting(&setting, "setting", data)?)?;
    let (lrs, momenta) = (numbers(json, "lrs")?, numbers(json, "momenta")?);
    let weight = Tensor::zeros(1).build()?.requires_grad_()?;
    let sgd = SGD::new([weight]).lr(number(json, "lr")?).momentum(number(json, "momentum")?);
    let mut optimizer = sgd.build()?;
    let mut scheduler = make(&optimizer, &setting)?;
    setting.all_read()?;
    let metrics = json.get("metrics").and_then(Json::as_array);
    let mut ours = [rate(&optimizer)?].to_vec();
    for step in 1..lrs.len() {
        optimizer.step()?;
        match metrics.map(|m| m.get(step - 1).and_then(Json::as_f64)) {
            None => scheduler.step()?,
            Some(Some(metric)) => scheduler.step_metric(metric)?,
            Some(None) => return Err(Malformed("metrics are not a number for each step".into()).into()),
        }
        ours.push(rate(&optimizer)?);
    }
    let (our_lrs, our_momenta) = ours.into_iter().unzip();
    compare(name, "lr", our_lrs, lrs)?;
    compare(name, "momentum", our_momenta, momenta)
}

/// Learning rate and momentum as they are.
fn rate(optimizer: &SGD) -> Result<(f64, f64), Trouble> {
    let groups = optimizer.groups();
    Ok((groups.number(0, "lr")?, groups.number(0, "momentum")?))
}

fn compare(name: &str, what: &str, ours: Vec<f64>, theirs: Vec<f64>) -> Result<(), Trouble> {
    let plain = |v: Vec<f64>| Plain { element: Element::F64, shape: vec![v.len()], numbers: Numbers::Reals(v) };
    let allowed = tolerance(name, What::Rate, Element::F64);
    same_tensor(&plain(ours), &plain(theirs), allowed).map_err(|e| Trouble::Failed(format!("{what}: {e}")))
}

/// JSON's own floats in the form that values have.
fn tagged(json: &Json) -> Json {
    match json {
        Json::Number(n) if n.is_f64() => json!({ "f": n.to_string() }),
        Json::Array(items) => items.iter().map(tagged).collect(),
        Json::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), tagged(v))).collect(),
        other => other.clone(),
    }
}

fn number(json: &Json, key: &str) -> Result<f64, Malformed> {
    field(json, key)?.as_f64().ok_or_else(|| Malformed(format!("{key} is not a number")))
}

/// A list of numbers, written as Python's `repr` writes them.
fn numbers(json: &Json, key: &str) -> Result<Vec<f64>, Malformed> {
    let one = |v: &Json| v.as_str().and_then(|text| text.parse().ok());
    let list = field(json, key)?.as_array().and_then(|list| list.iter().map(one).collect());
    list.ok_or_else(|| Malformed(format!("{key} is not a list of numbers")))
}
