//! Elements by number: reading them ([`Index`], [`Embedding`]), writing them ([`IndexPut`]), and finding
//! the numbers of those that are not zero ([`Nonzero`]).
//!
//! `index_select`, `index_add`, `index_copy`, `index_fill`, `take`, `put`, `masked_select` and
//! `masked_scatter` are all cases of the two; ops that pick along one dimension by an index of the
//! tensor's own rank (`gather`, `scatter`) stand in the file beside this one.

use crate::interpreters::autocast::widest;
use crate::op::{Infer, Meta, Metas};
use crate::ops::Operand;
use crate::ops::ternary::factor;
use crate::shape::{DimList, Shape, dim_index};
use crate::{DType, Device, Result, Tensor, bail, broadcast_tensors, dispatch, dispatch_into, ensure, no_grad};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::panic::Location;

/// The elements whose numbers in dimensions `dims` the index tensors give. Inputs: the tensor, then one
/// index for each of `dims`, `int64` and all of one shape, which takes the place of the dimensions: where
/// they stood if they are neighbours, else first.
#[derive(Clone, Debug)]
pub struct Index {
    /// What was called, for errors.
    pub op: &'static str,
    /// The dimensions, in rising order.
    pub dims: DimList,
    /// Negative numbers count from the end.
    pub wrap: bool,
}

/// A copy of the first input in which the second stands where the index tensors, the others, say: it has
/// the shape that [`Index`] gives.
#[derive(Clone, Debug)]
pub struct IndexPut {
    /// What was called, for errors.
    pub op: &'static str,
    /// The dimensions, in rising order.
    pub dims: DimList,
    /// Negative numbers count from the end.
    pub wrap: bool,
    /// Adds to what is there, instead of replacing it.
    pub accumulate: bool,
}

/// Rows of a matrix, one for each number in the second input.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// The row that gets no gradient.
    pub padding: Option<usize>,
}

/// The coordinates of the `count` elements that are true, one row for each.
#[derive(Clone, Copy, Debug)]
pub struct Nonzero {
    /// How many there are: counted before, for a shape cannot depend on data.
    pub count: usize,
}

/// True where dimensions follow one another.
pub(crate) fn adjacent(dims: &[usize]) -> bool {
    dims.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// The shape of what an index of shape `index` picks from dimensions `dims` of `shape`.
fn picked(shape: &[usize], dims: &[usize], index: &[usize]) -> Shape {
    let lead = if adjacent(dims) { dims.first().copied().unwrap_or(0) } else { 0 };
    let rest: Shape = (0..shape.len()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect();
    rest[..lead].iter().chain(index).chain(&rest[lead..]).copied().collect()
}

/// Index tensors must be one for each of `dims`, which rise, of `int64`, and of one shape.
fn check_index(op: &'static str, x: &Tensor, dims: &[usize], index: &[&Tensor]) -> Result<()> {
    let rising = dims.windows(2).all(|pair| pair[0] < pair[1]) && dims.last().is_some_and(|d| *d < x.rank());
    ensure!(rising, Index, op, "dimensions {dims:?} are not some of a tensor of rank {}, in order", x.rank());
    ensure!(index.len() == dims.len(), Argument, op, "{} index tensors for dimensions {dims:?}", index.len());
    for i in index {
        ensure!(i.dtype() == DType::I64, DType, op, "an index tensor is {}, int64 is right", i.dtype());
        ensure!(
            i.shape() == index[0].shape(),
            Shape,
            op,
            "index tensors have shapes {:?} and {:?}; all must have one",
            index[0].shape(),
            i.shape()
        );
    }
    Ok(())
}

impl Infer for Index {
    const NAME: &'static str = "index";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_index(self.op, inputs[0], &self.dims, &inputs[1..])?;
        Meta::new(picked(inputs[0].shape(), &self.dims, inputs[1].shape()), inputs[0].dtype()).one()
    }
}

impl Infer for IndexPut {
    const NAME: &'static str = "index_put";
    const INPUTS: usize = 3;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, values) = (inputs[0], inputs[1]);
        check_index(self.op, x, &self.dims, &inputs[2..])?;
        let shape = picked(x.shape(), &self.dims, inputs[2].shape());
        ensure!(
            shape[..] == *values.shape() && x.dtype() == values.dtype(),
            Shape,
            self.op,
            "values {} {:?} do not stand where {} {:?} are indexed",
            values.dtype(),
            values.shape(),
            x.dtype(),
            &shape[..]
        );
        Meta::like(inputs[0]).one()
    }
}

