//! A = Q R by Householder's reflections, stored as LAPACK does: R above the diagonal and the vectors of the
//! reflections, whose first element is 1, below; reflection i is I − τᵢ vᵢ vᵢᴴ.

use super::mat::{View, add_scaled, multiply, norm};
use super::{Field, Mat};
use crate::cpu::par;

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

/// Columns of a panel, and reflections that are applied at once.
const PANEL: usize = 32;

/// Factors in place and returns τ.
pub(super) fn factor<F: Field>(a: &mut Mat<F>) -> Vec<F> {
    let (m, n) = (a.rows, a.cols);
    let mut tau = Vec::with_capacity(m.min(n));
    for start in (0..m.min(n)).step_by(PANEL) {
        let end = (start + PANEL).min(m.min(n));
        let mut panel =
            Mat { rows: m - start, cols: end - start, data: Vec::with_capacity((m - start) * (end - start)) };
        (start..m).for_each(|i| panel.data.extend_from_slice(&a.row(i)[start..end]));
        let own = factor_panel(&mut panel);
        (start..m).for_each(|i| a.row_mut(i)[start..end].copy_from_slice(panel.row(i - start)));
        if end < n {
            Block::new(start, lower(panel), &own, true).apply(a, end);
        }
        tau.extend(own);
    }
    tau
}

/// [`factor`] column by column.
fn factor_panel<F: Field>(a: &mut Mat<F>) -> Vec<F> {
    let (m, n) = (a.rows, a.cols);
    let mut tau = vec![F::ZERO; m.min(n)];
    for j in 0..m.min(n) {
        let mut v: Vec<F> = (j..m).map(|i| a[(i, j)]).collect();
        let Some((t, beta, scale)) = reflection(v[0], norm(&v[1..])) else { continue };
        tau[j] = t;
        v[0] = F::ONE;
        v[1..].iter_mut().for_each(|x| *x *= scale);
        a[(j, j)] = F::of(beta);
        (j + 1..m).for_each(|i| a[(i, j)] = v[i - j]);
        reflect(a, j, j + 1, &v, t.conj());
    }
    tau
}

/// The vectors of reflections as [`factor`] leaves them: 1 on the diagonal and 0 above.
fn lower<F: Field>(mut a: Mat<F>) -> Mat<F> {
    for i in 0..a.rows.min(a.cols) {
        let row = a.row_mut(i);
        row[i] = F::ONE;
        row[i + 1..].fill(F::ZERO);
    }
    a
}

/// Rows `row` on and columns `col` on of a, times I − t v vᴴ from the left.
pub(super) fn reflect<F: Field>(a: &mut Mat<F>, row: usize, col: usize, v: &[F], t: F) {
    if t == F::ZERO || col >= a.cols {
        return;
    }
    let mut w = vec![F::ZERO; a.cols - col];
    par::simd(
        #[inline(always)]
        || {
            for d in 0..v.len() {
                add_scaled(&mut w, v[d].conj(), &a.row(row + d)[col..]);
            }
            for d in 0..v.len() {
                add_scaled(&mut a.row_mut(row + d)[col..], -(t * v[d]), &w);
            }
        },
    );
}

/// The product of some reflections, H₁ … H_b = I − V T Vᴴ (Schreiber and Van Loan 1989), or its adjoint.
struct Block<F> {
    /// The row of a matrix that the first one of V goes with.
    first: usize,
    v: Mat<F>,
    adjoint: Mat<F>,
    /// −T, or −Tᴴ.
    t: Mat<F>,
}

impl<F: Field> Block<F> {
    fn new(first: usize, v: Mat<F>, tau: &[F], adjoint: bool) -> Block<F> {
        let vh = v.adjoint();
        let inner = vh.mul(&v);
        let mut t = Mat::zeros(v.cols, v.cols);
        for (j, tau) in tau.iter().enumerate() {
            for i in 0..j {
                let sum = (i..j).fold(F::ZERO, |sum, k| sum + t[(i, k)] * inner[(k, j)]);
                t[(i, j)] = -(*tau * sum);
            }
            t[(j, j)] = *tau;
        }
        let mut t = if adjoint { t.adjoint() } else { t };
        t.data.iter_mut().for_each(|x| *x = -*x);
        Block { first, v, adjoint: vh, t }
    }

    /// Rows `first` on and columns `col` on of a, times this from the left.
    fn apply(&self, a: &mut Mat<F>, col: usize) {
        let (rows, count, cols) = (self.v.rows, self.v.cols, a.cols.saturating_sub(col));
        if rows == 0 || cols == 0 {
            return;
        }
        let (stride, start) = (a.cols, self.first * a.cols + col);
        let (mut w, mut by_t) = (Mat::zeros(count, cols), Mat::zeros(count, cols));
        let own = View { data: &a.data[start..], row: stride, column: 1 };
        multiply((count, rows, cols), self.adjoint.view(), own, &mut w.data, cols, false);
        multiply((count, count, cols), self.t.view(), w.view(), &mut by_t.data, cols, false);
        multiply((rows, count, cols), self.v.view(), by_t.view(), &mut a.data[start..], stride, true);
    }
}

/// The first `cols` columns of the product of the reflections in a.
pub(super) fn product<F: Field>(a: &Mat<F>, tau: &[F], cols: usize) -> Mat<F> {
    let mut q = Mat::identity(a.rows, cols);
    for start in (0..tau.len()).step_by(PANEL).rev() {
        let end = (start + PANEL).min(tau.len());
        let mut v = Mat { rows: a.rows - start, cols: end - start, data: Vec::new() };
        (start..a.rows).for_each(|i| v.data.extend_from_slice(&a.row(i)[start..end]));
        // Left of column `start` these rows are those of the identity still: zeros.
        Block::new(start, lower(v), &tau[start..end], false).apply(&mut q, start.min(cols));
    }
    q
}

/// A reflection I − τ v vᴴ of rows `row` on.
pub(super) struct Reflection<F> {
    pub row: usize,
    pub tau: F,
    pub v: Vec<F>,
}

/// The columns of the product of reflections of `n` rows, each of which begins below the one before, as rows.
pub(super) fn columns<F: Field>(n: usize, reflections: &[Reflection<F>]) -> Mat<F> {
    let mut q = Mat::identity(n, n);
    for some in reflections.chunks(PANEL).rev() {
        let first = some[0].row;
        let mut v = Mat::zeros(n - first, some.len());
        for (j, reflection) in some.iter().enumerate() {
            reflection.v.iter().enumerate().for_each(|(i, x)| v[(reflection.row - first + i, j)] = *x);
        }
        let tau: Vec<F> = some.iter().map(|r| r.tau).collect();
        Block::new(first, v, &tau, false).apply(&mut q, first);
    }
    // Not the adjoint: a column stays what it is.
    let mut columns = q.adjoint();
    columns.data.iter_mut().for_each(|x| *x = x.conj());
    columns
}
