//! How work is shared among threads: always split by its size, never by their number, so that the
//! result is the same to the bit on any machine.

use rayon::prelude::*;
use std::ops::Range;

/// Elements that one task of a cheap elementwise loop takes.
pub(crate) const GRAIN: usize = 32 * 1024;

/// Calls `f` with the parts of `0..n`, each of `grain` indices (the last one shorter), on rayon's threads.
pub(crate) fn ranges(n: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    if n <= grain || rayon::current_num_threads() == 1 {
        (0..n.div_ceil(grain)).for_each(|i| f(i * grain..((i + 1) * grain).min(n)));
    } else {
        (0..n.div_ceil(grain)).into_par_iter().for_each(|i| f(i * grain..((i + 1) * grain).min(n)));
    }
}

/// Calls `f` with the index and content of each chunk of `out` of `size` elements; several chunks make
/// one task where a chunk costs less than `GRAIN` (`cost`: elements of work in one chunk).
pub(crate) fn chunks<T: Send>(out: &mut [T], size: usize, cost: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if size == 0 {
        return;
    }
    let together = (GRAIN / cost.max(1)).max(1);
    if out.len() <= size * together || rayon::current_num_threads() == 1 {
        out.chunks_mut(size).enumerate().for_each(|(i, c)| f(i, c));
    } else {
        out.par_chunks_mut(size * together).enumerate().for_each(|(task, part)| {
            part.chunks_mut(size).enumerate().for_each(|(i, c)| f(task * together + i, c));
        });
    }
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
