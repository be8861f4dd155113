//! A = Q R by Householder's reflections, stored as LAPACK does: R above the diagonal and the vectors of the
//! reflections, whose first element is 1, below; reflection i is I − τᵢ vᵢ vᵢᴴ.

use super::{Field, Mat};

/// The reflection that takes (alpha, rest) to (beta, 0), with a real beta: the vector in place of `rest`, and τ and
/// beta. `norm` is that of `rest`.
pub(super) fn reflection<F: Field>(alpha: F, norm: f64) -> Option<(F, f64, F)> {
    if norm == 0.0 && alpha.im() == 0.0 {
        return None;
    }
    let beta = -alpha.abs().hypot(norm).copysign(alpha.re());
    let tau = (F::of(beta) - alpha).times(1.0 / beta);
    // The conjugate is not taken: H = I − τ v vᴴ is applied as its adjoint to the matrix.
    Some((tau, beta, F::ONE / (alpha - F::of(beta))))
}

/// Factors in place and returns τ.
pub(super) fn factor<F: Field>(a: &mut Mat<F>) -> Vec<F> {
    let (m, n) = (a.rows, a.cols);
    let mut tau = vec![F::ZERO; m.min(n)];
    for j in 0..m.min(n) {
        let norm = (j + 1..m).fold(0.0f64, |norm, i| norm.hypot(a[(i, j)].abs()));
        let Some((t, beta, scale)) = reflection(a[(j, j)], norm) else { continue };
        tau[j] = t;
        a[(j, j)] = F::of(beta);
        (j + 1..m).for_each(|i| a[(i, j)] *= scale);
        let v: Vec<F> = (j..m).map(|i| if i == j { F::ONE } else { a[(i, j)] }).collect();
        reflect(a, j, j + 1, &v, t.conj());
    }
    tau
}

/// Rows `row` on and columns `col` on of a, times I − t v vᴴ from the left.
pub(super) fn reflect<F: Field>(a: &mut Mat<F>, row: usize, col: usize, v: &[F], t: F) {
    if t == F::ZERO || col >= a.cols {
        return;
    }
    let mut w = vec![F::ZERO; a.cols - col];
    for (d, v) in v.iter().enumerate() {
        let c = v.conj();
        w.iter_mut().zip(&a.row(row + d)[col..]).for_each(|(w, x)| *w += c * *x);
    }
    for (d, v) in v.iter().enumerate() {
        let c = t * *v;
        a.row_mut(row + d)[col..].iter_mut().zip(&w).for_each(|(x, w)| *x -= c * *w);
    }
}

/// The first `cols` columns of the product of the reflections in a.
pub(super) fn product<F: Field>(a: &Mat<F>, tau: &[F], cols: usize) -> Mat<F> {
    let mut q = Mat::identity(a.rows, cols);
    for (j, t) in tau.iter().enumerate().rev() {
        let v: Vec<F> = (j..a.rows).map(|i| if i == j { F::ONE } else { a[(i, j)] }).collect();
        reflect(&mut q, j, 0, &v, *t);
    }
    q
}
