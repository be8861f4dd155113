//! Derivatives of the matrix products.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Matmul {
    const FORWARD: Forward = Forward::Bilinear;
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input_if(1, needs[0])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // C = A·B: dA = dC·Bᴴ, dB = Aᴴ·dC.
        s.two(|| g.matmul(&s.input(1)?.mt()?.conj()?), || s.input(0)?.mt()?.conj()?.matmul(g))
    }
}

impl Rule for Linear {
    const FORWARD: Forward = Forward::Bilinear;
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.input_if(0, needs[1]).input_if(1, needs[0])
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // y = x·Wᵀ + b over rows: dx = dy·W̄, dW = dyᵀ·x̄, db = Σ dy.
        let rows = |t: &Tensor| {
            let last = t.shape()[t.rank() - 1];
            t.reshape([t.shape()[..t.rank() - 1].iter().product(), last])
        };
        let mut grads =
            s.two(|| g.matmul(&s.input(1)?.conj()?), || rows(g)?.t()?.matmul(&rows(&s.input(0)?)?.conj()?))?;
        if s.inputs() > 2 {
            grads.push(if s.needs(2) { Some(rows(g)?.sum(0)?) } else { None });
        }
        Ok(grads)
    }
}
