//! Families between two bounds, and on shares that add up to one: uniform, beta, Kumaraswamy, continuous Bernoulli,
//! Dirichlet.

use super::real::EULER;
use crate::expr::{X, x};
use crate::util::{Odds, broadcast_all, check_parameter, clamp_probs, cross_entropy, extended, rand, valid, validates};
use crate::{Constraint, Constraint::*, Distribution};
use flambeau_tensor::{DType, Operand, Result, Tensor, ensure, stack};
use std::any::Any;

/// The even distribution from `low` to `high`, which is excluded: `torch.distributions.Uniform`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Uniform {
    /// The lower bound.
    pub low: Tensor,
    /// The upper bound.
    pub high: Tensor,
}

impl Uniform {
    /// Between two bounds, numbers or tensors that broadcast.
    ///
    /// # Errors
    /// Where the shapes do not broadcast or a lower bound is not below the upper one.
    #[track_caller]
    pub fn new<'a>(low: impl Into<Operand<'a>>, high: impl Into<Operand<'a>>) -> Result<Self> {
        let [low, high] = broadcast_all([low.into(), high.into()])?;
        if validates() {
            let ordered = low.lt(&high)?.all(..)?.item::<bool>()?;
            ensure!(ordered, Argument, "Uniform", "low = {low:?} is not below high = {high:?}");
        }
        Ok(Uniform { low, high })
    }
}

impl Distribution for Uniform {
    itself!(Uniform: low, high);
    fn support(&self) -> Constraint {
        Interval(self.low.clone(), self.high.clone())
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let (low, high) = (x(&self.low), x(&self.high));
        (&low + rand(&extended(self, shape), &self.low) * (high - &low)).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (low, high, v) = (x(&self.low), x(&self.high), valid(self, value)?);
        let inside = low.le(&v).and(&high.gt(&v)).to_dtype(self.low.dtype());
        (inside.log() - (high - low).log()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let (low, high, v) = (x(&self.low), x(&self.high), valid(self, value)?);
        ((v - &low) / (high - low)).clamp(0.0, 1.0).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let (low, high) = (x(&self.low), x(&self.high));
        (x(value) * (high - &low) + low).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        (x(&self.high) - x(&self.low)).log().get()
    }
    fn mean(&self) -> Result<Tensor> {
        ((x(&self.high) + x(&self.low)) / 2.0).get()
    }
    fn mode(&self) -> Result<Tensor> {
        self.high.full_like(f64::NAN)
    }
    fn stddev(&self) -> Result<Tensor> {
        ((x(&self.high) - x(&self.low)) / 12.0f64.sqrt()).get()
    }
    fn variance(&self) -> Result<Tensor> {
        ((x(&self.high) - x(&self.low)).square() / 12.0).get()
    }
}

/// Shares that add up to one: `torch.distributions.Dirichlet`. Samples have implicit gradients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dirichlet {
    /// The concentration of each share, `[..., shares]`.
    pub concentration: Tensor,
}

impl Dirichlet {
    /// Of concentrations `[..., shares]`.
    ///
    /// # Errors
    /// Where there is no dimension or a concentration is not positive.
    #[track_caller]
    pub fn new<'a>(concentration: impl Into<Operand<'a>>) -> Result<Self> {
        let [concentration] = broadcast_all([concentration.into()])?;
        ensure!(concentration.rank() > 0, Shape, "Dirichlet", "the concentration has no dimension of shares");
        check_parameter("Dirichlet", "concentration", &concentration, &Positive.independent(1))?;
        Ok(Dirichlet { concentration })
    }
}

