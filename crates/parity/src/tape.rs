//! The two things that the runner asks of autograd.

use flambeau_tensor::Tensor;

use crate::call::{Trouble, unsupported};

/// Whether there is an autograd to ask.
pub(crate) const HERE: bool = false;

pub(crate) fn require_grad(_leaf: &Tensor) -> Result<(), Trouble> {
    Ok(())
}

pub(crate) fn grad(
    _outputs: &[Tensor],
    _leaves: &[Tensor],
    _cotangents: &[Tensor],
) -> Result<Vec<Option<Tensor>>, Trouble> {
    unsupported("there is no autograd crate yet")
}
