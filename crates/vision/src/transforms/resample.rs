//! How the pixels of a resized image are mixed from those of the old one: along one axis after the other,
//! each new pixel a weighted sum of a run of neighbours ([`Axis`]).
//!
//! The arithmetic is PyTorch's (`aten/src/ATen/native/cpu/UpSampleKernel.cpp`), which follows Pillow's: `u8`
//! is mixed with weights of 16 bits, the sum rounded to `u8` between the axes; floating point in its own
//! precision, places included, so that what lies half-way falls to the same side.

use super::bytes::{self, Weights};
use super::kinds::InterpolationMode;
use crate::simd::simd;
use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{DType, Element, Result, Stored, Tensor};
use std::f64::consts::PI;
use std::ops::Range;

/// How one axis is resized.
pub(super) struct Axis {
    /// Pixels before and after.
    from: usize,
    to: usize,
    taps: Taps,
}

/// Where each new pixel comes from.
enum Taps {
    /// One old pixel, by its number.
    Pick(Vec<usize>),
    /// A run of old pixels with weights that add up to one.
    Mix(Mix),
}

/// Runs of old pixels, one for each new one.
struct Mix {
    /// The first of each run.
    first: Vec<usize>,
    /// The weights of each run, all of the same length; zeros fill up at the end.
    weights: Vec<f64>,
    width: usize,
}

/// What a step of the arithmetic is rounded to.
#[derive(Clone, Copy)]
struct Precision {
    single: bool,
}

impl Precision {
    fn of(self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }
}

impl Axis {
    /// From `from` to `to` pixels of `dtype`.
    #[track_caller]
    pub(super) fn new(from: usize, to: usize, mode: InterpolationMode, antialias: bool, dtype: DType) -> Result<Axis> {
        // Bytes are weighed in double precision before the weights are made integers.
        let p = Precision { single: !matches!(dtype, DType::U8 | DType::F64) };
        let taps = match mode {
            InterpolationMode::Nearest | InterpolationMode::NearestExact => Taps::Pick(nearest(from, to, mode)?),
            InterpolationMode::Bilinear if antialias => Taps::Mix(Mix::filtered(p, from, to, 1.0, triangle)?),
            InterpolationMode::Bicubic if antialias => Taps::Mix(Mix::filtered(p, from, to, 2.0, |x| cubic(x, -0.5))?),
            InterpolationMode::Lanczos => Taps::Mix(Mix::filtered(p, from, to, 3.0, lanczos)?),
            InterpolationMode::Bilinear => Taps::Mix(Mix::between(p, from, to, 0, |t| [1.0 - t, t])?),
            InterpolationMode::Bicubic => {
                let weights = |t: f64| {
                    let places = [t + 1.0, t, 1.0 - t, 2.0 - t];
                    if p.single {
                        places.map(|x| f64::from(cubic_in_single(x as f32)))
                    } else {
                        places.map(|x| cubic(x, -0.75))
                    }
                };
                Taps::Mix(Mix::between(p, from, to, 1, weights)?)
            }
        };
        Ok(Axis { from, to, taps })
    }

    /// The weights as a matrix: a row for each new pixel, a column for each old one.
    #[track_caller]
    pub(super) fn matrix(&self, dtype: DType) -> Result<Tensor> {
        check_bytes("resize", self.to.saturating_mul(self.from).saturating_mul(8))?;
        let mut weights = vec![0.0f64; self.to * self.from];
        for (i, row) in weights.chunks_exact_mut(self.from).enumerate() {
            match &self.taps {
                Taps::Pick(pixels) => row[pixels[i]] = 1.0,
                Taps::Mix(mix) => {
                    let run = &mix.weights[i * mix.width..(i + 1) * mix.width];
                    row[mix.first[i]..].iter_mut().zip(run).for_each(|(to, from)| *to = *from);
                }
            }
        }
        Tensor::from_vec(weights, [self.to, self.from])?.to_dtype(dtype)
    }
}

