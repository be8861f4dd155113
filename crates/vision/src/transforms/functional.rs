//! The transforms as functions, without options left open and without chance, as
//! `torchvision.transforms.functional`.

use super::kinds::{Fill, Padding, PaddingMode};
use flambeau_tensor::{Category, DType, Result, Tensor, bail, ensure};

pub use super::affine::{affine, rotate};
pub use super::resize::resize;

/// Height and width of an image.
#[track_caller]
pub(super) fn height_width(op: &'static str, image: &Tensor) -> Result<(usize, usize)> {
    match image.shape() {
        [.., height, width] => Ok((*height, *width)),
        shape => bail!(Shape, op, "shape {shape:?} is not that of an image, [..., H, W]"),
    }
}

/// `u8` in 0 to 255 as `f32` in 0 to 1; floating point as it is. Follows
/// `torchvision.transforms.functional.to_tensor`, for which a `u8` tensor here is a PIL image.
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
fn integer_range(dtype: DType) -> Option<(f64, u32)> {
    match dtype {
        DType::Bool => Some((1.0, 1)),
        DType::U8 => Some((255.0, 8)),
        DType::I8 => Some((127.0, 7)),
        DType::I16 => Some((f64::from(i16::MAX), 15)),
        DType::I32 => Some((f64::from(i32::MAX), 31)),
        DType::I64 => Some((i64::MAX as f64, 63)),
        _ => None,
    }
}

/// In another dtype; with `scale` also from the range of the one to that of the other (0 to 1 for floating
/// point, 0 to the largest number for integers). Follows `torchvision.transforms.v2.functional.to_dtype`.
///
/// # Errors
/// Where `scale` would have to make integers that the floating dtype cannot tell apart.
#[track_caller]
pub fn to_dtype(image: &Tensor, dtype: DType, scale: bool) -> Result<Tensor> {
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

/// (x − mean) / std, one mean and one standard deviation for each channel, or one for all. Follows
/// `torchvision.transforms.functional.normalize`.
///
/// # Errors
/// Where the image is not floating point, a standard deviation is zero, or they are not as many as the
/// channels.
#[track_caller]
pub fn normalize(image: &Tensor, mean: &[f64], std: &[f64]) -> Result<Tensor> {
    check_std(std)?;
    check_normalize(image, mean.len(), std.len())?;
    if let ([mean], [std]) = (mean, std) {
        let x = image.sub(*mean)?;
        x.div_(*std)?;
        return Ok(x);
    }
    let channels = |values: &[f64]| Tensor::from_slice(values, [values.len(), 1, 1])?.to_dtype(image.dtype());
    let x = image.sub(&channels(mean)?)?;
    x.div_(&channels(std)?)?;
    Ok(x)
}

#[track_caller]
pub(super) fn check_std(std: &[f64]) -> Result<()> {
    let zero = std.iter().position(|s| *s == 0.0);
    ensure!(
        zero.is_none(),
        Argument,
        "normalize",
        "std is zero for channel {}: there is nothing to divide by",
        zero.unwrap_or(0)
    );
    Ok(())
}

#[track_caller]
fn check_normalize(image: &Tensor, means: usize, stds: usize) -> Result<()> {
    let (dtype, shape) = (image.dtype(), image.shape());
    ensure!(
        dtype.is_float(),
        DType,
        "normalize",
        "the image is {dtype}, it should be floating point: ToTensor comes first"
    );
    let &[.., channels, _, _] = shape else {
        bail!(Shape, "normalize", "shape {shape:?} is not that of an image, [..., C, H, W]")
    };
    for (n, what) in [(means, "mean"), (stds, "std")] {
        ensure!(
            n == 1 || n == channels,
            Argument,
            "normalize",
            "{n} values of {what} for the {channels} channels of shape {shape:?}"
        );
    }
    Ok(())
}

/// Brightness of an RGB image, 0.2989 R + 0.587 G + 0.114 B, in one channel or thrice. Follows
/// `torchvision.transforms.functional.rgb_to_grayscale`.
///
/// # Errors
/// Where the image has neither one nor three channels, or `channels` is neither.
#[track_caller]
pub fn rgb_to_grayscale(image: &Tensor, channels: usize) -> Result<Tensor> {
    let op = "rgb_to_grayscale";
    ensure!(channels == 1 || channels == 3, Argument, op, "{channels} channels: a gray image has one or three");
    let shape = image.shape();
    let gray = match shape {
        [.., 1, _, _] => image.clone(),
        [.., 3, _, _] => {
            let float = if image.dtype().is_float() { image.dtype() } else { DType::F32 };
            let weighed =
                |channel: usize, weight: f64| image.narrow(-3, channel as isize, 1)?.to_dtype(float)?.mul(weight);
            weighed(0, 0.2989)?.add(&weighed(1, 0.587)?)?.add(&weighed(2, 0.114)?)?.to_dtype(image.dtype())?
        }
        _ => bail!(Shape, op, "shape {shape:?} is not that of an RGB image, [..., 3, H, W]"),
    };
    if channels == 1 {
        return Ok(gray);
    }
    let mut wide = gray.shape().to_vec();
    let at = wide.len() - 3;
    wide[at] = 3;
    gray.expand(&wide)
}

/// The image mirrored left to right.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn hflip(image: &Tensor) -> Result<Tensor> {
    height_width("hflip", image)?;
    image.flip(-1)
}

