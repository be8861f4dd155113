//! Affine maps, turns, changes of perspective, elastic warps: every new pixel looks up where it came from, and boxes
//! and points go where their corners go.

use super::boxes::{Rows, around, by_corners, corners, from_parallelogram, on_points, on_rows};
use super::clamp::clamp;
use super::grid::{Grid, sample};
use super::height_width;
use super::real::Real;
use crate::simd::simd;
use crate::transforms::kinds::{Fill, InterpolationMode};
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, ClampingMode, KeyPoints, Kind, TVKind, TVTensor};
use flambeau_tensor::{Result, Tensor, bail, ensure, options};

options! {
    /// Options of [`affine`].
    #[derive(Clone, Debug)]
    pub struct AffineOptions {
        /// Degrees, clockwise.
        angle: f64 = 0.0,
        /// Pixels (x, y).
        translate: [f64; 2] = [0.0; 2],
        /// The factor of sizes.
        scale: f64 = 1.0,
        /// Degrees (x, y).
        shear: [f64; 2] = [0.0; 2],
        /// `Nearest` or `Bilinear`; masks are always `Nearest`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// What stands where the image does not reach, 0 unless set.
        fill: ~into Fill = Fill::default(),
        /// The point (x, y) that stays where it is, the middle unless set.
        center: ~into Option<[f64; 2]> = None,
    }
}

/// Turned, shifted, scaled and sheared. Follows `torchvision.transforms.v2.functional.affine`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::functional::{AffineOptions, affine};
///
/// let image = Tensor::ones([3, 8, 8]).build()?;
/// let shifted = affine(&image, AffineOptions::new().translate([2.0, 0.0]))?;
/// assert_eq!(shifted.i((0, 0))?.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where it is no image, `scale` is not positive, or `fill` has neither one value nor one for each channel.
#[track_caller]
pub fn affine<K: Kind>(x: &K, options: AffineOptions) -> Result<K> {
    let AffineOptions { angle, translate, scale, shear, interpolation, fill, center } = options;
    ensure!(scale > 0.0, Argument, "affine", "scale = {scale} is not positive");
    let map = Affine { angle, translate, scale, shear, center, expand: false };
    K::from_tv(map.apply("affine", x.clone().into(), interpolation, &fill)?)
}

/// Turned by `angle` degrees, counter-clockwise, about `center` (x, y) or the middle; with `expand` on a canvas that
/// holds all of it. A quarter of a turn about the middle moves pixels without mixing them. Follows
/// `torchvision.transforms.v2.functional.rotate`; images are interpolated by `Nearest` or `Bilinear`, masks always by
/// `Nearest`.
///
/// # Errors
/// Where it is no image, or `fill` has neither one value nor one for each channel.
#[track_caller]
pub fn rotate<K: Kind>(
    x: &K,
    angle: f64,
    interpolation: InterpolationMode,
    expand: bool,
    fill: &Fill,
    center: Option<[f64; 2]>,
) -> Result<K> {
    let part: TVTensor = x.clone().into();
    if (part.is_image() || part.kind() == TVKind::Mask)
        && let Some(turned) = by_quarters(part.tensor(), angle, expand, center)?
    {
        return K::from_tv(part.wrap(turned));
    }
    let map = Affine { angle: -angle, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], center, expand };
    K::from_tv(map.apply("rotate", part, interpolation, fill)?)
}

/// The image after a turn that needs no interpolation, if it is one.
#[track_caller]
fn by_quarters(image: &Tensor, angle: f64, expand: bool, center: Option<[f64; 2]>) -> Result<Option<Tensor>> {
    let (h, w) = height_width("rotate", image)?;
    let angle = angle.rem_euclid(360.0);
    let quarters = match () {
        () if center.is_some() => return Ok(None),
        () if angle == 0.0 => return Ok(Some(image.copy()?)),
        () if angle == 180.0 => 2,
        () if !(expand || h == w) => return Ok(None),
        () if angle == 90.0 => 1,
        () if angle == 270.0 => 3,
        () => return Ok(None),
    };
    Ok(Some(image.rot90(quarters, -2, -1)?))
}

/// An affine map: shift · turn · scale · shear about a place.
#[derive(Clone, Copy)]
struct Affine {
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
    center: Option<[f64; 2]>,
    /// whether the canvas grows to hold everything
    expand: bool,
}

