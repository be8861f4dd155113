//! The loader: batches in order from any number of worker threads.
//!
//! Batch k goes to worker k mod n, and every worker hands its batches over through a channel of its own,
//! so the order is that of the sampler however fast each is. What is random in an item (augmentation) comes
//! from a generator of the item's own, seeded from the epoch's base seed and the item's place in the
//! epoch: the numbers are the same for any number of workers, none included.

use crate::collate::{CollateWith, DefaultCollate};
use crate::dataset::Dataset;
use crate::sampler::{Order, RandomSampler, Sampler, SequentialSampler, draw_seed};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Build, Error, ErrorKind, Generator, Result, ensure};
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The most threads of a loader.
const MOST_WORKERS: usize = 1024;

/// The most batches that a worker keeps ready.
const MOST_PREFETCHED: usize = 1024;

/// Batches of a dataset: `torch.utils.data.DataLoader`. `C` makes batches of items: [`Collate`](crate::Collate)
/// does unless another way is given by [`collate_with`](DataLoaderBuilder::collate_with).
pub struct DataLoader<D: Dataset, C = DefaultCollate> {
    dataset: Arc<D>,
    collate: Arc<C>,
    sampler: Arc<dyn Sampler>,
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
pub struct DataLoaderBuilder<D: Dataset, C = DefaultCollate> {
    dataset: D,
    collate: C,
    sampler: Option<Arc<dyn Sampler>>,
    options: Options,
}

impl<D: Dataset> DataLoader<D> {
    /// Its builder; what has a default is set by the builder's methods.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(dataset: D) -> DataLoaderBuilder<D> {
        let options =
            Options { batch_size: 1, shuffle: false, workers: 0, drop_last: false, prefetch: 2, generator: None };
        DataLoaderBuilder { dataset, collate: DefaultCollate, sampler: None, options }
    }
}

impl<D: Dataset, C> DataLoaderBuilder<D, C> {
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

    /// Threads that read items, at most 1,024; with 0 the caller's does (0). PyTorch's `num_workers`.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Leave out a last batch that is not full (no).
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.options.drop_last = drop_last;
        self
    }

    /// Batches that each worker reads ahead (2), but not more than 1,024. PyTorch's `prefetch_factor`.
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
        self.sampler = Some(Arc::new(sampler));
        self
    }

    /// How items become a batch, instead of by their own [`Collate`](crate::Collate). PyTorch's `collate_fn`.
    ///
    /// ```
    /// use flambeau_data::DataLoader;
    /// use flambeau_tensor::{Result, Tensor, stack};
    ///
    /// // Lists of numbers of any length, filled up with zeros.
    /// let words = vec![vec![3i64, 1], vec![4], vec![1, 5, 9]];
    /// let padded = |items: Vec<Vec<i64>>| -> Result<Tensor> {
    ///     let longest = items.iter().map(Vec::len).max().unwrap_or(0);
    ///     let rows = items.into_iter().map(|mut row| {
    ///         row.resize(longest, 0);
    ///         Tensor::from_vec(row, longest)
    ///     });
    ///     stack(&rows.collect::<Result<Vec<_>>>()?, 0)
    /// };
    /// let loader = DataLoader::new(words).batch_size(3).collate_with(padded).build()?;
    /// for batch in &loader {
    ///     assert_eq!(batch?.shape(), [3, 3]);
    /// }
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn collate_with<F, B>(self, collate: F) -> DataLoaderBuilder<D, F>
    where
        F: Fn(Vec<D::Item>) -> Result<B> + Send + Sync + 'static,
    {
        let DataLoaderBuilder { dataset, sampler, options, .. } = self;
        DataLoaderBuilder { dataset, collate, sampler, options }
    }

    /// Checks the options and makes the loader.
    ///
    /// # Errors
    /// Where batches would be of no items, there would be too many threads, or a sampler is given and shuffling is
    /// on as well.
    #[track_caller]
    pub fn build(self) -> Result<DataLoader<D, C>> {
        let DataLoaderBuilder { dataset, collate, sampler, options } = self;
        ensure!(options.batch_size > 0, Argument, "DataLoader", "batches of no items never end");
        let workers = options.workers;
        ensure!(workers <= MOST_WORKERS, Argument, "DataLoader", "{workers} workers: {MOST_WORKERS} is the most");
        ensure!(
            !(sampler.is_some() && options.shuffle),
            Argument,
            "DataLoader",
            "a sampler has its own order: no shuffling beside it"
        );
        let n = dataset.len();
        let sampler = sampler.unwrap_or_else(|| {
            if options.shuffle { Arc::new(RandomSampler(n)) } else { Arc::new(SequentialSampler(n)) }
        });
        Ok(DataLoader { dataset: Arc::new(dataset), collate: Arc::new(collate), sampler, options })
    }
}

