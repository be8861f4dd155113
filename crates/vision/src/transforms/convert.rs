//! Transforms of values: dtype, range, colour.

use super::kinds::{boolean, list};
use super::{Forward, functional};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{DType, Result, Tensor, builder, ensure};

/// `u8` in 0 to 255 to `f32` in 0 to 1; floating point stays as it is. As `torchvision.transforms.ToTensor`
/// of a PIL image.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, ToTensor};
///
/// let image = Tensor::from_vec(vec![0u8, 51, 255], [1, 1, 3])?;
/// assert_eq!(ToTensor::new().forward(&image)?.to_vec::<f32>()?, [0.0, 0.2, 1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module, Clone, Copy, Default)]
pub struct ToTensor;

impl ToTensor {
    /// One.
    pub fn new() -> Self {
        ToTensor
    }
}

impl Forward for ToTensor {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::to_tensor(x)
    }
}

/// (x − mean) / std for each channel, as `torchvision.transforms.Normalize`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, Normalize};
///
/// let image = Tensor::from_vec(vec![1.0f32, 2.0], [2, 1, 1])?;
/// let normalize = Normalize::new([0.5, 1.0], [0.5, 2.0]).build()?;
/// assert_eq!(normalize.forward(&image)?.to_vec::<f32>()?, [1.0, 0.5]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Normalize::describe")]
pub struct Normalize {
    mean: Values,
    std: Values,
}

/// One number a channel.
#[derive(Clone, Debug)]
struct Values(Vec<f64>);
plain_parts!(Values);

builder! {
    /// Options of [`Normalize`].
    pub struct NormalizeBuilder => Normalize;
    new {
        /// The mean of each channel, or of all.
        mean: ~into Vec<f64>,
        /// The standard deviation of each channel, or of all.
        std: ~into Vec<f64>,
    }
    options {}
}

impl Normalize {
    #[track_caller]
    fn from_builder(b: NormalizeBuilder) -> Result<Self> {
        ensure!(
            !b.mean.is_empty() && !b.std.is_empty(),
            Argument,
            "Normalize",
            "mean and std need a value for each channel"
        );
        functional::check_std(&b.std)?;
        Ok(Normalize { mean: Values(b.mean), std: Values(b.std) })
    }

    fn describe(&self) -> String {
        format!("mean={}, std={}", list(&self.mean.0), list(&self.std.0))
    }
}

impl Forward for Normalize {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::normalize(x, &self.mean.0, &self.std.0)
    }
}

/// In another dtype, as `torchvision.transforms.v2.ToDtype`.
#[derive(Module)]
#[module(extra_repr = "ToDtype::describe")]
pub struct ToDtype {
    dtype: DType,
    scale: bool,
}

builder! {
    /// Options of [`ToDtype`].
    pub struct ToDtypeBuilder => ToDtype;
    new {
        /// The dtype to convert to.
        dtype: DType,
    }
    options {
        /// Convert the range too: 0 to 1 for floating point, 0 to the largest number for integers. False
        /// unless set.
        scale: bool = false,
    }
}

impl ToDtype {
    fn from_builder(b: ToDtypeBuilder) -> Result<Self> {
        Ok(ToDtype { dtype: b.dtype, scale: b.scale })
    }

    fn describe(&self) -> String {
        format!("dtype=torch.{}, scale={}", self.dtype, boolean(self.scale))
    }
}

impl Forward for ToDtype {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::to_dtype(x, self.dtype, self.scale)
    }
}

/// In another dtype and its range, as `torchvision.transforms.ConvertImageDtype`: [`ToDtype`] with `scale`.
#[derive(Module)]
#[module(extra_repr = "ConvertImageDtype::describe")]
pub struct ConvertImageDtype {
    dtype: DType,
}

builder! {
    /// Options of [`ConvertImageDtype`].
    pub struct ConvertImageDtypeBuilder => ConvertImageDtype;
    new {
        /// The dtype to convert to.
        dtype: DType,
    }
    options {}
}

impl ConvertImageDtype {
    fn from_builder(b: ConvertImageDtypeBuilder) -> Result<Self> {
        Ok(ConvertImageDtype { dtype: b.dtype })
    }

    fn describe(&self) -> String {
        format!("dtype=torch.{}", self.dtype)
    }
}

impl Forward for ConvertImageDtype {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::to_dtype(x, self.dtype, true)
    }
}

/// RGB to brightness, as `torchvision.transforms.Grayscale`.
#[derive(Module)]
#[module(extra_repr = "Grayscale::describe")]
pub struct Grayscale {
    num_output_channels: usize,
}

builder! {
    /// Options of [`Grayscale`].
    pub struct GrayscaleBuilder => Grayscale;
    new {}
    options {
        /// One, or three that are alike. One unless set.
        num_output_channels: usize = 1,
    }
}

impl Grayscale {
    #[track_caller]
    fn from_builder(b: GrayscaleBuilder) -> Result<Self> {
        let n = b.num_output_channels;
        ensure!(n == 1 || n == 3, Argument, "Grayscale", "num_output_channels = {n}: a gray image has one or three");
        Ok(Grayscale { num_output_channels: n })
    }

    fn describe(&self) -> String {
        format!("num_output_channels={}", self.num_output_channels)
    }
}

impl Forward for Grayscale {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::rgb_to_grayscale(x, self.num_output_channels)
    }
}
