//! Kernels of layer, root-mean-square, batch, group and instance norm, and of the gradients through them.
//!
//! Batch, group and instance norm are [`planes`](super::planes); the others go row by row, the row staying
//! in cache between its sums and its result. To a batch norm, images in channels-last order are a batch of pixels, to the
//! others a matrix of pixels by channels for each sample.

use super::floats::{self, Compute, compute, each, read, sum, sum_of, sum_of3, write};
use super::planes::{Gradients, Over, Planes};
use super::view::by_pixels;
use super::{CpuKernel, Dst, Src, halves, list, par};
use crate::op::Infer;
use crate::ops::{
    BatchNorm, BatchNormBackward, GroupNorm, GroupNormBackward, LayerNorm, LayerNormBackward, RmsNorm, RmsNormBackward,
};
use crate::{DType, Result};
use std::borrow::Cow;

/// Input `i`, if it is there.
fn given<'a, T: Compute>(inputs: &[Src<'a>], i: usize, there: bool) -> Result<Option<Cow<'a, [T]>>> {
    inputs.get(i).filter(|_| there).map(read).transpose()
}

/// Rows that one task takes.
fn rows_together(width: usize) -> usize {
    (par::GRAIN / width.max(1)).max(1)
}

/// Mean and 1/σ of a row; the mean is 0 where the row is not to be centred.
#[inline(always)]
fn row_moments<T: Compute, const CENTRE: bool>(x: &[T], eps: T) -> (T, T) {
    let n = T::from_f64(x.len() as f64);
    let mean = if CENTRE { sum(x) / n } else { T::ZERO };
    let variance = sum_of(x, x, |x, _| (x - mean) * (x - mean)) / n;
    (mean, T::ONE / (variance + eps).sqrt())
}

/// `(x − mean) · rstd · weight + bias`.
#[inline(always)]
fn row_affine<T: Compute>(y: &mut [T], x: &[T], (mean, rstd): (T, T), weight: Option<&[T]>, bias: Option<&[T]>) {
    // Loops over indices: three iterators side by side are not vectorised everywhere.
    let n = y.len();
    let (x, weight, bias) = (&x[..n], weight.map(|w| &w[..n]), bias.map(|b| &b[..n]));
    match (weight, bias) {
        (Some(w), Some(b)) => {
            for i in 0..n {
                y[i] = (x[i] - mean) * rstd * w[i] + b[i];
            }
        }
        (Some(w), None) => {
            for i in 0..n {
                y[i] = (x[i] - mean) * rstd * w[i];
            }
        }
        (None, Some(b)) => {
            for i in 0..n {
                y[i] = (x[i] - mean) * rstd + b[i];
            }
        }
        (None, None) => each(y, x, |x| (x - mean) * rstd),
    }
}

/// A row norm of `[rows, width]`; `mean` is empty where rows are not centred.
fn forward<T: Compute, const CENTRE: bool>(
    x: &[T],
    [weight, bias]: [Option<&[T]>; 2],
    (width, eps): (usize, f64),
    (y, mean, rstd): (&mut [T], &mut [T], &mut [T]),
) {
    if width == 0 {
        mean.fill(T::NAN);
        rstd.fill(T::NAN);
        return;
    }
    let (rows, eps) = (rows_together(width), T::from_f64(eps));
    let mut means = mean.chunks_mut(rows);
    let tasks: Vec<_> = x
        .chunks(rows * width)
        .zip(y.chunks_mut(rows * width))
        .zip(rstd.chunks_mut(rows))
        .map(|((x, y), rstd)| (x, y, rstd, means.next().unwrap_or_default()))
        .collect();
    par::each(tasks, |(x, y, rstd, mean)| {
        par::simd(
            #[inline(always)]
            || {
                for (i, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
                    let moments = row_moments::<T, CENTRE>(x, eps);
                    row_affine(y, x, moments, weight, bias);
                    rstd[i] = moments.1;
                    if CENTRE {
                        mean[i] = moments.0;
                    }
                }
            },
        );
    });
}

