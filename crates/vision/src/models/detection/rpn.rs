//! Regions that may show something ("Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks",
//! S. Ren et al., 2015).

use super::anchors::AnchorGenerator;
use super::coder::{BELOW, BETWEEN, BoxCoder, Matcher, Sampler, places, rows};
use super::transform::ImageList;
use super::{Losses, Target};
use crate::models::builder::fill;
use crate::ops::{Conv2dNormActivation, Norm, batched_nms, clip_boxes_to_image, remove_small_boxes};
use flambeau_nn::functional::{binary_cross_entropy_with_logits, smooth_l1_loss_with};
use flambeau_nn::{Call, Conv2d, Module, Reduction, Sequential, init};
use flambeau_tensor::{Result, Tensor, cat, no_grad};

/// How likely something is at each anchor, and how its box lies to it.
#[derive(Module)]
pub(super) struct RPNHead {
    conv: Sequential,
    cls_logits: Conv2d,
    bbox_pred: Conv2d,
}

impl RPNHead {
    #[track_caller]
    pub(super) fn new(channels: usize, anchors: usize, depth: usize) -> Result<Self> {
        let mut conv = Sequential::new();
        for _ in 0..depth {
            conv.push(Conv2dNormActivation::new(channels, channels).norm_layer(Norm::None))?;
        }
        let head = RPNHead {
            conv,
            cls_logits: Conv2d::new(channels, anchors, 1).build()?,
            bbox_pred: Conv2d::new(channels, 4 * anchors, 1).build()?,
        };
        fill(&head, |layer| {
            init::normal_(layer.weight(), 0.0, 0.01)?;
            layer.without_bias()
        })?;
        Ok(head)
    }
}

/// The numbers of each anchor `[N, places · anchors, width]` in a map `[N, anchors · width, H, W]`.
#[track_caller]
pub(super) fn by_anchor(map: &Tensor, width: usize) -> Result<Tensor> {
    let [n, channels, h, w] = *map.shape() else {
        flambeau_tensor::bail!(Shape, "RegionProposalNetwork", "a map of shape {:?}", map.shape())
    };
    let anchors = channels / width;
    map.reshape([n, anchors, width, h, w])?.permute([0, 3, 4, 1, 2])?.reshape([n, h * w * anchors, width])
}

/// Which anchors may show something, as torchvision's `RegionProposalNetwork`.
#[derive(Module)]
pub(super) struct RegionProposalNetwork {
    pub(super) head: RPNHead,
    #[module(skip)]
    pub(super) anchors: AnchorGenerator,
    #[module(skip)]
    pub(super) options: RpnOptions,
}

/// The numbers of a [`RegionProposalNetwork`].
#[derive(Clone, Copy, Debug)]
pub(super) struct RpnOptions {
    pub(super) pre_nms_top_n: (usize, usize),
    pub(super) post_nms_top_n: (usize, usize),
    pub(super) nms_thresh: f64,
    pub(super) score_thresh: f64,
    pub(super) matcher: Matcher,
    pub(super) sampler: Sampler,
}

