//! Transforms of functions: `torch.func`.

use crate::forward;
use crate::record::{alias, install};
use flambeau_tensor::{Result, Tensor, ensure};

/// The value of `f` at `x`, and its derivative along `tangent` (the Jacobian times `tangent`), both in one pass
/// forward: `torch.func.jvp`.
///
/// It nests in itself and goes together with `backward`: both results have a history where `x` or what `f` uses
/// requires grad, and `f` may call [`grad`](crate::grad), whose result then has a tangent, too (the product of the
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
pub fn jvp(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor, tangent: &Tensor) -> Result<(Tensor, Tensor)> {
    let one = |x: &[Tensor]| Ok(vec![f(&x[0])?]);
    let (mut outputs, mut tangents) = jvp_all(one, &[x], &[tangent])?;
    Ok((outputs.remove(0), tangents.remove(0)))
}

/// [`jvp`] for a function of several tensors, with several results.
///
/// # Errors
/// As [`jvp`]; and where there is not one tangent for each of `inputs`.
#[track_caller]
pub fn jvp_all(
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[&Tensor],
    tangents: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    install();
    let (many, given) = (inputs.len(), tangents.len());
    ensure!(many == given, Argument, "jvp", "{given} tangents are given for {many} inputs");
    for (i, (x, t)) in inputs.iter().zip(tangents).enumerate() {
        let (shape, dtype, device) = (x.shape(), x.dtype(), x.device());
        ensure!(t.shape() == shape, Shape, "jvp", "tangent {i} has shape {:?}, its input {shape:?}", t.shape());
        ensure!(t.dtype() == dtype, DType, "jvp", "tangent {i} is {}, its input {dtype}", t.dtype());
        ensure!(t.device() == device, Device, "jvp", "tangent {i} is on {}, its input on {device}", t.device());
        ensure!(dtype.is_differentiable(), DType, "jvp", "input {i} is {dtype}, which has no derivatives");
    }
    // Handles of their own: what `f` captured of the inputs stands still.
    let apart = |x: &&Tensor| if x.layout().may_overlap() { x.copy() } else { alias(x) };
    let own = inputs.iter().map(apart).collect::<Result<Vec<Tensor>>>()?;
    forward::run(|level| {
        own.iter().zip(tangents).for_each(|(x, t)| level.set(x, (*t).clone()));
        let outputs = f(&own)?;
        let found = outputs.iter().map(|y| match level.tangent(y)? {
            Some(tangent) => Ok(tangent),
            None => Tensor::zeros(y.shape()).dtype(y.dtype()).device(y.device()).build(),
        });
        let found = found.collect::<Result<Vec<Tensor>>>()?;
        Ok((outputs, found))
    })
}
