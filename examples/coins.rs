//! Faster R-CNN on a small feature pyramid learns to find coins.
//!
//! It sees pieces of the three upper rows of a photograph that ships with the repository, mirrored, brighter and darker,
//! and is tested on the lowest row.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::vision::datasets::CocoDetection;
use flambeau::vision::io::write_png;
use flambeau::vision::models::{
    AnchorGenerator, BackboneWithFPN, Detection, Detector, RCNN, Target, fasterrcnn_resnet50_fpn,
};
use flambeau::vision::ops::{Conv2dNormActivation, ExtraBlocks, box_iou};
use flambeau::vision::transforms::*;
use flambeau::vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image};
use flambeau::vision::utils::draw_bounding_boxes;
use flambeau_examples::loss_curve;
use std::path::PathBuf;
use std::time::Instant;

/// Learns to find coins.
#[derive(Parser)]
struct Args {
    /// Folder with coins.png and coins.json
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/coins"))]
    data: PathBuf,
    #[arg(long, default_value_t = 160)]
    steps: u64,
    #[arg(long, default_value_t = 4)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the picture and the loss curve go
    #[arg(long, default_value = "runs/coins")]
    out: PathBuf,
}

/// The side of a piece.
const SIDE: usize = 128;
/// Rows above this line train, those below it test: no coin lies on it.
const LINE: usize = 225;
/// A pixel of the photograph becomes so many in each direction of the picture of what was found.
const LARGE: usize = 3;

fn network() -> Result<RCNN> {
    let half = |from, to| Conv2dNormActivation::new(from, to).stride(2);
    let whole = |channels| Conv2dNormActivation::new(channels, channels);
    let body = Sequential::of((half(3, 24), half(24, 48), whole(48), half(48, 96), whole(96), half(96, 128)))?;
    let backbone = BackboneWithFPN::new(body, &[2, 4, 5], &[48, 96, 128], 48, ExtraBlocks::None)?;
    let anchors = AnchorGenerator::new([32.0, 45.0, 64.0].map(|side| vec![side]).to_vec(), vec![vec![1.0]; 3])?;
    let network = fasterrcnn_resnet50_fpn().num_classes(2).min_size(vec![SIDE]).box_detections_per_img(40);
    let network = network.rpn_pre_nms_top_n_train(300).rpn_post_nms_top_n_train(200).box_batch_size_per_image(64);
    network.on(backbone, anchors)
}

/// The photograph in 0 to 1 with its boxes, from row `top` to row `bottom`.
fn strip(data: &CocoDetection, top: usize, bottom: usize) -> Result<(Image, BoundingBoxes)> {
    let (image, boxes, _) = data.sample(0)?;
    let rows = image.narrow(1, top as isize, bottom - top)?.to_dtype(DType::F32)?.div(255.0)?;
    let size = (bottom - top, image.size(2)?);
    let moved = boxes.sub(&Tensor::from_slice(&[0.0, top as f32, 0.0, top as f32], [4])?)?.to_vec::<f32>()?;
    let inside = |b: &&[f32; 4]| b[1] >= 0.0 && b[3] <= size.0 as f32;
    let moved: Vec<f32> = moved.as_chunks::<4>().0.iter().filter(inside).flatten().copied().collect();
    let n = moved.len() / 4;
    Ok((Image::new(rows)?, BoundingBoxes::new(Tensor::from_vec(moved, [n, 4])?, BoundingBoxFormat::XYXY, size)?))
}

