//! The derivative of `clamp`: the gradient passes strictly between the bounds, as PyTorch has it.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Clamp {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = s.input(0)?.detach();
        let above = self.min.map(|min| x.gt(min)).transpose()?;
        let below = self.max.map(|max| x.lt(max)).transpose()?;
        let inside = match (above, below) {
            (Some(above), Some(below)) => above.logical_and(&below)?,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return s.one(|| Ok(g.clone())),
        };
        s.one(|| g.where_cond(&inside, 0))
    }
}
