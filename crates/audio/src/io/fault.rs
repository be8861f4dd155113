//! What is wrong with a file, and what its walkers read it with.

use std::io::{self, Read, Seek};

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Format(String),
    Unsupported(String),
    /// What was asked for lies behind the end.
    Behind(String),
    /// Another stream follows in the same file.
    Chained,
    /// An error that says so itself.
    Tensor(Box<flambeau_tensor::Error>),
}

impl From<flambeau_tensor::Error> for Fault {
    fn from(e: flambeau_tensor::Error) -> Self {
        Fault::Tensor(Box::new(e))
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Fault::Io(e)
    }
}

macro_rules! fault {
    ($kind:ident, $($message:tt)+) => { return Err($crate::io::fault::Fault::$kind(format!($($message)+))) };
}
pub(super) use fault;

/// The next `N` bytes.
pub(super) fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Goes to byte `at`; relative, which keeps what is in the buffer: a file may be full of tiny chunks.
pub(super) fn go<F: Read + Seek>(file: &mut io::BufReader<F>, at: u64) -> io::Result<()> {
    let here = file.stream_position()?;
    match i64::try_from(i128::from(at) - i128::from(here)) {
        Ok(by) => file.seek_relative(by),
        Err(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

pub(super) fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}
