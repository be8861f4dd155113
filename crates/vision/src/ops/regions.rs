//! Kernels of regions of interest. The channels of a pixel lie side by side, since all of them are taken from the same
//! pixels with the same weights: the inner loops run over channels, and what a bin covers is found once for all. Where
//! each bin has channels of its own it takes a few pixels of each: there the maps stay in planes (`regions/by_position.rs`).

mod by_position;

use crate::simd::simd;
use crate::transforms::functional::real::Real;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{Result, ensure};

/// What becomes of the pixels in a bin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// The mean of points between pixels, `ratio` × `ratio` of them, or as many as there are pixels. Where it is
    /// `aligned` the region begins half a pixel before its corner; else it has at least one pixel. The mean of no points
    /// is 0, or 0 / 0 where it is `bare`.
    Points { ratio: Option<usize>, aligned: bool, bare: bool },
    /// The mean of whole pixels.
    Mean,
    /// The greatest of whole pixels.
    Greatest,
}

/// How regions are divided into bins, `scale` being the map's pixels to one of theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    pub rows: usize,
    pub columns: usize,
    pub scale: f64,
    pub take: Take,
}

/// Maps `[B, H, W, C]`; in planes `[B, C, G, H, W]` where each of G bins has channels of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maps {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    /// Of a bin.
    pub channels: usize,
    /// How many bins have channels of their own; 0 where they share all.
    pub positions: usize,
}

impl Maps {
    pub(super) fn shape(&self) -> Vec<usize> {
        let Maps { images, height, width, channels, positions } = *self;
        match positions {
            0 => vec![images, height, width, channels],
            _ => vec![images, channels, positions, height, width],
        }
    }

    /// Where the channels of a pixel begin.
    #[inline(always)]
    fn at(&self, image: usize, row: usize, column: usize) -> usize {
        ((image * self.height + row) * self.width + column) * self.channels
    }
}

/// A place between two pixels of a row or column, and how far it is on the way.
#[derive(Clone, Copy)]
struct Point<R> {
    low: usize,
    high: usize,
    way: R,
}

/// Both sides of a region: what each bin covers of them.
enum Cover<R> {
    /// Points, `grid` of them to a bin; none where one is off the map. Their sum is divided by `count`.
    Points { y: Vec<Option<Point<R>>>, x: Vec<Option<Point<R>>>, grid: (usize, usize), count: R },
    /// From which pixel to which.
    Spans { y: Vec<(usize, usize)>, x: Vec<(usize, usize)> },
}

/// A region and the map of its image.
struct Region<R> {
    image: usize,
    cover: Cover<R>,
}

impl Bins {
    fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// The regions of `rois`: five numbers each, the image and the corners.
    fn regions<R: Real>(&self, op: &'static str, rois: &[f64], maps: Maps) -> Result<Vec<Region<R>>> {
        let rois = rois.as_chunks::<5>().0;
        let images = maps.images;
        for roi in rois {
            let good = roi[0] >= 0.0 && roi[0] < images as f64 && roi.iter().all(|v| v.is_finite() && v.abs() < 1e9);
            ensure!(good, Argument, op, "the region {roi:?} is in none of {images} images");
        }
        if self.count() == 0 {
            return Ok(Vec::new());
        }
        // As many as are computed with, in the precision that they are computed in.
        let points: f64 = rois.iter().map(|roi| self.points::<R>(roi)).sum();
        ensure!(points < 1e9, Argument, op, "{points} points between pixels are too many");
        let sides: f64 = rois.iter().map(|roi| self.entries::<R>(roi)).sum();
        check_bytes(op, (sides as usize).saturating_mul(size_of::<Option<Point<R>>>()))?;
        Ok(rois.iter().map(|roi| Region { image: roi[0] as usize, cover: self.cover(roi, maps) }).collect())
    }

    /// How many points lie in a region.
    fn points<R: Real>(&self, roi: &[f64; 5]) -> f64 {
        let (rows, columns) = self.grid::<R>(roi);
        rows.max(0.0) * columns.max(0.0) * self.count() as f64
    }