impl RegionProposalNetwork {
    /// Regions `[L, 4]` of each image, and in training the losses.
    #[track_caller]
    pub(super) fn propose(
        &self,
        images: &ImageList,
        maps: &[(String, Tensor)],
        targets: Option<&[Target]>,
    ) -> Result<(Vec<Tensor>, Losses)> {
        let (mut objectness, mut moves, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for (_, map) in maps {
            let x = self.head.conv.call(map)?;
            objectness.push(by_anchor(&self.head.cls_logits.call(&x)?, 1)?.squeeze(2)?);
            moves.push(by_anchor(&self.head.bbox_pred.call(&x)?, 4)?);
            sizes.push((map.size(-2)?, map.size(-1)?));
        }
        let per_level: Vec<usize> = objectness.iter().map(|level| level.shape()[1]).collect();
        let size = (images.tensors.size(-2)?, images.tensors.size(-1)?);
        let anchors = self.anchors.anchors(&sizes, size)?.to_dtype(images.tensors.dtype())?;
        let (objectness, moves) = (cat(&objectness, 1)?, cat(&moves, 1)?);
        let regions = no_grad(|| {
            let one = |i: usize| {
                let moves = moves.detach().select(0, i as isize)?;
                let boxes = BoxCoder::new([1.0; 4]).decode(&moves, &anchors)?.squeeze(1)?;
                self.best(
                    &boxes,
                    &objectness.detach().select(0, i as isize)?,
                    &per_level,
                    images.sizes[i],
                    targets.is_some(),
                )
            };
            (0..images.sizes.len()).map(one).collect::<Result<Vec<_>>>()
        })?;
        let losses = match targets {
            Some(targets) => self.losses(&objectness, &moves, &anchors, targets)?,
            None => Losses::new(),
        };
        Ok((regions, losses))
    }

    #[track_caller]
    fn best(
        &self,
        boxes: &Tensor,
        objectness: &Tensor,
        per_level: &[usize],
        size: (usize, usize),
        training: bool,
    ) -> Result<Tensor> {
        let by_mode = |(training_n, testing_n): (usize, usize)| if training { training_n } else { testing_n };
        let (mut kept, mut levels, mut from) = (Vec::new(), Vec::new(), 0);
        for (level, &count) in per_level.iter().enumerate() {
            let best =
                objectness.narrow(0, from as isize, count)?.topk(by_mode(self.options.pre_nms_top_n).min(count))?;
            let best = best.indices.to_vec::<i64>()?;
            levels.extend(std::iter::repeat_n(level as i64, best.len()));
            kept.extend(best.into_iter().map(|i| i + from as i64));
            from += count;
        }
        let boxes = clip_boxes_to_image(&rows(boxes, &kept)?, size)?;
        let scores = rows(objectness, &kept)?.sigmoid()?;
        let count = levels.len();
        let levels = Tensor::from_vec(levels, [count])?;
        let large = remove_small_boxes(&boxes, 1e-3)?.to_vec::<i64>()?;
        let (boxes, scores, levels) = (rows(&boxes, &large)?, rows(&scores, &large)?, rows(&levels, &large)?);
        let likely = places(&scores.ge(self.options.score_thresh)?)?;
        let (boxes, scores, levels) = (rows(&boxes, &likely)?, rows(&scores, &likely)?, rows(&levels, &likely)?);
        let mut kept = batched_nms(&boxes, &scores, &levels, self.options.nms_thresh)?.to_vec::<i64>()?;
        kept.truncate(by_mode(self.options.post_nms_top_n));
        rows(&boxes, &kept)
    }

    #[track_caller]
    fn losses(&self, objectness: &Tensor, moves: &Tensor, anchors: &Tensor, targets: &[Target]) -> Result<Losses> {
        let n = anchors.shape()[0] as i64;
        let (mut positive, mut negative, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        let mut drawn = Vec::new();
        for target in targets {
            let none = target.boxes.shape()[0] == 0;
            let matches =
                if none { vec![BELOW; n as usize] } else { self.options.matcher.matches(&target.boxes, anchors)? };
            let labels: Vec<i64> = matches
                .iter()
                .map(|at| match *at {
                    BELOW => 0,
                    BETWEEN => -1,
                    _ => 1,
                })
                .collect();
            drawn.push((matches, labels));
        }
        for (i, ((matches, labels), target)) in drawn.iter().zip(targets).enumerate() {
            let (pos, neg) = self.options.sampler.draw(labels)?;
            let boxes: Vec<i64> = pos.iter().map(|at| matches[*at as usize]).collect();
            if !pos.is_empty() {
                let boxes = rows(&target.boxes, &boxes)?.to_dtype(anchors.dtype())?;
                wanted.push(BoxCoder::new([1.0; 4]).encode(&boxes, &rows(anchors, &pos)?)?);
            }
            positive.extend(pos.iter().map(|at| at + i as i64 * n));
            negative.extend(neg.iter().map(|at| at + i as i64 * n));
        }
        let wanted = super::coder::joined(&wanted, 4)?;
        let mut labels = vec![1f32; positive.len()];
        labels.resize(positive.len() + negative.len(), 0.0);
        let count = labels.len();
        let sampled = [positive.clone(), negative].concat();
        let given = rows(&moves.reshape([-1, 4])?, &positive)?;
        let box_loss = smooth_l1_loss_with(given, wanted, 1.0 / 9.0, Reduction::Sum)?.div(count as f64)?;
        let labels = Tensor::from_vec(labels, [count])?;
        let objectness = binary_cross_entropy_with_logits(rows(&objectness.flatten(0, -1)?, &sampled)?, labels)?;
        Ok(vec![("loss_objectness", objectness), ("loss_rpn_box_reg", box_loss)])
    }
}
