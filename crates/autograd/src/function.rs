//! Custom functions: forward and backward of one's own, as `torch.autograd.Function`.

use crate::forward;
use crate::meta::set_edge;
use crate::node::{Edge, Edges, Kind, Node, SavedTensors, Slot, backward_error};
use crate::record::edge_of;
use crate::rules::{Grads, Saved};
use crate::saved_hooks;
use crate::transforms;
use crate::vmap;
use flambeau_tensor::op::Meta;
use flambeau_tensor::{Device, ErrorKind, Result, Tensor, ensure, grad_enabled, no_grad};
use smallvec::SmallVec;
use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;

/// What a custom function's forward hands to its backward.
pub struct Context<'a> {
    saved: Vec<Tensor>,
    needs: SmallVec<[bool; 4]>,
    back: Option<(Kept<'a>, usize)>,
}

impl Context<'_> {
    /// Keeps `x`, an input, output or anything else, for backward: `ctx.save_for_backward`.
    pub fn save(&mut self, x: &Tensor) {
        self.saved.push(x.clone());
    }

    /// The `i`-th tensor that was kept: `ctx.saved_tensors[i]`.
    ///
    /// # Errors
    /// Where fewer were kept, it was overwritten since, or freed by an earlier backward.
    pub fn saved(&self, i: usize) -> Result<Tensor> {
        match &self.back {
            Some((kept, n)) if i < *n => (kept.get)(i),
            _ => self.saved.get(i).cloned().ok_or_else(|| {
                backward_error(
                    ErrorKind::Index,
                    format!("the function saved {} tensors, not {}", self.saved.len(), i + 1),
                )
            }),
        }
    }

    /// Does input `i` need a gradient? `ctx.needs_input_grad[i]`.
    pub fn needs_input_grad(&self, i: usize) -> bool {
        self.needs.get(i).copied().unwrap_or(false)
    }
}

/// A function of one tensor with a derivative of one's own.
///
/// ```
/// use flambeau_autograd::{Autograd, Context, Function};
/// use flambeau_tensor::{Result, Tensor};
///
/// /// Rounds, and lets the gradient through as if it had not.
/// struct StraightThrough;
///
/// impl Function for StraightThrough {
///     fn forward(&self, _: &mut Context, x: &Tensor) -> Result<Tensor> { x.round() }
///     fn backward(&self, _: &Context, grad: &Tensor) -> Result<Tensor> { Ok(grad.clone()) }
/// }
///
/// let x = Tensor::from_vec(vec![0.4f32, 1.7], 2)?.requires_grad_()?;
/// StraightThrough.apply(&x)?.sum(..)?.backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait Function: Send + Sync + Sized + 'static {
    /// The value. Runs without recording.
    ///
    /// # Errors
    /// Whatever it meets; `apply` passes it on.
    fn forward(&self, ctx: &mut Context<'_>, x: &Tensor) -> Result<Tensor>;

    /// The gradient of the input, from that of the output. Written in tensor ops it can be differentiated again.
    /// It takes the input's shape by summing where the input broadcasts to it, and the input's dtype, as in PyTorch.
    ///
    /// # Errors
    /// Whatever it meets; `backward` passes it on.
    fn backward(&self, ctx: &Context<'_>, grad: &Tensor) -> Result<Tensor>;

    /// Runs it on `x`, recorded where `x` requires grad.
    ///
    /// # Errors
    /// What `forward` returns.
    #[track_caller]
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        let outputs = run(One(self), &[x], Location::caller())?;
        outputs
            .into_iter()
            .next()
            .ok_or_else(|| backward_error(ErrorKind::Argument, "the function returned nothing".into()))
    }
}

