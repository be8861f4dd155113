//! What people call: `requires_grad_`, `backward`, `grad`, hooks.

use crate::engine::{self, Walk};
use crate::hooks::{self, HookHandle, WeakTensor};
use crate::meta::{GradMeta, HookFn, is_leaf};
use crate::node::{Edge, Kind, backward_error};
use crate::record::{self, edge_of};
use crate::rules;
use crate::sparse::{Gradient, SparseTensor};
use flambeau_tensor::{ErrorKind, Result, Tensor, bail, ensure, no_grad, options};
use std::collections::{BTreeSet, HashSet};
use std::panic::Location;
use std::sync::Arc;

/// Autograd's methods on a [`Tensor`].
pub trait Autograd: Sized {
    /// Makes it a leaf that requires grad, and returns it: `Tensor.requires_grad_`.
    ///
    /// # Errors
    /// Where its dtype has no gradient, or a recorded op made it.
    fn requires_grad_(&self) -> Result<Tensor>;

    /// Turns `requires_grad` of a leaf on or off.
    ///
    /// # Errors
    /// As [`requires_grad_`](Autograd::requires_grad_).
    fn set_requires_grad(&self, on: bool) -> Result<()>;

    /// The accumulated gradient of a leaf (or of a tensor that retains it). A [sparse](crate::sparse_gradients) one in
    /// its dense form, `None` where memory for that runs out; what is written into it makes the gradient dense.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// use flambeau_autograd::Autograd;
    /// let x = tensor!([1.0, 2.0]).requires_grad_()?;
    /// x.square()?.sum(..)?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    fn grad(&self) -> Option<Tensor>;

    /// The accumulated gradient where it is sparse: `tensor.grad` with `tensor.grad.is_sparse`.
    fn sparse_grad(&self) -> Option<SparseTensor>;

    /// Replaces the accumulated gradient by a sparse one.
    ///
    /// # Errors
    /// Where its shape, dtype or device is another than the tensor's.
    fn set_sparse_grad(&self, grad: SparseTensor) -> Result<()>;

    /// Replaces the accumulated gradient: `tensor.grad = grad`.
    ///
    /// # Errors
    /// Where its shape, dtype or device is another than the tensor's, or it is the tensor itself.
    fn set_grad(&self, grad: Option<Tensor>) -> Result<()>;

    /// Forgets the accumulated gradient: `tensor.grad = None`.
    fn clear_grad(&self);

    /// True for a tensor that no recorded op made.
    fn is_leaf(&self) -> bool;

    /// What computes its gradient, where a recorded op made it: `MulBackward0` after a product, as `grad_fn.name()`.
    fn grad_fn(&self) -> Option<String>;

    /// Keeps the gradient of a tensor that is not a leaf when it comes by: `Tensor.retain_grad`.
    ///
    /// # Errors
    /// Where it does not require grad.
    fn retain_grad(&self) -> Result<()>;

