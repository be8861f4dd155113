//! Normalisation.

use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{BatchNormOptions, Result, Tensor};

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
