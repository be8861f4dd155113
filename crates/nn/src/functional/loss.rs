//! Losses. The plain functions have PyTorch's defaults and give the mean; those with `_with` take the rest.

use super::bce;
use flambeau_autograd::MultiFunction;
use flambeau_tensor::autocast::full_precision;
use flambeau_tensor::{DType, Error, ErrorKind, MinMax, Result, Tensor, bail, ensure, no_grad, options};

/// What becomes of the losses of all elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduction {
    /// they are returned
    None,
    /// their mean
    #[default]
    Mean,
    /// their sum
    Sum,
    /// their sum divided by the size of the first dimension; for the Kullback-Leibler divergence
    BatchMean,
}

impl Reduction {
    #[track_caller]
    pub(super) fn of(self, loss: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::None => Ok(loss.clone()),
            Reduction::Mean => loss.mean(..),
            Reduction::Sum => loss.sum(..),
            Reduction::BatchMean => loss.sum(..)?.div(if loss.rank() == 0 { 1.0 } else { loss.shape()[0] as f64 }),
        }
    }
}

macro_rules! with_mean {
    ($($(#[$doc:meta])* $name:ident => $with:ident($($default:expr),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Where shapes or dtypes do not go together.
        #[track_caller]
        pub fn $name(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>) -> Result<Tensor> {
            let (input, target) = (input.as_ref(), target.as_ref());
            $with(input, target, $($default),*)
        }
    )*};
}

with_mean! {
    /// The mean of (x − y)².
    mse_loss => mse_loss_with(Reduction::Mean);
    /// The mean of |x − y|.
    l1_loss => l1_loss_with(Reduction::Mean);
    /// The mean of (x − y)² / 2 where that is below ½, of |x − y| − ½ elsewhere.
    smooth_l1_loss => smooth_l1_loss_with(1.0, Reduction::Mean);
    /// The mean of (x − y)² / 2 where that is below ½, of |x − y| − ½ elsewhere.
    huber_loss => huber_loss_with(1.0, Reduction::Mean);
    /// The mean of y (log y − x) for logarithms x of probabilities.
    kl_div => kl_div_with(false, Reduction::Mean);
    /// The mean of −y log x − (1 − y) log(1 − x) for probabilities x.
    binary_cross_entropy => binary_cross_entropy_with(Bce::default());
    /// [`binary_cross_entropy`] of σ(x), exact for large x.
    binary_cross_entropy_with_logits => binary_cross_entropy_with_logits_with(BceWithLogits::default());
    /// The mean of −x at the right class, for logarithms `[N, C, …]` of probabilities and classes `[N, …]`.
    nll_loss => nll_loss_with(Nll::default());
    /// The mean of −log softmax(x) at the right class, for `[N, C, …]` and classes `[N, …]`; or, for
    /// probabilities `[N, C, …]`, of the sum over all classes.
    cross_entropy => cross_entropy_with(CrossEntropy::default());
}

/// [`mse_loss`] reduced as said.
///
/// # Errors
/// Where shapes or dtypes do not go together.
#[track_caller]
pub fn mse_loss_with(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>, reduction: Reduction) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    reduction.of(&input.sub(target)?.square()?)
}

/// [`l1_loss`] reduced as said.
///
/// # Errors
/// Where shapes or dtypes do not go together.
#[track_caller]
pub fn l1_loss_with(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>, reduction: Reduction) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    reduction.of(&input.sub(target)?.abs()?)
}

/// (x − y)² / 2β where |x − y| is below β, |x − y| − β / 2 elsewhere, reduced as said.
///
/// # Errors
/// Where shapes or dtypes do not go together or β is negative.
#[track_caller]
pub fn smooth_l1_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    beta: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    ensure!(beta >= 0.0, Argument, "smooth_l1_loss", "beta = {beta} is negative");
    if beta == 0.0 {
        return l1_loss_with(input, target, reduction);
    }
    let difference = input.sub(target)?;
    let distance = difference.abs()?;
    let far = distance.ge(beta)?;
    reduction.of(&distance.sub(0.5 * beta)?.where_cond(&far, &near(&difference, &far)?.mul(0.5 / beta)?)?)
}

