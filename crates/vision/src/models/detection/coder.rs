//! What boxes are to anchors: which belong together, which of them train, and the numbers that move one to another.

use crate::ops::box_iou;
use flambeau_tensor::{DType, Result, Tensor, bail, cat, stack};

/// Boxes as moves of other boxes, as torchvision's `BoxCoder`.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxCoder {
    weights: [f64; 4],
}

/// How far a size may grow: the logarithm of 1000 / 16.
const MOST: f64 = 4.135_166_556_742_356;

impl BoxCoder {
    pub(super) fn new(weights: [f64; 4]) -> Self {
        BoxCoder { weights }
    }

    /// The centres and sizes of boxes `[N, 4]`, each `[N]`.
    #[track_caller]
    fn parts(boxes: &Tensor) -> Result<[Tensor; 4]> {
        let side = |i: isize| boxes.select(1, i);
        let (x1, y1) = (side(0)?, side(1)?);
        let (width, height) = (side(2)?.sub(&x1)?, side(3)?.sub(&y1)?);
        let (x, y) = (x1.add(&width.mul(0.5)?)?, y1.add(&height.mul(0.5)?)?);
        Ok([x, y, width, height])
    }

    /// The moves `[N, 4]` that make `boxes` of `anchors`, both `[N, 4]`.
    #[track_caller]
    pub(super) fn encode(&self, boxes: &Tensor, anchors: &Tensor) -> Result<Tensor> {
        let ([gx, gy, gw, gh], [x, y, w, h]) = (Self::parts(boxes)?, Self::parts(anchors)?);
        let [wx, wy, ww, wh] = self.weights;
        stack(
            &[
                gx.sub(&x)?.mul(wx)?.div(&w)?,
                gy.sub(&y)?.mul(wy)?.div(&h)?,
                gw.div(&w)?.log()?.mul(ww)?,
                gh.div(&h)?.log()?.mul(wh)?,
            ],
            1,
        )
    }

    /// The boxes `[N, C, 4]` that the moves `[N, 4 C]` make of `anchors` `[N, 4]`.
    #[track_caller]
    pub(super) fn decode(&self, moves: &Tensor, anchors: &Tensor) -> Result<Tensor> {
        let (n, each) = (anchors.shape()[0], moves.shape().get(1).copied().unwrap_or(0) / 4);
        let moves = moves.reshape([n, each, 4])?;
        let [x, y, w, h] = Self::parts(&anchors.to_dtype(moves.dtype())?)?;
        let wide = |t: &Tensor| t.unsqueeze(1);
        let (x, y, w, h) = (wide(&x)?, wide(&y)?, wide(&w)?, wide(&h)?);
        let part = |i: usize| moves.select(2, i as isize)?.div(self.weights[i]);
        let (x, y) = (part(0)?.mul(&w)?.add(&x)?, part(1)?.mul(&h)?.add(&y)?);
        let half = |i: usize, size: &Tensor| part(i)?.clamp_max(MOST)?.exp()?.mul(size)?.mul(0.5);
        let (w, h) = (half(2, &w)?, half(3, &h)?);
        stack(&[x.sub(&w)?, y.sub(&h)?, x.add(&w)?, y.add(&h)?], 2)
    }
}

/// Belongs to no box.
pub(super) const BELOW: i64 = -1;
/// Neither belongs to a box nor to none.
pub(super) const BETWEEN: i64 = -2;

/// Which box an anchor belongs to, as torchvision's `Matcher`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matcher {
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) allow_low_quality: bool,
}

impl Matcher {
    /// For each anchor the box that it overlaps most, or [`BELOW`] or [`BETWEEN`].
    #[track_caller]
    pub(super) fn matches(&self, boxes: &Tensor, anchors: &Tensor) -> Result<Vec<i64>> {
        let iou = box_iou(&boxes.detach(), &anchors.detach())?;
        let &[m, n] = iou.shape() else { bail!(Shape, "Matcher", "shape {:?}", iou.shape()) };
        if n == 0 {
            bail!(Argument, "Matcher", "there are no boxes to choose among in one of the images");
        }
        let iou = iou.to_dtype(DType::F32)?.to_vec::<f32>()?;
        let best = |j: usize| {
            (1..m).fold((0, iou[j]), |best, i| if iou[i * n + j] > best.1 { (i, iou[i * n + j]) } else { best })
        };
        let best: Vec<(usize, f32)> = (0..n).map(best).collect();
        let (low, high) = (self.low as f32, self.high as f32);
        let found = |(i, value): &(usize, f32)| match value {
            value if *value < low => BELOW,
            value if *value < high => BETWEEN,
            _ => *i as i64,
        };
        let mut matches: Vec<i64> = best.iter().map(found).collect();
        if self.allow_low_quality {
            for row in iou.chunks_exact(n) {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for (j, _) in row.iter().enumerate().filter(|(_, value)| **value == most) {
                    matches[j] = best[j].0 as i64;
                }
            }
        }
        Ok(matches)
    }
}

/// How many examples train, and how many of them may be boxes, as torchvision's `BalancedPositiveNegativeSampler`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    pub(super) batch_size_per_image: usize,
    pub(super) positive_fraction: f64,
}

impl Sampler {
    /// Draws among the examples with labels: the places of those above 0 and of those that are 0, each in order.
    #[track_caller]
    pub(super) fn draw(&self, labels: &[i64]) -> Result<(Vec<i64>, Vec<i64>)> {
        let places = |wanted: fn(&i64) -> bool| -> Vec<i64> {
            labels.iter().enumerate().filter(|(_, label)| wanted(label)).map(|(i, _)| i as i64).collect()
        };
        let (positive, negative) = (places(|label| *label >= 1), places(|label| *label == 0));
        let most = (self.batch_size_per_image as f64 * self.positive_fraction) as usize;
        let num_pos = most.min(positive.len());
        let num_neg = self.batch_size_per_image.saturating_sub(num_pos).min(negative.len());
        let some = |places: &[i64], count: usize| -> Result<Vec<i64>> {
            let order = Tensor::randperm(places.len()).build()?.to_vec::<i64>()?;
            let mut some: Vec<i64> = order.iter().take(count).map(|i| places[*i as usize]).collect();
            some.sort_unstable();
            Ok(some)
        };
        Ok((some(&positive, num_pos)?, some(&negative, num_neg)?))
    }
}

/// The rows of `x` at `places`.
#[track_caller]
pub(super) fn rows(x: &Tensor, places: &[i64]) -> Result<Tensor> {
    x.index_select(0, Tensor::from_slice(places, [places.len()])?.to_device(x.device())?)
}

/// The places where a list of truth values is true.
#[track_caller]
pub(super) fn places(mask: &Tensor) -> Result<Vec<i64>> {
    let mask = mask.to_vec::<bool>()?;
    Ok(mask.iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i as i64).collect())
}

/// All rows of a list of tensors; none of `columns` columns where the list is empty.
#[track_caller]
pub(super) fn joined(parts: &[Tensor], columns: usize) -> Result<Tensor> {
    if parts.is_empty() { Tensor::zeros([0, columns]).build() } else { cat(parts, 0) }
}
