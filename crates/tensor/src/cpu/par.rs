//! How work is shared among threads: always split by its size, never by their number, so that the
//! result is the same to the bit on any machine.

use rayon::prelude::*;
use std::ops::Range;

/// Elements that one task of a cheap elementwise loop takes.
pub(crate) const GRAIN: usize = 32 * 1024;

/// Calls `f` with each of `0..tasks`, on rayon's threads where there are several. Takes a `dyn` closure so
/// that rayon's machinery is compiled once, not for each kernel.
fn share(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    if tasks <= 1 || rayon::current_num_threads() == 1 {
        (0..tasks).for_each(f);
    } else {
        (0..tasks).into_par_iter().for_each(f);
    }
}

/// Calls `f` with the parts of `0..n`, each of `grain` indices (the last one shorter), on rayon's threads.
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