/// (x − y)² / 2 where |x − y| is at most δ, δ (|x − y| − δ / 2) elsewhere, reduced as said.
///
/// # Errors
/// Where shapes or dtypes do not go together or δ is not positive.
#[track_caller]
pub fn huber_loss_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    delta: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    ensure!(delta > 0.0, Argument, "huber_loss", "delta = {delta} is not positive");
    let difference = input.sub(target)?;
    let distance = difference.abs()?;
    let far = distance.ge(delta)?;
    reduction.of(&distance.sub(0.5 * delta)?.mul(delta)?.where_cond(&far, &near(&difference, &far)?.mul(0.5)?)?)
}

/// The squares of differences that are not `far`, zero elsewhere: what is not used of them would be 0 · ∞ in the
/// gradient of an infinite one. Squares of distances would have no curvature at 0.
#[track_caller]
fn near(difference: &Tensor, far: &Tensor) -> Result<Tensor> {
    difference.masked_fill(far, 0.0)?.square()
}

/// [`kl_div`] reduced as said, the target as logarithms too where `log_target`.
///
/// # Errors
/// Where shapes or dtypes do not go together.
#[track_caller]
pub fn kl_div_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    log_target: bool,
    reduction: Reduction,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    if log_target {
        return reduction.of(&target.exp()?.mul(&target.sub(input)?)?);
    }
    // 0 log 0 is 0, and so is its slope.
    let nothing = target.eq(0.0)?;
    let entropy = target.masked_fill(&nothing, 1.0)?.log()?.mul(target)?;
    reduction.of(&entropy.sub(&target.mul(input)?)?)
}

options! {
    /// Options of [`binary_cross_entropy_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct Bce<'a> {
        /// Factors of the losses; broadcast to them.
        weight: ~into Option<&'a Tensor> = None,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }

    /// Options of [`binary_cross_entropy_with_logits_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct BceWithLogits<'a> {
        /// Factors of the losses; broadcast to them.
        weight: ~into Option<&'a Tensor> = None,
        /// Factors of what is lost where y is 1; broadcast to it.
        pos_weight: ~into Option<&'a Tensor> = None,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

/// [`binary_cross_entropy`] with options. Logarithms end at −100, and the gradient
/// is (x − y) / max(x (1 − x), 10⁻¹²): where a probability is 0 or 1 it is large, but a number, as in PyTorch.
///
/// # Errors
/// Where shapes or dtypes do not go together, or an element of `input` or `target` is not between 0 and 1.
#[track_caller]
pub fn binary_cross_entropy_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    options: Bce<'_>,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    const NAME: &str = "binary_cross_entropy";
    same_shape(NAME, input, target)?;
    probabilities(NAME, "input", input)?;
    probabilities(NAME, "target", target)?;
    // Half precision knows no number as small as the one that denominators end at.
    let dtype = input.dtype();
    let loss = if dtype.is_half() {
        let (input, target) = (input.to_dtype(DType::F32)?, target.to_dtype(DType::F32)?);
        bce::single(bce::BinaryCrossEntropy.apply(&[&input, &target])?)?.to_dtype(dtype)?
    } else {
        bce::single(bce::BinaryCrossEntropy.apply(&[input, target])?)?
    };
    options.reduction.of(&weighted(loss, options.weight)?)
}

/// All numbers lie between 0 and 1; NaN does not.
#[track_caller]
fn probabilities(name: &'static str, what: &str, x: &Tensor) -> Result<()> {
    if x.numel() == 0 || !x.device().has_data() {
        return Ok(());
    }
    let MinMax { min: least, max: greatest } = no_grad(|| x.detach().aminmax(..))?;
    let (least, greatest) = (least.item::<f64>()?, greatest.item::<f64>()?);
    ensure!(
        least >= 0.0 && greatest <= 1.0,
        Argument,
        name,
        "the {what} must be probabilities, numbers from 0 to 1; these lie between {least} and {greatest}"
    );
    Ok(())
}

