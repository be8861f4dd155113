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

/// A data set's function of a file's path, or none: then it goes by itself. Made of any function or closure.
pub struct PathFunction<R>(Option<Arc<dyn Fn(&Path) -> R + Send + Sync>>);

/// What makes an image of a file.
pub type Loader = PathFunction<Result<Tensor>>;

/// Whether a file is one of a data set.
pub type ValidFile = PathFunction<bool>;

impl<R> Default for PathFunction<R> {
    fn default() -> Self {
        PathFunction(None)
    }
}

impl<R> Clone for PathFunction<R> {
    fn clone(&self) -> Self {
        PathFunction(self.0.clone())
    }
}

impl<R, F: Fn(&Path) -> R + Send + Sync + 'static> From<F> for PathFunction<R> {
    fn from(f: F) -> Self {
        PathFunction(Some(Arc::new(f)))
    }
}

impl<R> fmt::Debug for PathFunction<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(_)" } else { "None" })
    }
}

impl<R> PathFunction<R> {
    /// Whether there is none.
    pub(super) fn is_own(&self) -> bool {
        self.0.is_none()
    }

    /// The function, if there is one.
    pub(super) fn get(&self) -> Option<&(dyn Fn(&Path) -> R + Send + Sync)> {
        self.0.as_deref()
    }

    /// What it makes of `path`, or `otherwise` where there is none.
    pub(super) fn load(&self, path: &Path, otherwise: impl FnOnce(&Path) -> R) -> R {
        self.0.as_ref().map_or_else(|| otherwise(path), |f| f(path))
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
