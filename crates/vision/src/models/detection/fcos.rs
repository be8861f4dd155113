//! FCOS: every place tells the box around it and how central it is there ("FCOS: Fully Convolutional One-Stage Object
//! Detection", Z. Tian et al., 2019).

use super::anchors::AnchorGenerator;
use super::backbone::BackboneWithFPN;
use super::coder::{BELOW, joined, rows};
use super::one_stage::{Found, Prepared, last_convolution, matched, near_zero, of_maps, one_hot, prepared};
use super::transform::{GeneralizedRCNNTransform, ImageList, size_of};
use super::{Detection, Losses, Target};
use crate::models::builder::{model_builder, model_functions};
use crate::models::{WeightsEntry, resnet50};
use crate::ops::{ExtraBlocks, clip_boxes_to_image, generalized_box_iou_loss, sigmoid_focal_loss};
use flambeau_nn::functional::{BceWithLogits, binary_cross_entropy_with_logits_with};
use flambeau_nn::{Call, Conv2d, GroupNorm, Module, ReLU, Reduction, Sequential};
use flambeau_tensor::{DType, Result, Tensor, ensure, no_grad, stack};

#[derive(Module)]
struct FCOSClassificationHead {
    conv: Sequential,
    cls_logits: Conv2d,
}

#[derive(Module)]
struct FCOSRegressionHead {
    conv: Sequential,
    bbox_reg: Conv2d,
    bbox_ctrness: Conv2d,
}

#[derive(Module)]
struct FCOSHead {
    classification_head: FCOSClassificationHead,
    regression_head: FCOSRegressionHead,
}

/// Four normalised convolutions.
#[track_caller]
fn tower(channels: usize) -> Result<Sequential> {
    let mut conv = Sequential::new();
    for _ in 0..4 {
        conv.push(Conv2d::new(channels, channels, 3).padding(1))?.push(GroupNorm::new(32, channels))?;
        conv.push(ReLU::new())?;
    }
    Ok(conv)
}

impl FCOSHead {
    #[track_caller]
    fn new(channels: usize, classes: usize) -> Result<Self> {
        let conv = tower(channels)?;
        near_zero(&conv)?;
        let cls_logits = last_convolution(channels, classes, true)?;
        let classification_head = FCOSClassificationHead { conv, cls_logits };
        let conv = tower(channels)?;
        // torchvision makes both before it fills either.
        let plain = |numbers: usize| Conv2d::new(channels, numbers, 3).padding(1).build();
        let (bbox_reg, bbox_ctrness) = (plain(4)?, plain(1)?);
        near_zero(&bbox_reg)?;
        near_zero(&bbox_ctrness)?;
        near_zero(&conv)?;
        let regression_head = FCOSRegressionHead { conv, bbox_reg, bbox_ctrness };
        Ok(FCOSHead { classification_head, regression_head })
    }
}

/// A network of one stage that finds things in images, as `torchvision.models.detection.FCOS`; made by
/// [`fcos_resnet50_fpn`].
///
/// It takes images `[3, H, W]` in 0 to 1, each of its own size; see [`Detector`](super::Detector).
#[derive(Module)]
pub struct FCOS {
    backbone: BackboneWithFPN,
    anchor_generator: AnchorGenerator,
    head: FCOSHead,
    transform: GeneralizedRCNNTransform,
    #[module(skip)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Options {
    classes: usize,
    center_sampling_radius: f64,
    score_thresh: f64,
    nms_thresh: f64,
    detections_per_img: usize,
    topk_candidates: usize,
}

/// What the head tells of a batch.
struct Told {
    /// `[N, anchors, classes]`
    logits: Tensor,
    /// Distances to the left, top, right and bottom in units of the anchor, `[N, anchors, 4]`.
    sides: Tensor,
    /// `[N, anchors, 1]`
    centerness: Tensor,
    /// `[anchors, 4]`
    anchors: Tensor,
    /// Anchors of each map.
    per_level: Vec<usize>,
}

/// The boxes `[N, 4]` whose sides have these distances from the middles of `anchors`, as torchvision's `BoxLinearCoder`.
#[track_caller]
fn decode(sides: &Tensor, anchors: &Tensor) -> Result<Tensor> {
    let anchors = anchors.to_dtype(sides.dtype())?;
    let side = |x: &Tensor, i: isize| x.select(1, i);
    let (x1, y1, x2, y2) = (side(&anchors, 0)?, side(&anchors, 1)?, side(&anchors, 2)?, side(&anchors, 3)?);
    let (x, y) = (x1.add(&x2)?.mul(0.5)?, y1.add(&y2)?.mul(0.5)?);
    let (w, h) = (x2.sub(&x1)?, y2.sub(&y1)?);
    let [left, top] = [side(sides, 0)?.mul(&w)?, side(sides, 1)?.mul(&h)?];
    let [right, bottom] = [side(sides, 2)?.mul(&w)?, side(sides, 3)?.mul(&h)?];
    stack(&[x.sub(&left)?, y.sub(&top)?, x.add(&right)?, y.add(&bottom)?], 1)
}

