//! Products by a matrix that is prepared once: its columns lie in panels as wide as a register tile, so that what is
//! multiplied by it often (a recurrent weight, step by step; the keys of a head, by all its queries) is copied once.
//!
//! The rows of the left matrix are read where they lie, by any strides. Work is split by shape alone, and an element is
//! summed in one order, so the result is the same to the bit at any number of threads.
#![expect(clippy::needless_range_loop, reason = "what holds registers runs over indices, see `micro`")]

use super::micro::{Real, full, load, load_tile, store_tile};
use super::par::{self, Shared};
use super::scratch::Scratch;
use crate::{Result, lists};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Rows and registers of a tile: twelve sums, which hide the latency of a multiply-add and leave registers for the
/// operands.
const ROWS: usize = 6;
const REGISTERS: usize = 2;
/// Numbers in a row of the widest tile.
const WIDEST: usize = 64;
/// Rows of the packed matrix that are worked on at once: a panel of them stays in the first-level cache.
const DEPTH: usize = 256;
/// Multiply-adds that a task should have at least.
const TASK: usize = 1 << 20;

/// A matrix where it lies: `at(i, j) = ptr + i·row + j·column`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) ptr: *const T,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Where a product goes: a matrix whose rows are `row` apart.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    pub(crate) ptr: *mut T,
    pub(crate) row: usize,
    /// To what is there.
    pub(crate) add: bool,
}

/// A matrix `[k, n]` in panels of columns.
pub(crate) struct Packed<T> {
    k: usize,
    n: usize,
    /// Columns of a panel; the last one is filled up with zeros.
    width: usize,
    /// Blocks of `DEPTH` rows, of each the panels one after another, row by row.
    data: Option<Scratch<T>>,
}

/// Which products are wanted, where a row `i` of the left matrix and a column `j` of the right one (or a number `p` along
/// which they are summed) count no further than a diagonal: `j ≤ i + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Within {
    /// All.
    All,
    /// Columns `j ≤ i + shift`; the others may be written or left as they are.
    Columns(isize),
    /// The sum runs over `p ≤ i + shift`, and perhaps a few more, which are zero on the left.
    UpTo(isize),
    /// The sum runs over `p ≥ i − shift`, and perhaps a few less, which are zero on the left.
    From(isize),
}

/// Columns of a panel on this machine.
fn width<T: Real>() -> usize {
    struct Width<T>(std::marker::PhantomData<T>);
    impl<T: Real> WithSimd for Width<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            REGISTERS * T::lanes::<S>()
        }
    }
    par::dispatch(Width::<T>(std::marker::PhantomData))
}

impl<T: Real> Packed<T> {
    /// Nothing, to be [filled](Packed::fill).
    pub(crate) fn empty() -> Packed<T> {
        Packed { k: 0, n: 0, width: width::<T>(), data: None }
    }

    /// The matrix whose element `(p, j)` is `b[p · row + j · column]`.
    ///
    /// # Panics
    /// Where `b` is shorter than that.
    pub(crate) fn new((k, n): (usize, usize), b: &[T], row: usize, column: usize) -> Result<Packed<T>> {
        let mut packed = Packed::empty();
        packed.fill((k, n), b, row, column)?;
        Ok(packed)
    }

    /// Numbers in a row of panels, those behind the last column counted.
    pub(crate) fn padded(n: usize) -> usize {
        n.next_multiple_of(width::<T>())
    }

    /// [`new`](Packed::new) in the memory that is here.
    ///
    /// # Panics
    /// As `new`.
    pub(crate) fn fill(&mut self, (k, n): (usize, usize), b: &[T], row: usize, column: usize) -> Result<()> {
        let (width, panels) = (self.width, n.div_ceil(self.width));
        let room = k.saturating_mul(panels).saturating_mul(width);
        (self.k, self.n) = (k, n);
        if room == 0 {
            return Ok(());
        }
        // What is there goes first.
        let kept = self.data.take().filter(|data| data.len() >= room);
        let data = match kept {
            Some(data) => data,
            None => Scratch::new(lists::PLACE, &[room])?,
        };
        let data = self.data.insert(data).slice();
        let mut at = 0;
        for start in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - start);
            for first in (0..n).step_by(width) {
                let columns = width.min(n - first);
                let to = &mut data[at..at + depth * width];
                at += depth * width;
                let from = &b[start * row + first * column..];
                pack_panel(to, width, from, (row, column), columns);
            }
        }
        Ok(())
    }

    /// `out = a · self`, or `out += …` where `add`: `a` has `rows` rows, `a_row` apart, whose numbers lie next to each
    /// other; those of `out` are `out_row` apart.
    ///
    /// # Panics
    /// Where the slices are too short.
    pub(crate) fn multiply(&self, rows: usize, (a, a_row): (&[T], usize), out: &mut [T], out_row: usize, add: bool) {
        if rows == 0 || self.n == 0 {
            return;
        }
        assert!(
            (rows - 1) * a_row + self.k <= a.len() && (rows - 1) * out_row + self.n <= out.len() && self.n <= out_row
        );
        let (from, to) = (Shared::new(a.as_ptr().cast_mut()), Shared::new(out.as_mut_ptr()));
        let work = rows.saturating_mul(self.k).saturating_mul(self.width);
        par::ranges(self.n.div_ceil(self.width), (TASK / work.max(1)).max(1), |panels| {
            let left = Matrix { ptr: from.at(0).cast_const(), row: a_row, column: 1 };
            // SAFETY: the slices are long enough; tasks write to columns of their own.
            unsafe { self.run(panels, rows, left, Target { ptr: to.at(0), row: out_row, add }, Within::All) };
        });
    }

    /// The columns of some panels of `a · self`.
    ///
    /// # Safety
    /// `a` can be read at `rows` rows and `k` columns, and `to` written at as many rows and all columns of the panels;
    /// nobody else reads or writes them.
    pub(crate) unsafe fn run(&self, panels: Range<usize>, rows: usize, a: Matrix<T>, to: Target<T>, within: Within) {
        par::dispatch(Product { b: self, panels, rows, a, to, within });
    }
}

