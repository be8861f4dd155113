//! Schedules at their beginning, at their end, and beyond, against PyTorch 2.15.

use flambeau_autograd::Autograd;
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
    assert_eq!(o.rates().get()[0].initial_lr, None);
    o.set_lr(0.5);
    let mut s = CosineAnnealingLR::new(&o, 3).build()?;
    assert_eq!(o.rates().get()[0].initial_lr, Some(0.5));
    near(&rates(&o, &mut s, 6)?[6..], &[0.5], 1e-9);
    // A second schedule of the optimizer goes by what the first one noted.
    o.set_lr(0.1);
    ExponentialLR::new(&o, 0.5).build()?;
    assert_eq!(o.rates().get()[0].initial_lr, Some(0.5));
    Ok(())
}

#[test]
fn where_a_schedule_started_is_kept_in_its_state() -> Result<()> {
    let mut before = sgd(0.1)?;
    before.set_lr(0.5);
    let mut s = CosineAnnealingLR::new(&before, 3).build()?;
    let whole = rates(&before, &mut s, 4)?;
    let (optimizer, schedule) = (before.state_dict()?, s.state_dict()?);
    let mut after = sgd(0.1)?;
    let mut s = CosineAnnealingLR::new(&after, 3).build()?;
    after.load_state_dict(&optimizer)?;
    s.load_state_dict(&schedule)?;
    near(&rates(&after, &mut s, 2)?[2..], &[0.5], 1e-9);
    near(&[whole[4]], &[optimizer.get("param_groups.0.lr").unwrap().item()?], 0.0);
    // The state of an optimizer that never had a schedule.
    let plain = sgd(0.1)?.state_dict()?;
    assert!(!plain.contains("param_groups.0.initial_lr"));
    after.load_state_dict(&plain)?;
    assert_eq!(after.rates().get()[0].initial_lr, None);
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
