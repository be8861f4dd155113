//! Kernels of `grid_sample`: where the samples of a block stand, which elements each is made of and by what weights is
//! computed once, into a table that all channels are then read by.

use super::floats::Compute;
use super::{CpuKernel, Dst, Src, par};
use crate::cpu::par::Shared;
use crate::ops::{GridMode, GridPadding, GridSample, GridSampleBackward};
use crate::{DType, Result, bail};
use std::ops::Range;

/// Samples of a table: it stays in the first-level cache beside a plane.
const BLOCK: usize = 256;

/// Channels whose gradients are summed by one task.
const CHANNELS: usize = 8;

/// What stands in a table for an element outside.
const OUTSIDE: usize = usize::MAX;

/// `f32` or `f64`, and the number of an element.
trait Number: Compute {
    /// Of what is never negative and not beyond `isize::MAX`: in one instruction.
    fn index(self) -> usize;
}

impl Number for f32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as isize as usize
    }
}

impl Number for f64 {
    #[inline(always)]
    fn index(self) -> usize {
        self as isize as usize
    }
}

impl<T: Number, const N: usize> Tap<T, N> {
    const NONE: Tap<T, N> = Tap { at: [OUTSIDE; N], weight: [T::ONE; N], slope: [T::ZERO; N], factor: T::ZERO };
}

/// One dimension of the input.
#[derive(Clone, Copy)]
struct Axis<T> {
    size: T,
    last: T,
    /// The number of the last element, which `last` may be off where there are very many.
    end: usize,
    /// From one element to the next.
    stride: usize,
    padding: GridPadding,
    align_corners: bool,
}

/// Of a sample along one dimension: `N` elements, as distances from the first one, the weights, the weights' derivatives
/// by the place, and that of the place by the grid.
#[derive(Clone, Copy)]
struct Tap<T, const N: usize> {
    at: [usize; N],
    weight: [T; N],
    slope: [T; N],
    factor: T,
}

impl<T: Number> Axis<T> {
    /// Elements from −1 … 1.
    #[inline(always)]
    fn element(&self, x: T) -> T {
        let x = x + T::ONE;
        if self.align_corners { x * (self.last * T::HALF) } else { (x * self.size - T::ONE) * T::HALF }
    }

    /// A place moved inside, as the padding has it, and the derivative of that.
    #[inline(always)]
    fn inside(&self, x: T) -> (T, T) {
        match self.padding {
            GridPadding::Zeros => (x, T::ONE),
            GridPadding::Border => self.clamp(x, T::ONE),
            GridPadding::Reflection => {
                let (low, span) = if self.align_corners { (T::ZERO, self.last) } else { (-T::HALF, self.size) };
                if span == T::ZERO {
                    return (T::ZERO, T::ZERO);
                }
                let sign = if x < low { -T::ONE } else { T::ONE };
                let away = (x - low).abs();
                let flips = (away / span).floor();
                let over = away - flips * span;
                let odd = (flips * T::HALF).floor() + (flips * T::HALF).floor() != flips;
                let (place, sign) = if odd { (span - over, -sign) } else { (over, sign) };
                self.clamp(place + low, sign)
            }
        }
    }

    #[inline(always)]
    fn clamp(&self, x: T, slope: T) -> (T, T) {
        if x >= self.last {
            (self.last, T::ZERO)
        } else if x > T::ZERO {
            (x, slope)
        } else {
            // NaN as well.
            (T::ZERO, T::ZERO)
        }
    }

    /// The distance of an element, if there is one there; NaN is nowhere.
    #[inline(always)]
    fn at(&self, place: T) -> usize {
        if place >= T::ZERO && place <= self.last { place.index().min(self.end) * self.stride } else { OUTSIDE }
    }

    /// One tap is of the nearest element, two are linear, four cubic.
    #[inline(always)]
    fn tap<const N: usize>(&self, x: T) -> Tap<T, N> {
        let mut tap = Tap::NONE;
        let place = self.element(x);
        let scale = if self.align_corners { self.last * T::HALF } else { self.size * T::HALF };
        match N {
            1 => tap.at[0] = self.at(self.inside(place).0.round()),
            2 => {
                let (place, slope) = self.inside(place);
                let first = place.floor();
                let share = place - first;
                tap.at[0] = self.at(first);
                tap.at[1] = self.at(first + T::ONE);
                (tap.weight[0], tap.weight[1]) = (T::ONE - share, share);
                (tap.slope[0], tap.slope[1]) = (-T::ONE, T::ONE);
                tap.factor = scale * slope;
            }
            _ => {
                let first = place.floor();
                let t = place - first;
                let rest = T::ONE - t;
                (tap.weight[0], tap.slope[0]) = far(t + T::ONE);
                (tap.weight[1], tap.slope[1]) = near(t);
                (tap.weight[2], tap.slope[2]) = near(rest);
                (tap.weight[3], tap.slope[3]) = far(rest + T::ONE);
                (tap.slope[2], tap.slope[3]) = (-tap.slope[2], -tap.slope[3]);
                for k in 0..N {
                    tap.at[k] = self.at(self.inside(first + T::from_f64(k as f64 - 1.0)).0.round());
                }
                tap.factor = scale;
            }
        }
        tap
    }
}

