//! Random numbers: new tensors of them, and tensors filled with them, in the order in which PyTorch draws.

use super::factory::TensorBuilder;
use crate::op::{Infer, Meta, Metas};
use crate::random::Generator;
use crate::shape::{IntoShape, Shape};
use crate::{DType, Device, Result, Tensor, bail, dispatch, ensure};

/// A distribution that the generator can fill a tensor from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// evenly in `from..to`
    Uniform {
        /// lower end, included
        from: f64,
        /// upper end, not included
        to: f64,
    },
    /// the normal distribution
    Normal {
        /// its mean
        mean: f64,
        /// its standard deviation
        std: f64,
    },
    /// 1 with probability `p`, else 0
    Bernoulli {
        /// probability of a 1
        p: f64,
    },
    /// integers evenly in `low..high`
    Integers {
        /// lower end, included
        low: i64,
        /// upper end, not included
        high: i64,
    },
    /// the numbers below the length in random order
    Permutation,
    /// the exponential distribution
    Exponential {
        /// its rate
        lambda: f64,
    },
    /// trials up to and with the first success
    Geometric {
        /// probability of a success
        p: f64,
    },
    /// the Cauchy distribution
    Cauchy {
        /// its median
        median: f64,
        /// half its width at half its maximum
        sigma: f64,
    },
    /// exponentials of normally distributed numbers
    LogNormal {
        /// mean of the logarithms
        mean: f64,
        /// standard deviation of the logarithms
        std: f64,
    },
}

/// Random numbers in the order PyTorch draws them.
#[derive(Clone, Debug)]
pub struct Random {
    /// What they are like.
    pub distribution: Distribution,
    /// The generator that gives them; the default one unless set.
    pub generator: Option<Generator>,
    /// The shape.
    pub shape: Shape,
    /// The dtype.
    pub dtype: DType,
    /// Where it is to be.
    pub device: Device,
    /// Is the tensor they are for not contiguous? PyTorch draws normal numbers one by one then, and 16 at a time
    /// for a contiguous one.
    pub strided: bool,
}

impl Infer for Random {
    const NAME: &'static str = "random";
    const INPUTS: usize = 0;
    fn infer(&self, _: &[&Tensor]) -> Result<Metas> {
        Generator::check("random", self.generator.as_ref(), self.device)?;
        Meta::new(self.shape.clone(), self.dtype).one()
    }
    fn device(&self) -> Option<Device> {
        Some(self.device)
    }
}

/// Random numbers; complex ones part by part.
#[track_caller]
pub(super) fn drawn(name: &'static str, mut op: Random) -> Result<Tensor> {
    check_random(name, op.distribution)?;
    if !op.dtype.is_complex() {
        return dispatch(op, &[]);
    }
    op.distribution = of_parts(op.distribution);
    op.shape.push(2);
    op.dtype = op.dtype.to_real();
    Ok(dispatch(op, &[])?.view_as_complex()?.detach())
}

/// The distribution of a complex number's two parts: normal ones share the variance.
fn of_parts(whole: Distribution) -> Distribution {
    match whole {
        Distribution::Normal { mean, std } => Distribution::Normal { mean, std: std * std::f64::consts::FRAC_1_SQRT_2 },
        other => other,
    }
}

#[track_caller]
fn check_random(name: &'static str, distribution: Distribution) -> Result<()> {
    match distribution {
        Distribution::Uniform { from, to } if !(from <= to) => {
            bail!(Argument, name, "from {from} is not below to {to}")
        }
        Distribution::Normal { std, .. } if !(std >= 0.0) => {
            bail!(Argument, name, "a standard deviation of {std} is negative")
        }
        Distribution::LogNormal { std, .. } if !(std > 0.0) => {
            bail!(Argument, name, "a standard deviation of {std} is not positive")
        }
        Distribution::Geometric { p } if !(p > 0.0 && p < 1.0) => {
            bail!(Argument, name, "p = {p} is not between 0 and 1")
        }
        Distribution::Cauchy { sigma, .. } if !(sigma > 0.0) => {
            bail!(Argument, name, "a width of {sigma} is not positive")
        }
        Distribution::Bernoulli { p } if !(0.0..=1.0).contains(&p) => {
            bail!(Argument, name, "p = {p} is not a probability")
        }
        Distribution::Integers { low, high } if low >= high => {
            bail!(Argument, name, "low {low} is not below high {high}")
        }
        Distribution::Exponential { lambda } if !(lambda > 0.0) => {
            bail!(Argument, name, "a rate of {lambda} is not positive")
        }
        _ => Ok(()),
    }
}

