//! Parts erased, and images of a batch mixed with each other.

use super::kinds::check_probability;
use super::transform::forwards;
use super::{PartsTransform, Transform, draw, functional};
use crate::tv_tensors::{Parts, TVKind, TVTensor, query_chw, query_size};
use flambeau_nn::{Module, plain_parts};
use flambeau_tensor::{DType, Result, Tensor, bail, builder, ensure};

/// What stands in the place of erased pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Erased {
    /// one value for all channels, or one for each
    Value(Vec<f64>),
    /// normal noise
    Random,
}
plain_parts!(Erased);

impl From<f64> for Erased {
    fn from(value: f64) -> Self {
        Erased::Value(vec![value])
    }
}

impl From<Vec<f64>> for Erased {
    fn from(values: Vec<f64>) -> Self {
        Erased::Value(values)
    }
}

impl<const N: usize> From<[f64; N]> for Erased {
    fn from(values: [f64; N]) -> Self {
        Erased::Value(values.to_vec())
    }
}

/// A part of the image erased with probability p, as `torchvision.transforms.v2.RandomErasing` ("Random Erasing Data
/// Augmentation", Z. Zhong et al., 2020). Boxes, masks and points stay as they are.
#[derive(Module)]
#[module(extra_repr = "RandomErasing::describe")]
pub struct RandomErasing {
    p: f64,
    scale: (f64, f64),
    ratio: (f64, f64),
    value: Erased,
}

builder! {
    /// Options of [`RandomErasing`].
    pub struct RandomErasingBuilder => RandomErasing;
    new {}
    options {
        /// The probability of being applied. 0.5 unless set.
        p: f64 = 0.5,
        /// The least and the greatest share of the image's area. 0.02 and 0.33 unless set.
        scale: (f64, f64) = (0.02, 0.33),
        /// The least and the greatest height in units of the width. 0.3 and 3.3 unless set.
        ratio: (f64, f64) = (0.3, 3.3),
        /// What stands there. 0 unless set.
        value: ~into Erased = Erased::Value(vec![0.0]),
    }
}

impl RandomErasing {
    #[track_caller]
    fn from_builder(b: RandomErasingBuilder) -> Result<Self> {
        let RandomErasingBuilder { p, scale, ratio, value } = b;
        let op = "RandomErasing";
        check_probability(op, p)?;
        ensure!(
            0.0 <= scale.0 && scale.0 <= scale.1 && scale.1 <= 1.0,
            Argument,
            op,
            "scale {scale:?} is not in 0 to 1"
        );
        ensure!(
            0.0 < ratio.0 && ratio.0 <= ratio.1 && ratio.1.is_finite(),
            Argument,
            op,
            "ratio {ratio:?} is no range"
        );
        ensure!(value != Erased::Value(Vec::new()), Argument, op, "there is no value to erase with");
        Ok(RandomErasing { p, scale, ratio, value })
    }

    fn describe(&self) -> String {
        format!("p={:?}, scale={:?}, ratio={:?}, value={:?}, inplace=False", self.p, self.scale, self.ratio, self.value)
    }
}

/// Where and with what is erased.
pub struct Erasure {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
    value: Tensor,
}

impl Transform for RandomErasing {
    type Params = Option<Erasure>;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Option<Erasure>> {
        let (channels, h, w) = query_chw(parts)?;
        if let Erased::Value(values) = &self.value {
            let n = values.len();
            ensure!(n == 1 || n == channels, Argument, "RandomErasing", "{n} values for {channels} channels");
        }
        let (least, most) = (f64::from((self.ratio.0 as f32).ln()), f64::from((self.ratio.1 as f32).ln()));
        for _ in 0..10 {
            let area = (h * w) as f64 * draw::uniform(self.scale.0, self.scale.1)?;
            let aspect = f64::from((draw::uniform(least, most)? as f32).exp());
            let height = (area * aspect).sqrt().round_ties_even() as usize;
            let width = (area / aspect).sqrt().round_ties_even() as usize;
            if height >= h || width >= w {
                continue;
            }
            let value = match &self.value {
                Erased::Random => {
                    let noise = Tensor::zeros([channels, height, width]).build()?;
                    noise.normal_(0.0, 1.0)?;
                    noise
                }
                Erased::Value(values) => Tensor::from_slice(values, [values.len(), 1, 1])?.to_dtype(DType::F32)?,
            };
            let top = draw::below(h - height + 1)?;
            return Ok(Some(Erasure { top, left: draw::below(w - width + 1)?, height, width, value }));
        }
        Ok(None)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, erasure: &Option<Erasure>) -> Result<TVTensor> {
        match erasure {
            Some(e) if part.is_image() => functional::erase(&part, e.top, e.left, e.height, e.width, &e.value),
            _ => Ok(part),
        }
    }

    fn probability(&self) -> Option<f64> {
        Some(self.p)
    }
}

