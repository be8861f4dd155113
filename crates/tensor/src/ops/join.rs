//! Tensors put together ([`Cat`]), turned round ([`Flip`]), repeated, and made of parts of others: the
//! composites over these two and views. Diagonals and triangles stand in `diagonal.rs`.

use super::binary::check_promotes;
use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas};
use crate::shape::{DimList, Dims, IntoShape, Shape, check_dims, dim_index};
use crate::{Device, Layout, Result, Tensor, bail, dispatch, ensure, no_grad, result_type};
use smallvec::SmallVec;

/// The inputs one after another along `dim`; all other sizes are equal.
#[derive(Clone, Debug)]
pub struct Cat {
    /// The dimension.
    pub dim: usize,
    /// The size of each input there.
    pub sizes: SmallVec<[usize; 6]>,
}

/// The elements of some dimensions in the opposite order.
#[derive(Clone, Debug)]
pub struct Flip {
    /// The dimensions.
    pub dims: DimList,
}

impl Infer for Cat {
    const NAME: &'static str = "cat";
    fn autocast(&self) -> Policy {
        Policy::Promote
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (mut meta, dim) = (Meta::like(inputs[0]), self.dim);
        let alike = |t: &Tensor, size: usize| {
            t.dtype() == meta.dtype
                && t.rank() == meta.shape.len()
                && (0..t.rank()).all(|d| t.shape()[d] == if d == dim { size } else { meta.shape[d] })
        };
        let fit = self.sizes.len() == inputs.len() && inputs.iter().zip(&self.sizes).all(|(t, size)| alike(t, *size));
        ensure!(
            dim < inputs[0].rank() && fit,
            Shape,
            "cat",
            "inputs differ in more than dimension {dim}, of which they are to have the sizes {:?}",
            &self.sizes[..]
        );
        let Some(sum) = self.sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) else {
            bail!(Memory, "cat", "sizes {:?} are more together than can be counted", &self.sizes[..])
        };
        meta.shape[dim] = sum;
        meta.one()
    }
}

impl Infer for Flip {
    const NAME: &'static str = "flip";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dims("flip", &self.dims, inputs[0].rank())?;
        Meta::like(inputs[0]).one()
    }
}

/// A list of tensors, owned or borrowed.
fn refs<T: AsRef<Tensor>>(tensors: &[T]) -> SmallVec<[&Tensor; 8]> {
    tensors.iter().map(AsRef::as_ref).collect()
}

impl AsRef<Tensor> for Tensor {
    fn as_ref(&self) -> &Tensor {
        self
    }
}

/// `tensors` one after another along `dim`, promoted to one dtype: `torch.cat`. Empty lists (of shape
/// `[0]`) go with any shape.
///
/// ```
/// # use flambeau_tensor::{cat, tensor};
/// let (a, b) = (tensor!([[1], [2]]), tensor!([[3, 4], [5, 6]]));
/// assert_eq!(cat(&[&a, &b], 1)?.to_vec::<i64>()?, [1, 3, 4, 2, 5, 6]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there are none, or sizes differ in another dimension than `dim`.
#[track_caller]
pub fn cat<T: AsRef<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
    let all = refs(tensors);
    let Some(first) = all.iter().copied().find(|t| t.shape() != [0]).or(all.first().copied()) else {
        bail!(Argument, "cat", "no tensors to put together")
    };
    ensure!(first.rank() > 0, Shape, "cat", "a tensor without dimensions has none to go along; `stack` makes one");
    let d = dim_index("cat", dim, first.rank())?;
    let mut sizes = SmallVec::new();
    let mut dtype = first.dtype();
    for (i, t) in all.iter().enumerate() {
        if t.dtype() != dtype {
            check_promotes("cat", first, t)?;
            dtype = result_type(&Tensor::zeros(1).dtype(dtype).device(Device::Meta).build()?, t);
        }
        if t.shape() == [0] {
            sizes.push(0);
            continue;
        }
        let fits = t.rank() == first.rank() && (0..t.rank()).all(|k| k == d || t.shape()[k] == first.shape()[k]);
        ensure!(
            fits,
            Shape,
            "cat",
            "tensor {i} of shape {:?} does not go behind {:?} along dimension {d}: all other sizes must be equal",
            t.shape(),
            first.shape()
        );
        sizes.push(t.shape()[d]);
    }
    let none: Shape = (0..first.rank()).map(|k| if k == d { 0 } else { first.shape()[k] }).collect();
    let cast = |t: &&Tensor| if t.shape() == [0] { t.reshape(&none)?.to_dtype(dtype) } else { t.to_dtype(dtype) };
    let cast: SmallVec<[Tensor; 8]> = all.iter().map(cast).collect::<Result<_>>()?;
    let inputs: SmallVec<[&Tensor; 8]> = cast.iter().collect();
    dispatch(Cat { dim: d, sizes }, &inputs)
}