/// How good what was found is: the area under the curve of precision by recall, where a coin is found if a box has more
/// than half of their union in common.
fn average_precision(found: &Detection, coins: &Tensor) -> Result<f64> {
    let (n, m) = (found.boxes.size(0)?, coins.size(0)?);
    let overlaps = box_iou(&found.boxes, coins)?.to_vec::<f32>()?;
    let (mut taken, mut right, mut area) = (vec![false; m], 0, 0.0);
    let mut curve = Vec::new();
    // The most likely ones come first.
    for i in 0..n {
        let best = (0..m).filter(|k| !taken[*k]).max_by(|a, b| overlaps[i * m + a].total_cmp(&overlaps[i * m + b]));
        if let Some(best) = best.filter(|k| overlaps[i * m + k] > 0.5) {
            taken[best] = true;
            right += 1;
        }
        curve.push((right as f64 / m as f64, right as f64 / (i + 1) as f64));
    }
    let (mut most, mut before) = (0.0f64, curve.last().map_or(0.0, |(recall, _)| *recall));
    for (recall, precision) in curve.into_iter().rev() {
        area += (before - recall) * most;
        (most, before) = (most.max(precision), recall);
    }
    Ok(area + before * most)
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);
    let data = CocoDetection::new(&args.data, args.data.join("coins.json")).build()?;
    let upper = strip(&data, 0, LINE)?;
    let pieces = Compose::of((
        RandomHorizontalFlip::new(),
        RandomVerticalFlip::new(),
        RandomResizedCrop::new(SIDE).scale((0.12, 0.3)).ratio((0.9, 1.1)),
        ColorJitter::new().brightness(0.3).contrast(0.3),
        SanitizeBoundingBoxes::new().min_size(16.0).labels(false),
    ))
    .build()?;

    let model = network()?;
    println!("{} parameters, {} coins to learn from", model.num_parameters(), upper.1.size(0)?);
    let mut optimizer = Adam::new(model.parameters()).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, args.lr, args.steps).build()?;
    let (start, mut losses) = (Instant::now(), Vec::new());
    let bar = Progress::new(args.steps as usize).label("coins");
    for _ in bar.over(0..args.steps) {
        let (mut images, mut targets) = (Vec::new(), Vec::new());
        while images.len() < args.batch_size {
            let (image, boxes) = pieces.on(upper.clone())?;
            let labels = Tensor::ones([boxes.size(0)?]).dtype(DType::I64).build()?;
            images.push((*image).clone());
            targets.push(Target { boxes: (*boxes).clone(), labels, masks: None, keypoints: None });
        }
        let losses_of_step = model.losses(&images, &targets)?;
        let loss = losses_of_step.iter().skip(1).try_fold(losses_of_step[0].1.clone(), |sum, (_, l)| sum.add(l))?;
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 5.0)?;
        optimizer.step()?;
        scheduler.step()?;
        optimizer.zero_grad();
        losses.push(loss.item::<f64>()?);
        bar.set("loss", format_args!("{:.3}", losses[losses.len() - 1]));
    }
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());

    // The strip is as high as a piece, so that coins have the size that they were learnt in; what is found in the row that
    // was trained on does not count.
    model.eval();
    let (image, _, _) = data.sample(0)?;
    let height = image.size(1)?;
    let top = height - SIDE;
    let (lower, _) = strip(&data, top, height)?;
    let found = no_grad(|| model.detect(&[(*lower).clone()]))?.remove(0);
    let below = found.boxes.select(1, 1)?.ge((LINE - top) as f64)?;
    let kept = below.nonzero()?.flatten(0, -1)?;
    let row = |x: &Tensor| x.index_select(0, &kept);
    let unseen =
        Detection { boxes: row(&found.boxes)?, scores: row(&found.scores)?, labels: row(&found.labels)?, ..found };
    let (_, coins) = strip(&data, LINE, height)?;
    let shift = Tensor::from_slice(&[0.0, (LINE - top) as f32, 0.0, (LINE - top) as f32], [4])?;
    let score = average_precision(&unseen, &coins.add(&shift)?)?;

    let names = unseen.scores.to_vec::<f32>()?.iter().map(|s| format!("coin {s:.2}")).collect::<Vec<_>>();
    let picture = lower.mul(255.0)?.to_dtype(DType::U8)?;
    let picture = picture.repeat_interleave(LARGE, Some(1))?.repeat_interleave(LARGE, Some(2))?;
    let boxes = unseen.boxes.mul(LARGE as f64)?;
    let drawn = draw_bounding_boxes(&picture, &boxes).labels(names).colors("yellow").width(3_usize).font_size(20_usize);
    let drawn = drawn.build()?;
    write_png(&drawn, args.out.join("coins.png"))?;
    loss_curve(&args.out.join("loss.svg"), &losses, 20)?;
    println!("wrote coins.png and loss.svg to {}", args.out.display());
    println!("AP50 on {} coins never seen: {score:.3}", coins.size(0)?);
    Ok(())
}
