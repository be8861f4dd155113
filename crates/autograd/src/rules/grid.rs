//! The derivative of sampling at places of a grid, by the input and by the grid.

use super::{Grads, Rule, Saved, Saves, via_decomposition};
use flambeau_tensor::{GridMode, Result, Tensor, dispatch_all, ops::*};
use smallvec::smallvec;

impl Rule for GridSample {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.inputs(2)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // The nearest element is the same for all places near by: the grid has no part in the gradient.
        let grads = [s.needs(0), s.needs(1) && self.mode != GridMode::Nearest];
        let op = GridSampleBackward { of: *self, grads };
        let mut made = dispatch_all(op.into(), &[g, &s.input(0)?, &s.input(1)?])?.into_iter();
        let mut one = |needed: bool| if needed { made.next() } else { None };
        Ok(smallvec![one(grads[0]), one(grads[1])])
    }
}

via_decomposition!(GridSampleBackward);
