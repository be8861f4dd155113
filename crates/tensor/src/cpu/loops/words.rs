//! Elements as plain words of their size: what kernels that only move elements need to know of a dtype;
//! and as [`Arithmetic`]s, for the few of them that add on the way.

use super::iter::collapse;
use super::lanes::Truth;
use super::par;
use super::view::{Dst, Src};
use crate::cpu::list;
use crate::layout::Layout;
use crate::shape::{Shape, Strides};
use crate::{DType, Result};
use half::{bf16, f16};
use num_complex::Complex;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;

/// A plain type: every bit pattern is a value, no padding, an alignment of at most 64.
///
/// # Safety
/// Implementors keep that promise.
pub(crate) unsafe trait Word: Copy + Send + Sync + Default + PartialEq + 'static {}

macro_rules! words {
    ($($t:ty),*) => {
        // SAFETY: numbers of plain bits; complex ones are two of them; `Truth` is a byte.
        $(unsafe impl Word for $t {})*
    };
}
words!(u8, u16, u32, u64, u128, i8, i16, i32, i64, f16, bf16, f32, f64, Complex<f32>, Complex<f64>, Truth);

/// The body with `$t` as the unsigned integer of the dtype's size.
macro_rules! for_word {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            8 => {
                type $t = u64;
                $body
            }
            _ => {
                type $t = u128;
                $body
            }
        }
    };
}
pub(crate) use for_word;

/// All elements that the layout spans, from its first on.
pub(crate) fn span<'a, T: Word>(x: &Src<'a>) -> &'a [T] {
    assert_eq!(size_of::<T>(), x.dtype().size());
    let layout = x.layout();
    let n = layout.end().map_or(0, |end| end.saturating_sub(layout.offset));
    if n == 0 {
        return &[];
    }
    // SAFETY: a tensor's layout lies inside its storage, which is initialised, aligned to 64 and locked
    // against writers; `T` has the element's size, and any bits are a value of it.
    unsafe { std::slice::from_raw_parts(x.ptr().cast::<T>(), n) }
}

/// The elements in row-major order: borrowed where they lie so, else copied.
pub(crate) fn rows<'a, T: Word>(x: &Src<'a>) -> Cow<'a, [T]> {
    let all = span::<T>(x);
    if x.is_contiguous() {
        return Cow::Borrowed(&all[..x.numel()]);
    }
    let mut rows = vec![T::default(); x.numel()];
    copy_box(x.shape(), all, &x.layout().strides, &mut rows, &crate::layout::contiguous_strides(x.shape()));
    Cow::Owned(rows)
}

/// The elements of a contiguous output.
pub(crate) fn out<'a, T: Word>(out: &'a mut Dst<'_>) -> &'a mut [T] {
    assert_eq!(size_of::<T>(), out.dtype().size());
    assert!(out.is_contiguous());
    if out.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as for `span`; a `Dst` is the only way to its memory.
    unsafe { std::slice::from_raw_parts_mut(out.ptr().cast::<T>(), out.numel()) }
}

/// Copies a box of elements of `shape` from its places in `from` to those in `to`, both counted from the
/// first element.
///
/// # Panics
/// Where a place lies outside, or two of `to` are one.
pub(crate) fn copy_box<T: Word>(
    shape: &[usize],
    from: &[T],
    from_strides: &[usize],
    to: &mut [T],
    to_strides: &[usize],
) {
    let n: usize = shape.iter().product();
    if n == 0 {
        return;
    }
    let mut strides = [Strides::from_slice(from_strides), Strides::from_slice(to_strides)];
    let shape = collapse(shape, &mut strides);
    let target = Layout { shape: shape.clone(), strides: strides[1].clone(), offset: 0 };
    let reach = |strides: &Strides| shape.iter().zip(strides).map(|(s, step)| (s - 1) * step).sum::<usize>();
    assert!(reach(&strides[0]) < from.len() && reach(&strides[1]) < to.len() && !target.may_overlap());
    let (last, to) = (shape.len() - 1, par::Shared::new(to.as_mut_ptr()));
    let (a, b) = (strides[0][last], strides[1][last]);
    par::ranges(n, par::GRAIN, |part| {
        let mut at = part.start;
        while at < part.end {
            let walk = Walk::new(&shape, &strides, at);
            let run = (shape[last] - walk.index[last]).min(part.end - at);
            // Whole rows are copied one after another.
            let (rows, steps) = match last.checked_sub(1) {
                Some(d) if run == shape[last] => {
                    ((shape[d] - walk.index[d]).min((part.end - at) / run), [strides[0][d], strides[1][d]])
                }
                _ => (1, [0; 2]),
            };
            for row in 0..rows {
                let from = from[walk.places[0] + row * steps[0]..].as_ptr();
                let to = to.at(walk.places[1] + row * steps[1]);
                // SAFETY: all places lie inside, as asserted; those in `to` are different ones for different
                // indices, so no other thread writes them, and `to` is borrowed mutably, so nobody reads them.
                unsafe {
                    if a == 1 && b == 1 {
                        std::ptr::copy_nonoverlapping(from, to, run);
                    } else {
                        (0..run).for_each(|i| *to.add(i * b) = *from.add(i * a));
                    }
                }
            }
            at += rows * run;
        }
    });
}

