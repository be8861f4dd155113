//! Data sets of image files with a label each, which differ only in where the files are and what tells their labels: a
//! folder for each class, or a list.

use super::folder::{images_of_classes, subfolders};
use super::readers::{Mat, MatVar, Table, fault, glob, json, lines, names, read_mat};
use super::split::Split;
use crate::io::pil_loader;
use flambeau_tensor::{Error, Result, Tensor, bail, ensure};
use std::path::{Path, PathBuf};

type Found = super::items::Found<i64>;

/// Writes data sets of labelled files: of each its options and what finds its files from these.
macro_rules! listed {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident { $($(#[$opt_doc:meta])* $opt:ident: $(~ $into:ident)? $ty:ty = $default:expr,)* } $find:ident;
    )*) => {
        super::items::image_sets! {$(
            $(#[$doc])*
            ///
            /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its label. An image is
            /// read when it is asked for.
            $Name, $Builder: i64, pil_loader;
            new {
                /// The folder that holds the folder of the data set.
                root: ~into PathBuf,
            }
            options { $($(#[$opt_doc])* $opt: $(~ $into)? $ty = $default,)* }
            find |b: &$Builder| $find(&b.root $(, b.$opt.clone())*);
        )*}
        super::items::label_sets!($($Name)*);
    };
}

listed! {
    /// Photographs of 256 kinds of things and one of none of these, as `torchvision.datasets.Caltech256`:
    /// `caltech256/256_ObjectCategories/001.ak47/001_0001.jpg`.
    Caltech256, Caltech256Builder {} caltech256;
    /// Rendered scenes by how many things are in them, as `torchvision.datasets.CLEVRClassification`:
    /// `clevr/CLEVR_v1.0/images/train/…`, `clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json`. The label of an image of the part
    /// Test, None in torchvision, is -1.
    ClevrClassification, ClevrClassificationBuilder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    } clevr;
    /// Photographs of 211 countries, as `torchvision.datasets.Country211`: `country211/train/AD/…`.
    Country211, Country211Builder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    } country211;
    /// Describable textures, as `torchvision.datasets.DTD`: `dtd/dtd/labels/train1.txt`, `dtd/dtd/images/banded/…`.
    Dtd, DtdBuilder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
        /// Which of the ten divisions; 1 unless set.
        partition: usize = 1,
    } dtd;
    /// Squares of land seen from a satellite, as `torchvision.datasets.EuroSAT`: `eurosat/2750/Forest/…`.
    EuroSat, EuroSatBuilder {} eurosat;
    /// Aeroplanes, as `torchvision.datasets.FGVCAircraft`: `fgvc-aircraft-2013b/data/images_variant_train.txt`.
    FgvcAircraft, FgvcAircraftBuilder {
        /// Train, Val, TrainVal or Test; TrainVal unless set.
        split: Split = Split::TrainVal,
        /// `variant`, `family` or `manufacturer`; the variant unless set.
        annotation_level: &'static str = "variant",
    } aircraft;
    /// Flowers of 102 kinds, as `torchvision.datasets.Flowers102`: `flowers-102/setid.mat`, `flowers-102/imagelabels.mat`,
    /// `flowers-102/jpg/image_00001.jpg`.
    Flowers102, Flowers102Builder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    } flowers;
    /// Dishes of 101 kinds, as `torchvision.datasets.Food101`: `food-101/meta/train.json`, `food-101/images/…`.
    Food101, Food101Builder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } food;
    /// German traffic signs, as `torchvision.datasets.GTSRB`: `gtsrb/GTSRB/Training/00000/…`, `gtsrb/GT-final_test.csv`,
    /// `gtsrb/GTSRB/Final_Test/Images/…`.
    Gtsrb, GtsrbBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } gtsrb;
    /// The photographs of the challenge of 2012, as `torchvision.datasets.ImageNet`: `train/n01440764/…`, and the names of the
    /// classes in `meta.bin`, which torchvision makes from the development kit. `classes` gives the names of a class in one
    /// text, with commas between them.
    ImageNet, ImageNetBuilder {
        /// Train or Val; Train unless set.
        split: Split = Split::Train,
    } imagenet;
    /// Ten easy classes of ImageNet, as `torchvision.datasets.Imagenette`: `imagenette2/train/n01440764/…`. `classes` gives the
    /// names of a class in one text, with commas between them.
    Imagenette, ImagenetteBuilder {
        /// Train or Val; Train unless set.
        split: Split = Split::Train,
        /// `full`, `320px` or `160px`; full unless set.
        size: &'static str = "full",
    } imagenette;
    /// Faces with the numbers of their people, as `torchvision.datasets.LFWPeople`: `lfw-py/lfw-names.txt`,
    /// `lfw-py/peopleDevTrain.txt`, `lfw-py/lfw_funneled/NAME/NAME_0001.jpg`.
    LfwPeople, LfwPeopleBuilder {
        /// TenFold, Train or Test; TenFold unless set.
        split: Split = Split::TenFold,
        /// `original`, `funneled` or `deepfunneled`; funneled unless set.
        image_set: &'static str = "funneled",
    } lfw_people;
    /// Scenes of 365 kinds, as `torchvision.datasets.Places365`: `categories_places365.txt`, `places365_val.txt`,
    /// `data_large_standard/…`, `val_256/…`. The label of an image of the part Test, None in torchvision, is -1.
    Places365, Places365Builder {
        /// Train (`train-standard`), TrainChallenge, Val or Test; Train unless set.
        split: Split = Split::Train,
        /// The images of 256 pixels instead of the great ones. False unless set.
        small: bool = false,
    } places;
    /// Sentences drawn as images, by whether they praise, as `torchvision.datasets.RenderedSST2`:
    /// `rendered-sst2/train/negative/…`.
    RenderedSst2, RenderedSst2Builder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    } sst2;
    /// Cars of 196 models, as `torchvision.datasets.StanfordCars`: `stanford_cars/devkit/cars_train_annos.mat`,
    /// `stanford_cars/cars_train/00001.jpg`.
    StanfordCars, StanfordCarsBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } cars;
    /// Scenes of 397 kinds, as `torchvision.datasets.SUN397`: `SUN397/ClassName.txt`, `SUN397/a/abbey/sun_….jpg`. The images
    /// come in the order of their paths; torchvision's order is that of the file system.
    Sun397, Sun397Builder {} sun397;
}

