//! Images with boxes in COCO's JSON.

use super::masks::CocoSegmentation;
use super::options::{TargetTransform, TransformSlot, Transforms};
use super::{Dataset, TvSamples};
use crate::io::pil_loader;
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, Mask};
use flambeau_tensor::{Error, Result, Tensor, builder, ensure};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A thing in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoAnnotation {
    /// Its number in the file.
    pub id: i64,
    /// What it is.
    pub category_id: i64,
    /// The left and upper edge, width and height, in pixels.
    pub bbox: [f64; 4],
    /// Pixels that belong to it.
    pub area: f64,
    /// Whether it is a crowd whose members are not told apart.
    pub iscrowd: bool,
    /// Which pixels are its own: polygons or runs; nothing where the file has none.
    pub segmentation: Option<CocoSegmentation>,
}

/// Images with boxes in COCO's JSON, as `torchvision.datasets.CocoDetection`: the images in the order of their numbers,
/// each with its annotations in the order of the file. An image is read when it is asked for.
///
/// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its annotations;
/// [`sample`](CocoDetection::sample) gives both as tensors that transforms know, as torchvision's
/// `wrap_dataset_for_transforms_v2` does.
///
/// ```no_run
/// use flambeau_vision::datasets::{CocoDetection, Dataset};
///
/// let things = CocoDetection::new("coco/val2017", "coco/annotations/instances_val2017.json").build()?;
/// let (image, annotations) = things.get(0)?;
/// println!("{} things on {:?}", annotations.len(), image.shape());
/// let (image, boxes, labels) = things.sample(0)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct CocoDetection {
    root: PathBuf,
    images: Vec<(i64, String)>,
    annotations: Vec<Vec<CocoAnnotation>>,
    categories: BTreeMap<i64, String>,
    transforms: Transforms<Vec<CocoAnnotation>>,
}

builder! {
    /// Options of [`CocoDetection`].
    pub struct CocoDetectionBuilder => CocoDetection;
    new {
        /// The folder of the images.
        root: ~into PathBuf,
        /// The file of the annotations.
        ann_file: ~into PathBuf,
    }
    options {
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each list of annotations: a function from it to another.
        target_transform: ~into TargetTransform<Vec<CocoAnnotation>> = TargetTransform::default(),
    }
}

impl CocoDetection {
    fn from_builder(b: CocoDetectionBuilder) -> Result<Self> {
        let bytes = std::fs::read(&b.ann_file).map_err(|e| Error::io("read", &b.ann_file, e))?;
        let json: Json = serde_json::from_slice(&bytes).map_err(|e| Error::format(&b.ann_file, e.to_string()))?;
        let fault = |fault: String| Error::format(&b.ann_file, fault);
        let mut by_id = image_list(&json).map_err(fault)?;
        for annotation in list(&json, "annotations").map_err(fault)? {
            let parsed = parse(annotation).map_err(fault)?;
            let of = whole(annotation, "image_id").map_err(fault)?;
            // torchvision never asks for those of an image that is not listed.
            if let Some((_, annotations)) = by_id.get_mut(&of) {
                annotations.push(parsed);
            }
        }
        let mut categories = BTreeMap::new();
        for category in list(&json, "categories").unwrap_or_default() {
            if let (Ok(id), Some(name)) = (whole(category, "id"), category.get("name").and_then(Json::as_str)) {
                categories.insert(id, name.to_string());
            }
        }
        let (images, annotations) = by_id.into_iter().map(|(id, (name, list))| ((id, name), list)).unzip();
        let transforms = Transforms::new(b.transform, b.target_transform)?;
        Ok(CocoDetection { root: b.root, images, annotations, categories, transforms })
    }

    /// The numbers of the images, in the order of the items.
    pub fn ids(&self) -> Vec<i64> {
        self.images.iter().map(|(id, _)| *id).collect()
    }

    /// The names of what is annotated, by number.
    pub fn categories(&self) -> &BTreeMap<i64, String> {
        &self.categories
    }

    /// The annotations of an item.
    ///
    /// # Errors
    /// Where there is no such item.
    #[track_caller]
    pub fn annotations(&self, index: usize) -> Result<&[CocoAnnotation]> {
        let n = self.images.len();
        ensure!(index < n, Index, "CocoDetection", "index {index} is out of range for {n} samples");
        Ok(&self.annotations[index])
    }

    /// An item as an image, its boxes as corners `[N, 4]` (float32), and what they are, `int64` `[N]`; the transform is not
    /// applied.
    ///
    /// # Errors
    /// Where there is no such item, or its file is missing or damaged.
    #[track_caller]
    pub fn sample(&self, index: usize) -> Result<(Image, BoundingBoxes, Tensor)> {
        let annotations = self.annotations(index)?;
        let image = pil_loader(self.root.join(&self.images[index].1))?;
        let size = (image.size(1)?, image.size(2)?);
        let corners = |a: &CocoAnnotation| {
            let [x, y, w, h] = a.bbox.map(|side| side as f32);
            [x, y, x + w, y + h]
        };
        let n = annotations.len();
        let boxes = Tensor::from_vec(annotations.iter().flat_map(corners).collect::<Vec<f32>>(), [n, 4])?;
        let labels = annotations.iter().map(|a| a.category_id).collect();
        let boxes = BoundingBoxes::new(boxes, BoundingBoxFormat::XYXY, size)?;
        Ok((Image::new(image)?, boxes, Tensor::from_vec(labels, [n])?))
    }
}

