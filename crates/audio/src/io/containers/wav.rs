//! The structure of a WAV file: chunks in a RIFF (or an RF64, for more than 4 GiB), of which `fmt ` says what
//! the samples are and `data` has them. All that is promised is held against the length of the file, and every
//! fault is told by its byte.
//!
//! A program that writes to a pipe cannot go back and fill in the sizes. It leaves 0 or the largest number
//! there (`is_open`), and the samples go on to the end of the file.

use super::is_open;
use crate::io::adpcm::{Adpcm, Kind};
use crate::io::fault::{Fault, bytes, fault, go, printable};
use crate::io::pcm::Form;
use crate::io::{Encoding, Plain};
use std::io::{self, BufReader, Read, Seek};

/// What the start of the file says of its sizes.
struct Riff {
    /// Where the RIFF ends; the end of the file where that is not told.
    end: u64,
    /// The size of the chunk `data` by the chunk `ds64` of an RF64.
    data: Option<u64>,
    /// The byte of the first chunk.
    first: u64,
}

/// What the chunk `fmt ` says of the samples.
pub(super) enum Samples {
    Plain(Form),
    /// In blocks that are decoded.
    Blocks(Adpcm),
}

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the two bytes of the format in the GUIDs of the extensible form.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
/// The same in the GUIDs of ambisonic sound in B-format, whose channels are samples like all others.
const AMBISONIC_TAIL: [u8; 14] = [0, 0, 0x21, 0x07, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0];

/// Walks the chunks up to the samples of a file of `length` bytes. What is promised beyond the end of the file
/// is a fault if `strict`, else a note.
pub(in crate::io) fn walk<F: Read + Seek>(file: &mut BufReader<F>, length: u64, strict: bool) -> Result<Plain, Fault> {
    let mut notes = Vec::new();
    let riff = read_riff(file, length, strict, &mut notes)?;
    let mut form = None;
    let mut at = riff.first;
    while at < length {
        if length - at < 8 {
            fault!(Format, "the header of the chunk at byte {at} needs 8 bytes, the file ends at byte {length}");
        }
        let (name, size) = read_head(file, at)?;
        let body = at + 8;
        match (&name, &form) {
            (b"data", None) => fault!(Format, "the chunk \"data\" at byte {at} comes before any \"fmt \""),
            (b"data", Some(form)) => {
                let promised = riff.data.filter(|_| size == u64::from(u32::MAX)).unwrap_or(size);
                let size = data_size(file, at, promised, length, strict, &mut notes)?;
                if body + size > riff.end {
                    notes.push(format!("the header at byte 4 promises a file of {} bytes only", riff.end));
                }
                return opened(form, at + 8, size, notes);
            }
            _ if size > length - body => {
                let name = printable(&name);
                fault!(Format, "the chunk {name:?} at byte {at} promises {size} bytes, the file ends at byte {length}");
            }
            (b"fmt ", None) => form = Some(read_form(file, at, size)?),
            (b"fmt ", Some(_)) => fault!(Format, "a second chunk \"fmt \" at byte {at}"),
            _ => {}
        }
        at = body + size + size % 2;
    }
    let missing = if form.is_none() { "fmt " } else { "data" };
    fault!(Format, "there is no chunk {missing:?} up to the end at byte {length}")
}

/// Name and size of the chunk at byte `at`.
fn read_head<F: Read + Seek>(file: &mut BufReader<F>, at: u64) -> io::Result<([u8; 4], u64)> {
    go(file, at)?;
    let [a, b, c, d, size @ ..]: [u8; 8] = bytes(file)?;
    Ok(([a, b, c, d], u32::from_le_bytes(size).into()))
}

