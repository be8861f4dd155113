//! Derivatives of the ops on two operands, of which one may be a number. A rule is written for both forms at once:
//! it sees the operands as a [`Pair`], which sums the gradients over what the op broadcast.

use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::{Operand, Result, Scalar, ScalarOperand, Tensor, ops::*};

/// What an op keeps of its operands, tensors all: whether the left and the right one.
fn keep(scalar: ScalarOperand, [left, right]: [bool; 2]) -> Saves {
    match scalar {
        ScalarOperand::None => Saves::NONE.input_if(0, left).input_if(1, right),
        ScalarOperand::Left(_) => Saves::NONE.input_if(0, right),
        ScalarOperand::Right(_) => Saves::NONE.input_if(0, left),
    }
}

/// Which operands need a gradient.
fn needed(scalar: ScalarOperand, needs: &[bool]) -> [bool; 2] {
    let need = |i: usize| needs.get(i).copied().unwrap_or(false);
    match scalar {
        ScalarOperand::None => [need(0), need(1)],
        ScalarOperand::Left(_) => [false, need(0)],
        ScalarOperand::Right(_) => [need(0), false],
    }
}

/// The operands of an op, as its rule sees them.
struct Pair<'a>(&'a Saved<'a>, ScalarOperand);

impl Pair<'_> {
    /// The left operand, which was saved if it is a tensor.
    fn left(&self) -> Result<Operand<'static>> {
        match self.1 {
            ScalarOperand::Left(value) => Ok(value.into()),
            _ => Ok(self.0.input(0)?.into()),
        }
    }

    /// The right operand, which was saved if it is a tensor.
    fn right(&self) -> Result<Operand<'static>> {
        match self.1 {
            ScalarOperand::None => Ok(self.0.input(1)?.into()),
            ScalarOperand::Left(_) => Ok(self.0.input(0)?.into()),
            ScalarOperand::Right(value) => Ok(value.into()),
        }
    }

    /// The gradients of the tensors among the operands, from that of the left one and that of the right one.
    fn grads(&self, left: impl FnOnce() -> Result<Tensor>, right: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
        let s = self.0;
        match self.1 {
            ScalarOperand::None => s.two(|| s.sum_to_input(0, left()?), || s.sum_to_input(1, right()?)),
            ScalarOperand::Left(_) => s.one(right),
            ScalarOperand::Right(_) => s.one(left),
        }
    }
}

impl Rule for Add {
    const FORWARD: Forward = Forward::Elementwise;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        Pair(s, self.scalar).grads(|| Ok(g.clone()), || Ok(g.clone()))
    }
}

// Beside the left operand, wherever the right one is; where both are one the left one no longer matters.
impl Rule for NextAfter {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        let left = needed(self.scalar, needs)[0];
        keep(self.scalar, [left, left])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        x.grads(|| g.masked_fill(&x.left()?.to_tensor(g)?.eq(x.right()?)?, 0), || g.zeros_like())
    }
}

impl Rule for Sub {
    const FORWARD: Forward = Forward::Elementwise;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        Pair(s, self.scalar).grads(|| Ok(g.clone()), || g.neg())
    }
}

impl Rule for Mul {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        let [left, right] = needed(self.scalar, needs);
        keep(self.scalar, [right, left])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        x.grads(|| g.mul(x.right()?.conj()?), || g.mul(x.left()?.conj()?))
    }
}

impl Rule for Div {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        keep(self.scalar, [needed(self.scalar, needs)[1], true])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        x.grads(
            || g.div(x.right()?.conj()?),
            || {
                let b = x.right()?.conj()?.to_tensor(g)?;
                g.mul(b.rdiv(x.left()?.conj()?)?.div(&b)?)?.neg()
            },
        )
    }
}

