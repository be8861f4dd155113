//! Dropout, drawn from the generator.

use flambeau_nn::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};

use super::{Entry, layer};

macro_rules! dropouts {
    ($($Dropout:ident),*) => {
        pub(super) const TABLE: &[Entry] = &[$((stringify!($Dropout), |c| {
            layer($Dropout::new(c.float_or(0, "p", 0.5)?).inplace(c.flag(1, "inplace", false)?))
        })),*];
    };
}

dropouts!(Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout);
