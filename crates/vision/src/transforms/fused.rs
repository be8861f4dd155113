//! What is to be done with an image's bytes, and doing it in one pass, row by row: only the part that is needed, another
//! size, mirror images and numbers.

use super::functional::{self, interpolation_to};
use super::kinds::InterpolationMode;
use crate::io::{JpegFile, Region};
use crate::simd::simd;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{ByteRows, Element, Result, Tensor};

/// Steps that a chain has put off: a part, another size, a part of that, mirror images, levels.
pub(super) struct Steps {
    channels: usize,
    /// The size of the source, and the part of it that is looked at.
    source: (usize, usize),
    window: Region,
    resized: Option<Resized>,
    /// left to right
    mirrored: bool,
    /// top to bottom
    turned_over: bool,
    levels: Vec<Level>,
}

/// The window in another size.
struct Resized {
    size: (usize, usize),
    interpolation: InterpolationMode,
    antialias: bool,
    /// The part of it that is looked at.
    view: Region,
}

/// What is done to numbers, from bytes to `f32`; of lists there is one number a channel, or one for all.
pub(super) enum Level {
    /// nothing: bytes as `f32`
    Plain,
    Times(f32),
    Over(Vec<f32>),
    Less(Vec<f32>),
}

fn whole((height, width): (usize, usize)) -> Region {
    Region { top: 0, left: 0, height, width }
}

impl Steps {
    /// None yet, for an image of this size.
    pub(super) fn new(channels: usize, source: (usize, usize)) -> Steps {
        let (resized, levels) = Default::default();
        Steps { channels, source, window: whole(source), resized, mirrored: false, turned_over: false, levels }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.only_moves() && self.window == whole(self.source) && !self.mirrored && !self.turned_over
    }

