//! Adam and AdamW.

use super::sgd::scalars;
use crate::base::lists::{self, Row};
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_tensor::{AdamStep, Result};

macro_rules! adam {
    ($(#[$meta:meta])* $Adam:ident, $Builder:ident, $Rule:ident, $name:literal, $decay:literal, $decoupled:literal) => {
        optimizer! {
            $(#[$meta])*
            pub struct $Adam($Builder): $Rule;
            options {
                /// Learning rate, a number or a tensor `[]`.
                lr: ~into Coefficient = 1e-3.into(),
                /// Decay of the first and second moment.
                betas: (f64, f64) = (0.9, 0.999),
                /// Added to the denominator.
                eps: f64 = 1e-8,
                /// Weight decay.
                weight_decay: f64 = $decay,
                /// Divide by the largest second moment so far.
                amsgrad: bool = false,
                /// Uphill instead of down.
                maximize: bool = false,
                /// Count steps on the device, so that nothing is read back nor sent there.
                capturable: bool = false,
                /// Decay weights apart from the gradient, as AdamW does.
                decoupled_weight_decay: bool = $decoupled,
            }
            kept { foreach = None::<bool>, differentiable = false, fused = None::<bool> }
        }

        pub struct $Rule;

        impl Rule for $Rule {
            const NAME: &'static str = $name;
            const SLOTS: &'static [Slot] =
                &[Slot::STEP, Slot::like("exp_avg"), Slot::like("exp_avg_sq"), Slot::like("max_exp_avg_sq")];
            const TAKES_SCALING: bool = true;

            fn check(o: &GroupOptions) -> Result<()> {
                check($name, o)
            }

            fn update(o: &GroupOptions, params: &mut [Stepped<'_>], scaling: &Scaling) -> Result<()> {
                update($name, o, params, scaling)
            }
        }
    };
}

adam! {
    /// Adam: `torch.optim.Adam`. Kingma & Ba 2015; AMSGrad of Reddi et al. 2018.
    Adam, AdamBuilder, AdamRule, "Adam", 0.0, false
}
adam! {
    /// Adam with weight decay apart from the gradient: `torch.optim.AdamW`. Loshchilov & Hutter 2019.
    AdamW, AdamWBuilder, AdamWRule, "AdamW", 0.01, true
}

/// The bounds of the options that Adam's family shares.
pub(super) fn check(name: &'static str, o: &GroupOptions) -> Result<()> {
    bound!(name, "lr", o.number("lr")?, 0.0..);
    let [beta1, beta2] = o.numbers("betas")?;
    bound!(name, "betas[0]", beta1, 0.0..1.0);
    bound!(name, "betas[1]", beta2, 0.0..1.0);
    bound!(name, "eps", o.number("eps")?, 0.0..);
    if o.get("weight_decay").is_some() {
        bound!(name, "weight_decay", o.number("weight_decay")?, 0.0..);
    }
    Ok(())
}

fn update(name: &'static str, o: &GroupOptions, params: &mut [Stepped<'_>], scaling: &Scaling) -> Result<()> {
    let (lr, scalars, named) = scalars(o, params, scaling)?;
    let [beta1, beta2] = o.numbers("betas")?;
    let op = AdamStep {
        lr,
        beta1,
        beta2,
        eps: o.number("eps")?,
        weight_decay: o.number("weight_decay")?,
        decoupled: o.flag("decoupled_weight_decay"),
        amsgrad: o.flag("amsgrad"),
        maximize: o.flag("maximize"),
        step: None,
        scalars: named,
    };
    let mut rows = Vec::with_capacity(params.len());
    for p in params {
        let mut targets = Vec::with_capacity(5);
        targets.extend([p.param.clone(), p.like(1)?, p.like(2)?]);
        if op.amsgrad {
            targets.push(p.like(3)?);
        }
        let key = match p.count(0, 0.0)? {
            Coefficient::Host(steps) => {
                p.set_count(0, &(steps + 1.0).into())?;
                Some(steps as u64 + 1)
            }
            Coefficient::Device(steps) => {
                targets.push(steps);
                None
            }
        };
        rows.push(Row { key, grad: p.grad.clone(), targets, numbers: Vec::new() });
    }
    lists::run(name, rows, &scalars, |rows| AdamStep { step: rows[0].key, ..op }.into())
}
