//! Optimizer steps as fused updates of lists: one pass over parameters, gradients and state instead of ten each.
//!
//! They run through [`dispatch_update`](crate::dispatch_update) and have no derivative. The arithmetic,
//! in its order, is that of PyTorch's single-tensor implementations; half precision computes in `f32` and is rounded
//! where it is stored, as in PyTorch's fused ones.
//!
//! All lists of a step have one length, one dtype (floating point) and one device. Numbers that a device may hold
//! stand among the inputs, so that a step reads nothing back: see [`StepScalars`].

use crate::op::{Infer, Meta, Metas, Op};
use crate::{DType, Result, Tensor, ensure};
use std::sync::Arc;

/// Which numbers of a step are tensors `[]` of floating point on the parameters' device: they stand behind the
/// gradients, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepScalars {
    /// The learning rate, instead of the op's own.
    pub lr: bool,
    /// Gradients are divided by it.
    pub grad_scale: bool,
    /// Where it is not zero, nothing is changed.
    pub found_inf: bool,
}

impl StepScalars {
    /// How many there are.
    pub fn count(self) -> usize {
        usize::from(self.lr) + usize::from(self.grad_scale) + usize::from(self.found_inf)
    }
}

/// A step of SGD: inputs `grads…, scalars…`, targets `params…` and, with momentum, `momentum_buffers…`.
/// `torch.optim.SGD`.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Momentum factor; 0 where there are no buffers.
    pub momentum: f64,
    /// Dampening of the gradient in the buffer.
    pub dampening: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
    /// Uphill instead of down.
    pub maximize: bool,
    /// The buffers are taken from the gradients alone.
    pub first: bool,
    /// Numbers among the inputs.
    pub scalars: StepScalars,
}

/// A step of Adam or AdamW: inputs `grads…, scalars…`, targets `params…, exp_avgs…, exp_avg_sqs…`, with AMSGrad
/// `max_exp_avg_sqs…`, and where the device counts the steps `steps…`. Kingma & Ba 2015; Loshchilov & Hutter 2019.
/// `torch.optim.Adam`.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or AdamW's decay.
    pub weight_decay: f64,
    /// Decay the weights apart from the gradient: AdamW.
    pub decoupled: bool,
    /// Keep the largest second moment.
    pub amsgrad: bool,
    /// Uphill instead of down.
    pub maximize: bool,
    /// Steps taken, this one included; none where they are counted by `float32` tensors `[]`, one for each parameter,
    /// to which the step adds one.
    pub step: Option<u64>,
    /// Numbers among the inputs.
    pub scalars: StepScalars,
}

/// A step of any optimizer that goes element by element: inputs `grads…`, targets `params…` and lists of state, each
/// element by a formula. Each instruction rounds to the dtype, as PyTorch's op of its name does.
#[derive(Clone, Debug)]
pub struct PointwiseStep {
    /// The formula. Each instruction makes one register, whose number is the instruction's place.
    pub formula: Arc<[StepInstruction]>,
    /// What is written when all is computed: a list (1 the parameters, 2 and on state) and a register.
    pub stores: Arc<[(u16, u16)]>,
    /// How many lists are updated, the parameters' one included.
    pub lists: usize,
    /// The numbers that the formula names by their place: a row for each parameter, one after another.
    pub numbers: Arc<[f64]>,
}

/// An instruction of a [`PointwiseStep`]. `x`, `a`, `b`, `end`, `on` are registers that were made before, the others
/// places in a parameter's row of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named above")]
pub enum StepInstruction {
    /// An element of a list: 0 the gradients, 1 the parameters, 2 and on state; as it was before the step.
    Load { list: u16 },
    /// −x.
    Neg { x: u16 },
    /// |x|.
    Abs { x: u16 },
    /// −1, 0 or 1.
    Sign { x: u16 },
    /// √x.
    Sqrt { x: u16 },
    /// 1 / x.
    Reciprocal { x: u16 },
    /// a + b.
    Add { a: u16, b: u16 },
    /// a − b.
    Sub { a: u16, b: u16 },
    /// a · b.
    Mul { a: u16, b: u16 },
    /// a / b.
    Div { a: u16, b: u16 },
    /// The larger one; NaN where either is.
    Maximum { a: u16, b: u16 },
    /// x + number.
    AddNumber { x: u16, number: u16 },
    /// x · number.
    MulNumber { x: u16, number: u16 },
    /// x / number.
    DivNumber { x: u16, number: u16 },
    /// x within bounds.
    Clamp { x: u16, min: u16, max: u16 },
    /// x + number · a.
    AddScaled { x: u16, a: u16, number: u16 },
    /// x + number · a · b.
    Addcmul { x: u16, a: u16, b: u16, number: u16 },
    /// x + number · a / b.
    Addcdiv { x: u16, a: u16, b: u16, number: u16 },
    /// x + number · (end − x).
    Lerp { x: u16, end: u16, number: u16 },
    /// One of three numbers by the sign of x.
    BySign { x: u16, negative: u16, zero: u16, positive: u16 },
    /// x, but 0 where `on` is negative.
    ClearNegative { x: u16, on: u16 },
    /// a where the number is positive, else b.
    Choose { a: u16, b: u16, number: u16 },
}

