//! Schedules at their beginning, at their end, and beyond, against PyTorch 2.15.

use flambeau_autograd::Autograd;
use flambeau_optim::lr_scheduler::Lambda;
use flambeau_optim::rule::Value;
use flambeau_optim::*;
use flambeau_tensor::{ErrorKind, Result, Tensor};
use std::f64::consts::PI;

fn sgd(lr: f64) -> Result<SGD> {
    SGD::new([Tensor::ones(1).build()?.requires_grad_()?]).lr(lr).momentum(0.9).build()
}

#[track_caller]
fn near(found: &[f64], right: &[f64], tolerance: f64) {
    let near = found.len() == right.len() && found.iter().zip(right).all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(near, "{found:?} where {right:?} is right");
}

/// The rate before and after each of `steps` steps.
fn rates(optimizer: &SGD, scheduler: &mut dyn Scheduler, steps: usize) -> Result<Vec<f64>> {
    let mut rates = optimizer.lr();
    for _ in 0..steps {
        scheduler.step()?;
        rates.extend(optimizer.lr());
    }
    Ok(rates)
}

#[test]
fn along_the_cosine_and_back() -> Result<()> {
    let o = sgd(0.5)?;
    let found = rates(&o, &mut CosineAnnealingLR::new(&o, 5).build()?, 10)?;
    let right: Vec<f64> = (0..=10).map(|t| 0.25 * (1.0 + (PI * t as f64 / 5.0).cos())).collect();
    near(&found, &right, 1e-12);
    Ok(())
}

#[test]
fn a_schedule_starts_from_the_rate_of_then() -> Result<()> {
    let mut o = sgd(0.1)?;
    let noted = |o: &SGD| o.groups().get(0).unwrap().get("initial_lr").and_then(Value::as_f64);
    assert_eq!(noted(&o), None);
    o.set_lr(0.5)?;
    let mut s = CosineAnnealingLR::new(&o, 3).build()?;
    assert_eq!(noted(&o), Some(0.5));
    near(&rates(&o, &mut s, 6)?[6..], &[0.5], 1e-9);
    // A second schedule of the optimizer goes by what the first one noted.
    o.set_lr(0.1)?;
    ExponentialLR::new(&o, 0.5).build()?;
    assert_eq!(noted(&o), Some(0.5));
    Ok(())
}

#[test]
fn where_a_schedule_started_is_kept_in_its_state() -> Result<()> {
    let mut before = sgd(0.1)?;
    before.set_lr(0.5)?;
    let mut s = CosineAnnealingLR::new(&before, 3).build()?;
    let whole = rates(&before, &mut s, 4)?;
    let (optimizer, schedule) = (before.state_dict()?, s.state_dict()?);
    let mut after = sgd(0.1)?;
    let mut s = CosineAnnealingLR::new(&after, 3).build()?;
    after.load_state_dict(&optimizer)?;
    s.load_state_dict(&schedule)?;
    near(&rates(&after, &mut s, 2)?[2..], &[0.5], 1e-9);
    let group = |state: &Value, name: &str| {
        state.get("param_groups").and_then(|g| g.at(0)).and_then(|g| g.get(name)).and_then(Value::as_f64)
    };
    near(&[whole[4]], &[group(&optimizer, "lr").unwrap()], 0.0);
    // The state of an optimizer that never had a schedule.
    let plain = sgd(0.1)?.state_dict()?;
    assert_eq!(group(&plain, "initial_lr"), None);
    after.load_state_dict(&plain)?;
    assert!(after.groups().get(0).unwrap().get("initial_lr").is_none());
    Ok(())
}

#[test]
fn milestones_at_zero_count() -> Result<()> {
    let o = sgd(1.0)?;
    near(&rates(&o, &mut MultiStepLR::new(&o, [0, 2]).gamma(0.5).build()?, 2)?, &[0.5, 0.5, 0.25], 1e-12);
    let o = sgd(1.0)?;
    let found = rates(&o, &mut MultiStepLR::new(&o, [0, 0, 2]).build()?, 3)?;
    near(&found, &[0.01, 0.01, 0.001, 0.001], 1e-12);
    let o = sgd(1.0)?;
    near(&rates(&o, &mut LinearLR::new(&o).total_iters(0).build()?, 3)?, &[1.0 / 3.0; 4], 1e-12);
    Ok(())
}

