//! From the numbers of items to a batch.

use super::workers::{Seat, Work};
use crate::collate::CollateWith;
use crate::dataset::Dataset;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Error, ErrorKind, Generator, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

/// The numbers of a batch's items, and where the first stands in the epoch.
pub(crate) struct Picked {
    pub(crate) number: usize,
    pub(crate) place: u64,
    pub(crate) items: Vec<usize>,
}

/// Items by number.
pub(crate) struct ByNumber<D, C> {
    pub(crate) dataset: Arc<D>,
    pub(crate) collate: Arc<C>,
    pub(crate) base_seed: u64,
    pub(crate) at: &'static Location<'static>,
}

impl<D: Dataset + 'static, C: CollateWith<D::Item>> Work for ByNumber<D, C> {
    type Job = Picked;
    type Batch = C::Batch;

    fn run(&self, job: Picked, seat: &Seat<'_>) -> (usize, Option<Result<C::Batch>>) {
        (job.number, Some(self.batch(&job, seat)))
    }
}

impl<D: Dataset, C: CollateWith<D::Item>> ByNumber<D, C> {
    /// Reads a batch. A panic in the dataset becomes an error.
    fn batch(&self, job: &Picked, seat: &Seat<'_>) -> Result<C::Batch> {
        let Picked { number, place, items } = job;
        let Some(first) = items.first() else {
            let message = format!("batch {number}: the batch sampler gave no items");
            return Err(Error::new(ErrorKind::Argument, "DataLoader", message).located(self.at));
        };
        let generator = stream_of(self.base_seed, *place);
        seat.begin(*first);
        let reading = || match items.len() {
            1 => format!("item {first}"),
            n => format!("items {:?}{}", &items[..n.min(4)], if n > 4 { " …" } else { "" }),
        };
        let together = || match self.collate.fetch(&*self.dataset, items) {
            Some(batch) => Some(batch.map(Read::Batch)),
            None => self.dataset.get_many(items).map(|all| all.map(Read::Items)),
        };
        let read = match guarded(self.at, &reading, || with_generator(&generator, together).transpose())? {
            Some(read) => read,
            None => Read::Items(self.one_by_one(job, seat)?),
        };
        match read {
            Read::Batch(batch) => Ok(batch),
            Read::Items(all) => guarded(self.at, &|| format!("batch {number}"), || {
                with_generator(&generator, || self.collate.collate(all))
            }),
        }
    }

    fn one_by_one(&self, job: &Picked, seat: &Seat<'_>) -> Result<Vec<D::Item>> {
        let mut all = Vec::new();
        for (i, &index) in job.items.iter().enumerate() {
            if !seat.begin(index) {
                return Err(Error::new(ErrorKind::Worker, "DataLoader", "the loop was left"));
            }
            // A stream of the item's own, so that it does not matter who reads it.
            let generator = stream_of(self.base_seed, job.place.wrapping_add(i as u64));
            let read = || with_generator(&generator, || self.dataset.get(index));
            all.push(guarded(self.at, &|| format!("item {index}"), read)?);
        }
        Ok(all)
    }
}

enum Read<I, B> {
    Items(Vec<I>),
    Batch(B),
}

/// Runs the user's code: its error and its panic become errors that say what was under way (`"item 3"`), with a line
/// outside of this crate: that of the user's code, or else `at`, that of the loop.
pub(crate) fn guarded<T>(
    at: &'static Location<'static>,
    doing: &dyn Fn() -> String,
    f: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => {
            let e = match e.location() {
                Some(line) if !crate::is_ours(line.file()) => e,
                _ => e.located(at),
            };
            Err(e.context("DataLoader", doing()))
        }
        Err(panic) => {
            let doing = doing();
            let verb = if doing.starts_with("batch") { "making" } else { "reading" };
            Err(panicked(&format!("{verb} {doing} panicked"), &*panic).located(at))
        }
    }
}

/// A panic as an error.
pub(crate) fn panicked(what: &str, panic: &(dyn Any + Send)) -> Error {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(s), _) => s,
        (_, Some(s)) => s.as_str(),
        _ => "no message",
    };
    Error::new(ErrorKind::Worker, "DataLoader", format!("{what}: {text}"))
}

/// The generator of the item at `place` of the epoch: seeds spread over all bits (SplitMix64, Steele et al. 2014).
pub(crate) fn stream_of(base: u64, place: u64) -> Generator {
    let mut z = base.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Generator::with_seed(z ^ (z >> 31))
}
