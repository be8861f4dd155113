//! What most data sets are once their lists are read: a file for each image, a target for each, the names of the classes;
//! and the macro that writes such a data set around the function that finds them.

use super::options::{Loader, Transforms};
use crate::tv_tensors::Image;
use flambeau_tensor::{Result, Tensor, ensure};
use std::path::PathBuf;

/// The targets of the images: known once the lists are read, or read when they are asked for.
pub(super) enum Targets<T> {
    Known(Vec<T>),
    Read(Box<dyn Fn(usize) -> Result<T> + Send + Sync>),
}

impl<T> Targets<T> {
    /// Targets that `f` reads.
    pub(super) fn read(f: impl Fn(usize) -> Result<T> + Send + Sync + 'static) -> Self {
        Targets::Read(Box::new(f))
    }
}

/// What a data set finds in its folders.
pub(super) struct Found<T> {
    pub(super) images: Vec<PathBuf>,
    pub(super) targets: Targets<T>,
    pub(super) classes: Vec<String>,
}

impl<T> Found<T> {
    /// Files with their targets, which have no classes.
    pub(super) fn new(samples: impl IntoIterator<Item = (PathBuf, T)>) -> Self {
        Found::of_classes(samples, Vec::new())
    }

    /// Files with their targets, and the names of the classes.
    pub(super) fn of_classes(samples: impl IntoIterator<Item = (PathBuf, T)>, classes: Vec<String>) -> Self {
        let (images, targets) = samples.into_iter().unzip();
        Found { images, targets: Targets::Known(targets), classes }
    }
}

/// A data set of files.
pub(super) struct Items<T> {
    pub(super) name: &'static str,
    pub(super) found: Found<T>,
    /// How its images are read unless a loader says otherwise.
    pub(super) load: fn(&std::path::Path) -> Result<Tensor>,
    pub(super) loader: Loader,
    pub(super) transforms: Transforms<T>,
}

impl<T: Clone> Items<T> {
    pub(super) fn len(&self) -> usize {
        self.found.images.len()
    }

    /// An item as it lies in the files.
    #[track_caller]
    pub(super) fn raw(&self, index: usize) -> Result<(Tensor, T)> {
        let n = self.len();
        ensure!(index < n, Index, self.name, "index {index} is out of range for {n} samples");
        let image = self.loader.load(&self.found.images[index], self.load)?;
        let target = match &self.found.targets {
            Targets::Known(targets) => targets[index].clone(),
            Targets::Read(read) => read(index)?,
        };
        Ok((image, target))
    }

    #[track_caller]
    pub(super) fn get(&self, index: usize) -> Result<(Tensor, T)> {
        let (image, target) = self.raw(index)?;
        self.transforms.apply(image, target)
    }

    /// An item that no transform touched, as an image and its target.
    #[track_caller]
    pub(super) fn tv(&self, index: usize) -> Result<(Image, T)> {
        let (image, target) = self.raw(index)?;
        Ok((Image::new(image)?, target))
    }
}

/// Writes data sets: of each its name and that of its builder, what a target is, how an image is read; what `new` takes,
/// the options, what finds its files from the builder; and where a target is no [`Sample`](crate::tv_tensors::Sample), what
/// makes one of an image and its target.
macro_rules! image_sets {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident: $T:ty, $load:expr;
        new { $($(#[$req_doc:meta])* $req:ident: $(~ $req_into:ident)? $req_ty:ty,)* }
        options { $($(#[$opt_doc:meta])* $opt:ident: $(~ $opt_into:ident)? $ty:ty = $default:expr,)* }
        find $find:expr;
        $(-> $S:ty = $tv:expr;)?
    )*) => {$(
        $(#[$doc])*
        pub struct $Name($crate::datasets::items::Items<$T>);

        flambeau_tensor::builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new { $($(#[$req_doc])* $req: $(~ $req_into)? $req_ty,)* }
            options {
                $($(#[$opt_doc])* $opt: $(~ $opt_into)? $ty = $default,)*
                /// What is done to each image: a transform, or the builder of one.
                transform: ~into $crate::datasets::TransformSlot = $crate::datasets::TransformSlot::default(),
                /// What is done to each target: a function from it to another.
                target_transform: ~into $crate::datasets::TargetTransform<$T> = $crate::datasets::TargetTransform::default(),
                /// What makes an image of a file: a function of its path.
                loader: ~into $crate::datasets::Loader = $crate::datasets::Loader::default(),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> flambeau_tensor::Result<Self> {
                let found = $find(&b)?;
                Ok($Name($crate::datasets::items::Items {
                    name: stringify!($Name),
                    found,
                    load: |path| $load(path),
                    loader: b.loader,
                    transforms: $crate::datasets::options::Transforms::new(b.transform, b.target_transform)?,
                }))
            }

            /// The names of the classes, by label; none where there are no classes.
            pub fn classes(&self) -> &[String] {
                &self.0.found.classes
            }

            /// The file of each image.
            pub fn files(&self) -> &[std::path::PathBuf] {
                &self.0.found.images
            }
        }

        impl $crate::datasets::Dataset for $Name {
            type Item = (flambeau_tensor::Tensor, $T);

            fn len(&self) -> usize {
                self.0.len()
            }

            #[track_caller]
            fn get(&self, index: usize) -> flambeau_tensor::Result<Self::Item> {
                self.0.get(index)
            }
        }

        $crate::datasets::items::image_sets!(@tv $Name $T $(, $S, $tv)?);

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} images", self.0.name, self.0.len())?;
                match self.0.found.classes.len() {
                    0 => f.write_str(")"),
                    classes => write!(f, " of {classes} classes)"),
                }
            }
        }
    )*};
    (@tv $Name:ident $T:ty) => {
        impl $crate::datasets::TvSamples for $Name {
            type Sample = ($crate::tv_tensors::Image, $T);

            #[track_caller]
            fn tv_sample(&self, index: usize) -> flambeau_tensor::Result<Self::Sample> {
                self.0.tv(index)
            }
        }
    };
    (@tv $Name:ident $T:ty, $S:ty, $tv:expr) => {
        impl $crate::datasets::TvSamples for $Name {
            type Sample = $S;

            #[track_caller]
            fn tv_sample(&self, index: usize) -> flambeau_tensor::Result<Self::Sample> {
                let (image, target) = self.0.tv(index)?;
                $tv(image, target)
            }
        }
    };
}
pub(super) use image_sets;

/// Writes `samples()` for data sets whose targets are labels.
macro_rules! label_sets {
    ($($Name:ident)*) => {$(
        impl $Name {
            /// The file and the label of each item.
            pub fn samples(&self) -> Vec<(std::path::PathBuf, i64)> {
                match &self.0.found.targets {
                    $crate::datasets::items::Targets::Known(labels) => {
                        self.0.found.images.iter().cloned().zip(labels.iter().copied()).collect()
                    }
                    $crate::datasets::items::Targets::Read(_) => Vec::new(),
                }
            }
        }
    )*};
}
pub(super) use label_sets;
