//! Derivatives of softmax and its logarithm.

use super::{Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

macro_rules! by_backward_op {
    ($($Op:ident => $Backward:ident),*) => {$(
        impl Rule for $Op {
            fn saves(&self, _: &[bool]) -> Saves {
                Saves::NONE.output(0)
            }
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                s.one(|| dispatch($Backward { dim: self.dim }, &[g, &s.output(0)?]))
            }
        }
    )*};
}
by_backward_op!(Softmax => SoftmaxBackward, LogSoftmax => LogSoftmaxBackward);

// y (g − Σ g y), whose matrix by g is symmetric.
impl Rule for SoftmaxBackward {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input(1)
    }
    fn vjp(&self, s: &Saved<'_>, v: &Tensor) -> Result<Grads> {
        let y = s.input(1)?;
        s.two(
            || dispatch(*self, &[v, &y]),
            || {
                let g = s.input(0)?;
                let inner = g.sub(&g.mul(&y)?.sum_keepdim(self.dim)?)?;
                v.mul(&inner)?.sub(&g.mul(&v.mul(&y)?.sum_keepdim(self.dim)?)?)
            },
        )
    }
}

// g − exp(y) Σ g.
impl Rule for LogSoftmaxBackward {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input(1)
    }
    fn vjp(&self, s: &Saved<'_>, v: &Tensor) -> Result<Grads> {
        let p = s.input(1)?.exp()?;
        s.two(
            || v.sub(&v.mul(&p)?.sum_keepdim(self.dim)?),
            || v.mul(&p)?.mul(&s.input(0)?.sum_keepdim(self.dim)?)?.neg(),
        )
    }
}