/// A function of several tensors, with several outputs. See [`Function`].
pub trait MultiFunction: Send + Sync + Sized + 'static {
    /// The values. Runs without recording.
    ///
    /// # Errors
    /// Whatever it meets; `apply` passes it on.
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// The gradients of the inputs, one each, from those of the outputs; `None` for an output not used. As for
    /// [`Function::backward`], they are brought to the inputs' shapes and dtypes.
    ///
    /// # Errors
    /// Whatever it meets; `backward` passes it on.
    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>;

    /// Runs it, recorded where an input requires grad.
    ///
    /// # Errors
    /// What `forward` returns.
    #[track_caller]
    fn apply(self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        run(self, inputs, Location::caller())
    }
}

struct One<F>(F);

impl<F: Function> MultiFunction for One<F> {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.0.forward(ctx, inputs[0])?])
    }
    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        match &grads[0] {
            Some(grad) => Ok(vec![Some(self.0.backward(ctx, grad)?)]),
            None => Ok(vec![None]),
        }
    }
}

/// What a custom function's backward reads.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    /// The tensor that was saved as the `i`-th one.
    pub get: &'a dyn Fn(usize) -> Result<Tensor>,
    /// The function and the line it was called on, for messages.
    pub place: &'a dyn Fn() -> String,
}

/// The gradients of a custom node's inputs.
pub(crate) fn backward(custom: &dyn Custom, saved: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
    let get = |i: usize| match custom.output_of(i) {
        Some(nr) => saved.output(nr),
        None => saved.input(i),
    };
    custom.backward(Kept { get: &get, place: &|| saved.place() }, grads)
}

/// A custom node's backward.
pub(crate) trait Custom: Send + Sync {
    fn name(&self) -> &str;
    fn backward(&self, kept: Kept<'_>, grads: &[Option<Tensor>]) -> Result<Grads>;
    /// Which output the `i`-th saved tensor is, if it is one.
    fn output_of(&self, i: usize) -> Option<usize>;
}

struct Applied<F> {
    function: F,
    needs: SmallVec<[bool; 4]>,
    inputs: SmallVec<[(Meta, Device); 1]>,
    /// For each saved tensor, the output that it is.
    outputs: Vec<Option<usize>>,
}

impl<F: MultiFunction> Custom for Applied<F> {
    fn name(&self) -> &str {
        let full = std::any::type_name::<F>();
        let inner = full.rsplit_once('<').map_or(full, |(_, inner)| inner.trim_end_matches('>'));
        inner.rsplit("::").next().unwrap_or(full)
    }

    fn output_of(&self, i: usize) -> Option<usize> {
        self.outputs.get(i).copied().flatten()
    }

