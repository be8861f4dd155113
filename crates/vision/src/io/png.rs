//! The structure of a PNG, walked before it is decoded: whole to its end, and no more pixels promised
//! than its compressed bytes can hold.

use super::Fault;

/// How every PNG starts.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Deflate makes at most this many bytes of one.
const MOST_FROM_ONE: u64 = 1032;

/// Walks the chunks from the signature to `IEND`.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let (mut at, mut promised, mut compressed) = (SIGNATURE.len(), None, 0u64);
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
            (b"IDAT", _) => compressed += u64::from(len),
            (b"IEND", Some((raw, text))) => {
                let most = compressed.saturating_mul(MOST_FROM_ONE);
                if *raw > u128::from(most) {
                    return Err(format!(
                        "header promises {text} ({raw} bytes), {compressed} compressed bytes cannot hold them"
                    ));
                }
                return Ok(());
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
