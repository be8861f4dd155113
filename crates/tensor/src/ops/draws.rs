//! Samples whose parameters are tensors and that are drawn by rejection: gamma, Dirichlet, Poisson, binomial. Where a
//! sample is a real number it has a derivative by the parameters, the implicit one.

use crate::cpu::implicit;
use crate::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
use crate::op::{Meta, Metas};
use crate::random::{Generator, generator_on_host};
use crate::{DType, Operand, Result, Tensor, bail, broadcast_tensors, ensure};
use half::{bf16, f16};

type Gradients = Option<Result<Vec<Option<Tensor>>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    Gamma,
    Dirichlet,
    Poisson,
    Binomial,
}

/// A sample for each element, the parameters are the inputs.
#[derive(Debug)]
struct Draw {
    family: Family,
    generator: Option<Generator>,
}

impl CustomOp for Draw {
    fn name(&self) -> &'static str {
        match self.family {
            Family::Gamma => "standard_gamma",
            Family::Dirichlet => "sample_dirichlet",
            Family::Poisson => "poisson",
            Family::Binomial => "binomial",
        }
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, op) = (inputs[0], self.name());
        Generator::check(op, self.generator.as_ref(), x.device())?;
        let halves = self.family == Family::Poisson && x.dtype().is_float();
        let known = halves || matches!(x.dtype(), DType::F32 | DType::F64);
        ensure!(known, DType, op, "not defined for {}", x.dtype());
        for other in &inputs[1..] {
            let alike = other.dtype() == x.dtype() && other.shape() == x.shape();
            ensure!(alike, Shape, op, "the parameters are not of one shape and dtype");
        }
        Meta::like(x).one()
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn batches(&self) -> bool {
        true
    }

    fn generator(&self) -> Option<&Generator> {
        self.generator.as_ref()
    }

    fn is_random(&self) -> bool {
        true
    }

    fn vjp(&self, inputs: &[&Tensor], outputs: &[&Tensor], grads: &[Option<Tensor>]) -> Gradients {
        let Some(g) = &grads[0] else { return Some(Ok(vec![None; inputs.len()])) };
        let grad = match self.family {
            Family::Gamma => Implicit::Gamma.call(&[inputs[0], outputs[0]]).and_then(|slope| g.mul(slope)),
            Family::Dirichlet => dirichlet_vjp(inputs[0], outputs[0], g),
            Family::Poisson | Family::Binomial => g.zeros_like(),
        };
        Some(grad.map(|grad| vec![Some(grad); inputs.len()]))
    }
}

/// What a move of one concentration does to all shares: its own grows, the others shrink in proportion.
fn dirichlet_vjp(alpha: &Tensor, x: &Tensor, g: &Tensor) -> Result<Tensor> {
    let total = alpha.sum_keepdim(-1)?.expand(alpha.shape())?.contiguous()?;
    let slope = Implicit::Dirichlet.call(&[x, alpha, &total])?;
    slope.mul(g.sub(x.mul(g)?.sum_keepdim(-1)?)?)
}

impl CpuKernel for Draw {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let generator = generator_on_host(&self.generator);
        let row = inputs[0].shape().last().copied().unwrap_or(1);
        macro_rules! draw {
            ($T:ty) => {{
                let (x, out) = (inputs[0].rows::<$T>()?, outputs[0].rows::<$T>()?);
                match self.family {
                    Family::Gamma => generator.standard_gamma(out, &x),
                    Family::Dirichlet => generator.dirichlet(out, &x, row),
                    Family::Poisson => generator.poisson(out, &x),
                    Family::Binomial => generator.binomial(out, &x, &inputs[1].rows::<$T>()?),
                }
            }};
        }
        match inputs[0].dtype() {
            DType::F32 => draw!(f32),
            DType::F64 => draw!(f64),
            DType::F16 => draw!(f16),
            DType::BF16 => draw!(bf16),
            other => bail!(DType, "draw", "not defined for {other}"),
        }
    }
}

