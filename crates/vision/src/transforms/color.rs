//! Transforms of colours.

use super::kinds::{check_probability, number};
use super::transform::{by_chance, forwards, if_image, steady};
use super::{Transform, draw, functional};
use crate::tv_tensors::{TVTensor, query_chw};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{Error, Result, builder, ensure};

/// RGB to brightness, as `torchvision.transforms.v2.Grayscale`.
#[derive(Module)]
#[module(extra_repr = "Grayscale::describe")]
pub struct Grayscale {
    num_output_channels: usize,
}

builder! {
    /// Options of [`Grayscale`].
    pub struct GrayscaleBuilder => Grayscale;
    new {}
    options {
        /// One, or three that are alike. One unless set.
        num_output_channels: usize = 1,
    }
}

impl Grayscale {
    #[track_caller]
    fn from_builder(b: GrayscaleBuilder) -> Result<Self> {
        let n = b.num_output_channels;
        ensure!(n == 1 || n == 3, Argument, "Grayscale", "num_output_channels = {n}: a gray image has one or three");
        Ok(Grayscale { num_output_channels: n })
    }

    fn describe(&self) -> String {
        format!("num_output_channels={}", self.num_output_channels)
    }
}

/// Gray images in three channels, as `torchvision.transforms.v2.RGB`.
#[derive(Module, Default)]
pub struct RGB {}

impl RGB {
    /// One.
    pub fn new() -> Self {
        RGB {}
    }
}

steady! {
    Grayscale: |this, part| if_image!(part, |x| functional::rgb_to_grayscale(x, this.num_output_channels));
    RGB: |_this, part| if_image!(part, |x| functional::grayscale_to_rgb(x));
}

/// Gray with probability p, in as many channels as before, as `torchvision.transforms.v2.RandomGrayscale`.
#[derive(Module)]
#[module(extra_repr = "RandomGrayscale::describe")]
pub struct RandomGrayscale {
    p: f64,
}

builder! {
    /// Options of [`RandomGrayscale`].
    pub struct RandomGrayscaleBuilder => RandomGrayscale;
    new {}
    options {
        /// The probability of being applied. 0.1 unless set.
        p: f64 = 0.1,
    }
}

impl RandomGrayscale {
    #[track_caller]
    fn from_builder(b: RandomGrayscaleBuilder) -> Result<Self> {
        check_probability("RandomGrayscale", b.p)?;
        Ok(RandomGrayscale { p: b.p })
    }

    fn describe(&self) -> String {
        format!("p={}", number(self.p))
    }
}

impl Transform for RandomGrayscale {
    type Params = usize;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<usize> {
        Ok(query_chw(parts)?.0)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, channels: &usize) -> Result<TVTensor> {
        if_image!(part, |x| functional::rgb_to_grayscale(x, *channels))
    }

    fn probability(&self) -> Option<f64> {
        Some(self.p)
    }
}

/// By how much [`ColorJitter`] changes something: a number n for 1 − n to 1 + n (of the hue −n to n), or `[from, to]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// around what leaves the image as it is
    By(f64),
    /// from one factor to another
    Between(f64, f64),
}

impl From<f64> for Jitter {
    fn from(n: f64) -> Self {
        Jitter::By(n)
    }
}

impl From<[f64; 2]> for Jitter {
    fn from([from, to]: [f64; 2]) -> Self {
        Jitter::Between(from, to)
    }
}

impl Jitter {
    /// The range, if it is one that changes anything.
    #[track_caller]
    fn range(self, name: &str, center: f64, bound: (f64, f64)) -> Result<Option<Factors>> {
        let (from, to) = match self {
            Jitter::By(n) => {
                ensure!(n >= 0.0, Argument, "ColorJitter", "{name} = {n} is negative");
                (if center == 1.0 { (center - n).max(0.0) } else { center - n }, center + n)
            }
            Jitter::Between(from, to) => (from, to),
        };
        let good = bound.0 <= from && from <= to && to <= bound.1;
        ensure!(good, Argument, "ColorJitter", "{name} from {from} to {to} is not in {} to {}", bound.0, bound.1);
        Ok((from != center || to != center).then_some(Factors(from, to)))
    }
}

/// A range of factors.
#[derive(Clone, Copy, Debug)]
struct Factors(f64, f64);
plain_parts!(Factors);

impl Factors {
    #[track_caller]
    fn draw(self) -> Result<f64> {
        draw::uniform(self.0, self.1)
    }
}

/// Brightness, contrast, saturation and hue changed at random, in a random order, as
/// `torchvision.transforms.v2.ColorJitter`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{ColorJitter, SampleTransform};
///
/// let jitter = ColorJitter::new().brightness(0.4).contrast(0.4).hue(0.1).build()?;
/// assert_eq!(jitter.on(Tensor::rand([3, 8, 8]).build()?)?.shape(), [3, 8, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "ColorJitter::describe")]
pub struct ColorJitter {
    brightness: Option<Factors>,
    contrast: Option<Factors>,
    saturation: Option<Factors>,
    hue: Option<Factors>,
}

