//! The methods that make views.

use super::*;
use crate::shape::{Dims, IntoShape, Size, dim_index};
use crate::{bail, dispatch_view, lists};

impl Tensor {
    /// Dimensions in the order `dims`: `torch.permute`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::zeros([32, 48, 3]).build()?.permute([2, 0, 1])?.shape(), [3, 32, 48]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where `dims` does not name every dimension once.
    #[track_caller]
    pub fn permute(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let order = dims.into().resolve("permute", self.rank())?;
        dispatch_view(Permute { order }, self)
    }

    /// Two dimensions exchanged: `torch.transpose`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3, 4]).build()?.transpose(0, -1)?.shape(), [4, 3, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Tensor> {
        let (a, b) = (dim_index("transpose", dim0, self.rank())?, dim_index("transpose", dim1, self.rank())?);
        let mut order: DimList = (0..self.rank()).collect();
        if !order.is_empty() {
            order.swap(a, b);
        }
        dispatch_view(Permute { order }, self)
    }

    /// The transpose of a matrix; a vector or scalar is its own: `torch.t`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([[1, 2], [3, 4]]).t()?.to_vec::<i64>()?, [1, 3, 2, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it has more than two dimensions.
    #[track_caller]
    pub fn t(&self) -> Result<Tensor> {
        match self.rank() {
            0 | 1 => Ok(self.clone()),
            2 => self.transpose(0, 1),
            rank => bail!(Shape, "t", "a tensor of rank {rank} is no matrix; `transpose` names two dimensions"),
        }
    }

    /// The last two dimensions exchanged: `Tensor.mT`.
    ///
    /// # Errors
    /// Where it has less than two dimensions.
    #[track_caller]
    pub fn mt(&self) -> Result<Tensor> {
        ensure!(self.rank() >= 2, Shape, "mt", "a tensor of rank {} holds no matrices", self.rank());
        self.transpose(-2, -1)
    }

    /// Dimensions `from` moved to the places `to`, one by one, the others in order: `torch.movedim`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::zeros([2, 3, 4, 5]).build()?;
    /// assert_eq!(x.movedim(-1, 0)?.shape(), [5, 2, 3, 4]);
    /// assert_eq!(x.movedim([0, 1], [-1, 0])?.shape(), [3, 4, 5, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no such dimension, one stands twice, or as many do not go in as out.
    #[track_caller]
    pub fn movedim(&self, from: impl Into<Dims>, to: impl Into<Dims>) -> Result<Tensor> {
        let (from, to) = (from.into().resolve("movedim", self.rank())?, to.into().resolve("movedim", self.rank())?);
        let counts = (from.len(), to.len());
        ensure!(counts.0 == counts.1, Argument, "movedim", "{} dimensions move to {} places", counts.0, counts.1);
        let mut rest = (0..self.rank()).filter(|d| !from.contains(d));
        let moved = |place: usize| to.iter().position(|p| *p == place).map(|i| from[i]);
        let order: DimList = (0..self.rank()).filter_map(|place| moved(place).or_else(|| rest.next())).collect();
        dispatch_view(Permute { order }, self)
    }

    /// Broadcast to `shape`, −1 for a size as it is: `Tensor.expand`. No copy; do not write in place.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[1.0], [2.0]]).expand([2, 3])?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a size is neither 1 nor the one asked for.
    #[track_caller]
    pub fn expand(&self, shape: impl IntoShape) -> Result<Tensor> {
        let mut sizes = shape.into_sizes();
        let lead = sizes.len().checked_sub(self.rank());
        if let Some(lead) = lead {
            for d in lead..sizes.len() {
                if sizes[d] == -1 {
                    sizes[d] = self.shape()[d - lead] as isize;
                }
            }
        }
        let shape = sizes.into_shape("expand")?;
        if shape[..] == *self.shape() {
            return Ok(self.clone());
        }
        dispatch_view(Expand { shape }, self)
    }

    /// Under another shape of the same size; one size may be −1. A view where strides can say it, else a
    /// copy: `torch.reshape`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::arange(0, 6).build()?;
    /// assert_eq!(x.reshape((2, -1))?.shape(), [2, 3]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the sizes do not multiply to the number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Tensor> {
        let shape = self.fill_in("reshape", shape)?;
        if self.is_contiguous() || self.layout().reshape(&shape).is_some() {
            dispatch_view(Reshape { shape }, self)
        } else {
            dispatch_view(Reshape { shape }, &self.contiguous()?)
        }
    }

    /// As [`reshape`](Tensor::reshape), never a copy: `Tensor.view`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::arange(0, 6).build()?;
    /// x.view([2, 3])?.i(0)?.fill_(9)?; // the same memory
    /// assert_eq!(x.to_vec::<i64>()?, [9, 9, 9, 3, 4, 5]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where strides cannot say it.
    #[track_caller]
    pub fn view(&self, shape: impl IntoShape) -> Result<Tensor> {
        let shape = self.fill_in("view", shape)?;
        dispatch_view(Reshape { shape }, self)
    }

    #[track_caller]
    fn fill_in(&self, op: &'static str, shape: impl IntoShape) -> Result<Shape> {
        let mut sizes = shape.into_sizes();
        let open: SmallVec<[usize; 6]> = (0..sizes.len()).filter(|d| sizes[*d] == -1).collect();
        let known = sizes.iter().filter(|s| **s != -1).try_fold(1usize, |n, s| n.checked_mul((*s).max(0) as usize));
        let fits = match (&open[..], known) {
            ([], Some(n)) => n == self.numel(),
            ([d], Some(n)) if n > 0 && self.numel() % n == 0 => {
                sizes[*d] = (self.numel() / n) as isize;
                true
            }
            _ => false,
        };
        ensure!(open.len() <= 1, Shape, op, "only one size of {:?} may be -1", &sizes[..]);
        ensure!(
            fits,
            Shape,
            op,
            "shape {:?} with {} elements does not go into {:?}",
            self.shape(),
            self.numel(),
            &sizes[..]
        );
        sizes.into_shape(op)
    }

    /// Dimensions `start..=end` joined into one: `torch.flatten`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3, 4]).build()?.flatten(1, -1)?.shape(), [2, 12]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimensions, or they are in the wrong order.
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        let (a, b) = (dim_index("flatten", start, self.rank())?, dim_index("flatten", end, self.rank())?);
        ensure!(a <= b, Index, "flatten", "the first dimension {start} stands behind the last {end}");
        if self.rank() == 0 {
            return self.reshape(1usize);
        }
        let mut shape = Shape::from_slice(&self.shape()[..a]);
        shape.push(self.shape()[a..=b].iter().product());
        shape.extend_from_slice(&self.shape()[b + 1..]);
        self.reshape(shape)
    }

    /// Dimension `dim` split into `sizes`, one of which may be −1: `torch.unflatten`.
    ///
    /// # Errors
    /// Where the sizes do not make up the dimension.
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: impl IntoShape) -> Result<Tensor> {
        let d = dim_index("unflatten", dim, self.rank())?;
        let mut shape: SmallVec<[isize; 6]> = self.shape().iter().map(|s| *s as isize).collect();
        let sizes = sizes.into_sizes();
        let known = sizes.iter().filter(|s| **s != -1).try_fold(1isize, |n, s| n.checked_mul(*s)).unwrap_or(0);
        let whole = shape.get(d).copied().unwrap_or(1);
        let sizes = sizes.iter().map(|s| if *s == -1 && known > 0 { whole / known } else { *s });
        shape.splice_range(d, sizes);
        self.reshape(shape)
    }

    /// With a dimension of size 1 at place `dim`: `torch.unsqueeze`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1.0, 2.0]).unsqueeze(-1)?.shape(), [2, 1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no such place, or 64 dimensions are there already.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        let d = dim_index("unsqueeze", dim, self.rank() + 1)?;
        let mut shape = self.layout().shape.clone();
        shape.insert(d, 1);
        dispatch_view(Reshape { shape }, self)
    }

    /// Without the dimensions `dims` that have size 1 (`..`: without any): `torch.squeeze`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::zeros([1, 3, 1]).build()?;
    /// assert_eq!((x.squeeze(..)?.shape(), x.squeeze(0)?.shape()), (&[3][..], &[3, 1][..]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn squeeze(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = dims.into();
        if self.rank() == 0 {
            dims.resolve("squeeze", 1)?;
            return Ok(self.clone());
        }
        let dims = dims.resolve("squeeze", self.rank())?;
        let keep = |d: &usize| !(dims.contains(d) && self.shape()[*d] == 1);
        let shape: Shape = (0..self.rank()).filter(keep).map(|d| self.shape()[d]).collect();
        dispatch_view(Reshape { shape }, self)
    }

    /// `len` elements of `dim` from `start`: `torch.narrow`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// assert_eq!(Tensor::arange(0, 10).build()?.narrow(0, 3, 2)?.to_vec::<i64>()?, [3, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where they are not there.
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: impl Size, len: usize) -> Result<Tensor> {
        let (d, start) = (dim_index("narrow", dim, self.rank())?, start.size());
        let size = self.size(dim)?;
        let from = if start < 0 { start + size as isize } else { start };
        let fits = from >= 0 && (from as usize).checked_add(len).is_some_and(|end| end <= size);
        ensure!(fits, Index, "narrow", "{len} elements from {start} are not inside dimension {dim} of size {size}");
        dispatch_view(Slice { dim: d, start: from as usize, len, step: 1 }, self)
    }

    /// Elements `start..end` of `dim`, every `step`th, ends cut to the size: Python's `x[start:end:step]`.
    ///
    /// # Errors
    /// Where `step` is zero (a negative one would not be a view: see [`flip`](Tensor::flip)).
    #[track_caller]
    pub fn slice(&self, dim: isize, start: isize, end: isize, step: usize) -> Result<Tensor> {
        let d = dim_index("slice", dim, self.rank())?;
        let size = self.size(dim)? as isize;
        ensure!(step > 0, Argument, "slice", "a step of zero leads nowhere");
        let cut = |i: isize| if i < 0 { (i + size).max(0) } else { i.min(size) };
        let (start, end) = (cut(start), cut(end));
        let len = if end > start { ((end - start) as usize).div_ceil(step) } else { 0 };
        dispatch_view(Slice { dim: d, start: start as usize, len, step }, self)
    }

    /// Element `index` of `dim`, without that dimension: `torch.select`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([[1, 2], [3, 4]]).select(1, -1)?.to_vec::<i64>()?, [2, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it is not there.
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Result<Tensor> {
        let d = dim_index("select", dim, self.rank())?;
        let size = self.size(dim)?;
        let at = if index < 0 { index + size as isize } else { index };
        ensure!(
            at >= 0 && (at as usize) < size,
            Index,
            "select",
            "index {index} is not inside dimension {dim} of size {size}"
        );
        let one = dispatch_view(Slice { dim: d, start: at as usize, len: 1, step: 1 }, self)?;
        let mut shape = one.layout().shape.clone();
        shape.remove(d);
        dispatch_view(Reshape { shape }, &one)
    }

    /// The diagonal of `dim1` and `dim2`, `offset` above the main one, as a new last dimension:
    /// `torch.diagonal`.
    ///
    /// # Errors
    /// Where the two dimensions are one, or not there.
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let (a, b) = (dim_index("diagonal", dim1, self.rank())?, dim_index("diagonal", dim2, self.rank())?);
        ensure!(
            a != b && self.rank() >= 2,
            Index,
            "diagonal",
            "two dimensions are needed, {dim1} and {dim2} of rank {} are not",
            self.rank()
        );
        dispatch_view(Diagonal { offset, dim1: a, dim2: b }, self)
    }

    /// Windows of `size` elements along `dim`, `step` apart, as a new last dimension: `Tensor.unfold`.
    ///
    /// # Errors
    /// Where `size` is larger than the dimension, or `step` is 0.
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Tensor> {
        let d = dim_index("unfold", dim, self.rank())?;
        dispatch_view(Unfold { dim: d, size, step }, self)
    }

    /// Any layout inside the storage: `torch.as_strided`.
    ///
    /// # Errors
    /// Where it reaches beyond the storage.
    #[track_caller]
    pub fn as_strided(&self, shape: impl IntoShape, strides: impl IntoShape, offset: usize) -> Result<Tensor> {
        let (shape, strides): (Shape, Strides) = (shape.into_shape("as_strided")?, strides.into_shape("as_strided")?);
        ensure!(
            shape.len() == strides.len(),
            Shape,
            "as_strided",
            "{} sizes, but {} strides",
            shape.len(),
            strides.len()
        );
        dispatch_view(AsStrided { layout: Box::new(Layout { shape, strides, offset }) }, self)
    }

    /// A complex tensor as real numbers with a last dimension of size 2: `torch.view_as_real`.
    ///
    /// # Errors
    /// Where it is not complex.
    #[track_caller]
    pub fn view_as_real(&self) -> Result<Tensor> {
        dispatch_view(ViewAsReal, self)
    }

    /// Pairs of real numbers as complex ones: `torch.view_as_complex`.
    ///
    /// # Errors
    /// Where it is not of real numbers whose last dimension is 2, or pairs do not lie side by side.
    #[track_caller]
    pub fn view_as_complex(&self) -> Result<Tensor> {
        dispatch_view(ViewAsComplex, self)
    }

    /// The slices along `dim`, without that dimension: `torch.unbind`.
    ///
    /// # Errors
    /// Where there are too many of them: each is a tensor.
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        let size = self.size(dim)?;
        let mut all = pieces("unbind", size)?;
        for i in 0..size {
            all.push(self.select(dim, i as isize)?);
        }
        Ok(all)
    }

    /// Pieces of `size` along `dim`, the last one shorter: `torch.split`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let parts = Tensor::arange(0, 5).build()?.split(2, 0)?;
    /// assert_eq!(parts.iter().map(Tensor::numel).collect::<Vec<_>>(), [2, 2, 1]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension, or `size` is 0.
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor>> {
        let whole = self.size(dim)?;
        ensure!(size > 0 || whole == 0, Argument, "split", "pieces of size zero never end");
        if whole == 0 {
            return Ok(vec![self.narrow(dim, 0, 0)?]);
        }
        let mut all = pieces("split", whole.div_ceil(size))?;
        for at in (0..whole).step_by(size) {
            all.push(self.narrow(dim, at as isize, size.min(whole - at))?);
        }
        Ok(all)
    }

    /// Pieces of the sizes given along `dim`: `torch.split` with a list.
    ///
    /// # Errors
    /// Where the sizes do not add up to the dimension.
    #[track_caller]
    pub fn split_with_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Tensor>> {
        let whole = self.size(dim)?;
        ensure!(
            sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) == Some(whole),
            Shape,
            "split_with_sizes",
            "sizes {sizes:?} do not sum to {whole}, the size of dimension {dim}"
        );
        let mut pieces = Vec::with_capacity(sizes.len());
        let mut at = 0;
        for size in sizes {
            pieces.push(self.narrow(dim, at as isize, *size)?);
            at += size;
        }
        Ok(pieces)
    }

    /// At most `chunks` pieces of one size along `dim`: `torch.chunk`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let parts = Tensor::arange(0, 6).build()?.chunk(3, 0)?;
    /// assert_eq!(parts[1].to_vec::<i64>()?, [2, 3]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension, or `chunks` is 0.
    #[track_caller]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Tensor>> {
        ensure!(chunks > 0, Argument, "chunk", "at least one chunk is needed");
        let whole = self.size(dim)?;
        if whole == 0 {
            let mut all = pieces("chunk", chunks)?;
            for _ in 0..chunks {
                all.push(self.narrow(dim, 0, 0)?);
            }
            return Ok(all);
        }
        self.split(whole.div_ceil(chunks), dim)
    }
}

/// The most pieces that a tensor is cut into at once.
const MOST_PIECES: usize = 1 << 24;
/// More than a tensor takes that is a view.
const PIECE: usize = 512;

/// A list with room for the `count` tensors that a tensor is cut into.
#[track_caller]
pub(in crate::ops) fn pieces(op: &'static str, count: usize) -> Result<Vec<Tensor>> {
    ensure!(
        count <= MOST_PIECES,
        Memory,
        op,
        "{count} pieces are too many: each is a tensor, {MOST_PIECES} may be made"
    );
    lists::check_bytes(op, count * PIECE)?;
    let mut pieces = Vec::new();
    lists::reserve(&mut pieces, count)?;
    Ok(pieces)
}

/// Replacing one element of a small vector by several.
trait SpliceRange {
    fn splice_range(&mut self, at: usize, with: impl Iterator<Item = isize>);
}

impl SpliceRange for SmallVec<[isize; 6]> {
    fn splice_range(&mut self, at: usize, with: impl Iterator<Item = isize>) {
        let tail: SmallVec<[isize; 6]> = self.iter().skip(at + 1).copied().collect();
        self.truncate(at);
        self.extend(with.chain(tail));
    }
}
