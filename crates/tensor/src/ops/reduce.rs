//! Reductions over dimensions.
//!
//! One manner for all: `x.sum(dims)` drops the dimensions, `x.sum_keepdim(dims)` keeps them with size 1.
//! `dims` is one dimension, several, or `..` for all; negative ones count from the end. What gives a
//! place too (`argmax`, `max_dim`) takes one dimension, and `max_all`, `argmax_all` take none.
//!
//! Inside, every op keeps the dimensions it reduces with size 1, so its derivative broadcasts back
//! without being told where they were.

mod methods;

use crate::op::{Infer, Meta, Metas};
use crate::shape::{DimList, Dims, Shape, check_dims};
use crate::{DType, Result, Tensor, bail, ensure};

macro_rules! over_dims {
    ($($(#[$doc:meta])* $Op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op {
            /// The dimensions that are reduced to size 1, in rising order.
            pub dims: DimList,
        }
    )*};
}

over_dims! {
    /// The mean.
    Mean;
    /// The largest value; NaN if there is one.
    Amax;
    /// The smallest value; NaN if there is one.
    Amin;
    /// Is any element not zero?
    Any;
    /// Are all elements not zero?
    All;
    /// How many elements are not zero.
    CountNonzero;
    /// log Σ exp(x), without overflow.
    LogSumExp;
}

macro_rules! along_dim {
    ($($(#[$doc:meta])* $Op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op {
            /// The dimension that is reduced to size 1 (0 for a tensor without dimensions).
            pub dim: usize,
        }
    )*};
}

along_dim! {
    /// The place of the largest value: the first one, and NaN counts as largest.
    Argmax;
    /// The place of the smallest value: the first one, and NaN counts as smallest.
    Argmin;
    /// The largest value and its place.
    MaxDim;
    /// The smallest value and its place.
    MinDim;
}

/// The sum over some dimensions, which stay with size 1.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The dimensions, in rising order.
    pub dims: DimList,
    /// The dtype of the result, and of the sum.
    pub dtype: DType,
}

/// The product over a dimension, which stays with size 1.
#[derive(Clone, Debug)]
pub struct Prod {
    /// The dimension (0 for a tensor without dimensions).
    pub dim: usize,
    /// The dtype of the result, and of the product.
    pub dtype: DType,
}

/// Variance, or standard deviation, and mean.
#[derive(Clone, Debug)]
pub struct VarMean {
    /// The dimensions that are reduced to size 1, in rising order.
    pub dims: DimList,
    /// What is taken from the number of elements before dividing by it: 1 for the unbiased estimate.
    pub correction: f64,
    /// The standard deviation rather than the variance.
    pub root: bool,
}

/// (Σ |x|ᵖ)^(1/p); the largest or smallest |x| for p = ±∞, the number of non-zeros for p = 0.
#[derive(Clone, Debug)]
pub struct Norm {
    /// The dimensions that are reduced to size 1, in rising order.
    pub dims: DimList,
    /// p
    pub ord: f64,
}

/// `shape` with the dimensions `dims` at size 1.
pub(crate) fn kept(shape: &[usize], dims: &[usize]) -> Shape {
    (0..shape.len()).map(|d| if dims.contains(&d) { 1 } else { shape[d] }).collect()
}

/// `shape` without the dimensions `dims`.
pub(crate) fn dropped(shape: &[usize], dims: &[usize]) -> Shape {
    (0..shape.len()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect()
}

/// What an op makes of dtypes.
fn meta(x: &Tensor, dims: &[usize], dtype: DType) -> Meta {
    Meta::new(kept(x.shape(), dims), dtype)
}

fn refuse_complex(op: &'static str, x: &Tensor) -> Result<()> {
    ensure!(!x.dtype().is_complex(), DType, op, "complex numbers have no order ({}); take `abs()` first", x.dtype());
    Ok(())
}

fn need_float(op: &'static str, x: &Tensor) -> Result<()> {
    ensure!(
        x.dtype().is_differentiable(),
        DType,
        op,
        "defined for floating point, the tensor is {}; use `to_dtype`",
        x.dtype()
    );
    Ok(())
}

/// An op that has no result for no elements.
fn need_elements(op: &'static str, x: &Tensor, dims: &[usize]) -> Result<()> {
    match dims.iter().find(|d| x.shape().get(**d) == Some(&0)) {
        Some(d) => {
            bail!(Shape, op, "dimension {d} of shape {:?} has size 0: there is nothing to choose from", x.shape())
        }
        None => Ok(()),
    }
}

impl Infer for Sum {
    const NAME: &'static str = "sum";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dims("sum", &self.dims, inputs[0].rank())?;
        meta(inputs[0], &self.dims, self.dtype).one()
    }
}

