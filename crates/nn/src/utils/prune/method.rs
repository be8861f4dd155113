//! What is pruned: PyTorch's methods, the trait of methods of one's own, and how masks of several are combined.

use super::NAME;
use flambeau_tensor::{Result, Tensor, TopkOptions, ensure};

/// How many elements (or channels) are pruned: a number of them, or a fraction of those that are left.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Amount {
    /// so many
    Count(usize),
    /// this part, between 0 and 1
    Fraction(f64),
}

impl From<usize> for Amount {
    fn from(count: usize) -> Self {
        Amount::Count(count)
    }
}

impl From<f64> for Amount {
    fn from(fraction: f64) -> Self {
        Amount::Fraction(fraction)
    }
}

impl Amount {
    /// Of so many.
    ///
    /// # Errors
    /// Where it is more than there are, or a fraction beyond 0 and 1.
    #[track_caller]
    pub fn of(self, size: usize) -> Result<usize> {
        match self {
            Amount::Count(count) => {
                ensure!(count <= size, Argument, NAME, "{count} are to be pruned of {size}");
                Ok(count)
            }
            Amount::Fraction(part) => {
                ensure!((0.0..=1.0).contains(&part), Argument, NAME, "the fraction {part} is not between 0 and 1");
                Ok((part * size as f64).round_ties_even() as usize)
            }
        }
    }
}

/// What a method is shown of a parameter that has been pruned before: `PRUNING_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PruningType {
    /// the elements that are left, as a vector
    Unstructured,
    /// the channels along a dimension of which something is left, as a tensor of fewer channels
    Structured(isize),
    /// all of it
    Global,
}

/// A way to prune, PyTorch's [`Method`]s or one of one's own: `torch.nn.utils.prune.BasePruningMethod`.
///
/// ```
/// use flambeau_nn::{Linear, Module, utils::prune};
/// use flambeau_tensor::{Result, Tensor, tensor};
///
/// /// Prunes every second of the elements that are left.
/// struct EverySecond;
///
/// impl prune::PruningMethod for EverySecond {
///     fn compute_mask(&self, _scores: &Tensor, default_mask: &Tensor) -> Result<Tensor> {
///         let at = Tensor::arange(0, default_mask.numel() as i64).build()?.reshape(default_mask.shape())?;
///         default_mask.mul(&at.remainder(2)?.eq(0)?.to_dtype(default_mask.dtype())?)
///     }
/// }
///
/// let mut layer = Linear::new(6, 1).build()?;
/// prune::apply(&mut layer, "weight", &EverySecond, None)?;
/// let mask = |layer: &Linear| layer.state_dict().get("weight_mask").expect("a mask").to_vec::<f32>();
/// assert_eq!(mask(&layer)?, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
/// prune::apply(&mut layer, "weight", &EverySecond, None)?;
/// assert_eq!(mask(&layer)?, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait PruningMethod {
    /// What it is shown of a parameter that has been pruned before.
    fn pruning_type(&self) -> PruningType {
        PruningType::Unstructured
    }

    /// The mask, of zeros where something is pruned and ones elsewhere, of the shape that both arguments have. `scores` says
    /// how important each element is, by the parameter's values unless others are given; `default_mask` is the mask so far.
    ///
    /// # Errors
    /// Where there is no such mask.
    fn compute_mask(&self, scores: &Tensor, default_mask: &Tensor) -> Result<Tensor>;

    /// A tensor without what is pruned, by the importance of its values or by scores of the same shape, beginning with a
    /// mask or with ones: `BasePruningMethod.prune`. Gradients reach the tensor.
    ///
    /// # Errors
    /// Where scores or mask have another shape, or there is no mask.
    #[track_caller]
    fn prune(&self, t: &Tensor, default_mask: Option<&Tensor>, importance_scores: Option<&Tensor>) -> Result<Tensor> {
        let scores = scores_for(t, importance_scores)?;
        let mask = match default_mask {
            Some(mask) => mask.clone(),
            None => ones_like(t)?,
        };
        t.mul(&checked(self.compute_mask(&scores, &mask)?, t)?)
    }
}

