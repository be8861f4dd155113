//! Eigenvalues and eigenvectors of a symmetric or Hermitian matrix: reflections make it tridiagonal, the implicit QL
//! iteration diagonal (Golub and Van Loan 8.3).

use super::{Field, Mat, qr};

/// Iterations for one eigenvalue that never come.
const MOST: usize = 80;

/// Eigenvalues in ascending order and the eigenvectors as columns, from one triangle; `None` where a number is not
/// finite.
pub(super) fn eigen<F: Field>(mut a: Mat<F>, upper: bool) -> Option<(Vec<f64>, Mat<F>)> {
    let n = a.rows;
    for i in 0..n {
        for j in 0..i {
            if upper {
                a[(i, j)] = a[(j, i)].conj();
            } else {
                a[(j, i)] = a[(i, j)].conj();
            }
        }
        a[(i, i)] = F::of(a[(i, i)].re());
    }
    if !a.data.iter().all(|x| x.size().is_finite()) {
        return None;
    }
    let (mut d, mut e, mut z) = tridiagonal(a);
    iterate(&mut d, &mut e, &mut z)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| d[*i].total_cmp(&d[*j]));
    let mut vectors = Mat::zeros(n, n);
    for (to, from) in order.iter().enumerate() {
        z.row(*from).iter().enumerate().for_each(|(i, x)| vectors[(i, to)] = *x);
    }
    Some((order.iter().map(|i| d[*i]).collect(), vectors))
}

/// A = Q T Qᴴ: the diagonal of T, what is beside it, and the columns of Q as rows.
fn tridiagonal<F: Field>(mut a: Mat<F>) -> (Vec<f64>, Vec<f64>, Mat<F>) {
    let n = a.rows;
    let mut e = vec![0.0; n];
    let mut reflections = Vec::new();
    for j in 0..n.saturating_sub(1) {
        let norm = (j + 2..n).fold(0.0f64, |norm, i| norm.hypot(a[(i, j)].abs()));
        let alpha = a[(j + 1, j)];
        e[j] = alpha.re();
        let Some((tau, beta, scale)) = qr::reflection(alpha, norm) else { continue };
        e[j] = beta;
        let v: Vec<F> = (j + 1..n).map(|i| if i == j + 1 { F::ONE } else { a[(i, j)] * scale }).collect();
        // w = τ A v − ½ τ (τ A v)ᴴ v v, and A less v wᴴ + w vᴴ.
        let mut w: Vec<F> = (0..v.len())
            .map(|i| {
                let row = &a.row(j + 1 + i)[j + 1..];
                tau * row.iter().zip(&v).fold(F::ZERO, |sum, (x, v)| sum + *x * *v)
            })
            .collect();
        let inner = w.iter().zip(&v).fold(F::ZERO, |sum, (w, v)| sum + w.conj() * *v);
        let half = (tau * inner).times(-0.5);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w += half * *v);
        for i in 0..v.len() {
            let (vi, wi) = (v[i], w[i]);
            let row = &mut a.row_mut(j + 1 + i)[j + 1..];
            for (k, x) in row.iter_mut().enumerate() {
                *x -= vi * w[k].conj() + wi * v[k].conj();
            }
        }
        reflections.push((j + 1, tau, v));
    }
    let d = (0..n).map(|i| a[(i, i)].re()).collect();
    let mut q = Mat::identity(n, n);
    for (row, tau, v) in reflections.into_iter().rev() {
        qr::reflect(&mut q, row, 0, &v, tau);
    }
    let mut columns = Mat::zeros(n, n);
    for i in 0..n {
        for j in 0..n {
            columns[(j, i)] = q[(i, j)];
        }
    }
    (d, e, columns)
}

/// The implicit QL iteration: d becomes the eigenvalues, rows of z take part in its rotations.
fn iterate<F: Field>(d: &mut [f64], e: &mut [f64], z: &mut Mat<F>) -> Option<()> {
    let n = d.len();
    for l in 0..n {
        for round in 0.. {
            let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(|m| small(*m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if round == MOST {
                return None;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut ended = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    ended = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotate(z, i, c, s);
            }
            if ended {
                continue;
            }
            d[l] -= p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
    Some(())
}

/// Rows i and i + 1 turned.
fn rotate<F: Field>(z: &mut Mat<F>, i: usize, c: f64, s: f64) {
    let cols = z.cols;
    let (x, y) = z.data[i * cols..(i + 2) * cols].split_at_mut(cols);
    for (x, y) in x.iter_mut().zip(y) {
        let f = *y;
        *y = x.times(s) + f.times(c);
        *x = x.times(c) - f.times(s);
    }
}