/// The old pixel under each new one, in the `f32` arithmetic of PyTorch.
#[track_caller]
fn nearest(from: usize, to: usize, mode: InterpolationMode) -> Result<Vec<usize>> {
    check_bytes("resize", to.saturating_mul(8))?;
    let scale = from as f32 / to as f32;
    let half = if mode == InterpolationMode::NearestExact { 0.5 } else { 0.0 };
    Ok((0..to).map(|i| (((i as f32 + half) * scale).floor() as usize).min(from - 1)).collect())
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// The cubic convolution of R. Keys (1981) with his parameter `a`.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// [`cubic`] of -0.75 in the steps that PyTorch takes in single precision.
fn cubic_in_single(x: f32) -> f32 {
    const A: f32 = -0.75;
    let x = x.abs();
    if x < 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

impl Mix {
    /// Lists for `to` runs of `width`.
    #[track_caller]
    fn room(to: usize, width: usize) -> Result<(Vec<usize>, Vec<f64>)> {
        check_bytes("resize", to.saturating_mul(8 * (width + 1)))?;
        Ok((Vec::with_capacity(to), vec![0.0; to * width]))
    }

    /// Every old pixel under the filter counts, which widens as the image shrinks. `reach` is how far the
    /// filter reaches at the scale of one.
    #[track_caller]
    fn filtered(p: Precision, from: usize, to: usize, reach: f64, filter: impl Fn(f64) -> f64) -> Result<Mix> {
        let scale = p.of(from as f64 / to as f64);
        let (support, inverse) = (p.of(reach * scale.max(1.0)), p.of(1.0 / scale.max(1.0)));
        let width = (support.ceil() as usize * 2 + 1).min(from);
        let (mut first, mut weights) = Mix::room(to, width)?;
        for (i, run) in weights.chunks_exact_mut(width).enumerate() {
            let center = p.of(scale * (i as f64 + 0.5));
            let start = (p.of(p.of(center - support) + 0.5).max(0.0) as usize).min(from - 1);
            let len = (p.of(p.of(center + support) + 0.5) as usize).min(from).saturating_sub(start).clamp(1, width);
            let run = &mut run[..len];
            let offset = p.of(start as f64 - center);
            let place = |j: usize| p.of(p.of(p.of(j as f64 + offset) + 0.5) * inverse);
            run.iter_mut().enumerate().for_each(|(j, w)| *w = p.of(filter(place(j))));
            let total: f64 = run.iter().sum();
            if total != 0.0 {
                run.iter_mut().for_each(|w| *w /= total);
            }
            first.push(start);
        }
        Ok(Mix { first, weights, width })
    }

    /// The `N` old pixels around the middle of each new one, `before` of them before the nearest at the
    /// left; beyond the edge the edge counts in their place.
    fn between<const N: usize>(
        p: Precision,
        from: usize,
        to: usize,
        before: usize,
        weigh: impl Fn(f64) -> [f64; N],
    ) -> Result<Mix> {
        let scale = p.of(from as f64 / to as f64);
        let width = N.min(from);
        let (mut first, mut weights) = Mix::room(to, width)?;
        for (i, run) in weights.chunks_exact_mut(width).enumerate() {
            let mut at = p.of(p.of(scale * (i as f64 + 0.5)) - 0.5);
            if N == 2 {
                at = at.max(0.0);
            }
            let left = at.floor();
            let start = (left as isize - before as isize).clamp(0, (from - width) as isize);
            for (k, w) in weigh(p.of(at - left)).into_iter().enumerate() {
                let pixel = (left as isize - before as isize + k as isize).clamp(0, from as isize - 1);
                run[(pixel - start) as usize] += w;
            }
            first.push(start as usize);
        }
        Ok(Mix { first, weights, width })
    }

    /// The weights as integers of 16 bits.
    fn integers(&self) -> Weights {
        let largest = self.weights.iter().fold(0.0f64, |most, w| most.max(*w));
        let fits = |bits: &u32| ((0.5 + largest * f64::from(1u32 << (bits + 1))) as i64) < 1 << 15;
        let bits = (0..22).take_while(fits).count() as u32;
        let scale = f64::from(1u32 << bits);
        let weights = self.weights.iter().map(|w| (w * scale).round() as i16).collect();
        Weights { first: self.first.clone(), weights, width: self.width, bits }
    }
}

/// How one axis of bytes is resized.
pub(super) enum ByteAxis {
    Pick(Vec<usize>),
    Mix(Weights),
}

impl ByteAxis {
    /// The old pixels that count. From now on their places are told from the first of these.
    pub(super) fn narrow(&mut self) -> Range<usize> {
        let (first, last) = match self {
            ByteAxis::Pick(pixels) => {
                let last = pixels.iter().copied().max().unwrap_or(0);
                (pixels, last)
            }
            ByteAxis::Mix(weights) => {
                let last = weights.last();
                (&mut weights.first, last)
            }
        };
        let start = first.iter().copied().min().unwrap_or(0);
        first.iter_mut().for_each(|place| *place -= start);
        start..last + 1
    }

    /// Rows of `from` bytes resized, each by itself.
    #[inline(always)]
    pub(super) fn across(&self, from: usize, x: &[u8]) -> Vec<u8> {
        match self {
            ByteAxis::Pick(pixels) => x.chunks_exact(from).flat_map(|x| pixels.iter().map(|p| x[*p])).collect(),
            ByteAxis::Mix(weights) => bytes::across(weights, from, x),
        }
    }

    /// New row `i` of a plane whose rows are as long as `y`.
    #[inline(always)]
    pub(super) fn down(&self, i: usize, x: &[u8], y: &mut [u8]) {
        match self {
            ByteAxis::Pick(pixels) => y.copy_from_slice(&x[pixels[i] * y.len()..][..y.len()]),
            ByteAxis::Mix(weights) => bytes::down(weights, i, x, y),
        }
    }
}

impl Axis {
    /// The same for bytes, of the new pixels `new` alone.
    pub(super) fn of_bytes(&self, new: Range<usize>) -> ByteAxis {
        match &self.taps {
            Taps::Pick(pixels) => ByteAxis::Pick(pixels[new].to_vec()),
            Taps::Mix(mix) => {
                // Where the point of the weights is goes by all of them.
                let mut weights = mix.integers();
                weights.first = mix.first[new.clone()].to_vec();
                let runs = weights.weights.chunks_exact(mix.width).skip(new.start).take(new.len());
                weights.width = runs.clone().map(bytes::len).max().unwrap_or(1);
                weights.weights = runs.flat_map(|run| &run[..weights.width]).copied().collect();
                ByteAxis::Mix(weights)
            }
        }
    }
}

/// The image with its last two dimensions resized.
#[track_caller]
pub(super) fn resample(image: &Tensor, rows: &Axis, columns: &Axis) -> Result<Tensor> {
    match image.dtype() {
        DType::U8 => resample_bytes(image, rows, columns),
        DType::F32 => run::<f32>(image, rows, columns),
        DType::F64 => run::<f64>(image, rows, columns),
        dtype => {
            let wide = run::<f32>(&image.to_dtype(DType::F32)?, rows, columns)?;
            if dtype.is_float() { wide.to_dtype(dtype) } else { wide.round()?.to_dtype(dtype) }
        }
    }
}

/// [`run`] for bytes.
#[track_caller]
fn resample_bytes(image: &Tensor, rows: &Axis, columns: &Axis) -> Result<Tensor> {
    let image = image.contiguous()?;
    let mut shape = image.shape().to_vec();
    if let [.., height, width] = &mut shape[..] {
        (*height, *width) = (rows.to, columns.to);
    }
    let x = image.data::<u8>()?;
    let planes = x.len() / (rows.from * columns.from);
    let size = |height: usize| planes.saturating_mul(height).saturating_mul(columns.to);
    let room = bytes::room(columns.from, columns.to);
    check_bytes("resize", size(rows.from).saturating_add(size(rows.to)).saturating_add(room))?;
    let across = columns.of_bytes(0..columns.to);
    let wide = (columns.from != columns.to).then(|| {
        simd(
            #[inline(always)]
            || across.across(columns.from, &x),
        )
    });
    let wide = wide.as_deref().unwrap_or(&x);
    if rows.from == rows.to {
        return Tensor::from_slice(wide, &shape);
    }
    let down = rows.of_bytes(0..rows.to);
    let mut y = vec![0; size(rows.to)];
    simd(
        #[inline(always)]
        || {
            for (i, y) in y.chunks_exact_mut(columns.to).enumerate() {
                let x = &wide[i / rows.to * rows.from * columns.to..];
                down.down(i % rows.to, x, y);
            }
        },
    );
    Tensor::from_vec(y, &shape)
}

/// Columns first, then rows.
#[track_caller]
fn run<T: Sample>(image: &Tensor, rows: &Axis, columns: &Axis) -> Result<Tensor> {
    let image = image.contiguous()?;
    let mut shape = image.shape().to_vec();
    if let [.., height, width] = &mut shape[..] {
        (*height, *width) = (rows.to, columns.to);
    }
    let x = image.data::<T>()?;
    let planes = x.len() / (rows.from * columns.from);
    let bytes = |height: usize| planes.saturating_mul(height).saturating_mul(columns.to).saturating_mul(size_of::<T>());
    check_bytes("resize", bytes(rows.from).saturating_add(bytes(rows.to)))?;
    let wide = (columns.from != columns.to).then(|| simd(|| along(columns, &x, planes * rows.from, 1)));
    let wide = wide.as_deref().unwrap_or(&x);
    if rows.from == rows.to {
        return Tensor::from_slice(wide, &shape);
    }
    Tensor::from_vec(simd(|| along(rows, wide, planes, columns.to)), &shape)
}

/// Resizes along the middle one of three dimensions: from `[outer, from, inner]` to `[outer, to, inner]`.
#[inline(always)]
fn along<T: Sample>(axis: &Axis, x: &[T], outer: usize, inner: usize) -> Vec<T> {
    let mut y = vec![T::default(); outer * axis.to * inner];
    let planes = x.chunks_exact(axis.from * inner).zip(y.chunks_exact_mut(axis.to * inner));
    match &axis.taps {
        Taps::Pick(pixels) => {
            for (x, y) in planes {
                let rows = y.chunks_exact_mut(inner).zip(pixels);
                rows.for_each(|(row, p)| row.copy_from_slice(&x[p * inner..(p + 1) * inner]));
            }
        }
        Taps::Mix(mix) => {
            let weights = T::weights(mix);
            let runs = || mix.first.iter().zip(weights.chunks_exact(mix.width));
            for (x, y) in planes {
                if inner == 1 {
                    runs().zip(y).for_each(|((first, w), y)| *y = T::mix(&x[*first..], w));
                } else {
                    let rows = runs().zip(y.chunks_exact_mut(inner));
                    rows.for_each(|((first, w), y)| T::mix_rows(&x[first * inner..], w, y));
                }
            }
        }
    }
    y
}

/// What pixels may be made of, and how they are mixed.
trait Sample: Element<Stored = Self> + Stored {
    /// The weights of `mix`.
    fn weights(mix: &Mix) -> Vec<Self>;
    /// Σ w · x.
    fn mix(x: &[Self], w: &[Self]) -> Self;
    /// The same for rows as long as `y`, which lie one after another in `x`.
    fn mix_rows(x: &[Self], w: &[Self], y: &mut [Self]);
}

macro_rules! float_samples {
    ($($t:ty),*) => {$(
        impl Sample for $t {
            fn weights(mix: &Mix) -> Vec<$t> {
                mix.weights.iter().map(|w| *w as $t).collect()
            }

            #[inline(always)]
            fn mix(x: &[$t], w: &[$t]) -> $t {
                x.iter().zip(w).fold(0.0, |sum, (x, w)| x.mul_add(*w, sum))
            }

            #[inline(always)]
            fn mix_rows(x: &[$t], w: &[$t], y: &mut [$t]) {
                y.fill(0.0);
                for (x, w) in x.chunks_exact(y.len()).zip(w) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = x.mul_add(*w, *y));
                }
            }
        }
    )*};
}
float_samples!(f32, f64);
