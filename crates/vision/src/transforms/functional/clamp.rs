//! Boxes and points that reach out of their image: cut off, or sorted out.

use super::boxes::{Rows, by_corners, on_points, on_rows};
use super::real::Real;
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, ClampingMode, KeyPoints};
use BoundingBoxFormat::{XYXY, XYXYXYXY};
use flambeau_tensor::{DType, Result, Tensor};

/// The boxes cut off at the edges of their image, as their own mode says. Follows
/// `torchvision.transforms.v2.functional.clamp_bounding_boxes`; for another mode see
/// [`BoundingBoxes::with_clamping_mode`].
///
/// # Errors
/// Where memory is short.
#[track_caller]
pub fn clamp_bounding_boxes(boxes: &BoundingBoxes) -> Result<BoundingBoxes> {
    let (canvas, mode) = (boxes.canvas_size(), boxes.clamping_mode());
    if mode.is_none() {
        return Ok(boxes.clone());
    }
    let tensor =
        on_rows!(boxes, |rows: R, canvas: (usize, usize), mode: Option<ClampingMode>| clamp(rows, canvas, mode)?)?;
    Ok(boxes.wrap(tensor))
}

/// The boxes cut off at the edges of a canvas.
#[track_caller]
pub(super) fn clamp<R: Real>(
    boxes: &mut Rows<R>,
    (height, width): (usize, usize),
    mode: Option<ClampingMode>,
) -> Result<()> {
    let Some(mode) = mode else { return Ok(()) };
    let format = boxes.format;
    let whole = std::mem::replace(&mut boxes.whole, false);
    boxes.convert(by_corners(format))?;
    let (h, w) = (R::of(height as f64), R::of(width as f64));
    if format.is_rotated() {
        boxes.each(|b| turned(b, h, w, mode));
    } else {
        let zero = R::default();
        boxes.each(|b| {
            (b[0], b[2]) = (b[0].within(zero, w), b[2].within(zero, w));
            (b[1], b[3]) = (b[1].within(zero, h), b[3].within(zero, h));
        });
    }
    boxes.convert(format)?;
    if whole {
        boxes.each(|b| *b = b.map(|v| R::of(v.wide().trunc())));
    }
    boxes.whole = whole;
    Ok(())
}

/// Cuts a turned box at the left edge, turns everything by 90°, and so on for all four.
fn turned<R: Real>(b: &mut [R; 8], h: R, w: R, mode: ClampingMode) {
    let mut original = *b;
    let (mut h, mut w) = (h, w);
    for _ in 0..4 {
        let first = leftmost(b);
        b.rotate_left(2 * first);
        original.rotate_left(2 * first);
        *b = cut_left(b, &original, h, w, mode);
        b.rotate_left(2 * first);
        original.rotate_left(2 * first);
        for corners in [&mut *b, &mut original] {
            for point in corners.as_chunks_mut::<2>().0 {
                *point = [point[1], w - point[0]];
            }
        }
        (h, w) = (w, h);
    }
}

/// The corner that is farthest to the left, of several the highest.
fn leftmost<R: Real>(b: &[R; 8]) -> usize {
    let greatest = |from: usize| b.iter().skip(from).step_by(2).fold(R::default(), |most, v| most.most(v.abs()));
    let (x_most, y_most) = (greatest(0), greatest(1));
    let place = |i: usize| b[2 * i + 1] / y_most + (b[2 * i] / x_most) * R::of(100.0);
    let mut least = (0, place(0));
    for i in 1..4 {
        let here = place(i);
        if !least.1.is_nan() && (here < least.1 || here.is_nan()) {
            least = (i, here);
        }
    }
    least.0
}

/// Slopes of the four sides, and where they cross the y axis.
fn lines<R: Real>(b: &[R; 8]) -> ([R; 4], [R; 4]) {
    let (mut slopes, mut intercepts) = ([R::default(); 4], [R::default(); 4]);
    for i in 0..4 {
        let (here, next) = (2 * i, 2 * ((i + 1) % 4));
        slopes[i] = (b[next + 1] - b[here + 1]) / (b[next] - b[here]);
        intercepts[i] = b[here + 1] - slopes[i] * b[here];
    }
    (slopes, intercepts)
}

fn near<R: Real>(a: R, b: R) -> bool {
    a == b || (a - b).abs() <= R::of(1e-8) + R::of(1e-5) * b.abs()
}

fn cut_left<R: Real>(b: &[R; 8], original: &[R; 8], h: R, w: R, mode: ClampingMode) -> [R; 8] {
    let [x1, y1, x2, y2, x3, y3, x4, y4] = *b;
    let zero = R::default();
    let (slopes, intercepts) = lines(b);
    let moved = move_sides(slopes, intercepts, lines(original).1, h, w, mode);
    // Where each side meets the one before it.
    let mut crossings = [zero; 8];
    for i in 0..4 {
        let before = (i + 3) % 4;
        let x = -(moved[i] - moved[before]) / (slopes[i] - slopes[before]);
        (crossings[2 * i], crossings[2 * i + 1]) = (x, slopes[i] * x + moved[i]);
    }
    let upright = near(y1, y2) || near(y3, y4);
    let outside = x1 <= zero && x2 <= zero && x3 <= zero && x4 <= zero;
    if outside || near(y1, y4) || near(y2, y3) || (upright && near(x1, x2)) {
        return [zero; 8];
    }
    if upright {
        let mut cut = *b;
        (cut[0], cut[6]) = (cut[0].most(zero), cut[6].most(zero));
        return cut;
    }
    if x1 < zero && !crossings.iter().any(|v| v.is_nan()) { crossings } else { *b }
}

