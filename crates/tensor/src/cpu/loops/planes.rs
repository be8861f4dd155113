//! Statistics and normalisation of channels: the kernels behind batch, group and instance norm.
//!
//! `[samples, channels, …]` is a row of planes, one for each sample and channel. Each plane belongs to one
//! statistic: that of its channel over the batch, or that of its group of channels within the sample. What
//! is summed is summed block by block and joined in a fixed order, in `f64`. Planes of a few elements
//! would be all overhead: there, batch norm goes along the rows of a matrix instead. So does group norm of images in
//! channels-last order, of which each sample is a matrix of pixels by channels.

use super::floats::{Compute, each, each2, sum, sum_of};
use super::par;
use crate::Result;
use std::iter::StepBy;
use std::ops::Range;

/// Elements of one block of sums: it stays in the second-level cache between mean and variance.
const BLOCK: usize = 16 * 1024;
/// Planes smaller than this go by rows, in batch norm.
const SMALL: usize = 16;

/// What shares a statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cpu) enum Over {
    /// a channel, in all samples
    Batch,
    /// so many channels, in one sample
    Group(usize),
}

/// How the tensor divides into planes.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Planes {
    /// How many.
    planes: usize,
    /// Elements of each.
    size: usize,
    channels: usize,
    over: Over,
    /// Do the channels of a pixel lie side by side?
    pixels: bool,
}

/// Mean and variance of each statistic.
#[derive(Debug)]
pub(in crate::cpu) struct Moments {
    pub(in crate::cpu) mean: Vec<f64>,
    pub(in crate::cpu) variance: Vec<f64>,
}

/// The sums that gradients are made of: Σ g and Σ g (x − mean), for each plane (or, where all samples are one set of rows,
/// for each channel).
struct Sums {
    g: Vec<f64>,
    gx: Vec<f64>,
}

/// Which gradients are wanted, and where they go.
pub(in crate::cpu) struct Gradients<'a, T> {
    pub(in crate::cpu) x: Option<&'a mut [T]>,
    pub(in crate::cpu) weight: Option<&'a mut [T]>,
    pub(in crate::cpu) bias: Option<&'a mut [T]>,
}

impl Planes {
    pub(in crate::cpu) fn new(shape: &[usize], over: Over) -> Planes {
        let (planes, size) = (shape[0] * shape[1], shape[2..].iter().product());
        Planes { planes, size, channels: shape[1], over, pixels: false }
    }

    /// With the channels of each pixel side by side in memory, or not.
    pub(in crate::cpu) fn in_pixels(self, pixels: bool) -> Planes {
        Planes { pixels, ..self }
    }

    /// Is it passed as a matrix, row by row? The rows come in [`sets`](Planes::sets), in each of which a column belongs
    /// to one plane.
    fn by_rows(self) -> bool {
        self.pixels || self.over == Over::Batch && self.size < SMALL
    }

    /// Sets of rows: the samples, or one of which each sample is a row.
    fn sets(self) -> usize {
        if self.pixels { self.planes / self.channels.max(1) } else { 1 }
    }

    /// Rows of a set.
    fn rows(self) -> usize {
        if self.pixels { self.size } else { self.planes / self.channels.max(1) }
    }

    /// Columns of a channel.
    fn columns_each(self) -> usize {
        if self.pixels { 1 } else { self.size }
    }

    fn width(self) -> usize {
        self.channels * self.columns_each()
    }

    /// How many statistics there are.
    fn statistics(self) -> usize {
        match self.over {
            Over::Batch => self.channels,
            Over::Group(channels) => self.planes / channels,
        }
    }

    /// The statistic of a plane.
    pub(in crate::cpu) fn statistic(self, plane: usize) -> usize {
        match self.over {
            Over::Batch => plane % self.channels,
            Over::Group(channels) => plane / channels,
        }
    }

    /// The planes of a statistic.
    fn members(self, statistic: usize) -> StepBy<Range<usize>> {
        match self.over {
            Over::Batch => (statistic..self.planes).step_by(self.channels),
            Over::Group(channels) => (statistic * channels..(statistic + 1) * channels).step_by(1),
        }
    }

