//! What the machine can do at most: multiply-adds in each instruction set, and bytes to and from memory.

use flambeau_bench_worker::Clock;
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use std::sync::Barrier;

/// Roofs by name, of `threads` threads together: `f32` operations a second (a multiply-add counts as two) in each
/// instruction set, `fma` for the widest of them, and bytes read and written a second in a copy.
pub fn measure(threads: usize, clock: Clock) -> Vec<(&'static str, f64)> {
    let threads = threads.max(1);
    let mut roofs = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx2) = pulp::x86::V3::try_new() {
            roofs.push(("fma_avx2", together(threads, || fma(clock, || Simd::vectorize(avx2, Fma)))));
        }
        if let Some(avx512) = pulp::x86::V4::try_new() {
            roofs.push(("fma_avx512", together(threads, || fma(clock, || Simd::vectorize(avx512, Fma)))));
        }
    }
    let arch = pulp::Arch::new();
    roofs.push(("fma", together(threads, || fma(clock, || arch.dispatch(Fma)))));
    roofs.push(("copy", together(threads, || copy(clock))));
    roofs
}

/// The sum of what the threads do at the same time.
fn together(threads: usize, rate: impl Fn() -> f64 + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = || {
            barrier.wait();
            rate()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

/// Steps of one call of [`Fma`].
const STEPS: usize = 100_000;
/// Chains that do not wait for each other: more than two units times their latency.
const CHAINS: usize = 12;

/// Multiply-adds in registers alone; gives how many it made.
struct Fma;

impl WithSimd for Fma {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut chains = [simd.splat_f32s(black_box(1.0)); CHAINS];
        let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = simd.mul_add_f32s(*chain, factor, term);
            }
        }
        for chain in chains {
            black_box(simd.reduce_sum_f32s(chain));
        }
        (STEPS * CHAINS * S::F32_LANES) as f64
    }
}

/// `f32` operations a second: the best of a few tries.
fn fma(clock: Clock, run: impl Fn() -> f64) -> f64 {
    let once = || {
        let start = clock.now();
        let made = run();
        2.0 * made / ((clock.now() - start) * 1e-9)
    };
    (0..50).map(|_| once()).fold(0.0, f64::max)
}

/// Bytes read and written a second in copies of 64 MiB, which no cache holds: the best of a few.
fn copy(clock: Clock) -> f64 {
    let from = vec![1u8; 64 << 20];
    let mut to = vec![0u8; from.len()];
    let mut once = || {
        let start = clock.now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        2.0 * from.len() as f64 / ((clock.now() - start) * 1e-9)
    };
    (0..15).map(|_| once()).fold(0.0, f64::max)
}
