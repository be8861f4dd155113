//! PyTorch's own files, `.pt` and `.pth`: what `torch.save` writes, in the form of today (a zip archive) and in
//! that before version 1.6, and the tensors of TorchScript archives.
//!
//! Such a file is a pickle, a program in a small language, beside the bytes of storages. [`load`] keeps to what
//! `torch.load(weights_only=True)` does: names come from a closed list, any other is an error that names it,
//! and nothing is ever executed.
//!
//! ```
//! use flambeau_serialize::torch::{self, Value};
//! use flambeau_tensor::Tensor;
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("checkpoint.pt");
//! let weight = Tensor::ones([2, 3]).build()?;
//! torch::save(&path, &Value::dict([("epoch", Value::from(3)), ("weight", weight.into())]))?;
//!
//! let checkpoint = torch::load(&path)?;
//! assert_eq!(checkpoint.get("epoch").and_then(Value::as_i64), Some(3));
//! assert_eq!(checkpoint.state_dict().keys().collect::<Vec<_>>(), ["weight"]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod globals;
mod legacy;
mod pickle;
mod sparse;
mod value;
mod write;

pub use sparse::Sparse;
pub use value::Value;

use crate::file;
use crate::source::{self, Source};
use crate::stored::Stored;
use crate::zip::{self, Archive};
use flambeau_tensor::{Complex, DType, Error, Result, Tensor};
use globals::Kind;
use pickle::{Fault, Heap, Item, Lazy, Node, Root, View, What};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

pub(crate) use legacy::is_legacy;

/// Deeper than values are nested in any genuine file: Python itself writes about half of it.
const DEEPEST: usize = 500;

/// The value in the file `path`, on the CPU. Follows `torch.load(path, map_location="cpu", weights_only=True)`.
///
/// Tensors that share a storage in the file share memory; parameters come as tensors that do not require grad.
/// Types that flambeau lacks are widened as by [`load`](crate::load). Of a TorchScript archive the module comes
/// as nested dicts of its attributes.
///
/// # Errors
/// Where the file cannot be read or is not what it says it is, names something that is not on the closed list
/// (classes of one's own, functions), or holds quantized tensors, or sparse ones in other forms
/// than coordinates. The message names the file, and the
/// entry and the byte at fault.
pub fn load(path: impl AsRef<Path>) -> Result<Value> {
    read(&Source::open(path.as_ref())?)
}

/// [`load`], the file mapped into memory: see [`load_mapped`](crate::load_mapped). Follows
/// `torch.load(mmap=True)`.
///
/// # Errors
/// As [`load`].
///
/// # Safety
/// Nobody changes or cuts the file as long as one of its tensors lives.
pub unsafe fn load_mapped(path: impl AsRef<Path>) -> Result<Value> {
    // SAFETY: the caller's promise.
    read(&unsafe { Source::map(path.as_ref()) }?)
}

/// The value in a plain pickle, as Python's `pickle.dump` writes: numbers, texts, lists and dicts, and arrays of NumPy, each as
/// the dict of its `"state"`: a tuple of 1, the shape, the type, whether columns run first, and the bytes. Names come from a
/// closed list, any other is an error that names it, and nothing is ever executed.
///
/// # Errors
/// Where the file cannot be read, is no pickle, or names something that is not on the closed list.
pub fn load_pickle(path: impl AsRef<Path>) -> Result<Value> {
    let source = Source::open(path.as_ref())?;
    let bytes = source.bytes(0, source.len() as usize)?;
    let pickled = pickle::run(&bytes, Kind::Numpy).map_err(|fault| told(&source, fault, "", 0))?;
    let place = |root: &Root| Err(source.fault(format!("it points to the storage {:?}, but has none", root.key)));
    unfold(&source, &pickled.value, &pickled.heap, pickled.len, false, &place)
}

/// Writes `value` to the file `path`, which `torch.load(path, weights_only=True)` reads. Tensors that share
/// memory share a storage there. Follows `torch.save`.
///
/// # Errors
/// Where a tensor has no data, or the file cannot be written. The file then is as it was.
#[track_caller]
pub fn save(path: impl AsRef<Path>, value: &Value) -> Result<()> {
    let path = path.as_ref();
    let plan = write::Plan::new(value)?;
    file::replace(path, |to| plan.write(to, path))
}

/// The value in a file of PyTorch's.
pub(crate) fn read(source: &Source<'_>) -> Result<Value> {
    let mut start = [0; 4];
    source.read(0, &mut start)?;
    if zip::is_zip(&start) { read_archive(&Archive::open(source)?) } else { legacy::read(source) }
}

/// True for an archive of PyTorch's.
pub(crate) fn is_torch(archive: &Archive<'_, '_>) -> bool {
    folder(archive).is_some()
}

/// The folder in which an archive has everything, with its slash.
fn folder<'a>(archive: &'a Archive<'_, '_>) -> Option<&'a str> {
    let prefixes = archive.entries.iter().filter_map(|e| e.name.strip_suffix("data.pkl"));
    prefixes.filter(|p| p.is_empty() || p.ends_with('/')).min_by_key(|p| p.len())
}

