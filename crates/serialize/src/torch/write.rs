//! Writing the archive: the pickle of the value, in the words that `torch.save` uses, and the storages.

use super::globals::storage_name;
use super::{Sparse, Value};
use crate::source::swap;
use crate::zip;
use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// PyTorch lays storages at multiples of this.
const ALIGN: u64 = 64;

/// A file about to be written: everything that can be refused has been looked at.
pub(super) struct Plan {
    program: Vec<u8>,
    /// One tensor for each storage, of which all of it is written.
    storages: Vec<Tensor>,
}

impl Plan {
    #[track_caller]
    pub(super) fn new(value: &Value) -> Result<Plan> {
        let mut pickler = Pickler::default();
        pickler.count(value, 0)?;
        pickler.out.extend(b"\x80\x02");
        pickler.value(value)?;
        pickler.out.push(b'.');
        Ok(Plan { program: pickler.out, storages: pickler.storages })
    }

    pub(super) fn write(&self, to: &mut dyn Write, path: &Path) -> Result<()> {
        let io = |e| Error::io("write", path, e);
        // PyTorch calls the folder after the file.
        let folder = path.file_stem().map_or("archive".into(), |s| s.to_string_lossy());
        let folder: String = folder.chars().take(64).collect();
        let mut archive = zip::Writer::new(to);
        archive.entry(&format!("{folder}/data.pkl"), &self.program, ALIGN).map_err(io)?;
        archive.entry(&format!("{folder}/byteorder"), b"little", ALIGN).map_err(io)?;
        for (key, storage) in self.storages.iter().enumerate() {
            let mut bytes = storage.to_bytes()?;
            if cfg!(target_endian = "big") {
                swap(storage.dtype(), &mut bytes);
            }
            archive.entry(&format!("{folder}/data/{key}"), &bytes, ALIGN).map_err(io)?;
        }
        archive.entry(&format!("{folder}/version"), b"3\n", ALIGN).map_err(io)?;
        archive.finish().map_err(io)
    }
}

#[derive(Default)]
struct Pickler {
    out: Vec<u8>,
    /// How many tensors see each storage under a dtype.
    shared: HashMap<(usize, DType), usize>,
    keys: HashMap<(usize, DType), usize>,
    storages: Vec<Tensor>,
}