    /// How many numbers say what its bins cover of its sides.
    fn entries<R: Real>(&self, roi: &[f64; 5]) -> f64 {
        let (rows, columns) = self.grid::<R>(roi);
        rows.max(1.0) * self.rows as f64 + columns.max(1.0) * self.columns as f64
    }

    /// The corner of a region and its sides: y, x, height, width.
    fn sides<R: Real>(&self, roi: &[f64; 5]) -> [R; 4] {
        let place = |i: usize| R::of(roi[i]) * R::of(self.scale);
        match self.take {
            Take::Points { aligned, .. } => {
                let place = |i: usize| place(i) - R::of(if aligned { 0.5 } else { 0.0 });
                let side = |side: R| if aligned { side } else { side.most(R::of(1.0)) };
                [place(2), place(1), side(place(4) - place(2)), side(place(3) - place(1))]
            }
            Take::Mean | Take::Greatest => {
                let more = if matches!(self.take, Take::Greatest) { R::of(1.0) } else { R::default() };
                let place = |i: usize| R::of(place(i).wide().round());
                let side = |side: R| (side + more).most(R::of(1.0));
                [place(2), place(1), side(place(4) - place(2)), side(place(3) - place(1))]
            }
        }
    }

    /// How many points a bin has from top to bottom and from left to right: whole numbers, below 0 where the region is
    /// upside down.
    fn grid<R: Real>(&self, roi: &[f64; 5]) -> (f64, f64) {
        let Take::Points { ratio, .. } = self.take else { return (0.0, 0.0) };
        let [_, _, height, width] = self.sides::<R>(roi);
        let count =
            |side: R, bins: usize| ratio.map_or_else(|| (side / R::of(bins as f64)).ceil().wide(), |n| n as f64);
        (count(height, self.rows), count(width, self.columns))
    }

    fn cover<R: Real>(&self, roi: &[f64; 5], maps: Maps) -> Cover<R> {
        let [y, x, height, width] = self.sides::<R>(roi);
        let (rows, columns) = (maps.height, maps.width);
        match self.take {
            Take::Points { bare, .. } => {
                let (down, across) = self.grid::<R>(roi);
                let count = if bare { down * across } else { (down * across).max(1.0) };
                let grid = (down.max(0.0) as usize, across.max(0.0) as usize);
                let y = points(y, height, self.rows, grid.0, rows);
                let x = points(x, width, self.columns, grid.1, columns);
                Cover::Points { y, x, grid, count: R::of(count) }
            }
            Take::Mean => {
                // As there, the last row and column are left out.
                let (rows, columns) = (rows.saturating_sub(1), columns.saturating_sub(1));
                Cover::Spans { y: spans(y, height, self.rows, rows), x: spans(x, width, self.columns, columns) }
            }
            Take::Greatest => {
                Cover::Spans { y: spans(y, height, self.rows, rows), x: spans(x, width, self.columns, columns) }
            }
        }
    }
}

/// The points of all bins of a side, `grid` to a bin, on a map of `size` pixels.
fn points<R: Real>(start: R, side: R, bins: usize, grid: usize, size: usize) -> Vec<Option<Point<R>>> {
    let bin = side / R::of(bins as f64);
    let one = |i: usize| {
        let step = R::of((i % grid) as f64) + R::of(0.5);
        between(start + R::of((i / grid) as f64) * bin + step * bin / R::of(grid as f64), size)
    };
    (0..bins * grid).map(one).collect()
}

fn between<R: Real>(at: R, size: usize) -> Option<Point<R>> {
    if size == 0 || at < R::of(-1.0) || at > R::of(size as f64) {
        return None;
    }
    let at = if at > R::default() { at } else { R::default() };
    let low = at.wide() as usize;
    Some(match low + 1 < size {
        true => Point { low, high: low + 1, way: at - R::of(low as f64) },
        false => Point { low: size - 1, high: size - 1, way: R::default() },
    })
}

