//! Indexing as in Python: `x.i((.., 0, 2..5))?` reads, `x.set((.., 0), 1.0)?` writes.
//!
//! Integers, ranges and new axes make views; index tensors and masks copy, by the rules of PyTorch:
//! index tensors broadcast together, their dimensions stand where they stood if they are neighbours and
//! first if they are not.

use crate::ops::Operand;
use crate::shape::Size;
use crate::{DType, Result, Scalar, Tensor, bail, ensure};
use smallvec::{SmallVec, smallvec};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What one place of an index may hold.
#[derive(Clone, Debug)]
pub enum Pick {
    /// one element, negative counted from the end; the dimension goes
    At(isize),
    /// some elements, ends cut to the size as in Python
    Slice {
        /// the first one, negative counted from the end
        start: isize,
        /// the one behind the last, negative counted from the end; `None` for all there are
        end: Option<isize>,
        /// from one to the next
        step: usize,
    },
    /// a new dimension of size 1: Python's `None`
    NewAxis,
    /// all dimensions that the rest of the index leaves: Python's `...`
    Ellipsis,
    /// elements by number, or by a mask
    Tensor(Tensor),
}

/// A new dimension of size 1 in an index, as Python's `None`.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// All the dimensions that the rest of an index leaves, as Python's `...`.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

/// A range with a step, made by [`Every::every`].
#[derive(Clone, Copy, Debug)]
pub struct Stepped {
    start: isize,
    end: Option<isize>,
    step: usize,
}

/// What may stand at one place of an index.
pub trait IntoPick {
    /// As a [`Pick`].
    ///
    /// # Errors
    /// Where it cannot stand there.
    fn into_pick(self) -> Result<Pick>;
}

/// One [`IntoPick`], or a tuple of them: what [`Tensor::i`] takes.
pub trait IntoIndex {
    /// The places in order.
    ///
    /// # Errors
    /// Where one of them cannot stand there.
    fn into_index(self) -> Result<Picks>;
}

/// The places of an index.
pub type Picks = SmallVec<[Pick; 4]>;

/// Ranges with a step.
pub trait Every {
    /// Every `step`th element of the range: `(0..8).every(2)` is Python's `0:8:2`.
    fn every(self, step: usize) -> Stepped;
}

macro_rules! pick_ranges {
    ($($t:ty),*) => {$(
        impl IntoPick for $t {
            fn into_pick(self) -> Result<Pick> { Ok(Pick::At(self.size())) }
        }
        impl IntoPick for Vec<$t> {
            fn into_pick(self) -> Result<Pick> { list(self.iter().map(|i| i.size() as i64).collect()) }
        }
        impl IntoPick for &[$t] {
            fn into_pick(self) -> Result<Pick> { list(self.iter().map(|i| i.size() as i64).collect()) }
        }
        impl<const N: usize> IntoPick for [$t; N] {
            fn into_pick(self) -> Result<Pick> { list(self.iter().map(|i| i.size() as i64).collect()) }
        }
        pick_ranges! { @range
            Range<$t>, |r| (r.start.size(), Some(r.end.size()));
            RangeFrom<$t>, |r| (r.start.size(), None);
            RangeTo<$t>, |r| (0, Some(r.end.size()));
            RangeInclusive<$t>, |r| (r.start().size(), behind(r.end().size()));
            RangeToInclusive<$t>, |r| (0, behind(r.end.size()));
        }
    )*};
    (@range $($range:ty, |$r:ident| $ends:expr;)*) => {$(
        impl Every for $range {
            fn every(self, step: usize) -> Stepped {
                let $r = self;
                let (start, end) = $ends;
                Stepped { start, end, step }
            }
        }
        impl IntoPick for $range {
            fn into_pick(self) -> Result<Pick> { self.every(1).into_pick() }
        }
    )*};
}
pick_ranges!(i32, i64, isize, usize);

/// The end behind the last element `last`; `-1` is the last one of all.
fn behind(last: isize) -> Option<isize> {
    if last == -1 { None } else { Some(last.saturating_add(1)) }
}

fn list(numbers: Vec<i64>) -> Result<Pick> {
    Ok(Pick::Tensor(Tensor::from_slice(&numbers, [numbers.len()])?))
}

impl Every for RangeFull {
    fn every(self, step: usize) -> Stepped {
        Stepped { start: 0, end: None, step }
    }
}

macro_rules! picks {
    ($($t:ty, |$x:ident| $pick:expr;)*) => {
        $(impl IntoPick for $t { fn into_pick(self) -> Result<Pick> { let $x = self; Ok($pick) } })*
    };
}
picks! {
    Stepped, |s| Pick::Slice { start: s.start, end: s.end, step: s.step };
    RangeFull, |_all| Pick::Slice { start: 0, end: None, step: 1 };
    NewAxis, |_new| Pick::NewAxis;
    Ellipsis, |_rest| Pick::Ellipsis;
    Tensor, |x| Pick::Tensor(x);
    &Tensor, |x| Pick::Tensor(x.clone());
    bool, |b| Pick::Tensor(Tensor::scalar_on(b.into(), DType::Bool, crate::Device::Cpu)?);
    Vec<bool>, |mask| Pick::Tensor(Tensor::from_slice(&mask, [mask.len()])?);
    Pick, |pick| pick;
}

