//! NAdam: Adam with Nesterov's momentum.

use super::{adam, correction, decayed, moments};
use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// Adam with Nesterov's momentum: `torch.optim.NAdam`. Dozat 2016.
    pub struct NAdam(NAdamBuilder): NAdamRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 2e-3.into(),
        /// Decay of the first and second moment.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the denominator.
        eps: f64 = 1e-8,
        /// Weight decay.
        weight_decay: f64 = 0.0,
        /// Decay of the momentum.
        momentum_decay: f64 = 4e-3,
        /// Decay weights apart from the gradient, as AdamW does.
        decoupled_weight_decay: bool = false,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct NAdamRule;

impl Rule for NAdamRule {
    const NAME: &'static str = "NAdam";
    const SLOTS: &'static [Slot] =
        &[Slot::STEP, Slot::count("mu_product"), Slot::like("exp_avg"), Slot::like("exp_avg_sq")];

    fn check(o: &GroupOptions) -> Result<()> {
        bound!("NAdam", "momentum_decay", o.number("momentum_decay")?, 0.0..);
        adam::check("NAdam", o)
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, eps, decay) = (o.coefficient("lr")?, o.number("eps")?, o.number("weight_decay")?);
        let (betas, momentum_decay) = (o.numbers::<2>("betas")?, o.number("momentum_decay")?);
        let (maximize, decoupled) = (o.flag("maximize"), o.flag("decoupled_weight_decay"));
        let one = Coefficient::from(1.0);
        let mu = |step: &Coefficient| {
            let faded = Coefficient::from(0.96).pow(step.mul(momentum_decay)?)?;
            one.sub(faded.mul(0.5)?)?.mul(betas[0])
        };
        Formula::each("NAdam", params, |p, f| {
            let lr = lr.clone().beside(&p.param)?;
            let step = p.step(0)?;
            let (now, next) = (mu(&step)?, mu(&step.add(1.0)?)?);
            let product = p.count(1, 1.0)?.mul(now.clone())?;
            p.set_count(1, &product)?;
            let (param, grad) = decayed(f, maximize, decay, decoupled.then_some(&lr))?;
            let (mean, square) = moments(p, f, grad, [2, 3], betas)?;
            let below = (square / correction(betas[1], &step)?).sqrt() + eps;
            let of_grad = lr.mul(one.sub(now)?)?.div(one.sub(product.clone())?)?.neg()?;
            let of_mean = lr.mul(next.clone())?.div(one.sub(product.mul(next)?)?)?.neg()?;
            f.set_param(param.addcdiv(grad, below, of_grad).addcdiv(mean, below, of_mean));
            Ok(())
        })
    }
}
