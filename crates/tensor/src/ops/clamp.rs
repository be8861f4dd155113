//! Values kept between bounds.

use crate::op::{Infer, Meta, Metas};
use crate::ops::Operand;
use crate::{DType, Result, Scalar, Tensor, bail, dispatch, dispatch_into, ensure};
use std::ops::RangeFull;

/// x where it lies between the bounds, else the nearer one; NaN stays. The maximum wins where the bounds
/// cross.
#[derive(Clone, Copy, Debug)]
pub struct Clamp {
    /// The lower bound.
    pub min: Option<Scalar>,
    /// The upper bound.
    pub max: Option<Scalar>,
}

impl Infer for Clamp {
    const NAME: &'static str = "clamp";
    const ELEMENTWISE: bool = true;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let dtype = inputs[0].dtype();
        ensure!(!dtype.is_complex(), DType, "clamp", "complex numbers have no order");
        Meta::like(inputs[0]).one()
    }
}

impl Clamp {
    /// Of elements of `dtype`. A whole bound may lie beyond its numbers on the side where it bounds nothing.
    ///
    /// # Errors
    /// Where the dtype has no such number.
    #[track_caller]
    fn new(op: &'static str, min: Option<Scalar>, max: Option<Scalar>, dtype: DType) -> Result<Clamp> {
        let (low, high) = dtype.range();
        let fits = |bound: Option<Scalar>, idle: fn(f64, (f64, f64)) -> bool| match bound {
            Some(s) if dtype.is_int() => {
                let (x, inside) = (s.to_f64(), (low..=high).contains(&s.to_f64()));
                ensure!(inside || idle(x, (low, high)), Argument, op, "no {dtype} lies within the bound {s}");
                Ok(bound)
            }
            Some(s) => s.stored_as(op, dtype).map(Some),
            None => Ok(None),
        };
        let (min, max) = (fits(min, |x, (low, _)| x < low)?, fits(max, |x, (_, high)| x > high)?);
        Ok(Clamp { min, max })
    }
}

/// A bound of [`clamp`](Tensor::clamp): a number, a tensor, or `..` for none.
#[derive(Clone, Debug)]
pub struct Bound<'a>(Option<Operand<'a>>);

impl From<RangeFull> for Bound<'_> {
    fn from(_: RangeFull) -> Self {
        Bound(None)
    }
}

impl<'a, T: Into<Operand<'a>>> From<Option<T>> for Bound<'a> {
    fn from(bound: Option<T>) -> Self {
        Bound(bound.map(Into::into))
    }
}

macro_rules! bounds {
    ($($t:ty),*) => { $(impl<'a> From<$t> for Bound<'a> { fn from(x: $t) -> Self { Bound(Some(x.into())) } })* };
}
bounds!(u8, i8, i16, i32, i64, usize, f32, f64, bool, Scalar, Operand<'a>, Tensor);

impl<'a, T: AsRef<Tensor>> From<&'a T> for Bound<'a> {
    fn from(t: &'a T) -> Self {
        Bound(Some(t.into()))
    }
}

/// A bound as a field of the op; `Err` for a tensor.
fn number(bound: &Bound<'_>) -> std::result::Result<Option<Scalar>, ()> {
    match &bound.0 {
        None => Ok(None),
        Some(Operand::Scalar(s)) => Ok(Some(*s)),
        Some(Operand::Tensor(_)) => Err(()),
    }
}

/// `kept` where the bound lets it be, else the bound: so that the gradient goes to the one that is taken.
#[track_caller]
fn bounded(x: &Tensor, bound: &Tensor, kept: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let keep = kept(x, bound)?.logical_or(&x.isnan()?)?;
    x.where_cond(&keep, bound)
}

impl Tensor {
    /// Each element, or the bound that it lies beyond: `torch.clamp`. A bound is a number, a tensor that
    /// broadcasts, or `..` for none. The gradient passes between the bounds, not on them; a bound that is a
    /// tensor takes the gradient where it is the result, and half of it where the element is equal to it.
    ///
    /// ```
    /// use flambeau_tensor::tensor;
    /// let x = tensor!([-1.0, 0.5, 2.0]);
    /// assert_eq!(x.clamp(0.0, 1.0)?.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
    /// assert_eq!(x.clamp(.., tensor!([0.0, 0.0, 3.0]))?.to_vec::<f32>()?, [-1.0, 0.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is neither bound, the elements are complex, or the dtype has no number such as the bound.
    #[track_caller]
    pub fn clamp<'a, 'b>(&self, min: impl Into<Bound<'a>>, max: impl Into<Bound<'b>>) -> Result<Tensor> {
        let (min, max) = (min.into(), max.into());
        ensure!(min.0.is_some() || max.0.is_some(), Argument, "clamp", "at least one bound is needed");
        ensure!(!self.dtype().is_complex(), DType, "clamp", "complex numbers have no order");
        if let (Ok(min), Ok(max)) = (number(&min), number(&max)) {
            let dtype = [min, max].into_iter().flatten().fold(self.dtype(), |d, s| s.promote(d));
            return dispatch(Clamp::new("clamp", min, max, dtype)?, &[&self.to_dtype(dtype)?]);
        }
        match (&min.0, &max.0) {
            (Some(min), None) => self.maximum(min.clone()),
            (None, Some(max)) => self.minimum(max.clone()),
            (Some(min), Some(max)) => {
                let (min, max) = (min.to_tensor(self)?, max.to_tensor(self)?);
                let between = self.maximum(&min)?.minimum(&max)?;
                // Bounds that meet share nothing: the one that the element lies beyond takes all.
                let met = bounded(&bounded(self, &min, |x, min| x.ge(min))?, &max, |x, max| x.le(max))?;
                met.where_cond(&min.eq(&max)?, &between)
            }
            (None, None) => Ok(self.clone()),
        }
    }

    /// [`clamp`](Tensor::clamp) to numbers, in place.
    ///
    /// # Errors
    /// As for [`clamp`](Tensor::clamp).
    #[track_caller]
    pub fn clamp_<'a, 'b>(&self, min: impl Into<Bound<'a>>, max: impl Into<Bound<'b>>) -> Result<&Tensor> {
        let (Ok(min), Ok(max)) = (number(&min.into()), number(&max.into())) else {
            bail!(Unsupported, "clamp_", "bounds that are tensors work out of place only: see `clamp`")
        };
        ensure!(min.is_some() || max.is_some(), Argument, "clamp_", "at least one bound is needed");
        let fits = |s: Option<Scalar>| {
            s.is_none_or(|s| s.promote(self.dtype()) == self.dtype() && self.dtype() != DType::Bool)
        };
        ensure!(
            fits(min) && fits(max),
            DType,
            "clamp_",
            "the bounds are of a higher kind than the {} tensor",
            self.dtype()
        );
        dispatch_into("clamp_", Clamp::new("clamp_", min, max, self.dtype())?, &[self], self)?;
        Ok(self)
    }

    /// Not below `min`: `torch.clamp_min`.
    ///
    /// # Errors
    /// As [`clamp`](Tensor::clamp).
    #[track_caller]
    pub fn clamp_min<'a>(&self, min: impl Into<Bound<'a>>) -> Result<Tensor> {
        self.clamp(min, ..)
    }

    /// Not above `max`: `torch.clamp_max`.
    ///
    /// # Errors
    /// As [`clamp`](Tensor::clamp).
    #[track_caller]
    pub fn clamp_max<'a>(&self, max: impl Into<Bound<'a>>) -> Result<Tensor> {
        self.clamp(.., max)
    }
}
