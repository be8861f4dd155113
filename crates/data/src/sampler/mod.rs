//! Samplers: the order in which items are read. A sampler is asked for an iterator once an epoch.

mod batch;
mod distributed;
mod random;

pub use batch::{BatchSampler, BucketBatchSampler, BucketBatchSamplerBuilder};
pub use distributed::{DistributedSampler, DistributedSamplerBuilder, InfiniteSampler};
pub use random::{RandomSampler, RandomSamplerBuilder, SubsetRandomSampler, WeightedRandomSampler};
pub(crate) use random::{draw_seed, permutation};

use flambeau_tensor::{Generator, Result};
use std::sync::Arc;

/// What a [`Sampler`] gives for an epoch: numbers of items, or lists of them.
pub type Draws<T = usize> = Box<dyn Iterator<Item = Result<T>> + Send>;

/// An order of items, drawn anew for each epoch: `torch.utils.data.Sampler`. One of `T = Vec<usize>` says which items
/// make each batch.
///
/// ```
/// use flambeau_data::{DataLoader, Draws, ListDataset, Sampler};
/// use flambeau_tensor::{Generator, Result};
///
/// /// Every other item.
/// struct Even(usize);
///
/// impl Sampler for Even {
///     fn iter(&self, _: Option<&Generator>) -> Result<Draws> {
///         Ok(Box::new((0..self.0).step_by(2).map(Ok)))
///     }
///     fn len(&self) -> usize {
///         self.0.div_ceil(2)
///     }
/// }
///
/// let loader = DataLoader::new(ListDataset(vec![0i64, 1, 2, 3, 4])).sampler(Even(5)).batch_size(2).build()?;
/// let first = loader.iter().next().expect("a batch")?;
/// assert_eq!(first.to_vec::<i64>()?, [0, 2]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Sampler<T = usize>: Send + Sync {
    /// The epoch's items in order. What is random comes from `generator`, or from the default one.
    ///
    /// # Errors
    /// Where the order cannot be drawn.
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws<T>>;

    /// The same without the first `skip`, which are drawn nonetheless.
    ///
    /// # Errors
    /// As [`iter`](Sampler::iter).
    fn iter_from(&self, generator: Option<&Generator>, skip: usize) -> Result<Draws<T>> {
        let mut draws = self.iter(generator)?;
        for draw in draws.by_ref().take(skip) {
            draw?;
        }
        Ok(draws)
    }

    /// How many there are in an epoch; `usize::MAX` for one without end.
    fn len(&self) -> usize;

    /// True where there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the epoch, where the order depends on it.
    fn epoch(&self) -> u64 {
        0
    }

    /// Sets the number of the epoch that comes next, where the order depends on it.
    fn set_epoch(&self, _epoch: u64) {}
}

macro_rules! through_pointer {
    ($($P:ty),*) => {$(
        impl<T, S: Sampler<T> + ?Sized> Sampler<T> for $P {
            fn iter(&self, generator: Option<&Generator>) -> Result<Draws<T>> { (**self).iter(generator) }
            fn iter_from(&self, generator: Option<&Generator>, skip: usize) -> Result<Draws<T>> {
                (**self).iter_from(generator, skip)
            }
            fn len(&self) -> usize { (**self).len() }
            fn epoch(&self) -> u64 { (**self).epoch() }
            fn set_epoch(&self, epoch: u64) { (**self).set_epoch(epoch) }
        }
    )*};
}
through_pointer!(Arc<S>, Box<S>);

/// 0, 1, 2, …
#[derive(Clone, Debug)]
pub struct SequentialSampler(pub usize);

impl Sampler for SequentialSampler {
    fn iter(&self, _: Option<&Generator>) -> Result<Draws> {
        Ok(Box::new((0..self.0).map(Ok)))
    }
    fn iter_from(&self, _: Option<&Generator>, skip: usize) -> Result<Draws> {
        Ok(Box::new((skip..self.0).map(Ok)))
    }
    fn len(&self) -> usize {
        self.0
    }
}
