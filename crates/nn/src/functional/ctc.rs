//! The loss of connectionist temporal classification.

use super::Reduction;
use flambeau_tensor::{CtcLoss, DType, Result, Tensor, dispatch, ensure, options, stack};

options! {
    /// Options of [`ctc_loss_with`]; PyTorch's names and defaults.
    #[derive(Clone, Debug)]
    pub struct CtcOptions {
        /// The class that spells nothing; 0.
        blank: usize = 0,
        /// Over the targets; the mean is of losses divided by the lengths of their targets.
        reduction: Reduction = Reduction::Mean,
        /// Is an infinite loss, of a target too long for its frames, 0, and its gradient? No.
        zero_infinity: bool = false,
    }
}

/// −ln of the probability that frames spell their targets, over all the ways in which they can (Graves et al. 2006):
/// `torch.nn.functional.ctc_loss`, with the mean over the batch.
///
/// `log_probs` are logarithms of probabilities, `[T, N, C]` or `[T, C]`, out of a `log_softmax`: the gradient is that
/// by what goes in there, as in PyTorch. `targets` are classes, `[N, S]`, or all targets one after another.
///
/// # Errors
/// Where shapes and lengths do not go together, or a target is no class.
#[track_caller]
pub fn ctc_loss(
    log_probs: impl AsRef<Tensor>,
    targets: impl AsRef<Tensor>,
    input_lengths: &[usize],
    target_lengths: &[usize],
) -> Result<Tensor> {
    ctc_loss_with(log_probs, targets, input_lengths, target_lengths, CtcOptions::new())
}

/// [`ctc_loss`] with options.
///
/// # Errors
/// As [`ctc_loss`].
#[track_caller]
pub fn ctc_loss_with(
    log_probs: impl AsRef<Tensor>,
    targets: impl AsRef<Tensor>,
    input_lengths: &[usize],
    target_lengths: &[usize],
    options: CtcOptions,
) -> Result<Tensor> {
    let (x, targets) = (log_probs.as_ref(), targets.as_ref());
    let single = x.rank() == 2;
    let x = if single { x.unsqueeze(1)? } else { x.clone() };
    let targets = rows(targets, target_lengths)?;
    let CtcOptions { blank, reduction, zero_infinity } = options;
    let (input_lengths, lengths) = (input_lengths.to_vec(), target_lengths.to_vec());
    let op = CtcLoss { blank, input_lengths, target_lengths: lengths, zero_infinity };
    let loss = dispatch(op, &[&x, &targets.to_dtype(DType::I64)?.to_device(x.device())?])?;
    if reduction == Reduction::Mean {
        let lengths: Vec<f64> = target_lengths.iter().map(|len| (*len).max(1) as f64).collect();
        let n = lengths.len();
        let lengths = Tensor::from_vec(lengths, n)?.to_dtype(loss.dtype())?.to_device(loss.device())?;
        return loss.div(&lengths)?.mean(..);
    }
    let loss = if single { loss.squeeze(0)? } else { loss };
    reduction.of(&loss)
}

/// Targets as rows; those that stand one after another are cut and filled.
#[track_caller]
fn rows(targets: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    if targets.rank() != 1 {
        return Ok(targets.clone());
    }
    let all = lengths.iter().try_fold(0usize, |sum, len| sum.checked_add(*len));
    let there = targets.numel();
    ensure!(all == Some(there), Argument, "ctc_loss", "{there} classes for targets of lengths {lengths:?}");
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let (mut start, mut rows) = (0, Vec::with_capacity(lengths.len()));
    for &len in lengths {
        rows.push(targets.narrow(0, start as isize, len)?.pad(&[0, (longest - len) as isize], 0.0)?);
        start += len;
    }
    if rows.is_empty() { targets.reshape([0, 0]) } else { stack(&rows, 0) }
}
