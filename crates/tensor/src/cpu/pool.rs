//! Kernels of pooling. A plane is computed by one task; windows are tables along each dimension, so that
//! padding, dilation and adaptive windows are no cases of the loops. Images in channels-last order are pooled as they
//! lie ([`pixels`]).

mod pixels;

use super::lanes::by_dtype;
use super::matmul::{narrow, widen};
use super::par::Shared;
use super::view::by_pixels;
use super::{CpuKernel, Dst, Src, list, par};
use crate::dtype::Stored;
use crate::ops::{AvgPool, AvgPoolBackward, Axes, MaxPool, MaxPoolBackward, Window, Windows};
use crate::shape::Spatial;
use crate::{DType, Result, bail};
use half::{bf16, f16};
use pixels::Pixels;

/// The last dimensions of `shape` as three.
fn plane(shape: &[usize], rank: usize) -> [usize; 3] {
    let mut size = [1; 3];
    size[3 - rank..].copy_from_slice(&shape[shape.len() - rank..]);
    size
}

/// Calls `f` with each plane's number; `work`: what one costs.
fn planes(n: usize, work: usize, f: impl Fn(usize) + Sync) {
    par::ranges(n, par::GRAIN / work.max(1), |range| range.for_each(&f));
}

/// The elements of a window along one dimension.
#[inline(always)]
fn places(w: &Window) -> impl Iterator<Item = usize> + use<> {
    (w.start..w.end).step_by(w.step)
}

/// A number with a least value.
trait Ordered: Stored + PartialOrd {
    const LEAST: Self;
    fn is_nan(self) -> bool;
}

macro_rules! ordered {
    ($($t:ty, $least:expr, |$x:ident| $nan:expr;)*) => {$(
        impl Ordered for $t {
            const LEAST: $t = $least;
            #[inline(always)]
            fn is_nan(self) -> bool {
                let $x = self;
                $nan
            }
        }
    )*};
}
ordered! {
    f32, f32::NEG_INFINITY, |x| x.is_nan();
    f64, f64::NEG_INFINITY, |x| x.is_nan();
    u8, u8::MIN, |_x| false;
    i8, i8::MIN, |_x| false;
    i16, i16::MIN, |_x| false;
    i32, i32::MIN, |_x| false;
    i64, i64::MIN, |_x| false;
}

/// The largest elements and their places; of equal ones the first, of NaNs the last.
fn max<T: Ordered>(axes: &Axes, size: [usize; 3], x: &[T], values: &mut [T], indices: &mut [i64]) {
    let (inputs, outputs) = (size.iter().product::<usize>(), axes.iter().map(Vec::len).product::<usize>());
    if values.is_empty() {
        return;
    }
    let (values, indices) = (Shared::new(values.as_mut_ptr()), Shared::new(indices.as_mut_ptr()));
    planes(x.len() / inputs, inputs + 4 * outputs, |p| {
        let x = &x[p * inputs..(p + 1) * inputs];
        // SAFETY: both outputs have `outputs` elements for each plane, which this task alone writes.
        let (values, indices) =
            unsafe { (values.part(p * outputs..(p + 1) * outputs), indices.part(p * outputs..(p + 1) * outputs)) };
        let mut to = values.iter_mut().zip(indices);
        for d in &axes[0] {
            for h in &axes[1] {
                for w in &axes[2] {
                    // A window beside the input has no place: −1, which no gradient goes to.
                    let beside = d.start >= d.end || h.start >= h.end || w.start >= w.end;
                    let mut at = if beside { usize::MAX } else { (d.start * size[1] + h.start) * size[2] + w.start };
                    let mut best = T::LEAST;
                    for z in places(d) {
                        for y in places(h) {
                            let row = (z * size[1] + y) * size[2];
                            for i in (row + w.start..row + w.end).step_by(w.step) {
                                if x[i] > best || x[i].is_nan() {
                                    (best, at) = (x[i], i);
                                }
                            }
                        }
                    }
                    if let Some((value, index)) = to.next() {
                        (*value, *index) = (best, at as i64);
                    }
                }
            }
        }
    });
}

