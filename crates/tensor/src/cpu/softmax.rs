//! Kernels of softmax, its logarithm, and the gradients through them.
//!
//! A tensor is seen as `[outer, n, inner]` with the sums along `n`. Where `inner` is 1, a row lies in one
//! piece and is worked on whole; else a strip of columns is, with each step going along the columns.

use super::floats::{self, Compute, compute, each, each2, sum, sum_of};
use super::math::Float;
use super::{CpuKernel, Dst, Src, par};
use crate::op::Infer;
use crate::ops::{LogSoftmax, LogSoftmaxBackward, Softmax, SoftmaxBackward};
use crate::{DType, Result};

/// Columns that one step goes along: their `n` rows and the sums should fit the first-level cache.
const STRIP: usize = 64;

/// Sizes as the kernels see them.
#[derive(Clone, Copy)]
struct View {
    n: usize,
    inner: usize,
    /// Of the tensors; halves are worked on in `f32`.
    dtype: DType,
}

impl View {
    fn of(shape: &[usize], dim: usize, dtype: DType) -> View {
        let n = shape.get(dim).copied().unwrap_or(1);
        View { n, inner: shape.get(dim + 1..).map_or(1, |s| s.iter().product()), dtype }
    }

    /// Elements in one step of `outer`.
    fn block(self) -> usize {
        self.n * self.inner
    }
}

/// A function on the rows, and the same on a strip of columns.
trait Rows<T: Compute>: Sync {
    /// How many inputs there are; the second one of a function of one input is the first again.
    fn row(out: &mut [T], a: &[T], b: &[T], view: View);

    /// `out`, `a` and `b` are blocks of `[n, inner]`; the strip is `width` columns from `at`.
    fn strip(out: &mut [T], a: &[T], b: &[T], view: View, at: usize, width: usize);
}

/// The slices of `width` columns from `at`, one for each row.
#[inline(always)]
fn lines<T>(x: &[T], view: View, at: usize, width: usize) -> impl Iterator<Item = &[T]> {
    x.chunks_exact(view.inner).map(move |row| &row[at..at + width])
}

#[inline(always)]
fn lines_mut<T>(x: &mut [T], view: View, at: usize, width: usize) -> impl Iterator<Item = &mut [T]> {
    x.chunks_exact_mut(view.inner).map(move |row| &mut row[at..at + width])
}

fn run<T: Compute, F: Rows<T>>(a: &[T], b: &[T], out: &mut [T], view: View) {
    if out.is_empty() {
        return;
    }
    if view.inner == 1 {
        par::chunks(out, view.n, view.n * 4, |i, out| {
            let at = i * view.n;
            let (a, b) = (&a[at..at + view.n], &b[at..at + view.n]);
            par::simd(
                #[inline(always)]
                || F::row(out, a, b, view),
            );
        });
        return;
    }
    let block = view.block();
    par::chunks(out, block, block * 4, |i, out| {
        let at = i * block;
        let (a, b) = (&a[at..at + block], &b[at..at + block]);
        par::simd(
            #[inline(always)]
            || {
                for at in (0..view.inner).step_by(STRIP) {
                    F::strip(out, a, b, view, at, STRIP.min(view.inner - at));
                }
            },
        );
    });
}

/// The largest values of the columns of a strip.
#[inline(always)]
fn column_max<T: Compute>(a: &[T], view: View, at: usize, width: usize) -> [T; STRIP] {
    let mut top = [T::NEG_INFINITY; STRIP];
    for line in lines(a, view, at, width) {
        top.iter_mut().zip(line).for_each(|(m, x)| *m = Float::maximum(*m, *x));
    }
    top
}

struct Plain;
struct Log;
struct PlainBackward;
struct LogBackward;

impl<T: Compute> Rows<T> for Plain {
    #[inline(always)]
    fn row(out: &mut [T], a: &[T], _: &[T], _: View) {
        let top = floats::max(a);
        each(out, a, |x| Float::exp(x - top));
        let scale = T::ONE / sum(out);
        out.iter_mut().for_each(|y| *y *= scale);
    }

    #[inline(always)]
    fn strip(out: &mut [T], a: &[T], _: &[T], view: View, at: usize, width: usize) {
        let (top, mut total) = (column_max(a, view, at, width), [T::ZERO; STRIP]);
        for (out, a) in lines_mut(out, view, at, width).zip(lines(a, view, at, width)) {
            each2(out, a, &top, |x, m| Float::exp(x - m));
            total.iter_mut().zip(&*out).for_each(|(s, y)| *s += *y);
        }
        total.iter_mut().for_each(|s| *s = T::ONE / *s);
        for out in lines_mut(out, view, at, width) {
            out.iter_mut().zip(&total).for_each(|(y, s)| *y *= *s);
        }
    }
}

