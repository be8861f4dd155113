//! Losses.

use flambeau_nn::functional::{self as f, CrossEntropy, Nll, Reduction};

use super::Entry;
use crate::call::{Call, Trouble, ok, unsupported};

pub(super) const TABLE: &[Entry] = &[
    ("nn.functional.binary_cross_entropy", |c| {
        let weight = c.tensor_opt(2, "weight")?;
        ok(f::binary_cross_entropy_with(c.x()?, c.tensor(1, "target")?, weight, reduction(c)?)?)
    }),
    ("nn.functional.binary_cross_entropy_with_logits", |c| {
        let (weight, positive) = (c.tensor_opt(2, "weight")?, c.tensor_opt(usize::MAX, "pos_weight")?);
        ok(f::binary_cross_entropy_with_logits_with(c.x()?, c.tensor(1, "target")?, weight, positive, reduction(c)?)?)
    }),
    ("nn.functional.cross_entropy", |c| {
        let (weight, ignore_index) = (c.tensor_opt(2, "weight")?, c.int_or(usize::MAX, "ignore_index", -100)?);
        let label_smoothing = c.float_or(usize::MAX, "label_smoothing", 0.0)?;
        let options = CrossEntropy { weight, ignore_index, reduction: reduction(c)?, label_smoothing };
        ok(f::cross_entropy_with(c.x()?, c.tensor(1, "target")?, options)?)
    }),
    ("nn.functional.huber_loss", |c| {
        let delta = c.float_or(usize::MAX, "delta", 1.0)?;
        ok(f::huber_loss_with(c.x()?, c.tensor(1, "target")?, delta, reduction(c)?)?)
    }),
    ("nn.functional.kl_div", |c| {
        let log_target = c.flag(usize::MAX, "log_target", false)?;
        ok(f::kl_div_with(c.x()?, c.tensor(1, "target")?, log_target, reduction(c)?)?)
    }),
    ("nn.functional.l1_loss", |c| ok(f::l1_loss_with(c.x()?, c.tensor(1, "target")?, reduction(c)?)?)),
    ("nn.functional.mse_loss", |c| ok(f::mse_loss_with(c.x()?, c.tensor(1, "target")?, reduction(c)?)?)),
    ("nn.functional.nll_loss", |c| {
        let (weight, ignore_index) = (c.tensor_opt(2, "weight")?, c.int_or(usize::MAX, "ignore_index", -100)?);
        let options = Nll { weight, ignore_index, reduction: reduction(c)? };
        ok(f::nll_loss_with(c.x()?, c.tensor(1, "target")?, options)?)
    }),
    ("nn.functional.smooth_l1_loss", |c| {
        let beta = c.float_or(usize::MAX, "beta", 1.0)?;
        ok(f::smooth_l1_loss_with(c.x()?, c.tensor(1, "target")?, beta, reduction(c)?)?)
    }),
];

fn reduction(c: &Call) -> Result<Reduction, Trouble> {
    reduction_at(c, usize::MAX)
}

/// What becomes of the losses of all elements.
pub(crate) fn reduction_at(c: &Call, position: usize) -> Result<Reduction, Trouble> {
    match c.text_or(position, "reduction", "mean")? {
        "mean" => Ok(Reduction::Mean),
        "sum" => Ok(Reduction::Sum),
        "none" => Ok(Reduction::None),
        "batchmean" => Ok(Reduction::BatchMean),
        other => unsupported(format!("reduction {other}")),
    }
}
