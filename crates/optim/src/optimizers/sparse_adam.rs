//! SparseAdam: Adam for the rows that a gradient touches.

use super::{adam, correction};
use crate::base::{Coefficient, GroupOptions, Kind, Rule, Scaling, Slot, Stepped, optimizer};
use flambeau_tensor::{Result, Tensor, ensure};

optimizer! {
    /// Adam that leaves alone, moments included, the rows that a batch did not touch: `torch.optim.SparseAdam`, for
    /// embeddings.
    ///
    /// Here gradients are dense, for there are no sparse tensors: a row is one along the first dimension, and it is
    /// untouched where its gradient is zero throughout. PyTorch goes by the indices instead, so a row that was looked up
    /// and has a gradient of zeros is touched there and untouched here; memory and time are those of dense gradients.
    pub struct SparseAdam(SparseAdamBuilder): SparseAdamRule;
    options {
        /// Learning rate, a number or a tensor `[]`.
        lr: ~into Coefficient = 1e-3.into(),
        /// Decay of the first and second moment.
        betas: (f64, f64) = (0.9, 0.999),
        /// Added to the denominator.
        eps: f64 = 1e-8,
        /// Uphill instead of down.
        maximize: bool = false,
    }
    kept {}
}

pub struct SparseAdamRule;

impl Rule for SparseAdamRule {
    const NAME: &'static str = "SparseAdam";
    const SLOTS: &'static [Slot] =
        &[Slot { name: "step", kind: Kind::Int }, Slot::like("exp_avg"), Slot::like("exp_avg_sq")];

    fn check(o: &GroupOptions) -> Result<()> {
        adam::check("SparseAdam", o)
    }

    fn check_parameter(param: &Tensor) -> Result<()> {
        ensure!(!param.dtype().is_complex(), DType, "SparseAdam", "complex parameters are not supported");
        Ok(())
    }

    fn update(o: &GroupOptions, params: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        let (lr, eps, betas) = (o.coefficient("lr")?, o.number("eps")?, o.numbers::<2>("betas")?);
        for p in params {
            let lr = lr.clone().beside(&p.param)?;
            let (step, mean, square) = (p.step(0)?, p.like(1)?, p.like(2)?);
            let grad = p.slope(o.flag("maximize"), 0.0)?;
            let mut touched = grad.ne(0.0)?;
            for dim in (1..grad.rank() as isize).rev() {
                touched = touched.any(dim)?.unsqueeze(dim)?;
            }
            let toward = |x: &Tensor, end: &Tensor, beta: f64| {
                x.add_(&end.sub(x)?.mul(1.0 - beta)?.where_cond(&touched, 0.0)?).map(drop)
            };
            toward(&mean, &grad, betas[0])?;
            toward(&square, &grad.square()?, betas[1])?;
            let (first, second) = (correction(betas[0], &step)?, correction(betas[1], &step)?);
            let size = lr.mul(second.sqrt()?)?.div(first)?;
            let update = mean.div(&square.sqrt()?.add(eps)?)?.mul(size.operand())?;
            p.param.sub_(&update.where_cond(&touched, 0.0)?)?;
        }
        Ok(())
    }
}
