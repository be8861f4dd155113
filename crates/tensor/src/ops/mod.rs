//! The op vocabulary by family, and the `Tensor` methods over it.
//!
//! A file here says what its ops are: the struct, what it makes of shapes and dtypes ([`Infer`]), and
//! the methods people call. The kernels stand in the file of the same name under `cpu`, the derivatives
//! under `flambeau-autograd`'s `rules`.
//!
//! [`Infer`]: crate::op::Infer

mod activation;
mod as_strided;
mod attention;
mod bags;
mod binary;
mod cast;
mod clamp;
mod compare;
mod conv;
mod counting;
mod ctc;
mod diagonal;
mod differences;
mod distance;
mod draws;
mod einsum;
mod factory;
mod fft;
mod fractional;
mod grid;
mod in_place;
mod index;
mod istft;
mod join;
mod linalg;
mod matmul;
mod memory_format;
mod norm;
mod operators;
mod optim;
mod pad;
mod pointwise;
mod pool;
mod random;
mod rearrange;
mod reduce;
mod resample;
mod results;
mod rnn;
mod sampling;
mod scan;
mod scatter;
mod softmax;
mod sort;
mod special;
mod ternary;
mod unary;
mod unpool;
mod view;

pub use activation::*;
pub use as_strided::*;
pub use attention::*;
pub use bags::*;
pub use binary::*;
pub use cast::*;
pub use clamp::*;
pub use compare::*;
pub use conv::*;
pub use counting::*;
pub use ctc::*;
pub use differences::*;
pub use einsum::*;
pub use factory::*;
pub use fft::*;
pub use grid::*;
pub use index::*;
pub use istft::*;
pub use join::*;
pub use linalg::*;
pub use matmul::*;
pub use norm::*;
pub use optim::*;
pub use pad::*;
pub use pool::*;
pub use random::*;
pub use rearrange::*;
pub use reduce::*;
pub use resample::*;
pub use results::*;
pub use rnn::*;
pub use sampling::*;
pub use scan::*;
pub use scatter::*;
pub use softmax::*;
pub use sort::*;
pub use special::*;
pub use ternary::*;
pub use unary::*;
pub use unpool::*;
pub use view::*;
