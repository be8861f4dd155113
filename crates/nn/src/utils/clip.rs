//! Gradient clipping: `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`.

use flambeau_autograd::{Autograd, no_grad};
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// Scales the gradients of `params` so that their common 2-norm is at most `max_norm`, and returns the norm
/// they had: `torch.nn.utils.clip_grad_norm_`.
///
/// # Errors
/// Where the norm is NaN or infinite: the gradients are left as they are.
#[track_caller]
pub fn clip_grad_norm_(params: impl IntoIterator<Item = Tensor>, max_norm: f64) -> Result<f64> {
    let grads: Vec<Tensor> = params.into_iter().filter_map(|p| p.grad()).collect();
    no_grad(|| {
        let mut square = 0.0;
        for g in &grads {
            let g = if g.dtype().is_complex() { g.view_as_real()? } else { g.clone() };
            square += g.square()?.sum(..)?.to_dtype(DType::F64)?.item::<f64>()?;
        }
        let norm = square.sqrt();
        ensure!(
            norm.is_finite(),
            Argument,
            "clip_grad_norm_",
            "the gradients' norm is {norm}: there is nothing to scale it by"
        );
        let scale = max_norm / (norm + 1e-6);
        if scale < 1.0 {
            for g in &grads {
                g.mul_(scale)?;
            }
        }
        Ok(norm)
    })
}

/// Cuts every element of the gradients of `params` to ±`clip_value`: `torch.nn.utils.clip_grad_value_`.
///
/// # Errors
/// Where a gradient is complex.
#[track_caller]
pub fn clip_grad_value_(params: impl IntoIterator<Item = Tensor>, clip_value: f64) -> Result<()> {
    no_grad(|| {
        for g in params.into_iter().filter_map(|p| p.grad()) {
            g.copy_(&g.maximum(-clip_value)?.minimum(clip_value)?)?;
        }
        Ok(())
    })
}