impl Affine {
    #[track_caller]
    fn apply(
        self,
        op: &'static str,
        part: TVTensor,
        interpolation: InterpolationMode,
        fill: &Fill,
    ) -> Result<TVTensor> {
        let fill = fill.of(part.kind());
        let pixels = |image: &Tensor, interpolation| {
            let (h, w) = height_width(op, image)?;
            let center = self.center.map_or([0.0; 2], |[x, y]| [x - w as f64 * 0.5, y - h as f64 * 0.5]);
            let matrix = self.inverse(center);
            let to = if self.expand { expanded(op, &matrix, h, w)? } else { (h, w) };
            sample(op, image, &AffineGrid { matrix, from: (h, w), to }, interpolation, fill)
        };
        part.map(
            |image| pixels(image, interpolation),
            |mask| pixels(mask, InterpolationMode::Nearest),
            |boxes| self.boxes(op, boxes),
            |points| self.points(op, points),
        )
    }

    /// Rotation and shear: the upper left 2 × 2 of the map without its scale.
    fn turn(&self) -> [f64; 4] {
        let rotation = self.angle.to_radians();
        let [sx, sy] = self.shear.map(f64::to_radians);
        let a = (rotation - sy).cos() / sy.cos();
        let c = (rotation - sy).sin() / sy.cos();
        [a, -(a * sx.tan() + rotation.sin()), c, rotation.cos() - c * sx.tan()]
    }

    /// From old to new places: `x' = m0 x + m1 y + m2`, `y' = m3 x + m4 y + m5`.
    fn forward(&self, [cx, cy]: [f64; 2]) -> [f64; 6] {
        let [a, b, c, d] = self.turn().map(|m| m * self.scale);
        let [tx, ty] = self.translate;
        [a, b, cx + tx - a * cx - b * cy, c, d, cy + ty - c * cx - d * cy]
    }

    /// From new to old places. The determinant of rotation and shear is one, so the inverse is the adjugate.
    fn inverse(&self, [cx, cy]: [f64; 2]) -> [f64; 6] {
        let [a, b, c, d] = self.turn();
        let [m0, m1, m3, m4] = [d, -b, -c, a].map(|m| m / self.scale);
        let (x, y) = (cx + self.translate[0], cy + self.translate[1]);
        [m0, m1, cx - m0 * x - m1 * y, m3, m4, cy - m3 * x - m4 * y]
    }

    /// For things that are given by their places: the map, how far it is to be moved so that all is on the canvas, and
    /// the canvas.
    #[track_caller]
    fn of_places(&self, op: &'static str, (h, w): (usize, usize)) -> Result<PlaceMap> {
        let center = self.center.unwrap_or([w as f64 * 0.5, h as f64 * 0.5]);
        let (matrix, canvas) = (self.forward(center), (h, w));
        if !self.expand {
            return Ok(PlaceMap { matrix, corners: None, canvas });
        }
        let canvas = expanded(op, &self.inverse(center), h, w)?;
        Ok(PlaceMap { matrix, corners: Some((w as f64, h as f64)), canvas })
    }

    #[track_caller]
    fn boxes(self, op: &'static str, boxes: &BoundingBoxes) -> Result<BoundingBoxes> {
        if boxes.numel() == 0 {
            return Ok(boxes.clone());
        }
        let (map, mode) = (self.of_places(op, boxes.canvas_size())?, boxes.clamping_mode());
        let canvas = map.canvas;
        let tensor = on_rows!(boxes, |rows: R, map: PlaceMap, mode: Option<ClampingMode>| {
            rows.whole = false;
            let (matrix, [dx, dy]) = (map.matrix.map(R::of), map.moved::<R>());
            move_corners(rows, map.canvas, mode, [-dx, -dy], |x, y| through(&matrix, x, y))?
        })?;
        Ok(boxes.on_canvas(tensor, canvas))
    }

    #[track_caller]
    fn points(self, op: &'static str, points: &KeyPoints) -> Result<KeyPoints> {
        if points.numel() == 0 {
            return Ok(points.clone());
        }
        let map = self.of_places(op, points.canvas_size())?;
        let canvas = map.canvas;
        let tensor = on_points!(points, |rows: R, map: PlaceMap| {
            let (matrix, [dx, dy]) = (map.matrix.map(R::of), map.moved::<R>());
            rows.each(|p| {
                let [x, y] = through(&matrix, p[0], p[1]);
                (p[0], p[1]) = (x - dx, y - dy);
            })
        })?;
        Ok(points.on_canvas(tensor, canvas))
    }
}

