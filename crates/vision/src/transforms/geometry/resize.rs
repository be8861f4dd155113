//! Other sizes, fixed and at random.

use crate::transforms::kinds::{InterpolationMode, Size, boolean};
use crate::transforms::transform::{forwards, steady};
use crate::transforms::{Transform, draw, functional};
use crate::tv_tensors::{TVTensor, query_size};
use flambeau_nn::Module;
use flambeau_tensor::{Result, builder, ensure};

/// In another size, as `torchvision.transforms.v2.Resize`: one number is the length of the shorter side, two are height
/// and width, [`Size::Longest`] is the length of the longer side.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Resize, SampleTransform};
///
/// let image = Tensor::rand([3, 20, 40]).build()?;
/// assert_eq!(Resize::new(10).build()?.on(image.clone())?.shape(), [3, 10, 20]);
/// assert_eq!(Resize::new([8, 8]).build()?.on(image)?.shape(), [3, 8, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Resize::describe")]
pub struct Resize {
    size: Size,
    interpolation: InterpolationMode,
    max_size: Option<usize>,
    antialias: bool,
}

builder! {
    /// Options of [`Resize`].
    pub struct ResizeBuilder => Resize;
    new {
        /// The length of the shorter side, or height and width.
        size: ~into Size,
    }
    options {
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// The most that the longer side may get, where `size` is one number. No limit unless set.
        max_size: ~into Option<usize> = None,
        /// Let every pixel of a larger image count, as PIL does. True unless set; `Nearest` knows no difference.
        antialias: bool = true,
    }
}

impl Resize {
    #[track_caller]
    fn from_builder(b: ResizeBuilder) -> Result<Self> {
        let ResizeBuilder { size, interpolation, max_size, antialias } = b;
        functional::check_resize(size, interpolation, max_size, antialias)?;
        Ok(Resize { size, interpolation, max_size, antialias })
    }

    fn describe(&self) -> String {
        let size = match self.size {
            Size::One(n) => n.to_string(),
            Size::Both(h, w) => format!("[{h}, {w}]"),
            Size::Longest(_) => "None".to_string(),
        };
        let most = if let Size::Longest(n) = self.size { Some(n) } else { self.max_size };
        format!(
            "size={size}, interpolation={}, max_size={}, antialias={}",
            self.interpolation.python(),
            most.map_or("None".to_string(), |n| n.to_string()),
            boolean(self.antialias)
        )
    }
}

steady! {
    Resize: |this, part| functional::resize(&part, this.size, this.interpolation, this.max_size, this.antialias)
        => |image| image.resize(this.size, this.interpolation, this.max_size, this.antialias);
}

/// The shorter side as long as drawn from `min_size..max_size`, as `torchvision.transforms.v2.RandomResize`.
#[derive(Module)]
#[module(extra_repr = "RandomResize::describe")]
pub struct RandomResize {
    min_size: usize,
    max_size: usize,
    interpolation: InterpolationMode,
    antialias: bool,
}

builder! {
    /// Options of [`RandomResize`].
    pub struct RandomResizeBuilder => RandomResize;
    new {
        /// The least length.
        min_size: usize,
        /// One more than the greatest length.
        max_size: usize,
    }
    options {
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// Let every pixel of a larger image count. True unless set.
        antialias: bool = true,
    }
}

impl RandomResize {
    #[track_caller]
    fn from_builder(b: RandomResizeBuilder) -> Result<Self> {
        let RandomResizeBuilder { min_size, max_size, interpolation, antialias } = b;
        functional::check_resize(min_size.into(), interpolation, None, antialias)?;
        ensure!(min_size < max_size, Argument, "RandomResize", "there is no size in {min_size}..{max_size}");
        Ok(RandomResize { min_size, max_size, interpolation, antialias })
    }

    fn describe(&self) -> String {
        format!(
            "min_size={}, max_size={}, interpolation={}, antialias={}",
            self.min_size,
            self.max_size,
            self.interpolation.python(),
            boolean(self.antialias)
        )
    }
}

impl Transform for RandomResize {
    type Params = usize;

    #[track_caller]
    fn make_params(&self, _: &[&TVTensor]) -> Result<usize> {
        Ok(draw::integer(self.min_size as i64, self.max_size as i64)? as usize)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, size: &usize) -> Result<TVTensor> {
        functional::resize(&part, *size, self.interpolation, None, self.antialias)
    }
}

