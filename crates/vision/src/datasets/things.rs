//! Things in photographs: boxes around them, masks of them.

use super::items::{Found, Targets, image_sets};
use super::listed::TRAIN_VAL_TEST;
use super::readers::{Mat, XmlElement, fault, lines, names, numbers, read_mat, read_xml};
use super::split::Split;
use crate::io::{pil_loader, read_image, read_mask};
use crate::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, Mask};
use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A thing in an image of [`Kitti`].
#[derive(Clone, Debug, PartialEq)]
pub struct KittiObject {
    /// What it is: `Car`, `Pedestrian`, …
    pub kind: String,
    /// How far it reaches out of the image, 0 to 1.
    pub truncated: f64,
    /// 0: seen as a whole, 1: in part, 2: hardly, 3: not known
    pub occluded: i64,
    /// The angle that it is seen from, -π to π.
    pub alpha: f64,
    /// Left, top, right, bottom, in pixels.
    pub bbox: [f64; 4],
    /// Height, width, length, in metres.
    pub dimensions: [f64; 3],
    /// Where it stands before the camera, in metres.
    pub location: [f64; 3],
    /// The angle that it is turned by, -π to π.
    pub rotation_y: f64,
}

/// The faces in an image of [`WiderFace`], `int64`.
#[derive(Clone, Debug)]
pub struct WiderFaceTarget {
    /// `[N, 4]`: left, top, width, height
    pub bbox: Tensor,
    /// `[N]`: 0 clear, 1 blurred, 2 heavily
    pub blur: Tensor,
    /// `[N]`: 1 for an unusual expression
    pub expression: Tensor,
    /// `[N]`: 1 for extreme light
    pub illumination: Tensor,
    /// `[N]`: 0 none, 1 in part, 2 heavily
    pub occlusion: Tensor,
    /// `[N]`: 1 for an unusual pose
    pub pose: Tensor,
    /// `[N]`: 1 for what is not to be counted
    pub invalid: Tensor,
}

