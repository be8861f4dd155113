//! Matrix products: as batches of them, or, where all samples share an operand, as one larger product.

use super::Batch;
use flambeau_tensor::dispatch::dispatch;
use flambeau_tensor::ops::{Linear, Matmul};
use flambeau_tensor::{Outputs, Result};

impl Batch<'_> {
    pub(super) fn matmul(&self) -> Result<Outputs> {
        let (a, b) = (&self.operands[0], &self.operands[1]);
        let made = if !b.batched && b.rank() == 2 {
            // The rows of all samples below each other.
            let (rows, columns) = (a.shape()[0], b.shape()[1]);
            let made = dispatch(Matmul, &[&a.value.flatten(0, 1)?, &b.value])?;
            made.reshape([self.size, rows, columns])?
        } else {
            dispatch(Matmul, &[&self.spread(0)?, &self.spread(1)?])?
        };
        Ok(Outputs::from_iter([made]))
    }

    pub(super) fn linear(&self) -> Result<Outputs> {
        let (x, w) = (&self.operands[0], &self.operands[1]);
        let bias = self.operands.get(2);
        let (features, k) = (w.shape()[0], w.shape()[1]);
        let made = match (x.batched, w.batched) {
            (true, false) if bias.is_none_or(|b| !b.batched) => {
                let inputs: Vec<_> = self.operands.iter().map(|t| &t.value).collect();
                return Ok(Outputs::from_iter([dispatch(Linear, &inputs)?]));
            }
            (_, false) => dispatch(Linear, &[&x.value, &w.value])?,
            // One input, and the features of all samples beside each other.
            (false, true) => {
                let made = dispatch(Linear, &[&x.value, &w.value.flatten(0, 1)?])?;
                let mut shape = x.value.layout().shape.clone();
                shape.pop();
                shape.extend([self.size, features]);
                made.reshape(shape)?.movedim(-2, 0)?
            }
            _ => {
                let all = self.spread(0)?;
                let mut shape = all.layout().shape.clone();
                shape.pop();
                shape.push(features);
                let rows = x.shape().iter().rev().skip(1).product::<usize>();
                let made =
                    dispatch(Matmul, &[&all.reshape([self.size, rows, k])?, &self.spread(1)?.transpose(-1, -2)?])?;
                made.reshape(shape)?
            }
        };
        let made = match bias {
            Some(bias) => made.add(super::aligned(bias, x.rank(), self.size)?)?,
            None => made,
        };
        Ok(Outputs::from_iter([made]))
    }
}
