//! Crops and canvases for detection, whose boxes have a say.

use crate::transforms::kinds::{Fill, Padding, PaddingMode, check_probability};
use crate::transforms::transform::forwards;
use crate::transforms::{Transform, draw, functional};
use crate::tv_tensors::{BoundingBoxFormat, Parts, TVKind, TVTensor, query_size};
use flambeau_nn::Module;
use flambeau_tensor::{DType, Result, Tensor, bail, builder, ensure};

/// On a larger canvas at a random place, as `torchvision.transforms.v2.RandomZoomOut` ("SSD: Single Shot MultiBox
/// Detector", W. Liu et al., 2016).
#[derive(Module)]
#[module(extra_repr = "RandomZoomOut::describe")]
pub struct RandomZoomOut {
    fill: Fill,
    side_range: (f64, f64),
    p: f64,
}

builder! {
    /// Options of [`RandomZoomOut`].
    pub struct RandomZoomOutBuilder => RandomZoomOut;
    new {}
    options {
        /// The value of pixels added. 0 unless set.
        fill: ~into Fill = Fill::default(),
        /// The least and the greatest side of the canvas in units of the image's. 1 and 4 unless set.
        side_range: (f64, f64) = (1.0, 4.0),
        /// The probability of being applied. 0.5 unless set.
        p: f64 = 0.5,
    }
}

impl RandomZoomOut {
    #[track_caller]
    fn from_builder(b: RandomZoomOutBuilder) -> Result<Self> {
        check_probability("RandomZoomOut", b.p)?;
        let (from, to) = b.side_range;
        let good = 1.0 <= from && from <= to && to.is_finite();
        ensure!(good, Argument, "RandomZoomOut", "side_range {:?} is no range from 1 on", b.side_range);
        Ok(RandomZoomOut { fill: b.fill, side_range: b.side_range, p: b.p })
    }

    fn describe(&self) -> String {
        format!("p={:?}, fill={}, side_range={:?}", self.p, self.fill.python(), self.side_range)
    }
}

impl Transform for RandomZoomOut {
    type Params = Padding;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Padding> {
        let (h, w) = query_size(parts)?;
        let ((from, to), [drawn]) = (self.side_range, draw::rand()?);
        let ratio = from as f32 + drawn * (to - from) as f32;
        let [x, y] = draw::rand()?;
        let room = |n: usize| ((n as f32 * ratio) as usize).saturating_sub(n);
        let (wide, high) = (room(w) as isize, room(h) as isize);
        let (left, top) = ((wide as f32 * x) as isize, (high as f32 * y) as isize);
        Ok(Padding { left, top, right: wide - left, bottom: high - top })
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, padding: &Padding) -> Result<TVTensor> {
        functional::pad(&part, *padding, &self.fill, PaddingMode::Constant)
    }

    fn probability(&self) -> Option<f64> {
        Some(self.p)
    }
}

/// A part that overlaps a box by as much as is drawn, as `torchvision.transforms.v2.RandomIoUCrop` ("SSD: Single Shot
/// MultiBox Detector", W. Liu et al., 2016). Boxes whose middle is cut off become empty;
/// [`SanitizeBoundingBoxes`](crate::transforms::SanitizeBoundingBoxes) takes them out.
#[derive(Module)]
#[module(extra_repr = "RandomIoUCrop::describe")]
pub struct RandomIoUCrop {
    min_scale: f64,
    max_scale: f64,
    min_aspect_ratio: f64,
    max_aspect_ratio: f64,
    #[module(skip)]
    options: Vec<f64>,
    trials: usize,
}

builder! {
    /// Options of [`RandomIoUCrop`].
    pub struct RandomIoUCropBuilder => RandomIoUCrop;
    new {}
    options {
        /// The least side in units of the image's. 0.3 unless set.
        min_scale: f64 = 0.3,
        /// The greatest side in units of the image's. 1 unless set.
        max_scale: f64 = 1.0,
        /// The least width in units of the height. 0.5 unless set.
        min_aspect_ratio: f64 = 0.5,
        /// The greatest width in units of the height. 2 unless set.
        max_aspect_ratio: f64 = 2.0,
        /// The overlaps to choose from, as intersection over union; 1 or more leaves the image as it is. 0, 0.1, 0.3,
        /// 0.5, 0.7, 0.9 and 1 unless set.
        sampler_options: ~into Vec<f64> = vec![0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0],
        /// How often a part is drawn before another overlap is. 40 unless set.
        trials: usize = 40,
    }
}

impl RandomIoUCrop {
    #[track_caller]
    fn from_builder(b: RandomIoUCropBuilder) -> Result<Self> {
        let op = "RandomIoUCrop";
        ensure!(!b.sampler_options.is_empty(), Argument, op, "there is no overlap to choose");
        let good = 0.0 <= b.min_scale && b.min_scale <= b.max_scale && b.max_scale <= 1.0;
        ensure!(good, Argument, op, "scales from {} to {} are not in 0 to 1", b.min_scale, b.max_scale);
        Ok(RandomIoUCrop {
            min_scale: b.min_scale,
            max_scale: b.max_scale,
            min_aspect_ratio: b.min_aspect_ratio,
            max_aspect_ratio: b.max_aspect_ratio,
            options: b.sampler_options,
            trials: b.trials,
        })
    }

