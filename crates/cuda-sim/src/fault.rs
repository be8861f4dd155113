//! What a check found.

use std::fmt;

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An access outside of every allocation, or of another device's.
    OutOfBounds,
    /// An address that is no multiple of the access's size.
    Misaligned,
    /// A read of memory that nobody wrote.
    Unwritten,
    /// Two threads at the same shared memory with no barrier between, one of them writing.
    Race,
    /// A lane that should take part in an instruction of the warp does not.
    MissingLanes,
    /// A barrier that not all threads meet.
    Barrier,
    /// The program asked for it.
    Trap,
    /// A launch that the kernel does not allow.
    Launch,
    /// An instruction that the interpreter does not know.
    Unknown,
    /// The kernel does not end.
    Endless,
}

/// What a check found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }

    /// Adds where it was.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Fault {
        self.message = format!("{} ({place})", self.message);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
