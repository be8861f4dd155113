//! Kernels of convolution and its gradients.
//!
//! Nothing is unrolled into columns: register tiles read a padded copy of the source at fixed offsets
//! (`gather`: forward and input gradient; `winograd`: the same for 3×3 kernels at stride one of many channels;
//! `weights` and `tiles`: the weight's gradient; `window`: the geometry).
//! Images in channels-last order are put into rows and back, but for what is as easily computed as they lie (`pixels`).
//! `f32` and `f64` are computed as they are, half precision in `f32` (`halves`: what of `f16` is rounded on the way),
//! complex numbers as four real convolutions, integers by plain loops.

mod gather;
mod halves;
mod pixels;
mod tiles;
mod weights;
mod window;
mod winograd;

use super::floats::compute;
use super::lanes::by_dtype;
use super::math::Float;
use super::matmul::{self, narrow, widen};
use super::micro::Real;
use super::scratch::Scratch;
use super::view::by_pixels;
use super::{CpuKernel, Dst, Src, list};
use crate::dtype::Stored;
use crate::ops::{Conv, ConvInputGrad, ConvWeightGrad, Dim, Geometry, InPixels};
use crate::{DType, Result};
use gather::{Gather, Place};
use num_complex::Complex;
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;
use window::Axis;

/// Multiply-adds that a task should have at least.
const TASK: usize = 1 << 19;

/// Numbers in a register.
fn lanes_of<T: Real>() -> usize {
    struct Lanes<T>(PhantomData<T>);
    impl<T: Real> WithSimd for Lanes<T> {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            T::lanes::<S>()
        }
    }
    super::par::dispatch(Lanes::<T>(PhantomData))
}

/// The three directions, on operands in rows.
trait Convolved: Stored {
    /// `out = conv(x, w) + b`.
    fn forward(g: &Geometry, x: &[Self], w: &[Self], b: Option<&[Self]>, out: &mut [Self]) -> Result<()>;
    /// The gradient of the input.
    fn input(g: &Geometry, grad: &[Self], w: &[Self], out: &mut [Self]) -> Result<()>;
    /// The gradient of the weight.
    fn weight(g: &Geometry, x: &[Self], grad: &[Self], out: &mut [Self]) -> Result<()>;
    /// The sum.
    fn plus(self, other: Self) -> Self;
}

fn sizes(g: &Geometry) -> (usize, usize, usize) {
    let product = |f: fn(&crate::ops::Dim) -> usize| g.dims.iter().map(f).product();
    (product(|d| d.input), product(|d| d.output), product(|d| d.kernel))
}

/// The bias in each channel's outputs, or zero where there is none.
fn fill_bias<T: Stored>(outputs: usize, bias: Option<&[T]>, out: &mut [T]) {
    match bias {
        Some(bias) => out.chunks_mut(outputs.max(1)).zip(bias.iter().cycle()).for_each(|(row, b)| row.fill(*b)),
        None => out.fill(T::default()),
    }
}

/// What each channel of the input gets, where that is given.
fn add_bias<T: Convolved>(g: &Geometry, bias: Option<&&[T]>, out: &mut [T]) {
    let channels = out.chunks_mut(sizes(g).0.max(1));
    for (channel, b) in channels.zip(bias.into_iter().flat_map(|bias| bias.iter().cycle())) {
        channel.iter_mut().for_each(|y| *y = y.plus(*b));
    }
}

fn forward<T: Real + matmul::Factor>(g: &Geometry, x: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) -> Result<()> {
    let (_, outputs, taps) = sizes(g);
    if out.is_empty() || g.channels == 0 {
        fill_bias(outputs, b, out);
        return Ok(());
    }
    let axes = window::forward(g);
    let [_, height, width] = axes.each_ref().map(|a| a.grid);
    let job = Gather {
        axes,
        batch: g.batch,
        groups: g.groups,
        channels: g.channels,
        rows: g.features,
        source: x,
        weight: w,
        weight_steps: [g.features * g.channels * taps, g.channels * taps, taps],
        kernel: g.dims.map(|d| d.kernel),
        bias: b,
        place: Place {
            base: 0,
            batch: g.groups * g.features * outputs,
            row: outputs,
            steps: [height * width, width, 1],
        },
    };
    gather::run(&job, out)
}