/// Where the sides cross the y axis once they are moved into the image.
fn move_sides<R: Real>(a: [R; 4], b: [R; 4], original: [R; 4], h: R, w: R, mode: ClampingMode) -> [R; 4] {
    let [a1, a2, a3, a4] = a;
    let [b1, mut b2, mut b3, b4] = b;
    let [m1, m2, m3, m4] = original;
    let zero = R::default();
    let mut first = b2.within(b1, b3).within(zero, h);
    let mut last = b3.within(b2, b4).within(zero, h);
    let one = R::of(1.0);
    if mode == ClampingMode::Hard {
        let both = (first + last) / R::of(2.0);
        let least = [both * a2 / a1, b3 * a2 / a3, (a1 - a2) * w + both, (a3 - a2) * w + b3];
        b2 = least[0].most(least[1]).most(least[2]).most(least[3]).least(b2);
        let most = [
            h * (one - a3 / a4) + both * a3 / a4,
            h * (one - a3 / a2) + b2 * a3 / a2,
            (a2 - a3) * w + b2,
            (a4 - a3) * w + both,
        ];
        b3 = most[0].least(most[1]).least(most[2]).least(most[3]).most(b3);
        // One line for both from here on.
        let both = both.within(m1, m3).within(m2, m4);
        (first, last) = (both, both);
    } else {
        first = first.within(m1, m3);
        last = last.within(m2, m4);
    }
    [first, b2.within(m2, m4), b3.within(m1, m3), last]
}

/// The points moved into their image. Follows `torchvision.transforms.v2.functional.clamp_keypoints`.
///
/// # Errors
/// Where memory is short.
#[track_caller]
pub fn clamp_keypoints(points: &KeyPoints) -> Result<KeyPoints> {
    let (height, width) = points.canvas_size();
    let tensor = on_points!(points, |rows: R, height: usize, width: usize| {
        let (most_x, most_y) = (R::of(width as f64 - 1.0), R::of(height as f64 - 1.0));
        rows.each(|p| (p[0], p[1]) = (p[0].within(R::default(), most_x), p[1].within(R::default(), most_y)))
    })?;
    Ok(points.wrap(tensor))
}

/// The boxes that lie inside their image, are at least `min_size` wide and high and at least `min_area` large; and
/// which those are, as truth values. Follows `torchvision.transforms.v2.functional.sanitize_bounding_boxes`.
///
/// # Errors
/// Where memory is short.
#[track_caller]
pub fn sanitize_bounding_boxes(boxes: &BoundingBoxes, min_size: f64, min_area: f64) -> Result<(BoundingBoxes, Tensor)> {
    let valid = valid_boxes(boxes, min_size, min_area)?;
    Ok((boxes.wrap(boxes.index(&[Some(&valid)])?), valid))
}

#[track_caller]
pub(crate) fn valid_boxes(boxes: &BoundingBoxes, min_size: f64, min_area: f64) -> Result<Tensor> {
    fn valid<R: Real>(boxes: &BoundingBoxes, min_size: f64, min_area: f64) -> Result<Vec<bool>> {
        let mut rows = Rows::<R>::of(boxes.as_ref(), boxes.format())?;
        rows.convert(by_corners(boxes.format()))?;
        let (height, width) = boxes.canvas_size();
        let (h, w, numbers) = (R::of(height as f64), R::of(width as f64), rows.format.numbers());
        let one = |b: &[R; 8]| {
            // torchvision takes other numbers for the second side of a turned box than one would; so do we.
            let (ws, hs) = if rows.format == XYXYXYXY {
                let length = |x: R, y: R| (x * x + y * y).sqrt();
                (length(b[0] - b[2], b[1] - b[3]), length(b[3] - b[5], b[4] - b[6]))
            } else {
                (b[2] - b[0], b[3] - b[1])
            };
            let inside = b[..numbers].iter().all(|v| *v >= R::default());
            let below = if rows.format == XYXY {
                b[0] <= w && b[2] <= w && b[1] <= h && b[3] <= h
            } else {
                [0, 2, 4, 6].iter().all(|i| b[*i] <= w) && [1, 3, 5, 7].iter().all(|i| b[*i] <= h)
            };
            let (min_size, min_area) = (R::of(min_size), R::of(min_area));
            ws >= min_size && hs >= min_size && ws * hs >= min_area && inside && below
        };
        Ok(rows.rows.iter().map(one).collect())
    }
    let valid = match boxes.dtype() {
        DType::F64 => valid::<f64>(boxes, min_size, min_area)?,
        _ => valid::<f32>(boxes, min_size, min_area)?,
    };
    let n = valid.len();
    Tensor::from_vec(valid, [n])
}

/// The points that lie inside their image; and which those are, as truth values. Points in groups `[N, K, 2]` count
/// by the group. Follows `torchvision.transforms.v2.functional.sanitize_keypoints`.
///
/// # Errors
/// Where memory is short.
#[track_caller]
pub fn sanitize_keypoints(points: &KeyPoints) -> Result<(KeyPoints, Tensor)> {
    let valid = valid_points(points)?;
    Ok((points.wrap(points.index(&[Some(&valid)])?), valid))
}

#[track_caller]
pub(crate) fn valid_points(points: &KeyPoints) -> Result<Tensor> {
    let (height, width) = points.canvas_size();
    let flat = points.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    let groups = points.shape()[0];
    let numbers = flat.len().checked_div(groups).unwrap_or(0).max(1);
    let inside = |p: &[f64; 2]| p[0] >= 0.0 && p[0] < width as f64 && p[1] >= 0.0 && p[1] < height as f64;
    let valid: Vec<bool> =
        flat.chunks_exact(numbers).map(|group| group.as_chunks::<2>().0.iter().all(inside)).collect();
    let n = valid.len();
    Tensor::from_vec(valid, [n])
}
