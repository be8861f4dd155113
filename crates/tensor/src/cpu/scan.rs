//! Kernels of running reductions. The dimensions before the scanned one are split among threads, and so are
//! those behind it, which are walked side by side, in vector code; along it there is nothing to gain but order.

use super::floats::{read, write};
use super::halves;
use super::lanes::by_dtype;
use super::math::{Float, complex};
use super::par::Shared;
use super::reduce::fold::Ordered;
use super::{CpuKernel, Dst, Src, par};
use crate::dtype::Stored;
use crate::ops::*;
use crate::{DType, Result};
use half::{bf16, f16};
use num_complex::Complex;
use std::borrow::Cow;

/// Lines that are walked side by side, at most, where their elements are neighbours,
const COLUMNS: usize = 128;
/// and where each line's own are: one addition needs not wait for the last one then.
const LINES: usize = 4;

/// The sizes of a scan: along the dimension, and of what lies behind it.
#[derive(Clone, Copy)]
struct Extent {
    len: usize,
    behind: usize,
    reverse: bool,
}

impl Extent {
    fn new(shape: &[usize], dim: usize, reverse: bool) -> Extent {
        let len = shape.get(dim).copied().unwrap_or(1);
        Extent { len, behind: shape.iter().skip(dim + 1).product(), reverse }
    }
}

/// Element `i` of each.
#[inline(always)]
fn at<T: Stored, const N: usize>(xs: [&[T]; N], i: usize) -> [T; N] {
    let mut all = [T::default(); N];
    for n in 0..N {
        all[n] = xs[n][i];
    }
    all
}

/// `out[k] = give(acc)` after `acc = step(acc, k's elements of xs)`, for every line. `xs` are slices as long as
/// `out`.
fn scan<T: Stored, A: Copy + Sync, const N: usize>(
    extent: Extent,
    xs: [&[T]; N],
    out: &mut [T],
    start: A,
    step: impl Fn(A, [T; N]) -> A + Sync + Copy,
    give: impl Fn(A) -> T + Sync + Copy,
) {
    let Extent { len, behind, reverse } = extent;
    // Where there are no elements, multiples of a size may not fit.
    if out.is_empty() {
        return;
    }
    let block = len * behind;
    let blocks = out.len() / block;
    if behind == 1 {
        return scan_lines(extent, xs, out, start, step, give);
    }
    let width = behind.min(COLUMNS);
    let (parts, to) = (behind.div_ceil(width), &Shared::new(out.as_mut_ptr()));
    par::ranges(blocks * parts, par::GRAIN / (len * width), |tasks| {
        for task in tasks {
            let (first, width) = (task % parts * width, width.min(behind - task % parts * width));
            let start_at = task / parts * block + first;
            par::simd(
                #[inline(always)]
                || {
                    // Copies of what the closure captures: the compiler cannot tell it from what is written.
                    let (xs, to, step, give) = (xs, to, step, give);
                    let row = |k: usize| start_at + if reverse { len - 1 - k } else { k } * behind;
                    let mut accs = [start; COLUMNS];
                    let accs = &mut accs[..width];
                    for k in 0..len {
                        let row = row(k);
                        // SAFETY: `width` places of the output that are this task's alone.
                        let out = unsafe { to.part(row..row + width) };
                        let mut rows = xs;
                        for n in 0..N {
                            rows[n] = &xs[n][row..row + width];
                        }
                        for c in 0..width {
                            accs[c] = step(accs[c], at(rows, c));
                            out[c] = give(accs[c]);
                        }
                    }
                },
            );
        }
    });
}

/// [`scan`] where nothing lies behind the dimension.
fn scan_lines<T: Stored, A: Copy + Sync, const N: usize>(
    Extent { len, reverse, .. }: Extent,
    xs: [&[T]; N],
    out: &mut [T],
    start: A,
    step: impl Fn(A, [T; N]) -> A + Sync + Copy,
    give: impl Fn(A) -> T + Sync + Copy,
) {
    par::chunks(out, LINES * len, LINES * len, |i, out| {
        let first = i * LINES * len;
        let place = |k: usize| if reverse { len - 1 - k } else { k };
        let line_of = |line: usize| xs.map(|x| &x[first + line * len..][..len]);
        let mut rest = out.chunks_exact_mut(len);
        if rest.len() == LINES {
            let mut accs = [start; LINES];
            let xs: [[&[T]; N]; LINES] = std::array::from_fn(line_of);
            let out: [&mut [T]; LINES] = std::array::from_fn(|_| &mut rest.next().unwrap_or_default()[..len]);
            for k in (0..len).map(place) {
                for line in 0..LINES {
                    accs[line] = step(accs[line], at(xs[line], k));
                    out[line][k] = give(accs[line]);
                }
            }
            return;
        }
        for (line, out) in rest.enumerate() {
            let (mut acc, xs) = (start, line_of(line));
            for k in (0..len).map(place) {
                acc = step(acc, at(xs, k));
                out[k] = give(acc);
            }
        }
    });
}

