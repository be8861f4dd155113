//! SSD: boxes of several proportions at every place of maps of several scales ("SSD: Single Shot MultiBox Detector", W. Liu
//! et al., 2016), and SSDlite on a MobileNet v3 ("Searching for MobileNetV3", A. Howard et al., 2019).

use super::anchors::DefaultBoxGenerator;
use super::backbone::freeze;
use super::coder::{BELOW, BoxCoder, Matcher, rows};
use super::one_stage::{Found, Prepared, matched, prepared};
use super::rpn::by_anchor;
use super::transform::{GeneralizedRCNNTransform, ImageList, size_of};
use super::{Detection, Losses, Target};
use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::models::{WeightsEntry, mobilenet_v3_large, vgg16};
use crate::ops::{Activation, Conv2dNormActivation, Norm, box_iou, clip_boxes_to_image};
use flambeau_nn::functional::{CrossEntropy, cross_entropy_with, smooth_l1_loss_with};
use flambeau_nn::{Call, Conv2d, Layer, MaxPool2d, Module, Parameter, ReLU, Reduction, Sequential, init};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor, cat, ensure, no_grad, stack};

/// What tells numbers of each anchor: a layer for each map.
#[derive(Module)]
struct SSDScoringHead {
    module_list: Vec<Box<dyn Layer>>,
}

impl SSDScoringHead {
    /// `width` numbers of each anchor.
    #[track_caller]
    fn new(lite: bool, channels: &[usize], anchors: &[usize], width: usize) -> Result<Self> {
        let mut module_list: Vec<Box<dyn Layer>> = Vec::new();
        for (&channels, anchors) in channels.iter().zip(anchors) {
            module_list.push(match lite {
                true => Box::new(Sequential::of((
                    lite_conv(channels, channels, 3).groups(channels),
                    Conv2d::new(channels, width * anchors, 1),
                ))?),
                false => Box::new(Conv2d::new(channels, width * anchors, 3).padding(1).build()?),
            });
        }
        filled(&module_list, lite)?;
        Ok(SSDScoringHead { module_list })
    }

    /// `[N, anchors, width]`
    #[track_caller]
    fn of(&self, maps: &[Tensor], width: usize) -> Result<Tensor> {
        let of = |(layer, map): (&Box<dyn Layer>, &Tensor)| by_anchor(&layer.call(map)?, width);
        cat(&self.module_list.iter().zip(maps).map(of).collect::<Result<Vec<_>>>()?, 1)
    }
}

/// Weights of the convolutions as each network has them at first, biases zero.
#[track_caller]
fn filled(layers: &dyn Module, lite: bool) -> Result<()> {
    fill(layers, |layer| {
        if let Weighted::Conv2d(conv) = &layer {
            match lite {
                true => init::normal_(&conv.weight, 0.0, 0.03)?,
                false => init::xavier_uniform_(&conv.weight, 1.0)?,
            };
            layer.without_bias()?;
        }
        Ok(())
    })
}

const LITE_NORM: Norm = Norm::Batch { eps: 0.001, momentum: 0.03 };

fn lite_conv(from: usize, to: usize, kernel: usize) -> crate::ops::Conv2dNormActivationBuilder {
    let conv = Conv2dNormActivation::new(from, to).kernel_size(kernel).norm_layer(LITE_NORM);
    conv.activation_layer(Activation::Relu6)
}

#[derive(Module)]
struct SSDHead {
    classification_head: SSDScoringHead,
    regression_head: SSDScoringHead,
}

/// Maps of several scales, the finest first: what `features` gives, then what each further layer makes of it.
#[derive(Module)]
struct Extractor {
    /// Factors of the channels of the first map, whose numbers have length 1 at each place; of SSD on a VGG.
    scale_weight: Option<Parameter>,
    features: Sequential,
    extra: Vec<Sequential>,
    /// Each layer of `features` tells a map, not the last one alone.
    each: bool,
}

