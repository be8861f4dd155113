//! Netpbm files, P1 to P6: black and white, gray, colours, as text or as bytes. torchvision's own decoder has none of these,
//! Pillow's has.

use super::{Fault, ImageReadMode, Pixels, planes};

/// Whether a file is one: `P`, a digit, a blank.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'6', b' ' | b'\t' | b'\n' | b'\r' | b'#', ..])
}

/// The pixels of a whole file; levels that do not go up to 255 are spread to that.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels<u8>, Fault> {
    let kind = bytes.get(1).copied().unwrap_or_default() - b'0';
    let (channels, text, bits) = (if kind % 3 == 0 { 3 } else { 1 }, kind < 4, kind % 3 == 1);
    let mut source = Source { bytes, at: 2 };
    let (width, height) = (source.number()?, source.number()?);
    let most = if bits { 1 } else { source.number()? };
    if width == 0 || height == 0 || !(1..=65535).contains(&most) {
        return Err(format!("header promises {width}×{height} pixels of levels up to {most}"));
    }
    let count = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
    let wide = if most > 255 { 2 } else { 1 };
    // A level in text takes two bytes, the last one 1; of bits in text one.
    let needed = match (text, bits) {
        (true, true) => count,
        (true, false) => count.and_then(|n| n.checked_mul(2)).map(|n| n - 1),
        (false, true) => width.div_ceil(8).checked_mul(height),
        (false, false) => count.and_then(|n| n.checked_mul(wide)),
    };
    if !text {
        source.at += 1;
    }
    let rest = bytes.get(source.at..).unwrap_or_default();
    let Some((count, needed)) = count.zip(needed).filter(|(_, needed)| *needed <= rest.len()) else {
        return Err(format!("header promises {width}×{height} pixels, the file ends at byte {}", bytes.len()));
    };
    let levels: Vec<usize> = match (text, bits) {
        (true, false) => (0..count).map(|_| source.number()).collect::<Result<_, _>>()?,
        (true, true) => (0..count).map(|_| source.bit()).collect::<Result<_, _>>()?,
        (false, true) => {
            let row = |row: &[u8]| (0..width).map(|x| usize::from(row[x / 8] >> (7 - x % 8) & 1)).collect::<Vec<_>>();
            rest[..needed].chunks_exact(width.div_ceil(8)).flat_map(row).collect()
        }
        (false, false) if wide == 2 => {
            rest[..needed].as_chunks::<2>().0.iter().map(|b| usize::from(u16::from_be_bytes(*b))).collect()
        }
        (false, false) => rest[..needed].iter().map(|b| usize::from(*b)).collect(),
    };
    // A set bit is black.
    let level = |level: usize| match bits {
        true => 255 * (1 - level.min(1)) as u8,
        false if most == 255 => level.min(255) as u8,
        false => (level.min(most) as f64 / most as f64 * 255.0).round_ties_even() as u8,
    };
    let samples = planes(levels.into_iter().map(level).collect(), channels);
    Ok(Pixels { channels, height, width, samples }.converted(mode))
}

struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Source<'_> {
    /// Passes over blanks and what stands behind `#`.
    fn skip(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'#' => {
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }

    fn number(&mut self) -> Result<usize, Fault> {
        self.skip();
        let (start, mut number) = (self.at, 0usize);
        while let Some(digit) = self.bytes.get(self.at).filter(|b| b.is_ascii_digit()) {
            number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            self.at += 1;
        }
        match (self.at > start, self.at < self.bytes.len()) {
            (true, _) => Ok(number),
            (false, true) => Err(format!("no number at byte {start}")),
            (false, false) => Err(super::early(self.bytes)),
        }
    }

    fn bit(&mut self) -> Result<usize, Fault> {
        self.skip();
        let bit = self.bytes.get(self.at).copied();
        self.at += 1;
        match bit {
            Some(bit @ b'0'..=b'1') => Ok(usize::from(bit - b'0')),
            Some(_) => Err(format!("no bit at byte {}", self.at - 1)),
            None => Err(super::early(self.bytes)),
        }
    }
}
