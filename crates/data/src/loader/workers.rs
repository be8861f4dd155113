//! Threads that make batches, and the desk where they take jobs and lay batches down.
//!
//! Whoever is free takes the next job, so a slow item holds up nobody but itself. Batches are handed out by number;
//! one that is ready early waits in the desk's `ready`, which the loop keeps small by giving out no more jobs than its
//! window beyond the batch that it waits for.

use flambeau_tensor::random::with_generator;
use flambeau_tensor::{Error, ErrorKind, Generator, Result};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a worker knows of itself: `torch.utils.data.get_worker_info`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its number, below `workers`.
    pub id: usize,
    /// How many there are.
    pub workers: usize,
    /// What its default generator was seeded with at the epoch's begin: the epoch's seed plus `id`.
    pub seed: u64,
}

thread_local! {
    static INFO: RefCell<Option<WorkerInfo>> = const { RefCell::new(None) };
}

/// In a loader's worker thread: which one it is. `None` in others, and in a loader without workers.
pub fn worker_info() -> Option<WorkerInfo> {
    INFO.with_borrow(Clone::clone)
}

/// What is done once in each worker before its first item.
pub(crate) type Init = Arc<dyn Fn(&WorkerInfo) -> Result<()> + Send + Sync>;

/// How batches come about.
pub(crate) trait Work: Send + Sync + 'static {
    /// What there is to do for one batch.
    type Job: Send + 'static;
    /// What is made.
    type Batch: Send + 'static;

    /// Does a job: the number of the batch, and the batch, or `None` where the items are at an end.
    fn run(&self, job: Self::Job, seat: &Seat<'_>) -> (usize, Option<Result<Self::Batch>>);
}

/// What a worker tells and is told while it works.
pub(crate) struct Seat<'a> {
    closed: &'a AtomicBool,
    item: &'a AtomicUsize,
}

/// No item is being read.
const NONE: usize = usize::MAX;

impl Seat<'_> {
    /// Says that item `index` is read next; false where nobody wants it any more.
    pub(crate) fn begin(&self, index: usize) -> bool {
        self.item.store(index, Ordering::Relaxed);
        !self.closed.load(Ordering::SeqCst)
    }
}

struct State<W: Work> {
    jobs: VecDeque<W::Job>,
    ready: HashMap<usize, Option<Result<W::Batch>>>,
    /// Workers that serve this desk.
    inside: usize,
    /// A worker could not begin.
    failed: Option<Error>,
}

/// One epoch's jobs and batches.
pub(crate) struct Desk<W: Work> {
    pub(crate) work: W,
    state: Mutex<State<W>>,
    /// There are jobs, or the desk is closed.
    jobs: Condvar,
    /// There are batches, or a worker has left.
    ready: Condvar,
    closed: AtomicBool,
    /// What each worker reads.
    items: Vec<AtomicUsize>,
    base_seed: u64,
    init: Option<Init>,
}

/// What came of waiting for a batch.
pub(crate) enum Taken<B> {
    /// It, or the end.
    Batch(Option<Result<B>>),
    /// Not yet.
    Late(Error),
    /// There is nobody to make it.
    Dead(Error),
}

/// A lock that a panic elsewhere does not take from us.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Work> Desk<W> {
    pub(crate) fn new(work: W, workers: usize, base_seed: u64, init: Option<Init>) -> Arc<Self> {
        let state = State { jobs: VecDeque::new(), ready: HashMap::new(), inside: workers, failed: None };
        let items = (0..workers.max(1)).map(|_| AtomicUsize::new(NONE)).collect();
        Arc::new(Desk {
            work,
            state: Mutex::new(state),
            jobs: Condvar::new(),
            ready: Condvar::new(),
            closed: AtomicBool::new(false),
            items,
            base_seed,
            init,
        })
    }

    /// For a loop without workers.
    pub(crate) fn seat(&self) -> Seat<'_> {
        Seat { closed: &self.closed, item: &self.items[0] }
    }

    pub(crate) fn push(&self, job: W::Job) {
        lock(&self.state).jobs.push_back(job);
        self.jobs.notify_one();
    }

    /// Waits for batch `number`.
    pub(crate) fn take(&self, number: usize, timeout: Option<Duration>) -> Taken<W::Batch> {
        let error = |message: String| Error::new(ErrorKind::Worker, "DataLoader", message);
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut state = lock(&self.state);
        loop {
            if let Some(batch) = state.ready.remove(&number) {
                return Taken::Batch(batch);
            }
            if let Some(e) = state.failed.take() {
                return Taken::Dead(e);
            }
            if state.inside == 0 {
                return Taken::Dead(error("the worker threads ended early".into()));
            }
            state = match end {
                None => self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        let items = self.items.iter().map(|i| i.load(Ordering::Relaxed)).filter(|i| *i != NONE);
                        let items = items.map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
                        let timeout = timeout.unwrap_or_default();
                        let message = format!("batch {number} did not come within {timeout:?}; in work: item {items}");
                        return Taken::Late(error(message));
                    }
                    self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// No more jobs: workers finish the item in hand and leave. True where all have left within `grace`.
    pub(crate) fn close(&self, grace: Duration) -> bool {
        self.closed.store(true, Ordering::SeqCst);
        let mut state = lock(&self.state);
        // Others than the workers may look after these.
        let (jobs, batches) = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.ready));
        self.jobs.notify_all();
        let end = Instant::now().checked_add(grace);
        while state.inside > 0 {
            let left = end.map_or(grace, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let all_left = state.inside == 0;
        drop(state);
        drop((jobs, batches));
        all_left
    }

    /// Called where workers could not be started.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.state).failed = Some(error);
        self.ready.notify_all();
    }
}

