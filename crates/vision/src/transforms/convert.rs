//! Transforms of dtypes, ranges, kinds, and what comes before a network.

use super::kinds::{Size, boolean, list};
use super::transform::{forwards, if_image, steady};
use super::{LazyImage, Transform, draw, functional};
use crate::tv_tensors::{Image, TVKind, TVTensor};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{DType, Result, Tensor, builder, ensure};

/// `u8` in 0 to 255 to `f32` in 0 to 1; floating point stays as it is. As `torchvision.transforms.ToTensor`
/// of a PIL image.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{SampleTransform, ToTensor};
///
/// let image = Tensor::from_vec(vec![0u8, 51, 255], [1, 1, 3])?;
/// assert_eq!(ToTensor::new().on(image)?.to_vec::<f32>()?, [0.0, 0.2, 1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module, Clone, Copy, Default)]
pub struct ToTensor;

/// A plain tensor becomes an image, as `torchvision.transforms.v2.ToImage`.
#[derive(Module, Clone, Copy, Default)]
pub struct ToImage;

/// What says what it is becomes a plain tensor, as `torchvision.transforms.v2.ToPureTensor`.
#[derive(Module, Clone, Copy, Default)]
pub struct ToPureTensor;

macro_rules! without_options {
    ($($Name:ident)*) => {$(
        impl $Name {
            /// One.
            pub fn new() -> Self {
                $Name
            }
        }
    )*};
}
without_options!(ToTensor ToImage ToPureTensor);

/// (x − mean) / std for each channel, as `torchvision.transforms.v2.Normalize`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Normalize, SampleTransform};
///
/// let image = Tensor::from_vec(vec![1.0f32, 2.0], [2, 1, 1])?;
/// let normalize = Normalize::new([0.5, 1.0], [0.5, 2.0]).build()?;
/// assert_eq!(normalize.on(image)?.to_vec::<f32>()?, [1.0, 0.5]);
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

/// In another dtype, as `torchvision.transforms.v2.ToDtype`: images and videos, unless it says otherwise for a kind.
#[derive(Module)]
#[module(extra_repr = "ToDtype::describe")]
pub struct ToDtype {
    dtype: DType,
    scale: bool,
    #[module(skip)]
    kinds: Vec<(TVKind, DType)>,
}

builder! {
    /// Options of [`ToDtype`].
    pub struct ToDtypeBuilder => ToDtype;
    new {
        /// The dtype of images, videos and plain tensors.
        dtype: DType,
    }
    options {
        /// Convert the range of images too: 0 to 1 for floating point, 0 to the largest number for integers. False
        /// unless set.
        scale: bool = false,
        /// The dtypes of other kinds: `[(TVKind::Mask, DType::I64)]`. They stay as they are unless set.
        kinds: ~into Vec<(TVKind, DType)> = Vec::new(),
    }
}

impl ToDtype {
    fn from_builder(b: ToDtypeBuilder) -> Result<Self> {
        Ok(ToDtype { dtype: b.dtype, scale: b.scale, kinds: b.kinds })
    }

    fn describe(&self) -> String {
        format!("dtype=torch.{}, scale={}", self.dtype, boolean(self.scale))
    }

    #[track_caller]
    fn one(&self, part: &TVTensor) -> Result<TVTensor> {
        let own = self.kinds.iter().find(|(kind, _)| *kind == part.kind()).map(|(_, dtype)| *dtype);
        match own.or(part.is_image().then_some(self.dtype)) {
            Some(dtype) => functional::to_dtype(part, dtype, self.scale),
            None => Ok(part.clone()),
        }
    }

    #[track_caller]
    fn one_lazily(&self, image: &mut LazyImage) -> Result<()> {
        if self.kinds.is_empty() {
            return image.to_dtype(self.dtype, self.scale);
        }
        image.through(|parts| parts.try_map(|_, part| self.one(&part)))
    }
}

/// In another dtype and its range, as `torchvision.transforms.v2.ConvertImageDtype`: [`ToDtype`] with `scale`.
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

/// All pixels of an image multiplied by a matrix after the mean is taken off, as
/// `torchvision.transforms.v2.LinearTransformation`: whitening.
#[derive(Module)]
pub struct LinearTransformation {
    #[module(skip)]
    transformation_matrix: Tensor,
    #[module(skip)]
    mean_vector: Tensor,
}

