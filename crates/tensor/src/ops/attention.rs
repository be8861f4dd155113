//! Scaled dot product attention, fused: blocks of scores live in the cache and never in memory (Dao et al. 2022; the
//! running softmax is Milakov and Gimelshein's, 2018).

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::shape::Shape;
use crate::{DType, Result, Tensor, ensure};

/// softmax(scale · q kᵀ + mask) v. Inputs: queries `[…, L, E]`, keys `[…, S, E]`, values `[…, S, Ev]`, and the mask
/// `[…, L, S]` if there is one: true for what may attend to what, or a number to be added to the scores. Keys and values
/// may have fewer heads (dimension −3), each for a group of the queries'.
///
/// Outputs: `[…, L, Ev]`, where a query that may attend to nothing gets 0, and for the gradient the logarithm of what
/// each softmax is divided by, `[…, L]` (∞ for such a query).
#[derive(Clone, Copy, Debug)]
pub struct ScaledDotProductAttention {
    /// The factor of the scores.
    pub scale: f64,
    /// Nothing attends to what comes after it.
    pub causal: bool,
    /// There is a mask.
    pub mask: bool,
}

/// The gradients through [`ScaledDotProductAttention`]. Inputs: gradient, queries, keys, values, both outputs, and the
/// mask if there is one. Outputs: the gradients of queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct ScaledDotProductAttentionBackward {
    /// The op whose gradients they are.
    pub of: ScaledDotProductAttention,
}

const NAME: &str = "scaled_dot_product_attention";

/// The dtype of the logarithms: what the kernel computes in.
fn statistics(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

impl ScaledDotProductAttention {
    /// The shapes of the outputs, once the inputs are seen to fit.
    fn shapes(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: &[&Tensor]) -> Result<(Shape, Shape)> {
        for (what, x) in [("query", q), ("key", k), ("value", v)] {
            let fits = x.dtype() == q.dtype() && x.dtype().is_float();
            ensure!(fits, DType, NAME, "the query is {}, the {what} {}", q.dtype(), x.dtype());
            let fits = x.rank() >= 2 && x.rank() == q.rank();
            ensure!(fits, Shape, NAME, "the query has shape {:?}, the {what} {:?}", q.shape(), x.shape());
        }
        let batch = q.rank() - 2;
        let (lead, [l, e]) = (&q.shape()[..batch], [q.shape()[batch], q.shape()[batch + 1]]);
        let (s, width) = (k.shape()[batch], v.shape()[batch + 1]);
        // Of the last dimension before them, where there is one, a group for each head of the keys.
        let grouped = match (lead.split_last(), k.shape()[..batch].split_last()) {
            (Some((heads, before)), Some((own, others))) => {
                before == others && (heads == own || *own > 0 && heads % own == 0)
            }
            _ => batch == 0,
        };
        let fits = grouped && k.shape()[batch + 1] == e && v.shape()[..batch + 1] == k.shape()[..batch + 1];
        ensure!(
            fits,
            Shape,
            NAME,
            "query {:?}, key {:?} and value {:?} must be […, L, E], […, S, E] and […, S, Ev]",
            q.shape(),
            k.shape(),
            v.shape()
        );
        ensure!(mask.len() == usize::from(self.mask), Argument, NAME, "{} masks", mask.len());
        for mask in mask {
            let (shape, dtype) = (mask.shape(), mask.dtype());
            let fits = shape.len() == batch + 2 && shape[..batch] == *lead && shape[batch..] == [l, s];
            ensure!(fits, Shape, NAME, "a mask {shape:?} for {lead:?} times {l} queries and {s} keys");
            ensure!(dtype == DType::Bool || dtype == q.dtype(), DType, NAME, "a mask of {dtype}");
        }
        let shape = |more: &[usize]| lead.iter().chain(more).copied().collect::<Shape>();
        Ok((shape(&[l, width]), shape(&[l])))
    }

    /// The scores and the weights in other ops, of keys for all heads.
    fn weights(&self, q: &Tensor, k: &Tensor, mask: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let scores = if q.dtype().is_half() {
            // The root of the factor on both sides, so that the products stay in range.
            let root = self.scale.abs().sqrt();
            q.mul(root * self.scale.signum())?.matmul(&k.mul(root)?.mt()?)?
        } else {
            q.matmul(&k.mt()?)?.mul(self.scale)?
        };
        let scores = match mask {
            Some(mask) if mask.dtype() == DType::Bool => masked(&scores, mask)?,
            Some(mask) => scores.add(mask)?,
            None => scores,
        };
        let scores = if self.causal {
            let (l, s) = (scores.size(-2)?, scores.size(-1)?);
            masked(&scores, &Tensor::ones([l, s]).dtype(DType::Bool).device(q.device()).build()?.tril(0)?)?
        } else {
            scores
        };
        let weights = safe_softmax(&scores)?;
        Ok((scores, weights))
    }
}

/// The weights of the values in scaled dot product attention, `[…, L, S]`, in tensor ops: for keys that have as many heads
/// as the queries, and a mask that broadcasts to them. Rows in which nothing may be attended to are 0.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn attention_weights(
    query: &Tensor,
    key: &Tensor,
    mask: Option<&Tensor>,
    causal: bool,
    scale: f64,
) -> Result<Tensor> {
    Ok(ScaledDotProductAttention { scale, causal, mask: mask.is_some() }.weights(query, key, mask)?.1)
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

/// Each head as often as the query has heads for it.
fn expanded(x: &Tensor, query: &Tensor) -> Result<Tensor> {
    if x.rank() < 3 || x.size(-3)? == query.size(-3)? {
        return Ok(x.clone());
    }
    x.repeat_interleave(query.size(-3)? / x.size(-3)?, Some(-3))
}

/// The sums over the queries' heads of a group.
fn gathered(grad: Tensor, like: &Tensor) -> Result<Tensor> {
    if *grad.shape() == *like.shape() {
        return Ok(grad);
    }
    let heads = like.size(-3)?;
    grad.unflatten(-3, [heads, grad.size(-3)? / heads])?.sum([-3])
}

impl Infer for ScaledDotProductAttention {
    const NAME: &'static str = NAME;
    const INPUTS: usize = 3;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let (out, lse) = self.shapes(q, k, v, &inputs[3..])?;
        Ok(Metas::from_iter([Meta::new(out, q.dtype()), Meta::new(lse, statistics(q))]))
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            // Halves are rounded once, at the end.
            let wide = |x: &Tensor| if x.dtype().is_half() { x.to_dtype(statistics(x)) } else { Ok(x.clone()) };
            let (q, k, v) = (inputs[0], expanded(inputs[1], inputs[0])?, expanded(inputs[2], inputs[0])?);
            let mask = inputs.get(3).map(|mask| wide(mask)).transpose()?;
            let (scores, weights) = self.weights(&wide(q)?, &wide(&k)?, mask.as_ref())?;
            let lse = scores.detach().logsumexp(-1)?;
            let lse = lse.masked_fill(&lse.eq(f64::NEG_INFINITY)?, f64::INFINITY)?;
            Ok(Outputs::from_iter([weights.matmul(wide(&v)?)?.to_dtype(q.dtype())?, lse]))
        };
        Some(run())
    }
}

