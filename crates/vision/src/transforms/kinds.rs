//! The kinds of arguments that transforms take, and how Python would print them.

use crate::tv_tensors::TVKind;
use flambeau_nn::plain_parts;
use flambeau_tensor::{Result, ensure};

/// Where a transform that moves pixels takes its values from, as `torchvision.transforms.InterpolationMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterpolationMode {
    /// the nearest pixel, as PyTorch's `nearest` rounds
    Nearest,
    /// the nearest pixel, its middle being what is near
    NearestExact,
    /// the pixels around, by their distance
    #[default]
    Bilinear,
    /// a cubic through the pixels around
    Bicubic,
    /// a windowed sinc of three lobes
    Lanczos,
}

/// What stands beyond the edge of a padded image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingMode {
    /// one value: the fill
    #[default]
    Constant,
    /// the pixel at the edge
    Edge,
    /// the mirror image, the edge itself not repeated
    Reflect,
    /// the mirror image, the edge repeated
    Symmetric,
}

/// A size given as one number, or as height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A square; for `Resize` the length of the shorter side.
    One(usize),
    /// Height and width.
    Both(usize, usize),
    /// The length of the longer side, for `Resize`; torchvision's `size=None, max_size=n`.
    Longest(usize),
}

impl From<usize> for Size {
    fn from(n: usize) -> Self {
        Size::One(n)
    }
}

impl From<[usize; 2]> for Size {
    fn from([height, width]: [usize; 2]) -> Self {
        Size::Both(height, width)
    }
}

impl From<(usize, usize)> for Size {
    fn from((height, width): (usize, usize)) -> Self {
        Size::Both(height, width)
    }
}

impl Size {
    /// Height and width, of a square where one number was given.
    pub fn square(self) -> (usize, usize) {
        match self {
            Size::One(n) | Size::Longest(n) => (n, n),
            Size::Both(height, width) => (height, width),
        }
    }

    /// Height and width of what was `h` × `w` and becomes this size, the longer side being at most `max_size`.
    pub(super) fn resized(self, h: usize, w: usize, max_size: Option<usize>) -> (usize, usize) {
        let (short, long) = (h.min(w).max(1) as u128, h.max(w) as u128);
        let scaled = |of: u128, by: usize, over: u128| usize::try_from(of * by as u128 / over).unwrap_or(usize::MAX);
        let (new_short, new_long) = match self {
            Size::Both(height, width) => return (height, width),
            Size::Longest(n) => (scaled(short, n, long.max(1)), n),
            Size::One(n) => match (scaled(long, n, short), max_size) {
                (new_long, Some(most)) if new_long > most => (scaled(n as u128, most, new_long as u128), most),
                (new_long, _) => (n, new_long),
            },
        };
        if w <= h { (new_long, new_short) } else { (new_short, new_long) }
    }
}

/// How many pixels are added at each side; where negative, how many are cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// At the left.
    pub left: isize,
    /// Above.
    pub top: isize,
    /// At the right.
    pub right: isize,
    /// Below.
    pub bottom: isize,
}

macro_rules! paddings {
    ($($t:ty),*) => {$(
        impl From<$t> for Padding {
            fn from(n: $t) -> Self {
                [n; 4].into()
            }
        }

        /// Left and right, top and bottom.
        impl From<[$t; 2]> for Padding {
            fn from([x, y]: [$t; 2]) -> Self {
                [x, y, x, y].into()
            }
        }

        /// Left, top, right, bottom.
        impl From<[$t; 4]> for Padding {
            fn from(sides: [$t; 4]) -> Self {
                // What is beyond every image is as good as the greatest number.
                let [left, top, right, bottom] = sides.map(|n| isize::try_from(n).unwrap_or(isize::MAX));
                Padding { left, top, right, bottom }
            }
        }
    )*};
}
paddings!(usize, isize, i32);

impl Padding {
    /// As Python would have been given it.
    pub(super) fn python(self) -> String {
        let Padding { left, top, right, bottom } = self;
        match (left == right && top == bottom, left == top) {
            (true, true) => left.to_string(),
            (true, false) => format!("({left}, {top})"),
            _ => format!("({left}, {top}, {right}, {bottom})"),
        }
    }
}

