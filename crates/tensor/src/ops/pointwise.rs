//! Functions of each element that are put together from others.

use crate::ops::cast::rounded_once;
use crate::ops::{MantissaExponent, Operand, Special, SpecialFunction, SpecialPair, SpecialPairFunction, result_type};
use crate::{Category, DType, Result, Tensor, bail, dispatch, ensure, stack};
use std::f64::consts::PI;

/// How many bits an integer of `dtype` has.
fn bits(op: &'static str, dtype: DType) -> Result<i64> {
    ensure!(dtype.is_int(), DType, op, "not defined for {dtype}, only for integers");
    Ok(8 * dtype.size() as i64)
}

/// The largest finite number of a floating-point dtype.
fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => f64::from(crate::bf16::MAX),
        DType::F32 | DType::Complex64 => f64::from(f32::MAX),
        _ => f64::MAX,
    }
}

impl Tensor {
    /// Both operands in one dtype, as `torch.result_type` says.
    #[track_caller]
    fn promoted(&self, other: Operand<'_>) -> Result<(Tensor, Tensor)> {
        let other = other.to_tensor(self)?;
        let dtype = result_type(self, &other);
        Ok((self.to_dtype(dtype)?, other.to_dtype(dtype)?))
    }

    /// Both operands in one floating-point dtype.
    #[track_caller]
    fn floats(&self, other: Operand<'_>) -> Result<(Tensor, Tensor)> {
        let other = other.to_float_tensor(self)?;
        let dtype = result_type(self, &other).to_float();
        Ok((self.to_dtype(dtype)?, other.to_dtype(dtype)?))
    }

    /// The real parts of a complex tensor, a view; a real tensor is returned as it is: `torch.real`.
    ///
    /// # Errors
    /// Never.
    #[track_caller]
    pub fn real(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { self.view_as_real()?.select(-1, 0) } else { Ok(self.clone()) }
    }

    /// The imaginary parts of a complex tensor, a view: `torch.imag`.
    ///
    /// # Errors
    /// Where the tensor is real.
    #[track_caller]
    pub fn imag(&self) -> Result<Tensor> {
        ensure!(self.dtype().is_complex(), DType, "imag", "a {} tensor has no imaginary part", self.dtype());
        self.view_as_real()?.select(-1, 1)
    }

    /// The complex number with this real part and the imaginary part `imag`: `torch.complex`.
    ///
    /// # Errors
    /// Where the two are not both `float32` or both `float64`, or do not broadcast.
    #[track_caller]
    pub fn complex(&self, imag: impl AsRef<Tensor>) -> Result<Tensor> {
        let imag = imag.as_ref();
        let fits = self.dtype() == imag.dtype() && matches!(self.dtype(), DType::F32 | DType::F64);
        ensure!(
            fits,
            DType,
            "complex",
            "the parts are {} and {}, both must be float32 or float64",
            self.dtype(),
            imag.dtype()
        );
        stack(&crate::broadcast_tensors(&[self, imag])?, -1)?.view_as_complex()
    }

    /// The complex number of this magnitude at `angle`, in radians: `torch.polar`.
    ///
    /// # Errors
    /// As for [`complex`](Tensor::complex).
    #[track_caller]
    pub fn polar(&self, angle: impl AsRef<Tensor>) -> Result<Tensor> {
        let angle = angle.as_ref();
        crate::interpreters::autocast::in_full_precision!(x = self, angle = angle => x.polar(&angle));
        self.mul(angle.cos()?)?.complex(&self.mul(angle.sin()?)?)
    }

