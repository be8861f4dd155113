//! The ops of linear algebra ([`linalg`](crate::linalg)): factorizations of matrices, which are the last two dimensions
//! of their inputs, and what is solved by them.

use crate::autocast::{Policy, autocast_dtype};
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::{DType, Result, Tensor, ensure};

/// The sizes of the matrices of `x`, which must be of single or double precision, real or complex; within `autocast` in half
/// precision, too, which it casts.
pub(crate) fn matrices(op: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    let fits = matches!(x.dtype(), DType::F32 | DType::F64 | DType::Complex64 | DType::Complex128);
    let fits = fits || x.dtype().is_half() && autocast_dtype().is_some();
    ensure!(fits, DType, op, "not defined for {}, only for single and double precision", x.dtype());
    match x.shape() {
        [.., m, n] => Ok((*m, *n)),
        shape => crate::bail!(Shape, op, "the input must have at least 2 dimensions, its shape is {shape:?}"),
    }
}

/// The size of the square matrices of `x`.
pub(crate) fn square(op: &'static str, x: &Tensor) -> Result<usize> {
    let (m, n) = matrices(op, x)?;
    ensure!(m == n, Shape, op, "the matrices must be square, but they are {m} by {n}");
    Ok(n)
}

/// The shape before the last `n` dimensions, with `last` after it.
fn with(x: &Tensor, n: usize, last: &[usize], dtype: DType) -> Meta {
    let mut shape = crate::shape::copied(&x.shape()[..x.rank() - n]);
    shape.extend_from_slice(last);
    Meta { shape, dtype }
}

/// A second operand of the same dtype and batch.
fn beside(op: &'static str, x: &Tensor, y: &Tensor) -> Result<(usize, usize)> {
    let sizes = matrices(op, y)?;
    let (a, b) = (&x.shape()[..x.rank() - 2], &y.shape()[..y.rank() - 2]);
    ensure!(x.dtype() == y.dtype(), DType, op, "the operands are {} and {}", x.dtype(), y.dtype());
    ensure!(a == b, Shape, op, "shapes {:?} and {:?} are not of one batch", x.shape(), y.shape());
    Ok(sizes)
}

/// P A = L U: the factors in one matrix, the rows that were exchanged (`int32`, from 1 on), and 0 or the number of a
/// pivot that is zero.
#[derive(Clone, Copy, Debug)]
pub struct LuFactor {
    /// Exchange rows?
    pub pivot: bool,
    /// Is a pivot that is zero an error?
    pub check: bool,
}

/// A⁻¹ B, and as [`LuFactor`] whether A is singular.
#[derive(Clone, Copy, Debug)]
pub struct Solve {
    /// The function it is for, which errors name.
    pub op: &'static str,
    /// Is a singular matrix an error?
    pub check: bool,
}

/// T⁻¹ B for the triangle T of A.
#[derive(Clone, Copy, Debug)]
pub struct SolveTriangular {
    /// The upper one?
    pub upper: bool,
    /// With ones on the diagonal, whatever stands there?
    pub unitriangular: bool,
    /// Does the derivative count the other triangle, too, as if it were read and zero?
    pub whole: bool,
}

/// The determinant.
#[derive(Clone, Copy, Debug)]
pub struct Det;

/// The determinant's sign and the logarithm of its magnitude.
#[derive(Clone, Copy, Debug)]
pub struct Slogdet;

/// The lower L of A = L Lᴴ by the lower triangle of A (or Lᴴ by the upper one), and 0 or the order of a minor that is not
/// positive.
#[derive(Clone, Copy, Debug)]
pub struct Cholesky {
    /// The upper factor, by the upper triangle?
    pub upper: bool,
    /// Is such a minor an error?
    pub check: bool,
}

/// R and Householder's vectors in one matrix, and the factors of the reflections.
#[derive(Clone, Copy, Debug)]
pub struct Geqrf;

/// The first columns of the product of Householder's reflections.
#[derive(Clone, Copy, Debug)]
pub struct HouseholderProduct;

