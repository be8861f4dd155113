//! Which source elements meet which taps of a weight: the geometry that all convolution kernels share.
//!
//! Forward convolution and (for each phase of the stride) its input gradient are one pattern: a grid of
//! outputs steps over a source, and each output sums the source at a list of taps. A [`Window`] is a copy
//! of what a box of outputs reads, with the zeros around the source, parted by the step, so that neighbours
//! in the grid are neighbours in memory and a tap is one fixed offset from any of them. All its lengths are
//! computed in one place, `Axis::runs` and `Window::new`, where they cannot wrap: kernels trust them.

use crate::dtype::Stored;
use crate::ops::{Dim, Geometry};
use crate::{Result, bail};
use smallvec::SmallVec;

/// One weight element along an axis: its index, and where its source lies from the grid's position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tap {
    pub(super) index: usize,
    pub(super) off: isize,
}

/// One axis: output `q` reads the source at `q·step + off` for each tap.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) source: usize,
    pub(super) grid: usize,
    pub(super) step: usize,
    pub(super) taps: SmallVec<[Tap; 8]>,
    /// The numbers of the taps, sorted by the rest of `off` by the step, then by `off`.
    order: SmallVec<[usize; 8]>,
}

impl Axis {
    fn new(source: usize, grid: usize, step: usize, taps: impl Iterator<Item = Tap>) -> Axis {
        let taps: SmallVec<[Tap; 8]> = taps.collect();
        let mut order: SmallVec<[usize; 8]> = (0..taps.len()).collect();
        order.sort_unstable_by_key(|i| (taps[*i].off.rem_euclid(step as isize), taps[*i].off));
        Axis { source, grid, step, taps, order }
    }

    /// Of the forward pass.
    pub(super) fn forward(d: &Dim) -> Axis {
        let off = |t: usize| (t * d.dilation) as isize - d.padding as isize;
        Axis::new(d.input, d.output, d.stride, (0..d.kernel).map(|t| Tap { index: t, off: off(t) }))
    }

    /// The inputs of the first stride that taps lead to from the outputs, in rising order.
    pub(super) fn phases(d: &Dim) -> Vec<usize> {
        let mut all: Vec<usize> = (0..d.kernel).map(|t| Axis::lead(d, t).0).filter(|phase| *phase < d.input).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The first input that tap `t` leads to, counted modulo the stride, and the distance from that input's
    /// number, in strides, to the output's.
    fn lead(d: &Dim, t: usize) -> (usize, isize) {
        let (from, stride) = ((t * d.dilation) as isize - d.padding as isize, d.stride as isize);
        (from.rem_euclid(stride) as usize, -from.div_euclid(stride))
    }

    /// Of the input gradient, for the inputs `phase`, `phase + stride`, …: the source is the output's
    /// gradient, and only the taps that meet this phase are there.
    pub(super) fn backward(d: &Dim, phase: usize) -> Axis {
        let taps = (0..d.kernel).map(|t| (t, Axis::lead(d, t))).filter(|(_, lead)| lead.0 == phase);
        let grid = d.input.saturating_sub(phase).div_ceil(d.stride);
        Axis::new(d.output, grid, 1, taps.map(|(index, (_, off))| Tap { index, off }))
    }

    /// Does each output read just the source element at its own place?
    pub(super) fn is_plain(&self) -> bool {
        self.step == 1 && self.source == self.grid && self.taps[..] == [Tap { index: 0, off: 0 }]
    }

    /// Indices of the taps in the order of what they read.
    pub(super) fn in_order(&self) -> SmallVec<[usize; 8]> {
        let mut taps = self.taps.clone();
        taps.sort_unstable_by_key(|tap| tap.off);
        taps.iter().map(|tap| tap.index).collect()
    }

    /// The same axis with two outputs taken as one, which reads all that they read: where the step is one and
    /// three taps lie side by side.
    pub(super) fn tiles(&self) -> Option<Axis> {
        let first = self.taps.iter().map(|tap| tap.off).min()?;
        let near = self.taps.len() == 3 && self.taps.iter().all(|tap| tap.off < first + 3);
        let taps = (0..4).map(|i| Tap { index: i, off: first + i as isize });
        (self.step == 1 && near).then(|| Axis::new(self.source, self.grid.div_ceil(2), 2, taps))
    }

    /// The positions that `len` neighbouring outputs read, as runs one behind the other; `tap` is told where in
    /// them each tap of the first output is. None where they are too many to count.
    fn runs(&self, len: usize, mut tap: impl FnMut(usize, usize)) -> Option<Runs> {
        let (mut runs, step) = (Runs::new(), self.step as isize);
        // Of the last run: the rest by the step, and the first position in steps.
        let mut last = (0, 0);
        for &i in &self.order {
            let off = self.taps[i].off;
            let (rest, at) = (off.rem_euclid(step), off.div_euclid(step));
            match runs.last_mut() {
                Some(run) if last.0 == rest && (at - last.1) as usize <= run.len => {
                    run.len = ((at - last.1) as usize).checked_add(len)?;
                }
                _ => {
                    runs.push(Run { first: off, len, place: length(&runs)? });
                    last = (rest, at);
                }
            }
            tap(i, runs.last()?.place + (at - last.1) as usize);
        }
        Some(runs)
    }
}

/// Positions `first`, `first + step`, … of a source along an axis, from the place of a box's first output, and where
/// they are in the copy.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: isize,
    len: usize,
    place: usize,
}

