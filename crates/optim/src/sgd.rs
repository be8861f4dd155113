//! Stochastic gradient descent.

use crate::group::{Core, Optimizer, Rate, Rates, fits_fused};
use flambeau_autograd::{Autograd, no_grad};
use flambeau_tensor::{Result, SgdStep, StateDict, Tensor, builder, dispatch_update, ensure};

/// Stochastic gradient descent with momentum: `torch.optim.SGD`. Sutskever et al. 2013.
#[derive(Debug)]
pub struct SGD {
    core: Core,
    options: SgdStep,
}

builder! {
    /// Options of [`SGD`].
    pub struct SGDBuilder => SGD;
    new { params: ~into Params }
    options {
        /// Learning rate.
        lr: f64 = 1e-3,
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
        /// More parameters, each group with a learning rate of its own.
        groups: Vec<(Vec<Tensor>, f64)> = Vec::new(),
    }
}

/// The parameters an optimizer is for: anything that gives tensors or parameters, owned or borrowed.
#[derive(Clone, Debug)]
pub struct Params(pub(crate) Vec<Tensor>);

impl<T: AsRef<Tensor>, I: IntoIterator<Item = T>> From<I> for Params {
    fn from(tensors: I) -> Params {
        Params(tensors.into_iter().map(|t| t.as_ref().clone()).collect())
    }
}

/// The first group and the further ones, as [`Core`] takes them.
pub(crate) fn all_groups(first: Params, more: Vec<(Vec<Tensor>, f64)>) -> Vec<(Vec<Tensor>, Option<f64>)> {
    std::iter::once((first.0, None)).chain(more.into_iter().map(|(p, lr)| (p, Some(lr)))).collect()
}

impl SGD {
    fn from_builder(b: SGDBuilder) -> Result<Self> {
        ensure!(b.momentum >= 0.0, Argument, "SGD", "a momentum of {} is negative", b.momentum);
        ensure!(b.weight_decay >= 0.0, Argument, "SGD", "a weight decay of {} is negative", b.weight_decay);
        ensure!(
            !b.nesterov || (b.momentum > 0.0 && b.dampening == 0.0),
            Argument,
            "SGD",
            "Nesterov momentum needs a momentum and no dampening, they are {} and {}",
            b.momentum,
            b.dampening
        );
        let rate = Rate { lr: b.lr, initial_lr: None, momentum: b.momentum };
        let core = Core::new("SGD", all_groups(b.params, b.groups), rate, &["momentum_buffer"])?;
        let (dampening, weight_decay, nesterov, maximize) = (b.dampening, b.weight_decay, b.nesterov, b.maximize);
        let options =
            SgdStep { lr: b.lr, momentum: b.momentum, dampening, weight_decay, nesterov, maximize, first: false };
        Ok(SGD { core, options })
    }
}

impl Optimizer for SGD {
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        let rates = self.core.rates.get();
        let options = self.options;
        no_grad(|| {
            for p in &mut self.core.params {
                let Some(grad) = p.tensor.grad() else { continue };
                let rate = rates[p.group];
                let first = p.state.is_empty();
                if rate.momentum != 0.0 && first {
                    p.state.push(p.tensor.detach().zeros_like()?);
                }
                let op = SgdStep { lr: rate.lr, momentum: rate.momentum, first, ..options };
                let param = p.tensor.detach();
                let buffer = if rate.momentum != 0.0 { p.state.first() } else { None };
                if fits_fused(&param) {
                    let targets: Vec<&Tensor> = std::iter::once(&param).chain(buffer).collect();
                    dispatch_update("SGD::step", op, &[&grad], &targets)?;
                } else {
                    plain(&op, &param, &grad, buffer)?;
                }
                p.step += 1;
            }
            Ok(())
        })
    }

    fn parameters(&self) -> Vec<Tensor> {
        self.core.tensors()
    }

    fn rates(&self) -> Rates {
        self.core.rates.clone()
    }

    fn state_dict(&self) -> Result<StateDict> {
        self.core.state_dict()
    }

    fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        self.core.load_state_dict("SGD::load_state_dict", state)
    }
}

/// The step in tensor ops, for dtypes and layouts that have no fused one.
fn plain(op: &SgdStep, param: &Tensor, grad: &Tensor, buffer: Option<&Tensor>) -> Result<()> {
    let mut d = if op.maximize { grad.neg()? } else { grad.clone() };
    if op.weight_decay != 0.0 {
        d = d.add(param.mul(op.weight_decay)?)?;
    }
    if let Some(buffer) = buffer {
        if op.first {
            buffer.copy_(&d)?;
        } else {
            buffer.mul_(op.momentum)?.add_(&d.mul(1.0 - op.dampening)?)?;
        }
        d = if op.nesterov { d.add(buffer.mul(op.momentum)?)? } else { buffer.clone() };
    }
    param.sub_(&d.mul(op.lr)?)?;
    Ok(())
}