impl Infer for Embedding {
    const NAME: &'static str = "embedding";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_index("embedding", inputs[0], &[0], &inputs[1..])?;
        Meta::new(picked(inputs[0].shape(), &[0], inputs[1].shape()), inputs[0].dtype()).one()
    }
}

impl Infer for Nonzero {
    const NAME: &'static str = "nonzero";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let dtype = inputs[0].dtype();
        ensure!(dtype == DType::Bool, DType, "nonzero", "the tensor must be bool, it is {dtype}");
        Meta::new([self.count, inputs[0].rank()].as_slice(), DType::I64).one()
    }
}

/// A tensor as an index: `int64`, on `device`.
#[track_caller]
pub(crate) fn as_index(op: &'static str, index: &Tensor, device: Device) -> Result<Tensor> {
    let whole = index.dtype().is_int();
    ensure!(
        whole,
        DType,
        op,
        "an index is of integers (or a mask of bool where it says so), this tensor is {}",
        index.dtype()
    );
    no_grad(|| index.to_device(device)?.to_dtype(DType::I64))
}

/// Numbers that an index is made of, `fill`ed in: a list by an argument, whose memory is asked for first.
///
/// # Errors
/// Where the system has no memory for it.
#[track_caller]
pub(crate) fn list(op: &'static str, shape: &[usize], fill: impl FnOnce(&mut [i64])) -> Result<Tensor> {
    let at = Location::caller();
    let list = Tensor::uninit(op, shape, DType::I64, Device::Cpu).map_err(|e| e.located(at))?;
    fill(&mut list.data_mut::<i64>()?);
    Ok(list)
}

/// Index tensors that broadcast together, and the dimensions they pick from.
type Indices = (DimList, SmallVec<[Tensor; 4]>);

impl Tensor {
    /// Masks become the numbers of their true elements, all index tensors one shape.
    #[track_caller]
    fn indices(&self, op: &'static str, indices: &[Option<&Tensor>]) -> Result<Indices> {
        let (mut dims, mut list, mut dim) = (DimList::new(), SmallVec::<[Tensor; 4]>::new(), 0);
        for index in indices {
            let Some(index) = index else {
                dim += 1;
                continue;
            };
            let mask = matches!(index.dtype(), DType::Bool | DType::U8);
            let takes = if mask { index.rank() } else { 1 };
            ensure!(
                dim + takes <= self.rank(),
                Index,
                op,
                "dimension {} is indexed, the tensor of shape {:?} has {}",
                dim + takes - 1,
                self.shape(),
                self.rank()
            );
            if mask {
                let sizes = &self.shape()[dim..dim + takes];
                ensure!(
                    index.shape() == sizes,
                    Shape,
                    op,
                    "a mask of shape {:?} does not fit dimensions {dim}.. of sizes {sizes:?}",
                    index.shape()
                );
                let found = no_grad(|| index.to_device(self.device())?.nonzero())?;
                for d in 0..takes {
                    dims.push(dim + d);
                    list.push(found.select(1, d as isize)?);
                }
            } else {
                dims.push(dim);
                list.push(as_index(op, index, self.device())?);
            }
            dim += takes;
        }
        ensure!(!list.is_empty(), Argument, op, "at least one index tensor is needed");
        if list.windows(2).any(|pair| pair[0].shape() != pair[1].shape()) {
            let equal = broadcast_tensors(&list.iter().collect::<SmallVec<[&Tensor; 4]>>());
            let Ok(equal) = equal else {
                let shapes: Vec<String> = list.iter().map(|t| format!("{:?}", t.shape())).collect();
                bail!(Shape, op, "index tensors of shapes {} do not broadcast together", shapes.join(", "))
            };
            list = equal.into();
        }
        Ok((dims, list))
    }

