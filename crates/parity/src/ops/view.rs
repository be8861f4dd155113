//! Views: the same elements under another shape.

use flambeau_tensor::{Dims, broadcast_tensors, shape::broadcast_shapes};

use super::Entry;
use crate::{
    call::{Call, Trouble, ok, unsupported},
    value::Value,
};

/// The gradient of the input is 0 where the view is not, instead of where it is.
pub(super) const WRONG_SCATTER: &str = "PyTorch 2.15's gradient fails its own gradcheck";

pub(super) const TABLE: &[Entry] = &[
    ("H", |c| ok(c.x()?.t()?.conj()?)),
    ("T", |c| ok(c.x()?.t()?)),
    ("as_strided", |c| {
        if !c.x()?.is_contiguous() {
            return unsupported("the gaps in the input's storage were not recorded");
        }
        let offset = c.int_or(3, "storage_offset", 0)? as usize;
        ok(c.x()?.as_strided(c.ints(1, "size")?, c.ints(2, "stride")?, offset)?)
    }),
    ("as_strided.partial_views", |_| unsupported("the storage that the input is a part of was not recorded")),
    ("as_strided_scatter", |_| unsupported(WRONG_SCATTER)),
    ("broadcast_shapes", |c| {
        let mut shape = unsigned(&c.ints(0, "")?);
        for i in 1..c.count() {
            shape = broadcast_shapes("broadcast_shapes", &shape, &unsigned(&c.ints(i, "")?))?.to_vec();
        }
        ok(Value::Seq(shape.into_iter().map(|n| Value::Int(n as i64)).collect()))
    }),
    ("broadcast_tensors", |c| {
        let all = c.tensors_from(0)?;
        ok(broadcast_tensors(&all.iter().collect::<Vec<_>>())?)
    }),
    ("broadcast_to", |c| ok(c.x()?.expand(c.sizes(1, "size")?)?)),
    ("chunk", |c| ok(c.x()?.chunk(c.size(1, "chunks")?, c.dim_or(2, "dim", 0)?)?)),
    ("diagonal", |c| {
        let (offset, dim1) = (c.dim_or(1, "offset", 0)?, c.dim_or(2, "dim1", 0)?);
        ok(c.x()?.diagonal(offset, dim1, c.dim_or(3, "dim2", 1)?)?)
    }),
    ("expand", |c| ok(c.x()?.expand(c.sizes(1, "size")?)?)),
    ("expand_as", |c| ok(c.x()?.expand_as(c.tensor(1, "other")?)?)),
    ("flatten", |c| ok(c.x()?.flatten(c.dim_or(1, "start_dim", 0)?, c.dim_or(2, "end_dim", -1)?)?)),
    ("linalg.diagonal", |c| {
        let (offset, dim1) = (c.dim_or(1, "offset", 0)?, c.dim_or(2, "dim1", -2)?);
        ok(c.x()?.diagonal(offset, dim1, c.dim_or(3, "dim2", -1)?)?)
    }),
    ("mH", |c| ok(c.x()?.mt()?.conj()?)),
    ("mT", |c| ok(c.x()?.mt()?)),
    ("movedim", |c| ok(c.x()?.movedim(c.ints(1, "source")?, c.ints(2, "destination")?)?)),
    ("narrow", |c| ok(c.x()?.narrow(c.dim(1, "dim")?, int_or_tensor(c, 2, "start")?, c.size(3, "length")?)?)),
    ("permute", |c| ok(c.x()?.permute(c.sizes(1, "dims")?)?)),
    ("ravel", |c| ok(c.x()?.ravel()?)),
    ("reshape", |c| ok(c.x()?.reshape(c.sizes(1, "shape")?)?)),
    ("reshape_as", |c| ok(c.x()?.reshape_as(c.tensor(1, "other")?)?)),
    ("select", |c| ok(c.x()?.select(c.dim(1, "dim")?, c.dim(2, "index")?)?)),
    ("slice", |c| {
        let (start, end) = (c.dim_or(2, "start", 0)?, c.dim_or(3, "end", isize::MAX)?);
        let step = c.int_or(4, "step", 1)? as usize;
        ok(c.x()?.slice(c.dim_or(1, "dim", 0)?, start, end, step)?)
    }),
    ("split", |c| {
        let dim = c.dim_or(2, "dim", 0)?;
        match c.ints(1, "split_size_or_sections")?.as_slice() {
            [size] if c.is_int(1, "split_size_or_sections") => ok(c.x()?.split(*size as usize, dim)?),
            sizes => ok(c.x()?.split_with_sizes(&unsigned(sizes), dim)?),
        }
    }),
    ("split_with_sizes", |c| {
        let sizes = unsigned(&c.ints(1, "split_sizes")?);
        ok(c.x()?.split_with_sizes(&sizes, c.dim_or(2, "dim", 0)?)?)
    }),
    ("squeeze", |c| match c.ints_opt(1, "dim")? {
        None => ok(c.x()?.squeeze(..)?),
        Some(dims) => ok(c.x()?.squeeze(dims)?),
    }),
    ("t", |c| ok(c.x()?.t()?)),
    ("transpose", |c| ok(c.x()?.transpose(c.dim(1, "dim0")?, c.dim(2, "dim1")?)?)),
    ("unbind", |c| ok(c.x()?.unbind(c.dim_or(1, "dim", 0)?)?)),
    ("unflatten", |c| ok(c.x()?.unflatten(c.dim(1, "dim")?, c.ints(2, "sizes")?)?)),
    ("unfold", |c| ok(c.x()?.unfold(c.dim(1, "dimension")?, c.size(2, "size")?, c.size(3, "step")?)?)),
    ("unsafe_chunk", |c| ok(c.x()?.chunk(c.size(1, "chunks")?, c.dim_or(2, "dim", 0)?)?)),
    ("unsafe_split", |c| ok(c.x()?.split(c.size(1, "split_size")?, c.dim_or(2, "dim", 0)?)?)),
    ("unsqueeze", |c| ok(c.x()?.unsqueeze(c.dim(1, "dim")?)?)),
    ("view", |c| ok(c.x()?.view(c.sizes(1, "shape")?)?)),
    ("view_as", |c| ok(c.x()?.view_as(c.tensor(1, "other")?)?)),
    ("view_as_complex", |c| ok(c.x()?.view_as_complex()?)),
    ("view_as_real", |c| ok(c.x()?.view_as_real()?)),
];

