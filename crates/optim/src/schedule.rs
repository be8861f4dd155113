//! Learning-rate schedules: `torch.optim.lr_scheduler`. Each changes the rates it shares with an
//! optimizer, from the moment it is made.

use crate::group::{Optimizer, Rate, Rates};
use flambeau_tensor::{DType, Result, StateDict, Tensor, bail, builder, ensure};
use std::f64::consts::PI;

/// A schedule of learning rates.
pub trait Scheduler {
    /// Goes on by one: after an epoch, or a batch, as the schedule counts.
    ///
    /// # Errors
    /// Where a schedule of a given length is at its end ([`OneCycleLR`]); nothing is changed then.
    #[track_caller]
    fn step(&mut self) -> Result<()>;

    /// The learning rate of each group.
    fn last_lr(&self) -> Vec<f64>;

    /// How far it is, to save and resume beside the optimizer's own state.
    ///
    /// # Errors
    /// Where a number does not go into a tensor.
    fn state_dict(&self) -> Result<StateDict>;

    /// Takes what [`state_dict`](Scheduler::state_dict) gave.
    ///
    /// # Errors
    /// Where something is missing.
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()>;
}

/// The rates a schedule is for; made of a reference to any optimizer.
#[derive(Clone, Debug)]
pub struct Target(Rates);

impl<O: Optimizer> From<&O> for Target {
    fn from(optimizer: &O) -> Target {
        Target(optimizer.rates())
    }
}

/// What all schedules keep.
#[derive(Debug)]
struct Clock {
    rates: Rates,
    /// The rates that the schedule started from, one for each group.
    base_lrs: Vec<f64>,
    epoch: u64,
    /// The last step there is, for a schedule of a given length.
    end: Option<u64>,
}

impl Clock {
    /// Starts from the rates as they are; the first schedule of an optimizer notes them there.
    fn new(target: Target) -> Clock {
        let mut base_lrs = Vec::new();
        target.0.update(|_, r| base_lrs.push(*r.initial_lr.get_or_insert(r.lr)));
        Clock { rates: target.0, base_lrs, epoch: 0, end: None }
    }

    fn last_lr(&self) -> Vec<f64> {
        self.rates.get().iter().map(|r| r.lr).collect()
    }

    /// One more step; its number.
    #[track_caller]
    fn advance(&mut self, name: &'static str) -> Result<u64> {
        let t = self.epoch.saturating_add(1);
        if let Some(end) = self.end {
            ensure!(t <= end, Argument, name, "step {t} of a schedule of {end} steps: it has ended");
        }
        self.epoch = t;
        Ok(t)
    }

    #[track_caller]
    fn load(&mut self, name: &'static str, state: &StateDict) -> Result<()> {
        let Some(epoch) = state.get("last_epoch") else { bail!(State, name, "missing key \"last_epoch\"") };
        let epoch = epoch.item::<i64>()?.max(0) as u64;
        // Files from before it was kept have none.
        if let Some(base) = state.get("base_lrs") {
            let (base, groups) = (base.to_vec::<f64>()?, self.base_lrs.len());
            ensure!(base.len() == groups, State, name, "\"base_lrs\" has {} rates for {groups} groups", base.len());
            self.base_lrs = base;
        }
        self.epoch = epoch;
        Ok(())
    }
}

macro_rules! scheduler {
    ($Name:ident, |$s:ident, $t:ident, $group:ident, $rate:ident| $change:expr) => {
        impl $Name {
            /// The change of a group's rate at `t`, the number of steps so far.
            fn change(&self, $t: u64, $group: usize, $rate: &mut Rate) {
                let $s = self;
                $change
            }

            fn started(self) -> Self {
                self.clock.rates.update(|group, r| self.change(0, group, r));
                self
            }

            /// Goes on by one: after an epoch, or a batch, as the schedule counts.
            ///
            /// # Errors
            /// Where a schedule of a given length is at its end ([`OneCycleLR`]); nothing is changed then.
            #[track_caller]
            pub fn step(&mut self) -> Result<()> {
                let t = self.clock.advance(stringify!($Name))?;
                self.clock.rates.update(|group, r| self.change(t, group, r));
                Ok(())
            }

            /// The learning rate of each group.
            pub fn last_lr(&self) -> Vec<f64> {
                self.clock.last_lr()
            }
        }

        impl Scheduler for $Name {
            #[track_caller]
            fn step(&mut self) -> Result<()> {
                $Name::step(self)
            }
            fn last_lr(&self) -> Vec<f64> {
                self.clock.last_lr()
            }
            fn state_dict(&self) -> Result<StateDict> {
                let epoch = Tensor::scalar_on((self.clock.epoch as i64).into(), DType::I64, Default::default())?;
                let base = Tensor::from_slice(&self.clock.base_lrs, self.clock.base_lrs.len())?;
                Ok([("last_epoch", epoch), ("base_lrs", base)].into_iter().collect())
            }
            #[track_caller]
            fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
                self.clock.load(concat!(stringify!($Name), "::load_state_dict"), state)
            }
        }
    };
}

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
    }
}

