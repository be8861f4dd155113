//! Files of any kind in a folder for each class.

use super::{by_endings, labelled};
use crate::datasets::Dataset;
use crate::datasets::options::{Loader, TargetTransform, TransformSlot, Transforms, ValidFile};
use flambeau_tensor::{Result, Tensor, builder, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
    loader: Loader,
    transforms: Transforms,
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
                flambeau_tensor::bail!(
                    Argument,
                    op,
                    "extensions and is_valid_file {what}; one of them says what to take"
                )
            }
        };
        let transforms = Transforms::new(b.transform, b.target_transform)?;
        Ok(DatasetFolder { root: b.root, classes, samples, loader: b.loader, transforms })
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
}

impl Dataset for DatasetFolder {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.samples.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        let n = self.samples.len();
        let Some((path, label)) = self.samples.get(index) else {
            flambeau_tensor::bail!(Index, "DatasetFolder", "index {index} is out of range for {n} samples")
        };
        let item = self.loader.load(path, |path| crate::io::read_image(path))?;
        self.transforms.apply(item, *label)
    }
}

impl fmt::Debug for DatasetFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, classes) = (self.samples.len(), self.classes.len());
        write!(f, "DatasetFolder({n} files of {classes} classes in {})", self.root.display())
    }
}