builder! {
    /// Options of [`LinearTransformation`].
    pub struct LinearTransformationBuilder => LinearTransformation;
    new {
        /// `[C·H·W, C·H·W]`.
        transformation_matrix: Tensor,
        /// `[C·H·W]`.
        mean_vector: Tensor,
    }
    options {}
}

impl LinearTransformation {
    #[track_caller]
    fn from_builder(b: LinearTransformationBuilder) -> Result<Self> {
        let (matrix, mean) = (b.transformation_matrix, b.mean_vector);
        let fits = matrix.rank() == 2 && matrix.shape()[0] == matrix.shape()[1] && *mean.shape() == matrix.shape()[..1];
        ensure!(
            fits,
            Shape,
            "LinearTransformation",
            "a matrix of shape {:?} and a mean of shape {:?} do not go together",
            matrix.shape(),
            mean.shape()
        );
        Ok(LinearTransformation { transformation_matrix: matrix, mean_vector: mean })
    }

    #[track_caller]
    fn one(&self, image: &Tensor) -> Result<Tensor> {
        let n = self.mean_vector.numel();
        let own: usize = image.shape().iter().rev().take(3).product();
        ensure!(
            own == n && image.rank() >= 3,
            Shape,
            "LinearTransformation",
            "an image of shape {:?} for a matrix of {n} pixels",
            image.shape()
        );
        let flat = image.reshape([image.numel().checked_div(n).unwrap_or(0), n])?.sub(&self.mean_vector)?;
        flat.matmul(&self.transformation_matrix.to_dtype(flat.dtype())?)?.reshape(image.shape())
    }
}

/// Some frames of a video, as `torchvision.transforms.v2.UniformTemporalSubsample`.
#[derive(Module)]
#[module(extra_repr = "UniformTemporalSubsample::describe")]
pub struct UniformTemporalSubsample {
    num_samples: usize,
}

builder! {
    /// Options of [`UniformTemporalSubsample`].
    pub struct UniformTemporalSubsampleBuilder => UniformTemporalSubsample;
    new {
        /// How many frames.
        num_samples: usize,
    }
    options {}
}

impl UniformTemporalSubsample {
    fn from_builder(b: UniformTemporalSubsampleBuilder) -> Result<Self> {
        Ok(UniformTemporalSubsample { num_samples: b.num_samples })
    }

    fn describe(&self) -> String {
        format!("num_samples={}", self.num_samples)
    }
}

steady! {
    ToTensor: |_this, part| part.map_image(functional::to_tensor) => |image| image.to_tensor();
    ToPureTensor: |_this, part| Ok(TVTensor::Tensor(part.into_tensor())) => |image| image.turn_into(TVKind::Tensor);
    Normalize: |this, part| if_image!(part, |x| functional::normalize(x, &this.mean.0, &this.std.0))
        => |image| image.normalize(&this.mean.0, &this.std.0);
    ToDtype: |this, part| this.one(&part) => |image| this.one_lazily(image);
    ConvertImageDtype: |this, part| if_image!(part, |x| functional::convert_image_dtype(x, this.dtype))
        => |image| image.to_dtype(this.dtype, true);
    LinearTransformation: |this, part| part.map_image(|x| this.one(x));
    UniformTemporalSubsample: |this, part| match part {
        TVTensor::Image(image) => Ok(image.into()),
        part => if_image!(part, |x| functional::uniform_temporal_subsample(x, this.num_samples)),
    };
}

impl Transform for ToImage {
    type Params = ();

    fn make_params(&self, _: &[&TVTensor]) -> Result<()> {
        Ok(())
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, (): &()) -> Result<TVTensor> {
        match part {
            TVTensor::Tensor(x) => Ok(Image::new(x)?.into()),
            part => Ok(part),
        }
    }

    fn lazily(&self, image: &mut LazyImage) -> Result<()> {
        image.turn_into(TVKind::Image)
    }
}

/// Blurred by a Gaussian of random width, as `torchvision.transforms.v2.GaussianBlur`.
#[derive(Module)]
#[module(extra_repr = "GaussianBlur::describe")]
pub struct GaussianBlur {
    kernel_size: Size,
    sigma: (f64, f64),
}

builder! {
    /// Options of [`GaussianBlur`].
    pub struct GaussianBlurBuilder => GaussianBlur;
    new {
        /// The side of the window in pixels, or width and height; odd.
        kernel_size: ~into Size,
    }
    options {
        /// The least and the greatest width of the Gaussian. 0.1 and 2 unless set.
        sigma: (f64, f64) = (0.1, 2.0),
    }
}

