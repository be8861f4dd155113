//! Gradients of `f16` convolutions, rounded where PyTorch's loops round them: what is added up along the taps of the
//! kernel, or along the samples of a batch, is stored as `f16` after each step.
//!
//! Not so `bf16`, which oneDNN computes for PyTorch (on processors with AVX-512) and rounds once.

use super::super::halves::{f16_to_f32, f32_to_f16};
use super::super::matmul::{self, Sizes};
use super::super::par::{self, Shared};
use super::{list, sizes, weights};
use crate::Result;
use crate::layout::Layout;
use crate::ops::{Dim, Geometry};
use crate::shape::Shape;

/// What an `f16` holds of `x`.
#[inline(always)]
fn kept(x: f32) -> f32 {
    f16_to_f32(f32_to_f16(x))
}

/// The outputs whose input at a tap is no padding, and the input of the first one.
fn inside(d: &Dim, tap: usize) -> (usize, usize, usize) {
    let before = d.padding.saturating_sub(tap * d.dilation).div_ceil(d.stride).min(d.output);
    let last = (d.input + d.padding).checked_sub(tap * d.dilation + 1).map_or(0, |i| i / d.stride + 1);
    let count = last.min(d.output).saturating_sub(before);
    (before, count, (before * d.stride + tap * d.dilation).saturating_sub(d.padding))
}

/// The gradient of the input, which is a transposed convolution, too: a product for each tap, rounded, which is added to
/// what the taps before it gave.
pub(super) fn input(g: &Geometry, grad: &[f32], w: &[f32], out: &mut [f32]) -> Result<()> {
    let (inputs, outputs, taps) = sizes(g);
    let (channels, features) = (g.channels, g.features);
    out.fill(0.0);
    if out.is_empty() || grad.is_empty() {
        return Ok(());
    }
    let [_, h, width] = g.dims.map(|d| d.input);
    let [_, rows, columns] = g.dims.map(|d| d.output);
    let [_, kh, kw] = g.dims.map(|d| d.kernel);
    let shape = |rows, columns| Shape::from_slice(&[rows, columns]);
    let turned = Layout { shape: shape(channels, features), strides: shape(taps, channels * taps), offset: 0 };
    let straight = Layout::contiguous(shape(features, outputs));
    let s = Sizes { m: channels, n: outputs, k: features };
    let mut products = list(g.batch * g.groups * channels * outputs, 0.0)?;
    let all_products = Shared::new(products.as_mut_ptr());
    par::chunks(out, channels * inputs, channels * outputs * features * taps, |n, out| {
        let grad = &grad[n * features * outputs..][..features * outputs];
        let w = &w[n % g.groups * features * channels * taps..][..features * channels * taps];
        // SAFETY: each of `batch · groups` tasks has numbers of its own.
        let products = unsafe { all_products.part(n * channels * outputs..(n + 1) * channels * outputs) };
        for tap in 0..taps {
            matmul::products(s, (&w[tap..], &turned), (grad, &straight), products, false);
            let (z, depth, in_z) = inside(&g.dims[0], tap / (kh * kw));
            let (y, height, in_y) = inside(&g.dims[1], tap / kw % kh);
            let (x, wide, in_x) = inside(&g.dims[2], tap % kw);
            if wide == 0 {
                continue;
            }
            let [down, below, step] = g.dims.map(|d| d.stride);
            for (c, k, j) in
                (0..channels).flat_map(|c| (0..depth).flat_map(move |k| (0..height).map(move |j| (c, k, j))))
            {
                let from = &products[((c * g.dims[0].output + z + k) * rows + y + j) * columns + x..][..wide];
                let first = c * inputs + ((in_z + k * down) * h + in_y + j * below) * width + in_x;
                add(&mut out[first..=first + (wide - 1) * step], step, from);
            }
        }
    });
    Ok(())
}

/// `to[i · step] += kept(from[i])`, and that kept.
fn add(to: &mut [f32], step: usize, from: &[f32]) {
    if step == 1 {
        return par::simd(
            #[inline(always)]
            || {
                for (to, x) in to.iter_mut().zip(from) {
                    *to = kept(*to + kept(*x));
                }
            },
        );
    }
    for (to, x) in to.iter_mut().step_by(step).zip(from) {
        *to = kept(*to + kept(*x));
    }
}

/// The gradient of the weight: that of each sample is added to what the samples before it gave, and the sum rounded.
pub(super) fn weight(g: &Geometry, x: &[f32], grad: &[f32], out: &mut [f32]) -> Result<()> {
    let (inputs, outputs, _) = sizes(g);
    let (x_size, grad_size) = (g.groups * g.channels * inputs, g.groups * g.features * outputs);
    let one = Geometry { batch: 1, ..g.clone() };
    let mut own = list(out.len(), 0.0)?;
    out.fill(0.0);
    for n in 0..g.batch {
        weights::run(&one, &x[n * x_size..][..x_size], &grad[n * grad_size..][..grad_size], &mut own)?;
        par::simd(
            #[inline(always)]
            || {
                for (to, x) in out.iter_mut().zip(&own) {
                    *to = kept(*to + *x);
                }
            },
        );
    }
    Ok(())
}
