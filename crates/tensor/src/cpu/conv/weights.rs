//! The gradient of the weight: for each output channel and each tap, products summed over all outputs of
//! all samples.
//!
//! Two register tiles serve: taps by neighbouring output channels, for which the output's gradient is
//! transposed into panels; and, where the weight is small, output channels by taps with registers along
//! the outputs, which are summed over their lanes at the end. Kernels of 3×3 elements go by tiles (`tiles`). Tasks take parts of the samples and of the
//! channels by shape alone; their sums are added in order.

use super::window::{self, Axis, BoxTable, BoxTables, GridBox, Window, boxes, forward};
use super::{Scratch, TASK, lanes_of, sizes, winograd};
use crate::Result;
use crate::cpu::list;
use crate::cpu::matmul::{Factor, Matrix, Sizes, Target};
use crate::cpu::micro::{Real, lanes_by_lanes, load, load_tile, numbers_by_panel, starts, store_tile};
use crate::cpu::par::{self, Shared};
use crate::ops::Geometry;
use pulp::{Simd, WithSimd};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Tasks that the work is cut into at most.
const TASKS: usize = 16;
/// Bytes that partial sums may take together.
const PARTIAL: usize = 8 << 20;
/// Outputs that a box has at most.
const OUTPUTS: usize = 256;
/// Bytes of a window, at most.
const WINDOW: usize = 192 << 10;
/// Outputs of a sample from which a kernel of one element is a matrix product.
const PLAIN: usize = 32;
/// Taps of all channels from which transposing pays.
const DEEP: usize = 64;

/// A register tile's shape.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Six taps by two registers of output channels.
    Panel,
    /// Three output channels by three taps.
    Lanes,
    /// One output channel by nine taps.
    Single,
    /// Winograd's tiles of 2×2 outputs.
    Tiles,
}

pub(super) struct WeightJob<'a, T> {
    pub(super) g: &'a Geometry,
    /// Of the outputs, or of the tiles.
    pub(super) axes: &'a [Axis; 3],
    x: &'a [T],
    grad: &'a [T],
    shape: Shape,
    pub(super) parts: &'a [GridBox],
    pub(super) tables: &'a BoxTables<()>,
    /// Channels of a chunk, and chunks.
    pub(super) channels: (usize, usize),
    /// Samples of a chunk, and chunks.
    samples: (usize, usize),
    /// Samples that are taken together.
    pub(super) together: usize,
    /// Set by tiles where a sum is no finite number.
    pub(super) spoilt: &'a AtomicBool,
    /// `[sample chunk][group, feature, channel, tap]`.
    pub(super) sums: &'a Shared<T>,
    pub(super) tasks: Range<usize>,
}

/// The gradient of the weight into `out`.
///
/// # Errors
/// Where the system has no memory for it.
pub(super) fn run<T: Real + Factor>(g: &Geometry, x: &[T], grad: &[T], out: &mut [T]) -> Result<()> {
    let axes = forward(g);
    let (_, _, taps) = sizes(g);
    if out.is_empty() || grad.is_empty() {
        out.fill(T::default());
        return Ok(());
    }
    if let Some(tiles) = winograd::tiles(&axes, g.batch, g.channels, g.features) {
        if run_shape(g, &tiles, Shape::Tiles, x, grad, out)? {
            return Ok(());
        }
    }
    let lanes = lanes_of::<T>();
    let shape = match (g.channels * taps >= DEEP && g.features >= lanes, g.features) {
        (true, _) => Shape::Panel,
        (false, 1) => Shape::Single,
        (false, _) => Shape::Lanes,
    };
    run_shape(g, &axes, shape, x, grad, out).map(|_| ())
}

