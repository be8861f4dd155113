//! Kernels of linear algebra: the factorizations, and what is solved by them, one matrix of a batch after another.
//!
//! All of them compute in `f64` or complex numbers of it: `f32` matrices come out as right as their dtype can hold
//! them, and each algorithm is compiled twice and not four times. The algorithms are those of LAPACK (pivots, signs of
//! Householder's reflections, order of what is ordered), in blocks: a panel of columns is factored in rows without gaps,
//! the rest is updated by matrix products ([`mat::multiply`], [`qr`]). What iterations turn waits until there is much of it
//! ([`turns`]).
//!
//! A crate that does this (`faer`) was measured: for `f64` and complex numbers of it alone it adds four minutes of
//! processor time to a cold release build.

mod cholesky;
mod eig;
mod exp;
mod hermitian;
mod ldl;
mod lu;
mod mat;
mod qr;
mod svd;
mod turns;

use super::{CpuKernel, Dst, Src};
use crate::ops::*;
use crate::{DType, Error, ErrorKind, Result, bail};
use mat::{C, Element, Field, Mat};
use num_complex::Complex;

/// Runs a kernel for what the dtype stores.
macro_rules! by_element {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::Complex64 => {
                type $T = Complex<f32>;
                $body
            }
            DType::Complex128 => {
                type $T = Complex<f64>;
                $body
            }
            other => bail!(Unsupported, $op, "not defined for {other}"),
        }
    };
}

/// The last two sizes.
fn sizes(x: &Src<'_>) -> (usize, usize) {
    match x.shape() {
        [.., m, n] => (*m, *n),
        _ => (0, 0),
    }
}

/// How many matrices: the elements of an output that has `each` of them for one.
fn batch(shape: &[usize], last: usize) -> usize {
    shape[..shape.len().saturating_sub(last)].iter().product()
}

/// Piece `b` of `each` elements.
fn piece<T>(all: &mut [T], b: usize, each: usize) -> &mut [T] {
    &mut all[b * each..(b + 1) * each]
}

/// What is left of the factors of matrices without elements: identities.
fn identities<E: Element>(all: &mut [E], rows: usize, cols: usize) {
    if !all.is_empty() {
        let one = Mat::identity(rows, cols);
        all.chunks_mut(rows * cols).for_each(|to| one.store(to));
    }
}

/// Where in the batch, for an error: nothing for a single matrix.
fn place(shape: &[usize], b: usize) -> String {
    if shape.len() > 2 { format!("(Batch element {b}): ") } else { String::new() }
}

fn failed<T>(op: &'static str, shape: &[usize], b: usize, what: String) -> Result<T> {
    Err(Error::new(ErrorKind::Argument, op, format!("{}{what}", place(shape, b))))
}