/// `tensors` of one shape along a new dimension `dim`: `torch.stack`.
///
/// ```
/// # use flambeau_tensor::{stack, tensor};
/// let rows = [tensor!([1, 2]), tensor!([3, 4])];
/// assert_eq!((stack(&rows, 0)?.shape(), stack(&rows, 1)?.to_vec::<i64>()?), (&[2, 2][..], vec![1, 3, 2, 4]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there are none, or shapes differ.
#[track_caller]
pub fn stack<T: AsRef<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
    let all = refs(tensors);
    let Some(first) = all.first() else { bail!(Argument, "stack", "no tensors to put together") };
    dim_index("stack", dim, first.rank() + 1)?;
    if let Some((i, other)) = all.iter().enumerate().find(|(_, t)| t.shape() != first.shape()) {
        bail!(
            Shape,
            "stack",
            "tensor {i} has shape {:?}, the first one {:?}: all must be equal",
            other.shape(),
            first.shape()
        )
    }
    let lifted: SmallVec<[Tensor; 8]> = all.iter().map(|t| t.unsqueeze(dim)).collect::<Result<_>>()?;
    cat(&lifted, dim)
}

/// Each tensor with at least `rank` dimensions, as `torch.atleast_1d` and its like place them.
#[track_caller]
fn at_least<T: AsRef<Tensor>>(tensors: &[T], rank: usize) -> Result<SmallVec<[Tensor; 8]>> {
    tensors.iter().map(|t| t.as_ref().at_least(rank)).collect()
}

/// Side by side: along the second dimension, lists along their only one. `torch.hstack`.
///
/// # Errors
/// As for [`cat`].
#[track_caller]
pub fn hstack<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    let all = at_least(tensors, 1)?;
    let lists = all.first().is_some_and(|t| t.rank() == 1);
    cat(&all, if lists { 0 } else { 1 })
}

/// On top of one another, lists as rows: `torch.vstack`.
///
/// # Errors
/// As for [`cat`].
#[track_caller]
pub fn vstack<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    cat(&at_least(tensors, 2)?, 0)
}

/// Along the third dimension: `torch.dstack`.
///
/// # Errors
/// As for [`cat`].
#[track_caller]
pub fn dstack<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    cat(&at_least(tensors, 3)?, 2)
}

/// Side by side, lists as columns: `torch.column_stack`.
///
/// # Errors
/// As for [`cat`].
#[track_caller]
pub fn column_stack<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    let columns: SmallVec<[Tensor; 8]> = tensors
        .iter()
        .map(|t| if t.as_ref().rank() <= 1 { t.as_ref().reshape([-1, 1]) } else { Ok(t.as_ref().clone()) })
        .collect::<Result<_>>()?;
    hstack(&columns)
}

