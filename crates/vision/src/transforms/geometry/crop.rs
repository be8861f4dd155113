//! Crops, padding, mirror images.

use crate::transforms::kinds::{Fill, InterpolationMode, Padding, PaddingMode, Size, boolean};
use crate::transforms::transform::{by_chance, forwards, steady};
use crate::transforms::{LazyImage, Transform, draw, functional};
use crate::tv_tensors::{ImageKind, TVTensor, query_size};
use flambeau_nn::Module;
use flambeau_tensor::{Result, builder, ensure};

/// The middle, as `torchvision.transforms.v2.CenterCrop`; what is smaller gets black around it.
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

/// Pixels added at the sides, as `torchvision.transforms.v2.Pad`: at all sides, or `[left and right, top and
/// bottom]`, or `[left, top, right, bottom]`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Pad, SampleTransform};
///
/// let pad = Pad::new([1, 0]).fill(7).build()?;
/// let image = Tensor::from_vec(vec![1u8, 2], [1, 1, 2])?;
/// assert_eq!(pad.on(image)?.to_vec::<u8>()?, [7, 1, 2, 7]);
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

steady! {
    CenterCrop: |this, part| functional::center_crop(&part, this.size) => |image| image.center_crop(this.size);
    Pad: |this, part| functional::pad(&part, this.padding, &this.fill, this.padding_mode);
}

/// A part at a random place, as `torchvision.transforms.v2.RandomCrop`, which draws a number only for a side that has
/// room for more than one place.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{RandomCrop, SampleTransform};
///
/// let crop = RandomCrop::new(28).padding(2).build()?;
/// assert_eq!(crop.on(Tensor::rand([1, 28, 28]).build()?)?.shape(), [1, 28, 28]);
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
    #[track_caller]
    fn from_builder(b: RandomCropBuilder) -> Result<Self> {
        let RandomCropBuilder { size, padding, pad_if_needed, fill, padding_mode } = b;
        let (h, w) = size.square();
        let Padding { left, top, right, bottom } = padding;
        let largest = [left, top, right, bottom].iter().map(|n| n.unsigned_abs()).chain([h, w]).max().unwrap_or(0);
        ensure!(
            largest < 1 << 40,
            Argument,
            "RandomCrop",
            "size ({h}, {w}) or padding {} is too much",
            padding.python()
        );
        Ok(RandomCrop { size, padding, pad_if_needed, fill, padding_mode })
    }

    fn describe(&self) -> String {
        let padding = if self.padding == Padding::default() { "None".to_string() } else { self.padding.python() };
        format!("size={:?}, padding={padding}", self.size.square())
    }

    /// All padding: what was asked for, and at both sides what is missing.
    fn padding_for(&self, h: isize, w: isize) -> Padding {
        let Padding { mut left, mut top, mut right, mut bottom } = self.padding;
        let (height, width) = self.size.square();
        let (height, width) = (height as isize, width as isize);
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

/// What is added before cropping, and the corner of the crop.
pub struct CropPlace {
    padding: Padding,
    top: isize,
    left: isize,
    /// whether anything is cut off
    crops: bool,
}

impl Transform for RandomCrop {
    type Params = CropPlace;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<CropPlace> {
        self.place(query_size(parts)?)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, place: &CropPlace) -> Result<TVTensor> {
        let (height, width) = self.size.square();
        let part = match place.padding == Padding::default() {
            true => part,
            false => functional::pad(&part, place.padding, &self.fill, self.padding_mode)?,
        };
        if place.crops { functional::crop(&part, place.top, place.left, height, width) } else { Ok(part) }
    }

    #[track_caller]
    fn lazily(&self, image: &mut LazyImage) -> Result<()> {
        let place = self.place(image.size()?)?;
        if place.padding != Padding::default() {
            return image.through(|parts| parts.try_map(|_, part| self.transform(part, &place)));
        }
        let (height, width) = self.size.square();
        if place.crops { image.crop(place.top, place.left, height, width) } else { Ok(()) }
    }
}

impl RandomCrop {
    /// Draws the place of the crop in an image of this size.
    #[track_caller]
    fn place(&self, (h, w): (usize, usize)) -> Result<CropPlace> {
        let (height, width) = self.size.square();
        let padding = self.padding_for(h as isize, w as isize);
        let (high, wide) = (h as isize + padding.top + padding.bottom, w as isize + padding.left + padding.right);
        let (height, width) = (height as isize, width as isize);
        ensure!(
            height <= high && width <= wide,
            Shape,
            "RandomCrop",
            "a crop of {height}×{width} is larger than the image of {high}×{wide}; see pad_if_needed"
        );
        let place =
            |room: isize| if room > 0 { draw::integer(0, room as i64 + 1).map(|at| at as isize) } else { Ok(0) };
        let (top, left) = (place(high - height)?, place(wide - width)?);
        Ok(CropPlace { padding, top, left, crops: high > height || wide > width })
    }
}

/// A part of random size and proportions at a random place, resized: what ImageNet's networks are trained on. As
/// `torchvision.transforms.v2.RandomResizedCrop`.
#[derive(Module)]
#[module(extra_repr = "RandomResizedCrop::describe")]
pub struct RandomResizedCrop {
    size: Size,
    scale: (f64, f64),
    ratio: (f64, f64),
    interpolation: InterpolationMode,
    antialias: bool,
}

builder! {
    /// Options of [`RandomResizedCrop`].
    pub struct RandomResizedCropBuilder => RandomResizedCrop;
    new {
        /// The side of a square, or height and width.
        size: ~into Size,
    }
    options {
        /// The least and the greatest share of the image's area. 0.08 and 1 unless set.
        scale: (f64, f64) = (0.08, 1.0),
        /// The least and the greatest width in units of the height. 3/4 and 4/3 unless set.
        ratio: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0),
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// Let every pixel of a larger crop count. True unless set.
        antialias: bool = true,
    }
}

