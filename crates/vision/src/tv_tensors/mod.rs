//! Tensors that say what they are, as `torchvision.tv_tensors`: an image, a video, a mask, boxes, key points.
//!
//! A transform treats each by its kind: it turns an image by mixing pixels, a mask by picking them, boxes by
//! moving their corners. What goes with the numbers (the format of boxes, the size of the image they belong to)
//! stands beside them and is kept up to date. A [`Sample`] is anything made of them.
//!
//! ```
//! use flambeau_tensor::Tensor;
//! use flambeau_vision::transforms::{RandomHorizontalFlip, SampleTransform};
//! use flambeau_vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image};
//!
//! let image = Image::new(Tensor::rand([3, 20, 30]).build()?)?;
//! let boxes = BoundingBoxes::new(Tensor::from_slice(&[1.0f32, 2.0, 11.0, 8.0], [1, 4])?, BoundingBoxFormat::XYXY, (20, 30))?;
//! let (_, boxes) = RandomHorizontalFlip::new().p(1.0).build()?.on((image, boxes))?;
//! assert_eq!(boxes.to_vec::<f32>()?, [19.0, 2.0, 29.0, 8.0]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod sample;

pub use flambeau_nn_derive::Sample;
pub use sample::{Parts, Sample};
pub(crate) use sample::{query_chw, query_size};

use flambeau_data::Collate;
use flambeau_nn::plain_parts;
use flambeau_tensor::{Result, Tensor, bail, ensure};
use std::fmt;
use std::ops::Deref;

/// What the numbers of a bounding box say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms)] // torchvision's names
pub enum BoundingBoxFormat {
    /// two corners: left, top, right, bottom
    XYXY,
    /// left, top, width, height
    XYWH,
    /// the middle, width, height
    CXCYWH,
    /// a turned box: its first corner, width, height, the angle in degrees (counter-clockwise)
    XYWHR,
    /// a turned box: its middle, width, height, the angle in degrees (counter-clockwise)
    CXCYWHR,
    /// a turned box: its four corners
    XYXYXYXY,
}

impl BoundingBoxFormat {
    /// Whether boxes of this format may be turned: `is_rotated_bounding_format`.
    pub fn is_rotated(self) -> bool {
        matches!(self, Self::XYWHR | Self::CXCYWHR | Self::XYXYXYXY)
    }

    /// How many numbers a box has.
    pub fn numbers(self) -> usize {
        match self {
            Self::XYXY | Self::XYWH | Self::CXCYWH => 4,
            Self::XYWHR | Self::CXCYWHR => 5,
            Self::XYXYXYXY => 8,
        }
    }
}

/// How boxes that reach out of the image are cut. Boxes that are not turned are cut the same way by both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClampingMode {
    /// A turned box keeps its angle and as much of its area as can be.
    #[default]
    Soft,
    /// A turned box keeps its angle and lies inside as a whole.
    Hard,
}

plain_parts!(BoundingBoxFormat, ClampingMode);

macro_rules! like_a_tensor {
    ($($Name:ident)*) => {$(
        impl Deref for $Name {
            type Target = Tensor;
            fn deref(&self) -> &Tensor {
                &self.tensor
            }
        }

        impl AsRef<Tensor> for $Name {
            fn as_ref(&self) -> &Tensor {
                &self.tensor
            }
        }

        /// Stacked to a plain tensor, as PyTorch's loader does it: what went with the numbers of each stays behind.
        impl Collate for $Name {
            type Batch = Tensor;
            fn collate(items: Vec<Self>) -> Result<Tensor> {
                Tensor::collate(items.into_iter().map(Tensor::from).collect())
            }
        }

        impl From<$Name> for Tensor {
            fn from(x: $Name) -> Tensor {
                x.tensor
            }
        }
    )*};
}
like_a_tensor!(Image Video Mask BoundingBoxes KeyPoints);

macro_rules! pixels {
    ($($(#[$doc:meta])* $Name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Name {
            tensor: Tensor,
        }

        impl $Name {
            /// `tensor` as the same kind of thing as this.
            #[must_use]
            pub fn wrap(&self, tensor: Tensor) -> Self {
                $Name { tensor }
            }
        }
    )*};
}
pixels! {
    /// An image, or a batch of images: `[..., C, H, W]`.
    Image;
    /// A video, or a batch of videos: `[..., T, C, H, W]`.
    Video;
    /// Masks: `[H, W]` with the number of a class for each pixel, or `[N, H, W]` with one mask for each object.
    Mask;
}

