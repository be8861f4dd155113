//! Reverse mode of functions: `grad`, `grad_and_value`, `vjp`.

use super::with_tensors;
use crate::engine::{self, Walk};
use crate::record::{Origins, cut, edge_of, install, is_tracked_outside, without_ended};
use crate::rules::zeros_like;
use flambeau_tensor::{Result, Tensor, Tensors, enable_grad, ensure, grad_enabled, no_grad};
use std::panic::Location;

/// The linear function that [`vjp`] and [`linearize`](super::linearize) return: a derivative at one point.
pub type Linear<From, To> = Box<dyn Fn(&From) -> Result<To>>;

/// `f` at `x` on a tape of its own.
struct Traced<I, O> {
    /// Of every tensor of `x` an alias, at which the way back ends.
    inputs: Vec<Tensor>,
    like: I,
    outputs: O,
    /// May somebody further out ask for derivatives of what comes of it?
    differentiated: bool,
}

fn trace<I, O>(name: &'static str, f: impl FnOnce(&I) -> Result<O>, x: &I) -> Result<Traced<I, O>>
where
    I: Tensors + Clone,
    O: Tensors,
{
    install();
    let mut origins = Origins::default();
    let mut inputs = Vec::new();
    for (i, x) in x.tensors().iter().enumerate() {
        ensure!(
            x.dtype().is_differentiable(),
            DType,
            name,
            "input {i} is {}, which has no derivatives; let the function capture it",
            x.dtype()
        );
        inputs.push(origins.alias(x)?);
    }
    let outputs = enable_grad(|| f(&with_tensors(x, inputs.clone())?))?;
    drop(origins);
    let differentiated = outputs.tensors().iter().any(is_tracked_outside);
    Ok(Traced { inputs, like: x.clone(), outputs, differentiated })
}

impl<I: Tensors + Clone, O> Traced<I, O> {
    /// The gradients of the inputs from those of the outputs; zeros for an input that they do not depend on.
    fn back(&self, outputs: &[Tensor], grads: &[Tensor], retain_graph: bool) -> Result<I> {
        let roots = outputs.iter().zip(grads).filter(|(out, _)| out.requires_grad());
        let roots = roots.map(|(out, grad)| (edge_of(out), grad.clone())).collect::<Vec<_>>();
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let create_graph = grad_enabled() && (self.differentiated || grads.iter().any(is_tracked_outside));
        let walk = Walk { retain_graph: retain_graph || create_graph, create_graph, inputs: Some(&inputs) };
        let found = engine::run(roots, walk)?;
        let mut ended = without_ended();
        let grads = found.into_iter().zip(&self.inputs).map(|(grad, x)| match grad {
            Some(grad) if create_graph => ended(&grad),
            Some(grad) => cut(&grad),
            None => zeros_like(x)?.contiguous(),
        });
        with_tensors(&self.like, grads.collect::<Result<Vec<_>>>()?)
    }
}

/// A result without what this transform recorded; with its history outside, where that is on.
fn settled<O: Tensors>(outputs: O) -> Result<O> {
    let mut ended = without_ended();
    outputs.map_tensors(|out| if grad_enabled() { ended(out) } else { cut(out) })
}

/// The gradient of `f`, a function with one number as its value, at `x`: `torch.func.grad`. Of a tuple, list or state
/// dict it is one of those, too; an input that the value does not depend on has a gradient of zeros. What is not to be
/// differentiated is captured by `f`.
///
/// ```
/// use flambeau_autograd::func::grad;
/// use flambeau_tensor::tensor;
///
/// let x = tensor!(2.0);
/// let second = grad(|x| grad(|x| x.pow(3), x), &x)?;
/// assert_eq!(second.item::<f32>()?, 12.0);
///
/// let (by_a, by_b) = grad(|(a, b)| a.mul(b), &(tensor!(3.0), tensor!(4.0)))?;
/// assert_eq!((by_a.item::<f32>()?, by_b.item::<f32>()?), (4.0, 3.0));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; where its value is not one real number, an input has no derivatives (integers), or an op has none.
#[track_caller]
pub fn grad<I: Tensors + Clone>(f: impl FnOnce(&I) -> Result<Tensor>, x: &I) -> Result<I> {
    let at = Location::caller();
    let found = gradient("grad", |x| Ok((f(x)?, ())), x).map_err(|e| e.located(at))?;
    Ok(found.0)
}

/// The gradient of `f` at `x`, and its value: `torch.func.grad_and_value`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn grad_and_value<I: Tensors + Clone>(f: impl FnOnce(&I) -> Result<Tensor>, x: &I) -> Result<(I, Tensor)> {
    let at = Location::caller();
    let (grad, value, ()) = gradient("grad_and_value", |x| Ok((f(x)?, ())), x).map_err(|e| e.located(at))?;
    Ok((grad, value))
}