/// [`max`] of windows of two by two, side by side.
fn max_two<T: Ordered>(size: [usize; 3], x: &[T], values: &mut [T], indices: &mut [i64]) {
    let (height, width) = (size[1] / 2, size[2] / 2);
    let (inputs, outputs) = (size.iter().product::<usize>(), height * width);
    let (values, indices) = (Shared::new(values.as_mut_ptr()), Shared::new(indices.as_mut_ptr()));
    planes(x.len() / inputs.max(1), inputs + 2 * outputs, |p| {
        let x = &x[p * inputs..(p + 1) * inputs];
        for h in 0..height {
            let row = 2 * h * size[2];
            let (upper, lower) = (&x[row..row + 2 * width], &x[row + size[2]..row + size[2] + 2 * width]);
            let at = p * outputs + h * width;
            // SAFETY: as in `max`.
            let (values, indices) = unsafe { (values.part(at..at + width), indices.part(at..at + width)) };
            let to = values.iter_mut().zip(indices);
            for (w, ((a, b), (value, index))) in upper.chunks_exact(2).zip(lower.chunks_exact(2)).zip(to).enumerate() {
                let first = row + 2 * w;
                // Selections, not branches: which is larger cannot be foretold.
                let later = |(best, at): (T, usize), (x, i): (T, usize)| {
                    if x > best || x.is_nan() { (x, i) } else { (best, at) }
                };
                let top = later((a[0], first), (a[1], first + 1));
                let best = later(later(top, (b[0], first + size[2])), (b[1], first + size[2] + 1));
                (*value, *index) = (best.0, best.1 as i64);
            }
        }
    });
}

/// How sliding windows lie along the last dimension.
struct Line {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Line {
    /// None where windows do not slide, or are too few or too large to be worth it.
    fn new(windows: &Windows, size: [usize; 3], outputs: usize) -> Option<Line> {
        let Windows::Sliding { kernel, stride, padding, dilation, .. } = windows else { return None };
        let last = |s: &Spatial| s.given().last().and_then(|x| usize::try_from(*x).ok());
        let line =
            Line { kernel: last(kernel)?, stride: last(stride)?, padding: last(padding)?, dilation: last(dilation)? };
        let reach = line.kernel.checked_mul(line.dilation)?;
        let small = reach <= size[2] + line.padding && line.stride <= size[2];
        (small && outputs >= 8 && size.iter().product::<usize>() < 1 << 30).then_some(line)
    }

    /// Numbers of which each phase of the stride has one for each window, and those behind the last.
    fn part(&self, windows: usize) -> usize {
        windows + (self.kernel - 1) * self.dilation / self.stride
    }

