//! Derivatives of reading and writing by number: what was read from several places of the output is added
//! up at the one it came from.

use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::op::Meta;
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};
use smallvec::SmallVec;

/// Zeros of a shape that take no memory, where `g` is.
pub(super) fn zeros(meta: &Meta, g: &Tensor) -> Result<Tensor> {
    Tensor::zeros(()).dtype(g.dtype()).device(g.device()).build()?.expand(&meta.shape)
}

/// The index tensors: the inputs from `first` on.
fn indices(s: &Saved<'_>, first: usize) -> Result<SmallVec<[Tensor; 4]>> {
    (first..s.inputs()).map(|i| s.input(i)).collect()
}

fn saves_from(first: usize, inputs: usize) -> Saves {
    (first..inputs).fold(Saves::NONE, Saves::input)
}

fn run(op: impl Into<flambeau_tensor::Op>, fixed: &[&Tensor], indices: &[Tensor]) -> Result<Tensor> {
    let inputs: SmallVec<[&Tensor; 6]> = fixed.iter().copied().chain(indices).collect();
    dispatch(op, &inputs)
}

impl Rule for Index {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, needs: &[bool]) -> Saves {
        saves_from(1, needs.len()).meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let mut grads = s.one(|| {
            let op = IndexPut { op: self.op, dims: self.dims.clone(), wrap: self.wrap, accumulate: true };
            run(op, &[&zeros(&s.meta(0)?, g)?, g], &indices(s, 1)?)
        })?;
        grads.resize(s.inputs(), None);
        Ok(grads)
    }
}

impl Rule for IndexPut {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, needs: &[bool]) -> Saves {
        saves_from(2, needs.len()).meta(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let list = indices(s, 2)?;
        let base = || {
            if self.accumulate {
                return Ok(g.clone());
            }
            run(self.clone(), &[g, &zeros(&s.meta(1)?, g)?], &list)
        };
        let values = || run(Index { op: self.op, dims: self.dims.clone(), wrap: self.wrap }, &[g], &list);
        let mut grads = s.two(base, values)?;
        grads.resize(s.inputs(), None);
        Ok(grads)
    }
}

impl Rule for Embedding {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(1).meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let mut grads = s.one(|| {
            let index = s.input(1)?;
            let g = match self.padding {
                Some(row) => g.masked_fill(&index.eq(row)?.unsqueeze(-1)?, 0)?,
                None => g.clone(),
            };
            let dims = [0usize].as_slice().into();
            dispatch(
                IndexPut { op: "embedding", dims, wrap: false, accumulate: true },
                &[&zeros(&s.meta(0)?, &g)?, &g, &index],
            )
        })?;
        grads.push(None);
        Ok(grads)
    }
}

no_gradient!(Nonzero);