/// The cubic convolution kernel of Keys (1981) at a distance up to 1, and its derivative.
#[inline(always)]
fn near<T: Number>(x: T) -> (T, T) {
    let (a, b) = (T::from_f64(1.25), T::from_f64(2.25));
    ((a * x - b) * x * x + T::ONE, (T::from_f64(3.0) * a * x - T::from_f64(2.0) * b) * x)
}

/// The same from 1 to 2.
#[inline(always)]
fn far<T: Number>(x: T) -> (T, T) {
    let a = T::from_f64(-0.75);
    let (five, eight) = (T::from_f64(5.0) * a, T::from_f64(8.0) * a);
    (
        ((a * x - five) * x + eight) * x - T::from_f64(4.0) * a,
        (T::from_f64(3.0) * a * x - T::from_f64(2.0) * five) * x + eight,
    )
}

/// The `K` elements that a sample is made of, their weights, and whether all of them are inside.
#[derive(Clone, Copy)]
struct Entry<T, const K: usize> {
    at: [usize; K],
    weight: [T; K],
    whole: bool,
}

/// A batch of images or volumes and the samples of them.
struct Field<T> {
    axes: Vec<Axis<T>>,
    /// Batch, channels, elements of a plane, samples of a batch.
    n: usize,
    c: usize,
    plane: usize,
    samples: usize,
}

impl<T: Number> Field<T> {
    fn new(op: &GridSample, x: &[usize], grid: &[usize]) -> Field<T> {
        let rank = x.len() - 2;
        let mut stride = 1;
        let mut axes = Vec::with_capacity(rank);
        for &size in x[2..].iter().rev() {
            let (n, last) = (T::from_f64(size as f64), T::from_f64(size as f64 - 1.0));
            axes.push(Axis {
                size: n,
                last,
                end: size - 1,
                stride,
                padding: op.padding,
                align_corners: op.align_corners,
            });
            stride *= size;
        }
        Field { axes, n: x[0], c: x[1], plane: stride, samples: grid[1..=rank].iter().product() }
    }

    /// What the samples are made of along each dimension, the last one first, as the grid has them.
    #[inline(always)]
    fn taps<const R: usize, const N: usize>(&self, grid: &[T], block: &Range<usize>, taps: &mut Vec<[Tap<T, N>; R]>) {
        let (rows, _) = grid.as_chunks::<R>();
        let rows = &rows[block.clone()];
        taps.resize(rows.len(), [Tap::NONE; R]);
        for r in 0..R {
            let axis = self.axes[r];
            for p in 0..rows.len() {
                taps[p][r] = axis.tap(rows[p][r]);
            }
        }
    }

    /// The same for all dimensions together.
    #[inline(always)]
    fn entries<const R: usize, const N: usize, const K: usize>(
        &self,
        taps: &[[Tap<T, N>; R]],
        entries: &mut Vec<Entry<T, K>>,
    ) {
        entries.resize(taps.len(), Entry { at: [0; K], weight: [T::ONE; K], whole: true });
        for p in 0..taps.len() {
            let (taps, entry) = (&taps[p], &mut entries[p]);
            let mut whole = true;
            for k in 0..K {
                let (mut rest, mut at, mut weight, mut inside) = (k, 0, T::ONE, true);
                for r in 0..R {
                    let own = taps[r].at[rest % N];
                    inside &= own != OUTSIDE;
                    at = own.wrapping_add(at);
                    weight = if r == 0 { taps[r].weight[rest % N] } else { weight * taps[r].weight[rest % N] };
                    rest /= N;
                }
                entry.at[k] = if inside { at } else { OUTSIDE };
                entry.weight[k] = weight;
                whole &= inside;
            }
            entry.whole = whole;
        }
    }

