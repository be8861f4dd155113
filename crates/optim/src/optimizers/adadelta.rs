//! Adadelta.

use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// Steps as long as those before, by the gradient's running square: `torch.optim.Adadelta`. Zeiler 2012.
    pub struct Adadelta(AdadeltaBuilder): AdadeltaRule;
    options {
        /// Factor of a step, a number or a tensor `[]`.
        lr: ~into Coefficient = 1.0.into(),
        /// Decay of the running squares.
        rho: f64 = 0.9,
        /// Added under the roots.
        eps: f64 = 1e-6,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct AdadeltaRule;

impl Rule for AdadeltaRule {
    const NAME: &'static str = "Adadelta";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::like("square_avg"), Slot::like("acc_delta")];

    fn check(o: &GroupOptions) -> Result<()> {
        for name in ["lr", "eps", "weight_decay"] {
            bound!("Adadelta", name, o.number(name)?, 0.0..);
        }
        bound!("Adadelta", "rho", o.number("rho")?, 0.0..=1.0);
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, rho, eps) = (o.coefficient("lr")?, o.number("rho")?, o.number("eps")?);
        let (decay, maximize) = (o.number("weight_decay")?, o.flag("maximize"));
        Formula::each("Adadelta", params, |p, f| {
            p.step(0)?;
            let (grad, deltas) = (f.slope(maximize, decay), f.state(p, 2)?);
            let squares = f.set(1, (f.state(p, 1)? * rho).addcmul(grad, grad, 1.0 - rho));
            let delta = (deltas + eps).sqrt() / (squares + eps).sqrt() * grad;
            f.set(2, (deltas * rho).addcmul(delta, delta, 1.0 - rho));
            f.set_param(f.param().add_scaled(delta, lr.clone().beside(&p.param)?.neg()?));
            Ok(())
        })
    }
}
