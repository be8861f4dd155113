//! TIFF files (Adobe's TIFF 6.0): the first image, in strips or tiles, as it is or packed by LZW, deflate or runs; gray, a
//! palette, RGB and inks of 8 or 16 bits, and black and white. torchvision leaves them to Pillow.

use super::{Fault, Image, ImageReadMode, Pixels, planes};
use std::io::Read;

/// How every TIFF starts, by the order of its bytes.
pub(super) const STARTS: [[u8; 4]; 2] = [*b"II\x2a\0", *b"MM\0\x2a"];

/// Bytes of a number, by its kind; those that matter here.
const SIZES: [usize; 5] = [0, 1, 1, 2, 4];

/// A file and the entries of its first directory.
struct Tags<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Where the entries start, and how many there are.
    entries: (usize, usize),
}

impl<'a> Tags<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut tags = Tags { bytes, little: bytes.starts_with(b"II"), entries: (0, 0) };
        let first = tags.number(4, 4)?;
        tags.entries = (first.saturating_add(2), tags.number(first, 2)?);
        Ok(tags)
    }

    /// The number of `size` bytes at `from`.
    fn number(&self, from: usize, size: usize) -> Result<usize, Fault> {
        let end = from.checked_add(size).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(from..end).ok_or_else(|| format!("a number at byte {from} is beyond the end"))?;
        let joined = |all: usize, b: &u8| all << 8 | usize::from(*b);
        Ok(if self.little { bytes.iter().rev().fold(0, joined) } else { bytes.iter().fold(0, joined) })
    }

    /// All numbers of a tag; none where it is not there.
    fn all(&self, tag: usize) -> Result<Vec<usize>, Fault> {
        let (start, count) = self.entries;
        for i in 0..count {
            let at = start + 12 * i;
            if self.number(at, 2)? != tag {
                continue;
            }
            let (kind, count) = (self.number(at + 2, 2)?, self.number(at + 4, 4)?);
            let size = SIZES.get(kind).copied().filter(|size| *size > 0);
            let size = size.ok_or_else(|| format!("tag {tag} has numbers of kind {kind} (byte {at})"))?;
            let from = if count.saturating_mul(size) <= 4 { at + 8 } else { self.number(at + 8, 4)? };
            if from.saturating_add(count.saturating_mul(size)) > self.bytes.len() {
                return Err(format!("tag {tag} promises {count} numbers, they do not fit in the file (byte {at})"));
            }
            return (0..count).map(|k| self.number(from + k * size, size)).collect();
        }
        Ok(Vec::new())
    }

    /// The first number of a tag, `default` where it is not there.
    fn one(&self, tag: usize, default: usize) -> Result<usize, Fault> {
        Ok(self.all(tag)?.first().copied().unwrap_or(default))
    }
}

/// How the image lies in the file.
struct Layout {
    width: usize,
    height: usize,
    bits: usize,
    samples: usize,
    packing: usize,
    /// Numbers are what is added to their left neighbours.
    differences: bool,
    /// Height and width of a piece.
    piece: (usize, usize),
    /// Each channel has pieces of its own.
    apart: bool,
    offsets: Vec<usize>,
    counts: Vec<usize>,
}

impl Layout {
    fn read(tags: &Tags<'_>) -> Result<Self, Fault> {
        let (width, height) = (tags.one(256, 0)?, tags.one(257, 0)?);
        let (samples, all_bits) = (tags.one(277, 1)?, tags.all(258)?);
        let bits = all_bits.first().copied().unwrap_or(1);
        if width == 0 || height == 0 {
            return Err(format!("header promises {width}×{height} pixels"));
        }
        let kind = tags.one(339, 1)?;
        let uniform = all_bits.iter().all(|b| *b == bits);
        if !matches!((bits, samples), (1, 1) | (8 | 16, 1..=5)) || !uniform || kind != 1 {
            return Err(format!("{samples} samples of {all_bits:?} bits and kind {kind} are not supported"));
        }
        // A palette gives three channels for one.
        let channels = if tags.one(262, 1)? == 3 { 3 } else { samples };
        let (each, file) = (bits.div_ceil(8), tags.bytes.len());
        super::check_size(width, height, channels * each, file)?;
        let tiled = tags.one(322, 0)? > 0;
        let piece = match tiled {
            true => (tags.one(323, 0)?, tags.one(322, 0)?),
            false => (tags.one(278, height)?.min(height), width),
        };
        if piece.0 == 0 || piece.1 == 0 {
            return Err(format!("pieces of {}×{} pixels", piece.1, piece.0));
        }
        // Tiles may reach over the right edge, and are unpacked in their full width.
        let padded = width.div_ceil(piece.1).saturating_mul(piece.1);
        super::check_size(padded, height, samples * each, file)
            .map_err(|fault| format!("tiles of {}×{} pixels: {fault}", piece.1, piece.0))?;
        let layout = Layout {
            width,
            height,
            bits,
            samples,
            packing: tags.one(259, 1)?,
            differences: tags.one(317, 1)? == 2,
            piece,
            apart: tags.one(284, 1)? == 2 && samples > 1,
            offsets: tags.all(if tiled { 324 } else { 273 })?,
            counts: tags.all(if tiled { 325 } else { 279 })?,
        };
        let needed = height.div_ceil(piece.0) * width.div_ceil(piece.1) * if layout.apart { samples } else { 1 };
        if layout.offsets.len() < needed || layout.counts.len() < needed {
            return Err(format!("{} of {needed} pieces have a place in the file", layout.offsets.len()));
        }
        Ok(layout)
    }