/// A type whose running sums are kept in another, of more digits.
trait Running: Stored {
    type Wide: Copy + Sync + std::ops::Add<Output = Self::Wide> + std::ops::Mul<Output = Self::Wide>;
    const ZERO: Self::Wide;
    const ONE: Self::Wide;
    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! running {
    ($($t:ty, $wide:ty, $zero:expr, $one:expr, |$x:ident| $widen:expr, |$w:ident| $narrow:expr;)*) => {$(
        impl Running for $t {
            type Wide = $wide;
            const ZERO: $wide = $zero;
            const ONE: $wide = $one;
            #[inline(always)]
            fn widen(self) -> $wide { let $x = self; $widen }
            #[inline(always)]
            fn narrow($w: $wide) -> $t { $narrow }
        }
    )*};
}

type C = Complex<f64>;
use std::num::Wrapping;
running! {
    i64, Wrapping<i64>, Wrapping(0), Wrapping(1), |x| Wrapping(x), |w| w.0;
    f32, f64, 0.0, 1.0, |x| x as f64, |w| w as f32;
    f64, f64, 0.0, 1.0, |x| x, |w| w;
    Complex<f32>, C, C::new(0.0, 0.0), C::new(1.0, 0.0), |x| C::new(x.re as f64, x.im as f64), |w| Complex::new(w.re as f32, w.im as f32);
    C, C, C::new(0.0, 0.0), C::new(1.0, 0.0), |x| x, |w| w;
}

/// Runs `$go::<T, N>(inputs as slices, output slice)` with the type that the dtype computes in.
macro_rules! summed_by_dtype {
    ($op:expr, $inputs:expr, $out:expr, $n:literal, |$xs:ident, $to:ident: $t:ident| $body:expr) => {{
        let out: &mut Dst<'_> = $out;
        macro_rules! stored {
            () => {{
                let rows: [Cow<'_, [$t]>; $n] = std::array::from_fn(|i| $inputs[i].contiguous::<$t>());
                let $xs: [&[$t]; $n] = std::array::from_fn(|i| &rows[i][..]);
                let $to = out.slice::<$t>();
                $body
            }};
        }
        by_dtype!($op, out.dtype(), {
            long $t => stored!(),
            full $t => stored!(),
            complex $t => stored!(),
            half $t => {
                let mut rows: [Cow<'_, [$t]>; $n] = Default::default();
                for (rows, x) in rows.iter_mut().zip(&$inputs[..]) {
                    *rows = read::<$t>(x)?;
                }
                let $xs: [&[$t]; $n] = std::array::from_fn(|i| &rows[i][..]);
                write::<$t, _>(out, |$to| $body)?
            },
        });
        Ok(())
    }};
}

impl CpuKernel for Cumsum {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let extent = Extent::new(inputs[0].shape(), self.dim, self.reverse);
        summed_by_dtype!("cumsum", inputs, &mut outputs[0], 1, |xs, out: T| {
            scan(extent, xs, out, <T as Running>::ZERO, |acc, [x]| acc + x.widen(), T::narrow)
        })
    }
}

impl CpuKernel for Cumprod {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let extent = Extent::new(inputs[0].shape(), self.dim, self.reverse);
        summed_by_dtype!("cumprod", inputs, &mut outputs[0], 1, |xs, out: T| {
            scan(extent, xs, out, <T as Running>::ONE, |acc, [x]| acc * x.widen(), T::narrow)
        })
    }
}

impl CpuKernel for Recurrence {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let extent = Extent::new(inputs[0].shape(), self.dim, self.reverse);
        summed_by_dtype!("recurrence", inputs, &mut outputs[0], 2, |xs, out: T| {
            scan(extent, xs, out, <T as Running>::ZERO, |acc, [a, b]| a.widen() * acc + b.widen(), T::narrow)
        })
    }
}

/// log(eᵃ + eᵇ)
fn log_add_exp(a: f64, b: f64) -> f64 {
    let (high, low) = if a.is_nan() || a > b { (a, b) } else { (b, a) };
    if high.is_infinite() || high.is_nan() {
        high + if low.is_nan() { low } else { 0.0 }
    } else {
        high + Float::log1p(Float::exp(low - high))
    }
}

