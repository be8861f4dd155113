//! Optimizers and learning-rate schedules, named and behaving as in `torch.optim`.
//!
//! An optimizer holds handles on parameters, its state for each, and the rates of its groups; schedulers
//! share the rates. A step is one fused pass over each parameter ([`flambeau_tensor::dispatch_update`]).
//!
//! ```
//! use flambeau_autograd::Autograd;
//! use flambeau_optim::{Adam, Optimizer, StepLR};
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

mod adam;
mod group;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamBuilder, AdamW, AdamWBuilder};
pub use group::{Optimizer, Rate, Rates};
pub use schedule::{
    AnnealStrategy, ConstantLR, ConstantLRBuilder, CosineAnnealingLR, CosineAnnealingLRBuilder, ExponentialLR,
    ExponentialLRBuilder, LinearLR, LinearLRBuilder, MultiStepLR, MultiStepLRBuilder, OneCycleLR, OneCycleLRBuilder,
    Scheduler, StepLR, StepLRBuilder,
};
pub use sgd::{SGD, SGDBuilder};
