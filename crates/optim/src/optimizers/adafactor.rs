//! Adafactor: second moments by rows and columns.

use super::{axpy_, decay_};
use crate::base::{Coefficient, GroupOptions, Kind, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Result, Tensor, ensure};

optimizer! {
    /// Second moments of matrices by rows and columns alone: `torch.optim.Adafactor`. Shazeer & Stern 2018.
    pub struct Adafactor(AdafactorBuilder): AdafactorRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-2.into(),
        /// The power of the step by which the second moment's decay rises.
        beta2_decay: f64 = -0.8,
        /// Least second moment, the dtype's own epsilon where none, and least root mean square of a parameter.
        eps: (Option<f64>, f64) = (None, 1e-3),
        /// Largest root mean square of an update.
        d: f64 = 1.0,
        /// Weight decay.
        weight_decay: f64 = 0.0,
        /// Uphill instead of down.
        maximize: bool = false,
    }
    kept { foreach = None::<bool> }
}

pub struct AdafactorRule;

fn rows(shape: &[usize]) -> Option<Vec<usize>> {
    let (_, front) = shape.split_last().filter(|(_, front)| !front.is_empty())?;
    Some(front.iter().copied().chain([1]).collect())
}

fn columns(shape: &[usize]) -> Option<Vec<usize>> {
    let (last, front) = shape.split_last()?;
    let (_, front) = front.split_last()?;
    Some(front.iter().copied().chain([1, *last]).collect())
}

fn whole(shape: &[usize]) -> Option<Vec<usize>> {
    (shape.len() < 2).then(|| shape.to_vec())
}

impl Rule for AdafactorRule {
    const NAME: &'static str = "Adafactor";
    const SLOTS: &'static [Slot] = &[
        Slot::STEP,
        Slot { name: "row_var", kind: Kind::Shaped(rows) },
        Slot { name: "col_var", kind: Kind::Shaped(columns) },
        Slot { name: "variance", kind: Kind::Shaped(whole) },
    ];

    fn check(o: &GroupOptions) -> Result<()> {
        bound!("Adafactor", "lr", o.number("lr")?, 0.0..);
        bound!("Adafactor", "beta2_decay", o.number("beta2_decay")?, ..=0.0);
        bound!("Adafactor", "d", o.number("d")?, 1.0..);
        bound!("Adafactor", "weight_decay", o.number("weight_decay")?, 0.0..);
        let (eps1, eps2) = eps(o);
        bound!("Adafactor", "eps[0]", eps1.unwrap_or(0.0), 0.0..);
        bound!("Adafactor", "eps[1]", eps2, 0.0..);
        Ok(())
    }

    fn check_parameter(param: &Tensor) -> Result<()> {
        ensure!(!param.dtype().is_complex(), DType, "Adafactor", "complex parameters are not supported");
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, power, d) = (o.coefficient("lr")?, o.number("beta2_decay")?, o.number("d")?);
        let ((eps1, eps2), decay, maximize) = (eps(o), o.number("weight_decay")?, o.flag("maximize"));
        let one = Coefficient::from(1.0);
        for p in params {
            let lr = lr.clone().beside(&p.param)?;
            let grad = p.slope(maximize, 0.0)?;
            let eps1 = eps1.unwrap_or_else(|| epsilon(grad.dtype()));
            let step = p.step(0)?;
            let fresh = step.pow(power)?;
            let rate = one.div(step.sqrt()?)?.min(&lr)?;
            let size = (p.param.numel() as f64).sqrt();
            // The norms stay on the device.
            let rms = Coefficient::from(p.param.norm(2.0, ..)?).div(size)?.max(eps2)?;
            let alpha = rms.mul(rate)?;
            decay_(&p.param, &lr, decay)?;
            let shape = grad.shape().to_vec();
            let estimate = match (rows(&shape), columns(&shape)) {
                (Some(by_row), Some(by_column)) => {
                    let (row, column) = (p.shaped(1, &by_row)?, p.shaped(2, &by_column)?);
                    for (var, dim) in [(&row, -1isize), (&column, -2)] {
                        let length = shape[(shape.len() as isize + dim) as usize] as f64;
                        let mean = grad.norm(2.0, dim)?.unsqueeze(dim)?.square()?.div(length)?;
                        toward_(var, &mean, &fresh)?;
                    }
                    let middle = row.mean(-2)?.unsqueeze(-2)?.clamp_min(eps1)?;
                    row.matmul(&column)?.div(&middle)?
                }
                _ => {
                    let variance = p.shaped(3, &shape)?;
                    toward_(&variance, &grad.square()?, &fresh)?;
                    variance
                }
            };
            let update = estimate.clamp_min(eps1 * eps1)?.rsqrt()?.mul(&grad)?;
            let below = Coefficient::from(update.norm(2.0, ..)?).div(size * d)?.max(1.0)?;
            axpy_(&p.param, &update, &alpha.div(below)?.neg()?)?;
        }
        Ok(())
    }
}

/// x ← x + weight · (end − x).
fn toward_(x: &Tensor, end: &Tensor, weight: &Coefficient) -> Result<()> {
    match weight {
        Coefficient::Host(weight) => x.copy_(&x.lerp(end, *weight)?),
        Coefficient::Device(weight) => x.add_(&end.sub(x)?.mul(weight)?),
    }
    .map(drop)
}

fn eps(o: &GroupOptions) -> (Option<f64>, f64) {
    let at = |i| o.get("eps").and_then(|eps| eps.at(i)).and_then(Value::as_f64);
    (at(0), at(1).unwrap_or(f64::NAN))
}

/// `torch.finfo(dtype).eps`.
fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f32::EPSILON.into(),
    }
}
