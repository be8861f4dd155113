//! Nodes of the graph: an op that ran, what its rule needs kept, and the edges to where its inputs came
//! from.

use crate::meta::{GradCell, HookFn};
use crate::rules::Saves;
use flambeau_tensor::op::{Meta, Op};
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Where a gradient goes.
#[derive(Clone)]
pub(crate) enum Edge {
    /// Nowhere: the input needs none.
    None,
    /// To the output of a node.
    Node(Arc<Node>, u32),
    /// To a leaf's `.grad`.
    Leaf(Tensor),
}

pub(crate) type Edges = SmallVec<[Edge; 3]>;

/// An op that ran.
pub(crate) struct Node {
    /// Rises with every node: the engine runs the newest first, so consumers before producers.
    pub seq: u64,
    pub at: &'static Location<'static>,
    pub kind: Kind,
    pub edges: Edges,
    pub outputs: SmallVec<[Meta; 1]>,
    /// None where it was freed, or nothing was asked for.
    saved: Mutex<Option<SavedTensors>>,
    extras: OnceLock<Box<Mutex<Extras>>>,
}

/// What a node computes.
pub(crate) enum Kind {
    Op(Op),
    Custom(Box<dyn crate::function::Custom>),
}

/// What few nodes have.
#[derive(Default)]
pub(crate) struct Extras {
    pub hooks: Vec<(u32, u64, HookFn)>,
    /// The cells of tensors that want their gradient kept.
    pub retain: Vec<(u32, Weak<GradCell>)>,
}

/// What the rule of a node asked to keep.
#[derive(Default)]
pub(crate) struct SavedTensors {
    tensors: SmallVec<[(Slot, SavedTensor); 2]>,
    metas: Vec<(u32, Meta)>,
}

/// Which tensor of an op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slot {
    Input(u32),
    Output(u32),
}

impl SavedTensors {
    pub fn keep(&mut self, slot: Slot, tensor: Tensor) {
        self.tensors.push((slot, SavedTensor::new(tensor)));
    }

    pub fn tensor(&self, slot: Slot) -> Option<&SavedTensor> {
        self.tensors.iter().find(|x| x.0 == slot).map(|x| &x.1)
    }

    /// Shape and dtype of input `i`.
    pub fn meta(&self, i: u32) -> Option<&Meta> {
        self.metas.iter().find(|x| x.0 == i).map(|x| &x.1)
    }
}

/// A tensor, and the version of its storage when it was saved.
#[derive(Clone)]
pub(crate) struct SavedTensor {
    tensor: Tensor,
    version: u32,
}

impl SavedTensor {
    fn new(tensor: Tensor) -> SavedTensor {
        let version = tensor.version();
        SavedTensor { tensor, version }
    }

    /// Its layout, whatever became of the elements.
    pub fn layout(&self) -> flambeau_tensor::Layout {
        self.tensor.layout().clone()
    }

    /// The tensor, unless it was overwritten since.
    pub fn get(&self, node: &Node) -> Result<Tensor> {
        let now = self.tensor.version();
        if now != self.version {
            let by = match self.tensor.storage().writer() {
                Some(w) => format!("`{}` ({}:{})", w.op, w.at.file(), w.at.line()),
                None => "an in-place op".to_string(),
            };
            return Err(backward_error(
                ErrorKind::Autograd,
                format!(
                    "a value saved by {} was overwritten by {by}: version {now}, saved at version {}",
                    node.place(),
                    self.version
                ),
            ));
        }
        Ok(self.tensor.clone())
    }
}

