//! Linear maps.

use flambeau_tensor::{Result, Tensor};

/// x Aᵀ + b for `x` of shape `[…, in]`, `weight` `[out, in]` and `bias` `[out]`: `[…, out]`.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    x.linear(weight, bias)
}
