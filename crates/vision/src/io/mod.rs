//! Image files to tensors and back, as `torchvision.io`: PNG, JPEG, GIF, WebP, BMP and TIFF, `u8` of shape `[C, H, W]`, `u16`
//! for a PNG of 16 bits, `[N, C, H, W]` for a GIF of several frames.
//!
//! A file is taken for hostile. One that ends too early or is damaged is an error that says where, and one whose
//! header promises more pixels than its bytes can hold is turned away before memory for them is asked for: an image
//! takes at most 1,032 bytes for each byte of its file (what deflate and a JPEG's blocks can come to), or 64 MiB
//! where that is more. Its decoder takes as much again while it works, for a progressive JPEG three times as much. A
//! panic in a decoder would be an error, too.

mod bmp;
mod exif;
mod gif;
mod jpeg;
mod part;
mod png;
mod pnm;
mod tiff;
mod webp;
mod write;

pub(crate) use part::{JpegFile, Opened, open_image};
pub use write::{encode_jpeg, encode_png, write_image, write_jpeg, write_png};

use flambeau_tensor::{Element, Error, Result, Tensor, bail};
use std::panic::catch_unwind;
use std::path::Path;

/// Which channels a decoded image has, as `torchvision.io.ImageReadMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageReadMode {
    /// those of the file; a palette becomes RGB, with transparency RGBA
    #[default]
    Unchanged,
    /// one: brightness
    Gray,
    /// two: brightness and opacity
    GrayAlpha,
    /// three: red, green, blue
    Rgb,
    /// four: red, green, blue, opacity
    RgbAlpha,
}

/// How an image file is read: the further arguments of `torchvision.io.read_image`.
///
/// ```
/// use flambeau_vision::io::{ImageReadMode, ImageReadOptions};
///
/// let options = ImageReadOptions::new().mode(ImageReadMode::Rgb).apply_exif_orientation(true);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ImageReadOptions {
    mode: ImageReadMode,
    apply_exif_orientation: bool,
}

impl ImageReadOptions {
    /// The channels of the file, the pixels as they lie in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The channels of the image.
    pub fn mode(mut self, mode: ImageReadMode) -> Self {
        self.mode = mode;
        self
    }

    /// Turn and mirror the image as the orientation in the file's EXIF data says; false unless set. Data that make
    /// no sense change nothing.
    pub fn apply_exif_orientation(mut self, apply: bool) -> Self {
        self.apply_exif_orientation = apply;
        self
    }
}

impl From<ImageReadMode> for ImageReadOptions {
    fn from(mode: ImageReadMode) -> Self {
        Self::new().mode(mode)
    }
}

/// The pixels of an image file: `u8`, `[C, H, W]`, for a PNG of 16 bits `u16`, for a GIF of several frames `[N, C, H, W]`.
/// Follows `torchvision.io.read_image`, except that a PNG's palette gives colours instead of indices, with transparency
/// in a fourth channel. As there, a colour that a PNG declares transparent is opaque, a JPEG of CMYK has four channels
/// (inks as they lie in the file) and no mode with opacity, and the gray modes change no GIF and no WebP.
/// JPEG files give the levels of libjpeg. `to_dtype(&image, DType::F32, true)` takes either to 0 to 1.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::io::{read_image, write_image};
///
/// let path = std::env::temp_dir().join("flambeau-read-image.png");
/// write_image(&Tensor::from_vec((0..24u8).collect(), [3, 2, 4])?, &path)?;
/// assert_eq!(read_image(&path)?.shape(), [3, 2, 4]);
/// # std::fs::remove_file(path).ok();
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the file cannot be read, or is no whole image; the error names it and the fault.
pub fn read_image(path: impl AsRef<Path>) -> Result<Tensor> {
    read_image_as(path, ImageReadOptions::new())
}

