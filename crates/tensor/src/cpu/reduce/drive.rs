//! The driver of all reductions: which elements meet in which output, in what order, on which thread.
//!
//! The dimensions are sorted by stride and joined where the strides allow it, kept and reduced ones
//! apart. Two of them make a tile, the one with the smallest stride its columns. Where that one is
//! reduced, each row of a tile ends in one total ([`Reduction::rows`]); where it is kept, the rows fall
//! into a row of totals ([`Reduction::columns`]). The other dimensions are loops around tiles, so any set
//! of dimensions of any layout is read in the order it lies in memory, and nothing is copied: an operand
//! that is not stored as its lane, or has gaps, passes through a stage of the size of the first-level
//! cache.
//!
//! Work is split by the shape alone, into blocks of outputs and, where there are few outputs, parts of
//! the reduction, which are joined in order: the result does not depend on the number of threads.

use crate::cpu::convert::{Convert, loader, storer};
use crate::cpu::lanes::{Lane, LaneKind};
use crate::cpu::{Dst, Src, par};
use crate::layout::contiguous_strides;
use smallvec::SmallVec;
use std::marker::PhantomData;
use std::ops::Range;

/// Columns of a tile at most: what fits the first-level cache with its accumulators.
pub(super) const COLUMNS: usize = 512;
/// Elements that are worth a task.
const GRAIN: usize = 2 * par::GRAIN;
/// Tasks that keep any machine busy: more are not made by splitting a reduction.
const TASKS: usize = 64;
/// Outputs of a task, where its tiles are short.
const OUTPUTS: usize = 256;
const STAGE_BYTES: usize = 16 * 1024;

/// `rows` rows of `columns` lanes.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    data: &'a [T],
    pub rows: usize,
    pub columns: usize,
    /// From row to row, in lanes.
    pub stride: usize,
    /// The place along the reduced dimension of the tile's first row or column.
    pub first: usize,
}

impl<'a, T> Tile<'a, T> {
    #[inline(always)]
    pub(super) fn row(&self, r: usize) -> &'a [T] {
        &self.data[r * self.stride..][..self.columns]
    }
}

/// What a reduction does with tiles. Totals start [`empty`](Reduction::empty).
pub(super) trait Reduction: Sync {
    /// What elements are read as.
    type In: Lane;
    /// What is known of the elements seen so far.
    type Total: Copy + Send + Sync;
    /// The result's lane.
    type Out: Lane;
    /// A second result's lane, for ops of two outputs.
    type Second: Lane;
    /// Rows of a tile whose columns are kept: how many elements one accumulator takes before it is
    /// added to a total.
    const ROWS: usize = 64;
    /// Rows shorter than this are rather turned into columns.
    const SHORT: usize = 16;
    /// True where elements may be taken in any order.
    const ANY_ORDER: bool = true;

