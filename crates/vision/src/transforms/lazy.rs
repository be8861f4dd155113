//! Images whose pixels are computed at the end of a chain, all steps at once.
//!
//! A chain like crop, resize, flip, scale, normalise needs few of the pixels of a file, and reads and writes each of them
//! once only if nobody asks for what lies between. A [`LazyImage`] keeps what is to be done; what cannot be put off
//! (it is asked of a transform that has to see pixels) is done with the pixels so far, and the chain goes on from there.

use super::functional;
use super::fused::{Level, Steps};
use super::kinds::{InterpolationMode, Size};
use crate::io::{JpegFile, Region};
use crate::tv_tensors::{Image, Parts, TVKind, TVTensor};
use flambeau_tensor::dispatch::is_interpreted;
use flambeau_tensor::{DType, Device, Result, Tensor, bail};

/// An image on its way through a chain of transforms, which say what is to be done with it; it is done in one pass when
/// the pixels are asked for, bit for bit as step by step. Of a JPEG only the part that is needed is decoded then.
///
/// [`Compose`](super::Compose) and the datasets of image files make use of it by themselves. A transform of one's own may,
/// too, in [`Transform::lazily`](super::Transform::lazily):
///
/// ```
/// use flambeau_nn::Module;
/// use flambeau_tensor::{Result, Tensor};
/// use flambeau_vision::transforms::{Compose, LazyImage, SampleTransform, ToTensor, Transform, functional};
/// use flambeau_vision::tv_tensors::TVTensor;
///
/// /// The upper left quarter.
/// #[derive(Module)]
/// struct Corner;
///
/// impl Transform for Corner {
///     type Params = ();
///
///     fn make_params(&self, _: &[&TVTensor]) -> Result<()> {
///         Ok(())
///     }
///
///     fn transform(&self, part: TVTensor, (): &()) -> Result<TVTensor> {
///         let (h, w) = functional::get_size(&part)?;
///         functional::crop(&part, 0, 0, h / 2, w / 2)
///     }
///
///     fn lazily(&self, image: &mut LazyImage) -> Result<()> {
///         let (h, w) = image.size()?;
///         image.crop(0, 0, h / 2, w / 2)
///     }
/// }
///
/// let corner = Compose::of((Corner, ToTensor::new())).build()?;
/// let image = Tensor::from_vec((0..16u8).collect(), [1, 4, 4])?;
/// assert_eq!(corner.on(image)?.mul(255.0)?.round()?.to_vec::<f32>()?, [0.0, 1.0, 4.0, 5.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub struct LazyImage {
    source: Source,
    /// What is to be done with it, where anything may be put off.
    steps: Option<Steps>,
    kind: TVKind,
}

/// Where the pixels come from.
enum Source {
    File(JpegFile),
    Part(TVTensor),
    /// They were asked for, and there was an error.
    Gone,
}

impl LazyImage {
    /// The image in a file, which counts as a plain tensor.
    pub(crate) fn of_file(file: JpegFile) -> LazyImage {
        let steps = Some(Steps::new(file.channels(), file.size()));
        LazyImage { source: Source::File(file), steps, kind: TVKind::Tensor }
    }

    /// An image that is there.
    pub(crate) fn of_part(part: TVTensor) -> LazyImage {
        LazyImage { kind: part.kind(), steps: steps_for(&part), source: Source::Part(part) }
    }

    /// The only part, where it is an image of bytes; other samples are transformed step by step.
    pub(super) fn of_parts(parts: &Parts) -> Option<LazyImage> {
        let part = parts.get(0).filter(|_| parts.len() == 1)?;
        let image = LazyImage::of_part(part.clone());
        image.steps.is_some().then_some(image)
    }

    /// Height and width.
    ///
    /// # Errors
    /// Where it is no image.
    #[track_caller]
    pub fn size(&self) -> Result<(usize, usize)> {
        match (&self.steps, &self.source) {
            (Some(steps), _) => Ok(steps.size()),
            (None, Source::Part(part)) => functional::get_size(part),
            _ => gone(),
        }
    }

