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
    /// An error of code outside of flambeau, passed on by `?` or [`Error::other`].
    Other,
}

/// What went wrong, in which op or file, and on which line of the caller's program.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    place: Cow<'static, str>,
    message: String,
    at: Option<&'static Location<'static>>,
    /// The line stays, whoever passes the error on.
    settled: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `place` (an op's or a function's name). Keeps the caller's line: of the
    /// outermost `#[track_caller]` function, which is the user's.
    #[track_caller]
    #[cold]
    pub fn new(kind: ErrorKind, place: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let at = Some(Location::caller());
        Error(Box::new(Inner { kind, place: place.into(), message: message.into(), at, settled: false, source: None }))
    }

    /// An operating system error on `path`, as met by `place` (`"read"`, `"create"`).
    #[cold]
    pub fn io(place: &str, path: impl AsRef<std::path::Path>, source: std::io::Error) -> Self {
        let place = format!("{place} {}", path.as_ref().display());
        let (message, source) = (source.to_string(), Some(Box::new(source) as _));
        Error(Box::new(Inner { kind: ErrorKind::Io, place: place.into(), message, at: None, settled: false, source }))
    }

    /// A file that is not what it says it is: `path`, and the fault with its byte offset in `message`.
    #[cold]
    pub fn format(path: impl AsRef<std::path::Path>, message: impl Into<String>) -> Self {
        let place = format!("read {}", path.as_ref().display()).into();
        Error(Box::new(Inner {
            kind: ErrorKind::Format,
            place,
            message: message.into(),
            at: None,
            settled: false,
            source: None,
        }))
    }

    /// Any other error as one of flambeau's, with the caller's line: `parse(line).map_err(Error::other)?`.
    /// A message is an error, too: `Error::other("the file has no header")`.
    #[track_caller]
    #[cold]
    pub fn other(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        foreign(ErrorKind::Other, "error", source.into(), Location::caller())
    }

    /// The same error as it looks from `place`, where `what` was under way: kind, line and cause stay.
    ///
    /// ```
    /// # use flambeau_tensor::{Error, ErrorKind};
    /// let e = Error::new(ErrorKind::Index, "select", "there is no row 7").context("DataLoader", "item 3");
    /// assert!(e.to_string().starts_with("DataLoader: item 3: select: there is no row 7"));
    /// ```
    #[must_use]
    #[cold]
    pub fn context(mut self, place: impl Into<Cow<'static, str>>, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}: {}", self.0.place, self.0.message);
        self.0.place = place.into();
        self
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
        if !self.0.settled {
            self.0.at = Some(at);
        }
        self
    }

    /// For a backend: the fault of something that was queued at `at`, whoever meets it later.
    #[must_use]
    pub fn queued_at(mut self, at: &'static Location<'static>) -> Self {
        (self.0.at, self.0.settled) = (Some(at), true);
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

#[cold]
fn foreign(
    kind: ErrorKind,
    place: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
    at: &'static Location<'static>,
) -> Error {
    let message = source.to_string();
    Error(Box::new(Inner { kind, place: place.into(), message, at: Some(at), settled: false, source: Some(source) }))
}

macro_rules! from_foreign {
    ($($(#[$doc:meta])* $From:ty => $kind:ident, $place:literal;)*) => {$(
        $(#[$doc])*
        impl From<$From> for Error {
            #[track_caller]
            fn from(source: $From) -> Self {
                foreign(ErrorKind::$kind, $place, source.into(), Location::caller())
            }
        }
    )*};
}

from_foreign! {
    /// `?` on what reads and writes; the line is that of the `?`.
    std::io::Error => Io, "io";
    /// `?` in a function whose errors are boxed.
    Box<dyn std::error::Error + Send + Sync> => Other, "error";
    /// `?` on `text.parse::<i64>()`.
    std::num::ParseIntError => Format, "parse";
    /// `?` on `text.parse::<f32>()`.
    std::num::ParseFloatError => Format, "parse";
    /// `?` on `str::from_utf8(bytes)`.
    std::str::Utf8Error => Format, "parse";
    /// `?` on `String::from_utf8(bytes)`.
    std::string::FromUtf8Error => Format, "parse";
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Result<String> {
        Ok(std::fs::read_to_string("/no/such/file")?)
    }

    fn parse(text: &str) -> Result<f32> {
        Ok(text.parse::<f32>()?)
    }

    fn boxed() -> Result<()> {
        let fault: std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> =
            Err("a word of one's own".into());
        Ok(fault?)
    }

    #[test]
    fn other_errors_pass_by_a_question_mark_with_its_line() {
        for (error, kind, words) in [
            (read().unwrap_err(), ErrorKind::Io, "No such file"),
            (parse("x").unwrap_err(), ErrorKind::Format, "invalid float literal"),
            (boxed().unwrap_err(), ErrorKind::Other, "a word of one's own"),
            (Error::other("no header"), ErrorKind::Other, "no header"),
        ] {
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains(words), "{error}");
            assert_eq!(error.location().expect("a line").file(), file!());
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn context_keeps_kind_line_and_cause() {
        let (plain, line) = (read().unwrap_err(), read().unwrap_err().location());
        let error = plain.context("DataLoader", format_args!("item {}", 3));
        assert_eq!((error.kind(), error.place(), error.location()), (ErrorKind::Io, "DataLoader", line));
        assert!(error.message().starts_with("item 3: io: "), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
