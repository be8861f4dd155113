//! Non-maximum suppression.

use super::roi::on_host;
use crate::simd::simd;
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
use flambeau_tensor::op::{Meta, Metas, Outputs};
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// The numbers of the boxes `[N, 4]` (corners) that stay, the highest score first, where a box is left out that overlaps
/// one of a higher score by more than `iou_threshold`. Follows `torchvision.ops.nms`.
///
/// # Errors
/// Where they are no boxes, or not as many as `scores`.
#[track_caller]
pub fn nms(boxes: &Tensor, scores: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    kept("nms", boxes, scores, None, iou_threshold)
}

/// [`nms`] in which only boxes of one class (of the same number in `idxs`) leave each other out. Follows
/// `torchvision.ops.batched_nms`.
///
/// # Errors
/// Where they are no boxes, or not as many as `scores` and `idxs`.
#[track_caller]
pub fn batched_nms(boxes: &Tensor, scores: &Tensor, idxs: &Tensor, iou_threshold: f64) -> Result<Tensor> {
    kept("batched_nms", boxes, scores, Some(idxs), iou_threshold)
}

/// The boxes that stay.
#[track_caller]
fn kept(op: &'static str, boxes: &Tensor, scores: &Tensor, classes: Option<&Tensor>, threshold: f64) -> Result<Tensor> {
    let (shape, n) = (boxes.shape(), scores.numel());
    ensure!(
        shape.len() == 2 && shape[1] == 4 && scores.rank() == 1 && shape[0] == n,
        Shape,
        op,
        "boxes of shape {shape:?} and scores of shape {:?}; [N, 4] and [N] are expected",
        scores.shape()
    );
    let single = |x: &Tensor| x.detach().to_dtype(DType::F32);
    let (boxes, scores) = (single(boxes)?, single(scores)?);
    let classes = classes.map(|classes| classes.detach().to_dtype(DType::I64)).transpose()?;
    if let Some(classes) = &classes {
        ensure!(classes.numel() == n, Shape, op, "{} classes for {n} boxes", classes.numel());
    }
    let inputs: Vec<&Tensor> = [&boxes, &scores].into_iter().chain(&classes).collect();
    let all = Suppress { op, threshold }.call(&inputs)?;
    let count = all.to_vec::<i64>()?.iter().take_while(|at| **at >= 0).count();
    all.narrow(0, 0, count)?.contiguous()
}

/// Of boxes `[N, 4]`, scores `[N]` and perhaps classes `[N]` the numbers of those that stay, then -1: `[N]`.
#[derive(Clone, Copy, Debug)]
struct Suppress {
    op: &'static str,
    threshold: f64,
}

impl CustomOp for Suppress {
    fn name(&self) -> &'static str {
        self.op
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::new(inputs[1].shape(), DType::I64).one()
    }

    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }

    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        on_host(*self, inputs)
    }
}

impl CpuKernel for Suppress {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let (boxes, scores) = (inputs[0].rows::<f32>()?, inputs[1].rows::<f32>()?);
        let boxes = boxes.as_chunks::<4>().0;
        let keep = match inputs.get(2) {
            None => suppress(boxes, &by_score(&scores, 0..scores.len()), self.threshold),
            Some(classes) => by_class(boxes, &scores, &classes.rows::<i64>()?, self.threshold),
        };
        let all = outputs[0].rows::<i64>()?;
        all.fill(-1);
        all.iter_mut().zip(keep).for_each(|(to, at)| *to = at as i64);
        Ok(())
    }
}

