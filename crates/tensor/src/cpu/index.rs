//! Kernels that read and write elements by number: rows copied or added at once where the rest of the
//! dimensions lie together.
//!
//! Sums go in the order of the index, whatever the number of threads: tasks own disjoint parts of the
//! target, and each of them runs through the whole index.

use super::words::{Accumulate, Arithmetic, Walk, Word, accumulate, chunk_rows, copy_rows, for_word, out, rows, span};
use super::{CpuKernel, Dst, Src, check_room, list, par};
use crate::layout::contiguous_strides;
use crate::ops::{Embedding, Index, IndexPut, Nonzero, adjacent};
use crate::shape::{Shape, Strides};
use crate::{Result, bail};
use std::borrow::Cow;

/// Where the elements that an index names lie in a tensor.
struct IndexedPlaces {
    /// The start of each block of dimensions before the indexed ones.
    outer: Vec<usize>,
    /// What each entry of the index adds.
    places: Vec<usize>,
    /// What each element of the dimensions behind adds; none where they lie together.
    inner: Option<Vec<usize>>,
    /// How many those are.
    block: usize,
}

/// The place of every index into `shape`, in row-major order.
fn offsets(shape: &[usize], strides: &[usize]) -> Result<Vec<usize>> {
    let strides = [Strides::from_slice(strides)];
    let (mut walk, mut places) = (Walk::new(shape, &strides, 0), list(shape.iter().product(), 0)?);
    for place in &mut places {
        *place = walk.places[0];
        walk.advance(1);
    }
    Ok(places)
}

