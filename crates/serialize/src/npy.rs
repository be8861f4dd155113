//! NumPy's files: `.npy`, one array, and `.npz`, a zip archive of such. Follows NEP 1 and `numpy.load` with
//! `allow_pickle=False`.
//!
//! [`load`] and [`save`] are for a single array; an `.npz` names its arrays, so [`crate::load`] and
//! [`crate::save`] take it.
//!
//! ```
//! use flambeau_serialize::npy;
//! use flambeau_tensor::Tensor;
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("x.npy");
//! npy::save(&path, &Tensor::from_slice(&[1.5f32, 2.5], [1, 2])?)?;
//! assert_eq!(npy::load(&path)?.to_vec::<f32>()?, [1.5, 2.5]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::file;
use crate::source::{Source, swap};
use crate::stored::Stored;
use crate::zip::{self, Archive};
use flambeau_tensor::{DType, Error, NamedTensors, Result, StateDict, Tensor, bail, ensure};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// No array of NumPy's has more dimensions.
const MOST_DIMS: usize = 64;
/// Headers are short; only those of structured arrays, which are not read, are longer.
const LONGEST: u64 = 1 << 16;

/// The array in the `.npy` file `path`, on the CPU. An array in Fortran order comes with the strides that it has
/// in NumPy. `uint16` comes as `int32`, `uint32` and `uint64` as `int64`. Follows `numpy.load`.
///
/// # Errors
/// Where the file cannot be read, is not what it says it is, or holds what is no tensor (objects, text, dates,
/// structures). The message names the file and the byte at fault.
pub fn load(path: impl AsRef<Path>) -> Result<Tensor> {
    read(&Source::open(path.as_ref())?)
}

/// Writes `tensor` to the `.npy` file `path`. Follows `numpy.save`.
///
/// # Errors
/// Where NumPy has no such dtype (`bfloat16`), the tensor has no data, or the file cannot be written. The file
/// then is as it was.
#[track_caller]
pub fn save(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let (path, tensor) = (path.as_ref(), tensor.detach());
    check(&tensor, "the tensor")?;
    let head = header(&tensor);
    file::replace(path, |to| {
        let mut put = |bytes: &[u8]| to.write_all(bytes).map_err(|e| Error::io("write", path, e));
        put(&head)?;
        put(&elements(&tensor)?)
    })
}

/// True for the start of an `.npy`.
pub(crate) fn is_npy(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// The arrays of an `.npz`.
pub(crate) fn read_archive(archive: &Archive<'_, '_>) -> Result<StateDict> {
    let mut state = StateDict::new();
    for entry in &archive.entries {
        // Other entries are no arrays: NumPy gives their bytes.
        let Some(name) = entry.name.strip_suffix(".npy") else { continue };
        let bytes = archive.checked_bytes(entry)?;
        let tensor = read(&Source::Bytes(&bytes)).map_err(|e| {
            let place = format!("{} in {}", entry.name, archive.source.path().display());
            Error::new(e.kind(), format!("read {place}"), e.message())
        })?;
        state.insert(name, tensor);
    }
    Ok(state)
}

/// An `.npz` about to be written.
pub(crate) struct Plan(Vec<(String, Tensor)>);

impl Plan {
    #[track_caller]
    pub(crate) fn new(named: &(impl NamedTensors + ?Sized)) -> Result<Plan> {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        named.each_named(&mut |name, tensor| tensors.push((name.to_string(), tensor.detach())));
        let mut names = HashSet::new();
        for (name, tensor) in &tensors {
            ensure!(names.insert(name.as_str()), Argument, "save", "two tensors are called {name:?}");
            ensure!(name.len() < 60_000, Argument, "save", "a name of {} bytes; a zip has up to 65535", name.len());
            check(tensor, name)?;
        }
        Ok(Plan(tensors))
    }

    pub(crate) fn write(&self, to: &mut dyn Write, path: &Path) -> Result<()> {
        let io = |e| Error::io("write", path, e);
        let mut archive = zip::Writer::new(to);
        for (name, tensor) in &self.0 {
            let bytes = [header(tensor), elements(tensor)?].concat();
            archive.entry(&format!("{name}.npy"), &bytes, 1).map_err(io)?;
        }
        archive.finish().map_err(io)
    }
}

#[track_caller]
fn check(tensor: &Tensor, name: &str) -> Result<()> {
    ensure!(tensor.device().has_data(), Device, "save", "{name} is on {}, which keeps no data", tensor.device());
    if code(tensor.dtype()).is_none() {
        bail!(Unsupported, "save", "{name} is {}, which NumPy has not; float32 holds its values", tensor.dtype())
    }
    Ok(())
}

/// NumPy's code of a dtype, without the byte order.
fn code(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "b1",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::F16 => "f2",
        DType::BF16 => return None,
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::Complex64 => "c8",
        DType::Complex128 => "c16",
    })
}

/// The header, which fills up to a multiple of 64 bytes.
fn header(tensor: &Tensor) -> Vec<u8> {
    let order = if tensor.dtype().size() == 1 { '|' } else { '<' };
    let shape: String = tensor.shape().iter().map(|n| format!("{n}, ")).collect();
    // A tuple of one is `(3,)`, of several `(3, 4)`.
    let shape = if tensor.rank() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let code = code(tensor.dtype()).unwrap_or_default();
    let mut text = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({shape}), }}");
    let end = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    text.push_str(&" ".repeat(end - (MAGIC.len() + 4 + text.len() + 1)));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn elements(tensor: &Tensor) -> Result<Vec<u8>> {
    let mut bytes = tensor.to_bytes()?;
    if cfg!(target_endian = "big") {
        swap(tensor.dtype(), &mut bytes);
    }
    Ok(bytes)
}

