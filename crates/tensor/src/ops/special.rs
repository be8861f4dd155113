//! The ops behind the special functions ([`special`](crate::special)): one for all of one argument, one for all of two.

use crate::op::{Infer, Meta, Metas};
use crate::ops::{Operand, result_type};
use crate::shape::broadcast_shapes;
use crate::{Result, Tensor, dispatch, dispatch_into, ensure};

macro_rules! functions {
    ($(#[$doc:meta])* $Name:ident { $($(#[$of:meta])* $Function:ident $(($inner:ty))? $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name { $($(#[$of])* $Function $(($inner))?,)* }

        impl $Name {
            /// PyTorch's name.
            pub fn name(self) -> &'static str {
                match self { $($Name::$Function { .. } => $name,)* }
            }
        }
    };
}

functions! {
    /// A special function of one number.
    SpecialFunction {
        /// ln |Γ(x)|
        Lgamma "lgamma",
        /// the derivative of this order of the digamma function
        Polygamma(u32) "polygamma",
        /// e^x² erfc(x)
        Erfcx "special.erfcx",
        /// the logarithm of the normal distribution function
        LogNdtr "special.log_ndtr",
        /// the inverse of the normal distribution function
        Ndtri "special.ndtri",
        /// the modified Bessel function I₀
        I0 "i0",
        /// e^−|x| I₀(x)
        I0e "special.i0e",
        /// the modified Bessel function I₁
        I1 "special.i1",
        /// e^−|x| I₁(x)
        I1e "special.i1e",
        /// the Bessel function J₀
        BesselJ0 "special.bessel_j0",
        /// the Bessel function J₁
        BesselJ1 "special.bessel_j1",
        /// the Bessel function Y₀
        BesselY0 "special.bessel_y0",
        /// the Bessel function Y₁
        BesselY1 "special.bessel_y1",
        /// the modified Bessel function K₀
        ModifiedBesselK0 "special.modified_bessel_k0",
        /// the modified Bessel function K₁
        ModifiedBesselK1 "special.modified_bessel_k1",
        /// eˣ K₀(x)
        ScaledModifiedBesselK0 "special.scaled_modified_bessel_k0",
        /// eˣ K₁(x)
        ScaledModifiedBesselK1 "special.scaled_modified_bessel_k1",
        /// sin(x) / x
        SphericalBesselJ0 "special.spherical_bessel_j0",
        /// the Airy function Ai
        AiryAi "special.airy_ai",
        /// the exponent that `frexp` finds
        Exponent "frexp",
    }
}

functions! {
    /// A special function of two numbers.
    SpecialPairFunction {
        /// P(x, y), the lower incomplete gamma function
        Igamma "igamma",
        /// Q(x, y), the upper one
        Igammac "igammac",
        /// Hurwitz's zeta function
        Zeta "special.zeta",
        /// Tₙ
        ChebyshevT "special.chebyshev_polynomial_t",
        /// Uₙ
        ChebyshevU "special.chebyshev_polynomial_u",
        /// Vₙ
        ChebyshevV "special.chebyshev_polynomial_v",
        /// Wₙ
        ChebyshevW "special.chebyshev_polynomial_w",
        /// Tₙ of 2x − 1
        ShiftedChebyshevT "special.shifted_chebyshev_polynomial_t",
        /// Uₙ of 2x − 1
        ShiftedChebyshevU "special.shifted_chebyshev_polynomial_u",
        /// Vₙ of 2x − 1
        ShiftedChebyshevV "special.shifted_chebyshev_polynomial_v",
        /// Wₙ of 2x − 1
        ShiftedChebyshevW "special.shifted_chebyshev_polynomial_w",
        /// Hₙ, the physicists'
        HermiteH "special.hermite_polynomial_h",
        /// Heₙ, the probabilists'
        HermiteHe "special.hermite_polynomial_he",
        /// Lₙ
        Laguerre "special.laguerre_polynomial_l",
        /// Pₙ
        Legendre "special.legendre_polynomial_p",
        /// √(x² + y²)
        Hypot "hypot",
        /// log(eˣ + eʸ)
        LogAddExp "logaddexp",
        /// log₂(2ˣ + 2ʸ)
        LogAddExp2 "logaddexp2",
        /// |x| with the sign of y
        Copysign "copysign",
    }
}

impl SpecialPairFunction {
    /// True of the polynomials, whose second argument is the degree.
    pub fn is_polynomial(self) -> bool {
        use SpecialPairFunction::*;
        !matches!(self, Igamma | Igammac | Zeta | Hypot | LogAddExp | LogAddExp2 | Copysign)
    }
}

/// A special function of each element.
#[derive(Clone, Copy, Debug)]
pub struct Special {
    /// Which.
    pub function: SpecialFunction,
}

impl Infer for Special {
    const NAME: &'static str = "special";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, name) = (inputs[0], self.function.name());
        ensure!(!x.dtype().is_complex(), DType, name, "not defined for {}", x.dtype());
        Meta::like(x).with_dtype(x.dtype().to_float()).one()
    }
}

/// A special function of the elements of two tensors, which broadcast.
#[derive(Clone, Copy, Debug)]
pub struct SpecialPair {
    /// Which.
    pub function: SpecialPairFunction,
}

