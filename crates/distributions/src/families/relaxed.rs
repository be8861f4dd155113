//! Families of one of several categories made smooth, so that draws have gradients (Maddison et al. 2016; Jang et al.
//! 2016).

use super::transformed::{TransformedDistribution, transformed};
use crate::expr::x;
use crate::util::{Odds, broadcast_all, check_parameter, clamp_probs, extended, rand, valid};
use crate::{Categorical, Constraint, Distribution, ExpTransform, SigmoidTransform};
use flambeau_tensor::{Operand, Result, Tensor, ensure};
use std::any::Any;

/// The log odds of [`RelaxedBernoulli`]: `torch.distributions.relaxed_bernoulli.LogitRelaxedBernoulli`.
#[derive(Clone, Debug)]
pub struct LogitRelaxedBernoulli {
    temperature: Tensor,
    odds: Odds,
}

impl LogitRelaxedBernoulli {
    #[track_caller]
    fn of(temperature: Operand<'_>, odds: Odds) -> Result<Self> {
        let param = odds.param().clone();
        let [temperature, param] = broadcast_all([temperature, Operand::from(&param)])?;
        check_parameter("RelaxedBernoulli", "temperature", &temperature, &Constraint::Positive)?;
        let odds = odds.map(|_| Ok(param))?;
        Ok(LogitRelaxedBernoulli { temperature, odds })
    }

    /// Of a temperature, towards which 0 draws become 0 or 1, and probabilities of 1.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, a temperature is not positive or a probability not in 0 to 1.
    #[track_caller]
    pub fn new<'a>(temperature: impl Into<Operand<'a>>, probs: impl Into<Operand<'a>>) -> Result<Self> {
        Self::of(temperature.into(), Odds::probs_of("RelaxedBernoulli", probs.into())?)
    }

    /// Of a temperature and log odds.
    ///
    /// # Errors
    /// Where the shapes do not broadcast or a temperature is not positive.
    #[track_caller]
    pub fn from_logits<'a>(temperature: impl Into<Operand<'a>>, logits: impl Into<Operand<'a>>) -> Result<Self> {
        Self::of(temperature.into(), Odds::logits_of("RelaxedBernoulli", logits.into())?)
    }
}

impl Distribution for LogitRelaxedBernoulli {
    fn name(&self) -> &'static str {
        "LogitRelaxedBernoulli"
    }
    fn batch_shape(&self) -> &[usize] {
        self.temperature.shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Constraint::Real
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let (temperature, odds) = (self.temperature.expand(shape)?, self.odds.map(|p| p.expand(shape))?);
        Ok(Box::new(LogitRelaxedBernoulli { temperature, odds }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let dtype = self.temperature.dtype();
        let p = clamp_probs(&self.odds.probs(), dtype);
        let u = clamp_probs(&rand(&extended(self, shape), &self.temperature), dtype);
        ((u.log() - (-&u).log1p() + p.log() - (-&p).log1p()) / x(&self.temperature)).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let temperature = x(&self.temperature);
        let off = self.odds.logits() - valid(self, value)? * &temperature;
        (temperature.log() + &off - 2.0 * off.softplus()).get()
    }
}

/// A truth value made smooth, a number from 0 to 1: `torch.distributions.RelaxedBernoulli`.
#[derive(Debug)]
pub struct RelaxedBernoulli(TransformedDistribution);

impl RelaxedBernoulli {
    /// As [`LogitRelaxedBernoulli::new`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn new<'a>(temperature: impl Into<Operand<'a>>, probs: impl Into<Operand<'a>>) -> Result<Self> {
        let base = LogitRelaxedBernoulli::new(temperature, probs)?;
        Ok(RelaxedBernoulli(TransformedDistribution::new(base, SigmoidTransform)?))
    }

    /// As [`LogitRelaxedBernoulli::from_logits`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn from_logits<'a>(temperature: impl Into<Operand<'a>>, logits: impl Into<Operand<'a>>) -> Result<Self> {
        let base = LogitRelaxedBernoulli::from_logits(temperature, logits)?;
        Ok(RelaxedBernoulli(TransformedDistribution::new(base, SigmoidTransform)?))
    }
}

transformed!(RelaxedBernoulli, Constraint::UnitInterval);

