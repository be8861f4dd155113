//! What belongs to an image where a data set has several kinds of targets.

use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, Mask, Parts, Sample, TVTensor};
use flambeau_data::Collate;
use flambeau_tensor::{Result, Tensor, bail};

/// A target of a data set that has several kinds of them (`target_type` in torchvision): one, or several together.
#[derive(Clone, Debug)]
pub enum Target {
    /// the number of a class
    Label(i64),
    /// attributes, points, an outline
    Numbers(Tensor),
    /// a box: left, top, width, height
    Box([i64; 4]),
    /// a box as transforms know it
    Boxes(BoundingBoxes),
    /// what each pixel belongs to
    Mask(Mask),
    /// outlines of things
    Polygons(CityscapesPolygons),
    /// one of each kind asked for
    Several(Vec<Target>),
}

/// The outlines of the things in an image of `Cityscapes`.
#[derive(Clone, Debug, PartialEq)]
pub struct CityscapesPolygons {
    /// Height and width of the image.
    pub size: (i64, i64),
    /// Of each thing its name and the corners of its outline, from the left and from the top.
    pub objects: Vec<(String, Vec<[i64; 2]>)>,
}

impl Target {
    /// The number of a class.
    pub fn label(&self) -> Option<i64> {
        if let Target::Label(label) = self { Some(*label) } else { None }
    }

    /// Numbers.
    pub fn numbers(&self) -> Option<&Tensor> {
        if let Target::Numbers(tensor) = self { Some(tensor) } else { None }
    }

    /// A mask.
    pub fn mask(&self) -> Option<&Mask> {
        if let Target::Mask(mask) = self { Some(mask) } else { None }
    }

    /// The parts: those of [`Several`](Target::Several), else itself.
    pub fn parts(&self) -> &[Target] {
        if let Target::Several(parts) = self { parts } else { std::slice::from_ref(self) }
    }

    /// With boxes as transforms know them, by their corners in an image of this size.
    pub(super) fn boxed(self, image: &Image) -> Result<Target> {
        Ok(match self {
            Target::Box([x, y, w, h]) => {
                let corners = Tensor::from_vec(vec![x, y, x + w, y + h], [1, 4])?;
                let size = (image.size(-2)?, image.size(-1)?);
                Target::Boxes(BoundingBoxes::new(corners, BoundingBoxFormat::XYXY, size)?)
            }
            Target::Several(parts) => {
                Target::Several(parts.into_iter().map(|part| part.boxed(image)).collect::<Result<_>>()?)
            }
            other => other,
        })
    }

    /// One alone, or several.
    pub(super) fn of(mut targets: Vec<Target>) -> Target {
        if targets.len() == 1 { targets.remove(0) } else { Target::Several(targets) }
    }
}

/// Masks are transformed with the image; numbers are plain tensors; labels and outlines pass through.
impl Sample for Target {
    fn take_apart(&self, name: &str, parts: &mut Parts) {
        match self {
            Target::Numbers(tensor) => tensor.take_apart(name, parts),
            Target::Mask(mask) => mask.take_apart(name, parts),
            Target::Several(targets) => targets.take_apart(name, parts),
            Target::Boxes(boxes) => boxes.take_apart(name, parts),
            Target::Label(_) | Target::Box(_) | Target::Polygons(_) => {}
        }
    }

    fn put_together(&self, parts: &mut dyn Iterator<Item = TVTensor>) -> Result<Self> {
        Ok(match self {
            Target::Numbers(tensor) => Target::Numbers(tensor.put_together(parts)?),
            Target::Mask(mask) => Target::Mask(mask.put_together(parts)?),
            Target::Several(targets) => Target::Several(targets.put_together(parts)?),
            Target::Boxes(boxes) => Target::Boxes(boxes.put_together(parts)?),
            other => other.clone(),
        })
    }
}

/// A batch is a target, too: labels become numbers `[N]`, numbers and masks are stacked, several each for itself.
impl Collate for Target {
    type Batch = Target;

    fn collate(items: Vec<Self>) -> Result<Target> {
        let op = "collate";
        let tensors =
            |of: fn(&Target) -> Option<&Tensor>| items.iter().map(|t| of(t).cloned()).collect::<Option<Vec<_>>>();
        if let Some(labels) = items.iter().map(Target::label).collect::<Option<Vec<i64>>>() {
            return Ok(Target::Numbers(Tensor::from_slice(&labels, [labels.len()])?));
        }
        let boxes = items.iter().map(|target| if let Target::Box(sides) = target { Some(*sides) } else { None });
        if let Some(boxes) = boxes.collect::<Option<Vec<_>>>() {
            return Ok(Target::Numbers(Tensor::from_vec(boxes.concat(), [boxes.len(), 4])?));
        }
        if let Some(numbers) = tensors(Target::numbers) {
            return Ok(Target::Numbers(Tensor::collate(numbers)?));
        }
        if let Some(masks) = tensors(|target| target.mask().map(|mask| &**mask)) {
            return Ok(Target::Mask(Mask::new(Tensor::collate(masks)?)?));
        }
        let count = items[0].parts().len();
        let all = items.iter().all(|t| matches!(t, Target::Several(parts) if parts.len() == count));
        if !all {
            bail!(Argument, op, "targets of different kinds, or outlines, make no batch")
        }
        let column = |i: usize| Target::collate(items.iter().map(|target| target.parts()[i].clone()).collect());
        Ok(Target::Several((0..count).map(column).collect::<Result<_>>()?))
    }
}
