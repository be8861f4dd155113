//! Kernels of 3×3 elements at stride one by Winograd's F(2×2, 3×3) (Lavin and Gray, "Fast Algorithms for Convolutional
//! Neural Networks", 2016): 16 products instead of 36 for four outputs of a channel.
//!
//! A tile is four outputs, which read 4×4 numbers of a channel. Those, the kernel and the sums are each turned by
//! small matrices of 0, ±1 and ½, and between these turns there are 16 products of matrices, one for each place in a
//! tile: features by channels, and channels by tiles. A task takes a box of tiles through all of it, so that what lies
//! in between stays in cache. Sums of small numbers err as the direct method's do; what is infinite or not a number
//! would spread over a tile, and is left to the direct method.

use super::gather::Gather;
use super::window::{self, Axis, BoxTable, BoxTables, GridBox, boxes};
use super::{Scratch, lanes_of};
use crate::Result;
use crate::cpu::micro::{Real, full, load, rows_by_lanes, store, store_tile};
use crate::cpu::par::{self, Shared};
use pulp::{Simd, WithSimd};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Places in a tile of the source.
pub(super) const PLACES: usize = 16;
/// Rows of a panel of the weight: with two registers of tiles they make a register tile.
const ROWS: usize = 6;
/// Channels, and rows of the weight, from which turning tiles costs less than it saves.
const DEEP: usize = 16;
/// Tiles of a box at least, or the weight is read too often,
const TILES: usize = 96;
/// and numbers of a box's turned source at most, if its tiles are more than that.
const NUMBERS: usize = 128 << 10;
/// Numbers of the turned weight at most: a larger one is read from too far for what few tiles it meets.
const WEIGHT: usize = 1 << 20;
/// Tasks that there should be at least.
const TASKS: usize = 4;

/// What tiles of 2×2 outputs read along each axis, where the method applies and pays for so many channels and features.
pub(super) fn tiles(axes: &[Axis; 3], batch: usize, channels: usize, features: usize) -> Option<[Axis; 3]> {
    let [depth, height, width] = axes;
    let tiles = [depth.clone(), height.tiles()?, width.tiles()?];
    let count = batch * tiles[1].grid * tiles[2].grid;
    // Half of the tiles at the border of an odd grid is computed for nothing.
    let used = 5 * height.grid * width.grid >= 3 * 4 * tiles[1].grid * tiles[2].grid;
    let flat = depth.is_plain() && depth.grid == 1;
    let deep = channels >= DEEP && features >= DEEP && PLACES * channels * features <= WEIGHT;
    (flat && used && deep && count >= TILES).then_some(tiles)
}

/// Boxes of a grid of tiles, about equal, and how many samples are taken together, `most` at most; of so many channels.
pub(super) fn cut(grid: [usize; 3], channels: usize, most: usize) -> (Vec<GridBox>, usize) {
    let wanted = (NUMBERS / (PLACES * channels)).max(TILES);
    let even = |size: usize, most: usize| size.div_ceil(size.div_ceil(most));
    let parts = boxes(grid, [1, even(grid[1], (wanted / grid[2]).max(1)), even(grid[2], wanted)]);
    let samples = if parts.len() == 1 { (wanted / (grid[1] * grid[2])).clamp(1, most) } else { 1 };
    (parts, samples)
}

struct WinogradJob<'a, T> {
    g: &'a Gather<'a, T>,
    axes: &'a [Axis; 3],
    /// For each group and panel of rows, each place and each channel: `ROWS` numbers.
    panels: &'a [T],
    /// Panels of a group, and how many tasks share them.
    count: usize,
    splits: usize,
    parts: &'a [GridBox],
    tables: &'a BoxTables<()>,
    samples: usize,
    out: &'a Shared<T>,
    /// Set where a sum is no finite number.
    spoilt: &'a AtomicBool,
    tasks: Range<usize>,
}

