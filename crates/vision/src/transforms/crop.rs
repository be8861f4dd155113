//! Transforms that move pixels without mixing them: crops, padding, flips.

use super::Forward;
use super::functional::{self, height_width};
use super::kinds::{Fill, Padding, PaddingMode, Size, number};
use flambeau_nn::Module;
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// An integer in `0..below`, one drawn from the default generator as `torch.randint(0, below, (1,))` does.
#[track_caller]
fn draw_below(below: usize) -> Result<isize> {
    Ok(Tensor::randint(0, below as i64, [1]).build()?.item::<i64>()? as isize)
}

/// True with probability `p`: `torch.rand(1) < p`.
#[track_caller]
fn draw_bool(p: f64) -> Result<bool> {
    Ok(f64::from(Tensor::rand([1]).build()?.item::<f32>()?) < f64::from(p as f32))
}

/// The middle of the image, as `torchvision.transforms.CenterCrop`; a smaller image gets zeros around it.
#[derive(Module)]
#[module(extra_repr = "CenterCrop::describe")]
pub struct CenterCrop {
    size: Size,
}

builder! {
    /// Options of [`CenterCrop`].
    pub struct CenterCropBuilder => CenterCrop;
    new {
        /// The side of a square, or height and width.
        size: ~into Size,
    }
    options {}
}

impl CenterCrop {
    fn from_builder(b: CenterCropBuilder) -> Result<Self> {
        Ok(CenterCrop { size: b.size })
    }

    fn describe(&self) -> String {
        format!("size={:?}", self.size.square())
    }
}

impl Forward for CenterCrop {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (height, width) = self.size.square();
        functional::center_crop(x, height, width)
    }
}

/// A part of the image at a random place, as `torchvision.transforms.RandomCrop`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, RandomCrop};
///
/// let crop = RandomCrop::new(28).padding(2).build()?;
/// assert_eq!(crop.forward(&Tensor::rand([1, 28, 28]).build()?)?.shape(), [1, 28, 28]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "RandomCrop::describe")]
pub struct RandomCrop {
    size: Size,
    padding: Padding,
    pad_if_needed: bool,
    fill: Fill,
    padding_mode: PaddingMode,
}

builder! {
    /// Options of [`RandomCrop`].
    pub struct RandomCropBuilder => RandomCrop;
    new {
        /// The side of a square, or height and width.
        size: ~into Size,
    }
    options {
        /// Pixels added first: at all sides, or `[left and right, top and bottom]`, or
        /// `[left, top, right, bottom]`. None unless set.
        padding: ~into Padding = Padding::default(),
        /// Add pixels where the image is smaller than the crop, instead of an error. False unless set.
        pad_if_needed: bool = false,
        /// The value of pixels added. 0 unless set.
        fill: ~into Fill = Fill::default(),
        /// Where pixels added come from. `Constant` unless set.
        padding_mode: PaddingMode = PaddingMode::Constant,
    }
}

impl RandomCrop {
    fn from_builder(b: RandomCropBuilder) -> Result<Self> {
        let RandomCropBuilder { size, padding, pad_if_needed, fill, padding_mode } = b;
        Ok(RandomCrop { size, padding, pad_if_needed, fill, padding_mode })
    }

    fn describe(&self) -> String {
        let padding = if self.padding == Padding::default() { "None".to_string() } else { self.padding.python() };
        format!("size={:?}, padding={padding}", self.size.square())
    }

    /// All padding: what was asked for, and at both sides what is missing.
    fn padding_for(&self, h: usize, w: usize) -> Padding {
        let Padding { mut left, mut top, mut right, mut bottom } = self.padding;
        let (height, width) = self.size.square();
        let (h, w) = (h + top + bottom, w + left + right);
        if self.pad_if_needed && w < width {
            (left, right) = (left + width - w, right + width - w);
        }
        if self.pad_if_needed && h < height {
            (top, bottom) = (top + height - h, bottom + height - h);
        }
        Padding { left, top, right, bottom }
    }
}

impl Forward for RandomCrop {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (h, w) = height_width("RandomCrop", x)?;
        let (height, width) = self.size.square();
        let padding = self.padding_for(h, w);
        let Padding { left, top, right, bottom } = padding;
        let (high, wide) = (h + top + bottom, w + left + right);
        ensure!(
            height <= high && width <= wide,
            Shape,
            "RandomCrop",
            "a crop of {height}×{width} is larger than the image of {high}×{wide}; see pad_if_needed"
        );
        let (i, j) = if (height, width) == (high, wide) {
            (0, 0)
        } else {
            (draw_below(high - height + 1)?, draw_below(wide - width + 1)?)
        };
        if let ([fill], PaddingMode::Constant) = (&self.fill.0[..], self.padding_mode) {
            return functional::window(x, i - top as isize, j - left as isize, height, width, *fill);
        }
        let padded = if padding == Padding::default() {
            x.clone()
        } else {
            functional::pad(x, padding, &self.fill, self.padding_mode)?
        };
        functional::crop(&padded, i, j, height, width)
    }
}

macro_rules! flips {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            p: f64,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {}
            options {
                /// The probability of being mirrored. 0.5 unless set.
                p: f64 = 0.5,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                ensure!((0.0..=1.0).contains(&b.p), Argument, stringify!($Name), "p = {} is not a probability", b.p);
                Ok($Name { p: b.p })
            }

            fn describe(&self) -> String {
                format!("p={}", number(self.p))
            }
        }

        impl Forward for $Name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                if draw_bool(self.p)? { functional::$function(x) } else { Ok(x.clone()) }
            }
        }
    )*};
}

flips! {
    /// The image mirrored left to right with probability p, as `torchvision.transforms.RandomHorizontalFlip`.
    RandomHorizontalFlip, RandomHorizontalFlipBuilder, hflip;
    /// The image mirrored top to bottom with probability p, as `torchvision.transforms.RandomVerticalFlip`.
    RandomVerticalFlip, RandomVerticalFlipBuilder, vflip;
}

/// Pixels added at the sides, as `torchvision.transforms.Pad`: at all sides, or `[left and right, top and
/// bottom]`, or `[left, top, right, bottom]`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, Pad};
///
/// let pad = Pad::new([1, 0]).fill(7).build()?;
/// let image = Tensor::from_vec(vec![1u8, 2], [1, 1, 2])?;
/// assert_eq!(pad.forward(&image)?.to_vec::<u8>()?, [7, 1, 2, 7]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Pad::describe")]
pub struct Pad {
    padding: Padding,
    fill: Fill,
    padding_mode: PaddingMode,
}

builder! {
    /// Options of [`Pad`].
    pub struct PadBuilder => Pad;
    new {
        /// Pixels added: at all sides, or `[left and right, top and bottom]`, or `[left, top, right, bottom]`.
        padding: ~into Padding,
    }
    options {
        /// The value of pixels added. 0 unless set.
        fill: ~into Fill = Fill::default(),
        /// Where pixels added come from. `Constant` unless set.
        padding_mode: PaddingMode = PaddingMode::Constant,
    }
}

impl Pad {
    fn from_builder(b: PadBuilder) -> Result<Self> {
        Ok(Pad { padding: b.padding, fill: b.fill, padding_mode: b.padding_mode })
    }

    fn describe(&self) -> String {
        format!(
            "padding={}, fill={}, padding_mode={}",
            self.padding.python(),
            self.fill.python(),
            self.padding_mode.python()
        )
    }
}

impl Forward for Pad {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::pad(x, self.padding, &self.fill, self.padding_mode)
    }
}
