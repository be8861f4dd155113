//! Kernels of scaled dot product attention: queries and keys in blocks, whose scores stay in the second-level cache.
//!
//! Forward a softmax runs along: what was summed before is scaled when a larger score comes. Backward the weights are
//! computed again from the logarithms that forward left. Where attention is causal, blocks, panels and parts of sums
//! beyond the diagonal are left out. All products have the block's keys or values packed on the right.
//!
//! Half precision is computed in `f32`. What PyTorch stores between two products is rounded as there: forward the
//! exponentials (not their sum), backward the weights and the gradients by the scores, before they are scaled.

mod rows;

use super::floats::{Wide, compute, keep_all, read, sum_of};
use super::math::Float;
use super::matmul::{Matrix, Target};
use super::micro::Real;
use super::packed::{Packed, Within};
use super::par::{self, Shared};
use super::scratch::Scratch;
use super::{CpuKernel, Dst, Src, list};
use crate::layout::Layout;
use crate::op::Infer;
use crate::ops::{ScaledDotProductAttention, ScaledDotProductAttentionBackward};
use crate::shape::{Shape, Strides};
use crate::{DType, Result};
use pulp::{Simd, WithSimd};
use rows::Scalar;
use std::borrow::Cow;
use std::ops::Range;

/// Queries and keys of a block.
const QUERIES: usize = 48;
const KEYS: usize = 256;
/// The same backward, where sums run along both.
const QUERIES_BACK: usize = 96;
const KEYS_BACK: usize = 128;
/// Queries of a head that are one task; each packs the keys for itself.
const CHUNK: usize = 10 * QUERIES;
/// Multiply-adds that a task should have at least.
const TASK: usize = 1 << 20;

/// An operand `[…, rows, columns]` where it lies, as the numbers that are computed in.
struct Operand<'a, T: Clone> {
    data: Cow<'a, [T]>,
    batch: Layout,
    row: usize,
    column: usize,
}

/// One of its matrices.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    data: &'a [T],
    row: usize,
    column: usize,
}

impl<'a, T: Clone> Operand<'a, T> {
    fn new(data: Cow<'a, [T]>, layout: &Layout) -> Operand<'a, T> {
        let batch = layout.rank() - 2;
        let (shape, strides) =
            (Shape::from_slice(&layout.shape[..batch]), Strides::from_slice(&layout.strides[..batch]));
        let (row, column) = (layout.strides[batch], layout.strides[batch + 1]);
        Operand { data, batch: Layout { shape, strides, offset: 0 }, row, column }
    }

    /// Matrix `i`.
    fn head(&self, i: usize) -> Head<'_, T> {
        Head { data: self.data.get(self.batch.place(i)..).unwrap_or_default(), row: self.row, column: self.column }
    }
}

impl<'a, T: Scalar> Operand<'a, T> {
    fn of(x: &Src<'a>) -> Result<Operand<'a, T>> {
        if T::KIND.stores(x.dtype()) {
            return Ok(Operand::new(Cow::Borrowed(x.span::<T>()), x.layout()));
        }
        Ok(Operand::new(read::<T>(x)?, &Layout::contiguous(Shape::from_slice(x.shape()))))
    }
}

impl<'a, T: Scalar> Head<'a, T> {
    /// The rows from `i` on.
    fn from(self, i: usize) -> Head<'a, T> {
        Head { data: self.data.get(i * self.row..).unwrap_or_default(), ..self }
    }

    fn matrix(self) -> Matrix<T> {
        Matrix { ptr: self.data.as_ptr(), row: self.row, column: self.column }
    }

    /// `rows` of them and all columns packed, as they are.
    fn pack(self, packed: &mut Packed<T>, rows: usize, columns: usize) -> Result<()> {
        packed.fill((rows, columns), self.data, self.row, self.column)
    }

    /// The same turned round.
    fn pack_turned(self, packed: &mut Packed<T>, rows: usize, columns: usize) -> Result<()> {
        packed.fill((columns, rows), self.data, self.column, self.row)
    }
}

