//! Attention.

use flambeau_nn::functional::{Attention, scaled_dot_product_attention};

use super::Entry;
use crate::call::ok;

pub(super) const TABLE: &[Entry] = &[("nn.functional.scaled_dot_product_attention", |c| {
    let options = Attention::new()
        .attn_mask(c.tensor_opt(3, "attn_mask")?)
        .dropout_p(c.float_or(4, "dropout_p", 0.0)?)
        .is_causal(c.flag(5, "is_causal", false)?)
        .scale(c.float_opt(usize::MAX, "scale")?)
        .enable_gqa(c.flag(usize::MAX, "enable_gqa", false)?);
    ok(scaled_dot_product_attention(c.x()?, c.tensor(1, "key")?, c.tensor(2, "value")?, options)?)
})];
