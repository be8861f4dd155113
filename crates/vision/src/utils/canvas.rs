//! Rectangles, lines, polygons and discs on rows of pixels, to the pixel as Pillow's `ImageDraw` sets them, which
//! torchvision draws with.

use super::font;
use flambeau_tensor::{DType, Result, Tensor, ensure};

/// A point, x to the right, y down.
pub(super) type Point = (i64, i64);

/// Beyond this neither coordinates nor widths make sense; within it no sum overflows and no loop is long.
const MOST: i64 = 1 << 20;

/// Coordinates as whole numbers, cut towards zero.
#[track_caller]
pub(super) fn coordinates(op: &'static str, values: &Tensor) -> Result<Vec<i64>> {
    let values = values.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    if let Some(wrong) = values.iter().find(|v| v.is_nan() || v.abs() >= MOST as f64) {
        ensure!(false, Argument, op, "coordinate {wrong} is out of range: at most {MOST} pixels from the corner");
    }
    Ok(values.into_iter().map(|v| v as i64).collect())
}

/// A picture in red, green and blue.
pub(super) struct Canvas {
    width: i64,
    height: i64,
    pixels: Vec<[u8; 3]>,
}

/// What is drawn with: a colour, and how much of it covers what was there. `blend` is for pictures that anything
/// see-through is drawn on; Pillow sets the pixels of their polygons by another rule.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    pub(super) color: [u8; 3],
    pub(super) cover: u8,
    pub(super) blend: bool,
}

impl Ink {
    fn over(self, below: [u8; 3]) -> [u8; 3] {
        let mut mixed = self.color;
        for (to, from) in mixed.iter_mut().zip(below) {
            let sum = u32::from(from) * (255 - u32::from(self.cover)) + u32::from(*to) * u32::from(self.cover) + 128;
            *to = ((sum + (sum >> 8)) >> 8) as u8;
        }
        mixed
    }
}

impl Canvas {
    /// Of `u8` `[3, H, W]`.
    #[track_caller]
    pub(super) fn of(image: &Tensor) -> Result<Self> {
        let [_, height, width] = *image.shape() else { unreachable!("callers have looked at the shape") };
        let values = image.detach().permute([1, 2, 0])?.to_vec::<u8>()?;
        Ok(Canvas { width: width as i64, height: height as i64, pixels: values.as_chunks().0.to_vec() })
    }

    /// As `u8` `[3, H, W]`.
    #[track_caller]
    pub(super) fn into_tensor(self) -> Result<Tensor> {
        let shape = [self.height as usize, self.width as usize, 3];
        Tensor::from_vec(self.pixels.into_flattened(), shape)?.permute([2, 0, 1])?.contiguous()
    }

    fn dot(&mut self, (x, y): Point, ink: Ink) {
        if (0..self.width).contains(&x) && (0..self.height).contains(&y) {
            let pixel = &mut self.pixels[(y * self.width + x) as usize];
            *pixel = ink.over(*pixel);
        }
    }

    /// The pixels from `x0` to `x1`, both included.
    fn row(&mut self, x0: i64, x1: i64, y: i64, ink: Ink) {
        for x in x0.max(0)..=x1.min(self.width - 1) {
            self.dot((x, y), ink);
        }
    }

    /// A filled rectangle, its right and lower edge included.
    pub(super) fn fill(&mut self, from: Point, to: Point, ink: Ink) {
        for y in from.1.min(to.1).max(0)..=from.1.max(to.1).min(self.height - 1) {
            self.row(from.0, to.0, y, ink);
        }
    }

    /// The edge of a rectangle, `width` pixels inwards.
    pub(super) fn frame(&mut self, (x0, y0): Point, (x1, y1): Point, width: i64, ink: Ink) {
        for i in 0..width {
            self.row(x0, x1, y0 + i, ink);
            self.row(x0, x1, y1 - i, ink);
            self.thin((x1 - i, y0 + width), (x1 - i, y1 - width + 1), ink);
            self.thin((x0 + i, y0 + width), (x0 + i, y1 - width + 1), ink);
        }
    }

