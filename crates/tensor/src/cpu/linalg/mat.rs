//! What the algorithms compute in, and the matrices that they change.

use crate::cpu::par;
use crate::dtype::Stored;
use num_complex::Complex;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Index, IndexMut, Mul, MulAssign, Neg, Sub, SubAssign};

pub(super) type C = Complex<f64>;

/// What the algorithms compute in: `f64` or complex numbers of it.
pub(super) trait Field:
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
pub(super) trait Element: Stored {
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

/// A matrix, row after row.
#[derive(Clone, Debug)]
pub(super) struct Mat<F> {
    pub rows: usize,
    pub cols: usize,
    pub data: Vec<F>,
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
    pub fn zeros(rows: usize, cols: usize) -> Mat<F> {
        Mat { rows, cols, data: vec![F::ZERO; rows * cols] }
    }

    pub fn identity(rows: usize, cols: usize) -> Mat<F> {
        let mut m = Mat::zeros(rows, cols);
        (0..rows.min(cols)).for_each(|i| m[(i, i)] = F::ONE);
        m
    }

    pub fn load<E: Element<Wide = F>>(from: &[E], rows: usize, cols: usize) -> Mat<F> {
        Mat { rows, cols, data: from.iter().map(|x| x.widen()).collect() }
    }

    pub fn store<E: Element<Wide = F>>(&self, to: &mut [E]) {
        to.iter_mut().zip(&self.data).for_each(|(to, x)| *to = E::narrow(*x));
    }

    pub fn row(&self, i: usize) -> &[F] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [F] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub fn swap_rows(&mut self, i: usize, j: usize) {
        if i != j {
            let (low, high) = (i.min(j), i.max(j));
            let (a, b) = self.data.split_at_mut(high * self.cols);
            a[low * self.cols..(low + 1) * self.cols].swap_with_slice(&mut b[..self.cols]);
        }
    }

    /// The conjugate transpose.
    pub fn adjoint(&self) -> Mat<F> {
        let mut t = Mat::zeros(self.cols, self.rows);
        for i in 0..self.rows {
            for j in 0..self.cols {
                t[(j, i)] = self[(i, j)].conj();
            }
        }
        t
    }

    /// Row i, from column `from` on, less Σ c(k) row k of `others` over `over`.
    pub fn subtract_rows(
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
    pub fn subtract_own(&mut self, i: usize, from: usize, over: std::ops::Range<usize>, c: impl Fn(usize) -> F) {
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

    pub fn mul(&self, other: &Mat<F>) -> Mat<F> {
        let mut out = Mat::zeros(self.rows, other.cols);
        for i in 0..self.rows {
            out.subtract_rows(i, 0, 0..self.cols, |k| -self[(i, k)], other);
        }
        out
    }
}

pub(super) fn subtract_all<'a, F: Field>(
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