/// [`grad_and_value`] of a function that returns something beside its value, which is handed on:
/// `torch.func.grad_and_value` with `has_aux`.
///
/// ```
/// use flambeau_autograd::func::grad_and_value_with_aux;
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([1.0, 2.0]);
/// let (grad, loss, squares) = grad_and_value_with_aux(|x| {
///     let squares = x.square()?;
///     Ok((squares.sum(..)?, squares))
/// }, &x)?;
/// assert_eq!(grad.to_vec::<f32>()?, [2.0, 4.0]);
/// assert_eq!((loss.item::<f32>()?, squares.to_vec::<f32>()?), (5.0, vec![1.0, 4.0]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn grad_and_value_with_aux<I: Tensors + Clone, A: Tensors>(
    f: impl FnOnce(&I) -> Result<(Tensor, A)>,
    x: &I,
) -> Result<(I, Tensor, A)> {
    let at = Location::caller();
    gradient("grad_and_value", f, x).map_err(|e| e.located(at))
}

fn gradient<I: Tensors + Clone, A: Tensors>(
    name: &'static str,
    f: impl FnOnce(&I) -> Result<(Tensor, A)>,
    x: &I,
) -> Result<(I, Tensor, A)> {
    let traced = trace(name, f, x)?;
    let value = &traced.outputs.0;
    ensure!(
        value.rank() == 0 && value.dtype().is_float(),
        Shape,
        name,
        "the function must return one real number, a tensor of shape []; it returned {} {:?}",
        value.dtype(),
        value.shape()
    );
    let one = no_grad(|| value.ones_like())?;
    let grad = traced.back(std::slice::from_ref(value), &[one], false)?;
    let (value, aux) = settled(traced.outputs)?;
    Ok((grad, value, aux))
}

/// The value of `f` at `x`, and the function that takes a gradient of the value to one of `x` (the transposed Jacobian
/// times it): `torch.func.vjp`. It may be called any number of times.
///
/// ```
/// use flambeau_autograd::func::vjp;
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([1.0, 2.0]);
/// let (y, back) = vjp(|x| x.square(), &x)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(back(&tensor!([1.0, 10.0]))?.to_vec::<f32>()?, [2.0, 40.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; where an input has no derivatives (integers). Of the function: where the gradient has another
/// shape, dtype or device than the value, or an op has no derivative.
#[track_caller]
pub fn vjp<I, O>(f: impl FnOnce(&I) -> Result<O>, x: &I) -> Result<(O, Linear<O, I>)>
where
    I: Tensors + Clone + 'static,
    O: Tensors + Clone + 'static,
{
    let at = Location::caller();
    let traced = trace("vjp", f, x).map_err(|e| e.located(at))?;
    let value = settled(traced.outputs.clone())?;
    let outputs = traced.outputs.tensors();
    let back = move |grads: &O| {
        let grads = grads.tensors();
        let (many, given) = (outputs.len(), grads.len());
        ensure!(many == given, Argument, "vjp", "{given} gradients are given for {many} outputs");
        for (i, (out, grad)) in outputs.iter().zip(&grads).enumerate() {
            fits("vjp", "gradient", i, out, grad)?;
        }
        traced.back(&outputs, &grads, true).map_err(|e| e.located(at))
    };
    Ok((value, Box::new(back)))
}

/// Is `given`, the `i`-th `what`, like `x`?
pub(super) fn fits(name: &'static str, what: &str, i: usize, x: &Tensor, given: &Tensor) -> Result<()> {
    let (shape, dtype, device) = (x.shape(), x.dtype(), x.device());
    let whose = if what == "tangent" { "its input" } else { "its output" };
    ensure!(given.shape() == shape, Shape, name, "{what} {i} has shape {:?}, {whose} {shape:?}", given.shape());
    ensure!(given.dtype() == dtype, DType, name, "{what} {i} is {}, {whose} {dtype}", given.dtype());
    ensure!(given.device() == device, Device, name, "{what} {i} is on {}, {whose} on {device}", given.device());
    Ok(())
}
