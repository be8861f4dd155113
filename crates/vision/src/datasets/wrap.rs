//! Items as samples that transforms know: `wrap_dataset_for_transforms_v2`.

use super::Dataset;
use super::options::TransformSlot;
use crate::transforms::{PartsTransform, SampleTransform};
use crate::tv_tensors::Sample;
use flambeau_tensor::Result;
use std::sync::Arc;

/// A data set that can give its items as samples whose parts say what they are: an `Image`, a `Mask`, `BoundingBoxes`.
pub trait TvSamples: Dataset {
    /// What one is.
    type Sample: Sample;

    /// The item with number `index` as a sample. The transforms given to the data set itself are not applied.
    ///
    /// # Errors
    /// Where there is no such item, or it cannot be read.
    fn tv_sample(&self, index: usize) -> Result<Self::Sample>;
}

/// `dataset` with samples for items whose parts say what they are, as
/// `torchvision.datasets.wrap_dataset_for_transforms_v2`; [`transforms`](Wrapped::transforms) gives it a transform of the
/// whole sample, which draws once for the image and what belongs to it. The transforms given to the data set itself are not
/// applied.
///
/// ```no_run
/// use flambeau_vision::datasets::{Dataset, VocSegmentation, wrap_dataset_for_transforms_v2};
/// use flambeau_vision::transforms::{Compose, RandomCrop, RandomHorizontalFlip};
///
/// let things = VocSegmentation::new("voc").build()?;
/// let things = wrap_dataset_for_transforms_v2(things)
///     .transforms(Compose::of((RandomCrop::new(224).pad_if_needed(true), RandomHorizontalFlip::new())))?;
/// let (image, mask) = things.get(0)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn wrap_dataset_for_transforms_v2<D: TvSamples>(dataset: D) -> Wrapped<D> {
    Wrapped { dataset, transforms: None }
}

/// What [`wrap_dataset_for_transforms_v2`] makes.
pub struct Wrapped<D> {
    dataset: D,
    transforms: Option<Arc<dyn PartsTransform>>,
}

impl<D> Wrapped<D> {
    /// With this transform of each sample, or what a builder of one makes.
    ///
    /// # Errors
    /// Where the builder's options do not go together.
    pub fn transforms(mut self, transforms: impl Into<TransformSlot>) -> Result<Self> {
        self.transforms = transforms.into().ready()?;
        Ok(self)
    }

    /// The data set inside.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }
}

impl<D: TvSamples> Dataset for Wrapped<D> {
    type Item = D::Sample;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    #[track_caller]
    fn get(&self, index: usize) -> Result<D::Sample> {
        let sample = self.dataset.tv_sample(index)?;
        match &self.transforms {
            Some(transforms) => transforms.on(sample),
            None => Ok(sample),
        }
    }
}

impl<D: std::fmt::Debug> std::fmt::Debug for Wrapped<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wrapped({:?})", self.dataset)
    }
}
