//! Eigenvalues and eigenvectors of any square matrix: Hessenberg form, Schur form by the QR iteration (Francis's double
//! steps for a real matrix, single ones for a complex one; Golub and Van Loan 7.5), and back substitution.

use super::{C, Field, Mat, qr};

/// Steps for one eigenvalue that never come.
const MOST: usize = 120;

/// Eigenvalues, and as columns eigenvectors of norm 1 whose largest element is real; `None` where a number is not
/// finite.
pub(super) fn eigen<F: Field>(a: &Mat<F>) -> Option<(Vec<C>, Mat<C>)> {
    if !a.data.iter().all(|x| x.size().is_finite()) {
        return None;
    }
    let (h, z) = hessenberg(a.clone());
    let complex = |m: &Mat<F>| Mat { rows: m.rows, cols: m.cols, data: m.data.iter().map(|x| x.complex()).collect() };
    let (t, z) = if size_of::<F>() == size_of::<f64>() {
        let real = |m: &Mat<F>| Mat { rows: m.rows, cols: m.cols, data: m.data.iter().map(|x| x.re()).collect() };
        let (mut h, mut z) = (real(&h), real(&z));
        francis(&mut h, &mut z)?;
        let (mut t, mut z) = (complex_of(&h), complex_of(&z));
        split_blocks(&mut t, &mut z);
        (t, z)
    } else {
        let (mut t, mut z) = (complex(&h), complex(&z));
        single_steps(&mut t, &mut z)?;
        (t, z)
    };
    let mut values: Vec<C> = (0..t.rows).map(|i| t[(i, i)]).collect();
    let vectors = vectors(&t, &z);
    if size_of::<F>() == size_of::<f64>() {
        // Pairs are exactly conjugate.
        for i in 1..values.len() {
            if values[i - 1].im > 0.0 && values[i].im != 0.0 {
                values[i] = values[i - 1].conj();
            }
        }
    }
    Some((values, vectors))
}

fn complex_of(m: &Mat<f64>) -> Mat<C> {
    Mat { rows: m.rows, cols: m.cols, data: m.data.iter().map(|x| C::new(*x, 0.0)).collect() }
}

/// A = Z H Zᴴ with zeros below the diagonal beside the main one.
fn hessenberg<F: Field>(mut a: Mat<F>) -> (Mat<F>, Mat<F>) {
    let n = a.rows;
    let mut reflections = Vec::new();
    for j in 0..n.saturating_sub(2) {
        let norm = (j + 2..n).fold(0.0f64, |norm, i| norm.hypot(a[(i, j)].abs()));
        let Some((tau, beta, scale)) = qr::reflection(a[(j + 1, j)], norm) else { continue };
        let v: Vec<F> = (j + 1..n).map(|i| if i == j + 1 { F::ONE } else { a[(i, j)] * scale }).collect();
        qr::reflect(&mut a, j + 1, j + 1, &v, tau.conj());
        a[(j + 1, j)] = F::of(beta);
        (j + 2..n).for_each(|i| a[(i, j)] = F::ZERO);
        // From the right: each row less τ (row · v) vᴴ.
        for i in 0..n {
            let row = &mut a.row_mut(i)[j + 1..];
            let inner = tau * row.iter().zip(&v).fold(F::ZERO, |sum, (x, v)| sum + *x * *v);
            row.iter_mut().zip(&v).for_each(|(x, v)| *x -= inner * v.conj());
        }
        reflections.push((j + 1, tau, v));
    }
    let mut z = Mat::identity(n, n);
    for (row, tau, v) in reflections.into_iter().rev() {
        qr::reflect(&mut z, row, 0, &v, tau);
    }
    (a, z)
}

/// True where the element left of the diagonal in row l is nothing beside its neighbours.
fn is_small<F: Field>(h: &Mat<F>, l: usize, norm: f64) -> bool {
    let beside = h[(l - 1, l - 1)].size() + h[(l, l)].size();
    h[(l, l - 1)].size() < f64::EPSILON * if beside == 0.0 { norm } else { beside }
}

