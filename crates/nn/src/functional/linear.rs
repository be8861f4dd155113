//! Linear maps.

use flambeau_tensor::{Result, Tensor};

/// x Aᵀ + b for `x` of shape `[…, in]`, `weight` `[out, in]` and `bias` `[out]`: `[…, out]`.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn linear(x: impl AsRef<Tensor>, weight: impl AsRef<Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let (x, weight) = (x.as_ref(), weight.as_ref());
    x.linear(weight, bias)
}
