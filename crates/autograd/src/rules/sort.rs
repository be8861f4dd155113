//! Derivatives of ops that order: the gradient goes where the element came from.

use super::reduce::at_places;
use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

macro_rules! to_the_place {
    ($($Op:ident),*) => {$(
        impl Rule for $Op {
            fn saves(&self, _: &[bool]) -> Saves {
                Saves::NONE.meta(0).output(1)
            }
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                s.one(|| {
                    let x = s.meta(0)?;
                    at_places(g, x.shape.len().saturating_sub(1), &s.output(1)?, &x)
                })
            }
        }
    )*};
}
to_the_place!(Sort, Topk, Kthvalue);
