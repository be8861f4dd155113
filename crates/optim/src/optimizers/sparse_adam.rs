//! SparseAdam: Adam for the rows that a gradient touches.

use super::{adam, correction};
use crate::base::{Coefficient, GroupOptions, Kind, Rule, Scaling, Slot, Stepped, Takes, optimizer};
use flambeau_tensor::{Result, Tensor, ensure};

optimizer! {
    /// Adam for the rows that a batch looked up, which leaves the others alone, moments included: `torch.optim.SparseAdam`,
    /// for embeddings with `sparse(true)`. It takes [sparse](flambeau_autograd::sparse_gradients) gradients alone. Time
    /// goes with the rows that were looked up; the moments are as large as the table.
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

    const TAKES: Takes = Takes::Sparse;

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
            let Some(sparse) = &p.sparse else { continue };
            let sparse = sparse.coalesce()?;
            if sparse.nnz() == 0 {
                continue;
            }
            let grad = if o.flag("maximize") { sparse.values().neg()? } else { sparse.values().clone() };
            // What is added to the rows of a moment, and these rows afterwards.
            let toward = |moment: &Tensor, end: &Tensor, beta: f64| {
                let old = sparse.mask(moment)?;
                let change = end.sub(&old)?.mul(1.0 - beta)?;
                sparse.with_values(&change)?.add_to(moment, 1.0)?;
                change.add(&old)
            };
            let mean = toward(&mean, &grad, betas[0])?;
            let square = toward(&square, &grad.square()?, betas[1])?;
            let (first, second) = (correction(betas[0], &step)?, correction(betas[1], &step)?);
            let size = lr.mul(second.sqrt()?)?.div(first)?;
            let update = mean.div(&square.sqrt()?.add(eps)?)?.mul(size.operand())?;
            sparse.with_values(&update)?.add_to(&p.param, -1.0)?;
        }
        Ok(())
    }
}
