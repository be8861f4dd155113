//! Turns of neighbouring rows, as iterations for eigenvalues make them by the thousand: gathered, and applied to a few
//! columns at a time, which stay in the first-level cache through all of them.
#![expect(clippy::manual_memcpy, reason = "a call that copies so few numbers costs more than they do")]

use super::{Field, Mat};
use crate::cpu::micro::{Real, load, store};
use crate::cpu::par;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Registers of columns that are worked on at once.
const REGISTERS: usize = 2;

/// Turns for each row that are gathered before they are applied.
const GATHERED: usize = 16;

/// Turns that wait: (x, y) of rows i and i + 1 becomes (c x − s y, s x + c y).
pub(super) struct Turns {
    angles: Vec<(f64, f64)>,
    runs: Vec<Run>,
    rows: usize,
}

/// Turns one after another, each a row below the one before, or each a row above.
struct Run {
    first: usize,
    count: usize,
    down: bool,
}

impl Run {
    /// The rows that it changes.
    fn rows(&self) -> Range<usize> {
        if self.down { self.first..self.first + self.count + 1 } else { self.first + 1 - self.count..self.first + 2 }
    }
}

impl Turns {
    /// None yet, of a matrix of so many rows.
    pub fn new(rows: usize) -> Turns {
        Turns { angles: Vec::new(), runs: Vec::new(), rows }
    }

    /// Rows i and i + 1 of z are to be turned.
    pub fn push<F: Field>(&mut self, z: &mut Mat<F>, i: usize, c: f64, s: f64) {
        if self.angles.len() >= GATHERED * self.rows {
            self.apply(z);
        }
        self.angles.push((c, s));
        if let Some(run) = self.runs.last_mut() {
            if run.count == 1 && (i == run.first + 1 || i + 1 == run.first) {
                run.down = i > run.first;
                run.count = 2;
                return;
            }
            if run.count > 1 && i == if run.down { run.first + run.count } else { run.first.wrapping_sub(run.count) } {
                run.count += 1;
                return;
            }
        }
        self.runs.push(Run { first: i, count: 1, down: false });
    }

    /// Turns what waits.
    pub fn apply<F: Field>(&mut self, z: &mut Mat<F>) {
        let low = self.runs.iter().map(|run| run.rows().start).min().unwrap_or(0);
        let high = self.runs.iter().map(|run| run.rows().end).max().unwrap_or(0);
        let row = z.cols * size_of::<F>() / size_of::<f64>();
        let numbers = &mut F::reals(&mut z.data)[low * row..high * row];
        par::dispatch(Apply { turns: self, numbers, row, low });
        self.angles.clear();
        self.runs.clear();
    }
}

struct Apply<'a> {
    turns: &'a Turns,
    /// The rows that change, from `low` on.
    numbers: &'a mut [f64],
    row: usize,
    low: usize,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = REGISTERS * <f64 as Real>::lanes::<S>();
        let rows = self.numbers.len() / self.row.max(1);
        let mut strip = vec![0.0; rows * width];
        for column in (0..self.row).step_by(width) {
            let count = width.min(self.row - column);
            // Loops over numbers: a call to copy so few costs more.
            for (to, from) in strip.chunks_exact_mut(width).zip(self.numbers.chunks_exact(self.row)) {
                let from = &from[column..column + count];
                for j in 0..count {
                    to[j] = from[j];
                }
            }
            let mut at = 0;
            for run in &self.turns.runs {
                turn_strip(simd, &mut strip, run, self.low, &self.turns.angles[at..at + run.count]);
                at += run.count;
            }
            for (from, to) in strip.chunks_exact(width).zip(self.numbers.chunks_exact_mut(self.row)) {
                let to = &mut to[column..column + count];
                for j in 0..count {
                    to[j] = from[j];
                }
            }
        }
    }
}

/// One run over rows of [`REGISTERS`] registers: the row that the next turn takes, too, stays in them.
#[inline(always)]
fn turn_strip<S: Simd>(simd: S, strip: &mut [f64], run: &Run, low: usize, angles: &[(f64, f64)]) {
    let lanes = <f64 as Real>::lanes::<S>();
    let width = REGISTERS * lanes;
    let rows = run.rows();
    let strip = &mut strip[(rows.start - low) * width..(rows.end - low) * width];
    let last = rows.len() - 1;
    // From below: (x, y) → (c x − s y, s x + c y) with y kept; from above with x kept, which is the same with −s.
    let (start, step) = if run.down { (0, 1) } else { (last, -1) };
    let base = strip.as_mut_ptr();
    let mut at = start as isize;
    // SAFETY: `at` runs over the rows of the strip, from one end to the other.
    unsafe {
        let mut kept = [simd.splat_f64s(0.0); REGISTERS];
        for r in 0..REGISTERS {
            kept[r] = load::<S, f64>(base.offset(at * width as isize).add(r * lanes));
        }
        for (c, s) in angles {
            let s = if run.down { -*s } else { *s };
            let (c, s, less_s) = (simd.splat_f64s(*c), simd.splat_f64s(s), simd.splat_f64s(-s));
            let (to, from) = (base.offset(at * width as isize), base.offset((at + step) * width as isize));
            for r in 0..REGISTERS {
                let other = load::<S, f64>(from.add(r * lanes));
                // One operation leads from what is kept to the next that is.
                let done = simd.mul_add_e_f64s(c, kept[r], simd.mul_f64s(s, other));
                kept[r] = simd.mul_add_e_f64s(less_s, kept[r], simd.mul_f64s(c, other));
                store::<S, f64>(to.add(r * lanes), done);
            }
            at += step;
        }
        for r in 0..REGISTERS {
            store::<S, f64>(base.offset(at * width as isize).add(r * lanes), kept[r]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, one turn after another over whole rows.
    #[test]
    fn turns_up_and_down_are_applied_in_their_order() {
        for cols in [1, 3, 8, 29] {
            let n = 7;
            let number = |k: usize| ((k * 37 + 11) % 101) as f64 / 50.0 - 1.0;
            let mut z = Mat { rows: n, cols, data: (0..n * cols).map(number).collect() };
            let mut right = z.clone();
            let mut turns = Turns::new(1);
            let order = [5, 4, 3, 0, 1, 2, 3, 2, 2, 4, 5, 4, 3, 2, 1, 0, 0, 1, 5];
            for (k, i) in order.iter().enumerate() {
                let (s, c) = number(k).sin_cos();
                turns.push(&mut z, *i, c, s);
                for j in 0..cols {
                    let (x, y) = (right[(*i, j)], right[(*i + 1, j)]);
                    right[(*i, j)] = c * x - s * y;
                    right[(*i + 1, j)] = s * x + c * y;
                }
            }
            turns.apply(&mut z);
            for (a, b) in z.data.iter().zip(&right.data) {
                assert!((a - b).abs() < 1e-14, "{a} {b}");
            }
        }
    }
}