/// An error of `backward`; the line that asked for it is added there.
#[track_caller]
pub(crate) fn backward_error(kind: ErrorKind, message: String) -> Error {
    Error::new(kind, "backward", message)
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Node {
    // Inlined, for a node is large: it should be moved once.
    #[inline(always)]
    pub fn new(
        kind: Kind,
        edges: Edges,
        outputs: SmallVec<[Meta; 1]>,
        saved: Option<SavedTensors>,
        at: &'static Location<'static>,
    ) -> Arc<Node> {
        let seq = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node { seq, at, kind, edges, outputs, saved: Mutex::new(saved), extras: OnceLock::new() })
    }

    /// The name of the op.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Op(op) => op.name(),
            Kind::Custom(f) => f.name(),
        }
    }

    /// The op and the line it was called on, for messages.
    pub fn place(&self) -> String {
        format!("`{}` ({}:{})", self.name(), self.at.file(), self.at.line())
    }

    /// Frees what is kept.
    pub fn release(&self) {
        // Dropped after the lock: the last handle to a tensor may free a long chain of nodes.
        let saved = self.saved.lock().take();
        drop(saved);
    }

    /// What is kept; an error where it was freed.
    pub fn with_saved<R>(&self, f: impl FnOnce(&SavedTensors) -> R) -> Result<R> {
        match &*self.saved.lock() {
            Some(saved) => Ok(f(saved)),
            None => Err(backward_error(
                ErrorKind::Autograd,
                format!(
                    "what {} had saved was freed by an earlier backward; let that one retain the graph",
                    self.place()
                ),
            )),
        }
    }

    pub fn extras(&self) -> Option<&Mutex<Extras>> {
        self.extras.get().map(|e| &**e)
    }

    pub fn extras_mut(&self) -> &Mutex<Extras> {
        self.extras.get_or_init(Box::default)
    }
}

/// Keeps of `inputs` and `outputs` what `saves` asks for. Outputs lose their history here, for they would
/// hold the node that holds them; [`Saved::output`](crate::rules::Saved::output) gives it back.
#[inline(always)]
pub(crate) fn select(saves: Saves, inputs: &[&Tensor], outputs: &[Tensor]) -> Option<SavedTensors> {
    if saves == Saves::NONE { None } else { Some(selected(saves, inputs, outputs)) }
}

fn selected(saves: Saves, inputs: &[&Tensor], outputs: &[Tensor]) -> SavedTensors {
    let mut saved = SavedTensors::default();
    for (i, t) in inputs.iter().enumerate() {
        if saves.wants_input(i) {
            saved.keep(Slot::Input(i as u32), (*t).clone());
        }
        if saves.wants_meta(i) {
            saved.metas.push((i as u32, Meta::like(t)));
        }
    }
    for (i, t) in outputs.iter().enumerate() {
        if saves.wants_output(i) {
            saved.keep(Slot::Output(i as u32), t.detach());
        }
    }
    saved
}

thread_local! {
    /// Set while this thread drops nodes; what they held waits in `PENDING`.
    static DROPPING: Cell<bool> = const { Cell::new(false) };
    static PENDING: RefCell<Vec<(Edges, Option<SavedTensors>)>> = const { RefCell::new(Vec::new()) };
}

/// A chain of a million nodes must not be dropped by a million nested calls: a node dropped inside
/// another's drop only leaves what it held to the outer one.
impl Drop for Node {
    fn drop(&mut self) {
        // Only nodes, and tensors that may have some behind them, make a chain.
        let ends = |e: &Edge| !matches!(e, Edge::Node(..));
        let empty = |s: &SavedTensors| s.tensors.is_empty();
        if self.edges.iter().all(ends) && self.saved.get_mut().as_ref().is_none_or(empty) {
            return;
        }
        let held = (std::mem::take(&mut self.edges), self.saved.get_mut().take());
        // Without the thread-local (the thread is ending) the rest is dropped here and now.
        let Ok(outer) = DROPPING.try_with(|d| d.replace(true)) else { return };
        let _ = PENDING.try_with(|p| p.borrow_mut().push(held));
        if outer {
            return;
        }
        while let Some(held) = PENDING.try_with(|p| p.borrow_mut().pop()).ok().flatten() {
            drop(held);
        }
        let _ = DROPPING.try_with(|d| d.set(false));
    }
}
