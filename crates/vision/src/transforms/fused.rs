//! What is to be done with an image's bytes, and doing it in one pass: only the part that is needed, columns, rows, mirror
//! images and numbers, plane by plane.

use super::functional;
use super::kinds::InterpolationMode;
use super::resample::{Axis, ByteAxis};
use crate::io::{JpegFile, Region};
use crate::simd::simd;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Tensor};
use std::ops::Range;

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
        let work = self.work()?;
        let planes = file.decode(work.region)?;
        self.done(&work, &planes)
    }

    /// Everything, done to bytes `[C, H, W]`; a view where pixels are only moved.
    #[track_caller]
    pub(super) fn of_tensor(&self, x: &Tensor) -> Result<Tensor> {
        let part = |r: Region| functional::crop(x, r.top as isize, r.left as isize, r.height, r.width);
        if self.only_moves() {
            let x = if self.window == whole(self.source) { x.clone() } else { part(self.window)? };
            let x = if self.mirrored { x.flip(-1)? } else { x };
            return if self.turned_over { x.flip(-2) } else { Ok(x) };
        }
        let work = self.work()?;
        let x = part(work.region)?.contiguous()?;
        let planes = x.data::<u8>()?;
        self.done(&work, &planes)
    }

    /// Which pixels are needed, and how they are mixed.
    #[track_caller]
    fn work(&self) -> Result<Work> {
        let Some(Resized { size, interpolation, antialias, view }) = &self.resized else {
            return Ok(Work { region: self.window, rows: None, columns: None });
        };
        let axis = |from: usize, to: usize, new: Range<usize>| -> Result<(Option<ByteAxis>, Range<usize>)> {
            if from == to {
                return Ok((None, new));
            }
            let mut axis = Axis::new(from, to, *interpolation, *antialias, DType::U8)?.of_bytes(new);
            let old = axis.narrow();
            Ok((Some(axis), old))
        };
        let (rows, y) = axis(self.window.height, size.0, view.top..view.top + view.height)?;
        let (columns, x) = axis(self.window.width, size.1, view.left..view.left + view.width)?;
        let region = Region {
            top: self.window.top + y.start,
            left: self.window.left + x.start,
            height: y.len(),
            width: x.len(),
        };
        Ok(Work { region, rows, columns })
    }

    #[track_caller]
    fn done(&self, work: &Work, planes: &[u8]) -> Result<Tensor> {
        let (height, width) = self.size();
        let numel = self.channels.saturating_mul(height).saturating_mul(width);
        let between = self.channels.saturating_mul(work.region.height).saturating_mul(width);
        let room = super::bytes::room(work.region.width, width);
        check_bytes("resize", numel.saturating_mul(4).saturating_add(between).saturating_add(room))?;
        let wide = work.columns.as_ref().map(|columns| {
            simd(
                #[inline(always)]
                || columns.across(work.region.width, planes),
            )
        });
        let rows = Rows { steps: self, work, planes: wide.as_deref().unwrap_or(planes) };
        let shape = [self.channels, height, width];
        if self.levels.is_empty() {
            let mut y = vec![0u8; numel];
            simd(
                #[inline(always)]
                || {
                    rows.each(
                        &mut y,
                        #[inline(always)]
                        |_, row, to| to.copy_from_slice(row),
                    )
                },
            );
            return Tensor::from_vec(y, shape);
        }
        let mut y = vec![0f32; numel];
        simd(
            #[inline(always)]
            || {
                rows.each(
                    &mut y,
                    #[inline(always)]
                    |channel, row, to| levels(&self.levels, channel, row, to),
                )
            },
        );
        Tensor::from_vec(y, shape)
    }
}

/// The part of the source that is needed, and how its rows and columns are mixed, where they are.
struct Work {
    region: Region,
    rows: Option<ByteAxis>,
    columns: Option<ByteAxis>,
}

/// Planes whose columns are ready.
struct Rows<'a> {
    steps: &'a Steps,
    work: &'a Work,
    planes: &'a [u8],
}

impl Rows<'_> {
    /// Gives `write` each row with its channel and where it goes.
    #[inline(always)]
    fn each<T>(&self, y: &mut [T], write: impl Fn(usize, &[u8], &mut [T])) {
        let (height, width) = self.steps.size();
        let plane = self.work.region.height * width;
        let mut row = vec![0; width];
        for (channel, y) in y.chunks_exact_mut(height * width).enumerate() {
            let x = &self.planes[channel * plane..(channel + 1) * plane];
            for i in 0..height {
                match &self.work.rows {
                    Some(rows) => rows.down(i, x, &mut row),
                    None => row.copy_from_slice(&x[i * width..(i + 1) * width]),
                }
                if self.steps.mirrored {
                    row.reverse();
                }
                let to = if self.steps.turned_over { height - 1 - i } else { i };
                write(channel, &row, &mut y[to * width..(to + 1) * width]);
            }
        }
    }
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