/// Runs the gathering into `out` if the method applies, pays, and gives finite numbers; or says that it did not.
///
/// # Errors
/// Where the system has no memory for it.
pub(super) fn run<T: Real>(g: &Gather<'_, T>, out: &mut [T]) -> Result<bool> {
    let axes = if g.place.steps[2] == 1 { tiles(&g.axes, g.batch, g.channels, g.rows) } else { None };
    let Some(axes) = axes else { return Ok(false) };
    let (parts, samples) = cut(axes.each_ref().map(|axis| axis.grid), g.channels, g.batch.div_ceil(TASKS));
    let lanes = lanes_of::<T>();
    let sizes = window::Sizes { channels: g.channels, lanes, unit: lanes };
    let tables = BoxTables::new(&axes, &sizes, &parts, &[samples, g.batch % samples], |_, _| ())?;
    let count = g.rows.div_ceil(ROWS);
    let boxes = g.batch.div_ceil(samples) * g.groups * parts.len();
    let splits = TASKS.div_ceil(boxes).clamp(1, count);
    let mut panels = Scratch::new("conv", &[g.groups, count, PLACES, g.channels, ROWS])?;
    turn_weight(g, count, panels.slice());
    let panels = &*panels.slice();
    let (out, spoilt) = (Shared::new(out.as_mut_ptr()), AtomicBool::new(false));
    par::try_ranges(boxes * splits, 1, |tasks| {
        let (axes, parts, tables) = (&axes, &parts[..], &tables);
        let (out, spoilt) = (&out, &spoilt);
        par::dispatch(WinogradJob { g, axes, panels, count, splits, parts, tables, samples, out, spoilt, tasks })
    })?;
    Ok(!spoilt.into_inner())
}

/// The weight turned, G g Gᵀ with G of rows (1, 0, 0), (½, ½, ½), (½, −½, ½), (0, 0, 1), in panels.
fn turn_weight<T: Real>(g: &Gather<'_, T>, count: usize, to: &mut [T]) {
    let [step_g, step_r, step_c] = g.weight_steps;
    // Taps in the order of what they read.
    let (rows, columns) = (g.axes[1].in_order(), g.axes[2].in_order());
    let mut taps = [[0; 3]; 3];
    for h in 0..3 {
        for w in 0..3 {
            taps[h][w] = rows[h] * g.kernel[2] + columns[w];
        }
    }
    let size = PLACES * g.channels * ROWS;
    par::chunks(to, size, size, |i, panel| {
        let (group, first) = (i / count, i % count * ROWS);
        for r in 0..ROWS.min(g.rows - first) {
            for c in 0..g.channels {
                let kernel = &g.weight[group * step_g + (first + r) * step_r + c * step_c..];
                let mut half = [[T::default(); 4]; 3];
                for h in 0..3 {
                    half[h] = halved([kernel[taps[h][0]], kernel[taps[h][1]], kernel[taps[h][2]]]);
                }
                for w in 0..4 {
                    let column = halved([half[0][w], half[1][w], half[2][w]]);
                    for h in 0..4 {
                        panel[((4 * h + w) * g.channels + c) * ROWS + r] = column[h];
                    }
                }
            }
        }
    });
}

/// G g.
#[inline(always)]
fn halved<T: Real>([a, b, c]: [T; 3]) -> [T; 4] {
    let (sum, middle) = ((a + c) * T::HALF, b * T::HALF);
    [a, sum + middle, sum - middle, c]
}

/// From one row of tiles to the next: room for a register behind the last tile and for whole register tiles, and an
/// odd number of cache lines, or rows would share the same few sets of the cache.
pub(super) fn row_length(tiles: usize, lanes: usize) -> usize {
    let lines = (tiles.next_multiple_of(2 * lanes) + lanes).div_ceil(16);
    16 * (lines | 1)
}

/// What one task computes: some tiles, of some samples, and the rows of some panels.
struct Task {
    part: GridBox,
    samples: Range<usize>,
    group: usize,
    panels: Range<usize>,
}