/// The shorter side as long as one of `min_size`, unless the longer one would exceed `max_size`, as
/// `torchvision.transforms.v2.RandomShortestSize`.
#[derive(Module)]
#[module(extra_repr = "RandomShortestSize::describe")]
pub struct RandomShortestSize {
    #[module(skip)]
    min_size: Vec<usize>,
    max_size: Option<usize>,
    interpolation: InterpolationMode,
    antialias: bool,
}

builder! {
    /// Options of [`RandomShortestSize`].
    pub struct RandomShortestSizeBuilder => RandomShortestSize;
    new {
        /// The lengths to choose from.
        min_size: ~into Vec<usize>,
    }
    options {
        /// The most that the longer side may get. No limit unless set.
        max_size: ~into Option<usize> = None,
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// Let every pixel of a larger image count. True unless set.
        antialias: bool = true,
    }
}

impl RandomShortestSize {
    #[track_caller]
    fn from_builder(b: RandomShortestSizeBuilder) -> Result<Self> {
        let RandomShortestSizeBuilder { min_size, max_size, interpolation, antialias } = b;
        ensure!(!min_size.is_empty(), Argument, "RandomShortestSize", "there is no size to choose");
        for size in &min_size {
            functional::check_resize((*size).into(), interpolation, None, antialias)?;
        }
        Ok(RandomShortestSize { min_size, max_size, interpolation, antialias })
    }

    fn describe(&self) -> String {
        let most = self.max_size.map_or(String::new(), |n| format!(", max_size={n}"));
        format!(
            "min_size={:?}{most}, interpolation={}, antialias={}",
            self.min_size,
            self.interpolation.python(),
            boolean(self.antialias)
        )
    }
}

impl Transform for RandomShortestSize {
    type Params = (usize, usize);

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<(usize, usize)> {
        let (h, w) = query_size(parts)?;
        let size = self.min_size[draw::below(self.min_size.len())?];
        let ratio = size as f64 / h.min(w) as f64;
        let ratio = self.max_size.map_or(ratio, |most| ratio.min(most as f64 / h.max(w) as f64));
        Ok(((h as f64 * ratio) as usize, (w as f64 * ratio) as usize))
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, size: &(usize, usize)) -> Result<TVTensor> {
        functional::resize(&part, *size, self.interpolation, None, self.antialias)
    }
}

/// Scaled to fit `target_size`, and that times a random number, as `torchvision.transforms.v2.ScaleJitter`.
#[derive(Module)]
#[module(extra_repr = "ScaleJitter::describe")]
pub struct ScaleJitter {
    target_size: (usize, usize),
    scale_range: (f64, f64),
    interpolation: InterpolationMode,
    antialias: bool,
}

builder! {
    /// Options of [`ScaleJitter`].
    pub struct ScaleJitterBuilder => ScaleJitter;
    new {
        /// The size that the image is scaled to at a scale of 1.
        target_size: (usize, usize),
    }
    options {
        /// The least and the greatest scale. 0.1 and 2 unless set.
        scale_range: (f64, f64) = (0.1, 2.0),
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// Let every pixel of a larger image count. True unless set.
        antialias: bool = true,
    }
}

impl ScaleJitter {
    #[track_caller]
    fn from_builder(b: ScaleJitterBuilder) -> Result<Self> {
        let ScaleJitterBuilder { target_size, scale_range, interpolation, antialias } = b;
        functional::check_resize(target_size.into(), interpolation, None, antialias)?;
        let (from, to) = scale_range;
        ensure!(
            0.0 < from && from <= to && to.is_finite(),
            Argument,
            "ScaleJitter",
            "{scale_range:?} is no range of scales"
        );
        Ok(ScaleJitter { target_size, scale_range, interpolation, antialias })
    }

    fn describe(&self) -> String {
        format!(
            "target_size={:?}, scale_range={:?}, interpolation={}, antialias={}",
            self.target_size,
            self.scale_range,
            self.interpolation.python(),
            boolean(self.antialias)
        )
    }
}

impl Transform for ScaleJitter {
    type Params = (usize, usize);

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<(usize, usize)> {
        let (h, w) = query_size(parts)?;
        let ((from, to), [drawn]) = (self.scale_range, draw::rand()?);
        let scale = from as f32 + drawn * (to - from) as f32;
        // torchvision takes the target's height for the width and the other way round; so do we.
        let ratio = (self.target_size.1 as f64 / h as f64).min(self.target_size.0 as f64 / w as f64) as f32 * scale;
        Ok(((h as f32 * ratio) as usize, (w as f32 * ratio) as usize))
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, size: &(usize, usize)) -> Result<TVTensor> {
        functional::resize(&part, *size, self.interpolation, None, self.antialias)
    }
}

forwards!(RandomResize, RandomShortestSize, ScaleJitter);
