//! Which source elements meet which taps of a weight: the geometry that all convolution kernels share.
//!
//! Forward convolution and (for each phase of the stride) its input gradient are one pattern: a grid of
//! outputs steps over a source, and each output sums the source at a list of taps. A [`Window`] is a copy
//! of a box of the source with the zeros around it, its rows parted by the step, so that neighbours in the
//! grid are neighbours in memory and a tap is one fixed offset from any of them.

use crate::dtype::Stored;
use crate::ops::{Dim, Geometry};
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
}

impl Axis {
    /// Of the forward pass.
    pub(super) fn forward(d: &Dim) -> Axis {
        let off = |t: usize| (t * d.dilation) as isize - d.padding as isize;
        let taps = (0..d.kernel).map(|t| Tap { index: t, off: off(t) }).collect();
        Axis { source: d.input, grid: d.output, step: d.stride, taps }
    }

    /// Of the input gradient, for the inputs `phase`, `phase + stride`, …: the source is the output's
    /// gradient, and only the taps that meet this phase are there.
    pub(super) fn backward(d: &Dim, phase: usize) -> Axis {
        let stride = d.stride as isize;
        let taps = (0..d.kernel)
            .map(|t| Tap { index: t, off: (phase + d.padding) as isize - (t * d.dilation) as isize })
            .filter(|t| t.off.rem_euclid(stride) == 0)
            .map(|t| Tap { off: t.off / stride, ..t })
            .collect();
        Axis { source: d.output, grid: d.input.saturating_sub(phase).div_ceil(d.stride), step: 1, taps }
    }

    /// Does each output read just the source element at its own place?
    pub(super) fn is_plain(&self) -> bool {
        self.step == 1 && self.source == self.grid && self.taps[..] == [Tap { index: 0, off: 0 }]
    }

    fn first(&self) -> isize {
        self.taps.iter().map(|t| t.off).min().unwrap_or(0)
    }

    fn reach(&self) -> usize {
        (self.taps.iter().map(|t| t.off).max().unwrap_or(0) - self.first()) as usize
    }

    /// Does any output read the source at `rest` past a multiple of the step (from the first tap)?
    fn reads(&self, rest: usize) -> bool {
        self.taps.iter().any(|t| (t.off - self.first()) as usize % self.step == rest % self.step)
    }
}

/// A box of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) start: [usize; 3],
    pub(super) len: [usize; 3],
}

impl Part {
    pub(super) fn numel(&self) -> usize {
        self.len.iter().product()
    }
}

/// The grid cut into boxes of at most `len`.
pub(super) fn boxes(grid: [usize; 3], len: [usize; 3]) -> Vec<Part> {
    let mut all = Vec::new();
    for d in (0..grid[0]).step_by(len[0].max(1)) {
        for h in (0..grid[1]).step_by(len[1].max(1)) {
            for w in (0..grid[2]).step_by(len[2].max(1)) {
                let start = [d, h, w];
                all.push(Part { start, len: std::array::from_fn(|i| len[i].min(grid[i] - start[i])) });
            }
        }
    }
    all
}

/// How a box of the source lies in the copy.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Positions along depth and height, and numbers in a row of one plane.
    extent: [usize; 3],
    /// For each rest of the column by the step: its plane, if any tap reads it.
    planes: SmallVec<[Option<usize>; 4]>,
    /// Numbers from one channel, depth, height to the next.
    strides: [usize; 3],
}

impl Window {
    /// For boxes of `len`, rows long enough to read `lanes` numbers from any multiple of `lanes`.
    pub(super) fn new(axes: &[Axis; 3], len: [usize; 3], lanes: usize) -> Window {
        let [_, _, w] = axes;
        let mut planes: SmallVec<[Option<usize>; 4]> = (0..w.step).map(|_| None).collect();
        let mut count = 0;
        for (rest, plane) in planes.iter_mut().enumerate() {
            if w.reads(rest) {
                *plane = Some(count);
                count += 1;
            }
        }
        let span = |d: usize| (len[d] - 1) * axes[d].step + axes[d].reach() + 1;
        let row = len[2].next_multiple_of(lanes) + w.reach() / w.step;
        let extent = [span(0), span(1), row];
        let h = row * count.max(1);
        let d = h * extent[1];
        Window { extent, planes, strides: [d * extent[0], d, h] }
    }

