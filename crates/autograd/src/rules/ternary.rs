//! Derivatives of the ops on three tensors.

use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};
use smallvec::smallvec;

impl Rule for Where {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let condition = s.input(0)?;
        let a = if s.needs(1) { Some(g.masked_fill(&condition.logical_not()?, 0)?) } else { None };
        let b = if s.needs(2) { Some(g.masked_fill(&condition, 0)?) } else { None };
        Ok(smallvec![None, a, b])
    }
}