/// What the gradients of a row norm are made of.
struct RowBackward<'a, T> {
    g: &'a [T],
    x: &'a [T],
    mean: Option<&'a [T]>,
    rstd: &'a [T],
    weight: Option<&'a [T]>,
    width: usize,
    /// The gradients of the parameters are rounded to this after each row, as PyTorch's are.
    kept: Option<DType>,
}

impl<T: Compute> RowBackward<'_, T> {
    /// The gradient of row `i` of x: 1/σ (w g − mean(w g) − x̂ mean(w g x̂)), without the first mean where rows
    /// are not centred.
    #[inline(always)]
    fn row(&self, i: usize, gx: &mut [T]) {
        let at = i * self.width;
        let (g, x) = (&self.g[at..at + self.width], &self.x[at..at + self.width]);
        let (mean, rstd, n) = (self.mean.map_or(T::ZERO, |m| m[i]), self.rstd[i], T::from_f64(self.width as f64));
        let (along, level) = match self.weight {
            Some(w) => (sum_of3(g, x, w, |g, x, w| g * w * (x - mean)), sum_of(g, w, |g, w| g * w)),
            None => (sum_of(g, x, |g, x| g * (x - mean)), sum(g)),
        };
        let level = if self.mean.is_some() { level / n * rstd } else { T::ZERO };
        let along = along / n * rstd * rstd * rstd;
        match self.weight {
            Some(w) => {
                // A loop over indices, here and below, as in `row_affine`.
                let (gx, w) = (&mut gx[..g.len()], &w[..g.len()]);
                for i in 0..g.len() {
                    gx[i] = g[i] * w[i] * rstd - level - (x[i] - mean) * along;
                }
            }
            None => floats::each2(gx, g, x, |g, x| g * rstd - level - (x - mean) * along),
        }
    }

    /// Adds row `i` to the gradients of weight (`g x̂`) and bias (`g`).
    #[inline(always)]
    fn add_parameters(&self, i: usize, gw: &mut [T], gb: &mut [T]) {
        let at = i * self.width;
        let (g, x) = (&self.g[at..at + self.width], &self.x[at..at + self.width]);
        let (mean, rstd) = (self.mean.map_or(T::ZERO, |m| m[i]), self.rstd[i]);
        // Either is empty where it is not wanted.
        if !gw.is_empty() {
            let gw = &mut gw[..g.len()];
            for i in 0..g.len() {
                gw[i] += g[i] * ((x[i] - mean) * rstd);
            }
        }
        if !gb.is_empty() {
            let gb = &mut gb[..g.len()];
            for i in 0..g.len() {
                gb[i] += g[i];
            }
        }
    }

    /// All gradients that are wanted, in one pass over the rows.
    fn run(&self, out: Gradients<'_, T>) -> Result<()> {
        let rows = if self.width == 0 { 0 } else { self.g.len() / self.width };
        // Each block of rows sums the parameters' gradients for itself: at most 64 of them, joined in order. What is rounded
        // after each row is one sum.
        let together = if self.kept.is_some() { rows.max(1) } else { rows_together(self.width).max(rows.div_ceil(64)) };
        let blocks = rows.div_ceil(together.max(1));
        let (for_weight, for_bias) = (out.weight.is_some() as usize, out.bias.is_some() as usize);
        let mut parts = list((for_weight + for_bias) * self.width * blocks, T::ZERO)?;
        let mut part = parts.chunks_mut(((for_weight + for_bias) * self.width).max(1));
        let mut gx = out.x.map(|gx| gx.chunks_mut((together * self.width).max(1)));
        let tasks: Vec<_> = (0..blocks)
            .map(|b| {
                (
                    b * together..((b + 1) * together).min(rows),
                    gx.as_mut().and_then(|c| c.next()),
                    part.next().unwrap_or_default(),
                )
            })
            .collect();
        par::each(tasks, |(rows, mut gx, part)| {
            let (gw, gb) = part.split_at_mut(for_weight * self.width);
            par::simd(
                #[inline(always)]
                || {
                    for (k, i) in rows.clone().enumerate() {
                        if let Some(gx) = &mut gx {
                            self.row(i, &mut gx[k * self.width..(k + 1) * self.width]);
                        }
                        if for_weight + for_bias > 0 {
                            self.add_parameters(i, gw, gb);
                            if let Some(dtype) = self.kept {
                                floats::keep_all(dtype, gw);
                                floats::keep_all(dtype, gb);
                            }
                        }
                    }
                },
            );
        });
        let join = |to: Option<&mut [T]>, from: usize| {
            if let Some(to) = to {
                to.fill(T::ZERO);
                for part in parts.chunks_exact(((for_weight + for_bias) * self.width).max(1)) {
                    to.iter_mut().zip(&part[from..]).for_each(|(s, p)| *s += *p);
                }
            }
        };
        join(out.weight, 0);
        join(out.bias, for_weight * self.width);
        Ok(())
    }
}

