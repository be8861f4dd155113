//! A = L Lᴴ of a positive-definite matrix.

use super::{Field, Mat};

/// Factors in place, from the lower triangle; what is above becomes 0. What comes back is 0, or the order of the first
/// leading minor that is not positive.
pub(super) fn factor<F: Field>(a: &mut Mat<F>) -> usize {
    let n = a.rows;
    let mut info = 0;
    for i in 0..n {
        for j in 0..i {
            let dot = dot(&a.row(i)[..j], &a.row(j)[..j]);
            let diagonal = a[(j, j)];
            a[(i, j)] = (a[(i, j)] - dot) / diagonal;
        }
        let rest = a[(i, i)].re() - a.row(i)[..i].iter().map(|x| x.square()).sum::<f64>();
        if !(rest > 0.0) {
            info = i + 1;
            a[(i, i)] = F::of(rest);
            break;
        }
        a[(i, i)] = F::of(rest.sqrt());
    }
    for i in 0..n {
        a.row_mut(i)[i + 1..].fill(F::ZERO);
    }
    info
}

/// Σ x conj(y), in four sums.
fn dot<F: Field>(x: &[F], y: &[F]) -> F {
    let mut sums = [F::ZERO; 4];
    let (xs, x_rest) = x.as_chunks::<4>();
    let (ys, y_rest) = y.as_chunks::<4>();
    for (x, y) in xs.iter().zip(ys) {
        for k in 0..4 {
            sums[k] += x[k] * y[k].conj();
        }
    }
    let rest = x_rest.iter().zip(y_rest).fold(F::ZERO, |sum, (x, y)| sum + *x * y.conj());
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
