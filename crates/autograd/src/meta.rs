//! What autograd keeps with a tensor: its gradient, its place in the graph, its hooks.

use crate::forward::Tangent;
use crate::node::{Edge, Node};
use crate::release::{self, Remains};
use crate::sparse::{Gradient, SparseTensor, Stored};
use flambeau_tensor::{History, Result, Tensor};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

/// A function that sees a gradient on its way and may replace it.
pub(crate) type HookFn = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// A function that sees a leaf whose gradient has just been added to.
pub(crate) type PostHook = Arc<dyn Fn(&Tensor) -> Result<()> + Send + Sync>;

/// What few tensors have: leaves with a gradient, tensors that retain theirs, leaves with hooks.
#[derive(Default)]
pub(crate) struct GradMeta {
    /// The accumulated gradient. The node of a tensor that retains its gradient has the cell, too.
    pub cell: Arc<GradCell>,
    /// Tangents of the forward passes that are on; see [`forward`](crate::forward).
    pub tangents: Mutex<SmallVec<[Arc<Tangent>; 1]>>,
    /// The values for all samples of the `vmap`s that it stands for one sample in, by their ids; see
    /// [`vmap`](crate::vmap).
    pub samples: Mutex<SmallVec<[(u64, Tensor); 1]>>,
}

/// See [`release`](crate::release).
impl Drop for GradMeta {
    fn drop(&mut self) {
        let samples = std::mem::take(self.samples.get_mut());
        if !samples.is_empty() || self.cell.owns_something() {
            release::later(Remains::Gradient { cell: std::mem::take(&mut self.cell), samples });
        }
    }
}

/// A place where gradients accumulate.
#[derive(Default)]
pub(crate) struct GradCell {
    grad: Mutex<Held>,
    /// A leaf's hooks, by id. A tensor with a node keeps them there.
    pub hooks: Mutex<Vec<(u64, HookFn)>>,
    /// What is called when a leaf's gradient has been added to, by id.
    pub post_hooks: Mutex<Vec<(u64, PostHook)>>,
    /// Held while a backward adds to the gradient, from reading the old one to having stored the new one.
    /// The gradient's own lock is not enough: the addition is an op, which must not run under it.
    pub accumulating: Mutex<()>,
}

/// What a [`GradCell`] holds.
#[derive(Default)]
enum Held {
    #[default]
    None,
    Dense(Tensor),
    Sparse(Box<Stored>),
}

impl GradCell {
    /// The gradient, a sparse one in its dense form; none where memory for that runs out.
    pub fn get(&self) -> Option<Tensor> {
        let sparse = match &*self.grad.lock() {
            Held::None => return None,
            Held::Dense(grad) => return Some(grad.clone()),
            Held::Sparse(stored) => match (stored.now(), stored.shown()) {
                (Gradient::Dense(grad), _) | (_, Some(grad)) => return Some(grad),
                (Gradient::Sparse(sparse), None) => sparse,
            },
        };
        // An op, which must not run under the lock.
        let dense = sparse.to_dense().ok()?;
        if let Held::Sparse(stored) = &mut *self.grad.lock() {
            stored.show(&sparse, &dense);
        }
        Some(dense)
    }

    /// The gradient as it is.
    pub fn held(&self) -> Option<Gradient> {
        match &*self.grad.lock() {
            Held::None => None,
            Held::Dense(grad) => Some(Gradient::Dense(grad.clone())),
            Held::Sparse(stored) => Some(stored.now()),
        }
    }

    fn owns_something(&self) -> bool {
        !matches!(*self.grad.lock(), Held::None) || !self.hooks.lock().is_empty() || !self.post_hooks.lock().is_empty()
    }

    pub fn remove_hook(&self, id: u64) {
        fn taken<H>(hooks: &Mutex<Vec<(u64, H)>>, id: u64) -> Option<(u64, H)> {
            let mut hooks = hooks.lock();
            let at = hooks.iter().position(|hook| hook.0 == id)?;
            Some(hooks.remove(at))
        }
        // What they captured is dropped after the lock.
        drop(taken(&self.hooks, id));
        drop(taken(&self.post_hooks, id));
    }

    pub fn set(&self, grad: Option<Tensor>) {
        self.put(grad.map_or(Held::None, Held::Dense));
    }

    pub fn set_sparse(&self, grad: SparseTensor) {
        self.put(Held::Sparse(Box::new(Stored::new(grad))));
    }

    fn put(&self, grad: Held) {
        // What it replaces is dropped after the lock.
        let old = std::mem::replace(&mut *self.grad.lock(), grad);
        drop(old);
    }
}

impl GradMeta {
    /// That of another handle on a tensor whose gradient is in `cell`.
    pub fn with_cell(cell: Arc<GradCell>) -> GradMeta {
        GradMeta { cell, tangents: Mutex::default(), samples: Mutex::default() }
    }

    /// The meta of `tensor`, made if it has none.
    pub fn of(tensor: &Tensor) -> &GradMeta {
        let meta = tensor.grad_meta().get_or_init(|| Box::new(GradMeta::default()));
        meta.downcast_ref().unwrap_or_else(|| unreachable!("autograd alone sets a tensor's meta"))
    }

    /// The meta of `tensor`, if it has one.
    pub fn get(tensor: &Tensor) -> Option<&GradMeta> {
        tensor.grad_meta().get().and_then(|meta| meta.downcast_ref())
    }
}

/// Makes `tensor` the output `output` of `node`.
pub(crate) fn set_edge(tensor: &Tensor, node: Arc<Node>, output: u32) {
    drop(tensor.set_history(History { node, output }));
}

/// The node that made `tensor`, if it has one whose history is right (see [`crate::record::edge_of`]).
#[inline]
pub(crate) fn own_edge(tensor: &Tensor) -> Option<(Arc<Node>, u32)> {
    let History { node, output } = tensor.history()?;
    Some((node.downcast().unwrap_or_else(|_| unreachable!("autograd alone makes nodes")), output))
}

/// True for a tensor that no recorded op made.
pub(crate) fn is_leaf(tensor: &Tensor) -> bool {
    !tensor.requires_grad() || matches!(crate::record::edge_of(tensor), Edge::Leaf(_) | Edge::None)
}