    /// All samples, those of a pixel side by side, as bytes or words of the file's order.
    fn samples(&self, tags: &Tags<'_>) -> Result<Vec<u16>, Fault> {
        let (rows, columns) = self.piece;
        let (down, across) = (self.height.div_ceil(rows), self.width.div_ceil(columns));
        let planes = if self.apart { self.samples } else { 1 };
        let each = self.samples / planes;
        let stride = (columns * each * self.bits).div_ceil(8);
        let mut all = vec![0; self.width * self.height * self.samples];
        for (i, (&offset, &count)) in self.offsets.iter().zip(&self.counts).enumerate().take(down * across * planes) {
            let (plane, piece) = (i / (down * across), i % (down * across));
            let (top, left) = (piece / across * rows, piece % across * columns);
            let high = rows.min(self.height - top);
            let packed = tags.bytes.get(offset..offset.saturating_add(count));
            let packed = packed.ok_or_else(|| format!("piece {i} at byte {offset} is beyond the end"))?;
            let bytes =
                self.unpacked(packed, high * stride).map_err(|fault| format!("piece {i}, byte {offset}: {fault}"))?;
            for row in 0..high {
                let mut line = self.line(&bytes[row * stride..][..stride], tags.little);
                if self.differences {
                    let mask = if self.bits == 16 { u16::MAX } else { 0xff };
                    (each..line.len()).for_each(|k| line[k] = line[k].wrapping_add(line[k - each]) & mask);
                }
                let wide = columns.min(self.width - left);
                let to = ((top + row) * self.width + left) * self.samples;
                for (x, pixel) in line.chunks_exact(each).take(wide).enumerate() {
                    all[to + x * self.samples + plane..][..each].copy_from_slice(pixel);
                }
            }
        }
        Ok(all)
    }

    /// The numbers of a row.
    fn line(&self, bytes: &[u8], little: bool) -> Vec<u16> {
        match self.bits {
            1 => bytes.iter().flat_map(|b| (0..8).map(move |k| u16::from(b >> (7 - k) & 1))).collect(),
            8 => bytes.iter().map(|b| u16::from(*b)).collect(),
            _ if little => bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
            _ => bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b)).collect(),
        }
    }

    /// `size` bytes of a piece.
    fn unpacked(&self, packed: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = match self.packing {
            1 => packed.iter().copied().take(size).collect(),
            5 => lzw(packed, size)?,
            8 | 32946 => {
                let mut bytes = Vec::new();
                let mut inflated = flate2::read::ZlibDecoder::new(packed).take(size as u64);
                inflated.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
                bytes
            }
            32773 => runs(packed, size),
            other => return Err(format!("packed by method {other}, which is not supported")),
        };
        bytes.truncate(size);
        match bytes.len() == size {
            true => Ok(bytes),
            false => Err(format!("it has {} bytes, {size} are needed", bytes.len())),
        }
    }
}

/// Runs of bytes, Apple's PackBits.
fn runs(packed: &[u8], size: usize) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(&head) = packed.get(at).filter(|_| bytes.len() < size) {
        at += 1;
        match head {
            0..=127 => {
                let end = (at + usize::from(head) + 1).min(packed.len());
                bytes.extend_from_slice(&packed[at..end]);
                at = end;
            }
            128 => {}
            _ => {
                let Some(&value) = packed.get(at) else { break };
                bytes.resize(bytes.len() + 257 - usize::from(head), value);
                at += 1;
            }
        }
    }
    bytes
}

