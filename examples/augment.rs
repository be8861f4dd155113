//! A sheet of transforms: what each does to a photograph of a cat with the boxes around its eyes and nose, the mask of its
//! face, and their middles as key points. All parts of the sample go through the same transform, which draws once for all.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::vision::io::{read_image, write_png};
use flambeau::vision::transforms::functional as F;
use flambeau::vision::transforms::*;
use flambeau::vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, KeyPoints, Mask, TVKind};
use flambeau::vision::utils::{draw_bounding_boxes, draw_keypoints, draw_segmentation_masks, make_grid};
use std::path::PathBuf;

/// Draws what transforms do to a photograph.
#[derive(Parser)]
struct Args {
    /// Folder with chelsea.png and coffee.png
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/photos"))]
    data: PathBuf,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the sheet goes
    #[arg(long, default_value = "runs/augment")]
    out: PathBuf,
}

/// Height and width of the photograph on the sheet, and of a place on it, which leaves room for what becomes larger.
const SIZE: (usize, usize) = (150, 225);
const CELL: (usize, usize) = (190, 270);

type Sample = (Image, BoundingBoxes, Mask, KeyPoints);

/// The cat, with its eyes, its nose and its face.
fn cat(data: &std::path::Path) -> Result<Sample> {
    let image = Image::new(read_image(data.join("chelsea.png"))?)?;
    let (height, width) = (image.size(1)?, image.size(2)?);
    let boxes = [[134.0, 84.0, 210.0, 147.0], [293.0, 108.0, 343.0, 164.0], [236.0, 224.0, 293.0, 266.0f32]];
    let middles: Vec<f32> = boxes.iter().flat_map(|b| [(b[0] + b[2]) / 2.0, (b[1] + b[3]) / 2.0]).collect();
    // Its face is an ellipse.
    let from = |middle: f64, radius: f64, n: usize| {
        Tensor::arange(0, n as i64).dtype(DType::F32).build()?.sub(middle)?.div(radius)?.square()
    };
    let face = from(150.0, 165.0, height)?.unsqueeze(1)?.add(&from(205.0, 165.0, width)?)?.lt(1.0)?;
    let size = (height, width);
    let sample = (
        image,
        BoundingBoxes::new(Tensor::from_slice(boxes.as_flattened(), [3, 4])?, BoundingBoxFormat::XYXY, size)?,
        Mask::new(face.to_dtype(DType::U8)?)?,
        KeyPoints::new(Tensor::from_vec(middles, [3, 2])?, size)?,
    );
    Resize::new([SIZE.0, SIZE.1]).build()?.on(sample)
}

/// The photograph with what belongs to it, in its place on the sheet with its name below.
fn drawn(name: &str, (image, boxes, mask, points): &Sample) -> Result<Tensor> {
    let mut picture = (**image).clone();
    if picture.size(0)? == 1 {
        picture = picture.expand([3, image.size(1)?, image.size(2)?])?;
    }
    picture = draw_segmentation_masks(&picture, &mask.to_dtype(DType::Bool)?.unsqueeze(0)?)
        .alpha(0.25)
        .colors("dodgerblue")
        .build()?;
    // What has left the image has no sides any more.
    let sides = boxes.narrow(1, 2, 2)?.sub(&boxes.narrow(1, 0, 2)?)?.amin(1)?;
    let whole = boxes.index_select(0, &sides.ge(1.0)?.nonzero()?.flatten(0, -1)?)?;
    picture = draw_bounding_boxes(&picture, &whole).colors("yellow").width(2_usize).build()?;
    picture = draw_keypoints(&picture, &points.unsqueeze(0)?).colors("red").radius(3_usize).build()?;
    placed(name, &picture)
}

/// A picture in its place on the sheet.
fn placed(name: &str, picture: &Tensor) -> Result<Tensor> {
    let (height, width) = (picture.size(1)?.min(CELL.0 - 16), picture.size(2)?.min(CELL.1));
    let shown = picture.narrow(1, 0, height)?.narrow(2, 0, width)?;
    let cell = shown.pad(&[0, (CELL.1 - width) as isize, 16, (CELL.0 - 16 - height) as isize], 32.0)?;
    let title = Tensor::from_slice(&[0.0f32, 0.0, CELL.1 as f32 - 1.0, 15.0], [1, 4])?;
    draw_bounding_boxes(&cell, &title).labels([name]).colors("black").fill(false).label_colors("white").build()
}

type AnyTransform = Box<dyn PartsTransform>;

fn any<B: Build<Output: SampleTransform + 'static>>(
    name: &'static str,
    transform: B,
) -> Result<(&'static str, AnyTransform)> {
    Ok((name, Box::new(transform.build()?)))
}