/// What is added to scores, or which of them count.
enum Mask<'a, T: Clone> {
    None,
    May(Operand<'a, u8>),
    Add(Operand<'a, T>),
}

impl<'a, T: Scalar> Mask<'a, T> {
    fn of(mask: Option<&Src<'a>>) -> Result<Mask<'a, T>> {
        Ok(match mask {
            None => Mask::None,
            Some(x) if x.dtype() == DType::Bool => Mask::May(Operand::new(Cow::Borrowed(x.span::<u8>()), x.layout())),
            Some(x) => Mask::Add(Operand::of(x)?),
        })
    }

    /// To the scores of query `i` with the keys from `first` on.
    #[inline(always)]
    fn apply(&self, head: usize, i: usize, first: usize, scores: &mut [T]) {
        if scores.is_empty() {
            return;
        }
        match self {
            Mask::None => {}
            Mask::May(mask) => {
                let from = &mask.head(head).data[i * mask.row + first * mask.column..];
                for (j, x) in scores.iter_mut().enumerate() {
                    let kept = *x;
                    *x = if from[j * mask.column] == 0 { T::NEG_INFINITY } else { kept };
                }
            }
            Mask::Add(mask) => {
                let from = &mask.head(head).data[i * mask.row + first * mask.column..];
                for (j, x) in scores.iter_mut().enumerate() {
                    *x += from[j * mask.column];
                }
            }
        }
    }
}

/// The sizes, and what is to be computed.
#[derive(Clone, Copy)]
struct Sizes<T> {
    heads: usize,
    /// Heads of the queries for one of the keys.
    group: usize,
    /// Queries and keys of a head, and their numbers and those of the values.
    l: usize,
    s: usize,
    e: usize,
    ev: usize,
    scale: T,
    causal: bool,
    /// What is between two products is rounded to this.
    kept: Option<DType>,
}

impl<T: Scalar> Sizes<T> {
    fn of(op: &ScaledDotProductAttention, q: &Src<'_>, k: &Src<'_>, v: &Src<'_>) -> Sizes<T> {
        let batch = q.shape().len() - 2;
        let count = |x: &Src<'_>| x.shape()[..batch].iter().product::<usize>();
        Sizes {
            heads: count(q),
            group: count(q) / count(k).max(1),
            l: q.shape()[batch],
            s: k.shape()[batch],
            e: q.shape()[batch + 1],
            ev: v.shape()[batch + 1],
            scale: <T as Float>::from_f64(op.scale),
            causal: op.causal,
            kept: Some(q.dtype()).filter(|dtype| dtype.is_half()),
        }
    }

    /// Rounds `n` rows of as many numbers as there are `keys`.
    fn keep(&self, all: &mut [T], row: usize, n: usize, keys: usize) {
        if let Some(dtype) = self.kept {
            all.chunks_mut(row).take(n).for_each(|all| keep_all(dtype, &mut all[..keys]));
        }
    }

    /// How many of `keys` keys from `start` on query `i` may attend to.
    #[inline(always)]
    fn reach(&self, i: usize, start: usize, keys: usize) -> usize {
        if self.causal { (i + 1).saturating_sub(start).min(keys) } else { keys }
    }

    /// Do all of these queries come before all keys from `start` on?
    fn is_beyond(&self, queries: &Range<usize>, start: usize) -> bool {
        self.causal && start >= queries.end
    }

    fn within(&self, within: fn(isize) -> Within, first: usize, start: usize) -> Within {
        if self.causal { within(first as isize - start as isize) } else { Within::All }
    }
}

fn panels<T: Real>(columns: usize) -> Range<usize> {
    let width = Packed::<T>::padded(1);
    0..columns.div_ceil(width)
}

/// The memory of a task, in the caching allocator: what a system gives and takes back at each call costs as much as the
/// softmax.
struct Work<T> {
    keys: Packed<T>,
    values: Packed<T>,
    scores: Scratch<T>,
    /// Numbers from a row of scores to the next.
    row: usize,
    /// Of each query the largest score so far, and the sum of exponentials.
    top: Scratch<T>,
    sum: Scratch<T>,
}

/// Rows of scores for `queries` of them and blocks of so many keys, and how far they are apart: not a power of two, of
/// which all rows would fall into the same few lines of the cache.
fn scores<T: Real>(queries: usize, keys: usize) -> Result<(Scratch<T>, usize)> {
    let row = Packed::<T>::padded(keys) + 16;
    Ok((Scratch::new(ScaledDotProductAttention::NAME, &[queries, row])?, row))
}

struct Forward<'a, T: Clone> {
    size: Sizes<T>,
    q: Operand<'a, T>,
    k: Operand<'a, T>,
    v: Operand<'a, T>,
    mask: Mask<'a, T>,
}

impl<T: Scalar> Forward<'_, T> {
    fn work(&self) -> Result<Work<T>> {
        let (scores, row) = scores(QUERIES.min(self.size.l), KEYS.min(self.size.s))?;
        let each = || Scratch::new(ScaledDotProductAttention::NAME, &[CHUNK.min(self.size.l)]);
        Ok(Work { keys: Packed::empty(), values: Packed::empty(), scores, row, top: each()?, sum: each()? })
    }

    /// Some queries of a head.
    fn run(&self, work: &mut Work<T>, head: usize, queries: Range<usize>, out: &mut [T], lse: &mut [T]) -> Result<()> {
        let size = &self.size;
        work.top.slice().fill(T::NEG_INFINITY);
        work.sum.slice().fill(T::ZERO);
        let (k, v) = (self.k.head(head / size.group), self.v.head(head / size.group));
        for start in (0..size.s).step_by(KEYS) {
            if size.is_beyond(&queries, start) {
                break;
            }
            let keys = KEYS.min(size.s - start);
            k.from(start).pack_turned(&mut work.keys, keys, size.e)?;
            v.from(start).pack(&mut work.values, keys, size.ev)?;
            for first in queries.clone().step_by(QUERIES) {
                let block = first..(first + QUERIES).min(queries.end);
                if !size.is_beyond(&block, start) {
                    let at = first - queries.start;
                    self.block(work, head, block.clone(), at, start..start + keys, &mut out[at * size.ev..]);
                }
            }
        }
        let (top, sum) = (work.top.slice(), work.sum.slice());
        par::simd(
            #[inline(always)]
            || {
                for i in 0..lse.len() {
                    let nothing = sum[i] == T::ZERO;
                    let factor = if nothing { T::ZERO } else { T::ONE / sum[i] };
                    rows::scale(&mut out[i * size.ev..(i + 1) * size.ev], factor);
                    lse[i] = if nothing { T::INFINITY } else { top[i] + Float::ln(sum[i]) };
                }
            },
        );
        Ok(())
    }

    /// A block of queries, the first of them number `at` of the task, with a block of keys.
    fn block(
        &self,
        work: &mut Work<T>,
        head: usize,
        queries: Range<usize>,
        at: usize,
        keys: Range<usize>,
        out: &mut [T],
    ) {
        let (size, row, n) = (&self.size, work.row, queries.len());
        let (first, start) = (queries.start, keys.start);
        assert!(n * row <= work.scores.len() && n * size.ev <= out.len());
        let scores = Target { ptr: work.scores.slice().as_mut_ptr(), row, add: false };
        let q = self.q.head(head).from(first).matrix();
        // SAFETY: the block's queries are rows of `q`; the scores have room for `n` rows of all panels.
        unsafe {
            let within = size.within(Within::Columns, first, start);
            work.keys.run(panels::<T>(keys.len()), n, q, scores, within);
        }
        par::dispatch(Softmax {
            of: self,
            head,
            queries,
            keys: keys.clone(),
            scores: work.scores.slice(),
            row,
            top: &mut work.top.slice()[at..at + n],
            sum: &mut work.sum.slice()[at..at + n],
            out: &mut *out,
        });
        size.keep(work.scores.slice(), row, n, keys.len());
        let weights = Matrix { ptr: work.scores.start(), row, column: 1 };
        let out = Target { ptr: out.as_mut_ptr(), row: size.ev, add: start > 0 };
        // SAFETY: the weights are `n` rows of as many as there are keys, the output `n` rows.
        unsafe {
            let within = size.within(Within::UpTo, first, start);
            work.values.run(panels::<T>(size.ev), n, weights, out, within);
        }
    }
}

