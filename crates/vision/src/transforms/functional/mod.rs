//! The transforms as functions, without options left open and without chance, as
//! `torchvision.transforms.v2.functional`. Each takes a plain tensor, which counts as an image, or a
//! [tensor that says what it is](crate::tv_tensors), and treats it by its kind.

mod boxes;
mod bytes;
mod clamp;
mod color;
mod crop;
mod dtype;
mod flip;
mod grid;
mod jitter;
mod meta;
mod misc;
mod pad;
pub(crate) mod real;
mod resize;
mod warp;

pub use clamp::{clamp_bounding_boxes, clamp_keypoints, sanitize_bounding_boxes, sanitize_keypoints};
pub use color::{
    adjust_gamma, autocontrast, equalize, grayscale_to_rgb, invert, permute_channels, posterize, rgb_to_grayscale,
    rgb_to_grayscale as to_grayscale, solarize,
};
pub use crop::{center_crop, crop, five_crop, resized_crop, ten_crop};
pub use dtype::{convert_image_dtype, to_dtype, to_tensor};
pub use flip::{horizontal_flip, horizontal_flip as hflip, vertical_flip, vertical_flip as vflip};
pub use jitter::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, adjust_sharpness};
pub use meta::{
    convert_bounding_box_format, get_dimensions, get_num_channels, get_num_channels as get_image_num_channels,
    get_num_frames, get_size, get_size as get_image_size, uniform_temporal_subsample,
};
pub use misc::{erase, gaussian_blur, gaussian_noise, jpeg, normalize};
pub use pad::pad;
pub use resize::resize;
pub use warp::{AffineOptions, affine, elastic, elastic as elastic_transform, perspective, rotate};

pub(super) use clamp::{valid_boxes, valid_points};
pub(super) use misc::check_std;
pub(super) use resize::{check as check_resize, interpolation_to};
pub(super) use warp::{perspective_by, perspective_coefficients};

use crate::tv_tensors::{BoundingBoxes, KeyPoints, Kind};
use flambeau_tensor::{Category, DType, Result, Scalar, Tensor, bail, grad_enabled};

/// Height and width of an image.
#[track_caller]
pub(crate) fn height_width(op: &'static str, image: &Tensor) -> Result<(usize, usize)> {
    match image.shape() {
        [.., height, width] => Ok((*height, *width)),
        shape => bail!(Shape, op, "shape {shape:?} is not that of an image, [..., H, W]"),
    }
}

/// Channels, height and width of an image.
#[track_caller]
fn chw(op: &'static str, image: &Tensor) -> Result<(usize, usize, usize)> {
    match image.shape() {
        [.., channels, height, width] => Ok((*channels, *height, *width)),
        shape => bail!(Shape, op, "shape {shape:?} is not that of an image, [..., C, H, W]"),
    }
}

/// The function for its kind, images and masks treated alike.
#[track_caller]
fn by_kind<K: Kind>(
    x: &K,
    pixels: impl Fn(&Tensor) -> Result<Tensor>,
    boxes: impl FnOnce(&BoundingBoxes) -> Result<BoundingBoxes>,
    points: impl FnOnce(&KeyPoints) -> Result<KeyPoints>,
) -> Result<K> {
    K::from_tv(x.clone().into().map(&pixels, &pixels, boxes, points)?)
}

/// Whether a gradient of `x` is wanted: then it is computed by tensor ops, else by loops over pixels.
fn is_tracked(x: &Tensor) -> bool {
    x.requires_grad() && grad_enabled()
}

/// The largest value of a dtype's range as an image: 1 for floating point.
pub(super) fn max_value(dtype: DType) -> f64 {
    dtype::integer_range(dtype).map_or(1.0, |(largest, _)| largest)
}

/// `value` as a tensor of `dtype` would hold it.
fn in_dtype(value: f64, dtype: DType) -> Scalar {
    match dtype.category() {
        Category::Bool => Scalar::Bool(value != 0.0),
        Category::Int => Scalar::Int(value as i64),
        _ => Scalar::Float(value),
    }
}

#[cfg(test)]
mod tests;