/// Checks the header of the RIFF.
fn read_riff<F: Read + Seek>(
    file: &mut BufReader<F>,
    length: u64,
    strict: bool,
    notes: &mut Vec<String>,
) -> Result<Riff, Fault> {
    if length == 0 {
        fault!(Format, "the file is empty");
    }
    let mut start = Vec::new();
    file.by_ref().take(12).read_to_end(&mut start)?;
    if start.starts_with(b"RIFX") {
        fault!(Unsupported, "a WAV in the form \"RIFX\"; RIFF and RF64 are read");
    }
    let long = [b"RF64", b"BW64"].iter().any(|name| start.starts_with(*name));
    let known = long || b"RIFF".iter().zip(&start).all(|(a, b)| a == b);
    if !known || (start.len() == 12 && &start[8..] != b"WAVE") {
        fault!(
            Format,
            "not a WAV file: it starts with {:?}, not with \"RIFF\", its size and \"WAVE\"",
            printable(&start)
        );
    }
    if start.len() < 12 {
        fault!(Format, "the header of a WAV needs 12 bytes, the file ends at byte {length}");
    }
    let mut riff = Riff { end: u64::from(u32_at(&start, 4)), data: None, first: 12 };
    if long {
        let (size, data, first) = read_ds64(file, length)?;
        riff = Riff { end: if riff.end == u64::from(u32::MAX) { size } else { riff.end }, data: Some(data), first };
    }
    let size = std::mem::replace(&mut riff.end, length);
    let end = size.saturating_add(8);
    let told = if size != 0 && end <= length {
        riff.end = end;
        return Ok(riff);
    } else if is_open(size) {
        "the header at byte 4 leaves the size of the file open".into()
    } else {
        format!("the header at byte 4 promises a file of {end} bytes, it ends at byte {length}")
    };
    if strict && !is_open(size) {
        return Err(Fault::Format(told));
    }
    notes.push(told);
    Ok(riff)
}

/// The chunk `ds64` at byte 12 of an RF64: the sizes of the file and of `data`, and where the next chunk is.
fn read_ds64<F: Read + Seek>(file: &mut BufReader<F>, length: u64) -> Result<(u64, u64, u64), Fault> {
    if length < 12 + 8 + 28 {
        fault!(Format, "the chunk \"ds64\" of an RF64 needs 36 bytes from byte 12 on, the file ends at byte {length}");
    }
    let (name, size) = read_head(file, 12)?;
    if &name != b"ds64" || size < 28 || size > length - 20 {
        fault!(
            Format,
            "an RF64 has its sizes in a chunk \"ds64\" at byte 12, here is {:?} of {size} bytes",
            printable(&name)
        );
    }
    let sizes: [u8; 16] = bytes(file)?;
    let u64_at = |i: usize| u64::from(u32_at(&sizes, i)) | u64::from(u32_at(&sizes, i + 4)) << 32;
    Ok((u64_at(0), u64_at(8), 20 + size + size % 2))
}

/// How many bytes of samples are there, where the chunk `data` at byte `at` promises so many.
fn data_size<F: Read + Seek>(
    file: &mut BufReader<F>,
    at: u64,
    promised: u64,
    length: u64,
    strict: bool,
    notes: &mut Vec<String>,
) -> Result<u64, Fault> {
    let there = length - (at + 8);
    if promised == 0 && (there == 0 || only_chunks(file, at + 8, length)?) {
        return Ok(0);
    }
    if promised != 0 && promised <= there {
        return Ok(promised);
    }
    let open = is_open(promised);
    if !open && strict {
        fault!(Format, "the chunk \"data\" at byte {at} promises {promised} bytes, the file ends at byte {length}");
    }
    notes.push(if open {
        format!("the chunk \"data\" at byte {at} leaves its size open: it is read to the end of the file")
    } else {
        format!("the chunk \"data\" at byte {at} promises {promised} bytes, the file ends at byte {length}")
    });
    Ok(there)
}

/// True where chunks follow each other from byte `at` to the end of the file.
fn only_chunks<F: Read + Seek>(file: &mut BufReader<F>, mut at: u64, length: u64) -> io::Result<bool> {
    while at < length {
        if length - at < 8 {
            return Ok(false);
        }
        let (name, size) = read_head(file, at)?;
        if !name.iter().all(|c| c.is_ascii_graphic() || *c == b' ') || size > length - at - 8 {
            return Ok(false);
        }
        at += 8 + size + size % 2;
    }
    Ok(true)
}