impl Pickler {
    /// Looks at every tensor before a byte is written.
    #[track_caller]
    fn count(&mut self, value: &Value, depth: usize) -> Result<()> {
        ensure!(depth <= super::DEEPEST, Argument, "save", "the value is nested more than {} deep", super::DEEPEST);
        match value {
            Value::Tensor(t) => {
                ensure!(t.device().has_data(), Device, "save", "a tensor on {} keeps no data", t.device());
                *self.shared.entry((t.storage().id(), t.dtype())).or_insert(0) += 1;
                Ok(())
            }
            Value::Sparse(sparse) => [sparse.indices(), sparse.values()]
                .into_iter()
                .try_for_each(|t| self.count(&Value::Tensor(t.clone()), depth + 1)),
            Value::Dict(entries) => entries.iter().try_for_each(|(k, v)| {
                ensure!(
                    !matches!(k, Value::List(_) | Value::Dict(_) | Value::Set(_)),
                    Argument,
                    "save",
                    "a list, dict or set cannot be the key of a dict"
                );
                self.count(k, depth + 1)?;
                self.count(v, depth + 1)
            }),
            _ => value.items().iter().try_for_each(|item| self.count(item, depth + 1)),
        }
    }

    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(b) => self.out.push(if *b { b'\x88' } else { b'\x89' }),
            Value::Int(n) => self.int(*n),
            Value::Float(x) => self.float(*x),
            Value::Complex(x) => {
                self.global("builtins", "complex");
                self.float(x.re);
                self.float(x.im);
                self.out.extend(b"\x86R");
            }
            Value::Str(text) => self.text(text)?,
            Value::Bytes(bytes) => {
                // As the protocol without bytes says them.
                self.global("_codecs", "encode");
                self.text(&bytes.iter().map(|b| char::from(*b)).collect::<String>())?;
                self.text("latin1")?;
                self.out.extend(b"\x86R");
            }
            Value::List(items) => self.list(items)?,
            Value::Tuple(items) => {
                self.out.push(b'(');
                items.iter().try_for_each(|item| self.value(item))?;
                self.out.push(b't');
            }
            Value::Set(items) => {
                self.global("builtins", "set");
                self.list(items)?;
                self.out.extend(b"\x85R");
            }
            Value::Dict(entries) => {
                self.out.extend(b"}(");
                for (key, value) in entries {
                    self.value(key)?;
                    self.value(value)?;
                }
                self.out.push(b'u');
            }
            Value::DType(dtype) => self.global("torch", dtype.name()),
            Value::Tensor(tensor) => self.tensor(tensor)?,
            Value::Sparse(sparse) => self.sparse(sparse)?,
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value]) -> Result<()> {
        self.out.extend(b"](");
        items.iter().try_for_each(|item| self.value(item))?;
        self.out.push(b'e');
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) {
        self.out.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn int(&mut self, n: i128) {
        if let Ok(n) = i32::try_from(n) {
            self.out.push(b'J');
            self.out.extend(n.to_le_bytes());
        } else {
            self.out.extend(b"\x8a\x10");
            self.out.extend(n.to_le_bytes());
        }
    }

    fn float(&mut self, x: f64) {
        self.out.push(b'G');
        self.out.extend(x.to_be_bytes());
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let Ok(len) = u32::try_from(text.len()) else {
            bail!(Argument, "save", "a text of {} bytes; a pickle has up to 4 GiB", text.len())
        };
        self.out.push(b'X');
        self.out.extend(len.to_le_bytes());
        self.out.extend(text.as_bytes());
        Ok(())
    }

    fn ints(&mut self, numbers: &[usize]) {
        self.out.push(b'(');
        numbers.iter().for_each(|n| self.int(*n as i128));
        self.out.push(b't');
    }

    fn sparse(&mut self, sparse: &Sparse) -> Result<()> {
        self.global("torch._utils", "_rebuild_sparse_tensor");
        self.global("torch.serialization", "_get_layout");
        self.text("torch.sparse_coo")?;
        self.out.extend(b"\x85R(");
        self.tensor(sparse.indices())?;
        self.tensor(sparse.values())?;
        self.global("torch", "Size");
        self.ints(sparse.shape());
        self.out.extend(b"\x85R");
        self.out.push(if sparse.is_coalesced() { b'\x88' } else { b'\x89' });
        self.out.extend(b"t\x86R");
        Ok(())
    }

    fn tensor(&mut self, tensor: &Tensor) -> Result<()> {
        let tensor = &tensor.detach();
        let id = (tensor.storage().id(), tensor.dtype());
        let shared = self.shared.get(&id).is_some_and(|n| *n > 1);
        // A view that has its storage to itself is written alone.
        let whole = match self.keys.get(&id) {
            Some(key) => self.storages[*key].clone(),
            None if shared => tensor.as_strided(tensor.storage().bytes() / tensor.dtype().size(), 1, 0)?,
            None => tensor.contiguous()?,
        };
        let view = if shared { tensor } else { &whole };
        let key = *self.keys.entry(id).or_insert_with(|| {
            self.storages.push(whole.clone());
            self.storages.len() - 1
        });
        let (shape, strides) = (view.shape().to_vec(), view.strides().to_vec());
        let (offset, numel) = (if shared { view.storage_offset() } else { 0 }, whole.numel());
        // What has no class of storages is bytes, and says its dtype at the end.
        let (dtype, class) = (tensor.dtype(), storage_name(tensor.dtype()));
        let rebuild = if class.is_empty() { "_rebuild_tensor_v3" } else { "_rebuild_tensor_v2" };
        self.global("torch._utils", rebuild);
        self.out.extend(b"((");
        self.text("storage")?;
        match class {
            "" => self.global("torch.storage", "UntypedStorage"),
            class => self.global("torch", &format!("{class}Storage")),
        }
        self.text(&key.to_string())?;
        self.text("cpu")?;
        self.int((if class.is_empty() { numel * dtype.size() } else { numel }) as i128);
        self.out.extend(b"tQ");
        self.int(offset as i128);
        self.ints(&shape);
        self.ints(&strides);
        self.out.push(b'\x89');
        self.global("collections", "OrderedDict");
        self.out.extend(b")R");
        if class.is_empty() {
            self.global("torch", dtype.name());
        }
        self.out.extend(b"tR");
        Ok(())
    }
}
