//! Adam and AdamW.

use crate::group::{Core, Optimizer, Rate, Rates, fits_fused};
use crate::sgd::{Params, all_groups};
use flambeau_autograd::{Autograd, no_grad};
use flambeau_tensor::{AdamStep, Result, StateDict, Tensor, builder, dispatch_update, ensure};

/// Adam: `torch.optim.Adam`. Kingma & Ba 2015; AMSGrad of Reddi et al. 2018.
#[derive(Debug)]
pub struct Adam(Moments);

/// Adam with weight decay apart from the gradient: `torch.optim.AdamW`. Loshchilov & Hutter 2019.
#[derive(Debug)]
pub struct AdamW(Moments);

macro_rules! adam {
    ($Builder:ident, $Adam:ident, $name:literal, $decay:literal, $decoupled:literal) => {
        builder! {
            #[doc = concat!("Options of [`", $name, "`].")]
            pub struct $Builder => $Adam;
            new { params: ~into Params }
            options {
                /// Learning rate.
                lr: f64 = 1e-3,
                /// Decay of the first and second moment.
                betas: (f64, f64) = (0.9, 0.999),
                /// Added to the denominator.
                eps: f64 = 1e-8,
                /// Weight decay.
                weight_decay: f64 = $decay,
                /// Divide by the largest second moment so far.
                amsgrad: bool = false,
                /// Uphill instead of down.
                maximize: bool = false,
                /// More parameters, each group with a learning rate of its own.
                groups: Vec<(Vec<Tensor>, f64)> = Vec::new(),
            }
        }

        impl $Adam {
            fn from_builder(b: $Builder) -> Result<Self> {
                let (beta1, beta2) = b.betas;
                for (i, beta) in [beta1, beta2].into_iter().enumerate() {
                    ensure!((0.0..1.0).contains(&beta), Argument, $name, "beta{} = {beta} is not in 0..1", i + 1);
                }
                ensure!(b.eps >= 0.0, Argument, $name, "eps = {} is negative", b.eps);
                ensure!(b.weight_decay >= 0.0, Argument, $name, "a weight decay of {} is negative", b.weight_decay);
                let rate = Rate { lr: b.lr, initial_lr: None, momentum: beta1 };
                let names: &[&str] =
                    if b.amsgrad { &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] } else { &["exp_avg", "exp_avg_sq"] };
                let core = Core::new($name, all_groups(b.params, b.groups), rate, names)?;
                let options = AdamStep {
                    lr: b.lr,
                    beta1,
                    beta2,
                    eps: b.eps,
                    weight_decay: b.weight_decay,
                    decoupled: $decoupled,
                    amsgrad: b.amsgrad,
                    maximize: b.maximize,
                    step: 0,
                };
                Ok($Adam(Moments { core, options }))
            }
        }

        impl Optimizer for $Adam {
            #[track_caller]
            fn step(&mut self) -> Result<()> {
                self.0.step(concat!($name, "::step"))
            }
            fn parameters(&self) -> Vec<Tensor> {
                self.0.core.tensors()
            }
            fn rates(&self) -> Rates {
                self.0.core.rates.clone()
            }
            fn state_dict(&self) -> Result<StateDict> {
                self.0.core.state_dict()
            }
            fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
                self.0.core.load_state_dict(concat!($name, "::load_state_dict"), state)
            }
        }
    };
}

adam!(AdamBuilder, Adam, "Adam", 0.0, false);
adam!(AdamWBuilder, AdamW, "AdamW", 0.01, true);

/// What both share.
#[derive(Debug)]
struct Moments {
    core: Core,
    options: AdamStep,
}

impl Moments {
    #[track_caller]
    fn step(&mut self, name: &'static str) -> Result<()> {
        let rates = self.core.rates.get();
        let options = self.options;
        no_grad(|| {
            for p in &mut self.core.params {
                let Some(grad) = p.tensor.grad() else { continue };
                let (rate, param) = (rates[p.group], p.tensor.detach());
                while p.state.len() < if options.amsgrad { 3 } else { 2 } {
                    p.state.push(param.zeros_like()?);
                }
                let op = AdamStep { lr: rate.lr, beta1: rate.momentum, step: p.step + 1, ..options };
                if fits_fused(&param) {
                    let targets: Vec<&Tensor> = std::iter::once(&param).chain(&p.state).collect();
                    dispatch_update(name, op, &[&grad], &targets)?;
                } else {
                    plain(&op, &param, &grad, &p.state)?;
                }
                p.step += 1;
            }
            Ok(())
        })
    }
}

/// The step in tensor ops, for dtypes and layouts that have no fused one. A complex number counts as two
/// real ones.
fn plain(op: &AdamStep, param: &Tensor, grad: &Tensor, state: &[Tensor]) -> Result<()> {
    if param.dtype().is_complex() {
        let state: Vec<Tensor> = state.iter().map(|s| s.view_as_real()).collect::<Result<_>>()?;
        return plain(op, &param.view_as_real()?, &grad.contiguous()?.view_as_real()?, &state);
    }
    let mut grad = if op.maximize { grad.neg()? } else { grad.clone() };
    if op.weight_decay != 0.0 && op.decoupled {
        param.mul_(1.0 - op.lr * op.weight_decay)?;
    } else if op.weight_decay != 0.0 {
        grad = grad.add(param.mul(op.weight_decay)?)?;
    }
    let (first, second) = (&state[0], &state[1]);
    first.add_(&grad.sub(first)?.mul(1.0 - op.beta1)?)?;
    second.mul_(op.beta2)?.add_(&grad.square()?.mul(1.0 - op.beta2)?)?;
    let second = match state.get(2) {
        Some(largest) => {
            largest.copy_(&largest.maximum(second)?)?;
            largest
        }
        None => second,
    };
    let step = op.step.min(i32::MAX as u64) as i32;
    let (correction1, correction2) = (1.0 - op.beta1.powi(step), (1.0 - op.beta2.powi(step)).sqrt());
    let denominator = second.sqrt()?.div(correction2)?.add(op.eps)?;
    param.sub_(&first.div(&denominator)?.mul(op.lr / correction1)?)?;
    Ok(())
}
