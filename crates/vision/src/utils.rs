//! Many images in one picture; boxes, masks, key points and flow to look at. As `torchvision.utils`.

mod canvas;
mod color;
mod draw;
mod flow;
mod font;

pub use color::{Color, Colors};
pub use draw::{
    DrawBoundingBoxes, DrawKeypoints, DrawSegmentationMasks, draw_bounding_boxes, draw_keypoints,
    draw_segmentation_masks,
};
pub use flow::flow_to_image;

use crate::io::write_image;
use flambeau_tensor::{Build, DType, Result, Tensor, bail, ensure, no_grad, stack};
use std::path::Path;

/// What [`make_grid`] takes: a batch `[B, C, H, W]`, one image `[C, H, W]` or `[H, W]`, or a list of images.
#[derive(Clone, Debug)]
pub enum Images {
    /// a batch or an image
    One(Tensor),
    /// images of one size
    Many(Vec<Tensor>),
}

impl From<&Tensor> for Images {
    fn from(images: &Tensor) -> Self {
        Images::One(images.clone())
    }
}

impl From<&[Tensor]> for Images {
    fn from(images: &[Tensor]) -> Self {
        Images::Many(images.to_vec())
    }
}

impl From<&Vec<Tensor>> for Images {
    fn from(images: &Vec<Tensor>) -> Self {
        Images::Many(images.clone())
    }
}

impl From<Vec<Tensor>> for Images {
    fn from(images: Vec<Tensor>) -> Self {
        Images::Many(images)
    }
}

/// The images side by side in one, `[3, H, W]` (or with as many channels as they have, if not one). Follows
/// `torchvision.utils.make_grid`: a single image is not framed.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::utils::make_grid;
///
/// let images = Tensor::rand([6, 1, 8, 8]).build()?;
/// let grid = make_grid(&images).nrow(3).padding(2).build()?;
/// assert_eq!(grid.shape(), [3, 22, 32]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn make_grid(images: impl Into<Images>) -> GridBuilder {
    GridBuilder {
        images: images.into(),
        nrow: 8,
        padding: 2,
        normalize: false,
        value_range: None,
        scale_each: false,
        pad_value: 0.0,
    }
}

/// Writes a batch as a grid, or an image, to a PNG or JPEG file: `u8` as it is, floating point from 0 to 1.
/// Follows `torchvision.utils.save_image`; for its options see [`GridBuilder::save`].
///
/// # Errors
/// Where these are no images of 1 or 3 channels, or the file cannot be written.
#[track_caller]
pub fn save_image(images: impl Into<Images>, path: impl AsRef<Path>) -> Result<()> {
    make_grid(images).save(path)
}

