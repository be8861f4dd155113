//! Which elements along one dimension a resampled element is a weighted sum of.
//!
//! Places and weights are computed in PyTorch's steps (`UpSample.h`, `UpSampleKernel.cpp` of ATen): in single precision
//! for `f32` and halves, in double precision for `f64` and for `u8`, whose weights are then made integers.

use super::InterpolateMode as Mode;
use crate::lists::reserve;
use crate::{DType, Result};
use half::{bf16, f16};
use std::f64::consts::PI;
use std::ops::Range;

/// Along one dimension: runs of input elements, one for each output element, and their weights.
#[derive(Debug)]
pub(crate) struct Taps {
    from: usize,
    first: Vec<usize>,
    /// Where each run's weights end.
    ends: Vec<usize>,
    weights: Vec<f64>,
}

/// How one dimension is resampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) mode: Mode,
    /// Given by the user, and not to be computed from the sizes.
    pub(super) factor: Option<f64>,
    pub(super) align_corners: bool,
    pub(super) antialias: bool,
    /// One of an image's two dimensions.
    pub(super) image: bool,
    pub(super) dtype: DType,
}

impl Axis {
    /// A step of the arithmetic, as it is rounded.
    fn rounded(&self, x: f64) -> f64 {
        if matches!(self.dtype, DType::F64 | DType::U8) { x } else { f64::from(x as f32) }
    }

    /// A weight as PyTorch stores it where it does: in the dtype of what it weighs.
    fn stored(&self, weight: f64) -> f64 {
        match self.dtype {
            DType::BF16 => bf16::from_f64(weight).to_f64(),
            DType::F16 => f16::from_f64(weight).to_f64(),
            _ => weight,
        }
    }

    pub(super) fn taps(&self) -> Result<Taps> {
        let cubic_weights = |t: f64| {
            let places = [t + 1.0, t, 1.0 - t, 2.0 - t];
            match self.dtype {
                DType::F64 | DType::U8 => places.map(|x| cubic(x, -0.75)),
                _ => places.map(|x| f64::from(cubic_in_single(x as f32))),
            }
        };
        if self.from == self.to && self.keeps_same_size() {
            return self.picked(|o| o);
        }
        match self.mode {
            Mode::Bicubic if self.antialias => self.filtered(2.0, |x| cubic(x, -0.5)),
            Mode::Bicubic => self.between(1, |t| cubic_weights(t).map(|w| self.stored(w))),
            Mode::Lanczos => self.filtered(3.0, lanczos),
            Mode::Linear if self.antialias => self.filtered(1.0, |x| (1.0 - x.abs()).max(0.0)),
            Mode::Linear if self.image => self.between(0, |t| [1.0 - t, t]),
            Mode::Linear => self.between(0, |t| {
                let right = self.stored(t);
                [self.stored(1.0 - right), right]
            }),
            Mode::Nearest | Mode::NearestExact | Mode::Area => self.nearest(),
        }
    }

    /// Whether PyTorch leaves a dimension as it is that keeps its size, whatever the factor is.
    fn keeps_same_size(&self) -> bool {
        match self.mode {
            Mode::Linear | Mode::Lanczos => true,
            Mode::Nearest => self.image,
            Mode::Bicubic => self.antialias || self.dtype == DType::U8,
            Mode::NearestExact | Mode::Area => false,
        }
    }

    /// Of one element each.
    fn picked(&self, place: impl Fn(usize) -> usize) -> Result<Taps> {
        let mut taps = Taps::new(self.from, self.to, 1)?;
        (0..self.to).for_each(|o| taps.push(place(o).min(self.from - 1), [1.0]));
        Ok(taps)
    }

    /// In single precision, but for signals and volumes of `f64`; an image of twice the size has each element twice, whatever the factor is.
    fn nearest(&self) -> Result<Taps> {
        if self.mode == Mode::Nearest && self.image && self.from.checked_mul(2) == Some(self.to) {
            return self.picked(|o| o / 2);
        }
        let half = if self.mode == Mode::NearestExact { 0.5 } else { 0.0 };
        if self.dtype == DType::F64 && !self.image {
            let step = self.step();
            return self.picked(|o| ((o as f64 + half) * step).floor() as usize);
        }
        let step = match self.factor {
            Some(factor) => (1.0 / factor) as f32,
            None => self.from as f32 / self.to as f32,
        };
        self.picked(|o| ((o as f32 + half as f32) * step).floor() as usize)
    }

    /// Input elements for each output element.
    fn step(&self) -> f64 {
        let (from, to) = (self.from as f64, self.to as f64);
        self.rounded(match self.factor {
            _ if self.align_corners && self.to > 1 => self.rounded(from - 1.0) / self.rounded(to - 1.0),
            _ if self.align_corners => 0.0,
            Some(factor) => 1.0 / factor,
            None => self.rounded(from) / self.rounded(to),
        })
    }

    /// The `N` elements around each place, `before` of them before the one at its left; beyond the end the last element
    /// counts in their place.
    fn between<const N: usize>(&self, before: usize, weigh: impl Fn(f64) -> [f64; N]) -> Result<Taps> {
        let (step, last) = (self.step(), self.from - 1);
        let mut taps = Taps::new(self.from, self.to, N)?;
        let inside = |left: f64, k: usize| ((left as usize + k).saturating_sub(before)).min(last);
        for o in 0..self.to {
            let at = if self.align_corners {
                self.rounded(step * o as f64)
            } else {
                self.rounded(self.rounded(step * (o as f64 + 0.5)) - 0.5)
            };
            let at = if N == 2 { at.max(0.0) } else { at };
            let left = at.floor().min(last as f64);
            let weights = weigh(self.rounded(at - left).clamp(0.0, 1.0));
            // One place before the first element is -1.
            let (left, shift) = if left < 0.0 { (0.0, 1) } else { (left, 0) };
            let place = |k: usize| if k < shift { 0 } else { inside(left, k - shift) };
            let mut run = [0.0; N];
            weights.iter().enumerate().for_each(|(k, w)| run[place(k) - place(0)] += w);
            taps.push(place(0), run[..=place(N - 1) - place(0)].iter().copied());
        }
        Ok(taps)
    }

