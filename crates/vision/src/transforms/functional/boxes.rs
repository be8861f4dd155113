//! Boxes as rows of numbers: what the functions on boxes share. Formats are converted here, in the steps of
//! torchvision, so that what lies half-way and what overflows falls to the same side.

use super::real::Real;
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, KeyPoints};
use BoundingBoxFormat::{CXCYWH, CXCYWHR, XYWH, XYWHR, XYXY, XYXYXYXY};
use flambeau_tensor::{DType, Element, Result, Tensor, ensure};

/// Boxes of one format, row by row. Only the first numbers of a row count, as many as the format has.
pub(super) struct Rows<R> {
    pub(super) rows: Vec<[R; 8]>,
    pub(super) format: BoundingBoxFormat,
    /// whether the numbers are integers: halves are then rounded down
    pub(super) whole: bool,
}

/// A computation on boxes in the precision of their dtype: `f64` for `float64`, else `f32`.
pub(super) trait OnRows {
    fn run<R: Real>(self, boxes: &mut Rows<R>) -> Result<()>;
}

/// The tensor of `boxes` after `f`, in its dtype and shape, in the format that `f` left it in.
#[track_caller]
pub(super) fn run_rows(boxes: &BoundingBoxes, f: impl OnRows) -> Result<Tensor> {
    fn run<R: Real>(boxes: &BoundingBoxes, f: impl OnRows) -> Result<Vec<R>> {
        let mut rows = Rows::<R>::of(boxes.as_ref(), boxes.format())?;
        f.run(&mut rows)?;
        Ok(rows.flat())
    }
    let (dtype, n) = (boxes.dtype(), boxes.shape()[0]);
    if dtype == DType::F64 {
        let flat = run::<f64>(boxes, f)?;
        let width = flat.len().checked_div(n).unwrap_or(boxes.shape()[1]);
        return Tensor::from_vec(flat, [n, width]);
    }
    let flat = run::<f32>(boxes, f)?;
    let width = flat.len().checked_div(n).unwrap_or(boxes.shape()[1]);
    Tensor::from_vec(flat, [n, width])?.to_dtype(dtype)
}

/// A function without generics cannot be given as a closure over both precisions; this makes one of an expression.
macro_rules! on_rows {
    ($boxes:expr, |$rows:ident: $R:ident $(, $name:ident: $t:ty)*| $body:expr) => {{
        struct Run { $($name: $t),* }
        impl $crate::transforms::functional::boxes::OnRows for Run {
            fn run<$R: $crate::transforms::functional::real::Real>(
                self,
                $rows: &mut $crate::transforms::functional::boxes::Rows<$R>,
            ) -> flambeau_tensor::Result<()> {
                let Run { $($name),* } = self;
                $body;
                Ok(())
            }
        }
        $crate::transforms::functional::boxes::run_rows($boxes, Run { $($name),* })
    }};
}
pub(super) use on_rows;

impl<R: Real> Rows<R> {
    #[track_caller]
    pub(super) fn of(tensor: &Tensor, format: BoundingBoxFormat) -> Result<Self> {
        let flat = tensor.detach().to_dtype(R::DTYPE)?.to_vec::<R>()?;
        let mut rows = vec![[R::default(); 8]; flat.len() / format.numbers()];
        for (row, from) in rows.iter_mut().zip(flat.chunks_exact(format.numbers())) {
            row[..from.len()].copy_from_slice(from);
        }
        Ok(Rows { rows, format, whole: !tensor.dtype().is_float() })
    }

    fn flat(&self) -> Vec<R> {
        self.rows.iter().flat_map(|row| &row[..self.format.numbers()]).copied().collect()
    }

    pub(super) fn each(&mut self, f: impl FnMut(&mut [R; 8])) {
        self.rows.iter_mut().for_each(f);
    }

    /// The middle of what is `2x` wide.
    fn half(&self, x: R) -> R {
        let half = x / R::of(2.0);
        if self.whole { half.floor() } else { half }
    }

    /// As integers where the tensor has integers.
    fn cut(&self, x: R) -> R {
        if self.whole { R::of(x.wide().trunc()) } else { x }
    }

