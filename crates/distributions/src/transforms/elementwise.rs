//! Transforms of each number by itself.

use super::Transform;
use crate::expr::{X, x as formula};
use crate::util::{broadcast_all, eps, sum_rightmost, tiny};
use crate::{Constraint, Distribution};
use flambeau_tensor::shape::broadcast_shapes;
use flambeau_tensor::{Operand, Result, Tensor, ensure};

fn rising() -> Result<Tensor> {
    Tensor::ones(()).build()
}

/// eˣ: `torch.distributions.ExpTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpTransform;

impl Transform for ExpTransform {
    fn name(&self) -> &'static str {
        "ExpTransform"
    }
    fn codomain(&self) -> Constraint {
        Constraint::Positive
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.exp()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        y.log()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
    fn sign(&self) -> Result<Tensor> {
        rising()
    }
}

/// x to a power, of positive numbers: `torch.distributions.PowerTransform`.
#[derive(Clone, Debug)]
pub struct PowerTransform {
    exponent: Tensor,
}

impl PowerTransform {
    /// To the power `exponent`, a number or a tensor.
    ///
    /// # Errors
    /// Where there is no memory for it.
    #[track_caller]
    pub fn new<'a>(exponent: impl Into<Operand<'a>>) -> Result<Self> {
        let [exponent] = broadcast_all([exponent.into()])?;
        Ok(PowerTransform { exponent })
    }

    fn exponent(&self, like: &Tensor) -> X {
        formula(&self.exponent).to_dtype(like.dtype())
    }
}

impl Transform for PowerTransform {
    fn name(&self) -> &'static str {
        "PowerTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Positive
    }
    fn codomain(&self) -> Constraint {
        Constraint::Positive
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        formula(x).pow(self.exponent(x)).get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        formula(y).pow(self.exponent(y).reciprocal()).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        (self.exponent(x) * formula(y) / formula(x)).abs().log().get()
    }
    fn sign(&self) -> Result<Tensor> {
        self.exponent.sign()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        Ok(broadcast_shapes("PowerTransform", shape, self.exponent.shape())?.to_vec())
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.forward_shape(shape)
    }
}

/// σ(x), kept off 0 and 1 by the dtype's precision: `torch.distributions.SigmoidTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SigmoidTransform;

/// A probability that has a finite log odds.
pub(super) fn off_the_ends(p: &X, like: &Tensor) -> X {
    p.clamp(tiny(like.dtype()), 1.0 - eps(like.dtype()))
}

impl Transform for SigmoidTransform {
    fn name(&self) -> &'static str {
        "SigmoidTransform"
    }
    fn codomain(&self) -> Constraint {
        Constraint::UnitInterval
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        off_the_ends(&formula(x).sigmoid(), x).get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let p = off_the_ends(&formula(y), y);
        (p.log() - (-&p).log1p()).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        let x = formula(x);
        (-(-&x).softplus() - x.softplus()).get()
    }
    fn sign(&self) -> Result<Tensor> {
        rising()
    }
}

/// tanh x: `torch.distributions.TanhTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TanhTransform;

impl Transform for TanhTransform {
    fn name(&self) -> &'static str {
        "TanhTransform"
    }
    fn codomain(&self) -> Constraint {
        // Two numbers that are there always; where they are not, no bound is checked.
        let bound = |n: f64| Tensor::full((), n).build();
        match (bound(-1.0), bound(1.0)) {
            (Ok(low), Ok(high)) => Constraint::Interval(low, high),
            _ => Constraint::Real,
        }
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.tanh()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        y.atanh()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        tanh_jacobian(&formula(x)).get()
    }
    fn sign(&self) -> Result<Tensor> {
        rising()
    }
}

/// log (1 − tanh² x), exact for large x.
pub(super) fn tanh_jacobian(x: &X) -> X {
    2.0 * (std::f64::consts::LN_2 - x - (-2.0 * x).softplus())
}

/// log (1 + eˣ): `torch.distributions.SoftplusTransform`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftplusTransform;

