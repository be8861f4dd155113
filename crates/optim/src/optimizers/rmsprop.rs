//! RMSprop.

use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// The gradient by the root of its running square: `torch.optim.RMSprop`. Hinton 2012; centered, Graves 2013.
    pub struct RMSprop(RMSpropBuilder): RMSpropRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-2.into(),
        /// Decay of the running square.
        alpha: f64 = 0.99,
        /// Added to the denominator.
        eps: f64 = 1e-8,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// Momentum factor.
        momentum: f64 = 0.0,
        /// Divide by the deviation from the running mean instead.
        centered: bool = false,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct RMSpropRule;

impl Rule for RMSpropRule {
    const NAME: &'static str = "RMSprop";
    const SLOTS: &'static [Slot] =
        &[Slot::STEP, Slot::like("square_avg"), Slot::like("momentum_buffer"), Slot::like("grad_avg")];

    fn check(o: &GroupOptions) -> Result<()> {
        for name in ["lr", "eps", "momentum", "weight_decay", "alpha"] {
            bound!("RMSprop", name, o.number(name)?, 0.0..);
        }
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, alpha, eps) = (o.coefficient("lr")?, o.number("alpha")?, o.number("eps")?);
        let (decay, momentum, maximize) = (o.number("weight_decay")?, o.number("momentum")?, o.flag("maximize"));
        Formula::each("RMSprop", params, |p, f| {
            let down = lr.clone().beside(&p.param)?.neg()?;
            p.step(0)?;
            let grad = f.slope(maximize, decay);
            let square = f.set(1, (f.state(p, 1)? * alpha).addcmul(grad, grad, 1.0 - alpha));
            let root = if o.flag("centered") {
                let mean = f.set(3, f.state(p, 3)?.lerp(grad, 1.0 - alpha));
                square.addcmul(mean, mean, -1.0).sqrt()
            } else {
                square.sqrt()
            };
            let below = root + eps;
            f.set_param(if momentum > 0.0 {
                let buffer = f.set(2, (f.state(p, 2)? * momentum).addcdiv(grad, below, 1.0));
                f.param().add_scaled(buffer, down)
            } else {
                f.param().addcdiv(grad, below, down)
            });
            Ok(())
        })
    }
}
