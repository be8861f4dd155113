//! The [`Tensor`]: a layout over shared storage, and what every part of the house may ask of it.

use crate::backend::Backend;
use crate::dtype::Element;
use crate::layout::Layout;
use crate::shape::{IntoShape, checked_numel, copied};
use crate::storage::{Memory, Storage, lock_for_op};
use crate::{DType, Device, Error, ErrorKind, Result, Scalar, alloc, bail, dispatch, ensure};
use parking_lot::Mutex;
use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use triomphe::{Arc, UniqueArc};

pub(crate) mod display;
pub(crate) mod indexing;
pub(crate) mod literal;
mod slice;
pub(crate) mod state_dict;
pub(crate) mod tensors;
mod view;

pub(crate) use slice::stored_as;
pub use slice::{Data, DataMut};
pub use view::{View, ViewOps};

/// An n-dimensional array: runtime dtype, rank and device, strided, sharing its storage with its views.
///
/// Cloning is cheap and shares everything. Methods return [`Result`]; the operators `+ - * /` panic
/// with the method's message.
pub struct Tensor(ManuallyDrop<Arc<Inner>>);

impl Clone for Tensor {
    #[inline]
    fn clone(&self) -> Self {
        Tensor(self.0.clone())
    }
}

impl Drop for Tensor {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken here only, once.
        let inner = unsafe { ManuallyDrop::take(&mut self.0) };
        // The last handle leaves its memory to the allocator.
        if let Ok(inner) = Arc::try_unique(inner) {
            release(inner);
        }
    }
}

/// Drops what belongs to one tensor alone, and has the rest kept for another where nobody else sees it.
fn release(mut inner: UniqueArc<Inner>) {
    // Before it is kept: what follows from these drops is not the allocator's business.
    drop(inner.history.get_mut().take());
    drop(inner.meta.take());
    drop(inner.view.take());
    if inner.storage.is_sole_owner() {
        alloc::keep(inner);
    }
}

/// What all handles on a tensor share.
pub(crate) struct Inner {
    layout: Layout,
    /// What is asked of the layout most often.
    numel: usize,
    contiguous: bool,
    storage: Storage,
    dtype: DType,
    inference: bool,
    tracks: AtomicBool,
    /// Is there a history?
    recorded: AtomicBool,
    view: Option<View>,
    history: Mutex<Option<History>>,
    meta: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Where a recorded op's output came from.
#[derive(Clone)]
pub struct History {
    /// What autograd, which alone looks inside, keeps of the op.
    pub node: Node,
    /// Which of its outputs the tensor is.
    pub output: u32,
}

/// A node of autograd's graph, as this crate sees it.
pub type Node = std::sync::Arc<dyn Any + Send + Sync>;

/// How many elements `shape` has, and how many bytes they take.
#[inline]
#[track_caller]
fn room(op: &'static str, shape: &[usize], dtype: DType) -> Result<(usize, usize)> {
    let bytes = |n: usize| n.checked_mul(dtype.size()).filter(|bytes| *bytes <= isize::MAX as usize);
    match checked_numel(shape).and_then(|n| Some((n, bytes(n)?))) {
        Some(room) => Ok(room),
        None => bail!(Memory, op, "a {dtype} tensor of shape {shape:?} has more bytes than memory has addresses"),
    }
}

impl Inner {
    /// The memory, where it is this process's.
    #[inline]
    pub(crate) fn block(&self) -> Option<&alloc::Block> {
        self.storage.block()
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }
}

impl Tensor {
    /// A tensor over `storage`. The layout must lie inside it.
    pub(crate) fn over(storage: Storage, layout: Layout, dtype: DType, view: Option<View>) -> Tensor {
        let (numel, contiguous) = (layout.numel(), layout.is_contiguous());
        Tensor::known(storage, layout, dtype, view, numel, contiguous)
    }

    /// [`over`](Tensor::over) a layout that is known to have `numel` elements and to be contiguous or not.
    fn known(
        storage: Storage,
        layout: Layout,
        dtype: DType,
        view: Option<View>,
        numel: usize,
        contiguous: bool,
    ) -> Tensor {
        let (tracks, recorded) = (AtomicBool::new(false), AtomicBool::new(false));
        let (history, meta) = (Mutex::new(None), OnceLock::new());
        let inference = dispatch::inference_mode_enabled();
        let inner =
            Inner { layout, numel, contiguous, storage, dtype, inference, tracks, recorded, view, history, meta };
        Tensor(ManuallyDrop::new(Arc::new(inner)))
    }

