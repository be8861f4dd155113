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

/// The highest rank a tensor may have, as in PyTorch.
pub const MAX_RANK: usize = 64;

/// What may stand for a shape: `[2, 3]`, `(2, 3)`-like arrays of any integer type, a slice, a `Vec`,
/// or one number. `-1` ("as many as are left") is for the methods that say they take it.
pub trait IntoShape {
    /// The sizes, signed.
    fn into_sizes(self) -> SmallVec<[isize; 6]>;

    /// The sizes, none of which may be negative.
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
        impl IntoShape for $t {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { SmallVec::from_slice(&[self as isize]) }
        }
        impl<const N: usize> IntoShape for [$t; N] {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { self.iter().map(|s| *s as isize).collect() }
        }
        impl<const N: usize> IntoShape for &[$t; N] {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { self.iter().map(|s| *s as isize).collect() }
        }
        impl IntoShape for &[$t] {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { self.iter().map(|s| *s as isize).collect() }
        }
        impl IntoShape for Vec<$t> {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { self.iter().map(|s| *s as isize).collect() }
        }
        impl IntoShape for &Vec<$t> {
            fn into_sizes(self) -> SmallVec<[isize; 6]> { self.iter().map(|s| *s as isize).collect() }
        }
        impl From<$t> for Dims {
            fn from(d: $t) -> Dims { Dims::Some(SmallVec::from_slice(&[d as isize])) }
        }
        impl<const N: usize> From<[$t; N]> for Dims {
            fn from(d: [$t; N]) -> Dims { Dims::Some(d.iter().map(|s| *s as isize).collect()) }
        }
        impl From<&[$t]> for Dims {
            fn from(d: &[$t]) -> Dims { Dims::Some(d.iter().map(|s| *s as isize).collect()) }
        }
        impl From<Vec<$t>> for Dims {
            fn from(d: Vec<$t>) -> Dims { Dims::Some(d.iter().map(|s| *s as isize).collect()) }
        }
    )*};
}

int_arguments!(i32, i64, isize, usize);

/// The shape of no dimensions: a scalar's.
impl IntoShape for () {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        SmallVec::new()
    }
}

impl IntoShape for Shape {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        self.iter().map(|s| *s as isize).collect()
    }
}

impl IntoShape for &Shape {
    fn into_sizes(self) -> SmallVec<[isize; 6]> {
        self.iter().map(|s| *s as isize).collect()
    }
}

impl From<RangeFull> for Dims {
    fn from(_: RangeFull) -> Dims {
        Dims::All
    }
}

impl From<DimList> for Dims {
    fn from(d: DimList) -> Dims {
        Dims::Some(d.iter().map(|s| *s as isize).collect())
    }
}

impl Dims {
    /// The dimensions as indices below `rank`, in the order given, none twice.
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
#[track_caller]
pub fn dim_index(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let n = rank.max(1) as isize;
    if dim < -n || dim >= n {
        bail!(Index, op, "dimension {dim} is out of range for a tensor of rank {rank} ({} to {} are possible)", -n, n - 1)
    }
    Ok(if dim < 0 { (dim + n) as usize } else { dim as usize })
}

/// The number of elements of `shape`, if it can be counted.
pub fn checked_numel(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s))
}

/// The number of elements of the shape of a tensor that exists.
#[inline]
pub fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The shape both broadcast to, by PyTorch's rule: aligned at the right, sizes equal or one of them 1.
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
                Shape, op, "shapes {a:?} and {b:?} do not broadcast: sizes {x} and {y} at dimension {} differ and neither is 1",
                d as isize - rank as isize
            ),
        });
    }
    Ok(out)
}
