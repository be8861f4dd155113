//! Muon: the momentum of matrices, made orthogonal.

use super::{axpy_, decay_};
use crate::base::{Coefficient, GroupOptions, Rule, Scaling, Slot, Stepped, bound, optimizer};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// Newton-Schulz steps that make sense.
const MOST_STEPS: usize = 99;

optimizer! {
    /// Momentum made orthogonal by a Newton-Schulz iteration in `bf16`, for matrices: `torch.optim.Muon`.
    /// Jordan et al. 2024.
    pub struct Muon(MuonBuilder): MuonRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-3.into(),
        /// Weight decay, apart from the gradient.
        weight_decay: f64 = 0.1,
        /// Momentum factor.
        momentum: f64 = 0.95,
        /// Nesterov's look-ahead.
        nesterov: bool = true,
        /// The polynomial of the iteration.
        ns_coefficients: (f64, f64, f64) = (3.4445, -4.7750, 2.0315),
        /// Least norm to divide by.
        eps: f64 = 1e-7,
        /// Steps of the iteration.
        ns_steps: usize = 5,
        /// How the rate goes by the matrix' shape: `"original"`, which none means, `"match_rms_adamw"` or
        /// `"spectral_unclamped"`.
        adjust_lr_fn: ~into AdjustLr = AdjustLr(None),
    }
    kept {}
}

/// The name of an adjustment, or none.
#[derive(Clone, Debug)]
pub struct AdjustLr(Option<String>);

impl From<&str> for AdjustLr {
    fn from(name: &str) -> Self {
        AdjustLr(Some(name.to_string()))
    }
}

impl From<Option<&str>> for AdjustLr {
    fn from(name: Option<&str>) -> Self {
        AdjustLr(name.map(str::to_string))
    }
}

impl crate::base::OptionValue for AdjustLr {
    fn to_value(&self) -> Value {
        self.0.clone().into()
    }
}

pub struct MuonRule;

impl Rule for MuonRule {
    const NAME: &'static str = "Muon";
    const SLOTS: &'static [Slot] = &[Slot::like("momentum_buffer")];

    fn check(o: &GroupOptions) -> Result<()> {
        for name in ["lr", "momentum", "weight_decay"] {
            bound!("Muon", name, o.number(name)?, 0.0..);
        }
        let steps = o.count("ns_steps").unwrap_or(usize::MAX);
        ensure!(steps <= MOST_STEPS, Argument, "Muon", "ns_steps = {steps} is not in 0..=99");
        o.numbers::<3>("ns_coefficients")?;
        factor(o, 1, 1).map(drop)
    }

    fn check_parameter(param: &Tensor) -> Result<()> {
        ensure!(!param.dtype().is_complex(), DType, "Muon", "complex parameters are not supported");
        ensure!(param.rank() == 2, Shape, "Muon", "only for matrices, one parameter is {:?}", param.shape());
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, decay, momentum) = (o.coefficient("lr")?, o.number("weight_decay")?, o.number("momentum")?);
        let (coefficients, eps) = (o.numbers::<3>("ns_coefficients")?, o.number("eps")?);
        let steps = o.count("ns_steps").unwrap_or(0);
        for p in params {
            let lr = lr.clone().beside(&p.param)?;
            let buffer = p.like(0)?;
            buffer.copy_(&buffer.lerp(&p.grad, 1.0 - momentum)?)?;
            let update = if o.flag("nesterov") { p.grad.lerp(&buffer, momentum)? } else { buffer };
            let update = orthogonal(&update, coefficients, steps, eps)?;
            decay_(&p.param, &lr, decay)?;
            let rate = lr.mul(factor(o, p.param.size(0)?, p.param.size(1)?)?)?;
            axpy_(&p.param, &update.to_dtype(p.param.dtype())?, &rate.neg()?)?;
        }
        Ok(())
    }
}

/// The matrix with singular values near 1, by Newton-Schulz steps of a quintic in `bf16`.
fn orthogonal(x: &Tensor, [a, b, c]: [f64; 3], steps: usize, eps: f64) -> Result<Tensor> {
    let tall = x.size(0)? > x.size(1)?;
    let x = x.to_dtype(DType::BF16)?;
    let x = if tall { x.t()? } else { x };
    let mut x = x.div(&x.norm(2.0, ..)?.clamp_min(eps)?)?;
    for _ in 0..steps {
        let gram = x.matmul(&x.t()?)?;
        let polynomial = gram.addmm(&gram, &gram, b, c)?;
        x = x.addmm(&polynomial, &x, a, 1.0)?;
    }
    if tall { x.t() } else { Ok(x) }
}

/// The rate's factor for a matrix of this shape.
fn factor(o: &GroupOptions, rows: usize, columns: usize) -> Result<f64> {
    let (a, b) = (rows as f64, columns as f64);
    Ok(match o.get("adjust_lr_fn").and_then(Value::as_str) {
        None | Some("original") => (a / b).max(1.0).sqrt(),
        Some("match_rms_adamw") => 0.2 * a.max(b).sqrt(),
        Some("spectral_unclamped") => (a / b).sqrt(),
        Some(other) => bail!(Argument, "Muon", "there is no adjustment \"{other}\" of the rate"),
    })
}