    /// Calls `hook` with the gradient of this tensor each time it is computed; what it returns, if
    /// anything, goes on in its place: `Tensor.register_hook`. It must have the gradient's shape, dtype and device.
    ///
    /// The tensor owns its hooks. One that captures the tensor itself, or another that was computed from it, is a
    /// circle that is never freed; where it needs the values, let it capture `x.detach()`, which shares them and
    /// not the history, or [`x.downgrade()`](Autograd::downgrade), which has the gradient, too.
    ///
    /// ```
    /// use flambeau_autograd::Autograd;
    /// use flambeau_tensor::Tensor;
    ///
    /// let x = Tensor::from_slice(&[1.0f32, -2.0], 2)?.requires_grad_()?;
    /// let values = x.detach();
    /// x.register_hook(move |grad| grad.mul(values.gt(0)?).map(Some))?;
    /// x.mul(3.0)?.sum(..)?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [3.0, 0.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it does not require grad.
    fn register_hook(
        &self,
        hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> Result<HookHandle>;

    /// Calls `hook` with this leaf each time a backward pass has added to its `.grad`, as soon as nothing more is going
    /// to be added: `Tensor.register_post_accumulate_grad_hook`. An optimizer's step may be made there, and the gradient
    /// dropped, while the pass goes on.
    ///
    /// ```
    /// use flambeau_autograd::{Autograd, no_grad};
    /// use flambeau_tensor::tensor;
    ///
    /// let w = tensor!([1.0, 2.0]).requires_grad_()?;
    /// w.register_post_accumulate_grad_hook(|w| {
    ///     let grad = w.grad().expect("it was just added to");
    ///     no_grad(|| w.sub_(&grad.mul(0.1)?).map(drop))?;
    ///     w.clear_grad();
    ///     Ok(())
    /// })?;
    /// w.square()?.sum(..)?.backward()?;
    /// assert_eq!(w.detach().to_vec::<f32>()?, [0.8, 1.6]);
    /// assert!(w.grad().is_none());
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it is no leaf that requires grad. What the hook returns is the error of the pass.
    fn register_post_accumulate_grad_hook(
        &self,
        hook: impl Fn(&Tensor) -> Result<()> + Send + Sync + 'static,
    ) -> Result<HookHandle>;

    /// A handle that keeps neither the tensor nor its history alive, for hooks: see [`WeakTensor`].
    fn downgrade(&self) -> WeakTensor;

    /// Adds to the `.grad` of every leaf what this scalar's gradient by it is: `Tensor.backward`.
    ///
    /// # Errors
    /// Where it is no scalar, does not require grad, or a value that a rule needs was overwritten or freed.
    fn backward(&self) -> Result<()>;

    /// [`backward`](Autograd::backward) with a gradient to start from and the graph kept or recorded.
    ///
    /// # Errors
    /// As [`backward`](Autograd::backward).
    fn backward_with(&self, options: BackwardOptions) -> Result<()>;
}

options! {
    /// Options of [`Autograd::backward_with`].
    #[derive(Clone, Debug)]
    pub struct BackwardOptions {
        /// The gradient of the tensor itself, of its shape; 1 for a scalar unless set.
        gradient: ~into Option<Tensor> = None,
        /// Keep what rules saved, so that backward can run again; as `create_graph` unless set.
        retain_graph: ~into Option<bool> = None,
        /// Record the gradients' own history, for derivatives of higher order.
        create_graph: bool = false,
    }

    /// Options of [`grad_with`].
    #[derive(Clone, Debug)]
    pub struct GradOptions {
        /// The gradients of the outputs, by place; 1 for a scalar where none is given.
        grad_outputs: Vec<Option<Tensor>> = Vec::new(),
        /// Keep what rules saved; as `create_graph` unless set.
        retain_graph: ~into Option<bool> = None,
        /// Record the gradients' own history, for derivatives of higher order.
        create_graph: bool = false,
        /// An input that the outputs do not depend on is `None` instead of an error.
        allow_unused: bool = false,
    }
}

impl Autograd for Tensor {
    #[track_caller]
    fn requires_grad_(&self) -> Result<Tensor> {
        self.set_requires_grad(true)?;
        Ok(self.clone())
    }

    #[track_caller]
    fn set_requires_grad(&self, on: bool) -> Result<()> {
        record::install();
        ensure!(
            !on || self.dtype().is_differentiable(),
            DType,
            "requires_grad_",
            "only floating point and complex tensors can have a gradient, this one is {}",
            self.dtype()
        );
        ensure!(
            !(on && self.is_inference()),
            Autograd,
            "requires_grad_",
            "the tensor was made under inference_mode; `copy()` it outside"
        );
        if self.requires_grad() && !is_leaf(self) {
            ensure!(
                on,
                Autograd,
                "requires_grad_",
                "a recorded op made the tensor; `detach()` gives it without history"
            );
            return Ok(());
        }
        self.set_tracks(on);
        Ok(())
    }

    fn grad(&self) -> Option<Tensor> {
        GradMeta::get(self).and_then(|meta| meta.cell.get())
    }

    #[track_caller]
    fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(grad) = &grad {
            ensure!(!grad.is(self), Argument, "set_grad", "a tensor cannot be its own gradient");
            fits("set_grad", self, grad)?;
            let (ours, theirs) = (self.dtype(), grad.dtype());
            ensure!(ours == theirs, DType, "set_grad", "the gradient is {theirs}, the tensor {ours}");
        }
        GradMeta::of(self).cell.set(grad);
        Ok(())
    }