impl Distribution for Dirichlet {
    fn name(&self) -> &'static str {
        "Dirichlet"
    }
    fn batch_shape(&self) -> &[usize] {
        let shape = self.concentration.shape();
        &shape[..shape.len() - 1]
    }
    fn event_shape(&self) -> &[usize] {
        let shape = self.concentration.shape();
        &shape[shape.len() - 1..]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Simplex
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let shape = [shape, self.event_shape()].concat();
        Ok(Box::new(Dirichlet { concentration: self.concentration.expand(&shape[..])? }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.concentration.expand(&extended(self, shape)[..])?.sample_dirichlet(None)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (a, v) = (x(&self.concentration), valid(self, value)?);
        ((&a - 1.0).xlogy(&v).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let (a, shares) = (x(&self.concentration), self.event_shape()[0] as f64);
        let all = a.sum(-1);
        let rest = (shares - &all) * all.digamma();
        (a.lgamma().sum(-1) - all.lgamma() - rest - ((&a - 1.0) * a.digamma()).sum(-1)).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let a = x(&self.concentration);
        (&a / a.sum_keepdim(-1)).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let a = x(&self.concentration);
        let above = (&a - 1.0).clamp_min(0.0);
        let mode = &above / above.sum_keepdim(-1);
        // Where all concentrations are below 1 the density is largest in a corner.
        let corner =
            mode.then(|m| m.argmax(-1)?.one_hot(Some(self.event_shape()[0]))?.to_dtype(self.concentration.dtype()));
        let all_below = a.ge(1.0).to_dtype(DType::F32).sum_keepdim(-1).eq(0.0);
        corner.where_cond(&all_below, mode).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let a = x(&self.concentration);
        let all = a.sum_keepdim(-1);
        (&a * (&all - &a) / (all.square() * (&all + 1.0))).get()
    }
}

family! {
    /// The beta distribution, of a share whose concentration is `concentration1` beside `concentration0`:
    /// `torch.distributions.Beta`. Samples have implicit gradients.
    Beta { concentration1: Positive, concentration0: Positive }
}

impl Beta {
    fn dirichlet(&self) -> Result<Dirichlet> {
        Ok(Dirichlet { concentration: stack(&[&self.concentration1, &self.concentration0], -1)? })
    }
}

impl Distribution for Beta {
    itself!(Beta: concentration1, concentration0);
    fn support(&self) -> Constraint {
        UnitInterval
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.dirichlet()?.rsample(shape)?.select(-1, 0)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?;
        let both = v.with(&(1.0 - &v), |a, b| stack(&[a, b], -1)).get()?;
        let (a, b) = (x(&self.dirichlet()?.concentration), x(&both));
        ((&a - 1.0).xlogy(&b).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        self.dirichlet()?.entropy()
    }
    fn mean(&self) -> Result<Tensor> {
        let [a, b] = self.parameters();
        (&a / (&a + b)).get()
    }
    fn mode(&self) -> Result<Tensor> {
        self.dirichlet()?.mode()?.select(-1, 0)
    }
    fn variance(&self) -> Result<Tensor> {
        let [a, b] = self.parameters();
        let all = &a + &b;
        (a * b / (all.square() * (&all + 1.0))).get()
    }
}

family! {
    /// The Kumaraswamy distribution, close to beta and with a distribution function in closed form:
    /// `torch.distributions.Kumaraswamy`.
    Kumaraswamy { concentration1: Positive, concentration0: Positive }
}

impl Kumaraswamy {
    /// The expected value of xⁿ.
    fn moment(&self, n: f64) -> X {
        let [a, b] = self.parameters();
        let arg = 1.0 + n / a;
        &b * (arg.lgamma() + b.lgamma() - (arg + &b).lgamma()).exp()
    }
}

impl Distribution for Kumaraswamy {
    itself!(Kumaraswamy: concentration1, concentration0);
    fn support(&self) -> Constraint {
        UnitInterval
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [a, b] = self.parameters();
        let u = rand(&extended(self, shape), &self.concentration1);
        (1.0 - u.pow(b.reciprocal())).pow(a.reciprocal()).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([a, b], v) = (self.parameters(), valid(self, value)?);
        ((&a * &b).log() + (&a - 1.0).xlogy(&v) + (&b - 1.0).xlogy(&(1.0 - v.pow(&a)))).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([a, b], v) = (self.parameters(), valid(self, value)?);
        (1.0 - (1.0 - v.pow(a)).pow(b)).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [a, b] = self.parameters();
        (1.0 - (1.0 - x(value)).pow(b.reciprocal())).pow(a.reciprocal()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [a, b] = self.parameters();
        let (t1, t0) = (1.0 - a.reciprocal(), 1.0 - b.reciprocal());
        (t0 + t1 * ((&b + 1.0).digamma() + EULER) - a.log() - b.log()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.moment(1.0).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let [a, b] = self.parameters();
        let log = b.reciprocal() * (-&b).log1p() - (-&b * &a).log1p();
        log.masked_fill(&b.lt(1.0).or(&a.lt(1.0)), f64::NAN).exp().get()
    }
    fn variance(&self) -> Result<Tensor> {
        (self.moment(2.0) - self.moment(1.0).square()).get()
    }
}

/// The Bernoulli distribution on all of [0, 1], with density ∝ pˣ (1 − p)¹⁻ˣ: `torch.distributions.ContinuousBernoulli`
/// (Loaiza-Ganem & Cunningham, arXiv:1907.06845).
#[derive(Clone, Debug)]
pub struct ContinuousBernoulli {
    odds: Odds,
}

/// Between these probabilities the formulas lose their digits, and a Taylor series stands in.
const UNSTABLE: (f64, f64) = (0.499, 0.501);

impl ContinuousBernoulli {
    /// Of probabilities.
    ///
    /// # Errors
    /// Where one is not in 0 to 1.
    #[track_caller]
    pub fn new<'a>(probs: impl Into<Operand<'a>>) -> Result<Self> {
        let odds = Odds::probs_of("ContinuousBernoulli", probs.into())?;
        Ok(ContinuousBernoulli { odds: odds.map(|p| clamp_probs(&x(p), p.dtype()).get())? })
    }

    /// Of log odds.
    ///
    /// # Errors
    /// Where one is NaN.
    #[track_caller]
    pub fn from_logits<'a>(logits: impl Into<Operand<'a>>) -> Result<Self> {
        Ok(ContinuousBernoulli { odds: Odds::logits_of("ContinuousBernoulli", logits.into())? })
    }

    /// The probabilities, away from 0 and 1.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn probs(&self) -> Result<Tensor> {
        self.p().get()
    }

    /// The log odds.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn logits(&self) -> Result<Tensor> {
        self.odds.logits().get()
    }

    fn p(&self) -> X {
        clamp_probs(&self.odds.probs(), self.odds.param().dtype())
    }

    /// Where the formulas hold, and the probabilities with a constant elsewhere.
    fn cut(&self) -> (X, X) {
        let p = self.p();
        let stable = p.le(UNSTABLE.0).or(&p.gt(UNSTABLE.1));
        let cut = p.where_cond(&stable, UNSTABLE.0);
        (stable, cut)
    }

    /// The logarithm of what the density is divided by.
    pub(crate) fn log_norm(&self) -> X {
        let (stable, cut) = self.cut();
        let below = cut.where_cond(&cut.le(0.5), 0.0);
        let above = cut.where_cond(&cut.ge(0.5), 1.0);
        let log = ((-&cut).log1p() - cut.log()).abs().log();
        let rest = (-2.0 * below).log1p().where_cond(&cut.lt(0.5), (2.0 * above - 1.0).log());
        let square = (self.p() - 0.5).square();
        let taylor = 2.0f64.ln() + (4.0 / 3.0 + 104.0 / 45.0 * &square) * &square;
        (log - rest).where_cond(&stable, taylor)
    }
}

impl Distribution for ContinuousBernoulli {
    fn name(&self) -> &'static str {
        "ContinuousBernoulli"
    }
    fn batch_shape(&self) -> &[usize] {
        self.odds.param().shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        UnitInterval
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(ContinuousBernoulli { odds: self.odds.map(|t| t.expand(shape))? }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.icdf(&rand(&extended(self, shape), self.odds.param()).get()?)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?;
        (self.log_norm() - cross_entropy(&self.odds.logits(), &v)).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let (v, (stable, p)) = (valid(self, value)?, self.cut());
        let formula = (p.pow(&v) * (1.0 - &p).pow(1.0 - &v) + &p - 1.0) / (2.0 * &p - 1.0);
        let inside = formula.where_cond(&stable, &v);
        inside.masked_fill(&v.ge(1.0), 1.0).masked_fill(&v.le(0.0), 0.0).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let (v, (stable, p)) = (x(value), self.cut());
        let rest = (-&p).log1p();
        let formula = ((-&p + &v * (2.0 * &p - 1.0)).log1p() - &rest) / (p.log() - rest);
        formula.where_cond(&stable, v).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let p = self.p();
        let rest = (-&p).log1p();
        (X::from(self.mean()) * (&rest - p.log()) - self.log_norm() - rest).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let (stable, p) = self.cut();
        let formula = &p / (2.0 * &p - 1.0) + 1.0 / ((-&p).log1p() - p.log());
        let off = self.p() - 0.5;
        let taylor = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * off.square()) * off;
        formula.where_cond(&stable, taylor).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let (stable, p) = self.cut();
        let formula = &p * (&p - 1.0) / (1.0 - 2.0 * &p).square() + 1.0 / ((-&p).log1p() - p.log()).square();
        let square = (self.p() - 0.5).square();
        let taylor = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * &square) * &square;
        formula.where_cond(&stable, taylor).get()
    }
}
