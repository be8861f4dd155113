//! Kernels of the matrix products: large ones in `blocked`, others by `gemm` on blocks, threads over blocks and batches.
//!
//! A product is cut into blocks of rows and columns by its shape alone and each block is one
//! single-threaded call, so the result is the same to the bit at any number of threads.

use super::blocked::{self, Side};
use super::floats;
use super::lanes::by_dtype;
use super::math::Float;
use super::micro::{Real, full, lanes_by_lanes};
pub(crate) use super::packed::{Matrix, Target};
use super::par::{self, Shared};
use super::{CpuKernel, Dst, Src, check_room, list};
use crate::Result;
use crate::dtype::Stored;
use crate::layout::Layout;
use crate::ops::{Linear, Matmul};
use crate::shape::{Shape, Strides};
use num_complex::Complex;
use pulp::{Simd, WithSimd};
use std::borrow::Cow;
use std::ops::Range;

/// Multiply-adds that a task should have at least.
const TASK: usize = 1 << 20;
/// Blocks that one product is cut into at most.
const BLOCKS: usize = 64;
/// A block is not cut below this many rows or columns.
const EDGE: usize = 64;
/// Rows up to which a product with a transposed matrix is computed as inner products.
const FEW: usize = 8;

/// `[m, k]` by `[k, n]`.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// What products are made of, a number that they are computed in.
pub(crate) trait Factor: Stored {
    /// `c = a·b`, or `c += a·b` where the target says so.
    ///
    /// # Safety
    /// `a` and `b` can be read at all their places and `c` written at all of its own, which are apart
    /// from them; `k` is not 0.
    unsafe fn product(s: Sizes, a: Matrix<Self>, b: Matrix<Self>, c: Target<Self>);

    /// The same in rows without gaps, on all threads, where there is a faster way for a product of this size; whether
    /// there was.
    fn large(_s: Sizes, _a: Side<'_, Self>, _b: Side<'_, Self>, _out: &mut [Self], _add: bool) -> bool {
        false
    }
}

/// `c = a·b`, or `c += f·a·b` where the target says so; elements of a row of `c` are `step` apart.
///
/// # Safety
/// As for [`Factor::product`].
type Gemm<T> = unsafe fn(s: Sizes, a: Matrix<T>, b: Matrix<T>, c: Target<T>, step: usize, f: T);

macro_rules! by_gemm {
    ($($t:ty, $gemm:ident, $kernel:path;)*) => {$(
        /// A [`Gemm`].
        ///
        /// # Safety
        /// As for [`Factor::product`].
        unsafe fn $gemm(s: Sizes, a: Matrix<$t>, b: Matrix<$t>, c: Target<$t>, step: usize, f: $t) {
            // The kernel works along columns, so it computes cᵀ = bᵀ·aᵀ.
            // SAFETY: the caller's promise.
            unsafe {
                $kernel()(
                    s.n, s.m, s.k, c.ptr, c.row as isize, step as isize, c.add, b.ptr, b.row as isize, b.column as isize,
                    a.ptr, a.row as isize, a.column as isize, 1.0, f, false, false, false, gemm_common::Parallelism::None,
                );
            }
        }

        impl Factor for $t {
            unsafe fn product(s: Sizes, a: Matrix<$t>, b: Matrix<$t>, c: Target<$t>) {
                // `gemm` would read a transposed matrix with long steps here.
                let few = (2..=FEW).contains(&s.m) && a.column == 1 && b.row == 1 && s.n > 1 && b.column > 1;
                if !(few && inner_products(s, a, b, c)) {
                    // SAFETY: the caller's promise.
                    unsafe { $gemm(s, a, b, c, 1, 1.0) }
                }
            }

            fn large(s: Sizes, a: Side<'_, $t>, b: Side<'_, $t>, out: &mut [$t], add: bool) -> bool {
                // Where there is no memory for copies, the other way needs less.
                blocked::pays(s) && blocked::multiply(s, a, b, out, add).is_ok()
            }
        }

        impl Factor for Complex<$t> {
            unsafe fn product(s: Sizes, a: Matrix<Self>, b: Matrix<Self>, c: Target<Self>) {
                // SAFETY: the caller's promise.
                unsafe { complex_product::<$t>(s, a, b, c, $gemm) }
            }
        }
    )*};
}
by_gemm! {
    f32, strided_f32, gemm_f32::gemm::f32::get_gemm_fn;
    f64, strided_f64, gemm_f64::gemm::f64::get_gemm_fn;
}