type Runs = SmallVec<[Run; 2]>;

/// Positions of all runs.
fn length(runs: &[Run]) -> Option<usize> {
    runs.last().map_or(Some(0), |run| run.place.checked_add(run.len))
}

/// A box of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GridBox {
    pub(super) start: [usize; 3],
    pub(super) len: [usize; 3],
}

impl GridBox {
    pub(super) fn numel(&self) -> usize {
        self.len.iter().product()
    }
}

/// The grid cut into boxes of at most `len`.
pub(super) fn boxes(grid: [usize; 3], len: [usize; 3]) -> Vec<GridBox> {
    let mut all = Vec::new();
    for d in (0..grid[0]).step_by(len[0].max(1)) {
        for h in (0..grid[1]).step_by(len[1].max(1)) {
            for w in (0..grid[2]).step_by(len[2].max(1)) {
                let start = [d, h, w];
                all.push(GridBox { start, len: std::array::from_fn(|i| len[i].min(grid[i] - start[i])) });
            }
        }
    }
    all
}

/// How a box of the source lies in the copy: the positions that some tap reads, and no others, so that it does not
/// grow with strides, dilation or padding.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Outputs along each axis; along the last one a multiple of the lanes.
    len: [usize; 3],
    /// The positions along each axis.
    runs: [Runs; 3],
    /// Numbers from one channel, depth, height to the next.
    strides: [usize; 3],
}

impl Window {
    /// For boxes of `len`, rows long enough to read `lanes` numbers from any multiple of `lanes`. None where its
    /// numbers cannot be counted.
    pub(super) fn new(axes: &[Axis; 3], len: [usize; 3], lanes: usize) -> Option<Window> {
        let len = [len[0], len[1], len[2].checked_next_multiple_of(lanes)?];
        let runs = |i: usize| axes[i].runs(len[i], |_, _| ());
        let runs = [runs(0)?, runs(1)?, runs(2)?];
        let h = length(&runs[2])?;
        let d = h.checked_mul(length(&runs[1])?)?;
        let strides = [d.checked_mul(length(&runs[0])?)?, d, h];
        Some(Window { len, runs, strides })
    }

    /// Numbers of one channel.
    pub(super) fn channel(&self) -> usize {
        self.strides[0]
    }

    /// Bytes of as many channels, in elements of `T`; the most there can be where they cannot be counted.
    pub(super) fn bytes<T>(axes: &[Axis; 3], len: [usize; 3], lanes: usize, channels: usize) -> usize {
        let numbers = Window::new(axes, len, lanes).map_or(usize::MAX, |window| window.channel());
        numbers.saturating_mul(channels).saturating_mul(size_of::<T>())
    }