/// A = Q R.
#[derive(Clone, Copy, Debug)]
pub struct Qr {
    /// Is Q square?
    pub complete: bool,
}

/// Eigenvalues and eigenvectors of a Hermitian matrix.
#[derive(Clone, Copy, Debug)]
pub struct Eigh {
    /// Is it the upper triangle that counts?
    pub upper: bool,
}

/// Eigenvalues and eigenvectors.
#[derive(Clone, Copy, Debug)]
pub struct Eig;

/// A = U S Vᴴ.
#[derive(Clone, Copy, Debug)]
pub struct Svd {
    /// Are U and V square?
    pub full_matrices: bool,
}

/// eᴬ.
#[derive(Clone, Copy, Debug)]
pub struct MatrixExp;

/// The pseudo-inverse.
#[derive(Clone, Copy, Debug)]
pub struct Pinv {
    /// Singular values up to this count as 0.
    pub atol: f64,
    /// And up to this part of the greatest.
    pub rtol: f64,
}

/// A = L D Lᵀ: both in one matrix, LAPACK's pivots, and 0 or the number of a block that is zero.
#[derive(Clone, Copy, Debug)]
pub struct LdlFactor {
    /// L D Lᴴ?
    pub hermitian: bool,
    /// Is such a block an error?
    pub check: bool,
}

/// A⁻¹ B by what [`LdlFactor`] made of A.
#[derive(Clone, Copy, Debug)]
pub struct LdlSolve {
    /// L D Lᴴ?
    pub hermitian: bool,
}

impl Infer for LuFactor {
    const NAME: &'static str = "linalg.lu_factor";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (m, n) = matrices("lu_factor", x)?;
        Ok(Metas::from_iter([Meta::like(x), with(x, 2, &[m.min(n)], DType::I32), with(x, 2, &[], DType::I32)]))
    }
}

impl Infer for Solve {
    const NAME: &'static str = "linalg.solve";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (a, b) = (inputs[0], inputs[1]);
        let n = square(self.op, a)?;
        let (rows, _) = beside(self.op, a, b)?;
        ensure!(rows == n, Shape, self.op, "a system of {n} rows has a right-hand side of {rows}");
        Ok(Metas::from_iter([Meta::like(b), with(a, 2, &[], DType::I32)]))
    }
}

impl Infer for SolveTriangular {
    const NAME: &'static str = "linalg.solve_triangular";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (a, b) = (inputs[0], inputs[1]);
        let n = square("solve_triangular", a)?;
        let (rows, _) = beside("solve_triangular", a, b)?;
        ensure!(rows == n, Shape, "solve_triangular", "a system of {n} rows has a right-hand side of {rows}");
        Meta::like(b).one()
    }
}

impl Infer for Det {
    const NAME: &'static str = "linalg.det";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        square("det", inputs[0])?;
        with(inputs[0], 2, &[], inputs[0].dtype()).one()
    }
}

impl Infer for Slogdet {
    const NAME: &'static str = "linalg.slogdet";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        square("slogdet", x)?;
        Ok(Metas::from_iter([with(x, 2, &[], x.dtype()), with(x, 2, &[], x.dtype().to_real())]))
    }
}

impl Infer for Cholesky {
    const NAME: &'static str = "linalg.cholesky";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        square("cholesky", inputs[0])?;
        Ok(Metas::from_iter([Meta::like(inputs[0]), with(inputs[0], 2, &[], DType::I32)]))
    }
}

impl Infer for Geqrf {
    const NAME: &'static str = "geqrf";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (m, n) = matrices("geqrf", x)?;
        Ok(Metas::from_iter([Meta::like(x), with(x, 2, &[m.min(n)], x.dtype())]))
    }
}