    /// A line that is `width` pixels wide, both ends included.
    pub(super) fn line(&mut self, from: Point, to: Point, width: i64, ink: Ink) {
        if width <= 1 || from == to {
            self.thin(from, to, ink);
            return self.dot(to, ink);
        }
        let (dx, dy) = ((to.0 - from.0) as f64, (to.1 - from.1) as f64);
        let (long, half) = (dx.hypot(dy), (width - 1) as f64 / 2.0);
        let (more, less) = (up(half) as f64 / long, down(half) as f64 / long);
        let (left, right) = (down(less * dy), down(more * dy));
        let (above, below) = (down(less * dx), down(more * dx));
        let corners = [
            (from.0 - left, from.1 + below),
            (to.0 - left, to.1 + below),
            (to.0 + right, to.1 - above),
            (from.0 + right, from.1 - above),
        ];
        self.edges(&(0..4).map(|i| Edge::new(corners[i], corners[(i + 1) % 4])).collect::<Vec<_>>(), ink);
    }

    /// Bresenham's line without its last point.
    fn thin(&mut self, (mut x, mut y): Point, to: Point, ink: Ink) {
        let (dx, dy) = ((to.0 - x).abs(), (to.1 - y).abs());
        let (sx, sy) = (if to.0 < x { -1 } else { 1 }, if to.1 < y { -1 } else { 1 });
        let steep = dy >= dx;
        let (long, short) = if steep { (dy, dx) } else { (dx, dy) };
        let mut over = 2 * short - long;
        for _ in 0..long {
            self.dot((x, y), ink);
            if over >= 0 && short > 0 {
                if steep {
                    x += sx
                } else {
                    y += sy
                }
                over -= 2 * long;
            }
            over += 2 * short;
            if steep { y += sy } else { x += sx }
        }
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Point], ink: Ink) {
        let mut edges: Vec<Edge> = Vec::with_capacity(corners.len());
        for (i, pair) in corners.windows(2).enumerate() {
            let (a, b) = (pair[0], pair[1]);
            // A level edge that goes on in its direction is one with the edge before it.
            if a.1 == b.1 && i > 0 && corners[i - 1].1 == a.1 {
                let before = corners[i - 1].0;
                if let Some(last) = edges.last_mut() {
                    if b.0 > a.0 && a.0 > before {
                        last.x.1 = b.0;
                        continue;
                    } else if b.0 < a.0 && a.0 < before {
                        last.x.0 = b.0;
                        continue;
                    }
                }
            }
            edges.push(Edge::new(a, b));
        }
        if let (Some(first), Some(last)) = (corners.first(), corners.last())
            && first != last
        {
            edges.push(Edge::new(*last, *first));
        }
        self.edges(&edges, ink);
    }

    /// What lies within edges, a row at a time.
    fn edges(&mut self, edges: &[Edge], ink: Ink) {
        let level = |edge: &&Edge| edge.y.0 == edge.y.1;
        if !ink.blend {
            for edge in edges.iter().filter(level) {
                self.row(edge.x.0, edge.x.1, edge.y.0, ink);
            }
        }
        let slopes: Vec<&Edge> = edges.iter().filter(|edge| !level(edge)).collect();
        let top = edges.iter().map(|e| e.y.0).min().unwrap_or(0).max(0);
        let bottom = edges.iter().map(|e| e.y.1).max().unwrap_or(-1).min(self.height);
        for y in top..=bottom {
            let mut crossings = crossings(&slopes, y, bottom);
            crossings.sort_by(f32::total_cmp);
            if ink.blend {
                self.blended(&crossings, edges, y, ink);
            } else {
                for pair in crossings.chunks_exact(2) {
                    self.row(up(f64::from(pair[0])), down(f64::from(pair[1])), y, ink);
                }
            }
        }
    }

    /// A row of a polygon in which no pixel is met twice.
    fn blended(&mut self, crossings: &[f32], edges: &[Edge], y: i64, ink: Ink) {
        let mut at = if crossings.is_empty() { -1 } else { 0 };
        for pair in crossings.chunks_exact(2) {
            let end = down(f64::from(pair[1]));
            if end < at {
                continue;
            }
            at = self.level(edges, y, at, ink);
            if end < at {
                continue;
            }
            let start = up(f64::from(pair[0])).max(at);
            if start <= end {
                self.row(start, end, y, ink);
                at = end + 1;
            }
        }
        self.level(edges, y, at, ink);
    }

    /// The level edges of a row that start at `at` or before. Returns where the next pixel may be.
    fn level(&mut self, edges: &[Edge], y: i64, mut at: i64, ink: Ink) -> i64 {
        for edge in edges.iter().filter(|edge| edge.y == (y, y)) {
            let start = edge.x.0.max(at);
            if (at == -1 || at >= edge.x.0) && edge.x.1 >= start {
                self.row(start, edge.x.1, y, ink);
                at = edge.x.1 + 1;
            }
        }
        at
    }

    /// A filled disc.
    pub(super) fn disc(&mut self, (x, y): Point, radius: i64, ink: Ink) {
        // In halves of a pixel: the circle is walked from its right end, always to that of three neighbours which is
        // nearest to it; the first point of a row is the outermost.
        let r = 2 * radius;
        let off = |x: i64, y: i64| (x * x + y * y - r * r).abs();
        let (mut at, mut drawn) = ((r, 0i64), -1);
        loop {
            if at.1 > drawn && radius > 0 {
                drawn = at.1;
                let (half, rows) = (at.0 / 2, at.1 / 2);
                self.row(x - half, x + half, y - rows, ink);
                if rows > 0 {
                    self.row(x - half, x + half, y + rows, ink);
                }
            }
            if at == (0, r) || radius <= 0 {
                return;
            }
            let mut next = (at.0, at.1 + 2);
            if at.0 > 1 {
                for other in [(at.0 - 2, at.1 + 2), (at.0 - 2, at.1)] {
                    if off(next.0, next.1) > off(other.0, other.1) {
                        next = other;
                    }
                }
            }
            at = next;
        }
    }

    /// A line of text, its upper left corner at `at`, `scale` pixels for one of the font.
    pub(super) fn text(&mut self, (x, y): Point, text: &str, scale: i64, ink: Ink) {
        for (k, glyph) in text.chars().map(font::glyph).enumerate() {
            let left = x + k as i64 * font::ADVANCE * scale;
            for (column, bits) in glyph.into_iter().enumerate() {
                for row in (0..8).filter(|row| bits >> row & 1 == 1) {
                    let corner = (left + column as i64 * scale, y + row * scale);
                    self.fill(corner, (corner.0 + scale - 1, corner.1 + scale - 1), ink);
                }
            }
        }
    }
}