impl<T: Compute> Rows<T> for Log {
    #[inline(always)]
    fn row(out: &mut [T], a: &[T], _: &[T], view: View) {
        let top = floats::max(a);
        let total = sum_of(a, a, |x, _| Float::exp(x - top));
        // Kept as elements of the tensor, as PyTorch keeps them between its loops: seen in halves.
        let log = floats::keep(view.dtype, Float::ln(floats::keep(view.dtype, total)));
        each(out, a, |x| x - top - log);
    }

    #[inline(always)]
    fn strip(out: &mut [T], a: &[T], _: &[T], view: View, at: usize, width: usize) {
        let (top, mut total) = (column_max(a, view, at, width), [T::ZERO; STRIP]);
        for a in lines(a, view, at, width) {
            total.iter_mut().zip(a).zip(&top).for_each(|((s, x), m)| *s += Float::exp(*x - *m));
        }
        total.iter_mut().for_each(|s| *s = Float::ln(*s));
        for (out, a) in lines_mut(out, view, at, width).zip(lines(a, view, at, width)) {
            out.iter_mut().zip(a).zip(&top).zip(&total).for_each(|(((y, x), m), s)| *y = *x - *m - *s);
        }
    }
}

impl<T: Compute> Rows<T> for PlainBackward {
    #[inline(always)]
    fn row(out: &mut [T], g: &[T], y: &[T], _: View) {
        let total = sum_of(g, y, |g, y| g * y);
        each2(out, g, y, |g, y| y * (g - total));
    }

    #[inline(always)]
    fn strip(out: &mut [T], g: &[T], y: &[T], view: View, at: usize, width: usize) {
        let mut total = [T::ZERO; STRIP];
        for (g, y) in lines(g, view, at, width).zip(lines(y, view, at, width)) {
            total.iter_mut().zip(g).zip(y).for_each(|((s, g), y)| *s += *g * *y);
        }
        for ((out, g), y) in
            lines_mut(out, view, at, width).zip(lines(g, view, at, width)).zip(lines(y, view, at, width))
        {
            out.iter_mut().zip(g).zip(y).zip(&total).for_each(|(((o, g), y), s)| *o = *y * (*g - *s));
        }
    }
}

impl<T: Compute> Rows<T> for LogBackward {
    #[inline(always)]
    fn row(out: &mut [T], g: &[T], y: &[T], _: View) {
        let total = sum(g);
        each2(out, g, y, |g, y| g - Float::exp(y) * total);
    }

    #[inline(always)]
    fn strip(out: &mut [T], g: &[T], y: &[T], view: View, at: usize, width: usize) {
        let mut total = [T::ZERO; STRIP];
        for g in lines(g, view, at, width) {
            total.iter_mut().zip(g).for_each(|(s, g)| *s += *g);
        }
        for ((out, g), y) in
            lines_mut(out, view, at, width).zip(lines(g, view, at, width)).zip(lines(y, view, at, width))
        {
            out.iter_mut().zip(g).zip(y).zip(&total).for_each(|(((o, g), y), s)| *o = *g - Float::exp(*y) * *s);
        }
    }
}

macro_rules! kernels {
    ($($Op:ident, $Rows:ident, $first:tt, $second:tt;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                fn go<T: Compute>(view: View, inputs: &[Src<'_>], out: &mut Dst<'_>) -> Result<()> {
                    let a = floats::read::<T>(&inputs[$first])?;
                    let b = if $second == $first { None } else { Some(floats::read::<T>(&inputs[$second])?) };
                    floats::write(out, |out| run::<T, $Rows>(&a, b.as_deref().unwrap_or(&a), out, view))
                }
                let view = View::of(inputs[0].shape(), self.dim, inputs[0].dtype());
                compute!($Op::NAME, inputs[0].dtype(), go(view, inputs, &mut outputs[0]))
            }
        }
    )*};
}

kernels! {
    Softmax, Plain, 0, 0;
    LogSoftmax, Log, 0, 0;
    SoftmaxBackward, PlainBackward, 0, 1;
    LogSoftmaxBackward, LogBackward, 0, 1;
}