    /// Numbers from one output to the next along each axis.
    fn steps(&self) -> [usize; 3] {
        [self.strides[1], self.strides[2], 1]
    }

    /// The offset of each tap of one channel from the output's place, in the order of the taps, the last
    /// axis fastest.
    fn taps(&self, axes: &[Axis; 3]) -> Option<Vec<usize>> {
        let steps = self.steps();
        let places = |i: usize| {
            let mut places = vec![0; axes[i].taps.len()];
            axes[i].runs(self.len[i], |tap, place| places[tap] = place * steps[i])?;
            Some(places)
        };
        let (depth, height, width) = (places(0)?, places(1)?, places(2)?);
        let mut all = Vec::with_capacity(depth.len() * height.len() * width.len());
        for d in &depth {
            for h in &height {
                all.extend(width.iter().map(|w| d + h + w));
            }
        }
        Some(all)
    }

    /// Copies channels of the source, which lie in rows one behind the other, with zeros outside of them, for
    /// the box at `start`.
    pub(super) fn fill<T: Stored>(&self, axes: &[Axis; 3], start: [usize; 3], source: &[T], to: &mut [T]) {
        let [d, h, w] = axes;
        let size = d.source * h.source * w.source;
        if size == 0 {
            return to.fill(T::default());
        }
        // Wraps on the way only: the position is one of the padded source.
        let at = |axis: usize, run: &Run, i: usize| {
            run.first.wrapping_add((start[axis] + i).wrapping_mul(axes[axis].step) as isize)
        };
        let inside = |a: &Axis, i: isize| (0..a.source as isize).contains(&i);
        // Where a row goes, and where it comes from.
        let mut rows: SmallVec<[(usize, Option<usize>); 40]> = SmallVec::new();
        for (depth, i) in self.runs[0].iter().flat_map(|run| (0..run.len).map(move |i| (run, i))) {
            let z = at(0, depth, i);
            for run in &self.runs[1] {
                for j in 0..run.len {
                    let y = at(1, run, j);
                    let from = (inside(d, z) && inside(h, y)).then(|| (z as usize * h.source + y as usize) * w.source);
                    rows.push(((depth.place + i) * self.strides[1] + (run.place + j) * self.strides[2], from));
                }
            }
        }
        let columns: SmallVec<[(Run, Span); 4]> =
            self.runs[2].iter().map(|run| (*run, Span::new(w, at(2, run, 0), run.len))).collect();
        for (from, to) in source.chunks_exact(size).zip(to.chunks_exact_mut(self.channel())) {
            for &(place, row) in &rows {
                let to = &mut to[place..place + self.strides[2]];
                let Some(row) = row else {
                    to.fill(T::default());
                    continue;
                };
                for (run, span) in &columns {
                    span.copy(&from[row..row + w.source], &mut to[run.place..run.place + run.len]);
                }
            }
        }
    }
}

/// What boxes of one size, with as many samples, have in common: a window for each sample, and where taps and
/// outputs are in it. `U`: what is noted of each unit of neighbouring outputs.
pub(super) struct BoxTable<U> {
    len: [usize; 3],
    pub(super) samples: usize,
    channels: usize,
    window: Window,
    /// For each channel and each tap: how far it is from an output's place.
    pub(super) taps: Vec<u32>,
    /// For each unit of neighbouring outputs: its place,
    pub(super) units: Vec<u32>,
    /// and what is noted of it.
    pub(super) notes: Vec<U>,
}

