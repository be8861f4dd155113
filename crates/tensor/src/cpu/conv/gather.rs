//! Outputs that gather from a source at the taps of a weight: the forward pass, and the input gradient,
//! one phase of the stride after another.
//!
//! A task takes a box of one sample's outputs, copies the part of the source it needs with the zeros
//! around it ([`Window`]) and runs register tiles over it: output channels by neighbouring outputs, or,
//! where rows are too short to fill registers, outputs by neighbouring channels. Blocks of channels keep
//! the copy in the second-level cache; the order of all sums depends on shapes alone.

use super::window::{self, Axis, BoxTables, GridBox, Window, boxes};
use super::{Scratch, TASK, lanes_of, winograd};
use crate::Result;
use crate::cpu::matmul::{Factor, Sizes, products};
use crate::cpu::micro::{Real, full, load, load_tile, numbers_by_panel, rows_by_lanes, starts, store, store_tile};
use crate::cpu::par::{self, Shared};
use crate::cpu::{list, reserve};
use crate::layout::Layout;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Weight elements of a row that one block of channels has at most.
const DEPTH: usize = 1152;
/// Bytes of a window, at most.
const WINDOW: usize = 192 << 10;
/// Outputs of a sample from which a kernel of one element is a matrix product.
const PLAIN: usize = 32;
/// Tasks that there should be at least.
const TASKS: usize = 8;
/// Tiles of outputs that are taken through all rows of the weight together.
const TOGETHER: usize = 4;
/// Outputs of small samples that a box takes together, so that the weight is read less often.
const OUTPUTS: usize = 128;

/// A register tile's shape.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// So many rows by so many registers of neighbouring outputs.
    Lanes(usize, usize),
    /// Six outputs by two registers of neighbouring rows.
    Panel,
}

/// Those that sixteen registers hold with room to spare; a seventeenth value costs more than it brings.
const SHAPES: [Shape; 5] =
    [Shape::Lanes(6, 2), Shape::Lanes(4, 2), Shape::Lanes(3, 3), Shape::Lanes(2, 4), Shape::Lanes(1, 8)];

/// Where an output element stands: `base + n·batch + r·row + d·steps[0] + …`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) base: usize,
    pub(super) batch: usize,
    pub(super) row: usize,
    pub(super) steps: [usize; 3],
}

/// One gathering: `out[n, g, r, q] = bias[g, r] + Σ_{c, t} weight[g, r, c, t] · source[n, g, c, q·step + off_t]`.
pub(super) struct Gather<'a, T> {
    pub(super) axes: [Axis; 3],
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Source channels of a group.
    pub(super) channels: usize,
    /// Output channels of a group.
    pub(super) rows: usize,
    /// `[n, groups · channels, …]`, in rows.
    pub(super) source: &'a [T],
    pub(super) weight: &'a [T],
    /// Steps in `weight` for a group, a row, a channel.
    pub(super) weight_steps: [usize; 3],
    /// The sizes of a kernel in `weight`.
    pub(super) kernel: [usize; 3],
    pub(super) bias: Option<&'a [T]>,
    pub(super) place: Place,
}

struct GatherJob<'a, T> {
    g: &'a Gather<'a, T>,
    shape: Shape,
    /// Rows of one panel.
    panel_rows: usize,
    /// For each group and panel of rows: `panel_rows` numbers for each channel and tap.
    panels: &'a [T],
    /// Channels of a block.
    block: usize,
    parts: &'a [GridBox],
    tables: &'a BoxTables<(usize, usize)>,
    /// Samples that are taken together.
    samples: usize,
    /// How many tasks share the panels of a group.
    splits: usize,
    out: &'a Shared<T>,
    tasks: Range<usize>,
}

/// BoxTables that note where a unit is in the output, from the box's first element, and how many it has.
type BoxTable = window::BoxTable<(usize, usize)>;