impl Infer for SpecialPair {
    const NAME: &'static str = "special_pair";
    const INPUTS: usize = 2;
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, y, name) = (inputs[0], inputs[1], self.function.name());
        ensure!(inputs.len() == 2, Argument, name, "takes 2 tensors, not {}", inputs.len());
        ensure!(x.dtype() == y.dtype(), DType, name, "the operands are {} and {}", x.dtype(), y.dtype());
        ensure!(x.dtype().is_float(), DType, name, "not defined for {}", x.dtype());
        Meta::new(broadcast_shapes(name, x.shape(), y.shape())?, x.dtype()).one()
    }
}

impl SpecialFunction {
    #[track_caller]
    pub(crate) fn of(self, x: &Tensor) -> Result<Tensor> {
        dispatch(Special { function: self }, &[x])
    }
}

impl SpecialPairFunction {
    #[track_caller]
    pub(crate) fn of(self, x: &Tensor, other: Operand<'_>) -> Result<Tensor> {
        let other = other.to_float_tensor(x)?;
        let dtype = result_type(x, &other).to_float();
        dispatch(SpecialPair { function: self }, &[&x.to_dtype(dtype)?, &other.to_dtype(dtype)?])
    }
}

impl Tensor {
    /// ln |Γ(x)|, infinite at 0 and the negative integers: `torch.lgamma`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn lgamma(&self) -> Result<Tensor> {
        SpecialFunction::Lgamma.of(self)
    }

    /// ψ(x), the derivative of [`lgamma`](Tensor::lgamma): `torch.digamma`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn digamma(&self) -> Result<Tensor> {
        self.polygamma(0)
    }

    /// ψ⁽ⁿ⁾(x), the derivative of order `n` of [`digamma`](Tensor::digamma): `torch.polygamma`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn polygamma(&self, n: u32) -> Result<Tensor> {
        SpecialFunction::Polygamma(n).of(self)
    }

    /// The modified Bessel function I₀: `torch.i0`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn i0(&self) -> Result<Tensor> {
        SpecialFunction::I0.of(self)
    }

    /// ln Γₚ(x) of the multivariate gamma function of dimension `p`: `torch.mvlgamma`.
    ///
    /// # Errors
    /// Where `p` is 0 or above 10,000, or the tensor is complex.
    #[track_caller]
    pub fn mvlgamma(&self, p: u32) -> Result<Tensor> {
        ensure!((1..=10_000).contains(&p), Argument, "mvlgamma", "the dimension p must be in 1..=10000, it is {p}");
        let x = self.to_dtype(self.dtype().to_float())?;
        let halves = Tensor::arange(0, p as i64).dtype(x.dtype()).device(x.device()).build()?.mul(-0.5)?;
        let p = f64::from(p);
        x.unsqueeze(-1)?.add(&halves)?.lgamma()?.sum(-1)?.add(p * (p - 1.0) / 4.0 * std::f64::consts::PI.ln())
    }

    /// P(x, y), the regularized lower incomplete gamma function: `torch.igamma`. `self` is x, whose derivative is not
    /// there, as in PyTorch.
    ///
    /// # Errors
    /// Where the tensors together are not of floating point, or the shapes do not broadcast.
    #[track_caller]
    pub fn igamma<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.incomplete_gamma(SpecialPairFunction::Igamma, other.into())
    }

    /// Q(x, y) = 1 − P(x, y), the upper one: `torch.igammac`.
    ///
    /// # Errors
    /// As [`igamma`](Tensor::igamma).
    #[track_caller]
    pub fn igammac<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.incomplete_gamma(SpecialPairFunction::Igammac, other.into())
    }

    #[track_caller]
    fn incomplete_gamma(&self, function: SpecialPairFunction, other: Operand<'_>) -> Result<Tensor> {
        let dtype = match &other {
            Operand::Tensor(other) => result_type(self, other),
            Operand::Scalar(value) => value.promote(self.dtype()),
        };
        ensure!(dtype.is_float(), DType, function.name(), "not defined for {dtype}, only for floating point");
        function.of(self, other)
    }

    /// [`lgamma`](Tensor::lgamma) in place.
    ///
    /// # Errors
    /// As [`lgamma`](Tensor::lgamma); where autograd forbids to write.
    #[track_caller]
    pub fn lgamma_(&self) -> Result<&Tensor> {
        self.special_("lgamma_", SpecialFunction::Lgamma)
    }

    /// [`digamma`](Tensor::digamma) in place.
    ///
    /// # Errors
    /// As [`digamma`](Tensor::digamma); where autograd forbids to write.
    #[track_caller]
    pub fn digamma_(&self) -> Result<&Tensor> {
        self.polygamma_(0)
    }

    /// [`polygamma`](Tensor::polygamma) in place.
    ///
    /// # Errors
    /// As [`polygamma`](Tensor::polygamma); where autograd forbids to write.
    #[track_caller]
    pub fn polygamma_(&self, n: u32) -> Result<&Tensor> {
        self.special_("polygamma_", SpecialFunction::Polygamma(n))
    }

    /// [`i0`](Tensor::i0) in place.
    ///
    /// # Errors
    /// As [`i0`](Tensor::i0); where autograd forbids to write.
    #[track_caller]
    pub fn i0_(&self) -> Result<&Tensor> {
        self.special_("i0_", SpecialFunction::I0)
    }

    #[track_caller]
    fn special_(&self, name: &'static str, function: SpecialFunction) -> Result<&Tensor> {
        dispatch_into(name, Special { function }, &[self], self)?;
        Ok(self)
    }
}
