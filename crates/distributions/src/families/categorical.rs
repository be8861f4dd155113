//! Families of one of several categories: categorical, as a number or as a vector, and counts of each.

use crate::expr::{X, x};
use crate::util::{check_parameter, eps, extended, samples, valid};
use crate::{Binomial, Constraint, Constraint::*, Distribution};
use flambeau_tensor::{DType, Result, Tensor, ensure, no_grad};
use std::any::Any;

/// The number of a category: `torch.distributions.Categorical`.
///
/// ```
/// use flambeau_distributions::{Categorical, Distribution};
/// use flambeau_tensor::tensor;
///
/// let d = Categorical::new(&tensor!([[1.0, 3.0], [2.0, 2.0]]))?;
/// assert_eq!(d.log_prob(&tensor!([1i64, 0]))?.exp()?.to_vec::<f32>()?, [0.75, 0.5]);
/// assert_eq!(d.sample(&[5])?.shape(), [5, 2]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Categorical {
    /// Probabilities that add up to one, or their logarithms.
    param: Tensor,
    logs: bool,
}

impl Categorical {
    /// Of weights `[..., categories]`, which need not add up to one.
    ///
    /// # Errors
    /// Where there is no dimension of categories or a weight is negative or all are zero.
    #[track_caller]
    pub fn new(probs: impl AsRef<Tensor>) -> Result<Self> {
        let probs = probs.as_ref();
        ensure!(probs.rank() > 0, Shape, "Categorical", "the probabilities have no dimension of categories");
        let p = x(probs);
        let param = (&p / p.sum_keepdim(-1)).get()?;
        check_parameter("Categorical", "probs", &param, &Simplex)?;
        Ok(Categorical { param, logs: false })
    }

    /// Of unnormalized log probabilities `[..., categories]`.
    ///
    /// # Errors
    /// Where there is no dimension of categories or a number is NaN.
    #[track_caller]
    pub fn from_logits(logits: impl AsRef<Tensor>) -> Result<Self> {
        let logits = logits.as_ref();
        ensure!(logits.rank() > 0, Shape, "Categorical", "the logits have no dimension of categories");
        let l = x(logits);
        let param = (&l - l.logsumexp_keepdim(-1)).get()?;
        check_parameter("Categorical", "logits", &param, &Constraint::real_vector())?;
        Ok(Categorical { param, logs: true })
    }

    /// The probabilities, `[..., categories]`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    pub fn probs(&self) -> Result<Tensor> {
        if self.logs { self.param.softmax(-1) } else { Ok(self.param.clone()) }
    }

    /// The logarithms of the probabilities, `[..., categories]`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    pub fn logits(&self) -> Result<Tensor> {
        if self.logs {
            return Ok(self.param.clone());
        }
        let eps = eps(self.param.dtype());
        self.param.clamp(eps, 1.0 - eps)?.log()
    }

    /// How many categories there are.
    pub fn categories(&self) -> usize {
        self.param.shape().last().copied().unwrap_or(0)
    }

    pub(crate) fn expanded(&self, shape: &[usize]) -> Result<Categorical> {
        let shape = [shape, &[self.categories()]].concat();
        Ok(Categorical { param: self.param.expand(&shape[..])?, logs: self.logs })
    }

    /// The sum of −p log p.
    fn entropy_of(&self) -> X {
        let least = if self.param.dtype() == DType::F64 { f64::MIN } else { f64::from(f32::MIN) };
        let logits = X::from(self.logits()).clamp_min(least);
        -(logits * X::from(self.probs())).sum(-1)
    }

    /// Vectors with a 1 at the place of each number.
    fn one_hot(&self, numbers: &Tensor) -> Result<Tensor> {
        numbers.one_hot(Some(self.categories()))?.to_dtype(self.param.dtype())
    }
}