/// [`run`] by tiles of one shape. Says whether what came out is good.
fn run_shape<T: Real + Factor>(
    g: &Geometry,
    axes: &[Axis; 3],
    shape: Shape,
    x: &[T],
    grad: &[T],
    out: &mut [T],
) -> Result<bool> {
    let (lanes, (_, outputs, taps)) = (lanes_of::<T>(), sizes(g));
    let work = (g.batch * outputs * g.features).saturating_mul(g.channels * taps);
    let wanted = TASKS.div_ceil(g.groups).min((work / TASK).max(1));
    let (sample_chunks, channel_chunks) =
        split(g, wanted, grad.len() / g.groups, out.len() / g.groups, size_of_val(out));
    let samples = g.batch.div_ceil(sample_chunks);
    let channels = g.channels.div_ceil(channel_chunks);
    let (sample_chunks, channel_chunks) = (g.batch.div_ceil(samples), g.channels.div_ceil(channels));
    let grid: [usize; 3] = std::array::from_fn(|i| axes[i].grid);
    let (parts, together) = match shape {
        Shape::Tiles => winograd::cut(grid, channels, samples),
        _ => cut::<T>(axes, grid, (channels, samples), lanes),
    };
    let unit = if shape == Shape::Panel { 1 } else { lanes };
    // Chunks of samples, the last one of them short, are taken `together` at a time.
    let counts = [together, samples % together, (g.batch % samples) % together];
    let tables = BoxTables::new(axes, &window::Sizes { channels, lanes, unit }, &parts, &counts, |_, _| ())?;
    let size = out.len();
    let mut partial = list(if sample_chunks > 1 { size * sample_chunks } else { 0 }, T::default())?;
    let sums = Shared::new(if sample_chunks > 1 { partial.as_mut_ptr() } else { out.as_mut_ptr() });
    let plain = shape == Shape::Panel && outputs >= PLAIN && axes.iter().all(Axis::is_plain);
    let (tasks, spoilt) = (g.groups * channel_chunks * sample_chunks, AtomicBool::new(false));
    par::try_ranges(tasks, (TASK * tasks / work.max(1)).max(1), |tasks| {
        let (channels, samples) = ((channels, channel_chunks), (samples, sample_chunks));
        let (parts, tables, sums, spoilt) = (&parts[..], &tables, &sums, &spoilt);
        let job =
            WeightJob { g, axes, x, grad, shape, parts, tables, channels, samples, together, spoilt, sums, tasks };
        if plain {
            job.products();
            return Ok(());
        }
        par::dispatch(job)
    })?;
    if sample_chunks > 1 {
        par::chunks(out, par::GRAIN / sample_chunks, par::GRAIN, |i, to| {
            let start = i * (par::GRAIN / sample_chunks);
            to.copy_from_slice(&partial[start..start + to.len()]);
            for chunk in 1..sample_chunks {
                let from = &partial[chunk * size + start..][..to.len()];
                par::simd(|| to.iter_mut().zip(from).for_each(|(sum, x)| *sum += *x));
            }
        });
    }
    Ok(!spoilt.into_inner())
}

/// How many chunks of samples and of channels make about `wanted` tasks at the least cost: each chunk of
/// channels turns the gradient's `grad` numbers once more, each chunk of samples clears, fills and adds `out`
/// more sums (both of a group; `bytes`: of all groups' sums).
fn split(g: &Geometry, wanted: usize, grad: usize, out: usize, bytes: usize) -> (usize, usize) {
    let (_, _, taps) = sizes(g);
    let most = wanted.min(g.batch).min((PARTIAL / bytes).max(1));
    let channels = |samples: usize| wanted.div_ceil(samples).min((g.channels * taps / DEEP).max(1)).min(g.channels);
    let all = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < most).chain([most]);
    all.map(|samples| (samples, channels(samples)))
        // With fewer tasks threads stand idle.
        .filter(|(samples, channels)| *samples == most || 2 * samples * channels > wanted)
        .min_by_key(|(samples, channels)| channels * grad + 3 * samples * out)
        .unwrap_or((1, 1))
}