impl CocoDetection {
    /// The masks of an item's things, `u8` `[N, H, W]`, filled as `pycocotools` fills them: what
    /// `wrap_dataset_for_transforms_v2(target_keys=["masks"])` gives.
    ///
    /// # Errors
    /// Where there is no such item, its image cannot be read, or a thing has no segmentation that fits it.
    #[track_caller]
    pub fn masks(&self, index: usize) -> Result<Mask> {
        let annotations = self.annotations(index)?;
        let path = self.root.join(&self.images[index].1);
        let image = pil_loader(&path)?;
        let (height, width) = (image.size(1)?, image.size(2)?);
        let mut pixels = Vec::new();
        for annotation in annotations {
            let fault = |fault: String| Error::format(&path, format!("annotation {}: {fault}", annotation.id));
            let segmentation =
                annotation.segmentation.as_ref().ok_or_else(|| fault("it has no segmentation".into()))?;
            pixels.extend(segmentation.mask(height, width).map_err(fault)?);
        }
        Mask::new(Tensor::from_vec(pixels, [annotations.len(), height, width])?)
    }
}

impl Dataset for CocoDetection {
    type Item = (Tensor, Vec<CocoAnnotation>);

    fn len(&self) -> usize {
        self.images.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let annotations = self.annotations(index)?.to_vec();
        let image = pil_loader(self.root.join(&self.images[index].1))?;
        self.transforms.apply(image, annotations)
    }
}

impl TvSamples for CocoDetection {
    type Sample = (Image, BoundingBoxes, Tensor);

    #[track_caller]
    fn tv_sample(&self, index: usize) -> Result<Self::Sample> {
        self.sample(index)
    }
}

impl std::fmt::Debug for CocoDetection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CocoDetection({} images in {})", self.images.len(), self.root.display())
    }
}

/// The names of the images by number, with a list for what belongs to each.
pub(super) fn image_list<T>(json: &Json) -> std::result::Result<BTreeMap<i64, (String, Vec<T>)>, String> {
    let mut by_id = BTreeMap::new();
    for image in list(json, "images")? {
        let name = image.get("file_name").and_then(Json::as_str);
        let (Ok(id), Some(name)) = (whole(image, "id"), name) else {
            return Err(format!("an image without id or file_name: {image}"));
        };
        by_id.insert(id, (name.to_string(), Vec::new()));
    }
    Ok(by_id)
}

fn list<'a>(json: &'a Json, key: &str) -> std::result::Result<&'a [Json], String> {
    json.get(key).and_then(Json::as_array).map(Vec::as_slice).ok_or_else(|| format!("there is no list {key:?}"))
}

pub(super) fn whole(json: &Json, key: &str) -> std::result::Result<i64, String> {
    json.get(key).and_then(Json::as_i64).ok_or_else(|| format!("no whole number {key:?} in {json}"))
}

fn parse(json: &Json) -> std::result::Result<CocoAnnotation, String> {
    let sides = list(json, "bbox").map_err(|fault| format!("{fault} in {json}"))?;
    let sides: Vec<f64> = sides.iter().filter_map(Json::as_f64).collect();
    let bbox = <[f64; 4]>::try_from(sides).map_err(|_| format!("the bbox of {json} is not of four numbers"))?;
    Ok(CocoAnnotation {
        id: whole(json, "id")?,
        category_id: whole(json, "category_id")?,
        bbox,
        area: json.get("area").and_then(Json::as_f64).unwrap_or(bbox[2] * bbox[3]),
        iscrowd: json.get("iscrowd").is_some_and(|crowd| crowd.as_i64() == Some(1) || crowd.as_bool() == Some(true)),
        segmentation: json.get("segmentation").and_then(CocoSegmentation::parse),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::write_png;
    use flambeau_tensor::DType;

    #[test]
    fn images_come_by_number_with_their_boxes() {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("a.png", 7u8), ("b.png", 9)] {
            let image = Tensor::full([3, 20, 30], f64::from(value)).dtype(DType::U8).build().unwrap();
            write_png(&image, folder.path().join(name)).unwrap();
        }
        let file = folder.path().join("boxes.json");
        let text = r#"{"images": [{"id": 5, "file_name": "b.png"}, {"id": 2, "file_name": "a.png"}],
            "categories": [{"id": 1, "name": "coin"}], "annotations": [
            {"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 2, 10, 5.5], "area": 50, "iscrowd": 0,
             "segmentation": [[1, 2, 11, 2, 11, 7.5]]},
            {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 1}]}"#;
        std::fs::write(&file, text).unwrap();
        let set = CocoDetection::new(folder.path(), &file).build().unwrap();
        assert_eq!((set.len(), set.ids()), (2, vec![2, 5]));
        assert_eq!(set.categories()[&1], "coin");
        let (image, annotations) = set.get(0).unwrap();
        assert_eq!(image.to_vec::<u8>().unwrap(), [7; 1800]);
        let Some(CocoSegmentation::Polygons(polygons)) = &annotations[0].segmentation else { panic!() };
        assert_eq!((annotations[0].area, polygons[0].len()), (50.0, 6));
        let (_, boxes, labels) = set.sample(0).unwrap();
        assert_eq!(boxes.to_vec::<f32>().unwrap(), [1.0, 2.0, 11.0, 7.5]);
        assert_eq!((labels.to_vec::<i64>().unwrap(), boxes.canvas_size()), (vec![1], (20, 30)));
        assert_eq!(set.sample(1).unwrap().1.shape(), [0, 4]);
        assert!(set.get(2).is_err());
        std::fs::write(&file, text.replace("[1, 2, 10, 5.5]", "[1, 2, 10]")).unwrap();
        let fault = CocoDetection::new(folder.path(), &file).build().unwrap_err();
        assert!(fault.message().contains("four numbers"), "{fault}");
    }
}
