//! Mixed precision: inside [`autocast`] matrix products and convolutions compute in a half-precision dtype, what
//! needs range computes in `f32`, as `torch.autocast`.
//!
//! Which op does what is part of the op ([`Infer::autocast`](crate::op::Infer::autocast)), after PyTorch's lists for
//! the CPU. The casts are ops like others: gradients pass back through them, so a parameter in `f32` gets its
//! gradient in `f32`. The ops of a backward pass run in the dtypes that the forward pass chose.
//!
//! ```
//! use flambeau_tensor::{DType, Tensor, autocast::autocast};
//!
//! let (x, w) = (Tensor::ones([2, 3]).build()?, Tensor::ones([4, 3]).build()?);
//! let y = autocast(DType::BF16, || x.linear(&w, None))?;
//! assert_eq!(y.dtype(), DType::BF16);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

use crate::dispatch::{Call, Interpreter, Output, grad_enabled, in_backward, interpret};
use crate::op::Outputs;
use crate::{DType, Result, Tensor, ensure};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// What [`autocast`] does with an op's floating-point inputs (`f64` stays as it is).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Nothing.
    Keep,
    /// Casts them to the region's dtype.
    Lower,
    /// Casts them to `f32`.
    Full,
    /// Casts them to the widest among them.
    Promote,
}

/// The dtype of a region, and the casts of weights made in it.
struct Autocast {
    dtype: DType,
    /// Number of the region; the innermost one alone acts.
    region: u64,
    /// By the weight's id and whether a gradient can flow.
    weights: RefCell<HashMap<(usize, bool), Cached>>,
}

struct Cached {
    /// Keeps the id taken.
    weight: Tensor,
    version: u32,
    cast: Tensor,
}

thread_local! {
    /// Number and dtype of the innermost region; none under [`no_autocast`].
    static REGION: Cell<Option<(u64, DType)>> = const { Cell::new(None) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

struct Leave(Option<(u64, DType)>);

impl Drop for Leave {
    fn drop(&mut self) {
        REGION.set(self.0);
    }
}

/// Runs `f` in mixed precision: `with torch.autocast("cpu", dtype)`. `dtype` is `BF16` or `F16`; with another the first
/// op inside is an error.
///
/// Run the forward pass and the loss in it, and `backward` outside.
pub fn autocast<R>(dtype: DType, f: impl FnOnce() -> R) -> R {
    let region = NEXT.replace(NEXT.get() + 1);
    let _leave = Leave(REGION.replace(Some((region, dtype))));
    interpret(Rc::new(Autocast { dtype, region, weights: RefCell::default() }), f)
}

/// Runs `f` in the dtypes of its tensors, within a region: `with torch.autocast("cpu", enabled=False)`.
pub fn no_autocast<R>(f: impl FnOnce() -> R) -> R {
    let _leave = Leave(REGION.replace(None));
    f()
}

/// The dtype of the innermost region that this code runs in, if any.
pub fn autocast_dtype() -> Option<DType> {
    REGION.get().map(|r| r.1)
}

/// Inside of [`autocast`] the tensors in `f32` where they are in half precision, elsewhere as they are: for a
/// function of several ops that needs range, such as a loss.
///
/// # Errors
/// Where memory runs out.
pub fn full_precision<'a, const N: usize>(tensors: [&'a Tensor; N]) -> Result<[Cow<'a, Tensor>; N]> {
    let mut all = tensors.map(Cow::Borrowed);
    if autocast_dtype().is_some() && !in_backward() {
        for t in all.iter_mut().filter(|t| t.dtype().is_half()) {
            *t = Cow::Owned(t.to_dtype(DType::F32)?);
        }
    }
    Ok(all)
}

/// Inside of [`autocast`] the tensors in the region's dtype, elsewhere as they are: for a function of several ops that is on
/// the list of those in lower precision.
pub(crate) fn lower_precision<'a, const N: usize>(tensors: [&'a Tensor; N]) -> Result<[Cow<'a, Tensor>; N]> {
    let mut all = tensors.map(Cow::Borrowed);
    if let Some(dtype) = autocast_dtype().filter(|_| !in_backward()) {
        for t in all.iter_mut().filter(|t| is_eligible(t) && t.dtype() != dtype) {
            *t = Cow::Owned(t.to_dtype(dtype)?);
        }
    }
    Ok(all)
}

