//! Schedules of learning rates and of other options: `torch.optim.lr_scheduler`. Each changes the options it shares
//! with an optimizer, from the moment it is made.

mod clock;
mod compose;
mod cycles;
mod lambdas;
mod plateau;
mod steps;

pub use clock::{PerGroup, Target};
pub use compose::{ChainedScheduler, SequentialLR};
pub use cycles::{
    AnnealStrategy, CosineAnnealingLR, CosineAnnealingLRBuilder, CosineAnnealingWarmRestarts,
    CosineAnnealingWarmRestartsBuilder, CyclicLR, CyclicLRBuilder, CyclicMode, OneCycleLR, OneCycleLRBuilder, SWALR,
    SWALRBuilder,
};
pub use lambdas::{Lambda, LambdaLR, LambdaLRBuilder, Lambdas, MultiplicativeLR, MultiplicativeLRBuilder};
pub use plateau::{PlateauMode, ReduceLROnPlateau, ReduceLROnPlateauBuilder, ThresholdMode};
pub use steps::{
    ConstantLR, ConstantLRBuilder, ExponentialLR, ExponentialLRBuilder, LinearLR, LinearLRBuilder, MultiStepLR,
    MultiStepLRBuilder, PolynomialLR, PolynomialLRBuilder, StepLR, StepLRBuilder,
};

use crate::base::Groups;
use flambeau_serialize::torch::Value;
use flambeau_tensor::Result;

/// A schedule of learning rates, or of another option.
pub trait Scheduler {
    /// Goes on by one: after an epoch, or a batch, as the schedule counts.
    ///
    /// # Errors
    /// Where a schedule of a given length is at its end ([`OneCycleLR`]), or needs a metric
    /// ([`ReduceLROnPlateau`]); nothing is changed then.
    #[track_caller]
    fn step(&mut self) -> Result<()>;

    /// [`step`](Scheduler::step) with a measured value, which [`ReduceLROnPlateau`] goes by.
    ///
    /// # Errors
    /// As [`step`](Scheduler::step).
    #[track_caller]
    fn step_metric(&mut self, _metric: f64) -> Result<()> {
        self.step()
    }

    /// Begins anew: what [`SequentialLR`] does when a schedule's turn comes.
    ///
    /// # Errors
    /// Where an option cannot be written.
    fn restart(&mut self) -> Result<()>;

    /// The learning rate of each group (or the option that is scheduled).
    fn last_lr(&self) -> Vec<f64>;

    /// The groups whose options it changes.
    fn groups(&self) -> Groups;

    /// How far it is, under PyTorch's names, to save and resume beside the optimizer's own state.
    ///
    /// # Errors
    /// Where an option cannot be read.
    fn state_dict(&self) -> Result<Value>;

    /// Takes what [`state_dict`](Scheduler::state_dict) gave.
    ///
    /// # Errors
    /// Where something is missing or of another kind; nothing is changed then.
    #[track_caller]
    fn load_state_dict(&mut self, state: &Value) -> Result<()>;
}
