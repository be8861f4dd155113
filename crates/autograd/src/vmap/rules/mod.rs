//! Batching rules, by family: how an op on values for all samples follows from the op on one sample.
//!
//! What all samples share is expanded only where the family needs it. An op of no family runs by its decomposition,
//! and what has none runs sample by sample: [`LOOPS`] says of which ops we know that, and why.

mod conv;
mod index;
mod norm;
mod products;
mod view;

use super::level::{Level, Operand};
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::op::{Meta, Metas};
use flambeau_tensor::{Op, Outputs, Result, Tensor, bail, stack};
use smallvec::SmallVec;
use std::panic::Location;

pub(super) use view::view;

/// The ops that [`vmap`](crate::func::vmap()) runs one sample at a time, by the names of their structs, and why; beside
/// these, ops of somebody's own without a decomposition.
pub const LOOPS: &[(&str, &str)] =
    &[("CtcLossBackward", "its lengths are numbers of the op, one for each row of one sample's batch")];

/// An op with at least one batched operand, and what a rule asks of it.
pub(super) struct Batch<'a> {
    /// How many samples.
    pub size: usize,
    pub op: &'a Op,
    pub operands: SmallVec<[Operand; 4]>,
    /// What comes out for one sample.
    pub metas: &'a Metas,
}

/// The outputs of `op` for all samples, each with a dimension 0 that counts them.
pub(super) fn outputs(
    level: &Level,
    op: &Op,
    inputs: &[&Tensor],
    metas: &Metas,
    at: &'static Location<'static>,
) -> Result<Outputs> {
    let operands = inputs.iter().map(|t| level.operand(t)).collect();
    let batch = Batch { size: level.size, op, operands, metas };
    let made = match batch.by_family()? {
        Some(made) => made,
        None => match batch.decomposed(level) {
            Some(made) => made?,
            None => batch.one_by_one()?,
        },
    };
    let shaped = |(made, meta): (Tensor, &Meta)| {
        let mut shape = meta.shape.clone();
        shape.insert(0, level.size);
        let made = if *made.shape() == shape[..] { made } else { made.reshape(shape)? };
        made.to_dtype(meta.dtype)
    };
    made.into_iter().zip(metas).map(shaped).collect::<Result<Outputs>>().map_err(|e| e.located(at))
}

/// An operand of an elementwise op, with as many dimensions behind that of the samples as the largest one has. One as
/// large as that is expanded, for fused ops take operands of one shape alone.
pub(super) fn aligned(operand: &Operand, rank: usize, size: usize) -> Result<Tensor> {
    if operand.rank() >= rank {
        return if operand.batched { Ok(operand.value.clone()) } else { super::level::spread(&operand.value, size) };
    }
    if !operand.batched {
        return Ok(operand.value.clone());
    }
    let mut shape = operand.value.layout().shape.clone();
    (operand.rank()..rank).for_each(|_| shape.insert(1, 1));
    operand.value.reshape(shape)
}

/// Does the op draw random numbers for its operands?
pub(super) fn draws(op: &Op) -> bool {
    matches!(op, Op::Dropout(_) | Op::Multinomial(_)) || matches!(op, Op::Custom(op) if op.op().is_random())
}

/// The op with its dimensions counted behind that of the samples.
macro_rules! shifted {
    (dims $($D:ident)*; dim $($K:ident)*) => {
        fn shifted(op: &Op) -> Option<Op> {
            match op.clone() {
                $(Op::$D(mut op) => {
                    op.dims.iter_mut().for_each(|d| *d += 1);
                    // A scalar has no dimensions; it is lifted to one.
                    if op.dims.is_empty() {
                        op.dims.push(1);
                    }
                    Some(Op::$D(op))
                })*
                $(Op::$K(mut op) => {
                    op.dim += 1;
                    Some(Op::$K(op))
                })*
                _ => None,
            }
        }
    };
}

shifted! {
    dims Sum Mean Amax Amin Any All CountNonzero LogSumExp Norm VarMean Flip;
    dim Prod Argmax Argmin MaxDim MinDim
        Cumsum Cumprod Logcumsumexp Cummax Cummin Recurrence
        Softmax LogSoftmax SoftmaxBackward LogSoftmaxBackward
        Gather Scatter Cat
}

