//! The methods that `torch.Tensor` has of linear algebra.

use super::{Cutoff, LuFactors, QrMode, SignAndLog};
use crate::{Result, Tensor, linalg};

impl Tensor {
    /// The determinant of the matrices in the last two dimensions: [`linalg::det`].
    ///
    /// # Errors
    /// As [`linalg::det`].
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        linalg::det(self)
    }

    /// [`linalg::slogdet`].
    ///
    /// # Errors
    /// As [`linalg::slogdet`].
    #[track_caller]
    pub fn slogdet(&self) -> Result<SignAndLog> {
        linalg::slogdet(self)
    }

    /// [`linalg::logdet`].
    ///
    /// # Errors
    /// As [`linalg::logdet`].
    #[track_caller]
    pub fn logdet(&self) -> Result<Tensor> {
        linalg::logdet(self)
    }

    /// [`linalg::inv`].
    ///
    /// # Errors
    /// As [`linalg::inv`].
    #[track_caller]
    pub fn inverse(&self) -> Result<Tensor> {
        linalg::inv(self)
    }

    /// [`linalg::pinv`] with what `torch.pinverse` takes for 0.
    ///
    /// # Errors
    /// As [`linalg::pinv`].
    #[track_caller]
    pub fn pinverse(&self, rcond: f64) -> Result<Tensor> {
        linalg::pinv(self, Cutoff { atol: None, rtol: Some(rcond) }, false)
    }

    /// [`linalg::matrix_exp`].
    ///
    /// # Errors
    /// As [`linalg::matrix_exp`].
    #[track_caller]
    pub fn matrix_exp(&self) -> Result<Tensor> {
        linalg::matrix_exp(self)
    }

    /// [`linalg::matrix_power`].
    ///
    /// # Errors
    /// As [`linalg::matrix_power`].
    #[track_caller]
    pub fn matrix_power(&self, n: i64) -> Result<Tensor> {
        linalg::matrix_power(self, n)
    }

    /// [`linalg::cholesky`].
    ///
    /// # Errors
    /// As [`linalg::cholesky`].
    #[track_caller]
    pub fn cholesky(&self, upper: bool) -> Result<Tensor> {
        linalg::cholesky(self, upper)
    }

    /// [`linalg::cholesky_solve`]: `self` is the right-hand side.
    ///
    /// # Errors
    /// As [`linalg::cholesky_solve`].
    #[track_caller]
    pub fn cholesky_solve(&self, factor: impl AsRef<Tensor>, upper: bool) -> Result<Tensor> {
        linalg::cholesky_solve(self, factor.as_ref(), upper)
    }

    /// [`linalg::cholesky_inverse`].
    ///
    /// # Errors
    /// As [`linalg::cholesky_inverse`].
    #[track_caller]
    pub fn cholesky_inverse(&self, upper: bool) -> Result<Tensor> {
        linalg::cholesky_inverse(self, upper)
    }

    /// [`linalg::lu_factor_ex`] with pivots and without errors: `torch.Tensor.lu`.
    ///
    /// # Errors
    /// As [`linalg::lu_factor_ex`].
    #[track_caller]
    pub fn lu(&self) -> Result<LuFactors> {
        linalg::lu_factor_ex(self, true, false)
    }

    /// [`linalg::lu_solve`]: `self` is the right-hand side.
    ///
    /// # Errors
    /// As [`linalg::lu_solve`].
    #[track_caller]
    pub fn lu_solve(&self, lu: impl AsRef<Tensor>, pivots: impl AsRef<Tensor>) -> Result<Tensor> {
        linalg::lu_solve(lu.as_ref(), pivots.as_ref(), self, true, false)
    }

    /// [`linalg::qr`], reduced or, unless `some`, complete.
    ///
    /// # Errors
    /// As [`linalg::qr`].
    #[track_caller]
    pub fn qr(&self, some: bool) -> Result<(Tensor, Tensor)> {
        linalg::qr(self, if some { QrMode::Reduced } else { QrMode::Complete })
    }

    /// U, S and V, not its adjoint, of [`linalg::svd`]: `torch.svd`.
    ///
    /// # Errors
    /// As [`linalg::svd`].
    #[track_caller]
    pub fn svd(&self, some: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let parts = linalg::svd(self, !some)?;
        Ok((parts.u, parts.s, super::adjoint(&parts.vh)?))
    }

    /// [`linalg::geqrf`].
    ///
    /// # Errors
    /// As [`linalg::geqrf`].
    #[track_caller]
    pub fn geqrf(&self) -> Result<(Tensor, Tensor)> {
        linalg::geqrf(self)
    }

    /// [`linalg::ormqr`].
    ///
    /// # Errors
    /// As [`linalg::ormqr`].
    #[track_caller]
    pub fn ormqr(
        &self,
        tau: impl AsRef<Tensor>,
        other: impl AsRef<Tensor>,
        left: bool,
        transpose: bool,
    ) -> Result<Tensor> {
        linalg::ormqr(self, tau.as_ref(), other.as_ref(), left, transpose)
    }
}
