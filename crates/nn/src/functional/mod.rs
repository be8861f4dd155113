//! Functions on tensors, named as in `torch.nn.functional`: each takes its tensors (owned, by reference, or
//! a parameter), what has no default, and nothing else; where PyTorch has more arguments, a second function of the name with
//! `_with` takes them. The work is done by the tensor's own methods.

mod activation;
mod attention;
mod bce;
mod conv;
mod ctc;
mod distance;
mod dropout;
mod embedding;
mod linear;
mod loss;
mod margin;
mod norm;
mod pool;
mod rearrange;

pub use activation::*;
pub use attention::*;
pub use conv::*;
pub use ctc::*;
pub use distance::*;
pub use dropout::*;
pub use embedding::*;
pub use linear::*;
pub use loss::*;
pub use margin::*;
pub use norm::*;
pub use pool::*;
pub use rearrange::*;
