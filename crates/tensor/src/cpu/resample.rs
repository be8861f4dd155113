//! Kernels of `interpolate`: along the last dimension first, a row at a time, then across the rows that are held, so
//! that no image in between is written. Images in channels-last order are computed as they lie; those of bytes have loops
//! of their own (`resample/bytes.rs`).

mod bytes;

use super::floats::{self, Compute, compute};
use super::lanes::by_dtype;
use super::par::{self, Shared};
use super::scratch::Scratch;
use super::view::by_pixels;
use super::{CpuKernel, Dst, Src, list, reserve};
use crate::dtype::Stored;
use crate::ops::{Interpolate, InterpolateBackward, Taps};
use crate::{DType, Result};
pub use bytes::ByteRows;
use std::ops::Range;

/// Rows of an image that one task makes at least: neighbouring tasks compute some rows twice.
const BAND: usize = 32;

/// Elements that are summed in registers side by side.
const LANES: usize = 32;

/// What is resampled.
trait Mixed: Compute {
    /// The weights of all runs.
    fn weights(taps: &Taps) -> Result<Vec<Self>>;
    /// Whether a weight of zero makes nothing of each.
    fn all_finite(x: &[Self]) -> bool;
}

macro_rules! mixed {
    ($($t:ty),*) => {$(
        impl Mixed for $t {
            fn weights(taps: &Taps) -> Result<Vec<$t>> {
                let mut weights = Vec::new();
                reserve(&mut weights, taps.weights().len())?;
                weights.extend(taps.weights().iter().map(|w| *w as $t));
                Ok(weights)
            }
            #[inline(always)]
            fn all_finite(x: &[$t]) -> bool {
                x.iter().fold(true, |all, x| all & x.is_finite())
            }
        }
    )*};
}
mixed!(f32, f64);

/// Along one dimension: the runs of [`Taps`] with weights of the type that is summed.
struct Table<'a, T: Mixed> {
    taps: &'a Taps,
    weights: Vec<T>,
    width: usize,
    even: Option<Even<T>>,
}

/// The runs of a row, brought to one length by weights of zero.
struct Even<T: Mixed> {
    width: usize,
    first: Vec<usize>,
    weights: Vec<T>,
}

impl<'a, T: Mixed> Table<'a, T> {
    /// None where each element stays what it is.
    fn new(taps: &'a Taps) -> Result<Option<Self>> {
        if taps.is_identity() {
            return Ok(None);
        }
        Ok(Some(Table { taps, weights: T::weights(taps)?, width: taps.width(), even: None }))
    }

    /// With even runs, but where they differ much, or a row is shorter than they.
    fn evened(mut self) -> Result<Self> {
        let Some(width) = [2, 4, 8, 12, 16].into_iter().find(|width| *width >= self.width) else { return Ok(self) };
        let (from, to) = (self.taps.from(), self.taps.to());
        if width <= from && width.saturating_mul(to) <= 4 * self.weights.len() + 64 {
            let mut even = Even { width, first: list(to, 0)?, weights: list(width * to, T::default())? };
            for o in 0..to {
                let (first, weights) = self.run(o);
                even.first[o] = first.min(from - width);
                let start = o * width + first - even.first[o];
                even.weights[start..start + weights.len()].copy_from_slice(weights);
            }
            self.even = Some(even);
        }
        Ok(self)
    }

    /// The first element of run `o`, and its weights.
    #[inline(always)]
    fn run(&self, o: usize) -> (usize, &[T]) {
        (self.taps.first()[o], &self.weights[self.taps.run(o)])
    }

    /// A row of pixels of `inner` elements, resampled.
    #[inline(always)]
    fn along(&self, x: &[T], inner: usize, out: &mut [T]) {
        match (inner, &self.even) {
            (1, Some(even)) if T::all_finite(x) => match even.width {
                2 => even.along::<2>(x, out),
                4 => even.along::<4>(x, out),
                8 => even.along::<8>(x, out),
                12 => even.along::<12>(x, out),
                _ => even.along::<16>(x, out),
            },
            (1, _) => self.along_pixels::<1>(x, out),
            (2, _) => self.along_pixels::<2>(x, out),
            (3, _) => self.along_pixels::<3>(x, out),
            (4, _) => self.along_pixels::<4>(x, out),
            _ => {
                for o in 0..self.taps.to() {
                    let (first, weights) = self.run(o);
                    let pixel = |k: usize| &x[(first + k) * inner..(first + k + 1) * inner];
                    mix(pixel, weights, &mut out[o * inner..(o + 1) * inner]);
                }
            }
        }
    }