/// The value in an archive of PyTorch's.
pub(crate) fn read_archive(archive: &Archive<'_, '_>) -> Result<Value> {
    let source = archive.source;
    let Some(folder) = folder(archive) else {
        return Err(source.fault("the archive has no entry data.pkl: it is none of PyTorch's"));
    };
    let find = |name: &str| archive.find(&format!("{folder}{name}"));
    let big = match find("byteorder").map(|e| archive.bytes(e)).transpose()? {
        Some(order) => order == b"big",
        None => false,
    };
    let kind = if find("constants.pkl").is_some() { Kind::Script } else { Kind::Checkpoint };
    let name = format!("{folder}data.pkl");
    // `folder` was found by this entry.
    let program = archive.find(&name).map(|e| archive.bytes(e)).transpose()?.unwrap_or_default();
    let pickled = pickle::run(&program, kind).map_err(|f| told(source, f, &name, 0))?;
    let place = |root: &Root| {
        let name = format!("{folder}data/{}", root.key);
        let Some(entry) = archive.find(&name) else {
            return Err(source.fault(format!("the archive has no entry {name:?}, which its tensors need")));
        };
        if entry.size != root.bytes as u64 {
            let message = format!("the entry {name:?} has {} bytes, its tensors need {}", entry.size, root.bytes);
            return Err(source.fault(message));
        }
        Ok(match archive.stored_at(entry)? {
            Some(at) => Place::At(at),
            None => Place::Bytes(archive.bytes(entry)?),
        })
    };
    unfold(source, &pickled.value, &pickled.heap, program.len(), big, &place)
}

/// The error that a fault of the pickle is, which lies at byte `base` of `entry`.
fn told(source: &Source<'_>, fault: Fault, entry: &str, base: u64) -> Error {
    let (at, of) = (base + fault.at as u64, if entry.is_empty() { String::new() } else { format!(" of {entry}") });
    match fault.what {
        What::Cut => source.fault(format!("the pickle ends within the instruction at byte {at}{of}")),
        What::Format(message) => source.fault(format!("{message} (byte {at}{of})")),
        What::Unsupported(message) => source.unsupported(format!("{message} (byte {at}{of})")),
    }
}

/// Where the bytes of a storage are.
enum Place {
    At(u64),
    Bytes(Vec<u8>),
}

/// From what a pickle made to the value it stands for.
struct Unfolding<'a> {
    source: &'a Source<'a>,
    heap: &'a Heap,
    big: bool,
    place: &'a dyn Fn(&Root) -> Result<Place>,
    /// How many views each storage has under each type.
    shared: HashMap<(usize, Stored), usize>,
    /// The storages that several share, as tensors of one dimension.
    storages: HashMap<(usize, Stored, Lazy), Tensor>,
    tensors: HashMap<usize, Tensor>,
    budget: usize,
}

fn unfold(
    source: &Source<'_>,
    value: &Item,
    heap: &Heap,
    len: usize,
    big: bool,
    place: &dyn Fn(&Root) -> Result<Place>,
) -> Result<Value> {
    let mut shared = HashMap::new();
    heap.views.iter().for_each(|view| *shared.entry((view.root, view.stored)).or_insert(0) += 1);
    let (storages, tensors, budget) = (HashMap::new(), HashMap::new(), pickle::budget(len));
    Unfolding { source, heap, big, place, shared, storages, tensors, budget }.value(value, 0)
}

