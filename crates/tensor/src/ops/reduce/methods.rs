//! The methods of reductions: over dimensions that are dropped or kept, with the place of what is chosen, and of all.

use super::{
    All, Amax, Amin, Any, Argmax, Argmin, CountNonzero, LogSumExp, MaxDim, Mean, MinDim, Norm, Prod, Sum, VarMean,
    kept, need_elements, need_float, sum_dtype,
};
use crate::autocast::full_precision;
use crate::ops::results::{MinMax, StdAndMean, ValuesIndices, VarAndMean, pair, values_indices};
use crate::shape::{DimList, Dims, dim_index};
use crate::{DType, Result, Tensor, dispatch, ensure};

/// Methods over `dims`: one that drops them, one that keeps them.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:literal, $method:ident, $keepdim:ident ($($arg:ident: $t:ty),*), |$x:ident, $dims:ident| $op:expr;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the tensor has no such dimension, or the op is not defined for its dtype or for no elements.
                #[track_caller]
                pub fn $method(&self, $($arg: $t,)* dims: impl Into<Dims>) -> Result<Tensor> {
                    let ($x, $dims) = (self, self.reduced_dims($name, dims)?);
                    let drop = $dims.clone();
                    let kept: Tensor = $op?;
                    kept.drop_dims(&drop)
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), "), the dimensions kept with size 1.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
                #[track_caller]
                pub fn $keepdim(&self, $($arg: $t,)* dims: impl Into<Dims>) -> Result<Tensor> {
                    let ($x, $dims) = (self, self.reduced_dims($name, dims)?);
                    $op
                }
            )*
        }
    };
}

reductions! {
    /// The sum over `dims` (`..` for all), as `torch.sum`; integers and bool add up in `int64`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(x.sum(0)?.to_vec::<f32>()?, [4.0, 6.0]);
    /// assert_eq!(x.sum(..)?.item::<f32>()?, 10.0);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    "sum", sum, sum_keepdim(), |x, dims| dispatch(Sum { dims, dtype: sum_dtype(x.dtype()) }, &[x]);

    /// The sum over `dims` of the elements cast to `dtype`, in that dtype: `torch.sum` with `dtype`.
    "sum", sum_as, sum_as_keepdim(dtype: DType), |x, dims| match dtype {
        DType::Bool => x.any_keepdim(dims).and_then(|any| any.to_dtype(dtype)),
        _ => dispatch(Sum { dims, dtype }, &[&x.to_dtype(dtype)?]),
    };

    /// The mean over `dims`, as `torch.mean`; NaN of no elements.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([[1.0, 2.0], [3.0, 5.0]]);
    /// assert_eq!(x.mean(1)?.to_vec::<f32>()?, [1.5, 4.0]);
    /// assert_eq!(x.mean_keepdim(0)?.shape(), [1, 2]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor is neither floating point nor complex.
    "mean", mean, mean_keepdim(), |x, dims| dispatch(Mean { dims }, &[x]);

    /// The product over `dims`, as `torch.prod`; integers and bool multiply in `int64`.
    "prod", prod, prod_keepdim(), |x, dims| x.prod_over(&dims, None);

    /// The product over `dims` of the elements cast to `dtype`, in that dtype: `torch.prod` with `dtype`.
    "prod", prod_as, prod_as_keepdim(dtype: DType), |x, dims| match dtype {
        DType::Bool => x.all_keepdim(dims).and_then(|all| all.to_dtype(dtype)),
        _ => x.to_dtype(dtype)?.prod_over(&dims, Some(dtype)),
    };

    /// The largest value over `dims`, as `torch.amax`; NaN if there is one. Equal ones share the gradient.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([[1.0, 7.0], [3.0, 5.0]]).amax(0)?.to_vec::<f32>()?, [3.0, 7.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is nothing to choose from, or the tensor is complex.
    "amax", amax, amax_keepdim(), |x, dims| dispatch(Amax { dims }, &[x]);

    /// The smallest value over `dims`, as `torch.amin`; NaN if there is one. Equal ones share the gradient.
    ///
    /// # Errors
    /// Where there is nothing to choose from, or the tensor is complex.
    "amin", amin, amin_keepdim(), |x, dims| dispatch(Amin { dims }, &[x]);

    /// Whether any element along `dims` is not zero, as `torch.any`: bool (`uint8` of `uint8`).
    "any", any, any_keepdim(), |x, dims| dispatch(Any { dims }, &[x]);

    /// Whether all elements along `dims` are not zero, as `torch.all`: bool (`uint8` of `uint8`).
    "all", all, all_keepdim(), |x, dims| dispatch(All { dims }, &[x]);

    /// How many elements along `dims` are not zero, as `torch.count_nonzero`: `int64`.
    "count_nonzero", count_nonzero, count_nonzero_keepdim(), |x, dims| dispatch(CountNonzero { dims }, &[x]);

    /// log Σ exp(x) over `dims` without overflow, as `torch.logsumexp`; −∞ of no elements. Integers become
    /// the default dtype.
    "logsumexp", logsumexp, logsumexp_keepdim(), |x, dims| match x.dtype().is_complex() {
        true => x.complex_logsumexp(dims),
        false => dispatch(LogSumExp { dims }, &[&x.to_dtype(x.dtype().to_float())?]),
    };

    /// The `ord`-norm over `dims` of the numbers as one vector, as `torch.linalg.vector_norm`:
    /// (Σ |x|ᵖ)^(1/p); ±∞ gives the largest or smallest |x|, 0 the number of non-zeros. The gradient of a norm
    /// that is 0 is 0.
    ///
    /// # Errors
    /// Where the tensor is neither floating point nor complex; for negative and infinite `ord` also where there
    /// are no elements.
    "norm", norm, norm_keepdim(ord: f64), |x, dims| x.norm_over(ord, dims);
}

