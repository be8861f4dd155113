//! Image files to tensors and back, as `torchvision.io`: PNG and JPEG, `u8` of shape `[C, H, W]`.
//!
//! A file is taken for hostile. Before any pixel is decoded its structure is walked (`png.rs`, `jpeg.rs`):
//! a file that ends too early is an error that says where, and one whose header promises more pixels
//! than its compressed bytes can hold is turned away before memory for them is asked for.

mod jpeg;
mod png;
mod write;

pub use write::{encode_jpeg, encode_png, write_image, write_jpeg, write_png};

use flambeau_tensor::{Error, Result, Tensor, bail};
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::{DynamicImage, ImageDecoder, Limits};
use std::io::Cursor;
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

/// The pixels of an image file: `u8`, `[C, H, W]`. Follows `torchvision.io.read_image`, except that a
/// palette gives colours instead of indices, transparency a fourth channel, CMYK is converted to RGB, and 16
/// bits are rounded to 8.
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
/// Where the file cannot be read, or is no whole PNG or JPEG; the error names it and the fault.
pub fn read_image(path: impl AsRef<Path>) -> Result<Tensor> {
    read_image_as(path, ImageReadMode::Unchanged)
}

/// [`read_image`] with the channels of `mode`.
///
/// # Errors
/// As [`read_image`].
pub fn read_image_as(path: impl AsRef<Path>, mode: ImageReadMode) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    match decode(&bytes, mode) {
        Ok(pixels) => pixels.into_tensor(),
        Err(fault) => Err(Error::format(path, fault)),
    }
}

/// The pixels of an image file that is in memory already: `u8`, `[C, H, W]`. Follows
/// `torchvision.io.decode_image`.
///
/// # Errors
/// Where `bytes` are no whole PNG or JPEG.
#[track_caller]
pub fn decode_image(bytes: &[u8]) -> Result<Tensor> {
    decode_image_as(bytes, ImageReadMode::Unchanged)
}

/// [`decode_image`] with the channels of `mode`.
///
/// # Errors
/// As [`decode_image`].
#[track_caller]
pub fn decode_image_as(bytes: &[u8], mode: ImageReadMode) -> Result<Tensor> {
    match decode(bytes, mode) {
        Ok(pixels) => pixels.into_tensor(),
        Err(fault) => bail!(Format, "decode_image", "{fault}"),
    }
}

/// Decoded pixels, the channels of a pixel side by side.
struct Pixels {
    channels: usize,
    height: usize,
    width: usize,
    samples: Vec<u8>,
}

/// What is wrong with a file, with the byte where it shows.
type Fault = String;

fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels, Fault> {
    // The libraries under torchvision differ: libpng cuts brightness down, libjpeg rounds it.
    let (image, round) = if bytes.starts_with(&png::SIGNATURE) {
        png::check(bytes)?;
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), Limits::no_limits());
        (decoder.and_then(pixels), 0)
    } else if bytes.starts_with(&jpeg::START) {
        jpeg::check(bytes)?;
        (JpegDecoder::new(Cursor::new(bytes)).and_then(pixels), 1 << 14)
    } else if bytes.is_empty() {
        return Err("the file is empty".into());
    } else {
        let start: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
        return Err(format!("neither PNG nor JPEG: it starts with {}", start.join(" ")));
    };
    Ok(image.map_err(|e| e.to_string())?.converted(mode, round))
}

/// Decodes to 8 bits a sample.
fn pixels(decoder: impl ImageDecoder) -> image::ImageResult<Pixels> {
    let image = DynamicImage::from_decoder(decoder)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, samples) = match image {
        DynamicImage::ImageLuma8(i) => (1, i.into_raw()),
        DynamicImage::ImageLumaA8(i) => (2, i.into_raw()),
        DynamicImage::ImageRgb8(i) => (3, i.into_raw()),
        DynamicImage::ImageRgba8(i) => (4, i.into_raw()),
        DynamicImage::ImageLuma16(i) => (1, narrow(&i)),
        DynamicImage::ImageLumaA16(i) => (2, narrow(&i)),
        DynamicImage::ImageRgb16(i) => (3, narrow(&i)),
        other => (4, other.into_rgba8().into_raw()),
    };
    Ok(Pixels { channels, height, width, samples })
}

/// 16 bits rounded to 8.
fn narrow(samples: &[u16]) -> Vec<u8> {
    samples.iter().map(|s| ((u32::from(*s) + 128) / 257) as u8).collect()
}

/// Brightness of a colour by the weights of ITU-R BT.601, as libpng has them.
fn luma(rgb: &[u8], round: u32) -> u8 {
    ((9794 * u32::from(rgb[0]) + 19235 * u32::from(rgb[1]) + 3739 * u32::from(rgb[2]) + round) >> 15) as u8
}

impl Pixels {
    fn converted(self, mode: ImageReadMode, round: u32) -> Pixels {
        let channels = match mode {
            ImageReadMode::Unchanged => self.channels,
            ImageReadMode::Gray => 1,
            ImageReadMode::GrayAlpha => 2,
            ImageReadMode::Rgb => 3,
            ImageReadMode::RgbAlpha => 4,
        };
        if channels == self.channels {
            return self;
        }
        let mut samples = Vec::with_capacity(self.width * self.height * channels);
        for pixel in self.samples.chunks_exact(self.channels) {
            let (color, opacity) = match self.channels {
                1 => (pixel, 255),
                3 => (pixel, 255),
                n => (&pixel[..n - 1], pixel[n - 1]),
            };
            match (color, channels) {
                ([_, _, _], 1 | 2) => samples.push(luma(color, round)),
                ([gray], 3 | 4) => samples.extend([*gray; 3]),
                (same, _) => samples.extend(same),
            }
            if channels == 2 || channels == 4 {
                samples.push(opacity);
            }
        }
        Pixels { channels, samples, ..self }
    }

    /// As `[C, H, W]`.
    #[track_caller]
    fn into_tensor(self) -> Result<Tensor> {
        let (c, n) = (self.channels, self.width * self.height);
        let shape = [c, self.height, self.width];
        if c == 1 {
            return Tensor::from_vec(self.samples, shape);
        }
        let mut planes = vec![0u8; self.samples.len()];
        if let (3, Some((red, rest))) = (c, planes.split_at_mut_checked(n)) {
            let (green, blue) = rest.split_at_mut(n);
            for (((pixel, r), g), b) in self.samples.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
                [*r, *g, *b] = *pixel;
            }
        } else {
            for (channel, plane) in planes.chunks_exact_mut(n.max(1)).enumerate() {
                plane.iter_mut().zip(self.samples[channel..].iter().step_by(c)).for_each(|(to, from)| *to = *from);
            }
        }
        Tensor::from_vec(planes, shape)
    }
}

#[cfg(test)]
mod tests;
