//! [`Distribution`]: what every family answers.

use crate::Constraint;
use flambeau_tensor::{Result, Tensor, bail, no_grad};
use std::any::Any;
use std::fmt::Debug;

/// A probability distribution, or a batch of them of one family: `torch.distributions.Distribution`.
///
/// A sample has the shape that was asked for, then [`batch_shape`](Distribution::batch_shape), then
/// [`event_shape`](Distribution::event_shape); what has one number for each distribution has the batch's. Samples are
/// drawn from the default generator, as PyTorch draws them.
///
/// What a family has no formula for is an error of the kind `Unsupported` that names it.
pub trait Distribution: Debug + Send + Sync + 'static {
    /// The family's name, PyTorch's.
    fn name(&self) -> &'static str;

    /// How many distributions these are, along which dimensions.
    fn batch_shape(&self) -> &[usize];

    /// The shape of one draw: `[]` for a number.
    fn event_shape(&self) -> &[usize] {
        &[]
    }

    /// Where samples lie.
    fn support(&self) -> Constraint;

    /// The same for a larger batch, without a copy of the parameters.
    ///
    /// # Errors
    /// Where the batch's shape does not expand to this one.
    #[track_caller]
    fn expand(&self, batch_shape: &[usize]) -> Result<Box<dyn Distribution>>;

    /// Itself, for [`kl_divergence`](crate::kl_divergence) to see what it is.
    fn as_any(&self) -> &dyn Any;

    /// Whether [`rsample`](Distribution::rsample) has gradients for the parameters.
    fn has_rsample(&self) -> bool {
        false
    }

    /// Whether [`enumerate_support`](Distribution::enumerate_support) can list the values.
    fn has_enumerate_support(&self) -> bool {
        false
    }

    /// Draws without recording.
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| self.rsample(shape))
    }

    /// Draws that are differentiable functions of the parameters.
    ///
    /// # Errors
    /// Where the family has none.
    #[track_caller]
    fn rsample(&self, _shape: &[usize]) -> Result<Tensor> {
        lacking(self.name(), "rsample")
    }

    /// The logarithm of the density, or of the probability, at `value`.
    ///
    /// # Errors
    /// Where `value` is not in the support (see [`set_default_validate_args`](crate::set_default_validate_args)) or does
    /// not broadcast with the batch.
    #[track_caller]
    fn log_prob(&self, value: &Tensor) -> Result<Tensor>;

    /// The probability of `value` and less.
    ///
    /// # Errors
    /// As [`log_prob`](Distribution::log_prob), and where there is no formula.
    #[track_caller]
    fn cdf(&self, _value: &Tensor) -> Result<Tensor> {
        lacking(self.name(), "cdf")
    }

    /// The value that a draw is below with probability `value`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast or there is no formula.
    #[track_caller]
    fn icdf(&self, _value: &Tensor) -> Result<Tensor> {
        lacking(self.name(), "icdf")
    }

    /// The entropy, in nats.
    ///
    /// # Errors
    /// Where there is no formula.
    #[track_caller]
    fn entropy(&self) -> Result<Tensor> {
        lacking(self.name(), "entropy")
    }

    /// e to the entropy.
    ///
    /// # Errors
    /// As [`entropy`](Distribution::entropy).
    #[track_caller]
    fn perplexity(&self) -> Result<Tensor> {
        self.entropy()?.exp()
    }

    /// The expected value.
    ///
    /// # Errors
    /// Where there is no formula.
    #[track_caller]
    fn mean(&self) -> Result<Tensor> {
        lacking(self.name(), "mean")
    }

    /// The likeliest value.
    ///
    /// # Errors
    /// Where there is no formula.
    #[track_caller]
    fn mode(&self) -> Result<Tensor> {
        lacking(self.name(), "mode")
    }

    /// The variance of each element.
    ///
    /// # Errors
    /// Where there is no formula.
    #[track_caller]
    fn variance(&self) -> Result<Tensor> {
        lacking(self.name(), "variance")
    }

    /// The root of the variance.
    ///
    /// # Errors
    /// As [`variance`](Distribution::variance).
    #[track_caller]
    fn stddev(&self) -> Result<Tensor> {
        self.variance()?.sqrt()
    }

    /// All values along dimension 0, the batch behind it; with `expand` false the batch's dimensions have size 1.
    ///
    /// # Errors
    /// Where the values cannot be listed.
    #[track_caller]
    fn enumerate_support(&self, _expand: bool) -> Result<Tensor> {
        lacking(self.name(), "enumerate_support")
    }
}

#[track_caller]
pub(crate) fn lacking<T>(family: &'static str, what: &str) -> Result<T> {
    bail!(Unsupported, family, "has no {what}")
}

// So that what takes a distribution takes a boxed one.
impl Distribution for Box<dyn Distribution> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn batch_shape(&self) -> &[usize] {
        (**self).batch_shape()
    }
    fn event_shape(&self) -> &[usize] {
        (**self).event_shape()
    }
    fn support(&self) -> Constraint {
        (**self).support()
    }
    fn expand(&self, batch_shape: &[usize]) -> Result<Box<dyn Distribution>> {
        (**self).expand(batch_shape)
    }
    fn as_any(&self) -> &dyn Any {
        (**self).as_any()
    }
    fn has_rsample(&self) -> bool {
        (**self).has_rsample()
    }
    fn has_enumerate_support(&self) -> bool {
        (**self).has_enumerate_support()
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        (**self).sample(shape)
    }
    fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
        (**self).rsample(shape)
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        (**self).log_prob(value)
    }
    fn cdf(&self, value: &Tensor) -> Result<Tensor> {
        (**self).cdf(value)
    }
    fn icdf(&self, value: &Tensor) -> Result<Tensor> {
        (**self).icdf(value)
    }
    fn entropy(&self) -> Result<Tensor> {
        (**self).entropy()
    }
    fn perplexity(&self) -> Result<Tensor> {
        (**self).perplexity()
    }
    fn mean(&self) -> Result<Tensor> {
        (**self).mean()
    }
    fn mode(&self) -> Result<Tensor> {
        (**self).mode()
    }
    fn variance(&self) -> Result<Tensor> {
        (**self).variance()
    }
    fn stddev(&self) -> Result<Tensor> {
        (**self).stddev()
    }
    fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
        (**self).enumerate_support(expand)
    }
}
