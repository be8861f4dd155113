//! Rows of a table by their numbers.

use flambeau_autograd::{Autograd, sparse_gradients};
use flambeau_tensor::{BagMode, DType, EmbeddingBagOptions, Result, Tensor, ensure, grad_enabled, no_grad, options};

/// The rows of `weight` `[n, d]` whose numbers `indices` `[…]` holds: `[…, d]`.
///
/// # Errors
/// Where an index is not in `0..n`, or the indices are no integers.
#[track_caller]
pub fn embedding(indices: impl AsRef<Tensor>, weight: impl AsRef<Tensor>) -> Result<Tensor> {
    let (indices, weight) = (indices.as_ref(), weight.as_ref());
    weight.embedding(indices, None)
}

options! {
    /// The options of [`embedding_with`], PyTorch's.
    #[derive(Clone, Copy, Debug)]
    pub struct EmbeddingOptions {
        /// The row without gradient, negative counted from the end.
        padding_idx: ~into Option<isize> = None,
        /// The rows used are first brought, in the weight, to a norm of at most this.
        max_norm: ~into Option<f64> = None,
        /// The p of that norm.
        norm_type: f64 = 2.0,
        /// The gradient of a row is divided by how often `indices` names it.
        scale_grad_by_freq: bool = false,
        /// The gradient of a weight that is a leaf is sparse: see [`sparse_gradients`].
        sparse: bool = false,
    }
}

/// [`embedding`] with [`EmbeddingOptions`].
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_nn::functional::{EmbeddingOptions, embedding_with};
/// use flambeau_tensor::{Tensor, tensor};
///
/// let weight = Tensor::ones([100, 2]).build()?.requires_grad_()?;
/// embedding_with(tensor!([3, 5]), &weight, EmbeddingOptions::new().sparse(true))?.sum(..)?.backward()?;
/// assert_eq!(weight.sparse_grad().expect("sparse").nnz(), 2);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`embedding`], `weight` is as it was then; and where a sparse gradient is to be scaled by frequency.
#[track_caller]
pub fn embedding_with(
    indices: impl AsRef<Tensor>,
    weight: impl AsRef<Tensor>,
    options: EmbeddingOptions,
) -> Result<Tensor> {
    let (indices, weight) = (indices.as_ref(), weight.as_ref());
    let EmbeddingOptions { padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse } = options;
    check_scale("embedding", scale_grad_by_freq, sparse)?;
    if let Some(max_norm) = max_norm {
        no_grad(|| renorm_rows(indices, weight, padding_idx, max_norm, norm_type))?;
    }
    match (sparse, scale_grad_by_freq) {
        (true, _) => sparse_gradients(|| weight.embedding(indices, padding_idx)),
        (_, true) => scaled_by_frequency("embedding", indices, weight)?.embedding(indices, padding_idx),
        _ => weight.embedding(indices, padding_idx),
    }
}

fn check_scale(op: &'static str, scale_grad_by_freq: bool, sparse: bool) -> Result<()> {
    ensure!(!(scale_grad_by_freq && sparse), Unsupported, op, "a sparse gradient is not scaled by frequency");
    Ok(())
}

/// `weight`, on the way back to which the gradient of each row is divided by how often `indices` names it.
#[track_caller]
fn scaled_by_frequency(op: &'static str, indices: &Tensor, weight: &Tensor) -> Result<Tensor> {
    ensure!(weight.rank() == 2, Shape, op, "the weight must be a matrix, its shape is {:?}", weight.shape());
    if !(grad_enabled() && weight.requires_grad()) {
        return Ok(weight.clone());
    }
    let share = no_grad(|| {
        let zeros = Tensor::zeros([weight.shape()[0]]).dtype(DType::F32).device(weight.device()).build()?;
        let indices = indices.to_device(weight.device())?.reshape(-1)?.to_dtype(DType::I64)?;
        let ones = Tensor::ones([indices.numel()]).dtype(DType::F32).device(weight.device()).build()?;
        let times = zeros.index_add(0, &indices, &ones, 1)?;
        times.clamp_min(1.0)?.reciprocal()?.to_dtype(weight.dtype())?.unsqueeze(1)
    })?;
    let seen = weight.narrow(0, 0, weight.shape()[0])?;
    seen.register_hook(move |grad| grad.mul(&share).map(Some))?;
    Ok(seen)
}

/// The sum, mean or maximum over bags of rows of `weight` `[n, d]`: [`Tensor::embedding_bag`].
///
/// # Errors
/// Where shapes do not go together, weights come with another mode than the sum, or an index is out of range.
#[track_caller]
pub fn embedding_bag(
    indices: impl AsRef<Tensor>,
    weight: impl AsRef<Tensor>,
    options: EmbeddingBagOptions<'_>,
) -> Result<Tensor> {
    weight.as_ref().embedding_bag(indices.as_ref(), options)
}

/// [`embedding_bag`] with what [`EmbeddingOptions`] say of rows; `padding_idx` may stand in either.
///
/// # Errors
/// As [`embedding_bag`], where a maximum is to have a scaled or a sparse gradient, and where a sparse one is to be scaled.
#[track_caller]
pub fn embedding_bag_with(
    indices: impl AsRef<Tensor>,
    weight: impl AsRef<Tensor>,
    bags: EmbeddingBagOptions<'_>,
    rows: EmbeddingOptions,
) -> Result<Tensor> {
    let EmbeddingOptions { padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse } = rows;
    let options = EmbeddingBagOptions { padding_idx: bags.padding_idx.or(padding_idx), ..bags };
    let (indices, weight) = (indices.as_ref(), weight.as_ref());
    check_scale("embedding_bag", scale_grad_by_freq, sparse)?;
    ensure!(
        !scale_grad_by_freq || options.mode != BagMode::Max,
        Unsupported,
        "embedding_bag",
        "the gradient of a maximum is not scaled by frequency, that of the sum and the mean is"
    );
    ensure!(
        !sparse || options.mode != BagMode::Max,
        Unsupported,
        "embedding_bag",
        "the maximum has no sparse gradient, the sum and the mean do"
    );
    if let Some(max_norm) = max_norm {
        no_grad(|| renorm_rows(indices, weight, options.padding_idx, max_norm, norm_type))?;
    }
    match (sparse, scale_grad_by_freq) {
        (true, _) => sparse_gradients(|| weight.embedding_bag(indices, options)),
        (_, true) => scaled_by_frequency("embedding_bag", indices, weight)?.embedding_bag(indices, options),
        _ => weight.embedding_bag(indices, options),
    }
}

/// Shortens the rows that `indices` names. All of them are read before any is written, so that a bad index
/// changes nothing; and nothing is read back from the device.
#[track_caller]
fn renorm_rows(
    indices: &Tensor,
    weight: &Tensor,
    padding_idx: Option<isize>,
    max_norm: f64,
    norm_type: f64,
) -> Result<()> {
    let indices = indices.reshape(-1)?;
    let rows = weight.detach().embedding(&indices, padding_idx)?;
    if rows.numel() == 0 {
        return Ok(());
    }
    let wide = if rows.dtype().is_half() { rows.to_dtype(DType::F32)? } else { rows.clone() };
    let norm = wide.norm_keepdim(norm_type, 1)?;
    let long = norm.gt(max_norm)?;
    let short = wide.mul(&norm.add(1e-7)?.rdiv(max_norm)?)?.to_dtype(rows.dtype())?;
    // A row that is named twice is written twice, with the same numbers.
    weight.index_put_(&[Some(&indices.to_dtype(DType::I64)?)], &short.where_cond(&long, &rows)?, false)?;
    Ok(())
}
