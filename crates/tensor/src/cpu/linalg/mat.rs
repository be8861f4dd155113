//! What the algorithms compute in, and the matrices that they change.

use crate::cpu::matmul::{Factor, Matrix, Sizes, Target};
use crate::cpu::micro::{Real, load, store};
use crate::cpu::par;
use crate::dtype::Stored;
use num_complex::Complex;
use pulp::{Simd, WithSimd};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Index, IndexMut, Mul, MulAssign, Neg, Range, Sub, SubAssign};

pub(super) type C = Complex<f64>;

/// What the algorithms compute in: `f64` or complex numbers of it.
pub(super) trait Field:
    Factor
    + Debug
    + PartialEq
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
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
    /// The numbers that these are made of.
    fn reals(all: &mut [Self]) -> &mut [f64];
    /// Σ x conj(y).
    fn dot<S: Simd>(simd: S, x: &[Self], y: &[Self]) -> Self;
    /// Takes p s + q t off a row, for `less` of two numbers times rows. Then adds v conj(row) to y, for `to` of v and y,
    /// and returns Σ row z. All rows are as long as the first.
    fn update<S: Simd>(
        simd: S,
        row: &mut [Self],
        less: [(Self, &[Self]); 2],
        z: &[Self],
        to: (Self, &mut [Self]),
    ) -> Self;
}

impl Field for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    #[inline(always)]
    fn of(re: f64) -> f64 {
        re
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self
    }
    #[inline(always)]
    fn im(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn conj(self) -> f64 {
        self
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    #[inline(always)]
    fn size(self) -> f64 {
        f64::abs(self)
    }
    #[inline(always)]
    fn times(self, scale: f64) -> f64 {
        self * scale
    }
    #[inline(always)]
    fn reals(all: &mut [f64]) -> &mut [f64] {
        all
    }
    #[inline(always)]
    fn dot<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
        let lanes = <f64 as Real>::lanes::<S>();
        let n = x.len().min(y.len());
        let (x, y) = (&x[..n], &y[..n]);
        let mut sums = [simd.splat_f64s(0.0); 4];
        let mut i = 0;
        while i + 4 * lanes <= n {
            for r in 0..4 {
                // SAFETY: 4 registers from `i` on are inside both.
                let (x, y) = unsafe {
                    (load::<S, f64>(x.as_ptr().add(i + r * lanes)), load::<S, f64>(y.as_ptr().add(i + r * lanes)))
                };
                sums[r] = simd.mul_add_e_f64s(x, y, sums[r]);
            }
            i += 4 * lanes;
        }
        while i + lanes <= n {
            // SAFETY: a register from `i` on is inside both.
            let (x, y) = unsafe { (load::<S, f64>(x.as_ptr().add(i)), load::<S, f64>(y.as_ptr().add(i))) };
            sums[0] = simd.mul_add_e_f64s(x, y, sums[0]);
            i += lanes;
        }
        let pairs = [simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3])];
        let mut sum = simd.reduce_sum_f64s(simd.add_f64s(pairs[0], pairs[1]));
        for i in i..n {
            sum += x[i] * y[i];
        }
        sum
    }
    #[inline(always)]
    fn update<S: Simd>(
        simd: S,
        row: &mut [f64],
        [(p, s), (q, t)]: [(f64, &[f64]); 2],
        z: &[f64],
        (v, y): (f64, &mut [f64]),
    ) -> f64 {
        let lanes = <f64 as Real>::lanes::<S>();
        let n = row.len();
        let (s, t, z, y) = (&s[..n], &t[..n], &z[..n], &mut y[..n]);
        let [less_p, less_q, by] = [simd.splat_f64s(-p), simd.splat_f64s(-q), simd.splat_f64s(v)];
        let mut sums = [simd.splat_f64s(0.0); 2];
        let mut i = 0;
        while i + 2 * lanes <= n {
            for r in 0..2 {
                let at = i + r * lanes;
                // SAFETY: two registers from `i` on are inside all rows.
                unsafe {
                    let x = simd.mul_add_e_f64s(
                        less_q,
                        load::<S, f64>(t.as_ptr().add(at)),
                        load::<S, f64>(row.as_ptr().add(at)),
                    );
                    let x = simd.mul_add_e_f64s(less_p, load::<S, f64>(s.as_ptr().add(at)), x);
                    store::<S, f64>(row.as_mut_ptr().add(at), x);
                    sums[r] = simd.mul_add_e_f64s(x, load::<S, f64>(z.as_ptr().add(at)), sums[r]);
                    let sum = simd.mul_add_e_f64s(x, by, load::<S, f64>(y.as_ptr().add(at)));
                    store::<S, f64>(y.as_mut_ptr().add(at), sum);
                }
            }
            i += 2 * lanes;
        }
        let mut sum = simd.reduce_sum_f64s(simd.add_f64s(sums[0], sums[1]));
        for i in i..n {
            row[i] -= p * s[i] + q * t[i];
            sum += row[i] * z[i];
            y[i] += row[i] * v;
        }
        sum
    }
}

