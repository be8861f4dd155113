//! µ-law: amplitudes on a logarithmic scale.

use flambeau_tensor::{DType, Result, Tensor, ensure};

/// log(1 + µ) in the dtype that is computed in.
fn log1p(mu: f64, dtype: DType) -> f64 {
    if dtype == DType::F64 { mu.ln_1p() } else { f64::from((mu as f32).ln_1p()) }
}

/// A signal of −1..1 as whole numbers from 0 to `quantization_channels` − 1, in `int64`. Follows
/// `torchaudio.functional.mu_law_encoding`.
///
/// # Errors
/// Where there are fewer than two channels.
#[track_caller]
pub fn mu_law_encoding(x: &Tensor, quantization_channels: usize) -> Result<Tensor> {
    ensure!(quantization_channels > 1, Argument, "mu_law_encoding", "quantization_channels must be 2 at least");
    let (mu, x) = (quantization_channels as f64 - 1.0, x.to_dtype(x.dtype().to_float())?);
    let scaled = x.sign()?.mul(&x.abs()?.mul(mu)?.log1p()?)?.div(log1p(mu, x.dtype()))?;
    scaled.add(1.0)?.div(2.0)?.mul(mu)?.add(0.5)?.to_dtype(DType::I64)
}

/// The inverse of [`mu_law_encoding`]: a signal of −1..1. Follows `torchaudio.functional.mu_law_decoding`.
///
/// # Errors
/// Where there are fewer than two channels.
#[track_caller]
pub fn mu_law_decoding(x_mu: &Tensor, quantization_channels: usize) -> Result<Tensor> {
    ensure!(quantization_channels > 1, Argument, "mu_law_decoding", "quantization_channels must be 2 at least");
    let (mu, x) = (quantization_channels as f64 - 1.0, x_mu.to_dtype(x_mu.dtype().to_float())?);
    let x = x.div(mu)?.mul(2.0)?.sub(1.0)?;
    x.sign()?.mul(&x.abs()?.mul(log1p(mu, x.dtype()))?.exp()?.sub(1.0)?)?.div(mu)
}