    /// `out[n, c, samples]`.
    fn sample<const R: usize, const N: usize, const K: usize>(&self, x: &[T], grid: &[T], out: &mut [T]) {
        let blocks = self.samples.div_ceil(BLOCK);
        let to = Shared::new(out.as_mut_ptr());
        par::ranges(self.n * blocks, grain(BLOCK * (self.c + 4) * K), |tasks| {
            par::simd(
                #[inline(always)]
                || {
                    let (mut taps, mut entries) = (Vec::new(), Vec::new());
                    for task in tasks.clone() {
                        let (n, block) = (task / blocks, self.block(task % blocks));
                        let grid = &grid[n * self.samples * R..(n + 1) * self.samples * R];
                        self.taps::<R, N>(grid, &block, &mut taps);
                        self.entries::<R, N, K>(&taps, &mut entries);
                        for c in n * self.c..(n + 1) * self.c {
                            let x = &x[c * self.plane..(c + 1) * self.plane];
                            let start = c * self.samples;
                            // SAFETY: these samples are inside the output, and this task's alone.
                            let to = unsafe { to.part(start + block.start..start + block.end) };
                            for p in 0..to.len() {
                                to[p] = mix(x, &entries[p]);
                            }
                        }
                    }
                },
            );
        });
    }

    fn block(&self, i: usize) -> Range<usize> {
        i * BLOCK..((i + 1) * BLOCK).min(self.samples)
    }

    /// The gradient of the input, which is zeros before.
    fn scatter<const R: usize, const N: usize, const K: usize>(&self, g: &[T], grid: &[T], out: &mut [T]) {
        let groups = self.c.div_ceil(CHANNELS);
        let to = Shared::new(out.as_mut_ptr());
        par::ranges(self.n * groups, grain(self.samples * (CHANNELS + 4) * K), |tasks| {
            par::simd(
                #[inline(always)]
                || {
                    let (mut taps, mut entries) = (Vec::new(), Vec::new());
                    for task in tasks.clone() {
                        let (n, group) = (task / groups, task % groups);
                        let grid = &grid[n * self.samples * R..(n + 1) * self.samples * R];
                        let channels = group * CHANNELS..((group + 1) * CHANNELS).min(self.c);
                        for i in 0..self.samples.div_ceil(BLOCK) {
                            let block = self.block(i);
                            self.taps::<R, N>(grid, &block, &mut taps);
                            self.entries::<R, N, K>(&taps, &mut entries);
                            for c in channels.clone() {
                                let c = n * self.c + c;
                                let g = &g[c * self.samples..(c + 1) * self.samples][block.clone()];
                                // SAFETY: this plane is inside the output, and this task's alone.
                                let to = unsafe { to.part(c * self.plane..(c + 1) * self.plane) };
                                for p in 0..g.len() {
                                    spread(to, &entries[p], g[p]);
                                }
                            }
                        }
                    }
                },
            );
        });
    }

    /// The gradient of the grid.
    fn places<const R: usize, const N: usize, const K: usize>(&self, g: &[T], x: &[T], grid: &[T], out: &mut [T]) {
        let blocks = self.samples.div_ceil(BLOCK);
        let to = Shared::new(out.as_mut_ptr());
        par::ranges(self.n * blocks, grain(BLOCK * (self.c + 8) * K), |tasks| {
            par::simd(
                #[inline(always)]
                || {
                    let (mut taps, mut entries, mut sums) = (Vec::new(), Vec::new(), Vec::new());
                    for task in tasks.clone() {
                        let (n, block) = (task / blocks, self.block(task % blocks));
                        let grid = &grid[n * self.samples * R..(n + 1) * self.samples * R];
                        self.taps::<R, N>(grid, &block, &mut taps);
                        self.entries::<R, N, K>(&taps, &mut entries);
                        // Over all channels, for each of the elements: gradient by element.
                        sums.clear();
                        sums.resize(block.len(), [T::ZERO; K]);
                        for c in n * self.c..(n + 1) * self.c {
                            let x = &x[c * self.plane..(c + 1) * self.plane];
                            let g = &g[c * self.samples..(c + 1) * self.samples][block.clone()];
                            for p in 0..g.len() {
                                for k in 0..K {
                                    sums[p][k] += g[p] * element(x, &entries[p], k);
                                }
                            }
                        }
                        let start = n * self.samples;
                        // SAFETY: these places are inside the output, and this task's alone.
                        let to = unsafe { to.part((start + block.start) * R..(start + block.end) * R) };
                        for p in 0..block.len() {
                            for r in 0..R {
                                to[p * R + r] = along(&taps[p], &sums[p], r);
                            }
                        }
                    }
                },
            );
        });
    }
}