    /// All elements under a filter that is as wide as an output element, where that is wider than an input element.
    /// `reach` is how far it reaches at the scale of one.
    fn filtered(&self, reach: f64, filter: impl Fn(f64) -> f64) -> Result<Taps> {
        let step = self.step();
        let wide = step.max(1.0);
        let (support, inverse) = (self.rounded(reach * wide), self.rounded(1.0 / wide));
        let most = (support.ceil() as usize).saturating_mul(2).saturating_add(1).min(self.from);
        let mut taps = Taps::new(self.from, self.to, 1)?;
        let mut run = Vec::new();
        reserve(&mut run, most)?;
        for o in 0..self.to {
            let center = self.rounded(step * (o as f64 + 0.5));
            let edge = |x: f64| self.rounded(self.rounded(x) + 0.5).max(0.0) as usize;
            let start = edge(center - support).min(self.from - 1);
            let count = edge(center + support).min(self.from).saturating_sub(start).clamp(1, most);
            let offset = self.rounded(start as f64 - center);
            let place = |j: usize| self.rounded(self.rounded(self.rounded(j as f64 + offset) + 0.5) * inverse);
            run.clear();
            run.extend((0..count).map(|j| self.rounded(filter(place(j)))));
            let total: f64 = run.iter().sum();
            let total = if total == 0.0 { 1.0 } else { total };
            reserve_for(&mut taps.weights, count)?;
            taps.push(start, run.iter().map(|w| w / total));
        }
        Ok(taps)
    }
}

/// Room for `more` elements, so that many calls cost what one does.
fn reserve_for(list: &mut Vec<f64>, more: usize) -> Result<()> {
    if list.capacity() - list.len() < more { reserve(list, more.max(list.len())) } else { Ok(()) }
}

/// The cubic convolution kernel of Keys (1981) with his parameter `a`.
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
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

impl Taps {
    /// Of no output element yet, with room for `to` runs of `width`.
    fn new(from: usize, to: usize, width: usize) -> Result<Taps> {
        let mut taps = Taps { from, first: Vec::new(), ends: Vec::new(), weights: Vec::new() };
        reserve(&mut taps.first, to)?;
        reserve(&mut taps.ends, to)?;
        reserve(&mut taps.weights, to.saturating_mul(width))?;
        Ok(taps)
    }

    fn push(&mut self, first: usize, weights: impl IntoIterator<Item = f64>) {
        self.first.push(first);
        self.weights.extend(weights);
        self.ends.push(self.weights.len());
    }

    /// Input elements.
    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// Output elements.
    pub(crate) fn to(&self) -> usize {
        self.first.len()
    }

    /// The first input element of each run.
    pub(crate) fn first(&self) -> &[usize] {
        &self.first
    }

    /// Where the weights of run `o` stand.
    pub(crate) fn run(&self, o: usize) -> Range<usize> {
        let start = if o == 0 { 0 } else { self.ends[o - 1] };
        start..self.ends[o]
    }

    /// All weights, run by run.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// How many elements the longest run has.
    pub(crate) fn width(&self) -> usize {
        (0..self.to()).map(|o| self.run(o).len()).max().unwrap_or(0)
    }

    /// Whether each element stays what it is.
    pub(crate) fn is_identity(&self) -> bool {
        let alone = |o: usize| {
            let weights = &self.weights[self.run(o)];
            let at = o.wrapping_sub(self.first[o]);
            at < weights.len() && weights.iter().enumerate().all(|(k, w)| *w == f64::from(u8::from(k == at)))
        };
        self.from == self.to() && (0..self.to()).all(alone)
    }

    /// The way back: for each input element the output elements that it counts in. Runs lie one after another, so that
    /// these are runs as well.
    pub(crate) fn transposed(&self) -> Result<Taps> {
        let mut rows: Vec<Range<usize>> = crate::lists::list(self.from, 0..0)?;
        for o in 0..self.to() {
            for row in &mut rows[self.first[o]..self.first[o] + self.run(o).len()] {
                *row = if row.start == row.end { o..o + 1 } else { row.start..o + 1 };
            }
        }
        let mut taps = Taps::new(self.to(), self.from, 0)?;
        let total = rows.iter().fold(0usize, |n, row| n.saturating_add(row.len()));
        reserve(&mut taps.weights, total)?;
        for (i, row) in rows.into_iter().enumerate() {
            let weight = |o: usize| {
                let run = &self.weights[self.run(o)];
                i.checked_sub(self.first[o]).and_then(|k| run.get(k)).copied().unwrap_or(0.0)
            };
            taps.push(row.start, row.map(weight));
        }
        Ok(taps)
    }

    /// The weights as integers of 16 bits, and how many of those bits are behind the point.
    pub(crate) fn integers(&self) -> Result<(Vec<i16>, u32)> {
        let largest = self.weights.iter().fold(0.0f64, |most, w| most.max(*w));
        let fits = |bits: &u32| ((0.5 + largest * f64::from(1u32 << (bits + 1))) as i64) < 1 << 15;
        let bits = (0..22).take_while(fits).count() as u32;
        let scale = f64::from(1u32 << bits);
        let mut integers = Vec::new();
        reserve(&mut integers, self.weights.len())?;
        integers.extend(self.weights.iter().map(|w| (w * scale).round() as i16));
        Ok((integers, bits))
    }
}
