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

use super::{Fault, ImageReadMode, Pixels, early};
pub(super) use encode::encode;
use frame::{Frame, Tables};

/// How every JPEG starts.
pub(super) const START: [u8; 2] = [0xff, 0xd8];

/// The pixels of a whole file.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels<u8>, Fault> {
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
                        found = Some((frame, scan::Planes::new(bytes, mode)));
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
    Ok(output::pixels(&frame, planes.into_samples(&frame), colors, mode))
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
    while let Some(skip) = bytes.get(i..).and_then(|rest| rest.iter().position(|b| *b == 0xff)) {
        i += skip + 1;
        match bytes.get(i) {
            Some(0x00 | 0xff) => {}
            Some(marker) => return Ok((*marker, i + 1)),
            None => break,
        }
    }
    Err(early(bytes))
}
