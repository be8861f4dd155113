//! What the builders of all datasets take: a transform for the images, a function for the targets, what reads a file.

use crate::io::{ImageReadOptions, Opened, open_image};
use crate::transforms::{LazyImage, PartsTransform, SampleTransform};
use flambeau_tensor::{Build, Error, Result, Tensor};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A dataset's transform, or none: made of any transform and of any builder of one, whose faults show
/// when the dataset is built.
#[derive(Clone, Default)]
pub struct TransformSlot(Option<Result<Arc<dyn PartsTransform>, Arc<Error>>>);

impl<B> From<B> for TransformSlot
where
    B: Build,
    B::Output: SampleTransform,
{
    fn from(transform: B) -> Self {
        TransformSlot(Some(match transform.build() {
            Ok(transform) => Ok(Arc::new(transform)),
            Err(error) => Err(Arc::new(error)),
        }))
    }
}

impl fmt::Debug for TransformSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("None"),
            Some(Ok(transform)) => flambeau_nn::print_module(transform.as_module(), f),
            Some(Err(error)) => fmt::Debug::fmt(error, f),
        }
    }
}

impl TransformSlot {
    /// The transform, or what was wrong with its options.
    pub(super) fn ready(self) -> Result<Option<Arc<dyn PartsTransform>>> {
        match self.0 {
            None => Ok(None),
            Some(Ok(transform)) => Ok(Some(transform)),
            Some(Err(error)) => Err(Arc::try_unwrap(error)
                .unwrap_or_else(|shared| Error::new(shared.kind(), shared.place().to_string(), shared.message()))),
        }
    }
}

/// A dataset's function for targets, or none.
pub struct TargetTransform<T = i64>(Option<Arc<dyn Fn(T) -> T + Send + Sync>>);

impl<T> Default for TargetTransform<T> {
    fn default() -> Self {
        TargetTransform(None)
    }
}

impl<T> Clone for TargetTransform<T> {
    fn clone(&self) -> Self {
        TargetTransform(self.0.clone())
    }
}

impl<T, F: Fn(T) -> T + Send + Sync + 'static> From<F> for TargetTransform<T> {
    fn from(f: F) -> Self {
        TargetTransform(Some(Arc::new(f)))
    }
}

impl<T> fmt::Debug for TargetTransform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(_)" } else { "None" })
    }
}

/// What makes an image of a file, or the data set's own way.
#[derive(Clone, Default)]
pub struct Loader(Option<Arc<dyn Fn(&Path) -> Result<Tensor> + Send + Sync>>);

impl<F: Fn(&Path) -> Result<Tensor> + Send + Sync + 'static> From<F> for Loader {
    fn from(f: F) -> Self {
        Loader(Some(Arc::new(f)))
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(_)" } else { "None" })
    }
}

impl Loader {
    /// Whether it is the data set's own way.
    pub(super) fn is_own(&self) -> bool {
        self.0.is_none()
    }

    /// The image in `path`, read by `otherwise` where no loader was given.
    pub(super) fn load(&self, path: &Path, otherwise: impl FnOnce(&Path) -> Result<Tensor>) -> Result<Tensor> {
        self.0.as_ref().map_or_else(|| otherwise(path), |load| load(path))
    }
}

/// Whether a file is one of a data set, or what the data set goes by itself.
#[derive(Clone, Default)]
pub struct ValidFile(Option<Arc<dyn Fn(&Path) -> bool + Send + Sync>>);

impl<F: Fn(&Path) -> bool + Send + Sync + 'static> From<F> for ValidFile {
    fn from(f: F) -> Self {
        ValidFile(Some(Arc::new(f)))
    }
}

impl fmt::Debug for ValidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(_)" } else { "None" })
    }
}

impl ValidFile {
    /// The function, if there is one.
    pub(super) fn get(&self) -> Option<&(dyn Fn(&Path) -> bool + Send + Sync)> {
        self.0.as_deref()
    }
}

/// Both together, applied to an item.
pub(super) struct Transforms<T = i64> {
    image: Option<Arc<dyn PartsTransform>>,
    target: TargetTransform<T>,
}

impl<T> Transforms<T> {
    pub(super) fn new(image: TransformSlot, target: TargetTransform<T>) -> Result<Self> {
        Ok(Transforms { image: image.ready()?, target })
    }

    pub(super) fn apply(&self, image: Tensor, target: T) -> Result<(Tensor, T)> {
        let image = self.image(image)?;
        Ok((image, self.target(target)))
    }

    /// The image in a file, transformed: of a JPEG only what the transform needs is decoded.
    pub(super) fn read(&self, path: &Path, options: ImageReadOptions) -> Result<Tensor> {
        let opened = open_image(path, options)?;
        let Some(transform) = &self.image else {
            return match opened {
                Opened::Jpeg(file) => file.pixels(),
                Opened::Pixels(image) => Ok(image),
            };
        };
        let mut image = match opened {
            Opened::Jpeg(file) => LazyImage::of_file(file),
            Opened::Pixels(image) => LazyImage::from(image),
        };
        transform.transform_lazily(&mut image)?;
        Ok(image.into_part()?.into_tensor())
    }

    pub(super) fn image(&self, image: Tensor) -> Result<Tensor> {
        match &self.image {
            Some(transform) => {
                let mut image = LazyImage::from(image);
                transform.transform_lazily(&mut image)?;
                Ok(image.into_part()?.into_tensor())
            }
            None => Ok(image),
        }
    }

    pub(super) fn target(&self, target: T) -> T {
        match &self.target.0 {
            Some(f) => f(target),
            None => target,
        }
    }
}
