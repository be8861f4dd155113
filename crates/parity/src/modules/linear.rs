//! Linear layers and tables of vectors.

use flambeau_nn::{Embedding, Linear};

use super::{Entry, layer, never};

pub(super) const TABLE: &[Entry] = &[
    ("Embedding", |c| {
        never(c, 5, "scale_grad_by_freq")?;
        never(c, 6, "sparse")?;
        layer(
            Embedding::new(c.size(0, "num_embeddings")?, c.size(1, "embedding_dim")?)
                .padding_idx(c.int_opt(2, "padding_idx")?.map(|i| i as isize))
                .max_norm(c.float_opt(3, "max_norm")?)
                .norm_type(c.float_or(4, "norm_type", 2.0)?),
        )
    }),
    ("Linear", |c| {
        let linear = Linear::new(c.size(0, "in_features")?, c.size(1, "out_features")?);
        layer(linear.bias(c.flag(2, "bias", true)?))
    }),
];
