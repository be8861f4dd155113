//! Kernels of linear algebra: the factorizations, and what is solved by them, one matrix of a batch after another.
//!
//! All of them compute in `f64` or complex numbers of it: `f32` matrices come out as right as their dtype can hold
//! them, and each algorithm is compiled twice and not four times. The algorithms are those of LAPACK (pivots, signs of
//! Householder's reflections, order of what is ordered), written for rows: their inner loops are sums of a row and
//! multiples of others ([`Mat::subtract_rows`]).
//!
//! A crate that does this (`faer`) was measured: it takes more than twice the time that all of this workspace takes to
//! compile.

mod cholesky;
mod eig;
mod exp;
mod hermitian;
mod ldl;
mod lu;
mod qr;
mod svd;

use super::{CpuKernel, Dst, Src, par};
use crate::dtype::Stored;
use crate::ops::*;
use crate::{DType, Error, ErrorKind, Result, bail};
use num_complex::Complex;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Index, IndexMut, Mul, MulAssign, Neg, Sub, SubAssign};

pub(crate) type C = Complex<f64>;

/// What the algorithms compute in: `f64` or complex numbers of it.
pub(crate) trait Field:
    Copy
    + Debug
    + PartialEq
    + Send
    + Sync
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    fn of(re: f64) -> Self;
    fn re(self) -> f64;
    fn im(self) -> f64;
    fn conj(self) -> Self;
    fn abs(self) -> f64;
    /// |re| + |im|, by which LAPACK picks a pivot.
    fn size(self) -> f64;
    fn times(self, scale: f64) -> Self;
    fn complex(self) -> C {
        C::new(self.re(), self.im())
    }
    /// |x|².
    fn square(self) -> f64 {
        self.re() * self.re() + self.im() * self.im()
    }
    /// x / |x|, 1 for 0.
    fn sign(self) -> Self {
        let size = self.abs();
        if size == 0.0 { Self::ONE } else { self.times(1.0 / size) }
    }
}

impl Field for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    fn of(re: f64) -> f64 {
        re
    }
    fn re(self) -> f64 {
        self
    }
    fn im(self) -> f64 {
        0.0
    }
    fn conj(self) -> f64 {
        self
    }
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    fn size(self) -> f64 {
        f64::abs(self)
    }
    fn times(self, scale: f64) -> f64 {
        self * scale
    }
}

impl Field for C {
    const ZERO: C = C::new(0.0, 0.0);
    const ONE: C = C::new(1.0, 0.0);
    fn of(re: f64) -> C {
        C::new(re, 0.0)
    }
    fn re(self) -> f64 {
        self.re
    }
    fn im(self) -> f64 {
        self.im
    }
    fn conj(self) -> C {
        C::new(self.re, -self.im)
    }
    fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }
    fn size(self) -> f64 {
        self.re.abs() + self.im.abs()
    }
    fn times(self, scale: f64) -> C {
        C::new(self.re * scale, self.im * scale)
    }
}

/// What a tensor stores.
trait Element: Stored {
    type Wide: Field;
    type Real: Stored;
    type Complex: Stored;
    fn widen(self) -> Self::Wide;
    fn narrow(x: Self::Wide) -> Self;
    fn real(x: f64) -> Self::Real;
    fn complex(z: C) -> Self::Complex;
}

macro_rules! elements {
    ($($t:ty, $wide:ty, $real:ty, |$x:ident| $widen:expr, |$y:ident| $narrow:expr;)*) => {$(
        impl Element for $t {
            type Wide = $wide;
            type Real = $real;
            type Complex = Complex<$real>;
            fn widen(self) -> $wide { let $x = self; $widen }
            fn narrow($y: $wide) -> $t { $narrow }
            fn real(x: f64) -> $real { x as $real }
            fn complex(z: C) -> Complex<$real> { Complex::new(z.re as $real, z.im as $real) }
        }
    )*};
}
elements! {
    f32, f64, f32, |x| x as f64, |x| x as f32;
    f64, f64, f64, |x| x, |x| x;
    Complex<f32>, C, f32, |z| C::new(z.re as f64, z.im as f64), |z| Complex::new(z.re as f32, z.im as f32);
    Complex<f64>, C, f64, |z| z, |z| z;
}

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

/// A matrix, row after row.
#[derive(Clone, Debug)]
pub(crate) struct Mat<F> {
    rows: usize,
    cols: usize,
    data: Vec<F>,
}

impl<F> Index<(usize, usize)> for Mat<F> {
    type Output = F;
    #[inline(always)]
    fn index(&self, (i, j): (usize, usize)) -> &F {
        &self.data[i * self.cols + j]
    }
}

impl<F> IndexMut<(usize, usize)> for Mat<F> {
    #[inline(always)]
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut F {
        &mut self.data[i * self.cols + j]
    }
}

