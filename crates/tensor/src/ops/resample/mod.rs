//! Images, signals and volumes in another size. Each dimension is resampled by itself: every output element is a
//! weighted sum of a run of input elements ([`Taps`]).

mod composite;
mod taps;

use crate::op::{Infer, Meta, Metas, Outputs};
use crate::shape::{Shape, Spatial};
use crate::{DType, Result, Tensor, bail, dispatch, ensure};
use composite::{picked, weighted};
use smallvec::SmallVec;
use taps::Axis;
pub(crate) use taps::Taps;

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
    /// a windowed sine of three lobes, in both dimensions of an image and with `antialias` only
    Lanczos,
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

/// The last dimensions in another size, each by itself, the last one first. Input: any dimensions, and behind them as many
/// as `size` has. All floating-point dtypes; `u8` in the nearest modes and for images; all numbers in the nearest modes.
#[derive(Clone, Debug)]
pub struct Interpolate {
    /// How; not [`Area`](InterpolateMode::Area), which is an average pool.
    pub mode: InterpolateMode,
    /// The new sizes, of one to three dimensions.
    pub size: SmallVec<[usize; 3]>,
    /// The factors that places are computed with, one for each dimension; none where the sizes' quotients are.
    pub factors: SmallVec<[f64; 3]>,
    /// Do the centres of the corner elements stay where they are?
    pub align_corners: bool,
    /// Is the mean taken of what an output element covers?
    pub antialias: bool,
}

/// The gradient through [`Interpolate`]. Input: the output's gradient. Output: the input's.
#[derive(Clone, Debug)]
pub struct InterpolateBackward {
    /// The op whose gradient it is.
    pub of: Interpolate,
    /// The sizes of the input's last dimensions.
    pub size: SmallVec<[usize; 3]>,
}

const OP: &str = "interpolate";

impl InterpolateMode {
    /// Whether each output element is one of the input's.
    pub(crate) fn picks(self) -> bool {
        matches!(self, InterpolateMode::Nearest | InterpolateMode::NearestExact)
    }
}

impl Interpolate {
    /// Whether the options go together, and with elements of `dtype`.
    #[track_caller]
    pub(crate) fn check(&self, dtype: DType) -> Result<()> {
        use InterpolateMode as Mode;
        let rank = self.size.len();
        ensure!((1..=3).contains(&rank), Shape, OP, "{rank} dimensions in another size; one to three are right");
        ensure!(self.size.iter().all(|n| *n > 0), Argument, OP, "size {:?} must be at least 1", self.size);
        ensure!(self.mode != Mode::Area, Argument, OP, "the area mode is an average pool");
        let takes = matches!(self.mode, Mode::Linear | Mode::Bicubic);
        ensure!(!self.align_corners || takes, Argument, OP, "align_corners goes with linear and cubic modes only");
        ensure!(self.mode != Mode::Bicubic || rank == 2, Shape, OP, "the cubic mode is of two dimensions");
        ensure!(
            !self.antialias || (takes || self.mode == Mode::Lanczos) && rank == 2,
            Argument,
            OP,
            "antialias goes with linear, cubic and Lanczos modes in two dimensions only"
        );
        ensure!(
            self.mode != Mode::Lanczos || self.antialias,
            Argument,
            OP,
            "the Lanczos mode comes with antialias only"
        );
        let given = self.factors.len();
        ensure!(given == 0 || given == rank, Argument, OP, "{given} scale factors for {rank} dimensions");
        ensure!(
            self.factors.iter().all(|f| *f > 0.0 && f.is_finite()),
            Argument,
            OP,
            "scale factors {:?} must be above 0",
            self.factors
        );
        let real = !matches!(dtype, DType::Complex64 | DType::Complex128);
        let right = dtype.is_float() || self.mode.picks() && real || dtype == DType::U8 && rank == 2;
        ensure!(right, DType, OP, "not defined for {dtype}");
        Ok(())
    }