impl Tensor {
    /// Evenly distributed in 0..1: `torch.rand`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::rand([100]).build()?;
    /// assert!(x.lt(1.0)?.all(..)?.item::<bool>()?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn rand(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("rand", shape, Distribution::Uniform { from: 0.0, to: 1.0 })
    }

    /// Normally distributed, mean 0, standard deviation 1: `torch.randn`.
    ///
    /// ```
    /// # use flambeau_tensor::{Tensor, manual_seed};
    /// manual_seed(0);
    /// let x = Tensor::randn([1000]).build()?;
    /// assert!(x.mean(..)?.item::<f32>()?.abs() < 0.2);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn randn(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("randn", shape, Distribution::Normal { mean: 0.0, std: 1.0 })
    }

    /// Integers in `low..high`: `torch.randint`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let dice = Tensor::randint(1, 7, [10]).build()?;
    /// assert!(dice.ge(1)?.logical_and(dice.le(6)?)?.all(..)?.item::<bool>()?);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("randint", shape, Distribution::Integers { low, high })
    }

    /// The numbers below `n` in random order: `torch.randperm`.
    pub fn randperm(n: usize) -> TensorBuilder {
        TensorBuilder::random("randperm", n, Distribution::Permutation)
    }

    /// Evenly distributed in 0..1, in this shape, dtype and device: `torch.rand_like`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn rand_like(&self) -> Result<Tensor> {
        self.random_like("rand_like", Distribution::Uniform { from: 0.0, to: 1.0 }, None)
    }

    /// Standard normal, in this shape, dtype and device: `torch.randn_like`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn randn_like(&self) -> Result<Tensor> {
        self.random_like("randn_like", Distribution::Normal { mean: 0.0, std: 1.0 }, None)
    }

    /// Integers in `low..high`, in this shape, dtype and device: `torch.randint_like`.
    ///
    /// # Errors
    /// Where `low` is not below `high`, or the dtype does not hold such integers.
    #[track_caller]
    pub fn randint_like(&self, low: i64, high: i64) -> Result<Tensor> {
        self.random_like("randint_like", Distribution::Integers { low, high }, None)
    }

    /// Numbers from `distribution`, in this shape, dtype and device, from `generator` or the default one; `name` is
    /// what an error calls it. They are drawn in the order of memory, which is this tensor's.
    ///
    /// # Errors
    /// Where the distribution's parameters are out of range, or it is not defined for the dtype.
    #[track_caller]
    pub fn random_like(
        &self,
        name: &'static str,
        distribution: Distribution,
        generator: Option<&Generator>,
    ) -> Result<Tensor> {
        let (dtype, device, generator) = (self.dtype(), self.device(), generator.cloned());
        self.made_alike(|shape, strided| drawn(name, Random { distribution, generator, shape, dtype, device, strided }))
    }

    /// For each element 1 with its value as probability, else 0: `torch.bernoulli`.
    ///
    /// # Errors
    /// Where an element is no probability, or the dtype is not floating point.
    #[track_caller]
    pub fn bernoulli(&self) -> Result<Tensor> {
        ensure!(self.dtype().is_float(), DType, "bernoulli", "probabilities are floating point, not {}", self.dtype());
        let p = self.detach().to_dtype(if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 })?;
        if self.device().has_data() && p.numel() > 0 {
            let wrong = p.ge(0.0)?.logical_and(p.le(1.0)?)?.logical_not()?.any(..)?.item::<bool>()?;
            ensure!(!wrong, Argument, "bernoulli", "a probability is not between 0 and 1");
        }
        // PyTorch fills a contiguous tensor, however the probabilities lie.
        let drawn = Tensor::rand(p.shape()).dtype(p.dtype()).device(p.device()).build()?;
        drawn.lt(&p)?.to_dtype(self.dtype())
    }

    /// Fills with numbers evenly in `from..to`: `Tensor.uniform_`.
    ///
    /// # Errors
    /// Where `from` is above `to`, the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn uniform_(&self, from: f64, to: f64) -> Result<&Tensor> {
        self.draw_("uniform_", Distribution::Uniform { from, to }, None)
    }

    /// Fills with normally distributed numbers: `Tensor.normal_`.
    ///
    /// # Errors
    /// Where `std` is negative, the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn normal_(&self, mean: f64, std: f64) -> Result<&Tensor> {
        self.draw_("normal_", Distribution::Normal { mean, std }, None)
    }

    /// Fills with 1 with probability `p`, else 0: `Tensor.bernoulli_`.
    ///
    /// # Errors
    /// Where `p` is no probability, or autograd forbids to write.
    #[track_caller]
    pub fn bernoulli_(&self, p: f64) -> Result<&Tensor> {
        self.draw_("bernoulli_", Distribution::Bernoulli { p }, None)
    }

    /// Fills with exponentially distributed numbers: `Tensor.exponential_`.
    ///
    /// # Errors
    /// Where `lambda` is not positive, the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn exponential_(&self, lambda: f64) -> Result<&Tensor> {
        self.draw_("exponential_", Distribution::Exponential { lambda }, None)
    }

    /// Fills with the numbers of trials up to and with the first success, of probability `p` each:
    /// `Tensor.geometric_`.
    ///
    /// # Errors
    /// Where `p` is not between 0 and 1, or autograd forbids to write.
    #[track_caller]
    pub fn geometric_(&self, p: f64) -> Result<&Tensor> {
        self.draw_("geometric_", Distribution::Geometric { p }, None)
    }

    /// Fills from the Cauchy distribution around `median`: `Tensor.cauchy_`.
    ///
    /// # Errors
    /// Where `sigma` is not positive, the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn cauchy_(&self, median: f64, sigma: f64) -> Result<&Tensor> {
        self.draw_("cauchy_", Distribution::Cauchy { median, sigma }, None)
    }

    /// Fills with exponentials of normally distributed numbers: `Tensor.log_normal_`.
    ///
    /// # Errors
    /// Where `std` is not positive, the dtype is not floating point, or autograd forbids to write.
    #[track_caller]
    pub fn log_normal_(&self, mean: f64, std: f64) -> Result<&Tensor> {
        self.draw_("log_normal_", Distribution::LogNormal { mean, std }, None)
    }

    /// Fills with integers in `low..high`: `Tensor.random_`.
    ///
    /// # Errors
    /// Where `low` is not below `high`, or autograd forbids to write.
    #[track_caller]
    pub fn random_(&self, low: i64, high: i64) -> Result<&Tensor> {
        self.draw_("random_", Distribution::Integers { low, high }, None)
    }

    /// Fills from `distribution`, with numbers from `generator` or the default one; `name` is what an error calls
    /// it. As in PyTorch the numbers are drawn in the order of memory, and normal ones for a tensor that is not
    /// contiguous are drawn one by one.
    ///
    /// # Errors
    /// Where the distribution's parameters are out of range, it is not defined for the dtype, or autograd forbids
    /// to write.
    #[track_caller]
    pub fn draw_(
        &self,
        name: &'static str,
        distribution: Distribution,
        generator: Option<&Generator>,
    ) -> Result<&Tensor> {
        check_random(name, distribution)?;
        if self.dtype().is_complex() {
            self.view_as_real()?.draw_(name, of_parts(distribution), generator)?;
            return Ok(self);
        }
        let walked = match self.is_contiguous() {
            true => None,
            false => Some(self.permute(self.layout().memory_order())?),
        };
        let (strided, target) = (walked.is_some(), walked.as_ref().unwrap_or(self));
        let (shape, dtype, device) = (target.layout().shape.clone(), self.dtype(), self.device());
        let op = Random { distribution, generator: generator.cloned(), shape, dtype, device, strided };
        crate::dispatch_into(name, op, &[], target)?;
        Ok(self)
    }
}
