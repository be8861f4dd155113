//! The normal distribution of vectors.

use crate::expr::{X, x};
use crate::util::{check_parameter, extended, randn, valid};
use crate::{Constraint, Constraint::*, Distribution};
use flambeau_tensor::{Result, Tensor, ensure, linalg};
use std::f64::consts::PI;

/// The normal distribution of vectors: `torch.distributions.MultivariateNormal`.
///
/// ```
/// use flambeau_distributions::{Distribution, MultivariateNormal};
/// use flambeau_tensor::tensor;
///
/// let d = MultivariateNormal::new(&tensor!([0.0, 0.0]), &tensor!([[2.0, 1.0], [1.0, 2.0]]))?;
/// assert_eq!(d.sample(&[4])?.shape(), [4, 2]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultivariateNormal {
    loc: Tensor,
    scale_tril: Tensor,
}

impl MultivariateNormal {
    /// Of means `[..., n]` and covariance matrices `[..., n, n]`.
    ///
    /// # Errors
    /// Where the shapes do not fit or a matrix is not symmetric and positive definite.
    #[track_caller]
    pub fn new(loc: impl AsRef<Tensor>, covariance: impl AsRef<Tensor>) -> Result<Self> {
        let covariance = covariance.as_ref();
        check_parameter("MultivariateNormal", "covariance_matrix", covariance, &PositiveDefinite)?;
        Self::of(loc.as_ref(), &linalg::cholesky(covariance, false)?)
    }

    /// Of means `[..., n]` and lower Cholesky factors of the covariance matrices, `[..., n, n]`.
    ///
    /// # Errors
    /// Where the shapes do not fit or a matrix is not lower triangular with a positive diagonal.
    #[track_caller]
    pub fn from_scale_tril(loc: impl AsRef<Tensor>, scale_tril: impl AsRef<Tensor>) -> Result<Self> {
        let scale_tril = scale_tril.as_ref();
        ensure!(scale_tril.rank() >= 2, Shape, "MultivariateNormal", "the factor has no two dimensions");
        check_parameter("MultivariateNormal", "scale_tril", scale_tril, &LowerCholesky)?;
        Self::of(loc.as_ref(), scale_tril)
    }

    #[track_caller]
    fn of(loc: &Tensor, tril: &Tensor) -> Result<Self> {
        let name = "MultivariateNormal";
        check_parameter(name, "loc", loc, &Constraint::Real)?;
        ensure!(loc.rank() >= 1 && tril.rank() >= 2, Shape, name, "the mean is no vector or the factor no matrix");
        let (n, last) = (loc.shape()[loc.rank() - 1], &tril.shape()[tril.rank() - 2..]);
        ensure!(last == [n, n], Shape, name, "{n} means and a matrix of {last:?}");
        let (rest, outer) = (&loc.shape()[..loc.rank() - 1], &tril.shape()[..tril.rank() - 2]);
        let batch = flambeau_tensor::shape::broadcast_shapes(name, rest, outer)?;
        Ok(MultivariateNormal {
            loc: loc.expand([&batch[..], &[n]].concat())?,
            scale_tril: tril.expand([&batch[..], &[n, n]].concat())?,
        })
    }

    /// The means, `[..., n]`.
    pub fn loc(&self) -> &Tensor {
        &self.loc
    }

    /// The Cholesky factors of the covariance matrices, `[..., n, n]`.
    pub fn scale_tril(&self) -> &Tensor {
        &self.scale_tril
    }

    /// The covariance matrices, `[..., n, n]`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn covariance_matrix(&self) -> Result<Tensor> {
        let l = x(&self.scale_tril);
        l.matmul(&l.mt()).get()
    }

    fn half_log_det(&self) -> X {
        x(&self.scale_tril).diagonal().log().sum(-1)
    }

    /// The squared length of `off` where the covariance matrix is one.
    pub(crate) fn mahalanobis(&self, off: &X) -> X {
        let column = off.unsqueeze(-1);
        let solved = column.then(|b| {
            let shape = flambeau_tensor::shape::broadcast_shapes(
                "MultivariateNormal",
                &b.shape()[..b.rank() - 2],
                self.batch_shape(),
            )?;
            let n = self.event_shape()[0];
            let l = self.scale_tril.expand([&shape[..], &[n, n]].concat())?;
            linalg::solve_triangular(&l, &b.expand([&shape[..], &[n, 1]].concat())?, false, true, false)
        });
        solved.square().sum([-2, -1])
    }

    /// KL(self ‖ q).
    pub(crate) fn kl(&self, q: &MultivariateNormal) -> Result<Tensor> {
        let (n, m) = (self.event_shape()[0], q.event_shape()[0]);
        ensure!(n == m, Shape, "kl_divergence", "vectors of {n} and of {m}");
        let spread = x(&self.scale_tril).then(|p| {
            let batch = flambeau_tensor::shape::broadcast_shapes("kl_divergence", self.batch_shape(), q.batch_shape())?;
            let shape = [&batch[..], &[n, n]].concat();
            linalg::solve_triangular(&q.scale_tril.expand(&shape[..])?, &p.expand(&shape[..])?, false, true, false)
        });
        let moved = q.mahalanobis(&(x(&q.loc) - x(&self.loc)));
        let logs = q.half_log_det() - self.half_log_det();
        (logs + 0.5 * (spread.square().sum([-2, -1]) + moved - n as f64)).get()
    }
}

impl Distribution for MultivariateNormal {
    vectors_around!(MultivariateNormal: loc);
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let n = self.event_shape()[0];
        Ok(Box::new(MultivariateNormal {
            loc: self.loc.expand([shape, &[n]].concat())?,
            scale_tril: self.scale_tril.expand([shape, &[n, n]].concat())?,
        }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let noise = randn(&extended(self, shape), &self.loc).unsqueeze(-1);
        let moved = x(&self.scale_tril).matmul(&noise).then(|v| v.squeeze(-1));
        (x(&self.loc) + moved).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let off = valid(self, value)? - x(&self.loc);
        let n = self.event_shape()[0] as f64;
        (-0.5 * (n * (2.0 * PI).ln() + self.mahalanobis(&off)) - self.half_log_det()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let n = self.event_shape()[0] as f64;
        (self.half_log_det() + 0.5 * n * (1.0 + (2.0 * PI).ln())).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        x(&self.scale_tril).square().sum(-1).get()
    }
}
