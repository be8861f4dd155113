//! Attention.

use crate::functional;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, options};

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
    let (width, places, sources) = (query.size(-1)?, query.size(-2)?, key.size(-2)?);
    ensure!(
        key.size(-1)? == width && value.size(-2)? == sources,
        Shape,
        NAME,
        "query {:?}, key {:?} and value {:?} must be […, L, E], […, S, E] and […, S, Ev]",
        query.shape(),
        key.shape(),
        value.shape()
    );
    let (key, value) = if options.enable_gqa {
        (grouped(NAME, query, key)?, grouped(NAME, query, value)?)
    } else {
        (key.clone(), value.clone())
    };
    let scale = options.scale.unwrap_or(1.0 / (width as f64).sqrt());
    let scores = if query.dtype().is_half() {
        // The root of the factor on both sides, so that the products stay in range.
        let root = scale.abs().sqrt();
        query.mul(root * scale.signum())?.matmul(&key.mul(root)?.mt()?)?
    } else {
        query.matmul(&key.mt()?)?.mul(scale)?
    };
    let scores = match (options.attn_mask, options.is_causal) {
        (Some(_), true) => bail!(Argument, NAME, "a mask and is_causal: one of them says what may attend to what"),
        (None, false) => scores,
        (None, true) => {
            let may = Tensor::ones([places, sources]).dtype(DType::Bool).device(query.device()).build()?.tril(0)?;
            masked(&scores, &may)?
        }
        (Some(mask), false) if mask.dtype() == DType::Bool => masked(&scores, mask)?,
        (Some(mask), false) => scores.add(mask)?,
    };
    let weights = safe_softmax(&scores)?;
    functional::dropout(&weights, options.dropout_p, true)?.matmul(&value)
}

/// Each head as often as the query has heads for it.
#[track_caller]
fn grouped(name: &'static str, query: &Tensor, x: &Tensor) -> Result<Tensor> {
    ensure!(query.rank() >= 3 && x.rank() >= 3, Shape, name, "without a dimension for heads there are no groups");
    let (heads, own) = (query.size(-3)?, x.size(-3)?);
    ensure!(
        own > 0 && heads.is_multiple_of(own),
        Shape,
        name,
        "{heads} heads of the query do not split into groups for {own} heads"
    );
    if heads == own { Ok(x.clone()) } else { x.repeat_interleave(heads / own, Some(-3)) }
}

/// −∞ where not `may`.
#[track_caller]
fn masked(scores: &Tensor, may: &Tensor) -> Result<Tensor> {
    scores.masked_fill(&may.logical_not()?, f64::NEG_INFINITY)
}

/// Softmax along the last dimension, 0 where all of a row is −∞.
#[track_caller]
fn safe_softmax(scores: &Tensor) -> Result<Tensor> {
    if scores.size(-1)? == 0 {
        return scores.softmax(-1);
    }
    let nothing = scores.detach().amax_keepdim(-1)?.eq(f64::NEG_INFINITY)?;
    scores.softmax(-1)?.masked_fill(&nothing, 0.0)
}
