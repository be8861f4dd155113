//! Elements picked along one dimension by an index of the tensor's own rank: [`Gather`] reads them,
//! [`Scatter`] writes them.

use crate::op::{Infer, Meta, Metas};
use crate::ops::{Operand, as_index};
use crate::shape::{Shape, broadcast_shapes, dim_index};
use crate::{DType, Result, Tensor, dispatch, dispatch_into, ensure};

/// `out[i][j][k] = x[index[i][j][k]][j][k]` for dimension 0, and likewise for the others. Inputs: the
/// tensor and the index, `int64` and in no other dimension larger.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// The dimension.
    pub dim: usize,
}

/// What becomes of several values for one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// their sum
    Sum,
    /// their product
    Prod,
    /// their mean; of integers rounded down
    Mean,
    /// the largest
    Amax,
    /// the smallest
    Amin,
}

/// `out[index[i][j][k]][j][k] = source[i][j][k]` for dimension 0, and likewise for the others; elsewhere
/// the first input. Inputs: the tensor, the index, the source in the index's shape.
#[derive(Clone, Copy, Debug)]
pub struct Scatter {
    /// The dimension.
    pub dim: usize,
    /// How values are joined; `None` where the last one stays.
    pub reduce: Option<Reduce>,
    /// The element that was there counts as one of them.
    pub include_self: bool,
}

impl Scatter {
    /// What was called, for errors.
    pub(crate) fn called(&self) -> &'static str {
        match self.reduce {
            None => "scatter",
            Some(Reduce::Sum) if self.include_self => "scatter_add",
            Some(_) => "scatter_reduce",
        }
    }
}

/// An index for dimension `d` of `x`: of the same rank, and in no other dimension larger.
#[track_caller]
fn check_index(op: &'static str, x: &Tensor, d: usize, index: &Tensor) -> Result<()> {
    ensure!(index.dtype() == DType::I64, DType, op, "the index is {}, int64 is right", index.dtype());
    ensure!(
        x.rank() == index.rank() && d < x.rank(),
        Shape,
        op,
        "the index of shape {:?} must have as many dimensions as the tensor of shape {:?}, {d} among them",
        index.shape(),
        x.shape()
    );
    for (k, (have, size)) in index.shape().iter().zip(x.shape()).enumerate() {
        ensure!(
            k == d || have <= size,
            Shape,
            op,
            "the index of shape {:?} is larger in dimension {k} than the tensor of shape {:?}",
            index.shape(),
            x.shape()
        );
    }
    Ok(())
}

impl Infer for Gather {
    const NAME: &'static str = "gather";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_index("gather", inputs[0], self.dim, inputs[1])?;
        Meta::new(inputs[1].shape(), inputs[0].dtype()).one()
    }
}

impl Infer for Scatter {
    const NAME: &'static str = "scatter";
    const INPUTS: usize = 3;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, index, source) = (inputs[0], inputs[1], inputs[2]);
        check_index(self.called(), x, self.dim, index)?;
        ensure!(
            source.shape() == index.shape() && source.dtype() == x.dtype(),
            Shape,
            self.called(),
            "a source {} {:?} does not go by an index of shape {:?} into a {} tensor",
            source.dtype(),
            source.shape(),
            index.shape(),
            x.dtype()
        );
        let ordered = !x.dtype().is_complex() || !matches!(self.reduce, Some(Reduce::Amax | Reduce::Amin));
        ensure!(ordered, DType, self.called(), "complex numbers have no order");
        Meta::like(x).one()
    }
}

/// With at least one dimension.
#[track_caller]
fn lifted(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 { x.unsqueeze(0) } else { Ok(x.clone()) }
}

/// A tensor and an index for dimension `d` of it, both with at least one dimension, and fitting.
#[track_caller]
fn prepared(op: &'static str, x: &Tensor, dim: isize, index: &Tensor) -> Result<(Tensor, usize, Tensor)> {
    let d = dim_index(op, dim, x.rank())?;
    let (x, index) = (lifted(x)?, lifted(&as_index(op, index, x.device())?)?);
    check_index(op, &x, d, &index)?;
    Ok((x, d, index))
}

impl Tensor {
    /// The elements of dimension `dim` that `index` names, in its shape: `torch.gather`. In the other
    /// dimensions each stays at its place.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[1, 2, 3], [4, 5, 6]]);
    /// assert_eq!(x.gather(1, tensor!([[2], [0]]))?.to_vec::<i64>()?, [3, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a number is negative or beyond the size, or `index` has another rank or is larger in another
    /// dimension.
    #[track_caller]
    pub fn gather(&self, dim: isize, index: impl AsRef<Tensor>) -> Result<Tensor> {
        let index = index.as_ref();
        if index.numel() == 0 {
            return self.reshape(-1)?.narrow(0, 0, 0)?.reshape(index.shape());
        }
        let (x, d, list) = prepared("gather", self, dim, index)?;
        let out = dispatch(Gather { dim: d }, &[&x, &list])?;
        if index.rank() == 0 { out.reshape(()) } else { Ok(out) }
    }

