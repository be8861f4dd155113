//! Derivatives of convolution: three ops, each the derivative of the other two.
//!
//! With x the input, w the weight and g the output's gradient, each op is linear in both of its operands,
//! and Σ g·conv(x, w) = Σ x·input_grad(g, w) = Σ w·weight_grad(x, g).

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

/// What both operands' gradients need: the other operand, and the own shape.
fn operands(needs: &[bool]) -> Saves {
    Saves::NONE.metas(2).input_if(0, needs[1]).input_if(1, needs[0])
}

fn spatial(shape: &[usize]) -> Result<Spatial> {
    let sizes: Vec<isize> = shape.iter().skip(2).map(|s| *s as isize).collect();
    Spatial::from_slice(&sizes)
}

/// For an input of `shape`.
fn input_grad(conv: Conv, g: &Tensor, w: &Tensor, shape: &[usize]) -> Result<Tensor> {
    dispatch(ConvInputGrad { conv, size: spatial(shape)?, transposed: false }, &[g, w])
}

/// For a weight of `shape`.
fn weight_grad(conv: Conv, x: &Tensor, g: &Tensor, shape: &[usize]) -> Result<Tensor> {
    dispatch(ConvWeightGrad { conv, kernel: spatial(shape)? }, &[x, g])
}

/// For what is added to each channel, where there is a third input.
fn bias_grad(s: &Saved<'_>, g: &Tensor, grads: &mut Grads) -> Result<()> {
    if s.inputs() > 2 {
        let all_but_channels: Vec<isize> = (0..g.rank() as isize).filter(|d| *d != 1).collect();
        grads.push(if s.needs(2) { Some(g.sum(all_but_channels)?) } else { None });
    }
    Ok(())
}

impl Rule for Conv {
    const FORWARD: Forward = Forward::Bilinear;
    fn saves(&self, needs: &[bool]) -> Saves {
        operands(needs)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let mut grads = s.two(
            || input_grad(*self, g, &s.input(1)?.conj()?, &s.meta(0)?.shape),
            || weight_grad(*self, &s.input(0)?.conj()?, g, &s.meta(1)?.shape),
        )?;
        bias_grad(s, g, &mut grads)?;
        Ok(grads)
    }
}

impl Rule for ConvInputGrad {
    const FORWARD: Forward = Forward::Bilinear;
    fn saves(&self, needs: &[bool]) -> Saves {
        operands(needs)
    }
    fn vjp(&self, s: &Saved<'_>, x: &Tensor) -> Result<Grads> {
        let mut grads = s.two(
            || dispatch(self.conv, &[x, &s.input(1)?.conj()?]),
            || weight_grad(self.conv, x, &s.input(0)?.conj()?, &s.meta(1)?.shape),
        )?;
        bias_grad(s, x, &mut grads)?;
        Ok(grads)
    }
}

impl Rule for ConvWeightGrad {
    const FORWARD: Forward = Forward::Bilinear;
    fn saves(&self, needs: &[bool]) -> Saves {
        operands(needs)
    }
    fn vjp(&self, s: &Saved<'_>, w: &Tensor) -> Result<Grads> {
        s.two(
            || input_grad(self.conv, &s.input(1)?.conj()?, w, &s.meta(0)?.shape),
            || dispatch(self.conv, &[&s.input(0)?.conj()?, w]),
        )
    }
}
