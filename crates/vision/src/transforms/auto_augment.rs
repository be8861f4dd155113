//! Augmentation by policies that were found by search, or by none at all: AutoAugment, RandAugment,
//! TrivialAugmentWide, AugMix.

use super::kinds::{Fill, InterpolationMode};
use super::transform::forwards;
use super::{PartsTransform, draw, functional};
use crate::tv_tensors::{Parts, TVKind, TVTensor};
use Operation::*;
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{DType, Result, Tensor, bail, builder, ensure};

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

/// How strong an operation can be: the greatest strength, which may be in units of the width or height.
#[derive(Clone, Copy)]
enum Most {
    /// from 0 to this, to either side
    Signed(f64),
    /// the same in widths (of `TranslateX`) or heights
    Sides(f64),
    /// bits, from the first number down by the second
    Bits(f64, f64),
    /// from 1 down to 0
    Falling,
    /// no strength
    Plain,
}

/// The operations of a method, in the order that numbers are drawn for.
type Space = &'static [(Operation, Most)];

const AUTO_AUGMENT: Space = &[
    (ShearX, Most::Signed(0.3)),
    (ShearY, Most::Signed(0.3)),
    (TranslateX, Most::Sides(150.0 / 331.0)),
    (TranslateY, Most::Sides(150.0 / 331.0)),
    (Rotate, Most::Signed(30.0)),
    (Brightness, Most::Signed(0.9)),
    (Color, Most::Signed(0.9)),
    (Contrast, Most::Signed(0.9)),
    (Sharpness, Most::Signed(0.9)),
    (Posterize, Most::Bits(8.0, 4.0)),
    (Solarize, Most::Falling),
    (AutoContrast, Most::Plain),
    (Equalize, Most::Plain),
    (Invert, Most::Plain),
];

const RAND_AUGMENT: Space = &[
    (Identity, Most::Plain),
    (ShearX, Most::Signed(0.3)),
    (ShearY, Most::Signed(0.3)),
    (TranslateX, Most::Sides(150.0 / 331.0)),
    (TranslateY, Most::Sides(150.0 / 331.0)),
    (Rotate, Most::Signed(30.0)),
    (Brightness, Most::Signed(0.9)),
    (Color, Most::Signed(0.9)),
    (Contrast, Most::Signed(0.9)),
    (Sharpness, Most::Signed(0.9)),
    (Posterize, Most::Bits(8.0, 4.0)),
    (Solarize, Most::Falling),
    (AutoContrast, Most::Plain),
    (Equalize, Most::Plain),
];

const TRIVIAL_AUGMENT_WIDE: Space = &[
    (Identity, Most::Plain),
    (ShearX, Most::Signed(0.99)),
    (ShearY, Most::Signed(0.99)),
    (TranslateX, Most::Signed(32.0)),
    (TranslateY, Most::Signed(32.0)),
    (Rotate, Most::Signed(135.0)),
    (Brightness, Most::Signed(0.99)),
    (Color, Most::Signed(0.99)),
    (Contrast, Most::Signed(0.99)),
    (Sharpness, Most::Signed(0.99)),
    (Posterize, Most::Bits(8.0, 6.0)),
    (Solarize, Most::Falling),
    (AutoContrast, Most::Plain),
    (Equalize, Most::Plain),
];

const AUG_MIX: Space = &[
    (ShearX, Most::Signed(0.3)),
    (ShearY, Most::Signed(0.3)),
    (TranslateX, Most::Sides(1.0 / 3.0)),
    (TranslateY, Most::Sides(1.0 / 3.0)),
    (Rotate, Most::Signed(30.0)),
    (Posterize, Most::Bits(4.0, 4.0)),
    (Solarize, Most::Falling),
    (AutoContrast, Most::Plain),
    (Equalize, Most::Plain),
    (Brightness, Most::Signed(0.9)),
    (Color, Most::Signed(0.9)),
    (Contrast, Most::Signed(0.9)),
    (Sharpness, Most::Signed(0.9)),
];

