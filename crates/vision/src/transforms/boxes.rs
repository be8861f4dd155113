//! Transforms of boxes and key points alone.

use super::PartsTransform;
use super::functional::{self, valid_boxes, valid_points};
use super::transform::{forwards, steady};
use crate::tv_tensors::{BoundingBoxFormat, ClampingMode, Parts, TVKind, TVTensor};
use flambeau_nn::Module;
use flambeau_tensor::{Result, Tensor, bail, builder, ensure};

/// Boxes in another format, as `torchvision.transforms.v2.ConvertBoundingBoxFormat`.
#[derive(Module)]
#[module(extra_repr = "ConvertBoundingBoxFormat::describe")]
pub struct ConvertBoundingBoxFormat {
    format: BoundingBoxFormat,
}

builder! {
    /// Options of [`ConvertBoundingBoxFormat`].
    pub struct ConvertBoundingBoxFormatBuilder => ConvertBoundingBoxFormat;
    new {
        /// The format to convert to.
        format: BoundingBoxFormat,
    }
    options {}
}

impl ConvertBoundingBoxFormat {
    fn from_builder(b: ConvertBoundingBoxFormatBuilder) -> Result<Self> {
        Ok(ConvertBoundingBoxFormat { format: b.format })
    }

    fn describe(&self) -> String {
        format!("format={:?}", self.format)
    }
}

/// How boxes are cut from here on, as `torchvision.transforms.v2.SetClampingMode`.
#[derive(Module)]
pub struct SetClampingMode {
    clamping_mode: Option<ClampingMode>,
}

builder! {
    /// Options of [`SetClampingMode`].
    pub struct SetClampingModeBuilder => SetClampingMode;
    new {
        /// The mode; `None` for not at all.
        clamping_mode: ~into Option<ClampingMode>,
    }
    options {}
}

impl SetClampingMode {
    fn from_builder(b: SetClampingModeBuilder) -> Result<Self> {
        Ok(SetClampingMode { clamping_mode: b.clamping_mode })
    }
}

/// Boxes cut off at the edges of their image, as `torchvision.transforms.v2.ClampBoundingBoxes`.
#[derive(Module, Clone, Copy, Default)]
pub struct ClampBoundingBoxes;

/// Key points moved into their image, as `torchvision.transforms.v2.ClampKeyPoints`.
#[derive(Module, Clone, Copy, Default)]
pub struct ClampKeyPoints;

impl ClampBoundingBoxes {
    /// One.
    pub fn new() -> Self {
        ClampBoundingBoxes
    }
}

impl ClampKeyPoints {
    /// One.
    pub fn new() -> Self {
        ClampKeyPoints
    }
}

macro_rules! of_kind {
    ($part:expr, $Kind:ident, |$x:ident| $body:expr) => {
        match $part {
            TVTensor::$Kind($x) => Ok($body.into()),
            other => Ok(other),
        }
    };
}

steady! {
    ConvertBoundingBoxFormat: |this, part| of_kind!(part, BoundingBoxes, |x| {
        functional::convert_bounding_box_format(&x, this.format)?
    });
    SetClampingMode: |this, part| of_kind!(part, BoundingBoxes, |x| x.with_clamping_mode(this.clamping_mode));
    ClampBoundingBoxes: |_this, part| of_kind!(part, BoundingBoxes, |x| functional::clamp_bounding_boxes(&x)?);
    ClampKeyPoints: |_this, part| of_kind!(part, KeyPoints, |x| functional::clamp_keypoints(&x)?);
}

/// Takes out boxes that are too small or reach out of the image, and with each its label and its mask, as
/// `torchvision.transforms.v2.SanitizeBoundingBoxes`. Labels are the second part of a sample of two, or the first plain
/// tensor with `label` in its name.
#[derive(Module)]
#[module(extra_repr = "SanitizeBoundingBoxes::describe")]
pub struct SanitizeBoundingBoxes {
    min_size: f64,
    min_area: f64,
    labels: bool,
}

builder! {
    /// Options of [`SanitizeBoundingBoxes`].
    pub struct SanitizeBoundingBoxesBuilder => SanitizeBoundingBoxes;
    new {}
    options {
        /// The least width and height. 1 unless set.
        min_size: f64 = 1.0,
        /// The least area. 1 unless set.
        min_area: f64 = 1.0,
        /// Whether there are labels; torchvision's `labels_getter=None` is false. True unless set.
        labels: bool = true,
    }
}