impl Unfolding<'_> {
    fn value(&mut self, item: &Item, depth: usize) -> Result<Value> {
        let heap = self.heap;
        self.charge(match item {
            Item::Str(text) => text.len() + pickle::ITEM,
            Item::Bytes(bytes) => bytes.len() + pickle::ITEM,
            _ => pickle::ITEM,
        })?;
        Ok(match item {
            Item::None => Value::None,
            Item::Bool(b) => Value::Bool(*b),
            Item::Int(n) => Value::Int(*n),
            Item::Float(x) => Value::Float(*x),
            Item::Complex(re, im) => Value::Complex(Complex::new(*re, *im)),
            Item::Str(text) => Value::Str(text.to_string()),
            Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Item::Global(globals::Global::DType(Stored::Is(dtype))) => Value::DType(*dtype),
            Item::Global(global) => {
                return Err(self
                    .source
                    .unsupported(format!("{global:?} stands as a value, which flambeau has none for")));
            }
            Item::Tensor(place) => Value::Tensor(self.tensor(*place)?),
            Item::Storage { root, offset, numel } => Value::Tensor(self.part(*root, *offset, *numel)?),
            Item::Node(_) if depth >= DEEPEST => {
                let message = format!("the values are nested more than {DEEPEST} deep, or hold each other");
                return Err(self.source.fault(message));
            }
            Item::Node(place) => match &heap.nodes[*place] {
                Node::List(items) => Value::List(self.values(items, depth)?),
                Node::Tuple(items) => Value::Tuple(self.values(items, depth)?),
                Node::Set(items) => Value::Set(self.values(items, depth)?),
                Node::Dict(pairs) => Value::Dict(self.dict(pairs, depth)?),
                Node::Sparse { indices, values, shape, coalesced } => {
                    let (indices, values) = (self.tensor(*indices)?, self.tensor(*values)?);
                    let sparse = Sparse::read(indices, values, shape, *coalesced);
                    Value::Sparse(sparse.map_err(|e| self.source.fault(format!("a sparse tensor: {}", e.message())))?)
                }
            },
        })
    }

    fn values(&mut self, items: &[Item], depth: usize) -> Result<Vec<Value>> {
        items.iter().map(|item| self.value(item, depth + 1)).collect()
    }

    /// The entries of a dict: a key that comes again has its last value in its first place.
    fn dict(&mut self, pairs: &[(Item, Item)], depth: usize) -> Result<Vec<(Value, Value)>> {
        #[derive(PartialEq, Eq, Hash)]
        enum Key {
            Str(Rc<str>),
            Int(i128),
        }
        let (mut entries, mut places) = (Vec::new(), HashMap::new());
        for (key, value) in pairs {
            let value = self.value(value, depth + 1)?;
            let known = match key {
                Item::Str(text) => Some(Key::Str(text.clone())),
                Item::Int(n) => Some(Key::Int(*n)),
                _ => None,
            };
            if let Some(known) = known {
                if let Some(&place) = places.get(&known) {
                    let entry: &mut (Value, Value) = &mut entries[place];
                    entry.1 = value;
                    continue;
                }
                places.insert(known, entries.len());
            }
            entries.push((self.value(key, depth + 1)?, value));
        }
        Ok(entries)
    }

    /// Counts against what a file of this length may unfold to: a list of lists of the same lists has no end.
    fn charge(&mut self, n: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(n).ok_or_else(|| {
            self.source.fault("the values unfold to far more than the file has: they hold the same ones many times")
        })?;
        Ok(())
    }

    fn tensor(&mut self, place: usize) -> Result<Tensor> {
        if let Some(tensor) = self.tensors.get(&place) {
            return Ok(tensor.clone());
        }
        let heap = self.heap;
        let View { root, stored, shape, strides, offset, lazy } = &heap.views[place];
        let alone = self.shared.get(&(*root, *stored)) == Some(&1);
        let whole = *offset == 0 && stored.bytes(shape) == Some(heap.roots[*root].bytes) && is_in_rows(shape, strides);
        let tensor = if shape.contains(&0) || (alone && whole && *lazy == Lazy::default()) {
            self.read(*root, *stored, shape)?
        } else {
            self.storage(*root, *stored, *lazy)?.as_strided(&shape[..], &strides[..], *offset)?
        };
        self.tensors.insert(place, tensor.clone());
        Ok(tensor)
    }

    /// A storage by itself.
    fn part(&mut self, root: usize, offset: usize, numel: usize) -> Result<Tensor> {
        let stored = self.heap.roots[root].stored.unwrap_or(Stored::Is(DType::U8));
        self.storage(root, stored, Lazy::default())?.as_strided(numel, 1, offset)
    }

    /// All numbers of a storage; those of which something is left to do are others, so they lie apart.
    fn storage(&mut self, root: usize, stored: Stored, lazy: Lazy) -> Result<Tensor> {
        if let Some(storage) = self.storages.get(&(root, stored, lazy)) {
            return Ok(storage.clone());
        }
        let storage = if lazy == Lazy::default() {
            self.read(root, stored, &[self.heap.roots[root].bytes / stored.width()])?
        } else {
            let plain = self.storage(root, stored, Lazy::default())?;
            let conj = if lazy.conj { plain.conj() } else { Ok(plain) };
            let done = conj.and_then(|x| if lazy.neg { x.neg() } else { Ok(x) });
            done.map_err(|e| self.source.fault(format!("the metadata of a tensor: {}", e.message())))?
        };
        self.storages.insert((root, stored, lazy), storage.clone());
        Ok(storage)
    }

    fn read(&self, root: usize, stored: Stored, shape: &[usize]) -> Result<Tensor> {
        let root = &self.heap.roots[root];
        let name = format!("storage {}", root.key);
        if shape.contains(&0) {
            return stored.read(&Source::Bytes(&[]), shape, 0, &name);
        }
        let place = (self.place)(root)?;
        match place {
            Place::At(at) if !self.big => stored.read(self.source, shape, at, &name),
            place => {
                let mut bytes = match place {
                    Place::At(at) => self.source.bytes(at, root.bytes)?,
                    Place::Bytes(bytes) => bytes,
                };
                if self.big {
                    if let Stored::Is(dtype) = stored {
                        source::swap(dtype, &mut bytes);
                    }
                }
                stored.read(&Source::Bytes(&bytes), shape, 0, &name)
            }
        }
    }
}

/// True where the elements lie one after another.
fn is_in_rows(shape: &[usize], strides: &[usize]) -> bool {
    let mut next = 1;
    shape.iter().zip(strides).rev().all(|(n, stride)| {
        let fits = *n == 1 || *stride == next;
        next *= n;
        fits
    })
}
