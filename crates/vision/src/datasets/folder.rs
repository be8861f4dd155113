//! Images and other files in a folder for each class.

mod any;

pub use any::{DatasetFolder, DatasetFolderBuilder};

use super::options::{Loader, TargetTransform, TransformSlot, ValidFile};
use super::{Dataset, TvSamples};
use crate::io::ImageReadMode;
use crate::tv_tensors::Image;
use flambeau_tensor::{Error, Result, Tensor, builder, ensure};
use std::collections::HashSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Images in a folder for each class, as `torchvision.datasets.ImageFolder`: `root/cat/1.png`,
/// `root/dog/some/where/2.jpg`. The classes are the folders in the order of their names. An image is read
/// when it is asked for.
///
/// An item is an image and its label. Without a transform the image is `u8` of shape `[3, H, W]`. Where a transform begins
/// with crops, sizes and mirror images, only what it needs of a JPEG is decoded, and all is done in one pass
/// ([`LazyImage`](crate::transforms::LazyImage)): the same pixels, sooner.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::datasets::{Dataset, ImageFolder};
/// use flambeau_vision::io::write_image;
///
/// let root = std::env::temp_dir().join("flambeau-image-folder");
/// for class in ["dog", "cat"] {
///     std::fs::create_dir_all(root.join(class)).unwrap();
///     write_image(&Tensor::from_vec(vec![7u8; 12], [3, 2, 2])?, root.join(class).join("1.png"))?;
/// }
/// let pets = ImageFolder::new(&root).build()?;
/// assert_eq!((pets.classes(), pets.len()), (&["cat".to_string(), "dog".to_string()][..], 2));
/// assert_eq!(pets.get(1)?.1, 1);
/// # std::fs::remove_dir_all(root).ok();
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct ImageFolder(DatasetFolder);

/// The files and their classes.
impl Deref for ImageFolder {
    type Target = DatasetFolder;

    fn deref(&self) -> &DatasetFolder {
        &self.0
    }
}

builder! {
    /// Options of [`ImageFolder`].
    pub struct ImageFolderBuilder => ImageFolder;
    new {
        /// The folder that holds the folders of the classes.
        root: ~into PathBuf,
    }
    options {
        /// What is done to each image: a transform, or the builder of one.
        transform: ~into TransformSlot = TransformSlot::default(),
        /// What is done to each label: a function from `i64` to `i64`.
        target_transform: ~into TargetTransform = TargetTransform::default(),
        /// What makes an image of a file: a function of its path.
        loader: ~into Loader = Loader::default(),
        /// The endings of the files to take, without the dot, in any case: those of
        /// torchvision unless set: jpg, jpeg, png, ppm, bmp, pgm, tif, tiff, webp.
        extensions: ~into Vec<&'static str> = super::listed::IMAGES.to_vec(),
        /// Which files to take instead, by their whole path: a function that says so.
        is_valid_file: ~into ValidFile = ValidFile::default(),
        /// The channels of the images: RGB unless set, as [`pil_loader`] reads them.
        mode: ImageReadMode = ImageReadMode::Rgb,
        /// Turn and mirror the images as their EXIF data say. False unless set.
        apply_exif_orientation: bool = false,
        /// Let a class have no images. False unless set.
        allow_empty: bool = false,
    }
}

impl ImageFolder {
    fn from_builder(b: ImageFolderBuilder) -> Result<Self> {
        DatasetFolder::of_images(b).map(ImageFolder)
    }
}

impl Dataset for ImageFolder {
    type Item = (Tensor, i64);

    fn len(&self) -> usize {
        self.0.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<Self::Item> {
        self.0.get(index)
    }
}

impl TvSamples for ImageFolder {
    type Sample = (Image, i64);