    /// The total of no elements.
    fn empty(&self) -> Self::Total;
    /// The total of what `total` and `other` saw; `other` comes behind `total`.
    fn join(&self, total: Self::Total, other: Self::Total) -> Self::Total;
    /// `totals[r]` takes in the row `r`.
    fn rows(&self, tile: Tile<'_, Self::In>, totals: &mut [Self::Total]);
    /// `totals[c]` takes in the column `c`.
    fn columns(&self, tile: Tile<'_, Self::In>, totals: &mut [Self::Total]);
    /// The results.
    fn finish(&self, total: Self::Total) -> (Self::Out, Self::Second);
}

type Totals<R> = SmallVec<[<R as Reduction>::Total; 4]>;

/// A dimension: its size, and the steps in input and output.
#[derive(Clone, Copy, Debug)]
struct Dim {
    size: usize,
    from: usize,
    to: usize,
}

impl Dim {
    const ONE: Dim = Dim { size: 1, from: 0, to: 0 };

    /// For sorting: a dimension without steps is an outer loop.
    fn step(&self) -> usize {
        if self.from == 0 { usize::MAX } else { self.from }
    }
}

type DimVec = SmallVec<[Dim; 4]>;

/// Sorts by falling stride and joins neighbours that are walked as one.
fn collapse(dims: &mut DimVec) {
    dims.sort_by_key(|d| std::cmp::Reverse(d.step()));
    let mut joined = DimVec::new();
    for d in dims.iter() {
        match joined.last_mut() {
            Some(last) if last.from == d.from * d.size && last.to == d.to * d.size => {
                *last = Dim { size: last.size * d.size, ..*d };
            }
            _ => joined.push(*d),
        }
    }
    *dims = joined;
}

/// The loops of one reduction.
struct Loops {
    /// The kept dimension of a tile.
    kept: Dim,
    /// The reduced one.
    line: Dim,
    /// True where the kept one runs along the columns.
    across: bool,
    /// The other kept dimensions.
    outer: DimVec,
    /// The other reduced ones.
    inner: DimVec,
}

impl Loops {
    fn new(x: &Src<'_>, dims: &[usize], out: &[usize], short: usize) -> Loops {
        let (layout, to) = (x.layout(), contiguous_strides(out));
        let (mut kept, mut reduced) = (DimVec::new(), DimVec::new());
        for (d, (&size, &from)) in layout.shape.iter().zip(&layout.strides).enumerate() {
            if size == 1 {
                continue;
            }
            match dims.contains(&d) {
                true => reduced.push(Dim { size, from, to: 0 }),
                false => kept.push(Dim { size, from, to: to[d] }),
            }
        }
        collapse(&mut kept);
        collapse(&mut reduced);
        let (mut kept_dim, line) = (kept.pop().unwrap_or(Dim::ONE), reduced.pop().unwrap_or(Dim::ONE));
        let across = kept_dim.step() < line.step() || line.size < short && kept_dim.size >= 64;
        // Rows too short to pay for their tile: rather gather along a longer dimension.
        if across && kept_dim.size < 16 && kept_dim.size * line.size < 256 {
            let longest = (0..kept.len()).max_by_key(|i| kept[*i].size).filter(|i| kept[*i].size > 16);
            if let Some(i) = longest {
                std::mem::swap(&mut kept[i], &mut kept_dim);
            }
        }
        Loops { kept: kept_dim, line, across, outer: kept, inner: reduced }
    }

    /// Elements that meet in one output.
    fn each(&self) -> usize {
        self.inner.iter().map(|d| d.size).product::<usize>() * self.line.size
    }
}

/// How the work is cut.
struct Cut {
    /// Outputs of a block along `Loops::kept`.
    block: usize,
    /// Blocks along it.
    blocks: usize,
    /// Blocks in all.
    units: usize,
    /// Blocks that one task takes.
    together: usize,
    /// Parts of the reduction.
    parts: usize,
    /// The reduced dimension that is cut: 0 is `Loops::line`, then `Loops::inner`.
    along: usize,
    /// The length of a part along it.
    part: usize,
}

impl Cut {
    fn new(plan: &Loops) -> Cut {
        let each = plan.each().max(1);
        let block =
            if plan.across { COLUMNS } else { (GRAIN / each).max(1024 / plan.line.size.max(1)).clamp(1, OUTPUTS) };
        let block = block.min(plan.kept.size);
        let blocks = plan.kept.size.div_ceil(block);
        let units = blocks * plan.outer.iter().map(|d| d.size).product::<usize>();
        let work = block.saturating_mul(each);
        let sizes = |i: usize| if i == 0 { plan.line.size } else { plan.inner[i - 1].size };
        let along = (0..=plan.inner.len()).rev().max_by_key(|i| sizes(*i)).unwrap_or(0);
        let parts = (work / GRAIN).min(TASKS / units).min(sizes(along)).max(1);
        let part = sizes(along).div_ceil(parts).max(1);
        Cut {
            block,
            blocks,
            units,
            together: (GRAIN / work).max(1),
            parts: sizes(along).div_ceil(part).max(1),
            along,
            part,
        }
    }
}

/// The loops and how they are cut: all of a job that does not depend on what is reduced.
struct CutLoops {
    plan: Loops,
    cut: Cut,
}

impl CutLoops {
    /// The places of a unit's first element in input and output, and how many outputs it has.
    fn place(&self, unit: usize) -> (usize, usize, usize) {
        let (block, mut rest) = (unit % self.cut.blocks, unit / self.cut.blocks);
        let start = block * self.cut.block;
        let kept = &self.plan.kept;
        let (mut from, mut to) = (start * kept.from, start * kept.to);
        for d in self.plan.outer.iter().rev() {
            from += rest % d.size * d.from;
            to += rest % d.size * d.to;
            rest /= d.size;
        }
        (from, to, self.cut.block.min(kept.size - start))
    }

    /// Calls `tile` with the place and the lines of each tile of a unit whose first element is at `from`,
    /// over `range` of the dimension that is cut.
    fn tiles(&self, from: usize, range: Range<usize>, tile: &mut dyn FnMut(usize, Range<usize>)) {
        let range_of = |i: usize, size: usize| {
            let here = self.cut.along == i;
            if here { range.start.min(size)..range.end.min(size) } else { 0..size }
        };
        let line = range_of(0, self.plan.line.size);
        let inner = &self.plan.inner;
        let ranges: SmallVec<[Range<usize>; 4]> =
            inner.iter().enumerate().map(|(i, d)| range_of(i + 1, d.size)).collect();
        if line.is_empty() || ranges.iter().any(|r| r.is_empty()) {
            return;
        }
        let mut index: SmallVec<[usize; 4]> = ranges.iter().map(|r| r.start).collect();
        loop {
            let at = from + index.iter().zip(inner).map(|(i, d)| i * d.from).sum::<usize>();
            tile(at, line.clone());
            let mut d = inner.len();
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                if index[d] < ranges[d].end {
                    break;
                }
                index[d] = ranges[d].start;
            }
        }
    }
}

/// Where elements come from.
struct Source<'a> {
    ptr: *const u8,
    size: usize,
    load: Convert,
    lane: LaneKind,
    /// Elements from the first to the last.
    span: usize,
    /// True where they are stored as their lane.
    direct: bool,
    /// The storage is locked to read as long as this.
    locked: PhantomData<&'a [u8]>,
}