fn input<T: Real + matmul::Factor + Float>(g: &Geometry, grad: &[T], w: &[T], out: &mut [T]) -> Result<()> {
    // The tiles multiply the zeros around `grad`, too, which an infinite weight would make NaN of.
    if !w.iter().all(|w| Float::abs(*w) < T::INFINITY) {
        out.fill(<T as Float>::ZERO);
        meetings(g, |i, k, o| out[i] += grad[o] * w[k]);
        return Ok(());
    }
    let (inputs, _, taps) = sizes(g);
    let strides = g.dims.map(|d| d.stride);
    let [_, h, width] = g.dims.map(|d| d.input);
    let phases = g.dims.each_ref().map(Axis::phases);
    // Nothing leads to the inputs of the other phases.
    if (0..3).any(|i| phases[i].len() < strides[i].min(g.dims[i].input)) || g.features == 0 {
        out.fill(T::default());
    }
    if out.is_empty() || g.features == 0 {
        return Ok(());
    }
    // Where a stride is longer than the input, no step of it is taken.
    let steps: [usize; 3] = std::array::from_fn(|i| strides[i].min(g.dims[i].input));
    for (depth, row) in phases[0].iter().flat_map(|depth| phases[1].iter().map(move |row| (*depth, *row))) {
        for &column in &phases[2] {
            let phase = [depth, row, column];
            let axes = std::array::from_fn(|i| Axis::backward(&g.dims[i], phase[i]));
            // Phases of a stride lie apart in the output.
            let axes = if strides == [1; 3] { window::merged(axes) } else { axes };
            let job = Gather {
                axes,
                batch: g.batch,
                groups: g.groups,
                channels: g.features,
                rows: g.channels,
                source: grad,
                weight: w,
                weight_steps: [g.features * g.channels * taps, taps, g.channels * taps],
                kernel: g.dims.map(|d| d.kernel),
                bias: None,
                place: Place {
                    base: (depth * h + row) * width + column,
                    batch: g.groups * g.channels * inputs,
                    row: inputs,
                    steps: [steps[0] * h * width, steps[1] * width, steps[2]],
                },
            };
            gather::run(&job, out)?;
        }
    }
    Ok(())
}

macro_rules! real {
    ($($t:ty),*) => {$(
        impl Convolved for $t {
            fn forward(g: &Geometry, x: &[$t], w: &[$t], b: Option<&[$t]>, out: &mut [$t]) -> Result<()> {
                forward(g, x, w, b, out)
            }
            fn input(g: &Geometry, grad: &[$t], w: &[$t], out: &mut [$t]) -> Result<()> {
                input(g, grad, w, out)
            }
            fn weight(g: &Geometry, x: &[$t], grad: &[$t], out: &mut [$t]) -> Result<()> {
                weights::run(g, x, grad, out)
            }
            fn plus(self, other: $t) -> $t {
                self + other
            }
        }
    )*};
}
real!(f32, f64);

/// A direction of a convolution as a function of two operands and its output.
type Bilinear<'f, T> = &'f dyn Fn(&[T], &[T], &mut [T]) -> Result<()>;

