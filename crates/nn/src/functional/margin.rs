//! Losses with a margin, and likelihoods of counts and normal numbers. The plain functions have PyTorch's defaults and
//! give the mean; those with `_with` take the rest.

use super::Reduction;
use flambeau_tensor::autocast::full_precision;
use flambeau_tensor::{DType, Result, Tensor, bail, ensure, no_grad, options};
use std::f64::consts::PI;

/// The mean of max(0, −y (x₁ − x₂)), where y is 1 if x₁ should be larger and −1 if x₂ should:
/// `torch.nn.functional.margin_ranking_loss`.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn margin_ranking_loss(
    input1: impl AsRef<Tensor>,
    input2: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
) -> Result<Tensor> {
    margin_ranking_loss_with(input1, input2, target, 0.0, Reduction::Mean)
}

/// [`margin_ranking_loss`] with a margin, which is added before the maximum is taken, reduced as said.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn margin_ranking_loss_with(
    input1: impl AsRef<Tensor>,
    input2: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    margin: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input1, input2, target] = full_precision([input1.as_ref(), input2.as_ref(), target.as_ref()])?;
    let (input1, input2, target) = (&*input1, &*input2, &*target);
    reduction.of(&input1.sub(input2)?.mul(&target.neg()?)?.add(margin)?.clamp_min(0.0)?)
}

/// The mean of x where y is 1, of max(0, 1 − x) where it is −1: `torch.nn.functional.hinge_embedding_loss`.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn hinge_embedding_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    hinge_embedding_loss_with(input, target, 1.0, Reduction::Mean)
}

/// [`hinge_embedding_loss`] with another margin than 1, reduced as said.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn hinge_embedding_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    margin: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    let apart = input.rsub(margin)?.clamp_min(0.0)?.masked_fill(&target.eq(1)?, 0.0)?;
    let together = input.masked_fill(&target.eq(-1)?, 0.0)?;
    reduction.of(&apart.add(&together)?)
}

/// The mean of 1 − cos(x₁, x₂) where y is 1, of max(0, cos(x₁, x₂)) where it is −1, for `[N, D]` or `[D]`:
/// `torch.nn.functional.cosine_embedding_loss`.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn cosine_embedding_loss(
    input1: impl AsRef<Tensor>,
    input2: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
) -> Result<Tensor> {
    cosine_embedding_loss_with(input1, input2, target, 0.0, Reduction::Mean)
}

/// [`cosine_embedding_loss`] with a margin, below which a cosine costs nothing where y is −1, reduced as said.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn cosine_embedding_loss_with(
    input1: impl AsRef<Tensor>,
    input2: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    margin: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "cosine_embedding_loss";
    const EPSILON: f64 = 1e-12;
    let [input1, input2, target] = full_precision([input1.as_ref(), input2.as_ref(), target.as_ref()])?;
    let (input1, input2, target) = (&*input1, &*input2, &*target);
    ensure!(
        matches!(input1.rank(), 1 | 2) && input1.rank() == input2.rank() && target.rank() + 1 == input1.rank(),
        Shape,
        NAME,
        "inputs {:?} and {:?} with a target {:?} are neither [N, D] with [N] nor [D] with []",
        input1.shape(),
        input2.shape(),
        target.shape()
    );
    let product = input1.mul(input2)?.sum(-1)?;
    let square = |x: &Tensor| x.square()?.sum(-1)?.add(EPSILON);
    let cosine = product.div(&square(input1)?.mul(&square(input2)?)?.sqrt()?)?;
    let alike = cosine.rsub(1.0)?.masked_fill(&target.ne(1)?, 0.0)?;
    let apart = cosine.sub(margin)?.clamp_min(0.0)?.masked_fill(&target.ne(-1)?, 0.0)?;
    reduction.of(&alike.add(&apart)?)
}

/// The mean of log(1 + exp(−y x)) for y of 1 and −1: `torch.nn.functional.soft_margin_loss`. It does not overflow.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn soft_margin_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    soft_margin_loss_with(input, target, Reduction::Mean)
}

/// [`soft_margin_loss`] reduced as said.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn soft_margin_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    reduction.of(&input.mul(target)?.logsigmoid()?.neg()?)
}

