//! Derivatives of the ops on two tensors; the methods have brought both to one shape and dtype.

use super::{Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Add {
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| Ok(g.clone()), || Ok(g.clone()))
    }
}

impl Rule for Sub {
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| Ok(g.clone()), || g.neg())
    }
}

impl Rule for Mul {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input_if(1, needs[0])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| g.mul(s.input(1)?.conj()?), || g.mul(s.input(0)?.conj()?))
    }
}

impl Rule for Div {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let b = s.input(1)?.conj()?;
        s.two(|| g.div(&b), || g.mul(s.input(0)?.conj()?.div(&b)?.div(&b)?)?.neg())
    }
}

impl Rule for Pow {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input(0).input(1).output_if(0, needs[1])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let (a, b) = (s.input(0)?, s.input(1)?);
        s.two(
            || {
                // b·a^(b−1), and 0 where b is 0, whatever a is: the power there is a^0, which has slopes. Where
                // the slope by b is asked for it is 1/a, if a has one.
                let zero = b.eq(0)?;
                let flat = if b.requires_grad() { zero.logical_and(a.abs()?.gt(0)?.logical_not()?)? } else { zero };
                let slope = b.mul(a.pow(b.sub(1)?.masked_fill(&flat, 0)?)?)?;
                g.mul(slope.conj()?)
            },
            || {
                // a^b·ln a, and 0 where a is 0 and b is not negative: the logarithm there is that of 1.
                let flat = if b.dtype().is_complex() { a.eq(0)? } else { a.eq(0)?.logical_and(b.ge(0)?)? };
                let slope = s.output(0)?.mul(a.masked_fill(&flat, 1)?.log()?)?;
                g.mul(slope.conj()?)
            },
        )
    }
}

impl Rule for Atan2 {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.inputs(2)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let (y, x) = (s.input(0)?, s.input(1)?);
        let square = x.square()?.add(y.square()?)?;
        let scaled = g.mul(square.reciprocal()?.masked_fill(&square.eq(0)?, 0)?)?;
        s.two(|| scaled.mul(&x), || scaled.mul(y.neg()?))
    }
}

/// The larger (or smaller) one takes the gradient; equal ones share it.
fn share(s: &Saved<'_>, g: &Tensor, wins: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Grads> {
    let (a, b) = (s.input(0)?, s.input(1)?);
    let half = g.div(2)?;
    let part = |x: &Tensor, y: &Tensor| half.where_(&x.eq(y)?, g)?.masked_fill(&wins(y, x)?, 0);
    s.two(|| part(&a, &b), || part(&b, &a))
}

impl Rule for Maximum {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.inputs(2)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        share(s, g, |x, y| x.gt(y))
    }
}

impl Rule for Minimum {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.inputs(2)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        share(s, g, |x, y| x.lt(y))
    }
}

impl Rule for Remainder {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input_if(1, needs[1])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| Ok(g.clone()), || g.mul(s.input(0)?.floor_divide(&s.input(1)?)?)?.neg())
    }
}

impl Rule for Fmod {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input_if(1, needs[1])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| Ok(g.clone()), || g.mul(s.input(0)?.div_trunc(&s.input(1)?)?)?.neg())
    }
}

/// Steps: flat wherever they have a slope.
macro_rules! flat {
    ($($Op:ident),*) => {$(
        impl Rule for $Op {
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                s.two(|| g.zeros_like(), || g.zeros_like())
            }
        }
    )*};
}
flat!(DivFloor, DivTrunc);

no_gradient!(Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor);