/// A grid about to be made. See [`make_grid`].
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()` or `save()`"]
pub struct GridBuilder {
    images: Images,
    nrow: usize,
    padding: usize,
    normalize: bool,
    value_range: Option<(f64, f64)>,
    scale_each: bool,
    pad_value: f64,
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $t:ty;)*) => {
        impl GridBuilder {
            $(
                $(#[$doc])*
                pub fn $name(mut self, $name: $t) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}
options! {
    /// Images in a row. 8 unless set.
    nrow: usize;
    /// Pixels between images and around them. 2 unless set.
    padding: usize;
    /// Scale the images to 0 to 1. False unless set.
    normalize: bool;
    /// With `normalize`, scale each image by its own range. False unless set.
    scale_each: bool;
    /// The value of pixels between images. 0 unless set.
    pad_value: f64;
}

impl GridBuilder {
    /// With `normalize`, what becomes 0 and what becomes 1; beyond it is cut. The least and the greatest
    /// pixel unless set.
    pub fn value_range(mut self, value_range: (f64, f64)) -> Self {
        self.value_range = Some(value_range);
        self
    }

    /// Makes the grid.
    ///
    /// # Errors
    /// Where these are no images, or not of one size, or `normalize` is asked of integers.
    #[track_caller]
    pub fn build(self) -> Result<Tensor> {
        no_grad(|| self.grid())
    }

    /// Makes the grid and writes it to a PNG or JPEG file.
    ///
    /// # Errors
    /// As [`build`](GridBuilder::build); and where the images have neither 1 nor 3 channels, or the file
    /// cannot be written.
    #[track_caller]
    pub fn save(self, path: impl AsRef<Path>) -> Result<()> {
        no_grad(|| {
            let grid = self.grid()?;
            let dtype = grid.dtype();
            let bytes = if dtype == DType::U8 {
                grid
            } else {
                ensure!(dtype.is_float(), DType, "save_image", "an image is uint8 or floating point, not {dtype}");
                grid.mul(255.0)?.add(0.5)?.clamp(0.0, 255.0)?.to_dtype(DType::U8)?
            };
            write_image(&bytes, path)
        })
    }

    #[track_caller]
    fn grid(self) -> Result<Tensor> {
        let batch = self.batch()?;
        let batch = if self.normalize { self.normalized(&batch)? } else { batch };
        let &[n, channels, h, w] = batch.shape() else {
            bail!(Shape, "make_grid", "shape {:?} is no batch", batch.shape())
        };
        if n == 1 {
            return batch.squeeze(0)?.copy();
        }
        ensure!(n > 0, Shape, "make_grid", "there is no image in a batch of shape {:?}", batch.shape());
        ensure!(self.nrow > 0, Argument, "make_grid", "nrow = 0: there is no room for an image");
        let columns = self.nrow.min(n);
        let pad = self.padding;
        let side = |size: usize, count: usize| size.checked_add(pad)?.checked_mul(count)?.checked_add(pad);
        let (Some(height), Some(width)) = (side(h, n.div_ceil(columns)), side(w, columns)) else {
            bail!(
                Memory,
                "make_grid",
                "{n} images of {h}×{w} with a padding of {pad} have more pixels than can be counted"
            )
        };
        let (high, wide, shape) = (h + pad, w + pad, [channels, height, width]);
        let grid = Tensor::full(shape, self.pad_value).dtype(batch.dtype()).device(batch.device()).build()?;
        for k in (0..n).take_while(|_| batch.numel() > 0) {
            let (row, column) = (k / columns, k % columns);
            let place = grid.narrow(1, (row * high + pad) as isize, h)?.narrow(2, (column * wide + pad) as isize, w)?;
            place.copy_(&batch.select(0, k as isize)?)?;
        }
        Ok(grid)
    }

    /// As `[B, C, H, W]`, of three channels where there was one.
    #[track_caller]
    fn batch(&self) -> Result<Tensor> {
        let images = match &self.images {
            Images::One(images) => images.clone(),
            Images::Many(images) => stack(images, 0)?,
        };
        let batch = match images.rank() {
            2 => images.unsqueeze(0)?.unsqueeze(0)?,
            3 => images.unsqueeze(0)?,
            4 => images,
            _ => {
                bail!(Shape, "make_grid", "shape {:?} is neither [B, C, H, W] nor [C, H, W] nor [H, W]", images.shape())
            }
        };
        match *batch.shape() {
            [n, 1, h, w] => batch.expand([n, 3, h, w]),
            _ => Ok(batch),
        }
    }

    #[track_caller]
    fn normalized(&self, batch: &Tensor) -> Result<Tensor> {
        let dtype = batch.dtype();
        ensure!(dtype.is_float(), DType, "make_grid", "normalize is for floating point, the images are {dtype}");
        if !self.scale_each || batch.shape()[0] == 0 {
            return self.scaled(batch);
        }
        let each = batch.unbind(0)?.iter().map(|image| self.scaled(image)).collect::<Result<Vec<_>>>()?;
        stack(&each, 0)
    }

    #[track_caller]
    fn scaled(&self, images: &Tensor) -> Result<Tensor> {
        let (least, greatest) = match self.value_range {
            Some(range) => range,
            None => {
                let values = images.to_dtype(DType::F64)?.to_vec::<f64>()?;
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, g), v| (l.min(*v), g.max(*v)))
            }
        };
        images.clamp(least, greatest)?.sub(least)?.div((greatest - least).max(1e-5))
    }
}

impl Build for GridBuilder {
    type Output = Tensor;
    fn build(self) -> Result<Tensor> {
        GridBuilder::build(self)
    }
}

#[cfg(test)]
mod drawing_tests;
#[cfg(test)]
mod tests;
