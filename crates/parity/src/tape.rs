//! The two things that the runner asks of autograd.

use flambeau_autograd::{Autograd, GradOptions, grad_with};
use flambeau_tensor::Tensor;

use crate::call::Trouble;

/// Makes a leaf that requires grad.
pub(crate) fn require_grad(leaf: &Tensor) -> Result<(), Trouble> {
    leaf.requires_grad_()?;
    Ok(())
}

/// PyTorch's `autograd.grad(outputs, leaves, cotangents, allow_unused=True)`.
pub(crate) fn grad(
    outputs: &[Tensor],
    leaves: &[Tensor],
    cotangents: Vec<Tensor>,
) -> Result<Vec<Option<Tensor>>, Trouble> {
    let options = GradOptions {
        grad_outputs: cotangents.into_iter().map(Some).collect(),
        allow_unused: true,
        ..GradOptions::default()
    };
    let (outputs, leaves): (Vec<_>, Vec<_>) = (outputs.iter().collect(), leaves.iter().collect());
    Ok(grad_with(&outputs, &leaves, options)?)
}
