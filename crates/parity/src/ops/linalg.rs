//! Linear algebra without decompositions.

use flambeau_tensor::{Dims, linalg};

use super::Entry;
use crate::call::{KEYWORD, ok, unsupported};

pub(super) const TABLE: &[Entry] = &[
    ("linalg.cross", |c| ok(linalg::cross(c.x()?, c.tensor(1, "other")?, c.dim_or(KEYWORD, "dim", -1)?)?)),
    ("linalg.diagonal", |c| {
        let dims = (c.dim_or(KEYWORD, "dim1", -2)?, c.dim_or(KEYWORD, "dim2", -1)?);
        ok(linalg::diagonal(c.x()?, c.dim_or(KEYWORD, "offset", 0)?, dims.0, dims.1)?)
    }),
    ("linalg.multi_dot", |c| ok(linalg::multi_dot(&c.tensors(0, "tensors")?)?)),
    ("linalg.vander", |c| {
        let n = if c.given(KEYWORD, "N").is_some() { Some(c.size(KEYWORD, "N")?) } else { None };
        ok(linalg::vander(c.x()?, n)?)
    }),
    ("linalg.vecdot", |c| ok(linalg::vecdot(c.x()?, c.tensor(1, "y")?, c.dim_or(KEYWORD, "dim", -1)?)?)),
    ("linalg.vector_norm", |c| {
        let dims = c.ints_opt(2, "dim")?.map_or(Dims::All, Dims::from);
        if c.dtype_opt(KEYWORD, "dtype")?.is_some() {
            return unsupported("vector_norm has no dtype");
        }
        ok(linalg::vector_norm(c.x()?, c.float_or(1, "ord", 2.0)?, dims, c.flag(3, "keepdim", false)?)?)
    }),
];
