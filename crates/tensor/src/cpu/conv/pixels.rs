//! Convolutions of images in channels-last order that are computed as the images lie: kernels of one element, which are
//! products of the matrix of pixels by channels, and those that take each channel for itself.

use super::{Dim, Geometry};
use crate::Result;
use crate::cpu::floats::{Compute, read, write};
use crate::cpu::matmul::{Factor, Sizes, products};
use crate::cpu::{Dst, Src, list, par};
use crate::layout::Layout;
use crate::ops::InPixels;
use crate::shape::{Shape, Strides};

/// Blocks that the rows of a weight's gradient are cut into at most.
const BLOCKS: usize = 64;

fn matrix(rows: usize, columns: usize) -> Layout {
    Layout::contiguous(Shape::from_slice(&[rows, columns]))
}

fn turned(rows: usize, columns: usize) -> Layout {
    Layout { shape: Shape::from_slice(&[rows, columns]), strides: Strides::from_slice(&[1, rows]), offset: 0 }
}

/// The output from matrices of pixels, the weight and, where it is given, the bias.
pub(super) fn forward<T: Compute + Factor>(
    g: &Geometry,
    how: InPixels,
    inputs: &[Src<'_>],
    out: &mut Dst<'_>,
) -> Result<()> {
    let (x, w) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?);
    let bias = inputs.get(2).map(read::<T>).transpose()?;
    let features = g.groups * g.features;
    write(out, |y| {
        if let Some(bias) = &bias {
            y.chunks_exact_mut(features.max(1)).for_each(|pixel| pixel.copy_from_slice(bias));
        }
        match how {
            InPixels::Product => {
                let s = Sizes { m: y.len() / features.max(1), n: features, k: g.channels };
                products(s, (&x, &matrix(s.m, s.k)), (&w, &turned(s.k, s.n)), y, bias.is_some());
                Ok(())
            }
            InPixels::Depthwise => {
                if bias.is_none() {
                    y.fill(T::ZERO);
                }
                Reach::new(g, [|d| d.output, |d| d.input], met).add(&x, &by_taps(&w, g.groups)?, y);
                Ok(())
            }
        }
    })?
}

/// The gradient of the input from that of the output and the weight.
pub(super) fn input<T: Compute + Factor>(
    g: &Geometry,
    how: InPixels,
    inputs: &[Src<'_>],
    out: &mut Dst<'_>,
) -> Result<()> {
    let (grad, w) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?);
    write(out, |to| match how {
        InPixels::Product => {
            let s = Sizes { m: to.len() / g.channels.max(1), n: g.channels, k: g.features };
            products(s, (&grad, &matrix(s.m, s.k)), (&w, &matrix(s.k, s.n)), to, false);
            Ok(())
        }
        InPixels::Depthwise => {
            to.fill(T::ZERO);
            let reached = |d: &Dim, to: usize, tap: usize| {
                let steps = (to + d.padding).checked_sub(tap * d.dilation)?;
                Some(steps / d.stride).filter(|from| steps % d.stride == 0 && *from < d.output)
            };
            Reach::new(g, [|d| d.input, |d| d.output], reached).add(&grad, &by_taps(&w, g.groups)?, to);
            Ok(())
        }
    })?
}

