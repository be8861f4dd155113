//! Tensors out of nothing: constants, ranges, random numbers.

use crate::dtype::Category;
use crate::op::{Infer, Meta, Metas};
use crate::random::Generator;
use crate::shape::{IntoShape, Shape};
use crate::{Build, DType, Device, Result, Scalar, Tensor, bail, dispatch, ensure};

/// One value everywhere.
#[derive(Clone, Debug)]
pub struct Full {
    /// The value.
    pub value: Scalar,
    /// The shape.
    pub shape: Shape,
    /// The dtype.
    pub dtype: DType,
    /// Where it is to be.
    pub device: Device,
}

/// start, start + step, …
#[derive(Clone, Debug)]
pub struct Arange {
    /// The first value.
    pub start: Scalar,
    /// From one value to the next.
    pub step: Scalar,
    /// How many.
    pub len: usize,
    /// The dtype.
    pub dtype: DType,
    /// Where it is to be.
    pub device: Device,
}

/// Values evenly from start to end, both among them.
#[derive(Clone, Debug)]
pub struct Linspace {
    /// The first value.
    pub start: Scalar,
    /// The last value.
    pub end: Scalar,
    /// How many.
    pub len: usize,
    /// The dtype.
    pub dtype: DType,
    /// Where it is to be.
    pub device: Device,
}

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
}

macro_rules! factory {
    ($Op:ident, $name:literal, |$op:ident| $shape:expr) => {
        impl Infer for $Op {
            const NAME: &'static str = $name;
            const INPUTS: usize = 0;
            fn infer(&self, _: &[&Tensor]) -> Result<Metas> {
                let $op = self;
                Meta::new($shape, self.dtype).one()
            }
            fn device(&self) -> Option<Device> {
                Some(self.device)
            }
        }
    };
}
factory!(Full, "full", |op| op.shape.clone());
factory!(Arange, "arange", |op| Shape::from_slice(&[op.len]));
factory!(Linspace, "linspace", |op| Shape::from_slice(&[op.len]));
factory!(Random, "random", |op| op.shape.clone());

