//! Normalising layers.

mod batch;
mod layer;

pub use batch::*;
pub use layer::*;
