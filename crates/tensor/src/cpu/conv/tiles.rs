//! The gradient of a 3×3 weight by the tiles of [`winograd`](super::winograd), the other way round: the source is
//! turned as there, the output's gradient by the transpose of what turns sums into outputs, products are summed over
//! all tiles, and the sums turned by the transpose of what turns the weight.

use super::weights::WeightJob;
use super::window::GridBox;
use super::winograd::{PLACES, row_length, turn_source};
use super::{Scratch, sizes};
use crate::Result;
use crate::cpu::micro::{Real, load, load_tile, numbers_by_panel, store, store_tile};
use pulp::Simd;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Channels of a register tile; the other side is two registers of features.
const ROWS: usize = 6;

impl<T: Real> WeightJob<'_, T> {
    #[inline(always)]
    pub(super) fn tiles<S: Simd>(self, simd: S) -> Result<()> {
        let (g, lanes, width) = (self.g, T::lanes::<S>(), 2 * T::lanes::<S>());
        let panels = g.features.div_ceil(width);
        let most = self.parts.iter().map(GridBox::numel).max().unwrap_or(0) * self.together;
        let widest = self.parts.iter().map(|part| part.len[2]).max().unwrap_or(0);
        let length = row_length(most, lanes);
        let mut window = Scratch::<T>::new("conv", &[self.tables.room()])?;
        let mut source = Scratch::<T>::new("conv", &[PLACES, self.channels.0, length])?;
        let mut turned = Scratch::<T>::new("conv", &[PLACES, panels, most, width])?;
        let mut lines = Scratch::<T>::new("conv", &[2, 2 * widest, width])?;
        let mut sums = Scratch::<T>::new("conv", &[PLACES, self.channels.0.div_ceil(ROWS), panels, ROWS * width])?;
        let off: Vec<u32> = (0..most as u32).collect();
        for task in self.tasks.clone() {
            let (group, channels, samples, to) = self.task(task);
            sums.slice().fill(T::default());
            for n in samples.clone().step_by(self.together) {
                let count = self.together.min(samples.end - n);
                for part in self.parts {
                    let (table, tiles) = (self.tables.of(part, count), count * part.numel());
                    self.fill(table, part.start, n, group, &channels, window.slice());
                    let of = (channels.len(), part.len[2]);
                    turn_source::<S, T>(simd, table, of, window.slice(), source.slice(), length);
                    self.turn_grad::<S>(simd, part, n..n + count, group, lines.slice(), turned.slice());
                    let (source, turned) = (source.slice(), turned.slice());
                    let across = channels.len().div_ceil(ROWS) * panels;
                    for (i, sum) in sums.slice().chunks_exact_mut(ROWS * width).enumerate().take(PLACES * across) {
                        let (place, first, panel) = (i / across, i % across / panels * ROWS, i % panels);
                        let mut at = [source.as_ptr(); ROWS];
                        for m in 0..ROWS {
                            let channel = (first + m).min(channels.len() - 1);
                            at[m] = source[(place * channels.len() + channel) * length..][..tiles].as_ptr();
                        }
                        let numbers = &turned[(place * panels + panel) * tiles * width..][..tiles * width];
                        // SAFETY: each channel has a number for each tile, the panel two registers; the sums are a
                        // tile of `ROWS` rows of two registers.
                        unsafe {
                            let mut tile = load_tile::<S, T, ROWS, 2>(simd, sum.as_ptr(), width);
                            numbers_by_panel::<S, T, ROWS, 2>(simd, &mut tile, numbers.as_ptr(), &off[..tiles], at);
                            store_tile::<S, T, ROWS, 2>(&tile, sum.as_mut_ptr(), width);
                        }
                    }
                }
            }
            if !self.turn_back(sums.slice(), channels.len(), width, to) {
                self.spoilt.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }

    /// A g Aᵀ of each tile g of the output's gradient, `to[place][panel][tile]` of two registers of features, with A of
    /// rows (1, 0), (1, 1), (1, −1), (0, −1). `lines`: memory for two rows of outputs.
    #[inline(always)]
    fn turn_grad<S: Simd>(
        &self,
        simd: S,
        part: &GridBox,
        samples: Range<usize>,
        group: usize,
        lines: &mut [T],
        to: &mut [T],
    ) {
        let (g, lanes, width) = (self.g, T::lanes::<S>(), 2 * T::lanes::<S>());
        let (height, across) = (g.dims[1].output, g.dims[2].output);
        let (panels, tiles) = (g.features.div_ceil(width), samples.len() * part.numel());
        let line = lines.len() / 2;
        let columns = 2 * part.start[2]..across.min(2 * (part.start[2] + part.len[2]));
        for panel in 0..panels {
            let features = panel * width..((panel + 1) * width).min(g.features);
            lines.fill(T::default());
            for line_of_tiles in 0..samples.len() * part.len[1] {
                let (s, y) = (line_of_tiles / part.len[1], line_of_tiles % part.len[1]);
                for h in 0..2 {
                    let (at, line) = (2 * (part.start[1] + y) + h, &mut lines[h * line..(h + 1) * line]);
                    if at >= height {
                        line.fill(T::default());
                        continue;
                    }
                    for (f, feature) in features.clone().enumerate() {
                        let row = &self.grad(samples.start + s, group, feature)[at * across..][columns.clone()];
                        for x in 0..row.len() {
                            line[x * width + f] = row[x];
                        }
                    }
                }
                for x in 0..part.len[2] {
                    let tile = line_of_tiles * part.len[2] + x;
                    for half in [0, lanes] {
                        let mut g = [[T::splat(simd, T::default()); 2]; 2];
                        for (h, w) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                            let from = &lines[h * line + (2 * x + w) * width + half..][..lanes];
                            // SAFETY: as many numbers as a register has.
                            g[h][w] = unsafe { load::<S, T>(from.as_ptr()) };
                        }
                        let (left, right) =
                            (spread::<S, T>(simd, [g[0][0], g[1][0]]), spread::<S, T>(simd, [g[0][1], g[1][1]]));
                        for h in 0..4 {
                            let row = spread::<S, T>(simd, [left[h], right[h]]);
                            for w in 0..4 {
                                let at = (((4 * h + w) * panels + panel) * tiles + tile) * width + half;
                                let to = &mut to[at..][..lanes];
                                // SAFETY: as above.
                                unsafe { store::<S, T>(to.as_mut_ptr(), row[w]) };
                            }
                        }
                    }
                }
            }
        }
    }

    /// Gᵀ u G of the sums u of each feature and channel, with Gᵀ of rows (1, ½, ½, 0), (0, ½, −½, 0), (0, ½, ½, 1), into
    /// the weight's gradient from `to` on. Says whether all are finite.
    fn turn_back(&self, sums: &[T], channels: usize, width: usize, to: usize) -> bool {
        let (g, (_, _, taps)) = (self.g, sizes(self.g));
        let panels = g.features.div_ceil(width);
        let across = channels.div_ceil(ROWS) * panels;
        let mut check = T::default();
        for i in 0..channels * g.features {
            let (c, f) = (i / g.features, i % g.features);
            let at = (c / ROWS * panels + f / width) * ROWS * width + c % ROWS * width + f % width;
            let mut half = [[T::default(); 4]; 3];
            for w in 0..4 {
                let u = |h: usize| sums[(4 * h + w) * across * ROWS * width + at];
                let column = joined([u(0), u(1), u(2), u(3)]);
                for h in 0..3 {
                    half[h][w] = column[h];
                }
            }
            for h in 0..3 {
                let row = joined(half[h]);
                for w in 0..3 {
                    check += row[w] * T::default();
                    // SAFETY: the task's own part of the result.
                    unsafe { *self.sums.at(to + (f * g.channels + c) * taps + 3 * h + w) = row[w] };
                }
            }
        }
        check == T::default()
    }
}

/// Gᵀ u.
#[inline(always)]
fn joined<T: Real>([a, b, c, d]: [T; 4]) -> [T; 3] {
    let (sum, difference) = ((b + c) * T::HALF, (b - c) * T::HALF);
    [a + sum, difference, sum + d]
}

/// A g.
#[inline(always)]
fn spread<S: Simd, T: Real>(simd: S, g: [T::V<S>; 2]) -> [T::V<S>; 4] {
    let zero = T::splat(simd, T::default());
    [g[0], T::plus(simd, g[0], g[1]), T::minus(simd, g[0], g[1]), T::minus(simd, zero, g[1])]
}
