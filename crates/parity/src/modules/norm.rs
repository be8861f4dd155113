//! Normalising layers.

use flambeau_nn::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, CrossMapLRN2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d,
    LayerNorm, LocalResponseNorm, RMSNorm,
};
use flambeau_tensor::Tensor;

use super::{Entry, layer};
use crate::{
    call::{Call, KEYWORD, Trouble},
    value::Value,
};

/// Those that may have running statistics.
macro_rules! tracking {
    ($Norm:ident, $affine:literal, $track:literal) => {
        (stringify!($Norm), |c| {
            layer(
                $Norm::new(c.size(0, "num_features")?)
                    .eps(c.float_or(1, "eps", 1e-5)?)
                    .momentum(momentum_at(c, 2)?)
                    .affine(c.flag(3, "affine", $affine)?)
                    .track_running_stats(c.flag(4, "track_running_stats", $track)?)
                    .bias(c.flag(KEYWORD, "bias", true)?),
            )
        })
    };
}

macro_rules! response {
    ($Norm:ident) => {
        (stringify!($Norm), |c| {
            layer(
                $Norm::new(c.size(0, "size")?)
                    .alpha(c.float_or(1, "alpha", 1e-4)?)
                    .beta(c.float_or(2, "beta", 0.75)?)
                    .k(c.float_or(3, "k", 1.0)?),
            )
        })
    };
}

pub(super) const TABLE: &[Entry] = &[
    tracking!(BatchNorm1d, true, true),
    tracking!(BatchNorm2d, true, true),
    tracking!(BatchNorm3d, true, true),
    tracking!(InstanceNorm1d, false, false),
    tracking!(InstanceNorm2d, false, false),
    tracking!(InstanceNorm3d, false, false),
    response!(CrossMapLRN2d),
    response!(LocalResponseNorm),
    ("GroupNorm", |c| {
        layer(
            GroupNorm::new(c.size(0, "num_groups")?, c.size(1, "num_channels")?)
                .eps(c.float_or(2, "eps", 1e-5)?)
                .affine(c.flag(3, "affine", true)?)
                .bias(c.flag(KEYWORD, "bias", true)?),
        )
    }),
    ("LayerNorm", |c| {
        layer(
            LayerNorm::new(normalized_shape(c)?)
                .eps(c.float_or(1, "eps", 1e-5)?)
                .elementwise_affine(c.flag(2, "elementwise_affine", true)?)
                .bias(c.flag(3, "bias", true)?),
        )
    }),
    ("RMSNorm", |c| {
        let norm = RMSNorm::new(normalized_shape(c)?).eps(c.float_opt(1, "eps")?);
        layer(norm.elementwise_affine(c.flag(2, "elementwise_affine", true)?))
    }),
];

/// Here `None` is a value of its own: the average over all batches.
pub(super) fn momentum_at(c: &Call, position: usize) -> Result<Option<f64>, Trouble> {
    match c.get(position, "momentum") {
        Some(Value::<Tensor>::None) => Ok(None),
        _ => Ok(Some(c.float_or(position, "momentum", 0.1)?)),
    }
}

fn normalized_shape(c: &Call) -> Result<Vec<usize>, Trouble> {
    Ok(c.ints(0, "normalized_shape")?.into_iter().map(|n| n as usize).collect())
}
