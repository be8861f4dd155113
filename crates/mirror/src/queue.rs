//! The queues of all streams, and the thread that empties them: late, and in an adverse order.

use flambeau_tensor::storage::Use;
use flambeau_tensor::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

/// So many jobs may wait before the thread begins without being asked.
const LONG: usize = 64;

/// Something to be done on a stream.
pub(crate) struct Job {
    pub name: &'static str,
    pub at: &'static Location<'static>,
    pub stream: u64,
    /// What must be over first, on other streams.
    pub after: Vec<Use>,
    pub work: Box<dyn FnOnce() -> Result<()> + Send>,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<u64, VecDeque<(u64, Job)>>,
    /// The last ticket that was given, and that is over, by stream.
    given: BTreeMap<u64, u64>,
    over: BTreeMap<u64, u64>,
    waiting: usize,
    seed: u64,
    /// The first fault of a stream that nobody was told yet.
    faults: BTreeMap<u64, Fault>,
}

#[derive(Clone)]
struct Fault {
    kind: ErrorKind,
    name: &'static str,
    message: String,
    at: &'static Location<'static>,
}

#[derive(Clone)]
pub(crate) struct Queues(Arc<(Mutex<State>, Condvar)>);

impl State {
    fn is_over(&self, stream: u64, ticket: u64) -> bool {
        self.over.get(&stream).is_some_and(|over| *over >= ticket)
    }

    fn len(&self) -> usize {
        self.streams.values().map(VecDeque::len).sum()
    }

    /// A stream whose next job may run, drawn from the seed.
    fn next(&mut self) -> Option<(u64, Job)> {
        let may = |job: &Job| job.after.iter().all(|u| self.is_over(u.stream, u.ticket));
        let ready: Vec<u64> =
            self.streams.iter().filter(|(_, q)| q.front().is_some_and(|(_, j)| may(j))).map(|(s, _)| *s).collect();
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let stream = ready.get((self.seed >> 33) as usize % ready.len().max(1))?;
        self.streams.get_mut(stream)?.pop_front()
    }
}

impl Queues {
    pub fn start() -> Queues {
        let queues = Queues(Arc::default());
        let own = queues.clone();
        std::thread::spawn(move || own.work());
        queues
    }

    pub fn set_seed(&self, seed: u64) {
        self.0.0.lock().seed = seed;
    }

    pub fn len(&self) -> usize {
        self.0.0.lock().len()
    }

    pub fn push(&self, job: Job) -> u64 {
        let mut state = self.0.0.lock();
        let given = state.given.entry(job.stream).or_default();
        *given += 1;
        let ticket = *given;
        state.streams.entry(job.stream).or_default().push_back((ticket, job));
        drop(state);
        self.0.1.notify_all();
        ticket
    }

    /// The last tickets of the streams that `of` names.
    pub fn last_of(&self, of: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        self.0.0.lock().given.iter().filter(|(s, _)| of(**s)).map(|(s, t)| (*s, *t)).collect()
    }

    /// Waits until these tickets are over; the first fault of their streams that was not told yet is the error.
    pub fn wait(&self, goals: &[(u64, u64)]) -> Result<()> {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        state.waiting += 1;
        changed.notify_all();
        while !goals.iter().all(|(stream, ticket)| state.is_over(*stream, *ticket)) {
            changed.wait(&mut state);
        }
        state.waiting -= 1;
        let fault = goals.iter().find_map(|(stream, _)| state.faults.remove(stream));
        fault.map_or(Ok(()), |f| {
            Err(Error::new(f.kind, f.name, format!("{} (queued earlier)", f.message)).queued_at(f.at))
        })
    }

    fn work(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        loop {
            let asked = state.waiting > 0 || state.len() > LONG;
            let Some((ticket, job)) = (if asked { state.next() } else { None }) else {
                changed.wait(&mut state);
                continue;
            };
            let Job { name, at, stream, work, after } = job;
            let result = parking_lot::MutexGuard::unlocked(&mut state, || catch_unwind(AssertUnwindSafe(work)));
            let own = match result {
                Ok(Ok(())) => None,
                Ok(Err(e)) => Some((e.kind(), e.message().to_string())),
                Err(_) => Some((ErrorKind::Device, "the kernel panicked".to_string())),
            };
            // What came out of a fault is one, too.
            let inherited = after.iter().find_map(|u| state.faults.get(&u.stream).cloned());
            if let Some(fault) = inherited.or(own.map(|(kind, message)| Fault { kind, name, message, at })) {
                state.faults.entry(stream).or_insert(fault);
            }
            state.over.insert(stream, ticket);
            changed.notify_all();
        }
    }
}
