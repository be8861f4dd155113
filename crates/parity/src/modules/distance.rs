//! Layers of two inputs.

use flambeau_nn::{Bilinear, Call as _, CosineSimilarity, PairwiseDistance};

use super::{Entry, module};
use crate::call::ok;

pub(super) const TABLE: &[Entry] = &[
    ("Bilinear", |c| {
        let sizes = (c.size(0, "in1_features")?, c.size(1, "in2_features")?, c.size(2, "out_features")?);
        let form = Bilinear::new(sizes.0, sizes.1, sizes.2).bias(c.flag(3, "bias", true)?);
        module(form, |m, c| ok(m.call((c.tensor(0, "input1")?, c.tensor(1, "input2")?))?))
    }),
    ("CosineSimilarity", |c| {
        let cosine = CosineSimilarity::new().dim(c.dim_or(0, "dim", 1)?).eps(c.float_or(1, "eps", 1e-8)?);
        module(cosine, |m, c| ok(m.call((c.tensor(0, "x1")?, c.tensor(1, "x2")?))?))
    }),
    ("PairwiseDistance", |c| {
        let distance = PairwiseDistance::new().p(c.float_or(0, "p", 2.0)?).eps(c.float_or(1, "eps", 1e-6)?);
        let distance = distance.keepdim(c.flag(2, "keepdim", false)?);
        module(distance, |m, c| ok(m.call((c.tensor(0, "x1")?, c.tensor(1, "x2")?))?))
    }),
];