/// The gradient of the weight from the input and the gradient of the output.
pub(super) fn weight<T: Compute + Factor>(
    g: &Geometry,
    how: InPixels,
    inputs: &[Src<'_>],
    out: &mut Dst<'_>,
) -> Result<()> {
    let (x, grad) = (read::<T>(&inputs[0])?, read::<T>(&inputs[1])?);
    write(out, |to| match how {
        InPixels::Product => {
            let s = Sizes { m: g.features, n: g.channels, k: grad.len() / g.features.max(1) };
            products(s, (&grad, &turned(s.m, s.k)), (&x, &matrix(s.k, s.n)), to, false);
            Ok(())
        }
        InPixels::Depthwise => Reach::new(g, [|d| d.output, |d| d.input], met).add_products(&x, &grad, to),
    })?
}

/// The place of the input that meets place `to` of the output along `d`, with tap `tap`.
fn met(d: &Dim, to: usize, tap: usize) -> Option<usize> {
    (to * d.stride + tap * d.dilation).checked_sub(d.padding).filter(|from| *from < d.input)
}

/// A depthwise weight `[channels, 1, kernel…]` with the channels of a tap side by side.
fn by_taps<T: Compute>(w: &[T], channels: usize) -> Result<Vec<T>> {
    let taps = w.len() / channels.max(1);
    let mut turned = list(w.len(), T::ZERO)?;
    for (c, w) in w.chunks_exact(taps.max(1)).enumerate() {
        w.iter().enumerate().for_each(|(tap, w)| turned[tap * channels + c] = *w);
    }
    Ok(turned)
}

/// The place that is read for each one that is written and each tap, along each dimension.
struct Reach {
    channels: usize,
    kernel: [usize; 3],
    /// Sizes of what is written, and of what is read.
    to: [usize; 3],
    from: [usize; 3],
    places: [Vec<Option<usize>>; 3],
}

impl Reach {
    fn new(
        g: &Geometry,
        [to, from]: [fn(&Dim) -> usize; 2],
        reached: impl Fn(&Dim, usize, usize) -> Option<usize>,
    ) -> Reach {
        let places = g.dims.each_ref().map(|d| {
            (0..to(d))
                .flat_map(|at| (0..d.kernel).map(move |tap| (at, tap)))
                .map(|(at, tap)| reached(d, at, tap))
                .collect()
        });
        let sizes = |f: fn(&Dim) -> usize| g.dims.each_ref().map(f);
        Reach { channels: g.groups, kernel: sizes(|d| d.kernel), to: sizes(to), from: sizes(from), places }
    }

    /// What is read of dimension `d` for the place `at`: the taps that reach it, and where.
    #[inline(always)]
    fn taps(&self, d: usize, at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let taps = self.places[d][at * self.kernel[d]..][..self.kernel[d]].iter().enumerate();
        taps.filter_map(|(tap, from)| Some((tap, (*from)?)))
    }

    /// Calls `f` with the rows that are read for row `row` of what is written: the number of the first of a row's taps,
    /// and the place of its first pixel. Inlined, as what `f` does is compiled for this machine's registers.
    #[inline(always)]
    fn rows(&self, row: usize, mut f: impl FnMut(usize, usize)) {
        let (y, z, n) = (row % self.to[1], row / self.to[1] % self.to[0], row / self.to[1] / self.to[0]);
        for (a, z) in self.taps(0, z) {
            for (b, y) in self.taps(1, y) {
                let first = (a * self.kernel[1] + b) * self.kernel[2];
                f(first, ((n * self.from[0] + z) * self.from[1] + y) * self.from[2]);
            }
        }
    }

    /// Adds what is read times the weights of its taps, channel by channel.
    fn add<T: Compute>(&self, from: &[T], w: &[T], to: &mut [T]) {
        let (channels, width) = (self.channels, self.to[2]);
        let taps = self.kernel.iter().product::<usize>();
        par::chunks(to, (width * channels).max(1), width * channels * taps, |row, to| {
            par::simd(
                #[inline(always)]
                || {
                    self.rows(
                        row,
                        #[inline(always)]
                        |tap, place| {
                            for x in 0..width {
                                let to = &mut to[x * channels..][..channels];
                                for (k, x) in self.taps(2, x) {
                                    let (w, from) = (
                                        &w[(tap + k) * channels..][..channels],
                                        &from[(place + x) * channels..][..channels],
                                    );
                                    for c in 0..channels {
                                        to[c] += w[c] * from[c];
                                    }
                                }
                            }
                        },
                    );
                },
            );
        });
    }

    /// The weight's gradient `[channels, 1, kernel…]`: sums of what is read times what is written, block by block of rows
    /// joined in order.
    fn add_products<T: Compute>(&self, from: &[T], grad: &[T], out: &mut [T]) -> Result<()> {
        let (channels, width) = (self.channels, self.to[2]);
        let (taps, row) = (self.kernel.iter().product::<usize>(), (width * channels).max(1));
        let rows = grad.len() / row;
        let together = (par::GRAIN / (row * taps).max(1)).max(rows.div_ceil(BLOCKS)).max(1);
        let mut parts = list(rows.div_ceil(together) * taps * channels, T::ZERO)?;
        par::chunks(&mut parts, (taps * channels).max(1), together * row * taps, |block, part| {
            for i in block * together..((block + 1) * together).min(rows) {
                let grad = &grad[i * row..][..row];
                par::simd(
                    #[inline(always)]
                    || {
                        self.rows(
                            i,
                            #[inline(always)]
                            |tap, place| {
                                for (x, grad) in grad.chunks_exact(channels).enumerate() {
                                    for (k, x) in self.taps(2, x) {
                                        let part = &mut part[(tap + k) * channels..][..channels];
                                        let from = &from[(place + x) * channels..][..channels];
                                        for c in 0..channels {
                                            part[c] += from[c] * grad[c];
                                        }
                                    }
                                }
                            },
                        );
                    },
                );
            }
        });
        out.fill(T::ZERO);
        for part in parts.chunks_exact((taps * channels).max(1)) {
            part.iter().enumerate().for_each(|(i, sum)| out[i % channels * taps + i / channels] += *sum);
        }
        Ok(())
    }
}