/// The derivative of a sample along dimension r.
#[inline(always)]
fn along<T: Number, const R: usize, const N: usize, const K: usize>(
    taps: &[Tap<T, N>; R],
    sums: &[T; K],
    r: usize,
) -> T {
    let mut total = T::ZERO;
    for k in 0..K {
        let (mut rest, mut weight) = (k, sums[k]);
        for q in 0..R {
            weight = weight * if q == r { taps[q].slope[rest % N] } else { taps[q].weight[rest % N] };
            rest /= N;
        }
        total += weight;
    }
    total * taps[r].factor
}

/// Element k of an entry, 0 outside.
#[inline(always)]
fn element<T: Number, const K: usize>(x: &[T], entry: &Entry<T, K>, k: usize) -> T {
    if entry.at[k] == OUTSIDE { T::ZERO } else { x[entry.at[k]] }
}

/// A sample of a plane.
#[inline(always)]
fn mix<T: Number, const K: usize>(x: &[T], entry: &Entry<T, K>) -> T {
    let mut sum = T::ZERO;
    if entry.whole {
        for k in 0..K {
            debug_assert!(entry.at[k] < x.len());
            // SAFETY: `Axis::at` bounds each part of the number by its dimension, and x is a plane of all of them.
            sum += unsafe { *x.get_unchecked(entry.at[k]) } * entry.weight[k];
        }
    } else {
        for k in 0..K {
            sum += element(x, entry, k) * entry.weight[k];
        }
    }
    sum
}

/// A sample's gradient to the elements that it was made of.
#[inline(always)]
fn spread<T: Number, const K: usize>(to: &mut [T], entry: &Entry<T, K>, g: T) {
    for k in 0..K {
        if entry.whole || entry.at[k] != OUTSIDE {
            to[entry.at[k]] += g * entry.weight[k];
        }
    }
}

/// Tasks of this cost that are worth a thread.
fn grain(cost: usize) -> usize {
    (par::GRAIN / cost.max(1)).max(1)
}

/// Calls a method of [`Field`] with as many taps as the mode and the rank have.
macro_rules! by_taps {
    ($op:expr, $field:ident.$method:ident($($arg:expr),*)) => {
        match ($op.mode, $field.axes.len()) {
            (GridMode::Nearest, 2) => $field.$method::<2, 1, 1>($($arg),*),
            (GridMode::Nearest, _) => $field.$method::<3, 1, 1>($($arg),*),
            (GridMode::Bilinear, 2) => $field.$method::<2, 2, 4>($($arg),*),
            (GridMode::Bilinear, _) => $field.$method::<3, 2, 8>($($arg),*),
            (GridMode::Bicubic, _) => $field.$method::<2, 4, 16>($($arg),*),
        }
    };
}

/// Runs with the type that the input stores.
macro_rules! by_number {
    ($op:expr, $dtype:expr, $run:ident($($arg:expr),*)) => {
        match $dtype {
            DType::F32 => $run::<f32>($($arg),*),
            DType::F64 => $run::<f64>($($arg),*),
            other => bail!(DType, $op, "not defined for {other}"),
        }
    };
}

impl CpuKernel for GridSample {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn run<T: Number>(op: &GridSample, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let field = Field::<T>::new(op, inputs[0].shape(), inputs[1].shape());
            let (x, grid) = (inputs[0].contiguous::<T>(), inputs[1].contiguous::<T>());
            by_taps!(op, field.sample(&x, &grid, outputs[0].slice::<T>()));
            Ok(())
        }
        by_number!("grid_sample", inputs[0].dtype(), run(self, inputs, outputs))
    }
}

impl CpuKernel for GridSampleBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn run<T: Number>(op: &GridSampleBackward, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
            let field = Field::<T>::new(&op.of, inputs[1].shape(), inputs[2].shape());
            let (g, grid) = (inputs[0].contiguous::<T>(), inputs[2].contiguous::<T>());
            let mut outputs = outputs.iter_mut();
            let mut next = |asked: bool| if asked { outputs.next() } else { None };
            if let Some(out) = next(op.grads[0]) {
                let out = out.slice::<T>();
                out.fill(T::ZERO);
                by_taps!(op.of, field.scatter(&g, &grid, out));
            }
            if let Some(out) = next(op.grads[1]) {
                let x = inputs[1].contiguous::<T>();
                by_taps!(op.of, field.places(&g, &x, &grid, out.slice::<T>()));
            }
            Ok(())
        }
        by_number!("grid_sample_backward", inputs[0].dtype(), run(self, inputs, outputs))
    }
}
