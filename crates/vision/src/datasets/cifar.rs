//! CIFAR-10 and CIFAR-100: in the pickles that torchvision reads, or in their binary form, records of a label (or two) and
//! 32×32 pixels in planes.

use super::images::Images;
use super::options::{TargetTransform, TransformSlot};
use flambeau_serialize::torch::{Value, load_pickle};
use flambeau_tensor::{Error, Result, Tensor, builder};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const PIXELS: usize = 3 * 32 * 32;

/// 32×32 colour images of 10 classes, as `torchvision.datasets.CIFAR10`: `data_batch_1` to `data_batch_5`, `test_batch` and
/// `batches.meta` in `root/cifar-10-batches-py`. Where there is no such folder the binary form of the set is read:
/// `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` in `root/cifar-10-batches-bin`, with
/// the names of the classes in `batches.meta.txt` where there is one.
///
/// An item is an image and its label. Without a transform the image is `u8` of shape `[3, 32, 32]` and a
/// view of [`data`](Cifar10::data).
pub struct Cifar10(Images);

builder! {
    /// Options of [`Cifar10`].
    pub struct Cifar10Builder => Cifar10;
    new {
        /// The folder that holds `cifar-10-batches-py` or `cifar-10-batches-bin`.
        root: ~into PathBuf,
    }
    options {
        /// The images to train on, or those held out. True unless set.
        train: bool = true,
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
    }
}

impl Cifar10 {
    fn from_builder(b: Cifar10Builder) -> Result<Self> {
        let folder = b.root.join("cifar-10-batches-py");
        if folder.is_dir() {
            let files =
                if b.train { (1..=5).map(|n| format!("data_batch_{n}")).collect() } else { vec!["test_batch".into()] };
            let records = Records::unpickled(&folder, &files, "labels")?;
            let classes = pickled_names(&folder.join("batches.meta"), "label_names")?;
            return Ok(Cifar10(records.images("CIFAR10", classes, b.transform, b.target_transform)?));
        }
        let folder = b.root.join("cifar-10-batches-bin");
        let mut records = Records::new(1, 0, 10);
        if b.train {
            (1..=5).try_for_each(|n| records.read(&folder.join(format!("data_batch_{n}.bin"))))?;
        } else {
            records.read(&folder.join("test_batch.bin"))?;
        }
        let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        let classes = class_names(&folder.join("batches.meta.txt"), 10)?;
        let classes = classes.unwrap_or_else(|| names.iter().map(ToString::to_string).collect());
        Ok(Cifar10(records.images("CIFAR10", classes, b.transform, b.target_transform)?))
    }
}

super::images::labelled_images!(Cifar10);

/// 32×32 colour images of 100 classes, as `torchvision.datasets.CIFAR100`: `train`, `test` and `meta` in
/// `root/cifar-100-python`. Where there is no such folder the binary form of the set is read: `train.bin` and `test.bin` in `root/cifar-100-binary`, with the names of the classes in
/// `fine_label_names.txt` and `coarse_label_names.txt` where there are such (without them a class is named
/// by its number).
///
/// An item is an image and its label. Without a transform the image is `u8` of shape `[3, 32, 32]` and a
/// view of [`data`](Cifar100::data).
pub struct Cifar100(Images);

builder! {
    /// Options of [`Cifar100`].
    pub struct Cifar100Builder => Cifar100;
    new {
        /// The folder that holds `cifar-100-python` or `cifar-100-binary`.
        root: ~into PathBuf,
    }
    options {
        /// The images to train on, or those held out. True unless set.
        train: bool = true,
        /// The labels of the 20 superclasses instead of the 100 classes. False unless set.
        coarse: bool = false,
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
    }
}

impl Cifar100 {
    fn from_builder(b: Cifar100Builder) -> Result<Self> {
        let folder = b.root.join("cifar-100-python");
        if folder.is_dir() {
            let kind = if b.coarse { "coarse" } else { "fine" };
            let files = [if b.train { "train".to_string() } else { "test".to_string() }];
            let records = Records::unpickled(&folder, &files, &format!("{kind}_labels"))?;
            let classes = pickled_names(&folder.join("meta"), &format!("{kind}_label_names"))?;
            return Ok(Cifar100(records.images("CIFAR100", classes, b.transform, b.target_transform)?));
        }
        let folder = b.root.join("cifar-100-binary");
        let (which, classes, names) = if b.coarse { (0, 20, "coarse") } else { (1, 100, "fine") };
        let mut records = Records::new(2, which, classes);
        records.read(&folder.join(if b.train { "train.bin" } else { "test.bin" }))?;
        let names = class_names(&folder.join(format!("{names}_label_names.txt")), classes)?;
        let names = names.unwrap_or_else(|| (0..classes).map(|n| n.to_string()).collect());
        Ok(Cifar100(records.images("CIFAR100", names, b.transform, b.target_transform)?))
    }
}

