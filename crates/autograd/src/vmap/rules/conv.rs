//! Convolutions: what all samples share stays as it is and their channels stand beside each other; where both operands
//! differ between the samples, each is a group of its own.

use super::Batch;
use flambeau_tensor::dispatch::dispatch;
use flambeau_tensor::ops::{Conv, ConvInputGrad, ConvWeightGrad};
use flambeau_tensor::{Outputs, Result, Tensor};

/// `[samples, n, c, …]` as `[n, samples · c, …]`.
fn beside(x: &Tensor) -> Result<Tensor> {
    x.movedim(0, 1)?.flatten(1, 2)
}

/// `[n, samples · c, …]` as `[samples, n, c, …]`.
fn apart(x: &Tensor, size: usize) -> Result<Tensor> {
    let mut shape = x.layout().shape.clone();
    shape[1] = x.shape()[1] / size.max(1);
    shape.insert(1, size);
    x.reshape(shape)?.movedim(1, 0)
}

/// `[samples · n, …]` as `[samples, n, …]`.
fn split(x: &Tensor, size: usize) -> Result<Tensor> {
    let mut shape = x.layout().shape.clone();
    shape[0] = x.shape()[0] / size.max(1);
    shape.insert(0, size);
    x.reshape(shape)
}

impl Batch<'_> {
    pub(super) fn conv(&self, op: &Conv) -> Result<Outputs> {
        let (x, w) = (&self.operands[0], &self.operands[1]);
        let made = if self.size == 0 {
            return self.one_by_one();
        } else if !x.batched && !w.batched {
            dispatch(*op, &[&x.value, &w.value])?.unsqueeze(0)?
        } else if !w.batched {
            split(&dispatch(*op, &[&x.value.flatten(0, 1)?, &w.value])?, self.size)?
        } else if !x.batched && op.groups == 1 {
            apart(&dispatch(*op, &[&x.value, &w.value.flatten(0, 1)?])?, self.size)?
        } else {
            let grouped = Conv { groups: op.groups * self.size, ..*op };
            let w = w.value.flatten(0, 1)?;
            apart(&dispatch(grouped, &[&beside(&self.spread(0)?)?, &w])?, self.size)?
        };
        self.with_bias(made)
    }

    pub(super) fn conv_input_grad(&self, op: &ConvInputGrad) -> Result<Outputs> {
        let (g, w) = (&self.operands[0], &self.operands[1]);
        let made = if self.size == 0 {
            return self.one_by_one();
        } else if !g.batched && !w.batched {
            dispatch(*op, &[&g.value, &w.value])?.unsqueeze(0)?
        } else if !w.batched {
            split(&dispatch(*op, &[&g.value.flatten(0, 1)?, &w.value])?, self.size)?
        } else {
            let conv = Conv { groups: op.conv.groups * self.size, ..op.conv };
            let grouped = ConvInputGrad { conv, ..*op };
            let w = w.value.flatten(0, 1)?;
            apart(&dispatch(grouped, &[&beside(&self.spread(0)?)?, &w])?, self.size)?
        };
        self.with_bias(made)
    }

    pub(super) fn conv_weight_grad(&self, op: &ConvWeightGrad) -> Result<Outputs> {
        if self.size == 0 {
            return self.one_by_one();
        }
        let conv = Conv { groups: op.conv.groups * self.size, ..op.conv };
        let grouped = ConvWeightGrad { conv, ..*op };
        let made = dispatch(grouped, &[&beside(&self.spread(0)?)?, &beside(&self.spread(1)?)?])?;
        Ok(Outputs::from_iter([split(&made, self.size)?]))
    }

    /// `[samples, n, c, …]` plus what each channel gets, if there is a third operand.
    fn with_bias(&self, made: Tensor) -> Result<Outputs> {
        let made = match self.operands.get(2) {
            Some(_) => {
                let bias = self.spread(2)?.unsqueeze(1)?;
                let ones = made.rank() - 3;
                let bias = (0..ones).try_fold(bias, |bias, _| bias.unsqueeze(-1))?;
                made.add(&bias)?
            }
            None => made,
        };
        Ok(Outputs::from_iter([made]))
    }
}
