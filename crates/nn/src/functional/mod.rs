//! Functions on tensors, named as in `torch.nn.functional`: each takes its tensors by reference, what has
//! no default, and nothing else; where PyTorch has more arguments, a second function of the name with
//! `_with` takes them. The work is done by the tensor's own methods.

mod activation;
mod dropout;
#[cfg(any())] mod embedding;
mod linear;

pub use activation::*;
pub use dropout::*;
#[cfg(any())] pub use embedding::*;
pub use linear::*;
