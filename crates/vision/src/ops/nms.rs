//! Non-maximum suppression.

use crate::simd::simd;
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// The numbers of the boxes `[N, 4]` (corners) that stay, the highest score first, where a box is left out that overlaps
/// one of a higher score by more than `iou_threshold`. Follows `torchvision.ops.nms`.
///
/// # Errors
/// Where they are no boxes, or not as many as `scores`.
#[track_caller]
pub fn nms(boxes: &Tensor, scores: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    let (corners, scores) = check("nms", boxes, scores)?;
    kept(suppress(&corners, &by_score(&scores, 0..scores.len()), iou_threshold))
}

/// [`nms`] in which only boxes of one class (of the same number in `idxs`) leave each other out. Follows
/// `torchvision.ops.batched_nms`.
///
/// # Errors
/// Where they are no boxes, or not as many as `scores` and `idxs`.
#[track_caller]
pub fn batched_nms(boxes: &Tensor, scores: &Tensor, idxs: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    let op = "batched_nms";
    let (corners, scores) = check(op, boxes, scores)?;
    let classes = idxs.detach().to_dtype(DType::I64)?.to_vec::<i64>()?;
    let n = scores.len();
    ensure!(classes.len() == n, Shape, op, "{} classes for {n} boxes", classes.len());
    if n * 4 <= 4000 {
        // As torchvision does it for few boxes: moved apart by class, which rounds them a little.
        let most = corners.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
        let moved = |(b, class): (&[f32; 4], &i64)| b.map(|v| v + *class as f32 * (most + 1.0));
        let moved: Vec<[f32; 4]> = corners.iter().zip(&classes).map(moved).collect();
        return kept(suppress(&moved, &by_score(&scores, 0..n), iou_threshold));
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| classes[*i]);
    let mut keep: Vec<usize> = order
        .chunk_by(|a, b| classes[*a] == classes[*b])
        .flat_map(|class| suppress(&corners, &by_score(&scores, class.iter().copied()), iou_threshold))
        .collect();
    keep.sort_unstable();
    kept(by_score(&scores, keep))
}

/// Boxes and scores in single precision.
#[track_caller]
fn check(op: &'static str, boxes: &Tensor, scores: &Tensor) -> Result<(Vec<[f32; 4]>, Vec<f32>)> {
    let (shape, n) = (boxes.shape(), scores.numel());
    ensure!(
        shape.len() == 2 && shape[1] == 4 && scores.rank() == 1 && shape[0] == n,
        Shape,
        op,
        "boxes of shape {shape:?} and scores of shape {:?}; [N, 4] and [N] are expected",
        scores.shape()
    );
    let numbers = |x: &Tensor| x.detach().to_dtype(DType::F32)?.to_vec::<f32>();
    Ok((numbers(boxes)?.as_chunks::<4>().0.to_vec(), numbers(scores)?))
}

/// The highest score first, of equal ones the first; NaN before all, as PyTorch sorts.
fn by_score(scores: &[f32], which: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut order: Vec<usize> = which.into_iter().collect();
    order.sort_by(|a, b| {
        let (a, b) = (scores[*a], scores[*b]);
        b.partial_cmp(&a).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    });
    order
}

#[track_caller]
fn kept(keep: Vec<usize>) -> Result<Tensor> {
    let n = keep.len();
    Tensor::from_vec(keep.into_iter().map(|i| i as i64).collect::<Vec<_>>(), [n])
}

/// Those of `order` that stay.
fn suppress(boxes: &[[f32; 4]], order: &[usize], threshold: f64) -> Vec<usize> {
    let mut keep = Vec::new();
    let side = |i: usize| order.iter().map(|at| boxes[*at][i]).collect::<Vec<f32>>();
    let (mut x1, mut y1, mut x2, mut y2) = (side(0), side(1), side(2), side(3));
    let mut left: Vec<usize> = order.to_vec();
    let mut gone: Vec<bool> = Vec::new();
    // Those that are left are packed again now and then, so that every pass is over what may still stay.
    while let Some(best) = left.first().copied() {
        keep.push(best);
        let of = [x1[0], y1[0], x2[0], y2[0]];
        gone.clear();
        gone.resize(left.len(), false);
        simd(|| mark(of, [&x1, &y1, &x2, &y2], threshold, &mut gone));
        gone[0] = true;
        let mut stays = gone.iter().map(|gone| !gone);
        left.retain(|_| stays.next().unwrap_or(false));
        for side in [&mut x1, &mut y1, &mut x2, &mut y2] {
            let mut stays = gone.iter().map(|gone| !gone);
            side.retain(|_| stays.next().unwrap_or(false));
        }
    }
    keep
}

/// Which boxes overlap `of` by more than the threshold.
#[inline(always)]
fn mark(of: [f32; 4], [x1, y1, x2, y2]: [&[f32]; 4], threshold: f64, gone: &mut [bool]) {
    let area = (of[2] - of[0]) * (of[3] - of[1]);
    for ((((gone, x1), y1), x2), y2) in gone.iter_mut().zip(x1).zip(y1).zip(x2).zip(y2) {
        let width = (of[2].min(*x2) - of[0].max(*x1)).max(0.0);
        let height = (of[3].min(*y2) - of[1].max(*y1)).max(0.0);
        let common = width * height;
        let overlap = common / (area + (x2 - x1) * (y2 - y1) - common);
        *gone = f64::from(overlap) > threshold;
    }
}