#[test]
fn one_cycle_and_its_end() -> Result<()> {
    let o = sgd(1.0)?;
    let mut s = OneCycleLR::new(&o, 0.1, 10).build()?;
    let found = rates(&o, &mut s, 10)?;
    let up = [0.004, 0.052, 0.1, 0.095_048_463_201_347_38, 0.081_174_565_394_976_3, 0.061_126_202_193_628_93];
    let down =
        [0.038_874_197_806_371_07, 0.018_825_834_605_023_7, 0.004_951_936_798_652_629, 4e-7, 0.004_951_936_798_652_629];
    near(&found, &[&up[..], &down].concat(), 1e-12);
    let fault = s.step().unwrap_err();
    assert_eq!((fault.kind(), fault.location().unwrap().file()), (ErrorKind::Argument, file!()));
    assert!(fault.message().contains("step 11 of a schedule of 10 steps"), "{fault}");
    near(&s.last_lr(), &found[10..], 0.0);
    // PyTorch divides by zero where a phase has no length; here it is over at once.
    let o = sgd(1.0)?;
    let found = rates(&o, &mut OneCycleLR::new(&o, 0.1, 10).pct_start(0.1).build()?, 9)?;
    near(&[found[0], found[9]], &[0.1, 4e-7], 1e-12);
    Ok(())
}

#[test]
fn the_longest_schedules() -> Result<()> {
    let o = sgd(1.0)?;
    near(&rates(&o, &mut CosineAnnealingLR::new(&o, u64::MAX).build()?, 2)?, &[1.0; 3], 1e-12);
    near(&rates(&o, &mut StepLR::new(&o, u64::MAX).build()?, 2)?, &[1.0; 3], 0.0);
    near(&rates(&o, &mut MultiStepLR::new(&o, [u64::MAX]).build()?, 2)?, &[1.0; 3], 0.0);
    near(&rates(&o, &mut LinearLR::new(&o).start_factor(1.0).total_iters(u64::MAX).build()?, 2)?, &[1.0; 3], 0.0);
    assert!(OneCycleLR::new(&o, 0.1, u64::MAX).build()?.step().is_ok());
    Ok(())
}

/// Rates by PyTorch 2.15 where two schedules follow each other, and at once.
#[test]
fn schedules_of_schedules() -> Result<()> {
    let o = sgd(1.0)?;
    let parts: [Box<dyn Scheduler>; 3] = [
        Box::new(LinearLR::new(&o).start_factor(0.25).total_iters(2).build()?),
        Box::new(ExponentialLR::new(&o, 0.5).build()?),
        Box::new(CosineAnnealingLR::new(&o, 2).build()?),
    ];
    let mut s = SequentialLR::new(parts, [3, 5])?;
    let right = [0.25, 0.625, 1.0, 1.0, 0.5, 1.0, 0.5, 0.0];
    near(&rates(&o, &mut s, 7)?, &right, 1e-12);
    // From its state another one goes on.
    let (o, p) = (sgd(1.0)?, sgd(1.0)?);
    let two = |o: &SGD| -> Result<SequentialLR> {
        let parts: [Box<dyn Scheduler>; 2] =
            [Box::new(ConstantLR::new(o).factor(0.5).build()?), Box::new(ExponentialLR::new(o, 0.5).build()?)];
        SequentialLR::new(parts, [2])
    };
    let (mut first, mut second) = (two(&o)?, two(&p)?);
    rates(&o, &mut first, 3)?;
    second.load_state_dict(&first.state_dict()?)?;
    p.groups().update(|_, options| options.set_number("lr", o.lr()[0]))?;
    near(&rates(&p, &mut second, 2)?, &rates(&o, &mut first, 2)?, 0.0);
    let o = sgd(1.0)?;
    let both: [Box<dyn Scheduler>; 2] = [
        Box::new(ConstantLR::new(&o).factor(0.1).total_iters(2).build()?),
        Box::new(ExponentialLR::new(&o, 0.9).build()?),
    ];
    let mut s = ChainedScheduler::new(both)?;
    near(&rates(&o, &mut s, 3)?, &[0.1, 0.09, 0.81, 0.729], 1e-12);
    // Of two optimizers, or with too few milestones.
    let other = sgd(1.0)?;
    let strange: [Box<dyn Scheduler>; 2] =
        [Box::new(ExponentialLR::new(&o, 0.9).build()?), Box::new(ExponentialLR::new(&other, 0.9).build()?)];
    assert!(ChainedScheduler::new(strange).is_err());
    assert!(SequentialLR::new([Box::new(ExponentialLR::new(&o, 0.9).build()?) as _], [1]).is_err());
    assert!(ChainedScheduler::new([]).is_err());
    Ok(())
}

