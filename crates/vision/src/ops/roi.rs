//! Regions of interest: parts of feature maps of any size brought to one size.

use crate::transforms::functional::real::Real;
use flambeau_autograd::{Context, Function};
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Result, Tensor, bail, cat, ensure};
use std::sync::Arc;

/// Regions: boxes `[K, 5]`, each with the number of its image before its corners, or a list with the boxes `[L, 4]` of
/// each image.
#[derive(Clone, Debug)]
pub enum Rois {
    /// each with the number of its image
    Numbered(Tensor),
    /// those of each image
    Lists(Vec<Tensor>),
}

impl From<&Tensor> for Rois {
    fn from(rois: &Tensor) -> Self {
        Rois::Numbered(rois.clone())
    }
}

impl From<&[Tensor]> for Rois {
    fn from(rois: &[Tensor]) -> Self {
        Rois::Lists(rois.to_vec())
    }
}

impl From<&Vec<Tensor>> for Rois {
    fn from(rois: &Vec<Tensor>) -> Self {
        Rois::Lists(rois.clone())
    }
}

impl From<Vec<Tensor>> for Rois {
    fn from(rois: Vec<Tensor>) -> Self {
        Rois::Lists(rois)
    }
}

impl Rois {
    /// As one tensor `[K, 5]`.
    #[track_caller]
    pub(super) fn numbered(&self) -> Result<Tensor> {
        match self {
            Rois::Numbered(rois) => Ok(rois.clone()),
            Rois::Lists(lists) if lists.is_empty() => Tensor::zeros([0, 5]).build(),
            Rois::Lists(lists) => {
                let one = |(i, boxes): (usize, &Tensor)| {
                    let n = boxes.shape().first().copied().unwrap_or(0);
                    cat(&[&Tensor::full([n, 1], i as f64).dtype(boxes.dtype()).build()?, boxes], 1)
                };
                cat(&lists.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?, 0)
            }
        }
    }
}

/// An input `[B, C, H, W]`, regions, and the size that each becomes.
struct Task {
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
    /// how many bins a region is divided into
    bins: (usize, usize),
    rois: Vec<[f64; 5]>,
}

impl Task {
    #[track_caller]
    fn new(op: &'static str, x: &Tensor, rois: &Rois, bins: (usize, usize)) -> Result<Task> {
        let &[batch, channels, height, width] = x.shape() else {
            bail!(Shape, op, "shape {:?} is not that of feature maps, [B, C, H, W]", x.shape())
        };
        ensure!(x.dtype().is_float(), DType, op, "feature maps are floating point, not {}", x.dtype());
        let rois = rois.numbered()?;
        ensure!(
            rois.rank() == 2 && rois.shape()[1] == 5,
            Shape,
            op,
            "regions of shape {:?}; [K, 5] or a list of [L, 4] is expected",
            rois.shape()
        );
        let rois: Vec<[f64; 5]> = rois.detach().to_dtype(DType::F64)?.to_vec::<f64>()?.as_chunks::<5>().0.to_vec();
        for roi in &rois {
            let good = roi[0] >= 0.0 && roi[0] < batch as f64 && roi.iter().all(|v| v.is_finite() && v.abs() < 1e9);
            ensure!(good, Argument, op, "the region {roi:?} is in none of {batch} images");
        }
        // Of each number of the result its place and whether there is one; the bins are counted without channels, too.
        let numbers =
            [rois.len().max(1), channels.max(1), bins.0, bins.1].iter().try_fold(1usize, |n, m| n.checked_mul(*m));
        ensure!(numbers.is_some_and(|n| n < 1 << 40), Argument, op, "{bins:?} bins are too many");
        check_bytes(op, numbers.unwrap_or(usize::MAX).saturating_mul(16))?;
        Ok(Task { batch, channels, height, width, bins, rois })
    }

    #[track_caller]
    fn by_position(&self, op: &'static str) -> Result<usize> {
        let bins = self.bins.0 * self.bins.1;
        let fits = bins > 0 && self.channels.is_multiple_of(bins);
        ensure!(fits, Shape, op, "{} channels are no multiple of {} bins", self.channels, bins);
        Ok(self.channels / bins)
    }
}