impl<D: Dataset, C> Build for DataLoaderBuilder<D, C> {
    type Output = DataLoader<D, C>;
    #[track_caller]
    fn build(self) -> Result<DataLoader<D, C>> {
        DataLoaderBuilder::build(self)
    }
}

/// Where an epoch is: enough to go on from there with [`DataLoader::iter_from`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderState {
    /// The numbers of the epoch's items, in order.
    pub order: Order,
    /// What the items' generators are seeded from.
    pub base_seed: u64,
    /// Batches handed out.
    pub batches: usize,
}

/// How many batches `items` make.
fn batches(items: usize, options: &Options) -> usize {
    if options.drop_last { items / options.batch_size } else { items.div_ceil(options.batch_size) }
}

impl<D: Dataset, C> DataLoader<D, C> {
    /// Batches in an epoch.
    pub fn len(&self) -> usize {
        batches(self.sampler.len(), &self.options)
    }

    /// True where an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }
}

impl<D, C> DataLoader<D, C>
where
    D: Dataset + 'static,
    C: CollateWith<D::Item>,
{
    /// The batches of a new epoch. Draws the epoch's seed and order at once, as PyTorch does.
    #[track_caller]
    pub fn iter(&self) -> DataIter<D, C> {
        let generator = self.options.generator.as_ref();
        let base_seed = match generator {
            Some(g) => with_generator(g, draw_seed),
            None => draw_seed(),
        };
        let order = if self.sampler.is_sequential() {
            Ok(Order::Sequential(self.sampler.len()))
        } else {
            self.sampler.order(generator).map(Order::from)
        };
        let (order, failed) = match order {
            Ok(order) => (order, None),
            Err(e) => (Order::Sequential(0), Some(e.located(Location::caller()))),
        };
        DataIter { failed, ..self.iter_from(LoaderState { order, base_seed, batches: 0 }) }
    }

    /// The batches that an epoch has left.
    #[track_caller]
    pub fn iter_from(&self, state: LoaderState) -> DataIter<D, C> {
        let options = &self.options;
        let next = state.batches;
        let epoch = Arc::new(Epoch {
            dataset: self.dataset.clone(),
            collate: self.collate.clone(),
            batches: batches(state.order.len(), options),
            size: options.batch_size,
            state,
            at: Location::caller(),
        });
        let left = epoch.batches.saturating_sub(next);
        let workers = options.workers.min(left);
        let prefetch = options.prefetch.clamp(1, MOST_PREFETCHED).min(left.div_ceil(workers.max(1)));
        let lanes = (0..workers).map(|w| Lane::start(epoch.clone(), next + w, workers, prefetch)).collect();
        let end = Some((self.sampler.clone(), options.generator.clone()));
        DataIter { next, epoch, lanes, first: next, end, failed: None, left }
    }
}

impl<D, C> IntoIterator for &DataLoader<D, C>
where
    D: Dataset + 'static,
    C: CollateWith<D::Item>,
{
    type Item = Result<C::Batch>;
    type IntoIter = DataIter<D, C>;
    #[track_caller]
    fn into_iter(self) -> DataIter<D, C> {
        self.iter()
    }
}

struct Epoch<D, C> {
    dataset: Arc<D>,
    collate: Arc<C>,
    state: LoaderState,
    size: usize,
    batches: usize,
    /// The line that began it.
    at: &'static Location<'static>,
}

