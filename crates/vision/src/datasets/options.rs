//! What the builders of all datasets take: a transform for the images, a function for the labels.

use crate::transforms::{PartsTransform, SampleTransform};
use flambeau_tensor::{Build, Error, Result, Tensor};
use std::fmt;
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

/// A dataset's function for labels, or none.
#[derive(Clone, Default)]
pub struct TargetTransform(Option<Arc<dyn Fn(i64) -> i64 + Send + Sync>>);

impl<F: Fn(i64) -> i64 + Send + Sync + 'static> From<F> for TargetTransform {
    fn from(f: F) -> Self {
        TargetTransform(Some(Arc::new(f)))
    }
}

impl fmt::Debug for TargetTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(_)" } else { "None" })
    }
}

/// Both together, applied to an item.
pub(super) struct Transforms {
    image: Option<Arc<dyn PartsTransform>>,
    target: TargetTransform,
}

impl Transforms {
    pub(super) fn new(image: TransformSlot, target: TargetTransform) -> Result<Self> {
        Ok(Transforms { image: image.ready()?, target })
    }

    pub(super) fn apply(&self, image: Tensor, label: i64) -> Result<(Tensor, i64)> {
        let image = match &self.image {
            Some(transform) => transform.on(image)?,
            None => image,
        };
        Ok((image, self.target.0.as_ref().map_or(label, |f| f(label))))
    }
}
