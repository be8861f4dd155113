//! The optimizers, one file each.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod lbfgs;
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

use crate::base::{Coefficient, Each, Formula, Stepped};
use flambeau_tensor::{Result, Tensor};

/// x ← x + value · a.
fn axpy_(x: &Tensor, a: &Tensor, value: &Coefficient) -> Result<()> {
    x.add_(&a.mul(value.operand())?).map(drop)
}

/// x ← x · (1 − lr · weight_decay), where there is any.
fn decay_(x: &Tensor, lr: &Coefficient, weight_decay: f64) -> Result<()> {
    if weight_decay != 0.0 {
        x.mul_(kept(lr, weight_decay)?.operand())?;
    }
    Ok(())
}

/// 1 − lr · weight_decay.
fn kept(lr: &Coefficient, weight_decay: f64) -> Result<Coefficient> {
    Coefficient::from(1.0).sub(lr.mul(weight_decay)?)
}

/// The parameter and the slope, one of which has the weight decay: the parameter where a rate is given.
fn decayed<'f>(
    f: &'f Formula,
    maximize: bool,
    weight_decay: f64,
    lr: Option<&Coefficient>,
) -> Result<(Each<'f>, Each<'f>)> {
    Ok(match lr {
        Some(lr) if weight_decay != 0.0 => (f.param() * kept(lr, weight_decay)?, f.slope(maximize, 0.0)),
        _ => (f.param(), f.slope(maximize, weight_decay)),
    })
}

/// The moments of Adam's family, in two slots: m ← m + (g − m)(1 − β₁), v ← β₂ v + (1 − β₂) g².
fn moments<'f>(
    p: &mut Stepped<'_>,
    f: &'f Formula,
    grad: Each<'f>,
    slots: [usize; 2],
    [beta1, beta2]: [f64; 2],
) -> Result<(Each<'f>, Each<'f>)> {
    let mean = f.set(slots[0], f.state(p, slots[0])?.lerp(grad, 1.0 - beta1));
    let square = f.set(slots[1], (f.state(p, slots[1])? * beta2).addcmul(grad, grad, 1.0 - beta2));
    Ok((mean, square))
}

/// 1 − betaᵗ.
fn correction(beta: f64, step: &Coefficient) -> Result<Coefficient> {
    Coefficient::from(1.0).sub(Coefficient::from(beta).pow(step.clone())?)
}
