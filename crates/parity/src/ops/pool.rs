//! Pooling.

use flambeau_tensor::{AvgPoolOptions, MaxPoolOptions, Tensor, ValuesIndices, shape::Spatial};

use super::{Entry, conv::spatial};
use crate::{
    call::{Call, KEYWORD, Outcome, Trouble, ok, unsupported},
    value::Value,
};

/// Largest elements, with or without their places.
macro_rules! max {
    ($($name:literal => $method:ident, $with_indices:ident;)*) => {
        pub(super) const MAX: &[Entry] = &[$(($name, |c| {
            let options = max_options(c)?;
            places(c, 6, |x| Ok(x.$method(options)?), |x| Ok(x.$with_indices(options)?))
        }),)*];
    };
}

max! {
    "nn.functional.max_pool1d" => max_pool1d, max_pool1d_with_indices;
    "nn.functional.max_pool2d" => max_pool2d, max_pool2d_with_indices;
    "nn.functional.max_pool3d" => max_pool3d, max_pool3d_with_indices;
}

macro_rules! adaptive_max {
    ($($name:literal => $method:ident, $with_indices:ident;)*) => {
        pub(super) const ADAPTIVE_MAX: &[Entry] = &[$(($name, |c| {
            let output = output_size(c, 1)?;
            places(c, 2, |x| Ok(x.$method(output)?), |x| Ok(x.$with_indices(output)?))
        }),)*];
    };
}

adaptive_max! {
    "nn.functional.adaptive_max_pool1d" => adaptive_max_pool1d, adaptive_max_pool1d_with_indices;
    "nn.functional.adaptive_max_pool2d" => adaptive_max_pool2d, adaptive_max_pool2d_with_indices;
    "nn.functional.adaptive_max_pool3d" => adaptive_max_pool3d, adaptive_max_pool3d_with_indices;
}

macro_rules! fractional {
    ($($name:literal => $method:ident, $rank:literal;)*) => {
        pub(super) const FRACTIONAL: &[Entry] = &[$(($name, |c| {
            let kernel = spatial(c, 1, "kernel_size", 1)?;
            let output = fractions(c, $rank)?;
            let samples = c.tensor_opt(KEYWORD, "_random_samples")?.cloned();
            let found = c.x()?.$method(kernel, output, samples.as_ref())?;
            if c.flag(4, "return_indices", false)? { ok(found) } else { ok(found.values) }
        }),)*];
    };
}

fractional! {
    "nn.functional.fractional_max_pool2d" => fractional_max_pool2d, 2;
    "nn.functional.fractional_max_pool3d" => fractional_max_pool3d, 3;
}

/// The sizes of the output, as they are or as parts of the input's.
fn fractions(c: &Call, rank: usize) -> Result<Spatial, Trouble> {
    if let Some(ratios) = c.floats_opt(3, "output_ratio")? {
        let sizes = c.x()?.shape();
        let sizes = &sizes[sizes.len().saturating_sub(rank)..];
        let of = |i: usize| ratios.get(i).or(ratios.first()).copied().unwrap_or(1.0);
        let parts: Vec<isize> = sizes.iter().enumerate().map(|(i, n)| (*n as f64 * of(i)) as isize).collect();
        return Ok(Spatial::from_slice(&parts)?);
    }
    spatial(c, 2, "output_size", 1)
}

pub(super) const AVERAGE: &[Entry] = &[
    ("nn.functional.adaptive_avg_pool1d", |c| ok(c.x()?.adaptive_avg_pool1d(output_size(c, 1)?)?)),
    ("nn.functional.adaptive_avg_pool2d", |c| ok(c.x()?.adaptive_avg_pool2d(output_size(c, 1)?)?)),
    ("nn.functional.adaptive_avg_pool3d", |c| ok(c.x()?.adaptive_avg_pool3d(output_size(c, 1)?)?)),
    ("nn.functional.avg_pool1d", |c| ok(c.x()?.avg_pool1d(avg_options(c)?)?)),
    ("nn.functional.avg_pool2d", |c| ok(c.x()?.avg_pool2d(avg_options(c)?)?)),
    ("nn.functional.avg_pool3d", |c| ok(c.x()?.avg_pool3d(avg_options(c)?)?)),
];

/// The values, and the places where `return_indices` is set.
fn places(
    c: &Call,
    position: usize,
    values: impl FnOnce(&Tensor) -> Result<Tensor, Trouble>,
    both: impl FnOnce(&Tensor) -> Result<ValuesIndices, Trouble>,
) -> Outcome {
    if c.flag(position, "return_indices", false)? { ok(both(c.x()?)?) } else { ok(values(c.x()?)?) }
}

fn max_options(c: &Call) -> Result<MaxPoolOptions, Trouble> {
    let mut options = MaxPoolOptions::new(spatial(c, 1, "kernel_size", 0)?)
        .padding(spatial(c, 3, "padding", 0)?)
        .dilation(spatial(c, 4, "dilation", 1)?)
        .ceil_mode(c.flag(5, "ceil_mode", false)?);
    options.stride = stride(c, 2)?;
    Ok(options)
}

fn avg_options(c: &Call) -> Result<AvgPoolOptions, Trouble> {
    let mut options = AvgPoolOptions::new(spatial(c, 1, "kernel_size", 0)?)
        .padding(spatial(c, 3, "padding", 0)?)
        .ceil_mode(c.flag(4, "ceil_mode", false)?)
        .count_include_pad(c.flag(5, "count_include_pad", true)?)
        .divisor_override(c.int_opt(6, "divisor_override")?.map(|d| d as isize));
    options.stride = stride(c, 2)?;
    Ok(options)
}

/// The stride, where one is given; an empty list is none.
pub(crate) fn stride(c: &Call, position: usize) -> Result<Option<Spatial>, Trouble> {
    Ok(match spatial(c, position, "stride", 0)? {
        none if none.given() == [0] => None,
        stride => Some(stride),
    })
}

/// The output's size; PyTorch's `None` keeps the input's.
pub(crate) fn output_size(c: &Call, position: usize) -> Result<Spatial, Trouble> {
    let one = |v: &Value<Tensor>| match v {
        Value::None => Some(-1),
        Value::Int(i) => Some(*i as isize),
        _ => None,
    };
    let sizes: Option<Vec<isize>> = match c.get(position, "output_size") {
        Some(Value::Seq(sizes) | Value::List(sizes)) => sizes.iter().map(one).collect(),
        Some(size) => one(size).map(|s| vec![s]),
        None => None,
    };
    match sizes.map(|s| Spatial::from_slice(&s)) {
        Some(Ok(size)) => Ok(size),
        _ => unsupported("output_size is not one to three integers"),
    }
}
