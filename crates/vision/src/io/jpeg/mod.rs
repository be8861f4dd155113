//! JPEG files, decoded to the levels of libjpeg: baseline and progressive Huffman coding of 8 bits, any whole
//! sampling, scans of all components or of single ones.
//!
//! Nothing of a damaged file is made up: where libjpeg fills what is missing with gray, this is an error that
//! names the byte. Memory is bounded by the header once the file can hold what it promises (`frame.rs`), and
//! time by the size of the file (`scan.rs`).

mod encode;
mod frame;
mod huffman;
mod idct;
mod output;
mod scan;

use super::{Fault, ImageReadMode, Pixels, Region, early};
pub(super) use encode::encode;
use frame::{Frame, Tables};

/// How every JPEG starts.
pub(super) const START: [u8; 2] = [0xff, 0xd8];

/// The pixels of a whole file.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels<u8>, Fault> {
    decode_part(bytes, mode, None)
}

/// The pixels of a part of the image, bit for bit those of [`decode`]. Data of the scans behind it are looked through for
/// their end, but not decoded.
pub(super) fn decode_region(bytes: &[u8], mode: ImageReadMode, region: Region) -> Result<Pixels<u8>, Fault> {
    decode_part(bytes, mode, Some(region))
}

/// Height and width, where there is a frame header that [`decode`] reads.
pub(super) fn size(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = START.len();
    loop {
        let (marker, after) = next_marker(bytes, at).ok()?;
        match marker {
            0xd9 | 0xda => return None,
            0x01 | 0xd0..=0xd8 => at = after,
            _ => {
                let (content, end) = segment(bytes, marker, after).ok()?;
                if (0xc0..=0xc2).contains(&marker) {
                    let frame = Frame::read(content, after - 2, marker == 0xc2, bytes.len()).ok()?;
                    return Some((frame.height, frame.width));
                }
                at = end;
            }
        }
    }
}

fn decode_part(bytes: &[u8], mode: ImageReadMode, region: Option<Region>) -> Result<Pixels<u8>, Fault> {
    if matches!(mode, ImageReadMode::GrayAlpha | ImageReadMode::RgbAlpha) {
        return Err("a JPEG has no opacity: ask for GRAY, RGB or UNCHANGED".into());
    }
    let mut tables = Tables::default();
    let mut found: Option<(Frame, scan::Planes<'_>)> = None;
    let mut at = START.len();
    loop {
        let (marker, after) = next_marker(bytes, at)?;
        match marker {
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => at = after,
            _ => {
                let (content, end) = segment(bytes, marker, after)?;
                let place = after - 2;
                at = end;
                match (marker, &mut found) {
                    (0xc0..=0xc2, None) => {
                        let frame = Frame::read(content, place, marker == 0xc2, bytes.len())?;
                        super::check_size(frame.width, frame.height, 3, bytes.len())?;
                        if let Some(region) = region
                            && !region.lies_in(frame.height, frame.width)
                        {
                            return Err(format!("{region:?} is not within {}×{} pixels", frame.width, frame.height));
                        }
                        found = Some((frame, scan::Planes::new(bytes, mode, region)));
                    }
                    (0xc0..=0xc2, Some(_)) => return Err(format!("a second frame header at byte {place}")),
                    (0xc4, _) => tables.read_huffman(content, place)?,
                    (0xdb, _) => tables.read_quantization(content, place)?,
                    (0xdd, _) => tables.read_restart(content, place)?,
                    (0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf, _) => {
                        return Err(format!(
                            "coding process {marker:02x} at byte {place} is not supported: baseline and progressive Huffman coding are"
                        ));
                    }
                    (0xda, Some((frame, planes))) => {
                        at = planes.read_scan(frame, &tables, content, end)?;
                    }
                    (0xda, None) => return Err(format!("the scan at byte {place} comes before the frame header")),
                    (0xe0 | 0xee, _) => tables.read_application(marker, content),
                    _ => {}
                }
            }
        }
    }
    let Some((frame, planes)) = found else {
        return Err(format!("the image ends at byte {at} without a frame header"));
    };
    if let Some(missing) = frame.components.iter().find(|c| c.quantization.is_none()) {
        return Err(format!("the image ends at byte {at} without a scan of component {}", missing.id));
    }
    let Some(colors) = planes.colors else { return Err(format!("the image ends at byte {at} without a scan")) };
    let region = region.unwrap_or(Region { top: 0, left: 0, height: frame.height, width: frame.width });
    let (samples, covers) = planes.into_samples(&frame);
    let components = frame.components.iter().zip(&samples).zip(&covers).filter(|((_, samples), _)| !samples.is_empty());
    let spread = components.map(|((c, samples), cover)| output::Spread::new(c, (samples, cover), &frame, region));
    Ok(output::pixels(region, spread.collect(), colors, mode))
}

/// The orientation that the first EXIF segment before the pixels gives.
pub(super) fn orientation(bytes: &[u8]) -> Option<u8> {
    let mut at = START.len();
    loop {
        let (marker, after) = next_marker(bytes, at).ok()?;
        match marker {
            0xd9 | 0xda => return None,
            0x01 | 0xd0..=0xd8 => at = after,
            _ => {
                let (content, end) = segment(bytes, marker, after).ok()?;
                match content.strip_prefix(b"Exif\0\0") {
                    Some(exif) if marker == 0xe1 => return super::exif::orientation(exif),
                    _ => at = end,
                }
            }
        }
    }
}

/// The content of the segment whose marker ends before byte `after`, and the byte behind it.
fn segment(bytes: &[u8], marker: u8, after: usize) -> Result<(&[u8], usize), Fault> {
    let Some(len) = bytes.get(after..after + 2) else { return Err(early(bytes)) };
    let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
    match bytes.get(after + 2..after + len) {
        Some(content) => Ok((content, after + len)),
        None => {
            let what = format!("segment {marker:02x} at byte {} promises {len} bytes", after - 2);
            Err(if len < 2 { what } else { format!("{what}, the file ends at byte {}", bytes.len()) })
        }
    }
}

/// The next marker at `at` or behind it, and the byte after it. What stands before (the rest of a scan's data,
/// in which `ff 00` is a byte) is passed over.
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), Fault> {
    let mut i = at;
    while let Some(skip) = bytes.get(i..).and_then(first_ff) {
        i += skip + 1;
        match bytes.get(i) {
            Some(0x00 | 0xff) => {}
            Some(marker) => return Ok((*marker, i + 1)),
            None => break,
        }
    }
    Err(early(bytes))
}

/// Where the first byte `ff` is.
fn first_ff(bytes: &[u8]) -> Option<usize> {
    // Of the complement of eight at a time: whether one is zero.
    let has = |eight: &[u8; 8]| {
        let x = !u64::from_ne_bytes(*eight);
        x.wrapping_sub(0x0101_0101_0101_0101) & !x & 0x8080_8080_8080_8080 != 0
    };
    let (eights, _) = bytes.as_chunks::<8>();
    let start = 8 * eights.iter().position(has).unwrap_or(eights.len());
    bytes[start..].iter().position(|b| *b == 0xff).map(|i| start + i)
}