/// The numbers of boxes `[N, 4]`.
#[track_caller]
fn boxes_of(boxes: &Tensor) -> Result<Vec<[f32; 4]>> {
    Ok(boxes.detach().to_dtype(DType::F32)?.contiguous()?.to_vec::<f32>()?.as_chunks::<4>().0.to_vec())
}

/// For each anchor the smallest box whose middle is near it and whose sides suit its map, or [`BELOW`].
fn matches(boxes: &[[f32; 4]], anchors: &[[f32; 4]], per_level: &[usize], radius: f64) -> Vec<i64> {
    let first = per_level.first().copied().unwrap_or(0);
    let last = anchors.len() - per_level.last().copied().unwrap_or(0);
    let of_anchor = |(i, a): (usize, &[f32; 4])| {
        let (x, y, size) = ((a[0] + a[2]) / 2.0, (a[1] + a[3]) / 2.0, a[2] - a[0]);
        let least = if i < first { 0.0 } else { size * 4.0 };
        let most = if i >= last { f32::INFINITY } else { size * 8.0 };
        let mut best = (BELOW, 0f32);
        for (k, b) in boxes.iter().enumerate() {
            let off = (x - (b[0] + b[2]) / 2.0).abs().max((y - (b[1] + b[3]) / 2.0).abs());
            let sides = [x - b[0], y - b[1], b[2] - x, b[3] - y];
            let (near, far) = (sides.into_iter().fold(f32::INFINITY, f32::min), sides.into_iter().fold(0.0, f32::max));
            if off < radius as f32 * size && near > 0.0 && far > least && far < most {
                let smallness = 1e8 - (b[2] - b[0]) * (b[3] - b[1]);
                if smallness > best.1 {
                    best = (k as i64, smallness);
                }
            }
        }
        best.0
    };
    anchors.iter().enumerate().map(of_anchor).collect()
}

/// How central the middle of an anchor is in its box, 0 to 1.
fn centerness(anchor: &[f32; 4], b: &[f32; 4]) -> f32 {
    let (x, y) = (0.5 * (anchor[0] + anchor[2]), 0.5 * (anchor[1] + anchor[3]));
    let (w, h) = (anchor[2] - anchor[0], anchor[3] - anchor[1]);
    let (left, right) = ((x - b[0]) / w, (b[2] - x) / w);
    let (top, bottom) = ((y - b[1]) / h, (b[3] - y) / h);
    (left.min(right) / left.max(right) * (top.min(bottom) / top.max(bottom))).sqrt()
}

impl FCOS {
    #[track_caller]
    fn tell(&self, batch: &ImageList) -> Result<Told> {
        let maps: Vec<Tensor> = self.backbone.maps(&batch.tensors)?.into_iter().map(|(_, map)| map).collect();
        let (of_class, of_box) = (&self.head.classification_head, &self.head.regression_head);
        let logits = of_maps(&of_class.conv, &of_class.cls_logits, &maps, self.options.classes)?;
        let before = maps.iter().map(|map| of_box.conv.call(map)).collect::<Result<Vec<_>>>()?;
        let none = Sequential::new();
        let sides = of_maps(&none, &of_box.bbox_reg, &before, 4)?.relu()?;
        let centerness = of_maps(&none, &of_box.bbox_ctrness, &before, 1)?;
        let (anchors, per_level) = self.anchor_generator.of_maps(&maps, &batch.tensors)?;
        Ok(Told { logits, sides, centerness, anchors, per_level })
    }

    #[track_caller]
    fn losses_of(&self, told: &Told, targets: &[Prepared]) -> Result<Losses> {
        let (n, anchors) = (told.anchors.shape()[0], boxes_of(&told.anchors)?);
        let (mut found, mut classes, mut wanted, mut central) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut of_anchors = Vec::new();
        for (i, target) in targets.iter().enumerate() {
            let boxes = boxes_of(&target.boxes)?;
            let matches = matches(&boxes, &anchors, &told.per_level, self.options.center_sampling_radius);
            let (at, of) = matched(&matches);
            central.extend(at.iter().zip(&of).map(|(a, b)| centerness(&anchors[*a as usize], &boxes[*b as usize])));
            classes.extend(of.iter().map(|b| target.labels[*b as usize]));
            wanted.push(rows(&target.boxes, &of)?);
            of_anchors.push(rows(&told.anchors, &at)?);
            found.extend(at.iter().map(|at| at + (i * n) as i64));
        }
        let count = found.len();
        let hot = found.iter().map(|at| *at as usize).zip(classes);
        let hot = one_hot(n * targets.len(), self.options.classes, hot)?;
        let logits = told.logits.reshape([n * targets.len(), self.options.classes])?;
        let of_class = sigmoid_focal_loss(&logits, &hot, Some(0.25), 2.0, Reduction::Sum)?;
        let given = decode(&rows(&told.sides.reshape([-1, 4])?, &found)?, &joined(&of_anchors, 4)?)?;
        let of_box = generalized_box_iou_loss(&given, &joined(&wanted, 4)?, Reduction::Sum)?;
        let given = rows(&told.centerness.flatten(0, -1)?, &found)?;
        let sum = BceWithLogits::new().reduction(Reduction::Sum);
        let of_center = binary_cross_entropy_with_logits_with(given, Tensor::from_vec(central, [count])?, sum)?;
        let by_count = |loss: Tensor| loss.div(count.max(1) as f64);
        Ok(vec![
            ("classification", by_count(of_class)?),
            ("bbox_regression", by_count(of_box)?),
            ("bbox_ctrness", by_count(of_center)?),
        ])
    }

