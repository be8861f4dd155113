//! Rotation, shift, scale and shear: every new pixel looks up where it came from.

use super::Forward;
use super::functional::height_width;
use super::kinds::{Fill, InterpolationMode, Range, boolean, list};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{DType, Result, Tensor, bail, builder, ensure, grad_enabled};

/// The image turned by `angle` degrees (clockwise), shifted by `translate` pixels (x, y), scaled, and
/// sheared by `shear` degrees (x, y), about `center` (x, y) or its middle. Follows
/// `torchvision.transforms.functional.affine`; interpolation is `Nearest` or `Bilinear`.
///
/// # Errors
/// Where it is no image, `scale` is not positive, or `fill` has neither one value nor one for each channel.
#[track_caller]
#[allow(clippy::too_many_arguments)] // torchvision's, in its order
pub fn affine(
    image: &Tensor,
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
    interpolation: InterpolationMode,
    fill: &Fill,
    center: Option<[f64; 2]>,
) -> Result<Tensor> {
    let (h, w) = height_width("affine", image)?;
    ensure!(scale > 0.0, Argument, "affine", "scale = {scale} is not positive");
    let matrix = inverse_matrix(from_middle(center, h, w), angle, translate, scale, shear);
    warp("affine", image, &matrix, (h, w), interpolation, fill)
}

/// The image turned by `angle` degrees, counter-clockwise, about `center` (x, y) or its middle; with
/// `expand` on a canvas that holds all of it. Follows `torchvision.transforms.functional.rotate`;
/// interpolation is `Nearest` or `Bilinear`.
///
/// # Errors
/// Where it is no image, or `fill` has neither one value nor one for each channel.
#[track_caller]
pub fn rotate(
    image: &Tensor,
    angle: f64,
    interpolation: InterpolationMode,
    expand: bool,
    fill: &Fill,
    center: Option<[f64; 2]>,
) -> Result<Tensor> {
    let (h, w) = height_width("rotate", image)?;
    let matrix = inverse_matrix(from_middle(center, h, w), -angle, [0.0; 2], 1.0, [0.0; 2]);
    let size = if expand { expanded(&matrix, h, w) } else { (h, w) };
    warp("rotate", image, &matrix, size, interpolation, fill)
}

/// `center` counted from the middle of the image.
fn from_middle(center: Option<[f64; 2]>, h: usize, w: usize) -> [f64; 2] {
    center.map_or([0.0; 2], |[x, y]| [x - w as f64 * 0.5, y - h as f64 * 0.5])
}

/// From new to old places, both counted from the middle: `x' = m0 x + m1 y + m2`, `y' = m3 x + m4 y + m5`.
/// The inverse of shift · rotation · scale · shear, about `center`.
fn inverse_matrix([cx, cy]: [f64; 2], angle: f64, [tx, ty]: [f64; 2], scale: f64, shear: [f64; 2]) -> [f64; 6] {
    let rotation = angle.to_radians();
    let [sx, sy] = shear.map(f64::to_radians);
    let a = (rotation - sy).cos() / sy.cos();
    let b = -(rotation - sy).cos() * sx.tan() / sy.cos() - rotation.sin();
    let c = (rotation - sy).sin() / sy.cos();
    let d = -(rotation - sy).sin() * sx.tan() / sy.cos() + rotation.cos();
    // The determinant of rotation and shear is one, so the inverse is the adjugate.
    let [m0, m1, m3, m4] = [d, -b, -c, a].map(|m| m / scale);
    let m2 = m0 * (-cx - tx) + m1 * (-cy - ty) + cx;
    let m5 = m3 * (-cx - tx) + m4 * (-cy - ty) + cy;
    [m0, m1, m2, m3, m4, m5]
}

/// Height and width of the canvas that holds the whole turned image.
fn expanded(matrix: &[f64; 6], h: usize, w: usize) -> (usize, usize) {
    let [m0, m1, m2, m3, m4, m5] = matrix.map(|m| m as f32);
    let (x, y) = (0.5 * w as f32, 0.5 * h as f32);
    let corners = [(-x, -y), (-x, y), (x, y), (x, -y)];
    let extent = |a: f32, b: f32, c: f32, half: f32| {
        let places = corners.map(|(x, y)| x * a + y * b + c + half);
        let (least, most) = places.iter().fold((f32::MAX, f32::MIN), |(l, m), p| (l.min(*p), m.max(*p)));
        // What is beyond the fourth digit is rounding, not a pixel.
        let cut = |v: f32| (v / 1e-4).trunc() * 1e-4;
        (cut(most).ceil() - cut(least).floor()) as usize
    };
    (extent(m3, m4, m5, y), extent(m0, m1, m2, x))
}

