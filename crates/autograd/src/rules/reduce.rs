//! Derivatives of reductions.

use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Sum {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.expand(&s.meta(0)?.shape))
    }
}