// SAFETY: the storage is locked to read as long as `'a`.
unsafe impl Sync for Source<'_> {}

impl<'a> Source<'a> {
    fn new(x: &Src<'a>, lane: LaneKind) -> Self {
        let span = x.layout().end().map_or(0, |end| end.saturating_sub(x.layout().offset));
        let (ptr, size, load) = (x.ptr(), x.dtype().size(), loader(x.dtype(), lane));
        Source { ptr, size, load, lane, span, direct: lane.stores(x.dtype()), locked: PhantomData }
    }

    /// The elements as they lie, where they are stored as `T`.
    fn slice<T: Lane>(&self) -> Option<&'a [T]> {
        // SAFETY: the layout lies inside the storage, which is locked to read; an element of this dtype is
        // stored as the lane, for which every bit pattern is a value.
        (self.direct && self.lane == T::KIND && self.span > 0)
            .then(|| unsafe { std::slice::from_raw_parts(self.ptr.cast::<T>(), self.span) })
    }

    /// Rows and columns (number, step) from the place `at` on, side by side on the stage.
    fn load(&self, stage: &mut Stage, at: usize, rows: (usize, usize), columns: (usize, usize)) {
        let (n, size) = (rows.0 * columns.0, self.lane.size());
        assert!(n * size <= STAGE_BYTES);
        let to = stage.0.as_mut_ptr();
        let source = |place: usize| self.ptr.wrapping_add(place * self.size);
        // SAFETY: the places are the tensor's, which lie inside its locked storage; the stage is ours,
        // aligned for every lane, and has room for `n` lanes, all of which are filled here.
        unsafe {
            if rows.1 == columns.0 * columns.1 || rows.0 == 1 {
                self.load.run(source(at), columns.1, to, 1, n);
            } else if columns.0 < rows.0 && columns.0 <= 16 {
                for c in 0..columns.0 {
                    self.load.run(source(at + c * columns.1), rows.1, to.add(c * size), columns.0, rows.0);
                }
            } else {
                for r in 0..rows.0 {
                    self.load.run(source(at + r * rows.1), columns.1, to.add(r * columns.0 * size), 1, columns.0);
                }
            }
        }
    }
}

/// Memory of the first-level cache that elements are brought to; always initialised.
#[repr(align(64))]
struct Stage([u8; STAGE_BYTES]);

