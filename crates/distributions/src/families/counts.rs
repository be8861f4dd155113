//! Families of truth values and counts: Bernoulli, binomial, geometric, negative binomial, Poisson.

use crate::expr::{X, x};
use crate::util::{Odds, broadcast_all, check_parameter, cross_entropy, extended, filled, tiny, valid};
use crate::{Constraint, Constraint::*, Distribution, Gamma};
use flambeau_tensor::{Operand, Result, Tensor, ensure, no_grad};
use std::any::Any;

/// The constructors and the two forms of a family by odds.
macro_rules! by_odds {
    ($Name:ident) => {
        impl $Name {
            /// The probabilities.
            ///
            /// # Errors
            /// Where there is no memory for them.
            #[track_caller]
            pub fn probs(&self) -> Result<Tensor> {
                self.odds.probs().get()
            }

            /// The log odds.
            ///
            /// # Errors
            /// Where there is no memory for them.
            #[track_caller]
            pub fn logits(&self) -> Result<Tensor> {
                self.odds.logits().get()
            }
        }
    };
    ($Name:ident: alone) => {
        by_odds!($Name);
        impl $Name {
            /// Of probabilities, numbers or a tensor.
            ///
            /// # Errors
            /// Where one is not in 0 to 1.
            #[track_caller]
            pub fn new<'a>(probs: impl Into<Operand<'a>>) -> Result<Self> {
                Ok($Name { odds: Odds::probs_of(stringify!($Name), probs.into())? })
            }

            /// Of log odds, log p / (1 − p).
            ///
            /// # Errors
            /// Where one is NaN.
            #[track_caller]
            pub fn from_logits<'a>(logits: impl Into<Operand<'a>>) -> Result<Self> {
                Ok($Name { odds: Odds::logits_of(stringify!($Name), logits.into())? })
            }
        }
    };
}

/// 0 to `last` along dimension 0, for a batch of this shape.
fn counting(last: i64, batch: &[usize], like: &Tensor, expand: bool) -> Result<Tensor> {
    let values = Tensor::arange(0, last.saturating_add(1)).dtype(like.dtype()).device(like.device()).build()?;
    let count = values.numel();
    let values = values.reshape([&[count][..], &vec![1; batch.len()]].concat())?;
    if expand { values.expand([&[count][..], batch].concat()) } else { Ok(values) }
}

/// 1 with a probability, else 0: `torch.distributions.Bernoulli`.
#[derive(Clone, Debug)]
pub struct Bernoulli {
    odds: Odds,
}

by_odds!(Bernoulli: alone);

impl Distribution for Bernoulli {
    fn name(&self) -> &'static str {
        "Bernoulli"
    }
    fn batch_shape(&self) -> &[usize] {
        self.odds.param().shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Boolean
    }
    fn has_enumerate_support(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(Bernoulli { odds: self.odds.map(|t| t.expand(shape))? }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| self.odds.probs().expand(&extended(self, shape)).then(|p| p.contiguous()?.bernoulli()).get())
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        (-cross_entropy(&self.odds.logits(), &valid(self, value)?)).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        cross_entropy(&self.odds.logits(), &self.odds.probs()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.probs()
    }
    fn mode(&self) -> Result<Tensor> {
        let p = self.odds.probs();
        p.ge(0.5).to_dtype(self.odds.param().dtype()).masked_fill(&p.eq(0.5), f64::NAN).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let p = self.odds.probs();
        (&p * (1.0 - &p)).get()
    }
    fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
        counting(1, self.batch_shape(), self.odds.param(), expand)
    }
}

/// Trials before the first success, of probability p each: `torch.distributions.Geometric`.
#[derive(Clone, Debug)]
pub struct Geometric {
    odds: Odds,
}

by_odds!(Geometric);

impl Geometric {
    /// Of probabilities, numbers or a tensor.
    ///
    /// # Errors
    /// Where one is 0 or not in 0 to 1.
    #[track_caller]
    pub fn new<'a>(probs: impl Into<Operand<'a>>) -> Result<Self> {
        let odds = Odds::probs_of("Geometric", probs.into())?;
        check_parameter("Geometric", "probs", odds.param(), &Positive)?;
        Ok(Geometric { odds })
    }

    /// Of log odds, log p / (1 − p).
    ///
    /// # Errors
    /// Where one is NaN.
    #[track_caller]
    pub fn from_logits<'a>(logits: impl Into<Operand<'a>>) -> Result<Self> {
        Ok(Geometric { odds: Odds::logits_of("Geometric", logits.into())? })
    }
}

