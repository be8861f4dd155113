//! What is done to the parameters of a model beside training: `torch.nn.utils`.

mod clip;

pub use clip::*;
