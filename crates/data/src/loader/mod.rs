//! The loader: batches in order from any number of worker threads.
//!
//! The thread of the loop draws which items make the next batches and lays these jobs down; whoever of the workers is
//! free takes the next, and batches are handed out by number, so the order is that of the sampler however slow an item
//! is. What is random in an item (augmentation) comes from a generator of the item's own, seeded from the epoch's base
//! seed and the item's place in the epoch: the numbers are the same for any number of workers, none included.

mod fetch;
mod run;
mod state;
mod stream;
mod workers;

pub use state::LoaderState;
pub use stream::{StreamIter, StreamLoader, StreamLoaderBuilder};
pub use workers::{WorkerInfo, worker_info};

use crate::collate::{CollateWith, DefaultCollate, Placed, Unbatched};
use crate::dataset::{Dataset, IterableDataset, ListDataset};
use crate::sampler::{BatchSampler, Draws, RandomSampler, Sampler, SequentialSampler, draw_seed};
use fetch::{ByNumber, Picked};
use flambeau_tensor::random::{default_generator, with_generator};
use flambeau_tensor::{Build, Device, Generator, Result, Tensors, ensure};
use run::{Crew, Home, Jobs, Run};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// The most threads of a loader.
const MOST_WORKERS: usize = 1024;

/// Batches of a dataset: `torch.utils.data.DataLoader`. `C` makes batches of items: [`Collate`](crate::Collate)
/// does unless another way is given by [`collate_with`](DataLoaderBuilder::collate_with).
pub struct DataLoader<D: Dataset, C = DefaultCollate> {
    dataset: Arc<D>,
    collate: Arc<C>,
    batches: Arc<dyn Sampler<Vec<usize>>>,
    generator: Option<Generator>,
    crew: Crew,
    home: Home,
}

/// Options of [`DataLoader`].
#[must_use = "a builder makes nothing until `build()`"]
pub struct DataLoaderBuilder<D: Dataset, C = DefaultCollate> {
    dataset: D,
    collate: C,
    batch_size: usize,
    shuffle: bool,
    drop_last: bool,
    sampler: Option<Arc<dyn Sampler>>,
    batches: Option<Arc<dyn Sampler<Vec<usize>>>>,
    /// Other ways to say what makes a batch, which a batch sampler says alone.
    sized: bool,
    generator: Option<Generator>,
    crew: Crew,
}

impl<D: Dataset> DataLoader<D> {
    /// Its builder; what has a default is set by the builder's methods.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(dataset: D) -> DataLoaderBuilder<D> {
        DataLoaderBuilder {
            dataset,
            collate: DefaultCollate,
            batch_size: 1,
            shuffle: false,
            drop_last: false,
            sampler: None,
            batches: None,
            sized: false,
            generator: None,
            crew: Crew::new(),
        }
    }
}

impl DataLoader<ListDataset<()>> {
    /// The builder of a loader of a dataset that is read from front to back.
    pub fn stream<D: IterableDataset>(dataset: D) -> StreamLoaderBuilder<D> {
        StreamLoaderBuilder::new(dataset)
    }
}

/// A number of items in a batch, or `None` for items that are no batches.
pub trait BatchSize<C> {
    /// What makes batches of such a size.
    type Collate;
    /// The size, and what makes such batches.
    fn of(self, collate: C) -> (usize, Self::Collate);
}

impl<C> BatchSize<C> for usize {
    type Collate = C;
    fn of(self, collate: C) -> (usize, C) {
        (self, collate)
    }
}

/// `None`.
impl<C> BatchSize<C> for Option<std::convert::Infallible> {
    type Collate = Unbatched;
    fn of(self, _: C) -> (usize, Unbatched) {
        (1, Unbatched)
    }
}

