//! Schedules by functions of one's own.

use super::clock::{Clock, Curve, Target, curve, started};
use flambeau_tensor::{Result, builder, ensure};
use std::fmt;
use std::sync::Arc;

/// A function of the number of steps so far.
#[derive(Clone)]
pub struct Lambda(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl<F: Fn(u64) -> f64 + Send + Sync + 'static> From<F> for Lambda {
    fn from(f: F) -> Lambda {
        Lambda(Arc::new(f))
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}

/// A function for all groups, or one for each.
#[derive(Clone, Debug)]
pub struct Lambdas(Vec<Lambda>);

impl<F: Fn(u64) -> f64 + Send + Sync + 'static> From<F> for Lambdas {
    fn from(f: F) -> Lambdas {
        Lambdas(vec![f.into()])
    }
}

impl From<Vec<Lambda>> for Lambdas {
    fn from(all: Vec<Lambda>) -> Lambdas {
        Lambdas(all)
    }
}

impl Lambdas {
    fn check(&self, name: &'static str, target: &Target) -> Result<()> {
        let (functions, groups) = (self.0.len(), target.0.len());
        ensure!(functions == 1 || functions == groups, Argument, name, "{functions} functions for {groups} groups");
        Ok(())
    }

    fn at(&self, group: usize, t: u64) -> f64 {
        self.0.get(group).or(self.0.first()).map_or(1.0, |f| (f.0)(t))
    }
}

/// The first rate times a function of the steps so far: `LambdaLR`.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_optim::{LambdaLR, Optimizer, SGD, Scheduler};
/// use flambeau_tensor::Tensor;
///
/// let w = Tensor::ones(1).build()?.requires_grad_()?;
/// let optimizer = SGD::new([w]).lr(0.1).build()?;
/// let mut scheduler = LambdaLR::new(&optimizer, |epoch: u64| 1.0 / (1 + epoch) as f64).build()?;
/// scheduler.step()?;
/// assert_eq!(optimizer.lr(), [0.05]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct LambdaLR {
    clock: Clock,
    lambdas: Lambdas,
}

builder! {
    /// Options of [`LambdaLR`].
    pub struct LambdaLRBuilder => LambdaLR;
    new { optimizer: ~into Target, lr_lambda: ~into Lambdas }
    options {
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl LambdaLR {
    fn from_builder(b: LambdaLRBuilder) -> Result<Self> {
        b.lr_lambda.check("LambdaLR", &b.optimizer)?;
        started(LambdaLR { clock: Clock::new(b.optimizer, b.option)?, lambdas: b.lr_lambda })
    }
}

impl Curve for LambdaLR {
    curve!(LambdaLR {});
    fn at(&self, t: u64, group: usize, _: f64) -> f64 {
        self.clock.base(group) * self.lambdas.at(group, t)
    }
}

/// The rate times a function of the steps so far, every step: `MultiplicativeLR`.
#[derive(Debug)]
pub struct MultiplicativeLR {
    clock: Clock,
    lambdas: Lambdas,
}

builder! {
    /// Options of [`MultiplicativeLR`].
    pub struct MultiplicativeLRBuilder => MultiplicativeLR;
    new { optimizer: ~into Target, lr_lambda: ~into Lambdas }
    options {
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl MultiplicativeLR {
    fn from_builder(b: MultiplicativeLRBuilder) -> Result<Self> {
        b.lr_lambda.check("MultiplicativeLR", &b.optimizer)?;
        started(MultiplicativeLR { clock: Clock::new(b.optimizer, b.option)?, lambdas: b.lr_lambda })
    }
}

impl Curve for MultiplicativeLR {
    curve!(MultiplicativeLR {});
    fn at(&self, t: u64, group: usize, now: f64) -> f64 {
        if t > 0 { now * self.lambdas.at(group, t) } else { now }
    }
    /// In a sequence it goes on from what the schedule before it left.
    fn first(&self, group: usize, now: f64) -> f64 {
        now * self.lambdas.at(group, 0)
    }
}