/// A linear map from feature maps to regions: which pixels each bin is made of.
struct Regions<R> {
    shape: [usize; 4],
    channels: usize,
    bins: (usize, usize),
    /// the image of each region
    image: Vec<usize>,
    /// where the pixels of each bin of each region begin; one more at the end
    starts: Vec<usize>,
    pixels: Vec<(u32, R)>,
    /// whether each bin has channels of its own
    by_position: bool,
}

impl<R: Real> Regions<R> {
    fn new(task: &Task, channels: usize, by_position: bool) -> Self {
        Regions {
            shape: [task.batch, task.channels, task.height, task.width],
            channels,
            bins: task.bins,
            image: task.rois.iter().map(|roi| roi[0] as usize).collect(),
            starts: vec![0],
            pixels: Vec::new(),
            by_position,
        }
    }

    /// Ends the bin that pixels were put into.
    fn end_bin(&mut self) {
        self.starts.push(self.pixels.len());
    }

    /// The four pixels around y, x, if they are near the map.
    fn between(&mut self, y: R, x: R, share: R) {
        let (height, width) = (self.shape[2], self.shape[3]);
        let (h, w, one, zero) = (R::of(height as f64), R::of(width as f64), R::of(1.0), R::default());
        if y < -one || y > h || x < -one || x > w || height == 0 || width == 0 {
            return;
        }
        let split = |v: R, n: usize| {
            let v = if v <= zero { zero } else { v };
            let low = v.wide() as usize;
            if low >= n - 1 { (n - 1, n - 1, zero) } else { (low, low + 1, v - R::of(low as f64)) }
        };
        let ((top, bottom, ly), (left, right, lx)) = (split(y, height), split(x, width));
        let (hy, hx) = (one - ly, one - lx);
        for (row, column, weight) in
            [(top, left, hy * hx), (top, right, hy * lx), (bottom, left, ly * hx), (bottom, right, ly * lx)]
        {
            self.pixels.push(((row * width + column) as u32, weight * share));
        }
    }

    /// The plane of the input that bin `bin` of output channel `channel` of region `n` looks at.
    fn plane(&self, n: usize, channel: usize, bin: usize) -> usize {
        let bins = self.bins.0 * self.bins.1;
        self.image[n] * self.shape[1] + if self.by_position { channel * bins + bin } else { channel }
    }

    /// Calls `f` with the place of every output, the plane that it looks at, and its pixels.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(usize, usize, &[(u32, R)])) {
        let bins = self.bins.0 * self.bins.1;
        for n in 0..self.image.len() {
            for channel in 0..self.channels {
                for bin in 0..bins {
                    let pixels = &self.pixels[self.starts[n * bins + bin]..self.starts[n * bins + bin + 1]];
                    f((n * self.channels + channel) * bins + bin, self.plane(n, channel, bin), pixels);
                }
            }
        }
    }
}

/// The map, or its transpose: each is the other's gradient.
struct Apply<R> {
    regions: Arc<Regions<R>>,
    transposed: bool,
}

impl<R: Real> Function for Apply<R> {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        let (map, dtype) = (&*self.regions, x.dtype());
        let x = x.to_dtype(R::DTYPE)?.contiguous()?;
        let x = x.data::<R>()?;
        let [_, _, h, w] = map.shape;
        let area = h * w;
        if self.transposed {
            let mut y = vec![R::default(); map.shape.iter().product()];
            map.each(|place, plane, pixels| {
                let (grad, y) = (x[place], &mut y[plane * area..(plane + 1) * area]);
                pixels.iter().for_each(|(at, weight)| y[*at as usize] = y[*at as usize] + grad * *weight);
            });
            return Tensor::from_vec(y, map.shape)?.to_dtype(dtype);
        }
        let shape = [map.image.len(), map.channels, map.bins.0, map.bins.1];
        let mut y = vec![R::default(); shape.iter().product()];
        map.each(|place, plane, pixels| {
            let x = &x[plane * area..(plane + 1) * area];
            y[place] = pixels.iter().fold(R::default(), |sum, (at, weight)| sum + x[*at as usize] * *weight);
        });
        Tensor::from_vec(y, shape)?.to_dtype(dtype)
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        Apply { regions: Arc::clone(&self.regions), transposed: !self.transposed }.apply(grad)
    }
}

/// In the precision of the feature maps: `f64` for `float64`, else `f32`.
macro_rules! in_precision {
    ($x:expr, $build:ident($($arg:expr),*)) => {
        match $x.dtype() {
            DType::F64 => Apply { regions: Arc::new($build::<f64>($($arg),*)), transposed: false }.apply($x),
            _ => Apply { regions: Arc::new($build::<f32>($($arg),*)), transposed: false }.apply($x),
        }
    };
}

