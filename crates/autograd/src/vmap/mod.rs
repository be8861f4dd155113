//! A function of one sample, run on all of them at once: the interpreter behind [`vmap`](crate::func::vmap()).
//!
//! Inside of a `vmap` a tensor that differs between the samples is a *handle*: shape, strides and dtype are those of
//! one sample (it lies over the first one's elements), so the function's code, and every check and every rule of
//! autograd, sees just one. The value for all samples, whose dimension 0 counts them, lies beside it, as a tangent does
//! in forward mode. An op on handles becomes an op on these values by the batching rule of its family (`rules/`), which
//! only interpreters further out and the outer tape see: so `vmap` nests in itself, in forward mode and in reverse mode.
//!
//! A view of a handle is the same view of its value, so what aliases what needs no care. Ops on handles that are
//! tracked are recorded as they would be, with the handles as what is saved: a gradient inside of `vmap` is one of
//! handles.

mod custom;
mod level;
mod rules;

pub(crate) use custom::{custom, matters_outside};
pub(crate) use level::{Level, run};
pub use rules::LOOPS;

use crate::meta::GradMeta;
use flambeau_tensor::dispatch::uninterpreted;
use flambeau_tensor::{Result, Tensor, no_grad, tensor};

/// What random ops inside of a `vmap` do: the argument `randomness` of `torch.vmap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Randomness {
    /// They are an error.
    #[default]
    Error,
    /// Every sample draws its own numbers.
    Different,
    /// All samples have the same numbers.
    Same,
}

/// Is this thread inside of a `vmap`?
pub(crate) fn is_on() -> bool {
    level::is_on()
}

/// Is it, though what runs may be an op as it is seen from outside of it?
pub(crate) fn is_inside() -> bool {
    level::is_inside()
}

/// `x`, a new tensor, as one into which what `values` is may be written: inside of a `vmap`, one for each sample where
/// `values` differs between them.
pub(crate) fn apart(x: Tensor, values: &Tensor) -> Result<Tensor> {
    if !is_on() {
        return Ok(x);
    }
    let none = no_grad(|| values.detach().sum(..)?.to_dtype(x.dtype()))?;
    x.where_cond(&tensor!(true).to_device(x.device())?, &none)
}

/// Is any element of `x` true, of any sample that it stands for? A look at values, for what is right in both cases.
pub(crate) fn any(x: &Tensor) -> Result<bool> {
    if let Some((_, all)) = GradMeta::get(x).and_then(|meta| meta.samples.lock().last().cloned()) {
        return any(&all);
    }
    uninterpreted(|| no_grad(|| x.any(..)?.item::<bool>()))
}