impl Distribution for Categorical {
    fn name(&self) -> &'static str {
        "Categorical"
    }
    fn batch_shape(&self) -> &[usize] {
        let shape = self.param.shape();
        &shape[..shape.len() - 1]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        NonnegativeIntegerBelow(self.categories())
    }
    fn has_enumerate_support(&self) -> bool {
        true
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        Ok(Box::new(self.expanded(shape)?))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let count = samples(self, shape)?;
            let out = extended(self, shape);
            if out.contains(&0) {
                return Tensor::zeros(&out[..]).dtype(DType::I64).device(self.param.device()).build();
            }
            let rows = self.probs()?.reshape([-1, self.categories() as isize])?;
            rows.multinomial(count, true)?.t()?.reshape(&out[..])
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let v = valid(self, value)?.to_dtype(DType::I64).unsqueeze(-1).get()?;
        let logits = self.logits()?;
        let batch = flambeau_tensor::shape::broadcast_shapes("log_prob", value.shape(), self.batch_shape())?;
        let row = [&batch[..], &[self.categories()]].concat();
        let one = [&batch[..], &[1]].concat();
        logits.expand(&row[..])?.gather(-1, &v.expand(&one[..])?)?.squeeze(-1)
    }
    fn entropy(&self) -> Result<Tensor> {
        self.entropy_of().get()
    }
    fn mean(&self) -> Result<Tensor> {
        crate::util::constant(self, f64::NAN, &self.param)
    }
    fn mode(&self) -> Result<Tensor> {
        self.param.argmax(-1)
    }
    fn variance(&self) -> Result<Tensor> {
        self.mean()
    }
    fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
        let (n, batch) = (self.categories(), self.batch_shape());
        let values = Tensor::arange(0, n as i64).device(self.param.device()).build()?;
        let values = values.reshape([&[n][..], &vec![1; batch.len()]].concat())?;
        if expand { values.expand([&[n][..], batch].concat()) } else { Ok(values) }
    }
}

macro_rules! of_categories {
    ($(#[$doc:meta])* $Name:ident, $has_rsample:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Name {
            pub(crate) categorical: Categorical,
        }

        impl $Name {
            /// Of weights `[..., categories]`, which need not add up to one.
            ///
            /// # Errors
            /// As [`Categorical::new`].
            #[track_caller]
            pub fn new(probs: impl AsRef<Tensor>) -> Result<Self> {
                Ok($Name { categorical: Categorical::new(probs)? })
            }

            /// Of unnormalized log probabilities `[..., categories]`.
            ///
            /// # Errors
            /// As [`Categorical::from_logits`].
            #[track_caller]
            pub fn from_logits(logits: impl AsRef<Tensor>) -> Result<Self> {
                Ok($Name { categorical: Categorical::from_logits(logits)? })
            }

            /// The distribution of the category's number.
            pub fn categorical(&self) -> &Categorical {
                &self.categorical
            }
        }

        impl Distribution for $Name {
            fn name(&self) -> &'static str {
                stringify!($Name)
            }
            fn batch_shape(&self) -> &[usize] {
                self.categorical.batch_shape()
            }
            fn event_shape(&self) -> &[usize] {
                let shape = self.categorical.param.shape();
                &shape[shape.len() - 1..]
            }
            fn as_any(&self) -> &dyn Any {
                self
            }
            fn support(&self) -> Constraint {
                OneHot
            }
            fn has_rsample(&self) -> bool {
                $has_rsample
            }
            fn has_enumerate_support(&self) -> bool {
                true
            }
            fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
                Ok(Box::new($Name { categorical: self.categorical.expanded(shape)? }))
            }
            fn sample(&self, shape: &[usize]) -> Result<Tensor> {
                self.categorical.one_hot(&self.categorical.sample(shape)?)
            }
            fn rsample(&self, shape: &[usize]) -> Result<Tensor> {
                if !$has_rsample {
                    return crate::distribution::lacking(self.name(), "rsample");
                }
                // The gradient passes as if the probabilities had been drawn.
                let p = X::from(self.categorical.probs());
                (X::from(self.sample(shape)) + (&p - p.detach())).get()
            }
            fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
                valid(self, value)?;
                self.categorical.log_prob(&value.argmax(-1)?)
            }
            fn entropy(&self) -> Result<Tensor> {
                self.categorical.entropy()
            }
            fn mean(&self) -> Result<Tensor> {
                self.categorical.probs()
            }
            fn mode(&self) -> Result<Tensor> {
                self.categorical.one_hot(&self.categorical.mode()?)
            }
            fn variance(&self) -> Result<Tensor> {
                let p = X::from(self.categorical.probs());
                (&p * (1.0 - &p)).get()
            }
            fn enumerate_support(&self, expand: bool) -> Result<Tensor> {
                let (n, batch) = (self.categorical.categories(), self.batch_shape());
                let like = &self.categorical.param;
                let values = Tensor::eye(n).dtype(like.dtype()).device(like.device()).build()?;
                let values = values.reshape([&[n][..], &vec![1; batch.len()], &[n]].concat())?;
                if expand { values.expand([&[n][..], batch, &[n]].concat()) } else { Ok(values) }
            }
        }
    };
}