/// Where edges cross row `y`; each is passed an even number of times by a closed polygon.
fn crossings(slopes: &[&Edge], y: i64, bottom: i64) -> Vec<f32> {
    let mut found = Vec::new();
    for (i, edge) in slopes.iter().enumerate().filter(|(_, e)| (e.y.0..=e.y.1).contains(&y)) {
        let x = edge.at(y);
        found.push(x);
        if y == edge.y.1 && y < bottom {
            found.push(x);
        } else if edge.slope != 0.0 && (y == edge.y.0 || y == edge.y.1) {
            let corner = slopes[..i].iter().filter(|o| (y == o.y.0 || y == o.y.1) && o.slope != 0.0);
            // The row beside this one, where the two edges of a corner have gone apart.
            let beside = if y == edge.y.1 { y - 1 } else { y + 1 };
            let corner = corner.filter(|other| x.round() == other.at(y).round());
            if let Some(other) = corner.into_iter().find(|other| (other.y.0..=other.y.1).contains(&beside)) {
                let (a, b) = (edge.at(beside), other.at(beside));
                let last = found.len() - 1;
                // A flat corner reaches to where its edges come from.
                if x > a + 1.0 && x > b + 1.0 {
                    found[last] = a.max(b).round() + 1.0;
                } else if x < a - 1.0 && x < b - 1.0 {
                    found[last] = a.min(b).round() - 1.0;
                }
            }
        }
    }
    found
}

/// A side of a polygon.
struct Edge {
    start: Point,
    /// From the lesser to the greater.
    x: (i64, i64),
    y: (i64, i64),
    /// How far x goes in a row.
    slope: f32,
}

impl Edge {
    fn new(a: Point, b: Point) -> Self {
        let slope = if a.1 == b.1 { 0.0 } else { (b.0 - a.0) as f32 / (b.1 - a.1) as f32 };
        Edge { start: a, x: (a.0.min(b.0), a.0.max(b.0)), y: (a.1.min(b.1), a.1.max(b.1)), slope }
    }

    fn at(&self, y: i64) -> f32 {
        (y - self.start.1) as f32 * self.slope + self.start.0 as f32
    }
}

/// Rounded, halves away from zero.
fn up(v: f64) -> i64 {
    (v.signum() * (v.abs() + 0.5).floor()) as i64
}

/// Rounded, halves towards zero.
fn down(v: f64) -> i64 {
    (v.signum() * (v.abs() - 0.5).ceil()) as i64
}