    /// The angle of a complex number, in radians; of a real one 0 or, where it is negative, π: `torch.angle`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn angle(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return self.imag()?.atan2(&self.real()?);
        }
        let x = self.to_dtype(self.dtype().to_float())?;
        let turned = x.lt(0)?.to_dtype(x.dtype())?.mul(PI)?;
        // With no slope anywhere.
        let nan = x.isnan()?;
        x.masked_fill(&nan, f64::NAN)?.where_cond(&nan, &turned)
    }

    /// The sign of a real number, the number of magnitude 1 in the direction of a complex one, 0 of 0: `torch.sgn`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn sgn(&self) -> Result<Tensor> {
        if !self.dtype().is_complex() {
            return self.sign();
        }
        let (size, zero) = (self.abs()?, self.eq(0)?);
        self.div(&size.masked_fill(&zero, 1)?)
    }

    /// Degrees in radians: `torch.deg2rad`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn deg2rad(&self) -> Result<Tensor> {
        self.mul(PI / 180.0)
    }

    /// Radians in degrees: `torch.rad2deg`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn rad2deg(&self) -> Result<Tensor> {
        self.mul(180.0 / PI)
    }

    /// What is behind the point, with the number's sign: `torch.frac`.
    ///
    /// # Errors
    /// Where the dtype is not real.
    #[track_caller]
    pub fn frac(&self) -> Result<Tensor> {
        self.sub(&self.trunc()?)
    }

    /// sin(πx) / πx, 1 at 0: `torch.sinc`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn sinc(&self) -> Result<Tensor> {
        rounded_once([self], |[x]| {
            let turned = x.to_dtype(x.dtype().to_float())?.mul(PI)?;
            // Of the quotient's derivative nothing is left near 0, where its two summands cancel: the series has all of it.
            let near = turned.abs()?.lt(0.5)?;
            let far = turned.masked_fill(&near, 1)?;
            let square = turned.masked_fill(&near.logical_not()?, 0)?.square()?;
            let series = (1..=8).rev().try_fold(Tensor::ones_like(&square)?, |sum, k: i32| {
                sum.mul(&square)?.mul(-1.0 / f64::from(2 * k * (2 * k + 1)))?.add(1.0)
            })?;
            series.where_cond(&near, &far.sin()?.div(&far)?)
        })
    }

    /// log(x / (1 − x)), of x limited to between `eps` and 1 − `eps` where that is given: `torch.logit`.
    ///
    /// # Errors
    /// Where the dtype is not floating point, or the system has no memory for the result.
    #[track_caller]
    pub fn logit(&self, eps: Option<f64>) -> Result<Tensor> {
        let x = self.to_dtype(self.dtype().to_float())?;
        let x = match eps {
            // The lower bound counts where the two cross.
            Some(eps) => x.masked_fill(&x.gt(1.0 - eps)?, 1.0 - eps)?.masked_fill(&x.lt(eps)?, eps)?,
            None => x,
        };
        // Not the logarithm of the quotient, which is infinite at 1 with no slope to tell.
        x.log()?.sub(&x.neg()?.log1p()?)
    }

    /// Numbers in place of NaN (`nan`, 0 where it is `None`) and of the infinities (the largest and least finite
    /// numbers of the dtype): `torch.nan_to_num`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn nan_to_num(&self, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Result<Tensor> {
        if self.dtype().is_complex() {
            let part = |x: Tensor| x.nan_to_num(nan, posinf, neginf);
            return part(self.real()?)?.complex(&part(self.imag()?)?);
        }
        if !self.dtype().is_float() {
            return self.copy();
        }
        let most = largest(self.dtype());
        // What the dtype does not hold is an infinity in it.
        let number = |x: f64| if x.abs() > most { x.signum() * f64::INFINITY } else { x };
        self.masked_fill(&self.isnan()?, number(nan.unwrap_or(0.0)))?
            .masked_fill(&self.isposinf()?, number(posinf.unwrap_or(most)))?
            .masked_fill(&self.isneginf()?, number(neginf.unwrap_or(-most)))
    }

    /// True where the number is ∞: `torch.isposinf`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn isposinf(&self) -> Result<Tensor> {
        self.isinf()?.logical_and(&self.gt(0)?)
    }

    /// True where the number is −∞: `torch.isneginf`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn isneginf(&self) -> Result<Tensor> {
        self.isinf()?.logical_and(&self.lt(0)?)
    }

    /// True where the imaginary part is 0: `torch.isreal`.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn isreal(&self) -> Result<Tensor> {
        if self.dtype().is_complex() {
            return self.imag()?.eq(0);
        }
        Tensor::ones(self.shape()).dtype(DType::Bool).device(self.device()).build()
    }

    /// True where the number is below 0 or is −0; never for NaN: `torch.signbit`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn signbit(&self) -> Result<Tensor> {
        let below = self.lt(0)?;
        if !self.dtype().is_float() {
            return Ok(below);
        }
        // 1 / −0 is −∞.
        below.logical_or(&self.eq(0)?.logical_and(&self.detach().reciprocal()?.lt(0)?)?)
    }

    /// |x| with the sign of `other`, also of −0: `torch.copysign`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is complex.
    #[track_caller]
    pub fn copysign<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.floats(other.into())?;
        dispatch(SpecialPair { function: SpecialPairFunction::Copysign }, &[&x, &y])
    }

    /// Both operands, the other one in place of a NaN.
    #[track_caller]
    fn or_other_for_nan(&self, other: Operand<'_>) -> Result<(Tensor, Tensor)> {
        let (x, y) = self.promoted(other)?;
        if !x.dtype().is_float() {
            return Ok((x, y));
        }
        Ok((y.where_cond(&x.isnan()?, &x)?, x.where_cond(&y.isnan()?, &y)?))
    }

    /// The larger of the two, the other where one is NaN: `torch.fmax`. Equal ones share the gradient.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is complex.
    #[track_caller]
    pub fn fmax<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.or_other_for_nan(other.into())?;
        x.maximum(&y)
    }

    /// The smaller of the two, the other where one is NaN: `torch.fmin`. Equal ones share the gradient.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is complex.
    #[track_caller]
    pub fn fmin<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.or_other_for_nan(other.into())?;
        x.minimum(&y)
    }

    /// √(x² + y²), without overflow on the way: `torch.hypot`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is complex.
    #[track_caller]
    pub fn hypot<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.promoted(other.into())?;
        dispatch(SpecialPair { function: SpecialPairFunction::Hypot }, &[&x, &y])
    }

    /// log(eˣ + eʸ), without overflow on the way: `torch.logaddexp`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is of integers.
    #[track_caller]
    pub fn logaddexp<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let other = other.into();
        let complex = match &other {
            Operand::Tensor(y) => y.dtype().is_complex(),
            Operand::Scalar(value) => value.dtype().is_complex(),
        };
        if complex || self.dtype().is_complex() {
            return self.complex_logaddexp(other);
        }
        self.log_of_sum(SpecialPairFunction::LogAddExp, other)
    }

    /// The one with the larger real part counts, and its angle is carried on.
    #[track_caller]
    fn complex_logaddexp(&self, other: Operand<'_>) -> Result<Tensor> {
        let (x, y) = self.promoted(other)?;
        let (own, others) = (x.detach().real()?, y.detach().real()?);
        let below = own.lt(&others)?;
        let (least, most) = (x.where_cond(&below, &y)?, y.where_cond(&below, &x)?);
        let endless = own.eq(&others)?.logical_and(&own.isinf()?)?;
        let apart = least.sub(&most)?.masked_fill(&endless, 0)?;
        let sum = most.add(&apart.exp()?.log1p()?)?;
        // The angle of nothing is none; infinite parts add up to a direction.
        let direction = least.exp()?.add(&most.exp()?)?.log()?;
        let of_equal = least.where_cond(&own.lt(0)?, &direction)?;
        of_equal.where_cond(&endless, &sum)
    }

    /// log₂(2ˣ + 2ʸ), without overflow on the way: `torch.logaddexp2`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is not of floating point.
    #[track_caller]
    pub fn logaddexp2<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.log_of_sum(SpecialPairFunction::LogAddExp2, other.into())
    }

    #[track_caller]
    fn log_of_sum(&self, function: SpecialPairFunction, other: Operand<'_>) -> Result<Tensor> {
        let (x, y) = self.promoted(other)?;
        dispatch(SpecialPair { function }, &[&x, &y])
    }

    /// x · log(y), and 0 where x is 0 and y is not NaN: `torch.xlogy`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or an operand is complex.
    #[track_caller]
    pub fn xlogy<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.floats(other.into())?;
        let none = x.eq(0)?.logical_and(&y.le(0)?.logical_or(&y.isposinf()?)?)?;
        let shape = none.shape().to_vec();
        x.mul(&y.expand(shape)?.masked_fill(&none, 1)?.log()?)
    }

    /// 0 where the number is below 0, `values` where it is 0, 1 above: `torch.heaviside`.
    ///
    /// # Errors
    /// Where the dtypes differ or are complex, or the shapes do not broadcast.
    #[track_caller]
    pub fn heaviside(&self, values: impl AsRef<Tensor>) -> Result<Tensor> {
        let values = values.as_ref().detach();
        ensure!(
            self.dtype() == values.dtype(),
            DType,
            "heaviside",
            "a {} tensor with values of {}: both must have one dtype",
            self.dtype(),
            values.dtype()
        );
        let x = self.detach();
        values.where_cond(&x.eq(0)?, &x.gt(0)?.to_dtype(x.dtype())?)
    }

    /// x · 2ʸ: `torch.ldexp`. Integers y leave x its dtype of floating point.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn ldexp<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.floats(other.into())?;
        // In two steps: 2ʸ alone may be out of range where the product is not.
        rounded_once([&x, &y], |[x, y]| {
            if x.dtype().is_complex() {
                return x.mul(&y.rpow(2.0)?);
            }
            let half = y.mul(0.5)?.trunc()?;
            let rest = y.sub(&half)?.masked_fill(&half.isinf()?, 0)?;
            x.mul(&half.exp2()?)?.mul(&rest.exp2()?)
        })
    }

    /// The mantissa m, ½ ≤ |m| < 1, and the exponent e (`int32`) of x = m · 2ᵉ; x and 0 where x is 0 or not finite:
    /// `torch.frexp`.
    ///
    /// # Errors
    /// Where the tensor is not of floating point.
    #[track_caller]
    pub fn frexp(&self) -> Result<MantissaExponent> {
        ensure!(self.dtype().is_float(), DType, "frexp", "not defined for {}", self.dtype());
        let exponent = dispatch(Special { function: SpecialFunction::Exponent }, &[&self.detach()])?;
        // In two steps, each of which stays in range.
        let half = exponent.div(-2)?.floor()?;
        let rest = exponent.add(&half)?.neg()?;
        let mantissa = self.mul(&half.exp2()?)?.mul(&rest.exp2()?)?;
        Ok(MantissaExponent { mantissa, exponent: exponent.to_dtype(DType::I32)? })
    }

    /// The least common multiple of integers, not negative; 0 where one is 0: `torch.lcm`.
    ///
    /// # Errors
    /// Where an operand is not of integers, or the shapes do not broadcast.
    #[track_caller]
    pub fn lcm<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.promoted(other.into())?;
        let divisor = x.gcd(&y)?;
        x.div_trunc(&divisor.masked_fill(&divisor.eq(0)?, 1)?)?.mul(&y)?.abs()
    }

    /// Rounded to `decimals` places behind the point, or before it where that is below 0: `torch.round(decimals=…)`.
    ///
    /// # Errors
    /// Where the tensor is not of floating point.
    #[track_caller]
    pub fn round_decimals(&self, decimals: i32) -> Result<Tensor> {
        ensure!(self.dtype().is_float(), DType, "round", "decimals are not defined for {}", self.dtype());
        let scale = 10f64.powi(decimals.saturating_abs());
        rounded_once([self], |[x]| match decimals {
            0 => x.round(),
            1.. => x.mul(scale)?.round()?.div(scale),
            _ => x.div(scale)?.round()?.mul(scale),
        })
    }

    /// x to the power of y in double precision: `torch.float_power`.
    ///
    /// # Errors
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn float_power<'a>(&self, exponent: impl Into<Operand<'a>>) -> Result<Tensor> {
        let exponent = exponent.into();
        let complex = |dtype: DType| dtype.category() == Category::Complex;
        let there = match &exponent {
            Operand::Tensor(t) => complex(t.dtype()),
            Operand::Scalar(s) => s.category() == Category::Complex,
        };
        let dtype = if there || complex(self.dtype()) { DType::Complex128 } else { DType::F64 };
        match exponent {
            Operand::Tensor(t) => self.to_dtype(dtype)?.pow(&t.to_dtype(dtype)?),
            Operand::Scalar(s) => self.to_dtype(dtype)?.pow(s),
        }
    }

    /// All bits the other way round; of `bool` the other truth value: `torch.bitwise_not`.
    ///
    /// # Errors
    /// Where the tensor is of floating point or complex.
    #[track_caller]
    pub fn bitwise_not(&self) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => self.logical_not(),
            DType::U8 => self.bitwise_xor(255),
            _ => self.bitwise_xor(-1),
        }
    }

    /// The bits moved up by `other` places, 0 where none is left: `torch.bitwise_left_shift`.
    ///
    /// # Errors
    /// Where an operand is not of integers, or the shapes do not broadcast.
    #[track_caller]
    pub fn bitwise_left_shift<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.promoted(other.into())?;
        let bits = bits("bitwise_left_shift", x.dtype())?;
        let gone = y.lt(0)?.logical_or(&y.ge(bits)?)?;
        let (half, rest) = halves(&y.masked_fill(&gone, 0)?)?;
        let moved = x.mul(&half)?.mul(&rest)?;
        moved.masked_fill(&gone.expand(moved.shape().to_vec())?, 0)
    }

    /// The bits moved down by `other` places, the sign kept: `torch.bitwise_right_shift`.
    ///
    /// # Errors
    /// Where an operand is not of integers, or the shapes do not broadcast.
    #[track_caller]
    pub fn bitwise_right_shift<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let (x, y) = self.promoted(other.into())?;
        let bits = bits("bitwise_right_shift", x.dtype())?;
        // Further than all bits is as far as all: only the sign is left.
        let most = if x.dtype() == DType::U8 { bits } else { bits - 1 };
        let (half, rest) = halves(&y.masked_fill(&y.lt(0)?.logical_or(&y.gt(most)?)?, most)?)?;
        x.floor_divide(&half)?.floor_divide(&rest)
    }

    /// The indices along each dimension of a tensor of `shape` whose elements in rows have these numbers:
    /// `torch.unravel_index`.
    ///
    /// # Errors
    /// Where the tensor is not of integers, or `shape` has more elements than can be counted.
    #[track_caller]
    pub fn unravel_index(&self, shape: impl crate::IntoShape) -> Result<Vec<Tensor>> {
        ensure!(self.dtype().is_int(), DType, "unravel_index", "an index is of integers, not of {}", self.dtype());
        let shape = shape.into_shape("unravel_index")?;
        let Some(_) = crate::shape::checked_numel(&shape) else {
            bail!(Shape, "unravel_index", "shape {shape:?} has more elements than can be counted")
        };
        let (mut rest, mut all) = (self.to_dtype(DType::I64)?, Vec::with_capacity(shape.len()));
        for &size in shape.iter().rev() {
            ensure!(size > 0, Shape, "unravel_index", "shape {shape:?} has no elements");
            all.push(rest.remainder(size as i64)?);
            rest = rest.floor_divide(size as i64)?;
        }
        all.reverse();
        Ok(all)
    }
}

/// 2ʸ as two factors, each of which the dtype holds.
fn halves(places: &Tensor) -> Result<(Tensor, Tensor)> {
    let half = places.floor_divide(2)?;
    let power = |y: &Tensor| Tensor::full_like(y, 2)?.pow(y);
    Ok((power(&half)?, power(&places.sub(&half)?)?))
}