builder! {
    /// Options of [`ColorJitter`].
    pub struct ColorJitterBuilder => ColorJitter;
    new {}
    options {
        /// The range of factors of the brightness. As it is unless set.
        brightness: ~into Jitter = Jitter::By(0.0),
        /// The range of factors of the contrast. As it is unless set.
        contrast: ~into Jitter = Jitter::By(0.0),
        /// The range of factors of the saturation. As it is unless set.
        saturation: ~into Jitter = Jitter::By(0.0),
        /// The range by which the hue moves, in −0.5 to 0.5. As it is unless set.
        hue: ~into Jitter = Jitter::By(0.0),
    }
}

impl ColorJitter {
    #[track_caller]
    fn from_builder(b: ColorJitterBuilder) -> Result<Self> {
        let factor = |jitter: Jitter, name: &str| jitter.range(name, 1.0, (0.0, f64::INFINITY));
        Ok(ColorJitter {
            brightness: factor(b.brightness, "brightness")?,
            contrast: factor(b.contrast, "contrast")?,
            saturation: factor(b.saturation, "saturation")?,
            hue: b.hue.range("hue", 0.0, (-0.5, 0.5))?,
        })
    }

    fn describe(&self) -> String {
        let named = [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
            ("hue", self.hue),
        ];
        let one = |(name, range): (&str, Option<Factors>)| range.map(|Factors(a, b)| format!("{name}=({a:?}, {b:?})"));
        named.into_iter().filter_map(one).collect::<Vec<_>>().join(", ")
    }
}

/// What [`ColorJitter`] drew: an order, and factors.
pub struct JitterParams {
    order: Vec<usize>,
    factors: [Option<f64>; 4],
}

impl Transform for ColorJitter {
    type Params = JitterParams;

    #[track_caller]
    fn make_params(&self, _: &[&TVTensor]) -> Result<JitterParams> {
        let order = draw::permutation(4)?;
        let drawn = |range: Option<Factors>| range.map(Factors::draw).transpose();
        let factors = [drawn(self.brightness)?, drawn(self.contrast)?, drawn(self.saturation)?, drawn(self.hue)?];
        Ok(JitterParams { order, factors })
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, params: &JitterParams) -> Result<TVTensor> {
        params.order.iter().try_fold(part, |part, i| adjust(*i, part, params.factors[*i]))
    }
}

/// Brightness, contrast, saturation or hue changed, if there is a factor.
#[track_caller]
fn adjust(which: usize, part: TVTensor, factor: Option<f64>) -> Result<TVTensor> {
    let Some(factor) = factor else { return Ok(part) };
    if_image!(part, |x| match which {
        0 => functional::adjust_brightness(x, factor),
        1 => functional::adjust_contrast(x, factor),
        2 => functional::adjust_saturation(x, factor),
        _ => functional::adjust_hue(x, factor),
    })
}

/// The channels in a random order, as `torchvision.transforms.v2.RandomChannelPermutation`.
#[derive(Module, Default)]
pub struct RandomChannelPermutation {}

impl RandomChannelPermutation {
    /// One.
    pub fn new() -> Self {
        RandomChannelPermutation {}
    }
}

impl Transform for RandomChannelPermutation {
    type Params = Vec<usize>;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Vec<usize>> {
        draw::permutation(query_chw(parts)?.0)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, order: &Vec<usize>) -> Result<TVTensor> {
        if_image!(part, |x| functional::permute_channels(x, order))
    }
}

/// Brightness, contrast, saturation, hue and the order of channels changed, each with probability p, as
/// `torchvision.transforms.v2.RandomPhotometricDistort` ("SSD: Single Shot MultiBox Detector", W. Liu et al., 2016).
#[derive(Module)]
#[module(extra_repr = "RandomPhotometricDistort::describe")]
pub struct RandomPhotometricDistort {
    brightness: (f64, f64),
    contrast: (f64, f64),
    saturation: (f64, f64),
    hue: (f64, f64),
    p: f64,
}

builder! {
    /// Options of [`RandomPhotometricDistort`].
    pub struct RandomPhotometricDistortBuilder => RandomPhotometricDistort;
    new {}
    options {
        /// The range of factors of the brightness. 0.875 and 1.125 unless set.
        brightness: (f64, f64) = (0.875, 1.125),
        /// The range of factors of the contrast. 0.5 and 1.5 unless set.
        contrast: (f64, f64) = (0.5, 1.5),
        /// The range of factors of the saturation. 0.5 and 1.5 unless set.
        saturation: (f64, f64) = (0.5, 1.5),
        /// The range by which the hue moves. −0.05 and 0.05 unless set.
        hue: (f64, f64) = (-0.05, 0.05),
        /// The probability of each. 0.5 unless set.
        p: f64 = 0.5,
    }
}

