//! RetinaNet: every anchor of every map is judged at once ("Focal Loss for Dense Object Detection", T.-Y. Lin et al.,
//! 2017).

use super::anchors::AnchorGenerator;
use super::backbone::BackboneWithFPN;
use super::coder::{BELOW, BETWEEN, BoxCoder, Matcher, rows};
use super::one_stage::{Found, Prepared, last_convolution, matched, near_zero, of_maps, one_hot, prepared};
use super::transform::{GeneralizedRCNNTransform, ImageList, size_of};
use super::{Detection, Losses, Target};
use crate::models::builder::{model_builder, model_functions};
use crate::models::{WeightsEntry, resnet50};
use crate::ops::{
    Conv2dNormActivation, ExtraBlocks, Norm, clip_boxes_to_image, generalized_box_iou_loss, sigmoid_focal_loss,
};
use flambeau_nn::functional::l1_loss_with;
use flambeau_nn::{Conv2d, Module, Reduction, Sequential};
use flambeau_tensor::{Result, Tensor, ensure, no_grad, stack};

#[derive(Module)]
struct RetinaNetClassificationHead {
    conv: Sequential,
    cls_logits: Conv2d,
}

#[derive(Module)]
struct RetinaNetRegressionHead {
    conv: Sequential,
    bbox_reg: Conv2d,
}

#[derive(Module)]
struct RetinaNetHead {
    classification_head: RetinaNetClassificationHead,
    regression_head: RetinaNetRegressionHead,
}

/// Four convolutions.
#[track_caller]
fn tower(channels: usize, norm: Norm) -> Result<Sequential> {
    let mut conv = Sequential::new();
    for _ in 0..4 {
        conv.push(Conv2dNormActivation::new(channels, channels).norm_layer(norm))?;
    }
    Ok(conv)
}

impl RetinaNetHead {
    #[track_caller]
    fn new(channels: usize, anchors: usize, classes: usize, norm: Norm) -> Result<Self> {
        let conv = tower(channels, norm)?;
        near_zero(&conv)?;
        let cls_logits = last_convolution(channels, anchors * classes, true)?;
        let classification_head = RetinaNetClassificationHead { conv, cls_logits };
        let conv = tower(channels, norm)?;
        let bbox_reg = last_convolution(channels, anchors * 4, false)?;
        near_zero(&conv)?;
        Ok(RetinaNetHead { classification_head, regression_head: RetinaNetRegressionHead { conv, bbox_reg } })
    }
}

/// A network of one stage that finds things in images, as `torchvision.models.detection.RetinaNet`; made by
/// [`retinanet_resnet50_fpn`] and [`retinanet_resnet50_fpn_v2`].
///
/// It takes images `[3, H, W]` in 0 to 1, each of its own size; see [`Detector`](super::Detector).
#[derive(Module)]
pub struct RetinaNet {
    backbone: BackboneWithFPN,
    anchor_generator: AnchorGenerator,
    head: RetinaNetHead,
    transform: GeneralizedRCNNTransform,
    #[module(skip)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Options {
    classes: usize,
    /// The loss of boxes is 1 − GIoU instead of the distance of their numbers.
    giou: bool,
    matcher: Matcher,
    score_thresh: f64,
    nms_thresh: f64,
    detections_per_img: usize,
    topk_candidates: usize,
}

const CODER: [f64; 4] = [1.0; 4];

/// What the head tells of a batch.
struct Told {
    /// `[N, anchors, classes]`
    logits: Tensor,
    /// `[N, anchors, 4]`
    moves: Tensor,
    /// `[anchors, 4]`
    anchors: Tensor,
    /// Anchors of each map.
    per_level: Vec<usize>,
}

impl RetinaNet {
    #[track_caller]
    fn tell(&self, batch: &ImageList) -> Result<Told> {
        let maps: Vec<Tensor> = self.backbone.maps(&batch.tensors)?.into_iter().map(|(_, map)| map).collect();
        let (of_class, of_box) = (&self.head.classification_head, &self.head.regression_head);
        let logits = of_maps(&of_class.conv, &of_class.cls_logits, &maps, self.options.classes)?;
        let moves = of_maps(&of_box.conv, &of_box.bbox_reg, &maps, 4)?;
        let (anchors, per_level) = self.anchor_generator.of_maps(&maps, &batch.tensors)?;
        Ok(Told { logits, moves, anchors, per_level })
    }

    #[track_caller]
    fn losses_of(&self, told: &Told, targets: &[Prepared]) -> Result<Losses> {
        let (mut of_class, mut of_box) = (Vec::new(), Vec::new());
        for (i, target) in targets.iter().enumerate() {
            let matches = match target.is_empty() {
                true => vec![BELOW; told.anchors.shape()[0]],
                false => self.options.matcher.matches(&target.boxes, &told.anchors)?,
            };
            let (found, boxes) = matched(&matches);
            let count = found.len().max(1) as f64;
            let valid: Vec<i64> = (0..matches.len() as i64).filter(|at| matches[*at as usize] != BETWEEN).collect();
            let classes = valid.iter().enumerate().filter_map(|(row, at)| {
                let at = matches[*at as usize];
                (at >= 0).then(|| (row, target.labels[at as usize]))
            });
            let wanted = one_hot(valid.len(), self.options.classes, classes)?;
            let logits = rows(&told.logits.select(0, i as isize)?, &valid)?;
            let loss = sigmoid_focal_loss(&logits, &wanted, Some(0.25), 2.0, Reduction::Sum)?;
            of_class.push(loss.div(count)?);
            let moves = rows(&told.moves.select(0, i as isize)?, &found)?;
            let (anchors, boxes) = (rows(&told.anchors, &found)?, rows(&target.boxes, &boxes)?);
            let loss = match self.options.giou {
                true => {
                    let given = BoxCoder::new(CODER).decode(&moves, &anchors)?.squeeze(1)?;
                    generalized_box_iou_loss(&given, &boxes, Reduction::Sum)?
                }
                false => l1_loss_with(&moves, BoxCoder::new(CODER).encode(&boxes, &anchors)?, Reduction::Sum)?,
            };
            of_box.push(loss.div(count)?);
        }
        let mean = |losses: &[Tensor]| stack(losses, 0)?.sum(..)?.div(losses.len() as f64);
        Ok(vec![("classification", mean(&of_class)?), ("bbox_regression", mean(&of_box)?)])
    }

