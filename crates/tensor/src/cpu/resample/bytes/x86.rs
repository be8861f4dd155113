//! The same in registers of 256 bits.

use super::{BLOCK, Runs};
use crate::Result;
use crate::cpu::{list, reserve};
use pulp::x86::V3;
use std::arch::x86_64::{__m128i, __m256i};
use std::sync::LazyLock;

/// Old bytes that four new ones are dealt from.
const WINDOW: usize = 16;

/// The instructions, where this machine has them.
static SIMD: LazyLock<Option<V3>> = LazyLock::new(V3::try_new);

/// Runs `f` with these instructions; what it calls has to be inlined into it.
#[inline(always)]
fn with(simd: V3, f: impl FnMut()) {
    struct Call<F>(F);
    impl<F: FnMut()> pulp::WithSimd for Call<F> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) {
            (self.0)()
        }
    }
    pulp::Simd::vectorize(simd, Call(f));
}

/// 16 bytes of `x` from `at` on.
///
/// # Safety
/// `x` has them.
#[inline(always)]
unsafe fn load(x: &[u8], at: usize) -> __m128i {
    // SAFETY: as the caller says; no alignment is asked for.
    unsafe { x.as_ptr().add(at).cast::<__m128i>().read_unaligned() }
}

/// How a row is resized along itself.
pub(super) struct Along {
    simd: V3,
    /// Bytes of a row, before and after.
    line: usize,
    made: usize,
    how: How,
}

enum How {
    Dealt(Dealt),
    Summed(Summed),
}

/// New bytes in fours. A block of eight fours is four vectors: the `i`-th has four `i` in its lower half and four `i + 4`
/// in the upper one, so that all are in order once the vectors are packed.
struct Dealt {
    /// How many pairs of old bytes each new one is mixed of, and how many windows they are dealt from: one, or as many.
    pairs: usize,
    windows: usize,
    /// Where the windows of both halves begin: inside of a row with all of their bytes.
    at: Vec<[u32; 2]>,
    /// Which bytes of its window each half takes, and their weights.
    places: Vec<[u8; 32]>,
    weights: Vec<[i16; 16]>,
}

/// New bytes that are sums over long runs: of 16 bytes `steps` times, inside of a row.
struct Summed {
    steps: usize,
    /// Eights of these, filled up at the end.
    first: Vec<u32>,
    weights: Vec<[i16; 16]>,
}

impl Along {
    /// None where rows are short, or pixels of several bytes are mixed of distant ones.
    pub(super) fn new(runs: &Runs, from: usize, inner: usize) -> Result<Option<Along>> {
        let (line, made) = (from * inner, runs.first.len() * inner);
        let Some(simd) = *SIMD else { return Ok(None) };
        if line < WINDOW || made < BLOCK || line > u32::MAX as usize {
            return Ok(None);
        }
        let how = match Dealt::new(runs, line, inner)? {
            Some(dealt) => How::Dealt(dealt),
            None => match Summed::new(runs, line, inner)? {
                Some(summed) => How::Summed(summed),
                None => return Ok(None),
            },
        };
        Ok(Some(Along { simd, line, made, how }))
    }

    pub(super) fn row(&self, bits: u32, x: &[u8], out: &mut [u8]) {
        let (x, out) = (&x[..self.line], &mut out[..self.made]);
        let simd = self.simd;
        match &self.how {
            How::Dealt(dealt) => match (dealt.windows, dealt.pairs) {
                (1, 1) => dealt.run::<1, 1>(simd, bits, x, out),
                (1, 2) => dealt.run::<2, 1>(simd, bits, x, out),
                (1, 3) => dealt.run::<3, 1>(simd, bits, x, out),
                (1, 4) => dealt.run::<4, 1>(simd, bits, x, out),
                (2, _) => dealt.run::<2, 2>(simd, bits, x, out),
                (3, _) => dealt.run::<3, 3>(simd, bits, x, out),
                (1, _) => dealt.run::<0, 1>(simd, bits, x, out),
                _ => dealt.run::<0, 0>(simd, bits, x, out),
            },
            How::Summed(summed) => with(
                simd,
                #[inline(always)]
                || summed.row(simd, bits, x, out),
            ),
        }
    }
}

