//! Datasets that are read from front to back: logs, archives, what comes over a network.

use super::Map;
use flambeau_tensor::Result;
use std::sync::Arc;

/// Items in order.
pub type Stream<T> = Box<dyn Iterator<Item = Result<T>> + Send>;

/// Items one after another, without numbers: `torch.utils.data.IterableDataset`. It is loaded by
/// [`DataLoader::stream`](crate::DataLoader::stream).
///
/// All workers of a loader take from one stream, in order; so each item comes once, and in the same order, for any
/// number of them. What `iter` does is done by one worker at a time. Work that is to be shared (decoding,
/// augmentation) goes into the loader's [`transform`](crate::StreamLoaderBuilder::transform).
///
/// ```
/// use flambeau_data::{DataLoader, IterableDataset, Stream};
/// use flambeau_tensor::Result;
///
/// struct Lines(&'static str);
///
/// impl IterableDataset for Lines {
///     type Item = &'static str;
///     fn iter(&self) -> Result<Stream<&'static str>> {
///         Ok(Box::new(self.0.lines().map(Ok)))
///     }
/// }
///
/// let loader = DataLoader::stream(Lines("1\n2\n3")).transform(|line: &str| Ok(line.parse::<i64>()?));
/// let loader = loader.batch_size(2).workers(2).build()?;
/// let batches = loader.iter().map(|b| b?.to_vec::<i64>()).collect::<Result<Vec<_>>>()?;
/// assert_eq!(batches, [vec![1, 2], vec![3]]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait IterableDataset: Send + Sync {
    /// What one item is.
    type Item: 'static;

    /// All items, from the first on. What is random draws from the default generator, which the loader seeds.
    ///
    /// # Errors
    /// Where the source cannot be opened.
    fn iter(&self) -> Result<Stream<Self::Item>>;

    /// The items for one process of `world`: every one of that many, from number `rank` on. A dataset that can skip
    /// the others without reading them does so here; which items come is to stay the same.
    ///
    /// # Errors
    /// As [`iter`](IterableDataset::iter).
    fn shard(&self, rank: usize, world: usize) -> Result<Stream<Self::Item>> {
        let whole = self.iter()?;
        Ok(if world <= 1 { whole } else { Box::new(whole.skip(rank).step_by(world)) })
    }

    /// How many there are, where that is known.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Each item through `f` as it is read, by one worker at a time.
    fn map<U, F>(self, f: F) -> Map<Self, Arc<F>>
    where
        Self: Sized,
        F: Fn(Self::Item) -> Result<U> + Send + Sync + 'static,
    {
        Map { inner: self, f: Arc::new(f) }
    }
}

impl<D: IterableDataset, U: 'static, F: Fn(D::Item) -> Result<U> + Send + Sync + 'static> IterableDataset
    for Map<D, Arc<F>>
{
    type Item = U;
    fn iter(&self) -> Result<Stream<U>> {
        let f = self.f.clone();
        Ok(Box::new(self.inner.iter()?.map(move |item| f(item?))))
    }
    fn shard(&self, rank: usize, world: usize) -> Result<Stream<U>> {
        let f = self.f.clone();
        Ok(Box::new(self.inner.shard(rank, world)?.map(move |item| f(item?))))
    }
    fn len(&self) -> Option<usize> {
        self.inner.len()
    }
}

macro_rules! through_pointer {
    ($($P:ty),*) => {$(
        impl<D: IterableDataset + ?Sized> IterableDataset for $P {
            type Item = D::Item;
            fn iter(&self) -> Result<Stream<D::Item>> { (**self).iter() }
            fn shard(&self, rank: usize, world: usize) -> Result<Stream<D::Item>> { (**self).shard(rank, world) }
            fn len(&self) -> Option<usize> { (**self).len() }
        }
    )*};
}
through_pointer!(Arc<D>, Box<D>);

/// Streams after one another, each opened when its turn comes: `torch.utils.data.ChainDataset`.
#[derive(Debug)]
pub struct ChainDataset<D>(Arc<[D]>);

impl<D: IterableDataset> ChainDataset<D> {
    /// The items of all `parts`, in order. Of several types, they are `Box<dyn IterableDataset>`s.
    pub fn new(parts: Vec<D>) -> Self {
        ChainDataset(parts.into())
    }
}

impl<D: IterableDataset + 'static> IterableDataset for ChainDataset<D> {
    type Item = D::Item;

    fn iter(&self) -> Result<Stream<D::Item>> {
        let parts = self.0.clone();
        let (mut next, mut current): (usize, Option<Stream<D::Item>>) = (0, None);
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(item) = current.as_mut().and_then(Iterator::next) {
                    return Some(item);
                }
                let part = parts.get(next)?;
                next += 1;
                match part.iter() {
                    Ok(stream) => current = Some(stream),
                    Err(e) => return Some(Err(e.context("ChainDataset", format_args!("part {}", next - 1)))),
                }
            }
        })))
    }

    fn len(&self) -> Option<usize> {
        self.0.iter().try_fold(0usize, |n, part| n.checked_add(part.len()?))
    }
}
