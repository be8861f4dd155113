//! Convolutions.

use flambeau_nn::{Call as _, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
use flambeau_tensor::PadMode;

use super::{Entry, layer, module};
use crate::{
    call::{Call, Trouble, ok, unsupported},
    ops::conv::{padding, spatial},
};

macro_rules! conv {
    ($Conv:ident) => {
        (stringify!($Conv), |c| {
            let kernel = spatial(c, 2, "kernel_size", 0)?;
            layer(
                $Conv::new(c.size(0, "in_channels")?, c.size(1, "out_channels")?, kernel)
                    .stride(spatial(c, 3, "stride", 1)?)
                    .padding(padding(c, 4)?)
                    .dilation(spatial(c, 5, "dilation", 1)?)
                    .groups(c.size_or(6, "groups", 1)?)
                    .bias(c.flag(7, "bias", true)?)
                    .padding_mode(padding_mode(c, 8)?),
            )
        })
    };
}

macro_rules! transposed {
    ($Conv:ident) => {
        (stringify!($Conv), |c| {
            if padding_mode(c, 9)?.is_some() {
                return unsupported("PyTorch takes no padding_mode but zeros here");
            }
            let kernel = spatial(c, 2, "kernel_size", 0)?;
            module(
                $Conv::new(c.size(0, "in_channels")?, c.size(1, "out_channels")?, kernel)
                    .stride(spatial(c, 3, "stride", 1)?)
                    .padding(spatial(c, 4, "padding", 0)?)
                    .output_padding(spatial(c, 5, "output_padding", 0)?)
                    .groups(c.size_or(6, "groups", 1)?)
                    .bias(c.flag(7, "bias", true)?)
                    .dilation(spatial(c, 8, "dilation", 1)?),
                |m, c| match c.given(1, "output_size") {
                    Some(_) => ok(m.forward_to_size(c.x()?, spatial(c, 1, "output_size", 0)?)?),
                    None => ok(m.call(c.x()?)?),
                },
            )
        })
    };
}

pub(super) const TABLE: &[Entry] = &[
    conv!(Conv1d),
    conv!(Conv2d),
    conv!(Conv3d),
    transposed!(ConvTranspose1d),
    transposed!(ConvTranspose2d),
    transposed!(ConvTranspose3d),
];

pub(super) fn padding_mode(c: &Call, position: usize) -> Result<Option<PadMode>, Trouble> {
    match c.text_or(position, "padding_mode", "zeros")? {
        "zeros" => Ok(None),
        "reflect" => Ok(Some(PadMode::Reflect)),
        "replicate" => Ok(Some(PadMode::Replicate)),
        "circular" => Ok(Some(PadMode::Circular)),
        other => unsupported(format!("padding mode {other}")),
    }
}
