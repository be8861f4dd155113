//! Normalisation.

use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{AvgPoolOptions, BatchNormOptions, Result, Tensor, ensure};

/// Mean 0 and variance 1 over the last dimensions, whose shape is `normalized_shape`, then times `weight`,
/// plus `bias`, both of that shape. PyTorch's default for `eps` is 1e-5.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn layer_norm(
    x: impl AsRef<Tensor>,
    normalized_shape: impl IntoShape,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let x = x.as_ref();
    x.layer_norm(normalized_shape, weight, bias, eps)
}

/// Mean square 1 over the last dimensions, whose shape is `normalized_shape`, then times `weight`; without
/// `eps`, the dtype's own.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn rms_norm(
    x: impl AsRef<Tensor>,
    normalized_shape: impl IntoShape,
    weight: Option<&Tensor>,
    eps: Option<f64>,
) -> Result<Tensor> {
    let x = x.as_ref();
    x.rms_norm(normalized_shape, weight, eps)
}

/// Mean 0 and variance 1 for each channel (dimension 1), then times the weight, plus the bias:
/// [`Tensor::batch_norm`].
///
/// # Errors
/// Where shapes do not fit, training has one value for a channel, or running statistics are missing.
#[track_caller]
pub fn batch_norm(x: impl AsRef<Tensor>, options: BatchNormOptions<'_>) -> Result<Tensor> {
    let x = x.as_ref();
    x.batch_norm(options)
}

/// [`batch_norm`] of each sample by itself.
///
/// # Errors
/// As [`batch_norm`].
#[track_caller]
pub fn instance_norm(x: impl AsRef<Tensor>, options: BatchNormOptions<'_>) -> Result<Tensor> {
    let x = x.as_ref();
    x.instance_norm(options)
}

/// Mean 0 and variance 1 for each sample and each of `groups` groups of channels, then times `weight`, plus
/// `bias`, one for each channel. PyTorch's default for `eps` is 1e-5.
///
/// # Errors
/// Where shapes do not fit, or the channels do not split into the groups.
#[track_caller]
pub fn group_norm(
    x: impl AsRef<Tensor>,
    groups: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let x = x.as_ref();
    x.group_norm(groups, weight, bias, eps)
}

/// Each element of `[N, C, …]` divided by (k + α · the mean of squares of `size` channels around it)^β. PyTorch's
/// defaults are α = 1e-4, β = 0.75 and k = 1.
///
/// # Errors
/// Where `size` is 0 or the input has fewer than three dimensions.
#[track_caller]
pub fn local_response_norm(x: impl AsRef<Tensor>, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
    let x = x.as_ref();
    x.local_response_norm(size, alpha, beta, k)
}

/// What [`CrossMapLRN2d`](crate::CrossMapLRN2d) computes: PyTorch's sums start with (size − 1) / 2 + 1 channels, gain one
/// channel above and lose one below for each that they move on, and keep the first.
#[track_caller]
pub(crate) fn cross_map_lrn2d(x: &Tensor, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
    const NAME: &str = "CrossMapLRN2d";
    ensure!(x.rank() == 4, Shape, NAME, "shape {:?} is not [N, C, H, W]", x.shape());
    ensure!(size > 0, Argument, NAME, "size must be at least 1");
    if x.numel() == 0 {
        return Ok(x.clone());
    }
    let [n, c, h, w] = x.dims()?;
    let reach = (size - 1) / 2;
    let (window, border) = (reach.saturating_mul(2).saturating_add(1), reach.min(c));
    let window = window.min(2 * border + 1);
    let square = x.square()?;
    let padded = square.reshape([n, 1, c, h * w])?.pad(&[0, 0, border as isize, border as isize], 0)?;
    let around = padded.avg_pool2d(AvgPoolOptions::new((window, 1)).stride(1).divisor_override(1))?;
    let beyond = Tensor::arange(0, c as i64).device(x.device()).build()?.gt(reach as i64)?.to_dtype(x.dtype())?;
    let first = square.narrow(1, 0, 1)?.mul(&beyond.reshape([1, c, 1, 1])?)?;
    let sums = around.reshape([n, c, h, w])?.add(&first)?;
    x.mul(&sums.mul(alpha / size as f64)?.add(k)?.pow(-beta)?)
}