impl Infer for HouseholderProduct {
    const NAME: &'static str = "linalg.householder_product";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, tau, op) = (inputs[0], inputs[1], "householder_product");
        let (m, n) = matrices(op, x)?;
        ensure!(m >= n, Shape, op, "the matrices must not be wider than high, but they are {m} by {n}");
        ensure!(x.dtype() == tau.dtype(), DType, op, "the operands are {} and {}", x.dtype(), tau.dtype());
        let fits = tau.rank() + 1 == x.rank()
            && tau.shape()[..tau.rank() - 1] == x.shape()[..x.rank() - 2]
            && tau.shape().last().is_some_and(|k| *k <= n);
        ensure!(fits, Shape, op, "factors of shape {:?} do not go with reflections of {:?}", tau.shape(), x.shape());
        Meta::like(x).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let product = || {
            let (x, tau) = (inputs[0], inputs[1]);
            let (m, n) = matrices("householder_product", x)?;
            let eye = Tensor::eye_of(m, n).dtype(x.dtype()).device(x.device()).build()?;
            let vectors = x.tril(-1)?.add(&eye)?;
            let mut q = eye.expand(x.shape())?;
            for i in (0..tau.size(-1)?).rev() {
                let v = vectors.narrow(-1, i as isize, 1)?;
                let t = tau.narrow(-1, i as isize, 1)?.unsqueeze(-1)?;
                q = q.sub(&v.mul(&t)?.matmul(v.transpose(-2, -1)?.conj()?.matmul(&q)?)?)?;
            }
            Ok(Outputs::from_iter([q]))
        };
        Some(product())
    }
}

impl Infer for Qr {
    const NAME: &'static str = "linalg.qr";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (m, n) = matrices("qr", x)?;
        let inner = if self.complete { m } else { m.min(n) };
        Ok(Metas::from_iter([with(x, 2, &[m, inner], x.dtype()), with(x, 2, &[inner, n], x.dtype())]))
    }
}

impl Infer for Eigh {
    const NAME: &'static str = "linalg.eigh";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let n = square("eigh", x)?;
        Ok(Metas::from_iter([with(x, 2, &[n], x.dtype().to_real()), Meta::like(x)]))
    }
}

impl Infer for Eig {
    const NAME: &'static str = "linalg.eig";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (n, dtype) = (square("eig", x)?, x.dtype().to_complex());
        Ok(Metas::from_iter([with(x, 2, &[n], dtype), Meta::like(x).with_dtype(dtype)]))
    }
}

impl Infer for Svd {
    const NAME: &'static str = "linalg.svd";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let (m, n) = matrices("svd", x)?;
        let k = m.min(n);
        let (left, right) = if self.full_matrices { (m, n) } else { (k, k) };
        let (u, vh) = (with(x, 2, &[m, left], x.dtype()), with(x, 2, &[right, n], x.dtype()));
        Ok(Metas::from_iter([u, with(x, 2, &[k], x.dtype().to_real()), vh]))
    }
}

impl Infer for MatrixExp {
    const NAME: &'static str = "matrix_exp";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        square("matrix_exp", inputs[0])?;
        Meta::like(inputs[0]).one()
    }
}

impl Infer for Pinv {
    const NAME: &'static str = "linalg.pinv";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (m, n) = matrices("pinv", inputs[0])?;
        with(inputs[0], 2, &[n, m], inputs[0].dtype()).one()
    }
}

impl Infer for LdlFactor {
    const NAME: &'static str = "linalg.ldl_factor";
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let n = square("ldl_factor", x)?;
        Ok(Metas::from_iter([Meta::like(x), with(x, 2, &[n], DType::I32), with(x, 2, &[], DType::I32)]))
    }
}

impl Infer for LdlSolve {
    const NAME: &'static str = "linalg.ldl_solve";
    const INPUTS: usize = 3;
    fn autocast(&self) -> Policy {
        Policy::Full
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (ld, pivots, b, op) = (inputs[0], inputs[1], inputs[2], "ldl_solve");
        let n = square(op, ld)?;
        let (rows, _) = beside(op, ld, b)?;
        ensure!(rows == n, Shape, op, "a system of {n} rows has a right-hand side of {rows}");
        let fits = *pivots.shape() == ld.shape()[..ld.rank() - 1] && pivots.dtype() == DType::I32;
        ensure!(fits, Shape, op, "pivots of {} {:?} do not go with {:?}", pivots.dtype(), pivots.shape(), ld.shape());
        Meta::like(b).one()
    }
}