impl Infer for ScaledDotProductAttentionBackward {
    const NAME: &'static str = "scaled_dot_product_attention_backward";
    const INPUTS: usize = 6;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let &[g, q, k, v, out, lse, ..] = inputs else { return Ok(Metas::new()) };
        let (shape, row) = self.of.shapes(q, k, v, &inputs[6..])?;
        for (what, t, shape, dtype) in
            [("gradient", g, &shape, q.dtype()), ("output", out, &shape, q.dtype()), ("sum", lse, &row, statistics(q))]
        {
            let fits = *t.shape() == shape[..] && t.dtype() == dtype;
            ensure!(fits, Shape, Self::NAME, "a {what} of {} {:?} for {dtype} {shape:?}", t.dtype(), t.shape());
        }
        Ok([q, k, v].into_iter().map(Meta::like).collect())
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let (g, q) = (inputs[0], inputs[1]);
            let (k, v) = (expanded(inputs[2], q)?, expanded(inputs[3], q)?);
            let (_, weights) = self.of.weights(q, &k, inputs.get(6).copied())?;
            let by_weights = g.matmul(&v.mt()?)?;
            let mean = by_weights.mul(&weights)?.sum_keepdim([-1])?;
            let by_scores = by_weights.sub(&mean)?.mul(&weights)?.mul(self.of.scale)?;
            let (by_k, by_v) = (by_scores.mt()?.matmul(q)?, weights.mt()?.matmul(g)?);
            Ok(Outputs::from_iter([by_scores.matmul(&k)?, gathered(by_k, inputs[2])?, gathered(by_v, inputs[3])?]))
        };
        Some(run())
    }
}
