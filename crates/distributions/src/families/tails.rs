//! Families with heavy tails above a bound: Pareto and generalized Pareto.

use crate::expr::{X, x};
use crate::util::{extended, filled, rand, valid};
use crate::{Constraint, Constraint::*, Distribution};
use flambeau_tensor::{Result, Tensor};

family! {
    /// The Pareto distribution from `scale` on, which falls as x^−(`alpha` + 1): `torch.distributions.Pareto`.
    Pareto { scale: Positive, alpha: Positive }
}

impl Distribution for Pareto {
    itself!(Pareto: scale, alpha);
    fn support(&self) -> Constraint {
        GreaterThanEq(self.scale.clone())
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [scale, alpha] = self.parameters();
        let unit = filled(&extended(self, shape), &self.scale, |t| t.exponential_(1.0).map(drop));
        (scale * (unit / alpha).exp()).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([scale, alpha], v) = (self.parameters(), valid(self, value)?);
        (alpha.log() - &alpha * (&v / scale).log() - v.log()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([scale, alpha], v) = (self.parameters(), valid(self, value)?);
        (1.0 - (-alpha * (v / scale).log()).exp()).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [scale, alpha] = self.parameters();
        (scale * (-(-x(value)).log1p() / alpha).exp()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [scale, alpha] = self.parameters();
        ((scale / &alpha).log() + (1.0 + alpha.reciprocal())).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [scale, alpha] = self.parameters();
        let a = alpha.clamp_min(1.0);
        (&a * scale / (&a - 1.0)).get()
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.scale.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        let [scale, alpha] = self.parameters();
        let a = alpha.clamp_min(2.0);
        (scale.square() * &a / ((&a - 1.0).square() * (&a - 2.0))).get()
    }
}

family! {
    /// The generalized Pareto distribution, of what lies above a high threshold: `torch.distributions.GeneralizedPareto`.
    GeneralizedPareto { loc: Real, scale: Positive, concentration: Real }
}

impl GeneralizedPareto {
    /// Where the concentration is 0, and the concentration with 1 there.
    fn cases(&self) -> (X, X) {
        let c = x(&self.concentration);
        let zero = c.abs().le(1e-8);
        let safe = c.masked_fill(&zero, 1.0);
        (zero, safe)
    }

    /// The logarithm of the probability of more than `v`.
    fn log_survival(&self, v: X) -> X {
        let ([loc, scale, _], (zero, safe)) = (self.parameters(), self.cases());
        let z = (v - loc) / scale;
        (-&z).where_cond(&zero, -(&safe * z).log1p() / safe)
    }
}

impl Distribution for GeneralizedPareto {
    itself!(GeneralizedPareto: loc, scale, concentration);
    fn support(&self) -> Constraint {
        let [loc, scale, c] = self.parameters();
        let negative = c.lt(0.0);
        let upper = (&loc - scale / &c).where_cond(&negative, f64::INFINITY).get();
        match upper {
            Ok(upper) => Interval(self.loc.clone(), upper),
            Err(_) => GreaterThanEq(self.loc.clone()),
        }
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.icdf(&rand(&extended(self, shape), &self.loc).get()?)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale, _], v) = (self.parameters(), valid(self, value)?);
        let (zero, safe) = self.cases();
        let z = (v - loc) / &scale;
        let power = 1.0 / &safe + 1.0;
        // At concentration −1 the density is even.
        let tail = &power * (safe * &z).log1p();
        let tail = tail.masked_fill(&power.eq(0.0), 0.0);
        (-scale.log() - z.where_cond(&zero, tail)).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        (-self.log_survival(valid(self, value)?).exp()).log1p().exp().get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale, _], (zero, safe)) = (self.parameters(), self.cases());
        let log = (-x(value)).log1p();
        let curved = &loc + &scale / &safe * (-&safe * &log).expm1();
        (loc - scale * log).where_cond(&zero, curved).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [_, scale, c] = self.parameters();
        (scale.log() + c + 1.0).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [loc, scale, c] = self.parameters();
        let known = c.lt(1.0);
        (loc + scale / (1.0 - c.where_cond(&known, 0.5))).where_cond(&known, f64::NAN).get()
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        let [_, scale, c] = self.parameters();
        let known = c.lt(0.5);
        let c = c.where_cond(&known, 0.25);
        let variance = scale.square() / ((1.0 - &c).square() * (1.0 - 2.0 * &c));
        variance.where_cond(&known, f64::NAN).get()
    }
}
