//! What the networks of one stage share: how their heads tell numbers of every anchor, and which of them are things.

use super::coder::rows;
use super::rpn::by_anchor;
use super::transform::{GeneralizedRCNNTransform, ImageList, check_boxes};
use super::{Detection, Target};
use crate::models::builder::{Weighted, fill};
use crate::ops::batched_nms;
use flambeau_nn::{Call, Conv2d, Layer, Module, Sequential, init};
use flambeau_tensor::{DType, Result, Tensor, bail, cat};

/// The bias of a score with which one anchor in a hundred shows something at first.
const RARE: f64 = -4.59511985013459;

/// Weights of `layers`' convolutions near zero, biases zero.
#[track_caller]
pub(super) fn near_zero(layers: &dyn Module) -> Result<()> {
    fill(layers, |layer| {
        if let Weighted::Conv2d(conv) = &layer {
            init::normal_(&conv.weight, 0.0, 0.01)?;
            layer.without_bias()?;
        }
        Ok(())
    })
}

/// The last convolution of a head, `[N, channels, H, W]` to `[N, numbers, H, W]`, its weights near zero.
#[track_caller]
pub(super) fn last_convolution(channels: usize, numbers: usize, rare: bool) -> Result<Conv2d> {
    let conv = Conv2d::new(channels, numbers, 3).padding(1).build()?;
    init::normal_(&conv.weight, 0.0, 0.01)?;
    if let Some(bias) = &conv.bias {
        init::constant_(bias, if rare { RARE } else { 0.0 })?;
    }
    Ok(conv)
}

/// What a head tells of each anchor of all maps, `[N, anchors, width]`: `last` after `before`.
#[track_caller]
pub(super) fn of_maps(before: &Sequential, last: &dyn Layer, maps: &[Tensor], width: usize) -> Result<Tensor> {
    let of = |map: &Tensor| by_anchor(&last.call(&before.call(map)?)?, width);
    cat(&maps.iter().map(of).collect::<Result<Vec<_>>>()?, 1)
}

/// Images as a batch with their targets, each of which has boxes `[N, 4]` with an area and labels below `classes`.
#[track_caller]
pub(super) fn prepared(
    op: &'static str,
    transform: &GeneralizedRCNNTransform,
    images: &[Tensor],
    targets: &[Target],
    classes: usize,
) -> Result<(ImageList, Vec<Prepared>)> {
    let (batch, targets) = transform.batch(images, Some(targets))?;
    let mut prepared = Vec::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        check_boxes(op, i, &target.boxes)?;
        if target.labels.dtype() != DType::I64 {
            bail!(DType, op, "the labels of image {i} are {}, not int64", target.labels.dtype());
        }
        let (labels, boxes) = (target.labels.to_vec::<i64>()?, target.boxes.detach().to_dtype(DType::F32)?);
        if labels.len() != boxes.shape()[0] {
            bail!(Argument, op, "image {i} has {} labels and {} boxes", labels.len(), boxes.shape()[0]);
        }
        if let Some(label) = labels.iter().find(|label| !(0..classes as i64).contains(label)) {
            bail!(Argument, op, "image {i} has the label {label}, there are {classes} classes");
        }
        prepared.push(Prepared { boxes, labels });
    }
    Ok((batch, prepared))
}

/// What is in an image, checked.
pub(super) struct Prepared {
    /// `[N, 4]`, float32
    pub(super) boxes: Tensor,
    pub(super) labels: Vec<i64>,
}

impl Prepared {
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The places in `matches` of anchors that belong to a box, and those boxes.
pub(super) fn matched(matches: &[i64]) -> (Vec<i64>, Vec<i64>) {
    matches.iter().enumerate().filter(|(_, at)| **at >= 0).map(|(i, at)| (i as i64, *at)).unzip()
}

/// Scores `[rows, classes]` with a one at the class of each of some rows.
#[track_caller]
pub(super) fn one_hot(rows: usize, classes: usize, ones: impl Iterator<Item = (usize, i64)>) -> Result<Tensor> {
    let mut hot = vec![0f32; rows * classes];
    ones.for_each(|(row, class)| hot[row * classes + class as usize] = 1.0);
    Tensor::from_vec(hot, [rows, classes])
}

/// What was found so far in one image.
#[derive(Default)]
pub(super) struct Found {
    boxes: Vec<Tensor>,
    scores: Vec<f32>,
    labels: Vec<i64>,
}

impl Found {
    /// Adds the most likely of `scores` `[anchors, classes]`: at most `most` of those above `thresh`. `boxes` tells those
    /// of some anchors, `[K, 4]`; the label of column `i` is `i + first_label`.
    #[track_caller]
    pub(super) fn add(
        &mut self,
        scores: &Tensor,
        (thresh, most): (f64, usize),
        first_label: i64,
        boxes: impl FnOnce(&[i64]) -> Result<Tensor>,
    ) -> Result<()> {
        let classes = scores.size(-1)?;
        let scores = scores.detach().to_dtype(DType::F32)?.contiguous()?.to_vec::<f32>()?;
        let mut best: Vec<usize> = (0..scores.len()).filter(|i| scores[*i] > thresh as f32).collect();
        best.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        best.truncate(most);
        self.scores.extend(best.iter().map(|i| scores[*i]));
        self.labels.extend(best.iter().map(|i| (i % classes) as i64 + first_label));
        let anchors: Vec<i64> = best.iter().map(|i| (i / classes) as i64).collect();
        self.boxes.push(boxes(&anchors)?);
        Ok(())
    }

    /// What remains where of boxes of one class that overlap by more than `nms_thresh` the best is kept; at most `most`.
    #[track_caller]
    pub(super) fn finish(self, nms_thresh: f64, most: usize) -> Result<Detection> {
        let n = self.labels.len();
        let boxes = super::coder::joined(&self.boxes, 4)?;
        let (scores, labels) = (Tensor::from_vec(self.scores, [n])?, Tensor::from_vec(self.labels, [n])?);
        let mut kept = batched_nms(&boxes, &scores, &labels, nms_thresh)?.to_vec::<i64>()?;
        kept.truncate(most);
        let (boxes, scores, labels) = (rows(&boxes, &kept)?, rows(&scores, &kept)?, rows(&labels, &kept)?);
        Ok(Detection { boxes, labels, scores, masks: None, keypoints: None, keypoints_scores: None })
    }
}
