//! Schedules along cosines and cycles.

use super::clock::{Clock, Curve, PerGroup, Target, curve, started};
use crate::base::GroupOptions;
use flambeau_tensor::{Result, bail, builder, ensure};
use std::f64::consts::PI;

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
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl CosineAnnealingLR {
    fn from_builder(b: CosineAnnealingLRBuilder) -> Result<Self> {
        ensure!(b.t_max > 0, Argument, "CosineAnnealingLR", "no steps to go");
        let clock = Clock::new(b.optimizer, b.option)?;
        started(CosineAnnealingLR { clock, t_max: b.t_max, eta_min: b.eta_min })
    }
}

impl Curve for CosineAnnealingLR {
    curve!(CosineAnnealingLR { "T_max": t_max, "eta_min": eta_min });
    fn at(&self, t: u64, group: usize, now: f64) -> f64 {
        let whole = self.t_max as f64;
        if t == 0 {
            return now;
        }
        if (i128::from(t) - 1 - i128::from(self.t_max)) % (2 * i128::from(self.t_max.max(1))) == 0 {
            return now + (self.clock.base(group) - self.eta_min) * (1.0 - (PI / whole).cos()) / 2.0;
        }
        let (here, before) = (1.0 + (PI * t as f64 / whole).cos(), 1.0 + (PI * (t - 1) as f64 / whole).cos());
        here / before * (now - self.eta_min) + self.eta_min
    }
}

/// The rate along half a cosine, again and again, each time `t_mult` as long: `CosineAnnealingWarmRestarts`.
/// Loshchilov & Hutter 2017.
#[derive(Debug)]
pub struct CosineAnnealingWarmRestarts {
    clock: Clock,
    t_0: u64,
    t_mult: u64,
    eta_min: f64,
}

builder! {
    /// Options of [`CosineAnnealingWarmRestarts`].
    pub struct CosineAnnealingWarmRestartsBuilder => CosineAnnealingWarmRestarts;
    new { optimizer: ~into Target, t_0: u64 }
    options {
        /// The factor by which each run is longer than the one before.
        t_mult: u64 = 1,
        /// The lowest rate.
        eta_min: f64 = 0.0,
        /// The option that is scheduled; of a pair (`"betas"`) the first.
        option: ~into String = "lr".to_string(),
    }
}

impl CosineAnnealingWarmRestarts {
    fn from_builder(b: CosineAnnealingWarmRestartsBuilder) -> Result<Self> {
        ensure!(b.t_0 > 0 && b.t_mult > 0, Argument, "CosineAnnealingWarmRestarts", "no steps to go");
        let clock = Clock::new(b.optimizer, b.option)?;
        started(CosineAnnealingWarmRestarts { clock, t_0: b.t_0, t_mult: b.t_mult, eta_min: b.eta_min })
    }

    /// The step within its run, and the length of the run.
    fn run(&self, t: u64) -> (u64, u64) {
        let (mut current, mut length) = (t, self.t_0.max(1));
        if self.t_mult <= 1 {
            return (current % length, length);
        }
        while current >= length {
            current -= length;
            length = length.saturating_mul(self.t_mult);
        }
        (current, length)
    }
}

impl Curve for CosineAnnealingWarmRestarts {
    curve!(CosineAnnealingWarmRestarts { "T_0": t_0, "T_mult": t_mult, "eta_min": eta_min });
    fn at(&self, t: u64, group: usize, _: f64) -> f64 {
        let (current, length) = self.run(t);
        let part = (1.0 + (PI * current as f64 / length as f64).cos()) / 2.0;
        self.eta_min + (self.clock.base(group) - self.eta_min) * part
    }
}

/// How a rate goes from one value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnealStrategy {
    /// along half a cosine
    Cos,
    /// evenly
    Linear,
}

impl AnnealStrategy {
    fn between(self, [a, b]: [f64; 2], at: f64) -> f64 {
        match self {
            AnnealStrategy::Cos => b + (a - b) / 2.0 * (1.0 + (PI * at).cos()),
            AnnealStrategy::Linear => a + (b - a) * at,
        }
    }
}

