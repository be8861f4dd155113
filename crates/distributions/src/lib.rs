//! Probability distributions: `torch.distributions` for flambeau.
//!
//! Each family is a struct that [`Distribution`] is implemented for. Parameters are numbers or tensors and broadcast;
//! their common shape is the batch's. `new` takes probabilities where a family has them, `from_logits` log odds or
//! logarithms. Samples come from the default generator in PyTorch's order.
//!
//! ```
//! use flambeau_autograd::Autograd;
//! use flambeau_distributions::{Distribution, Normal, kl_divergence};
//! use flambeau_tensor::tensor;
//!
//! // A variational autoencoder's two terms: a sample with gradients, and the distance to the prior.
//! let loc = tensor!([0.5, -0.5]).requires_grad_()?;
//! let posterior = Normal::new(&loc, 0.5)?;
//! let z = posterior.rsample(&[])?;
//! let loss = z.square()?.sum(..)?.add(kl_divergence(&posterior, &Normal::new(0.0, 1.0)?)?.sum(..)?)?;
//! loss.backward()?;
//! assert!(loc.grad().is_some());
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! [`Transform`]s lead from one space of values to another, [`TransformedDistribution`] is what they make of a
//! distribution, and [`biject_to`] finds the one for a constraint.

mod constraints;
mod distribution;
mod expr;
mod families;
mod kl;
mod transforms;
mod util;

pub use constraints::Constraint;
pub use distribution::Distribution;
pub use families::{
    Bernoulli, Beta, Binomial, Categorical, Cauchy, Chi2, ContinuousBernoulli, Dirichlet, ExpRelaxedCategorical,
    Exponential, FisherSnedecor, Gamma, GeneralizedPareto, Geometric, Gumbel, HalfCauchy, HalfNormal, Independent,
    InverseGamma, Kumaraswamy, LKJCholesky, Laplace, LogNormal, LogisticNormal, LogitRelaxedBernoulli,
    LowRankMultivariateNormal, MixtureSameFamily, Multinomial, MultivariateNormal, NegativeBinomial, Normal,
    OneHotCategorical, OneHotCategoricalStraightThrough, Pareto, Poisson, RelaxedBernoulli, RelaxedOneHotCategorical,
    StudentT, TransformedDistribution, Uniform, VonMises, Weibull, Wishart,
};
pub use kl::kl_divergence;
pub use transforms::{
    AbsTransform, AffineTransform, CatTransform, ComposeTransform, CorrCholeskyTransform,
    CumulativeDistributionTransform, ExpTransform, IndependentTransform, InverseTransform, LowerCholeskyTransform,
    PositiveDefiniteTransform, PowerTransform, ReshapeTransform, SigmoidTransform, SoftmaxTransform, SoftplusTransform,
    StackTransform, StickBreakingTransform, TanhTransform, Transform, biject_to, transform_to,
};
pub use util::set_default_validate_args;