    /// A row of the input parted by the stride: element `i` of the padded row is number `i / stride` of part
    /// `i % stride`. What lies in the padding is left as it is.
    fn split<T: Copy>(&self, row: &[T], part: usize, to: &mut [T]) {
        for (phase, to) in to.chunks_exact_mut(part).enumerate() {
            let first = (phase + self.stride - self.padding % self.stride) % self.stride;
            let start = (first + self.padding) / self.stride;
            let count = row.len().saturating_sub(first).div_ceil(self.stride).min(part.saturating_sub(start));
            for i in 0..count {
                to[start + i] = row[first + i * self.stride];
            }
        }
    }
}

/// [`max`] of sliding windows, a row of them at a time: each of a window's columns is compared for all windows at once.
fn max_rows<T: Ordered>(axes: &Axes, line: &Line, size: [usize; 3], x: &[T], values: &mut [T], indices: &mut [i64]) {
    let (inputs, width) = (size.iter().product::<usize>(), axes[2].len());
    let (rows, part) = (axes[0].len() * axes[1].len(), line.part(width));
    let (values, indices) = (Shared::new(values.as_mut_ptr()), Shared::new(indices.as_mut_ptr()));
    planes(x.len() / inputs, inputs + 4 * rows * width, |p| {
        let x = &x[p * inputs..(p + 1) * inputs];
        let (mut parts, mut at) = (vec![T::LEAST; part * line.stride], vec![0i32; width]);
        for row in 0..rows {
            let (d, h) = (&axes[0][row / axes[1].len()], &axes[1][row % axes[1].len()]);
            let out = (p * rows + row) * width;
            // SAFETY: as in `max`.
            let (best, index) = unsafe { (values.part(out..out + width), indices.part(out..out + width)) };
            best.fill(T::LEAST);
            for (at, w) in at.iter_mut().zip(&axes[2]) {
                let beside = d.start >= d.end || h.start >= h.end || w.start >= w.end;
                *at = if beside { -1 } else { ((d.start * size[1] + h.start) * size[2] + w.start) as i32 };
            }
            for (z, y) in places(d).flat_map(|z| places(h).map(move |y| (z, y))) {
                let start = (z * size[1] + y) * size[2];
                line.split(&x[start..start + size[2]], part, &mut parts);
                for k in 0..line.kernel {
                    let off = k * line.dilation;
                    let from = &parts[off % line.stride * part + off / line.stride..][..width];
                    let first = (start + off) as i32 - line.padding as i32;
                    par::simd(
                        #[inline(always)]
                        || later(from, (first, line.stride as i32), best, &mut at),
                    );
                }
            }
            index.iter_mut().zip(&at).for_each(|(index, at)| *index = i64::from(*at));
        }
    });
}

/// Takes what is larger than the best so far, or no number; `x`'s elements stand at `first`, `first + step`, …
#[inline(always)]
fn later<T: Ordered>(x: &[T], (first, step): (i32, i32), best: &mut [T], at: &mut [i32]) {
    let n = x.len();
    let (best, at) = (&mut best[..n], &mut at[..n]);
    // Selections, not branches: which is larger cannot be foretold.
    for i in 0..n {
        let takes = (x[i] > best[i]) | x[i].is_nan();
        best[i] = if takes { x[i] } else { best[i] };
        at[i] = if takes { first + i as i32 * step } else { at[i] };
    }
}

fn is_two(windows: &Windows) -> bool {
    let all = |s: &Spatial, v: isize| s.given().iter().all(|x| *x == v);
    match windows {
        Windows::Sliding { kernel, stride, padding, dilation, ceil_mode: false } => {
            kernel.given().len() == 2 && all(kernel, 2) && all(stride, 2) && all(padding, 0) && all(dilation, 1)
        }
        _ => false,
    }
}

/// How many of the operands that come first are images: none where what is pooled is no batch of them.
fn images(count: usize, shape: &[usize], pooled: usize) -> usize {
    if shape.len() == pooled + 2 { count } else { 0 }
}

impl CpuKernel for MaxPool {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (shape, rank) = (inputs[0].shape(), self.windows.rank());
        if outputs[0].numel() == 0 {
            return Ok(());
        }
        let size = plane(shape, rank);
        let axes = self.windows.axes("max_pool", &shape[shape.len() - rank..], false)?;
        let two = is_two(&self.windows);
        let line = Line::new(&self.windows, size, axes[2].len());
        by_pixels(images(1, shape, rank), inputs, outputs, |inputs, outputs, by_pixels| {
            let [values, indices] = outputs else { bail!(Unsupported, "max_pool", "two outputs are expected") };
            let (x, indices) = (&inputs[0], indices.slice::<i64>());
            macro_rules! run {
                ($x:expr, $values:expr) => {
                    match &line {
                        _ if by_pixels => Pixels::new(size, shape[1]).max(&axes, $x, $values, indices),
                        _ if two => max_two(size, $x, $values, indices),
                        Some(line) => max_rows(&axes, line, size, $x, $values, indices),
                        None => max(&axes, size, $x, $values, indices),
                    }
                };
            }
            by_dtype!("max_pool", x.dtype(), {
                full T => run!(&x.contiguous::<T>(), values.slice::<T>()),
                int T => run!(&x.contiguous::<T>(), values.slice::<T>()),
                half T => {
                    let mut wide: Vec<T> = list(values.numel(), 0.0)?;
                    run!(&widen(x)?, &mut wide);
                    narrow(&wide, values);
                },
            });
            Ok(())
        })
    }
}

/// All places are inside of a plane of `inputs` elements, or −1.
fn check_places(places: &[i64], inputs: usize) -> Result<()> {
    if let Some(place) = places.iter().find(|i| !(-1..inputs as i64).contains(i)) {
        bail!(Index, "max_pool_backward", "place {place} is outside of a plane of {inputs} elements")
    }
    Ok(())
}

