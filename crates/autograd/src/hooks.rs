//! Hooks of several gradients, hooks after a gradient was added, and handles that keep nothing alive.

use crate::Autograd;
use crate::engine;
use crate::meta::{GradCell, GradMeta};
use crate::node::{Edge, Node};
use crate::record::edge_of;
use flambeau_tensor::{Result, Tensor, bail, ensure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number for a hook, which nobody else has.
pub(crate) fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many hooks there are that are called after a gradient was added: without any, nobody counts edges for them.
static POST_HOOKS: AtomicUsize = AtomicUsize::new(0);

/// Was a hook registered that is called after a gradient was added?
pub(crate) fn there_are_post_hooks() -> bool {
    POST_HOOKS.load(Ordering::Relaxed) > 0
}

/// Where a hook is.
enum Place {
    Node(Weak<Node>),
    Leaf(WeakTensor),
}

/// A hook's registration. Dropping it leaves the hook in place, and it does not keep the tensor alive.
pub struct HookHandle {
    places: Vec<(Place, u64)>,
}

impl HookHandle {
    pub(crate) fn new(tensor: &Tensor, edge: &Edge, id: u64) -> HookHandle {
        let place = match edge {
            Edge::Node(node, _) => Place::Node(Arc::downgrade(node)),
            Edge::Leaf(_) | Edge::None => Place::Leaf(WeakTensor::of(tensor)),
        };
        HookHandle { places: vec![(place, id)] }
    }

    /// Takes the hook away.
    pub fn remove(self) {
        for (place, id) in self.places {
            match place {
                Place::Node(node) => {
                    if let Some(extras) = node.upgrade().as_ref().and_then(|node| node.extras()) {
                        let mut extras = extras.lock();
                        let at = extras.hooks.iter().position(|hook| hook.1 == id);
                        let hook = at.map(|at| extras.hooks.remove(at));
                        drop(extras);
                        drop(hook);
                    }
                }
                Place::Leaf(leaf) => leaf.remove_hook(id),
            }
        }
    }
}

/// A handle on a tensor that a hook of the tensor may hold: it has the values and the gradient, and does not keep the
/// tensor, its history and its hooks alive.
///
/// ```
/// use flambeau_autograd::{Autograd, WeakTensor};
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([1.0, -2.0]).requires_grad_()?;
/// let own = x.downgrade();
/// // A hook that captured `x` itself would never be freed.
/// x.register_hook(move |grad| match own.upgrade() {
///     Some(x) => grad.mul(x.detach().gt(0)?).map(Some),
///     None => Ok(None),
/// })?;
/// x.mul(3.0)?.sum(..)?.backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [3.0, 0.0]);
///
/// let weak: WeakTensor = x.downgrade();
/// drop(x);
/// assert!(weak.upgrade().is_none());
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct WeakTensor {
    /// The same elements, without what the tensor itself has.
    values: Tensor,
    tracks: bool,
    cell: Weak<GradCell>,
}

impl WeakTensor {
    pub(crate) fn of(tensor: &Tensor) -> WeakTensor {
        let cell = Arc::downgrade(&GradMeta::of(tensor).cell);
        WeakTensor { values: tensor.detach(), tracks: tensor.requires_grad(), cell }
    }

    /// A leaf over the tensor's elements with the tensor's `.grad`; `None` where the tensor is gone.
    pub fn upgrade(&self) -> Option<Tensor> {
        let cell = self.cell.upgrade()?;
        let tensor = self.values.detach();
        let made = tensor.grad_meta().set(Box::new(GradMeta::with_cell(cell)));
        debug_assert!(made.is_ok(), "a new tensor has no meta");
        tensor.set_tracks(self.tracks);
        Some(tensor)
    }

    fn remove_hook(&self, id: u64) {
        if let Some(cell) = self.cell.upgrade() {
            cell.remove_hook(id);
        }
    }
}

/// What waits for the gradients of several tensors.
struct Multi {
    tensors: usize,
    /// Called with the first one, instead of all.
    any: bool,
    hook: Box<dyn Fn(&[Option<Tensor>]) -> Result<()> + Send + Sync>,
    /// What has come by in each backward pass that is on.
    seen: Mutex<HashMap<u64, Vec<Option<Tensor>>>>,
}

impl Multi {
    /// The gradient of tensor `i` came by.
    fn arrive(self: &Arc<Self>, i: usize, grad: &Tensor) -> Result<()> {
        let walk = engine::current_walk();
        let (first, complete) = {
            let mut seen = self.seen.lock();
            let first = !seen.contains_key(&walk);
            let list = seen.entry(walk).or_insert_with(|| vec![None; self.tensors]);
            list[i] = Some(grad.clone());
            let complete = list.iter().all(Option::is_some) && !self.any;
            (first, if complete { seen.remove(&walk) } else { None })
        };
        if let Some(grads) = complete {
            return (self.hook)(&grads);
        }
        if first {
            let own = self.clone();
            engine::at_end(Box::new(move |ended| own.end(walk, ended)));
            if self.any {
                return (self.hook)(&[Some(grad.clone())]);
            }
        }
        Ok(())
    }

    /// The pass is over, or has failed: those that did not come are not in its graph.
    fn end(&self, walk: u64, ended: bool) -> Result<()> {
        let grads = self.seen.lock().remove(&walk);
        match grads {
            Some(grads) if ended && !self.any => (self.hook)(&grads),
            _ => Ok(()),
        }
    }
}

fn register(
    tensors: &[&Tensor],
    any: bool,
    hook: Box<dyn Fn(&[Option<Tensor>]) -> Result<()> + Send + Sync>,
) -> Result<HookHandle> {
    ensure!(!tensors.is_empty(), Argument, "register_multi_grad_hook", "no tensor is given");
    if let Some(i) = tensors.iter().position(|t| !t.requires_grad()) {
        bail!(Autograd, "register_multi_grad_hook", "tensor {i} does not require grad")
    }
    let multi = Arc::new(Multi { tensors: tensors.len(), any, hook, seen: Mutex::default() });
    let mut places = Vec::new();
    for (i, tensor) in tensors.iter().enumerate() {
        let own = multi.clone();
        let handle = tensor.register_hook(move |grad| own.arrive(i, grad).map(|()| None))?;
        places.extend(handle.places);
    }
    Ok(HookHandle { places })
}

/// Calls `hook` once in each backward pass with the gradients of all of `tensors`, when they are there; `None` for one
/// that the pass does not reach: `torch.autograd.graph.register_multi_grad_hook`.
///
/// ```
/// use flambeau_autograd::{Autograd, register_multi_grad_hook};
/// use flambeau_tensor::tensor;
/// use std::sync::{Arc, Mutex};
///
/// let (a, b) = (tensor!(2.0).requires_grad_()?, tensor!(3.0).requires_grad_()?);
/// let norms = Arc::new(Mutex::new(Vec::new()));
/// let list = norms.clone();
/// register_multi_grad_hook(&[&a, &b], move |grads| {
///     let all: f32 = grads.iter().flatten().map(|g| g.item::<f32>()).sum::<flambeau_tensor::Result<f32>>()?;
///     list.lock().unwrap().push(all);
///     Ok(())
/// })?;
/// a.mul(&b)?.backward()?;
/// assert_eq!(*norms.lock().unwrap(), [5.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where one of them does not require grad, or there is none. What the hook returns is the error of the pass.
#[track_caller]
pub fn register_multi_grad_hook(
    tensors: &[&Tensor],
    hook: impl Fn(&[Option<Tensor>]) -> Result<()> + Send + Sync + 'static,
) -> Result<HookHandle> {
    register(tensors, false, Box::new(hook))
}

/// Calls `hook` once in each backward pass, with the gradient of that of `tensors` which is there first:
/// `register_multi_grad_hook` with `mode="any"`.
///
/// # Errors
/// As [`register_multi_grad_hook`].
#[track_caller]
pub fn register_any_grad_hook(
    tensors: &[&Tensor],
    hook: impl Fn(&Tensor) -> Result<()> + Send + Sync + 'static,
) -> Result<HookHandle> {
    register(tensors, true, Box::new(move |grads| grads.iter().flatten().try_for_each(&hook)))
}

/// [`Autograd::register_post_accumulate_grad_hook`].
pub(crate) fn register_post(
    tensor: &Tensor,
    hook: impl Fn(&Tensor) -> Result<()> + Send + Sync + 'static,
) -> Result<HookHandle> {
    const NAME: &str = "register_post_accumulate_grad_hook";
    let edge = edge_of(tensor);
    match edge {
        Edge::None => bail!(Autograd, NAME, "the tensor does not require grad"),
        Edge::Node(..) => bail!(Autograd, NAME, "a recorded op made the tensor: only a leaf has its gradient added up"),
        Edge::Leaf(_) => {}
    }
    let id = next_id();
    GradMeta::of(tensor).cell.post_hooks.lock().push((id, Arc::new(hook)));
    POST_HOOKS.fetch_add(1, Ordering::Relaxed);
    Ok(HookHandle::new(tensor, &edge, id))
}