/// The pixels of all bins of a side: from and to, inside of `size`.
fn spans<R: Real>(start: R, side: R, bins: usize, size: usize) -> Vec<(usize, usize)> {
    let bin = side / R::of(bins as f64);
    let cut = |v: R| (v.wide() + start.wide()).clamp(0.0, size as f64) as usize;
    let one = |i: usize| (cut((R::of(i as f64) * bin).floor()), cut((R::of((i + 1) as f64) * bin).ceil()));
    (0..bins).map(one).collect()
}

/// How many pixels a bin has, 1 if it has none.
fn area((top, bottom): (usize, usize), (left, right): (usize, usize)) -> f64 {
    (bottom.saturating_sub(top) as f64 * right.saturating_sub(left) as f64).max(1.0)
}

/// Numbers of a region by bins, the channels of each side by side, some room between them: else every row would begin at
/// the same place of a cache's way.
struct Rows<T> {
    values: Vec<T>,
    pitch: usize,
    channels: usize,
}

impl<T: Copy + Default> Rows<T> {
    fn new(op: &'static str, bins: usize, channels: usize) -> Result<Self> {
        let pitch = channels.saturating_add(16);
        check_bytes(op, bins.saturating_mul(pitch).saturating_mul(size_of::<T>()))?;
        Ok(Rows { values: vec![T::default(); bins * pitch], pitch, channels })
    }

    #[inline(always)]
    fn row(&self, bin: usize) -> &[T] {
        &self.values[bin * self.pitch..][..self.channels]
    }

    #[inline(always)]
    fn row_mut(&mut self, bin: usize) -> &mut [T] {
        &mut self.values[bin * self.pitch..][..self.channels]
    }

    /// Into `[C, bins]`.
    fn store<U>(&self, to: &mut [U], f: impl Fn(T, usize) -> U) {
        let bins = to.len() / self.channels.max(1);
        for (channel, to) in to.chunks_exact_mut(bins.max(1)).enumerate() {
            for (bin, to) in to.iter_mut().enumerate() {
                *to = f(self.values[bin * self.pitch + channel], channel);
            }
        }
    }

    /// From `[C, bins]`.
    fn load(&mut self, from: &[T]) {
        let bins = from.len() / self.channels.max(1);
        for (channel, from) in from.chunks_exact(bins.max(1)).enumerate() {
            for (bin, from) in from.iter().enumerate() {
                self.values[bin * self.pitch + channel] = *from;
            }
        }
    }
}

/// The means of all bins: from maps to `[K, C, rows, columns]`.
pub(super) fn means<R: Real>(
    op: &'static str,
    bins: &Bins,
    maps: Maps,
    x: &[R],
    rois: &[f64],
    y: &mut [R],
) -> Result<()> {
    let regions = bins.regions::<R>(op, rois, maps)?;
    let size = (bins.count() * maps.channels).max(1);
    if maps.positions > 0 {
        by_position::means(bins, maps, &regions, x, y);
        return Ok(());
    }
    let mut sums = Rows::new(op, bins.count(), maps.channels)?;
    for (region, y) in regions.iter().zip(y.chunks_exact_mut(size)) {
        simd(
            #[inline(always)]
            || sum(bins, maps, region, x, &mut sums),
        );
        sums.store(y, |v, _| v);
    }
    Ok(())
}

/// The means of the bins of a region.
#[inline(always)]
fn sum<R: Real>(bins: &Bins, maps: Maps, region: &Region<R>, x: &[R], sums: &mut Rows<R>) {
    for bin in 0..bins.count() {
        let sum = sums.row_mut(bin);
        sum.fill(R::default());
        let (row, column) = (bin / bins.columns, bin % bins.columns);
        let pixel = |row: usize, column: usize| &x[maps.at(region.image, row, column)..][..maps.channels];
        let count = match &region.cover {
            Cover::Points { y, x, grid, count } => {
                for y in y[row * grid.0..][..grid.0].iter().flatten() {
                    for x in x[column * grid.1..][..grid.1].iter().flatten() {
                        let from =
                            [pixel(y.low, x.low), pixel(y.low, x.high), pixel(y.high, x.low), pixel(y.high, x.high)];
                        add_four(sum, from, shares(y, x));
                    }
                }
                *count
            }
            Cover::Spans { y, x } => {
                for i in y[row].0..y[row].1 {
                    for j in x[column].0..x[column].1 {
                        add(sum, pixel(i, j));
                    }
                }
                R::of(area(y[row], x[column]))
            }
        };
        divide(sum, count);
    }
}

