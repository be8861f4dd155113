//! Other sizes.

use super::boxes::{by_corners, from_parallelogram, on_points, on_rows};
use super::clamp::clamp;
use super::height_width;
use crate::transforms::kinds::{InterpolationMode, Size};
use crate::tv_tensors::{ClampingMode, Kind, TVTensor};
use flambeau_tensor::{DType, Interpolate, InterpolateMode, Result, Tensor, dispatch, ensure};

/// In another size: one number is the length of the shorter side, the longer one being at most `max_size`; two are
/// height and width. Itself where it has that size already. Follows `torchvision.transforms.v2.functional.resize`,
/// `u8` included, which is mixed in 16-bit integers; masks are always interpolated by `Nearest`.
///
/// # Errors
/// Where it is no image or an empty one, `max_size` goes with two numbers or is not above the one, or `Lanczos` comes
/// without `antialias`.
#[track_caller]
pub fn resize<K: Kind>(
    x: &K,
    size: impl Into<Size>,
    interpolation: InterpolationMode,
    max_size: Option<usize>,
    antialias: bool,
) -> Result<K> {
    let size = size.into();
    check(size, interpolation, max_size, antialias)?;
    let part: TVTensor = x.clone().into();
    let of_mask = match interpolation {
        InterpolationMode::NearestExact => interpolation,
        _ => InterpolationMode::Nearest,
    };
    let pixels = |image: &Tensor, interpolation| {
        let (h, w) = height_width("resize", image)?;
        resize_image(image, size.resized(h, w, max_size), interpolation, antialias)
    };
    let out = part.map(
        |image| pixels(image, interpolation),
        |mask| pixels(mask, of_mask),
        |boxes| {
            let (h, w) = boxes.canvas_size();
            let canvas = size.resized(h, w, max_size);
            if canvas == (h, w) {
                return Ok(boxes.clone());
            }
            let (x, y) = (canvas.1 as f64 / w as f64, canvas.0 as f64 / h as f64);
            let mode = boxes.clamping_mode();
            let tensor =
                on_rows!(boxes, |rows: R, x: f64, y: f64, canvas: (usize, usize), mode: Option<ClampingMode>| {
                    // The ratios are single numbers whatever the boxes are.
                    let (x, y, format) = (R::of(f64::from(x as f32)), R::of(f64::from(y as f32)), rows.format);
                    let scale = |b: &mut [R; 8]| {
                        for point in b.as_chunks_mut::<2>().0 {
                            *point = [point[0] * x, point[1] * y];
                        }
                    };
                    if format.is_rotated() {
                        rows.convert(by_corners(format))?;
                        rows.each(|b| {
                            scale(b);
                            from_parallelogram(b);
                        });
                        clamp(rows, canvas, mode)?;
                        rows.convert(format)?
                    } else {
                        rows.each(scale)
                    }
                })?;
            Ok(boxes.on_canvas(tensor, canvas))
        },
        |points| {
            let (h, w) = points.canvas_size();
            let canvas = size.resized(h, w, max_size);
            if canvas == (h, w) {
                return Ok(points.clone());
            }
            let (x, y) = (canvas.1 as f64 / w as f64, canvas.0 as f64 / h as f64);
            let tensor = on_points!(points, |rows: R, x: f64, y: f64| {
                let (x, y) = (R::of(f64::from(x as f32)), R::of(f64::from(y as f32)));
                rows.each(|p| (p[0], p[1]) = (p[0] * x, p[1] * y))
            })?;
            Ok(points.on_canvas(tensor, canvas))
        },
    );
    K::from_tv(out?)
}

/// Whether these options of resizing go together.
#[track_caller]
pub(in crate::transforms) fn check(
    size: Size,
    interpolation: InterpolationMode,
    max_size: Option<usize>,
    antialias: bool,
) -> Result<()> {
    let (h, w) = size.square();
    ensure!(h > 0 && w > 0, Argument, "resize", "a size of {h}×{w} has no pixels");
    if let Some(most) = max_size {
        let Size::One(n) = size else {
            flambeau_tensor::bail!(Argument, "resize", "max_size is for a size that is one number, not for {h}×{w}")
        };
        ensure!(n < most, Argument, "resize", "max_size = {most} is not above the {n} of the shorter side");
    }
    ensure!(
        antialias || interpolation != InterpolationMode::Lanczos,
        Argument,
        "resize",
        "Lanczos interpolation comes with antialias only"
    );
    Ok(())
}

#[track_caller]
fn resize_image(
    image: &Tensor,
    (height, width): (usize, usize),
    interpolation: InterpolationMode,
    antialias: bool,
) -> Result<Tensor> {
    let (h, w) = height_width("resize", image)?;
    if (h, w) == (height, width) {
        return Ok(image.clone());
    }
    ensure!(
        image.numel() > 0 && height > 0 && width > 0,
        Shape,
        "resize",
        "shape {:?} to {height}×{width}: there are no pixels",
        image.shape()
    );
    let op = interpolation_to((height, width), interpolation, antialias);
    // Its channels may lie side by side only where it is one of several.
    let batched = if image.rank() == 3 { image.unsqueeze(0)? } else { image.clone() };
    let picks = matches!(interpolation, InterpolationMode::Nearest | InterpolationMode::NearestExact);
    let dtype = image.dtype();
    let resized = match picks || dtype == DType::U8 || dtype.is_float() {
        true => dispatch(op, &[&batched])?,
        false => dispatch(op, &[&batched.to_dtype(DType::F32)?])?.round()?.to_dtype(dtype)?,
    };
    if image.rank() == 3 { resized.squeeze(0) } else { Ok(resized) }
}

/// The op that makes an image this large.
pub(in crate::transforms) fn interpolation_to(
    (height, width): (usize, usize),
    interpolation: InterpolationMode,
    antialias: bool,
) -> Interpolate {
    let mode = match interpolation {
        InterpolationMode::Nearest => InterpolateMode::Nearest,
        InterpolationMode::NearestExact => InterpolateMode::NearestExact,
        InterpolationMode::Bilinear => InterpolateMode::Linear,
        InterpolationMode::Bicubic => InterpolateMode::Bicubic,
        InterpolationMode::Lanczos => InterpolateMode::Lanczos,
    };
    let antialias = antialias && !matches!(mode, InterpolateMode::Nearest | InterpolateMode::NearestExact);
    let size = [height, width].into_iter().collect();
    Interpolate { mode, size, factors: Default::default(), align_corners: false, antialias }
}
