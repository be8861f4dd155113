//! Attention.

use crate::functional;
use flambeau_tensor::{
    DType, Error, ErrorKind, Result, ScaledDotProductAttention, Tensor, attention_weights, dispatch_all, ensure,
    options,
};

options! {
    /// Options of [`scaled_dot_product_attention`].
    #[derive(Clone, Copy, Debug)]
    pub struct Attention<'a> {
        /// What may attend to what, broadcast to `[…, L, S]`: true for what may (bool), or a number to be added to the
        /// scores.
        attn_mask: ~into Option<&'a Tensor> = None,
        /// The probability that a weight is dropped, 0 unless set. It is dropped whether anything trains or not.
        dropout_p: f64 = 0.0,
        /// Nothing attends to what comes after it.
        is_causal: bool = false,
        /// The factor of the scores, 1/√E unless set.
        scale: ~into Option<f64> = None,
        /// Keys and values have fewer heads (dimension −3), each for a group of the query's.
        enable_gqa: bool = false,
    }
}

/// softmax(q kᵀ / √E) v, of queries `[…, L, E]`, keys `[…, S, E]` and values `[…, S, Ev]`:
/// `torch.nn.functional.scaled_dot_product_attention`. A query that may attend to nothing gets 0.
///
/// ```
/// use flambeau_nn::functional::{Attention, scaled_dot_product_attention};
/// use flambeau_tensor::Tensor;
///
/// let x = Tensor::randn([2, 4, 5, 8]).build()?; // 2 samples, 4 heads, 5 places, 8 numbers
/// let y = scaled_dot_product_attention(&x, &x, &x, Attention::new().is_causal(true))?;
/// assert_eq!(y.shape(), [2, 4, 5, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the shapes do not fit, a mask is given and `is_causal` is on as well, or the dropout is no probability.
#[track_caller]
pub fn scaled_dot_product_attention(
    query: impl AsRef<Tensor>,
    key: impl AsRef<Tensor>,
    value: impl AsRef<Tensor>,
    options: Attention<'_>,
) -> Result<Tensor> {
    let (query, key, value) = (query.as_ref(), key.as_ref(), value.as_ref());
    const NAME: &str = "scaled_dot_product_attention";
    for (what, x) in [("query", query), ("key", key), ("value", value)] {
        ensure!(x.rank() >= 2, Shape, NAME, "the {what} has shape {:?}, it needs two dimensions or more", x.shape());
        ensure!(
            x.dtype() == query.dtype() && x.dtype().is_float(),
            DType,
            NAME,
            "the query is {}, the {what} {}: all must be of one floating dtype",
            query.dtype(),
            x.dtype()
        );
    }
    let (width, sources) = (query.size(-1)?, key.size(-2)?);
    ensure!(
        key.size(-1)? == width && value.size(-2)? == sources,
        Shape,
        NAME,
        "query {:?}, key {:?} and value {:?} must be […, L, E], […, S, E] and […, S, Ev]",
        query.shape(),
        key.shape(),
        value.shape()
    );
    if options.enable_gqa {
        check_groups(NAME, query, key)?;
        check_groups(NAME, query, value)?;
    }
    let (mask, causal) = (options.attn_mask, options.is_causal);
    ensure!(
        mask.is_none() || !causal,
        Argument,
        NAME,
        "a mask and is_causal: one of them says what may attend to what"
    );
    let scale = options.scale.unwrap_or(1.0 / (width as f64).sqrt());
    if options.dropout_p == 0.0 && is_plain(query, key, value, &options) {
        let lead = &query.shape()[..query.rank() - 2];
        let full: Vec<usize> = lead.iter().copied().chain([query.size(-2)?, sources]).collect();
        let mask = mask.map(|mask| mask.expand(&full)).transpose()?;
        let op = ScaledDotProductAttention { scale, causal, mask: mask.is_some() };
        let inputs: Vec<&Tensor> = [query, key, value].into_iter().chain(&mask).collect();
        return dispatch_all(op.into(), &inputs)?
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, NAME, "an interpreter answered without an output"));
    }
    let (key, value) = if options.enable_gqa {
        (expanded(query, key)?, expanded(query, value)?)
    } else {
        (key.clone(), value.clone())
    };
    // Halves are rounded once, at the end.
    let wide = |x: &Tensor| if x.dtype().is_half() { x.to_dtype(DType::F32) } else { Ok(x.clone()) };
    let mask = mask.map(wide).transpose()?;
    let weights = attention_weights(&wide(query)?, &wide(&key)?, mask.as_ref(), causal, scale)?;
    functional::dropout(&weights, options.dropout_p, true)?.matmul(wide(&value)?)?.to_dtype(query.dtype())
}

/// Queries from which on the fused op is used.
const MANY: usize = 4;

/// Do the operands stand to each other as the fused op has them: the same sizes before the last two dimensions (but for
/// groups of heads), and a mask of their dtype that broadcasts to them?
fn is_plain(query: &Tensor, key: &Tensor, value: &Tensor, options: &Attention<'_>) -> bool {
    let lead = |x: &Tensor, behind: usize| x.shape()[..x.rank().saturating_sub(behind)].to_vec();
    let behind = if options.enable_gqa { 3 } else { 2 };
    // A few queries, as where a text is written token by token, are not worth the packing of all keys. Halves are rounded
    // between the products by the op alone.
    let many = query.shape()[query.rank() - 2] >= MANY || query.dtype().is_half();
    let alike = many
        && query.rank() == key.rank()
        && lead(query, behind) == lead(key, behind)
        && lead(key, 2) == lead(value, 2);
    alike
        && options.attn_mask.is_none_or(|mask| {
            let known = mask.dtype() == DType::Bool || mask.dtype() == query.dtype();
            let sizes = mask
                .shape()
                .iter()
                .rev()
                .zip(key.shape()[key.rank() - 2..key.rank() - 1].iter().chain(query.shape().iter().rev().skip(1)));
            known && mask.rank() <= query.rank() && sizes.into_iter().all(|(own, full)| own == full || *own == 1)
        })
}

/// The query's heads must split into groups for those of `x`.
#[track_caller]
fn check_groups(name: &'static str, query: &Tensor, x: &Tensor) -> Result<()> {
    ensure!(query.rank() >= 3 && x.rank() >= 3, Shape, name, "without a dimension for heads there are no groups");
    let (heads, own) = (query.size(-3)?, x.size(-3)?);
    ensure!(
        own > 0 && heads.is_multiple_of(own),
        Shape,
        name,
        "{heads} heads of the query do not split into groups for {own} heads"
    );
    Ok(())
}

/// Each head as often as the query has heads for it.
#[track_caller]
fn expanded(query: &Tensor, x: &Tensor) -> Result<Tensor> {
    let times = query.size(-3)? / x.size(-3)?;
    if times == 1 { Ok(x.clone()) } else { x.repeat_interleave(times, Some(-3)) }
}