impl<U> BoxTable<U> {
    fn new(
        window: Window,
        axes: &[Axis; 3],
        sizes: &Sizes,
        key: ([usize; 3], usize),
        note: &impl Fn([usize; 4], usize) -> U,
    ) -> Option<Self> {
        let (len, samples) = key;
        // Places in the windows of all samples are kept as `u32`.
        let room = window.channel().checked_mul(sizes.channels)?.checked_mul(samples)?;
        u32::try_from(room).ok()?;
        let (one, steps) = (window.taps(axes)?, window.steps());
        let taps = (0..sizes.channels).flat_map(|c| one.iter().map(move |t| (c, *t)));
        let taps = taps.map(|(c, t)| (c * window.channel() + t) as u32).collect();
        let count = samples * len[0] * len[1] * len[2].div_ceil(sizes.unit);
        let (mut units, mut notes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (s, d) in (0..samples).flat_map(|s| (0..len[0]).map(move |d| (s, d))) {
            for (h, w) in (0..len[1]).flat_map(|h| (0..len[2]).step_by(sizes.unit).map(move |w| (h, w))) {
                let at = s * sizes.channels * window.channel() + d * steps[0] + h * steps[1] + w * steps[2];
                units.push(at as u32);
                notes.push(note([s, d, h, w], sizes.unit.min(len[2] - w)));
            }
        }
        Some(BoxTable { len, samples, channels: sizes.channels, window, taps, units, notes })
    }

    /// Numbers of all samples' windows.
    pub(super) fn room(&self) -> usize {
        self.samples * self.channels * self.window.channel()
    }

    /// Fills the windows of the box at `start`; `source`: a sample's channels.
    pub(super) fn fill<'s, T: Stored>(
        &self,
        axes: &[Axis; 3],
        start: [usize; 3],
        source: impl Fn(usize) -> &'s [T],
        to: &mut [T],
    ) {
        for (s, to) in to.chunks_exact_mut(self.channels * self.window.channel()).enumerate().take(self.samples) {
            self.window.fill(axes, start, source(s), to);
        }
    }
}

/// What all tables of a convolution share.
pub(super) struct Sizes {
    /// Channels of a window, at least one.
    pub(super) channels: usize,
    pub(super) lanes: usize,
    /// Neighbouring outputs that are taken as one.
    pub(super) unit: usize,
}

/// The tables of some boxes, each with some numbers of samples.
pub(super) struct BoxTables<U>(Vec<BoxTable<U>>);

impl<U> BoxTables<U> {
    /// `note` is told the sample, depth, row and column of each unit in its box, and how many outputs it has.
    ///
    /// # Errors
    /// Where a window has more numbers than 32 bits count, which takes a kernel of as many.
    pub(super) fn new(
        axes: &[Axis; 3],
        sizes: &Sizes,
        parts: &[GridBox],
        samples: &[usize],
        note: impl Fn([usize; 4], usize) -> U,
    ) -> Result<Self> {
        let mut all: Vec<BoxTable<U>> = Vec::new();
        for key in parts.iter().flat_map(|part| samples.iter().map(|n| (part.len, *n))) {
            if key.1 > 0 && !all.iter().any(|f| (f.len, f.samples) == key) {
                let window = Window::new(axes, key.0, sizes.lanes);
                let Some(table) = window.and_then(|window| BoxTable::new(window, axes, sizes, key, &note)) else {
                    let taps = axes.each_ref().map(|a| a.taps.len());
                    bail!(Unsupported, "conv", "kernels of {taps:?} elements are larger than the CPU backend can take")
                };
                all.push(table);
            }
        }
        Ok(BoxTables(all))
    }

    pub(super) fn of(&self, part: &GridBox, samples: usize) -> &BoxTable<U> {
        self.0.iter().find(|f| (f.len, f.samples) == (part.len, samples)).expect("each box has a table")
    }

    /// Numbers of the largest windows.
    pub(super) fn room(&self) -> usize {
        self.0.iter().map(BoxTable::room).max().unwrap_or(0)
    }

    /// The most units of outputs.
    pub(super) fn units(&self) -> usize {
        self.0.iter().map(|f| f.units.len()).max().unwrap_or(0)
    }
}

/// What of a row of a plane comes from the source: `to[i] = from[start + (i − low)·step]` for `low ≤ i < high`,
/// zero outside.
struct Span {
    low: usize,
    high: usize,
    start: usize,
    step: usize,
}

impl Span {
    /// `len` numbers from `first` on.
    fn new(axis: &Axis, first: isize, len: usize) -> Span {
        let (step, len) = (axis.step as isize, len as isize);
        let low = (-first).max(0).div_ceil_signed(step).clamp(0, len);
        let high = (axis.source as isize - first).div_ceil_signed(step).clamp(low, len);
        let start = if low == high { 0 } else { (first + low * step) as usize };
        Span { low: low as usize, high: high as usize, start, step: axis.step }
    }