/// The matrices along the diagonal of a larger one, zero elsewhere: `torch.block_diag`.
///
/// # Errors
/// Where one of them has more than two dimensions.
#[track_caller]
pub fn block_diag<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    let blocks = at_least(tensors, 2)?;
    let Some(width) = blocks.iter().try_fold(0usize, |sum, b| sum.checked_add(b.shape()[1])) else {
        bail!(Memory, "block_diag", "the blocks have more columns together than can be counted")
    };
    let (mut rows, mut at) = (Vec::new(), 0);
    for b in &blocks {
        ensure!(b.rank() == 2, Shape, "block_diag", "a block of shape {:?} is no matrix", b.shape());
        let behind = width - at - b.shape()[1];
        rows.push(b.pad(&[at as isize, behind as isize], 0)?);
        at += b.shape()[1];
    }
    if rows.is_empty() { Tensor::zeros([1, 0]).build() } else { cat(&rows, 0) }
}

/// How [`meshgrid`] orders the first two dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// as matrices are: rows first
    Ij,
    /// as plots are: x first, which runs along the columns
    Xy,
}

/// Each list spread over the grid that all of them span: `torch.meshgrid`. Views.
///
/// # Errors
/// Where there are none, or one has more than one dimension.
#[track_caller]
pub fn meshgrid<T: AsRef<Tensor>>(tensors: &[T], indexing: Indexing) -> Result<Vec<Tensor>> {
    let mut lists = refs(tensors);
    ensure!(!lists.is_empty(), Argument, "meshgrid", "no tensors to span a grid");
    let swap = indexing == Indexing::Xy && lists.len() >= 2;
    if swap {
        lists.swap(0, 1);
    }
    if let Some(t) = lists.iter().find(|t| t.rank() > 1) {
        bail!(Shape, "meshgrid", "a tensor of shape {:?} is no list", t.shape())
    }
    let shape: Shape = lists.iter().map(|t| t.numel()).collect();
    let mut grids = Vec::with_capacity(lists.len());
    for (d, t) in lists.iter().enumerate() {
        let own: Shape = (0..shape.len()).map(|k| if k == d { shape[k] } else { 1 }).collect();
        grids.push(t.reshape(own)?.expand(&shape)?);
    }
    if swap {
        grids.swap(0, 1);
    }
    Ok(grids)
}

/// All ways to take one element of each list, one in a row: `torch.cartesian_prod`.
///
/// # Errors
/// Where there are none, or one has not just one dimension.
#[track_caller]
pub fn cartesian_prod<T: AsRef<Tensor>>(tensors: &[T]) -> Result<Tensor> {
    if let [one] = tensors {
        return Ok(one.as_ref().clone());
    }
    let columns: Vec<Tensor> = meshgrid(tensors, Indexing::Ij)?.iter().map(|g| g.reshape(-1)).collect::<Result<_>>()?;
    stack(&columns, 1)
}

impl Tensor {
    #[track_caller]
    pub(super) fn at_least(&self, rank: usize) -> Result<Tensor> {
        let shape: &[usize] = self.shape();
        match (rank, shape) {
            (1, []) => self.reshape(1usize),
            (2, []) => self.reshape([1, 1]),
            (2, [n]) => self.reshape([1, *n]),
            (3, []) => self.reshape([1, 1, 1]),
            (3, [n]) => self.reshape([1, *n, 1]),
            (3, [n, m]) => self.reshape([*n, *m, 1]),
            _ => Ok(self.clone()),
        }
    }

    /// With at least one dimension: `torch.atleast_1d`.
    ///
    /// # Errors
    /// Never.
    #[track_caller]
    pub fn atleast_1d(&self) -> Result<Tensor> {
        self.at_least(1)
    }

    /// With at least two dimensions, a list as a row: `torch.atleast_2d`.
    ///
    /// # Errors
    /// Never.
    #[track_caller]
    pub fn atleast_2d(&self) -> Result<Tensor> {
        self.at_least(2)
    }

    /// With at least three dimensions: `torch.atleast_3d`.
    ///
    /// # Errors
    /// Never.
    #[track_caller]
    pub fn atleast_3d(&self) -> Result<Tensor> {
        self.at_least(3)
    }

    /// The elements of `dims` in the opposite order: `torch.flip`. A copy.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 2, 3]).flip(0)?.to_vec::<i64>()?, [3, 2, 1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension, or one is given twice.
    #[track_caller]
    pub fn flip(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = dims.into().resolve("flip", self.rank())?;
        let dims = dims.into_iter().filter(|d| self.shape().get(*d).is_some_and(|s| *s > 1)).collect();
        dispatch(Flip { dims }, &[self])
    }

