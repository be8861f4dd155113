//! The tensors of a module, [`Parameter`] and [`Buffer`], and its [`Mode`]. The two are tensors for
//! every purpose (`Deref`); their types say what the state dict and the optimizer do with them.

use crate::parametrize::ParametrizationList;
use crate::{Item, ModuleId, Rebuild};
use flambeau_autograd::Autograd;
use flambeau_tensor::shape::IntoShape;
use flambeau_tensor::{DType, Device, Result, Tensor, bail, no_grad};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// What a tensor is that has no elements yet; they are put there once.
type Lazy = Arc<OnceLock<Tensor>>;

/// The tensors that stand in the places of parameters without elements, and where the elements come.
static WAITING: Mutex<Vec<(Tensor, Weak<OnceLock<Tensor>>)>> = Mutex::new(Vec::new());

/// Makes it known that `stands` stands in the place of what will be in `made`.
fn wait(stands: &Tensor, made: &Lazy) {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.retain(|(_, made)| made.strong_count() > 0);
    waiting.push((stands.clone(), Arc::downgrade(made)));
}

/// The parameter in whose place `tensor` stood until its module was first called: what an optimizer that was made before
/// that goes on with. None for every other tensor, and before the call.
pub fn materialized(tensor: &Tensor) -> Option<Tensor> {
    if tensor.shape() != [0] {
        return None;
    }
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, made) = waiting.iter().find(|(stands, _)| stands.is(tensor))?;
    made.upgrade()?.get().cloned()
}

/// A tensor that training changes: a leaf that requires grad, as `torch.nn.Parameter`.
///
/// A clone is the same parameter: a module built with a clone of another one's weight shares it, and
/// `parameters()` lists it once.
#[derive(Clone)]
pub struct Parameter {
    tensor: Tensor,
    place: ModuleId,
    kind: Kind,
}

/// What a parameter is beside a tensor.
#[derive(Clone)]
enum Kind {
    /// no more
    Plain,
    /// one that others are computed from
    Original,
    /// one without elements yet, in whose place the tensor stands
    Lazy(Lazy),
    /// computed from others; the tensor is what they gave when it was last changed
    Parametrized(Arc<ParametrizationList>),
}

impl Parameter {
    /// The elements of `data` as a parameter: a leaf of its own that shares their storage.
    ///
    /// # Errors
    /// Where the dtype is neither floating nor complex: such a tensor has no gradient.
    #[track_caller]
    pub fn new(data: Tensor) -> Result<Parameter> {
        Ok(Parameter::plain(data.detach().requires_grad_()?))
    }

    /// The elements of `data` as a parameter that is not trained until somebody says
    /// `set_requires_grad(true)`. It may be of any dtype.
    pub fn frozen(data: &Tensor) -> Parameter {
        Parameter::plain(data.detach())
    }

    /// A parameter whose shape is not known yet, as PyTorch's `UninitializedParameter`: a module makes its elements by
    /// [`materialize`](Parameter::materialize) when it is first called. Until then it is a tensor of shape `[0]`, which an
    /// optimizer made of it exchanges for the elements when there are some ([`materialized`]).
    ///
    /// # Errors
    /// Where the dtype is neither floating nor complex.
    #[track_caller]
    pub fn uninitialized(dtype: DType, device: Device) -> Result<Parameter> {
        let none = Tensor::zeros(0).dtype(dtype).device(device).build()?.requires_grad_()?;
        let made = Lazy::default();
        wait(&none, &made);
        Ok(Parameter { kind: Kind::Lazy(made), ..Parameter::plain(none) })
    }

    fn plain(tensor: Tensor) -> Parameter {
        Parameter { tensor, place: ModuleId::new(), kind: Kind::Plain }
    }

    /// The tensor itself. (Of one that is computed, what it last was when somebody changed it; [`value`](Self::value)
    /// computes it.)
    pub fn tensor(&self) -> &Tensor {
        match &self.kind {
            Kind::Lazy(made) => made.get().unwrap_or(&self.tensor),
            _ => &self.tensor,
        }
    }

