//! Datasets: items by number, and items in a stream.

mod combine;
mod stream;
mod tensors;

pub use combine::{ConcatDataset, Parts, Split, StackDataset, Subset, random_split};
pub use stream::{ChainDataset, IterableDataset, Stream};
pub use tensors::{Columns, TensorDataset};

use crate::collate::Collate;
use flambeau_tensor::{Result, ensure};
use std::sync::Arc;

/// Items by number: `torch.utils.data.Dataset`.
pub trait Dataset: Send + Sync {
    /// What one item is.
    type Item;

    /// How many there are.
    fn len(&self) -> usize;

    /// The item with number `index`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    fn get(&self, index: usize) -> Result<Self::Item>;

    /// Several items at once, for datasets where that costs less than one by one (a database, rows of a tensor);
    /// `None` for others. PyTorch's `__getitems__`.
    fn get_many(&self, _indices: &[usize]) -> Option<Result<Vec<Self::Item>>> {
        None
    }

    /// Several items as the batch that [`Collate`] makes of them, where the dataset can make it without the items;
    /// `None` for others.
    fn get_batch(&self, _indices: &[usize]) -> Option<Result<<Self::Item as Collate>::Batch>>
    where
        Self::Item: Collate,
    {
        None
    }

    /// True where there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each item through `f` as it is read.
    fn map<U, F: Fn(Self::Item) -> Result<U> + Send + Sync>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
    {
        Map { inner: self, f }
    }
}

macro_rules! through_pointer {
    ($($P:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $P {
            type Item = D::Item;
            fn len(&self) -> usize { (**self).len() }
            fn get(&self, index: usize) -> Result<D::Item> { (**self).get(index) }
            fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<D::Item>>> { (**self).get_many(indices) }
            fn get_batch(&self, indices: &[usize]) -> Option<Result<<D::Item as Collate>::Batch>>
            where
                D::Item: Collate,
            {
                (**self).get_batch(indices)
            }
        }
    )*};
}
through_pointer!(Arc<D>, Box<D>, &D);

/// The items of a list. (A `Vec` itself is no dataset: its own `get` would be hidden wherever the trait is in scope.)
///
/// ```
/// use flambeau_data::{DataLoader, ListDataset};
///
/// let loader = DataLoader::new(ListDataset(vec![1i64, 2, 3])).batch_size(2).build()?;
/// assert_eq!(loader.len(), 2);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ListDataset<T>(pub Vec<T>);

impl<T: Clone + Send + Sync> Dataset for ListDataset<T> {
    type Item = T;
    fn len(&self) -> usize {
        self.0.len()
    }
    fn get(&self, index: usize) -> Result<T> {
        check(index, self.0.len())?;
        Ok(self.0[index].clone())
    }
}

#[track_caller]
fn check(index: usize, len: usize) -> Result<()> {
    ensure!(index < len, Index, "Dataset::get", "there is no item {index}, the dataset has {len}");
    Ok(())
}

/// A dataset whose items pass through a function. See [`Dataset::map`] and [`IterableDataset::map`].
#[derive(Clone, Debug)]
pub struct Map<D, F> {
    inner: D,
    f: F,
}

impl<D: Dataset, U, F: Fn(D::Item) -> Result<U> + Send + Sync> Dataset for Map<D, F> {
    type Item = U;
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn get(&self, index: usize) -> Result<U> {
        (self.f)(self.inner.get(index)?)
    }
    fn get_many(&self, indices: &[usize]) -> Option<Result<Vec<U>>> {
        let items = self.inner.get_many(indices)?;
        Some(items.and_then(|items| items.into_iter().map(&self.f).collect()))
    }
}
