//! The structure of a JPEG, walked before it is decoded. Decoders fill what a cut file lacks with gray;
//! here it is an error. And a header that promises more blocks than the file has bits is turned away.

use super::Fault;

/// How every JPEG starts.
pub(super) const START: [u8; 2] = [0xff, 0xd8];

/// Walks the segments from the start to the end-of-image marker.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut at = START.len();
    let mut scans = 0;
    loop {
        let (marker, after) = next_marker(bytes, at)?;
        match marker {
            0xd9 if scans == 0 => return Err(format!("the image ends at byte {at} without a scan")),
            0xd9 => return Ok(()),
            0x01 | 0xd0..=0xd8 => at = after,
            _ => {
                let Some(len) = bytes.get(after..after + 2) else { return Err(early(bytes)) };
                let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
                let Some(content) = bytes.get(after + 2..after + len) else {
                    let what = format!("segment {marker:02x} at byte {} promises {len} bytes", after - 2);
                    return Err(if len < 2 { what } else { format!("{what}, the file ends at byte {}", bytes.len()) });
                };
                match marker {
                    0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => frame(content, after - 2, bytes.len())?,
                    0xda => scans += 1,
                    _ => {}
                }
                at = after + len;
            }
        }
    }
}

/// The next marker at `at` or behind it, and the place after it. What stands before (a scan's data, in
/// which `ff 00` is a byte and `ff d0` to `ff d7` are restarts) is passed over.
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), Fault> {
    let mut i = at;
    while let Some(skip) = bytes.get(i..).and_then(|rest| rest.iter().position(|b| *b == 0xff)) {
        i += skip + 1;
        match bytes.get(i) {
            Some(0x00 | 0xff | 0xd0..=0xd7) => {}
            Some(marker) => return Ok((*marker, i + 1)),
            None => break,
        }
    }
    Err(early(bytes))
}

fn early(bytes: &[u8]) -> Fault {
    format!("the file ends at byte {}, before the end of the image", bytes.len())
}

/// Holds the frame header at byte `at` against the size of the file: a block of 8×8 samples takes one
/// bit at the least.
fn frame(content: &[u8], at: usize, file: usize) -> Result<(), Fault> {
    let Some((&[_, h0, h1, w0, w1, count], components)) = content.split_first_chunk::<6>() else {
        return Err(format!("the frame header at byte {at} is too short"));
    };
    let (height, width) = (u64::from(u16::from_be_bytes([h0, h1])), u64::from(u16::from_be_bytes([w0, w1])));
    if width == 0 || height == 0 {
        return Err(format!("the frame header at byte {at} promises {width}×{height} pixels"));
    }
    let sampling: Vec<(u64, u64)> = components
        .chunks_exact(3)
        .take(usize::from(count))
        .map(|c| (u64::from(c[1] >> 4), u64::from(c[1] & 15)))
        .collect();
    if sampling.len() < usize::from(count) || sampling.iter().any(|(x, y)| *x == 0 || *y == 0) {
        return Err(format!("the frame header at byte {at} does not describe its {count} components"));
    }
    let most_x = sampling.iter().map(|s| s.0).max().unwrap_or(1);
    let most_y = sampling.iter().map(|s| s.1).max().unwrap_or(1);
    let blocks: u64 =
        sampling.iter().map(|(x, y)| (width * x).div_ceil(8 * most_x) * (height * y).div_ceil(8 * most_y)).sum();
    if blocks > 8 * file as u64 {
        return Err(format!("header promises {width}×{height} pixels, a file of {file} bytes cannot hold them"));
    }
    Ok(())
}