    #[track_caller]
    fn best(&self, told: &Told, image: usize, size: (usize, usize)) -> Result<Detection> {
        let (mut found, mut from) = (Found::default(), 0);
        for &count in &told.per_level {
            let of = |x: &Tensor| x.select(0, image as isize)?.narrow(0, from, count);
            let (moves, anchors) = (of(&told.moves)?, told.anchors.narrow(0, from, count)?);
            let limits = (self.options.score_thresh, self.options.topk_candidates);
            found.add(&of(&told.logits)?.sigmoid()?, limits, 0, |at| {
                let boxes = BoxCoder::new(CODER).decode(&rows(&moves, at)?, &rows(&anchors, at)?)?.squeeze(1)?;
                clip_boxes_to_image(&boxes, size)
            })?;
            from += count as isize;
        }
        found.finish(self.options.nms_thresh, self.options.detections_per_img)
    }
}

impl super::Detector for RetinaNet {
    #[track_caller]
    fn losses(&self, images: &[Tensor], targets: &[Target]) -> Result<Losses> {
        let (batch, targets) = prepared("RetinaNet", &self.transform, images, targets, self.options.classes)?;
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
    /// A [`RetinaNet`] about to be made.
    pub struct RetinaNetBuilder => RetinaNet;
    fixed { second: bool }
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
        /// How likely a box that counts is; 0.05 unless set.
        score_thresh: f64 = 0.05,
        /// How much a box overlaps a better one of its class when it goes; 0.5 unless set.
        nms_thresh: f64 = 0.5,
        /// Boxes in an image at most; 300 unless set.
        detections_per_img: usize = 300,
        /// How much of an anchor's and a box's union is common where they belong together; 0.5 unless set.
        fg_iou_thresh: f64 = 0.5,
        /// How little of it where they do not; 0.4 unless set.
        bg_iou_thresh: f64 = 0.4,
        /// Boxes of a map at most; 1000 unless set.
        topk_candidates: usize = 1000,
    }
}

impl RetinaNetBuilder {
    fn make(&self) -> Result<RetinaNet> {
        ensure!(!self.min_size.is_empty() && self.max_size > 0, Argument, self.name, "images have no size");
        let classes = self.classes(91);
        ensure!(classes > 0, Argument, self.name, "there are no classes");
        let backbone = self.weights_backbone.filter(|_| self.weights.is_none());
        let backbone = BackboneWithFPN::resnet50_of_one_stage(
            backbone.map_or(resnet50(), |weights| resnet50().weights(weights)),
            (self.weights.is_some() || backbone.is_some()).then(|| self.trainable_backbone_layers.unwrap_or(3)),
            if self.second { None } else { Some(if self.weights.is_some() { 0.0 } else { 1e-5 }) },
            ExtraBlocks::P6P7 { in_channels: if self.second { 2048 } else { 256 } },
        )?;
        let third = |power: f64, size: f64| (size * 2f64.powf(power / 3.0)).trunc();
        let sizes = [32.0, 64.0, 128.0, 256.0, 512.0].map(|size| vec![size, third(1.0, size), third(2.0, size)]);
        let anchor_generator = AnchorGenerator::new(sizes.to_vec(), vec![vec![0.5, 1.0, 2.0]; 5])?;
        let norm = if self.second { Norm::Group { groups: 32 } } else { Norm::None };
        let head = RetinaNetHead::new(backbone.out_channels(), 9, classes, norm)?;
        let matcher = Matcher { high: self.fg_iou_thresh, low: self.bg_iou_thresh, allow_low_quality: true };
        Ok(RetinaNet {
            backbone,
            anchor_generator,
            head,
            transform: GeneralizedRCNNTransform::of_imagenet(self.min_size.clone(), self.max_size),
            options: Options {
                classes,
                giou: self.second,
                matcher,
                score_thresh: self.score_thresh,
                nms_thresh: self.nms_thresh,
                detections_per_img: self.detections_per_img,
                topk_candidates: self.topk_candidates,
            },
        })
    }
}

model_functions! { RetinaNetBuilder:
    /// RetinaNet on a ResNet-50 with a feature pyramid.
    retinanet_resnet50_fpn(false);
    /// RetinaNet on a ResNet-50 with a feature pyramid, second version ("Bridging the Gap Between Anchor-based and
    /// Anchor-free Detection via Adaptive Training Sample Selection", S. Zhang et al., 2020).
    retinanet_resnet50_fpn_v2(true);
}
