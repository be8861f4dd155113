//! Optimizers and learning-rate schedules, named and behaving as in `torch.optim`.
//!
//! An optimizer holds handles on parameters in groups, the options of each group under PyTorch's names, and its state
//! for each parameter; schedulers share the options. Its update is a short [`rule::Rule`], everything around it is
//! written once. Adam, AdamW and SGD step through lists of parameters in one fused pass
//! ([`flambeau_tensor::dispatch_update`]), and so do all that write their update as a [`rule::Formula`]; Adafactor, Muon,
//! SparseAdam and LBFGS are made of tensor ops.
//!
//! ```
//! use flambeau_autograd::Autograd;
//! use flambeau_optim::{Adam, Optimizer, Scheduler, StepLR};
//! use flambeau_tensor::Tensor;
//!
//! let w = Tensor::from_vec(vec![1.0f32, -2.0], 2)?.requires_grad_()?;
//! let mut optimizer = Adam::new([w.clone()]).lr(0.1).build()?;
//! let mut scheduler = StepLR::new(&optimizer, 20).gamma(0.5).build()?;
//! for _ in 0..100 {
//!     optimizer.zero_grad();
//!     w.square()?.sum(..)?.backward()?;
//!     optimizer.step()?;
//!     scheduler.step()?;
//! }
//! assert!(w.abs()?.sum(..)?.item::<f32>()? < 0.1);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod base;
mod grad_scaler;
mod optimizers;
mod schedulers;
pub mod swa_utils;

pub use base::{GroupOptions, Groups, Optimizer, ParamGroup};
pub use grad_scaler::{GradScaler, GradScalerBuilder};
pub use optimizers::*;
pub use schedulers::{
    AnnealStrategy, ChainedScheduler, ConstantLR, ConstantLRBuilder, CosineAnnealingLR, CosineAnnealingLRBuilder,
    CosineAnnealingWarmRestarts, CosineAnnealingWarmRestartsBuilder, CyclicLR, CyclicLRBuilder, CyclicMode,
    ExponentialLR, ExponentialLRBuilder, LambdaLR, LambdaLRBuilder, LinearLR, LinearLRBuilder, MultiStepLR,
    MultiStepLRBuilder, MultiplicativeLR, MultiplicativeLRBuilder, OneCycleLR, OneCycleLRBuilder, PlateauMode,
    PolynomialLR, PolynomialLRBuilder, ReduceLROnPlateau, ReduceLROnPlateauBuilder, SWALR, SWALRBuilder, Scheduler,
    SequentialLR, StepLR, StepLRBuilder, ThresholdMode,
};

/// What schedules are made from.
pub mod lr_scheduler {
    pub use crate::schedulers::{Lambda, Lambdas, PerGroup, Target};
}

/// What an optimizer is made of, one of your own too: see [`Rule`](rule::Rule).
pub mod rule {
    pub use crate::base::{
        Closure, Coefficient, Each, Formula, GroupOptions, Hook, HookId, Kind, Optim, OptionValue, Params, Rule,
        Scaling, Slot, State, Stepped, Takes,
    };
    pub use flambeau_serialize::torch::Value;
}