/// [`suppress`] among the boxes of each class.
fn by_class(boxes: &[[f32; 4]], scores: &[f32], classes: &[i64], threshold: f64) -> Vec<usize> {
    let n = scores.len();
    if n * 4 <= 4000 {
        // As torchvision does it for few boxes: moved apart by class, which rounds them a little.
        let most = boxes.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
        let moved = |(b, class): (&[f32; 4], &i64)| b.map(|v| v + *class as f32 * (most + 1.0));
        let moved: Vec<[f32; 4]> = boxes.iter().zip(classes).map(moved).collect();
        return suppress(&moved, &by_score(scores, 0..n), threshold);
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| classes[*i]);
    let mut keep: Vec<usize> = order
        .chunk_by(|a, b| classes[*a] == classes[*b])
        .flat_map(|class| suppress(boxes, &by_score(scores, class.iter().copied()), threshold))
        .collect();
    keep.sort_unstable();
    by_score(scores, keep)
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

/// Those of `order` that stay: each that overlaps none of those that stay before it by more than the threshold.
fn suppress(boxes: &[[f32; 4]], order: &[usize], threshold: f64) -> Vec<usize> {
    let grid = Grid::new(boxes, order, threshold);
    let limit = at_most(threshold);
    let (mut keep, mut all, mut large) = (Vec::new(), Sides::default(), Sides::default());
    let mut cells = vec![Sides::default(); grid.side * grid.side];
    for at in order {
        let of = boxes[*at];
        let gone = match grid.cells(of) {
            Some(near) => large.overlap(of, limit) || near.clone().any(|cell| cells[cell].overlap(of, limit)),
            None => all.overlap(of, limit),
        };
        if gone {
            continue;
        }
        keep.push(*at);
        all.push(of);
        match grid.cells(of) {
            Some(near) => near.for_each(|cell| cells[cell].push(of)),
            None => large.push(of),
        }
    }
    keep
}

/// The largest single precision number that is not above `threshold`: none lies between the two.
fn at_most(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

/// The picture in squares. Boxes that overlap have one in common, since the square of a place rises with the place. A box
/// over many squares is in none.
struct Grid {
    side: usize,
    start: [f32; 2],
    scale: [f32; 2],
}

impl Grid {
    /// Boxes below this number are compared with all others.
    const FEW: usize = 256;
    /// More squares than these are many.
    const MANY: usize = 36;

    fn new(boxes: &[[f32; 4]], order: &[usize], threshold: f64) -> Grid {
        let none = Grid { side: 0, start: [0.0; 2], scale: [0.0; 2] };
        // Below 0 boxes that are apart leave each other out, too.
        if order.len() < Self::FEW || threshold < 0.0 || threshold.is_nan() {
            return none;
        }
        let side = ((order.len() / 16) as f64).sqrt().clamp(4.0, 64.0) as usize;
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for of in order.iter().map(|at| boxes[*at]).filter(|of| of.iter().all(|v| v.is_finite())) {
            for i in 0..2 {
                (low[i], high[i]) = (low[i].min(of[i]), high[i].max(of[i + 2]));
            }
        }
        let scale = [0, 1].map(|i| side as f32 / (high[i] - low[i]));
        match scale.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
            true => Grid { side, start: low, scale },
            false => none,
        }
    }

    /// The squares that a box lies on, if they are not many.
    fn cells(&self, of: [f32; 4]) -> Option<impl Iterator<Item = usize> + Clone + use<>> {
        if self.side == 0 || !of.iter().all(|v| v.is_finite()) {
            return None;
        }
        let side = self.side;
        let at = |i: usize| (((of[i] - self.start[i % 2]) * self.scale[i % 2]) as usize).min(side - 1);
        let (left, top, right, bottom) = (at(0), at(1), at(2), at(3));
        let many = (right + 1).saturating_sub(left) * (bottom + 1).saturating_sub(top) > Self::MANY;
        (!many).then(|| (top..=bottom).flat_map(move |row| (left..=right).map(move |column| row * side + column)))
    }
}

/// Boxes, side by side.
#[derive(Clone, Default)]
struct Sides {
    x1: Vec<f32>,
    y1: Vec<f32>,
    x2: Vec<f32>,
    y2: Vec<f32>,
}

impl Sides {
    fn push(&mut self, [x1, y1, x2, y2]: [f32; 4]) {
        self.x1.push(x1);
        self.y1.push(y1);
        self.x2.push(x2);
        self.y2.push(y2);
    }

    /// Whether one of them overlaps `of` by more than `limit`.
    fn overlap(&self, of: [f32; 4], limit: f32) -> bool {
        simd(
            #[inline(always)]
            || any_overlap(of, [&self.x1, &self.y1, &self.x2, &self.y2], limit),
        )
    }
}

#[inline(always)]
fn any_overlap(of: [f32; 4], sides: [&[f32]; 4], limit: f32) -> bool {
    const TOGETHER: usize = 64;
    let n = sides[0].len();
    let area = (of[2] - of[0]) * (of[3] - of[1]);
    let mut from = 0;
    while from < n {
        let to = (from + TOGETHER).min(n);
        let [x1, y1, x2, y2] = sides.map(|side| &side[from..to]);
        let mut over = 0u32;
        for i in 0..to - from {
            let width = (of[2].min(x2[i]) - of[0].max(x1[i])).max(0.0);
            let height = (of[3].min(y2[i]) - of[1].max(y1[i])).max(0.0);
            let common = width * height;
            let overlap = common / (area + (x2[i] - x1[i]) * (y2[i] - y1[i]) - common);
            over |= u32::from(overlap > limit);
        }
        if over != 0 {
            return true;
        }
        from = to;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_tensor::Generator;

    /// As the definition says: one after the other, against all that stay.
    fn plainly(boxes: &[[f32; 4]], order: &[usize], threshold: f64) -> Vec<usize> {
        let mut keep: Vec<usize> = Vec::new();
        for at in order {
            let b = boxes[*at];
            let over = |a: &[f32; 4]| {
                let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
                let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
                let area = |a: &[f32; 4]| (a[2] - a[0]) * (a[3] - a[1]);
                f64::from(width * height / (area(a) + area(&b) - width * height)) > threshold
            };
            if !keep.iter().any(|kept| over(&boxes[*kept])) {
                keep.push(*at);
            }
        }
        keep
    }

    #[test]
    fn squares_leave_out_what_the_definition_leaves_out() {
        let draw = |shape: [usize; 2], seed| {
            Tensor::rand(shape).generator(&Generator::with_seed(seed)).build().unwrap().to_vec::<f32>().unwrap()
        };
        let (n, mut boxes) = (1500, Vec::new());
        for (i, r) in draw([n, 4], 1).as_chunks::<4>().0.iter().enumerate() {
            // Small ones, large ones, some turned inside out, some that are no boxes.
            let size = if i % 50 == 0 { 900.0 } else { 60.0 };
            let (x, y) = (r[0] * 1000.0 - 300.0, r[1] * 800.0);
            boxes.push(match i % 97 {
                3 => [x + 9.0, y, x, y + 9.0],
                5 => [f32::NAN, y, x + 50.0, y + 50.0],
                7 => [f32::NEG_INFINITY, y, f32::INFINITY, y + 50.0],
                9 => [x, y, x, y],
                _ => [x, y, x + r[2] * size, y + r[3] * size],
            });
        }
        let order: Vec<usize> = (0..n).collect();
        for threshold in [0.0, 0.1, 0.5, 0.7, 1.0, -0.5, f64::NAN] {
            for n in [n, 100] {
                assert_eq!(suppress(&boxes, &order[..n], threshold), plainly(&boxes, &order[..n], threshold));
            }
        }
        // All at one place: there are no squares.
        assert_eq!(suppress(&[[1.0, 1.0, 1.0, 1.0]; 300], &order[..300], 0.5).len(), 300);
    }

    #[test]
    fn limits_are_those_of_double_precision() {
        for (threshold, limit) in [(0.5, 0.5f32), (0.7, 0.7f32), (0.1, 0.1f32.next_down())] {
            assert_eq!(at_most(threshold), limit);
        }
        // The nearest single number to 0.3 lies above it.
        assert!(f64::from(at_most(0.3)) <= 0.3 && f64::from(at_most(0.3).next_up()) > 0.3);
    }
}
