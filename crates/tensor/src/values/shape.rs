//! Shapes and dimension arguments: small inline lists, what users may pass for them, and the
//! broadcasting rule.

use crate::{Result, bail, ensure};
use smallvec::SmallVec;
use std::ops::RangeFull;

/// Sizes of the dimensions; no heap for six or fewer.
pub type Shape = SmallVec<[usize; 6]>;
/// Elements to step by in each dimension.
pub type Strides = SmallVec<[usize; 6]>;
/// Dimension indices, normalised to `0..rank`.
pub type DimList = SmallVec<[usize; 6]>;

/// The order that undoes `order`, a permutation.
pub(crate) fn inverse(order: &[usize]) -> DimList {
    let mut back = DimList::from_elem(0, order.len());
    order.iter().enumerate().for_each(|(i, d)| back[*d] = i);
    back
}

/// A copy of a list, for where each op pays for it: `SmallVec`'s own go number by number, or call `memcpy`.
#[inline]
pub(crate) fn copied(list: &[usize]) -> Shape {
    let mut all = [0; 6];
    if list.len() > all.len() {
        return Shape::from_slice(list);
    }
    for i in 0..all.len() {
        if i < list.len() {
            all[i] = list[i];
        }
    }
    Shape::from_buf_and_len(all, list.len())
}

/// True where both are one shape. Number by number: a call to compare a few costs more.
#[inline]
pub(crate) fn same_shape(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && (0..a.len()).all(|d| a[d] == b[d])
}

/// The highest rank a tensor may have, as in PyTorch.
pub const MAX_RANK: usize = 64;

/// An integer that may stand for a size or a dimension.
pub trait Size: Copy {
    /// As a signed size; one beyond its range is the largest there is, which no tensor has.
    fn size(self) -> isize;
}

/// What may stand for a shape: `[2, 3]`, `[]` for a scalar's, a tuple of integers of several types (`(-1, n)`), a
/// slice, a `Vec`, or one number. `-1` ("as many as are left") is for the methods that say they take it.
///
/// ```
/// # use flambeau_tensor::Tensor;
/// let x = Tensor::zeros([2, 3, 4]).build()?;
/// let [b, t, c] = x.dims()?;
/// assert_eq!(x.view((-1, c))?.shape(), [b * t, c]);
/// assert_eq!(Tensor::zeros([]).build()?.rank(), 0);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait IntoShape {
    /// The sizes, signed.
    fn into_sizes(self) -> SmallVec<[isize; 6]>;

    /// The sizes, none of which may be negative.
    ///
    /// # Errors
    /// Where one is negative, or there are more than a tensor has.
    #[track_caller]
    fn into_shape(self, op: &'static str) -> Result<Shape>
    where
        Self: Sized,
    {
        let sizes = self.into_sizes();
        ensure!(sizes.len() <= MAX_RANK, Shape, op, "{} dimensions, at most {MAX_RANK} are possible", sizes.len());
        match sizes.iter().find(|s| **s < 0) {
            Some(s) => bail!(Shape, op, "size {s} in shape {sizes:?} is negative"),
            None => Ok(sizes.iter().map(|s| *s as usize).collect()),
        }
    }
}

/// What may stand for one or more dimensions: `-1`, `[0, 2]`, a slice, a `Vec`, or `..` for all.
#[derive(Clone, Debug, PartialEq)]
pub enum Dims {
    /// every dimension
    All,
    /// these, negative ones counted from the end
    Some(SmallVec<[isize; 6]>),
}

macro_rules! int_arguments {
    ($($t:ty),*) => {$(
        impl Size for $t {
            fn size(self) -> isize { isize::try_from(self).unwrap_or(isize::MAX) }
        }
        impl IntoShape for $t {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { SmallVec::from_slice(&[self.size()]) }
        }
        impl From<$t> for Dims {
            fn from(d: $t) -> Dims { Dims::Some(SmallVec::from_slice(&[d.size()])) }
        }
    )*};
}

int_arguments!(i32, i64, isize, usize);

fn sizes<T: Size>(list: &[T]) -> SmallVec<[isize; 6]> {
    list.iter().map(|s| s.size()).collect()
}

impl<T: Size> IntoShape for &[T] {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        sizes(self)
    }
}

impl<T: Size> IntoShape for Vec<T> {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        sizes(&self)
    }
}

impl<T: Size> IntoShape for &Vec<T> {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        sizes(self)
    }
}

impl<T: Size, const N: usize> From<[T; N]> for Dims {
    fn from(d: [T; N]) -> Dims {
        Dims::Some(sizes(&d))
    }
}

impl<T: Size> From<&[T]> for Dims {
    fn from(d: &[T]) -> Dims {
        Dims::Some(sizes(d))
    }
}