#[track_caller]
fn warp(
    op: &'static str,
    image: &Tensor,
    matrix: &[f64; 6],
    size: (usize, usize),
    interpolation: InterpolationMode,
    fill: &Fill,
) -> Result<Tensor> {
    let bilinear = match interpolation {
        InterpolationMode::Nearest => false,
        InterpolationMode::Bilinear => true,
        other => bail!(Argument, op, "{} is not possible here: nearest or bilinear is", other.python()),
    };
    ensure!(
        !(image.requires_grad() && grad_enabled()),
        NotDifferentiable,
        op,
        "this records no gradient; `detach` the image, or use `no_grad`"
    );
    let (h, w) = height_width(op, image)?;
    let channels = if image.rank() > 2 { image.shape()[image.rank() - 3] } else { 1 };
    ensure!(
        fill.0.len() == 1 || fill.0.len() == channels,
        Argument,
        op,
        "{} values of fill for {channels} channels",
        fill.0.len()
    );
    let mut shape = image.shape().to_vec();
    if let [.., height, width] = &mut shape[..] {
        (*height, *width) = size;
    }
    let (pixels, area) = (image.to_dtype(DType::F32)?.contiguous()?, size.0 * size.1);
    let x = pixels.data::<f32>()?;
    let mut out = vec![0.0f32; shape.iter().product()];
    let places = places(matrix, (h, w), size);
    if area > 0 {
        for (plane, y) in out.chunks_exact_mut(area).enumerate() {
            let x = x.get(plane * h * w..(plane + 1) * h * w).unwrap_or_default();
            let fill = fill.0[if fill.0.len() == 1 { 0 } else { plane % channels }] as f32;
            let look = if bilinear { between } else { nearest };
            y.iter_mut().zip(&places).for_each(|(y, place)| *y = look(x, (h, w), *place, fill));
        }
    }
    drop(x);
    let out = Tensor::from_vec(out, &shape)?;
    let out = if image.dtype().is_float() { out } else { out.round()? };
    out.to_dtype(image.dtype())
}

/// Where each new pixel looks in the old image, in pixels from the middle of the first. In the steps and
/// the precision of PyTorch's `grid_sample`, so that what lies half-way falls to the same side.
fn places(matrix: &[f64; 6], (h, w): (usize, usize), (height, width): (usize, usize)) -> Vec<(f32, f32)> {
    let theta = matrix.map(|m| m as f32);
    let (half_w, half_h) = (0.5 * w as f32, 0.5 * h as f32);
    let [m0, m1, m2] = [theta[0] / half_w, theta[1] / half_w, theta[2] / half_w];
    let [m3, m4, m5] = [theta[3] / half_h, theta[4] / half_h, theta[5] / half_h];
    let middle = |i: usize, n: usize| i as f32 - n as f32 * 0.5 + 0.5;
    let mut places = Vec::with_capacity(height * width);
    for i in 0..height {
        let y = middle(i, height);
        for j in 0..width {
            let x = middle(j, width);
            let (gx, gy) = (x * m0 + y * m1 + m2, x * m3 + y * m4 + m5);
            places.push((((gx + 1.0) * w as f32 - 1.0) / 2.0, ((gy + 1.0) * h as f32 - 1.0) / 2.0));
        }
    }
    places
}

fn pixel(image: &[f32], (h, w): (usize, usize), x: f32, y: f32) -> Option<f32> {
    let inside = x >= 0.0 && y >= 0.0 && x < w as f32 && y < h as f32;
    inside.then(|| image[y as usize * w + x as usize])
}

fn nearest(image: &[f32], size: (usize, usize), (x, y): (f32, f32), fill: f32) -> f32 {
    pixel(image, size, x.round_ties_even(), y.round_ties_even()).unwrap_or(fill)
}