impl Image {
    /// `tensor` as an image; `[H, W]` becomes `[1, H, W]`.
    ///
    /// # Errors
    /// Where it has fewer than two dimensions.
    #[track_caller]
    pub fn new(tensor: Tensor) -> Result<Self> {
        match tensor.rank() {
            0 | 1 => bail!(Shape, "Image", "shape {:?} is not that of an image, [..., C, H, W]", tensor.shape()),
            2 => Ok(Image { tensor: tensor.unsqueeze(0)? }),
            _ => Ok(Image { tensor }),
        }
    }
}

impl Video {
    /// `tensor` as a video.
    ///
    /// # Errors
    /// Where it has fewer than four dimensions.
    #[track_caller]
    pub fn new(tensor: Tensor) -> Result<Self> {
        ensure!(
            tensor.rank() >= 4,
            Shape,
            "Video",
            "shape {:?} is not that of a video, [..., T, C, H, W]",
            tensor.shape()
        );
        Ok(Video { tensor })
    }
}

impl Mask {
    /// `tensor` as a mask.
    ///
    /// # Errors
    /// Where it has fewer than two dimensions.
    #[track_caller]
    pub fn new(tensor: Tensor) -> Result<Self> {
        ensure!(tensor.rank() >= 2, Shape, "Mask", "shape {:?} is not that of a mask, [..., H, W]", tensor.shape());
        Ok(Mask { tensor })
    }
}

/// Boxes `[N, 4]` (`[N, 5]` or `[N, 8]` where they may be turned), what their numbers say, and the size of the
/// image that they belong to.
#[derive(Clone, Debug)]
pub struct BoundingBoxes {
    tensor: Tensor,
    format: BoundingBoxFormat,
    canvas_size: (usize, usize),
    clamping_mode: Option<ClampingMode>,
}

impl BoundingBoxes {
    /// `tensor` as boxes of `format` in an image of `canvas_size` (height, width); one box may be a row without
    /// the other dimension. They are cut by `ClampingMode::Soft` unless
    /// [`with_clamping_mode`](BoundingBoxes::with_clamping_mode) says something else.
    ///
    /// # Errors
    /// Where a box has another number of numbers, or boxes that may be turned are integers.
    #[track_caller]
    pub fn new(tensor: Tensor, format: BoundingBoxFormat, canvas_size: (usize, usize)) -> Result<Self> {
        let op = "BoundingBoxes";
        let tensor = if tensor.rank() == 1 { tensor.unsqueeze(0)? } else { tensor };
        let numbers = format.numbers();
        let fits = tensor.rank() == 2 && (tensor.shape()[1] == numbers || tensor.numel() == 0);
        ensure!(fits, Shape, op, "shape {:?} is not that of {format:?} boxes, [N, {numbers}]", tensor.shape());
        ensure!(
            tensor.dtype().is_float() || !format.is_rotated(),
            DType,
            op,
            "{format:?} boxes are floating point, not {}",
            tensor.dtype()
        );
        Ok(BoundingBoxes { tensor, format, canvas_size, clamping_mode: Some(ClampingMode::Soft) })
    }

    /// What the numbers say.
    pub fn format(&self) -> BoundingBoxFormat {
        self.format
    }

    /// Height and width of the image.
    pub fn canvas_size(&self) -> (usize, usize) {
        self.canvas_size
    }

    /// How transforms cut what reaches out of the image; not at all where `None`.
    pub fn clamping_mode(&self) -> Option<ClampingMode> {
        self.clamping_mode
    }

    /// The boxes, cut in another way from now on.
    #[must_use]
    pub fn with_clamping_mode(mut self, clamping_mode: Option<ClampingMode>) -> Self {
        self.clamping_mode = clamping_mode;
        self
    }

    /// `tensor` as boxes like these.
    #[must_use]
    pub fn wrap(&self, tensor: Tensor) -> Self {
        BoundingBoxes { tensor, ..*self }
    }

    /// `tensor` as boxes like these in an image of another size.
    #[must_use]
    pub(crate) fn on_canvas(&self, tensor: Tensor, canvas_size: (usize, usize)) -> Self {
        BoundingBoxes { tensor, canvas_size, ..*self }
    }

    /// `tensor` as boxes like these of another format.
    #[must_use]
    pub(crate) fn in_format(&self, tensor: Tensor, format: BoundingBoxFormat) -> Self {
        BoundingBoxes { tensor, format, ..*self }
    }
}

/// Points `[..., 2]`, x and y, and the size of the image that they belong to.
#[derive(Clone, Debug)]
pub struct KeyPoints {
    tensor: Tensor,
    canvas_size: (usize, usize),
}

