//! What regions show: classes, boxes, masks and key points ("Mask R-CNN", K. He et al., 2017).

use super::coder::{BELOW, BETWEEN, BoxCoder, Matcher, Sampler, joined, places, rows};
use super::masks::{keypoint_loss, keypoints_of, mask_loss, of_classes};
use super::{Detection, Losses, Target};
use crate::ops::{MultiScaleRoIAlign, batched_nms, clip_boxes_to_image, remove_small_boxes};
use flambeau_nn::functional::{cross_entropy, smooth_l1_loss_with};
use flambeau_nn::{Call, ConvTranspose2d, Forward, Layer, Linear, Module, Reduction, Sequential};
use flambeau_tensor::{DType, InterpolateMode, InterpolateOptions, Result, Tensor, bail, cat, ensure, no_grad};

/// Two linear layers after a region's map.
#[derive(Module)]
pub(super) struct TwoMLPHead {
    pub(super) fc6: Linear,
    pub(super) fc7: Linear,
}

impl Forward<&Tensor> for TwoMLPHead {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc7.call(&self.fc6.call(&x.flatten(1, -1)?)?.relu()?)?.relu()
    }
}

/// Scores and boxes of all classes.
#[derive(Module)]
pub(super) struct FastRCNNPredictor {
    pub(super) cls_score: Linear,
    pub(super) bbox_pred: Linear,
}

/// Where key points are, twice as fine.
#[derive(Module)]
pub(super) struct KeypointRCNNPredictor {
    pub(super) kps_score_lowres: ConvTranspose2d,
}

impl Forward<&Tensor> for KeypointRCNNPredictor {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let twice = InterpolateOptions::scale(2.0).mode(InterpolateMode::Linear);
        self.kps_score_lowres.call(x)?.interpolate(twice)
    }
}

/// The numbers of [`RoIHeads`].
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxOptions {
    pub(super) matcher: Matcher,
    pub(super) sampler: Sampler,
    pub(super) weights: [f64; 4],
    pub(super) score_thresh: f64,
    pub(super) nms_thresh: f64,
    pub(super) detections_per_img: usize,
}

/// What tells what regions show, as torchvision's `RoIHeads`.
#[derive(Module)]
pub(super) struct RoIHeads {
    pub(super) box_roi_pool: MultiScaleRoIAlign,
    pub(super) box_head: Box<dyn Layer>,
    pub(super) box_predictor: FastRCNNPredictor,
    pub(super) mask_roi_pool: Option<MultiScaleRoIAlign>,
    pub(super) mask_head: Option<Sequential>,
    pub(super) mask_predictor: Option<Sequential>,
    pub(super) keypoint_roi_pool: Option<MultiScaleRoIAlign>,
    pub(super) keypoint_head: Option<Sequential>,
    pub(super) keypoint_predictor: Option<KeypointRCNNPredictor>,
    #[module(skip)]
    pub(super) options: BoxOptions,
}

/// The regions of one image that train, with the box and the class that each belongs to.
struct Sample {
    regions: Tensor,
    matched: Vec<i64>,
    labels: Vec<i64>,
    /// The moves that make the boxes of the regions.
    moves: Tensor,
}

type Maps = [(String, Tensor)];

impl RoIHeads {
    /// What the regions of each image show.
    #[track_caller]
    pub(super) fn detect(&self, maps: &Maps, regions: &[Tensor], sizes: &[(usize, usize)]) -> Result<Vec<Detection>> {
        no_grad(|| {
            let (scores, moves) = self.predict(maps, regions, sizes)?;
            let scores = scores.softmax(-1)?;
            let (mut found, mut from) = (Vec::new(), 0);
            for (regions, size) in regions.iter().zip(sizes) {
                let n = regions.shape()[0];
                let part = |x: &Tensor| x.narrow(0, from as isize, n);
                found.push(self.best(&part(&scores)?, &part(&moves)?, regions, *size)?);
                from += n;
            }
            self.add_masks(maps, sizes, &mut found)?;
            self.add_keypoints(maps, sizes, &mut found)?;
            Ok(found)
        })
    }

    #[track_caller]
    fn predict(&self, maps: &Maps, regions: &[Tensor], sizes: &[(usize, usize)]) -> Result<(Tensor, Tensor)> {
        let x = self.box_head.call(&self.box_roi_pool.regions(maps, regions, sizes)?)?;
        Ok((self.box_predictor.cls_score.call(&x)?, self.box_predictor.bbox_pred.call(&x)?))
    }