impl<T: Real> WithSimd for WinogradJob<'_, T> {
    type Output = Result<()>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        let (g, lanes) = (self.g, T::lanes::<S>());
        let most = self.parts.iter().map(GridBox::numel).max().unwrap_or(0) * self.samples;
        let widest = self.parts.iter().map(|part| part.len[2]).max().unwrap_or(0);
        let length = row_length(most, lanes);
        let panels = self.count.div_ceil(self.splits);
        let mut window = Scratch::<T>::new("conv", &[self.tables.room()])?;
        let mut source = Scratch::<T>::new("conv", &[PLACES, g.channels, length])?;
        let mut sums = Scratch::<T>::new("conv", &[PLACES, panels * ROWS, length])?;
        let mut lines = Scratch::<T>::new("conv", &[4, widest + lanes])?;
        let off: Vec<u32> = (0..g.channels).map(|c| (c * length) as u32).collect();
        for task in self.tasks.clone() {
            let (split, rest) = (task % self.splits, task / self.splits);
            let (part, rest) = (self.parts[rest % self.parts.len()], rest / self.parts.len());
            let (group, n) = (rest % g.groups, rest / g.groups * self.samples);
            let samples = self.samples.min(g.batch - n);
            let tiles = samples * part.numel();
            let panels = split * self.count / self.splits..(split + 1) * self.count / self.splits;
            self.fill(&part, n..n + samples, group, window.slice());
            let (table, of) = (self.tables.of(&part, samples), (g.channels, part.len[2]));
            turn_source::<S, T>(simd, table, of, window.slice(), source.slice(), length);
            // A register tile's sources stay in the first-level cache while all rows of the weight pass.
            for i in 0..PLACES * tiles.div_ceil(2 * lanes) {
                let across = tiles.div_ceil(2 * lanes);
                let (place, tile) = (i / across, i % across * 2 * lanes);
                let source = &source.slice()[place * g.channels * length..][..g.channels * length];
                let at = [source[tile..].as_ptr(), source[tile + lanes..].as_ptr()];
                for panel in panels.clone() {
                    let numbers = &self.panels[((group * self.count + panel) * PLACES + place) * g.channels * ROWS..];
                    let row = (place * panels.len() + panel - panels.start) * ROWS;
                    let sums = &mut sums.slice()[row * length..][..ROWS * length];
                    let mut acc = full::<S, T, ROWS, 2>(simd, T::default());
                    // SAFETY: the panel has `ROWS` numbers for each channel; rows of source and sums have room for
                    // two registers at each `tile` (`row_length`).
                    unsafe {
                        rows_by_lanes::<S, T, ROWS, 2>(simd, &mut acc, numbers.as_ptr(), &off, at);
                        store_tile::<S, T, ROWS, 2>(&acc, sums[tile..].as_mut_ptr(), length);
                    }
                }
            }
            let task = Task { part, samples: n..n + samples, group, panels };
            if !self.turn_sums::<S>(simd, &task, (sums.slice(), length), lines.slice()) {
                self.spoilt.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }
}

impl<T: Real> WinogradJob<'_, T> {
    fn fill(&self, part: &GridBox, samples: Range<usize>, group: usize, window: &mut [T]) {
        let g = self.g;
        let size: usize = g.axes.iter().map(|a| a.source).product();
        let source = |s: usize| {
            let first = ((samples.start + s) * g.groups + group) * g.channels;
            &g.source[first * size..(first + g.channels) * size]
        };
        self.tables.of(part, samples.len()).fill(self.axes, part.start, source, window);
    }

    /// Aᵀ m A of each tile m, with Aᵀ of rows (1, 1, 1, 0), (0, 1, −1, −1), and the bias: into the output. Says
    /// whether all are finite.
    #[inline(always)]
    fn turn_sums<S: Simd>(&self, simd: S, task: &Task, (sums, length): (&[T], usize), lines: &mut [T]) -> bool {
        let (g, lanes) = (self.g, T::lanes::<S>());
        let Task { part, samples, group, panels } = task;
        let [_, height, width] = g.axes.each_ref().map(|axis| axis.grid);
        let width = width.min(2 * (part.start[2] + part.len[2])) - 2 * part.start[2];
        let (zero, rows) = (T::splat(simd, T::default()), panels.len() * ROWS);
        let line = lines.len() / 4;
        let mut check = zero;
        for row in 0..rows.min(g.rows - panels.start * ROWS) {
            let feature = panels.start * ROWS + row;
            let bias = T::splat(simd, g.bias.map_or(T::default(), |bias| bias[group * g.rows + feature]));
            for line_of_tiles in 0..samples.len() * part.len[1] {
                let (s, y) = (line_of_tiles / part.len[1], line_of_tiles % part.len[1]);
                for x in (0..part.len[2]).step_by(lanes) {
                    let tile = line_of_tiles * part.len[2] + x;
                    let mut m = [[zero; 4]; 4];
                    for place in 0..PLACES {
                        let from = &sums[(place * rows + row) * length + tile..][..lanes];
                        // SAFETY: as many numbers as a register has.
                        m[place / 4][place % 4] = unsafe { load::<S, T>(from.as_ptr()) };
                    }
                    let mut half = [[zero; 4]; 2];
                    for w in 0..4 {
                        let column = summed::<S, T>(simd, [m[0][w], m[1][w], m[2][w], m[3][w]]);
                        (half[0][w], half[1][w]) = (column[0], column[1]);
                    }
                    for h in 0..2 {
                        let sums = summed::<S, T>(simd, half[h]);
                        for w in 0..2 {
                            let to = &mut lines[(2 * h + w) * line + x..][..lanes];
                            // SAFETY: as above.
                            unsafe { store::<S, T>(to.as_mut_ptr(), T::plus(simd, sums[w], bias)) };
                        }
                    }
                }
                let place = &g.place;
                let first = place.base
                    + (samples.start + s) * place.batch
                    + (group * g.rows + feature) * place.row
                    + 2 * part.start[2] * place.steps[2];
                for h in 0..2 {
                    let at = 2 * (part.start[1] + y) + h;
                    if at >= height {
                        continue;
                    }
                    let (even, odd) =
                        (&lines[2 * h * line..][..part.len[2]], &lines[(2 * h + 1) * line..][..part.len[2]]);
                    let start = first + at * place.steps[1];
                    // SAFETY: a row of the output, which this task alone writes.
                    let to = unsafe { self.out.part(start..start + width) };
                    let pairs = to.len() / 2;
                    for i in 0..pairs {
                        to[2 * i] = even[i];
                        to[2 * i + 1] = odd[i];
                    }
                    if to.len() % 2 == 1 {
                        to[2 * pairs] = even[pairs];
                    }
                }
                // What is not finite times zero is not zero.
                for x in (0..part.len[2] / lanes * lanes).step_by(lanes) {
                    for i in 0..4 {
                        // SAFETY: as above.
                        let y = unsafe { load::<S, T>(lines[i * line + x..][..lanes].as_ptr()) };
                        check = T::mul_add(simd, y, zero, check);
                    }
                }
                for x in part.len[2] / lanes * lanes..part.len[2] {
                    for i in 0..4 {
                        let y = T::splat(simd, lines[i * line + x]);
                        check = T::mul_add(simd, y, zero, check);
                    }
                }
            }
        }
        T::sum(simd, check) == T::default()
    }
}

