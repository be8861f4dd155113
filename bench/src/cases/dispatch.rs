//! What an op costs beside its arithmetic.

use crate::case::{Case, Kind, Work, call, derive, leaf, randn, step};
use flambeau::prelude::*;

/// Ten small ops, one behind the other.
fn chain(a: &Tensor) -> Result<Tensor> {
    let mut x = a.add(1.0)?;
    for _ in 0..3 {
        x = x.mul(a)?.tanh()?.add(a)?;
    }
    Ok(x)
}

fn add(n: usize) -> Result<Work> {
    let (a, b) = (randn(&[n])?, randn(&[n])?);
    call(move || a.add(&b))
}

fn tiny_mlp() -> Result<Work> {
    let model = Sequential::of((Linear::new(8, 8), ReLU::new(), Linear::new(8, 8), ReLU::new(), Linear::new(8, 1)))?;
    let optimizer = SGD::new(model.parameters()).lr(1e-3).build()?;
    let (x, y) = (randn(&[4, 8])?, randn(&[4, 1])?);
    step(optimizer, move || mse_loss(&model.call(&x)?, &y))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("add_1", || add(1)),
        Case::new("add_1000", || add(1000)),
        Case::new("chain10_32", || {
            let a = randn(&[32])?;
            call(move || chain(&a))
        }),
        Case::new("chain10_32_backward", || {
            let a = leaf(&[32])?;
            derive(vec![a.clone()], move || chain(&a))
        }),
        Case::new("tiny_mlp_train", tiny_mlp),
        Case::new("start_to_first_matmul", || {
            let (a, b) = (randn(&[64, 64])?, randn(&[64, 64])?);
            call(move || a.matmul(&b))
        })
        .kind(Kind::Process),
    ]
}