    /// The boxes in another format.
    #[track_caller]
    pub(super) fn convert(&mut self, to: BoundingBoxFormat) -> Result<()> {
        let from = self.format;
        if from == to {
            return Ok(());
        }
        ensure!(
            from.is_rotated() == to.is_rotated(),
            Argument,
            "convert_bounding_box_format",
            "{from:?} boxes are {}turned, {to:?} boxes are {}",
            if from.is_rotated() { "" } else { "not " },
            if to.is_rotated() { "" } else { "not" }
        );
        let mut rows = std::mem::take(&mut self.rows);
        for row in &mut rows {
            *row = if from.is_rotated() { turned(*row, from, to) } else { self.upright(*row, from, to) };
        }
        (self.rows, self.format) = (rows, to);
        Ok(())
    }

    fn upright(&self, mut b: [R; 8], from: BoundingBoxFormat, to: BoundingBoxFormat) -> [R; 8] {
        let two = R::of(2.0);
        match (from, to) {
            (XYWH, CXCYWH) => {
                b[0] = b[0] + self.half(b[2]);
                b[1] = b[1] + self.half(b[3]);
                return b;
            }
            (CXCYWH, XYWH) => {
                let (x, y) = (b[0] - b[2] / two, b[1] - b[3] / two);
                let (right, bottom) = (self.cut(x + b[2]), self.cut(y + b[3]));
                let (w, h) = (b[2], b[3]);
                (b[0], b[1]) = (self.cut(x), self.cut(y));
                (b[2], b[3]) = if self.whole { (right - b[0], bottom - b[1]) } else { (w, h) };
                return b;
            }
            (XYWH, _) => (b[2], b[3]) = (b[2] + b[0], b[3] + b[1]),
            (CXCYWH, _) => {
                let (x, y) = (b[0] - b[2] / two, b[1] - b[3] / two);
                (b[2], b[3]) = (self.cut(b[2] + x), self.cut(b[3] + y));
                (b[0], b[1]) = (self.cut(x), self.cut(y));
            }
            _ => {}
        }
        match to {
            XYWH => (b[2], b[3]) = (b[2] - b[0], b[3] - b[1]),
            CXCYWH => {
                (b[2], b[3]) = (b[2] - b[0], b[3] - b[1]);
                (b[0], b[1]) = (self.half(b[0] * two + b[2]), self.half(b[1] * two + b[3]));
            }
            _ => {}
        }
        b
    }
}

/// Cosine and sine of an angle in degrees.
fn cos_sin<R: Real>(degrees: R) -> (R, R) {
    let radians = degrees * R::of(std::f64::consts::PI) / R::of(180.0);
    (radians.cos(), radians.sin())
}

fn turned<R: Real>(mut b: [R; 8], from: BoundingBoxFormat, to: BoundingBoxFormat) -> [R; 8] {
    let two = R::of(2.0);
    match from {
        CXCYWHR => {
            let (w, h, (cos, sin)) = ((b[2] / -two).abs(), (b[3] / -two).abs(), cos_sin(b[4]));
            b[0] = b[0] - w * cos - h * sin;
            b[1] = b[1] + w * sin - h * cos;
        }
        XYXYXYXY => {
            let angle = (b[1] - b[3]).atan2(b[2] - b[0]);
            let (dx, dy, ex, ey) = (b[2] - b[0], b[3] - b[1], b[4] - b[2], b[5] - b[3]);
            b[2] = (dx * dx + dy * dy).sqrt();
            b[3] = (ex * ex + ey * ey).sqrt();
            b[4] = angle / R::of(std::f64::consts::PI) * R::of(180.0);
        }
        _ => {}
    }
    match to {
        CXCYWHR => {
            let (w, h, (cos, sin)) = ((b[2] / -two).abs(), (b[3] / -two).abs(), cos_sin(b[4]));
            b[0] = b[0] + w * cos + h * sin;
            b[1] = b[1] - w * sin + h * cos;
        }
        XYXYXYXY => {
            let (x, y, w, h, (cos, sin)) = (b[0], b[1], b[2], b[3], cos_sin(b[4]));
            let right = (x + w * cos, y - w * sin);
            let opposite = (x + (w * cos + h * sin), y - (w * sin - h * cos));
            let below = (x + h * sin, y + h * cos);
            b = [x, y, right.0, right.1, opposite.0, opposite.1, below.0, below.1];
        }
        _ => {}
    }
    b
}

