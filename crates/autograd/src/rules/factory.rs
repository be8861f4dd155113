//! What is made from nothing has no inputs to differentiate by; an in-place fill cuts the history there.

use super::{Grads, Rule, Saved};
use flambeau_tensor::{Result, Tensor, ops::*};

macro_rules! constant {
    ($($Op:ident),*) => {$(
        impl Rule for $Op {
            fn vjp(&self, _: &Saved<'_>, _: &Tensor) -> Result<Grads> { Ok(Grads::new()) }
        }
    )*};
}
constant!(Full, Arange, Linspace, Random);