/// [`binary_cross_entropy_with_logits`] with options.
///
/// # Errors
/// Where shapes or dtypes do not go together.
#[track_caller]
pub fn binary_cross_entropy_with_logits_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    options: BceWithLogits<'_>,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    same_shape("binary_cross_entropy_with_logits", input, target)?;
    // −log σ(x) for y = 1, x − log σ(x) for y = 0.
    let lost = input.logsigmoid()?.neg()?;
    let lost = match options.pos_weight {
        Some(factor) => lost.mul(&factor.sub(1.0)?.mul(target)?.add(1.0)?)?,
        None => lost,
    };
    options.reduction.of(&weighted(target.rsub(1.0)?.mul(input)?.add(&lost)?, options.weight)?)
}

#[track_caller]
fn same_shape(name: &'static str, input: &Tensor, target: &Tensor) -> Result<()> {
    ensure!(
        input.shape() == target.shape(),
        Shape,
        name,
        "the target has shape {:?}, the input {:?}; they must be the same",
        target.shape(),
        input.shape()
    );
    Ok(())
}

#[track_caller]
fn weighted(loss: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    weight.map_or(Ok(loss.clone()), |weight| loss.mul(weight))
}

options! {
    /// Options of [`nll_loss_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct Nll<'a> {
        /// Factors of the classes' losses, `[C]`; the mean is weighted by them.
        weight: ~into Option<&'a Tensor> = None,
        /// Places where the target is this number do not count; −100 unless set.
        ignore_index: i64 = -100,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

options! {
    /// Options of [`cross_entropy_with`].
    #[derive(Clone, Copy, Debug)]
    pub struct CrossEntropy<'a> {
        /// Factors of the classes' losses, `[C]`; the mean is weighted by them.
        weight: ~into Option<&'a Tensor> = None,
        /// Places where the target is this number do not count; −100 unless set.
        ignore_index: i64 = -100,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
        /// How much of the target is spread over all classes, 0 unless set.
        label_smoothing: f64 = 0.0,
    }
}

/// Classes as indices, what each place weighs, and which do not count.
struct Classes {
    /// the dimension of classes in the input
    dim: isize,
    target: Tensor,
    ignored: Tensor,
    weights: Tensor,
}

impl Classes {
    #[track_caller]
    fn new(
        name: &'static str,
        input: &Tensor,
        target: &Tensor,
        weight: Option<&Tensor>,
        ignore_index: i64,
    ) -> Result<Self> {
        let shape = input.shape();
        ensure!(!shape.is_empty(), Shape, name, "a scalar has no classes");
        let dim = usize::from(shape.len() > 1);
        let places: Vec<usize> = (0..shape.len()).filter(|d| *d != dim).map(|d| shape[d]).collect();
        ensure!(
            target.shape() == places,
            Shape,
            name,
            "for an input of shape {shape:?} the classes have shape {places:?}, not {:?}",
            target.shape()
        );
        ensure!(!target.dtype().is_float(), DType, name, "classes are integers, the target is {}", target.dtype());
        let target = target.to_dtype(DType::I64)?;
        let ignored = target.eq(ignore_index)?;
        let target = target.masked_fill(&ignored, 0)?;
        let weights = match weight {
            Some(weight) => {
                let classes = shape[dim];
                ensure!(
                    *weight.shape() == [classes],
                    Shape,
                    name,
                    "{classes} classes take a weight of shape [{classes}], not {:?}",
                    weight.shape()
                );
                match weight.index_select(0, &target.reshape(-1)?) {
                    Ok(weights) => weights.reshape(target.shape())?,
                    Err(e) => return Err(no_class(name, &target, shape[dim], e)),
                }
            }
            None => target.full_like(1)?.to_dtype(input.dtype())?,
        };
        let weights = weights.masked_fill(&ignored, 0)?;
        Ok(Classes { dim: dim as isize, target, ignored, weights })
    }

    /// The weighted loss of each place.
    #[track_caller]
    fn losses(&self, name: &'static str, logs: &Tensor) -> Result<Tensor> {
        let picked = match logs.gather(self.dim, &self.target.unsqueeze(self.dim)?) {
            Ok(picked) => picked.squeeze(self.dim)?,
            Err(e) => return Err(no_class(name, &self.target, logs.shape()[self.dim as usize], e)),
        };
        picked.neg()?.mul(&self.weights)?.masked_fill(&self.ignored, 0)
    }