/// A kernel of one element that reads each source element where it is: a matrix product for each sample.
fn by_product<T: Real + Factor>(g: &Gather<'_, T>, outputs: usize, out: &mut [T]) {
    if let Some(bias) = g.bias {
        out.chunks_exact_mut(outputs).zip(bias.iter().cycle()).for_each(|(row, b)| row.fill(*b));
    }
    let layout = |m: usize, n: usize, strides: [usize; 4]| Layout {
        shape: crate::shape::Shape::from_slice(&[g.batch, g.groups, m, n]),
        strides: crate::shape::Strides::from_slice(&strides),
        offset: 0,
    };
    let [group, row, channel] = g.weight_steps;
    let weight = layout(g.rows, g.channels, [0, group, row, channel]);
    let source = layout(g.channels, outputs, [g.groups * g.channels * outputs, g.channels * outputs, outputs, 1]);
    let sizes = Sizes { m: g.rows, n: outputs, k: g.channels };
    products(sizes, (g.weight, &weight), (g.source, &source), out, g.bias.is_some());
}

/// A kernel of one element on samples of one each: a matrix product for all of them.
fn by_samples<T: Real + Factor>(g: &Gather<'_, T>, out: &mut [T]) {
    if let Some(bias) = g.bias {
        out.chunks_exact_mut(g.rows).for_each(|row| row.copy_from_slice(&bias[..g.rows]));
    }
    let layout = |m: usize, n: usize, strides: [usize; 2]| Layout {
        shape: crate::shape::Shape::from_slice(&[m, n]),
        strides: crate::shape::Strides::from_slice(&strides),
        offset: 0,
    };
    let [_, row, channel] = g.weight_steps;
    let source = layout(g.batch, g.channels, [g.channels, 1]);
    let weight = layout(g.channels, g.rows, [channel, row]);
    let sizes = Sizes { m: g.batch, n: g.rows, k: g.channels };
    products(sizes, (g.source, &source), (g.weight, &weight), out, g.bias.is_some());
}

/// Runs the gathering into `out`, which has elements; there are channels and taps.
///
/// # Errors
/// Where the system has no memory for it.
pub(super) fn run<T: Real + Factor>(g: &Gather<'_, T>, out: &mut [T]) -> Result<()> {
    let grid: [usize; 3] = std::array::from_fn(|i| g.axes[i].grid);
    let outputs: usize = grid.iter().product();
    // A row of outputs without gaps, as a stride leaves them in an input gradient.
    let plain = g.axes.iter().all(Axis::is_plain) && g.place.steps[2] == 1 && g.place.row == outputs;
    if plain && outputs >= PLAIN {
        by_product(g, outputs, out);
        return Ok(());
    }
    if plain && outputs == 1 && g.groups == 1 {
        by_samples(g, out);
        return Ok(());
    }
    if winograd::run(g, out)? {
        return Ok(());
    }
    let taps: usize = g.axes.iter().map(|a| a.taps.len()).product();
    let lanes = lanes_of::<T>();
    let shape = choose(g, grid, taps, lanes);
    let panel_rows = match shape {
        Shape::Lanes(m, _) => m,
        Shape::Panel => 2 * lanes,
    };
    let blocks = (g.channels * taps).div_ceil(DEPTH).clamp(1, g.channels);
    let block = g.channels.div_ceil(blocks);
    let len = box_len(g, grid, block, lanes);
    let parts = boxes(grid, len);
    let samples = match &parts[..] {
        [whole] => {
            let bytes = Window::bytes::<T>(&g.axes, whole.len, lanes, block);
            (OUTPUTS / outputs).min(WINDOW / bytes).clamp(1, g.batch)
        }
        _ => 1,
    };
    let panel_count = g.rows.div_ceil(panel_rows);
    let boxes = g.batch.div_ceil(samples) * g.groups * parts.len();
    let splits = TASKS.div_ceil(boxes).clamp(1, panel_count);
    let panels = pack(g, taps, panel_rows)?;
    let tasks = boxes * splits;
    let cost = (samples * outputs * g.rows).saturating_mul(g.channels * taps) / (parts.len() * splits);
    let out = Shared::new(out.as_mut_ptr());
    let unit = if shape == Shape::Panel { 1 } else { lanes };
    let sizes = window::Sizes { channels: block, lanes, unit };
    let tables = BoxTables::new(&g.axes, &sizes, &parts, &[samples, g.batch % samples], |[s, d, h, w], n| {
        let [depth, row, column] = g.place.steps;
        (s * g.place.batch + d * depth + h * row + w * column, n)
    })?;
    par::try_ranges(tasks, (TASK / cost.max(1)).max(1), |tasks| {
        let panels = &panels;
        let (parts, tables, out) = (&parts[..], &tables, &out);
        let job = GatherJob { g, shape, panel_rows, panels, block, parts, tables, samples, splits, out, tasks };
        par::dispatch(job)
    })
}