impl KeyPoints {
    /// `tensor` as points in an image of `canvas_size` (height, width); one point may be a row without the other
    /// dimensions.
    ///
    /// # Errors
    /// Where a point has other than two numbers.
    #[track_caller]
    pub fn new(tensor: Tensor, canvas_size: (usize, usize)) -> Result<Self> {
        let tensor = if tensor.rank() == 1 { tensor.unsqueeze(0)? } else { tensor };
        let fits = tensor.rank() >= 2 && tensor.shape().last() == Some(&2);
        ensure!(fits, Shape, "KeyPoints", "shape {:?} is not that of points, [..., 2]", tensor.shape());
        Ok(KeyPoints { tensor, canvas_size })
    }

    /// Height and width of the image.
    pub fn canvas_size(&self) -> (usize, usize) {
        self.canvas_size
    }

    /// `tensor` as points like these.
    #[must_use]
    pub fn wrap(&self, tensor: Tensor) -> Self {
        KeyPoints { tensor, canvas_size: self.canvas_size }
    }

    /// `tensor` as points in an image of another size.
    #[must_use]
    pub(crate) fn on_canvas(&self, tensor: Tensor, canvas_size: (usize, usize)) -> Self {
        KeyPoints { tensor, canvas_size }
    }
}

/// One part of a sample: a plain tensor, or one that says what it is.
#[derive(Clone, Debug)]
pub enum TVTensor {
    /// A tensor of which nothing is known: labels, or, in a sample without image or video, the image.
    Tensor(Tensor),
    /// An image.
    Image(Image),
    /// A video.
    Video(Video),
    /// Masks.
    Mask(Mask),
    /// Boxes.
    BoundingBoxes(BoundingBoxes),
    /// Points.
    KeyPoints(KeyPoints),
}

/// What a [`TVTensor`] is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TVKind {
    Tensor,
    Image,
    Video,
    Mask,
    BoundingBoxes,
    KeyPoints,
}

impl fmt::Debug for TVKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TVKind::Tensor => "Tensor",
            TVKind::Image => "Image",
            TVKind::Video => "Video",
            TVKind::Mask => "Mask",
            TVKind::BoundingBoxes => "BoundingBoxes",
            TVKind::KeyPoints => "KeyPoints",
        })
    }
}

impl TVTensor {
    /// What it is.
    pub fn kind(&self) -> TVKind {
        match self {
            TVTensor::Tensor(_) => TVKind::Tensor,
            TVTensor::Image(_) => TVKind::Image,
            TVTensor::Video(_) => TVKind::Video,
            TVTensor::Mask(_) => TVKind::Mask,
            TVTensor::BoundingBoxes(_) => TVKind::BoundingBoxes,
            TVTensor::KeyPoints(_) => TVKind::KeyPoints,
        }
    }

    /// The numbers.
    pub fn tensor(&self) -> &Tensor {
        match self {
            TVTensor::Tensor(x) => x,
            TVTensor::Image(x) => x,
            TVTensor::Video(x) => x,
            TVTensor::Mask(x) => x,
            TVTensor::BoundingBoxes(x) => x,
            TVTensor::KeyPoints(x) => x,
        }
    }

    /// The numbers alone.
    pub fn into_tensor(self) -> Tensor {
        match self {
            TVTensor::Tensor(x) => x,
            TVTensor::Image(x) => x.into(),
            TVTensor::Video(x) => x.into(),
            TVTensor::Mask(x) => x.into(),
            TVTensor::BoundingBoxes(x) => x.into(),
            TVTensor::KeyPoints(x) => x.into(),
        }
    }

    /// Whether it has the pixels of an image: an image, a video, or a plain tensor.
    pub fn is_image(&self) -> bool {
        matches!(self, TVTensor::Tensor(_) | TVTensor::Image(_) | TVTensor::Video(_))
    }

    /// The same kind of thing with other numbers.
    #[must_use]
    pub fn wrap(&self, tensor: Tensor) -> TVTensor {
        match self {
            TVTensor::Tensor(_) => TVTensor::Tensor(tensor),
            TVTensor::Image(x) => x.wrap(tensor).into(),
            TVTensor::Video(x) => x.wrap(tensor).into(),
            TVTensor::Mask(x) => x.wrap(tensor).into(),
            TVTensor::BoundingBoxes(x) => x.wrap(tensor).into(),
            TVTensor::KeyPoints(x) => x.wrap(tensor).into(),
        }
    }