impl<D: Dataset, C: CollateWith<D::Item>> Epoch<D, C> {
    /// Reads batch `number`. A panic in the dataset becomes an error.
    fn batch(&self, number: usize) -> Result<C::Batch> {
        let first = number.saturating_mul(self.size);
        let end = first.saturating_add(self.size).min(self.state.order.len());
        let mut items = Vec::new();
        for place in first..end {
            let Some(index) = self.state.order.get(place) else { break };
            // A stream of the item's own, so that it does not matter who reads it.
            let generator = Generator::with_seed(mix(self.state.base_seed, place as u64));
            let read = caught(|| with_generator(&generator, || self.dataset.get(index)));
            let item = read.map_err(|panic| self.panicked(format!("reading item {index}"), &*panic))?;
            items.push(item.map_err(|e| self.in_user_code(e).context("DataLoader", format_args!("item {index}")))?);
        }
        let batch = caught(|| self.collate.collate(items));
        let batch = batch.map_err(|panic| self.panicked(format!("making batch {number}"), &*panic))?;
        batch.map_err(|e| self.in_user_code(e).context("DataLoader", format_args!("batch {number}")))
    }

    fn panicked(&self, doing: String, panic: &(dyn Any + Send)) -> Error {
        Error::new(ErrorKind::Worker, "DataLoader", format!("{doing} panicked: {}", text(panic))).located(self.at)
    }

    /// The error with a line outside of this crate: that of the user's `get`, or else of the loop.
    fn in_user_code(&self, e: Error) -> Error {
        match e.location() {
            Some(at) if !OURS.contains(&at.file()) => e,
            _ => e.located(self.at),
        }
    }
}

/// The files of this crate that items and batches are made in.
const OURS: [&str; 3] = [file!(), crate::collate::FILE, crate::dataset::FILE];

fn caught<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(f))
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
    fn start<D, C>(epoch: Arc<Epoch<D, C>>, first: usize, step: usize, prefetch: usize) -> Lane<B>
    where
        D: Dataset + 'static,
        C: CollateWith<D::Item, Batch = B>,
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
pub struct DataIter<D: Dataset, C: CollateWith<D::Item> = DefaultCollate> {
    epoch: Arc<Epoch<D, C>>,
    lanes: Vec<Lane<C::Batch>>,
    first: usize,
    next: usize,
    left: usize,
    /// What is told when the epoch is over, and the generator that goes with it.
    end: Option<(Arc<dyn Sampler>, Option<Generator>)>,
    /// What comes instead of a next batch.
    failed: Option<Error>,
}

impl<D: Dataset, C: CollateWith<D::Item>> DataIter<D, C> {
    /// Where the epoch is, to go on later with [`DataLoader::iter_from`]; none where its order could not be made.
    pub fn state(&self) -> Option<LoaderState> {
        self.failed.is_none().then(|| LoaderState { batches: self.next, ..self.epoch.state.clone() })
    }
}

impl<D: Dataset, C: CollateWith<D::Item>> Iterator for DataIter<D, C> {
    type Item = Result<C::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            (self.left, self.end) = (0, None);
            return Some(Err(error));
        }
        if self.left == 0 {
            let (sampler, generator) = self.end.take()?;
            return sampler.end(generator.as_ref()).err().map(|e| Err(e.located(self.epoch.at)));
        }
        let number = self.next;
        self.next += 1;
        self.left -= 1;
        if self.lanes.is_empty() {
            return Some(self.epoch.batch(number));
        }
        let lane = &self.lanes[(number - self.first) % self.lanes.len()];
        let received = lane.batches.as_ref().and_then(|b| b.recv().ok());
        Some(received.unwrap_or_else(|| {
            let message = "a worker thread could not be started or ended early";
            Err(Error::new(ErrorKind::Worker, "DataLoader", message).located(self.epoch.at))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = if self.failed.is_some() { 1 } else { self.left };
        (left, Some(left))
    }
}

impl<D: Dataset, C: CollateWith<D::Item>> ExactSizeIterator for DataIter<D, C> {}
