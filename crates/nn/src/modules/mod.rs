//! The layers and losses, in families as the ops they are made of.

mod activation;
mod attention;
mod conv;
mod dropout;
mod embedding;
mod linear;
mod loss;
mod margin;
mod norm;
mod pad;
mod pool;
mod recurrent;
mod shape;
mod transformer;

pub use activation::*;
pub use attention::*;
pub use conv::*;
pub use dropout::*;
pub use embedding::*;
pub use linear::*;
pub use loss::*;
pub use margin::*;
pub use norm::*;
pub use pad::*;
pub use pool::*;
pub use recurrent::*;
pub use shape::*;
pub use transformer::*;

use crate::Parameter;
use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{DType, Device, Result, Tensor};

/// A parameter to be filled.
#[track_caller]
fn parameter(shape: impl IntoShape, dtype: DType, device: Device) -> Result<Parameter> {
    Parameter::new(Tensor::zeros(shape).dtype(dtype).device(device).build()?)
}

/// A parameter full of `value`.
#[track_caller]
fn parameter_of(value: f64, shape: impl IntoShape, dtype: DType, device: Device) -> Result<Parameter> {
    Parameter::new(Tensor::full(shape, value).dtype(dtype).device(device).build()?)
}