impl Batch<'_> {
    /// By the rule of its family, if it belongs to one.
    fn by_family(&self) -> Result<Option<Outputs>> {
        if self.op.is_elementwise() {
            return self.elementwise().map(Some);
        }
        if let Some(op) = shifted(self.op) {
            return self.along(op).map(Some);
        }
        Ok(Some(match self.op {
            // Of the last dimensions, whatever stands before them.
            Op::Sort(_)
            | Op::Topk(_)
            | Op::Kthvalue(_)
            | Op::Rfft(_)
            | Op::Irfft(_)
            | Op::Fft(_)
            | Op::MaxPool(_)
            | Op::MaxPoolBackward(_)
            | Op::AvgPool(_)
            | Op::AvgPoolBackward(_)
            | Op::Interpolate(_)
            | Op::InterpolateBackward(_)
            | Op::Transfer(_)
            // Of the matrices in the last two.
            | Op::LuFactor(_)
            | Op::Solve(_)
            | Op::SolveTriangular(_)
            | Op::Det(_)
            | Op::Slogdet(_)
            | Op::Cholesky(_)
            | Op::Geqrf(_)
            | Op::HouseholderProduct(_)
            | Op::Qr(_)
            | Op::Eigh(_)
            | Op::Eig(_)
            | Op::Svd(_)
            | Op::Pinv(_)
            | Op::MatrixExp(_)
            | Op::LdlFactor(_)
            | Op::LdlSolve(_)
            | Op::Dropout(_) => self.along(self.op.clone())?,
            Op::Matmul(_) => self.matmul()?,
            Op::Linear(_) => self.linear()?,
            Op::Conv(op) => self.conv(op)?,
            Op::ConvInputGrad(op) => self.conv_input_grad(op)?,
            Op::ConvWeightGrad(op) => self.conv_weight_grad(op)?,
            Op::LayerNorm(op) => self.layer_norm(op)?,
            Op::RmsNorm(op) => self.rms_norm(op)?,
            Op::GroupNorm(op) => self.group_norm(op)?,
            Op::BatchNorm(_) | Op::BatchNormBackward(_) => self.batch_norm()?,
            Op::Embedding(op) => self.embedding(op)?,
            Op::Index(op) => self.index(op)?,
            Op::IndexPut(op) => self.index_put(op)?,
            Op::Pad(op) => {
                let mut op = op.clone();
                op.pads.insert(0, (0, 0));
                self.along(Op::Pad(op))?
            }
            Op::AsStridedScatter(op) => self.strided_scatter(op)?,
            Op::AsStridedBackward(op) => self.strided_backward(op)?,
            Op::Full(op) => {
                let mut op = op.clone();
                op.shape.insert(0, self.size);
                dispatch_all(Op::Full(op), &[])?
            }
            Op::Nonzero(_) => bail!(
                Unsupported,
                "vmap",
                "`nonzero`: how many elements there are depends on the data and differs between the samples"
            ),
            Op::Multinomial(_) => {
                // Of rows, however many.
                let x = self.spread(0)?;
                let rows = if x.rank() > 2 { x.flatten(0, -2)? } else { x };
                dispatch_all(self.op.clone(), &[&rows])?
            }
            Op::Custom(op) if op.op().batches() => {
                let all = (0..self.operands.len()).map(|i| self.spread(i)).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
                self.run(self.op.clone(), &all)?
            }
            _ => return Ok(None),
        }))
    }

    /// Operand `i` for all samples; what they share is expanded.
    fn spread(&self, i: usize) -> Result<Tensor> {
        let operand = &self.operands[i];
        if operand.batched { Ok(operand.value.clone()) } else { super::level::spread(&operand.value, self.size) }
    }

    /// Each element from those at its own place.
    fn elementwise(&self) -> Result<Outputs> {
        let rank = self.operands.iter().map(Operand::rank).max().unwrap_or(0);
        let operands =
            self.operands.iter().map(|t| aligned(t, rank, self.size)).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        self.run(self.op.clone(), &operands)
    }

    /// `op` along dimensions, with whatever stands before them: all operands for all samples. One without dimensions
    /// has one, as such ops have it.
    fn along(&self, op: Op) -> Result<Outputs> {
        let lifted = |i: usize| {
            let x = self.spread(i)?;
            if x.rank() == 1 { x.unsqueeze(1) } else { Ok(x) }
        };
        let operands = (0..self.operands.len()).map(lifted).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        self.run(op, &operands)
    }

    fn run(&self, op: Op, operands: &[Tensor]) -> Result<Outputs> {
        dispatch_all(op, &operands.iter().collect::<SmallVec<[&Tensor; 4]>>())
    }

    /// By the op's mathematics in other ops, run on handles.
    fn decomposed(&self, level: &Level) -> Option<Result<Outputs>> {
        // Handles without a history: the op is what is recorded.
        let handle = |t: &Operand| if t.batched { level.handle(t.value.clone()) } else { Ok(t.value.clone()) };
        let handles = match self.operands.iter().map(handle).collect::<Result<SmallVec<[Tensor; 4]>>>() {
            Ok(handles) => handles,
            Err(e) => return Some(Err(e)),
        };
        let outputs = level.again(|| self.op.decompose(&handles.iter().collect::<SmallVec<[&Tensor; 4]>>()))?;
        Some(outputs.and_then(|outputs| outputs.iter().map(|out| level.spread(out)).collect()))
    }

    /// One sample after another.
    fn one_by_one(&self) -> Result<Outputs> {
        let mut lists: Vec<Vec<Tensor>> = self.metas.iter().map(|_| Vec::with_capacity(self.size)).collect();
        for i in 0..self.size {
            let sample = |t: &Operand| if t.batched { t.value.select(0, i as isize) } else { Ok(t.value.clone()) };
            let operands = self.operands.iter().map(sample).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
            let made = self.run(self.op.clone(), &operands)?;
            lists.iter_mut().zip(made).for_each(|(list, made)| list.push(made));
        }
        let device = self.operands.first().map(|t| t.value.device()).unwrap_or_default();
        let joined = |(list, meta): (Vec<Tensor>, &Meta)| match list.is_empty() {
            true => {
                let mut shape = meta.shape.clone();
                shape.insert(0, 0);
                Tensor::zeros(shape).dtype(meta.dtype).device(device).build()
            }
            false => stack(&list, 0),
        };
        lists.into_iter().zip(self.metas).map(joined).collect()
    }
}