    /// Elements of a statistic.
    fn count(self) -> f64 {
        (self.planes / self.statistics().max(1) * self.size) as f64
    }

    fn blocks(self) -> usize {
        self.size.div_ceil(BLOCK).max(1)
    }

    /// There must be memory for the statistics of all blocks, which a tensor without elements may have many of.
    pub(in crate::cpu) fn check_room(self, op: &'static str) -> Result<()> {
        let statistics = if self.by_rows() {
            (self.sets() * self.row_blocks()).saturating_mul(self.width())
        } else {
            self.planes.saturating_mul(self.blocks())
        };
        crate::cpu::check_bytes(op, statistics.saturating_mul(3 * size_of::<[f64; 2]>()))
    }

    /// The elements of block `i`, counted through all planes.
    fn block(self, i: usize) -> Range<usize> {
        let (plane, block) = (i / self.blocks(), i % self.blocks());
        let end = ((block + 1) * BLOCK).min(self.size);
        plane * self.size + block * BLOCK..plane * self.size + end
    }

    /// Mean and variance of each statistic.
    pub(in crate::cpu) fn moments<T: Compute>(self, x: &[T]) -> Moments {
        if self.by_rows() {
            return self.moments_by_rows(x);
        }
        let mut parts = vec![[T::ZERO; 2]; self.planes * self.blocks()];
        par::chunks(&mut parts, 1, 2 * self.size.min(BLOCK), |i, part| {
            let x = &x[self.block(i)];
            part[0] = par::simd(
                #[inline(always)]
                || {
                    let mean = sum(x) / T::from_f64(x.len() as f64);
                    [mean, sum_of(x, x, |x, _| (x - mean) * (x - mean))]
                },
            );
        });
        let blocks = self.blocks();
        let joined = (0..self.statistics()).map(|s| {
            let of = self.members(s).flat_map(|p| p * blocks..(p + 1) * blocks);
            join(of.map(|i| (self.block(i).len() as f64, parts[i][0].to_f64(), parts[i][1].to_f64())))
        });
        Moments::from(joined)
    }

    /// `y = x · scale + shift`, both of them for each plane.
    pub(in crate::cpu) fn normalise<T: Compute>(
        self,
        x: &[T],
        y: &mut [T],
        coefficients: impl Fn(usize) -> (f64, f64) + Sync,
    ) {
        if y.is_empty() {
            return;
        }
        if self.by_rows() {
            let (scale, shift): (Vec<T>, Vec<T>) = self.columns(|c| {
                let (scale, shift) = coefficients(c);
                (T::from_f64(scale), T::from_f64(shift))
            });
            let (width, rows) = (self.width(), self.rows());
            par::chunks(y, width, width, |row, y| {
                let (x, set) = (&x[row * width..][..width], row / rows * width);
                let (scale, shift) = (&scale[set..][..width], &shift[set..][..width]);
                par::simd(
                    #[inline(always)]
                    || y.iter_mut().zip(x).zip(scale).zip(shift).for_each(|(((y, x), a), b)| *y = *x * *a + *b),
                );
            });
            return;
        }
        par::chunks(y, self.size, self.size, |plane, y| {
            let (scale, shift) = coefficients(plane);
            let (scale, shift, x) = (T::from_f64(scale), T::from_f64(shift), &x[plane * self.size..][..self.size]);
            par::simd(
                #[inline(always)]
                || each(y, x, |x| x * scale + shift),
            );
        });
    }

    /// The channel of a plane.
    pub(in crate::cpu) fn channel(self, plane: usize) -> usize {
        plane % self.channels
    }

    /// The values of `f` for the plane of each column, set by set.
    fn columns<T>(self, f: impl Fn(usize) -> (T, T)) -> (Vec<T>, Vec<T>) {
        (0..self.sets() * self.width()).map(|i| f(i / self.columns_each())).unzip()
    }

    /// Rows in one block of sums.
    fn rows_together(self) -> usize {
        (par::GRAIN / self.width().max(1)).max(self.rows() / 64).max(1)
    }