    /// `losses` reduced, the mean weighted.
    #[track_caller]
    fn reduce(&self, losses: Tensor, reduction: Reduction) -> Result<Tensor> {
        match reduction {
            Reduction::None => Ok(losses),
            Reduction::Sum => losses.sum(..),
            Reduction::Mean => losses.sum(..)?.div(&self.weights.sum(..)?),
            Reduction::BatchMean => {
                bail!(Argument, "nll_loss", "`BatchMean` is for the Kullback-Leibler divergence; `Mean` is right here")
            }
        }
    }
}

/// `error`, met where classes were looked up, in terms of the target: which class is none.
#[track_caller]
fn no_class(name: &'static str, target: &Tensor, classes: usize, error: Error) -> Error {
    if error.kind() != ErrorKind::Index {
        return error;
    }
    let all = target.to_vec::<i64>().unwrap_or_default();
    match all.iter().find(|class| usize::try_from(**class).map_or(true, |class| class >= classes)) {
        Some(class) => Error::new(
            ErrorKind::Index,
            name,
            format!(
                "class {class} in the target is out of range: there are {classes} classes, 0 to {}",
                classes as i64 - 1
            ),
        ),
        None => error,
    }
}

/// [`nll_loss`] with options.
///
/// # Errors
/// Where shapes do not go together or a class is out of range.
#[track_caller]
pub fn nll_loss_with(input: impl AsRef<Tensor>, target: impl AsRef<Tensor>, options: Nll<'_>) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    let classes = Classes::new("nll_loss", input, target, options.weight, options.ignore_index)?;
    classes.reduce(classes.losses("nll_loss", input)?, options.reduction)
}

/// [`cross_entropy`] with options.
///
/// # Errors
/// Where shapes do not go together or a class is out of range.
#[track_caller]
pub fn cross_entropy_with(
    input: impl AsRef<Tensor>,
    target: impl AsRef<Tensor>,
    options: CrossEntropy<'_>,
) -> Result<Tensor> {
    let [input, target] = full_precision([input.as_ref(), target.as_ref()])?;
    let (input, target) = (&*input, &*target);
    const NAME: &str = "cross_entropy";
    let CrossEntropy { weight, ignore_index, reduction, label_smoothing } = options;
    ensure!(
        (0.0..=1.0).contains(&label_smoothing),
        Argument,
        NAME,
        "label_smoothing = {label_smoothing} is not between 0 and 1"
    );
    ensure!(input.rank() > 0, Shape, NAME, "a scalar has no classes");
    let dim = isize::from(input.rank() > 1);
    let logs = input.log_softmax(dim)?;
    let n = input.shape()[dim as usize] as f64;
    if target.dtype().is_float() && target.shape() == input.shape() {
        let target = if label_smoothing > 0.0 {
            target.mul(1.0 - label_smoothing)?.add(label_smoothing / n)?
        } else {
            target.clone()
        };
        let losses = logs.mul(&target)?.mul(&by_class(weight, input)?)?.sum(dim)?.neg()?;
        return match reduction {
            Reduction::Mean => losses.sum(..)?.div(input.numel() as f64 / n),
            reduction => reduction.of(&losses),
        };
    }
    let classes = Classes::new(NAME, input, target, weight, ignore_index)?;
    let loss = classes.reduce(classes.losses(NAME, &logs)?, reduction)?;
    if label_smoothing == 0.0 {
        return Ok(loss);
    }
    let all = logs.mul(&by_class(weight, input)?)?.sum(dim)?.neg()?.masked_fill(&classes.ignored, 0)?;
    let spread = classes.reduce(all, reduction)?;
    loss.mul(1.0 - label_smoothing)?.add(&spread.mul(label_smoothing / n)?)
}

/// The factors of the classes, to be broadcast over `input`.
#[track_caller]
fn by_class(weight: Option<&Tensor>, input: &Tensor) -> Result<Tensor> {
    let Some(weight) = weight else { return Tensor::scalar_on(1.0.into(), input.dtype(), input.device()) };
    let dim = usize::from(input.rank() > 1);
    let shape: Vec<usize> = (0..input.rank()).map(|d| if d == dim { weight.numel() } else { 1 }).collect();
    weight.reshape(shape)
}
