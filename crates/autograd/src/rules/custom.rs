//! Derivatives of ops of somebody's own: as the op states them, or by its decomposition.

use super::{Grads, Rule, Saved, Saves};
use crate::node::backward_error;
use flambeau_tensor::custom::Custom;
use flambeau_tensor::{ErrorKind, Result, Tensor};

/// An op that states a derivative of its own may read this many outputs.
const OUTPUTS: usize = 8;

impl Rule for Custom {
    fn saves(&self, needs: &[bool]) -> Saves {
        (0..OUTPUTS).fold(Saves::NONE.inputs(needs.len()), Saves::output)
    }

    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let all = |n, of: &dyn Fn(usize) -> Result<Tensor>| (0..n).map(of).collect::<Result<Vec<_>>>();
        let inputs = all(s.inputs(), &|i| s.input(i))?;
        let outputs = all(grads.len().min(OUTPUTS), &|i| s.output(i))?;
        let (inputs, outputs) = (inputs.iter().collect::<Vec<_>>(), outputs.iter().collect::<Vec<_>>());
        match self.op().vjp(&inputs, &outputs, grads) {
            Some(stated) => {
                let stated = stated?;
                if stated.len() != s.inputs() {
                    let message = format!("{} gave {} gradients for {} inputs", s.place(), stated.len(), s.inputs());
                    return Err(backward_error(ErrorKind::Autograd, message));
                }
                Ok(stated.into())
            }
            None => s.by_decomposition(grads),
        }
    }
}
