//! Eigenvalues and eigenvectors of a symmetric or Hermitian matrix: reflections make it tridiagonal, the implicit QL
//! iteration diagonal (Golub and Van Loan 8.3).

use super::mat::{dot, length, norm};
use super::qr::Reflection;
use super::turns::Turns;
use super::{Field, Mat, qr};
use crate::cpu::par;
use pulp::{Simd, WithSimd};

/// Iterations for one eigenvalue that never come.
const MOST: usize = 80;

/// Eigenvalues in ascending order and the eigenvectors as columns, from one triangle; `None` where a number is not
/// finite.
pub(super) fn eigen<F: Field>(mut a: Mat<F>, upper: bool) -> Option<(Vec<f64>, Mat<F>)> {
    let n = a.rows;
    if upper {
        a = a.adjoint();
    }
    for i in 0..n {
        a[(i, i)] = F::of(a[(i, i)].re());
        a.row_mut(i)[i + 1..].fill(F::ZERO);
    }
    if !a.data.iter().all(|x| x.size().is_finite()) {
        return None;
    }
    let (mut d, mut e, mut z) = tridiagonal(a);
    iterate(&mut d, &mut e, &mut z)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| d[*i].total_cmp(&d[*j]));
    let mut vectors = Mat { rows: n, cols: n, data: Vec::with_capacity(n * n) };
    order.iter().for_each(|i| vectors.data.extend(z.row(*i).iter().map(|x| x.conj())));
    Some((order.iter().map(|i| d[*i]).collect(), vectors.adjoint()))
}

/// A = Q T Qᴴ of the lower triangle of A: the diagonal of T, what is beside it, and the columns of Q as rows.
fn tridiagonal<F: Field>(mut a: Mat<F>) -> (Vec<f64>, Vec<f64>, Mat<F>) {
    let n = a.rows;
    let (mut d, mut e) = (vec![0.0; n], vec![0.0; n]);
    let mut reflections = Vec::new();
    // What is to be taken off the rows from the present one on: p qᴴ + q pᴴ.
    let (mut p, mut q) = (vec![F::ZERO; n], vec![F::ZERO; n]);
    for j in 0..n {
        // Column j and its diagonal element; the rest is changed on the next way through the matrix.
        let (pj, qj) = (p[j].conj(), q[j].conj());
        d[j] = (a[(j, j)] - (p[j] * qj + q[j] * pj)).re();
        let mut v: Vec<F> = (j + 1..n).map(|i| a[(i, j)] - (p[i] * qj + q[i] * pj)).collect();
        if v.is_empty() {
            break;
        }
        e[j] = v[0].re();
        let reflection = qr::reflection(v[0], norm(&v[1..]));
        let tau = match reflection {
            Some((tau, beta, scale)) => {
                e[j] = beta;
                v[0] = F::ONE;
                v[1..].iter_mut().for_each(|x| *x *= scale);
                tau
            }
            None => {
                v.fill(F::ZERO);
                F::ZERO
            }
        };
        // w = τ A v − ½ τ (τ A v)ᴴ v v, and A less v wᴴ + w vᴴ.
        let mut w = update_and_multiply(&mut a, j + 1, &p[j + 1..], &q[j + 1..], &v);
        w.iter_mut().for_each(|w| *w = tau * *w);
        let half = (tau * dot(&v, &w)).times(-0.5);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w += half * *v);
        p[j + 1..].copy_from_slice(&v);
        q[j + 1..].copy_from_slice(&w);
        if reflection.is_some() {
            reflections.push(Reflection { row: j + 1, tau, v });
        }
    }
    (d, e, qr::columns(n, &reflections))
}

/// Takes p qᴴ + q pᴴ off the lower triangle from row and column `at` on and multiplies v by the Hermitian matrix that
/// it stands for, in one way through memory.
fn update_and_multiply<F: Field>(a: &mut Mat<F>, at: usize, p: &[F], q: &[F], v: &[F]) -> Vec<F> {
    struct Pass<'a, F> {
        a: &'a mut Mat<F>,
        at: usize,
        /// p, q and their conjugates.
        p: [&'a [F]; 2],
        q: [&'a [F]; 2],
        v: &'a [F],
        y: &'a mut [F],
    }
    impl<F: Field> WithSimd for Pass<'_, F> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Pass { a, at, p, q, v, y } = self;
            for i in 0..v.len() {
                let row = &mut a.row_mut(at + i)[at..=at + i];
                let sum = F::update(simd, &mut row[..i], [(p[0][i], q[1]), (q[0][i], p[1])], v, (v[i], y));
                row[i] -= p[0][i] * q[1][i] + q[0][i] * p[1][i];
                y[i] += sum + row[i] * v[i];
            }
        }
    }
    let conjugates = |x: &[F]| x.iter().map(|x| x.conj()).collect::<Vec<F>>();
    let (pc, qc) = (conjugates(p), conjugates(q));
    let mut y = vec![F::ZERO; v.len()];
    par::dispatch(Pass { a, at, p: [p, &pc], q: [q, &qc], v, y: &mut y });
    y
}

/// The implicit QL iteration: d becomes the eigenvalues, rows of z take part in its rotations.
fn iterate<F: Field>(d: &mut [f64], e: &mut [f64], z: &mut Mat<F>) -> Option<()> {
    let n = d.len();
    let mut turns = Turns::new(n);
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
            let r = length(g, 1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut ended = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = length(f, g);
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
                turns.push(z, i, c, s);
            }
            if ended {
                continue;
            }
            d[l] -= p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
    turns.apply(z);
    Some(())
}