    #[allow(clippy::manual_memcpy)] // rows are short, as said below
    fn copy<T: Stored>(&self, from: &[T], to: &mut [T]) {
        let &Span { low, high, start, step } = self;
        // Rows are often short: plain loops cost less than calls, or than iterators that are not inlined.
        for i in 0..low {
            to[i] = T::default();
        }
        for i in high..to.len() {
            to[i] = T::default();
        }
        if step == 1 && high - low > 64 {
            return to[low..high].copy_from_slice(&from[start..start + high - low]);
        }
        let to = &mut to[low..high];
        if step == 1 {
            let from = &from[start..start + to.len()];
            for i in 0..to.len() {
                to[i] = from[i];
            }
        } else if step == 2 && !to.is_empty() {
            // In pairs, so that it becomes vector code; of the last one the first number alone is sure to be there.
            let (last, most) = (to.len() - 1, from[start..].as_chunks::<2>().0);
            let most = &most[..last];
            for i in 0..last {
                to[i] = most[i][0];
            }
            to[last] = from[start + 2 * last];
        } else {
            for i in 0..to.len() {
                to[i] = from[start + i * step];
            }
        }
    }
}

trait DivCeil {
    fn div_ceil_signed(self, by: isize) -> isize;
}

impl DivCeil for isize {
    /// ⌈self / by⌉ for a positive `by`.
    fn div_ceil_signed(self, by: isize) -> isize {
        -(-self).div_euclid(by)
    }
}

/// The axes of the forward pass. Where a kernel of one element steps over every element, all are one row.
pub(super) fn forward(g: &Geometry) -> [Axis; 3] {
    let axes = [Axis::forward(&g.dims[0]), Axis::forward(&g.dims[1]), Axis::forward(&g.dims[2])];
    merged(axes)
}

/// One long row instead of three axes, where only each element itself is read.
pub(super) fn merged(axes: [Axis; 3]) -> [Axis; 3] {
    if !axes.iter().all(Axis::is_plain) {
        return axes;
    }
    let n = axes.iter().map(|a| a.grid).product();
    let [mut d, mut h, mut w] = axes;
    (d.source, d.grid, h.source, h.grid, w.source, w.grid) = (1, 1, 1, 1, n, n);
    [d, h, w]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_parted_by_the_step() {
        // Source 0..7, padding 2, stride 2, kernel 3, dilation 1: windows start at −2, 0, 2, 4, 6.
        let d = Dim { input: 7, output: 5, kernel: 3, stride: 2, padding: 2, dilation: 1 };
        let one = Axis::new(1, 1, 1, std::iter::once(Tap { index: 0, off: 0 }));
        let axes = [one.clone(), one, Axis::forward(&d)];
        let window = Window::new(&axes, [1, 1, 5], 4).unwrap();
        let source: Vec<i32> = (10..17).collect();
        let mut copy = vec![-1; window.channel()];
        window.fill(&axes, [0; 3], &source, &mut copy);
        let taps = window.taps(&axes).unwrap();
        for q in 0..5 {
            for t in 0..3 {
                let at = 2 * q as isize + t as isize - 2;
                let want = if (0..7).contains(&at) { source[at as usize] } else { 0 };
                assert_eq!(copy[taps[t] + q], want, "output {q}, tap {t}");
            }
        }
    }

    #[test]
    fn each_tap_meets_just_one_phase() {
        let d = Dim { input: 11, output: 4, kernel: 4, stride: 3, padding: 1, dilation: 2 };
        for phase in 0..3 {
            let axis = Axis::backward(&d, phase);
            for q in 0..axis.grid {
                for tap in &axis.taps {
                    let o = q as isize + tap.off;
                    assert_eq!(o * 3 + (tap.index * 2) as isize - 1, (phase + 3 * q) as isize);
                }
            }
        }
        let taps: usize = (0..3).map(|phase| Axis::backward(&d, phase).taps.len()).sum();
        assert_eq!(taps, d.kernel);
    }
}