/// [`log_add_exp`] of complex numbers, as PyTorch has it.
fn complex_log_add_exp(a: C, b: C) -> C {
    if a.is_nan() || b.is_nan() {
        return C::new(f64::NAN, f64::NAN);
    }
    let (low, high) = if a.re < b.re { (a, b) } else { (b, a) };
    if low.re == high.re && low.re.is_infinite() {
        // The angle of nothing is none; infinite parts add up to a direction.
        return if low.re < 0.0 { low } else { complex::ln(complex::exp(low) + complex::exp(high)) };
    }
    let apart = if low.re.is_infinite() { C::new(low.re - high.re, 0.0) } else { low - high };
    complex::log1p(complex::exp(apart)) + high
}

impl CpuKernel for Logcumsumexp {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let extent = Extent::new(inputs[0].shape(), self.dim, false);
        macro_rules! of_complex {
            ($t:ty) => {{
                let (x, start) = (inputs[0].contiguous::<$t>(), C::new(f64::NEG_INFINITY, 0.0));
                let step = |acc, [x]: [$t; 1]| complex_log_add_exp(Running::widen(x), acc);
                scan(extent, [&x[..]], outputs[0].slice::<$t>(), start, step, <$t as Running>::narrow);
                return Ok(());
            }};
        }
        match inputs[0].dtype() {
            DType::Complex64 => of_complex!(Complex<f32>),
            DType::Complex128 => of_complex!(C),
            _ => {}
        }
        fn go<T: super::floats::Compute>(extent: Extent, x: &Src<'_>, out: &mut Dst<'_>) -> Result<()> {
            let x = read::<T>(x)?;
            write::<T, _>(out, |out| {
                scan(
                    extent,
                    [&x[..]],
                    out,
                    f64::NEG_INFINITY,
                    |acc, [x]| log_add_exp(acc, x.to_f64()),
                    |acc| T::from_f64(acc),
                );
            })
        }
        super::floats::compute!("logcumsumexp", inputs[0].dtype(), go(extent, &inputs[0], &mut outputs[0]))
    }
}

/// The best of what came so far and its place; of equal ones the last.
fn running_best<S: Lift, const MAX: bool>(extent: Extent, x: &Src<'_>, outputs: &mut [Dst<'_>]) {
    let (values, places) = outputs.split_at_mut(1);
    let (x, values, places) = (x.contiguous::<S>(), values[0].slice::<S>(), places[0].slice::<i64>());
    if x.is_empty() {
        return;
    }
    let block = extent.len * extent.behind;
    let (best, place) = (Shared::new(values.as_mut_ptr()), Shared::new(places.as_mut_ptr()));
    par::ranges(x.len() / block, par::GRAIN / block, |blocks| {
        for start in blocks.map(|i| i * block) {
            let x = &x[start..start + block];
            // SAFETY: both outputs have as many elements as the input, and the block is this task's alone.
            let (values, places) = unsafe { (best.part(start..start + block), place.part(start..start + block)) };
            for (k, row) in (0..block).step_by(extent.behind).enumerate() {
                for i in row..row + extent.behind {
                    let stays = k > 0 && values[i - extent.behind].lift().beats::<MAX>(x[i].lift());
                    (values[i], places[i]) =
                        if stays { (values[i - extent.behind], places[i - extent.behind]) } else { (x[i], k as i64) };
                }
            }
        }
    });
}

/// An element as it is compared.
trait Lift: Stored {
    type To: Ordered;
    fn lift(self) -> Self::To;
}

macro_rules! lift {
    ($($t:ty => $to:ty, |$x:ident| $lift:expr;)*) => {$(
        impl Lift for $t {
            type To = $to;
            #[inline(always)]
            fn lift(self) -> $to { let $x = self; $lift }
        }
    )*};
}
lift! {
    u8 => i64, |x| x as i64; i8 => i64, |x| x as i64; i16 => i64, |x| x as i64; i32 => i64, |x| x as i64;
    i64 => i64, |x| x; f16 => f32, |x| halves::f16_to_f32(x); bf16 => f32, |x| halves::bf16_to_f32(x);
    f32 => f32, |x| x; f64 => f64, |x| x;
}

fn running_best_of<const MAX: bool>(op: &'static str, dim: usize, x: &Src<'_>, outputs: &mut [Dst<'_>]) -> Result<()> {
    let extent = Extent::new(x.shape(), dim, false);
    by_dtype!(op, x.dtype(), { kept T => running_best::<T, MAX>(extent, x, outputs), });
    Ok(())
}

impl CpuKernel for Cummax {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        running_best_of::<true>("cummax", self.dim, &inputs[0], outputs)
    }
}

impl CpuKernel for Cummin {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        running_best_of::<false>("cummin", self.dim, &inputs[0], outputs)
    }
}
