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
mod factory;
mod matmul;
mod operators;
mod optim;
mod reduce;
mod ternary;
mod unary;
mod view;

pub use activation::*;
pub use binary::*;
pub use cast::*;
pub use factory::*;
pub use optim::*;
pub use matmul::*;
pub use reduce::*;
pub use ternary::*;
pub use unary::*;
pub use view::*;
