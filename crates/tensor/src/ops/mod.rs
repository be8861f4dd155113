//! The op vocabulary by family, and the `Tensor` methods over it.
//!
//! A file here says what its ops are: the struct, what it makes of shapes and dtypes ([`Infer`]), and
//! the methods people call. The kernels stand in the file of the same name under `cpu`, the derivatives
//! under `flambeau-autograd`'s `rules`.
//!
//! [`Infer`]: crate::op::Infer

mod activation;
mod binary;
mod cast;
mod clamp;
mod compare;
mod conv;
mod factory;
mod fft;
mod index;
mod join;
mod matmul;
mod norm;
mod operators;
mod optim;
mod pad;
mod pool;
mod reduce;
mod results;
mod scan;
mod scatter;
mod softmax;
mod sort;
mod ternary;
mod unary;
mod view;

pub use activation::*;
pub use binary::*;
pub use cast::*;
pub use clamp::*;
pub use compare::*;
pub use conv::*;
pub use factory::*;
pub use fft::*;
pub use index::*;
pub use join::*;
pub use matmul::*;
pub use norm::*;
pub use optim::*;
pub use pad::*;
pub use pool::*;
pub use reduce::*;
pub use results::*;
pub use scan::*;
pub use scatter::*;
pub use softmax::*;
pub use sort::*;
pub use ternary::*;
pub use unary::*;
pub use view::*;
