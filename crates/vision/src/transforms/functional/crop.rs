//! Parts of an image.

use super::boxes::{Rows, from_parallelogram, on_points, on_rows};
use super::clamp::clamp;
use super::real::Real;
use super::{by_kind, height_width, horizontal_flip, resize, vertical_flip};
use crate::transforms::kinds::{InterpolationMode, Size};
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, ClampingMode, ImageKind, KeyPoints, Kind};
use flambeau_tensor::{Result, Tensor, ensure};

/// The part of `height` × `width` pixels whose corner is at `top` and `left`; a view where all of it is inside, black
/// where it is not. Follows `torchvision.transforms.v2.functional.crop`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn crop<K: Kind>(x: &K, top: isize, left: isize, height: usize, width: usize) -> Result<K> {
    by_kind(
        x,
        |image| window(image, top, left, height, width),
        |boxes| crop_boxes(boxes, top, left, height, width),
        |points| crop_points(points, top, left, height, width),
    )
}

#[track_caller]
fn window(image: &Tensor, top: isize, left: isize, height: usize, width: usize) -> Result<Tensor> {
    let (h, w) = height_width("crop", image)?;
    let (bottom, right) = (top.saturating_add_unsigned(height), left.saturating_add_unsigned(width));
    if top >= 0 && left >= 0 && bottom <= h as isize && right <= w as isize {
        return image.narrow(-2, top, height)?.narrow(-1, left, width);
    }
    let (y, x) = (Span::of(top, height, h), Span::of(left, width, w));
    let inside = image.narrow(-2, y.start as isize, y.len)?.narrow(-1, x.start as isize, x.len)?;
    let pads = [x.before as isize, x.behind as isize, y.before as isize, y.behind as isize];
    inside.pad(&pads, super::in_dtype(0.0, image.dtype()))
}

/// What of the span from `start` on lies in `0..size`, and how much of it lies before and behind.
struct Span {
    start: usize,
    len: usize,
    before: usize,
    behind: usize,
}

impl Span {
    fn of(start: isize, len: usize, size: usize) -> Span {
        let end = start.saturating_add_unsigned(len).clamp(0, size as isize) as usize;
        let before = start.min(0).unsigned_abs().min(len);
        let start = (start.max(0) as usize).min(size);
        let inside = end.saturating_sub(start);
        Span { start, len: inside, before, behind: len - before - inside }
    }
}

#[track_caller]
fn crop_boxes(boxes: &BoundingBoxes, top: isize, left: isize, height: usize, width: usize) -> Result<BoundingBoxes> {
    let (canvas, mode) = ((height, width), boxes.clamping_mode());
    let (x, y) = (left as f64, top as f64);
    let tensor = on_rows!(boxes, |rows: R, x: f64, y: f64, canvas: (usize, usize), mode: Option<ClampingMode>| {
        shift(rows, -x, -y);
        if rows.format == BoundingBoxFormat::XYXYXYXY {
            rows.each(from_parallelogram);
        }
        clamp(rows, canvas, mode)?
    })?;
    Ok(boxes.on_canvas(tensor, canvas))
}

/// The boxes moved to the right and down.
pub(super) fn shift<R: Real>(rows: &mut Rows<R>, x: f64, y: f64) {
    let (x, y, format) = (R::of(x), R::of(y), rows.format);
    let pairs = match format {
        BoundingBoxFormat::XYXY => 2,
        BoundingBoxFormat::XYXYXYXY => 4,
        _ => 1,
    };
    rows.each(|b| {
        for point in &mut b.as_chunks_mut::<2>().0[..pairs] {
            *point = [point[0] + x, point[1] + y];
        }
    });
}

#[track_caller]
fn crop_points(points: &KeyPoints, top: isize, left: isize, height: usize, width: usize) -> Result<KeyPoints> {
    let (x, y) = (left as f64, top as f64);
    let tensor = on_points!(points, |rows: R, x: f64, y: f64| {
        rows.each(|p| (p[0], p[1]) = (p[0] - R::of(x), p[1] - R::of(y)))
    })?;
    Ok(points.on_canvas(tensor, (height, width)))
}

/// The middle, `size` large (height and width, or the side of a square); what is smaller gets black around it. Follows
/// `torchvision.transforms.v2.functional.center_crop`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn center_crop<K: Kind>(x: &K, size: impl Into<Size>) -> Result<K> {
    let (height, width) = size.into().square();
    let half_even = |have: usize, want: usize| ((have as f64 - want as f64) / 2.0).round_ties_even() as isize;
    by_kind(
        x,
        |image| {
            let (h, w) = height_width("center_crop", image)?;
            // An image that is too small is padded a pixel less before than behind, boxes are moved as Python rounds.
            let start = |have: usize, want: usize| {
                if want > have { -(((want - have) / 2) as isize) } else { half_even(have, want) }
            };
            window(image, start(h, height), start(w, width), height, width)
        },
        |boxes| {
            let (h, w) = boxes.canvas_size();
            crop_boxes(boxes, half_even(h, height), half_even(w, width), height, width)
        },
        |points| {
            let (h, w) = points.canvas_size();
            crop_points(points, half_even(h, height), half_even(w, width), height, width)
        },
    )
}

/// [`crop`] to a window (top, left, height, width), then [`resize`](super::resize()) to `size`. Follows `torchvision.transforms.v2.functional.resized_crop`.
///
/// # Errors
/// As those.
#[track_caller]
pub fn resized_crop<K: Kind>(
    x: &K,
    (top, left, height, width): (isize, isize, usize, usize),
    size: impl Into<Size>,
    interpolation: InterpolationMode,
    antialias: bool,
) -> Result<K> {
    resize(&crop(x, top, left, height, width)?, size, interpolation, None, antialias)
}

/// The four corners and the middle, each `size` large: upper left, upper right, lower left, lower right, middle.
/// Follows `torchvision.transforms.v2.functional.five_crop`.
///
/// # Errors
/// Where it is no image, or smaller than `size`.
#[track_caller]
pub fn five_crop<K: ImageKind>(x: &K, size: impl Into<Size>) -> Result<[K; 5]> {
    let (height, width) = size.into().square();
    let (h, w) = super::get_size(x)?;
    ensure!(
        height <= h && width <= w,
        Shape,
        "five_crop",
        "a crop of {height}×{width} is larger than the image of {h}×{w}"
    );
    let (right, bottom) = ((w - width) as isize, (h - height) as isize);
    Ok([
        crop(x, 0, 0, height, width)?,
        crop(x, 0, right, height, width)?,
        crop(x, bottom, 0, height, width)?,
        crop(x, bottom, right, height, width)?,
        center_crop(x, (height, width))?,
    ])
}

/// The [`five_crop`] of the image and of its mirror image (top to bottom where `vertical`). Follows
/// `torchvision.transforms.v2.functional.ten_crop`.
///
/// # Errors
/// Where it is no image, or smaller than `size`.
#[track_caller]
pub fn ten_crop<K: ImageKind>(x: &K, size: impl Into<Size>, vertical: bool) -> Result<[K; 10]> {
    let size = size.into();
    let [a, b, c, d, e] = five_crop(x, size)?;
    let mirrored = if vertical { vertical_flip(x)? } else { horizontal_flip(x)? };
    let [f, g, h, i, j] = five_crop(&mirrored, size)?;
    Ok([a, b, c, d, e, f, g, h, i, j])
}
