//! Transformers.

use flambeau_nn::{
    AttentionMasks, Call as _, Transformer, TransformerActivation, TransformerDecoderLayer, TransformerEncoderLayer,
};

use super::{Entry, module};
use crate::call::{Call, KEYWORD, Trouble, ok, unsupported};

fn activation(c: &Call, position: usize) -> Result<TransformerActivation, Trouble> {
    match c.text_or(position, "activation", "relu")? {
        "relu" => Ok(TransformerActivation::Relu),
        "gelu" => Ok(TransformerActivation::Gelu),
        other => unsupported(format!("activation {other}")),
    }
}

/// The options that all have, whose places in the constructor begin at `first`.
macro_rules! options {
    ($Builder:expr, $c:ident, $first:expr) => {
        $Builder
            .dim_feedforward($c.size_or($first, "dim_feedforward", 2048)?)
            .dropout($c.float_or($first + 1, "dropout", 0.1)?)
            .activation(activation($c, $first + 2)?)
            .layer_norm_eps($c.float_or(KEYWORD, "layer_norm_eps", 1e-5)?)
            .batch_first($c.flag(KEYWORD, "batch_first", false)?)
            .norm_first($c.flag(KEYWORD, "norm_first", false)?)
            .bias($c.flag(KEYWORD, "bias", true)?)
    };
}

/// The masks of one attention, by the names that the call gives them.
fn masks<'a>(c: &'a Call, mask: &str, padding: &str) -> Result<AttentionMasks<'a>, Trouble> {
    let masks = AttentionMasks::new().attn_mask(c.tensor_opt(KEYWORD, mask)?);
    Ok(masks.key_padding_mask(c.tensor_opt(KEYWORD, padding)?))
}

pub(super) const TABLE: &[Entry] = &[
    ("TransformerEncoderLayer", |c| {
        let layer = TransformerEncoderLayer::new(c.size(0, "d_model")?, c.size(1, "nhead")?);
        module(options!(layer, c, 2), |m, c| {
            // It only says what the mask is.
            if c.flag(KEYWORD, "is_causal", false)? && c.given(KEYWORD, "src_mask").is_none() {
                return unsupported("is_causal without a mask");
            }
            ok(m.call((c.x()?, masks(c, "src_mask", "src_key_padding_mask")?))?)
        })
    }),
    ("TransformerDecoderLayer", |c| {
        let layer = TransformerDecoderLayer::new(c.size(0, "d_model")?, c.size(1, "nhead")?);
        module(options!(layer, c, 2), |m, c| {
            let own = masks(c, "tgt_mask", "tgt_key_padding_mask")?;
            let of_memory = masks(c, "memory_mask", "memory_key_padding_mask")?;
            ok(m.call((c.x()?, c.tensor(1, "memory")?, own, of_memory))?)
        })
    }),
    ("Transformer", |c| {
        let whole = Transformer::new(c.size(0, "d_model")?, c.size(1, "nhead")?)
            .num_encoder_layers(c.size_or(2, "num_encoder_layers", 6)?)
            .num_decoder_layers(c.size_or(3, "num_decoder_layers", 6)?);
        module(options!(whole, c, 4), |m, c| {
            let of_src = masks(c, "src_mask", "src_key_padding_mask")?;
            let of_tgt = masks(c, "tgt_mask", "tgt_key_padding_mask")?;
            let of_memory = masks(c, "memory_mask", "memory_key_padding_mask")?;
            ok(m.call((c.x()?, c.tensor(1, "tgt")?, of_src, of_tgt, of_memory))?)
        })
    }),
];
