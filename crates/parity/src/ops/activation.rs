//! Activation functions.

use super::Entry;
use crate::call::{ok, unsupported};

pub(super) const TABLE: &[Entry] = &[
    ("nn.functional.celu", |c| ok(c.x()?.celu(c.float_or(1, "alpha", 1.0)?)?)),
    ("nn.functional.elu", |c| ok(c.x()?.elu(c.float_or(1, "alpha", 1.0)?)?)),
    ("nn.functional.gelu", |c| match c.text_or(1, "approximate", "none")? {
        "none" => ok(c.x()?.gelu()?),
        "tanh" => ok(c.x()?.gelu_with(flambeau_tensor::Approximate::Tanh)?),
        other => unsupported(format!("approximate {other}")),
    }),
    ("nn.functional.glu", |c| ok(c.x()?.glu(c.dim_or(1, "dim", -1)?)?)),
    ("nn.functional.hardshrink", |c| ok(c.x()?.hardshrink(c.float_or(1, "lambd", 0.5)?)?)),
    ("nn.functional.hardsigmoid", |c| ok(c.x()?.hardsigmoid()?)),
    ("nn.functional.hardswish", |c| ok(c.x()?.hardswish()?)),
    ("nn.functional.hardtanh", |c| {
        let (min, max) = (c.float_or(1, "min_val", -1.0)?, c.float_or(2, "max_val", 1.0)?);
        ok(c.x()?.hardtanh(min, max)?)
    }),
    ("nn.functional.leaky_relu", |c| ok(c.x()?.leaky_relu(c.float_or(1, "negative_slope", 0.01)?)?)),
    ("nn.functional.logsigmoid", |c| ok(c.x()?.logsigmoid()?)),
    ("nn.functional.mish", |c| ok(c.x()?.mish()?)),
    ("nn.functional.prelu", |c| ok(c.x()?.prelu(c.tensor(1, "weight")?)?)),
    ("nn.functional.relu6", |c| ok(c.x()?.relu6()?)),
    ("nn.functional.rrelu", |c| {
        let (lower, upper) = (c.float_or(1, "lower", 1.0 / 8.0)?, c.float_or(2, "upper", 1.0 / 3.0)?);
        c.flag(4, "inplace", false)?;
        ok(flambeau_nn::functional::rrelu(c.x()?, lower, upper, c.flag(3, "training", false)?)?)
    }),
    ("nn.functional.selu", |c| ok(c.x()?.selu()?)),
    ("nn.functional.silu", |c| ok(c.x()?.silu()?)),
    ("nn.functional.softplus", |c| {
        let (beta, threshold) = (c.float_or(1, "beta", 1.0)?, c.float_or(2, "threshold", 20.0)?);
        ok(c.x()?.softplus(beta, threshold)?)
    }),
    ("nn.functional.softshrink", |c| ok(c.x()?.softshrink(c.float_or(1, "lambd", 0.5)?)?)),
    ("nn.functional.softsign", |c| ok(c.x()?.softsign()?)),
    ("nn.functional.tanhshrink", |c| ok(c.x()?.tanhshrink()?)),
    ("nn.functional.threshold", |c| ok(c.x()?.threshold(c.float(1, "threshold")?, c.float(2, "value")?)?)),
];