    /// As [`gather`](Tensor::gather), tensor and index broadcast in the other dimensions; without `dim`
    /// over all elements in a row: `torch.take_along_dim`.
    ///
    /// # Errors
    /// Where the index is not of integers, does not broadcast, or is out of range.
    #[track_caller]
    pub fn take_along_dim(&self, index: impl AsRef<Tensor>, dim: Option<isize>) -> Result<Tensor> {
        let index = index.as_ref();
        const OP: &str = "take_along_dim";
        // Unlike `gather`, it counts negative numbers from the end.
        let wrapped = |index: &Tensor, size: usize| index.add(size)?.where_cond(&index.lt(0)?, index);
        let Some(dim) = dim else {
            return self.reshape(-1)?.gather(0, &wrapped(&index.reshape(-1)?, self.numel())?);
        };
        let d = dim_index(OP, dim, self.rank())?;
        ensure!(
            self.rank() == index.rank(),
            Shape,
            OP,
            "the index of shape {:?} must have as many dimensions as the tensor of shape {:?}",
            index.shape(),
            self.shape()
        );
        let without =
            |shape: &[usize]| -> Shape { (0..shape.len()).map(|k| if k == d { 1 } else { shape[k] }).collect() };
        let common = broadcast_shapes(OP, &without(self.shape()), &without(index.shape()))?;
        let with = |size: Option<&usize>| -> Shape {
            (0..common.len()).map(|k| if k == d { size.copied().unwrap_or(1) } else { common[k] }).collect()
        };
        let index = wrapped(&index.expand(with(index.shape().get(d)))?, self.size(dim)?)?;
        self.expand(with(self.shape().get(d)))?.gather(dim, &index)
    }

    #[track_caller]
    fn scattered(
        &self,
        op: Scatter,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        in_place: Option<&'static str>,
    ) -> Result<Tensor> {
        let name = op.called();
        ensure!(
            source.dtype() == self.dtype(),
            DType,
            name,
            "a source of {} does not go into a {} tensor",
            source.dtype(),
            self.dtype()
        );
        if index.numel() == 0 {
            return if in_place.is_some() { Ok(self.clone()) } else { self.copy() };
        }
        let (x, d, index) = prepared(name, self, dim, index)?;
        let mut source = lifted(source)?;
        let fits = source.rank() == index.rank() && index.shape().iter().zip(source.shape()).all(|(i, s)| i <= s);
        ensure!(
            fits,
            Shape,
            name,
            "the source of shape {:?} does not hold an index of shape {:?}",
            source.shape(),
            index.shape()
        );
        for k in 0..index.rank() {
            if source.shape()[k] != index.shape()[k] {
                source = source.narrow(k as isize, 0, index.shape()[k])?;
            }
        }
        let op = Scatter { dim: d, ..op };
        match in_place {
            Some(name) => {
                dispatch_into(name, op, &[&x, &index, &source], &x)?;
                Ok(self.clone())
            }
            None => dispatch(op, &[&x, &index, &source])?.reshape(self.shape()),
        }
    }

