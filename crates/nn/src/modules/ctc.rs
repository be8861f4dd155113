//! The loss of connectionist temporal classification, as a module.

use crate::functional::{self, CtcOptions, Reduction};
use crate::{Forward, Module, ModuleId};
use flambeau_tensor::{DType, Result, Tensor, builder, ensure};

/// −ln of the probability that frames spell their targets, as `torch.nn.CTCLoss` (Graves et al. 2006). It is called with
/// logarithms of probabilities `[T, N, C]` (or `[T, C]`), targets `[N, S]` or one after another, and the lengths of both,
/// integers `[N]`.
#[derive(Module)]
pub struct CTCLoss {
    #[module(skip)]
    options: CtcOptions,
    id: ModuleId,
}

builder! {
    /// Options of [`CTCLoss`].
    pub struct CTCLossBuilder => CTCLoss;
    new {}
    options {
        /// The class that spells nothing, 0 unless set.
        blank: usize = 0,
        /// What becomes of the losses of all samples: their mean, each divided by its target's length, unless set.
        reduction: Reduction = Reduction::Mean,
        /// An infinite loss, of a target too long for its frames, is 0, and so is its gradient.
        zero_infinity: bool = false,
    }
}

impl CTCLoss {
    fn from_builder(b: CTCLossBuilder) -> Result<Self> {
        let options = CtcOptions { blank: b.blank, reduction: b.reduction, zero_infinity: b.zero_infinity };
        Ok(CTCLoss { options, id: ModuleId::new() })
    }
}

/// The lengths that a tensor of integers holds.
#[track_caller]
fn lengths(what: &str, t: &Tensor) -> Result<Vec<usize>> {
    ensure!(
        t.rank() <= 1 && t.dtype().is_int(),
        Shape,
        "CTCLoss",
        "{what} {} {:?} are no lengths",
        t.dtype(),
        t.shape()
    );
    let all = t.reshape(-1)?.to_dtype(DType::I64)?.to_vec::<i64>()?;
    ensure!(all.iter().all(|n| *n >= 0), Argument, "CTCLoss", "{what} {all:?}: a length is not negative");
    Ok(all.into_iter().map(|n| n as usize).collect())
}

impl Forward<(&Tensor, &Tensor, &Tensor, &Tensor)> for CTCLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (log_probs, targets, inputs, lens): (&Tensor, &Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        let (inputs, lens) = (lengths("input_lengths", inputs)?, lengths("target_lengths", lens)?);
        functional::ctc_loss_with(log_probs, targets, &inputs, &lens, self.options.clone())
    }
}