impl Dealt {
    /// None where four new bytes, or one pair of each, come from more than a window.
    fn new(runs: &Runs, line: usize, inner: usize) -> Result<Option<Dealt>> {
        let made = runs.first.len() * inner;
        let pairs = runs.longest().div_ceil(2).max(1);
        let starts = || (0..made.div_ceil(BLOCK)).map(|block| (block * BLOCK).min(made - BLOCK));
        // Where the window of the four from `j` on begins, for some bytes of their runs.
        let window = |j: usize, from: usize, to: usize| {
            let (mut low, mut high) = (usize::MAX, 0);
            for j in j..j + 4 {
                let (first, run) = runs.get(j / inner);
                if from < run.len() {
                    low = low.min((first + from) * inner + j % inner);
                    high = high.max((first + to.min(run.len()) - 1) * inner + j % inner);
                }
            }
            let low = low.min(line - WINDOW);
            (high < low + WINDOW).then_some(low as u32)
        };
        let one = starts().all(|start| (0..8).all(|four| window(start + 4 * four, 0, usize::MAX).is_some()));
        let windows = if one { 1 } else { pairs };
        let vectors = 4 * made.div_ceil(BLOCK);
        let room = |of: usize| vectors.saturating_mul(of);
        let mut dealt = Dealt {
            pairs,
            windows,
            at: Vec::new(),
            places: list(room(pairs), [0x80; 32])?,
            weights: list(room(pairs), [0; 16])?,
        };
        reserve(&mut dealt.at, room(windows))?;
        for (block, start) in starts().enumerate() {
            for i in 0..4 {
                for w in 0..windows {
                    let (from, to) = if one { (0, usize::MAX) } else { (2 * w, 2 * w + 2) };
                    let (low, high) = (start + 4 * i, start + 4 * (i + 4));
                    let (Some(low), Some(high)) = (window(low, from, to), window(high, from, to)) else {
                        return Ok(None);
                    };
                    dealt.at.push([low, high]);
                }
                for half in 0..2 {
                    dealt.deal(runs, inner, block * 4 + i, half, start + 4 * (i + 4 * half));
                }
            }
        }
        Ok(Some(dealt))
    }

    /// Fills in the four from `j` on.
    fn deal(&mut self, runs: &Runs, inner: usize, vector: usize, half: usize, j: usize) {
        for n in 0..4 {
            let (first, run) = runs.get((j + n) / inner);
            for (k, weight) in run.iter().enumerate() {
                let (pair, at) = (k / 2, 16 * half + 4 * n + 2 * (k % 2));
                let window = self.at[vector * self.windows + if self.windows == 1 { 0 } else { pair }][half];
                let place = (first + k) * inner + (j + n) % inner - window as usize;
                self.places[vector * self.pairs + pair][at] = place as u8;
                self.weights[vector * self.pairs + pair][at / 2] = *weight;
            }
        }
    }

    /// The numbers of pairs and of windows, 0 for any.
    fn run<const PAIRS: usize, const WINDOWS: usize>(&self, simd: V3, bits: u32, x: &[u8], out: &mut [u8]) {
        with(
            simd,
            #[inline(always)]
            || self.row::<PAIRS, WINDOWS>(simd, bits, x, out),
        );
    }

