//! Dropout, drawn from the generator as PyTorch's CPU does: one Bernoulli number for an element (or a
//! channel), in the order of the input's memory.

use flambeau_tensor::{Distribution, Result, Tensor, TensorBuilder, bail, ensure};

/// Zeros a random fraction `p` of the elements and divides the others by 1 - p, where `training`.
///
/// # Errors
/// Where `p` is no probability.
#[track_caller]
pub fn dropout(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    ensure!((0.0..=1.0).contains(&p), Argument, "dropout", "p = {p} is not a probability");
    if !training || p == 0.0 || x.numel() == 0 {
        return Ok(x.clone());
    }
    if x.dtype().is_complex() {
        // A number is kept or dropped as a whole.
        let noise = noise("dropout", &x.real()?, None, p, training)?;
        return noise.map_or_else(|| Ok(x.clone()), |noise| x.mul(&noise));
    }
    Ok(x.native_dropout(p, None)?.0)
}

/// [`dropout`] into `x` itself.
///
/// # Errors
/// Where `p` is no probability.
#[track_caller]
pub fn dropout_(x: &Tensor, p: f64, training: bool) -> Result<&Tensor> {
    match noise("dropout_", x, None, p, training)? {
        Some(noise) => x.mul_(&noise),
        None => Ok(x),
    }
}

/// [`dropout`] of whole channels of `x`, `[N, C, L]` or `[C, L]`.
///
/// # Errors
/// Where `p` is no probability, or `x` has another rank.
#[track_caller]
pub fn dropout1d(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    ensure!(matches!(x.rank(), 2 | 3), Shape, "dropout1d", "shape {:?} is neither [N, C, L] nor [C, L]", x.shape());
    if x.rank() == 2 {
        channels("dropout1d", &x.unsqueeze(0)?, p, training)?.squeeze(0)
    } else {
        channels("dropout1d", x, p, training)
    }
}

/// [`dropout`] of whole channels of `x`, `[N, C, H, W]`. As PyTorch, it takes the dimensions of any `x` of
/// rank 2 or more after the second for one channel.
///
/// # Errors
/// Where `p` is no probability, or `x` has less than two dimensions.
#[track_caller]
pub fn dropout2d(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    channels("dropout2d", x, p, training)
}

/// [`dropout`] of whole channels of `x`, `[N, C, D, H, W]` or `[C, D, H, W]`.
///
/// # Errors
/// Where `p` is no probability, or `x` has less than two dimensions.
#[track_caller]
pub fn dropout3d(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    if x.rank() == 4 {
        channels("dropout3d", &x.unsqueeze(0)?, p, training)?.squeeze(0)
    } else {
        channels("dropout3d", x, p, training)
    }
}

/// Dropout that keeps mean and variance of what [`selu`](crate::functional::selu) gives: a random fraction
/// `p` of the elements becomes SELU's lower limit, then all are scaled and moved (Klambauer et al.,
/// arXiv:1706.02515).
///
/// # Errors
/// Where `p` is no probability.
#[track_caller]
pub fn alpha_dropout(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    alpha("alpha_dropout", x, None, p, training)
}

/// [`alpha_dropout`] of whole channels of `x`, `[N, C, …]`.
///
/// # Errors
/// Where `p` is no probability, or `x` has less than two dimensions and training is on.
#[track_caller]
pub fn feature_alpha_dropout(x: impl AsRef<Tensor>, p: f64, training: bool) -> Result<Tensor> {
    let x = x.as_ref();
    const NAME: &str = "feature_alpha_dropout";
    let shape = if training { channel_shape(NAME, x)? } else { Vec::new() };
    alpha(NAME, x, Some(&shape), p, training)
}

#[track_caller]
fn alpha(name: &'static str, x: &Tensor, shape: Option<&[usize]>, p: f64, training: bool) -> Result<Tensor> {
    // SELU's scale times its alpha: minus the limit of the function at −∞.
    const LIMIT: f64 = 1.758_099_340_847_376_6;
    let Some(noise) = noise(name, x, shape, p, training)? else { return Ok(x.clone()) };
    if p == 1.0 {
        return x.mul(&noise);
    }
    // The noise is 0 or 1 / (1 − p); here it is to be 0 or 1.
    let kept = noise.gt(0.0)?.to_dtype(x.dtype())?;
    let scale = 1.0 / ((LIMIT * LIMIT * p + 1.0) * (1.0 - p)).sqrt();
    let moved = kept.sub(1.0)?.mul(LIMIT * scale)?.add(LIMIT * scale * p)?;
    x.mul(&kept.mul(scale)?)?.add(&moved)
}

/// One place for each sample and channel.
#[track_caller]
fn channel_shape(name: &'static str, x: &Tensor) -> Result<Vec<usize>> {
    match x.shape() {
        [n, c, rest @ ..] => Ok([&[*n, *c], &vec![1; rest.len()][..]].concat()),
        shape => bail!(Shape, name, "shape {shape:?} has no channels: two dimensions or more are needed"),
    }
}

#[track_caller]
fn channels(name: &'static str, x: &Tensor, p: f64, training: bool) -> Result<Tensor> {
    match noise(name, x, Some(&channel_shape(name, x)?), p, training)? {
        Some(noise) => x.mul(&noise),
        None => Ok(x.clone()),
    }
}

/// What to multiply by, of `shape`, or like `x`; none where nothing is to be done, and nothing is drawn.
#[track_caller]
fn noise(name: &'static str, x: &Tensor, shape: Option<&[usize]>, p: f64, training: bool) -> Result<Option<Tensor>> {
    ensure!((0.0..=1.0).contains(&p), Argument, name, "p = {p} is not a probability");
    if !training || p == 0.0 || x.numel() == 0 {
        return Ok(None);
    }
    if p == 1.0 {
        let shape = shape.unwrap_or(x.shape());
        return Ok(Some(Tensor::zeros(shape).dtype(x.dtype()).device(x.device()).build()?));
    }
    let kept = Distribution::Bernoulli { p: 1.0 - p };
    let noise = match shape {
        None => x.random_like(name, kept, None)?,
        Some(shape) => TensorBuilder::random(name, shape, kept).dtype(x.dtype()).device(x.device()).build()?,
    };
    noise.div_(1.0 - p)?;
    Ok(Some(noise))
}
