//! Systems of equations, inverses, determinants, and the LU factorization behind them.

use super::{adjoint, batched, identity, in_batch, outputs};
use crate::lists;
use crate::ops::{Det, LdlFactor, LdlSolve, LuFactor, Slogdet, Solve, SolveTriangular, matrices, square};
use crate::shape::{Shape, broadcast_shapes};
use crate::{DType, Result, Tensor, bail, dispatch, ensure};

/// Is `b` a vector (or a batch of them) for the matrices `a`?
fn is_vector(a: &Tensor, b: &Tensor) -> bool {
    b.rank() == 1 || (b.rank() + 1 == a.rank() && *b.shape() == a.shape()[..a.rank() - 1])
}

#[track_caller]
fn solve_by(op: &'static str, a: &Tensor, b: &Tensor, left: bool, check: bool) -> Result<(Tensor, Tensor)> {
    square(op, a)?;
    ensure!(b.rank() > 0, Shape, op, "the right-hand side must have at least one dimension");
    let vector = left && is_vector(a, b);
    let b = if vector { b.unsqueeze(-1)? } else { b.clone() };
    matrices(op, &b)?;
    let (a, b) = if left { (a.clone(), b) } else { (a.transpose(-2, -1)?, b.transpose(-2, -1)?) };
    let (a, b) = batched(op, &a, &b)?;
    let [x, info] = outputs(Solve { op, check }, &[&a, &b])?;
    let x = if left { x } else { x.transpose(-2, -1)? };
    Ok((if vector { x.squeeze(-1)? } else { x }, info))
}

/// X of A X = B, or, unless `left`, of X A = B: `torch.linalg.solve`. B may be a vector, or a batch of vectors of A's
/// batch.
///
/// # Errors
/// Where A is singular or not square, or the shapes do not go together.
#[track_caller]
pub fn solve(a: &Tensor, b: &Tensor, left: bool) -> Result<Tensor> {
    Ok(solve_by("solve", a, b, left, true)?.0)
}

/// [`solve`], and for each matrix 0 or the number of a pivot that is zero: `torch.linalg.solve_ex`. A singular matrix
/// is an error only where `check_errors`.
///
/// # Errors
/// As [`solve`].
#[track_caller]
pub fn solve_ex(a: &Tensor, b: &Tensor, left: bool, check_errors: bool) -> Result<(Tensor, Tensor)> {
    solve_by("solve", a, b, left, check_errors)
}

/// The inverse: `torch.linalg.inv`.
///
/// # Errors
/// Where a matrix is singular or not square.
#[track_caller]
pub fn inv(a: &Tensor) -> Result<Tensor> {
    Ok(inv_ex(a, true)?.0)
}

/// [`inv`], and for each matrix 0 or the number of a pivot that is zero: `torch.linalg.inv_ex`. A singular matrix is an
/// error only where `check_errors`.
///
/// # Errors
/// As [`inv`].
#[track_caller]
pub fn inv_ex(a: &Tensor, check_errors: bool) -> Result<(Tensor, Tensor)> {
    let n = square("inv", a)?;
    let [x, info] = outputs(Solve { op: "inv", check: check_errors }, &[a, &identity(a, n)?])?;
    Ok((x, info))
}

/// X of T X = B (`left`) or X T = B for the upper or the lower triangle T of A, with ones on its diagonal where
/// `unitriangular`: `torch.linalg.solve_triangular`.
///
/// # Errors
/// Where A is not square or the shapes do not go together.
#[track_caller]
pub fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool, left: bool, unitriangular: bool) -> Result<Tensor> {
    square("solve_triangular", a)?;
    matrices("solve_triangular", b)?;
    let (a, b) = batched("solve_triangular", a, b)?;
    if left {
        return dispatch(SolveTriangular { upper, unitriangular, whole: false }, &[&a, &b]);
    }
    let turned = [&a.transpose(-2, -1)?, &b.transpose(-2, -1)?];
    dispatch(SolveTriangular { upper: !upper, unitriangular, whole: false }, &turned)?.transpose(-2, -1)
}

