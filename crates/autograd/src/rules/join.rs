//! Derivatives of putting together and turning round.

use super::{Forward, Grads, Rule, Saved};
use flambeau_tensor::{Result, Tensor, ops::*};

impl Rule for Cat {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let mut at = 0;
        let mut part = |(i, size): (usize, &usize)| {
            let start = at as isize;
            at += size;
            s.needs(i).then(|| g.narrow(self.dim as isize, start, *size)).transpose()
        };
        self.sizes.iter().enumerate().map(&mut part).collect()
    }
}

impl Rule for Flip {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.flip(self.dims.clone()))
    }
}
