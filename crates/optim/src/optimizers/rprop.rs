//! Rprop: steps by the gradient's sign alone.

use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::{Result, ensure};

optimizer! {
    /// Steps by the sign of the gradient, longer while it stays: `torch.optim.Rprop`. Riedmiller & Braun 1993.
    pub struct Rprop(RpropBuilder): RpropRule;
    options {
        /// The first size of a step, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-2.into(),
        /// The factors by which a step becomes smaller and larger.
        etas: (f64, f64) = (0.5, 1.2),
        /// The smallest and the largest step.
        step_sizes: (f64, f64) = (1e-6, 50.0),
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct RpropRule;

impl Rule for RpropRule {
    const NAME: &'static str = "Rprop";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::like("prev"), Slot::like("step_size")];

    fn check(o: &GroupOptions) -> Result<()> {
        bound!("Rprop", "lr", o.number("lr")?, 0.0..);
        let [less, more] = o.numbers("etas")?;
        ensure!(0.0 < less && less < 1.0 && more > 1.0, Argument, "Rprop", "etas {less}, {more} are not around 1");
        o.numbers::<2>("step_sizes").map(drop)
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, maximize) = (o.coefficient("lr")?, o.flag("maximize"));
        let ([less, more], [least, most]) = (o.numbers("etas")?, o.numbers("step_sizes")?);
        Formula::each("Rprop", params, |p, f| {
            let lr = lr.clone().beside(&p.param)?;
            p.step(0)?;
            let size = f.state_with(p, 2, |size| match &lr {
                Coefficient::Host(lr) => size.fill_(*lr).map(drop),
                Coefficient::Device(lr) => size.add_(lr).map(drop),
            })?;
            let grad = f.slope(maximize, 0.0);
            let turn = grad * f.state(p, 1)?;
            let size = f.set(2, (size * turn.by_sign([less, 1.0, more])).clamp(least, most));
            // Where the sign turned, this step is left out and forgotten.
            let grad = f.set(1, grad.clear_negative(turn));
            f.set_param(f.param().addcmul(grad.sign(), size, -1.0));
            Ok(())
        })
    }
}