/// A mask of ones.
#[track_caller]
pub(super) fn ones_like(t: &Tensor) -> Result<Tensor> {
    Tensor::full(t.shape(), 1.0).dtype(t.dtype()).device(t.device()).build()
}

/// The scores of `t`: its values, or what is given.
#[track_caller]
pub(super) fn scores_for(t: &Tensor, importance_scores: Option<&Tensor>) -> Result<Tensor> {
    let Some(scores) = importance_scores else { return Ok(t.detach()) };
    ensure!(
        scores.shape() == t.shape(),
        Shape,
        NAME,
        "the importance scores are {:?}, the parameter {:?}",
        scores.shape(),
        t.shape()
    );
    Ok(scores.detach())
}

/// A mask that a method gave for `values`, in their dtype.
#[track_caller]
fn checked(mask: Tensor, values: &Tensor) -> Result<Tensor> {
    let (given, wanted) = (mask.shape(), values.shape());
    ensure!(given == wanted, Shape, NAME, "the method gave a mask {given:?} for {wanted:?}");
    mask.to_device(values.device())?.to_dtype(values.dtype())
}

/// The mask after `method`, of scores of which `mask` has pruned some before.
#[track_caller]
pub(super) fn combined(method: &(impl PruningMethod + ?Sized), scores: &Tensor, mask: &Tensor) -> Result<Tensor> {
    match method.pruning_type() {
        PruningType::Unstructured => {
            let flat = mask.reshape(-1)?;
            let left = flat.eq(1.0)?.nonzero()?.reshape(-1)?;
            let own = flat.index_select(0, &left)?;
            let part = method.compute_mask(&scores.reshape(-1)?.index_select(0, &left)?, &own)?;
            flat.index_copy(0, &left, &checked(part, &own)?)?.reshape(mask.shape())
        }
        PruningType::Structured(dim) => {
            let at = dim_of(mask, dim)?;
            let left = mask.sum(others(mask, at))?.ne(0.0)?.nonzero()?.reshape(-1)?;
            let at = at as isize;
            let own = mask.index_select(at, &left)?;
            let part = method.compute_mask(&scores.index_select(at, &left)?, &own)?;
            mask.index_copy(at, &left, &checked(part, &own)?)
        }
        PruningType::Global => checked(method.compute_mask(scores, mask)?, mask),
    }
}

/// The first mask, of a parameter that has not been pruned before.
#[track_caller]
pub(super) fn first(method: &(impl PruningMethod + ?Sized), scores: &Tensor, ones: &Tensor) -> Result<Tensor> {
    checked(method.compute_mask(scores, ones)?, ones)
}

/// A dimension of a tensor with channels, as an index.
#[track_caller]
fn dim_of(t: &Tensor, dim: isize) -> Result<usize> {
    let rank = t.rank();
    ensure!(rank >= 2, Shape, NAME, "a parameter {:?} has no channels", t.shape());
    let fits = (-(rank as isize)..rank as isize).contains(&dim);
    ensure!(fits, Index, NAME, "a parameter {:?} has no dimension {dim}", t.shape());
    Ok(dim.rem_euclid(rank as isize) as usize)
}

fn others(t: &Tensor, at: usize) -> Vec<usize> {
    (0..t.rank()).filter(|d| *d != at).collect()
}

/// PyTorch's methods.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Method {
    /// nothing; the parameter is only made one with a mask
    Identity,
    /// elements at random
    RandomUnstructured(Amount),
    /// the elements of least absolute value
    L1Unstructured(Amount),
    /// channels along a dimension at random
    RandomStructured(Amount, isize),
    /// the channels along a dimension whose norm of an order is least
    LnStructured(Amount, f64, isize),
    /// what a mask of zeros and ones says
    Mask(Tensor),
}

impl PruningMethod for Method {
    fn pruning_type(&self) -> PruningType {
        match self {
            Method::RandomStructured(_, dim) | Method::LnStructured(_, _, dim) => PruningType::Structured(*dim),
            Method::Mask(_) => PruningType::Global,
            _ => PruningType::Unstructured,
        }
    }