/// What each of the four pixels around a point counts.
#[inline(always)]
fn shares<R: Real>(y: &Point<R>, x: &Point<R>) -> [R; 4] {
    let (hy, hx) = (R::of(1.0) - y.way, R::of(1.0) - x.way);
    [hy * hx, hy * x.way, y.way * hx, y.way * x.way]
}

#[inline(always)]
fn add_four<R: Real>(sum: &mut [R], [a, b, c, d]: [&[R]; 4], [p, q, r, s]: [R; 4]) {
    let n = sum.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    for i in 0..n {
        sum[i] = sum[i] + (a[i] * p + b[i] * q + c[i] * r + d[i] * s);
    }
}

#[inline(always)]
fn add<R: Real>(sum: &mut [R], x: &[R]) {
    let n = sum.len();
    let x = &x[..n];
    for i in 0..n {
        sum[i] = sum[i] + x[i];
    }
}

#[inline(always)]
fn add_times<R: Real>(sum: &mut [R], x: &[R], by: R) {
    let n = sum.len();
    let x = &x[..n];
    for i in 0..n {
        sum[i] = sum[i] + x[i] * by;
    }
}

#[inline(always)]
fn divide<R: Real>(sum: &mut [R], by: R) {
    for v in sum {
        *v = *v / by;
    }
}

/// The transpose of [`means`]: from `[K, C, rows, columns]` to maps.
pub(super) fn spread<R: Real>(
    op: &'static str,
    bins: &Bins,
    maps: Maps,
    grad: &[R],
    rois: &[f64],
    to: &mut [R],
) -> Result<()> {
    let regions = bins.regions::<R>(op, rois, maps)?;
    let size = (bins.count() * maps.channels).max(1);
    to.fill(R::default());
    if maps.positions > 0 {
        by_position::spread(bins, maps, &regions, grad, to);
        return Ok(());
    }
    let mut grads = Rows::new(op, bins.count(), maps.channels)?;
    for (region, grad) in regions.iter().zip(grad.chunks_exact(size)) {
        grads.load(grad);
        simd(
            #[inline(always)]
            || spread_one(bins, maps, region, &grads, to),
        );
    }
    Ok(())
}

/// The gradients of a region's bins added to the pixels that they are made of.
#[inline(always)]
fn spread_one<R: Real>(bins: &Bins, maps: Maps, region: &Region<R>, grads: &Rows<R>, to: &mut [R]) {
    for bin in 0..bins.count() {
        let grad = grads.row(bin);
        let (row, column) = (bin / bins.columns, bin % bins.columns);
        let at = |row: usize, column: usize| {
            let start = maps.at(region.image, row, column);
            start..start + maps.channels
        };
        match &region.cover {
            Cover::Points { y, x, grid, count } => {
                let share = R::of(1.0) / *count;
                for y in y[row * grid.0..][..grid.0].iter().flatten() {
                    for x in x[column * grid.1..][..grid.1].iter().flatten() {
                        let [p, q, r, s] = shares(y, x);
                        add_times(&mut to[at(y.low, x.low)], grad, p * share);
                        add_times(&mut to[at(y.low, x.high)], grad, q * share);
                        add_times(&mut to[at(y.high, x.low)], grad, r * share);
                        add_times(&mut to[at(y.high, x.high)], grad, s * share);
                    }
                }
            }
            Cover::Spans { y, x } => {
                let ((top, bottom), (left, right)) = (y[row], x[column]);
                let share = R::of(1.0) / R::of(area(y[row], x[column]));
                for i in top..bottom {
                    for j in left..right {
                        add_times(&mut to[at(i, j)], grad, share);
                    }
                }
            }
        }
    }
}