impl Extractor {
    #[track_caller]
    fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let (mut x, mut maps) = (images.clone(), Vec::new());
        for layer in self.features.iter() {
            x = layer.call(&x)?;
            if self.each {
                maps.push(x.clone());
            }
        }
        if let Some(scale) = &self.scale_weight {
            let length = x.square()?.sum_keepdim(1)?.sqrt()?.clamp_min(1e-12)?;
            maps.push(x.div(&length)?.mul(&scale.reshape([1, -1, 1, 1])?)?);
        }
        for layer in &self.extra {
            x = layer.call(&x)?;
            maps.push(x.clone());
        }
        Ok(maps)
    }
}

/// The same numbers in the same order, whatever they are called.
#[track_caller]
fn copied(from: &dyn Module, to: &dyn Module) -> Result<()> {
    let (from, to) = (from.state_dict(), to.state_dict());
    ensure!(from.len() == to.len(), State, "SSD", "{} tensors for {}", from.len(), to.len());
    no_grad(|| from.iter().zip(to.iter()).try_for_each(|((_, from), (_, to))| to.copy_(from).map(drop)))
}

/// The parts of a network under other names: what `make` makes, with the numbers of `network`.
#[track_caller]
fn regrouped<M: Module>(network: &dyn Module, make: impl FnOnce() -> Result<M>) -> Result<M> {
    // What is drawn for numbers that are written over is not drawn from the user's stream.
    let made = with_generator(&Generator::with_seed(0), make)?;
    copied(network, &made)?;
    Ok(made)
}

impl SSDBuilder {
    /// The layers of a VGG-16 up to its fourth pooling, and those behind it.
    #[track_caller]
    fn vgg(&self, trainable: usize, weights: Option<&'static WeightsEntry>) -> Result<Extractor> {
        ensure!(trainable <= 5, Argument, self.name, "{trainable} layers to train, there are 5");
        let network = weights.map_or(vgg16(), |weights| vgg16().weights(weights)).build()?;
        let (front, back) = regrouped(&network.features, || {
            let (mut front, mut back, mut before) = (Sequential::new(), Sequential::new(), 3);
            for (stage, (count, channels)) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)].into_iter().enumerate()
            {
                for _ in 0..count {
                    let part = if stage < 4 { &mut front } else { &mut back };
                    part.push(Conv2d::new(before, channels, 3).padding(1))?.push(ReLU::new().inplace(true))?;
                    before = channels;
                }
                if stage < 4 {
                    let part = if stage < 3 { &mut front } else { &mut back };
                    part.push(MaxPool2d::new(2).stride(2).ceil_mode(stage == 2))?;
                }
            }
            Ok(Halves { front, back })
        })
        .map(|halves| (halves.front, halves.back))?;
        let mut back = back;
        let stages = [0, 4, 9, 16, 23];
        let before = if trainable == 0 { usize::MAX } else { stages[5 - trainable] };
        let index = |name: &str| name.split('.').next().and_then(|i| i.parse::<usize>().ok()).unwrap_or(0);
        freeze(&front, |name| index(name) >= before)?;
        freeze(&back, |name| index(name) + 23 >= before)?;
        let relu = || ReLU::new().inplace(true);
        let block = |from: usize, between: usize, to: usize, strided: bool| {
            let last = Conv2d::new(between, to, 3).padding(usize::from(strided)).stride(1 + usize::from(strided));
            Sequential::of((Conv2d::new(from, between, 1), relu(), last, relu()))
        };
        let further = vec![
            block(1024, 256, 512, true)?,
            block(512, 128, 256, true)?,
            block(256, 128, 256, false)?,
            block(256, 128, 256, false)?,
        ];
        filled(&further, false)?;
        let full = Sequential::of((
            MaxPool2d::new(3).stride(1).padding(1),
            Conv2d::new(512, 1024, 3).padding(6).dilation(6),
            relu(),
            Conv2d::new(1024, 1024, 1),
            relu(),
        ))?;
        filled(&full, false)?;
        back.push(full)?;
        let mut extra = vec![back];
        extra.extend(further);
        let scale_weight = Some(Parameter::new(Tensor::full([512], 20.0).build()?)?);
        Ok(Extractor { scale_weight, features: front, extra, each: false })
    }

    /// The blocks of a MobileNet v3 up to the middle of the first of the last stage, and those behind it.
    #[track_caller]
    fn mobilenet(&self, trainable: usize, weights: Option<&'static WeightsEntry>) -> Result<(Extractor, usize)> {
        ensure!(trainable <= 6, Argument, self.name, "{trainable} stages to train, there are 6");
        let builder = || {
            let builder = mobilenet_v3_large().norm_layer(LITE_NORM).reduced_tail(weights.is_none());
            weights.map_or(builder.clone(), |weights| builder.weights(weights))
        };
        let network = builder().build()?;
        if weights.is_none() {
            filled(&network, true)?;
        }
        let stages = network.stages();
        let before = if trainable == 0 { network.features.len() } else { stages[stages.len() - trainable].0 };
        let (middle, last) = (stages[stages.len() - 2].0, stages[stages.len() - 1].1);
        let features = regrouped(&network.features, || builder().halves(middle))?;
        let index = |name: &str| {
            let mut parts = name.split('.').map(|part| part.parse::<usize>().unwrap_or(0));
            let (half, i) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            if half == 0 { i } else { middle + i }
        };
        freeze(&features, |name| index(name) >= before)?;
        let block = |from: usize, to: usize| {
            let half = to / 2;
            let by_channel = lite_conv(half, half, 3).stride(2).groups(half);
            Sequential::of((lite_conv(from, half, 1), by_channel, lite_conv(half, to, 1)))
        };
        let extra = vec![block(last, 512)?, block(512, 256)?, block(256, 256)?, block(256, 128)?];
        filled(&extra, true)?;
        Ok((Extractor { scale_weight: None, features, extra, each: true }, last))
    }
}

