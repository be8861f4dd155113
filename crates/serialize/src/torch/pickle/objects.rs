//! What a pickle calls: the [`Global`]s of the closed list, each done by the machine itself, and references to
//! storages.

use super::{Done, ITEM, Item, Lazy, MOST_DIMS, Machine, Node, Root, View};
use crate::stored::Stored;
use crate::torch::globals::{Global, Kind};
use std::rc::Rc;

impl Machine<'_> {
    fn tuple(&self, item: &Item) -> Option<&[Item]> {
        let Item::Node(place) = item else { return None };
        if let Node::Tuple(items) | Node::List(items) = &self.heap.nodes[*place] { Some(items) } else { None }
    }

    /// Makes what the global below `args` on the stack makes of them.
    pub(super) fn call(&mut self, args: Item) -> Done {
        let global = self.pop()?;
        let (Item::Global(global), Some(args)) = (global, self.tuple(&args)) else {
            return self.fault("a call of what is no function");
        };
        let args = args.to_vec();
        self.charge(ITEM * args.len())?;
        let made = self.make(global, &args)?;
        self.push(made)
    }

    fn make(&mut self, global: Global, args: &[Item]) -> Done<Item> {
        match (global, args) {
            (Global::Dict, []) | (Global::Script, _) => self.node(Node::Dict(Vec::new())),
            (Global::Dict, [items]) => self.dict_of(items),
            (Global::Set, []) => self.node(Node::Set(Vec::new())),
            (Global::Set, [items]) => match self.tuple(items).map(<[Item]>::to_vec) {
                Some(items) => {
                    self.charge(ITEM * items.len())?;
                    self.node(Node::Set(items))
                }
                None => self.fault("a set of what is no list"),
            },
            (Global::Bytes, []) => Ok(Item::Bytes(Rc::from([]))),
            (Global::Bytes, [Item::Bytes(bytes)]) => Ok(Item::Bytes(bytes.clone())),
            (Global::Bytes | Global::Encode, [Item::Str(text), Item::Str(_)]) => self.latin_1(text),
            (Global::Complex, [Item::Float(re), Item::Float(im)]) => Ok(Item::Complex(*re, *im)),
            (Global::Size | Global::ScriptList, [items, ..]) => Ok(items.clone()),
            (Global::Device, [Item::Str(kind)]) => Ok(Item::Str(kind.clone())),
            (Global::Device, [Item::Str(kind), Item::Int(index)]) => Ok(Item::Str(format!("{kind}:{index}").into())),
            (Global::RebuildTensor, [storage, offset, shape, strides, rest @ ..]) => {
                let (stored, lazy) = (self.stored(storage), self.lazy(rest.get(2)));
                self.view(storage, (stored, lazy), offset, shape, strides)
            }
            (
                Global::RebuildTensorV3,
                [storage, offset, shape, strides, _, _, Item::Global(Global::DType(stored)), rest @ ..],
            ) => self.view(storage, (Some(*stored), self.lazy(rest.first())), offset, shape, strides),
            (Global::GetLayout, [Item::Str(layout)]) => match &layout[..] {
                "torch.sparse_coo" => Ok(Item::Global(Global::SparseCoo)),
                other => self.unsupported(format!(
                    "a tensor of the layout {other}; of sparse ones those in coordinates (torch.sparse_coo) are read"
                )),
            },
            (Global::RebuildSparse, [Item::Global(Global::SparseCoo), parts]) => self.sparse(parts),
            (Global::RebuildParameter, [tensor @ Item::Tensor(_), ..]) => Ok(tensor.clone()),
            (Global::RebuildFromType, [Item::Global(of), _, args, ..])
                if matches!(of, Global::RebuildTensor | Global::RebuildTensorV3 | Global::RebuildParameter) =>
            {
                let Some(args) = self.tuple(args).map(<[Item]>::to_vec) else { return self.fault("no arguments") };
                self.make(*of, &args)
            }
            _ => self.fault(format!("{global:?} of {} arguments that do not go with it", args.len())),
        }
    }

    /// A sparse tensor of `(indices, values, size)`, since version 2.1 with `is_coalesced` behind them.
    fn sparse(&mut self, parts: &Item) -> Done<Item> {
        let Some([Item::Tensor(indices), Item::Tensor(values), shape, rest @ ..]) = self.tuple(parts) else {
            return self.fault("a sparse tensor without indices, values and a size");
        };
        let sizes = self.tuple(shape).filter(|t| t.len() <= MOST_DIMS);
        let Some(shape) = sizes.and_then(|sizes| sizes.iter().map(size).collect()) else {
            return self.fault("a sparse tensor whose sizes are no whole numbers");
        };
        let (indices, values, coalesced) = (*indices, *values, matches!(rest, [Item::Bool(true), ..]));
        self.node(Node::Sparse { indices, values, shape, coalesced })
    }

    /// The bytes that the characters of a text stand for.
    fn latin_1(&mut self, text: &str) -> Done<Item> {
        self.charge(text.len())?;
        match text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<Vec<u8>, _>>() {
            Ok(bytes) => Ok(Item::Bytes(bytes.into())),
            Err(_) => self.fault("a text that stands for bytes has a character above 255"),
        }
    }

    /// A dict of a dict, or of a list of pairs.
    fn dict_of(&mut self, items: &Item) -> Done<Item> {
        let pairs = match items {
            Item::Node(place) => match &self.heap.nodes[*place] {
                Node::Dict(pairs) => Some(pairs.clone()),
                Node::List(items) | Node::Tuple(items) => {
                    let pair = |item: &Item| match self.tuple(item)? {
                        [key, value] => Some((key.clone(), value.clone())),
                        _ => None,
                    };
                    items.iter().map(pair).collect()
                }
                Node::Set(_) | Node::Sparse { .. } => None,
            },
            _ => None,
        };
        let Some(pairs) = pairs else { return self.fault("a dict of what are no pairs") };
        self.charge(ITEM * pairs.len())?;
        self.node(Node::Dict(pairs))
    }

    /// Gives the object below the state on the stack its state: the attributes of a TorchScript module, or the parts of an array of NumPy. What
    /// dicts and tensors have beside their content (`_metadata`, hooks) is left out.
    pub(super) fn build(&mut self) -> Done {
        let state = self.pop()?;
        let (script, top) = (self.kind != Kind::Checkpoint, self.top()?.clone());
        match top {
            Item::Tensor(_) => Ok(()),
            Item::Node(place) => {
                let Node::Dict(content) = &self.heap.nodes[place] else { return self.fault("a state for a list") };
                if !script || !content.is_empty() {
                    return Ok(());
                }
                let pairs = match &state {
                    Item::Node(of) if matches!(self.heap.nodes[*of], Node::Dict(_)) => self.dict_of(&state)?,
                    _ => self.node(Node::Dict(vec![(Item::Str("state".into()), state)]))?,
                };
                // The new node is the last one: its content is the object's.
                if let (Item::Node(_), Some(made)) = (pairs, self.heap.nodes.pop()) {
                    self.heap.nodes[place] = made;
                }
                Ok(())
            }
            _ => self.fault("a state for what has none"),
        }
    }

    /// `('storage', type, key, location, numel)`, in files before 1.6 with a view `(key, offset, numel)` or none.
    pub(super) fn persistent(&mut self, id: &Item) -> Done<Item> {
        let Some([Item::Str(kind), Item::Global(Global::Storage(stored)), Item::Str(key), _, numel, rest @ ..]) =
            self.tuple(id)
        else {
            return self.fault("a reference to what is no storage");
        };
        if &kind[..] != "storage" {
            return self.fault(format!("a reference to a {kind:?}; there are storages only"));
        }
        let (stored, key, numel) = (*stored, key.clone(), size(numel));
        let part = match rest.first() {
            None | Some(Item::None) => Some(None),
            Some(view) => match self.tuple(view) {
                Some([_, offset, numel]) => size(offset).zip(size(numel)).map(Some),
                _ => None,
            },
        };
        let width = stored.map_or(1, Stored::width);
        let (Some(part), Some((numel, bytes))) = (part, numel.and_then(|n| Some((n, n.checked_mul(width)?)))) else {
            return self.fault(format!("the storage {key:?} has no size"));
        };
        let root = match self.heap.keys.get(&key) {
            Some(&root) => root,
            None => {
                self.heap.roots.push(Root { key: key.clone(), stored, bytes });
                self.heap.keys.insert(key.clone(), self.heap.roots.len() - 1);
                self.heap.roots.len() - 1
            }
        };
        if (self.heap.roots[root].stored, self.heap.roots[root].bytes) != (stored, bytes) {
            return self.fault(format!("the storage {key:?} is said to be of two types or sizes"));
        }
        let (offset, numel) = match part {
            Some((offset, part)) if offset.checked_add(part).is_some_and(|end| end <= numel) => (offset, part),
            None => (0, numel),
            Some((offset, part)) => {
                return self.fault(format!("{part} elements from {offset} on, the storage {key:?} has {numel}"));
            }
        };
        Ok(Item::Storage { root, offset, numel })
    }

    fn stored(&self, storage: &Item) -> Option<Stored> {
        if let Item::Storage { root, .. } = storage { self.heap.roots[*root].stored } else { None }
    }

    /// What the `metadata` of a tensor say.
    fn lazy(&self, metadata: Option<&Item>) -> Lazy {
        let Some(Item::Node(place)) = metadata else { return Lazy::default() };
        let Node::Dict(pairs) = &self.heap.nodes[*place] else { return Lazy::default() };
        let says = |name: &str| {
            let yes = |(key, value): &(Item, Item)| {
                matches!(key, Item::Str(key) if **key == *name) && matches!(value, Item::Bool(true))
            };
            pairs.iter().any(yes)
        };
        Lazy { conj: says("conj"), neg: says("neg") }
    }

    fn view(
        &mut self,
        storage: &Item,
        (stored, lazy): (Option<Stored>, Lazy),
        offset: &Item,
        shape: &Item,
        strides: &Item,
    ) -> Done<Item> {
        let (&Item::Storage { root, offset: begin, numel }, Some(stored)) = (storage, stored) else {
            return self.fault("a tensor without a storage of numbers");
        };
        let sizes = |item: &Item| -> Option<Vec<usize>> {
            self.tuple(item).filter(|t| t.len() <= MOST_DIMS)?.iter().map(size).collect()
        };
        let (Some(shape), Some(strides), Some(offset)) = (sizes(shape), sizes(strides), size(offset)) else {
            return self.fault("a tensor whose sizes, strides or offset are no whole numbers");
        };
        // An untyped storage counts bytes.
        let numel = if self.heap.roots[root].stored.is_none() { numel / stored.width() } else { numel };
        let empty = shape.contains(&0);
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |last, (n, stride)| last.checked_add(n.saturating_sub(1).checked_mul(*stride)?));
        let inside = shape.len() == strides.len() && (empty || last.is_some_and(|last| last < numel));
        if !inside || flambeau_tensor::shape::checked_numel(&shape).is_none() {
            let key = &self.heap.roots[root].key;
            let message = format!(
                "a tensor of sizes {shape:?}, strides {strides:?} and offset {offset} does not fit its storage {key:?} of {numel} elements"
            );
            return self.fault(message);
        }
        let offset = if empty { 0 } else { begin + offset };
        self.heap.views.push(View { root, stored, shape, strides, offset, lazy });
        Ok(Item::Tensor(self.heap.views.len() - 1))
    }
}

/// A size or an offset.
fn size(item: &Item) -> Option<usize> {
    if let Item::Int(n) = item { usize::try_from(*n).ok() } else { None }
}
