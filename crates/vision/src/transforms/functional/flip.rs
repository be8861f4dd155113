//! Mirror images.

use super::boxes::{on_points, on_rows};
use super::{by_kind, height_width};
use crate::tv_tensors::{BoundingBoxFormat, Kind};
use BoundingBoxFormat::{CXCYWH, CXCYWHR, XYWH, XYWHR, XYXY, XYXYXYXY};
use flambeau_tensor::Result;

/// Mirrored left to right: `torchvision.transforms.v2.functional.horizontal_flip`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn horizontal_flip<K: Kind>(x: &K) -> Result<K> {
    by_kind(
        x,
        |image| {
            height_width("horizontal_flip", image)?;
            image.flip(-1)
        },
        |boxes| {
            let width = boxes.canvas_size().1;
            let tensor = on_rows!(boxes, |rows: R, width: usize| {
                let (width, format) = (R::of(width as f64), rows.format);
                rows.each(|b| match format {
                    XYXY => (b[0], b[2]) = (width - b[2], width - b[0]),
                    XYWH => b[0] = width - (b[0] + b[2]),
                    CXCYWH => b[0] = width - b[0],
                    XYXYXYXY => {
                        let [x1, y1, x2, y2, x3, y3, x4, y4] = *b;
                        *b = [width - x2, y2, width - x1, y1, width - x4, y4, width - x3, y3];
                    }
                    XYWHR => {
                        let angle = b[4] * R::of(std::f64::consts::PI) / R::of(180.0);
                        b[0] = width - (b[0] + b[2] * angle.cos());
                        b[1] = b[1] - b[2] * angle.sin();
                        b[4] = -b[4];
                    }
                    CXCYWHR => (b[0], b[4]) = (width - b[0], -b[4]),
                })
            })?;
            Ok(boxes.wrap(tensor))
        },
        |points| {
            let width = points.canvas_size().1;
            let tensor =
                on_points!(points, |rows: R, width: usize| { rows.each(|p| p[0] = R::of(width as f64 - 1.0) - p[0]) })?;
            Ok(points.wrap(tensor))
        },
    )
}

/// Mirrored top to bottom: `torchvision.transforms.v2.functional.vertical_flip`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn vertical_flip<K: Kind>(x: &K) -> Result<K> {
    by_kind(
        x,
        |image| {
            height_width("vertical_flip", image)?;
            image.flip(-2)
        },
        |boxes| {
            let height = boxes.canvas_size().0;
            let tensor = on_rows!(boxes, |rows: R, height: usize| {
                let (height, format) = (R::of(height as f64), rows.format);
                rows.each(|b| match format {
                    XYXY => (b[1], b[3]) = (height - b[3], height - b[1]),
                    XYWH => b[1] = height - (b[1] + b[3]),
                    CXCYWH => b[1] = height - b[1],
                    XYXYXYXY => {
                        let [x1, y1, x2, y2, x3, y3, x4, y4] = *b;
                        *b = [x2, height - y2, x1, height - y1, x4, height - y4, x3, height - y3];
                    }
                    XYWHR => {
                        let angle = b[4] * R::of(std::f64::consts::PI) / R::of(180.0);
                        b[1] = height - (b[1] - b[2] * angle.sin());
                        b[0] = b[0] + b[2] * angle.cos();
                        b[4] = R::of(180.0) - b[4];
                    }
                    CXCYWHR => (b[1], b[4]) = (height - b[1], R::of(180.0) - b[4]),
                })
            })?;
            Ok(boxes.wrap(tensor))
        },
        |points| {
            let height = points.canvas_size().0;
            let tensor = on_points!(points, |rows: R, height: usize| {
                rows.each(|p| p[1] = R::of(height as f64 - 1.0) - p[1])
            })?;
            Ok(points.wrap(tensor))
        },
    )
}
