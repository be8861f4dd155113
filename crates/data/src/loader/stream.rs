//! Batches of a dataset that is read from front to back.

use super::fetch::{guarded, panicked, stream_of};
use super::run::{Crew, Home, Jobs, Run};
use super::workers::{Seat, Work};
use super::{BatchSize, LoaderState, MOST_WORKERS, WorkerInfo, begin, common_options};
use crate::collate::{CollateWith, DefaultCollate, Placed, Transformed};
use crate::dataset::{IterableDataset, Stream};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Build, Device, Generator, Result, Tensors, ensure};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Batches of an [`IterableDataset`], made by [`DataLoader::stream`](crate::DataLoader::stream).
pub struct StreamLoader<D: IterableDataset, C = DefaultCollate> {
    dataset: D,
    collate: Arc<C>,
    batch_size: usize,
    drop_last: bool,
    rank: usize,
    world: usize,
    generator: Option<Generator>,
    crew: Crew,
    home: Home,
}

/// Options of [`StreamLoader`].
#[must_use = "a builder makes nothing until `build()`"]
pub struct StreamLoaderBuilder<D: IterableDataset, C = DefaultCollate> {
    dataset: D,
    collate: C,
    batch_size: usize,
    drop_last: bool,
    rank: usize,
    world: usize,
    generator: Option<Generator>,
    crew: Crew,
}

impl<D: IterableDataset> StreamLoaderBuilder<D> {
    pub(crate) fn new(dataset: D) -> Self {
        StreamLoaderBuilder {
            dataset,
            collate: DefaultCollate,
            batch_size: 1,
            drop_last: false,
            rank: 0,
            world: 1,
            generator: None,
            crew: Crew::new(),
        }
    }
}

impl<D: IterableDataset, C> StreamLoaderBuilder<D, C> {
    common_options!();

    fn with<E>(self, collate: impl FnOnce(C) -> E) -> StreamLoaderBuilder<D, E> {
        let StreamLoaderBuilder { dataset, batch_size, drop_last, rank, world, generator, crew, .. } = self;
        let collate = collate(self.collate);
        StreamLoaderBuilder { dataset, collate, batch_size, drop_last, rank, world, generator, crew }
    }

    /// Items in a batch (1). With `None` the loader gives items as they are, one at a time.
    pub fn batch_size<S: BatchSize<C>>(self, size: S) -> StreamLoaderBuilder<D, S::Collate> {
        let mut batch_size = 1;
        let mut builder = self.with(|collate| {
            let (size, collate) = size.of(collate);
            batch_size = size;
            collate
        });
        builder.batch_size = batch_size;
        builder
    }

    /// Load the share of process `rank` of `world`: each item comes in one of them.
    pub fn shard(mut self, rank: usize, world: usize) -> Self {
        (self.rank, self.world) = (rank, world);
        self
    }

    /// Each item through `f`, by the workers side by side: decoding, augmentation. It is put before what makes the
    /// batch, so it comes after `collate_with` and the like in the chain. What it draws at random depends on the
    /// batch's place alone.
    pub fn transform<T, F>(self, f: F) -> StreamLoaderBuilder<D, Transformed<F, C>>
    where
        F: Fn(D::Item) -> Result<T> + Send + Sync + 'static,
    {
        self.with(|inner| Transformed { f, inner })
    }

    /// How items become a batch, instead of by their own [`Collate`](crate::Collate). PyTorch's `collate_fn`.
    pub fn collate_with<T, F, B>(self, collate: F) -> StreamLoaderBuilder<D, F>
    where
        F: Fn(Vec<T>) -> Result<B> + Send + Sync + 'static,
    {
        self.with(|_| collate)
    }

    /// The same by something with a name, as [`pad_collate`](crate::pad_collate).
    pub fn collate<E>(self, collate: E) -> StreamLoaderBuilder<D, E> {
        self.with(|_| collate)
    }

    /// Put the tensors of each batch on `device`; see [`DataLoaderBuilder::device`](crate::DataLoaderBuilder::device).
    pub fn device(self, device: Device) -> StreamLoaderBuilder<D, Placed<C>>
    where
        C: CollateWith<D::Item, Batch: Tensors>,
    {
        self.with(|inner| Placed { inner, device, pinned_only: false })
    }

    /// Checks the options and makes the loader.
    ///
    /// # Errors
    /// Where batches would be of no items, there would be too many threads, or there is no such process.
    #[track_caller]
    pub fn build(self) -> Result<StreamLoader<D, C>> {
        let StreamLoaderBuilder { dataset, collate, batch_size, drop_last, rank, world, generator, crew } = self;
        let place = "DataLoader";
        ensure!(batch_size > 0, Argument, place, "batches of no items never end");
        let workers = crew.workers;
        ensure!(workers <= MOST_WORKERS, Argument, place, "{workers} workers: {MOST_WORKERS} is the most");
        ensure!(rank < world, Argument, place, "there is no rank {rank} of {world}");
        let (collate, home) = (Arc::new(collate), Home::default());
        Ok(StreamLoader { dataset, collate, batch_size, drop_last, rank, world, generator, crew, home })
    }
}

impl<D: IterableDataset, C> Build for StreamLoaderBuilder<D, C> {
    type Output = StreamLoader<D, C>;
    #[track_caller]
    fn build(self) -> Result<StreamLoader<D, C>> {
        StreamLoaderBuilder::build(self)
    }
}

impl<D: IterableDataset, C: CollateWith<D::Item>> StreamLoader<D, C> {
    /// Batches in an epoch, where the dataset knows how many items it has.
    pub fn len(&self) -> Option<usize> {
        let items = self.dataset.len()?;
        let own = items / self.world + usize::from(items % self.world > self.rank);
        Some(if self.drop_last { own / self.batch_size } else { own.div_ceil(self.batch_size) })
    }

