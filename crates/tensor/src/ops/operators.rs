//! `+ - * /` and unary `-` on tensors: sugar that panics, as indexing a `Vec` does, with the message the
//! method would have returned.

use crate::{Operand, Result, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

#[track_caller]
fn must(result: Result<Tensor>) -> Tensor {
    match result {
        Ok(t) => t,
        Err(e) => panic!("{e}"),
    }
}

macro_rules! operators {
    ($($Trait:ident, $op:ident, $method:ident, |$s:ident, $t:ident| $reversed:expr;)*) => {$(
        impl<'a, R: Into<Operand<'a>>> $Trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, other: R) -> Tensor { must(self.$method(other)) }
        }
        impl<'a, R: Into<Operand<'a>>> $Trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, other: R) -> Tensor { must((&self).$method(other)) }
        }
        // One type for each kind of literal: so `0.5 * x` says what it is without being asked.
        operators!(@scalars $Trait, $op, |$s, $t| $reversed; f64, i64);
    )*};
    (@scalars $Trait:ident, $op:ident, |$s:ident, $t:ident| $reversed:expr; $($scalar:ty),*) => {$(
        impl $Trait<&Tensor> for $scalar {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, $t: &Tensor) -> Tensor { let $s = self; must($reversed) }
        }
        impl $Trait<Tensor> for $scalar {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, t: Tensor) -> Tensor { let ($s, $t) = (self, &t); must($reversed) }
        }
    )*};
}

operators! {
    Add, add, add, |s, t| t.add(s);
    Sub, sub, sub, |s, t| t.rsub(s);
    Mul, mul, mul, |s, t| t.mul(s);
    Div, div, div, |s, t| t.rdiv(s);
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        must(Tensor::neg(self))
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        must(Tensor::neg(&self))
    }
}
