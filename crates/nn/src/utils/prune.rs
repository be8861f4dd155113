//! Pruning: parameters some of whose elements are zero and stay so, `torch.nn.utils.prune`. A pruned parameter `weight` is
//! computed as `weight_orig`, which is trained, times the buffer `weight_mask`; pruning it again prunes what is left.

use crate::parametrize::{self, Parametrization, ParametrizationList};
use crate::{Buffer, Item, Module, Parameter};
use flambeau_tensor::{Result, Tensor, bail, cat, ensure, no_grad};

const NAME: &str = "prune";

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
    #[track_caller]
    fn of(self, size: usize) -> Result<usize> {
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

/// What is pruned.
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

/// The weight times a mask.
#[derive(Module)]
struct Pruned {
    mask: Buffer,
}

impl Parametrization for Pruned {
    #[track_caller]
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        let [weight, ..] = originals else { bail!(Argument, NAME, "there is no weight") };
        weight.mul(&self.mask.to_dtype(weight.dtype())?)
    }

    fn old_names(&self) -> &'static [(&'static str, &'static str)] {
        &[("_orig", "original"), ("_mask", "0.mask")]
    }
}

/// The mask of a parameter that is pruned.
fn mask_of(parameter: &Parameter) -> Option<&Buffer> {
    masked(parameter.parametrizations()?)
}

fn masked(list: &ParametrizationList) -> Option<&Buffer> {
    list.iter().find_map(|p| p.as_module().downcast_ref::<Pruned>()).map(|pruned| &pruned.mask)
}

impl Method {
    /// The mask after pruning `values`, which `mask` has pruned before.
    #[track_caller]
    fn mask(&self, values: &Tensor, mask: &Tensor) -> Result<Tensor> {
        match self {
            Method::Identity => Ok(mask.clone()),
            Method::Mask(own) => {
                ensure!(
                    own.shape() == mask.shape(),
                    Shape,
                    NAME,
                    "the mask is {:?}, the parameter {:?}",
                    own.shape(),
                    mask.shape()
                );
                mask.mul(&own.to_device(mask.device())?.to_dtype(mask.dtype())?)
            }
            Method::RandomUnstructured(amount) => elements(values, mask, *amount, |left| {
                let drawn = Tensor::rand(left.numel()).dtype(left.dtype()).device(left.device()).build()?;
                // The largest fall.
                drawn.neg()
            }),
            Method::L1Unstructured(amount) => elements(values, mask, *amount, |left| left.abs()),
            Method::RandomStructured(amount, dim) => channels(values, mask, *amount, *dim, |left, _| {
                Tensor::rand(left.shape()[dim.rem_euclid(left.rank() as isize) as usize]).build()
            }),
            Method::LnStructured(amount, n, dim) => {
                channels(values, mask, *amount, *dim, |left, others| left.norm(*n, others))
            }
        }
    }
}

/// The mask without the elements left whose `score` is least.
#[track_caller]
fn elements(
    values: &Tensor,
    mask: &Tensor,
    amount: Amount,
    score: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let flat = mask.reshape(-1)?;
    let left = flat.eq(1.0)?.nonzero()?.reshape(-1)?;
    let count = amount.of(left.numel())?;
    if count == 0 {
        return Ok(mask.clone());
    }
    let scores = score(&values.reshape(-1)?.index_select(0, &left)?)?;
    let least = scores.neg()?.topk(count)?.indices;
    let gone = left.index_select(0, &least)?;
    let zeros = Tensor::zeros(count).dtype(mask.dtype()).device(mask.device()).build()?;
    flat.index_copy(0, &gone, &zeros)?.reshape(mask.shape())
}

/// The mask without the channels along `dim` whose `score` is least, of those that are not gone yet.
#[track_caller]
fn channels(
    values: &Tensor,
    mask: &Tensor,
    amount: Amount,
    dim: isize,
    score: impl Fn(&Tensor, Vec<usize>) -> Result<Tensor>,
) -> Result<Tensor> {
    let rank = mask.rank();
    ensure!(rank >= 2, Shape, NAME, "a parameter {:?} has no channels", mask.shape());
    let fits = (-(rank as isize)..rank as isize).contains(&dim);
    ensure!(fits, Index, NAME, "a parameter {:?} has no dimension {dim}", mask.shape());
    let at = dim.rem_euclid(rank as isize) as usize;
    let others: Vec<usize> = (0..rank).filter(|d| *d != at).collect();
    let left = mask.sum(others.clone())?.ne(0.0)?.nonzero()?.reshape(-1)?;
    let count = amount.of(left.numel())?;
    if count == 0 {
        return Ok(mask.clone());
    }
    let scores = score(&values.index_select(at as isize, &left)?, others)?;
    let least = scores.neg()?.topk(count)?.indices.to_device(left.device())?;
    let gone = left.index_select(0, &least)?;
    let mut shape = mask.shape().to_vec();
    shape[at] = count;
    let zeros = Tensor::zeros(shape).dtype(mask.dtype()).device(mask.device()).build()?;
    mask.index_copy(at as isize, &gone, &zeros)
}

