//! Special functions, as `torch.special`.

use crate::{Operand, Result, Tensor, ensure};

/// −x ln x, 0 at 0 and −∞ below: `torch.special.entr`.
///
/// # Errors
/// Where the tensor is complex.
#[track_caller]
pub fn entr(x: &Tensor) -> Result<Tensor> {
    ensure!(!x.dtype().is_complex(), DType, "entr", "not defined for {}", x.dtype());
    let x = x.to_dtype(x.dtype().to_float())?;
    let (zero, below) = (x.eq(0)?, x.lt(0)?);
    let inner = x.masked_fill(&zero, 1)?;
    let above = inner.mul(inner.log()?)?.neg()?;
    // The root is 0 at 0, too, and as steep.
    x.sqrt()?.where_cond(&zero, &above)?.masked_fill(&below, f64::NEG_INFINITY)
}

/// The area below x under the normal distribution's density: `torch.special.ndtr`.
///
/// # Errors
/// Where the tensor is complex.
#[track_caller]
pub fn ndtr(x: &Tensor) -> Result<Tensor> {
    x.mul(-std::f64::consts::FRAC_1_SQRT_2)?.erfc()?.mul(0.5)
}

/// x · log(1 + other), 0 where x is 0 and `other` is not NaN: `torch.special.xlog1py`. The shapes broadcast.
///
/// # Errors
/// Where a tensor is complex or the shapes do not broadcast.
#[track_caller]
pub fn xlog1py<'a>(x: &Tensor, other: impl Into<Operand<'a>>) -> Result<Tensor> {
    let other = other.into().to_tensor(x)?;
    ensure!(
        !x.dtype().is_complex() && !other.dtype().is_complex(),
        DType,
        "xlog1py",
        "not defined for complex numbers"
    );
    // No logarithm that is not finite meets the zero, in the product or in its derivative.
    let wild = other.le(-1)?.logical_or(&other.eq(f64::INFINITY)?)?;
    let none = x.eq(0)?.logical_and(&wild)?;
    x.mul(other.masked_fill(&none, 0)?.log1p()?)
}
