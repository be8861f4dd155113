//! WAV, AIFF and AU: a header, and the samples as they are.

use super::{Form, integer, unit_samples};
use crate::io::Encoding;
use flambeau_tensor::{Result, Tensor, ensure};

impl Form {
    /// Bytes of a frame and of all of them, which the numbers of a header of 32 bits hold.
    #[track_caller]
    fn sizes(&self, name: &str) -> Result<(usize, usize)> {
        let (channels, bits) = (self.channels, self.bits);
        let most = usize::from(u16::MAX);
        ensure!(channels <= most, Shape, "save", "{name} has 1 to 65535 channels, the waveform has {channels}");
        let block = channels * (bits / 8) as usize;
        ensure!(
            block <= most,
            Shape,
            "save",
            "a frame of {name} has up to 65535 bytes, {channels} channels of {bits} bits have more"
        );
        let (bytes, rate) = (block as u128 * self.frames as u128, u128::from(self.rate) * block as u128);
        ensure!(
            bytes < u128::from(u32::MAX) - 128,
            Argument,
            "save",
            "{name} holds up to 4 GiB, these are {bytes} bytes"
        );
        ensure!(
            rate <= u128::from(u32::MAX),
            Argument,
            "save",
            "{rate} bytes a second are more than the header of {name} can say"
        );
        Ok((block, bytes as usize))
    }

    /// The samples behind what is there, frame after frame.
    fn put(&self, file: &mut Vec<u8>, samples: &[f64], big_endian: bool) {
        let &Form { encoding, bits, frames, .. } = self;
        let width = (bits / 8) as usize;
        let all = (0..frames).flat_map(|frame| samples[frame..].iter().step_by(frames).copied());
        match (encoding, big_endian) {
            (Encoding::Ulaw, _) => file.extend(all.map(|x| ulaw(integer(x, 16)))),
            (Encoding::Alaw, _) => file.extend(all.map(|x| alaw(integer(x, 16)))),
            (Encoding::PcmU, _) => file.extend(all.map(|x| (integer(x, 8) + 128) as u8)),
            (Encoding::PcmF, false) if width == 8 => all.for_each(|x| file.extend(x.to_le_bytes())),
            (Encoding::PcmF, true) if width == 8 => all.for_each(|x| file.extend(x.to_be_bytes())),
            (Encoding::PcmF, false) => all.for_each(|x| file.extend((x as f32).to_le_bytes())),
            (Encoding::PcmF, true) => all.for_each(|x| file.extend((x as f32).to_be_bytes())),
            (_, false) => all.for_each(|x| file.extend(&integer(x, bits).to_le_bytes()[..width])),
            (_, true) => all.for_each(|x| file.extend(&integer(x, bits).to_be_bytes()[4 - width..])),
        }
    }
}