/// An affine map of places.
struct PlaceMap {
    matrix: [f64; 6],
    /// width and height of the old canvas, where the new one holds all of it
    corners: Option<(f64, f64)>,
    canvas: (usize, usize),
}

impl PlaceMap {
    /// The upper left corner of what becomes of the canvas.
    fn moved<R: Real>(&self) -> [R; 2] {
        let Some((w, h)) = self.corners else { return [R::default(); 2] };
        let (matrix, zero, w, h) = (self.matrix.map(R::of), R::default(), R::of(w), R::of(h));
        let corners = [(zero, zero), (zero, h), (w, h), (w, zero)].map(|(x, y)| through(&matrix, x, y));
        let least = |i: usize| corners[1..].iter().fold(corners[0][i], |least, p| least.least(p[i]));
        [least(0), least(1)]
    }
}

fn through<R: Real>(m: &[R; 6], x: R, y: R) -> [R; 2] {
    [x * m[0] + y * m[1] + m[2], x * m[3] + y * m[4] + m[5]]
}

/// The boxes around where their corners go, shifted by `shift`, cut off at the edges of `canvas`, in the format that
/// they had.
#[track_caller]
fn move_corners<R: Real>(
    rows: &mut Rows<R>,
    canvas: (usize, usize),
    mode: Option<ClampingMode>,
    [dx, dy]: [R; 2],
    to: impl Fn(R, R) -> [R; 2],
) -> Result<()> {
    let format = rows.format;
    rows.convert(by_corners(format))?;
    rows.each(|b| {
        let mut places = if format.is_rotated() { *b } else { corners(b) };
        for point in places.as_chunks_mut::<2>().0 {
            *point = to(point[0], point[1]);
        }
        if format.is_rotated() {
            from_parallelogram(&mut places);
        } else {
            places = around(&places);
        }
        for point in places.as_chunks_mut::<2>().0 {
            *point = [point[0] + dx, point[1] + dy];
        }
        *b = places;
    });
    clamp(rows, canvas, mode)?;
    rows.convert(format)
}

/// Height and width of the canvas that holds the whole turned image.
#[track_caller]
fn expanded(op: &'static str, matrix: &[f64; 6], h: usize, w: usize) -> Result<(usize, usize)> {
    let [m0, m1, m2, m3, m4, m5] = matrix.map(|m| m as f32);
    let (x, y) = (0.5 * w as f32, 0.5 * h as f32);
    let corners = [(-x, -y), (-x, y), (x, y), (x, -y)];
    let extent = |a: f32, b: f32, c: f32, half: f32| {
        let places = corners.map(|(x, y)| x * a + y * b + c);
        let (least, most) = places.iter().fold((f32::MAX, f32::MIN), |(l, m), p| (l.min(*p), m.max(*p)));
        // What is beyond the fourth digit is rounding, not a pixel.
        let cut = |v: f32| ((v + half) * 1e4).trunc() * 1e-4;
        cut(most).ceil() - cut(least).floor()
    };
    let (high, wide) = (extent(m3, m4, m5, y), extent(m0, m1, m2, x));
    ensure!(
        high.is_finite() && wide.is_finite() && f64::from(high) * f64::from(wide) < 1e12,
        Argument,
        op,
        "a canvas of {high}×{wide} cannot be made"
    );
    Ok((high.max(0.0) as usize, wide.max(0.0) as usize))
}

struct AffineGrid {
    matrix: [f64; 6],
    from: (usize, usize),
    to: (usize, usize),
}

impl Grid for AffineGrid {
    fn size(&self) -> (usize, usize) {
        self.to
    }

