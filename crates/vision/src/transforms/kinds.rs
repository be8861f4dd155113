//! The kinds of arguments that transforms take, and how Python would print them.

use flambeau_nn::plain_parts;

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
            Size::One(n) => (n, n),
            Size::Both(height, width) => (height, width),
        }
    }
}

/// How many pixels are added at each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// At the left.
    pub left: usize,
    /// Above.
    pub top: usize,
    /// At the right.
    pub right: usize,
    /// Below.
    pub bottom: usize,
}

impl From<usize> for Padding {
    fn from(n: usize) -> Self {
        Padding { left: n, top: n, right: n, bottom: n }
    }
}

/// Left and right, top and bottom.
impl From<[usize; 2]> for Padding {
    fn from([x, y]: [usize; 2]) -> Self {
        Padding { left: x, top: y, right: x, bottom: y }
    }
}

/// Left, top, right, bottom.
impl From<[usize; 4]> for Padding {
    fn from([left, top, right, bottom]: [usize; 4]) -> Self {
        Padding { left, top, right, bottom }
    }
}

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

/// The value of pixels that come from nowhere: one for all channels, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill(pub Vec<f64>);

impl Default for Fill {
    fn default() -> Self {
        Fill(vec![0.0])
    }
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Fill(vec![value])
    }
}

impl From<i32> for Fill {
    fn from(value: i32) -> Self {
        Fill(vec![f64::from(value)])
    }
}

impl<const N: usize> From<[f64; N]> for Fill {
    fn from(values: [f64; N]) -> Self {
        Fill(values.to_vec())
    }
}

impl<const N: usize> From<[i32; N]> for Fill {
    fn from(values: [i32; N]) -> Self {
        Fill(values.map(f64::from).to_vec())
    }
}

impl Fill {
    pub(super) fn python(&self) -> String {
        match self.0[..] {
            [one] => number(one),
            _ => list(&self.0),
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