impl Distribution for Geometric {
    fn name(&self) -> &'static str {
        "Geometric"
    }
    fn batch_shape(&self) -> &[usize] {
        self.odds.param().shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        NonnegativeInteger
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(Geometric { odds: self.odds.map(|t| t.expand(shape))? }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        let like = self.odds.param();
        no_grad(|| {
            let u = filled(&extended(self, shape), like, |t| t.uniform_(tiny(like.dtype()), 1.0).map(drop));
            (u.log() / (-self.odds.probs()).log1p()).floor().get()
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (p, v) = (self.odds.probs(), valid(self, value)?);
        let sure = p.eq(1.0).and(&v.eq(0.0));
        let failing = p.masked_fill(&sure, 0.0);
        (v * (-failing).log1p() + p.log()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let p = self.odds.probs();
        (cross_entropy(&self.odds.logits(), &p) / &p).get()
    }
    fn mean(&self) -> Result<Tensor> {
        (1.0 / self.odds.probs() - 1.0).get()
    }
    fn mode(&self) -> Result<Tensor> {
        self.odds.param().zeros_like()
    }
    fn variance(&self) -> Result<Tensor> {
        let p = self.odds.probs();
        ((1.0 / &p - 1.0) / &p).get()
    }
}

/// A number of trials beside the odds of each, of one shape.
#[track_caller]
fn with_count(family: &'static str, count: Operand<'_>, odds: Odds) -> Result<(Tensor, Odds)> {
    let [like, count] = broadcast_all([Operand::from(odds.param()), count])?;
    let count = count.to_dtype(like.dtype())?;
    let whole = family == "Binomial";
    check_parameter(family, "total_count", &count, if whole { &NonnegativeInteger } else { &Nonnegative })?;
    let odds = odds.map(|t| t.expand(count.shape()))?;
    Ok((count, odds))
}

/// Successes of `total_count` trials: `torch.distributions.Binomial`.
#[derive(Clone, Debug)]
pub struct Binomial {
    total_count: Tensor,
    odds: Odds,
}

/// Successes, of probability p each, before `total_count` failures: `torch.distributions.NegativeBinomial`.
#[derive(Clone, Debug)]
pub struct NegativeBinomial {
    total_count: Tensor,
    odds: Odds,
}

macro_rules! of_trials {
    ($Name:ident) => {
        by_odds!($Name);
        impl $Name {
            /// Of numbers of trials and probabilities, which broadcast.
            ///
            /// # Errors
            /// Where a count is negative or a probability not in 0 to 1.
            #[track_caller]
            pub fn new<'a, 'b>(total_count: impl Into<Operand<'a>>, probs: impl Into<Operand<'b>>) -> Result<Self> {
                let odds = Odds::probs_of(stringify!($Name), probs.into())?;
                let (total_count, odds) = with_count(stringify!($Name), total_count.into(), odds)?;
                Ok($Name { total_count, odds })
            }

            /// Of numbers of trials and log odds, which broadcast.
            ///
            /// # Errors
            /// Where a count is negative or a number NaN.
            #[track_caller]
            pub fn from_logits<'a, 'b>(
                total_count: impl Into<Operand<'a>>,
                logits: impl Into<Operand<'b>>,
            ) -> Result<Self> {
                let odds = Odds::logits_of(stringify!($Name), logits.into())?;
                let (total_count, odds) = with_count(stringify!($Name), total_count.into(), odds)?;
                Ok($Name { total_count, odds })
            }

            /// The numbers of trials, of the batch's shape.
            pub fn total_count(&self) -> &Tensor {
                &self.total_count
            }
        }
    };
}
of_trials!(Binomial);
of_trials!(NegativeBinomial);

impl Binomial {
    /// The number of trials where it is the same in the whole batch.
    #[track_caller]
    fn single_count(&self) -> Result<i64> {
        let most = self.total_count.max_all()?.item::<f64>()?;
        let least = self.total_count.min_all()?.item::<f64>()?;
        ensure!(most == least, Unsupported, "Binomial", "the batch has numbers of trials from {least} to {most}");
        ensure!(most < 1e9, Argument, "Binomial", "{most} values are too many to list");
        Ok(most as i64)
    }
}

impl Distribution for Binomial {
    fn name(&self) -> &'static str {
        "Binomial"
    }
    fn batch_shape(&self) -> &[usize] {
        self.total_count.shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        IntegerInterval(0.0, self.total_count.clone())
    }
    fn has_enumerate_support(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let odds = self.odds.map(|t| t.expand(shape))?;
        Ok(Box::new(Binomial { total_count: self.total_count.expand(shape)?, odds }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        let shape = extended(self, shape);
        no_grad(|| {
            let p = self.odds.probs().expand(&shape).get()?;
            self.total_count.expand(&shape[..])?.binomial(&p, None)
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (n, logits, v) = (x(&self.total_count), self.odds.logits(), valid(self, value)?);
        let choose = (&n + 1.0).lgamma() - (&v + 1.0).lgamma() - (&n - &v + 1.0).lgamma();
        // log (1 + eˡ), whose derivative at 0 is one half.
        let positive = (logits.clamp_min(0.0) + &logits - logits.then(|l| l.clamp_max(0.0))) / 2.0;
        (&v * &logits + choose - &n * positive - &n * (-logits.abs()).exp().log1p()).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        self.single_count()?;
        let log = X::from(self.log_prob(&self.enumerate_support(false)?));
        (-(log.exp() * &log).sum(0)).get()
    }
    fn mean(&self) -> Result<Tensor> {
        (x(&self.total_count) * self.odds.probs()).get()
    }
    fn mode(&self) -> Result<Tensor> {
        let n = x(&self.total_count);
        ((&n + 1.0) * self.odds.probs()).floor().with(&n, |mode, n| mode.minimum(n)).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let p = self.odds.probs();
        (x(&self.total_count) * &p * (1.0 - &p)).get()
    }
    fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
        counting(self.single_count()?, self.batch_shape(), &self.total_count, expand)
    }
}

impl Distribution for NegativeBinomial {
    fn name(&self) -> &'static str {
        "NegativeBinomial"
    }
    fn batch_shape(&self) -> &[usize] {
        self.total_count.shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        NonnegativeInteger
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let odds = self.odds.map(|t| t.expand(shape))?;
        Ok(Box::new(NegativeBinomial { total_count: self.total_count.expand(shape)?, odds }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let rate = (-self.odds.logits()).exp().get()?;
            Gamma { concentration: self.total_count.clone(), rate }.sample(shape)?.poisson(None)
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (n, logits, v) = (x(&self.total_count), self.odds.logits(), valid(self, value)?);
        let weight = &n * (-&logits).logsigmoid() + &v * logits.logsigmoid();
        let norm = (1.0 + &v).lgamma() + n.lgamma() - (&n + &v).lgamma();
        (weight - norm.masked_fill(&(n + v).eq(0.0), 0.0)).get()
    }
    fn mean(&self) -> Result<Tensor> {
        (x(&self.total_count) * self.odds.logits().exp()).get()
    }
    fn mode(&self) -> Result<Tensor> {
        ((x(&self.total_count) - 1.0) * self.odds.logits().exp()).floor().clamp_min(0.0).get()
    }
    fn variance(&self) -> Result<Tensor> {
        (X::from(self.mean()) / (-self.odds.logits()).sigmoid()).get()
    }
}

family! {
    /// Numbers of events whose mean is `rate`: `torch.distributions.Poisson`.
    Poisson { rate: Nonnegative }
}

impl Distribution for Poisson {
    itself!(Poisson: rate);
    fn support(&self) -> Constraint {
        NonnegativeInteger
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| self.rate.expand(&extended(self, shape)[..])?.poisson(None))
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([rate], v) = (self.parameters(), valid(self, value)?);
        (v.xlogy(&rate) - rate - (v + 1.0).lgamma()).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.rate.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        self.rate.floor()
    }
    fn variance(&self) -> Result<Tensor> {
        Ok(self.rate.clone())
    }
}