    /// The sizes in front and those to be changed.
    #[track_caller]
    fn split<'a>(&self, op: &'static str, shape: &'a [usize]) -> Result<(&'a [usize], &'a [usize])> {
        let Some(front) = shape.len().checked_sub(self.size.len()) else {
            bail!(Shape, op, "{} dimensions of a tensor of shape {shape:?} in another size", self.size.len())
        };
        let (front, own) = shape.split_at(front);
        ensure!(own.iter().all(|n| *n > 0), Shape, op, "the input {shape:?} has a dimension of size zero");
        Ok((front, own))
    }

    /// What elements of `dtype` are made of along each dimension, from the sizes `own`.
    pub(crate) fn taps(&self, own: &[usize], dtype: DType) -> Result<SmallVec<[Taps; 3]>> {
        let axis = |i: usize| Axis {
            from: own[i],
            to: self.size[i],
            mode: self.mode,
            factor: self.factors.get(i).copied(),
            align_corners: self.align_corners,
            antialias: self.antialias,
            image: own.len() == 2,
            dtype,
        };
        (0..own.len()).map(|i| axis(i).taps()).collect()
    }
}

impl InterpolateBackward {
    /// What gradients of `dtype` are made of along each dimension: for halves by the weights before they were rounded, as
    /// in PyTorch.
    pub(crate) fn taps(&self, dtype: DType) -> Result<SmallVec<[Taps; 3]>> {
        let dtype = if dtype.is_half() { DType::F32 } else { dtype };
        self.of.taps(&self.size, dtype)?.iter().map(Taps::transposed).collect()
    }
}

impl Infer for Interpolate {
    const NAME: &'static str = OP;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        self.check(x.dtype())?;
        let (front, _) = self.split(OP, x.shape())?;
        Meta::new(front.iter().chain(&self.size).copied().collect::<Shape>(), x.dtype()).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let run = || {
            let x = inputs[0];
            let (_, own) = self.split(OP, x.shape())?;
            let taps = self.taps(own, x.dtype())?;
            Ok(Outputs::from_iter([if self.mode.picks() { picked(x, &taps)? } else { weighted(x, &taps)? }]))
        };
        Some(run())
    }
}

impl Infer for InterpolateBackward {
    const NAME: &'static str = "interpolate_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let g = inputs[0];
        self.of.check(g.dtype())?;
        ensure!(g.dtype().is_float(), DType, Self::NAME, "not defined for {}", g.dtype());
        let (front, own) = self.of.split(Self::NAME, g.shape())?;
        ensure!(
            *own == self.of.size[..] && self.size.len() == own.len() && self.size.iter().all(|n| *n > 0),
            Shape,
            Self::NAME,
            "a gradient of shape {:?} does not go with size {:?} made {:?}",
            g.shape(),
            self.size,
            self.of.size
        );
        Meta::new(front.iter().chain(&self.size).copied().collect::<Shape>(), g.dtype()).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.taps(inputs[0].dtype()).and_then(|taps| Ok(Outputs::from_iter([weighted(inputs[0], &taps)?]))))
    }
}

impl Tensor {
    /// `[n, c, …]` with one to three dimensions behind in another size: `torch.nn.functional.interpolate`. Halves are
    /// summed in `f32` and rounded once; images of `u8` are mixed in 16-bit integers, as PyTorch mixes them on the CPU.
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
        let dtype = self.dtype();
        ensure!(dtype.is_float() || dtype == DType::U8, DType, OP, "not defined for {dtype}");
        let own = &self.shape()[2..];
        ensure!(own.iter().all(|s| *s > 0), Shape, OP, "the input {:?} has a dimension of size zero", self.shape());
        let mut factors = SmallVec::new();
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
                        factors.push(factor);
                    }
                }
                sizes
            }
            _ => bail!(Argument, OP, "either a size or a scale factor is needed"),
        };
        if mode == InterpolateMode::Area {
            let plain = !options.align_corners && !options.antialias;
            ensure!(plain, Argument, OP, "align_corners and antialias go with linear and cubic modes only");
            let size: SmallVec<[isize; 3]> = sizes.iter().map(|s| *s as isize).collect();
            let size = Spatial::from_slice(&size)?;
            return match rank {
                1 => self.adaptive_avg_pool1d(size),
                2 => self.adaptive_avg_pool2d(size),
                _ => self.adaptive_avg_pool3d(size),
            };
        }
        let (align_corners, antialias) = (options.align_corners, options.antialias);
        dispatch(Interpolate { mode, size: sizes, factors, align_corners, antialias }, &[self])
    }
}