    /// Columns in the opposite order: `torch.fliplr`.
    ///
    /// # Errors
    /// Where it has less than two dimensions.
    #[track_caller]
    pub fn fliplr(&self) -> Result<Tensor> {
        ensure!(self.rank() >= 2, Shape, "fliplr", "a tensor of shape {:?} has no columns", self.shape());
        self.flip(1)
    }

    /// Rows in the opposite order: `torch.flipud`.
    ///
    /// # Errors
    /// Where it has no dimensions.
    #[track_caller]
    pub fn flipud(&self) -> Result<Tensor> {
        ensure!(self.rank() >= 1, Shape, "flipud", "a tensor without dimensions has no rows");
        self.flip(0)
    }

    /// Turned `k` times by a right angle, from dimension `from` towards `to`: `torch.rot90`.
    ///
    /// # Errors
    /// Where the two dimensions are one, or not there.
    #[track_caller]
    pub fn rot90(&self, k: isize, from: isize, to: isize) -> Result<Tensor> {
        let (a, b) = (dim_index("rot90", from, self.rank())?, dim_index("rot90", to, self.rank())?);
        ensure!(a != b && self.rank() >= 2, Index, "rot90", "two dimensions are needed, {from} and {to} are not");
        let (a, b) = (a as isize, b as isize);
        match k.rem_euclid(4) {
            1 => self.flip(b)?.transpose(a, b),
            2 => self.flip([a, b]),
            3 => self.flip(a)?.transpose(a, b),
            _ => self.copy(),
        }
    }

    /// Each of `dims` shifted by as many places, what leaves at the end coming in at the start:
    /// `torch.roll`. With `..` for the dimensions, one shift of all elements in a row.
    ///
    /// # Errors
    /// Where there are not as many shifts as dimensions.
    #[track_caller]
    pub fn roll(&self, shifts: impl IntoShape, dims: impl Into<Dims>) -> Result<Tensor> {
        let (shifts, dims) = (shifts.into_sizes(), dims.into());
        if dims == Dims::All {
            ensure!(shifts.len() == 1, Argument, "roll", "{} shifts, all elements in a row take one", shifts.len());
            return self.reshape(-1)?.roll(shifts, 0)?.reshape(self.shape());
        }
        let dims = dims.resolve("roll", self.rank())?;
        ensure!(shifts.len() == dims.len(), Argument, "roll", "{} shifts for {} dimensions", shifts.len(), dims.len());
        let mut x = self.clone();
        for (shift, d) in shifts.iter().zip(dims) {
            let Some(&size) = self.shape().get(d).filter(|s| **s > 0) else { continue };
            let shift = shift.rem_euclid(size as isize) as usize;
            if shift > 0 {
                let (d, rest) = (d as isize, size - shift);
                x = cat(&[x.narrow(d, rest as isize, shift)?, x.narrow(d, 0, rest)?], d)?;
            }
        }
        if x.is(self) { self.copy() } else { Ok(x) }
    }

    /// The whole repeated as often along each dimension; more numbers than dimensions make new ones in
    /// front: `Tensor.repeat`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 2]).repeat([2, 1])?.to_vec::<i64>()?, [1, 2, 1, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there are fewer numbers than dimensions.
    #[track_caller]
    pub fn repeat(&self, times: impl IntoShape) -> Result<Tensor> {
        let times = times.into_shape("repeat")?;
        let Some(lead) = times.len().checked_sub(self.rank()) else {
            bail!(Shape, "repeat", "{} numbers for a tensor of {} dimensions", times.len(), self.rank())
        };
        let (mut apart, mut spread, mut joined) = (Shape::new(), Shape::new(), Shape::new());
        for (d, &n) in times.iter().enumerate() {
            let size = if d < lead { 1 } else { self.shape()[d - lead] };
            apart.extend([1, size]);
            spread.extend([n, size]);
            let Some(both) = n.checked_mul(size) else {
                bail!(Memory, "repeat", "{n} times {size} elements are more than can be counted")
            };
            joined.push(both);
        }
        let out = self.reshape(apart)?.expand(spread)?.contiguous()?.reshape(joined)?;
        if out.storage().is(self.storage()) { out.copy() } else { Ok(out) }
    }