image_sets! {
    /// Streets with boxes, as `torchvision.datasets.Kitti`: `Kitti/raw/training/image_2/000000.png`,
    /// `Kitti/raw/training/label_2/000000.txt`. The images come in the order of their names; torchvision's order is that of the
    /// file system.
    ///
    /// An item is an image, with the channels of its file where no transform makes something else of it, and the things in it:
    /// none for images to test on. Wrapped it has boxes and labels.
    Kitti, KittiBuilder: Option<Vec<KittiObject>>, read_image;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// The images to train on, or those to test on. True unless set.
        train: bool = true,
    }
    find |b: &KittiBuilder| kitti(&b.root, b.train);
    -> (Image, Option<(BoundingBoxes, Tensor)>) = kitti_sample;

    /// Boundaries and masks for photographs of Pascal's, as `torchvision.datasets.SBDataset`: `train.txt`, `img/…`, `cls/….mat`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and a mask: `[20, H, W]` of the
    /// boundaries of each class, or `[1, H, W]` of classes.
    SbDataset, SbDatasetBuilder: Mask, pil_loader;
    new {
        /// The folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// Train, Val or TrainNoVal; Train unless set.
        image_set: Split = Split::Train,
        /// `boundaries` or `segmentation`; boundaries unless set.
        mode: &'static str = "boundaries",
    }
    find sbd;

    /// Photographs with boxes of twenty kinds of things, as `torchvision.datasets.VOCDetection`:
    /// `VOCdevkit/VOC2012/ImageSets/Main/train.txt`, `…/JPEGImages/….jpg`, `…/Annotations/….xml`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and the element `annotation` of its
    /// file. Wrapped it has boxes and labels.
    VocDetection, VocDetectionBuilder: XmlElement, pil_loader;
    new {
        /// The folder that holds `VOCdevkit`.
        root: ~into PathBuf,
    }
    options {
        /// 2007 to 2012; 2012 unless set.
        year: u16 = 2012,
        /// Train, Val or TrainVal, in 2007 Test, too; Train unless set.
        image_set: Split = Split::Train,
    }
    find |b: &VocDetectionBuilder| {
        let (images, targets) = voc(&b.root, b.year, b.image_set, ["Main", "Annotations", "xml"])?;
        let targets = Targets::read(move |index| read_xml(&targets[index]));
        Ok::<_, Error>(Found { images, targets, classes: super::names::VOC[1..].iter().map(ToString::to_string).collect() })
    };
    -> (Image, (BoundingBoxes, Tensor)) = voc_sample;

    /// Photographs with a mask of twenty kinds of things, as `torchvision.datasets.VOCSegmentation`:
    /// `VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt`, `…/JPEGImages/….jpg`, `…/SegmentationClass/….png`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its mask, `u8` `[1, H, W]`: 0 for
    /// what is none of them, 255 for the edges.
    VocSegmentation, VocSegmentationBuilder: Mask, pil_loader;
    new {
        /// The folder that holds `VOCdevkit`.
        root: ~into PathBuf,
    }
    options {
        /// 2007 to 2012; 2012 unless set.
        year: u16 = 2012,
        /// Train, Val or TrainVal, in 2007 Test, too; Train unless set.
        image_set: Split = Split::Train,
    }
    find |b: &VocSegmentationBuilder| {
        let (images, targets) = voc(&b.root, b.year, b.image_set, ["Segmentation", "SegmentationClass", "png"])?;
        let targets = Targets::read(move |index| Mask::new(read_mask(&targets[index])?));
        Ok::<_, Error>(Found { images, targets, classes: super::names::VOC[1..].iter().map(ToString::to_string).collect() })
    };

    /// Faces in crowds, as `torchvision.datasets.WIDERFace`: `widerface/wider_face_split/wider_face_train_bbx_gt.txt`,
    /// `widerface/WIDER_train/images/…`.
    ///
    /// An item is an image, with the channels of its file where no transform makes something else of it, and its faces: none
    /// for images to test on. Wrapped their boxes are [`BoundingBoxes`], the rest stands under its name.
    WiderFace, WiderFaceBuilder: Option<WiderFaceTarget>, read_image;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    }
    find |b: &WiderFaceBuilder| wider_face(&b.root.join("widerface"), b.split);
    -> (Image, Option<(BoundingBoxes, BTreeMap<String, Tensor>)>) = wider_face_sample;
}

/// Boxes of an image by their corners.
fn corners(boxes: Tensor, image: &Image) -> Result<BoundingBoxes> {
    BoundingBoxes::new(boxes, BoundingBoxFormat::XYXY, (image.size(-2)?, image.size(-1)?))
}

#[track_caller]
fn kitti(root: &Path, train: bool) -> Result<Found<Option<Vec<KittiObject>>>> {
    let folder = root.join("Kitti").join("raw").join(if train { "training" } else { "testing" });
    let (images, labels) = (folder.join("image_2"), folder.join("label_2"));
    let (files, labels): (Vec<_>, Vec<_>) = names(&images)?
        .into_iter()
        .map(|name| (images.join(&name), labels.join(format!("{}.txt", name.split('.').next().unwrap_or_default()))))
        .unzip();
    let read = move |index: usize| if train { kitti_objects(&labels[index]).map(Some) } else { Ok(None) };
    let classes = super::names::KITTI.iter().map(ToString::to_string).collect();
    Ok(Found { images: files, targets: Targets::read(read), classes })
}

fn kitti_objects(path: &Path) -> Result<Vec<KittiObject>> {
    let object = |(i, line): (usize, &String)| {
        let (kind, rest) = line.split_once(' ').ok_or_else(|| fault(path, i, line, "KIND and 14 numbers"))?;
        let n: Vec<f64> = numbers(path, i, rest, 14)?;
        Ok(KittiObject {
            kind: kind.to_string(),
            truncated: n[0],
            occluded: n[1] as i64,
            alpha: n[2],
            bbox: [n[3], n[4], n[5], n[6]],
            dimensions: [n[7], n[8], n[9]],
            location: [n[10], n[11], n[12]],
            rotation_y: n[13],
        })
    };
    lines(path)?.iter().enumerate().map(object).collect()
}