    /// Blocks of a set.
    fn row_blocks(self) -> usize {
        self.rows().div_ceil(self.rows_together())
    }

    /// The elements of block `i`, counted through all sets.
    fn row_block(self, i: usize) -> Range<usize> {
        let (width, rows, together) = (self.width(), self.rows(), self.rows_together());
        let (first, block) = (i / self.row_blocks() * rows, i % self.row_blocks());
        (first + block * together) * width..(first + ((block + 1) * together).min(rows)) * width
    }

    /// The planes whose columns are a statistic's: as [`members`](Planes::members), of one set where that is all.
    fn members_of_sets(self, statistic: usize) -> Range<usize> {
        match self.over {
            Over::Batch => statistic..statistic + 1,
            Over::Group(channels) => statistic * channels..(statistic + 1) * channels,
        }
    }

    fn moments_by_rows<T: Compute>(self, x: &[T]) -> Moments {
        let (width, blocks, each) = (self.width(), self.row_blocks(), self.columns_each());
        let mut parts = vec![T::ZERO; self.sets() * blocks * 2 * width];
        par::chunks(&mut parts, 2 * width, 2 * self.rows_together() * width, |i, part| {
            let x = &x[self.row_block(i)];
            let (mean, squares) = part.split_at_mut(width);
            let n = T::from_f64((x.len() / width) as f64);
            par::simd(
                #[inline(always)]
                || {
                    x.chunks_exact(width).for_each(|x| mean.iter_mut().zip(x).for_each(|(m, x)| *m += *x));
                    mean.iter_mut().for_each(|m| *m /= n);
                    for x in x.chunks_exact(width) {
                        squares.iter_mut().zip(x).zip(&*mean).for_each(|((s, x), m)| *s += (*x - *m) * (*x - *m));
                    }
                },
            );
        });
        let joined = (0..self.statistics()).map(|s| {
            // Block by block, the columns of all its planes.
            let planes = self.members_of_sets(s);
            let set = planes.start / self.channels;
            let columns = planes.start % self.channels * each..(planes.start % self.channels + planes.len()) * each;
            let of = (set * blocks..(set + 1) * blocks).flat_map(|b| columns.clone().map(move |column| (b, column)));
            join(of.map(|(b, column)| {
                let n = (self.row_block(b).len() / width) as f64;
                (n, parts[b * 2 * width + column].to_f64(), parts[(b * 2 + 1) * width + column].to_f64())
            }))
        });
        Moments::from(joined)
    }

    /// The gradients of x, weight and bias from that of the output. `moving` is off where mean and variance
    /// do not depend on x.
    pub(in crate::cpu) fn backward<T: Compute>(
        self,
        [g, x]: [&[T]; 2],
        weight: Option<&[T]>,
        (mean, rstd): (&[f64], &[f64]),
        moving: bool,
        out: Gradients<'_, T>,
    ) {
        if x.is_empty() {
            // A sum of nothing, whatever the sizes are.
            [out.weight, out.bias].into_iter().flatten().for_each(|gradient| gradient.fill(T::ZERO));
            return;
        }
        let weight = |c: usize| weight.map_or(1.0, |w| w[c].to_f64());
        if !moving && out.weight.is_none() && out.bias.is_none() {
            if let Some(gx) = out.x {
                self.normalise(g, gx, |p| (weight(self.channel(p)) * rstd[self.statistic(p)], 0.0));
            }
            return;
        }
        let sums = if self.by_rows() { self.sums_by_rows(g, x, mean) } else { self.sums(g, x, mean) };
        if let Some(gw) = out.weight {
            let mut total = vec![0.0; self.channels];
            sums.gx.iter().enumerate().for_each(|(p, s)| total[self.channel(p)] += s * rstd[self.statistic(p)]);
            gw.iter_mut().zip(total).for_each(|(g, t)| *g = T::from_f64(t));
        }
        if let Some(gb) = out.bias {
            let mut total = vec![0.0; self.channels];
            sums.g.iter().enumerate().for_each(|(p, s)| total[self.channel(p)] += s);
            gb.iter_mut().zip(total).for_each(|(g, t)| *g = T::from_f64(t));
        }
        let Some(gx) = out.x else { return };
        if !moving {
            return self.normalise(g, gx, |p| (weight(self.channel(p)) * rstd[self.statistic(p)], 0.0));
        }
        // 1/σ (w g − mean(w g) − (x − mean) / σ² · mean(w g (x − mean)))
        let totals: Vec<(f64, f64)> = (0..self.statistics())
            .map(|s| {
                let add = |t: (f64, f64), p: usize| {
                    let w = weight(self.channel(p));
                    (t.0 + w * sums.g[p], t.1 + w * sums.gx[p])
                };
                let (a, b) = match self.by_rows() {
                    true => self.members_of_sets(s).fold((0.0, 0.0), add),
                    false => self.members(s).fold((0.0, 0.0), add),
                };
                (a / self.count() * rstd[s], b / self.count() * rstd[s] * rstd[s] * rstd[s])
            })
            .collect();
        self.through(g, x, mean, gx, |p| {
            let s = self.statistic(p);
            (weight(self.channel(p)) * rstd[s], totals[s].0, totals[s].1)
        });
    }

