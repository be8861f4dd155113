//! Transforms of vectors and matrices as a whole.

use super::Transform;
use super::elementwise::{off_the_ends, tanh_jacobian};
use crate::Constraint;
use crate::expr::{X, x as formula};
use crate::util::{eps, tiny};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{Result, Tensor, bail, ensure, linalg};

/// The softmax of vectors: `torch.distributions.SoftmaxTransform`. Several vectors become one, so it has no Jacobian.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftmaxTransform;

impl Transform for SoftmaxTransform {
    fn name(&self) -> &'static str {
        "SoftmaxTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::real_vector()
    }
    fn codomain(&self) -> Constraint {
        Constraint::Simplex
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        last(self.name(), x.shape())?;
        x.softmax(-1)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        last(self.name(), y.shape())?;
        y.log()
    }
}

/// The last size, and those before.
#[track_caller]
fn last<'a>(name: &'static str, shape: &'a [usize]) -> Result<(usize, &'a [usize])> {
    let Some((n, batch)) = shape.split_last() else { bail!(Shape, name, "a single number is no vector") };
    Ok((*n, batch))
}

/// Vectors of n numbers as n + 1 shares of one, each broken off what the ones before left:
/// `torch.distributions.StickBreakingTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct StickBreakingTransform;

impl StickBreakingTransform {
    /// log n, …, log 2, log 1: without them the first shares would be the larger ones.
    fn offset(n: usize, like: &Tensor) -> X {
        let made = || {
            check_bytes("StickBreakingTransform", n.saturating_mul(size_of::<f64>()))?;
            let numbers: Vec<f64> = (1..=n).rev().map(|k| (k as f64).ln()).collect();
            Tensor::from_vec(numbers, n)?.to_dtype(like.dtype())?.to_device(like.device())
        };
        made().into()
    }
}

impl Transform for StickBreakingTransform {
    fn name(&self) -> &'static str {
        "StickBreakingTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::real_vector()
    }
    fn codomain(&self) -> Constraint {
        Constraint::Simplex
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, _) = last(self.name(), x.shape())?;
        let z = off_the_ends(&(formula(x) - Self::offset(n, x)).sigmoid(), x);
        let left = (1.0 - &z).then(|rest| rest.cumprod(-1)?.pad(&[1, 0], 1.0));
        (z.then(|z| z.pad(&[0, 1], 1.0)) * left).get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let (n, _) = last(self.name(), &self.inverse_shape(y.shape())?)?;
        let shares = formula(y).then(|y| y.narrow(-1, 0, n));
        let left = (1.0 - shares.then(|s| s.cumsum(-1))).clamp_min(tiny(y.dtype()));
        (shares.log() - left.log() + Self::offset(n, y)).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let (n, _) = last(self.name(), x.shape())?;
        let moved = formula(x) - Self::offset(n, x);
        let shares = formula(y).then(|y| y.narrow(-1, 0, n));
        (moved.logsigmoid() - moved + shares.log()).sum(-1).get()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let (n, batch) = last(self.name(), shape)?;
        Ok([batch, &[n + 1]].concat())
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let (n, batch) = last(self.name(), shape)?;
        ensure!(n > 0, Shape, self.name(), "shares of shape {shape:?} are of nothing");
        Ok([batch, &[n - 1]].concat())
    }
}

/// Square matrices, of which the lower triangle counts, with e to the diagonal:
/// `torch.distributions.LowerCholeskyTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowerCholeskyTransform;

impl LowerCholeskyTransform {
    fn with_diagonal(x: &Tensor, change: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let (n, _) = last("LowerCholeskyTransform", x.shape())?;
        let square = x.rank() >= 2 && x.shape()[x.rank() - 2] == n;
        ensure!(square, Shape, "LowerCholeskyTransform", "{:?} are no square matrices", x.shape());
        x.tril(-1)?.add(change(&x.diagonal(0, -2, -1)?)?.diag_embed(0, -2, -1)?)
    }
}

impl Transform for LowerCholeskyTransform {
    fn name(&self) -> &'static str {
        "LowerCholeskyTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Real.independent(2)
    }
    fn codomain(&self) -> Constraint {
        Constraint::LowerCholesky
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Self::with_diagonal(x, Tensor::exp)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        Self::with_diagonal(y, Tensor::log)
    }
}

/// L Lᵀ of what [`LowerCholeskyTransform`] makes: `torch.distributions.PositiveDefiniteTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PositiveDefiniteTransform;

