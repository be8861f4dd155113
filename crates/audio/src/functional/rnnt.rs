//! The loss of a transducer: A. Graves, *Sequence Transduction with Recurrent Neural Networks*, 2012, arXiv:1211.3711.

use flambeau_autograd::{Context, MultiFunction};
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, grad_enabled, options};

/// What is made of the losses of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// nothing: one for each
    None,
    /// their mean
    #[default]
    Mean,
    /// their sum
    Sum,
}

options! {
    /// Options of [`rnnt_loss`]; torchaudio's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct RnntLossOptions {
        /// The class of the blank, counted from the end where negative: the last.
        blank: isize = -1,
        /// The bound of a gradient's elements; none unless above 0.
        clamp: f64 = -1.0,
        /// What is made of the losses of a batch, the mean.
        reduction: Reduction = Reduction::Mean,
        /// Are the inputs logits (or log-probabilities)? Yes.
        fused_log_softmax: bool = true,
    }
}

/// The negative log-probability of `targets` `[batch, tokens]`, summed over all alignments, by the joiner's `logits`
/// `[batch, frames, tokens + 1, classes]`; of each of the batch `logit_lengths` frames and `target_lengths` tokens
/// count. Follows `torchaudio.functional.rnnt_loss`.
///
/// # Errors
/// Where the shapes do not go together, a length is more than there is, or a token is no class or the blank.
/// Differentiating the gradient is an error.
#[track_caller]
pub fn rnnt_loss(
    logits: &Tensor,
    targets: &Tensor,
    logit_lengths: &Tensor,
    target_lengths: &Tensor,
    options: RnntLossOptions,
) -> Result<Tensor> {
    let name = "rnnt_loss";
    let &[batch, frames, states, classes] = logits.shape() else {
        bail!(Shape, name, "logits must be [batch, frames, tokens + 1, classes], they are {:?}", logits.shape())
    };
    ensure!(logits.dtype().is_float(), DType, name, "logits are floating point, not {}", logits.dtype());
    ensure!(
        states > 0 && targets.shape() == [batch, states - 1],
        Shape,
        name,
        "targets must be [{batch}, {}] for logits {:?}, they are {:?}",
        states.saturating_sub(1),
        logits.shape(),
        targets.shape()
    );
    ensure!(
        logit_lengths.shape() == [batch] && target_lengths.shape() == [batch],
        Shape,
        name,
        "lengths must be [{batch}], they are {:?} and {:?}",
        logit_lengths.shape(),
        target_lengths.shape()
    );
    let blank = if options.blank < 0 { options.blank + classes as isize } else { options.blank };
    ensure!(
        (0..classes as isize).contains(&blank),
        Argument,
        name,
        "blank {} is none of {classes} classes",
        options.blank
    );
    let whole = |x: &Tensor| x.to_dtype(DType::I64)?.to_vec::<i64>();
    let within = |what: &str, lengths: &[i64], least: usize, most: usize| -> Result<Vec<usize>> {
        let fits = |n: &i64| usize::try_from(*n).ok().filter(|n| (least..=most).contains(n));
        match lengths.iter().map(fits).collect() {
            Some(found) => Ok(found),
            None => bail!(Argument, name, "{what} must be from {least} to {most}, they are {lengths:?}"),
        }
    };
    let lengths = within("logit_lengths", &whole(logit_lengths)?, 1, frames)?;
    let counts = within("target_lengths", &whole(target_lengths)?, 0, states - 1)?;
    let mut tokens = Vec::with_capacity(batch);
    for (row, count) in whole(targets)?.chunks(states.max(2) - 1).zip(&counts) {
        tokens.push(within("targets", &row[..*count], 0, classes - 1)?);
    }
    tokens.resize(batch, Vec::new());
    let blank = blank as usize;
    if let Some(at) = tokens.iter().position(|t| t.contains(&blank)) {
        bail!(Argument, name, "targets of sample {at} contain the blank, {blank}: {:?}", tokens[at]);
    }
    let transducer = Transducer { lengths, tokens, blank, clamp: options.clamp, fused: options.fused_log_softmax };
    let costs = transducer.apply(&[logits])?.swap_remove(0);
    match options.reduction {
        Reduction::None => Ok(costs),
        Reduction::Mean => costs.mean(..),
        Reduction::Sum => costs.sum(..),
    }
}

/// The losses; their gradient is computed with them.
struct Transducer {
    lengths: Vec<usize>,
    tokens: Vec<Vec<usize>>,
    blank: usize,
    clamp: f64,
    fused: bool,
}

