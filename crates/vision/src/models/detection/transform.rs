//! Images of any size as one batch, and what is found there as places in the images again.

use super::coder::places;
use super::masks::paste_masks;
use super::{Detection, Target};
use flambeau_nn::Module;
use flambeau_tensor::{DType, InterpolateMode, InterpolateOptions, Result, Tensor, bail, ensure, stack};

/// Images in one tensor `[N, C, H, W]`, zeros around the smaller ones.
pub(super) struct ImageList {
    pub(super) tensors: Tensor,
    /// Height and width of each image in it.
    pub(super) sizes: Vec<(usize, usize)>,
}

/// What brings images to one size and normalises them, as torchvision's `GeneralizedRCNNTransform`.
#[derive(Module)]
pub(super) struct GeneralizedRCNNTransform {
    #[module(skip)]
    pub(super) min_size: Vec<usize>,
    pub(super) max_size: usize,
    #[module(skip)]
    pub(super) mean: [f64; 3],
    #[module(skip)]
    pub(super) std: [f64; 3],
    pub(super) size_divisible: usize,
    #[module(skip)]
    pub(super) fixed_size: Option<(usize, usize)>,
}

const OP: &str = "GeneralizedRCNNTransform";

/// Height and width of an image `[C, H, W]`.
#[track_caller]
pub(super) fn size_of(image: &Tensor) -> Result<(usize, usize)> {
    match *image.shape() {
        [_, height, width] if height > 0 && width > 0 => Ok((height, width)),
        _ => bail!(Shape, OP, "an image of shape {:?}: it must be [C, H, W] and not empty", image.shape()),
    }
}

/// Boxes must be boxes: `[N, 4]` with an area.
#[track_caller]
pub(super) fn check_boxes(op: &'static str, image: usize, boxes: &Tensor) -> Result<()> {
    ensure!(
        matches!(boxes.shape(), [_, 4]),
        Shape,
        op,
        "the boxes of image {image} have shape {:?}, not [N, 4]",
        boxes.shape()
    );
    let flat = boxes.narrow(1, 2, 2)?.le(&boxes.narrow(1, 0, 2)?)?;
    if let Some(at) = places(&flat.flatten(0, -1)?)?.first() {
        bail!(Argument, op, "box {} of image {image} has no width or no height", at / 2);
    }
    Ok(())
}

impl GeneralizedRCNNTransform {
    /// Shorter sides of `min_size`, longer ones of `max_size` at most, normalised by the statistics of ImageNet.
    pub(super) fn of_imagenet(min_size: Vec<usize>, max_size: usize) -> Self {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        GeneralizedRCNNTransform { min_size, max_size, mean, std, size_divisible: 32, fixed_size: None }
    }

    /// The images as a batch, and the targets as they lie in it.
    #[track_caller]
    pub(super) fn batch(&self, images: &[Tensor], targets: Option<&[Target]>) -> Result<(ImageList, Vec<Target>)> {
        ensure!(!images.is_empty(), Argument, OP, "there are no images");
        if let Some(targets) = targets {
            ensure!(targets.len() == images.len(), Argument, OP, "{} targets, {} images", targets.len(), images.len());
        }
        let (mut resized, mut moved) = (Vec::new(), Vec::new());
        for (i, image) in images.iter().enumerate() {
            let target = targets.map(|targets| &targets[i]);
            let (image, target) = self.resize(&self.normalize(image)?, target, targets.is_some())?;
            resized.push(image);
            moved.extend(target);
        }
        let sizes = resized.iter().map(size_of).collect::<Result<Vec<_>>>()?;
        let up = |most: usize| most.div_ceil(self.size_divisible) * self.size_divisible;
        let height = up(sizes.iter().map(|(h, _)| *h).max().unwrap_or(0));
        let width = up(sizes.iter().map(|(_, w)| *w).max().unwrap_or(0));
        let padded = |(image, (h, w)): (&Tensor, &(usize, usize))| {
            image.pad(&[0, (width - w) as isize, 0, (height - h) as isize], 0.0)
        };
        let padded = resized.iter().zip(&sizes).map(padded).collect::<Result<Vec<_>>>()?;
        Ok((ImageList { tensors: stack(&padded, 0)?, sizes }, moved))
    }