    /// Contiguous, of any content: the output of an op about to run.
    #[track_caller]
    pub(crate) fn uninit(op: &'static str, shape: &[usize], dtype: DType, device: Device) -> Result<Tensor> {
        let (numel, bytes) = room(op, shape, dtype)?;
        if let Some(mut kept) = alloc::take(device, bytes) {
            if kept.storage.renew(bytes) {
                let inference = dispatch::inference_mode_enabled();
                let Inner { layout, contiguous, tracks, recorded, .. } = &mut *kept;
                layout.set_contiguous(shape);
                (*contiguous, *tracks.get_mut(), *recorded.get_mut()) = (true, false, false);
                (kept.numel, kept.dtype, kept.inference) = (numel, dtype, inference);
                return Ok(Tensor(ManuallyDrop::new(kept.shareable())));
            }
        }
        let storage = alloc::allocate(op, device, bytes)?;
        Ok(Tensor::known(storage, Layout::contiguous(copied(shape)), dtype, None, numel, true))
    }

    /// Contiguous, of any content, in page-locked host memory of `backend`.
    #[track_caller]
    pub(crate) fn pinned(op: &'static str, shape: &[usize], dtype: DType, backend: &dyn Backend) -> Result<Tensor> {
        let (numel, bytes) = room(op, shape, dtype)?;
        let layout = Layout::contiguous(copied(shape));
        let memory = backend.allocate_pinned(bytes)?;
        let there = match &memory {
            Memory::Host(block) if block.is_pinned() => block.size(),
            _ => bail!(Memory, op, "the backend gave memory that is not page-locked"),
        };
        ensure!(there >= bytes, Memory, op, "the backend gave {there} bytes instead of {bytes}");
        Ok(Tensor::known(Storage::new(Device::Cpu, bytes, there, memory), layout, dtype, None, numel, true))
    }

    /// The elements of `data` in row-major order under `shape`, of which one size may be −1.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(x.shape(), [2, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where `shape` has another number of elements than `data`.
    #[track_caller]
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl IntoShape) -> Result<Tensor> {
        Tensor::from_slice(&data, shape)
    }

