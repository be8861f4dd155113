//! The short way of the iterator for operands that lie one element after another and are broadcast along whole
//! dimensions: a row of biases, a column of factors. No strides have to be followed.

use super::{Feed, Kernel, LONG, MAX_INPUTS, Row, STAGE_BYTES, Source, Stage};
use crate::cpu::convert::Convert;
use crate::cpu::view::{Dst, Src};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Inputs that are broadcast along their first dimensions, their last ones, or both, beside an output that lies one
/// element after another, too.
pub(super) struct Repeats {
    ways: [Way; MAX_INPUTS],
    /// Elements of the output in a row: of each input they are neighbours, or one.
    row: usize,
    /// Elements that a call of the kernel takes at most: part of a row, or whole short rows.
    step: usize,
}

/// How one input meets the output: it begins anew after `period` elements of it, and each of its own elements
/// serves for `spread` neighbours.
#[derive(Clone, Copy, Default)]
struct Way {
    period: usize,
    spread: usize,
    /// It is the output itself.
    same: bool,
}

impl Way {
    fn new(input: &Src<'_>, shape: &[usize]) -> Option<Way> {
        let (own, lead) = (input.shape(), shape.len().checked_sub(input.shape().len())?);
        let size = |d: usize| if d < lead { 1 } else { own[d - lead] };
        let (mut d, mut spread, mut count) = (shape.len(), 1, 1);
        while d > 0 && size(d - 1) == 1 {
            d -= 1;
            spread *= shape[d];
        }
        while d > 0 && size(d - 1) == shape[d - 1] {
            d -= 1;
            count *= shape[d];
        }
        (0..d).all(|d| size(d) == 1).then_some(Way { period: count * spread, spread, same: false })
    }

    /// Elements of the output for which its own are neighbours, or one.
    fn row(&self) -> usize {
        if self.spread > 1 { self.spread } else { self.period }
    }

    /// What the `n` elements of the output from `at` on see of the input.
    ///
    /// # Safety
    /// The input's elements, of `size` bytes, lie from `from` on as its way says; `to` has room for `n`, apart.
    unsafe fn fill(&self, from: *const u8, size: usize, mut to: *mut u8, mut at: usize, n: usize) {
        let (copy, end, row) = (Convert::copy(size), at + n, self.row());
        while at < end {
            let run = (row - at % row).min(end - at);
            let element = at % self.period / self.spread;
            // SAFETY: up to the row's end the elements are neighbours, or one.
            unsafe {
                if self.spread == 1 {
                    to.copy_from_nonoverlapping(from.add(element * size), run * size);
                } else {
                    copy.run(from.add(element * size), 0, to, 1, run);
                }
            }
            to = to.wrapping_add(run * size);
            at += run;
        }
    }
}

impl Repeats {
    /// `None` where an input lies in another way, or the rows are too short to be worth a call each.
    pub(super) fn new(
        inputs: &[Feed<'_>],
        out: &Dst<'_>,
        same: &dyn Fn(&Src<'_>) -> bool,
        apart: &dyn Fn(&Src<'_>) -> bool,
    ) -> Option<Repeats> {
        let lies = |feed: &Feed<'_>| match &feed.from {
            Source::Tensor(s) => feed.as_stored && s.is_contiguous(),
            Source::Value(_) => true,
        };
        if !inputs.iter().all(lies) {
            return None;
        }
        let n = out.numel();
        let (mut ways, mut row, mut staged, mut widest) = ([Way::default(); MAX_INPUTS], n, false, 1);
        for (feed, way) in inputs.iter().zip(&mut ways) {
            widest = widest.max(feed.size);
            *way = match &feed.from {
                Source::Value(_) => Way { period: n, spread: n, same: false },
                Source::Tensor(s) => {
                    let is_output = s.shares_storage(out) && same(s) && s.numel() == n;
                    if !(is_output || !s.shares_storage(out) || apart(s)) {
                        return None;
                    }
                    Way { same: is_output, ..Way::new(s, out.shape())? }
                }
            };
            staged |= way.spread > 1 || way.same;
            row = row.min(way.row());
        }
        let all = &ways[..inputs.len().min(MAX_INPUTS)];
        if row == 0 || !all.iter().all(|way| way.row() % row == 0) {
            return None;
        }
        let fit = STAGE_BYTES / widest;
        let step = if row < LONG {
            // What repeats itself with each step is staged once.
            let period = all.iter().map(|way| way.period).filter(|period| *period <= fit).max().unwrap_or(1);
            fit - fit % period
        } else if staged {
            row.min(fit)
        } else {
            row
        };
        Some(Repeats { ways, row, step })
    }

    pub(super) fn run(&self, inputs: &[Feed<'_>], to: &Row, kernel: Kernel<'_>, part: Range<usize>) {
        let mut stages: [MaybeUninit<Stage>; MAX_INPUTS] = [const { MaybeUninit::uninit() }; MAX_INPUTS];
        let mut ptrs = [std::ptr::null::<u8>(); MAX_INPUTS];
        let (short, total) = (self.row < LONG, to.len);
        let mut at = part.start;
        while at < part.end {
            let row = if short { self.step } else { self.step.min(self.row - at % self.row) };
            let n = row.min(part.end - at);
            let out = to.ptr.wrapping_add(at * to.size);
            for i in 0..inputs.len().min(MAX_INPUTS) {
                let (way, size) = (&self.ways[i], inputs[i].size);
                let from = match &inputs[i].from {
                    Source::Tensor(s) => s.ptr(),
                    Source::Value(value) => value.as_ptr().cast(),
                };
                if way.spread == 1 && !way.same && (!short || way.period == total) {
                    ptrs[i] = from.wrapping_add(at % way.period * size);
                    continue;
                }
                let stage = stages[i].as_mut_ptr().cast::<u8>();
                let there = at > part.start && (way.spread == total || short && self.step % way.period == 0);
                // SAFETY: the stage has room for `step` lanes, and the input is as its way says; what is the output
                // holds the `n` that are read.
                unsafe {
                    if way.same {
                        stage.copy_from_nonoverlapping(out, n * size);
                    } else if !there {
                        // One value for all is there once and for all, though this may be a short step.
                        way.fill(from, size, stage, at, if way.spread == total { self.step } else { n });
                    }
                }
                ptrs[i] = stage;
            }
            kernel(&ptrs, out, n);
            at += n;
        }
    }
}
