//! A = U S Vᴴ: what QR leaves of a tall matrix is made orthogonal by rotations of pairs of its columns (the one-sided
//! Jacobi method; Golub and Van Loan 8.6.3), which finds small singular values as exactly as large ones.

use super::{Field, Mat, qr};

pub(super) struct Parts<F> {
    pub u: Mat<F>,
    pub s: Vec<f64>,
    pub vh: Mat<F>,
}

/// Sweeps over all pairs that are never needed.
const MOST: usize = 60;

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
    // Rows are the columns of R, and those of V.
    let mut w = Mat::zeros(n, n);
    for i in 0..n {
        (i..n).for_each(|j| w[(j, i)] = a[(i, j)]);
    }
    let mut v = Mat::<F>::identity(n, n);
    let mut turned = true;
    for _ in 0..MOST {
        turned = false;
        for p in 0..n {
            for q in p + 1..n {
                turned |= orthogonalize(&mut w, &mut v, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    if turned {
        return None;
    }
    let norms: Vec<f64> = (0..n).map(|j| w.row(j).iter().map(|x| x.square()).sum::<f64>().sqrt()).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| norms[*j].total_cmp(&norms[*i]));
    let (mut inner, mut vh) = (Mat::zeros(n, n), Mat::zeros(n, n));
    for (to, from) in order.iter().enumerate() {
        v.row(*from).iter().enumerate().for_each(|(i, x)| vh[(to, i)] = x.conj());
        if norms[*from] > 0.0 {
            w.row(*from).iter().enumerate().for_each(|(i, x)| inner[(i, to)] = x.times(1.0 / norms[*from]));
        } else {
            complete(&mut inner, to);
        }
    }
    let width = if full { m } else { n };
    let q = qr::product(&a, &tau, width);
    let mut u = Mat::zeros(m, width);
    for i in 0..m {
        u.subtract_rows_of(i, n, |k| -q[(i, k)], &inner);
        (n..width).for_each(|j| u[(i, j)] = q[(i, j)]);
    }
    Some(Parts { u, s: order.iter().map(|i| norms[*i] * scale).collect(), vh })
}

impl<F: Field> Mat<F> {
    /// The first columns of row i less Σ c(k) row k of `others`, over its `count` rows.
    fn subtract_rows_of(&mut self, i: usize, count: usize, c: impl Fn(usize) -> F, others: &Mat<F>) {
        let y = &mut self.row_mut(i)[..others.cols];
        super::subtract_all(y, 0..count, c, |k| others.row(k));
    }
}

/// Turns rows p and q of w and v until those of w are orthogonal; false where they were.
fn orthogonalize<F: Field>(w: &mut Mat<F>, v: &mut Mat<F>, p: usize, q: usize) -> bool {
    let (x, y) = (w.row(p), w.row(q));
    let (mut a, mut b, mut inner) = (0.0, 0.0, F::ZERO);
    for (x, y) in x.iter().zip(y) {
        a += x.square();
        b += y.square();
        inner += x.conj() * *y;
    }
    let size = inner.abs();
    if size <= f64::EPSILON * (a * b).sqrt() || size == 0.0 {
        return false;
    }
    let zeta = (b - a) / (2.0 * size);
    let t = 1f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let (s, phase) = (c * t, inner.sign().conj());
    for m in [w, v] {
        let cols = m.cols;
        let (low, high) = m.data.split_at_mut(q * cols);
        let (x, y) = (&mut low[p * cols..(p + 1) * cols], &mut high[..cols]);
        for (x, y) in x.iter_mut().zip(y) {
            let (old, other) = (*x, *y * phase);
            *x = old.times(c) - other.times(s);
            *y = old.times(s) + other.times(c);
        }
    }
    true
}

/// Column `at` as a unit vector orthogonal to those before it.
fn complete<F: Field>(m: &mut Mat<F>, at: usize) {
    let n = m.rows;
    let mut best: (f64, Vec<F>) = (0.0, vec![F::ZERO; n]);
    for start in 0..n {
        let mut x = vec![F::ZERO; n];
        x[start] = F::ONE;
        // Twice is enough.
        for _ in 0..2 {
            for j in 0..at {
                let inner = (0..n).fold(F::ZERO, |sum, i| sum + m[(i, j)].conj() * x[i]);
                (0..n).for_each(|i| x[i] -= inner * m[(i, j)]);
            }
        }
        let norm = x.iter().map(|x| x.square()).sum::<f64>().sqrt();
        if norm > best.0 {
            best = (norm, x);
        }
        if norm > 0.5 {
            break;
        }
    }
    (0..n).for_each(|i| m[(i, at)] = best.1[i].times(1.0 / best.0));
}
