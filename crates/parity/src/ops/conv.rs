//! Convolutions.

use flambeau_tensor::{ConvOptions, ConvTransposeOptions, Padding, Tensor, shape::Spatial};

use super::Entry;
use crate::{
    call::{Call, Trouble, ok, unsupported},
    value::Value,
};

pub(super) const TABLE: &[Entry] = &[
    ("nn.functional.conv1d", |c| ok(c.x()?.conv1d(weight(c)?, bias(c)?, options(c)?)?)),
    ("nn.functional.conv2d", |c| ok(c.x()?.conv2d(weight(c)?, bias(c)?, options(c)?)?)),
    ("nn.functional.conv3d", |c| ok(c.x()?.conv3d(weight(c)?, bias(c)?, options(c)?)?)),
    ("nn.functional.conv_transpose1d", |c| ok(c.x()?.conv_transpose1d(weight(c)?, bias(c)?, transposed(c)?)?)),
    ("nn.functional.conv_transpose2d", |c| ok(c.x()?.conv_transpose2d(weight(c)?, bias(c)?, transposed(c)?)?)),
    ("nn.functional.conv_transpose3d", |c| ok(c.x()?.conv_transpose3d(weight(c)?, bias(c)?, transposed(c)?)?)),
];

fn weight(c: &Call) -> Result<&Tensor, Trouble> {
    c.tensor(1, "weight")
}

fn bias(c: &Call) -> Result<Option<&Tensor>, Trouble> {
    c.tensor_opt(2, "bias")
}

fn options(c: &Call) -> Result<ConvOptions, Trouble> {
    Ok(ConvOptions::new()
        .stride(spatial(c, 3, "stride", 1)?)
        .padding(padding(c, 4)?)
        .dilation(spatial(c, 5, "dilation", 1)?)
        .groups(c.int_or(6, "groups", 1)? as usize))
}

fn transposed(c: &Call) -> Result<ConvTransposeOptions, Trouble> {
    Ok(ConvTransposeOptions::new()
        .stride(spatial(c, 3, "stride", 1)?)
        .padding(spatial(c, 4, "padding", 0)?)
        .output_padding(spatial(c, 5, "output_padding", 0)?)
        .groups(c.int_or(6, "groups", 1)? as usize)
        .dilation(spatial(c, 7, "dilation", 1)?))
}

/// Zeros around the input, in numbers or by name.
pub(crate) fn padding(c: &Call, position: usize) -> Result<Padding, Trouble> {
    Ok(match c.get(position, "padding") {
        Some(Value::Str(s)) if s == "same" => Padding::Same,
        Some(Value::Str(s)) if s == "valid" => Padding::Valid,
        _ => Padding::from(spatial(c, position, "padding", 0)?),
    })
}

/// One number for all spatial dimensions, or one for each.
pub(crate) fn spatial(c: &Call, position: usize, name: &str, default: isize) -> Result<Spatial, Trouble> {
    match c.ints_opt(position, name)?.as_deref() {
        None | Some([]) => Ok(default.into()),
        Some([one]) => Ok((*one).into()),
        Some([a, b]) => Ok((*a, *b).into()),
        Some([a, b, d]) => Ok((*a, *b, *d).into()),
        Some(more) => unsupported(format!("`{name}` has {} numbers", more.len())),
    }
}