/// Says that a row is read soon: of rows here and there the machine foretells how one goes on, but not where it begins.
#[inline(always)]
fn announce<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    if size_of_val(row) >= 256 {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for line in row.chunks(64 / size_of::<T>()).take(8) {
            // SAFETY: every x86-64 has it, and it reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// True where the elements lie one behind the other.
fn together(shape: &[usize], strides: &[usize]) -> bool {
    let expected = contiguous_strides(shape);
    (0..shape.len()).all(|d| shape[d] == 1 || strides[d] == expected[d])
}

/// An index tensor of 64-bit integers, checked: all in `0..size`, or in `-size..size` if `wrap`.
fn checked<'a>(op: &'static str, index: &Src<'a>, size: usize, dim: usize, wrap: bool) -> Result<Cow<'a, [i64]>> {
    check_room(op, &[*index])?;
    let numbers = rows::<i64>(index);
    let low = if wrap { -(size as i64) } else { 0 };
    let bad = |i: i64| i < low || i >= size as i64;
    if numbers.iter().fold(false, |any, i| any | bad(*i)) {
        let first = numbers.iter().copied().find(|i| bad(*i)).unwrap_or_default();
        let from_end = if wrap || first >= 0 { "" } else { "; a negative index does not count from the end here" };
        bail!(Index, op, "index {first} is out of range for dimension {dim} of size {size}{from_end}")
    }
    Ok(numbers)
}

impl IndexedPlaces {
    fn new(
        op: &'static str,
        dims: &[usize],
        wrap: bool,
        shape: &[usize],
        strides: &[usize],
        index: &[Src<'_>],
    ) -> Result<IndexedPlaces> {
        let mut places = list(index[0].numel(), 0)?;
        for (index, &d) in index.iter().zip(dims) {
            let (size, step) = (shape[d] as i64, strides[d]);
            let numbers = checked(op, index, shape[d], d, wrap)?;
            places
                .iter_mut()
                .zip(numbers.iter())
                .for_each(|(p, i)| *p += (if *i < 0 { i + size } else { *i }) as usize * step);
        }
        if shape.contains(&0) || places.is_empty() {
            // Nothing is read or written; the other dimensions may have any size.
            return Ok(IndexedPlaces { outer: Vec::new(), places, inner: None, block: 0 });
        }
        let lead = if adjacent(dims) { dims[0] } else { 0 };
        let rest = |keep: &dyn Fn(usize) -> bool| -> (Shape, Strides) {
            (0..shape.len()).filter(|d| !dims.contains(d) && keep(*d)).map(|d| (shape[d], strides[d])).unzip()
        };
        let (outer, behind) = (rest(&|d| d < lead), rest(&|d| d >= lead));
        let block = behind.0.iter().product();
        let inner = (!together(&behind.0, &behind.1)).then(|| offsets(&behind.0, &behind.1)).transpose()?;
        Ok(IndexedPlaces { outer: offsets(&outer.0, &outer.1)?, places, inner, block })
    }

    /// The elements in the order outer, index, inner.
    fn read<T: Word>(&self, from: &[T], to: &mut [T]) {
        let (n, block) = (self.places.len(), self.block);
        if to.is_empty() {
            return;
        }
        let group = (4096 / block).max(1);
        par::chunks(to, group * block, group * block, |chunk, to| {
            let (mut o, mut p) = (chunk * group / n, chunk * group % n);
            let mut advance = || {
                let at = self.outer[o] + self.places[p];
                p += 1;
                if p == n {
                    (o, p) = (o + 1, 0);
                }
                at
            };
            match &self.inner {
                None if block == 1 => to.iter_mut().for_each(|to| *to = from[advance()]),
                None => {
                    let mut blocks = to.chunks_exact_mut(block);
                    let mut next = advance();
                    while let Some(to) = blocks.next() {
                        let at = next;
                        if blocks.len() > 0 {
                            next = advance();
                            announce(&from[next..next + block]);
                        }
                        to.copy_from_slice(&from[at..at + block]);
                    }
                }
                Some(inner) => to.chunks_exact_mut(block).for_each(|to| {
                    let at = advance();
                    to.iter_mut().zip(inner).for_each(|(to, i)| *to = from[at + i]);
                }),
            }
        });
    }

    /// `put(to, source)` for each block of the source, in order for each element of `to`.
    fn write<T: Word>(&self, to: &mut [T], source: &[T], put: impl Fn(&mut [T], &[T]) + Sync) {
        let (n, block) = (self.places.len(), self.block);
        if n == 0 || block == 0 || to.is_empty() || self.outer.is_empty() {
            return;
        }
        let put_one = |to: &mut [T], base: usize, at: usize, source: &[T]| match &self.inner {
            None => put(&mut to[at - base..at - base + block], source),
            Some(inner) => {
                inner.iter().zip(source).for_each(|(i, s)| put(&mut to[at + i - base..][..1], std::slice::from_ref(s)))
            }
        };
        if self.outer.len() > 1 {
            // Blocks of the outer dimensions are parts of their own.
            let slab = self.outer[1] - self.outer[0];
            par::chunks(to, slab, n * block, |o, to| {
                let source = &source[o * n * block..(o + 1) * n * block];
                self.places.iter().zip(source.chunks_exact(block)).for_each(|(p, s)| put_one(to, 0, *p, s));
            });
            return;
        }
        // Each task takes the entries that fall into its rows.
        let tasks = if self.inner.is_some() { 1 } else { (n * block / par::GRAIN).min(block).clamp(1, 16) };
        let part = to.len().div_ceil(block).div_ceil(tasks) * block;
        par::chunks(to, part, part.max(par::GRAIN), |task, to| {
            let own = task * part..task * part + to.len();
            for (p, s) in self.places.iter().zip(source.chunks_exact(block)) {
                if own.contains(p) {
                    put_one(to, own.start, *p, s);
                }
            }
        });
    }
}

impl CpuKernel for Index {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, to) = (&inputs[0], &mut outputs[0]);
        let plan = IndexedPlaces::new(self.op, &self.dims, self.wrap, x.shape(), &x.layout().strides, &inputs[1..])?;
        for_word!(x.dtype(), T => plan.read::<T>(span(x), out(to)));
        Ok(())
    }
}

impl CpuKernel for Embedding {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, to) = (&inputs[0], &mut outputs[0]);
        let plan = IndexedPlaces::new("embedding", &[0], false, x.shape(), &x.layout().strides, &inputs[1..])?;
        for_word!(x.dtype(), T => plan.read::<T>(span(x), out(to)));
        Ok(())
    }
}

