//! What schedules have in common: the groups they change, where these started, and the number of steps so far.

use super::Scheduler;
use crate::base::{GroupOptions, Groups, Optimizer};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{Result, bail, ensure};

/// The options a schedule is for; made of a reference to any optimizer, boxed ones and `&dyn` too.
#[derive(Clone, Debug)]
pub struct Target(pub(crate) Groups);

impl<O: Optimizer + ?Sized> From<&O> for Target {
    fn from(optimizer: &O) -> Target {
        Target(optimizer.groups())
    }
}

impl<O: Optimizer + ?Sized> From<&mut O> for Target {
    fn from(optimizer: &mut O) -> Target {
        Target(optimizer.groups())
    }
}

/// One number for all groups, or one for each.
#[derive(Clone, Debug)]
pub struct PerGroup(Vec<f64>);

impl From<f64> for PerGroup {
    fn from(x: f64) -> Self {
        PerGroup(vec![x])
    }
}

impl From<Vec<f64>> for PerGroup {
    fn from(numbers: Vec<f64>) -> Self {
        PerGroup(numbers)
    }
}

impl<const N: usize> From<[f64; N]> for PerGroup {
    fn from(numbers: [f64; N]) -> Self {
        PerGroup(numbers.into())
    }
}

impl PerGroup {
    /// As many as there are groups.
    pub(super) fn of(self, schedule: &'static str, name: &str, target: &Target) -> Result<Vec<f64>> {
        let (groups, numbers) = (target.0.len(), self.0.len());
        if numbers == 1 {
            return Ok(vec![self.0[0]; groups]);
        }
        ensure!(numbers == groups, Argument, schedule, "{name} has {numbers} numbers for {groups} groups");
        Ok(self.0)
    }
}

/// The state of any schedule.
#[derive(Debug)]
pub struct Clock {
    pub(super) groups: Groups,
    /// The option that is scheduled.
    pub(super) option: String,
    /// What it was where the schedule started, one for each group.
    pub(super) base: Vec<f64>,
    pub(super) epoch: u64,
    /// The last step there is, for a schedule of a given length.
    pub(super) end: Option<u64>,
}

impl Clock {
    /// Starts from the options as they are; the first schedule of an option notes it in the group.
    pub(super) fn new(target: Target, option: String) -> Result<Clock> {
        let (initial, mut base) = (format!("initial_{option}"), Vec::new());
        target.0.update(|_, options| {
            let now = options.number(&option)?;
            if options.get(&initial).is_none() {
                options.set(initial.clone(), now);
            }
            base.push(options.number(&initial)?);
            Ok(())
        })?;
        Ok(Clock { groups: target.0, option, base, epoch: 0, end: None })
    }

    pub(super) fn last(&self) -> Vec<f64> {
        self.groups.numbers(&self.option).unwrap_or_default()
    }

    /// Where group `i` started; one that came later starts from what the first had.
    pub(super) fn base(&self, i: usize) -> f64 {
        self.base.get(i).or(self.base.first()).copied().unwrap_or(0.0)
    }

    pub(super) fn save(&self) -> Vec<(&'static str, Value)> {
        let list = |numbers: Vec<f64>| Value::List(numbers.into_iter().map(Value::Float).collect());
        vec![
            ("base_lrs", list(self.base.clone())),
            ("last_epoch", self.epoch.into()),
            ("_step_count", self.epoch.saturating_add(1).into()),
            ("_last_lr", list(self.last())),
        ]
    }

    /// Where the schedule of `state` started, and how far it was.
    fn read(&self, name: &'static str, state: &Value) -> Result<(Vec<f64>, u64)> {
        let epoch = state.get("last_epoch").and_then(Value::as_i64);
        let Some(epoch) = epoch else { bail!(State, name, "\"last_epoch\" is missing or no whole number") };
        let Some(base) = state.get("base_lrs") else { return Ok((self.base.clone(), epoch.max(0) as u64)) };
        let base: Option<Vec<f64>> = base.items().iter().map(Value::as_f64).collect();
        let groups = self.base.len();
        match base {
            Some(base) if base.len() == groups => Ok((base, epoch.max(0) as u64)),
            Some(base) => bail!(State, name, "\"base_lrs\" has {} numbers for {groups} groups", base.len()),
            None => bail!(State, name, "\"base_lrs\" is no list of numbers"),
        }
    }
}

/// A schedule whose option follows a curve: what each of them states.
pub trait Curve {
    /// PyTorch's name.
    const NAME: &'static str;