    /// What `f` makes of an image, a video or a plain tensor; everything else as it is.
    ///
    /// # Errors
    /// As `f`.
    pub fn map_image(self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<TVTensor> {
        if self.is_image() { Ok(self.wrap(f(self.tensor())?)) } else { Ok(self) }
    }

    /// What the function for its kind makes of it. A mask `[H, W]` is given as `[1, H, W]`.
    ///
    /// # Errors
    /// As the functions.
    pub fn map(
        self,
        image: impl FnOnce(&Tensor) -> Result<Tensor>,
        mask: impl FnOnce(&Tensor) -> Result<Tensor>,
        boxes: impl FnOnce(&BoundingBoxes) -> Result<BoundingBoxes>,
        points: impl FnOnce(&KeyPoints) -> Result<KeyPoints>,
    ) -> Result<TVTensor> {
        match self {
            TVTensor::Mask(x) if x.rank() == 2 => Ok(x.wrap(mask(&x.unsqueeze(0)?)?.squeeze(0)?).into()),
            TVTensor::Mask(x) => Ok(x.wrap(mask(&x)?).into()),
            TVTensor::BoundingBoxes(x) => Ok(boxes(&x)?.into()),
            TVTensor::KeyPoints(x) => Ok(points(&x)?.into()),
            pixels => pixels.map_image(image),
        }
    }
}

/// What the functions of [`functional`](crate::transforms::functional) take and give back: a plain tensor, or one
/// that says what it is.
pub trait Kind: Clone + Into<TVTensor> {
    /// Back from what became of it.
    ///
    /// # Errors
    /// Where it became something of another kind.
    fn from_tv(x: TVTensor) -> Result<Self>;
}

/// A [`Kind`] with the pixels of an image.
pub trait ImageKind: Kind {}

/// A plain tensor of whatever they are.
impl Collate for TVTensor {
    type Batch = Tensor;
    fn collate(items: Vec<Self>) -> Result<Tensor> {
        Tensor::collate(items.into_iter().map(TVTensor::into_tensor).collect())
    }
}

impl Kind for TVTensor {
    fn from_tv(x: TVTensor) -> Result<Self> {
        Ok(x)
    }
}

macro_rules! kinds {
    ($($Name:ident)*) => {$(
        impl From<$Name> for TVTensor {
            fn from(x: $Name) -> TVTensor {
                TVTensor::$Name(x)
            }
        }

        impl Kind for $Name {
            #[track_caller]
            fn from_tv(x: TVTensor) -> Result<Self> {
                match x {
                    TVTensor::$Name(x) => Ok(x),
                    other => bail!(Argument, stringify!($Name), "it became a {:?}", other.kind()),
                }
            }
        }
    )*};
}
kinds!(Tensor Image Video Mask BoundingBoxes KeyPoints);

impl ImageKind for Tensor {}
impl ImageKind for Image {}
impl ImageKind for Video {}
impl ImageKind for TVTensor {}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_data::{DataLoader, ListDataset};

    #[test]
    fn a_loader_stacks_samples_of_them() {
        let sample = |first: f32, label: i64| {
            let boxes = Tensor::from_vec(vec![first, 0.0, 3.0, 4.0], [1, 4]).unwrap();
            let boxes = BoundingBoxes::new(boxes, BoundingBoxFormat::XYXY, (5, 6)).unwrap();
            let mask = Mask::new(Tensor::from_vec(vec![label as u8; 30], [5, 6]).unwrap()).unwrap();
            (Image::new(Tensor::full([3, 5, 6], f64::from(first)).build().unwrap()).unwrap(), (boxes, mask), label)
        };
        let loader = DataLoader::new(ListDataset(vec![sample(1.0, 7), sample(2.0, 8)])).batch_size(2).build().unwrap();
        let (images, (boxes, masks), labels) = loader.iter().next().unwrap().unwrap();
        assert_eq!((images.shape(), boxes.shape(), masks.shape()), (&[2, 3, 5, 6][..], &[2, 1, 4][..], &[2, 5, 6][..]));
        assert_eq!(boxes.to_vec::<f32>().unwrap(), [1.0, 0.0, 3.0, 4.0, 2.0, 0.0, 3.0, 4.0]);
        assert_eq!(labels.to_vec::<i64>().unwrap(), [7, 8]);
        let both: Vec<TVTensor> = vec![images.i(0).unwrap().into(), images.i(1).unwrap().into()];
        assert_eq!(TVTensor::collate(both).unwrap().to_vec::<f32>().unwrap(), images.to_vec::<f32>().unwrap());
        // What differs in size does not stack.
        assert!(Mask::collate(vec![Mask::new(masks.i(0).unwrap()).unwrap(), Mask::new(masks).unwrap()]).is_err());
    }
}