impl StepInstruction {
    /// The registers that it reads, and the places of its numbers.
    pub(crate) fn operands(self) -> (Vec<u16>, Vec<u16>) {
        use StepInstruction::*;
        match self {
            Load { .. } => (vec![], vec![]),
            Neg { x } | Abs { x } | Sign { x } | Sqrt { x } | Reciprocal { x } => (vec![x], vec![]),
            Add { a, b } | Sub { a, b } | Mul { a, b } | Div { a, b } | Maximum { a, b } => (vec![a, b], vec![]),
            AddNumber { x, number } | MulNumber { x, number } | DivNumber { x, number } => (vec![x], vec![number]),
            Clamp { x, min, max } => (vec![x], vec![min, max]),
            AddScaled { x, a, number } => (vec![x, a], vec![number]),
            Addcmul { x, a, b, number } | Addcdiv { x, a, b, number } => (vec![x, a, b], vec![number]),
            Lerp { x, end, number } => (vec![x, end], vec![number]),
            BySign { x, negative, zero, positive } => (vec![x], vec![negative, zero, positive]),
            ClearNegative { x, on } => (vec![x, on], vec![]),
            Choose { a, b, number } => (vec![a, b], vec![number]),
        }
    }
}

/// The lists of `tensors` (inputs, then targets) for a step that updates `slots` tensors of each parameter and,
/// where it has `steps`, a counter.
fn infer(name: &'static str, scalars: StepScalars, tensors: &[&Tensor], slots: usize, steps: bool) -> Result<Metas> {
    let (lists, numbers) = (1 + slots + usize::from(steps), scalars.count());
    let count = tensors.len().saturating_sub(numbers) / lists;
    ensure!(
        count > 0 && tensors.len() == count * lists + numbers,
        Argument,
        name,
        "{} tensors, where {lists} lists of one length and {numbers} numbers are needed",
        tensors.len()
    );
    let (grads, rest) = tensors.split_at(count);
    let (scalars, targets) = rest.split_at(numbers);
    let (state, steps) = targets.split_at(count * slots);
    for t in scalars {
        let fits = t.rank() == 0 && t.dtype().is_float();
        ensure!(fits, Argument, name, "a number must be a float [], one is {} {:?}", t.dtype(), t.shape());
    }
    for t in steps {
        let fits = t.rank() == 0 && t.dtype() == DType::F32;
        ensure!(fits, Argument, name, "steps are counted by float32 [], one is {} {:?}", t.dtype(), t.shape());
    }
    let dtype = targets[0].dtype();
    ensure!(dtype.is_float(), DType, name, "not defined for {dtype}");
    for (i, t) in grads.iter().chain(state).enumerate() {
        let param = targets[i % count];
        ensure!(
            t.shape() == param.shape() && t.dtype() == dtype,
            Shape,
            name,
            "gradient and state must be as the parameter, {} {:?}, in lists of {dtype}; one is {} {:?}",
            param.dtype(),
            param.shape(),
            t.dtype(),
            t.shape()
        );
    }
    Ok(targets.iter().map(|t| Meta::like(t)).collect())
}

impl Infer for SgdStep {
    const NAME: &'static str = "sgd_step";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        infer("sgd_step", self.scalars, inputs, if self.momentum == 0.0 { 1 } else { 2 }, false)
    }
}

impl Infer for AdamStep {
    const NAME: &'static str = "adam_step";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        infer("adam_step", self.scalars, inputs, if self.amsgrad { 4 } else { 3 }, self.step.is_none())
    }
}

impl Infer for PointwiseStep {
    const NAME: &'static str = "pointwise_step";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (name, lists, length) = (Self::NAME, self.lists, self.formula.len());
        let known = (1..=PointwiseStep::MOST).contains(&lists) && length <= PointwiseStep::MOST;
        ensure!(
            known,
            Argument,
            name,
            "{length} instructions on {lists} lists, where up to {} go",
            PointwiseStep::MOST
        );
        let metas = infer(name, StepScalars::default(), inputs, lists, false)?;
        let params = metas.len() / lists;
        let row = self.numbers.len() / params;
        ensure!(
            row * params == self.numbers.len(),
            Argument,
            name,
            "the parameters' rows of numbers are of two lengths"
        );
        for (i, instruction) in self.formula.iter().enumerate() {
            let (registers, numbers) = instruction.operands();
            let fits = registers.iter().all(|r| usize::from(*r) < i)
                && numbers.iter().all(|n| usize::from(*n) < row)
                && !matches!(instruction, StepInstruction::Load { list } if usize::from(*list) > lists);
            ensure!(fits, Argument, name, "instruction {i}, {instruction:?}, names what is not there");
        }
        for (list, register) in self.stores.iter() {
            let fits = (1..=lists).contains(&usize::from(*list)) && usize::from(*register) < length;
            ensure!(fits, Argument, name, "register {register} is to be written into list {list}, one is not there");
        }
        Ok(metas)
    }
}

impl PointwiseStep {
    /// Instructions and lists that a formula may have.
    pub const MOST: usize = 256;
}

impl Op {
    /// True where it updates lists of tensors: for [`dispatch_update`](crate::dispatch_update). Other ops do not count
    /// targets among what they are inferred from.
    pub fn updates_lists(&self) -> bool {
        matches!(self, Op::SgdStep(_) | Op::AdamStep(_) | Op::PointwiseStep(_))
    }
}