/// Adds each element of `grad` at its place.
fn scatter<T: Stored + std::ops::AddAssign>(
    grad: &[T],
    places: &[i64],
    (pooled, inputs): (usize, usize),
    out: &mut [T],
) {
    par::chunks(out, inputs, inputs + pooled, |p, out| {
        out.fill(T::default());
        let range = p * pooled..(p + 1) * pooled;
        let there = grad[range.clone()].iter().zip(&places[range]).filter(|(_, i)| **i >= 0);
        there.for_each(|(g, i)| out[*i as usize] += *g);
    });
}

impl CpuKernel for MaxPoolBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (shape, rank) = (outputs[0].shape(), self.size.given().len());
        let size = plane(shape, rank);
        let planes = (plane(inputs[0].shape(), rank).iter().product(), size.iter().product());
        by_pixels(images(2, shape, rank), inputs, outputs, |inputs, outputs, by_pixels| {
            let (grad, places, out) = (&inputs[0], inputs[1].contiguous::<i64>(), &mut outputs[0]);
            check_places(&places, planes.1)?;
            macro_rules! run {
                ($grad:expr, $out:expr) => {
                    if by_pixels {
                        Pixels::new(size, shape[1]).scatter($grad, &places, planes.0, $out)
                    } else {
                        scatter($grad, &places, planes, $out)
                    }
                };
            }
            by_dtype!("max_pool_backward", grad.dtype(), {
                full T => run!(&grad.contiguous::<T>(), out.slice::<T>()),
                half T => {
                    let mut wide: Vec<T> = list(out.numel(), 0.0)?;
                    run!(&widen(grad)?, &mut wide);
                    narrow(&wide, out);
                },
            });
            Ok(())
        })
    }
}

/// A number that means are taken of.
trait Mean: Stored + std::ops::AddAssign + std::ops::Div<Output = Self> {
    fn from_count(n: isize) -> Self;
}
impl Mean for f32 {
    fn from_count(n: isize) -> f32 {
        n as f32
    }
}
impl Mean for f64 {
    fn from_count(n: isize) -> f64 {
        n as f64
    }
}

impl Mean for i64 {
    fn from_count(n: isize) -> i64 {
        n as i64
    }
}
impl Mean for f16 {
    fn from_count(n: isize) -> f16 {
        f16::from_f32(n as f32)
    }
}
impl Mean for bf16 {
    fn from_count(n: isize) -> bf16 {
        bf16::from_f32(n as f32)
    }
}

/// What the sum over a window is divided by.
fn divisor<T: Mean>([d, h, w]: [&Window; 3], over: Option<isize>) -> T {
    let count = d.count.saturating_mul(h.count).saturating_mul(w.count).min(isize::MAX as usize);
    T::from_count(over.unwrap_or(count as isize))
}

/// Calls `f` with the number of each window of a plane, its bounds and what it is divided by.
#[inline(always)]
fn windows<T: Mean>(axes: &Axes, over: Option<isize>, mut f: impl FnMut(usize, [&Window; 3], T)) {
    let mut i = 0;
    for d in &axes[0] {
        for h in &axes[1] {
            for w in &axes[2] {
                f(i, [d, h, w], divisor([d, h, w], over));
                i += 1;
            }
        }
    }
}

fn mean<T: Mean>(axes: &Axes, over: Option<isize>, size: [usize; 3], x: &[T], out: &mut [T]) {
    let (inputs, outputs) = (size.iter().product::<usize>(), axes.iter().map(Vec::len).product::<usize>());
    par::chunks(out, outputs, inputs + outputs, |p, out| {
        let x = &x[p * inputs..(p + 1) * inputs];
        windows::<T>(axes, over, |i, [d, h, w], count| {
            let mut sum = T::default();
            for z in d.start..d.end {
                for y in h.start..h.end {
                    let row = (z * size[1] + y) * size[2];
                    x[row + w.start..row + w.end].iter().for_each(|x| sum += *x);
                }
            }
            out[i] = sum / count;
        });
    });
}

