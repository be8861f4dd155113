//! The tensors of a module, [`Parameter`] and [`Buffer`], and its [`Mode`]. The two are tensors for
//! every purpose (`Deref`); their types say what the state dict and the optimizer do with them.

use crate::ModuleId;
use flambeau_autograd::Autograd;
use flambeau_tensor::{Result, Tensor};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

/// A tensor that training changes: a leaf that requires grad, as `torch.nn.Parameter`.
///
/// A clone is the same parameter: a module built with a clone of another one's weight shares it, and
/// `parameters()` lists it once.
#[derive(Clone)]
pub struct Parameter {
    tensor: Tensor,
    place: ModuleId,
}

impl Parameter {
    /// The elements of `data` as a parameter: a leaf of its own that shares their storage.
    ///
    /// # Errors
    /// Where the dtype is neither floating nor complex: such a tensor has no gradient.
    #[track_caller]
    pub fn new(data: Tensor) -> Result<Parameter> {
        Ok(Parameter { tensor: data.detach().requires_grad_()?, place: ModuleId::new() })
    }

    /// The elements of `data` as a parameter that is not trained until somebody says
    /// `set_requires_grad(true)`. It may be of any dtype.
    pub fn frozen(data: &Tensor) -> Parameter {
        Parameter { tensor: data.detach(), place: ModuleId::new() }
    }

    /// The tensor itself.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    /// This parameter with another tensor.
    pub(crate) fn rebuilt(&self, tensor: Tensor, place: ModuleId) -> Parameter {
        Parameter { tensor, place }
    }
}

impl Deref for Parameter {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl AsRef<Tensor> for Parameter {
    fn as_ref(&self) -> &Tensor {
        &self.tensor
    }
}

/// As PyTorch lists it in a `ParameterList`.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.shape().iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        write!(f, "Parameter containing: [torch.{} of size {size}]", self.dtype())
    }
}

/// A tensor that belongs to a module's state but is not trained: a running mean, a table of positions.
#[derive(Clone)]
pub struct Buffer {
    tensor: Tensor,
    persistent: bool,
    may_be_missing: bool,
    place: ModuleId,
}

impl Buffer {
    /// A buffer that the state dict holds.
    pub fn new(tensor: Tensor) -> Buffer {
        Buffer { tensor, persistent: true, may_be_missing: false, place: ModuleId::new() }
    }

    /// A buffer that moves with the module but is not in the state dict: PyTorch's `persistent=False`.
    pub fn temporary(tensor: Tensor) -> Buffer {
        Buffer { persistent: false, ..Buffer::new(tensor) }
    }

    /// A buffer that a checkpoint need not have; it then keeps its value. (Checkpoints from before
    /// PyTorch 0.4.1 have no `num_batches_tracked`.)
    pub fn optional(tensor: Tensor) -> Buffer {
        Buffer { may_be_missing: true, ..Buffer::new(tensor) }
    }

    /// True where the state dict holds it.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    pub(crate) fn may_be_missing(&self) -> bool {
        self.may_be_missing
    }

    /// The tensor itself.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    /// This buffer with another tensor.
    pub(crate) fn rebuilt(&self, tensor: Tensor, place: ModuleId) -> Buffer {
        Buffer { tensor, persistent: self.persistent, may_be_missing: self.may_be_missing, place }
    }

    /// Puts another tensor in its place.
    pub fn replace(&mut self, tensor: Tensor) {
        self.tensor = tensor;
    }
}

impl Deref for Buffer {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl AsRef<Tensor> for Buffer {
    fn as_ref(&self) -> &Tensor {
        &self.tensor
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.shape().iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        write!(f, "Buffer containing: [torch.{} of size {size}]", self.dtype())
    }
}

/// Whether a module trains or is evaluated. A module that acts differently in the two keeps one;
/// `train()` and `eval()` set all of a model's.
#[derive(Debug)]
pub struct Mode {
    training: AtomicBool,
    place: ModuleId,
}

impl Mode {
    /// Training, as every module starts.
    pub fn new() -> Mode {
        Mode { training: AtomicBool::new(true), place: ModuleId::new() }
    }

    /// True while the module trains.
    #[inline]
    pub fn is_training(&self) -> bool {
        self.training.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn set(&self, training: bool) {
        self.training.store(training, Ordering::Relaxed);
    }
}

impl Mode {
    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    pub(crate) fn rebuilt(&self, place: ModuleId) -> Mode {
        Mode { training: AtomicBool::new(self.is_training()), place }
    }
}

impl Default for Mode {
    fn default() -> Mode {
        Mode::new()
    }
}
