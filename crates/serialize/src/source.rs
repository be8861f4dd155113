//! Where the bytes of a checkpoint come from: a file, read piece by piece where it is asked for, or mapped, or
//! memory.

use flambeau_tensor::shape::checked_numel;
use flambeau_tensor::{DType, Error, ErrorKind, Result, Tensor, bail};
use memmap2::{MmapOptions, MmapRaw};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind as Os, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that can be read from any place.
pub(crate) enum Source<'a> {
    File { file: Mutex<File>, path: PathBuf, len: u64, map: Option<Map> },
    Bytes(&'a [u8]),
}

/// A file in memory, as a copy that is made page by page where somebody writes.
pub(crate) struct Map {
    memory: Arc<MmapRaw>,
    /// What tensors have of it, first byte to end: a byte belongs to one storage only.
    taken: Mutex<BTreeMap<usize, usize>>,
}

/// Tensors of fewer bytes are read, which costs less than a page of one's own.
const LEAST_MAPPED: usize = 4096;

impl Source<'_> {
    /// The file `path`, opened.
    pub(crate) fn open(path: &Path) -> Result<Source<'static>> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("open", path, e))?;
        if metadata.is_dir() {
            return Err(Error::io("open", path, Os::IsADirectory.into()));
        }
        if !metadata.is_file() {
            let why = "no file but a pipe or a device, in which nothing is looked up: read it and give the bytes";
            return Err(Error::io("open", path, std::io::Error::new(Os::Unsupported, why)));
        }
        Ok(Source::File { file: Mutex::new(file), path: path.to_path_buf(), len: metadata.len(), map: None })
    }

    /// The file `path`, whose larger tensors will lie where the file is mapped.
    ///
    /// # Safety
    /// Nobody changes or cuts the file as long as such a tensor lives.
    pub(crate) unsafe fn map(path: &Path) -> Result<Source<'static>> {
        let mut source = Source::open(path)?;
        if let Source::File { file, len, map, .. } = &mut source
            && *len > 0
            && let Ok(size) = usize::try_from(*len)
        {
            let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the caller's promise; the mapping is private, so what is written stays in this process.
            let memory = unsafe { MmapOptions::new().len(size).map_copy(&*file) };
            let memory = Arc::new(MmapRaw::from(memory.map_err(|e| Error::io("map", path, e))?));
            *map = Some(Map { memory, taken: Mutex::new(BTreeMap::new()) });
        }
        Ok(source)
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
        if let Source::File { map: Some(map), .. } = self
            && let Some(tensor) = map.tensor(dtype, shape, at)
        {
            return Ok(tensor);
        }
        Tensor::from_bytes_with(dtype, shape, |bytes| {
            self.read(at, bytes)?;
            if cfg!(target_endian = "big") {
                swap(dtype, bytes);
            }
            Ok(())
        })
    }
}

impl Map {
    /// The tensor from byte `at` of the file on, where it lies; none where that cannot be, and it must be read.
    fn tensor(&self, dtype: DType, shape: &[usize], at: u64) -> Option<Tensor> {
        let bytes = checked_numel(shape)?.checked_mul(dtype.size()).filter(|bytes| *bytes >= LEAST_MAPPED)?;
        let at = usize::try_from(at).ok()?;
        let end = at.checked_add(bytes).filter(|end| *end <= self.memory.len())?;
        let data = NonNull::new(self.memory.as_mut_ptr().wrapping_add(at))?;
        if cfg!(target_endian = "big")
            || !data.addr().get().is_multiple_of(dtype.to_real().size())
            || !self.take(at, end)
        {
            return None;
        }
        // SAFETY: the bytes lie in the mapping, which the owner keeps; `take` gave them to nobody before, and the
        // mapping is read through tensors only.
        unsafe { Tensor::from_blob(dtype, shape, data, self.memory.clone()) }.ok()
    }

    /// Notes that the bytes from `at` to `end` have a storage; false where some of them have one already.
    fn take(&self, at: usize, end: usize) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.range(..end).next_back().is_none_or(|(_, before)| *before <= at);
        if free {
            taken.insert(at, end);
        }
        free
    }
}

/// From one byte order to the other.
pub(crate) fn swap(dtype: DType, bytes: &mut [u8]) {
    let unit = dtype.to_real().size();
    if unit > 1 {
        bytes.chunks_exact_mut(unit).for_each(|number| number.reverse());
    }
}
