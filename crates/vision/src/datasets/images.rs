//! Images that lie in memory with their labels: what most datasets are once they are read.

use super::options::{TargetTransform, TransformSlot, Transforms};
use flambeau_tensor::{Result, Tensor, ensure};

/// `u8` images `[N, C, H, W]` in one tensor, a label for each, the names of the classes.
pub(super) struct Images {
    name: &'static str,
    pub(super) images: Tensor,
    pub(super) labels: Vec<i64>,
    pub(super) classes: Vec<String>,
    transforms: Transforms,
}

impl Images {
    pub(super) fn new(
        name: &'static str,
        images: Tensor,
        labels: Vec<i64>,
        classes: Vec<String>,
        transform: TransformSlot,
        target_transform: TargetTransform,
    ) -> Result<Self> {
        Ok(Images { name, images, labels, classes, transforms: Transforms::new(transform, target_transform)? })
    }

    #[track_caller]
    pub(super) fn get(&self, index: usize) -> Result<(Tensor, i64)> {
        let (image, label) = self.raw(index)?;
        self.transforms.apply(image, label)
    }

    /// An item that no transform touched.
    #[track_caller]
    pub(super) fn raw(&self, index: usize) -> Result<(Tensor, i64)> {
        let n = self.labels.len();
        ensure!(index < n, Index, self.name, "index {index} is out of range for {n} samples");
        Ok((self.images.select(0, index as isize)?, self.labels[index]))
    }
}

/// The face of a dataset that is a newtype of [`Images`].
macro_rules! labelled_images {
    ($Name:ident) => {
        impl $Name {
            /// All images: `u8`, `[N, C, H, W]`.
            pub fn data(&self) -> &flambeau_tensor::Tensor {
                &self.0.images
            }

            /// All labels.
            pub fn targets(&self) -> &[i64] {
                &self.0.labels
            }

            /// The names of the classes, by label.
            pub fn classes(&self) -> &[String] {
                &self.0.classes
            }
        }

        impl $crate::datasets::Dataset for $Name {
            type Item = (flambeau_tensor::Tensor, i64);

            fn len(&self) -> usize {
                self.0.labels.len()
            }

            #[track_caller]
            fn get(&self, index: usize) -> flambeau_tensor::Result<Self::Item> {
                self.0.get(index)
            }
        }

        impl $crate::datasets::TvSamples for $Name {
            type Sample = ($crate::tv_tensors::Image, i64);

            #[track_caller]
            fn tv_sample(&self, index: usize) -> flambeau_tensor::Result<Self::Sample> {
                let (image, label) = self.0.raw(index)?;
                Ok(($crate::tv_tensors::Image::new(image)?, label))
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} images of {:?})", stringify!($Name), self.0.labels.len(), &self.0.images.shape()[1..])
            }
        }
    };
}
pub(super) use labelled_images;