/// The weights of a block from its scores, in their place; sums and outputs so far are scaled where a larger score comes.
struct Softmax<'a, T: Clone> {
    of: &'a Forward<'a, T>,
    head: usize,
    queries: Range<usize>,
    keys: Range<usize>,
    scores: &'a mut [T],
    row: usize,
    /// Of the queries of the block.
    top: &'a mut [T],
    sum: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Scalar> WithSimd for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (size, mask) = (&self.of.size, &self.of.mask);
        let (start, keys) = (self.keys.start, self.keys.len());
        let scaled = matches!(mask, Mask::None) && size.scale > T::ZERO;
        for i in 0..self.queries.len() {
            let query = self.queries.start + i;
            let scores = &mut self.scores[i * self.row..(i + 1) * self.row];
            let reach = size.reach(query, start, keys);
            let scale = if scaled {
                size.scale
            } else {
                rows::scale(&mut scores[..reach], size.scale);
                mask.apply(self.head, query, start, &mut scores[..reach]);
                T::ONE
            };
            let scores = whole::<S, T>(scores, reach, keys);
            let (old, sum) = (self.top[i], self.sum[i]);
            let top = Float::maximum(old, rows::largest(simd, scores) * scale);
            let safe = if top == T::NEG_INFINITY { T::ZERO } else { top };
            let factor = Float::exp(old - safe);
            self.sum[i] = sum * factor + rows::exponentials(simd, scores, scale, safe);
            self.top[i] = top;
            if start > 0 {
                rows::scale(&mut self.out[i * size.ev..(i + 1) * size.ev], factor);
            }
        }
    }
}