    /// As [`repeat`](Tensor::repeat), missing numbers in front taken as 1: `torch.tile`.
    ///
    /// # Errors
    /// Where the result has more elements than memory.
    #[track_caller]
    pub fn tile(&self, times: impl IntoShape) -> Result<Tensor> {
        let times = times.into_shape("tile")?;
        let ones = self.rank().saturating_sub(times.len());
        self.repeat(std::iter::repeat_n(1, ones).chain(times).collect::<Shape>())
    }

    /// Each element `times` times in a row along `dim`, or of all in a row without it:
    /// `torch.repeat_interleave`.
    ///
    /// # Errors
    /// Where the tensor has no such dimension, or the result more elements than memory.
    #[track_caller]
    pub fn repeat_interleave(&self, times: usize, dim: Option<isize>) -> Result<Tensor> {
        let Some(dim) = dim else { return self.reshape(-1)?.repeat_interleave(times, Some(0)) };
        let x = self.at_least(1)?;
        let d = dim_index("repeat_interleave", dim, x.rank())?;
        let mut spread = Shape::from_slice(x.shape());
        spread.insert(d + 1, times);
        let mut joined = Shape::from_slice(x.shape());
        let Some(size) = joined[d].checked_mul(times) else {
            bail!(Memory, "repeat_interleave", "{times} times {} elements are more than can be counted", joined[d])
        };
        joined[d] = size;
        let out = x.unsqueeze(d as isize + 1)?.expand(spread)?.contiguous()?.reshape(joined)?;
        if out.storage().is(self.storage()) { out.copy() } else { Ok(out) }
    }

    /// Each element as often as `times`, a list of one number for each, says: `torch.repeat_interleave`
    /// with a tensor.
    ///
    /// # Errors
    /// Where there are not as many numbers as elements along `dim`, or one is negative.
    #[track_caller]
    pub fn repeat_interleave_each(&self, times: impl AsRef<Tensor>, dim: Option<isize>) -> Result<Tensor> {
        let times = times.as_ref();
        const OP: &str = "repeat_interleave";
        let Some(dim) = dim else { return self.reshape(-1)?.repeat_interleave_each(times, Some(0)) };
        let x = self.at_least(1)?;
        let d = dim_index(OP, dim, x.rank())?;
        let counts = super::as_index(OP, times, Device::Cpu)?.to_vec::<i64>()?;
        let size = x.shape()[d];
        ensure!(counts.len() == size || counts.len() == 1, Shape, OP, "{} numbers for {size} elements", counts.len());
        ensure!(
            counts.iter().all(|n| *n >= 0),
            Argument,
            OP,
            "an element cannot be repeated a negative number of times"
        );
        let times = || (0..size).map(|i| counts[i.min(counts.len() - 1)] as usize);
        let len = match counts[..] {
            [n] => size.checked_mul(n as usize),
            _ => times().try_fold(0usize, |sum, n| sum.checked_add(n)),
        };
        let Some(len) = len else { bail!(Memory, OP, "the elements are more together than can be counted") };
        if x.numel() == 0 {
            // What has no elements still has none.
            let mut shape = Shape::from_slice(x.shape());
            shape[d] = len;
            return x.reshape(shape);
        }
        let numbers = super::list(OP, &[len], |to| {
            let all = times().enumerate().flat_map(|(i, n)| std::iter::repeat_n(i as i64, n));
            to.iter_mut().zip(all).for_each(|(to, i)| *to = i);
        })?;
        x.index_select(d as isize, &numbers.to_device(self.device())?)
    }

