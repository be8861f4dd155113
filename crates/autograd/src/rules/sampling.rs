//! The derivative of dropout: what was left out has none. Numbers of categories have none at all.

use super::{Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::{Result, Tensor, ops::*};

no_gradient!(Multinomial);

impl Rule for Dropout {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.mul(&s.output(1)?.to_dtype(g.dtype())?.div(1.0 - self.p)?))
    }
}
