//! Stochastic gradient descent.

use super::axpy_;
use crate::base::lists::{self, Row};
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, Takes, bound, optimizer};
use flambeau_autograd::SparseTensor;
use flambeau_tensor::{Result, SgdStep, StepScalars, ensure};

optimizer! {
    /// Stochastic gradient descent with momentum: `torch.optim.SGD`. Sutskever et al. 2013.
    ///
    /// It takes sparse gradients, without weight decay; its momentum is dense then, too.
    pub struct SGD(SGDBuilder): SgdRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-3.into(),
        /// Momentum factor.
        momentum: f64 = 0.0,
        /// Dampening of the gradient in the momentum buffer.
        dampening: f64 = 0.0,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// Nesterov's look-ahead.
        nesterov: bool = false,
        /// Uphill instead of down.
        maximize: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false, fused = None::<bool> }
}

pub struct SgdRule;

const BUFFER: usize = 0;

impl Rule for SgdRule {
    const NAME: &'static str = "SGD";
    const SLOTS: &'static [Slot] = &[Slot::like("momentum_buffer")];
    const TAKES_SCALING: bool = true;
    const TAKES: Takes = Takes::Both;

    fn check(o: &GroupOptions) -> Result<()> {
        bound!("SGD", "lr", o.number("lr")?, 0.0..);
        let (momentum, dampening) = (o.number("momentum")?, o.number("dampening")?);
        bound!("SGD", "momentum", momentum, 0.0..);
        bound!("SGD", "weight_decay", o.number("weight_decay")?, 0.0..);
        ensure!(
            !o.flag("nesterov") || (momentum > 0.0 && dampening == 0.0),
            Argument,
            "SGD",
            "Nesterov momentum needs a momentum and no dampening, they are {momentum} and {dampening}"
        );
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], scaling: &Scaling) -> Result<()> {
        let (lr, scalars, named) = scalars(o, params, scaling)?;
        let op = SgdStep {
            lr,
            momentum: o.number("momentum")?,
            dampening: o.number("dampening")?,
            weight_decay: o.number("weight_decay")?,
            nesterov: o.flag("nesterov"),
            maximize: o.flag("maximize"),
            first: false,
            scalars: named,
        };
        let sparse = params.iter().any(|p| p.sparse.is_some());
        ensure!(
            !sparse || (op.weight_decay == 0.0 && !named.grad_scale && !named.found_inf),
            Unsupported,
            "SGD",
            "sparse gradients go with no weight decay and no scale"
        );
        let mut rows = Vec::with_capacity(params.len());
        for p in params {
            if let Some(grad) = p.sparse.clone() {
                step_sparse(p, &grad, o.coefficient("lr")?, &op)?;
                continue;
            }
            let (key, mut targets) = (!p.has(BUFFER), vec![p.param.clone()]);
            if op.momentum != 0.0 {
                targets.push(p.like(BUFFER)?);
            }
            rows.push(Row { key, grad: p.grad.clone(), targets, numbers: Vec::new() });
        }
        lists::run("SGD", rows, &scalars, |rows| SgdStep { first: rows[0].key, ..op }.into())
    }
}

/// The step along a sparse gradient; `op` has the options.
fn step_sparse(p: &mut Stepped<'_>, grad: &SparseTensor, lr: Coefficient, op: &SgdStep) -> Result<()> {
    let lr = lr.beside(&p.param)?;
    let down = grad.with_values(if op.maximize { grad.values().neg()? } else { grad.values().clone() })?;
    if op.momentum == 0.0 {
        return down.with_values(down.values().mul(lr.operand())?)?.add_to(&p.param, -1.0);
    }
    let first = !p.has(BUFFER);
    let buffer = p.like(BUFFER)?;
    buffer.mul_(op.momentum)?;
    down.add_to(&buffer, if first { 1.0 } else { 1.0 - op.dampening })?;
    let step = if op.nesterov {
        let step = buffer.mul(op.momentum)?;
        down.add_to(&step, 1.0)?;
        step
    } else {
        buffer
    };
    axpy_(&p.param, &step, &lr.neg()?)
}

/// The learning rate of a fused step, and the numbers that stand among its inputs instead.
pub(super) fn scalars(
    o: &GroupOptions,
    params: &[Stepped<'_>],
    scaling: &Scaling,
) -> Result<(f64, Vec<flambeau_tensor::Tensor>, StepScalars)> {
    let (mut rate, mut tensors, mut named) = (0.0, Vec::new(), StepScalars::default());
    match o.coefficient("lr")? {
        Coefficient::Host(lr) => rate = lr,
        device => {
            let there = match params.first() {
                Some(p) => device.beside(&p.param)?,
                None => device,
            };
            if let Coefficient::Device(lr) = there {
                // A tensor of one element counts as a number, as in PyTorch.
                tensors.push(if lr.rank() == 0 { lr } else { lr.reshape(Vec::<usize>::new())? });
                named.lr = true;
            }
        }
    }
    named.grad_scale = scaling.grad_scale.is_some();
    named.found_inf = scaling.found_inf.is_some();
    tensors.extend(scaling.grad_scale.iter().chain(&scaling.found_inf).cloned());
    Ok((rate, tensors, named))
}
