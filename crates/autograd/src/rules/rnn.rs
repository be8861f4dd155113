//! The derivative of recurrent layers: one backward op over what the layer saved.

use super::{Grads, Rule, Saved, Saves, via_decomposition};
use flambeau_tensor::{Result, Tensor, dispatch_all, ops::*};
use smallvec::smallvec;

impl Rule for RnnLayer {
    fn saves(&self, needs: &[bool]) -> Saves {
        let saved = if self.saves { self.saved() } else { 0 };
        (0..saved).fold(Saves::NONE.inputs(needs.len()).metas(1).output(0), |saves, i| saves.output(self.states() + i))
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let states = self.states();
        if grads.iter().all(Option::is_none) {
            return Ok(smallvec![None; s.inputs()]);
        }
        // What is saved has a gradient where the backward op is differentiated.
        if !self.saves || grads.iter().skip(states).any(Option::is_some) {
            return s.by_decomposition(grads);
        }
        let grad = |i: usize| if i < states { grads.get(i).cloned().flatten() } else { None };
        let given = [grad(0), grad(1), grad(2)];
        let op = RnnLayerBackward { of: self.clone(), grads: [0, 1, 2].map(|i| given[i].is_some()) };
        let mut all: Vec<Tensor> = given.into_iter().flatten().collect();
        all.push(s.output(0)?);
        for i in 0..self.saved() {
            all.push(s.output(states + i)?);
        }
        // Neither what the input contributes nor the bias is asked for.
        for i in (1..s.inputs()).filter(|i| !(self.bias && *i == 3)) {
            all.push(s.input(i)?);
        }
        let mut made = dispatch_all(op.into(), &all.iter().collect::<Vec<_>>())?;
        // What the input contributes may come in another dtype than the states.
        if let Some(first) = made.first_mut() {
            *first = first.to_dtype(s.meta(0)?.dtype)?;
        }
        Ok(made.into_iter().enumerate().map(|(i, grad)| if s.needs(i) { Some(grad) } else { None }).collect())
    }
}

via_decomposition!(RnnLayerBackward);