impl<T: Size> From<Vec<T>> for Dims {
    fn from(d: Vec<T>) -> Dims {
        Dims::Some(sizes(&d))
    }
}

/// Arrays by length, and not for every length at once, so that `[]` need not say what it has none of.
macro_rules! array_arguments {
    ($($t:ident: $n:literal),*) => {$(
        impl<$t: Size> IntoShape for [$t; $n] {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { sizes(&self) }
        }
        impl<$t: Size> IntoShape for &[$t; $n] {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { sizes(self) }
        }
    )*};
}

array_arguments!(T: 1, T: 2, T: 3, T: 4, T: 5, T: 6, T: 7, T: 8, T: 9, T: 10, T: 11, T: 12);

impl IntoShape for [usize; 0] {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        SmallVec::new()
    }
}

impl IntoShape for &[usize; 0] {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        SmallVec::new()
    }
}

macro_rules! tuple_arguments {
    ($($($t:ident)*;)*) => {$(
        impl<$($t: Size),*> IntoShape for ($($t,)*) {
            fn into_sizes(self) -> SmallVec<[isize; 6]> {
                #[allow(non_snake_case)]
                let ($($t,)*) = self;
                SmallVec::from_slice(&[$($t.size()),*])
            }
        }
    )*};
}

tuple_arguments! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }

/// The shape of no dimensions: a scalar's.
impl IntoShape for () {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        SmallVec::new()
    }
}

impl IntoShape for Shape {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        self.iter().map(|s| s.size()).collect()
    }
}

impl IntoShape for &Shape {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        self.iter().map(|s| s.size()).collect()
    }
}

/// As PyTorch has it of an empty tuple.
impl From<()> for Dims {
    fn from((): ()) -> Dims {
        Dims::All
    }
}

impl From<RangeFull> for Dims {
    fn from(_: RangeFull) -> Dims {
        Dims::All
    }
}

impl From<DimList> for Dims {
    fn from(d: DimList) -> Dims {
        Dims::Some(d.iter().map(|s| s.size()).collect())
    }
}

impl Dims {
    /// The dimensions as indices below `rank`, in the order given, none twice.
    ///
    /// # Errors
    /// Where one is not there or comes twice.
    #[track_caller]
    pub fn resolve(&self, op: &'static str, rank: usize) -> Result<DimList> {
        match self {
            Dims::All => Ok((0..rank).collect()),
            Dims::Some(dims) => {
                let mut list = DimList::new();
                for &d in dims {
                    let d = dim_index(op, d, rank)?;
                    ensure!(!list.contains(&d), Index, op, "dimension {d} appears twice in {dims:?}");
                    list.push(d);
                }
                Ok(list)
            }
        }
    }
}

/// `dim` as an index below `rank`, negative counted from the end; a scalar counts as one dimension.
///
/// # Errors
/// Where it is not there.
#[track_caller]
pub fn dim_index(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let n = rank.max(1) as isize;
    if dim < -n || dim >= n {
        bail!(
            Index,
            op,
            "dimension {dim} is out of range for a tensor of rank {rank} ({} to {} are possible)",
            -n,
            n - 1
        )
    }
    Ok(if dim < 0 { (dim + n) as usize } else { dim as usize })
}

/// The number of elements of `shape`, if a tensor may have it: its sizes, zeros taken as one, multiply to what fits
/// an `isize`. So no stride, no offset and no product of some of a tensor's sizes can wrap, elements or not; PyTorch
/// refuses the same shapes.
#[inline]
pub fn checked_numel(shape: &[usize]) -> Option<usize> {
    let (mut numel, mut most, mut fits) = (1usize, 1usize, true);
    for &size in shape {
        numel = numel.wrapping_mul(size);
        let (next, over) = most.overflowing_mul(size.max(1));
        (most, fits) = (next, fits & !over);
    }
    (fits && most <= isize::MAX as usize).then_some(numel)
}

/// The number of elements of the shape of a tensor that exists.
#[inline]
pub fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The product of sizes, of which users gave some.
#[track_caller]
pub(crate) fn product(op: &'static str, sizes: &[usize]) -> Result<usize> {
    match sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) {
        Some(n) => Ok(n),
        None => bail!(Memory, op, "sizes {sizes:?} are more together than can be counted"),
    }
}

/// Dimensions of an op made by hand: each is there (0 also for a tensor without dimensions), and none twice.
#[track_caller]
pub(crate) fn check_dims(op: &'static str, dims: &[usize], rank: usize) -> Result<()> {
    for (i, d) in dims.iter().enumerate() {
        ensure!(*d < rank.max(1), Index, op, "dimension {d} is out of range for a tensor of rank {rank}");
        ensure!(!dims[..i].contains(d), Index, op, "dimension {d} appears twice in {dims:?}");
    }
    Ok(())
}