/// [`read_image`] with the channels of a mode, or with [`ImageReadOptions`].
///
/// # Errors
/// As [`read_image`].
pub fn read_image_as(path: impl AsRef<Path>, options: impl Into<ImageReadOptions>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    match decode(&bytes, options.into()) {
        Ok((image, orientation)) => exif::upright(image.into_tensor()?, orientation),
        Err(fault) => Err(Error::format(path, fault)),
    }
}

/// The pixels of an image file that is in memory already: as [`read_image`]'s. Follows
/// `torchvision.io.decode_image`.
///
/// # Errors
/// Where `bytes` are no whole image.
#[track_caller]
pub fn decode_image(bytes: &[u8]) -> Result<Tensor> {
    decode_image_as(bytes, ImageReadOptions::new())
}

/// [`decode_image`] with the channels of a mode, or with [`ImageReadOptions`].
///
/// # Errors
/// As [`decode_image`].
#[track_caller]
pub fn decode_image_as(bytes: &[u8], options: impl Into<ImageReadOptions>) -> Result<Tensor> {
    match decode(bytes, options.into()) {
        Ok((image, orientation)) => exif::upright(image.into_tensor()?, orientation),
        Err(fault) => bail!(Format, "decode_image", "{fault}"),
    }
}

/// An image file in red, green and blue, `u8` of shape `[3, H, W]`, as `torchvision.datasets.folder.pil_loader`: Pillow's
/// `convert("RGB")`. Opacity is left away, of an animation the first frame is taken, a gray PNG of 16 bits is cut at 255
/// and a coloured one divided by 256.
///
/// # Errors
/// As [`read_image`].
pub fn pil_loader(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    match decode_rgb(&bytes) {
        Ok(pixels) => pixels.into_tensor(),
        Err(fault) => Err(Error::format(path, fault)),
    }
}

/// A mask as Pillow reads it: of a PNG with a palette the places in it, `u8` `[1, H, W]`, else the pixels as they are, as
/// [`read_image`]. So the numbers of classes come out of the masks of `VOCSegmentation`.
///
/// # Errors
/// As [`read_image`].
pub fn read_mask(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let places = if bytes.starts_with(&png::SIGNATURE) { guarded(|| png::places(&bytes)) } else { Ok(None) };
    let image = match places {
        Ok(Some(places)) => Image::Bytes(places),
        Ok(None) => decode(&bytes, ImageReadOptions::new()).map_err(|fault| Error::format(path, fault))?.0,
        Err(fault) => return Err(Error::format(path, fault)),
    };
    image.into_tensor()
}

/// [`pil_loader`] of a file that is in memory already.
///
/// # Errors
/// As [`decode_image`].
#[track_caller]
pub fn decode_image_rgb(bytes: &[u8]) -> Result<Tensor> {
    match decode_rgb(bytes) {
        Ok(pixels) => pixels.into_tensor(),
        Err(fault) => bail!(Format, "decode_image_rgb", "{fault}"),
    }
}

fn decode_rgb(bytes: &[u8]) -> Result<Pixels<u8>, Fault> {
    if bytes.starts_with(&gif::START) {
        return guarded(|| gif::first(bytes));
    }
    if webp::is_one(bytes) {
        return guarded(|| webp::first(bytes));
    }
    let mode = if bytes.starts_with(&jpeg::START) { ImageReadMode::Rgb } else { ImageReadMode::Unchanged };
    Ok(match decode(bytes, mode.into())?.0 {
        Image::Bytes(pixels) => pixels,
        Image::Words(pixels) => {
            let gray = pixels.channels == 1;
            let byte = |v: &u16| if gray { (*v).min(255) as u8 } else { (v >> 8) as u8 };
            let samples = pixels.samples.iter().map(byte).collect();
            Pixels { samples, channels: pixels.channels, height: pixels.height, width: pixels.width }
        }
        Image::Frames(_) => return Err("several frames".into()),
    }
    .converted(ImageReadMode::Rgb))
}

