//! Derivatives of ops that order: the gradient goes where the element came from, or to all that are equal to it.

use super::reduce::{at_places, to_the_place};
use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

to_the_place!(Sort, Topk; |_op, x| x.shape.len().saturating_sub(1));

impl Rule for Kthvalue {
    fn saves(&self, _: &[bool]) -> Saves {
        if self.shared { Saves::NONE.input(0).output(0) } else { Saves::NONE.meta(0).output(1) }
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            if !self.shared {
                let x = s.meta(0)?;
                return at_places(g, x.shape.len().saturating_sub(1), &s.output(1)?, &x);
            }
            let (x, picked) = (s.input(0)?.detach(), s.output(0)?.detach());
            let equal = x.eq(&picked)?.logical_or(&x.isnan()?.logical_and(&picked.isnan()?)?)?.to_dtype(g.dtype())?;
            g.div(&equal.sum_keepdim(-1)?)?.mul(&equal)
        })
    }
}
