//! A = L Lᴴ of a positive-definite matrix.

use super::mat::{View, dot, multiply};
use super::{Field, Mat};
use std::ops::Range;

/// Columns that are factored before the rest is updated by them.
const PANEL: usize = 32;

/// Factors in place, from the lower triangle; what is above becomes 0. What comes back is 0, or the order of the first
/// leading minor that is not positive.
pub(super) fn factor<F: Field>(a: &mut Mat<F>) -> usize {
    let n = a.rows;
    let mut info = 0;
    for start in (0..n).step_by(PANEL) {
        let end = (start + PANEL).min(n);
        info = rows(a, start..end, start..end);
        if info > 0 || end == n {
            break;
        }
        rows(a, end..n, start..end);
        // The lower triangle of what is left, in blocks of rows up to the diagonal.
        let panel = a.negated(end..n, start..end);
        let (w, mut adjoint) = (end - start, panel.adjoint());
        adjoint.data.iter_mut().for_each(|x| *x = -*x);
        for first in (end..n).step_by(2 * PANEL) {
            let last = (first + 2 * PANEL).min(n);
            let left = View { data: &panel.data[(first - end) * w..], row: w, column: 1 };
            let to = &mut a.data[first * n + end..];
            multiply((last - first, w, last - end), left, adjoint.view(), to, n, true);
        }
    }
    for i in 0..n {
        a.row_mut(i)[i + 1..].fill(F::ZERO);
    }
    info
}

/// Some rows of the factor, of which these columns alone are not known and those before them are taken off already.
fn rows<F: Field>(a: &mut Mat<F>, rows: Range<usize>, columns: Range<usize>) -> usize {
    for i in rows {
        for j in columns.start..columns.end.min(i) {
            let dot = dot(&a.row(i)[columns.start..j], &a.row(j)[columns.start..j]);
            let diagonal = a[(j, j)];
            a[(i, j)] = (a[(i, j)] - dot) / diagonal;
        }
        if columns.contains(&i) {
            let own = &a.row(i)[columns.start..i];
            let rest = a[(i, i)].re() - own.iter().map(|x| x.square()).sum::<f64>();
            if !(rest > 0.0) {
                a[(i, i)] = F::of(rest);
                return i + 1;
            }
            a[(i, i)] = F::of(rest.sqrt());
        }
    }
    0
}