    /// The parameter as its module computes with it: the tensor itself, or what its parametrizations give, with the
    /// history that leads to their originals.
    ///
    /// # Errors
    /// Where a parametrization fails.
    #[track_caller]
    pub fn value(&self) -> Result<Tensor> {
        match &self.kind {
            Kind::Parametrized(list) => list.value(),
            _ => Ok(self.tensor().clone()),
        }
    }

    /// True while it has no elements.
    pub fn is_uninitialized(&self) -> bool {
        matches!(&self.kind, Kind::Lazy(made) if made.get().is_none())
    }

    /// Gives a parameter that has none its elements, zeros. Clones of it have them, too.
    ///
    /// # Errors
    /// Where it has elements, or there is no memory for them.
    #[track_caller]
    pub fn materialize(&self, shape: impl IntoShape) -> Result<()> {
        let made = Tensor::zeros(shape).dtype(self.tensor.dtype()).device(self.tensor.device()).build()?;
        if self.tensor.requires_grad() {
            made.set_requires_grad(true)?;
        }
        put(&self.kind.lazy().cloned(), made)
    }

    /// How it is computed, where it is.
    pub fn parametrizations(&self) -> Option<&Arc<ParametrizationList>> {
        match &self.kind {
            Kind::Parametrized(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn parametrizations_mut(&mut self) -> Option<&mut Arc<ParametrizationList>> {
        match &mut self.kind {
            Kind::Parametrized(list) => Some(list),
            _ => None,
        }
    }

    /// A parameter that another one is computed from.
    pub(crate) fn original(tensor: Tensor) -> Parameter {
        Parameter { kind: Kind::Original, ..Parameter::plain(tensor) }
    }

    pub(crate) fn is_original(&self) -> bool {
        matches!(self.kind, Kind::Original)
    }

    /// Makes it this tensor, or this value of parametrizations.
    pub(crate) fn put(&mut self, tensor: Tensor, list: Option<Arc<ParametrizationList>>) {
        self.tensor = tensor;
        self.kind = list.map_or(Kind::Plain, Kind::Parametrized);
    }

    pub(crate) fn set_value(&mut self, tensor: Tensor) {
        self.tensor = tensor;
    }

    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    /// Where the elements go that it does not have yet.
    pub(crate) fn empty_place(&self) -> Option<EmptyPlace> {
        self.kind
            .lazy()
            .filter(|made| made.get().is_none())
            .map(|made| EmptyPlace { made: made.clone(), stands: self.tensor.clone() })
    }

    /// This parameter with other tensors, as `with` makes them.
    pub(crate) fn rebuilt(&self, with: &mut Rebuild<'_>) -> Result<Parameter> {
        let place = with.id(&self.place);
        let kind = match &self.kind {
            Kind::Parametrized(list) if with.resolves() => {
                return Ok(Parameter { tensor: with.value_of(list)?, place, kind: Kind::Plain });
            }
            Kind::Parametrized(list) => Kind::Parametrized(with.shared(list)?),
            Kind::Lazy(made) if made.get().is_none() => Kind::Lazy(with.lazy(made)),
            Kind::Lazy(_) | Kind::Plain => Kind::Plain,
            Kind::Original => Kind::Original,
        };
        let tensor = with.tensor(self.tensor(), Item::Parameter(self))?;
        if let Kind::Lazy(made) = &kind
            && !tensor.is(&self.tensor)
        {
            wait(&tensor, made);
        }
        Ok(Parameter { tensor, place, kind })
    }
}

impl Kind {
    fn lazy(&self) -> Option<&Lazy> {
        match self {
            Kind::Lazy(made) => Some(made),
            _ => None,
        }
    }
}

/// Puts the first elements where there are none.
#[track_caller]
fn put(place: &Option<Lazy>, tensor: Tensor) -> Result<()> {
    let Some(place) = place else { bail!(State, "materialize", "the tensor has elements") };
    match place.set(tensor) {
        Ok(()) => Ok(()),
        Err(_) => bail!(State, "materialize", "the tensor has elements"),
    }
}

/// Where the elements of a parameter or buffer go that has none yet.
pub(crate) struct EmptyPlace {
    made: Lazy,
    stands: Tensor,
}

impl EmptyPlace {
    /// Puts elements like those of `source` there.
    pub fn fill(&self, source: &Tensor) -> Result<()> {
        let fresh = Tensor::zeros(source.shape()).dtype(self.stands.dtype()).device(self.stands.device()).build()?;
        no_grad(|| fresh.copy_(source).map(drop))?;
        if self.stands.requires_grad() {
            fresh.set_requires_grad(true)?;
        }
        put(&Some(self.made.clone()), fresh)
    }
}

impl Deref for Parameter {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        self.tensor()
    }
}

impl AsRef<Tensor> for Parameter {
    fn as_ref(&self) -> &Tensor {
        self.tensor()
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
    lazy: Option<Lazy>,
}

impl Buffer {
    /// A buffer that the state dict holds.
    pub fn new(tensor: Tensor) -> Buffer {
        Buffer { tensor, persistent: true, may_be_missing: false, place: ModuleId::new(), lazy: None }
    }

    /// A buffer whose shape is not known yet, as PyTorch's `UninitializedBuffer`; until a module makes its elements by
    /// [`materialize`](Buffer::materialize) it is a tensor of shape `[0]`.
    ///
    /// # Errors
    /// Where the device cannot be used.
    #[track_caller]
    pub fn uninitialized(dtype: DType, device: Device) -> Result<Buffer> {
        let none = Tensor::zeros(0).dtype(dtype).device(device).build()?;
        Ok(Buffer { lazy: Some(Lazy::default()), ..Buffer::new(none) })
    }

    /// True while it has no elements.
    pub fn is_uninitialized(&self) -> bool {
        self.lazy.as_ref().is_some_and(|made| made.get().is_none())
    }

    /// Gives a buffer that has none its elements, zeros.
    ///
    /// # Errors
    /// Where it has elements, or there is no memory for them.
    #[track_caller]
    pub fn materialize(&self, shape: impl IntoShape) -> Result<()> {
        let made = Tensor::zeros(shape).dtype(self.tensor.dtype()).device(self.tensor.device()).build()?;
        put(&self.lazy, made)
    }

    /// Where the elements go that it does not have yet.
    pub(crate) fn empty_place(&self) -> Option<EmptyPlace> {
        let made = self.lazy.as_ref().filter(|made| made.get().is_none())?;
        Some(EmptyPlace { made: made.clone(), stands: self.tensor.clone() })
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
        self.lazy.as_ref().and_then(|made| made.get()).unwrap_or(&self.tensor)
    }

    pub(crate) fn place(&self) -> &ModuleId {
        &self.place
    }

    /// This buffer with another tensor, as `with` makes it.
    pub(crate) fn rebuilt(&self, with: &mut Rebuild<'_>) -> Result<Buffer> {
        let lazy = self.lazy.as_ref().filter(|made| made.get().is_none()).map(|made| with.lazy(made));
        let tensor = with.tensor(self.tensor(), Item::Buffer(self))?;
        let place = with.id(&self.place);
        Ok(Buffer { tensor, persistent: self.persistent, may_be_missing: self.may_be_missing, place, lazy })
    }

    /// Puts another tensor in its place.
    pub fn replace(&mut self, tensor: Tensor) {
        self.tensor = tensor;
        self.lazy = None;
    }
}

impl Deref for Buffer {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        self.tensor()
    }
}

impl AsRef<Tensor> for Buffer {
    fn as_ref(&self) -> &Tensor {
        self.tensor()
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