impl RandomPhotometricDistort {
    #[track_caller]
    fn from_builder(b: RandomPhotometricDistortBuilder) -> Result<Self> {
        let op = "RandomPhotometricDistort";
        check_probability(op, b.p)?;
        for (range, name) in [(b.brightness, "brightness"), (b.contrast, "contrast"), (b.saturation, "saturation")] {
            ensure!(0.0 <= range.0 && range.0 <= range.1, Argument, op, "{name} {range:?} is no range of factors");
        }
        let good = -0.5 <= b.hue.0 && b.hue.0 <= b.hue.1 && b.hue.1 <= 0.5;
        ensure!(good, Argument, op, "hue {:?} is no range in -0.5 to 0.5", b.hue);
        let RandomPhotometricDistortBuilder { brightness, contrast, saturation, hue, p } = b;
        Ok(RandomPhotometricDistort { brightness, contrast, saturation, hue, p })
    }

    fn describe(&self) -> String {
        format!(
            "brightness={:?}, contrast={:?}, hue={:?}, saturation={:?}, p={:?}",
            self.brightness, self.contrast, self.hue, self.saturation, self.p
        )
    }
}

/// What [`RandomPhotometricDistort`] drew.
pub struct DistortParams {
    factors: [Option<f64>; 4],
    contrast_before: bool,
    order: Option<Vec<usize>>,
}

impl Transform for RandomPhotometricDistort {
    type Params = DistortParams;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<DistortParams> {
        let channels = query_chw(parts)?.0;
        let mut factors = [None; 4];
        let ranges = [self.brightness, self.contrast, self.saturation, self.hue];
        for (factor, (from, to)) in factors.iter_mut().zip(ranges) {
            if draw::happens(self.p)? {
                *factor = Some(draw::uniform(from, to)?);
            }
        }
        let contrast_before = draw::happens(0.5)?;
        let order = if draw::happens(self.p)? { Some(draw::permutation(channels)?) } else { None };
        Ok(DistortParams { factors, contrast_before, order })
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, params: &DistortParams) -> Result<TVTensor> {
        let steps: &[usize] = if params.contrast_before { &[0, 1, 2, 3] } else { &[0, 2, 3, 1] };
        let part = steps.iter().try_fold(part, |part, i| adjust(*i, part, params.factors[*i]))?;
        match &params.order {
            Some(order) => if_image!(part, |x| functional::permute_channels(x, order)),
            None => Ok(part),
        }
    }
}

by_chance! {
    /// Levels spread evenly with probability p, as `torchvision.transforms.v2.RandomEqualize`.
    RandomEqualize, RandomEqualizeBuilder, 0.5, new {} check |b| Ok::<(), Error>(());
    |this, part| if_image!(part, |x| functional::equalize(x));
    /// Inverted with probability p, as `torchvision.transforms.v2.RandomInvert`.
    RandomInvert, RandomInvertBuilder, 0.5, new {} check |b| Ok::<(), Error>(());
    |this, part| if_image!(part, |x| functional::invert(x));
    /// Channels stretched to the whole range with probability p, as `torchvision.transforms.v2.RandomAutocontrast`.
    RandomAutocontrast, RandomAutocontrastBuilder, 0.5, new {} check |b| Ok::<(), Error>(());
    |this, part| if_image!(part, |x| functional::autocontrast(x));
    /// Fewer bits with probability p, as `torchvision.transforms.v2.RandomPosterize`.
    RandomPosterize, RandomPosterizeBuilder, 0.5, new {
        /// How many bits are kept, 0 to 8.
        bits: usize
    } check |b| check_bits(b.bits);
    |this, part| if_image!(part, |x| functional::posterize(x, this.bits));
    /// Bright pixels inverted with probability p, as `torchvision.transforms.v2.RandomSolarize`.
    RandomSolarize, RandomSolarizeBuilder, 0.5, new {
        /// The least value that is inverted, in the range of the image.
        threshold: f64
    } check |b| Ok::<(), Error>(());
    |this, part| if_image!(part, |x| functional::solarize(x, this.threshold));
    /// Sharper or smoother with probability p, as `torchvision.transforms.v2.RandomAdjustSharpness`.
    RandomAdjustSharpness, RandomAdjustSharpnessBuilder, 0.5, new {
        /// 0 is smooth, 1 as it is, 2 sharper.
        sharpness_factor: f64
    } check |b| check_factor(b.sharpness_factor);
    |this, part| if_image!(part, |x| functional::adjust_sharpness(x, this.sharpness_factor));
}

#[track_caller]
fn check_bits(bits: usize) -> Result<()> {
    ensure!(bits <= 8, Argument, "RandomPosterize", "{bits} bits: there are 0 to 8");
    Ok(())
}

#[track_caller]
fn check_factor(factor: f64) -> Result<()> {
    ensure!(factor >= 0.0, Argument, "RandomAdjustSharpness", "sharpness_factor = {factor} is negative");
    Ok(())
}

forwards!(RandomGrayscale, ColorJitter, RandomChannelPermutation, RandomPhotometricDistort);
