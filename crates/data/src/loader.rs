//! The loader: batches in order from any number of worker threads.
//!
//! Batch k goes to worker k mod n, and every worker hands its batches over through a channel of its own,
//! so the order is that of the sampler however fast each is. What is random in an item (augmentation) comes
//! from a generator of the item's own, seeded from the epoch's base seed and the item's place in the
//! epoch: the numbers are the same for any number of workers, none included.

use crate::collate::Collate;
use crate::dataset::Dataset;
use crate::sampler::{RandomSampler, Sampler, SequentialSampler, draw_seed};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Build, Error, ErrorKind, Generator, Result, ensure};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Batches of a dataset: `torch.utils.data.DataLoader`.
pub struct DataLoader<D: Dataset> {
    dataset: Arc<D>,
    sampler: Box<dyn Sampler>,
    options: Options,
}

#[derive(Clone)]
struct Options {
    batch_size: usize,
    shuffle: bool,
    workers: usize,
    drop_last: bool,
    prefetch: usize,
    generator: Option<Generator>,
}

/// Options of [`DataLoader`].
#[must_use = "a builder makes nothing until `build()`"]
pub struct DataLoaderBuilder<D: Dataset> {
    dataset: D,
    sampler: Option<Box<dyn Sampler>>,
    options: Options,
}

impl<D: Dataset> DataLoader<D> {
    /// Its builder; what has a default is set by the builder's methods.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(dataset: D) -> DataLoaderBuilder<D> {
        let options =
            Options { batch_size: 1, shuffle: false, workers: 0, drop_last: false, prefetch: 2, generator: None };
        DataLoaderBuilder { dataset, sampler: None, options }
    }
}

impl<D: Dataset> DataLoaderBuilder<D> {
    /// Items in a batch (1).
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.options.batch_size = batch_size;
        self
    }

    /// In a new random order each epoch (no).
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.options.shuffle = shuffle;
        self
    }

    /// Threads that read items; with 0 the caller's does (0). PyTorch's `num_workers`.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Leave out a last batch that is not full (no).
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.options.drop_last = drop_last;
        self
    }

    /// Batches that each worker reads ahead (2). PyTorch's `prefetch_factor`.
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.options.prefetch = prefetch;
        self
    }

    /// Where order and seeds come from, instead of the default generator.
    pub fn generator(mut self, generator: &Generator) -> Self {
        self.options.generator = Some(generator.clone());
        self
    }

    /// The order of items, instead of one after another or shuffled.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Some(Box::new(sampler));
        self
    }

    /// Checks the options and makes the loader.
    ///
    /// # Errors
    /// Where batches would be of no items, or a sampler is given and shuffling is on as well.
    #[track_caller]
    pub fn build(self) -> Result<DataLoader<D>> {
        let DataLoaderBuilder { dataset, sampler, options } = self;
        ensure!(options.batch_size > 0, Argument, "DataLoader", "batches of no items never end");
        ensure!(
            !(sampler.is_some() && options.shuffle),
            Argument,
            "DataLoader",
            "a sampler has its own order: no shuffling beside it"
        );
        let n = dataset.len();
        let sampler = sampler.unwrap_or_else(|| {
            if options.shuffle { Box::new(RandomSampler(n)) } else { Box::new(SequentialSampler(n)) }
        });
        Ok(DataLoader { dataset: Arc::new(dataset), sampler, options })
    }
}

impl<D: Dataset> Build for DataLoaderBuilder<D> {
    type Output = DataLoader<D>;
    fn build(self) -> Result<DataLoader<D>> {
        DataLoaderBuilder::build(self)
    }
}

/// Where an epoch is: enough to go on from there with [`DataLoader::iter_from`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderState {
    /// The numbers of the epoch's items, in order.
    pub order: Vec<usize>,
    /// What the items' generators are seeded from.
    pub base_seed: u64,
    /// Batches handed out.
    pub batches: usize,
}

impl<D> DataLoader<D>
where
    D: Dataset + 'static,
    D::Item: Collate + Send + 'static,
    <D::Item as Collate>::Batch: Send + 'static,
{
    /// Batches in an epoch.
    pub fn len(&self) -> usize {
        let (n, size) = (self.sampler.len(), self.options.batch_size);
        if self.options.drop_last { n / size } else { n.div_ceil(size) }
    }

    /// True where an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// The batches of a new epoch. Draws the epoch's seed and order at once, as PyTorch does.
    pub fn iter(&self) -> DataIter<D> {
        let base_seed = match &self.options.generator {
            Some(g) => with_generator(g, draw_seed),
            None => draw_seed(),
        };
        match self.sampler.order(self.options.generator.as_ref()) {
            Ok(order) => self.iter_from(LoaderState { order, base_seed, batches: 0 }),
            Err(e) => DataIter::failed(e, self.len()),
        }
    }

    /// The batches that an epoch has left.
    pub fn iter_from(&self, state: LoaderState) -> DataIter<D> {
        let size = self.options.batch_size;
        let batches = if self.options.drop_last { state.order.len() / size } else { state.order.len().div_ceil(size) };
        let epoch = Arc::new(Epoch { dataset: self.dataset.clone(), state: state.clone(), size, batches });
        let workers = self.options.workers.min(batches.saturating_sub(state.batches));
        let lanes = (0..workers)
            .map(|w| Lane::start(epoch.clone(), state.batches + w, workers, self.options.prefetch.max(1)))
            .collect();
        DataIter {
            next: state.batches,
            epoch: Some(epoch),
            lanes,
            first: state.batches,
            failed: None,
            left: batches - state.batches.min(batches),
        }
    }
}