/// The logarithms of [`RelaxedOneHotCategorical`]: `torch.distributions.relaxed_categorical.ExpRelaxedCategorical`.
#[derive(Clone, Debug)]
pub struct ExpRelaxedCategorical {
    temperature: Tensor,
    categorical: Categorical,
    event: [usize; 1],
}

impl ExpRelaxedCategorical {
    #[track_caller]
    fn of(temperature: Operand<'_>, categorical: Categorical) -> Result<Self> {
        let like = categorical.logits()?.select(-1, 0)?;
        let [temperature, like] = broadcast_all([temperature, Operand::from(&like)])?;
        let fits = temperature.shape() == categorical.batch_shape();
        let name = "RelaxedOneHotCategorical";
        ensure!(fits, Shape, name, "temperatures for {:?} of {:?}", like.shape(), categorical.batch_shape());
        check_parameter(name, "temperature", &temperature, &Constraint::Positive)?;
        let event = [categorical.categories()];
        Ok(ExpRelaxedCategorical { temperature, categorical, event })
    }

    /// Of a temperature, towards which 0 draws become vectors of one 1, and weights `[..., categories]`.
    ///
    /// # Errors
    /// Where a temperature is not positive, or as [`Categorical::new`].
    #[track_caller]
    pub fn new<'a>(temperature: impl Into<Operand<'a>>, probs: impl AsRef<Tensor>) -> Result<Self> {
        Self::of(temperature.into(), Categorical::new(probs)?)
    }

    /// Of a temperature and log probabilities `[..., categories]`.
    ///
    /// # Errors
    /// As [`Categorical::from_logits`].
    #[track_caller]
    pub fn from_logits<'a>(temperature: impl Into<Operand<'a>>, logits: impl AsRef<Tensor>) -> Result<Self> {
        Self::of(temperature.into(), Categorical::from_logits(logits)?)
    }
}

impl Distribution for ExpRelaxedCategorical {
    fn name(&self) -> &'static str {
        "ExpRelaxedCategorical"
    }
    fn batch_shape(&self) -> &[usize] {
        self.categorical.batch_shape()
    }
    fn event_shape(&self) -> &[usize] {
        &self.event
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Constraint::real_vector()
    }
    fn has_rsample(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let (temperature, categorical) = (self.temperature.expand(shape)?, self.categorical.expanded(shape)?);
        Ok(Box::new(ExpRelaxedCategorical { temperature, categorical, event: self.event }))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        let u = clamp_probs(&rand(&extended(self, shape), &self.temperature), self.temperature.dtype());
        let gumbel = -(-u.log()).log();
        let scores = (x(&self.categorical.logits()?) + gumbel) / x(&self.temperature).unsqueeze(-1);
        (&scores - scores.logsumexp_keepdim(-1)).get()
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (k, temperature) = (self.event[0] as f64, x(&self.temperature));
        let score = x(&self.categorical.logits()?) - valid(self, value)? * temperature.unsqueeze(-1);
        let score = (&score - score.logsumexp_keepdim(-1)).sum(-1);
        let ways = Tensor::full((), k).dtype(flambeau_tensor::DType::F64).build()?.lgamma()?.item::<f64>()?;
        (score + temperature.log() * (k - 1.0) + ways).get()
    }
}

/// One of several categories made smooth, shares of one: `torch.distributions.RelaxedOneHotCategorical`.
#[derive(Debug)]
pub struct RelaxedOneHotCategorical(TransformedDistribution);

impl RelaxedOneHotCategorical {
    /// As [`ExpRelaxedCategorical::new`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn new<'a>(temperature: impl Into<Operand<'a>>, probs: impl AsRef<Tensor>) -> Result<Self> {
        let base = ExpRelaxedCategorical::new(temperature, probs)?;
        Ok(RelaxedOneHotCategorical(TransformedDistribution::new(base, ExpTransform)?))
    }

    /// As [`ExpRelaxedCategorical::from_logits`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn from_logits<'a>(temperature: impl Into<Operand<'a>>, logits: impl AsRef<Tensor>) -> Result<Self> {
        let base = ExpRelaxedCategorical::from_logits(temperature, logits)?;
        Ok(RelaxedOneHotCategorical(TransformedDistribution::new(base, ExpTransform)?))
    }
}

transformed!(RelaxedOneHotCategorical, Constraint::Simplex);