    #[track_caller]
    fn compute_mask(&self, scores: &Tensor, mask: &Tensor) -> Result<Tensor> {
        match self {
            Method::Identity => Ok(mask.clone()),
            Method::Mask(own) => {
                let (given, wanted) = (own.shape(), mask.shape());
                ensure!(given == wanted, Shape, NAME, "the mask is {given:?}, the parameter {wanted:?}");
                mask.mul(&own.to_device(mask.device())?.to_dtype(mask.dtype())?)
            }
            Method::RandomUnstructured(amount) => elements(mask, *amount, true, || {
                Tensor::rand(scores.shape()).dtype(scores.dtype()).device(scores.device()).build()
            }),
            Method::L1Unstructured(amount) => elements(mask, *amount, false, || scores.abs()),
            Method::RandomStructured(amount, dim) => {
                channels(mask, *amount, *dim, |at| Tensor::rand(mask.shape()[at]).build())
            }
            Method::LnStructured(amount, n, dim) => {
                channels(mask, *amount, *dim, |at| scores.norm(*n, others(scores, at)))
            }
        }
    }
}

/// The mask without the elements of least score, or of greatest.
#[track_caller]
fn elements(mask: &Tensor, amount: Amount, greatest: bool, score: impl Fn() -> Result<Tensor>) -> Result<Tensor> {
    let count = amount.of(mask.numel())?;
    if count == 0 {
        return Ok(mask.clone());
    }
    let gone = score()?.reshape(-1)?.topk_with(count, TopkOptions::new().largest(greatest))?.indices;
    let zeros = Tensor::zeros(count).dtype(mask.dtype()).device(mask.device()).build()?;
    mask.reshape(-1)?.index_copy(0, &gone, &zeros)?.reshape(mask.shape())
}

/// The mask without the channels along `dim` of least score.
#[track_caller]
fn channels(mask: &Tensor, amount: Amount, dim: isize, score: impl Fn(usize) -> Result<Tensor>) -> Result<Tensor> {
    let at = dim_of(mask, dim)?;
    let size = mask.shape()[at];
    let count = amount.of(size)?;
    if count == 0 {
        return Ok(mask.clone());
    }
    let kept = score(at)?.topk(size - count)?.indices.to_device(mask.device())?;
    let none = Tensor::zeros(mask.shape()).dtype(mask.dtype()).device(mask.device()).build()?;
    none.index_copy(at as isize, &kept, &mask.index_select(at as isize, &kept)?)
}

/// Methods one after another: `PruningContainer`. Its mask is that of the last one, of what the mask so far has left.
///
/// ```
/// use flambeau_nn::utils::prune::{Method, PruningContainer, PruningMethod};
/// use flambeau_tensor::tensor;
///
/// let mut container = PruningContainer::new();
/// container.add_pruning_method(Method::L1Unstructured(2.into()));
/// let (weight, mask) = (tensor!([4.0, -1.0, 3.0, 2.0]), tensor!([1.0, 0.0, 1.0, 1.0]));
/// assert_eq!(container.compute_mask(&weight, &mask)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Default)]
pub struct PruningContainer {
    methods: Vec<Box<dyn PruningMethod>>,
}

impl PruningContainer {
    /// Without methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a method behind the others.
    pub fn add_pruning_method(&mut self, method: impl PruningMethod + 'static) -> &mut Self {
        self.methods.push(Box::new(method));
        self
    }

    /// How many methods there are.
    pub fn len(&self) -> usize {
        self.methods.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// The methods in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &dyn PruningMethod> {
        self.methods.iter().map(Box::as_ref)
    }
}

impl PruningMethod for PruningContainer {
    fn pruning_type(&self) -> PruningType {
        PruningType::Global
    }

    #[track_caller]
    fn compute_mask(&self, scores: &Tensor, default_mask: &Tensor) -> Result<Tensor> {
        let last = self.methods.last();
        ensure!(last.is_some(), Argument, NAME, "the container has no methods");
        last.map_or_else(|| Ok(default_mask.clone()), |method| combined(method.as_ref(), scores, default_mask))
    }
}