    #[track_caller]
    fn best(&self, told: &Told, image: usize, size: (usize, usize)) -> Result<Detection> {
        let (mut found, mut from) = (Found::default(), 0);
        for &count in &told.per_level {
            let of = |x: &Tensor| x.select(0, image as isize)?.narrow(0, from, count);
            let (sides, anchors) = (of(&told.sides)?, told.anchors.narrow(0, from, count)?);
            let scores = of(&told.logits)?.sigmoid()?.mul(&of(&told.centerness)?.sigmoid()?)?.sqrt()?;
            found.add(&scores, (self.options.score_thresh, self.options.topk_candidates), 0, |at| {
                clip_boxes_to_image(&decode(&rows(&sides, at)?, &rows(&anchors, at)?)?, size)
            })?;
            from += count as isize;
        }
        found.finish(self.options.nms_thresh, self.options.detections_per_img)
    }
}

impl super::Detector for FCOS {
    #[track_caller]
    fn losses(&self, images: &[Tensor], targets: &[Target]) -> Result<Losses> {
        let (batch, targets) = prepared("FCOS", &self.transform, images, targets, self.options.classes)?;
        self.losses_of(&self.tell(&batch)?, &targets)
    }

    #[track_caller]
    fn detect(&self, images: &[Tensor]) -> Result<Vec<Detection>> {
        let originals = images.iter().map(size_of).collect::<Result<Vec<_>>>()?;
        no_grad(|| {
            let (batch, _) = self.transform.batch(images, None)?;
            let told = self.tell(&batch)?;
            let found = batch.sizes.iter().enumerate().map(|(i, size)| self.best(&told, i, *size));
            self.transform.postprocess(found.collect::<Result<_>>()?, &batch.sizes, &originals)
        })
    }
}

model_builder! {
    /// An [`FCOS`] about to be made.
    pub struct FCOSBuilder => FCOS;
    fixed {}
    options {
        /// Weights for the network that the maps come from. None unless set.
        weights_backbone: ~into Option<&'static WeightsEntry> = None,
        /// How many of the network's five parts train, from the last one on; 3 unless set, all of them where nothing was
        /// trained before.
        trainable_backbone_layers: ~into Option<usize> = None,
        /// The shorter side of an image; in training one of these, in evaluation the last. 800 unless set.
        min_size: ~into Vec<usize> = vec![800],
        /// The longer side at most; 1333 unless set.
        max_size: usize = 1333,
        /// How far from the middle of a box a place counts as inside, in units of the anchor; 1.5 unless set.
        center_sampling_radius: f64 = 1.5,
        /// How likely a box that counts is; 0.2 unless set.
        score_thresh: f64 = 0.2,
        /// How much a box overlaps a better one of its class when it goes; 0.6 unless set.
        nms_thresh: f64 = 0.6,
        /// Boxes in an image at most; 100 unless set.
        detections_per_img: usize = 100,
        /// Boxes of a map at most; 1000 unless set.
        topk_candidates: usize = 1000,
    }
}

impl FCOSBuilder {
    fn make(&self) -> Result<FCOS> {
        ensure!(!self.min_size.is_empty() && self.max_size > 0, Argument, self.name, "images have no size");
        let classes = self.classes(91);
        ensure!(classes > 0, Argument, self.name, "there are no classes");
        let backbone = self.weights_backbone.filter(|_| self.weights.is_none());
        let backbone = BackboneWithFPN::resnet50_of_one_stage(
            backbone.map_or(resnet50(), |weights| resnet50().weights(weights)),
            (self.weights.is_some() || backbone.is_some()).then(|| self.trainable_backbone_layers.unwrap_or(3)),
            Some(1e-5),
            ExtraBlocks::P6P7 { in_channels: 256 },
        )?;
        let sizes = [8.0, 16.0, 32.0, 64.0, 128.0].map(|size| vec![size]).to_vec();
        let anchor_generator = AnchorGenerator::new(sizes, vec![vec![1.0]; 5])?;
        let head = FCOSHead::new(backbone.out_channels(), classes)?;
        Ok(FCOS {
            backbone,
            anchor_generator,
            head,
            transform: GeneralizedRCNNTransform::of_imagenet(self.min_size.clone(), self.max_size),
            options: Options {
                classes,
                center_sampling_radius: self.center_sampling_radius,
                score_thresh: self.score_thresh,
                nms_thresh: self.nms_thresh,
                detections_per_img: self.detections_per_img,
                topk_candidates: self.topk_candidates,
            },
        })
    }
}

model_functions! { FCOSBuilder:
    /// FCOS on a ResNet-50 with a feature pyramid.
    fcos_resnet50_fpn();
}