fn norm<F: Field>(h: &Mat<F>) -> f64 {
    h.data.iter().map(|x| x.size()).sum()
}

/// The real Schur form of a Hessenberg matrix, blocks of two on its diagonal where eigenvalues are complex.
fn francis(h: &mut Mat<f64>, z: &mut Mat<f64>) -> Option<()> {
    let norm = norm(h);
    let mut end = h.rows; // What is from here on is done.
    let (mut shift, mut rounds) = (0.0, 0);
    while end > 0 {
        let n = end - 1;
        let l = (1..=n).rev().find(|l| is_small(h, *l, norm)).unwrap_or(0);
        if l > 0 {
            h[(l, l - 1)] = 0.0;
        }
        if l == n {
            h[(n, n)] += shift;
            (end, rounds) = (n, 0);
            continue;
        }
        if l + 1 == n {
            h[(n, n)] += shift;
            h[(n - 1, n - 1)] += shift;
            split_real(h, z, n);
            (end, rounds) = (n - 1, 0);
            continue;
        }
        if rounds == MOST {
            return None;
        }
        let mut x = h[(n, n)];
        let mut y = h[(n - 1, n - 1)];
        let mut w = h[(n, n - 1)] * h[(n - 1, n)];
        let (half, middle) = (0.5 * (y - x), 0.5 * (y + x));
        let discriminant = half * half + w;
        if discriminant > 0.0 {
            // Of two real shifts the nearer one, twice.
            let root = discriminant.sqrt();
            let near = if half > 0.0 { middle - root } else { middle + root };
            (x, y, w) = (near, near, 0.0);
        }
        if rounds % 20 == 10 {
            let x_now = h[(n, n)];
            shift += x_now;
            (0..=n).for_each(|i| h[(i, i)] -= x_now);
            let s = h[(n, n - 1)].abs() + h[(n - 1, n - 2)].abs();
            (x, y, w) = (0.75 * s, 0.75 * s, -0.4375 * s * s);
        }
        rounds += 1;
        double_step(h, z, l, n, (x, y, w));
    }
    Some(())
}

/// A block of two that has real eigenvalues is made triangular.
fn split_real(h: &mut Mat<f64>, z: &mut Mat<f64>, n: usize) {
    let w = h[(n, n - 1)] * h[(n - 1, n)];
    let p = 0.5 * (h[(n - 1, n - 1)] - h[(n, n)]);
    let q = p * p + w;
    if q < 0.0 {
        return;
    }
    let root = p + q.sqrt().copysign(p);
    let x = h[(n, n - 1)];
    let size = x.hypot(root);
    if size == 0.0 {
        return;
    }
    let (s, c) = (x / size, root / size);
    for j in n - 1..h.cols {
        let (a, b) = (h[(n - 1, j)], h[(n, j)]);
        (h[(n - 1, j)], h[(n, j)]) = (c * a + s * b, c * b - s * a);
    }
    for (m, rows) in [(&mut *h, n + 1), (z, usize::MAX)] {
        for i in 0..rows.min(m.rows) {
            let (a, b) = (m[(i, n - 1)], m[(i, n)]);
            (m[(i, n - 1)], m[(i, n)]) = (c * a + s * b, c * b - s * a);
        }
    }
    h[(n, n - 1)] = 0.0;
}

