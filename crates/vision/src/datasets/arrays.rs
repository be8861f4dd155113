//! Data sets that one file or two hold as numbers: small images that lie in memory.

use super::images::Images;
use super::options::{TargetTransform, TransformSlot, Transforms};
use super::readers::{Table, bunzip2, bytes, fault, lines, numbers, read_mat};
use super::split::Split;
use super::{Dataset, TvSamples};
use crate::tv_tensors::Image;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Error, Generator, Result, Tensor, builder, ensure};
use std::path::{Path, PathBuf};

/// Images, their labels, the names of the classes.
type Found = (Tensor, Vec<i64>, Vec<String>);

macro_rules! array_sets {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident { $($(#[$opt_doc:meta])* $opt:ident: $(~ $into:ident)? $ty:ty = $default:expr,)* } $find:ident;
    )*) => {$(
        $(#[$doc])*
        pub struct $Name(Images);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The folder of the data set, or that which holds it.
                root: ~into PathBuf,
            }
            options {
                $($(#[$opt_doc])* $opt: $(~ $into)? $ty = $default,)*
                /// What is done to each image: a transform, or the builder of one.
                transform: ~into TransformSlot = TransformSlot::default(),
                /// What is done to each label: a function from `i64` to `i64`.
                target_transform: ~into TargetTransform = TargetTransform::default(),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (images, labels, classes) = $find(&b)?;
                Ok($Name(Images::new(stringify!($Name), images, labels, classes, b.transform, b.target_transform)?))
            }
        }

        super::images::labelled_images!($Name);
    )*};
}

array_sets! {
    /// Faces by what they feel, as `torchvision.datasets.FER2013`: `fer2013/fer2013.csv`, `fer2013/icml_face_data.csv`, or
    /// `fer2013/train.csv` and `fer2013/test.csv`. Labels that the file does not have, None in torchvision, are -1.
    ///
    /// An item is an image, `u8` `[1, 48, 48]` where no transform makes something else of it, and its label.
    Fer2013, Fer2013Builder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } fer2013;
    /// Handwritten digits of 1,593 squares, as `torchvision.datasets.SEMEION`: `semeion.data`.
    ///
    /// An item is an image, `u8` `[1, 16, 16]` where no transform makes something else of it, and its label.
    Semeion, SemeionBuilder {} semeion;
    /// Photographs of ten kinds of things, many without labels, as `torchvision.datasets.STL10`:
    /// `stl10_binary/train_X.bin`, `stl10_binary/train_y.bin`. The label of what has none is -1.
    ///
    /// An item is an image, `u8` `[3, 96, 96]` where no transform makes something else of it, and its label.
    Stl10, Stl10Builder {
        /// Train, Test, Unlabeled or TrainUnlabeled; Train unless set.
        split: Split = Split::Train,
        /// Which tenth of `fold_indices.txt` to train on, 0 to 9; all unless set.
        folds: ~into Option<usize> = None,
    } stl10;
    /// Numbers of houses, as `torchvision.datasets.SVHN`: `train_32x32.mat`.
    ///
    /// An item is an image, `u8` `[3, 32, 32]` where no transform makes something else of it, and its label.
    Svhn, SvhnBuilder {
        /// Train, Test or Extra; Train unless set.
        split: Split = Split::Train,
    } svhn;
    /// Handwritten digits of the postal service, as `torchvision.datasets.USPS`: `usps.bz2`, `usps.t.bz2`.
    ///
    /// An item is an image, `u8` `[1, 16, 16]` where no transform makes something else of it, and its label.
    Usps, UspsBuilder {
        /// The images to train on, or those held out. True unless set.
        train: bool = true,
    } usps;
}

fn digits() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

#[track_caller]
fn fer2013(b: &Fer2013Builder) -> Result<Found> {
    let split = b.split.among("FER2013", &super::listed::TRAIN_TEST)?;
    let folder = b.root.join("fer2013");
    let [fer, icml] = ["fer2013.csv", "icml_face_data.csv"].map(|name| folder.join(name));
    let (path, whole) = match (fer.exists(), icml.exists()) {
        (true, _) => (fer, true),
        (_, true) => (icml, true),
        _ => (folder.join(format!("{split}.csv")), false),
    };
    let table = Table::read(&path, ',')?;
    let pixels = table.column("pixels")?;
    let usage = if whole { Some(table.column("Usage")?) } else { None };
    let label = if whole || split == "train" { Some(table.column("emotion")?) } else { None };
    let (mut images, mut labels) = (Vec::<u8>::new(), Vec::new());
    for row in 0..table.rows.len() {
        if let Some(usage) = usage {
            let usage = table.field(row, usage)?;
            let here =
                if split == "train" { usage == "Training" } else { matches!(usage, "PublicTest" | "PrivateTest") };
            if !here {
                continue;
            }
        }
        let before = images.len();
        let levels = table.field(row, pixels)?.split_whitespace().map(|word| word.parse::<u8>().ok());
        let whole = levels.take(48 * 48 + 1).try_for_each(|level| level.map(|level| images.push(level)));
        if whole.is_none() || images.len() != before + 48 * 48 {
            return Err(Error::format(&path, format!("row {} has not 2304 levels from 0 to 255", row + 2)));
        }
        labels.push(label.map_or(Ok(-1), |label| table.whole(row, label))?);
    }
    Ok((Tensor::from_vec(images, [labels.len(), 1, 48, 48])?, labels, Vec::new()))
}

#[track_caller]
fn semeion(b: &SemeionBuilder) -> Result<Found> {
    let path = b.root.join("semeion.data");
    let (mut images, mut labels) = (Vec::<u8>::new(), Vec::new());
    for (i, line) in lines(&path)?.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let row: Vec<f64> = numbers(&path, i, line, 257)?;
        images.extend(row[..256].iter().map(|level| (level * 255.0) as i64 as u8));
        let label = row[256..].iter().position(|is| *is != 0.0);
        labels.push(label.ok_or_else(|| fault(&path, i, line, "an image of one class"))? as i64);
    }
    Ok((Tensor::from_vec(images, [labels.len(), 1, 16, 16])?, labels, digits()))
}

