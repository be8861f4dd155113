//! Functions of matrices that are made of their factors.

use super::norms::epsilon;
use super::{Triangle, adjoint, eigh, eigvalsh, identity, inv, svd, svdvals};
use crate::ops::{MatrixExp, Pinv, matrices, square};
use crate::{DType, Result, Tensor, dispatch, ensure};

/// Below what a singular value counts as 0: `max(atol, rtol · the greatest one)`. The numbers that are not given are
/// PyTorch's: `rtol` is ε times the larger size, or 0 beside an `atol`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cutoff {
    /// The bound itself.
    pub atol: Option<f64>,
    /// A part of the greatest singular value.
    pub rtol: Option<f64>,
}

impl Cutoff {
    /// Both numbers, for matrices like those of `x`.
    fn of(self, x: &Tensor) -> Result<(f64, f64)> {
        let (m, n) = matrices("pinv", x)?;
        let atol = self.atol.unwrap_or(0.0);
        let usual = if atol > 0.0 { 0.0 } else { epsilon(x.dtype()) * m.max(n) as f64 };
        Ok((atol, self.rtol.unwrap_or(usual)))
    }
}

/// How many singular values are not 0, `int64`: `torch.linalg.matrix_rank`. Of `hermitian` matrices it is eigenvalues
/// that are counted.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn matrix_rank(x: &Tensor, cutoff: Cutoff, hermitian: bool) -> Result<Tensor> {
    let (m, n) = matrices("matrix_rank", x)?;
    let (atol, rtol) = cutoff.of(x)?;
    if m.min(n) == 0 {
        return Tensor::zeros(&x.shape()[..x.rank() - 2]).dtype(DType::I64).device(x.device()).build();
    }
    let x = x.detach();
    let s = if hermitian { eigvalsh(&x, Triangle::Lower)?.abs()? } else { svdvals(&x)? };
    let bound = s.amax_keepdim(-1)?.mul(rtol)?;
    s.gt(&bound.clamp(atol, ..)?)?.sum(-1)
}

/// The pseudo-inverse (Moore and Penrose): `torch.linalg.pinv`. Its derivative holds where the rank does not change.
///
/// # Errors
/// As [`svd`]; where `hermitian`, also where the matrices are not square.
#[track_caller]
pub fn pinv(x: &Tensor, cutoff: Cutoff, hermitian: bool) -> Result<Tensor> {
    let (atol, rtol) = cutoff.of(x)?;
    if hermitian {
        square("pinv", x)?;
        // What is above the diagonal is not read, and the gradient is Hermitian, as PyTorch has it.
        let low = x.detach().tril(-1)?;
        let diagonal = x.detach().diagonal(0, -2, -1)?.real()?.to_dtype(x.dtype())?.diag_embed(0, -2, -1)?;
        let value = low.add(&diagonal)?.add(&adjoint(&low)?)?;
        let half = x.add(&adjoint(x)?)?.mul(0.5)?;
        return dispatch(Pinv { atol, rtol }, &[&half.sub(&half.detach())?.add(&value)?]);
    }
    dispatch(Pinv { atol, rtol }, &[x])
}

/// eᴬ: `torch.linalg.matrix_exp`.
///
/// # Errors
/// Where the matrices are not square.
#[track_caller]
pub fn matrix_exp(x: &Tensor) -> Result<Tensor> {
    dispatch(MatrixExp, &[x])
}

/// Aⁿ, of the inverse for an `n` below 0: `torch.linalg.matrix_power`.
///
/// # Errors
/// Where the matrices are not square, or singular and `n` below 0.
#[track_caller]
pub fn matrix_power(x: &Tensor, n: i64) -> Result<Tensor> {
    let size = square("matrix_power", x)?;
    if n == 0 {
        // With a history, which is of no consequence.
        let power = x.copy()?;
        power.copy_(&identity(x, size)?)?;
        return Ok(power);
    }
    let mut base = if n < 0 { inv(x)? } else { x.clone() };
    let (mut left, mut power) = (n.unsigned_abs(), None::<Tensor>);
    loop {
        if left & 1 == 1 {
            power = Some(match power {
                None => base.clone(),
                Some(power) => power.matmul(&base)?,
            });
        }
        left >>= 1;
        match power {
            Some(power) if left == 0 => return Ok(power),
            _ => base = base.matmul(&base)?,
        }
    }
}

