//! Where sound is read from and written to: a file, bytes in memory, a reader or writer.

use super::fault::go;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What can be read from any place on.
pub(super) trait Seekable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Seekable for T {}

/// Where sound is read from: `"a.wav".into()`, bytes, or [`Source::reader`].
#[derive(Clone)]
pub struct Source(Kind);

#[derive(Clone)]
enum Kind {
    Path(PathBuf),
    Bytes(Arc<[u8]>),
    Reader(Shared),
}

impl Source {
    /// A reader, from its start to its end, wherever it stands.
    ///
    /// ```
    /// use flambeau_audio::io::{Source, load};
    /// # let (path, x) = (std::env::temp_dir().join("flambeau-reader.wav"), flambeau_tensor::Tensor::zeros([1, 4]).build()?);
    /// # flambeau_audio::save(&path, &x, 8000)?;
    /// let file = std::fs::File::open(&path).unwrap();
    /// assert_eq!(load(Source::reader(file))?.1, 8000);
    /// # std::fs::remove_file(path).ok();
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    pub fn reader(reader: impl Read + Seek + Send + 'static) -> Source {
        Source(Kind::Reader(Shared { reader: Arc::new(Mutex::new(reader)), at: 0 }))
    }

    /// As errors name it.
    pub(super) fn name(&self) -> &Path {
        match &self.0 {
            Kind::Path(path) => path,
            Kind::Bytes(_) => Path::new("bytes in memory"),
            Kind::Reader(_) => Path::new("a reader"),
        }
    }

    pub(super) fn open(&self) -> io::Result<Input> {
        Ok(match &self.0 {
            Kind::Path(path) => {
                let mut file = File::open(path)?;
                let about = file.metadata()?;
                if about.is_file() || about.is_dir() {
                    return Ok(Input { length: about.len(), reader: BufReader::new(Box::new(file)) });
                }
                // A pipe has neither a length nor a way back.
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                return Source::from(bytes).open();
            }
            Kind::Bytes(bytes) => {
                Input { length: bytes.len() as u64, reader: BufReader::new(Box::new(Cursor::new(Arc::clone(bytes)))) }
            }
            Kind::Reader(shared) => {
                let mut shared = shared.clone();
                let length = shared.seek(SeekFrom::End(0))?;
                shared.rewind()?;
                Input { reader: BufReader::new(Box::new(shared)), length }
            }
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name().display())
    }
}

macro_rules! paths {
    ($($Path:ty),*) => {$(
        impl From<$Path> for Source {
            fn from(path: $Path) -> Source {
                Source(Kind::Path(path.into()))
            }
        }

        impl From<$Path> for Sink<'_> {
            fn from(path: $Path) -> Self {
                Sink::Path(path.into())
            }
        }
    )*};
}

paths! { &str, String, &String, &Path, PathBuf, &PathBuf }

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Source {
        Source(Kind::Bytes(bytes.into()))
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Source {
        Source(Kind::Bytes(bytes.into()))
    }
}

impl From<&Vec<u8>> for Source {
    fn from(bytes: &Vec<u8>) -> Source {
        bytes.as_slice().into()
    }
}

/// A reader that several have in turn, each from its own place.
#[derive(Clone)]
struct Shared {
    reader: Arc<Mutex<dyn Seekable>>,
    at: u64,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.seek(SeekFrom::Start(self.at))?;
        let count = reader.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?,
            SeekFrom::End(_) => self.reader.lock().unwrap_or_else(PoisonError::into_inner).seek(to)?,
        };
        Ok(self.at)
    }
}

/// An opened source.
pub(super) struct Input {
    pub reader: BufReader<Box<dyn Seekable>>,
    /// In bytes.
    pub length: u64,
}

impl Input {
    /// The first bytes, or fewer where there are no more; the reader goes back to the start.
    pub fn start<const N: usize>(&mut self) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.reader.by_ref().take(N as u64).read_to_end(&mut start)?;
        self.reader.rewind()?;
        Ok(start)
    }

    /// `count` bytes from byte `from` on.
    pub fn part(&mut self, from: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
        go(&mut self.reader, from)?;
        self.reader.by_ref().take(count as u64).read_to_end(&mut bytes)?;
        // The length was checked when it was opened; it may have been cut since.
        if bytes.len() == count { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Where sound is written to: a file by its path, or bytes in memory, `(&mut bytes).into()`, or any [`Sink::writer`].
pub enum Sink<'a> {
    /// A file, made anew.
    Path(PathBuf),
    /// A writer, from where it stands.
    Writer(Box<dyn Write + 'a>),
}

impl<'a> Sink<'a> {
    /// A writer, from where it stands.
    pub fn writer(writer: impl Write + 'a) -> Self {
        Sink::Writer(Box::new(writer))
    }
}

impl<'a> From<&'a mut Vec<u8>> for Sink<'a> {
    fn from(bytes: &'a mut Vec<u8>) -> Self {
        Sink::writer(bytes)
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::Path(path) => write!(f, "{}", path.display()),
            Sink::Writer(_) => f.write_str("a writer"),
        }
    }
}