/// The tile with the least work lost at its edges.
fn choose<T>(g: &Gather<'_, T>, grid: [usize; 3], taps: usize, lanes: usize) -> Shape {
    let registers = grid[0] * grid[1] * grid[2].div_ceil(lanes);
    let outputs = grid[0] * grid[1] * grid[2];
    let mut best = (usize::MAX, Shape::Lanes(6, 2));
    for shape in SHAPES {
        if let Shape::Lanes(m, n) = shape {
            // Tiles of few rows load more than they multiply.
            let slow = match m {
                1 => 15,
                2 | 3 => 12,
                4 => 11,
                _ => 10,
            };
            let work = g.rows.next_multiple_of(m) * registers.next_multiple_of(n) * lanes * slow;
            if work < best.0 {
                best = (work, shape);
            }
        }
    }
    let deep = g.channels * taps >= 64 && g.rows >= lanes;
    let panel = g.rows.next_multiple_of(2 * lanes) * outputs.next_multiple_of(6) * 10;
    if deep && panel + panel / 8 < best.0 { Shape::Panel } else { best.1 }
}

/// How large a box may be for its window to stay in cache, and for all threads to have some.
fn box_len<T>(g: &Gather<'_, T>, grid: [usize; 3], block: usize, lanes: usize) -> [usize; 3] {
    let bytes = |len: [usize; 3]| Window::bytes::<T>(&g.axes, len, lanes, block);
    let mut len = grid;
    for axis in 0..3 {
        // Whole rows first; long ones are cut at multiples of the registers.
        let unit = if axis == 2 { 8 * lanes } else { 1 };
        while len[axis] > unit && bytes(len) > WINDOW {
            len[axis] = len[axis].div_ceil(2).next_multiple_of(unit);
        }
    }
    let tasks = |len: [usize; 3]| g.batch * g.groups * (0..3).map(|i| grid[i].div_ceil(len[i])).product::<usize>();
    for (axis, least) in [(0, 1), (1, 8), (2, 8 * lanes)] {
        while len[axis] > 2 * least && tasks(len) < TASKS {
            len[axis] = len[axis].div_ceil(2).next_multiple_of(if axis == 2 { lanes } else { 1 });
        }
    }
    len
}

/// The weight in panels of rows, for each group.
fn pack<T: Real>(g: &Gather<'_, T>, taps: usize, panel_rows: usize) -> Result<Vec<T>> {
    let [step_g, step_r, step_c] = g.weight_steps;
    let mut order = Vec::new();
    reserve(&mut order, taps)?;
    for d in &g.axes[0].taps {
        for h in &g.axes[1].taps {
            for w in &g.axes[2].taps {
                order.push((d.index * g.kernel[1] + h.index) * g.kernel[2] + w.index);
            }
        }
    }
    let panels = g.rows.div_ceil(panel_rows);
    let size = panel_rows * g.channels * taps;
    let mut packed = list(g.groups * panels * size, T::default())?;
    if size == 0 {
        return Ok(packed);
    }
    par::chunks(&mut packed, size, size, |i, panel| {
        let (group, first) = (i / panels, i % panels * panel_rows);
        // A few channels at a time: what is written stays in the first-level cache until all rows are in.
        for (block, to) in panel.chunks_mut(8 * taps * panel_rows).enumerate() {
            for r in 0..panel_rows.min(g.rows - first) {
                for (c, to) in to.chunks_exact_mut(taps * panel_rows).enumerate() {
                    let from = &g.weight[group * step_g + (first + r) * step_r + (8 * block + c) * step_c..];
                    to[r..].iter_mut().step_by(panel_rows).zip(&order).for_each(|(to, index)| *to = from[*index]);
                }
            }
        }
    });
    Ok(packed)
}