/// Methods of ops with a place: of one dimension, and of the whole.
macro_rules! with_place {
    ($($(#[$doc:meta])* $name:literal, $Op:ident => $T:ty, $run:ident, |$kept:ident, $dim:ident| $drop:expr; $method:ident, $keepdim:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the dimension is empty, or the tensor is complex.
                #[track_caller]
                pub fn $method(&self, dim: isize) -> Result<$T> {
                    let $dim = dim_index($name, dim, self.rank())?;
                    let $kept = $run($Op { dim: $dim }, &[self])?;
                    $drop
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), "), the dimension kept with size 1.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
                #[track_caller]
                pub fn $keepdim(&self, dim: isize) -> Result<$T> {
                    $run($Op { dim: dim_index($name, dim, self.rank())? }, &[self])
                }
            )*
        }
    };
}

with_place! {
    /// The place of the largest value along `dim`, as `torch.argmax`: `int64`; of equal ones the first.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([[1.0, 7.0], [6.0, 5.0]]).argmax(1)?.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    "argmax", Argmax => Tensor, dispatch, |x, dim| x.drop_dims(&[dim]); argmax, argmax_keepdim;
    /// The place of the smallest value along `dim`, as `torch.argmin`: `int64`; of equal ones the first.
    "argmin", Argmin => Tensor, dispatch, |x, dim| x.drop_dims(&[dim]); argmin, argmin_keepdim;
    /// The largest value along `dim` and its place, as `torch.max(x, dim)`. The gradient goes to that place
    /// alone; see [`amax`](Tensor::amax) for one that equal values share.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let largest = tensor!([[1.0, 7.0], [6.0, 5.0]]).max_dim(1)?;
    /// assert_eq!(largest.values.to_vec::<f32>()?, [7.0, 6.0]);
    /// assert_eq!(largest.indices.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    "max", MaxDim => ValuesIndices, values_indices, |x, dim| x.map(|t| t.drop_dims(&[dim])); max_dim, max_dim_keepdim;
    /// The smallest value along `dim` and its place, as `torch.min(x, dim)`. The gradient goes to that place
    /// alone; see [`amin`](Tensor::amin) for one that equal values share.
    "min", MinDim => ValuesIndices, values_indices, |x, dim| x.map(|t| t.drop_dims(&[dim])); min_dim, min_dim_keepdim;
}

impl Tensor {
    /// The largest value of all, as `torch.max(x)`; equal ones share the gradient.
    ///
    /// # Errors
    /// Where there are no elements, or they are complex.
    #[track_caller]
    pub fn max_all(&self) -> Result<Tensor> {
        self.amax(..)
    }

    /// The smallest value of all, as `torch.min(x)`; equal ones share the gradient.
    ///
    /// # Errors
    /// Where there are no elements, or they are complex.
    #[track_caller]
    pub fn min_all(&self) -> Result<Tensor> {
        self.amin(..)
    }

