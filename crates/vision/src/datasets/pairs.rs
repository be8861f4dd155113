//! Two images with a field of numbers between them: what optical flow and stereo sets have in common.

use super::options::{Loader, TransformSlot};
use crate::io::pil_loader;
use crate::transforms::{PartsTransform, SampleTransform, draw};
use crate::tv_tensors::Image;
use flambeau_tensor::{Result, Tensor, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The field, and where it is known.
pub(super) type Field = (Option<Tensor>, Option<Tensor>);

/// An item: both images, the field, and where it is known.
pub(super) type Item = (Tensor, Tensor, Option<Tensor>, Option<Tensor>);

/// The files of both images, and that of the field.
pub(super) struct Files {
    pub(super) images: [PathBuf; 2],
    field: Option<PathBuf>,
    /// Other views of the second image, of which one may be drawn in its place.
    pub(super) views: Vec<PathBuf>,
}

impl Files {
    pub(super) fn new(images: [PathBuf; 2], field: Option<PathBuf>) -> Files {
        Files { images, field, views: Vec::new() }
    }

    /// The second image, or another view of it.
    #[track_caller]
    fn second(&self) -> Result<&PathBuf> {
        if self.views.is_empty() {
            return Ok(&self.images[1]);
        }
        let drawn = draw::below(self.views.len() + 1)?;
        Ok(self.views.get(drawn).unwrap_or(&self.images[1]))
    }
}

/// A set of such.
pub(super) struct Pairs {
    name: &'static str,
    files: Vec<Files>,
    read: fn(&Path) -> Result<Field>,
    loader: Loader,
    transforms: Option<Arc<dyn PartsTransform>>,
}

impl Pairs {
    pub(super) fn new(
        name: &'static str,
        files: Vec<Files>,
        read: fn(&Path) -> Result<Field>,
        loader: Loader,
        transforms: TransformSlot,
    ) -> Result<Self> {
        Ok(Pairs { name, files, read, loader, transforms: transforms.ready()? })
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn files(&self) -> &[Files] {
        &self.files
    }

    #[track_caller]
    pub(super) fn tv(&self, index: usize) -> Result<(Image, Image, Option<Tensor>, Option<Tensor>)> {
        let n = self.files.len();
        ensure!(index < n, Index, self.name, "index {index} is out of range for {n} samples");
        let files = &self.files[index];
        let image = |path: &PathBuf| Image::new(self.loader.load(path, |path| pil_loader(path))?);
        let (field, known) = files.field.as_deref().map_or(Ok((None, None)), self.read)?;
        Ok((image(&files.images[0])?, image(files.second()?)?, field, known))
    }

    #[track_caller]
    pub(super) fn get(&self, index: usize) -> Result<Item> {
        let mut item = self.tv(index)?;
        if let Some(transforms) = &self.transforms {
            item = transforms.on(item)?;
        }
        let (first, second, field, known) = item;
        Ok((first.into(), second.into(), field, known))
    }
}

/// Writes such sets: of each its options, what finds its files from the builder, and what reads a field.
macro_rules! pair_sets {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident { $($(#[$opt_doc:meta])* $opt:ident: $(~ $into:ident)? $ty:ty = $default:expr,)* }
        $find:expr, $read:expr;
    )*) => {$(
        $(#[$doc])*
        pub struct $Name($crate::datasets::pairs::Pairs);

        flambeau_tensor::builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The folder that holds the folder of the data set.
                root: ~into std::path::PathBuf,
            }
            options {
                $($(#[$opt_doc])* $opt: $(~ $into)? $ty = $default,)*
                /// What is done to each item as a sample: both images at once, while fields are plain tensors.
                transforms: ~into $crate::datasets::TransformSlot = $crate::datasets::TransformSlot::default(),
                /// What makes an image of a file: a function of its path.
                loader: ~into $crate::datasets::Loader = $crate::datasets::Loader::default(),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> flambeau_tensor::Result<Self> {
                let files = $find(&b)?;
                let name = stringify!($Name);
                Ok($Name($crate::datasets::pairs::Pairs::new(name, files, $read, b.loader, b.transforms)?))
            }

            /// The files of both images of each item.
            pub fn files(&self) -> Vec<[std::path::PathBuf; 2]> {
                self.0.files().iter().map(|files| files.images.clone()).collect()
            }
        }

        impl $crate::datasets::Dataset for $Name {
            type Item = $crate::datasets::pairs::Item;

            fn len(&self) -> usize {
                self.0.len()
            }

            #[track_caller]
            fn get(&self, index: usize) -> flambeau_tensor::Result<Self::Item> {
                self.0.get(index)
            }
        }

        impl $crate::datasets::TvSamples for $Name {
            type Sample = (
                $crate::tv_tensors::Image,
                $crate::tv_tensors::Image,
                Option<flambeau_tensor::Tensor>,
                Option<flambeau_tensor::Tensor>,
            );

            #[track_caller]
            fn tv_sample(&self, index: usize) -> flambeau_tensor::Result<Self::Sample> {
                self.0.tv(index)
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} pairs of images)", stringify!($Name), self.0.len())
            }
        }
    )*};
}
pub(super) use pair_sets;
