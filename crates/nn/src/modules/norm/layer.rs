//! Layers that normalise each sample: over its last dimensions, or in groups of channels.

use crate::print::{py_bool, py_float, py_option, py_tuple};
use crate::{Forward, Module, Parameter, functional};
use flambeau_tensor::{DType, Device, Result, Tensor, builder, ensure};

/// The sizes of the last dimensions, which a layer normalises over: `64`, `[8, 8]`, a slice or a `Vec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalizedShape(Vec<usize>);

impl From<usize> for NormalizedShape {
    fn from(size: usize) -> Self {
        NormalizedShape(vec![size])
    }
}

impl<const N: usize> From<[usize; N]> for NormalizedShape {
    fn from(sizes: [usize; N]) -> Self {
        NormalizedShape(sizes.to_vec())
    }
}

impl From<&[usize]> for NormalizedShape {
    fn from(sizes: &[usize]) -> Self {
        NormalizedShape(sizes.to_vec())
    }
}

impl From<Vec<usize>> for NormalizedShape {
    fn from(sizes: Vec<usize>) -> Self {
        NormalizedShape(sizes)
    }
}

/// Mean 0 and variance 1 over the last dimensions, then γ x + β, as `torch.nn.LayerNorm` (Ba et al. 2016).
///
/// ```
/// use flambeau_nn::{Call, LayerNorm};
/// use flambeau_tensor::Tensor;
///
/// let norm = LayerNorm::new([5, 10]).build()?;
/// assert_eq!(norm.call(&Tensor::randn([20, 5, 10]).build()?)?.shape(), [20, 5, 10]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "LayerNorm::describe")]
pub struct LayerNorm {
    /// γ, of the normalised shape.
    pub weight: Option<Parameter>,
    /// β, of the normalised shape.
    pub bias: Option<Parameter>,
    normalized_shape: Vec<usize>,
    eps: f64,
}

builder! {
    /// Options of [`LayerNorm`].
    pub struct LayerNormBuilder => LayerNorm;
    new {
        normalized_shape: ~into NormalizedShape,
    }
    options {
        /// Added to the variance, 1e-5 unless set.
        eps: f64 = 1e-5,
        /// With γ and β (the default).
        elementwise_affine: bool = true,
        /// With β, where affine (the default).
        bias: bool = true,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

/// A parameter of `shape` full of `value`, if it is to be.
#[track_caller]
fn some(on: bool, value: f64, shape: &[usize], dtype: DType, device: Device) -> Result<Option<Parameter>> {
    on.then(|| super::super::parameter_of(value, shape, dtype, device)).transpose()
}

impl LayerNorm {
    #[track_caller]
    fn from_builder(b: LayerNormBuilder) -> Result<Self> {
        let shape = b.normalized_shape.0;
        ensure!(
            !shape.is_empty(),
            Argument,
            "LayerNorm",
            "the normalised shape is empty: it must name one dimension or more"
        );
        let weight = some(b.elementwise_affine, 1.0, &shape, b.dtype, b.device)?;
        let bias = some(b.elementwise_affine && b.bias, 0.0, &shape, b.dtype, b.device)?;
        Ok(LayerNorm { weight, bias, normalized_shape: shape, eps: b.eps })
    }

    fn describe(&self) -> String {
        let (shape, eps) = (py_tuple(&self.normalized_shape), py_float(self.eps));
        format!(
            "{shape}, eps={eps}, elementwise_affine={}, bias={}",
            py_bool(self.weight.is_some()),
            py_bool(self.bias.is_some())
        )
    }
}

impl Forward<&Tensor> for LayerNorm {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::layer_norm(x, &self.normalized_shape, self.weight.as_deref(), self.bias.as_deref(), self.eps)
    }
}

/// Mean square 1 over the last dimensions, then γ x, as `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
#[derive(Module)]
#[module(extra_repr = "RMSNorm::describe")]
pub struct RMSNorm {
    /// γ, of the normalised shape.
    pub weight: Option<Parameter>,
    normalized_shape: Vec<usize>,
    eps: Option<f64>,
}

builder! {
    /// Options of [`RMSNorm`].
    pub struct RMSNormBuilder => RMSNorm;
    new {
        normalized_shape: ~into NormalizedShape,
    }
    options {
        /// Added to the mean square; the dtype's own epsilon unless set.
        eps: ~into Option<f64> = None,
        /// With γ (the default).
        elementwise_affine: bool = true,
        /// The parameter's dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameter is, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl RMSNorm {
    #[track_caller]
    fn from_builder(b: RMSNormBuilder) -> Result<Self> {
        let shape = b.normalized_shape.0;
        ensure!(
            !shape.is_empty(),
            Argument,
            "RMSNorm",
            "the normalised shape is empty: it must name one dimension or more"
        );
        let weight = some(b.elementwise_affine, 1.0, &shape, b.dtype, b.device)?;
        Ok(RMSNorm { weight, normalized_shape: shape, eps: b.eps })
    }

    fn describe(&self) -> String {
        let (shape, eps) = (py_tuple(&self.normalized_shape), py_option(self.eps));
        format!("{shape}, eps={eps}, elementwise_affine={}", py_bool(self.weight.is_some()))
    }
}

impl Forward<&Tensor> for RMSNorm {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::rms_norm(x, &self.normalized_shape, self.weight.as_deref(), self.eps)
    }
}

/// Mean 0 and variance 1 for each group of channels of each sample, then γ x + β for each channel, as
/// `torch.nn.GroupNorm` (Wu and He 2018).
#[derive(Module)]
#[module(extra_repr = "GroupNorm::describe")]
pub struct GroupNorm {
    /// γ, `[num_channels]`.
    pub weight: Option<Parameter>,
    /// β, `[num_channels]`.
    pub bias: Option<Parameter>,
    num_groups: usize,
    num_channels: usize,
    eps: f64,
}

builder! {
    /// Options of [`GroupNorm`].
    pub struct GroupNormBuilder => GroupNorm;
    new {
        num_groups: usize,
        num_channels: usize,
    }
    options {
        /// Added to the variance, 1e-5 unless set.
        eps: f64 = 1e-5,
        /// With γ and β (the default).
        affine: bool = true,
        /// With β, where affine (the default).
        bias: bool = true,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl GroupNorm {
    #[track_caller]
    fn from_builder(b: GroupNormBuilder) -> Result<Self> {
        let (num_groups, num_channels) = (b.num_groups, b.num_channels);
        ensure!(
            num_groups > 0 && num_channels.is_multiple_of(num_groups),
            Argument,
            "GroupNorm",
            "{num_channels} channels do not split into {num_groups} groups"
        );
        let weight = some(b.affine, 1.0, &[num_channels], b.dtype, b.device)?;
        let bias = some(b.affine && b.bias, 0.0, &[num_channels], b.dtype, b.device)?;
        Ok(GroupNorm { weight, bias, num_groups, num_channels, eps: b.eps })
    }

    fn describe(&self) -> String {
        let (affine, bias) = (py_bool(self.weight.is_some()), py_bool(self.bias.is_some()));
        format!("{}, {}, eps={}, affine={affine}, bias={bias}", self.num_groups, self.num_channels, py_float(self.eps))
    }
}

impl Forward<&Tensor> for GroupNorm {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::group_norm(x, self.num_groups, self.weight.as_deref(), self.bias.as_deref(), self.eps)
    }
}