    /// Pixels of a few elements.
    #[inline(always)]
    fn along_pixels<const C: usize>(&self, x: &[T], out: &mut [T]) {
        let ((x, _), (out, _)) = (x.as_chunks::<C>(), out.as_chunks_mut::<C>());
        for o in 0..out.len() {
            let (first, weights) = self.run(o);
            let x = &x[first..first + weights.len()];
            let mut sums = [T::default(); C];
            for k in 0..x.len() {
                for c in 0..C {
                    let product = x[k][c] * weights[k];
                    sums[c] = if k == 0 { product } else { sums[c] + product };
                }
            }
            out[o] = sums;
        }
    }
}

impl<T: Mixed> Even<T> {
    #[inline(always)]
    fn along<const N: usize>(&self, x: &[T], out: &mut [T]) {
        let (weights, _) = self.weights.as_chunks::<N>();
        let (first, weights) = (&self.first[..out.len()], &weights[..out.len()]);
        for o in 0..out.len() {
            let x = &x[first[o]..first[o] + N];
            let mut sum = x[0] * weights[o][0];
            for k in 1..N {
                sum = sum + x[k] * weights[o][k];
            }
            out[o] = sum;
        }
    }
}

/// Rows added up by their weights; `row(k)` is as long as `out`.
#[inline(always)]
fn mix<'x, T: Mixed>(row: impl Fn(usize) -> &'x [T], weights: &[T], out: &mut [T]) {
    match *weights {
        [] => out.fill(T::default()),
        [a] => {
            let x = &row(0)[..out.len()];
            for i in 0..out.len() {
                out[i] = x[i] * a;
            }
        }
        [a, b] => {
            let (x, y) = (&row(0)[..out.len()], &row(1)[..out.len()]);
            for i in 0..out.len() {
                out[i] = x[i] * a + y[i] * b;
            }
        }
        _ => {
            let mut start = 0;
            let (blocks, rest) = out.as_chunks_mut::<LANES>();
            for block in blocks {
                let mut sums = [T::default(); LANES];
                for k in 0..weights.len() {
                    let (x, w) = (&row(k)[start..start + LANES], weights[k]);
                    for i in 0..LANES {
                        sums[i] = if k == 0 { x[i] * w } else { sums[i] + x[i] * w };
                    }
                }
                *block = sums;
                start += LANES;
            }
            for i in 0..rest.len() {
                let mut sum = row(0)[start + i] * weights[0];
                for k in 1..weights.len() {
                    sum = sum + row(k)[start + i] * weights[k];
                }
                rest[i] = sum;
            }
        }
    }
}

/// Images of one size, one after another, each of rows of pixels of `inner` elements.
struct Images<'a, T: Mixed> {
    rows: Option<Table<'a, T>>,
    columns: Option<Table<'a, T>>,
    /// Elements of a row, before and after.
    line: usize,
    made: usize,
    /// Rows, before and after.
    height: usize,
    tall: usize,
    inner: usize,
}

impl<T: Mixed> Images<'_, T> {
    /// All of `x` into `out`.
    fn resample(&self, op: &'static str, x: &[T], out: &mut [T]) -> Result<()> {
        let bands = self.tall.div_ceil(BAND);
        let images = out.len() / (self.tall * self.made);
        let width = |table: &Option<Table<'_, T>>| table.as_ref().map_or(1, |t| t.width);
        let cost = BAND.min(self.tall) * self.made * (width(&self.rows) + width(&self.columns));
        let to = Shared::new(out.as_mut_ptr());
        par::try_ranges(images * bands, (par::GRAIN / cost.max(1)).max(1), |tasks| {
            let mut held = Held::new(op, width(&self.rows).max(1), self.made)?;
            for task in tasks {
                let (image, band) = (task / bands, task % bands);
                let band = band * BAND..((band + 1) * BAND).min(self.tall);
                let x = &x[image * self.height * self.line..(image + 1) * self.height * self.line];
                let start = image * self.tall;
                // SAFETY: these rows are inside the output, and this task's alone.
                let out = unsafe { to.part((start + band.start) * self.made..(start + band.end) * self.made) };
                held.rows.fill(usize::MAX);
                par::simd(
                    #[inline(always)]
                    || self.band(x, band.clone(), &mut held, out),
                );
            }
            Ok(())
        })
    }

    /// Some rows of one image.
    #[inline(always)]
    fn band(&self, x: &[T], band: Range<usize>, held: &mut Held<T>, out: &mut [T]) {
        let row = |i: usize| &x[i * self.line..(i + 1) * self.line];
        for (o, out) in band.zip(out.chunks_exact_mut(self.made)) {
            match (&self.rows, &self.columns) {
                (None, None) => out.copy_from_slice(row(o)),
                (None, Some(columns)) => columns.along(row(o), self.inner, out),
                (Some(rows), None) => {
                    let (first, weights) = rows.run(o);
                    mix(|k| row(first + k), weights, out);
                }
                (Some(rows), Some(columns)) => {
                    let (first, weights) = rows.run(o);
                    for i in first..first + weights.len() {
                        if let Some(to) = held.lacking(i) {
                            columns.along(row(i), self.inner, to);
                        }
                    }
                    mix(|k| held.row(first + k), weights, out);
                }
            }
        }
    }
}