impl Rule for Pow {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        keep(self.scalar, [true, true]).output_if(0, needed(self.scalar, needs)[1])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        x.grads(
            || {
                let a = x.left()?.to_tensor(g)?;
                let slope = match x.right()? {
                    Operand::Scalar(exponent) => slope_of_power(&a, exponent)?,
                    Operand::Tensor(b) => {
                        // b·a^(b−1), and 0 where b is 0, whatever a is: the power there is a^0, which has slopes.
                        // Where the slope by b is asked for it is 1/a, if a has one.
                        let zero = b.eq(0)?;
                        let flat = if is_differentiated(&b) {
                            zero.logical_and(a.abs()?.gt(0)?.logical_not()?)?
                        } else {
                            zero
                        };
                        let slope = b.mul(a.pow(b.sub(1)?.masked_fill(&flat, 0)?)?)?;
                        // The power 0^0 of complex numbers is NaN.
                        if slope.dtype().is_complex() { slope.masked_fill(&flat, 0)? } else { slope }
                    }
                };
                g.mul(slope.conj()?)
            },
            || {
                // a^b·ln a, and 0 where a is 0 and b is not negative: the logarithm there is that of 1.
                let (a, b) = (x.left()?.to_tensor(g)?, x.right()?.to_tensor(g)?);
                let flat = if b.dtype().is_complex() { a.eq(0)? } else { a.eq(0)?.logical_and(b.ge(0)?)? };
                let slope = s.output(0)?.mul(a.masked_fill(&flat, 1)?.log()?)?;
                let slope = if b.dtype().is_complex() { slope.masked_fill(&flat, 0)? } else { slope };
                g.mul(slope.conj()?)
            },
        )
    }
}

/// May a derivative by `x` be asked for, backward or forward?
fn is_differentiated(x: &Tensor) -> bool {
    x.requires_grad() || crate::forward::moves(x)
}

/// b·a^(b−1) for a number b: 0 where b is 0, whatever a is.
fn slope_of_power(a: &Tensor, b: Scalar) -> Result<Tensor> {
    let less = match b {
        _ if b.is_zero() => return a.zeros_like(),
        Scalar::Complex(z) => Scalar::Complex(z - 1.0),
        Scalar::Int(i) => Scalar::Int(i.saturating_sub(1)),
        real => Scalar::Float(real.to_f64() - 1.0),
    };
    if less.is_one() { a.mul(b) } else { a.pow(less)?.mul(b) }
}

impl Rule for Atan2 {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        keep(self.scalar, [true, true])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let pair = Pair(s, self.scalar);
        let (y, x) = (pair.left()?.to_tensor(g)?, pair.right()?.to_tensor(g)?);
        let square = x.square()?.add(y.square()?)?;
        let inverse = square.reciprocal()?.masked_fill(&square.eq(0)?, 0)?;
        // In this order, in which halves are rounded as PyTorch's are.
        pair.grads(|| g.mul(&x)?.mul(&inverse), || g.mul(y.neg()?)?.mul(&inverse))
    }
}

/// The larger (or smaller) one takes the gradient; equal ones share it.
fn share(pair: Pair<'_>, g: &Tensor, loses: impl Fn(&Tensor, &Operand<'static>) -> Result<Tensor>) -> Result<Grads> {
    let half = g.div(2)?;
    let part = |x: Operand<'static>, y: Operand<'static>| {
        let x = x.to_tensor(g)?;
        half.where_cond(&x.eq(y.clone())?, g)?.masked_fill(&loses(&x, &y)?, 0)
    };
    pair.grads(|| part(pair.left()?, pair.right()?), || part(pair.right()?, pair.left()?))
}

impl Rule for Maximum {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        keep(self.scalar, [true, true])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        share(Pair(s, self.scalar), g, |x, y| x.lt(y.clone()))
    }
}

impl Rule for Minimum {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        keep(self.scalar, [true, true])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        share(Pair(s, self.scalar), g, |x, y| x.gt(y.clone()))
    }
}

impl Rule for Remainder {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        let right = needed(self.scalar, needs)[1];
        keep(self.scalar, [right, right])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        let quotient = || x.left()?.to_tensor(g)?.floor_divide(x.right()?);
        x.grads(|| Ok(g.clone()), || g.mul(quotient()?)?.neg())
    }
}

impl Rule for Fmod {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, needs: &[bool]) -> Saves {
        let right = needed(self.scalar, needs)[1];
        keep(self.scalar, [right, right])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = Pair(s, self.scalar);
        let quotient = || x.left()?.to_tensor(g)?.div_trunc(x.right()?);
        x.grads(|| Ok(g.clone()), || g.mul(quotient()?)?.neg())
    }
}

/// Steps: flat wherever they have a slope.
macro_rules! flat {
    ($($Op:ident),*) => {$(
        impl Rule for $Op {
            const FORWARD: Forward = Forward::Elementwise;
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                Pair(s, self.scalar).grads(|| g.zeros_like(), || g.zeros_like())
            }
        }
    )*};
}
flat!(DivFloor, DivTrunc);

no_gradient!(Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor);
