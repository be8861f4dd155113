//! Boxes as tensors, and how far they overlap.

use crate::transforms::functional::convert_bounding_box_format;
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, no_grad, stack};

/// The four numbers of upright boxes `[..., 4]`.
#[track_caller]
pub(super) fn sides(op: &'static str, boxes: &Tensor) -> Result<[Tensor; 4]> {
    let fits = boxes.shape().last() == Some(&4);
    ensure!(fits, Shape, op, "shape {:?} is not that of boxes, [..., 4]", boxes.shape());
    match <[Tensor; 4]>::try_from(boxes.unbind(-1)?) {
        Ok(sides) => Ok(sides),
        Err(_) => bail!(Shape, op, "shape {:?} is not that of boxes", boxes.shape()),
    }
}

/// As torchvision computes areas: small numbers in a wider dtype.
#[track_caller]
fn wide(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F32 | DType::F64 | DType::I32 | DType::I64 => Ok(x.clone()),
        dtype if dtype.is_float() => x.to_dtype(DType::F32),
        _ => x.to_dtype(DType::I32),
    }
}

/// The boxes in another format. Follows `torchvision.ops.box_convert`; upright boxes `[N, 4]` have derivatives.
///
/// # Errors
/// Where they are no boxes of format `from`, or one format is for boxes that may be turned and the other is not.
#[track_caller]
pub fn box_convert(boxes: &Tensor, from: BoundingBoxFormat, to: BoundingBoxFormat) -> Result<Tensor> {
    use BoundingBoxFormat::{CXCYWH, XYWH, XYXY};
    if from.is_rotated() || to.is_rotated() || !boxes.dtype().is_float() {
        let boxes = BoundingBoxes::new(boxes.clone(), from, (0, 0))?;
        return Ok(convert_bounding_box_format(&boxes, to)?.into());
    }
    let [a, b, c, d] = sides("box_convert", boxes)?;
    let half = |x: &Tensor| x.mul(0.5);
    let [x1, y1, x2, y2] = match from {
        XYWH => [a.clone(), b.clone(), a.add(&c)?, b.add(&d)?],
        CXCYWH => [a.sub(&half(&c)?)?, b.sub(&half(&d)?)?, a.add(&half(&c)?)?, b.add(&half(&d)?)?],
        _ => [a, b, c, d],
    };
    let out = match to {
        XYXY => [x1, y1, x2, y2],
        XYWH => [x1.clone(), y1.clone(), x2.sub(&x1)?, y2.sub(&y1)?],
        _ => [x1.add(&x2)?.div(2.0)?, y1.add(&y2)?.div(2.0)?, x2.sub(&x1)?, y2.sub(&y1)?],
    };
    stack(&out, -1)
}

/// The areas of boxes `[..., 4]` given by their corners. Follows `torchvision.ops.box_area`.
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn box_area(boxes: &Tensor) -> Result<Tensor> {
    let [x1, y1, x2, y2] = sides("box_area", &wide(boxes)?)?;
    x2.sub(&x1)?.mul(&y2.sub(&y1)?)
}

/// What every box of `a` `[N, 4]` has in common with every box of `b` `[M, 4]`, and what they cover together.
#[track_caller]
fn inter_union(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let ([ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]) = (sides(op, a)?, sides(op, b)?);
    let each = |x: &Tensor| x.unsqueeze(-1);
    let width = wide(&each(&ax2)?.minimum(&bx2)?.sub(&each(&ax1)?.maximum(&bx1)?)?)?.clamp_min(0)?;
    let height = wide(&each(&ay2)?.minimum(&by2)?.sub(&each(&ay1)?.maximum(&by1)?)?)?.clamp_min(0)?;
    let common = width.mul(&height)?;
    let union = each(&box_area(a)?)?.add(&box_area(b)?)?.sub(&common)?;
    Ok((common, union))
}

/// Intersection over union of every box of `a` `[N, 4]` with every box of `b` `[M, 4]`, given by their corners:
/// `[N, M]`. Follows `torchvision.ops.box_iou`.
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (common, union) = inter_union("box_iou", a, b)?;
    common.div(&union)
}

/// [`box_iou`] of upright boxes of another format.
///
/// # Errors
/// Where they are no boxes, or boxes that may be turned.
#[track_caller]
pub fn box_iou_as(a: &Tensor, b: &Tensor, format: BoundingBoxFormat) -> Result<Tensor> {
    let corners = |boxes: &Tensor| box_convert(boxes, format, BoundingBoxFormat::XYXY);
    box_iou(&corners(a)?, &corners(b)?)
}

/// Width and height of the box around every pair.
#[track_caller]
fn hull(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let ([ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]) = (sides(op, a)?, sides(op, b)?);
    let each = |x: &Tensor| x.unsqueeze(-1);
    let width = wide(&each(&ax2)?.maximum(&bx2)?.sub(&each(&ax1)?.minimum(&bx1)?)?)?.clamp_min(0)?;
    let height = wide(&each(&ay2)?.maximum(&by2)?.sub(&each(&ay1)?.minimum(&by1)?)?)?.clamp_min(0)?;
    Ok((width, height))
}

/// Generalised intersection over union, which also tells how far apart two boxes are: `[N, M]`. Follows
/// `torchvision.ops.generalized_box_iou` (H. Rezatofighi et al., 2019).
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn generalized_box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let op = "generalized_box_iou";
    let (common, union) = inter_union(op, a, b)?;
    let (width, height) = hull(op, a, b)?;
    let area = width.mul(&height)?;
    common.div(&union)?.sub(&area.sub(&union)?.div(&area)?)
}