/// A product of complex operands by four of their parts: (a + ib)(c + id) = ac − bd + i(ad + bc).
fn by_parts<T: Real + Float>(
    a: &[Complex<T>],
    b: &[Complex<T>],
    out: &mut [Complex<T>],
    f: Bilinear<'_, T>,
) -> Result<()> {
    let part = |z: &[Complex<T>], of: fn(&Complex<T>) -> T| -> Result<Vec<T>> {
        let mut part = list(z.len(), T::default())?;
        part.iter_mut().zip(z).for_each(|(to, z)| *to = of(z));
        Ok(part)
    };
    let (ar, ai, br, bi) = (part(a, |z| z.re)?, part(a, |z| z.im)?, part(b, |z| z.re)?, part(b, |z| z.im)?);
    let product = |a: &[T], b: &[T]| {
        let mut part = list(out.len(), T::default())?;
        f(a, b, &mut part).map(|()| part)
    };
    let (rr, ii, ri, ir) = (product(&ar, &br)?, product(&ai, &bi)?, product(&ar, &bi)?, product(&ai, &br)?);
    out.iter_mut().enumerate().for_each(|(i, z)| *z = Complex::new(rr[i] - ii[i], ri[i] + ir[i]));
    Ok(())
}

macro_rules! complex {
    ($($t:ty),*) => {$(
        impl Convolved for Complex<$t> {
            fn forward(g: &Geometry, x: &[Self], w: &[Self], b: Option<&[Self]>, out: &mut [Self]) -> Result<()> {
                by_parts(x, w, out, &|x, w, out| forward::<$t>(g, x, w, None, out))?;
                if let Some(b) = b {
                    let (_, outputs, _) = sizes(g);
                    out.chunks_mut(outputs.max(1)).zip(b.iter().cycle()).for_each(|(row, b)| row.iter_mut().for_each(|z| *z += b));
                }
                Ok(())
            }
            fn input(g: &Geometry, grad: &[Self], w: &[Self], out: &mut [Self]) -> Result<()> {
                by_parts(grad, w, out, &|grad, w, out| input::<$t>(g, grad, w, out))
            }
            fn weight(g: &Geometry, x: &[Self], grad: &[Self], out: &mut [Self]) -> Result<()> {
                by_parts(x, grad, out, &|x, grad, out| weights::run::<$t>(g, x, grad, out))
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
        }
    )*};
}
complex!(f32, f64);

/// The input element of a channel that meets output `out` with tap `tap`.
fn meeting(g: &Geometry, out: usize, tap: usize) -> Option<usize> {
    let [d, h, w] = &g.dims;
    let at = |dim: &crate::ops::Dim, o: usize, t: usize| {
        (o * dim.stride + t * dim.dilation).checked_sub(dim.padding).filter(|i| *i < dim.input)
    };
    let z = at(d, out / (h.output * w.output), tap / (h.kernel * w.kernel))?;
    let y = at(h, out / w.output % h.output, tap / w.kernel % h.kernel)?;
    Some((z * h.input + y) * w.input + at(w, out % w.output, tap % w.kernel)?)
}

/// Calls `f` with each meeting of an input, a weight and an output element: their indices.
fn meetings(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs, taps) = sizes(g);
    if [g.batch, g.features, g.channels, inputs].contains(&0) {
        return;
    }
    for n in 0..g.batch * g.groups {
        for (o, c) in (0..g.features).flat_map(|o| (0..g.channels).map(move |c| (o, c))) {
            let (x0, y0) = ((n * g.channels + c) * inputs, (n * g.features + o) * outputs);
            let w0 = ((n % g.groups * g.features + o) * g.channels + c) * taps;
            for (out, tap) in (0..outputs).flat_map(|out| (0..taps).map(move |tap| (out, tap))) {
                if let Some(i) = meeting(g, out, tap) {
                    f(x0 + i, w0 + tap, y0 + out);
                }
            }
        }
    }
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Convolved for $t {
            fn forward(g: &Geometry, x: &[$t], w: &[$t], b: Option<&[$t]>, out: &mut [$t]) -> Result<()> {
                fill_bias(sizes(g).1, b, out);
                meetings(g, |i, k, o| out[o] = out[o].wrapping_add(x[i].wrapping_mul(w[k])));
                Ok(())
            }
            fn input(g: &Geometry, grad: &[$t], w: &[$t], out: &mut [$t]) -> Result<()> {
                out.fill(0);
                meetings(g, |i, k, o| out[i] = out[i].wrapping_add(grad[o].wrapping_mul(w[k])));
                Ok(())
            }
            fn weight(g: &Geometry, x: &[$t], grad: &[$t], out: &mut [$t]) -> Result<()> {
                out.fill(0);
                meetings(g, |i, k, o| out[k] = out[k].wrapping_add(x[i].wrapping_mul(grad[o])));
                Ok(())
            }
            fn plus(self, other: $t) -> $t {
                self.wrapping_add(other)
            }
        }
    )*};
}
integer!(u8, i8, i16, i32, i64);

