//! Schedules made of schedules.

use super::Scheduler;
use crate::base::Groups;
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, bail, ensure};
use std::fmt;

type Parts = Vec<Box<dyn Scheduler>>;

/// At least one, and all of one optimizer.
fn check(name: &'static str, parts: &Parts) -> Result<Groups> {
    let Some(first) = parts.first() else { bail!(Argument, name, "there are no schedules") };
    let groups = first.groups();
    let other = parts.iter().position(|s| !s.groups().is(&groups));
    ensure!(other.is_none(), Argument, name, "schedule {} is of another optimizer", other.unwrap_or(0));
    Ok(groups)
}

fn save(parts: &Parts) -> Result<Value> {
    Ok(Value::List(parts.iter().map(|s| s.state_dict()).collect::<Result<_>>()?))
}

/// All or nothing: where one fails, those before it get their own state back.
fn load(name: &'static str, parts: &mut Parts, state: &Value) -> Result<()> {
    let saved = state.get("_schedulers").map(Value::items).unwrap_or_default();
    ensure!(saved.len() == parts.len(), State, name, "{} schedules here and {} in the state", parts.len(), saved.len());
    let before = parts.iter().map(|s| s.state_dict()).collect::<Result<Vec<Value>>>()?;
    let failed = parts.iter_mut().zip(saved).find_map(|(s, state)| s.load_state_dict(state).err());
    match failed {
        None => Ok(()),
        Some(e) => {
            parts.iter_mut().zip(&before).try_for_each(|(s, state)| s.load_state_dict(state))?;
            Err(e)
        }
    }
}

/// One schedule after another, each from its milestone on: `SequentialLR`.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_optim::{ConstantLR, ExponentialLR, Optimizer, SGD, Scheduler, SequentialLR};
/// use flambeau_tensor::Tensor;
///
/// let optimizer = SGD::new([Tensor::ones(1).build()?.requires_grad_()?]).lr(1.0).build()?;
/// let warm = ConstantLR::new(&optimizer).factor(0.1).total_iters(2).build()?;
/// let fall = ExponentialLR::new(&optimizer, 0.5).build()?;
/// let mut scheduler = SequentialLR::new([Box::new(warm) as _, Box::new(fall) as _], [2])?;
/// let mut rates = optimizer.lr();
/// for _ in 0..4 {
///     scheduler.step()?;
///     rates.extend(optimizer.lr());
/// }
/// assert_eq!(rates, [0.1, 0.1, 1.0, 0.5, 0.25]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct SequentialLR {
    parts: Parts,
    milestones: Vec<u64>,
    groups: Groups,
    epoch: u64,
}

impl SequentialLR {
    /// `schedulers` of one optimizer; the second begins at the first of `milestones`, and so on.
    ///
    /// # Errors
    /// Where there are none, one is of another optimizer, or there are not as many milestones as turns, rising.
    #[track_caller]
    pub fn new(
        schedulers: impl IntoIterator<Item = Box<dyn Scheduler>>,
        milestones: impl Into<Vec<u64>>,
    ) -> Result<SequentialLR> {
        let (parts, milestones): (Parts, Vec<u64>) = (schedulers.into_iter().collect(), milestones.into());
        let groups = check("SequentialLR", &parts)?;
        let (n, m) = (parts.len(), milestones.len());
        ensure!(m == n - 1, Argument, "SequentialLR", "{n} schedules have {} milestones, not {m}", n - 1);
        ensure!(milestones.is_sorted(), Argument, "SequentialLR", "the milestones {milestones:?} do not rise");
        // What the others did when they were made is undone.
        groups.update(|_, options| match options.number("initial_lr") {
            Ok(initial) => options.set_number("lr", initial),
            Err(_) => Ok(()),
        })?;
        let mut scheduler = SequentialLR { parts, milestones, groups, epoch: 0 };
        let first = scheduler.turn(0);
        scheduler.parts[first].restart()?;
        Ok(scheduler)
    }

    /// The schedule whose turn it is.
    fn turn(&self, epoch: u64) -> usize {
        self.milestones.partition_point(|m| *m <= epoch)
    }
}

impl Scheduler for SequentialLR {
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        let epoch = self.epoch.saturating_add(1);
        let turn = self.turn(epoch);
        if turn > 0 && self.milestones[turn - 1] == epoch {
            self.parts[turn].restart()?;
        } else {
            self.parts[turn].step()?;
        }
        self.epoch = epoch;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.epoch = 0;
        let first = self.turn(0);
        self.parts[first].restart()
    }

    fn last_lr(&self) -> Vec<f64> {
        self.parts[self.turn(self.epoch)].last_lr()
    }

    fn groups(&self) -> Groups {
        self.groups.clone()
    }

    fn state_dict(&self) -> Result<Value> {
        let milestones = Value::List(self.milestones.iter().map(|m| Value::from(*m)).collect());
        Ok(Value::dict([
            ("_milestones", milestones),
            ("last_epoch", self.epoch.into()),
            ("_last_lr", Value::List(self.last_lr().into_iter().map(Value::Float).collect())),
            ("_schedulers", save(&self.parts)?),
        ]))
    }

    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let Some(epoch) = state.get("last_epoch").and_then(Value::as_i64) else {
            bail!(State, "SequentialLR", "\"last_epoch\" is missing or no whole number")
        };
        load("SequentialLR", &mut self.parts, state)?;
        self.epoch = epoch.max(0) as u64;
        Ok(())
    }
}

/// Several schedules at once, each on what the others made: `ChainedScheduler`.
pub struct ChainedScheduler {
    parts: Parts,
    groups: Groups,
}

impl ChainedScheduler {
    /// `schedulers` of one optimizer.
    ///
    /// # Errors
    /// Where there are none, or one is of another optimizer.
    #[track_caller]
    pub fn new(schedulers: impl IntoIterator<Item = Box<dyn Scheduler>>) -> Result<ChainedScheduler> {
        let parts: Parts = schedulers.into_iter().collect();
        let groups = check("ChainedScheduler", &parts)?;
        Ok(ChainedScheduler { parts, groups })
    }
}

impl Scheduler for ChainedScheduler {
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        self.parts.iter_mut().try_for_each(|s| s.step())
    }

    fn restart(&mut self) -> Result<()> {
        self.parts.iter_mut().try_for_each(|s| s.restart())
    }

    fn last_lr(&self) -> Vec<f64> {
        self.parts.last().map(|s| s.last_lr()).unwrap_or_default()
    }

    fn groups(&self) -> Groups {
        self.groups.clone()
    }

    fn state_dict(&self) -> Result<Value> {
        let last = Value::List(self.last_lr().into_iter().map(Value::Float).collect());
        Ok(Value::dict([("_last_lr", last), ("_schedulers", save(&self.parts)?)]))
    }

    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        load("ChainedScheduler", &mut self.parts, state)
    }
}

impl fmt::Debug for SequentialLR {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequentialLR of {} at {:?}", self.parts.len(), self.milestones)
    }
}

impl fmt::Debug for ChainedScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainedScheduler of {}", self.parts.len())
    }
}