/// One of Francis's steps on rows l to n, with the shifts that x, y and w stand for.
fn double_step(h: &mut Mat<f64>, z: &mut Mat<f64>, l: usize, n: usize, (x, y, w): (f64, f64, f64)) {
    let mut m = n - 2;
    let (mut p, mut q, mut r);
    loop {
        let at = h[(m, m)];
        let (dx, dy) = (x - at, y - at);
        p = (dx * dy - w) / h[(m + 1, m)] + h[(m, m + 1)];
        q = h[(m + 1, m + 1)] - at - dx - dy;
        r = h[(m + 2, m + 1)];
        let s = p.abs() + q.abs() + r.abs();
        (p, q, r) = (p / s, q / s, r / s);
        if m == l {
            break;
        }
        let left = h[(m, m - 1)].abs() * (q.abs() + r.abs());
        let around = h[(m - 1, m - 1)].abs() + at.abs() + h[(m + 1, m + 1)].abs();
        if left < f64::EPSILON * p.abs() * around {
            break;
        }
        m -= 1;
    }
    for i in m + 2..=n {
        h[(i, i - 2)] = 0.0;
        if i > m + 2 {
            h[(i, i - 3)] = 0.0;
        }
    }
    for k in m..n {
        let three = k + 1 < n;
        let mut scale = 1.0;
        if k != m {
            (p, q) = (h[(k, k - 1)], h[(k + 1, k - 1)]);
            r = if three { h[(k + 2, k - 1)] } else { 0.0 };
            scale = p.abs() + q.abs() + r.abs();
            if scale == 0.0 {
                continue;
            }
            (p, q, r) = (p / scale, q / scale, r / scale);
        }
        let s = (p * p + q * q + r * r).sqrt().copysign(p);
        if s == 0.0 {
            continue;
        }
        if k != m {
            h[(k, k - 1)] = -s * scale;
        } else if l != m {
            h[(k, k - 1)] = -h[(k, k - 1)];
        }
        p += s;
        let (a, b, c) = (p / s, q / s, r / s);
        let (d, e) = (q / p, r / p);
        for j in k..h.cols {
            let sum = h[(k, j)] + d * h[(k + 1, j)] + if three { e * h[(k + 2, j)] } else { 0.0 };
            h[(k, j)] -= sum * a;
            h[(k + 1, j)] -= sum * b;
            if three {
                h[(k + 2, j)] -= sum * c;
            }
        }
        let most = n.min(k + 3) + 1;
        for (matrix, rows) in [(&mut *h, most), (&mut *z, usize::MAX)] {
            for i in 0..rows.min(matrix.rows) {
                let sum =
                    a * matrix[(i, k)] + b * matrix[(i, k + 1)] + if three { c * matrix[(i, k + 2)] } else { 0.0 };
                matrix[(i, k)] -= sum;
                matrix[(i, k + 1)] -= sum * d;
                if three {
                    matrix[(i, k + 2)] -= sum * e;
                }
            }
        }
    }
}

/// A Schur form whose blocks of two are made triangular, the eigenvalue with the positive imaginary part first.
fn split_blocks(t: &mut Mat<C>, z: &mut Mat<C>) {
    for m in (1..t.rows).rev() {
        let low = t[(m, m - 1)];
        if low == C::ZERO {
            continue;
        }
        let (a, b, d) = (t[(m - 1, m - 1)], t[(m - 1, m)], t[(m, m)]);
        let half = (a - d).times(0.5);
        let root = (half * half + b * low).sqrt();
        let value = (a + d).times(0.5) + if root.im < 0.0 { -root } else { root };
        let x = value - d;
        let size = x.abs().hypot(low.abs());
        turn(t, z, m - 1, (x.times(1.0 / size), low.times(1.0 / size)), m - 1);
        t[(m, m - 1)] = C::ZERO;
    }
}

/// Rows k and k + 1 turned by (c̄ s̄; −s c), from column `from` on, and columns the other way.
fn turn(t: &mut Mat<C>, z: &mut Mat<C>, k: usize, (c, s): (C, C), from: usize) {
    turn_rows(t, k, (c, s), from);
    turn_columns(t, k, (c, s), k + 2);
    let rows = z.rows;
    turn_columns(z, k, (c, s), rows);
}

fn turn_rows(t: &mut Mat<C>, k: usize, (c, s): (C, C), from: usize) {
    for j in from..t.cols {
        let (a, b) = (t[(k, j)], t[(k + 1, j)]);
        t[(k, j)] = c.conj() * a + s.conj() * b;
        t[(k + 1, j)] = c * b - s * a;
    }
}