/// An index into `shape` and the places it leads to in several layouts.
pub(crate) struct Walk<'a, const N: usize> {
    shape: &'a [usize],
    strides: &'a [Strides; N],
    pub(crate) index: Shape,
    pub(crate) places: [usize; N],
}

impl<'a, const N: usize> Walk<'a, N> {
    /// At the index with row-major number `start`.
    pub(crate) fn new(shape: &'a [usize], strides: &'a [Strides; N], start: usize) -> Self {
        let mut walk = Walk { shape, strides, index: SmallVec::from_elem(0, shape.len()), places: [0; N] };
        if shape.contains(&0) {
            return walk;
        }
        let mut rest = start;
        for d in (0..shape.len()).rev() {
            walk.index[d] = rest % shape[d];
            rest /= shape[d];
            (0..N).for_each(|k| walk.places[k] += walk.index[d] * strides[k][d]);
        }
        walk
    }

    /// `steps` further along the last dimension, not beyond its end, and into the next row from there.
    #[inline]
    pub(crate) fn advance(&mut self, steps: usize) {
        let Some(mut d) = self.shape.len().checked_sub(1) else { return };
        self.index[d] += steps;
        (0..N).for_each(|k| self.places[k] += steps * self.strides[k][d]);
        while d > 0 && self.index[d] == self.shape[d] {
            for k in 0..N {
                self.places[k] = self.places[k] - self.index[d] * self.strides[k][d] + self.strides[k][d - 1];
            }
            self.index[d] = 0;
            d -= 1;
            self.index[d] += 1;
        }
    }
}

/// Row numbers of chunk `chunk`, where chunks hold `group` rows and there are `rows` in all.
pub(crate) fn chunk_rows(chunk: usize, group: usize, rows: usize) -> Range<usize> {
    chunk * group..((chunk + 1) * group).min(rows)
}

/// A word that can be added, multiplied and compared.
pub(crate) trait Arithmetic: Word {
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// NaN if either is; of complex numbers, which have no order, the first.
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// Divided by a count, integers rounded down.
    fn over(self, count: usize) -> Self;
}

