//! Turns, affine maps, perspectives and elastic warps at random.

use crate::transforms::kinds::{Fill, InterpolationMode, Range, boolean, check_probability, list};
use crate::transforms::transform::forwards;
use crate::transforms::{Transform, draw, functional};
use crate::tv_tensors::{TVTensor, query_size};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{Result, Tensor, builder, cat, ensure};

fn is_range(range: Range) -> bool {
    range.0.is_finite() && range.1.is_finite() && range.0 <= range.1
}

/// Turned by a random angle, as `torchvision.transforms.v2.RandomRotation`.
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

impl Transform for RandomRotation {
    type Params = f64;

    #[track_caller]
    fn make_params(&self, _: &[&TVTensor]) -> Result<f64> {
        draw::uniform(self.degrees.0, self.degrees.1)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, angle: &f64) -> Result<TVTensor> {
        functional::rotate(&part, *angle, self.interpolation, self.expand, &self.fill, self.center)
    }
}

/// Turned, shifted, scaled and sheared at random, as `torchvision.transforms.v2.RandomAffine`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{RandomAffine, SampleTransform};
///
/// let shake = RandomAffine::new(10).translate([0.1, 0.1]).scale([0.9, 1.1]).build()?;
/// assert_eq!(shake.on(Tensor::rand([1, 28, 28]).build()?)?.shape(), [1, 28, 28]);
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

/// The numbers of one affine map.
pub struct AffineParams {
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
}

impl Transform for RandomAffine {
    type Params = AffineParams;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<AffineParams> {
        let (h, w) = query_size(parts)?;
        let angle = draw::uniform(self.degrees.0, self.degrees.1)?;
        // Python rounds a half to the even side.
        let shift = |most: f64| Ok::<f64, flambeau_tensor::Error>(draw::uniform(-most, most)?.round_ties_even());
        let translate = match self.translate {
            Some([x, y]) => [shift(x * w as f64)?, shift(y * h as f64)?],
            None => [0.0; 2],
        };
        let scale = self.scale.map_or(Ok(1.0), |[from, to]| draw::uniform(from, to))?;
        let sheared = |range: Option<Range>| range.map_or(Ok(0.0), |Range(from, to)| draw::uniform(from, to));
        let shear = [sheared(self.shear.x)?, sheared(self.shear.y)?];
        Ok(AffineParams { angle, translate, scale, shear })
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, p: &AffineParams) -> Result<TVTensor> {
        let AffineParams { angle, translate, scale, shear } = *p;
        let (interpolation, fill, center) = (self.interpolation, self.fill.clone(), self.center);
        let options = functional::AffineOptions { angle, translate, scale, shear, interpolation, fill, center };
        functional::affine(&part, options)
    }
}

/// Seen from elsewhere with probability p, as `torchvision.transforms.v2.RandomPerspective`.
#[derive(Module)]
#[module(extra_repr = "RandomPerspective::describe")]
pub struct RandomPerspective {
    distortion_scale: f64,
    p: f64,
    interpolation: InterpolationMode,
    fill: Fill,
}

builder! {
    /// Options of [`RandomPerspective`].
    pub struct RandomPerspectiveBuilder => RandomPerspective;
    new {}
    options {
        /// How far corners move, in units of half of the image. 0.5 unless set.
        distortion_scale: f64 = 0.5,
        /// The probability of being applied. 0.5 unless set.
        p: f64 = 0.5,
        /// `Bilinear` (unless set) or `Nearest`.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// The value of pixels from outside. 0 unless set.
        fill: ~into Fill = Fill::default(),
    }
}

impl RandomPerspective {
    #[track_caller]
    fn from_builder(b: RandomPerspectiveBuilder) -> Result<Self> {
        let RandomPerspectiveBuilder { distortion_scale, p, interpolation, fill } = b;
        check_probability("RandomPerspective", p)?;
        let good = (0.0..=1.0).contains(&distortion_scale);
        ensure!(good, Argument, "RandomPerspective", "distortion_scale = {distortion_scale} is not in 0 to 1");
        Ok(RandomPerspective { distortion_scale, p, interpolation, fill })
    }

    fn describe(&self) -> String {
        format!(
            "p={:?}, distortion_scale={:?}, interpolation={}, fill={}",
            self.p,
            self.distortion_scale,
            self.interpolation.python(),
            self.fill.python()
        )
    }
}