/// Gives `f` the outputs that are asked for, as `T`s.
fn with_gradients<T: Compute>(
    needs: [bool; 3],
    outputs: &mut [Dst<'_>],
    f: impl FnOnce(Gradients<'_, T>) -> Result<()>,
) -> Result<()> {
    fn open<T: Compute>(out: Option<&mut Dst<'_>>, f: impl FnOnce(Option<&mut [T]>) -> Result<()>) -> Result<()> {
        match out {
            Some(out) => write(out, |out| f(Some(out)))?,
            None => f(None),
        }
    }
    let mut outputs = outputs.iter_mut();
    let mut next = |i: usize| if needs[i] { outputs.next() } else { None };
    let (x, weight, bias) = (next(0), next(1), next(2));
    open(x, |x| open(weight, |weight| open(bias, |bias| f(Gradients { x, weight, bias }))))
}

fn width_of(shape: &[usize], dims: usize) -> usize {
    shape[shape.len() - dims..].iter().product()
}

impl CpuKernel for LayerNorm {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(op: &LayerNorm, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let [y, mean, rstd] = outputs else { return Ok(()) };
            let x = read::<T>(&inputs[0])?;
            let (w, b) = (given(inputs, 1, op.weight)?, given(inputs, 1 + op.weight as usize, op.bias)?);
            let size = (width_of(inputs[0].shape(), op.dims), op.eps);
            write(y, |y| forward::<T, true>(&x, [w.as_deref(), b.as_deref()], size, (y, mean.slice(), rstd.slice())))
        }
        compute!(Self::NAME, inputs[0].dtype(), go(self, inputs, outputs))
    }
}

impl CpuKernel for RmsNorm {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(op: &RmsNorm, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let [y, rstd] = outputs else { return Ok(()) };
            let (x, w) = (read::<T>(&inputs[0])?, given(inputs, 1, op.weight)?);
            let size = (width_of(inputs[0].shape(), op.dims), op.eps);
            write(y, |y| forward::<T, false>(&x, [w.as_deref(), None], size, (y, &mut [], rstd.slice())))
        }
        compute!(Self::NAME, inputs[0].dtype(), go(self, inputs, outputs))
    }
}

impl CpuKernel for LayerNormBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(op: &LayerNormBackward, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let (g, x) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?);
            let (mut mean, mut rstd) = (read::<T>(&inputs[2])?, read::<T>(&inputs[3])?);
            let kept = held_rows(&inputs[1], &inputs[4..], [&mut mean, &mut rstd]);
            let (weight, width) = (given(inputs, 4, op.of.weight)?, width_of(inputs[1].shape(), op.of.dims));
            let (mean, weight) = (Some(&mean[..]), weight.as_deref());
            let rows = RowBackward { g: &g, x: &x, mean, rstd: &rstd, weight, width, kept };
            with_gradients(op.needs, outputs, |out| rows.run(out))
        }
        compute!(Self::NAME, inputs[1].dtype(), go(self, inputs, outputs))
    }
}

