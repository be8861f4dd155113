//! Derivatives of the ops on three operands.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};
use smallvec::smallvec;

impl Rule for Where {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let condition = s.input(0)?;
        let mut grads: Grads = smallvec![None];
        for (number, taken) in [(self.input, true), (self.other, false)] {
            if number.is_some() {
                continue;
            }
            let i = grads.len();
            grads.push(if s.needs(i) {
                let grad = if taken { g.where_cond(&condition, 0)? } else { g.masked_fill(&condition, 0)? };
                Some(s.sum_to_input(i, grad)?)
            } else {
                None
            });
        }
        Ok(grads)
    }
}
