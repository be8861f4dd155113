//! Losses.

use flambeau_nn::functional::{self as f, Bce, BceWithLogits, CrossEntropy, CtcOptions, Nll, Reduction, TripletMargin};
use flambeau_tensor::DType;

use super::Entry;
use crate::call::{Call, KEYWORD, Trouble, ok, unsupported};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("nn.functional.binary_cross_entropy", |c| {
        let weight = c.tensor_opt(2, "weight")?;
        let options = Bce { weight, reduction: reduction(c)? };
        ok(f::binary_cross_entropy_with(c.x()?, c.tensor(1, "target")?, options)?)
    }),
    ("nn.functional.binary_cross_entropy_with_logits", |c| {
        let (weight, pos_weight) = (c.tensor_opt(2, "weight")?, c.tensor_opt(usize::MAX, "pos_weight")?);
        let options = BceWithLogits { weight, pos_weight, reduction: reduction(c)? };
        ok(f::binary_cross_entropy_with_logits_with(c.x()?, c.tensor(1, "target")?, options)?)
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
    ("nn.functional.cosine_embedding_loss", |c| {
        let (margin, r) = (c.float_or(KEYWORD, "margin", 0.0)?, reduction(c)?);
        ok(f::cosine_embedding_loss_with(c.x()?, c.tensor(1, "input2")?, c.tensor(2, "target")?, margin, r)?)
    }),
    ("nn.functional.gaussian_nll_loss", |c| {
        let (full, eps) = (c.flag(KEYWORD, "full", false)?, c.float_or(KEYWORD, "eps", 1e-6)?);
        ok(f::gaussian_nll_loss_with(c.x()?, c.tensor(1, "target")?, c.tensor(2, "var")?, full, eps, reduction(c)?)?)
    }),
    ("nn.functional.hinge_embedding_loss", |c| {
        let margin = c.float_or(KEYWORD, "margin", 1.0)?;
        ok(f::hinge_embedding_loss_with(c.x()?, c.tensor(1, "target")?, margin, reduction(c)?)?)
    }),
    ("nn.functional.margin_ranking_loss", |c| {
        let (margin, r) = (c.float_or(KEYWORD, "margin", 0.0)?, reduction(c)?);
        ok(f::margin_ranking_loss_with(c.x()?, c.tensor(1, "input2")?, c.tensor(2, "target")?, margin, r)?)
    }),
    ("nn.functional.multi_margin_loss", |c| {
        let (p, margin) = (c.int_or(KEYWORD, "p", 1)? as u32, c.float_or(KEYWORD, "margin", 1.0)?);
        let weight = c.tensor_opt(KEYWORD, "weight")?;
        ok(f::multi_margin_loss_with(c.x()?, c.tensor(1, "target")?, p, margin, weight, reduction(c)?)?)
    }),
    ("nn.functional.multilabel_margin_loss", |c| {
        ok(f::multilabel_margin_loss_with(c.x()?, c.tensor(1, "target")?, reduction(c)?)?)
    }),
    ("nn.functional.multilabel_soft_margin_loss", |c| {
        let weight = c.tensor_opt(KEYWORD, "weight")?;
        ok(f::multilabel_soft_margin_loss_with(c.x()?, c.tensor(1, "target")?, weight, reduction(c)?)?)
    }),
    ("nn.functional.poisson_nll_loss", |c| {
        let (log_input, full) = (c.flag(KEYWORD, "log_input", true)?, c.flag(KEYWORD, "full", false)?);
        let eps = c.float_or(KEYWORD, "eps", 1e-8)?;
        ok(f::poisson_nll_loss_with(c.x()?, c.tensor(1, "target")?, log_input, full, eps, reduction(c)?)?)
    }),
    ("nn.functional.ctc_loss", |c| {
        let (blank, zero_infinity) = (c.size_or(4, "blank", 0)?, c.flag(6, "zero_infinity", false)?);
        let options = CtcOptions { blank, reduction: reduction_at(c, 5)?, zero_infinity };
        let (input, target) = (lengths(c, 2, "input_lengths")?, lengths(c, 3, "target_lengths")?);
        ok(f::ctc_loss_with(c.x()?, c.tensor(1, "targets")?, &input, &target, options)?)
    }),
    ("nn.functional.triplet_margin_loss", |c| {
        let (margin, p) = (c.float_or(KEYWORD, "margin", 1.0)?, c.float_or(KEYWORD, "p", 2.0)?);
        let (eps, swap) = (c.float_or(KEYWORD, "eps", 1e-6)?, c.flag(KEYWORD, "swap", false)?);
        let options = TripletMargin { margin, p, eps, swap, reduction: reduction(c)? };
        ok(f::triplet_margin_loss_with(c.x()?, c.tensor(1, "positive")?, c.tensor(2, "negative")?, options)?)
    }),
    ("nn.functional.soft_margin_loss", |c| {
        ok(f::soft_margin_loss_with(c.x()?, c.tensor(1, "target")?, reduction(c)?)?)
    }),
];

/// Lengths, as a list or a tensor.
pub(crate) fn lengths(c: &Call, position: usize, name: &str) -> Result<Vec<usize>, Trouble> {
    let lengths = match c.given(position, name) {
        Some(Value::Tensor(t)) => t.to_dtype(DType::I64)?.to_vec::<i64>()?,
        _ => c.ints(position, name)?.into_iter().map(|len| len as i64).collect(),
    };
    Ok(lengths.into_iter().map(|len| usize::try_from(len).unwrap_or(usize::MAX)).collect())
}

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