/// The same in memory of their own.
pub(super) const COPIES: &[Entry] = &[
    ("alias_copy", |c| ok(c.x()?.copy()?)),
    ("as_strided_copy", |c| {
        if !c.x()?.is_contiguous() {
            return unsupported("the gaps in the input's storage were not recorded");
        }
        let offset = c.int_or(3, "storage_offset", 0)? as usize;
        ok(c.x()?.as_strided_copy(c.ints(1, "size")?, c.ints(2, "stride")?, offset)?)
    }),
    ("diagonal_copy", |c| {
        let (offset, dim1) = (c.dim_or(1, "offset", 0)?, c.dim_or(2, "dim1", 0)?);
        ok(c.x()?.diagonal_copy(offset, dim1, c.dim_or(3, "dim2", 1)?)?)
    }),
    ("expand_copy", |c| ok(c.x()?.expand_copy(c.sizes(1, "size")?)?)),
    ("narrow_copy", |c| {
        ok(c.x()?.narrow_copy(c.dim(1, "dim")?, int_or_tensor(c, 2, "start")?, c.size(3, "length")?)?)
    }),
    ("permute_copy", |c| ok(c.x()?.permute_copy(c.sizes(1, "dims")?)?)),
    ("split_with_sizes_copy", |c| {
        let sizes = unsigned(&c.ints(1, "split_sizes")?);
        ok(c.x()?.split_with_sizes_copy(&sizes, c.dim_or(2, "dim", 0)?)?)
    }),
    ("squeeze_copy", |c| match c.ints_opt(1, "dim")? {
        None => ok(c.x()?.squeeze_copy(..)?),
        Some(dims) => ok(c.x()?.squeeze_copy(dims)?),
    }),
    ("t_copy", |c| ok(c.x()?.t_copy()?)),
    ("transpose_copy", |c| ok(c.x()?.transpose_copy(c.dim(1, "dim0")?, c.dim(2, "dim1")?)?)),
    ("unbind_copy", |c| ok(c.x()?.unbind_copy(c.dim_or(1, "dim", 0)?)?)),
    ("unfold_copy", |c| ok(c.x()?.unfold_copy(c.dim(1, "dimension")?, c.size(2, "size")?, c.size(3, "step")?)?)),
    ("unsqueeze_copy", |c| ok(c.x()?.unsqueeze_copy(c.dim(1, "dim")?)?)),
    ("view_copy", |c| ok(c.x()?.view_copy(c.sizes(1, "size")?)?)),
];

fn unsigned(sizes: &[isize]) -> Vec<usize> {
    sizes.iter().map(|&s| s as usize).collect()
}

/// An index, which `narrow` takes as a tensor too.
fn int_or_tensor(c: &Call, position: usize, name: &str) -> Result<isize, Trouble> {
    match c.tensor_opt(position, name) {
        Ok(Some(tensor)) => Ok(tensor.item::<i64>()? as isize),
        _ => c.dim(position, name),
    }
}

/// The dimensions of a reduction: all where none are given.
pub(super) fn dims(c: &Call, position: usize) -> Result<Dims, Trouble> {
    Ok(c.ints_opt(position, "dim")?.map_or(Dims::All, Dims::from))
}
