//! Dtypes, and the ranges of images in them.

use super::by_kind;
use crate::tv_tensors::{ImageKind, Kind, TVTensor};
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// `u8` as `f32` in 0 to 1; floating point as it is. Follows `torchvision.transforms.functional.to_tensor`, for which a
/// `u8` tensor here is a PIL image.
///
/// # Errors
/// Where the image is of another dtype.
#[track_caller]
pub fn to_tensor(image: &Tensor) -> Result<Tensor> {
    match image.dtype() {
        DType::U8 => {
            let x = image.to_dtype(DType::F32)?;
            x.div_(255.0)?;
            Ok(x)
        }
        dtype if dtype.is_float() => Ok(image.clone()),
        dtype => bail!(DType, "to_tensor", "an image is uint8 or floating point, not {dtype}; see to_dtype"),
    }
}

/// The largest value of an integer dtype, and its bits without the sign.
pub(super) fn integer_range(dtype: DType) -> Option<(f64, u32)> {
    match dtype {
        DType::Bool => Some((1.0, 1)),
        DType::U8 => Some((255.0, 8)),
        DType::U16 => Some((f64::from(u16::MAX), 16)),
        DType::I8 => Some((127.0, 7)),
        DType::I16 => Some((f64::from(i16::MAX), 15)),
        DType::I32 => Some((f64::from(i32::MAX), 31)),
        DType::I64 => Some((i64::MAX as f64, 63)),
        _ => None,
    }
}

/// In another dtype; images with `scale` also from the range of the one to that of the other (0 to 1 for floating
/// point, 0 to the largest number for integers). Follows `torchvision.transforms.v2.functional.to_dtype`.
///
/// # Errors
/// Where `scale` would have to make integers that the floating dtype cannot tell apart.
#[track_caller]
pub fn to_dtype<K: Kind>(x: &K, dtype: DType, scale: bool) -> Result<K> {
    let part: TVTensor = x.clone().into();
    if part.is_image() {
        return K::from_tv(part.wrap(image_to_dtype(part.tensor(), dtype, scale)?));
    }
    by_kind(
        x,
        |mask| mask.to_dtype(dtype),
        |boxes| Ok(boxes.wrap(boxes.to_dtype(dtype)?)),
        |points| Ok(points.wrap(points.to_dtype(dtype)?)),
    )
}

/// [`to_dtype`] with `scale`: `torchvision.transforms.v2.functional.convert_image_dtype`.
///
/// # Errors
/// As [`to_dtype`].
#[track_caller]
pub fn convert_image_dtype<K: ImageKind>(x: &K, dtype: DType) -> Result<K> {
    to_dtype(x, dtype, true)
}

#[track_caller]
pub(super) fn image_to_dtype(image: &Tensor, dtype: DType, scale: bool) -> Result<Tensor> {
    let from = image.dtype();
    if from == dtype || !scale {
        return image.to_dtype(dtype);
    }
    match (integer_range(from), integer_range(dtype)) {
        (None, None) => image.to_dtype(dtype),
        (None, Some((largest, bits))) => {
            let enough = !(from == DType::F32 && bits >= 31 || from == DType::F64 && bits >= 63);
            ensure!(enough, DType, "to_dtype", "{from} cannot hold the range of {dtype}, so it cannot be scaled to it");
            // Nearly one more than the largest, so that every integer gets an equal share of 0 to 1.
            image.mul(largest + 1.0 - 1e-3)?.to_dtype(dtype)
        }
        (Some((largest, _)), None) => {
            let x = image.to_dtype(dtype)?;
            x.mul_(1.0 / largest)?;
            Ok(x)
        }
        (Some((_, have)), Some((_, want))) if have > want => image.floor_divide(1i64 << (have - want))?.to_dtype(dtype),
        (Some((_, have)), Some((_, want))) => image.to_dtype(dtype)?.mul(1i64 << (want - have)),
    }
}
