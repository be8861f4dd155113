//! Factorizations: Cholesky's, QR, eigenvalues, singular values.

use super::{adjoint, batched, outputs};
use crate::ops::{Cholesky, Eig, Eigh, Geqrf, HouseholderProduct, Qr, SolveTriangular, Svd, matrices, square};
use crate::{Result, Tensor, dispatch, ensure};

/// Which half of a Hermitian matrix counts: PyTorch's `UPLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Triangle {
    /// The lower one: `"L"`.
    #[default]
    Lower,
    /// The upper one: `"U"`.
    Upper,
}

/// L of A = L Lᴴ, or, where `upper`, Lᴴ: `torch.linalg.cholesky`. Only the lower triangle of A is read; with `upper`
/// only the upper one.
///
/// # Errors
/// Where a matrix is not positive-definite or not square.
#[track_caller]
pub fn cholesky(a: &Tensor, upper: bool) -> Result<Tensor> {
    Ok(cholesky_ex(a, upper, true)?.0)
}

/// [`cholesky`], and for each matrix 0 or the order of a leading minor that is not positive:
/// `torch.linalg.cholesky_ex`. Such a minor is an error only where `check_errors`.
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cholesky_ex(a: &Tensor, upper: bool, check_errors: bool) -> Result<(Tensor, Tensor)> {
    square("cholesky", a)?;
    let [factor, info] = outputs(Cholesky { upper, check: check_errors }, &[a])?;
    Ok((factor, info))
}

/// X of A X = B by Cholesky's factor of A: `torch.cholesky_solve`. Only the factor's triangle is read; its gradient has
/// values in the other one, too, as in PyTorch, where the derivative is that of A as the product of the whole factor with
/// its adjoint.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn cholesky_solve(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    square("cholesky_solve", factor)?;
    matrices("cholesky_solve", b)?;
    let (factor, b) = batched("cholesky_solve", factor, b)?;
    let turned = adjoint(&factor)?;
    let (low, high) = if upper { (&turned, &factor) } else { (&factor, &turned) };
    let solve = |upper| SolveTriangular { upper, unitriangular: false, whole: true };
    dispatch(solve(true), &[high, &dispatch(solve(false), &[low, &b])?])
}

/// A⁻¹ by Cholesky's factor of A: `torch.cholesky_inverse`.
///
/// # Errors
/// Where the factor is not square.
#[track_caller]
pub fn cholesky_inverse(factor: &Tensor, upper: bool) -> Result<Tensor> {
    let n = square("cholesky_inverse", factor)?;
    cholesky_solve(&super::identity(factor, n)?, factor, upper)
}

/// What of Q is wanted: PyTorch's `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QrMode {
    /// As many columns as the smaller size: `"reduced"`.
    #[default]
    Reduced,
    /// Square: `"complete"`. It has no derivative where A is higher than wide, as in PyTorch.
    Complete,
    /// None: `"r"`.
    R,
}

/// A = Q R: `torch.linalg.qr`. The diagonal of R may have any sign.
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn qr(a: &Tensor, mode: QrMode) -> Result<(Tensor, Tensor)> {
    let [q, r] = outputs(Qr { complete: mode == QrMode::Complete }, &[a])?;
    let q = if mode == QrMode::R { Tensor::zeros([0]).dtype(a.dtype()).device(a.device()).build()? } else { q };
    Ok((q, r))
}

/// R and Householder's vectors in one matrix, and the factors τ of the reflections: `torch.geqrf`. It has no
/// derivative; [`qr`] has.
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn geqrf(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let [packed, tau] = outputs(Geqrf, &[a])?;
    Ok((packed, tau))
}

/// The first columns, as many as `a` has, of the product of the reflections I − τᵢ vᵢ vᵢᴴ, whose vectors are below the
/// diagonal of `a`: `torch.linalg.householder_product`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn householder_product(a: &Tensor, tau: &Tensor) -> Result<Tensor> {
    dispatch(HouseholderProduct, &[a, tau])
}

/// Q C (or C Q unless `left`) with the square Q of the reflections in `a`, Qᴴ where `transpose`: `torch.ormqr`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn ormqr(a: &Tensor, tau: &Tensor, other: &Tensor, left: bool, transpose: bool) -> Result<Tensor> {
    let (m, n) = matrices("ormqr", a)?;
    matrices("ormqr", other)?;
    // Of a wide matrix only as many columns count as there can be reflections.
    let (a, n) = if n > m { (&a.narrow(-1, 0, m)?, m) } else { (a, n) };
    ensure!(
        tau.rank() > 0 && tau.size(-1)? <= n,
        Shape,
        "ormqr",
        "reflections of shape {:?} with {:?}",
        a.shape(),
        tau.shape()
    );
    // All columns: those that are missing are of no account.
    let square = a.pad(&[0, (m - n) as isize], 0.0)?;
    let q = householder_product(&square, tau)?;
    let q = if transpose { adjoint(&q)? } else { q };
    if left { q.matmul(other) } else { other.matmul(&q) }
}

/// What [`eigh`] and [`eig`] return.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// The eigenvalues.
    pub eigenvalues: Tensor,
    /// The eigenvectors, of norm 1, as columns.
    pub eigenvectors: Tensor,
}

/// Eigenvalues, ascending, and eigenvectors of symmetric or Hermitian matrices, of which only one triangle is read:
/// `torch.linalg.eigh`.
///
/// # Errors
/// Where the matrices are not square or have numbers in them that are not finite.
#[track_caller]
pub fn eigh(a: &Tensor, triangle: Triangle) -> Result<Eigen> {
    let [eigenvalues, eigenvectors] = outputs(Eigh { upper: triangle == Triangle::Upper }, &[a])?;
    Ok(Eigen { eigenvalues, eigenvectors })
}

/// The eigenvalues alone: `torch.linalg.eigvalsh`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvalsh(a: &Tensor, triangle: Triangle) -> Result<Tensor> {
    Ok(eigh(a, triangle)?.eigenvalues)
}

/// Eigenvalues, in no order, and eigenvectors of square matrices, complex: `torch.linalg.eig`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eig(a: &Tensor) -> Result<Eigen> {
    let [eigenvalues, eigenvectors] = outputs(Eig, &[a])?;
    Ok(Eigen { eigenvalues, eigenvectors })
}

/// The eigenvalues alone: `torch.linalg.eigvals`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvals(a: &Tensor) -> Result<Tensor> {
    Ok(eig(a)?.eigenvalues)
}

/// What [`svd`] returns: A = U diag(S) Vᴴ.
#[derive(Clone, Debug)]
pub struct SingularValues {
    /// The left singular vectors, as columns.
    pub u: Tensor,
    /// The singular values, descending.
    pub s: Tensor,
    /// The right singular vectors, as rows of conjugates.
    pub vh: Tensor,
}

/// The singular value decomposition: `torch.linalg.svd`. U and V are square where `full_matrices`; what that adds to
/// them has no derivative.
///
/// # Errors
/// Where the tensor has fewer than two dimensions, or numbers in it that are not finite.
#[track_caller]
pub fn svd(a: &Tensor, full_matrices: bool) -> Result<SingularValues> {
    let [u, s, vh] = outputs(Svd { full_matrices }, &[a])?;
    Ok(SingularValues { u, s, vh })
}

/// The singular values alone: `torch.linalg.svdvals`.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn svdvals(a: &Tensor) -> Result<Tensor> {
    Ok(svd(a, false)?.s)
}
