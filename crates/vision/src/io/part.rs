//! Files that are decoded in part.

use super::{Fault, ImageReadMode, ImageReadOptions, Region, decode, decode_rgb, exif, guarded, jpeg};
use flambeau_tensor::{Error, Result, Tensor};
use std::path::{Path, PathBuf};

/// An image file that was opened.
pub(crate) enum Opened {
    /// A JPEG, of which parts can be decoded.
    Jpeg(JpegFile),
    /// Any other, as a whole.
    Pixels(Tensor),
}

/// A JPEG whose header is known.
pub(crate) struct JpegFile {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: ImageReadMode,
    size: (usize, usize),
}

impl JpegFile {
    /// How many channels it is decoded to.
    pub(crate) fn channels(&self) -> usize {
        if self.mode == ImageReadMode::Gray { 1 } else { 3 }
    }

    /// Height and width.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.size
    }

    /// All of it.
    pub(crate) fn pixels(&self) -> Result<Tensor> {
        let (height, width) = self.size;
        let planes = self.decode(Region { top: 0, left: 0, height, width })?;
        Tensor::from_vec(planes, [self.channels(), height, width])
    }

    /// A part of the image, one plane after the other: bit for bit a part of the whole.
    pub(crate) fn decode(&self, region: Region) -> Result<Vec<u8>> {
        let decoded = guarded(|| jpeg::decode_region(&self.bytes, self.mode, region));
        decoded.map(|pixels| pixels.samples).map_err(|fault| Error::format(&self.path, fault))
    }
}

/// The image in a file, as [`read_image_as`](super::read_image_as); in RGB without regard to its orientation as
/// [`pil_loader`](super::pil_loader).
pub(crate) fn open_image(path: &Path, options: ImageReadOptions) -> Result<Opened> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    if let Some(size) = in_parts(&bytes, options) {
        return Ok(Opened::Jpeg(JpegFile { path: path.to_path_buf(), bytes, mode: options.mode, size }));
    }
    let image = |fault: Fault| Error::format(path, fault);
    if options == ImageReadMode::Rgb.into() {
        return decode_rgb(&bytes).map_err(image)?.into_tensor().map(Opened::Pixels);
    }
    let (pixels, orientation) = decode(&bytes, options).map_err(image)?;
    exif::upright(pixels.into_tensor()?, orientation).map(Opened::Pixels)
}

/// The size of a JPEG that may be decoded in parts: the channels are known, and nothing is turned.
fn in_parts(bytes: &[u8], options: ImageReadOptions) -> Option<(usize, usize)> {
    let known = matches!(options.mode, ImageReadMode::Rgb | ImageReadMode::Gray);
    let lies = !options.apply_exif_orientation || matches!(jpeg::orientation(bytes), None | Some(1));
    (bytes.starts_with(&jpeg::START) && known && lies).then(|| jpeg::size(bytes)).flatten()
}
