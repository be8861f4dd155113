//! Adagrad.

use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, Takes, bound, optimizer};
use flambeau_autograd::SparseTensor;
use flambeau_tensor::{Result, Tensor, ensure};

optimizer! {
    /// The gradient by the root of the sum of its squares: `torch.optim.Adagrad`. Duchi et al. 2011.
    ///
    /// It takes sparse gradients, without weight decay: rows that none was looked up of stay.
    pub struct Adagrad(AdagradBuilder): AdagradRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-2.into(),
        /// How the rate falls with the steps.
        lr_decay: f64 = 0.0,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// What the sum of squares begins with.
        initial_accumulator_value: f64 = 0.0,
        /// Added to the denominator.
        eps: f64 = 1e-10,
        /// Uphill instead of down.
        maximize: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false, fused = None::<bool> }
}

pub struct AdagradRule;

impl Rule for AdagradRule {
    const NAME: &'static str = "Adagrad";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::like("sum")];

    const TAKES: Takes = Takes::Both;

    fn check(o: &GroupOptions) -> Result<()> {
        for name in ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"] {
            bound!("Adagrad", name, o.number(name)?, 0.0..);
        }
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, lr_decay, eps) = (o.coefficient("lr")?, o.number("lr_decay")?, o.number("eps")?);
        let (decay, maximize) = (o.number("weight_decay")?, o.flag("maximize"));
        let first = o.number("initial_accumulator_value")?;
        ensure!(
            decay == 0.0 || params.iter().all(|p| p.sparse.is_none()),
            Unsupported,
            "Adagrad",
            "weight_decay option is not compatible with sparse gradients"
        );
        Formula::each("Adagrad", params, |p, f| {
            let step = p.step(0)?;
            let rate = lr.clone().beside(&p.param)?.div(step.sub(1.0)?.mul(lr_decay)?.add(1.0)?)?;
            let fill = |sum: &Tensor| sum.fill_(first).map(drop);
            if let Some(sparse) = p.sparse.clone() {
                let sum = p.like_with(1, fill)?;
                return step_sparse(&p.param, &sum, &sparse, maximize, eps, &rate);
            }
            let grad = f.slope(maximize, decay);
            let sum = f.set(1, f.state_with(p, 1, fill)?.addcmul(grad, grad, 1.0));
            f.set_param(f.param().addcdiv(grad, sum.sqrt() + eps, rate.neg()?));
            Ok(())
        })
    }
}

/// The step along a sparse gradient.
fn step_sparse(
    param: &Tensor,
    sum: &Tensor,
    grad: &SparseTensor,
    maximize: bool,
    eps: f64,
    rate: &Coefficient,
) -> Result<()> {
    let sparse = grad.coalesce()?;
    let grad = if maximize { sparse.values().neg()? } else { sparse.values().clone() };
    sparse.with_values(grad.square()?)?.add_to(sum, 1.0)?;
    let size = sparse.mask(sum)?.sqrt()?.add(eps)?;
    sparse.with_values(grad.div(&size)?.mul(rate.operand())?)?.add_to(param, -1.0)
}