/// The first `reach` of a row of `keys` scores, filled up with −∞ to whole registers; what is behind them is zero.
#[inline(always)]
fn whole<S: Simd, T: Scalar>(scores: &mut [T], reach: usize, keys: usize) -> &mut [T] {
    let end = reach.next_multiple_of(T::lanes::<S>());
    scores[reach..end].fill(T::NEG_INFINITY);
    if end < keys {
        scores[end..keys].fill(T::ZERO);
    }
    &mut scores[..end]
}

fn forward<T: Scalar>(op: &ScaledDotProductAttention, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
    let [out, lse] = outputs else { return Ok(()) };
    let size = Sizes::<T>::of(op, &inputs[0], &inputs[1], &inputs[2]);
    let mut out = Wide::<T>::of(out)?;
    let lse = lse.slice::<T>();
    if size.s == 0 || lse.is_empty() {
        out.numbers().fill(T::ZERO);
        lse.fill(T::INFINITY);
        out.finish();
        return Ok(());
    }
    let (q, k, v) = (Operand::of(&inputs[0])?, Operand::of(&inputs[1])?, Operand::of(&inputs[2])?);
    let job = Forward { size, q, k, v, mask: Mask::of(inputs.get(3))? };
    let (to, to_lse) = (Shared::new(out.numbers().as_mut_ptr()), Shared::new(lse.as_mut_ptr()));
    let chunks = size.l.div_ceil(CHUNK);
    let cost = size.l.min(CHUNK).saturating_mul(size.s).saturating_mul(size.e + size.ev);
    par::try_ranges(size.heads * chunks, (TASK / cost.max(1)).max(1), |tasks| {
        let mut work = job.work()?;
        for task in tasks {
            let (head, chunk) = (task / chunks, task % chunks);
            let queries = chunk * CHUNK..((chunk + 1) * CHUNK).min(size.l);
            let rows = head * size.l + queries.start..head * size.l + queries.end;
            // SAFETY: each task has rows of its own, which lie in the outputs.
            let (out, lse) = unsafe { (to.part(rows.start * size.ev..rows.end * size.ev), to_lse.part(rows)) };
            job.run(&mut work, head, queries, out, lse)?;
        }
        Ok(())
    })?;
    out.finish();
    Ok(())
}

struct Backward<'a, T: Clone> {
    size: Sizes<T>,
    g: Operand<'a, T>,
    q: Operand<'a, T>,
    k: Operand<'a, T>,
    v: Operand<'a, T>,
    mask: Mask<'a, T>,
    lse: Cow<'a, [T]>,
    /// Σ gradient · output of each query.
    mean: Vec<T>,
}

/// The memory of a task backward.
struct WorkBack<T> {
    /// Keys and values turned round, and keys as they are.
    keys_turned: Packed<T>,
    values_turned: Packed<T>,
    keys: Packed<T>,
    /// Queries and gradients of a block.
    queries: Packed<T>,
    grads: Packed<T>,
    weights: Scratch<T>,
    by_scores: Scratch<T>,
    row: usize,
}

