//! Networks of two stages: regions first, then what they show. Faster R-CNN (S. Ren et al., 2015), Mask R-CNN (K. He et
//! al., 2017) and Keypoint R-CNN, and their second versions ("Benchmarking Detection Transfer Learning with Vision
//! Transformers", Y. Li et al., 2021).

use super::anchors::AnchorGenerator;
use super::backbone::BackboneWithFPN;
use super::coder::{Matcher, Sampler};
use super::roi_heads::{BoxOptions, FastRCNNPredictor, KeypointRCNNPredictor, RoIHeads, TwoMLPHead};
use super::rpn::{RPNHead, RegionProposalNetwork, RpnOptions};
use super::transform::{GeneralizedRCNNTransform, check_boxes, size_of};
use super::{Detection, Losses, Target};
use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::models::{WeightsEntry, mobilenet_v3_large, resnet50};
use crate::ops::{Conv2dNormActivation, ExtraBlocks, MultiScaleRoIAlign, Norm, chains};
use flambeau_nn::{Conv2d, ConvTranspose2d, Flatten, Forward, Layer, Linear, Module, ReLU, Sequential, init};
use flambeau_tensor::{Result, Tensor, ensure};

chains! {
    /// Convolutions and a linear layer after a region's map.
    FastRCNNConvFCHead
}

/// A network of two stages that finds things in images: `torchvision.models.detection.FasterRCNN`, `MaskRCNN` and
/// `KeypointRCNN`; made by [`fasterrcnn_resnet50_fpn`] and its fellows.
///
/// It takes images `[3, H, W]` in 0 to 1, each of its own size.
///
/// ```no_run
/// use flambeau_nn::Module;
/// use flambeau_tensor::{Tensor, tensor};
/// use flambeau_vision::models::{Detector, Target, fasterrcnn_resnet50_fpn};
///
/// let model = fasterrcnn_resnet50_fpn().num_classes(2).build()?;
/// let images = [Tensor::rand([3, 300, 400]).build()?];
/// let boxes = tensor!([[10.0, 20.0, 200.0, 150.0]]);
/// let targets = [Target { boxes, labels: Tensor::from_slice(&[1i64], [1])?, masks: None, keypoints: None }];
/// for (name, loss) in model.losses(&images, &targets)? {
///     println!("{name} {loss}");
/// }
/// model.eval();
/// println!("{} boxes", model.detect(&images)?[0].boxes.shape()[0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct RCNN {
    transform: GeneralizedRCNNTransform,
    backbone: BackboneWithFPN,
    rpn: RegionProposalNetwork,
    roi_heads: RoIHeads,
}

impl super::Detector for RCNN {
    #[track_caller]
    fn losses(&self, images: &[Tensor], targets: &[Target]) -> Result<Losses> {
        let (batch, targets) = self.transform.batch(images, Some(targets))?;
        for (i, target) in targets.iter().enumerate() {
            check_boxes("RCNN", i, &target.boxes)?;
        }
        let maps = self.backbone.maps(&batch.tensors)?;
        let (regions, of_regions) = self.rpn.propose(&batch, &maps, Some(&targets))?;
        let mut losses = self.roi_heads.losses(&maps, &regions, &batch.sizes, &targets)?;
        losses.extend(of_regions);
        Ok(losses)
    }

    #[track_caller]
    fn detect(&self, images: &[Tensor]) -> Result<Vec<Detection>> {
        let originals = images.iter().map(size_of).collect::<Result<Vec<_>>>()?;
        let (batch, _) = self.transform.batch(images, None)?;
        let maps = self.backbone.maps(&batch.tensors)?;
        let (regions, _) = self.rpn.propose(&batch, &maps, None)?;
        let found = self.roi_heads.detect(&maps, &regions, &batch.sizes)?;
        self.transform.postprocess(found, &batch.sizes, &originals)
    }
}

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    ResNet,
    ResNetV2,
    MobileNet,
}

/// What it tells beside classes and boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extra {
    None,
    Masks,
    Keypoints,
}

