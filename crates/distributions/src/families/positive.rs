//! Families on positive numbers: exponential, gamma and what comes of it, log-normal, Weibull.

use super::real::EULER;
use crate::expr::{X, x};
use crate::util::{extended, filled, tiny, valid};
use crate::{Constraint, Constraint::*, Distribution, Normal};
use flambeau_tensor::{Result, Tensor, special};

family! {
    /// The exponential distribution of mean 1 / `rate`: `torch.distributions.Exponential`.
    Exponential { rate: Positive }
}

impl Distribution for Exponential {
    itself!(Exponential: rate);
    fn support(&self) -> Constraint {
        Nonnegative
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let unit = filled(&extended(self, shape), &self.rate, |t| t.exponential_(1.0).map(drop));
        (unit / x(&self.rate)).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([rate], v) = (self.parameters(), valid(self, value)?);
        (rate.log() - rate * v).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([rate], v) = (self.parameters(), valid(self, value)?);
        (1.0 - (-rate * v).exp()).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        (-(-x(value)).log1p() / x(&self.rate)).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        (1.0 - x(&self.rate).log()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.rate.reciprocal()
    }
    fn mode(&self) -> Result<Tensor> {
        self.rate.zeros_like()
    }
    fn stddev(&self) -> Result<Tensor> {
        self.rate.reciprocal()
    }
    fn variance(&self) -> Result<Tensor> {
        self.rate.pow(-2.0)
    }
}

family! {
    /// The gamma distribution of shape `concentration`: `torch.distributions.Gamma`. Samples have implicit gradients.
    Gamma { concentration: Positive, rate: Positive }
}

impl Distribution for Gamma {
    itself!(Gamma: concentration, rate);
    fn support(&self) -> Constraint {
        Nonnegative
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let shape = extended(self, shape);
        let unit = self.concentration.expand(&shape[..])?.standard_gamma(None)?;
        let value = unit.div(&self.rate.expand(&shape[..])?)?;
        // What vanishes is the smallest number, with the gradient that it had.
        let low = tiny(value.dtype());
        let gone = value.detach().lt(low)?;
        (x(&value) + (low - x(&value).detach()).where_cond(&x(&gone), 0.0)).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([concentration, rate], v) = (self.parameters(), valid(self, value)?);
        let inner = concentration.xlogy(&rate) + (&concentration - 1.0).xlogy(&v);
        (inner - rate * v - concentration.lgamma()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([concentration, rate], v) = (self.parameters(), valid(self, value)?);
        concentration.with(&(rate * v), |a, b| special::gammainc(a, b)).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        (&a - rate.log() + a.lgamma() + (1.0 - &a) * a.digamma()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.concentration.div(&self.rate)
    }
    fn mode(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        ((a - 1.0) / rate).clamp_min(0.0).get()
    }
    fn variance(&self) -> Result<Tensor> {
        self.concentration.div(&self.rate.square()?)
    }
}

family! {
    /// The distribution of the sum of `df` squared normal numbers: `torch.distributions.Chi2`.
    Chi2 { df: Positive }
}

impl Chi2 {
    fn gamma(&self) -> Result<Gamma> {
        Ok(Gamma { concentration: self.df.mul(0.5)?, rate: self.df.full_like(0.5)? })
    }
}

impl Distribution for Chi2 {
    itself!(Chi2: df);
    fn support(&self) -> Constraint {
        Nonnegative
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.gamma()?.rsample(shape)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        self.gamma()?.log_prob(value)
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        self.gamma()?.cdf(value)
    }
    fn entropy(&self) -> Result<Tensor> {
        self.gamma()?.entropy()
    }
    fn mean(&self) -> Result<Tensor> {
        self.gamma()?.mean()
    }
    fn mode(&self) -> Result<Tensor> {
        self.gamma()?.mode()
    }
    fn variance(&self) -> Result<Tensor> {
        self.gamma()?.variance()
    }
}

family! {
    /// The distribution of the reciprocal of a gamma number: `torch.distributions.InverseGamma`.
    InverseGamma { concentration: Positive, rate: Positive }
}

impl InverseGamma {
    fn gamma(&self) -> Gamma {
        Gamma { concentration: self.concentration.clone(), rate: self.rate.clone() }
    }
}

impl Distribution for InverseGamma {
    itself!(InverseGamma: concentration, rate);
    fn support(&self) -> Constraint {
        Positive
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.gamma().rsample(shape)?.pow(-1.0)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?;
        (X::from(self.gamma().log_prob(&v.reciprocal().get()?)) - 2.0 * v.log()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?;
        (1.0 - X::from(self.gamma().cdf(&v.reciprocal().get()?))).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        (&a + rate.log() + a.lgamma() - (1.0 + &a) * a.digamma()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        (rate / (&a - 1.0)).where_cond(&a.gt(1.0), f64::INFINITY).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        (rate / (a + 1.0)).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let [a, rate] = self.parameters();
        let variance = rate.square() / ((&a - 1.0).square() * (&a - 2.0));
        variance.where_cond(&a.gt(2.0), f64::INFINITY).get()
    }
}

family! {
    /// The distribution of the quotient of two chi-squared numbers, each by its degrees of freedom:
    /// `torch.distributions.FisherSnedecor`.
    FisherSnedecor { df1: Positive, df2: Positive }
}

impl FisherSnedecor {
    fn gamma(df: &Tensor) -> Result<Gamma> {
        let half = df.mul(0.5)?;
        Ok(Gamma { concentration: half.clone(), rate: half })
    }
}

impl Distribution for FisherSnedecor {
    itself!(FisherSnedecor: df1, df2);
    fn support(&self) -> Constraint {
        Nonnegative
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let above = X::from(Self::gamma(&self.df1)?.rsample(shape));
        let below = X::from(Self::gamma(&self.df2)?.rsample(shape));
        let low = tiny(self.df1.dtype());
        (above / below.clamp_min(low)).clamp_min(low).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([df1, df2], v) = (self.parameters(), valid(self, value)?);
        let (a, b, ratio) = (&df1 * 0.5, &df2 * 0.5, &df1 / &df2);
        let t1 = (&a + &b).lgamma() - a.lgamma() - b.lgamma();
        let t2 = &a * ratio.log() + (&a - 1.0) * v.log();
        (t1 + t2 - (a + b) * (ratio * v).log1p()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [_, df2] = self.parameters();
        let df2 = df2.masked_fill(&df2.le(2.0), f64::NAN);
        (&df2 / (&df2 - 2.0)).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let [df1, df2] = self.parameters();
        let mode = (&df1 - 2.0) / &df1 * &df2 / (&df2 + 2.0);
        mode.masked_fill(&df1.le(2.0), f64::NAN).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let [df1, df2] = self.parameters();
        let df2 = df2.masked_fill(&df2.le(4.0), f64::NAN);
        let above = 2.0 * df2.square() * (&df1 + &df2 - 2.0);
        (above / (df1 * (&df2 - 2.0).square() * (&df2 - 4.0))).get()
    }
}

family! {
    /// The distribution of eˣ of a normal number x: `torch.distributions.LogNormal`.
    LogNormal { loc: Real, scale: Positive }
}

impl LogNormal {
    fn normal(&self) -> Normal {
        Normal { loc: self.loc.clone(), scale: self.scale.clone() }
    }
}

impl Distribution for LogNormal {
    itself!(LogNormal: loc, scale);
    fn support(&self) -> Constraint {
        Positive
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.normal().rsample(shape)?.exp()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let log = valid(self, value)?.log();
        (X::from(self.normal().log_prob(&log.clone().get()?)) - log).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        self.normal().cdf(&valid(self, value)?.log().get()?)
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        self.normal().icdf(value)?.exp()
    }
    fn entropy(&self) -> Result<Tensor> {
        self.normal().entropy()?.add(&self.loc)
    }
    fn mean(&self) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc + scale.square() / 2.0).exp().get()
    }
    fn mode(&self) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc - scale.square()).exp().get()
    }
    fn variance(&self) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        let square = scale.square();
        (square.expm1() * (2.0 * loc + &square).exp()).get()
    }
}

family! {
    /// The Weibull distribution of scale `scale` and shape `concentration`: `torch.distributions.Weibull`.
    Weibull { scale: Positive, concentration: Positive }
}

impl Distribution for Weibull {
    itself!(Weibull: scale, concentration);
    fn support(&self) -> Constraint {
        Positive
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [scale, shape_] = self.parameters();
        let unit = filled(&extended(self, shape), &self.scale, |t| t.exponential_(1.0).map(drop));
        (scale * unit.pow(shape_.reciprocal())).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([scale, k], v) = (self.parameters(), valid(self, value)?);
        let y = v / &scale;
        ((&k / scale).log() + (&k - 1.0) * y.log() - y.pow(&k)).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([scale, k], v) = (self.parameters(), valid(self, value)?);
        (1.0 - (-(v / scale).pow(k)).exp()).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [scale, k] = self.parameters();
        (scale * (-(-x(value)).log1p()).pow(k.reciprocal())).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [scale, k] = self.parameters();
        let k = k.reciprocal();
        (EULER * (1.0 - &k) + (scale * &k).log() + 1.0).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [scale, k] = self.parameters();
        (scale * (1.0 + k.reciprocal()).lgamma().exp()).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let [scale, k] = self.parameters();
        (scale * ((&k - 1.0) / &k).pow(k.reciprocal())).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let [scale, k] = self.parameters();
        let k = k.reciprocal();
        let moments = (1.0 + 2.0 * &k).lgamma().exp() - (2.0 * (1.0 + k).lgamma()).exp();
        (scale.square() * moments).get()
    }
}