impl StepLR {
    fn from_builder(b: StepLRBuilder) -> Result<Self> {
        ensure!(b.step_size > 0, Argument, "StepLR", "a step size of zero never comes");
        Ok(StepLR { clock: Clock::new(b.optimizer), step_size: b.step_size, gamma: b.gamma }.started())
    }
}

scheduler!(StepLR, |s, t, _group, rate| if t > 0 && t % s.step_size == 0 {
    rate.lr *= s.gamma;
});

/// The rate times `gamma` at each of some steps: `MultiStepLR`.
#[derive(Debug)]
pub struct MultiStepLR {
    clock: Clock,
    milestones: Vec<u64>,
    gamma: f64,
}

builder! {
    /// Options of [`MultiStepLR`].
    pub struct MultiStepLRBuilder => MultiStepLR;
    new { optimizer: ~into Target, milestones: ~into Vec<u64> }
    options {
        /// The factor.
        gamma: f64 = 0.1,
    }
}

impl MultiStepLR {
    fn from_builder(b: MultiStepLRBuilder) -> Result<Self> {
        Ok(MultiStepLR { clock: Clock::new(b.optimizer), milestones: b.milestones, gamma: b.gamma }.started())
    }
}

scheduler!(MultiStepLR, |s, t, _group, rate| {
    let times = s.milestones.iter().filter(|m| **m == t).count();
    rate.lr *= s.gamma.powi(times as i32);
});

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
    options {}
}

impl ExponentialLR {
    fn from_builder(b: ExponentialLRBuilder) -> Result<Self> {
        Ok(ExponentialLR { clock: Clock::new(b.optimizer), gamma: b.gamma }.started())
    }
}

scheduler!(ExponentialLR, |s, t, _group, rate| if t > 0 {
    rate.lr *= s.gamma;
});

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
    }
}

impl ConstantLR {
    fn from_builder(b: ConstantLRBuilder) -> Result<Self> {
        ensure!(b.factor > 0.0 && b.factor <= 1.0, Argument, "ConstantLR", "a factor of {} is not in 0..=1", b.factor);
        Ok(ConstantLR { clock: Clock::new(b.optimizer), factor: b.factor, total_iters: b.total_iters }.started())
    }
}

scheduler!(ConstantLR, |s, t, _group, rate| {
    if t == 0 {
        rate.lr *= s.factor;
    } else if t == s.total_iters {
        rate.lr /= s.factor;
    }
});

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
    }
}

impl LinearLR {
    fn from_builder(b: LinearLRBuilder) -> Result<Self> {
        ensure!(
            b.start_factor > 0.0 && b.start_factor <= 1.0,
            Argument,
            "LinearLR",
            "a start factor of {} is not in 0..=1",
            b.start_factor
        );
        Ok(LinearLR {
            clock: Clock::new(b.optimizer),
            start: b.start_factor,
            end: b.end_factor,
            total_iters: b.total_iters,
        }
        .started())
    }
}

scheduler!(LinearLR, |s, t, _group, rate| {
    if t == 0 {
        rate.lr *= s.start;
    } else if t <= s.total_iters {
        let slope = s.end - s.start;
        rate.lr *= 1.0 + slope / (s.total_iters as f64 * s.start + (t - 1) as f64 * slope);
    }
});

/// The rate along half a cosine from its first value to `eta_min` in `t_max` steps (and back):
/// `CosineAnnealingLR`. Loshchilov & Hutter 2017.
#[derive(Debug)]
pub struct CosineAnnealingLR {
    clock: Clock,
    t_max: u64,
    eta_min: f64,
}

builder! {
    /// Options of [`CosineAnnealingLR`].
    pub struct CosineAnnealingLRBuilder => CosineAnnealingLR;
    new { optimizer: ~into Target, t_max: u64 }
    options {
        /// The lowest rate.
        eta_min: f64 = 0.0,
    }
}

impl CosineAnnealingLR {
    fn from_builder(b: CosineAnnealingLRBuilder) -> Result<Self> {
        ensure!(b.t_max > 0, Argument, "CosineAnnealingLR", "no steps to go");
        Ok(CosineAnnealingLR { clock: Clock::new(b.optimizer), t_max: b.t_max, eta_min: b.eta_min }.started())
    }
}