/// Boxes of outputs, and how many of so many samples are taken together.
fn cut<T>(
    axes: &[Axis; 3],
    grid: [usize; 3],
    (channels, samples): (usize, usize),
    lanes: usize,
) -> (Vec<GridBox>, usize) {
    let parts = boxes(grid, box_len::<T>(axes, grid, channels, lanes));
    let together = match &parts[..] {
        [whole] => {
            let bytes = Window::bytes::<T>(axes, whole.len, lanes, channels);
            (OUTPUTS / whole.numel()).min(WINDOW / bytes).clamp(1, samples)
        }
        _ => 1,
    };
    (parts, together)
}

fn box_len<T>(axes: &[Axis; 3], grid: [usize; 3], channels: usize, lanes: usize) -> [usize; 3] {
    let bytes = |len: [usize; 3]| Window::bytes::<T>(axes, len, lanes, channels);
    let mut len = grid;
    for axis in 0..3 {
        let unit = if axis == 2 { 4 * lanes } else { 1 };
        while len[axis] > unit && (len.iter().product::<usize>() > OUTPUTS || bytes(len) > WINDOW) {
            len[axis] = len[axis].div_ceil(2).next_multiple_of(unit);
        }
    }
    len
}

impl<T: Real> WithSimd for WeightJob<'_, T> {
    type Output = Result<()>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        match self.shape {
            Shape::Panel => self.panels::<S>(simd),
            Shape::Lanes => self.lanes::<S, 3, 3>(simd),
            Shape::Single => self.lanes::<S, 1, 9>(simd),
            Shape::Tiles => self.tiles::<S>(simd),
        }
    }
}

impl<T: Real + Factor> WeightJob<'_, T> {
    /// Of a kernel of one element: products of the output's gradient and the input, transposed.
    fn products(self) {
        let (g, (outputs, _, _)) = (self.g, sizes(self.g));
        for task in self.tasks.clone() {
            let (group, channels, samples, to) = self.task(task);
            for n in samples.clone() {
                let grad = &self.grad[(n * g.groups + group) * g.features * outputs..];
                let x = &self.x[((n * g.groups + group) * g.channels + channels.start) * outputs..];
                let s = Sizes { m: g.features, n: channels.len(), k: outputs };
                let (a, b) = (
                    Matrix { ptr: grad.as_ptr(), row: outputs, column: 1 },
                    Matrix { ptr: x.as_ptr(), row: 1, column: outputs },
                );
                let to = Target { ptr: self.sums.at(to), row: g.channels, add: n > samples.start };
                // SAFETY: both are a sample's channels, rows of `outputs`; the sums are the task's own.
                unsafe { T::product(s, a, b, to) };
            }
        }
    }
}

