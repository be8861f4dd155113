//! Normalisation. What stands before the normalised dimensions is free, so the samples go there; weights and biases
//! that differ between the samples come after. Of batch norm the channels of all samples stand beside each other.

use super::Batch;
use crate::vmap::level::Operand;
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::ops::{GroupNorm, LayerNorm, RmsNorm};
use flambeau_tensor::{Op, Outputs, Result, Tensor};
use smallvec::SmallVec;

impl Batch<'_> {
    /// Do all samples share what comes after the first operand?
    fn parameters_are_shared(&self) -> bool {
        self.operands[1..].iter().all(|t| !t.batched)
    }

    /// The first output times the weight and plus the bias, the last operands, as they are given.
    fn affine(
        &self,
        mut outputs: Outputs,
        weight: bool,
        bias: bool,
        lie: &dyn Fn(&Operand) -> Result<Tensor>,
    ) -> Result<Outputs> {
        let mut parameters = self.operands[1..].iter();
        if let (true, Some(w)) = (weight, parameters.next()) {
            outputs[0] = outputs[0].mul(&lie(w)?)?;
        }
        if let (true, Some(b)) = (bias, parameters.next()) {
            outputs[0] = outputs[0].add(&lie(b)?)?;
        }
        Ok(outputs)
    }

    pub(super) fn layer_norm(&self, op: &LayerNorm) -> Result<Outputs> {
        if self.parameters_are_shared() {
            let inputs: Vec<&Tensor> = self.operands.iter().map(|t| &t.value).collect();
            return dispatch_all((*op).into(), &inputs);
        }
        let plain = LayerNorm { weight: false, bias: false, ..*op };
        let outputs = dispatch_all(plain.into(), &[&self.spread(0)?])?;
        let rank = self.operands[0].rank();
        self.affine(outputs, op.weight, op.bias, &|p| super::aligned(p, rank, self.size))
    }

    pub(super) fn rms_norm(&self, op: &RmsNorm) -> Result<Outputs> {
        if self.parameters_are_shared() {
            let inputs: Vec<&Tensor> = self.operands.iter().map(|t| &t.value).collect();
            return dispatch_all((*op).into(), &inputs);
        }
        let outputs = dispatch_all(RmsNorm { weight: false, ..*op }.into(), &[&self.spread(0)?])?;
        let rank = self.operands[0].rank();
        self.affine(outputs, op.weight, false, &|p| super::aligned(p, rank, self.size))
    }

    pub(super) fn group_norm(&self, op: &GroupNorm) -> Result<Outputs> {
        let x = self.spread(0)?;
        let folded = x.flatten(0, 1)?;
        if self.parameters_are_shared() {
            let inputs: Vec<&Tensor> =
                [&folded].into_iter().chain(self.operands[1..].iter().map(|t| &t.value)).collect();
            return dispatch_all((*op).into(), &inputs);
        }
        let mut outputs = dispatch_all(GroupNorm { weight: false, bias: false, ..*op }.into(), &[&folded])?;
        outputs[0] = outputs[0].reshape(x.shape())?;
        self.affine(outputs, op.weight, op.bias, &|p| {
            // [samples, c] or [c] by the channels of [samples, n, c, …].
            let p = if p.batched { p.value.unsqueeze(1)? } else { p.value.clone() };
            (3..x.rank()).try_fold(p, |p, _| p.unsqueeze(-1))
        })
    }

    /// Batch norm and its gradient, whose operands are `[n, c, …]` and `[c]`.
    pub(super) fn batch_norm(&self) -> Result<Outputs> {
        let beside = |i: usize| {
            let x = self.spread(i)?;
            if x.rank() > 2 { x.movedim(0, 1)?.flatten(1, 2) } else { x.flatten(0, 1) }
        };
        let operands = (0..self.operands.len()).map(beside).collect::<Result<SmallVec<[Tensor; 6]>>>()?;
        let outputs = self.run(self.op.clone(), &operands)?;
        let channels = match self.op {
            Op::BatchNorm(_) => self.operands[0].shape()[1],
            _ => self.operands[1].shape()[1],
        };
        let apart = |(made, meta): (Tensor, &flambeau_tensor::op::Meta)| match meta.shape.len() {
            1 => made.reshape([self.size, channels]),
            _ => {
                let mut shape = meta.shape.clone();
                shape.insert(1, self.size);
                made.reshape(shape)?.movedim(1, 0)
            }
        };
        outputs.into_iter().zip(self.metas).map(apart).collect()
    }
}