/// Each region averaged over `output_size` bins of points between pixels, `sampling_ratio` × `sampling_ratio` of them in
/// a bin (as many as the bin has pixels where `None`): `[K, C, height, width]`. `spatial_scale` leads from the boxes'
/// pixels to the map's; with `aligned` the middle of a pixel is at a half. Follows `torchvision.ops.roi_align` ("Mask
/// R-CNN", K. He et al., 2017).
///
/// # Errors
/// Where these are no floating-point feature maps `[B, C, H, W]`, or a region is in no image.
#[track_caller]
pub fn roi_align(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
    sampling_ratio: Option<usize>,
    aligned: bool,
) -> Result<Tensor> {
    let task = Task::new("roi_align", x, &rois.into(), output_size)?;
    check_samples("roi_align", &task, spatial_scale, sampling_ratio)?;
    let offset = if aligned { 0.5 } else { 0.0 };
    let least = if aligned { None } else { Some(1.0) };
    let channels = task.channels;
    in_precision!(x, points(Regions::new(&task, channels, false), &task, spatial_scale, sampling_ratio, offset, least))
}

/// Refuses more points than could be meant.
#[track_caller]
fn check_samples(op: &'static str, task: &Task, scale: f64, ratio: Option<usize>) -> Result<()> {
    ensure!(scale.is_finite(), Argument, op, "spatial_scale = {scale}");
    let (rows, columns) = task.bins;
    let points: f64 = match ratio {
        Some(n) => (n as f64).powi(2) * (rows * columns * task.rois.len()) as f64,
        None => task
            .rois
            .iter()
            .map(|[_, x1, y1, x2, y2]| {
                let side = |from: f64, to: f64, bins: usize| ((to - from) * scale).max(1.0) + bins as f64;
                side(*x1, *x2, columns) * side(*y1, *y2, rows)
            })
            .sum(),
    };
    ensure!(points < 1e9, Argument, op, "{points} points between pixels are too many");
    // Each lies between four pixels.
    check_bytes(op, points as usize * 4 * size_of::<(u32, f64)>())
}

fn points<R: Real>(
    mut map: Regions<R>,
    task: &Task,
    scale: f64,
    ratio: Option<usize>,
    offset: f64,
    least: Option<f64>,
) -> Regions<R> {
    let (rows, columns) = task.bins;
    let half = R::of(0.5);
    for roi in &task.rois {
        let place = |i: usize| R::of(roi[i]) * R::of(scale) - R::of(offset);
        let (x1, y1) = (place(1), place(2));
        let side = |from: R, to: R| {
            let side = to - from;
            least.map_or(side, |least| side.most(R::of(least)))
        };
        let (w, h) = (side(x1, place(3)), side(y1, place(4)));
        let (bin_w, bin_h) = (w / R::of(columns as f64), h / R::of(rows as f64));
        let count = |bin: R| ratio.unwrap_or_else(|| bin.ceil().wide().max(0.0) as usize);
        let (grid_h, grid_w) = (count(bin_h), count(bin_w));
        let share = R::of(1.0) / R::of((grid_h as f64 * grid_w as f64).max(1.0));
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for iy in 0..grid_h {
                let step = R::of(iy as f64) + half;
                let y = y1 + R::of(row as f64) * bin_h + step * bin_h / R::of(grid_h as f64);
                for ix in 0..grid_w {
                    let step = R::of(ix as f64) + half;
                    map.between(y, x1 + R::of(column as f64) * bin_w + step * bin_w / R::of(grid_w as f64), share);
                }
            }
            map.end_bin();
        }
    }
    map
}

/// [`roi_align`] in which each bin has channels of its own: `[K, C / (height · width), height, width]`. Follows
/// `torchvision.ops.ps_roi_align` ("Light-Head R-CNN", Z. Li et al., 2017).
///
/// # Errors
/// As [`roi_align`]; and where the channels are no multiple of the bins.
#[track_caller]
pub fn ps_roi_align(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
    sampling_ratio: Option<usize>,
) -> Result<Tensor> {
    let op = "ps_roi_align";
    let task = Task::new(op, x, &rois.into(), output_size)?;
    check_samples(op, &task, spatial_scale, sampling_ratio)?;
    let channels = task.by_position(op)?;
    in_precision!(x, points(Regions::new(&task, channels, true), &task, spatial_scale, sampling_ratio, 0.5, None))
}

