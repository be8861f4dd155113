//! Special functions, as `torch.special`, on tensors of floating point; integers and bools become the default dtype.
//!
//! Derivatives are of any order, but not those that PyTorch lacks, too: of the Airy and the spherical Bessel function,
//! of polynomials, and by the first argument of [`zeta`], [`gammainc`] and [`gammaincc`].
//!
//! ```
//! use flambeau_tensor::{special, tensor};
//! let x = tensor!([0.5, 1.0, 2.0]);
//! let ratio = special::i1(&x)?.div(special::i0(&x)?)?;
//! assert!(ratio.allclose(special::i1e(&x)?.div(special::i0e(&x)?)?)?);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::ops::{SpecialFunction, SpecialPairFunction};
use crate::{Operand, Result, Tensor, ensure};

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident, $Function:ident;)*) => {$(
        $(#[$doc])*
        #[doc = concat!(": `torch.special.", stringify!($name), "`.")]
        ///
        /// # Errors
        /// Where the tensor is complex.
        #[track_caller]
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            SpecialFunction::$Function.of(x)
        }
    )*};
}

functions! {
    /// ln |Γ(x)|, infinite at 0 and the negative integers
    gammaln, Lgamma;
    /// e^x² erfc(x), which stays in range where the complement vanishes
    erfcx, Erfcx;
    /// The logarithm of [`ndtr`], exact far below zero, too
    log_ndtr, LogNdtr;
    /// The inverse of [`ndtr`]: NaN outside of 0 to 1
    ndtri, Ndtri;
    /// The modified Bessel function I₀
    i0, I0;
    /// e^−|x| I₀(x)
    i0e, I0e;
    /// The modified Bessel function I₁
    i1, I1;
    /// e^−|x| I₁(x)
    i1e, I1e;
    /// The Bessel function J₀
    bessel_j0, BesselJ0;
    /// The Bessel function J₁
    bessel_j1, BesselJ1;
    /// The Bessel function Y₀: −∞ at 0, NaN below
    bessel_y0, BesselY0;
    /// The Bessel function Y₁: −∞ at 0, NaN below
    bessel_y1, BesselY1;
    /// The modified Bessel function I₀, as [`i0`]
    modified_bessel_i0, I0;
    /// The modified Bessel function I₁, as [`i1`]
    modified_bessel_i1, I1;
    /// The modified Bessel function K₀: ∞ at 0, NaN below
    modified_bessel_k0, ModifiedBesselK0;
    /// The modified Bessel function K₁: ∞ at 0, NaN below
    modified_bessel_k1, ModifiedBesselK1;
    /// eˣ K₀(x)
    scaled_modified_bessel_k0, ScaledModifiedBesselK0;
    /// eˣ K₁(x)
    scaled_modified_bessel_k1, ScaledModifiedBesselK1;
    /// sin(x) / x, the spherical Bessel function of order 0
    spherical_bessel_j0, SphericalBesselJ0;
    /// The Airy function Ai
    airy_ai, AiryAi;
}

macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident, $Function:ident, $other:ident;)*) => {$(
        $(#[$doc])*
        #[doc = concat!(": `torch.special.", stringify!($name), "`.")]
        ///
        /// # Errors
        /// Where a tensor is complex or the shapes do not broadcast.
        #[track_caller]
        pub fn $name<'a>(x: &Tensor, $other: impl Into<Operand<'a>>) -> Result<Tensor> {
            SpecialPairFunction::$Function.of(x, $other.into())
        }
    )*};
}