/// How samples move with their parameters: inputs are α, x for gamma; x, α, Σα for Dirichlet.
#[derive(Debug)]
enum Implicit {
    Gamma,
    Dirichlet,
}

impl CustomOp for Implicit {
    fn name(&self) -> &'static str {
        match self {
            Implicit::Gamma => "standard_gamma_grad",
            Implicit::Dirichlet => "dirichlet_grad",
        }
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).one()
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn batches(&self) -> bool {
        true
    }
}

impl CpuKernel for Implicit {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        macro_rules! fill {
            ($T:ty) => {{
                let inputs = inputs.iter().map(|x| x.rows::<$T>()).collect::<Result<Vec<_>>>()?;
                for (i, to) in outputs[0].rows::<$T>()?.iter_mut().enumerate() {
                    let at = |input: usize| f64::from(inputs[input][i]);
                    *to = match self {
                        Implicit::Gamma => implicit::gamma(at(0), at(1)),
                        Implicit::Dirichlet => implicit::dirichlet(at(0), at(1), at(2)),
                    } as $T;
                }
                Ok(())
            }};
        }
        match inputs[0].dtype() {
            DType::F32 => fill!(f32),
            DType::F64 => fill!(f64),
            other => bail!(DType, "implicit gradient", "not defined for {other}"),
        }
    }
}

impl Tensor {
    /// Samples of the gamma distribution with these numbers as shapes and the rate 1: `torch._standard_gamma`. They
    /// are differentiable once by the shapes.
    ///
    /// # Errors
    /// Where a number is negative or NaN or the dtype is neither f32 nor f64.
    #[track_caller]
    pub fn standard_gamma(&self, generator: Option<&Generator>) -> Result<Tensor> {
        Draw { family: Family::Gamma, generator: generator.cloned() }.call(&[self])
    }

    /// Shares that add up to one along the last dimension, of the Dirichlet distribution with these numbers as
    /// concentrations: `torch._sample_dirichlet`. They are differentiable once by the concentrations.
    ///
    /// # Errors
    /// Where a number is negative or NaN, there are no dimensions, or the dtype is neither f32 nor f64.
    #[track_caller]
    pub fn sample_dirichlet(&self, generator: Option<&Generator>) -> Result<Tensor> {
        ensure!(self.rank() > 0, Shape, "sample_dirichlet", "a single number is no row of shares");
        Draw { family: Family::Dirichlet, generator: generator.cloned() }.call(&[self])
    }

    /// Numbers of events whose means are these numbers, in their dtype: `torch.poisson`. The gradient is zero.
    ///
    /// ```
    /// use flambeau_tensor::{manual_seed, tensor};
    /// manual_seed(0);
    /// let events = tensor!([0.0, 1000.0]).poisson(None)?.to_vec::<f32>()?;
    /// assert!(events[0] == 0.0 && (800.0..1200.0).contains(&events[1]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a number is negative, infinite or NaN or the dtype is not floating point.
    #[track_caller]
    pub fn poisson(&self, generator: Option<&Generator>) -> Result<Tensor> {
        Draw { family: Family::Poisson, generator: generator.cloned() }.call(&[self])
    }

    /// Numbers of successes of these numbers of trials, each of probability `p`: `torch.binomial`. The shapes
    /// broadcast; the gradient is zero.
    ///
    /// # Errors
    /// Where a number of trials is negative, infinite or NaN, a probability is not in 0 to 1, the dtypes differ or are
    /// neither f32 nor f64.
    #[track_caller]
    pub fn binomial<'a>(&self, p: impl Into<Operand<'a>>, generator: Option<&Generator>) -> Result<Tensor> {
        let both = broadcast_tensors(&[self, &p.into().to_tensor(self)?])?;
        Draw { family: Family::Binomial, generator: generator.cloned() }.call(&[&both[0], &both[1]])
    }
}