impl RandomResizedCrop {
    #[track_caller]
    fn from_builder(b: RandomResizedCropBuilder) -> Result<Self> {
        let RandomResizedCropBuilder { size, scale, ratio, interpolation, antialias } = b;
        let (h, w) = size.square();
        functional::check_resize((h, w).into(), interpolation, None, antialias)?;
        let op = "RandomResizedCrop";
        ensure!(
            0.0 < scale.0 && scale.0 <= scale.1 && scale.1.is_finite(),
            Argument,
            op,
            "scale {scale:?} is no range"
        );
        ensure!(
            0.0 < ratio.0 && ratio.0 <= ratio.1 && ratio.1.is_finite(),
            Argument,
            op,
            "ratio {ratio:?} is no range"
        );
        Ok(RandomResizedCrop { size: Size::Both(h, w), scale, ratio, interpolation, antialias })
    }

    fn describe(&self) -> String {
        format!(
            "size={:?}, scale={:?}, ratio={:?}, interpolation={}, antialias={}",
            self.size.square(),
            self.scale,
            self.ratio,
            self.interpolation.python(),
            boolean(self.antialias)
        )
    }
}

/// A part of an image: top, left, height, width.
pub type Window = (usize, usize, usize, usize);

impl Transform for RandomResizedCrop {
    type Params = Window;

    #[track_caller]
    fn make_params(&self, parts: &[&TVTensor]) -> Result<Window> {
        self.window(query_size(parts)?)
    }

    #[track_caller]
    fn transform(&self, part: TVTensor, (top, left, height, width): &Window) -> Result<TVTensor> {
        let (top, left) = (*top as isize, *left as isize);
        functional::resized_crop(&part, (top, left, *height, *width), self.size, self.interpolation, self.antialias)
    }

    #[track_caller]
    fn lazily(&self, image: &mut LazyImage) -> Result<()> {
        let (top, left, height, width) = self.window(image.size()?)?;
        image.crop(top as isize, left as isize, height, width)?;
        image.resize(self.size, self.interpolation, None, self.antialias)
    }
}

