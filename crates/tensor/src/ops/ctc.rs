//! The loss of connectionist temporal classification (Graves et al. 2006), fused.

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::{DType, Result, Tensor, cat, ensure, stack};

/// −ln of the probability of each target, over all the ways in which the frames can spell it: of log-probabilities
/// `[T, N, C]` and targets `[N, S]`, `[N]`.
///
/// Its derivative is PyTorch's, which takes the log-probabilities to come from a `log_softmax`: the derivative by what
/// goes in there.
#[derive(Clone, Debug)]
pub struct CtcLoss {
    /// The class that spells nothing.
    pub blank: usize,
    /// Frames of each sequence.
    pub input_lengths: Vec<usize>,
    /// Classes of each target.
    pub target_lengths: Vec<usize>,
    /// Is an infinite loss, of a target too long for its frames, 0, and its gradient?
    pub zero_infinity: bool,
}

/// The gradient of [`CtcLoss`], of the loss's gradient, log-probabilities and targets.
#[derive(Clone, Debug)]
pub struct CtcLossBackward {
    /// The loss.
    pub of: Box<CtcLoss>,
}

/// What stands for the logarithm of 0 where that is differentiated.
const NONE: f64 = -1e30;

fn check(op: &CtcLoss, x: &Tensor, targets: &Tensor) -> Result<()> {
    const NAME: &str = "ctc_loss";
    ensure!(matches!(x.dtype(), DType::F32 | DType::F64), DType, NAME, "not defined for {}", x.dtype());
    let (&[t, n, c], &[rows, s]) = (x.shape(), targets.shape()) else {
        crate::bail!(Shape, NAME, "shapes {:?} and {:?} are not [T, N, C] and [N, S]", x.shape(), targets.shape())
    };
    ensure!(rows == n && targets.dtype() == DType::I64, Shape, NAME, "{rows} targets of {} for {n}", targets.dtype());
    ensure!(op.blank < c, Argument, NAME, "blank is {}, there are {c} classes", op.blank);
    for (what, lengths, most) in [("input", &op.input_lengths, t), ("target", &op.target_lengths, s)] {
        ensure!(lengths.len() == n, Argument, NAME, "{} {what} lengths for {n} sequences", lengths.len());
        let long = lengths.iter().find(|len| **len > most);
        ensure!(long.is_none(), Argument, NAME, "an {what} length of {long:?} is more than the {most} there are");
    }
    Ok(())
}

impl Infer for CtcLoss {
    const NAME: &'static str = "ctc_loss";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check(self, inputs[0], inputs[1])?;
        Meta::new([inputs[0].shape()[1]].as_slice(), inputs[0].dtype()).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.in_ops(inputs[0], inputs[1]).map(|loss| Outputs::from_iter([loss])))
    }
}

impl Infer for CtcLossBackward {
    const NAME: &'static str = "ctc_loss_backward";
    const INPUTS: usize = 3;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (g, x) = (inputs[0], inputs[1]);
        check(&self.of, x, inputs[2])?;
        let fits = *g.shape() == [x.shape()[1]] && g.dtype() == x.dtype();
        ensure!(fits, Shape, Self::NAME, "a gradient of {} {:?} for {:?}", g.dtype(), g.shape(), x.shape());
        Meta::like(x).one()
    }
}

impl CtcLoss {
    /// The loss in other ops: the forward recursion over frames.
    #[track_caller]
    fn in_ops(&self, x: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let (frames, n, s) = (x.size(0)?, x.size(1)?, targets.size(1)?);
        let of_lengths = |lengths: &[usize]| {
            let all: Vec<i64> = lengths.iter().map(|len| *len as i64).collect();
            Tensor::from_vec(all, [n, 1])?.to_device(x.device())
        };
        let (input_lengths, target_lengths) = (of_lengths(&self.input_lengths)?, of_lengths(&self.target_lengths)?);
        // A blank between and around the classes of the target.
        let blanks = targets.mul(0)?.add(self.blank as i64)?;
        let labels = stack(&[&blanks, targets], -1)?.reshape([n, 2 * s])?;
        let last = Tensor::full([n, 1], self.blank as i64).dtype(DType::I64).device(x.device()).build()?;
        let labels = cat(&[&labels, &last], 1)?;
        let at = Tensor::arange(0, 2 * s as i64 + 1).device(x.device()).build()?;
        // Two steps at once, where that leaves out a blank between different classes.
        let before = cat(&[&last, &last, &labels], 1)?.narrow(1, 0, 2 * s + 1)?;
        let skips = labels.ne(&before)?.logical_and(&labels.ne(self.blank as i64)?)?.logical_and(&at.ge(2)?)?;
        let starts = at.lt(2)?.logical_and(&at.le(&target_lengths.mul(2)?)?)?;
        let mut alpha: Option<Tensor> = None;
        for t in 0..frames {
            let of_labels = x.select(0, t as isize)?.gather(1, &labels)?;
            alpha = Some(match alpha {
                None => of_labels.where_cond(&starts, NONE)?,
                Some(alpha) => {
                    let back = |k: isize| {
                        let moved = alpha.pad(&[k, 0], NONE)?.narrow(1, 0, 2 * s + 1)?;
                        if k == 1 { Ok(moved) } else { moved.where_cond(&skips, NONE) }
                    };
                    let next = stack(&[&alpha, &back(1)?, &back(2)?], 0)?.logsumexp(0)?.add(&of_labels)?;
                    next.where_cond(&input_lengths.gt(t as i64)?, &alpha)?
                }
            });
        }
        let alpha = match alpha {
            Some(alpha) => alpha,
            None => Tensor::full([n, 2 * s + 1], NONE).dtype(x.dtype()).device(x.device()).build()?,
        };
        let ends = at.eq(&target_lengths.mul(2)?)?.logical_or(&at.eq(&target_lengths.mul(2)?.sub(1)?)?)?;
        let loss = alpha.where_cond(&ends, NONE)?.logsumexp(1)?.neg()?;
        // Without frames only nothing can be spelled.
        let nothing = input_lengths.eq(0)?.logical_and(&target_lengths.eq(0)?)?.squeeze(-1)?;
        let impossible = loss.gt(-NONE / 10.0)?.logical_or(&input_lengths.eq(0)?.squeeze(-1)?)?;
        let infinite = if self.zero_infinity { 0.0 } else { f64::INFINITY };
        let loss = loss.masked_fill(&impossible, infinite)?.masked_fill(&nothing, 0)?;
        // Adds nothing but the derivative of what a log_softmax is normalized by.
        let time = Tensor::arange(0, frames as i64).device(x.device()).build()?.unsqueeze(-1)?;
        let inside = time.lt(&input_lengths.squeeze(-1)?)?.unsqueeze(-1)?;
        let mass = x.exp()?.masked_fill(&inside.logical_not()?, 0)?.sum([0, 2])?;
        let mass = if self.zero_infinity { mass.masked_fill(&impossible, 0)? } else { mass };
        loss.add(&mass.sub(&mass.detach())?)
    }
}