/// log(eᵃ + eᵇ)
fn log_add(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most == f64::NEG_INFINITY { most } else { most + (a.min(b) - most).exp().ln_1p() }
}

impl MultiFunction for Transducer {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let logits = inputs[0];
        let (dtype, shape) = (logits.dtype(), logits.shape());
        let (frames, states) = (shape[1], shape[2]);
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let log_probs = logits.to_dtype(wide)?;
        let log_probs = if self.fused { log_probs.log_softmax(-1)? } else { log_probs };
        let blanks = log_probs.select(-1, self.blank as isize)?.to_dtype(DType::F64)?.to_vec::<f64>()?;
        // The log-probability of the next token in each cell, none in the last state.
        let mut next = vec![0i64; shape[0] * states];
        for (row, tokens) in next.chunks_mut(states.max(1)).zip(&self.tokens) {
            row.iter_mut().zip(tokens).for_each(|(at, token)| *at = *token as i64);
        }
        let next = Tensor::from_vec(next, [shape[0], 1, states, 1])?.expand([shape[0], frames, states, 1])?;
        let emits = log_probs.gather(-1, &next)?.squeeze(-1)?.to_dtype(DType::F64)?.to_vec::<f64>()?;
        let cells = frames * states;
        let (mut costs, mut visits) = (Vec::new(), vec![0.0; shape[0] * cells]);
        // How often each cell is left by a blank, and by its token.
        let (mut by_blank, mut by_token) = (visits.clone(), visits.clone());
        for (b, (&length, tokens)) in self.lengths.iter().zip(&self.tokens).enumerate() {
            let part = b * cells..(b + 1) * cells;
            let (blank, emit) = (&blanks[part.clone()], &emits[part.clone()]);
            let (last, at) = (tokens.len(), |t: usize, u: usize| t * states + u);
            let mut beta = vec![f64::NEG_INFINITY; cells];
            for t in (0..length).rev() {
                for u in (0..=last).rev() {
                    let rest = match (t + 1 < length, u < last) {
                        (false, false) => blank[at(t, u)],
                        (more, token) => log_add(
                            if more { beta[at(t + 1, u)] + blank[at(t, u)] } else { f64::NEG_INFINITY },
                            if token { beta[at(t, u + 1)] + emit[at(t, u)] } else { f64::NEG_INFINITY },
                        ),
                    };
                    beta[at(t, u)] = rest;
                }
            }
            costs.push(-beta[0]);
            let mut alpha = vec![f64::NEG_INFINITY; cells];
            alpha[0] = 0.0;
            for t in 0..length {
                for u in 0..=last {
                    let here = at(t, u);
                    if t > 0 {
                        alpha[here] = log_add(alpha[here], alpha[at(t - 1, u)] + blank[at(t - 1, u)]);
                    }
                    if u > 0 {
                        alpha[here] = log_add(alpha[here], alpha[at(t, u - 1)] + emit[at(t, u - 1)]);
                    }
                    let reached = alpha[here] - beta[0];
                    let i = b * cells + here;
                    visits[i] = (reached + beta[here]).exp();
                    by_blank[i] = match (t + 1 < length, u == last) {
                        (true, _) => (reached + blank[here] + beta[at(t + 1, u)]).exp(),
                        (false, true) => (reached + blank[here]).exp(),
                        (false, false) => 0.0,
                    };
                    by_token[i] = if u < last { (reached + emit[here] + beta[at(t, u + 1)]).exp() } else { 0.0 };
                }
            }
        }
        let tensor = |cells: Vec<f64>| Tensor::from_vec(cells, [shape[0], frames, states, 1])?.to_dtype(wide);
        if ctx.needs_input_grad(0) {
            let grad = if self.fused { log_probs.exp()?.mul(&tensor(visits)?)? } else { log_probs.zeros_like()? };
            let blank = Tensor::full([shape[0], frames, states, 1], self.blank as i64).dtype(DType::I64).build()?;
            let grad = grad.scatter_add(-1, &blank, &tensor(by_blank)?.neg()?)?;
            let grad = grad.scatter_add(-1, &next, &tensor(by_token)?.neg()?)?;
            let grad = if self.clamp > 0.0 { grad.clamp(-self.clamp, self.clamp)? } else { grad };
            ctx.save(&grad.to_dtype(dtype)?);
        }
        Ok(vec![Tensor::from_vec(costs, shape[0])?.to_dtype(dtype)?])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None]) };
        ensure!(!grad_enabled(), Autograd, "rnnt_loss", "its gradient cannot be differentiated again");
        Ok(vec![Some(ctx.saved(0)?.mul(&grad.reshape([grad.numel(), 1, 1, 1])?)?)])
    }
}
