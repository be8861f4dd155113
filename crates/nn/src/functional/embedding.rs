//! Rows of a table by their numbers.

use flambeau_tensor::{Result, Tensor, no_grad};

/// The rows of `weight` `[n, d]` whose numbers `indices` `[…]` holds: `[…, d]`.
///
/// # Errors
/// Where an index is not in `0..n`, or the indices are no integers.
#[track_caller]
pub fn embedding(indices: &Tensor, weight: &Tensor) -> Result<Tensor> {
    weight.embedding(indices, None)
}

/// [`embedding`], the row `padding_idx` (negative counted from the end) without gradient, and the rows
/// used first brought, in `weight`, to a `norm_type`-norm of at most `max_norm`.
///
/// # Errors
/// As [`embedding`].
#[track_caller]
pub fn embedding_with(
    indices: &Tensor,
    weight: &Tensor,
    padding_idx: Option<isize>,
    max_norm: Option<f64>,
    norm_type: f64,
) -> Result<Tensor> {
    if let Some(max_norm) = max_norm {
        no_grad(|| renorm_rows(indices, weight, max_norm, norm_type))?;
    }
    weight.embedding(indices, padding_idx)
}

fn renorm_rows(indices: &Tensor, weight: &Tensor, max_norm: f64, norm_type: f64) -> Result<()> {
    let mut used = indices.to_dtype(flambeau_tensor::DType::I64)?.to_vec::<i64>()?;
    used.sort_unstable();
    used.dedup();
    for index in used {
        let row = weight.select(0, index as isize)?;
        let norm = row.abs()?.pow(norm_type)?.sum(..)?.item::<f64>()?.powf(1.0 / norm_type);
        if norm > max_norm {
            row.mul_(max_norm / (norm + 1e-7))?;
        }
    }
    Ok(())
}