pairs! {
    /// P(x, other), the regularized lower incomplete gamma function
    gammainc, Igamma, other;
    /// 1 − P(x, other), the upper one
    gammaincc, Igammac, other;
    /// Hurwitz's zeta function, Σ (other + k)⁻ˣ over k ≥ 0; NaN for x < 1
    zeta, Zeta, other;
    /// Chebyshev's polynomial Tₙ of x; of the degree `n`, a number or a tensor, what is behind the point is left out, and
    /// one below 0 gives 0
    chebyshev_polynomial_t, ChebyshevT, n;
    /// Chebyshev's polynomial Uₙ of x, of the second kind; `n` as for [`chebyshev_polynomial_t`]
    chebyshev_polynomial_u, ChebyshevU, n;
    /// Chebyshev's polynomial Vₙ of x, of the third kind; `n` as for [`chebyshev_polynomial_t`]
    chebyshev_polynomial_v, ChebyshevV, n;
    /// Chebyshev's polynomial Wₙ of x, of the fourth kind; `n` as for [`chebyshev_polynomial_t`]
    chebyshev_polynomial_w, ChebyshevW, n;
    /// [`chebyshev_polynomial_t`] of 2x − 1
    shifted_chebyshev_polynomial_t, ShiftedChebyshevT, n;
    /// [`chebyshev_polynomial_u`] of 2x − 1
    shifted_chebyshev_polynomial_u, ShiftedChebyshevU, n;
    /// [`chebyshev_polynomial_v`] of 2x − 1
    shifted_chebyshev_polynomial_v, ShiftedChebyshevV, n;
    /// [`chebyshev_polynomial_w`] of 2x − 1
    shifted_chebyshev_polynomial_w, ShiftedChebyshevW, n;
    /// The physicists' Hermite polynomial Hₙ of x; NaN for `n` above 512
    hermite_polynomial_h, HermiteH, n;
    /// The probabilists' Hermite polynomial Heₙ of x; NaN for `n` above 512
    hermite_polynomial_he, HermiteHe, n;
    /// Laguerre's polynomial Lₙ of x; NaN for `n` from a million on
    laguerre_polynomial_l, Laguerre, n;
    /// Legendre's polynomial Pₙ of x; NaN for `n` from a million on
    legendre_polynomial_p, Legendre, n;
}

macro_rules! methods {
    ($($name:ident, $method:ident;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`]: `torch.special.", stringify!($name), "`.")]
        ///
        /// # Errors
        /// As the method.
        #[track_caller]
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            x.$method()
        }
    )*};
}

methods! {
    digamma, digamma;
    psi, digamma;
    erf, erf;
    erfc, erfc;
    erfinv, erfinv;
    exp2, exp2;
    expit, sigmoid;
    expm1, expm1;
    log1p, log1p;
    sinc, sinc;
}

/// ψ⁽ⁿ⁾(x), the derivative of order `n` of [`digamma`]: `torch.special.polygamma`.
///
/// # Errors
/// Where the tensor is complex.
#[track_caller]
pub fn polygamma(n: u32, x: &Tensor) -> Result<Tensor> {
    x.polygamma(n)
}

/// [`Tensor::mvlgamma`]: `torch.special.multigammaln`.
///
/// # Errors
/// As the method.
#[track_caller]
pub fn multigammaln(x: &Tensor, p: u32) -> Result<Tensor> {
    x.mvlgamma(p)
}

/// [`Tensor::xlogy`]: `torch.special.xlogy`.
///
/// # Errors
/// As the method.
#[track_caller]
pub fn xlogy<'a>(x: &Tensor, other: impl Into<Operand<'a>>) -> Result<Tensor> {
    x.xlogy(other)
}

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
    // The root is 0 at 0, too, and as steep; of a negative zero the sum makes a positive one.
    x.add(0.0)?.sqrt()?.where_cond(&zero, &above)?.masked_fill(&below, f64::NEG_INFINITY)
}

/// The area below x under the normal distribution's density: `torch.special.ndtr`.
///
/// # Errors
/// Where the tensor is complex.
#[track_caller]
pub fn ndtr(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_half() {
        // In PyTorch's steps, each of which is rounded.
        return x.mul(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.add(1.0)?.mul(0.5);
    }
    x.mul(-std::f64::consts::FRAC_1_SQRT_2)?.erfc()?.mul(0.5)
}

/// x · log(1 + other), 0 where x is 0 and `other` is not NaN: `torch.special.xlog1py`. The shapes broadcast.
///
/// # Errors
/// Where a tensor is complex or the shapes do not broadcast.
#[track_caller]
pub fn xlog1py<'a>(x: &Tensor, other: impl Into<Operand<'a>>) -> Result<Tensor> {
    let other = other.into().to_float_tensor(x)?;
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
