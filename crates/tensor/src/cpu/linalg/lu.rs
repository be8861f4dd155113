//! P A = L U by Gauss's elimination with partial pivoting, and systems that are triangular.

use super::mat::{View, add_scaled, multiply};
use super::{Field, Mat};
use crate::cpu::par;
use std::ops::Range;

/// Columns of a panel: what is below and to the right of one is updated by whole panels.
const PANEL: usize = 32;

/// Right sides from which on a triangular system is solved by products of blocks.
const WIDE: usize = 8;

/// Factors in place. `pivots[i]` is the row, from 1 on, that row i was exchanged with at step i. What comes back is 0,
/// or the number of the first pivot that is zero.
pub(super) fn factor<F: Field>(a: &mut Mat<F>, pivots: &mut [i32], pivot: bool) -> usize {
    let (m, n) = (a.rows, a.cols);
    let k = m.min(n);
    let mut info = 0;
    for start in (0..k).step_by(PANEL) {
        let end = (start + PANEL).min(k);
        // In rows without gaps: those of a whole matrix often stand a power of two apart, and push each other out of
        // the cache.
        let mut panel =
            Mat { rows: m - start, cols: end - start, data: Vec::with_capacity((m - start) * (end - start)) };
        (start..m).for_each(|i| panel.data.extend_from_slice(&a.row(i)[start..end]));
        let zero = factor_panel(&mut panel, &mut pivots[start..end], pivot);
        info = if info == 0 && zero > 0 { start + zero } else { info };
        for j in start..end {
            pivots[j] += start as i32;
            a.swap_rows(j, pivots[j] as usize - 1);
        }
        (start..m).for_each(|i| a.row_mut(i)[start..end].copy_from_slice(panel.row(i - start)));
        if end == n {
            continue;
        }
        // The rows of U right of the panel, then all rows below it.
        for i in start + 1..end {
            a.subtract_own(i, end, start..i, |k| panel[(i - start, k - start)]);
        }
        let below = panel.negated(end - start..m - start, 0..end - start);
        let (top, rest) = a.data.split_at_mut(end * n);
        if end < m {
            let right = View { data: &top[start * n + end..], row: n, column: 1 };
            multiply((m - end, end - start, n - end), below.view(), right, &mut rest[end..], n, true);
        }
    }
    info
}

/// [`factor`] column by column.
fn factor_panel<F: Field>(a: &mut Mat<F>, pivots: &mut [i32], pivot: bool) -> usize {
    let (m, n) = (a.rows, a.cols);
    let mut info = 0;
    for j in 0..n {
        let (mut best, mut most) = (j, a[(j, j)].size());
        for i in if pivot { j + 1..m } else { 0..0 } {
            let size = a[(i, j)].size();
            if size > most {
                (best, most) = (i, size);
            }
        }
        pivots[j] = best as i32 + 1;
        a.swap_rows(j, best);
        let diagonal = a[(j, j)];
        if diagonal.size() == 0.0 {
            info = if info == 0 { j + 1 } else { info };
            continue;
        }
        let (above, below) = a.data.split_at_mut((j + 1) * n);
        let top = &above[j * n + j + 1..];
        par::simd(
            #[inline(always)]
            || {
                for row in below.chunks_exact_mut(n) {
                    let factor = row[j] / diagonal;
                    row[j] = factor;
                    add_scaled(&mut row[j + 1..], -factor, top);
                }
            },
        );
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
    if x.cols >= WIDE { solve_part(a, x, 0..a.rows, upper, unit) } else { substitute(a, x, 0..a.rows, upper, unit) }
}

/// [`solve_triangular`] of some rows, from which what is known of x is taken off already: by halves, so that the products
/// are large.
fn solve_part<F: Field>(a: &Mat<F>, x: &mut Mat<F>, rows: Range<usize>, upper: bool, unit: bool) {
    if rows.len() <= PANEL {
        return substitute(a, x, rows, upper, unit);
    }
    let k = x.cols;
    let middle = rows.start + (rows.len() / 2).next_multiple_of(PANEL);
    let (top, bottom) = (rows.start..middle, middle..rows.end);
    let (first, second) = if upper { (bottom, top) } else { (top, bottom) };
    solve_part(a, x, first.clone(), upper, unit);
    let left = a.negated(second.clone(), first.clone());
    let (above, below) = x.data.split_at_mut(middle * k);
    let (from, to) = if upper { (&*below, &mut above[rows.start * k..]) } else { (&above[rows.start * k..], below) };
    let right = View { data: from, row: k, column: 1 };
    multiply((second.len(), first.len(), k), left.view(), right, to, k, true);
    solve_part(a, x, second, upper, unit);
}

/// [`solve_part`] row by row.
fn substitute<F: Field>(a: &Mat<F>, x: &mut Mat<F>, rows: Range<usize>, upper: bool, unit: bool) {
    for step in 0..rows.len() {
        let i = if upper { rows.end - 1 - step } else { rows.start + step };
        let over = if upper { i + 1..rows.end } else { rows.start..i };
        x.subtract_own(i, 0, over, |k| a[(i, k)]);
        if !unit {
            let diagonal = a[(i, i)];
            x.row_mut(i).iter_mut().for_each(|x| *x /= diagonal);
        }
    }
}