impl GaussianBlur {
    #[track_caller]
    fn from_builder(b: GaussianBlurBuilder) -> Result<Self> {
        let (x, y) = b.kernel_size.square();
        ensure!(x % 2 == 1 && y % 2 == 1, Argument, "GaussianBlur", "a window of {x}×{y}: both sides are odd");
        let good = 0.0 < b.sigma.0 && b.sigma.0 <= b.sigma.1 && b.sigma.1.is_finite();
        ensure!(good, Argument, "GaussianBlur", "sigma {:?} is no range above 0", b.sigma);
        Ok(GaussianBlur { kernel_size: b.kernel_size, sigma: b.sigma })
    }

    fn describe(&self) -> String {
        format!("kernel_size={:?}, sigma={}", self.kernel_size.square(), list(&[self.sigma.0, self.sigma.1]))
    }
}

impl Transform for GaussianBlur {
    type Params = f64;

    #[track_caller]
    fn make_params(&self, _: &[&TVTensor]) -> Result<f64> {
        draw::uniform(self.sigma.0, self.sigma.1)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, sigma: &f64) -> Result<TVTensor> {
        if_image!(part, |x| functional::gaussian_blur(x, self.kernel_size, Some([*sigma, *sigma])))
    }
}

/// With noise, each image with its own, as `torchvision.transforms.v2.GaussianNoise`.
#[derive(Module)]
#[module(extra_repr = "GaussianNoise::describe")]
pub struct GaussianNoise {
    mean: f64,
    sigma: f64,
    clip: bool,
}

builder! {
    /// Options of [`GaussianNoise`].
    pub struct GaussianNoiseBuilder => GaussianNoise;
    new {}
    options {
        /// The mean of the noise, 0 to 1 being the range of the image. 0 unless set.
        mean: f64 = 0.0,
        /// Its standard deviation. 0.1 unless set.
        sigma: f64 = 0.1,
        /// Cut what leaves the range. True unless set.
        clip: bool = true,
    }
}

impl GaussianNoise {
    #[track_caller]
    fn from_builder(b: GaussianNoiseBuilder) -> Result<Self> {
        ensure!(b.sigma >= 0.0, Argument, "GaussianNoise", "sigma = {} is negative", b.sigma);
        Ok(GaussianNoise { mean: b.mean, sigma: b.sigma, clip: b.clip })
    }

    fn describe(&self) -> String {
        format!("mean={:?}, sigma={:?}, clip={}", self.mean, self.sigma, boolean(self.clip))
    }
}

steady! {
    GaussianNoise: |this, part| if_image!(part, |x| functional::gaussian_noise(x, this.mean, this.sigma, this.clip));
}

/// As it is after being written to a JPEG file of random quality and read again, as
/// `torchvision.transforms.v2.JPEG`.
#[derive(Module)]
#[module(extra_repr = "JPEG::describe")]
pub struct JPEG {
    quality: Quality,
}

/// A quality of JPEG files, 1 to 100, or the least and the greatest.
#[derive(Clone, Copy, Debug)]
pub struct Quality(usize, usize);
plain_parts!(Quality);

impl From<usize> for Quality {
    fn from(n: usize) -> Self {
        Quality(n, n)
    }
}

impl From<[usize; 2]> for Quality {
    fn from([from, to]: [usize; 2]) -> Self {
        Quality(from, to)
    }
}

builder! {
    /// Options of [`JPEG`].
    pub struct JPEGBuilder => JPEG;
    new {
        /// The quality, 1 to 100, or `[least, greatest]`.
        quality: ~into Quality,
    }
    options {}
}

impl JPEG {
    #[track_caller]
    fn from_builder(b: JPEGBuilder) -> Result<Self> {
        let Quality(from, to) = b.quality;
        ensure!(1 <= from && from <= to && to <= 100, Argument, "JPEG", "quality {from} to {to} is not in 1 to 100");
        Ok(JPEG { quality: b.quality })
    }

    fn describe(&self) -> String {
        format!("quality=[{}, {}]", self.quality.0, self.quality.1)
    }
}

impl Transform for JPEG {
    type Params = usize;

    #[track_caller]
    fn make_params(&self, _: &[&TVTensor]) -> Result<usize> {
        Ok(draw::integer(self.quality.0 as i64, self.quality.1 as i64 + 1)? as usize)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, quality: &usize) -> Result<TVTensor> {
        if_image!(part, |x| functional::jpeg(x, *quality))
    }
}

forwards!(GaussianBlur, JPEG);
