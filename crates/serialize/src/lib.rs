//! Checkpoints: named tensors in files. The file's extension says the format; this is the place where
//! formats are chosen, one module each reads and writes them.
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
mod file;
mod json;
mod safetensors;
mod source;
mod stored;

pub use checkpoint::{Checkpoint, open};

use flambeau_tensor::{Error, ErrorKind, NamedTensors, Result, StateDict};
use source::Source;
use std::io::Write;
use std::path::Path;

/// What a file's text fields may hold beside the tensors, in order.
pub type Metadata = Vec<(String, String)>;

/// The formats, by extension.
#[derive(Clone, Copy)]
enum Format {
    Safetensors,
}

impl Format {
    fn of(place: &'static str, path: &Path) -> Result<Format> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let message = match extension.as_deref() {
            Some("safetensors") => return Ok(Format::Safetensors),
            Some(other) => {
                format!("{}: no format for the extension `.{other}`; `.safetensors` is known", path.display())
            }
            None => {
                format!("{}: the name has no extension to tell the format by; `.safetensors` is known", path.display())
            }
        };
        Err(Error::new(ErrorKind::Unsupported, place, message))
    }
}

/// Writes `tensors` to the file `path`, in the format of its extension: `.safetensors`.
///
/// Tensors that share memory are written each in full; none is changed. Anything that names tensors is
/// taken: a [`StateDict`], a map, a vector of pairs.
///
/// # Errors
/// Where the extension names no known format, two tensors have one name, a dtype has no place in the
/// format (`complex128`), a tensor has no data, or the file cannot be written. The file then is as it was.
#[track_caller]
pub fn save(path: impl AsRef<Path>, tensors: &(impl NamedTensors + ?Sized)) -> Result<()> {
    save_with_metadata(path, tensors, &[])
}

/// [`save`] with text fields, which [`load_with_metadata`] gives back. (Some readers of PyTorch's want
/// `("format", "pt")`.)
///
/// # Errors
/// As [`save`]; and where two fields have one name.
#[track_caller]
pub fn save_with_metadata(
    path: impl AsRef<Path>,
    tensors: &(impl NamedTensors + ?Sized),
    metadata: &[(&str, &str)],
) -> Result<()> {
    let path = path.as_ref();
    match Format::of("save", path)? {
        Format::Safetensors => {
            let plan = safetensors::Plan::new(tensors, metadata)?;
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

/// The tensors of the file `path`, on the CPU, in the order of its header: what [`save`] or PyTorch's
/// `safetensors.torch.save_file` wrote.
///
/// Types that flambeau lacks come in the dtype that holds all of their values: `U16` as `int32`, `U32` and
/// `U64` as `int64`, `F8_E8M0` as `float32`, the other `F8` as `float16`. Elements of less than a byte (`F4`,
/// `F6`, `I4`, `U4`) come in none, so the file as a whole is refused rather than given without them; [`open`]
/// gives its other tensors.
///
/// # Errors
/// Where the extension names no known format, the file cannot be read, is not what it says it is, or holds
/// what no dtype can. The message names the file and the byte at fault, or the tensor.
#[track_caller]
pub fn load(path: impl AsRef<Path>) -> Result<StateDict> {
    Ok(load_with_metadata(path)?.0)
}

/// [`load`] with the text fields of the file.
///
/// # Errors
/// As [`load`].
#[track_caller]
pub fn load_with_metadata(path: impl AsRef<Path>) -> Result<(StateDict, Metadata)> {
    let path = path.as_ref();
    match Format::of("load", path)? {
        Format::Safetensors => {
            let checkpoint = open(path)?;
            Ok((checkpoint.load()?, checkpoint.metadata().clone()))
        }
    }
}

/// The tensors of a safetensors file that lies in memory.
///
/// # Errors
/// As [`load`].
pub fn load_from(bytes: &[u8]) -> Result<StateDict> {
    let source = Source::Bytes(bytes);
    safetensors::contents(&source)?.load(&source)
}
