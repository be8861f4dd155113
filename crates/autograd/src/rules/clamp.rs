//! The derivative of `clamp`: the gradient passes where the value did.

use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Clamp {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = s.input(0)?.detach();
        let changed = x.ne(&x.clamp(self.min, self.max)?)?;
        s.one(|| g.masked_fill(&changed, 0))
    }
}