/// Words of a table that grows, the highest bit first; a word's width grows one word early.
fn lzw(packed: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
    const CLEAR: usize = 256;
    const END: usize = 257;
    let mut bytes: Vec<u8> = Vec::new();
    // Each word of the table is a part of what came out: where it starts and how long it is.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let (mut width, mut bit, mut last) = (9, 0, None::<(usize, usize)>);
    while bytes.len() < size {
        let mut word = 0;
        for k in bit..bit + width {
            let Some(byte) = packed.get(k / 8) else { return Ok(bytes) };
            word = word << 1 | usize::from(byte >> (7 - k % 8) & 1);
        }
        bit += width;
        if word == CLEAR {
            (table, width, last) = (Vec::new(), 9, None);
            continue;
        }
        if word == END {
            break;
        }
        let start = bytes.len();
        if word < CLEAR {
            bytes.push(word as u8);
        } else {
            let known = table.get(word - 258).copied();
            // The word that is about to be known: the last one and its first byte.
            let next = last.filter(|_| word - 258 == table.len()).map(|(at, length)| (at, length + 1));
            let Some((at, length)) = known.or(next) else { return Err(format!("word {word} is not known yet")) };
            for k in 0..length {
                bytes.push(bytes[at + k]);
            }
        }
        if let Some((at, length)) = last.filter(|_| table.len() < 4096 - 258) {
            // The last word and the byte that followed it lie side by side.
            table.push((at, length + 1));
        }
        last = Some((start, bytes.len() - start));
        width = match table.len() + 258 + 1 {
            ..512 => 9,
            512..1024 => 10,
            1024..2048 => 11,
            _ => 12,
        };
    }
    Ok(bytes)
}

/// The pixels of the first image.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Image, Fault> {
    let tags = Tags::read(bytes)?;
    let layout = Layout::read(&tags)?;
    let meaning = tags.one(262, 1)?;
    let extra = tags.all(338)?;
    let (width, height, most) = (layout.width, layout.height, ((1u32 << layout.bits) - 1) as u16);
    let expected = match meaning {
        0 | 1 | 3 => 1,
        2 => 3,
        5 => 4,
        other => return Err(format!("samples that mean colours by method {other} are not supported")),
    };
    let opacity = layout.samples == expected + 1 && matches!(extra.first(), Some(0 | 2)) && meaning != 5;
    if layout.samples != expected && !opacity || meaning == 3 && (layout.bits != 8 || opacity) {
        return Err(format!("{} samples for a pixel of {expected} are not supported", layout.samples));
    }
    let mut samples = layout.samples(&tags)?;
    let mut channels = layout.samples;
    match meaning {
        0 => samples.chunks_exact_mut(channels).for_each(|pixel| pixel[0] = most - pixel[0]),
        3 => {
            let colors = tags.all(320)?;
            let color = |i: u16, c: usize| colors.get(c * 256 + usize::from(i)).map(|v| (v >> 8) as u16);
            let colored: Option<Vec<u16>> = samples.iter().flat_map(|i| (0..3).map(move |c| color(*i, c))).collect();
            (samples, channels) = (colored.ok_or("the palette has fewer than 256 colours")?, 3);
        }
        5 => {
            let ink = |value: u16, rest: u32| {
                let product = u32::from(value) * rest + 128;
                rest.saturating_sub(((product >> 8) + product) >> 8) as u16
            };
            if layout.bits != 8 {
                return Err("inks of 16 bits are not supported".into());
            }
            let inked = |p: &[u16]| [0, 1, 2].map(|c| ink(p[c], 255 - u32::from(p[3])));
            (samples, channels) = (samples.chunks_exact(4).flat_map(inked).collect(), 3);
        }
        _ => {}
    }
    if layout.bits == 16 {
        let samples = planes(samples, channels);
        return Ok(Image::Words(Pixels { channels, height, width, samples }.converted(mode)));
    }
    let scale = if layout.bits == 1 { 255 } else { 1 };
    let samples = planes(samples.into_iter().map(|v| (v * scale) as u8).collect(), channels);
    Ok(Image::Bytes(Pixels { channels, height, width, samples }.converted(mode)))
}
