//! Derivatives of the norms: one backward op gives all gradients in one pass.

use super::{Grads, Rule, Saved, Saves, via_decomposition};
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::op::{Op, Outputs};
use flambeau_tensor::{Result, Tensor, ops::*};
use smallvec::SmallVec;

/// Runs a backward op on what was saved. `statistics` are the saved tensors it takes beside gradient and x.
fn gradients(
    op: impl Into<Op>,
    s: &Saved<'_>,
    g: &Tensor,
    statistics: &[Tensor],
    weight: Option<usize>,
) -> Result<Outputs> {
    let (x, weight) = (s.input(0)?, weight.map(|i| s.input(i)).transpose()?);
    let inputs: SmallVec<[&Tensor; 6]> = [g, &x].into_iter().chain(statistics).chain(&weight).collect();
    dispatch_all(op.into(), &inputs)
}

/// The outputs, each at the input it is the gradient of.
fn placed(s: &Saved<'_>, outputs: Outputs, places: impl IntoIterator<Item = (usize, bool)>) -> Grads {
    let mut grads: Grads = (0..s.inputs()).map(|_| None).collect();
    let needed = places.into_iter().filter(|p| p.1);
    needed.zip(outputs).for_each(|((i, _), g)| grads[i] = Some(g));
    grads
}

/// Output `i` as a plain value: the backward op's decomposition sees how it depends on x.
fn statistic(s: &Saved<'_>, i: usize) -> Result<Tensor> {
    Ok(s.output(i)?.detach())
}

macro_rules! with_statistics {
    // Ops that give their statistics as outputs 1 and 2, with weight and bias (as they are there) after x.
    ($($Op:ident => $Backward:ident),*) => {$(
        impl Rule for $Op {
            fn saves(&self, _: &[bool]) -> Saves {
                Saves::NONE.input(0).input_if(1, self.weight).output(1).output(2)
            }
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                let bias = 1 + self.weight as usize;
                let needs = [s.needs(0), self.weight && s.needs(1), self.bias && s.needs(bias)];
                let statistics = [statistic(s, 1)?, statistic(s, 2)?];
                let outputs = gradients($Backward { of: *self, needs }, s, g, &statistics, self.weight.then_some(1))?;
                Ok(placed(s, outputs, [(0, needs[0]), (1, needs[1]), (bias, needs[2])]))
            }
        }
    )*};
}
with_statistics!(LayerNorm => LayerNormBackward, GroupNorm => GroupNormBackward);
via_decomposition!(LayerNormBackward, GroupNormBackward, RmsNormBackward, BatchNormBackward);

impl Rule for RmsNorm {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).input_if(1, self.weight).output(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let needs = [s.needs(0), self.weight && s.needs(1)];
        let outputs =
            gradients(RmsNormBackward { of: *self, needs }, s, g, &[statistic(s, 1)?], self.weight.then_some(1))?;
        Ok(placed(s, outputs, [(0, needs[0]), (1, needs[1])]))
    }
}

impl Rule for BatchNorm {
    fn saves(&self, _: &[bool]) -> Saves {
        if self.training {
            Saves::NONE.input(0).input_if(1, self.weight).output(1).output(2)
        } else {
            Saves::NONE.input(0).input(1).input(2).input_if(3, self.weight)
        }
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let (weight, statistics) = if self.training {
            (1, [statistic(s, 1)?, statistic(s, 2)?])
        } else {
            (3, [s.input(1)?.detach(), s.input(2)?.detach()])
        };
        let bias = weight + self.weight as usize;
        let needs = [s.needs(0), self.weight && s.needs(weight), self.bias && s.needs(bias)];
        let outputs =
            gradients(BatchNormBackward { of: *self, needs }, s, g, &statistics, self.weight.then_some(weight))?;
        Ok(placed(s, outputs, [(0, needs[0]), (weight, needs[1]), (bias, needs[2])]))
    }
}