super::images::labelled_images!(Cifar100);

/// The records of one or more files.
struct Records {
    /// How many labels stand before the pixels, which of them is wanted, and how many classes it tells apart.
    label_bytes: usize,
    which: usize,
    classes: usize,
    labels: Vec<i64>,
    pixels: Vec<u8>,
}

impl Records {
    fn new(label_bytes: usize, which: usize, classes: usize) -> Self {
        Records { label_bytes, which, classes, labels: Vec::new(), pixels: Vec::new() }
    }

    /// The records of pickles: an array `data` of bytes, and a list of labels.
    fn unpickled(folder: &Path, files: &[String], labels: &str) -> Result<Self> {
        let mut records = Records::new(0, 0, 0);
        for file in files {
            let path = folder.join(file);
            let entry = load_pickle(&path)?;
            let pixels = match entry.get("data").and_then(|data| data.get("state")?.at(4)) {
                Some(Value::Bytes(bytes)) => bytes.as_slice(),
                // What Python 2 wrote may happen to be text.
                Some(Value::Str(text)) => text.as_bytes(),
                _ => return Err(Error::format(&path, "there is no array \"data\"")),
            };
            let list = entry.get(labels).map(Value::items).unwrap_or_default();
            let list: Option<Vec<i64>> = list.iter().map(Value::as_i64).collect();
            let list = list.filter(|list| list.len().checked_mul(PIXELS) == Some(pixels.len()));
            let list = list.ok_or_else(|| {
                let n = pixels.len();
                Error::format(&path, format!("{labels:?} is no list of a label for each of the images in {n} bytes"))
            })?;
            records.labels.extend(list);
            records.pixels.extend_from_slice(pixels);
        }
        Ok(records)
    }

    /// Adds the records of the file `path`.
    fn read(&mut self, path: &Path) -> Result<()> {
        let size = self.label_bytes + PIXELS;
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
        if length == 0 {
            return Err(Error::format(path, "the file is empty"));
        }
        if length % size as u64 != 0 {
            let n = length / size as u64;
            return Err(Error::format(
                path,
                format!(
                    "record {n} of {size} bytes starts at byte {}, the file ends at byte {length}",
                    n * size as u64
                ),
            ));
        }
        self.pixels.reserve_exact((length / size as u64) as usize * PIXELS);
        let mut reader = std::io::BufReader::with_capacity(1 << 17, file);
        let mut record = vec![0u8; size];
        for n in 0..length / size as u64 {
            reader.read_exact(&mut record).map_err(|e| Error::io("read", path, e))?;
            let label = usize::from(record[self.which]);
            if label >= self.classes {
                let at = n * size as u64 + self.which as u64;
                return Err(Error::format(
                    path,
                    format!("label {label} at byte {at} is not one of {} classes", self.classes),
                ));
            }
            self.labels.push(label as i64);
            self.pixels.extend_from_slice(&record[self.label_bytes..]);
        }
        Ok(())
    }

    fn images(
        self,
        name: &'static str,
        classes: Vec<String>,
        transform: TransformSlot,
        target: TargetTransform,
    ) -> Result<Images> {
        let images = Tensor::from_vec(self.pixels, [self.labels.len(), 3, 32, 32])?;
        Images::new(name, images, self.labels, classes, transform, target)
    }
}

/// The names of the classes, one a line; `None` where there is no such file.
fn class_names(path: &Path, classes: usize) -> Result<Option<Vec<String>>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != classes {
        return Err(Error::format(path, format!("names {} classes instead of {classes}", names.len())));
    }
    Ok(Some(names))
}

/// The names of the classes in a pickle.
fn pickled_names(path: &Path, key: &str) -> Result<Vec<String>> {
    let meta = load_pickle(path)?;
    let names = meta.get(key).map(Value::items).unwrap_or_default();
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(String::from)).collect();
    names.filter(|names| !names.is_empty()).ok_or_else(|| Error::format(path, format!("there is no list {key:?}")))
}

#[cfg(test)]
mod tests;