    #[allow(missing_docs)]
    fn clock(&self) -> &Clock;
    #[allow(missing_docs)]
    fn clock_mut(&mut self) -> &mut Clock;

    /// The option of a group at `t`, the number of steps so far, where it was `now` before.
    fn at(&self, t: u64, group: usize, now: f64) -> f64;

    /// What else changes in a group.
    ///
    /// # Errors
    /// Where an option cannot be written.
    fn also(&self, _t: u64, _group: usize, _options: &mut GroupOptions) -> Result<()> {
        Ok(())
    }

    /// What a group begins with when the schedule is started again.
    fn first(&self, group: usize, _now: f64) -> f64 {
        self.clock().base(group)
    }

    /// Its own numbers, under PyTorch's names.
    fn save(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Takes its own numbers where they are all there.
    ///
    /// # Errors
    /// Where one is of another kind.
    fn load(&mut self, _state: &Value) -> Result<()> {
        Ok(())
    }
}

/// Sets all groups for the step `t`.
fn apply<C: Curve>(curve: &C, t: u64, restarted: bool) -> Result<()> {
    let clock = curve.clock();
    clock.groups.update(|group, options| {
        let now = options.number(&clock.option)?;
        let now = if restarted { curve.first(group, now) } else { now };
        options.set_number(&clock.option, curve.at(t, group, now))?;
        curve.also(t, group, options)
    })
}

/// The schedule, with the groups as it begins.
pub(super) fn started<C: Curve>(curve: C) -> Result<C> {
    apply(&curve, 0, false)?;
    Ok(curve)
}

impl<C: Curve> Scheduler for C {
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        let t = self.clock().epoch.saturating_add(1);
        if let Some(end) = self.clock().end {
            ensure!(t <= end, Argument, C::NAME, "step {t} of a schedule of {end} steps: it has ended");
        }
        apply(self, t, false)?;
        self.clock_mut().epoch = t;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.clock_mut().epoch = 0;
        apply(self, 0, true)
    }

    fn last_lr(&self) -> Vec<f64> {
        self.clock().last()
    }

    fn groups(&self) -> Groups {
        self.clock().groups.clone()
    }

    fn state_dict(&self) -> Result<Value> {
        Ok(Value::dict(self.clock().save().into_iter().chain(self.save())))
    }

    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let (base, epoch) = self.clock().read(C::NAME, state)?;
        self.load(state)?;
        let clock = self.clock_mut();
        (clock.base, clock.epoch) = (base, epoch);
        Ok(())
    }
}

/// A number of a schedule's own, as a state dict has it.
pub(super) trait Saved: Sized {
    fn to_value(&self) -> Value;
    fn of(value: &Value) -> Option<Self>;
}

impl Saved for f64 {
    fn to_value(&self) -> Value {
        (*self).into()
    }
    fn of(value: &Value) -> Option<f64> {
        value.as_f64()
    }
}

impl Saved for u64 {
    fn to_value(&self) -> Value {
        (*self).into()
    }
    fn of(value: &Value) -> Option<u64> {
        value.as_i64().and_then(|n| u64::try_from(n).ok())
    }
}

impl Saved for Vec<f64> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(|x| Value::Float(*x)).collect())
    }
    fn of(value: &Value) -> Option<Vec<f64>> {
        value.items().iter().map(Value::as_f64).collect()
    }
}

/// The part of [`Curve`] that says where the clock is, and which fields are saved under which names.
macro_rules! curve {
    ($Schedule:ident { $($name:literal: $field:ident),* $(,)? }) => {
        const NAME: &'static str = stringify!($Schedule);
        fn clock(&self) -> &$crate::schedulers::clock::Clock {
            &self.clock
        }
        fn clock_mut(&mut self) -> &mut $crate::schedulers::clock::Clock {
            &mut self.clock
        }
        fn save(&self) -> Vec<(&'static str, flambeau_serialize::torch::Value)> {
            #[allow(unused_imports)]
            use $crate::schedulers::clock::Saved as _;
            vec![$(($name, self.$field.to_value())),*]
        }
        #[allow(unused_variables)]
        fn load(&mut self, state: &flambeau_serialize::torch::Value) -> flambeau_tensor::Result<()> {
            $(
                let $field = match state.get($name) {
                    None => None,
                    Some(value) => match $crate::schedulers::clock::Saved::of(value) {
                        None => flambeau_tensor::bail!(State, stringify!($Schedule), "\"{}\" is of another kind", $name),
                        some => some,
                    },
                };
            )*
            $(
                if let Some(value) = $field {
                    self.$field = value;
                }
            )*
            Ok(())
        }
    };
}
pub(super) use curve;