/// How many of [`AUG_MIX`] come without the last four.
const AUG_MIX_PARTIAL: usize = 9;

impl Most {
    /// Whether the strength may point to either side.
    fn is_signed(self) -> bool {
        matches!(self, Most::Signed(_) | Most::Sides(_))
    }

    /// Strength `index` of `bins`, of single precision as there.
    #[track_caller]
    fn strength(self, operation: Operation, index: usize, bins: usize, (h, w): (usize, usize)) -> Result<f64> {
        let at = |from: f64, to: f64| {
            let all = Tensor::linspace(from, to, bins).build()?;
            Ok(f64::from(all.select(0, index as isize)?.item::<f32>()?))
        };
        match self {
            Most::Signed(most) => at(0.0, most),
            Most::Sides(sides) => at(0.0, sides * if operation == TranslateX { w } else { h } as f64),
            Most::Falling => at(1.0, 0.0),
            Most::Plain => Ok(0.0),
            Most::Bits(most, range) => {
                let fewer = index as f32 / ((bins - 1) as f64 / range) as f32;
                Ok(f64::from((most as f32 - fewer).round_ties_even()))
            }
        }
    }

    /// The strength, with a sign that is drawn where there is one.
    #[track_caller]
    fn drawn(self, operation: Operation, index: usize, bins: usize, size: (usize, usize)) -> Result<f64> {
        let strength = self.strength(operation, index, bins, size)?;
        Ok(if self.is_signed() && draw::at_most(0.5)? { -strength } else { strength })
    }
}

/// Which pixels stand where an image was moved away.
#[derive(Clone, Debug)]
struct Look {
    interpolation: InterpolationMode,
    fill: Fill,
}
plain_parts!(Look);

impl Operation {
    #[track_caller]
    fn apply(self, x: &TVTensor, strength: f64, look: &Look) -> Result<TVTensor> {
        let affine = |translate: [f64; 2], shear: [f64; 2], center| {
            let options = functional::AffineOptions::new().translate(translate).shear(shear).center(center);
            functional::affine(x, options.interpolation(look.interpolation).fill(look.fill.clone()))
        };
        let corner = Some([0.0, 0.0]);
        match self {
            Identity => Ok(x.clone()),
            ShearX => affine([0.0; 2], [strength.atan().to_degrees(), 0.0], corner),
            ShearY => affine([0.0; 2], [0.0, strength.atan().to_degrees()], corner),
            TranslateX => affine([strength.trunc(), 0.0], [0.0; 2], None),
            TranslateY => affine([0.0, strength.trunc()], [0.0; 2], None),
            Rotate => functional::rotate(x, strength, look.interpolation, false, &look.fill, None),
            Brightness => functional::adjust_brightness(x, 1.0 + strength),
            Color => functional::adjust_saturation(x, 1.0 + strength),
            Contrast => functional::adjust_contrast(x, 1.0 + strength),
            Sharpness => functional::adjust_sharpness(x, 1.0 + strength),
            Posterize => functional::posterize(x, strength as usize),
            Solarize => functional::solarize(x, functional::max_value(x.tensor().dtype()) * strength),
            AutoContrast => functional::autocontrast(x),
            Equalize => functional::equalize(x),
            Invert => functional::invert(x),
        }
    }
}

/// The one image or video of a sample.
#[track_caller]
fn only_image(op: &'static str, parts: &Parts) -> Result<(usize, TVTensor)> {
    let mut found = None;
    for (i, (part, wanted)) in parts.iter().zip(parts.to_transform()).enumerate() {
        match part.kind() {
            kind @ (TVKind::BoundingBoxes | TVKind::Mask | TVKind::KeyPoints) => {
                bail!(Argument, op, "this does not treat a {kind:?}: it would no longer fit the image")
            }
            _ if !wanted => {}
            _ if found.is_some() => bail!(Argument, op, "there are several images in the sample, this is for one"),
            _ => found = Some((i, part.clone())),
        }
    }
    match found {
        Some(found) => Ok(found),
        None => bail!(Argument, op, "there is no image in the sample"),
    }
}

