//! P A = L U by Gauss's elimination with partial pivoting, and systems that are triangular.

use super::{Field, Mat};

/// Columns of a panel: what is below and to the right of one is updated by whole panels.
const PANEL: usize = 32;

/// Factors in place. `pivots[i]` is the row, from 1 on, that row i was exchanged with at step i. What comes back is 0,
/// or the number of the first pivot that is zero.
pub(super) fn factor<F: Field>(a: &mut Mat<F>, pivots: &mut [i32], pivot: bool) -> usize {
    let (m, n) = (a.rows, a.cols);
    let k = m.min(n);
    let mut info = 0;
    for start in (0..k).step_by(PANEL) {
        let end = (start + PANEL).min(k);
        for j in start..end {
            let best = if pivot {
                (j..m).fold(j, |best, i| if a[(i, j)].size() > a[(best, j)].size() { i } else { best })
            } else {
                j
            };
            pivots[j] = best as i32 + 1;
            a.swap_rows(j, best);
            let diagonal = a[(j, j)];
            if diagonal.size() == 0.0 {
                info = if info == 0 { j + 1 } else { info };
                continue;
            }
            for i in j + 1..m {
                let factor = a[(i, j)] / diagonal;
                a[(i, j)] = factor;
                let (above, below) = a.data.split_at_mut(i * n);
                let (top, row) = (&above[j * n + j + 1..j * n + end], &mut below[j + 1..end]);
                row.iter_mut().zip(top).for_each(|(x, u)| *x -= factor * *u);
            }
        }
        // The rows of U right of the panel, then all rows below it.
        for i in start..m {
            let factors: Vec<F> = a.row(i)[start..end.min(i.max(start))].to_vec();
            if end < n && !factors.is_empty() {
                a.subtract_own(i, end, start..start + factors.len(), |k| factors[k - start]);
            }
        }
    }
    info
}

/// The factors of a square matrix and the sign of its permutation.
pub(super) fn signed<F: Field>(mut a: Mat<F>) -> (Mat<F>, f64) {
    let mut pivots = vec![0; a.rows];
    factor(&mut a, &mut pivots, true);
    let moves = pivots.iter().enumerate().filter(|(i, p)| **p != *i as i32 + 1).count();
    (a, if moves % 2 == 0 { 1.0 } else { -1.0 })
}

/// x = A⁻¹ x by the factors of A.
pub(super) fn solve<F: Field>(lu: &Mat<F>, pivots: &[i32], x: &mut Mat<F>) {
    for (i, p) in pivots.iter().enumerate() {
        x.swap_rows(i, *p as usize - 1);
    }
    solve_triangular(lu, x, false, true);
    solve_triangular(lu, x, true, false);
}

/// x = T⁻¹ x for the upper or the lower triangle T of a.
pub(super) fn solve_triangular<F: Field>(a: &Mat<F>, x: &mut Mat<F>, upper: bool, unit: bool) {
    let n = a.rows;
    for step in 0..n {
        let i = if upper { n - 1 - step } else { step };
        let over = if upper { i + 1..n } else { 0..i };
        x.subtract_own(i, 0, over, |k| a[(i, k)]);
        if !unit {
            let diagonal = a[(i, i)];
            x.row_mut(i).iter_mut().for_each(|x| *x /= diagonal);
        }
    }
}
