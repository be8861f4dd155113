//! Lazy layers.

use flambeau_nn::{
    LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d, LazyConvTranspose1d,
    LazyConvTranspose2d, LazyConvTranspose3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLinear,
};

use super::{Entry, conv::padding_mode, layer, norm::momentum_at};
use crate::{
    call::{KEYWORD, unsupported},
    ops::conv::{padding, spatial},
};

macro_rules! conv {
    ($Conv:ident) => {
        (stringify!($Conv), |c| {
            layer(
                $Conv::new(c.size(0, "out_channels")?, spatial(c, 1, "kernel_size", 0)?)
                    .stride(spatial(c, 2, "stride", 1)?)
                    .padding(padding(c, 3)?)
                    .dilation(spatial(c, 4, "dilation", 1)?)
                    .groups(c.size_or(5, "groups", 1)?)
                    .bias(c.flag(6, "bias", true)?)
                    .padding_mode(padding_mode(c, 7)?),
            )
        })
    };
}

macro_rules! transposed {
    ($Conv:ident) => {
        (stringify!($Conv), |c| {
            if padding_mode(c, 8)?.is_some() {
                return unsupported("PyTorch takes no padding_mode but zeros here");
            }
            layer(
                $Conv::new(c.size(0, "out_channels")?, spatial(c, 1, "kernel_size", 0)?)
                    .stride(spatial(c, 2, "stride", 1)?)
                    .padding(spatial(c, 3, "padding", 0)?)
                    .output_padding(spatial(c, 4, "output_padding", 0)?)
                    .groups(c.size_or(5, "groups", 1)?)
                    .bias(c.flag(6, "bias", true)?)
                    .dilation(spatial(c, 7, "dilation", 1)?),
            )
        })
    };
}

macro_rules! norm {
    ($Norm:ident) => {
        (stringify!($Norm), |c| {
            layer(
                $Norm::new()
                    .eps(c.float_or(0, "eps", 1e-5)?)
                    .momentum(momentum_at(c, 1)?)
                    .affine(c.flag(2, "affine", true)?)
                    .track_running_stats(c.flag(3, "track_running_stats", true)?)
                    .bias(c.flag(KEYWORD, "bias", true)?),
            )
        })
    };
}

pub(super) const TABLE: &[Entry] = &[
    ("LazyLinear", |c| layer(LazyLinear::new(c.size(0, "out_features")?).bias(c.flag(1, "bias", true)?))),
    conv!(LazyConv1d),
    conv!(LazyConv2d),
    conv!(LazyConv3d),
    transposed!(LazyConvTranspose1d),
    transposed!(LazyConvTranspose2d),
    transposed!(LazyConvTranspose3d),
    norm!(LazyBatchNorm1d),
    norm!(LazyBatchNorm2d),
    norm!(LazyBatchNorm3d),
    norm!(LazyInstanceNorm1d),
    norm!(LazyInstanceNorm2d),
    norm!(LazyInstanceNorm3d),
];
