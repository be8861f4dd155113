//! Reductions and normalizations of the elements that a mask lets in, as `torch.masked`.
//!
//! True in a mask lets an element in. A mask broadcasts to its tensor, and without one all elements are in. What a
//! reduction of no elements gives is what it starts from (0, 1, ∓∞), NaN for means; a normalization gives 0, or −∞ for
//! logarithms, where the mask lets nothing in.
//!
//! ```
//! use flambeau_tensor::{masked, tensor};
//! let (x, mask) = (tensor!([1.0, 2.0, 3.0]), tensor!([true, false, true]));
//! assert_eq!(masked::mean(&x, .., false, Some(&mask))?.item::<f32>()?, 2.0);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::shape::{DimList, Dims};
use crate::{DType, Result, Scalar, Tensor, ensure, linalg};

/// `x` with `value` where the mask lets nothing in.
#[track_caller]
fn filled(op: &'static str, x: &Tensor, mask: Option<&Tensor>, value: impl Into<Scalar>) -> Result<Tensor> {
    match mask {
        None => Ok(x.clone()),
        Some(mask) => x.where_cond(in_shape(op, x, mask)?, value.into()),
    }
}

/// The mask in the shape of `x`.
#[track_caller]
fn in_shape(op: &'static str, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    ensure!(mask.dtype() == DType::Bool, DType, op, "a mask is of bool, not of {}", mask.dtype());
    mask.expand(x.shape())
}

/// The least and the greatest number of a dtype.
fn ends(dtype: DType) -> (Scalar, Scalar) {
    match dtype {
        DType::Bool => (false.into(), true.into()),
        DType::U8 => (0.into(), 255.into()),
        DType::I8 => (i64::from(i8::MIN).into(), i64::from(i8::MAX).into()),
        DType::I16 => (i64::from(i16::MIN).into(), i64::from(i16::MAX).into()),
        DType::I32 => (i64::from(i32::MIN).into(), i64::from(i32::MAX).into()),
        DType::I64 => (i64::MIN.into(), i64::MAX.into()),
        _ => (f64::NEG_INFINITY.into(), f64::INFINITY.into()),
    }
}

/// A reduction with or without its dimensions kept.
#[track_caller]
fn kept(x: Tensor, dims: &DimList, keepdim: bool) -> Result<Tensor> {
    if keepdim { Ok(x) } else { x.squeeze(dims.iter().map(|d| *d as isize).collect::<Vec<_>>()) }
}

#[track_caller]
fn resolved(op: &'static str, x: &Tensor, dims: impl Into<Dims>) -> Result<DimList> {
    dims.into().resolve(op, x.rank())
}

/// All of the dimensions, as they are asked for.
fn list(dims: &DimList) -> Dims {
    Dims::Some(dims.iter().map(|d| *d as isize).collect())
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident, |$x:ident| $identity:expr, $keep:ident;)*) => {$(
        $(#[$doc])*
        #[doc = concat!(": `torch.masked.", stringify!($name), "`.")]
        ///
        /// # Errors
        /// Where the mask does not broadcast to the tensor, or the reduction is not defined for the dtype.
        #[track_caller]
        pub fn $name(x: &Tensor, dims: impl Into<Dims>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
            let dims = resolved(stringify!($name), x, dims)?;
            let $x = x;
            kept(filled(stringify!($name), x, mask, $identity)?.$keep(list(&dims))?, &dims, keepdim)
        }
    )*};
}

reductions! {
    /// The sum of the elements
    sum, |x| if x.dtype() == DType::Bool { Scalar::from(false) } else { 0.into() }, sum_keepdim;
    /// The product of the elements
    prod, |x| if x.dtype() == DType::Bool { Scalar::from(true) } else { 1.into() }, prod_keepdim;
    /// The greatest element
    amax, |x| ends(x.dtype()).0, amax_keepdim;
    /// The least element
    amin, |x| ends(x.dtype()).1, amin_keepdim;
}

/// The logarithm of the sum of exponentials, in the tensor's dtype, whole numbers too: `torch.masked.logsumexp`.
///
/// # Errors
/// Where the mask does not broadcast to the tensor.
#[track_caller]
pub fn logsumexp(x: &Tensor, dims: impl Into<Dims>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let dims = resolved("logsumexp", x, dims)?;
    let found = filled("logsumexp", x, mask, ends(x.dtype()).0)?.logsumexp_keepdim(list(&dims))?;
    kept(found.to_dtype(x.dtype())?, &dims, keepdim)
}

/// How many elements each sum is over.
#[track_caller]
fn count(op: &'static str, x: &Tensor, dims: &DimList, mask: Option<&Tensor>, dtype: DType) -> Result<Tensor> {
    let ones = match mask {
        Some(mask) => in_shape(op, x, mask)?,
        None => Tensor::ones(()).dtype(DType::Bool).device(x.device()).build()?.expand(x.shape())?,
    };
    ones.sum_as_keepdim(dtype, list(dims))
}

/// The mean of the elements: `torch.masked.mean`. Integers become the default dtype.
///
/// # Errors
/// Where the mask does not broadcast to the tensor.
#[track_caller]
pub fn mean(x: &Tensor, dims: impl Into<Dims>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let dims = resolved("mean", x, dims)?;
    let x = x.to_dtype(x.dtype().to_float())?;
    let count = count("mean", &x, &dims, mask, x.dtype())?;
    kept(sum(&x, list(&dims), true, mask)?.div(&count)?, &dims, keepdim)
}

