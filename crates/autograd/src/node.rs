//! Nodes of the graph: an op that ran, what its rule needs kept, and the edges to where its inputs came
//! from.

use crate::meta::{GradCell, HookFn};
use crate::record::edge_of;
use crate::release::{self, Remains};
use crate::rules::Saves;
use crate::saved_hooks::Packed;
use crate::views::Replaced;
use flambeau_tensor::op::{Meta, Op};
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// The input under a name of its own; see [`alias`](crate::record::alias).
    Alias,
    /// The same for an input of a transform of functions, at which its way back ends; see [`Origins`](crate::record::Origins).
    Origin(Origin),
    /// The first input with the elements of a view replaced by the second.
    Replaced(Box<Replaced>),
    Custom(Arc<dyn crate::function::Custom>),
}

/// Is the transform at work?
#[derive(Default)]
pub(crate) struct Origin {
    ended: AtomicBool,
}

impl Origin {
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// What few nodes have.
#[derive(Default)]
pub(crate) struct Extras {
    pub hooks: Vec<(u32, u64, HookFn)>,
    /// The cells of tensors that want their gradient kept.
    pub retain: Vec<(u32, Weak<GradCell>)>,
    /// The gradient is wanted sparse; see [`sparse`](crate::sparse).
    pub sparse: bool,
}

/// What the rule of a node asked to keep.
#[derive(Default)]
pub(crate) struct SavedTensors {
    tensors: SmallVec<[(Slot, SavedTensor); 2]>,
    metas: Vec<(u32, Meta)>,
    /// The tensors were there, and an earlier backward freed them.
    freed: bool,
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

    /// Hands all to the hooks that are on.
    pub fn pack(&mut self) -> Result<()> {
        for (slot, saved) in &mut self.tensors {
            let SavedTensor::Here(tensor, _) = saved else { continue };
            // An output's history is given back by whoever asks for it.
            let edge = || if matches!(slot, Slot::Input(_)) { edge_of(tensor) } else { Edge::None };
            if let Some(packed) = Packed::of(tensor, edge)? {
                *saved = SavedTensor::Packed(Box::new(packed));
            }
        }
        Ok(())
    }

    /// Nothing that could have a graph behind it.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

/// A tensor that is kept.
#[derive(Clone)]
pub(crate) enum SavedTensor {
    /// Itself, and the version of its storage when it was saved.
    Here(Tensor, u32),
    /// In the care of the user's hooks.
    Packed(Box<Packed>),
}

impl SavedTensor {
    fn new(tensor: Tensor) -> SavedTensor {
        let version = tensor.version();
        SavedTensor::Here(tensor, version)
    }

    /// Its layout, whatever became of the elements.
    pub fn layout(&self) -> flambeau_tensor::Layout {
        match self {
            SavedTensor::Here(tensor, _) => tensor.layout().clone(),
            SavedTensor::Packed(packed) => packed.layout().clone(),
        }
    }

    /// The tensor, unless it was overwritten since.
    ///
    /// # Errors
    /// Where it was overwritten: the error names the op that saved it and the one that wrote.
    pub fn get(&self, node: &Node) -> Result<Tensor> {
        let (tensor, version) = match self {
            SavedTensor::Here(tensor, version) => (tensor, *version),
            SavedTensor::Packed(packed) => return packed.get(node),
        };
        let now = tensor.version();
        if now != version {
            let by = match tensor.storage().writer() {
                Some(w) => format!("`{}` ({}:{})", w.op, w.at.file(), w.at.line()),
                None => "an in-place op".to_string(),
            };
            return Err(backward_error(
                ErrorKind::Autograd,
                format!(
                    "a value saved by {} was overwritten by {by}: version {now}, saved at version {version}",
                    node.place()
                ),
            ));
        }
        Ok(tensor.clone())
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
            Kind::Alias | Kind::Origin(_) => "alias",
            Kind::Replaced(_) => "copy_slices",
            Kind::Custom(f) => f.name(),
        }
    }

    /// PyTorch's name of it: of the op and the derivative.
    pub fn grad_fn(&self) -> String {
        match &self.kind {
            Kind::Op(op) => {
                let name = match crate::rules::struct_name(op) {
                    "Custom" => op.name(),
                    "Reshape" => "View",
                    name => name.strip_suffix("Scalar").unwrap_or(name),
                };
                format!("{name}Backward0")
            }
            Kind::Alias | Kind::Origin(_) => "AliasBackward0".to_string(),
            Kind::Replaced(_) => "CopySlices".to_string(),
            Kind::Custom(f) => format!("{}Backward", f.name()),
        }
    }

    /// The op and the line it was called on, for messages.
    pub fn place(&self) -> String {
        format!("`{}` ({}:{})", self.name(), self.at.file(), self.at.line())
    }

    /// Frees the tensors that are kept; shapes and dtypes stay.
    pub fn release(&self) {
        let tensors = match &mut *self.saved.lock() {
            Some(saved) if !saved.tensors.is_empty() => {
                saved.freed = true;
                std::mem::take(&mut saved.tensors)
            }
            _ => return,
        };
        // Dropped after the lock: the last handle to a tensor may free a long chain of nodes.
        drop(tensors);
    }

    /// A tensor that is kept; an error where it was freed.
    ///
    /// # Errors
    /// Where it was freed by an earlier backward.
    pub fn kept(&self, slot: Slot) -> Result<Option<SavedTensor>> {
        match &*self.saved.lock() {
            Some(saved) if saved.freed => Err(backward_error(
                ErrorKind::Autograd,
                format!(
                    "what {} had saved was freed by an earlier backward; let that one retain the graph",
                    self.place()
                ),
            )),
            Some(saved) => Ok(saved.tensors.iter().find(|x| x.0 == slot).map(|x| x.1.clone())),
            None => Ok(None),
        }
    }

    /// The handle that is kept, whatever became of its elements.
    pub fn kept_value(&self, slot: Slot) -> Option<Tensor> {
        let saved = self.saved.lock();
        match saved.as_ref()?.tensors.iter().find(|x| x.0 == slot) {
            Some((_, SavedTensor::Here(tensor, _))) => Some(tensor.clone()),
            _ => None,
        }
    }

    /// Shape and dtype of input `i`, where they are kept.
    pub fn kept_meta(&self, i: u32) -> Option<Meta> {
        let saved = self.saved.lock();
        saved.as_ref()?.metas.iter().find(|x| x.0 == i).map(|x| x.1.clone())
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

/// See [`release`](crate::release).
impl Drop for Node {
    fn drop(&mut self) {
        let leads_on = |e: &Edge| match e {
            Edge::None => false,
            Edge::Node(..) => true,
            // A gradient that it accumulated may have a history.
            Edge::Leaf(leaf) => leaf.grad_meta().get().is_some(),
        };
        let plain = !matches!(self.kind, Kind::Custom(_)) && self.extras.get().is_none();
        if plain && self.saved.get_mut().as_ref().is_none_or(SavedTensors::is_empty) && !self.edges.iter().any(leads_on)
        {
            return;
        }
        release::later(Remains::Node {
            edges: std::mem::take(&mut self.edges),
            saved: self.saved.get_mut().take(),
            kind: std::mem::replace(&mut self.kind, Kind::Alias),
            extras: self.extras.take(),
        });
    }
}
