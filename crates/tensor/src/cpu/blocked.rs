//! Products of large matrices: both sides are copied into panels that a register tile reads from end to end, in blocks
//! that stay in a cache each: a panel of the right side in the first level, rows of the left side in the second.
//!
//! Each side is copied once, by all threads together, however many blocks of the result read it. Blocks are cut by the
//! shape alone and an element is summed in one order, so the result is the same to the bit at any number of threads.
//!
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
#![expect(clippy::needless_range_loop, reason = "what holds registers runs over indices, see `micro`")]

use super::matmul::Sizes;
use super::micro::{Real, Tile, full, load, prefetch, store};
use super::packed::pack_panel;
use super::par::{self, Shared};
use super::scratch::Scratch;
use crate::Result;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Rows and registers of a tile: twelve sums, which hide the latency of a multiply-add and leave registers for the
/// operands.
const ROWS: usize = 6;
const REGISTERS: usize = 2;
/// Numbers in a row of the widest tile.
const WIDEST: usize = 64;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Products that are summed in registers before the result is touched: a panel of so many rows stays in the first-level
/// cache.
const DEPTH: usize = 256;
/// Columns that are copied at once.
const WIDE: usize = 2048;
/// Blocks of rows that are copied at once.
const BLOCKS: usize = 8;
/// Columns that a task has at least, where it does not have all.
const COLUMNS: usize = 256;

/// Rows that are multiplied by one panel after another: with `DEPTH` columns they take a third of a second-level cache.
const fn height<T>() -> usize {
    144 * 4 / size_of::<T>()
}

/// Whether a product is so large that the copies pay.
pub(crate) fn pays(s: Sizes) -> bool {
    s.m >= 96 && s.n >= 48 && s.k >= 32 && s.m.saturating_mul(s.n).saturating_mul(s.k) >= 1 << 21
}

/// A matrix: element `(i, j)` is `numbers[i · row + j · column]`.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a, T> {
    pub(crate) numbers: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// `out = a · b`, or `out += a · b` where `add`, in rows.
///
/// # Errors
/// Where the system has no memory for the copies; nothing is done then.
///
/// # Panics
/// Where the slices are too short.
pub(crate) fn multiply<T: Real>(s: Sizes, a: Side<'_, T>, b: Side<'_, T>, out: &mut [T], add: bool) -> Result<()> {
    struct Width<T>(std::marker::PhantomData<T>);
    impl<T: Real> WithSimd for Width<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            REGISTERS * T::lanes::<S>()
        }
    }
    assert!(out.len() >= s.m * s.n);
    let width = par::dispatch(Width::<T>(std::marker::PhantomData));
    let (height, depth) = (height::<T>(), DEPTH.min(s.k));
    let mut left = Scratch::<T>::new("matmul", &[depth, (BLOCKS * height).min(s.m)])?;
    let mut right = Scratch::<T>::new("matmul", &[depth, WIDE.min(s.n).next_multiple_of(width)])?;
    let (left, right) = (left.slice(), right.slice());
    let to = Shared::new(out.as_mut_ptr());
    for columns in steps(0..s.n, WIDE) {
        let panels = columns.len().div_ceil(width);
        for sum in steps(0..s.k, DEPTH) {
            pack_right(right, b, &sum, &columns, width);
            for rows in steps(0..s.m, BLOCKS * height) {
                pack_left(left, a, &sum, &rows);
                let blocks = rows.len().div_ceil(height);
                // Few rows: more parts of the columns, so that there is work for many.
                let parts = (BLOCKS / blocks).clamp(1, (columns.len() / COLUMNS).max(1));
                par::ranges(blocks * parts, 1, |tasks| {
                    for task in tasks {
                        let (block, part) = (task / parts, task % parts);
                        let first = block * height;
                        par::dispatch(Block {
                            left: &left[first * sum.len()..rows.len().min(first + height) * sum.len()],
                            right: &right[..panels * width * sum.len()],
                            depth: sum.len(),
                            panels: panels * part / parts..panels * (part + 1) / parts,
                            columns: columns.len(),
                            to: to.at((rows.start + first) * s.n + columns.start),
                            stride: s.n,
                            add: add || sum.start > 0,
                        });
                    }
                });
            }
        }
    }
    Ok(())
}

/// `all` in pieces of `size`.
fn steps(all: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    all.clone().step_by(size).map(move |start| start..all.end.min(start + size))
}

/// The rows `sum` and the columns `columns` of `b` in panels of `width` columns, row by row, the last one filled up.
fn pack_right<T: Real>(to: &mut [T], b: Side<'_, T>, sum: &Range<usize>, columns: &Range<usize>, width: usize) {
    let size = width * sum.len();
    let to = &mut to[..columns.len().div_ceil(width) * size];
    par::chunks(to, size, size, |panel, to| {
        let first = columns.start + panel * width;
        let from = &b.numbers[sum.start * b.row + first * b.column..];
        pack_panel(to, width, from, (b.row, b.column), width.min(columns.end - first));
    });
}