macro_rules! numbers {
    ($($t:ty: |$a:ident, $b:ident| $add:expr, $mul:expr, $max:expr, $min:expr, |$x:ident, $n:ident| $over:expr;)*) => {$(
        impl Arithmetic for $t {
            #[inline(always)]
            fn add(self, $b: Self) -> Self { let $a = self; $add }
            #[inline(always)]
            fn mul(self, $b: Self) -> Self { let $a = self; $mul }
            #[inline(always)]
            fn max(self, $b: Self) -> Self { let $a = self; $max }
            #[inline(always)]
            fn min(self, $b: Self) -> Self { let $a = self; $min }
            #[inline(always)]
            fn over(self, $n: usize) -> Self { let $x = self; $over }
        }
    )*};
}
numbers! {
    f32: |a, b| a + b, a * b, if b > a || b.is_nan() { b } else { a }, if b < a || b.is_nan() { b } else { a }, |x, n| x / n as f32;
    f64: |a, b| a + b, a * b, if b > a || b.is_nan() { b } else { a }, if b < a || b.is_nan() { b } else { a }, |x, n| x / n as f64;
    u8: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as usize / n) as u8;
    u16: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as usize / n) as u16;
    u32: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as usize / n) as u32;
    u64: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| x / n as u64;
    i8: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as i64).div_euclid(n as i64) as i8;
    i16: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as i64).div_euclid(n as i64) as i16;
    i32: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| (x as i64).div_euclid(n as i64) as i32;
    i64: |a, b| a.wrapping_add(b), a.wrapping_mul(b), Ord::max(a, b), Ord::min(a, b), |x, n| x.div_euclid(n as i64);
    Truth: |a, b| Truth::from(a.get() | b.get()), Truth::from(a.get() & b.get()), Truth::from(a.get() | b.get()),
        Truth::from(a.get() & b.get()), |x, _n| x;
    f16: |a, b| a + b, a * b, if b > a || b.is_nan() { b } else { a }, if b < a || b.is_nan() { b } else { a },
        |x, n| f16::from_f32(x.to_f32() / n as f32);
    bf16: |a, b| a + b, a * b, if b > a || b.is_nan() { b } else { a }, if b < a || b.is_nan() { b } else { a },
        |x, n| bf16::from_f32(x.to_f32() / n as f32);
    Complex<f32>: |a, b| a + b, a * b, { let _ = b; a }, { let _ = b; a }, |x, n| x / n as f32;
    Complex<f64>: |a, b| a + b, a * b, { let _ = b; a }, { let _ = b; a }, |x, n| x / n as f64;
}

/// A kernel over an output already filled with its start values, and a source, both in rows.
pub(crate) trait Accumulate {
    /// True where halves are rounded after each step, as PyTorch does there, instead of once at the end.
    fn rounds_each(&self) -> bool;
    fn run<T: Arithmetic>(&self, out: &mut [T], source: &[T]) -> Result<()>;
}

/// Runs `kernel` on the numbers of `to`, which hold the start values, and of `source`.
pub(crate) fn accumulate(kernel: &impl Accumulate, to: &mut Dst<'_>, source: &Src<'_>) -> Result<()> {
    fn half<H: Word>(
        kernel: &impl Accumulate,
        to: &mut Dst<'_>,
        source: &Src<'_>,
        wide: fn(H) -> f32,
        narrow: fn(f32) -> H,
    ) -> Result<()> {
        let widened = |halves: &[H]| -> Result<Vec<f32>> {
            let mut wider = list(halves.len(), 0.0)?;
            wider.iter_mut().zip(halves).for_each(|(to, x)| *to = wide(*x));
            Ok(wider)
        };
        let (source, mut sums) = (widened(&rows::<H>(source))?, widened(out::<H>(to))?);
        kernel.run(&mut sums, &source)?;
        out::<H>(to).iter_mut().zip(sums).for_each(|(to, x)| *to = narrow(x));
        Ok(())
    }
    macro_rules! all {
        ($($dtype:ident => $t:ty),*) => {
            match to.dtype() {
                $(DType::$dtype => kernel.run::<$t>(out(to), &rows(source)),)*
                DType::F16 if kernel.rounds_each() => kernel.run::<f16>(out(to), &rows(source)),
                DType::BF16 if kernel.rounds_each() => kernel.run::<bf16>(out(to), &rows(source)),
                DType::F16 => half::<f16>(kernel, to, source, f16::to_f32, f16::from_f32),
                DType::BF16 => half::<bf16>(kernel, to, source, bf16::to_f32, bf16::from_f32),
            }
        };
    }
    all!(
        Bool => Truth, U8 => u8, U16 => u16, U32 => u32, U64 => u64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, F32 => f32, F64 => f64,
        Complex64 => Complex<f32>, Complex128 => Complex<f64>
    )
}

/// The elements of `x` into the contiguous `to` of the same shape and dtype.
pub(crate) fn copy_rows(x: &Src<'_>, to: &mut Dst<'_>) {
    for_word!(x.dtype(), T => {
        let strides = crate::layout::contiguous_strides(x.shape());
        copy_box::<T>(x.shape(), span(x), &x.layout().strides, out(to), &strides);
    });
}