impl Field for C {
    const ZERO: C = C::new(0.0, 0.0);
    const ONE: C = C::new(1.0, 0.0);
    #[inline(always)]
    fn of(re: f64) -> C {
        C::new(re, 0.0)
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self.re
    }
    #[inline(always)]
    fn im(self) -> f64 {
        self.im
    }
    #[inline(always)]
    fn conj(self) -> C {
        C::new(self.re, -self.im)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }
    #[inline(always)]
    fn size(self) -> f64 {
        self.re.abs() + self.im.abs()
    }
    #[inline(always)]
    fn times(self, scale: f64) -> C {
        C::new(self.re * scale, self.im * scale)
    }
    #[inline(always)]
    fn reals(all: &mut [C]) -> &mut [f64] {
        // SAFETY: a complex number is its two parts, one behind the other.
        unsafe { std::slice::from_raw_parts_mut(all.as_mut_ptr().cast(), 2 * all.len()) }
    }
    #[inline(always)]
    fn dot<S: Simd>(_: S, x: &[C], y: &[C]) -> C {
        let n = x.len().min(y.len());
        let (x, y) = (&x[..n], &y[..n]);
        let mut sums = [C::ZERO; 4];
        for i in 0..n {
            sums[i % 4] += x[i] * y[i].conj();
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
    #[inline(always)]
    fn update<S: Simd>(_: S, row: &mut [C], [(p, s), (q, t)]: [(C, &[C]); 2], z: &[C], (v, y): (C, &mut [C])) -> C {
        let n = row.len();
        let (s, t, z, y) = (&s[..n], &t[..n], &z[..n], &mut y[..n]);
        let mut sum = C::ZERO;
        for i in 0..n {
            row[i] -= p * s[i] + q * t[i];
            sum += row[i] * z[i];
            y[i] += row[i].conj() * v;
        }
        sum
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
        // Squares, so that a line of either matrix is in the cache while it is needed.
        for (top, left) in
            (0..self.rows).step_by(SQUARE).flat_map(|i| (0..self.cols).step_by(SQUARE).map(move |j| (i, j)))
        {
            for i in top..(top + SQUARE).min(self.rows) {
                for j in left..(left + SQUARE).min(self.cols) {
                    t[(j, i)] = self[(i, j)].conj();
                }
            }
        }
        t
    }

    /// Row i less Σ c(k) row k over rows of this matrix that are all above or all below i; columns `from` on.
    pub fn subtract_own(&mut self, i: usize, from: usize, over: Range<usize>, c: impl Fn(usize) -> F) {
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
        multiply((self.rows, self.cols, other.cols), self.view(), other.view(), &mut out.data, other.cols, false);
        out
    }

    pub fn view(&self) -> View<'_, F> {
        View { data: &self.data, row: self.cols, column: 1 }
    }

    /// Less what is in these rows and columns: a factor of a product that is to be subtracted.
    pub fn negated(&self, rows: Range<usize>, columns: Range<usize>) -> Mat<F> {
        let mut out =
            Mat { rows: rows.len(), cols: columns.len(), data: Vec::with_capacity(rows.len() * columns.len()) };
        for i in rows {
            out.data.extend(self.row(i)[columns.clone()].iter().map(|x| -*x));
        }
        out
    }
}

/// Rows and columns that are transposed at once.
const SQUARE: usize = 16;

/// A matrix in a slice: element (i, j) is number `i·row + j·column`.
#[derive(Clone, Copy)]
pub(super) struct View<'a, F> {
    pub data: &'a [F],
    pub row: usize,
    pub column: usize,
}

/// c = a b for `[m, k]` by `[k, n]`, or c += a b where `add`; the rows of c are `stride` apart.
pub(super) fn multiply<F: Field>(
    (m, k, n): (usize, usize, usize),
    a: View<'_, F>,
    b: View<'_, F>,
    c: &mut [F],
    stride: usize,
    add: bool,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let within =
        |x: View<'_, F>, rows: usize, columns: usize| (rows - 1) * x.row + (columns - 1) * x.column < x.data.len();
    assert!(within(a, m, k) && within(b, k, n) && (m - 1) * stride + n <= c.len(), "a product out of its matrices");
    let matrix = |x: View<'_, F>| Matrix { ptr: x.data.as_ptr(), row: x.row, column: x.column };
    // SAFETY: all places are inside, as was just seen, and c is borrowed for this alone.
    unsafe { F::product(Sizes { m, n, k }, matrix(a), matrix(b), Target { ptr: c.as_mut_ptr(), row: stride, add }) }
}

/// √(Σ |x|²), of numbers whose squares would be out of range, too.
pub(super) fn norm<F: Field>(all: &[F]) -> f64 {
    let most = all.iter().fold(0.0f64, |most, x| most.max(x.re().abs()).max(x.im().abs()));
    if most > 1e-140 && most < 1e140 {
        return dot(all, all).re().sqrt();
    }
    if most == 0.0 || !most.is_finite() {
        return most;
    }
    all.iter().map(|x| x.times(1.0 / most).square()).sum::<f64>().sqrt() * most
}

/// √(x² + y²).
#[inline(always)]
pub(super) fn length(x: f64, y: f64) -> f64 {
    let square = x * x + y * y;
    if square > 1e-280 && square < 1e280 { square.sqrt() } else { x.hypot(y) }
}

/// Σ x conj(y).
pub(super) fn dot<F: Field>(x: &[F], y: &[F]) -> F {
    struct Dot<'a, F>(&'a [F], &'a [F]);
    impl<F: Field> WithSimd for Dot<'_, F> {
        type Output = F;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> F {
            F::dot(simd, self.0, self.1)
        }
    }
    par::dispatch(Dot(x, y))
}

/// y += c x.
#[inline(always)]
pub(super) fn add_scaled<F: Field>(y: &mut [F], c: F, x: &[F]) {
    let n = y.len().min(x.len());
    let (y, x) = (&mut y[..n], &x[..n]);
    for j in 0..n {
        y[j] += c * x[j];
    }
}

pub(super) fn subtract_all<'a, F: Field>(
    y: &mut [F],
    over: Range<usize>,
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
