//! Which items make a batch.

use super::{Draws, Sampler, draw_seed, permutation};
use flambeau_tensor::{Generator, Result, builder, ensure};
use std::sync::Arc;

/// Groups of another sampler's items: `torch.utils.data.BatchSampler`.
///
/// ```
/// use flambeau_data::{BatchSampler, Sampler, SequentialSampler};
/// use flambeau_tensor::Result;
///
/// let batches = BatchSampler::new(SequentialSampler(5), 2, false)?;
/// assert_eq!(batches.iter(None)?.collect::<Result<Vec<_>>>()?, [vec![0, 1], vec![2, 3], vec![4]]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchSampler<S = Box<dyn Sampler>> {
    inner: S,
    batch_size: usize,
    drop_last: bool,
}

impl<S: Sampler> BatchSampler<S> {
    /// Batches of `batch_size` items of `inner`; a shorter last one stays out if `drop_last`.
    ///
    /// # Errors
    /// Where batches would be of no items.
    #[track_caller]
    pub fn new(inner: S, batch_size: usize, drop_last: bool) -> Result<Self> {
        ensure!(batch_size > 0, Argument, "BatchSampler", "batches of no items never end");
        Ok(BatchSampler { inner, batch_size, drop_last })
    }
}

impl<S: Sampler> Sampler<Vec<usize>> for BatchSampler<S> {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws<Vec<usize>>> {
        self.iter_from(generator, 0)
    }

    fn iter_from(&self, generator: Option<&Generator>, skip: usize) -> Result<Draws<Vec<usize>>> {
        let &BatchSampler { batch_size, drop_last, .. } = self;
        let skip = skip.saturating_mul(batch_size);
        let mut items = self.inner.iter_from(generator, skip)?;
        let mut left = self.inner.len().saturating_sub(skip);
        let mut over = false;
        Ok(Box::new(std::iter::from_fn(move || {
            if over {
                return None;
            }
            // Asks for no more than there are: a sampler may draw at its end, which has a turn of its own.
            let most = if left == 0 { batch_size } else { batch_size.min(left) };
            let mut batch = Vec::new();
            while batch.len() < most {
                match items.next() {
                    Some(Ok(item)) => batch.push(item),
                    Some(Err(e)) => {
                        over = true;
                        return Some(Err(e));
                    }
                    None => {
                        over = true;
                        break;
                    }
                }
            }
            left = left.saturating_sub(batch.len());
            if batch.is_empty() || (drop_last && batch.len() < batch_size) {
                if !over {
                    items.next();
                    over = true;
                }
                return None;
            }
            Some(Ok(batch))
        })))
    }

    fn len(&self) -> usize {
        let n = self.inner.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    fn set_epoch(&self, epoch: u64) {
        self.inner.set_epoch(epoch);
    }
}

/// Batches of items of like length, so that little is filled up: items in random order are cut into pools, each pool
/// is sorted by length and cut into batches, and the batches come in random order.
///
/// ```
/// use flambeau_data::{BucketBatchSampler, DataLoader, ListDataset, pad_collate};
/// use flambeau_tensor::Tensor;
///
/// let sentences: Vec<Tensor> = [3, 9, 2, 8].map(|n| Tensor::ones(n).build()).into_iter().collect::<Result<_, _>>()?;
/// let lengths = sentences.iter().map(Tensor::numel).collect::<Vec<_>>();
/// let batches = BucketBatchSampler::new(lengths, 2usize).build()?;
/// let loader = DataLoader::new(ListDataset(sentences)).batch_sampler(batches).collate(pad_collate(0.0)).build()?;
/// let mut sizes = loader.iter().map(|b| Ok(b?.0.shape()[1])).collect::<Result<Vec<_>, flambeau_tensor::Error>>()?;
/// sizes.sort();
/// assert_eq!(sizes, [3, 9]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BucketBatchSampler {
    lengths: Arc<[usize]>,
    batch_size: usize,
    pool: usize,
    shuffle: bool,
    drop_last: bool,
}

builder! {
    /// Options of [`BucketBatchSampler`].
    pub struct BucketBatchSamplerBuilder => BucketBatchSampler;
    new {
        /// Of each item.
        lengths: ~into Arc<[usize]>,
        batch_size: usize
    }
    options {
        /// Batches in a pool (100): fewer mean more chance, more mean less to fill up.
        pool: usize = 100,
        /// Items and batches in random order (yes); otherwise all items by length.
        shuffle: bool = true,
        /// Leave out a batch that is not full (no).
        drop_last: bool = false,
    }
}

impl BucketBatchSampler {
    fn from_builder(b: BucketBatchSamplerBuilder) -> Result<Self> {
        let BucketBatchSamplerBuilder { lengths, batch_size, pool, shuffle, drop_last } = b;
        let place = "BucketBatchSampler";
        ensure!(batch_size > 0, Argument, place, "batches of no items never end");
        ensure!(pool > 0, Argument, place, "a pool has at least one batch");
        Ok(BucketBatchSampler { lengths, batch_size, pool, shuffle, drop_last })
    }
}

impl Sampler<Vec<usize>> for BucketBatchSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws<Vec<usize>>> {
        let place = "BucketBatchSampler";
        let n = self.lengths.len();
        let generator = generator.cloned().unwrap_or_else(|| Generator::with_seed(draw_seed()));
        let mut order: Vec<usize> = match self.shuffle {
            true => permutation(place, n, &generator)?.into_iter().map(|i| i as usize).collect(),
            false => (0..n).collect(),
        };
        let pool = if self.shuffle { self.batch_size.saturating_mul(self.pool) } else { n.max(1) };
        order.chunks_mut(pool).for_each(|pool| pool.sort_by_key(|i| self.lengths[*i]));
        let size = self.batch_size;
        // Only the last batch of all can be short: pools are whole numbers of batches.
        let batches = self.len();
        let turns = match self.shuffle {
            true => permutation(place, batches, &generator)?,
            false => (0..batches as i64).collect(),
        };
        Ok(Box::new(turns.into_iter().map(move |b| {
            let first = b as usize * size;
            Ok(order[first..first.saturating_add(size).min(order.len())].to_vec())
        })))
    }

    fn len(&self) -> usize {
        let n = self.lengths.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }
}