/// Columns of `from` as a panel.
pub(crate) fn pack_panel<T: Real>(
    to: &mut [T],
    width: usize,
    from: &[T],
    (row, column): (usize, usize),
    columns: usize,
) {
    if columns < width {
        to.fill(T::default());
    }
    if column == 1 {
        for (p, to) in to.chunks_exact_mut(width).enumerate() {
            to[..columns].copy_from_slice(&from[p * row..p * row + columns]);
        }
        return;
    }
    // A few columns at a time: their lines stay in the cache until all their numbers are taken.
    const FEW: usize = 8;
    for first in (0..columns).step_by(FEW) {
        let few = FEW.min(columns - first);
        if few == FEW && row == 1 {
            let depth = to.len() / width;
            let lines: [&[T]; FEW] = std::array::from_fn(|j| &from[(first + j) * column..][..depth]);
            for (p, to) in to.chunks_exact_mut(width).enumerate() {
                let to = &mut to[first..first + FEW];
                for j in 0..FEW {
                    to[j] = lines[j][p];
                }
            }
            continue;
        }
        for (p, to) in to.chunks_exact_mut(width).enumerate() {
            for (j, to) in to[first..first + few].iter_mut().enumerate() {
                *to = from[p * row + (first + j) * column];
            }
        }
    }
}

struct Product<'a, T> {
    b: &'a Packed<T>,
    panels: Range<usize>,
    rows: usize,
    a: Matrix<T>,
    to: Target<T>,
    within: Within,
}

