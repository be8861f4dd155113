//! The tensors of a module, [`Parameter`] and [`Buffer`], and its [`Mode`]. The two are tensors for
//! every purpose (`Deref`); their types say what the state dict and the optimizer do with them.

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
pub struct Parameter(Tensor);

impl Parameter {
    /// The elements of `data` as a parameter: a leaf of its own that shares their storage.
    ///
    /// # Errors
    /// Where the dtype is neither floating nor complex: such a tensor has no gradient.
    #[track_caller]
    pub fn new(data: Tensor) -> Result<Parameter> {
        Ok(Parameter(data.detach().requires_grad_()?))
    }

    /// The elements of `data` as a parameter that is not trained until somebody says
    /// `set_requires_grad(true)`. It may be of any dtype.
    pub fn frozen(data: &Tensor) -> Parameter {
        Parameter(data.detach())
    }

    /// The tensor itself.
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }

    /// Puts the elements of `data` in its place: a new leaf, which requires grad where the old one did.
    pub(crate) fn replace(&mut self, data: &Tensor) -> Result<()> {
        let requires_grad = self.0.requires_grad();
        let fresh = data.detach();
        if requires_grad {
            fresh.set_requires_grad(true)?;
        }
        self.0 = fresh;
        Ok(())
    }

    /// The very same tensor as another parameter: two that were one stay one.
    pub(crate) fn share(&mut self, tensor: Tensor) {
        self.0 = tensor;
    }
}

impl Deref for Parameter {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.0
    }
}

impl AsRef<Tensor> for Parameter {
    fn as_ref(&self) -> &Tensor {
        &self.0
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
}

impl Buffer {
    /// A buffer that the state dict holds.
    pub fn new(tensor: Tensor) -> Buffer {
        Buffer { tensor, persistent: true, may_be_missing: false }
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
pub struct Mode(AtomicBool);

impl Mode {
    /// Training, as every module starts.
    pub fn new() -> Mode {
        Mode(AtomicBool::new(true))
    }

    /// True while the module trains.
    #[inline]
    pub fn is_training(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn set(&self, training: bool) {
        self.0.store(training, Ordering::Relaxed);
    }
}

impl Default for Mode {
    fn default() -> Mode {
        Mode::new()
    }
}