#[test]
fn schedules_by_functions() -> Result<()> {
    let o = sgd(0.5)?;
    let mut s = LambdaLR::new(&o, |epoch: u64| 0.5f64.powi(epoch as i32)).build()?;
    near(&rates(&o, &mut s, 3)?, &[0.5, 0.25, 0.125, 0.0625], 1e-12);
    let o = sgd(0.5)?;
    let mut s = MultiplicativeLR::new(&o, |epoch: u64| if epoch == 2 { 0.1 } else { 1.0 }).build()?;
    near(&rates(&o, &mut s, 3)?, &[0.5, 0.5, 0.05, 0.05], 1e-12);
    let two: Vec<Lambda> = vec![Lambda::from(|_: u64| 1.0), Lambda::from(|_: u64| 2.0)];
    assert!(LambdaLR::new(&o, two).build().is_err(), "two functions for one group");
    Ok(())
}

/// Any option by its name, of any optimizer, also one that is only known as such.
#[test]
fn any_option_of_any_optimizer() -> Result<()> {
    let w = Tensor::ones(1).build()?.requires_grad_()?;
    let mut boxed: Box<dyn Optimizer> = Box::new(AdamW::new([w]).weight_decay(0.5).build()?);
    let mut s = StepLR::new(&boxed, 1).gamma(0.5).option("weight_decay").build()?;
    s.step()?;
    near(&s.last_lr(), &[0.25], 0.0);
    let any: &mut dyn Optimizer = &mut *boxed;
    let mut s = LinearLR::new(&*any).start_factor(0.5).total_iters(1).option("betas").build()?;
    near(&any.groups().numbers("betas")?, &[0.45], 1e-12);
    s.step()?;
    near(&any.groups().numbers("betas")?, &[0.9], 1e-12);
    assert!(StepLR::new(&*any, 1).option("momentum").build().is_err());
    // Cycles find the betas by themselves.
    OneCycleLR::new(any, 0.1, 10).build()?;
    near(&boxed.groups().numbers("betas")?, &[0.95], 1e-12);
    near(&boxed.lr(), &[0.004], 1e-12);
    Ok(())
}

#[test]
fn a_plateau_needs_a_metric_and_keeps_its_count() -> Result<()> {
    let o = sgd(1.0)?;
    let mut s = ReduceLROnPlateau::new(&o).patience(1).factor(0.5).build()?;
    assert!(s.step().unwrap_err().message().contains("metric"));
    for metric in [1.0, 1.0] {
        s.step_metric(metric)?;
    }
    let p = sgd(1.0)?;
    let mut t = ReduceLROnPlateau::new(&p).build()?;
    t.load_state_dict(&s.state_dict()?)?;
    t.step_metric(2.0)?;
    near(&p.lr(), &[0.5], 0.0);
    near(&o.lr(), &[1.0], 0.0);
    Ok(())
}

#[test]
fn to_the_rate_of_weight_averaging() -> Result<()> {
    let o = sgd(1.0)?;
    let mut s = SWALR::new(&o, 0.5).anneal_epochs(2).anneal_strategy(AnnealStrategy::Linear).build()?;
    near(&rates(&o, &mut s, 4)?, &[1.0, 0.75, 0.5, 0.5, 0.5], 1e-12);
    Ok(())
}