/// A product of complex matrices as four of their real and imaginary parts, which lie two apart.
///
/// # Safety
/// As for [`Factor::product`].
unsafe fn complex_product<T: Real + Float>(
    s: Sizes,
    a: Matrix<Complex<T>>,
    b: Matrix<Complex<T>>,
    c: Target<Complex<T>>,
    gemm: Gemm<T>,
) {
    let part = |m: Matrix<Complex<T>>, imaginary: usize| Matrix {
        ptr: m.ptr.cast::<T>().wrapping_add(imaginary),
        row: 2 * m.row,
        column: 2 * m.column,
    };
    let one = <T as Float>::ONE;
    for (to, x, y, add, f) in
        [(0, 0, 0, c.add, one), (0, 1, 1, true, -one), (1, 0, 1, c.add, one), (1, 1, 0, true, one)]
    {
        let to = Target { ptr: c.ptr.cast::<T>().wrapping_add(to), row: 2 * c.row, add };
        // SAFETY: a complex number is its two parts, one behind the other; the rest is the caller's promise.
        unsafe { gemm(s, part(a, x), part(b, y), to, 2, f) }
    }
}

/// Products of integers, which wrap: panels of the right matrix by four rows of the left one at a time, whose sums
/// stay in the first-level cache. A panel is so wide that the loop over it becomes vector code, not a long list of
/// scalars.
macro_rules! by_panels {
    ($($t:ty),*) => {$(
        impl Factor for $t {
            unsafe fn product(s: Sizes, a: Matrix<$t>, b: Matrix<$t>, c: Target<$t>) {
                const WIDTH: usize = 64;
                const ROWS: usize = 4;
                let mut panel = vec![[0 as $t; WIDTH]; s.k];
                for first in (0..s.n).step_by(WIDTH) {
                    let columns = WIDTH.min(s.n - first);
                    for (p, row) in panel.iter_mut().enumerate() {
                        for (j, to) in row[..columns].iter_mut().enumerate() {
                            // SAFETY: row `p` and column `first + j` of the right matrix are inside.
                            *to = unsafe { *b.ptr.add(p * b.row + (first + j) * b.column) };
                        }
                    }
                    for i in (0..s.m).step_by(ROWS) {
                        let rows = ROWS.min(s.m - i);
                        let start = |r: usize| a.ptr.wrapping_add((i + r.min(rows - 1)) * a.row);
                        let (left, right) = ([start(0), start(1), start(2), start(3)], &panel[..]);
                        let mut sums = [[0 as $t; WIDTH]; ROWS];
                        par::simd(#[inline(always)] || {
                            let mut tile = [[0 as $t; WIDTH]; ROWS];
                            for p in 0..right.len() {
                                for r in 0..ROWS {
                                    // SAFETY: the rows are inside the left matrix, which has as many columns as
                                    // the panel has rows.
                                    let x = unsafe { *left[r].add(p * a.column) };
                                    for j in 0..WIDTH {
                                        tile[r][j] = tile[r][j].wrapping_add(x.wrapping_mul(right[p][j]));
                                    }
                                }
                            }
                            sums = tile;
                        });
                        for (r, sums) in sums[..rows].iter().enumerate() {
                            // SAFETY: these columns of row `i + r` are the caller's to write.
                            let to = unsafe { std::slice::from_raw_parts_mut(c.ptr.add((i + r) * c.row + first), columns) };
                            for (to, sum) in to.iter_mut().zip(sums) {
                                *to = if c.add { to.wrapping_add(*sum) } else { *sum };
                            }
                        }
                    }
                }
            }
        }
    )*};
}
by_panels!(u8, i8, i16, i32, i64);