impl Stage {
    fn lanes<T: Lane>(&self, n: usize) -> &[T] {
        assert!(n * size_of::<T>() <= STAGE_BYTES && align_of::<T>() <= align_of::<Stage>());
        // SAFETY: the bytes are initialised, aligned and enough; every bit pattern of a lane is a value.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<T>(), n) }
    }
}

/// Where results go.
struct Sink {
    /// The second of a reduction's two results, not the first.
    second: bool,
    ptr: *mut u8,
    size: usize,
    store: Convert,
}

// SAFETY: the output belongs to the op, and each result is written by one task only.
unsafe impl Sync for Sink {}

struct ReductionJob<'a, R: Reduction> {
    op: &'a R,
    frame: CutLoops,
    source: Source<'a>,
    sinks: SmallVec<[Sink; 2]>,
}

/// Reduces `x` over `dims` into `outputs`, which are contiguous with these dimensions at size 1.
pub(super) fn reduce<R: Reduction>(op: &R, x: &Src<'_>, dims: &[usize], outputs: &mut [Dst<'_>]) {
    run(op, x, dims, outputs, 0);
}

/// [`reduce`] where the only output takes the second result.
pub(super) fn reduce_to_second<R: Reduction>(op: &R, x: &Src<'_>, dims: &[usize], output: &mut [Dst<'_>]) {
    run(op, x, dims, output, 1);
}

fn run<R: Reduction>(op: &R, x: &Src<'_>, dims: &[usize], outputs: &mut [Dst<'_>], first: usize) {
    if outputs[0].numel() == 0 {
        return;
    }
    let plan = Loops::new(x, dims, outputs[0].shape(), R::SHORT);
    let sink = |(i, out): (usize, &mut Dst<'_>)| {
        let second = i + first > 0;
        let lane = if second { R::Second::KIND } else { R::Out::KIND };
        Sink { second, ptr: out.ptr(), size: out.dtype().size(), store: storer(lane, out.dtype()) }
    };
    let sinks = outputs.iter_mut().enumerate().map(sink).collect();
    let frame = CutLoops { cut: Cut::new(&plan), plan };
    ReductionJob { op, frame, source: Source::new(x, R::In::KIND), sinks }.run();
}

