//! From the samples of each component to pixels: chroma is spread as libjpeg does it ("fancy upsampling":
//! triangles where it is halved, else copies), and colours are converted by its integers.

use super::frame::{Colors, Component, Frame};
use super::scan::Cover;
use crate::io::{ImageReadMode, Pixels, Region};
use crate::simd::ARCH;
use pulp::{Simd, WithSimd};

/// The pixels of `region` that `mode` asks for, of the components that it needs.
pub(super) fn pixels(region: Region, spread: Vec<Spread>, colors: Colors, mode: ImageReadMode) -> Pixels<u8> {
    let (gray, inks) = match mode {
        ImageReadMode::Gray | ImageReadMode::GrayAlpha => (true, false),
        ImageReadMode::Unchanged => (colors == Colors::Gray, matches!(colors, Colors::Cmyk | Colors::Ycck)),
        ImageReadMode::Rgb | ImageReadMode::RgbAlpha => (false, false),
    };
    let channels = if gray { 1 } else { 3 } + usize::from(inks);
    let mut planes = vec![0u8; channels * region.width * region.height];
    ARCH.dispatch(Convert { region, spread, colors, gray, inks, planes: &mut planes });
    Pixels { channels, height: region.height, width: region.width, samples: planes }
}

struct Convert<'a> {
    region: Region,
    spread: Vec<Spread<'a>>,
    colors: Colors,
    gray: bool,
    /// Four inks as they are.
    inks: bool,
    planes: &'a mut [u8],
}

impl WithSimd for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Convert { region, mut spread, colors, gray, inks, planes } = self;
        let (width, n) = (region.width, region.width * region.height);
        for y in 0..region.height {
            for component in &mut spread {
                component.compute(region.top + y);
            }
            let row = |c: usize| spread[c].row();
            let range = y * width..(y + 1) * width;
            if gray {
                let to = &mut planes[range];
                match colors {
                    Colors::Gray | Colors::YCbCr => to.copy_from_slice(row(0)),
                    Colors::Rgb => each(to, [row(0), row(1), row(2)], |[r, g, b]| brightness(r, g, b)),
                    Colors::Cmyk => each(to, [row(0), row(1), row(2), row(3)], |[c, m, y, k]| {
                        brightness(inked(k, c), inked(k, m), inked(k, y))
                    }),
                    Colors::Ycck => each(to, [row(0), row(1), row(2), row(3)], |[y, cb, cr, k]| {
                        let [r, g, b] = [red(y, cr), green(y, cb, cr), blue(y, cb)].map(|x| inked(k, 255 - x));
                        brightness(r, g, b)
                    }),
                }
                continue;
            }
            let (first, rest) = planes.split_at_mut(n);
            let (second, rest) = rest.split_at_mut(n);
            let (third, fourth) = rest.split_at_mut(n);
            if inks {
                fourth[range.clone()].copy_from_slice(row(3));
            }
            let to = [&mut first[range.clone()], &mut second[range.clone()], &mut third[range]];
            match colors {
                Colors::Gray => to.into_iter().for_each(|to| to.copy_from_slice(row(0))),
                Colors::Rgb => to.into_iter().enumerate().for_each(|(c, to)| to.copy_from_slice(row(c))),
                Colors::YCbCr => {
                    let [r, g, b] = to;
                    each(r, [row(0), row(2)], |[y, cr]| red(y, cr));
                    each(g, [row(0), row(1), row(2)], |[y, cb, cr]| green(y, cb, cr));
                    each(b, [row(0), row(1)], |[y, cb]| blue(y, cb));
                }
                Colors::Cmyk if inks => to.into_iter().enumerate().for_each(|(c, to)| to.copy_from_slice(row(c))),
                Colors::Ycck if inks => {
                    let [c, m, y] = to;
                    each(c, [row(0), row(2)], |[y, cr]| 255 - red(y, cr));
                    each(m, [row(0), row(1), row(2)], |[y, cb, cr]| 255 - green(y, cb, cr));
                    each(y, [row(0), row(1)], |[y, cb]| 255 - blue(y, cb));
                }
                Colors::Cmyk => {
                    to.into_iter().enumerate().for_each(|(c, to)| each(to, [row(c), row(3)], |[ink, k]| inked(k, ink)))
                }
                Colors::Ycck => {
                    let [r, g, b] = to;
                    each(r, [row(0), row(2), row(3)], |[y, cr, k]| inked(k, 255 - red(y, cr)));
                    each(g, [row(0), row(1), row(2), row(3)], |[y, cb, cr, k]| inked(k, 255 - green(y, cb, cr)));
                    each(b, [row(0), row(1), row(3)], |[y, cb, k]| inked(k, 255 - blue(y, cb)));
                }
            }
        }
    }
}

/// `to[i] = f(from[..][i])`, for rows of one length.
#[inline(always)]
fn each<const N: usize>(to: &mut [u8], from: [&[u8]; N], f: impl Fn([i32; N]) -> i32) {
    let mut rows = from;
    for row in &mut rows {
        *row = &row[..to.len()];
    }
    for i in 0..to.len() {
        let mut samples = [0; N];
        for c in 0..N {
            samples[c] = i32::from(rows[c][i]);
        }
        to[i] = f(samples) as u8;
    }
}

#[inline(always)]
fn red(y: i32, cr: i32) -> i32 {
    (y + ((91881 * (cr - 128) + 32768) >> 16)).clamp(0, 255)
}