impl<T: Real> WithSimd for GatherJob<'_, T> {
    type Output = Result<()>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        // Closures that hold registers must be inlined (see `micro`).
        macro_rules! tasks {
            ($compute:expr) => {
                self.tasks(
                    #[inline(always)]
                    $compute,
                )
            };
        }
        match self.shape {
            Shape::Lanes(6, _) => tasks!(|j, f, t| j.lanes::<S, 6, 2>(simd, f, t)),
            Shape::Lanes(4, _) => tasks!(|j, f, t| j.lanes::<S, 4, 2>(simd, f, t)),
            Shape::Lanes(3, _) => tasks!(|j, f, t| j.lanes::<S, 3, 3>(simd, f, t)),
            Shape::Lanes(2, _) => tasks!(|j, f, t| j.lanes::<S, 2, 4>(simd, f, t)),
            Shape::Lanes(..) => tasks!(|j, f, t| j.lanes::<S, 1, 8>(simd, f, t)),
            Shape::Panel => tasks!(|j, f, t| j.panel::<S>(simd, f, t)),
        }
    }
}

/// A box, one block of channels and a share of the panels, ready to be computed.
struct Task<'a, T> {
    group: usize,
    panels: Range<usize>,
    /// Channels of the block.
    channels: Range<usize>,
    window: &'a [T],
    /// The box's first output in `out`, of the group's first row and the first sample.
    out: usize,
}

