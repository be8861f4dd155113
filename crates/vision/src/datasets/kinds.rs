//! Data sets with several kinds of targets, of which one or more are asked for: attributes, masks, ranks of living things.

use super::items::{Found, Targets, image_sets};
use super::readers::{fault, json, lines, names, numbers, read_mat};
use super::split::Split;
use super::target::{CityscapesPolygons, Target};
use crate::io::{pil_loader, read_image, read_mask};
use crate::tv_tensors::{Image, Mask};
use flambeau_tensor::{Error, Result, Tensor, bail, ensure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The kinds of targets asked for, one name or several: made of a text or a list of texts.
#[derive(Clone, Debug)]
pub struct TargetTypes(Vec<String>);

impl From<&str> for TargetTypes {
    fn from(one: &str) -> Self {
        TargetTypes(vec![one.to_string()])
    }
}

impl<const N: usize> From<[&str; N]> for TargetTypes {
    fn from(several: [&str; N]) -> Self {
        TargetTypes(several.iter().map(ToString::to_string).collect())
    }
}

impl From<Vec<String>> for TargetTypes {
    fn from(several: Vec<String>) -> Self {
        TargetTypes(several)
    }
}

impl TargetTypes {
    /// The places of the kinds among those that there are.
    #[track_caller]
    fn among(&self, op: &'static str, known: &[&str]) -> Result<Vec<usize>> {
        ensure!(!self.0.is_empty(), Argument, op, "no kind of target; there are {known:?}");
        let place = |name: &String| match known.iter().position(|kind| kind == name) {
            Some(place) => Ok(place),
            None => bail!(Argument, op, "the kind of target {name:?}; there are {known:?}"),
        };
        self.0.iter().map(place).collect()
    }
}

image_sets! {
    /// Photographs of 101 kinds of things, as `torchvision.datasets.Caltech101`:
    /// `caltech101/101_ObjectCategories/accordion/image_0001.jpg`, `caltech101/Annotations/accordion/annotation_0001.mat`.
    ///
    /// An item is an image, with the channels of its file where no transform makes something else of it, and its target: the
    /// label, or the outline (`float64` `[2, N]`).
    Caltech101, Caltech101Builder: Target, read_image;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// `category`, `annotation` or both; the category unless set.
        target_type: ~into TargetTypes = "category".into(),
    }
    find caltech101;

    /// Faces of the well known, as `torchvision.datasets.CelebA`: `celeba/list_attr_celeba.txt` and its like,
    /// `celeba/img_align_celeba/000001.jpg`. `classes` gives the names of the attributes.
    ///
    /// An item is an image, with the channels of its file where no transform makes something else of it, and its target: the
    /// attributes (`int64` `[40]`, 0 or 1), the number of the person, the box, or
    /// five points (`int64` `[10]`).
    CelebA, CelebABuilder: Target, read_image;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// Train, Val, Test or All; Train unless set.
        split: Split = Split::Train,
        /// `attr`, `identity`, `bbox`, `landmarks` or several; the attributes unless set.
        target_type: ~into TargetTypes = "attr".into(),
    }
    find celeba;
    -> (Image, Target) = |image: Image, target: Target| target.boxed(&image).map(|target| (image, target));

    /// Streets of cities, as `torchvision.datasets.Cityscapes`: `leftImg8bit/train/aachen/…_leftImg8bit.png`,
    /// `gtFine/train/aachen/…_gtFine_instanceIds.png`. The images come in the order of their names; torchvision's order is that
    /// of the file system.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its target: a mask `[1, H, W]`
    /// (of colours with more channels), or the outlines of the things.
    Cityscapes, CityscapesBuilder: Target, pil_loader;
    new {
        /// The folder that holds `leftImg8bit` and `gtFine` or `gtCoarse`.
        root: ~into PathBuf,
    }
    options {
        /// Train, Val or Test of the fine ones, Train, TrainExtra or Val of the coarse ones; Train unless set.
        split: Split = Split::Train,
        /// `fine` or `coarse`; fine unless set.
        mode: &'static str = "fine",
        /// `instance`, `semantic`, `polygon`, `color` or several; the instances unless set.
        target_type: ~into TargetTypes = "instance".into(),
    }
    find cityscapes;

    /// Living things of thousands of kinds, as `torchvision.datasets.INaturalist`:
    /// `2021_train/00000_Animalia_Annelida_Clitellata_…_terrestris/…`, `2018/Aves/0/…`. The images of a class come in the order
    /// of their names; torchvision's order is that of the file system. `classes` gives the folders.
    ///
    /// An item is an image, with the channels of its file where no transform makes something else of it, and its label.
    INaturalist, INaturalistBuilder: Target, read_image;
    new {
        /// The folder that holds that of the version.
        root: ~into PathBuf,
    }
    options {
        /// `2017`, `2018`, `2019`, `2021_train`, `2021_train_mini` or `2021_valid`; `2021_train` unless set.
        version: &'static str = "2021_train",
        /// `full`, `kingdom`, `phylum`, `class`, `order`, `family`, `genus` or several, before 2021 `full` or `super`; the full
        /// class unless set.
        target_type: ~into TargetTypes = "full".into(),
    }
    find inaturalist;

    /// Cats and dogs of 37 breeds, as `torchvision.datasets.OxfordIIITPet`: `oxford-iiit-pet/annotations/trainval.txt`,
    /// `oxford-iiit-pet/images/…`, `oxford-iiit-pet/annotations/trimaps/…`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its target: the number of the
    /// breed, 0 for a cat and 1 for a dog, or a mask `[1, H, W]` of 1 for the animal, 2 for what is not and 3 for its edge.
    OxfordIiitPet, OxfordIiitPetBuilder: Target, pil_loader;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// TrainVal or Test; TrainVal unless set.
        split: Split = Split::TrainVal,
        /// `category`, `binary-category`, `segmentation` or several; the category unless set.
        target_types: ~into TargetTypes = "category".into(),
    }
    find pets;
}

