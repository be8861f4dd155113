//! Apple's CAF: chunks of up to 2^63 bytes, of which `desc` says what the samples are and `data` has them.

use crate::io::fault::{Fault, bytes, fault, go, printable};
use crate::io::pcm::Form;
use crate::io::{Encoding, Plain};
use std::io::{BufReader, Read, Seek};

/// Walks the chunks up to the samples of a file of `length` bytes that starts with `caff`.
pub(in crate::io) fn walk<F: Read + Seek>(file: &mut BufReader<F>, length: u64, strict: bool) -> Result<Plain, Fault> {
    let (mut form, mut at): (Option<Form>, u64) = (None, 8);
    while at < length {
        if length - at < 12 {
            fault!(Format, "the header of the chunk at byte {at} needs 12 bytes, the file ends at byte {length}");
        }
        go(file, at)?;
        let name: [u8; 4] = bytes(file)?;
        let size = i64::from_be_bytes(bytes(file)?);
        let body = at + 12;
        // −1 stands for "up to the end", which only samples may go on to.
        let promised = u64::try_from(size).ok();
        match (&name, form) {
            (b"desc", None) => {
                if promised.is_none_or(|size| size < 32 || size > length - body) {
                    fault!(Format, "the chunk \"desc\" at byte {at} has {size} bytes, it needs 32");
                }
                form = Some(read_description(file, at)?);
            }
            (b"data", Some(form)) => {
                if promised.is_some_and(|size| size < 4) || length - body < 4 {
                    fault!(Format, "the chunk \"data\" at byte {at} has {size} bytes, 4 are the least");
                }
                return form.promised(body + 4, promised.map(|size| size - 4), length, strict).map(Plain::Pcm);
            }
            (b"data", None) => fault!(Format, "the chunk \"data\" at byte {at} comes before any \"desc\""),
            (b"desc", Some(_)) => fault!(Format, "a second chunk \"desc\" at byte {at}"),
            _ => {}
        }
        match promised {
            Some(size) if size <= length - body => at = body + size,
            _ => {
                let name = printable(&name);
                fault!(Format, "the chunk {name:?} at byte {at} promises {size} bytes, the file ends at byte {length}");
            }
        }
    }
    fault!(Format, "there is no chunk \"data\" up to the end at byte {length}")
}

fn read_description(file: &mut impl Read, at: u64) -> Result<Form, Fault> {
    let rate = f64::from_be_bytes(bytes(file)?).round();
    let kind: [u8; 4] = bytes(file)?;
    let mut number = || bytes(file).map(u32::from_be_bytes);
    let (flags, packet, frames, channels, bits) = (number()?, number()?, number()?, number()?, number()?);
    if !(1..=65_535).contains(&channels) || !(1.0..=f64::from(u32::MAX)).contains(&rate) {
        fault!(Format, "the chunk \"desc\" at byte {at} tells of {channels} channels at {rate} Hz");
    }
    let (float, big_endian) = (flags & 1 != 0, flags & 2 == 0);
    let encoding = match (&kind, float, bits) {
        (b"lpcm", false, 1..=32) => Encoding::PcmS,
        (b"lpcm", true, 32 | 64) => Encoding::PcmF,
        (b"ulaw", ..) => Encoding::Ulaw,
        (b"alaw", ..) => Encoding::Alaw,
        (b"lpcm", ..) => fault!(Format, "samples of {bits} bits by the chunk \"desc\" at byte {at}"),
        _ => fault!(
            Unsupported,
            "samples of form {:?} by the chunk \"desc\" at byte {at}; read are PCM, float, A-law, µ-law",
            printable(&kind)
        ),
    };
    let bits = if matches!(encoding, Encoding::Ulaw | Encoding::Alaw) { 8 } else { bits };
    let form = Form { encoding, channels: channels as usize, rate: rate as u32, bits, big_endian, signed: true };
    if frames != 1 || u64::from(packet) != form.block() {
        fault!(
            Format,
            "packets of {packet} bytes and {frames} frames, but {channels} channels of {bits} bits, by the chunk \"desc\" at byte {at}"
        );
    }
    Ok(form)
}