    /// The elements that index tensors name, as `x[…]` in PyTorch: `indices[d]` picks from dimension `d`,
    /// `None` takes all of it. Integers count from the end where negative; a mask (`bool`) stands for as
    /// many dimensions as it has. The shape that the index tensors broadcast to stands in place of the
    /// dimensions if they are neighbours, else first. See [`i`](Tensor::i) for the handier form.
    ///
    /// # Errors
    /// Where a number is out of range, index tensors do not broadcast, or a mask has another shape than
    /// what it picks from.
    #[track_caller]
    pub fn index(&self, indices: &[Option<&Tensor>]) -> Result<Tensor> {
        if let [Some(mask)] = indices
            && mask.dtype() == DType::Bool
            && mask.shape() == self.shape()
            && mask.rank() > 0
        {
            return self.masked_select(mask);
        }
        let (dims, list) = self.indices("index", indices)?;
        self.pick(Index { op: "index", dims, wrap: true }, &list)
    }

    #[track_caller]
    fn pick(&self, op: Index, list: &[Tensor]) -> Result<Tensor> {
        let inputs: SmallVec<[&Tensor; 4]> = [self].into_iter().chain(list).collect();
        dispatch(op, &inputs)
    }

    #[track_caller]
    fn put_op(&self, op: IndexPut, list: &[Tensor], values: &Tensor, in_place: bool) -> Result<Tensor> {
        let name = op.op;
        ensure!(
            values.dtype() == self.dtype(),
            DType,
            name,
            "values of {} do not go into a {} tensor",
            values.dtype(),
            self.dtype()
        );
        let shape = picked(self.shape(), &op.dims, list[0].shape());
        let values = crate::indexing::without_leading_ones(values, shape.len())?;
        let Ok(values) = values.expand(&shape) else {
            bail!(
                Shape,
                name,
                "values of shape {:?} do not broadcast to the indexed shape {:?}",
                values.shape(),
                &shape[..]
            )
        };
        let inputs: SmallVec<[&Tensor; 6]> = [self, &values].into_iter().chain(list).collect();
        if in_place {
            dispatch_into("index_put_", op, &inputs, self)?;
            return Ok(self.clone());
        }
        dispatch(op, &inputs)
    }

    /// A copy with `values`, broadcast, at the elements that `indices` name (see [`index`](Tensor::index)),
    /// or added to them: `Tensor.index_put`. Without `accumulate`, the last of several values for one
    /// element stays.
    ///
    /// # Errors
    /// As for [`index`](Tensor::index), and where `values` does not broadcast or has another dtype.
    #[track_caller]
    pub fn index_put(
        &self,
        indices: &[Option<&Tensor>],
        values: impl AsRef<Tensor>,
        accumulate: bool,
    ) -> Result<Tensor> {
        let values = values.as_ref();
        let (dims, list) = self.indices("index_put", indices)?;
        self.put_op(IndexPut { op: "index_put", dims, wrap: true, accumulate }, &list, values, false)
    }

    /// [`index_put`](Tensor::index_put) in place. Nothing is written where it fails.
    ///
    /// # Errors
    /// As [`index_put`](Tensor::index_put), and where autograd forbids to write.
    #[track_caller]
    pub fn index_put_(
        &self,
        indices: &[Option<&Tensor>],
        values: impl AsRef<Tensor>,
        accumulate: bool,
    ) -> Result<&Tensor> {
        let values = values.as_ref();
        let (dims, list) = self.indices("index_put_", indices)?;
        self.put_op(IndexPut { op: "index_put_", dims, wrap: true, accumulate }, &list, values, true)?;
        Ok(self)
    }