impl<T: Real> WeightJob<'_, T> {
    /// Group, channels and samples of a task, and where its sums go.
    pub(super) fn task(&self, task: usize) -> (usize, Range<usize>, Range<usize>, usize) {
        let (chunk, rest) = (task % self.samples.1, task / self.samples.1);
        let (part, group) = (rest % self.channels.1, rest / self.channels.1);
        let range = |i: usize, size: usize, n: usize| (i * size).min(n)..((i + 1) * size).min(n);
        let (_, _, taps) = sizes(self.g);
        let row = self.g.channels * taps;
        let channels = range(part, self.channels.0, self.g.channels);
        let to = (chunk * self.g.groups + group) * self.g.features * row + channels.start * taps;
        (group, channels, range(chunk, self.samples.0, self.g.batch), to)
    }

    pub(super) fn fill(
        &self,
        table: &BoxTable<()>,
        start: [usize; 3],
        n: usize,
        group: usize,
        channels: &Range<usize>,
        to: &mut [T],
    ) {
        let (inputs, _, _) = sizes(self.g);
        let source = |s: usize| {
            let first = ((n + s) * self.g.groups + group) * self.g.channels;
            &self.x[(first + channels.start) * inputs..(first + channels.end) * inputs]
        };
        table.fill(self.axes, start, source, to);
    }

    /// Rows of a channel of the output's gradient in a box: how many outputs of the box come before, where the
    /// row is in the channel, and its length. Rows that lie one behind the other are `merged` into one.
    fn rows(&self, part: &GridBox, merged: bool) -> SmallVec<[(usize, usize, usize); 16]> {
        let (len, grid) = (part.len, self.axes.each_ref().map(|a| a.grid));
        let together = match merged {
            true if len[1..] == grid[1..] => len[0] * len[1],
            true if len[2] == grid[2] => len[1],
            _ => 1,
        };
        let at = |row: usize| {
            let (d, h) = (part.start[0] + row / len[1], part.start[1] + row % len[1]);
            (d * grid[1] + h) * grid[2] + part.start[2]
        };
        (0..len[0] * len[1]).step_by(together).map(|row| (row * len[2], at(row), together * len[2])).collect()
    }

    /// A channel of the output's gradient.
    pub(super) fn grad(&self, n: usize, group: usize, feature: usize) -> &[T] {
        let (_, outputs, _) = sizes(self.g);
        let channel = (n * self.g.groups + group) * self.g.features + feature;
        &self.grad[channel * outputs..(channel + 1) * outputs]
    }

    #[inline(always)]
    fn panels<S: Simd>(self, simd: S) -> Result<()> {
        let (g, width) = (self.g, 2 * T::lanes::<S>());
        let panels = g.features.div_ceil(width);
        let (_, _, taps) = sizes(g);
        let mut window = Scratch::<T>::new("conv", &[self.tables.room()])?;
        let mut turned = Scratch::<T>::new("conv", &[self.tables.units(), panels, width])?;
        let mut sums = Scratch::<T>::new("conv", &[(self.channels.0 * taps).div_ceil(6), panels, 6 * width])?;
        for task in self.tasks.clone() {
            let (group, channels, samples, to) = self.task(task);
            let rows = channels.len() * taps;
            sums.slice().fill(T::default());
            for n in samples.clone().step_by(self.together) {
                let count = self.together.min(samples.end - n);
                for part in self.parts {
                    let table = self.tables.of(part, count);
                    self.fill(table, part.start, n, group, &channels, window.slice());
                    self.turn(part, n..n + count, group, width, turned.slice());
                    let (source, outputs) = (window.slice(), table.units.len());
                    let tiles = sums.slice().chunks_exact_mut(6 * width);
                    for (i, sum) in tiles.enumerate().take(rows.div_ceil(6) * panels) {
                        let (panel, row) = (i % panels, i / panels * 6);
                        let at = starts::<T, 6>(source, &table.taps[row..rows]);
                        let numbers = turned.slice()[panel * outputs * width..].as_ptr();
                        // SAFETY: the window has a number at each tap for each output; the panel two
                        // registers for each output; the sums are a tile of six rows of two registers.
                        unsafe {
                            let from = sum.as_mut_ptr();
                            let mut tile = load_tile::<S, T, 6, 2>(simd, from, width);
                            numbers_by_panel::<S, T, 6, 2>(simd, &mut tile, numbers, &table.units, at);
                            store_tile::<S, T, 6, 2>(&tile, from, width);
                        }
                    }
                }
            }
            for (i, tile) in sums.slice().chunks_exact(6 * width).enumerate().take(rows.div_ceil(6) * panels) {
                let (panel, row) = (i % panels, i / panels * 6);
                for lane in 0..width.min(g.features - panel * width) {
                    let to = to + (panel * width + lane) * g.channels * taps + row;
                    for m in 0..6.min(rows - row) {
                        // SAFETY: the task's own part of the sums.
                        unsafe { *self.sums.at(to + m) = tile[m * width + lane] };
                    }
                }
            }
        }
        Ok(())
    }

    /// The gradient of a box, output by output, `width` features side by side in each panel.
    fn turn(&self, part: &GridBox, samples: Range<usize>, group: usize, width: usize, to: &mut [T]) {
        let (outputs, rows) = (samples.len() * part.numel(), self.rows(part, true));
        for (panel, to) in to.chunks_exact_mut(outputs * width).enumerate().take(self.g.features.div_ceil(width)) {
            let features = width.min(self.g.features - panel * width);
            if features < width {
                to.fill(T::default());
            }
            for (n, to) in samples.clone().zip(to.chunks_exact_mut(part.numel() * width)) {
                for f in 0..features {
                    let channel = self.grad(n, group, panel * width + f);
                    for &(before, at, len) in &rows {
                        let (row, to) = (&channel[at..at + len], &mut to[before * width..(before + len) * width]);
                        for i in 0..len {
                            to[i * width + f] = row[i];
                        }
                    }
                }
            }
        }
    }

    /// The gradient of a box as it lies, the rows filled up with zeros to whole registers.
    fn pad(&self, part: &GridBox, samples: Range<usize>, group: usize, lanes: usize, to: &mut [T]) {
        let width = part.len[2].next_multiple_of(lanes);
        let (size, rows) = (part.numel() / part.len[2] * width, self.rows(part, false));
        for (i, to) in to.chunks_exact_mut(size).enumerate().take(self.g.features * samples.len()) {
            let (feature, n) = (i / samples.len(), samples.start + i % samples.len());
            let channel = self.grad(n, group, feature);
            for &(before, at, len) in &rows {
                let (row, to) = (&channel[at..at + len], &mut to[before / part.len[2] * width..][..width]);
                for i in 0..width {
                    to[i] = if i < len { row[i] } else { T::default() };
                }
            }
        }
    }

    #[inline(always)]
    fn lanes<S: Simd, const M: usize, const N: usize>(self, simd: S) -> Result<()> {
        let (g, lanes) = (self.g, T::lanes::<S>());
        let (_, _, taps) = sizes(g);
        let mut window = Scratch::<T>::new("conv", &[self.tables.room()])?;
        let mut padded = Scratch::<T>::new("conv", &[self.tables.units(), lanes, g.features])?;
        let across = (self.channels.0 * taps).div_ceil(N);
        let mut sums = Scratch::<T>::new("conv", &[g.features.div_ceil(M), across, M * N * lanes])?;
        for task in self.tasks.clone() {
            let (group, channels, samples, to) = self.task(task);
            let rows = channels.len() * taps;
            sums.slice().fill(T::default());
            for n in samples.clone().step_by(self.together) {
                let count = self.together.min(samples.end - n);
                for part in self.parts {
                    let table = self.tables.of(part, count);
                    self.fill(table, part.start, n, group, &channels, window.slice());
                    self.pad(part, n..n + count, group, lanes, padded.slice());
                    let length = table.units.len() * lanes;
                    let (source, grad) = (window.slice(), padded.slice());
                    for (i, sum) in sums.slice().chunks_exact_mut(M * N * lanes).enumerate() {
                        let (first, row) = (i / across * M, i % across * N);
                        if row >= rows {
                            continue;
                        }
                        let mut a = [grad.as_ptr(); M];
                        for m in 0..M {
                            a[m] = grad[(first + m).min(g.features - 1) * length..].as_ptr();
                        }
                        let b = starts::<T, N>(source, &table.taps[row..rows]);
                        // SAFETY: a feature has a register for each offset; the window has one at each tap
                        // for each offset; the sums are a tile of `M` by `N` registers.
                        unsafe {
                            let from = sum.as_mut_ptr();
                            let mut tile = load_tile::<S, T, M, N>(simd, from, N * lanes);
                            lanes_by_lanes::<S, T, M, N>(simd, &mut tile, a, &table.units, b);
                            store_tile::<S, T, M, N>(&tile, from, N * lanes);
                        }
                    }
                }
            }
            let sums = sums.slice();
            for feature in 0..g.features {
                for row in 0..rows {
                    let at = (feature / M * across + row / N) * M * N * lanes + (feature % M * N + row % N) * lanes;
                    // SAFETY: a register's worth of the sums; the task's own part of the result.
                    unsafe {
                        *self.sums.at(to + feature * g.channels * taps + row) =
                            T::sum(simd, load::<S, T>(sums[at..at + lanes].as_ptr()))
                    };
                }
            }
        }
        Ok(())
    }
}