/// A tensor about to be made: `Tensor::zeros([2, 3]).dtype(DType::F64).build()?`.
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()`"]
pub struct TensorBuilder {
    what: What,
    dtype: Option<DType>,
    device: Device,
    generator: Option<Generator>,
}

#[derive(Clone, Debug)]
enum What {
    Full(&'static str, Result2<Shape>, Scalar),
    Arange { start: Scalar, end: Scalar, step: Scalar },
    Linspace { start: Scalar, end: Scalar, steps: usize },
    Random(&'static str, Result2<Shape>, Distribution),
    Eye(usize, usize),
}

/// A shape, or the sizes that cannot be one: said when the tensor is built.
type Result2<T> = std::result::Result<T, smallvec::SmallVec<[isize; 6]>>;

fn shape_or_sizes(shape: impl IntoShape) -> Result2<Shape> {
    let sizes = shape.into_sizes();
    if sizes.len() <= crate::shape::MAX_RANK && sizes.iter().all(|s| *s >= 0) {
        Ok(sizes.iter().map(|s| *s as usize).collect())
    } else {
        Err(sizes)
    }
}

impl TensorBuilder {
    fn new(what: What) -> TensorBuilder {
        TensorBuilder { what, dtype: None, device: Device::Cpu, generator: None }
    }

    /// The dtype, instead of the one PyTorch would choose.
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Where it is to be, instead of on the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// The generator random numbers come from, instead of the default one.
    pub fn generator(mut self, generator: &Generator) -> Self {
        self.generator = Some(generator.clone());
        self
    }

    /// Makes the tensor.
    ///
    /// # Errors
    /// Where the shape has a negative size, or more elements than fit memory; where the dtype has no such number.
    #[track_caller]
    pub fn build(self) -> Result<Tensor> {
        let TensorBuilder { what, dtype, device, generator } = self;
        match what {
            What::Full(name, shape, value) => {
                let (shape, dtype) = (good(name, shape)?, dtype.unwrap_or(value.dtype()));
                let value = value.stored_as(name, dtype)?;
                dispatch(Full { value, shape, dtype, device }, &[])
            }
            What::Arange { start, end, step } => arange(start, end, step, dtype, device),
            What::Linspace { start, end, steps } => {
                let complex = start.category().max(end.category()) == Category::Complex;
                let dtype = dtype.unwrap_or(if complex { DType::Complex64 } else { DType::DEFAULT });
                ensure!(dtype != DType::Bool, DType, "linspace", "not defined for bool");
                let (start, end) = (start.stored_as("linspace", dtype)?, end.stored_as("linspace", dtype)?);
                dispatch(Linspace { start, end, len: steps, dtype, device }, &[])
            }
            What::Random(name, shape, distribution) => {
                let shape = good(name, shape)?;
                check_random(name, distribution)?;
                let integral = matches!(distribution, Distribution::Integers { .. } | Distribution::Permutation);
                let dtype = dtype.unwrap_or(if integral { DType::I64 } else { DType::DEFAULT });
                dispatch(Random { distribution, generator, shape, dtype, device }, &[])
            }
            What::Eye(rows, columns) => {
                let dtype = dtype.unwrap_or(DType::DEFAULT);
                let out = Tensor::full([rows, columns], false).dtype(dtype).device(device).build()?;
                out.diagonal(0, 0, 1)?.fill_(true)?;
                Ok(out)
            }
        }
    }
}

impl Build for TensorBuilder {
    type Output = Tensor;
    #[track_caller]
    fn build(self) -> Result<Tensor> {
        TensorBuilder::build(self)
    }
}

#[track_caller]
fn good(name: &'static str, shape: Result2<Shape>) -> Result<Shape> {
    match shape {
        Ok(shape) => Ok(shape),
        Err(sizes) => sizes.into_shape(name),
    }
}

impl IntoShape for smallvec::SmallVec<[isize; 6]> {
    fn into_sizes(self) -> smallvec::SmallVec<[isize; 6]> {
        self
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

#[track_caller]
fn arange(start: Scalar, end: Scalar, step: Scalar, dtype: Option<DType>, device: Device) -> Result<Tensor> {
    let integral = [start, end, step].iter().all(|s| s.category() <= Category::Int);
    let dtype = dtype.unwrap_or(if integral { DType::I64 } else { DType::DEFAULT });
    ensure!(dtype.is_int() || dtype.is_float(), DType, "arange", "not defined for {dtype}");
    let (a, b, s) = (start.to_f64(), end.to_f64(), step.to_f64());
    ensure!(a.is_finite() && b.is_finite(), Argument, "arange", "from {start} to {end} there is no end");
    ensure!(s != 0.0, Argument, "arange", "a step of zero leads nowhere");
    ensure!((b - a) * s >= 0.0, Argument, "arange", "a step of {step} does not lead from {start} to {end}");
    let len = if integral {
        let (a, b, s) = (start.to_i64() as i128, end.to_i64() as i128, step.to_i64() as i128);
        ((b - a).unsigned_abs()).div_ceil(s.unsigned_abs()) as f64
    } else {
        ((b - a) / s).ceil()
    };
    ensure!(len < isize::MAX as f64, Memory, "arange", "{len} elements are more than memory has addresses");
    // The values are computed in whole numbers or not, as the dtype is.
    let lane = if dtype.is_int() { DType::I64 } else { DType::F64 };
    let (start, step) = (start.stored_as("arange", lane)?, step.stored_as("arange", lane)?);
    dispatch(Arange { start, step, len: len as usize, dtype, device }, &[])
}

impl Tensor {
    /// `value` everywhere, in the value's dtype: `torch.full`.
    pub fn full(shape: impl IntoShape, value: impl Into<Scalar>) -> TensorBuilder {
        TensorBuilder::new(What::Full("full", shape_or_sizes(shape), value.into()))
    }

    /// Zero everywhere: `torch.zeros`.
    ///
    /// ```
    /// # use flambeau_tensor::{DType, Tensor};
    /// let x = Tensor::zeros([2, 3]).dtype(DType::I64).build()?;
    /// assert_eq!(x.to_vec::<i64>()?, [0; 6]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn zeros(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::new(What::Full("zeros", shape_or_sizes(shape), Scalar::Float(0.0)))
    }

    /// One everywhere: `torch.ones`.
    pub fn ones(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::new(What::Full("ones", shape_or_sizes(shape), Scalar::Float(1.0)))
    }

    /// `start`, `start + 1`, … below `end`: `torch.arange`. See also [`Tensor::arange_step`].
    pub fn arange(start: impl Into<Scalar>, end: impl Into<Scalar>) -> TensorBuilder {
        Tensor::arange_step(start, end, 1)
    }

    /// `start`, `start + step`, … before `end`: `torch.arange`. In an integer dtype start and step are truncated
    /// first; how many values there are is told by the numbers as they were.
    pub fn arange_step(start: impl Into<Scalar>, end: impl Into<Scalar>, step: impl Into<Scalar>) -> TensorBuilder {
        TensorBuilder::new(What::Arange { start: start.into(), end: end.into(), step: step.into() })
    }

    /// `steps` values evenly from `start` to `end`, both among them: `torch.linspace`. In an integer dtype both are
    /// truncated first, and so are the values between.
    pub fn linspace(start: impl Into<Scalar>, end: impl Into<Scalar>, steps: usize) -> TensorBuilder {
        TensorBuilder::new(What::Linspace { start: start.into(), end: end.into(), steps })
    }

    /// One on the diagonal of an n × n matrix, else zero: `torch.eye`.
    pub fn eye(n: usize) -> TensorBuilder {
        TensorBuilder::new(What::Eye(n, n))
    }

    /// [`eye`](Tensor::eye) of `rows` × `columns`.
    pub fn eye_of(rows: usize, columns: usize) -> TensorBuilder {
        TensorBuilder::new(What::Eye(rows, columns))
    }

    /// Evenly distributed in 0..1: `torch.rand`.
    pub fn rand(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("rand", shape, Distribution::Uniform { from: 0.0, to: 1.0 })
    }

    /// Normally distributed, mean 0, standard deviation 1: `torch.randn`.
    pub fn randn(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("randn", shape, Distribution::Normal { mean: 0.0, std: 1.0 })
    }

    /// Integers in `low..high`: `torch.randint`.
    pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::random("randint", shape, Distribution::Integers { low, high })
    }

    /// The numbers below `n` in random order: `torch.randperm`.
    pub fn randperm(n: usize) -> TensorBuilder {
        TensorBuilder::random("randperm", n, Distribution::Permutation)
    }

    /// The scalar as a tensor of shape `[]`.
    #[track_caller]
    pub fn scalar_on(value: Scalar, dtype: DType, device: Device) -> Result<Tensor> {
        dispatch(Full { value, shape: Shape::new(), dtype, device }, &[])
    }

    /// Zeros of this shape, dtype and device: `torch.zeros_like`.
    #[track_caller]
    pub fn zeros_like(&self) -> Result<Tensor> {
        self.full_like(false)
    }

    /// Ones of this shape, dtype and device: `torch.ones_like`.
    #[track_caller]
    pub fn ones_like(&self) -> Result<Tensor> {
        self.full_like(true)
    }

    /// `value` in this shape, dtype and device: `torch.full_like`.
    ///
    /// # Errors
    /// Where the dtype has no such number.
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Scalar>) -> Result<Tensor> {
        let (value, shape) = (value.into().stored_as("full_like", self.dtype())?, self.layout().shape.clone());
        dispatch(Full { value, shape, dtype: self.dtype(), device: self.device() }, &[])
    }

    /// Evenly distributed in 0..1, in this shape, dtype and device: `torch.rand_like`.
    #[track_caller]
    pub fn rand_like(&self) -> Result<Tensor> {
        Tensor::rand(self.shape()).dtype(self.dtype()).device(self.device()).build()
    }

    /// Standard normal, in this shape, dtype and device: `torch.randn_like`.
    #[track_caller]
    pub fn randn_like(&self) -> Result<Tensor> {
        Tensor::randn(self.shape()).dtype(self.dtype()).device(self.device()).build()
    }

    /// Fills with numbers evenly in `from..to`: `Tensor.uniform_`.
    #[track_caller]
    pub fn uniform_(&self, from: f64, to: f64) -> Result<&Tensor> {
        self.random_("uniform_", Distribution::Uniform { from, to }, None)
    }

    /// Fills with normally distributed numbers: `Tensor.normal_`.
    #[track_caller]
    pub fn normal_(&self, mean: f64, std: f64) -> Result<&Tensor> {
        self.random_("normal_", Distribution::Normal { mean, std }, None)
    }

    /// Fills with 1 with probability `p`, else 0: `Tensor.bernoulli_`.
    #[track_caller]
    pub fn bernoulli_(&self, p: f64) -> Result<&Tensor> {
        self.random_("bernoulli_", Distribution::Bernoulli { p }, None)
    }

    /// Fills with exponentially distributed numbers: `Tensor.exponential_`.
    #[track_caller]
    pub fn exponential_(&self, lambda: f64) -> Result<&Tensor> {
        self.random_("exponential_", Distribution::Exponential { lambda }, None)
    }

    /// Fills from `distribution`, with numbers from `generator` or the default one.
    #[track_caller]
    pub fn random_(
        &self,
        name: &'static str,
        distribution: Distribution,
        generator: Option<&Generator>,
    ) -> Result<&Tensor> {
        check_random(name, distribution)?;
        let (shape, dtype, device) = (self.layout().shape.clone(), self.dtype(), self.device());
        let op = Random { distribution, generator: generator.cloned(), shape, dtype, device };
        crate::dispatch_into(name, op, &[], self)?;
        Ok(self)
    }
}

impl TensorBuilder {
    /// Random numbers from `distribution`; `name` is what an error calls it.
    pub fn random(name: &'static str, shape: impl IntoShape, distribution: Distribution) -> TensorBuilder {
        TensorBuilder::new(What::Random(name, shape_or_sizes(shape), distribution))
    }
}
