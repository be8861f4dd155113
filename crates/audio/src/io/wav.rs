//! The structure of a WAV file: chunks in a RIFF, of which `fmt ` says what the samples are and `data` has
//! them. All that is promised is held against the length of the file, and every fault is told by its byte.

use super::{AudioMetaData, Encoding};
use std::io::{self, Read, Seek, SeekFrom};

/// A file whose structure was found whole.
#[derive(Debug)]
pub(super) struct Wav {
    pub(super) meta: AudioMetaData,
    /// Bytes of a frame.
    pub(super) block: usize,
    /// The byte at which the samples start.
    pub(super) data_at: u64,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Format(String),
    Unsupported(String),
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Fault::Io(e)
    }
}

macro_rules! fault {
    ($kind:ident, $($message:tt)+) => { return Err(Fault::$kind(format!($($message)+))) };
}

/// The part of `fmt ` that says what the samples are.
struct Form {
    encoding: Encoding,
    channels: u16,
    rate: u32,
    bits: u16,
    block: u16,
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the two bytes of the format in the GUIDs of the extensible form.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// Walks the chunks up to the samples of a file of `length` bytes.
pub(super) fn walk(file: &mut (impl Read + Seek), length: u64) -> Result<Wav, Fault> {
    let end = riff(file, length)?;
    let mut form = None;
    let mut at = 12;
    while at < end {
        if end - at < 8 {
            fault!(Format, "the header of the chunk at byte {at} needs 8 bytes, the file ends at byte {end}");
        }
        file.seek(SeekFrom::Start(at))?;
        let head: [u8; 8] = bytes(file)?;
        let (name, size) = (&head[..4], u64::from(u32_at(&head, 4)));
        let body = at + 8;
        if size > end - body {
            let name = printable(name);
            fault!(Format, "the chunk {name:?} at byte {at} promises {size} bytes, the file ends at byte {end}");
        }
        match (name, &form) {
            (b"fmt ", None) => form = Some(read_form(file, at, size)?),
            (b"fmt ", Some(_)) => fault!(Format, "a second chunk \"fmt \" at byte {at}"),
            (b"data", None) => fault!(Format, "the chunk \"data\" at byte {at} comes before any \"fmt \""),
            (b"data", Some(form)) => return samples_of(form, at, size),
            _ => {}
        }
        at = body + size + size % 2;
    }
    let missing = if form.is_none() { "fmt " } else { "data" };
    fault!(Format, "there is no chunk {missing:?} up to the end at byte {end}")
}

/// Checks the header of the RIFF; gives the byte at which it ends.
fn riff(file: &mut (impl Read + Seek), length: u64) -> Result<u64, Fault> {
    if length == 0 {
        fault!(Format, "the file is empty");
    }
    let mut start = Vec::new();
    file.by_ref().take(12).read_to_end(&mut start)?;
    if let Some(what @ (b"RIFX" | b"RF64" | b"BW64")) = start.first_chunk() {
        fault!(Unsupported, "a WAV in the form {:?}; only RIFF is read", printable(what));
    }
    let known = b"RIFF".iter().zip(&start).all(|(a, b)| a == b);
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
    let end = u64::from(u32_at(&start, 4)) + 8;
    if end > length {
        fault!(Format, "the header at byte 4 promises a file of {end} bytes, it ends at byte {length}");
    }
    Ok(end)
}

/// Reads the chunk `fmt ` of `size` bytes whose header is at byte `at`.
fn read_form(file: &mut impl Read, at: u64, size: u64) -> Result<Form, Fault> {
    if size < 16 {
        fault!(Format, "the chunk \"fmt \" at byte {at} has {size} bytes, 16 are the least");
    }
    let fmt: [u8; 16] = bytes(file)?;
    let u16_of = |i: usize| u16::from_le_bytes([fmt[i], fmt[i + 1]]);
    let (mut tag, channels, rate, block, bits) = (u16_of(0), u16_of(2), u32_at(&fmt, 4), u16_of(12), u16_of(14));
    if tag == EXTENSIBLE {
        if size < 40 {
            fault!(Format, "the chunk \"fmt \" at byte {at} has {size} bytes, its extensible form 40");
        }
        let more: [u8; 24] = bytes(file)?;
        if more[10..] != GUID_TAIL {
            fault!(Unsupported, "samples of a form by an unknown GUID at byte {}", at + 8 + 24);
        }
        tag = u16::from_le_bytes([more[8], more[9]]);
    }
    if channels == 0 || rate == 0 {
        fault!(Format, "the chunk \"fmt \" at byte {at} tells of {channels} channels at {rate} Hz");
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
            "samples of form {tag:#06x} by the \"fmt \" at byte {at}; read are PCM, float, A-law, µ-law"
        ),
    };
    // The standard keeps a sample in the least whole bytes, its bits at the upper end.
    if u32::from(block) != u32::from(channels) * u32::from(bits.div_ceil(8)) {
        fault!(Format, "frames of {block} bytes, but {channels} channels of {bits} bits, by the \"fmt \" at byte {at}");
    }
    Ok(Form { encoding, channels, rate, bits, block })
}

/// What the chunk `data` at byte `at` holds.
fn samples_of(form: &Form, at: u64, size: u64) -> Result<Wav, Fault> {
    let block = u64::from(form.block);
    if !size.is_multiple_of(block) {
        fault!(Format, "the chunk \"data\" at byte {at} has {size} bytes, no whole number of frames of {block}");
    }
    let Ok(frames) = usize::try_from(size / block) else {
        fault!(Unsupported, "more samples than this machine can address");
    };
    let meta = AudioMetaData {
        sample_rate: form.rate,
        num_frames: frames,
        num_channels: form.channels.into(),
        bits_per_sample: form.bits.into(),
        encoding: form.encoding,
    };
    Ok(Wav { meta, block: form.block.into(), data_at: at + 8 })
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u32_at(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}