#[track_caller]
fn caltech101(b: &Caltech101Builder) -> Result<Found<Target>> {
    let kinds = b.target_type.among("Caltech101", &["category", "annotation"])?;
    let folder = b.root.join("caltech101");
    let images = folder.join("101_ObjectCategories");
    let mut classes = names(&images)?;
    classes.retain(|class| class != "BACKGROUND_Google");
    // The outlines of a few classes lie in folders of other names.
    let outlines = |class: &str| match class {
        "Faces" => "Faces_2".to_string(),
        "Faces_easy" => "Faces_3".to_string(),
        "Motorbikes" => "Motorbikes_16".to_string(),
        "airplanes" => "Airplanes_Side_2".to_string(),
        class => class.to_string(),
    };
    let (mut files, mut places) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        for n in 1..=names(&images.join(class))?.len() {
            files.push(images.join(class).join(format!("image_{n:04}.jpg")));
            let outline = folder.join("Annotations").join(outlines(class)).join(format!("annotation_{n:04}.mat"));
            places.push((label as i64, outline));
        }
    }
    let read = move |index: usize| {
        let (label, outline): &(i64, PathBuf) = &places[index];
        let one = |kind: &usize| if *kind == 0 { Ok(Target::Label(*label)) } else { contour(outline) };
        Ok(Target::of(kinds.iter().map(one).collect::<Result<_>>()?))
    };
    Ok(Found { images: files, targets: Targets::read(read), classes })
}

fn contour(path: &Path) -> Result<Target> {
    let found = read_mat(path)?.into_iter().find(|(name, _)| name == "obj_contour");
    let contour = found.as_ref().and_then(|(_, value)| value.numbers()).cloned();
    contour.map(Target::Numbers).ok_or_else(|| Error::format(path, "there are no numbers \"obj_contour\""))
}

/// The lines of a table with blanks between its columns, from line `from` on: names and numbers, of which there are `width`.
#[track_caller]
fn table(path: &Path, from: usize, width: usize) -> Result<Vec<(String, Vec<i64>)>> {
    let row = |(i, line): (usize, &String)| {
        let (name, rest) = line.split_once(' ').ok_or_else(|| fault(path, i, line, "FILE NUMBER …"))?;
        let values = numbers(path, i, rest, width)?;
        ensure!(
            values.len() == width,
            Format,
            format!("read {}", path.display()),
            "line {} has {} numbers, the first one {width}",
            i + 1,
            values.len()
        );
        Ok((name.to_string(), values))
    };
    lines(path)?.iter().enumerate().skip(from).filter(|(_, line)| !line.is_empty()).map(row).collect()
}

