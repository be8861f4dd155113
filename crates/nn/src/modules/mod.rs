//! The layers and losses, in families as the ops they are made of.

mod activation;
mod adaptive_softmax;
mod attention;
mod bags;
mod conv;
mod ctc;
mod distance;
mod dropout;
mod embedding;
mod fractional;
mod lazy;
mod linear;
mod loss;
mod margin;
mod norm;
mod pad;
mod pool;
mod rearrange;
mod recurrent;
mod resample;
mod shape;
mod transformer;
mod unpool;

pub use activation::*;
pub use adaptive_softmax::*;
pub use attention::*;
pub use bags::*;
pub use conv::*;
pub use ctc::*;
pub use distance::*;
pub use dropout::*;
pub use embedding::*;
pub use fractional::*;
pub use lazy::*;
pub use linear::*;
pub use loss::*;
pub use margin::*;
pub use norm::*;
pub use pad::*;
pub use pool::*;
pub use rearrange::*;
pub use recurrent::*;
pub use resample::*;
pub use shape::*;
pub use transformer::*;
pub use unpool::*;

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
