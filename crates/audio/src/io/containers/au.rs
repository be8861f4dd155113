//! Sun's AU: a header of six numbers, text, and the samples.

use crate::io::fault::{Fault, bytes, fault};
use crate::io::pcm::Form;
use crate::io::{Encoding, Plain};
use std::io::Read;

/// Reads the header of a file of `length` bytes that starts with `.snd` or, in the other order of bytes, `dns.`.
pub(in crate::io) fn walk(file: &mut impl Read, length: u64, strict: bool) -> Result<Plain, Fault> {
    if length < 24 {
        fault!(Format, "the header of an AU needs 24 bytes, the file ends at byte {length}");
    }
    let head: [u8; 24] = bytes(file)?;
    let big_endian = head.starts_with(b".snd");
    let number = |i: usize| {
        let four = [head[i], head[i + 1], head[i + 2], head[i + 3]];
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    let (data_at, size, kind, rate, channels) = (number(4), number(8), number(12), number(16), number(20));
    if data_at < 24 {
        fault!(Format, "the header promises samples from byte {data_at} on, but has 24 bytes itself");
    }
    if rate == 0 || !(1..=65_535).contains(&channels) {
        fault!(Format, "the header tells of {channels} channels at {rate} Hz at byte 16");
    }
    let (encoding, bits) = match kind {
        1 => (Encoding::Ulaw, 8),
        2 => (Encoding::PcmS, 8),
        3 => (Encoding::PcmS, 16),
        4 => (Encoding::PcmS, 24),
        5 => (Encoding::PcmS, 32),
        6 => (Encoding::PcmF, 32),
        7 => (Encoding::PcmF, 64),
        27 => (Encoding::Alaw, 8),
        other => fault!(
            Unsupported,
            "samples of form {other} by the header at byte 12; read are PCM (2 to 5), float (6, 7), µ-law (1), A-law (27)"
        ),
    };
    let form = Form { encoding, channels: channels as usize, rate, bits, big_endian, signed: true };
    let promised = (size != u32::MAX).then_some(u64::from(size));
    form.promised(data_at.into(), promised, length, strict).map(Plain::Pcm)
}