impl<'a, D> IntoIterator for &'a DataLoader<D>
where
    D: Dataset + 'static,
    D::Item: Collate + Send + 'static,
    <D::Item as Collate>::Batch: Send + 'static,
{
    type Item = Result<<D::Item as Collate>::Batch>;
    type IntoIter = DataIter<D>;
    fn into_iter(self) -> DataIter<D> {
        self.iter()
    }
}

struct Epoch<D> {
    dataset: Arc<D>,
    state: LoaderState,
    size: usize,
    batches: usize,
}

type BatchOf<D> = <<D as Dataset>::Item as Collate>::Batch;

impl<D: Dataset> Epoch<D>
where
    D::Item: Collate,
{
    /// Reads batch `number`. A panic in the dataset becomes an error.
    fn batch(&self, number: usize) -> Result<BatchOf<D>> {
        let range = number * self.size..((number + 1) * self.size).min(self.state.order.len());
        let mut items = Vec::with_capacity(range.len());
        for place in range {
            let index = self.state.order[place];
            // A stream of the item's own, so that it does not matter who reads it.
            let generator = Generator::with_seed(mix(self.state.base_seed, place as u64));
            let read = catch_unwind(AssertUnwindSafe(|| with_generator(&generator, || self.dataset.get(index))));
            match read {
                Ok(item) => items.push(item.map_err(|e| said(&e, index))?),
                Err(panic) => {
                    let message = format!("reading item {index} panicked: {}", text(&*panic));
                    return Err(Error::new(ErrorKind::Worker, "DataLoader", message));
                }
            }
        }
        match catch_unwind(AssertUnwindSafe(|| D::Item::collate(items))) {
            Ok(batch) => batch,
            Err(panic) => Err(Error::new(
                ErrorKind::Worker,
                "DataLoader",
                format!("making batch {number} panicked: {}", text(&*panic)),
            )),
        }
    }
}

/// The error, with the number of the item.
fn said(e: &Error, index: usize) -> Error {
    Error::new(e.kind(), "DataLoader", format!("item {index}: {}: {}", e.place(), e.message()))
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(s), _) => s,
        (_, Some(s)) => s,
        _ => "no message",
    }
}

/// A seed for each place, spread over all bits (SplitMix64, Steele et al. 2014).
fn mix(base: u64, place: u64) -> u64 {
    let mut z = base.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A worker and the channel its batches come through.
struct Lane<B> {
    batches: Option<Receiver<Result<B>>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: Send + 'static> Lane<B> {
    fn start<D>(epoch: Arc<Epoch<D>>, first: usize, step: usize, prefetch: usize) -> Lane<B>
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = B>,
    {
        let (send, receive): (SyncSender<Result<B>>, _) = sync_channel(prefetch);
        let work = move || {
            for number in (first..epoch.batches).step_by(step) {
                // The other end is gone when the loop over the batches has ended early.
                if send.send(epoch.batch(number)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("flambeau-data".into()).spawn(work).ok();
        Lane { batches: Some(receive), thread }
    }
}

impl<B> Drop for Lane<B> {
    fn drop(&mut self) {
        // Closes the channel first, so that a worker that waits to send ends.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The batches of an epoch, in order.
pub struct DataIter<D: Dataset>
where
    D::Item: Collate,
{
    epoch: Option<Arc<Epoch<D>>>,
    lanes: Vec<Lane<BatchOf<D>>>,
    first: usize,
    next: usize,
    left: usize,
    failed: Option<Error>,
}

impl<D: Dataset> DataIter<D>
where
    D::Item: Collate,
{
    fn failed(error: Error, left: usize) -> Self {
        DataIter { epoch: None, lanes: Vec::new(), first: 0, next: 0, left: left.max(1), failed: Some(error) }
    }

    /// Where the epoch is, to go on later with [`DataLoader::iter_from`].
    pub fn state(&self) -> Option<LoaderState> {
        self.epoch.as_ref().map(|e| LoaderState { batches: self.next, ..e.state.clone() })
    }
}

impl<D: Dataset> Iterator for DataIter<D>
where
    D::Item: Collate,
{
    type Item = Result<BatchOf<D>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if let Some(error) = self.failed.take() {
            self.left = 0;
            return Some(Err(error));
        }
        let number = self.next;
        self.next += 1;
        self.left -= 1;
        if self.lanes.is_empty() {
            return self.epoch.as_ref().map(|e| e.batch(number));
        }
        let lane = &self.lanes[(number - self.first) % self.lanes.len()];
        let received = lane.batches.as_ref().and_then(|b| b.recv().ok());
        Some(received.unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Worker, "DataLoader", "a worker thread could not be started or ended early"))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<D: Dataset> ExactSizeIterator for DataIter<D> where D::Item: Collate {}
