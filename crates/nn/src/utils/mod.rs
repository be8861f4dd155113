//! What is done to the parameters of a model beside training: `torch.nn.utils`.

mod clip;
pub mod rnn;

pub use clip::*;
