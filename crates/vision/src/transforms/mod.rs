//! What is done to an image on its way into a batch, as `torchvision.transforms.v2`.
//!
//! A transform takes a tensor, or any [sample](crate::tv_tensors::Sample) made of tensors that say what they are: it
//! draws its numbers once and treats every part by its kind. A plain tensor `[..., C, H, W]` counts as an image: `u8` as
//! it comes from a file, or floating point in 0 to 1.
//!
//! ```
//! use flambeau_tensor::{DType, Tensor};
//! use flambeau_vision::transforms::*;
//! use flambeau_vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image};
//!
//! let transform = Compose::of((
//!     RandomHorizontalFlip::new(),
//!     RandomResizedCrop::new(24),
//!     ColorJitter::new().brightness(0.4),
//!     ToDtype::new(DType::F32).scale(true),
//! ))
//! .build()?;
//!
//! let image = Image::new(Tensor::randint(0, 256, [3, 40, 50]).dtype(DType::U8).build()?)?;
//! let boxes = BoundingBoxes::new(Tensor::from_slice(&[5.0f32, 6.0, 30.0, 35.0], [1, 4])?, BoundingBoxFormat::XYXY, (40, 50))?;
//! let (image, boxes) = transform.on((image, boxes))?;
//! assert_eq!((image.shape(), boxes.canvas_size()), (&[3, 24, 24][..], (24, 24)));
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! What is random draws from the default generator in torchvision's order, so that seeded results are torchvision's;
//! `flambeau_data`'s loader gives each sample numbers of its own. [`functional`] has the same without chance, and
//! [`Transform`] is what one of one's own implements. A transform is a module, too, and can stand in a
//! [`Sequential`](flambeau_nn::Sequential).

mod auto_augment;
mod boxes;
mod color;
mod compose;
mod convert;
pub(crate) mod draw;
pub mod functional;
mod fused;
mod geometry;
mod kinds;
mod lazy;
mod mix;
mod transform;

pub use auto_augment::{
    AugMix, AugMixBuilder, AutoAugment, AutoAugmentBuilder, AutoAugmentPolicy, RandAugment, RandAugmentBuilder,
    TrivialAugmentWide, TrivialAugmentWideBuilder,
};
pub use boxes::{
    ClampBoundingBoxes, ClampKeyPoints, ConvertBoundingBoxFormat, ConvertBoundingBoxFormatBuilder,
    SanitizeBoundingBoxes, SanitizeBoundingBoxesBuilder, SanitizeKeyPoints, SanitizeKeyPointsBuilder, SetClampingMode,
    SetClampingModeBuilder,
};
pub use color::{
    ColorJitter, ColorJitterBuilder, Grayscale, GrayscaleBuilder, Jitter, RGB, RandomAdjustSharpness,
    RandomAdjustSharpnessBuilder, RandomAutocontrast, RandomAutocontrastBuilder, RandomChannelPermutation,
    RandomEqualize, RandomEqualizeBuilder, RandomGrayscale, RandomGrayscaleBuilder, RandomInvert, RandomInvertBuilder,
    RandomPhotometricDistort, RandomPhotometricDistortBuilder, RandomPosterize, RandomPosterizeBuilder, RandomSolarize,
    RandomSolarizeBuilder,
};
pub use compose::{
    Compose, ComposeBuilder, Identity, IdentityBuilder, Lambda, RandomApply, RandomApplyBuilder, RandomChoice,
    RandomChoiceBuilder, RandomOrder, RandomOrderBuilder, TransformList, Transforms,
};
pub use convert::{
    ConvertImageDtype, ConvertImageDtypeBuilder, GaussianBlur, GaussianBlurBuilder, GaussianNoise,
    GaussianNoiseBuilder, JPEG, JPEGBuilder, LinearTransformation, LinearTransformationBuilder, Normalize,
    NormalizeBuilder, Quality, ToDtype, ToDtypeBuilder, ToImage, ToPureTensor, ToTensor, UniformTemporalSubsample,
    UniformTemporalSubsampleBuilder,
};
pub use flambeau_nn::{Call, Forward};
pub use geometry::*;
pub use kinds::{Fill, InterpolationMode, Padding, PaddingMode, Range, Size};
pub use lazy::LazyImage;
pub use mix::{CutMix, CutMixBuilder, Erased, MixUp, MixUpBuilder, RandomErasing, RandomErasingBuilder};
pub use transform::{PartsTransform, SampleTransform, Transform};
