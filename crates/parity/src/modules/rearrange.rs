//! Layers that put elements in other places, and images in other sizes.

use flambeau_nn::{
    ChannelShuffle, Flatten, Fold, Identity, PixelShuffle, PixelUnshuffle, ScaleFactor, Unflatten, Unfold, Upsample,
    UpsamplingBilinear2d, UpsamplingNearest2d,
};
use flambeau_tensor::{Tensor, shape::Spatial};

use super::{Entry, layer};
use crate::{
    call::{Call, Trouble, as_scalar},
    ops::{conv::spatial, image::interpolate_mode},
    value::Value,
};

macro_rules! resized {
    ($Up:ident, $c:ident) => {{
        let up = $Up::new().scale_factor(scale_factor($c)?);
        match size($c)? {
            Some(size) => up.size(size),
            None => up,
        }
    }};
}

pub(super) const TABLE: &[Entry] = &[
    ("ChannelShuffle", |c| layer(ChannelShuffle::new(c.size(0, "groups")?))),
    ("Flatten", |c| layer(Flatten::new().start_dim(c.dim_or(0, "start_dim", 1)?).end_dim(c.dim_or(1, "end_dim", -1)?))),
    ("Fold", |c| {
        layer(
            Fold::new(spatial(c, 0, "output_size", 1)?, spatial(c, 1, "kernel_size", 1)?)
                .dilation(spatial(c, 2, "dilation", 1)?)
                .padding(spatial(c, 3, "padding", 0)?)
                .stride(spatial(c, 4, "stride", 1)?),
        )
    }),
    ("Identity", |_| layer(Identity::new())),
    ("PixelShuffle", |c| layer(PixelShuffle::new(c.size(0, "upscale_factor")?))),
    ("PixelUnshuffle", |c| layer(PixelUnshuffle::new(c.size(0, "downscale_factor")?))),
    ("Unflatten", |c| layer(Unflatten::new(c.dim(0, "dim")?, c.ints(1, "unflattened_size")?))),
    ("Unfold", |c| {
        layer(
            Unfold::new(spatial(c, 0, "kernel_size", 1)?)
                .dilation(spatial(c, 1, "dilation", 1)?)
                .padding(spatial(c, 2, "padding", 0)?)
                .stride(spatial(c, 3, "stride", 1)?),
        )
    }),
    ("Upsample", |c| {
        layer(
            resized!(Upsample, c)
                .mode(interpolate_mode(c, 2)?)
                .align_corners(c.flag(3, "align_corners", false)?)
                .recompute_scale_factor(c.flag(4, "recompute_scale_factor", false)?),
        )
    }),
    ("UpsamplingBilinear2d", |c| layer(resized!(UpsamplingBilinear2d, c))),
    ("UpsamplingNearest2d", |c| layer(resized!(UpsamplingNearest2d, c))),
];

fn size(c: &Call) -> Result<Option<Spatial>, Trouble> {
    c.given(0, "size").is_some().then(|| spatial(c, 0, "size", 1)).transpose()
}

fn scale_factor(c: &Call) -> Result<ScaleFactor, Trouble> {
    let number = |v: &Value<Tensor>| as_scalar(v).map(|s| s.to_f64());
    let factors: Option<Vec<f64>> = match c.given(1, "scale_factor") {
        None => None,
        Some(Value::Seq(all) | Value::List(all)) => all.iter().map(number).collect(),
        Some(one) => number(one).map(|f| vec![f]),
    };
    Ok(factors.map_or_else(ScaleFactor::default, |factors| factors.as_slice().into()))
}
