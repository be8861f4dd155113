//! Schedules that multiply or lead evenly from one rate to another.

use super::clock::{Clock, Curve, Saved, Target, curve, started};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, builder, ensure};

/// The rate times `gamma` every `step_size` steps: `StepLR`.
#[derive(Debug)]
pub struct StepLR {
    clock: Clock,
    step_size: u64,
    gamma: f64,
}

builder! {
    /// Options of [`StepLR`].
    pub struct StepLRBuilder => StepLR;
    new { optimizer: ~into Target, step_size: u64 }
    options {
        /// The factor.
        gamma: f64 = 0.1,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl StepLR {
    fn from_builder(b: StepLRBuilder) -> Result<Self> {
        ensure!(b.step_size > 0, Argument, "StepLR", "a step size of zero never comes");
        started(StepLR { clock: Clock::new(b.optimizer, b.option)?, step_size: b.step_size, gamma: b.gamma })
    }
}

impl Curve for StepLR {
    curve!(StepLR { "step_size": step_size, "gamma": gamma });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        if t > 0 && t.is_multiple_of(self.step_size.max(1)) { now * self.gamma } else { now }
    }
}

/// The rate times `gamma` at each of some steps: `MultiStepLR`.
#[derive(Debug)]
pub struct MultiStepLR {
    clock: Clock,
    milestones: Milestones,
    gamma: f64,
}

/// In a file of PyTorch's they are a `Counter`.
#[derive(Debug)]
struct Milestones(Vec<u64>);

impl Saved for Milestones {
    fn to_value(&self) -> Value {
        let mut counts: Vec<(u64, i64)> = Vec::new();
        for m in &self.0 {
            match counts.iter_mut().find(|(n, _)| n == m) {
                Some((_, count)) => *count += 1,
                None => counts.push((*m, 1)),
            }
        }
        Value::Dict(counts.into_iter().map(|(m, count)| (m.into(), count.into())).collect())
    }
    fn of(value: &Value) -> Option<Milestones> {
        let mut all = Vec::new();
        for (m, count) in value.entries() {
            let (m, count) = (u64::of(m)?, u64::of(count).filter(|n| *n <= 1 << 16)?);
            all.extend((0..count).map(|_| m));
        }
        Some(Milestones(all))
    }
}

builder! {
    /// Options of [`MultiStepLR`].
    pub struct MultiStepLRBuilder => MultiStepLR;
    new { optimizer: ~into Target, milestones: ~into Vec<u64> }
    options {
        /// The factor.
        gamma: f64 = 0.1,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl MultiStepLR {
    fn from_builder(b: MultiStepLRBuilder) -> Result<Self> {
        let milestones = Milestones(b.milestones);
        started(MultiStepLR { clock: Clock::new(b.optimizer, b.option)?, milestones, gamma: b.gamma })
    }
}

impl Curve for MultiStepLR {
    curve!(MultiStepLR { "milestones": milestones, "gamma": gamma });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        let times = self.milestones.0.iter().filter(|m| **m == t).count();
        now * self.gamma.powi(times as i32)
    }
}

/// The rate times `gamma` every step: `ExponentialLR`.
#[derive(Debug)]
pub struct ExponentialLR {
    clock: Clock,
    gamma: f64,
}

builder! {
    /// Options of [`ExponentialLR`].
    pub struct ExponentialLRBuilder => ExponentialLR;
    new { optimizer: ~into Target, gamma: f64 }
    options {
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl ExponentialLR {
    fn from_builder(b: ExponentialLRBuilder) -> Result<Self> {
        started(ExponentialLR { clock: Clock::new(b.optimizer, b.option)?, gamma: b.gamma })
    }
}

impl Curve for ExponentialLR {
    curve!(ExponentialLR { "gamma": gamma });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        if t > 0 { now * self.gamma } else { now }
    }
}

/// The rate times `factor` for the first `total_iters` steps: `ConstantLR`.
#[derive(Debug)]
pub struct ConstantLR {
    clock: Clock,
    factor: f64,
    total_iters: u64,
}

builder! {
    /// Options of [`ConstantLR`].
    pub struct ConstantLRBuilder => ConstantLR;
    new { optimizer: ~into Target }
    options {
        /// The factor.
        factor: f64 = 1.0 / 3.0,
        /// How long it holds.
        total_iters: u64 = 5,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl ConstantLR {
    fn from_builder(b: ConstantLRBuilder) -> Result<Self> {
        ensure!(b.factor > 0.0 && b.factor <= 1.0, Argument, "ConstantLR", "a factor of {} is not in 0..=1", b.factor);
        let clock = Clock::new(b.optimizer, b.option)?;
        started(ConstantLR { clock, factor: b.factor, total_iters: b.total_iters })
    }
}

impl Curve for ConstantLR {
    curve!(ConstantLR { "factor": factor, "total_iters": total_iters });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        if t == 0 {
            now * self.factor
        } else if t == self.total_iters {
            now / self.factor
        } else {
            now
        }
    }
}

/// The rate's factor goes evenly from `start_factor` to `end_factor` in `total_iters` steps: `LinearLR`.
#[derive(Debug)]
pub struct LinearLR {
    clock: Clock,
    start: f64,
    end: f64,
    total_iters: u64,
}

builder! {
    /// Options of [`LinearLR`].
    pub struct LinearLRBuilder => LinearLR;
    new { optimizer: ~into Target }
    options {
        /// The factor at first.
        start_factor: f64 = 1.0 / 3.0,
        /// The factor in the end.
        end_factor: f64 = 1.0,
        /// The steps between.
        total_iters: u64 = 5,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl LinearLR {
    fn from_builder(b: LinearLRBuilder) -> Result<Self> {
        let (start, end) = (b.start_factor, b.end_factor);
        ensure!(start > 0.0 && start <= 1.0, Argument, "LinearLR", "a start factor of {start} is not in 0..=1");
        started(LinearLR { clock: Clock::new(b.optimizer, b.option)?, start, end, total_iters: b.total_iters })
    }
}

impl Curve for LinearLR {
    curve!(LinearLR { "start_factor": start, "end_factor": end, "total_iters": total_iters });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        if t == 0 {
            now * self.start
        } else if t <= self.total_iters {
            let slope = self.end - self.start;
            now * (1.0 + slope / (self.total_iters as f64 * self.start + (t - 1) as f64 * slope))
        } else {
            now
        }
    }
}

/// The rate falls to zero in `total_iters` steps, as a power of what is left: `PolynomialLR`.
#[derive(Debug)]
pub struct PolynomialLR {
    clock: Clock,
    total_iters: u64,
    power: f64,
}

builder! {
    /// Options of [`PolynomialLR`].
    pub struct PolynomialLRBuilder => PolynomialLR;
    new { optimizer: ~into Target }
    options {
        /// The steps to zero.
        total_iters: u64 = 5,
        /// The power.
        power: f64 = 1.0,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl PolynomialLR {
    fn from_builder(b: PolynomialLRBuilder) -> Result<Self> {
        let clock = Clock::new(b.optimizer, b.option)?;
        started(PolynomialLR { clock, total_iters: b.total_iters, power: b.power })
    }
}

impl Curve for PolynomialLR {
    curve!(PolynomialLR { "total_iters": total_iters, "power": power });
    fn at(&self, t: u64, _: usize, now: f64) -> f64 {
        if t == 0 || t > self.total_iters {
            return now;
        }
        let left = |t: u64| 1.0 - t as f64 / self.total_iters as f64;
        now * (left(t) / left(t - 1)).powf(self.power)
    }
}
