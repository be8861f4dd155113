//! The derivative of padding: cropping, and the other way round.

use super::{Forward, Grads, Rule, Saved, Tangents};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

impl Rule for Pad {
    const FORWARD: Forward = Forward::Stated;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let pads = self.pads.iter().map(|(before, behind)| (-before, -behind)).collect();
        s.one(|| dispatch(Pad { pads, value: false.into() }, &[g]))
    }
    /// Around the tangent stand zeros.
    fn jvp(&self, _: &Saved<'_>, tangents: &[Option<Tensor>]) -> Result<Tangents> {
        let padded = |t: &Tensor| dispatch(Pad { pads: self.pads.clone(), value: false.into() }, &[t]);
        tangents.iter().map(|t| t.as_ref().map(padded).transpose()).collect()
    }
}