impl<'j, T: Real> GatherJob<'j, T> {
    /// Calls `compute` for each task and each block of channels.
    #[inline(always)]
    fn tasks(self, compute: impl Fn(&GatherJob<'j, T>, &BoxTable, Task<'_, T>)) -> Result<()> {
        let g = self.g;
        let mut scratch = Scratch::<T>::new("conv", &[self.tables.room()])?;
        for task in self.tasks.clone() {
            let (split, rest) = (task % self.splits, task / self.splits);
            let (part, rest) = (self.parts[rest % self.parts.len()], rest / self.parts.len());
            let (group, n) = (rest % g.groups, rest / g.groups * self.samples);
            let samples = self.samples.min(g.batch - n);
            let table = self.tables.of(&part, samples);
            let window = &mut scratch.slice()[..table.room()];
            let count = g.rows.div_ceil(self.panel_rows);
            let panels = split * count / self.splits..(split + 1) * count / self.splits;
            let size: usize = g.axes.iter().map(|a| a.source).product();
            let place = &g.place;
            let out = place.base
                + n * place.batch
                + group * g.rows * place.row
                + (0..3).map(|i| part.start[i] * place.steps[i]).sum::<usize>();
            let mut from = 0;
            loop {
                let channels = from..(from + self.block).min(g.channels);
                let source = |s: usize| {
                    let first = ((n + s) * g.groups + group) * g.channels;
                    &g.source[(first + channels.start) * size..(first + channels.end) * size]
                };
                table.fill(&g.axes, part.start, source, window);
                from = channels.end;
                compute(&self, table, Task { group, panels: panels.clone(), channels, window, out });
                if from >= g.channels {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Numbers of the panel that belong to the block, and the offsets that go with them.
    #[inline(always)]
    fn block<'f>(&self, table: &'f BoxTable, task: &Task<'_, T>, panel: usize) -> (*const T, &'f [u32]) {
        let g = self.g;
        let taps = table.taps.len() / self.block;
        let size = self.panel_rows * g.channels * taps;
        let start = (task.group * g.rows.div_ceil(self.panel_rows) + panel) * size
            + task.channels.start * taps * self.panel_rows;
        (self.panels[start..].as_ptr(), &table.taps[..task.channels.len() * taps])
    }

    /// Where output `row` of the unit that begins at `place` of the box is.
    #[inline(always)]
    fn output(&self, task: &Task<'_, T>, row: usize, place: usize) -> *mut T {
        self.out.at(task.out + row * self.g.place.row + place)
    }

    /// `M` rows by `N` registers of neighbouring outputs at a time.
    #[inline(always)]
    fn lanes<S: Simd, const M: usize, const N: usize>(&self, simd: S, table: &BoxTable, task: Task<'_, T>) {
        let (g, step) = (self.g, self.g.place.steps[2]);
        let first = task.channels.start == 0;
        for (from, to) in table.units.chunks(N * TOGETHER).zip(table.notes.chunks(N * TOGETHER)) {
            for panel in task.panels.clone() {
                let (numbers, off) = self.block(table, &task, panel);
                let row = panel * M;
                let rows = M.min(g.rows - row);
                for (from, to) in from.chunks(N).zip(to.chunks(N)) {
                    let mut tile = full::<S, T, M, N>(simd, T::default());
                    for m in 0..rows {
                        for n in 0..to.len() {
                            tile[m][n] = match g.bias {
                                // SAFETY: the unit's elements in the output, which this task alone writes.
                                _ if !first => unsafe {
                                    read::<S, T>(self.output(&task, row + m, to[n].0), step, to[n].1)
                                },
                                Some(bias) => T::splat(simd, bias[task.group * g.rows + row + m]),
                                None => break,
                            };
                        }
                    }
                    let at = starts::<T, N>(task.window, from);
                    // SAFETY: the panel holds `M` numbers for each offset; the window has a register's worth
                    // to read at each unit for each tap (see `Window::new`).
                    unsafe { rows_by_lanes::<S, T, M, N>(simd, &mut tile, numbers, off, at) };
                    for m in 0..rows {
                        for n in 0..to.len() {
                            // SAFETY: as above.
                            unsafe { write::<S, T>(self.output(&task, row + m, to[n].0), step, to[n].1, tile[m][n]) };
                        }
                    }
                }
            }
        }
    }

    /// Six outputs by two registers of neighbouring rows at a time.
    #[inline(always)]
    fn panel<S: Simd>(&self, simd: S, table: &BoxTable, task: Task<'_, T>) {
        let g = self.g;
        let first = task.channels.start == 0;
        let mut spill = Spill([[T::default(); 32]; 6]);
        for (from, to) in table.units.chunks(6 * TOGETHER).zip(table.notes.chunks(6 * TOGETHER)) {
            for panel in task.panels.clone() {
                let (numbers, off) = self.block(table, &task, panel);
                let row = panel * self.panel_rows;
                let rows = self.panel_rows.min(g.rows - row);
                for (from, to) in from.chunks(6).zip(to.chunks(6)) {
                    for r in 0..rows {
                        for m in 0..to.len() {
                            spill.0[m][r] = match g.bias {
                                // SAFETY: as in `lanes`.
                                _ if !first => unsafe { *self.output(&task, row + r, to[m].0) },
                                Some(bias) => bias[task.group * g.rows + row + r],
                                None => T::default(),
                            };
                        }
                    }
                    let (at, place) = (starts::<T, 6>(task.window, from), spill.0.as_mut_ptr().cast::<T>());
                    // SAFETY: a row of the spill holds two registers; the panel two for each offset; the
                    // window a number at each unit for each tap.
                    unsafe {
                        let mut tile = load_tile::<S, T, 6, 2>(simd, place, 32);
                        numbers_by_panel::<S, T, 6, 2>(simd, &mut tile, numbers, off, at);
                        store_tile::<S, T, 6, 2>(&tile, place, 32);
                    }
                    for r in 0..rows {
                        for m in 0..to.len() {
                            // SAFETY: as in `lanes`.
                            unsafe { *self.output(&task, row + r, to[m].0) = spill.0[m][r] };
                        }
                    }
                }
            }
        }
    }
}

/// A tile in memory: rows of two registers, 16 numbers each at most.
#[repr(align(64))]
struct Spill<T>([[T; 32]; 6]);

/// A register of `n` elements, `step` apart.
///
/// # Safety
/// They can be read; `n` is at most what the register holds, and that at most 16.
#[inline(always)]
unsafe fn read<S: Simd, T: Real>(from: *const T, step: usize, n: usize) -> T::V<S> {
    // SAFETY: the caller's promise; the array holds any register.
    unsafe {
        if n == T::lanes::<S>() && step == 1 {
            return load::<S, T>(from);
        }
        let mut all = [T::default(); 16];
        for i in 0..n {
            all[i] = *from.add(i * step);
        }
        load::<S, T>(all.as_ptr())
    }
}

/// A register's first `n` numbers to places `step` apart.
///
/// # Safety
/// They can be written; `n` is at most what the register holds, and that at most 16.
#[inline(always)]
unsafe fn write<S: Simd, T: Real>(to: *mut T, step: usize, n: usize, v: T::V<S>) {
    // SAFETY: the caller's promise; the array holds any register.
    unsafe {
        if n == T::lanes::<S>() && step == 1 {
            return store::<S, T>(to, v);
        }
        let mut all = [T::default(); 16];
        store::<S, T>(all.as_mut_ptr(), v);
        for i in 0..n {
            *to.add(i * step) = all[i];
        }
    }
}