    #[track_caller]
    fn source<'a>(&self, index: &Tensor, source: impl Into<Operand<'a>>) -> Result<Tensor> {
        match source.into() {
            Operand::Tensor(t) => Ok(t.into_owned()),
            number => number.stored_in("scatter", self)?.expand(index.shape()),
        }
    }

    /// A copy in which the elements of `source`, a tensor or one number for all, stand at the numbers
    /// `index` of dimension `dim`: `torch.scatter`. The last of several values for one element stays.
    ///
    /// ```
    /// # use flambeau_tensor::{Tensor, tensor};
    /// let x = Tensor::zeros([3]).build()?;
    /// assert_eq!(x.scatter(0, tensor!([0, 2]), tensor!([5.0, 7.0]))?.to_vec::<f32>()?, [5.0, 0.0, 7.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where an index is negative or beyond the size, `index` or `source` has a shape that does not fit, or the
    /// dtype has no such number.
    #[track_caller]
    pub fn scatter<'a>(&self, dim: isize, index: impl AsRef<Tensor>, source: impl Into<Operand<'a>>) -> Result<Tensor> {
        let index = index.as_ref();
        let op = Scatter { dim: 0, reduce: None, include_self: true };
        self.scattered(op, dim, index, &self.source(index, source)?, None)
    }

    /// [`scatter`](Tensor::scatter) in place. Nothing is written where it fails.
    ///
    /// # Errors
    /// As [`scatter`](Tensor::scatter), and where autograd forbids to write.
    #[track_caller]
    pub fn scatter_<'a>(
        &self,
        dim: isize,
        index: impl AsRef<Tensor>,
        source: impl Into<Operand<'a>>,
    ) -> Result<&Tensor> {
        let index = index.as_ref();
        let op = Scatter { dim: 0, reduce: None, include_self: true };
        self.scattered(op, dim, index, &self.source(index, source)?, Some("scatter_"))?;
        Ok(self)
    }

    /// A copy in which the elements of `source` are added at the numbers `index` of dimension `dim`:
    /// `torch.scatter_add`. In the order of `index`, at any number of threads.
    ///
    /// # Errors
    /// As for [`scatter`](Tensor::scatter).
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>) -> Result<Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        self.scattered(Scatter { dim: 0, reduce: Some(Reduce::Sum), include_self: true }, dim, index, source, None)
    }

    /// [`scatter_add`](Tensor::scatter_add) in place. Nothing is written where it fails.
    ///
    /// # Errors
    /// As [`scatter_add`](Tensor::scatter_add), and where autograd forbids to write.
    #[track_caller]
    pub fn scatter_add_(&self, dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>) -> Result<&Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        let op = Scatter { dim: 0, reduce: Some(Reduce::Sum), include_self: true };
        self.scattered(op, dim, index, source, Some("scatter_add_"))?;
        Ok(self)
    }

    /// A copy in which the elements of `source` are joined by `reduce` at the numbers `index` of dimension
    /// `dim`, with the element that was there if `include_self`: `torch.scatter_reduce`, and `torch.scatter` with its
    /// `reduce`, where `source` may be one number for all.
    ///
    /// ```
    /// # use flambeau_tensor::{Reduce, Tensor, tensor};
    /// let x = Tensor::ones([3]).build()?;
    /// let doubled = x.scatter_reduce(0, tensor!([0, 0, 2]), 2.0, Reduce::Prod, true)?;
    /// assert_eq!(doubled.to_vec::<f32>()?, [4.0, 1.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`scatter`](Tensor::scatter).
    #[track_caller]
    pub fn scatter_reduce<'a>(
        &self,
        dim: isize,
        index: impl AsRef<Tensor>,
        source: impl Into<Operand<'a>>,
        reduce: Reduce,
        include_self: bool,
    ) -> Result<Tensor> {
        let index = index.as_ref();
        let op = Scatter { dim: 0, reduce: Some(reduce), include_self };
        self.scattered(op, dim, index, &self.source(index, source)?, None)
    }

    /// As [`scatter_reduce`](Tensor::scatter_reduce) with a list of numbers for whole slices:
    /// `Tensor.index_reduce`.
    ///
    /// # Errors
    /// Where a number is negative or beyond the size, or `source` has another shape than what is indexed.
    #[track_caller]
    pub fn index_reduce(
        &self,
        dim: isize,
        index: impl AsRef<Tensor>,
        source: impl AsRef<Tensor>,
        reduce: Reduce,
        include_self: bool,
    ) -> Result<Tensor> {
        let (index, source) = (index.as_ref(), source.as_ref());
        let (d, source) = (dim_index("index_reduce", dim, self.rank())?, lifted(source)?);
        let fits = index.rank() <= 1 && source.shape().get(d) == Some(&index.numel());
        ensure!(
            fits,
            Shape,
            "index_reduce",
            "an index of shape {:?} does not name the slices of a source of shape {:?}",
            index.shape(),
            source.shape()
        );
        let along = |size: usize| -> Shape { (0..source.rank()).map(|k| if k == d { size } else { 1 }).collect() };
        if reduce == Reduce::Mean && self.rank() > 0 && self.dtype().is_half() {
            // A sum whose steps are rounded, then divided, as in PyTorch.
            let (size, device) = (self.shape()[d], self.device());
            let base = if include_self { self.clone() } else { self.index_fill(dim, index, 0)? };
            let own = Tensor::full([size], f32::from(include_self)).device(device).build()?;
            let ones = Tensor::ones([index.numel()]).device(device).build()?;
            let count = own.put_along("index_reduce", 0, index, &ones, (false, true))?;
            let count = count.clamp_min(1)?.to_dtype(self.dtype())?.reshape(along(size))?;
            return base.put_along("index_reduce", dim, index, &source, (false, true))?.div(&count);
        }
        let shape = along(index.numel());
        let index = index.reshape(shape)?.expand(source.shape())?;
        self.scatter_reduce(dim, &index, &source, reduce, include_self)
    }
}