/// Which data a policy of [`AutoAugment`] was found for, as `torchvision.transforms.v2.AutoAugmentPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoAugmentPolicy {
    /// ImageNet
    #[default]
    ImageNet,
    /// CIFAR-10
    Cifar10,
    /// Street View House Numbers
    Svhn,
}
plain_parts!(AutoAugmentPolicy);

/// An operation, how often it is done, and how strong.
type Step = (Operation, f64, usize);

const IMAGENET: [[Step; 2]; 25] = [
    [(Posterize, 0.4, 8), (Rotate, 0.6, 9)],
    [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
    [(Posterize, 0.6, 7), (Posterize, 0.6, 6)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
    [(Equalize, 0.4, 0), (Rotate, 0.8, 8)],
    [(Solarize, 0.6, 3), (Equalize, 0.6, 0)],
    [(Posterize, 0.8, 5), (Equalize, 1.0, 0)],
    [(Rotate, 0.2, 3), (Solarize, 0.6, 8)],
    [(Equalize, 0.6, 0), (Posterize, 0.4, 6)],
    [(Rotate, 0.8, 8), (Color, 0.4, 0)],
    [(Rotate, 0.4, 9), (Equalize, 0.6, 0)],
    [(Equalize, 0.0, 0), (Equalize, 0.8, 0)],
    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
    [(Color, 0.6, 4), (Contrast, 1.0, 8)],
    [(Rotate, 0.8, 8), (Color, 1.0, 2)],
    [(Color, 0.8, 8), (Solarize, 0.8, 7)],
    [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
    [(ShearX, 0.6, 5), (Equalize, 1.0, 0)],
    [(Color, 0.4, 0), (Equalize, 0.6, 0)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
    [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
    [(Color, 0.6, 4), (Contrast, 1.0, 8)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
];

const CIFAR10: [[Step; 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 0), (Equalize, 0.9, 0)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Color, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 0), (Equalize, 0.5, 0)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Color, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 0), (AutoContrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Color, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 0)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 0), (Equalize, 0.6, 0)],
    [(Color, 0.9, 9), (Equalize, 0.6, 0)],
    [(AutoContrast, 0.8, 0), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Color, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 0)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 0), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)],
];

const SVHN: [[Step; 2]; 25] = [
    [(ShearX, 0.9, 4), (Invert, 0.2, 0)],
    [(ShearY, 0.9, 8), (Invert, 0.7, 0)],
    [(Equalize, 0.6, 0), (Solarize, 0.6, 6)],
    [(Invert, 0.9, 0), (Equalize, 0.6, 0)],
    [(Equalize, 0.6, 0), (Rotate, 0.9, 3)],
    [(ShearX, 0.9, 4), (AutoContrast, 0.8, 0)],
    [(ShearY, 0.9, 8), (Invert, 0.4, 0)],
    [(ShearY, 0.9, 5), (Solarize, 0.2, 6)],
    [(Invert, 0.9, 0), (AutoContrast, 0.8, 0)],
    [(Equalize, 0.6, 0), (Rotate, 0.9, 3)],
    [(ShearX, 0.9, 4), (Solarize, 0.3, 3)],
    [(ShearY, 0.8, 8), (Invert, 0.7, 0)],
    [(Equalize, 0.9, 0), (TranslateY, 0.6, 6)],
    [(Invert, 0.9, 0), (Equalize, 0.6, 0)],
    [(Contrast, 0.3, 3), (Rotate, 0.8, 4)],
    [(Invert, 0.8, 0), (TranslateY, 0.0, 2)],
    [(ShearY, 0.7, 6), (Solarize, 0.4, 8)],
    [(Invert, 0.6, 0), (Rotate, 0.8, 4)],
    [(ShearY, 0.3, 7), (TranslateX, 0.9, 3)],
    [(ShearX, 0.1, 6), (Invert, 0.6, 0)],
    [(Solarize, 0.7, 2), (TranslateY, 0.6, 7)],
    [(ShearY, 0.8, 4), (Invert, 0.8, 0)],
    [(ShearX, 0.7, 9), (TranslateY, 0.8, 3)],
    [(ShearY, 0.8, 5), (AutoContrast, 0.7, 0)],
    [(ShearX, 0.7, 2), (Invert, 0.1, 0)],
];