#[inline(always)]
fn green(y: i32, cb: i32, cr: i32) -> i32 {
    (y + ((-22554 * (cb - 128) - 46802 * (cr - 128) + 32768) >> 16)).clamp(0, 255)
}

#[inline(always)]
fn blue(y: i32, cb: i32) -> i32 {
    (y + ((116130 * (cb - 128) + 32768) >> 16)).clamp(0, 255)
}

/// A colour of inverted ink over inverted black, as torchvision and Pillow have it.
#[inline(always)]
fn inked(black: i32, ink: i32) -> i32 {
    let v = black * (255 - ink) + 128;
    (black - ((v + (v >> 8)) >> 8)).clamp(0, 255)
}

#[inline(always)]
fn brightness(r: i32, g: i32, b: i32) -> i32 {
    (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
}

/// The rows of one component, as wide as the region.
pub(super) struct Spread<'a> {
    samples: &'a [u8],
    stride: usize,
    /// The image's row of `samples[0]`, and the first sample of a row that counts.
    start: (usize, usize),
    /// How many samples of a row count.
    len: usize,
    /// The component's own samples.
    size: (usize, usize),
    /// How many pixels a sample stands for, along x and y.
    by: (usize, usize),
    /// The pixels asked for, within those of the samples that count.
    pixels: std::ops::Range<usize>,
    /// The row asked for last.
    at: usize,
    /// Weighted sums of two rows.
    sums: Vec<u16>,
    spread: Vec<u8>,
}

impl<'a> Spread<'a> {
    pub(super) fn new(
        component: &Component,
        (samples, cover): (&'a [u8], &Cover),
        frame: &Frame,
        region: Region,
    ) -> Self {
        let (by, (x, _)) = (frame.spread(component), frame.samples(component, region));
        let (sums, spread) = if by == (1, 1) { (0, 0) } else { (x.len(), x.len() * by.0) };
        let first = region.left - x.start * by.0;
        Spread {
            samples,
            stride: cover.stride(),
            start: (8 * cover.y.start, x.start - 8 * cover.x.start),
            len: x.len(),
            size: component.size,
            by,
            pixels: first..first + region.width,
            at: 0,
            sums: vec![0; sums],
            spread: vec![0; spread],
        }
    }

    fn line(&self, y: usize) -> &'a [u8] {
        &self.samples[(y - self.start.0) * self.stride + self.start.1..][..self.len]
    }

    /// The row that was computed last.
    #[inline(always)]
    fn row(&self) -> &[u8] {
        let row = if self.by == (1, 1) { self.line(self.at) } else { &self.spread };
        &row[self.pixels.clone()]
    }

    /// Computes the image's row `y`.
    #[inline(always)]
    fn compute(&mut self, y: usize) {
        self.at = y;
        let near = y / self.by.1;
        let line = self.line(near);
        // The row on the other side of pixel row `y`, or the same one at the edge, where two rows are mixed.
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(self.size.1 - 1) };
        let far = if self.by.1 == 2 { self.line(far) } else { line };
        let (sums, spread) = (&mut self.sums[..], &mut self.spread[..]);
        match self.by {
            (1, 1) => {}
            (2, 1) if self.size.0 > 2 => {
                for (sum, near) in sums.iter_mut().zip(line) {
                    *sum = u16::from(*near);
                }
                triangle::<2>(sums, spread, [1, 2]);
            }
            (1, 2) => {
                let bias = 1 + (y % 2) as u16;
                let (line, far) = (&line[..spread.len()], &far[..spread.len()]);
                for i in 0..spread.len() {
                    spread[i] = ((3 * u16::from(line[i]) + u16::from(far[i]) + bias) >> 2) as u8;
                }
            }
            (2, 2) if self.size.0 > 2 => {
                let (line, far) = (&line[..sums.len()], &far[..sums.len()]);
                for i in 0..sums.len() {
                    sums[i] = 3 * u16::from(line[i]) + u16::from(far[i]);
                }
                triangle::<4>(sums, spread, [8, 7]);
            }
            (by, _) => {
                for (to, x) in spread.chunks_exact_mut(by).zip(line) {
                    to.fill(*x);
                }
            }
        }
    }
}

/// Two pixels for each of `sums`, three parts of it and one of the neighbour on the pixel's side; then divided by
/// `2^SHIFT`, rounded by `bias`, one for the left and one for the right of the two.
#[inline(always)]
fn triangle<const SHIFT: u32>(sums: &[u16], to: &mut [u8], bias: [u16; 2]) {
    let (pairs, last) = (to.as_chunks_mut::<2>().0, sums.len() - 1);
    let pixel = |near: u16, far: u16, bias: u16| ((3 * near + far + bias) >> SHIFT) as u8;
    pairs[0] = [pixel(sums[0], sums[0], bias[0]), pixel(sums[0], sums[1], bias[1])];
    let (left, here, right) = (&sums[..last - 1], &sums[1..last], &sums[2..]);
    let inner = &mut pairs[1..last];
    for i in 0..inner.len() {
        inner[i] = [pixel(here[i], left[i], bias[0]), pixel(here[i], right[i], bias[1])];
    }
    pairs[last] = [pixel(sums[last], sums[last - 1], bias[0]), pixel(sums[last], sums[last], bias[1])];
}
