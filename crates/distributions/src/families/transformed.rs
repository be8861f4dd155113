//! Distributions of what transforms make of others.

use super::{Independent, Normal};
use crate::expr::{X, x};
use crate::util::{sum_rightmost, valid};
use crate::{Constraint, Distribution, StickBreakingTransform, Transform};
use flambeau_tensor::{Operand, Result, Tensor, ensure, no_grad};
use std::any::Any;
use std::sync::Arc;

/// The distribution of what a transform makes of another's draws: `torch.distributions.TransformedDistribution`. For
/// several transforms, one after the other, there is [`ComposeTransform`](crate::ComposeTransform).
///
/// ```
/// use flambeau_distributions::{Distribution, ExpTransform, LogNormal, Normal, TransformedDistribution};
/// use flambeau_tensor::tensor;
///
/// let (d, same) = (TransformedDistribution::new(Normal::new(0.0, 1.0)?, ExpTransform)?, LogNormal::new(0.0, 1.0)?);
/// let x = tensor!(2.0);
/// assert!(d.log_prob(&x)?.sub(same.log_prob(&x)?)?.item::<f32>()?.abs() < 1e-6);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformedDistribution {
    base: Box<dyn Distribution>,
    transform: Arc<dyn Transform>,
    batch: Vec<usize>,
    event: Vec<usize>,
}

impl TransformedDistribution {
    /// Of the draws of `base`.
    ///
    /// # Errors
    /// Where the transform does not take their shape.
    #[track_caller]
    pub fn new(base: impl Distribution, transform: impl Transform) -> Result<Self> {
        Self::shared(Box::new(base), transform.shared())
    }

    #[track_caller]
    fn shared(base: Box<dyn Distribution>, transform: Arc<dyn Transform>) -> Result<Self> {
        let name = "TransformedDistribution";
        let mut base = base;
        let shape = [base.batch_shape(), base.event_shape()].concat();
        let own = base.event_shape().len();
        let (domain, codomain) = (transform.domain().event_dim(), transform.codomain().event_dim());
        ensure!(shape.len() >= domain, Shape, name, "draws of shape {shape:?} for values of {domain} dimensions");
        let after = transform.forward_shape(&shape)?;
        let before = transform.inverse_shape(&after)?;
        if before != shape {
            ensure!(before.len() >= own, Shape, name, "draws of shape {before:?} from events of {own} dimensions");
            base = base.expand(&before[..before.len() - own])?;
        }
        if domain > own {
            base = Box::new(Independent::boxed(base, domain - own)?);
        }
        let dims = codomain.max((own + codomain).saturating_sub(domain));
        ensure!(after.len() >= dims, Shape, name, "values of {dims} dimensions of shape {after:?}");
        let (batch, event) = after.split_at(after.len() - dims);
        let (batch, event) = (batch.to_vec(), event.to_vec());
        Ok(TransformedDistribution { base, transform, batch, event })
    }

    /// What the transform takes its draws from.
    pub fn base(&self) -> &dyn Distribution {
        &*self.base
    }

    /// The transform.
    pub fn transform(&self) -> &dyn Transform {
        &*self.transform
    }

    pub(super) fn expanded(&self, shape: &[usize]) -> Result<Self> {
        let before = self.transform.inverse_shape(&[shape, &self.event].concat())?;
        let base = self.base.expand(&before[..before.len() - self.base.event_shape().len()])?;
        let (batch, event) = (shape.to_vec(), self.event.clone());
        Ok(TransformedDistribution { base, transform: self.transform.clone(), batch, event })
    }

    /// A probability of the base's as one of these, or the other way round: 1 less it where the transform falls.
    fn turned(&self, p: &X) -> X {
        p.then(|p| {
            let sign = self.transform.sign()?.to_dtype(p.dtype())?;
            p.sub(0.5)?.mul(&sign)?.add(0.5)
        })
    }
}

impl Distribution for TransformedDistribution {
    fn name(&self) -> &'static str {
        "TransformedDistribution"
    }
    fn batch_shape(&self) -> &[usize] {
        &self.batch
    }
    fn event_shape(&self) -> &[usize] {
        &self.event
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        let inner = self.transform.codomain();
        let more = self.event.len().saturating_sub(inner.event_dim());
        inner.independent(more)
    }
    fn has_rsample(&self) -> bool {
        self.base.has_rsample()
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(self.expanded(shape)?))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| self.transform.forward(&self.base.sample(shape)?))
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.transform.forward(&self.base.rsample(shape)?)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let y = valid(self, value)?.get()?;
        let before = self.transform.inverse(&y)?;
        let (domain, codomain) = (self.transform.domain().event_dim(), self.transform.codomain().event_dim());
        let dims = (self.event.len() + domain).saturating_sub(codomain);
        let own = X::from(self.transform.log_abs_det_jacobian(&before, &y));
        let base = X::from(self.base.log_prob(&before));
        let more = dims.saturating_sub(self.base.event_shape().len());
        (sum_rightmost(&base, more) - sum_rightmost(&own, dims - domain)).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let before = self.transform.inverse(&valid(self, value)?.get()?)?;
        self.turned(&X::from(self.base.cdf(&before))).get()
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        self.transform.forward(&self.base.icdf(&self.turned(&x(value)).get()?)?)
    }
}

/// A family that is a transformed distribution under a name of its own.
macro_rules! transformed {
    ($Name:ident, $support:expr) => {
        impl Distribution for $Name {
            fn name(&self) -> &'static str {
                stringify!($Name)
            }
            fn batch_shape(&self) -> &[usize] {
                self.0.batch_shape()
            }
            fn event_shape(&self) -> &[usize] {
                self.0.event_shape()
            }
            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
            fn support(&self) -> Constraint {
                $support
            }
            fn has_rsample(&self) -> bool {
                true
            }
            fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
                Ok(Box::new($Name(self.0.expanded(shape)?)))
            }
            fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
                self.0.rsample(shape)
            }
            fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
                self.0.log_prob(&valid(self, value)?.get()?)
            }
            fn cdf(&self, value: &Tensor) -> Result<Tensor> {
                self.0.cdf(value)
            }
            fn icdf(&self, value: &Tensor) -> Result<Tensor> {
                self.0.icdf(value)
            }
        }
    };
}
pub(super) use transformed;

/// Normal numbers made shares of one by breaking a stick: `torch.distributions.LogisticNormal`.
#[derive(Debug)]
pub struct LogisticNormal(TransformedDistribution);

impl LogisticNormal {
    /// Of means and standard deviations `[..., n]`; draws are `[..., n + 1]`. Single numbers are vectors of one.
    ///
    /// # Errors
    /// Where the shapes do not broadcast or a scale is not positive.
    #[track_caller]
    pub fn new<'a>(loc: impl Into<Operand<'a>>, scale: impl Into<Operand<'a>>) -> Result<Self> {
        let base = Normal::new(loc, scale)?;
        let base = if base.batch_shape().is_empty() { base.expand(&[1])? } else { Box::new(base) };
        Ok(LogisticNormal(TransformedDistribution::shared(base, StickBreakingTransform.shared())?))
    }
}

transformed!(LogisticNormal, Constraint::Simplex);
