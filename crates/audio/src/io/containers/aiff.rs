//! Apple's AIFF and AIFC: chunks in a `FORM`, of which `COMM` says what the samples are and `SSND` has them.

use super::is_open;
use crate::io::fault::{Fault, bytes, fault, go, printable};
use crate::io::pcm::Form;
use crate::io::{Encoding, Plain};
use std::io::{BufReader, Read, Seek};

/// What `COMM` says.
struct Common {
    form: Form,
    frames: u64,
}

/// Where samples lie.
struct Sound {
    data_at: u64,
    /// Where the chunk ends.
    end: u64,
    /// Nobody has told its size: it goes on to the end of the file.
    open: bool,
}

/// Walks the chunks of a file of `length` bytes that starts with `FORM`.
pub(in crate::io) fn walk<F: Read + Seek>(file: &mut BufReader<F>, length: u64, strict: bool) -> Result<Plain, Fault> {
    if length < 12 {
        fault!(Format, "the header of an AIFF needs 12 bytes, the file ends at byte {length}");
    }
    let head: [u8; 12] = bytes(file)?;
    let compressed = match &head[8..] {
        b"AIFF" => false,
        b"AIFC" => true,
        other => fault!(Format, "an AIFF has \"AIFF\" or \"AIFC\" at byte 8, here is {:?}", printable(other)),
    };
    let (mut common, mut sound, mut at): (Option<Common>, Option<Sound>, u64) = (None, None, 12);
    // A byte that is missing from the padding at the end is none that anybody misses.
    while at < length && (common.is_none() || sound.is_none()) {
        if length - at < 8 {
            fault!(Format, "the header of the chunk at byte {at} needs 8 bytes, the file ends at byte {length}");
        }
        go(file, at)?;
        let name: [u8; 4] = bytes(file)?;
        let mut size = u64::from(u32::from_be_bytes(bytes(file)?));
        let body = at + 8;
        let open = &name == b"SSND" && is_open(size) && (size == 0 || size > length - body);
        if open {
            size = length - body;
        }
        if size > length - body && (strict || &name != b"SSND") {
            let name = printable(&name);
            fault!(Format, "the chunk {name:?} at byte {at} promises {size} bytes, the file ends at byte {length}");
        }
        match &name {
            b"COMM" => common = Some(read_common(file, at, size, compressed)?),
            b"SSND" => {
                if size < 8 || length - body < 8 {
                    fault!(Format, "the chunk \"SSND\" at byte {at} has {size} bytes, 8 are the least");
                }
                let offset = u64::from(u32::from_be_bytes(bytes(file)?));
                if offset > size - 8 {
                    fault!(
                        Format,
                        "the chunk \"SSND\" at byte {at} starts its samples {offset} bytes on, behind its end"
                    );
                }
                sound = Some(Sound { data_at: body + 8 + offset, end: body + size, open });
            }
            _ => {}
        }
        at = body + size + size % 2;
    }
    let Some(Common { form, frames }) = common else {
        fault!(Format, "there is no chunk \"COMM\" up to the end at byte {length}");
    };
    let promised = frames * form.block();
    let Some(Sound { data_at, end, open }) = sound else {
        if frames == 0 {
            return form.promised(length, Some(0), length, strict).map(Plain::Pcm);
        }
        fault!(Format, "there is no chunk \"SSND\" up to the end at byte {length}");
    };
    let size = end - data_at;
    let promised = match promised {
        0 if size > 0 => None,
        _ if promised <= size => Some(promised),
        _ if is_open(promised) => None,
        _ if open => Some(promised),
        _ if strict => fault!(
            Format,
            "the chunk \"COMM\" promises {promised} bytes of samples, \"SSND\" has {size} from byte {data_at} on"
        ),
        _ => Some(size),
    };
    form.promised(data_at, promised, if promised.is_none() { length.min(end) } else { length }, strict).map(Plain::Pcm)
}

fn read_common<F: Read>(file: &mut F, at: u64, size: u64, compressed: bool) -> Result<Common, Fault> {
    let least = if compressed { 22 } else { 18 };
    if size < least {
        fault!(Format, "the chunk \"COMM\" at byte {at} has {size} bytes, {least} are the least");
    }
    let channels = u16::from_be_bytes(bytes(file)?);
    let frames = u64::from(u32::from_be_bytes(bytes(file)?));
    let bits = u16::from_be_bytes(bytes(file)?);
    let rate = extended(bytes(file)?).round();
    let kind: [u8; 4] = if compressed { bytes(file)? } else { *b"NONE" };
    if channels == 0 || !(1.0..=f64::from(u32::MAX)).contains(&rate) {
        fault!(Format, "the chunk \"COMM\" at byte {at} tells of {channels} channels at {rate} Hz");
    }
    let (encoding, bits, big_endian, signed) = match (&kind, bits) {
        (b"NONE" | b"twos", 1..=32) => (Encoding::PcmS, bits, true, true),
        (b"sowt", 1..=32) => (Encoding::PcmS, bits, false, true),
        (b"raw ", 1..=8) => (Encoding::PcmU, bits, true, false),
        (b"in24", _) => (Encoding::PcmS, 24, true, true),
        (b"in32", _) => (Encoding::PcmS, 32, true, true),
        (b"fl32" | b"FL32", _) => (Encoding::PcmF, 32, true, true),
        (b"fl64" | b"FL64", _) => (Encoding::PcmF, 64, true, true),
        (b"ulaw" | b"ULAW", _) => (Encoding::Ulaw, 8, true, true),
        (b"alaw" | b"ALAW", _) => (Encoding::Alaw, 8, true, true),
        (b"NONE" | b"twos" | b"sowt" | b"raw ", _) => {
            fault!(Format, "samples of {bits} bits by the chunk \"COMM\" at byte {at}")
        }
        _ => fault!(
            Unsupported,
            "samples of form {:?} by the chunk \"COMM\" at byte {at}; read are PCM, float, A-law, µ-law",
            printable(&kind)
        ),
    };
    let form = Form { encoding, channels: channels.into(), rate: rate as u32, bits: bits.into(), big_endian, signed };
    Ok(Common { form, frames })
}

/// A number of 80 bits: sign and exponent of 16, and 64 before the point of which one is 1.
fn extended(ten: [u8; 10]) -> f64 {
    let [a, b, mantissa @ ..] = ten;
    let exponent = i32::from(u16::from_be_bytes([a & 0x7f, b])) - 16_383 - 63;
    let magnitude = u64::from_be_bytes(mantissa) as f64 * 2f64.powi(exponent.clamp(-2000, 2000));
    if a & 0x80 == 0 { magnitude } else { -magnitude }
}