of_categories! {
    /// A category as a vector with a 1 at its place: `torch.distributions.OneHotCategorical`.
    OneHotCategorical, false
}
of_categories! {
    /// [`OneHotCategorical`] whose samples hand their gradient to the probabilities (Bengio and others,
    /// arXiv:1308.3432): `torch.distributions.OneHotCategoricalStraightThrough`.
    OneHotCategoricalStraightThrough, true
}

/// How often each category came in `total_count` draws: `torch.distributions.Multinomial`.
#[derive(Clone, Debug)]
pub struct Multinomial {
    total_count: usize,
    categorical: Categorical,
}

impl Multinomial {
    /// Of a number of draws and weights `[..., categories]`, which need not add up to one.
    ///
    /// # Errors
    /// As [`Categorical::new`].
    #[track_caller]
    pub fn new(total_count: usize, probs: impl AsRef<Tensor>) -> Result<Self> {
        Ok(Multinomial { total_count, categorical: Categorical::new(probs)? })
    }

    /// Of a number of draws and unnormalized log probabilities `[..., categories]`.
    ///
    /// # Errors
    /// As [`Categorical::from_logits`].
    #[track_caller]
    pub fn from_logits(total_count: usize, logits: impl AsRef<Tensor>) -> Result<Self> {
        Ok(Multinomial { total_count, categorical: Categorical::from_logits(logits)? })
    }

    /// The distribution of one draw.
    pub fn categorical(&self) -> &Categorical {
        &self.categorical
    }

    /// The number of draws.
    pub fn total_count(&self) -> usize {
        self.total_count
    }
}

impl Distribution for Multinomial {
    fn name(&self) -> &'static str {
        "Multinomial"
    }
    fn batch_shape(&self) -> &[usize] {
        self.categorical.batch_shape()
    }
    fn event_shape(&self) -> &[usize] {
        let shape = self.categorical.param.shape();
        &shape[shape.len() - 1..]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn support(&self) -> Constraint {
        Constraint::Multinomial(self.total_count as f64)
    }
    fn expand(&self, shape: &[usize]) -> Result<Box<dyn Distribution>> {
        let categorical = self.categorical.expanded(shape)?;
        Ok(Box::new(Multinomial { total_count: self.total_count, categorical }))
    }
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let draws = self.categorical.sample(&[&[self.total_count], shape].concat())?.movedim(0, -1)?;
            let counts = Tensor::zeros(&extended(self, shape)[..]).dtype(DType::I64).device(draws.device()).build()?;
            let counts = counts.scatter_add(-1, &draws.contiguous()?, draws.ones_like()?)?;
            counts.to_dtype(self.categorical.param.dtype())
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let (v, logits) = (valid(self, value)?, X::from(self.categorical.logits()));
        let impossible = v.eq(0.0).and(&logits.eq(f64::NEG_INFINITY));
        let powers = (logits.masked_fill(&impossible, 0.0) * &v).sum(-1);
        ((v.sum(-1) + 1.0).lgamma() - (&v + 1.0).lgamma().sum(-1) + powers).get()
    }
    fn entropy(&self) -> Result<Tensor> {
        let n = self.total_count as f64;
        let like = &self.categorical.param;
        let log_factorial = Tensor::full((), n + 1.0).dtype(like.dtype()).device(like.device()).build()?.lgamma()?;
        let counts = Binomial::new(n, &self.categorical.probs()?)?;
        let support = counts.enumerate_support(false)?.narrow(0, 1, self.total_count)?;
        let weights = (x(&support) + 1.0).lgamma();
        let expected = (X::from(counts.log_prob(&support)).exp() * weights).sum([0, -1]);
        (n * self.categorical.entropy_of() - x(&log_factorial) + expected).get()
    }
    fn mean(&self) -> Result<Tensor> {
        self.categorical.probs()?.mul(self.total_count as f64)
    }
    fn variance(&self) -> Result<Tensor> {
        let p = X::from(self.categorical.probs());
        (self.total_count as f64 * &p * (1.0 - &p)).get()
    }
}
