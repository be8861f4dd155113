//! What autograd keeps with a tensor: its gradient, its place in the graph, its hooks.

use crate::node::{Edge, Node};
use flambeau_tensor::{Result, Tensor};
use parking_lot::Mutex;
use std::sync::Arc;

/// A function that sees a gradient on its way and may replace it.
pub(crate) type HookFn = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

#[derive(Default)]
pub(crate) struct GradMeta {
    state: Mutex<State>,
    /// Held while a backward adds to the gradient, from reading the old one to having stored the new one.
    /// The state's own lock is not enough: the addition is an op, which must not run under it.
    pub accumulating: Mutex<()>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The accumulated gradient: of a leaf, or of a tensor that retains it.
    pub grad: Option<Tensor>,
    /// The node that made the tensor, and which of its outputs it is; none for a leaf.
    pub edge: Option<(Arc<Node>, u32)>,
    /// A leaf's hooks, by id. A tensor with a node keeps them there.
    pub hooks: Vec<(u64, HookFn)>,
}

impl GradMeta {
    /// The meta of `tensor`, made if it has none.
    pub fn of(tensor: &Tensor) -> &GradMeta {
        match GradMeta::get(tensor) {
            Some(meta) => meta,
            None => {
                let _ = tensor.grad_meta().set(Box::new(GradMeta::default()));
                GradMeta::get(tensor).unwrap_or_else(|| unreachable!("autograd alone sets a tensor's meta"))
            }
        }
    }

    /// The meta of `tensor`, if it has one.
    pub fn get(tensor: &Tensor) -> Option<&GradMeta> {
        tensor.grad_meta().get().and_then(|meta| meta.downcast_ref::<GradMeta>())
    }

    /// Runs `f` on the locked state; `f` must not run ops.
    pub fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock())
    }
}

/// Makes `tensor` the output `nr` of `node`.
pub(crate) fn set_edge(tensor: &Tensor, node: Arc<Node>, nr: u32) {
    match GradMeta::get(tensor) {
        // What an old edge was the last to hold is dropped after the lock.
        Some(meta) => drop(meta.with(|s| s.edge.replace((node, nr)))),
        None => {
            let state = State { edge: Some((node, nr)), ..State::default() };
            let _ = tensor.grad_meta().set(Box::new(GradMeta { state: Mutex::new(state), ..GradMeta::default() }));
        }
    }
    tensor.set_tracks(true);
}

/// The node that made `tensor`, if it has one whose history is right (see [`crate::record::edge_of`]).
pub(crate) fn own_edge(tensor: &Tensor) -> Option<(Arc<Node>, u32)> {
    GradMeta::get(tensor).and_then(|meta| meta.with(|s| s.edge.clone()))
}

/// True for a tensor that no recorded op made.
pub(crate) fn is_leaf(tensor: &Tensor) -> bool {
    !tensor.requires_grad() || matches!(crate::record::edge_of(tensor), Edge::Leaf(_) | Edge::None)
}
