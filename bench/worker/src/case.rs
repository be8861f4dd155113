//! What a case is.

/// One call of a case.
pub type Work<E> = Box<dyn FnMut() -> Result<(), E>>;

/// How a case is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Call by call, in a process kept alive.
    Time,
    /// A whole process, from its start to its end.
    Process,
    /// The most memory that a process of its own holds.
    Memory,
}

impl Kind {
    /// As a worker's list says it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Time => "time",
            Kind::Process => "process",
            Kind::Memory => "memory",
        }
    }
}

/// A name, what it costs at least, and how to make it, in a framework with errors `E`.
pub struct Case<E> {
    pub name: &'static str,
    pub kind: Kind,
    /// Bytes that must be read and written, 0 where that says nothing.
    pub bytes: f64,
    /// Multiplications and additions of `f32` that the plain method takes, 0 where that says nothing.
    pub flops: f64,
    make: Box<dyn Fn() -> Result<Work<E>, E>>,
}

impl<E> Case<E> {
    /// A case that is timed call by call. `make`: everything that it works on, ready to be called.
    pub fn new(name: &'static str, make: impl Fn() -> Result<Work<E>, E> + 'static) -> Case<E> {
        Case { name, kind: Kind::Time, bytes: 0.0, flops: 0.0, make: Box::new(make) }
    }

    #[must_use]
    pub fn kind(self, kind: Kind) -> Case<E> {
        Case { kind, ..self }
    }

    #[must_use]
    pub fn bytes(self, bytes: usize) -> Case<E> {
        Case { bytes: bytes as f64, ..self }
    }

    #[must_use]
    pub fn flops(self, flops: usize) -> Case<E> {
        Case { flops: flops as f64, ..self }
    }

    /// Everything that the case works on, ready to be called.
    pub fn make(&self) -> Result<Work<E>, E> {
        (self.make)()
    }
}
