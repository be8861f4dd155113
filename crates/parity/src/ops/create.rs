//! Tensors out of nothing.

use flambeau_tensor::{DType, Scalar, Tensor, TensorBuilder};

use super::Entry;
use crate::call::{Call, Outcome, Trouble, ok};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("arange", |c| {
        let numbers = [c.scalar_opt(0, "")?, c.scalar_opt(1, "end")?, c.scalar_opt(2, "step")?];
        match numbers {
            [Some(end), None, None] => make(c, Tensor::arange(0, end)),
            [Some(start), Some(end), None] => make(c, Tensor::arange(start, end)),
            [Some(start), Some(end), Some(step)] => make(c, Tensor::arange_step(start, end, step)),
            _ => crate::call::unsupported("arange without an end"),
        }
    }),
    ("eye", |c| {
        let rows = c.size(0, "n")?;
        match c.int_opt(1, "m")? {
            None => make(c, Tensor::eye(rows)),
            Some(columns) => make(c, Tensor::eye_of(rows, columns as usize)),
        }
    }),
    ("full", |c| make(c, Tensor::full(c.ints(0, "size")?, c.scalar(1, "fill_value")?))),
    ("full_like", |c| make_like(c, Tensor::full(c.x()?.shape(), c.scalar(1, "fill_value")?))),
    ("linspace", |c| {
        let (start, end) = (number(c, 0, "start")?, number(c, 1, "end")?);
        make(c, Tensor::linspace(start, end, c.size(2, "steps")?))
    }),
    ("logspace", |c| {
        let (start, end, steps) = (number(c, 0, "start")?, number(c, 1, "end")?, c.size(2, "steps")?);
        let dtype = c.dtype_opt(usize::MAX, "dtype")?.unwrap_or(DType::DEFAULT);
        ok(Tensor::logspace_as(start, end, steps, c.float_or(3, "base", 10.0)?, dtype)?)
    }),
    ("new_full", |c| make_like(c, Tensor::full(c.sizes(1, "size")?, c.scalar(2, "fill_value")?))),
    ("new_ones", |c| make_like(c, Tensor::ones(c.sizes(1, "size")?))),
    ("new_zeros", |c| make_like(c, Tensor::zeros(c.sizes(1, "size")?))),
    ("ones", |c| make(c, Tensor::ones(c.ints(0, "size")?))),
    ("ones_like", |c| make_like(c, Tensor::ones(c.x()?.shape()))),
    ("scalar_tensor", |c| make(c, Tensor::full((), c.scalar(0, "s")?))),
    ("zeros", |c| make(c, Tensor::zeros(c.ints(0, "size")?))),
    ("zeros_like", |c| make_like(c, Tensor::zeros(c.x()?.shape()))),
];

/// An end, which may be a tensor of one number.
fn number(c: &Call, position: usize, name: &str) -> Result<Scalar, Trouble> {
    match c.given(position, name) {
        Some(Value::Tensor(t)) if t.numel() == 1 => Ok(t.reshape(())?.scalar()?),
        _ => c.scalar(position, name),
    }
}

fn make(c: &Call, builder: TensorBuilder) -> Outcome {
    ok(with_dtype(c, builder)?.build()?)
}

/// In the input's dtype, unless the call names another.
fn make_like(c: &Call, builder: TensorBuilder) -> Outcome {
    ok(with_dtype(c, builder.dtype(c.x()?.dtype()))?.build()?)
}

fn with_dtype(c: &Call, builder: TensorBuilder) -> Result<TensorBuilder, Trouble> {
    Ok(match c.dtype_opt(usize::MAX, "dtype")? {
        None => builder,
        Some(dtype) => builder.dtype(dtype),
    })
}