/// The image mirrored top to bottom.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn vflip(image: &Tensor) -> Result<Tensor> {
    height_width("vflip", image)?;
    image.flip(-2)
}

/// The part of `height` × `width` pixels whose corner is at `top` and `left`; a view where all of it is
/// inside, zero where it is not. Follows `torchvision.transforms.functional.crop`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn crop(image: &Tensor, top: isize, left: isize, height: usize, width: usize) -> Result<Tensor> {
    window(image, top, left, height, width, 0.0)
}

/// [`crop`] with `fill` where it reaches out of the image.
#[track_caller]
pub(super) fn window(
    image: &Tensor,
    top: isize,
    left: isize,
    height: usize,
    width: usize,
    fill: f64,
) -> Result<Tensor> {
    let (h, w) = height_width("crop", image)?;
    let (bottom, right) = (top.saturating_add_unsigned(height), left.saturating_add_unsigned(width));
    if top >= 0 && left >= 0 && bottom <= h as isize && right <= w as isize {
        return image.narrow(-2, top, height)?.narrow(-1, left, width);
    }
    let (y, x) = (Span::of(top, height, h), Span::of(left, width, w));
    let inside = image.narrow(-2, y.start as isize, y.len)?.narrow(-1, x.start as isize, x.len)?;
    inside.pad(
        &[x.before as isize, x.behind as isize, y.before as isize, y.behind as isize],
        in_dtype(fill, image.dtype()),
    )
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

/// The part of `height` × `width` pixels in the middle; an image that is smaller gets zeros around it.
/// Follows `torchvision.transforms.functional.center_crop`.
///
/// # Errors
/// Where it is no image.
#[track_caller]
pub fn center_crop(image: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (h, w) = height_width("center_crop", image)?;
    let start = |have: usize, want: usize| {
        if want > have {
            -(((want - have) / 2) as isize)
        } else {
            // Python rounds a half to the even side.
            ((have - want) as f64 / 2.0).round_ties_even() as isize
        }
    };
    crop(image, start(h, height), start(w, width), height, width)
}

/// The image with pixels added at its sides. Follows `torchvision.transforms.functional.pad`.
///
/// # Errors
/// Where it is no image, a mirror needs more pixels than there are, or `fill` has neither one value nor one
/// for each channel.
#[track_caller]
pub fn pad(image: &Tensor, padding: impl Into<Padding>, fill: &Fill, mode: PaddingMode) -> Result<Tensor> {
    let (h, w) = height_width("pad", image)?;
    let Padding { left, top, right, bottom } = padding.into();
    if mode != PaddingMode::Constant {
        let rows = mirrored(image, -2, h, top, bottom, mode)?;
        return mirrored(&rows, -1, w, left, right, mode);
    }
    let pads = [left as isize, right as isize, top as isize, bottom as isize];
    if let [value] = fill.0[..] {
        return image.pad(&pads, in_dtype(value, image.dtype()));
    }
    let &[ref batch @ .., channels, _, _] = image.shape() else {
        bail!(
            Shape,
            "pad",
            "{} values of fill for an image without channels, of shape {:?}",
            fill.0.len(),
            image.shape()
        )
    };
    ensure!(fill.0.len() == channels, Argument, "pad", "{} values of fill for {channels} channels", fill.0.len());
    let mut shape = batch.to_vec();
    shape.extend([channels, h + top + bottom, w + left + right]);
    let values = Tensor::from_slice(&fill.0, [channels, 1, 1])?.to_dtype(image.dtype())?;
    let out = values.expand(&shape)?.copy()?;
    out.narrow(-2, top as isize, h)?.narrow(-1, left as isize, w)?.copy_(image)?;
    Ok(out)
}

/// `value` as a tensor of `dtype` would hold it.
pub(super) fn in_dtype(value: f64, dtype: DType) -> flambeau_tensor::Scalar {
    match dtype.category() {
        Category::Bool | Category::Int => flambeau_tensor::Scalar::Int(value as i64),
        _ => flambeau_tensor::Scalar::Float(value),
    }
}

/// Pixels of the image itself added before and behind dimension `dim` of `size`.
#[track_caller]
fn mirrored(
    image: &Tensor,
    dim: isize,
    size: usize,
    before: usize,
    behind: usize,
    mode: PaddingMode,
) -> Result<Tensor> {
    if before == 0 && behind == 0 {
        return Ok(image.clone());
    }
    let most = match mode {
        PaddingMode::Reflect => size.saturating_sub(1),
        PaddingMode::Symmetric => size,
        _ => {
            if size > 0 {
                usize::MAX
            } else {
                0
            }
        }
    };
    ensure!(
        before.max(behind) <= most,
        Argument,
        "pad",
        "{} by {before} and {behind} needs more than the {size} pixels there are",
        mode.python()
    );
    let last = size as i64 - 1;
    let numbers: Vec<i64> = (-(before as i64)..size as i64 + behind as i64)
        .map(|at| match (mode, at) {
            (PaddingMode::Edge, _) => at.clamp(0, last),
            (PaddingMode::Reflect, at) if at < 0 => -at,
            (PaddingMode::Reflect, at) if at > last => 2 * last - at,
            (PaddingMode::Symmetric, at) if at < 0 => -at - 1,
            (PaddingMode::Symmetric, at) if at > last => 2 * last + 1 - at,
            (_, at) => at,
        })
        .collect();
    let n = numbers.len();
    image.index_select(dim, &Tensor::from_vec(numbers, n)?)
}

#[cfg(test)]
mod tests;
