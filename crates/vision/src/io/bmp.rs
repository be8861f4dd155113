//! Uncompressed BMP files: palettes of 1, 4 and 8 bits, 16, 24 and 32 bits, with masks where the file gives them.
//! torchvision's own decoder has none of these, Pillow's (and so its `ImageFolder`) has.

use super::{Fault, ImageReadMode, Pixels};

/// How every BMP starts.
pub(super) const START: [u8; 2] = *b"BM";

/// What the headers say.
struct Head<'a> {
    width: usize,
    height: usize,
    /// The first row is the lowest one.
    upwards: bool,
    bits: usize,
    /// Where the rows start.
    start: usize,
    /// Blue, green, red and a byte more for each.
    palette: &'a [u8],
    /// How many bytes a colour of the palette has.
    entry: usize,
    /// Which bits are red, green, blue, opacity.
    masks: [u32; 4],
}

/// The pixels of a whole file.
pub(super) fn decode(bytes: &[u8], mode: ImageReadMode) -> Result<Pixels<u8>, Fault> {
    let head = Head::read(bytes)?;
    let (width, height, n) = (head.width, head.height, head.width * head.height);
    let opacity = head.masks[3] != 0;
    let gray = head.bits <= 8 && head.palette.chunks_exact(head.entry).all(|c| c[0] == c[1] && c[1] == c[2]);
    let channels = if gray { 1 } else { 3 + usize::from(opacity) };
    let stride = (width * head.bits).div_ceil(32) * 4;
    let mut samples = vec![0; channels * n];
    for y in 0..height {
        let row = head.start + stride * if head.upwards { height - 1 - y } else { y };
        let Some(row) = bytes.get(row..row + stride) else { return Err(super::early(bytes)) };
        for x in 0..width {
            let pixel = if head.bits <= 8 { head.indexed(row, x)? } else { head.direct(row, x) };
            for (c, value) in pixel[..channels].iter().enumerate() {
                samples[c * n + y * width + x] = *value;
            }
        }
    }
    Ok(Pixels { channels, height, width, samples }.converted(mode))
}

impl<'a> Head<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let at = |from: usize, n: usize| {
            let bytes = bytes.get(from..from + n).ok_or_else(|| super::early(bytes))?;
            Ok::<_, Fault>(bytes.iter().rev().fold(0u32, |all, b| all << 8 | u32::from(*b)))
        };
        let (start, size) = (at(10, 4)? as usize, at(14, 4)? as usize);
        let old = size == 12;
        if !old && !(40..=124).contains(&size) {
            return Err(format!("a header of {size} bytes is not known (byte 14)"));
        }
        let sides = if old { [at(18, 2)? as i32, at(20, 2)? as i32] } else { [at(18, 4)? as i32, at(22, 4)? as i32] };
        let bits = at(if old { 24 } else { 28 }, 2)? as usize;
        let (packing, used) = if old { (0, 0) } else { (at(30, 4)?, at(46, 4)? as usize) };
        let [width, high] = sides;
        if width <= 0 || high == 0 || high == i32::MIN {
            return Err(format!("header promises {width}×{high} pixels (byte 18)"));
        }
        let (width, height) = (width as usize, high.unsigned_abs() as usize);
        let supported = matches!((packing, bits), (0, 1 | 4 | 8 | 16 | 24 | 32) | (3, 16 | 32));
        if !supported {
            return Err(format!("{bits} bits a pixel packed by method {packing} are not supported (byte 30)"));
        }
        super::check_size(width, height, 4, bytes.len())?;
        if (width * bits).div_ceil(32) * 4 * height > bytes.len() {
            return Err(format!(
                "header promises {width}×{height} pixels, a file of {} bytes cannot hold them",
                bytes.len()
            ));
        }
        let masks = match (packing, bits) {
            (3, _) => [at(54, 4)?, at(58, 4)?, at(62, 4)?, if size >= 56 { at(66, 4)? } else { 0 }],
            (_, 16) => [0x7c00, 0x3e0, 0x1f, 0],
            _ => [0xff_0000, 0xff00, 0xff, 0],
        };
        let entry = if old { 3 } else { 4 };
        let most = if bits <= 8 { 1 << bits } else { 0 };
        let colors = if used == 0 { most } else { used.min(most) };
        let palette = bytes.get(14 + size..14 + size + colors * entry).ok_or_else(|| super::early(bytes))?;
        Ok(Head { width, height, upwards: high > 0, bits, start, palette, entry, masks })
    }

    /// Pixel `x` of a row of indices.
    fn indexed(&self, row: &[u8], x: usize) -> Result<[u8; 4], Fault> {
        let bit = x * self.bits;
        let index = usize::from(row[bit / 8]) >> (8 - self.bits - bit % 8) & ((1 << self.bits) - 1);
        match self.palette.chunks_exact(self.entry).nth(index) {
            Some(color) => Ok([color[2], color[1], color[0], 255]),
            None => Err(format!("colour {index} is beyond the palette of {}", self.palette.len() / self.entry)),
        }
    }

    /// Pixel `x` of a row of colours.
    fn direct(&self, row: &[u8], x: usize) -> [u8; 4] {
        let size = self.bits / 8;
        let value = row[x * size..][..size].iter().rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
        self.masks.map(|mask| {
            let most = u64::from(mask.checked_shr(mask.trailing_zeros()).unwrap_or(0));
            let found = u64::from((value & mask).checked_shr(mask.trailing_zeros()).unwrap_or(0));
            if most == 0 { 0 } else { (found * 255 / most) as u8 }
        })
    }
}
