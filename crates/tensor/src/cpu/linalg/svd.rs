//! A = U S Vᴴ: QR leaves a square matrix, reflections from both sides make it bidiagonal and real, and the implicit QR
//! iteration diagonal (Golub and Kahan 1965; Golub and Van Loan 8.6).

use super::mat::{View, dot, length, multiply, norm};
use super::qr::{Reflection, columns};
use super::turns::Turns;
use super::{Field, Mat, qr};
use crate::cpu::par;
use pulp::{Simd, WithSimd};

pub(super) struct Parts<F> {
    pub u: Mat<F>,
    pub s: Vec<f64>,
    pub vh: Mat<F>,
}

/// Steps for one singular value that never come.
const MOST: usize = 120;

/// What is added to the bound below which a number is 0.
const TINY: f64 = 1e-290;

/// The singular values in descending order, with all of U and Vᴴ where `full`; `None` where a number is not finite.
pub(super) fn decompose<F: Field>(a: &Mat<F>, full: bool) -> Option<Parts<F>> {
    if !a.data.iter().all(|x| x.size().is_finite()) {
        return None;
    }
    if a.rows < a.cols {
        let Parts { u, s, vh } = tall(a.adjoint(), full)?;
        return Some(Parts { u: vh.adjoint(), s, vh: u.adjoint() });
    }
    tall(a.clone(), full)
}

fn tall<F: Field>(mut a: Mat<F>, full: bool) -> Option<Parts<F>> {
    let (m, n) = (a.rows, a.cols);
    // Squares of what is scaled neither overflow nor vanish.
    let scale = a.data.iter().map(|x| x.size()).fold(0.0, f64::max);
    let scale = if scale == 0.0 { 1.0 } else { scale };
    a.data.iter_mut().for_each(|x| *x = x.times(1.0 / scale));
    // A square matrix needs no QR.
    let mut tau = Vec::new();
    let r = if m > n {
        tau = qr::factor(&mut a);
        let mut r = Mat::zeros(n, n);
        (0..n).for_each(|i| r.row_mut(i)[i..].copy_from_slice(&a.row(i)[i..]));
        r
    } else {
        std::mem::replace(&mut a, Mat::zeros(0, 0))
    };
    let Bidiagonal { mut s, mut e, mut u, mut v } = bidiagonal(r);
    iterate(&mut s, &mut e, &mut u, &mut v)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| s[*j].total_cmp(&s[*i]));
    // Rows in order, conjugate: Vᴴ, and what the columns of U are the adjoint of.
    let ordered = |from: &Mat<F>| {
        let mut to = Mat { rows: n, cols: n, data: Vec::with_capacity(n * n) };
        order.iter().for_each(|i| to.data.extend(from.row(*i).iter().map(|x| x.conj())));
        to
    };
    let (inner, vh) = (ordered(&u).adjoint(), ordered(&v));
    let s = order.iter().map(|i| s[*i] * scale).collect();
    if m == n {
        return Some(Parts { u: inner, s, vh });
    }
    let width = if full { m } else { n };
    let q = qr::product(&a, &tau, width);
    let mut u = Mat::zeros(m, width);
    let left = View { data: &q.data, row: width, column: 1 };
    multiply((m, n, n), left, inner.view(), &mut u.data, width, false);
    for i in 0..m {
        u.row_mut(i)[n..].copy_from_slice(&q.row(i)[n..]);
    }
    Some(Parts { u, s, vh })
}

/// A = U B Vᴴ with a real B: its diagonal, what is right of that, and the columns of U and V as rows.
struct Bidiagonal<F> {
    s: Vec<f64>,
    e: Vec<f64>,
    u: Mat<F>,
    v: Mat<F>,
}