fn turn_columns(t: &mut Mat<C>, k: usize, (c, s): (C, C), rows: usize) {
    for i in 0..rows.min(t.rows) {
        let (a, b) = (t[(i, k)], t[(i, k + 1)]);
        t[(i, k)] = a * c + b * s;
        t[(i, k + 1)] = b * c.conj() - a * s.conj();
    }
}

/// The Schur form of a complex Hessenberg matrix.
fn single_steps(h: &mut Mat<C>, z: &mut Mat<C>) -> Option<()> {
    let norm = norm(h);
    let (mut end, mut rounds) = (h.rows, 0);
    while end > 0 {
        let n = end - 1;
        let l = (1..=n).rev().find(|l| is_small(h, *l, norm)).unwrap_or(0);
        if l > 0 {
            h[(l, l - 1)] = C::ZERO;
        }
        if l == n {
            (end, rounds) = (n, 0);
            continue;
        }
        if rounds == MOST {
            return None;
        }
        rounds += 1;
        // The eigenvalue of the last block of two that is nearer to its last element.
        let (a, d) = (h[(n - 1, n - 1)], h[(n, n)]);
        let half = (a - d).times(0.5);
        let root = (half * half + h[(n - 1, n)] * h[(n, n - 1)]).sqrt();
        let far = if (half.conj() * root).re < 0.0 { half - root } else { half + root };
        let shift = match rounds % 20 {
            10 => d + C::of(h[(n, n - 1)].abs()),
            _ if far == C::ZERO => d,
            _ => d - h[(n - 1, n)] * h[(n, n - 1)] / far,
        };
        (l..=n).for_each(|i| h[(i, i)] -= shift);
        let mut turns = Vec::with_capacity(n - l);
        for k in l..n {
            let (x, y) = (h[(k, k)], h[(k + 1, k)]);
            let size = x.abs().hypot(y.abs());
            let (c, s) = if size == 0.0 { (C::ONE, C::ZERO) } else { (x.times(1.0 / size), y.times(1.0 / size)) };
            turn_rows(h, k, (c, s), k);
            turns.push((c, s));
        }
        for (k, turn) in (l..n).zip(turns) {
            turn_columns(h, k, turn, k + 2);
            let rows = z.rows;
            turn_columns(z, k, turn, rows);
        }
        (l..=n).for_each(|i| h[(i, i)] += shift);
    }
    Some(())
}

/// Eigenvectors of A = Z T Zᴴ.
fn vectors(t: &Mat<C>, z: &Mat<C>) -> Mat<C> {
    let n = t.rows;
    let least = f64::EPSILON * norm(t).max(f64::MIN_POSITIVE);
    let mut vectors = Mat::zeros(n, n);
    for k in 0..n {
        let mut x = vec![C::ZERO; k + 1];
        x[k] = C::ONE;
        for i in (0..k).rev() {
            let sum = (i + 1..=k).fold(C::ZERO, |sum, j| sum + t[(i, j)] * x[j]);
            let apart = t[(i, i)] - t[(k, k)];
            x[i] = -sum / if apart.size() < least { C::of(least) } else { apart };
            // What grows beyond all bounds is made small again.
            if x[i].size() > 1e150 {
                let scale = 1.0 / x[i].size();
                x.iter_mut().for_each(|x| *x = x.times(scale));
            }
        }
        let column: Vec<C> = (0..n).map(|i| (0..=k).fold(C::ZERO, |sum, j| sum + z[(i, j)] * x[j])).collect();
        let norm = column.iter().map(|x| x.square()).sum::<f64>().sqrt();
        let largest = column.iter().fold(C::ZERO, |best, x| if x.abs() > best.abs() { *x } else { best });
        let turn = largest.sign().conj().times(1.0 / norm);
        column.iter().enumerate().for_each(|(i, x)| vectors[(i, k)] = *x * turn);
    }
    vectors
}