fn mean_backward<T: Mean>(axes: &Axes, over: Option<isize>, size: [usize; 3], grad: &[T], out: &mut [T]) {
    let (inputs, outputs) = (size.iter().product::<usize>(), axes.iter().map(Vec::len).product::<usize>());
    par::chunks(out, inputs, inputs + outputs, |p, out| {
        out.fill(T::default());
        let grad = &grad[p * outputs..(p + 1) * outputs];
        windows::<T>(axes, over, |i, [d, h, w], count| {
            let share = grad[i] / count;
            for z in d.start..d.end {
                for y in h.start..h.end {
                    let row = (z * size[1] + y) * size[2];
                    out[row + w.start..row + w.end].iter_mut().for_each(|x| *x += share);
                }
            }
        });
    });
}

/// `$body` on the operands as they are stored; half precision in `f32`, unless each sum is `$rounded`.
macro_rules! means {
    ($name:literal, $x:expr, $out:expr, $rounded:expr, |$xs:ident, $to:ident| $body:expr) => {
        match $x.dtype() {
            DType::F16 | DType::BF16 if !$rounded => {
                let mut wide = list($out.numel(), 0.0f32)?;
                let ($xs, $to) = (&widen($x)?[..], &mut wide[..]);
                $body;
                narrow(&wide, $out)
            }
            dtype => by_dtype!($name, dtype, {
                float T => {
                    let ($xs, $to) = (&$x.contiguous::<T>()[..], $out.slice::<T>());
                    $body
                },
                long T => {
                    let ($xs, $to) = (&$x.contiguous::<T>()[..], $out.slice::<T>());
                    $body
                },
            }),
        }
    };
}

impl CpuKernel for AvgPool {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (shape, rank) = (inputs[0].shape(), self.windows.rank());
        if outputs[0].numel() == 0 {
            return Ok(());
        }
        let axes = self.windows.axes("avg_pool", &shape[shape.len() - rank..], self.count_include_pad)?;
        let (size, over) = (plane(shape, rank), self.divisor_override);
        // As in PyTorch, and below.
        let rounded = rank == 3 && matches!(self.windows, Windows::Adaptive { .. });
        by_pixels(images(1, shape, rank), inputs, outputs, |inputs, outputs, by_pixels| {
            let (x, out) = (&inputs[0], &mut outputs[0]);
            means!("avg_pool", x, out, rounded, |xs, to| if by_pixels {
                Pixels::new(size, shape[1]).mean(&axes, over, xs, to)
            } else {
                mean(&axes, over, size, xs, to)
            });
            Ok(())
        })
    }
}