/// Two chains, of which the second goes on where the first ends.
#[derive(Module)]
struct Halves {
    front: Sequential,
    back: Sequential,
}

/// A network of one stage that finds things in images, as `torchvision.models.detection.SSD`; made by [`ssd300_vgg16`]
/// and [`ssdlite320_mobilenet_v3_large`].
///
/// It takes images `[3, H, W]` in 0 to 1, each of its own size, which become squares; see [`Detector`](super::Detector).
#[derive(Module)]
pub struct SSD {
    backbone: Extractor,
    anchor_generator: DefaultBoxGenerator,
    head: SSDHead,
    transform: GeneralizedRCNNTransform,
    #[module(skip)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Options {
    classes: usize,
    iou_thresh: f64,
    /// Places without a thing that train, for each with one.
    neg_to_pos_ratio: f64,
    score_thresh: f64,
    nms_thresh: f64,
    detections_per_img: usize,
    topk_candidates: usize,
}

const CODER: [f64; 4] = [10.0, 10.0, 5.0, 5.0];

/// What the head tells of a batch.
struct Told {
    /// `[N, anchors, classes]`
    logits: Tensor,
    /// `[N, anchors, 4]`
    moves: Tensor,
    /// `[anchors, 4]`
    anchors: Tensor,
}

/// For each anchor the box that it overlaps most, or [`BELOW`]; each box has the anchor that overlaps it most in any case.
#[track_caller]
fn matches(boxes: &Tensor, anchors: &Tensor, thresh: f64) -> Result<Vec<i64>> {
    let mut matches = Matcher { high: thresh, low: thresh, allow_low_quality: false }.matches(boxes, anchors)?;
    let iou = box_iou(boxes, anchors)?.to_dtype(DType::F32)?.to_vec::<f32>()?;
    for (i, row) in iou.chunks_exact(matches.len()).enumerate() {
        let best = (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        matches[best] = i as i64;
    }
    Ok(matches)
}

impl SSD {
    #[track_caller]
    fn tell(&self, batch: &ImageList) -> Result<Told> {
        let maps = self.backbone.maps(&batch.tensors)?;
        let moves = self.head.regression_head.of(&maps, 4)?;
        let logits = self.head.classification_head.of(&maps, self.options.classes)?;
        let size = super::anchors::size_of_map(&batch.tensors)?;
        let anchors = self.anchor_generator.anchors(&maps, size)?.to_dtype(batch.tensors.dtype())?;
        Ok(Told { logits, moves, anchors })
    }

    #[track_caller]
    fn losses_of(&self, told: &Told, targets: &[Prepared]) -> Result<Losses> {
        let (n, images) = (told.anchors.shape()[0], targets.len());
        let (mut of_box, mut classes, mut count) = (Vec::new(), vec![0i64; n * images], 0);
        for (i, target) in targets.iter().enumerate() {
            let matches = match target.is_empty() {
                true => vec![BELOW; n],
                false => matches(&target.boxes, &told.anchors, self.options.iou_thresh)?,
            };
            let (found, boxes) = matched(&matches);
            count += found.len();
            for (at, of) in found.iter().zip(&boxes) {
                classes[i * n + *at as usize] = target.labels[*of as usize];
            }
            let wanted = BoxCoder::new(CODER).encode(&rows(&target.boxes, &boxes)?, &rows(&told.anchors, &found)?)?;
            let given = rows(&told.moves.select(0, i as isize)?, &found)?;
            of_box.push(smooth_l1_loss_with(given, wanted, 1.0, Reduction::Sum)?);
        }
        let logits = told.logits.reshape([n * images, self.options.classes])?;
        let each = CrossEntropy::new().reduction(Reduction::None);
        let of_class = cross_entropy_with(logits, Tensor::from_slice(&classes, [n * images])?, each)?;
        let values = of_class.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
        let mut kept = Vec::new();
        for i in 0..images {
            let things = (0..n).filter(|at| classes[i * n + at] > 0);
            let before = kept.len();
            kept.extend(things.map(|at| (i * n + at) as i64));
            let most = self.options.neg_to_pos_ratio * (kept.len() - before) as f64;
            // The places without a thing where the network is most wrong.
            let value = |at: &usize| if classes[i * n + at] > 0 { f32::NEG_INFINITY } else { values[i * n + at] };
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|a, b| value(b).total_cmp(&value(a)));
            kept.extend(order.iter().take(most.ceil() as usize).map(|at| (i * n + at) as i64));
        }
        let by_count = |loss: Tensor| loss.div(count.max(1) as f64);
        Ok(vec![
            ("bbox_regression", by_count(stack(&of_box, 0)?.sum(..)?)?),
            ("classification", by_count(rows(&of_class, &kept)?.sum(..)?)?),
        ])
    }

    #[track_caller]
    fn best(&self, told: &Told, image: usize, size: (usize, usize)) -> Result<Detection> {
        let moves = told.moves.select(0, image as isize)?;
        let boxes = BoxCoder::new(CODER).decode(&moves, &told.anchors)?.squeeze(1)?;
        let boxes = clip_boxes_to_image(&boxes, size)?;
        let scores = told.logits.select(0, image as isize)?.softmax(-1)?;
        let mut found = Found::default();
        // Class 0 is the background.
        for class in 1..self.options.classes {
            let limits = (self.options.score_thresh, self.options.topk_candidates);
            found.add(&scores.narrow(1, class as isize, 1)?, limits, class as i64, |at| rows(&boxes, at))?;
        }
        found.finish(self.options.nms_thresh, self.options.detections_per_img)
    }
}