/// Inside of [`autocast`] both tensors in the wider of their dtypes, elsewhere as they are.
pub(crate) fn widest<'a>([a, b]: [&'a Tensor; 2]) -> Result<[Cow<'a, Tensor>; 2]> {
    let acts = autocast_dtype().is_some() && !in_backward() && is_eligible(a) && is_eligible(b);
    if !acts || a.dtype() == b.dtype() {
        return Ok([a, b].map(Cow::Borrowed));
    }
    let dtype = a.dtype().promote(b.dtype());
    Ok([Cow::Owned(a.to_dtype(dtype)?), Cow::Owned(b.to_dtype(dtype)?)])
}

/// No region acts until the guard is dropped: for what ops do among themselves.
pub(crate) fn paused() -> impl Drop {
    Leave(REGION.replace(None))
}

/// A function of several ops that is on the list of those in full precision: within a region it is called again with
/// its tensors in `f32`, and its ops are left alone. `in_full_precision!(a = self, b = other => a.cdist(&b, p))`.
macro_rules! in_full_precision {
    ($($name:ident = $tensor:expr),+ => $again:expr) => {
        if $crate::autocast::autocast_dtype().is_some() {
            let [$($name),+] = $crate::autocast::full_precision([$($tensor),+])?;
            let _region = $crate::interpreters::autocast::paused();
            return $again;
        }
    };
}
pub(crate) use in_full_precision;

/// The same for one that is on the list of those in lower precision.
macro_rules! in_lower_precision {
    ($($name:ident = $tensor:expr),+ => $again:expr) => {
        if $crate::autocast::autocast_dtype().is_some() {
            let [$($name),+] = $crate::interpreters::autocast::lower_precision([$($tensor),+])?;
            let _region = $crate::interpreters::autocast::paused();
            return $again;
        }
    };
}
pub(crate) use in_lower_precision;

/// May autocast cast it?
fn is_eligible(t: &Tensor) -> bool {
    t.dtype().is_float() && t.dtype() != DType::F64
}

impl Autocast {
    fn cast<'a>(&self, t: &'a Tensor, dtype: DType) -> Result<Cow<'a, Tensor>> {
        if !is_eligible(t) || t.dtype() == dtype {
            return Ok(Cow::Borrowed(t));
        }
        // A weight is cast once, however often it is used.
        let is_weight = dtype == self.dtype && t.requires_grad() && t.history().is_none() && t.as_view().is_none();
        if !is_weight {
            return t.to_dtype(dtype).map(Cow::Owned);
        }
        let key = (t.id(), grad_enabled());
        if let Some(found) = self.weights.borrow().get(&key).filter(|c| c.version == t.version()) {
            return Ok(Cow::Owned(found.cast.clone()));
        }
        let cast = t.to_dtype(dtype)?;
        let cached = Cached { weight: t.clone(), version: t.version(), cast: cast.clone() };
        debug_assert_eq!(cached.weight.id(), key.0);
        drop(self.weights.borrow_mut().insert(key, cached));
        Ok(Cow::Owned(cast))
    }

    fn target(&self, policy: Policy, inputs: &[&Tensor]) -> Option<DType> {
        let eligible = || inputs.iter().filter(|t| is_eligible(t)).map(|t| t.dtype());
        match policy {
            Policy::Keep => None,
            Policy::Lower => Some(self.dtype),
            Policy::Full => Some(DType::F32),
            Policy::Promote => eligible().reduce(DType::promote),
        }
    }
}

impl Interpreter for Autocast {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let acts = REGION.get().is_some_and(|r| r.0 == self.region) && !in_backward();
        let fresh = matches!(call.output, Output::Fresh);
        if !(acts && fresh) {
            return call.run();
        }
        ensure!(self.dtype.is_half(), DType, "autocast", "the dtype is bfloat16 or float16, not {}", self.dtype);
        let Some(to) = self.target(call.op.autocast(), call.inputs) else { return call.run() };
        let cast = call.inputs.iter().map(|t| self.cast(t, to)).collect::<Result<SmallVec<[_; 4]>>>()?;
        let inputs: SmallVec<[&Tensor; 4]> = cast.iter().map(|t| &**t).collect();
        Call { inputs: &inputs, ..call }.run()
    }
}
