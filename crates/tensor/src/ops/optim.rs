//! Optimizer steps as fused updates of lists: one pass over parameters, gradients and state instead of ten each.
//!
//! They run through [`dispatch_update`](crate::dispatch_update) and have no derivative. The arithmetic,
//! in its order, is that of PyTorch's single-tensor implementations; half precision computes in `f32` and is rounded
//! where it is stored, as in PyTorch's fused ones.
//!
//! All lists of a step have one length, one dtype (floating point) and one device. Numbers that a device may hold
//! stand among the inputs, so that a step reads nothing back: see [`StepScalars`].

use crate::op::{Infer, Meta, Metas};
use crate::{DType, Result, Tensor, ensure};

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