/// The turned box around the middle of a parallelogram that its longer side and its height span.
pub(super) fn from_parallelogram<R: Real>(b: &mut [R; 8]) {
    let [x1, y1, x2, y2, x3, y3, x4, y4] = *b;
    let two = R::of(2.0);
    let quarter = R::of(std::f64::consts::FRAC_PI_2);
    let (cx, cy) = ((x1 + x3) / two, (y1 + y3) / two);
    let length = |dx: R, dy: R| (dx * dx + dy * dy).sqrt();
    let (wp, hp) = (length(x2 - x1, y2 - y1), length(x4 - x1, y4 - y1));
    let (r12, r14) = ((y1 - y2).atan2(x2 - x1), (y1 - y4).atan2(x4 - x1));
    let between = r12 - r14;
    let sign = R::of(if between > quarter { -1.0 } else { 1.0 });
    let (cos, sin) = (between.cos(), between.sin());
    let w = if wp < hp { wp * sin } else { wp + hp * cos * sign };
    let h = if wp > hp { hp * sin } else { hp + wp * cos * sign };
    let angle = if hp > wp { r14 + quarter } else { r12 };
    let (cos, sin) = (angle.cos(), angle.sin());
    let (w, h) = (w / two, h / two);
    *b = [
        cx - w * cos - h * sin,
        cy - h * cos + w * sin,
        cx + w * cos - h * sin,
        cy - h * cos - w * sin,
        cx + w * cos + h * sin,
        cy + h * cos - w * sin,
        cx - w * cos + h * sin,
        cy + h * cos + w * sin,
    ];
}

/// The corners of an upright box (`XYXY`), as numbers of a row.
pub(super) fn corners<R: Real>(b: &[R; 8]) -> [R; 8] {
    [b[0], b[1], b[2], b[1], b[2], b[3], b[0], b[3]]
}

/// The upright box around four points.
pub(super) fn around<R: Real>(points: &[R; 8]) -> [R; 8] {
    let [x1, y1, x2, y2, x3, y3, x4, y4] = *points;
    let mut b = [R::default(); 8];
    b[0] = x1.least(x2).least(x3).least(x4);
    b[1] = y1.least(y2).least(y3).least(y4);
    b[2] = x1.most(x2).most(x3).most(x4);
    b[3] = y1.most(y2).most(y3).most(y4);
    b
}

/// Key points after `f`, in their dtype and shape; computed in `f64` for `float64`, else in `f32`.
#[track_caller]
pub(super) fn run_points(points: &KeyPoints, f: impl OnRows) -> Result<Tensor> {
    fn run<R: Real + Element>(points: &KeyPoints, f: impl OnRows) -> Result<Tensor> {
        let flat = points.detach().to_dtype(R::DTYPE)?.to_vec::<R>()?;
        let rows = flat.as_chunks::<2>().0.iter().map(|&[x, y]| {
            let mut row = [R::default(); 8];
            (row[0], row[1]) = (x, y);
            row
        });
        let mut rows = Rows { rows: rows.collect(), format: XYXY, whole: !points.dtype().is_float() };
        f.run(&mut rows)?;
        let flat: Vec<R> = rows.rows.iter().flat_map(|row| [row[0], row[1]]).collect();
        Tensor::from_vec(flat, points.shape())?.to_dtype(points.dtype())
    }
    if points.dtype() == DType::F64 { run::<f64>(points, f) } else { run::<f32>(points, f) }
}

/// As `on_rows!`, for key points: x and y are the first two numbers of a row.
macro_rules! on_points {
    ($points:expr, |$rows:ident: $R:ident $(, $name:ident: $t:ty)*| $body:expr) => {{
        struct Run { $($name: $t),* }
        impl $crate::transforms::functional::boxes::OnRows for Run {
            fn run<$R: $crate::transforms::functional::real::Real>(
                self,
                $rows: &mut $crate::transforms::functional::boxes::Rows<$R>,
            ) -> flambeau_tensor::Result<()> {
                let Run { $($name),* } = self;
                $body;
                Ok(())
            }
        }
        $crate::transforms::functional::boxes::run_points($points, Run { $($name),* })
    }};
}
pub(super) use on_points;

/// The format in which boxes of `format` are computed with by their corners.
pub(super) fn by_corners(format: BoundingBoxFormat) -> BoundingBoxFormat {
    match format {
        XYXY | XYWH | CXCYWH => XYXY,
        XYWHR | CXCYWHR | XYXYXYXY => XYXYXYXY,
    }
}