/// The last rows that were resampled along themselves.
struct Held<T> {
    numbers: Scratch<T>,
    /// Which row stands in each place.
    rows: Vec<usize>,
    line: usize,
}

impl<T: Stored> Held<T> {
    /// Room for `count` rows that follow each other.
    fn new(op: &'static str, count: usize, line: usize) -> Result<Held<T>> {
        let count = count.next_power_of_two();
        Ok(Held { numbers: Scratch::new(op, &[count, line])?, rows: list(count, usize::MAX)?, line })
    }

    #[inline(always)]
    fn place(&self, row: usize) -> Range<usize> {
        let slot = row & (self.rows.len() - 1);
        slot * self.line..(slot + 1) * self.line
    }

    /// Where a row is to be written, if it is not there.
    #[inline(always)]
    fn lacking(&mut self, row: usize) -> Option<&mut [T]> {
        let slot = row & (self.rows.len() - 1);
        if std::mem::replace(&mut self.rows[slot], row) == row {
            return None;
        }
        let place = self.place(row);
        Some(&mut self.numbers.slice()[place])
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &[T] {
        &self.numbers.get()[self.place(row)]
    }
}

/// What stands in front of the resampled dimensions, and the elements of a pixel behind them.
#[derive(Clone, Copy)]
struct Around {
    outer: usize,
    inner: usize,
}

/// Weighted sums along each dimension.
fn weighted<T: Mixed>(op: &'static str, all: &[Taps], x: &[T], out: &mut [T], around: Around) -> Result<()> {
    let Around { outer, inner } = around;
    if out.is_empty() {
        return Ok(());
    }
    let size = |i: usize| all.len().checked_sub(i).map_or((1, 1), |i| (all[i].from(), all[i].to()));
    let table = |i: usize| all.len().checked_sub(i).map_or(Ok(None), |i| Table::<T>::new(&all[i]));
    let ((w, wide), (h, tall), (d, deep)) = (size(1), size(2), size(3));
    let images = Images {
        rows: table(2)?,
        columns: table(1)?.map(Table::evened).transpose()?,
        line: w * inner,
        made: wide * inner,
        height: h,
        tall,
        inner,
    };
    let Some(depth) = table(3)? else { return images.resample(op, x, out) };
    let image = tall * wide * inner;
    let mut flat = Scratch::<T>::new(op, &[outer, d, image])?;
    images.resample(op, x, flat.slice())?;
    let flat = flat.get();
    par::chunks(out, image, image * depth.width, |i, out| {
        let (volume, (first, weights)) = (i / deep, depth.run(i % deep));
        let plane = |k: usize| &flat[(volume * d + first + k) * image..][..image];
        par::simd(
            #[inline(always)]
            || mix(plane, weights, out),
        );
    });
    Ok(())
}

/// One input element for each output element.
fn picked<T: Stored>(all: &[Taps], x: &[T], out: &mut [T], inner: usize) {
    let size = |i: usize| all.len().checked_sub(i).map_or((1, 1), |i| (all[i].from(), all[i].to()));
    let at = |i: usize, o: usize| all.len().checked_sub(i).map_or(0, |i| all[i].first()[o]);
    let ((w, wide), (h, tall), (d, deep)) = (size(1), size(2), size(3));
    let columns = all.last().map_or(&[0][..], Taps::first);
    let (line, made) = (w * inner, wide * inner);
    let together = (par::GRAIN / made.max(1)).max(1);
    par::chunks(out, together * made, together * made, |task, out| {
        let mut last = usize::MAX;
        for r in 0..out.len() / made.max(1) {
            let row = task * together + r;
            let (volume, z, y) = (row / (deep * tall), row / tall % deep, row % tall);
            let from = (volume * d + at(3, z)) * h + at(2, y);
            let (done, to) = out.split_at_mut(r * made);
            let (to, x) = (&mut to[..made], &x[from * line..(from + 1) * line]);
            if from == last {
                to.copy_from_slice(&done[(r - 1) * made..]);
            } else if inner == 1 {
                to.iter_mut().zip(columns).for_each(|(to, i)| *to = x[*i]);
            } else {
                let pixels = to.chunks_exact_mut(inner).zip(columns);
                pixels.for_each(|(to, i)| to.copy_from_slice(&x[i * inner..(i + 1) * inner]));
            }
            last = from;
        }
    });
}

/// Images of bytes, one after another, of pixels of `inner`.
fn images_of_bytes(
    op: &'static str,
    of: &Interpolate,
    [h, w]: [usize; 2],
    x: &[u8],
    out: &mut [u8],
    inner: usize,
) -> Result<()> {
    let (tall, wide) = (of.size[0], of.size[1]);
    let plan = ByteRows::new(of, [h, w], [0..tall, 0..wide], inner)?;
    let [down, right] = plan.source();
    let (line, made, bands) = (w * inner, wide * inner, tall.div_ceil(BAND));
    let images = out.len() / (tall * made);
    let to = Shared::new(out.as_mut_ptr());
    let cost = plan.cost().saturating_mul(BAND.min(tall));
    par::try_ranges(images * bands, (par::GRAIN / cost.max(1)).max(1), |tasks| {
        let mut held = plan.held(op)?;
        for task in tasks {
            let (image, band) = (task / bands, task % bands * BAND);
            let x = &x[(image * h + down.start) * line + right.start * inner..];
            held.rows.fill(usize::MAX);
            for o in band..(band + BAND).min(tall) {
                let start = (image * tall + o) * made;
                // SAFETY: this row is inside the output, and this task's alone.
                plan.row(o, x, line, &mut held, unsafe { to.part(start..start + made) });
            }
        }
        Ok(())
    })
}

/// Calls `f` with what stands around the last `rank` dimensions, images in channels-last order as matrices of pixels.
fn by_images(
    rank: usize,
    inputs: &[Src<'_>],
    outputs: &mut [Dst<'_>],
    f: impl FnOnce(&Src<'_>, &mut Dst<'_>, Around) -> Result<()>,
) -> Result<()> {
    let front = &inputs[0].shape()[..inputs[0].shape().len() - rank];
    let outer = front.iter().product();
    match *front {
        [n, c] => by_pixels(1, inputs, outputs, |inputs, outputs, pixels| {
            let around = if pixels { Around { outer: n, inner: c } } else { Around { outer, inner: 1 } };
            f(&inputs[0], &mut outputs[0], around)
        }),
        _ => f(&inputs[0], &mut outputs[0], Around { outer, inner: 1 }),
    }
}

/// [`weighted`] of whole operands.
fn sums(op: &'static str, taps: &[Taps], inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
    fn go<T: Mixed>(op: &'static str, taps: &[Taps], x: &Src<'_>, out: &mut Dst<'_>, around: Around) -> Result<()> {
        let x = floats::read::<T>(x)?;
        floats::write::<T, _>(out, |out| weighted(op, taps, &x, out, around))?
    }
    by_images(taps.len(), inputs, outputs, |x, out, around| compute!(op, x.dtype(), go(op, taps, x, out, around)))
}

impl CpuKernel for Interpolate {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        const OP: &str = "interpolate";
        let (rank, dtype) = (self.size.len(), inputs[0].dtype());
        if outputs[0].numel() == 0 {
            return Ok(());
        }
        let own = &inputs[0].shape()[inputs[0].shape().len() - rank..];
        if !self.mode.picks()
            && let (DType::U8, &[h, w]) = (dtype, own)
        {
            return by_images(rank, inputs, outputs, |x, out, around| {
                images_of_bytes(OP, self, [h, w], &x.contiguous(), out.slice(), around.inner)
            });
        }
        let taps = self.taps(own, dtype)?;
        if !self.mode.picks() {
            return sums(OP, &taps, inputs, outputs);
        }
        by_images(rank, inputs, outputs, |x, out, around| {
            by_dtype!(OP, dtype, {
                kept T => picked::<T>(&taps, &x.contiguous(), out.slice(), around.inner),
                unsigned T => picked::<T>(&taps, &x.contiguous(), out.slice(), around.inner),
            });
            Ok(())
        })
    }
}

impl CpuKernel for InterpolateBackward {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        if outputs[0].numel() == 0 {
            return Ok(());
        }
        sums("interpolate_backward", &self.taps(inputs[0].dtype())?, inputs, outputs)
    }
}