    /// True where an epoch is known to have no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// The batches of a new epoch.
    #[track_caller]
    pub fn iter(&self) -> StreamIter<D, C> {
        self.iter_from(begin(self.generator.as_ref(), 0))
    }

    /// The batches that an epoch has left. What was handed out is read again and left out.
    #[track_caller]
    pub fn iter_from(&self, state: LoaderState) -> StreamIter<D, C> {
        let at = Location::caller();
        // Before all items: what the stream itself draws.
        let generator = stream_of(state.base_seed, u64::MAX);
        let open = || {
            let mut stream = self.dataset.shard(self.rank, self.world)?;
            for _ in 0..state.items {
                if stream.next().is_none() {
                    break;
                }
            }
            Ok(stream)
        };
        let opened = guarded(at, &|| "the stream".into(), || with_generator(&generator, open));
        let (stream, failed) = match opened {
            Ok(stream) => (Some(stream), None),
            Err(e) => (None, Some(e)),
        };
        let source = Source { stream, number: state.batches, place: state.items, generator };
        let work = InOrder {
            source: Mutex::new(source),
            collate: self.collate.clone(),
            batch_size: self.batch_size,
            drop_last: self.drop_last,
            base_seed: state.base_seed,
            at,
        };
        let some = if failed.is_some() { 0 } else { usize::MAX };
        let mut run = Run::start(work, &self.crew, &self.home, &state, some, at);
        match failed {
            Some(e) => run = run.failed(e),
            None => run.fill(&mut Permits),
        }
        StreamIter { run, batch_size: self.batch_size as u64, state }
    }
}

impl<D: IterableDataset, C: CollateWith<D::Item>> IntoIterator for &StreamLoader<D, C> {
    type Item = Result<C::Batch>;
    type IntoIter = StreamIter<D, C>;
    #[track_caller]
    fn into_iter(self) -> StreamIter<D, C> {
        self.iter()
    }
}

/// Leave to read the next batch: there is always another.
struct Permits;

impl Jobs<()> for Permits {
    fn next(&mut self, _: bool) -> Option<Result<()>> {
        Some(Ok(()))
    }
}

/// The one stream that all workers read from.
struct Source<T> {
    stream: Option<Stream<T>>,
    number: usize,
    place: u64,
    generator: Generator,
}

/// Items in order.
struct InOrder<T, C> {
    source: Mutex<Source<T>>,
    collate: Arc<C>,
    batch_size: usize,
    drop_last: bool,
    base_seed: u64,
    at: &'static Location<'static>,
}

/// What a worker has read: the number of the batch, the place of its first item, the items.
struct Read<T> {
    number: usize,
    place: u64,
    items: Result<Vec<T>>,
}

impl<T, C> InOrder<T, C> {
    /// Reads the items of the next batch; they are at an end if there are none.
    fn read(&self, seat: &Seat<'_>) -> Read<T> {
        let mut guard = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let source = &mut *guard;
        let (number, place) = (source.number, source.place);
        source.number += 1;
        let mut items = Vec::new();
        let generator = source.generator.clone();
        while items.len() < self.batch_size && seat.begin(source.place as usize) {
            let Some(stream) = &mut source.stream else { break };
            let (mut over, doing) = (false, source.place);
            let item = guarded(self.at, &|| format!("item {doing}"), || {
                match catch_unwind(AssertUnwindSafe(|| with_generator(&generator, || stream.next()))) {
                    Ok(item) => item.transpose(),
                    // What has panicked is not asked again.
                    Err(panic) => {
                        over = true;
                        Err(panicked("the stream panicked", &*panic))
                    }
                }
            });
            match item {
                Ok(Some(item)) => {
                    source.place += 1;
                    items.push(item);
                }
                Ok(None) => {
                    source.stream = None;
                    if self.drop_last {
                        items.clear();
                    }
                }
                Err(e) => {
                    source.place += 1;
                    if over {
                        source.stream = None;
                    }
                    return Read { number, place, items: Err(e) };
                }
            }
        }
        Read { number, place, items: Ok(items) }
    }
}

impl<T: 'static, C: CollateWith<T>> Work for InOrder<T, C> {
    type Job = ();
    type Batch = C::Batch;

    fn run(&self, (): (), seat: &Seat<'_>) -> (usize, Option<Result<C::Batch>>) {
        let Read { number, place, items } = self.read(seat);
        let items = match items {
            Ok(items) if items.is_empty() => return (number, None),
            Ok(items) => items,
            Err(e) => return (number, Some(Err(e))),
        };
        let generator = stream_of(self.base_seed, place);
        let make = || with_generator(&generator, || self.collate.collate(items));
        (number, Some(guarded(self.at, &|| format!("batch {number}"), make)))
    }
}

/// The batches of a stream, in order.
pub struct StreamIter<D: IterableDataset, C: CollateWith<D::Item> = DefaultCollate> {
    run: Run<InOrder<D::Item, C>>,
    batch_size: u64,
    state: LoaderState,
}

impl<D: IterableDataset, C: CollateWith<D::Item>> StreamIter<D, C> {
    /// Where the epoch is, to go on later with [`StreamLoader::iter_from`]; none where the stream could not be opened.
    pub fn state(&self) -> Option<LoaderState> {
        (!self.run.has_failed()).then(|| self.state.clone())
    }
}

impl<D: IterableDataset, C: CollateWith<D::Item>> Iterator for StreamIter<D, C> {
    type Item = Result<C::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.run.number();
        let batch = self.run.next(&mut Permits);
        if self.run.number() > before {
            self.state.batches = self.run.number();
            self.state.items = self.state.items.saturating_add(self.batch_size);
        }
        batch
    }
}