/// A few rows by a transposed matrix: both run along k.
fn inner_products<T: Real>(s: Sizes, a: Matrix<T>, b: Matrix<T>, c: Target<T>) -> bool {
    struct InnerProducts<T>(Sizes, Matrix<T>, Matrix<T>, Target<T>);
    impl<T: Real> WithSimd for InnerProducts<T> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let InnerProducts(s, a, b, c) = self;
            let steps: Vec<u32> = (0..s.k / T::lanes::<S>()).map(|i| (i * T::lanes::<S>()) as u32).collect();
            let mut i = 0;
            while i < s.m {
                let rows = (s.m - i).min(3);
                let mut j = 0;
                while j < s.n {
                    let columns = (s.n - j).min(3);
                    // SAFETY: rows and columns are inside; a short tile repeats its last ones and does not
                    // store them. The vectors cover whole registers of k, the loop below the rest.
                    unsafe {
                        let (mut at, mut bt) = ([a.ptr; 3], [b.ptr; 3]);
                        for r in 0..3 {
                            at[r] = a.ptr.add((i + r.min(rows - 1)) * a.row);
                            bt[r] = b.ptr.add((j + r.min(columns - 1)) * b.column);
                        }
                        let mut tile = full::<S, T, 3, 3>(simd, T::default());
                        lanes_by_lanes::<S, T, 3, 3>(simd, &mut tile, at, &steps, bt);
                        for r in 0..rows {
                            for q in 0..columns {
                                let mut sum = T::sum(simd, tile[r][q]);
                                for p in steps.len() * T::lanes::<S>()..s.k {
                                    sum += *at[r].add(p) * *bt[q].add(p);
                                }
                                let to = c.ptr.add((i + r) * c.row + j + q);
                                *to = if c.add { *to + sum } else { sum };
                            }
                        }
                    }
                    j += columns;
                }
                i += rows;
            }
        }
    }
    if s.k > u32::MAX as usize {
        return false;
    }
    par::dispatch(InnerProducts(s, a, b, c));
    true
}

/// How many blocks of rows and of columns: by the shape alone.
fn grid(s: Sizes, batches: usize) -> (usize, usize) {
    let work = s.m.saturating_mul(s.n).saturating_mul(s.k);
    let blocks = (work / TASK).clamp(1, (BLOCKS / batches.clamp(1, BLOCKS)).max(1));
    let (mut rows, mut columns) = (1, 1);
    while rows * columns < blocks {
        let (height, width) = (s.m.div_ceil(rows), s.n.div_ceil(columns));
        if height.max(width) < 2 * EDGE {
            break;
        }
        if height >= width { rows *= 2 } else { columns *= 2 }
    }
    (rows, columns)
}

/// Part `i` of `n` split into `parts`, at multiples of 16.
fn part(n: usize, parts: usize, i: usize) -> Range<usize> {
    let size = n.div_ceil(parts).next_multiple_of(16);
    (i * size).min(n)..((i + 1) * size).min(n)
}

