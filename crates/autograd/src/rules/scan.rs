//! Derivatives of running reductions: recurrences that run the other way.

use super::reduce::to_the_place;
use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

/// Along `dim`, `y[k] = x[k − 1]`, or `x[k + 1]` where it goes `back`; `fill` at the end that stays free.
pub(super) fn shifted(x: &Tensor, dim: usize, back: bool, fill: f64) -> Result<Tensor> {
    let out = x.detach().full_like(fill)?;
    let Some(&len) = x.shape().get(dim) else { return Ok(out) };
    if len < 2 {
        return Ok(out);
    }
    let (to, from) = if back { (0, 1) } else { (1, 0) };
    out.narrow(dim as isize, to, len - 1)?.copy_(&x.narrow(dim as isize, from, len - 1)?)?;
    Ok(out)
}

impl Rule for Cumsum {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let dim = self.dim as isize;
        s.one(|| if self.reverse { g.cumsum(dim) } else { g.cumsum_reversed(dim) })
    }
}

impl Rule for Cumprod {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    /// `dx[k] = (product before k) · s[k]`, where `s[k] = g[k] + x[k + 1] · s[k + 1]`: no division, so zeros
    /// are no special case.
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (x, y) = (s.input(0)?.conj()?, s.output(0)?.conj()?);
            let before = shifted(&y, self.dim, self.reverse, 1.0)?;
            let next = shifted(&x, self.dim, !self.reverse, 0.0)?;
            let plain = before.mul(&next.recurrence(g, self.dim as isize, !self.reverse)?)?;
            if !g.dtype().is_half() {
                return Ok(plain);
            }
            // In PyTorch's steps, each of which is rounded: by division where that can be.
            let (zero, weighed) = (x.eq(0)?, y.mul(g)?);
            let dim = self.dim as isize;
            let sums = if self.reverse { weighed.cumsum(dim)? } else { weighed.cumsum_reversed(dim)? };
            plain.where_cond(&zero, &sums.div(&x.masked_fill(&zero, 1)?)?)
        })
    }
}

impl Rule for Recurrence {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input(0).output_if(0, needs[0])
    }
    /// `db = λ` with `λ[k] = g[k] + a[k + 1] · λ[k + 1]`, and `da[k] = λ[k] · y[k − 1]`.
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let next = shifted(&s.input(0)?.conj()?, self.dim, !self.reverse, 0.0)?;
        let lambda = next.recurrence(g, self.dim as isize, !self.reverse)?;
        s.two(|| lambda.mul(&shifted(&s.output(0)?.conj()?, self.dim, self.reverse, 0.0)?), || Ok(lambda.clone()))
    }
}

impl Rule for Logcumsumexp {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    /// `dx[k] = exp(x[k] − y[k]) · t[k]`, where `t[k] = g[k] + exp(y[k] − y[k + 1]) · t[k + 1]`: no exponential of a
    /// number above 0.
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (x, y) = (s.input(0)?, s.output(0)?);
            let nothing = y.eq(f64::NEG_INFINITY)?;
            let decay =
                y.sub(&shifted(&y, self.dim, true, f64::INFINITY)?)?.masked_fill(&nothing, f64::NEG_INFINITY)?.exp()?;
            let share = x.sub(&y)?.masked_fill(&nothing, f64::NEG_INFINITY)?.exp()?;
            share.conj()?.mul(&decay.conj()?.recurrence(g, self.dim as isize, true)?)
        })
    }
}

to_the_place!(Cummax, Cummin; |op, x| op.dim);
