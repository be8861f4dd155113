//! Kernels that pick elements along one dimension, for each element of the index its own.
//!
//! What meets at one element is joined in the order of the index: tasks own the parts of the target that
//! lie before the dimension, and each part is filled by one task.

use super::words::{Accumulate, Arithmetic, Walk, Word, accumulate, chunk_rows, copy_rows, for_word, out, rows, span};
use super::{CpuKernel, Dst, Src, check_room, list, par};
use crate::layout::contiguous_strides;
use crate::ops::{Gather, Reduce, Scatter};
use crate::shape::Strides;
use crate::{Result, bail};

fn check(op: &'static str, numbers: &[i64], size: usize, dim: usize) -> Result<()> {
    // As unsigned numbers, negative ones are beyond any size.
    if numbers.iter().fold(false, |any, i| any | (*i as u64 >= size as u64)) {
        let first = numbers.iter().find(|i| **i as u64 >= size as u64).copied().unwrap_or_default();
        bail!(Index, op, "index {first} is out of range for dimension {dim} of size {size}")
    }
    Ok(())
}

impl CpuKernel for Gather {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, index, to) = (&inputs[0], &inputs[1], &mut outputs[0]);
        check_room("gather", &inputs[1..])?;
        let numbers = rows::<i64>(index);
        check("gather", &numbers, x.shape()[self.dim], self.dim)?;
        let step = x.layout().strides[self.dim];
        let mut strides = x.layout().strides.clone();
        strides[self.dim] = 0;
        for_word!(x.dtype(), T => gather::<T>(span(x), [strides], step, index.shape(), &numbers, out(to)));
        Ok(())
    }
}

/// `strides` lead to each element of the index but for what the dimension adds, `step` times the number.
fn gather<T: Word>(from: &[T], strides: [Strides; 1], step: usize, shape: &[usize], numbers: &[i64], to: &mut [T]) {
    let Some((&last, rest)) = shape.split_last() else { return };
    if to.is_empty() {
        return;
    }
    let (along, count) = (strides[0][rest.len()], to.len() / last);
    let group = (4096 / last).max(1);
    par::chunks(to, group * last, group * last, |chunk, to| {
        let own = chunk_rows(chunk, group, count);
        let numbers = &numbers[own.start * last..own.end * last];
        let mut walk = Walk::new(rest, &strides, own.start);
        for (to, numbers) in to.chunks_exact_mut(last).zip(numbers.chunks_exact(last)) {
            let from = &from[walk.places[0]..];
            if along == 0 {
                to.iter_mut().zip(numbers).for_each(|(to, i)| *to = from[*i as usize * step]);
            } else {
                to.iter_mut()
                    .zip(numbers)
                    .enumerate()
                    .for_each(|(k, (to, i))| *to = from[*i as usize * step + k * along]);
            }
            walk.advance(1);
        }
    });
}

/// A target in rows, and the index that leads into it.
struct Place<'a> {
    shape: &'a [usize],
    dim: usize,
    index_shape: &'a [usize],
    numbers: &'a [i64],
}

impl Place<'_> {
    /// Calls `put(to, source, place)` for each element of the index in order, `place` counted in `to`: the
    /// slab of the target that the element falls into.
    fn each<T: Word, U: Send>(
        &self,
        to: &mut [T],
        state: &mut [U],
        source: &[T],
        put: impl Fn(&mut [T], &mut [U], T, usize) + Sync,
    ) {
        let (before, behind) = self.index_shape.split_at(self.dim);
        let slab: usize = self.shape[self.dim..].iter().product();
        let own: usize = behind.iter().product();
        if slab == 0 || own == 0 || to.is_empty() {
            return;
        }
        let strides = contiguous_strides(self.shape);
        let index_strides = contiguous_strides(before);
        let (dims, step) = ([Strides::from_slice(&strides[self.dim + 1..])], strides[self.dim]);
        let per_number: usize = behind[1..].iter().product();
        let fill = |part: usize, to: &mut [T], state: &mut [U]| {
            // The part's place before the dimension; the index may end before it.
            let (mut rest, mut at) = (part, 0);
            for d in (0..self.dim).rev() {
                let i = rest % self.shape[d];
                rest /= self.shape[d];
                if i >= before[d] {
                    return;
                }
                at += i * index_strides[d];
            }
            let (numbers, source) = (&self.numbers[at * own..(at + 1) * own], &source[at * own..(at + 1) * own]);
            if per_number == 1 {
                for i in 0..numbers.len() {
                    put(to, state, source[i], numbers[i] as usize * step);
                }
                return;
            }
            for (numbers, source) in numbers.chunks_exact(per_number).zip(source.chunks_exact(per_number)) {
                let mut walk = Walk::new(&behind[1..], &dims, 0);
                for (i, s) in numbers.iter().zip(source) {
                    put(to, state, *s, *i as usize * step + walk.places[0]);
                    walk.advance(1);
                }
            }
        };
        if state.is_empty() {
            return par::chunks(to, slab, own, |part, to| fill(part, to, &mut []));
        }
        let mut parts: Vec<(&mut [T], &mut [U])> = to.chunks_mut(slab).zip(state.chunks_mut(slab)).collect();
        par::chunks(&mut parts, 1, own, |part, slabs| fill(part, slabs[0].0, slabs[0].1));
    }
}

/// Values joined by `reduce`.
struct Join<'a> {
    place: Place<'a>,
    reduce: Reduce,
    include_self: bool,
}

impl Accumulate for Join<'_> {
    fn rounds_each(&self) -> bool {
        false
    }

    fn run<T: Arithmetic>(&self, to: &mut [T], source: &[T]) -> Result<()> {
        let join: fn(T, T) -> T = match self.reduce {
            Reduce::Sum | Reduce::Mean => T::add,
            Reduce::Prod => T::mul,
            Reduce::Amax => T::max,
            Reduce::Amin => T::min,
        };
        if self.include_self && self.reduce == Reduce::Sum {
            self.place.each::<T, u8>(to, &mut [], source, |to, _, s, at| to[at] = to[at].add(s));
            return Ok(());
        }
        let mut counts = list(to.len(), 0u32)?;
        self.place.each(to, &mut counts, source, |to, counts, s, at| {
            to[at] = if counts[at] == 0 && !self.include_self { s } else { join(to[at], s) };
            counts[at] += 1;
        });
        if self.reduce == Reduce::Mean {
            let own = self.include_self as usize;
            to.iter_mut().zip(&counts).filter(|(_, n)| **n > 0).for_each(|(to, n)| *to = to.over(*n as usize + own));
        }
        Ok(())
    }
}

impl CpuKernel for Scatter {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (base, index, source, to) = (&inputs[0], &inputs[1], &inputs[2], &mut outputs[0]);
        let numbers = rows::<i64>(index);
        check(self.called(), &numbers, base.shape()[self.dim], self.dim)?;
        copy_rows(base, to);
        let place = Place { shape: base.shape(), dim: self.dim, index_shape: index.shape(), numbers: &numbers };
        match self.reduce {
            Some(reduce) => accumulate(&Join { place, reduce, include_self: self.include_self }, to, source)?,
            None => {
                for_word!(base.dtype(), T => place.each::<T, u8>(out(to), &mut [], &rows(source), |to, _, s, at| to[at] = s))
            }
        }
        Ok(())
    }
}
