//! Tensors out of nothing: constants and ranges, and the builder that random numbers (`random`) use, too.

use super::random::{Distribution, Random, drawn};
use crate::dtype::Category;
use crate::layout::{Layout, MemoryFormat};
use crate::op::{Infer, Meta, Metas};
use crate::random::Generator;
use crate::shape::{IntoShape, Shape, inverse};
use crate::{Build, DType, Device, Result, Scalar, Tensor, dispatch, ensure};

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
    /// Difference of neighbouring values.
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
    /// Random numbers from `distribution`; `name` is what an error calls it.
    pub fn random(name: &'static str, shape: impl IntoShape, distribution: Distribution) -> TensorBuilder {
        TensorBuilder::new(What::Random(name, shape_or_sizes(shape), distribution))
    }

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

    /// To be written before it is read: `torch.empty`, as it is with `torch.utils.deterministic.fill_uninitialized_memory`,
    /// but of zeros, so that no program depends on what lay there before.
    ///
    /// ```
    /// # use flambeau_tensor::{DType, MemoryFormat, Tensor};
    /// let x = Tensor::empty([2, 3, 4, 5]).dtype(DType::F64).memory_format(MemoryFormat::ChannelsLast).build()?;
    /// assert_eq!(x.strides(), [60, 1, 15, 3]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn empty(shape: impl IntoShape) -> TensorBuilder {
        TensorBuilder::new(What::Full("empty", shape_or_sizes(shape), Scalar::Float(0.0)))
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
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::eye(2).build()?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn eye(n: usize) -> TensorBuilder {
        TensorBuilder::new(What::Eye(n, n))
    }

    /// [`eye`](Tensor::eye) of `rows` × `columns`.
    pub fn eye_of(rows: usize, columns: usize) -> TensorBuilder {
        TensorBuilder::new(What::Eye(rows, columns))
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

    /// To be written before it is read, of this shape, dtype, device and order in memory: `torch.empty_like`. It holds
    /// zeros, as [`empty`](Tensor::empty) does.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::rand([2, 3]).build()?.t()?;
    /// assert_eq!((x.empty_like()?.shape(), x.empty_like()?.strides()), (&[3, 2][..], &[1, 3][..]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn empty_like(&self) -> Result<Tensor> {
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
    pub(super) fn made_alike(&self, make: impl FnOnce(Shape, bool) -> Result<Tensor>) -> Result<Tensor> {
        if self.is_contiguous() {
            return make(self.layout().shape.clone(), false);
        }
        let order = self.layout().memory_order();
        if Layout::in_order(self.shape(), &order).is_contiguous() {
            return make(self.layout().shape.clone(), false);
        }
        let sizes: Shape = order.iter().map(|d| self.shape()[*d]).collect();
        Ok(make(sizes, true)?.permute(inverse(&order))?.detach())
    }
}
