//! Softmax and its kin.

use super::Entry;
use crate::call::ok;

/// Along a dimension, in the input's dtype or one that is named.
macro_rules! softmax {
    ($($name:literal => $method:ident, $in_dtype:ident;)*) => {
        pub(super) const TABLE: &[Entry] = &[$(($name, |c| {
            let dim = c.dim(1, "dim")?;
            match c.dtype_opt(usize::MAX, "dtype")? {
                None => ok(c.x()?.$method(dim)?),
                Some(dtype) => ok(c.x()?.$in_dtype(dim, dtype)?),
            }
        }),)*];
    };
}

softmax! {
    "log_softmax" => log_softmax, log_softmax_in;
    "nn.functional.softmin" => softmin, softmin_in;
    "softmax" => softmax, softmax_in;
}
