//! Averaged stochastic gradient descent.

use super::axpy_;
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
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
        for p in params {
            let lr = lr.clone().beside(&p.param)?;
            let grad = p.slope(maximize, decay)?;
            let step = p.step(0)?;
            // The rate of this step was made by the one before; the first is the learning rate.
            let eta = match (p.has(1), &lr) {
                (false, Coefficient::Device(lr)) => lr.copy()?.into(),
                (false, Coefficient::Host(lr)) => p.count(1, *lr)?,
                _ => p.count(1, 0.0)?,
            };
            let mu = p.count(2, 1.0)?;
            p.param.mul_(one.sub(eta.mul(lambd)?)?.operand())?;
            axpy_(&p.param, &grad, &eta.neg()?)?;
            let average = p.like(3)?;
            match mu {
                Coefficient::Host(mu) if mu == 1.0 => drop(average.copy_(&p.param)?),
                mu => axpy_(&average, &p.param.sub(&average)?, &mu)?,
            }
            let next = lr.div(lr.mul(lambd)?.mul(step.clone())?.add(1.0)?.pow(alpha)?)?;
            p.set_count(1, &next)?;
            p.set_count(2, &one.div(step.sub(t0)?.max(1.0)?)?)?;
        }
        Ok(())
    }
}
