//! Masks and key points of what was found: what they are trained towards, and how they get into the image.

use super::coder::rows;
use crate::ops::{Rois, roi_align};
use flambeau_nn::functional::{binary_cross_entropy_with_logits, cross_entropy};
use flambeau_tensor::{DType, InterpolateMode, InterpolateOptions, Result, Tensor, bail, cat, stack};

/// How far the masks `[N, C, M, M]` of the classes `labels` are from those in the images, `[H, W]` each, seen through
/// the boxes of their regions.
#[track_caller]
pub(super) fn mask_loss(
    logits: &Tensor,
    regions: &[Tensor],
    masks: &[Tensor],
    labels: &[Vec<i64>],
    matched: &[Vec<i64>],
) -> Result<Tensor> {
    let size = logits.shape()[3];
    let mut targets = Vec::new();
    for ((boxes, masks), matched) in regions.iter().zip(masks).zip(matched) {
        let number: Vec<f32> = matched.iter().map(|i| *i as f32).collect();
        let number = Tensor::from_vec(number, [matched.len(), 1])?.to_dtype(boxes.dtype())?;
        let rois = cat(&[&number, &boxes.detach()], 1)?;
        let masks = masks.unsqueeze(1)?.to_dtype(boxes.dtype())?;
        targets.push(roi_align(&masks, Rois::from(&rois), (size, size), 1.0, None, false)?.squeeze(1)?);
    }
    let targets = cat(&targets, 0)?;
    if targets.numel() == 0 {
        return logits.sum(..)?.mul(0.0);
    }
    binary_cross_entropy_with_logits(of_classes(logits, &labels.concat())?, targets)
}

/// The map of each region's own class, `[N, M, M]`.
#[track_caller]
pub(super) fn of_classes(maps: &Tensor, classes: &[i64]) -> Result<Tensor> {
    let &[n, all, h, w] = maps.shape() else { bail!(Shape, "RoIHeads", "masks of shape {:?}", maps.shape()) };
    let places: Vec<i64> = classes.iter().enumerate().map(|(i, class)| i as i64 * all as i64 + class).collect();
    rows(&maps.reshape([n * all, h, w])?, &places)
}

/// The masks `[N, 1, M, M]` at the places of their boxes, `[N, 1, height, width]`.
#[track_caller]
pub(super) fn paste_masks(masks: &Tensor, boxes: &Tensor, (height, width): (usize, usize)) -> Result<Tensor> {
    let size = masks.size(-1)?;
    let masks = masks.detach().pad(&[1, 1, 1, 1], 0.0)?;
    let scale = (size + 2) as f32 / size as f32;
    let boxes = boxes.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
    let mut pasted = Vec::with_capacity(boxes.len() / 4);
    for (i, &[x1, y1, x2, y2]) in boxes.as_chunks::<4>().0.iter().enumerate() {
        let (w, h) = ((x2 - x1) * 0.5 * scale, (y2 - y1) * 0.5 * scale);
        let (x, y) = ((x2 + x1) * 0.5, (y2 + y1) * 0.5);
        let [x1, y1, x2, y2] = [x - w, y - h, x + w, y + h].map(|side| side as i64);
        let (w, h) = ((x2 - x1 + 1).max(1) as usize, (y2 - y1 + 1).max(1) as usize);
        let mask = masks.narrow(0, i as isize, 1)?;
        let mask = mask.interpolate(InterpolateOptions::size([h, w]).mode(InterpolateMode::Linear))?;
        let mask = mask.to_dtype(DType::F32)?.contiguous()?.to_vec::<f32>()?;
        let mut image = vec![0f32; height * width];
        let (left, right) = (x1.clamp(0, width as i64), (x2 + 1).clamp(0, width as i64));
        for row in y1.clamp(0, height as i64)..(y2 + 1).clamp(0, height as i64) {
            let from = (row - y1) as usize * w;
            for column in left..right {
                image[row as usize * width + column as usize] = mask[from + (column - x1) as usize];
            }
        }
        pasted.push(Tensor::from_vec(image, [1, height, width])?);
    }
    if pasted.is_empty() { Tensor::zeros([0, 1, height, width]).build() } else { stack(&pasted, 0) }
}

/// How far the maps `[N, K, S, S]` are from having their largest number at the key points of the regions' boxes.
#[track_caller]
pub(super) fn keypoint_loss(
    logits: &Tensor,
    regions: &[Tensor],
    points: &[Tensor],
    matched: &[Vec<i64>],
) -> Result<Tensor> {
    let &[n, k, height, width] = logits.shape() else {
        bail!(Shape, "RoIHeads", "key points' maps of shape {:?}", logits.shape())
    };
    let (mut valid, mut targets, mut at) = (Vec::new(), Vec::new(), 0);
    for ((boxes, points), matched) in regions.iter().zip(points).zip(matched) {
        let boxes = boxes.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
        let points = rows(points, matched)?.to_dtype(DType::F32)?.to_vec::<f32>()?;
        for (b, points) in boxes.as_chunks::<4>().0.iter().zip(points.chunks_exact((3 * k).max(1))) {
            for &[x, y, seen] in points.as_chunks::<3>().0 {
                let place = |at: f32, from: f32, to: f32| -> i64 {
                    let size = height as f32;
                    if at == to { height as i64 - 1 } else { ((at - from) * (size / (to - from))).floor() as i64 }
                };
                let (x, y) = (place(x, b[0], b[2]), place(y, b[1], b[3]));
                let inside = x >= 0 && y >= 0 && x < width as i64 && y < height as i64;
                if inside && seen > 0.0 {
                    valid.push(at);
                    targets.push(y * width as i64 + x);
                }
                at += 1;
            }
        }
    }
    if valid.is_empty() {
        return logits.sum(..)?.mul(0.0);
    }
    let count = targets.len();
    cross_entropy(rows(&logits.reshape([n * k, height * width])?, &valid)?, Tensor::from_vec(targets, [count])?)
}

/// Where the maps `[N, K, S, S]` of regions with these boxes are largest: points `[N, K, 3]` and scores `[N, K]`.
#[track_caller]
pub(super) fn keypoints_of(maps: &Tensor, boxes: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, k) = (boxes.shape()[0], maps.shape()[1]);
    let boxes = boxes.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
    let (mut points, mut scores) = (Vec::with_capacity(n * k * 3), Vec::with_capacity(n * k));
    for (i, &[x1, y1, x2, y2]) in boxes.as_chunks::<4>().0.iter().enumerate() {
        let (w, h) = ((x2 - x1).max(1.0), (y2 - y1).max(1.0));
        let (columns, lines) = (w.ceil() as usize, h.ceil() as usize);
        let map = maps.narrow(0, i as isize, 1)?.transpose(0, 1)?;
        let map = map.interpolate(InterpolateOptions::size([lines, columns]).mode(InterpolateMode::Bicubic))?;
        let map = map.detach().to_dtype(DType::F32)?.contiguous()?.to_vec::<f32>()?;
        for map in map.chunks_exact(lines * columns) {
            let first = (0, map[0]);
            let (at, score) =
                map.iter().enumerate().fold(first, |best, (i, v)| if *v > best.1 { (i, *v) } else { best });
            let x = ((at % columns) as f32 + 0.5) * (w / columns as f32);
            let y = ((at / columns) as f32 + 0.5) * (h / lines as f32);
            points.extend([x + x1, y + y1, 1.0]);
            scores.push(score);
        }
    }
    Ok((Tensor::from_vec(points, [n, k, 3])?, Tensor::from_vec(scores, [n, k])?))
}