impl<T: Scalar> Backward<'_, T> {
    fn work(&self) -> Result<WorkBack<T>> {
        let (queries, keys) = (QUERIES_BACK.min(self.size.l), KEYS_BACK.min(self.size.s));
        let ((weights, row), (by_scores, _)) = (scores(queries, keys)?, scores(queries, keys)?);
        let [keys_turned, values_turned, keys, queries, grads] = std::array::from_fn(|_| Packed::empty());
        Ok(WorkBack { keys_turned, values_turned, keys, queries, grads, weights, by_scores, row })
    }

    /// One head of the keys, with all of the queries' for it.
    fn run(&self, work: &mut WorkBack<T>, own: usize, [dq, dk, dv]: [&mut [T]; 3]) -> Result<()> {
        let size = &self.size;
        [&mut *dq, &mut *dk, &mut *dv].into_iter().for_each(|grad| grad.fill(T::ZERO));
        let (k, v) = (self.k.head(own), self.v.head(own));
        for start in (0..size.s).step_by(KEYS_BACK) {
            let keys = start..(start + KEYS_BACK).min(size.s);
            k.from(start).pack_turned(&mut work.keys_turned, keys.len(), size.e)?;
            v.from(start).pack_turned(&mut work.values_turned, keys.len(), size.ev)?;
            k.from(start).pack(&mut work.keys, keys.len(), size.e)?;
            let (dk, dv) = (&mut dk[start * size.e..], &mut dv[start * size.ev..]);
            for (i, dq) in dq.chunks_exact_mut(size.l * size.e).enumerate() {
                for first in (0..size.l).step_by(QUERIES_BACK) {
                    let queries = first..(first + QUERIES_BACK).min(size.l);
                    if !size.is_beyond(&queries, start) {
                        let dq = &mut dq[first * size.e..];
                        self.block(work, own * size.group + i, queries, keys.clone(), [dq, &mut *dk, &mut *dv])?;
                    }
                }
            }
        }
        if size.kept.is_some() {
            [dq, dk].into_iter().for_each(|grad| rows::scale(grad, size.scale));
        }
        Ok(())
    }

    /// A block of queries with a block of keys.
    fn block(
        &self,
        work: &mut WorkBack<T>,
        head: usize,
        queries: Range<usize>,
        keys: Range<usize>,
        [dq, dk, dv]: [&mut [T]; 3],
    ) -> Result<()> {
        let (size, row, n) = (&self.size, work.row, queries.len());
        let (first, start) = (queries.start, keys.start);
        let (q, g) = (self.q.head(head).from(first), self.g.head(head).from(first));
        assert!(n * row <= work.weights.len() && n * row <= work.by_scores.len() && n * size.e <= dq.len());
        assert!(keys.len() * size.e <= dk.len() && keys.len() * size.ev <= dv.len());
        let columns = size.within(Within::Columns, first, start);
        let scores = |all: &mut Scratch<T>| Target { ptr: all.slice().as_mut_ptr(), row, add: false };
        // SAFETY: the block's queries are rows of both; the buffers have room for `n` rows of all panels.
        unsafe {
            let all = panels::<T>(keys.len());
            work.keys_turned.run(all.clone(), n, q.matrix(), scores(&mut work.weights), columns);
            work.values_turned.run(all, n, g.matrix(), scores(&mut work.by_scores), columns);
        }
        let (scores, by) = (work.weights.slice(), work.by_scores.slice());
        par::dispatch(ByScores {
            of: self,
            head,
            queries,
            keys: keys.clone(),
            scores: &mut *scores,
            by: &mut *by,
            row,
        });
        size.keep(scores, row, n, keys.len());
        size.keep(by, row, n, keys.len());
        q.pack(&mut work.queries, n, size.e)?;
        g.pack(&mut work.grads, n, size.ev)?;
        let straight = |all: &Scratch<T>| Matrix { ptr: all.start(), row, column: 1 };
        let turned = |all: &Scratch<T>| Matrix { ptr: all.start(), row: 1, column: row };
        let (up_to, from) = (size.within(Within::UpTo, first, start), size.within(Within::From, first, start));
        let into = |all: &mut [T], row: usize| Target { ptr: all.as_mut_ptr(), row, add: true };
        // SAFETY: the weights and the gradients of scores are `n` rows of as many as there are keys; the lengths of
        // what is written are checked above.
        unsafe {
            let (by, e, ev) = (straight(&work.by_scores), panels::<T>(size.e), panels::<T>(size.ev));
            work.keys.run(e.clone(), n, by, into(dq, size.e), up_to);
            let by = turned(&work.by_scores);
            work.queries.run(e, keys.len(), by, into(dk, size.e), from);
            work.grads.run(ev, keys.len(), turned(&work.weights), into(dv, size.ev), from);
        }
        Ok(())
    }
}

