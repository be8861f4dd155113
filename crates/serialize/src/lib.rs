//! Checkpoints: named tensors in files. [`load`] knows a file by its content, [`save`] takes the format from the
//! extension; this is the place where formats are chosen, one module each reads and writes them.
//!
//! | files | read | written | beside named tensors |
//! | --- | --- | --- | --- |
//! | `.safetensors` | yes | yes | [`open`]: tensor by tensor; text fields |
//! | `.pt`, `.pth` of PyTorch's | yes, TorchScript too | yes | [`torch`]: nested values, optimizer states |
//! | `.npz`, `.npy` of NumPy's | yes | yes | [`npy`]: a single array |
//! | `.safetensors.index.json`, `.bin.index.json` | yes | [`save_sharded`] | [`open`] of safetensors |
//! | `.gguf` of llama.cpp's | yes, quantized ones as `float32` | no | [`open`]: tensor by tensor; fields |
//!
//! ```
//! use flambeau_tensor::{StateDict, Tensor};
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("model.safetensors");
//! let mut state = StateDict::new();
//! state.insert("fc.weight", Tensor::rand([10, 512]).build()?);
//! flambeau_serialize::save(&path, &state)?;
//!
//! let loaded = flambeau_serialize::load(&path)?;
//! assert_eq!(loaded.get("fc.weight").map(|w| w.shape().to_vec()), Some(vec![10, 512]));
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```
//!
//! A file is replaced as a whole or not at all: `save` writes beside it and renames, so a full disk or a
//! crash leaves the old checkpoint as it was; what a killed process left half written is removed by the next
//! save into that folder once it is an hour old. What `load` reads is not trusted: a file that is cut off, or
//! whose header does not fit its data, is an [`Err`] with the byte at fault, and nothing is allocated that
//! the file could not fill.

mod checkpoint;
pub mod file;
mod gguf;
mod json;
pub mod npy;
mod safetensors;
mod sharded;
mod source;
mod stored;
pub mod torch;
mod zip;

pub use checkpoint::{Checkpoint, open, open_mapped};
pub use sharded::save_sharded;

use flambeau_tensor::{Error, ErrorKind, NamedTensors, Result, StateDict, bail};
use source::Source;
use std::io::Write;
use std::path::Path;

/// What a file's text fields may hold beside the tensors, in order.
pub type Metadata = Vec<(String, String)>;

/// The formats, by extension.
#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Torch,
    Npz,
}

impl Format {
    #[track_caller]
    fn of(path: &Path) -> Result<Format> {
        const KNOWN: &str = "`.safetensors`, `.pt`, `.pth` and `.npz` are known";
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let message = match extension.as_deref() {
            Some("safetensors") => return Ok(Format::Safetensors),
            Some("pt" | "pth") => return Ok(Format::Torch),
            Some("npz") => return Ok(Format::Npz),
            Some(other) => format!("{}: no format for the extension `.{other}`; {KNOWN}", path.display()),
            None => format!("{}: the name has no extension to tell the format by; {KNOWN}", path.display()),
        };
        Err(Error::new(ErrorKind::Unsupported, "save", message))
    }
}

/// Writes `tensors` to the file `path`, in the format of its extension: `.safetensors`, `.pt` or `.pth` (which
/// PyTorch loads, with `weights_only=True` as well), `.npz`.
///
/// A tensor with several names (tied parameters) is written once, and its other names are recorded; what is loaded has all
/// of them. Other tensors that share memory are written each in full, but to PyTorch's format, where they share a storage;
/// none is changed. (NumPy's format has each name in full.) Anything that names tensors is taken: a [`StateDict`], a map, a vector of pairs.
///
/// # Errors
/// Where the extension names no known format, two tensors have one name, a dtype has no place in the
/// format (`complex128` in safetensors, `bfloat16` in NumPy's), a tensor has no data, or the file cannot be
/// written. The file then is as it was.
#[track_caller]
pub fn save(path: impl AsRef<Path>, tensors: &(impl NamedTensors + ?Sized)) -> Result<()> {
    save_with_metadata(path, tensors, &[])
}

/// [`save`] with text fields, which [`load_with_metadata`] gives back. (Some readers of PyTorch's want
/// `("format", "pt")`.)
///
/// # Errors
/// As [`save`]; and where two fields have one name, or the format is another than safetensors.
#[track_caller]
pub fn save_with_metadata(
    path: impl AsRef<Path>,
    tensors: &(impl NamedTensors + ?Sized),
    metadata: &[(&str, &str)],
) -> Result<()> {
    let path = path.as_ref();
    let format = Format::of(path)?;
    if let (Format::Torch | Format::Npz, [(name, _), ..]) = (format, metadata) {
        bail!(Unsupported, "save", "{}: only `.safetensors` keeps text fields, as {name:?}", path.display())
    }
    match format {
        Format::Safetensors => {
            let plan = safetensors::Plan::new(tensors, metadata)?;
            file::replace(path, |to| plan.write(to, path))
        }
        Format::Torch => torch::save(path, &torch::Value::of(tensors)),
        Format::Npz => {
            let plan = npy::Plan::new(tensors)?;
            file::replace(path, |to| plan.write(to, path))
        }
    }
}

/// Writes `tensors` to `writer` in the safetensors format.
///
/// # Errors
/// As [`save`]. What was written before an error stays written.
#[track_caller]
pub fn save_to(mut writer: impl Write, tensors: &(impl NamedTensors + ?Sized)) -> Result<()> {
    let plan = safetensors::Plan::new(tensors, &[])?;
    plan.write(&mut writer, Path::new("<writer>"))
}

/// The tensors of the file `path`, on the CPU, in the order of the file. What the file is, its content says:
/// safetensors; PyTorch's `.pt`, `.pth`, `.bin`, of today or from before 1.6; NumPy's `.npz`; GGUF. A file that is
/// called `….json` is the index of a checkpoint in several files, which are read all.
///
/// Of PyTorch's nested values all tensors come, each under the path that leads to it: the names of a state dict as
/// they are, those in `{"model": …}` with `model.` before them. Numbers and texts are left out;
/// [`torch::load`] gives the whole value.
///
/// Types that flambeau lacks come in the dtype that holds all of their values: unsigned integers of 16 bits as
/// `int32`, of 32 and 64 as `int64`, `F8_E8M0` and the quantized blocks of GGUF (`Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`,
/// `Q8_0`, `Q2_K` to `Q6_K`, `Q8_K`) as `float32`, the other `F8` as `float16`. Elements of less than a
/// byte (`F4`, `F6`, `I4`, `U4`) come in none, so the file as a whole is refused rather than given without them;
/// [`open`] gives its other tensors.
///
/// # Errors
/// Where the file cannot be read, is of no known format, is not what it says it is, or holds what no dtype can.
/// The message names the file and the byte at fault, or the tensor.
#[track_caller]
pub fn load(path: impl AsRef<Path>) -> Result<StateDict> {
    Ok(load_with_metadata(path)?.0)
}

/// [`load`] with the text fields of a safetensors file, or all fields of GGUF as text; other formats have none.
///
/// # Errors
/// As [`load`].
#[track_caller]
pub fn load_with_metadata(path: impl AsRef<Path>) -> Result<(StateDict, Metadata)> {
    load_by(path.as_ref(), Source::open)
}

/// [`load`], the file mapped into memory, as [`open_mapped`] does: a large checkpoint is there at once, and its
/// tensors are read from the disk as they are used. Follows `torch.load(mmap=True)`.
///
/// # Errors
/// As [`load`].
///
/// # Safety
/// Nobody changes or cuts the file as long as one of its tensors lives. ([`save`] does not: it puts a new file in
/// its place.)
pub unsafe fn load_mapped(path: impl AsRef<Path>) -> Result<StateDict> {
    // SAFETY: the caller's promise.
    Ok(load_by(path.as_ref(), |path| unsafe { Source::map(path) })?.0)
}

fn load_by(path: &Path, source: impl Fn(&Path) -> Result<Source<'static>>) -> Result<(StateDict, Metadata)> {
    let first = source(path)?;
    if sharded::is_index(&first) {
        let shard = |path: &Path| Ok(read(&source(path)?)?.0);
        return Ok((sharded::read(&first)?.load(&first, shard)?, Metadata::new()));
    }
    read(&first)
}

/// The tensors of a file that lies in memory: [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_from(bytes: &[u8]) -> Result<StateDict> {
    Ok(read(&Source::Bytes(bytes))?.0)
}

fn read(source: &Source<'_>) -> Result<(StateDict, Metadata)> {
    let mut start = [0; 32];
    let there = usize::try_from(source.len()).unwrap_or(usize::MAX).min(start.len());
    source.read(0, &mut start[..there])?;
    let start = &start[..there];
    // The length of a safetensors header may begin like a pickle, so its brace is looked at first.
    if !safetensors::is_safetensors(start) {
        if zip::is_zip(start) {
            let archive = zip::Archive::open(source)?;
            if !torch::is_torch(&archive) {
                return Ok((npy::read_archive(&archive)?, Metadata::new()));
            }
            return Ok((state_dict(source, &torch::read_archive(&archive)?)?, Metadata::new()));
        }
        if torch::is_legacy(start) {
            return Ok((state_dict(source, &torch::read(source)?)?, Metadata::new()));
        }
        if npy::is_npy(start) {
            return Err(source.unsupported("an .npy file has one array and no name for it; `npy::load` reads it"));
        }
    }
    let contents = checkpoint::contents(source)?;
    Ok((contents.load(source)?, contents.metadata))
}

/// The tensors of a nested value.
fn state_dict(source: &Source<'_>, value: &torch::Value) -> Result<StateDict> {
    use torch::Value;
    if !matches!(value, Value::Dict(_) | Value::List(_) | Value::Tuple(_)) {
        return Err(source.unsupported("the file holds a single value and no name for it; `torch::load` gives it"));
    }
    if let Some((path, _)) = value.sparse() {
        return Err(source.unsupported(format!("the tensor {path:?} is sparse; `torch::load` gives it")));
    }
    Ok(value.state_dict())
}