/// The pixels of a bin: from and to, cut off at `most`.
fn span(bin: usize, bins: usize, start: f64, size: f64, most: usize) -> (usize, usize) {
    let step = size as f32 / bins as f32;
    let cut = |v: f64| (v + start).clamp(0.0, most as f64) as usize;
    (cut(f64::from((bin as f32 * step).floor())), cut(f64::from(((bin + 1) as f32 * step).ceil())))
}

/// The pixels of a region in the map, rounded: left, top, right, bottom.
fn rounded(roi: &[f64; 5], scale: f64) -> [f64; 4] {
    std::array::from_fn(|i| f64::from((roi[i + 1] as f32 * scale as f32).round()))
}

/// Each region averaged over bins of whole pixels, each bin with channels of its own: `[K, C / (height · width), height,
/// width]`. Follows `torchvision.ops.ps_roi_pool` ("R-FCN", J. Dai et al., 2016).
///
/// # Errors
/// As [`ps_roi_align`].
#[track_caller]
pub fn ps_roi_pool(
    x: &Tensor,
    rois: impl Into<Rois>,
    output_size: (usize, usize),
    spatial_scale: f64,
) -> Result<Tensor> {
    let op = "ps_roi_pool";
    let task = Task::new(op, x, &rois.into(), output_size)?;
    let channels = task.by_position(op)?;
    in_precision!(x, averages(&task, channels, spatial_scale))
}

fn averages<R: Real>(task: &Task, channels: usize, scale: f64) -> Regions<R> {
    let mut map = Regions::new(task, channels, true);
    let (rows, columns) = task.bins;
    for roi in &task.rois {
        let [x1, y1, x2, y2] = rounded(roi, scale);
        let (w, h) = ((x2 - x1).max(1.0), (y2 - y1).max(1.0));
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let (top, bottom) = span(row, rows, y1, h, task.height.saturating_sub(1));
            let (left, right) = span(column, columns, x1, w, task.width.saturating_sub(1));
            let area = bottom.saturating_sub(top) * right.saturating_sub(left);
            let share = R::of(1.0) / R::of(area.max(1) as f64);
            for i in top..bottom {
                map.pixels.extend((left..right).map(|j| ((i * task.width + j) as u32, share)));
            }
            map.end_bin();
        }
    }
    map
}

/// The greatest pixel of each bin of each region: `[K, C, height, width]`; 0 where a bin is empty. Follows
/// `torchvision.ops.roi_pool` ("Fast R-CNN", R. Girshick, 2015).
///
/// # Errors
/// As [`roi_align`].
#[track_caller]
pub fn roi_pool(x: &Tensor, rois: impl Into<Rois>, output_size: (usize, usize), spatial_scale: f64) -> Result<Tensor> {
    let task = Task::new("roi_pool", x, &rois.into(), output_size)?;
    let values = x.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
    let ((rows, columns), area) = (task.bins, task.height * task.width);
    let shape = [task.rois.len(), task.channels, rows, columns];
    let numel = shape.iter().product();
    let (mut greatest, mut empty) = (Vec::with_capacity(numel), Vec::with_capacity(numel));
    for roi in &task.rois {
        let [x1, y1, x2, y2] = rounded(roi, spatial_scale);
        let (w, h) = ((x2 - x1 + 1.0).max(1.0), (y2 - y1 + 1.0).max(1.0));
        for channel in 0..task.channels {
            let plane = (roi[0] as usize * task.channels + channel) * area;
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let (top, bottom) = span(row, rows, y1, h, task.height);
                let (left, right) = span(column, columns, x1, w, task.width);
                let places = (top..bottom).flat_map(|i| (left..right).map(move |j| plane + i * task.width + j));
                let best = places.fold(None, |best: Option<usize>, at| match best {
                    Some(best) if values[best] >= values[at] => Some(best),
                    _ => Some(at),
                });
                greatest.push(best.unwrap_or(0) as i64);
                empty.push(best.is_none());
            }
        }
    }
    if x.numel() == 0 || numel == 0 {
        return Tensor::zeros(shape).dtype(x.dtype()).build();
    }
    x.take(&Tensor::from_vec(greatest, shape)?)?.masked_fill(&Tensor::from_vec(empty, shape)?, 0.0)
}
