//! Forward mode of functions: `jvp`, `linearize`.

use super::reverse::{Linear, fits, vjp};
use super::with_tensors;
use crate::forward;
use crate::record::{alias, install};
use crate::rules::zeros_like;
use flambeau_tensor::{Result, Tensor, Tensors, ensure};

/// The value of `f` at `x`, and its derivative along `tangent` (the Jacobian times `tangent`), both in one pass
/// forward: `torch.func.jvp`.
///
/// It nests in itself and goes together with `backward`: both results have a history where `x` or what `f` uses
/// requires grad, and `f` may call [`grad`](super::grad), whose result then has a tangent, too (the product of the
/// Hessian with a vector). `f` runs on the thread that calls; what it computes on another has no tangent.
///
/// ```
/// use flambeau_autograd::func::jvp;
/// use flambeau_tensor::Tensor;
///
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], 3)?;
/// let t = Tensor::from_slice(&[1.0f32, 0.0, 0.5], 3)?;
/// let (y, dy) = jvp(|x| x.square(), &x, &t)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 4.0, 9.0]);
/// assert_eq!(dy.to_vec::<f32>()?, [2.0, 0.0, 3.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; where `tangent` has another shape, dtype or device than `x`, or these have no derivatives;
/// where an op has none.
#[track_caller]
pub fn jvp<I, O>(f: impl FnOnce(&I) -> Result<O>, x: &I, tangent: &I) -> Result<(O, O)>
where
    I: Tensors + Clone,
    O: Tensors + Clone,
{
    let (inputs, tangents) = (x.tensors(), tangent.tensors());
    run(|own| f(&with_tensors(x, own.to_vec())?), &inputs, &tangents)
}

/// [`jvp`] for a list of tensors.
///
/// # Errors
/// As [`jvp`]; and where there is not one tangent for each of `inputs`.
#[track_caller]
pub fn jvp_all(
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[&Tensor],
    tangents: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let owned = |list: &[&Tensor]| list.iter().map(|t| (*t).clone()).collect::<Vec<_>>();
    run(f, &owned(inputs), &owned(tangents))
}

#[track_caller]
fn run<O: Tensors + Clone>(
    f: impl FnOnce(&[Tensor]) -> Result<O>,
    inputs: &[Tensor],
    tangents: &[Tensor],
) -> Result<(O, O)> {
    install();
    let (many, given) = (inputs.len(), tangents.len());
    ensure!(many == given, Argument, "jvp", "{given} tangents are given for {many} inputs");
    for (i, (x, t)) in inputs.iter().zip(tangents).enumerate() {
        fits("jvp", "tangent", i, x, t)?;
        ensure!(x.dtype().is_differentiable(), DType, "jvp", "input {i} is {}, which has no derivatives", x.dtype());
    }
    // Handles of their own: what `f` captured of the inputs stands still.
    let apart = |x: &Tensor| if x.layout().may_overlap() { x.copy() } else { alias(x) };
    let own = inputs.iter().map(apart).collect::<Result<Vec<Tensor>>>()?;
    forward::run(|level| {
        own.iter().zip(tangents).for_each(|(x, t)| level.set(x, t.clone()));
        let outputs = f(&own)?;
        let found = outputs.tensors().into_iter().map(|y| match level.tangent(&y)? {
            Some(tangent) => Ok(tangent),
            None => Tensor::zeros(y.shape()).dtype(y.dtype()).device(y.device()).build(),
        });
        let found = found.collect::<Result<Vec<Tensor>>>()?;
        let tangents = with_tensors(&outputs, found)?;
        Ok((outputs, tangents))
    })
}

/// The value of `f` at `x`, and its derivative there as a function of the tangent, which may be called any number of
/// times without `f` being computed again: `torch.func.linearize`.
///
/// ```
/// use flambeau_autograd::func::linearize;
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([1.0, 2.0]);
/// let (y, along) = linearize(|x| x.pow(3), &x)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 8.0]);
/// assert_eq!(along(&tensor!([1.0, 0.0]))?.to_vec::<f32>()?, [3.0, 0.0]);
/// assert_eq!(along(&tensor!([0.0, 0.5]))?.to_vec::<f32>()?, [0.0, 6.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`vjp`]; of the function as [`jvp`].
#[track_caller]
pub fn linearize<I, O>(f: impl FnOnce(&I) -> Result<O>, x: &I) -> Result<(O, Linear<I, O>)>
where
    I: Tensors + Clone + 'static,
    O: Tensors + Clone + 'static,
{
    let (value, back) = vjp(f, x)?;
    // Jᵀu is linear in u, so its own transposed derivative is J, wherever u is.
    let start = value.clone().map_tensors(|y| zeros_like(y)?.contiguous())?;
    let (inputs, along) = vjp(move |u: &O| back(u), &start)?;
    let inputs = inputs.tensors();
    let along = move |tangent: &I| {
        for (i, (x, t)) in inputs.iter().zip(tangent.tensors()).enumerate() {
            fits("linearize", "tangent", i, x, &t)?;
        }
        along(tangent)
    };
    Ok((value, Box::new(along)))
}