macro_rules! mixing {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// The sample is a batch: images `[N, C, H, W]` and labels, numbers of classes `[N]` or probabilities
        /// `[N, classes]`, which become probabilities. Labels are the second part of a sample of two, or the first
        /// plain tensor with `label` in its name.
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            alpha: f64,
            num_classes: Option<usize>,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {}
            options {
                /// The parameter of the beta distribution that the mixture is drawn from. 1 unless set.
                alpha: f64 = 1.0,
                /// How many classes there are; labels that are numbers need it.
                num_classes: ~into Option<usize> = None,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let op = stringify!($Name);
                ensure!(b.alpha > 0.0 && b.alpha.is_finite(), Argument, op, "alpha = {} is not positive", b.alpha);
                Ok($Name { alpha: b.alpha, num_classes: b.num_classes })
            }

            fn describe(&self) -> String {
                let classes = self.num_classes.map_or(String::new(), |n| format!(", num_classes={n}"));
                format!("alpha={:?}{classes}", self.alpha)
            }
        }
    )*};
}
mixing! {
    /// Every image of a batch mixed with the one before it, as `torchvision.transforms.v2.MixUp` ("mixup: Beyond
    /// Empirical Risk Minimization", H. Zhang et al., 2018).
    MixUp, MixUpBuilder;
    /// Every image of a batch with a part of the one before it, as `torchvision.transforms.v2.CutMix` ("CutMix:
    /// Regularization Strategy to Train Strong Classifiers with Localizable Features", S. Yun et al., 2019).
    CutMix, CutMixBuilder;
}

/// A batch and its labels, as both need them.
struct Batch {
    /// which part the labels are
    labels: usize,
    /// which parts are to be transformed
    wanted: Vec<bool>,
}

impl Batch {
    #[track_caller]
    fn of(op: &'static str, parts: &Parts, classes: Option<usize>) -> Result<Batch> {
        let unfit = parts
            .iter()
            .map(TVTensor::kind)
            .find(|kind| matches!(kind, TVKind::BoundingBoxes | TVKind::Mask | TVKind::KeyPoints));
        if let Some(kind) = unfit {
            bail!(Argument, op, "a {kind:?} cannot be mixed with that of another image");
        }
        let Some(labels) = parts.labels() else { bail!(Argument, op, "there are no labels in the sample") };
        let shape = parts.get(labels).map(|part| part.tensor().shape().to_vec()).unwrap_or_default();
        match (&shape[..], classes) {
            ([_], None) => bail!(Argument, op, "labels that are numbers of classes need num_classes"),
            ([_], _) | ([_, _], None) => {}
            ([_, given], Some(classes)) if *given == classes => {}
            _ => bail!(Shape, op, "labels of shape {shape:?} are neither [N] nor [N, num_classes]"),
        }
        let mut wanted = parts.to_transform();
        wanted[labels] = false;
        for (part, _) in parts.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
            let dims = if part.kind() == TVKind::Video { 5 } else { 4 };
            let found = part.tensor().shape();
            ensure!(
                found.len() == dims && found[0] == shape[0],
                Shape,
                op,
                "a {:?} of shape {found:?} is no batch for {} labels",
                part.kind(),
                shape[0]
            );
        }
        Ok(Batch { labels, wanted })
    }

    /// Each label mixed with the one before it.
    #[track_caller]
    fn mix_labels(&self, labels: &Tensor, classes: Option<usize>, share: f64) -> Result<Tensor> {
        let hot = if labels.rank() == 1 { labels.one_hot(classes)? } else { labels.clone() };
        let float = if hot.dtype().is_float() { hot } else { hot.to_dtype(DType::F32)? };
        mixed(&float, share)
    }
}

/// share · x + (1 − share) · the one before.
#[track_caller]
fn mixed(x: &Tensor, share: f64) -> Result<Tensor> {
    x.roll([1], 0)?.mul(1.0 - share)?.add(&x.mul(share)?)
}

/// A number of the beta distribution with both parameters `alpha`.
#[track_caller]
fn beta(alpha: f64) -> Result<f64> {
    Ok(f64::from(draw::dirichlet(&[alpha as f32; 2])?[0]))
}

impl PartsTransform for MixUp {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let batch = Batch::of("MixUp", parts, self.num_classes)?;
        let share = beta(self.alpha)?;
        parts.try_map(|i, part| {
            if i == batch.labels {
                return Ok(part.wrap(batch.mix_labels(part.tensor(), self.num_classes, share)?));
            }
            if batch.wanted[i] {
                let dtype = part.tensor().dtype();
                ensure!(dtype.is_float(), DType, "MixUp", "images are mixed in floating point, not {dtype}");
                return part.map_image(|x| mixed(x, share));
            }
            Ok(part)
        })
    }
}

impl PartsTransform for CutMix {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let batch = Batch::of("CutMix", parts, self.num_classes)?;
        let share = beta(self.alpha)?;
        let seen: Vec<&TVTensor> = parts.iter().zip(&batch.wanted).filter(|(_, w)| **w).map(|(part, _)| part).collect();
        let (h, w) = query_size(&seen)?;
        let (x, y) = (draw::below(w)?, draw::below(h)?);
        let half = 0.5 * (1.0 - share).sqrt();
        let (half_w, half_h) = ((half * w as f64) as usize, (half * h as f64) as usize);
        let (left, top) = (x.saturating_sub(half_w), y.saturating_sub(half_h));
        let (right, bottom) = ((x + half_w).min(w), (y + half_h).min(h));
        let (height, width) = (bottom - top, right - left);
        let share = 1.0 - (width * height) as f64 / (w * h) as f64;
        parts.try_map(|i, part| {
            if i == batch.labels {
                return Ok(part.wrap(batch.mix_labels(part.tensor(), self.num_classes, share)?));
            }
            if batch.wanted[i] {
                let before = part.tensor().roll([1], 0)?;
                let value = before.narrow(-2, top as isize, height)?.narrow(-1, left as isize, width)?;
                return functional::erase(&part, top, left, height, width, &value);
            }
            Ok(part)
        })
    }
}

forwards!(RandomErasing);