    fn rows<R: Real>(&self, mut give: impl FnMut(usize, &[R], &[R])) -> Result<()> {
        let (half_h, half_w) = (R::of(0.5 * self.from.0 as f64), R::of(0.5 * self.from.1 as f64));
        let [m0, m1, m2, m3, m4, m5] = self.matrix.map(R::of);
        let across = [m0 / half_w, m1 / half_w, m2 / half_w];
        let down = [m3 / half_h, m4 / half_h, m5 / half_h];
        let middle = |i: usize, n: usize| R::of(i as f64 - n as f64 * 0.5 + 0.5);
        let (height, width) = self.to;
        let middles: Vec<R> = (0..width).map(|j| middle(j, width)).collect();
        let (mut xs, mut ys) = (vec![R::default(); width], vec![R::default(); width]);
        for i in 0..height {
            let y = middle(i, height);
            simd(
                #[inline(always)]
                || {
                    let (middles, xs, ys) = (&middles[..width], &mut xs[..width], &mut ys[..width]);
                    for j in 0..width {
                        xs[j] = middles[j] * across[0] + y * across[1] + across[2];
                        ys[j] = middles[j] * down[0] + y * down[1] + down[2];
                    }
                },
            );
            give(i, &xs, &ys);
        }
        Ok(())
    }
}

/// Seen from elsewhere: what was at the four `startpoints` (x, y) goes to the `endpoints`. Follows
/// `torchvision.transforms.v2.functional.perspective`; images are interpolated by `Nearest` or `Bilinear`, masks always
/// by `Nearest`.
///
/// # Errors
/// Where it is no image, no such view exists, or `fill` has neither one value nor one for each channel.
#[track_caller]
pub fn perspective<K: Kind>(
    x: &K,
    startpoints: [[i64; 2]; 4],
    endpoints: [[i64; 2]; 4],
    interpolation: InterpolationMode,
    fill: &Fill,
) -> Result<K> {
    perspective_by(x, &perspective_coefficients(startpoints, endpoints)?, interpolation, fill)
}

/// The numbers a … h with which a new pixel (x, y) looks at ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).
#[track_caller]
pub(in crate::transforms) fn perspective_coefficients(
    startpoints: [[i64; 2]; 4],
    endpoints: [[i64; 2]; 4],
) -> Result<[f64; 8]> {
    let mut rows = [[0.0f64; 9]; 8];
    for (i, (end, start)) in endpoints.iter().zip(startpoints).enumerate() {
        let ([x, y], [u, v]) = (end.map(|n| n as f64), start.map(|n| n as f64));
        rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    // Elimination with the largest pivot of each column.
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        rows.swap(column, pivot);
        let row = rows[column];
        if row[column].abs() < 1e-12 {
            bail!(Argument, "perspective", "no view takes {startpoints:?} to {endpoints:?}");
        }
        for (i, other) in rows.iter_mut().enumerate() {
            if i != column {
                let factor = other[column] / row[column];
                other.iter_mut().zip(row).for_each(|(to, from)| *to -= factor * from);
            }
        }
    }
    Ok(std::array::from_fn(|i| f64::from((rows[i][8] / rows[i][i]) as f32)))
}

#[track_caller]
pub(in crate::transforms) fn perspective_by<K: Kind>(
    x: &K,
    coefficients: &[f64; 8],
    interpolation: InterpolationMode,
    fill: &Fill,
) -> Result<K> {
    let (op, part): (_, TVTensor) = ("perspective", x.clone().into());
    let fill = fill.of(part.kind());
    let pixels = |image: &Tensor, interpolation| {
        let size = height_width(op, image)?;
        sample(op, image, &PerspectiveGrid { coefficients: *coefficients, size }, interpolation, fill)
    };
    let out = part.map(
        |image| pixels(image, interpolation),
        |mask| pixels(mask, InterpolationMode::Nearest),
        |boxes| {
            if boxes.numel() == 0 {
                return Ok(boxes.clone());
            }
            let (view, canvas, mode) = (inverse_view(coefficients)?, boxes.canvas_size(), boxes.clamping_mode());
            let tensor =
                on_rows!(boxes, |rows: R, view: [f64; 8], canvas: (usize, usize), mode: Option<ClampingMode>| {
                    let format = rows.format;
                    rows.convert(by_corners(format))?;
                    rows.whole = false;
                    let view = view.map(R::of);
                    move_corners(rows, canvas, mode, [R::default(); 2], |x, y| seen(&view, x, y))?;
                    rows.convert(format)?
                })?;
            Ok(boxes.wrap(tensor))
        },
        |points| {
            if points.numel() == 0 {
                return Ok(points.clone());
            }
            let view = inverse_view(coefficients)?;
            let tensor = on_points!(points, |rows: R, view: [f64; 8]| {
                let view = view.map(R::of);
                rows.each(|p| {
                    let [x, y] = seen(&view, p[0], p[1]);
                    (p[0], p[1]) = (x, y);
                })
            })?;
            Ok(points.wrap(tensor))
        },
    );
    K::from_tv(out?)
}

