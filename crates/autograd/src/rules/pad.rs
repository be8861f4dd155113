//! The derivative of padding: cropping, and the other way round.

use super::{Grads, Rule, Saved};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

impl Rule for Pad {
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let pads = self.pads.iter().map(|(before, behind)| (-before, -behind)).collect();
        s.one(|| dispatch(Pad { pads, value: false.into() }, &[g]))
    }
}