impl super::Detector for SSD {
    #[track_caller]
    fn losses(&self, images: &[Tensor], targets: &[Target]) -> Result<Losses> {
        let (batch, targets) = prepared("SSD", &self.transform, images, targets, self.options.classes)?;
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
    /// An [`SSD`] about to be made.
    pub struct SSDBuilder => SSD;
    fixed { lite: bool }
    options {
        /// Weights for the network that the maps come from. None unless set.
        weights_backbone: ~into Option<&'static WeightsEntry> = None,
        /// How many of the network's parts (5 of VGG, 6 of MobileNet) train, from the last one on; 4 of VGG and all of
        /// MobileNet unless set, all of them where nothing was trained before.
        trainable_backbone_layers: ~into Option<usize> = None,
        /// How likely a box that counts is; 0.01 unless set, of SSDlite 0.001.
        score_thresh: f64 = 0.01,
        /// How much a box overlaps a better one of its class when it goes; 0.45 unless set, of SSDlite 0.55.
        nms_thresh: f64 = 0.45,
        /// Boxes in an image at most; 200 unless set, of SSDlite 300.
        detections_per_img: usize = 200,
        /// How much of an anchor's and a box's union is common where they belong together; 0.5 unless set.
        iou_thresh: f64 = 0.5,
        /// Boxes of a class at most; 400 unless set, of SSDlite 300.
        topk_candidates: usize = 400,
        /// The share of places with a thing among those that train; 0.25 unless set.
        positive_fraction: f64 = 0.25,
    }
}

impl SSDBuilder {
    fn make(&self) -> Result<SSD> {
        let classes = self.classes(91);
        ensure!(classes > 1, Argument, self.name, "{classes} classes: the background is one of them");
        let share = self.positive_fraction;
        ensure!(share > 0.0 && share <= 1.0, Argument, self.name, "positive_fraction = {share} is not in 0 to 1");
        let weights = self.weights_backbone.filter(|_| self.weights.is_none());
        let trained = self.weights.is_some() || weights.is_some();
        let trainable = |few: usize, all: usize| match trained {
            true => self.trainable_backbone_layers.unwrap_or(few),
            false => all,
        };
        let (backbone, channels, anchor_generator, side) = if self.lite {
            let (backbone, last) = self.mobilenet(trainable(6, 6), weights)?;
            let scales: Vec<f64> = (0..6).map(|k| 0.2 + (0.95 - 0.2) * k as f64 / 5.0).chain([1.0]).collect();
            let anchors = DefaultBoxGenerator::new(&[&[2.0, 3.0][..]; 6], &scales, None);
            (backbone, [672, last, 512, 256, 256, 128], anchors, 320)
        } else {
            let backbone = self.vgg(trainable(4, 5), weights)?;
            let (few, many): (&[f64], &[f64]) = (&[2.0], &[2.0, 3.0]);
            let scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05];
            let steps = vec![8.0, 16.0, 32.0, 64.0, 100.0, 300.0];
            let anchors = DefaultBoxGenerator::new(&[few, many, many, many, few, few], &scales, Some(steps));
            (backbone, [512, 1024, 512, 256, 256, 256], anchors, 300)
        };
        let per_place = anchor_generator.num_anchors_per_location();
        let head = SSDHead {
            classification_head: SSDScoringHead::new(self.lite, &channels, &per_place, classes)?,
            regression_head: SSDScoringHead::new(self.lite, &channels, &per_place, 4)?,
        };
        let (mean, std) = match self.lite {
            true => ([0.5; 3], [0.5; 3]),
            false => ([0.48235, 0.45882, 0.40784], [1.0 / 255.0; 3]),
        };
        let transform = GeneralizedRCNNTransform {
            min_size: vec![side],
            max_size: side,
            mean,
            std,
            size_divisible: 1,
            fixed_size: Some((side, side)),
        };
        let options = Options {
            classes,
            iou_thresh: self.iou_thresh,
            neg_to_pos_ratio: (1.0 - share) / share,
            score_thresh: self.score_thresh,
            nms_thresh: self.nms_thresh,
            detections_per_img: self.detections_per_img,
            topk_candidates: self.topk_candidates,
        };
        Ok(SSD { backbone, anchor_generator, head, transform, options })
    }
}

model_functions! { SSDBuilder:
    /// SSD for images of 300 pixels on a VGG-16.
    ssd300_vgg16(false);
    /// SSDlite for images of 320 pixels on a large MobileNet v3.
    ssdlite320_mobilenet_v3_large(true).score_thresh(0.001).nms_thresh(0.55).detections_per_img(300)
        .topk_candidates(300);
}
