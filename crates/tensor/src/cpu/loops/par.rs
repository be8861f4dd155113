//! How work is shared among threads: always split by its size, never by their number, so that the
//! result is the same to the bit on any machine.
//!
//! The thread that calls an op works itself, and idle threads of a pool help. It waits only for those that
//! have begun, which run nothing but this op's tasks: so it never takes up other work that may want a lock
//! which the op holds, and a pool that is busy or asleep costs nothing.

use super::lanes::Lane;
use crate::Result;
use parking_lot::Mutex;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

/// Elements that one task of a cheap elementwise loop takes.
pub(crate) const GRAIN: usize = 32 * 1024;

/// The threads that help the one that calls; `None` where it is alone, or the system gives no more.
type Helpers = Arc<Option<ThreadPool>>;

/// Made when first needed.
static HELPERS: Mutex<Option<Helpers>> = Mutex::new(None);

/// Helpers for `count` threads in all, 0 for `RAYON_NUM_THREADS` of them, or one a processor.
fn start(count: usize) -> Helpers {
    let told = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok().filter(|n| *n > 0);
    let machine = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut count = if count == 0 { told().unwrap_or_else(machine) } else { count }.min(MOST_THREADS);
    let build = |n| ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("flambeau-{i}")).build().ok();
    while count > 1 {
        match build(count - 1) {
            Some(pool) => return Arc::new(Some(pool)),
            // The system gives fewer.
            None => count /= 2,
        }
    }
    Arc::new(None)
}

/// Threads that one op uses at most, whatever is asked for.
const MOST_THREADS: usize = 1024;

fn helpers() -> Helpers {
    HELPERS.lock().get_or_insert_with(|| start(0)).clone()
}

/// The number of threads that one op uses: `torch.get_num_threads`.
pub fn get_num_threads() -> usize {
    1 + helpers().as_ref().as_ref().map_or(0, ThreadPool::current_num_threads)
}

/// Sets the number of threads that one op uses, 0 for as many as there are processors:
/// `torch.set_num_threads`. Results do not depend on it. More than 1024, or than the system has to give, are not
/// made: [`get_num_threads`] says how many there are.
pub fn set_num_threads(threads: usize) {
    let made = start(threads);
    // The old pool ends where the last op that uses it does, and not under the lock.
    let old = HELPERS.lock().replace(made);
    drop(old);
}

/// Runs `f` with ops on `threads` threads, and no other test that does so beside it.
#[cfg(test)]
pub(crate) fn with_threads<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    set_num_threads(threads);
    assert_eq!(get_num_threads(), threads);
    f()
}

/// Work that several threads share.
struct Work {
    /// The caller's closure, which lives until `finish` has returned.
    f: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    /// How many helpers are inside, and [`CLOSED`] once none may enter any more.
    inside: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    caller: Thread,
}

/// Set in `Work::inside` when the caller has found no more tasks.
const CLOSED: usize = 1 << (usize::BITS - 1);

// SAFETY: the closure may be called from any thread, and its address is used only while it lives (`help`).
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

impl Work {
    /// Takes tasks until there are none.
    fn run(&self, f: &(dyn Fn(usize) + Sync)) {
        loop {
            let task = self.next.fetch_add(1, Ordering::Relaxed);
            if task >= self.tasks {
                return;
            }
            f(task);
        }
    }

    /// Enters, unless it is too late, and takes tasks until there are none.
    fn help(&self) {
        let enter = |inside: usize| (inside & CLOSED == 0).then_some(inside + 1);
        if self.inside.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_err() {
            return;
        }
        // SAFETY: the caller keeps the closure until the work is closed and no helper is inside; this one is.
        let f = unsafe { &*self.f };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run(f))) {
            self.next.store(self.tasks, Ordering::Relaxed);
            *self.panic.lock() = Some(panic);
        }
        // What the helper wrote is there for the caller that reads this.
        if self.inside.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
            self.caller.unpark();
        }
    }

    /// Lets nobody in any more and waits for those inside.
    fn finish(&self) {
        let mut inside = self.inside.fetch_or(CLOSED, Ordering::Acquire) & !CLOSED;
        let mut spins = 0;
        while inside > 0 {
            // Tasks are short: the others are nearly through as well.
            if spins < 1000 {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::park();
            }
            inside = self.inside.load(Ordering::Acquire) & !CLOSED;
        }
    }
}

/// Calls `f` with each of `0..tasks`, on several threads where there are any. Takes a `dyn` closure so that
/// the machinery is compiled once, not for each kernel.
fn share(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    if tasks <= 1 {
        return (0..tasks).for_each(f);
    }
    let helpers = helpers();
    let Some(pool) = helpers.as_ref() else { return (0..tasks).for_each(f) };
    // SAFETY: only the lifetime changes. The address is used by helpers alone, and `Finish` waits for them
    // before this function is left, by a panic too.
    let erased = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync)>(f) };
    let (next, inside, panic) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(None));
    let work = Arc::new(Work { f: erased, tasks, next, inside, panic, caller: std::thread::current() });
    struct Finish<'a>(&'a Work);
    impl Drop for Finish<'_> {
        fn drop(&mut self) {
            self.0.finish();
        }
    }
    let finish = Finish(&work);
    for _ in 0..pool.current_num_threads().min(tasks - 1) {
        let work = work.clone();
        pool.spawn(move || work.help());
    }
    work.run(f);
    drop(finish);
    let panic = work.panic.lock().take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Calls `f` with each of `tasks`, on all threads.
