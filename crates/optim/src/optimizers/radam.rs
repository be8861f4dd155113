//! RAdam: Adam whose rate is rectified while the second moment is uncertain.

use super::{adam, axpy_, correction, decay_, moments_};
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, optimizer};
use flambeau_tensor::{Result, Tensor};

optimizer! {
    /// Adam with a rectified rate: `torch.optim.RAdam`. Liu et al. 2020.
    pub struct RAdam(RAdamBuilder): RAdamRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-3.into(),
        /// Decay of the first and second moment.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the denominator.
        eps: f64 = 1e-8,
        /// Weight decay.
        weight_decay: f64 = 0.0,
        /// Decay weights apart from the gradient, as AdamW does.
        decoupled_weight_decay: bool = false,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct RAdamRule;

impl Rule for RAdamRule {
    const NAME: &'static str = "RAdam";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::like("exp_avg"), Slot::like("exp_avg_sq")];

    fn check(o: &GroupOptions) -> Result<()> {
        adam::check("RAdam", o)
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, eps, decay) = (o.coefficient("lr")?, o.number("eps")?, o.number("weight_decay")?);
        let betas = o.numbers::<2>("betas")?;
        let (maximize, decoupled) = (o.flag("maximize"), o.flag("decoupled_weight_decay"));
        // The longest that the average over the second moment gets.
        let longest = 2.0 / (1.0 - betas[1]) - 1.0;
        for p in params {
            let lr = lr.clone().beside(&p.param)?;
            let step = p.step(0)?;
            let grad = p.slope(maximize, if decoupled { 0.0 } else { decay })?;
            if decoupled {
                decay_(&p.param, &lr, decay)?;
            }
            let (mean, square) = (p.like(1)?, p.like(2)?);
            moments_(&mean, &square, &grad, betas)?;
            let (first, second) = (correction(betas[0], &step)?, correction(betas[1], &step)?);
            let faded = Coefficient::from(betas[1]).pow(step.clone())?;
            let length = Coefficient::from(longest).sub(step.mul(2.0)?.mul(faded)?.div(second.clone())?)?;
            let corrected = mean.div(first.operand())?;
            let rectified = || {
                let above = length.sub(4.0)?.mul(length.sub(2.0)?)?.mul(longest)?;
                let rate = above.div(length.mul((longest - 4.0) * (longest - 2.0))?)?.sqrt()?;
                let below = square.sqrt()?.add(eps)?;
                below.rdiv(1.0)?.mul(rate.mul(second.sqrt()?)?.operand())
            };
            let update = match &length {
                Coefficient::Host(length) if *length > 5.0 => corrected.mul(&rectified()?)?,
                Coefficient::Host(_) => corrected,
                Coefficient::Device(length) => {
                    let rectified: Tensor = rectified()?;
                    corrected.mul(&rectified.where_cond(&length.gt(5.0)?, 1.0)?)?
                }
            };
            axpy_(&p.param, &update, &lr.neg()?)?;
        }
        Ok(())
    }
}
