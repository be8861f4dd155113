//! Formulas: tensors under operators, where a step that fails makes the whole a failure.

use flambeau_tensor::{DType, Dims, Error, Operand, Result, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A tensor, or the error of the first step that failed.
#[derive(Debug)]
pub(crate) struct X(Result<Tensor>);

/// A tensor as the start of a formula.
pub(crate) fn x(tensor: &Tensor) -> X {
    X(Ok(tensor.clone()))
}

impl From<&Tensor> for X {
    fn from(tensor: &Tensor) -> X {
        x(tensor)
    }
}

impl From<Result<Tensor>> for X {
    fn from(result: Result<Tensor>) -> X {
        X(result)
    }
}

impl Clone for X {
    fn clone(&self) -> X {
        X(self.tensor().cloned())
    }
}

impl X {
    /// What comes out.
    pub(crate) fn get(self) -> Result<Tensor> {
        self.0
    }

    #[track_caller]
    fn tensor(&self) -> Result<&Tensor> {
        self.0.as_ref().map_err(|e| Error::new(e.kind(), "distributions", e.to_string()))
    }

    /// `f` of the tensor.
    #[track_caller]
    pub(crate) fn then(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> X {
        X(self.tensor().and_then(f))
    }

    /// `f` of both tensors.
    #[track_caller]
    pub(crate) fn with(&self, other: &X, f: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>) -> X {
        X(self.tensor().and_then(|a| f(a, other.tensor()?)))
    }

    /// This where `condition` holds, `other` elsewhere.
    #[track_caller]
    pub(crate) fn where_cond(&self, condition: &X, other: impl Into<Y>) -> X {
        match other.into() {
            Y::Number(n) => self.with(condition, |a, c| a.where_cond(c, n)),
            Y::Formula(b) => self.with(condition, |a, c| a.where_cond(c, b.tensor()?)),
        }
    }

    /// The number `n` where `condition` holds.
    #[track_caller]
    pub(crate) fn masked_fill(&self, condition: &X, n: f64) -> X {
        self.with(condition, |a, c| a.where_cond(&c.logical_not()?, n))
    }

    pub(crate) fn detach(&self) -> X {
        self.then(|a| Ok(a.detach()))
    }

    #[track_caller]
    pub(crate) fn sum(&self, dims: impl Into<Dims>) -> X {
        self.then(|a| a.sum(dims))
    }

    #[track_caller]
    pub(crate) fn sum_keepdim(&self, dims: impl Into<Dims>) -> X {
        self.then(|a| a.sum_keepdim(dims))
    }

    #[track_caller]
    pub(crate) fn logsumexp_keepdim(&self, dim: isize) -> X {
        self.then(|a| a.logsumexp_keepdim(dim))
    }

    #[track_caller]
    pub(crate) fn unsqueeze(&self, dim: isize) -> X {
        self.then(|a| a.unsqueeze(dim))
    }

    #[track_caller]
    pub(crate) fn expand(&self, shape: &[usize]) -> X {
        self.then(|a| a.expand(shape))
    }

    #[track_caller]
    pub(crate) fn clamp_min(&self, min: f64) -> X {
        self.then(|a| a.clamp_min(min))
    }

    #[track_caller]
    pub(crate) fn clamp(&self, min: f64, max: f64) -> X {
        self.then(|a| a.clamp(min, max))
    }

    /// log (1 + eˣ).
    #[track_caller]
    pub(crate) fn softplus(&self) -> X {
        self.then(|a| a.softplus(1.0, 20.0))
    }

    /// The tensor to the power of a number or a formula.
    #[track_caller]
    pub(crate) fn pow(&self, exponent: impl Into<Y>) -> X {
        match exponent.into() {
            Y::Number(n) => self.then(|a| a.pow(n)),
            Y::Formula(b) => self.with(&b, |a, b| a.pow(b)),
        }
    }

    #[track_caller]
    pub(crate) fn xlogy(&self, other: &X) -> X {
        self.with(other, |a, b| a.xlogy(b))
    }

    #[track_caller]
    pub(crate) fn matmul(&self, other: &X) -> X {
        self.with(other, |a, b| a.matmul(b))
    }

    /// The diagonal of the last two dimensions.
    #[track_caller]
    pub(crate) fn diagonal(&self) -> X {
        self.then(|a| a.diagonal(0, -2, -1))
    }

    /// The last two dimensions in turn.
    #[track_caller]
    pub(crate) fn mt(&self) -> X {
        self.then(|a| a.transpose(-2, -1))
    }

    #[track_caller]
    pub(crate) fn to_dtype(&self, dtype: DType) -> X {
        self.then(|a| a.to_dtype(dtype))
    }

    #[track_caller]
    pub(crate) fn and(&self, other: &X) -> X {
        self.with(other, |a, b| a.logical_and(b))
    }

    #[track_caller]
    pub(crate) fn or(&self, other: &X) -> X {
        self.with(other, |a, b| a.logical_or(b))
    }
}

/// The right side of an operation: a number or a formula.
pub(crate) enum Y {
    Number(f64),
    Formula(X),
}

impl From<f64> for Y {
    fn from(n: f64) -> Y {
        Y::Number(n)
    }
}

impl From<X> for Y {
    fn from(b: X) -> Y {
        Y::Formula(b)
    }
}

impl From<&X> for Y {
    fn from(b: &X) -> Y {
        Y::Formula(b.clone())
    }
}

macro_rules! unary {
    ($($name:ident)*) => {
        impl X {
            $(#[track_caller] pub(crate) fn $name(&self) -> X { self.then(|a| a.$name()) })*
        }
    };
}
unary!(exp expm1 log log1p abs sign sqrt square rsqrt reciprocal sigmoid erf erfinv tan atan cos acos floor
    lgamma digamma logsigmoid logical_not isnan);

macro_rules! comparisons {
    ($($name:ident)*) => {
        impl X {
            $(#[track_caller] pub(crate) fn $name(&self, other: impl Into<Y>) -> X {
                match other.into() {
                    Y::Number(n) => self.then(|a| a.$name(n)),
                    Y::Formula(b) => self.with(&b, |a, b| a.$name(b)),
                }
            })*
        }
    };
}
comparisons!(eq lt le gt ge);

macro_rules! operators {
    ($($Trait:ident, $op:ident, |$n:ident, $b:ident| $reversed:expr;)*) => {$(
        impl<R: Into<Y>> $Trait<R> for &X {
            type Output = X;
            #[track_caller]
            fn $op(self, other: R) -> X {
                match other.into() {
                    Y::Number(n) => self.then(|a| Tensor::$op(a, n)),
                    Y::Formula(b) => self.with(&b, |a, b| Tensor::$op(a, Operand::from(b))),
                }
            }
        }
        impl<R: Into<Y>> $Trait<R> for X {
            type Output = X;
            #[track_caller]
            fn $op(self, other: R) -> X {
                $Trait::$op(&self, other)
            }
        }
        impl $Trait<&X> for f64 {
            type Output = X;
            #[track_caller]
            fn $op(self, other: &X) -> X {
                let $n = self;
                other.then(|$b| $reversed)
            }
        }
        impl $Trait<X> for f64 {
            type Output = X;
            #[track_caller]
            fn $op(self, other: X) -> X {
                $Trait::$op(self, &other)
            }
        }
    )*};
}
operators! {
    Add, add, |n, b| Tensor::add(b, n);
    Sub, sub, |n, b| b.rsub(n);
    Mul, mul, |n, b| Tensor::mul(b, n);
    Div, div, |n, b| b.rdiv(n);
}

impl Neg for &X {
    type Output = X;
    #[track_caller]
    fn neg(self) -> X {
        self.then(Tensor::neg)
    }
}

impl Neg for X {
    type Output = X;
    #[track_caller]
    fn neg(self) -> X {
        Neg::neg(&self)
    }
}