impl Infer for Prod {
    const NAME: &'static str = "prod";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dims("prod", &[self.dim], inputs[0].rank())?;
        meta(inputs[0], &[self.dim], self.dtype).one()
    }
}

macro_rules! infer {
    ($($Op:ident, $name:literal, |$op:ident, $x:ident| $dims:expr, $($check:ident)? => [$($dtype:expr),+];)*) => {$(
        impl Infer for $Op {
            const NAME: &'static str = $name;
            fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                let ($op, $x) = (self, inputs[0]);
                let dims: &[usize] = $dims;
                check_dims($name, dims, $x.rank())?;
                $($check($name, $x, dims)?;)?
                Ok([$(meta($x, dims, $dtype)),+].into_iter().collect())
            }
        }
    )*};
}

fn placed(op: &'static str, x: &Tensor, dims: &[usize]) -> Result<()> {
    ensure!(x.dtype() != DType::Bool, DType, op, "not defined for bool");
    ordered(op, x, dims)
}

fn ordered(op: &'static str, x: &Tensor, dims: &[usize]) -> Result<()> {
    refuse_complex(op, x)?;
    need_elements(op, x, dims)
}

fn float(op: &'static str, x: &Tensor, _: &[usize]) -> Result<()> {
    need_float(op, x)
}

fn real_float(op: &'static str, x: &Tensor, _: &[usize]) -> Result<()> {
    refuse_complex(op, x)?;
    need_float(op, x)
}

/// PyTorch keeps `uint8`, which was its truth value once.
fn truth(x: &Tensor) -> DType {
    if x.dtype() == DType::U8 { DType::U8 } else { DType::Bool }
}

infer! {
    Mean, "mean", |op, x| &op.dims, float => [x.dtype()];
    Amax, "amax", |op, x| &op.dims, ordered => [x.dtype()];
    Amin, "amin", |op, x| &op.dims, ordered => [x.dtype()];
    Any, "any", |op, x| &op.dims, => [truth(x)];
    All, "all", |op, x| &op.dims, => [truth(x)];
    CountNonzero, "count_nonzero", |op, x| &op.dims, => [DType::I64];
    LogSumExp, "logsumexp", |op, x| &op.dims, real_float => [x.dtype()];
    Argmax, "argmax", |op, x| &[op.dim], placed => [DType::I64];
    Argmin, "argmin", |op, x| &[op.dim], placed => [DType::I64];
    MaxDim, "max", |op, x| &[op.dim], ordered => [x.dtype(), DType::I64];
    MinDim, "min", |op, x| &[op.dim], ordered => [x.dtype(), DType::I64];
    VarMean, "var_mean", |op, x| &op.dims, real_float => [x.dtype(), x.dtype()];
}

impl Infer for Norm {
    const NAME: &'static str = "norm";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_dims("norm", &self.dims, inputs[0].rank())?;
        real_float("norm", inputs[0], &self.dims)?;
        if self.ord < 0.0 || self.ord.is_infinite() {
            need_elements("norm", inputs[0], &self.dims)?;
        }
        meta(inputs[0], &self.dims, inputs[0].dtype()).one()
    }
}

/// The dtype of a sum or product: integers and bool add up in `i64`.
pub(crate) fn sum_dtype(dtype: DType) -> DType {
    if dtype.is_differentiable() { dtype } else { DType::I64 }
}

impl Tensor {
    /// The dimensions to reduce, in rising order; a scalar has none.
    #[track_caller]
    pub(crate) fn reduced_dims(&self, op: &'static str, dims: impl Into<Dims>) -> Result<DimList> {
        let dims = dims.into();
        if self.rank() == 0 {
            dims.resolve(op, 1)?;
            return Ok(DimList::new());
        }
        let mut dims = match dims {
            Dims::Some(d) if d.is_empty() => Dims::All.resolve(op, self.rank())?,
            dims => dims.resolve(op, self.rank())?,
        };
        dims.sort_unstable();
        Ok(dims)
    }

    /// Without the dimensions of size 1 at `dims`.
    #[track_caller]
    pub(crate) fn drop_dims(&self, dims: &[usize]) -> Result<Tensor> {
        if dims.is_empty() || self.rank() == 0 {
            return Ok(self.clone());
        }
        crate::dispatch_view(crate::Reshape { shape: dropped(self.shape(), dims) }, self)
    }
}