/// The determinant: `torch.linalg.det`.
///
/// # Errors
/// Where the matrices are not square.
#[track_caller]
pub fn det(a: &Tensor) -> Result<Tensor> {
    dispatch(Det, &[a])
}

/// What [`slogdet`] returns.
#[derive(Clone, Debug)]
pub struct SignAndLog {
    /// The sign, or the phase of a complex determinant.
    pub sign: Tensor,
    /// The logarithm of its magnitude.
    pub logabsdet: Tensor,
}

/// The sign of the determinant and the logarithm of its magnitude: `torch.linalg.slogdet`.
///
/// # Errors
/// Where the matrices are not square.
#[track_caller]
pub fn slogdet(a: &Tensor) -> Result<SignAndLog> {
    let [sign, logabsdet] = outputs(Slogdet, &[a])?;
    Ok(SignAndLog { sign, logabsdet })
}

/// The logarithm of the determinant, NaN where that is negative: `torch.logdet`.
///
/// # Errors
/// Where the matrices are not square.
#[track_caller]
pub fn logdet(a: &Tensor) -> Result<Tensor> {
    let SignAndLog { sign, logabsdet } = slogdet(a)?;
    sign.log()?.add(&logabsdet)
}

/// What [`lu_factor_ex`] returns.
#[derive(Clone, Debug)]
pub struct LuFactors {
    /// L below the diagonal, U from it on.
    pub lu: Tensor,
    /// The row that each was exchanged with, from 1 on, `int32`.
    pub pivots: Tensor,
    /// 0, or the number of a pivot that is zero, `int32`.
    pub info: Tensor,
}

/// P A = L U with the factors in one matrix: `torch.linalg.lu_factor_ex`. A pivot that is zero is an error only where
/// `check_errors`.
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn lu_factor_ex(a: &Tensor, pivot: bool, check_errors: bool) -> Result<LuFactors> {
    let [lu, pivots, info] = outputs(LuFactor { pivot, check: check_errors }, &[a])?;
    Ok(LuFactors { lu, pivots, info })
}

/// [`lu_factor_ex`] that takes no zero for a pivot: `torch.linalg.lu_factor`.
///
/// # Errors
/// As [`lu_factor_ex`], and where a pivot is zero.
#[track_caller]
pub fn lu_factor(a: &Tensor, pivot: bool) -> Result<LuFactors> {
    lu_factor_ex(a, pivot, true)
}

/// The matrices P, L and U of A = P L U from the factors: `torch.lu_unpack`.
///
/// # Errors
/// Where factors and pivots do not go together.
#[track_caller]
pub fn lu_unpack(lu: &Tensor, pivots: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (m, n) = matrices("lu_unpack", lu)?;
    let k = m.min(n);
    let eye = Tensor::eye_of(m, k).dtype(lu.dtype()).device(lu.device()).build()?;
    let l = lu.narrow(-1, 0, k)?.tril(-1)?.add(&eye)?;
    let u = lu.narrow(-2, 0, k)?.triu(0)?;
    Ok((permutation(lu, pivots, m)?, l, u))
}

/// The matrices that put back what the pivots exchanged.
#[track_caller]
fn permutation(lu: &Tensor, pivots: &Tensor, m: usize) -> Result<Tensor> {
    let order = row_order(lu, pivots, m)?;
    let columns = Tensor::arange(0, m as i64).device(lu.device()).build()?;
    // Row order[j] of P has its one in column j.
    let rows = columns.unsqueeze(-1)?;
    rows.eq(&order.unsqueeze(-2)?)?.to_dtype(lu.dtype())
}

