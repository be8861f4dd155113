//! Images: in another size, sampled, shuffled, as columns, unpooled; and bags of embeddings.

use flambeau_tensor::{
    BagMode, ColumnOptions, EmbeddingBagOptions, GridMode, GridPadding, InterpolateMode, InterpolateOptions, Tensor,
    UnpoolOptions,
};

use super::{Entry, conv::spatial, pool::stride};
use crate::{
    call::{Call, Outcome, Trouble, as_scalar, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("grid_sampler_2d", grid_sampler),
    ("grid_sampler_3d", grid_sampler),
    ("nn.functional.channel_shuffle", |c| ok(c.x()?.channel_shuffle(c.size(1, "groups")?)?)),
    ("nn.functional.embedding_bag", |c| {
        let options = EmbeddingBagOptions {
            offsets: c.tensor_opt(2, "offsets")?,
            mode: bag_mode(c, 6)?,
            per_sample_weights: c.tensor_opt(8, "per_sample_weights")?,
            include_last_offset: c.flag(9, "include_last_offset", false)?,
            padding_idx: c.int_opt(10, "padding_idx")?.map(|p| p as isize),
        };
        ok(c.x()?.embedding_bag(c.tensor(1, "indices")?, options)?)
    }),
    ("nn.functional.grid_sample", |c| {
        let mode = match c.text_or(2, "mode", "bilinear")? {
            "bilinear" => GridMode::Bilinear,
            "nearest" => GridMode::Nearest,
            "bicubic" => GridMode::Bicubic,
            other => return unsupported(format!("mode {other}")),
        };
        let padding = match c.text_or(3, "padding_mode", "zeros")? {
            "zeros" => GridPadding::Zeros,
            "border" => GridPadding::Border,
            "reflection" => GridPadding::Reflection,
            other => return unsupported(format!("padding_mode {other}")),
        };
        ok(c.x()?.grid_sample(c.tensor(1, "grid")?, mode, padding, c.flag(4, "align_corners", false)?)?)
    }),
    ("nn.functional.interpolate", |c| resized(c, interpolate_mode(c, 3)?, c.flag(4, "align_corners", false)?)),
    ("nn.functional.upsample_bilinear", |c| resized(c, InterpolateMode::Linear, true)),
    ("nn.functional.upsample_nearest", |c| resized(c, InterpolateMode::Nearest, false)),
    ("nn.functional.local_response_norm", |c| {
        let (size, alpha) = (c.size(1, "size")?, c.float_or(2, "alpha", 1e-4)?);
        ok(c.x()?.local_response_norm(size, alpha, c.float_or(3, "beta", 0.75)?, c.float_or(4, "k", 1.0)?)?)
    }),
    ("nn.functional.max_unpool1d", |c| ok(c.x()?.max_unpool1d(c.tensor(1, "indices")?, unpool(c)?)?)),
    ("nn.functional.max_unpool2d", |c| ok(c.x()?.max_unpool2d(c.tensor(1, "indices")?, unpool(c)?)?)),
    ("nn.functional.max_unpool3d", |c| ok(c.x()?.max_unpool3d(c.tensor(1, "indices")?, unpool(c)?)?)),
    ("nn.functional.pixel_shuffle", |c| ok(c.x()?.pixel_shuffle(c.size(1, "upscale_factor")?)?)),
    ("nn.functional.pixel_unshuffle", |c| ok(c.x()?.pixel_unshuffle(c.size(1, "downscale_factor")?)?)),
    ("nn.functional.unfold", |c| ok(c.x()?.im2col(columns(c, 1)?)?)),
];

/// How an embedding's bags are made one.
pub(crate) fn bag_mode(c: &Call, position: usize) -> Result<BagMode, Trouble> {
    match c.text_or(position, "mode", "mean")? {
        "sum" => Ok(BagMode::Sum),
        "mean" => Ok(BagMode::Mean),
        "max" => Ok(BagMode::Max),
        other => unsupported(format!("mode {other}")),
    }
}

/// How an image gets another size.
pub(crate) fn interpolate_mode(c: &Call, position: usize) -> Result<InterpolateMode, Trouble> {
    match c.text_or(position, "mode", "nearest")? {
        "nearest" => Ok(InterpolateMode::Nearest),
        "nearest-exact" => Ok(InterpolateMode::NearestExact),
        "linear" | "bilinear" | "trilinear" => Ok(InterpolateMode::Linear),
        "bicubic" => Ok(InterpolateMode::Bicubic),
        "area" => Ok(InterpolateMode::Area),
        "lanczos" => Ok(InterpolateMode::Lanczos),
        other => unsupported(format!("mode {other}")),
    }
}

fn columns(c: &Call, from: usize) -> Result<ColumnOptions, Trouble> {
    Ok(ColumnOptions::new(spatial(c, from, "kernel_size", 1)?)
        .dilation(spatial(c, from + 1, "dilation", 1)?)
        .padding(spatial(c, from + 2, "padding", 0)?)
        .stride(spatial(c, from + 3, "stride", 1)?))
}

fn unpool(c: &Call) -> Result<UnpoolOptions, Trouble> {
    let mut options = UnpoolOptions::new(spatial(c, 2, "kernel_size", 1)?).padding(spatial(c, 4, "padding", 0)?);
    options.stride = stride(c, 3)?;
    // Given with or without the leading dimensions.
    if let Some(size) = c.ints_opt(5, "output_size")? {
        let rank = options.kernel.given().len().max(c.tensor(1, "indices")?.rank().saturating_sub(2).clamp(1, 3));
        let planes = &size[size.len().saturating_sub(rank)..];
        options = options.output_size(flambeau_tensor::shape::Spatial::from_slice(planes)?);
    }
    Ok(options)
}

fn resized(c: &Call, mode: InterpolateMode, align_corners: bool) -> Outcome {
    let mut options = InterpolateOptions::default()
        .mode(mode)
        .align_corners(align_corners)
        .recompute_scale_factor(c.flag(5, "recompute_scale_factor", false)?)
        .antialias(c.flag(6, "antialias", false)?);
    if c.given(1, "size").is_some() {
        options.size = Some(spatial(c, 1, "size", 1)?);
    }
    let number = |v: &Value<Tensor>| as_scalar(v).map(|s| s.to_f64());
    options.scale_factor = match c.given(2, "scale_factor") {
        None => None,
        Some(Value::Seq(all) | Value::List(all)) => all.iter().map(number).collect(),
        Some(one) => number(one).map(|f| [f].into_iter().collect()),
    };
    ok(c.x()?.interpolate(options)?)
}

/// The op under `grid_sample`, with its modes as numbers.
fn grid_sampler(c: &Call) -> Outcome {
    let mode = match c.int(2, "interpolation_mode")? {
        0 => GridMode::Bilinear,
        1 => GridMode::Nearest,
        _ => GridMode::Bicubic,
    };
    let padding = match c.int(3, "padding_mode")? {
        0 => GridPadding::Zeros,
        1 => GridPadding::Border,
        _ => GridPadding::Reflection,
    };
    ok(c.x()?.grid_sample(c.tensor(1, "grid")?, mode, padding, c.flag(4, "align_corners", false)?)?)
}

/// Splits at indices or into sections.
pub(super) const SPLITS: &[Entry] = &[
    ("tensor_split", |c| {
        let dim = c.dim_or(2, "dim", 0)?;
        match c.get(1, "indices_or_sections") {
            Some(Value::Tensor(t)) if t.rank() == 0 => ok(c.x()?.tensor_split(t.item::<i64>()? as usize, dim)?),
            Some(Value::Tensor(t)) => {
                let at: Vec<isize> = t.to_vec::<i64>()?.into_iter().map(|i| i as isize).collect();
                ok(c.x()?.tensor_split_at(&at, dim)?)
            }
            Some(Value::Int(n)) => ok(c.x()?.tensor_split(*n as usize, dim)?),
            _ => ok(c.x()?.tensor_split_at(&c.ints(1, "indices")?, dim)?),
        }
    }),
    ("hsplit", |c| split(c, |x, n| x.hsplit(n), |x, at| x.hsplit_at(at))),
    ("vsplit", |c| split(c, |x, n| x.vsplit(n), |x, at| x.vsplit_at(at))),
    ("dsplit", |c| split(c, |x, n| x.dsplit(n), |x, at| x.dsplit_at(at))),
];

type Parts = flambeau_tensor::Result<Vec<Tensor>>;

fn split(c: &Call, even: fn(&Tensor, usize) -> Parts, at: fn(&Tensor, &[isize]) -> Parts) -> Outcome {
    let sections = c.ints(1, "indices_or_sections")?;
    match sections.as_slice() {
        [n] if c.is_int(1, "indices_or_sections") => ok(even(c.x()?, *n as usize)?),
        indices => ok(at(c.x()?, indices)?),
    }
}
