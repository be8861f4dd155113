//! PNG files. Their structure is walked before anything is decoded: whole to the end, a palette of whole colours,
//! and no more pixels promised than the compressed bytes can hold. Texts and colour profiles, which may be
//! compressed without bound, are not looked into.

use super::{Fault, Image, ImageReadMode, Pixels, Sample, planes};
use png::{BitDepth, ColorType, Decoder, Transformations};
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
    // A single colour or gray that stands for transparent is opaque in torchvision; a palette's opacity is kept.
    let info = reader.info();
    let declared = info.trns.is_some() && matches!(info.color_type, ColorType::Rgb | ColorType::Grayscale);
    // Gray of few bits is as opaque as torchvision has it: the greatest value before it is spread.
    let opaque = if info.bit_depth as u8 >= 8 { u8::MAX } else { (1u8 << info.bit_depth as u8) - 1 };
    let few = info.color_type == ColorType::Grayscale && opaque < u8::MAX;
    let sizes = [channels, height, width];
    Ok(if wide {
        let samples = samples.as_chunks::<2>().0.iter().map(|s| u16::from_be_bytes(*s)).collect();
        Image::Words(opaque_if(declared, pixels(samples, sizes)?).converted(mode))
    } else {
        let mut pixels = opaque_if(declared, pixels(samples, sizes)?).converted(mode);
        if few && matches!(mode, ImageReadMode::GrayAlpha | ImageReadMode::RgbAlpha) {
            let all = pixels.samples.len();
            pixels.samples[all - width * height..].fill(opaque);
        }
        Image::Bytes(pixels)
    })
}

/// The places in the palette of a whole file, where it has one.
pub(super) fn places(bytes: &[u8]) -> Result<Option<Pixels<u8>>, Fault> {
    check(bytes)?;
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (width, height, bits) =
        (reader.info().width as usize, reader.info().height as usize, reader.info().bit_depth as usize);
    if reader.info().color_type != ColorType::Indexed {
        return Ok(None);
    }
    super::check_size(width, height, 1, bytes.len())?;
    let mut rows = vec![0; reader.output_buffer_size().ok_or("its pixels do not fit into memory")?];
    let frame = reader.next_frame(&mut rows).map_err(|e| e.to_string())?;
    let most = ((1u16 << bits) - 1) as u8;
    let place = |row: &[u8], x: usize| row[x * bits / 8] >> (8 - bits - x * bits % 8) & most;
    let row = |row: &[u8]| (0..width).map(|x| place(row, x)).collect::<Vec<u8>>();
    let samples = rows[..frame.buffer_size()].chunks_exact(frame.line_size.max(1)).flat_map(row).collect();
    pixels(samples, [1, height, width]).map(Some)
}

/// The samples of a file, in planes.
fn pixels<T: Sample>(samples: Vec<T>, [channels, height, width]: [usize; 3]) -> Result<Pixels<T>, Fault> {
    let all = channels * width * height;
    if samples.len() != all {
        return Err(format!("{} samples instead of {all}", samples.len()));
    }
    Ok(Pixels { channels, height, width, samples: planes(samples, channels) })
}

/// Without the opacity that stands for a single colour.
fn opaque_if<T: Sample>(declared: bool, mut pixels: Pixels<T>) -> Pixels<T> {
    if declared && pixels.channels % 2 == 0 {
        pixels.channels -= 1;
        pixels.samples.truncate(pixels.channels * pixels.width * pixels.height);
    }
    pixels
}

/// The orientation in its EXIF data.
pub(super) fn orientation(bytes: &[u8]) -> Option<u8> {
    super::exif::orientation(check(bytes).ok()?)
}

/// Walks the chunks from the signature to `IEND`. Returns the EXIF data, empty where there are none.
fn check(bytes: &[u8]) -> Result<&[u8], Fault> {
    let (mut at, mut promised, mut compressed, mut exif) = (SIGNATURE.len(), None, 0u64, &bytes[..0]);
    loop {
        let Some(head) = bytes.get(at..at + 8) else {
            return Err(super::early(bytes));
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
