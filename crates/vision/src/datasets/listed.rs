//! Data sets of image files with a label each, which differ only in where the files are and what tells their labels: a
//! folder for each class, or a list.

use super::Dataset;
use super::folder::{images_of_classes, subfolders};
use super::options::{TargetTransform, TransformSlot, Transforms};
use crate::io::pil_loader;
use flambeau_tensor::{Error, Result, Tensor, bail, builder, ensure};
use std::path::{Path, PathBuf};

/// Files with their labels, and the names of the classes.
struct Listed {
    name: &'static str,
    samples: Vec<(PathBuf, i64)>,
    classes: Vec<String>,
    transforms: Transforms,
}

/// What is found in the folders.
type Found = (Vec<(PathBuf, i64)>, Vec<String>);

impl Listed {
    #[track_caller]
    fn get(&self, index: usize) -> Result<(Tensor, i64)> {
        let n = self.samples.len();
        ensure!(index < n, Index, self.name, "index {index} is out of range for {n} samples");
        let (path, label) = &self.samples[index];
        self.transforms.apply(pil_loader(path)?, *label)
    }
}

/// A part of a data set, as its makers divided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// to train on
    Train,
    /// to choose by
    Val,
    /// both of these
    TrainVal,
    /// to test on
    Test,
}

impl Split {
    /// The name of this part among those that there are.
    #[track_caller]
    fn among(self, op: &'static str, known: &[(Split, &'static str)]) -> Result<&'static str> {
        match known.iter().find(|(split, _)| *split == self) {
            Some((_, name)) => Ok(name),
            None => {
                bail!(Argument, op, "{self:?}: its parts are {:?}", known.iter().map(|(s, _)| s).collect::<Vec<_>>())
            }
        }
    }
}

/// Writes a data set: its options and what finds its files.
macro_rules! listed {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident { $($(#[$opt_doc:meta])* $opt:ident: $ty:ty = $default:expr,)* } $find:ident;
    )*) => {$(
        $(#[$doc])*
        ///
        /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its label. An image is
        /// read when it is asked for.
        pub struct $Name(Listed);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The folder that holds the folder of the data set.
                root: ~into PathBuf,
            }
            options {
                $($(#[$opt_doc])* $opt: $ty = $default,)*
                /// What is done to each image: a transform, or the builder of one.
                transform: ~into TransformSlot = TransformSlot::default(),
                /// What is done to each label: a function from `i64` to `i64`.
                target_transform: ~into TargetTransform = TargetTransform::default(),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (samples, classes) = $find(&b.root $(, b.$opt)*)?;
                let transforms = Transforms::new(b.transform, b.target_transform)?;
                Ok($Name(Listed { name: stringify!($Name), samples, classes, transforms }))
            }

            /// The names of the classes, by label.
            pub fn classes(&self) -> &[String] {
                &self.0.classes
            }

            /// The file and the label of each item.
            pub fn samples(&self) -> &[(PathBuf, i64)] {
                &self.0.samples
            }
        }

        impl Dataset for $Name {
            type Item = (Tensor, i64);

            fn len(&self) -> usize {
                self.0.samples.len()
            }

            #[track_caller]
            fn get(&self, index: usize) -> Result<Self::Item> {
                self.0.get(index)
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} images of {} classes)", self.0.name, self.0.samples.len(), self.0.classes.len())
            }
        }
    )*};
}

listed! {
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
        /// Any part; TrainVal unless set.
        split: Split = Split::TrainVal,
        /// `variant`, `family` or `manufacturer`; the variant unless set.
        annotation_level: &'static str = "variant",
    } aircraft;
    /// Cats and dogs of 37 breeds, as `torchvision.datasets.OxfordIIITPet`: `oxford-iiit-pet/annotations/trainval.txt`.
    OxfordIiitPet, OxfordIiitPetBuilder {
        /// TrainVal or Test; TrainVal unless set.
        split: Split = Split::TrainVal,
        /// Tell cats from dogs instead of breeds: `target_types="binary-category"`. False unless set.
        binary: bool = false,
    } pets;
    /// Sentences drawn as images, by whether they praise, as `torchvision.datasets.RenderedSST2`:
    /// `rendered-sst2/train/negative/…`.
    RenderedSst2, RenderedSst2Builder {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
    } sst2;
    /// Scenes of 397 kinds, as `torchvision.datasets.SUN397`: `SUN397/ClassName.txt`, `SUN397/a/abbey/sun_….jpg`. The images
    /// come in the order of their paths; torchvision's order is that of the file system.
    Sun397, Sun397Builder {} sun397;
}

const IMAGES: [&str; 9] = ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"];
const PARTS: [(Split, &str); 3] = [(Split::Train, "train"), (Split::Val, "valid"), (Split::Test, "test")];

/// A folder for each class.
#[track_caller]
fn by_folder(folder: &Path, extensions: &[&str]) -> Result<Found> {
    let folders = subfolders(folder)?;
    let (samples, _) = images_of_classes(&folders, extensions)?;
    ensure!(!samples.is_empty(), Format, format!("read {}", folder.display()), "there is no image in it");
    Ok((samples, folders.into_iter().map(|(name, _)| name).collect()))
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

/// The lines of a text.
#[track_caller]
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    Ok(text.lines().map(|line| line.trim().to_string()).collect())
}

/// The fault of a line.
fn fault(path: &Path, line: usize, text: &str, wanted: &str) -> Error {
    Error::format(path, format!("line {}: {text:?} is not {wanted}", line + 1))
}

#[track_caller]
fn dtd(root: &Path, split: Split, partition: usize) -> Result<Found> {
    let known = [(Split::Train, "train"), (Split::Val, "val"), (Split::Test, "test")];
    let split = split.among("DTD", &known)?;
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
    let samples = files.iter().map(|(class, path)| (path.clone(), label(class))).collect();
    Ok((samples, classes))
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
    Ok((samples, classes))
}

#[track_caller]
fn pets(root: &Path, split: Split, binary: bool) -> Result<Found> {
    let split = split.among("OxfordIIITPet", &[(Split::TrainVal, "trainval"), (Split::Test, "test")])?;
    let folder = root.join("oxford-iiit-pet");
    let list = folder.join("annotations").join(format!("{split}.txt"));
    let (mut samples, mut breeds) = (Vec::new(), Vec::new());
    for (i, line) in lines(&list)?.iter().enumerate() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let number = |part: &str| part.parse::<i64>().ok().filter(|n| *n >= 1).map(|n| n - 1);
        let found = match parts[..] {
            [image, breed, kind, _] => number(breed).zip(number(kind)).map(|labels| (image, labels)),
            _ => None,
        };
        let (image, (breed, kind)) = found.ok_or_else(|| fault(&list, i, line, "IMAGE BREED KIND NUMBER"))?;
        breeds.push((breed, image.rsplit_once('_').map_or(image, |(name, _)| name).to_string()));
        samples.push((folder.join("images").join(format!("{image}.jpg")), if binary { kind } else { breed }));
    }
    if binary {
        return Ok((samples, vec!["Cat".into(), "Dog".into()]));
    }
    breeds.sort();
    breeds.dedup();
    Ok((samples, breeds.iter().map(|(_, name)| title(name)).collect()))
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
    Ok((samples, classes))
}

#[cfg(test)]
mod tests;