    fn sparse_grad(&self) -> Option<SparseTensor> {
        match GradMeta::get(self)?.cell.held()? {
            Gradient::Sparse(grad) => Some(grad),
            Gradient::Dense(_) => None,
        }
    }

    #[track_caller]
    fn set_sparse_grad(&self, grad: SparseTensor) -> Result<()> {
        const PLACE: &str = "set_sparse_grad";
        let (ours, theirs) = (self.shape(), grad.shape());
        ensure!(ours == theirs, Shape, PLACE, "the gradient has shape {theirs:?}, the tensor {ours:?}");
        let (ours, theirs) = (self.device(), grad.device());
        ensure!(ours == theirs, Device, PLACE, "the gradient is on {theirs}, the tensor on {ours}");
        let (ours, theirs) = (self.dtype(), grad.dtype());
        ensure!(ours == theirs, DType, PLACE, "the gradient is {theirs}, the tensor {ours}");
        GradMeta::of(self).cell.set_sparse(grad);
        Ok(())
    }

    fn clear_grad(&self) {
        if let Some(meta) = GradMeta::get(self) {
            meta.cell.set(None);
        }
    }

    fn is_leaf(&self) -> bool {
        is_leaf(self)
    }

    fn grad_fn(&self) -> Option<String> {
        match edge_of(self) {
            Edge::Node(node, _) => Some(node.grad_fn()),
            _ => None,
        }
    }

    #[track_caller]
    fn retain_grad(&self) -> Result<()> {
        match edge_of(self) {
            Edge::None => bail!(Autograd, "retain_grad", "the tensor does not require grad"),
            Edge::Leaf(_) => Ok(()),
            Edge::Node(node, nr) => {
                let mut extras = node.extras_mut().lock();
                let cell = Arc::downgrade(&GradMeta::of(self).cell);
                if !extras.retain.iter().any(|(_, there)| there.ptr_eq(&cell)) {
                    extras.retain.push((nr, cell));
                }
                Ok(())
            }
        }
    }

