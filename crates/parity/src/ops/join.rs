//! Joining, repeating, turning and padding; triangles and diagonals.

use flambeau_tensor::{
    Dims, Indexing, PadMode, Scalar, Tensor, block_diag, cartesian_prod, cat, column_stack, dstack, hstack, meshgrid,
    stack, vstack,
};

use super::{Entry, view::dims};
use crate::{
    call::{Call, Outcome, Trouble, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("atleast_1d", |c| each(c, Tensor::atleast_1d)),
    ("atleast_2d", |c| each(c, Tensor::atleast_2d)),
    ("atleast_3d", |c| each(c, Tensor::atleast_3d)),
    ("block_diag", |c| ok(block_diag(&c.tensors_from(0)?)?)),
    ("cartesian_prod", |c| ok(cartesian_prod(&c.tensors_from(0)?)?)),
    ("cat", |c| ok(cat(&c.tensors(0, "tensors")?, c.dim_or(1, "dim", 0)?)?)),
    ("column_stack", |c| ok(column_stack(&c.tensors(0, "tensors")?)?)),
    ("combinations", |c| {
        let r = c.int_or(1, "r", 2)? as usize;
        ok(c.x()?.combinations(r, c.flag(2, "with_replacement", false)?)?)
    }),
    ("constant_pad_nd", |c| ok(c.x()?.pad(&c.ints(1, "pad")?, c.scalar_opt(2, "value")?.unwrap_or(Scalar::Int(0)))?)),
    ("diag", |c| ok(c.x()?.diag(c.dim_or(1, "diagonal", 0)?)?)),
    ("diag_embed", |c| {
        let (offset, dim1) = (c.dim_or(1, "offset", 0)?, c.dim_or(2, "dim1", -2)?);
        ok(c.x()?.diag_embed(offset, dim1, c.dim_or(3, "dim2", -1)?)?)
    }),
    ("diagflat", |c| ok(c.x()?.diagflat(c.dim_or(1, "offset", 0)?)?)),
    ("diagonal_scatter", |c| {
        let (offset, dim1) = (c.dim_or(2, "offset", 0)?, c.dim_or(3, "dim1", 0)?);
        let dim2 = c.dim_or(4, "dim2", 1)?;
        ok(c.x()?.diagonal_scatter(c.tensor(1, "src")?, offset, dim1, dim2)?)
    }),
    ("dstack", |c| ok(dstack(&c.tensors(0, "tensors")?)?)),
    ("flip", |c| ok(c.x()?.flip(c.sizes(1, "dims")?)?)),
    ("fliplr", |c| ok(c.x()?.fliplr()?)),
    ("flipud", |c| ok(c.x()?.flipud()?)),
    ("hstack", |c| ok(hstack(&c.tensors(0, "tensors")?)?)),
    ("meshgrid", |c| {
        let lists = match c.get(0, "tensors") {
            Some(Value::Seq(_) | Value::List(_)) => c.tensors(0, "tensors")?,
            _ => c.tensors_from(0)?,
        };
        match c.text_or(usize::MAX, "indexing", "ij")? {
            "xy" => ok(meshgrid(&lists, Indexing::Xy)?),
            _ => ok(meshgrid(&lists, Indexing::Ij)?),
        }
    }),
    ("nn.functional.pad", |c| {
        let pads = c.ints(1, "pad")?;
        let mode = match c.text_or(2, "mode", "constant")? {
            "constant" => {
                let value = c.scalar_opt(3, "value")?.unwrap_or(Scalar::Int(0));
                return ok(c.x()?.pad(&pads, value)?);
            }
            "reflect" => PadMode::Reflect,
            "replicate" => PadMode::Replicate,
            "circular" => PadMode::Circular,
            other => return unsupported(format!("padding mode {other}")),
        };
        ok(c.x()?.pad_with(&pads, mode)?)
    }),
    ("repeat", |c| ok(c.x()?.repeat(c.sizes(1, "repeats")?)?)),
    ("repeat_interleave", |c| {
        let dim = c.int_opt(2, "dim")?.map(|d| d as isize);
        // The size of the result, which saves PyTorch a look at the tensor.
        c.int_opt(usize::MAX, "output_size")?;
        match c.int_opt(1, "repeats") {
            Ok(Some(times)) => ok(c.x()?.repeat_interleave(times as usize, dim)?),
            _ => ok(c.x()?.repeat_interleave_each(c.tensor(1, "repeats")?, dim)?),
        }
    }),
    ("roll", |c| ok(c.x()?.roll(c.ints(1, "shifts")?, named_dims(c, 2)?)?)),
    ("rot90", |c| {
        let k = c.dim_or(1, "k", 1)?;
        match c.ints_opt(2, "dims")?.as_deref() {
            None => ok(c.x()?.rot90(k, 0, 1)?),
            Some([from, to]) => ok(c.x()?.rot90(k, *from, *to)?),
            _ => unsupported("rot90 turns two dimensions"),
        }
    }),
    ("select_scatter", |c| ok(c.x()?.select_scatter(c.tensor(1, "src")?, c.dim(2, "dim")?, c.dim(3, "index")?)?)),
    ("slice_scatter", |c| {
        let (dim, start) = (c.dim_or(2, "dim", 0)?, c.dim_or(3, "start", 0)?);
        let (end, step) = (c.dim_or(4, "end", isize::MAX)?, c.int_or(5, "step", 1)? as usize);
        ok(c.x()?.slice_scatter(c.tensor(1, "src")?, dim, start, end, step)?)
    }),
    ("stack", |c| ok(stack(&c.tensors(0, "tensors")?, c.dim_or(1, "dim", 0)?)?)),
    ("tile", |c| ok(c.x()?.tile(c.sizes(1, "dims")?)?)),
    ("trace", |c| ok(c.x()?.trace()?)),
    ("tril", |c| ok(c.x()?.tril(c.dim_or(1, "diagonal", 0)?)?)),
    ("tril_indices", |c| triangle(c, Tensor::tril_indices)),
    ("triu", |c| ok(c.x()?.triu(c.dim_or(1, "diagonal", 0)?)?)),
    ("triu_indices", |c| triangle(c, Tensor::triu_indices)),
    ("vstack", |c| ok(vstack(&c.tensors(0, "tensors")?)?)),
];

fn each(c: &Call, f: fn(&Tensor) -> flambeau_tensor::Result<Tensor>) -> Outcome {
    match c.get(0, "input") {
        Some(Value::Seq(_) | Value::List(_)) => {
            let all = c.tensors(0, "tensors")?;
            ok(all.iter().map(f).collect::<Result<Vec<_>, _>>()?)
        }
        _ if c.count() > 1 => {
            let all = c.tensors_from(0)?;
            ok(all.iter().map(f).collect::<Result<Vec<_>, _>>()?)
        }
        _ => ok(f(c.x()?)?),
    }
}

fn triangle(c: &Call, f: fn(usize, usize, isize) -> flambeau_tensor::Result<Tensor>) -> Outcome {
    let indices = f(c.size(0, "row")?, c.size(1, "col")?, c.dim_or(2, "offset", 0)?)?;
    match c.dtype_opt(usize::MAX, "dtype")? {
        None => ok(indices),
        Some(dtype) => ok(indices.to_dtype(dtype)?),
    }
}

/// The dimensions of `roll`: all in a row where none or an empty list is given.
fn named_dims(c: &Call, position: usize) -> Result<Dims, Trouble> {
    match c.ints_opt(position, "dims")? {
        Some(list) if !list.is_empty() => Ok(list.into()),
        _ => dims(c, position),
    }
}
