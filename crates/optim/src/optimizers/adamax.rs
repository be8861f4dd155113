//! Adamax: Adam with the infinity norm.

use super::{adam, correction};
use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// Adam with the infinity norm: `torch.optim.Adamax`. Kingma & Ba 2015.
    pub struct Adamax(AdamaxBuilder): AdamaxRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 2e-3.into(),
        /// Decay of the first moment and of the norm.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the gradient's absolute value.
        eps: f64 = 1e-8,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct AdamaxRule;

impl Rule for AdamaxRule {
    const NAME: &'static str = "Adamax";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::like("exp_avg"), Slot::like("exp_inf")];

    fn check(o: &GroupOptions) -> Result<()> {
        adam::check("Adamax", o)
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, eps, decay) = (o.coefficient("lr")?, o.number("eps")?, o.number("weight_decay")?);
        let ([beta1, beta2], maximize) = (o.numbers("betas")?, o.flag("maximize"));
        Formula::each("Adamax", params, |p, f| {
            let rate = lr.clone().beside(&p.param)?.div(correction(beta1, &p.step(0)?)?)?;
            let grad = f.slope(maximize, decay);
            let mean = f.set(1, f.state(p, 1)?.lerp(grad, 1.0 - beta1));
            let norm = f.set(2, (f.state(p, 2)? * beta2).maximum(grad.abs() + eps));
            f.set_param(f.param().addcdiv(mean, norm, rate.neg()?));
            Ok(())
        })
    }
}