/// What cycles against the rate: SGD's momentum, or Adam's first beta.
fn momentum_of(name: &'static str, options: &GroupOptions) -> Result<&'static str> {
    let found = ["betas", "momentum"].into_iter().find(|name| options.get(name).is_some());
    match found {
        Some(found) => Ok(found),
        None => {
            bail!(Argument, name, "the optimizer has neither momentum nor betas; `cycle_momentum(false)` leaves them")
        }
    }
}

/// Up to `max_lr` and down far below the start in `total_steps` steps of a batch each, momentum the other
/// way: `OneCycleLR`. Smith & Topin 2018.
#[derive(Debug)]
pub struct OneCycleLR {
    clock: Clock,
    max_lrs: Vec<f64>,
    options: OneCycleLRBuilder,
}

builder! {
    /// Options of [`OneCycleLR`].
    pub struct OneCycleLRBuilder => OneCycleLR;
    new { optimizer: ~into Target, max_lr: ~into PerGroup, total_steps: u64 }
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
        let max_lrs = b.max_lr.clone().of("OneCycleLR", "max_lr", &b.optimizer)?;
        b.optimizer.0.update(|i, options| {
            let initial = max_lrs[i] / b.div_factor;
            options.set("initial_lr", initial);
            options.set("max_lr", max_lrs[i]);
            options.set("min_lr", initial / b.final_div_factor);
            if b.cycle_momentum {
                momentum_of("OneCycleLR", options)?;
                options.set("max_momentum", b.max_momentum);
                options.set("base_momentum", b.base_momentum);
            }
            Ok(())
        })?;
        let clock = Clock { end: Some(b.total_steps), ..Clock::new(b.optimizer.clone(), "lr".to_string())? };
        started(OneCycleLR { clock, max_lrs, options: b })
    }

    /// Rate and momentum of a group.
    fn point(&self, t: u64, group: usize) -> (f64, f64) {
        let o = &self.options;
        let top = self.max_lrs.get(group).or(self.max_lrs.first()).copied().unwrap_or(0.0);
        let (first, last) = (top / o.div_factor, top / o.div_factor / o.final_div_factor);
        let (low, high) = (o.base_momentum, o.max_momentum);
        let (total, up) = (o.total_steps as f64, o.pct_start * o.total_steps as f64);
        // The ends of the phases in steps, with rates and momenta at both sides of each.
        let three = [
            (up - 1.0, [first, top], [high, low]),
            (2.0 * up - 2.0, [top, first], [low, high]),
            (total - 1.0, [first, last], [high, high]),
        ];
        let two = [(up - 1.0, [first, top], [high, low]), (total - 1.0, [top, last], [low, high])];
        let phases = if o.three_phase { &three[..] } else { &two[..] };
        let (t, mut start) = (t as f64, 0.0);
        for (i, (end, lr, momentum)) in phases.iter().enumerate() {
            if t <= *end || i == phases.len() - 1 {
                // A phase of no length is over at once.
                let at = if *end == start { 1.0 } else { (t - start) / (end - start) };
                return (o.anneal_strategy.between(*lr, at), o.anneal_strategy.between(*momentum, at));
            }
            start = *end;
        }
        (last, high)
    }
}

impl Curve for OneCycleLR {
    curve!(OneCycleLR {});
    fn at(&self, t: u64, group: usize, _: f64) -> f64 {
        self.point(t, group).0
    }
    fn also(&self, t: u64, group: usize, options: &mut GroupOptions) -> Result<()> {
        if self.options.cycle_momentum {
            options.set_number(momentum_of("OneCycleLR", options)?, self.point(t, group).1)?;
        }
        Ok(())
    }
}

/// How high each cycle of [`CyclicLR`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CyclicMode {
    /// all the same
    Triangular,
    /// half of the one before
    Triangular2,
    /// less by `gamma` every step
    ExpRange,
}

/// From `base_lr` to `max_lr` and back, again and again, momentum the other way: `CyclicLR`. Smith 2017.
#[derive(Debug)]
pub struct CyclicLR {
    clock: Clock,
    max_lrs: Vec<f64>,
    options: CyclicLRBuilder,
}

builder! {
    /// Options of [`CyclicLR`].
    pub struct CyclicLRBuilder => CyclicLR;
    new { optimizer: ~into Target, base_lr: ~into PerGroup, max_lr: ~into PerGroup }
    options {
        /// The steps up.
        step_size_up: u64 = 2000,
        /// The steps down, as many as up where none.
        step_size_down: ~into Option<u64> = None,
        /// How high each cycle is.
        mode: CyclicMode = CyclicMode::Triangular,
        /// The factor of [`CyclicMode::ExpRange`].
        gamma: f64 = 1.0,
        /// Whether momentum goes the other way.
        cycle_momentum: bool = true,
        /// The lowest momentum.
        base_momentum: f64 = 0.8,
        /// The highest momentum.
        max_momentum: f64 = 0.9,
    }
}

