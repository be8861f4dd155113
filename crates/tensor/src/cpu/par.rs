//! How work is shared among threads: always split by its size, never by their number, so that the
//! result is the same to the bit on any machine.
//!
//! The threads are a pool of the crate's own. A thread that belongs to a pool already, ours or somebody
//! else's, does the whole work itself: while it waited for others, it would take up other work of its
//! pool, and that may want a lock which the op under way holds.

use super::lanes::Lane;
use parking_lot::Mutex;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::ops::Range;
use std::sync::Arc;

/// Elements that one task of a cheap elementwise loop takes.
pub(crate) const GRAIN: usize = 32 * 1024;

/// The threads that ops share their work among; made when first needed.
static POOL: Mutex<Option<Arc<ThreadPool>>> = Mutex::new(None);

/// A pool of `threads` threads, 0 for as many as rayon would take (`RAYON_NUM_THREADS`, or one a processor).
fn start(threads: usize) -> Option<Arc<ThreadPool>> {
    let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("flambeau-{i}"));
    builder.build().ok().map(Arc::new)
}

/// The pool; `None` where the system gives no threads.
fn pool() -> Option<Arc<ThreadPool>> {
    let mut pool = POOL.lock();
    if pool.is_none() {
        *pool = start(0);
    }
    pool.clone()
}

/// The number of threads that one op uses: `torch.get_num_threads`.
pub fn get_num_threads() -> usize {
    pool().map_or(1, |pool| pool.current_num_threads())
}

/// Sets the number of threads that one op uses, 0 for as many as there are processors:
/// `torch.set_num_threads`. Results do not depend on it. An op that is called on a thread of a rayon pool
/// uses that thread alone.
pub fn set_num_threads(threads: usize) {
    let made = start(threads);
    // The old pool ends where the last op that uses it does, and not under the lock.
    let old = std::mem::replace(&mut *POOL.lock(), made);
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

/// Calls `f` with each of `0..tasks`, on several threads where there are any. Takes a `dyn` closure so that
/// rayon's machinery is compiled once, not for each kernel.
fn share(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    let alone = tasks <= 1 || rayon::current_thread_index().is_some();
    match if alone { None } else { pool().filter(|pool| pool.current_num_threads() > 1) } {
        Some(pool) => pool.install(|| (0..tasks).into_par_iter().for_each(f)),
        None => (0..tasks).for_each(f),
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

/// Calls `f` with the parts of `0..n`, each of `grain` indices (the last one shorter), on all threads.
pub(crate) fn ranges(n: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    share(n.div_ceil(grain), &|i| f(i * grain..((i + 1) * grain).min(n)));
}

/// The start of a slice whose parts go to different threads.
struct Parts<T>(*mut T);
// SAFETY: `chunks` gives each thread parts of its own.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    /// # Safety
    /// `range` lies inside the slice, and no other part that overlaps it lives.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        // SAFETY: as promised.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// Calls `f` with the index and content of each chunk of `out` of `size` elements; several chunks make
/// one task where a chunk costs less than `GRAIN` (`cost`: elements of work in one chunk).
pub(crate) fn chunks<T: Send>(out: &mut [T], size: usize, cost: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if size == 0 {
        return;
    }
    let (n, together) = (out.len(), (GRAIN / cost.max(1)).max(1));
    let (whole, parts) = (size * together, Parts(out.as_mut_ptr()));
    let parts = &parts;
    share(n.div_ceil(whole), &|task| {
        // SAFETY: tasks are different numbers, so their ranges are disjoint and inside `out`, which is
        // borrowed mutably for the length of this call.
        let part = unsafe { parts.part(task * whole..((task + 1) * whole).min(n)) };
        part.chunks_mut(size).enumerate().for_each(|(i, c)| f(task * together + i, c));
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
    static ARCH: std::sync::LazyLock<pulp::Arch> = std::sync::LazyLock::new(pulp::Arch::new);
    ARCH.dispatch(Call(f))
}
