//! Running reductions along a dimension: each element of the result is made of those up to its place.

use crate::op::{Infer, Meta, Metas};
use crate::ops::reduce::sum_dtype;
use crate::ops::results::{ValuesIndices, values_indices};
use crate::shape::{check_dims, dim_index};
use crate::{DType, Result, Tensor, dispatch, ensure};

macro_rules! running {
    ($($(#[$doc:meta])* $Op:ident { $($(#[$field:meta])* $name:ident: $t:ty),* };)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Op {
            /// The dimension (0 for a tensor without dimensions).
            pub dim: usize,
            $($(#[$field])* pub $name: $t,)*
        }
    )*};
}

running! {
    /// The running sum.
    Cumsum {
        /// From the end on.
        reverse: bool
    };
    /// The running product.
    Cumprod {
        /// From the end on.
        reverse: bool
    };
    /// The logarithm of the running sum of exponentials.
    Logcumsumexp {};
    /// The running maximum and its place.
    Cummax {};
    /// The running minimum and its place.
    Cummin {};
    /// `y[k] = a[k] · y[k − 1] + b[k]`, with `y[−1] = 0`. Inputs: a, b. Running sums and products are two cases of it,
    /// and their derivatives are others.
    Recurrence {
        /// From the end on: y[k + 1] instead of y[k − 1].
        reverse: bool
    };
}

fn same(op: &'static str, x: &Tensor) -> Result<Metas> {
    ensure!(x.dtype().is_differentiable() || x.dtype() == DType::I64, DType, op, "not defined for {}", x.dtype());
    Meta::like(x).one()
}

macro_rules! infer {
    ($($Op:ident, $name:literal of $n:literal, |$inputs:ident| $metas:expr;)*) => {$(
        impl Infer for $Op {
            const NAME: &'static str = $name;
            const INPUTS: usize = $n;
            fn infer(&self, $inputs: &[&Tensor]) -> Result<Metas> {
                check_dims($name, &[self.dim], $inputs[0].rank())?;
                $metas
            }
        }
    )*};
}

fn with_place(op: &'static str, x: &Tensor) -> Result<Metas> {
    ensure!(!x.dtype().is_complex(), DType, op, "complex numbers have no order ({}); take `abs()` first", x.dtype());
    Ok([Meta::like(x), Meta::like(x).with_dtype(DType::I64)].into_iter().collect())
}

/// Factors and summands of one shape and dtype.
#[track_caller]
fn alike(a: &Tensor, b: &Tensor) -> Result<()> {
    ensure!(
        a.shape() == b.shape() && a.dtype() == b.dtype(),
        Shape,
        "recurrence",
        "factors and summands must be alike, they are {:?} {} and {:?} {}",
        a.shape(),
        a.dtype(),
        b.shape(),
        b.dtype()
    );
    Ok(())
}

infer! {
    Cumsum, "cumsum" of 1, |x| same("cumsum", x[0]);
    Cumprod, "cumprod" of 1, |x| same("cumprod", x[0]);
    Logcumsumexp, "logcumsumexp" of 1, |x| {
        let dtype = x[0].dtype();
        ensure!(dtype.is_differentiable(), DType, "logcumsumexp", "defined for floating point, the tensor is {dtype}");
        Meta::like(x[0]).one()
    };
    Cummax, "cummax" of 1, |x| with_place("cummax", x[0]);
    Cummin, "cummin" of 1, |x| with_place("cummin", x[0]);
    Recurrence, "recurrence" of 2, |x| {
        alike(x[0], x[1])?;
        same("recurrence", x[0])
    };
}

impl Tensor {
    /// The running sum along `dim`, as `torch.cumsum`; integers and bool add up in `int64`.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1, 2, 3]).cumsum(0)?.to_vec::<i64>()?, [1, 3, 6]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        self.running_sum(dim, false)
    }

    /// The running sum along `dim` of the elements cast to `dtype`, in that dtype: `torch.cumsum` with `dtype`.
    ///
    /// # Errors
    /// For bool.
    #[track_caller]
    pub fn cumsum_as(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        ensure!(dtype != DType::Bool, DType, "cumsum", "not defined for bool");
        self.to_dtype(dtype)?.cumsum(dim)?.to_dtype(dtype)
    }

    /// [`cumsum`](Tensor::cumsum) from the end on.
    ///
    /// # Errors
    /// As [`cumsum`](Tensor::cumsum).
    #[track_caller]
    pub fn cumsum_reversed(&self, dim: isize) -> Result<Tensor> {
        self.running_sum(dim, true)
    }

    #[track_caller]
    fn running_sum(&self, dim: isize, reverse: bool) -> Result<Tensor> {
        let dim = dim_index("cumsum", dim, self.rank())?;
        dispatch(Cumsum { dim, reverse }, &[&self.to_dtype(sum_dtype(self.dtype()))?])
    }

    /// The running product along `dim`, as `torch.cumprod`; integers and bool multiply in `int64`.
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        self.running_product(dim, false)
    }

    /// The running product along `dim` of the elements cast to `dtype`, in that dtype: `torch.cumprod` with `dtype`.
    ///
    /// # Errors
    /// For bool.
    #[track_caller]
    pub fn cumprod_as(&self, dim: isize, dtype: DType) -> Result<Tensor> {
        ensure!(dtype != DType::Bool, DType, "cumprod", "not defined for bool");
        self.to_dtype(dtype)?.cumprod(dim)?.to_dtype(dtype)
    }

    /// [`cumprod`](Tensor::cumprod) from the end on.
    ///
    /// # Errors
    /// As [`cumprod`](Tensor::cumprod).
    #[track_caller]
    pub fn cumprod_reversed(&self, dim: isize) -> Result<Tensor> {
        self.running_product(dim, true)
    }

    #[track_caller]
    fn running_product(&self, dim: isize, reverse: bool) -> Result<Tensor> {
        let dim = dim_index("cumprod", dim, self.rank())?;
        dispatch(Cumprod { dim, reverse }, &[&self.to_dtype(sum_dtype(self.dtype()))?])
    }

    /// The logarithm of the running sum of exponentials along `dim`, without overflow, as
    /// `torch.logcumsumexp`. The angle of a complex logarithm is carried on from
    /// one element to the next, and may lie beyond π.
    ///
    /// # Errors
    /// Where the tensor has no such dimension or is not floating point.
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor> {
        let dim = dim_index("logcumsumexp", dim, self.rank())?;
        dispatch(Logcumsumexp { dim }, &[self])
    }

    /// The running maximum along `dim` and its place, as `torch.cummax`: of equal ones the last, and NaN
    /// stays once it is met.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> Result<ValuesIndices> {
        values_indices(Cummax { dim: dim_index("cummax", dim, self.rank())? }, &[self])
    }

    /// The running minimum along `dim` and its place, as `torch.cummin`: of equal ones the last, and NaN
    /// stays once it is met.
    ///
    /// # Errors
    /// Where the tensor is complex.
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> Result<ValuesIndices> {
        values_indices(Cummin { dim: dim_index("cummin", dim, self.rank())? }, &[self])
    }

    /// `y[k] = a[k] · y[k − 1] + b[k]` along `dim`, `self` being a, and `y[−1] = 0`: a linear recurrence, a filter of
    /// first order. `reverse` runs it from the end on.
    ///
    /// # Errors
    /// Where shapes or dtypes differ.
    #[track_caller]
    pub fn recurrence(&self, b: impl AsRef<Tensor>, dim: isize, reverse: bool) -> Result<Tensor> {
        let b = b.as_ref();
        alike(self, b)?;
        dispatch(Recurrence { dim: dim_index("recurrence", dim, self.rank())?, reverse }, &[self, b])
    }
}