/// The shape both broadcast to, by PyTorch's rule: aligned at the right, sizes equal or one of them 1.
///
/// # Errors
/// Where they do not go together.
#[track_caller]
pub fn broadcast_shapes(op: &'static str, a: &[usize], b: &[usize]) -> Result<Shape> {
    if a == b {
        return Ok(Shape::from_slice(a));
    }
    let rank = a.len().max(b.len());
    let size = |s: &[usize], d: usize| if d + s.len() >= rank { s[d + s.len() - rank] } else { 1 };
    let mut out = Shape::with_capacity(rank);
    for d in 0..rank {
        out.push(match (size(a, d), size(b, d)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            (x, y) => bail!(
                Shape,
                op,
                "shapes {a:?} and {b:?} do not broadcast: sizes {x} and {y} at dimension {} differ and neither is 1",
                d as isize - rank as isize
            ),
        });
    }
    Ok(out)
}

/// What an op takes once for each of its one to three spatial dimensions: a stride, a padding, a kernel's
/// size. One value stands for all of them.
///
/// ```
/// # use flambeau_tensor::shape::Spatial;
/// let (all, each): (Spatial, Spatial) = (2.into(), (1, 2).into());
/// assert_eq!(all.spread("pool", "stride", 2)?[..], [2, 2]);
/// assert_eq!(each.spread("pool", "stride", 2)?[..], [1, 2]);
/// assert!(each.spread("pool", "stride", 3).is_err());
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spatial {
    values: [isize; 3],
    given: u8,
}

impl Spatial {
    /// From one value, or one for each dimension.
    ///
    /// # Errors
    /// Where there are none, or more than three.
    #[track_caller]
    pub fn from_slice(values: &[isize]) -> Result<Spatial> {
        ensure!(
            (1..=3).contains(&values.len()),
            Argument,
            "spatial",
            "{} values; one to three are right",
            values.len()
        );
        let mut all = [0; 3];
        all[..values.len()].copy_from_slice(values);
        Ok(Spatial { values: all, given: values.len() as u8 })
    }

    /// The values as they were given.
    pub fn given(&self) -> &[isize] {
        &self.values[..self.given as usize]
    }

    /// One value for each of `dims` dimensions; `what` they are is for the error.
    ///
    /// # Errors
    /// Where another number of values was given, and not one for all.
    #[track_caller]
    pub fn spread(&self, op: &'static str, what: &str, dims: usize) -> Result<SmallVec<[isize; 3]>> {
        match self.given() {
            [one] => Ok(SmallVec::from_elem(*one, dims)),
            values if values.len() == dims => Ok(SmallVec::from_slice(values)),
            values => bail!(
                Argument,
                op,
                "{what} {values:?} does not go with {dims} spatial dimensions: one value or {dims} are right"
            ),
        }
    }

    /// As [`spread`](Spatial::spread), none of the values below `least`.
    ///
    /// # Errors
    /// Where one is below, or there are neither one nor as many as dimensions.
    #[track_caller]
    pub fn at_least(&self, least: usize, op: &'static str, what: &str, dims: usize) -> Result<SmallVec<[usize; 3]>> {
        let values = self.spread(op, what, dims)?;
        ensure!(values.iter().all(|v| *v >= least as isize), Argument, op, "{what} {self:?} must be at least {least}");
        Ok(values.iter().map(|v| *v as usize).collect())
    }
}

impl std::fmt::Debug for Spatial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.given() {
            [one] => write!(f, "{one}"),
            values => write!(f, "{values:?}"),
        }
    }
}

macro_rules! spatial_arguments {
    ($($t:ty),*) => {$(
        impl From<$t> for Spatial {
            fn from(x: $t) -> Spatial { Spatial { values: [x.size(), 0, 0], given: 1 } }
        }
        impl From<($t, $t)> for Spatial {
            fn from((x, y): ($t, $t)) -> Spatial { Spatial { values: [x.size(), y.size(), 0], given: 2 } }
        }
        impl From<($t, $t, $t)> for Spatial {
            fn from((x, y, z): ($t, $t, $t)) -> Spatial { Spatial { values: [x.size(), y.size(), z.size()], given: 3 } }
        }
        impl From<[$t; 1]> for Spatial {
            fn from([x]: [$t; 1]) -> Spatial { x.into() }
        }
        impl From<[$t; 2]> for Spatial {
            fn from([x, y]: [$t; 2]) -> Spatial { (x, y).into() }
        }
        impl From<[$t; 3]> for Spatial {
            fn from([x, y, z]: [$t; 3]) -> Spatial { (x, y, z).into() }
        }
    )*};
}
spatial_arguments!(i32, i64, isize, usize);