impl CpuKernel for AvgPoolBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (shape, rank) = (outputs[0].shape(), self.size.given().len());
        if outputs[0].numel() == 0 {
            return Ok(());
        }
        let pool = &self.pool;
        let axes = pool.windows.axes("avg_pool_backward", &shape[shape.len() - rank..], pool.count_include_pad)?;
        let (size, over) = (plane(shape, rank), pool.divisor_override);
        by_pixels(images(1, shape, rank), inputs, outputs, |inputs, outputs, by_pixels| {
            let (grad, out) = (&inputs[0], &mut outputs[0]);
            means!("avg_pool_backward", grad, out, true, |xs, to| if by_pixels {
                Pixels::new(size, shape[1]).mean_backward(&axes, over, xs, to)
            } else {
                mean_backward(&axes, over, size, xs, to)
            });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Spatial, Windows, max, max_rows};
    use crate::{AvgPoolOptions, MaxPoolOptions, Tensor, ValuesIndices};

    fn ramp(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        Tensor::from_vec((0..n).map(|i| (i * 7 % 11) as f32).collect(), shape).unwrap()
    }

    #[test]
    fn two_by_two_as_by_the_general_loops() {
        let x = ramp(&[2, 3, 5, 7]);
        let ValuesIndices { values: fast, indices: places } = x.max_pool2d_with_indices(2).unwrap();
        // The same windows, said so that the special case does not take them.
        let ValuesIndices { values: slow, indices: same } = x
            .narrow(2, 0, 4)
            .unwrap()
            .narrow(3, 0, 6)
            .unwrap()
            .max_pool2d_with_indices(MaxPoolOptions::new(2).ceil_mode(true))
            .unwrap();
        assert_eq!(fast.to_vec::<f32>().unwrap(), slow.to_vec::<f32>().unwrap());
        let at = |p: i64, width: i64| (p / width, p % width);
        let (a, b) = (places.to_vec::<i64>().unwrap(), same.to_vec::<i64>().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| at(*a, 7) == at(*b, 6)));
    }

    #[test]
    fn nan_is_the_largest() {
        let x = Tensor::from_vec(vec![1.0f32, f32::NAN, 3.0, 2.0], [1, 4]).unwrap();
        let ValuesIndices { values: y, indices: places } = x.max_pool1d_with_indices(2).unwrap();
        let y = y.to_vec::<f32>().unwrap();
        assert!(y[0].is_nan() && y[1] == 3.0);
        assert_eq!(places.to_vec::<i64>().unwrap(), [1, 2]);
    }

    #[test]
    fn last_windows_and_their_counts() {
        // Seven elements, windows of 3 by 2: ceil mode takes none that would start in the far padding.
        let x = Tensor::from_vec((1..=7).map(|i| i as f32).collect(), [1, 7]).unwrap();
        let avg = |o: AvgPoolOptions| x.avg_pool1d(o).unwrap().to_vec::<f32>().unwrap();
        let three = AvgPoolOptions::new(3).stride(2).padding(1);
        assert_eq!(avg(three), [1.0, 3.0, 5.0, 13.0 / 3.0]);
        assert_eq!(avg(three.count_include_pad(false)), [1.5, 3.0, 5.0, 6.5]);
        assert_eq!(avg(AvgPoolOptions::new(3).stride(3).ceil_mode(true)), [2.0, 5.0, 7.0]);
        assert_eq!(avg(three.divisor_override(Some(2))), [1.5, 4.5, 7.5, 6.5]);
        let max = x.max_pool1d(MaxPoolOptions::new(2).dilation(3).stride(2)).unwrap();
        assert_eq!(max.to_vec::<f32>().unwrap(), [4.0, 6.0]);
    }

    #[test]
    fn adaptive_windows_cover_all() {
        let x = Tensor::from_vec((0..7).map(|i| i as f32).collect(), [1, 7]).unwrap();
        assert_eq!(x.adaptive_avg_pool1d(3).unwrap().to_vec::<f32>().unwrap(), [1.0, 3.0, 5.0]);
        assert_eq!(x.adaptive_max_pool1d(3).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
        assert_eq!(x.adaptive_avg_pool1d(-1).unwrap().to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
    }

    #[test]
    fn rows_of_windows_pick_what_each_window_picks() {
        for (kernel, stride, padding, dilation, ceil_mode) in [
            (3, 2, 1, 1, false),
            (3, 1, 1, 1, false),
            (2, 3, 0, 1, true),
            (3, 2, 1, 2, true),
            (5, 4, 2, 1, false),
            (1, 2, 0, 1, true),
        ] {
            let two = |x: isize| Spatial::from([x, x]);
            let (kernel, stride) = (two(kernel), two(stride));
            let windows =
                Windows::Sliding { kernel, stride, padding: two(padding), dilation: two(dilation), ceil_mode };
            let size = [1, 19, 37];
            let axes = windows.axes("max_pool", &size[1..], false).unwrap();
            let mut x: Vec<f32> = (0..2 * 19 * 37).map(|i| (i * 37 % 11) as f32).collect();
            (x[5], x[300], x[301]) = (f32::NAN, f32::NAN, f32::INFINITY);
            x[400..520].fill(f32::NEG_INFINITY);
            let n = 2 * axes.iter().map(Vec::len).product::<usize>();
            let line = Line::new(&windows, size, axes[2].len()).expect("windows that slide");
            let (mut want, mut got) = ((vec![0.0; n], vec![0; n]), (vec![0.0; n], vec![0; n]));
            max(&axes, size, &x, &mut want.0, &mut want.1);
            max_rows(&axes, &line, size, &x, &mut got.0, &mut got.1);
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!((bits(&got.0), got.1), (bits(&want.0), want.1), "{windows:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let x = ramp(&[1, 3, 4]);
        let error = x.max_pool2d(5).unwrap_err().to_string();
        assert!(error.starts_with("max_pool: a window of 5 does not fit size 3"), "{error}");
        let error = x.avg_pool2d(AvgPoolOptions::new(2).padding(2)).unwrap_err().to_string();
        assert!(error.contains("padding 2 is more than half"), "{error}");
        assert!(x.max_pool3d(2).is_err() && x.max_pool2d((1, 2, 3)).is_err() && x.max_pool2d(0).is_err());
    }
}