impl<const N: usize> IntoPick for [bool; N] {
    fn into_pick(self) -> Result<Pick> {
        Ok(Pick::Tensor(Tensor::from_slice(&self, [N])?))
    }
}

impl<T: IntoPick> IntoIndex for T {
    fn into_index(self) -> Result<Picks> {
        Ok(smallvec![self.into_pick()?])
    }
}

impl IntoIndex for Picks {
    fn into_index(self) -> Result<Picks> {
        Ok(self)
    }
}

macro_rules! tuples {
    ($(($($T:ident $x:ident),*);)*) => {$(
        impl<$($T: IntoPick),*> IntoIndex for ($($T,)*) {
            fn into_index(self) -> Result<Picks> {
                let ($($x,)*) = self;
                Ok(smallvec![$($x.into_pick()?),*])
            }
        }
    )*};
}
tuples! {
    (A a);
    (A a, B b);
    (A a, B b, C c);
    (A a, B b, C c, D d);
    (A a, B b, C c, D d, E e);
    (A a, B b, C c, D d, E e, F f);
    (A a, B b, C c, D d, E e, F f, G g);
    (A a, B b, C c, D d, E e, F f, G g, H h);
}

/// An index taken as far as views go: the view, and the tensors that still pick from it.
struct Parts {
    view: Tensor,
    /// One for each dimension of the view that a tensor picks from, or dimensions that a mask does; as
    /// long as the last of them.
    tensors: SmallVec<[Option<Tensor>; 4]>,
    /// How many more dimensions masks took than they have places in the list.
    extra: usize,
}

impl Tensor {
    /// What stands at `index`, as Python's `x[…]`: one place or a tuple of them.
    ///
    /// - an integer takes one element and its dimension goes; a range takes some; `..` takes all of a
    ///   dimension; [`NewAxis`] makes one of size 1; [`Ellipsis`] stands for all that are not named;
    ///   `(0..8).every(2)` ([`Every`]) steps. These are views: what is written there is written here.
    /// - a list or tensor of integers takes those elements (negative ones from the end), a mask those
    ///   where it is true. These are copies.
    ///
    /// ```
    /// use flambeau_tensor::{Ellipsis, Every, NewAxis, Tensor, tensor};
    /// let x = Tensor::arange(0, 24).build()?.reshape([2, 3, 4])?;
    /// assert_eq!(x.i(1)?.shape(), [3, 4]);
    /// assert_eq!(x.i((.., 0, 1..3))?.to_vec::<i64>()?, [1, 2, 13, 14]);
    /// assert_eq!(x.i((Ellipsis, (..).every(2), NewAxis))?.shape(), [2, 3, 2, 1]);
    /// assert_eq!(x.i((-1, [0, 2], -1))?.to_vec::<i64>()?, [15, 23]);
    /// assert_eq!(x.i(x.gt(21)?)?.to_vec::<i64>()?, [22, 23]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where an index is out of range, there are more of them than dimensions, or a mask has another
    /// shape than what it picks from.
    #[track_caller]
    pub fn i(&self, index: impl IntoIndex) -> Result<Tensor> {
        let parts = self.parts("index", index.into_index()?)?;
        if parts.tensors.is_empty() {
            return Ok(parts.view);
        }
        parts.view.index(&parts.tensors.iter().map(Option::as_ref).collect::<Vec<_>>())
    }