#[track_caller]
fn celeba(b: &CelebABuilder) -> Result<Found<Target>> {
    let kinds = b.target_type.among("CelebA", &["attr", "identity", "bbox", "landmarks"])?;
    let known = [(Split::Train, "0"), (Split::Val, "1"), (Split::Test, "2"), (Split::All, "")];
    let part: Option<i64> = b.split.among("CelebA", &known)?.parse().ok();
    let folder = b.root.join("celeba");
    let attributes = folder.join("list_attr_celeba.txt");
    let header = lines(&attributes)?.get(1).cloned().unwrap_or_default();
    let header: Vec<String> = header.split_whitespace().map(String::from).collect();
    let parts = table(&folder.join("list_eval_partition.txt"), 0, 1)?;
    let mut tables = Vec::new();
    for kind in &kinds {
        let (file, from, width) = [
            ("list_attr_celeba.txt", 2, header.len()),
            ("identity_CelebA.txt", 0, 1),
            ("list_bbox_celeba.txt", 2, 4),
            ("list_landmarks_align_celeba.txt", 2, 10),
        ][*kind];
        let path = folder.join(file);
        let rows = table(&path, from, width)?;
        if rows.len() != parts.len() {
            return Err(Error::format(
                &path,
                format!("has {} images, list_eval_partition.txt {}", rows.len(), parts.len()),
            ));
        }
        tables.push(rows);
    }
    let chosen = parts.iter().enumerate().filter(|(_, (_, of))| part.is_none_or(|part| of[0] == part));
    let sample = |(i, (name, _)): (usize, &(String, Vec<i64>))| {
        let one = |(kind, table): (&usize, &Vec<(String, Vec<i64>)>)| {
            let values = &table[i].1;
            match kind {
                1 => Ok(Target::Label(values[0])),
                0 => numbers_of(values.iter().map(|v| (v + 1).div_euclid(2)).collect()),
                2 => Ok(Target::Box([values[0], values[1], values[2], values[3]])),
                _ => numbers_of(values.clone()),
            }
        };
        let targets = kinds.iter().zip(&tables).map(one).collect::<Result<_>>()?;
        Ok((folder.join("img_align_celeba").join(name), Target::of(targets)))
    };
    Ok(Found::of_classes(chosen.map(sample).collect::<Result<Vec<_>>>()?, header))
}

fn numbers_of(values: Vec<i64>) -> Result<Target> {
    let n = values.len();
    Ok(Target::Numbers(Tensor::from_vec(values, [n])?))
}

#[track_caller]
fn cityscapes(b: &CityscapesBuilder) -> Result<Found<Target>> {
    let op = "Cityscapes";
    let kinds = b.target_type.among(op, &["instance", "semantic", "polygon", "color"])?;
    let (annotations, parts) = match b.mode {
        "fine" => ("gtFine", [(Split::Train, "train"), (Split::Test, "test"), (Split::Val, "val")]),
        "coarse" => ("gtCoarse", [(Split::Train, "train"), (Split::TrainExtra, "train_extra"), (Split::Val, "val")]),
        other => bail!(Argument, op, "mode {other:?}: fine or coarse"),
    };
    let split = b.split.among(op, &parts)?;
    let (images, targets) = (b.root.join("leftImg8bit").join(split), b.root.join(annotations).join(split));
    let (mut files, mut starts) = (Vec::new(), Vec::new());
    for city in names(&images)? {
        for name in names(&images.join(&city))? {
            let start = name.split("_leftImg8bit").next().unwrap_or_default();
            starts.push(targets.join(&city).join(format!("{start}_{annotations}")));
            files.push(images.join(&city).join(&name));
        }
    }
    let read = move |index: usize| {
        let file = |end: &str| PathBuf::from(format!("{}_{end}", starts[index].display()));
        let mask = |end: &str| Ok(Target::Mask(Mask::new(read_mask(file(end))?)?));
        let one = |kind: &usize| match kind {
            0 => mask("instanceIds.png"),
            1 => mask("labelIds.png"),
            2 => polygons(&file("polygons.json")),
            _ => mask("color.png"),
        };
        Ok(Target::of(kinds.iter().map(one).collect::<Result<_>>()?))
    };
    Ok(Found { images: files, targets: Targets::read(read), classes: Vec::new() })
}

fn polygons(path: &Path) -> Result<Target> {
    let json = json(path)?;
    let side = |name: &str| json.get(name).and_then(|side| side.as_i64());
    let point = |point: &serde_json::Value| Some([point.get(0)?.as_i64()?, point.get(1)?.as_i64()?]);
    let object = |object: &serde_json::Value| {
        let label = object.get("label")?.as_str()?.to_string();
        Some((label, object.get("polygon")?.as_array()?.iter().map(point).collect::<Option<Vec<_>>>()?))
    };
    let objects = json.get("objects").and_then(|list| list.as_array()?.iter().map(object).collect::<Option<Vec<_>>>());
    match (side("imgHeight").zip(side("imgWidth")), objects) {
        (Some(size), Some(objects)) => Ok(Target::Polygons(CityscapesPolygons { size, objects })),
        _ => Err(Error::format(path, "there are no imgHeight, imgWidth and objects with label and polygon")),
    }
}

const RANKS: [&str; 7] = ["full", "kingdom", "phylum", "class", "order", "family", "genus"];