    /// As [`functional::crop`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn crop(&mut self, top: isize, left: isize, height: usize, width: usize) -> Result<()> {
        let region = Region { top: top.max(0) as usize, left: left.max(0) as usize, height, width };
        let put_off = |steps: &mut Steps| {
            let (h, w) = steps.size();
            let inside = top >= 0 && left >= 0 && region.lies_in(h, w);
            if inside {
                steps.crop(region);
            }
            inside
        };
        self.put_off_or(put_off, |part| functional::crop(&part, top, left, height, width))
    }

    /// As [`functional::center_crop`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn center_crop(&mut self, size: impl Into<Size>) -> Result<()> {
        let size = size.into();
        let ((height, width), (h, w)) = (size.square(), self.size()?);
        if height <= h && width <= w {
            let half = |room: usize| (room as f64 / 2.0).round_ties_even() as isize;
            return self.crop(half(h - height), half(w - width), height, width);
        }
        self.now(|part| functional::center_crop(&part, size))
    }

    /// As [`functional::resize`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn resize(
        &mut self,
        size: impl Into<Size>,
        interpolation: InterpolationMode,
        max_size: Option<usize>,
        antialias: bool,
    ) -> Result<()> {
        let size = size.into();
        functional::check_resize(size, interpolation, max_size, antialias)?;
        let put_off = |steps: &mut Steps| {
            let (h, w) = steps.size();
            steps.resize(size.resized(h, w, max_size), interpolation, antialias)
        };
        self.put_off_or(put_off, |part| functional::resize(&part, size, interpolation, max_size, antialias))
    }

    /// As [`functional::horizontal_flip`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn horizontal_flip(&mut self) -> Result<()> {
        self.put_off_or(Steps::mirror, |part| functional::horizontal_flip(&part))
    }

    /// As [`functional::vertical_flip`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn vertical_flip(&mut self) -> Result<()> {
        self.put_off_or(Steps::turn_over, |part| functional::vertical_flip(&part))
    }

    /// As [`functional::to_dtype`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn to_dtype(&mut self, dtype: DType, scale: bool) -> Result<()> {
        let put_off = |steps: &mut Steps| match (dtype, steps.is_float()) {
            (DType::F32, true) | (DType::U8, false) => true,
            (DType::F32, false) => {
                let level = if scale { Level::Times((1.0 / 255.0) as f32) } else { Level::Plain };
                steps.level(level);
                true
            }
            _ => false,
        };
        self.put_off_or(put_off, |part| functional::to_dtype(&part, dtype, scale))
    }

    /// As [`functional::to_tensor`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn to_tensor(&mut self) -> Result<()> {
        let put_off = |steps: &mut Steps| {
            if !steps.is_float() {
                steps.level(Level::Over(vec![255.0]));
            }
            true
        };
        self.put_off_or(put_off, |part| part.map_image(functional::to_tensor))
    }

    /// As [`functional::normalize`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn normalize(&mut self, mean: &[f64], std: &[f64]) -> Result<()> {
        functional::check_std(std)?;
        let put_off = |steps: &mut Steps| {
            let fits = |values: &[f64]| values.len() == 1 || values.len() == steps.channels();
            let fits = steps.is_float() && fits(mean) && fits(std);
            if fits {
                let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
                steps.level(Level::Less(single(mean)));
                steps.level(Level::Over(single(std)));
            }
            fits
        };
        self.put_off_or(put_off, |part| functional::normalize(&part, mean, std))
    }

    /// A plain tensor becomes an image, or an image a plain tensor.
    pub(super) fn turn_into(&mut self, kind: TVKind) -> Result<()> {
        match (&self.steps, kind, self.kind) {
            (Some(_), ..) => {
                self.kind = kind;
                Ok(())
            }
            (None, TVKind::Image, TVKind::Tensor) => self.now(|part| Ok(Image::new(part.into_tensor())?.into())),
            (None, TVKind::Tensor, _) => self.now(|part| Ok(TVTensor::Tensor(part.into_tensor()))),
            _ => Ok(()),
        }
    }

    /// What `transform` does to a sample of one part, with the pixels that come out of all that was put off.
    ///
    /// # Errors
    /// As `transform`.
    pub fn through(&mut self, transform: impl FnOnce(&mut Parts) -> Result<()>) -> Result<()> {
        self.now(|part| {
            let mut parts = Parts::default();
            parts.push("", part);
            transform(&mut parts)?;
            match parts.get(0) {
                Some(part) => Ok(part.clone()),
                None => gone(),
            }
        })
    }

    /// The pixels.
    ///
    /// # Errors
    /// Where the file is damaged.
    #[track_caller]
    pub fn into_part(self) -> Result<TVTensor> {
        let kind = self.kind;
        let tensor = match (self.source, self.steps) {
            (Source::Part(part), steps) if steps.as_ref().is_none_or(Steps::is_empty) && part.kind() == kind => {
                return Ok(part);
            }
            (Source::Part(part), None) => return Ok(part),
            (Source::Part(part), Some(steps)) => steps.of_tensor(&part.into_tensor())?,
            (Source::File(file), Some(steps)) => steps.of_file(&file)?,
            _ => return gone(),
        };
        Ok(if kind == TVKind::Image { Image::new(tensor)?.into() } else { TVTensor::Tensor(tensor) })
    }

    /// Puts a step off where it fits to those before, or to none; else does it.
    #[track_caller]
    fn put_off_or(
        &mut self,
        put_off: impl Fn(&mut Steps) -> bool,
        now: impl FnOnce(TVTensor) -> Result<TVTensor>,
    ) -> Result<()> {
        if self.steps.as_mut().is_some_and(&put_off) {
            return Ok(());
        }
        // What was put off before is in the way.
        if self.steps.as_ref().is_some_and(|steps| !steps.is_empty()) {
            self.now(Ok)?;
            if self.steps.as_mut().is_some_and(&put_off) {
                return Ok(());
            }
        }
        self.now(now)
    }

    #[track_caller]
    fn now(&mut self, f: impl FnOnce(TVTensor) -> Result<TVTensor>) -> Result<()> {
        let nothing = LazyImage { source: Source::Gone, steps: None, kind: self.kind };
        *self = LazyImage::of_part(f(std::mem::replace(self, nothing).into_part()?)?);
        Ok(())
    }
}

#[track_caller]
fn gone<T>() -> Result<T> {
    bail!(Argument, "LazyImage", "a step before has failed, so there are no pixels")
}

/// Steps that can be put off: of bytes `[C, H, W]` in this machine's memory that no interpreter wants to see.
fn steps_for(part: &TVTensor) -> Option<Steps> {
    let (TVTensor::Image(_) | TVTensor::Tensor(_), x) = (part, part.tensor()) else { return None };
    let &[channels, height, width] = x.shape() else { return None };
    let fits = x.dtype() == DType::U8 && x.device() == Device::Cpu && x.numel() > 0 && !is_interpreted();
    fits.then(|| Steps::new(channels, (height, width)))
}

impl From<Tensor> for LazyImage {
    fn from(image: Tensor) -> Self {
        LazyImage::of_part(image.into())
    }
}

#[cfg(test)]
mod tests;