/// The weights from the scores, and the gradient by the scores from that by the weights, in their places.
struct ByScores<'a, T: Clone> {
    of: &'a Backward<'a, T>,
    head: usize,
    queries: Range<usize>,
    keys: Range<usize>,
    scores: &'a mut [T],
    by: &'a mut [T],
    row: usize,
}

impl<T: Scalar> WithSimd for ByScores<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (size, mask) = (&self.of.size, &self.of.mask);
        let (start, keys) = (self.keys.start, self.keys.len());
        let plain = matches!(mask, Mask::None);
        for i in 0..self.queries.len() {
            let query = self.queries.start + i;
            let reach = size.reach(query, start, keys);
            let part = i * self.row..(i + 1) * self.row;
            let (scores, by) = (&mut self.scores[part.clone()], &mut self.by[part]);
            if !plain {
                rows::scale(&mut scores[..reach], size.scale);
                mask.apply(self.head, query, start, &mut scores[..reach]);
            }
            let at = self.head * size.l + query;
            let scale = if plain { size.scale } else { T::ONE };
            // What is rounded is scaled afterwards.
            let factor = if size.kept.is_some() { T::ONE } else { size.scale };
            let query = rows::Query { scale, lse: self.of.lse[at], mean: self.of.mean[at], factor };
            rows::by_scores(simd, whole::<S, T>(scores, reach, keys), by, query);
            // Also where the sums are NaN.
            scores[reach..keys].fill(T::ZERO);
            by[reach..keys].fill(T::ZERO);
        }
    }
}

fn backward<T: Scalar>(
    op: &ScaledDotProductAttentionBackward,
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
) -> Result<()> {
    let [dq, dk, dv] = outputs else { return Ok(()) };
    let size = Sizes::<T>::of(&op.of, &inputs[1], &inputs[2], &inputs[3]);
    let (mut dq, mut dk, mut dv) = (Wide::<T>::of(dq)?, Wide::<T>::of(dk)?, Wide::<T>::of(dv)?);
    if [size.heads, size.l, size.s, size.e, size.ev].contains(&0) {
        for mut grad in [dq, dk, dv] {
            grad.numbers().fill(T::ZERO);
            grad.finish();
        }
        return Ok(());
    }
    let (g, out) = (read::<T>(&inputs[0])?, read::<T>(&inputs[4])?);
    let mut mean = list(size.heads * size.l, T::ZERO)?;
    par::chunks(&mut mean, 64, 64 * size.ev, |i, mean| {
        par::simd(
            #[inline(always)]
            || {
                for (j, mean) in mean.iter_mut().enumerate() {
                    let at = (i * 64 + j) * size.ev..(i * 64 + j + 1) * size.ev;
                    *mean = sum_of(&g[at.clone()], &out[at], |g, y| g * y);
                }
            },
        );
    });
    let rows = Layout::contiguous(Shape::from_slice(inputs[0].shape()));
    let job = Backward {
        size,
        g: Operand::new(g, &rows),
        q: Operand::of(&inputs[1])?,
        k: Operand::of(&inputs[2])?,
        v: Operand::of(&inputs[3])?,
        mask: Mask::of(inputs.get(6))?,
        lse: read::<T>(&inputs[5])?,
        mean,
    };
    let to = [&mut dq, &mut dk, &mut dv].map(|grad| Shared::new(grad.numbers().as_mut_ptr()));
    let lengths = [size.group * size.l * size.e, size.s * size.e, size.s * size.ev];
    let cost = size.group.saturating_mul(size.l).saturating_mul(size.s).saturating_mul(size.e + size.ev);
    par::try_ranges(size.heads / size.group, (TASK / cost.max(1)).max(1), |tasks| {
        let mut work = job.work()?;
        for own in tasks {
            // SAFETY: each task has heads of its own, which lie in the outputs.
            let part = |i: usize| unsafe { to[i].part(own * lengths[i]..(own + 1) * lengths[i]) };
            job.run(&mut work, own, [part(0), part(1), part(2)])?;
        }
        Ok(())
    })?;
    [dq, dk, dv].into_iter().for_each(Wide::finish);
    Ok(())
}

impl CpuKernel for ScaledDotProductAttention {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        compute!(Self::NAME, inputs[0].dtype(), forward(self, inputs, outputs))
    }
}

impl CpuKernel for ScaledDotProductAttentionBackward {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        compute!(Self::NAME, inputs[1].dtype(), backward(self, inputs, outputs))
    }
}