/// The rows `rows` and the columns `sum` of `a` in panels of `ROWS` rows, column by column, the last one of the rows that
/// are left.
fn pack_left<T: Real>(to: &mut [T], a: Side<'_, T>, sum: &Range<usize>, rows: &Range<usize>) {
    let size = ROWS * sum.len();
    let to = &mut to[..rows.len() * sum.len()];
    par::chunks(to, size, size, |panel, to| {
        let first = rows.start + panel * ROWS;
        let from = &a.numbers[first * a.row + sum.start * a.column..];
        match rows.end - first {
            0 => {}
            1 => interleave::<T, 1>(to, from, a.row, a.column),
            2 => interleave::<T, 2>(to, from, a.row, a.column),
            3 => interleave::<T, 3>(to, from, a.row, a.column),
            4 => interleave::<T, 4>(to, from, a.row, a.column),
            5 => interleave::<T, 5>(to, from, a.row, a.column),
            _ => interleave::<T, ROWS>(to, from, a.row, a.column),
        }
    });
}

/// The first `R` rows of `from`, column by column.
fn interleave<T: Real, const R: usize>(to: &mut [T], from: &[T], row: usize, column: usize) {
    if row == 1 {
        // Arrays, for the length is known: a slice of two dozen bytes would be copied by a call.
        for (p, to) in to.as_chunks_mut::<R>().0.iter_mut().enumerate() {
            *to = *from[p * column..].first_chunk::<R>().expect("rows of the panel");
        }
    } else if column == 1 {
        let depth = to.len() / R;
        let mut lines: [&[T]; R] = [&[]; R];
        for r in 0..R {
            lines[r] = &from[r * row..r * row + depth];
        }
        for (p, to) in to.chunks_exact_mut(R).enumerate() {
            for r in 0..R {
                to[r] = lines[r][p];
            }
        }
    } else {
        for (p, to) in to.chunks_exact_mut(R).enumerate() {
            for r in 0..R {
                to[r] = from[r * row + p * column];
            }
        }
    }
}

/// A task: rows of the left side by panels of the right one.
struct Block<'a, T> {
    left: &'a [T],
    /// All panels.
    right: &'a [T],
    depth: usize,
    /// Those of this task.
    panels: Range<usize>,
    /// Columns of all panels together, without those that fill the last one up.
    columns: usize,
    /// Where the first row of all panels goes.
    to: *mut T,
    stride: usize,
    add: bool,
}

impl<T: Real> WithSimd for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = REGISTERS * T::lanes::<S>();
        let (depth, rows) = (self.depth, self.left.len() / self.depth);
        assert!(width <= WIDEST && self.right.len() >= self.panels.end * width * depth);
        // Parts of the next panel are fetched while this one is worked on.
        let fetched = (width * depth).div_ceil(rows.div_ceil(ROWS));
        for panel in self.panels.clone() {
            let right = &self.right[panel * width * depth..][..width * depth];
            let columns = width.min(self.columns - panel * width);
            for (group, left) in self.left.chunks(ROWS * depth).enumerate() {
                let next = right.as_ptr().wrapping_add(width * depth + group * fetched);
                for i in (0..fetched * size_of::<T>()).step_by(LINE) {
                    prefetch(next.wrapping_byte_add(i));
                }
                let to = self.to.wrapping_add(group * ROWS * self.stride + panel * width);
                let tile = Tiled { depth, left, right, to, stride: self.stride, columns, add: self.add };
                // SAFETY: the rows and columns of this tile belong to this task alone, in an output of that size.
                unsafe {
                    match left.len() / depth {
                        6 => tile.run::<S, 6>(simd),
                        5 => tile.run::<S, 5>(simd),
                        4 => tile.run::<S, 4>(simd),
                        3 => tile.run::<S, 3>(simd),
                        2 => tile.run::<S, 2>(simd),
                        _ => tile.run::<S, 1>(simd),
                    }
                }
            }
        }
    }
}

/// `R` rows by a panel.
struct Tiled<'a, T> {
    depth: usize,
    left: &'a [T],
    right: &'a [T],
    to: *mut T,
    stride: usize,
    /// Columns to be stored.
    columns: usize,
    add: bool,
}