impl Transform for SoftplusTransform {
    fn name(&self) -> &'static str {
        "SoftplusTransform"
    }
    fn codomain(&self) -> Constraint {
        Constraint::Positive
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        formula(x).softplus().get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let y = formula(y);
        ((-(-&y).expm1()).log() + y).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        (-(-formula(x)).softplus()).get()
    }
    fn sign(&self) -> Result<Tensor> {
        rising()
    }
}

/// |x|, of which the inverse gives the positive one back: `torch.distributions.AbsTransform`. It has no Jacobian.
#[derive(Clone, Copy, Debug, Default)]
pub struct AbsTransform;

impl Transform for AbsTransform {
    fn name(&self) -> &'static str {
        "AbsTransform"
    }
    fn codomain(&self) -> Constraint {
        Constraint::Positive
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.abs()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        Ok(y.clone())
    }
}

/// `loc` + `scale` · x: `torch.distributions.AffineTransform`.
#[derive(Clone, Debug)]
pub struct AffineTransform {
    loc: Tensor,
    scale: Tensor,
    event_dim: usize,
}

impl AffineTransform {
    /// Of numbers or tensors; the last `event_dim` dimensions are one value.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn new<'a>(loc: impl Into<Operand<'a>>, scale: impl Into<Operand<'a>>, event_dim: usize) -> Result<Self> {
        let [loc, scale] = broadcast_all([loc.into(), scale.into()])?;
        Ok(AffineTransform { loc, scale, event_dim })
    }

    /// Both in the dtype of what is moved.
    fn parts(&self, like: &Tensor) -> [X; 2] {
        [formula(&self.loc).to_dtype(like.dtype()), formula(&self.scale).to_dtype(like.dtype())]
    }
}

impl Transform for AffineTransform {
    fn name(&self) -> &'static str {
        "AffineTransform"
    }
    fn domain(&self) -> Constraint {
        Constraint::Real.independent(self.event_dim)
    }
    fn codomain(&self) -> Constraint {
        Constraint::Real.independent(self.event_dim)
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [loc, scale] = self.parts(x);
        (loc + scale * formula(x)).get()
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        let [loc, scale] = self.parts(y);
        ((formula(y) - loc) / scale).get()
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        ensure!(x.rank() >= self.event_dim, Shape, self.name(), "{:?} has no {} dimensions", x.shape(), self.event_dim);
        let [_, scale] = self.parts(x);
        let shape = broadcast_shapes(self.name(), x.shape(), self.scale.shape())?;
        sum_rightmost(&scale.abs().log().expand(&shape), self.event_dim).get()
    }
    fn sign(&self) -> Result<Tensor> {
        self.scale.sign()
    }
    fn forward_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        Ok(broadcast_shapes("AffineTransform", shape, self.scale.shape())?.to_vec())
    }
    fn inverse_shape(&self, shape: &[usize]) -> Result<Vec<usize>> {
        self.forward_shape(shape)
    }
}

/// What a distribution gives a number and less, the probability integral transform:
/// `torch.distributions.CumulativeDistributionTransform`.
#[derive(Debug)]
pub struct CumulativeDistributionTransform {
    distribution: Box<dyn Distribution>,
}

impl CumulativeDistributionTransform {
    /// By the distribution function of `distribution`.
    pub fn new(distribution: impl Distribution) -> Self {
        CumulativeDistributionTransform { distribution: Box::new(distribution) }
    }
}

impl Transform for CumulativeDistributionTransform {
    fn name(&self) -> &'static str {
        "CumulativeDistributionTransform"
    }
    fn domain(&self) -> Constraint {
        self.distribution.support()
    }
    fn codomain(&self) -> Constraint {
        Constraint::UnitInterval
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.distribution.cdf(x)
    }
    fn inverse(&self, y: &Tensor) -> Result<Tensor> {
        self.distribution.icdf(y)
    }
    fn log_abs_det_jacobian(&self, x: &Tensor, _: &Tensor) -> Result<Tensor> {
        self.distribution.log_prob(x)
    }
    fn sign(&self) -> Result<Tensor> {
        rising()
    }
}
