//! Normalisation and dropout.

use flambeau_nn::functional;
use flambeau_tensor::{BatchNormOptions, Tensor};

use super::Entry;
use crate::call::{Call, Outcome, ok};

pub(super) const TABLE: &[Entry] = &[
    ("nn.functional.batch_norm", |c| {
        let (running_mean, running_var) = (c.tensor_opt(1, "running_mean")?, c.tensor_opt(2, "running_var")?);
        let (weight, bias) = (c.tensor_opt(3, "weight")?, c.tensor_opt(4, "bias")?);
        let (training, momentum) = (c.flag(5, "training", false)?, c.float_or(6, "momentum", 0.1)?);
        let eps = c.float_or(7, "eps", 1e-5)?;
        ok(c.x()?.batch_norm(BatchNormOptions { running_mean, running_var, weight, bias, training, momentum, eps })?)
    }),
    ("nn.functional.alpha_dropout", |c| drop(c, |x, p, on| functional::alpha_dropout(x, p, on), false)),
    ("nn.functional.dropout", |c| drop(c, |x, p, on| functional::dropout(x, p, on), true)),
    ("nn.functional.dropout2d", |c| drop(c, |x, p, on| functional::dropout2d(x, p, on), true)),
    ("nn.functional.dropout3d", |c| drop(c, |x, p, on| functional::dropout3d(x, p, on), true)),
    ("nn.functional.feature_alpha_dropout", |c| drop(c, |x, p, on| functional::feature_alpha_dropout(x, p, on), false)),
    ("nn.functional.group_norm", |c| {
        let groups = c.size(1, "num_groups")?;
        let (weight, bias) = (c.tensor_opt(2, "weight")?, c.tensor_opt(3, "bias")?);
        ok(c.x()?.group_norm(groups, weight, bias, c.float_or(4, "eps", 1e-5)?)?)
    }),
    ("nn.functional.instance_norm", |c| {
        let (running_mean, running_var) = (c.tensor_opt(1, "running_mean")?, c.tensor_opt(2, "running_var")?);
        let (weight, bias) = (c.tensor_opt(3, "weight")?, c.tensor_opt(4, "bias")?);
        let training = c.flag(5, "use_input_stats", true)?;
        let (momentum, eps) = (c.float_or(6, "momentum", 0.1)?, c.float_or(7, "eps", 1e-5)?);
        ok(c.x()?.instance_norm(BatchNormOptions {
            running_mean,
            running_var,
            weight,
            bias,
            training,
            momentum,
            eps,
        })?)
    }),
    ("nn.functional.layer_norm", |c| {
        let shape = c.ints(1, "normalized_shape")?;
        let (weight, bias) = (c.tensor_opt(2, "weight")?, c.tensor_opt(3, "bias")?);
        ok(c.x()?.layer_norm(shape, weight, bias, c.float_or(4, "eps", 1e-5)?)?)
    }),
    ("nn.functional.rms_norm", |c| {
        let shape = c.ints(1, "normalized_shape")?;
        ok(c.x()?.rms_norm(shape, c.tensor_opt(2, "weight")?, c.float_opt(3, "eps")?)?)
    }),
];

/// With p = 0 or 1 or without training there is nothing random in it. `training`: PyTorch's default.
fn drop(c: &Call, f: fn(&Tensor, f64, bool) -> flambeau_tensor::Result<Tensor>, training: bool) -> Outcome {
    ok(f(c.x()?, c.float_or(1, "p", 0.5)?, c.flag(2, "training", training)?)?)
}
