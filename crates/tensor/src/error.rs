//! The one error of the workspace: what went wrong, in which op, and on which line of the user's
//! program. It is one pointer wide, so a `Result<Tensor>` travels in two registers.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// The result of everything in flambeau that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The family an [`Error`] belongs to, for programs that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes that do not fit each other or the op.
    Shape,
    /// A dtype that the op does not take, or dtypes that do not go together.
    DType,
    /// Tensors on different devices, or a device that is not there.
    Device,
    /// An index or dimension out of range.
    Index,
    /// An argument outside of what the op is defined for.
    Argument,
    /// An allocation that cannot succeed.
    Memory,
    /// A gradient that cannot be had as asked: no graph, freed buffers, overwritten values.
    Autograd,
    /// The gradient of an op that has none.
    NotDifferentiable,
    /// Something that PyTorch does and flambeau does not (or not on this backend).
    Unsupported,
    /// The operating system could not read or write.
    Io,
    /// A file whose content is not what it says it is.
    Format,
    /// A `state_dict` that does not fit the module.
    State,
    /// A worker thread that panicked.
    Worker,
}

/// What went wrong, in which op or file, and on which line of the caller's program.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    place: Cow<'static, str>,
    message: String,
    at: Option<&'static Location<'static>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `place` (an op's or a function's name). Keeps the caller's line: of the
    /// outermost `#[track_caller]` function, which is the user's.
    #[track_caller]
    #[cold]
    pub fn new(kind: ErrorKind, place: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let at = Some(Location::caller());
        Error(Box::new(Inner { kind, place: place.into(), message: message.into(), at, source: None }))
    }

    /// An operating system error on `path`, as met by `place` (`"read"`, `"create"`).
    #[cold]
    pub fn io(place: &str, path: impl AsRef<std::path::Path>, source: std::io::Error) -> Self {
        let place = format!("{place} {}", path.as_ref().display());
        let (message, source) = (source.to_string(), Some(Box::new(source) as _));
        Error(Box::new(Inner { kind: ErrorKind::Io, place: place.into(), message, at: None, source }))
    }

    /// A file that is not what it says it is: `path`, and the fault with its byte offset in `message`.
    #[cold]
    pub fn format(path: impl AsRef<std::path::Path>, message: impl Into<String>) -> Self {
        let place = format!("read {}", path.as_ref().display()).into();
        Error(Box::new(Inner { kind: ErrorKind::Format, place, message: message.into(), at: None, source: None }))
    }

    /// The same error with `source` as its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, said to have happened at `at`.
    #[must_use]
    pub fn located(mut self, at: &'static Location<'static>) -> Self {
        self.0.at = Some(at);
        self
    }

    /// Its family.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The op, function or file that met it.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// What was wrong, without place and line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line of the caller's program, where one is known.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.place, self.0.message)?;
        match self.0.at {
            Some(at) => write!(f, "\n  at {}:{}:{}", at.file(), at.line(), at.column()),
            None => Ok(()),
        }
    }
}

/// As [`Display`](fmt::Display): `main` returning an `Err` and `unwrap` print it for a person.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

/// Returns early with an [`Error`]: `bail!(Shape, "matmul", "cannot multiply {:?} by {:?}", a, b)`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $place:expr, $($message:tt)+) => {
        return Err($crate::Error::new($crate::ErrorKind::$kind, $place, format!($($message)+)))
    };
}

/// Returns early with an [`Error`] unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $kind:ident, $place:expr, $($message:tt)+) => {
        if !$condition { $crate::bail!($kind, $place, $($message)+) }
    };
}