/// The options that loaders of both kinds have.
macro_rules! common_options {
    () => {
        /// Threads that read items, at most 1,024; with 0 the caller's does (0). PyTorch's `num_workers`.
        pub fn workers(mut self, workers: usize) -> Self {
            self.crew.workers = workers;
            self
        }

        /// Batches that are read ahead for each worker (2), but not more than 1,024. PyTorch's `prefetch_factor`.
        pub fn prefetch(mut self, prefetch: usize) -> Self {
            self.crew.prefetch = prefetch;
            self
        }

        /// How long a batch may take to come: an error then, which names the items in work, and the loop may go on
        /// waiting (no limit). At the end of a loop, workers that are not done by then (within 5 s without a timeout)
        /// are left behind.
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.crew.timeout = Some(timeout);
            self
        }

        /// Keep the workers from one epoch to the next (no).
        pub fn persistent_workers(mut self, persistent: bool) -> Self {
            self.crew.persistent = persistent;
            self
        }

        /// What each worker does once before its first item. PyTorch's `worker_init_fn`.
        pub fn worker_init(mut self, init: impl Fn(&WorkerInfo) -> Result<()> + Send + Sync + 'static) -> Self {
            self.crew.init = Some(Arc::new(init));
            self
        }

        /// Leave out a last batch that is not full (no).
        pub fn drop_last(mut self, drop_last: bool) -> Self {
            self.drop_last = drop_last;
            self
        }

        /// Where order and seeds come from, instead of the default generator.
        pub fn generator(mut self, generator: &Generator) -> Self {
            self.generator = Some(generator.clone());
            self
        }
    };
}
use common_options;

impl<D: Dataset, C> DataLoaderBuilder<D, C> {
    common_options!();

    fn with<E>(self, collate: impl FnOnce(C) -> E) -> DataLoaderBuilder<D, E> {
        let DataLoaderBuilder {
            dataset, batch_size, shuffle, drop_last, sampler, batches, sized, generator, crew, ..
        } = self;
        let collate = collate(self.collate);
        DataLoaderBuilder { dataset, collate, batch_size, shuffle, drop_last, sampler, batches, sized, generator, crew }
    }

    /// Items in a batch (1). With `None` the loader gives items as they are, one at a time.
    pub fn batch_size<S: BatchSize<C>>(mut self, size: S) -> DataLoaderBuilder<D, S::Collate> {
        self.sized = true;
        let mut batch_size = 1;
        let mut builder = self.with(|collate| {
            let (size, collate) = size.of(collate);
            batch_size = size;
            collate
        });
        builder.batch_size = batch_size;
        builder
    }