    /// The best of all classes in one image.
    #[track_caller]
    fn best(&self, scores: &Tensor, moves: &Tensor, regions: &Tensor, size: (usize, usize)) -> Result<Detection> {
        let (n, classes) = (scores.shape()[0], scores.shape()[1]);
        let boxes = clip_boxes_to_image(&BoxCoder::new(self.options.weights).decode(moves, regions)?, size)?;
        // Class 0 is the background.
        let boxes = boxes.narrow(1, 1, classes - 1)?.reshape([n * (classes - 1), 4])?;
        let scores = scores.narrow(1, 1, classes - 1)?.flatten(0, -1)?;
        let labels: Vec<i64> = (0..n).flat_map(|_| 1..classes as i64).collect();
        let labels = Tensor::from_vec(labels, [n * (classes - 1)])?;
        let some = |boxes: &Tensor, scores: &Tensor, labels: &Tensor, at: &[i64]| {
            Ok::<_, flambeau_tensor::Error>((rows(boxes, at)?, rows(scores, at)?, rows(labels, at)?))
        };
        let likely = places(&scores.gt(self.options.score_thresh)?)?;
        let (boxes, scores, labels) = some(&boxes, &scores, &labels, &likely)?;
        let large = remove_small_boxes(&boxes, 1e-2)?.to_vec::<i64>()?;
        let (boxes, scores, labels) = some(&boxes, &scores, &labels, &large)?;
        let mut kept = batched_nms(&boxes, &scores, &labels, self.options.nms_thresh)?.to_vec::<i64>()?;
        kept.truncate(self.options.detections_per_img);
        let (boxes, scores, labels) = some(&boxes, &scores, &labels, &kept)?;
        Ok(Detection { boxes, labels, scores, masks: None, keypoints: None, keypoints_scores: None })
    }

    #[track_caller]
    fn mask_logits(&self, maps: &Maps, regions: &[Tensor], sizes: &[(usize, usize)]) -> Result<Option<Tensor>> {
        let (Some(pool), Some(head), Some(last)) = (&self.mask_roi_pool, &self.mask_head, &self.mask_predictor) else {
            return Ok(None);
        };
        last.call(&head.call(&pool.regions(maps, regions, sizes)?)?).map(Some)
    }

    #[track_caller]
    fn keypoint_logits(&self, maps: &Maps, regions: &[Tensor], sizes: &[(usize, usize)]) -> Result<Option<Tensor>> {
        let parts = (&self.keypoint_roi_pool, &self.keypoint_head, &self.keypoint_predictor);
        let (Some(pool), Some(head), Some(last)) = parts else { return Ok(None) };
        last.call(&head.call(&pool.regions(maps, regions, sizes)?)?).map(Some)
    }

    #[track_caller]
    fn add_masks(&self, maps: &Maps, sizes: &[(usize, usize)], found: &mut [Detection]) -> Result<()> {
        let boxes: Vec<Tensor> = found.iter().map(|found| found.boxes.clone()).collect();
        let Some(logits) = self.mask_logits(maps, &boxes, sizes)? else { return Ok(()) };
        let masks = logits.sigmoid()?;
        let mut from = 0;
        for found in found {
            let n = found.labels.shape()[0];
            let classes = found.labels.to_vec::<i64>()?;
            found.masks = Some(of_classes(&masks.narrow(0, from, n)?, &classes)?.unsqueeze(1)?);
            from += n as isize;
        }
        Ok(())
    }

    #[track_caller]
    fn add_keypoints(&self, maps: &Maps, sizes: &[(usize, usize)], found: &mut [Detection]) -> Result<()> {
        let boxes: Vec<Tensor> = found.iter().map(|found| found.boxes.clone()).collect();
        let Some(logits) = self.keypoint_logits(maps, &boxes, sizes)? else { return Ok(()) };
        let mut from = 0;
        for found in found {
            let n = found.labels.shape()[0];
            let (points, scores) = keypoints_of(&logits.narrow(0, from, n)?, &found.boxes)?;
            (found.keypoints, found.keypoints_scores) = (Some(points), Some(scores));
            from += n as isize;
        }
        Ok(())
    }

    /// How far what the regions show is from the targets.
    #[track_caller]
    pub(super) fn losses(
        &self,
        maps: &Maps,
        regions: &[Tensor],
        sizes: &[(usize, usize)],
        targets: &[Target],
    ) -> Result<Losses> {
        let samples = regions
            .iter()
            .zip(targets)
            .map(|(regions, target)| self.sample(regions, target))
            .collect::<Result<Vec<Assigned>>>()?;
        let samples = samples.into_iter().map(|assigned| self.drawn(assigned)).collect::<Result<Vec<_>>>()?;
        let regions: Vec<Tensor> = samples.iter().map(|sample| sample.regions.clone()).collect();
        let (scores, moves) = self.predict(maps, &regions, sizes)?;
        let labels: Vec<i64> = samples.iter().flat_map(|sample| sample.labels.iter().copied()).collect();
        let mut losses = self.box_losses(&scores, &moves, &labels, &samples)?;
        let positive = |sample: &Sample| -> Vec<i64> {
            sample.labels.iter().enumerate().filter(|(_, label)| **label > 0).map(|(i, _)| i as i64).collect()
        };
        let (mut shown, mut matched) = (Vec::new(), Vec::new());
        for sample in &samples {
            let at = positive(sample);
            shown.push(rows(&sample.regions, &at)?);
            matched.push(at.iter().map(|i| sample.matched[*i as usize]).collect::<Vec<_>>());
        }
        if let Some(logits) = self.mask_logits(maps, &shown, sizes)? {
            let masks = every(targets, "masks", |target| target.masks.clone())?;
            let classes = |(target, matched): (&Target, &Vec<i64>)| rows(&target.labels, matched)?.to_vec::<i64>();
            let classes = targets.iter().zip(&matched).map(classes).collect::<Result<Vec<_>>>()?;
            losses.push(("loss_mask", mask_loss(&logits, &shown, &masks, &classes, &matched)?));
        }
        if let Some(logits) = self.keypoint_logits(maps, &shown, sizes)? {
            let points = every(targets, "keypoints", |target| target.keypoints.clone())?;
            losses.push(("loss_keypoint", keypoint_loss(&logits, &shown, &points, &matched)?));
        }
        Ok(losses)
    }

