//! RAdam: Adam whose rate is rectified while the second moment is uncertain.

use super::{adam, correction, decayed, moments};
use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, optimizer};
use flambeau_tensor::Result;

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
        Formula::each("RAdam", params, |p, f| {
            let lr = lr.clone().beside(&p.param)?;
            let step = p.step(0)?;
            let (param, grad) = decayed(f, maximize, decay, decoupled.then_some(&lr))?;
            let (mean, square) = moments(p, f, grad, [1, 2], betas)?;
            let (first, second) = (correction(betas[0], &step)?, correction(betas[1], &step)?);
            let faded = Coefficient::from(betas[1]).pow(step.clone())?;
            let length = Coefficient::from(longest).sub(step.mul(2.0)?.mul(faded)?.div(second.clone())?)?;
            let above = length.sub(4.0)?.mul(length.sub(2.0)?)?.mul(longest)?;
            let rate = above.div(length.mul((longest - 4.0) * (longest - 2.0))?)?.sqrt()?;
            let long = length.sub(5.0)?;
            let step = mean / first * lr;
            let step = match &long {
                Coefficient::Host(long) if *long <= 0.0 => step,
                _ => {
                    let size = (square.sqrt() + eps).reciprocal() * second.sqrt()?;
                    (step * size * rate).where_positive(long, step)
                }
            };
            f.set_param(param - step);
            Ok(())
        })
    }
}
