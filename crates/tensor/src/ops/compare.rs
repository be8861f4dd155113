//! Comparisons of whole tensors: composites over the comparisons of elements.

use crate::{Result, Tensor};

impl Tensor {
    /// True where both are equal, or no further apart than `atol + rtol · |other|`: `torch.isclose`. NaN is
    /// close to NaN only if `equal_nan`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
        let mut close = self.eq(other)?;
        if equal_nan {
            close = close.logical_or(&self.isnan()?.logical_and(&other.isnan()?)?)?;
        }
        if rtol == 0.0 && atol == 0.0 {
            return Ok(close);
        }
        let (a, b) = (self.to_dtype(self.dtype().to_float())?, other.to_dtype(other.dtype().to_float())?);
        let allowed = b.mul(rtol)?.abs()?.add(atol)?;
        let apart = a.sub(&b)?.abs()?;
        close.logical_or(&apart.isfinite()?.logical_and(&apart.le(&allowed)?)?)
    }

    /// True if [`isclose`](Tensor::isclose) is true everywhere: `torch.allclose`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or there is no data.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<bool> {
        everywhere(&self.isclose(other, rtol, atol, equal_nan)?)
    }

    /// True if both have one shape and equal elements: `torch.equal`.
    ///
    /// # Errors
    /// Where there is no data.
    #[track_caller]
    pub fn equal(&self, other: &Tensor) -> Result<bool> {
        if self.shape() != other.shape() { Ok(false) } else { everywhere(&self.eq(other)?) }
    }
}

#[track_caller]
fn everywhere(truth: &Tensor) -> Result<bool> {
    Ok(truth.logical_not()?.sum(..)?.item::<i64>()? == 0)
}