/// The variance of the elements, Σ |x − mean|² / (count − correction), in the tensor's dtype, a complex one too:
/// `torch.masked.var`.
///
/// # Errors
/// As [`mean`].
#[track_caller]
pub fn var(x: &Tensor, dims: impl Into<Dims>, correction: f64, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let dims = resolved("var", x, dims)?;
    let x = x.to_dtype(x.dtype().to_float())?;
    let apart = x.sub(mean(&x, list(&dims), true, mask)?)?;
    let square = if apart.dtype().is_complex() { apart.mul(apart.conj()?)? } else { apart.square()? };
    let total = sum(&square, list(&dims), true, mask)?;
    let count = count("var", &x, &dims, mask, total.dtype())?;
    let free = if count.dtype().is_complex() { count.real()? } else { count };
    kept(total.div(free.sub(correction)?.clamp_min(0)?)?, &dims, keepdim)
}

/// The standard deviation, the root of [`var`]: `torch.masked.std`.
///
/// # Errors
/// As [`mean`].
#[track_caller]
pub fn std(x: &Tensor, dims: impl Into<Dims>, correction: f64, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    var(x, dims, correction, keepdim, mask)?.sqrt()
}

/// The norm of the elements, as [`linalg::vector_norm`]: `torch.masked.norm`.
///
/// # Errors
/// Where the mask does not broadcast to the tensor, or that is not of floating point.
#[track_caller]
pub fn norm(x: &Tensor, ord: f64, dims: impl Into<Dims>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    let identity = if ord < 0.0 { f64::INFINITY } else { 0.0 };
    linalg::vector_norm(&filled("norm", x, mask, identity)?, ord, dims, keepdim)
}

#[track_caller]
fn place(x: &Tensor, dim: Option<isize>, keepdim: bool, greatest: bool) -> Result<Tensor> {
    match (dim, greatest, keepdim) {
        (None, true, _) => x.argmax_all(),
        (None, false, _) => x.argmin_all(),
        (Some(dim), true, false) => x.argmax(dim),
        (Some(dim), true, true) => x.argmax_keepdim(dim),
        (Some(dim), false, false) => x.argmin(dim),
        (Some(dim), false, true) => x.argmin_keepdim(dim),
    }
}

/// Where the greatest element is, along `dim` or among all, `int64`: `torch.masked.argmax` (which returns the number in
/// the tensor's dtype).
///
/// # Errors
/// Where the mask does not broadcast to the tensor, or that has no elements.
#[track_caller]
pub fn argmax(x: &Tensor, dim: Option<isize>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    place(&filled("argmax", x, mask, ends(x.dtype()).0)?, dim, keepdim, true)
}

/// Where the least element is: `torch.masked.argmin`, as [`argmax`].
///
/// # Errors
/// As [`argmax`].
#[track_caller]
pub fn argmin(x: &Tensor, dim: Option<isize>, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    place(&filled("argmin", x, mask, ends(x.dtype()).1)?, dim, keepdim, false)
}

/// The median of the elements along `dim`, NaN where there are none: `torch.masked.median`.
///
/// # Errors
/// Where the tensor is not of floating point, or the mask does not broadcast to it.
#[track_caller]
pub fn median(x: &Tensor, dim: isize, keepdim: bool, mask: Option<&Tensor>) -> Result<Tensor> {
    ensure!(x.dtype().is_float(), DType, "median", "not defined for {}", x.dtype());
    let x = filled("median", x, mask, f64::NAN)?;
    Ok(if keepdim { x.nanmedian_keepdim(dim)? } else { x.nanmedian(dim)? }.values)
}

macro_rules! along {
    // What is counted in wider integers goes back to the dtype `as` says.
    ($($(#[$doc:meta])* $name:ident, $identity:expr $(, as $dtype:ident)?;)*) => {$(
        $(#[$doc])*
        #[doc = concat!(": `torch.masked.", stringify!($name), "`.")]
        ///
        /// # Errors
        /// Where `dim` is out of range, or the mask does not broadcast to the tensor.
        #[track_caller]
        pub fn $name(x: &Tensor, dim: isize, mask: Option<&Tensor>) -> Result<Tensor> {
            $(ensure!(x.$dtype() != DType::Bool, DType, stringify!($name), "not defined for bool");)?
            filled(stringify!($name), x, mask, $identity)?.$name(dim)$(?.to_dtype(x.$dtype()))?
        }
    )*};
}

along! {
    /// The running sum along `dim`, to which what is masked adds nothing
    cumsum, 0, as dtype;
    /// The running product along `dim`, which what is masked does not change
    cumprod, 1, as dtype;
    /// [`Tensor::softmax`] of what the mask lets in
    softmax, f64::NEG_INFINITY;
    /// [`Tensor::log_softmax`] of what the mask lets in
    log_softmax, f64::NEG_INFINITY;
    /// [`Tensor::softmin`] of what the mask lets in
    softmin, f64::INFINITY;
}

/// The elements divided by their [`norm`] along `dim`, which is taken to be at least `eps`; 0 where they are masked:
/// `torch.masked.normalize`.
///
/// # Errors
/// As [`norm`].
#[track_caller]
pub fn normalize(x: &Tensor, ord: f64, dim: isize, eps: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let length = norm(x, ord, dim, true, mask)?.clamp_min(eps)?;
    filled("normalize", x, mask, 0)?.div(&length)
}

/// log(eˣ + eʸ) of what each mask lets in: `torch.masked.logaddexp`.
///
/// # Errors
/// As [`Tensor::logaddexp`], and where a mask does not broadcast to its tensor.
#[track_caller]
pub fn logaddexp(x: &Tensor, other: &Tensor, mask: Option<&Tensor>, other_mask: Option<&Tensor>) -> Result<Tensor> {
    let none = f64::NEG_INFINITY;
    filled("logaddexp", x, mask, none)?.logaddexp(&filled("logaddexp", other, other_mask, none)?)
}
