//! Pruning: parameters some of whose elements are zero and stay so, `torch.nn.utils.prune`. A pruned parameter `weight` is
//! computed as `weight_orig`, which is trained, times the buffer `weight_mask`; pruning it again prunes what is left.

mod method;

pub use method::{Amount, Method, PruningContainer, PruningMethod, PruningType};

use crate::forward::at_the_caller;
use crate::parametrize::{self, Parametrization, ParametrizationList};
use crate::{Buffer, Item, Module, Parameter};
use flambeau_tensor::{Result, Tensor, bail, cat, ensure, no_grad};
use method::{combined, first, ones_like, scores_for};
use std::panic::Location;

const NAME: &str = "prune";

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

/// Prunes the parameter `name` of `module` (a path, `0.weight`, too) by a [`Method`] or one of one's own. What is left of it
/// goes on being trained, under the name `weight_orig`; the optimizer need not be made anew. Where there are
/// `importance_scores`, of the parameter's shape, the method goes by them instead of its values:
/// `torch.nn.utils.prune.BasePruningMethod.apply`.
///
/// ```
/// use flambeau_nn::{Linear, Module, utils::prune};
/// use flambeau_tensor::tensor;
///
/// let mut layer = Linear::new(2, 2).build()?;
/// let scores = tensor!([[0.5, 3.0], [2.0, 0.1]]);
/// prune::apply(&mut layer, "weight", &prune::Method::L1Unstructured(0.5.into()), Some(&scores))?;
/// assert_eq!(layer.weight.value()?.ne(0.0)?.to_vec::<bool>()?, [false, true, true, false]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there is no such parameter, it does not have what the method takes, or scores or the method's mask do not have its
/// shape.
#[track_caller]
pub fn apply<M: Module + ?Sized>(
    module: &mut M,
    name: &str,
    method: &(impl PruningMethod + ?Sized),
    importance_scores: Option<&Tensor>,
) -> Result<()> {
    let (at, mut fresh) = (Location::caller(), None);
    parametrize::change(module, name, |parameter| {
        no_grad(|| {
            let scores = scores_for(&parameter.value()?, importance_scores)?;
            match mask_of(parameter) {
                Some(mask) => {
                    mask.copy_(&combined(method, &scores, &mask.copy()?)?)?;
                    let value = parameter.value()?.detach();
                    parameter.set_value(value);
                }
                None => fresh = Some(first(method, &scores, &ones_like(&parameter.value()?)?)?),
            }
            Ok(())
        })
    })
    .map_err(|e| at_the_caller(e, at))?;
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
        /// As [`apply`].
        #[track_caller]
        pub fn $name<M: Module + ?Sized>(module: &mut M, name: &str, $($argument: $t),*) -> Result<()> {
            apply(module, name, &$method, None)
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

/// Prunes several parameters of `module` as if they were one: `prune.global_unstructured`. The method is one of elements;
/// those named among `importance_scores` go by these instead of their values.
///
/// ```
/// use flambeau_nn::{Linear, Module, Sequential, utils::prune};
///
/// let mut model = Sequential::of((Linear::new(10, 4), Linear::new(4, 1)))?;
/// prune::global_unstructured(&mut model, &["0.weight", "1.weight"], &prune::Method::L1Unstructured(10.into()), &[])?;
/// let zeros = |name| model.state_dict().get(name).expect("a mask").eq(0.0)?.nonzero().map(|at| at.shape()[0]);
/// assert_eq!(zeros("0.weight_mask")? + zeros("1.weight_mask")?, 10);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where a parameter is missing, scores are of another shape or of a parameter that is not named, or the method is one of
/// channels. Nothing is pruned then.
#[track_caller]
pub fn global_unstructured<M: Module + ?Sized>(
    module: &mut M,
    names: &[&str],
    method: &(impl PruningMethod + ?Sized),
    importance_scores: &[(&str, &Tensor)],
) -> Result<()> {
    let unstructured = method.pruning_type() == PruningType::Unstructured;
    ensure!(unstructured, Argument, NAME, "only a method of elements prunes several parameters as one");
    ensure!(!names.is_empty(), Argument, NAME, "there are no parameters");
    if let Some((name, _)) = importance_scores.iter().find(|(name, _)| !names.contains(name)) {
        bail!(Argument, NAME, "there are importance scores of {name:?}, which is not pruned")
    }
    let (at, mut parts) = (Location::caller(), Vec::<(Tensor, Tensor)>::new());
    for name in names {
        parametrize::change(module, name, |parameter| {
            let value = parameter.value()?;
            let own = importance_scores.iter().find(|(scored, _)| scored == name).map(|(_, scores)| *scores);
            let mask = match mask_of(parameter) {
                Some(mask) => mask.copy()?,
                None => ones_like(&value)?,
            };
            parts.push((scores_for(&value, own)?, mask));
            Ok(())
        })
        .map_err(|e| at_the_caller(e, at))?;
    }
    let masks = no_grad(|| {
        let flat = |pick: fn(&(Tensor, Tensor)) -> &Tensor| {
            cat(&parts.iter().map(|part| pick(part).reshape(-1)).collect::<Result<Vec<_>>>()?, 0)
        };
        let mask = combined(method, &flat(|p| &p.0)?, &flat(|p| &p.1)?)?;
        let mut start = 0;
        parts
            .iter()
            .map(|(values, _)| {
                let part = mask.narrow(0, start as isize, values.numel())?.reshape(values.shape());
                start += values.numel();
                part
            })
            .collect::<Result<Vec<_>>>()
    })
    .map_err(|e| at_the_caller(e, at))?;
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
