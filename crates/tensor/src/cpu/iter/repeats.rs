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
    /// Elements that a call of the kernel takes at most.
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
}

impl Repeats {
    /// `None` where an input lies in another way, or the rows are too short to be worth a call each.
    pub(super) fn new(
        inputs: &[Feed<'_>],
        out: &Dst<'_>,
        same: &dyn Fn(&Src<'_>) -> bool,
        apart: &dyn Fn(&Src<'_>) -> bool,
    ) -> Option<Repeats> {
        let n = out.numel();
        let (mut ways, mut row, mut staged, mut widest) = ([Way::default(); MAX_INPUTS], n, false, 1);
        for (feed, way) in inputs.iter().zip(&mut ways) {
            widest = widest.max(feed.lane.size());
            *way = match &feed.from {
                Source::Value(_) => Way { period: n, spread: n, same: false },
                Source::Tensor(s) => {
                    let is_output = s.shares_storage(out) && same(s) && s.numel() == n;
                    if !feed.lane.stores(s.dtype()) || !s.is_contiguous() || !(is_output || apart(s)) {
                        return None;
                    }
                    Way { same: is_output, ..Way::new(s, out.shape())? }
                }
            };
            staged |= way.spread > 1 || way.same;
            row = row.min(way.row());
        }
        let whole = ways[..inputs.len().min(MAX_INPUTS)].iter().all(|way| way.row() % row == 0);
        let step = if staged { row.min(STAGE_BYTES / widest) } else { row };
        (whole && (row >= LONG || n / row <= 16)).then_some(Repeats { ways, row, step })
    }

    pub(super) fn run(&self, inputs: &[Feed<'_>], to: &Row, kernel: Kernel<'_>, part: Range<usize>) {
        let mut stages: [MaybeUninit<Stage>; MAX_INPUTS] = [const { MaybeUninit::uninit() }; MAX_INPUTS];
        let mut ptrs = [std::ptr::null::<u8>(); MAX_INPUTS];
        let mut there = [usize::MAX; MAX_INPUTS];
        let mut at = part.start;
        while at < part.end {
            let n = self.step.min(self.row - at % self.row).min(part.end - at);
            let out = to.ptr.wrapping_add(at * to.size);
            for i in 0..inputs.len().min(MAX_INPUTS) {
                let (way, size) = (&self.ways[i], inputs[i].lane.size());
                let element = at % way.period / way.spread;
                let from = match &inputs[i].from {
                    Source::Tensor(s) => s.ptr().wrapping_add(element * size),
                    Source::Value(value) => value.as_ptr().cast(),
                };
                if way.spread == 1 && !way.same {
                    ptrs[i] = from;
                    continue;
                }
                let stage = stages[i].as_mut_ptr().cast::<u8>();
                ptrs[i] = stage;
                // SAFETY: the element is the input's own and `step` of them fit the stage; what is the output
                // holds the `n` that are read.
                unsafe {
                    if way.same {
                        stage.copy_from_nonoverlapping(out, n * size);
                    } else if there[i] != element {
                        Convert::copy(size).run(from, 0, stage, 1, self.step);
                        there[i] = element;
                    }
                }
            }
            kernel(&ptrs, out, n);
            at += n;
        }
    }
}