/// Runs `run` on the operands, in rows.
fn in_rows<T: Stored>(
    inputs: &[Src<'_>],
    out: &mut Dst<'_>,
    run: impl FnOnce(&[&[T]], &mut [T]) -> Result<()>,
) -> Result<()> {
    let rows: Vec<std::borrow::Cow<'_, [T]>> = inputs.iter().map(|x| x.contiguous::<T>()).collect();
    run(&rows.iter().map(|x| &x[..]).collect::<Vec<_>>(), out.slice::<T>())
}

/// [`in_rows`] for half precision, which computes in `f32`.
fn widened(inputs: &[Src<'_>], out: &mut Dst<'_>, run: impl FnOnce(&[&[f32]], &mut [f32]) -> Result<()>) -> Result<()> {
    let wide: Vec<Vec<f32>> = inputs.iter().map(widen).collect::<Result<_>>()?;
    let mut sums = list(out.numel(), 0.0)?;
    run(&wide.iter().map(|x| &x[..]).collect::<Vec<_>>(), &mut sums)?;
    narrow(&sums, out);
    Ok(())
}

/// `$body` on the operands in the type `$T` that the output's dtype computes in.
macro_rules! computed {
    ($inputs:expr, $out:expr, |$T:ident, $xs:ident, $to:ident| $body:expr) => {{
        let out = $out;
        by_dtype!("conv", out.dtype(), {
            full $T => in_rows::<$T>($inputs, out, |$xs, $to| $body),
            half $T => widened($inputs, out, |$xs, $to| $body),
            int $T => in_rows::<$T>($inputs, out, |$xs, $to| $body),
            complex $T => in_rows::<$T>($inputs, out, |$xs, $to| $body),
        })
    }};
}

/// Where the first `images` inputs lie in channels-last order, as the output does, and `how` says so, computes `pixels`
/// of them, else `rows`.
fn by_order(
    (images, how): (usize, Option<InPixels>),
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
    pixels: impl FnOnce(InPixels, &[Src<'_>], &mut Dst<'_>) -> Result<()>,
    rows: impl FnOnce(&[Src<'_>], &mut Dst<'_>) -> Result<()>,
) -> Result<()> {
    match how {
        None => rows(inputs, &mut outputs[0]),
        Some(how) => by_pixels(images, inputs, outputs, |inputs, outputs, matrices| match matrices {
            true => pixels(how, inputs, &mut outputs[0]),
            false => rows(inputs, &mut outputs[0]),
        }),
    }
}

impl CpuKernel for Conv {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (g, dtype) = (self.geometry("conv", inputs[0].shape(), inputs[1].shape())?, inputs[0].dtype());
        by_order(
            (1, g.in_pixels(dtype)),
            inputs,
            outputs,
            |how, inputs, out| compute!("conv", dtype, pixels::forward(&g, how, inputs, out)),
            |inputs, out| computed!(inputs, out, |T, xs, out| T::forward(&g, xs[0], xs[1], xs.get(2).copied(), out)),
        )
    }
}

impl CpuKernel for ConvInputGrad {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (g, dtype) = (self.geometry(inputs[0].shape(), inputs[1].shape())?, inputs[0].dtype());
        by_order(
            (1, g.in_pixels(dtype).filter(|_| !dtype.is_half() && inputs.len() == 2)),
            inputs,
            outputs,
            |how, inputs, out| compute!("conv", dtype, pixels::input(&g, how, inputs, out)),
            |inputs, out| {
                if dtype == DType::F16 {
                    return widened(inputs, out, |xs, out| {
                        halves::input(&g, xs[0], xs[1], out).map(|()| add_bias(&g, xs.get(2), out))
                    });
                }
                computed!(inputs, out, |T, xs, out| {
                    T::input(&g, xs[0], xs[1], out).map(|()| add_bias(&g, xs.get(2), out))
                })
            },
        )
    }
}

impl CpuKernel for ConvWeightGrad {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (g, dtype) = (self.geometry(inputs[0].shape(), inputs[1].shape())?, inputs[0].dtype());
        let images = inputs.iter().all(|x| x.is_channels_last());
        if let Some(how) = g.in_pixels(dtype).filter(|_| images && !dtype.is_half()) {
            // Of images that lie so, both matrices; the gradient is in rows.
            return by_pixels(2, inputs, &mut [], |inputs, _, _| {
                compute!("conv", dtype, pixels::weight(&g, how, inputs, &mut outputs[0]))
            });
        }
        if dtype == DType::F16 {
            return widened(inputs, &mut outputs[0], |xs, out| halves::weight(&g, xs[0], xs[1], out));
        }
        computed!(inputs, &mut outputs[0], |T, xs, out| T::weight(&g, xs[0], xs[1], out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 31 + i * i % 7 + seed * 5) % 9) as f32 - 4.0).collect()
    }

    fn dim(input: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Dim {
        let output = (input + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
        Dim { input, output, kernel, stride, padding, dilation }
    }

    /// All three directions against the definition, in small integers, which `f32` adds without loss; with this
    /// machine's registers, and with those of 512 bits.
    fn check(g: Geometry) {
        check_here(&g);
        crate::cpu::par::with_wide_registers(|| check_here(&g));
    }

    fn check_here(g: &Geometry) {
        let (inputs, outputs, taps) = sizes(g);
        let x = numbers(g.batch * g.groups * g.channels * inputs, 1);
        let w = numbers(g.groups * g.features * g.channels * taps, 2);
        let y = numbers(g.batch * g.groups * g.features * outputs, 3);
        let b = numbers(g.groups * g.features, 4);
        let (mut want_y, mut want_x, mut want_w) = (vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        want_y.chunks_mut(outputs).zip(b.iter().cycle()).for_each(|(row, b)| row.fill(*b));
        meetings(g, |i, k, o| {
            want_y[o] += x[i] * w[k];
            want_x[i] += y[o] * w[k];
            want_w[k] += x[i] * y[o];
        });
        let (mut got_y, mut got_x, mut got_w) =
            (vec![f32::NAN; y.len()], vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
        f32::forward(g, &x, &w, Some(&b), &mut got_y).unwrap();
        assert_eq!(got_y, want_y, "forward of {g:?}");
        f32::input(g, &y, &w, &mut got_x).unwrap();
        assert_eq!(got_x, want_x, "input gradient of {g:?}");
        f32::weight(g, &x, &y, &mut got_w).unwrap();
        assert_eq!(got_w, want_w, "weight gradient of {g:?}");
    }

    fn geometry(batch: usize, groups: usize, channels: usize, features: usize, dims: [Dim; 3]) -> Geometry {
        Geometry { batch, groups, channels, features, dims, rank: 3 }
    }

    #[test]
    fn every_direction_follows_the_definition() {
        let one = dim(1, 1, 1, 0, 1);
        for (channels, features) in [(1, 1), (3, 5), (4, 20), (17, 9)] {
            for (input, kernel, stride, padding, dilation) in [
                (9, 3, 1, 1, 1),
                (13, 3, 2, 1, 1),
                (8, 1, 1, 0, 1),
                (8, 1, 2, 0, 1),
                (11, 4, 3, 2, 2),
                (5, 5, 1, 4, 1),
                (21, 2, 1, 0, 3),
            ] {
                let d = dim(input, kernel, stride, padding, dilation);
                check(geometry(2, 1, channels, features, [one, dim(7, 3, 1, 1, 1), d]));
                check(geometry(1, 1, channels, features, [one, d, dim(4, 2, 2, 0, 1)]));
                check(geometry(3, 1, channels, features, [one, one, d]));
            }
        }
    }

    #[test]
    fn groups_and_three_dimensions() {
        let d = dim(6, 3, 2, 1, 1);
        check(geometry(2, 3, 2, 4, [d, dim(5, 2, 1, 0, 2), dim(9, 3, 1, 1, 1)]));
        check(geometry(2, 8, 1, 1, [dim(1, 1, 1, 0, 1), dim(9, 3, 1, 1, 1), dim(17, 3, 1, 1, 1)]));
        check(geometry(2, 4, 1, 2, [dim(1, 1, 1, 0, 1), d, d]));
    }

    #[test]
    fn blocks_of_channels_and_boxes_add_up() {
        let one = dim(1, 1, 1, 0, 1);
        check(geometry(1, 1, 130, 33, [one, dim(5, 3, 1, 1, 1), dim(5, 3, 1, 1, 1)]));
        check(geometry(1, 1, 3, 7, [one, dim(70, 3, 1, 1, 1), dim(90, 3, 2, 1, 1)]));
        check(geometry(1, 1, 2, 3, [one, one, dim(3000, 8, 4, 2, 1)]));
        check(geometry(20, 1, 12, 18, [one, dim(4, 3, 1, 1, 1), dim(4, 3, 1, 1, 1)]));
    }

    #[test]
    fn tiles_of_two_by_two_follow_the_definition() {
        let one = dim(1, 1, 1, 0, 1);
        for (height, width, padding) in [(14, 14, 1), (13, 18, 0), (9, 7, 2), (20, 34, 1)] {
            let d = [one, dim(height, 3, 1, padding, 1), dim(width, 3, 1, padding, 1)];
            check(geometry(5, 1, 17, 25, d));
            check(geometry(4, 2, 16, 18, d));
        }
        // Wider than a box may be.
        check(geometry(1, 1, 16, 16, [one, dim(3, 3, 1, 1, 1), dim(1501, 3, 1, 1, 1)]));
    }

    #[test]
    fn what_is_infinite_reaches_no_further_than_its_kernel() {
        let (d, channels) = (dim(20, 3, 1, 1, 1), 16);
        let g = geometry(1, 1, channels, channels, [dim(1, 1, 1, 0, 1), d, d]);
        let (mut x, w) = (numbers(channels * 400, 1), vec![1.0; channels * channels * 9]);
        x[5 * 20 + 7] = f32::INFINITY;
        let mut y = vec![f32::NAN; x.len()];
        f32::forward(&g, &x, &w, None, &mut y).unwrap();
        for (i, y) in y.iter().enumerate() {
            let near = (4..7).contains(&(i / 20 % 20)) && (6..9).contains(&(i % 20));
            assert_eq!(*y == f32::INFINITY, near, "{i}: {y}");
            assert!(near || y.is_finite(), "{i}: {y}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x = crate::Tensor::randn([9, 16, 12, 12]).build().unwrap().to_vec::<f32>().unwrap();
        let w = crate::Tensor::randn([24, 16, 3, 3]).build().unwrap().to_vec::<f32>().unwrap();
        let y = crate::Tensor::randn([9, 24, 12, 12]).build().unwrap().to_vec::<f32>().unwrap();
        let d = dim(12, 3, 1, 1, 1);
        let g = geometry(9, 1, 16, 24, [dim(1, 1, 1, 0, 1), d, d]);
        let run = |threads| {
            let mut all = (vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            crate::cpu::par::with_threads(threads, || {
                f32::forward(&g, &x, &w, None, &mut all.0).unwrap();
                f32::input(&g, &y, &w, &mut all.1).unwrap();
                f32::weight(&g, &x, &y, &mut all.2).unwrap();
            });
            all
        };
        assert_eq!(run(1), run(3));
    }
}