/// A part of an image, at least one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Region {
    /// Whether an image of this size has it.
    pub(crate) fn lies_in(&self, height: usize, width: usize) -> bool {
        let inside = |start: usize, len: usize, size: usize| len > 0 && start < size && len <= size - start;
        inside(self.top, self.height, height) && inside(self.left, self.width, width)
    }
}

/// Decoded pixels, one channel after the other.
struct Pixels<T> {
    channels: usize,
    height: usize,
    width: usize,
    samples: Vec<T>,
}

/// The pixels of a file, by their depth.
enum Image {
    Bytes(Pixels<u8>),
    Words(Pixels<u16>),
    /// at least one, all of one size
    Frames(Vec<Pixels<u8>>),
}

impl Image {
    /// As `[C, H, W]`, or `[N, C, H, W]`.
    #[track_caller]
    fn into_tensor(self) -> Result<Tensor> {
        match self {
            Image::Frames(mut frames) if frames.len() == 1 => frames.remove(0).into_tensor(),
            Image::Frames(frames) => {
                let Some(first) = frames.first() else { bail!(Format, "decode_image", "there is no frame") };
                let shape = [frames.len(), first.channels, first.height, first.width];
                Tensor::from_vec(frames.into_iter().flat_map(|frame| frame.samples).collect(), shape)
            }
            Image::Bytes(pixels) => pixels.into_tensor(),
            Image::Words(pixels) => pixels.into_tensor(),
        }
    }
}

/// A channel of a pixel.
trait Sample: Element {
    const OPAQUE: Self;

    /// Brightness of a colour by the weights of ITU-R BT.601, as libpng has it: cut down, of 16 bits rounded.
    fn luma(red: Self, green: Self, blue: Self) -> Self;
}

impl Sample for u8 {
    const OPAQUE: u8 = u8::MAX;
    fn luma(red: u8, green: u8, blue: u8) -> u8 {
        ((9794 * u32::from(red) + 19234 * u32::from(green) + 3740 * u32::from(blue)) >> 15) as u8
    }
}

impl Sample for u16 {
    const OPAQUE: u16 = u16::MAX;
    fn luma(red: u16, green: u16, blue: u16) -> u16 {
        ((9794 * u64::from(red) + 19234 * u64::from(green) + 3740 * u64::from(blue) + 16384) >> 15) as u16
    }
}

/// What is wrong with a file, with the byte where it shows.
type Fault = String;

/// The pixels, and the orientation where it is to be applied.
fn decode(bytes: &[u8], options: ImageReadOptions) -> Result<(Image, Option<u8>), Fault> {
    type Decode = fn(&[u8], ImageReadMode) -> Result<Image, Fault>;
    let none: fn(&[u8]) -> Option<u8> = |_| None;
    let (decode, orientation): (Decode, fn(&[u8]) -> Option<u8>) = if bytes.starts_with(&png::SIGNATURE) {
        (png::decode, png::orientation)
    } else if bytes.starts_with(&jpeg::START) {
        (|bytes, mode| jpeg::decode(bytes, mode).map(Image::Bytes), jpeg::orientation)
    } else if bytes.starts_with(&gif::START) {
        (|bytes, _| gif::decode(bytes).map(Image::Frames), none)
    } else if webp::is_one(bytes) {
        (|bytes, mode| webp::decode(bytes, mode).map(Image::Bytes), none)
    } else if bytes.starts_with(&bmp::START) {
        (|bytes, mode| bmp::decode(bytes, mode).map(Image::Bytes), none)
    } else if pnm::is_one(bytes) {
        (|bytes, mode| pnm::decode(bytes, mode).map(Image::Bytes), none)
    } else if tiff::STARTS.iter().any(|start| bytes.starts_with(start)) {
        (tiff::decode, none)
    } else if bytes.is_empty() {
        return Err("the file is empty".into());
    } else {
        let start: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
        return Err(format!("neither PNG, JPEG, GIF, WebP, BMP, TIFF nor PNM: it starts with {}", start.join(" ")));
    };
    guarded(|| decode(bytes, options.mode)).map(|image| {
        let turned = options.apply_exif_orientation.then(|| orientation(bytes)).flatten();
        (image, turned)
    })
}