model_builder! {
    /// An [`RCNN`] about to be made.
    pub struct RCNNBuilder => RCNN;
    fixed { kind: Kind, extra: Extra }
    options {
        /// Weights for the network that the maps come from. None unless set.
        weights_backbone: ~into Option<&'static WeightsEntry> = None,
        /// How many of the network's parts train, from the last one on; 3 unless set, all of them where nothing was
        /// trained before.
        trainable_backbone_layers: ~into Option<usize> = None,
        /// The shorter side of an image; in training one of these, in evaluation the last. 800 unless set.
        min_size: ~into Vec<usize> = vec![800],
        /// The longer side at most; 1333 unless set.
        max_size: usize = 1333,
        /// Anchors before those that are like better ones go, in training; 2000 unless set.
        rpn_pre_nms_top_n_train: usize = 2000,
        /// The same in evaluation; 1000 unless set.
        rpn_pre_nms_top_n_test: usize = 1000,
        /// Anchors after that, in training; 2000 unless set.
        rpn_post_nms_top_n_train: usize = 2000,
        /// The same in evaluation; 1000 unless set.
        rpn_post_nms_top_n_test: usize = 1000,
        /// How much an anchor overlaps a better one when it goes; 0.7 unless set.
        rpn_nms_thresh: f64 = 0.7,
        /// How likely an anchor that counts shows something; 0 unless set.
        rpn_score_thresh: f64 = 0.0,
        /// How likely a box that counts is; 0.05 unless set.
        box_score_thresh: f64 = 0.05,
        /// How much a box overlaps a better one of its class when it goes; 0.5 unless set.
        box_nms_thresh: f64 = 0.5,
        /// Boxes in an image at most; 100 unless set.
        box_detections_per_img: usize = 100,
        /// Regions that train in an image; 512 unless set.
        box_batch_size_per_image: usize = 512,
        /// Key points of a thing, for Keypoint R-CNN; 17 unless set.
        num_keypoints: usize = 17,
    }
}

impl RCNNBuilder {
    fn backbone(&self) -> Result<BackboneWithFPN> {
        let backbone_weights = self.weights_backbone.filter(|_| self.weights.is_none());
        let trained = self.weights.is_some() || backbone_weights.is_some();
        // torchvision's first weights were trained without anything added to the variance.
        let eps = if self.weights.is_some_and(|weights| weights.name == "COCO_V1") { 0.0 } else { 1e-5 };
        let norm = if trained { Norm::Frozen { eps } } else { Norm::default() };
        let parts = if self.kind == Kind::MobileNet { 6 } else { 5 };
        let trainable = if trained { self.trainable_backbone_layers.unwrap_or(3) } else { parts };
        if self.kind == Kind::MobileNet {
            let mut network = mobilenet_v3_large();
            if let Some(weights) = backbone_weights {
                network = network.weights(weights);
            }
            let norm = if trained { Norm::Frozen { eps: 1e-5 } } else { Norm::default() };
            return BackboneWithFPN::of_mobilenet(network.norm_layer(norm).build()?, trainable, ExtraBlocks::MaxPool);
        }
        let mut network = resnet50();
        if let Some(weights) = backbone_weights {
            network = network.weights(weights);
        }
        let (norm, in_pyramid) =
            if self.kind == Kind::ResNetV2 { (Norm::default(), Norm::default()) } else { (norm, Norm::None) };
        let network = network.norm_layer(norm).build()?;
        BackboneWithFPN::of_resnet(network, trainable, &[1, 2, 3, 4], ExtraBlocks::MaxPool, in_pyramid)
    }

    fn anchors(&self) -> Result<AnchorGenerator> {
        let ratios = vec![0.5, 1.0, 2.0];
        match self.kind {
            Kind::MobileNet => AnchorGenerator::new(vec![vec![32.0, 64.0, 128.0, 256.0, 512.0]; 3], vec![ratios; 3]),
            _ => {
                AnchorGenerator::new([32.0, 64.0, 128.0, 256.0, 512.0].map(|size| vec![size]).to_vec(), vec![ratios; 5])
            }
        }
    }

    fn box_head(&self, channels: usize) -> Result<Box<dyn Layer>> {
        if self.kind != Kind::ResNetV2 {
            let head =
                TwoMLPHead { fc6: Linear::new(channels * 49, 1024).build()?, fc7: Linear::new(1024, 1024).build()? };
            return Ok(Box::new(head));
        }
        let mut layers = Sequential::new();
        for _ in 0..4 {
            layers.push(Conv2dNormActivation::new(channels, channels))?;
        }
        layers.push(Flatten::new())?.push(Linear::new(channels * 49, 1024))?.push(ReLU::new().inplace(true))?;
        fill_convolutions(&layers)?;
        Ok(Box::new(FastRCNNConvFCHead::from_chain(layers)))
    }