    fn describe(&self) -> String {
        format!(
            "min_scale={:?}, max_scale={:?}, min_aspect_ratio={:?}, max_aspect_ratio={:?}, options={:?}, trials={}",
            self.min_scale, self.max_scale, self.min_aspect_ratio, self.max_aspect_ratio, self.options, self.trials
        )
    }

    /// A part of proportions that are allowed, if one was drawn.
    #[track_caller]
    fn window(&self, h: usize, w: usize) -> Result<Option<super::crop::Window>> {
        let [x, y] = draw::rand()?.map(|r| self.min_scale as f32 + (self.max_scale - self.min_scale) as f32 * r);
        let (width, height) = ((w as f32 * x) as usize, (h as f32 * y) as usize);
        let aspect = width as f64 / height as f64;
        if !(self.min_aspect_ratio..=self.max_aspect_ratio).contains(&aspect) {
            return Ok(None);
        }
        let [x, y] = draw::rand()?;
        let (left, top) = (((w - width) as f32 * x) as usize, ((h - height) as f32 * y) as usize);
        Ok((width > 0 && height > 0).then_some((top, left, height, width)))
    }
}

/// The part, and which boxes have their middle in it.
pub struct IoUWindow {
    window: super::crop::Window,
    inside: Vec<bool>,
}

impl Transform for RandomIoUCrop {
    type Params = Option<IoUWindow>;

    #[track_caller]
    fn check_inputs(&self, parts: &Parts) -> Result<()> {
        let has = |wanted: &dyn Fn(TVKind) -> bool| parts.iter().any(|part| wanted(part.kind()));
        ensure!(
            has(&|kind| kind == TVKind::BoundingBoxes) && has(&|kind| matches!(kind, TVKind::Image | TVKind::Tensor)),
            Argument,
            "RandomIoUCrop",
            "a sample has to have an image and boxes"
        );
        Ok(())
    }

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Option<IoUWindow>> {
        let (h, w) = query_size(parts)?;
        let boxes = parts.iter().find_map(|part| match part {
            TVTensor::BoundingBoxes(boxes) => Some(boxes),
            _ => None,
        });
        let Some(boxes) = boxes else { bail!(Argument, "RandomIoUCrop", "there are no boxes in the sample") };
        let corners = functional::convert_bounding_box_format(boxes, BoundingBoxFormat::XYXY)?;
        let corners = corners.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
        ensure!(!corners.is_empty(), Argument, "RandomIoUCrop", "there is no box that a part could overlap");
        loop {
            let overlap = self.options[draw::below(self.options.len())?];
            if overlap >= 1.0 {
                return Ok(None);
            }
            for _ in 0..self.trials {
                let Some(window @ (top, left, height, width)) = self.window(h, w)? else { continue };
                let part = [left, top, left + width, top + height].map(|v| v as f32);
                let boxes = corners.as_chunks::<4>().0;
                let middle = |[x1, y1, x2, y2]: &[f32; 4]| {
                    let (x, y) = (0.5 * (x1 + x2), 0.5 * (y1 + y2));
                    part[0] < x && x < part[2] && part[1] < y && y < part[3]
                };
                let inside: Vec<bool> = boxes.iter().map(middle).collect();
                let overlaps = boxes.iter().zip(&inside).filter(|(_, inside)| **inside).map(|(b, _)| iou(b, &part));
                if overlaps.fold(f32::NEG_INFINITY, f32::max) >= overlap as f32 {
                    return Ok(Some(IoUWindow { window, inside }));
                }
            }
        }
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, params: &Option<IoUWindow>) -> Result<TVTensor> {
        let Some(IoUWindow { window: (top, left, height, width), inside }) = params else { return Ok(part) };
        let cropped = functional::crop(&part, *top as isize, *left as isize, *height, *width)?;
        let TVTensor::BoundingBoxes(boxes) = &cropped else { return Ok(cropped) };
        let keep: Vec<bool> = inside.clone();
        let keep = Tensor::from_vec(keep, [inside.len(), 1])?.logical_not()?;
        Ok(boxes.wrap(boxes.masked_fill(&keep, 0)?).into())
    }
}

/// Intersection over union of two boxes.
fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |b: &[f32; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let (w, h) = (a[2].min(b[2]) - a[0].max(b[0]), a[3].min(b[3]) - a[1].max(b[1]));
    let common = w.max(0.0) * h.max(0.0);
    common / (area(a) + area(b) - common)
}

forwards!(RandomZoomOut, RandomIoUCrop);
