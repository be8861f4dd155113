//! Images, signals and volumes in another size. Each dimension is resampled by itself: every output element is a
//! weighted sum of a few input elements, which are picked by `index_select`.

use crate::lists::reserve;
use crate::shape::Spatial;
use crate::{DType, Result, Tensor, bail, ensure};
use smallvec::SmallVec;

/// How [`interpolate`](Tensor::interpolate) finds an element between others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterpolateMode {
    /// the element before, as PyTorch's `nearest`
    #[default]
    Nearest,
    /// the nearest element, by centres
    NearestExact,
    /// linear in each dimension: `linear`, `bilinear`, `trilinear`
    Linear,
    /// cubic in both dimensions of an image
    Bicubic,
    /// the mean of what an output element covers
    Area,
}

/// The options of [`interpolate`](Tensor::interpolate).
#[derive(Clone, Debug, Default)]
pub struct InterpolateOptions {
    /// The size of the output.
    pub size: Option<Spatial>,
    /// The output's size by the input's, one number or one for each dimension, where `size` is not given.
    pub scale_factor: Option<SmallVec<[f64; 3]>>,
    /// How.
    pub mode: InterpolateMode,
    /// The centres of the corner elements stay where they are.
    pub align_corners: bool,
    /// Computes with the sizes' quotient instead of `scale_factor`.
    pub recompute_scale_factor: bool,
    /// Takes the mean of what an output element covers when it makes an image smaller.
    pub antialias: bool,
}

impl InterpolateOptions {
    /// To `size`, one number or one for each dimension.
    pub fn size(size: impl Into<Spatial>) -> Self {
        InterpolateOptions { size: Some(size.into()), ..Default::default() }
    }

    /// By `factor` in each dimension.
    pub fn scale(factor: f64) -> Self {
        InterpolateOptions::scales(&[factor])
    }

    /// By one factor for each dimension.
    pub fn scales(factors: &[f64]) -> Self {
        InterpolateOptions { scale_factor: Some(SmallVec::from_slice(factors)), ..Default::default() }
    }

    /// Sets [`mode`](InterpolateOptions::mode).
    #[must_use]
    pub fn mode(mut self, mode: InterpolateMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`align_corners`](InterpolateOptions::align_corners).
    #[must_use]
    pub fn align_corners(mut self, on: bool) -> Self {
        self.align_corners = on;
        self
    }

    /// Sets [`recompute_scale_factor`](InterpolateOptions::recompute_scale_factor).
    #[must_use]
    pub fn recompute_scale_factor(mut self, on: bool) -> Self {
        self.recompute_scale_factor = on;
        self
    }

    /// Sets [`antialias`](InterpolateOptions::antialias).
    #[must_use]
    pub fn antialias(mut self, on: bool) -> Self {
        self.antialias = on;
        self
    }
}

/// What one dimension is resampled by.
#[derive(Clone, Copy)]
struct Axis {
    from: usize,
    to: usize,
    /// Given by the user, and not to be computed from the sizes.
    factor: Option<f64>,
    align_corners: bool,
    /// Numbers as an `f32` holds them, which PyTorch computes places in for `f32` and smaller.
    single: bool,
}

/// Which elements an output element is made of: one list of places and one of weights for each summand.
type Taps = Vec<(Vec<i64>, Vec<f64>)>;

const OP: &str = "interpolate";