    /// `gx = a g − b − c (x − mean)`, with `a, b, c` for each plane.
    fn through<T: Compute>(
        self,
        g: &[T],
        x: &[T],
        mean: &[f64],
        gx: &mut [T],
        coefficients: impl Fn(usize) -> (f64, f64, f64) + Sync,
    ) {
        if self.by_rows() {
            let (width, rows) = (self.width(), self.rows());
            let (scale, shift): (Vec<T>, Vec<T>) =
                self.columns(|p| (T::from_f64(coefficients(p).0), T::from_f64(coefficients(p).1)));
            let (along, mean): (Vec<T>, Vec<T>) =
                self.columns(|p| (T::from_f64(coefficients(p).2), T::from_f64(mean[self.statistic(p)])));
            par::chunks(gx, width, 2 * width, |row, gx| {
                let (g, x, set) = (&g[row * width..][..width], &x[row * width..][..width], row / rows * width);
                par::simd(
                    #[inline(always)]
                    || {
                        let (scale, shift) = (&scale[set..][..width], &shift[set..][..width]);
                        let (along, mean) = (&along[set..][..width], &mean[set..][..width]);
                        for i in 0..width {
                            gx[i] = scale[i] * g[i] - shift[i] - along[i] * (x[i] - mean[i]);
                        }
                    },
                );
            });
            return;
        }
        par::chunks(gx, self.size, 2 * self.size, |plane, gx| {
            let (a, b, c) = coefficients(plane);
            let (a, b, c, mean) =
                (T::from_f64(a), T::from_f64(b), T::from_f64(c), T::from_f64(mean[self.statistic(plane)]));
            let at = plane * self.size..(plane + 1) * self.size;
            let (g, x) = (&g[at.clone()], &x[at]);
            par::simd(
                #[inline(always)]
                || each2(gx, g, x, |g, x| a * g - b - c * (x - mean)),
            );
        });
    }

    fn sums<T: Compute>(self, g: &[T], x: &[T], mean: &[f64]) -> Sums {
        let blocks = self.blocks();
        let mut parts = vec![[T::ZERO; 2]; self.planes * blocks];
        par::chunks(&mut parts, 1, 2 * self.size.min(BLOCK), |i, part| {
            let (g, x, mean) = (&g[self.block(i)], &x[self.block(i)], T::from_f64(mean[self.statistic(i / blocks)]));
            part[0] = par::simd(
                #[inline(always)]
                || [sum(g), sum_of(g, x, |g, x| g * (x - mean))],
            );
        });
        let total = |k: usize| parts.chunks(blocks).map(|p| p.iter().map(|p| p[k].to_f64()).sum()).collect();
        Sums { g: total(0), gx: total(1) }
    }

