//! PNG files. Their structure is walked before anything is decoded: whole to the end, a palette of whole colours,
//! and no more pixels promised than the compressed bytes can hold. Texts and colour profiles, which may be
//! compressed without bound, are not looked into.

use super::{Fault, Image, ImageReadMode, Pixels, Sample};
use png::{BitDepth, Decoder, Transformations};
use std::io::Cursor;

/// How every PNG starts.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The pixels of a whole file.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Image, Fault> {
    check(bytes)?;
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let (color, depth) = reader.output_color_type();
    let (channels, wide) = (color.samples(), depth == BitDepth::Sixteen);
    super::check_size(width, height, channels * if wide { 2 } else { 1 }, bytes.len())?;
    let size = reader.output_buffer_size().ok_or("its pixels do not fit into memory")?;
    let mut samples = vec![0; size];
    reader.next_frame(&mut samples).map_err(|e| e.to_string())?;
    let sizes = [channels, height, width];
    Ok(if wide {
        let samples = samples.as_chunks::<2>().0.iter().map(|s| u16::from_be_bytes(*s)).collect();
        Image::Words(pixels(samples, sizes)?.converted(mode))
    } else {
        Image::Bytes(pixels(samples, sizes)?.converted(mode))
    })
}

/// The samples of a file, in planes.
fn pixels<T: Sample>(samples: Vec<T>, [channels, height, width]: [usize; 3]) -> Result<Pixels<T>, Fault> {
    let all = channels * width * height;
    if samples.len() != all {
        return Err(format!("{} samples instead of {all}", samples.len()));
    }
    Ok(Pixels { channels, height, width, samples: planes(samples, channels) })
}

/// The orientation in its EXIF data.
pub(super) fn orientation(bytes: &[u8]) -> Option<u8> {
    super::exif::orientation(check(bytes).ok()?)
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

/// Walks the chunks from the signature to `IEND`. Returns the EXIF data, empty where there are none.
fn check(bytes: &[u8]) -> Result<&[u8], Fault> {
    let (mut at, mut promised, mut compressed, mut exif) = (SIGNATURE.len(), None, 0u64, &bytes[..0]);
    loop {
        let Some(head) = bytes.get(at..at + 8) else {
            return Err(format!("the file ends at byte {}, before the end of the image", bytes.len()));
        };
        let (len, kind) = (u32::from_be_bytes([head[0], head[1], head[2], head[3]]), &head[4..]);
        // Beside its content a chunk has its length, its name and a check sum.
        let end = at as u64 + 12 + u64::from(len);
        if end > bytes.len() as u64 {
            let name = kind.escape_ascii();
            return Err(format!(
                "chunk {name} at byte {at} promises {len} bytes, the file ends at byte {}",
                bytes.len()
            ));
        }
        let content = &bytes[at + 8..end as usize - 4];
        match (kind, &promised) {
            (b"IHDR", None) => promised = Some(scanlines(content)?),
            (_, None) => return Err(format!("the chunk at byte {at} is {}, not IHDR", kind.escape_ascii())),
            (b"PLTE", _) if len % 3 != 0 || !(1..=256).contains(&(len / 3)) => {
                return Err(format!(
                    "the palette at byte {at} has {len} bytes: it takes 3 for each of 1 to 256 colours"
                ));
            }
            (b"eXIf", _) if exif.is_empty() => exif = content,
            (b"IDAT", _) => compressed += u64::from(len),
            (b"IEND", Some((raw, text))) => {
                let most = compressed.saturating_mul(super::MOST_FROM_ONE as u64);
                if *raw > u128::from(most) {
                    return Err(format!(
                        "header promises {text} ({raw} bytes), {compressed} compressed bytes cannot hold them"
                    ));
                }
                return Ok(exif);
            }
            _ => {}
        }
        at = end as usize;
    }
}

/// How many bytes the header promises before compression, and in words.
fn scanlines(header: &[u8]) -> Result<(u128, String), Fault> {
    let Ok(&[w0, w1, w2, w3, h0, h1, h2, h3, bits, color, ..]) = <&[u8; 13]>::try_from(header) else {
        return Err(format!("IHDR has {} bytes instead of 13", header.len()));
    };
    let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let samples = match color {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(format!("color type {color} does not exist (byte 25)")),
    };
    if width == 0 || height == 0 {
        return Err(format!("header promises {width}×{height} pixels (byte 16)"));
    }
    let row = (u128::from(width) * samples * u128::from(bits)).div_ceil(8);
    Ok((row * u128::from(height), format!("{width}×{height} pixels")))
}