type KittiSample = (Image, Option<(BoundingBoxes, Tensor)>);

fn kitti_sample(image: Image, target: Option<Vec<KittiObject>>) -> Result<KittiSample> {
    let Some(objects) = target else { return Ok((image, None)) };
    let n = objects.len();
    let boxes = objects.iter().flat_map(|object| object.bbox.map(|side| side as f32)).collect::<Vec<f32>>();
    let boxes = corners(Tensor::from_vec(boxes, [n, 4])?, &image)?;
    let label = |object: &KittiObject| match super::names::KITTI.iter().position(|kind| *kind == object.kind) {
        Some(label) => Ok(label as i64),
        None => bail!(Format, "Kitti", "{:?} is not among {:?}", object.kind, super::names::KITTI),
    };
    let labels = objects.iter().map(label).collect::<Result<Vec<_>>>()?;
    Ok((image, Some((boxes, Tensor::from_vec(labels, [n])?))))
}

#[track_caller]
fn sbd(b: &SbDatasetBuilder) -> Result<Found<Mask>> {
    let parts = [(Split::Train, "train"), (Split::Val, "val"), (Split::TrainNoVal, "train_noval")];
    let names = lines(&b.root.join(format!("{}.txt", b.image_set.among("SBDataset", &parts)?)))?;
    let boundaries = match b.mode {
        "boundaries" => true,
        "segmentation" => false,
        other => bail!(Argument, "SBDataset", "mode {other:?}: boundaries or segmentation"),
    };
    let file = |folder: &str, ending: &str| {
        names.iter().map(|name| b.root.join(folder).join(format!("{name}.{ending}"))).collect::<Vec<_>>()
    };
    let (images, masks) = (file("img", "jpg"), file("cls", "mat"));
    let read = move |index: usize| sbd_mask(&masks[index], boundaries);
    Ok(Found { images, targets: Targets::read(read), classes: Vec::new() })
}

fn sbd_mask(path: &Path, boundaries: bool) -> Result<Mask> {
    let variables = read_mat(path)?;
    let field =
        |name: &str| variables.iter().find(|(name, _)| name == "GTcls").and_then(|(_, value)| value.field(0, name));
    let mask = if boundaries {
        let cells = field("Boundaries").and_then(Mat::cells).unwrap_or_default();
        let planes: Option<Vec<Tensor>> = cells.iter().take(20).map(|cell| cell.numbers().cloned()).collect();
        let planes = planes.filter(|planes| planes.len() == 20);
        planes.map(|planes| flambeau_tensor::stack(&planes, 0)).transpose()?
    } else {
        field("Segmentation").and_then(Mat::numbers).map(|mask| mask.unsqueeze(0)).transpose()?
    };
    Mask::new(mask.ok_or_else(|| Error::format(path, "GTcls has no Segmentation, or no Boundaries of 20 classes"))?)
}

/// The images of a part, and what belongs to each in another folder.
#[track_caller]
fn voc(
    root: &Path,
    year: u16,
    part: Split,
    [lists, folder, ending]: [&str; 3],
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    ensure!((2007..=2012).contains(&year), Argument, "VOC", "year {year} is not in 2007 to 2012");
    let parts = [(Split::Train, "train"), (Split::Val, "val"), (Split::TrainVal, "trainval"), (Split::Test, "test")];
    let part = part.among("VOC", if year == 2007 { &parts } else { &parts[..3] })?;
    // In 2011 the archive had one folder more.
    let root = if year == 2011 { root.join("TrainVal") } else { root.to_path_buf() };
    let root = root.join("VOCdevkit").join(format!("VOC{year}"));
    let names = lines(&root.join("ImageSets").join(lists).join(format!("{part}.txt")))?;
    let files = |folder: &str, ending: &str| {
        names.iter().map(|name| root.join(folder).join(format!("{name}.{ending}"))).collect::<Vec<_>>()
    };
    Ok((files("JPEGImages", "jpg"), files(folder, ending)))
}