fn between(image: &[f32], size: (usize, usize), (x, y): (f32, f32), fill: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (dx, dy) = (x - left, y - top);
    let around = [
        (left, top, (1.0 - dx) * (1.0 - dy)),
        (left + 1.0, top, dx * (1.0 - dy)),
        (left, top + 1.0, (1.0 - dx) * dy),
        (left + 1.0, top + 1.0, dx * dy),
    ];
    let (mut sum, mut inside) = (0.0, 0.0);
    for (x, y, weight) in around {
        if let Some(value) = pixel(image, size, x, y) {
            sum += value * weight;
            inside += weight;
        }
    }
    // As torchvision mixes it: what is inside counts by its share once more.
    sum * inside + (1.0 - inside) * fill
}

/// A number evenly in `from..to`, one drawn from the default generator as `torch.empty(1).uniform_` does.
#[track_caller]
fn draw(from: f64, to: f64) -> Result<f64> {
    let x = Tensor::zeros([1]).build()?;
    x.uniform_(from, to)?;
    Ok(f64::from(x.item::<f32>()?))
}

fn is_range(range: Range) -> bool {
    range.0.is_finite() && range.1.is_finite() && range.0 <= range.1
}

/// The image turned by a random angle, as `torchvision.transforms.RandomRotation`.
#[derive(Module)]
#[module(extra_repr = "RandomRotation::describe")]
pub struct RandomRotation {
    degrees: Range,
    interpolation: InterpolationMode,
    expand: bool,
    #[module(skip)]
    center: Option<[f64; 2]>,
    fill: Fill,
}

builder! {
    /// Options of [`RandomRotation`].
    pub struct RandomRotationBuilder => RandomRotation;
    new {
        /// The range of angles, `[from, to]`, or n for −n to n.
        degrees: ~into Range,
    }
    options {
        /// `Nearest` (unless set) or `Bilinear`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// A canvas that holds all of the turned image. False unless set.
        expand: bool = false,
        /// What it is turned about, x and y from the upper left corner. The middle unless set.
        center: ~into Option<[f64; 2]> = None,
        /// The value of pixels from outside. 0 unless set.
        fill: ~into Fill = Fill::default(),
    }
}

impl RandomRotation {
    #[track_caller]
    fn from_builder(b: RandomRotationBuilder) -> Result<Self> {
        let RandomRotationBuilder { degrees, interpolation, expand, center, fill } = b;
        ensure!(is_range(degrees), Argument, "RandomRotation", "degrees {} is no range", degrees.python());
        Ok(RandomRotation { degrees, interpolation, expand, center, fill })
    }

    fn describe(&self) -> String {
        let mut text = format!(
            "degrees={}, interpolation={}, expand={}",
            self.degrees.python(),
            self.interpolation.python(),
            boolean(self.expand)
        );
        if let Some(center) = self.center {
            text += &format!(", center={}", list(&center));
        }
        text + &format!(", fill={}", self.fill.python())
    }
}

impl Forward for RandomRotation {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let angle = draw(self.degrees.0, self.degrees.1)?;
        rotate(x, angle, self.interpolation, self.expand, &self.fill, self.center)
    }
}

/// The image turned, shifted, scaled and sheared at random, as `torchvision.transforms.RandomAffine`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, RandomAffine};
///
/// let shake = RandomAffine::new(10).translate([0.1, 0.1]).scale([0.9, 1.1]).build()?;
/// assert_eq!(shake.forward(&Tensor::rand([1, 28, 28]).build()?)?.shape(), [1, 28, 28]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "RandomAffine::describe")]
pub struct RandomAffine {
    degrees: Range,
    #[module(skip)]
    translate: Option<[f64; 2]>,
    #[module(skip)]
    scale: Option<[f64; 2]>,
    shear: Shear,
    interpolation: InterpolationMode,
    fill: Fill,
    #[module(skip)]
    center: Option<[f64; 2]>,
}

/// Ranges of the shear in degrees: along x, and along y. No shear unless made from numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shear {
    x: Option<Range>,
    y: Option<Range>,
}

