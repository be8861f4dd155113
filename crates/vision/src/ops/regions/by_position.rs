//! Regions whose bins have channels of their own: maps `[B, C, G, H, W]`, of which each bin takes few pixels of many planes.
//! The sums of several planes run side by side.

use super::{Bins, Cover, Maps, Region, area, shares};
use crate::simd::simd;
use crate::transforms::functional::real::Real;

/// Planes that are summed together.
const PLANES: usize = 8;

/// The means of all bins, as `[K, C, rows, columns]`.
pub(super) fn means<R: Real>(bins: &Bins, maps: Maps, regions: &[Region<R>], x: &[R], y: &mut [R]) {
    let size = (bins.count() * maps.channels).max(1);
    for (region, y) in regions.iter().zip(y.chunks_exact_mut(size)) {
        simd(
            #[inline(always)]
            || means_of(bins, maps, region, x, y),
        );
    }
}

impl Maps {
    /// Where the plane of a channel begins.
    #[inline(always)]
    fn plane(&self, image: usize, channel: usize, bin: usize) -> usize {
        ((image * self.channels + channel) * self.positions + bin) * self.height * self.width
    }
}

#[inline(always)]
fn means_of<R: Real>(bins: &Bins, maps: Maps, region: &Region<R>, x: &[R], y: &mut [R]) {
    let pixels = maps.height * maps.width;
    for bin in 0..bins.count() {
        let mut channel = 0;
        while channel < maps.channels {
            let count = PLANES.min(maps.channels - channel);
            // The last one stands in for those that are not there.
            let mut planes = [&x[..0]; PLANES];
            for k in 0..PLANES {
                planes[k] = &x[maps.plane(region.image, channel + k.min(count - 1), bin)..][..pixels];
            }
            let (sums, by) = sum(bins, maps.width, region, bin, planes);
            for k in 0..count {
                y[(channel + k) * bins.count() + bin] = sums[k] / by;
            }
            channel += count;
        }
    }
}

/// The sums of a bin in several planes, and what they are divided by.
#[inline(always)]
fn sum<R: Real>(bins: &Bins, width: usize, region: &Region<R>, bin: usize, planes: [&[R]; PLANES]) -> ([R; PLANES], R) {
    let mut sums = [R::default(); PLANES];
    let (row, column) = (bin / bins.columns, bin % bins.columns);
    match &region.cover {
        Cover::Points { y, x, grid, count } => {
            for y in y[row * grid.0..][..grid.0].iter().flatten() {
                for x in x[column * grid.1..][..grid.1].iter().flatten() {
                    let [p, q, r, s] = shares(y, x);
                    let (low, high) = (y.low * width, y.high * width);
                    for k in 0..PLANES {
                        let plane = planes[k];
                        let (a, b) = (plane[low + x.low] * p, plane[low + x.high] * q);
                        let (c, d) = (plane[high + x.low] * r, plane[high + x.high] * s);
                        sums[k] = sums[k] + (a + b + c + d);
                    }
                }
            }
            (sums, *count)
        }
        Cover::Spans { y, x } => {
            let ((top, bottom), (left, right)) = (y[row], x[column]);
            for i in top..bottom {
                for j in left..right {
                    for k in 0..PLANES {
                        sums[k] = sums[k] + planes[k][i * width + j];
                    }
                }
            }
            (sums, R::of(area(y[row], x[column])))
        }
    }
}

/// The transpose of [`means`], added to `to`.
pub(super) fn spread<R: Real>(bins: &Bins, maps: Maps, regions: &[Region<R>], grad: &[R], to: &mut [R]) {
    let size = (bins.count() * maps.channels).max(1);
    for (region, grad) in regions.iter().zip(grad.chunks_exact(size)) {
        for (i, grad) in grad.iter().enumerate() {
            let (channel, bin) = (i / bins.count(), i % bins.count());
            let plane = maps.plane(region.image, channel, bin);
            spread_one(bins, maps.width, region, bin, *grad, &mut to[plane..plane + maps.height * maps.width]);
        }
    }
}

/// The gradient of a bin added to the pixels that it is made of.
fn spread_one<R: Real>(bins: &Bins, width: usize, region: &Region<R>, bin: usize, grad: R, to: &mut [R]) {
    let (row, column) = (bin / bins.columns, bin % bins.columns);
    match &region.cover {
        Cover::Points { y, x, grid, count } => {
            let share = R::of(1.0) / *count;
            for y in y[row * grid.0..][..grid.0].iter().flatten() {
                for x in x[column * grid.1..][..grid.1].iter().flatten() {
                    let places = [(y.low, x.low), (y.low, x.high), (y.high, x.low), (y.high, x.high)];
                    for ((i, j), part) in places.into_iter().zip(shares(y, x)) {
                        let to = &mut to[i * width + j];
                        *to = *to + grad * (part * share);
                    }
                }
            }
        }
        Cover::Spans { y, x } => {
            let ((top, bottom), (left, right)) = (y[row], x[column]);
            let share = R::of(1.0) / R::of(area(y[row], x[column]));
            for i in top..bottom {
                for j in left..right {
                    let to = &mut to[i * width + j];
                    *to = *to + grad * share;
                }
            }
        }
    }
}
