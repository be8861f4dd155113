//! Reductions over dimensions.

use super::{Entry, view::dims};
use crate::call::ok;

pub(super) const TABLE: &[Entry] = &[
    ("sum", |c| {
        let x = match c.dtype_opt(usize::MAX, "dtype")? {
            None => c.x()?.clone(),
            Some(dtype) => c.x()?.to_dtype(dtype)?,
        };
        match c.flag(2, "keepdim", false)? {
            false => ok(x.sum(dims(c, 1)?)?),
            true => ok(x.sum_keepdim(dims(c, 1)?)?),
        }
    }),
    ("sum_to_size", |c| {
        let sizes: Vec<usize> = c.sizes(1, "size")?.iter().map(|&s| s as usize).collect();
        ok(c.x()?.sum_to_size(&sizes)?)
    }),
];
