//! Tensors to image files.

use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
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

/// Writes `u8` of shape `[C, H, W]` as PNG, as `torchvision.io.write_png`.
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
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// The bytes of a PNG file, as `torchvision.io.encode_png`.
///
/// # Errors
/// Where the tensor is no image of 1 to 4 channels.
#[track_caller]
pub fn encode_png(image: &Tensor) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(
        "encode_png",
        image,
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive),
        &COLORS,
    )?;
    Ok(bytes)
}

/// The bytes of a JPEG file of `quality` 1 to 100, as `torchvision.io.encode_jpeg`.
///
/// # Errors
/// Where the tensor is no image of 1 or 3 channels, or `quality` out of range.
#[track_caller]
pub fn encode_jpeg(image: &Tensor, quality: u8) -> Result<Vec<u8>> {
    ensure!((1..=100).contains(&quality), Argument, "encode_jpeg", "quality {quality} is not in 1 to 100");
    let mut bytes = Vec::new();
    encode("encode_jpeg", image, JpegEncoder::new_with_quality(&mut bytes, quality), &[COLORS[0], COLORS[2]])?;
    Ok(bytes)
}

const COLORS: [(usize, ExtendedColorType); 4] = [
    (1, ExtendedColorType::L8),
    (2, ExtendedColorType::La8),
    (3, ExtendedColorType::Rgb8),
    (4, ExtendedColorType::Rgba8),
];

#[track_caller]
fn encode(
    op: &'static str,
    image: &Tensor,
    encoder: impl ImageEncoder,
    colors: &[(usize, ExtendedColorType)],
) -> Result<()> {
    let (dtype, shape) = (image.dtype(), image.shape());
    ensure!(dtype == DType::U8, DType, op, "an image file holds uint8, the tensor is {dtype}");
    let Some(&(_, color)) = colors.iter().find(|(channels, _)| shape.len() == 3 && shape[0] == *channels) else {
        let channels: Vec<String> = colors.iter().map(|(n, _)| n.to_string()).collect();
        bail!(Shape, op, "shape {shape:?} is not [C, H, W] with C one of {}", channels.join(", "))
    };
    let (Ok(height), Ok(width)) = (u32::try_from(shape[1]), u32::try_from(shape[2])) else {
        bail!(Shape, op, "{}×{} pixels are more than an image file can count", shape[2], shape[1])
    };
    ensure!(width > 0 && height > 0, Shape, op, "an image of {width}×{height} pixels has nothing in it");
    let rows = image.permute([1, 2, 0])?.to_vec::<u8>()?;
    match encoder.write_image(&rows, width, height, color) {
        Ok(()) => Ok(()),
        Err(e) => bail!(Argument, op, "{e}"),
    }
}