/// Each step takes two ways through what is left of the matrix: one that changes it by the step before and multiplies
/// it from the left, one that multiplies it from the right.
fn bidiagonal<F: Field>(mut a: Mat<F>) -> Bidiagonal<F> {
    let n = a.rows;
    let (mut s, mut e) = (vec![0.0; n], vec![0.0; n]);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    // What is to be taken off all rows and columns from k on: p w + y z, columns by rows.
    let [mut p, mut w, mut y, mut z] = [(); 4].map(|()| vec![F::ZERO; n]);
    for k in 0..n {
        let mut v: Vec<F> = (k..n).map(|i| a[(i, k)] - (p[i] * w[k] + y[i] * z[k])).collect();
        s[k] = v[0].re();
        let mut tau = F::ZERO;
        if let Some((t, beta, scale)) = qr::reflection(v[0], norm(&v[1..])) {
            s[k] = beta;
            v[0] = F::ONE;
            v[1..].iter_mut().for_each(|x| *x *= scale);
            tau = t.conj();
            left.push(Reflection { row: k, tau: t, v: v.clone() });
        }
        if k + 1 == n {
            break;
        }
        // The step before is taken off, and w = vᴴ A.
        let mut sum = vec![F::ZERO; n - k - 1];
        par::dispatch(Update { a: &mut a, k, p: [&p, &w], y: [&y, &z], v: &v, sum: &mut sum });
        sum.iter_mut().for_each(|x| *x = x.conj());
        w[k + 1..].copy_from_slice(&sum);
        for i in k..n {
            p[i] = tau * v[i - k];
        }
        // Row k, of which only its first element is left.
        let mut u: Vec<F> = (k + 1..n).map(|j| (a[(k, j)] - p[k] * w[j]).conj()).collect();
        e[k] = u[0].re();
        y.fill(F::ZERO);
        z.fill(F::ZERO);
        if let Some((tau, beta, scale)) = qr::reflection(u[0], norm(&u[1..])) {
            e[k] = beta;
            u[0] = F::ONE;
            u[1..].iter_mut().for_each(|x| *x *= scale);
            // (A − p w) u.
            for (z, u) in z[k + 1..].iter_mut().zip(&u) {
                *z = u.conj();
            }
            let by_w = dot(&w[k + 1..], &z[k + 1..]);
            par::dispatch(Dots { a: &a, from: k + 1, z: &z, y: &mut y });
            for i in k + 1..n {
                y[i] = tau * (y[i] - p[i] * by_w);
            }
            right.push(Reflection { row: k + 1, tau, v: u });
        }
    }
    Bidiagonal { s, e, u: columns(n, &left), v: columns(n, &right) }
}

/// Takes p w + y z off rows from k on and columns behind it, and adds v conj(row) of all rows to `sum`.
struct Update<'a, F> {
    a: &'a mut Mat<F>,
    k: usize,
    p: [&'a [F]; 2],
    y: [&'a [F]; 2],
    v: &'a [F],
    sum: &'a mut [F],
}

impl<F: Field> WithSimd for Update<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Update { a, k, p: [p, w], y: [y, z], v, sum } = self;
        let (w, z) = (&w[k + 1..], &z[k + 1..]);
        for i in k..a.rows {
            F::update(simd, &mut a.row_mut(i)[k + 1..], [(p[i], w), (y[i], z)], w, (v[i - k], sum));
        }
    }
}

/// y = A conj(z), of rows and columns from `from` on.
struct Dots<'a, F> {
    a: &'a Mat<F>,
    from: usize,
    z: &'a [F],
    y: &'a mut [F],
}

impl<F: Field> WithSimd for Dots<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for i in self.from..self.a.rows {
            self.y[i] = F::dot(simd, &self.a.row(i)[self.from..], &self.z[self.from..]);
        }
    }
}

/// Cosine and sine of the angle of (x, y), and their length.
fn angle(x: f64, y: f64) -> (f64, f64, f64) {
    let length = length(x, y);
    if length == 0.0 { (1.0, 0.0, 0.0) } else { (x / length, y / length, length) }
}

/// Rows i and j turned.
fn turn<F: Field>(m: &mut Mat<F>, i: usize, j: usize, c: f64, s: f64) {
    let cols = m.cols;
    let (low, high) = (i.min(j), i.max(j));
    let (a, b) = m.data.split_at_mut(high * cols);
    let (a, b) = (&mut a[low * cols..(low + 1) * cols], &mut b[..cols]);
    let (x, y) = if i < j { (a, b) } else { (b, a) };
    for (x, y) in x.iter_mut().zip(y) {
        let turned = x.times(c) + y.times(s);
        *y = y.times(c) - x.times(s);
        *x = turned;
    }
}

