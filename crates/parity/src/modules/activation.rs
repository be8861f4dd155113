//! Activation functions.

use flambeau_nn::{
    Approximate, CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax,
    Mish, PReLU, RReLU, ReLU, ReLU6, SELU, SiLU, Sigmoid, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign,
    Tanh, Tanhshrink, Threshold,
};

use super::{Entry, layer};
use crate::call::{Call, Trouble, unsupported};

pub(super) const TABLE: &[Entry] = &[
    ("CELU", |c| layer(CELU::new().alpha(c.float_or(0, "alpha", 1.0)?).inplace(inplace(c, 1)?))),
    ("Hardsigmoid", |c| layer(Hardsigmoid::new().inplace(inplace(c, 0)?))),
    ("RReLU", |c| {
        let rrelu = RReLU::new().lower(c.float_or(0, "lower", 1.0 / 8.0)?).upper(c.float_or(1, "upper", 1.0 / 3.0)?);
        layer(rrelu.inplace(inplace(c, 2)?))
    }),
    ("Hardshrink", |c| layer(Hardshrink::new().lambd(c.float_or(0, "lambd", 0.5)?))),
    ("Hardtanh", |c| {
        let hardtanh = Hardtanh::new().min_val(c.float_or(0, "min_val", -1.0)?);
        layer(hardtanh.max_val(c.float_or(1, "max_val", 1.0)?).inplace(inplace(c, 2)?))
    }),
    ("Softmax2d", |_| layer(Softmax2d::new())),
    ("Softmin", |c| layer(Softmin::new(c.dim(0, "dim")?))),
    ("Softshrink", |c| layer(Softshrink::new().lambd(c.float_or(0, "lambd", 0.5)?))),
    ("Threshold", |c| layer(Threshold::new(c.float(0, "threshold")?, c.float(1, "value")?).inplace(inplace(c, 2)?))),
    ("ELU", |c| layer(ELU::new().alpha(c.float_or(0, "alpha", 1.0)?).inplace(inplace(c, 1)?))),
    ("GELU", |c| layer(GELU::new().approximate(approximate(c)?))),
    ("GLU", |c| layer(GLU::new().dim(c.dim_or(0, "dim", -1)?))),
    ("Hardswish", |c| layer(Hardswish::new().inplace(inplace(c, 0)?))),
    ("LeakyReLU", |c| {
        layer(LeakyReLU::new().negative_slope(c.float_or(0, "negative_slope", 0.01)?).inplace(inplace(c, 1)?))
    }),
    ("LogSigmoid", |_| layer(LogSigmoid::new())),
    ("LogSoftmax", |c| layer(LogSoftmax::new(c.dim(0, "dim")?))),
    ("Mish", |c| layer(Mish::new().inplace(inplace(c, 0)?))),
    ("PReLU", |c| {
        layer(PReLU::new().num_parameters(c.size_or(0, "num_parameters", 1)?).init(c.float_or(1, "init", 0.25)?))
    }),
    ("ReLU", |c| layer(ReLU::new().inplace(inplace(c, 0)?))),
    ("ReLU6", |c| layer(ReLU6::new().inplace(inplace(c, 0)?))),
    ("SELU", |c| layer(SELU::new().inplace(inplace(c, 0)?))),
    ("SiLU", |c| layer(SiLU::new().inplace(inplace(c, 0)?))),
    ("Sigmoid", |_| layer(Sigmoid::new())),
    ("Softmax", |c| layer(Softmax::new(c.dim(0, "dim")?))),
    ("Softplus", |c| {
        let (beta, threshold) = (c.float_or(0, "beta", 1.0)?, c.float_or(1, "threshold", 20.0)?);
        layer(Softplus::new().beta(beta).threshold(threshold))
    }),
    ("Softsign", |_| layer(Softsign::new())),
    ("Tanh", |_| layer(Tanh::new())),
    ("Tanhshrink", |_| layer(Tanhshrink::new())),
];

fn inplace(c: &Call, position: usize) -> Result<bool, Trouble> {
    c.flag(position, "inplace", false)
}

fn approximate(c: &Call) -> Result<Approximate, Trouble> {
    match c.text_or(0, "approximate", "none")? {
        "none" => Ok(Approximate::None),
        "tanh" => Ok(Approximate::Tanh),
        other => unsupported(format!("approximate {other}")),
    }
}
