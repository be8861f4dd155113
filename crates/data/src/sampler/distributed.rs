//! Orders for several processes, and one without end.

use super::{Draws, Sampler, permutation};
use flambeau_tensor::{Generator, Result, builder, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The share of one process of several (a *rank*), all of which have the same number of items:
/// `torch.utils.data.DistributedSampler`, in its order to the number. Some items come twice where the items cannot be
/// shared evenly, or with `drop_last` some come not at all.
///
/// Every process must be told the same epoch by [`set_epoch`](Sampler::set_epoch) before it, or all epochs have the
/// same order.
///
/// ```
/// use flambeau_data::{DistributedSampler, Sampler};
/// use flambeau_tensor::Result;
///
/// let share = |rank| DistributedSampler::new(10, 3, rank).shuffle(false).build();
/// assert_eq!(share(1)?.iter(None)?.collect::<Result<Vec<_>>>()?, [1, 4, 7, 0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct DistributedSampler {
    items: usize,
    replicas: usize,
    rank: usize,
    shuffle: bool,
    seed: u64,
    len: usize,
    epoch: AtomicU64,
}

builder! {
    /// Options of [`DistributedSampler`].
    pub struct DistributedSamplerBuilder => DistributedSampler;
    new {
        items: usize,
        replicas: usize,
        rank: usize
    }
    options {
        /// In an order drawn from the seed and the epoch (yes).
        shuffle: bool = true,
        /// The same for all processes (0).
        seed: u64 = 0,
        /// Leave the rest out that cannot be shared evenly (no).
        drop_last: bool = false,
    }
}

impl DistributedSampler {
    fn from_builder(b: DistributedSamplerBuilder) -> Result<Self> {
        let DistributedSamplerBuilder { items, replicas, rank, shuffle, seed, drop_last } = b;
        ensure!(rank < replicas, Argument, "DistributedSampler", "there is no rank {rank} of {replicas}");
        let len = if drop_last { items / replicas } else { items.div_ceil(replicas) };
        Ok(DistributedSampler { items, replicas, rank, shuffle, seed, len, epoch: AtomicU64::new(0) })
    }
}

impl Sampler for DistributedSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        self.iter_from(generator, 0)
    }

    fn iter_from(&self, _: Option<&Generator>, skip: usize) -> Result<Draws> {
        let &DistributedSampler { items, replicas, rank, len, .. } = self;
        // Beyond the last item the order begins again.
        let place = move |k: usize| ((k as u128 * replicas as u128 + rank as u128) % items as u128) as usize;
        if !self.shuffle {
            return Ok(Box::new((skip..len).map(move |k| Ok(place(k)))));
        }
        let seed = self.seed.wrapping_add(self.epoch());
        let order = permutation("DistributedSampler", items, &Generator::with_seed(seed))?;
        Ok(Box::new((skip..len).map(move |k| Ok(order[place(k)] as usize))))
    }

    fn len(&self) -> usize {
        self.len
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

/// Another sampler's epochs one after another, for training by steps: an epoch that never ends.
#[derive(Clone, Debug)]
pub struct InfiniteSampler<S>(Arc<S>);

impl<S: Sampler + 'static> InfiniteSampler<S> {
    /// Epochs of `inner`.
    pub fn new(inner: S) -> Self {
        InfiniteSampler(Arc::new(inner))
    }
}

impl<S: Sampler + 'static> Sampler for InfiniteSampler<S> {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        let inner = self.0.clone();
        // A stream of its own: who else draws from the default generator meanwhile changes nothing.
        let generator = generator.cloned().unwrap_or_else(|| Generator::with_seed(super::draw_seed()));
        let mut epoch = inner.iter(Some(&generator))?;
        let mut begun = false;
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(draw) = epoch.next() {
                    begun = true;
                    return Some(draw);
                }
                // An epoch of nothing would be followed by nothing for ever.
                if !std::mem::take(&mut begun) {
                    return None;
                }
                inner.set_epoch(inner.epoch().wrapping_add(1));
                match inner.iter(Some(&generator)) {
                    Ok(next) => epoch = next,
                    Err(e) => return Some(Err(e)),
                }
            }
        })))
    }
    fn len(&self) -> usize {
        if self.0.is_empty() { 0 } else { usize::MAX }
    }
    fn epoch(&self) -> u64 {
        self.0.epoch()
    }
    fn set_epoch(&self, epoch: u64) {
        self.0.set_epoch(epoch);
    }
}
