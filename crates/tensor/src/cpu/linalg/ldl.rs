//! A = L D Lᵀ, or L D Lᴴ where `hermitian`, with blocks of one and two on the diagonal of D (Bunch and Kaufman 1977),
//! stored as LAPACK stores them: from the lower triangle; a negative pivot stands twice, for a block of two.

use super::{Field, Mat};

fn star<F: Field>(x: F, hermitian: bool) -> F {
    if hermitian { x.conj() } else { x }
}

/// Factors in place. What comes back is 0, or the number of the first block of one that is zero.
pub(super) fn factor<F: Field>(a: &mut Mat<F>, pivots: &mut [i32], hermitian: bool) -> usize {
    let n = a.rows;
    let alpha = (1.0 + 17f64.sqrt()) / 8.0;
    let (mut k, mut info) = (0, 0);
    while k < n {
        let diagonal = if hermitian { a[(k, k)].re().abs() } else { a[(k, k)].size() };
        let (mut largest, mut column) = (k, 0.0);
        for i in k + 1..n {
            if a[(i, k)].size() > column {
                (largest, column) = (i, a[(i, k)].size());
            }
        }
        if diagonal.max(column) == 0.0 || diagonal.is_nan() {
            info = if info == 0 { k + 1 } else { info };
            pivots[k] = k as i32 + 1;
            k += 1;
            continue;
        }
        let (mut with, mut step) = (k, 1);
        if diagonal < alpha * column {
            let left = (k..largest).map(|j| a[(largest, j)].size());
            let row = left.chain((largest + 1..n).map(|i| a[(i, largest)].size())).fold(0.0, f64::max);
            let there = if hermitian { a[(largest, largest)].re().abs() } else { a[(largest, largest)].size() };
            if diagonal < alpha * column * (column / row) {
                (with, step) = if there >= alpha * row { (largest, 1) } else { (largest, 2) };
            }
        }
        exchange(a, k, step, with, hermitian);
        if step == 1 {
            one(a, k, hermitian);
            pivots[k] = with as i32 + 1;
        } else {
            two(a, k, hermitian);
            pivots[k..k + 2].fill(-(with as i32 + 1));
        }
        k += step;
    }
    info
}

/// Row and column `with` of what is left change places with the last ones of the block at k.
fn exchange<F: Field>(a: &mut Mat<F>, k: usize, step: usize, with: usize, hermitian: bool) {
    let at = k + step - 1;
    if at == with {
        return;
    }
    let n = a.rows;
    for i in with + 1..n {
        (a[(i, at)], a[(i, with)]) = (a[(i, with)], a[(i, at)]);
    }
    for i in at + 1..with {
        (a[(i, at)], a[(with, i)]) = (star(a[(with, i)], hermitian), star(a[(i, at)], hermitian));
    }
    a[(with, at)] = star(a[(with, at)], hermitian);
    (a[(at, at)], a[(with, with)]) = (a[(with, with)], a[(at, at)]);
    if step == 2 {
        (a[(k + 1, k)], a[(with, k)]) = (a[(with, k)], a[(k + 1, k)]);
    }
}

/// What is left after a block of one.
fn one<F: Field>(a: &mut Mat<F>, k: usize, hermitian: bool) {
    let n = a.rows;
    let diagonal = if hermitian { F::of(a[(k, k)].re()) } else { a[(k, k)] };
    let inverse = F::ONE / diagonal;
    a[(k, k)] = diagonal;
    for j in k + 1..n {
        let factor = inverse * star(a[(j, k)], hermitian);
        for i in j..n {
            let x = a[(i, k)];
            a[(i, j)] -= x * factor;
        }
    }
    (k + 1..n).for_each(|i| a[(i, k)] *= inverse);
}

/// What is left after a block of two.
fn two<F: Field>(a: &mut Mat<F>, k: usize, hermitian: bool) {
    let n = a.rows;
    let low = a[(k + 1, k)];
    // The block, divided by its element off the diagonal.
    let scale = if hermitian { F::of(low.abs()) } else { low };
    let (d1, d2, phase) = (a[(k + 1, k + 1)] / scale, a[(k, k)] / scale, low / scale);
    let factor = F::ONE / (d1 * d2 - F::ONE) / scale;
    for j in k + 2..n {
        let (x, y) = (a[(j, k)], a[(j, k + 1)]);
        let first = factor * (d1 * x - phase * y);
        let second = factor * (d2 * y - star(phase, hermitian) * x);
        for i in j..n {
            let sum = a[(i, k)] * star(first, hermitian) + a[(i, k + 1)] * star(second, hermitian);
            a[(i, j)] -= sum;
        }
        (a[(j, k)], a[(j, k + 1)]) = (first, second);
    }
}

/// x = A⁻¹ x by the factors of A.
pub(super) fn solve<F: Field>(a: &Mat<F>, pivots: &[i32], hermitian: bool, x: &mut Mat<F>) {
    let n = a.rows;
    let row = |p: i32| p.unsigned_abs() as usize - 1;
    let mut k = 0;
    while k < n {
        if pivots[k] > 0 || k + 1 == n {
            x.swap_rows(k, row(pivots[k]));
            for i in k + 1..n {
                x.subtract_own(i, 0, k..k + 1, |_| a[(i, k)]);
            }
            let diagonal = if hermitian { F::of(a[(k, k)].re()) } else { a[(k, k)] };
            x.row_mut(k).iter_mut().for_each(|x| *x /= diagonal);
            k += 1;
            continue;
        }
        x.swap_rows(k + 1, row(pivots[k]));
        for i in k + 2..n {
            x.subtract_own(i, 0, k..k + 2, |c| a[(i, c)]);
        }
        let low = a[(k + 1, k)];
        let (first, second) = (a[(k, k)] / star(low, hermitian), a[(k + 1, k + 1)] / low);
        let denominator = first * second - F::ONE;
        for j in 0..x.cols {
            let (b, c) = (x[(k, j)] / star(low, hermitian), x[(k + 1, j)] / low);
            x[(k, j)] = (second * b - c) / denominator;
            x[(k + 1, j)] = (first * c - b) / denominator;
        }
        k += 2;
    }
    let mut end = n;
    while end > 0 {
        let k = end - 1;
        let block = if pivots[k] > 0 || k == 0 { 1 } else { 2 };
        for c in end - block..end {
            x.subtract_own(c, 0, end..n, |i| star(a[(i, c)], hermitian));
        }
        x.swap_rows(k, row(pivots[k]));
        end -= block;
    }
}