    /// A copy of the elements of `data`, in row-major order under `shape`, of which one size may be −1.
    ///
    /// ```
    /// # use flambeau_tensor::{DType, Tensor};
    /// let x = Tensor::from_slice(&[1u8, 2, 3, 4], [2, -1])?;
    /// assert_eq!((x.shape(), x.dtype()), (&[2, 2][..], DType::U8));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where `shape` has another number of elements than `data`.
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl IntoShape) -> Result<Tensor> {
        let mut sizes = shape.into_sizes();
        if let Some(open) = sizes.iter().position(|s| *s == -1) {
            // What is left for it; any other −1 is an error below.
            let known = sizes.iter().filter(|s| **s != -1).try_fold(1usize, |n, s| n.checked_mul((*s).max(0) as usize));
            if let Some(left) = known.filter(|n| *n > 0 && data.len() % n == 0).map(|n| data.len() / n) {
                sizes[open] = left as isize;
            }
        }
        let shape = sizes.into_shape("from_slice")?;
        if checked_numel(&shape) != Some(data.len()) {
            bail!(Shape, "from_slice", "{} elements do not fill shape {:?}", data.len(), &shape[..])
        }
        let out = Tensor::uninit("from_slice", &shape, T::DTYPE, Device::Cpu)?;
        // SAFETY: `out` is fresh, so nobody else can reach its storage, and it holds `data.len()` elements.
        let to = unsafe { std::slice::from_raw_parts_mut(out.storage().host_ptr().cast::<T::Stored>(), data.len()) };
        to.iter_mut().zip(data).for_each(|(to, from)| *to = from.store());
        Ok(out)
    }

    /// Elements of `dtype` as they lie in memory (native byte order), in row-major order under `shape`.
    ///
    /// # Errors
    /// Where `bytes` has another length than `shape` and `dtype` need.
    #[track_caller]
    pub fn from_bytes(dtype: DType, shape: impl IntoShape, bytes: &[u8]) -> Result<Tensor> {
        let shape = shape.into_shape("from_bytes")?;
        if checked_numel(&shape).and_then(|n| n.checked_mul(dtype.size())) != Some(bytes.len()) {
            bail!(Shape, "from_bytes", "{} bytes do not fill a {dtype} tensor of shape {:?}", bytes.len(), &shape[..])
        }
        Tensor::from_bytes_with(dtype, &shape[..], |to| {
            to.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// A tensor whose elements `fill` writes, as they lie in memory (native byte order), in row-major order under
    /// `shape`: for a reader of files, which needs no buffer of its own then. What `fill` leaves alone is of any
    /// value.
    ///
    /// # Errors
    /// Where there is no memory for `shape`, and what `fill` returns.
    #[track_caller]
    pub fn from_bytes_with(
        dtype: DType,
        shape: impl IntoShape,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Tensor> {
        let shape = shape.into_shape("from_bytes_with")?;
        let out = Tensor::uninit("from_bytes_with", &shape, dtype, Device::Cpu)?;
        let len = out.numel() * dtype.size();
        // SAFETY: `out` is fresh, so nobody else can reach its storage, which holds `len` bytes; they are
        // initialised, as those of every block are.
        fill(unsafe { std::slice::from_raw_parts_mut(out.storage().host_ptr(), len) })?;
        Ok(out)
    }

    /// A tensor over memory that `owner` keeps: elements of `dtype` in native byte order, in row-major order under
    /// `shape`. The last tensor over it drops the owner. Follows `torch.from_blob`.
    ///
    /// # Errors
    /// Where `data` is not aligned to the elements, or `shape` has more bytes than memory has addresses.
    ///
    /// # Safety
    /// As long as `owner` lives, the bytes of all elements from `data` on are initialised, may be read and written,
    /// and nobody reads or writes them but through this tensor.
    #[track_caller]
    pub unsafe fn from_blob(
        dtype: DType,
        shape: impl IntoShape,
        data: NonNull<u8>,
        owner: impl Any + Send + Sync,
    ) -> Result<Tensor> {
        let shape = shape.into_shape("from_blob")?;
        let unit = dtype.to_real().size();
        ensure!(
            data.addr().get().is_multiple_of(unit),
            Argument,
            "from_blob",
            "elements of {dtype} are aligned to {unit} bytes, the data is not"
        );
        let (numel, bytes) = room("from_blob", &shape, dtype)?;
        let layout = Layout::contiguous(shape);
        // SAFETY: what this function's caller promises.
        let block = unsafe { alloc::Block::foreign(data, bytes, Box::new(owner)) };
        let storage = Storage::new(Device::Cpu, bytes, bytes, Memory::Host(block));
        Ok(Tensor::known(storage, layout, dtype, None, numel, true))
    }

    /// Sizes of the dimensions.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.shape
    }

    /// Elements to step by in each dimension.
    #[inline]
    pub fn strides(&self) -> &[usize] {
        &self.0.layout.strides
    }

    /// The place of the first element in the storage, in elements.
    #[inline]
    pub fn storage_offset(&self) -> usize {
        self.0.layout.offset
    }

    /// Shape, strides and offset.
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The type of the elements.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Where the data lives.
    #[inline]
    pub fn device(&self) -> Device {
        self.0.storage.device()
    }

    /// The sizes, of a tensor that has `N` dimensions: `let [b, t, c] = x.dims()?`.
    ///
    /// # Errors
    /// Where it has another number of dimensions.
    #[track_caller]
    pub fn dims<const N: usize>(&self) -> Result<[usize; N]> {
        match self.shape().try_into() {
            Ok(sizes) => Ok(sizes),
            Err(_) => bail!(Shape, "dims", "shape {:?} has {} dimensions, not {N}", self.shape(), self.rank()),
        }
    }

    /// The number of dimensions: PyTorch's `dim()`.
    #[inline]
    pub fn rank(&self) -> usize {
        self.0.layout.rank()
    }

    /// The size of dimension `dim`, negative counted from the end.
    ///
    /// # Errors
    /// Where there is no such dimension.
    #[track_caller]
    pub fn size(&self, dim: isize) -> Result<usize> {
        let d = crate::shape::dim_index("size", dim, self.rank())?;
        self.shape().get(d).copied().ok_or_else(|| Error::new(ErrorKind::Index, "size", "a scalar has no dimensions"))
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.0.numel
    }

    /// True where the elements lie one after another in row-major order.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.0.contiguous
    }

    /// The memory it shares with its views.
    #[inline]
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// How often an in-place op wrote to the storage: PyTorch's `_version`.
    pub fn version(&self) -> u32 {
        self.0.storage.version()
    }

    /// True where both handles are one tensor (not merely equal or sharing storage).
    #[inline]
    pub fn is(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that is this tensor's own as long as a handle to it lives.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// True where this handle is the only one on the tensor, and the tensor the only one on its storage: what
    /// it holds may be written without anybody seeing.
    pub fn is_sole_owner(&self) -> bool {
        self.0.is_unique() && self.0.storage.is_sole_owner()
    }

    /// True where ops on it are recorded: a leaf that requires grad, or the result of such an op.
    #[inline]
    pub fn requires_grad(&self) -> bool {
        self.0.tracks.load(Ordering::Relaxed) || self.view_is_stale()
    }

    /// True for a view whose base was written by a recorded in-place op since its history was taken.
    #[inline]
    fn view_is_stale(&self) -> bool {
        match &self.0.view {
            Some(v) => {
                !v.no_grad
                    && v.version.load(Ordering::Relaxed) != self.version()
                    && v.base.0.tracks.load(Ordering::Relaxed)
            }
            None => false,
        }
    }

    /// Made under inference mode: it cannot take part in a recorded op.
    pub fn is_inference(&self) -> bool {
        self.0.inference
    }

    /// What a view remembers; `None` for a tensor that owns its storage or was detached.
    pub fn as_view(&self) -> Option<&View> {
        self.0.view.as_ref()
    }

    /// For autograd: turns recording of ops on this tensor on or off.
    pub fn set_tracks(&self, on: bool) {
        self.0.tracks.store(on, Ordering::Relaxed);
    }

    /// For autograd: where the tensor came from.
    #[inline]
    pub fn history(&self) -> Option<History> {
        // Leaves are asked most often: without the lock.
        if self.0.recorded.load(Ordering::Acquire) { self.0.history.lock().clone() } else { None }
    }

    /// For autograd: says where the tensor came from, and returns what was said before. Ops on it are recorded
    /// from now on.
    pub fn set_history(&self, history: History) -> Option<History> {
        let old = self.0.history.lock().replace(history);
        self.0.recorded.store(true, Ordering::Release);
        self.set_tracks(true);
        old
    }

    /// [`set_history`](Tensor::set_history) of an op's fresh output, which nobody else has seen.
    pub(crate) fn made_by(&mut self, node: Node, output: u32) {
        match Arc::get_mut(&mut *self.0) {
            Some(inner) => {
                *inner.history.get_mut() = Some(History { node, output });
                (*inner.tracks.get_mut(), *inner.recorded.get_mut()) = (true, true);
            }
            None => drop(self.set_history(History { node, output })),
        }
    }

    /// For autograd: the place where it keeps what else belongs to this tensor.
    #[inline]
    pub fn grad_meta(&self) -> &OnceLock<Box<dyn Any + Send + Sync>> {
        &self.0.meta
    }

    /// The same elements without history; the storage is shared.
    ///
    /// It cannot fail: where an [interpreter](crate::dispatch::Interpreter) of one's own refuses it, that is the error of
    /// the thread's next call.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([1.0, 2.0]);
    /// x.detach().mul_(2.0)?; // the same memory
    /// assert_eq!(x.to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    #[track_caller]
    pub fn detach(&self) -> Tensor {
        let answered = if dispatch::is_interpreted() { dispatch::detached(self) } else { None };
        answered.unwrap_or_else(|| Tensor::over(self.storage().clone(), self.layout().clone(), self.dtype(), None))
    }

    /// For autograd: another handle on the same elements that is a view in the same manner but has no
    /// history of its own.
    pub fn shadow(&self) -> Tensor {
        let view = self.0.view.as_ref().map(View::again);
        Tensor::over(self.storage().clone(), self.layout().clone(), self.dtype(), view)
    }

    /// The elements in row-major order.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.t()?.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where `T` is not the tensor's dtype (see [`to_dtype`](Tensor::to_dtype)), or it has no data.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect_dtype::<T>("to_vec")?;
        dispatch::reading("to_vec", self)?;
        self.values("to_vec").map_err(|e| e.located(Location::caller()))
    }

    /// The elements in row-major order, for `by`; of dtype `T`.
    pub(crate) fn values<T: Element>(&self, by: &'static str) -> Result<Vec<T>> {
        if self.device() == Device::Cpu && self.is_contiguous() {
            return Ok(self.locked::<T::Stored>(by)?.iter().map(|s| T::load(*s)).collect());
        }
        let bytes = self.bytes(by)?;
        Ok(bytes
            .chunks_exact(size_of::<T::Stored>())
            // SAFETY: the chunk has the size of `T::Stored`, for which every bit pattern is a value.
            .map(|c| T::load(unsafe { c.as_ptr().cast::<T::Stored>().read_unaligned() }))
            .collect())
    }

    /// The elements as they lie in memory (native byte order), in row-major order.
    ///
    /// # Errors
    /// Where it has no data.
    #[track_caller]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        dispatch::reading("to_bytes", self)?;
        self.bytes("to_bytes").map_err(|e| e.located(Location::caller()))
    }

    /// The elements as bytes, for `by`.
    fn bytes(&self, by: &'static str) -> Result<Vec<u8>> {
        let rows = dispatch::no_grad(|| dispatch::uninterpreted(|| self.contiguous()?.to_device(Device::Cpu)))?;
        let _guard = lock_for_op(by, &[&rows], &[])?;
        let (at, len) = (rows.storage_offset() * rows.dtype().size(), rows.numel() * rows.dtype().size());
        if len == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: a contiguous layout inside its storage, which is initialised and locked to read.
        Ok(unsafe { std::slice::from_raw_parts(rows.storage().host_ptr().add(at), len) }.to_vec())
    }

    /// The value of a tensor of one element, converted as by `as` where the dtypes differ.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1.5, 2.5]).sum(..)?.item::<f64>()?, 4.0);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it has more or fewer elements, or no data.
    #[track_caller]
    pub fn item<T: FromScalar>(&self) -> Result<T> {
        Ok(T::from_scalar(self.scalar()?))
    }

    /// The value of a tensor of one element.
    ///
    /// # Errors
    /// Where it has more or fewer elements, or no data.
    #[track_caller]
    pub fn scalar(&self) -> Result<Scalar> {
        dispatch::reading("item", self)?;
        ensure!(
            self.numel() == 1,
            Shape,
            "item",
            "a tensor of shape {:?} has {} elements, not one",
            self.shape(),
            self.numel()
        );
        macro_rules! read {
            ($($dtype:ident => $t:ty),*) => {
                match self.dtype() { $(DType::$dtype => Scalar::from(self.values::<$t>("item")?[0]),)* }
            };
        }
        Ok(read! {
            Bool => bool, U8 => u8, U16 => u16, U32 => u32, U64 => u64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, F16 => half::f16, BF16 => half::bf16,
            F32 => f32, F64 => f64, Complex64 => num_complex::Complex<f32>, Complex128 => num_complex::Complex<f64>
        })
    }

    #[track_caller]
    fn expect_dtype<T: Element>(&self, op: &'static str) -> Result<()> {
        ensure!(self.dtype() == T::DTYPE, DType, op, "the tensor is {}, not {}", self.dtype(), T::DTYPE);
        Ok(())
    }
}

/// What [`Tensor::item`] can give.
pub trait FromScalar {
    /// The value of `scalar`, converted as by `as`.
    fn from_scalar(scalar: Scalar) -> Self;
}

macro_rules! from_scalar {
    ($($t:ty: |$s:ident| $value:expr;)*) => {$(
        impl FromScalar for $t {
            fn from_scalar($s: Scalar) -> $t { $value }
        }
    )*};
}

from_scalar! {
    f32: |s| s.to_f64() as f32; f64: |s| s.to_f64(); i8: |s| s.to_i64() as i8; i16: |s| s.to_i64() as i16; i32: |s| s.to_i64() as i32;
    i64: |s| s.to_i64(); u8: |s| s.to_i64() as u8;
    u16: |s| s.to_i64() as u16; u32: |s| s.to_i64() as u32; u64: |s| s.to_u64(); usize: |s| s.to_i64() as usize; bool: |s| s.to_bool(); num_complex::Complex<f64>: |s| s.to_c128();
}