impl Transform for RandomPerspective {
    type Params = [f64; 8];

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<[f64; 8]> {
        let (h, w) = query_size(parts)?;
        ensure!(h > 0 && w > 0, Shape, "RandomPerspective", "an image of {h}×{w} has no corners");
        let reach = |n: usize| (self.distortion_scale * (n / 2) as f64) as i64 + 1;
        let ((high, wide), (h, w)) = ((reach(h), reach(w)), (h as i64, w as i64));
        let near = |reach: i64| draw::integer(0, reach);
        let far = |n: i64, reach: i64| draw::integer(n - reach, n);
        let ends = [
            [near(wide)?, near(high)?],
            [far(w, wide)?, near(high)?],
            [far(w, wide)?, far(h, high)?],
            [near(wide)?, far(h, high)?],
        ];
        functional::perspective_coefficients([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], ends)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, coefficients: &[f64; 8]) -> Result<TVTensor> {
        functional::perspective_by(&part, coefficients, self.interpolation, &self.fill)
    }

    fn probability(&self) -> Option<f64> {
        Some(self.p)
    }
}

/// Warped as if seen through water, as `torchvision.transforms.v2.ElasticTransform`.
#[derive(Module)]
#[module(extra_repr = "ElasticTransform::describe")]
pub struct ElasticTransform {
    alpha: Pair,
    sigma: Pair,
    interpolation: InterpolationMode,
    fill: Fill,
}

/// A number for x and one for y.
#[derive(Clone, Copy, Debug)]
pub struct Pair(f64, f64);
plain_parts!(Pair);

impl From<f64> for Pair {
    fn from(n: f64) -> Self {
        Pair(n, n)
    }
}

impl From<[f64; 2]> for Pair {
    fn from([x, y]: [f64; 2]) -> Self {
        Pair(x, y)
    }
}

builder! {
    /// Options of [`ElasticTransform`].
    pub struct ElasticTransformBuilder => ElasticTransform;
    new {}
    options {
        /// How far pixels move, along x and along y. 50 unless set.
        alpha: ~into Pair = Pair(50.0, 50.0),
        /// Over how many pixels the movement is smoothed. 5 unless set; 0 for not at all.
        sigma: ~into Pair = Pair(5.0, 5.0),
        /// `Bilinear` (unless set) or `Nearest`.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// The value of pixels from outside. 0 unless set.
        fill: ~into Fill = Fill::default(),
    }
}

impl ElasticTransform {
    #[track_caller]
    fn from_builder(b: ElasticTransformBuilder) -> Result<Self> {
        let ElasticTransformBuilder { alpha, sigma, interpolation, fill } = b;
        let good = [alpha.0, alpha.1, sigma.0, sigma.1].iter().all(|v| v.is_finite()) && sigma.0 < 1e6 && sigma.1 < 1e6;
        ensure!(good, Argument, "ElasticTransform", "alpha {alpha:?} or sigma {sigma:?} is out of range");
        Ok(ElasticTransform { alpha, sigma, interpolation, fill })
    }

    fn describe(&self) -> String {
        format!(
            "alpha={}, sigma={}, interpolation={}, fill={}",
            list(&[self.alpha.0, self.alpha.1]),
            list(&[self.sigma.0, self.sigma.1]),
            self.interpolation.python(),
            self.fill.python()
        )
    }
}

impl Transform for ElasticTransform {
    type Params = Tensor;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Tensor> {
        let (h, w) = query_size(parts)?;
        let moved = |sigma: f64, alpha: f64, n: usize| -> Result<Tensor> {
            let noise = Tensor::rand([1, 1, h, w]).build()?.mul(2.0)?.sub(1.0)?;
            let smooth = if sigma > 0.0 {
                let window = (8.0 * sigma + 1.0) as usize | 1;
                functional::gaussian_blur(&noise, window, Some([self.sigma.0, self.sigma.1]))?
            } else {
                noise
            };
            smooth.mul(alpha)?.div(n as f64)
        };
        let x = moved(self.sigma.0, self.alpha.0, w)?;
        cat(&[x, moved(self.sigma.1, self.alpha.1, h)?], 1)?.permute([0, 2, 3, 1])
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, displacement: &Tensor) -> Result<TVTensor> {
        functional::elastic(&part, displacement, self.interpolation, &self.fill)
    }
}

forwards!(RandomRotation, RandomAffine, RandomPerspective, ElasticTransform);
