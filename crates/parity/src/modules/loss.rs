//! Losses.

use flambeau_nn::{
    BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss,
};
use flambeau_tensor::Tensor;

use super::{Entry, module};
use crate::{
    call::{Call, Trouble, ok},
    ops::loss::reduction_at,
};

/// A loss: how its options are read, and its call with an input and a target.
macro_rules! losses {
    ($($Loss:ident |$c:ident| $options:expr;)*) => {
        pub(super) const TABLE: &[Entry] = &[$((stringify!($Loss), |$c| {
            module($options, |m: &$Loss, c| ok(m.forward(c.x()?, c.tensor(1, "target")?)?))
        }),)*];
    };
}

losses! {
    BCELoss |c| BCELoss::new().weight(weight(c, 0)?).reduction(reduction_at(c, 3)?);
    BCEWithLogitsLoss |c| {
        let positive = c.tensor_opt(4, "pos_weight")?.cloned();
        BCEWithLogitsLoss::new().weight(weight(c, 0)?).pos_weight(positive).reduction(reduction_at(c, 3)?)
    };
    CrossEntropyLoss |c| CrossEntropyLoss::new()
        .weight(weight(c, 0)?)
        .ignore_index(c.int_or(2, "ignore_index", -100)?)
        .reduction(reduction_at(c, 4)?)
        .label_smoothing(c.float_or(5, "label_smoothing", 0.0)?);
    HuberLoss |c| HuberLoss::new().reduction(reduction_at(c, 0)?).delta(c.float_or(1, "delta", 1.0)?);
    KLDivLoss |c| KLDivLoss::new().reduction(reduction_at(c, 2)?).log_target(c.flag(3, "log_target", false)?);
    L1Loss |c| L1Loss::new().reduction(reduction_at(c, 2)?);
    MSELoss |c| MSELoss::new().reduction(reduction_at(c, 2)?);
    NLLLoss |c| NLLLoss::new()
        .weight(weight(c, 0)?)
        .ignore_index(c.int_or(2, "ignore_index", -100)?)
        .reduction(reduction_at(c, 4)?);
    SmoothL1Loss |c| SmoothL1Loss::new().reduction(reduction_at(c, 2)?).beta(c.float_or(3, "beta", 1.0)?);
}

fn weight(c: &Call, position: usize) -> Result<Option<Tensor>, Trouble> {
    Ok(c.tensor_opt(position, "weight")?.cloned())
}