    #[inline(always)]
    fn row<const PAIRS: usize, const WINDOWS: usize>(&self, simd: V3, bits: u32, x: &[u8], out: &mut [u8]) {
        let pairs = if PAIRS == 0 { self.pairs } else { PAIRS };
        let windows = if WINDOWS == 0 { pairs } else { WINDOWS };
        let half = simd.avx._mm256_set1_epi32(1 << (bits - 1));
        let bits = simd.sse2._mm_cvtsi32_si128(bits as i32);
        let last = out.len() - BLOCK;
        let blocks = self.at.chunks_exact(4 * windows).zip(self.places.chunks_exact(4 * pairs));
        for (block, ((at, places), weights)) in blocks.zip(self.weights.chunks_exact(4 * pairs)).enumerate() {
            let mut sums = [half; 4];
            for i in 0..4 {
                let (mut sum, mut window) = (half, half);
                for k in 0..pairs {
                    if k < windows {
                        let [low, high] = at[i * windows + k];
                        // SAFETY: `new` let windows end within a row, and `Along::row` gives one.
                        let (low, high) = unsafe { (load(x, low as usize), load(x, high as usize)) };
                        window = simd.avx._mm256_set_m128i(high, low);
                    }
                    let dealt = simd.avx2._mm256_shuffle_epi8(window, pulp::cast(places[i * pairs + k]));
                    let products = simd.avx2._mm256_madd_epi16(dealt, pulp::cast(weights[i * pairs + k]));
                    sum = simd.avx2._mm256_add_epi32(sum, products);
                }
                sums[i] = simd.avx2._mm256_sra_epi32(sum, bits);
            }
            let [a, b, c, d] = sums;
            let (low, high) = (simd.avx2._mm256_packs_epi32(a, b), simd.avx2._mm256_packs_epi32(c, d));
            if let Some(to) = out[(block * BLOCK).min(last)..].first_chunk_mut::<BLOCK>() {
                *to = pulp::cast(simd.avx2._mm256_packus_epi16(low, high));
            }
        }
    }
}

impl Summed {
    /// None for pixels of several bytes, or where a row is shorter than what is read of it for a run.
    fn new(runs: &Runs, line: usize, inner: usize) -> Result<Option<Summed>> {
        let steps = runs.longest().div_ceil(16);
        if inner != 1 || line < 16 * steps {
            return Ok(None);
        }
        let made = runs.first.len();
        let room = made.next_multiple_of(8);
        let mut summed = Summed { steps, first: list(room, 0)?, weights: list(room.saturating_mul(steps), [0; 16])? };
        for o in 0..made {
            let (first, run) = runs.get(o);
            let start = first.min(line - 16 * steps);
            summed.first[o] = start as u32;
            for (at, weight) in (first - start..).zip(run) {
                summed.weights[o * steps + at / 16][at % 16] = *weight;
            }
        }
        Ok(Some(summed))
    }

    #[inline(always)]
    fn row(&self, simd: V3, bits: u32, x: &[u8], out: &mut [u8]) {
        let half = simd.avx._mm256_set1_epi32(1 << (bits - 1));
        let bits = simd.sse2._mm_cvtsi32_si128(bits as i32);
        let add = |a, b| simd.avx2._mm256_hadd_epi32(a, b);
        let eights = self.first.as_chunks::<8>().0.iter().zip(self.weights.chunks_exact(8 * self.steps));
        for ((first, weights), out) in eights.zip(out.chunks_mut(8)) {
            let mut sums = [half; 8];
            for i in 0..8 {
                let mut sum = simd.avx._mm256_setzero_si256();
                for k in 0..self.steps {
                    // SAFETY: `new` let what is read of a run end within a row, and `Along::row` gives one.
                    let x = unsafe { load(x, first[i] as usize + 16 * k) };
                    let x = simd.avx2._mm256_cvtepu8_epi16(x);
                    let products = simd.avx2._mm256_madd_epi16(x, pulp::cast(weights[i * self.steps + k]));
                    sum = simd.avx2._mm256_add_epi32(sum, products);
                }
                sums[i] = sum;
            }
            let [a, b, c, d, e, f, g, h] = sums;
            let (a, e) = (add(add(a, b), add(c, d)), add(add(e, f), add(g, h)));
            let low = simd.avx2._mm256_permute2x128_si256::<0x20>(a, e);
            let high = simd.avx2._mm256_permute2x128_si256::<0x31>(a, e);
            let sum = simd.avx2._mm256_add_epi32(half, simd.avx2._mm256_add_epi32(low, high));
            let sums: [i32; 8] = pulp::cast(simd.avx2._mm256_sra_epi32(sum, bits));
            for i in 0..out.len() {
                out[i] = sums[i].clamp(0, 255) as u8;
            }
        }
    }
}