    fn backward(&self, saved: Kept<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let ctx = Context { saved: Vec::new(), needs: self.needs.clone(), back: Some((saved, self.outputs.len())) };
        let made = self.function.backward(&ctx, grads)?;
        if made.len() != self.needs.len() {
            let message =
                format!("{} returned {} gradients for {} inputs", (saved.place)(), made.len(), self.needs.len());
            return Err(backward_error(ErrorKind::Autograd, message));
        }
        let fitting = |(i, grad): (usize, Option<Tensor>)| {
            grad.filter(|_| self.needs[i]).map(|grad| self.fitting(saved, i, grad)).transpose()
        };
        made.into_iter().enumerate().map(fitting).collect()
    }
}

impl<F> Applied<F> {
    /// The gradient that backward returned for input `i`, as one of that input: summed where the input broadcasts
    /// to it, in the input's dtype.
    fn fitting(&self, saved: Kept<'_>, i: usize, grad: Tensor) -> Result<Tensor> {
        let (Meta { shape, dtype }, device) = &self.inputs[i];
        let invalid = |kind, got: &dyn Debug, expected: &dyn Debug| {
            let message = format!(
                "{} returned an invalid gradient at index {i}: got {got:?}, which does not fit {expected:?}",
                (saved.place)()
            );
            backward_error(kind, message)
        };
        let grad = match grad.device() == *device {
            true => grad,
            // A number goes anywhere.
            false if grad.rank() == 0 => grad.to_device(*device)?,
            false => return Err(invalid(ErrorKind::Device, &grad.device(), device)),
        };
        if grad.dtype().is_complex() && !dtype.is_complex() {
            return Err(invalid(ErrorKind::DType, &grad.dtype(), dtype));
        }
        let grad = match grad.shape() == &shape[..] {
            true => grad,
            false => grad.sum_to_size(&shape[..]).map_err(|_| invalid(ErrorKind::Shape, &grad.shape(), &&shape[..]))?,
        };
        grad.to_dtype(*dtype)
    }
}

fn run<F: MultiFunction>(function: F, inputs: &[&Tensor], at: &'static Location<'static>) -> Result<Vec<Tensor>> {
    let seen = forward::seen(inputs)?;
    let recorded = |t: &Tensor| t.requires_grad() && t.dtype().is_differentiable();
    let changes = |i: usize| seen.iter().any(|(_, tangents)| tangents[i].is_some());
    let outside = vmap::is_on() && inputs.iter().any(|t| vmap::matters_outside(t));
    let needs = |(i, t): (usize, &&Tensor)| recorded(t) || changes(i) || outside && vmap::matters_outside(t);
    let needs: SmallVec<[bool; 4]> = inputs.iter().enumerate().map(needs).collect();
    let mut ctx = Context { saved: Vec::new(), needs: needs.clone(), back: None };
    let versions: Vec<u32> = inputs.iter().map(|t| t.version()).collect();
    let mut forward = || no_grad(|| function.forward(&mut ctx, inputs));
    // What passes through it forward is its own derivative's affair.
    let mut outputs = if seen.is_empty() { forward()? } else { transforms::vmaps_alone(forward)? };
    let recording = grad_enabled() && inputs.iter().any(|t| recorded(t));
    if !recording && seen.is_empty() && !outside {
        return Ok(outputs);
    }
    let written = inputs.iter().zip(&versions).position(|(t, v)| t.version() != *v);
    ensure!(
        written.is_none(),
        Autograd,
        "Function::apply",
        "forward wrote to its input {} in place, which cannot be recorded",
        written.unwrap_or(0)
    );
    // Recognised before they are replaced: an output that is an input gets a handle of its own.
    let output_of: Vec<Option<usize>> =
        ctx.saved.iter().map(|s| outputs.iter().position(|o| o.is(s) && !inputs.iter().any(|i| i.is(o)))).collect();
    for out in &mut outputs {
        if inputs.iter().any(|i| i.is(out)) || out.as_view().is_some() {
            *out = no_grad(|| out.copy())?;
        }
    }
    let edges: Edges = inputs.iter().map(|t| if recorded(t) { edge_of(t) } else { Edge::None }).collect();
    let mut saved = SavedTensors::default();
    for (i, (tensor, output)) in ctx.saved.iter().zip(&output_of).enumerate() {
        match output {
            Some(nr) => saved.keep(Slot::Output(*nr as u32), tensor.detach()),
            None => saved.keep(Slot::Input(i as u32), tensor.clone()),
        }
    }
    if saved_hooks::are_on() {
        saved.pack()?;
    }
    let metas: SmallVec<[Meta; 1]> = outputs.iter().map(Meta::like).collect();
    let given = inputs.iter().map(|t| (Meta::like(t), t.device())).collect();
    let custom: Arc<dyn Custom> = Arc::new(Applied { function, needs, inputs: given, outputs: output_of });
    let node = Node::new(Kind::Custom(custom.clone()), edges, metas, Some(saved), at);
    for (nr, out) in outputs.iter().enumerate() {
        if recording && out.dtype().is_differentiable() {
            set_edge(out, node.clone(), nr as u32);
        }
    }
    forward::custom(&seen, &node, inputs, &outputs)?;
    if outside {
        let inputs: Vec<Tensor> = inputs.iter().map(|t| (*t).clone()).collect();
        vmap::custom(custom, inputs, &outputs, ctx.saved, at)?;
    }
    Ok(outputs)
}
