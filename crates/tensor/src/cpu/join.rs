//! Kernels that put tensors together and turn them round.

use super::words::{Walk, Word, copy_box, for_word, out, span};
use super::{CpuKernel, Dst, Src, par};
use crate::Result;
use crate::layout::contiguous_strides;
use crate::ops::{Cat, Flip};
use crate::shape::Strides;

impl CpuKernel for Cat {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let to = &mut outputs[0];
        let strides = contiguous_strides(to.shape());
        let mut at = 0;
        for x in inputs {
            let start = at * strides[self.dim];
            at += x.shape()[self.dim];
            if x.numel() > 0 {
                for_word!(x.dtype(), T => copy_box::<T>(x.shape(), span(x), &x.layout().strides, &mut out(to)[start..], &strides));
            }
        }
        Ok(())
    }
}

impl CpuKernel for Flip {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, to) = (&inputs[0], &mut outputs[0]);
        for_word!(x.dtype(), T => flip::<T>(x, &self.dims, out(to)));
        Ok(())
    }
}

fn flip<T: Word>(x: &Src<'_>, dims: &[usize], to: &mut [T]) {
    let from = span::<T>(x);
    let Some((&last, rest)) = x.shape().split_last() else { return to.copy_from_slice(&from[..1]) };
    if to.is_empty() {
        return;
    }
    // Rows are walked forwards in the output; the flipped dimensions count down in the input.
    let strides = &x.layout().strides;
    let (along, turned) = (strides[rest.len()], dims.contains(&rest.len()));
    let back: Vec<usize> = dims.iter().copied().filter(|d| *d < rest.len()).collect();
    let end: usize = back.iter().map(|d| (rest[*d] - 1) * strides[*d]).sum();
    let up: Strides = (0..rest.len()).map(|d| if back.contains(&d) { 0 } else { strides[d] }).collect();
    let down: Strides = (0..rest.len()).map(|d| if back.contains(&d) { strides[d] } else { 0 }).collect();
    let both = [up, down];
    let group = (4096 / last).max(1);
    par::chunks(to, group * last, group * last, |chunk, to| {
        let mut walk = Walk::new(rest, &both, chunk * group);
        for to in to.chunks_exact_mut(last) {
            let from = &from[walk.places[0] + end - walk.places[1]..];
            match (along, turned) {
                (1, false) => to.copy_from_slice(&from[..last]),
                (1, true) => to.iter_mut().zip(from[..last].iter().rev()).for_each(|(to, from)| *to = *from),
                (_, false) => to.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * along]),
                (_, true) => to.iter_mut().enumerate().for_each(|(i, to)| *to = from[(last - 1 - i) * along]),
            }
            walk.advance(1);
        }
    });
}