/// Two operations of a policy that was found by search, as `torchvision.transforms.v2.AutoAugment` ("AutoAugment:
/// Learning Augmentation Strategies from Data", E. D. Cubuk et al., 2019).
#[derive(Module)]
#[module(extra_repr = "AutoAugment::describe")]
pub struct AutoAugment {
    policy: AutoAugmentPolicy,
    look: Look,
}

builder! {
    /// Options of [`AutoAugment`].
    pub struct AutoAugmentBuilder => AutoAugment;
    new {}
    options {
        /// Which data the policy was found for. ImageNet unless set.
        policy: AutoAugmentPolicy = AutoAugmentPolicy::ImageNet,
        /// `Nearest` (unless set) or `Bilinear`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// The value of pixels from outside. None unless set.
        fill: ~into Fill = Fill::none(),
    }
}

impl AutoAugment {
    fn from_builder(b: AutoAugmentBuilder) -> Result<Self> {
        Ok(AutoAugment { policy: b.policy, look: Look { interpolation: b.interpolation, fill: b.fill } })
    }

    fn describe(&self) -> String {
        format!("interpolation={}, policy={:?}", self.look.interpolation.python(), self.policy)
    }
}

impl PartsTransform for AutoAugment {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let (at, mut image) = only_image("AutoAugment", parts)?;
        let size = functional::get_size(&image)?;
        let policies = match self.policy {
            AutoAugmentPolicy::ImageNet => &IMAGENET,
            AutoAugmentPolicy::Cifar10 => &CIFAR10,
            AutoAugmentPolicy::Svhn => &SVHN,
        };
        for (operation, probability, index) in policies[draw::below(policies.len())?] {
            if !draw::at_most(probability)? {
                continue;
            }
            let most =
                AUTO_AUGMENT.iter().find(|(other, _)| *other == operation).map_or(Most::Plain, |(_, most)| *most);
            let strength = most.drawn(operation, index, 10, size)?;
            image = operation.apply(&image, strength, &self.look)?;
        }
        parts.set(at, image);
        Ok(())
    }
}

/// Operations at random, all of one strength, as `torchvision.transforms.v2.RandAugment` ("RandAugment: Practical
/// automated data augmentation with a reduced search space", E. D. Cubuk et al., 2020).
#[derive(Module)]
#[module(extra_repr = "RandAugment::describe")]
pub struct RandAugment {
    num_ops: usize,
    magnitude: usize,
    num_magnitude_bins: usize,
    look: Look,
}

builder! {
    /// Options of [`RandAugment`].
    pub struct RandAugmentBuilder => RandAugment;
    new {}
    options {
        /// How many operations. 2 unless set.
        num_ops: usize = 2,
        /// How strong, below `num_magnitude_bins`. 9 unless set.
        magnitude: usize = 9,
        /// How many strengths there are. 31 unless set.
        num_magnitude_bins: usize = 31,
        /// `Nearest` (unless set) or `Bilinear`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// The value of pixels from outside. None unless set.
        fill: ~into Fill = Fill::none(),
    }
}

/// As many strengths as can be told apart and held.
#[track_caller]
fn check_bins(op: &'static str, bins: usize) -> Result<()> {
    ensure!((2..=1 << 20).contains(&bins), Argument, op, "num_magnitude_bins = {bins}: at least 2, at most 2^20");
    Ok(())
}

impl RandAugment {
    #[track_caller]
    fn from_builder(b: RandAugmentBuilder) -> Result<Self> {
        let RandAugmentBuilder { num_ops, magnitude, num_magnitude_bins, interpolation, fill } = b;
        check_bins("RandAugment", num_magnitude_bins)?;
        ensure!(
            magnitude < num_magnitude_bins,
            Argument,
            "RandAugment",
            "magnitude = {magnitude} is not below the {num_magnitude_bins} strengths there are"
        );
        Ok(RandAugment { num_ops, magnitude, num_magnitude_bins, look: Look { interpolation, fill } })
    }

