//! Tensors to image files.

use flambeau_serialize::file;
use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use png::{BitDepth, ColorType};
use std::path::Path;

/// Writes `u8` of shape `[C, H, W]` as PNG or JPEG (quality 75), by the ending of the name: 1 or 3
/// channels, or 2 or 4 with opacity in PNG.
///
/// # Errors
/// Where the tensor is no image, the ending is neither `.png` nor `.jpg`/`.jpeg`, or the file cannot be
/// written.
#[track_caller]
pub fn write_image(image: &Tensor, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("png") => write_png(image, path),
        Some("jpg" | "jpeg") => write_jpeg(image, path, 75),
        _ => bail!(Argument, "write_image", "{} ends neither in .png nor in .jpg or .jpeg", path.display()),
    }
}

/// Writes `u8` of shape `[C, H, W]` as PNG, or `u16` as one of 16 bits, as `torchvision.io.write_png`.
///
/// # Errors
/// Where the tensor is no image of 1 to 4 channels, or the file cannot be written.
#[track_caller]
pub fn write_png(image: &Tensor, path: impl AsRef<Path>) -> Result<()> {
    write(&encode_png(image)?, path.as_ref())
}

/// Writes `u8` of shape `[C, H, W]` as JPEG of `quality` 1 to 100, as `torchvision.io.write_jpeg`.
///
/// # Errors
/// Where the tensor is no image of 1 or 3 channels, or the file cannot be written.
#[track_caller]
pub fn write_jpeg(image: &Tensor, path: impl AsRef<Path>, quality: u8) -> Result<()> {
    write(&encode_jpeg(image, quality)?, path.as_ref())
}

fn write(bytes: &[u8], path: &Path) -> Result<()> {
    file::replace(path, |out| out.write_all(bytes).map_err(|e| Error::io("write", path, e)))
}

/// The bytes of a PNG file, as `torchvision.io.encode_png`.
///
/// # Errors
/// Where the tensor is no image of 1 to 4 channels.
#[track_caller]
pub fn encode_png(image: &Tensor) -> Result<Vec<u8>> {
    let colors = [ColorType::Grayscale, ColorType::GrayscaleAlpha, ColorType::Rgb, ColorType::Rgba];
    let (channels, height, width) = checked("encode_png", image, &[DType::U8, DType::U16], &[1, 2, 3, 4])?;
    let (Ok(height), Ok(width)) = (u32::try_from(height), u32::try_from(width)) else {
        bail!(Shape, "encode_png", "{width}×{height} pixels are more than a PNG can count")
    };
    let rows = image.permute([1, 2, 0])?;
    let (rows, depth) = match image.dtype() {
        DType::U16 => (rows.to_vec::<u16>()?.into_iter().flat_map(u16::to_be_bytes).collect(), BitDepth::Sixteen),
        _ => (rows.to_vec::<u8>()?, BitDepth::Eight),
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colors[channels - 1]);
    encoder.set_depth(depth);
    let written = encoder.write_header().and_then(|mut file| {
        file.write_image_data(&rows)?;
        file.finish()
    });
    match written {
        Ok(()) => Ok(bytes),
        Err(e) => bail!(Argument, "encode_png", "{e}"),
    }
}

/// The bytes of a JPEG file of `quality` 1 to 100, as `torchvision.io.encode_jpeg`: byte for byte those of libjpeg by
/// its defaults, chroma halved along both sides.
///
/// # Errors
/// Where the tensor is no image of 1 or 3 channels, a side is longer than 65,500 pixels, or `quality` is out of range.
#[track_caller]
pub fn encode_jpeg(image: &Tensor, quality: u8) -> Result<Vec<u8>> {
    ensure!((1..=100).contains(&quality), Argument, "encode_jpeg", "quality {quality} is not in 1 to 100");
    let (_, height, width) = checked("encode_jpeg", image, &[DType::U8], &[1, 3])?;
    let side = |n: usize| u16::try_from(n).ok().filter(|n| *n <= LONGEST);
    let (Some(h), Some(w)) = (side(height), side(width)) else {
        bail!(Shape, "encode_jpeg", "{width}×{height} pixels: a side of a JPEG has at most {LONGEST}")
    };
    Ok(super::jpeg::encode(&image.to_vec::<u8>()?, w, h, quality))
}

/// libjpeg's limit for a side.
const LONGEST: u16 = 65_500;

/// The channels, height and width of an image that a file can hold.
#[track_caller]
fn checked(op: &'static str, image: &Tensor, dtypes: &[DType], channels: &[usize]) -> Result<(usize, usize, usize)> {
    let (dtype, shape) = (image.dtype(), image.shape());
    ensure!(
        dtypes.contains(&dtype),
        DType,
        op,
        "such a file holds {}, the tensor is {dtype}",
        dtypes.iter().map(|d| d.name()).collect::<Vec<_>>().join(" or ")
    );
    let &[c, height, width] = shape else {
        bail!(Shape, op, "shape {shape:?} is not [C, H, W] with C one of {}", listed(channels))
    };
    ensure!(channels.contains(&c), Shape, op, "shape {shape:?} is not [C, H, W] with C one of {}", listed(channels));
    ensure!(width > 0 && height > 0, Shape, op, "an image of {width}×{height} pixels has nothing in it");
    Ok((c, height, width))
}

fn listed(channels: &[usize]) -> String {
    channels.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
