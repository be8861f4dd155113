//! Derivatives of the ops on one tensor.

use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};
use std::f64::consts::{LN_2, LN_10, PI};

/// d/dx from the input: `Op |grad, x| formula of the gradient`.
macro_rules! from_input {
    ($($Op:ident |$g:ident, $x:ident| $f:expr;)*) => {$(
        impl Rule for $Op {
            const FORWARD: Forward = Forward::Elementwise;
            fn saves(&self, _: &[bool]) -> Saves { Saves::NONE.input(0) }
            fn vjp(&self, s: &Saved<'_>, $g: &Tensor) -> Result<Grads> {
                let $x = &s.input(0)?.conj()?;
                s.one(|| $f)
            }
        }
    )*};
}

/// d/dx from the output.
macro_rules! from_output {
    ($($Op:ident |$g:ident, $y:ident| $f:expr;)*) => {$(
        impl Rule for $Op {
            const FORWARD: Forward = Forward::Elementwise;
            fn saves(&self, _: &[bool]) -> Saves { Saves::NONE.output(0) }
            fn vjp(&self, s: &Saved<'_>, $g: &Tensor) -> Result<Grads> {
                let $y = &s.output(0)?.conj()?;
                s.one(|| $f)
            }
        }
    )*};
}

/// d/dx from neither.
macro_rules! from_nothing {
    ($($Op:ident |$this:ident, $g:ident| $f:expr;)*) => {$(
        impl Rule for $Op {
            const FORWARD: Forward = Forward::Elementwise;
            fn vjp(&self, s: &Saved<'_>, $g: &Tensor) -> Result<Grads> {
                let $this = self;
                s.one(|| $f)
            }
        }
    )*};
}

from_nothing! {
    Neg |_op, g| g.neg();
    Conj |_op, g| g.conj();
    Floor |_op, g| g.zeros_like();
    Ceil |_op, g| g.zeros_like();
    Round |_op, g| g.zeros_like();
    Trunc |_op, g| g.zeros_like();
    Sign |_op, g| g.zeros_like();
}

impl Rule for Cast {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // The engine brings the gradient to the input's dtype.
        s.one(|| Ok(g.clone()))
    }
}

impl Rule for Transfer {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.to_device(self.from))
    }
}

from_output! {
    Exp |g, y| g.mul(y);
    Exp2 |g, y| g.mul(y)?.mul(LN_2);
    Expm1 |g, y| g.mul(y.add(1)?);
    Sqrt |g, y| g.div(y.mul(2)?);
    Rsqrt |g, y| g.mul(y.pow(3)?)?.mul(-0.5);
    Reciprocal |g, y| g.mul(y.square()?)?.neg();
    Tan |g, y| g.mul(y.square()?.add(1)?);
    Tanh |g, y| if g.dtype().is_complex() { g.mul(y.square()?.rsub(1)?) } else { dispatch(TanhBackward, &[g, y]) };
    Sigmoid |g, y| if g.dtype().is_complex() { g.mul(y.rsub(1)?.mul(y)?) } else { dispatch(SigmoidBackward, &[g, y]) };
    Relu |g, y| dispatch(ReluBackward, &[g, y]);
    Erfinv |g, y| g.mul(y.square()?.exp()?)?.mul(PI.sqrt() / 2.0);
}

from_input! {
    Log |g, x| g.div(x);
    Log2 |g, x| g.div(x.mul(LN_2)?);
    Log10 |g, x| g.div(x.mul(LN_10)?);
    Log1p |g, x| g.div(x.add(1)?);
    Square |g, x| g.mul(x.mul(2)?);
    Sin |g, x| g.mul(x.cos()?);
    Cos |g, x| g.mul(x.sin()?)?.neg();
    Asin |g, x| g.mul(x.square()?.rsub(1)?.rsqrt()?);
    Acos |g, x| g.mul(x.square()?.rsub(1)?.rsqrt()?)?.neg();
    Atan |g, x| g.div(x.square()?.add(1)?);
    Sinh |g, x| g.mul(x.cosh()?);
    Cosh |g, x| g.mul(x.sinh()?);
    Asinh |g, x| g.mul(x.square()?.add(1)?.rsqrt()?);
    Acosh |g, x| g.div(x.sub(1)?.sqrt()?.mul(x.add(1)?.sqrt()?)?);
    Atanh |g, x| g.div(x.square()?.rsub(1)?);
    Erf |g, x| g.mul(x.square()?.neg()?.exp()?)?.mul(2.0 / PI.sqrt());
    Erfc |g, x| g.mul(x.square()?.neg()?.exp()?)?.mul(-2.0 / PI.sqrt());
}

impl Rule for Abs {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let x = s.input(0)?;
        s.one(|| {
            if !x.dtype().is_complex() {
                return g.mul(x.sign()?);
            }
            // z / |z|, and 0 at 0.
            let size = x.abs()?;
            let direction = x.div(&size)?.masked_fill(&size.eq(0)?, 0)?;
            g.mul(direction)
        })
    }
}

no_gradient!(IsNan, IsInf, IsFinite, LogicalNot);