/// A WAV: RIFF, `fmt `, for all but PCM `fact`, and `data`.
#[track_caller]
pub(in crate::io) fn wav(form: &Form, wave: &Tensor) -> Result<Vec<u8>> {
    let (block, bytes) = form.sizes("a WAV")?;
    let samples = unit_samples(wave)?;
    let tag: u16 = match form.encoding {
        Encoding::PcmF => 3,
        Encoding::Alaw => 6,
        Encoding::Ulaw => 7,
        _ => 1,
    };
    let mut file = Vec::with_capacity(bytes + 64);
    file.extend(b"RIFF\0\0\0\0WAVEfmt ");
    file.extend(if tag == 1 { 16u32 } else { 18 }.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend((form.channels as u16).to_le_bytes());
    file.extend(form.rate.to_le_bytes());
    file.extend((form.rate * block as u32).to_le_bytes());
    file.extend((block as u16).to_le_bytes());
    file.extend((form.bits as u16).to_le_bytes());
    if tag != 1 {
        // The size of an extension that there is none of, and the chunk that all forms but PCM have.
        file.extend(b"\0\0fact\x04\0\0\0");
        file.extend((form.frames as u32).to_le_bytes());
    }
    file.extend(b"data");
    file.extend((bytes as u32).to_le_bytes());
    form.put(&mut file, &samples, false);
    file.resize(file.len().next_multiple_of(2), 0);
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    Ok(file)
}

/// An AIFF; an AIFC where samples are not integers.
#[track_caller]
pub(in crate::io) fn aiff(form: &Form, wave: &Tensor) -> Result<Vec<u8>> {
    let (_, bytes) = form.sizes("an AIFF")?;
    let samples = unit_samples(wave)?;
    let kind: Option<&[u8]> = match (form.encoding, form.bits) {
        (Encoding::PcmF, 64) => Some(b"fl64"),
        (Encoding::PcmF, _) => Some(b"fl32"),
        (Encoding::Alaw, _) => Some(b"alaw"),
        (Encoding::Ulaw, _) => Some(b"ulaw"),
        _ => None,
    };
    let mut file = Vec::with_capacity(bytes + 128);
    file.extend(b"FORM\0\0\0\0");
    // The version of AIFC, which has not changed since 1990.
    file.extend(if kind.is_some() { &b"AIFCFVER\0\0\0\x04\xa2\x80\x51\x40"[..] } else { b"AIFF" });
    file.extend(b"COMM");
    file.extend(if kind.is_some() { 24u32 } else { 18 }.to_be_bytes());
    file.extend((form.channels as u16).to_be_bytes());
    file.extend((form.frames as u32).to_be_bytes());
    // Of those that are compressed the bits are what they come to.
    let bits = if matches!(form.encoding, Encoding::Alaw | Encoding::Ulaw) { 16 } else { form.bits };
    file.extend((bits as u16).to_be_bytes());
    file.extend(extended(form.rate));
    if let Some(kind) = kind {
        // And no name for people to read, of an even number of bytes.
        file.extend(kind);
        file.extend([0, 0]);
    }
    file.extend(b"SSND");
    file.extend((bytes as u32 + 8).to_be_bytes());
    file.extend([0; 8]);
    form.put(&mut file, &samples, true);
    file.resize(file.len().next_multiple_of(2), 0);
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_be_bytes());
    Ok(file)
}

/// An integer as a number of 80 bits, whose highest bit before the point is 1.
fn extended(rate: u32) -> [u8; 10] {
    let zeros = u64::from(rate).leading_zeros();
    let exponent = (16_383 + 63 - zeros) as u16;
    let mut ten = [0; 10];
    ten[..2].copy_from_slice(&exponent.to_be_bytes());
    ten[2..].copy_from_slice(&(u64::from(rate) << zeros).to_be_bytes());
    ten
}

/// An AU.
#[track_caller]
pub(in crate::io) fn au(form: &Form, wave: &Tensor) -> Result<Vec<u8>> {
    let (_, bytes) = form.sizes("an AU")?;
    let samples = unit_samples(wave)?;
    let kind: u32 = match (form.encoding, form.bits) {
        (Encoding::Ulaw, _) => 1,
        (Encoding::Alaw, _) => 27,
        (Encoding::PcmF, 64) => 7,
        (Encoding::PcmF, _) => 6,
        (_, bits) => 1 + bits / 8,
    };
    let mut file = Vec::with_capacity(bytes + 24);
    file.extend(b".snd");
    for number in [24, bytes as u32, kind, form.rate, form.channels as u32] {
        file.extend(number.to_be_bytes());
    }
    form.put(&mut file, &samples, true);
    Ok(file)
}

/// The µ-law of G.711: sign, exponent of 3 bits, mantissa of 4, all inverted.
fn ulaw(sample: i32) -> u8 {
    let magnitude = sample.abs().min(32_635) + 0x84;
    let exponent = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !((exponent << 4) as u8 | mantissa as u8 | if sample < 0 { 0x80 } else { 0 })
}

/// The A-law of G.711: sign, exponent of 3 bits, mantissa of 4, every second bit inverted.
fn alaw(sample: i32) -> u8 {
    // Of 12 bits; what is negative is counted from −1 on.
    let magnitude = if sample < 0 { !sample } else { sample } >> 4;
    let code = match magnitude {
        0..=31 => magnitude,
        _ => {
            let exponent = magnitude.ilog2() as i32 - 3;
            exponent << 4 | ((magnitude >> (exponent - 1)) & 0x0f)
        }
    };
    (code as u8 | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::{alaw, ulaw};
    use crate::io::pcm;

    #[test]
    fn codes_come_back() {
        for code in 0..=255u8 {
            let (a, u) = (pcm::alaw(code), pcm::ulaw(code));
            assert_eq!(alaw(a.into()), code, "A-law {a}");
            // −0 and 0 are one number.
            assert_eq!(ulaw(u.into()), if code == 0x7f { 0xff } else { code }, "µ-law {u}");
        }
    }
}
