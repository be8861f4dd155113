//! What kernels are made of: operands as slices, lanes and conversions between dtypes, loops over strided operands,
//! shares of work for threads. No op has a file here; the kernels stand beside this folder, a file a family.

pub(crate) mod convert;
pub(crate) mod floats;
pub(crate) mod halves;
pub(crate) mod iter;
pub(crate) mod lanes;
pub(crate) mod micro;
pub(crate) mod packed;
pub(crate) mod par;
pub(crate) mod planes;
pub(crate) mod scratch;
pub(crate) mod view;
pub(crate) mod words;
