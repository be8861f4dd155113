//! NIST's SPHERE, as speech corpora have it: lines of text, and the samples.

use crate::io::fault::{Fault, fault};
use crate::io::pcm::Form;
use crate::io::{Encoding, Plain};
use std::io::Read;

/// The most bytes that a header may have.
const LIMIT: u64 = 1 << 20;

/// Reads the header of a file of `length` bytes that starts with `NIST_1A`.
pub(in crate::io) fn walk(file: &mut impl Read, length: u64, strict: bool) -> Result<Plain, Fault> {
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head)?;
    let size = std::str::from_utf8(&head).ok().and_then(|s| s.get(7..)?.trim().parse::<u64>().ok());
    let size = match size {
        Some(size) if (16..=LIMIT).contains(&size) && size <= length => size,
        _ => fault!(Format, "a SPHERE file has the size of its header at byte 8, here is none up to byte {length}"),
    };
    let mut text = Vec::new();
    file.take(size - 16).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| {
        let lines = text.lines().take_while(|line| line.trim() != "end_head");
        let mut words = lines.map(|line| line.splitn(3, ' ')).find(|words| words.clone().next() == Some(name))?;
        words.nth(2).map(str::trim)
    };
    let number = |name: &str| -> Result<u64, Fault> {
        match field(name).map(str::parse) {
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => fault!(Format, "{name} in the header is {:?}, no number", field(name).unwrap_or_default()),
            None => fault!(Format, "the header of {size} bytes does not tell {name}"),
        }
    };
    let (channels, rate) = (number("channel_count")?, number("sample_rate")?);
    if !(1..=65_535).contains(&channels) || !(1..=u64::from(u32::MAX)).contains(&rate) {
        fault!(Format, "the header tells of {channels} channels at {rate} Hz");
    }
    let width = number("sample_n_bytes")?;
    let (encoding, bits) = match (field("sample_coding").unwrap_or("pcm"), width) {
        ("pcm", 1..=4) => (Encoding::PcmS, 8 * width as u32),
        ("ulaw" | "mu-law", 1) => (Encoding::Ulaw, 8),
        ("alaw", 1) => (Encoding::Alaw, 8),
        (other, _) => fault!(Unsupported, "samples of form {other:?} of {width} bytes; read are pcm, ulaw and alaw"),
    };
    let big_endian = match field("sample_byte_format") {
        Some(order) if order.starts_with("10") => true,
        Some(order) if order.starts_with("01") => false,
        Some("1") | None if width == 1 => false,
        other => fault!(Unsupported, "bytes in the order {:?}; read are 01 and 10", other.unwrap_or("nobody tells")),
    };
    let form = Form { encoding, channels: channels as usize, rate: rate as u32, bits, big_endian, signed: true };
    let promised = match field("sample_count") {
        None => None,
        Some(_) => Some(number("sample_count")?.saturating_mul(form.block())),
    };
    form.promised(size, promised, length, strict).map(Plain::Pcm)
}
