//! Pooling.

use flambeau_nn::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, Call as _, FractionalMaxPool2d, FractionalMaxPool3d, LPPool1d, LPPool2d, LPPool3d,
    MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d,
};

use flambeau_tensor::shape::Spatial;

use super::{Entry, layer, module};
use crate::{
    call::{Call, KEYWORD, Trouble, ok},
    ops::{
        conv::spatial,
        pool::{output_size, stride},
    },
    value::Value,
};

macro_rules! max {
    ($Pool:ident) => {
        (stringify!($Pool), |c| {
            let mut pool = $Pool::new(spatial(c, 0, "kernel_size", 0)?)
                .padding(spatial(c, 2, "padding", 0)?)
                .dilation(spatial(c, 3, "dilation", 1)?)
                .ceil_mode(c.flag(5, "ceil_mode", false)?);
            if let Some(stride) = stride(c, 1)? {
                pool = pool.stride(stride);
            }
            match c.flag(4, "return_indices", false)? {
                true => module(pool, |m, c| ok(m.forward_with_indices(c.x()?)?)),
                false => layer(pool),
            }
        })
    };
}

macro_rules! average {
    ($Pool:ident) => {
        (stringify!($Pool), |c| {
            let mut pool = $Pool::new(spatial(c, 0, "kernel_size", 0)?)
                .padding(spatial(c, 2, "padding", 0)?)
                .ceil_mode(c.flag(3, "ceil_mode", false)?)
                .count_include_pad(c.flag(4, "count_include_pad", true)?)
                .divisor_override(c.int_opt(5, "divisor_override")?.map(|d| d as isize));
            if let Some(stride) = stride(c, 1)? {
                pool = pool.stride(stride);
            }
            layer(pool)
        })
    };
}

macro_rules! adaptive_max {
    ($Pool:ident) => {
        (stringify!($Pool), |c| {
            let pool = $Pool::new(output_size(c, 0)?);
            match c.flag(1, "return_indices", false)? {
                true => module(pool, |m, c| ok(m.forward_with_indices(c.x()?)?)),
                false => layer(pool),
            }
        })
    };
}

macro_rules! norms {
    ($Pool:ident) => {
        (stringify!($Pool), |c| {
            let mut pool = $Pool::new(c.float_or(0, "norm_type", 2.0)?, spatial(c, 1, "kernel_size", 0)?)
                .ceil_mode(c.flag(3, "ceil_mode", false)?);
            if let Some(stride) = stride(c, 2)? {
                pool = pool.stride(stride);
            }
            layer(pool)
        })
    };
}

macro_rules! fractional {
    ($Pool:ident, $rank:literal) => {
        (stringify!($Pool), |c| {
            let mut pool = $Pool::new(spatial(c, 0, "kernel_size", 1)?)
                .output_ratio(ratios(c, $rank)?)
                .random_samples(c.tensor_opt(KEYWORD, "_random_samples")?.cloned());
            if c.given(1, "output_size").is_some() {
                pool = pool.output_size(spatial(c, 1, "output_size", 1)?);
            }
            match c.flag(3, "return_indices", false)? {
                true => module(pool, |m, c| ok(m.forward_with_indices(c.x()?)?)),
                false => layer(pool),
            }
        })
    };
}

/// The ratio for each dimension; one number is that for all.
fn ratios(c: &Call, rank: usize) -> Result<Option<Vec<f64>>, Trouble> {
    match c.given(2, "output_ratio") {
        Some(Value::Float(ratio)) => Ok(Some(vec![*ratio; rank])),
        _ => c.floats_opt(2, "output_ratio"),
    }
}

macro_rules! unpool {
    ($Pool:ident, $rank:literal) => {
        (stringify!($Pool), |c| {
            let mut pool = $Pool::new(spatial(c, 0, "kernel_size", 1)?).padding(spatial(c, 2, "padding", 0)?);
            if let Some(stride) = stride(c, 1)? {
                pool = pool.stride(stride);
            }
            module(pool, |m, c| {
                let (x, indices) = (c.x()?, c.tensor(1, "indices")?);
                match c.ints_opt(2, "output_size")? {
                    None => ok(m.call((x, indices))?),
                    // Given with or without the leading dimensions.
                    Some(size) => {
                        let plane = Spatial::from_slice(&size[size.len().saturating_sub($rank)..])?;
                        ok(m.forward_to_size(x, indices, plane)?)
                    }
                }
            })
        })
    };
}

pub(super) const TABLE: &[Entry] = &[
    ("AdaptiveAvgPool1d", |c| layer(AdaptiveAvgPool1d::new(output_size(c, 0)?))),
    ("AdaptiveAvgPool2d", |c| layer(AdaptiveAvgPool2d::new(output_size(c, 0)?))),
    ("AdaptiveAvgPool3d", |c| layer(AdaptiveAvgPool3d::new(output_size(c, 0)?))),
    adaptive_max!(AdaptiveMaxPool1d),
    adaptive_max!(AdaptiveMaxPool2d),
    adaptive_max!(AdaptiveMaxPool3d),
    average!(AvgPool1d),
    average!(AvgPool2d),
    average!(AvgPool3d),
    fractional!(FractionalMaxPool2d, 2),
    fractional!(FractionalMaxPool3d, 3),
    norms!(LPPool1d),
    norms!(LPPool2d),
    norms!(LPPool3d),
    max!(MaxPool1d),
    max!(MaxPool2d),
    max!(MaxPool3d),
    unpool!(MaxUnpool1d, 1),
    unpool!(MaxUnpool2d, 2),
    unpool!(MaxUnpool3d, 3),
];
