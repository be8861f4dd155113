//! What a tensor is described by: its device, dtype, shape and layout, a number beside it, and the error that names them.

pub(crate) mod device;
pub(crate) mod dtype;
pub(crate) mod error;
pub mod layout;
pub(crate) mod scalar;
pub mod shape;