/// Rows as long as `out` added up by their weights, in pairs; false where they are short, or the instructions are lacking.
pub(super) fn across(rows: &[&[u8]], weights: &[i16], bits: u32, out: &mut [u8]) -> bool {
    let Some(simd) = SIMD.filter(|_| out.len() >= BLOCK) else { return false };
    match (rows, weights) {
        ([a], [w]) => sum(simd, [*a], [*w], bits, out),
        ([a, b], [w, v]) => sum(simd, [*a, *b], [*w, *v], bits, out),
        ([a, b, c], [w, v, u]) => sum(simd, [*a, *b, *c], [*w, *v, *u], bits, out),
        ([a, b, c, d], [w, v, u, t]) => sum(simd, [*a, *b, *c, *d], [*w, *v, *u, *t], bits, out),
        _ => sum(simd, rows, weights, bits, out),
    }
    true
}

/// [`across`] for a number of rows that is known when compiled, or any.
fn sum<'x>(simd: V3, rows: impl AsRef<[&'x [u8]]>, weights: impl AsRef<[i16]>, bits: u32, out: &mut [u8]) {
    with(
        simd,
        #[inline(always)]
        || {
            let (rows, weights) = (rows.as_ref(), weights.as_ref());
            assert!(rows.len() == weights.len() && rows.iter().all(|row| row.len() >= out.len()) && out.len() >= BLOCK);
            let half = simd.avx._mm256_set1_epi32(1 << (bits - 1));
            let bits = simd.sse2._mm_cvtsi32_si128(bits as i32);
            let zero = simd.avx._mm256_setzero_si256();
            let last = out.len() - BLOCK;
            for block in 0..out.len().div_ceil(BLOCK) {
                let start = (block * BLOCK).min(last);
                // SAFETY: all rows are as long as `out`, in which the block lies.
                let load = |k: usize| unsafe { rows[k].as_ptr().add(start).cast::<__m256i>().read_unaligned() };
                let mut sums = [half; 4];
                let mut k = 0;
                while k < rows.len() {
                    let two = k + 1 < rows.len();
                    let (x, y) = (load(k), if two { load(k + 1) } else { zero });
                    let (w, v) = (weights[k] as u16, if two { weights[k + 1] as u16 } else { 0 });
                    let weights = simd.avx._mm256_set1_epi32((u32::from(w) | u32::from(v) << 16) as i32);
                    let low = simd.avx2._mm256_unpacklo_epi8(x, y);
                    let high = simd.avx2._mm256_unpackhi_epi8(x, y);
                    let pairs = [
                        simd.avx2._mm256_unpacklo_epi8(low, zero),
                        simd.avx2._mm256_unpackhi_epi8(low, zero),
                        simd.avx2._mm256_unpacklo_epi8(high, zero),
                        simd.avx2._mm256_unpackhi_epi8(high, zero),
                    ];
                    for i in 0..4 {
                        let products = simd.avx2._mm256_madd_epi16(pairs[i], weights);
                        sums[i] = simd.avx2._mm256_add_epi32(sums[i], products);
                    }
                    k += 2;
                }
                for i in 0..4 {
                    sums[i] = simd.avx2._mm256_sra_epi32(sums[i], bits);
                }
                let low = simd.avx2._mm256_packs_epi32(sums[0], sums[1]);
                let high = simd.avx2._mm256_packs_epi32(sums[2], sums[3]);
                if let Some(to) = out[start..].first_chunk_mut::<BLOCK>() {
                    *to = pulp::cast(simd.avx2._mm256_packus_epi16(low, high));
                }
            }
        },
    );
}
