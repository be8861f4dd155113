//! An epoch under way: jobs given out ahead, batches handed out in order.

use super::state::LoaderState;
use super::workers::{Desk, Init, Pool, Serve, Taken, Work};
use flambeau_tensor::{Error, Result};
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an end waits for the items in hand where no timeout is given.
const GRACE: Duration = Duration::from_secs(5);

/// The most batches that a worker keeps ready.
const MOST_PREFETCHED: usize = 1024;

/// Where the workers of a loader wait between epochs.
pub(crate) type Home = Arc<Mutex<Option<Pool>>>;

/// What loaders of both kinds are told.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) workers: usize,
    pub(crate) prefetch: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) persistent: bool,
    pub(crate) init: Option<Init>,
}

impl Crew {
    pub(crate) fn new() -> Self {
        Crew { workers: 0, prefetch: 2, timeout: None, persistent: false, init: None }
    }
}

/// Where jobs come from: `next(false)` for as many as are known to come, `next(true)` to ask whether there is another.
pub(crate) trait Jobs<J> {
    fn next(&mut self, ask: bool) -> Option<Result<J>>;
}

pub(crate) struct Run<W: Work> {
    desk: Arc<Desk<W>>,
    pool: Option<Pool>,
    home: Option<Home>,
    /// Jobs given out beyond the batch that is waited for.
    window: usize,
    next: usize,
    given: usize,
    /// The job of a loop without workers.
    own: Option<W::Job>,
    /// What comes when all that was given out has been handed out.
    failed: Option<Error>,
    timeout: Option<Duration>,
    at: &'static Location<'static>,
    over: bool,
}

impl<W: Work> Run<W> {
    /// Starts workers, of which no more than `batches` are of use, behind what `state` says was handed out.
    pub(crate) fn start(
        work: W,
        crew: &Crew,
        home: &Home,
        state: &LoaderState,
        batches: usize,
        at: &'static Location<'static>,
    ) -> Self {
        let kept = home.lock().unwrap_or_else(PoisonError::into_inner).take();
        let workers = match &kept {
            Some(pool) => pool.len(),
            // Workers that stay may have more to do in a later epoch.
            None if crew.persistent => crew.workers,
            None => crew.workers.min(batches),
        };
        let desk = Desk::new(work, workers, state.base_seed, crew.init.clone());
        let mut failed = None;
        let pool = match kept {
            Some(pool) => Some(pool),
            None if workers == 0 => None,
            None => Pool::start(workers).map_err(|e| failed = Some(e.located(at))).ok(),
        };
        if let Some(pool) = &pool {
            pool.serve(&(desk.clone() as Arc<dyn Serve>));
        }
        let window = crew.prefetch.clamp(1, MOST_PREFETCHED) * workers.max(1);
        let window = if workers == 0 { 1 } else { window };
        let over = failed.is_some();
        let home = crew.persistent.then(|| home.clone());
        let (first, timeout) = (state.batches, crew.timeout);
        Run { desk, pool, home, window, next: first, given: first, own: None, failed, timeout, at, over }
    }

    /// A run that only fails.
    pub(crate) fn failed(mut self, error: Error) -> Self {
        (self.failed, self.over) = (Some(error), true);
        self
    }

    /// The number of the next batch.
    pub(crate) fn number(&self) -> usize {
        self.next
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    fn give(&mut self, job: W::Job) {
        self.given += 1;
        match &self.pool {
            Some(_) => self.desk.push(job),
            None => self.own = Some(job),
        }
    }

    /// Gives out jobs as far as the window goes.
    pub(crate) fn fill(&mut self, jobs: &mut impl Jobs<W::Job>) {
        while !self.over && self.failed.is_none() && self.given - self.next < self.window {
            match jobs.next(false) {
                Some(Ok(job)) => self.give(job),
                Some(Err(e)) => self.failed = Some(e),
                None => break,
            }
        }
    }

    pub(crate) fn next(&mut self, jobs: &mut impl Jobs<W::Job>) -> Option<Result<W::Batch>> {
        self.fill(jobs);
        if self.given == self.next {
            if self.failed.is_none() && !self.over {
                match jobs.next(true) {
                    Some(Ok(job)) => self.give(job),
                    Some(Err(e)) => self.failed = Some(e),
                    None => self.over = true,
                }
            }
            if let Some(e) = self.failed.take() {
                self.over = true;
                return Some(Err(e.located(self.at)));
            }
        }
        if self.over {
            self.end();
            return None;
        }
        let batch = match self.own.take() {
            Some(job) => self.desk.work.run(job, &self.desk.seat()).1,
            None => match self.desk.take(self.next, self.timeout) {
                Taken::Batch(batch) => batch,
                // It may still come.
                Taken::Late(e) => return Some(Err(e.located(self.at))),
                Taken::Dead(e) => {
                    self.over = true;
                    self.end();
                    return Some(Err(e.located(self.at)));
                }
            },
        };
        match &batch {
            Some(_) => self.next += 1,
            None => {
                self.over = true;
                self.end();
            }
        }
        batch
    }

    fn end(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let all_left = self.desk.close(self.timeout.unwrap_or(GRACE));
        match &self.home {
            Some(home) if all_left => {
                let mut home = home.lock().unwrap_or_else(PoisonError::into_inner);
                match *home {
                    None => *home = Some(pool),
                    // Another epoch has brought its workers home already.
                    Some(_) => pool.end(false),
                }
            }
            _ => pool.end(!all_left),
        }
    }
}

impl<W: Work> Drop for Run<W> {
    fn drop(&mut self) {
        self.end();
    }
}
