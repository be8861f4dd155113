//! Files of any kind in a folder for each class.

use super::{ImageFolderBuilder, by_endings, labelled};
use crate::datasets::Dataset;
use crate::datasets::options::{Loader, TargetTransform, TransformSlot, Transforms, ValidFile};
use crate::io::{ImageReadMode, ImageReadOptions, pil_loader, read_image_as};
use flambeau_tensor::{Result, Tensor, bail, builder, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Files in a folder for each class, as `torchvision.datasets.DatasetFolder`: what [`ImageFolder`](super::ImageFolder) is
/// for images, for whatever `loader` makes a tensor of. An item is that tensor and its label.
///
/// ```
/// use flambeau_serialize::npy;
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::datasets::{Dataset, DatasetFolder};
/// use std::path::Path;
///
/// let root = std::env::temp_dir().join("flambeau-dataset-folder");
/// for class in ["left", "right"] {
///     std::fs::create_dir_all(root.join(class)).unwrap();
///     npy::save(root.join(class).join("1.npy"), &Tensor::ones([4]).build()?)?;
/// }
/// let signals = DatasetFolder::new(&root, |path: &Path| npy::load(path)).extensions(["npy"]).build()?;
/// assert_eq!((signals.len(), signals.get(1)?.0.shape(), signals.get(1)?.1), (2, &[4][..], 1));
/// # std::fs::remove_dir_all(root).ok();
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct DatasetFolder {
    root: PathBuf,
    classes: Vec<String>,
    samples: Vec<(PathBuf, i64)>,
    /// Reads a file; else it is an image, to be read so.
    loader: Loader,
    read: ImageReadOptions,
    transforms: Transforms,
    /// What it and its items are called.
    names: [&'static str; 2],
}

builder! {
    /// Options of [`DatasetFolder`]. It goes either by `extensions` or by `is_valid_file`.
    pub struct DatasetFolderBuilder => DatasetFolder;
    new {
        /// The folder that holds the folders of the classes.
        root: ~into PathBuf,
        /// What makes a tensor of a file: a function of its path.
        loader: ~into Loader,
    }
    options {
        /// The endings of the files to take, in any case, with or without the dot.
        extensions: ~into Vec<&'static str> = Vec::new(),
        /// What is done to each tensor: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
        /// Which files to take, by their whole path: a function that says so.
        is_valid_file: ~into ValidFile = ValidFile::default(),
        /// Let a class have no files. False unless set.
        allow_empty: bool = false,
    }
}

impl DatasetFolder {
    #[track_caller]
    fn from_builder(b: DatasetFolderBuilder) -> Result<Self> {
        let op = "DatasetFolder";
        ensure!(!b.loader.is_own(), Argument, op, "there is no loader that makes a tensor of a file");
        let (classes, samples) = match (b.is_valid_file.get(), &b.extensions[..]) {
            (Some(valid), []) => labelled(&b.root, valid, b.allow_empty, "")?,
            (None, endings @ [_, ..]) => by_endings(&b.root, endings, b.allow_empty)?,
            (valid, _) => {
                let what = if valid.is_some() { "are both given" } else { "are both missing" };
                bail!(Argument, op, "extensions and is_valid_file {what}; one of them says what to take")
            }
        };
        let transforms = Transforms::new(b.transform, b.target_transform)?;
        Ok(DatasetFolder {
            root: b.root,
            classes,
            samples,
            loader: b.loader,
            read: ImageReadOptions::new(),
            transforms,
            names: [op, "files"],
        })
    }

    /// Of images.
    pub(super) fn of_images(b: ImageFolderBuilder) -> Result<Self> {
        let (classes, samples) = match b.is_valid_file.get() {
            Some(valid) => labelled(&b.root, valid, b.allow_empty, "")?,
            None => by_endings(&b.root, &b.extensions, b.allow_empty)?,
        };
        let transforms = Transforms::new(b.transform, b.target_transform)?;
        let read = ImageReadOptions::new().mode(b.mode).apply_exif_orientation(b.apply_exif_orientation);
        Ok(DatasetFolder {
            root: b.root,
            classes,
            samples,
            loader: b.loader,
            read,
            transforms,
            names: ["ImageFolder", "images"],
        })
    }

    /// The names of the classes, by label.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The label of each class.
    pub fn class_to_idx(&self) -> BTreeMap<&str, i64> {
        self.classes.iter().enumerate().map(|(label, name)| (name.as_str(), label as i64)).collect()
    }

    /// The file and the label of each item.
    pub fn samples(&self) -> &[(PathBuf, i64)] {
        &self.samples
    }

    /// The label of each item.
    pub fn targets(&self) -> Vec<i64> {
        self.samples.iter().map(|(_, label)| *label).collect()
    }

    #[track_caller]
    fn sample(&self, index: usize) -> Result<(&Path, i64)> {
        let n = self.samples.len();
        match self.samples.get(index) {
            Some((path, label)) => Ok((path, *label)),
            None => bail!(Index, self.names[0], "index {index} is out of range for {n} samples"),
        }
    }

    /// An item before it is transformed.
    #[track_caller]
    pub(super) fn raw(&self, index: usize) -> Result<(Tensor, i64)> {
        let (path, label) = self.sample(index)?;
        // What torchvision's folder reads: `u8` whatever the depth, the first frame of an animation.
        let rgb = self.read == ImageReadMode::Rgb.into();
        let read = |path: &Path| if rgb { pil_loader(path) } else { read_image_as(path, self.read) };
        Ok((self.loader.load(path, read)?, label))
    }
}

impl Dataset for DatasetFolder {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.samples.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        if self.loader.is_own() {
            let (path, label) = self.sample(index)?;
            return Ok((self.transforms.read(path, self.read)?, self.transforms.target(label)));
        }
        let (item, label) = self.raw(index)?;
        self.transforms.apply(item, label)
    }
}

impl fmt::Debug for DatasetFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, classes, [name, items]) = (self.samples.len(), self.classes.len(), self.names);
        write!(f, "{name}({n} {items} of {classes} classes in {})", self.root.display())
    }
}