    #[track_caller]
    fn tv_sample(&self, index: usize) -> Result<Self::Sample> {
        let (image, label) = self.0.raw(index)?;
        Ok((Image::new(image)?, label))
    }
}

impl std::fmt::Debug for ImageFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

/// The folders in `folder` with their names, in the order of these.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders: Vec<(String, PathBuf)> = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        folders.push((name, path));
    }
    folders.sort();
    Ok(folders)
}

/// The classes, and the files with the labels of theirs.
type Labelled = (Vec<String>, Vec<(PathBuf, i64)>);

/// A class for each folder in `root`, of the files that are `valid`; an error about a class without any ends in `hint`.
fn labelled(root: &Path, valid: &dyn Fn(&Path) -> bool, allow_empty: bool, hint: &str) -> Result<Labelled> {
    let place = || format!("read {}", root.display());
    let folders = subfolders(root)?;
    ensure!(!folders.is_empty(), Format, place(), "there is no folder in it, so no class");
    let (samples, empty) = files_of_classes(&folders, valid)?;
    let full = empty.is_empty() || allow_empty;
    ensure!(full, Format, place(), "no file to take in the folder of {}{hint}", empty.join(", "));
    Ok((folders.into_iter().map(|(name, _)| name).collect(), samples))
}

/// [`labelled`] by the endings of files.
fn by_endings(root: &Path, endings: &[&str], allow_empty: bool) -> Result<Labelled> {
    let hint = format!("; the endings are {}", endings.join(", "));
    labelled(root, &|path| ends_in(path, endings), allow_empty, &hint)
}

/// The images under each folder with its place in the list, and the names of the folders without any.
#[allow(clippy::type_complexity)]
pub(super) fn images_of_classes<'a>(
    folders: &'a [(String, PathBuf)],
    extensions: &[&str],
) -> Result<(Vec<(PathBuf, i64)>, Vec<&'a str>)> {
    files_of_classes(folders, &|path| ends_in(path, extensions))
}

#[allow(clippy::type_complexity)]
fn files_of_classes<'a>(
    folders: &'a [(String, PathBuf)],
    valid: &dyn Fn(&Path) -> bool,
) -> Result<(Vec<(PathBuf, i64)>, Vec<&'a str>)> {
    let (mut samples, mut empty) = (Vec::new(), Vec::new());
    for (label, (name, folder)) in folders.iter().enumerate() {
        let before = samples.len();
        files_under(folder, valid, &mut |path| samples.push((path, label as i64)))?;
        if samples.len() == before {
            empty.push(name.as_str());
        }
    }
    Ok((samples, empty))
}

/// Whether the name ends in one of `endings`, in any case, with or without their dot.
fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    endings.iter().any(|e| e.trim_start_matches('.').eq_ignore_ascii_case(&ending))
}

/// What is in `folder`.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    list.map(|entry| entry.map(|e| e.path()).map_err(|e| Error::io("read", folder, e))).collect()
}

/// Calls `found` with the files under `folder` that are `valid`, in torchvision's order: folders by the whole of their
/// paths, the files of each by name.
fn files_under(folder: &Path, valid: &dyn Fn(&Path) -> bool, found: &mut dyn FnMut(PathBuf)) -> Result<()> {
    // Links are followed; a folder that was met is not walked again, so a circle of links ends.
    let (mut walk, mut met, mut files) = (vec![folder.to_path_buf()], HashSet::new(), Vec::new());
    while let Some(folder) = walk.pop() {
        if !met.insert(folder.canonicalize().map_err(|e| Error::io("read", &folder, e))?) {
            continue;
        }
        let (folders, mut here): (Vec<_>, Vec<_>) = entries(&folder)?.into_iter().partition(|path| path.is_dir());
        here.retain(|path| valid(path));
        here.sort();
        files.push((folder.into_os_string(), here));
        walk.extend(folders);
    }
    files.sort();
    files.into_iter().flat_map(|(_, here)| here).for_each(found);
    Ok(())
}

#[cfg(test)]
mod tests;