scheduler!(CosineAnnealingLR, |s, t, group, rate| {
    let whole = s.t_max as f64;
    if t > 0 && (i128::from(t) - 1 - i128::from(s.t_max)) % (2 * i128::from(s.t_max)) == 0 {
        rate.lr += (s.clock.base_lrs[group] - s.eta_min) * (1.0 - (PI / whole).cos()) / 2.0;
    } else if t > 0 {
        let (now, before) = (1.0 + (PI * t as f64 / whole).cos(), 1.0 + (PI * (t - 1) as f64 / whole).cos());
        rate.lr = now / before * (rate.lr - s.eta_min) + s.eta_min;
    }
});

/// How [`OneCycleLR`] goes from one rate to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnealStrategy {
    /// along half a cosine
    Cos,
    /// evenly
    Linear,
}

/// Up to `max_lr` and down far below the start in `total_steps` steps of a batch each, momentum the other
/// way: `OneCycleLR`. Smith & Topin 2018.
#[derive(Debug)]
pub struct OneCycleLR {
    clock: Clock,
    options: OneCycleLRBuilder,
}

builder! {
    /// Options of [`OneCycleLR`].
    pub struct OneCycleLRBuilder => OneCycleLR;
    new { optimizer: ~into Target, max_lr: f64, total_steps: u64 }
    options {
        /// The part of the cycle that leads up.
        pct_start: f64 = 0.3,
        /// How it goes from one rate to the next.
        anneal_strategy: AnnealStrategy = AnnealStrategy::Cos,
        /// Whether momentum goes the other way.
        cycle_momentum: bool = true,
        /// The lowest momentum.
        base_momentum: f64 = 0.85,
        /// The highest momentum.
        max_momentum: f64 = 0.95,
        /// The first rate is `max_lr / div_factor`.
        div_factor: f64 = 25.0,
        /// The last rate is the first one divided by this.
        final_div_factor: f64 = 1e4,
        /// Down to the first rate as long as up, then on to the last one.
        three_phase: bool = false,
    }
}

impl OneCycleLR {
    fn from_builder(b: OneCycleLRBuilder) -> Result<Self> {
        ensure!(b.total_steps > 0, Argument, "OneCycleLR", "no steps to go");
        ensure!(
            (0.0..=1.0).contains(&b.pct_start),
            Argument,
            "OneCycleLR",
            "pct_start = {} is not in 0..=1",
            b.pct_start
        );
        let initial = b.max_lr / b.div_factor;
        b.optimizer.0.update(|_, r| r.initial_lr = Some(initial));
        let clock = Clock { end: Some(b.total_steps), ..Clock::new(b.optimizer.clone()) };
        Ok(OneCycleLR { clock, options: b }.started())
    }

    /// The ends of the phases in steps, with rates and momenta at both sides of each.
    fn phases(&self) -> Vec<(f64, [f64; 2], [f64; 2])> {
        let o = &self.options;
        let (first, last) = (o.max_lr / o.div_factor, o.max_lr / o.div_factor / o.final_div_factor);
        let (low, high) = (o.base_momentum, o.max_momentum);
        let (total, up) = (o.total_steps as f64, o.pct_start * o.total_steps as f64);
        if o.three_phase {
            vec![
                (up - 1.0, [first, o.max_lr], [high, low]),
                (2.0 * up - 2.0, [o.max_lr, first], [low, high]),
                (total - 1.0, [first, last], [high, high]),
            ]
        } else {
            vec![(up - 1.0, [first, o.max_lr], [high, low]), (total - 1.0, [o.max_lr, last], [low, high])]
        }
    }
}

scheduler!(OneCycleLR, |s, t, _group, rate| {
    let o = &s.options;
    let between = |[a, b]: [f64; 2], at: f64| match o.anneal_strategy {
        AnnealStrategy::Cos => b + (a - b) / 2.0 * (1.0 + (PI * at).cos()),
        AnnealStrategy::Linear => a + (b - a) * at,
    };
    let (phases, mut start) = (s.phases(), 0.0);
    let t = t as f64;
    for (i, (end, lr, momentum)) in phases.iter().enumerate() {
        if t <= *end || i == phases.len() - 1 {
            // A phase of no length is over at once.
            let at = if *end == start { 1.0 } else { (t - start) / (end - start) };
            rate.lr = between(*lr, at);
            if o.cycle_momentum {
                rate.momentum = between(*momentum, at);
            }
            break;
        }
        start = *end;
    }
});