/// The batches of `[…, m, k]` by `[…, k, n]`, spans from their first elements, into rows of `out`.
pub(crate) fn products<T: Factor>(s: Sizes, a: (&[T], &Layout), b: (&[T], &Layout), out: &mut [T], add: bool) {
    if out.is_empty() {
        return;
    }
    if s.k == 0 {
        if !add {
            out.fill(T::default());
        }
        return;
    }
    let batch = |l: &Layout| Layout {
        shape: Shape::from_slice(&l.shape[..l.rank() - 2]),
        strides: Strides::from_slice(&l.strides[..l.rank() - 2]),
        offset: 0,
    };
    let steps = |l: &Layout| (l.strides[l.rank() - 2], l.strides[l.rank() - 1]);
    let (batch_a, batch_b) = (batch(a.1), batch(b.1));
    let ((ar, ac), (br, bc)) = (steps(a.1), steps(b.1));
    let batches = out.len() / (s.m * s.n);
    let large = |batch: usize, out: &mut [T]| {
        let a = Side { numbers: &a.0[batch_a.place(batch)..], row: ar, column: ac };
        let b = Side { numbers: &b.0[batch_b.place(batch)..], row: br, column: bc };
        T::large(s, a, b, out, add)
    };
    let done = out.chunks_exact_mut(s.m * s.n).enumerate().map_while(|(i, out)| large(i, out).then_some(())).count();
    if done == batches {
        return;
    }
    let (rows, columns) = grid(s, batches);
    let to = Shared::new(out.as_mut_ptr());
    let (from_a, from_b) = (Shared::new(a.0.as_ptr().cast_mut()), Shared::new(b.0.as_ptr().cast_mut()));
    let cost = (s.m * s.n).saturating_mul(s.k) / (rows * columns);
    par::ranges((batches - done) * rows * columns, (TASK / cost.max(1)).max(1), |tasks| {
        for task in tasks {
            let (batch, block) = (done + task / (rows * columns), task % (rows * columns));
            let (r, c) = (part(s.m, rows, block / columns), part(s.n, columns, block % columns));
            if r.is_empty() || c.is_empty() {
                continue;
            }
            let a = Matrix { ptr: from_a.at(batch_a.place(batch) + r.start * ar).cast_const(), row: ar, column: ac };
            let b = Matrix { ptr: from_b.at(batch_b.place(batch) + c.start * bc).cast_const(), row: br, column: bc };
            let block = Sizes { m: r.len(), n: c.len(), k: s.k };
            let to = Target { ptr: to.at((batch * s.m + r.start) * s.n + c.start), row: s.n, add };
            // SAFETY: the block lies inside both spans and the output; blocks are disjoint, and the
            // output is nobody else's.
            unsafe { T::product(block, a, b, to) };
        }
    });
}

/// An operand's numbers, and how they lie among them.
type Read<'a, T> = (Cow<'a, [T]>, Layout);

/// Where they are.
fn native<'a, T: Stored>(x: &Src<'a>) -> Result<Read<'a, T>> {
    let layout = Layout { offset: 0, ..x.layout().clone() };
    Ok((Cow::Borrowed(x.span()), layout))
}

/// Half precision as `f32`, in rows.
fn widened<'a>(x: &Src<'a>) -> Result<Read<'a, f32>> {
    Ok((Cow::Owned(widen(x)?), Layout::contiguous(Shape::from_slice(x.shape()))))
}

/// A half-precision tensor's elements in row-major order, as `f32`.
pub(crate) fn widen(x: &Src<'_>) -> Result<Vec<f32>> {
    Ok(floats::read::<f32>(x)?.into_owned())
}

/// `f32` into a half-precision output.
pub(crate) fn narrow(from: &[f32], to: &mut Dst<'_>) {
    floats::store(from, to);
}

/// Calls `$f` on the type that the output's dtype is multiplied in: itself, for half precision `f32`.
macro_rules! in_own_type {
    ($f:ident, $inputs:expr, $out:expr) => {{
        let (inputs, out) = ($inputs, $out);
        if out.dtype().is_half() {
            let mut wide = list(out.numel(), 0.0)?;
            $f::<f32>(inputs, widened, &mut wide)?;
            narrow(&wide, out);
            return Ok(());
        }
        by_dtype!("matmul", out.dtype(), {
            real T => $f::<T>(inputs, native, out.slice()),
            complex T => $f::<T>(inputs, native, out.slice()),
            int T => $f::<T>(inputs, native, out.slice()),
        })
    }};
}

impl CpuKernel for Matmul {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        in_own_type!(matmul, inputs, &mut outputs[0])
    }
}

impl CpuKernel for Linear {
    const IN_PLACE: bool = true;
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        in_own_type!(linear, inputs, &mut outputs[0])
    }
}

