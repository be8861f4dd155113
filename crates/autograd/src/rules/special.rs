//! Derivatives of the special functions.

use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use crate::node::backward_error;
use flambeau_tensor::{ErrorKind, Result, Tensor, dispatch, ops::*};
use std::f64::consts::PI;

/// y / x, and ½ at 0: what I₁ and J₁ and their like come to.
fn over(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    let zero = x.eq(0)?;
    y.div(x.masked_fill(&zero, 1)?)?.masked_fill(&zero, 0.5)
}

impl Rule for Special {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        use SpecialFunction::*;
        let of = |function, x: &Tensor| dispatch(Special { function }, &[x]);
        let missing = || {
            let message = format!("{} has no derivative, as in PyTorch", s.place());
            Err(backward_error(ErrorKind::NotDifferentiable, message))
        };
        s.one(|| {
            let (x, y) = (&s.input(0)?, &s.output(0)?);
            let slope = match self.function {
                Lgamma => of(Polygamma(0), x)?,
                Polygamma(n) => of(Polygamma(n.saturating_add(1)), x)?,
                Erfcx => x.mul(y)?.mul(2)?.sub(2.0 / PI.sqrt())?,
                LogNdtr => of(Erfcx, &x.mul(-std::f64::consts::FRAC_1_SQRT_2)?)?.rdiv((2.0 / PI).sqrt())?,
                Ndtri => y.square()?.mul(0.5)?.exp()?.mul((2.0 * PI).sqrt())?,
                I0 => of(I1, x)?,
                I0e => of(I1e, x)?.sub(x.sign()?.mul(y)?)?,
                I1 => of(I0, x)?.sub(over(y, x)?)?,
                I1e => of(I0e, x)?.sub(over(y, x)?)?.sub(x.sign()?.mul(y)?)?,
                BesselJ0 => of(BesselJ1, x)?.neg()?,
                BesselJ1 => of(BesselJ0, x)?.sub(over(y, x)?)?,
                BesselY0 => of(BesselY1, x)?.neg()?,
                BesselY1 => of(BesselY0, x)?.sub(y.div(x)?)?,
                ModifiedBesselK0 => of(ModifiedBesselK1, x)?.neg()?,
                ModifiedBesselK1 => of(ModifiedBesselK0, x)?.add(y.div(x)?)?.neg()?,
                ScaledModifiedBesselK0 => y.sub(of(ScaledModifiedBesselK1, x)?)?,
                ScaledModifiedBesselK1 => y.sub(of(ScaledModifiedBesselK0, x)?)?.sub(y.div(x)?)?,
                Exponent => return g.zeros_like(),
                SphericalBesselJ0 | AiryAi => return missing(),
            };
            g.mul(slope)
        })
    }
}

/// The gradients of the functions that have one by each argument, put together in PyTorch's order, in which halves are
/// rounded.
fn pair_of_equals(function: SpecialPairFunction, s: &Saved<'_>, g: &Tensor) -> Option<Result<Grads>> {
    use SpecialPairFunction::*;
    let both = |slope: &dyn Fn(usize) -> Result<Tensor>| {
        s.two(|| s.sum_to_input(0, slope(0)?), || s.sum_to_input(1, slope(1)?))
    };
    Some(match function {
        Hypot => both(&|i| g.mul(s.input(i)?)?.div(s.output(0)?)),
        LogAddExp => both(&|i| g.div(s.input(1 - i)?.sub(s.input(i)?)?.exp()?.add(1)?)),
        LogAddExp2 => both(&|i| g.div(s.input(1 - i)?.sub(s.input(i)?)?.exp2()?.add(1)?)),
        Copysign => both(&|i| match i {
            0 => {
                let x = s.input(0)?;
                g.mul(s.output(0)?.div(&x)?.masked_fill(&x.eq(0)?, 0)?)
            }
            _ => g.zeros_like(),
        }),
        _ => return None,
    })
}

impl Rule for SpecialPair {
    const FORWARD: Forward = Forward::Elementwise;
    fn saves(&self, _: &[bool]) -> Saves {
        use SpecialPairFunction::*;
        match self.function {
            Hypot => Saves::NONE.input(0).input(1).output(0),
            Copysign => Saves::NONE.input(0).output(0),
            _ => Saves::NONE.input(0).input(1),
        }
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        use SpecialPairFunction::*;
        if let Some(grads) = pair_of_equals(self.function, s, g) {
            return grads;
        }
        let missing = |which: &str| {
            let message = format!("{} has no derivative by its {which} argument, as in PyTorch", s.place());
            Err(backward_error(ErrorKind::NotDifferentiable, message))
        };
        s.two(
            || missing("first"),
            || {
                let (a, x) = (s.input(0)?, s.input(1)?);
                // xᵃ⁻¹ e⁻ˣ / Γ(a)
                let density = || x.log()?.mul(a.sub(1)?)?.sub(&x)?.sub(a.lgamma()?)?.exp();
                let slope = match self.function {
                    Igamma => density()?,
                    Igammac => density()?.neg()?,
                    Zeta => {
                        let next = dispatch(SpecialPair { function: Zeta }, &[&a.add(1)?, &x])?;
                        next.mul(&a)?.neg()?
                    }
                    _ => return missing("second"),
                };
                s.sum_to_input(1, g.mul(slope)?)
            },
        )
    }
}

no_gradient!(Gcd);
