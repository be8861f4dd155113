//! Adagrad.

use super::{addcdiv_, addcmul_};
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// The gradient by the root of the sum of its squares: `torch.optim.Adagrad`. Duchi et al. 2011.
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
        for p in params {
            let grad = p.slope(maximize, decay)?;
            let step = p.step(0)?;
            let sum = p.like_with(1, |sum| sum.fill_(first).map(drop))?;
            let rate = lr.clone().beside(&p.param)?.div(step.sub(1.0)?.mul(lr_decay)?.add(1.0)?)?;
            addcmul_(&sum, &grad, &grad, &1.0.into())?;
            addcdiv_(&p.param, &grad, &sum.sqrt()?.add(eps)?, &rate.neg()?)?;
        }
        Ok(())
    }
}
