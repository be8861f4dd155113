//! Norms and condition numbers.

use super::{inv_ex, svdvals};
use crate::ops::matrices;
use crate::shape::Dims;
use crate::{DType, Result, Tensor, bail, ensure};

/// (Σ |x|ᵒʳᵈ)^(1/ord) over `dims`; the greatest or least magnitude for ±∞, the number of elements that are not 0 for 0:
/// `torch.linalg.vector_norm`.
///
/// # Errors
/// As [`Tensor::norm`].
#[track_caller]
pub fn vector_norm(x: &Tensor, ord: f64, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
    if keepdim { x.norm_keepdim(ord, dims) } else { x.norm(ord, dims) }
}

/// A norm of matrices: PyTorch's `ord`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MatrixOrd {
    /// Frobenius's, the root of the sum of squares: `"fro"`.
    #[default]
    Fro,
    /// The sum of the singular values: `"nuc"`.
    Nuc,
    /// 2 or −2, the greatest or the least singular value; 1 or −1, the greatest or the least sum of magnitudes of a
    /// column; ∞ or −∞, of a row.
    Number(f64),
}

impl From<f64> for MatrixOrd {
    fn from(ord: f64) -> Self {
        MatrixOrd::Number(ord)
    }
}

/// A norm of the matrices in the dimensions `dims`: `torch.linalg.matrix_norm`.
///
/// # Errors
/// Where there is no such norm, the dimensions are one, or the tensor is not of floating point.
#[track_caller]
pub fn matrix_norm(x: &Tensor, ord: impl Into<MatrixOrd>, dims: (isize, isize), keepdim: bool) -> Result<Tensor> {
    let (op, both) = ("matrix_norm", [dims.0, dims.1]);
    ensure!(x.dtype().is_differentiable(), DType, op, "not defined for {}", x.dtype());
    let at = Dims::from(both.to_vec()).resolve(op, x.rank())?;
    ensure!(at.len() == 2 && at[0] != at[1], Argument, op, "dims must be two dimensions, they are {dims:?}");
    let ord = match ord.into() {
        MatrixOrd::Fro => return vector_norm(x, 2.0, both.to_vec(), keepdim),
        MatrixOrd::Nuc => None,
        MatrixOrd::Number(ord) => Some(ord),
    };
    // Without a sign the same norm, of which it takes the least.
    let pick = |x: &Tensor, dim: isize| match ord.is_some_and(|ord| ord < 0.0) {
        true => x.amin_keepdim(dim),
        false => x.amax_keepdim(dim),
    };
    let (rows, columns) = (both[0], both[1]);
    let norm = match ord.map(f64::abs) {
        None | Some(2.0) => {
            let s = svdvals(&x.movedim(both.to_vec(), [-2, -1].to_vec())?)?;
            let s = if ord.is_none() { s.sum_keepdim(-1)? } else { pick(&s, -1)? };
            s.unsqueeze(-1)?.movedim([-2, -1].to_vec(), both.to_vec())?
        }
        Some(1.0) => pick(&x.abs()?.sum_keepdim(rows)?, columns)?,
        Some(f64::INFINITY) => pick(&x.abs()?.sum_keepdim(columns)?, rows)?,
        Some(other) => bail!(Argument, op, "there is no norm of order {other} of a matrix"),
    };
    if keepdim { Ok(norm) } else { norm.squeeze(both.to_vec()) }
}

/// A norm of vectors or matrices: `torch.linalg.norm`. Over one dimension, or without `ord`, it is [`vector_norm`];
/// over two dimensions with `ord` it is [`matrix_norm`]. Without `dims` and with `ord` the tensor must be a vector or
/// a matrix.
///
/// # Errors
/// As those two.
#[track_caller]
pub fn norm(x: &Tensor, ord: Option<MatrixOrd>, dims: Option<&[isize]>, keepdim: bool) -> Result<Tensor> {
    let Some(ord) = ord else {
        return vector_norm(x, 2.0, dims.map_or(Dims::All, |dims| Dims::from(dims.to_vec())), keepdim);
    };
    let over = dims.map_or(x.rank(), <[isize]>::len);
    ensure!(matches!(over, 1 | 2), Shape, "norm", "a norm with an order is over 1 or 2 dimensions, not {over}");
    match (dims, ord) {
        (Some([rows, columns]), _) => matrix_norm(x, ord, (*rows, *columns), keepdim),
        (None, _) if over == 2 => matrix_norm(x, ord, (-2, -1), keepdim),
        (_, MatrixOrd::Number(ord)) => vector_norm(x, ord, dims.map_or(Dims::All, |d| Dims::from(d.to_vec())), keepdim),
        _ => bail!(Argument, "norm", "{ord:?} is a norm of matrices"),
    }
}

/// How much solving with a matrix makes of an error: the norm of A times that of A⁻¹, ∞ of a singular matrix:
/// `torch.linalg.cond`. Without `ord` it is the quotient of the greatest and the least singular value.
///
/// # Errors
/// Where there is no such norm, or a matrix that has to be inverted is not square.
#[track_caller]
pub fn cond(x: &Tensor, ord: Option<MatrixOrd>) -> Result<Tensor> {
    let (m, n) = matrices("cond", x)?;
    match ord {
        None | Some(MatrixOrd::Number(2.0 | -2.0)) => {
            ensure!(m.min(n) > 0, Shape, "cond", "a matrix without elements has no singular values");
            let s = svdvals(x)?;
            let (most, least) = (s.select(-1, 0)?, s.select(-1, -1)?);
            if ord == Some(MatrixOrd::Number(-2.0)) { least.div(&most) } else { most.div(&least) }
        }
        Some(ord) => {
            let (inverse, info) = inv_ex(x, false)?;
            let product = matrix_norm(x, ord, (-2, -1), false)?.mul(matrix_norm(&inverse, ord, (-2, -1), false)?)?;
            product.masked_fill(&info.ne(0)?, f64::INFINITY)
        }
    }
}

/// The dtype that singular values are counted by.
pub(super) fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F32 | DType::Complex64 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}