    /// Whether pixels stay what they are.
    fn only_moves(&self) -> bool {
        self.resized.is_none() && self.levels.is_empty()
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn is_float(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Height and width of what comes out.
    pub(super) fn size(&self) -> (usize, usize) {
        let region = self.resized.as_ref().map_or(self.window, |resized| resized.view);
        (region.height, region.width)
    }

    /// A part of what comes out, which lies in it.
    pub(super) fn crop(&mut self, region: Region) {
        let (height, width) = self.size();
        let region_of = self.resized.as_mut().map_or(&mut self.window, |resized| &mut resized.view);
        let top = if self.turned_over { height - region.top - region.height } else { region.top };
        let left = if self.mirrored { width - region.left - region.width } else { region.left };
        *region_of = Region { top: region_of.top + top, left: region_of.left + left, ..region };
    }

    /// Another size; false, with nothing changed, where it does not fit to the steps so far.
    pub(super) fn resize(&mut self, size: (usize, usize), interpolation: InterpolationMode, antialias: bool) -> bool {
        if size == self.size() {
            return true;
        }
        let fits = self.only_moves() && !self.mirrored && !self.turned_over && size.0 > 0 && size.1 > 0;
        if fits {
            self.resized = Some(Resized { size, interpolation, antialias, view: whole(size) });
        }
        fits
    }

    pub(super) fn mirror(&mut self) -> bool {
        self.mirrored = !self.mirrored;
        true
    }

    pub(super) fn turn_over(&mut self) -> bool {
        self.turned_over = !self.turned_over;
        true
    }

    pub(super) fn level(&mut self, level: Level) {
        self.levels.push(level);
    }

    /// Everything, done to a part of a file.
    #[track_caller]
    pub(super) fn of_file(&self, file: &JpegFile) -> Result<Tensor> {
        let (rows, region) = self.rows(1)?;
        let planes = file.decode(region)?;
        let (stride, plane) = (region.width, region.height * region.width);
        self.done(&rows, &Pixels { bytes: &planes, plane, stride, inner: 1 })
    }

    /// Everything, done to bytes `[C, H, W]`; a view where pixels are only moved.
    #[track_caller]
    pub(super) fn of_tensor(&self, x: &Tensor) -> Result<Tensor> {
        if self.only_moves() {
            let r = self.window;
            let x = if r == whole(self.source) {
                x.clone()
            } else {
                functional::crop(x, r.top as isize, r.left as isize, r.height, r.width)?
            };
            let x = if self.mirrored { x.flip(-1)? } else { x };
            return if self.turned_over { x.flip(-2) } else { Ok(x) };
        }
        let (height, width) = self.source;
        // As it lies, pixel by pixel or plane by plane; else in planes.
        let pixels = x.permute([1, 2, 0])?;
        let (x, inner) = match pixels.is_contiguous() {
            true => (pixels, self.channels),
            false => (x.contiguous()?, 1),
        };
        let (rows, region) = self.rows(inner)?;
        let (bytes, stride) = (x.data::<u8>()?, width * inner);
        let bytes = &bytes[region.top * stride + region.left * inner..];
        self.done(&rows, &Pixels { bytes, plane: height * width, stride, inner })
    }

    /// The rows that come out, of pixels of `inner` bytes, and which pixels of the source they need.
    #[track_caller]
    fn rows(&self, inner: usize) -> Result<(ByteRows, Region)> {
        let nothing = Resized {
            size: (self.window.height, self.window.width),
            interpolation: InterpolationMode::Nearest,
            antialias: false,
            view: whole((self.window.height, self.window.width)),
        };
        let Resized { size, interpolation, antialias, view } = self.resized.as_ref().unwrap_or(&nothing);
        let part = [view.top..view.top + view.height, view.left..view.left + view.width];
        let op = interpolation_to(*size, *interpolation, *antialias);
        let rows = ByteRows::new(&op, [self.window.height, self.window.width], part, inner)?;
        let [y, x] = rows.source();
        let (top, left) = (self.window.top + y.start, self.window.left + x.start);
        Ok((rows, Region { top, left, height: y.len(), width: x.len() }))
    }

    #[track_caller]
    fn done(&self, rows: &ByteRows, pixels: &Pixels<'_>) -> Result<Tensor> {
        let (height, width) = self.size();
        let shape = [self.channels, height, width];
        if self.levels.is_empty() {
            return Tensor::from_vec(self.each(rows, pixels, |_, row, to| to.copy_from_slice(row))?, shape);
        }
        let y = self.each(rows, pixels, |channel, row, to| {
            simd(
                #[inline(always)]
                || levels(&self.levels, channel, row, to),
            )
        })?;
        Tensor::from_vec(y, shape)
    }

    /// Gives `write` each row of each channel and where it goes.
    #[track_caller]
    fn each<T: Element + Default>(
        &self,
        rows: &ByteRows,
        pixels: &Pixels<'_>,
        write: impl Fn(usize, &[u8], &mut [T]),
    ) -> Result<Vec<T>> {
        let (height, width) = self.size();
        let plane = height.saturating_mul(width);
        let numel = self.channels.saturating_mul(plane);
        check_bytes("resize", numel.saturating_mul(size_of::<T>()))?;
        let (mut y, mut line) = (vec![T::default(); numel], vec![0; width]);
        let mut put = |channel: usize, i: usize, row: &mut [u8]| {
            if self.mirrored {
                row.reverse();
            }
            let i = if self.turned_over { height - 1 - i } else { i };
            write(channel, row, &mut y[channel * plane + i * width..][..width]);
        };
        let inner = pixels.inner;
        for channel in (0..self.channels).step_by(inner) {
            rows.each(&pixels.bytes[channel * pixels.plane..], pixels.stride, |i, row| {
                for c in 0..inner {
                    if inner == 1 {
                        line.copy_from_slice(row);
                    } else {
                        line.iter_mut().zip(row[c..].iter().step_by(inner)).for_each(|(to, from)| *to = *from);
                    }
                    put(channel + c, i, &mut line);
                }
            })?;
        }
        Ok(y)
    }
}

/// Where the part of an image is that is needed: its planes and its rows this far apart, pixels of `inner` bytes.
struct Pixels<'a> {
    bytes: &'a [u8],
    plane: usize,
    stride: usize,
    inner: usize,
}

/// A row of bytes as numbers.
#[inline(always)]
fn levels(levels: &[Level], channel: usize, row: &[u8], y: &mut [f32]) {
    let row = &row[..y.len()];
    for j in 0..y.len() {
        y[j] = f32::from(row[j]);
    }
    let of = |values: &[f32]| if let [one] = values { *one } else { values[channel] };
    for level in levels {
        match level {
            Level::Plain => {}
            Level::Times(factor) => {
                for v in y.iter_mut() {
                    *v *= factor;
                }
            }
            Level::Over(values) => {
                let by = of(values);
                for v in y.iter_mut() {
                    *v /= by;
                }
            }
            Level::Less(values) => {
                let by = of(values);
                for v in y.iter_mut() {
                    *v -= by;
                }
            }
        }
    }
}