    fn describe(&self) -> String {
        format!(
            "interpolation={}, num_ops={}, magnitude={}, num_magnitude_bins={}",
            self.look.interpolation.python(),
            self.num_ops,
            self.magnitude,
            self.num_magnitude_bins
        )
    }
}

impl PartsTransform for RandAugment {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let (at, mut image) = only_image("RandAugment", parts)?;
        let size = functional::get_size(&image)?;
        for _ in 0..self.num_ops {
            let (operation, most) = RAND_AUGMENT[draw::below(RAND_AUGMENT.len())?];
            let strength = most.drawn(operation, self.magnitude, self.num_magnitude_bins, size)?;
            image = operation.apply(&image, strength, &self.look)?;
        }
        parts.set(at, image);
        Ok(())
    }
}

/// One operation at random of a random strength, as `torchvision.transforms.v2.TrivialAugmentWide` ("TrivialAugment:
/// Tuning-free Yet State-of-the-Art Data Augmentation", S. G. Müller & F. Hutter, 2021).
#[derive(Module)]
#[module(extra_repr = "TrivialAugmentWide::describe")]
pub struct TrivialAugmentWide {
    num_magnitude_bins: usize,
    look: Look,
}

builder! {
    /// Options of [`TrivialAugmentWide`].
    pub struct TrivialAugmentWideBuilder => TrivialAugmentWide;
    new {}
    options {
        /// How many strengths there are. 31 unless set.
        num_magnitude_bins: usize = 31,
        /// `Nearest` (unless set) or `Bilinear`.
        interpolation: InterpolationMode = InterpolationMode::Nearest,
        /// The value of pixels from outside. None unless set.
        fill: ~into Fill = Fill::none(),
    }
}

impl TrivialAugmentWide {
    #[track_caller]
    fn from_builder(b: TrivialAugmentWideBuilder) -> Result<Self> {
        check_bins("TrivialAugmentWide", b.num_magnitude_bins)?;
        let look = Look { interpolation: b.interpolation, fill: b.fill };
        Ok(TrivialAugmentWide { num_magnitude_bins: b.num_magnitude_bins, look })
    }

    fn describe(&self) -> String {
        let bins = self.num_magnitude_bins;
        format!("interpolation={}, num_magnitude_bins={bins}", self.look.interpolation.python())
    }
}

impl PartsTransform for TrivialAugmentWide {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let (at, image) = only_image("TrivialAugmentWide", parts)?;
        let size = functional::get_size(&image)?;
        let (operation, most) = TRIVIAL_AUGMENT_WIDE[draw::below(TRIVIAL_AUGMENT_WIDE.len())?];
        let strength = match most {
            Most::Plain => 0.0,
            most => {
                let index = draw::below(self.num_magnitude_bins)?;
                most.drawn(operation, index, self.num_magnitude_bins, size)?
            }
        };
        parts.set(at, operation.apply(&image, strength, &self.look)?);
        Ok(())
    }
}

/// The image mixed with itself after several chains of operations, as `torchvision.transforms.v2.AugMix` ("AugMix: A
/// Simple Data Processing Method to Improve Robustness and Uncertainty", D. Hendrycks et al., 2020).
#[derive(Module)]
#[module(extra_repr = "AugMix::describe")]
pub struct AugMix {
    severity: usize,
    mixture_width: usize,
    chain_depth: Option<usize>,
    alpha: f64,
    all_ops: bool,
    look: Look,
}

builder! {
    /// Options of [`AugMix`].
    pub struct AugMixBuilder => AugMix;
    new {}
    options {
        /// How strong, 1 to 10. 3 unless set.
        severity: usize = 3,
        /// How many chains. 3 unless set.
        mixture_width: usize = 3,
        /// How many operations a chain has. Drawn from 1 to 3 unless set.
        chain_depth: ~into Option<usize> = None,
        /// The parameter of the distributions that the mixture is drawn from. 1 unless set.
        alpha: f64 = 1.0,
        /// Brightness, colour, contrast and sharpness, too. True unless set.
        all_ops: bool = true,
        /// `Bilinear` (unless set) or `Nearest`.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// The value of pixels from outside. None unless set.
        fill: ~into Fill = Fill::none(),
    }
}

