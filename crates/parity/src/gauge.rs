//! Factors that are determined up to a phase, or up to a basis of a space: ours are turned to PyTorch's before they
//! are compared, as far as they are free.

use crate::compare::{Numbers, Plain};
use crate::value::{Recorded, Value};

/// What of a subject's results is free, by the name in the op database: eigenvectors and singular vectors up to a
/// phase each, the columns that complete a base up to a unitary matrix; eigenvalues of a matrix that is not Hermitian
/// have no order.
pub const FREE: &[(&str, Free)] = &[
    ("linalg.eig", Free::Eigen { ordered: false }),
    ("linalg.eigh", Free::Eigen { ordered: true }),
    ("rtf_evd", Free::Vector),
    ("linalg.svd", Free::Singular { adjoint: true }),
    ("svd", Free::Singular { adjoint: false }),
];

/// What is free.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Free {
    /// Vectors along the last dimension.
    Vector,
    /// Eigenvalues and eigenvectors.
    Eigen { ordered: bool },
    /// U, S, and V or its adjoint.
    Singular { adjoint: bool },
}

type C = [f64; 2];

fn times(a: C, b: C) -> C {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn conj(a: C) -> C {
    [a[0], -a[1]]
}

/// The columns of one matrix.
struct Columns<'a> {
    numbers: &'a mut Numbers,
    start: usize,
    rows: usize,
    cols: usize,
    /// The matrix is stored as its adjoint.
    adjoint: bool,
}

fn get(numbers: &Numbers, at: usize) -> C {
    match numbers {
        Numbers::Reals(x) => [x[at], 0.0],
        Numbers::Complexes(z) => z[at],
        Numbers::Integers(i) => [i[at] as f64, 0.0],
    }
}

impl Columns<'_> {
    fn place(&self, i: usize, j: usize) -> usize {
        self.start + if self.adjoint { j * self.rows + i } else { i * self.cols + j }
    }

    fn get(&self, numbers: &Numbers, i: usize, j: usize) -> C {
        let z = get(numbers, self.place(i, j));
        if self.adjoint { conj(z) } else { z }
    }

    fn column(&self, numbers: &Numbers, j: usize) -> Vec<C> {
        (0..self.rows).map(|i| self.get(numbers, i, j)).collect()
    }

    fn set(&mut self, i: usize, j: usize, z: C) {
        let (at, z) = (self.place(i, j), if self.adjoint { conj(z) } else { z });
        match &mut *self.numbers {
            Numbers::Reals(x) => x[at] = z[0],
            Numbers::Complexes(x) => x[at] = z,
            Numbers::Integers(_) => {}
        }
    }

    /// The factor of size 1 that takes our column j nearest to theirs.
    fn phase(&self, theirs: &Numbers, j: usize) -> C {
        let (a, b) = (self.column(self.numbers, j), self.column(theirs, j));
        let inner = a.iter().zip(&b).fold([0.0; 2], |s, (a, b)| {
            let z = times(conj(*a), *b);
            [s[0] + z[0], s[1] + z[1]]
        });
        let size = inner[0].hypot(inner[1]);
        if size > 0.0 { [inner[0] / size, inner[1] / size] } else { [1.0, 0.0] }
    }

    fn turn(&mut self, j: usize, phase: C) {
        for i in 0..self.rows {
            let z = times(self.get(self.numbers, i, j), phase);
            self.set(i, j, z);
        }
    }

    /// Columns from `from` on: theirs, and what of ours lies outside of what theirs span.
    fn rotate(&mut self, theirs: &Numbers, from: usize) {
        let base: Vec<Vec<C>> = (from..self.cols).map(|j| self.column(theirs, j)).collect();
        for j in from..self.cols {
            let mut rest = self.column(self.numbers, j);
            for b in &base {
                let inner = b.iter().zip(&rest).fold([0.0; 2], |s, (b, x)| {
                    let z = times(conj(*b), *x);
                    [s[0] + z[0], s[1] + z[1]]
                });
                rest.iter_mut().zip(b).for_each(|(x, b)| {
                    let z = times(*b, inner);
                    *x = [x[0] - z[0], x[1] - z[1]];
                });
            }
            for (i, rest) in rest.into_iter().enumerate() {
                let theirs = base[j - from][i];
                self.set(i, j, [theirs[0] + rest[0], theirs[1] + rest[1]]);
            }
        }
    }
}

/// Sizes of the matrices of `x`.
fn sizes(x: &Plain) -> Option<(usize, usize)> {
    match x.shape.as_slice() {
        [.., rows, cols] => Some((*rows, *cols)),
        _ => None,
    }
}

