//! The optimizers, one file each.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod lbfgs;
mod lists;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;
mod sparse_adam;

pub use adadelta::{Adadelta, AdadeltaBuilder};
pub use adafactor::{Adafactor, AdafactorBuilder};
pub use adagrad::{Adagrad, AdagradBuilder};
pub use adam::{Adam, AdamBuilder, AdamW, AdamWBuilder};
pub use adamax::{Adamax, AdamaxBuilder};
pub use asgd::{ASGD, ASGDBuilder};
pub use lbfgs::{LBFGS, LBFGSBuilder};
pub use muon::{Muon, MuonBuilder};
pub use nadam::{NAdam, NAdamBuilder};
pub use radam::{RAdam, RAdamBuilder};
pub use rmsprop::{RMSprop, RMSpropBuilder};
pub use rprop::{Rprop, RpropBuilder};
pub use sgd::{SGD, SGDBuilder};
pub use sparse_adam::{SparseAdam, SparseAdamBuilder};

use crate::base::Coefficient;
use flambeau_tensor::{Result, Tensor};

/// x ← x + value · a · b.
fn addcmul_(x: &Tensor, a: &Tensor, b: &Tensor, value: &Coefficient) -> Result<()> {
    match value {
        Coefficient::Host(value) => x.copy_(&x.addcmul(a, b, *value)?),
        Coefficient::Device(value) => x.add_(&a.mul(b)?.mul(value)?),
    }
    .map(drop)
}

/// x ← x + value · a / b.
fn addcdiv_(x: &Tensor, a: &Tensor, b: &Tensor, value: &Coefficient) -> Result<()> {
    match value {
        Coefficient::Host(value) => x.copy_(&x.addcdiv(a, b, *value)?),
        Coefficient::Device(value) => x.add_(&a.div(b)?.mul(value)?),
    }
    .map(drop)
}

/// x ← x + weight · (end − x).
fn lerp_(x: &Tensor, end: &Tensor, weight: f64) -> Result<()> {
    x.copy_(&x.lerp(end, weight)?).map(drop)
}

/// x ← x + value · a.
fn axpy_(x: &Tensor, a: &Tensor, value: &Coefficient) -> Result<()> {
    x.add_(&a.mul(value.operand())?).map(drop)
}

/// The moments of Adam's family: m ← m + (g − m)(1 − β₁), v ← β₂ v + (1 − β₂) g².
fn moments_(m: &Tensor, v: &Tensor, g: &Tensor, [beta1, beta2]: [f64; 2]) -> Result<()> {
    lerp_(m, g, 1.0 - beta1)?;
    v.mul_(beta2)?;
    addcmul_(v, g, g, &(1.0 - beta2).into())
}

/// x ← x · (1 − lr · weight_decay), where there is any.
fn decay_(x: &Tensor, lr: &Coefficient, weight_decay: f64) -> Result<()> {
    if weight_decay != 0.0 {
        x.mul_(Coefficient::from(1.0).sub(lr.mul(weight_decay)?)?.operand())?;
    }
    Ok(())
}

/// 1 − betaᵗ.
fn correction(beta: f64, step: &Coefficient) -> Result<Coefficient> {
    Coefficient::from(1.0).sub(Coefficient::from(beta).pow(step.clone())?)
}
