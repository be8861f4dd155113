//! A = U S Vᴴ: QR leaves a square matrix, reflections from both sides make it bidiagonal and real, and the implicit QR
//! iteration diagonal (Golub and Kahan 1965; Golub and Van Loan 8.6).

use super::mat::subtract_all;
use super::{Field, Mat, qr};

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
    let tau = qr::factor(&mut a);
    let mut r = Mat::zeros(n, n);
    for i in 0..n {
        (i..n).for_each(|j| r[(i, j)] = a[(i, j)]);
    }
    let Bidiagonal { mut s, mut e, mut u, mut v } = bidiagonal(r);
    iterate(&mut s, &mut e, &mut u, &mut v)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| s[*j].total_cmp(&s[*i]));
    let (mut inner, mut vh) = (Mat::zeros(n, n), Mat::zeros(n, n));
    for (to, from) in order.iter().enumerate() {
        u.row(*from).iter().enumerate().for_each(|(i, x)| inner[(i, to)] = *x);
        v.row(*from).iter().enumerate().for_each(|(i, x)| vh[(to, i)] = x.conj());
    }
    let width = if full { m } else { n };
    let q = qr::product(&a, &tau, width);
    let mut u = Mat::zeros(m, width);
    for i in 0..m {
        subtract_all(&mut u.row_mut(i)[..n], 0..n, |k| -q[(i, k)], |k| inner.row(k));
        (n..width).for_each(|j| u[(i, j)] = q[(i, j)]);
    }
    Some(Parts { u, s: order.iter().map(|i| s[*i] * scale).collect(), vh })
}

/// A = U B Vᴴ with a real B: its diagonal, what is right of that, and the columns of U and V as rows.
struct Bidiagonal<F> {
    s: Vec<f64>,
    e: Vec<f64>,
    u: Mat<F>,
    v: Mat<F>,
}

fn bidiagonal<F: Field>(mut a: Mat<F>) -> Bidiagonal<F> {
    let n = a.rows;
    let (mut s, mut e) = (vec![0.0; n], vec![0.0; n]);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for k in 0..n {
        let norm = (k + 1..n).fold(0.0f64, |norm, i| norm.hypot(a[(i, k)].abs()));
        s[k] = a[(k, k)].re();
        if let Some((tau, beta, scale)) = qr::reflection(a[(k, k)], norm) {
            s[k] = beta;
            let v: Vec<F> = (k..n).map(|i| if i == k { F::ONE } else { a[(i, k)] * scale }).collect();
            qr::reflect(&mut a, k, k + 1, &v, tau.conj());
            left.push((k, tau, v));
        }
        if k + 1 == n {
            break;
        }
        let norm = (k + 2..n).fold(0.0f64, |norm, j| norm.hypot(a[(k, j)].abs()));
        let alpha = a[(k, k + 1)].conj();
        e[k] = alpha.re();
        if let Some((tau, beta, scale)) = qr::reflection(alpha, norm) {
            e[k] = beta;
            let v: Vec<F> = (k + 1..n).map(|j| if j == k + 1 { F::ONE } else { a[(k, j)].conj() * scale }).collect();
            for i in k + 1..n {
                let row = &mut a.row_mut(i)[k + 1..];
                let inner = tau * row.iter().zip(&v).fold(F::ZERO, |sum, (x, v)| sum + *x * *v);
                row.iter_mut().zip(&v).for_each(|(x, v)| *x -= inner * v.conj());
            }
            right.push((k + 1, tau, v));
        }
    }
    Bidiagonal { s, e, u: columns(n, left), v: columns(n, right) }
}

/// The columns of a product of reflections, as rows.
fn columns<F: Field>(n: usize, reflections: Vec<(usize, F, Vec<F>)>) -> Mat<F> {
    let mut q = Mat::identity(n, n);
    for (row, tau, v) in reflections.into_iter().rev() {
        qr::reflect(&mut q, row, 0, &v, tau);
    }
    let mut columns = Mat::zeros(n, n);
    for i in 0..n {
        (0..n).for_each(|j| columns[(j, i)] = q[(i, j)]);
    }
    columns
}

/// Cosine and sine of the angle of (x, y), and their length.
fn angle(x: f64, y: f64) -> (f64, f64, f64) {
    let length = x.hypot(y);
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
            Some(k) if k == last => chase_column(s, e, v, start, last),
            Some(k) => {
                s[k] = 0.0;
                chase_row(s, e, u, k, last);
            }
            None => step(s, e, u, v, start, last),
        }
    }
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
fn step<F: Field>(s: &mut [f64], e: &mut [f64], u: &mut Mat<F>, v: &mut Mat<F>, start: usize, last: usize) {
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
        turn(v, j, j + 1, c, sn);
        let (c, sn, length) = angle(f, g);
        s[j] = length;
        f = c * e[j] + sn * s[j + 1];
        s[j + 1] = c * s[j + 1] - sn * e[j];
        if j + 1 < last {
            g = sn * e[j + 1];
            e[j + 1] *= c;
        }
        turn(u, j, j + 1, c, sn);
    }
    e[last - 1] = f;
}
