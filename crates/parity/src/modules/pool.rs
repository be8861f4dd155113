//! Pooling.

use flambeau_nn::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, Call as _, MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d,
};

use flambeau_tensor::shape::Spatial;

use super::{Entry, layer, module, never};
use crate::{
    call::ok,
    ops::{
        conv::spatial,
        pool::{output_size, stride},
    },
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
            never(c, 1, "return_indices")?;
            layer($Pool::new(output_size(c, 0)?))
        })
    };
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
    max!(MaxPool1d),
    max!(MaxPool2d),
    max!(MaxPool3d),
    unpool!(MaxUnpool1d, 1),
    unpool!(MaxUnpool2d, 2),
    unpool!(MaxUnpool3d, 3),
];