    #[track_caller]
    fn register_hook(
        &self,
        hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> Result<HookHandle> {
        let (id, hook, edge): (u64, HookFn, Edge) = (hooks::next_id(), Arc::new(hook), edge_of(self));
        match &edge {
            Edge::None => bail!(Autograd, "register_hook", "the tensor does not require grad"),
            Edge::Leaf(_) => GradMeta::of(self).cell.hooks.lock().push((id, hook)),
            Edge::Node(node, nr) => node.extras_mut().lock().hooks.push((*nr, id, hook)),
        }
        Ok(HookHandle::new(self, &edge, id))
    }

    #[track_caller]
    fn register_post_accumulate_grad_hook(
        &self,
        hook: impl Fn(&Tensor) -> Result<()> + Send + Sync + 'static,
    ) -> Result<HookHandle> {
        hooks::register_post(self, hook)
    }

    fn downgrade(&self) -> WeakTensor {
        WeakTensor::of(self)
    }

    #[track_caller]
    fn backward(&self) -> Result<()> {
        self.backward_with(BackwardOptions::default())
    }

    #[track_caller]
    fn backward_with(&self, options: BackwardOptions) -> Result<()> {
        let at = Location::caller();
        let BackwardOptions { gradient, retain_graph, create_graph } = options;
        let root = root(self, gradient).map_err(|e| e.located(at))?;
        let walk = Walk { retain_graph: retain_graph.unwrap_or(create_graph), create_graph, inputs: None };
        engine::run(vec![root], walk).map_err(|e| e.located(at)).map(drop)
    }
}

/// Does `grad` have the shape of `tensor`, and is it on its device?
#[track_caller]
fn fits(place: &'static str, tensor: &Tensor, grad: &Tensor) -> Result<()> {
    let (ours, theirs) = (tensor.shape(), grad.shape());
    ensure!(ours == theirs, Shape, place, "the gradient has shape {theirs:?}, the tensor {ours:?}");
    let (ours, theirs) = (tensor.device(), grad.device());
    ensure!(ours == theirs, Device, place, "the gradient is on {theirs}, the tensor on {ours}");
    Ok(())
}

/// Where to start from a tensor, and with which gradient.
fn root(tensor: &Tensor, gradient: Option<Tensor>) -> Result<(Edge, Tensor)> {
    let edge = edge_of(tensor);
    if matches!(edge, Edge::None) {
        return Err(backward_error(
            ErrorKind::Autograd,
            "the tensor does not require grad: no input of its computation does, or it was made under `no_grad`".into(),
        ));
    }
    let gradient = match gradient {
        Some(g) => {
            fits("backward", tensor, &g)?;
            let (ours, theirs) = (tensor.dtype(), g.dtype());
            // A real one of another precision is cast, as in PyTorch.
            ensure!(
                ours.is_complex() == theirs.is_complex(),
                DType,
                "backward",
                "the gradient is {theirs}, the tensor {ours}: both must be real or both complex"
            );
            g
        }
        None if tensor.numel() == 1 => no_grad(|| tensor.ones_like())?,
        None => {
            let message = format!(
                "only a single number has a gradient to start from; shape {:?} needs one given, or a `sum`",
                tensor.shape()
            );
            return Err(backward_error(ErrorKind::Autograd, message));
        }
    };
    Ok((edge, gradient))
}

/// The gradients of `inputs` for the sum of `outputs`, without touching any `.grad`: `torch.autograd.grad`.
///
/// # Errors
/// As [`Autograd::backward`]; and where the outputs do not depend on an input.
#[track_caller]
pub fn grad(outputs: &[&Tensor], inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let found = grad_with(outputs, inputs, GradOptions::default())?;
    // `allow_unused` is off: every one is there.
    Ok(found.into_iter().flatten().collect())
}

/// [`grad`] with options: gradients of the outputs, the graph kept or recorded, inputs that may be unused.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn grad_with(outputs: &[&Tensor], inputs: &[&Tensor], options: GradOptions) -> Result<Vec<Option<Tensor>>> {
    let at = Location::caller();
    let retain_graph = options.retain_graph.unwrap_or(options.create_graph);
    let walk = Walk { retain_graph, create_graph: options.create_graph, inputs: Some(inputs) };
    ensure!(
        options.grad_outputs.len() <= outputs.len(),
        Argument,
        "grad",
        "{} gradients are given for {} outputs",
        options.grad_outputs.len(),
        outputs.len()
    );
    let mut seeds = options.grad_outputs.into_iter();
    let mut roots = Vec::with_capacity(outputs.len());
    for out in outputs {
        roots.push(root(out, seeds.next().flatten()).map_err(|e| e.located(at))?);
    }
    if let Some(i) = inputs.iter().position(|t| !t.requires_grad()) {
        if !options.allow_unused {
            bail!(Autograd, "grad", "input {i} does not require grad")
        }
    }
    let found = engine::run(roots, walk).map_err(|e| e.located(at))?;
    if let (false, Some(i)) = (options.allow_unused, found.iter().position(|g| g.is_none())) {
        bail!(Autograd, "grad", "the outputs do not depend on input {i}; `allow_unused` gives `None` for it")
    }
    Ok(found)
}

/// The ops in the history of `tensor`, by the names of their structs as in [`RULES`](crate::RULES); custom
/// functions are left out.
///
/// ```
/// use flambeau_autograd::{Autograd, recorded_ops};
/// use flambeau_tensor::Tensor;
///
/// let x = Tensor::ones([2, 3]).build()?.requires_grad_()?;
/// let y = x.mul(2.0)?.matmul(&x.t()?)?;
/// assert_eq!(recorded_ops(&y).into_iter().collect::<Vec<_>>(), ["Matmul", "Mul", "Permute"]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn recorded_ops(tensor: &Tensor) -> BTreeSet<&'static str> {
    let (mut names, mut seen, mut stack) = (BTreeSet::new(), HashSet::new(), vec![edge_of(tensor)]);
    while let Some(edge) = stack.pop() {
        if let Edge::Node(node, _) = edge {
            if seen.insert(Arc::as_ptr(&node)) {
                if let Kind::Op(op) = &node.kind {
                    names.insert(rules::struct_name(op));
                }
                stack.extend(node.edges.iter().cloned());
            }
        }
    }
    names
}
