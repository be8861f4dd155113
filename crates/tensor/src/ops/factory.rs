//! Tensors out of nothing: constants, ranges, random numbers.

use crate::dtype::Category;
use crate::layout::{Layout, MemoryFormat};
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
    format: MemoryFormat,
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
        TensorBuilder { what, dtype: None, device: Device::Cpu, generator: None, format: MemoryFormat::Contiguous }
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

    /// The order of an image's dimensions in memory, instead of rows: the `memory_format` of `torch.empty`.
    pub fn memory_format(mut self, format: MemoryFormat) -> Self {
        self.format = format;
        self
    }

    /// Makes the tensor.
    ///
    /// # Errors
    /// Where the shape has a negative size, or more elements than fit memory; where the dtype has no such number.
    #[track_caller]
    pub fn build(self) -> Result<Tensor> {
        let TensorBuilder { what, dtype, device, generator, format } = self;
        if format != MemoryFormat::Contiguous {
            let rows = TensorBuilder { what, dtype, device, generator, format: MemoryFormat::Contiguous }.build()?;
            return Ok(rows.contiguous_in(format)?.detach());
        }
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
                let integral = matches!(distribution, Distribution::Integers { .. } | Distribution::Permutation);
                let dtype = dtype.unwrap_or(if integral { DType::I64 } else { DType::DEFAULT });
                drawn(name, Random { distribution, generator, shape, dtype, device, strided: false })
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

/// Random numbers; complex ones part by part.
#[track_caller]
fn drawn(name: &'static str, mut op: Random) -> Result<Tensor> {
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
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::full([2], 7).build()?; // an integer gives int64
    /// assert_eq!(x.to_vec::<i64>()?, [7, 7]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use flambeau_tensor::{DType, Tensor};
    /// let x = Tensor::ones([2, 3]).dtype(DType::F64).build()?;
    /// assert_eq!(x.sum(..)?.item::<f64>()?, 6.0);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn ones(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::new(What::Full("ones", shape_or_sizes(shape), Scalar::Float(1.0)))
    }

    /// `start`, `start + 1`, … below `end`: `torch.arange`. See also [`Tensor::arange_step`].
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::arange(0, 4).build()?.to_vec::<i64>()?, [0, 1, 2, 3]);
    /// assert_eq!(Tensor::arange(0.0, 1.5).build()?.to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn arange(start: impl Into<Scalar>, end: impl Into<Scalar>) -> TensorBuilder {
        Tensor::arange_step(start, end, 1)
    }

    /// `start`, `start + step`, … before `end`: `torch.arange`. In an integer dtype start and step are truncated
    /// first; how many values there are is told by the numbers as they were.
    pub fn arange_step(start: impl Into<Scalar>, end: impl Into<Scalar>, step: impl Into<Scalar>) -> TensorBuilder {
        TensorBuilder::new(What::Arange { start: start.into(), end: end.into(), step: step.into() })
    }

    /// `base` to the powers of `steps` values evenly from `start` to `end`, in the default dtype: `torch.logspace`.
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    pub fn logspace(start: impl Into<Scalar>, end: impl Into<Scalar>, steps: usize, base: f64) -> Result<Tensor> {
        Tensor::logspace_as(start, end, steps, base, DType::DEFAULT)
    }

    /// [`logspace`](Tensor::logspace) in another dtype.
    ///
    /// # Errors
    /// Where there is no memory for them.
    #[track_caller]
    pub fn logspace_as(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        steps: usize,
        base: f64,
        dtype: DType,
    ) -> Result<Tensor> {
        let (start, end) = (start.into(), end.into());
        // The ends are truncated in an integer dtype, as those of `linspace`.
        let whole = |x: Scalar| if dtype.is_int() { Scalar::from(x.to_f64().trunc()) } else { x };
        let wide = if dtype.is_complex() { DType::Complex128 } else { DType::F64 };
        Tensor::linspace(whole(start), whole(end), steps).dtype(wide).build()?.rpow(base)?.to_dtype(dtype)
    }

    /// `steps` values evenly from `start` to `end`, both among them: `torch.linspace`. In an integer dtype both are
    /// truncated first, and so are the values between.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::linspace(0.0, 1.0, 3).build()?.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
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

    /// The scalar as a tensor of shape `[]`.
    ///
    /// # Errors
    /// Where the device has no memory for it.
    #[track_caller]
    pub fn scalar_on(value: Scalar, dtype: DType, device: Device) -> Result<Tensor> {
        dispatch(Full { value, shape: Shape::new(), dtype, device }, &[])
    }

    /// Zeros of this shape, dtype and device: `torch.zeros_like`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1, 2, 3]);
    /// assert_eq!(x.zeros_like()?.to_vec::<i64>()?, [0, 0, 0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn zeros_like(&self) -> Result<Tensor> {
        self.full_like(false)
    }

    /// Ones of this shape, dtype and device: `torch.ones_like`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn ones_like(&self) -> Result<Tensor> {
        self.full_like(true)
    }

    /// `value` in this shape, dtype and device: `torch.full_like`. As all of `…_like`, it keeps the order of the
    /// dimensions in memory: of a transposed tensor it makes a transposed one.
    ///
    /// # Errors
    /// Where the dtype has no such number.
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into().stored_as("full_like", self.dtype())?;
        // This tensor is an operand, so that interpreters know what the new one is like.
        self.made_alike(|shape, _| dispatch(Full { value, shape, dtype: self.dtype(), device: self.device() }, &[self]))
    }

    /// What `make` makes, in this shape and in this tensor's order of dimensions in memory, without its gaps:
    /// PyTorch's `empty_like`. `make` is told the sizes in the order of memory, and whether that is another one
    /// than that of the dimensions.
    #[track_caller]
    fn made_alike(&self, make: impl FnOnce(Shape, bool) -> Result<Tensor>) -> Result<Tensor> {
        if self.is_contiguous() {
            return make(self.layout().shape.clone(), false);
        }
        let order = self.layout().memory_order();
        let sizes: Shape = order.iter().map(|d| self.shape()[*d]).collect();
        let mut back = order.clone();
        order.iter().enumerate().for_each(|(i, d)| back[*d] = i);
        if Layout::contiguous(sizes.clone()).permute(&back).is_contiguous() {
            return make(self.layout().shape.clone(), false);
        }
        Ok(make(sizes, true)?.permute(back)?.detach())
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

impl TensorBuilder {
    /// Random numbers from `distribution`; `name` is what an error calls it.
    pub fn random(name: &'static str, shape: impl IntoShape, distribution: Distribution) -> TensorBuilder {
        TensorBuilder::new(What::Random(name, shape_or_sizes(shape), distribution))
    }
}