/// Sums at the places of an index.
struct Sum<'a> {
    plan: &'a IndexedPlaces,
    /// Sums of halves are rounded after each addition.
    rounds_each: bool,
}

impl Accumulate for Sum<'_> {
    fn rounds_each(&self) -> bool {
        self.rounds_each
    }

    fn run<T: Arithmetic>(&self, to: &mut [T], source: &[T]) -> Result<()> {
        self.plan.write(to, source, |to, source| {
            if let ([to], [s]) = (&mut *to, source) {
                *to = to.add(*s);
            } else {
                par::simd(|| to.iter_mut().zip(source).for_each(|(to, s)| *to = to.add(*s)));
            }
        });
        Ok(())
    }
}

impl CpuKernel for IndexPut {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (base, source, to) = (&inputs[0], &inputs[1], &mut outputs[0]);
        let plan = IndexedPlaces::new(
            self.op,
            &self.dims,
            self.wrap,
            base.shape(),
            &contiguous_strides(base.shape()),
            &inputs[2..],
        )?;
        copy_rows(base, to);
        if self.accumulate {
            // PyTorch's `index_add` along an outer dimension is a `scatter_add`, which adds in single precision.
            let outer = self.dims[0] == 0 || self.dims[0] + 1 == base.shape().len();
            let scattered = matches!(self.op, "index_add" | "index_select") && base.shape().len() > 1 && outer;
            accumulate(&Sum { plan: &plan, rounds_each: !scattered }, to, source)?;
        } else {
            for_word!(base.dtype(), T => plan.write::<T>(out(to), &rows(source), |to, s| to.copy_from_slice(s)));
        }
        Ok(())
    }
}

impl CpuKernel for Nonzero {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let x = &inputs[0];
        let elements = rows::<u8>(x);
        let (shape, rank, to) = (x.shape(), x.shape().len(), out::<i64>(&mut outputs[0]));
        let group = 16 * 1024;
        let mut counts = vec![0usize; elements.len().div_ceil(group)];
        par::chunks(&mut counts, 1, group, |part, count| {
            count[0] = elements[chunk_rows(part, group, elements.len())].iter().filter(|e| **e != 0).count();
        });
        let mut parts = Vec::with_capacity(counts.len());
        let mut rest = to;
        for (part, count) in counts.into_iter().enumerate() {
            let Some((own, behind)) = rest.split_at_mut_checked(count * rank) else {
                bail!(Argument, "nonzero", "the tensor changed while its elements were counted")
            };
            parts.push((part, own));
            rest = behind;
        }
        if !rest.is_empty() {
            bail!(Argument, "nonzero", "the tensor changed while its elements were counted")
        }
        let fill = |(part, own): &mut (usize, &mut [i64])| {
            let range = chunk_rows(*part, group, elements.len());
            if rank == 1 {
                let found = range.filter(|i| elements[*i] != 0);
                own.iter_mut().zip(found).for_each(|(to, i)| *to = i as i64);
                return;
            }
            let strides: [Strides; 0] = [];
            let (mut walk, mut at) = (Walk::new(shape, &strides, range.start), 0);
            for i in range {
                if elements[i] != 0 && rank > 0 {
                    own[at..at + rank].iter_mut().zip(&walk.index).for_each(|(to, i)| *to = *i as i64);
                    at += rank;
                }
                walk.advance(1);
            }
        };
        par::chunks(&mut parts, 1, group, |_, part| part.iter_mut().for_each(&fill));
        Ok(())
    }
}
