//! Attention.

use flambeau_nn::{AttentionMasks, Call as _, MultiheadAttention};

use super::{Entry, module};
use crate::{
    call::{KEYWORD, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[("MultiheadAttention", |c| {
    let kdim = c.int_opt(6, "kdim")?.map(|n| n as usize);
    let vdim = c.int_opt(7, "vdim")?.map(|n| n as usize);
    let attention = MultiheadAttention::new(c.size(0, "embed_dim")?, c.size(1, "num_heads")?)
        .dropout(c.float_or(2, "dropout", 0.0)?)
        .bias(c.flag(3, "bias", true)?)
        .add_bias_kv(c.flag(4, "add_bias_kv", false)?)
        .add_zero_attn(c.flag(5, "add_zero_attn", false)?)
        .kdim(kdim)
        .vdim(vdim)
        .batch_first(c.flag(8, "batch_first", false)?);
    module(attention, |m, c| {
        let (q, k, v) = (c.tensor(0, "query")?, c.tensor(1, "key")?, c.tensor(2, "value")?);
        // It only says what the mask is.
        if c.flag(KEYWORD, "is_causal", false)? && c.given(KEYWORD, "attn_mask").is_none() {
            return unsupported("is_causal without a mask");
        }
        let masks = AttentionMasks::new()
            .key_padding_mask(c.tensor_opt(3, "key_padding_mask")?)
            .attn_mask(c.tensor_opt(5, "attn_mask")?)
            .average_attn_weights(c.flag(6, "average_attn_weights", true)?);
        match m.call((q, k, v, masks.need_weights(c.flag(4, "need_weights", true)?)))? {
            (output, Some(weights)) => ok((output, weights)),
            (output, None) => ok(Value::Seq(vec![output.into(), Value::None])),
        }
    })
})];