    /// In a new random order each epoch (no).
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// The order of items, instead of one after another or shuffled.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Some(Arc::new(sampler));
        self
    }

    /// Which items make each batch, instead of so many in the sampler's order.
    pub fn batch_sampler(mut self, batches: impl Sampler<Vec<usize>> + 'static) -> Self {
        self.batches = Some(Arc::new(batches));
        self
    }

    /// How items become a batch, instead of by their own [`Collate`](crate::Collate). PyTorch's `collate_fn`.
    ///
    /// ```
    /// use flambeau_data::{DataLoader, ListDataset};
    /// use flambeau_tensor::Result;
    ///
    /// let words = vec!["ab".to_string(), "c".into(), "def".into()];
    /// let joined = |items: Vec<String>| -> Result<String> { Ok(items.join(" ")) };
    /// let loader = DataLoader::new(ListDataset(words)).batch_size(2).collate_with(joined).build()?;
    /// assert_eq!(loader.iter().collect::<Result<Vec<_>>>()?, ["ab c", "def"]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn collate_with<F, B>(self, collate: F) -> DataLoaderBuilder<D, F>
    where
        F: Fn(Vec<D::Item>) -> Result<B> + Send + Sync + 'static,
    {
        self.with(|_| collate)
    }

    /// The same by something with a name, as [`pad_collate`](crate::pad_collate).
    pub fn collate<E: CollateWith<D::Item>>(self, collate: E) -> DataLoaderBuilder<D, E> {
        self.with(|_| collate)
    }

    /// Put the tensors of each batch on `device`. The worker that made the batch queues the copy, from page-locked
    /// memory where the device has such: it goes on while the loop computes.
    pub fn device(self, device: Device) -> DataLoaderBuilder<D, Placed<C>>
    where
        C: CollateWith<D::Item, Batch: Tensors>,
    {
        self.with(|inner| Placed { inner, device, pinned_only: false })
    }

    /// Put the tensors of each batch into memory that is page-locked for `device`, from where
    /// [`to_device_non_blocking`](flambeau_tensor::Tensor::to_device_non_blocking) copies without waiting.
    /// [`device`](DataLoaderBuilder::device) does both.
    pub fn pin_memory(self, device: Device) -> DataLoaderBuilder<D, Placed<C>>
    where
        C: CollateWith<D::Item, Batch: Tensors>,
    {
        self.with(|inner| Placed { inner, device, pinned_only: true })
    }

    /// Checks the options and makes the loader.
    ///
    /// # Errors
    /// Where batches would be of no items, there would be too many threads, a sampler is given and shuffling is on as
    /// well, or a batch sampler beside anything that it decides.
    #[track_caller]
    pub fn build(self) -> Result<DataLoader<D, C>> {
        let DataLoaderBuilder { dataset, collate, batch_size, shuffle, drop_last, .. } = self;
        let place = "DataLoader";
        ensure!(batch_size > 0, Argument, place, "batches of no items never end");
        let workers = self.crew.workers;
        ensure!(workers <= MOST_WORKERS, Argument, place, "{workers} workers: {MOST_WORKERS} is the most");
        let both = self.sampler.is_some() && shuffle;
        ensure!(!both, Argument, place, "a sampler has its own order: no shuffling beside it");
        let decided = self.sized || shuffle || drop_last || self.sampler.is_some();
        ensure!(
            !(self.batches.is_some() && decided),
            Argument,
            place,
            "a batch sampler says what makes a batch: no batch_size, shuffle, sampler or drop_last beside it"
        );
        let n = dataset.len();
        let batches = match self.batches {
            Some(batches) => batches,
            None => {
                let sampler: Arc<dyn Sampler> = match self.sampler {
                    Some(sampler) => sampler,
                    None if shuffle => Arc::new(RandomSampler::new(n).build()?),
                    None => Arc::new(SequentialSampler(n)),
                };
                Arc::new(BatchSampler::new(sampler, batch_size, drop_last)?)
            }
        };
        let (dataset, collate) = (Arc::new(dataset), Arc::new(collate));
        Ok(DataLoader { dataset, collate, batches, generator: self.generator, crew: self.crew, home: Home::default() })
    }
}

impl<D: Dataset, C> Build for DataLoaderBuilder<D, C> {
    type Output = DataLoader<D, C>;
    #[track_caller]
    fn build(self) -> Result<DataLoader<D, C>> {
        DataLoaderBuilder::build(self)
    }
}

impl<D: Dataset, C> DataLoader<D, C> {
    /// Batches in an epoch.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// True where an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// Tells the sampler the number of the epoch that comes next, where its order depends on it: that of a
    /// [`DistributedSampler`](crate::DistributedSampler) does.
    pub fn set_epoch(&self, epoch: u64) {
        self.batches.set_epoch(epoch);
    }
}

/// The epoch's seed, and the state of the generator that its order comes from.
fn begin(generator: Option<&Generator>, epoch: u64) -> LoaderState {
    let base_seed = match generator {
        Some(g) => with_generator(g, draw_seed),
        None => draw_seed(),
    };
    let generator = generator.cloned().unwrap_or_else(default_generator).get_state();
    LoaderState { base_seed, generator, epoch, batches: 0, items: 0 }
}