const EPS: f64 = 1e-7;

/// Intersection over union less the distance of the middles in units of the diagonal around both; and the former.
#[track_caller]
fn distance(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let iou = box_iou(a, b)?;
    let (width, height) = hull(op, a, b)?;
    let diagonal = width.square()?.add(&height.square()?)?.add(EPS)?;
    let middles = |boxes: &Tensor| -> Result<(Tensor, Tensor)> {
        let [x1, y1, x2, y2] = sides(op, boxes)?;
        Ok((x1.add(&x2)?.div(2.0)?, y1.add(&y2)?.div(2.0)?))
    };
    let ((ax, ay), (bx, by)) = (middles(a)?, middles(b)?);
    let (dx, dy) = (ax.unsqueeze(-1)?.sub(&bx)?, ay.unsqueeze(-1)?.sub(&by)?);
    let apart = wide(&dx)?.square()?.add(&wide(&dy)?.square()?)?;
    Ok((iou.sub(&apart.div(&diagonal)?)?, iou))
}

/// Intersection over union less the distance of the middles: `[N, M]`. Follows `torchvision.ops.distance_box_iou`
/// (Z. Zheng et al., 2020).
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn distance_box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(distance("distance_box_iou", a, b)?.0)
}

/// [`distance_box_iou`] less how much the proportions differ: `[N, M]`. Follows `torchvision.ops.complete_box_iou`
/// (Z. Zheng et al., 2020).
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn complete_box_iou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let op = "complete_box_iou";
    let (diou, iou) = distance(op, a, b)?;
    let angle = |boxes: &Tensor| -> Result<Tensor> {
        let [x1, y1, x2, y2] = sides(op, boxes)?;
        x2.sub(&x1)?.div(&y2.sub(&y1)?)?.atan()
    };
    let v = proportions(&angle(a)?.unsqueeze(-1)?, &angle(b)?)?;
    diou.sub(&weight_of_proportions(&v, &iou)?.mul(&v)?)
}

/// How much two angles of diagonals differ, 0 to 1.
#[track_caller]
pub(super) fn proportions(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.sub(b)?.square()?.mul(4.0 / (std::f64::consts::PI * std::f64::consts::PI))
}

/// How much that counts: more where the boxes overlap. No gradient flows through it.
#[track_caller]
pub(super) fn weight_of_proportions(v: &Tensor, iou: &Tensor) -> Result<Tensor> {
    no_grad(|| v.div(&iou.rsub(1.0)?.add(v)?.add(EPS)?))
}

/// The numbers of the boxes `[N, 4]` that are at least `min_size` wide and high. Follows
/// `torchvision.ops.remove_small_boxes`.
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn remove_small_boxes(boxes: &Tensor, min_size: f64) -> Result<Tensor> {
    let [x1, y1, x2, y2] = sides("remove_small_boxes", boxes)?;
    let keep = x2.sub(&x1)?.ge(min_size)?.logical_and(&y2.sub(&y1)?.ge(min_size)?)?;
    keep.nonzero()?.select(-1, 0)
}

/// The boxes `[..., 4]` cut off at the edges of an image of `size` (height, width). Follows
/// `torchvision.ops.clip_boxes_to_image`.
///
/// # Errors
/// Where they are no boxes.
#[track_caller]
pub fn clip_boxes_to_image(boxes: &Tensor, (height, width): (usize, usize)) -> Result<Tensor> {
    let [x1, y1, x2, y2] = sides("clip_boxes_to_image", boxes)?;
    let x = |x: &Tensor| x.clamp(0, width as i64);
    let y = |y: &Tensor| y.clamp(0, height as i64);
    stack(&[x(&x1)?, y(&y1)?, x(&x2)?, y(&y2)?], -1)
}

/// The box around each of the masks `[N, H, W]`: `[N, 4]`; zeros for an empty mask. Follows
/// `torchvision.ops.masks_to_boxes`.
///
/// # Errors
/// Where they are no masks.
#[track_caller]
pub fn masks_to_boxes(masks: &Tensor) -> Result<Tensor> {
    let &[n, h, w] = masks.shape() else {
        bail!(Shape, "masks_to_boxes", "shape {:?} is not that of masks, [N, H, W]", masks.shape())
    };
    let inside = masks.detach().ne(0)?.to_vec::<bool>()?;
    check_bytes("masks_to_boxes", n.saturating_mul(size_of::<[f32; 4]>()))?;
    let mut boxes = vec![0.0f32; n * 4];
    for (mask, of) in inside.chunks_exact((h * w).max(1)).zip(boxes.as_chunks_mut::<4>().0) {
        let mut around: Option<[usize; 4]> = None;
        for (i, row) in mask.chunks_exact(w.max(1)).enumerate() {
            let (Some(left), Some(right)) = (row.iter().position(|v| *v), row.iter().rposition(|v| *v)) else {
                continue;
            };
            let [x1, y1, x2, _] = around.unwrap_or([left, i, right, i]);
            around = Some([x1.min(left), y1, x2.max(right), i]);
        }
        *of = around.unwrap_or_default().map(|v| v as f32);
    }
    Tensor::from_vec(boxes, [n, 4])
}
