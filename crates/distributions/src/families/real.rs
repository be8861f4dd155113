//! Families on all real numbers: normal, Laplace, Cauchy, Student's t, Gumbel.

use crate::expr::{X, x};
use crate::util::{constant, eps, extended, filled, randn, tiny, valid};
use crate::{Chi2, Constraint, Constraint::*, Distribution};
use flambeau_tensor::{Result, Tensor};
use std::f64::consts::{LN_2, PI};

/// Euler's constant.
pub const EULER: f64 = 0.577_215_664_901_532_9;

family! {
    /// The normal distribution of mean `loc` and standard deviation `scale`: `torch.distributions.Normal`.
    ///
    /// ```
    /// use flambeau_distributions::{Distribution, Normal};
    /// use flambeau_tensor::tensor;
    ///
    /// let d = Normal::new(0.0, &tensor!([1.0, 2.0]))?;
    /// assert_eq!(d.sample(&[3])?.shape(), [3, 2]);
    /// let density = d.log_prob(&tensor!(0.0))?.exp()?.to_vec::<f32>()?;
    /// assert!((density[0] - 0.39894).abs() < 1e-5);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Normal { loc: Real, scale: Positive }
}

impl Distribution for Normal {
    itself!(Normal: loc, scale);
    fn support(&self) -> Constraint {
        Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc + randn(&extended(self, shape), &self.loc) * scale).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (-((v - loc).square()) / (2.0 * scale.square()) - scale.log() - 0.5 * (2.0 * PI).ln()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (0.5 * (1.0 + ((v - loc) * scale.reciprocal() / 2.0f64.sqrt()).erf())).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc + scale * (2.0 * x(value) - 1.0).erfinv() * 2.0f64.sqrt()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        (0.5 + 0.5 * (2.0 * PI).ln() + x(&self.scale).log()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn stddev(&self) -> Result<Tensor> {
        Ok(self.scale.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        self.scale.square()
    }
}

family! {
    /// The Laplace distribution around `loc`: `torch.distributions.Laplace`.
    Laplace { loc: Real, scale: Positive }
}

impl Distribution for Laplace {
    itself!(Laplace: loc, scale);
    fn support(&self) -> Constraint {
        Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        let low = eps(self.loc.dtype()) - 1.0;
        let u = filled(&extended(self, shape), &self.loc, |t| t.uniform_(low, 1.0).map(drop));
        (loc - scale * u.sign() * (-u.abs()).log1p()).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (-(2.0 * &scale).log() - (v - loc).abs() / scale).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        let off = v - loc;
        (0.5 - 0.5 * off.sign() * (-off.abs() / scale).expm1()).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], off) = (self.parameters(), x(value) - 0.5);
        (loc - scale * off.sign() * (-2.0 * off.abs()).log1p()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        (1.0 + (2.0 * x(&self.scale)).log()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn stddev(&self) -> Result<Tensor> {
        self.scale.mul(2.0f64.sqrt())
    }
    fn variance(&self) -> Result<Tensor> {
        self.scale.square()?.mul(2.0)
    }
}

family! {
    /// The Cauchy distribution around `loc`, of half-width `scale` at half maximum: `torch.distributions.Cauchy`. It has
    /// no mean.
    Cauchy { loc: Real, scale: Positive }
}

impl Distribution for Cauchy {
    itself!(Cauchy: loc, scale);
    fn support(&self) -> Constraint {
        Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        let noise = filled(&extended(self, shape), &self.loc, |t| t.cauchy_(0.0, 1.0).map(drop));
        (loc + noise * scale).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (-PI.ln() - scale.log() - ((v - loc) / &scale).square().log1p()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (((v - loc) / scale).atan() / PI + 0.5).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        ((PI * (x(value) - 0.5)).tan() * scale + loc).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        ((4.0 * PI).ln() + x(&self.scale).log()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        constant(self, f64::NAN, &self.loc)
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        constant(self, f64::INFINITY, &self.loc)
    }
}

family! {
    /// Student's t-distribution of `df` degrees of freedom, moved by `loc` and stretched by `scale`:
    /// `torch.distributions.StudentT`.
    StudentT { df: Positive, loc: Real, scale: Positive }
}

impl Distribution for StudentT {
    itself!(StudentT: df, loc, scale);
    fn support(&self) -> Constraint {
        Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let [df, loc, scale] = self.parameters();
        let normal = randn(&extended(self, shape), &self.df);
        let chi2 = X::from(Chi2 { df: self.df.clone() }.rsample(shape));
        (loc + scale * (normal * (chi2 / df).rsqrt())).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([df, loc, scale], v) = (self.parameters(), valid(self, value)?);
        let y = (v - loc) / &scale;
        let z = scale.log() + 0.5 * df.log() + 0.5 * PI.ln() + (0.5 * &df).lgamma() - (0.5 * (&df + 1.0)).lgamma();
        (-0.5 * (&df + 1.0) * (y.square() / df).log1p() - z).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let [df, _, scale] = self.parameters();
        let (half, next) = (0.5 * &df, 0.5 * (&df + 1.0));
        let beta = half.lgamma() + 0.5 * PI.ln() - next.lgamma();
        (scale.log() + 0.5 * (&df + 1.0) * (next.digamma() - half.digamma()) + 0.5 * df.log() + beta).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [df, loc, _] = self.parameters();
        loc.masked_fill(&df.le(1.0), f64::NAN).get()
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn variance(&self) -> Result<Tensor> {
        let [df, _, scale] = self.parameters();
        let known = df.gt(2.0);
        // No quotient by zero where another branch is taken.
        let safe = df.where_cond(&known, 3.0);
        let variance = scale.square() * &safe / (&safe - 2.0);
        variance.where_cond(&known, f64::INFINITY).masked_fill(&df.le(1.0), f64::NAN).get()
    }
}

family! {
    /// The Gumbel distribution, of the largest of many numbers: `torch.distributions.Gumbel`.
    Gumbel { loc: Real, scale: Positive }
}

impl Distribution for Gumbel {
    itself!(Gumbel: loc, scale);
    fn support(&self) -> Constraint {
        Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let ([loc, scale], dtype) = (self.parameters(), self.loc.dtype());
        let (low, high) = (tiny(dtype), 1.0 - eps(dtype));
        let u = crate::util::rand(&extended(self, shape), &self.loc) * (high - low) + low;
        (loc - scale * (-u.log()).log()).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        let y = (loc - v) / &scale;
        (&y - y.exp() - scale.log()).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, scale], v) = (self.parameters(), valid(self, value)?);
        (-((loc - v) / scale).exp()).exp().get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc - scale * (-x(value).log()).log()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        (x(&self.scale).log() + (1.0 + EULER)).get()
    }
    fn mean(&self) -> Result<Tensor> {
        let [loc, scale] = self.parameters();
        (loc + scale * EULER).get()
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn stddev(&self) -> Result<Tensor> {
        self.scale.mul(PI / 6.0f64.sqrt())
    }
    fn variance(&self) -> Result<Tensor> {
        self.stddev()?.square()
    }
}

/// What a family of absolute values makes of the one around zero whose values these are, its `whole`.
macro_rules! folded {
    () => {
        fn support(&self) -> Constraint {
            Nonnegative
        }
        fn has_rsample(&self) -> bool {
            true
        }
        fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
            self.whole()?.rsample(shape)?.abs()
        }
        fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
            let v = valid(self, value)?;
            let whole = X::from(self.whole()?.log_prob(value)) + LN_2;
            whole.where_cond(&v.ge(0.0), f64::NEG_INFINITY).get()
        }
        fn cdf(&self, value: &Tensor) -> Result<Tensor> {
            valid(self, value)?;
            (2.0 * X::from(self.whole()?.cdf(value)) - 1.0).get()
        }
        fn icdf(&self, value: &Tensor) -> Result<Tensor> {
            self.whole()?.icdf(&((x(value) + 1.0) / 2.0).get()?)
        }
        fn entropy(&self) -> Result<Tensor> {
            (X::from(self.whole()?.entropy()) - LN_2).get()
        }
    };
}

family! {
    /// The normal distribution of its absolute values: `torch.distributions.HalfNormal`.
    HalfNormal { scale: Positive }
}

impl HalfNormal {
    fn whole(&self) -> Result<Normal> {
        Ok(Normal { loc: self.scale.zeros_like()?, scale: self.scale.clone() })
    }
}

impl Distribution for HalfNormal {
    itself!(HalfNormal: scale);
    folded!();
    fn mean(&self) -> Result<Tensor> {
        self.scale.mul((2.0 / PI).sqrt())
    }
    fn mode(&self) -> Result<Tensor> {
        self.scale.zeros_like()
    }
    fn variance(&self) -> Result<Tensor> {
        self.scale.square()?.mul(1.0 - 2.0 / PI)
    }
}

family! {
    /// The Cauchy distribution of its absolute values: `torch.distributions.HalfCauchy`.
    HalfCauchy { scale: Positive }
}

impl HalfCauchy {
    fn whole(&self) -> Result<Cauchy> {
        Ok(Cauchy { loc: self.scale.zeros_like()?, scale: self.scale.clone() })
    }
}

impl Distribution for HalfCauchy {
    itself!(HalfCauchy: scale);
    folded!();
    fn mean(&self) -> Result<Tensor> {
        constant(self, f64::INFINITY, &self.scale)
    }
    fn mode(&self) -> Result<Tensor> {
        self.scale.zeros_like()
    }
    fn variance(&self) -> Result<Tensor> {
        constant(self, f64::INFINITY, &self.scale)
    }
}
