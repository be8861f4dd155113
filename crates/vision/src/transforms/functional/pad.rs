//! Pixels added at the sides.

use super::boxes::{on_points, on_rows};
use super::clamp::clamp;
use super::crop::shift;
use super::{by_kind, height_width, in_dtype};
use crate::transforms::kinds::{Fill, Padding, PaddingMode};
use crate::tv_tensors::{ClampingMode, Kind, TVKind, TVTensor};
use flambeau_tensor::{Result, Tensor, bail, ensure};

/// With pixels added at the sides. Follows `torchvision.transforms.v2.functional.pad`.
///
/// # Errors
/// Where it is no image, a mirror needs more pixels than there are, boxes or points are to be mirrored, or `fill` has
/// neither one value nor one for each channel.
#[track_caller]
pub fn pad<K: Kind>(x: &K, padding: impl Into<Padding>, fill: &Fill, mode: PaddingMode) -> Result<K> {
    let padding = padding.into();
    let Padding { left, top, right, bottom } = padding;
    let part: TVTensor = x.clone().into();
    let kind = part.kind();
    let fill = fill.of(kind).unwrap_or(&[0.0]);
    let grown = |(h, w): (usize, usize)| {
        let sum = |n: usize, a: isize, b: isize| n.checked_add_signed(a)?.checked_add_signed(b);
        match (sum(h, top, bottom), sum(w, left, right)) {
            (Some(h), Some(w)) => Ok((h, w)),
            _ => bail!(Argument, "pad", "{padding:?} is too much for an image of {h}×{w}"),
        }
    };
    if matches!(kind, TVKind::BoundingBoxes | TVKind::KeyPoints) {
        ensure!(mode == PaddingMode::Constant, Argument, "pad", "{} padding cannot mirror a {kind:?}", mode.python());
    }
    ensure!(
        kind != TVKind::Mask || fill.len() == 1,
        Argument,
        "pad",
        "{} values of fill for a mask, which takes one",
        fill.len()
    );
    by_kind(
        x,
        |image| pad_image(image, padding, fill, mode, grown(height_width("pad", image)?)?),
        |boxes| {
            let (canvas, mode) = (grown(boxes.canvas_size())?, boxes.clamping_mode());
            let (x, y) = (left as f64, top as f64);
            let tensor =
                on_rows!(boxes, |rows: R, x: f64, y: f64, canvas: (usize, usize), mode: Option<ClampingMode>| {
                    shift(rows, x, y);
                    clamp(rows, canvas, mode)?
                })?;
            Ok(boxes.on_canvas(tensor, canvas))
        },
        |points| {
            let (x, y) = (left as f64, top as f64);
            let tensor = on_points!(points, |rows: R, x: f64, y: f64| {
                rows.each(|p| (p[0], p[1]) = (p[0] + R::of(x), p[1] + R::of(y)))
            })?;
            Ok(points.on_canvas(tensor, grown(points.canvas_size())?))
        },
    )
}

#[track_caller]
fn pad_image(
    image: &Tensor,
    Padding { left, top, right, bottom }: Padding,
    fill: &[f64],
    mode: PaddingMode,
    (height, width): (usize, usize),
) -> Result<Tensor> {
    let (h, w) = height_width("pad", image)?;
    if mode != PaddingMode::Constant {
        ensure!(fill.len() == 1, Argument, "pad", "{} values of fill for {} padding", fill.len(), mode.python());
        let rows = mirrored(image, -2, h, top, bottom, mode)?;
        return mirrored(&rows, -1, w, left, right, mode);
    }
    let pads = [left, right, top, bottom];
    if let [value] = *fill {
        return image.pad(&pads, in_dtype(value, image.dtype()));
    }
    let &[ref batch @ .., channels, _, _] = image.shape() else {
        bail!(Shape, "pad", "{} values of fill for an image without channels, of shape {:?}", fill.len(), image.shape())
    };
    ensure!(fill.len() == channels, Argument, "pad", "{} values of fill for {channels} channels", fill.len());
    let shape = [batch, &[channels, height, width]].concat();
    let values = Tensor::from_slice(fill, [channels, 1, 1])?.to_dtype(image.dtype())?;
    let inside = image.ones_like()?.pad(&pads, in_dtype(0.0, image.dtype()))?.ne(0)?;
    image.pad(&pads, in_dtype(0.0, image.dtype()))?.where_cond(&inside, &values.expand(&shape)?)
}

/// Pixels of the image itself added before and behind dimension `dim` of `size`.
#[track_caller]
fn mirrored(
    image: &Tensor,
    dim: isize,
    size: usize,
    before: isize,
    behind: isize,
    mode: PaddingMode,
) -> Result<Tensor> {
    if before == 0 && behind == 0 {
        return Ok(image.clone());
    }
    let most = match mode {
        PaddingMode::Reflect => size.saturating_sub(1),
        PaddingMode::Symmetric => size,
        _ if size > 0 => isize::MAX as usize,
        _ => 0,
    };
    ensure!(
        before.max(behind) <= most as isize,
        Argument,
        "pad",
        "{} by {before} and {behind} needs more than the {size} pixels there are",
        mode.python()
    );
    let (last, at) =
        (size as i64 - 1, Tensor::arange(-(before as i64), (size as i64).saturating_add(behind as i64)).build()?);
    // What is before the first pixel turns back at it; what is behind the last one does so seen from there.
    let turned = |at: &Tensor| match mode {
        PaddingMode::Symmetric => at.where_cond(&at.ge(0)?, &at.neg()?.sub(1)?),
        _ => at.abs(),
    };
    let numbers = match mode {
        PaddingMode::Edge => at.clamp(0, last)?,
        _ => turned(&turned(&at)?.rsub(last)?)?.rsub(last)?,
    };
    image.index_select(dim, &numbers)
}