/// From old to new places, of the numbers that lead from new to old ones.
#[track_caller]
fn inverse_view([a, b, c, d, e, f, g, h]: &[f64; 8]) -> Result<[f64; 8]> {
    let scale = a * e - b * d;
    ensure!(scale != 0.0, Argument, "perspective", "all pixels of this view lie on a line: it has no way back");
    let back =
        [e - f * h, -b + c * h, b * f - c * e, -d + f * g, a - c * g, -a * f + c * d, -e * g + d * h, -a * h + b * g];
    Ok(back.map(|v| v / scale))
}

#[inline(always)]
fn seen<R: Real>(view: &[R; 8], x: R, y: R) -> [R; 2] {
    let [a, b, c, d, e, f, g, h] = *view;
    let depth = x * g + y * h + R::of(1.0);
    [(x * a + y * b + c) / depth, (x * d + y * e + f) / depth]
}

struct PerspectiveGrid {
    coefficients: [f64; 8],
    size: (usize, usize),
}

impl Grid for PerspectiveGrid {
    fn size(&self) -> (usize, usize) {
        self.size
    }

    fn rows<R: Real>(&self, mut give: impl FnMut(usize, &[R], &[R])) -> Result<()> {
        let (height, width) = self.size;
        let (half_h, half_w) = (R::of(0.5 * height as f64), R::of(0.5 * width as f64));
        let [a, b, c, d, e, f, g, h] = self.coefficients.map(R::of);
        let view = [a / half_w, b / half_w, c / half_w, d / half_h, e / half_h, f / half_h, g, h];
        let one = R::of(1.0);
        let middles: Vec<R> = (0..width).map(|j| R::of(j as f64 + 0.5)).collect();
        let (mut xs, mut ys) = (vec![R::default(); width], vec![R::default(); width]);
        for i in 0..height {
            let y = R::of(i as f64 + 0.5);
            simd(
                #[inline(always)]
                || {
                    let (middles, xs, ys) = (&middles[..width], &mut xs[..width], &mut ys[..width]);
                    for j in 0..width {
                        let [x, y] = seen(&view, middles[j], y);
                        (xs[j], ys[j]) = (x - one, y - one);
                    }
                },
            );
            give(i, &xs, &ys);
        }
        Ok(())
    }
}

/// Every pixel looks elsewhere by its own `displacement`, `[1, H, W, 2]`, of which 2 is the size of the image. Follows
/// `torchvision.transforms.v2.functional.elastic`; images are interpolated by `Nearest` or `Bilinear`, masks always by
/// `Nearest`.
///
/// # Errors
/// Where it is no image, `displacement` is not of its size, or `fill` has neither one value nor one for each channel.
#[track_caller]
pub fn elastic<K: Kind>(x: &K, displacement: &Tensor, interpolation: InterpolationMode, fill: &Fill) -> Result<K> {
    let (op, part): (_, TVTensor) = ("elastic", x.clone().into());
    let fill = fill.of(part.kind());
    let pixels = |image: &Tensor, interpolation| {
        let grid = Elastic::new(displacement, height_width(op, image)?)?;
        sample(op, image, &grid, interpolation, fill)
    };
    let out = part.map(
        |image| pixels(image, interpolation),
        |mask| pixels(mask, InterpolationMode::Nearest),
        |boxes| {
            let (grid, mode) = (Elastic::new(displacement, boxes.canvas_size())?, boxes.clamping_mode());
            let tensor =
                on_rows!(boxes, |rows: R, grid: Elastic, mode: Option<ClampingMode>| { grid.boxes(rows, mode)? })?;
            Ok(boxes.wrap(tensor))
        },
        |points| {
            let grid = Elastic::new(displacement, points.canvas_size())?;
            let tensor = on_points!(points, |rows: R, grid: Elastic| {
                let back = grid.back::<R>()?;
                rows.each(|p| {
                    let [x, y] = grid.look(&back, p[0], p[1]);
                    (p[0], p[1]) = (x, y);
                })
            })?;
            Ok(points.wrap(tensor))
        },
    );
    K::from_tv(out?)
}

struct Elastic {
    displacement: Tensor,
    size: (usize, usize),
}