#[track_caller]
fn stl10(b: &Stl10Builder) -> Result<Found> {
    let op = "STL10";
    let parts = [(Split::Train, "t"), (Split::Test, "e"), (Split::Unlabeled, "u"), (Split::TrainUnlabeled, "tu")];
    let parts = b.split.among(op, &parts)?;
    let folder = b.root.join("stl10_binary");
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for part in parts.chars() {
        let name = [('t', "train"), ('e', "test"), ('u', "unlabeled")].iter().find(|(short, _)| *short == part);
        let name = name.map(|(_, name)| *name).unwrap_or_default();
        let (mut part_images, mut part_labels) = stl10_part(&folder, name)?;
        if let Some(fold) = b.folds.filter(|_| part == 't') {
            ensure!(fold < 10, Argument, op, "folds {fold} is not in 0 to 9");
            let chosen = stl10_fold(&folder.join("fold_indices.txt"), fold, part_labels.len())?;
            part_images = part_images.index_select(0, Tensor::from_slice(&chosen, [chosen.len()])?)?;
            part_labels = chosen.iter().map(|place| part_labels[*place as usize]).collect();
        }
        images.push(part_images);
        labels.extend(part_labels);
    }
    let images = if images.len() == 1 { images.remove(0) } else { flambeau_tensor::cat(&images, 0)? };
    let names = folder.join("class_names.txt");
    Ok((images, labels, if names.exists() { lines(&names)? } else { Vec::new() }))
}

/// The images of a part, stored by columns, and their labels.
#[track_caller]
fn stl10_part(folder: &Path, name: &str) -> Result<(Tensor, Vec<i64>)> {
    let path = folder.join(format!("{name}_X.bin"));
    let pixels = bytes(&path)?;
    let size = 3 * 96 * 96;
    let n = pixels.len() / size;
    if pixels.len() % size != 0 {
        let text =
            format!("image {n} of {size} bytes starts at byte {}, the file ends at byte {}", n * size, pixels.len());
        return Err(Error::format(&path, text));
    }
    let images = Tensor::from_vec(pixels, [n, 3, 96, 96])?.transpose(2, 3)?.contiguous()?;
    if name == "unlabeled" {
        return Ok((images, vec![-1; n]));
    }
    let path = folder.join(format!("{name}_y.bin"));
    let labels: Vec<i64> = bytes(&path)?.iter().map(|label| i64::from(label.wrapping_sub(1))).collect();
    if labels.len() != n {
        return Err(Error::format(&path, format!("{} labels for {n} images", labels.len())));
    }
    Ok((images, labels))
}

#[track_caller]
fn stl10_fold(path: &Path, fold: usize, n: usize) -> Result<Vec<i64>> {
    let lines = lines(path)?;
    let line = lines.get(fold).ok_or_else(|| Error::format(path, format!("has no line {}", fold + 1)))?;
    let places: Vec<i64> = numbers(path, fold, line, 0)?;
    match places.iter().find(|place| !usize::try_from(**place).is_ok_and(|place| place < n)) {
        Some(place) => Err(Error::format(path, format!("line {}: {place} is none of {n} images", fold + 1))),
        None => Ok(places),
    }
}