    /// As [`sums`](Planes::sums), the columns of a channel joined.
    fn sums_by_rows<T: Compute>(self, g: &[T], x: &[T], mean: &[f64]) -> Sums {
        let (width, blocks) = (self.width(), self.row_blocks());
        let (mean, _): (Vec<T>, Vec<T>) = self.columns(|p| (T::from_f64(mean[self.statistic(p)]), T::ZERO));
        let mut parts = vec![T::ZERO; self.sets() * blocks * 2 * width];
        par::chunks(&mut parts, 2 * width, 2 * self.rows_together() * width, |i, part| {
            let (g, x) = (&g[self.row_block(i)], &x[self.row_block(i)]);
            let mean = &mean[i / blocks * width..][..width];
            let (sum, along) = part.split_at_mut(width);
            par::simd(
                #[inline(always)]
                || {
                    for (g, x) in g.chunks_exact(width).zip(x.chunks_exact(width)) {
                        sum.iter_mut().zip(g).for_each(|(s, g)| *s += *g);
                        along.iter_mut().zip(g).zip(x).zip(mean).for_each(|(((s, g), x), m)| *s += *g * (*x - *m));
                    }
                },
            );
        });
        let total = |k: usize| {
            let mut total = vec![0.0; self.sets() * self.channels];
            for (i, part) in parts.chunks_exact(2 * width).enumerate() {
                let total = &mut total[i / blocks * self.channels..][..self.channels];
                let columns = part[k * width..(k + 1) * width].iter().enumerate();
                columns.for_each(|(i, s)| total[i / self.columns_each()] += s.to_f64());
            }
            total
        };
        Sums { g: total(0), gx: total(1) }
    }
}

/// Mean and variance of what consists of parts of known count, mean and sum of squares about their mean
/// (Chan, Golub and LeVeque 1979).
fn join(parts: impl Iterator<Item = (f64, f64, f64)> + Clone) -> (f64, f64) {
    let (count, total) = parts.clone().fold((0.0, 0.0), |t, p| (t.0 + p.0, t.1 + p.0 * p.1));
    let mean = total / count;
    let squares: f64 = parts.map(|(n, m, s)| s + n * (m - mean) * (m - mean)).sum();
    (mean, squares / count)
}

impl Moments {
    fn from(joined: impl Iterator<Item = (f64, f64)>) -> Moments {
        let (mean, variance) = joined.unzip();
        Moments { mean, variance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn moments_over_blocks_rows_and_groups() {
        // Planes of more than one block, of one, and by rows with a last block that is not full.
        for (shape, over) in [
            ([2, 2, BLOCK + 9], Over::Batch),
            ([3, 2, 20], Over::Batch),
            ([9000, 3, 2], Over::Batch),
            ([2, 6, 5], Over::Group(3)),
            ([2, 6, 5], Over::Group(1)),
            ([2, 8, 9000], Over::Group(2)),
        ] {
            let planes = Planes::new(&shape, over);
            let x: Vec<f64> =
                (0..shape.iter().product::<usize>()).map(|i| ((i * 7919) % 1000) as f64 / 10.0 + 1e3).collect();
            let found = planes.moments(&x);
            assert_eq!(found.mean.len(), planes.statistics());
            for s in 0..planes.statistics() {
                let of: Vec<f64> =
                    planes.members(s).flat_map(|p| x[p * shape[2]..(p + 1) * shape[2]].to_vec()).collect();
                let (mean, variance) = direct(&of);
                assert!(
                    (found.mean[s] - mean).abs() < 1e-9 && (found.variance[s] - variance).abs() < 1e-9 * variance,
                    "{shape:?} {over:?}"
                );
            }
            if let Over::Group(_) = over {
                // The same numbers, the channels of a pixel side by side.
                let [n, c, size] = shape;
                let turned: Vec<f64> =
                    (0..x.len()).map(|i| x[(i / (c * size) * c + i % c) * size + i / c % size]).collect();
                let in_pixels = planes.in_pixels(true).moments(&turned);
                let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9 * b.abs());
                assert!(
                    near(&in_pixels.mean, &found.mean) && near(&in_pixels.variance, &found.variance),
                    "{n} {over:?}"
                );
            }
        }
    }
}