/// The greatest pixel of each bin, as `[K, C, rows, columns]`: its value, 0 of no pixels, and, where asked for, its place
/// in the maps, their number of elements where there is none. NaN is never the greatest.
pub(super) fn greatest<R: Real>(
    op: &'static str,
    bins: &Bins,
    maps: Maps,
    (x, rois): (&[R], &[f64]),
    values: &mut [R],
    mut places: Option<&mut [i64]>,
) -> Result<()> {
    let Maps { height, width, channels, .. } = maps;
    let regions = bins.regions::<R>(op, rois, maps)?;
    let pixels = height.checked_mul(width).filter(|n| *n < u32::MAX as usize);
    ensure!(pixels.is_some(), Argument, op, "maps of {height}×{width} pixels are too large");
    let mut most = Rows::new(op, bins.count(), channels)?;
    let mut at: Rows<u32> = Rows::new(op, if places.is_some() { bins.count() } else { 0 }, channels)?;
    let size = (bins.count() * channels).max(1);
    for (n, (region, values)) in regions.iter().zip(values.chunks_exact_mut(size)).enumerate() {
        match &mut places {
            None => simd(
                #[inline(always)]
                || maximum(bins, maps, region, x, &mut most),
            ),
            Some(places) => {
                simd(
                    #[inline(always)]
                    || maximum_at(bins, maps, region, x, &mut most, &mut at),
                );
                let first = maps.at(region.image, 0, 0);
                at.store(&mut places[n * size..][..size], |at, channel| match at {
                    u32::MAX => x.len() as i64,
                    at => (first + at as usize * channels + channel) as i64,
                });
            }
        }
        most.store(values, |v, _| v);
    }
    Ok(())
}

/// What a search for the greatest begins with, in either precision.
const LEAST: f64 = f32::MIN as f64;

#[inline(always)]
fn maximum<R: Real>(bins: &Bins, maps: Maps, region: &Region<R>, x: &[R], most: &mut Rows<R>) {
    let Cover::Spans { y, x: across } = &region.cover else { return };
    for bin in 0..bins.count() {
        let most = most.row_mut(bin);
        let ((top, bottom), (left, right)) = (y[bin / bins.columns], across[bin % bins.columns]);
        most.fill(if top < bottom && left < right { R::of(LEAST) } else { R::default() });
        for i in top..bottom {
            for j in left..right {
                let n = most.len();
                let x = &x[maps.at(region.image, i, j)..][..n];
                for c in 0..n {
                    most[c] = if x[c] > most[c] { x[c] } else { most[c] };
                }
            }
        }
    }
}

/// [`maximum`] with the pixel that it came from.
#[inline(always)]
fn maximum_at<R: Real>(
    bins: &Bins,
    maps: Maps,
    region: &Region<R>,
    x: &[R],
    most: &mut Rows<R>,
    places: &mut Rows<u32>,
) {
    let Cover::Spans { y, x: across } = &region.cover else { return };
    for bin in 0..bins.count() {
        let (most, place) = (most.row_mut(bin), places.row_mut(bin));
        let ((top, bottom), (left, right)) = (y[bin / bins.columns], across[bin % bins.columns]);
        most.fill(if top < bottom && left < right { R::of(LEAST) } else { R::default() });
        place.fill(u32::MAX);
        for i in top..bottom {
            for j in left..right {
                let (n, pixel) = (most.len(), (i * maps.width + j) as u32);
                let (x, place) = (&x[maps.at(region.image, i, j)..][..n], &mut place[..n]);
                for c in 0..n {
                    let more = x[c] > most[c];
                    place[c] = if more { pixel } else { place[c] };
                    most[c] = if more { x[c] } else { most[c] };
                }
            }
        }
    }
}
