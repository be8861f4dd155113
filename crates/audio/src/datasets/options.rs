//! What the builders of all datasets take: a transform for the waveforms.

use flambeau_nn::{Call, Layer};
use flambeau_tensor::{Build, Error, Result, Tensor};
use std::fmt;
use std::sync::Arc;

/// A dataset's transform, or none: made of any module with a `forward` and of any builder of one, whose
/// faults show when the dataset is built.
#[derive(Clone, Default)]
pub struct TransformSlot(Option<Result<Arc<dyn Layer>, Arc<Error>>>);

impl<B> From<B> for TransformSlot
where
    B: Build,
    B::Output: Layer,
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

/// A transform that was found right, or none.
pub(super) struct Ready(Option<Arc<dyn Layer>>);

impl TransformSlot {
    /// The transform, or what was wrong with its options.
    pub(super) fn ready(self) -> Result<Ready> {
        match self.0.transpose() {
            Ok(transform) => Ok(Ready(transform)),
            Err(error) => Err(Arc::try_unwrap(error)
                .unwrap_or_else(|shared| Error::new(shared.kind(), shared.place().to_string(), shared.message()))),
        }
    }
}

impl Ready {
    #[track_caller]
    pub(super) fn apply(&self, waveform: Tensor) -> Result<Tensor> {
        self.0.as_ref().map_or(Ok(waveform.clone()), |transform| transform.call(&waveform))
    }
}
