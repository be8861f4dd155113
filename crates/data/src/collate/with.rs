//! Ways to make a batch that a loader is given.

use super::Collate;
use crate::dataset::Dataset;
use flambeau_tensor::{Error, Result};

/// A way to make a batch of items: [`DefaultCollate`], [`PadCollate`](super::PadCollate), or a closure from a `Vec` of
/// items to a `Result`.
pub trait CollateWith<T>: Send + Sync + 'static {
    /// A batch of items.
    type Batch: Send + 'static;

    /// The batch of `items`, of which there is at least one.
    ///
    /// # Errors
    /// Where they do not fit each other.
    fn collate(&self, items: Vec<T>) -> Result<Self::Batch>;

    /// The batch of a dataset's items, where the dataset can make it without them; see [`Dataset::get_batch`].
    fn fetch<D: Dataset<Item = T>>(&self, _dataset: &D, _indices: &[usize]) -> Option<Result<Self::Batch>> {
        None
    }
}

/// Items by their own [`Collate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultCollate;

impl<T: Collate<Batch: Send + 'static>> CollateWith<T> for DefaultCollate {
    type Batch = T::Batch;
    fn collate(&self, items: Vec<T>) -> Result<T::Batch> {
        T::collate(items)
    }
    fn fetch<D: Dataset<Item = T>>(&self, dataset: &D, indices: &[usize]) -> Option<Result<T::Batch>> {
        dataset.get_batch(indices)
    }
}

impl<T, B: Send + 'static, F: Fn(Vec<T>) -> Result<B> + Send + Sync + 'static> CollateWith<T> for F {
    type Batch = B;
    fn collate(&self, items: Vec<T>) -> Result<B> {
        self(items)
    }
}

/// Items as they are, one at a time: what `batch_size(None)` makes of a loader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unbatched;

impl<T: Send + 'static> CollateWith<T> for Unbatched {
    type Batch = T;
    fn collate(&self, items: Vec<T>) -> Result<T> {
        items.into_iter().next().ok_or_else(|| Error::other("a batch of no items"))
    }
}

/// Items through a function first. See [`StreamLoaderBuilder::transform`](crate::StreamLoaderBuilder::transform).
#[derive(Clone, Copy, Debug)]
pub struct Transformed<F, C> {
    pub(crate) f: F,
    pub(crate) inner: C,
}

impl<T, U, F, C> CollateWith<T> for Transformed<F, C>
where
    T: 'static,
    F: Fn(T) -> Result<U> + Send + Sync + 'static,
    C: CollateWith<U>,
{
    type Batch = C::Batch;
    fn collate(&self, items: Vec<T>) -> Result<C::Batch> {
        self.inner.collate(items.into_iter().map(&self.f).collect::<Result<_>>()?)
    }
}
