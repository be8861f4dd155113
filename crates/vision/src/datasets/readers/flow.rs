//! Fields of numbers, one or more a pixel: optical flow and disparity in `.flo`, `.pfm` and PNG files.

use crate::io::read_image;
use flambeau_tensor::{DType, Error, Result, Tensor};
use std::path::Path;

/// The optical flow in a `.flo` file of Middlebury: float32 `[2, H, W]`, to the right and downwards, in pixels.
///
/// # Errors
/// Where the file cannot be read, is none, or is shorter than its header says; the error names it and the byte.
pub fn read_flo(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = super::bytes(path)?;
    let word = |at: usize| bytes.get(at..at + 4).map(|b| [b[0], b[1], b[2], b[3]]);
    if !bytes.starts_with(b"PIEH") {
        return Err(Error::format(path, "it does not start with PIEH (byte 0)"));
    }
    let (Some(width), Some(height)) = (word(4), word(8)) else {
        return Err(Error::format(path, format!("the file ends at byte {}, inside the header", bytes.len())));
    };
    let (width, height) = (i32::from_le_bytes(width), i32::from_le_bytes(height));
    let sizes = usize::try_from(width).ok().zip(usize::try_from(height).ok());
    let Some((width, height)) = sizes.filter(|(w, h)| *w > 0 && *h > 0) else {
        return Err(Error::format(path, format!("the header promises {width}×{height} pixels (byte 4)")));
    };
    let values = floats(path, &bytes, 12, [height, width, 2], false)?;
    Tensor::from_vec(values, [height, width, 2])?.permute([2, 0, 1])?.contiguous()
}

/// The numbers in a portable float map, the first row at the top: float32 `[C, H, W]`, of a file of three channels the first
/// `channels`. Its scale only tells the order of the bytes, as in torchvision.
///
/// # Errors
/// Where the file cannot be read, is none, or is not as long as its header says; the error names it and the byte.
pub fn read_pfm(path: impl AsRef<Path>, channels: usize) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = super::bytes(path)?;
    let mut at = 0;
    let mut line = || {
        let rest = bytes.get(at..).unwrap_or_default();
        // No line of the header is long: what has no end within these is no such file.
        let end = rest.iter().take(64).position(|b| *b == b'\n')?;
        at += end + 1;
        std::str::from_utf8(&rest[..end]).ok().map(str::trim)
    };
    let kind = line();
    let all = match kind {
        Some("PF") => 3,
        Some("Pf") => 1,
        _ => return Err(Error::format(path, "it starts with neither PF nor Pf (byte 0)")),
    };
    let sizes: Option<Vec<usize>> =
        line().and_then(|line| line.split_whitespace().map(|word| word.parse().ok().filter(|n| *n > 0)).collect());
    let Some([width, height]) = sizes.and_then(|sizes| <[usize; 2]>::try_from(sizes).ok()) else {
        return Err(Error::format(path, "its second line is not WIDTH HEIGHT (byte 3)"));
    };
    let Some(scale) = line().and_then(|line| line.parse::<f64>().ok()) else {
        return Err(Error::format(path, "its third line is no scale"));
    };
    let values = floats(path, &bytes, at, [height, width, all], scale >= 0.0)?;
    if bytes.len() != at + 4 * values.len() {
        return Err(Error::format(
            path,
            format!("the file goes on behind byte {}, its last number", at + 4 * values.len()),
        ));
    }
    let image = Tensor::from_vec(values, [height, width, all])?.permute([2, 0, 1])?;
    image.narrow(0, 0, channels.min(all))?.flip([1])?.contiguous()
}

/// The float32 numbers of this shape from byte `at` on.
fn floats(path: &Path, bytes: &[u8], at: usize, shape: [usize; 3], big: bool) -> Result<Vec<f32>> {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = shape.iter().try_fold(4usize, |n, side| n.checked_mul(*side));
    let Some(values) = length.and_then(|n| rest.get(..n)) else {
        let [height, width, channels] = shape;
        let text = format!(
            "header promises {width}×{height} pixels of {channels} numbers, the file ends at byte {}",
            bytes.len()
        );
        return Err(Error::format(path, text));
    };
    let number = |b: &[u8; 4]| if big { f32::from_be_bytes(*b) } else { f32::from_le_bytes(*b) };
    Ok(values.as_chunks::<4>().0.iter().map(number).collect())
}

/// The flow in a PNG of 16 bits, `[2, H, W]` float32, and where it is known, bool `[H, W]`.
pub(in crate::datasets) fn read_flow_png(path: &Path) -> Result<(Tensor, Tensor)> {
    let image = read_image(path)?;
    if image.shape().len() != 3 || image.shape()[0] < 3 {
        return Err(Error::format(path, format!("has the shape {:?}, not three channels", image.shape())));
    }
    let values = image.to_dtype(DType::F32)?;
    let flow = values.narrow(0, 0, 2)?.sub(32768.0)?.div(64.0)?;
    Ok((flow, values.select(0, 2)?.to_dtype(DType::Bool)?))
}

/// A PNG of one channel as it lies in the file, `[1, H, W]`.
pub(in crate::datasets) fn read_depth(path: &Path) -> Result<Tensor> {
    let image = read_image(path)?;
    match image.shape() {
        [1, _, _] => Ok(image),
        shape => Err(Error::format(path, format!("has the shape {shape:?}, not one channel"))),
    }
}