    #[track_caller]
    fn normalize(&self, image: &Tensor) -> Result<Tensor> {
        size_of(image)?;
        ensure!(image.dtype().is_float(), DType, OP, "an image of {}: it must be floating, in 0 to 1", image.dtype());
        let of = |values: &[f64; 3]| {
            Tensor::from_slice(values, [3, 1, 1])?.to_dtype(image.dtype())?.to_device(image.device())
        };
        image.sub(&of(&self.mean)?)?.div(&of(&self.std)?)
    }

    #[track_caller]
    fn resize(&self, image: &Tensor, target: Option<&Target>, training: bool) -> Result<(Tensor, Option<Target>)> {
        let (height, width) = size_of(image)?;
        let last = self.min_size.last().copied().unwrap_or(800);
        let min_size = if training {
            // One number an image is drawn whatever there is to choose among.
            let drawn = Tensor::zeros([1]).build()?;
            drawn.uniform_(0.0, self.min_size.len() as f64)?;
            self.min_size.get(drawn.item::<f32>()? as usize).copied().unwrap_or(last)
        } else {
            last
        };
        let to = match self.fixed_size {
            Some((width, height)) => InterpolateOptions::size([height, width]),
            None => {
                let (least, most) = (height.min(width) as f64, height.max(width) as f64);
                let scale = (min_size as f64 / least).min(self.max_size as f64 / most);
                InterpolateOptions::scale(scale).recompute_scale_factor(true)
            }
        };
        let image = image.unsqueeze(0)?.interpolate(to.clone().mode(InterpolateMode::Linear))?.squeeze(0)?;
        let Some(target) = target else { return Ok((image, None)) };
        let (from, new) = ((height, width), size_of(&image)?);
        let masks = |masks: &Tensor| {
            let masks =
                masks.unsqueeze(1)?.to_dtype(DType::F32)?.interpolate(to.clone().mode(InterpolateMode::Nearest))?;
            masks.squeeze(1)?.to_dtype(DType::U8)
        };
        let target = Target {
            boxes: resize_boxes(&target.boxes, from, new)?,
            labels: target.labels.clone(),
            masks: target.masks.as_ref().map(masks).transpose()?,
            keypoints: target.keypoints.as_ref().map(|points| resize_keypoints(points, from, new)).transpose()?,
        };
        Ok((image, Some(target)))
    }

    /// What was found, as it lies in the images.
    #[track_caller]
    pub(super) fn postprocess(
        &self,
        found: Vec<Detection>,
        sizes: &[(usize, usize)],
        originals: &[(usize, usize)],
    ) -> Result<Vec<Detection>> {
        let one = |(found, (from, to)): (Detection, (&(usize, usize), &(usize, usize)))| {
            let boxes = resize_boxes(&found.boxes, *from, *to)?;
            let masks = found.masks.as_ref().map(|masks| paste_masks(masks, &boxes, *to)).transpose()?;
            let points = found.keypoints.as_ref().map(|points| resize_keypoints(points, *from, *to)).transpose()?;
            Ok(Detection { boxes, masks, keypoints: points, ..found })
        };
        found.into_iter().zip(sizes.iter().zip(originals)).map(one).collect()
    }
}

fn ratios(from: (usize, usize), to: (usize, usize)) -> (f64, f64) {
    (f64::from(to.0 as f32 / from.0 as f32), f64::from(to.1 as f32 / from.1 as f32))
}

/// Boxes `[N, 4]` in an image of another size.
#[track_caller]
fn resize_boxes(boxes: &Tensor, from: (usize, usize), to: (usize, usize)) -> Result<Tensor> {
    let (down, across) = ratios(from, to);
    boxes.mul(
        &Tensor::from_slice(&[across, down, across, down], [4])?.to_dtype(boxes.dtype())?.to_device(boxes.device())?,
    )
}

/// Key points `[N, K, 3]` in an image of another size.
#[track_caller]
fn resize_keypoints(points: &Tensor, from: (usize, usize), to: (usize, usize)) -> Result<Tensor> {
    let (down, across) = ratios(from, to);
    points.mul(&Tensor::from_slice(&[across, down, 1.0], [3])?.to_dtype(points.dtype())?.to_device(points.device())?)
}
