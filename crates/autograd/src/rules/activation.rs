//! Derivatives of activation functions.

use super::{Forward, Grads, Rule, Saved, Saves, via_decomposition};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

macro_rules! by_backward_op {
    ($($Op:ident => $Backward:ident),* $(,)?) => {
        $(
            impl Rule for $Op {
                const FORWARD: Forward = Forward::Elementwise;
                fn saves(&self, _: &[bool]) -> Saves {
                    Saves::NONE.input(0)
                }
                fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                    s.one(|| dispatch($Backward(*self), &[g, &s.input(0)?]))
                }
            }
        )*
        via_decomposition!($($Backward),*);
    };
}

by_backward_op! {
    Gelu => GeluBackward, Silu => SiluBackward, Mish => MishBackward, Softplus => SoftplusBackward, Elu => EluBackward,
    LeakyRelu => LeakyReluBackward, Hardtanh => HardtanhBackward, Hardswish => HardswishBackward,
    Hardsigmoid => HardsigmoidBackward, LogSigmoid => LogSigmoidBackward,
}

macro_rules! from_output {
    // Of g and y = f(x): d/dg is the op itself, on the gradient v of its result; d/dy as given.
    ($($Backward:ident |$v:ident, $g:ident, $y:ident| $f:expr;)*) => {$(
        impl Rule for $Backward {
            fn saves(&self, needs: &[bool]) -> Saves {
                Saves::NONE.input_if(0, needs[1]).input(1)
            }
            fn vjp(&self, s: &Saved<'_>, $v: &Tensor) -> Result<Grads> {
                let $y = &s.input(1)?;
                s.two(|| dispatch($Backward, &[$v, $y]), || {
                    let $g = &s.input(0)?;
                    $f
                })
            }
        }
    )*};
}

from_output! {
    // The derivative of a step is 0.
    ReluBackward |_v, g, _y| g.zeros_like();
    TanhBackward |v, g, y| v.mul(g)?.mul(y)?.mul(-2);
    SigmoidBackward |v, g, y| v.mul(g)?.mul(y.mul(-2)?.add(1)?);
}