/// The implicit QR iteration: s becomes the singular values, rows of u and v take part in its rotations.
fn iterate<F: Field>(s: &mut [f64], e: &mut [f64], u: &mut Mat<F>, v: &mut Mat<F>) -> Option<()> {
    let (mut end, mut rounds) = (s.len(), 0);
    let mut turns = [Turns::new(s.len()), Turns::new(s.len())];
    while end > 0 {
        let last = end - 1;
        // The block that ends at `last` and has nothing beside the diagonal before it.
        let small = |k: usize| e[k].abs() <= TINY + f64::EPSILON * (s[k].abs() + s[k + 1].abs());
        let start = (0..last).rev().find(|k| small(*k)).map_or(0, |k| k + 1);
        if start > 0 {
            e[start - 1] = 0.0;
        }
        if start == last {
            if s[last] < 0.0 {
                s[last] = -s[last];
                turns[1].apply(v);
                v.row_mut(last).iter_mut().for_each(|x| *x = -*x);
            }
            (end, rounds) = (last, 0);
            continue;
        }
        if rounds == MOST {
            return None;
        }
        rounds += 1;
        let beside = |k: usize| {
            let after = if k < last { e[k].abs() } else { 0.0 };
            after + if k > start { e[k - 1].abs() } else { 0.0 }
        };
        match (start..=last).rev().find(|k| s[*k].abs() <= TINY + f64::EPSILON * beside(*k)) {
            Some(k) if k == last => {
                turns[1].apply(v);
                chase_column(s, e, v, start, last)
            }
            Some(k) => {
                turns[0].apply(u);
                s[k] = 0.0;
                chase_row(s, e, u, k, last);
            }
            None => step(s, e, (&mut *u, &mut *v), &mut turns, start, last),
        }
    }
    turns[0].apply(u);
    turns[1].apply(v);
    Some(())
}

/// A last diagonal element of 0: what stands above it is turned away, from the bottom up.
fn chase_column<F: Field>(s: &mut [f64], e: &mut [f64], v: &mut Mat<F>, start: usize, last: usize) {
    s[last] = 0.0;
    let mut f = e[last - 1];
    e[last - 1] = 0.0;
    for j in (start..last).rev() {
        let (c, sn, length) = angle(s[j], f);
        s[j] = length;
        if j > start {
            f = -sn * e[j - 1];
            e[j - 1] *= c;
        }
        turn(v, j, last, c, sn);
    }
}

/// A diagonal element k of 0: what stands right of it is turned away, from the top down.
fn chase_row<F: Field>(s: &mut [f64], e: &mut [f64], u: &mut Mat<F>, k: usize, last: usize) {
    let mut f = e[k];
    e[k] = 0.0;
    for j in k + 1..=last {
        let (c, sn, length) = angle(s[j], f);
        s[j] = length;
        if j < last {
            f = -sn * e[j];
            e[j] *= c;
        }
        turn(u, j, k, c, sn);
    }
}

/// One step of the iteration, with Wilkinson's shift.
fn step<F: Field>(
    s: &mut [f64],
    e: &mut [f64],
    (u, v): (&mut Mat<F>, &mut Mat<F>),
    [left, right]: &mut [Turns; 2],
    start: usize,
    last: usize,
) {
    let numbers = [s[last], s[last - 1], e[last - 1], s[start], e[start]];
    let scale = numbers.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let [end, before, beside, first, next] = numbers.map(|x| x / scale);
    let b = 0.5 * ((before + end) * (before - end) + beside * beside);
    let c = (end * beside) * (end * beside);
    let shift = if b != 0.0 || c != 0.0 { c / (b + (b * b + c).sqrt().copysign(b)) } else { 0.0 };
    let (mut f, mut g) = ((first + end) * (first - end) + shift, first * next);
    for j in start..last {
        let (c, sn, length) = angle(f, g);
        if j > start {
            e[j - 1] = length;
        }
        f = c * s[j] + sn * e[j];
        e[j] = c * e[j] - sn * s[j];
        g = sn * s[j + 1];
        s[j + 1] *= c;
        right.push(v, j, c, -sn);
        let (c, sn, length) = angle(f, g);
        s[j] = length;
        f = c * e[j] + sn * s[j + 1];
        s[j + 1] = c * s[j + 1] - sn * e[j];
        if j + 1 < last {
            g = sn * e[j + 1];
            e[j + 1] *= c;
        }
        left.push(u, j, c, -sn);
    }
    e[last - 1] = f;
}
