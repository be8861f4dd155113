//! Order: sorting, and the elements that stand at a place of the sorted line.
//!
//! NaN counts as the largest number, and each result comes with the places its elements were taken from. Equal
//! elements come in the order of PyTorch's algorithms, or, where that is asked for, in their own. The ops work along
//! the last dimension; the methods bring another one there.

use crate::op::{Infer, Meta, Metas};
use crate::ops::results::{ValuesIndices, values_indices};
use crate::shape::{Shape, dim_index};
use crate::{DType, Result, Tensor, ensure};

/// The elements in order along the last dimension, and their places.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// From the largest down.
    pub descending: bool,
    /// Equal elements keep their order, instead of coming in that of PyTorch's unstable sort.
    pub stable: bool,
}

/// The `k` largest or smallest elements along the last dimension in order, and their places.
#[derive(Clone, Copy, Debug)]
pub struct Topk {
    /// How many.
    pub k: usize,
    /// The largest rather than the smallest.
    pub largest: bool,
}

/// Which element of a line an [`Kthvalue`] picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// the one at this place of the sorted line, counted from 0
    Place(usize),
    /// the lower one of the middle; NaN if there is one
    Median,
    /// the lower one of the middle of those that are not NaN
    NanMedian,
    /// the most frequent one, the smallest of several
    Mode,
}

/// One element of each line along the last dimension, by its order, and its place.
#[derive(Clone, Copy, Debug)]
pub struct Kthvalue {
    /// Which.
    pub pick: Pick,
    /// Elements equal to it share the gradient, instead of it going to the place.
    pub shared: bool,
}

crate::options! {
    /// Options of [`Tensor::topk_with`], with PyTorch's names and defaults.
    #[derive(Clone, Copy, Debug)]
    pub struct TopkOptions {
        /// The dimension; the last.
        dim: isize = -1,
        /// The largest elements rather than the smallest? Yes.
        largest: bool = true,
    }
}

/// Elements along the last dimension.
fn line(x: &Tensor) -> usize {
    x.shape().last().copied().unwrap_or(1)
}

fn meta(op: &'static str, x: &Tensor, last: Option<usize>) -> Result<Metas> {
    ensure!(!x.dtype().is_complex(), DType, op, "complex numbers have no order ({}); take `abs()` first", x.dtype());
    let mut shape = Shape::from_slice(x.shape());
    if let (Some(size), Some(last)) = (shape.last_mut(), last) {
        *size = last;
    }
    let values = Meta::new(shape, x.dtype());
    Ok([values.clone(), values.with_dtype(DType::I64)].into_iter().collect())
}

impl Infer for Sort {
    const NAME: &'static str = "sort";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        meta("sort", inputs[0], None)
    }
}

impl Infer for Topk {
    const NAME: &'static str = "topk";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (k, size) = (self.k, line(inputs[0]));
        ensure!(inputs[0].dtype() != DType::Bool, DType, "topk", "not defined for bool");
        // The only element of a tensor without dimensions is all there is to take.
        ensure!(
            k <= size && (k == 1 || inputs[0].rank() > 0),
            Argument,
            "topk",
            "k = {k}, but the last dimension has size {size}"
        );
        meta("topk", inputs[0], Some(self.k))
    }
}

impl Infer for Kthvalue {
    const NAME: &'static str = "kthvalue";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let size = line(inputs[0]);
        let least = match self.pick {
            Pick::Place(place) => place,
            Pick::Median | Pick::NanMedian | Pick::Mode => 0,
        };
        let refused = inputs[0].dtype() == DType::Bool && self.pick != Pick::Mode;
        ensure!(!refused, DType, "kthvalue", "the elements of rank k and the median are not defined for bool");
        ensure!(least < size, Index, "kthvalue", "element {least} of a line of {size} is asked for");
        meta("kthvalue", inputs[0], Some(1))
    }
}

impl Tensor {
    /// Runs an op of the last dimension along `dim`.
    #[track_caller]
    fn ordered_along(&self, op: impl Into<crate::Op>, dim: usize) -> Result<ValuesIndices> {
        if dim + 1 >= self.rank() {
            return values_indices(op, &[self]);
        }
        let last = self.transpose(dim as isize, -1)?;
        values_indices(op, &[&last])?.map(|t| t.transpose(dim as isize, -1)?.contiguous())
    }

