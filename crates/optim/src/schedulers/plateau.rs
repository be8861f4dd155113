//! The schedule that waits for progress.

use super::Scheduler;
use super::clock::{PerGroup, Saved, Target};
use crate::base::Groups;
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, bail, builder, ensure};

/// Which way a metric gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlateauMode {
    /// down, as a loss
    Min,
    /// up, as an accuracy
    Max,
}

/// What a threshold is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThresholdMode {
    /// the best value so far
    Rel,
    /// itself
    Abs,
}

/// The rate times `factor` where a metric has not got better for more than `patience` steps: `ReduceLROnPlateau`.
/// Its step is [`step_metric`](Scheduler::step_metric).
#[derive(Debug)]
pub struct ReduceLROnPlateau {
    groups: Groups,
    min_lrs: Vec<f64>,
    options: ReduceLROnPlateauBuilder,
    state: Progress,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    best: f64,
    cooldown: u64,
    bad: u64,
    epoch: u64,
}

builder! {
    /// Options of [`ReduceLROnPlateau`].
    pub struct ReduceLROnPlateauBuilder => ReduceLROnPlateau;
    new { optimizer: ~into Target }
    options {
        /// Which way the metric gets better.
        mode: PlateauMode = PlateauMode::Min,
        /// The factor.
        factor: f64 = 0.1,
        /// Steps without progress that are borne.
        patience: u64 = 10,
        /// What counts as progress.
        threshold: f64 = 1e-4,
        /// What the threshold is measured by.
        threshold_mode: ThresholdMode = ThresholdMode::Rel,
        /// Steps after a reduction that do not count.
        cooldown: u64 = 0,
        /// The lowest rate.
        min_lr: ~into PerGroup = PerGroup::from(0.0),
        /// A smaller change of the rate is left out.
        eps: f64 = 1e-8,
    }
}

impl ReduceLROnPlateau {
    fn from_builder(b: ReduceLROnPlateauBuilder) -> Result<Self> {
        ensure!(b.factor < 1.0, Argument, "ReduceLROnPlateau", "a factor of {} is not below 1", b.factor);
        let min_lrs = b.min_lr.clone().of("ReduceLROnPlateau", "min_lr", &b.optimizer)?;
        let state = Progress { best: worst(b.mode), cooldown: 0, bad: 0, epoch: 0 };
        Ok(ReduceLROnPlateau { groups: b.optimizer.0.clone(), min_lrs, options: b, state })
    }

    fn is_better(&self, x: f64) -> bool {
        let (best, threshold) = (self.state.best, self.options.threshold);
        match (self.options.mode, self.options.threshold_mode) {
            (PlateauMode::Min, ThresholdMode::Rel) => x < best * (1.0 - threshold),
            (PlateauMode::Min, ThresholdMode::Abs) => x < best - threshold,
            (PlateauMode::Max, ThresholdMode::Rel) => x > best * (1.0 + threshold),
            (PlateauMode::Max, ThresholdMode::Abs) => x > best + threshold,
        }
    }
}

fn worst(mode: PlateauMode) -> f64 {
    match mode {
        PlateauMode::Min => f64::INFINITY,
        PlateauMode::Max => f64::NEG_INFINITY,
    }
}

impl Scheduler for ReduceLROnPlateau {
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        bail!(Argument, "ReduceLROnPlateau", "a step needs a metric: `step_metric`")
    }

    #[track_caller]
    fn step_metric(&mut self, metric: f64) -> Result<()> {
        let mut state = Progress { epoch: self.state.epoch.saturating_add(1), ..self.state };
        if self.is_better(metric) {
            (state.best, state.bad) = (metric, 0);
        } else {
            state.bad += 1;
        }
        if state.cooldown > 0 {
            (state.cooldown, state.bad) = (state.cooldown - 1, 0);
        }
        if state.bad > self.options.patience {
            let (factor, eps) = (self.options.factor, self.options.eps);
            self.groups.update(|i, options| {
                let old = options.number("lr")?;
                let least = self.min_lrs.get(i).or(self.min_lrs.first()).copied().unwrap_or(0.0);
                let new = (old * factor).max(least);
                if old - new > eps { options.set_number("lr", new) } else { Ok(()) }
            })?;
            (state.cooldown, state.bad) = (self.options.cooldown, 0);
        }
        self.state = state;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.state = Progress { best: worst(self.options.mode), cooldown: 0, bad: 0, epoch: 0 };
        Ok(())
    }

    fn last_lr(&self) -> Vec<f64> {
        self.groups.numbers("lr").unwrap_or_default()
    }

    fn groups(&self) -> Groups {
        self.groups.clone()
    }

    fn state_dict(&self) -> Result<Value> {
        let (s, o) = (&self.state, &self.options);
        Ok(Value::dict([
            ("factor", o.factor.into()),
            ("patience", o.patience.into()),
            ("cooldown", o.cooldown.into()),
            ("eps", o.eps.into()),
            ("min_lrs", self.min_lrs.to_value()),
            ("threshold", o.threshold.into()),
            ("mode", if o.mode == PlateauMode::Min { "min" } else { "max" }.into()),
            ("threshold_mode", if o.threshold_mode == ThresholdMode::Rel { "rel" } else { "abs" }.into()),
            ("best", s.best.into()),
            ("cooldown_counter", s.cooldown.into()),
            ("num_bad_epochs", s.bad.into()),
            ("last_epoch", s.epoch.into()),
            ("_last_lr", self.last_lr().to_value()),
        ]))
    }

    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        fn read<T: Saved>(state: &Value, name: &str) -> Result<T> {
            match state.get(name).and_then(T::of) {
                Some(x) => Ok(x),
                None => bail!(State, "ReduceLROnPlateau", "\"{name}\" is missing or of another kind"),
            }
        }
        let progress = Progress {
            best: read(state, "best")?,
            cooldown: read(state, "cooldown_counter")?,
            bad: read(state, "num_bad_epochs")?,
            epoch: read(state, "last_epoch")?,
        };
        let min_lrs: Vec<f64> = read(state, "min_lrs")?;
        let (factor, patience) = (read(state, "factor")?, read(state, "patience")?);
        let cooldown = read(state, "cooldown")?;
        (self.state, self.min_lrs) = (progress, min_lrs);
        (self.options.factor, self.options.patience, self.options.cooldown) = (factor, patience, cooldown);
        Ok(())
    }
}
