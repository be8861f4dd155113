//! Losses of boxes and of scores that are mostly zero.

use super::boxes::{proportions, sides, weight_of_proportions};
use flambeau_nn::functional::Reduction;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// The losses as they are, their mean or their sum.
#[track_caller]
fn reduced(op: &'static str, loss: &Tensor, reduction: Reduction) -> Result<Tensor> {
    match reduction {
        Reduction::None => Ok(loss.clone()),
        // The mean of no boxes is 0, so that a batch without any trains nothing.
        Reduction::Mean if loss.numel() == 0 => loss.sum(..),
        Reduction::Mean => loss.mean(..),
        Reduction::Sum => loss.sum(..),
        other => bail!(Argument, op, "{other:?} is no reduction of this loss"),
    }
}

#[track_caller]
fn float(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { Ok(x.clone()) } else { x.to_dtype(DType::F32) }
}

/// Pairs of boxes: what they have in common, what they cover, and the sides of the box around both.
struct Pairs {
    a: [Tensor; 4],
    b: [Tensor; 4],
    common: Tensor,
    union: Tensor,
    width: Tensor,
    height: Tensor,
}

impl Pairs {
    #[track_caller]
    fn new(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Pairs> {
        ensure!(a.shape() == b.shape(), Shape, op, "boxes of shapes {:?} and {:?}", a.shape(), b.shape());
        let (a, b) = (sides(op, &float(a)?)?, sides(op, &float(b)?)?);
        let area = |[x1, y1, x2, y2]: &[Tensor; 4]| x2.sub(x1)?.mul(&y2.sub(y1)?);
        let (left, top) = (a[0].maximum(&b[0])?, a[1].maximum(&b[1])?);
        let (right, bottom) = (a[2].minimum(&b[2])?, a[3].minimum(&b[3])?);
        let overlap = bottom.gt(&top)?.logical_and(&right.gt(&left)?)?;
        let common = right.sub(&left)?.mul(&bottom.sub(&top)?)?;
        let common = common.where_cond(&overlap, &common.zeros_like()?)?;
        let union = area(&a)?.add(&area(&b)?)?.sub(&common)?;
        let width = a[2].maximum(&b[2])?.sub(&a[0].minimum(&b[0])?)?;
        let height = a[3].maximum(&b[3])?.sub(&a[1].minimum(&b[1])?)?;
        Ok(Pairs { a, b, common, union, width, height })
    }

    #[track_caller]
    fn iou(&self, eps: f64) -> Result<Tensor> {
        self.common.div(&self.union.add(eps)?)
    }

    /// 1 − intersection over union + the distance of the middles; and the intersection over union.
    #[track_caller]
    fn distance(&self, eps: f64) -> Result<(Tensor, Tensor)> {
        let iou = self.iou(eps)?;
        let diagonal = self.width.square()?.add(&self.height.square()?)?.add(eps)?;
        let middle = |of: &[Tensor; 4], i: usize| of[i].add(&of[i + 2])?.div(2.0);
        let apart = |i: usize| middle(&self.a, i)?.sub(&middle(&self.b, i)?)?.square();
        let distance = apart(0)?.add(&apart(1)?)?.div(&diagonal)?;
        Ok((iou.rsub(1.0)?.add(&distance)?, iou))
    }
}

const EPS: f64 = 1e-7;

/// 1 − generalised intersection over union of pairs of boxes `[..., 4]` given by their corners. Follows
/// `torchvision.ops.generalized_box_iou_loss` (H. Rezatofighi et al., 2019).
///
/// # Errors
/// Where they are no boxes, or not as many.
#[track_caller]
pub fn generalized_box_iou_loss(a: &Tensor, b: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let op = "generalized_box_iou_loss";
    let pairs = Pairs::new(op, a, b)?;
    let area = pairs.width.mul(&pairs.height)?;
    let giou = pairs.iou(EPS)?.sub(&area.sub(&pairs.union)?.div(&area.add(EPS)?)?)?;
    reduced(op, &giou.rsub(1.0)?, reduction)
}

/// 1 − intersection over union + the distance of the middles of pairs of boxes `[..., 4]`. Follows
/// `torchvision.ops.distance_box_iou_loss` (Z. Zheng et al., 2020).
///
/// # Errors
/// Where they are no boxes, or not as many.
#[track_caller]
pub fn distance_box_iou_loss(a: &Tensor, b: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let op = "distance_box_iou_loss";
    reduced(op, &Pairs::new(op, a, b)?.distance(EPS)?.0, reduction)
}

/// [`distance_box_iou_loss`] + how much the proportions differ. Follows `torchvision.ops.complete_box_iou_loss`
/// (Z. Zheng et al., 2020).
///
/// # Errors
/// Where they are no boxes, or not as many.
#[track_caller]
pub fn complete_box_iou_loss(a: &Tensor, b: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let op = "complete_box_iou_loss";
    let pairs = Pairs::new(op, a, b)?;
    let (diou, iou) = pairs.distance(EPS)?;
    let angle = |[x1, y1, x2, y2]: &[Tensor; 4]| x2.sub(x1)?.div(&y2.sub(y1)?)?.atan();
    let v = proportions(&angle(&pairs.b)?, &angle(&pairs.a)?)?;
    reduced(op, &diou.add(&weight_of_proportions(&v, &iou)?.mul(&v)?)?, reduction)
}

/// Binary cross-entropy of scores (before the sigmoid) with `targets` 0 or 1, in which what is easy counts little:
/// (1 − p)^`gamma`; positives are weighed by `alpha`, negatives by 1 − `alpha`. Follows
/// `torchvision.ops.sigmoid_focal_loss` ("Focal Loss for Dense Object Detection", T.-Y. Lin et al., 2017), whose
/// `alpha = -1` is `None`.
///
/// # Errors
/// Where the shapes do not go together, or `alpha` is not in 0 to 1.
#[track_caller]
pub fn sigmoid_focal_loss(
    inputs: &Tensor,
    targets: &Tensor,
    alpha: Option<f64>,
    gamma: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let op = "sigmoid_focal_loss";
    if let Some(alpha) = alpha {
        ensure!((0.0..=1.0).contains(&alpha), Argument, op, "alpha = {alpha} is not in 0 to 1");
    }
    let p = inputs.sigmoid()?;
    // max(x, 0) − x · t + log(1 + exp(−|x|))
    let tail = inputs.abs()?.neg()?.exp()?.log1p()?;
    let cross_entropy = inputs.clamp_min(0.0)?.sub(&inputs.mul(targets)?)?.add(&tail)?;
    let others = targets.rsub(1.0)?;
    let p_true = p.mul(targets)?.add(&p.rsub(1.0)?.mul(&others)?)?;
    let loss = cross_entropy.mul(&p_true.rsub(1.0)?.pow(gamma)?)?;
    let loss = match alpha {
        Some(alpha) => targets.mul(alpha)?.add(&others.mul(1.0 - alpha)?)?.mul(&loss)?,
        None => loss,
    };
    reduced(op, &loss, reduction)
}
