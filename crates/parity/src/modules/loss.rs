//! Losses.

use flambeau_nn::{
    BCELoss, BCEWithLogitsLoss, CTCLoss, Call as _, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LinearCrossEntropyLoss, MSELoss, MarginRankingLoss,
    MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PairwiseDistance, PoissonNLLLoss,
    SmoothL1Loss, SoftMarginLoss, TripletMarginLoss, TripletMarginWithDistanceLoss,
};
use flambeau_tensor::{DType, Tensor};

use super::{Entry, module};
use crate::{
    call::{Call, KEYWORD, Trouble, ok, unsupported},
    ops::loss::{lengths as list_of_lengths, reduction_at},
};

/// A loss: how its options are read, and its call with two tensors or three.
macro_rules! losses {
    (two { $($Loss:ident |$c:ident| $options:expr;)* } three { $($Three:ident |$d:ident| $three:expr;)* }) => {
        pub(super) const TABLE: &[Entry] = &[
            $((stringify!($Loss), |$c| {
                module($options, |m: &$Loss, c| ok(m.call((c.x()?, c.tensor(1, "target")?))?))
            }),)*
            $((stringify!($Three), |$d| {
                module($three, |m: &$Three, c| ok(m.call((c.x()?, c.tensor(1, "")?, c.tensor(2, "")?))?))
            }),)*
            ("CTCLoss", |c| {
                let loss = CTCLoss::new().blank(c.size_or(0, "blank", 0)?).reduction(reduction_at(c, 1)?);
                module(loss.zero_infinity(c.flag(2, "zero_infinity", false)?), |m, c| {
                    let (inputs, targets) = (lengths(c, 2, "input_lengths")?, lengths(c, 3, "target_lengths")?);
                    ok(m.call((c.x()?, c.tensor(1, "targets")?, &inputs, &targets))?)
                })
            }),
        ];
    };
}

losses! {
    two {
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
        LinearCrossEntropyLoss |c| {
            let outputs = c.ints_opt(KEYWORD, "out_features")?.unwrap_or_default();
            let dtype = c.dtype_opt(KEYWORD, "dtype")?.unwrap_or(DType::DEFAULT);
            if c.given(KEYWORD, "options").is_some() {
                return unsupported("there are no options of chunks");
            }
            LinearCrossEntropyLoss::new(c.size(0, "in_features")?, c.size(1, "num_classes")?)
                .dtype(dtype)
                .out_features(outputs.into_iter().map(|n| n as usize).collect::<Vec<_>>())
                .bias(c.flag(KEYWORD, "bias", false)?)
                .reduction(reduction_at(c, KEYWORD)?)
                .weight(weight(c, KEYWORD)?)
                .ignore_index(c.int_opt(KEYWORD, "ignore_index")?)
                .label_smoothing(c.float_or(KEYWORD, "label_smoothing", 0.0)?)
        };
        L1Loss |c| L1Loss::new().reduction(reduction_at(c, 2)?);
        MSELoss |c| MSELoss::new().reduction(reduction_at(c, 2)?);
        NLLLoss |c| NLLLoss::new()
            .weight(weight(c, 0)?)
            .ignore_index(c.int_or(2, "ignore_index", -100)?)
            .reduction(reduction_at(c, 4)?);
        HingeEmbeddingLoss |c| HingeEmbeddingLoss::new()
            .margin(c.float_or(0, "margin", 1.0)?)
            .reduction(reduction_at(c, 3)?);
        MultiLabelMarginLoss |c| MultiLabelMarginLoss::new().reduction(reduction_at(c, 2)?);
        MultiLabelSoftMarginLoss |c| MultiLabelSoftMarginLoss::new().weight(weight(c, 0)?).reduction(reduction_at(c, 3)?);
        MultiMarginLoss |c| MultiMarginLoss::new()
            .p(c.int_or(0, "p", 1)? as u32)
            .margin(c.float_or(1, "margin", 1.0)?)
            .weight(weight(c, 2)?)
            .reduction(reduction_at(c, 5)?);
        PoissonNLLLoss |c| PoissonNLLLoss::new()
            .log_input(c.flag(0, "log_input", true)?)
            .full(c.flag(1, "full", false)?)
            .eps(c.float_or(3, "eps", 1e-8)?)
            .reduction(reduction_at(c, 5)?);
        SoftMarginLoss |c| SoftMarginLoss::new().reduction(reduction_at(c, 2)?);
        SmoothL1Loss |c| SmoothL1Loss::new().reduction(reduction_at(c, 2)?).beta(c.float_or(3, "beta", 1.0)?);
    }
    three {
        CosineEmbeddingLoss |c| CosineEmbeddingLoss::new()
            .margin(c.float_or(0, "margin", 0.0)?)
            .reduction(reduction_at(c, 3)?);
        GaussianNLLLoss |c| GaussianNLLLoss::new()
            .full(c.flag(KEYWORD, "full", false)?)
            .eps(c.float_or(KEYWORD, "eps", 1e-6)?)
            .reduction(reduction_at(c, KEYWORD)?);
        TripletMarginLoss |c| TripletMarginLoss::new()
            .margin(c.float_or(0, "margin", 1.0)?)
            .p(c.float_or(1, "p", 2.0)?)
            .eps(c.float_or(2, "eps", 1e-6)?)
            .swap(c.flag(3, "swap", false)?)
            .reduction(reduction_at(c, 6)?);
        TripletMarginWithDistanceLoss |c| TripletMarginWithDistanceLoss::new(PairwiseDistance::new().build()?)
            .margin(c.float_or(KEYWORD, "margin", 1.0)?)
            .swap(c.flag(KEYWORD, "swap", false)?)
            .reduction(reduction_at(c, KEYWORD)?);
        MarginRankingLoss |c| MarginRankingLoss::new()
            .margin(c.float_or(0, "margin", 0.0)?)
            .reduction(reduction_at(c, 3)?);
    }
}

/// Lengths as the integers of a tensor, as which the module takes them; PyTorch takes lists, too.
fn lengths(c: &Call, position: usize, name: &str) -> Result<Tensor, Trouble> {
    let all: Vec<i64> = list_of_lengths(c, position, name)?.into_iter().map(|n| n as i64).collect();
    let count = all.len();
    Ok(Tensor::from_vec(all, count)?)
}

fn weight(c: &Call, position: usize) -> Result<Option<Tensor>, Trouble> {
    Ok(c.tensor_opt(position, "weight")?.cloned())
}