fn voc_sample(image: Image, annotation: XmlElement) -> Result<(Image, (BoundingBoxes, Tensor))> {
    let (mut boxes, mut labels) = (Vec::<i64>::new(), Vec::new());
    for object in annotation.all("object") {
        let name = object.text_of("name").unwrap_or_default();
        let label = super::names::VOC.iter().position(|known| *known == name);
        let sides = object.child("bndbox").and_then(|sides| {
            let side = |side: &str| sides.text_of(side)?.parse::<i64>().ok();
            Some([side("xmin")?, side("ymin")?, side("xmax")?, side("ymax")?])
        });
        let Some((label, sides)) = label.zip(sides) else {
            bail!(
                Format,
                "VOCDetection",
                "the object {name:?} is none of the twenty kinds or has no bndbox of whole numbers"
            )
        };
        labels.push(label as i64);
        boxes.extend(sides);
    }
    let boxes = corners(Tensor::from_vec(boxes, [labels.len(), 4])?, &image)?;
    let n = labels.len();
    Ok((image, (boxes, Tensor::from_vec(labels, [n])?)))
}

#[track_caller]
fn wider_face(folder: &Path, split: Split) -> Result<Found<Option<WiderFaceTarget>>> {
    let split = split.among("WIDERFace", &TRAIN_VAL_TEST)?;
    let images = folder.join(format!("WIDER_{split}")).join("images");
    let lists = folder.join("wider_face_split");
    if split == "test" {
        let files = lines(&lists.join("wider_face_test_filelist.txt"))?;
        return Ok(Found::new(files.into_iter().map(|name| (images.join(name), None))));
    }
    let list = lists.join(format!("wider_face_{split}_bbx_gt.txt"));
    let lines = lines(&list)?;
    let (mut samples, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let count = lines.get(at + 1).map(String::as_str).unwrap_or_default();
        let count = count.parse::<usize>().map_err(|_| fault(&list, at + 1, count, "a number of faces"))?;
        // An image without faces has one line of zeros.
        let rows = count.max(1);
        let Some(faces) = lines.get(at + 2..(at + 2).saturating_add(rows)) else {
            return Err(Error::format(&list, format!("line {} promises {count} faces, but the file ends", at + 2)));
        };
        let face = |(i, line): (usize, &String)| {
            let row: Vec<i64> = numbers(&list, at + 2 + i, line, 10)?;
            Ok(row[..10].to_vec())
        };
        let faces = faces.iter().enumerate().map(face).collect::<Result<Vec<_>>>()?.concat();
        let faces = Tensor::from_vec(faces, [rows, 10])?;
        let column = |i: isize| faces.select(1, i)?.contiguous();
        let target = WiderFaceTarget {
            bbox: faces.narrow(1, 0, 4)?.contiguous()?,
            blur: column(4)?,
            expression: column(5)?,
            illumination: column(6)?,
            occlusion: column(7)?,
            pose: column(8)?,
            invalid: column(9)?,
        };
        samples.push((images.join(&lines[at]), Some(target)));
        at += 2 + rows;
    }
    Ok(Found::new(samples))
}

type FaceSample = (Image, Option<(BoundingBoxes, BTreeMap<String, Tensor>)>);

fn wider_face_sample(image: Image, target: Option<WiderFaceTarget>) -> Result<FaceSample> {
    let Some(target) = target else { return Ok((image, None)) };
    let start = target.bbox.narrow(1, 0, 2)?;
    let end = start.add(&target.bbox.narrow(1, 2, 2)?)?;
    let boxes = corners(flambeau_tensor::cat(&[start, end], 1)?.to_dtype(DType::I64)?, &image)?;
    let rest = [
        ("blur", target.blur),
        ("expression", target.expression),
        ("illumination", target.illumination),
        ("occlusion", target.occlusion),
        ("pose", target.pose),
        ("invalid", target.invalid),
    ];
    Ok((image, Some((boxes, rest.into_iter().map(|(name, values)| (name.to_string(), values)).collect()))))
}