super::items::image_sets! {
    /// Characters of many alphabets, as `torchvision.datasets.Omniglot`: `omniglot-py/images_background/Greek/character01/…`.
    ///
    /// An item is an image, `u8` `[1, H, W]` where no transform makes something else of it, and its label.
    Omniglot, OmniglotBuilder: i64, gray;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {
        /// The alphabets to learn from, or those to test on. True unless set.
        background: bool = true,
    }
    find |b: &OmniglotBuilder| omniglot(&b.root, b.background);
}
super::items::label_sets!(Omniglot);

/// An image in levels of gray, as Pillow's `convert("L")` for one that has no colours.
fn gray(path: &Path) -> Result<Tensor> {
    pil_loader(path)?.narrow(0, 0, 1)
}

/// The parts of most sets.
pub(super) const TRAIN_VAL_TEST: [(Split, &str); 3] =
    [(Split::Train, "train"), (Split::Val, "val"), (Split::Test, "test")];
pub(super) const TRAIN_TEST: [(Split, &str); 2] = [(Split::Train, "train"), (Split::Test, "test")];
pub(super) const TRAIN_VAL: [(Split, &str); 2] = [(Split::Train, "train"), (Split::Val, "val")];
/// The endings of torchvision's `IMG_EXTENSIONS`.
pub(super) const IMAGES: [&str; 9] = ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"];
const PARTS: [(Split, &str); 3] = [(Split::Train, "train"), (Split::Val, "valid"), (Split::Test, "test")];

/// A folder for each class.
#[track_caller]
fn by_folder(folder: &Path, extensions: &[&str]) -> Result<Found> {
    let folders = subfolders(folder)?;
    let (samples, _) = images_of_classes(&folders, extensions)?;
    ensure!(!samples.is_empty(), Format, format!("read {}", folder.display()), "there is no image in it");
    Ok(Found::of_classes(samples, folders.into_iter().map(|(name, _)| name).collect()))
}

#[track_caller]
fn country211(root: &Path, split: Split) -> Result<Found> {
    by_folder(&root.join("country211").join(split.among("Country211", &PARTS)?), &IMAGES)
}