impl<D, C> DataLoader<D, C>
where
    D: Dataset + 'static,
    C: CollateWith<D::Item>,
{
    /// The batches of a new epoch. Draws the epoch's seed and order at once, as PyTorch does.
    #[track_caller]
    pub fn iter(&self) -> DataIter<D, C> {
        let state = begin(self.generator.as_ref(), self.batches.epoch());
        let draws = self.batches.iter(self.generator.as_ref());
        self.run(state, draws, Location::caller())
    }

    /// The batches that an epoch has left: the same as it would have given, also with another number of workers. A
    /// generator that the loader was given is set to where it stood, so that the epochs that follow are the same, too.
    #[track_caller]
    pub fn iter_from(&self, state: LoaderState) -> DataIter<D, C> {
        self.batches.set_epoch(state.epoch);
        let skip = state.batches;
        let draws = match &self.generator {
            Some(generator) => {
                let set = generator.set_state(&state.generator);
                set.and_then(|()| self.batches.iter_from(Some(generator), skip))
            }
            None => {
                let generator = Generator::new();
                let set = generator.set_state(&state.generator);
                set.and_then(|()| with_generator(&generator, || self.batches.iter_from(None, skip)))
            }
        };
        self.run(state, draws, Location::caller())
    }

    fn run(
        &self,
        state: LoaderState,
        draws: Result<Draws<Vec<usize>>>,
        at: &'static Location<'static>,
    ) -> DataIter<D, C> {
        let left = self.batches.len().saturating_sub(state.batches);
        let (dataset, collate) = (self.dataset.clone(), self.collate.clone());
        let work = ByNumber { dataset, collate, base_seed: state.base_seed, at };
        let (draws, failed) = match draws {
            Ok(draws) => (draws, None),
            Err(e) => (Box::new(std::iter::empty()) as Draws<_>, Some(e)),
        };
        let batches = if failed.is_some() { 0 } else { left };
        let run = Run::start(work, &self.crew, &self.home, &state, batches, at);
        let jobs = Plan { draws, left, number: state.batches, place: state.items, ends: VecDeque::new() };
        let mut iter = DataIter { run, jobs, left, state };
        match failed {
            Some(e) => {
                iter.run = iter.run.failed(e);
                iter.left = 1;
            }
            None => iter.run.fill(&mut iter.jobs),
        }
        iter
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

/// The batches to come, as the sampler draws them.
struct Plan {
    draws: Draws<Vec<usize>>,
    /// As many as the sampler says.
    left: usize,
    number: usize,
    place: u64,
    /// Where each batch ends that was given out and not handed out.
    ends: VecDeque<u64>,
}

impl Jobs<Picked> for Plan {
    fn next(&mut self, ask: bool) -> Option<Result<Picked>> {
        // A sampler may draw at its end, so it is asked for the end when the loop is: with any number of workers the
        // same has been drawn at the same time.
        if self.left == 0 && !ask {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        let items = match self.draws.next()? {
            Ok(items) => items,
            Err(e) => return Some(Err(e)),
        };
        let picked = Picked { number: self.number, place: self.place, items };
        self.number += 1;
        self.place = self.place.saturating_add(picked.items.len() as u64);
        self.ends.push_back(self.place);
        Some(Ok(picked))
    }
}

/// The batches of an epoch, in order.
pub struct DataIter<D: Dataset + 'static, C: CollateWith<D::Item> = DefaultCollate> {
    run: Run<ByNumber<D, C>>,
    jobs: Plan,
    left: usize,
    state: LoaderState,
}

impl<D: Dataset + 'static, C: CollateWith<D::Item>> DataIter<D, C> {
    /// Where the epoch is, to go on later with [`DataLoader::iter_from`]; none where its order could not be made.
    pub fn state(&self) -> Option<LoaderState> {
        (!self.run.has_failed()).then(|| self.state.clone())
    }
}

impl<D: Dataset + 'static, C: CollateWith<D::Item>> Iterator for DataIter<D, C> {
    type Item = Result<C::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.run.number();
        let batch = self.run.next(&mut self.jobs);
        if self.run.number() > before {
            self.state.batches = self.run.number();
            self.state.items = self.jobs.ends.pop_front().unwrap_or(self.state.items);
        }
        match &batch {
            Some(_) => self.left = self.left.saturating_sub(self.run.number() - before),
            None => self.left = 0,
        }
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<D: Dataset + 'static, C: CollateWith<D::Item>> ExactSizeIterator for DataIter<D, C> {}