    /// A copy with `source` in the place of a view of this tensor.
    #[track_caller]
    fn with_view(&self, op: &'static str, source: &Tensor, view: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        // Elements that share memory would all be replaced: each gets its own.
        let base = if self.layout().may_overlap() { self.copy()? } else { self.clone() };
        let layout: Layout = no_grad(|| view(&base))?.layout().clone();
        ensure!(
            *source.shape() == layout.shape[..],
            Shape,
            op,
            "the source has shape {:?}, its place {:?}",
            source.shape(),
            &layout.shape[..]
        );
        base.as_strided_scatter(&source.to_dtype(self.dtype())?, &layout)
    }

    /// A copy with `source` at element `index` of `dim`: `torch.select_scatter`.
    ///
    /// # Errors
    /// Where it is not there, or `source` has another shape.
    #[track_caller]
    pub fn select_scatter(&self, source: impl AsRef<Tensor>, dim: isize, index: isize) -> Result<Tensor> {
        let source = source.as_ref();
        self.with_view("select_scatter", source, |x| x.select(dim, index))
    }

    /// A copy with `source` in the place of [`slice`](Tensor::slice): `torch.slice_scatter`.
    ///
    /// # Errors
    /// Where `source` has another shape than the slice.
    #[track_caller]
    pub fn slice_scatter(
        &self,
        source: impl AsRef<Tensor>,
        dim: isize,
        start: isize,
        end: isize,
        step: usize,
    ) -> Result<Tensor> {
        let source = source.as_ref();
        self.with_view("slice_scatter", source, |x| x.slice(dim, start, end, step))
    }

    /// A copy with `source` on a diagonal: `torch.diagonal_scatter`.
    ///
    /// # Errors
    /// Where `source` has another shape than the diagonal.
    #[track_caller]
    pub fn diagonal_scatter(
        &self,
        source: impl AsRef<Tensor>,
        offset: isize,
        dim1: isize,
        dim2: isize,
    ) -> Result<Tensor> {
        let source = source.as_ref();
        self.with_view("diagonal_scatter", source, |x| x.diagonal(offset, dim1, dim2))
    }

    /// All choices of `r` elements of this list, one in a row: `torch.combinations`.
    ///
    /// # Errors
    /// Where this is no list.
    #[track_caller]
    pub fn combinations(&self, r: usize, with_replacement: bool) -> Result<Tensor> {
        ensure!(self.rank() == 1, Shape, "combinations", "a tensor of shape {:?} is no list", self.shape());
        if r == 0 {
            return Tensor::zeros([0]).dtype(self.dtype()).device(self.device()).build();
        }
        let n = self.numel();
        let Some(count) = combinations(n, r, with_replacement) else {
            bail!(Memory, "combinations", "{r} of {n} elements can be chosen in more ways than memory holds")
        };
        let numbers = super::list("combinations", &[count, r], |to| {
            // Each row follows from the one before: the last place that can rises, those behind follow it.
            let step = !with_replacement as usize;
            let mut row: Vec<usize> = (0..if count > 0 { r } else { 0 }).map(|i| i * step).collect();
            for to in to.chunks_exact_mut(r) {
                to.iter_mut().zip(&row).for_each(|(to, i)| *to = *i as i64);
                let most = |i: usize| n - 1 - (r - 1 - i) * step;
                if let Some(place) = (0..r).rev().find(|i| row[*i] < most(*i)) {
                    let next = row[place] + 1;
                    row[place..].iter_mut().enumerate().for_each(|(k, i)| *i = next + k * step);
                }
            }
        })?;
        self.take(&numbers.to_device(self.device())?)
    }
}

/// How many ways there are to choose `r` of `n` elements, if they can be counted.
fn combinations(n: usize, r: usize, with_replacement: bool) -> Option<usize> {
    let n = if with_replacement && n > 0 { n.checked_add(r - 1)? } else { n };
    if r > n {
        return Some(0);
    }
    let few = r.min(n - r);
    // Each product is a number of combinations itself; beyond 2^64 none of them is of use.
    (1..=few).try_fold(1usize, |count, i| {
        usize::try_from(count as u128 * (n - few + i) as u128 / i as u128).ok().filter(|c| *c <= isize::MAX as usize)
    })
}