/// Bᵀ d B of each tile d of a window's first channels, `to[place][channel][tile]`, with Bᵀ of rows (1, 0, −1, 0),
/// (0, 1, 1, 0), (0, −1, 1, 0), (0, 1, 0, −1). There are `across` tiles in a row, and `length` numbers from one channel
/// to the next.
#[inline(always)]
pub(super) fn turn_source<S: Simd, T: Real>(
    simd: S,
    table: &BoxTable<()>,
    (channels, across): (usize, usize),
    window: &[T],
    to: &mut [T],
    length: usize,
) {
    let lanes = T::lanes::<S>();
    let units = across.div_ceil(lanes);
    for (channel, taps) in table.taps.chunks_exact(PLACES).enumerate().take(channels) {
        let to = &mut to[channel * length..];
        for (i, unit) in table.units.iter().enumerate() {
            // The last register of a row of tiles reaches into the next row's, which is written after it.
            let tile = i / units * across + i % units * lanes;
            let mut d = [[T::splat(simd, T::default()); 4]; 4];
            for h in 0..4 {
                let mut row = [T::splat(simd, T::default()); 4];
                for w in 0..4 {
                    let from = &window[taps[4 * h + w] as usize + *unit as usize..][..lanes];
                    // SAFETY: as many numbers as a register has.
                    row[w] = unsafe { load::<S, T>(from.as_ptr()) };
                }
                d[h] = turned::<S, T>(simd, row);
            }
            for w in 0..4 {
                let column = turned::<S, T>(simd, [d[0][w], d[1][w], d[2][w], d[3][w]]);
                for h in 0..4 {
                    let to = &mut to[(4 * h + w) * channels * length + tile..][..lanes];
                    // SAFETY: as above.
                    unsafe { store::<S, T>(to.as_mut_ptr(), column[h]) };
                }
            }
        }
    }
}

/// Bᵀ d.
#[inline(always)]
fn turned<S: Simd, T: Real>(simd: S, d: [T::V<S>; 4]) -> [T::V<S>; 4] {
    [T::minus(simd, d[0], d[2]), T::plus(simd, d[1], d[2]), T::minus(simd, d[2], d[1]), T::minus(simd, d[1], d[3])]
}

/// Aᵀ m.
#[inline(always)]
fn summed<S: Simd, T: Real>(simd: S, m: [T::V<S>; 4]) -> [T::V<S>; 2] {
    let (sum, difference) = (T::plus(simd, m[1], m[2]), T::minus(simd, m[1], m[2]));
    [T::plus(simd, m[0], sum), T::minus(simd, difference, m[3])]
}
