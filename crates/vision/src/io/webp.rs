//! WebP files, lossy and lossless, with and without opacity. An animation is an error, as in torchvision.

use super::{Fault, ImageReadMode, Pixels, planes};
use image_webp::WebPDecoder;
use std::io::Cursor;

/// Whether a file starts as one.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

/// The pixels of a whole file. As in torchvision the gray modes change nothing.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels<u8>, Fault> {
    let pixels = read(bytes, false)?;
    Ok(match mode {
        ImageReadMode::Rgb | ImageReadMode::RgbAlpha => pixels.converted(mode),
        _ => pixels,
    })
}

/// The pixels of a file or of the first frame of an animation, red, green and blue, as Pillow's `convert("RGB")`.
pub(super) fn first(bytes: &[u8]) -> Result<Pixels<u8>, Fault> {
    Ok(read(bytes, true)?.converted(ImageReadMode::Rgb))
}

fn read(bytes: &[u8], animated: bool) -> Result<Pixels<u8>, Fault> {
    // RIFF says how long it is; what the decoder would make of a cut file is not asked.
    let promised = bytes.get(4..8).map_or(0, |n| u64::from(u32::from_le_bytes([n[0], n[1], n[2], n[3]])));
    if promised + 8 > bytes.len() as u64 {
        return Err(format!("the header promises {promised} bytes, the file ends at byte {}", bytes.len()));
    }
    chunks_fit(bytes.get(12..).unwrap_or_default(), bytes.len())?;
    let told = |e: image_webp::DecodingError| format!("WebP: {e}");
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(told)?;
    if decoder.is_animated() && !animated {
        return Err("it is an animation of WebP, which is not read".into());
    }
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    super::check_size(width, height, channels, bytes.len())?;
    let size = decoder.output_buffer_size().ok_or("its pixels do not fit into memory")?;
    let mut samples = vec![0; size];
    decoder.read_image(&mut samples).map_err(told)?;
    Ok(Pixels { channels, height, width, samples: planes(samples, channels) })
}

/// Holds the sizes that each part of the file states for itself against the size of the file.
fn chunks_fit(mut chunks: &[u8], file: usize) -> Result<(), Fault> {
    while let Some((head, rest)) = chunks.split_at_checked(8) {
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let content = &rest[..len.min(rest.len())];
        match (&head[..4], content) {
            (b"VP8 ", [_, _, _, _, _, _, w0, w1, h0, h1, ..]) => {
                let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
                super::check_size(side(*w0, *w1), side(*h0, *h1), 3, file)?;
            }
            (b"VP8L", [_, a, b, c, d, ..]) => {
                let sides = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                super::check_size((sides & 0x3fff) + 1, (sides >> 14 & 0x3fff) + 1, 4, file)?;
            }
            // A frame: where it lies and how long it is shown, then chunks again. There are no frames in frames.
            (b"ANMF", frame) if frame.len() > 16 && frame.get(16..20) != Some(b"ANMF") => {
                chunks_fit(&frame[16..], file)?
            }
            _ => {}
        }
        chunks = rest.get(len.saturating_add(len % 2)..).unwrap_or_default();
    }
    Ok(())
}
