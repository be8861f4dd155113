//! Derivatives of pooling.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};
use smallvec::smallvec;

/// The sizes of the last `rank` dimensions.
fn plane(shape: &[usize], rank: usize) -> Result<Spatial> {
    let sizes: Vec<isize> = shape[shape.len() - rank..].iter().map(|s| *s as isize).collect();
    Spatial::from_slice(&sizes)
}

impl Rule for MaxPool {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0).output(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let size = plane(&s.meta(0)?.shape, self.windows.rank())?;
        s.one(|| dispatch(MaxPoolBackward { size }, &[g, &s.output(1)?.detach()]))
    }
}

impl Rule for MaxPoolBackward {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // Each element went to one place: its gradient is what stands there.
        let places = s.input(1)?;
        let rank = self.size.given().len() as isize;
        // A window beside the input has none: −1.
        let picked = g.flatten(-rank, -1)?.gather(-1, &places.clamp_min(0)?.flatten(-rank, -1)?)?;
        Ok(smallvec![Some(picked.reshape(places.shape())?.masked_fill(&places.lt(0)?, 0)?), None])
    }
}

impl Rule for AvgPool {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let size = plane(&s.meta(0)?.shape, self.windows.rank())?;
        s.one(|| dispatch(AvgPoolBackward { pool: *self, size }, &[g]))
    }
}

impl Rule for AvgPoolBackward {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| dispatch(self.pool, &[g]))
    }
}