/// What moves pixels, boxes, masks and key points.
fn geometry() -> Result<Vec<(&'static str, AnyTransform)>> {
    let (height, width) = SIZE;
    Ok(vec![
        any("RandomHorizontalFlip", RandomHorizontalFlip::new().p(1.0))?,
        any("RandomVerticalFlip", RandomVerticalFlip::new().p(1.0))?,
        any("Resize 100", Resize::new(100))?,
        any("RandomResize", RandomResize::new(60, 170))?,
        any("RandomShortestSize", RandomShortestSize::new([80, 120]))?,
        any("ScaleJitter", ScaleJitter::new((120, 180)).scale_range((0.5, 1.3)))?,
        any("CenterCrop", CenterCrop::new([100, 150]))?,
        any("RandomCrop", RandomCrop::new([100, 150]))?,
        any("RandomResizedCrop", RandomResizedCrop::new([height, width]).scale((0.2, 0.5)))?,
        any("RandomIoUCrop", RandomIoUCrop::new().max_scale(0.9).sampler_options([0.3]))?,
        any("RandomZoomOut", RandomZoomOut::new().p(1.0).side_range((1.1, 1.2)))?,
        any("Pad", Pad::new([20, 10]).fill(128.0))?,
        any("RandomRotation", RandomRotation::new(30.0))?,
        any("RandomAffine", RandomAffine::new(15.0).translate([0.1, 0.1]).scale([0.7, 1.1]).shear(15.0))?,
        any("RandomPerspective", RandomPerspective::new().p(1.0))?,
        any("ElasticTransform", ElasticTransform::new().alpha(90.0))?,
    ])
}

/// What changes pixels where they are.
fn colour() -> Result<Vec<(&'static str, AnyTransform)>> {
    let noise = Compose::of((
        ToDtype::new(DType::F32).scale(true).kinds([(TVKind::Image, DType::F32)]),
        GaussianNoise::new().sigma(0.15),
        ToDtype::new(DType::U8).scale(true).kinds([(TVKind::Image, DType::U8)]),
    ));
    let some = || (ColorJitter::new().hue(0.4), RandomInvert::new().p(1.0));
    Ok(vec![
        any("ColorJitter", ColorJitter::new().brightness(0.5).contrast(0.5).saturation(0.5).hue(0.2))?,
        any("RandomPhotometricDistort", RandomPhotometricDistort::new().p(1.0))?,
        any("Grayscale", Grayscale::new())?,
        any("RandomGrayscale", RandomGrayscale::new().p(1.0))?,
        any("RandomInvert", RandomInvert::new().p(1.0))?,
        any("RandomPosterize 2", RandomPosterize::new(2).p(1.0))?,
        any("RandomSolarize 128", RandomSolarize::new(128.0).p(1.0))?,
        any("RandomAutocontrast", RandomAutocontrast::new().p(1.0))?,
        any("RandomEqualize", RandomEqualize::new().p(1.0))?,
        any("RandomAdjustSharpness 4", RandomAdjustSharpness::new(4.0).p(1.0))?,
        any("RandomChannelPermutation", RandomChannelPermutation::new())?,
        any("GaussianBlur 9", GaussianBlur::new(9).sigma((2.0, 4.0)))?,
        any("GaussianNoise", noise)?,
        any("RandomErasing", RandomErasing::new().p(1.0))?,
        any("JPEG 8", JPEG::new(8))?,
        any("RandomApply", RandomApply::of(some()))?,
        any("RandomChoice", RandomChoice::of(some()))?,
        any("RandomOrder", RandomOrder::of(some()))?,
    ])
}

/// What is made for images alone.
fn policies() -> Result<Vec<(&'static str, AnyTransform)>> {
    Ok(vec![
        any("AutoAugment", AutoAugment::new())?,
        any("RandAugment", RandAugment::new())?,
        any("TrivialAugmentWide", TrivialAugmentWide::new())?,
        any("AugMix", AugMix::new())?,
    ])
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    flambeau::manual_seed(args.seed);

    let cat = cat(&args.data)?;
    let mut cells = vec![drawn("as it is", &cat)?];
    for (name, transform) in geometry()?.into_iter().chain(colour()?) {
        cells.push(drawn(name, &transform.on(cat.clone())?)?);
    }
    for (name, policy) in policies()? {
        cells.push(placed(name, &*policy.on(cat.0.clone())?)?);
    }
    // Corners and middle, of which the first is shown.
    cells.push(placed("FiveCrop", &FiveCrop::new([100, 150]).build()?.crops(&*cat.0)?[0])?);
    cells.push(placed("TenCrop", &TenCrop::new([100, 150]).build()?.crops(&*cat.0)?[6])?);
    // Two images of a batch with their labels.
    let cup = F::resize(
        &read_image(args.data.join("coffee.png"))?,
        [SIZE.0, SIZE.1],
        InterpolationMode::Bilinear,
        None,
        true,
    )?;
    let batch = stack(&[(*cat.0).clone(), cup], 0)?.to_dtype(DType::F32)?.div(255.0)?;
    let labels = tensor!([0i64, 1]);
    let bytes = |x: Tensor| x.select(0, 0)?.mul(255.0)?.to_dtype(DType::U8);
    let (mixed, _) =
        MixUp::new().alpha(4.0).num_classes(2).build()?.on((Image::new(batch.clone())?, labels.clone()))?;
    cells.push(placed("MixUp", &bytes((*mixed).clone())?)?);
    let (cut, _) = CutMix::new().num_classes(2).build()?.on((Image::new(batch)?, labels))?;
    cells.push(placed("CutMix", &bytes((*cut).clone())?)?);

    let sheet = make_grid(cells).nrow(5).padding(4).pad_value(32.0).build()?;
    write_png(&sheet, args.out.join("augment.png"))?;
    println!("wrote augment.png to {}", args.out.display());
    Ok(())
}