impl CpuKernel for LuFactor {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (m, n)) = (&inputs[0], sizes(&inputs[0]));
        let [out, pivots, info] = outputs else { bail!(Argument, "lu_factor", "three outputs are needed") };
        if x.numel() == 0 {
            info.slice::<i32>().fill(0);
            return Ok(());
        }
        let shape = x.shape();
        by_element!("lu_factor", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let (out, pivots, info) = (out.slice::<T>(), pivots.slice::<i32>(), info.slice::<i32>());
            for b in 0..info.len() {
                let mut a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                info[b] = lu::factor(&mut a, piece(pivots, b, m.min(n)), self.pivot) as i32;
                if info[b] > 0 && self.check {
                    let what = format!("U[{0}, {0}] is zero, a system could not be solved by these factors", info[b]);
                    return failed("lu_factor", shape, b, what);
                }
                a.store(piece(out, b, m * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Solve {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let [a, y] = inputs else { bail!(Argument, self.op, "two inputs are needed") };
        let [out, info] = outputs else { bail!(Argument, self.op, "two outputs are needed") };
        if a.numel() == 0 {
            info.slice::<i32>().fill(0);
            return Ok(());
        }
        let ((n, _), (_, k), shape) = (sizes(a), sizes(y), a.shape());
        by_element!(self.op, a.dtype(), T => {
            let (a, y) = (a.contiguous::<T>(), y.contiguous::<T>());
            let (out, info) = (out.slice::<T>(), info.slice::<i32>());
            for b in 0..info.len() {
                let mut lu = Mat::load(&a[b * n * n..(b + 1) * n * n], n, n);
                let mut x = Mat::load(&y[b * n * k..(b + 1) * n * k], n, k);
                let mut pivots = vec![0; n];
                info[b] = lu::factor(&mut lu, &mut pivots, true) as i32;
                if info[b] > 0 && self.check {
                    let what = if self.op == "inv" {
                        format!("the diagonal element {} is zero, the inversion could not be completed because the input matrix is singular", info[b])
                    } else {
                        "the solver failed because the input matrix is singular".into()
                    };
                    return failed(self.op, shape, b, what);
                }
                lu::solve(&lu, &pivots, &mut x);
                x.store(piece(out, b, n * k));
            }
        });
        Ok(())
    }
}

impl CpuKernel for SolveTriangular {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let [a, y] = inputs else { bail!(Argument, "solve_triangular", "two inputs are needed") };
        if a.numel() == 0 {
            return Ok(());
        }
        let ((n, _), (_, k), count) = (sizes(a), sizes(y), batch(a.shape(), 2));
        by_element!("solve_triangular", a.dtype(), T => {
            let (a, y) = (a.contiguous::<T>(), y.contiguous::<T>());
            let out = outputs[0].slice::<T>();
            for b in 0..count {
                let a = Mat::load(&a[b * n * n..(b + 1) * n * n], n, n);
                let mut x = Mat::load(&y[b * n * k..(b + 1) * n * k], n, k);
                lu::solve_triangular(&a, &mut x, self.upper, self.unitriangular);
                x.store(piece(out, b, n * k));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Det {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _)) = (&inputs[0], sizes(&inputs[0]));
        by_element!("det", x.dtype(), T => {
            let x = x.contiguous::<T>();
            for (b, out) in outputs[0].slice::<T>().iter_mut().enumerate() {
                let (lu, sign) = lu::signed(Mat::load(&x[b * n * n..(b + 1) * n * n], n, n));
                let start = <T as Element>::Wide::of(sign);
                *out = T::narrow((0..n).fold(start, |product, i| product * lu[(i, i)]));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Slogdet {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _)) = (&inputs[0], sizes(&inputs[0]));
        let [sign, log] = outputs else { bail!(Argument, "slogdet", "two outputs are needed") };
        by_element!("slogdet", x.dtype(), T => {
            type Real = <T as Element>::Real;
            let x = x.contiguous::<T>();
            let (sign, log) = (sign.slice::<T>(), log.slice::<Real>());
            for b in 0..sign.len() {
                let (lu, start) = lu::signed(Mat::load(&x[b * n * n..(b + 1) * n * n], n, n));
                let mut direction = <T as Element>::Wide::of(start);
                let mut sum = 0.0;
                for i in 0..n {
                    let d = lu[(i, i)];
                    direction *= if d.abs() == 0.0 { d } else { d.sign() };
                    sum += d.abs().ln();
                }
                sign[b] = T::narrow(direction);
                log[b] = <T as Element>::real(sum);
            }
        });
        Ok(())
    }
}

impl CpuKernel for Cholesky {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _)) = (&inputs[0], sizes(&inputs[0]));
        let [out, info] = outputs else { bail!(Argument, "cholesky", "two outputs are needed") };
        if x.numel() == 0 {
            info.slice::<i32>().fill(0);
            return Ok(());
        }
        let shape = x.shape();
        by_element!("cholesky", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let (out, info) = (out.slice::<T>(), info.slice::<i32>());
            for b in 0..info.len() {
                let a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                let mut a = if self.upper { a.adjoint() } else { a };
                info[b] = cholesky::factor(&mut a) as i32;
                if info[b] > 0 && self.check {
                    let what = format!(
                        "the factorization could not be completed because the input is not positive-definite (the leading minor of order {} is not positive-definite)",
                        info[b]
                    );
                    return failed("cholesky", shape, b, what);
                }
                let a = if self.upper { a.adjoint() } else { a };
                a.store(piece(out, b, n * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Geqrf {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (m, n), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let [out, tau] = outputs else { bail!(Argument, "geqrf", "two outputs are needed") };
        if x.numel() == 0 {
            return Ok(());
        }
        by_element!("geqrf", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let (out, tau) = (out.slice::<T>(), tau.slice::<T>());
            for b in 0..count {
                let mut a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                let factors = qr::factor(&mut a);
                a.store(piece(out, b, m * n));
                piece(tau, b, m.min(n)).iter_mut().zip(&factors).for_each(|(to, x)| *to = T::narrow(*x));
            }
        });
        Ok(())
    }
}

impl CpuKernel for HouseholderProduct {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let [x, tau] = inputs else { bail!(Argument, "householder_product", "two inputs are needed") };
        if x.numel() == 0 {
            return Ok(());
        }
        let ((m, n), count) = (sizes(x), batch(x.shape(), 2));
        let k = tau.shape().last().copied().unwrap_or(0);
        by_element!("householder_product", x.dtype(), T => {
            let (x, tau) = (x.contiguous::<T>(), tau.contiguous::<T>());
            let out = outputs[0].slice::<T>();
            for b in 0..count {
                let a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                let factors: Vec<_> = tau[b * k..(b + 1) * k].iter().map(|t| t.widen()).collect();
                qr::product(&a, &factors, n).store(piece(out, b, m * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Qr {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (m, n), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let [q, r] = outputs else { bail!(Argument, "qr", "two outputs are needed") };
        let inner = if self.complete { m } else { m.min(n) };
        by_element!("qr", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let (q, r) = (q.slice::<T>(), r.slice::<T>());
            if x.is_empty() {
                identities(q, m, inner);
                return Ok(());
            }
            for b in 0..count {
                let mut a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                let factors = qr::factor(&mut a);
                qr::product(&a, &factors, inner).store(piece(q, b, m * inner));
                for (i, row) in piece(r, b, inner * n).chunks_mut(n.max(1)).enumerate() {
                    for (j, to) in row.iter_mut().enumerate() {
                        *to = if j >= i { T::narrow(a[(i, j)]) } else { T::default() };
                    }
                }
            }
        });
        Ok(())
    }
}

impl CpuKernel for Eigh {
    const MATRICES: usize = 3;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let [values, vectors] = outputs else { bail!(Argument, "eigh", "two outputs are needed") };
        if x.numel() == 0 {
            return Ok(());
        }
        let shape = x.shape();
        by_element!("eigh", x.dtype(), T => {
            type Real = <T as Element>::Real;
            let x = x.contiguous::<T>();
            let (values, vectors) = (values.slice::<Real>(), vectors.slice::<T>());
            for b in 0..count {
                let a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                let Some((w, v)) = hermitian::eigen(a, self.upper) else { return failed("eigh", shape, b, NOT_CONVERGED.into()) };
                piece(values, b, n).iter_mut().zip(&w).for_each(|(to, x)| *to = <T as Element>::real(*x));
                v.store(piece(vectors, b, n * n));
            }
        });
        Ok(())
    }
}

/// What becomes of a matrix with NaN or an infinity in it.
const NOT_CONVERGED: &str =
    "the algorithm failed to converge because the input matrix contained non-finite values or is ill-conditioned";

impl CpuKernel for Eig {
    const MATRICES: usize = 4;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let [values, vectors] = outputs else { bail!(Argument, "eig", "two outputs are needed") };
        if x.numel() == 0 {
            return Ok(());
        }
        let shape = x.shape();
        by_element!("eig", x.dtype(), T => {
            type Z = <T as Element>::Complex;
            let x = x.contiguous::<T>();
            let (values, vectors) = (values.slice::<Z>(), vectors.slice::<Z>());
            for b in 0..count {
                let a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                let Some((w, v)) = eig::eigen(&a) else { return failed("eig", shape, b, NOT_CONVERGED.into()) };
                piece(values, b, n).iter_mut().zip(&w).for_each(|(to, x)| *to = <T as Element>::complex(*x));
                piece(vectors, b, n * n).iter_mut().zip(&v.data).for_each(|(to, x)| *to = <T as Element>::complex(*x));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Svd {
    const MATRICES: usize = 4;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (m, n), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let [u, s, vh] = outputs else { bail!(Argument, "svd", "three outputs are needed") };
        let (shape, k) = (x.shape(), m.min(n));
        let (left, right) = if self.full_matrices { (m, n) } else { (k, k) };
        by_element!("svd", x.dtype(), T => {
            type Real = <T as Element>::Real;
            let x = x.contiguous::<T>();
            let (u, s, vh) = (u.slice::<T>(), s.slice::<Real>(), vh.slice::<T>());
            if x.is_empty() {
                identities(u, m, left);
                identities(vh, right, n);
                return Ok(());
            }
            for b in 0..count {
                let a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                let Some(parts) = svd::decompose(&a, self.full_matrices) else {
                    return failed("svd", shape, b, NOT_CONVERGED.into());
                };
                parts.u.store(piece(u, b, m * left));
                piece(s, b, k).iter_mut().zip(&parts.s).for_each(|(to, x)| *to = <T as Element>::real(*x));
                parts.vh.store(piece(vh, b, right * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Pinv {
    const MATRICES: usize = 4;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (m, n), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        let (shape, k) = (x.shape(), m.min(n));
        if x.numel() == 0 {
            return Ok(());
        }
        by_element!("pinv", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let out = outputs[0].slice::<T>();
            for b in 0..count {
                let a = Mat::load(&x[b * m * n..(b + 1) * m * n], m, n);
                let Some(svd::Parts { u, s, vh }) = svd::decompose(&a, false) else {
                    return failed("pinv", shape, b, NOT_CONVERGED.into());
                };
                let bound = self.atol.max(self.rtol * s.first().copied().unwrap_or(0.0));
                let mut v = vh.adjoint();
                for i in 0..n {
                    for j in 0..k {
                        v[(i, j)] = v[(i, j)].times(if s[j] > bound { 1.0 / s[j] } else { 0.0 });
                    }
                }
                v.mul(&u.adjoint()).store(piece(out, b, n * m));
            }
        });
        Ok(())
    }
}

impl CpuKernel for MatrixExp {
    const MATRICES: usize = 8;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _), count) = (&inputs[0], sizes(&inputs[0]), batch(inputs[0].shape(), 2));
        if x.numel() == 0 {
            return Ok(());
        }
        by_element!("matrix_exp", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let out = outputs[0].slice::<T>();
            for b in 0..count {
                let a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                exp::exp(a).store(piece(out, b, n * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for LdlFactor {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, (n, _)) = (&inputs[0], sizes(&inputs[0]));
        let [out, pivots, info] = outputs else { bail!(Argument, "ldl_factor", "three outputs are needed") };
        if x.numel() == 0 {
            info.slice::<i32>().fill(0);
            return Ok(());
        }
        let shape = x.shape();
        by_element!("ldl_factor", x.dtype(), T => {
            let x = x.contiguous::<T>();
            let (out, pivots, info) = (out.slice::<T>(), pivots.slice::<i32>(), info.slice::<i32>());
            for b in 0..info.len() {
                let mut a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                info[b] = ldl::factor(&mut a, piece(pivots, b, n), self.hermitian) as i32;
                (0..n).for_each(|i| a.row_mut(i)[i + 1..].fill(Field::ZERO));
                if info[b] > 0 && self.check {
                    let what = format!("the diagonal element {} of the factorization is zero", info[b]);
                    return failed("ldl_factor", shape, b, what);
                }
                a.store(piece(out, b, n * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for LdlSolve {
    const MATRICES: usize = 2;

    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let [ld, pivots, y] = inputs else { bail!(Argument, "ldl_solve", "three inputs are needed") };
        if ld.numel() == 0 {
            return Ok(());
        }
        let ((n, _), (_, k), count) = (sizes(ld), sizes(y), batch(ld.shape(), 2));
        let pivots = pivots.contiguous::<i32>();
        if pivots.iter().any(|&p| p == 0 || p.unsigned_abs() as usize > n) {
            bail!(Argument, "ldl_solve", "a pivot is not in 1..={n}, nor is its opposite")
        }
        by_element!("ldl_solve", ld.dtype(), T => {
            let (ld, y) = (ld.contiguous::<T>(), y.contiguous::<T>());
            let out = outputs[0].slice::<T>();
            for b in 0..count {
                let a = Mat::load(&ld[b * n * n..(b + 1) * n * n], n, n);
                let mut x = Mat::load(&y[b * n * k..(b + 1) * n * k], n, k);
                ldl::solve(&a, &pivots[b * n..(b + 1) * n], self.hermitian, &mut x);
                x.store(piece(out, b, n * k));
            }
        });
        Ok(())
    }
}
