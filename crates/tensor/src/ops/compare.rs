//! Comparisons of whole tensors: composites over the comparisons of elements.

use crate::{Result, Tensor};

crate::options! {
    /// How near is near, for [`Tensor::allclose_with`] and [`Tensor::isclose_with`]: PyTorch's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct CloseOptions {
        /// The distance allowed for each unit of the other value; 1e-5.
        rtol: f64 = 1e-5,
        /// The distance allowed whatever the value; 1e-8.
        atol: f64 = 1e-8,
        /// Is NaN close to NaN? No.
        equal_nan: bool = false,
    }
}

impl Tensor {
    /// True where both are equal, or no further apart than 1e-8 + 1e-5 · |other|: `torch.isclose`.
    /// [`isclose_with`](Tensor::isclose_with) says how near is near.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn isclose(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        self.isclose_with(other, CloseOptions::new())
    }

    /// [`isclose`](Tensor::isclose): no further apart than `atol + rtol · |other|`. NaN is close to NaN only if
    /// `equal_nan`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn isclose_with(&self, other: impl AsRef<Tensor>, options: CloseOptions) -> Result<Tensor> {
        let CloseOptions { rtol, atol, equal_nan } = options;
        let other = other.as_ref();
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
    /// ```
    /// # use flambeau_tensor::{CloseOptions, tensor};
    /// let (x, y) = (tensor!([1.0, 2.0]), tensor!([1.0, 2.001]));
    /// assert!(!x.allclose(&y)? && x.allclose_with(&y, CloseOptions::new().rtol(1e-2))?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or there is no data.
    #[track_caller]
    pub fn allclose(&self, other: impl AsRef<Tensor>) -> Result<bool> {
        self.allclose_with(other, CloseOptions::new())
    }

    /// [`allclose`](Tensor::allclose), as near as `options` say.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or there is no data.
    #[track_caller]
    pub fn allclose_with(&self, other: impl AsRef<Tensor>, options: CloseOptions) -> Result<bool> {
        everywhere(&self.isclose_with(other, options)?)
    }

    /// True if both have one shape and equal elements: `torch.equal`.
    ///
    /// # Errors
    /// Where there is no data.
    #[track_caller]
    pub fn equal(&self, other: impl AsRef<Tensor>) -> Result<bool> {
        let other = other.as_ref();
        if self.shape() != other.shape() { Ok(false) } else { everywhere(&self.eq(other)?) }
    }
}

#[track_caller]
fn everywhere(truth: &Tensor) -> Result<bool> {
    Ok(truth.logical_not()?.sum(..)?.item::<i64>()? == 0)
}