/// A desk as its workers see it.
pub(crate) trait Serve: Send + Sync {
    /// Works until the desk is closed.
    fn serve(&self, id: usize, workers: usize, first: bool);
    /// A worker that will not come.
    fn leave(&self);
}

impl<W: Work> Serve for Desk<W> {
    fn serve(&self, id: usize, workers: usize, first: bool) {
        let info = WorkerInfo { id, workers, seed: self.base_seed.wrapping_add(id as u64) };
        INFO.set(Some(info.clone()));
        let generator = Generator::with_seed(info.seed);
        with_generator(&generator, || {
            if let (true, Some(init)) = (first, &self.init) {
                let begun = catch_unwind(AssertUnwindSafe(|| init(&info)))
                    .unwrap_or_else(|panic| Err(super::fetch::panicked("panicked", &*panic)));
                if let Err(e) = begun {
                    return self.fail(e.context("DataLoader", format_args!("worker_init of worker {id}")));
                }
            }
            let seat = Seat { closed: &self.closed, item: &self.items[id] };
            loop {
                let job = {
                    let mut state = lock(&self.state);
                    loop {
                        if self.closed.load(Ordering::SeqCst) {
                            return;
                        }
                        match state.jobs.pop_front() {
                            Some(job) => break job,
                            None => state = self.jobs.wait(state).unwrap_or_else(PoisonError::into_inner),
                        }
                    }
                };
                let (number, batch) = self.work.run(job, &seat);
                seat.item.store(NONE, Ordering::Relaxed);
                lock(&self.state).ready.insert(number, batch);
                self.ready.notify_all();
            }
        });
    }

    fn leave(&self) {
        lock(&self.state).inside -= 1;
        self.ready.notify_all();
    }
}

struct Worker {
    desks: Sender<Arc<dyn Serve>>,
    thread: JoinHandle<()>,
}

/// Worker threads, which serve one desk after another.
pub(crate) struct Pool(Vec<Worker>);

impl Pool {
    pub(crate) fn start(workers: usize) -> Result<Pool> {
        let mut all = Vec::with_capacity(workers);
        for id in 0..workers {
            let (send, receive) = channel::<Arc<dyn Serve>>();
            let work = move || {
                let mut first = true;
                for desk in receive {
                    // A panic of somebody's `drop`, for all else is caught nearer: the worker is gone for this epoch.
                    let _ = catch_unwind(AssertUnwindSafe(|| desk.serve(id, workers, first)));
                    first = false;
                    desk.leave();
                }
            };
            let thread = std::thread::Builder::new().name(format!("flambeau-data-{id}")).spawn(work);
            let thread = thread.map_err(|e| {
                let message = format!("worker {id} could not be started: {e}");
                Error::new(ErrorKind::Worker, "DataLoader", message).with_source(e)
            })?;
            all.push(Worker { desks: send, thread });
        }
        Ok(Pool(all))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends all workers to `desk`.
    pub(crate) fn serve(&self, desk: &Arc<dyn Serve>) {
        for worker in &self.0 {
            if worker.desks.send(desk.clone()).is_err() {
                desk.leave();
            }
        }
    }

    /// Ends the threads; those of `stuck` workers end by themselves, when they come to it.
    pub(crate) fn end(self, stuck: bool) {
        let threads: Vec<JoinHandle<()>> = self.0.into_iter().map(|worker| worker.thread).collect();
        if !stuck {
            for thread in threads {
                let _ = thread.join();
            }
        }
    }
}