#[track_caller]
fn svhn(b: &SvhnBuilder) -> Result<Found> {
    let parts = [(Split::Train, "train"), (Split::Test, "test"), (Split::Extra, "extra")];
    let path = b.root.join(format!("{}_32x32.mat", b.split.among("SVHN", &parts)?));
    let variables = read_mat(&path)?;
    let variable = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        found.ok_or_else(|| Error::format(&path, format!("there is no variable {wanted:?}")))
    };
    let (images, labels) = (variable("X")?.numbers(), variable("y")?.wholes());
    let (Some(images), Some(labels)) = (images, labels) else {
        return Err(Error::format(&path, "X and y are no numbers"));
    };
    let fits = images.dtype() == DType::U8 && images.rank() == 4 && images.shape()[3] == labels.len();
    if !fits {
        let text = format!(
            "X is {} {:?}, not uint8 [H, W, C, N], for {} labels",
            images.dtype(),
            images.shape(),
            labels.len()
        );
        return Err(Error::format(&path, text));
    }
    let images = images.permute([3, 2, 0, 1])?.contiguous()?;
    Ok((images, labels.into_iter().map(|label| if label == 10 { 0 } else { label }).collect(), digits()))
}

#[track_caller]
fn usps(b: &UspsBuilder) -> Result<Found> {
    let path = b.root.join(if b.train { "usps.bz2" } else { "usps.t.bz2" });
    let text = bunzip2(&bytes(&path)?).map_err(|fault| Error::format(&path, fault))?;
    let text = String::from_utf8(text).map_err(|_| Error::format(&path, "what is compressed in it is no text"))?;
    let (mut images, mut labels) = (Vec::<u8>::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let label = words.next().and_then(|word| word.parse::<f64>().ok());
        let before = images.len();
        let level = |word: &str| word.rsplit(':').next().and_then(|level| level.parse::<f32>().ok());
        let whole = words.try_for_each(|word| level(word).map(|v| images.push(((v + 1.0) / 2.0 * 255.0) as i64 as u8)));
        let Some(label) = label.filter(|_| whole.is_some() && images.len() == before + 256) else {
            return Err(Error::format(&path, format!("line {} of its text is not a label and 256 levels", i + 1)));
        };
        labels.push(label as i64 - 1);
    }
    Ok((Tensor::from_vec(images, [labels.len(), 1, 16, 16])?, labels, digits()))
}

/// Images of noise with labels drawn by chance, as `torchvision.datasets.FakeData`: the same for the same number, whatever the
/// generator of the process is at.
///
/// An item is an image, `u8` `[C, H, W]` where no transform makes something else of it, and its label.
///
/// ```
/// use flambeau_vision::datasets::{Dataset, FakeData};
///
/// let noise = FakeData::new().size(10).image_size((3, 8, 8)).num_classes(4).build()?;
/// let (image, label) = noise.get(7)?;
/// assert_eq!((noise.len(), image.shape()), (10, &[3, 8, 8][..]));
/// assert!((0..4).contains(&label));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct FakeData {
    size: usize,
    image_size: [usize; 3],
    num_classes: i64,
    random_offset: u64,
    transforms: Transforms,
}

builder! {
    /// Options of [`FakeData`].
    pub struct FakeDataBuilder => FakeData;
    new {}
    options {
        /// How many there are. 1000 unless set.
        size: usize = 1000,
        /// Channels, height and width. (3, 224, 224) unless set.
        image_size: (usize, usize, usize) = (3, 224, 224),
        /// How many classes. 10 unless set.
        num_classes: i64 = 10,
        /// Added to the number of an item to seed it. 0 unless set.
        random_offset: u64 = 0,
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
    }
}

impl FakeData {
    #[track_caller]
    fn from_builder(b: FakeDataBuilder) -> Result<Self> {
        ensure!(b.num_classes > 0, Argument, "FakeData", "{} classes", b.num_classes);
        let (channels, height, width) = b.image_size;
        Ok(FakeData {
            size: b.size,
            image_size: [channels, height, width],
            num_classes: b.num_classes,
            random_offset: b.random_offset,
            transforms: Transforms::new(b.transform, b.target_transform)?,
        })
    }

    #[track_caller]
    fn raw(&self, index: usize) -> Result<(Tensor, i64)> {
        ensure!(index < self.size, Index, "FakeData", "index {index} is out of range for {} samples", self.size);
        let generator = Generator::with_seed((index as u64).wrapping_add(self.random_offset));
        let (image, label) = with_generator(&generator, || {
            let image = Tensor::randn(self.image_size).build()?;
            let label = Tensor::randint(0, self.num_classes, [1]).build()?.item::<i64>()?;
            Ok::<_, Error>((image, label))
        })?;
        // As a processor takes a number to a byte: the lowest eight bits of the whole number.
        let levels = image.to_vec::<f32>()?.into_iter().map(|v| (v * 255.0) as i32 as u8).collect();
        Ok((Tensor::from_vec(levels, self.image_size)?, label))
    }
}

impl Dataset for FakeData {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.size
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let (image, label) = self.raw(index)?;
        self.transforms.apply(image, label)
    }
}

impl TvSamples for FakeData {
    type Sample = (Image, i64);

    #[track_caller]
    fn tv_sample(&self, index: usize) -> Result<Self::Sample> {
        let (image, label) = self.raw(index)?;
        Ok((Image::new(image)?, label))
    }
}

impl std::fmt::Debug for FakeData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FakeData({} images of {:?})", self.size, self.image_size)
    }
}
