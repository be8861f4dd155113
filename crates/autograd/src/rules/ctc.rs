//! The derivative of the CTC loss: a kernel where it is not differentiated itself, else that of the decomposition.

use super::{Grads, Rule, Saved, Saves, not_differentiable};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};
use smallvec::smallvec;

impl Rule for CtcLoss {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.inputs(2)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let moves = crate::forward::moves(g) || crate::forward::moves(&s.input(0)?);
        if moves || flambeau_tensor::grad_enabled() {
            return s.by_decomposition(&[Some(g.clone())]);
        }
        let op = CtcLossBackward { of: Box::new(self.clone()) };
        Ok(smallvec![Some(dispatch(op, &[g, &s.input(0)?, &s.input(1)?])?), None])
    }
}

not_differentiable!(CtcLossBackward);
