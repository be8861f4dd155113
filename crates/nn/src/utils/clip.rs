//! Gradient clipping: `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`.

use flambeau_autograd::{Autograd, no_grad};
use flambeau_tensor::{DType, Device, Result, Tensor, ensure, options};

options! {
    /// Options of [`clip_grad_norm_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct ClipGradNorm {
        /// The p of the norm, 2 unless set; infinity is the largest absolute value.
        norm_type: f64 = 2.0,
        /// An error where the norm is infinite or NaN; the gradients are left alone then. The norm has to be read for
        /// it, which waits for the device.
        error_if_nonfinite: bool = false,
    }
}

/// Scales the gradients of `parameters` so that their common 2-norm is at most `max_norm`, and returns the norm
/// they had, a tensor `[]`: `torch.nn.utils.clip_grad_norm_`. Nothing is read back from the device; of half
/// precision the norm is `f32`.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_nn::utils::clip_grad_norm_;
/// use flambeau_tensor::tensor;
///
/// let w = tensor!([0.0, 0.0]).requires_grad_()?;
/// w.set_grad(Some(tensor!([3.0, 4.0])))?;
/// assert_eq!(clip_grad_norm_([&w], 1.0)?.item::<f32>()?, 5.0);
/// assert!((w.grad().unwrap().norm(2.0, ..)?.item::<f32>()? - 1.0).abs() < 1e-6);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where a gradient cannot be written.
#[track_caller]
pub fn clip_grad_norm_<T: AsRef<Tensor>>(parameters: impl IntoIterator<Item = T>, max_norm: f64) -> Result<Tensor> {
    clip_grad_norm_with(parameters, max_norm, ClipGradNorm::new())
}

/// [`clip_grad_norm_`] with another norm, or an error where it is not finite.
///
/// # Errors
/// Where a gradient cannot be written, `norm_type` is NaN, or the norm is not finite and `error_if_nonfinite` is on.
#[track_caller]
pub fn clip_grad_norm_with<T: AsRef<Tensor>>(
    parameters: impl IntoIterator<Item = T>,
    max_norm: f64,
    options: ClipGradNorm,
) -> Result<Tensor> {
    let grads = gradients(parameters)?;
    let norm = no_grad(|| total_norm(&grads, options.norm_type))?;
    if options.error_if_nonfinite {
        let value = norm.item::<f64>()?;
        ensure!(
            value.is_finite(),
            Argument,
            "clip_grad_norm_",
            "the gradients' norm is {value}: there is nothing to scale them by"
        );
    }
    no_grad(|| scale(&grads, &norm, max_norm))?;
    Ok(norm)
}

/// The factor is computed where the norm is, and 1 where the norm is small.
#[track_caller]
fn scale(grads: &[Tensor], norm: &Tensor, max_norm: f64) -> Result<()> {
    let factor = norm.add(1e-6)?.rdiv(max_norm)?.clamp_max(1.0)?;
    for grad in grads {
        grad.mul_(&factor.to_device(grad.device())?.to_dtype(grad.dtype())?)?;
    }
    Ok(())
}

/// The norm of all elements of `tensors` as one vector, `[]`: `torch.nn.utils.get_total_norm`. It is computed in
/// `f32` or more, and 0 of no tensors.
///
/// # Errors
/// Where a tensor is neither floating point nor complex, or `norm_type` is NaN.
#[track_caller]
pub fn get_total_norm<T: AsRef<Tensor>>(tensors: impl IntoIterator<Item = T>, norm_type: f64) -> Result<Tensor> {
    let tensors: Vec<Tensor> = tensors.into_iter().map(|t| t.as_ref().clone()).collect();
    total_norm(&tensors, norm_type)
}

#[track_caller]
fn total_norm(tensors: &[Tensor], norm_type: f64) -> Result<Tensor> {
    let mut norms = Vec::with_capacity(tensors.len());
    let mut dtype = DType::F32;
    for t in tensors {
        let wide = if t.dtype().is_half() { t.to_dtype(DType::F32)? } else { t.clone() };
        let norm = wide.norm(norm_type, ..)?;
        dtype = dtype.promote(norm.dtype());
        norms.push(norm);
    }
    let device = tensors.first().map_or(Device::Cpu, Tensor::device);
    for norm in &mut norms {
        *norm = norm.to_device(device)?.to_dtype(dtype)?;
    }
    match &norms[..] {
        [] => Tensor::zeros(()).build(),
        [norm] => Ok(norm.clone()),
        // Not zeros but norms are counted by the 0-norm, as PyTorch does.
        norms => flambeau_tensor::stack(norms, 0)?.norm(norm_type, ..),
    }
}

/// Cuts every element of the gradients of `parameters` to ±`clip_value`: `torch.nn.utils.clip_grad_value_`.
///
/// # Errors
/// Where a gradient is complex.
#[track_caller]
pub fn clip_grad_value_<T: AsRef<Tensor>>(parameters: impl IntoIterator<Item = T>, clip_value: f64) -> Result<()> {
    let grads = gradients(parameters)?;
    no_grad(|| {
        for grad in grads {
            grad.clamp_(-clip_value, clip_value)?;
        }
        Ok(())
    })
}

/// What stands in the gradients, to write to; of a sparse one the values, each place once.
fn gradients<T: AsRef<Tensor>>(parameters: impl IntoIterator<Item = T>) -> Result<Vec<Tensor>> {
    let mut grads = Vec::new();
    for parameter in parameters {
        let parameter = parameter.as_ref();
        if let Some(sparse) = parameter.sparse_grad() {
            let sparse = sparse.coalesce()?;
            grads.push(sparse.values().clone());
            parameter.set_sparse_grad(sparse)?;
        } else {
            grads.extend(parameter.grad());
        }
    }
    Ok(grads)
}
