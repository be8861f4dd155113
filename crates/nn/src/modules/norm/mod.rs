//! Normalising layers.

mod batch;
mod layer;
mod response;

pub use batch::*;
pub use layer::*;
pub use response::*;
