//! Tangents from the same rules: the Jacobian-vector product of an op.
//!
//! A rule need not say anything of it: its vjp is linear in the gradient, so the vjp of that is the way forward
//! ([`by_transpose`]). Where less work does, the rule says which kind its op is of.

use super::saved::Ran;
use super::{Grads, Saved};
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::{Result, Tensor, dispatch, dispatch_view, enable_grad, grad_enabled};
use smallvec::SmallVec;

/// Tangents of an op's outputs; `None` for one that does not change with its inputs.
pub type Tangents = SmallVec<[Option<Tensor>; 2]>;

/// How the tangents of an op's outputs follow from those of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// By the vjp of the vjp.
    Transpose,
    /// The op is linear in all of its inputs that may have a gradient together: it runs on their tangents.
    Linear,
    /// The op is linear in each of its two inputs while the other stands still: both products, added.
    Bilinear,
    /// Each element of the output comes from one of each input: the gradient's formula is the tangent's, too.
    Elementwise,
    /// As [`Rule::jvp`](super::Rule::jvp) says.
    Stated,
}

/// The rule's vjp, whatever the rule.
pub(crate) type Vjp<'a> = &'a dyn Fn(&Saved<'_>, &[Option<Tensor>]) -> Result<Grads>;
/// The rule's jvp.
pub(crate) type Jvp<'a> = &'a dyn Fn(&Saved<'_>, &[Option<Tensor>]) -> Result<Tangents>;

/// The tangents of the outputs, for an op of kind `forward`.
pub(crate) fn tangents(
    forward: Forward,
    ran: Ran<'_>,
    tangents: &[Option<Tensor>],
    vjp: Vjp<'_>,
    jvp: Jvp<'_>,
) -> Result<Tangents> {
    let complex = |t: &Tensor| t.dtype().is_complex();
    match forward {
        Forward::Linear => linear(ran, tangents),
        Forward::Bilinear => bilinear(ran, tangents, vjp),
        Forward::Elementwise if !ran.inputs.iter().any(|t| complex(t)) && !ran.outputs.iter().any(complex) => {
            elementwise(ran, tangents, vjp)
        }
        Forward::Elementwise | Forward::Transpose => by_rule(ran, tangents, vjp),
        Forward::Stated => jvp(&Saved::of(ran, &present(tangents)), tangents),
    }
}

/// Which inputs have a tangent.
fn present(tangents: &[Option<Tensor>]) -> SmallVec<[bool; 4]> {
    tangents.iter().map(Option::is_some).collect()
}

fn by_rule(ran: Ran<'_>, tangents: &[Option<Tensor>], vjp: Vjp<'_>) -> Result<Tangents> {
    let needs = present(tangents);
    by_transpose(ran.inputs, ran.outputs, tangents, |grads| vjp(&Saved::of(ran, &needs), grads))
}

/// J t = d/du (Jᵀ u) · t, for the u that the outputs' gradients are. `vjp` must compute Jᵀ u for those inputs that
/// have a tangent.
pub(crate) fn by_transpose(
    inputs: &[&Tensor],
    outputs: &[Tensor],
    tangents: &[Option<Tensor>],
    vjp: impl FnOnce(&[Option<Tensor>]) -> Result<Grads>,
) -> Result<Tangents> {
    let seed = |out: &Tensor| match out.dtype().is_differentiable() {
        true => crate::Autograd::requires_grad_(&zeros_like(out)?.detach()).map(Some),
        false => Ok(None),
    };
    let seeds = outputs.iter().map(seed).collect::<Result<SmallVec<[Option<Tensor>; 2]>>>()?;
    let create_graph = grad_enabled();
    let (mut products, mut along) = (Vec::new(), Vec::new());
    let grads = enable_grad(|| vjp(&seeds))?;
    for ((grad, tangent), input) in grads.into_iter().zip(tangents).zip(inputs) {
        if let (Some(grad), Some(tangent)) = (grad, tangent) {
            if grad.requires_grad() {
                products.push(enable_grad(|| grad.to_dtype(input.dtype()))?);
                along.push(Some(tangent.clone()));
            }
        }
    }
    let mut found: Tangents = seeds.iter().map(|_| None).collect();
    if products.is_empty() {
        return Ok(found);
    }
    let options =
        crate::GradOptions { grad_outputs: along, create_graph, retain_graph: Some(create_graph), allow_unused: true };
    let wanted: Vec<&Tensor> = seeds.iter().flatten().collect();
    let made = crate::grad_with(&products.iter().collect::<Vec<_>>(), &wanted, options)?;
    let places = found.iter_mut().zip(&seeds).filter(|(_, seed)| seed.is_some()).map(|(place, _)| place);
    places.zip(made).for_each(|(place, tangent)| *place = tangent);
    Ok(found)
}

/// Zeros that take no memory.
pub(crate) fn zeros_like(x: &Tensor) -> Result<Tensor> {
    Tensor::zeros(()).dtype(x.dtype()).device(x.device()).build()?.expand(x.shape())
}

fn sum_up(sum: Option<Tensor>, term: Option<Tensor>) -> Result<Option<Tensor>> {
    match (sum, term) {
        (Some(sum), Some(term)) => sum.add(&term).map(Some),
        (one, None) | (None, one) => Ok(one),
    }
}

/// The tangents in place of the inputs that may have one.
fn linear(ran: Ran<'_>, tangents: &[Option<Tensor>]) -> Result<Tangents> {
    let instead = |(input, tangent): (&&Tensor, &Option<Tensor>)| match tangent {
        Some(tangent) => Ok(tangent.clone()),
        None if input.dtype().is_differentiable() => zeros_like(input),
        None => Ok((*input).clone()),
    };
    let inputs = ran.inputs.iter().zip(tangents).map(instead).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
    if ran.op.view_layout(&inputs[0]).is_some() {
        return Ok(Tangents::from_iter([Some(dispatch_view(ran.op.clone(), &inputs[0])?)]));
    }
    let outputs = dispatch_all(ran.op.clone(), &inputs.iter().collect::<SmallVec<[&Tensor; 4]>>())?;
    Ok(outputs.into_iter().map(|out| out.dtype().is_differentiable().then_some(out)).collect())
}

/// op(dx, y) + op(x, dy); what comes after these two (a bias) by the rule.
fn bilinear(ran: Ran<'_>, tangents: &[Option<Tensor>], vjp: Vjp<'_>) -> Result<Tangents> {
    let mut sum = None;
    for (i, tangent) in tangents.iter().enumerate().take(2) {
        let Some(tangent) = tangent else { continue };
        let mut inputs: SmallVec<[&Tensor; 2]> = ran.inputs.iter().copied().take(2).collect();
        inputs[i] = tangent;
        sum = sum_up(sum, Some(dispatch(ran.op.clone(), &inputs)?))?;
    }
    if tangents.iter().skip(2).any(Option::is_some) {
        let rest: SmallVec<[Option<Tensor>; 4]> =
            tangents.iter().enumerate().map(|(i, t)| t.clone().filter(|_| i >= 2)).collect();
        sum = sum_up(sum, by_rule(ran, &rest, vjp)?.into_iter().next().flatten())?;
    }
    Ok(Tangents::from_iter([sum]))
}

/// Σ slope · tangent over the inputs, each brought to the output's shape first.
fn elementwise(ran: Ran<'_>, tangents: &[Option<Tensor>], vjp: Vjp<'_>) -> Result<Tangents> {
    let shape = ran.outputs[0].shape();
    let whole = |t: &Tensor| if t.shape() == shape { Ok(t.clone()) } else { t.expand(shape) };
    let inputs = ran.inputs.iter().map(|t| whole(t)).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
    let ran = Ran { inputs: &inputs.iter().collect::<SmallVec<[&Tensor; 4]>>(), ..ran };
    let mut sum = None;
    for (i, tangent) in tangents.iter().enumerate() {
        let Some(tangent) = tangent else { continue };
        let needs: SmallVec<[bool; 4]> = (0..ran.inputs.len()).map(|at| at == i).collect();
        let grads = vjp(&Saved::of(ran, &needs), &[Some(whole(tangent)?)])?;
        sum = sum_up(sum, grads.into_iter().nth(i).flatten())?;
    }
    Ok(Tangents::from_iter([sum]))
}
