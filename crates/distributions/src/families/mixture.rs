//! Distributions made of distributions: batch dimensions as parts of the event, and mixtures.

use crate::expr::{X, x};
use crate::util::{sum_rightmost, valid};
use crate::{Categorical, Constraint, Constraint::*, Distribution};
use flambeau_tensor::{Result, Tensor, ensure, no_grad};
use std::any::Any;

/// A distribution whose last batch dimensions are one event: `torch.distributions.Independent`.
///
/// ```
/// use flambeau_distributions::{Distribution, Independent, Normal};
/// use flambeau_tensor::Tensor;
///
/// let d = Independent::new(Normal::new(&Tensor::zeros([3, 2]).build()?, 1.0)?, 1)?;
/// assert_eq!((d.batch_shape(), d.event_shape()), (&[3][..], &[2][..]));
/// assert_eq!(d.log_prob(&d.sample(&[])?)?.shape(), [3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Independent {
    base: Box<dyn Distribution>,
    dims: usize,
    event: Vec<usize>,
}

impl Independent {
    /// Of the last `dims` batch dimensions of `base`.
    ///
    /// # Errors
    /// Where it has fewer.
    #[track_caller]
    pub fn new(base: impl Distribution, dims: usize) -> Result<Self> {
        Self::boxed(Box::new(base), dims)
    }

    #[track_caller]
    pub(crate) fn boxed(base: Box<dyn Distribution>, dims: usize) -> Result<Self> {
        let batch = base.batch_shape().len();
        ensure!(dims <= batch, Shape, "Independent", "{dims} dimensions of a batch of {batch}");
        let event = [&base.batch_shape()[batch - dims..], base.event_shape()].concat();
        Ok(Independent { base, dims, event })
    }

    /// What it was made of.
    pub fn base(&self) -> &dyn Distribution {
        &*self.base
    }

    /// How many batch dimensions are part of the event.
    pub fn reinterpreted_batch_ndims(&self) -> usize {
        self.dims
    }
}

impl Distribution for Independent {
    fn name(&self) -> &'static str {
        "Independent"
    }
    fn batch_shape(&self) -> &[usize] {
        let batch = self.base.batch_shape();
        &batch[..batch.len() - self.dims]
    }
    fn event_shape(&self) -> &[usize] {
        &self.event
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        self.base.support().independent(self.dims)
    }
    fn has_rsample(&self) -> bool {
        self.base.has_rsample()
    }
    fn has_enumerate_support(&self) -> bool {
        self.dims == 0 && self.base.has_enumerate_support()
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let batch = self.base.batch_shape();
        let base = self.base.expand(&[shape, &batch[batch.len() - self.dims..]].concat())?;
        Ok(Box::new(Independent { base, dims: self.dims, event: self.event.clone() }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        self.base.sample(shape)
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        self.base.rsample(shape)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        sum_rightmost(&self.base.log_prob(value).into(), self.dims).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        sum_rightmost(&self.base.entropy().into(), self.dims).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.base.mean()
    }
    fn mode(&self) -> Result<Tensor> {
        self.base.mode()
    }
    fn variance(&self) -> Result<Tensor> {
        self.base.variance()
    }
    fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
        ensure!(self.dims == 0, Unsupported, "Independent", "the values of several elements together are not listed");
        self.base.enumerate_support(expand)
    }
}

/// One of several distributions of one family, drawn by weight: `torch.distributions.MixtureSameFamily`. The last batch
/// dimension of the components counts them.
#[derive(Debug)]
pub struct MixtureSameFamily {
    mixture: Categorical,
    components: Box<dyn Distribution>,
}

impl MixtureSameFamily {
    /// Of weights and the components.
    ///
    /// # Errors
    /// Where the numbers of components differ or the batches do not fit.
    #[track_caller]
    pub fn new(mixture: Categorical, components: impl Distribution) -> Result<Self> {
        let (name, batch) = ("MixtureSameFamily", components.batch_shape());
        ensure!(!batch.is_empty(), Shape, name, "the components have no batch dimension that counts them");
        let (k, outer) = (batch[batch.len() - 1], &batch[..batch.len() - 1]);
        let n = mixture.categories();
        ensure!(n == k, Shape, name, "{n} weights for {k} components");
        flambeau_tensor::shape::broadcast_shapes(name, mixture.batch_shape(), outer)?;
        Ok(MixtureSameFamily { mixture, components: Box::new(components) })
    }

    /// The weights.
    pub fn mixture_distribution(&self) -> &Categorical {
        &self.mixture
    }

    /// The components.
    pub fn component_distribution(&self) -> &dyn Distribution {
        &*self.components
    }

    /// Where the components are counted, from the end.
    fn at(&self) -> isize {
        -1 - self.event_shape().len() as isize
    }

    /// Weights, with a dimension of size 1 for each of the event's.
    fn weights(&self) -> X {
        let dims = self.event_shape().len();
        (0..dims).fold(X::from(self.mixture.probs()), |p, _| p.unsqueeze(-1))
    }
}

impl Distribution for MixtureSameFamily {
    fn name(&self) -> &'static str {
        "MixtureSameFamily"
    }
    fn batch_shape(&self) -> &[usize] {
        let batch = self.components.batch_shape();
        &batch[..batch.len() - 1]
    }
    fn event_shape(&self) -> &[usize] {
        self.components.event_shape()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        let inner = self.components.support();
        // Bounds that are one for each component bind no mixture.
        match inner.event_dim() {
            0 => match inner {
                Interval(..) | GreaterThan(_) | GreaterThanEq(_) | LessThan(_) | HalfOpenInterval(..) => Real,
                IntegerInterval(..) => NonnegativeInteger,
                other => other,
            },
            _ => inner,
        }
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let components = self.components.expand(&[shape, &[self.mixture.categories()]].concat())?;
        let mixture = self.mixture.expand(shape)?;
        let mixture = mixture.as_any().downcast_ref::<Categorical>().cloned().unwrap_or_else(|| self.mixture.clone());
        Ok(Box::new(MixtureSameFamily { mixture, components }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let at = (shape.len() + self.batch_shape().len()) as isize;
            let numbers = self.mixture.sample(shape)?;
            let drawn = self.components.sample(shape)?;
            let mut one = drawn.shape().to_vec();
            one[at as usize] = 1;
            let dims = self.event_shape().len() + 1;
            let numbers = (0..dims).fold(x(&numbers), |n, _| n.unsqueeze(-1)).expand(&one).get()?;
            drawn.gather(at, &numbers.contiguous()?)?.squeeze(at)
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?.unsqueeze(self.at()).get()?;
        let each = X::from(self.components.log_prob(&v));
        let weights = X::from(self.mixture.logits()).then(|l| l.log_softmax(-1));
        (each + weights).then(|sum| sum.logsumexp(-1)).get()
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        let each = X::from(self.components.cdf(&value.unsqueeze(self.at())?));
        (each * X::from(self.mixture.probs())).sum(-1).get()
    }
    fn mean(&self) -> Result<Tensor> {
        (self.weights() * X::from(self.components.mean())).sum(self.at()).get()
    }
    fn variance(&self) -> Result<Tensor> {
        let (p, at) = (self.weights(), self.at());
        let within = (&p * X::from(self.components.variance())).sum(at);
        let mean = X::from(self.components.mean());
        let off = &mean - (&p * &mean).sum_keepdim(at);
        (within + (p * off.square()).sum(at)).get()
    }
}