/// The mean over samples of Σ max(0, 1 − x_y + x_j) / C over the classes j ≠ y, for `[N, C]` and classes `[N]`, or
/// `[C]` and `[]`: `torch.nn.functional.multi_margin_loss`.
///
/// # Errors
/// Where the shapes do not fit or a class is out of range.
#[track_caller]
pub fn multi_margin_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    multi_margin_loss_with(input, target, 1, 1.0, None, Reduction::Mean)
}

/// [`multi_margin_loss`] with a margin other than 1, its terms to the power `p` (1 or 2), each sample times the
/// `weight` `[C]` of its class, reduced as said.
///
/// # Errors
/// Where the shapes do not fit, a class is out of range, or `p` is neither 1 nor 2.
#[track_caller]
pub fn multi_margin_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    p: u32,
    margin: f64,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "multi_margin_loss";
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    ensure!(matches!(p, 1 | 2), Argument, NAME, "p = {p} is neither 1 nor 2");
    let (x, y) = batch(NAME, input, target, 1)?;
    let y = y.reshape([x.shape()[0], 1])?;
    let classes = x.shape()[1];
    let terms = x.sub(&x.gather(1, &y)?)?.add(margin)?.clamp_min(0.0)?;
    let terms = if p == 2 { terms.square()? } else { terms };
    let numbers = Tensor::arange(0, classes as i64).device(x.device()).build()?;
    let mut loss = terms.masked_fill(&numbers.eq(&y)?, 0.0)?;
    if let Some(weight) = weight {
        ensure!(
            *weight.shape() == [classes],
            Shape,
            NAME,
            "{classes} classes take a weight of shape [{classes}], not {:?}",
            weight.shape()
        );
        loss = loss.mul(&weight.index_select(0, &y.reshape(-1)?)?.unsqueeze(1)?)?;
    }
    unbatched(input, reduction, loss.sum(1)?.div(classes as f64)?)
}

/// The mean over samples of Σ max(0, 1 − x_j + x_i) / C over the target classes j and the other classes i, for
/// `[N, C]` or `[C]` and targets of the same shape, whose classes end at the first −1:
/// `torch.nn.functional.multilabel_margin_loss`.
///
/// # Errors
/// Where the shapes do not fit or a class is out of range.
#[track_caller]
pub fn multilabel_margin_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    multilabel_margin_loss_with(input, target, Reduction::Mean)
}

/// [`multilabel_margin_loss`] reduced as said.
///
/// # Errors
/// Where the shapes do not fit or a class is out of range.
#[track_caller]
pub fn multilabel_margin_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    let (x, y) = batch("multilabel_margin_loss", input, target, 0)?;
    let y = y.to_dtype(DType::I64)?;
    // Which of the numbers are classes: those before the first −1.
    let counts = no_grad(|| y.ge(0)?.to_dtype(DType::I64)?.cumprod(1))?;
    let y = y.masked_fill(&counts.eq(0)?, 0)?;
    let is_target = counts.zeros_like()?.scatter_add(1, &y, &counts)?.gt(0)?;
    // [N, targets, classes]
    let terms = x.unsqueeze(1)?.sub(&x.gather(1, &y)?.unsqueeze(2)?)?.add(1.0)?.clamp_min(0.0)?;
    let counted = counts.gt(0)?.unsqueeze(2)?.logical_and(&is_target.logical_not()?.unsqueeze(1)?)?;
    let loss = terms.masked_fill(&counted.logical_not()?, 0.0)?.sum([1, 2])?.div(x.shape()[1] as f64)?;
    unbatched(input, reduction, loss)
}

/// The mean over samples and classes of −y log σ(x) − (1 − y) log σ(−x), for `[…, C]`:
/// `torch.nn.functional.multilabel_soft_margin_loss`.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn multilabel_soft_margin_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    multilabel_soft_margin_loss_with(input, target, None, Reduction::Mean)
}

/// [`multilabel_soft_margin_loss`], the losses of classes times `weight`, the means over classes reduced as said.
///
/// # Errors
/// Where the shapes do not fit.
#[track_caller]
pub fn multilabel_soft_margin_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    let (input, target) = (input.as_ref(), target.as_ref());
    ensure!(input.rank() > 0, Shape, "multilabel_soft_margin_loss", "a scalar has no classes");
    let yes = target.mul(&input.logsigmoid()?)?;
    let no = target.rsub(1)?.mul(&input.neg()?.logsigmoid()?)?;
    let loss = yes.add(&no)?.neg()?;
    let loss = match weight {
        Some(weight) => loss.mul(weight)?,
        None => loss,
    };
    reduction.of(&loss.mean(-1)?)
}