    /// This tensor with at least one dimension, `dim` as an index, and `index` as a list of numbers.
    #[track_caller]
    fn along(&self, op: &'static str, dim: isize, index: &Tensor) -> Result<(Tensor, usize, Tensor)> {
        let d = dim_index(op, dim, self.rank())?;
        ensure!(index.rank() <= 1, Shape, op, "the index must be a list of numbers, its shape is {:?}", index.shape());
        let index = as_index(op, index, self.device())?.reshape(-1)?;
        let whole = if self.rank() == 0 { self.unsqueeze(0)? } else { self.clone() };
        Ok((whole, d, index))
    }

    /// The elements of dimension `dim` with the numbers `index`, a list: `torch.index_select`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[1, 2], [3, 4], [5, 6]]);
    /// assert_eq!(x.index_select(0, tensor!([2, 0]))?.to_vec::<i64>()?, [5, 6, 1, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a number is negative or beyond the size.
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: impl AsRef<Tensor>) -> Result<Tensor> {
        let index = index.as_ref();
        let (x, d, index) = self.along("index_select", dim, index)?;
        let out = x.pick(Index { op: "index_select", dims: DimList::from_slice(&[d]), wrap: false }, &[index])?;
        if self.rank() == 0 { out.reshape(()) } else { Ok(out) }
    }

    /// What `index_add` and its like share: `source` of this shape but for dimension `dim`.
    #[track_caller]
    pub(super) fn put_along(
        &self,
        op: &'static str,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        (wrap, accumulate): (bool, bool),
    ) -> Result<Tensor> {
        let (x, d, index) = self.along(op, dim, index)?;
        let dims = DimList::from_slice(&[d]);
        let source = if source.rank() == 0 { source.unsqueeze(0)? } else { source.clone() };
        let wanted = picked(x.shape(), &dims, index.shape());
        ensure!(
            *source.shape() == wanted[..],
            Shape,
            op,
            "the source of shape {:?} does not fit {} numbers in dimension {d} of {:?}: {:?} would",
            source.shape(),
            index.numel(),
            self.shape(),
            &wanted[..]
        );
        x.put_op(IndexPut { op, dims, wrap, accumulate }, &[index], &source, false)?.reshape(self.shape())
    }

    /// A copy in which the elements of `source` are added, times `alpha`, to those of dimension `dim` with
    /// the numbers `index`: `torch.index_add`. In the order of `index`, at any number of threads.
    ///
    /// # Errors
    /// Where a number is negative or beyond the size, or `source` has another shape than what is indexed.
    #[track_caller]
    pub fn index_add(
        &self,
        dim: isize,
        index: impl AsRef<Tensor>,
        source: impl AsRef<Tensor>,
        alpha: impl Into<crate::Scalar>,
    ) -> Result<Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        let alpha = factor("index_add", [source], alpha.into())?;
        let scaled = if alpha.is_one() {
            Cow::Borrowed(source)
        } else {
            Cow::Owned(source.mul(alpha)?.to_dtype(source.dtype())?)
        };
        self.put_along("index_add", dim, index, &scaled, (false, true))
    }

    /// A copy in which those of dimension `dim` with the numbers `index` are replaced by the elements of
    /// `source`: `torch.index_copy`.
    ///
    /// # Errors
    /// As for [`index_add`](Tensor::index_add).
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>) -> Result<Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        let [x, source] = widest([self, source])?;
        x.put_along("index_copy", dim, index, &source, (false, false))
    }

    /// A copy in which the elements of dimension `dim` with the numbers `index` are all `value`:
    /// `torch.index_fill`.
    ///
    /// # Errors
    /// Where an index is out of range, `value` has more than one element, or the dtype has no such number.
    #[track_caller]
    pub fn index_fill<'a>(
        &self,
        dim: isize,
        index: impl AsRef<Tensor>,
        value: impl Into<Operand<'a>>,
    ) -> Result<Tensor> {
        let index = index.as_ref();
        let value = value.into().stored_in("index_fill", self)?;
        ensure!(
            value.rank() == 0,
            Shape,
            "index_fill",
            "the value must be one number, its shape is {:?}",
            value.shape()
        );
        let (x, d, index) = self.along("index_fill", dim, index)?;
        if x.numel() == 0 {
            // Nothing to fill, but numbers to check.
            let op = IndexPut { op: "index_fill", dims: DimList::from_slice(&[d]), wrap: true, accumulate: false };
            return x.put_op(op, &[index], &value.to_dtype(self.dtype())?, false)?.reshape(self.shape());
        }
        // Through a mask: an element that the index names twice is one element, also for the value's gradient.
        let none = Tensor::zeros([x.shape()[d]]).dtype(DType::Bool).device(self.device()).build()?;
        let op = IndexPut { op: "index_fill", dims: DimList::from_slice(&[0]), wrap: true, accumulate: false };
        let all = Tensor::scalar_on(true.into(), DType::Bool, self.device())?;
        let chosen = none.put_op(op, &[index], &all, false)?;
        let shape: Shape = (0..x.rank()).map(|k| if k == d { x.shape()[d] } else { 1 }).collect();
        value.where_cond(&chosen.reshape(shape)?, &x)?.reshape(self.shape())
    }

    /// The elements with the numbers `index` in row-major order, in the shape of `index`: `torch.take`.
    ///
    /// # Errors
    /// Where a number is out of range; negative ones count from the end.
    #[track_caller]
    pub fn take(&self, index: impl AsRef<Tensor>) -> Result<Tensor> {
        let index = index.as_ref();
        let index = as_index("take", index, self.device())?;
        self.reshape(-1)?.pick(Index { op: "take", dims: DimList::from_slice(&[0]), wrap: true }, &[index])
    }

    /// A copy with the elements of `source` at the row-major numbers `index`, or added there: `Tensor.put`.
    ///
    /// # Errors
    /// Where a number is out of range, or `source` has another number of elements than `index`.
    #[track_caller]
    pub fn put(&self, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>, accumulate: bool) -> Result<Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        let index = as_index("put", index, self.device())?;
        ensure!(
            source.numel() == index.numel(),
            Shape,
            "put",
            "{} values do not go to {} numbers",
            source.numel(),
            index.numel()
        );
        let op = IndexPut { op: "put", dims: DimList::from_slice(&[0]), wrap: true, accumulate };
        let flat = self.reshape(-1)?;
        flat.put_op(op, &[index.reshape(-1)?], &source.reshape(-1)?, false)?.reshape(self.shape())
    }

    /// The rows of this matrix with the numbers `indices`: `torch.nn.functional.embedding`, of a weight
    /// `[rows, width]` and indices of any shape. Row `padding_idx` gets no gradient.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let weight = tensor!([[0.0, 0.0], [1.0, 10.0]]);
    /// assert_eq!(weight.embedding(tensor!([1, 1, 0]), None)?.to_vec::<f32>()?, [1.0, 10.0, 1.0, 10.0, 0.0, 0.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where this is no matrix, or a number is negative or beyond the rows.
    #[track_caller]
    pub fn embedding(&self, indices: impl AsRef<Tensor>, padding_idx: Option<isize>) -> Result<Tensor> {
        let indices = indices.as_ref();
        ensure!(self.rank() == 2, Shape, "embedding", "the weight must be a matrix, its shape is {:?}", self.shape());
        let rows = self.shape()[0] as isize;
        let padding = match padding_idx {
            Some(i) if !(-rows..rows).contains(&i) => {
                bail!(Index, "embedding", "padding_idx {i} is out of range for {rows} rows")
            }
            Some(i) => Some(if i < 0 { i + rows } else { i } as usize),
            None => None,
        };
        dispatch(Embedding { padding }, &[self, &as_index("embedding", indices, self.device())?])
    }

    /// The coordinates of the elements that are not zero, `[n, rank]`, in row-major order: `torch.nonzero`.
    ///
    /// # Errors
    /// On the meta device, where there is nothing to count.
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        ensure!(
            self.device().has_data(),
            Device,
            "nonzero",
            "the shape depends on the data, and a {} tensor has none",
            self.device()
        );
        no_grad(|| {
            let truth = if self.dtype() == DType::Bool { self.contiguous()? } else { self.ne(false)? };
            let count = truth.sum(..)?.item::<i64>()? as usize;
            dispatch(Nonzero { count }, &[&truth])
        })
    }

    /// As [`nonzero`](Tensor::nonzero): `torch.argwhere`.
    ///
    /// # Errors
    /// As for [`nonzero`](Tensor::nonzero).
    #[track_caller]
    pub fn argwhere(&self) -> Result<Tensor> {
        self.nonzero()
    }

    /// [`nonzero`](Tensor::nonzero) in just `size` rows: more are left out, missing ones are `fill`.
    ///
    /// # Errors
    /// Where the system has no memory for so many rows.
    #[track_caller]
    pub fn nonzero_static(&self, size: usize, fill: i64) -> Result<Tensor> {
        let found = self.nonzero()?;
        let rows = found.shape()[0];
        let Some(missing) = isize::try_from(size).ok().and_then(|size| size.checked_sub(rows as isize)) else {
            bail!(Memory, "nonzero_static", "{size} rows are more than can be counted")
        };
        found.pad(&[0, 0, 0, missing], fill)
    }

    /// The elements where `mask` is true, in row-major order, as a list; both broadcast:
    /// `torch.masked_select`.
    ///
    /// # Errors
    /// Where the mask is not bool or does not broadcast with the tensor.
    #[track_caller]
    pub fn masked_select(&self, mask: impl AsRef<Tensor>) -> Result<Tensor> {
        let mask = mask.as_ref();
        ensure!(mask.dtype() == DType::Bool, DType, "masked_select", "the mask must be bool, it is {}", mask.dtype());
        let both = broadcast_tensors(&[self, mask])?;
        let found = both[1].reshape(-1)?.nonzero()?.reshape(-1)?;
        both[0].reshape(-1)?.pick(Index { op: "masked_select", dims: DimList::from_slice(&[0]), wrap: false }, &[found])
    }

    /// A copy in which the first elements of `source` stand, in order, where `mask` is true:
    /// `torch.masked_scatter`.
    ///
    /// # Errors
    /// Where the mask is not bool or does not broadcast to the tensor, or `source` has too few elements.
    #[track_caller]
    pub fn masked_scatter(&self, mask: impl AsRef<Tensor>, source: impl AsRef<Tensor>) -> Result<Tensor> {
        let (mask, source) = (mask.as_ref(), source.as_ref());
        ensure!(mask.dtype() == DType::Bool, DType, "masked_scatter", "the mask must be bool, it is {}", mask.dtype());
        let both = broadcast_tensors(&[self, mask])?;
        let found = both[1].reshape(-1)?.nonzero()?.reshape(-1)?;
        let (n, have) = (found.numel(), source.numel());
        ensure!(have >= n, Shape, "masked_scatter", "the mask has {n} true elements, the source only {have}");
        let values = source.reshape(-1)?.narrow(0, 0, n)?;
        let op = IndexPut { op: "masked_scatter", dims: DimList::from_slice(&[0]), wrap: false, accumulate: false };
        both[0].reshape(-1)?.put_op(op, &[found], &values, false)?.reshape(both[0].shape())
    }

    /// 1 at the number in a new last dimension of `classes` (the largest number and one, unless given),
    /// 0 elsewhere, as `int64`: `torch.nn.functional.one_hot`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([2, 0]).one_hot(Some(3))?.to_vec::<i64>()?, [0, 0, 1, 1, 0, 0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a number is negative or not below `classes`; without `classes` on the meta device.
    #[track_caller]
    pub fn one_hot(&self, classes: Option<usize>) -> Result<Tensor> {
        let index = as_index("one_hot", self, self.device())?;
        let classes = match classes {
            Some(classes) => classes,
            None => {
                ensure!(index.numel() > 0, Argument, "one_hot", "no numbers: the number of classes must be given");
                index.to_vec::<i64>()?.into_iter().max().map_or(0, |most| most.max(-1).wrapping_add(1) as u64 as usize)
            }
        };
        let shape: Shape = self.shape().iter().copied().chain([classes]).collect();
        let zeros = Tensor::zeros(shape).dtype(DType::I64).device(self.device()).build()?;
        zeros.scatter(-1, &index.unsqueeze(-1)?, 1)
    }
}