    /// Numbers of one channel.
    pub(super) fn channel(&self) -> usize {
        self.strides[0]
    }

    /// Numbers from one output to the next along each axis.
    pub(super) fn steps(&self, axes: &[Axis; 3]) -> [usize; 3] {
        [axes[0].step * self.strides[1], axes[1].step * self.strides[2], 1]
    }

    /// The offset of each tap of one channel from the output's place, in the order of the taps, the last
    /// axis fastest.
    pub(super) fn taps(&self, axes: &[Axis; 3]) -> Vec<u32> {
        let from = |a: &Axis, t: &Tap| (t.off - a.first()) as usize;
        let mut all = Vec::new();
        for d in &axes[0].taps {
            for h in &axes[1].taps {
                for w in &axes[2].taps {
                    let column = from(&axes[2], w);
                    let plane = self.planes[column % axes[2].step].unwrap_or(0);
                    let row = from(&axes[0], d) * self.strides[1]
                        + from(&axes[1], h) * self.strides[2]
                        + plane * self.extent[2];
                    all.push((row + column / axes[2].step) as u32);
                }
            }
        }
        all
    }

    /// Copies one channel of the source, which lies in rows, with zeros outside of it, for the box at `start`.
    pub(super) fn fill<T: Stored>(&self, axes: &[Axis; 3], start: [usize; 3], source: &[T], to: &mut [T]) {
        let [d, h, w] = axes;
        let at = |a: &Axis, i: usize, axis: usize| (start[axis] * a.step + i) as isize + a.first();
        let inside = |a: &Axis, i: isize| (0..a.source as isize).contains(&i);
        for i in 0..self.extent[0] {
            for j in 0..self.extent[1] {
                if !d.reads(i) || !h.reads(j) {
                    continue;
                }
                let (z, y) = (at(d, i, 0), at(h, j, 1));
                let place = i * self.strides[1] + j * self.strides[2];
                let rows = &mut to[place..place + self.strides[2]];
                if !inside(d, z) || !inside(h, y) {
                    rows.fill(T::default());
                    continue;
                }
                let from = (z as usize * h.source + y as usize) * w.source;
                let row = &source[from..from + w.source];
                for (rest, plane) in self.planes.iter().enumerate() {
                    if let Some(plane) = plane {
                        let to = &mut rows[plane * self.extent[2]..(plane + 1) * self.extent[2]];
                        copy_row(row, at(w, rest, 2), w.step, to);
                    }
                }
            }
        }
    }
}

/// `to[i] = from[first + i·step]`, zero outside.
fn copy_row<T: Stored>(from: &[T], first: isize, step: usize, to: &mut [T]) {
    let s = step as isize;
    let n = to.len() as isize;
    // `i` is inside where 0 ≤ first + i·s < len.
    let low = (-first).max(0).div_ceil_signed(s).clamp(0, n);
    let high = (from.len() as isize - first).div_ceil_signed(s).clamp(low, n);
    let (low, high) = (low as usize, high as usize);
    // Rows are often short: plain loops cost less than calls.
    to[..low].iter_mut().for_each(|to| *to = T::default());
    to[high..].iter_mut().for_each(|to| *to = T::default());
    if low == high {
        return;
    }
    let start = (first + low as isize * s) as usize;
    if step == 1 && high - low > 64 {
        to[low..high].copy_from_slice(&from[start..start + high - low]);
    } else if step == 1 {
        let from = &from[start..start + high - low];
        to[low..high].iter_mut().zip(from).for_each(|(to, x)| *to = *x);
    } else {
        to[low..high].iter_mut().zip(from[start..].iter().step_by(step)).for_each(|(to, x)| *to = *x);
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
        let one = Axis { source: 1, grid: 1, step: 1, taps: smallvec::smallvec![Tap { index: 0, off: 0 }] };
        let axes = [one.clone(), one, Axis::forward(&d)];
        let window = Window::new(&axes, [1, 1, 5], 4);
        let source: Vec<i32> = (10..17).collect();
        let mut copy = vec![-1; window.channel()];
        window.fill(&axes, [0; 3], &source, &mut copy);
        let taps = window.taps(&axes);
        for q in 0..5 {
            for t in 0..3 {
                let at = 2 * q as isize + t as isize - 2;
                let want = if (0..7).contains(&at) { source[at as usize] } else { 0 };
                assert_eq!(copy[taps[t] as usize + q], want, "output {q}, tap {t}");
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
