//! IDX, the form of MNIST's files: a magic number that tells type and rank, the sizes, the elements;
//! all big-endian, plain or in gzip. The header is not believed: no more memory is asked for than bytes
//! have arrived.

use flambeau_tensor::{DType, Error, Result, Tensor};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The tensor in an IDX file, plain or compressed with gzip (told by its first bytes, not by its name).
/// Follows `torchvision.datasets.mnist.read_sn3_pascalvincent_tensor`.
///
/// ```
/// use flambeau_vision::datasets::read_idx;
///
/// let path = std::env::temp_dir().join("flambeau-read-idx");
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]).unwrap();
/// assert_eq!(read_idx(&path)?.to_vec::<u8>()?, [7, 8, 9]);
/// # std::fs::remove_file(path).ok();
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the file cannot be read, is no IDX, or is not as long as its header says; the error names it
/// and the byte.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    read_idx_of("values", path.as_ref())
}

/// [`read_idx`] that calls the elements of the first dimension `what` in its errors.
pub(super) fn read_idx_of(what: &str, path: &Path) -> Result<Tensor> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let about = file.metadata().map_err(|e| Error::io("read", path, e))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let zipped =
        std::io::BufRead::fill_buf(&mut reader).map_err(|e| Error::io("read", path, e))?.starts_with(&[0x1f, 0x8b]);
    let content: &mut dyn Read = if zipped { &mut MultiGzDecoder::new(reader) } else { &mut reader };
    let known = (!zipped && about.is_file()).then_some(about.len());
    Source { path, content, read: 0, known }.tensor(what)
}

/// A file's content as it arrives.
struct Source<'a> {
    path: &'a Path,
    content: &'a mut dyn Read,
    /// Bytes of the content so far.
    read: u64,
    /// How many there are, where that is known.
    known: Option<u64>,
}

/// What the header promises.
struct Header {
    dtype: DType,
    sizes: Vec<usize>,
}

impl Source<'_> {
    fn tensor(mut self, what: &str) -> Result<Tensor> {
        let Header { dtype, sizes } = self.header()?;
        let length = sizes.iter().fold(dtype.size() as u128, |n, size| n.saturating_mul(*size as u128));
        let total = length.saturating_add(u128::from(self.read));
        let promise = || {
            let each: Vec<String> = sizes[1..].iter().map(usize::to_string).collect();
            let of = if each.is_empty() { String::new() } else { format!(" of {}", each.join("×")) };
            format!("header promises {} {what}{of} ({total} bytes)", sizes[0])
        };
        let mut bytes = Vec::new();
        if let Some(known) = self.known {
            if u128::from(known) < total {
                return Err(self.fault(format!("{}, the file ends at byte {known}", promise())));
            }
            bytes.reserve_exact(usize::try_from(length).unwrap_or(0));
        }
        self.append(&mut bytes, u64::try_from(length).unwrap_or(u64::MAX), &promise)?;
        if (bytes.len() as u128) < length {
            return Err(self.fault(format!("{}, the file ends at byte {}", promise(), self.read)));
        }
        // One byte more: there must be none, and the decoder must have come to its check sum.
        if self.append(&mut Vec::new(), 1, &promise)? > 0 {
            return Err(self.fault(format!("{}, the file goes on after that", promise())));
        }
        if cfg!(target_endian = "little") && dtype.size() > 1 {
            bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
        Tensor::from_bytes(dtype, &sizes, &bytes)
    }

    fn header(&mut self) -> Result<Header> {
        let magic = self.words(1)?[0];
        let [zero, nil, kind, rank] = magic.to_be_bytes();
        let dtype = match kind {
            0x08 => Some(DType::U8),
            0x09 => Some(DType::I8),
            0x0b => Some(DType::I16),
            0x0c => Some(DType::I32),
            0x0d => Some(DType::F32),
            0x0e => Some(DType::F64),
            _ => None,
        };
        let Some(dtype) = dtype.filter(|_| zero == 0 && nil == 0) else {
            return Err(self.fault(format!("magic number {magic:08x} at byte 0 is not that of an IDX file")));
        };
        if !(1..=8).contains(&rank) {
            return Err(
                self.fault(format!("magic number {magic:08x} at byte 0 promises {rank} dimensions; 1 to 8 can be"))
            );
        }
        let sizes = self.words(usize::from(rank))?.iter().map(|size| *size as usize).collect();
        Ok(Header { dtype, sizes })
    }

    /// `n` big-endian numbers of the header.
    fn words(&mut self, n: usize) -> Result<Vec<u32>> {
        let mut bytes = Vec::with_capacity(4 * n);
        self.append(&mut bytes, 4 * n as u64, &|| "the header is cut".into())?;
        if bytes.len() < 4 * n {
            return Err(self.fault(format!("the file ends at byte {}, inside the header", self.read)));
        }
        Ok(bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// Up to `most` bytes more at the end of `bytes`, which grows as they arrive.
    fn append(&mut self, bytes: &mut Vec<u8>, most: u64, promise: &dyn Fn() -> String) -> Result<u64> {
        let before = bytes.len();
        let done = (&mut *self.content).take(most).read_to_end(bytes);
        let arrived = (bytes.len() - before) as u64;
        self.read += arrived;
        match done {
            Ok(_) => Ok(arrived),
            Err(e) if self.known.is_some() => Err(Error::io("read", self.path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.fault(format!("{}, the compressed file ends at byte {} of them", promise(), self.read)))
            }
            Err(e) => Err(self.fault(format!("gzip: {e}, at byte {} of the content", self.read))),
        }
    }

    fn fault(&self, message: String) -> Error {
        Error::format(self.path, message)
    }
}