/// The value of pixels that come from nowhere: one for all channels, or one for each; if wanted another for each
/// kind of thing. `Fill::none()` leaves a transform that mixes pixels to mix with black, which is not quite the same
/// as to fill with 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    others: Option<Vec<f64>>,
    kinds: Vec<(TVKind, Option<Vec<f64>>)>,
}

impl Default for Fill {
    fn default() -> Self {
        Fill::from(0)
    }
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Fill::from(vec![value])
    }
}

impl From<i32> for Fill {
    fn from(value: i32) -> Self {
        Fill::from(f64::from(value))
    }
}

impl<const N: usize> From<[f64; N]> for Fill {
    fn from(values: [f64; N]) -> Self {
        Fill::from(values.to_vec())
    }
}

impl<const N: usize> From<[i32; N]> for Fill {
    fn from(values: [i32; N]) -> Self {
        Fill::from(values.map(f64::from).to_vec())
    }
}

impl From<Vec<f64>> for Fill {
    fn from(values: Vec<f64>) -> Self {
        Fill { others: Some(values), kinds: Vec::new() }
    }
}

impl Fill {
    /// No value: torchvision's `fill=None`.
    pub fn none() -> Fill {
        Fill { others: None, kinds: Vec::new() }
    }

    /// With another value for one kind of thing: torchvision's `fill={tv_tensors.Image: 127, "others": 0}` is
    /// `Fill::from(0).with(TVKind::Image, 127)`.
    #[must_use]
    pub fn with(mut self, kind: TVKind, fill: impl Into<Fill>) -> Fill {
        self.kinds.retain(|(other, _)| *other != kind);
        self.kinds.push((kind, fill.into().others));
        self
    }

    /// The values for `kind`.
    pub(super) fn of(&self, kind: TVKind) -> Option<&[f64]> {
        let own = self.kinds.iter().find(|(other, _)| *other == kind);
        own.map_or(&self.others, |(_, fill)| fill).as_deref()
    }

    pub(super) fn python(&self) -> String {
        match self.others.as_deref() {
            None => "None".into(),
            Some([one]) => number(*one),
            Some(values) => list(values),
        }
    }
}

/// A range to draw from: `a..b` as `[a, b]`, or one number `a` for −a to a.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range(pub f64, pub f64);

impl From<f64> for Range {
    fn from(n: f64) -> Self {
        Range(-n, n)
    }
}

impl From<i32> for Range {
    fn from(n: i32) -> Self {
        Range(-f64::from(n), f64::from(n))
    }
}

impl From<[f64; 2]> for Range {
    fn from([from, to]: [f64; 2]) -> Self {
        Range(from, to)
    }
}

impl From<[i32; 2]> for Range {
    fn from([from, to]: [i32; 2]) -> Self {
        Range(f64::from(from), f64::from(to))
    }
}

impl Range {
    pub(super) fn python(self) -> String {
        format!("[{}, {}]", number(self.0), number(self.1))
    }
}

plain_parts!(InterpolationMode, PaddingMode, Size, Padding, Fill, Range);

impl InterpolationMode {
    pub(super) fn python(self) -> &'static str {
        match self {
            InterpolationMode::Nearest => "nearest",
            InterpolationMode::NearestExact => "nearest-exact",
            InterpolationMode::Bilinear => "bilinear",
            InterpolationMode::Bicubic => "bicubic",
            InterpolationMode::Lanczos => "lanczos",
        }
    }
}

impl PaddingMode {
    pub(super) fn python(self) -> &'static str {
        match self {
            PaddingMode::Constant => "constant",
            PaddingMode::Edge => "edge",
            PaddingMode::Reflect => "reflect",
            PaddingMode::Symmetric => "symmetric",
        }
    }
}

/// A bool as Python prints it.
pub(super) fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A number as Python prints it.
pub(super) fn number(value: f64) -> String {
    format!("{value:?}")
}

/// Numbers as Python prints a list of them.
pub(super) fn list(values: &[f64]) -> String {
    format!("{values:?}")
}

/// Refuses what is no probability.
#[track_caller]
pub(super) fn check_probability(op: &'static str, p: f64) -> Result<()> {
    ensure!((0.0..=1.0).contains(&p), Argument, op, "p = {p} is not a probability");
    Ok(())
}