impl Transform for PositiveDefiniteTransform {
    fn name(&self) -> &'static str {
        "PositiveDefiniteTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Real.independent(2)
    }
    fn codomain(&self) -> Constraint {
        Constraint::PositiveDefinite
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let l = LowerCholeskyTransform.forward(x)?;
        l.matmul(l.mt()?)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        LowerCholeskyTransform.inverse(&linalg::cholesky(y, false)?)
    }
}

/// Vectors of d (d − 1) / 2 numbers as Cholesky factors of correlation matrices, `[d, d]`: rows of length 1, by a signed
/// breaking of sticks. `torch.distributions.CorrCholeskyTransform`. Its Jacobian is that by the numbers below the
/// diagonal.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorrCholeskyTransform;

impl CorrCholeskyTransform {
    /// The size d of matrices with `n` numbers below the diagonal.
    #[track_caller]
    fn size(self, n: usize) -> Result<usize> {
        let d = (0.5 + (0.25 + 2.0 * n as f64).sqrt()).round() as usize;
        ensure!(
            d.checked_mul(d - 1).is_some_and(|twice| twice / 2 == n),
            Shape,
            self.name(),
            "{n} numbers fill no triangle"
        );
        Ok(d)
    }

    /// The flat places of a matrix's elements at `diagonal` and below.
    fn places(d: usize, diagonal: isize, like: &Tensor) -> Result<Tensor> {
        check_bytes("CorrCholeskyTransform", d.saturating_mul(d / 2 + 1).saturating_mul(size_of::<i64>()))?;
        let end = |i: usize| (i as isize + diagonal + 1).clamp(0, d as isize) as usize;
        let below = |i: usize| (0..end(i)).map(move |j| (i * d + j) as i64);
        let places: Vec<i64> = (0..d).flat_map(below).collect();
        let n = places.len();
        Tensor::from_vec(places, n)?.to_device(like.device())
    }

    /// The elements of matrices `[…, d, d]` at `diagonal` and below, row by row.
    fn flat(y: &X, d: usize, diagonal: isize) -> X {
        y.then(|y| y.flatten(-2, -1)?.index_select(-1, Self::places(d, diagonal, y)?))
    }
}

impl Transform for CorrCholeskyTransform {
    fn name(&self) -> &'static str {
        "CorrCholeskyTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::real_vector()
    }
    fn codomain(&self) -> Constraint {
        Constraint::CorrCholesky
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, batch) = last(self.name(), x.shape())?;
        let d = self.size(n)?;
        let flat = [batch, &[d * d]].concat();
        let near = 1.0 - eps(x.dtype());
        let r = formula(x).then(Tensor::tanh).clamp(-near, near).then(|r| {
            let places = Self::places(d, -1, r)?.expand(r.shape())?;
            r.new_zeros(flat)?.scatter(-1, places, r)?.unflatten(-1, [d, d])
        });
        let left = (1.0 - r.square()).sqrt().then(|rest| rest.cumprod(-1)?.narrow(-1, 0, d - 1)?.pad(&[1, 0], 1.0));
        let one = Tensor::eye(d).dtype(x.dtype()).device(x.device()).build();
        ((r + X::from(one)) * left).get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        self.inverse_shape(y.shape())?;
        let (d, _) = last(self.name(), y.shape())?;
        let rest = 1.0 - formula(y).square().then(|s| s.cumsum(-1));
        let rest = rest.then(|rest| rest.narrow(-1, 0, d - 1)?.pad(&[1, 0], 1.0));
        let t = Self::flat(&formula(y), d, -1) / Self::flat(&rest, d, -1).sqrt();
        ((t.log1p() - (-&t).log1p()) / 2.0).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let (d, _) = last(self.name(), y.shape())?;
        let rest = 1.0 - formula(y).square().then(|s| s.cumsum(-1));
        let sticks = 0.5 * Self::flat(&rest, d, -2).log().sum(-1);
        (sticks + tanh_jacobian(&formula(x)).sum(-1)).get()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let (n, batch) = last(self.name(), shape)?;
        let d = self.size(n)?;
        Ok([batch, &[d, d]].concat())
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let (d, rest) = last(self.name(), shape)?;
        let square = rest.last() == Some(&d) && d > 0;
        ensure!(square, Shape, self.name(), "{shape:?} are no square matrices");
        Ok([&rest[..rest.len() - 1], &[d * (d - 1) / 2]].concat())
    }
}