/// Turns what is free of `ours` to `theirs`; what is of another shape is left for the comparison to report.
pub fn align(name: &str, ours: &mut Value<Plain>, theirs: &Value<Recorded>) {
    let Some((_, free)) = FREE.iter().find(|free| free.0 == name) else { return };
    let theirs: Vec<Plain> = theirs.tensors().into_iter().map(Plain::from).collect();
    if let (Free::Vector, Value::Tensor(ours), [theirs]) = (free, &mut *ours, &theirs[..]) {
        return vectors(ours, theirs);
    }
    let Value::Seq(ours) = ours else { return };
    let mut plain: Vec<&mut Plain> = Vec::new();
    for value in ours {
        let Value::Tensor(t) = value else { return };
        plain.push(t);
    }
    let fits = plain.len() == theirs.len()
        && plain.iter().zip(&theirs).all(|(a, b)| a.shape == b.shape && a.element == b.element);
    match (free, plain.as_mut_slice()) {
        (Free::Eigen { ordered }, [values, vectors]) if fits => eigen(values, vectors, &theirs, *ordered),
        (Free::Singular { adjoint }, [u, s, v]) if fits => singular([u, s, v], &theirs, *adjoint),
        _ => {}
    }
}

fn vectors(ours: &mut Plain, theirs: &Plain) {
    let n = ours.shape.last().copied().unwrap_or(0);
    if ours.shape != theirs.shape || ours.element != theirs.element || n == 0 {
        return;
    }
    for start in (0..ours.numbers.len()).step_by(n) {
        let mut column = Columns { numbers: &mut ours.numbers, start, rows: n, cols: 1, adjoint: false };
        let phase = column.phase(&theirs.numbers, 0);
        column.turn(0, phase);
    }
}

fn eigen(values: &mut Plain, vectors: &mut Plain, theirs: &[Plain], ordered: bool) {
    let Some((n, _)) = sizes(vectors) else { return };
    let count = values.numbers.len().checked_div(n).unwrap_or(0);
    for b in 0..count {
        let mut columns = Columns { numbers: &mut vectors.numbers, start: b * n * n, rows: n, cols: n, adjoint: false };
        for j in 0..n {
            if !ordered {
                let wanted = get(&theirs[0].numbers, b * n + j);
                let off = |k: usize| {
                    let z = get(&values.numbers, b * n + k);
                    (z[0] - wanted[0]).hypot(z[1] - wanted[1])
                };
                let best = (j..n).min_by(|a, c| off(*a).total_cmp(&off(*c))).unwrap_or(j);
                values.numbers.swap(b * n + j, b * n + best);
                for i in 0..n {
                    let (x, y) = (columns.place(i, j), columns.place(i, best));
                    columns.numbers.swap(x, y);
                }
            }
            let phase = columns.phase(&theirs[1].numbers, j);
            columns.turn(j, phase);
        }
    }
}

fn singular([u, s, v]: [&mut Plain; 3], theirs: &[Plain], adjoint: bool) {
    let (Some((m, left)), Some((rows, cols))) = (sizes(u), sizes(v)) else { return };
    let (n, right) = if adjoint { (cols, rows) } else { (rows, cols) };
    let k = s.shape.last().copied().unwrap_or(0);
    let count = s.numbers.len().checked_div(k).unwrap_or(0);
    for b in 0..count {
        let mut us = Columns { numbers: &mut u.numbers, start: b * m * left, rows: m, cols: left, adjoint: false };
        let mut vs = Columns { numbers: &mut v.numbers, start: b * n * right, rows: n, cols: right, adjoint };
        for j in 0..k {
            let phase = us.phase(&theirs[0].numbers, j);
            us.turn(j, phase);
            vs.turn(j, phase);
        }
        us.rotate(&theirs[0].numbers, k);
        vs.rotate(&theirs[2].numbers, k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Element;

    #[test]
    fn a_sign_is_free_and_a_number_is_not() {
        let plain = |shape: &[usize], numbers: &[f64]| Plain {
            element: Element::F64,
            shape: shape.to_vec(),
            numbers: Numbers::Reals(numbers.to_vec()),
        };
        let theirs = [plain(&[2], &[1.0, 2.0]), plain(&[2, 2], &[0.6, 0.8, -0.8, 0.6])];
        let (mut values, mut vectors) = (plain(&[2], &[1.0, 2.0]), plain(&[2, 2], &[-0.6, 0.8, 0.8, 0.7]));
        eigen(&mut values, &mut vectors, &theirs, true);
        assert_eq!(vectors.numbers, Numbers::Reals(vec![0.6, 0.8, -0.8, 0.7]));
        // The second column of the first two spans what theirs does, the third does not.
        let mut all = Numbers::Reals(vec![1.0, 0.0, 0.0, 0.0, -1.0, 0.0]);
        let mut columns = Columns { numbers: &mut all, start: 0, rows: 3, cols: 2, adjoint: false };
        columns.rotate(&Numbers::Reals(vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 1);
        assert_eq!(all, Numbers::Reals(vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
    }
}