    /// Writes `value`, a number or a tensor that broadcasts, to `index`, as Python's `x[…] = value`.
    /// See [`i`](Tensor::i). Where index tensors name one element twice, the last value stays.
    ///
    /// ```
    /// use flambeau_tensor::tensor;
    /// let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// x.set((.., 0), 0.0)?.set(x.gt(2.0)?, 9.0)?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 2.0, 0.0, 9.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`i`](Tensor::i), or where `value` does not broadcast, or the dtype has no such number. Nothing is
    /// written then.
    #[track_caller]
    pub fn set<'a>(&self, index: impl IntoIndex, value: impl Into<Operand<'a>>) -> Result<&Tensor> {
        let parts = self.parts("index_put_", index.into_index()?)?;
        let value = value.into();
        if parts.tensors.is_empty() {
            match value {
                // As in PyTorch, a single element of half precision takes a number beyond all of its own as infinite.
                Operand::Scalar(s @ (Scalar::Int(_) | Scalar::Float(_)))
                    if parts.view.rank() == 0 && self.dtype().is_half() =>
                {
                    parts.view.fill_(Scalar::Float(s.to_f64()).rounded(self.dtype()))?
                }
                Operand::Scalar(s) => parts.view.fill_(s)?,
                Operand::Tensor(t) => parts.view.copy_(&without_leading_ones(&t, parts.view.rank())?)?,
            };
            return Ok(self);
        }
        match (&value, &parts.tensors[..]) {
            (Operand::Scalar(s), [Some(mask)]) if mask.dtype() == DType::Bool => {
                let mask = mask_over(&parts.view, mask)?;
                parts.view.masked_fill_(&mask, *s)?;
            }
            _ => {
                let value = value.stored_in("index_put_", self)?;
                let tensors: Vec<_> = parts.tensors.iter().map(Option::as_ref).collect();
                parts.view.index_put_(&tensors, &value, false)?;
            }
        }
        Ok(self)
    }

    #[track_caller]
    fn parts(&self, op: &'static str, picks: Picks) -> Result<Parts> {
        let takes: usize = picks.iter().map(Pick::takes).sum();
        ensure!(
            takes <= self.rank(),
            Index,
            op,
            "{takes} dimensions are indexed, the tensor of shape {:?} has {}",
            self.shape(),
            self.rank()
        );
        let open = picks.iter().filter(|p| matches!(p, Pick::Ellipsis)).count();
        ensure!(open <= 1, Index, op, "an ellipsis may stand only once");
        let mut parts = Parts { view: self.clone(), tensors: SmallVec::new(), extra: 0 };
        // `dim` counts dimensions of the view, `own` those of this tensor, for messages.
        let (mut dim, mut own) = (0, 0);
        for pick in picks {
            let taken = pick.takes();
            match pick {
                Pick::Ellipsis => {
                    dim += self.rank() - takes;
                    own += self.rank() - takes;
                }
                Pick::NewAxis => {
                    parts.view = parts.view.unsqueeze(dim as isize)?;
                    dim += 1;
                }
                Pick::At(at) => parts.select(op, dim, own, at)?,
                Pick::Slice { start: 0, end: None, step: 1 } => dim += 1,
                Pick::Slice { start, end, step } => {
                    parts.view = parts.view.slice(dim as isize, start, end.unwrap_or(isize::MAX), step)?;
                    dim += 1;
                }
                // A whole number without dimensions picks one element: a view.
                Pick::Tensor(t)
                    if t.rank() == 0 && t.dtype().is_int() && t.dtype() != DType::U8 && t.device().has_data() =>
                {
                    parts.select(op, dim, own, t.item::<i64>()? as isize)?;
                }
                Pick::Tensor(t) => dim = parts.record(op, dim, own, t)?,
            }
            own += taken;
        }
        Ok(parts)
    }
}

impl Pick {
    /// How many dimensions of the tensor it stands for.
    fn takes(&self) -> usize {
        match self {
            Pick::NewAxis | Pick::Ellipsis => 0,
            Pick::Tensor(mask) if matches!(mask.dtype(), DType::Bool | DType::U8) => mask.rank(),
            _ => 1,
        }
    }
}

impl Parts {
    #[track_caller]
    fn select(&mut self, op: &'static str, dim: usize, own: usize, at: isize) -> Result<()> {
        let size = self.view.shape()[dim] as isize;
        ensure!(
            (-size..size).contains(&at),
            Index,
            op,
            "index {at} is out of range for dimension {own} of size {size}"
        );
        self.view = self.view.select(dim as isize, at)?;
        Ok(())
    }

    /// Notes that `t` picks from dimension `dim` on; returns the dimension behind.
    #[track_caller]
    fn record(&mut self, op: &'static str, dim: usize, own: usize, t: Tensor) -> Result<usize> {
        let mask = matches!(t.dtype(), DType::Bool | DType::U8);
        if mask && t.rank() == 0 {
            // One truth value keeps all or nothing, along a dimension of its own.
            self.view = self.view.unsqueeze(dim as isize)?;
            self.tensors.resize(dim - self.extra, None);
            self.tensors.push(Some(t.unsqueeze(0)?));
            return Ok(dim + 1);
        }
        let taken = if mask { t.rank() } else { 1 };
        for d in 0..if mask { taken } else { 0 } {
            let (has, size) = (t.shape()[d], self.view.shape()[dim + d]);
            if has != size {
                bail!(
                    Shape,
                    op,
                    "the mask of shape {:?} has size {has} where dimension {} of the tensor has {size}",
                    t.shape(),
                    own + d
                )
            }
        }
        self.tensors.resize(dim - self.extra, None);
        self.tensors.push(Some(t));
        self.extra += taken - 1;
        Ok(dim + taken)
    }
}

/// A mask over the first dimensions as one that broadcasts with all of them.
#[track_caller]
fn mask_over(view: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let mut shape: SmallVec<[usize; 6]> = SmallVec::from_slice(mask.shape());
    shape.resize(view.rank().max(mask.rank()), 1);
    mask.reshape(shape)
}

/// As Python's assignment lets it be: leading dimensions of size 1 beyond the target's do not count.
#[track_caller]
pub(crate) fn without_leading_ones(value: &Tensor, rank: usize) -> Result<Tensor> {
    let extra = value.rank().saturating_sub(rank);
    if extra == 0 || value.shape()[..extra].iter().any(|s| *s != 1) {
        return Ok(value.clone());
    }
    value.reshape(&value.shape()[extra..])
}

#[cfg(test)]
#[path = "indexing_tests.rs"]
mod tests;