impl Elastic {
    #[track_caller]
    fn new(displacement: &Tensor, size: (usize, usize)) -> Result<Elastic> {
        let (shape, want) = (displacement.shape(), [1, size.0, size.1, 2]);
        ensure!(*shape == want, Shape, "elastic", "a displacement of shape {shape:?} for an image of {want:?}");
        Ok(Elastic { displacement: displacement.detach(), size })
    }

    #[track_caller]
    fn numbers<R: Real>(&self) -> Result<Vec<R>> {
        self.displacement.to_dtype(R::DTYPE)?.to_vec::<R>()
    }

    /// The middles of all pixels from −1 to 1, and `mix` of them and their displacement.
    #[track_caller]
    fn places<R: Real>(&self, mix: impl Fn(R, R) -> R) -> Result<Vec<[R; 2]>> {
        let numbers = self.numbers::<R>()?;
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let (columns, rows) = (middles::<R>(self.size.1), middles::<R>(self.size.0));
        let all = rows.iter().flat_map(|y| columns.iter().map(|x| [*x, *y]));
        Ok(all.zip(numbers.as_chunks::<2>().0).map(|([x, y], [dx, dy])| [mix(x, *dx), mix(y, *dy)]).collect())
    }

    /// Where each pixel goes, as far as that can be told.
    #[track_caller]
    fn back<R: Real>(&self) -> Result<Vec<[R; 2]>> {
        self.places(|at: R, by| at - by)
    }

    /// Where the pixel at x, y goes.
    fn look<R: Real>(&self, back: &[[R; 2]], x: R, y: R) -> [R; 2] {
        let (height, width) = self.size;
        let index = |v: R, n: usize| (v.wide().max(0.0) as usize).min(n.saturating_sub(1));
        let Some([x, y]) = back.get(index(y, height) * width + index(x, width)) else { return [x, y] };
        let half = R::of(0.5);
        let pixels = |v: R, n: usize| (v + R::of(1.0)) * (half * R::of(n as f64)) - half;
        [pixels(*x, width), pixels(*y, height)]
    }

    #[track_caller]
    fn boxes<R: Real>(&self, rows: &mut Rows<R>, mode: Option<ClampingMode>) -> Result<()> {
        let (format, whole) = (rows.format, rows.whole);
        let back = self.back::<R>()?;
        let cut = |v: R| if whole { R::of(v.wide().trunc()) } else { v };
        if format.is_rotated() {
            rows.convert(BoundingBoxFormat::CXCYWHR)?;
            rows.each(|b| {
                let [x, y] = self.look(&back, b[0].ceil(), b[1].ceil());
                (b[0], b[1]) = (x, y);
            });
        } else {
            rows.convert(BoundingBoxFormat::XYXY)?;
            rows.each(|b| {
                let mut places = corners(b);
                for point in places.as_chunks_mut::<2>().0 {
                    *point = self.look(&back, point[0].ceil(), point[1].ceil());
                }
                *b = around(&places).map(cut);
            });
        }
        clamp(rows, self.size, mode)?;
        rows.convert(format)
    }
}

/// The middles of `n` pixels from −1 to 1, as `torch.linspace` counts them from both ends.
fn middles<R: Real>(n: usize) -> Vec<R> {
    let (first, last) = (R::of((1.0 - n as f64) / n as f64), R::of((n as f64 - 1.0) / n as f64));
    let step = (last - first) / R::of((n.max(2) - 1) as f64);
    let one = |i: usize| {
        if i < n / 2 { first + step * R::of(i as f64) } else { last - step * R::of((n - 1 - i) as f64) }
    };
    (0..n).map(one).collect()
}

impl Grid for Elastic {
    fn size(&self) -> (usize, usize) {
        self.size
    }

    fn rows<R: Real>(&self, mut give: impl FnMut(usize, &[R], &[R])) -> Result<()> {
        let (places, width) = (self.places(|at: R, by| at + by)?, self.size.1);
        let (mut xs, mut ys) = (vec![R::default(); width], vec![R::default(); width]);
        for (i, row) in places.chunks_exact(width.max(1)).enumerate() {
            for (j, [x, y]) in row.iter().enumerate() {
                (xs[j], ys[j]) = (*x, *y);
            }
            give(i, &xs, &ys);
        }
        Ok(())
    }
}