    fn mask_parts(&self, channels: usize, classes: usize) -> Result<(Sequential, Sequential)> {
        let norm = if self.kind == Kind::ResNetV2 { Norm::default() } else { Norm::None };
        let mut head = Sequential::new();
        for _ in 0..4 {
            head.push(Conv2dNormActivation::new(channels, channels).norm_layer(norm))?;
        }
        fill_convolutions(&head)?;
        let predictor = Sequential::new()
            .named("conv5_mask", ConvTranspose2d::new(channels, 256, 2).stride(2))?
            .named("relu", ReLU::new().inplace(true))?
            .named("mask_fcn_logits", Conv2d::new(256, classes, 1))?;
        for (name, parameter) in predictor.named_parameters() {
            if name.contains("weight") {
                init::kaiming_normal_(&parameter, init::Fan::Out, init::Nonlinearity::Relu)?;
            }
        }
        Ok((head, predictor))
    }

    fn keypoint_parts(&self, channels: usize) -> Result<(Sequential, KeypointRCNNPredictor)> {
        let (mut head, mut before) = (Sequential::new(), channels);
        for _ in 0..8 {
            head.push(Conv2d::new(before, 512, 3).padding(1))?.push(ReLU::new().inplace(true))?;
            before = 512;
        }
        fill_convolutions(&head)?;
        let kps_score_lowres = ConvTranspose2d::new(512, self.num_keypoints, 4).stride(2).padding(1).build()?;
        init::kaiming_normal_(&kps_score_lowres.weight, init::Fan::Out, init::Nonlinearity::Relu)?;
        if let Some(bias) = &kps_score_lowres.bias {
            init::zeros_(bias)?;
        }
        Ok((head, KeypointRCNNPredictor { kps_score_lowres }))
    }

    fn make(&self) -> Result<RCNN> {
        self.assembled(self.backbone()?, self.anchors()?)
    }

    /// The network on maps of one's own, with these anchors on them, as `FasterRCNN(backbone, num_classes,
    /// rpn_anchor_generator=…)` of torchvision makes it: `num_classes`, sizes and thresholds are those of the builder. Of
    /// five maps and more the first four are looked at where boxes are told apart.
    ///
    /// ```
    /// use flambeau_nn::Sequential;
    /// use flambeau_vision::models::{AnchorGenerator, BackboneWithFPN, fasterrcnn_resnet50_fpn};
    /// use flambeau_vision::ops::{Conv2dNormActivation, ExtraBlocks};
    ///
    /// let layer = |from, to| Conv2dNormActivation::new(from, to).stride(2);
    /// let body = Sequential::of((layer(3, 16), layer(16, 32), layer(32, 64)))?;
    /// let backbone = BackboneWithFPN::new(body, &[1, 2], &[32, 64], 32, ExtraBlocks::None)?;
    /// let anchors = AnchorGenerator::new(vec![vec![24.0], vec![48.0]], vec![vec![1.0]; 2])?;
    /// let model = fasterrcnn_resnet50_fpn().num_classes(2).min_size(vec![128]).on(backbone, anchors)?;
    /// # drop(model);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there are as many anchors for other maps, or the options do not go together.
    #[track_caller]
    pub fn on(self, backbone: BackboneWithFPN, anchors: AnchorGenerator) -> Result<RCNN> {
        ensure!(self.weights.is_none(), Argument, self.name, "weights are those of another backbone");
        self.assembled(backbone, anchors)
    }

