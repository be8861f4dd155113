//! Linear layers and tables of vectors.

use flambeau_nn::{AdaptiveLogSoftmaxWithLoss, Call as _, Embedding, EmbeddingBag, Linear};

use super::{Entry, layer, module};
use crate::{call::ok, ops::image::bag_mode};

pub(super) const TABLE: &[Entry] = &[
    ("AdaptiveLogSoftmaxWithLoss", |c| {
        let cutoffs: Vec<usize> = c.ints(2, "cutoffs")?.into_iter().map(|n| n as usize).collect();
        let softmax = AdaptiveLogSoftmaxWithLoss::new(c.size(0, "in_features")?, c.size(1, "n_classes")?, cutoffs)
            .div_value(c.float_or(3, "div_value", 4.0)?)
            .head_bias(c.flag(4, "head_bias", false)?);
        module(softmax, |m, c| {
            let out = m.call((c.x()?, c.tensor(1, "target")?))?;
            ok((out.output, out.loss))
        })
    }),
    ("EmbeddingBag", |c| {
        let bag = EmbeddingBag::new(c.size(0, "num_embeddings")?, c.size(1, "embedding_dim")?)
            .max_norm(c.float_opt(2, "max_norm")?)
            .norm_type(c.float_or(3, "norm_type", 2.0)?)
            .scale_grad_by_freq(c.flag(4, "scale_grad_by_freq", false)?)
            .mode(bag_mode(c, 5)?)
            .sparse(c.flag(6, "sparse", false)?)
            .include_last_offset(c.flag(8, "include_last_offset", false)?)
            .padding_idx(c.int_opt(9, "padding_idx")?.map(|i| i as isize));
        module(bag, |m, c| ok(m.call((c.x()?, c.tensor_opt(1, "offsets")?, c.tensor_opt(2, "per_sample_weights")?))?))
    }),
    ("Embedding", |c| {
        layer(
            Embedding::new(c.size(0, "num_embeddings")?, c.size(1, "embedding_dim")?)
                .padding_idx(c.int_opt(2, "padding_idx")?.map(|i| i as isize))
                .max_norm(c.float_opt(3, "max_norm")?)
                .norm_type(c.float_or(4, "norm_type", 2.0)?)
                .scale_grad_by_freq(c.flag(5, "scale_grad_by_freq", false)?)
                .sparse(c.flag(6, "sparse", false)?)
                .weight(c.tensor_opt(7, "_weight")?.cloned())
                .freeze(c.flag(8, "_freeze", false)?),
        )
    }),
    ("Linear", |c| {
        let linear = Linear::new(c.size(0, "in_features")?, c.size(1, "out_features")?);
        layer(linear.bias(c.flag(2, "bias", true)?))
    }),
];