impl AugMix {
    #[track_caller]
    fn from_builder(b: AugMixBuilder) -> Result<Self> {
        let op = "AugMix";
        ensure!((1..=STRENGTHS).contains(&b.severity), Argument, op, "severity = {} is not in 1 to 10", b.severity);
        ensure!(b.alpha > 0.0 && b.alpha.is_finite(), Argument, op, "alpha = {} is not positive", b.alpha);
        ensure!((1..=1 << 16).contains(&b.mixture_width), Argument, op, "mixture_width = {} chains", b.mixture_width);
        Ok(AugMix {
            severity: b.severity,
            mixture_width: b.mixture_width,
            chain_depth: b.chain_depth.filter(|n| *n > 0),
            alpha: b.alpha,
            all_ops: b.all_ops,
            look: Look { interpolation: b.interpolation, fill: b.fill },
        })
    }

    fn describe(&self) -> String {
        format!(
            "interpolation={}, severity={}, mixture_width={}, chain_depth={}, alpha={:?}, all_ops={}",
            self.look.interpolation.python(),
            self.severity,
            self.mixture_width,
            self.chain_depth.map_or(-1, |n| n as i64),
            self.alpha,
            super::kinds::boolean(self.all_ops)
        )
    }
}

/// How many strengths [`AugMix`] tells apart.
const STRENGTHS: usize = 10;

impl PartsTransform for AugMix {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let (at, image) = only_image("AugMix", parts)?;
        let (size, x) = (functional::get_size(&image)?, image.tensor());
        let full = if image.kind() == TVKind::Video { 5 } else { 4 };
        let mut shape = vec![1; full - x.rank().min(full)];
        shape.extend(x.shape());
        let batch = image.wrap(x.reshape(shape)?);
        let n = batch.tensor().shape()[0];
        let rows =
            |width: usize| (0..n).map(|_| draw::dirichlet(&vec![self.alpha as f32; width])).collect::<Result<Vec<_>>>();
        let (shares, weights) = (rows(2)?, rows(self.mixture_width)?);
        let float = if x.dtype().is_float() { x.dtype() } else { DType::F32 };
        // One weight for each image of the batch.
        let weighed = |of: &Tensor, weight: &dyn Fn(usize) -> f32| {
            let mut shape = vec![1; of.rank()];
            shape[0] = n;
            let weights = Tensor::from_vec((0..n).map(weight).collect::<Vec<f32>>(), shape)?;
            of.to_dtype(float)?.mul(&weights.to_dtype(float)?)
        };
        let mut mix = weighed(batch.tensor(), &|i| shares[i][0])?;
        let space = if self.all_ops { AUG_MIX } else { &AUG_MIX[..AUG_MIX_PARTIAL] };
        for chain in 0..self.mixture_width {
            let depth = match self.chain_depth {
                Some(depth) => depth,
                None => draw::integer(1, 4)? as usize,
            };
            let mut augmented = batch.clone();
            for _ in 0..depth {
                let (operation, most) = space[draw::below(space.len())?];
                let strength = match most {
                    Most::Plain => 0.0,
                    most => most.drawn(operation, draw::below(self.severity)?, STRENGTHS, size)?,
                };
                augmented = operation.apply(&augmented, strength, &self.look)?;
            }
            mix = mix.add(&weighed(augmented.tensor(), &|i| weights[i][chain] * shares[i][1])?)?;
        }
        let mixed = mix.reshape(x.shape())?.to_dtype(x.dtype())?;
        parts.set(at, image.wrap(mixed));
        Ok(())
    }
}

forwards!(AutoAugment, RandAugment, TrivialAugmentWide, AugMix);