fn matmul<'a, T: Factor>(
    inputs: &[Src<'a>],
    read: impl Fn(&Src<'a>) -> Result<Read<'a, T>>,
    out: &mut [T],
) -> Result<()> {
    let ((a, la), (b, lb)) = (read(&inputs[0])?, read(&inputs[1])?);
    let rank = la.rank();
    let s = Sizes { m: la.shape[rank - 2], n: lb.shape[rank - 1], k: la.shape[rank - 1] };
    products(s, (&a, &la), (&b, &lb), out, false);
    Ok(())
}

fn linear<'a, T: Factor>(
    inputs: &[Src<'a>],
    read: impl Fn(&Src<'a>) -> Result<Read<'a, T>>,
    out: &mut [T],
) -> Result<()> {
    let ((x, lx), (w, lw)) = (read(&inputs[0])?, read(&inputs[1])?);
    if out.is_empty() {
        return Ok(());
    }
    let (n, k) = (lw.shape[0], lw.shape[1]);
    let s = Sizes { m: out.len() / n, n, k };
    // The rows of all leading dimensions are rows of one product, where they lie evenly.
    let (x, lx) = match lx.reshape(&[s.m, k]) {
        Some(rows) => (x, rows),
        None => {
            check_room("linear", &inputs[..1])?;
            (inputs[0].contiguous(), Layout::contiguous(Shape::from_slice(&[s.m, k])))
        }
    };
    if let Some(bias) = inputs.get(2) {
        let (b, l) = read(bias)?;
        let b: Cow<'_, [T]> = match l.strides[0] {
            1 => b,
            step => Cow::Owned((0..n).map(|j| b[j * step]).collect()),
        };
        out.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(&b[..n]));
    }
    products(s, (&x, &lx), (&w, &lw.permute(&[1, 0])), out, inputs.len() > 2);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Tensor};

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 17) as f32 - 8.0).collect()
    }

    /// Sums by definition, in integers: `f32` holds them exactly.
    fn expected(s: Sizes, a: impl Fn(usize, usize) -> f32, b: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        (0..s.m * s.n).map(|i| (0..s.k).map(|p| a(i / s.n, p) * b(p, i % s.n)).sum()).collect()
    }

    #[test]
    fn any_size_and_any_strides() {
        check_sizes();
        par::with_wide_registers(check_sizes);
    }

    fn check_sizes() {
        for (m, k, n) in [
            (1, 1, 1),
            (1, 9, 5),
            (3, 20, 7),
            (4, 16, 3),
            (8, 33, 40),
            (17, 5, 1),
            (70, 65, 66),
            (1, 300, 1),
            (200, 130, 150),
        ] {
            let s = Sizes { m, n, k };
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let want = expected(s, |i, p| a[i * k + p], |p, j| b[p * n + j]);
            let (x, y) = (Tensor::from_slice(&a, [m, k]).unwrap(), Tensor::from_slice(&b, [k, n]).unwrap());
            let turned = |t: &Tensor| t.t().unwrap().contiguous().unwrap().t().unwrap();
            for x in [x.clone(), turned(&x)] {
                for y in [y.clone(), turned(&y)] {
                    assert_eq!(
                        x.matmul(&y).unwrap().to_vec::<f32>().unwrap(),
                        want,
                        "{m} {k} {n} {:?} {:?}",
                        x.strides(),
                        y.strides()
                    );
                }
            }
        }
    }

    #[test]
    fn blocks_cover_the_product() {
        for s in [Sizes { m: 1000, n: 30, k: 500 }, Sizes { m: 64, n: 2000, k: 700 }, Sizes { m: 512, n: 512, k: 512 }]
        {
            let (rows, columns) = grid(s, 1);
            assert!(rows * columns > 1);
            assert_eq!((0..rows).map(|i| part(s.m, rows, i).len()).sum::<usize>(), s.m);
            assert_eq!((0..columns).map(|i| part(s.n, columns, i).len()).sum::<usize>(), s.n);
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x = Tensor::randn([300, 400]).build().unwrap();
        let y = Tensor::randn([500, 400]).build().unwrap();
        let run = |threads| par::with_threads(threads, || x.linear(&y, None).unwrap().to_vec::<f32>().unwrap());
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn a_layout_of_rows_is_found_for_linear() {
        let x = Tensor::from_slice(&numbers(24, 3), [3, 2, 4]).unwrap().transpose(0, 1).unwrap();
        assert_eq!(Layout::reshape(x.layout(), &[6, 4]), None);
        let w = Tensor::from_slice(&numbers(20, 4), [5, 4]).unwrap();
        let b = Tensor::from_slice(&numbers(5, 5), [5]).unwrap();
        let apart = x.matmul(&w.t().unwrap()).unwrap().add(&b).unwrap();
        assert_eq!(x.linear(&w, Some(&b)).unwrap().to_vec::<f32>().unwrap(), apart.to_vec::<f32>().unwrap());
    }
}