impl<T: Real> Tiled<'_, T> {
    /// # Safety
    /// `to` can be written at `R` rows of `columns` numbers, `stride` apart, and nobody else reads or writes them.
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize>(&self, simd: S) {
        let lanes = T::lanes::<S>();
        for r in 0..R {
            // The last number, too: rows begin anywhere in a line.
            let row = self.to.wrapping_add(r * self.stride);
            prefetch(row);
            prefetch(row.wrapping_add(self.columns - 1));
        }
        let mut sums = self.sums::<S, R>(simd);
        if self.columns == REGISTERS * lanes {
            for r in 0..R {
                for n in 0..REGISTERS {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let to = self.to.add(r * self.stride + n * lanes);
                        if self.add {
                            sums[r][n] = T::plus(simd, load::<S, T>(to), sums[r][n]);
                        }
                        store::<S, T>(to, sums[r][n]);
                    }
                }
            }
            return;
        }
        let mut row = [T::default(); WIDEST];
        for r in 0..R {
            for n in 0..REGISTERS {
                // SAFETY: the buffer is as wide as the widest tile.
                unsafe { store::<S, T>(row.as_mut_ptr().add(n * lanes), sums[r][n]) };
            }
            // SAFETY: the caller's promise.
            let to = unsafe { std::slice::from_raw_parts_mut(self.to.add(r * self.stride), self.columns) };
            for (to, sum) in to.iter_mut().zip(row) {
                *to = if self.add { *to + sum } else { sum };
            }
        }
    }

    #[inline(always)]
    fn sums<S: Simd, const R: usize>(&self, simd: S) -> Tile<S, T, R, REGISTERS> {
        let lanes = T::lanes::<S>();
        assert!(self.left.len() >= R * self.depth && self.right.len() >= REGISTERS * lanes * self.depth);
        let mut sums = full::<S, T, R, REGISTERS>(simd, T::default());
        let (mut left, mut right) = (self.left.as_ptr(), self.right.as_ptr());
        for _ in 0..self.depth {
            // SAFETY: `depth` columns of `R` numbers and as many rows of registers are there.
            unsafe {
                let b = [load::<S, T>(right), load::<S, T>(right.add(lanes))];
                for r in 0..R {
                    let x = T::splat(simd, *left.add(r));
                    for n in 0..REGISTERS {
                        sums[r][n] = T::mul_add(simd, x, b[n], sums[r][n]);
                    }
                }
                left = left.add(R);
                right = right.add(REGISTERS * lanes);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 17) as f64 - 8.0).collect()
    }

    /// Whole numbers, which are summed exactly, in all orders that the operands may have.
    fn check<T: Real>(of: impl Fn(f64) -> T) {
        for (m, k, n) in [(96, 40, 50), (151, 300, 35), (1, 3, 5), (1160, 7, 9), (7, 513, 2070), (6, 256, 16)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let turned =
                |x: &[f64], (r, c): (usize, usize)| -> Vec<f64> { (0..r * c).map(|i| x[i % r * c + i / r]).collect() };
            let own = |x: Vec<f64>| -> Vec<T> { x.into_iter().map(&of).collect() };
            let (at, bt) = (own(turned(&a, (m, k))), own(turned(&b, (k, n))));
            // Every second number.
            let apart: Vec<T> = a.iter().flat_map(|x| [of(*x), of(99.0)]).collect();
            let product = |i: usize, j: usize| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum::<f64>();
            let expected: Vec<f64> = (0..m * n).map(|i| product(i / n, i % n)).collect();
            let (a, b) = (own(a.clone()), own(b.clone()));
            let lefts = [(&a, k, 1), (&at, 1, m), (&apart, 2 * k, 2)];
            for (a, row, column) in lefts {
                let a = Side { numbers: a, row, column };
                for b in [Side { numbers: &b, row: n, column: 1 }, Side { numbers: &bt, row: 1, column: k }] {
                    for add in [false, true] {
                        let mut out = vec![of(2.0); m * n];
                        multiply(Sizes { m, n, k }, a, b, &mut out, add).unwrap();
                        let more = if add { 2.0 } else { 0.0 };
                        let right = own(expected.iter().map(|x| x + more).collect());
                        assert!(out == right, "{m} {k} {n} {row} {column} {} {add}", b.row);
                    }
                }
            }
        }
    }

    #[test]
    fn any_size_and_any_strides() {
        check::<f32>(|x| x as f32);
        check::<f64>(|x| x);
        par::with_wide_registers(|| check::<f32>(|x| x as f32));
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (m, k, n) = (300, 400, 500);
        let (a, b): (Vec<f32>, Vec<f32>) =
            ((0..m * k).map(|i| (i as f32).sin()).collect(), (0..k * n).map(|i| (i as f32).cos()).collect());
        let run = |threads| {
            let mut out = vec![0.0; m * n];
            let (a, b) = (Side { numbers: &a, row: k, column: 1 }, Side { numbers: &b, row: n, column: 1 });
            par::with_threads(threads, || multiply(Sizes { m, n, k }, a, b, &mut out, false)).unwrap();
            out
        };
        assert_eq!(run(1), run(3));
    }
}
