//! Averaged stochastic gradient descent.

use crate::base::{Coefficient, Formula, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::Result;

optimizer! {
    /// Gradient descent that keeps the average of the parameters: `torch.optim.ASGD`. Polyak & Juditsky 1992.
    pub struct ASGD(ASGDBuilder): AsgdRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-2.into(),
        /// Decay term.
        lambd: f64 = 1e-4,
        /// Power by which the rate falls.
        alpha: f64 = 0.75,
        /// The step at which averaging begins.
        t0: f64 = 1e6,
        /// L2 penalty.
        weight_decay: f64 = 0.0,
        /// Uphill instead of down.
        maximize: bool = false,
        /// Count steps on the device, so that nothing is read back nor sent there.
        capturable: bool = false,
    }
    kept { foreach = None::<bool>, differentiable = false }
}

pub struct AsgdRule;

impl Rule for AsgdRule {
    const NAME: &'static str = "ASGD";
    const SLOTS: &'static [Slot] = &[Slot::STEP, Slot::count("eta"), Slot::count("mu"), Slot::like("ax")];

    fn check(o: &GroupOptions) -> Result<()> {
        for name in ["lr", "lambd", "alpha", "weight_decay"] {
            bound!("ASGD", name, o.number(name)?, 0.0..);
        }
        o.number("t0").map(drop)
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, lambd, alpha) = (o.coefficient("lr")?, o.number("lambd")?, o.number("alpha")?);
        let (t0, decay, maximize) = (o.number("t0")?, o.number("weight_decay")?, o.flag("maximize"));
        let one = Coefficient::from(1.0);
        Formula::each("ASGD", params, |p, f| {
            let lr = lr.clone().beside(&p.param)?;
            let step = p.step(0)?;
            // The rate of this step was made by the one before; the first is the learning rate.
            let eta = match (p.has(1), &lr) {
                (false, Coefficient::Device(lr)) => lr.copy()?.into(),
                (false, Coefficient::Host(lr)) => p.count(1, *lr)?,
                _ => p.count(1, 0.0)?,
            };
            let grad = f.slope(maximize, decay);
            let param = (f.param() * one.sub(eta.mul(lambd)?)?).add_scaled(grad, eta.neg()?);
            f.set_param(param);
            let average = f.state(p, 3)?;
            f.set(
                3,
                match p.count(2, 1.0)? {
                    Coefficient::Host(mu) if mu == 1.0 => param,
                    Coefficient::Host(mu) => average + (param - average) * mu,
                    Coefficient::Device(mu) => average + (param - average) * Coefficient::Device(mu.copy()?),
                },
            );
            // Those of the next step; on a device they are written where they are, after what was read.
            let next = lr.div(lr.mul(lambd)?.mul(step.clone())?.add(1.0)?.pow(alpha)?)?;
            p.set_count(1, &next)?;
            p.set_count(2, &one.div(step.sub(t0)?.max(1.0)?)?)?;
            Ok(())
        })
    }
}