impl CyclicLR {
    fn from_builder(b: CyclicLRBuilder) -> Result<Self> {
        let down = b.step_size_down.unwrap_or(b.step_size_up);
        ensure!(b.step_size_up > 0 && down > 0, Argument, "CyclicLR", "no steps up or down");
        let base = b.base_lr.clone().of("CyclicLR", "base_lr", &b.optimizer)?;
        let max_lrs = b.max_lr.clone().of("CyclicLR", "max_lr", &b.optimizer)?;
        b.optimizer.0.update(|i, options| {
            options.set_number("lr", base[i])?;
            if b.cycle_momentum {
                momentum_of("CyclicLR", options)?;
                options.set("max_momentum", b.max_momentum);
                options.set("base_momentum", b.base_momentum);
            }
            Ok(())
        })?;
        let clock = Clock { base, ..Clock::new(b.optimizer.clone(), "lr".to_string())? };
        started(CyclicLR { clock, max_lrs, options: b })
    }

    /// How far between the ends.
    fn part(&self, t: u64) -> f64 {
        let o = &self.options;
        let up = o.step_size_up as f64;
        let total = up + o.step_size_down.unwrap_or(o.step_size_up) as f64;
        let cycle = (1.0 + t as f64 / total).floor();
        let (x, ratio) = (1.0 + t as f64 / total - cycle, up / total);
        let height = if x <= ratio { x / ratio } else { (x - 1.0) / (ratio - 1.0) };
        height
            * match o.mode {
                CyclicMode::Triangular => 1.0,
                CyclicMode::Triangular2 => 1.0 / 2f64.powf(cycle - 1.0),
                CyclicMode::ExpRange => o.gamma.powf(t as f64),
            }
    }
}

impl Curve for CyclicLR {
    curve!(CyclicLR { "max_lrs": max_lrs });
    fn at(&self, t: u64, group: usize, _: f64) -> f64 {
        let base = self.clock.base(group);
        base + (self.max_lrs.get(group).or(self.max_lrs.first()).copied().unwrap_or(base) - base) * self.part(t)
    }
    fn also(&self, t: u64, _: usize, options: &mut GroupOptions) -> Result<()> {
        let o = &self.options;
        if o.cycle_momentum {
            let momentum = o.max_momentum - (o.max_momentum - o.base_momentum) * self.part(t);
            options.set_number(momentum_of("CyclicLR", options)?, momentum)?;
        }
        Ok(())
    }
}

/// From the rate of now to that of weight averaging, where it stays: `torch.optim.swa_utils.SWALR`. Izmailov et al.
/// 2018.
#[derive(Debug)]
pub struct SWALR {
    clock: Clock,
    swa_lrs: Vec<f64>,
    anneal_epochs: u64,
    strategy: AnnealStrategy,
}

builder! {
    /// Options of [`SWALR`].
    pub struct SWALRBuilder => SWALR;
    new { optimizer: ~into Target, swa_lr: ~into PerGroup }
    options {
        /// The steps between.
        anneal_epochs: u64 = 10,
        /// How it goes from one rate to the other.
        anneal_strategy: AnnealStrategy = AnnealStrategy::Cos,
    }
}

impl SWALR {
    fn from_builder(b: SWALRBuilder) -> Result<Self> {
        let swa_lrs = b.swa_lr.of("SWALR", "swa_lr", &b.optimizer)?;
        b.optimizer.0.update(|i, options| {
            options.set("swa_lr", swa_lrs[i]);
            Ok(())
        })?;
        let clock = Clock::new(b.optimizer, "lr".to_string())?;
        started(SWALR { clock, swa_lrs, anneal_epochs: b.anneal_epochs, strategy: b.anneal_strategy })
    }
}

impl Curve for SWALR {
    curve!(SWALR { "anneal_epochs": anneal_epochs });
    fn at(&self, t: u64, group: usize, now: f64) -> f64 {
        let swa = self.swa_lrs.get(group).or(self.swa_lrs.first()).copied().unwrap_or(now);
        let (steps, t) = (self.anneal_epochs.max(1) as f64, if self.anneal_epochs == 0 { t.max(1) } else { t } as f64);
        let part = |t: f64| self.strategy.between([0.0, 1.0], (t / steps).clamp(0.0, 1.0));
        let (before, here) = (part(t - 1.0), part(t));
        let start = if before == 1.0 { swa } else { (now - before * swa) / (1.0 - before) };
        swa * here + start * (1.0 - here)
    }
}
