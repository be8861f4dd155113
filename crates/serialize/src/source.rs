//! Where the bytes of a checkpoint come from: a file, read piece by piece where it is asked for, or memory.

use flambeau_tensor::{DType, Error, ErrorKind, Result, Tensor, bail};
use std::fs::File;
use std::io::{ErrorKind as Os, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes that can be read from any place.
pub(crate) enum Source<'a> {
    File { file: Mutex<File>, path: PathBuf, len: u64 },
    Bytes(&'a [u8]),
}

impl Source<'_> {
    /// The file `path`, opened.
    pub(crate) fn open(path: &Path) -> Result<Source<'static>> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("open", path, e))?;
        if metadata.is_dir() {
            return Err(Error::io("open", path, Os::IsADirectory.into()));
        }
        Ok(Source::File { file: Mutex::new(file), path: path.to_path_buf(), len: metadata.len() })
    }

    /// What errors call it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Source::File { path, .. } => path,
            Source::Bytes(_) => Path::new("<bytes>"),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Source::File { len, .. } => *len,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// A fault of the format.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Error {
        Error::format(self.path(), message)
    }

    /// What the format has and flambeau lacks.
    pub(crate) fn unsupported(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, format!("read {}", self.path().display()), message)
    }

    /// Fails where the file ends within the `n` bytes from byte `at` on.
    pub(crate) fn check(&self, at: u64, n: u64) -> Result<()> {
        if at.checked_add(n).is_some_and(|end| end <= self.len()) {
            return Ok(());
        }
        Err(self.fault(format!("{n} bytes are needed from byte {at} on, the file ends at byte {}", self.len())))
    }

    /// Fills `to` with the bytes from byte `at` on.
    pub(crate) fn read(&self, at: u64, to: &mut [u8]) -> Result<()> {
        self.check(at, to.len() as u64)?;
        match self {
            Source::Bytes(bytes) => to.copy_from_slice(&bytes[at as usize..][..to.len()]),
            Source::File { file, path, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(to));
                read.map_err(|e| match e.kind() {
                    // It was longer when it was opened.
                    Os::UnexpectedEof => {
                        let message = format!("the file ends within the {} bytes from byte {at}", to.len());
                        Error::format(path, message).with_source(e)
                    }
                    _ => Error::io("read", path, e),
                })?;
            }
        }
        Ok(())
    }

    /// The `n` bytes from byte `at` on.
    pub(crate) fn bytes(&self, at: u64, n: usize) -> Result<Vec<u8>> {
        self.check(at, n as u64)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(n).is_err() {
            bail!(Memory, "load", "no memory for {n} bytes of {}", self.path().display())
        }
        bytes.resize(n, 0);
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The elements from byte `at` on, which the file keeps little-endian.
    pub(crate) fn tensor(&self, dtype: DType, shape: &[usize], at: u64) -> Result<Tensor> {
        Tensor::from_bytes_with(dtype, shape, |bytes| {
            self.read(at, bytes)?;
            if cfg!(target_endian = "big") {
                swap(dtype, bytes);
            }
            Ok(())
        })
    }
}

/// From one byte order to the other.
pub(crate) fn swap(dtype: DType, bytes: &mut [u8]) {
    let unit = dtype.to_real().size();
    if unit > 1 {
        bytes.chunks_exact_mut(unit).for_each(|number| number.reverse());
    }
}