impl CpuKernel for RmsNormBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Compute>(op: &RmsNormBackward, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let (g, x, rstd) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?, read::<T>(&inputs[2])?);
            let (weight, width) = (given(inputs, 3, op.of.weight)?, width_of(inputs[1].shape(), op.of.dims));
            let weight = weight.as_deref();
            let rows = RowBackward { g: &g, x: &x, mean: None, rstd: &rstd, weight, width, kept: None };
            with_gradients([op.needs[0], op.needs[1], false], outputs, |out| rows.run(out))
        }
        compute!(Self::NAME, inputs[1].dtype(), go(self, inputs, outputs))
    }
}

/// 1 / √(variance + eps).
fn rstd_of(variance: impl Iterator<Item = f64>, eps: f64) -> Vec<f64> {
    variance.map(|v| 1.0 / (v + eps).sqrt()).collect()
}

/// `y = x̂ · weight + bias` by plane, from the statistics.
fn normalise_planes<T: Compute>(
    planes: Planes,
    (x, y): (&[T], &mut [T]),
    (mean, rstd): (&[f64], &[f64]),
    [weight, bias]: [Option<&[T]>; 2],
) {
    planes.normalise(x, y, |plane| {
        let (s, c) = (planes.statistic(plane), planes.channel(plane));
        // As it will be multiplied by: what is no more than its mean comes to zero.
        let scale = T::from_f64(rstd[s] * weight.map_or(1.0, |w| w[c].to_f64())).to_f64();
        (scale, bias.map_or(0.0, |b| b[c].to_f64()) - mean[s] * scale)
    });
}

fn widened<T: Compute>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// Means, and 1 / √(variance + eps), as PyTorch holds them: where x and its `parameters` are of one dtype of half
/// precision, rounded to that. The variance of a batch is rounded before, too, as a sum of so many numbers, in `bf16`.
fn held(
    x: &Src<'_>,
    parameters: &[Src<'_>],
    (mean, variance): (&[f64], &[f64]),
    (eps, batch): (f64, bool),
) -> (Vec<f64>, Vec<f64>) {
    let dtype = x.dtype();
    if !dtype.is_half() || parameters.iter().any(|p| p.dtype() != dtype) {
        return (mean.to_vec(), rstd_of(variance.iter().copied(), eps));
    }
    let keep = |x: f64| f64::from(halves::rounded(dtype, x as f32));
    let n = (x.numel() / mean.len().max(1)) as f64;
    let summed = |v: f64| if batch && dtype == DType::BF16 { keep(keep(v * n) / n) } else { v };
    let rstd = rstd_of(variance.iter().map(|v| summed(*v)), eps);
    (mean.iter().copied().map(keep).collect(), rstd.into_iter().map(keep).collect())
}

/// Rounds the statistics of rows that a backward op is given, as [`held`] those of planes; to what, where they are.
fn held_rows<T: Compute>(x: &Src<'_>, weight: &[Src<'_>], statistics: [&mut Cow<'_, [T]>; 2]) -> Option<DType> {
    let dtype = x.dtype();
    let rounds = dtype.is_half() && weight.iter().all(|w| w.dtype() == dtype);
    if rounds {
        statistics.into_iter().for_each(|all| floats::keep_all(dtype, all.to_mut()));
    }
    rounds.then_some(dtype)
}

/// Batch norm in training, and group norm: normalised by their own statistics, which go to the outputs. Batch norm
/// normalises by those that are [`held`].
fn forward_planes<T: Compute>(
    planes: Planes,
    (eps, batch): (f64, bool),
    weight: bool,
    bias: bool,
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
) -> Result<()> {
    let [y, mean, variance] = outputs else { return Ok(()) };
    let x = read::<T>(&inputs[0])?;
    let (w, b) = (given(inputs, 1, weight)?, given(inputs, 1 + weight as usize, bias)?);
    if x.is_empty() {
        // Of no elements nothing is known, whatever the sizes are.
        [mean, variance].into_iter().for_each(|of| of.slice().fill(T::from_f64(f64::NAN)));
        return Ok(());
    }
    let moments = planes.moments(&x);
    let of = (&moments.mean[..], &moments.variance[..]);
    let (means, rstd) = if batch {
        held(&inputs[0], &inputs[1..], of, (eps, batch))
    } else {
        (moments.mean.clone(), rstd_of(moments.variance.iter().copied(), eps))
    };
    mean.slice().iter_mut().zip(&moments.mean).for_each(|(to, m)| *to = T::from_f64(*m));
    variance.slice().iter_mut().zip(&moments.variance).for_each(|(to, v)| *to = T::from_f64(*v));
    write(y, |y| normalise_planes(planes, (&x, y), (&means, &rstd), [w.as_deref(), b.as_deref()]))
}

impl CpuKernel for BatchNorm {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn eval<T: Compute>(op: &BatchNorm, planes: Planes, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let (x, mean, variance) =
                (read::<T>(&inputs[0])?, widened(&read::<T>(&inputs[1])?), read::<T>(&inputs[2])?);
            let (w, b) = (given(inputs, 3, op.weight)?, given(inputs, 3 + op.weight as usize, op.bias)?);
            let rstd = rstd_of(variance.iter().map(|v| v.to_f64()), op.eps);
            write(&mut outputs[0], |y| normalise_planes(planes, (&x, y), (&mean, &rstd), [w.as_deref(), b.as_deref()]))
        }
        by_pixels(1, inputs, outputs, |inputs, outputs, _| {
            let planes = Planes::new(inputs[0].shape(), Over::Batch);
            planes.check_room(Self::NAME)?;
            if self.training {
                compute!(
                    Self::NAME,
                    inputs[0].dtype(),
                    forward_planes(planes, (self.eps, true), self.weight, self.bias, inputs, outputs)
                )
            } else {
                compute!(Self::NAME, inputs[0].dtype(), eval(self, planes, inputs, outputs))
            }
        })
    }
}