impl SanitizeBoundingBoxes {
    #[track_caller]
    fn from_builder(b: SanitizeBoundingBoxesBuilder) -> Result<Self> {
        let op = "SanitizeBoundingBoxes";
        ensure!(b.min_size >= 1.0, Argument, op, "min_size = {} is below 1", b.min_size);
        ensure!(b.min_area >= 1.0, Argument, op, "min_area = {} is below 1", b.min_area);
        Ok(SanitizeBoundingBoxes { min_size: b.min_size, min_area: b.min_area, labels: b.labels })
    }

    fn describe(&self) -> String {
        format!("min_size={:?}, min_area={:?}", self.min_size, self.min_area)
    }
}

/// Where the labels are, which have to be as many as the things they are for.
#[track_caller]
fn labels(op: &'static str, parts: &Parts, things: usize, what: &str) -> Result<usize> {
    let Some(at) = parts.labels() else {
        bail!(Argument, op, "there are no labels in the sample; if that is meant, say `labels(false)`")
    };
    let n = parts.get(at).and_then(|part| part.tensor().shape().first().copied()).unwrap_or(0);
    ensure!(n == things, Shape, op, "{n} labels for {things} {what}");
    Ok(at)
}

/// The rows of `part` that are valid, if it has as many.
#[track_caller]
fn pick(part: &TVTensor, valid: &Tensor) -> Result<TVTensor> {
    match part.tensor().shape() {
        [n, ..] if *n == valid.numel() => Ok(part.wrap(part.tensor().index(&[Some(valid)])?)),
        _ => Ok(part.clone()),
    }
}

impl PartsTransform for SanitizeBoundingBoxes {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let op = "SanitizeBoundingBoxes";
        let boxes = parts.iter().find_map(|part| match part {
            TVTensor::BoundingBoxes(boxes) => Some(boxes.clone()),
            _ => None,
        });
        let Some(boxes) = boxes else { bail!(Argument, op, "there are no boxes in the sample") };
        let labels = if self.labels { Some(labels(op, parts, boxes.shape()[0], "boxes")?) } else { None };
        let valid = valid_boxes(&boxes, self.min_size, self.min_area)?;
        parts.try_map(|i, part| {
            let wanted = Some(i) == labels || matches!(part.kind(), TVKind::BoundingBoxes | TVKind::Mask);
            if wanted { pick(&part, &valid) } else { Ok(part) }
        })
    }
}

/// Takes out key points (or groups of them) that lie out of the image, and with each its label where there are some, as
/// `torchvision.transforms.v2.SanitizeKeyPoints`.
#[derive(Module)]
pub struct SanitizeKeyPoints {
    labels: bool,
}

builder! {
    /// Options of [`SanitizeKeyPoints`].
    pub struct SanitizeKeyPointsBuilder => SanitizeKeyPoints;
    new {}
    options {
        /// Whether there are labels; torchvision's `labels_getter="default"` is true. False unless set.
        labels: bool = false,
    }
}

impl SanitizeKeyPoints {
    fn from_builder(b: SanitizeKeyPointsBuilder) -> Result<Self> {
        Ok(SanitizeKeyPoints { labels: b.labels })
    }
}

impl PartsTransform for SanitizeKeyPoints {
    fn transform_parts(&self, parts: &mut Parts) -> Result<()> {
        let op = "SanitizeKeyPoints";
        let points = parts.iter().find_map(|part| match part {
            TVTensor::KeyPoints(points) => Some(points.clone()),
            _ => None,
        });
        let Some(points) = points else { bail!(Argument, op, "there are no key points in the sample") };
        let labels = if self.labels { Some(labels(op, parts, points.shape()[0], "key points")?) } else { None };
        let valid = valid_points(&points)?;
        parts.try_map(|i, part| {
            let wanted = Some(i) == labels || part.kind() == TVKind::KeyPoints;
            if wanted { pick(&part, &valid) } else { Ok(part) }
        })
    }
}

forwards!(SanitizeBoundingBoxes, SanitizeKeyPoints);