    #[track_caller]
    fn assembled(&self, backbone: BackboneWithFPN, anchors: AnchorGenerator) -> Result<RCNN> {
        ensure!(!self.min_size.is_empty() && self.max_size > 0, Argument, self.name, "images have no size");
        let classes = self.classes(if self.extra == Extra::Keypoints { 2 } else { 91 });
        ensure!(classes > 1, Argument, self.name, "{classes} classes: the background is one of them");
        let channels = backbone.out_channels();
        let pool = |size: usize| {
            let names: Vec<String> = (0..4).map(|i| i.to_string()).collect();
            MultiScaleRoIAlign::new(names, (size, size), 2)
        };
        // The order in which torchvision draws: what the second version gives to the first, and what masks and key
        // points add, come before the rest.
        let counts = anchors.num_anchors_per_location();
        let per_place = counts[0];
        ensure!(
            counts.iter().all(|count| *count == per_place),
            Argument,
            self.name,
            "maps with {counts:?} anchors at a place: one head cannot tell them all"
        );
        let second = self.kind == Kind::ResNetV2;
        let early = if second { Some((RPNHead::new(channels, per_place, 2)?, self.box_head(channels)?)) } else { None };
        let mut masks = if self.extra == Extra::Masks { Some(self.mask_parts(channels, classes)?) } else { None };
        let mut points = if self.extra == Extra::Keypoints { Some(self.keypoint_parts(channels)?) } else { None };
        let (head, box_head) = match early {
            Some(parts) => parts,
            None => {
                let head = RPNHead::new(channels, per_place, 1)?;
                (head, self.box_head(channels)?)
            }
        };
        let rpn = RegionProposalNetwork {
            head,
            anchors,
            options: RpnOptions {
                pre_nms_top_n: (self.rpn_pre_nms_top_n_train, self.rpn_pre_nms_top_n_test),
                post_nms_top_n: (self.rpn_post_nms_top_n_train, self.rpn_post_nms_top_n_test),
                nms_thresh: self.rpn_nms_thresh,
                score_thresh: self.rpn_score_thresh,
                matcher: Matcher { high: 0.7, low: 0.3, allow_low_quality: true },
                sampler: Sampler { batch_size_per_image: 256, positive_fraction: 0.5 },
            },
        };
        let box_predictor = FastRCNNPredictor {
            cls_score: Linear::new(1024, classes).build()?,
            bbox_pred: Linear::new(1024, 4 * classes).build()?,
        };
        let (mask_head, mask_predictor) = masks.take().map_or((None, None), |(h, p)| (Some(h), Some(p)));
        let (keypoint_head, keypoint_predictor) = points.take().map_or((None, None), |(h, p)| (Some(h), Some(p)));
        let roi_heads = RoIHeads {
            box_roi_pool: pool(7).build()?,
            box_head,
            box_predictor,
            mask_roi_pool: mask_head.is_some().then(|| pool(14).build()).transpose()?,
            mask_head,
            mask_predictor,
            keypoint_roi_pool: keypoint_head.is_some().then(|| pool(14).build()).transpose()?,
            keypoint_head,
            keypoint_predictor,
            options: BoxOptions {
                matcher: Matcher { high: 0.5, low: 0.5, allow_low_quality: false },
                sampler: Sampler { batch_size_per_image: self.box_batch_size_per_image, positive_fraction: 0.25 },
                weights: [10.0, 10.0, 5.0, 5.0],
                score_thresh: self.box_score_thresh,
                nms_thresh: self.box_nms_thresh,
                detections_per_img: self.box_detections_per_img,
            },
        };
        let transform = GeneralizedRCNNTransform::of_imagenet(self.min_size.clone(), self.max_size);
        Ok(RCNN { transform, backbone, rpn, roi_heads })
    }
}

/// Convolutions by their outputs, biases zero.
#[track_caller]
fn fill_convolutions(model: &dyn Module) -> Result<()> {
    fill(model, |layer| {
        if let Weighted::Conv2d(conv) = &layer {
            init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu)?;
            layer.without_bias()?;
        }
        Ok(())
    })
}

model_functions! { RCNNBuilder:
    /// Faster R-CNN on a ResNet-50 with a feature pyramid.
    fasterrcnn_resnet50_fpn(Kind::ResNet, Extra::None);
    /// Faster R-CNN on a ResNet-50 with a feature pyramid, second version.
    fasterrcnn_resnet50_fpn_v2(Kind::ResNetV2, Extra::None);
    /// Faster R-CNN on a large MobileNet v3 with a feature pyramid.
    fasterrcnn_mobilenet_v3_large_fpn(Kind::MobileNet, Extra::None).rpn_score_thresh(0.05);
    /// The same for images of 320 pixels.
    fasterrcnn_mobilenet_v3_large_320_fpn(Kind::MobileNet, Extra::None).min_size(vec![320]).max_size(640)
        .rpn_pre_nms_top_n_test(150).rpn_post_nms_top_n_test(150).rpn_score_thresh(0.05);
    /// Mask R-CNN on a ResNet-50 with a feature pyramid.
    maskrcnn_resnet50_fpn(Kind::ResNet, Extra::Masks);
    /// Mask R-CNN on a ResNet-50 with a feature pyramid, second version.
    maskrcnn_resnet50_fpn_v2(Kind::ResNetV2, Extra::Masks);
    /// Keypoint R-CNN on a ResNet-50 with a feature pyramid.
    keypointrcnn_resnet50_fpn(Kind::ResNet, Extra::Keypoints).min_size(vec![640, 672, 704, 736, 768, 800]);
}