/// For each row of L U the row of A that it is, `int64`, `[…, m]`: the exchanges one after another, as long as there
/// are rows.
#[track_caller]
fn row_order(lu: &Tensor, pivots: &Tensor, m: usize) -> Result<Tensor> {
    let k = pivots.size(-1)?;
    let batch = &lu.shape()[..lu.rank() - 2];
    ensure!(
        pivots.dtype() == DType::I32 && k <= m && pivots.shape()[..pivots.rank() - 1] == *batch,
        Shape,
        "lu_unpack",
        "pivots of {} {:?} do not go with factors of {:?}",
        pivots.dtype(),
        pivots.shape(),
        lu.shape()
    );
    if lu.device() == crate::Device::Meta {
        return Tensor::zeros([batch, &[m]].concat()).dtype(DType::I64).device(lu.device()).build();
    }
    let count = batch.iter().product::<usize>();
    if count * m == 0 {
        return Tensor::zeros([batch, &[m]].concat()).dtype(DType::I64).device(lu.device()).build();
    }
    if crate::dispatch::is_interpreted() {
        return exchanged(pivots, batch, m);
    }
    let exchanged = pivots.to_device(crate::Device::Cpu)?.to_vec::<i32>()?;
    let mut order: Vec<i64> = Vec::new();
    lists::reserve(&mut order, count.saturating_mul(m))?;
    for b in 0..count {
        let start = order.len();
        order.extend(0..m as i64);
        for (i, p) in exchanged[b * k..(b + 1) * k].iter().enumerate() {
            let Some(row) = usize::try_from(*p).ok().filter(|p| (1..=m).contains(p)) else {
                bail!(Index, "lu_unpack", "pivot {p} is not in 1..={m}")
            };
            order.swap(start + i, start + row - 1);
        }
    }
    Tensor::from_vec(order, [batch, &[m]].concat())?.to_device(lu.device())
}

/// [`row_order`] by ops alone, for modes in which nobody may look at the pivots.
#[track_caller]
fn exchanged(pivots: &Tensor, batch: &[usize], m: usize) -> Result<Tensor> {
    let mut order = Tensor::arange(0, m as i64).device(pivots.device()).build()?.expand([batch, &[m]].concat())?;
    for i in 0..pivots.size(-1)? {
        let other = pivots.narrow(-1, i as isize, 1)?.to_dtype(DType::I64)?.sub(1)?;
        let (here, there) = (order.narrow(-1, i as isize, 1)?, order.gather(-1, &other)?);
        let this = Tensor::full(here.shape(), i as i64).dtype(DType::I64).device(pivots.device()).build()?;
        order = order.scatter(-1, &other, &here)?.scatter(-1, &this, &there)?;
    }
    Ok(order)
}

/// P, L and U with A = P L U: `torch.linalg.lu`.
///
/// # Errors
/// Where the tensor has fewer than two dimensions.
#[track_caller]
pub fn lu(a: &Tensor, pivot: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let LuFactors { lu, pivots, .. } = lu_factor_ex(a, pivot, false)?;
    lu_unpack(&lu, &pivots)
}

/// X of A X = B (or X A = B unless `left`; Aᴴ in the place of A where `adjoint`) by the factors of A:
/// `torch.linalg.lu_solve`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn lu_solve(lu: &Tensor, pivots: &Tensor, b: &Tensor, left: bool, adjoint_of: bool) -> Result<Tensor> {
    let n = square("lu_solve", lu)?;
    matrices("lu_solve", b)?;
    if !left {
        // X A = B is Aᴴ Xᴴ = Bᴴ.
        return adjoint(&lu_solve(lu, pivots, &adjoint(b)?, true, !adjoint_of)?);
    }
    let batch = |x: &Tensor| Shape::from_slice(&x.shape()[..x.rank() - 2]);
    let all = broadcast_shapes("lu_solve", &batch(lu), &batch(b))?;
    let (p, b) = (in_batch(&permutation(lu, pivots, n)?, &all)?, in_batch(b, &all)?);
    let triangular = |b: &Tensor, upper: bool| solve_triangular(lu, b, upper, true, !upper);
    if !adjoint_of {
        return triangular(&triangular(&p.transpose(-2, -1)?.matmul(&b)?, false)?, true);
    }
    let turned = adjoint(lu)?;
    let y = solve_triangular(&turned, &b, false, true, false)?;
    p.matmul(solve_triangular(&turned, &y, true, true, true)?)
}