impl RandomResizedCrop {
    /// Draws the part of an image of this size.
    #[track_caller]
    fn window(&self, (height, width): (usize, usize)) -> Result<Window> {
        let area = (height * width) as f64;
        let (least, most) = (f64::from((self.ratio.0 as f32).ln()), f64::from((self.ratio.1 as f32).ln()));
        for _ in 0..10 {
            let target = area * draw::uniform(self.scale.0, self.scale.1)?;
            let aspect = f64::from((draw::uniform(least, most)? as f32).exp());
            let w = (target * aspect).sqrt().round_ties_even() as usize;
            let h = (target / aspect).sqrt().round_ties_even() as usize;
            if 0 < w && w <= width && 0 < h && h <= height {
                let top = draw::below(height - h + 1)?;
                return Ok((top, draw::below(width - w + 1)?, h, w));
            }
        }
        // The largest part of allowed proportions, in the middle.
        let ratio = width as f64 / height as f64;
        let (h, w) = if ratio < self.ratio.0 {
            ((width as f64 / self.ratio.0).round_ties_even() as usize, width)
        } else if ratio > self.ratio.1 {
            (height, (height as f64 * self.ratio.1).round_ties_even() as usize)
        } else {
            (height, width)
        };
        Ok((height.saturating_sub(h) / 2, width.saturating_sub(w) / 2, h, w))
    }
}

forwards!(RandomCrop, RandomResizedCrop);

by_chance! {
    /// Mirrored left to right with probability p, as `torchvision.transforms.v2.RandomHorizontalFlip`.
    RandomHorizontalFlip, RandomHorizontalFlipBuilder, 0.5, new {} check |b| Ok::<(), flambeau_tensor::Error>(());
    |this, part| functional::horizontal_flip(&part) => |image| image.horizontal_flip();
    /// Mirrored top to bottom with probability p, as `torchvision.transforms.v2.RandomVerticalFlip`.
    RandomVerticalFlip, RandomVerticalFlipBuilder, 0.5, new {} check |b| Ok::<(), flambeau_tensor::Error>(());
    |this, part| functional::vertical_flip(&part) => |image| image.vertical_flip();
}

macro_rules! many_crops {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $n:literal, { $($(#[$opt_doc:meta])* $opt:ident: $t:ty = $default:expr),* }
        |$this:ident, $x:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            size: Size,
            $($opt: $t,)*
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The side of a square, or height and width.
                size: ~into Size,
            }
            options { $($(#[$opt_doc])* $opt: $t = $default,)* }
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { size: b.size, $($opt: b.$opt,)* })
            }

            fn describe(&self) -> String {
                let parts: Vec<String> = vec![
                    format!("size={:?}", self.size.square()),
                    $(format!(concat!(stringify!($opt), "={}"), boolean(self.$opt)),)*
                ];
                parts.join(", ")
            }

            /// The crops of an image.
            ///
            /// # Errors
            /// Where it is no image, or smaller than a crop.
            #[track_caller]
            pub fn crops<K: ImageKind>(&self, $x: &K) -> Result<[K; $n]> {
                let $this = self;
                $body
            }
        }
    )*};
}
many_crops! {
    /// The four corners and the middle, as `torchvision.transforms.v2.FiveCrop`. It makes five images of one, so it
    /// is no transform among others; [`crops`](FiveCrop::crops) gives them.
    FiveCrop, FiveCropBuilder, 5, {} |this, x| functional::five_crop(x, this.size);
    /// The four corners and the middle, and the same of the mirror image, as `torchvision.transforms.v2.TenCrop`;
    /// see [`crops`](TenCrop::crops).
    TenCrop, TenCropBuilder, 10, {
        /// Mirrored top to bottom instead of left to right. False unless set.
        vertical_flip: bool = false
    } |this, x| functional::ten_crop(x, this.size, this.vertical_flip);
}