/// Prunes the parameter `name` of `module` (a path, `0.weight`, too) as `method` says. What is left of it goes on being
/// trained, under the name `weight_orig`; the optimizer need not be made anew.
///
/// ```
/// use flambeau_nn::{Linear, Module, utils::prune};
///
/// let mut layer = Linear::new(10, 10).build()?;
/// prune::l1_unstructured(&mut layer, "weight", 0.75)?;
/// let zeros = layer.weight.value()?.eq(0.0)?.nonzero()?.shape()[0];
/// assert_eq!(zeros, 75);
/// prune::remove(&mut layer, "weight")?;
/// assert_eq!(layer.state_dict().names().collect::<Vec<_>>(), ["weight", "bias"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is no such parameter, or it does not have what the method takes.
#[track_caller]
pub fn prune<M: Module + ?Sized>(module: &mut M, name: &str, method: &Method) -> Result<()> {
    let mut fresh = None;
    parametrize::change(module, name, |parameter| {
        no_grad(|| {
            let values = parameter.value()?.detach();
            match mask_of(parameter) {
                Some(mask) => {
                    mask.copy_(&method.mask(&values, &mask.copy()?)?)?;
                    let value = parameter.value()?.detach();
                    parameter.set_value(value);
                }
                None => {
                    let ones = Tensor::full(values.shape(), 1.0).dtype(values.dtype()).device(values.device());
                    fresh = Some(method.mask(&values, &ones.build()?)?);
                }
            }
            Ok(())
        })
    })?;
    match fresh {
        Some(mask) => parametrize::register(module, name, Box::new(Pruned { mask: Buffer::new(mask) }), true),
        None => Ok(()),
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $t:ty),*) => $method:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// As [`prune`].
        #[track_caller]
        pub fn $name<M: Module + ?Sized>(module: &mut M, name: &str, $($argument: $t),*) -> Result<()> {
            prune(module, name, &$method)
        }
    )*};
}

functions! {
    /// Makes a parameter one with a mask of ones: `prune.identity`.
    identity() => Method::Identity;
    /// Prunes elements at random: `prune.random_unstructured`.
    random_unstructured(amount: impl Into<Amount>) => Method::RandomUnstructured(amount.into());
    /// Prunes the elements of least absolute value: `prune.l1_unstructured`.
    l1_unstructured(amount: impl Into<Amount>) => Method::L1Unstructured(amount.into());
    /// Prunes channels along `dim` at random: `prune.random_structured`.
    random_structured(amount: impl Into<Amount>, dim: isize) => Method::RandomStructured(amount.into(), dim);
    /// Prunes the channels along `dim` whose `n`-norm is least: `prune.ln_structured`.
    ln_structured(amount: impl Into<Amount>, n: f64, dim: isize) => Method::LnStructured(amount.into(), n, dim);
    /// Prunes where `mask` is zero: `prune.custom_from_mask`.
    custom_from_mask(mask: &Tensor) => Method::Mask(mask.clone());
}

/// Prunes several parameters of `module` as if they were one: `prune.global_unstructured`. The method is one of elements.
///
/// # Errors
/// Where a parameter is missing, or the method is one of channels.
#[track_caller]
pub fn global_unstructured<M: Module + ?Sized>(module: &mut M, names: &[&str], method: &Method) -> Result<()> {
    let unstructured = matches!(method, Method::RandomUnstructured(_) | Method::L1Unstructured(_) | Method::Identity);
    ensure!(unstructured, Argument, NAME, "only a method of elements prunes several parameters as one");
    ensure!(!names.is_empty(), Argument, NAME, "there are no parameters");
    let mut parts: Vec<(Tensor, Tensor)> = Vec::new();
    for name in names {
        parametrize::change(module, name, |parameter| {
            let values = parameter.value()?.detach();
            let mask = match mask_of(parameter) {
                Some(mask) => mask.copy()?,
                None => Tensor::full(values.shape(), 1.0).dtype(values.dtype()).device(values.device()).build()?,
            };
            parts.push((values, mask));
            Ok(())
        })?;
    }
    let masks = no_grad(|| {
        let flat = |pick: fn(&(Tensor, Tensor)) -> &Tensor| {
            cat(&parts.iter().map(|part| pick(part).reshape(-1)).collect::<Result<Vec<_>>>()?, 0)
        };
        let mask = method.mask(&flat(|p| &p.0)?, &flat(|p| &p.1)?)?;
        let mut start = 0;
        parts
            .iter()
            .map(|(values, _)| {
                let part = mask.narrow(0, start as isize, values.numel())?.reshape(values.shape());
                start += values.numel();
                part
            })
            .collect::<Result<Vec<_>>>()
    })?;
    names.iter().zip(&masks).try_for_each(|(name, mask)| custom_from_mask(module, name, mask))
}

/// Makes a pruned parameter a plain one with its zeros: `prune.remove`. It is the tensor that was trained.
///
/// # Errors
/// Where it is not pruned.
#[track_caller]
pub fn remove<M: Module + ?Sized>(module: &mut M, name: &str) -> Result<()> {
    let mut pruned = false;
    parametrize::change(module, name, |parameter| {
        pruned = mask_of(parameter).is_some();
        Ok(())
    })?;
    ensure!(pruned, Argument, NAME, "{name:?} is not pruned");
    parametrize::remove_parametrizations(module, name, true)
}

/// True where a parameter of the module or of one inside is pruned: `prune.is_pruned`.
pub fn is_pruned<M: Module + ?Sized>(module: &M) -> bool {
    let mut found = false;
    module.walk("", &mut |name, item| match item {
        Item::Parameter(parameter) => found |= parameter.is_original() && name.ends_with("_orig"),
        Item::Module(inner) => found |= inner.downcast_ref().and_then(masked).is_some(),
        _ => {}
    });
    found
}
