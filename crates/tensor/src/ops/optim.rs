//! Optimizer steps as fused updates: one pass over parameter, gradient and state instead of ten.
//!
//! They run through [`dispatch_update`](crate::dispatch_update) and have no derivative. The arithmetic,
//! in its order, is that of PyTorch's single-tensor implementations.

use crate::op::{Infer, Meta, Metas};
use crate::{Result, Tensor, ensure};

/// A step of SGD: inputs `[grad]`, targets `[param]` or `[param, momentum_buffer]`. `torch.optim.SGD`.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Momentum factor; 0 where there is no buffer.
    pub momentum: f64,
    /// Dampening of the gradient in the buffer.
    pub dampening: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
    /// Uphill instead of down.
    pub maximize: bool,
    /// The buffer is taken from the gradient alone.
    pub first: bool,
}

/// A step of Adam or AdamW: inputs `[grad]`, targets `[param, exp_avg, exp_avg_sq]` and, with AMSGrad,
/// `max_exp_avg_sq`. Kingma & Ba 2015; Loshchilov & Hutter 2019. `torch.optim.Adam`.
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
    /// Steps taken, this one included.
    pub step: u64,
}

fn infer(name: &'static str, inputs: &[&Tensor], targets: usize) -> Result<Metas> {
    ensure!(inputs.len() == targets + 1, Argument, name, "{} tensors, {} are needed", inputs.len(), targets + 1);
    let param = inputs[1];
    for t in inputs {
        let same = t.shape() == param.shape() && t.dtype() == param.dtype();
        ensure!(
            same,
            Shape,
            name,
            "gradient and state must be as the parameter, {} {:?}; one is {} {:?}",
            param.dtype(),
            param.shape(),
            t.dtype(),
            t.shape()
        );
    }
    Ok(inputs[1..].iter().map(|t| Meta::like(t)).collect())
}

impl Infer for SgdStep {
    const NAME: &'static str = "sgd_step";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        infer("sgd_step", inputs, if self.momentum == 0.0 { 1 } else { 2 })
    }
}

impl Infer for AdamStep {
    const NAME: &'static str = "adam_step";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        infer("adam_step", inputs, if self.amsgrad { 4 } else { 3 })
    }
}
