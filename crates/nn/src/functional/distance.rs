//! Functions of two inputs: bilinear forms, distances and angles.

use flambeau_tensor::{Result, Tensor};

/// x₁ᵀ W x₂ + b for each matrix of `weight` `[O, n, m]`, of vectors `[…, n]` and `[…, m]`: `[…, O]`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn bilinear(
    input1: impl AsRef<Tensor>,
    input2: impl AsRef<Tensor>,
    weight: impl AsRef<Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (input1, input2, weight) = (input1.as_ref(), input2.as_ref(), weight.as_ref());
    input1.bilinear(input2, weight, bias)
}

/// The cosine of the angle between the vectors along dimension 1.
///
/// # Errors
/// Where the shapes do not broadcast, or the dtype is not floating.
#[track_caller]
pub fn cosine_similarity(x1: impl AsRef<Tensor>, x2: impl AsRef<Tensor>) -> Result<Tensor> {
    cosine_similarity_with(x1, x2, 1, 1e-8)
}

/// [`cosine_similarity`] along `dim`, with lengths taken to be at least `eps`.
///
/// # Errors
/// As [`cosine_similarity`].
#[track_caller]
pub fn cosine_similarity_with(x1: impl AsRef<Tensor>, x2: impl AsRef<Tensor>, dim: isize, eps: f64) -> Result<Tensor> {
    let (x1, x2) = (x1.as_ref(), x2.as_ref());
    x1.cosine_similarity(x2, dim, eps)
}

/// The Euclidean distance of the vectors along the last dimension.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn pairwise_distance(x1: impl AsRef<Tensor>, x2: impl AsRef<Tensor>) -> Result<Tensor> {
    pairwise_distance_with(x1, x2, 2.0, 1e-6, false)
}

/// [`pairwise_distance`] in the `p`-norm, `eps` added to each difference, with the dimension kept where `keepdim`.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn pairwise_distance_with(
    x1: impl AsRef<Tensor>,
    x2: impl AsRef<Tensor>,
    p: f64,
    eps: f64,
    keepdim: bool,
) -> Result<Tensor> {
    let (x1, x2) = (x1.as_ref(), x2.as_ref());
    x1.pairwise_distance(x2, p, eps, keepdim)
}