/// One tile: `R` rows by a panel.
struct Tiled<T> {
    panel: *const T,
    depth: usize,
    a: Matrix<T>,
    to: Target<T>,
    /// Columns to be stored.
    columns: usize,
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (b, width) = (self.b, REGISTERS * T::lanes::<S>());
        assert!(b.width == width && width <= WIDEST);
        // Of nearly the same height, for a tile of two rows takes as long as one of four.
        let groups = self.rows.div_ceil(ROWS);
        let all = b.n.div_ceil(width);
        let data = b.data.as_ref().map_or(std::ptr::null(), Scratch::start);
        for start in (0..b.k.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(b.k - start);
            for panel in self.panels.clone() {
                let place = start * all * width + panel * depth * width;
                for group in 0..groups {
                    let (first, end) = (group * self.rows / groups, (group + 1) * self.rows / groups);
                    let Some(sum) = self.wanted(panel * width, (first, end - 1), start..start + depth) else {
                        continue;
                    };
                    // SAFETY: the tile lies inside what `run` was promised; the panel has `depth` rows.
                    unsafe {
                        let tile = Tiled {
                            panel: data.add(place + (sum.start - start) * width),
                            depth: sum.len(),
                            a: Matrix { ptr: self.a.ptr.add(first * self.a.row + sum.start * self.a.column), ..self.a },
                            to: Target {
                                ptr: self.to.ptr.add(first * self.to.row + panel * width),
                                row: self.to.row,
                                add: self.to.add || start > 0,
                            },
                            columns: width.min(b.n - panel * width),
                        };
                        match end - first {
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
}

impl<T: Real> Product<'_, T> {
    /// Over which of the numbers `depth` the tile of rows `first..=last` and columns from `column` is summed.
    #[inline(always)]
    fn wanted(&self, column: usize, (first, last): (usize, usize), depth: Range<usize>) -> Option<Range<usize>> {
        let at = |i: isize| i.clamp(depth.start as isize, depth.end as isize) as usize;
        match self.within {
            Within::All => Some(depth),
            Within::Columns(shift) => (column as isize <= last as isize + shift).then_some(depth),
            Within::UpTo(shift) => Some(depth.start..at(last as isize + shift + 1)),
            Within::From(shift) => Some(at(first as isize - shift)..depth.end),
        }
    }
}

impl<T: Real> Tiled<T> {
    /// # Safety
    /// `a` can be read at `R` rows and `depth` columns, the panel at `depth` rows, `to` written at `R` rows and `columns`.
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize>(&self, simd: S) {
        let width = REGISTERS * T::lanes::<S>();
        if self.columns == width {
            // SAFETY: the caller's promise.
            unsafe { self.sums::<S, R>(simd, self.to.ptr, self.to.row) };
            return;
        }
        // What is stored is less than a tile: by way of a buffer.
        let mut buffer = [T::default(); ROWS * WIDEST];
        // SAFETY: `R` rows of `columns` numbers are there on both sides; the buffer holds a tile.
        unsafe {
            for r in 0..R {
                if self.to.add {
                    let from = self.to.ptr.add(r * self.to.row);
                    std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr().add(r * WIDEST), self.columns);
                }
            }
            self.sums::<S, R>(simd, buffer.as_mut_ptr(), WIDEST);
            for r in 0..R {
                let to = self.to.ptr.add(r * self.to.row);
                std::ptr::copy_nonoverlapping(buffer.as_ptr().add(r * WIDEST), to, self.columns);
            }
        }
    }

    /// # Safety
    /// As [`run`](Tiled::run), with a whole tile at `to`, rows `row` apart.
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize>(&self, simd: S, to: *mut T, row: usize) {
        let lanes = T::lanes::<S>();
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = if self.to.add {
                load_tile::<S, T, R, REGISTERS>(simd, to, row)
            } else {
                full::<S, T, R, REGISTERS>(simd, T::default())
            };
            let mut rows = [self.a.ptr; R];
            for r in 0..R {
                rows[r] = self.a.ptr.add(r * self.a.row);
            }
            let mut panel = self.panel;
            for p in 0..self.depth {
                let b = [load::<S, T>(panel), load::<S, T>(panel.add(lanes))];
                for r in 0..R {
                    let x = T::splat(simd, *rows[r].add(p * self.a.column));
                    for n in 0..REGISTERS {
                        sums[r][n] = T::mul_add(simd, x, b[n], sums[r][n]);
                    }
                }
                panel = panel.add(REGISTERS * lanes);
            }
            store_tile::<S, T, R, REGISTERS>(&sums, to, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 17) as f32 - 8.0).collect()
    }

    /// Whole numbers, which `f32` sums exactly.
    fn check() {
        for (m, k, n) in [(1, 1, 1), (7, 3, 5), (32, 300, 40), (5, 513, 33), (13, 16, 64), (4, 0, 3), (0, 3, 2)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let sum =
                |i: usize, j: usize, p: &Range<usize>| p.clone().map(|p| a[i * k + p] * b[p * n + j]).sum::<f32>();
            let turned: Vec<f32> = (0..n * k).map(|i| b[i % k.max(1) * n + i / k.max(1)]).collect();
            for packed in [Packed::new((k, n), &b, n, 1).unwrap(), Packed::new((k, n), &turned, 1, k).unwrap()] {
                for add in [false, true] {
                    let mut out = vec![2.0; m * n];
                    packed.multiply(m, (&a, k), &mut out, n, add);
                    let more = if add { 2.0 } else { 0.0 };
                    let right: Vec<f32> = (0..m * n).map(|i| sum(i / n, i % n, &(0..k)) + more).collect();
                    assert_eq!(out, right, "{m} {k} {n} {add}");
                }
            }
        }
    }

    #[test]
    fn any_size_and_both_orders() {
        check();
        par::with_wide_registers(check);
    }

    #[test]
    fn what_lies_beyond_the_diagonal_is_left_out() {
        let (m, k, n) = (13, 20, 40);
        for shift in [-30, -3, 0, 2, 9, 50] {
            // Zero on the left beyond the diagonal, as is asked for.
            let inside = |within: Within, i: usize, p: usize| match within {
                Within::UpTo(s) => p as isize <= i as isize + s,
                Within::From(s) => p as isize >= i as isize - s,
                _ => true,
            };
            for within in [Within::Columns(shift), Within::UpTo(shift), Within::From(shift)] {
                let mut a = numbers(m * k, 3);
                (0..m * k).filter(|i| !inside(within, i / k, i % k)).for_each(|i| a[i] = 0.0);
                let b = numbers(k * n, 4);
                let packed = Packed::new((k, n), &b, n, 1).unwrap();
                let mut out = vec![0.0; m * n];
                let left = Matrix { ptr: a.as_ptr(), row: k, column: 1 };
                let to = Target { ptr: out.as_mut_ptr(), row: n, add: false };
                // SAFETY: all of both matrices and of the output.
                unsafe { packed.run(0..n.div_ceil(packed.width), m, left, to, within) };
                for i in 0..m * n {
                    let right: f32 = (0..k).map(|p| a[i / n * k + p] * b[p * n + i % n]).sum();
                    let beyond = matches!(within, Within::Columns(s) if (i % n) as isize > (i / n) as isize + s);
                    assert!(beyond || out[i] == right, "{within:?} {i}: {} and {right}", out[i]);
                }
            }
        }
    }
}
