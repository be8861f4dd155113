//! Transforms that move pixels, and boxes and points with them.

mod crop;
mod detection;
mod resize;
mod warp;

pub use crop::{
    CenterCrop, CenterCropBuilder, FiveCrop, FiveCropBuilder, Pad, PadBuilder, RandomCrop, RandomCropBuilder,
    RandomHorizontalFlip, RandomHorizontalFlipBuilder, RandomResizedCrop, RandomResizedCropBuilder, RandomVerticalFlip,
    RandomVerticalFlipBuilder, TenCrop, TenCropBuilder,
};
pub use detection::{RandomIoUCrop, RandomIoUCropBuilder, RandomZoomOut, RandomZoomOutBuilder};
pub use resize::{
    RandomResize, RandomResizeBuilder, RandomShortestSize, RandomShortestSizeBuilder, Resize, ResizeBuilder,
    ScaleJitter, ScaleJitterBuilder,
};
pub use warp::{
    ElasticTransform, ElasticTransformBuilder, RandomAffine, RandomAffineBuilder, RandomPerspective,
    RandomPerspectiveBuilder, RandomRotation, RandomRotationBuilder, Shear,
};
