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
mod factory;
mod index;
mod join;
mod matmul;
mod operators;
mod optim;
mod pad;
mod reduce;
mod scatter;
mod ternary;
mod unary;
mod view;

pub use activation::*;
pub use binary::*;
pub use cast::*;
pub use clamp::*;
pub use factory::*;
pub use index::*;
pub use join::*;
pub use optim::*;
pub use matmul::*;
pub use pad::*;
pub use reduce::*;
pub use scatter::*;
pub use ternary::*;
pub use unary::*;
pub use view::*;