macro_rules! shear_along_x {
    ($($t:ty),*) => {$(
        impl From<$t> for Shear {
            fn from(x: $t) -> Self {
                Shear { x: Some(x.into()), y: None }
            }
        }
    )*};
}
shear_along_x!(f64, i32, [f64; 2], [i32; 2]);

/// From and to along x, from and to along y.
impl From<[f64; 4]> for Shear {
    fn from([x0, x1, y0, y1]: [f64; 4]) -> Self {
        Shear { x: Some(Range(x0, x1)), y: Some(Range(y0, y1)) }
    }
}

plain_parts!(Shear);

builder! {
    /// Options of [`RandomAffine`].
    pub struct RandomAffineBuilder => RandomAffine;
    new {
        /// The range of angles, `[from, to]`, or n for −n to n; 0 to turn nothing.
        degrees: ~into Range,
    }
    options {
        /// The largest shifts, as shares of width and height. None unless set.
        translate: ~into Option<[f64; 2]> = None,
        /// The range of scales. None unless set.
        scale: ~into Option<[f64; 2]> = None,
        /// The range of the shear in degrees: n for −n to n along x, `[from, to]` along x, or
        /// `[x from, x to, y from, y to]`. None unless set.
        shear: ~into Shear = Shear::default(),
        /// `Nearest` (unless set) or `Bilinear`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// The value of pixels from outside. 0 unless set.
        fill: ~into Fill = Fill::default(),
        /// What stays in its place, x and y from the upper left corner. The middle unless set.
        center: ~into Option<[f64; 2]> = None,
    }
}

impl RandomAffine {
    #[track_caller]
    fn from_builder(b: RandomAffineBuilder) -> Result<Self> {
        let RandomAffineBuilder { degrees, translate, scale, shear, interpolation, fill, center } = b;
        let op = "RandomAffine";
        ensure!(is_range(degrees), Argument, op, "degrees {} is no range", degrees.python());
        if let Some(shares) = translate {
            let good = shares.iter().all(|share| (0.0..=1.0).contains(share));
            ensure!(good, Argument, op, "translate {} is not in 0 to 1", list(&shares));
        }
        if let Some([from, to]) = scale {
            ensure!(
                from > 0.0 && is_range(Range(from, to)),
                Argument,
                op,
                "scale {} is no range above 0",
                list(&[from, to])
            );
        }
        for range in [shear.x, shear.y].into_iter().flatten() {
            ensure!(is_range(range), Argument, op, "shear {} is no range", range.python());
        }
        Ok(RandomAffine { degrees, translate, scale, shear, interpolation, fill, center })
    }

    fn describe(&self) -> String {
        let mut text = format!("degrees={}", self.degrees.python());
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text += &format!(", {name}={value}");
            }
        };
        say("translate", self.translate.map(|t| list(&t)));
        say("scale", self.scale.map(|s| list(&s)));
        let shear = [self.shear.x, self.shear.y].into_iter().flatten().flat_map(|r| [r.0, r.1]).collect::<Vec<f64>>();
        say("shear", (!shear.is_empty()).then(|| list(&shear)));
        say(
            "interpolation",
            (self.interpolation != InterpolationMode::Nearest).then(|| self.interpolation.python().into()),
        );
        say("fill", (self.fill != Fill::default()).then(|| self.fill.python()));
        say("center", self.center.map(|c| list(&c)));
        text
    }
}

impl Forward for RandomAffine {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (h, w) = height_width("RandomAffine", x)?;
        let angle = draw(self.degrees.0, self.degrees.1)?;
        // Python rounds a half to the even side.
        let shift = |most: f64| Ok::<f64, flambeau_tensor::Error>(draw(-most, most)?.round_ties_even());
        let translate = match self.translate {
            Some([x, y]) => [shift(x * w as f64)?, shift(y * h as f64)?],
            None => [0.0; 2],
        };
        let scale = self.scale.map_or(Ok(1.0), |[from, to]| draw(from, to))?;
        let sheared = |range: Option<Range>| range.map_or(Ok(0.0), |Range(from, to)| draw(from, to));
        let shear = [sheared(self.shear.x)?, sheared(self.shear.y)?];
        affine(x, angle, translate, scale, shear, self.interpolation, &self.fill, self.center)
    }
}

#[cfg(test)]
mod tests;