impl Axis {
    fn rounded(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    /// Input elements for each output element.
    fn step(&self) -> f64 {
        self.rounded(match self.factor {
            _ if self.align_corners && self.to > 1 => {
                self.rounded((self.from - 1) as f64) / self.rounded((self.to - 1) as f64)
            }
            _ if self.align_corners => 0.0,
            Some(factor) => 1.0 / factor,
            None => self.from as f64 / self.to as f64,
        })
    }

    /// Where output element `o` stands, in input elements.
    fn place(&self, o: usize, step: f64) -> f64 {
        if self.align_corners {
            self.rounded(step * o as f64)
        } else {
            self.rounded(self.rounded(step * (o as f64 + 0.5)) - 0.5)
        }
    }

    fn nearest(&self, exact: bool) -> Result<Vec<i64>> {
        // Always in single precision.
        let step = match self.factor {
            Some(factor) => (1.0 / factor) as f32,
            None => self.from as f32 / self.to as f32,
        };
        let half = if exact { 0.5 } else { 0.0 };
        let mut places = Vec::new();
        reserve(&mut places, self.to)?;
        places.extend((0..self.to).map(|o| (((o as f32 + half) * step).floor() as i64).min(self.from as i64 - 1)));
        Ok(places)
    }

    /// So many lists with room for all output elements.
    fn taps(&self, count: usize) -> Result<Taps> {
        let mut taps: Taps = vec![Default::default(); count];
        for (places, weights) in &mut taps {
            reserve(places, self.to)?;
            reserve(weights, self.to)?;
        }
        Ok(taps)
    }

    fn linear(&self) -> Result<Taps> {
        let (step, last) = (self.step(), self.from as i64 - 1);
        let mut taps = self.taps(2)?;
        for o in 0..self.to {
            let place = self.place(o, step).max(0.0);
            let first = (place.floor() as i64).min(last);
            let share = self.rounded(place - first as f64).clamp(0.0, 1.0);
            for (tap, (at, weight)) in taps.iter_mut().zip([(first, 1.0 - share), ((first + 1).min(last), share)]) {
                tap.0.push(at);
                tap.1.push(weight);
            }
        }
        Ok(taps)
    }

    fn cubic(&self) -> Result<Taps> {
        let (step, last) = (self.step(), self.from as i64 - 1);
        let mut taps = self.taps(4)?;
        for o in 0..self.to {
            let place = self.place(o, step);
            let first = place.floor();
            let t = place - first;
            for (k, tap) in taps.iter_mut().enumerate() {
                tap.0.push((first as i64 - 1 + k as i64).clamp(0, last));
                tap.1.push(cubic(t + 1.0 - k as f64, -0.75));
            }
        }
        Ok(taps)
    }

    /// With a filter as wide as an output element, where that is wider than an input element.
    #[track_caller]
    fn antialiased(&self, reach: f64, filter: impl Fn(f64) -> f64) -> Result<Taps> {
        let step = self.step();
        let wide = step.max(1.0);
        let support = reach * wide;
        let mut all = Vec::new();
        reserve(&mut all, self.to)?;
        for o in 0..self.to {
            let centre = step * (o as f64 + 0.5);
            let start = ((centre - support + 0.5) as i64).max(0);
            let end = ((centre + support + 0.5) as i64).min(self.from as i64);
            let weights: Vec<f64> = (start..end).map(|j| filter((j as f64 - centre + 0.5) / wide)).collect();
            let sum: f64 = weights.iter().sum();
            all.push((start, weights.into_iter().map(|w| if sum == 0.0 { w } else { w / sum }).collect::<Vec<_>>()));
        }
        let most = all.iter().map(|(_, w)| w.len()).max().unwrap_or(0);
        let mut taps = self.taps(most)?;
        for (k, (places, weights)) in taps.iter_mut().enumerate() {
            places.extend(all.iter().map(|(start, _)| (start + k as i64).min(self.from as i64 - 1)));
            weights.extend(all.iter().map(|(_, w)| w.get(k).copied().unwrap_or(0.0)));
        }
        Ok(taps)
    }
}

/// The cubic convolution kernel of Keys (1981).
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

impl Tensor {
    /// `[n, c, …]` with one to three dimensions behind in another size: `torch.nn.functional.interpolate`.
    ///
    /// ```
    /// # use flambeau_tensor::{InterpolateMode, InterpolateOptions, Tensor};
    /// let x = Tensor::new([[[[1., 2.], [3., 4.]]]])?;
    /// let options = InterpolateOptions::scale(2.0).mode(InterpolateMode::Linear);
    /// assert_eq!(x.interpolate(options)?.shape(), [1, 1, 4, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the input has another rank or dtype, neither or both of size and scale are given, or the mode does not take
    /// an option.
    #[track_caller]
    pub fn interpolate(&self, options: InterpolateOptions) -> Result<Tensor> {
        let mode = options.mode;
        let Some(rank) = self.rank().checked_sub(2).filter(|r| (1..=3).contains(r)) else {
            bail!(Shape, OP, "the input {:?} must be [n, c, …] with one to three dimensions behind", self.shape())
        };
        let whole = matches!(mode, InterpolateMode::Nearest | InterpolateMode::NearestExact);
        let dtype = self.dtype();
        ensure!(dtype.is_float() || whole && dtype == DType::U8, DType, OP, "not defined for {dtype}");
        let takes = matches!(mode, InterpolateMode::Linear | InterpolateMode::Bicubic);
        ensure!(!options.align_corners || takes, Argument, OP, "align_corners goes with linear and cubic modes only");
        ensure!(mode != InterpolateMode::Bicubic || rank == 2, Shape, OP, "the cubic mode is of two dimensions");
        ensure!(
            !options.antialias || takes && rank == 2,
            Argument,
            OP,
            "antialias goes with linear and cubic modes in two dimensions only"
        );
        let own = &self.shape()[2..];
        ensure!(own.iter().all(|s| *s > 0), Shape, OP, "the input {:?} has a dimension of size zero", self.shape());
        let mut factors: SmallVec<[Option<f64>; 3]> = SmallVec::from_elem(None, rank);
        let sizes = match (&options.size, &options.scale_factor) {
            (Some(size), None) => size.at_least(1, OP, "size", rank)?,
            (None, Some(given)) => {
                let fits = given.len() == 1 || given.len() == rank;
                ensure!(fits, Argument, OP, "{} scale factors for {rank} dimensions", given.len());
                let mut sizes = SmallVec::new();
                for (i, &n) in own.iter().enumerate() {
                    let factor = given[if given.len() == 1 { 0 } else { i }];
                    let size = (n as f64 * factor).floor();
                    ensure!(
                        size >= 1.0 && size <= isize::MAX as f64 / 4.0,
                        Argument,
                        OP,
                        "size {n} by the factor {factor} is no size"
                    );
                    sizes.push(size as usize);
                    if !options.recompute_scale_factor {
                        factors[i] = Some(factor);
                    }
                }
                sizes
            }
            _ => bail!(Argument, OP, "either a size or a scale factor is needed"),
        };
        if mode == InterpolateMode::Area {
            let size: SmallVec<[isize; 3]> = sizes.iter().map(|s| *s as isize).collect();
            let size = Spatial::from_slice(&size)?;
            return match rank {
                1 => self.adaptive_avg_pool1d(size),
                2 => self.adaptive_avg_pool2d(size),
                _ => self.adaptive_avg_pool3d(size),
            };
        }
        // What is made of it is checked before lists of its length are.
        let shape: Vec<usize> = self.shape()[..2].iter().map(|n| *n.max(&1)).chain(sizes.iter().copied()).collect();
        let bytes = crate::shape::checked_numel(&shape).and_then(|n| n.checked_mul(dtype.size()));
        ensure!(
            bytes.is_some_and(|b| b <= isize::MAX as usize),
            Memory,
            OP,
            "an output of shape {shape:?} is too large"
        );
        // Halves are summed in single precision and rounded once.
        let half = matches!(dtype, DType::F16 | DType::BF16);
        let mut x = if half { self.to_dtype(DType::F32)? } else { self.clone() };
        for i in (0..rank).rev() {
            let axis = Axis {
                from: own[i],
                to: sizes[i],
                factor: factors[i],
                align_corners: options.align_corners,
                single: dtype != DType::F64,
            };
            let dim = i as isize + 2;
            let list = |places: Vec<i64>| Tensor::from_vec(places, [axis.to])?.to_device(self.device());
            let taps = match mode {
                InterpolateMode::Nearest | InterpolateMode::NearestExact => {
                    x = x.index_select(dim, list(axis.nearest(mode == InterpolateMode::NearestExact)?)?)?;
                    continue;
                }
                InterpolateMode::Bicubic if options.antialias => axis.antialiased(2.0, |x| cubic(x, -0.5))?,
                InterpolateMode::Bicubic => axis.cubic()?,
                _ if options.antialias => axis.antialiased(1.0, |x| (1.0 - x.abs()).max(0.0))?,
                _ => axis.linear()?,
            };
            let behind = rank - 1 - i;
            let mut sum: Option<Tensor> = None;
            for (places, weights) in taps {
                let shape: Vec<usize> = [axis.to].into_iter().chain(std::iter::repeat_n(1, behind)).collect();
                let weights = Tensor::from_vec(weights, shape)?.to_dtype(x.dtype())?.to_device(self.device())?;
                let part = x.index_select(dim, list(places)?)?.mul(&weights)?;
                sum = Some(match sum {
                    Some(sum) => sum.add(&part)?,
                    None => part,
                });
            }
            if let Some(sum) = sum {
                x = sum;
            }
        }
        x.to_dtype(dtype)
    }
}
