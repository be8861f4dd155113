//! Padding.

use flambeau_nn::{
    CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, Pads, ReflectionPad1d,
    ReflectionPad2d, ReflectionPad3d, ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d,
    ZeroPad3d,
};

use super::{Entry, layer};
use crate::call::{Call, Trouble};

macro_rules! pads {
    ($($Pad:ident)*; $($Constant:ident)*) => {
        pub(super) const TABLE: &[Entry] = &[
            $((stringify!($Pad), |c| layer($Pad::new(sides(c)?))),)*
            $((stringify!($Constant), |c| layer($Constant::new(sides(c)?, c.scalar(1, "value")?))),)*
        ];
    };
}

pads! {
    CircularPad1d CircularPad2d CircularPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d
    ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d;
    ConstantPad1d ConstantPad2d ConstantPad3d
}

fn sides(c: &Call) -> Result<Pads, Trouble> {
    Ok(c.ints(0, "padding")?.into())
}