    /// The elements of `dim` in order, and the places they were taken from: `torch.sort`. NaN counts as the largest
    /// number. Equal elements come in PyTorch's order; [`sort_stable`](Tensor::sort_stable) keeps theirs.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let sorted = Tensor::from_vec(vec![3.0f32, 1.0, 2.0], [3])?.sort(0, false)?;
    /// assert_eq!(sorted.values.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!(sorted.indices.to_vec::<i64>()?, [1, 2, 0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> Result<ValuesIndices> {
        self.ordered_along(Sort { descending, stable: false }, dim_index("sort", dim, self.rank())?)
    }

    /// [`sort`](Tensor::sort) in which equal elements keep their order: `torch.sort` with `stable=True`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn sort_stable(&self, dim: isize, descending: bool) -> Result<ValuesIndices> {
        self.ordered_along(Sort { descending, stable: true }, dim_index("sort", dim, self.rank())?)
    }

    /// The places of the elements of `dim` in order: the second result of [`sort`](Tensor::sort), as
    /// `torch.argsort`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        Ok(self.detach().sort(dim, descending)?.indices)
    }

    /// The second result of [`sort_stable`](Tensor::sort_stable), as `torch.argsort` with `stable=True`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn argsort_stable(&self, dim: isize, descending: bool) -> Result<Tensor> {
        Ok(self.detach().sort_stable(dim, descending)?.indices)
    }

    /// The elements of the first dimension in rising order, as `torch.msort`.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn msort(&self) -> Result<Tensor> {
        Ok(self.sort(0, false)?.values)
    }

    /// The `k` largest elements of the last dimension in order, and the indices they had: `torch.topk`. NaN counts
    /// as the largest number; of equal ones those are taken that PyTorch takes.
    /// [`topk_with`](Tensor::topk_with) takes another
    /// dimension, or the smallest.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let best = tensor!([0.1, 0.7, 0.2]).topk(2)?;
    /// assert_eq!(best.values.to_vec::<f32>()?, [0.7, 0.2]);
    /// assert_eq!(best.indices.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the dimension has fewer than `k` elements, or the tensor is complex.
    #[track_caller]
    pub fn topk(&self, k: usize) -> Result<ValuesIndices> {
        self.topk_with(k, TopkOptions::new())
    }

    /// [`topk`](Tensor::topk) with all of `torch.topk`'s options.
    ///
    /// # Errors
    /// As for [`topk`](Tensor::topk).
    #[track_caller]
    pub fn topk_with(&self, k: usize, options: TopkOptions) -> Result<ValuesIndices> {
        let TopkOptions { dim, largest } = options;
        let d = dim_index("topk", dim, self.rank())?;
        let size = self.shape().get(d).copied().unwrap_or(1);
        ensure!(k <= size, Argument, "topk", "k = {k}, but dimension {dim} has size {size}");
        let x = if self.rank() == 0 && k == 0 { self.unsqueeze(0)? } else { self.clone() };
        x.ordered_along(Topk { k, largest }, d)
    }
}

/// Methods that pick one element of each line.
macro_rules! picks {
    ($($(#[$doc:meta])* $name:literal, $method:ident, $keepdim:ident ($($arg:ident: $t:ty)?), |$x:ident, $size:ident| $pick:expr;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the dimension has no such element, or the tensor is complex.
                #[track_caller]
                pub fn $method(&self, $($arg: $t,)? dim: isize) -> Result<ValuesIndices> {
                    let dims = [dim_index($name, dim, self.rank())?];
                    self.$keepdim($($arg,)? dim)?.map(|t| t.drop_dims(&dims))
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), "), the dimension kept with size 1.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
                #[track_caller]
                pub fn $keepdim(&self, $($arg: $t,)? dim: isize) -> Result<ValuesIndices> {
                    let d = dim_index($name, dim, self.rank())?;
                    let $size = self.shape().get(d).copied().unwrap_or(1);
                    ensure!($size > 0, Shape, $name, "dimension {dim} of shape {:?} has size 0: there is nothing to choose from", self.shape());
                    self.ordered_along(Kthvalue { pick: $pick, shared: false }, d)
                }
            )*
        }
    };
}

picks! {
    /// The `k`th smallest element of `dim`, counted from 1, and its place: `torch.kthvalue`. Of equal ones PyTorch's.
    "kthvalue", kthvalue, kthvalue_keepdim(k: usize), |x, size| {
        ensure!(k >= 1 && k <= size, Argument, "kthvalue", "k = {k} is not among 1 to {size}, the size of the dimension");
        Pick::Place(k - 1)
    };
    /// The median of `dim` and its place, as `torch.median`: of an even number of elements the lower one of the
    /// middle; NaN if there is one.
    "median", median, median_keepdim(), |x, size| Pick::Median;
    /// The median of those elements of `dim` that are not NaN, and its place, as `torch.nanmedian`.
    "nanmedian", nanmedian, nanmedian_keepdim(), |x, size| Pick::NanMedian;
    /// The most frequent element of `dim`, the smallest of several, and the place of its last occurrence:
    /// `torch.mode`.
    "mode", mode, mode_keepdim(), |x, size| Pick::Mode;
}

impl Tensor {
    /// The median of all elements, as `torch.median(x)`: see [`median`](Tensor::median). Equal ones share the
    /// gradient. NaN of none.
    ///
    /// # Errors
    /// Where the tensor is complex, or has no elements and is not floating point.
    #[track_caller]
    pub fn median_all(&self) -> Result<Tensor> {
        self.middle_of_all("median", Pick::Median)
    }

    /// The median of all elements that are not NaN, as `torch.nanmedian(x)`: see [`median_all`](Tensor::median_all).
    ///
    /// # Errors
    /// As for [`median_all`](Tensor::median_all).
    #[track_caller]
    pub fn nanmedian_all(&self) -> Result<Tensor> {
        self.middle_of_all("nanmedian", Pick::NanMedian)
    }

    #[track_caller]
    fn middle_of_all(&self, op: &'static str, pick: Pick) -> Result<Tensor> {
        if self.numel() == 0 && self.dtype().is_float() {
            return self.sum(..)?.add(f64::NAN);
        }
        ensure!(self.numel() > 0, Shape, op, "shape {:?} has no elements to choose from", self.shape());
        self.flatten(0, -1)?.ordered_along(Kthvalue { pick, shared: true }, 0)?.values.drop_dims(&[0])
    }
}