    #[track_caller]
    fn box_losses(&self, scores: &Tensor, moves: &Tensor, labels: &[i64], samples: &[Sample]) -> Result<Losses> {
        let count = labels.len();
        let loss = cross_entropy(scores, Tensor::from_slice(labels, [count])?)?;
        let positive: Vec<i64> =
            labels.iter().enumerate().filter(|(_, label)| **label > 0).map(|(i, _)| i as i64).collect();
        let classes = (moves.shape()[1] / 4) as i64;
        let of_class: Vec<i64> = positive.iter().map(|i| i * classes + labels[*i as usize]).collect();
        let given = rows(&moves.reshape([-1, 4])?, &of_class)?;
        let wanted: Vec<Tensor> = samples.iter().map(|sample| sample.moves.clone()).collect();
        let wanted = rows(&joined(&wanted, 4)?, &positive)?;
        let moves = smooth_l1_loss_with(given, wanted, 1.0 / 9.0, Reduction::Sum)?.div(count as f64)?;
        Ok(vec![("loss_classifier", loss), ("loss_box_reg", moves)])
    }

    /// The regions and the boxes themselves, each with the box and the class that it belongs to.
    #[track_caller]
    fn sample(&self, regions: &Tensor, target: &Target) -> Result<Assigned> {
        let op = "RoIHeads";
        ensure!(target.boxes.dtype().is_float(), DType, op, "boxes of {}: they must be floating", target.boxes.dtype());
        ensure!(target.labels.dtype() == DType::I64, DType, op, "labels of {}, not int64", target.labels.dtype());
        let boxes = target.boxes.to_dtype(regions.dtype())?;
        let (none, all) = (boxes.shape()[0] == 0, cat(&[regions, &boxes], 0)?);
        let n = all.shape()[0];
        let matches = if none { vec![BELOW; n] } else { self.options.matcher.matches(&boxes, &all)? };
        let classes = target.labels.to_vec::<i64>()?;
        let mut labels = Vec::with_capacity(n);
        for at in &matches {
            labels.push(match *at {
                BELOW => 0,
                BETWEEN => -1,
                at => match classes.get(at as usize) {
                    Some(class) => *class,
                    None => bail!(Argument, op, "{} labels for {} boxes", classes.len(), boxes.shape()[0]),
                },
            });
        }
        let matched = matches.into_iter().map(|at| at.max(0)).collect();
        let boxes = if none { Tensor::zeros([1, 4]).dtype(boxes.dtype()).build()? } else { boxes };
        Ok(Assigned { regions: all, boxes, matched, labels })
    }

    /// Those of them that train.
    #[track_caller]
    fn drawn(&self, all: Assigned) -> Result<Sample> {
        let (positive, negative) = self.options.sampler.draw(&all.labels)?;
        let mut at = [positive, negative].concat();
        at.sort_unstable();
        let picked = |list: &[i64]| at.iter().map(|i| list[*i as usize]).collect::<Vec<_>>();
        let (matched, labels, regions) = (picked(&all.matched), picked(&all.labels), rows(&all.regions, &at)?);
        let moves = BoxCoder::new(self.options.weights).encode(&rows(&all.boxes, &matched)?, &regions)?;
        Ok(Sample { regions: regions.detach(), matched, labels, moves })
    }
}

/// Regions with the boxes and the classes that they belong to.
struct Assigned {
    regions: Tensor,
    boxes: Tensor,
    matched: Vec<i64>,
    labels: Vec<i64>,
}

/// What every target must have.
#[track_caller]
fn every(targets: &[Target], what: &str, part: impl Fn(&Target) -> Option<Tensor>) -> Result<Vec<Tensor>> {
    let mut parts = Vec::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        match part(target) {
            Some(part) => parts.push(part),
            None => bail!(Argument, "RoIHeads", "the target of image {i} has no {what}"),
        }
    }
    Ok(parts)
}
