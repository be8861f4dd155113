//! The derivative of attention: one backward op, from the logarithms that forward left.

use super::{Grads, Rule, Saved, Saves, via_decomposition};
use flambeau_tensor::{Result, Tensor, dispatch_all, ops::*};

impl Rule for ScaledDotProductAttention {
    fn saves(&self, needs: &[bool]) -> Saves {
        Saves::NONE.inputs(needs.len()).output(0).output(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // A mask that is learned has its gradient from all the scores.
        if s.needs(3) {
            return s.by_decomposition(&[Some(g.clone())]);
        }
        let inputs = (0..s.inputs()).map(|i| s.input(i)).collect::<Result<Vec<_>>>()?;
        // Plain values: the decomposition of the backward op computes them anew.
        let (out, lse) = (s.output(0)?.detach(), s.output(1)?.detach());
        let mut all = vec![g, &inputs[0], &inputs[1], &inputs[2], &out, &lse];
        all.extend(inputs.get(3));
        let made = dispatch_all(ScaledDotProductAttentionBackward { of: *self }.into(), &all)?;
        let needed = |(i, grad)| if s.needs(i) { Some(grad) } else { None };
        let grads = made.into_iter().enumerate().map(needed);
        Ok(grads.chain(std::iter::repeat(None)).take(s.inputs()).collect())
    }
}

via_decomposition!(ScaledDotProductAttentionBackward);