    /// The place of the largest value of all in row-major order, as `torch.argmax(x)`.
    ///
    /// # Errors
    /// Where there are no elements, or they are complex.
    #[track_caller]
    pub fn argmax_all(&self) -> Result<Tensor> {
        self.flatten(0, -1)?.argmax(0)
    }

    /// The place of the smallest value of all in row-major order, as `torch.argmin(x)`.
    ///
    /// # Errors
    /// Where there are no elements, or they are complex.
    #[track_caller]
    pub fn argmin_all(&self) -> Result<Tensor> {
        self.flatten(0, -1)?.argmin(0)
    }

    /// The smallest and the largest value over `dims`, as `torch.aminmax`.
    ///
    /// # Errors
    /// Where there is nothing to choose from, or the tensor is complex.
    #[track_caller]
    pub fn aminmax(&self, dims: impl Into<Dims>) -> Result<MinMax> {
        let dims = dims.into();
        Ok(MinMax { min: self.amin(dims.clone())?, max: self.amax(dims)? })
    }

    /// [`aminmax`](Tensor::aminmax), the dimensions kept with size 1.
    ///
    /// # Errors
    /// As [`aminmax`](Tensor::aminmax).
    #[track_caller]
    pub fn aminmax_keepdim(&self, dims: impl Into<Dims>) -> Result<MinMax> {
        let dims = dims.into();
        Ok(MinMax { min: self.amin_keepdim(dims.clone())?, max: self.amax_keepdim(dims)? })
    }

    /// The sum over `dims` of what is not NaN, as `torch.nansum`.
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn nansum(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        self.without_nan()?.sum(dims)
    }

    /// [`nansum`](Tensor::nansum), the dimensions kept with size 1.
    ///
    /// # Errors
    /// As [`nansum`](Tensor::nansum).
    #[track_caller]
    pub fn nansum_keepdim(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        self.without_nan()?.sum_keepdim(dims)
    }

    /// The mean over `dims` of what is not NaN, as `torch.nanmean`.
    ///
    /// # Errors
    /// Where the tensor is neither floating point nor complex.
    #[track_caller]
    pub fn nanmean(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = self.reduced_dims("nanmean", dims)?;
        self.nanmean_keepdim(dims.clone())?.drop_dims(&dims)
    }

    /// [`nanmean`](Tensor::nanmean), the dimensions kept with size 1.
    ///
    /// # Errors
    /// As [`nanmean`](Tensor::nanmean).
    #[track_caller]
    pub fn nanmean_keepdim(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        need_float("nanmean", self)?;
        let dims = self.reduced_dims("nanmean", dims)?;
        let count = self.isnan()?.logical_not()?.sum_keepdim(dims.clone())?;
        self.nansum_keepdim(dims)?.div(&count)
    }

    #[track_caller]
    fn without_nan(&self) -> Result<Tensor> {
        if self.dtype().is_differentiable() { self.masked_fill(&self.isnan()?, 0) } else { Ok(self.clone()) }
    }

    #[track_caller]
    fn prod_over(&self, dims: &[usize], dtype: Option<DType>) -> Result<Tensor> {
        let [x] = full_precision([self])?;
        let dtype = dtype.unwrap_or(sum_dtype(x.dtype()));
        let step = |x: &Tensor, dim: usize| dispatch(Prod { dim, dtype }, &[x]);
        match dims {
            [] => step(&x, 0),
            [dim] => step(&x, *dim),
            _ if dims.len() == x.rank() => step(&x.flatten(0, -1)?, 0)?.reshape(kept(x.shape(), dims)),
            [first, rest @ ..] => rest.iter().try_fold(step(&x, *first)?, |x, dim| step(&x, *dim)),
        }
    }

    /// As the real one, with the largest real part taken off.
    #[track_caller]
    fn complex_logsumexp(&self, dims: DimList) -> Result<Tensor> {
        if need_elements("logsumexp", self, &dims).is_err() {
            return self.exp()?.sum_keepdim(dims)?.log();
        }
        let top = self.detach().view_as_real()?.select(-1, 0)?.amax_keepdim(dims.clone())?;
        let top = top.masked_fill(&top.isinf()?, 0)?;
        self.sub(&top)?.exp()?.sum_keepdim(dims)?.log()?.add(&top)
    }

    #[track_caller]
    fn norm_over(&self, ord: f64, dims: DimList) -> Result<Tensor> {
        ensure!(!ord.is_nan(), Argument, "norm", "the order of a norm is not NaN");
        let real = if self.dtype().is_complex() { self.abs()? } else { self.clone() };
        dispatch(Norm { dims, ord }, &[&real])
    }

