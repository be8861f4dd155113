//! Operands that are parameters or buffers: `&self.gain * x`, `0.5 * &self.bias`, `x.add(&self.bias)?`.

use crate::{Buffer, Parameter};
use flambeau_tensor::{Operand, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operands {
    ($($Held:ident),*) => {$(
        impl From<$Held> for Operand<'_> {
            fn from(held: $Held) -> Self {
                Operand::from(held.tensor().clone())
            }
        }

        impl Neg for &$Held {
            type Output = Tensor;
            #[track_caller]
            fn neg(self) -> Tensor {
                -self.tensor()
            }
        }

        operators!($Held: Add add, Sub sub, Mul mul, Div div);
    )*};
}

macro_rules! operators {
    ($Held:ident: $($Trait:ident $op:ident),*) => {$(
        impl<'a, R: Into<Operand<'a>>> $Trait<R> for &$Held {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, other: R) -> Tensor {
                $Trait::$op(self.tensor(), other)
            }
        }

        operators!(@numbers $Held $Trait $op: f64, i64);
    )*};
    (@numbers $Held:ident $Trait:ident $op:ident: $($Number:ty),*) => {$(
        impl $Trait<&$Held> for $Number {
            type Output = Tensor;
            #[track_caller]
            fn $op(self, other: &$Held) -> Tensor {
                $Trait::$op(self, other.tensor())
            }
        }
    )*};
}

operands!(Parameter, Buffer);