/// What `decode` gives; should it panic, an error. Decoders have been found to panic on files that nobody
/// had thought of, and that must not end a program which reads files of others.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Fault> + std::panic::UnwindSafe) -> Result<T, Fault> {
    catch_unwind(decode).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
        Err(format!("its decoder failed: {}", text.unwrap_or("a panic")))
    })
}

/// The fault of a file that is cut.
fn early(bytes: &[u8]) -> Fault {
    format!("the file ends at byte {}, before the end of the image", bytes.len())
}

/// How many bytes a compressed one can come to: deflate's limit.
const MOST_FROM_ONE: usize = 1032;

/// Any file may come to so much: pages of a scanner are white.
const ALWAYS: usize = 64 << 20;

/// Holds the memory for the pixels that a header promises against the size of the file.
fn check_size(width: usize, height: usize, bytes_a_pixel: usize, file: usize) -> Result<(), Fault> {
    let most = file.saturating_mul(MOST_FROM_ONE).max(ALWAYS);
    match width.checked_mul(height).and_then(|n| n.checked_mul(bytes_a_pixel)) {
        Some(size) if size <= most => Ok(()),
        _ => Err(format!(
            "header promises {width}×{height} pixels of {bytes_a_pixel} bytes, more than the {most} that a file of {file} bytes may come to"
        )),
    }
}

/// The channels of each pixel, side by side, as one plane after the other.
fn planes<T: Sample>(samples: Vec<T>, channels: usize) -> Vec<T> {
    if channels == 1 {
        return samples;
    }
    let mut planes = vec![T::default(); samples.len()];
    let n = samples.len() / channels.max(1);
    if let (3, Some((red, rest))) = (channels, planes.split_at_mut_checked(n)) {
        let (green, blue) = rest.split_at_mut(n);
        for (((pixel, r), g), b) in samples.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
            [*r, *g, *b] = *pixel;
        }
    } else {
        for (channel, plane) in planes.chunks_exact_mut(n.max(1)).enumerate() {
            plane.iter_mut().zip(samples[channel..].iter().step_by(channels)).for_each(|(to, from)| *to = *from);
        }
    }
    planes
}

impl<T: Sample> Pixels<T> {
    fn converted(mut self, mode: ImageReadMode) -> Self {
        let (colored, opaque) = (self.channels > 2, self.channels % 2 == 1);
        let (color, opacity) = match mode {
            ImageReadMode::Unchanged => return self,
            ImageReadMode::Gray => (false, false),
            ImageReadMode::GrayAlpha => (false, true),
            ImageReadMode::Rgb => (true, false),
            ImageReadMode::RgbAlpha => (true, true),
        };
        let n = self.width * self.height;
        let alpha = if opaque { None } else { Some(self.samples.split_off(self.samples.len() - n)) };
        match (colored, color) {
            (true, false) => {
                let (red, rest) = self.samples.split_at_mut(n);
                let (green, blue) = rest.split_at(n);
                red.iter_mut().zip(green).zip(blue).for_each(|((r, g), b)| *r = T::luma(*r, *g, *b));
                self.samples.truncate(n);
            }
            (false, true) => self.samples = self.samples.repeat(3),
            _ => {}
        }
        match alpha {
            Some(alpha) if opacity => self.samples.extend(alpha),
            None if opacity => self.samples.resize(self.samples.len() + n, T::OPAQUE),
            _ => {}
        }
        self.channels = if color { 3 } else { 1 } + usize::from(opacity);
        self
    }

    /// As `[C, H, W]`.
    #[track_caller]
    fn into_tensor(self) -> Result<Tensor> {
        Tensor::from_vec(self.samples, [self.channels, self.height, self.width])
    }
}

#[cfg(test)]
mod tests;