/// What [`ldl_factor_ex`] returns.
#[derive(Clone, Debug)]
pub struct LdlFactors {
    /// L below the blocks of D, which are on its diagonal.
    pub ld: Tensor,
    /// LAPACK's pivots, `int32`.
    pub pivots: Tensor,
    /// 0, or the number of a block that is zero, `int32`.
    pub info: Tensor,
}

/// A = L D Lᵀ of a symmetric matrix, or L D Lᴴ of a `hermitian` one, from the lower triangle:
/// `torch.linalg.ldl_factor_ex`. It has no derivative, as in PyTorch.
///
/// # Errors
/// Where the matrices are not square; where `check_errors`, also where a block of D is zero.
#[track_caller]
pub fn ldl_factor_ex(a: &Tensor, hermitian: bool, check_errors: bool) -> Result<LdlFactors> {
    let hermitian = hermitian && a.dtype().is_complex();
    let [ld, pivots, info] = outputs(LdlFactor { hermitian, check: check_errors }, &[a])?;
    Ok(LdlFactors { ld, pivots, info })
}

/// X of A X = B by [`ldl_factor_ex`] of A: `torch.linalg.ldl_solve`.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn ldl_solve(ld: &Tensor, pivots: &Tensor, b: &Tensor, hermitian: bool) -> Result<Tensor> {
    square("ldl_solve", ld)?;
    matrices("ldl_solve", b)?;
    let (wide, b) = batched("ldl_solve", ld, b)?;
    let pivots = pivots.expand(&wide.shape()[..wide.rank() - 1])?;
    dispatch(LdlSolve { hermitian: hermitian && ld.dtype().is_complex() }, &[&wide, &pivots, &b])
}

/// The tensor X with `a`.tensordot(X, its last dimensions) = b: `torch.linalg.tensorsolve`. `dims` of a are moved to its
/// end first.
///
/// # Errors
/// Where the sizes do not make a square matrix.
#[track_caller]
pub fn tensorsolve(a: &Tensor, b: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    let mut a = a.clone();
    if let Some(dims) = dims {
        let rank = a.rank() as isize;
        let last: Vec<isize> = (rank - dims.len() as isize..rank).collect();
        a = a.movedim(dims.to_vec(), last)?;
    }
    ensure!(
        b.rank() <= a.rank(),
        Shape,
        "tensorsolve",
        "shapes {:?} and {:?} do not go together",
        a.shape(),
        b.shape()
    );
    let shape = a.shape()[b.rank()..].to_vec();
    let (rows, columns) = (b.numel(), shape.iter().product::<usize>());
    ensure!(rows == columns, Shape, "tensorsolve", "{rows} equations for {columns} unknowns: shape {:?}", a.shape());
    solve(&a.reshape([rows, columns])?, &b.reshape([rows])?, true)?.reshape(shape)
}

/// The tensor that is `a`'s inverse for `tensordot` over its first `ind` dimensions: `torch.linalg.tensorinv`.
///
/// # Errors
/// Where `ind` is 0, or the sizes do not make a square matrix, or that is singular.
#[track_caller]
pub fn tensorinv(a: &Tensor, ind: usize) -> Result<Tensor> {
    ensure!(ind > 0 && ind <= a.rank(), Argument, "tensorinv", "ind {ind} is not in 1..={}", a.rank());
    let (first, last) = a.shape().split_at(ind);
    let (rows, columns) = (first.iter().product::<usize>(), last.iter().product::<usize>());
    ensure!(rows == columns, Shape, "tensorinv", "shape {:?} makes a matrix of {rows} by {columns}", a.shape());
    inv(&a.reshape([rows, columns])?)?.reshape([last, first].concat())
}