/// The root of a Hermitian matrix that is positive-semidefinite: `torch.linalg.matrix_sqrth`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn matrix_sqrth(x: &Tensor) -> Result<Tensor> {
    let eigen = eigh(x, Triangle::Lower)?;
    let roots = eigen.eigenvalues.sqrt()?.unsqueeze(-2)?;
    eigen.eigenvectors.mul(&roots)?.matmul(adjoint(&eigen.eigenvectors)?)
}

/// A = U P with orthonormal columns in U and a Hermitian P: `torch.linalg.polar`.
///
/// # Errors
/// As [`svd`], and where the matrices are wider than high.
#[track_caller]
pub fn polar(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (m, n) = matrices("polar", x)?;
    ensure!(m >= n, Shape, "polar", "the matrices must not be wider than high, but they are {m} by {n}");
    let parts = svd(x, false)?;
    let u = parts.u.matmul(&parts.vh)?;
    let p = adjoint(&parts.vh)?.mul(parts.s.unsqueeze(-2)?)?.matmul(&parts.vh)?;
    Ok((u, p))
}

/// What LAPACK's routine behind [`lstsq`] would be: it says which parts of the result there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// For matrices of full rank: no rank, no singular values.
    Gels,
    /// PyTorch's on the CPU: a rank.
    #[default]
    Gelsy,
    /// A rank and singular values.
    Gelsd,
    /// A rank and singular values.
    Gelss,
}

/// What [`lstsq`] returns; what the driver does not give is empty.
#[derive(Clone, Debug)]
pub struct LeastSquares {
    /// The X of least norm that makes ‖A X − B‖ least.
    pub solution: Tensor,
    /// That norm's square for each column, where there are more equations than unknowns.
    pub residuals: Tensor,
    /// The rank, `int64`.
    pub rank: Tensor,
    /// The singular values.
    pub singular_values: Tensor,
}

/// The solution of least squares: `torch.linalg.lstsq`. Singular values up to `rcond` times the greatest (ε times the
/// larger size unless given) count as 0.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64>, driver: Driver) -> Result<LeastSquares> {
    let (m, n) = matrices("lstsq", a)?;
    let vector = b.rank() == 1 || (b.rank() + 1 == a.rank() && *b.shape() == a.shape()[..a.rank() - 1]);
    let right = if vector { b.unsqueeze(-1)? } else { b.clone() };
    ensure!(right.rank() > 1 && right.size(-2)? == m, Shape, "lstsq", "{m} equations with {:?}", b.shape());
    let cutoff = Cutoff { atol: None, rtol: rcond };
    let solution = pinv(a, cutoff, false)?.matmul(&right)?;
    let none = |dtype: DType| Tensor::zeros([0]).dtype(dtype).device(a.device()).build();
    let real = a.dtype().to_real();
    let residuals = if m > n && driver != Driver::Gelsy {
        a.matmul(&solution)?.sub(&right)?.abs()?.square()?.sum(-2)?
    } else {
        solution.real()?.flatten(0, -1)?.narrow(0, 0, 0)?
    };
    let rank = if driver == Driver::Gels { none(DType::I64)? } else { matrix_rank(a, cutoff, false)? };
    let singular_values =
        if matches!(driver, Driver::Gelsd | Driver::Gelss) { svdvals(&a.detach())? } else { none(real)? };
    Ok(LeastSquares {
        solution: if vector { solution.squeeze(-1)? } else { solution },
        residuals,
        rank,
        singular_values,
    })
}
