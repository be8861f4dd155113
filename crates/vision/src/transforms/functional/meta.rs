//! What images, boxes and points are: sizes, channels, formats.

use super::boxes::on_rows;
use super::{chw, height_width};
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, ImageKind, Kind, TVTensor};
use flambeau_tensor::{Result, Tensor, bail};

/// Height and width: of an image, a video, a mask, or of the canvas of boxes and points. Follows
/// `torchvision.transforms.v2.functional.get_size`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn get_size<K: Kind>(x: &K) -> Result<(usize, usize)> {
    match x.clone().into() {
        TVTensor::BoundingBoxes(boxes) => Ok(boxes.canvas_size()),
        TVTensor::KeyPoints(points) => Ok(points.canvas_size()),
        pixels => height_width("get_size", pixels.tensor()),
    }
}

/// Channels, height and width: `torchvision.transforms.v2.functional.get_dimensions`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn get_dimensions<K: ImageKind>(x: &K) -> Result<(usize, usize, usize)> {
    let part: TVTensor = x.clone().into();
    match part.tensor().shape() {
        [h, w] => Ok((1, *h, *w)),
        _ => chw("get_dimensions", part.tensor()),
    }
}

/// The number of channels: `torchvision.transforms.v2.functional.get_num_channels`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn get_num_channels<K: ImageKind>(x: &K) -> Result<usize> {
    Ok(get_dimensions(x)?.0)
}

/// The number of frames of a video: `torchvision.transforms.v2.functional.get_num_frames`.
///
/// # Errors
/// Where it is no video.
#[track_caller]
pub fn get_num_frames<K: ImageKind>(x: &K) -> Result<usize> {
    match x.clone().into().tensor().shape() {
        [.., frames, _, _, _] => Ok(*frames),
        shape => bail!(Shape, "get_num_frames", "shape {shape:?} is not that of a video, [..., T, C, H, W]"),
    }
}

/// The boxes in another format. Follows `torchvision.transforms.v2.functional.convert_bounding_box_format`.
///
/// # Errors
/// Where one format is for boxes that may be turned and the other is not.
#[track_caller]
pub fn convert_bounding_box_format(boxes: &BoundingBoxes, format: BoundingBoxFormat) -> Result<BoundingBoxes> {
    let tensor = on_rows!(boxes, |rows: R, format: BoundingBoxFormat| rows.convert(format)?)?;
    Ok(boxes.in_format(tensor, format))
}

/// `num_samples` frames of a video, evenly over its time. Follows
/// `torchvision.transforms.v2.functional.uniform_temporal_subsample`.
///
/// # Errors
/// Where it is no video or one without frames.
#[track_caller]
pub fn uniform_temporal_subsample<K: ImageKind>(x: &K, num_samples: usize) -> Result<K> {
    let part: TVTensor = x.clone().into();
    let frames = get_num_frames(x)?;
    if frames == 0 {
        bail!(Shape, "uniform_temporal_subsample", "there are no frames in shape {:?}", part.tensor().shape());
    }
    let at = Tensor::linspace(0.0, (frames - 1) as f64, num_samples).build()?.to_dtype(flambeau_tensor::DType::I64)?;
    K::from_tv(part.wrap(part.tensor().index_select(-4, &at)?))
}