impl<R: Reduction> ReductionJob<'_, R> {
    fn run(&self) {
        let cut = &self.frame.cut;
        let whole = 0..cut.part;
        if cut.parts == 1 {
            if cut.units == 1 {
                return self.store(0, &self.unit(0, whole));
            }
            return par::ranges(cut.units, cut.together, |units| {
                units.for_each(|unit| self.store(unit, &self.unit(unit, whole.clone())));
            });
        }
        let mut partial: Vec<Totals<R>> = vec![Totals::<R>::new(); cut.units * cut.parts];
        par::chunks(&mut partial, 1, usize::MAX, |i, totals| {
            let (unit, part) = (i / cut.parts, i % cut.parts);
            totals[0] = self.unit(unit, part * cut.part..(part + 1) * cut.part);
        });
        for (unit, parts) in partial.chunks_mut(cut.parts).enumerate() {
            let (first, rest) = parts.split_at_mut(1);
            for other in rest {
                first[0].iter_mut().zip(other.iter()).for_each(|(t, o)| *t = self.op.join(*t, *o));
            }
            self.store(unit, &first[0]);
        }
    }

    /// The totals of a unit over `range` of the dimension that is cut.
    fn unit(&self, unit: usize, range: Range<usize>) -> Totals<R> {
        let (from, _, count) = self.frame.place(unit);
        let mut totals: Totals<R> = SmallVec::from_elem(self.op.empty(), count);
        let mut stage = None;
        self.frame.tiles(from, range, &mut |at, line| self.tile(at, line, &mut stage, &mut totals));
        totals
    }

    /// Takes in the elements of the tile dimensions from the place `at` on.
    fn tile(&self, at: usize, line: Range<usize>, stage: &mut Option<Stage>, totals: &mut [R::Total]) {
        let plan = &self.frame.plan;
        let columns = if plan.across { &plan.kept } else { &plan.line };
        match self.source.slice() {
            Some(data) if columns.from == 1 || columns.size == 1 => match plan.across {
                true => self.across(data, at, line, totals),
                false => {
                    let (first, data) = (line.start, &data[at + line.start * plan.line.from..]);
                    let tile = Tile { data, rows: totals.len(), columns: line.len(), stride: plan.kept.from, first };
                    self.op.rows(tile, totals);
                }
            },
            _ => self.staged(at, line, stage.get_or_insert(Stage([0; STAGE_BYTES])), totals),
        }
    }

    /// [`tile`](ReductionJob::tile) where kept columns lie side by side in memory.
    fn across(&self, data: &[R::In], at: usize, mut line: Range<usize>, totals: &mut [R::Total]) {
        let (count, step) = (totals.len(), self.frame.plan.line.from);
        // Short rows behind one another are one long row of several rounds.
        let rounds = COLUMNS / count;
        if R::ANY_ORDER && step == count && rounds > 1 && line.len() >= 4 * rounds {
            let mut wide: Totals<R> = SmallVec::from_elem(self.op.empty(), rounds * count);
            let (rows, start) = (line.len() / rounds, at + line.start * step);
            for r in (0..rows).step_by(R::ROWS) {
                let data = &data[start + r * rounds * step..];
                let tile =
                    Tile { data, rows: R::ROWS.min(rows - r), columns: wide.len(), stride: rounds * step, first: 0 };
                self.op.columns(tile, &mut wide);
            }
            for round in wide.chunks(count) {
                totals.iter_mut().zip(round).for_each(|(t, w)| *t = self.op.join(*t, *w));
            }
            line.start += rows * rounds;
        }
        while !line.is_empty() {
            let (first, rows) = (line.start, R::ROWS.min(line.len()));
            let tile = Tile { data: &data[at + first * step..], rows, columns: count, stride: step, first };
            self.op.columns(tile, totals);
            line.start += rows;
        }
    }

    /// [`tile`](ReductionJob::tile) through a stage.
    #[inline(never)]
    fn staged(&self, at: usize, line: Range<usize>, stage: &mut Stage, totals: &mut [R::Total]) {
        let room = STAGE_BYTES / size_of::<R::In>();
        let (kept, along) = (&self.frame.plan.kept, &self.frame.plan.line);
        if self.frame.plan.across {
            let high = (room / totals.len()).min(R::ROWS);
            for first in line.clone().step_by(high) {
                let rows = high.min(line.end - first);
                let columns = totals.len();
                self.source.load(stage, at + first * along.from, (rows, along.from), (columns, kept.from));
                let data = stage.lanes(rows * columns);
                self.op.columns(Tile { data, rows, columns, stride: columns, first }, totals);
            }
            return;
        }
        let wide = line.len().min(room);
        let high = room / wide;
        for (i, totals) in totals.chunks_mut(high).enumerate() {
            for first in line.clone().step_by(wide) {
                let columns = wide.min(line.end - first);
                let start = at + i * high * kept.from + first * along.from;
                let rows = totals.len();
                self.source.load(stage, start, (rows, kept.from), (columns, along.from));
                let data = stage.lanes(rows * columns);
                self.op.rows(Tile { data, rows, columns, stride: columns, first }, totals);
            }
        }
    }

    /// Writes a unit's results.
    fn store(&self, unit: usize, totals: &[R::Total]) {
        const N: usize = 64;
        let (_, to, _) = self.frame.place(unit);
        let step = self.frame.plan.kept.to;
        let (mut out, mut second) = ([R::Out::default(); N], [R::Second::default(); N]);
        for (i, totals) in totals.chunks(N).enumerate() {
            for (k, total) in totals.iter().enumerate() {
                (out[k], second[k]) = self.op.finish(*total);
            }
            for sink in &self.sinks {
                let from = if sink.second { second.as_ptr().cast::<u8>() } else { out.as_ptr().cast() };
                let place = (to + i * N * step) * sink.size;
                // SAFETY: the places are the output's for this unit, which no other task writes; `from`
                // holds lanes of the kind that `store` converts.
                unsafe { sink.store.run(from, 1, sink.ptr.wrapping_add(place), step, totals.len()) };
            }
        }
    }
}