    /// Variance (or its root) and mean, the dimensions kept.
    #[track_caller]
    fn var_mean_over(&self, dims: &DimList, correction: f64, root: bool) -> Result<(Tensor, Tensor)> {
        let op = VarMean { dims: dims.clone(), correction, root };
        if !self.dtype().is_complex() {
            return pair(op, &[self]);
        }
        let (parts, _) = pair(VarMean { root: false, ..op }, &[&self.view_as_real()?])?;
        let variance = parts.sum(-1)?;
        Ok((if root { variance.sqrt()? } else { variance }, self.mean_keepdim(dims.clone())?))
    }
}

/// Methods around [`VarMean`].
macro_rules! variances {
    ($($(#[$doc:meta])* $name:literal, $root:literal, $T:ty, |$both:ident| $take:expr, |$kept:ident, $dims:ident| $drop:expr; $method:ident, $keepdim:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the tensor is neither floating point nor complex.
                #[track_caller]
                pub fn $method(&self, dims: impl Into<Dims>, correction: f64) -> Result<$T> {
                    let $dims = self.reduced_dims($name, dims)?;
                    let $both = self.var_mean_over(&$dims, correction, $root)?;
                    let $kept = $take;
                    $drop
                }

                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), "), the dimensions kept with size 1.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), ").")]
                #[track_caller]
                pub fn $keepdim(&self, dims: impl Into<Dims>, correction: f64) -> Result<$T> {
                    let $both = self.var_mean_over(&self.reduced_dims($name, dims)?, correction, $root)?;
                    Ok($take)
                }
            )*
        }
    };
}

variances! {
    /// The variance over `dims`, as `torch.var`: squared distances from the mean, added up and divided by
    /// n − `correction`; 1.0, PyTorch's default, gives the unbiased estimate. Of complex numbers it is that of
    /// the real parts plus that of the imaginary ones.
    "var", false, Tensor, |both| both.0, |x, dims| x.drop_dims(&dims); var, var_keepdim;
    /// The standard deviation over `dims`, as `torch.std`: the root of [`var`](Tensor::var). Its gradient where
    /// it is 0 is 0.
    "std", true, Tensor, |both| both.0, |x, dims| x.drop_dims(&dims); std, std_keepdim;
    /// Variance and mean over `dims` in one pass, as `torch.var_mean`. See [`var`](Tensor::var).
    "var_mean", false, VarAndMean, |both| VarAndMean { var: both.0, mean: both.1 }, |x, dims| Ok(VarAndMean { var: x.var.drop_dims(&dims)?, mean: x.mean.drop_dims(&dims)? }); var_mean, var_mean_keepdim;
    /// Standard deviation and mean over `dims` in one pass, as `torch.std_mean`. See [`var`](Tensor::var).
    "std_mean", true, StdAndMean, |both| StdAndMean { std: both.0, mean: both.1 }, |x, dims| Ok(StdAndMean { std: x.std.drop_dims(&dims)?, mean: x.mean.drop_dims(&dims)? }); std_mean, std_mean_keepdim;
}

impl Tensor {
    /// Summed over what was broadcast, back to `shape`: the gradient of a broadcast. `Tensor.sum_to_size`. What is
    /// summed of integers and bool is `int64`, as of [`sum`](Tensor::sum).
    ///
    /// # Errors
    /// Where this shape is not `shape` broadcast.
    #[track_caller]
    pub fn sum_to_size(&self, shape: &[usize]) -> Result<Tensor> {
        if self.shape() == shape {
            // As PyTorch: the sum to a scalar is one, even of a scalar.
            return if shape.is_empty() { self.sum(..) } else { Ok(self.clone()) };
        }
        let reached = crate::shape::broadcast_shapes("sum_to_size", self.shape(), shape)?;
        ensure!(
            reached[..] == *self.shape(),
            Shape,
            "sum_to_size",
            "shape {shape:?} does not broadcast to {:?}",
            self.shape()
        );
        let lead = self.rank() - shape.len();
        let dims: DimList = (0..self.rank()).filter(|d| *d < lead || shape[*d - lead] != self.shape()[*d]).collect();
        let summed = if dims.is_empty() { self.clone() } else { self.sum_keepdim(dims)? };
        summed.reshape(shape)
    }
}