#[track_caller]
fn inaturalist(b: &INaturalistBuilder) -> Result<Found<Target>> {
    let (op, root) = ("INaturalist", b.root.join(b.version));
    // Of each class its folder and its number in each rank.
    let (classes, ranks, kinds) = match b.version {
        "2021_train" | "2021_train_mini" | "2021_valid" => {
            let (classes, ranks) = since_2021(&root)?;
            (classes, ranks, b.target_type.among(op, &RANKS)?)
        }
        "2017" | "2018" | "2019" => {
            let (classes, ranks) = before_2021(&root, b.version == "2017")?;
            (classes, ranks, b.target_type.among(op, &["full", "super"])?)
        }
        other => bail!(Argument, op, "version {other:?}: 2017, 2018, 2019, 2021_train, 2021_train_mini or 2021_valid"),
    };
    let mut samples = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let one = |kind: &usize| Target::Label(if *kind == 0 { label as i64 } else { ranks[label][*kind - 1] });
        let target = Target::of(kinds.iter().map(one).collect());
        samples.extend(names(&root.join(class))?.into_iter().map(|name| (root.join(class).join(name), target.clone())));
    }
    Ok(Found::of_classes(samples, classes))
}

/// The folders, and their numbers in each rank.
type Classes = (Vec<String>, Vec<Vec<i64>>);

#[track_caller]
fn since_2021(root: &Path) -> Result<Classes> {
    let classes = names(root)?;
    let mut known: [HashMap<String, i64>; 6] = Default::default();
    let mut ranks = Vec::new();
    for (i, class) in classes.iter().enumerate() {
        let parts: Vec<&str> = class.split('_').collect();
        if parts.len() != 8 || parts[0] != format!("{i:05}") {
            let wanted = format!("{i:05} and seven names with _ between them");
            return Err(Error::format(root.join(class), format!("the name of the folder is not {wanted}")));
        }
        let number = |(known, name): (&mut HashMap<String, i64>, &&str)| {
            let next = known.len() as i64;
            *known.entry(name.to_string()).or_insert(next)
        };
        ranks.push(known.iter_mut().zip(&parts[1..7]).map(number).collect());
    }
    Ok((classes, ranks))
}

#[track_caller]
fn before_2021(root: &Path, counted: bool) -> Result<Classes> {
    let mut found = Vec::new();
    for (above, folder) in names(root)?.into_iter().enumerate() {
        for name in names(&root.join(&folder))? {
            let number = if counted { Some(found.len()) } else { name.parse::<usize>().ok() };
            let path = format!("{folder}/{name}");
            let number =
                number.ok_or_else(|| Error::format(root.join(&path), "the name of the folder is no whole number"))?;
            found.push((number, path, above as i64));
        }
    }
    found.sort();
    if let Some((i, (_, path, _))) = found.iter().enumerate().find(|(i, (number, ..))| i != number) {
        return Err(Error::format(root.join(path), format!("the folder of class {i} is missing or there twice")));
    }
    Ok(found.into_iter().map(|(_, path, above)| (path, vec![above])).unzip())
}

#[track_caller]
fn pets(b: &OxfordIiitPetBuilder) -> Result<Found<Target>> {
    let kinds = b.target_types.among("OxfordIIITPet", &["category", "binary-category", "segmentation"])?;
    let split = b.split.among("OxfordIIITPet", &[(Split::TrainVal, "trainval"), (Split::Test, "test")])?;
    let folder = b.root.join("oxford-iiit-pet");
    let list = folder.join("annotations").join(format!("{split}.txt"));
    let (mut images, mut labels, mut breeds) = (Vec::new(), Vec::new(), Vec::new());
    for (i, line) in lines(&list)?.iter().enumerate() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let number = |part: &str| part.parse::<i64>().ok().filter(|n| *n >= 1).map(|n| n - 1);
        let found = match parts[..] {
            [image, breed, kind, _] => number(breed).zip(number(kind)).map(|labels| (image, labels)),
            _ => None,
        };
        let (image, (breed, kind)) = found.ok_or_else(|| fault(&list, i, line, "IMAGE BREED KIND NUMBER"))?;
        breeds.push((breed, image.rsplit_once('_').map_or(image, |(name, _)| name).to_string()));
        images.push(folder.join("images").join(format!("{image}.jpg")));
        labels.push((breed, kind, folder.join("annotations").join("trimaps").join(format!("{image}.png"))));
    }
    breeds.sort();
    breeds.dedup();
    let read = move |index: usize| {
        let (breed, kind, mask): &(i64, i64, PathBuf) = &labels[index];
        let one = |of: &usize| match of {
            0 => Ok(Target::Label(*breed)),
            1 => Ok(Target::Label(*kind)),
            _ => Ok(Target::Mask(Mask::new(read_mask(mask)?)?)),
        };
        Ok(Target::of(kinds.iter().map(one).collect::<Result<_>>()?))
    };
    let classes = breeds.iter().map(|(_, name)| title(name)).collect();
    Ok(Found { images, targets: Targets::read(read), classes })
}

/// `american_bulldog` as `American Bulldog`.
fn title(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        first + &letters.as_str().to_lowercase()
    };
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}