#[track_caller]
fn eurosat(root: &Path) -> Result<Found> {
    by_folder(&root.join("eurosat").join("2750"), &IMAGES)
}

#[track_caller]
fn sst2(root: &Path, split: Split) -> Result<Found> {
    by_folder(&root.join("rendered-sst2").join(split.among("RenderedSST2", &PARTS)?), &["png"])
}

#[track_caller]
fn dtd(root: &Path, split: Split, partition: usize) -> Result<Found> {
    let split = split.among("DTD", &TRAIN_VAL_TEST)?;
    ensure!((1..=10).contains(&partition), Argument, "DTD", "partition {partition} is not in 1 to 10");
    let folder = root.join("dtd").join("dtd");
    let list = folder.join("labels").join(format!("{split}{partition}.txt"));
    let mut files = Vec::new();
    for (i, line) in lines(&list)?.iter().enumerate() {
        let parts = line.split_once('/').filter(|(_, name)| !name.contains('/'));
        let (class, name) = parts.ok_or_else(|| fault(&list, i, line, "CLASS/FILE"))?;
        files.push((class.to_string(), folder.join("images").join(class).join(name)));
    }
    let mut classes: Vec<String> = files.iter().map(|(class, _)| class.clone()).collect();
    classes.sort();
    classes.dedup();
    let label = |class: &String| classes.binary_search(class).unwrap_or_default() as i64;
    let samples: Vec<_> = files.iter().map(|(class, path)| (path.clone(), label(class))).collect();
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn aircraft(root: &Path, split: Split, level: &'static str) -> Result<Found> {
    let known = [(Split::Train, "train"), (Split::Val, "val"), (Split::TrainVal, "trainval"), (Split::Test, "test")];
    let split = split.among("FGVCAircraft", &known)?;
    let names = match level {
        "variant" => "variants.txt",
        "family" => "families.txt",
        "manufacturer" => "manufacturers.txt",
        other => bail!(Argument, "FGVCAircraft", "annotation_level {other:?}: variant, family or manufacturer"),
    };
    let folder = root.join("fgvc-aircraft-2013b").join("data");
    let classes = lines(&folder.join(names))?;
    let list = folder.join(format!("images_{level}_{split}.txt"));
    let mut samples = Vec::new();
    for (i, line) in lines(&list)?.iter().enumerate() {
        let parts = line
            .split_once(' ')
            .and_then(|(image, class)| Some((image, classes.iter().position(|known| known == class)?)));
        let (image, label) = parts.ok_or_else(|| fault(&list, i, line, "IMAGE CLASS of a known class"))?;
        samples.push((folder.join("images").join(format!("{image}.jpg")), label as i64));
    }
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn sun397(root: &Path) -> Result<Found> {
    let folder = root.join("SUN397");
    let list = folder.join("ClassName.txt");
    // A line is /a/abbey: the first letter is a folder, too.
    let mut classes = Vec::new();
    for (i, line) in lines(&list)?.iter().enumerate() {
        let class = line.get(3..).filter(|class| !class.is_empty());
        classes.push(class.ok_or_else(|| fault(&list, i, line, "/LETTER/CLASS"))?.to_string());
    }
    let mut samples = Vec::new();
    for (_, letter) in subfolders(&folder)? {
        let (found, _) = images_of_classes(&[(String::new(), letter.clone())], &["jpg"])?;
        for (path, _) in found {
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sun_")) {
                continue;
            }
            let class = path.parent().and_then(|folder| folder.strip_prefix(&letter).ok());
            let class = class.map(|class| class.to_string_lossy().replace('\\', "/")).unwrap_or_default();
            match classes.iter().position(|known| *known == class) {
                Some(label) => samples.push((path, label as i64)),
                None => return Err(Error::format(&list, format!("the class of {} is not in it", path.display()))),
            }
        }
    }
    samples.sort();
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn caltech256(root: &Path) -> Result<Found> {
    let folder = root.join("caltech256").join("256_ObjectCategories");
    let (mut samples, classes) = (Vec::new(), names(&folder)?);
    for (label, class) in classes.iter().enumerate() {
        let count = names(&folder.join(class))?.iter().filter(|name| name.ends_with(".jpg")).count();
        let file = |n: usize| folder.join(class).join(format!("{:03}_{n:04}.jpg", label + 1));
        samples.extend((1..=count).map(|n| (file(n), label as i64)));
    }
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn clevr(root: &Path, split: Split) -> Result<Found> {
    let split = split.among("CLEVRClassification", &TRAIN_VAL_TEST)?;
    let folder = root.join("clevr").join("CLEVR_v1.0");
    let images = glob(&folder.join("images").join(split), "*");
    if split == "test" {
        return Ok(Found::new(images.into_iter().map(|path| (path, -1))));
    }
    let list = folder.join("scenes").join(format!("CLEVR_{split}_scenes.json"));
    let scenes = json(&list)?;
    let scenes = scenes.get("scenes").and_then(|scenes| scenes.as_array());
    let scenes = scenes.ok_or_else(|| Error::format(&list, "there is no list \"scenes\""))?;
    let mut counts = std::collections::HashMap::new();
    for scene in scenes {
        let name = scene.get("image_filename").and_then(|name| name.as_str());
        let objects = scene.get("objects").and_then(|objects| objects.as_array());
        let Some((name, objects)) = name.zip(objects) else {
            return Err(Error::format(&list, format!("a scene without image_filename or objects: {scene}")));
        };
        counts.insert(name, objects.len() as i64);
    }
    let label = |path: PathBuf| {
        let count = path.file_name().and_then(|name| counts.get(&*name.to_string_lossy())).copied();
        count
            .map(|count| (path.clone(), count))
            .ok_or_else(|| Error::format(&list, format!("has no {}", path.display())))
    };
    Ok(Found::new(images.into_iter().map(label).collect::<Result<Vec<_>>>()?))
}

/// The variable of a MATLAB file.
#[track_caller]
fn variable(path: &Path, name: &str) -> Result<Mat> {
    let found: Option<MatVar> = read_mat(path)?.into_iter().find(|(variable, _)| variable == name);
    found.map(|(_, value)| value).ok_or_else(|| Error::format(path, format!("there is no variable {name:?}")))
}

#[track_caller]
fn flowers(root: &Path, split: Split) -> Result<Found> {
    let split = split.among("Flowers102", &[(Split::Train, "trnid"), (Split::Val, "valid"), (Split::Test, "tstid")])?;
    let folder = root.join("flowers-102");
    let (ids, labels) = (folder.join("setid.mat"), folder.join("imagelabels.mat"));
    let wholes = |path: &Path, name: &str| {
        variable(path, name)?.wholes().ok_or_else(|| Error::format(path, format!("{name:?} are no numbers")))
    };
    let labels = wholes(&labels, "labels")?;
    let sample = |id: i64| {
        let label = usize::try_from(id - 1).ok().and_then(|place| labels.get(place));
        let label =
            label.ok_or_else(|| Error::format(&ids, format!("image {id} has no label among {}", labels.len())))?;
        Ok((folder.join("jpg").join(format!("image_{id:05}.jpg")), label - 1))
    };
    let samples: Vec<_> = wholes(&ids, split)?.into_iter().map(sample).collect::<Result<_>>()?;
    Ok(Found::of_classes(samples, super::names::FLOWERS.iter().map(ToString::to_string).collect()))
}

#[track_caller]
fn food(root: &Path, split: Split) -> Result<Found> {
    let split = split.among("Food101", &TRAIN_TEST)?;
    let folder = root.join("food-101");
    let list = folder.join("meta").join(format!("{split}.json"));
    let meta = json(&list)?;
    let meta = meta.as_object().ok_or_else(|| Error::format(&list, "it is no object of classes"))?;
    let mut classes: Vec<String> = meta.keys().cloned().collect();
    classes.sort();
    let mut samples = Vec::new();
    for (class, images) in meta {
        let label = classes.binary_search(class).unwrap_or_default() as i64;
        for image in images.as_array().into_iter().flatten() {
            let image =
                image.as_str().ok_or_else(|| Error::format(&list, format!("{image} of {class:?} is no path")))?;
            samples.push((folder.join("images").join(format!("{image}.jpg")), label));
        }
    }
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn gtsrb(root: &Path, split: Split) -> Result<Found> {
    let folder = root.join("gtsrb");
    if split.among("GTSRB", &TRAIN_TEST)? == "train" {
        return by_folder(&folder.join("GTSRB").join("Training"), &["ppm"]);
    }
    let table = Table::read(&folder.join("GT-final_test.csv"), ';')?;
    let (name, class) = (table.column("Filename")?, table.column("ClassId")?);
    let images = folder.join("GTSRB").join("Final_Test").join("Images");
    let sample = |row| Ok((images.join(table.field(row, name)?), table.whole(row, class)?));
    Ok(Found::new((0..table.rows.len()).map(sample).collect::<Result<Vec<_>>>()?))
}

#[track_caller]
fn imagenet(root: &Path, split: Split) -> Result<Found> {
    let mut found = by_folder(&root.join(split.among("ImageNet", &TRAIN_VAL)?), &IMAGES)?;
    let meta = root.join("meta.bin");
    let table = flambeau_serialize::torch::load(&meta)?;
    let table = table.at(0).ok_or_else(|| Error::format(&meta, "it is no pair of classes and labels"))?;
    for class in &mut found.classes {
        let names =
            table.get(class).map(|names| names.items().iter().filter_map(|name| name.as_str()).collect::<Vec<_>>());
        *class = names.ok_or_else(|| Error::format(&meta, format!("{class:?} is not among the classes")))?.join(", ");
    }
    Ok(found)
}

#[track_caller]
fn imagenette(root: &Path, split: Split, size: &'static str) -> Result<Found> {
    let folder = match size {
        "full" => "imagenette2",
        "320px" => "imagenette2-320",
        "160px" => "imagenette2-160",
        other => bail!(Argument, "Imagenette", "size {other:?}: full, 320px or 160px"),
    };
    let folder = root.join(folder).join(split.among("Imagenette", &TRAIN_VAL)?);
    let mut found = by_folder(&folder, &["jpeg"])?;
    for class in &mut found.classes {
        let known = super::names::IMAGENETTE.iter().find(|(id, _)| id == class);
        *class =
            known.ok_or_else(|| Error::format(&folder, format!("{class:?} is none of the ten classes")))?.1.to_string();
    }
    Ok(found)
}

/// The folder of the images, and the file of the labels of a view.
#[track_caller]
pub(super) fn lfw(root: &Path, view: &str, split: Split, image_set: &str) -> Result<(PathBuf, PathBuf)> {
    let images = match image_set {
        "original" => "lfw",
        "funneled" => "lfw_funneled",
        "deepfunneled" => "lfw-deepfunneled",
        other => bail!(Argument, "LFW", "image_set {other:?}: original, funneled or deepfunneled"),
    };
    let list = split.among("LFW", &[(Split::TenFold, ""), (Split::Train, "DevTrain"), (Split::Test, "DevTest")])?;
    let folder = root.join("lfw-py");
    Ok((folder.join(images), folder.join(format!("{view}{list}.txt"))))
}

/// The file of a face.
pub(super) fn lfw_file(folder: &Path, person: &str, number: usize) -> PathBuf {
    folder.join(person).join(format!("{person}_{number:04}.jpg"))
}

#[track_caller]
fn lfw_people(root: &Path, split: Split, image_set: &'static str) -> Result<Found> {
    let (folder, list) = lfw(root, "people", split, image_set)?;
    let known = root.join("lfw-py").join("lfw-names.txt");
    let people: Vec<String> =
        lines(&known)?.iter().filter_map(|line| line.split_whitespace().next().map(String::from)).collect();
    let labels: std::collections::HashMap<_, _> =
        people.iter().enumerate().map(|(i, name)| (name.as_str(), i as i64)).collect();
    let lines = lines(&list)?;
    let count = |at: usize| {
        let line = lines.get(at).map(String::as_str).unwrap_or_default();
        line.parse::<usize>().map_err(|_| fault(&list, at, line, "a number"))
    };
    let (folds, mut at) = if split == Split::TenFold { (count(0)?, 1) } else { (1, 0) };
    let mut samples = Vec::new();
    for _ in 0..folds {
        let n = count(at)?;
        for at in at + 1..(at + 1).saturating_add(n) {
            let Some(line) = lines.get(at) else {
                return Err(Error::format(&list, format!("promises {n} people, but ends at line {at}")));
            };
            let person = line.split_once('\t').and_then(|(name, n)| Some((name, n.trim().parse::<usize>().ok()?)));
            let found = person.and_then(|(name, n)| Some((name, n, *labels.get(name)?)));
            let (name, n, label) = found.ok_or_else(|| fault(&list, at, line, "NAME\\tNUMBER of a known name"))?;
            samples.extend((1..=n.min(9999)).map(|n| (lfw_file(&folder, name, n), label)));
        }
        at += n + 1;
    }
    Ok(Found::of_classes(samples, people))
}

#[track_caller]
fn places(root: &Path, split: Split, small: bool) -> Result<Found> {
    let known = [
        (Split::Train, "train_standard"),
        (Split::TrainChallenge, "train_challenge"),
        (Split::Val, "val"),
        (Split::Test, "test"),
    ];
    let name = split.among("Places365", &known)?;
    let size = if small { "256" } else { "large" };
    let folder = root.join(match name.strip_prefix("train_") {
        Some(variant) => format!("data_{size}_{variant}"),
        None => format!("{name}_{size}"),
    });
    let categories = root.join("categories_places365.txt");
    let mut classes = Vec::new();
    for (i, line) in lines(&categories)?.iter().enumerate() {
        let class = line.split_whitespace().next().ok_or_else(|| fault(&categories, i, line, "CLASS NUMBER"))?;
        classes.push(class.to_string());
    }
    classes.sort();
    let list = root.join(format!("places365_{name}.txt"));
    let mut samples = Vec::new();
    for (i, line) in lines(&list)?.iter().enumerate() {
        let mut words = line.split_whitespace();
        let image = words.next().ok_or_else(|| fault(&list, i, line, "IMAGE LABEL"))?;
        let label = words.next().map_or(Ok(-1), str::parse).map_err(|_| fault(&list, i, line, "IMAGE LABEL"))?;
        samples.push((folder.join(image.trim_start_matches('/')), label));
    }
    Ok(Found::of_classes(samples, classes))
}

#[track_caller]
fn cars(root: &Path, split: Split) -> Result<Found> {
    let (folder, train) = (root.join("stanford_cars"), split.among("StanfordCars", &TRAIN_TEST)? == "train");
    let devkit = folder.join("devkit");
    let (list, images) = match train {
        true => (devkit.join("cars_train_annos.mat"), folder.join("cars_train")),
        false => (folder.join("cars_test_annos_withlabels.mat"), folder.join("cars_test")),
    };
    let annotations = variable(&list, "annotations")?;
    let count = if let Mat::Struct(structs) = &annotations { structs.len() } else { 0 };
    let sample = |i: usize| {
        let name = annotations.field(i, "fname").and_then(Mat::text);
        let found = name.zip(annotations.field(i, "class").and_then(Mat::whole));
        let (name, class) =
            found.ok_or_else(|| Error::format(&list, format!("annotation {i} has no fname or class")))?;
        Ok((images.join(name), class - 1))
    };
    let samples: Vec<_> = (0..count).map(sample).collect::<Result<_>>()?;
    let meta = devkit.join("cars_meta.mat");
    let names = variable(&meta, "class_names")?;
    let classes: Option<Vec<String>> =
        names.cells().and_then(|cells| cells.iter().map(|cell| cell.text().map(String::from)).collect());
    Ok(Found::of_classes(samples, classes.ok_or_else(|| Error::format(&meta, "class_names are no texts"))?))
}

#[track_caller]
fn omniglot(root: &Path, background: bool) -> Result<Found> {
    let folder = root.join("omniglot-py").join(if background { "images_background" } else { "images_evaluation" });
    let (mut samples, mut classes) = (Vec::new(), Vec::new());
    for (alphabet, path) in subfolders(&folder)? {
        for (character, path) in subfolders(&path)? {
            let label = classes.len() as i64;
            let images = names(&path)?.into_iter().filter(|name| name.ends_with(".png"));
            samples.extend(images.map(|name| (path.join(name), label)));
            classes.push(format!("{alphabet}/{character}"));
        }
    }
    Ok(Found::of_classes(samples, classes))
}

#[cfg(test)]
mod tests;
