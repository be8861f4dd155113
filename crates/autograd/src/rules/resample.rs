//! Derivatives of resampling, which is linear: what goes back goes by the same weights.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

impl Rule for Interpolate {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let shape = &s.meta(0)?.shape;
        let size = shape[shape.len() - self.size.len()..].into();
        s.one(|| dispatch(InterpolateBackward { of: self.clone(), size }, &[g]))
    }
}

impl Rule for InterpolateBackward {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| dispatch(self.of.clone(), &[g]))
    }
}
