//! What ops of two outputs return: fields with PyTorch's names (`torch.return_types`).

use crate::op::Op;
use crate::{Error, ErrorKind, Result, Tensor, dispatch_all};

/// Elements, and where along their dimension each was taken from (`int64`): what `sort`, `topk`, `max` over a
/// dimension and their like return.
#[derive(Clone, Debug)]
pub struct ValuesIndices {
    /// The elements.
    pub values: Tensor,
    /// Their indices.
    pub indices: Tensor,
}

/// The smallest and the largest elements: what [`Tensor::aminmax`] returns.
#[derive(Clone, Debug)]
pub struct MinMax {
    /// The smallest.
    pub min: Tensor,
    /// The largest.
    pub max: Tensor,
}

/// What [`Tensor::var_mean`] returns.
#[derive(Clone, Debug)]
pub struct VarAndMean {
    /// The variance.
    pub var: Tensor,
    /// The mean.
    pub mean: Tensor,
}

/// What [`Tensor::std_mean`] returns.
#[derive(Clone, Debug)]
pub struct StdAndMean {
    /// The standard deviation.
    pub std: Tensor,
    /// The mean.
    pub mean: Tensor,
}

/// What [`Tensor::frexp`] returns.
#[derive(Clone, Debug)]
pub struct MantissaExponent {
    /// The mantissas.
    pub mantissa: Tensor,
    /// The exponents, `int32`.
    pub exponent: Tensor,
}

/// Both outputs of an op that has two.
#[track_caller]
pub(crate) fn pair(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<(Tensor, Tensor)> {
    let mut outputs = dispatch_all(op.into(), inputs)?.into_iter();
    match (outputs.next(), outputs.next()) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(Error::new(ErrorKind::Unsupported, "dispatch", "an op with fewer than two outputs")),
    }
}

/// The outputs of an op that gives elements and their indices.
#[track_caller]
pub(crate) fn values_indices(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<ValuesIndices> {
    let (values, indices) = pair(op, inputs)?;
    Ok(ValuesIndices { values, indices })
}

impl ValuesIndices {
    /// `f` of both.
    pub(crate) fn map(self, f: impl Fn(Tensor) -> Result<Tensor>) -> Result<ValuesIndices> {
        Ok(ValuesIndices { values: f(self.values)?, indices: f(self.indices)? })
    }
}