/// y −= Σ cₖ rₖ over up to four rows of one length.
#[inline(always)]
fn subtract<F: Field>(y: &mut [F], terms: &[(F, &[F])]) {
    match terms {
        [(a, u), (b, v), (c, w), (d, x)] => {
            let n = y.len();
            let (u, v, w, x) = (&u[..n], &v[..n], &w[..n], &x[..n]);
            for j in 0..n {
                y[j] -= *a * u[j] + *b * v[j] + (*c * w[j] + *d * x[j]);
            }
        }
        _ => {
            for (a, u) in terms {
                y.iter_mut().zip(*u).for_each(|(y, u)| *y -= *a * *u);
            }
        }
    }
}

impl<F: Field> Mat<F> {
    fn zeros(rows: usize, cols: usize) -> Mat<F> {
        Mat { rows, cols, data: vec![F::ZERO; rows * cols] }
    }

    fn identity(rows: usize, cols: usize) -> Mat<F> {
        let mut m = Mat::zeros(rows, cols);
        (0..rows.min(cols)).for_each(|i| m[(i, i)] = F::ONE);
        m
    }

    fn load<E: Element<Wide = F>>(from: &[E], rows: usize, cols: usize) -> Mat<F> {
        Mat { rows, cols, data: from.iter().map(|x| x.widen()).collect() }
    }

    fn store<E: Element<Wide = F>>(&self, to: &mut [E]) {
        to.iter_mut().zip(&self.data).for_each(|(to, x)| *to = E::narrow(*x));
    }

    fn row(&self, i: usize) -> &[F] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    fn row_mut(&mut self, i: usize) -> &mut [F] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    fn swap_rows(&mut self, i: usize, j: usize) {
        if i != j {
            let (low, high) = (i.min(j), i.max(j));
            let (a, b) = self.data.split_at_mut(high * self.cols);
            a[low * self.cols..(low + 1) * self.cols].swap_with_slice(&mut b[..self.cols]);
        }
    }

    /// The conjugate transpose.
    fn adjoint(&self) -> Mat<F> {
        let mut t = Mat::zeros(self.cols, self.rows);
        for i in 0..self.rows {
            for j in 0..self.cols {
                t[(j, i)] = self[(i, j)].conj();
            }
        }
        t
    }

    /// Row i, from column `from` on, less Σ c(k) row k of `others` over `over`.
    fn subtract_rows(
        &mut self,
        i: usize,
        from: usize,
        over: std::ops::Range<usize>,
        c: impl Fn(usize) -> F,
        others: &Mat<F>,
    ) {
        let y = &mut self.row_mut(i)[from..];
        subtract_all(y, over, c, |k| &others.row(k)[from..]);
    }

    /// Row i less Σ c(k) row k over rows of this matrix that are all above or all below i; columns `from` on.
    fn subtract_own(&mut self, i: usize, from: usize, over: std::ops::Range<usize>, c: impl Fn(usize) -> F) {
        let cols = self.cols;
        let (before, rest) = self.data.split_at_mut(i * cols);
        let (y, after) = rest.split_at_mut(cols);
        let row = |k: usize| {
            if k < i {
                &before[k * cols + from..(k + 1) * cols]
            } else {
                &after[(k - i - 1) * cols + from..(k - i) * cols]
            }
        };
        subtract_all(&mut y[from..], over, c, row);
    }

    fn mul(&self, other: &Mat<F>) -> Mat<F> {
        let mut out = Mat::zeros(self.rows, other.cols);
        for i in 0..self.rows {
            out.subtract_rows(i, 0, 0..self.cols, |k| -self[(i, k)], other);
        }
        out
    }
}

fn subtract_all<'a, F: Field>(
    y: &mut [F],
    over: std::ops::Range<usize>,
    c: impl Fn(usize) -> F,
    row: impl Fn(usize) -> &'a [F],
) {
    par::simd(
        #[inline(always)]
        || {
            let mut k = over.start;
            while k + 4 <= over.end {
                let terms = [0, 1, 2, 3].map(|d| (c(k + d), row(k + d)));
                subtract(y, &terms);
                k += 4;
            }
            for k in k..over.end {
                subtract(y, &[(c(k), row(k))]);
            }
        },
    );
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
                let mut a = Mat::load(&x[b * n * n..(b + 1) * n * n], n, n);
                info[b] = cholesky::factor(&mut a) as i32;
                if info[b] > 0 && self.check {
                    let what = format!(
                        "the factorization could not be completed because the input is not positive-definite (the leading minor of order {} is not positive-definite)",
                        info[b]
                    );
                    return failed("cholesky", shape, b, what);
                }
                a.store(piece(out, b, n * n));
            }
        });
        Ok(())
    }
}

impl CpuKernel for Geqrf {
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