/// The mean of eˣ − y x, for logarithms x of expected counts: `torch.nn.functional.poisson_nll_loss`.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn poisson_nll_loss(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
    poisson_nll_loss_with(input, target, true, false, 1e-8, Reduction::Mean)
}

/// [`poisson_nll_loss`]; without `log_input` x − y log(x + eps), for expected counts x; where `full` with Stirling's
/// term, y log y − y + log(2πy) / 2 for y above 1; reduced as said.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn poisson_nll_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    log_input: bool,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    let mut loss = if log_input {
        input.exp()?.sub(&target.mul(input)?)?
    } else {
        input.sub(&target.mul(&input.add(eps)?.log()?)?)?
    };
    if full {
        // Of counts up to 1 the term is 0; they take part as 1, so that no gradient is 0 · ∞.
        let few = target.le(1)?;
        let many = target.masked_fill(&few, 1)?;
        let stirling = many.mul(&many.log()?)?.sub(&many)?.add(&many.mul(2.0 * PI)?.log()?.mul(0.5)?)?;
        loss = loss.add(&stirling.masked_fill(&few, 0.0)?)?;
    }
    reduction.of(&loss)
}

/// The mean of (log v + (x − y)² / v) / 2, for expected numbers x and variances v: `torch.nn.functional.gaussian_nll_loss`.
///
/// # Errors
/// Where the shapes do not fit or a variance is negative.
#[track_caller]
pub fn gaussian_nll_loss(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    var: impl AsRef<Tensor>,
) -> Result<Tensor> {
    gaussian_nll_loss_with(input, target, var, false, 1e-6, Reduction::Mean)
}

/// [`gaussian_nll_loss`], variances not below `eps` (which has no part in the gradient), with the constant log(2π) / 2
/// where `full`, reduced as said. `var` has the shape of `input`, or no last dimension, or sizes of 1.
///
/// # Errors
/// Where the shapes do not fit, a variance is negative, or `eps` is not positive.
#[track_caller]
pub fn gaussian_nll_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    var: impl AsRef<Tensor>,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "gaussian_nll_loss";
    let (input, target, var) = (input.as_ref(), target.as_ref(), var.as_ref());
    ensure!(eps > 0.0, Argument, NAME, "eps = {eps} is not positive");
    let (shape, given) = (input.shape(), var.shape());
    let var = if !shape.is_empty() && given == &shape[..shape.len() - 1] {
        var.unsqueeze(-1)?
    } else if given.len() == shape.len() && given.iter().zip(shape).all(|(v, x)| *v == *x || *v == 1) {
        var.clone()
    } else {
        bail!(Shape, NAME, "for an input of shape {shape:?} the variances cannot have shape {given:?}")
    };
    if var.numel() > 0 && var.device().has_data() {
        let least = no_grad(|| var.detach().amin(..))?.item::<f64>()?;
        ensure!(!(least < 0.0), Argument, NAME, "a variance is {least}, below 0");
    }
    // ∞ − ∞ is no number.
    let raise = no_grad(|| var.rsub(eps)?.masked_fill(&var.ge(eps)?, 0.0))?;
    let var = var.add(&raise)?;
    let loss = var.log()?.add(&input.sub(target)?.square()?.div(&var)?)?.mul(0.5)?;
    reduction.of(&if full { loss.add(0.5 * (2.0 * PI).ln())? } else { loss })
}