/// What a header says.
#[derive(Debug, PartialEq)]
struct Array {
    stored: Stored,
    big: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// The array of an `.npy`.
pub(crate) fn read(source: &Source<'_>) -> Result<Tensor> {
    let mut start = [0; 8];
    source.read(0, &mut start)?;
    if !is_npy(&start) {
        return Err(source.fault("not an .npy file: it does not begin with \"\\x93NUMPY\""));
    }
    let width = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(source.unsupported(format!("version {version} of the format; 1 to 3 are read"))),
    };
    let mut length = [0; 4];
    source.read(8, &mut length[..width])?;
    let (at, length) = (8 + width as u64, u64::from(u32::from_le_bytes(length)));
    if length > LONGEST {
        return Err(source.fault(format!("a header of {length} bytes (at byte 8); {LONGEST} are the most")));
    }
    let text = source.bytes(at, length as usize)?;
    let text = String::from_utf8_lossy(&text);
    let array = Literal { rest: &text }.array().map_err(|fault| match fault {
        Fault::At(left, message) => {
            let byte = at + (text.len() - left) as u64;
            source.fault(format!("{message} (byte {byte})"))
        }
        Fault::Unsupported(message) => source.unsupported(message),
    })?;
    array.read(source, at + length)
}

impl Array {
    fn read(mut self, source: &Source<'_>, at: u64) -> Result<Tensor> {
        let Some(len) = self.stored.bytes(&self.shape) else {
            return Err(source.fault(format!("an array of shape {:?} has more bytes than can be counted", self.shape)));
        };
        source.check(at, len as u64)?;
        let rank = self.shape.len();
        if self.fortran {
            // Its rows are columns: the array turned round lies in rows.
            self.shape.reverse();
        }
        let tensor = if self.big {
            let mut bytes = source.bytes(at, len)?;
            match self.stored {
                Stored::Is(dtype) => swap(dtype, &mut bytes),
                other => bytes.chunks_exact_mut(other.width()).for_each(<[u8]>::reverse),
            }
            self.stored.read(&Source::Bytes(&bytes), &self.shape, 0, "the array")
        } else {
            self.stored.read(source, &self.shape, at, "the array")
        }?;
        if self.fortran && rank > 1 { tensor.permute((0..rank as isize).rev().collect::<Vec<_>>()) } else { Ok(tensor) }
    }
}

enum Fault {
    /// So many bytes before the end of the header.
    At(usize, String),
    Unsupported(String),
}

/// The header's text, a dict as Python writes it.
struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::At(self.rest.len(), message.into()))
    }

    /// Goes over `word` if it is the next.
    fn take(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), Fault> {
        if self.take(word) { Ok(()) } else { self.fault(format!("the header has no `{word}` where one belongs")) }
    }

    fn array(&mut self) -> Result<Array, Fault> {
        let (mut kind, mut fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key.as_str() {
                "descr" => kind = Some(self.kind()?),
                "fortran_order" if self.take("True") => fortran = Some(true),
                "fortran_order" if self.take("False") => fortran = Some(false),
                "shape" => shape = Some(self.shape()?),
                _ => return self.fault(format!("the header's {key:?} is not understood")),
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        let (Some((stored, big)), Some(fortran), Some(shape)) = (kind, fortran, shape) else {
            return self.fault("the header needs 'descr', 'fortran_order' and 'shape'");
        };
        Ok(Array { stored, big, fortran, shape })
    }

    fn string(&mut self) -> Result<String, Fault> {
        let quote = if self.take("'") { '\'' } else { '"' };
        if quote == '"' && !self.take("\"") {
            return self.fault("the header has no text where one belongs");
        }
        let Some((text, rest)) = self.rest.split_once(quote) else { return self.fault("a text has no end") };
        let text = text.to_string();
        self.rest = rest;
        Ok(text)
    }

    /// The type of the elements, and whether high bytes come first.
    fn kind(&mut self) -> Result<(Stored, bool), Fault> {
        if self.take("[") {
            return Err(Fault::Unsupported("an array of structures is no tensor".into()));
        }
        let text = self.string()?;
        let (big, name) = match text.split_at_checked(1) {
            Some((">", name)) => (true, name),
            Some(("<" | "|", name)) => (false, name),
            Some(("=", name)) => (cfg!(target_endian = "big"), name),
            _ => (false, &text[..]),
        };
        match DType::ALL.into_iter().find(|d| code(*d) == Some(name)) {
            Some(dtype) => Ok((Stored::Is(dtype), big)),
            None if name.starts_with('O') => {
                Err(Fault::Unsupported(format!("elements {text:?} are pickled objects, which are not read")))
            }
            None => Err(Fault::Unsupported(format!("elements {text:?} have no dtype here"))),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, Fault> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let Ok(n) = self.rest[..digits].parse() else { return self.fault("a size that is no whole number") };
            if shape.len() == MOST_DIMS {
                return self.fault(format!("more than {MOST_DIMS} dimensions"));
            }
            shape.push(n);
            // Python 2 wrote long ones as `3L`.
            self.rest = self.rest[digits..].trim_start_matches('L');
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}