impl GroupNorm {
    /// What shares a statistic, of images of `shape`.
    fn over(&self, shape: &[usize]) -> Over {
        Over::Group((shape[1] / self.groups).max(1))
    }
}

impl CpuKernel for GroupNorm {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let planes = Planes::new(inputs[0].shape(), self.over(inputs[0].shape()));
        by_pixels(1, inputs, outputs, |inputs, outputs, pixels| {
            let planes = planes.in_pixels(pixels);
            planes.check_room(Self::NAME)?;
            compute!(
                Self::NAME,
                inputs[0].dtype(),
                forward_planes(planes, (self.eps, false), self.weight, self.bias, inputs, outputs)
            )
        })
    }
}

fn backward_planes<T: Compute>(
    planes: Planes,
    (eps, moving, batch): (f64, bool, bool),
    needs: [bool; 3],
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
) -> Result<()> {
    let (g, x) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?);
    let (mean, variance) = (widened(&read::<T>(&inputs[2])?), widened(&read::<T>(&inputs[3])?));
    let (mean, rstd) = if moving {
        held(&inputs[1], &inputs[4..], (&mean, &variance), (eps, batch))
    } else {
        (mean, rstd_of(variance.into_iter(), eps))
    };
    let weight = given(inputs, 4, true)?;
    with_gradients(needs, outputs, |out| {
        planes.backward([&g, &x], weight.as_deref(), (&mean, &rstd), moving, out);
        Ok(())
    })
}

impl CpuKernel for BatchNormBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        by_pixels(2, inputs, outputs, |inputs, outputs, _| {
            let (planes, how) = (Planes::new(inputs[1].shape(), Over::Batch), (self.of.eps, self.of.training, true));
            planes.check_room(Self::NAME)?;
            compute!(Self::NAME, inputs[1].dtype(), backward_planes(planes, how, self.needs, inputs, outputs))
        })
    }
}

impl CpuKernel for GroupNormBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let planes = Planes::new(inputs[1].shape(), self.of.over(inputs[1].shape()));
        by_pixels(2, inputs, outputs, |inputs, outputs, pixels| {
            let planes = planes.in_pixels(pixels);
            planes.check_room(Self::NAME)?;
            let how = (self.of.eps, true, false);
            compute!(Self::NAME, inputs[1].dtype(), backward_planes(planes, how, self.needs, inputs, outputs))
        })
    }
}
