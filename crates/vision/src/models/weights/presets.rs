//! What makes of an image what a network expects, as torchvision's `transforms._presets`.

use crate::transforms::{InterpolationMode, functional as F};
use flambeau_tensor::{DType, Result, Tensor, ensure};
use std::fmt;

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// What makes of an image what a network expects; printed as torchvision prints it.
///
/// ```
/// use flambeau_tensor::{DType, Tensor};
/// use flambeau_vision::models::ResNet50Weights;
///
/// let photograph = Tensor::zeros([3, 375, 500]).dtype(DType::U8).build()?;
/// let image = ResNet50Weights::DEFAULT.transforms().image(&photograph)?;
/// assert_eq!(image.shape(), [3, 224, 224]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preset {
    /// resized, cropped, in 0 to 1, normalised
    ImageClassification {
        /// height and width of the crop
        crop_size: usize,
        /// the shorter side before
        resize_size: usize,
        /// subtracted, by channel
        mean: [f64; 3],
        /// divided by, by channel
        std: [f64; 3],
        /// how pixels are mixed
        interpolation: InterpolationMode,
    },
    /// resized, cropped, in 0 to 1, normalised, channels before frames
    VideoClassification {
        /// height and width of the crop
        crop_size: (usize, usize),
        /// height and width before, or the shorter side alone
        resize_size: (usize, Option<usize>),
        /// subtracted, by channel
        mean: [f64; 3],
        /// divided by, by channel
        std: [f64; 3],
    },
    /// resized, in 0 to 1, normalised
    SemanticSegmentation {
        /// the shorter side
        resize_size: usize,
    },
    /// in 0 to 1
    ObjectDetection,
    /// in −1 to 1
    OpticalFlow,
}

impl Preset {
    pub(super) const fn classify(crop_size: usize, resize_size: usize, interpolation: InterpolationMode) -> Self {
        Preset::ImageClassification { crop_size, resize_size, mean: MEAN, std: STD, interpolation }
    }

    pub(super) const fn video(
        crop_size: (usize, usize),
        resize_size: (usize, Option<usize>),
        mean: [f64; 3],
        std: [f64; 3],
    ) -> Self {
        Preset::VideoClassification { crop_size, resize_size, mean, std }
    }

    pub(super) const fn normalized(self, by_mean: [f64; 3], by_std: [f64; 3]) -> Self {
        match self {
            Preset::ImageClassification { crop_size, resize_size, interpolation, .. } => {
                Preset::ImageClassification { crop_size, resize_size, mean: by_mean, std: by_std, interpolation }
            }
            Preset::VideoClassification { crop_size, resize_size, .. } => {
                Preset::VideoClassification { crop_size, resize_size, mean: by_mean, std: by_std }
            }
            other => other,
        }
    }

    /// What the network takes for an image `[..., C, H, W]`, or for a video `[..., T, C, H, W]`.
    ///
    /// # Errors
    /// Where it is no such image.
    #[track_caller]
    pub fn image(&self, image: &Tensor) -> Result<Tensor> {
        match *self {
            Preset::ImageClassification { crop_size, resize_size, mean, std, interpolation } => {
                let image = F::resize(image, resize_size, interpolation, None, true)?;
                let image = F::center_crop(&image, crop_size)?;
                F::normalize(&F::to_dtype(&image, DType::F32, true)?, &mean, &std)
            }
            Preset::VideoClassification { crop_size, resize_size, mean, std } => {
                ensure!(image.rank() >= 4, Shape, "Preset", "shape {:?} is no video [..., T, C, H, W]", image.shape());
                let bilinear = InterpolationMode::Bilinear;
                let image = match resize_size {
                    (shorter, None) => F::resize(image, shorter, bilinear, None, false)?,
                    (height, Some(width)) => F::resize(image, [height, width], bilinear, None, false)?,
                };
                let image = F::center_crop(&image, [crop_size.0, crop_size.1])?;
                F::normalize(&F::to_dtype(&image, DType::F32, true)?, &mean, &std)?.transpose(-3, -4)
            }
            Preset::SemanticSegmentation { resize_size } => {
                let image = F::resize(image, resize_size, InterpolationMode::Bilinear, None, true)?;
                F::normalize(&F::to_dtype(&image, DType::F32, true)?, &MEAN, &STD)
            }
            Preset::ObjectDetection => F::to_dtype(image, DType::F32, true),
            Preset::OpticalFlow => {
                F::normalize(&F::to_dtype(image, DType::F32, true)?, &[0.5; 3], &[0.5; 3])?.contiguous()
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interpolated = |f: &mut fmt::Formatter<'_>, mean: [f64; 3], std: [f64; 3], mode: InterpolationMode| {
            let mode = format!("{mode:?}").to_uppercase();
            write!(f, "    mean={mean:?}\n    std={std:?}\n    interpolation=InterpolationMode.{mode}\n)")
        };
        match *self {
            Preset::ImageClassification { crop_size, resize_size, mean, std, interpolation } => {
                write!(f, "ImageClassification(\n    crop_size=[{crop_size}]\n    resize_size=[{resize_size}]\n")?;
                interpolated(f, mean, std, interpolation)
            }
            Preset::VideoClassification { crop_size: (height, width), resize_size, mean, std } => {
                let resize = match resize_size {
                    (shorter, None) => format!("[{shorter}]"),
                    (height, Some(width)) => format!("[{height}, {width}]"),
                };
                write!(f, "VideoClassification(\n    crop_size=[{height}, {width}]\n    resize_size={resize}\n")?;
                interpolated(f, mean, std, InterpolationMode::Bilinear)
            }
            Preset::SemanticSegmentation { resize_size } => {
                write!(f, "SemanticSegmentation(\n    resize_size=[{resize_size}]\n")?;
                interpolated(f, MEAN, STD, InterpolationMode::Bilinear)
            }
            Preset::ObjectDetection => f.write_str("ObjectDetection()"),
            Preset::OpticalFlow => f.write_str("OpticalFlow()"),
        }
    }
}