/// Reads the chunk `fmt ` of `size` bytes whose header is at byte `at`; the reader stands behind that.
pub(super) fn read_form(file: &mut impl Read, at: u64, size: u64) -> Result<Samples, Fault> {
    if size < 16 {
        fault!(Format, "the chunk \"fmt \" at byte {at} has {size} bytes, 16 are the least");
    }
    let fmt: [u8; 16] = bytes(file)?;
    let u16_of = |i: usize| u16::from_le_bytes([fmt[i], fmt[i + 1]]);
    let (mut tag, channels, rate, block, bits) = (u16_of(0), u16_of(2), u32_at(&fmt, 4), u16_of(12), u16_of(14));
    if channels == 0 || rate == 0 {
        fault!(Format, "the chunk \"fmt \" at byte {at} tells of {channels} channels at {rate} Hz");
    }
    if matches!(tag, MS_ADPCM | IMA_ADPCM) {
        if size < 20 {
            fault!(Format, "the chunk \"fmt \" at byte {at} has {size} bytes, its form {tag:#06x} 20 at least");
        }
        let more: [u8; 4] = bytes(file)?;
        let kind = if tag == MS_ADPCM { Kind::Microsoft } else { Kind::Ima };
        let frames = u16::from_le_bytes([more[2], more[3]]);
        return Ok(Samples::Blocks(Adpcm::new(kind, (channels, rate, bits), (block, frames), at)?));
    }
    if tag == EXTENSIBLE {
        if size < 40 {
            fault!(Format, "the chunk \"fmt \" at byte {at} has {size} bytes, its extensible form 40");
        }
        let more: [u8; 24] = bytes(file)?;
        if more[10..] != GUID_TAIL && more[10..] != AMBISONIC_TAIL {
            fault!(Unsupported, "samples of a form by an unknown GUID in the \"fmt \" at byte {at}");
        }
        tag = u16::from_le_bytes([more[8], more[9]]);
    }
    let encoding = match (tag, bits) {
        (PCM, 1..=8) => Encoding::PcmU,
        (PCM, 9..=32) => Encoding::PcmS,
        (FLOAT, 32 | 64) => Encoding::PcmF,
        (ALAW, 8) => Encoding::Alaw,
        (ULAW, 8) => Encoding::Ulaw,
        (PCM | FLOAT | ALAW | ULAW, _) => fault!(Format, "samples of {bits} bits by the \"fmt \" at byte {at}"),
        _ => fault!(
            Unsupported,
            "samples of form {tag:#06x} by the \"fmt \" at byte {at}; read are PCM, float, A-law, µ-law, ADPCM by Microsoft and IMA"
        ),
    };
    let (channels, mut bits) = (usize::from(channels), u32::from(bits));
    if tag == PCM && bits == 24 && usize::from(block) == 4 * channels {
        // Some devices write 24 bits as the upper ones of 32, and name those alone.
        bits = 32;
    }
    let form = Form { encoding, channels, rate, bits, big_endian: false, signed: false };
    // The standard keeps a sample in the least whole bytes, its bits at the upper end.
    if u64::from(block) != form.block() {
        fault!(Format, "frames of {block} bytes, but {channels} channels of {bits} bits, by the \"fmt \" at byte {at}");
    }
    Ok(Samples::Plain(form))
}

/// What lies from byte `data_at` on in `size` bytes.
pub(super) fn opened(samples: &Samples, data_at: u64, size: u64, notes: Vec<String>) -> Result<Plain, Fault> {
    match samples {
        Samples::Plain(form) => form.samples(data_at, size, notes).map(Plain::Pcm),
        Samples::Blocks(adpcm) => adpcm.clone().at(data_at, size, notes).map(Plain::Adpcm),
    }
}

fn u32_at(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
}