pub(crate) fn each<A: Send>(tasks: Vec<A>, f: impl Fn(A) + Sync) {
    let tasks: Vec<Mutex<Option<A>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    share(tasks.len(), &|i| {
        let task = tasks[i].lock().take();
        task.into_iter().for_each(&f);
    });
}

/// [`each`], with the failure of any.
pub(crate) fn try_each<A: Send>(tasks: Vec<A>, f: impl Fn(A) -> Result<()> + Sync) -> Result<()> {
    let failure = Mutex::new(None);
    each(tasks, |task| {
        if let Err(e) = f(task) {
            *failure.lock() = Some(e);
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

/// Calls `f` with the parts of `0..n`, each of `grain` indices (the last one shorter), on all threads.
pub(crate) fn ranges(n: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
    pieces(n, grain, 1, &|_, range| f(range));
}

/// [`ranges`] for tasks that may fail: the error is that of one of them.
pub(crate) fn try_ranges(n: usize, grain: usize, f: impl Fn(Range<usize>) -> Result<()> + Sync) -> Result<()> {
    let failure = Mutex::new(None);
    ranges(n, grain, |range| {
        if let Err(e) = f(range) {
            *failure.lock() = Some(e);
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

/// Calls `f` with the parts of `0..n`, each of `size` indices (the last one shorter), and their numbers;
/// `together` of them make one task. Not generic, as `share`.
fn pieces(n: usize, size: usize, together: usize, f: &(dyn Fn(usize, Range<usize>) + Sync)) {
    let size = size.max(1);
    let count = n.div_ceil(size);
    share(count.div_ceil(together), &|task| {
        for i in task * together..((task + 1) * together).min(count) {
            f(i, i * size..((i + 1) * size).min(n));
        }
    });
}

/// The start of memory that tasks share, each writing to its own part.
pub(crate) struct Shared<T>(*mut T);
// SAFETY: who reads or writes there promises that tasks keep to their own parts (`part`, or what is done with
// the address), in memory that the caller of `new` holds.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(start: *mut T) -> Self {
        Shared(start)
    }

    /// The address of element `i`.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }

    /// # Safety
    /// `range` lies inside the memory, which lives as long as `'a`, and no other part that overlaps it lives.
    #[inline(always)]
    pub(crate) unsafe fn part<'a>(&self, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: as promised.
        unsafe { std::slice::from_raw_parts_mut(self.at(range.start), range.len()) }
    }
}

/// Calls `f` with the index and content of each chunk of `out` of `size` elements; several chunks make
/// one task where a chunk costs less than `GRAIN` (`cost`: elements of work in one chunk).
pub(crate) fn chunks<T: Send>(out: &mut [T], size: usize, cost: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if size == 0 {
        return;
    }
    let parts = Shared::new(out.as_mut_ptr());
    pieces(out.len(), size, (GRAIN / cost.max(1)).max(1), &|i, range| {
        // SAFETY: pieces are disjoint and inside `out`, which is borrowed mutably for the length of this call.
        f(i, unsafe { parts.part(range) });
    });
}

/// [`simd`] for a loop over lanes of `T`, where they gain from it.
#[inline(always)]
pub(crate) fn simd_over<T: Lane, R>(mut f: impl FnMut() -> R) -> R {
    if T::WIDE { simd(f) } else { f() }
}

/// Runs `f` with the widest SIMD the machine has: plain loops inside are compiled for each of them. `f` must
/// be `#[inline(always)]` where its body is large, or it falls out of that context.
#[inline(always)]
pub(crate) fn simd<R>(f: impl FnMut() -> R) -> R {
    // A struct of our own: pulp's path for `FnOnce` closures is not always inlined.
    struct Call<F>(F);
    impl<R, F: FnMut() -> R> pulp::WithSimd for Call<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    dispatch(Call(f))
}

/// Runs `job` with the widest SIMD the machine has, AVX-512 where it has it.
#[inline(always)]
pub(crate) fn dispatch<J: pulp::WithSimd>(job: J) -> J::Output {
    #[cfg(test)]
    if tests::WIDE.get() {
        return job.with_simd(pulp::Scalar512b);
    }
    static ARCH: std::sync::LazyLock<pulp::Arch> = std::sync::LazyLock::new(pulp::Arch::new);
    ARCH.dispatch(job)
}

/// Runs `f` as on a machine with registers of 512 bits, which every machine can imitate; on this thread alone.
#[cfg(test)]
pub(crate) fn with_wide_registers(f: impl FnOnce()) {
    with_threads(1, || {
        tests::WIDE.set(true);
        f();
        tests::WIDE.set(false);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        pub(in crate::cpu) static WIDE: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn each_task_runs_once_whoever_asks_at_the_same_time() {
        with_threads(3, || {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for tasks in 0..300 {
                            let runs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                            share(tasks, &|i| {
                                runs[i].fetch_add(1, Ordering::Relaxed);
                                // Work within work, as far as threads go.
                                share(i % 3, &|_| std::hint::spin_loop());
                            });
                            assert!(runs.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{tasks} tasks");
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        with_threads(4, || {
            for bad in 0..50 {
                let run = || {
                    share(50, &|i| {
                        std::thread::sleep(std::time::Duration::from_micros(20));
                        assert!(i != bad, "task {bad}");
                    })
                };
                let panic = catch_unwind(run).expect_err("a task panics");
                assert_eq!(panic.downcast_ref::<String>(), Some(&format!("task {bad}")));
            }
            let sum = AtomicUsize::new(0);
            share(100, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 4950);
        });
    }
}