/// Input and target as `[N, C]` and `[N, …]`, where they have no N of one sample. The target has as many dimensions as
/// the input but `less`.
#[track_caller]
fn batch(name: &'static str, input: &Tensor, target: &Tensor, less: usize) -> Result<(Tensor, Tensor)> {
    if input.rank() == 0 && target.rank() == 0 {
        // One class of one sample.
        let target = if less == 1 { target.clone() } else { target.unsqueeze(0)? };
        return batch(name, &input.unsqueeze(0)?, &target, less);
    }
    if less == 1 && input.rank() == 1 && *target.shape() == [1] {
        // The class of one sample may stand in a list of its own.
        return batch(name, input, &target.squeeze(0)?, less);
    }
    let right: &[usize] =
        if less == 1 && input.rank() > 0 { &input.shape()[..input.rank() - 1] } else { input.shape() };
    ensure!(
        matches!(input.rank(), 1 | 2) && target.shape() == right && input.shape()[input.rank() - 1] > 0,
        Shape,
        name,
        "an input of shape {:?} and a target of shape {:?} do not go together: [N, C] or [C] takes {}",
        input.shape(),
        target.shape(),
        if less == 1 { "[N] or []" } else { "its own shape" }
    );
    ensure!(target.dtype().is_int(), DType, name, "classes are integers, the target is {}", target.dtype());
    let target = target.to_dtype(DType::I64)?;
    if input.rank() == 2 { Ok((input.clone(), target)) } else { Ok((input.unsqueeze(0)?, target.unsqueeze(0)?)) }
}

/// The losses `[N]` reduced, or the one of a single sample.
#[track_caller]
fn unbatched(input: &Tensor, reduction: Reduction, losses: Tensor) -> Result<Tensor> {
    if input.rank() < 2 { losses.squeeze(0) } else { reduction.of(&losses) }
}

options! {
    /// The options of [`triplet_margin_loss_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct TripletMargin {
        /// By how much the negative is to be farther than the positive.
        margin: f64 = 1.0,
        /// The norm's order.
        p: f64 = 2.0,
        /// Added to each difference.
        eps: f64 = 1e-6,
        /// Take the distance from positive to negative where it is the smaller one.
        swap: bool = false,
        /// What becomes of the losses of all samples.
        reduction: Reduction = Reduction::Mean,
    }
}

/// The mean of max(0, d(anchor, positive) − d(anchor, negative) + 1), for Euclidean distances d:
/// `torch.nn.functional.triplet_margin_loss`.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn triplet_margin_loss(
    anchor: impl AsRef<Tensor>,
    positive: impl AsRef<Tensor>,
    negative: impl AsRef<Tensor>,
) -> Result<Tensor> {
    triplet_margin_loss_with(anchor, positive, negative, TripletMargin::new())
}

/// [`triplet_margin_loss`] with options.
///
/// # Errors
/// Where the shapes do not broadcast.
#[track_caller]
pub fn triplet_margin_loss_with(
    anchor: impl AsRef<Tensor>,
    positive: impl AsRef<Tensor>,
    negative: impl AsRef<Tensor>,
    options: TripletMargin,
) -> Result<Tensor> {
    let distance = |x: &Tensor, y: &Tensor| x.pairwise_distance(y, options.p, options.eps, false);
    triplet_margin_with_distance_loss(anchor, positive, negative, distance, options)
}

/// [`triplet_margin_loss`] for any distance; the options' norm does not count:
/// `torch.nn.functional.triplet_margin_with_distance_loss`.
///
/// # Errors
/// Where the tensors have different ranks, the margin is not above 0, or the distance fails.
#[track_caller]
pub fn triplet_margin_with_distance_loss(
    anchor: impl AsRef<Tensor>,
    positive: impl AsRef<Tensor>,
    negative: impl AsRef<Tensor>,
    distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    options: TripletMargin,
) -> Result<Tensor> {
    const NAME: &str = "triplet_margin_loss";
    let [anchor, positive, negative] = full_precision([anchor.as_ref(), positive.as_ref(), negative.as_ref()])?;
    let (anchor, positive, negative) = (&*anchor, &*positive, &*negative);
    ensure!(
        anchor.rank() == positive.rank() && anchor.rank() == negative.rank(),
        Shape,
        NAME,
        "anchor {:?}, positive {:?} and negative {:?} are not of one rank",
        anchor.shape(),
        positive.shape(),
        negative.shape()
    );
    ensure!(options.margin > 0.0, Argument, NAME, "margin = {} is not above 0", options.margin);
    let near = distance(anchor, positive)?;
    let mut far = distance(anchor, negative)?;
    if options.swap {
        far = far.minimum(&distance(positive, negative)?)?;
    }
    options.reduction.of(&near.sub(&far)?.add(options.margin)?.clamp_min(0.0)?)
}
